"""The largest learning rate that converges, from the curvature of the loss.

On a loss of curvature λ a step of gradient descent multiplies the distance to the minimum by
1 − rate·λ: beyond rate = 2/λ every step leads further away. Where an optimiser remembers earlier
gradients, the limit is another one (`LIMITS`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..engine import loss_and_gradient, replay
from ..explain.replay import rule_of
from ..network import Network, flatten, with_parameters
from ..preparation import Examples
from ..settings import Settings
from .case import Case

MOST_STEPS = 40  # of Lanczos' method
SURE = 1e-6  # relative change of the eigenvalue, at which it ends
APART = 1e-4  # relative to the length of the parameters: where gradients are compared
MOST_BATCHES = 16  # whose curvature is measured

LIMITS: dict[str, tuple[Callable[[float, float], float], str]] = {
    "sgd": (lambda mu, beta: 2.0, "2 / λ"),
    "momentum": (lambda mu, beta: 2 * (1 + mu), "2·(1 + momentum) / λ"),
    "nesterov": (lambda mu, beta: 2 * (1 + mu) / (1 + 2 * mu), "2·(1 + momentum) / ((1 + 2·momentum)·λ)"),
    "adam": (lambda mu, beta: 2 * (1 + beta) / (1 - beta), "2·(1 + beta1) / ((1 − beta1)·λ)"),
}
"""By optimiser: what rate·λ may reach, from momentum and beta1, and the formula.

Momentum and Nesterov: B. O'Donoghue, E. Candès, Foundations of Computational Mathematics, 2015.
Adam, an estimate, with λ of the loss divided by Adam's mean gradients: J. Cohen et al., "Adaptive gradient methods
at the edge of stability", 2022.
"""


class Curvature(NamedTuple):
    """How steep the loss bends at one place, and what learning rate that allows.

    Attributes
    ----------
    largest : float, the largest eigenvalue λ of the Hessian of what one update sees
    whole : float, the same of the mean loss over all examples
    limit : float, the largest learning rate that converges by `largest`; infinite where nothing bends upwards
    whole_limit : float, the same by `whole`: beyond it not even the mean of the updates converges
    formula : str, of the limit
    n_batches : int, batches measured
    n_all : int, batches of an epoch
    direction : float64 array, (n_parameters,), in which it bends most
    """

    largest: float
    whole: float
    limit: float
    whole_limit: float
    formula: str
    n_batches: int
    n_all: int
    direction: np.ndarray


def largest_eigenvalue(
    network: Network, examples: Examples, settings: Settings, scale: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return the largest eigenvalue of the Hessian of the mean loss, penalty included, and its direction.

    Lanczos' method; the Hessian times a vector is the difference of two gradients.

    Parameters
    ----------
    network : Network
    examples : Examples, that one update sees
    settings : Settings, of loss and penalty
    scale : array, (n_parameters,), optional
        The square roots of what Adam divides by: the matrix is then diag(1/scale)·H·diag(1/scale).

    Returns
    -------
    eigenvalue : float, NaN where the network leaves the finite numbers
    direction : float64 array, (n_parameters,), of length 1

    Examples
    --------
    >>> from tinyglass import Layer
    >>> neuron = Network([Layer([[0.3, 0.9]], None, "linear")])
    >>> settings = Settings(loss="half_squared_error", output="linear", l2=0.0)
    >>> value, _ = largest_eigenvalue(neuron, Examples([[0.1, 0.8]], [[0.4]]), settings)
    >>> round(2 / value, 9)
    3.076923077
    """
    start = flatten(network).astype(np.float64)
    divisor = np.ones(len(start)) if scale is None else scale
    reach = APART * max(1.0, float(np.linalg.norm(start)))

    def times(v: np.ndarray) -> np.ndarray:
        along = v / divisor
        length = float(np.linalg.norm(along))
        moved = along * (reach / length)
        sides = [
            loss_and_gradient(with_parameters(network, start + sign * moved), examples, settings)[1]
            for sign in (1, -1)
        ]
        return np.asarray((sides[0] - sides[1]) / (2 * reach) * length / divisor)

    v = loss_and_gradient(network, examples, settings)[1] / divisor
    random = np.random.default_rng(0)
    if np.isfinite(v).all() and v.any():
        v = v / np.linalg.norm(v) + 0.1 * _unit(random, len(v))
    else:
        v = _unit(random, len(v))
    basis = [v / np.linalg.norm(v)]
    diagonal: list[float] = []
    beside: list[float] = []
    value = -np.inf
    for _ in range(min(MOST_STEPS, len(start))):
        w = times(basis[-1])
        if not np.isfinite(w).all():
            return np.nan, basis[0]
        size = float(np.linalg.norm(w))
        diagonal.append(float(w @ basis[-1]))
        for _ in range(2):  # twice is enough to be orthogonal
            for q in basis:
                w = w - (w @ q) * q
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        before, value = value, float(values[-1])
        rest = float(np.linalg.norm(w))
        if abs(value - before) <= SURE * abs(value) or rest <= 1e-9 * size or rest == 0:
            break
        beside.append(rest)
        basis.append(w / rest)
    along = np.stack(basis[: len(diagonal)]).T @ vectors[:, -1]
    return value, along / np.linalg.norm(along)


