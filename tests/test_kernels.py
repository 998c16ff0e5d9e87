"""Every kernel, of every instruction set that runs here, is held to the definition and to the second trainer.

What a kernel may differ by is said in `test_core`: 1e-12 of the largest weight in float64, 2e-5 in
float32 after an epoch. The same choice of instruction set and kernel gives the same bits, however
the work is cut and shared.

``TINYGLASS_TEST_CASES`` is the share of random cases that is tried, 1 unless it is set.
"""

import math
import os
import signal
import threading
import time
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import reference
import test_core
from conftest import unmeasured
from test_core import (
    ENDINGS,
    FOR_EVER,
    HALF,
    PRECISIONS,
    TRAINABLE,
    Case,
    bits,
    by_core,
    by_reference,
    dense,
    difference,
    diverging,
    hold_to_the_definition,
    make_case,
    roundings_noted,
    trainer_of,
    weights_of,
)
from tinyglass import (
    ArgumentError,
    DivergenceError,
    Examples,
    Layer,
    Network,
    Settings,
    Watch,
    core,
    fitting,
    many,
    start_network,
    train_examples,
    train_many,
)
from tinyglass.arithmetic import OPTIMIZERS, SCHEDULES
from tinyglass.network import core_layers, flatten

ISAS = core.available()
NEAR = {"float64": 1e-12, "float32": 2e-5}


def cases_to_try(number):
    return max(1, round(number * float(os.environ.get("TINYGLASS_TEST_CASES", 1))))


choices = partial(test_core.choices, isas=ISAS)


def test_every_instruction_set_has_the_kernels_that_are_tested_here():
    assert ISAS
    for isa in ISAS:
        kernels = core.load(isa).kernels
        assert set(kernels(1)) == set(core.KERNELS)
        assert set(kernels(8)) == set(core.KERNELS) - {"online", "deferred"}
        for batch in (1, 8):
            for kernel in kernels(batch):
                case = make_case(1, (3, 2), ("tanh",), HALF, batch=batch, n=9)
                trainer = trainer_of(case, kernel=kernel, isa=isa)
                assert (trainer.isa, trainer.kernel) == (isa, kernel)


@pytest.mark.parametrize(
    ("sizes", "batch", "values", "kernel"),
    [
        ((159, 8, 8), 1, {}, "online"),
        ((160, 8, 8), 1, {}, "deferred"),
        ((159, 8, 8), 1, {"optimizer": "adam"}, "online"),
        ((159, 9, 8), 1, {"optimizer": "momentum"}, "online"),
        ((159, 9, 8), 1, {"optimizer": "adam"}, "deferred"),
        ((20, 100, 50), 1, {}, "online"),
        ((20, 100, 51), 1, {}, "deferred"),
        ((8, 8, 8), 2, {}, "lanes"),
        ((9, 8, 8), 2, {}, "tiles"),
        ((8, 9, 8), 0, {}, "tiles"),
        ((8, 8, 8), 0, {"n": 1}, "online"),
        ((784, 512, 10), 256, {"n": 1}, "deferred"),
    ],
)
def test_the_kernel_is_the_one_that_the_documentation_names(sizes, batch, values, kernel):
    for precision in PRECISIONS:
        for isa in ISAS:
            wished = {"batch": batch, "precision": precision} | values
            case = make_case(1, sizes, ("relu", "linear"), HALF, **wished)
            assert trainer_of(case, isa=isa).kernel == kernel


