"""Captures of a serial line: one reading a line, as a forwarder, a monitor or a sketch printed it.

::

    24,-0.98            the first line is cut short
    Starting IMU        text
    0.1,0.24,-0.98      readings: numbers between commas, tabs, spaces or semicolons,
    aX:0.1 aY:0.24      or names and numbers
    ERR timeout

Lines that are no whole reading are left out and counted: as readings where at least half of what a reading has
is there, as text otherwise. If more than a fifth of the readings between the
first and the last are not whole, the file is refused. A line
of column names right before readings names the channels. A recording ends where the number of columns changes,
where time goes back, and at blank lines, a header, a ruled line or the text of a restart. ERR and other talk
end none.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ...errors import RecordingError
from ..parsing.pieces import pieces
from ..parsing.serial_lines import ARRIVAL, RESTART, TALK, Line, bare, heads_in, line_of
from ..recording import Recording
from ..source import HEAD, Source
from ..tables.cells import LATEST, regular_rate, role, second_of, split_unit
from ..tables.plain import OTHER_TEXT

RULED = re.compile(r"[\s=_*#~+-]{3,}")
WHOLE = 0.8  # share of the readings that have to be whole
RUN = 3  # lines of another number of columns that are another capture, and not cut short
MOST_RECORDINGS = 10**6


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a capture; None if the text is something else."""
    head = source.head_text
    if OTHER_TEXT.match(head):
        return None
    lines = [bare(line) for line in re.split(r"\r\n|\r|\n", head)]
    texts = [line for line in (lines[:-1] if len(source.head) == HEAD else lines) if line]
    sample = [line_of(text) for text in texts]
    shapes = Counter(line.shape for line in sample if line.values)
    if not shapes:
        return None
    shape = max(shapes, key=lambda shape: (shapes[shape], shape[0]))
    if not _is_capture(shape, sample):
        return None
    capture = _Capture(source, shape, _usual_gap(lines), _chatter(texts))
    recordings: list[Recording] = []
    for number, piece in pieces(source):
        for place, line in enumerate(piece):
            if not capture.add_plain(line):
                recordings += capture.add(number + place, line)
    recordings += capture.end()
    return None if capture.is_other_text() else recordings


def _is_capture(shape: tuple[int, tuple[str, ...]], sample: Sequence[Line]) -> bool:
    whole = sum(bool(line.values) for line in sample)
    return whole > 1 and 2 * sum(line.is_part_of(shape) for line in sample) >= len(sample)


def _usual_gap(lines: Sequence[str]) -> int:
    """Return how many blank lines are between readings, usually none."""
    gaps, blank = Counter[int](), 0
    for line in lines:
        if line.strip():
            gaps[blank] += 1
        blank = 0 if line.strip() else blank + 1
    return gaps.most_common(1)[0][0] if gaps else 0


