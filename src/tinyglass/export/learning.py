"""What a trainer on a board computes: one step of gradient descent on one example, operation by operation.

A step, on weights that are kept as float32:

1. Feedforward as ever (`computing.py`); the outputs of all layers are kept.
2. Deltas of the last layer: output − expected behind softmax (cross-entropy), otherwise
   (output − expected) · slope (half the squared error). The temperature is of predictions, not of training.
3. Backwards, layer by layer, with the weights as they were: the error of a neuron is Σ delta · weight over the
   neurons that it feeds, in their order, and its delta the error times its slope, taken from its output.
4. weight − rate · (delta · input) for every weight, and bias − rate · delta, where the network has biases.

Only the layers that learn are walked in 3 and 4: all of them, or the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import ArgumentError, nearest
from ..network import Layer, Network
from .board_model import LARGEST, SMALLEST, BoardModel
from .computing import activated, layer_sums
from .floats import FLOAT32, Floats

PARTS = ("last", "all")
UNTRAINABLE = "step"


def check_trainer(model: BoardModel, part: str, learning_rate: float) -> None:
    """Refuse a trainer that cannot be.

    Raises
    ------
    ArgumentError
        If the part is unknown, the network is in int8 or has step neurons, or the rate is no rate.
    """
    if part not in PARTS:
        raise ArgumentError(f"Unknown part {part!r}", "--trainer", nearest(part, list(PARTS)))
    if model.quantized is not None:
        raise ArgumentError(
            "An int8 network cannot learn: a step is smaller than its numbers",
            "--trainer",
            "Export with --precision float32",
        )
    layers = trained_layers(model.network, part)
    if any(layer.activation == UNTRAINABLE for layer in layers):
        raise ArgumentError(
            "Step neurons have no slope and cannot learn", "--trainer", "Train another network"
        )
    if not SMALLEST <= learning_rate <= LARGEST:  # also of what is no number
        raise ArgumentError(
            f"Expected a rate from {SMALLEST:g} to {LARGEST:g}, found {learning_rate}",
            "--learning-rate",
            "Give such a rate: 0.01 is careful, 1 is bold",
        )


def trained_layers(network: Network, part: str) -> tuple[Layer, ...]:
    """Return the layers that learn: the last one, or all."""
    return network.layers if part == "all" else network.layers[-1:]


def slope(activation: str, outputs: np.ndarray, floats: Floats) -> np.ndarray:
    """Return the slope of an activation where it gave these outputs."""
    k = floats.keep
    match activation:
        case "sigmoid":
            return k(outputs * k(k(1.0) - outputs))
        case "tanh":
            return k(k(1.0) - k(outputs * outputs))
        case "relu":
            return k(np.where(outputs > 0, 1.0, 0.0))
        case "leaky_relu":
            return np.where(outputs > 0, k(1.0), k(k(1.0) / k(100.0)))
    return k(np.ones(outputs.shape))


def trained_on_board(
    network: Network,
    inputs: np.ndarray,
    expected: np.ndarray,
    learning_rate: float,
    part: str = "all",
    floats: Floats = FLOAT32,
) -> list[Network]:
    """Return the network after each step on one example, as a board trains it.

    Parameters
    ----------
    network : Network, its weights in float32
    inputs : array, (n_steps, n_inputs), prepared
    expected : array, (n_steps, n_outputs): 1 for the example's class; the quantity, brought to scale
    learning_rate : float
    part : {"last", "all"}
    floats : Floats, what the board computes with; weights are kept as float32 between steps

    Returns
    -------
    list of Network, (n_steps,)

    Examples
    --------
    >>> neuron = Network((Layer(np.float32([[0.3, 0.9]]), None, "linear"),))
    >>> after, = trained_on_board(neuron, np.array([[0.1, 0.8]]), np.array([[0.4]]), 1.0)
    >>> after.layers[0].weights.round(3).tolist()
    [[0.26499998569488525, 0.6200000047683716]]
    """
    networks = []
    for x, y in zip(inputs, expected, strict=True):
        network = _step(network, x, y, learning_rate, part, floats)
        networks.append(network)
    return networks


def _step(
    network: Network, x: np.ndarray, y: np.ndarray, learning_rate: float, part: str, floats: Floats
) -> Network:
    k = floats.keep
    rate = floats.constant(learning_rate)
    signals: list[np.ndarray] = [k(x)[None]]
    for layer in network.layers:
        signals.append(activated(layer.activation, layer_sums(layer, signals[-1], floats), floats))
    last = network.layers[-1]
    deltas = k(signals[-1][0] - floats.constant(y))
    if last.activation != "softmax":
        deltas = k(deltas * slope(last.activation, signals[-1][0], floats))
    layers = list(network.layers)
    for number in reversed(range(len(layers))):
        layer, given = layers[number], signals[number][0]
        layers[number] = _updated(layer, given, deltas, rate, floats)
        if part == "last" or number == 0:
            break
        weights = floats.constant(layer.weights)
        errors = k(np.zeros(layer.n_inputs))
        for j in range(layer.n_outputs):
            errors = k(errors + k(weights[j] * deltas[j]))
        deltas = k(errors * slope(layers[number - 1].activation, given, floats))
    return replace(network, layers=tuple(layers))


def _updated(layer: Layer, given: np.ndarray, deltas: np.ndarray, rate: np.ndarray, floats: Floats) -> Layer:
    k = floats.keep
    gradient = k(deltas[:, None] * given[None])
    weights = k(floats.constant(layer.weights) - k(rate * gradient))
    bias = None if layer.bias is None else k(floats.constant(layer.bias) - k(rate * deltas))
    return Layer(
        weights.astype(np.float32), None if bias is None else bias.astype(np.float32), layer.activation
    )


def targets(network: Network, labels: Sequence[str | None]) -> np.ndarray:
    """Return what a trainer expects for labels: 1 for the class and 0 for the others; the quantity, brought to scale.

    Raises
    ------
    ArgumentError
        If a label is none of the classes.
    """
    if network.classes is None:
        p = network.preparation
        offset, scale = (0.0, 1.0) if p is None else (p.answer_offset, p.answer_scale)
        return np.array([[(float(label or "nan") - offset) / scale] for label in labels])
    expected = np.zeros((len(labels), len(network.classes)))
    for row, label in zip(expected, labels, strict=True):
        if label not in network.classes:
            raise ArgumentError(
                f"The label {label!r} is none of the network's classes",
                "the trainer",
                nearest(str(label), list(network.classes)),
            )
        row[network.classes.index(label)] = 1
    return expected
