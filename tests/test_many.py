"""Many networks at once are held to the networks trained one by one, and to themselves in other company.

How far a network may be from the same network trained alone is said in `test_core`: 1e-12 of the
largest weight in float64, 1e-5 in float32 over few epochs, where no relu has a kink to be rounded
across. What must not matter (neighbours, their number, threads, pauses) must not matter to a bit.
"""

import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_core import ENDINGS, PRECISIONS, expected_outputs, weights_of
from tinyglass import (
    ArgumentError,
    DivergenceError,
    Examples,
    Layer,
    Network,
    Settings,
    Watch,
    explain_step,
    start_network,
    train_examples,
    train_many,
)
from tinyglass.arithmetic import OPTIMIZERS, SCHEDULES
from tinyglass.runs import CURVES, Run

NEAR = {"float32": 1e-5, "float64": 1e-12}
SMOOTH = ("linear", "sigmoid", "tanh")


def table(number, n, sizes=(3, 2), ending=("softmax", "cross_entropy"), weighted=False):
    """Return n random examples, the `number`-th, of as many inputs and outputs as `sizes` begins and ends with."""
    rng = np.random.default_rng(number)
    Y = expected_outputs(rng, n, sizes[-1], *ending)
    classes = tuple(f"class{k}" for k in range(sizes[-1]))
    weight = rng.uniform(0.2, 3, n) if weighted else None
    return Examples(rng.uniform(-1, 1, (n, sizes[0])), Y, classes, weight=weight)


def alone(examples, wished, **arguments):
    """Return the run of one network, also where it comes to a state from which it cannot learn."""
    try:
        return train_examples(examples, wished, watch=Watch(advise=False), **arguments)
    except DivergenceError as error:
        return error.run


def everything(run):
    """Return all numbers of a run, as bytes."""
    curves = [getattr(run, name).tobytes() for name in CURVES]
    facts = (run.best_epoch, run.updates, run.outcome, run.fingerprint, run.settings)
    return weights_of(run.network.layers).tobytes(), weights_of(run.initial.layers).tobytes(), *curves, facts


def hold_to_one_by_one(run, one):
    near = NEAR[one.settings.precision]
    assert weights_of(run.initial.layers).tobytes() == weights_of(one.initial.layers).tobytes()
    assert (run.outcome, run.epochs, run.updates) == (one.outcome, one.epochs, one.updates)
    assert run.fingerprint == one.fingerprint
    assert run.best_epoch == one.best_epoch
    assert msgspec.structs.replace(run.settings, core="auto") == msgspec.structs.replace(
        one.settings, core="auto"
    )
    found, expected = weights_of(run.network.layers), weights_of(one.network.layers)
    assert found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= near * max(1, np.abs(expected).max())
    for name in CURVES:
        assert getattr(run, name) == pytest.approx(getattr(one, name), rel=10 * near, abs=near), name


@st.composite
def crowds(draw, precision):
    """Draw networks that are trained together: how, on what, from which seeds, how fast."""
    output, loss = draw(st.sampled_from(ENDINGS))
    smooth = output if output in (*SMOOTH, "softmax") else "sigmoid" if loss == "cross_entropy" else "linear"
    hidden = tuple(draw(st.lists(st.integers(1, 11), max_size=2)))
    sizes = (draw(st.integers(1, 9)), draw(st.integers(1, 5)))
    share = draw(st.sampled_from([0.0, 0.0, 0.3]))
    wished = Settings(
        hidden=hidden,
        activation=draw(st.sampled_from(SMOOTH)),
        output=smooth,
        loss=loss,
        bias=draw(st.booleans()),
        optimizer=draw(st.sampled_from([*OPTIMIZERS])),
        learning_rate=draw(st.floats(1e-4, 0.02)),
        schedule=draw(st.sampled_from([*SCHEDULES])),
        rate_every=1,
        momentum=0.5,
        epsilon=1e-3,
        l2=draw(st.sampled_from([0.0, 0.003, 0.1])),
        weight_limit=draw(st.sampled_from([None, None, 0.5])),
        batch=draw(st.sampled_from([1, 1, 2, 5, 16, 0])),
        shuffle=draw(st.booleans()),
        epochs=draw(st.integers(1, 4)),
        validation=share,
        patience=draw(st.integers(0, 2)) if share else 0,
        precision=precision,
        class_weight=draw(st.sampled_from(["none", "none", "balanced"])),
        seed=draw(st.integers(0, 2**63 - 1)),
    )
    n_networks = draw(st.sampled_from([1, 2, 7, 17, 40]))
    number, weighted, most = (
        draw(st.integers(0, 2**31)),
        draw(st.booleans()),
        draw(st.sampled_from([5, 30, 140])),
    )
    fewest = 30 if share else 1
    counts = np.random.default_rng(number).integers(fewest, fewest + most, n_networks).tolist()
    tables = [table(number + k, n, sizes, (smooth, loss), weighted) for k, n in enumerate(counts)]
    seeds = [(number * 7 + 13 * k) % 2**63 for k in range(n_networks)]
    rates = [wished.learning_rate * (1 + k / n_networks) for k in range(n_networks)]
    return wished, tables, seeds, rates


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_each_is_trained_as_if_it_were_alone(precision, data):
    wished, tables, seeds, rates = data.draw(crowds(precision))
    runs = train_many(tables, wished, seeds=seeds, learning_rates=rates)
    assert len(runs) == len(tables)
    for run, examples, seed, rate in zip(runs, tables, seeds, rates, strict=True):
        hold_to_one_by_one(
            run, alone(examples, msgspec.structs.replace(wished, seed=seed, learning_rate=rate))
        )


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_neighbours_their_number_threads_and_pauses_change_no_bit(precision, data):
    wished, tables, seeds, rates = data.draw(crowds(precision))
    together = train_many(tables, wished, seeds=seeds, learning_rates=rates, threads=1)
    shared_out = train_many(tables, wished, seeds=seeds, learning_rates=rates, threads=3)
    order = np.random.default_rng(len(tables)).permutation(len(tables))
    others = [
        train_many(
            [tables[k] for k in part],
            wished,
            seeds=[seeds[k] for k in part],
            learning_rates=[rates[k] for k in part],
        )
        for part in np.array_split(order, 3)
        if len(part)
    ]
    in_other_company = dict(zip(order.tolist(), [run for runs in others for run in runs], strict=True))
    for k, run in enumerate(together):
        assert everything(run) == everything(shared_out[k])
        assert everything(run) == everything(in_other_company[k])