def _pattern(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def _chatter(texts: Sequence[str]) -> set[str]:
    """Return the texts that come with every other reading, or more often, and so begin none."""
    lines = [line_of(text) for text in texts]
    n_whole = sum(bool(line.values) for line in lines)
    patterns = Counter(_pattern(text) for text, line in zip(texts, lines, strict=True) if not line.values)
    return {pattern for pattern, times in patterns.items() if times > 2 and 2 * times >= n_whole}


class _Capture:
    """Lines that become recordings, as they come in."""

    def __init__(
        self, source: Source, shape: tuple[int, tuple[str, ...]], usual_gap: int, chatter: set[str]
    ) -> None:
        self.source, self.shape, self.usual_gap, self.chatter = source, shape, usual_gap, chatter
        self.values = array("d")
        self.names: tuple[str, ...] = ()
        self.opening: set[str] = set()
        self.other: deque[tuple[int, Line]] = deque()  # whole readings of another shape, in a row
        self.first, self.first_bad = 0, 0
        self.blanks = 0
        self.n_whole = self.n_bad = self.n_text = self.n_recordings = 0
        self.first_is_bad = self.last_is_bad = False

    def add_plain(self, line: str) -> bool:
        """Take in one more reading between commas or spaces; False, and nothing done, if the line is no such."""
        parts = line.split(",") if "," in line else line.split()
        plain = len(parts) == self.shape[0] and not (
            self.shape[1] or self.other or self.blanks or "_" in line
        )
        if not plain or not self.values:
            return False
        try:
            values = [float(part) for part in parts]
        except ValueError:
            return False
        self.values.extend(values)
        self.n_whole += 1
        self.last_is_bad = False
        return True

    def add(self, number: int, raw: str) -> Iterator[Recording]:
        """Take in a line; yield the recording that ends before it, if one does."""
        text = bare(raw)
        if not text:
            self.blanks += 1
            return
        if "\x1b" in raw:
            self.source.repaired("Escape codes of a terminal were passed over", number)
        if "->" in raw and ARRIVAL.match(raw):
            self.source.repaired("The time at which the monitor printed the line is no channel", number)
        line = line_of(text)
        if line.values and line.shape == self.shape:
            self._leave_out_others()
            if self.values and self.blanks > self.usual_gap:
                self.source.repaired("Blank lines between readings begin a recording", number)
                yield from self._finish()
            self._append(number, line)
        elif line.values and (not self.other or self.other[-1][1].shape == line.shape):
            self.other.append((number, line))
            if len(self.other) == RUN:
                yield from self._change_shape()
        else:
            self._leave_out_others()
            if line.is_part_of(self.shape):
                self._leave_out(number)
            else:
                yield from self._text(number, text)
        self.blanks = 0

    def end(self) -> Iterator[Recording]:
        """Yield the last recording. Refuse a capture of which too little is whole."""
        self._leave_out_others()
        n_cut = self.n_bad - self.first_is_bad - self.last_is_bad  # between the two ends, which are often cut
        if self.n_whole < WHOLE * (self.n_whole + n_cut) and not self.is_other_text():
            raise RecordingError(
                f"Expected {self.shape[0]} numbers a line, found {self.n_bad} of {self.n_whole + self.n_bad}"
                " lines that are cut short or garbled",
                self.source.at(self.first_bad),
                "Check the speed of the serial line, and record again",
            )
        yield from self._finish()

    def is_other_text(self) -> bool:
        """Tell whether most of the lines are no readings at all."""
        n_readings = self.n_whole + self.n_bad
        return self.n_whole < 2 or n_readings < self.n_text

    def _append(self, number: int, line: Line) -> None:
        if not self.values:
            self.first = number
        self.values.extend(line.values)
        self.n_whole += 1
        self.last_is_bad = False

    def _leave_out(self, number: int) -> None:
        self.first_bad = self.first_bad or number
        self.first_is_bad |= not self.n_whole + self.n_bad
        self.last_is_bad = True
        self.n_bad += 1
        self.source.dropped("A reading that is cut short or garbled", 1, number)

    def _leave_out_others(self) -> None:
        while self.other:
            self._leave_out(self.other.popleft()[0])

    def _change_shape(self) -> Iterator[Recording]:
        """Begin a recording with other columns: the last lines all have them."""
        if self.values:
            self.source.repaired("The number of columns changes: a recording begins there", self.other[0][0])
        yield from self._finish()
        self.shape = self.other[-1][1].shape
        if len(self.names) != self.shape[0]:
            self.names = ()
        while self.other:
            self._append(*self.other.popleft())

    def _text(self, number: int, text: str) -> Iterator[Recording]:
        """Pass over a line of text; yield the recording that it ends, if it is that of a new beginning."""
        self.n_text += 1
        self.source.dropped("A line of text", 0, number)
        head = heads_in(text, self.shape[0])
        pattern = _pattern(text)
        if not self.n_whole and len(self.opening) < 100 and not TALK.match(text):
            self.opening.add(pattern)
        elif (
            self.values
            and pattern not in self.chatter
            and (head or pattern in self.opening or RULED.fullmatch(text) or RESTART.search(text))
        ):
            self.source.repaired(
                "Text between readings is that of a new beginning: a recording begins there", number
            )
            yield from self._finish()
        if head and not self.values:
            self.names = head
        self.blanks = 0

    def _finish(self) -> Iterator[Recording]:
        if not self.values:
            return
        table = np.frombuffer(self.values, dtype=np.float64).reshape(-1, self.shape[0])
        self.values = array("d")
        heads = self.shape[1] or (self.names if len(self.names) == self.shape[0] else ())
        time = next((c for c, head in enumerate(heads) if role(head) == "time"), None)
        if time is None or len(heads) == 1:
            yield self._recording(table, heads, None)
            return
        yield from self._timed(table, heads, time)

    def _timed(self, table: np.ndarray, heads: Sequence[str], column: int) -> Iterator[Recording]:
        """Yield the recordings of readings with times; each ends where time does not go forward."""
        times = table[:, column]
        if not (np.abs(times) < LATEST).all():
            raise RecordingError(
                "Expected times, found one that is no finite number",
                f"{self.source.at(self.first)}, channel {heads[column]!r}",
                "Delete the line, or record again",
            )
        second, concluded = second_of(heads[column], times)
        if concluded:
            self.source.repaired(concluded, self.first)
        bounds = [0, *(np.flatnonzero(times[1:] <= times[:-1]) + 1).tolist(), len(times)]
        if len(bounds) > 2:
            self.source.repaired("Time does not go forward: a recording begins there", self.first)
        kept = [c for c in range(len(heads)) if c != column]
        for begin, end in pairwise(bounds):
            yield self._recording(table[begin:end, kept], [heads[c] for c in kept], times[begin:end] * second)

    def _recording(self, signal: np.ndarray, heads: Sequence[str], times: np.ndarray | None) -> Recording:
        self.n_recordings += 1
        where = self.source.at(self.first)
        if self.n_recordings > MOST_RECORDINGS:
            raise RecordingError(
                f"The capture holds more than {MOST_RECORDINGS:,} recordings", where, "Split the file"
            )
        found = [split_unit(head) for head in heads]
        return Recording(
            signal,
            tuple(name for name, _ in found),
            tuple(unit for _, unit in found),
            None if times is None else regular_rate(times)[0],
            times,
            self.source.about.label,
            source=where,
        )
