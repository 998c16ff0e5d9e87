"""A network as a board computes it: its numbers, its test vectors, and what is known about it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import ArgumentError, nearest
from ..network import Network, Preparation, load_network
from ..prediction import UNKNOWN, as_rows
from ..preparation import cut, expected_outputs, prepare_pieces
from ..recordings import Recording
from ..units import convert_units
from .computing import last_sums, outputs_of, prepared
from .floats import FLOAT32, Floats
from .quantized import QuantizedNetwork, quantize_inputs, quantize_readings, quantized_sums
from .quantizing import in_float32, quantize
from .targets import PRECISIONS

N_VECTORS = 8
DEAREST = 0.005  # share of accuracy that int8 may cost
TOLERANCE = 1e-4  # of float outputs, times the largest if that is above 1
SMALLEST, LARGEST = 1e-30, 1e30  # of scales and offsets on a board
VECTOR_BITS = 0xFFFFFFF0  # of a float32, so that every board holds a test vector exactly


class Agreement(NamedTuple):
    """How int8 compares with float32 on the examples it was calibrated on.

    Attributes
    ----------
    n : int, recordings, or their windows
    equal : float, share with the same class; in regression 1 − (mean difference / deviation of the answers)
    accuracy_float32, accuracy_int8 : float, of the labels; R² in regression; nan without labels
    """

    n: int
    equal: float
    accuracy_float32: float
    accuracy_int8: float

    def in_words(self, regression: bool) -> str:
        """Return a sentence without its full stop."""
        if regression:
            off = f"{100 * (1 - self.equal):.2f} %"
            return f"int8 is off float32 by {off} of the answers' deviation, on average of {self.n} examples"
        return f"int8 and float32 agree on {100 * self.equal:.2f} % of {self.n} examples"


@dataclass(frozen=True, eq=False)
class BoardModel:
    """A network as a board computes it.

    Attributes
    ----------
    network : Network, its weights in float32
    digest : str, SHA-256 of the model
    precision : "float32" or "int8"
    preparation : Preparation
        The network's; of a network fed with numbers, one that leaves them as they are.
    n_readings : int, that one prediction takes: a window's, or a whole recording's
    quantized : QuantizedNetwork or None
    agreement : Agreement or None, of int8
    readings : float32 array, (8, n_readings, n_channels), the test vectors
    """

    network: Network
    digest: str
    precision: str
    preparation: Preparation
    n_readings: int
    quantized: QuantizedNetwork | None
    agreement: Agreement | None
    readings: np.ndarray

    @property
    def n_channels(self) -> int:
        return len(self.preparation.channels)

    @property
    def period_ms(self) -> float | None:
        """Between two readings."""
        return None if self.preparation.rate_hz is None else 1000 / self.preparation.rate_hz

    @property
    def any_length(self) -> bool:
        """Whether a prediction may be made of more or fewer readings than `n_readings`."""
        return self.preparation.any_length and not self.preparation.window

    @property
    def quantizes_readings(self) -> bool:
        """Whether int8 inputs are made of the readings themselves, so that nothing at all is rounded differently."""
        if self.quantized is None:
            return False
        return self.quantized.readings is not None or self.network.preparation is None


class Answers(NamedTuple):
    """What a board answers.

    Attributes
    ----------
    sums : array, (n_examples, n_outputs), of the last layer; whole numbers in int8
    outputs : array, (n_examples, n_outputs)
    classes : int array, (n_examples,), the largest output's place; −1 for *unknown*; all 0 in regression
    """

    sums: np.ndarray
    outputs: np.ndarray
    classes: np.ndarray


def board_answers(model: BoardModel, readings: np.ndarray, floats: Floats = FLOAT32) -> Answers:
    """Return what a board answers to raw readings, to the bit.

    Parameters
    ----------
    model : BoardModel
    readings : array, (n_examples, n_readings, n_channels), in the units of the recordings
    floats : Floats, the board's

    Returns
    -------
    Answers
    """
    p, q = model.preparation, model.quantized
    with np.errstate(over="ignore", under="ignore"):
        if q is None:
            return _answers(model, last_sums(model.network, prepared(p, readings, floats), floats), floats)
        kept = floats.keep(readings)
        if q.readings is not None:
            inputs = quantize_readings(q.readings, kept, p.n_steps)
        else:
            inputs = quantize_inputs(q.inputs, prepared(p, kept, floats))
        return _answers(model, quantized_sums(q, inputs), floats)


def _answers(model: BoardModel, sums: np.ndarray, floats: Floats) -> Answers:
    weighted = sums
    if model.quantized is not None:
        weighted = floats.keep(floats.keep(sums) * floats.constant(model.quantized.layers[-1].unit))
    outputs = outputs_of(model.network, weighted, floats)
    if model.network.classes is None:
        return Answers(sums, outputs, np.zeros(len(sums), np.int64))
    best, largest = sums.argmax(axis=1), outputs.max(axis=1)
    unsure = (outputs == largest[:, None]).sum(axis=1) > 1
    unsure |= ~(largest >= floats.constant(model.network.threshold))
    return Answers(sums, outputs, np.where(unsure, -1, best))


def label_of(model: BoardModel, place: int) -> str:
    """Return the label of a class by its place; −1 is *unknown*."""
    return UNKNOWN if place < 0 else (model.network.classes or ("",))[place]


# ---------------------------------------------------------------- making one


def make_board_model(
    model: Network | str | Path,
    precision: str = "float32",
    recordings: Sequence[Recording] = (),
    inputs: np.ndarray | None = None,
    n_readings: int | None = None,
) -> BoardModel:
    """Return a network as a board computes it.

    Parameters
    ----------
    model : Network, or the path of a model file
    precision : {"float32", "int8"}
    recordings : sequence of Recording, of the training part: int8 is calibrated on them, and test
        vectors are taken of them
    inputs : array, (n_examples, n_inputs), optional
        Instead of recordings, for a network fed with numbers.
    n_readings : int, optional
        How many readings a whole recording has on the board, where the network takes any number; by
        default the median of the recordings'.

    Raises
    ------
    ArgumentError
        If int8 has nothing to be calibrated on, or costs more than half a point of accuracy.

    Examples
    --------
    >>> from tinyglass import read_recordings, train
    >>> recordings = read_recordings()
    >>> board = make_board_model(train(recordings).network, "int8", recordings)
    >>> board.agreement.equal, board.readings.shape
    (1.0, (8, 3, 1))
    """
    if precision not in PRECISIONS:
        raise ArgumentError(
            f"Unknown precision {precision!r}", "the export", nearest(precision, list(PRECISIONS))
        )
    about: dict[str, object] = {}
    if isinstance(model, Network):
        network = model
    else:
        network, about = load_network(Path(model))
    digest = network.digest  # as it was trained
    network = in_float32(network)
    p = network.preparation or _bare(network)
    if inputs is None and recordings:
        recordings = as_rows(recordings, network)
        inputs = prepare_pieces(recordings, p)[0]
    _refuse_other_length(p, n_readings)
    n_readings = n_readings or _usual_length(p, recordings, about)
    _refuse_extremes(network, p)
    pieces = readings_of(p, n_readings, recordings)
    if not len(pieces) and inputs is not None and network.preparation is None:
        pieces = np.asarray(inputs, np.float64)[:, None]
    board = BoardModel(network, digest, "float32", p, n_readings, None, None, np.empty(0))
    if precision == "int8":
        if inputs is None or not len(inputs):
            raise ArgumentError(
                "int8 needs recordings to be calibrated on",
                "the export",
                "Name those the network was trained on: --recordings PATH",
            )
        board = replace(board, precision="int8", quantized=quantize(network, inputs))
        agreement = _compare(board, inputs, _expected(network, recordings, p))
        _refuse_costly(agreement, network.classes is None)
        board = replace(board, agreement=agreement)
    return replace(board, readings=_choose_vectors(board, pieces))


def _refuse_other_length(p: Preparation, n_readings: int | None) -> None:
    fixed = p.window or (0 if p.any_length else p.n_steps)
    if n_readings is not None and fixed and n_readings != fixed:
        raise ArgumentError(
            f"The network takes {fixed} readings, and {n_readings} are asked for",
            "--readings",
            "Leave it out, or train with --steps or other windows",
        )


def _refuse_extremes(network: Network, p: Preparation) -> None:
    """Refuse numbers that float32 cannot hold, or not with room for sums."""
    scales = (*p.scale, *p.feature_scale, p.answer_scale, network.temperature)
    offsets = (*p.offset, *p.feature_offset, p.answer_offset)
    too_far = [x for x in scales if not SMALLEST <= abs(x) <= LARGEST] + [
        x for x in offsets if abs(x) > LARGEST
    ]
    if too_far:
        raise ArgumentError(
            f"An offset, a scale or the temperature is {too_far[0]:.3g}, which a board cannot compute with",
            "the preparation",
            "Scale the recordings, and train again",
        )


def _bare(network: Network) -> Preparation:
    names = network.input_names
    zeros, ones = (0.0,) * len(names), (1.0,) * len(names)
    return Preparation(names, ("",) * len(names), 1, False, zeros, ones)


def _usual_length(p: Preparation, recordings: Sequence[Recording], about: dict[str, object]) -> int:
    if p.window or not p.any_length:
        return p.window or p.n_steps
    if recordings:
        return statistics.median_low(recording.n_readings for recording in recordings)
    stored = about.get("n_readings")
    return stored if isinstance(stored, int) and stored > 0 else p.n_steps


def readings_of(p: Preparation, n_readings: int, recordings: Sequence[Recording]) -> np.ndarray:
    """Return the raw readings of each recording or window that has as many as one prediction takes.

    Returns
    -------
    float64 array, (n_pieces, n_readings, n_channels)
    """
    shape = (n_readings, len(p.channels))
    fitting = [convert_units(recording, p.channels, p.units) for recording in recordings]
    if p.window:
        signals, _ = cut(fitting, p.window, p.hop)
    else:
        signals = [recording.signal for recording in fitting]
    chosen = [s.reshape(shape) for s in signals if s.size == n_readings * shape[1]]
    return np.array(chosen).reshape(len(chosen), *shape)


def _expected(network: Network, recordings: Sequence[Recording], p: Preparation) -> np.ndarray | None:
    """Return the outputs that were wanted of each recording or window; None where labels are missing."""
    known = network.classes and {*network.classes}
    if not recordings or not all(r.label is not None and (not known or r.label in known) for r in recordings):
        return None
    owner = prepare_pieces(recordings, p)[1]
    return expected_outputs(recordings, network.classes)[owner]


def _compare(model: BoardModel, inputs: np.ndarray, expected: np.ndarray | None) -> Agreement:
    """Compare what a board answers in int8 with what it answers in float32, *unknown* included."""
    assert model.quantized is not None
    exact = _answers(
        replace(model, quantized=None), last_sums(model.network, np.asarray(inputs, np.float32)), FLOAT32
    )
    whole = _answers(
        model, quantized_sums(model.quantized, quantize_inputs(model.quantized.inputs, inputs)), FLOAT32
    )
    if model.network.classes is not None:
        equal = float((exact.classes == whole.classes).mean())
        right = None if expected is None else expected.argmax(axis=1)
        scores = [np.nan if right is None else float((a.classes == right).mean()) for a in (exact, whole)]
    else:
        spread = float(exact.outputs.std()) or 1.0
        equal = 1 - float(np.abs(exact.outputs - whole.outputs).mean()) / spread
        scores = [np.nan if expected is None else _r2(expected, a.outputs) for a in (exact, whole)]
    return Agreement(len(inputs), equal, *scores)


def _r2(expected: np.ndarray, values: np.ndarray) -> float:
    spread = float(((expected - expected.mean()) ** 2).sum())
    return 1 - float(((expected - values) ** 2).sum()) / spread if spread else np.nan


def _refuse_costly(agreement: Agreement, regression: bool) -> None:
    a = agreement
    lost = a.accuracy_float32 - a.accuracy_int8
    measure = "R²" if regression else "accuracy"
    figures = f"{a.accuracy_int8:.3f} for {a.accuracy_float32:.3f}"
    if np.isnan(lost):
        lost = 1 - a.equal
        measure = "the answers' deviation" if regression else "agreement"
        figures = "no labels say which answers are right"
    if lost > DEAREST:
        raise ArgumentError(
            f"int8 costs {100 * lost:.1f} points of {measure} on {a.n} examples ({figures}), "
            "and at most half a point is allowed",
            "the export",
            "Export in float32, or train with more recordings, or with another --scale",
        )


def _choose_vectors(board: BoardModel, pieces: np.ndarray) -> np.ndarray:
    """Return eight test vectors: recordings of all classes where there are any, with clear answers."""
    if not len(pieces):
        p, random = board.preparation, np.random.default_rng(0)
        shape = (64, board.n_readings, board.n_channels)
        pieces = np.array(p.offset) + np.array(p.scale) * random.normal(size=shape)
    exact = (np.asarray(pieces, np.float32).view(np.uint32) & np.uint32(VECTOR_BITS)).view(np.float32)
    answers = board_answers(board, exact)
    ordered = np.sort(answers.outputs.astype(np.float64), axis=1)
    margin = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else np.full(len(ordered), np.inf)
    threshold = board.network.threshold
    if threshold and board.network.classes is not None:
        margin = np.minimum(margin, np.abs(ordered[:, -1] - threshold))
    clear = margin > 4 * TOLERANCE * np.maximum(1, np.abs(ordered[:, -1]))
    usable = np.flatnonzero(clear) if clear.any() else np.arange(1)
    groups = [usable[answers.classes[usable] == place] for place in np.unique(answers.classes[usable])]
    chosen: list[int] = []
    for number, group in enumerate(groups[:N_VECTORS]):  # about as many of each class, spread over it
        n = (N_VECTORS - len(chosen)) // (min(len(groups), N_VECTORS) - number)
        chosen += group[np.linspace(0, len(group) - 1, n).round().astype(int)].tolist()
    return exact[chosen]


# ---------------------------------------------------------------- the self-test


def selftest_hash(model: BoardModel, answers: Answers) -> int:
    """Return the FNV-1a hash (G. Fowler, L. C. Noll, P. Vo, 1991) of what a self-test answered.

    Of each vector the place of its class, 255 for *unknown*; and, where int8 inputs are made of the
    readings themselves, the sums of the last layer as int32, lowest byte first.
    """
    content = bytearray()
    for place, sums in zip(answers.classes.tolist(), answers.sums, strict=True):
        content.append(place & 255)
        if model.quantizes_readings:
            content += sums.astype("<i4").tobytes()
    hashed = 0x811C9DC5
    for byte in content:
        hashed = ((hashed ^ byte) * 0x01000193) & 0xFFFFFFFF
    return hashed


def selftest_line(model: BoardModel) -> str:
    """Return the line that every board's self-test prints, but for what follows ``error=``."""
    hashed = selftest_hash(model, board_answers(model, model.readings))
    n = len(model.readings)
    return f"selftest {model.digest[:16]} {model.precision} {n}/{n} hash={hashed:08x}"