@pytest.mark.parametrize(
    ("n_hidden", "batch", "precision", "learns_in_lanes"),
    [
        (682, 1, "float32", True),  # 682 · 6 + 1 parameters of at most 4,096
        (683, 1, "float32", False),
        (341, 1, "float64", True),
        (342, 1, "float64", False),
        (170, 4, "float32", True),
        (171, 4, "float32", False),
        (42, 40, "float32", True),
        (43, 40, "float32", False),
    ],
)
def test_networks_learn_in_lanes_up_to_the_size_that_the_documentation_names(
    n_hidden, batch, precision, learns_in_lanes
):
    table = Examples(np.eye(4), np.ones((4, 1)))
    wished = Settings(hidden=(n_hidden,), epochs=1, batch=batch, precision=precision)
    for isa in ISAS:
        (run,) = train_many(table, msgspec.structs.replace(wished, core=isa), seeds=[1])
        assert run.settings.core.endswith("-many") == learns_in_lanes


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
    n_weights = sum(a * b for a, b in pairwise(sizes))
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
    with roundings_noted(case, reference, "loss_of") as rounding:
        expected = by_reference(case)
    single = case.dtype == np.float32
    if single and expected.nearest_kink <= 1e-5:
        assume(False)
    near, n = NEAR[case.settings.precision], case.examples.n_examples
    # A loss near 0 is the square of what is left of an output.
    near_losses = near * np.abs(expected.losses) + near / 100 + rounding()
    for isa, kernel in choices(case):
        run = by_core(case, kernel, isa)
        assert run.settings.core == f"{isa}-{kernel}"
        found = weights_of(run.network.layers)
        assert found.dtype == case.dtype
        assert difference(found, weights_of(expected.layers)) <= near, run.settings.core
        assert (np.abs(run.losses - expected.losses) <= near_losses).all(), run.settings.core
        apart = np.rint(n * np.abs(run.accuracies - expected.accuracies))
        assert (apart <= single * np.array(expected.doubtful)).all(), run.settings.core


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("sort_of_batch", BATCHES)
@settings(deadline=None, max_examples=cases_to_try(60))
@given(data=st.data())
def test_every_kernel_trains_any_network_as_the_second_trainer_does(sort_of_batch, precision, data):
    hold_to_the_second_trainer(data.draw(larger_cases(precision, sort_of_batch)))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_losses_of_outputs_next_to_1_err_by_no_more_than_the_rounding_of_these(precision):
    for scale in (3, 6, 10):
        case = make_case(scale, (9, 3), ("sigmoid",), "cross_entropy", n=20, precision=precision)
        hold_to_the_second_trainer(with_weights(case, lambda w, scale=scale: w * scale))


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
@given(
    network=networks(),
    number=st.integers(0, 2**31),
    n=st.sampled_from([1, 2, 15, 16, 17, 127, 128, 129, 300]),
)
def test_every_instruction_set_feeds_forward_as_the_second_trainer_does(precision, network, number, n):
    sizes, activations, _ = network
    how = {"start": "uniform", "start_range": 1.5 / math.sqrt(max(sizes)), "seed": number, "dtype": precision}
    made = start_network(sizes, activations, bias=bool(number % 2), **how)
    X = np.random.default_rng(number).uniform(-1, 1, (n, sizes[0])).astype(precision)
    expected = reference.outputs_of(dense(made), np.float64(X))[-1]
    for isa in ISAS:
        function = getattr(core.load(isa), f"feedforward_{precision}")
        found = function(core_layers(made), flatten(made), X)
        # Outputs near 0 are what is left of terms of about a tenth that cancel.
        assert np.abs(found - expected).max() <= NEAR[precision] / 5 * max(0.1, np.abs(expected).max()), isa


# ---------------------------------------------------------------- the same bits


def team_case(precision, **values):
    """Return a training whose products are large enough to be shared among threads: see core/team.hpp."""
    values = {"precision": precision, "optimizer": "momentum", "epochs": 2, "l2": 0.01, "n": 600} | values
    sizes, activations = (380, 130, 130, 5), ("tanh", "sigmoid", "softmax")
    return make_case(1, sizes, activations, "cross_entropy", reach=0.1, learning_rate=0.01, **values)


def finished(trainer):
    """Run a trainer to its end and return its bits."""
    assert trainer.run(FOR_EVER) == "finished"
    return bits(trainer)


@pytest.fixture
def threads():
    """Set how many threads every core may use, until the test is over."""
    before = core.compiled.threads()
    yield core.set_threads
    core.set_threads(before)


@contextmanager
def sharing_every_product(n):
    """Let every core share among n threads what is usually too little work for that."""
    before = core.compiled.threads()
    try:
        for isa in ISAS:
            core.load(isa).set_threads(n, smallest_job=0)
        yield
    finally:
        for isa in ISAS:
            core.load(isa).set_threads(before)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("sort_of_batch", BATCHES)
@settings(deadline=None, max_examples=cases_to_try(25))
@given(data=st.data())
def test_any_product_shared_among_threads_has_the_same_bits(sort_of_batch, precision, data):
    case = data.draw(larger_cases(precision, sort_of_batch))
    for isa, kernel in choices(case):
        found = []
        for n in (1, 2, 3):
            with sharing_every_product(n):
                trainer = trainer_of(case, kernel=kernel, isa=isa)
                found.append((trainer.run(FOR_EVER), bits(trainer)))
        assert found[0] == found[1] == found[2], (isa, kernel)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [256, 0])
