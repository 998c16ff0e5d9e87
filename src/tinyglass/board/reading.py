"""Readings out of lines, and an account of the lines that hold none."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ..errors import RecordingError
from ..recordings import unnamed
from ..recordings.parsing.serial_lines import Line as Parts
from ..recordings.parsing.serial_lines import bare, heads_in, line_of
from ..recordings.tables.cells import role, second_of, split_unit
from .wire import LONGEST_LINE, Line

MOST_TOLD = 3  # skipped lines that are named for each reason
ENOUGH = 5  # readings by which a rate is measured
NEAR = 0.3  # share of the usual span by which another may differ
ROUND = 0.005  # a measured rate is told as the roundest number within this share of it


@dataclass(frozen=True)
class Form:
    """What a whole reading looks like.

    Attributes
    ----------
    channels : tuple of str, (n_channels,)
    units : tuple of str, (n_channels,)
    heads : tuple of str, what stands before each number in a line; empty where nothing does
    width : int, numbers in a line without heads
    clock : int or None, which of them is a time, if one is
    second : float, how many seconds a unit of that time is
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    heads: tuple[str, ...] = ()
    width: int = 0
    clock: int | None = None
    second: float = 1.0

    @property
    def places(self) -> list[int]:
        """Which of the numbers of a line are the channels."""
        return [place for place in range(self.width) if place != self.clock]


