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
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import reference
from tinyglass import (
    ArgumentError,
    DivergenceError,
    Examples,
    Layer,
    Network,
    Settings,
    TinyglassError,
    Watch,
    arithmetic,
    core,
    engine,
    fitting,
    start_network,
    train_examples,
)
from tinyglass.arithmetic import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from tinyglass.core import compiled
from tinyglass.network import core_layers, flatten, with_parameters

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
    examples: Examples = field(repr=False)
    settings: Settings

    @property
    def dtype(self):
        return np.dtype(self.settings.precision)


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


PLAIN = {
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "schedule": "constant",
    "l2": 0.0,
    "batch": 1,
    "epochs": 1,
    "precision": "float64",
}


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


def by_core(case, kernel="", isa="auto", **arguments):
    """Return the run that the compiled core makes of a case, with a kernel, or the one that suits.

    It is told that nothing can be learnt, and so does not look for saturation: what the
    definition does with a network of dead neurons is compared too.
    """
    isa = core.isa if isa == "auto" else isa
    s = msgspec.structs.replace(case.settings, core=f"{isa}-{kernel}" if kernel else isa)
    with patch.object(engine, "baseline_loss", return_value=math.inf):
        return train_examples(case.examples, s, start=case.network, **arguments)


def choices(case, isas=(core.isa,)):
    """Return (instruction set, kernel) of everything that can train a case."""
    n_examples = np.count_nonzero(weights_of_examples(case))
    batch, _ = engine.batches_of(case.settings, n_examples)
    return [(isa, kernel) for isa in isas for kernel in core.load(isa).kernels(batch)]


def weights_of_examples(case):
    """Return how much each example counts, the mean being 1."""
    examples, wish = case.examples, case.settings.class_weight
    weight = np.ones(examples.n_examples) if examples.weight is None else examples.weight
    of_class = examples.Y.argmax(axis=1)
    if wish == "balanced":
        sums = np.bincount(of_class, weights=weight)
        weight = weight * (sums.sum() / np.count_nonzero(sums) / sums[of_class])
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
    return np.abs(found - expected).max() / (np.abs(expected).max() or 1)


@contextmanager
def roundings_noted(case, module, name):
    """Yield a function that tells, (epochs,), how far rounded outputs may have moved the loss of each epoch.

    Cross-entropy asks for log(1 - output): the last bit of an output near 1 is worth 1 / (1 - output).
    The outputs are those that a function (module, name) is asked for the loss of.
    """
    original, eps, noted = getattr(module, name), np.finfo(case.dtype).eps, []

    def surprises(activation, O, Y):
        of_the_other = (1 - Y) * np.log(np.maximum(1 - O, 2.0**-126)) if activation == "sigmoid" else 0
        return -Y * np.log(np.maximum(O, 2.0**-126)) - of_the_other

    def noting(loss, activation, outputs, expected):
        O, Y = np.float64(outputs), np.float64(expected)
        here, *there = (surprises(activation, x, Y) for x in (O, O * (1 + eps), O * (1 - eps)))
        moved = np.where(O < 1, np.abs(np.subtract(there, here)).max(axis=0), 0)
        noted.append(moved.sum() if loss == "cross_entropy" else 0)
        return original(loss, activation, outputs, expected)

    def of_epochs():
        counts = weights_of_examples(case)
        of_each = np.reshape(noted, (case.settings.epochs, -1)).sum(axis=1)
        return of_each * counts.max() / np.count_nonzero(counts)

    with patch.object(module, name, noting):
        yield of_epochs


def hold_to_the_definition(case, isas=(core.isa,)):
    with roundings_noted(case, arithmetic, "loss") as rounding:
        weights, losses = by_definition(case)
    activations = {layer.activation for layer in case.network.layers}
    bound = 1e-12 if case.dtype == np.float64 else 2e-5
    near_losses = bound * np.abs(losses) + 1e-15 * len(losses) + rounding()
    for isa, kernel in choices(case, isas):
        run = by_core(case, kernel, isa)
        found = weights_of(run.network.layers)
        assert found.dtype == case.dtype
        if kernel == "plain" and activations <= WITHOUT_LIBM and case.settings.optimizer != "adam":
            assert np.array_equal(found, weights), isa
        assert difference(found, weights) <= bound, (isa, kernel)
        assert (np.abs(run.losses - losses) <= near_losses).all(), (isa, kernel)


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
    class_weight = draw(
        st.sampled_from(["none", "none", "balanced", {"class0": 2.0}, {last: 0.25}, {last: 0.0}])
    )
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
    assert np.array_equal(weights_of(by_core(case, "plain").network.layers), by_definition(case)[0])


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
    (after,) = by_core(with_bias, "plain").network.layers
    (same,) = by_core(Case(wide, widened, with_bias.settings), "plain").network.layers
    assert np.array_equal(np.column_stack([after.weights, after.bias]), same.weights)


# ---------------------------------------------------------------- the core and the second trainer


def dense(network):
    return [
        reference.Dense(
            np.float64(layer.weights),
            None if layer.bias is None else np.float64(layer.bias),
            layer.activation,
        )
        for layer in network.layers
    ]


def by_reference(case, validation=None):
    """Return what the second trainer, always in float64, makes of a case."""
    part = reference.Table(case.examples.X, case.examples.Y, weights_of_examples(case))
    aside = validation and reference.Table(validation.X, validation.Y, validation.weight)
    return reference.train(dense(case.network), part, case.settings, aside)


def is_comparable(hidden, output, precision):
    """Tell whether rounding takes none of so many weighted sums across a kink."""
    return precision == "float64" or "relu" not in hidden + output


LARGER = [
    (hidden, output, loss, precision)
    for hidden in TRAINABLE
    for output, loss in ENDINGS
    for precision in PRECISIONS
    if is_comparable(hidden, output, precision)
]


