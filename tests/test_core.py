"""The compiled core is held to the definition, and to a second trainer written in matrices.

In float64 it must give the definition's bits wherever only ``+ - * /``, comparisons and square
roots take part: both do the same operations in the same order. Where exp, tanh, ln and powers
take part, two C libraries may differ in the last bit; there 1e-12 of the largest weight is
allowed (on one machine the bits are usually the same).

In float32 the definition runs on `numpy.float32`, so again the bits must agree. Where exp and
tanh take part they may differ in the last of 24 bits, and 2e-5 is allowed over an epoch. Two
things would make more of such a bit than rounding does, and are kept out on purpose: a weighted
sum of relu so near its kink that the bit decides its side, and Adam dividing a gradient that is
nothing but rounding by its own size (with an epsilon of 1e-4 it does not).
"""

import math
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import reference
from tinyglass import (
    DivergenceError,
    Examples,
    Layer,
    Network,
    Settings,
    TinyglassError,
    Watch,
    _core,
    arithmetic,
    start_network,
    train_examples,
    training,
)
from tinyglass.arithmetic import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from tinyglass.network import core_layers, flatten

TRAINABLE = ("linear", "sigmoid", "tanh", "relu", "leaky_relu")
ENDINGS = [(output, loss) for loss in LOSSES for output in LOSSES[loss].outputs]
WITHOUT_LIBM = {"linear", "relu", "leaky_relu"}
PRECISIONS = ("float32", "float64")
FOR_EVER = 1e6  # seconds
seeds = st.integers(0, 2**32 - 1)


# ---------------------------------------------------------------- cases


@dataclass
class Case:
    """A training: where it starts, on what, and how."""

    network: Network
    examples: Examples
    settings: Settings

    @property
    def dtype(self):
        return np.dtype(self.settings.precision)

    def changed(self, **values):
        return Case(self.network, self.examples, msgspec.structs.replace(self.settings, **values))


def expected_outputs(rng, n, n_outputs, output, loss):
    """Return expected outputs that the loss is defined for, (n, n_outputs)."""
    if loss != "cross_entropy":
        return rng.uniform(-1, 1, (n, n_outputs))
    if output == "softmax":
        certain = np.eye(n_outputs)[rng.integers(0, n_outputs, n)]
        shares = rng.multinomial(1024, np.full(n_outputs, 1 / n_outputs), n) / 1024  # add up to 1 exactly
        return np.where(rng.random((n, 1)) < 0.5, certain, shares)
    certain = rng.integers(0, 2, (n, n_outputs))
    return np.where(rng.random((n, n_outputs)) < 0.5, certain, rng.random((n, n_outputs)))


PLAIN = {"optimizer": "sgd", "learning_rate": 0.05, "batch": 1, "epochs": 1, "precision": "float64"}


def make_case(number, sizes, activations, loss, *, n=7, weighted=False, reach=0.7, **values):
    """Return a training on random numbers (the `number`-th), all of which are float32 numbers too."""
    rng = np.random.default_rng(number)
    s = Settings(hidden=sizes[1:-1], output=activations[-1], loss=loss, scale="none", **(PLAIN | values))
    start = {"bias": s.bias, "start": "uniform", "start_range": reach, "seed": number, "dtype": s.precision}
    network = start_network(sizes, activations, **start)

    def table(numbers):
        return numbers.astype(np.float32).astype(np.float64)

    X = table(rng.uniform(-1, 1, (n, sizes[0])))
    Y = table(expected_outputs(rng, n, sizes[-1], activations[-1], loss))
    classes = tuple(f"class{k}" for k in range(sizes[-1]))
    weight = table(rng.uniform(0.2, 3, n)) if weighted else None
    return Case(network, Examples(X, Y, classes, weight=weight), s)


def by_core(case, **arguments):
    """Return the run that the compiled core makes of a case.

    It is told that nothing can be learnt, and so does not look for saturation: what the
    definition does with a network of dead neurons is compared too.
    """
    with patch.object(training, "baseline_loss", return_value=math.inf):
        return train_examples(case.examples, case.settings, start=case.network, **arguments)


def weights_of_examples(case):
    """Return how much each example counts, the mean being 1."""
    examples, wish = case.examples, case.settings.class_weight
    weight = np.ones(examples.n_examples) if examples.weight is None else examples.weight
    of_class = examples.Y.argmax(axis=1)
    if wish == "balanced":
        counts = np.bincount(of_class)
        weight = weight * (examples.n_examples / (np.count_nonzero(counts) * counts[of_class]))
    elif wish != "none":
        weight = weight * [wish.get(examples.classes[k], 1.0) for k in of_class]
    return weight / weight[weight > 0].mean()


def plain_examples(case):
    """Return the examples that count, for the definition, as numbers of the case's precision."""
    kind = float if case.dtype == np.float64 else np.float32
    weights = weights_of_examples(case)
    rows = zip(case.examples.X.tolist(), case.examples.Y.tolist(), weights.tolist(), strict=True)
    plain = [arithmetic.Example([*map(kind, x)], [*map(kind, y)], kind(w)) for x, y, w in rows if w]
    return [example._replace(weight=1) for example in plain] if np.ptp(weights) < 1e-12 else plain


