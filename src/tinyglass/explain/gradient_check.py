"""Every gradient beside its finite difference: the proof that backpropagation is right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ..arithmetic import SMALLEST_PROBABILITY, Gradient, Layer, Update
from ..engine import check_start, check_targets
from ..errors import ArgumentError
from ..network import Network
from ..preparation import Examples
from ..settings import make_settings
from .explanation import Section, Table
from .notation import BIAS, Notation
from .tracing import Symbol
from .working import Step, Working, all_weights, entry, feedforward, losses_of, map_arrays, work

ALLOWED = 1e-6  # relative gap, beyond what the rounding of the loss explains
MOST_CHECKED = 400  # weights; of a larger network the steepest of each layer, and others evenly spread
EPSILON = float(np.finfo(np.float64).eps)
SHRINKINGS = 3  # of the step width, to come out of the reach of a kink

WHY = (
    "The finite difference is (L(w + h) − L(w − h)) / 2h, computed in float64. "
    "h is the cube root of the machine epsilon, 6.06e-06, times the weight where that is larger than 1, and "
    "divided by the largest input of the weight's layer where that is larger than 1: a larger h would add "
    "the curvature of the loss (an error that grows as h²), a smaller one the rounding of the loss (as 1/h)."
)


class GradientCheck(NamedTuple):
    """A gradient beside its finite difference.

    Attributes
    ----------
    layer, neuron, input : int, from 0; `input` −1 is the bias
    gradient : float, by backpropagation
    difference : float, (L(w + h) − L(w − h)) / 2h
    gap : float, relative to the larger of the two
    allowed : float, relative gap that rounding explains
    width : float, h
    excuse : str
        Why the two need not agree: "kink", where a relu changes sides between w − h and w + h and
        the loss has no derivative; "cut off", where the logarithm of cross-entropy is (see
        `tinyglass.arithmetic.SMALLEST_PROBABILITY`) and the gradient goes on; "not finite"; otherwise empty.
    """

    layer: int
    neuron: int
    input: int
    gradient: float
    difference: float
    gap: float
    allowed: float
    width: float
    excuse: str

    @property
    def agrees(self) -> bool:
        return self.gap <= self.allowed


def check_gradients(
    network: Network,
    X: Any,
    Y: Any,
    loss: str = "half_squared_error",
    *,
    weight: Any = None,
    l2: float = 0.0,
) -> list[GradientCheck]:
    """Return every gradient of a network beside its finite difference.

    Parameters
    ----------
    network : Network
    X : array-like, (n_examples, n_inputs)
    Y : array-like, (n_examples, n_outputs), expected
    loss : str, a key of `tinyglass.arithmetic.LOSSES`
    weight : array-like, (n_examples,), optional: how much each example counts
    l2 : float

    Raises
    ------
    ArgumentError
        If shapes do not fit, the loss is not defined for these outputs, or an activation has no slope.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> neuron = Network([Layer([[0.3, 0.9]], None, "linear")])
    >>> [round(check.gradient, 6) for check in check_gradients(neuron, [[0.1, 0.8]], [[0.4]])]
    [0.035, 0.28]
    """
    examples = Examples(np.asarray(X, np.float64), np.asarray(Y, np.float64), weight=weight)
    settings = make_settings({"loss": loss})
    try:
        check_start(network, examples, settings)
    except ArgumentError as error:
        raise ArgumentError(error.what, "the network", "Use a network and a loss that fit") from error
    check_targets(examples, msgspec.structs.replace(settings, output=network.layers[-1].activation))
    step = Step(
        tuple(Layer(l.weights, l.bias, l.activation) for l in network.layers),
        (),
        (),
        examples.X,
        examples.Y,
        examples.weight,
        loss,
        Update(l2=l2),
        0.0,
        1,
    )
    return check_step(step)


def check_step(step: Step, places: Sequence[tuple[int, int, int]] | None = None) -> list[GradientCheck]:
    """Return the gradients of a step beside their finite differences.

    Parameters
    ----------
    step : Step; numbers of any kind are taken as float64
    places : (layer, neuron, input) of the weights to check; None: all, or of a large network some of each layer
    """
    step = in_float64(step)
    working = work(step)
    gradients, noise = working.gradients, _noise(step, working)
    found = []
    for l, j, i in chosen_places(step, gradients) if places is None else places:
        gradient = float(entry(gradients[l], j, i))
        if step.rule.l2 and i != BIAS:
            gradient += float(step.rule.l2) * float(step.layers[l].weights[j][i])
        difference, width, excuse, reach = _difference(step, (l, j, i))
        rounding = noise / reach
        larger = max(abs(gradient), abs(difference))
        if not math.isfinite(larger):
            excuse = "not finite"
        gap = abs(gradient - difference) / larger if larger and excuse != "not finite" else 0.0
        allowed = ALLOWED + (rounding / larger if larger else 0.0)
        found.append(GradientCheck(l, j, i, gradient, difference, gap, allowed, width, excuse))
    return found


def in_float64(step: Step) -> Step:
    """Return the step with all its numbers as float64."""
    rule: dict[str, Any] = {
        name: value if value is None or isinstance(value, str) else float(value)
        for name, value in step.rule._asdict().items()
    }
    step = map_arrays(step, lambda array: np.asarray(array).astype(np.float64))
    first = step.first or tuple(Gradient(np.zeros(np.shape(l.weights)), l.bias) for l in step.layers)
    return step._replace(first=first, second=step.second or first, rule=Update(**rule), rate=float(step.rate))


def _difference(step: Step, place: tuple[int, int, int]) -> tuple[float, float, str, float]:
    """Return the finite difference, its width, why it may be wrong, and how far apart its two weights are."""
    l, j, i = place
    w = float(entry(step.layers[l], j, i))
    inputs = step.X if l == 0 else feedforward(step.layers[:l], step.X)[1][-1]
    largest = 1.0 if i == BIAS else max(1.0, float(np.abs(inputs).max()))
    narrowest = 4 * float(np.spacing(abs(w)))
    width = max(float(np.cbrt(EPSILON)) * max(abs(w), 1.0) / largest, narrowest)
    for again in range(SHRINKINGS, -1, -1):
        above, sides_above, cut = _loss_with(step, place, w + width)
        below, sides_below, _ = _loss_with(step, place, w - width)
        excuse = "cut off" if cut else "" if np.array_equal(sides_above, sides_below) else "kink"
        if excuse != "kink" or not again:
            break
        width = max(width / 10, narrowest)
    reach = (w + width) - (w - width)
    return (above - below) / reach, width, excuse, reach


def _noise(step: Step, working: Working) -> float:
    """Return how far rounding may move the loss in float64, whatever the weight.

    Of the loss itself; under cross-entropy of the logarithms, whose arguments are near 1 or are
    1 − output; and of the weighted sums, each through its delta.
    """
    with np.errstate(all="ignore"):
        terms = abs(float(working.loss))
        if step.loss == "cross_entropy":
            terms += 1.0
            if step.layers[-1].activation == "sigmoid":
                outputs = np.asarray(working.outputs[-1], np.float64)
                terms += float(np.mean(np.sum((1 - step.Y) / np.maximum(1 - outputs, EPSILON), axis=1)))
        for sums, deltas in zip(working.sums, working.deltas, strict=True):
            terms += float(np.mean(np.sum(np.abs(sums * deltas), axis=1)))
        weight = 1.0 if step.weight is None else float(np.max(step.weight))
    return 8 * EPSILON * terms * max(weight, 1.0)


def _loss_with(step: Step, place: tuple[int, int, int], value: float) -> tuple[float, np.ndarray, bool]:
    """Return the loss with one weight replaced, on which side each relu is, and whether a logarithm is cut off."""
    l, j, i = place
    layer = step.layers[l]
    weights: Any = np.array(layer.weights)
    bias: Any = None if layer.bias is None else np.array(layer.bias)
    if i == BIAS:
        bias[j] = value
    else:
        weights[j, i] = value
    changed = layer._replace(weights=weights, bias=bias)
    step = step._replace(layers=(*step.layers[:l], changed, *step.layers[l + 1 :]))
    with np.errstate(all="ignore"):
        sums, outputs = feedforward(step.layers, step.X)
        loss = float(losses_of(step, outputs[-1])[1])
    sides = [(s > 0).ravel() for s, here in zip(sums, step.layers, strict=True) if "relu" in here.activation]
    least = outputs[-1]
    if step.layers[-1].activation == "sigmoid":
        least = np.minimum(least, 1 - least)
    cut = step.loss == "cross_entropy" and bool((least < float(SMALLEST_PROBABILITY)).any())
    return loss, np.concatenate(sides) if sides else np.zeros(0), cut


def chosen_places(step: Step, gradients: Sequence[Gradient]) -> list[tuple[int, int, int]]:
    """Return all weights, or of a large network the steepest ten of each layer and others evenly spread."""
    places = all_weights(step.layers)
    if len(places) <= MOST_CHECKED:
        return places
    steepest = []
    for l, gradient in enumerate(gradients):
        size = np.abs(np.asarray(gradient.weights))
        for flat in np.argsort(size, axis=None)[::-1][:10]:
            j, i = np.unravel_index(flat, size.shape)
            steepest.append((l, int(j), int(i)))
    spread = places[:: len(places) // (MOST_CHECKED - len(steepest)) + 1]
    return sorted({*steepest, *spread}, key=lambda p: (p[0], p[1], p[2] == BIAS, p[2]))


def proof_section(
    step: Step, names: Notation, places: Sequence[tuple[int, int, int]] | None = None
) -> tuple[Section, dict[str, Any]]:
    """Return the section that sets gradients beside finite differences, and its facts."""
    checks = check_step(step, places)
    n_weights = sum(np.size(l.weights) + (0 if l.bias is None else len(l.bias)) for l in step.layers)
    rows = tuple(
        (
            Symbol("weight", c.layer, c.neuron, c.input),
            c.gradient,
            c.difference,
            f"{c.gap:.1e}",
            f"{c.width:.2e}",
            c.excuse or "NO" if c.excuse == "not finite" or not c.agrees else "",
        )
        for c in checks
    )
    smooth = [c for c in checks if not c.excuse]
    worst = max(smooth, key=lambda c: c.gap / c.allowed, default=None)
    wrong = [c for c in smooth if not c.agrees]
    said = [WHY]
    if len(checks) < n_weights and places is None:
        said.append(
            f"{len(checks)} of {n_weights} weights are checked: the steepest of each layer, and others evenly spread."
        )
    if worst is not None:
        name = names.text(Symbol("weight", worst.layer, worst.neuron, worst.input))
        gap = f"the widest gap beside what rounding explains is {worst.gap:.1e}, of {name}"
        said.append(
            f"{len(wrong)} of {len(smooth)} gradients disagree with their finite differences."
            if wrong
            else f"{f'All {len(smooth)} agree' if len(smooth) > 1 else 'The two agree'}; {gap}."
        )
    if step.rule.l2:
        said.append("The gradients are those of the loss with its penalty, ½·l2·Σ weight².")
    excuses = Counter(c.excuse for c in checks if c.excuse)
    if excuses["kink"]:
        said.append(
            f"For {excuses['kink']} a relu changes sides within h: there the loss has a kink and no derivative, "
            "and the two need not agree."
        )
    if excuses["not finite"]:
        said.append(
            f"For {excuses['not finite']} the loss is beyond what a number can hold, and nothing is compared."
        )
    if excuses["cut off"]:
        said.append(
            f"For {excuses['cut off']} a probability is below 2^-126, where the logarithm of the loss is cut off and "
            "its gradient goes on: the two need not agree."
        )
    table = Table(
        "Gradients of the batch's loss, beside their finite differences",
        ("weight", "gradient", "finite difference", "relative gap", "h", ""),
        rows,
    )
    facts = {
        "checked": len(checks),
        "weights": n_weights,
        "disagree": len(wrong),
        "excused": dict(excuses),
        "largest_gap": worst.gap if worst else 0.0,
    }
    return Section("proof", "Proof by finite differences", (*said, table)), facts