@dataclass
class Account:
    """Lines that hold no reading: how many for each reason, and the first of them."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, number: int, line: Line) -> None:
        """Note a line by its number and its text."""
        self.counts[why] += 1
        told = self.first.setdefault(why, [])
        if len(told) < MOST_TOLD:
            told.append(f"line {number}: {_shown(line)}")

    @property
    def total(self) -> int:
        return self.counts.total()

    def in_words(self) -> list[str]:
        """Return one text a reason, such as ``2 lines skipped: expected 3 numbers, found 2 (line 7: '1,2'; …)``."""
        texts = []
        for why, n in self.counts.items():
            named = "; ".join(self.first[why]) + ("; …" if n > len(self.first[why]) else "")
            texts.append(f"{n:,} line{'s' * (n > 1)} skipped: {why} ({named})")
        return texts


def _shown(line: Line) -> str:
    text = line.raw.decode(errors="replace").strip()
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def reading_in(line: Line, form: Form) -> tuple[float, ...] | str:
    """Return the numbers of a line, the time among them, or why it is no reading.

    Examples
    --------
    >>> form = Form(("x", "y"), ("", ""), width=2)
    >>> reading_in(Line(b"0.1, 0.2\\r\\n"), form), reading_in(Line(b"0.1\\n"), form)
    ((0.1, 0.2), 'expected 2 numbers, found 1')
    """
    if not line.whole:
        return f"longer than {LONGEST_LINE:,} bytes" if len(line.raw) >= LONGEST_LINE else "cut off"
    text = line.text
    if text is None:
        return "bytes that are no text"
    parts = line_of(bare(text))
    if not parts.values:
        return "cut short or garbled" if 2 * parts.n_numbers >= form.width else "text"
    values = _values(parts, form)
    if values is None:
        if form.heads:
            return f"expected {_listed(form.heads)}, found {_listed(parts.names) or 'numbers without names'}"
        names = f", with the names {_listed(parts.names)}" if parts.names else ""
        return f"expected {form.width} number{'s' * (form.width > 1)}, found {len(parts.values)}{names}"
    if not all(map(math.isfinite, values)):
        return "a number that is not finite"
    return values


def _values(parts: Parts, form: Form) -> tuple[float, ...] | None:
    """Return the numbers in the order of the form; None if the line has others."""
    if not form.heads:
        return parts.values if len(parts.values) == form.width and not parts.names else None
    by_name = dict(zip(parts.names, parts.values, strict=False))
    if len(by_name) != len(parts.values) or not set(form.heads) <= set(by_name):
        return None
    return tuple(by_name[name] for name in form.heads)


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= 60 else f"{text[:60]}…"


def is_blank(line: Line) -> bool:
    """Tell a line that says nothing at all.

    Examples
    --------
    >>> is_blank(Line(b" \\r\\n")), is_blank(Line(b"0\\n"))
    (True, False)
    """
    return not line.raw.strip(b" \t\r\n\0")


def find_form(lines: Iterable[Line]) -> Form | None:
    """Return the form that most of the lines have; None if none of them is a reading.

    A line of column names before them names the channels. A column that is named as a time is
    the clock, and no channel.

    Examples
    --------
    >>> find_form([Line(b"aX [g],aY [g]\\n"), Line(b"0.1,0.2\\n"), Line(b"0.1,0.3\\n")])
    Form(channels=('aX', 'aY'), units=('g', 'g'), heads=(), width=2, clock=None, second=1.0)
    >>> find_form([Line(b"distance=104.54\\n")]).channels
    ('distance',)
    """
    texts = [bare(line.text or "") for line in lines if line.whole]
    found = [line_of(text) for text in texts]
    shapes = Counter(parts.shape for parts in found if parts.values)
    if not shapes:
        return None
    (width, heads), _ = shapes.most_common(1)[0]
    if len(set(heads)) < len(heads):
        heads = ()
    columns = heads or next((names for text in texts if len(names := heads_in(text, width)) == width), ())
    clock = next((place for place, head in enumerate(columns) if role(head) == "time"), None)
    if width == 1:
        clock = None
    second = 1.0
    if clock is not None:
        times = [parts.values[clock] for parts in found if parts.shape == (width, heads)]
        second = second_of(columns[clock], times)[0]
    named = [split_unit(head) for place, head in enumerate(columns) if place != clock]
    channels = tuple(name for name, _ in named) or unnamed(width)
    units = tuple(unit for _, unit in named) or ("",) * width
    return Form(channels, units, heads, width, clock, second)


def renamed(form: Form, channels: Sequence[str] | None, units: Sequence[str] | None) -> Form:
    """Return the form with the channels and units that are asked for, if any are.

    Raises
    ------
    RecordingError
        If the board sends another number of channels.

    Examples
    --------
    >>> renamed(Form(("channel1",), ("",), width=1), ["light"], None).channels
    ('light',)
    """
    for option, names in (("channels", channels), ("units", units)):
        if names is not None and len(names) != len(form.channels):
            n = len(form.channels)
            raise RecordingError(
                f"Expected {_count(len(names))} ({_listed(names)}), found {_count(n)} ({_listed(form.channels)})",
                f"--{option}",
                f"Give {n} name{'s' * (n > 1)}, or let the board print {len(names)} numbers a line",
            )
    return replace(form, channels=tuple(channels or form.channels), units=tuple(units or form.units))


def _count(n: int) -> str:
    return f"{n} channel{'s' * (n > 1)}"


# ---------------------------------------------------------------- rates


@dataclass(frozen=True)
class Rate:
    """How often readings come.

    Attributes
    ----------
    hz : float, readings a second
    jitter : float, in seconds: half of the steps between readings differ by less from the usual one
    """

    hz: float
    jitter: float

    def __str__(self) -> str:
        return f"{self.hz:g} readings a second, jitter {1000 * self.jitter:.2g} ms"


def measure_rate(times: Sequence[float]) -> Rate | None:
    """Return the rate of readings by when they came, in seconds; None for fewer than five, or all at once.

    The period is the time that a fifth of the readings takes, divided by their number: the mean over all
    places in the recording, so that lines may come in bunches, where it is near the median, so that a
    pause does not count.

    Examples
    --------
    >>> measure_rate([0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.5, 0.51, 0.52])
    Rate(hz=100.0, jitter=0.0)
    """
    if len(times) < ENOUGH:
        return None
    stride = len(times) // ENOUGH
    spans = [after - before for before, after in zip(times, times[stride:], strict=False)]
    usual = statistics.median(spans)
    near = [span for span in spans if abs(span - usual) <= NEAR * usual]
    period = statistics.fmean(near) / stride if near else 0.0
    if period <= 0:
        return None
    jitter = statistics.median(abs(after - before - period) for before, after in pairwise(times))
    return Rate(roundest(1 / period), round(jitter, 4))


def roundest(number: float) -> float:
    """Return the number with the fewest digits within half a percent.

    Examples
    --------
    >>> roundest(99.7), roundest(103.8), roundest(62.52)
    (100.0, 104.0, 62.5)
    """
    return next(
        r for digits in range(17) if abs((r := float(f"{number:.{digits}e}")) - number) <= ROUND * number
    )