@pytest.mark.parametrize(("hidden", "output", "loss", "precision"), LARGER)
def test_larger_networks_train_as_in_the_second_trainer(hidden, output, loss, precision):
    for optimizer in OPTIMIZERS:
        number = [TRAINABLE.index(hidden), ENDINGS.index((output, loss)), [*OPTIMIZERS].index(optimizer)]
        rng = np.random.default_rng(number)
        values = {
            "bias": bool(rng.integers(2)),
            "weighted": bool(rng.integers(2)),
            "l2": float(rng.choice([0, 0.01])),
            "weight_limit": [None, 0.26][rng.integers(2)],
            "schedule": str(rng.choice([*SCHEDULES])),
            "batch": int(rng.choice([1, 16, 0])),
            "learning_rate": 0.01,
            "optimizer": optimizer,
            "precision": precision,
            "epochs": 3 if precision == "float64" else 1,
            "epsilon": 1e-8 if precision == "float64" else 1e-4,
        }
        sizes = (int(rng.integers(5, 40)), int(rng.integers(10, 50)), int(rng.integers(5, 30)), 4)
        case = make_case(sum(number), sizes, (hidden, hidden, output), loss, n=90, reach=0.25, **values)
        run, expected = by_core(case), by_reference(case)
        near = 1e-12 if precision == "float64" else 2e-5
        assert difference(weights_of(run.network.layers), weights_of(expected.layers)) < near
        assert run.losses == pytest.approx(expected.losses, rel=near)
        assert run.accuracies.tolist() == expected.accuracies


def examples_like(case, number, n):
    """Return other examples for the same network."""
    sizes = (case.network.n_inputs, case.network.n_outputs)
    other = make_case(number, sizes, (case.settings.output,), case.settings.loss, n=n, weighted=True)
    return other.examples


VALIDATED = {"validation": 0.2, "epochs": 60, "batch": 4, "optimizer": "momentum", "learning_rate": 0.05}


@pytest.mark.parametrize(
    ("patience", "tolerance", "l2"), [(0, 0.0, 0.0), (1, 0.0, 0.1), (3, 0.0, 0.0), (8, 0.01, 0.0)]
)
@pytest.mark.parametrize("ending", [("softmax", "cross_entropy"), ("linear", "mean_squared_error")])
def test_validation_early_stopping_and_the_best_weights_are_those_of_the_second_trainer(
    ending, patience, tolerance, l2
):
    stopped = 0
    for number in range(6):
        values = VALIDATED | {"patience": patience, "tolerance": tolerance, "l2": l2}
        case = make_case(number, (4, 8, 3), ("tanh", ending[0]), ending[1], n=15, **values)
        validation = examples_like(case, 1000 + number, 10)
        run, expected = by_core(case, validation=validation), by_reference(case, validation)
        assert run.validation_losses == pytest.approx(expected.validation_losses, rel=1e-11)
        assert run.validation_accuracies.tolist() == expected.validation_accuracies
        assert run.losses == pytest.approx(expected.losses, rel=1e-11)
        assert run.accuracies.tolist() == expected.accuracies
        assert run.best_epoch == expected.best_epoch
        assert difference(weights_of(run.network.layers), weights_of(expected.best)) < 1e-11
        assert run.outcome == ("stopped_early" if run.epochs < 60 else "finished")
        stopped += run.outcome == "stopped_early"
        if patience:
            assert run.epochs == min(60, run.best_epoch + patience)
    assert stopped > 0 if patience else stopped == 0


# ---------------------------------------------------------------- the same bits, however it is driven


def plan_of(case, **changes):
    """Return what the core is told besides layers and examples; it does not look for saturation."""
    s = case.settings
    same = ("loss", "optimizer", "momentum", "beta1", "beta2", "epsilon", "l2", "schedule", "rate_drop")
    same += ("rate_every", "epochs", "batch", "shuffle", "seed", "patience", "tolerance")
    limit = math.inf if s.weight_limit is None else s.weight_limit
    plan = {name: getattr(s, name) for name in same}
    return plan | {"rate": s.learning_rate, "weight_limit": limit, "baseline": math.inf} | changes


def trainer_of(case, validation=None, kernel="", isa=core.isa, **changes):
    """Return the compiled core itself, about to train the case."""
    network, dtype, module = case.network, case.dtype, core.load(isa)

    def part(e):
        arrays = (e.X, e.Y, e.weight)
        return tuple(a if a is None else a.astype(dtype, copy=False) for a in arrays)

    nothing = np.empty((0, network.n_inputs), dtype), np.empty((0, network.n_outputs), dtype), None
    kind = module.TrainerFloat32 if dtype == np.float32 else module.TrainerFloat64
    aside = nothing if validation is None else part(validation)
    plan, examples = plan_of(case, **changes), part(case.examples)
    return kind(core_layers(network), plan, examples, aside, flatten(network), kernel)


def lively_case(precision, number=1, n=60, **values):
    """Return a training whose smallest rounding shows in the end: shuffled, Adam, many updates."""
    values = {"precision": precision, "optimizer": "adam", "batch": 7, "epochs": 30} | values
    return make_case(number, (20, 30, 20, 3), ("tanh", "sigmoid", "softmax"), "cross_entropy", n=n, **values)


