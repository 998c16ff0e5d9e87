"""Run an exported network wherever it can be run, and compare every answer with the PC's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..errors import ArgumentError, TinyglassError
from ..prediction import as_rows, tempered
from ..preparation import cut, prepare_pieces
from ..recordings import Recording
from ..units import convert_units
from .board_model import TOLERANCE, BoardModel, board_answers
from .executors.answers import Cost, Executed
from .executors.compiling import TooLargeError
from .executors.onnx_runtime import places_of
from .executors.table import EXECUTORS, Executor
from .floats import FLOAT30, FLOAT30_REFILLED, FLOAT32, Floats

V = TypeVar("V")
MOST_READINGS = 65_535  # of one prediction
MODELLED = {
    "CircuitPython": FLOAT30,
    "CircuitPython 2025": FLOAT30_REFILLED,
}
"""Boards whose interpreter cannot be had on a PC: what they print is computed in NumPy."""


@dataclass(frozen=True)
class Verified:
    """How an executor's answers compare with the PC's.

    Attributes
    ----------
    title : str
    precision : str
    n : int, examples: recordings, or their windows
    difference : float, the largest of an output from the PC's
    equal : int, examples with the same class as on the PC
    exact : int or None
        Examples of which every sum of the last layer has the bits that were foretold; None where
        sums are not shown, or bits may differ: in the order of sums, or in the C library's exp.
    sound : bool
        Float: within 1e-4 · max(1, largest output), and the same class unless the margin is below
        twice that. int8: the bits are those foretold.
    cost : Cost or None
    fault : str
        Why there is no answer, or "". That a network does not fit into a board is sound; all else is not.
    """

    title: str
    precision: str
    n: int = 0
    difference: float = float("nan")
    equal: int = 0
    exact: int | None = None
    sound: bool = False
    cost: Cost | None = None
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Examples:
    """Recordings, or their windows, as a board is fed with them, and the PC's answers.

    Attributes
    ----------
    readings : tuple of float64 arrays, (n_readings, n_channels)
    outputs : array, (n_examples, n_outputs), the PC's
    places : int array, (n_examples,), the PC's classes; −1 for *unknown*
    """

    readings: tuple[np.ndarray, ...]
    outputs: np.ndarray
    places: np.ndarray


def examples_of(model: BoardModel, recordings: Sequence[Recording]) -> Examples:
    """Return recordings as a board is fed with them, and what the PC answers.

    Raises
    ------
    ArgumentError
        If there are none.
    """
    network, p = model.network, model.preparation
    rows = as_rows(recordings, network)
    if not rows:
        raise ArgumentError("There are no recordings to verify with", "the data", "Give some recordings")
    fitting = [convert_units(recording, p.channels, p.units) for recording in rows]
    signals = cut(fitting, p.window, p.hop)[0] if p.window else [recording.signal for recording in fitting]
    longest = max(len(signal) for signal in signals)
    if longest > MOST_READINGS:
        raise ArgumentError(
            f"A recording has {longest:,} readings, and boards count up to {MOST_READINGS:,}",
            "the data",
            "Leave it out, or train with windows",
        )
    shape = (-1, len(p.channels))
    outputs = network.outputs(prepare_pieces(rows, p)[0]).astype(np.float64)
    if network.gives_probabilities:
        outputs = tempered(outputs, network.temperature)
    if network.classes is None:
        outputs = outputs * p.answer_scale + p.answer_offset
    return Examples(tuple(s.reshape(shape) for s in signals), outputs, places_of(model, outputs))


def verify_model(
    model: BoardModel,
    examples: Examples,
    forms: Sequence[str] = ("python", "c", "onnx"),
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[list[Verified], list[Executor]]:
    """Run a network through every executor that is here, and compare each answer with the PC's.

    Parameters
    ----------
    model : BoardModel
    examples : Examples, from `examples_of`
    forms : of "python", "c", "onnx"
    progress : function, called with the share that is done

    Returns
    -------
    list of Verified, and list of the Executors that are missing

    Examples
    --------
    >>> from tinyglass import make_board_model, read_recordings, train
    >>> recordings = read_recordings()
    >>> model = make_board_model(train(recordings).network, "int8", recordings)
    >>> verified, _ = verify_model(model, examples_of(model, recordings), ["python"])
    >>> verified[0].title, verified[0].sound
    ('CPython', True)
    """
    usable = [e for e in EXECUTORS if e.form in forms and (e.form != "onnx" or model.quantized is None)]

    def verify(executor: Executor) -> Verified:
        try:
            answers = executor.run(model, examples.readings)
        except TinyglassError as error:
            harmless = isinstance(error, TooLargeError)
            smaller = "Export in int8" if model.quantized is None else "Train a smaller network"
            fault = why_not(error, f"{smaller}, take fewer readings, or use a larger board")
            return Verified(executor.title, model.precision, sound=harmless, fault=fault)
        foretold = None if executor.floats is None else foretell(model, examples, executor.floats)
        return _compared(executor.title, model, examples, answers, foretold)

    verified, missing = verify_everywhere(usable, verify, progress)
    if "python" in forms:
        for title, floats in MODELLED.items():
            answers = foretell(model, examples, floats)
            verified.append(_compared(f"{title}, model", model, examples, answers, None))
    return verified, missing


def verify_everywhere(
    executors: Sequence[Executor], verify: Callable[[Executor], V], progress: Callable[[float], None]
) -> tuple[list[V], list[Executor]]:
    """Return what `verify` says of each executor that is here, and those that are missing."""
    missing = [executor for executor in executors if not executor.is_there()]
    verified = []
    for number, executor in enumerate(executors):
        progress(number / len(executors))
        if executor not in missing:
            verified.append(verify(executor))
    progress(1.0)
    return verified, missing


def why_not(error: TinyglassError, smaller: str) -> str:
    """Return what an executor's error says; of what does not fit, with how it would."""
    if not isinstance(error, TooLargeError):
        return str(error)
    return str(TinyglassError(error.what, error.where, smaller))


