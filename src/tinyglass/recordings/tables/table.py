"""Tables a piece at a time, so that memory stays bounded; what CSV and Parquet have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from ..source import Source

if TYPE_CHECKING:
    import polars as pl

SAMPLE = 2**13  # rows by which it is decided what a column is for
MOST_NUMBERS = 2**28  # in a table: 2 GiB
MISSING = ["", "na", "n/a", "nan", "null", "none", "-nan"]  # what tools write for no number


class Batch(NamedTuple):
    """Some rows of a table."""

    frame: pl.DataFrame  # under the numbers of its columns, "0", "1", …
    places: np.ndarray  # int64, (n_rows,): lines of the file, or rows of the table
    share: float  # of the file that is read after this batch


@dataclass(frozen=True, eq=False)
class Table:
    """What CSV and Parquet offer.

    Attributes
    ----------
    source : Source
    heads : of the columns
    sample : of each column, the first cells as text, "" where there is none
    kinds : of each column, ``"number"``, ``"text"``, ``"time"`` (of a clock or calendar), ``"nothing"``
        or ``"other"``
    place : what one counts rows in: ``"line"`` or ``"row"``
    """

    source: Source
    heads: list[str]
    sample: list[list[str]]
    kinds: list[str]
    place: ClassVar[str]

    def batches(self, numbers: Collection[int], texts: Collection[int], exact: bool) -> Iterator[Batch]:
        """Yield the rows: these columns as numbers, those as text; others are left out.

        `exact` leaves the text as it is; otherwise spaces around it go, and empty text is none.
        """
        raise NotImplementedError

    def line(self, number: int) -> int | None:
        """Return what a note names as the line of a row, by its number in `Batch.places`."""
        return int(number) if self.place == "line" else None

    def at(self, number: int) -> str:
        """Return the place of a row for a message."""
        return f"{self.source.name}, {self.place} {number}"


def clock(column: Sequence[str | None] | pl.Series) -> np.ndarray:
    """Return moments in text as seconds since 1970, NaN where a cell is none.

    Examples
    --------
    >>> clock(["1970-01-01 00:01:00.5", "1970-01-01 00:01"]), clock(["noon"])
    (array([60.5, 60. ]), array([nan]))
    """
    import polars as pl

    try:
        moments = pl.Series(column, dtype=pl.String).str.to_datetime(time_unit="us", strict=False)
    except pl.exceptions.PolarsError:
        return np.full(len(column), np.nan)
    return moments.dt.epoch("us").cast(pl.Float64).to_numpy() * 1e-6