def test_the_number_of_threads_changes_no_bit(batch, precision, threads):
    case = team_case(precision, batch=batch, epochs=2 if precision == "float64" else 1)
    expected = by_reference(case)
    for isa, kernel in choices(case):
        found = []
        for n in (1, 2, 3):
            threads(n)
            trainer = trainer_of(case, kernel=kernel, isa=isa)
            found.append(finished(trainer))
            assert difference(trainer.parameters, flatten_dense(expected.layers)) <= NEAR[precision], (
                isa,
                kernel,
                n,
            )
        assert found[0] == found[1] == found[2], (isa, kernel)


def flatten_dense(layers):
    """Return the weights of the second trainer in the core's order."""
    return flatten(Network([Layer(layer.weights, layer.bias, layer.activation) for layer in layers]))


def pieces(case, isa, kernel, rng):
    """Yield the same training cut in several ways, each run to its end; what is read in between is kept."""
    by_updates = trainer_of(case, kernel=kernel, isa=isa)
    while by_updates.run(FOR_EVER, by_updates.updates + int(rng.integers(1, 9))) == "paused":
        by_updates.now()
    yield by_updates
    by_time = trainer_of(case, kernel=kernel, isa=isa)
    while by_time.run(0.0) == "paused":  # also in the middle of a batch
        by_time.now()
    yield by_time
    one_by_one = trainer_of(case, kernel=kernel, isa=isa)
    one_by_one.watch(np.array([0]), 1)  # one example a call
    one_by_one.run(FOR_EVER)
    yield one_by_one
    continued = trainer_of(case, kernel=kernel, isa=isa)
    while continued.run(0.0) == "paused" and continued.epoch < 1:
        pass
    other = trainer_of(case, kernel=kernel, isa=isa)
    other.run(FOR_EVER, int(rng.integers(1, 9)))  # what it has learnt is forgotten
    other.restore(continued.state())
    other.run(FOR_EVER)
    yield other


CUT = {  # sizes, examples, batch: pauses fall between updates, and within batches of one chunk and of several
    "one": ((20, 30, 5), 90, 1),
    "small": ((3, 8, 2), 200, 4),
    "some": ((60, 130, 3), 90, 17),
    "several chunks": ((30, 40, 3), 620, 300),
    "all": ((30, 40, 3), 620, 0),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", CUT)
def test_however_a_training_is_cut_it_has_the_same_bits(name, optimizer, precision):
    sizes, n, batch = CUT[name]
    values = {"batch": batch, "optimizer": optimizer, "precision": precision, "epochs": 3, "weighted": True}
    values |= {"l2": 0.01} if optimizer == "adam" else {}  # and the shortest update of all
    case = make_case(5, sizes, ("tanh", "softmax"), "cross_entropy", n=n, reach=0.2, **values)
    rng = np.random.default_rng(7)
    for isa, kernel in choices(case):
        whole = finished(trainer_of(case, kernel=kernel, isa=isa))
        assert whole == finished(trainer_of(case, kernel=kernel, isa=isa))
        for number, trainer in enumerate(pieces(case, isa, kernel, rng)):
            assert bits(trainer) == whole, (isa, kernel, number)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 16, 256])
def test_trainings_in_two_python_threads_at_once_have_the_bits_of_each_alone(batch, precision, threads):
    threads(2)
    values = {"precision": precision, "batch": batch}
    shared = {"n": 300} if batch > 1 else {"n": 20}
    both = [team_case(precision, batch=batch, seed=seed, **shared) for seed in (1, 2)]
    small = make_case(3, (5, 9, 3), ("tanh", "softmax"), "cross_entropy", n=60, epochs=20, **values)
    for isa, kernel in choices(both[0]):
        cases = [*both, small, small]
        alone = [finished(trainer_of(case, kernel=kernel, isa=isa)) for case in cases]
        together, barrier = [None] * len(cases), threading.Barrier(len(cases))

        def train(number, isa=isa, kernel=kernel, cases=cases, together=together, barrier=barrier):
            trainer = trainer_of(cases[number], kernel=kernel, isa=isa)
            barrier.wait()
            while trainer.run(0.001) == "paused":
                pass
            together[number] = bits(trainer)

        at_work = [threading.Thread(target=train, args=(number,)) for number in range(len(cases))]
        for thread in at_work:
            thread.start()
        for thread in at_work:
            thread.join()
        assert together == alone, (isa, kernel)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 16, 0])
