"""Every kernel, of every instruction set that runs here, is held to the definition and to the second trainer.

What a kernel may differ by is said in `test_core`: 1e-12 of the largest weight in float64, 2e-5 in
float32 after an epoch. The same choice of instruction set and kernel gives the same bits, however
the work is cut and shared.

``TINYGLASS_TEST_CASES`` is the share of random cases that is tried, 1 unless it is set.
"""

import math
import os

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import reference
import test_core
from test_core import (
    ENDINGS,
    FOR_EVER,
    HALF,
    PRECISIONS,
    TRAINABLE,
    bits,
    by_core,
    by_reference,
    dense,
    difference,
    hold_to_the_definition,
    kernels_of,
    make_case,
    trainer_of,
    weights_of,
)
from tinyglass import Examples, core, start_network
from tinyglass.arithmetic import OPTIMIZERS, SCHEDULES
from tinyglass.network import core_layers, flatten

ISAS = core.available()
NEAR = {"float64": 1e-12, "float32": 2e-5}


def cases_to_try(number):
    return max(1, round(number * float(os.environ.get("TINYGLASS_TEST_CASES", 1))))


def choices(case):
    """Return (isa, kernel) of everything that can train a case here."""
    return [(isa, kernel) for isa in ISAS for kernel in kernels_of(case, isa)]


def test_every_instruction_set_has_the_kernels_that_are_tested_here():
    assert ISAS
    for isa in ISAS:
        kernels = core.load(isa).kernels
        assert {"plain", "lanes", "tiles"} <= set(kernels(8))
        assert {"plain", "lanes", "tiles"} <= set(kernels(1))
        for batch in (1, 8):
            for kernel in kernels(batch):
                case = make_case(1, (3, 2), ("tanh",), HALF, batch=batch, n=9)
                trainer = trainer_of(case, kernel=kernel, isa=isa)
                assert (trainer.isa, trainer.kernel) == (isa, kernel)


# ---------------------------------------------------------------- random networks

BATCHES = {  # of so many examples at most
    "one": ((1,), 40),
    "some": ((2, 7, 8, 9, 16, 17, 33), 120),
    "several chunks": ((256, 257, 300, 0), 700),
}
MOST_WORK = 2_000_000  # parameters times examples: the obvious kernel learns some 10⁸ a second


@st.composite
def networks(draw):
    """Draw the sizes and activations of a network and its loss: mostly small, at times with a wide layer."""
    width = st.one_of(st.integers(1, 9), st.integers(10, 40), st.integers(41, 130))
    sizes = draw(st.lists(width, min_size=2, max_size=6))
    if draw(st.integers(0, 5)) == 0:
        sizes[draw(st.integers(0, len(sizes) - 1))] = draw(st.integers(300, 700))
    output, loss = draw(st.sampled_from(ENDINGS))
    hidden = draw(st.lists(st.sampled_from(TRAINABLE), min_size=len(sizes) - 2, max_size=len(sizes) - 2))
    return tuple(sizes), (*hidden, output), loss


