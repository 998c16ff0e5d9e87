"""What each input contributed to each output: exactly where a network is piecewise linear, else along a path.

As long as no neuron passes its kink, a network of linear, ReLU and leaky ReLU neurons is affine:

    output_j = Σ_i slope_ji·x_i + constant_j

slope_ji = ∂output_j/∂x_i, constant_j is what the biases give. Both come from running the rules of
backpropagation with an error of 1 at one output, and they add up without a remainder.

A network that bends has no such parts. Along a path x(u) from a baseline x(0) to x(1),

    output_j(1) − output_j(0) = Σ_i ∫ ∂output_j/∂x_i · x_i'(u) du,

and the integral is the contribution of input i: integrated gradients (M. Sundararajan, A. Taly and
Q. Yan, International Conference on Machine Learning, 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ... import arithmetic
from ...arithmetic import Layer, Signals
from ...errors import ArgumentError
from ...network import Network
from ..working import feedforward

PIECEWISE_LINEAR = ("linear", "relu", "leaky_relu")
MOST_AT_ONCE = 2**22  # numbers
NODES = 8  # of a Gauss–Legendre rule
GAP = 1e-11  # of an interval, of the size of its contributions
MOST_INTERVALS = 2**12  # at a time


def layers_of(network: Network) -> tuple[tuple[Layer, ...], bool]:
    """Return the layers in float64 whose outputs are explained, and whether these are weighted sums.

    Softmax and step mix or cut what the last neurons add up, and for classes sigmoid and tanh only bend
    it, without changing which is largest: there the weighted sums are explained, otherwise the outputs.

    Raises
    ------
    ArgumentError
        If a hidden layer steps: it has no slope, so nothing can be told apart.

    Examples
    --------
    >>> from tinyglass import Layer as Neurons
    >>> layers_of(Network([Neurons([[0.5]], None, "softmax")]))[0][0].activation
    'linear'
    """
    layers = [
        Layer(
            layer.weights.astype(np.float64),
            None if layer.bias is None else layer.bias.astype(np.float64),
            layer.activation,
        )
        for layer in network.layers
    ]
    for name, layer in zip(network.layer_names[:-1], layers, strict=False):
        if layer.activation == "step":
            raise ArgumentError(
                "A step has no slope, so that contributions cannot be told",
                f"layer {name}",
                "Train one that has",
            )
    last = layers[-1].activation
    sums = last in ("softmax", "step") or (network.classes is not None and last in ("sigmoid", "tanh"))
    if sums:
        layers[-1] = layers[-1]._replace(activation="linear")
    return tuple(layers), sums


def is_piecewise_linear(layers: Sequence[Layer]) -> bool:
    """Tell whether the network is made of straight pieces.

    Examples
    --------
    >>> is_piecewise_linear([Layer([[0.5]], None, "tanh")])
    False
    """
    return all(layer.activation in PIECEWISE_LINEAR for layer in layers)


class Slopes(NamedTuple):
    """A network around some inputs.

    Attributes
    ----------
    outputs : array, (n_examples, n_outputs)
    slopes : array, (n_examples, n_outputs, n_inputs), ∂output/∂input
    constant : array, (n_examples, n_outputs), Σ bias·∂output/∂bias
    """

    outputs: np.ndarray
    slopes: np.ndarray
    constant: np.ndarray


def slopes_at(layers: Sequence[Layer], X: np.ndarray) -> Slopes:
    """Return the outputs and their slopes for each row of inputs, by the definition.

    Parameters
    ----------
    layers : layers, weights float64 arrays
    X : array, (n_examples, n_inputs)

    Examples
    --------
    >>> neuron = Layer(np.array([[2.0, -1.0]]), np.array([0.5]), "relu")
    >>> slopes_at([neuron], np.array([[1.0, 1.0]]))
    Slopes(outputs=array([[1.5]]), slopes=array([[[ 2., -1.]]]), constant=array([[0.5]]))
    """
    largest = max(np.size(layer.weights) for layer in layers) * len(layers[-1].weights)
    step = max(1, MOST_AT_ONCE // largest)
    parts = [_slopes(layers, X[start : start + step]) for start in range(0, len(X), step)]
    return Slopes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _slopes(layers: Sequence[Layer], X: np.ndarray) -> Slopes:
    sums, outputs = feedforward(layers, X)
    n_outputs = outputs[-1].shape[1]
    errors = np.broadcast_to(np.eye(n_outputs), (len(X), n_outputs, n_outputs))
    constant = np.zeros((len(X), n_outputs))
    for layer, s, o in zip(layers[::-1], sums[::-1], outputs[::-1], strict=True):
        deltas = errors * steepness(layer.activation, s, o)[:, None]
        if layer.bias is not None:
            constant += arithmetic.weighted_sum(list(layer.bias), list(np.moveaxis(deltas, 2, 0)))
        columns = [deltas[:, :, j : j + 1] for j in range(deltas.shape[2])]
        errors = arithmetic.passed_back(list(layer.weights), columns)
    return Slopes(outputs[-1], errors, constant)


def steepness(activation: str, sums: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return ∂output/∂sum of each neuron, (n_examples, n_neurons): what an error of 1 becomes.

    Examples
    --------
    >>> steepness("relu", np.array([[-1.0, 2.0]]), np.array([[0.0, 2.0]]))
    array([[0., 1.]])
    """
    numbers = Signals(sums.ravel().tolist(), outputs.ravel().tolist())
    steep = arithmetic.through_activation(activation, [1.0] * sums.size, numbers)
    return np.array(steep, np.float64).reshape(sums.shape)