def test_a_run_is_replayed_to_the_bit_and_explained():
    examples = table(1, 40)
    wished = Settings(hidden=(5,), epochs=3, batch=4)
    run = train_many(examples, wished, seeds=range(5))[3]
    assert run.settings.core.endswith("-many")
    again = alone(examples, run.settings)
    assert weights_of(run.network.layers).tobytes() == weights_of(again.network.layers).tobytes()
    assert run.losses.tobytes() == again.losses.tobytes()
    assert "The core and the definition" in str(explain_step(run, epoch=2, step=3))  # and do not disagree


def test_large_networks_are_trained_one_after_another_and_all_the_same():
    wished = Settings(hidden=(90, 40), epochs=2, batch=8, precision="float64")
    tables = [table(k, 20 + k) for k in range(4)]
    for run, examples, seed in zip(train_many(tables, wished, seeds=range(4)), tables, range(4), strict=True):
        assert not run.settings.core.endswith("-many")
        one = alone(examples, msgspec.structs.replace(wished, seed=seed))
        assert everything(run) == everything(one)


def test_networks_of_different_shapes_rules_and_precisions_are_trained_in_one_call():
    quantities = replace(table(4, 30, (2, 1), ("linear", "half_squared_error")), classes=None)
    tables = [table(1, 30), table(2, 25, (5, 3)), table(3, 30), quantities, table(5, 20)]
    wished = [
        Settings(hidden=(4,), epochs=3, batch=1),
        Settings(hidden=(4,), epochs=5),
        Settings(hidden=(4,), epochs=2, batch=1, learning_rate=0.01, seed=9),
        Settings(hidden=(), epochs=2, optimizer="momentum", precision="float64"),
        Settings(hidden=(90,), epochs=2, batch=0),
    ]
    told = []
    runs = train_many(tables, wished, watch=Watch(lambda p: told.append(p.epoch / p.epochs)))
    for run, examples, own in zip(runs, tables, wished, strict=True):
        hold_to_one_by_one(run, alone(examples, own))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1)


def test_a_network_that_leaves_the_finite_numbers_does_not_disturb_the_others():
    wished = Settings(
        hidden=(4,),
        activation="relu",
        output="linear",
        loss="half_squared_error",
        optimizer="sgd",
        epochs=8,
        batch=1,
    )
    tables = [table(k, 30, ending=("linear", "half_squared_error")) for k in range(20)]
    rates = [1e-3] * 20
    calm = train_many(tables, wished, seeds=range(20), learning_rates=rates)
    rates[7] = 50.0
    runs = train_many(tables, wished, seeds=range(20), learning_rates=rates)
    for k in set(range(20)) - {7}:
        assert everything(runs[k]) == everything(calm[k])
    one = alone(tables[7], msgspec.structs.replace(wished, seed=7, learning_rate=50.0))
    assert (runs[7].outcome, runs[7].epochs, runs[7].updates) == ("diverged", one.epochs, one.updates)
    assert len(runs[7].losses) == one.epochs < 8
    assert all(np.isfinite(part.weights).all() for part in runs[7].network.layers)
    assert "smaller learning rate" in runs[7].about["divergence"]
    assert "divergence" not in runs[0].about


def test_a_saturated_network_is_told_too():
    wished = Settings(hidden=(4,), activation="sigmoid", optimizer="sgd", batch=1, epochs=50, l2=0.0)
    examples = table(3, 30)
    rates = [0.01, 1e6]
    sound, flat = train_many(examples, wished, learning_rates=rates)
    one = alone(examples, msgspec.structs.replace(wished, learning_rate=1e6))
    assert (sound.outcome, flat.outcome, one.outcome) == ("finished", "diverged", "diverged")
    assert "saturated" in flat.about["divergence"]