@st.composite
def larger_cases(draw, precision, sort_of_batch):
    sizes, activations, loss = draw(networks())
    batches, most = BATCHES[sort_of_batch]
    n_weights = sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
    most = min(most, 2 + MOST_WORK // n_weights)
    least = 257 if sort_of_batch == "several chunks" else 1
    assume(least <= most)
    reach = min(0.7, 1.5 / math.sqrt(max(sizes)))
    return make_case(
        draw(st.integers(0, 2**31)),
        sizes,
        activations,
        loss,
        n=draw(st.integers(least, most)),
        bias=draw(st.booleans()),
        weighted=draw(st.booleans()),
        reach=reach,
        precision=precision,
        seed=draw(st.integers(0, 2**63 - 1)),
        optimizer=draw(st.sampled_from([*OPTIMIZERS])),
        learning_rate=draw(st.floats(1e-4, 0.01)),
        schedule=draw(st.sampled_from([*SCHEDULES])),
        rate_drop=draw(st.floats(0.1, 1)),
        rate_every=draw(st.integers(1, 3)),
        momentum=draw(st.floats(0, 0.9)),
        beta1=draw(st.floats(0, 0.95)),
        beta2=draw(st.floats(0.5, 0.999)),
        epsilon=draw(st.floats(1e-3, 1e-2)),
        l2=draw(st.sampled_from([0.0, 0.0, 0.01, 0.3])),
        weight_limit=draw(st.sampled_from([None, None, 0.8 * reach, reach])),
        batch=draw(st.sampled_from(batches)),
        shuffle=draw(st.booleans()),
        epochs=1 if precision == "float32" else draw(st.integers(1, 3)),
    )


def hold_to_the_second_trainer(case):
    expected = by_reference(case)
    single = case.dtype == np.float32
    if single:
        assume(expected.nearest_kink > 1e-5)
    near, n = NEAR[case.settings.precision], case.examples.n_examples
    for isa, kernel in choices(case):
        run = by_core(case, kernel, isa)
        assert run.settings.core == f"{isa}-{kernel}"
        found = weights_of(run.network.layers)
        assert found.dtype == case.dtype
        assert difference(found, weights_of(expected.layers)) <= near, run.settings.core
        assert run.losses == pytest.approx(expected.losses, rel=near, abs=1e-15), run.settings.core
        # In float32 the last bit may decide between two outputs that are nearly the same, once.
        apart = np.abs(run.accuracies - expected.accuracies).max()
        assert apart <= single * 1.01 / n, run.settings.core


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("sort_of_batch", BATCHES)
def test_every_kernel_trains_any_network_as_the_second_trainer_does(sort_of_batch, precision):
    @settings(deadline=None, max_examples=cases_to_try(50))
    @given(case=larger_cases(precision, sort_of_batch))
    def check(case):
        hold_to_the_second_trainer(case)

    check()


@settings(deadline=None, max_examples=cases_to_try(80))
@given(case=test_core.cases("float64", 0.1))
def test_every_kernel_trains_as_the_definition_does_in_float64(case):
    hold_to_the_definition(case, ISAS)


@settings(deadline=None, max_examples=cases_to_try(80))
@given(case=test_core.cases("float32", 0.03))
def test_every_kernel_trains_as_the_definition_does_in_float32(case):
    assume(test_core.distance_from_kinks(case) > 1e-4)
    hold_to_the_definition(case, ISAS)


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=cases_to_try(60))
@given(network=networks(), number=st.integers(0, 2**31), n=st.sampled_from([1, 2, 15, 16, 17, 127, 128, 129, 300]))
def test_every_instruction_set_feeds_forward_as_the_second_trainer_does(precision, network, number, n):
    sizes, activations, _ = network
    how = {"start": "uniform", "start_range": 1.5 / math.sqrt(max(sizes)), "seed": number, "dtype": precision}
    made = start_network(sizes, activations, bias=bool(number % 2), **how)
    X = np.random.default_rng(number).uniform(-1, 1, (n, sizes[0])).astype(precision)
    expected = reference.outputs_of(dense(made), np.float64(X))[-1]
    for isa in ISAS:
        function = getattr(core.load(isa), f"feedforward_{precision}")
        assert difference(function(core_layers(made), flatten(made), X), expected) <= NEAR[precision] / 5, isa


# ---------------------------------------------------------------- the same bits


def team_case(precision, **values):
    """Return a training whose products are large enough to be shared among threads: see core/team.hpp."""
    values = {"precision": precision, "optimizer": "momentum", "batch": 256, "epochs": 2, "l2": 0.01} | values
    n = values.pop("n", 300)  # the last batch of 44 is small
    return make_case(1, (380, 130, 130, 5), ("tanh", "relu", "softmax"), "cross_entropy", n=n, reach=0.1, **values)


def finished(trainer):
    """Run a trainer to its end and return its bits."""
    assert trainer.run(FOR_EVER) == "finished"
    return bits(trainer)


@pytest.fixture
def threads():
    """Set how many threads every core may use, until the test is over."""
    before = {isa: core.load(isa).threads() for isa in ISAS}

    def allow(n):
        for isa in ISAS:
            core.load(isa).set_threads(n)

    yield allow
    for isa, n in before.items():
        core.load(isa).set_threads(n)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [256, 0])
def test_the_number_of_threads_changes_no_bit(batch, precision, threads):
    case = team_case(precision, batch=batch)
    case.examples = Examples(*(np.resize(a, (600, a.shape[1])) for a in (case.examples.X, case.examples.Y)))
    expected = by_reference(case)
    for isa, kernel in choices(case):
        found = []
        for n in (1, 2, 3):
            threads(n)
            trainer = trainer_of(case, kernel=kernel, isa=isa)
            found.append(finished(trainer))
        assert found[0] == found[1] == found[2], (isa, kernel)
        weights = weights_of(by_core(case, kernel, isa).network.layers)
        # relu in float32: a rounding takes a few weighted sums across its kink
        near = 1e-12 if precision == "float64" else 2e-3
        assert difference(weights, weights_of(expected.layers)) <= near, (isa, kernel)
