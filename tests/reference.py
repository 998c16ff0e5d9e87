"""A second trainer, in matrices, from the textbook: tests hold the compiled core to it.

It shares no line with ``tinyglass.arithmetic``. The slopes, the cross-entropy (through
−expected/output and the whole Jacobian of softmax), the shuffling and the optimisers are
written anew, so that a mistake made in one place is not repeated in the other.

Shapes: X (n_examples, n_inputs), Y (n_examples, n_outputs), weights (n_outputs, n_inputs).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Dense:
    """One layer: weights (n_outputs, n_inputs), bias (n_outputs,) or None."""

    weights: np.ndarray
    bias: np.ndarray | None
    activation: str


@dataclass(frozen=True)
class Table:
    """Examples: X, Y, and how much each counts (None: all the same)."""

    X: np.ndarray
    Y: np.ndarray
    weight: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        return np.ones(len(self.X), self.X.dtype) if self.weight is None else self.weight


@dataclass
class Result:
    """What came out; `best` are the layers after the epoch with the lowest validation loss.

    `nearest_kink` is the smallest of all `distance_from_kinks`; `doubtful` counts, for each epoch, the answers
    that a rounding in float32 may change.
    """

    layers: list[Dense]
    best: list[Dense]
    best_epoch: int = 0
    nearest_kink: float = math.inf
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_accuracies: list[float] = field(default_factory=list)


# ---------------------------------------------------------------- one network, many examples


def activate(activation: str, S: np.ndarray) -> np.ndarray:
    if activation == "step":
        return (S >= 0.5).astype(S.dtype)
    if activation == "sigmoid":
        return 0.5 * (1 + np.tanh(0.5 * S))
    if activation == "tanh":
        return np.tanh(S)
    if activation == "relu":
        return np.maximum(S, 0)
    if activation == "leaky_relu":
        return np.maximum(S, S / 100)
    if activation == "softmax":
        powers = np.exp(S - S.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return S


def outputs_of(layers: list[Dense], X: np.ndarray) -> list[np.ndarray]:
    """Return X and the outputs of every layer."""
    outputs = [X]
    for layer in layers:
        sums = outputs[-1] @ layer.weights.T
        outputs.append(activate(layer.activation, sums if layer.bias is None else sums + layer.bias))
    return outputs


def distance_from_kinks(layers: list[Dense], X: np.ndarray) -> float:
    """Return how near to 0 a weighted sum of relu or leaky_relu comes that is not 0 itself.

    A sum is exactly 0 where every input is, or every weight: there no rounding decides its side.
    """
    nearest = math.inf
    for layer, before in zip(layers, outputs_of(layers, X), strict=False):
        if "relu" in layer.activation:
            sums = np.abs(before @ layer.weights.T + (0 if layer.bias is None else layer.bias))
            nearest = min(nearest, sums[sums > 0].min(initial=math.inf))
    return nearest


def through(activation: str, A: np.ndarray, dA: np.ndarray) -> np.ndarray:
    """Return ∂loss/∂sums from ∂loss/∂outputs, both (n_examples, n_outputs)."""
    if activation == "sigmoid":
        return dA * A * (1 - A)
    if activation == "tanh":
        return dA * (1 - A**2)
    if activation == "relu":
        return np.where(A > 0, dA, 0)
    if activation == "leaky_relu":
        return np.where(A > 0, dA, dA / 100)
    if activation == "softmax":
        jacobians = A[:, :, None] * np.eye(A.shape[1], dtype=A.dtype) - A[:, :, None] * A[:, None, :]
        return np.einsum("njk,nk->nj", jacobians, dA)
    return dA


def loss_of(loss: str, activation: str, O: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return the loss of each example, (n_examples,)."""
    if loss == "half_squared_error":
        return 0.5 * np.sum((O - Y) ** 2, axis=1)
    if loss == "mean_squared_error":
        return np.mean((O - Y) ** 2, axis=1)
    surprise = -Y * np.log(np.maximum(O, 2.0**-126))
    if activation == "sigmoid":
        surprise = surprise - (1 - Y) * np.log(np.maximum(1 - O, 2.0**-126))
    return surprise.sum(axis=1)


