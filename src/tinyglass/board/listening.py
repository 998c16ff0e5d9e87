"""What a network says about readings as they come over the wire."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np

from ..errors import ArgumentError, RecordingError, TinyglassError, printable
from ..network import Network
from ..prediction import UNKNOWN, Prediction, predict
from ..recordings import Recording
from .finding import find_source
from .ports import BAUD, open_port
from .reading import Account, is_blank, measure_rate, reading_in
from .sources import Course, Kit, Lines, Source
from .takes import Row, Take, Wanted, is_of_a_recording
from .windows import Windows, match_channels, windows_of
from .wire import Line, Wire

LOOK = 0.05  # seconds that one look at the wire takes
SLOW_OR_FAST = 0.2  # share by which the rate may differ from that of the training
JUDGED = 50  # readings by which the rate is judged
SAID = re.compile(r"Prediction: (?P<label>.*?)(, p=(?P<p>[-+.\deE]+))?$")


class Heard(NamedTuple):
    """A prediction that was made, or that the board has sent.

    Attributes
    ----------
    prediction : Prediction
    by_board : bool, whether the board has made it
    """

    prediction: Prediction
    by_board: bool


class Listening:
    """A network that listens to a board.

    Parameters
    ----------
    network : Network, with a preparation
    source : Source, from `find_source`
    wire : Wire
    begun : sequence of Line, that came before
    threshold : float or None; the network's own if None
    hop : int or None, readings between windows; the network's own if None

    Attributes
    ----------
    recent : deque of readings, those of the last window and a few before
    account : Account of lines that were skipped
    n_readings : int, that have come
    notes : list of str, to be told: what is wrong, and what the board's program says of itself
    """

    def __init__(
        self,
        network: Network,
        source: Source,
        wire: Wire,
        begun: Sequence[Line] = (),
        threshold: float | None = None,
        hop: int | None = None,
    ) -> None:
        assert network.preparation is not None
        self.network, self.source, self.wire, self.threshold = network, source, wire, threshold
        self.preparation = network.preparation
        self.account = Account()
        self.n_lines = self.n_readings = 0
        self.notes: list[str] = []
        self._begun = list(begun)
        self._take: Take | None = None
        self._last_reading = time.monotonic()
        self._arrivals: deque[float] = deque(maxlen=JUDGED)
        self.windows: Windows | None = None
        self._missing = 0
        if isinstance(source, (Kit, Lines)):
            rate = None if source.rate is None else source.rate.hz
            if isinstance(source, Kit):
                rate = 1000 / source.wanted.period_ms if source.wanted.period_ms else self._trained_rate()
                wire.send(f"stream {1000 / rate:g}")
            self.windows = windows_of(self.preparation, rate, source.wanted.readings, hop)
            self.places = match_channels(source.form, self.preparation, wire.name)
            self._missing = self.windows.length
        self.recent: deque[Row] = deque(maxlen=max(200, self.windows.length if self.windows else 0))

    def _trained_rate(self) -> float:
        if not self.preparation.rate_hz:
            raise ArgumentError(
                "The network does not say how many readings a second it was trained on",
                "--period",
                "Say it: --period MS, or --rate HZ",
            )
        return self.preparation.rate_hz

    def hear(self, seconds: float) -> Iterator[Heard]:
        """Yield what is predicted from the lines that come; wait up to so many seconds for the first.

        Raises
        ------
        TinyglassError
            If the board is unplugged, or is silent for longer than it should.
        """
        begun, self._begun = self._begun, []
        for line in [*begun, *self.wire.lines(seconds)]:
            self.n_lines += 1
            if is_blank(line):
                continue
            if said := SAID.match((line.text or "").strip()):
                yield Heard(_said(said, self.wire.name), by_board=True)
            elif (text := (line.text or "").strip()).startswith("> ") and not is_of_a_recording(text):
                self.notes.append(f"The board says: {printable(text[2:])}")
            elif isinstance(self.source, Course):
                yield from self._of_take(line)
            elif self.windows is not None:
                yield from self._of_stream(line, self.windows)
        silent = time.monotonic() - self._last_reading
        patience = self.source.wanted.timeout
        if self.windows is not None and silent > patience + (
            2 / self.source.rate.hz if self.source.rate else 0
        ):
            raise TinyglassError(
                f"The board has sent no reading for {silent:.0f} seconds, after {self.n_readings}",
                self.wire.name,
                "Check the program on the board, press its reset button, or wait longer: --timeout S",
            )

    def _of_stream(self, line: Line, windows: Windows) -> Iterator[Heard]:
        text = (line.text or "").strip()
        if text.startswith("# error"):
            raise TinyglassError(
                f"The recorder on the board says: {text.removeprefix('# error').strip()}",
                self.wire.name,
                "Check the sensor and its wires",
            )
        found = reading_in(line, self.source.form)
        if isinstance(found, str):
            if not text.startswith("#"):
                self.account.add(found, self.n_lines, line)
            return
        row = tuple(found[place] for place in self.source.form.places)
        self.recent.append(tuple(row[place] for place in self.places))
        self.n_readings += 1
        self._last_reading = time.monotonic()
        self._judge_rate(line.at)
        self._missing -= 1
        if self._missing == 0:
            self._missing = windows.hop
            first = self.n_readings - windows.length + 1
            place = f"{self.wire.name}, readings {first}–{self.n_readings}"
            yield from self._predict(list(self.recent)[-windows.length :], place)

    def _of_take(self, line: Line) -> Iterator[Heard]:
        if self._take is None:
            self._take = self.source.started_by(line)
        if self._take is None:
            return
        take = self._take
        take.add(line)
        if not take.done:
            return
        self._take = None
        if take.failure or not take.rows:
            if take.rows:
                self.notes.append(f"A recording is left out: {take.failure}.")
            return
        places = match_channels(take.form, self.preparation, self.wire.name)
        rows = [tuple(row[place] for place in places) for row in take.rows]
        self.n_readings += len(rows)
        self.recent.clear()
        self.recent.extend(rows)
        first = self.n_readings - len(rows) + 1
        yield from self._predict(rows, f"{self.wire.name}, readings {first}–{self.n_readings}")

    def _predict(self, rows: Sequence[Row], place: str) -> Iterator[Heard]:
        recording = Recording(np.array(rows), self.preparation.channels, self._units, source=place)
        try:
            yield Heard(predict(self.network, [recording], self.threshold)[0], by_board=False)
        except RecordingError as error:  # a reading that is too large to be prepared
            self.notes.append(str(error))

    @property
    def _units(self) -> tuple[str, ...]:
        """The units that the board names, of the network's channels."""
        if self.windows is None:
            return ()
        return tuple(self.source.form.units[place] for place in self.places)

    def _judge_rate(self, at: float) -> None:
        """Warn, once, of readings that come faster or slower than those that the network was trained on."""
        self._arrivals.append(at)
        trained = self.preparation.rate_hz
        if self.n_readings != JUDGED or not trained:
            return
        measured = measure_rate(list(self._arrivals))
        if measured is not None and abs(measured.hz - trained) > SLOW_OR_FAST * trained:
            self.notes.append(
                f"The readings come at {measured.hz:g} Hz; the network was trained on {trained:g} Hz."
            )


