"""Tables of readings: text in pieces, CSV with heads, Parquet, and what their columns are for."""
