"""A run, replayed in the core up to any step, and how far the definition agrees with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .. import network as networks
from ..arithmetic import Gradient, Layer, Update
from ..engine import batches_of, loss_and_gradient, order_of, rate_of, replay_on
from ..errors import ArgumentError, DisagreementError
from ..fitting import fingerprint_of, settle
from ..network import Network, with_parameters
from ..preparation import Examples
from ..recordings import Recording
from ..runs import Run
from ..settings import Settings
from ..training import make_examples, parted
from ..units import same_units
from .working import Step, Working, map_arrays

BOUNDS = {"float32": 1e-5, "float64": 1e-12}
"""How far core and definition may differ, relative to the largest number of the same layer and kind."""

RATIONAL = {"linear", "relu", "leaky_relu"}


class Place(NamedTuple):
    """Where in a training a step stands.

    Attributes
    ----------
    epoch, step : int, from 1; `step` within the epoch
    updates : int, made before it, over the whole training
    examples : int array, (n_batch,): the places of its batch in the examples, from 0
    """

    epoch: int
    step: int
    updates: int
    examples: np.ndarray


class Replayed(NamedTuple):
    """A step of a run, as the core came to it.

    Attributes
    ----------
    place : Place
    step : Step, for the definition
    after : Network or None
        What the core made of it; None where the training diverged in this step.
    memory : tuple of (first, second) or None, what the core's optimiser remembered after it
    gradient : tuple of Gradient, the core's, averaged over the batch, without L2
    examples : Examples, all that the run was trained on
    """

    place: Place
    step: Step
    after: Network | None
    memory: tuple[tuple[Gradient, ...], tuple[Gradient, ...]] | None
    gradient: tuple[Gradient, ...]
    examples: Examples


def restore(
    run: Run, recordings: Sequence[Recording] | Examples | None = None
) -> tuple[Examples, Examples | None]:
    """Return the examples that a run was trained on, and those kept aside, as the core had them.

    Parameters
    ----------
    run : Run
    recordings : sequence of Recording, or Examples
        What it was trained on; may be left out as long as the run that `train` returned is in memory.

    Raises
    ------
    ArgumentError
        If they are not what the run was trained on, or are needed and not given.
    """
    if recordings is None:
        if run.examples is None:
            raise ArgumentError(
                "A run from a file does not hold the recordings",
                "the recordings",
                "Give those that it was trained on",
            )
        return run.examples, run.validation
    settings = run.settings
    if isinstance(recordings, Examples):
        found = settle(recordings, None, settings)
    else:
        kept, aside = parted(same_units(recordings)[0], settings)
        examples, validation, _ = make_examples(kept, aside, settings, run.network.classes)
        found = settle(examples, validation, settings)
    if fingerprint_of(*found) != run.fingerprint:
        raise ArgumentError(
            f"These {len(recordings) if not isinstance(recordings, Examples) else found[0].n_examples} "
            "recordings are not those that the run was trained on: their fingerprint differs",
            "the recordings",
            "Give the same files, chosen by the same options, or train again",
        )
    return found


def find_place(run: Run, examples: Examples, epoch: int, step: int | None, example: int | None) -> Place:
    """Return where a step is, by its number or by an example of it.

    Parameters
    ----------
    run : Run
    examples : Examples, that it was trained on
    epoch : int, from 1
    step : int or None, from 1; None: the one with the example, or the first
    example : int or None, from 1

    Raises
    ------
    ArgumentError
        If the training never came there.
    """
    n = examples.n_examples
    batch, steps = batches_of(run.settings, n)
    if example is not None and not 1 <= example <= n:
        raise ArgumentError(
            f"Expected an example from 1 to {n}, found {example}", "--example", "Give one of these"
        )
    order = order_of(run.settings, n, max(epoch, 1) - 1)
    if step is None:
        step = 1 if example is None else int(np.flatnonzero(order == example - 1)[0]) // batch + 1
    if not 1 <= step <= steps:
        raise ArgumentError(
            f"Expected a step from 1 to {steps}, found {step}: "
            f"an epoch is {n} examples in batches of {batch}",
            "--step",
            "Give one of these",
        )
    last = run.updates - 1 + (run.outcome == "diverged")
    if epoch == last // steps + 1 and step - 1 > last % steps:
        raise ArgumentError(
            f"The training never came to step {step} of epoch {epoch}"
            + ("" if example is None else f", which example {example} is in")
            + f": it ended with step {last % steps + 1}",
            "--step",
            f"Give a step from 1 to {last % steps + 1}",
        )
    if epoch < 1 or (epoch - 1) * steps + step - 1 > last:
        raise ArgumentError(
            f"The training never came to epoch {epoch}, step {step}: "
            f"it ended with epoch {last // steps + 1}, step {last % steps + 1}",
            "--epoch",
            f"Give an epoch from 1 to {last // steps + 1}",
        )
    members = order[(step - 1) * batch : step * batch]
    if example is not None and example - 1 not in members:
        other = int(np.flatnonzero(order == example - 1)[0]) // batch + 1
        raise ArgumentError(
            f"Example {example} is not in step {step} of epoch {epoch}, "
            f"which has {', '.join(str(m + 1) for m in members[:8])}{', …' if len(members) > 8 else ''}",
            "--example",
            f"Give --step {other}, or leave --step out",
        )
    return Place(epoch, step, (epoch - 1) * steps + step - 1, members)


def replay_step(run: Run, examples: Examples, validation: Examples | None, place: Place) -> Replayed:
    """Return a step of a run as the core came to it, and what the core made of it."""
    settings = run.settings
    diverges = run.outcome == "diverged" and place.updates == run.updates
    moments = [place.updates] if diverges else [place.updates, place.updates + 1]
    before, *rest = replay_on(run.initial, examples, validation, settings, moments)
    after = with_parameters(run.network, rest[0].parameters) if rest else None
    network = with_parameters(run.network, before.parameters)
    dtype = np.dtype(settings.precision)
    which = place.examples
    step = Step(
        tuple(Layer(l.weights, l.bias, l.activation) for l in network.layers),
        _shaped(network, before.first),
        _shaped(network, before.second),
        examples.X[which].astype(dtype),
        examples.Y[which].astype(dtype),
        None if examples.weight is None else examples.weight[which].astype(dtype),
        settings.loss,
        rule_of(settings),
        rate_of(settings, place.epoch - 1),
        place.updates + 1,
    )
    plain = msgspec.structs.replace(settings, l2=0.0)
    gradient = loss_and_gradient(network, examples.take(which), plain, settings.precision)[1]
    memory = None
    if rest and settings.optimizer != "sgd":
        memory = (_shaped(network, rest[0].first), _shaped(network, rest[0].second))
    return Replayed(place, step, after, memory, _shaped(network, gradient), examples)


def rule_of(settings: Settings) -> Update:
    """Return the settings of an update, as the definition takes them."""
    return Update(
        settings.optimizer,
        settings.momentum,
        settings.beta1,
        settings.beta2,
        settings.epsilon,
        settings.l2,
        settings.weight_limit,
    )


def _shaped(network: Network, memory: np.ndarray) -> tuple[Gradient, ...]:
    """Return the optimiser's memory, in the core's order, in the shape of the layers; zeros if there is none."""
    result, begin = [], 0
    for layer in network.layers:
        n, n_out = layer.weights.size, layer.n_outputs
        if len(memory) == 0:
            part, bias = np.zeros(n, network.dtype), np.zeros(n_out, network.dtype)
        else:
            part, bias = memory[begin : begin + n], memory[begin + n : begin + n + n_out]
        begin += n + (n_out if layer.bias is not None else 0)
        weights = np.ascontiguousarray(part.reshape(layer.n_inputs, n_out).T)
        result.append(Gradient(weights, None if layer.bias is None else bias))
    return tuple(result)


# ---------------------------------------------------------------- exact numbers


def exactly(step: Step) -> Step:
    """Return the step in numbers that do not round: fractions, or decimals where a function has no exact value.

    A weight that was written 0.3 is three tenths here, not the nearest binary fraction.
    """
    number = _exact_kind(step)

    def exact(array: Any) -> Any:
        flat = np.array([number(str(value)) for value in np.asarray(array).ravel()], dtype=object)
        return flat.reshape(np.shape(array))

    constant = {
        name: number(repr(float(value))) if isinstance(value, float) else value
        for name, value in step.rule._asdict().items()
    }
    return map_arrays(step, exact)._replace(rule=Update(**constant), rate=number(repr(float(step.rate))))


def _exact_kind(step: Step) -> Any:
    rational = (
        all(layer.activation in RATIONAL for layer in step.layers)
        and step.loss != "cross_entropy"
        and step.rule.optimizer != "adam"
    )
    return Fraction if rational else Decimal


# ---------------------------------------------------------------- agreement


class Agreement(NamedTuple):
    """How far the definition and the core differ.

    Attributes
    ----------
    largest : float, the largest difference, relative to the largest number of its layer and kind
    where : str, what differs most, such as ``weights of hidden``
    bound : float, that it may reach
    """

    largest: float
    where: str
    bound: float


def compare(replayed: Replayed, working: Working, network: Network) -> Agreement:
    """Return how far the definition and the core differ in a step.

    Compared are the outputs of every layer, the averaged gradients, what the optimiser remembers,
    and the weights after the update. Where a gradient is what is left of numbers that cancel, such as
    output − expected or a slope 1 − output², it is measured beside these, since the last bit of an
    exponential may differ between the core's library and Python's.

    Raises
    ------
    DisagreementError
        If the difference is beyond the bound.
    """
    bound = BOUNDS[network.dtype.name]
    step, names = replayed.step, network.layer_names
    with np.errstate(all="ignore"):
        summands = _summands(step, working)
    found: list[tuple[str, Any, Any, float]] = []
    for l, name in enumerate(names):
        if step.layers[l].activation != "softmax" or l == len(names) - 1:
            so_far = with_layers(network, step.layers[: l + 1])
            size = _largest_sum(step, working, l)
            found.append((f"outputs of {name}", working.outputs[l], so_far.outputs(step.X), size))
    parts = [("gradients", working.gradients, replayed.gradient)]
    if replayed.memory is not None:
        parts += [
            ("memory", working.first, replayed.memory[0]),
            ("memory of squares", working.second, replayed.memory[1]),
        ]
    for what, ours, theirs in parts:
        power = 2 if what == "memory of squares" else 1
        for name, mine, cores, size in zip(names, ours, theirs, summands, strict=True):
            found.append((f"{what} of {name}", _parameters(mine), _parameters(cores), size**power))
    if replayed.after is not None:
        for name, new, made in zip(names, working.layers, replayed.after.layers, strict=True):
            found.append((f"weights of {name}", _parameters(new), _parameters(made), 0.0))
    worst, where = 0.0, found[0][0]
    for name, by_definition, by_core, size in found:
        a, b = np.asarray(by_definition, np.float64), np.asarray(by_core, np.float64)
        with np.errstate(all="ignore"):
            scale = max(np.abs(a).max(), np.abs(b).max(), size)
            gap = float(np.abs(a - b).max() / scale) if scale else 0.0
        if gap > worst:
            worst, where = gap, name
    if worst > bound:
        raise DisagreementError(
            f"The core and the definition differ by {worst:.2g} in the {where}, more than {bound:g}",
            f"epoch {replayed.place.epoch}, step {replayed.place.step}",
            "Please report it, with the run file: this is a defect of tinyglass",
        )
    return Agreement(worst, where, bound)


def _largest_sum(step: Step, working: Working, l: int) -> float:
    """Return the largest output that there would be in a layer if no products in its sums had cancelled."""
    layer = step.layers[l]
    if layer.activation in ("sigmoid", "softmax"):
        return 0.0  # these outputs are not small where the sums are
    weights, inputs = _floats([layer.weights, working.outputs[l - 1] if l else step.X])
    bias = 0.0 if layer.bias is None else np.abs(_floats([layer.bias])[0])
    largest = float((np.abs(inputs) @ np.abs(weights).T + bias).max())
    return min(1.0, largest) if layer.activation == "tanh" else largest


def _summands(step: Step, working: Working) -> list[float]:
    """Return, for each layer, the largest gradient there would be if nothing had cancelled.

    Differences cancel: output − expected; 1 − output² where a neuron is flat; the errors from several
    neurons; the examples of a batch. Absolute values are added up instead, as in the analysis of rounding.
    """
    outputs, Y = _floats(working.outputs), np.abs(_floats([step.Y])[0])
    weight = 1.0 if step.weight is None else np.asarray(step.weight, np.float64)[:, None]
    inputs = [np.abs(array) for array in (_floats([step.X])[0], *outputs[:-1])]
    largest: list[float] = []
    behind = np.maximum(np.abs(outputs[-1]), Y)  # of ∂loss/∂output
    for l in reversed(range(len(outputs))):
        activation, a, delta = step.layers[l].activation, np.abs(outputs[l]), _floats([working.deltas[l]])[0]
        if working.errors[l] is not None:
            error = np.abs(_floats([working.errors[l]])[0])
            if l == len(outputs) - 1:
                apart = np.abs(outputs[l] - _floats([step.Y])[0]).max()
                behind = behind * (error.max() / apart if apart else 1.0)
            slope = np.divide(np.abs(delta), error, out=np.ones_like(a), where=error > 0)
            if activation == "softmax":
                behind = a * (behind + error + ((behind + error) * a).sum(axis=1, keepdims=True))
            else:
                behind = behind * slope + (error * a if activation in ("sigmoid", "tanh") else 0.0)
        of_bias = (weight * behind).mean(axis=0)
        of_weights = (weight * behind).T @ inputs[l] / len(behind)
        largest.append(max(of_weights.max(), 0.0 if step.layers[l].bias is None else of_bias.max()))
        behind = behind @ np.abs(np.asarray(step.layers[l].weights, np.float64))
    return largest[::-1]


def _floats(arrays: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(array, np.float64) for array in arrays]


def _parameters(layer: Any) -> np.ndarray:
    return np.concatenate([np.ravel(layer.weights), [] if layer.bias is None else np.ravel(layer.bias)])


def with_layers(network: Network, layers: Sequence[Layer]) -> Network:
    """Return the network with these weights and biases."""
    made = tuple(networks.Layer(l.weights, l.bias, l.activation) for l in layers)
    return replace(network, layers=made) if len(made) == len(network.layers) else Network(made)
