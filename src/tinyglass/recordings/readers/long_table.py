"""Long tables, CSV or Parquet: one reading a row, with a column that says which recording it belongs to.

=================== ==========================================================================
a column            named
=================== ==========================================================================
recording           ``recording``, ``file``, ``series_id``, ``trial``, ``id``, …; several together
                    name one recording. ``id`` or ``sample`` may also count rows: the cells tell
time                ``time``, ``timestamp_ms``, …; moments of a calendar too
label, person,      ``label``, ``gesture``, ``subject``, ``device``, ``split``, …; optional
session, device,
split
channels            all other columns of numbers
=================== ==========================================================================

Rows of a recording may stand apart. A stretch with another label is a recording of its own; so is an id that
is used again in another part, by another person, or after the clock has started again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import PurePath

import numpy as np

from ...errors import RecordingError
from ..names import label_in_name
from ..recording import Recording, part_of
from ..source import Source
from ..tables import cells
from ..tables.csv_table import open_csv
from ..tables.gathering import MOST_RECORDINGS, Identity, Rows, gather
from ..tables.parquet_table import open_parquet
from ..tables.roles import Roles, find_roles
from ..tables.saved import is_saved, restored
from ..tables.table import MISSING, Table

NOBODY = {*MISSING, "unknown", "-", "?"}


def read(source: Source) -> Iterator[Recording] | None:
    """Return the recordings of a long table; None if the file is none. Every Parquet file is one."""
    parquet = source.head.startswith(b"PAR1")
    table: Table | None = open_parquet(source) if parquet else open_csv(source)
    if table is None:
        return None
    if is_saved(table.heads):
        return restored(table)
    roles = find_roles(table)
    if not roles.recording and not parquet:
        return None
    if not roles.channels:
        if not parquet:
            return None
        raise RecordingError(
            "Expected columns of numbers, found " + (", ".join(table.heads)[:200] or "none"),
            source.name,
            "Give each channel a column of numbers",
        )
    return _read(table, roles)


def _read(table: Table, roles: Roles) -> Iterator[Recording]:
    numbers = [*([roles.time] if roles.time is not None else []), *roles.channels]
    rows = gather(table, roles.identity, roles.label, numbers)
    if not roles.recording and roles.time is None and roles.label is not None:  # one recording a row
        identities = [rows.identities[own] for own in rows.recording]
        rows = replace(rows, identities=identities, recording=np.arange(len(identities)))
    return _Recordings(table, roles, rows).made()


@dataclass(eq=False)
class _Recordings:
    """Recordings in the making."""

    table: Table
    roles: Roles
    rows: Rows
    times: np.ndarray | None = None  # in seconds
    holes: np.ndarray = field(default_factory=lambda: np.empty(0, bool))  # rows without one of the numbers

    def __post_init__(self) -> None:
        self.source = self.table.source
        heads = [cells.split_unit(self.table.heads[i].strip()) for i in self.roles.channels]
        self.names = [name or f"channel{i + 1}" for i, (name, _) in enumerate(heads)]
        self.units = [unit for _, unit in heads]
        if self.roles.time is not None:
            self.times = self._seconds(self.rows.columns.pop(0), self.roles.time)
        self.holes = np.zeros(len(self.rows.recording), bool)
        for column in self.rows.columns:
            self.holes |= np.isnan(column)

    def _seconds(self, times: np.ndarray, column: int) -> np.ndarray | None:
        known = times[np.isfinite(times)]
        if not len(known):
            return None
        if self.table.kinds[column] == "time":
            return times
        second, conclusion = cells.second_of(self.table.heads[column], known[:10_000])
        if conclusion:
            self.source.repaired(conclusion)
        return times if second == 1.0 else np.multiply(times, second, out=times)

    def made(self) -> Iterator[Recording]:
        self._note_what_is_unusual()
        n_made = 0
        for identity, rows in self.rows.by_recording(self.source.progress):
            rows, channels = self._without_padding(rows)
            for part, begin, end in self._parts(rows):
                n_made += 1
                if n_made > MOST_RECORDINGS:
                    raise RecordingError(
                        f"The table has more than {MOST_RECORDINGS:,} recordings",
                        self.source.name,
                        "Split the file",
                    )
                yield self._recording(identity, part, begin, end, channels)

    def _note_what_is_unusual(self) -> None:
        row = self.rows.interleaved
        if row is not None:
            self.source.repaired("Rows of a recording stand apart; they were put together", self._line(row))
        n_ids = len(self.roles.recording)
        seen: dict[Identity, Identity] = {}
        first_rows = self.rows.first_rows if n_ids else np.empty(0)
        for number, identity in enumerate(self.rows.identities if n_ids else []):
            first = seen.setdefault(identity[:n_ids], identity)
            if first is not identity:
                groups = zip(self.roles.groups, first[n_ids:], identity[n_ids:], strict=True)
                other = next(kind for kind, before, after in groups if before != after)
                self.source.repaired(
                    f"The id of a recording is used again with another {other}; it was read as another recording",
                    self._line(first_rows[number]),
                )

    def _line(self, row: int) -> int | None:
        return self.table.line(self.rows.places[row])

    def _place(self, row: int) -> str:
        return self.table.at(self.rows.places[row])

    def _without_padding(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """Return the rows without those at the end that hold no reading, and the channels that hold any."""
        everything = list(range(len(self.names)))
        if not self.holes[rows].any():
            return rows, everything
        empty = np.isnan(np.stack([self.rows.columns[i][rows] for i in everything], axis=1))
        channels = np.flatnonzero(~empty.all(axis=0)).tolist()
        line = self._line(rows[0])
        if not channels:
            self.source.dropped("a recording without any reading", 0, line)
            return rows[:0], channels
        if len(channels) < len(everything):
            self.source.repaired(
                "A recording has no reading of some channel; it was read without that channel", line
            )
        length = len(rows) - int(np.argmin(empty.all(axis=1)[::-1]))
        if length < len(rows):
            self.source.repaired("Rows without readings at the end of a recording were left out", line)
        gaps = np.argwhere(empty[:length, channels])
        if len(gaps):
            row, channel = gaps[0]
            raise RecordingError(
                "Expected a number, found nothing or NaN",
                f"{self._place(rows[row])}, reading {row + 1}, channel {self.names[channels[channel]]!r}",
                "Mend the value, or delete the recording",
            )
        return rows[:length], channels

    def _parts(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield the rows of each recording in the order of its times, and where each label begins and ends."""
        if not len(rows):
            return
        parts = [rows]
        if self.times is not None:
            wrong = ~np.isfinite(self.times[rows])
            if wrong.any():
                raise RecordingError(
                    "Expected a time, found none",
                    self._place(rows[wrong.argmax()]),
                    "Mend it, or delete the row",
                )
            labels = self.rows.label[rows]
            if np.ptp(labels) and (np.diff(self.times[rows]) < 0).any():
                self.source.repaired(
                    "The id of a recording is used again with another label; it was read as another recording",
                    self._line(rows[np.argmax(labels != labels[0])]),
                )
                parts = [rows[labels == label] for label in dict.fromkeys(labels)]
            parts = [part for own in parts for part in self._in_order(own)]
            if not self.roles.recording:
                parts = [part for own in parts for part in self._at_pauses(own)]
        for part in parts:
            for begin, end in pairwise([0, *self._changes_of_label(part), len(part)]):
                yield part, begin, end

    def _in_order(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the rows by time; in several parts, if the clock starts again."""
        assert self.times is not None
        times = self.times[rows]
        falls = np.flatnonzero(np.diff(times) < 0) + 1
        if not len(falls):
            return [rows]
        parts = np.split(rows, falls)
        order = np.argsort(times, kind="stable")
        ranges = sorted((self.times[part[0]], self.times[part[-1]]) for part in parts)
        apart = all(end < start for (_, end), (start, _) in pairwise(ranges))
        distinct = bool((np.diff(times[order]) > 0).all())
        if apart or (distinct and len(rows) < 3 * len(parts)):
            self.source.repaired(
                "Rows of a recording are not in the order of their times; they were sorted",
                self._line(rows[falls[0]]),
            )
            return [rows[order]]
        self.source.repaired(
            "The clock starts again within a recording; what follows was read as another recording",
            self._line(rows[falls[0]]),
        )
        return parts

    def _at_pauses(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the rows of each recording: without ids, one ends where the label changes after a pause."""
        assert self.times is not None
        steps, changes = np.diff(self.times[rows]), np.diff(self.rows.label[rows]) != 0
        if not changes.any():
            return [rows]
        return np.split(rows, np.flatnonzero(changes & (steps > cells.PAUSE * np.median(steps))) + 1)

    def _changes_of_label(self, rows: np.ndarray) -> list[int]:
        labels = self.rows.label[rows]
        changes = np.flatnonzero(np.diff(labels)) + 1
        if not len(changes):
            return []
        rest = {self.rows.labels[label] for label in labels[1:]}
        if rest == {None}:  # the label stands in the first row only
            self.source.repaired(
                "A label stands in the first row of a recording only; it was read as that of all its rows",
                self._line(rows[0]),
            )
            self.rows.label[rows] = labels[0]
            return []
        self.source.repaired(
            "The label changes within a recording; each stretch was read as a recording of its own",
            self._line(rows[changes[0]]),
        )
        return changes.tolist()

    def _recording(
        self, identity: Identity, part: np.ndarray, begin: int, end: int, channels: Sequence[int]
    ) -> Recording:
        rows = part[begin:end]
        signal = np.stack([self.rows.columns[i][rows] for i in channels], axis=1)
        if np.isinf(signal).any():
            row, channel = np.argwhere(np.isinf(signal))[0]
            raise RecordingError(
                f"Expected a finite number, found {signal[row, channel]}",
                f"{self._place(rows[row])}, reading {row + 1}, channel {self.names[channels[channel]]!r}",
                "Mend the value, or delete the recording",
            )
        times, rate_hz = self._clock(rows)
        n_ids = len(self.roles.recording)
        name = " ".join(cell for cell in identity[:n_ids] if cell)
        place = f"{self.source.name}, recording {name[:80]}, " if name else f"{self.source.name}, "
        place += f"{self.table.place} {self.rows.places[part[0]]}"
        return Recording(
            signal,
            tuple(self.names[i] for i in channels),
            tuple(self.units[i] for i in channels),
            rate_hz,
            times,
            label=self._label(rows[0], name),
            source=place if len(rows) == len(part) else part_of(place, begin, end),
            **self._groups(identity[n_ids:]),
        )

    def _clock(self, rows: np.ndarray) -> tuple[np.ndarray | None, float | None]:
        if self.times is None:
            return None, None
        times = self.times[rows]
        still = np.diff(times) <= 0
        if still.any():
            self.source.repaired(
                "Readings of a recording have the same time; it was read without times",
                self._line(rows[still.argmax() + 1]),
            )
            return None, None
        rate_hz, jitters = cells.regular_rate(times)
        if jitters:
            self.source.repaired(
                "Times jitter by a few ms; the rate is that of the usual step", self._line(rows[0])
            )
        return times, rate_hz

    def _label(self, row: int, name: str) -> str | None:
        label = self.rows.labels[self.rows.label[row]]
        if label is None and self.roles.label is None:
            return label_in_name(PurePath(name).name) if re.search(r"\.\w{2,5}$", name) else None
        return label or ""

    def _groups(self, values: Identity) -> dict[str, str | None]:
        groups: dict[str, str | None] = dict(zip(self.roles.groups, values, strict=True))
        for kind, value in groups.items():
            if value is not None and value.lower() in NOBODY:
                self.source.repaired(f"The {kind} {value!r} was read as none")
                groups[kind] = None
            elif value is not None and kind == "split":
                groups[kind] = cells.part(value)
        return groups
