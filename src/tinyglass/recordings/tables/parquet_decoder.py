"""Decode Parquet in a process of its own, as a damaged file can end the process that decodes it.

`parquet_table` runs this file. A request is a line of JSON; an answer is messages of a letter, the number of
bytes, and the bytes: ``J`` JSON, ``F`` a frame as an Arrow stream, ``E`` an error in words, ``.`` the end.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

ROWS = 2**17  # in a frame, at most
MOST_MEMORY = 2**33  # bytes of addresses


def answer(request: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the messages that answer a request: about a file, or for its rows."""
    try:
        for thing in rows(**request) if "numbers" in request else about(**request):
            if isinstance(thing, dict):
                yield b"J", json.dumps(thing).encode()
            else:
                stream = BytesIO()
                thing.write_ipc_stream(stream)
                yield b"F", stream.getvalue()
        yield b".", b""
    except BaseException as error:  # the panics of polars are no `Exception`
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        yield b"E", why[:200].encode(errors="replace")


def about(path: str, most_rows: int, n_sample: int) -> Iterator[dict[str, Any]]:
    """Yield the number of rows, then, if there are not too many, heads, kinds and a sample of the columns."""
    import polars as pl

    n_rows = pl.scan_parquet(path, glob=False, hive_partitioning=False).select(pl.len()).collect().item()
    table, lists = unrolled(path)
    if lists and n_rows <= most_rows:
        lengths = pl.col(lists[0]).list.len().fill_null(0).clip(lower_bound=1)
        n_rows = listed(path)[0].select(lengths.cast(pl.Int64).sum()).collect().item()
    yield {"n_rows": n_rows}
    if n_rows > most_rows:
        return
    first = table.head(n_sample).collect()
    texts = [as_text(name, kind, False) for name, kind in first.schema.items()]
    heads = list(pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema())
    yield {
        "heads": [*heads, *(["recording"] if lists else [])],
        "kinds": [kind_of(kind) for kind in first.dtypes],
        "sample": [column.fill_null("").to_list() for column in first.select(texts)],
    }


def rows(path: str, numbers: list[int], texts: list[int], exact: bool) -> Iterator[pl.DataFrame]:
    """Yield all rows: these columns as float64, those as text, under their numbers."""
    import polars as pl

    table, _ = unrolled(path)
    types = table.collect_schema()
    columns = [as_number(str(i), types[str(i)]) for i in numbers]
    columns += [as_text(str(i), types[str(i)], exact).cast(pl.Categorical) for i in texts]  # each text once
    yield from table.select(columns).collect_batches(chunk_size=ROWS, maintain_order=True)


def listed(path: str) -> tuple[pl.LazyFrame, list[str]]:
    """Return the table with its columns under their numbers, and those that hold lists of readings."""
    import polars as pl

    table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    schema = table.collect_schema()
    table = table.rename({name: str(i) for i, name in enumerate(schema)})
    inner = {
        str(i): kind.inner for i, kind in enumerate(schema.dtypes()) if isinstance(kind, pl.List | pl.Array)
    }
    return table.with_columns(pl.col(i).cast(pl.List(kind)) for i, kind in inner.items()), list(inner)


def unrolled(path: str) -> tuple[pl.LazyFrame, list[str]]:
    """Return the table with a row for each reading in its lists, and a column more that numbers these."""
    table, lists = listed(path)
    if not lists:
        return table, lists
    numbered = table.with_row_index(str(len(table.collect_schema())), offset=1)
    return numbered.explode(lists, empty_as_null=True), lists


def kind_of(kind: pl.DataType) -> str:
    """Return what a column holds."""
    import polars as pl

    if kind.is_temporal():
        return "time"
    if kind.is_numeric():
        return "number"
    if isinstance(kind, pl.Null):
        return "nothing"
    return "text" if isinstance(kind, pl.String | pl.Categorical | pl.Enum) else "other"


def as_number(name: str, kind: pl.DataType) -> pl.Expr:
    """Return the column as float64; moments and durations in seconds."""
    import polars as pl

    column = pl.col(name)
    if isinstance(kind, pl.Duration):
        return column.dt.total_nanoseconds().cast(pl.Float64) * 1e-9
    if isinstance(kind, pl.Time):
        return column.cast(pl.Int64).cast(pl.Float64) * 1e-9
    if kind.is_temporal():
        return column.dt.epoch("us").cast(pl.Float64) * 1e-6
    return column.cast(pl.Float64)


def as_text(name: str, kind: pl.DataType, exact: bool) -> pl.Expr:
    """Return the column as text: 3 for 3.0, as other tools turn whole numbers with gaps into floats."""
    import polars as pl

    column = pl.col(name)
    if isinstance(kind, pl.List | pl.Array | pl.Struct | pl.Binary | pl.Object | pl.Null):
        return pl.lit(None, pl.String).alias(name)
    if isinstance(kind, pl.Duration):
        return column.cast(pl.Int64).cast(pl.String)
    if exact:
        return column.cast(pl.String)
    if kind.is_float():
        whole = column.is_finite() & (column == column.round()) & (column.abs() < 2**53)
        number = pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String))
        return number.when(column.is_not_nan()).then(column.cast(pl.String)).alias(name)
    text = column.cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def main() -> None:
    """Answer requests until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for line in sys.stdin.buffer:
        for kind, content in answer(json.loads(line)):
            sys.stdout.buffer.write(kind + len(content).to_bytes(8, "little") + content)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