def test_an_interrupted_training_goes_on_to_the_same_bits(batch, precision, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "SLICE", 0.0)
    values = {"precision": precision, "optimizer": "adam", "batch": batch, "epochs": 8}
    case = make_case(1, (40, 60, 3), ("tanh", "softmax"), "cross_entropy", n=90, reach=0.2, **values)
    for isa, kernel in choices(case):
        whole = by_core(case, kernel, isa)
        file = tmp_path / f"{isa}-{kernel}"
        stop = Watch(checkpoint=file, progress=lambda progress: progress.epoch > 3.3)
        interrupted = by_core(case, kernel, isa, watch=stop)
        assert (interrupted.outcome, 0 < interrupted.updates < whole.updates) == ("interrupted", True)
        resumed = by_core(case, kernel, isa, watch=Watch(checkpoint=file, resume=True))
        assert resumed.settings.core == f"{isa}-{kernel}"
        assert weights_of(resumed.network.layers).tobytes() == weights_of(whole.network.layers).tobytes()
        assert resumed.losses.tobytes() == whole.losses.tobytes()


def test_ctrl_c_in_the_middle_of_a_call_leaves_a_run_that_goes_on_to_the_same_bits(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for isa in ISAS:
            case = make_case(
                1, (40, 60, 3), ("tanh", "softmax"), "cross_entropy", n=90, epochs=300_000, batch=16
            )
            file = tmp_path / isa
            ctrl_c = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
            ctrl_c.start()
            run = by_core(case, isa=isa, watch=Watch(checkpoint=file))
            ctrl_c.join()
            assert run.outcome == "interrupted"
            assert 0 < run.updates < 300_000 * 6
            trainer = trainer_of(case, isa=isa)
            trainer.run(FOR_EVER, run.updates)
            assert trainer.parameters.tobytes() == flatten(run.network).tobytes()
    finally:
        signal.signal(signal.SIGINT, before)


INTERRUPTED = """
import sys
from test_kernels import *

core_, batch = sys.argv[1], int(sys.argv[2])
values = {"epochs": 10**7, "batch": batch, "optimizer": "momentum"}
case = make_case(1, (40, 60, 3), ("tanh", "softmax"), "cross_entropy", n=90, reach=0.2, **values)
for kernel in core.load(core_).kernels(batch):
    told = []
    def tell(progress):
        told.append(progress) or len(told) != 2 or print("in training", flush=True)
    run = by_core(case, kernel, core_, watch=Watch(tell, advise=False))
    print(kernel, run.outcome, flush=True)
    trainer = trainer_of(case, kernel=kernel, isa=core_)
    trainer.run(FOR_EVER, run.updates)
    print(run.updates > 0 and trainer.parameters.tobytes() == flatten(run.network).tobytes(), flush=True)
"""


@pytest.mark.parametrize("batch", [1, 16])
def test_ctrl_c_ends_every_kernel_within_a_second_with_what_it_had_reached(batch, command):
    environment = unmeasured() | {"PYTHONPATH": os.path.dirname(__file__)}
    process = command.start(core.isa, batch, words=("-c", INTERRUPTED), env=environment)
    try:
        for kernel in core.compiled.kernels(batch):
            assert process.stdout.readline() == "in training\n"
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            pressed = time.monotonic()
            assert process.stdout.readline() == f"{kernel} interrupted\n"
            assert time.monotonic() - pressed < 1
            assert process.stdout.readline() == "True\n", kernel
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    finally:
        process.kill()
        process.wait()


# ---------------------------------------------------------------- many networks at once


def as_one_of_many(examples, wished, validation=None):
    """Return the run of one network by the kernel for many, also where it leaves the finite numbers."""
    try:
        return train_examples(examples, wished, validation=validation, watch=Watch(advise=False))
    except DivergenceError as error:
        return error.run


def numbers_of(run):
    curves = (run.losses, run.accuracies, run.validation_losses, run.validation_accuracies)
    facts = (run.settings, run.outcome, run.updates, run.best_epoch)
    return weights_of(run.network.layers).tobytes(), *(curve.tobytes() for curve in curves), facts


@st.composite
def crowds(draw, precision):
    """Draw settings and, for each of some networks, examples, a validation part, a seed and a rate."""
    width = st.one_of(st.integers(1, 9), st.integers(10, 130))
    sizes = draw(st.lists(width, min_size=2, max_size=6))
    output, loss = draw(st.sampled_from(ENDINGS))
    batch = draw(st.sampled_from([1, 5, 0]))
    wished = Settings(
        hidden=tuple(sizes[1:-1]),
        activation=draw(st.sampled_from(TRAINABLE)),
        output=output,
        loss=loss,
        bias=draw(st.booleans()),
        optimizer=draw(st.sampled_from([*OPTIMIZERS])),
        l2=draw(st.sampled_from([0.0, 0.01])),
        weight_limit=draw(st.sampled_from([None, 0.5])),
        batch=batch,
        epochs=2,
        scale="none",
        precision=precision,
    )
    n_networks, number = draw(st.sampled_from([2, 5, 9, 17, 33])), draw(st.integers(0, 2**31))
    work = n_networks * sum(a * b for a, b in pairwise(sizes))
    rng = np.random.default_rng(number)
    weighted, validated = draw(st.booleans()), draw(st.booleans())

    def tables(most):
        activations = ("tanh",) * (len(sizes) - 2) + (output,)
        counts = rng.integers(1, 2 + min(most, MOST_WORK // 10 // work), n_networks)
        return [
            make_case(number + k, sizes, activations, loss, n=int(n), weighted=weighted).examples
            for k, n in enumerate(counts)
        ]

    rates = rng.uniform(1e-4, 1e-2, n_networks)
    rates[rng.integers(n_networks)] = 1e30
    return wished, tables(70), tables(20) if validated else [None] * n_networks, rates.tolist()


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=cases_to_try(40))
@given(data=st.data())
def test_networks_at_once_one_of_which_learns_far_too_fast_have_the_bits_of_each_alone(precision, data):
    wished, tables, asides, rates = data.draw(crowds(precision))
    seeds = range(len(tables))
    for isa in ISAS:
        own = msgspec.structs.replace(wished, core=f"{isa}-many")
        apart = asides if asides[0] else None
        runs = train_many(tables, own, seeds=seeds, learning_rates=rates, validation=apart, threads=2)
        for run, *row in zip(runs, tables, asides, seeds, rates, strict=True):
            examples, aside, seed, rate = row
            alone = msgspec.structs.replace(own, seed=seed, learning_rate=rate)
            assert run.settings.core == own.core
            assert numbers_of(run) == numbers_of(as_one_of_many(examples, alone, aside)), isa


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("sizes", [(3, 5, 4), (4, 4, 9, 7, 2)])
def test_full_lanes_give_the_bits_of_one_network_alone(sizes, batch, precision):
    values = {"batch": batch, "epochs": 3, "precision": precision}
    activations = (*["tanh"] * (len(sizes) - 2), "softmax")
    cases = [make_case(k, sizes, activations, "cross_entropy", n=11, **values) for k in range(70)]
    for isa in ISAS:
        own = msgspec.structs.replace(cases[0].settings, core=f"{isa}-many")
        starts = [case.network for case in cases]
        runs = train_many([case.examples for case in cases], own, starts=starts)
        for case, run in zip(cases, runs, strict=True):
            alone = train_examples(case.examples, own, start=case.network)
            assert weights_of(run.network.layers).tobytes() == weights_of(alone.network.layers).tobytes(), isa
            assert run.losses.tobytes() == alone.losses.tobytes(), isa


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 30, 150, 0])
def test_networks_interrupted_within_an_epoch_count_the_updates_that_were_made(batch, precision, monkeypatch):
    monkeypatch.setattr(many, "SLICE", 0.0)  # some examples of each, then the time is up
    values = {"batch": batch, "optimizer": "adam", "epochs": 10**6, "precision": precision}
    counts = (20, 100, 200, 201, 300)
    cases = [
        make_case(k, (20, 30, 3), ("tanh", "softmax"), HALF, n=n, **values) for k, n in enumerate(counts)
    ]
    for isa in ISAS:
        for looks in range(2, 14):
            told = []
            watch = Watch(
                lambda progress, told=told, looks=looks: told.append(progress) or len(told) == looks
            )
            own = msgspec.structs.replace(cases[0].settings, core=f"{isa}-many")
            starts = [case.network for case in cases]
            runs = train_many([case.examples for case in cases], own, starts=starts, watch=watch, threads=1)
            for case, run in zip(cases, runs, strict=True):
                trainer = trainer_of(case, kernel="many", isa=isa)
                trainer.run(FOR_EVER, run.updates)
                assert trainer.parameters.tobytes() == flatten(run.network).tobytes(), (isa, looks)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 5, 0])
