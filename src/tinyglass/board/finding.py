"""Find out what a board runs: ask it, and listen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import TinyglassError
from .reading import find_form
from .sources import Course, Kit, Predictions, Source, lines_source
from .takes import COURSE_STARTS, COURSE_STOPS, PRINTOUT, RECORDER, Wanted
from .wire import Line, Wire

SOURCES = ("auto", "recorder", "course", "lines", "repl")
ASK_AGAIN = 1.0  # seconds after which an unanswered question is put again
LISTEN = 2.0  # seconds for which a board that prints numbers is listened to
SILENT = 3.0  # seconds of silence after which the person is told what to do
MOST_LINES = 10_000  # that are listened to
PROMPT = re.compile(r"^>>>( |$)|Press any key to enter the REPL")
PREDICTION = re.compile(r"Prediction: ")


def find_source(
    wire: Wire,
    wanted: Wanted,
    kind: str = "auto",
    expression: str | None = None,
    program: Path | None = None,
    tell: Callable[[str], object] = lambda text: None,
    predictions: bool = False,
) -> tuple[Source, list[Line]]:
    """Return what the board runs, and the lines that it has sent and that may begin a recording.

    Parameters
    ----------
    wire : Wire
    wanted : Wanted
    kind : of `SOURCES`
    expression, program : for the board's Python; either means the source ``repl``
    tell : function that shows the person a text
    predictions : bool, whether a board that only predicts is welcome

    Raises
    ------
    TinyglassError
        If the board is silent, or says nothing that is understood.
    """
    if expression is not None or program is not None:
        return _python(wire, wanted, expression, program), []
    if kind == "course":
        return Course(wanted), []
    return _Finder(wire, wanted, kind, tell, predictions).find()


def _python(wire: Wire, wanted: Wanted, expression: str | None, program: Path | None) -> Source:
    from .python_board import Expression, Program
    from .repl import RawRepl

    repl = RawRepl(wire.port)
    repl.enter()
    try:
        if expression is not None:
            return Expression(repl, wanted, expression)
        assert program is not None
        return Program(repl, wanted, program)
    except BaseException:
        with suppress(TinyglassError):  # its own program runs again
            repl.restart()
        raise


class _Finder:
    """Listens until it knows."""

    def __init__(
        self, wire: Wire, wanted: Wanted, kind: str, tell: Callable[[str], object], predictions: bool
    ) -> None:
        self.wire, self.wanted, self.kind, self.tell = wire, wanted, kind, tell
        self.predictions = predictions
        self.lines: list[Line] = []
        self.prompted = self.predicts = False

    def find(self) -> tuple[Source, list[Line]]:
        began = time.monotonic()
        asked = told = 0.0
        while (now := time.monotonic()) - began < self.wanted.timeout + SILENT:
            if self.kind != "lines" and now - asked > ASK_AGAIN:
                # A recorder that still streams for somebody who has gone stops first.
                self.wire.send("stop")
                self.wire.send("?")
                asked = now
            new = self.wire.lines(0.1)
            for place, line in enumerate(new):
                if source := self._by_its_words(line):
                    return source, new[place + (source.asks) :]
            self.lines += new
            source = self._by_its_numbers()
            if source is not None:
                return source, []
            if now - began > SILENT and not self.lines and not told:
                self.tell("The board is silent. If its program waits for button 1, press it.")
                told = now
        if (source := self._by_its_numbers(at_least=1)) is not None:
            return source, []
        raise self._not_found()

    def _by_its_words(self, line: Line) -> Source | None:
        text = (line.text or "").strip()
        if text.startswith(RECORDER) and self.kind in ("auto", "recorder"):
            return Kit(text, self.wanted, self.wire.name)
        if self.kind == "auto" and any(p.match(text) for p in (COURSE_STARTS, COURSE_STOPS, PRINTOUT)):
            return Course(self.wanted)
        self.prompted |= bool(PROMPT.search(text))
        self.predicts |= bool(PREDICTION.match(text))
        return Predictions(self.wanted) if self.predicts and self.predictions else None

    def _by_its_numbers(self, at_least: int = 3) -> Source | None:
        """Return the source that prints numbers, when there have been enough of them."""
        if self.kind not in ("auto", "lines") or self.prompted or len(self.lines) <= at_least:
            return None
        heard = self.lines[-1].at - self.lines[0].at
        if at_least > 1 and heard < LISTEN and len(self.lines) < MOST_LINES:
            return None
        texts = sum(find_form([line]) is None for line in self.lines[1:]) if len(self.lines) < 1000 else 0
        if 2 * texts > len(self.lines):
            return None
        return lines_source(self.lines, self.wanted)

    def _not_found(self) -> TinyglassError:
        where = self.wire.name
        if self.prompted:
            return TinyglassError(
                "The board shows Python's prompt: no program runs on it",
                where,
                "Press its reset button to start its program, or read a sensor with --read EXPRESSION",
            )
        if self.predicts:
            return TinyglassError(
                "The board runs a program that predicts, and prints no readings",
                where,
                "Put the recorder on it; tinyglass listen shows what it predicts",
            )
        if self.kind == "recorder":
            return TinyglassError(
                "No tinyglass recorder answered", where, "Put the recorder on the board, or use --source auto"
            )
        if self.lines:
            return TinyglassError(
                f"Expected lines of numbers, found {(self.lines[-1].text or 'bytes that are no text')[:60]!r}",
                where,
                "Check --baud, and the program on the board: a reading a line, its numbers between commas",
            )
        return TinyglassError(
            f"The board has sent nothing in {self.wanted.timeout + SILENT:g} seconds",
            where,
            "Check that its program runs, press its reset button, or say what it runs with --source",
        )
