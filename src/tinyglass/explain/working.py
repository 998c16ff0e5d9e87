"""One step of training, worked through by the definition, for a whole layer and batch at once.

`tinyglass.arithmetic` computes with whatever behaves like numbers; here these are columns of
numpy arrays, of float32, float64, or of `Decimal` and `Fraction` objects. The order of every
sum is that of the definition, so each number is the one that a single scalar would give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .. import arithmetic
from ..arithmetic import Gradient, Layer, Memory, Number, Signals, Update
from ..network import Layer as NetworkLayer
from .notation import BIAS


class Step(NamedTuple):
    """A step of training before it is made.

    Attributes
    ----------
    layers : tuple of `tinyglass.arithmetic.Layer`; weights an array (n_outputs, n_inputs), bias (n_outputs,) or None
    first, second : tuples of `Gradient`, arrays of those shapes: what the optimiser remembers
    X : array, (n_batch, n_inputs)
    Y : array, (n_batch, n_outputs), expected
    weight : array, (n_batch,), or None: how much each example counts
    loss : str, a key of `tinyglass.arithmetic.LOSSES`
    rule : Update
    rate : number, the learning rate
    updates : int, made so far, this one included

    All arrays have one dtype: float32, float64, or object.
    """

    layers: tuple[Layer, ...]
    first: tuple[Gradient, ...]
    second: tuple[Gradient, ...]
    X: np.ndarray
    Y: np.ndarray
    weight: np.ndarray | None
    loss: str
    rule: Update
    rate: Number
    updates: int


class Working(NamedTuple):
    """Every number of a step, one array a layer.

    Attributes
    ----------
    sums, outputs, deltas : arrays, (n_batch, n_outputs)
    errors : arrays, (n_batch, n_outputs), ∂loss/∂output; None under cross-entropy's outputs, where it cancels
    losses : array, (n_batch,), each times the weight of its example
    loss : number, their mean, with the penalty
    gradients : Gradient, averaged over the batch
    layers, first, second : as in `Step`, after the update
    """

    sums: list[np.ndarray]
    outputs: list[np.ndarray]
    errors: list[np.ndarray | None]
    deltas: list[np.ndarray]
    losses: np.ndarray
    loss: Number
    gradients: list[Gradient]
    layers: list[Layer]
    first: list[Gradient]
    second: list[Gradient]


def map_arrays(step: Step, change: Callable[[Any], Any]) -> Step:
    """Return the step with every array of it changed; its rule and learning rate stay as they are."""

    def of(part: Gradient) -> Gradient:
        return Gradient(*(None if array is None else change(array) for array in part))

    layers = tuple(Layer(*of(Gradient(l.weights, l.bias)), l.activation) for l in step.layers)
    return step._replace(
        layers=layers,
        first=tuple(map(of, step.first)),
        second=tuple(map(of, step.second)),
        X=change(step.X),
        Y=change(step.Y),
        weight=None if step.weight is None else change(step.weight),
    )


def inputs_of(layer: Layer | NetworkLayer) -> list[int]:
    """Return the inputs of a layer's neurons, and −1 for the bias where they have one."""
    return [*range(np.shape(layer.weights)[1]), *([] if layer.bias is None else [BIAS])]


def all_weights(layers: Sequence[Layer]) -> list[tuple[int, int, int]]:
    """Return (layer, neuron, input) of every weight, and of every bias, whose input is −1."""
    return [
        (l, j, i)
        for l, layer in enumerate(layers)
        for j in range(len(layer.weights))
        for i in inputs_of(layer)
    ]


def entry(part: Layer | Gradient, j: int, i: int) -> Number:
    """Return what stands at the weight of neuron j for input i, or at its bias for −1."""
    return part.bias[j] if i == BIAS else part.weights[j][i]


class Numbers(np.ndarray):
    """An array that answers what the definition asks of a number."""

    def sqrt(self) -> Any:
        return _each(arithmetic.sqrt, self)

    def larger(self, other: Any) -> Any:
        return np.where(other > self, other, self).view(Numbers)

    def smaller(self, other: Any) -> Any:
        return np.where(other < self, other, self).view(Numbers)


def _each(function: Callable[..., Number], *arrays: np.ndarray) -> Any:
    values = np.frompyfunc(function, len(arrays), 1)(*arrays)
    return np.asarray(values).astype(arrays[0].dtype).view(Numbers)


def work(step: Step) -> Working:
    """Return every number of the step.

    Examples
    --------
    >>> neuron = Layer(np.array([[0.3, 0.9]]), None, "linear")
    >>> nothing = (Gradient(np.zeros((1, 2)), None),)
    >>> chapter = Step((neuron,), nothing, nothing, np.array([[0.1, 0.8]]), np.array([[0.4]]), None,
    ...     "half_squared_error", Update(), 1.0, 1)
    >>> work(chapter).layers[0].weights.tolist()
    [[0.26499999999999996, 0.6199999999999999]]
    """
    with np.errstate(all="ignore"):
        sums, outputs = feedforward(step.layers, step.X)
        losses, loss = losses_of(step, outputs[-1])
        errors, deltas = _backpropagate(step, sums, outputs)
        gradients = averaged(step, outputs, deltas)
        layers, first, second = updated(step, gradients)
    return Working(sums, outputs, errors, deltas, losses, loss, gradients, layers, first, second)