# ---------------------------------------------------------------- along a path


class Path(NamedTuple):
    """Inputs on their way: x_i(u) = start_i + (end_i − start_i)·u^power_i, u from 0 to 1.

    Attributes
    ----------
    start, end : arrays, (n_inputs,)
    powers : int array, (n_inputs,), of 1 and 2
    """

    start: np.ndarray
    end: np.ndarray
    powers: np.ndarray

    def at(self, u: np.ndarray) -> np.ndarray:
        """Return the inputs at each u, (n, n_inputs)."""
        return self.start + (self.end - self.start) * u[:, None] ** self.powers

    def between(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return ∫ d(u^power) of each input over each interval, (n, n_inputs)."""
        return high[:, None] ** self.powers - low[:, None] ** self.powers


def mean_slopes(layers: Sequence[Layer], path: Path) -> np.ndarray:
    """Return the slopes averaged over the path: times end − start, they are integrated gradients.

    In a network of straight pieces the average is exact: within a piece no slope changes. In others
    intervals are halved until, in each, the contributions add up to the change of the outputs.

    Returns
    -------
    array, (n_outputs, n_inputs): ∫ ∂output/∂x_i d(u^power_i)

    Examples
    --------
    >>> neuron = Layer(np.array([[1.0]]), np.array([-1.0]), "relu")
    >>> mean_slopes([neuron], Path(np.array([0.0]), np.array([4.0]), np.array([1])))
    array([[0.75]])
    """
    with np.errstate(all="ignore"):
        if is_piecewise_linear(layers):
            ends = _kinks(layers, path)
            slopes = slopes_at(layers, path.at((ends[1:] + ends[:-1]) / 2)).slopes
            return (slopes * path.between(ends[:-1], ends[1:])[:, None]).sum(axis=0)
        return _bent(layers, path)


def _bent(layers: Sequence[Layer], path: Path) -> np.ndarray:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    low, high = np.linspace(0, 1, 5)[:-1], np.linspace(0, 1, 5)[1:]
    result, moved = 0.0, path.end - path.start
    while len(low):
        half = (high - low)[:, None] / 2
        u = half * nodes + (high + low)[:, None] / 2
        slopes = slopes_at(layers, path.at(u.ravel())).slopes.reshape(len(low), NODES, -1, len(moved))
        speed = path.powers * u[:, :, None] ** (path.powers - 1)
        parts = (slopes * (speed * (half * weights)[:, :, None])[:, :, None]).sum(axis=1)
        ends = [feedforward(layers, path.at(u))[1][-1] for u in (low, high)]
        gap = np.abs((parts * moved).sum(axis=2) - (ends[1] - ends[0])).max(axis=1)
        size = np.abs(parts * moved).sum(axis=2).max(axis=1) + np.abs(ends).max(axis=(0, 2))
        done = (gap <= GAP * size) | (high - low < 1e-12)
        if 2 * np.count_nonzero(~done) > MOST_INTERVALS:
            done[:] = True
        result = result + parts[done].sum(axis=0)
        low, high = low[~done], high[~done]
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    return np.asarray(result)


def _kinks(layers: Sequence[Layer], path: Path) -> np.ndarray:
    """Return where along the path a neuron has its kink, with both ends, (n_pieces + 1,)."""
    first, moved = layers[0], path.end - path.start
    columns = list(np.asarray(first.weights).T)
    parts = [arithmetic.weighted_sum(columns, list(path.start), first.bias)]
    parts += [arithmetic.weighted_sum(columns, list(np.where(path.powers == p, moved, 0.0))) for p in (1, 2)]
    return pieces(layers, np.stack(parts), 0.0, 1.0)[0]


# ---------------------------------------------------------------- straight pieces


def pieces(
    layers: Sequence[Layer], sums: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces between the kinks of all neurons, and what the outputs are in each.

    Along a path on which the sums of the first layer are polynomials, those of a later layer are
    polynomials between the kinks of the layers before.

    Parameters
    ----------
    layers : layers, of `PIECEWISE_LINEAR` activations
    sums : array, (3, n_neurons), of the first layer: sum = sums[0] + sums[1]·u + sums[2]·u²
    low, high : float, the ends of the path

    Returns
    -------
    ends : array, (n_pieces + 1,)
    outputs : array, (n_pieces, 3, n_outputs), the same coefficients of each output

    Examples
    --------
    >>> ends, outputs = pieces([Layer([[1.0]], None, "relu")], np.array([[-1.0], [2.0], [0.0]]), 0.0, 1.0)
    >>> ends.tolist(), outputs[:, 1, 0].tolist()
    ([0.0, 0.5, 1.0], [0.0, 2.0])
    """
    ends, curves = np.array([low, high]), sums[None]
    for number, layer in enumerate(layers):
        if number:
            columns = [curves[:, :, i : i + 1] for i in range(curves.shape[2])]
            curves = arithmetic.weighted_sum(list(np.asarray(layer.weights).T), columns)
            if layer.bias is not None:
                curves[:, 0] = curves[:, 0] + layer.bias
        if layer.activation == "linear":
            continue
        ends, curves = _split(ends, curves)
        middle = (ends[1:] + ends[:-1])[:, None] / 2
        values = curves[:, 0] + middle * (curves[:, 1] + middle * curves[:, 2])
        outputs = np.array(arithmetic.activate(layer.activation, values.ravel().tolist())).reshape(
            values.shape
        )
        curves = curves * steepness(layer.activation, values, outputs)[:, None]
    return ends, curves


def _split(ends: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces, parted where a curve passes zero."""
    roots = roots_of(curves)
    inside = (roots > ends[:-1, None]) & (roots < ends[1:, None])
    parted = np.unique(np.concatenate([ends, roots[inside]]))
    which = np.searchsorted(ends, (parted[1:] + parted[:-1]) / 2, side="right") - 1
    return parted, curves[np.clip(which, 0, len(curves) - 1)]


def roots_of(curves: np.ndarray) -> np.ndarray:
    """Return both roots of each polynomial, (2, n_pieces, n); what is no number is no root.

    Parameters
    ----------
    curves : array, (n_pieces, 3, n): constant, coefficient of u, and of u²

    Examples
    --------
    >>> roots_of(np.array([[[-2.0], [1.0], [1.0]]])).ravel().tolist()
    [-2.0, 1.0]
    """
    c0, c1, c2 = curves[:, 0], curves[:, 1], curves[:, 2]
    with np.errstate(all="ignore"):
        q = -(c1 + np.copysign(np.sqrt(c1 * c1 - 4 * c2 * c0), c1)) / 2  # never a difference of near numbers
        return np.stack([q / c2, c0 / q])
