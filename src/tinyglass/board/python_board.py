"""CircuitPython or MicroPython on the board, which is given a program for each recording."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError, TinyglassError
from ..recordings import unnamed
from ..storage import read_bytes
from .reading import Form, Rate, find_form
from .sources import PERIOD, READINGS, Source, in_words
from .takes import LinesTake, Take, Wanted
from .wire import Line, UnpluggedError, Wire

if TYPE_CHECKING:
    from .repl import RawRepl

LARGEST_PROGRAM = 2**20  # bytes
LONGEST_RUN = 60.0  # seconds that a program on the board may take


class PythonBoard(Source):
    """Python on the board, whose raw REPL runs what it is given.

    Parameters
    ----------
    repl : RawRepl, entered
    wanted : Wanted
    """

    at_once = True

    def __init__(self, repl: RawRepl, wanted: Wanted) -> None:
        self.repl = repl
        form, rate = self.try_out(wanted)
        super().__init__(form, wanted, rate)
        self.words = f"Python on the board, running {self.name}: {in_words(self.form)}"

    name = ""

    def try_out(self, wanted: Wanted) -> tuple[Form, Rate | None]:
        """Return what its readings look like, and how often they come."""
        raise NotImplementedError

    def run(self, code: str, seconds: float) -> list[Line]:
        """Return what a program prints that takes so long at most.

        Raises
        ------
        UnpluggedError
            If the board is gone.
        TinyglassError
            If the program fails, or does not end.
        """
        try:
            printed = self.repl.run(code, seconds)
        except TinyglassError as error:
            if isinstance(error.__cause__, OSError):
                raise UnpluggedError(error.what, error.where, error.mend) from error
            raise
        return [Line(f"{line}\n".encode()) for line in printed.splitlines()]

    def nothing(self, lines: Sequence[Line], mend: str) -> TinyglassError:
        """Return the error that what was printed is no reading."""
        found = repr((lines[0].text or "")[:60]) if lines else "nothing"
        what = f"The program on the board gave no readings, but {found}"
        return TinyglassError(what, str(self.repl.port.port), mend)

    def close(self, wire: Wire) -> None:
        self.repl.restart()


class Expression(PythonBoard):
    """An expression that the board evaluates for each reading.

    Parameters
    ----------
    expression : str, statements and then an expression whose value is a number, or several
    """

    usual = READINGS, None

    def __init__(self, repl: RawRepl, wanted: Wanted, expression: str) -> None:
        self.expression, self.name = expression, repr(expression)
        self.period = wanted.period_ms or PERIOD
        super().__init__(repl, wanted)

    def try_out(self, wanted: Wanted) -> tuple[Form, Rate | None]:
        lines = self.run(reading_program(self.expression, 2, 0.0), wanted.timeout)
        form = find_form(lines)
        n = 0 if form is None else form.width - 1
        if n < 1:
            mend = "Give --read an expression whose value is a number or several, such as 'adc.read_u16()'"
            raise self.nothing(lines, mend)
        channels = ("value",) if n == 1 else unnamed(n)
        form = Form(channels, ("",) * n, width=1 + n, clock=0, second=0.001)
        return form, Rate(1000 / self.period, 0.0)

    def start(self, wire: Wire) -> tuple[Take, list[Line]]:
        n, seconds = self.expected()
        code = reading_program(self.expression, n or READINGS, self.period)
        return LinesTake(self.form, n), self.run(code, (seconds or 0.0) + self.wanted.timeout)


class Program(PythonBoard):
    """A program that prints the readings of a recording, and ends.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, repl: RawRepl, wanted: Wanted, path: Path) -> None:
        self.name = str(path)
        self.code = read_bytes(path, LARGEST_PROGRAM).decode(errors="replace")
        super().__init__(repl, wanted)

    def try_out(self, wanted: Wanted) -> tuple[Form, Rate | None]:
        lines = self.run(self.code, wanted.timeout + LONGEST_RUN)
        form = find_form(lines)
        if form is None:
            raise self.nothing(lines, "Let the program print numbers, a reading a line")
        return form, Rate(1000 / wanted.period_ms, 0.0) if wanted.period_ms else None

    def start(self, wire: Wire) -> tuple[Take, list[Line]]:
        n, _ = self.expected()
        return LinesTake(self.form, n), self.run(self.code, self.wanted.timeout + LONGEST_RUN)


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