def test_each_has_its_own_start_validation_part_and_number_of_epochs():
    starts = [start_network((3, 4, 2), ("tanh", "softmax"), seed=k, dtype=np.float32) for k in (5, 6, 7)]
    tables, asides = [table(k, 300 * (k + 1)) for k in range(3)], [table(k, 20 + k) for k in range(3)]
    wished = Settings(hidden=(4,), patience=0, batch=16, validation=0.2)
    runs = train_many(tables, wished, starts=starts, validation=asides)
    assert [run.epochs for run in runs] == [100, 50, 33]
    for run, examples, start, aside in zip(runs, tables, starts, asides, strict=True):
        one = alone(examples, wished, start=start, validation=aside)
        assert run.fingerprint == one.fingerprint
        assert len(run.validation_losses) == run.epochs
        assert run.validation_losses[:3] == pytest.approx(one.validation_losses[:3], rel=1e-4)


def test_what_is_given_once_is_for_all():
    examples, start = table(1, 30), start_network((3, 2), ("softmax",), seed=9, dtype=np.float32)
    wished = Settings(hidden=(), epochs=3)
    runs = train_many(examples, wished, seeds=np.arange(3), starts=start, validation=table(2, 9))
    assert {run.initial.layers[0].weights.tobytes() for run in runs} == {start.layers[0].weights.tobytes()}
    assert len({everything(run)[0] for run in runs}) == 3  # shuffled by their own seeds
    assert len(train_many(examples, wished)) == 1
    assert train_many([], wished) == []


# ---------------------------------------------------------------- interruption


def long_training(**arguments):
    wished = Settings(hidden=(8,), epochs=10**6, batch=1, optimizer="sgd", schedule="constant")
    return train_many([table(k, 50 + k) for k in range(20)], wished, seeds=range(20), **arguments)


def test_progress_is_told_at_least_every_50_ms_and_ends_a_training_which_keeps_what_was_reached():
    told = []

    def progress(p):
        told.append((time.perf_counter(), p))
        return len(told) == 12

    watch = Watch(progress, about={"why": "a test"})
    runs = long_training(watch=watch)
    assert watch.interrupted
    assert np.median(np.diff([at for at, _ in told])) < 0.06
    shares = [p.epoch / p.epochs for _, p in told]
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1
    for run in runs:
        assert run.outcome == "interrupted"
        assert run.about == {"why": "a test"}
        assert run.epochs <= run.updates / len(run.examples.X) < run.epochs + 1
        assert run.losses[-1] < run.losses[0]


def test_ctrl_c_ends_a_training():
    def progress(p):
        if p.epoch > 0:
            raise KeyboardInterrupt

    watch = Watch(progress)
    runs = long_training(watch=watch)
    assert watch.interrupted
    assert {run.outcome for run in runs} == {"interrupted"}


def test_an_interrupted_run_is_as_far_as_it_says():
    watch = Watch(lambda p: p.epoch > 0)
    run = long_training(watch=watch)[4]
    settings_ = msgspec.structs.replace(run.settings, epochs=run.epochs)
    assert alone(run.examples, settings_).losses.tobytes() == run.losses.tobytes()


def test_what_is_over_when_the_others_are_interrupted_stays_what_it_is():
    rates = [1e-3] * 20
    rates[11] = 1e9
    runs = long_training(watch=Watch(lambda p: p.epoch > p.epochs / 20), learning_rates=rates)
    assert [k for k, run in enumerate(runs) if run.outcome == "diverged"] == [11]
    assert {run.outcome for run in runs} == {"interrupted", "diverged"}


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": range(3)}, "3 seeds"),
        ({"seeds": [0, -1]}, "seed"),
        ({"learning_rates": [0.1, 0.0]}, "learning"),
        ({"validation": [table(1, 5)] * 3}, "3 validation"),
        ({"validation": table(1, 5, (2, 2))}, "3 inputs, 2 outputs"),
        ({"validation": replace(table(1, 5), classes=("left", "right"))}, "left"),
        ({"starts": Network([Layer(np.eye(2), None, "softmax")])}, "2 inputs"),
        ({"watch": Watch(checkpoint="somewhere")}, "no checkpoint"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, said):
    given = {"examples": [table(1, 5), table(2, 6)], "settings": Settings(hidden=(), epochs=1)} | arguments
    with pytest.raises(ArgumentError, match=said):
        train_many(given.pop("examples"), given.pop("settings"), **given)


def test_more_networks_than_fit_into_the_memory_are_refused():
    with pytest.raises(ArgumentError, match="GiB that are used to train at once"):
        train_many(table(1, 5), Settings(hidden=(2000,), epochs=1), seeds=range(100_000))


def test_runs_are_saved_and_read_as_any_other(tmp_path):
    run = train_many(table(1, 20), Settings(hidden=(), epochs=2), seeds=[4])[0]
    run.save(tmp_path / "run.safetensors")
    assert everything(Run.load(tmp_path / "run.safetensors")) == everything(run)
