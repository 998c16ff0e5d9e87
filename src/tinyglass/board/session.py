"""A recording session: label after label, each recording on the disk before the next begins."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ArgumentError, RecordingError, StorageError, TinyglassError
from ..recordings import Recording
from .finding import find_source
from .guide import Guide, Prompt
from .ports import open_port
from .reading import measure_rate, reading_in
from .recording_folder import Slot, save, take_slot, undo
from .sources import Lines, Source
from .takes import Printout, Row, Take
from .wire import Line, UnpluggedError, Wire

if TYPE_CHECKING:
    from .recording import Plan

LOOK = 0.05  # seconds that one look at the wire takes
COME_BACK = 0.3  # seconds between looks for a board that has gone
ATTEMPTS = 3  # recordings in a row that may fail where nobody is there to be asked
OFF = 0.1  # share by which a rate may differ from what was expected
LONG_ENOUGH = 0.2  # seconds of a recording by which its rate is judged


class _QuitError(Exception):
    """The person wants no more."""


class Session:
    """What has been kept, and what comes next.

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
        self.kept: list[tuple[int, Path]] = []  # the places of their labels, and the files
        self.pending: list[Line] = []  # what the board has said and nothing has been made of
        self.n_failed = 0  # in a row

    def run(self) -> list[Path]:
        """Record all that is planned, or until the person wants no more; return the files."""
        self._open()
        self.guide.tell(f"Found {self.source.words}. {self._length_in_words()}")
        try:
            with suppress(_QuitError):
                while self._step():
                    pass
        finally:
            self._close()
            self._sum_up()
        return [path for _, path in self.kept]

    # ------------------------------------------------------------ the board

    def _open(self) -> None:
        plan = self.plan
        self.wire = Wire(open_port(plan.port, plan.baud))
        try:
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
                self._open()
            except TinyglassError:
                time.sleep(COME_BACK)
                continue
            self.guide.tell("The board is back.")
            return

    # ------------------------------------------------------------ what comes next

    @property
    def _label(self) -> str:
        return self.plan.labels[min(self.place, len(self.plan.labels) - 1)]

    def _prompt(self) -> Prompt:
        """Return what is to be recorded next; a label that is complete gives way to the next one."""
        labels, counts = self.plan.labels, Counter(place for place, _ in self.kept)
        while self.place < len(labels) and counts[self.place] >= self.plan.count:
            self.place += 1
        return Prompt(
            label=self._label if self.place < len(labels) else None,
            number=counts[self.place] + 1,
            count=self.plan.count,
            asks=self.source.asks,
            button=self.source.button,
            can_undo=bool(self.kept),
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
                self._undo()
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

    def _undo(self) -> None:
        if not self.kept:
            self.guide.tell("There is nothing to undo.")
            return
        self.place, path = self.kept.pop()
        self.guide.undone(path, undo(path, self.plan.folder))

    # ------------------------------------------------------------ a recording

    def _record(self, prompt: Prompt, take: Take | None) -> None:
        """Make one recording, begun by the board or to be asked for, and keep whatever comes of it."""
        prompt = replace(prompt, label=self._label)
        slot = take_slot(self.plan.folder, self._label)
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
            self._keep(prompt, take, slot)
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

    def _keep(self, prompt: Prompt, take: Take, slot: Slot) -> None:
        """Save what came of a recording, and tell what was skipped."""
        for text in take.account.in_words():
            self.guide.tell(f"{slot.raw}: {text}.")
        self.source.received(take)
        if isinstance(take, Printout):
            self._keep_printout(prompt, take, slot)
            return
        if take.rows:
            self._save(prompt, self._recording(take, take.rows), slot, not take.failure)
        else:
            self._until_written(slot.finish)
        if not take.failure:
            self.n_failed = 0
            return
        kept = f"kept as {slot.incomplete}, not to be trained on" if take.rows else "no reading came"
        self.guide.tell(f"Not complete: {take.failure}; {kept}.")
        self.n_failed += 1
        if self.n_failed >= ATTEMPTS and not self.guide.interactive:
            raise RecordingError(
                f"{ATTEMPTS} recordings in a row were not complete; the last: {take.failure}",
                f"{self.plan.port}, label {self._label!r}",
                "Check the cable, the program on the board, --readings, --channels and --baud",
            )

    def _keep_printout(self, prompt: Prompt, take: Printout, slot: Slot) -> None:
        if take.n_repeated:
            self.guide.tell(f"The print-out repeats {take.n_repeated} recordings that came before.")
        if not take.found:
            self._until_written(slot.finish)
        label = self._label
        for number, rows in enumerate(take.found):
            if number:
                raw = slot.raw.read_bytes()
                slot = take_slot(self.plan.folder, label)
                slot.write(raw)
            own = replace(prompt, number=prompt.number + number)
            self._save(own, self._recording(take, rows), slot, complete=True)

    def _save(self, prompt: Prompt, recording: Recording, slot: Slot, complete: bool) -> None:
        self._until_written(lambda: save(slot, recording, complete))
        if complete:
            self.kept.append((min(self.place, len(self.plan.labels) - 1), slot.path))
            self.guide.kept(prompt, recording, slot.path)

    def _until_written(self, write: Callable[[], object]) -> None:
        """Write; if the disk refuses, let the person make room and try again."""
        while True:
            try:
                write()
                return
            except StorageError as error:
                if not self.guide.interactive:
                    raise
                self.guide.tell(f"{error} Enter tries again, q gives the recording up.")
                while (key := self.guide.key()) != "next":
                    if key == "quit":
                        raise
                    time.sleep(LOOK)

    def _recording(self, take: Take, rows: Sequence[Row]) -> Recording:
        plan = self.plan
        times = take.times if rows is take.rows else None
        return Recording(
            np.array(rows),
            take.form.channels,
            take.form.units,
            self._rate(take),
            None if times is None else np.array(times),
            label=self._label,
            person=plan.person,
            session=plan.session,
            device=plan.device,
        )

    def _rate(self, take: Take) -> float | None:
        """Return readings a second: those of the whole session, unless this recording's are clearly others."""
        known, measured = self.source.rate, measure_rate(take.times or take.arrivals)
        if known is None:
            self.source.rate = measured
            return None if measured is None else measured.hz
        if (
            measured is None
            or len(take.rows) / measured.hz < LONG_ENOUGH
            or abs(measured.hz - known.hz) <= OFF * known.hz
        ):
            return known.hz
        given = self.plan.wanted.period_ms is not None and not take.clock
        wish = ", but you have said so" if given else ""
        self.guide.tell(f"The readings came at {measured.hz:g} Hz, not at {known.hz:g} Hz{wish}.")
        return known.hz if given else measured.hz

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

    def _sum_up(self) -> None:
        counts = Counter(self.plan.labels[place] for place, _ in self.kept)
        if not counts:
            self.guide.tell("Nothing was recorded.")
            return
        each = ", ".join(f"{n} of {label!r}" for label, n in counts.items())
        command = f"tinyglass train {shlex.quote(str(self.plan.folder))}"
        self.guide.tell(f"Recorded {each}. Train on them with: {command}")


def _readings(take: Take) -> str:
    n = len(take.rows)
    return f"{n} of {take.wanted} readings" if take.wanted else f"{n} reading{'s' * (n != 1)}"
