"""Stretches of rows that become recordings, as the rows come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from ...errors import RecordingError
from ..recording import Recording, part_of
from ..source import Source
from .cells import LATEST, PAUSE, regular_rate, second_of, split_unit
from .columns import Columns, about_row, named_channels, sampled_numbers
from .plain import Layout, Rows

START = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_SIGNAL = 2**31  # bytes


class Growing:
    """Rows that are collected. The memory grows by a tenth at a time, mostly without being copied."""

    def __init__(self, width: int) -> None:
        self.table, self.n = np.empty((0, width)), 0

    def add(self, more: np.ndarray) -> None:
        n = self.n + len(more)
        if n > len(self.table):
            self.table.resize((max(n, self.n * 11 // 10), self.table.shape[1]), refcheck=False)
        self.table[self.n : n] = more
        self.n = n

    def whole(self) -> np.ndarray:
        """Return the rows, read-only, so that a recording need not copy them."""
        self.table.resize((self.n, self.table.shape[1]), refcheck=False)
        self.table.flags.writeable = False
        return self.table


@dataclass(frozen=True)
class Ended:
    """What is remembered of the stretch before: whether the next one goes on with it is told by the times."""

    others: dict[str, str]  # its groups but the label
    line: int  # of the first row of the recording that it is a part of
    n_readings: int  # of that recording so far
    tick: float  # the last one
    step: float  # between ticks, NaN where there was one only

    def goes_on(self, others: dict[str, str], tick: float) -> bool:
        """Tell whether only the label has changed, without a pause."""
        return others == self.others and not tick - self.tick > PAUSE * self.step


class Stretches:
    """Rows that become recordings, as they come in.

    A stretch ends where a group changes, the header is repeated, or, in a table with labels, time does not
    go forward. One that only has another label than the one before is a part of the same recording.
    """

    def __init__(self, source: Source, layout: Layout, columns: Columns) -> None:
        self.source, self.layout, self.columns = source, layout, columns
        self.names, self.units = named_channels(layout, columns)
        self.second = self._second()
        self.rows: Growing | None = None
        self.times = Growing(1)
        self.key: list[str] = []
        self.line = 0
        self.before: Ended | None = None  # if this stretch goes on with that
        self.head_before = False

    def add(self, piece: Rows) -> Iterator[Recording]:
        """Take rows in; yield each recording that ends before one of them."""
        n = len(piece.lines)
        if n:
            times = self._times_of(piece)
            bounds = np.flatnonzero(self._begins(piece, times)).tolist()
            new = set(bounds)
            for begin, end in pairwise(dict.fromkeys([0, *bounds, n])):
                if begin in new:
                    yield from self.end()
                    self._begin(piece, times, begin)
                self._append(piece, times, begin, end)
        self.head_before = n in piece.heads or (self.head_before and not n)

    def end(self) -> Iterator[Recording]:
        """Yield the recording that is open, if any."""
        if self.rows is None:
            return
        signal, times, rate_hz, ended = self.rows.whole(), None, None, None
        if self.columns.time is not None:
            ticks = self.times.table[: self.times.n, 0]
            ended = self._ended(ticks)
            with np.errstate(over="ignore"):
                rate_hz, jitters = regular_rate((ticks - ticks[0]) * self.second)
            ticks *= self.second
            times = self.times.whole()[:, 0]
            if jitters:
                self.source.repaired(
                    "The steps of time vary by a millisecond or two; the rate is that of the usual step",
                    self.line,
                )
        where = (
            self.source.at(self.line)
            if self.columns.groups or self.line > self.layout.first
            else self.source.name
        )
        if self.before is not None:
            n_before = self.before.n_readings
            where = part_of(self.source.at(self.before.line), n_before, n_before + len(signal))
        about = about_row(self.source, self.columns, self.key)
        self.rows, self.before = None, ended
        yield Recording(signal, self.names, self.units, rate_hz, times, **about, source=where)

    def _begin(self, piece: Rows, times: np.ndarray | None, row: int) -> None:
        self.rows, self.times = Growing(len(self.columns.channels)), Growing(1)
        self.key = [text[row] for text in piece.words[: len(self.columns.groups)]]
        self.line = int(piece.lines[row])
        if self.before is not None and times is not None:
            new = self.head_before if row == 0 else row in piece.heads
            forward = times[row] > self.before.tick and not new
            self.before = self.before if forward and self.before.goes_on(self._others(), times[row]) else None

    def _others(self) -> dict[str, str]:
        return {
            kind: cell for kind, cell in zip(self.columns.groups, self.key, strict=True) if kind != "label"
        }

    def _ended(self, ticks: np.ndarray) -> Ended:
        line, n_before = (self.line, 0) if self.before is None else (self.before.line, self.before.n_readings)
        step = float(ticks[-1] - ticks[0]) / (len(ticks) - 1) if len(ticks) > 1 else np.nan
        return Ended(self._others(), line, n_before + len(ticks), float(ticks[-1]), step)

    def _append(self, piece: Rows, times: np.ndarray | None, begin: int, end: int) -> None:
        assert self.rows is not None
        if (self.rows.n + end - begin) * len(self.columns.channels) * 8 > LARGEST_SIGNAL:
            raise RecordingError(
                f"The recording takes more than {LARGEST_SIGNAL:,} bytes of memory",
                self.source.at(int(piece.lines[begin])),
                "Split the file",
            )
        self.rows.add(piece.numbers[begin:end, : len(self.columns.channels)])
        if times is not None:
            self.times.add(times[begin:end, None])

    def _begins(self, piece: Rows, times: np.ndarray | None) -> np.ndarray:
        """Tell which rows begin a recording."""
        n = len(piece.lines)
        begins = np.zeros(n, bool)
        begins[0] = self.rows is None or self.head_before
        begins[[row for row in piece.heads if row < n]] = True
        for place, text in enumerate(piece.words[: len(self.columns.groups)]):
            before = self.key[place] if self.key else text[0]
            begins |= np.array([a != b for a, b in zip(text, [before, *text[:-1]], strict=True)])
        if times is not None:
            last = self.times.table[self.times.n - 1, 0] if self.times.n else -np.inf
            back = (times <= np.concatenate([[last], times[:-1]])) & ~begins
            if back.any():
                self._note_step_back(int(piece.lines[np.argmax(back)]))
            begins |= back
        return begins

    def _note_step_back(self, line: int) -> None:
        if "label" not in self.columns.groups:
            raise RecordingError(
                "Time does not go forward",
                self.source.at(line),
                "Mend or delete the line; if a second recording begins there, give it a file of its own",
            )
        self.source.repaired(
            "Time does not go forward from one row to the next: a recording begins there", line
        )

    def _times_of(self, piece: Rows) -> np.ndarray | None:
        """Return the times in the unit of the file."""
        if self.columns.time is None:
            return None
        moments = self.columns.moments
        times = np.array([_moment(text) for text in piece.words[-1]]) if moments else piece.numbers[:, -1]
        known = np.abs(times) < LATEST
        if not known.all():
            line = int(piece.lines[np.argmin(known)])
            raise RecordingError(
                "Expected a time, found no finite number",
                f"{self.source.at(line)}, column {self.layout.name(self.columns.time)}",
                "Mend the value, or delete the line",
            )
        return times

    def _second(self) -> float:
        """Return how many seconds the unit of time is."""
        if self.columns.time is None or self.columns.moments:
            return 1e-6
        head = self.layout.names[self.columns.time] if self.layout.names else ""
        if self.layout.units and not split_unit(head)[1]:
            head = f"{head} ({self.layout.units[self.columns.time]})"
        second, concluded = second_of(head, sampled_numbers(self.layout, self.columns.time))
        if concluded:
            self.source.repaired(concluded, self.layout.first)
        return second


def _moment(text: str) -> float:
    """Return a date and time of day in microseconds since 1970, in UTC if nothing is said; NaN if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return np.nan
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - START) / timedelta(microseconds=1)