def bits(trainer):
    """Return everything that a trainer knows, as bytes."""
    return {name: array.tobytes() for name, array in trainer.state().items()}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_same_seed_gives_the_same_bits_also_in_two_threads_at_once(precision):
    def trained(results, number, barrier):
        trainer = trainer_of(lively_case(precision, epochs=200))
        barrier.wait()
        trainer.run(FOR_EVER)
        results[number] = bits(trainer)

    alone, together = {}, {}
    for number in range(2):
        trained(alone, number, threading.Barrier(1))
    both = threading.Barrier(2)
    threads = [threading.Thread(target=trained, args=(together, number, both)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone[0] == alone[1] == together[0] == together[1]

    other = trainer_of(lively_case(precision, epochs=200, seed=1))
    other.run(FOR_EVER)
    assert bits(other)["parameters"] != alone[0]["parameters"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_slices_do_not_change_a_bit(precision):
    case = lively_case(precision, n=300)
    validation = examples_like(case, 2, 40)
    at_once, sliced = trainer_of(case, validation), trainer_of(case, validation)
    assert at_once.run(FOR_EVER) == "finished"
    within_an_epoch = 0
    while sliced.run(0.0) == "paused":
        within_an_epoch += 0 < sliced.position < 300
    assert within_an_epoch > 100
    assert bits(sliced) == bits(at_once)


def test_a_training_without_a_time_limit_runs_to_its_end():
    assert trainer_of(lively_case("float32")).run(math.inf) == "finished"


def large_trainer():
    """Return a trainer whose only update takes more than 600 · 10⁹ operations, several seconds on any core."""
    sizes, activations = (20, 1024, 1024, 10), ("tanh", "tanh", "softmax")
    case = make_case(0, sizes, activations, "cross_entropy", n=40, reach=0.1, precision="float32", batch=0)
    case.examples = case.examples.take(np.resize(np.arange(40), 100_000))
    return trainer_of(case)


def test_a_slice_ends_in_time_even_within_one_huge_update():
    # The core looks at its clock every few examples, so 0.04 s asked for are little more when they
    # are over. A core that looked only between updates or epochs would be away for the whole epoch,
    # more than two seconds here. Half a second leaves room for a busy machine, and tells the two apart.
    trainer = large_trainer()
    began, longest = time.perf_counter(), 0.0
    while (now := time.perf_counter()) < began + 2.2:
        assert trainer.run(0.04) == "paused"
        longest = max(longest, time.perf_counter() - now)
    assert trainer.updates == 0
    assert longest < 0.5


def test_other_threads_run_while_the_core_trains():
    trainer, ticks, done = large_trainer(), [], threading.Event()

    def tick():
        while not done.wait(0.002):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.perf_counter()
    trainer.run(0.5)
    ended = time.perf_counter()
    done.set()
    thread.join()
    meanwhile = [t for t in ticks if began + 0.1 < t < ended - 0.1]
    assert len(meanwhile) > 20


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_restored_state_continues_to_the_bit(optimizer, precision):
    values = {"optimizer": optimizer, "schedule": "cosine", "l2": 0.001}
    case = lively_case(precision, **values)
    validation = examples_like(case, 2, 40)
    whole, first, second, third = (trainer_of(case, validation) for _ in range(4))
    whole.run(FOR_EVER)
    while first.epoch < 11 or not 0 < first.position < 60:
        first.run(0.0)
    saved = first.state()
    assert saved["counters"].tolist()[:2] == [11, 11 * 9]  # the start of the epoch that it is in
    second.restore(saved)
    assert bits(second) == bits(first)
    assert second.run(FOR_EVER) == "finished"
    assert bits(second) == bits(whole)

    third.run(FOR_EVER)  # what was learnt before, and how far it came, must be forgotten
    third.restore(saved)
    assert third.run(FOR_EVER) == "finished"
    assert bits(third) == bits(whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_interrupted_training_resumes_from_its_checkpoint_to_the_bit(optimizer, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "SLICE", 0.0)
    case = lively_case("float32", optimizer=optimizer, validation=0.2)
    validation = examples_like(case, 2, 20)
    whole = by_core(case, validation=validation)
    file = tmp_path / "checkpoint"
    interrupted = by_core(
        case,
        validation=validation,
        watch=Watch(checkpoint=file, progress=lambda progress: progress.epoch > 9.5),
    )
    assert (interrupted.outcome, 0 < interrupted.epochs < 30) == ("interrupted", True)
    resumed = by_core(case, validation=validation, watch=Watch(checkpoint=file, resume=True))
    assert weights_of(resumed.network.layers).tobytes() == weights_of(whole.network.layers).tobytes()
    for name in ("losses", "accuracies", "validation_losses", "validation_accuracies"):
        assert getattr(resumed, name).tobytes() == getattr(whole, name).tobytes()
    assert (resumed.best_epoch, resumed.outcome) == (whole.best_epoch, "finished")


def test_resuming_a_training_that_had_stopped_early_changes_nothing(tmp_path):
    case = make_case(1, (4, 8, 3), ("tanh", "softmax"), "cross_entropy", n=15, **VALIDATED, patience=2)
    validation, file = examples_like(case, 1001, 10), tmp_path / "checkpoint"
    stopped = by_core(case, validation=validation, watch=Watch(checkpoint=file))
    assert stopped.outcome == "stopped_early"
    resumed = by_core(case, validation=validation, watch=Watch(checkpoint=file, resume=True))
    assert (resumed.outcome, resumed.epochs) == (stopped.outcome, stopped.epochs)
    assert resumed.losses.tobytes() == stopped.losses.tobytes()


def test_progress_only_ever_grows_and_ends_at_the_last_epoch(monkeypatch):
    monkeypatch.setattr(fitting, "SLICE", 0.0)
    case, seen = lively_case("float32", n=600, validation=0.2, epochs=12), []
    by_core(case, validation=examples_like(case, 2, 20), watch=Watch(progress=lambda p: seen.append(p.epoch)))
    assert len(seen) > 60
    assert seen == sorted(seen)
    assert seen[-1] == 12


# ---------------------------------------------------------------- replay


def moment(trainer):
    """Return where the trainer is at this moment, the arrays as bytes."""
    return {name: v.tobytes() if isinstance(v, np.ndarray) else v for name, v in trainer.now().items()}


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_training_paused_at_any_updates_is_where_the_definition_is_and_goes_on_to_the_same_bits(
    precision, data
):
    case = data.draw(cases(precision, 0.03))
    validation = examples_like(case, 5, 6) if data.draw(st.booleans()) else None
    whole, paused = trainer_of(case, validation), trainer_of(case, validation)
    assert whole.run(FOR_EVER) == "finished"
    n, size = case.examples.n_examples, case.settings.batch or case.examples.n_examples
    per_epoch = -(-n // size)
    assert whole.updates == per_epoch * case.settings.epochs
    stops = sorted(data.draw(st.lists(st.integers(0, whole.updates), max_size=6)))
    for stop in stops:
        assert paused.run(FOR_EVER, stop) == "paused"
        assert (paused.updates, paused.now()["updates"]) == (stop, stop)
        assert paused.now()["epoch"] == max(0, stop - 1) // per_epoch
        before = moment(paused)
        assert paused.run(FOR_EVER, stop) == "paused"  # at once: so many have been made
        assert moment(paused) == before
    assert paused.run(FOR_EVER) == "finished"
    assert bits(paused) == bits(whole)
    assert paused.run(FOR_EVER, whole.updates) == "paused"
    assert paused.run(FOR_EVER, whole.updates + 1) == "finished"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_moment_is_that_of_the_definition(optimizer):
    values = {"optimizer": optimizer, "batch": 3, "epochs": 3, "l2": 0.01, "schedule": "cosine"}
    case = make_case(4, (3, 4, 2), ("relu", "linear"), HALF, **values)
    trainer, state, examples, s = (
        trainer_of(case, kernel="plain"),
        start_of(case),
        plain_examples(case),
        case.settings,
    )
    updates = 0
    for epoch in range(s.epochs):
        assert engine.rate_of(s, epoch) == rate_of(s, epoch)
        order = engine.order_of(s, len(examples), epoch)
        batches = batches_of(case, examples, epoch)
        assert [examples[i] for i in order] == [example for batch in batches for example in batch]
        for batch in batches:
            updates += 1
            state, _ = arithmetic.step(state, batch, s.loss, rule_of(s), rate_of(s, epoch))
            assert trainer.run(FOR_EVER, updates) == "paused"
            now = trainer.now()
            network = Network([Layer(layer.weights, layer.bias, layer.activation) for layer in state.layers])
            assert np.array_equal(now["parameters"], flatten(network))
            for name, optimizers in (("first", ("momentum", "nesterov", "adam")), ("second", ("adam",))):
                remembered = [
                    arithmetic.for_each_weight(lambda m, name=name: getattr(m, name), layer)
                    for layer in state.memory
                ]
                flat = flatten(Network([Layer(m.weights, m.bias, m.activation) for m in remembered]))
                assert np.array_equal(now[name], flat if optimizer in optimizers else [])
            assert (now["epoch"], now["updates"]) == (epoch, updates)
    order = engine.order_of(Settings(shuffle=False), 5, 3)
    assert order.tolist() == [0, 1, 2, 3, 4]


def test_a_moment_is_a_copy():
    trainer = trainer_of(lively_case("float64"))
    now = trainer.now()
    kept = now["parameters"].copy()
    trainer.run(FOR_EVER, 9)
    assert np.array_equal(now["parameters"], kept)
    now["parameters"][:] = 0
    assert trainer.parameters.any()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_replay_and_track_return_the_moments_of_the_run(precision, monkeypatch):
    monkeypatch.setattr(engine, "SLICE", 0.0)  # looks at Ctrl-C as often as it can
    case = lively_case(precision)
    validation = examples_like(case, 2, 20)
    arguments = (case.network, case.examples, validation, case.settings)
    run = train_examples(case.examples, case.settings, validation=validation, start=case.network)
    assert run.updates == 30 * 9
    trainer, moments = trainer_of(case), [0, 0, 1, 8, 9, 10, 200, 270]
    history = engine.track(*arguments, moments)
    assert (history.shape, history.dtype) == ((8, case.network.n_weights), case.dtype)
    for updates, parameters in zip(moments, history, strict=True):
        trainer.run(FOR_EVER, updates)
        found = engine.replay(*arguments, updates)
        assert moment(trainer) == {
            name: v.tobytes() if isinstance(v, np.ndarray) else v for name, v in found._asdict().items()
        }
        assert np.array_equal(found.parameters, parameters)
    best = engine.replay(*arguments, 9 * run.best_epoch)
    assert best.parameters.tobytes() == flatten(run.network).tobytes()
    assert engine.track(*arguments, []).shape == (0, case.network.n_weights)


@pytest.mark.parametrize("name", ["a neuron slowly", "in one leap", "a weight through l2", "the loss alone"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_training_that_diverges_can_be_replayed_up_to_its_trouble(name, precision):
    case, expected, before = diverging(name, precision)
    per_epoch = -(-5 // case.settings.batch)
    last = expected["epoch"] * per_epoch + expected["update"]
    plain = msgspec.structs.replace(case.settings, core=f"{core.isa}-plain")  # to the bit
    arguments = (case.network, case.examples, None, plain)
    found = engine.replay(*arguments, last)
    assert np.array_equal(
        with_parameters(case.network, found.parameters).layers[0].weights, before[0].weights
    )
    assert found.updates == last
    assert np.array_equal(engine.track(*arguments, [0, last])[1], found.parameters)
    for ask in (lambda: engine.replay(*arguments, last + 1), lambda: engine.track(*arguments, [0, last + 1])):
        with pytest.raises(
            ArgumentError, match=rf"the training ends after {last}\. .* Ask for one from 0 to {last}\."
        ):
            ask()


def test_moments_that_a_training_does_not_have_are_refused():
    case = make_case(1, (4, 8, 3), ("tanh", "softmax"), "cross_entropy", n=15, **VALIDATED, patience=2)
    validation = examples_like(case, 1001, 10)
    arguments = (case.network, case.examples, validation, case.settings)
    run = train_examples(case.examples, case.settings, validation=validation, start=case.network)
    assert run.outcome == "stopped_early"
    assert engine.replay(*arguments, run.updates).updates == run.updates
    with pytest.raises(ArgumentError, match=f"the training ends after {run.updates}"):
        engine.replay(*arguments, run.updates + 1)
    with pytest.raises(ArgumentError, match="Update -1 was asked for"):
        engine.replay(*arguments, -1)
    with pytest.raises(ArgumentError, match="not in order"):
        engine.track(*arguments, [3, 2])


def test_a_network_too_flat_to_learn_can_be_replayed_to_the_end_of_the_epoch_that_showed_it():
    layers, _ = SATURATED["sigmoid hidden"]
    case = planted(*layers)
    with pytest.raises(DivergenceError) as found:
        train_examples(case.examples, case.settings, start=case.network)
    run = found.value.run
    last = engine.replay(case.network, case.examples, None, case.settings, run.updates)
    assert np.array_equal(last.parameters, flatten(run.network))


# ---------------------------------------------------------------- trouble


def in_core_order(layer):
    """Return (neuron, input, value) of each weight in the order in which the core looks at them."""
    n_inputs = len(layer.weights[0])
    weights = [(j, i, layer.weights[j][i]) for i in range(n_inputs) for j in range(len(layer.weights))]
    return weights + [(j, -1, b) for j, b in enumerate([] if layer.bias is None else layer.bias)]


def largest_weight(weights):
    return max(weights, key=lambda weight: abs(weight[2]))


def first_trouble(case):
    """Return where the definition first leaves the finite numbers, and its layers before that update."""
    state, examples, s = start_of(case), plain_examples(case), case.settings

    def trouble(epoch, update, layer, weight, value, is_sum):
        neuron, input_, _ = weight
        names = ("epoch", "update", "layer", "neuron", "input", "value", "sum")
        return dict(zip(names, (epoch, update, layer, neuron, input_, value, is_sum), strict=True))

    for epoch in range(s.epochs):
        for update, batch in enumerate(batches_of(case, examples, epoch)):
            before = state.layers
            for example in batch:
                for number, here in enumerate(arithmetic.feedforward(before, example.inputs)):
                    for neuron, value in enumerate(here.sums):
                        if not math.isfinite(value):
                            of_neuron = [w for w in in_core_order(before[number]) if w[0] == neuron]
                            largest = largest_weight(of_neuron)
                            return trouble(epoch, update, number, largest, value, True), before
            state, loss = arithmetic.step(state, batch, s.loss, rule_of(s), rate_of(s, epoch))
            for number, layer in enumerate(state.layers):
                for weight in in_core_order(layer):
                    if not math.isfinite(weight[2]):
                        return trouble(epoch, update, number, weight, weight[2], False), before
            if not math.isfinite(loss):
                of_layers = [
                    (n, largest_weight(in_core_order(layer))) for n, layer in enumerate(state.layers)
                ]
                number, largest = max(of_layers, key=lambda found: abs(found[1][2]))
                return trouble(epoch, update, number, largest, largest[2], False), before
    return None, state.layers


def name_of(case, trouble):
    layer = case.network.layer_names[trouble["layer"]]
    return f"{layer}[{trouble['neuron']},{'bias' if trouble['input'] < 0 else trouble['input']}]"


HALF = "half_squared_error"
HUGE = {"float32": 2e38, "float64": 1e308}
DIVERGING = {  # sizes, activations, loss, reach of the first weights, settings
    "a neuron slowly": ((2, 1), ("linear",), HALF, 0.7, {"learning_rate": 9.0}),
    "deep and linear": ((3, 4, 4, 2), ("linear",) * 3, HALF, 0.7, {"learning_rate": 1.5, "batch": 2}),
    "relu": ((3, 4, 2), ("relu", "linear"), HALF, 0.7, {"learning_rate": 3.0, "batch": 2}),
    "leaky relu with momentum": (
        (3, 4, 2),
        ("leaky_relu", "linear"),
        HALF,
        0.7,
        {"learning_rate": 1.0, "optimizer": "momentum", "batch": 3},
    ),
    "nesterov in mean squares": (
        (3, 4, 2),
        ("linear", "leaky_relu"),
        "mean_squared_error",
        0.7,
        {"learning_rate": 2.0, "optimizer": "nesterov", "batch": 0},
    ),
    "in one leap": ((3, 2, 2), ("relu", "linear"), HALF, 0.7, {"learning_rate": "huge", "batch": 2}),
    "softmax": ((3, 2), ("softmax",), "cross_entropy", 0.7, {"learning_rate": "huge", "batch": 2}),
    "a weight through l2": (
        (2, 1),
        ("linear",),
        HALF,
        0.7,
        {"l2": "huge", "learning_rate": 0.01, "batch": 2},
    ),
    "the loss alone": ((2, 1), ("linear",), HALF, "large", {"learning_rate": 1e-30}),
}
KINDS = {  # whether it is a weighted sum, and finite: each kind of trouble is met
    "in one leap": (True, False),
    "a weight through l2": (False, False),
    "the loss alone": (False, True),
}


def diverging(name, precision):
    """Return a training that diverges, where the definition says so, and its layers before."""
    sizes, activations, loss, reach, values = DIVERGING[name]
    values = {key: HUGE[precision] if value == "huge" else value for key, value in values.items()}
    reach = {"float32": 1e25, "float64": 1e200}[precision] if reach == "large" else reach
    values = {"epochs": 300, "precision": precision} | values
    case = make_case(3, sizes, activations, loss, n=5, reach=reach, **values)
    with np.errstate(over="ignore", invalid="ignore"):
        expected, before = first_trouble(case)
    assert expected is not None
    return case, expected, before


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", DIVERGING)
def test_what_leaves_the_finite_numbers_is_named_with_its_epoch_update_and_weight(name, precision):
    case, expected, before = diverging(name, precision)
    if name in KINDS:
        assert (expected["sum"], math.isfinite(expected["value"])) == KINDS[name]

    trainer = trainer_of(case, kernel="plain")
    assert trainer.run(FOR_EVER) == "non_finite"
    assert repr(trainer.trouble) == repr({key: type(trainer.trouble[key])(v) for key, v in expected.items()})
    assert (trainer.epoch, len(trainer.state()["losses"])) == (expected["epoch"], expected["epoch"])

    with pytest.raises(DivergenceError) as found:
        by_core(case, "plain")
    place = (
        f"epoch {expected['epoch'] + 1}, weight {name_of(case, expected)}, update {expected['update'] + 1}"
    )
    assert found.value.where == f"{place} of that epoch"
    stopped = weights_of(found.value.run.network.layers)
    assert np.array_equal(stopped, weights_of(before).astype(case.dtype))
    assert found.value.run.epochs == expected["epoch"]


def test_a_large_but_finite_training_is_no_trouble():
    case = make_case(3, (2, 1), ("linear",), HALF, n=5, learning_rate=9.0, epochs=3, precision="float32")
    with np.errstate(over="ignore", invalid="ignore"):
        assert first_trouble(case)[0] is None
    assert by_core(case).outcome == "finished"


def planted(*layers, loss=HALF, n=40, classes=2, **values):
    """Return a training that starts from planted layers, on answers that have nothing to do with the inputs."""
    network = Network([Layer(np.array(weights), bias, activation) for weights, bias, activation in layers])
    rng = np.random.default_rng(0)
    Y = np.eye(classes)[rng.integers(0, classes, n)]
    values = {"optimizer": "sgd", "learning_rate": 1e-3, "epochs": 5, "precision": "float64"} | values
    s = Settings(output=network.layers[-1].activation, loss=loss, hidden=(), scale="none", **values)
    return Case(network, Examples(rng.uniform(-1, 1, (n, network.n_inputs)), Y, ("a", "b", "c")[:classes]), s)


SMALL_HIDDEN, SMALL_OUTPUT = [[0.3, -0.2], [0.1, 0.4]], [[0.5, -0.3], [-0.2, 0.1]]
SATURATED = {
    "sigmoid hidden": (
        [(SMALL_HIDDEN, [90.0, -80.0], "sigmoid"), (SMALL_OUTPUT, [0.5, 0.5], "linear")],
        ("hidden", "hidden[0,bias]"),
    ),
    "tanh hidden": (
        [(SMALL_HIDDEN, [30.0, -40.0], "tanh"), (SMALL_OUTPUT, [0.5, 0.5], "linear")],
        ("hidden", "hidden[1,bias]"),
    ),
    "dead relu": (
        [(SMALL_HIDDEN, [-30.0, -40.0], "relu"), (SMALL_OUTPUT, [0.5, 0.5], "linear")],
        ("hidden", "hidden[1,bias]"),
    ),
    "second hidden layer": (
        [
            (SMALL_HIDDEN, [0.1, 0.2], "tanh"),
            (SMALL_HIDDEN, [-60.0, 50.0], "sigmoid"),
            (SMALL_OUTPUT, [0.5, 0.5], "linear"),
        ],
        ("hidden2", "hidden2[0,bias]"),
    ),
    "sigmoid output": (
        [(SMALL_HIDDEN, [0.1, 0.2], "tanh"), (SMALL_OUTPUT, [-50.0, 40.0], "sigmoid")],
        ("output", "output[0,bias]"),
    ),
    "softmax output": (
        [(SMALL_HIDDEN, [0.1, 0.2], "tanh"), (SMALL_OUTPUT, [-30.0, 31.0], "softmax")],
        ("output", "output[1,bias]"),
    ),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", SATURATED)
def test_a_saturated_layer_stops_training_and_is_named_with_its_largest_weight(name, precision):
    layers, (layer, weight) = SATURATED[name]
    case = planted(*layers, precision=precision)
    with pytest.raises(DivergenceError, match=f"Every neuron of layer '{layer}' is saturated") as found:
        train_examples(case.examples, case.settings, start=case.network)
    assert found.value.where == f"epoch 1, weight {weight}"


def test_a_neuron_driven_far_beyond_its_flat_ends_stops_training_and_is_named():
    case = planted((SMALL_OUTPUT, [0.1, 0.2], "softmax"), loss="cross_entropy", learning_rate=1e4)
    with pytest.raises(DivergenceError, match="its weighted sum reached") as found:
        train_examples(case.examples, case.settings, start=case.network)
    network = found.value.run.network
    sums = [arithmetic.feedforward(network.plain(), x)[0].sums for x in case.examples.X.tolist()]
    neuron = int(np.abs(sums).max(axis=0).argmax())
    largest = largest_weight([w for w in in_core_order(network.plain()[0]) if w[0] == neuron])
    assert found.value.what.startswith(f"Training stopped. Neuron output[{neuron}] is saturated")
    assert f"reached {np.abs(sums).max():.3g}," in found.value.what
    assert found.value.where == f"epoch 1, weight output[{neuron},{'bias' if largest[1] < 0 else largest[1]}]"


def test_flat_hidden_neurons_that_still_tell_examples_apart_are_no_trouble():
    case = planted(([[1e5, 0.0], [0.0, 1e5]], [0.0, 0.0], "tanh"), (SMALL_OUTPUT, [0.5, 0.5], "linear"))
    assert train_examples(case.examples, case.settings, start=case.network).outcome == "finished"


def healthy_examples(kind, number):
    rng = np.random.default_rng(number)
    X = rng.normal(size=(60, 6))
    of_class = rng.integers(0, 3, 60)
    if kind == "separable":
        X[:, :3] += 2 * np.eye(3)[of_class]
    elif kind == "xor":
        of_class = (X[:, 0] > 0) ^ (X[:, 1] > 0)
    elif kind == "rare class":
        of_class = np.arange(60) // 57
    elif kind == "quantity":
        return Examples(X, np.tanh(X[:, :1]) + 0.1 * rng.normal(size=(60, 1)))
    elif kind == "unpredictable quantity":
        return Examples(X, rng.normal(size=(60, 2)))
    Y = np.eye(of_class.max() + 1)[of_class.astype(int)]
    return Examples(X, Y, tuple("abc"[: Y.shape[1]]))


@pytest.mark.parametrize("activation", TRAINABLE)
@pytest.mark.parametrize(
    "kind", ["separable", "noise", "xor", "rare class", "quantity", "unpredictable quantity"]
)
def test_healthy_trainings_are_not_called_saturated(kind, activation):
    for number in range(4):
        for values in (
            {},
            {"optimizer": "sgd", "learning_rate": 0.02, "batch": 1},
            {"optimizer": "nesterov", "l2": 0.001, "batch": 0},
            {"loss": "half_squared_error", "output": "sigmoid"},
        ):
            s = Settings(activation=activation, seed=number, epochs=100, **values)
            assert train_examples(healthy_examples(kind, number), s).outcome == "finished"


# ---------------------------------------------------------------- feedforward


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("output", ACTIVATIONS)
@settings(deadline=None, max_examples=25)
@given(number=st.integers(0, 2**31), hidden=st.lists(st.sampled_from([*WITHOUT_LIBM, "step"]), max_size=3))
def test_the_core_feeds_forward_as_the_definition_does(output, precision, number, hidden):
    rng, dtype = np.random.default_rng(number), np.dtype(precision)
    sizes = rng.integers(1, 9, len(hidden) + 2).tolist()
    how = {"start": "uniform", "start_range": 2.0, "seed": number, "dtype": dtype}
    network = start_network(sizes, [*hidden, output], bias=bool(rng.integers(2)), **how)
    X = rng.uniform(-2, 2, (5, sizes[0])).astype(dtype)
    function = compiled.feedforward_float32 if dtype == np.float32 else compiled.feedforward_float64
    found = function(core_layers(network), flatten(network), X)
    kind = float if dtype == np.float64 else np.float32
    layers = network.plain(kind)
    with np.errstate(over="ignore"):  # e to a large sum is infinity in both
        expected = [arithmetic.feedforward(layers, [kind(x) for x in row])[-1].outputs for row in X.tolist()]
    assert found.dtype == dtype
    # Sums in another order differ by roundings of their largest terms, which all reach further than these.
    reach = 2 * np.prod([2.0 * (n_in + 1) for n_in in sizes[:-1]])
    eps = float(np.finfo(dtype).eps)
    assert found == pytest.approx(np.array(expected, dtype), rel=8 * eps, abs=4 * eps * reach)
    assert np.array_equal(network.outputs(X), found)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_cores_step_fires_from_exactly_one_half_on(precision):
    half = np.array(0.5, precision)
    inputs = np.array([np.nextafter(half, half * 0), half, np.nextafter(half, half * 2)])[:, None]
    assert Network([Layer(inputs[:1] * 0 + 1, None, "step")]).outputs(inputs).ravel().tolist() == [0, 1, 1]


# ---------------------------------------------------------------- the edges


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("hidden", TRAINABLE)
def test_weights_that_are_all_zero_train_as_the_definition_says(hidden, output, loss, precision):
    case = make_case(1, (3, 2, 2), (hidden, output), loss, batch=2, precision=precision)
    zeros = [Layer(layer.weights * 0, layer.bias * 0, layer.activation) for layer in case.network.layers]
    hold_to_the_definition(Case(Network(zeros), case.examples, case.settings))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("n", [1, 5])
def test_one_example_and_one_class_train_as_the_definition_says(n, output, loss, precision):
    case = make_case(1, (3, 2, 1), ("tanh", output), loss, n=n, batch=2, epochs=2, precision=precision)
    case.examples = Examples(case.examples.X, np.ones((n, 1)), ("only",))
    hold_to_the_definition(case)
    run = train_examples(
        case.examples, case.settings, start=case.network
    )  # nothing tells saturated from learnt
    assert run.outcome == "finished"
    assert np.isfinite(run.losses).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_answers_that_are_certain_and_wrong_lose_what_the_definition_says(output, precision):
    largest = 0.0
    for number in range(5):
        case = make_case(
            number, (3, 2), (output,), "cross_entropy", n=9, batch=4, reach=900, precision=precision
        )
        with np.errstate(over="ignore"):  # e to a large sum is infinity in both
            hold_to_the_definition(case)
            rows = zip(case.examples.X.tolist(), case.examples.Y.tolist(), strict=True)
            layers = case.network.plain()
            answers = [(arithmetic.feedforward(layers, x)[-1].outputs, y) for x, y in rows]
        largest = max([largest, *(arithmetic.loss("cross_entropy", output, o, y) for o, y in answers)])
    assert largest >= 126 * math.log(2) * (1 - 1e-12)  # the least probability that a logarithm is taken of


@pytest.mark.parametrize(("precision", "tiny"), [("float32", 2.0**-140), ("float64", 2.0**-1060)])
def test_denormal_numbers_are_kept(precision, tiny):
    case = make_case(1, (2, 1), ("linear",), HALF, n=3, batch=2, epochs=2, bias=True, precision=precision)
    (layer,) = case.network.layers
    case.network = Network([Layer((layer.weights * tiny), (layer.bias * tiny), "linear")])
    case.examples = Examples(np.sign(case.examples.X), case.examples.Y * tiny, ("a",))
    hold_to_the_definition(case)
    changed = weights_of(by_core(case).network.layers)
    assert (changed != weights_of(case.network.layers)).all()
    assert np.abs(changed).max() < np.finfo(precision).tiny


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", TRAINABLE)
@pytest.mark.parametrize("size", [1e10, 1e30, 3e38, 1e200])
def test_huge_inputs_give_finite_weights_or_a_clear_error(size, activation, precision):
    case = make_case(
        1, (2, 3, 2), (activation, "softmax"), "cross_entropy", n=6, epochs=5, precision=precision
    )
    huge = Examples(case.examples.X * size, case.examples.Y, case.examples.classes)
    try:
        run = train_examples(huge, case.settings, start=case.network)
    except TinyglassError:
        pass
    else:
        assert np.isfinite(weights_of(run.network.layers)).all()
        assert np.isfinite(run.losses).all()


# ---------------------------------------------------------------- what is refused


SETUP = f"""
import numpy as np
from tinyglass.core import compiled

def layers(*own):
    return list(own) or [(2, 1, "linear", False)]

def table(n, n_columns):
    return np.ones((n, n_columns))

def trainer(own=layers(), train=(table(3, 2), table(3, 1), None), aside=(table(0, 2), table(0, 1), None),
            parameters=np.zeros(2), **plan):
    return compiled.TrainerFloat64(own, {{**{plan_of(make_case(0, (2, 1), ("linear",), HALF))!r}, **plan}},
                                train, aside, parameters)

def run(*arguments, **keywords):
    trainer(*arguments, **keywords).run(1.0)

def restore(**changes):
    made = trainer()
    made.restore(made.state() | changes)

def watch(indices, keep=1):
    made = trainer()
    made.watch(np.array(indices), keep)
    made.run(1.0)

feedforward = compiled.feedforward_float64
inf = float("inf")
"""
REFUSED = [
    "feedforward([], np.zeros(0), table(1, 1))",
    "feedforward(layers(), np.zeros(2), table(1, 3))",
    "feedforward(layers(), np.zeros(1), table(1, 2))",
    "feedforward(layers(), np.zeros(3), table(1, 2))",
    "feedforward(layers(), np.zeros(2), np.ones(2))",
    "feedforward(layers((2, 1)), np.zeros(2), table(1, 2))",
    "feedforward(layers((2, 0, 'softmax', False)), np.zeros(0), table(1, 2))",
    "feedforward(layers((-2, 1, 'linear', False)), np.zeros(0), table(1, 2))",
    "feedforward(layers((2, 1, 'sine', False)), np.zeros(2), table(1, 2))",
    "feedforward(layers((2, 3, 'linear', False), (2, 1, 'linear', False)), np.zeros(8), table(1, 2))",
    "run(layers((2, 0, 'softmax', False)), (table(3, 2), table(3, 0), None), (table(0, 2), table(0, 0), None),"
    " np.zeros(0))",
    "run(parameters=np.zeros(1))",
    "run(parameters=np.zeros(3))",
    "run(parameters=np.zeros((1, 2)))",
    "run(train=(table(0, 2), table(0, 1), None))",
    "run(train=(table(3, 5), table(3, 1), None))",
    "run(train=(table(3, 2), table(3, 2), None))",
    "run(train=(table(3, 2), table(2, 1), None))",
    "run(train=(table(3, 2), table(3, 1), np.ones(2)))",
    "run(train=(table(3, 2), table(3, 1), np.ones((3, 1))))",
    "run(train=(np.ones(3), table(3, 1), None))",
    "run(train=(table(3, 2), table(3, 1)))",
    "run(aside=(table(3, 5), table(3, 1), None))",
    "run(aside=(table(3, 2), table(2, 1), None))",
    "run(schedule='step', rate_every=0)",
    "run(loss='none')",
    "run(optimizer='none')",
    "run(schedule='none')",
    "restore(parameters=np.zeros(3))",
    "restore(first=np.zeros(2))",
    "restore(second=np.zeros(1))",
    "restore(best_parameters=np.zeros(1))",
    "restore(counters=np.zeros(2, np.int64))",
    "restore(figures=np.zeros(3))",
    "restore(parameters=np.zeros((2, 1)))",
    "watch([2])",
    "watch([-1])",
    "watch([2**63 - 1])",
    "watch([[0]])",
    "watch([0], -1)",
    "watch([0, 1], 2**63)",
    "watch([0, 1], 2**40)",
]


@pytest.mark.parametrize("call", REFUSED)
def test_the_core_refuses_what_it_would_read_out_of_bounds(call, python):
    # In a process of its own: what is not refused may end the process.
    program = (
        f"{SETUP}\ntry:\n    {call}\nexcept (ValueError, TypeError) as error:\n    print('refused:', error)"
    )
    done = python(program)
    assert (done.returncode, done.stdout[:8]) == (0, "refused:"), done.stderr[-300:]


def test_a_schedule_without_epochs_between_its_steps_does_not_end_the_process(python):
    program = """if True:
        from tinyglass import Examples, Settings, TinyglassError, train_examples
        try:
            train_examples(Examples([[1.0]], [[0.5]]), Settings(schedule="step", rate_every=0))
        except TinyglassError as error:
            print("refused:", error)
    """
    done = python(program)
    assert (done.returncode, done.stdout[:8]) == (0, "refused:"), done.stderr[-300:]


PAIR = Examples([[0.2, 0.9], [0.8, 0.1]], [[1.0, 0.0], [0.0, 1.0]], ("a", "b"))
CROSSED = [[-4.0, 4.0], [4.0, -4.0]]


@pytest.mark.parametrize(
    "start",
    [
        Network([Layer([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], None, "softmax")]),  # the examples have two inputs
        Network([Layer([[0.1, 0.2], [0.3, 0.2], [0.2, 0.1]], None, "softmax")]),  # and two classes
        Network([Layer(CROSSED, None, "linear")]),  # cross-entropy is not defined for its outputs
        Network([Layer(np.eye(2), None, "step"), Layer(CROSSED, None, "softmax")]),  # a step has no slope
    ],
    ids=["inputs", "classes", "loss", "step"],
)
def test_a_start_that_cannot_be_trained_on_the_examples_is_refused(start):
    with pytest.raises(TinyglassError):
        train_examples(PAIR, Settings(epochs=2, optimizer="sgd"), start=start)