def _unit(random: np.random.Generator, n: int) -> np.ndarray:
    v = random.normal(size=n)
    return np.asarray(v / np.linalg.norm(v))


def measure(case: Case, parameters: np.ndarray, updates: int) -> Curvature:
    """Return the curvature at a place that the training reached after so many updates."""
    settings = case.settings
    network = case.network_at(parameters)
    scale = adam_scale(case, updates) if settings.optimizer == "adam" else None
    whole, direction = largest_eigenvalue(network, case.probed, settings, scale)
    largest, n_batches = whole, 1
    if case.steps > 1:
        chosen = _batches(case, updates)
        found = [largest_eigenvalue(network, batch, settings, scale) for batch in chosen]
        n_batches = len(found)
        steepest = int(np.nanargmax([value for value, _ in found])) if np.isfinite(found[0][0]) else 0
        largest, direction = found[steepest]
    factor, formula = LIMITS[settings.optimizer]
    reach = factor(settings.momentum, settings.beta1)

    def limit(value: float) -> float:
        return reach / value if value > 0 else np.inf

    return Curvature(largest, whole, limit(largest), limit(whole), formula, n_batches, case.steps, direction)


def _batches(case: Case, updates: int) -> list[Examples]:
    """Return the batches of the epoch: all, or those with the largest inputs and others at random.

    The curvature of one example grows with the square of its inputs.
    """
    first = updates // case.steps * case.steps
    places = np.arange(first, first + case.steps)
    if len(places) > MOST_BATCHES:
        sizes = np.array([(case.batch_of(int(place)).X ** 2).sum(axis=1).mean() for place in places])
        order = np.argsort(-sizes, kind="stable")
        others = np.random.default_rng(0).permutation(order[MOST_BATCHES // 2 :])
        places = places[np.concatenate([order[: MOST_BATCHES // 2], others[: MOST_BATCHES // 2]])]
    return [case.batch_of(int(place)) for place in places]


def adam_scale(case: Case, updates: int) -> np.ndarray:
    """Return the square roots of what Adam divides its mean gradients by, after so many updates (at least one)."""
    count = max(1, min(updates, case.run.updates))
    rule = rule_of(case.settings)
    if case.run.updates == 0:
        gradient = loss_and_gradient(case.run.initial, case.batch_of(0), case.settings)[1]
        return np.sqrt(np.abs(np.nan_to_num(gradient)) + rule.epsilon)
    moment = replay(case.run.initial, case.examples, case.validation, case.settings, count)
    mean_square = moment.second.astype(np.float64) / (1 - rule.beta2**count)
    return np.sqrt(np.sqrt(mean_square) + rule.epsilon)
