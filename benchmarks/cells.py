"""What is trained: networks, batches, examples, starting weights, and what all of them must come to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

NETWORKS = (
    (3, 2, 2),
    (3, 8, 2),
    (39, 20, 10, 4),
    (120, 50, 15, 2),
    (650, 33, 4),
    (784, 128, 10),
    (784, 512, 512, 10),
)
BATCHES, QUICK_BATCHES = (1, 8, 32, 256), (1, 256)
EXAMPLES, QUICK_EXAMPLES = 1024, 256
RATE, BATCH_RATE = 0.02, 0.1  # the learning rate of batch 1, and of larger ones

Parameters = list[tuple[np.ndarray, np.ndarray]]
"""Of each layer: weights (n_in, n_out) and biases (n_out,)."""


@dataclass(frozen=True, eq=False)
class Cell:
    """A network, a batch size and the examples: one training that all contestants make.

    Sigmoid hidden layers, softmax and cross-entropy; SGD with the mean gradient of a batch, the batches in
    their order, no shuffle.

    Attributes
    ----------
    sizes : neurons of each layer, the inputs first
    batch : examples to an update
    X : float32 array, (n_examples, n_inputs)
    Y : float32 array, (n_examples, n_outputs), one-hot
    start : Parameters, float32
    rate : the learning rate
    """

    sizes: tuple[int, ...]
    batch: int
    X: np.ndarray
    Y: np.ndarray
    start: Parameters
    rate: float

    @property
    def n_examples(self) -> int:
        return len(self.X)

    @property
    def network(self) -> str:
        return "-".join(map(str, self.sizes))

    def first(self, n: int) -> Cell:
        """Return the same training on the first n examples only."""
        return replace(self, X=self.X[:n], Y=self.Y[:n])

    def batches(self) -> list[slice]:
        """Return where the batches of an epoch lie."""
        return [slice(i, min(i + self.batch, self.n_examples)) for i in range(0, self.n_examples, self.batch)]


def make_cell(sizes: tuple[int, ...], batch: int, n_examples: int = EXAMPLES, seed: int = 0) -> Cell:
    """Return a cell with normal inputs, whose classes a random linear teacher gives."""
    random = np.random.default_rng([seed, *sizes])
    X = random.standard_normal((n_examples, sizes[0])).astype(np.float32)
    teacher = random.standard_normal((sizes[0], sizes[-1]))
    Y = np.eye(sizes[-1], dtype=np.float32)[(X @ teacher).argmax(axis=1)]
    return Cell(tuple(sizes), batch, X, Y, start_weights(sizes, seed), RATE if batch == 1 else BATCH_RATE)


def start_weights(sizes: tuple[int, ...], seed: int) -> Parameters:
    """Return starting weights after Glorot, and biases of 0."""
    random = np.random.default_rng([seed, 1])
    start = []
    for n_in, n_out in pairwise(sizes):
        weights = random.uniform(-1, 1, (n_in, n_out)) * np.sqrt(6 / (n_in + n_out))
        start.append((weights.astype(np.float32), np.zeros(n_out, np.float32)))
    return start


def count_weights(sizes: tuple[int, ...]) -> int:
    """Return how many weights there are, biases left out."""
    return sum(n_in * n_out for n_in, n_out in pairwise(sizes))


def count_flops(sizes: tuple[int, ...]) -> int:
    """Return the multiplications and additions of one example's three products, exactly.

    Each weight takes 2 forward and 2 for its gradient, and 2 to pass the error back, which the first layer
    does not do. Biases, activations and updates are left out: what they cost counts against whoever trains.
    """
    first = sizes[0] * sizes[1]
    return 4 * count_weights(sizes) + 2 * (count_weights(sizes) - first)


# ---------------------------------------------------------------- what every contestant must come to


def sigmoid(s: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-s))


def softmax(s: np.ndarray) -> np.ndarray:
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def outputs_of(parameters: Parameters, X: np.ndarray) -> list[np.ndarray]:
    """Return the weighted sums of the last layer, and before them the outputs of every layer below."""
    signals = [X]
    for w, b in parameters[:-1]:
        signals.append(sigmoid(signals[-1] @ w + b))
    w, b = parameters[-1]
    return [*signals, signals[-1] @ w + b]


def loss_of(parameters: Parameters, X: np.ndarray, Y: np.ndarray, maths: str = "same") -> float:
    """Return the mean loss, in float64: cross-entropy, or half the squared error of sigmoid outputs."""
    wide = [(w.astype(np.float64), b.astype(np.float64)) for w, b in parameters]
    s = outputs_of(wide, X.astype(np.float64))[-1]
    if maths == "squared":
        return float(((sigmoid(s) - Y) ** 2).sum(axis=1).mean() / 2)
    s = s - s.max(axis=1, keepdims=True)
    return float((np.log(np.exp(s).sum(axis=1)) - (s * Y).sum(axis=1)).mean())


def trained(cell: Cell, epochs: int, maths: str = "same") -> Parameters:
    """Return what plain float64 training makes of a cell: slow, obvious, and the judge of all others.

    With ``maths="squared"``, outputs are sigmoid and the loss is half the squared error.
    """
    parameters = [(w.astype(np.float64), b.astype(np.float64)) for w, b in cell.start]
    X, Y = cell.X.astype(np.float64), cell.Y.astype(np.float64)
    for part in cell.batches() * epochs:
        *signals, s = outputs_of(parameters, X[part])
        outputs = sigmoid(s) if maths == "squared" else softmax(s)
        delta = outputs - Y[part]
        if maths == "squared":
            delta *= outputs * (1 - outputs)
        moved = []
        for x, (w, b) in zip(reversed(signals), reversed(parameters), strict=True):
            moved.append((w - cell.rate * x.T @ delta / len(x), b - cell.rate * delta.mean(axis=0)))
            delta = (delta @ w.T) * x * (1 - x)
        parameters = moved[::-1]
    return parameters
