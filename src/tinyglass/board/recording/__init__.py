"""Guided recording of gestures from a board on the wire."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ArgumentError, nearest
from ..finding import SOURCES
from ..ports import BAUD
from ..takes import Wanted
from .folder import check_text
from .guide import Guide, Silence
from .session import Session


@dataclass(frozen=True)
class Plan:
    """What is to be recorded, from where, and to where; see `record`."""

    port: str
    labels: tuple[str, ...]
    folder: Path
    count: int = 10
    wanted: Wanted = field(default_factory=Wanted)
    source: str = "auto"
    expression: str | None = None
    program: Path | None = None
    person: str | None = None
    session: str | None = None
    device: str | None = None
    countdown: int = 3
    baud: int = BAUD

    def __post_init__(self) -> None:
        for option in ("label", "person", "session", "device"):
            texts = self.labels if option == "label" else (getattr(self, option) or "",)
            for text in texts:
                check_text(option, text)
        self._check_numbers()
        if not self.labels or len(set(self.labels)) < len(self.labels):
            raise ArgumentError(
                f"Expected labels, each once, found {', '.join(map(repr, self.labels)) or 'none'}",
                "--label",
                "Name each label once",
            )
        if self.source not in SOURCES:
            raise ArgumentError(
                f"Unknown source {self.source!r}", "--source", nearest(self.source, list(SOURCES))
            )
        has_code = self.expression is not None or self.program is not None
        if self.source == "repl" and not has_code:
            raise ArgumentError(
                "The source repl needs something to run on the board",
                "--source repl",
                "Give --read EXPRESSION or --program FILE",
            )
        if has_code and self.source not in ("auto", "repl"):
            raise ArgumentError(
                f"The source {self.source} runs nothing on the board",
                "--source",
                "Leave it out, or leave --read and --program out",
            )
        if self.expression is not None and self.program is not None:
            raise ArgumentError("--read and --program exclude each other", "--program", "Give one of them")

    def _check_numbers(self) -> None:
        wanted = self.wanted
        numbers: dict[str, float | None] = {
            "count": self.count,
            "baud": self.baud,
            "readings": wanted.readings,
            "seconds": wanted.seconds,
            "period": wanted.period_ms,
            "trigger": wanted.trigger,
            "timeout": wanted.timeout,
        }
        for name, number in numbers.items():
            if number is not None and not 0 < number < math.inf:
                raise ArgumentError(
                    f"Expected a number above 0, found {number}", f"--{name}", "Give such a number"
                )
        if wanted.readings is not None and wanted.seconds is not None:
            raise ArgumentError(
                "--readings and --seconds say the same in two ways", "--seconds", "Give one of them"
            )


def record(
    port: str,
    labels: Sequence[str],
    folder: str | Path,
    *,
    count: int = 10,
    readings: int | None = None,
    seconds: float | None = None,
    period_ms: float | None = None,
    channels: Sequence[str] | None = None,
    units: Sequence[str] | None = None,
    source: str = "auto",
    person: str | None = None,
    session: str | None = None,
    device: str | None = None,
    countdown: int = 0,
    timeout: float = 10.0,
) -> list[Path]:
    """Record gestures from a board on the wire, and return the files that they are in.

    Each recording is on the disk before the next begins, beside what came over the wire, byte for byte;
    a folder that holds some is added to. `read_recordings` reads the folder.

    Parameters
    ----------
    port : str, the path of the serial port; `list_boards` finds it
    labels : sequence of str, what is recorded, one after the other
    folder : path
    count : int, recordings of each label
    readings, seconds : how long a recording is, in one or the other; by the source if both are left out
    period_ms : float, from one reading to the next; by the source if left out
    channels, units : sequences of str, instead of those that the board names
    source : {"auto", "recorder", "course", "lines"}, what the board runs
    person, session, device : str, kept with each recording
    countdown : int, seconds before each recording
    timeout : float, seconds for which a board may be silent that should send

    Returns
    -------
    list of Path

    Raises
    ------
    TinyglassError
        If the port cannot be opened, the board is unplugged or silent, or the disk refuses. What was
        received is kept, and the error says how to go on.

    Examples
    --------
    >>> record("/dev/ttyACM0", ["wave", "idle"], "gestures", count=20)  # doctest: +SKIP
    [PosixPath('gestures/wave/001.csv'), ...]
    """
    wanted = Wanted(
        readings,
        seconds,
        period_ms,
        None if channels is None else tuple(channels),
        None if units is None else tuple(units),
        timeout=timeout,
    )
    plan = Plan(
        port,
        tuple(labels),
        Path(folder),
        count,
        wanted,
        source,
        person=person,
        session=session,
        device=device,
        countdown=countdown,
    )
    return run_plan(plan, Silence())


def run_plan(plan: Plan, guide: Guide) -> list[Path]:
    """Record what the plan says, and return the files. See `record`."""
    return Session(plan, guide).run()