def rule_of(s):
    return arithmetic.Update(s.optimizer, s.momentum, s.beta1, s.beta2, s.epsilon, s.l2, s.weight_limit)


def rate_of(s, epoch):
    return arithmetic.learning_rate(
        arithmetic.Schedule(s.learning_rate, s.schedule, s.epochs, s.rate_drop, s.rate_every), epoch
    )


def batches_of(case, examples, epoch):
    """Return the examples of each update of an epoch."""
    s, n = case.settings, len(examples)
    order = arithmetic.epoch_order(n, s.seed, epoch) if s.shuffle else list(range(n))
    size = s.batch or n
    return [[examples[i] for i in order[first : first + size]] for first in range(0, n, size)]


def start_of(case):
    return arithmetic.start(case.network.plain(float if case.dtype == np.float64 else np.float32))


def by_definition(case):
    """Return the weights, flat, and the loss of each epoch, as the definition has them."""
    s, state, examples, losses = case.settings, start_of(case), plain_examples(case), []
    for epoch in range(s.epochs):
        n = len(examples)
        order = arithmetic.epoch_order(n, s.seed, epoch) if s.shuffle else list(range(n))
        state, loss = arithmetic.epoch(
            state, examples, order, s.batch or n, s.loss, rule_of(s), rate_of(s, epoch)
        )
        losses.append(loss)
    return weights_of(state.layers).astype(case.dtype), np.array(losses, np.float64)


def weights_of(layers):
    """Return all weights and biases, flat."""
    parts = [part for layer in layers for part in (layer.weights, layer.bias) if part is not None]
    return np.concatenate([np.ravel(part) for part in parts])


