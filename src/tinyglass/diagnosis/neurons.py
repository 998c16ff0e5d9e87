"""Neurons that cannot learn: saturated, dead, or identical."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import arithmetic
from ..network import Network, flatten, start_network
from .case import Case, text_of
from .diagnosis import Diagnosis, Looked, Place, Severity
from .rates import bends, smaller_rate

FLAT = 0.01  # of the steepest slope: a neuron less steep is flat
NEARLY_ALL = 0.99  # of the examples
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0}
MANY = 0.5  # of a layer's neurons
SOME = 0.25
POOR = 0.5  # of the loss to be compared with, above which a fault of neurons is severe
WRONG = 0.5  # an output so far from what is expected is wrong
WRONG_AND_FLAT = 0.1  # of the examples
LARGE_INPUT = 10.0  # prepared inputs that are larger saturate neurons by themselves
MOST_NAMED = 8
ENOUGH = "Nothing has to be done: most neurons of the layer can still learn"


def find_neuron_faults(case: Case) -> Looked:
    """Look at every neuron: whether it answers, and whether it has a slope."""
    found: list[Diagnosis] = []
    words, told = [], -1
    if case.run.outcome == "diverged" and case.ending[0] == "saturated":
        found.append(_driven_flat(case))
        told = case.run.network.layer_names.index(found[0].evidence["layer"])
    last = len(case.run.network.layers) - 1
    for number, layer in enumerate(case.run.network.layers):
        name = case.run.network.layer_names[number]
        if number == last:
            continue
        if layer.activation == "relu":
            outputs = Network(case.last.layers[: number + 1]).outputs(case.examples.X)
            dead = np.flatnonzero((outputs <= 0).all(axis=0))
            words.append(f"{name}: {len(dead)} of {layer.n_outputs} dead")
            if len(dead) and number != told:
                found.append(_dead_neurons(case, number, dead))
        elif layer.activation in STEEPEST:
            flat = np.flatnonzero(_flat_share(case, number, -1) >= NEARLY_ALL)
            words.append(f"{name}: {len(flat)} of {layer.n_outputs} saturated")
            if len(flat) and number != told:
                found.append(_saturated(case, number, flat))
        if layer.n_outputs > 1 and _identical(case, number):
            found.append(_identical_neurons(case, number))
    found += _flat_outputs(case)
    return Looked(
        "neurons", "; ".join(words) or "no hidden neuron that could be dead or saturated", tuple(found)
    )


def _dead(case: Case, layer: int, moment: int) -> np.ndarray:
    """Return which neurons of a relu layer answer 0 to every probed example."""
    return np.asarray((case.signals(moment)[layer] <= 0).all(axis=0))


def slopes_of(case: Case, layer: int, moment: int) -> np.ndarray:
    """Return ∂output/∂sum of every neuron and probed example; of sigmoid and tanh it follows from the output."""
    slope = arithmetic.ACTIVATIONS[case.run.network.layers[layer].activation].slope
    assert slope is not None
    outputs = case.signals(moment)[layer]
    return np.asarray(slope(outputs, outputs))


def _flat_share(case: Case, layer: int, moment: int) -> np.ndarray:
    """Return for how many of the probed examples each neuron is flat."""
    steepest = STEEPEST[case.run.network.layers[layer].activation]
    return np.asarray((slopes_of(case, layer, moment) < FLAT * steepest).mean(axis=0))


def _since(case: Case, is_so: Callable[[int], np.ndarray], which: np.ndarray) -> list[int]:
    """Return for each neuron the number of updates at the first moment from which on it was so until the end."""
    since = np.full(len(which), case.run.updates)
    open_ = np.ones(len(which), bool)
    for moment in range(len(case.moments) - 1, -1, -1):
        open_ &= is_so(moment)[which]
        since[open_] = case.moments[moment]
        if not open_.any():
            break
    return [int(n) for n in since]


def _graded(case: Case, share: float) -> Severity:
    """Return how bad it is that this share of a layer cannot learn."""
    poor = not case.losses[-1] <= POOR * case.reference
    if share >= MANY and poor:
        return "severe"
    return "warning" if share >= MANY or (share >= SOME and poor) else "note"


def _named(case: Case, layer: int, which: np.ndarray) -> str:
    names = [case.neuron(layer, int(j)) for j in which[:MOST_NAMED]]
    return ", ".join(names) + (f" and {len(which) - MOST_NAMED} more" if len(which) > MOST_NAMED else "")


def _evidence(case: Case, layer: int, which: np.ndarray, since: list[int]) -> dict[str, Any]:
    return {
        "layer": case.run.network.layer_names[layer],
        "neurons": [case.neuron(layer, int(j)) for j in which],
        "of": case.run.network.layers[layer].n_outputs,
        "since_update": since,
        "examples": case.examples.n_examples,
        "loss_at_end": float(case.losses[-1]),
        "largest_input": case.largest_input,
    }


def _where(case: Case, neuron: str, since: int) -> Place:
    epoch, step = case.place_of(min(since, max(case.run.updates - 1, 0)))
    return Place(epoch, step if case.steps > 1 else None, None, neuron)


def _cause(case: Case, from_start: bool) -> tuple[str, dict[str, Any], bool]:
    """Return a remedy in words, as settings, and whether to draw the start anew."""
    s = case.settings
    if case.largest_input > LARGE_INPUT and case.scaling:
        text = f"Scale the inputs, the largest of which is {text_of(case.largest_input)}: --scale standard"
        return text, case.scaling, False
    if case.largest_input > LARGE_INPUT and case.run.network.preparation is None:
        return f"Scale the inputs (largest {text_of(case.largest_input)}) to about 1", {}, False
    usual = usual_start(s.activation)
    if from_start and not _was_drawn(case, usual):
        return f"Start with other weights: --start {usual}", {"start": usual}, True
    rate = None if from_start else smaller_rate(case)[0]
    if rate is not None:
        return f"Use a learning rate of {rate:g}", {"learning_rate": rate}, False
    other = (s.seed + 1) % 2**63
    return f"Start with other weights: --seed {other}", {"seed": other}, True


def _was_drawn(case: Case, start: str) -> bool:
    """Tell whether the training began with what `start` draws from its seed: drawing again changes nothing."""
    initial, s = case.run.initial, case.settings
    sizes = (initial.n_inputs, *(layer.n_outputs for layer in initial.layers))
    activations = [layer.activation for layer in initial.layers]
    drawn = start_network(sizes, activations, bias=s.bias, start=start, seed=s.seed, dtype=s.precision)
    return np.array_equal(flatten(drawn), flatten(initial))


def usual_start(activation: str) -> str:
    """Return the starting weights that suit an activation, which "auto" means."""
    return "he" if activation in ("relu", "leaky_relu") else "glorot"


# ---------------------------------------------------------------- dead, saturated, identical


def _dead_neurons(case: Case, layer: int, dead: np.ndarray) -> Diagnosis:
    since = _since(case, lambda moment: _dead(case, layer, moment), dead)
    born = sum(n == 0 for n in since)
    n = case.run.network.layers[layer].n_outputs
    name = case.run.network.layer_names[layer]
    severity = _graded(case, len(dead) / n)
    text, redraw = "", False
    settings: dict[str, Any] = {}
    if severity != "note":
        text, settings, redraw = _cause(case, from_start=2 * born >= len(dead))
    if "start" in settings or "seed" in settings:
        text, settings = (
            text + ", and --activation leaky-relu, which has a slope everywhere",
            {
                **settings,
                "activation": "leaky_relu",
            },
        )
    return Diagnosis(
        "dead_neurons",
        severity,
        f"{len(dead)} of {n} neurons of layer {name!r} {'is' if len(dead) == 1 else 'are'} dead: "
        "their output is 0 for every example",
        _evidence(case, layer, dead, since) | {"dead_from_the_start": born},
        (
            f"{_named(case, layer, dead)}: the weighted sum is 0 or less for each of "
            f"{case.examples.n_examples} examples, so the slope of relu is 0, and no gradient changes "
            "these weights any more.",
            f"{born} of them were so from the start"
            + (f", the others after update {max(since)} at the latest." if born < len(dead) else "."),
        ),
        text or ENOUGH,
        _where(case, case.neuron(layer, int(dead[0])), since[0]),
        settings,
        redraw=redraw,
    )


def _saturated(case: Case, layer: int, flat: np.ndarray) -> Diagnosis:
    since = _since(case, lambda moment: _flat_share(case, layer, moment) >= NEARLY_ALL, flat)
    born = sum(n == 0 for n in since)
    n, activation = case.run.network.layers[layer].n_outputs, case.run.network.layers[layer].activation
    slopes = slopes_of(case, layer, -1)[:, flat]
    severity = _graded(case, len(flat) / n)
    text, redraw = ENOUGH, False
    settings: dict[str, Any] = {}
    if severity != "note":
        text, settings, redraw = _cause(case, from_start=2 * born >= len(flat))
    return Diagnosis(
        "saturated_neurons",
        severity,
        f"{len(flat)} of {n} neurons of layer {case.run.network.layer_names[layer]!r} "
        f"{'is' if len(flat) == 1 else 'are'} saturated: their outputs are flat",
        _evidence(case, layer, flat, since)
        | {
            "saturated_from_the_start": born,
            "mean_slope": float(slopes.mean()),
            "steepest": STEEPEST[activation],
        },
        (
            f"{_named(case, layer, flat)}: for {100 * NEARLY_ALL:g} % of {case.probed.n_examples} examples the "
            f"slope is below {text_of(FLAT * STEEPEST[activation])}, a hundredth of {activation}'s steepest; "
            f"on average it is {text_of(float(slopes.mean()))}, and the gradient is multiplied by it.",
            f"{born} of them were so from the start"
            + (f", the others after update {max(since)} at the latest." if born < len(flat) else "."),
        ),
        text,
        _where(case, case.neuron(layer, int(flat[0])), since[0]),
        settings,
        redraw=redraw,
    )


def _driven_flat(case: Case) -> Diagnosis:
    """The core ended the training, because no gradient passed any more."""
    trouble = case.ending[1]
    layer = trouble["layer"]
    name = case.run.network.layer_names[layer]
    neuron = case.neuron(layer, trouble["neuron"])
    whole = not trouble["sum"]
    relu = case.run.network.layers[layer].activation == "relu"
    steepest = max(bends(case), key=lambda bend: bend.rate / bend.curvature.limit)
    beyond = steepest.rate / steepest.curvature.limit
    hot = beyond > 1 and not _was_flat_at_start(case, layer)
    if hot and (rate := smaller_rate(case)[0]) is not None:
        text, settings, redraw = f"Use a learning rate of {rate:g}", {"learning_rate": rate}, False
    else:
        text, settings, redraw = _cause(case, from_start=True)
    what = (
        f"Every neuron of layer {name!r} is {'dead' if relu else 'saturated'} for every example"
        if whole
        else f"Neuron {neuron} is saturated: its weighted sum reached {trouble['value']:.3g}"
    )
    loss = float(case.losses[-1])
    better = loss < case.baseline
    proof = [
        f"Training ended in epoch {trouble['epoch'] + 1} because no gradient passes there any more. The loss of all "
        f"examples, without penalty, is {text_of(loss)}, {'less' if better else 'no less'} than that of the best "
        f"constant answer, {text_of(float(case.baseline))}."
    ]
    if hot:
        proof.append(
            f"After update {steepest.updates} the curvature allowed a learning rate of "
            f"{text_of(steepest.curvature.limit)}, and it was {text_of(steepest.rate)}."
        )
    return Diagnosis(
        "dead_neurons" if relu and whole else "saturated_neurons",
        "warning" if loss <= POOR * case.reference else "severe",
        what,
        {
            "layer": name,
            "neuron": neuron,
            "epoch": trouble["epoch"] + 1,
            "loss_at_end": loss,
            "baseline_loss": float(case.baseline),
            "value": float(trouble["value"]),
            "whole_layer": whole,
            "times_the_limit": float(beyond) if np.isfinite(beyond) else None,
            "flat_at_the_start": _was_flat_at_start(case, layer),
            "largest_input": case.largest_input,
        },
        tuple(proof),
        text,
        Place(trouble["epoch"] + 1, None, None, neuron),
        settings,
        redraw=redraw,
    )


def _was_flat_at_start(case: Case, layer: int) -> bool:
    activation = case.run.network.layers[layer].activation
    if activation == "relu":
        return bool(_dead(case, layer, 0).all())
    if activation in STEEPEST:
        return bool((_flat_share(case, layer, 0) >= NEARLY_ALL).mean() >= MANY)
    return False


def _identical(case: Case, layer: int) -> bool:
    """Tell whether all neurons of a hidden layer give the same outputs, at the start and at the end."""
    return all(
        bool((case.signals(moment)[layer] == case.signals(moment)[layer][:, :1]).all()) for moment in (0, -1)
    ) and not (
        case.run.network.layers[layer].activation == "relu"
        and _dead(case, layer, 0).all()
        and _start_differs(case, layer)
    )


def _start_differs(case: Case, layer: int) -> bool:
    weights = case.run.initial.layers[layer].weights
    return bool((weights != weights[0]).any())


def _identical_neurons(case: Case, layer: int) -> Diagnosis:
    name, n = case.run.network.layer_names[layer], case.run.network.layers[layer].n_outputs
    weights = case.run.initial.layers[layer].weights
    spread = float(np.ptp(weights, axis=0).max())
    usual = usual_start(case.settings.activation)
    return Diagnosis(
        "identical_neurons",
        "severe",
        f"All {n} neurons of layer {name!r} are the same: they start equal, and every gradient is the same for all",
        {
            "layer": name,
            "neurons": n,
            "largest_difference_at_start": spread,
            "loss_at_end": float(case.losses[-1]),
        },
        (
            f"At the start their weights differ by {text_of(spread)} at most, and at the end they still give the same "
            f"output for each of {case.probed.n_examples} examples: the layer works as one neuron.",
        ),
        f"Start with random weights: --start {usual}",
        Place(1, None, None, case.neuron(layer, 0)),
        {"start": usual},
        redraw=True,
    )


def _flat_outputs(case: Case) -> Iterator[Diagnosis]:
    """Outputs that are wrong where they are flat: under a squared loss they cannot be mended."""
    layer = len(case.run.network.layers) - 1
    activation = case.run.network.layers[-1].activation
    if case.settings.loss == "cross_entropy" or activation not in (*STEEPEST, "softmax"):
        return
    outputs = case.signals(-1)[layer]
    slopes = outputs * (1 - outputs) if activation != "tanh" else 1 - outputs * outputs
    steepest = STEEPEST.get(activation, 0.25)
    wrong = np.abs(outputs - case.probed.Y) > WRONG
    stuck = (wrong & (slopes < FLAT * steepest)).any(axis=1)
    if stuck.mean() < WRONG_AND_FLAT:
        return
    example = int(np.flatnonzero(stuck)[0])
    place = int(np.flatnonzero((case.probed.X[example] == case.examples.X).all(axis=1))[0]) + 1
    settings: dict[str, Any] = (
        {"loss": "cross_entropy"} if activation != "tanh" and case.examples.classes else {}
    )
    text = "Use cross-entropy, under which the slope cancels: --loss cross-entropy" if settings else ""
    if _was_flat_at_start(case, layer) or not settings:
        more, others, redraw = _cause(case, from_start=True)
        text, settings = f"{text}. {more}" if text else more, settings | others
    else:
        redraw = False
    yield Diagnosis(
        "saturated_neurons",
        "severe" if stuck.mean() >= MANY or not case.losses[-1] <= POOR * case.reference else "warning",
        f"The outputs are wrong where they are flat, for {100 * stuck.mean():.0f} % of the examples",
        {
            "layer": "output",
            "share_of_examples": float(stuck.mean()),
            "examples": case.probed.n_examples,
            "loss_at_end": float(case.losses[-1]),
        },
        (
            f"An output is more than {WRONG:g} off while the slope of {activation} is below "
            f"{text_of(FLAT * steepest)}: a squared loss passes back the error times that slope, next to nothing.",
        ),
        text,
        Place(case.place_of(max(case.run.updates - 1, 0))[0], None, place),
        settings,
        redraw=redraw,
    )
