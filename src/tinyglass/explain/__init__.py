"""Every number of a training as a formula with its values."""