def slope_of_loss(loss: str, activation: str, O: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return ∂loss/∂output, (n_examples, n_outputs)."""
    if loss == "half_squared_error":
        return O - Y
    if loss == "mean_squared_error":
        return 2 / O.shape[1] * (O - Y)
    return -Y / O + (1 - Y) / (1 - O) if activation == "sigmoid" else -Y / O


def gradients(layers: list[Dense], part: Table, loss: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the mean over the examples of ∂loss/∂weights and ∂loss/∂bias, one pair a layer."""
    outputs = outputs_of(layers, part.X)
    dA = part.counts[:, None] * slope_of_loss(loss, layers[-1].activation, outputs[-1], part.Y)
    found = []
    for layer, before, here in zip(layers[::-1], outputs[-2::-1], outputs[:0:-1], strict=True):
        delta = through(layer.activation, here, dA)
        found.insert(0, (delta.T @ before / len(part.X), delta.mean(axis=0)))
        dA = delta @ layer.weights
    return found


def right_answers(O: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return which outputs name the expected class; a single output says yes from 0.5 on."""
    if Y.shape[1] == 1:
        return ((O >= 0.5) == (Y >= 0.5))[:, 0]
    return O.argmax(axis=1) == Y.argmax(axis=1)


def doubtful_answers(O: np.ndarray, near: float = 1e-5) -> np.ndarray:
    """Return which outputs are so near to another answer that a rounding in float32 may give it."""
    if O.shape[1] == 1:
        return np.abs(O[:, 0] - 0.5) <= near
    second, first = np.sort(O, axis=1)[:, -2:].T
    return first - second <= near * np.maximum(np.abs(first), np.abs(second))


# ---------------------------------------------------------------- optimisers


class Optimiser:
    """Changes one array of weights in place; what it remembers has the array's shape."""

    def __init__(self, settings: Any, like: np.ndarray) -> None:
        self.settings = settings
        self.velocity, self.mean, self.mean_square = np.zeros((3, *like.shape), like.dtype)
        self.time = 0

    def change(self, weights: np.ndarray, gradient: np.ndarray, rate: float) -> None:
        s = self.settings
        self.time += 1
        if s.optimizer == "sgd":
            weights -= rate * gradient
        elif s.optimizer == "momentum":
            self.velocity = s.momentum * self.velocity + gradient
            weights -= rate * self.velocity
        elif s.optimizer == "nesterov":
            self.velocity = s.momentum * self.velocity + gradient
            weights -= rate * (gradient + s.momentum * self.velocity)
        else:
            self.mean += (1 - s.beta1) * (gradient - self.mean)
            self.mean_square += (1 - s.beta2) * (gradient**2 - self.mean_square)
            mean = self.mean / (1 - s.beta1**self.time)
            deviation = np.sqrt(self.mean_square / (1 - s.beta2**self.time))
            weights -= rate * mean / (deviation + s.epsilon)
        if s.weight_limit is not None:
            np.clip(weights, -s.weight_limit, s.weight_limit, out=weights)


def rate_of(settings: Any, epoch: int) -> float:
    if settings.schedule == "step":
        return settings.learning_rate * settings.rate_drop ** (epoch // settings.rate_every)
    if settings.schedule == "cosine":
        return settings.learning_rate * math.cos(math.pi * epoch / settings.epochs / 2) ** 2
    return settings.learning_rate


def shuffled(n_examples: int, seed: int, epoch: int) -> np.ndarray:
    """Return Fisher and Yates's shuffle, driven by SplitMix64 with one stream an epoch."""
    golden = 0x9E3779B97F4A7C15
    counter = _mixed((seed + golden * (epoch + 1)) % 2**64)
    order = np.arange(n_examples)
    for draw, last in enumerate(range(n_examples - 1, 0, -1), start=1):
        chosen = (_mixed((counter + golden * draw) % 2**64) * (last + 1)) // 2**64
        order[[last, chosen]] = order[[chosen, last]]
    return order


def _mixed(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


# ---------------------------------------------------------------- training


def train(layers: list[Dense], part: Table, settings: Any, validation: Table | None = None) -> Result:
    """Return what training comes to.

    Parameters
    ----------
    settings : anything with the attributes of `tinyglass.Settings`
    """
    layers = _copied(layers)
    optimisers = [
        (Optimiser(settings, layer.weights), Optimiser(settings, layer.weights[:, 0])) for layer in layers
    ]
    result = Result(layers, _copied(layers))
    n = len(part.X)
    size = settings.batch or n
    lowest = math.inf
    for epoch in range(settings.epochs):
        order = shuffled(n, settings.seed, epoch) if settings.shuffle else np.arange(n)
        rate = rate_of(settings, epoch)
        lost, right, doubtful = 0.0, 0, 0
        for begin in range(0, n, size):
            chosen = order[begin : begin + size]
            batch = Table(part.X[chosen], part.Y[chosen], part.counts[chosen])
            result.nearest_kink = min(result.nearest_kink, distance_from_kinks(layers, batch.X))
            answer = outputs_of(layers, batch.X)[-1]
            lost += (batch.counts * loss_of(settings.loss, layers[-1].activation, answer, batch.Y)).sum()
            lost += len(chosen) * settings.l2 / 2 * sum((layer.weights**2).sum() for layer in layers)
            right += right_answers(answer, batch.Y).sum()
            doubtful += doubtful_answers(answer).sum()
            slopes = gradients(layers, batch, settings.loss)
            for layer, (of_weights, of_bias), (dw, db) in zip(layers, optimisers, slopes, strict=True):
                of_weights.change(layer.weights, dw + settings.l2 * layer.weights, rate)
                if layer.bias is not None:
                    of_bias.change(layer.bias, db, rate)
        result.losses.append(float(lost / n))
        result.accuracies.append(float(right / n))
        result.doubtful.append(int(doubtful))
        if validation is None:
            continue
        answer = outputs_of(layers, validation.X)[-1]
        each = loss_of(settings.loss, layers[-1].activation, answer, validation.Y)
        result.validation_losses.append(float(np.average(each, weights=validation.counts)))
        result.validation_accuracies.append(float(right_answers(answer, validation.Y).mean()))
        if result.validation_losses[-1] < lowest - settings.tolerance:
            lowest, result.best_epoch = result.validation_losses[-1], epoch + 1
            result.best = _copied(layers)
        if settings.patience and epoch + 1 - result.best_epoch >= settings.patience:
            break
    return result


def _copied(layers: list[Dense]) -> list[Dense]:
    return [
        Dense(layer.weights.copy(), None if layer.bias is None else layer.bias.copy(), layer.activation)
        for layer in layers
    ]
