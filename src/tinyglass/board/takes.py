"""Recordings in the making: lines go in, readings come out.

One class for each way in which boards give recordings. None of them touches the wire, so that every
line that can ever come may be tried on them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .reading import Account, Form, find_form, is_blank, reading_in, renamed
from .wire import Line

ENOUGH_WHOLE = 0.8  # share of the lines of a recording that have to be readings
LEAD = 0.1  # share of a triggered recording that is from before the movement
RESTING = 5  # readings at least, by which the resting signal is known

RECORDER = "# tinyglass recorder"
COURSE_STARTS = re.compile(r">\s*Starting recording")
COURSE_STOPS = re.compile(r">\s*Stopped recording")
PRINTOUT = re.compile(r"Recordings:\s*\[(?P<times>[^\]]*)\]")

COURSE_READINGS = 3  # of the course's gesture

Row = tuple[float, ...]


@dataclass(frozen=True)
class Wanted:
    """What recordings are to be like; None leaves it to the source.

    Attributes
    ----------
    readings : int or None
    seconds : float or None
    period_ms : float or None, from one reading to the next
    channels, units : tuples of str, or None
    trigger : float or None, by how much the signal has to move for a recording from lines to begin
    timeout : float, seconds for which a board may be silent that should send
    """

    readings: int | None = None
    seconds: float | None = None
    period_ms: float | None = None
    channels: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    trigger: float | None = None
    timeout: float = 10.0


class Take:
    """A recording in the making.

    Attributes
    ----------
    form : Form
    wanted : int or None, readings; None where another thing ends the recording
    rows : list of tuples of float, (n_channels,)
    clock : list of float, what the board says of the time, in seconds; empty where it says nothing
    arrivals : list of float, when each reading came, in seconds
    account : Account of the lines that are no readings
    done : bool
    failure : str, why the recording is not complete; "" if it is, or may become so
    """

    def __init__(self, form: Form, wanted: int | None = None) -> None:
        self.form, self.wanted = form, wanted
        self.rows: list[Row] = []
        self.clock: list[float] = []
        self.arrivals: list[float] = []
        self.account = Account()
        self.done = False
        self.failure = ""
        self.n_lines = 0
        self._ended = True

    def add(self, line: Line) -> None:
        """Take in a line; a long one may come in pieces, of which the first is counted."""
        begins, self._ended = self._ended, line.raw.endswith(b"\n")
        self.n_lines += begins
        if begins and not is_blank(line):
            self._add(line)

    def _add(self, line: Line) -> None:
        raise NotImplementedError

    def _read(self, line: Line) -> None:
        """Keep the reading of a line, or count the line."""
        found = reading_in(line, self.form)
        if isinstance(found, str):
            self.account.add(found, self.n_lines, line)
            return
        self.rows.append(tuple(found[place] for place in self.form.places))
        self.arrivals.append(line.at)
        if self.form.clock is not None:
            self.clock.append(found[self.form.clock] * self.form.second)

    def _skip(self, why: str, line: Line) -> None:
        self.account.add(why, self.n_lines, line)

    def end(self, failure: str = "") -> None:
        """End the recording; it is complete if nothing failed and it has the readings that it should have."""
        if not failure and self.wanted is not None and len(self.rows) != self.wanted:
            failure = f"expected {self.wanted} reading{'s' * (self.wanted > 1)}, found {len(self.rows)}"
        if not failure and not self.rows:
            failure = "it has no readings"
        self.done, self.failure = True, self.failure or failure

    @property
    def times(self) -> list[float] | None:
        """Seconds since the first reading, as the board says; None where it does not, or says nonsense."""
        forward = all(before < after for before, after in pairwise(self.clock))
        if not self.clock or not forward:
            return None
        return [time - self.clock[0] for time in self.clock]


def is_of_a_recording(text: str) -> bool:
    """Tell whether a line says that the board's own program begins or ends a recording."""
    return bool(COURSE_STARTS.match(text) or COURSE_STOPS.match(text))