def foretell(model: BoardModel, examples: Examples, floats: Floats = FLOAT32) -> Executed:
    """Return what a board with these floating-point numbers will answer, computed in NumPy."""
    n = len(examples.readings)
    whole = model.quantized is not None
    sums = np.empty((n, model.network.n_outputs), np.int64 if whole else np.float64)
    outputs, places = np.empty(sums.shape), np.empty(n, np.int64)
    for length in sorted({len(readings) for readings in examples.readings}):
        same = [place for place, readings in enumerate(examples.readings) if len(readings) == length]
        answers = board_answers(model, np.stack([examples.readings[place] for place in same]), floats)
        sums[same], outputs[same], places[same] = answers
    return Executed(sums, outputs, places)


def _compared(
    title: str, model: BoardModel, examples: Examples, answers: Executed, foretold: Executed | None
) -> Verified:
    n = len(examples.readings)
    difference = np.abs(answers.outputs - examples.outputs).max(axis=1)
    same = answers.places == examples.places
    exact = None
    if foretold is not None and foretold.sums is not None and answers.sums is not None:
        exact = int((answers.sums == foretold.sums).all(axis=1).sum())
    # In int8 the PC's outputs are others by rounding; what the board must give was foretold.
    wanted = examples if model.quantized is None else foretold or foretell(model, examples)
    bound = TOLERANCE * np.maximum(1, np.abs(wanted.outputs).max(axis=1))
    clear = _margins(model, wanted.outputs) >= 2 * bound
    near = np.abs(answers.outputs - wanted.outputs).max(axis=1) <= bound
    if foretold is None and model.quantized is not None:
        near[:] = True  # a model of other floating-point numbers, whose int8 inputs may be a step apart
        clear[:] = False
    sound = bool(near.all() and ((answers.places == wanted.places) | ~clear).all())
    sound = sound and (exact is None or exact == n)
    return Verified(
        title, model.precision, n, float(difference.max()), int(same.sum()), exact, sound, answers.cost
    )


def _margins(model: BoardModel, outputs: np.ndarray) -> np.ndarray:
    """Return by how much each answer is clear: from the second largest output, and from the threshold."""
    if model.network.classes is None or outputs.shape[1] < 2:
        return np.full(len(outputs), np.inf)
    ordered = np.sort(outputs, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    threshold = model.network.threshold
    return np.minimum(margin, np.abs(ordered[:, -1] - threshold)) if threshold else margin
