"""Let a trainer learn wherever it can be run, and compare each of its steps with the PC's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import arithmetic
from ..errors import TinyglassError
from ..network import Layer, Network
from ..preparation import prepare_pieces
from ..recordings import Recording
from .board_model import BoardModel
from .computing import prepared
from .executors.answers import Cost
from .executors.compiling import TooLargeError, learning
from .executors.pythons import learn_in_python
from .executors.table import EXECUTORS, Executor
from .floats import FLOAT32, Floats
from .learning import targets, trained_layers, trained_on_board
from .verifying import examples_of, verify_everywhere, why_not

STEP_TOLERANCE = 2e-6
"""Of a weight, times the largest change of the step or weight: two roundings of float32 and a few of sums."""


@dataclass(frozen=True)
class VerifiedSteps:
    """How an executor's steps compare with the PC's.

    Attributes
    ----------
    title : str
    n : int, steps, one a recording or window
    difference : float, the largest of a weight from the PC's after one step from the same weights
    exact : int or None, steps after which every weight has the bits that were foretold
    sound : bool, whether all differences are roundings
    cost : Cost or None, of a step
    fault : str, why there is no answer, or ""
    """

    title: str
    n: int = 0
    difference: float = float("nan")
    exact: int | None = None
    sound: bool = False
    cost: Cost | None = None
    fault: str = ""


def verify_trainer(
    model: BoardModel,
    recordings: Sequence[Recording],
    part: str,
    learning_rate: float,
    forms: Sequence[str] = ("python", "c"),
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[list[VerifiedSteps], list[Executor]]:
    """Let a trainer learn the recordings, one step each, in every executor that is here.

    Parameters
    ----------
    model : BoardModel, in float32
    recordings : sequence of Recording, labelled
    part : {"last", "all"}, the layers that learn
    learning_rate : float
    forms : of "python", "c"
    progress : function, called with the share that is done

    Returns
    -------
    list of VerifiedSteps, and list of the Executors that are missing
    """
    examples = examples_of(model, recordings)
    inputs, owner = prepare_pieces(recordings, model.preparation)
    expected = targets(model.network, [recording.label for recording in recordings])[owner]
    p = model.preparation
    quantities = expected.argmax(axis=1).astype(float)
    if model.network.classes is None:
        quantities = np.array([float(recordings[i].label or "nan") for i in owner])
        # As a board scales it.
        offset, scale = np.float32(p.answer_offset), np.float32(p.answer_scale)
        expected = ((quantities.astype(np.float32) - offset) / scale)[:, None].astype(np.float64)
    usable = [executor for executor in EXECUTORS if executor.form in forms and executor.form != "onnx"]

    def verify(executor: Executor) -> VerifiedSteps:
        try:
            if executor.feed is not None:
                program = learning(model, part, learning_rate, examples.readings, quantities)
                content, cost = executor.feed(program)
                weights = np.frombuffer(content, "<f4").reshape(len(inputs), -1)
            else:
                cost = None
                weights = learn_in_python(
                    executor.name, model, part, learning_rate, examples.readings, quantities
                )
        except TinyglassError as error:
            harmless = isinstance(error, TooLargeError)
            smaller = "Let the last layer learn alone" if part == "all" else "Train a smaller network"
            fault = why_not(error, f"{smaller}, take fewer readings, or use a larger board")
            return VerifiedSteps(executor.title, sound=harmless, fault=fault)
        floats = executor.floats or FLOAT32
        heard = np.concatenate([prepared(p, readings[None], floats) for readings in examples.readings])
        return _compared(
            executor, model.network, weights, inputs, heard, expected, learning_rate, part, cost, floats
        )

    return verify_everywhere(usable, verify, progress)


def rows_of(network: Network, part: str) -> np.ndarray:
    """Return the weights that learn as a trainer keeps them: of each neuron its bias, or 0, then its weights."""
    rows = []
    for layer in trained_layers(network, part):
        bias = np.zeros((layer.n_outputs, 1)) if layer.bias is None else layer.bias[:, None]
        rows.append(np.concatenate([bias, layer.weights], axis=1).ravel())
    return np.concatenate(rows).astype(np.float32)


def with_rows(network: Network, part: str, weights: np.ndarray) -> Network:
    """Return the network with the weights that a trainer keeps."""
    layers, at = list(network.layers), 0
    for number in range(len(layers) - len(trained_layers(network, part)), len(layers)):
        layer = layers[number]
        size = layer.n_outputs * (layer.n_inputs + 1)
        rows = weights[at : at + size].reshape(layer.n_outputs, -1)
        layers[number] = Layer(rows[:, 1:], None if layer.bias is None else rows[:, 0], layer.activation)
        at += size
    return replace(network, layers=tuple(layers))


def pc_step(network: Network, x: np.ndarray, y: np.ndarray, learning_rate: float, part: str) -> np.ndarray:
    """Return the weights that learn after one step as the definition of training has it, in float64."""
    loss = "cross_entropy" if network.layers[-1].activation == "softmax" else "half_squared_error"
    example = arithmetic.Example(x.tolist(), y.tolist())
    begun = arithmetic.start(network.plain())
    after, _ = arithmetic.step(begun, [example], loss, arithmetic.Update(), learning_rate)
    rows = []
    for layer in after.layers[-len(trained_layers(network, part)) :]:
        bias = layer.bias or [0.0] * len(layer.weights)
        rows += [number for b, row in zip(bias, layer.weights, strict=True) for number in (b, *row)]
    return np.array(rows)


def _compared(
    executor: Executor,
    network: Network,
    weights: np.ndarray,
    inputs: np.ndarray,
    heard: np.ndarray,
    expected: np.ndarray,
    learning_rate: float,
    part: str,
    cost: Cost | None,
    floats: Floats,
) -> VerifiedSteps:
    difference, exact, sound, before = 0.0, 0, True, network
    for step, x, x_heard, y in zip(weights, inputs, heard, expected, strict=True):
        on_pc = pc_step(before, x, y, learning_rate, part)
        (foretold,) = trained_on_board(before, x_heard[None], y[None], learning_rate, part, floats)
        off = float(np.abs(step - on_pc).max())
        scale = max(1.0, float(np.abs(on_pc).max()), float(np.abs(on_pc - rows_of(before, part)).max()))
        difference = max(difference, off)
        exact += bool((step == rows_of(foretold, part)).all())
        sound = sound and off <= STEP_TOLERANCE * scale
        before = with_rows(before, part, step)
    n = len(weights)
    foretold_exactly = exact if executor.form == "c" else None
    return VerifiedSteps(
        executor.title, n, difference, foretold_exactly, sound and foretold_exactly in (None, n), cost
    )
