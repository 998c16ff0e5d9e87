"""A recording session: label after label, each recording on the disk before the next begins."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ArgumentError, TinyglassError
from ..finding import find_source
from ..ports import open_port
from ..reading import reading_in
from ..sources import Course, Lines, Source
from ..takes import Take
from ..wire import Line, UnpluggedError, Wire
from .folder import Slot, take_slot
from .guide import Guide, Prompt
from .keeping import LOOK, Keeper

if TYPE_CHECKING:
    from . import Plan

COME_BACK = 0.3  # seconds between looks for a board that has gone


class _QuitError(Exception):
    """The person wants no more."""


class Session:
    """A board, and what comes next.

    Parameters
    ----------
    plan : Plan
    guide : Guide
    """

    wire: Wire
    source: Source

    def __init__(self, plan: Plan, guide: Guide) -> None:
        self.plan, self.guide = plan, guide
        self.place = 0  # in the labels
        self.keeper = Keeper(plan, guide)
        self.pending: list[Line] = []  # what the board has said and nothing has been made of

    def run(self) -> list[Path]:
        """Record all that is planned, or until the person wants no more; return the files."""
        self._open()
        self.guide.tell(f"Found {self.source.words}. {self._length_in_words()}".strip())
        try:
            with suppress(_QuitError):
                while self._step():
                    pass
        finally:
            self._close()
            self.keeper.sum_up()
        return [path for _, path in self.keeper.kept]

    # ------------------------------------------------------------ the board

    def _open(self, known: Source | None = None) -> None:
        plan = self.plan
        self.wire = Wire(open_port(plan.port, plan.baud))
        try:
            if not isinstance(known, Course):  # which says nothing until its button is pressed
                self.source, self.pending = find_source(
                    self.wire, plan.wanted, plan.source, plan.expression, plan.program, self.guide.tell
                )
            if plan.wanted.trigger is not None and not isinstance(self.source, Lines):
                raise ArgumentError(
                    f"A recording is not begun by movement from {self.source.words}",
                    "--trigger",
                    "Leave it out",
                )
        except BaseException:
            self.wire.close()
            raise

    def _close(self) -> None:
        with suppress(TinyglassError):  # a board that has gone needs no farewell
            self.source.close(self.wire)
        self.wire.close()

    def _await_return(self, error: UnpluggedError) -> None:
        """Wait for the board to come back; where nobody is there to bring it, raise the error."""
        if not self.guide.interactive:
            raise TinyglassError(
                error.what, error.where, f"Plug it in again, {self._how_to_go_on()}"
            ) from error
        self.guide.tell(f"{error.what}. Plug it in again, and recording goes on; q ends it.")
        self.wire.close()
        while True:
            if self.guide.key() == "quit":
                raise _QuitError
            try:
                self._open(self.source)
            except TinyglassError:
                time.sleep(COME_BACK)
                continue
            self.guide.tell("The board is back.")
            return

    # ------------------------------------------------------------ what comes next

    def _prompt(self) -> Prompt:
        """Return what is to be recorded next; a label that is complete gives way to the next one."""
        labels, counts = self.plan.labels, Counter(place for place, _ in self.keeper.kept)
        while self.place < len(labels) and counts[self.place] >= self.plan.count:
            self.place += 1
        return Prompt(
            label=labels[self.place] if self.place < len(labels) else None,
            number=counts[self.place] + 1,
            count=self.plan.count,
            asks=self.source.asks,
            button=self.source.button,
            can_undo=bool(self.keeper.kept),
            can_skip=self.place + 1 < len(labels),
        )

    def _step(self) -> bool:
        """Make a recording, or do what the person asks for; False at the end."""
        prompt = self._prompt()
        if prompt.label is None and not self.guide.interactive:
            return False
        try:
            answer = self._answer(prompt)
            if answer == "quit" or (answer == "next" and prompt.label is None):
                return False
            if answer == "label" and prompt.label is not None:
                self.place += 1
            elif isinstance(answer, Take):
                self._record(prompt, answer)
            elif answer in ("undo", "redo"):
                self.place = self.keeper.undo(self.place)
                if answer == "redo" and self.source.asks:
                    self._ask_for_one(self._prompt())
            elif answer == "next" and self.source.asks:
                self._ask_for_one(prompt)
            elif answer == "next":
                self.guide.tell("Press button 1 on the board: its own program begins a recording.")
        except UnpluggedError as error:
            self._await_return(error)
        return True

    def _answer(self, prompt: Prompt) -> str | Take:
        """Wait for a key, or for the board to begin a recording by itself."""
        self.guide.ask(prompt)
        while True:
            for line in self._heard():
                take = self.source.started_by(line)
                if take is not None:
                    self.pending.insert(0, line)
                    return take
            if not self.guide.interactive and self.source.asks:
                return "next"
            if key := self.guide.key():
                return key

    def _heard(self) -> Iterator[Line]:
        """Yield what the board says while nothing is recorded."""
        hurried = self.source.asks and not self.guide.interactive
        if self.source.at_once:
            time.sleep(0 if hurried else LOOK)
            return
        self.pending += self.wire.lines(0.0 if hurried else LOOK)
        while self.pending:
            line = self.pending.pop(0)
            if isinstance(self.source, Lines):
                self._show_idle(line, self.source)
            yield line

    def _show_idle(self, line: Line, source: Lines) -> None:
        row = reading_in(line, source.form)
        if not isinstance(row, str):
            self.guide.idle(tuple(row[place] for place in source.form.places), source.form.channels)

    def _ask_for_one(self, prompt: Prompt) -> None:
        for left in range(self.plan.countdown, 0, -1):
            self.guide.count_down(prompt, left)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                for _ in self._heard():
                    pass
                time.sleep(LOOK / 10)
                if self.guide.key() == "quit":
                    raise _QuitError
        self._record(prompt, None)

    # ------------------------------------------------------------ a recording

    def _record(self, prompt: Prompt, take: Take | None) -> None:
        """Make one recording, begun by the board or to be asked for, and keep whatever comes of it."""
        place = min(self.place, len(self.plan.labels) - 1)
        number = 1 + sum(own == place for own, _ in self.keeper.kept)
        prompt = replace(prompt, label=self.plan.labels[place], number=number)
        slot = take_slot(self.plan.folder, self.plan.labels[place])
        error: BaseException | None = None
        try:
            if take is None:
                self.pending.clear()
                take, self.pending = self.source.start(self.wire)
            self._fill(prompt, take, slot)
        except (TinyglassError, KeyboardInterrupt) as raised:
            error = raised
            if take is not None:
                self._break_off(take, slot, raised)
        if take is None:
            slot.finish()
        else:
            self.keeper.keep(place, prompt, take, slot, self.source)
        if error is not None:
            raise error

    def _fill(self, prompt: Prompt, take: Take, slot: Slot) -> None:
        """Take lines in until the recording is done.

        Raises
        ------
        TinyglassError
            If the board falls silent, where nobody is there to see it.
        """
        period = 1 / self.source.rate.hz if self.source.rate else 0.0
        patience = self.plan.wanted.timeout + 2 * period
        heard, last = time.monotonic(), 0.0
        while True:
            while self.pending and not take.done:
                line = self.pending.pop(0)
                slot.write(line.raw)
                take.add(line)
            if self.source.at_once and not take.done:
                take.end()
            self.guide.progress(prompt, take)
            if take.done:
                return
            if take.arrivals and take.arrivals[-1] != last:
                heard, last = time.monotonic(), take.arrivals[-1]
            if time.monotonic() - heard > patience:
                take.end(f"the board fell silent after {_readings(take)}")
                if take.failure and not self.guide.interactive:
                    raise TinyglassError(
                        f"The board fell silent for {patience:g} seconds, after {_readings(take)}",
                        f"{self.plan.port}, recording {prompt.number} of {prompt.label!r}",
                        f"Check its program, press its reset button, {self._how_to_go_on()}",
                    )
            elif self.guide.key() == "quit":
                take.end(f"stopped after {_readings(take)}")
            else:
                self.pending += self.wire.lines(LOOK)

    def _break_off(self, take: Take, slot: Slot, error: BaseException) -> None:
        """End a recording in its midst, with what has come of a line."""
        if rest := self.wire.rest():
            slot.write(rest.raw)
            take.add(rest)
        if not take.done:
            why = "the board was unplugged" if isinstance(error, UnpluggedError) else "stopped"
            take.end(f"{why} after {_readings(take)}")

    # ------------------------------------------------------------ words

    def _length_in_words(self) -> str:
        n, seconds = self.source.expected()
        period = f", one every {1000 / self.source.rate.hz:.4g} ms" if self.source.rate else ""
        if n is not None:
            return f"Each recording has {n} reading{'s' * (n > 1)}{period if n > 1 else ''}."
        return "" if seconds is None else f"Each recording lasts {seconds:g} s{period}."

    def _how_to_go_on(self) -> str:
        prompt = self._prompt()
        if prompt.label is None:
            return "and everything is recorded"
        later = ", ".join(map(repr, self.plan.labels[self.place + 1 :]))
        left = prompt.count - prompt.number + 1
        text = f"and go on with --label {shlex.quote(prompt.label)} --count {left}"
        return text + (f", then with {later}" if later else "")


def _readings(take: Take) -> str:
    n = len(take.rows)
    return f"{n} of {take.wanted} readings" if take.wanted else f"{n} reading{'s' * (n != 1)}"
