"""What a board may be running, and how each is asked for a recording.

================ ==========================================================================================
`Kit`            our recorder program: records when it is asked, or when its button is pressed
`Course`         the course's own program: records when its button 1 is pressed, prints all by button 2
`Lines`          any program that prints readings without end
`Predictions`    a program that predicts on the board, to be listened to only
`PythonBoard`    CircuitPython or MicroPython, which is given a program by the raw REPL
================ ==========================================================================================
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import ArgumentError, TinyglassError
from ..storage import read_bytes
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

if TYPE_CHECKING:
    from .repl import RawRepl

COURSE_PERIOD = 250.0  # ms; of the course's gesture, also on our recorder
PERIOD, READINGS = 20.0, 100  # ms; of other sensors, where nothing is asked for
SECONDS = 2.0  # of a recording from lines, where nothing is asked for
LARGEST_PROGRAM = 2**20  # bytes
LONGEST_RUN = 60.0  # seconds that a program on the board may take


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
        n, period = self.wanted.readings, None if self.rate is None else 1 / self.rate.hz
        if n is None and self.wanted.seconds is not None and period is not None:
            n = max(1, round(self.wanted.seconds / period))
        return n, n * period if n is not None and period is not None else self.wanted.seconds

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
        if wanted.readings is None and wanted.seconds is None:
            wanted = replace(wanted, readings=COURSE_READINGS if of_course else READINGS)
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

    def __init__(self, form: Form, wanted: Wanted, rate: Rate | None) -> None:
        if wanted.readings is None and wanted.seconds is None:
            wanted = replace(wanted, seconds=SECONDS)
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


class PythonBoard(Source):
    """CircuitPython or MicroPython on the board, which is given a program for each recording.

    Parameters
    ----------
    repl : RawRepl, entered
    wanted : Wanted
    expression : str or None, Python for the board: statements, then an expression whose value is a reading
    program : Path or None, a program for the board that prints readings and ends
    """

    at_once = True

    def __init__(
        self, repl: RawRepl, wanted: Wanted, expression: str | None = None, program: Path | None = None
    ) -> None:
        self.repl, self.expression = repl, expression
        period = wanted.period_ms or PERIOD
        if expression is not None:
            if wanted.readings is None and wanted.seconds is None:
                wanted = replace(wanted, readings=READINGS)
            code, n = reading_program(expression, 2, 0.0), 2
        else:
            assert program is not None
            self._program = read_bytes(program, LARGEST_PROGRAM).decode(errors="replace")
            code, n = self._program, 1
        lines = self._run(code, wanted.timeout + (LONGEST_RUN if expression is None else 0))
        form = find_form(lines)
        if form is None or len(lines) < n or (expression is not None and form.width < 2):
            raise TinyglassError(
                f"The program on the board gave no readings, but {_beginning(lines)}",
                str(repl.port.port),
                "Give --read an expression whose value is a number or a tuple of numbers, such as 'adc.read_u16()'"
                if expression is not None
                else "Let the program print numbers, a reading a line",
            )
        if expression is not None:
            form = Form(("value",) if form.width == 2 else _numbered(form.width - 1), ("",) * (form.width - 1),
                        width=form.width, clock=0, second=0.001)  # fmt: skip
        rate = Rate(1000 / period, 0.0) if expression is not None or wanted.period_ms else None
        super().__init__(form, wanted, rate)
        what = repr(expression) if expression is not None else str(program)
        self.words = f"Python on the board, running {what}: {in_words(self.form)}"

    def start(self, wire: Wire) -> tuple[Take, list[Line]]:
        n, seconds = self.expected()
        if self.expression is None:
            code, wait = self._program, LONGEST_RUN if seconds is None else seconds
        else:
            assert n is not None
            assert self.rate is not None
            code, wait = reading_program(self.expression, n, 1000 / self.rate.hz), seconds or 0.0
        return LinesTake(self.form, n), self._run(code, wait + self.wanted.timeout)

    def _run(self, code: str, seconds: float) -> list[Line]:
        return [Line(f"{line}\n".encode()) for line in self.repl.run(code, seconds).splitlines()]

    def close(self, wire: Wire) -> None:
        self.repl.restart()


def _beginning(lines: Sequence[Line]) -> str:
    return repr((lines[0].text or "")[:60]) if lines else "nothing"


def _numbered(n: int) -> tuple[str, ...]:
    return tuple(f"channel{i + 1}" for i in range(n))


PROGRAM = """\
try:
    from time import ticks_ms as _ms
except ImportError:
    from supervisor import ticks_ms as _ms
def _flat(value):
    if isinstance(value, (int, float)):
        return [value]
    if isinstance(value, (str, bytes, dict)):
        raise TypeError("expected numbers, found " + repr(value))
    return [number for part in value for number in _flat(part)]
{setup}
def _read():
    return ({expression})
_start = _ms()
for _i in range({n}):
    while (_ms() - _start & 0x1FFFFFFF) < _i * {period}:
        pass
    _t = _ms() - _start & 0x1FFFFFFF
    print(",".join([str(_number) for _number in [_t] + _flat(_read())]))
"""


def reading_program(expression: str, n: int, period_ms: float) -> str:
    """Return a program for the board that prints so many readings, each after its time in ms.

    Parameters
    ----------
    expression : str, statements and then an expression, on one line between semicolons or on several
    n : int
    period_ms : float

    Raises
    ------
    ArgumentError
        If it is no Python, or ends in something else than an expression.

    Examples
    --------
    >>> "return (adc.read())" in reading_program("import board; adc = board.ADC(); adc.read()", 10, 20.0)
    True
    """
    try:
        statements = ast.parse(expression).body
        last = statements.pop() if statements else None
        if not isinstance(last, ast.Expr):
            raise ValueError("it ends in no expression")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ArgumentError(
            f"{expression[:60]!r} is no expression for the board: {error}",
            "--read",
            "Give statements and then an expression, such as 'import board; board.A0'",
        ) from error
    return PROGRAM.format(
        setup="\n".join(map(ast.unparse, statements)),
        expression=ast.unparse(last.value),
        n=n,
        period=period_ms,
    )


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