def losses_of(step: Step, outputs: np.ndarray) -> tuple[np.ndarray, Number]:
    """Return the weighted loss of each example, (n_batch,), and their mean with the penalty of L2."""
    activation = step.layers[-1].activation
    losses = [
        arithmetic.loss(step.loss, activation, list(o), list(y)) for o, y in zip(outputs, step.Y, strict=True)
    ]
    if step.weight is not None:
        losses = [weight * loss for weight, loss in zip(step.weight, losses, strict=True)]
    mean = arithmetic.average(losses)
    if step.rule.l2:
        flat = [layer._replace(weights=[np.ravel(layer.weights)]) for layer in step.layers]
        mean = mean + arithmetic.penalty(flat, step.rule.l2)
    return np.array(losses, step.X.dtype), mean


def feedforward(layers: Sequence[Layer], X: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the weighted sums and the outputs of every layer, each (n_batch, n_outputs)."""
    sums, outputs = [], []
    for layer in layers:
        columns = [X[:, i : i + 1] for i in range(X.shape[1])]
        sums.append(arithmetic.weighted_sum(list(np.asarray(layer.weights).T), columns, layer.bias))
        rows = [arithmetic.activate(layer.activation, list(row)) for row in sums[-1]]
        X = np.array(rows, sums[-1].dtype)
        outputs.append(X)
    return sums, outputs


def _backpropagate(
    step: Step, sums: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
) -> tuple[list[np.ndarray | None], list[np.ndarray]]:
    """Return the errors and the deltas of every layer, unweighted, each (n_batch, n_outputs)."""
    dtype, last = step.X.dtype, step.layers[-1].activation
    batch = range(len(step.X))
    signals = [[Signals(list(s[e]), list(o[e])) for e in batch] for s, o in zip(sums, outputs, strict=True)]
    expected = [list(row) for row in step.Y]
    errors: list[np.ndarray | None] = [None]
    if step.loss != "cross_entropy":
        rows = [arithmetic.errors(step.loss, signals[-1][e].outputs, expected[e]) for e in batch]
        errors = [np.array(rows, dtype)]
    rows = [arithmetic.output_deltas(step.loss, last, signals[-1][e], expected[e]) for e in batch]
    deltas = [np.array(rows, dtype)]
    for downstream, layer, here in zip(step.layers[:0:-1], step.layers[-2::-1], signals[-2::-1], strict=True):
        columns = [deltas[0][:, j : j + 1] for j in range(deltas[0].shape[1])]
        behind = np.asarray(arithmetic.passed_back(list(downstream.weights), columns))
        rows = [arithmetic.through_activation(layer.activation, list(behind[e]), here[e]) for e in batch]
        errors.insert(0, behind)
        deltas.insert(0, np.array(rows, dtype))
    return errors, deltas


def averaged(step: Step, outputs: Sequence[np.ndarray], deltas: Sequence[np.ndarray]) -> list[Gradient]:
    """Return the gradients of a batch, averaged over it, from the deltas of every layer."""
    inputs = [step.X, *outputs[:-1]]
    result = []
    for layer, x, delta in zip(step.layers, inputs, deltas, strict=True):
        weighted = delta if step.weight is None else step.weight[:, None] * delta
        one = [Layer([[0]], None if layer.bias is None else [0], "linear")]
        rows, bias = [], []
        for column in weighted.T:
            each = [
                arithmetic.gradients(one, [Signals([0], [0])], [[d]], [row])[0]
                for d, row in zip(column, x, strict=True)
            ]
            rows.append(arithmetic.average([g.weights[0][0] for g in each]))
            if layer.bias is not None:
                bias.append(arithmetic.average([g.bias[0] for g in each if g.bias]))
        result.append(
            Gradient(np.array(rows, x.dtype), None if layer.bias is None else np.array(bias, x.dtype))
        )
    return result


def updated(step: Step, gradients: Sequence[Gradient]) -> tuple[list[Layer], list[Gradient], list[Gradient]]:
    """Return the layers after an update by these gradients, and what the optimiser then remembers."""
    layers, first, second = [], [], []
    rule = Update(*map(_boxed, step.rule))
    rate = _boxed(step.rate)
    for layer, g, m, v in zip(step.layers, gradients, step.first, step.second, strict=True):

        def after(w: Any, g: Any, m: Any, v: Any, decays: bool) -> Any:
            w, g, m, v = (np.asarray(each).view(Numbers) for each in (w, g, m, v))
            new, memory = arithmetic.update_weight(w, g, Memory(m, v), rule, rate, step.updates, decays)
            return tuple(np.asarray(each) for each in (new, memory.first, memory.second))

        weights, m_weights, v_weights = after(layer.weights, g.weights, m.weights, v.weights, True)
        bias = m_bias = v_bias = None
        if layer.bias is not None:
            bias, m_bias, v_bias = after(layer.bias, g.bias, m.bias, v.bias, False)
        layers.append(Layer(weights, bias, layer.activation))
        first.append(Gradient(m_weights, m_bias))
        second.append(Gradient(v_weights, v_bias))
    return layers, first, second


def _boxed(constant: Any) -> Any:
    """Return a constant such that beside an array it stays a fraction: the definition makes others floats."""
    return np.array(constant, object).view(Numbers) if isinstance(constant, Fraction) else constant
