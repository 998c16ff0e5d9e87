"""The gesture page's program, with its own draws of random numbers, for many seeds side by side."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from ... import arithmetic
from ...arithmetic import Memory, Number, Row, Update
from ...recordings import Recording, read_recordings
from ..mistakes import printed_passed_back

LABELS = ("moving_closer", "moving_away")  # in the order of the page
SEEDS = 200
RATE = 0.1
EPOCHS = 100
DIVERGED = 1e6  # ½Σerror² over all recordings; those that converge end below 2

PassedBack = Callable[[int, list[Row], list[Number], Row], Number]


def recordings_of_the_page() -> list[Recording]:
    """Return the course's ten recordings in the order of the page: moving closer first."""
    return sorted(read_recordings(), key=lambda recording: LABELS.index(recording.label or ""))


def true_passed_back(i: int, weights: list[Row], outputs: list[Number], deltas: Row) -> Number:
    """Return the error of hidden neuron i by the definition."""
    return arithmetic.passed_back([row[i] for row in weights], deltas)


def as_printed_passed_back(i: int, weights: list[Row], outputs: list[Number], deltas: Row) -> Number:
    """Return the error of hidden neuron i as the program computes it."""
    return printed_passed_back(outputs[i], deltas)


def count_diverging(
    passed_back: PassedBack, rate: float = RATE, seeds: int = SEEDS, epochs: int = EPOCHS
) -> int:
    """Return with how many of the seeds 0, 1, … the page's program diverges.

    Every number is an array with one entry a seed, so that all trainings run side by side.

    Parameters
    ----------
    passed_back : `true_passed_back` or `as_printed_passed_back`
    rate : float, the learning rate
    seeds, epochs : int

    Examples
    --------
    >>> count_diverging(true_passed_back, seeds=2, epochs=10)
    0
    """
    recordings = recordings_of_the_page()
    X = np.array([recording.signal.ravel() / 100 for recording in recordings], np.float64)
    Y = np.array([[float(recording.label == label) for label in LABELS] for recording in recordings])
    starts, orders = zip(*(_draw(seed, len(X), epochs) for seed in range(seeds)), strict=True)
    columns = list(np.array(starts).T)
    hidden, output = [columns[0:3], columns[3:6]], [columns[6:8], columns[8:10]]

    def moved(weights: list[Row], deltas: Row, inputs: Row) -> list[Row]:
        return [
            [
                arithmetic.update_weight(w, d * x, Memory(0, 0), Update(), rate, 1)[0]
                for w, x in zip(row, inputs, strict=True)
            ]
            for row, d in zip(weights, deltas, strict=True)
        ]

    with np.errstate(over="ignore", invalid="ignore"):
        for now in np.array(orders).T:
            x, y = list(X[now].T), list(Y[now].T)
            hiddens = [arithmetic.weighted_sum(row, x) for row in hidden]
            outputs = [arithmetic.weighted_sum(row, hiddens) for row in output]
            errors = arithmetic.errors("half_squared_error", outputs, y)
            deltas = [passed_back(i, output, hiddens, errors) for i in range(2)]
            hidden, output = moved(hidden, deltas, x), moved(output, errors, hiddens)
        losses: Number = 0
        for x, y in zip(X, Y, strict=True):
            hiddens = [arithmetic.weighted_sum(row, list(x)) for row in hidden]
            outputs = [arithmetic.weighted_sum(row, hiddens) for row in output]
            losses = losses + arithmetic.half_squared_error(outputs, list(y))
    return int(np.count_nonzero(~(losses < DIVERGED)))


def _draw(seed: int, n: int, epochs: int) -> tuple[list[float], list[int]]:
    """Return the ten starting weights, and which recording comes when, as the program draws them."""
    generator = random.Random(seed)
    weights = [generator.uniform(-0.1, 0.1) for _ in range(10)]
    order, seen = list(range(n)), []
    for _ in range(epochs):
        generator.shuffle(order)
        seen += order
    return weights, seen