def difference(found, expected):
    """Return how far two sets of weights are apart, the largest weight being 1."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return np.abs(found - expected).max() / np.abs(expected).max()


def hold_to_the_definition(case):
    run, (weights, losses) = by_core(case), by_definition(case)
    found = weights_of(run.network.layers)
    assert found.dtype == case.dtype
    activations = {layer.activation for layer in case.network.layers}
    if activations <= WITHOUT_LIBM and case.settings.optimizer != "adam":
        assert np.array_equal(found, weights)
    assert difference(found, weights) <= (1e-12 if case.dtype == np.float64 else 2e-5)
    assert run.losses == pytest.approx(losses, rel=1e-12 if case.dtype == np.float64 else 2e-5, abs=1e-30)


def distance_from_kinks(case):
    """Return how near to 0 the weighted sums of relu and leaky relu come, over the first epoch."""
    s, state, nearest = case.settings, start_of(case), math.inf
    for batch in batches_of(case, plain_examples(case), 0):
        for example in batch:
            signals = zip(state.layers, arithmetic.feedforward(state.layers, example.inputs), strict=True)
            sums = [abs(x) for layer, here in signals if "relu" in layer.activation for x in here.sums]
            nearest = min([nearest, *sums])
        state, _ = arithmetic.step(state, batch, s.loss, rule_of(s), rate_of(s, 0))
    return nearest


# ---------------------------------------------------------------- the core is the definition


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("hidden", TRAINABLE)
def test_the_core_trains_as_the_definition_does(hidden, output, loss, optimizer):
    for precision in PRECISIONS:
        for batch in (1, 3, 0):  # of 7 examples: single, with a last batch of one, all at once
            for bias in (True, False):
                seed = 2 * batch + bias
                values = {"optimizer": optimizer, "batch": batch, "precision": precision, "bias": bias}
                values |= {"epochs": 2} if precision == "float64" else {"epsilon": 1e-4}
                case = make_case(seed, (3, 4, 3, 2), (hidden, hidden, output), loss, **values)
                if precision == "float32" and distance_from_kinks(case) < 1e-4:
                    continue
                hold_to_the_definition(case)


@st.composite
def cases(draw, precision, largest_rate):
    n_layers = draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(1, 8), min_size=n_layers + 1, max_size=n_layers + 1))
    output, loss = draw(st.sampled_from(ENDINGS))
    hidden = draw(st.lists(st.sampled_from(TRAINABLE), min_size=n_layers - 1, max_size=n_layers - 1))
    n = draw(st.integers(1, 12))
    last = f"class{sizes[-1] - 1}"
    class_weight = draw(st.sampled_from(["none", "none", "balanced", {"class0": 2.0}, {last: 0.25}, {last: 0.0}]))
    case = make_case(
        draw(st.integers(0, 2**31)),
        sizes,
        [*hidden, output],
        loss,
        n=n,
        bias=draw(st.booleans()),
        weighted=draw(st.booleans()),
        reach=0.6,
        precision=precision,
        seed=draw(st.integers(0, 2**63 - 1)),
        optimizer=draw(st.sampled_from([*OPTIMIZERS])),
        learning_rate=draw(st.floats(1e-4, largest_rate)),
        schedule=draw(st.sampled_from([*SCHEDULES])),
        rate_drop=draw(st.floats(0.1, 1)),
        rate_every=draw(st.integers(1, 3)),
        momentum=draw(st.floats(0, 0.95)),
        beta1=draw(st.floats(0, 0.95)),
        beta2=draw(st.floats(0.5, 0.999)),
        epsilon=1e-4 if precision == "float32" else draw(st.floats(1e-8, 1e-2)),
        l2=draw(st.sampled_from([0.0, 0.0, 0.01, 0.3])),
        weight_limit=draw(st.sampled_from([None, None, 0.5, 1.0])),
        batch=draw(st.integers(0, n + 1)),
        shuffle=draw(st.booleans()),
        epochs=1 if precision == "float32" else draw(st.integers(1, 4)),
        class_weight=class_weight,
    )
    assume(class_weight != {last: 0} or (case.examples.Y.argmax(axis=1) < sizes[-1] - 1).any())
    return case


@settings(deadline=None, max_examples=400)
@given(case=cases("float64", 0.1))
def test_the_core_trains_any_network_as_the_definition_does_in_float64(case):
    hold_to_the_definition(case)


@settings(deadline=None, max_examples=250)
@given(case=cases("float32", 0.03))
def test_the_core_trains_any_network_as_the_definition_does_in_float32(case):
    assume(distance_from_kinks(case) > 1e-4)
    hold_to_the_definition(case)


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=60)
@given(seed=seeds, beta1=st.floats(0, 0.99), beta2=st.floats(0.5, 0.9999))
def test_adam_has_the_definitions_bits_too(precision, seed, beta1, beta2):
    values = {"optimizer": "adam", "beta1": beta1, "beta2": beta2, "precision": precision, "batch": 2}
    case = make_case(seed % 2**31, (3, 4, 2), ("relu", "linear"), "half_squared_error", **values)
    assert np.array_equal(weights_of(by_core(case).network.layers), by_definition(case)[0])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_adam_remembers_the_squares_where_beta2_is_1_but_for_less_than_float32_can_tell(precision):
    values = {"optimizer": "adam", "beta2": 1 - 1e-8, "precision": precision, "batch": 0, "epochs": 3}
    case = make_case(5, (3, 4, 2), ("tanh", "linear"), "half_squared_error", **values)
    assert difference(weights_of(by_core(case).network.layers), by_definition(case)[0]) < 2e-5


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_a_bias_is_a_weight_whose_input_is_1_to_the_bit(seed):
    with_bias = make_case(seed % 2**31, (3, 1), ("sigmoid",), "half_squared_error", batch=3, epochs=3)
    (layer,) = with_bias.network.layers
    wide = Network([Layer(np.column_stack([layer.weights, layer.bias]), None, "sigmoid")])
    table = with_bias.examples
    widened = Examples(np.column_stack([table.X, np.ones(table.n_examples)]), table.Y, table.classes)
    (after,) = by_core(with_bias).network.layers
    (same,) = by_core(Case(wide, widened, with_bias.settings)).network.layers
    assert np.array_equal(np.column_stack([after.weights, after.bias]), same.weights)


# ---------------------------------------------------------------- the core and the second trainer


def dense(network):
    return [reference.Dense(layer.weights, layer.bias, layer.activation) for layer in network.layers]


def by_reference(case, validation=None):
    part = reference.Table(
        case.examples.X.astype(case.dtype),
        case.examples.Y.astype(case.dtype),
        weights_of_examples(case).astype(case.dtype),
    )
    aside = validation and reference.Table(
        validation.X.astype(case.dtype), validation.Y.astype(case.dtype), validation.weight
    )
    return reference.train(dense(case.network), part, case.settings, aside)


@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("hidden", TRAINABLE)
def test_larger_networks_train_as_in_the_second_trainer(hidden, output, loss):
    index = 14 * TRAINABLE.index(hidden) + ENDINGS.index((output, loss))
    for number, optimizer in enumerate(OPTIMIZERS):
        rng = np.random.default_rng([index, number])
        sizes = (int(rng.integers(5, 40)), int(rng.integers(10, 50)), int(rng.integers(5, 30)), 4)
        case = make_case(
            100 * index + number,
            sizes,
            (hidden, hidden, output),
            loss,
            n=90,
            bias=bool(rng.integers(2)),
            weighted=bool(rng.integers(2)),
            reach=0.25,
            optimizer=optimizer,
            learning_rate=0.01,
            schedule=[*SCHEDULES][(index + number) % 3],
            l2=float(rng.choice([0, 0.01])),
            weight_limit=[None, 0.26][rng.integers(2)],
            batch=int(rng.choice([1, 16, 0])),
            epochs=3,
        )
        run, expected = by_core(case), by_reference(case)
        assert difference(weights_of(run.network.layers), weights_of(expected.layers)) < 1e-12
        assert run.losses == pytest.approx(expected.losses, rel=1e-12)
        assert run.accuracies.tolist() == expected.accuracies