def test_interrupted_networks_are_where_each_would_be_alone(batch, precision):
    values = {"batch": batch, "optimizer": "adam", "l2": 0.01, "epochs": 10**6, "precision": precision}
    cases = [
        make_case(k, (5, 9, 3), ("tanh", "softmax"), "cross_entropy", n=20 + k, **values) for k in range(9)
    ]
    for isa in ISAS:
        told = []
        watch = Watch(lambda progress, told=told: told.append(progress) or len(told) == 3)
        own = msgspec.structs.replace(cases[0].settings, core=f"{isa}-many")
        starts = [case.network for case in cases]
        runs = train_many([case.examples for case in cases], own, starts=starts, watch=watch, threads=2)
        assert any(run.updates for run in runs)  # where there are fewer lanes, some wait
        for case, run in zip(cases, runs, strict=True):
            assert run.outcome == "interrupted"
            trainer = trainer_of(case, kernel="many", isa=isa)
            trainer.run(FOR_EVER, run.updates)
            assert trainer.parameters.tobytes() == flatten(run.network).tobytes(), isa


# ---------------------------------------------------------------- the edges

TINY = {"float32": 1e-40, "float64": 1e-310}


def with_weights(case, change):
    """Return the case with other weights and biases: change(array) of each."""
    layers = [
        Layer(change(layer.weights), None if layer.bias is None else change(layer.bias), layer.activation)
        for layer in case.network.layers
    ]
    return Case(Network(layers), case.examples, case.settings)