def _said(said: re.Match[str], name: str) -> Prediction:
    """Return the prediction in a line of the board."""
    label, p = said["label"], said["p"]
    try:
        probability = None if p is None else float(p)
    except ValueError:
        label, probability = said[0].removeprefix("Prediction: "), None
    best = None if label == UNKNOWN else label
    return Prediction(label, best, probability, (), f"{name}, said by the board")


@contextmanager
def listening(
    network: Network,
    port: str,
    wanted: Wanted,
    *,
    kind: str = "auto",
    threshold: float | None = None,
    hop: int | None = None,
    baud: int = BAUD,
    tell: Callable[[str], object] = lambda text: None,
) -> Iterator[Listening]:
    """Open a port, find out what the board runs, and give a network that listens to it; see `listen`."""
    if network.preparation is None:
        raise ArgumentError(
            "The network was trained on numbers, not on recordings", "the network", "Use network.outputs(X)"
        )
    wire = Wire(open_port(port, baud))
    source: Source | None = None
    try:
        source, begun = find_source(wire, wanted, kind, tell=tell, predictions=True)
        tell(f"Found {source.words}.")
        yield Listening(network, source, wire, begun, threshold, hop)
    finally:
        if source is not None:
            with suppress(TinyglassError):  # a board that has gone needs no farewell
                source.close(wire)
        wire.close()


def listen(
    network: Network,
    port: str,
    *,
    period_ms: float | None = None,
    readings: int | None = None,
    hop: int | None = None,
    channels: Sequence[str] | None = None,
    source: str = "auto",
    threshold: float | None = None,
    timeout: float = 10.0,
) -> Iterator[Prediction]:
    """Yield what a network says about the readings that a board sends, window after window.

    Parameters
    ----------
    network : Network, with a preparation
    port : str, the path of the serial port; `list_boards` finds it
    period_ms : float, from one reading to the next, for our recorder; that of the training if left out
    readings : int, of a recording, for a network that takes recordings of any length
    hop : int, readings from one window to the next; the network's own if left out
    channels : sequence of str, names for a board's numbers that have none
    source : {"auto", "recorder", "course", "lines"}, what the board runs
    threshold : float; the network's own if left out
    timeout : float, seconds for which a board may be silent that should send

    Yields
    ------
    Prediction, the same as `predict` gives for a recording of these readings; or what the board has
    predicted, where it does

    Raises
    ------
    TinyglassError
        If the port cannot be opened, the board is silent or unplugged, or its channels are others.

    Examples
    --------
    >>> from tinyglass import Network
    >>> for prediction in listen(Network.load("model.safetensors"), "/dev/ttyACM0"):  # doctest: +SKIP
    ...     print(prediction.label)
    """
    wanted = Wanted(readings, None, period_ms, None if channels is None else tuple(channels), timeout=timeout)
    with listening(network, port, wanted, kind=source, threshold=threshold, hop=hop) as listener:
        while True:
            for heard in listener.hear(LOOK):
                yield heard.prediction