class LinesTake(Take):
    """A recording from a board that prints a reading a line, without end.

    Parameters
    ----------
    form : Form
    wanted : int or None
    seconds : float or None, how long it lasts after its first reading, where `wanted` is None
    trigger : float or None, by how much a channel has to leave its resting value for it to begin
    """

    def __init__(
        self, form: Form, wanted: int | None, seconds: float | None = None, trigger: float | None = None
    ) -> None:
        super().__init__(form, wanted)
        self.seconds, self.trigger = seconds, trigger
        self._lead = int(LEAD * (wanted or 10 * RESTING))
        self._resting: deque[Row] = deque(maxlen=max(RESTING, self._lead))
        self.triggered = trigger is None

    def _add(self, line: Line) -> None:
        if self.seconds is not None and self.arrivals and line.at - self.arrivals[0] >= self.seconds:
            self.end()
        if self.done:
            return
        self._read(line)
        if not self.triggered and self.rows:
            self._wait_for_movement()
        if self.wanted is not None and len(self.rows) >= self.wanted:
            self.end()

    def _wait_for_movement(self) -> None:
        """Keep the last readings only, until one leaves the resting value of those before."""
        *_, last = self.rows
        if self._is_at_rest() and self._leaves_rest(last):
            self.triggered = True
            return
        self._resting.append(last)
        surplus = max(0, len(self.rows) - self._lead)
        del self.rows[:surplus], self.arrivals[:surplus], self.clock[:surplus]

    def _is_at_rest(self) -> bool:
        """Tell whether the last readings lie still: the end of a movement begins no recording."""
        assert self.trigger is not None
        return len(self._resting) >= RESTING and all(
            max(column) - min(column) <= self.trigger for column in zip(*self._resting, strict=True)
        )

    def _leaves_rest(self, row: Row) -> bool:
        assert self.trigger is not None
        return any(
            abs(value - sorted(column)[len(column) // 2]) > self.trigger
            for value, column in zip(row, zip(*self._resting, strict=True), strict=True)
        )

    def end(self, failure: str = "") -> None:
        n_bad = self.account.total - self.account.counts["text"]
        if not failure and self.rows and len(self.rows) < ENOUGH_WHOLE * (len(self.rows) + n_bad):
            failure = f"{n_bad} of {n_bad + len(self.rows)} lines are no whole readings"
        if not self.triggered:
            failure = failure or ("nothing moved" if self._is_at_rest() else "it never lay still beforehand")
        super().end(failure)


class KitTake(Take):
    """A recording by the kit's recorder program: ``# recording``, lines of time and values, ``# done``."""

    def __init__(self, form: Form, wanted: int | None) -> None:
        super().__init__(form, wanted)
        self.begun = False

    def _add(self, line: Line) -> None:
        text = (line.text or "").strip()
        if text == "# recording" and not self.rows:
            self.begun = True
        elif text == "# done" and self.begun:
            self.end()
        elif text.startswith("# error"):
            self.end(f"the board says: {text.removeprefix('# error').strip() or 'error'}")
        elif text.startswith(RECORDER) and self.begun:
            self.end("the board was restarted")
        elif text == "# stopped" and self.begun:
            self.end("the board was told to stop")
        elif text.startswith("#") or not self.begun:
            if text not in ("# button", "# stopped", "# done") and not text.startswith(RECORDER):
                self._skip("text", line)
        else:
            self._read(line)

    def end(self, failure: str = "") -> None:
        super().end("" if len(self.rows) == self.wanted else failure)


class CourseTake(Take):
    """A recording by the course's own program: ``> Starting …``, ``distance=…`` lines, ``> Stopped …``.

    Parameters
    ----------
    form : Form, of the course's gesture; other channels are known by the names in the first line
    asked : Wanted
    """

    def __init__(self, form: Form, asked: Wanted) -> None:
        super().__init__(form, asked.readings)
        self._asked = asked

    def _add(self, line: Line) -> None:
        text = (line.text or "").strip()
        if COURSE_STOPS.match(text):
            self.end()
        elif COURSE_STARTS.match(text):
            if self.rows:
                self.end("another recording began before its end")
        else:
            if not self.rows:
                self._find_channels(line)
            self._read(line)

    def _find_channels(self, line: Line) -> None:
        form = find_form([line])
        if form is not None and form.heads:
            self.form = renamed(form, self._asked.channels, self._asked.units)
        if self.wanted is None and self.form.heads == ("distance",):
            self.wanted = COURSE_READINGS

    def end(self, failure: str = "") -> None:
        n_bad = self.account.total - self.account.counts["text"]
        if self.wanted is None and n_bad:
            failure = failure or f"{n_bad} of its lines are no whole readings"
        super().end("" if self.rows and len(self.rows) == self.wanted else failure)


class Printout(Take):
    """The print-out of the course's program: all its recordings since the last one, one a row in brackets.

    Parameters
    ----------
    form : Form
    known : sequence of recordings that were received before, which the print-out repeats
    """

    def __init__(self, form: Form, known: Sequence[tuple[Row, ...]]) -> None:
        super().__init__(form)
        self._known = list(known)
        self.found: list[tuple[Row, ...]] = []
        self.n_repeated = 0
        self._inside = False

    def _add(self, line: Line) -> None:
        text = (line.text or "").strip()
        if heading := PRINTOUT.match(text):
            self.wanted = len([part for part in heading["times"].split(",") if part.strip()]) or None
        elif text == "[" and not self._inside:
            self._inside = True
        elif self._inside and text.rstrip(",") == "]":
            self.done = True
        elif self._inside and text.startswith("[") and text.rstrip(",").endswith("]"):
            self._row(line, text.rstrip(",").strip("[]"))
        else:
            self._skip("expected a row of the print-out in brackets", line)

    def _row(self, line: Line, text: str) -> None:
        width = self.wanted or len([part for part in text.split(",") if part.strip()])
        found = reading_in(Line(text.encode(), line.at), Form((), (), width=width))
        if isinstance(found, str):
            self._skip(found, line)
            return
        rows = tuple((value,) for value in found)
        if rows in self._known:
            self._known.remove(rows)
            self.n_repeated += 1
        else:
            self.found.append(rows)