def edge(sizes, *, n=7, output="softmax", hidden="tanh", **values):
    loss = "half_squared_error" if output == "linear" else "cross_entropy"
    activations = (*[hidden] * (len(sizes) - 2), output)
    return make_case(2, sizes, activations, loss, n=n, **({"batch": 3} | values))


EDGES = {
    "one example": lambda **v: edge((5, 4, 3), n=1, **v),
    "one example, all at once": lambda **v: edge((5, 4, 3), n=1, batch=0, **v),
    "one input": lambda **v: edge((1, 4, 3), **v),
    "one class": lambda **v: edge((5, 4, 1), **v),
    "one output": lambda **v: edge((5, 4, 1), output="sigmoid", **v),
    "one of everything": lambda **v: edge((1, 1), output="linear", n=1, batch=1, **v),
    "one neuron after another": lambda **v: edge((1, 1, 1, 1, 1), output="linear", batch=1, **v),
    "130 classes": lambda **v: edge((6, 5, 130), reach=0.3, **v),
    "a batch larger than the examples": lambda **v: edge((5, 4, 3), batch=1000, **v),
    "a last batch of one": lambda **v: edge((5, 4, 3), n=17, batch=16, **v),
    "all weights zero": lambda **v: with_weights(edge((5, 4, 3), **v), np.zeros_like),
    "all weights zero, one at a time": lambda **v: with_weights(edge((5, 4, 3), batch=1, **v), np.zeros_like),
    "all weights zero, of relu": lambda **v: with_weights(edge((5, 4, 3), hidden="relu", **v), np.zeros_like),
    "inputs zero": lambda **v: with_inputs(edge((5, 4, 3), **v), np.zeros_like),
    "one at a time": lambda **v: edge((17, 33, 9), batch=1, n=9, **v),
}


def with_inputs(case, change):
    examples = case.examples
    return Case(case.network, Examples(change(examples.X), examples.Y, examples.classes), case.settings)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", EDGES)
def test_the_smallest_and_oddest_trainings_go_as_the_definition_says(name, optimizer, precision):
    values = {"optimizer": optimizer, "precision": precision, "epsilon": 1e-4, "epochs": 2, "l2": 0.01}
    for bias in (True, False):
        hold_to_the_definition(EDGES[name](bias=bias, **values), ISAS)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 2, 0])
