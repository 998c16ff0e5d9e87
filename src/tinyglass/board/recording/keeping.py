"""What came of a recording, on the disk: complete, incomplete, or undone."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import RecordingError, StorageError
from ...recordings import Recording
from ..reading import Rate, measure_rate
from ..sources import Source
from ..takes import Printout, Row, Take
from .folder import Slot, save, take_slot, undo
from .guide import Guide, Prompt

if TYPE_CHECKING:
    from . import Plan

LOOK = 0.05  # seconds that one look at the wire, or for a key, takes
ATTEMPTS = 3  # recordings in a row that may fail where nobody is there to be asked
OFF = 0.1  # share by which a rate may differ from what was expected
LONG_ENOUGH = 0.2  # seconds of a recording by which its rate is judged


class Keeper:
    """Keeps recordings, and tells about them.

    Parameters
    ----------
    plan : Plan
    guide : Guide

    Attributes
    ----------
    kept : list of (place of the label in the plan, file), in the order of recording
    """

    def __init__(self, plan: Plan, guide: Guide) -> None:
        self.plan, self.guide = plan, guide
        self.kept: list[tuple[int, Path]] = []
        self._rate: Rate | None = None  # as measured, where it is not what was expected
        self._n_failed = 0  # in a row

    def keep(self, place: int, prompt: Prompt, take: Take, slot: Slot, source: Source) -> None:
        """Save what came of a recording, and tell what was skipped.

        Parameters
        ----------
        place : int, of its label in the plan
        prompt : Prompt, before it
        take : Take, done
        slot : Slot, with its raw lines
        source : Source, that it came from

        Raises
        ------
        StorageError
            If the disk refuses, and nobody is there to make room.
        RecordingError
            If several in a row were not complete, and nobody is there to see to it.
        """
        for text in take.account.in_words():
            self.guide.tell(f"{slot.raw}: {text}.")
        source.received(take)
        if isinstance(take, Printout):
            self._keep_printout(place, prompt, take, slot, source)
            return
        if take.rows:
            recording = self._recording(place, take, take.rows, source)
            self._save(place, prompt, recording, slot, not take.failure)
        else:
            self._until_written(slot.finish)
        if not take.failure:
            self._n_failed = 0
            return
        kept = f"kept as {slot.incomplete}, not to be trained on" if take.rows else "no reading came"
        self.guide.tell(f"Not complete: {take.failure}; {kept}.")
        self._n_failed += 1
        if self._n_failed >= ATTEMPTS and not self.guide.interactive:
            raise RecordingError(
                f"{ATTEMPTS} recordings in a row were not complete; the last: {take.failure}",
                f"{self.plan.port}, label {self.plan.labels[place]!r}",
                "Check the cable, the program on the board, --readings, --channels and --baud",
            )

    def undo(self, place: int) -> int:
        """Set the last recording aside, and return the place of its label; `place` if there is none."""
        if not self.kept:
            self.guide.tell("There is nothing to undo.")
            return place
        place, path = self.kept.pop()
        self.guide.undone(path, undo(path, self.plan.folder))
        return place

    def sum_up(self) -> None:
        """Tell what was recorded, and what to do with it."""
        counts = Counter(self.plan.labels[place] for place, _ in self.kept)
        if not counts:
            self.guide.tell("Nothing was recorded.")
            return
        each = ", ".join(f"{n} of {label!r}" for label, n in counts.items())
        command = f"tinyglass train {shlex.quote(str(self.plan.folder))}"
        self.guide.tell(f"Recorded {each}. Train on them with: {command}")

    def _keep_printout(self, place: int, prompt: Prompt, take: Printout, slot: Slot, source: Source) -> None:
        if take.n_repeated:
            n = take.n_repeated
            self.guide.tell(f"The print-out repeats {n} recording{'s' * (n > 1)} that came before.")
        if not take.found:
            self._until_written(slot.finish)
        for number, rows in enumerate(take.found):
            if number:
                raw = slot.raw.read_bytes()
                slot = take_slot(self.plan.folder, self.plan.labels[place])
                slot.write(raw)
            own = replace(prompt, number=prompt.number + number)
            self._save(place, own, self._recording(place, take, rows, source), slot, complete=True)

    def _save(self, place: int, prompt: Prompt, recording: Recording, slot: Slot, complete: bool) -> None:
        self._until_written(lambda: save(slot, recording, complete))
        if complete:
            self.kept.append((place, slot.path))
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

    def _recording(self, place: int, take: Take, rows: Sequence[Row], source: Source) -> Recording:
        plan = self.plan
        times = take.times if rows is take.rows else None
        return Recording(
            np.array(rows),
            take.form.channels,
            take.form.units,
            self._rate_hz(take, source),
            None if times is None else np.array(times),
            label=plan.labels[place],
            person=plan.person,
            session=plan.session,
            device=plan.device,
        )

    def _rate_hz(self, take: Take, source: Source) -> float | None:
        """Return readings a second: the same for all recordings, unless this one's are clearly others."""
        known, measured = self._rate or source.rate, measure_rate(take.times or take.arrivals)
        if known is None or measured is None:
            self._rate = known or measured
            return None if self._rate is None else self._rate.hz
        span = len(take.rows) / measured.hz
        if span < LONG_ENOUGH or abs(measured.hz - known.hz) <= OFF * known.hz:
            return known.hz
        given = self.plan.wanted.period_ms is not None and not take.clock
        wish = ", but you have said so" if given else ""
        self.guide.tell(f"The readings came at {measured.hz:g} Hz, not at {known.hz:g} Hz{wish}.")
        self._rate = known if given else measured
        return self._rate.hz
