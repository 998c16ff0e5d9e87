"""The rows of a long table, gathered by recording, whatever order they stand in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...errors import RecordingError
from ..source import Source
from .table import MOST_NUMBERS, Table

if TYPE_CHECKING:
    import polars as pl

MOST_RECORDINGS = 10**6
READING = 0.9  # share of the work, for the bar of progress; the rest is making recordings

Identity = tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of a table.

    Attributes
    ----------
    identities : of each recording, what its rows have in common
    recording : int32 array, (n_rows,), places in `identities`
    labels : every label
    label : int32 array, (n_rows,), places in `labels`
    columns : float64 arrays, (n_rows,), NaN where a cell is empty
    places : int64 array, (n_rows,), line or row
    """

    identities: list[Identity]
    recording: np.ndarray
    labels: list[str | None]
    label: np.ndarray
    columns: list[np.ndarray]
    places: np.ndarray

    @property
    def interleaved(self) -> int | None:
        """Return the first row that returns to an earlier recording, or None."""
        returns = np.diff(self.recording) < 0
        return int(returns.argmax()) + 1 if returns.any() else None

    @property
    def first_rows(self) -> np.ndarray:
        """The first row of each recording: they are numbered in the order of the file."""
        return np.flatnonzero(np.diff(np.maximum.accumulate(self.recording), prepend=-1))

    def by_recording(self, progress: Callable[[float], object]) -> Iterator[tuple[Identity, np.ndarray]]:
        """Yield every recording's identity and the numbers of its rows, in the order of the file."""
        n_rows = len(self.recording)
        order = None if self.interleaved is None else np.argsort(self.recording, kind="stable")
        recording = self.recording if order is None else self.recording[order]
        if not n_rows:
            return
        starts = [0, *(np.flatnonzero(np.diff(recording)) + 1).tolist(), n_rows]
        for start, end in pairwise(starts):
            rows = np.arange(start, end) if order is None else order[start:end]
            yield self.identities[recording[start]], rows
            if end * 100 // n_rows > start * 100 // n_rows:
                progress(READING + (1 - READING) * end / n_rows)


def gather(
    table: Table,
    identity: Sequence[int],
    label: int | None,
    numbers: Sequence[int],
    exact: bool = False,
) -> Rows:
    """Read the whole table.

    Parameters
    ----------
    identity : columns that say which recording a row belongs to
    label : the column of labels, which may change within a recording
    numbers : the columns that are kept, in this order
    exact : leave the text as it is

    Raises
    ------
    RecordingError
        If a cell, or the table, cannot be read, or there is too much of it.
    """
    texts = [*identity, *([label] if label is not None else [])]
    identities: dict[Identity, int] = {}
    labels: dict[str | None, int] = {}
    gathered: list[list[np.ndarray]] = [[] for _ in range(len(numbers) + 3)]
    n_numbers = 0
    for frame, places, share in table.batches(numbers, texts, exact):
        starts, runs = _runs(frame, texts)
        own = [identities.setdefault(run[: len(identity)], len(identities)) for run in runs]
        named = [
            labels.setdefault(run[len(identity)] if label is not None else None, len(labels)) for run in runs
        ]
        lengths = np.diff([*starts, frame.height])
        parts: list[np.ndarray] = [np.repeat(np.array(codes, np.int32), lengths) for codes in (own, named)]
        parts += [places, *(frame[str(i)].to_numpy().astype(np.float64, copy=False) for i in numbers)]
        for pieces, part in zip(gathered, parts, strict=True):
            pieces.append(part)
        n_numbers += frame.height * len(parts)
        table.source.progress(READING * share)
        _check_amounts(table.source, len(identities), n_numbers)
    columns = []
    while gathered:  # one by one, so that little is held twice
        pieces = gathered.pop(0)
        columns.append(np.concatenate(pieces) if pieces else np.empty(0, np.int64))
    return Rows(list(identities), columns[0], list(labels), columns[1], columns[3:], columns[2])


def _runs(frame: pl.DataFrame, texts: Sequence[int]) -> tuple[list[int], list[tuple[str | None, ...]]]:
    """Return where rows begin that have another text than the row before, and their texts."""
    import polars as pl

    if not frame.height:
        return [], []
    if not texts:
        return [0], [()]
    columns = [pl.col(str(i)) for i in texts]
    other = frame.select(pl.any_horizontal(c.ne_missing(c.shift()) for c in columns)).to_series().to_numpy()
    starts = np.flatnonzero(other)
    if not len(starts) or starts[0]:
        starts = np.insert(starts, 0, 0)
    return starts.tolist(), frame.select(columns)[starts].rows()


def _check_amounts(source: Source, n_recordings: int, n_numbers: int) -> None:
    if n_recordings > MOST_RECORDINGS:
        raise RecordingError(
            f"The table has more than {MOST_RECORDINGS:,} recordings",
            source.name,
            "Split the file, or check that the column that names the recordings does not count the rows",
        )
    if n_numbers > MOST_NUMBERS:
        raise RecordingError(
            f"The table has more than {MOST_NUMBERS:,} numbers", source.name, "Split the file"
        )