def test_denormal_numbers_are_reckoned_with(batch, precision):
    tiny, least = TINY[precision], float(np.finfo(precision).smallest_subnormal)
    case = edge((6, 3), output="linear", batch=batch, epochs=2, precision=precision)
    case = with_inputs(with_weights(case, lambda w: w * tiny), np.sign)
    small = Examples(case.examples.X, case.examples.Y * tiny, case.examples.classes)
    denormal = Case(case.network, small, case.settings)
    weights, _ = test_core.by_definition(denormal)
    assert np.abs(weights).max() < np.finfo(precision).tiny
    for isa, kernel in choices(denormal):
        found = weights_of(by_core(denormal, kernel, isa).network.layers)
        assert (found != weights_of(denormal.network.layers)).all()
        # Every rounding is one of the last place, which is as large here as that of the smallest number.
        assert np.abs(found - weights).max() <= 40 * least, (isa, kernel)

    # Weights of ordinary size, which denormal inputs cannot move: only the biases learn.
    ordinary = with_inputs(edge((6, 4, 3), batch=batch, precision=precision), lambda X: X * tiny)
    hold_to_the_definition(ordinary, ISAS)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_values_that_do_not_fit_are_refused_before_a_kernel_sees_them(precision):
    case = edge((5, 4, 3), precision=precision)
    for value in (math.inf, -math.inf, math.nan, 1e39 if precision == "float32" else math.inf):
        X = case.examples.X.copy()
        X[3, 2] = value
        with pytest.raises(ArgumentError, match=r"not finite|too large for float32") as refused:
            by_core(Case(case.network, Examples(X, case.examples.Y, case.examples.classes), case.settings))
        assert refused.value.where == "example 3, column 2"


# ---------------------------------------------------------------- what leaves the finite numbers


def trouble_of(case, isa, kernel):
    """Return the status of a training, its trouble, and how many epochs were made."""
    trainer = trainer_of(case, kernel=kernel, isa=isa)
    return trainer.run(FOR_EVER), trainer.trouble, len(trainer.state()["losses"])


ROUNDINGS_DECIDE = {
    "softmax"
}  # at a rate of 1e38 it swings between extremes, by differences that are roundings


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", test_core.DIVERGING)
def test_every_kernel_names_what_leaves_the_finite_numbers_as_the_definition_does(name, precision):
    case, expected, _ = diverging(name, precision)
    named = ("epoch", "update", "layer", "neuron", "input", "sum")
    for isa, kernel in choices(case):
        status, found, epochs = trouble_of(case, isa, kernel)
        assert status == "non_finite", (isa, kernel)
        assert epochs == found["epoch"]
        if name not in ROUNDINGS_DECIDE:
            assert {key: found[key] for key in named} == {key: expected[key] for key in named}, (isa, kernel)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_kernel_that_has_diverged_starts_anew_as_if_nothing_had_been(batch, optimizer, precision):
    for l2 in (0.0, 0.01):
        values = {"optimizer": optimizer, "precision": precision, "l2": l2, "batch": batch, "epochs": 2}
        for sizes in ((5, 9, 3), (5, 37, 9)):
            case = edge(sizes, output="linear", **values)
            for isa, kernel in choices(case):
                expected = finished(trainer_of(case, kernel=kernel, isa=isa))
                trainer = trainer_of(case, kernel=kernel, isa=isa)
                start = trainer.state()
                trainer.restore(start | {"parameters": np.full_like(start["parameters"], math.inf)})
                assert trainer.run(FOR_EVER) == "non_finite", (isa, kernel)
                trainer.restore(start)
                # No lane has kept what is not finite: probes and L2 add all of them up.
                assert finished(trainer) == expected, (isa, kernel)


