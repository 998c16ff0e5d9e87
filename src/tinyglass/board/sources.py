"""What a board may be running, and how each is asked for a recording.

================ ==========================================================================================
`Kit`            our recorder program: records when it is asked, or when its button is pressed
`Course`         the course's own program: records when its button 1 is pressed, prints all by button 2
`Lines`          any program that prints readings without end
`Predictions`    a program that predicts on the board, to be listened to only
`python_board`   CircuitPython or MicroPython, which is given a program by the raw REPL
================ ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from ..errors import TinyglassError
from .reading import Form, Rate, find_form, measure_rate, renamed
from .takes import (
    COURSE_READINGS,
    COURSE_STARTS,
    PRINTOUT,
    RECORDER,
    CourseTake,
    KitTake,
    LinesTake,
    Printout,
    Row,
    Take,
    Wanted,
)
from .wire import Line, Wire

COURSE_PERIOD = 250.0  # ms; of the course's gesture, also on our recorder
PERIOD, READINGS = 20.0, 100  # ms; of other sensors, where nothing is asked for
SECONDS = 2.0  # of a recording from lines, where nothing is asked for


class Source:
    """What a board runs.

    Attributes
    ----------
    words : str, what it is, for people
    asks : bool, whether this side starts a recording; otherwise the board does
    at_once : bool, whether all lines of a recording are there when `start` returns
    button : bool, whether a button on the board starts a recording
    form : Form
    rate : Rate or None, what is known of how often readings come
    """

    words = ""
    asks = True
    at_once = False
    button = False
    usual: tuple[int | None, float | None] = None, None  # readings, or seconds, where nothing is asked for

    def __init__(self, form: Form, wanted: Wanted, rate: Rate | None = None) -> None:
        self.form = renamed(form, wanted.channels, wanted.units)
        self.wanted, self.rate = wanted, rate

    def start(self, wire: Wire) -> tuple[Take, list[Line]]:
        """Ask the board for a recording; return it in the making, and its lines if they are all there already."""
        raise NotImplementedError

    def started_by(self, line: Line) -> Take | None:
        """Return the recording that the board begins with this line, if it does."""
        return None

    def received(self, take: Take) -> None:
        """Hear of a recording that has come."""

    def expected(self) -> tuple[int | None, float | None]:
        """Return how many readings a recording is to have, and how many seconds it takes, where that is known."""
        n, seconds = self.wanted.readings, self.wanted.seconds
        if n is None and seconds is None:
            n, seconds = self.usual
        if self.rate is None:
            return n, seconds
        if n is None and seconds is not None:
            n = max(1, round(seconds * self.rate.hz))
        return n, None if n is None else n / self.rate.hz

    def close(self, wire: Wire) -> None:
        """Leave the board as it was found."""


class Kit(Source):
    """Our recorder program on the board."""

    def __init__(self, header: str, wanted: Wanted, where: str) -> None:
        about = _header(header, where)
        n = len(about.channels)
        units = about.units if len(about.units) == n else [""] * n
        form = Form(tuple(about.channels), tuple(units), width=1 + n, clock=0, second=0.001)
        of_course = about.channels == ["distance"]
        period = wanted.period_ms or (COURSE_PERIOD if of_course else PERIOD)
        self.usual = (COURSE_READINGS if of_course else READINGS), None
        super().__init__(form, wanted, Rate(1000 / period, 0.0))
        self.period = period
        # Before it is asked for the first recording, the board's button gives the course's gesture.
        self.button = (self.expected()[0], period) == (COURSE_READINGS, COURSE_PERIOD)
        self.words = f"the tinyglass recorder: {about.sensor}, {in_words(self.form)}"

    def start(self, wire: Wire) -> tuple[Take, list[Line]]:
        n, _ = self.expected()
        wire.send(f"record {n} {self.period:g}")
        self.button = True
        return KitTake(self.form, n), []

    def started_by(self, line: Line) -> Take | None:
        begins = (line.text or "").strip() in ("# button", "# recording")
        return KitTake(self.form, self.expected()[0]) if begins else None

    def close(self, wire: Wire) -> None:
        wire.send("stop")


class _Header(msgspec.Struct):
    sensor: str
    channels: list[str]
    units: list[str] = []


def _header(line: str, where: str) -> _Header:
    """Return what our recorder says about itself."""
    try:
        version, about = line.removeprefix(RECORDER).split(maxsplit=1)
        header = msgspec.json.decode(about, type=_Header)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise TinyglassError(
            f"The recorder on the board introduces itself with {line[:60]!r}, which is not understood",
            where,
            "Put the recorder of this tinyglass on the board",
        ) from error
    if version != "1" or not header.channels or len(set(header.channels)) < len(header.channels):
        raise TinyglassError(
            f"The recorder on the board speaks another language ({line[:60]!r})",
            where,
            "Put the recorder of this tinyglass on the board",
        )
    return header


class Course(Source):
    """The course's own program on the board, whose button 1 makes a recording.

    Programs that tinyglass exports talk like it; theirs may have other channels, as many as they like.
    """

    asks = False
    button = True

    def __init__(self, wanted: Wanted) -> None:
        rate = Rate(1000 / (wanted.period_ms or COURSE_PERIOD), 0.0)
        super().__init__(Form(("distance",), ("",), ("distance",), 1), wanted, rate)
        self.words = "a program that records when button 1 on the board is pressed"
        self._received: list[tuple[Row, ...]] = []  # since the last print-out, after which the board forgets

    def expected(self) -> tuple[int | None, float | None]:
        return self.wanted.readings, None

    def started_by(self, line: Line) -> Take | None:
        text = (line.text or "").strip()
        if PRINTOUT.match(text):
            return Printout(self.form, self._received)
        if COURSE_STARTS.match(text) or text.startswith("distance="):
            return CourseTake(self.form, self.wanted)
        return None

    def received(self, take: Take) -> None:
        if isinstance(take, Printout):
            self._received.clear()
            return
        self._received.append(tuple(take.rows))
        if take.form.channels != self.form.channels and self.wanted.period_ms is None:
            self.form, self.rate = take.form, None  # of another gesture, whose rate is to be measured


class Lines(Source):
    """Any program on the board that prints a reading a line."""

    usual = None, SECONDS

    def __init__(self, form: Form, wanted: Wanted, rate: Rate | None) -> None:
        if wanted.period_ms is not None:
            rate = Rate(1000 / wanted.period_ms, 0.0 if rate is None else rate.jitter)
        super().__init__(form, wanted, rate)
        speed = str(self.rate) if self.rate is not None else "readings at an unknown rate"
        self.words = f"a board that prints {in_words(self.form)}: {speed}"

    def start(self, wire: Wire) -> tuple[Take, list[Line]]:
        n, seconds = self.expected()
        return LinesTake(self.form, n, None if n else seconds, self.wanted.trigger), []


class Predictions(Source):
    """A program on the board that predicts by itself, and sends no readings."""

    asks = False
    words = "a program that predicts on the board"

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(Form((), ()), replace(wanted, channels=None, units=None))


def in_words(form: Form) -> str:
    """Return the channels and their units.

    Examples
    --------
    >>> in_words(Form(("aX", "light"), ("g", "")))
    'aX (g), light'
    """
    return ", ".join(f"{c} ({u})" if u else c for c, u in zip(form.channels, form.units, strict=True))


def lines_source(lines: Sequence[Line], wanted: Wanted) -> Lines | None:
    """Return the source that has sent these lines, the first of which may be cut short; None if none is a reading."""
    form = find_form(lines[1:])
    if form is None:
        return None
    take = LinesTake(form, None)
    for line in lines[1:]:
        take.add(line)
    return Lines(form, wanted, measure_rate(take.times or take.arrivals))