# What an example may hold that has got past the checks, or grown in training.
POISON = {
    "infinite": lambda precision: math.inf,
    "minus infinite": lambda precision: -math.inf,
    "not a number": lambda precision: math.nan,
    "huge": lambda precision: float(np.finfo(precision).max),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", TRAINABLE)
@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_example_is_found_by_every_kernel_in_the_update_that_sees_it(name, activation, precision):
    for batch, n in ((1, 5), (4, 21), (0, 300)):
        values = {"batch": batch, "n": n, "hidden": activation, "precision": precision, "epochs": 3}
        case = edge((6, 9, 3), shuffle=False, reach=0.9, **values)
        # All the same sign, so that no order of adding keeps the sum finite.
        case = with_weights(case, lambda w: np.abs(w) + 0.5)
        X = np.array(case.examples.X)
        X[n - 2] = POISON[name](precision)
        examples = SimpleNamespace(X=X, Y=case.examples.Y, weight=None, n_examples=n)
        poisoned = Case(case.network, examples, case.settings)
        for isa, kernel in choices(case):
            status, found, epochs = trouble_of(poisoned, isa, kernel)
            assert (status, epochs) == ("non_finite", 0), (isa, kernel, batch)
            place = (found["epoch"], found["update"], found["layer"], found["neuron"], found["sum"])
            assert place == (0, (n - 2) // (batch or n), 0, 0, True), (isa, kernel, batch)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_neuron_without_an_example_or_behind_the_last_spreads_no_poison(precision):
    # Sums at the edge of what e^x holds, in networks that fill no vector, leave the others' bits finite.
    for output, loss in ENDINGS:
        for sizes in ((3, 5, 3), (9, 17, 7)):
            case = make_case(
                1, sizes, ("sigmoid", output), loss, n=5, batch=3, reach=0.7, precision=precision
            )
            case = with_weights(case, lambda w: w * 300)
            case = Case(
                case.network, case.examples, msgspec.structs.replace(case.settings, learning_rate=1e-6)
            )
            for isa, kernel in choices(case):
                trainer = trainer_of(case, kernel=kernel, isa=isa)
                assert trainer.run(FOR_EVER) == "finished", (isa, kernel, output, loss)
                assert np.isfinite(trainer.parameters).all()


# ---------------------------------------------------------------- memory that is not the core's

AT_THE_EDGE = """
import ctypes, mmap, sys
from types import SimpleNamespace
from test_kernels import *

PAGE = mmap.PAGESIZE
kept = []

def beside_nothing(array, behind):
    # A copy with a page behind it, or before it, that ends the process when it is read.
    size = -(-array.nbytes // PAGE) * PAGE
    memory = mmap.mmap(-1, size + 2 * PAGE)
    kept.append(memory)
    begin = np.frombuffer(memory, np.uint8).ctypes.data
    for closed in (begin, begin + PAGE + size):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(closed), PAGE, 0) == 0
    first = PAGE + (size - array.nbytes if behind else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, first).reshape(array.shape)
    copy[:] = array
    return copy

def reads(case, isa, kernel, behind):
    e, dtype = case.examples, case.dtype
    arrays = [beside_nothing(np.array(a, dtype), behind) for a in (e.X, e.Y, e.weight)]
    examples = SimpleNamespace(X=arrays[0], Y=arrays[1], weight=arrays[2])
    aside = SimpleNamespace(X=arrays[0][1:], Y=arrays[1][1:], weight=arrays[2][1:]) if behind else examples
    trainer = trainer_of(Case(case.network, examples, case.settings), aside, kernel=kernel, isa=isa)
    assert trainer.run(FOR_EVER) == "finished"
    ordinary = trainer_of(case, None, kernel=kernel, isa=isa)
    ordinary.run(FOR_EVER)
    assert np.array_equal(trainer.parameters, ordinary.parameters)
    function = getattr(core.load(isa), "feedforward_" + case.settings.precision)
    function(core_layers(case.network), flatten(case.network), arrays[0])

if sys.argv[1] == "control":
    ctypes.string_at(beside_nothing(np.zeros(3), True).ctypes.data, 25)
for precision in PRECISIONS:
    for sizes in ((1, 1), (3, 5, 1), (17, 9, 3), (33, 130, 7), (49, 2)):
        for batch, n in ((1, 7), (3, 7), (16, 17), (0, 300)):
            values = {"batch": batch, "n": n, "precision": precision, "weighted": True, "epochs": 2}
            case = make_case(1, sizes, ("tanh",) * (len(sizes) - 2) + ("sigmoid",), HALF, reach=0.2, **values)
            for isa, kernel in choices(case):
                for behind in (True, False):
                    reads(case, isa, kernel, behind)
                    kept.clear()
print("done")
"""


@pytest.mark.skipif(os.name != "posix", reason="memory is closed by mprotect")
def test_nothing_beside_the_examples_is_ever_read(python):
    # As X may lie in a file of which no more is mapped. In a process of its own, which would end.
    environment = unmeasured() | {"PYTHONPATH": os.path.dirname(__file__)}
    assert python(AT_THE_EDGE, "control", env=environment).returncode == -signal.SIGSEGV
    done = python(AT_THE_EDGE, "all", env=environment)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]
