"""Who moved a weight: the compiled core's shares are held to the definition.

Here the shares are made in plain Python from `tinyglass.arithmetic`: the gradient of each example
alone, and what an optimiser remembers as the whole history of these gradients, each faded by its
age. (The core keeps one number an example and parameter, updated as it goes.)
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from test_core import (
    FOR_EVER,
    HALF,
    PRECISIONS,
    Case,
    batches_of,
    bits,
    cases,
    distance_from_kinks,
    examples_like,
    lively_case,
    make_case,
    plain_examples,
    rate_of,
    rule_of,
    start_of,
    trainer_of,
)
from tinyglass import ArgumentError, Examples, Layer, Network, arithmetic, engine
from tinyglass.arithmetic import OPTIMIZERS
from tinyglass.network import flatten

EVERY_UPDATE = 10**4


def settled(case):
    """Return the same training with the class weights in the examples, as the core is given them."""
    plain = plain_examples(case)
    weight = [e.weight for e in plain]
    given_ = None if set(weight) == {1} else np.array(weight, np.float64)
    X, Y = np.array([e.inputs for e in plain], np.float64), np.array([e.expected for e in plain], np.float64)
    return Case(case.network, Examples(X, Y, case.examples.classes, weight=given_), case.settings), plain


def in_core_order(layers):
    """Return what is shaped like layers as one row of float64, as `flatten` has it."""
    parts = []
    for layer in layers:
        parts.append(np.array(layer.weights, np.float64).T.ravel())
        if layer.bias is not None:
            parts.append(np.array(layer.bias, np.float64))
    return np.concatenate(parts)


def gradient_of(layers, example, loss):
    """Return the gradient of one example's loss, in the core's order."""
    signals = arithmetic.feedforward(layers, example.inputs)
    deltas = arithmetic.backpropagate(layers, signals, example.expected, loss)
    weighed = [[example.weight * d for d in row] for row in deltas]
    return in_core_order(arithmetic.gradients(layers, signals, weighed, example.inputs))


def faded(history, keeps):
    """Return what is remembered of all gradients: each times `keeps` to the power of its age."""
    return sum(keeps ** (len(history) - 1 - age) * g for age, g in enumerate(history))


def shares_by_definition(case, examples):
    """Return the movements (n_updates, n_parameters) and shares (n_updates, n_parameters, n_examples + 2)."""
    s, n, state, rule = case.settings, len(examples), start_of(case), rule_of(case.settings)
    kind = float if case.dtype == np.float64 else lambda value: float(np.float32(value))
    biases = [
        layer._replace(weights=np.zeros_like(layer.weights), bias=layer.bias and [1] * len(layer.bias))
        for layer in state.layers
    ]
    is_weight = in_core_order(biases) == 0
    whose = {id(example): number for number, example in enumerate(examples)}
    history, movements, shares = [], [], []
    for epoch in range(s.epochs):
        rate = kind(rate_of(s, epoch))
        for batch in batches_of(case, examples, epoch):
            before = in_core_order(state.layers)
            fresh = np.zeros((len(before), n + 1))
            for example in batch:
                gradient = gradient_of(state.layers, example, s.loss)
                fresh[:, whose[id(example)]] = gradient / len(batch)
            fresh[:, n] = is_weight * kind(s.l2) * before
            history.append(fresh)
            state, _ = arithmetic.step(state, batch, s.loss, rule, rate_of(s, epoch))
            after = in_core_order(state.layers)
            if s.optimizer == "sgd":
                share = -rate * fresh
            elif s.optimizer == "momentum":
                share = -rate * faded(history, kind(s.momentum))
            elif s.optimizer == "nesterov":
                share = -rate * (fresh + kind(s.momentum) * faded(history, kind(s.momentum)))
            else:
                second = [
                    arithmetic.for_each_weight(lambda memory: memory.second, layer) for layer in state.memory
                ]
                count = len(history)
                divisor = np.sqrt(in_core_order(second) / (1 - s.beta2**count)) + s.epsilon
                mean = (1 - s.beta1) * faded(history, kind(s.beta1)) / (1 - s.beta1**count)
                share = -rate * mean / divisor[:, None]
            clipped = np.zeros((len(before), 1))
            if s.weight_limit is not None:
                unclipped = before + share.sum(axis=1)
                clipped = (np.clip(unclipped, -kind(s.weight_limit), kind(s.weight_limit)) - unclipped)[
                    :, None
                ]
            movements.append(after - before)
            shares.append(np.hstack([share, clipped]))
    return np.array(movements), np.array(shares)


def watched(case, keep=EVERY_UPDATE):
    """Return the core's movements of every parameter over the whole training."""
    trainer = trainer_of(case)
    trainer.watch(np.arange(case.network.n_weights), keep)
    assert trainer.run(FOR_EVER) == "finished"
    return engine.Movements(**trainer.movements())


def hold_to_the_definition(case):
    case, examples = settled(case)
    movements, shares = shares_by_definition(case, examples)
    n_updates, n_parameters, n_shares = shares.shape
    found = watched(case, keep=3)
    path = np.abs(shares).sum(axis=0)
    near = {"float64": 1e-10, "float32": 2e-4}[case.settings.precision]
    room = near * (path.sum(axis=1, keepdims=True) + np.abs(flatten(case.network)).max())
    assert found.net.shape == found.path.shape == (n_parameters, n_shares)
    assert (np.abs(found.net - shares.sum(axis=0)) <= room).all()
    assert (np.abs(found.path - path) <= room).all()

    columns = {engine.OF_L2: n_shares - 2, engine.OF_LIMIT: n_shares - 1}
    for p in range(n_parameters):
        kept = found.kept_updates[p]
        n_kept = min(3, n_updates)
        assert (kept[:n_kept] > 0).all()
        assert (kept[n_kept:] == -1).all()
        assert len(set(kept[:n_kept].tolist())) == n_kept
        furthest = np.sort(np.abs(movements[:, p]))[::-1][:n_kept]
        assert np.abs(found.kept_movement[p, :n_kept]) == pytest.approx(furthest, abs=room[p, 0])
        for place, update in enumerate(kept[:n_kept]):
            of_update, who = shares[update - 1, p], int(found.kept_example[p, place])
            share = found.kept_share[p, place]
            assert found.kept_movement[p, place] == pytest.approx(movements[update - 1, p], abs=room[p, 0])
            assert abs(share) == pytest.approx(np.abs(of_update).max(), abs=room[p, 0])
            if who == engine.OF_NOTHING:
                assert share == 0
            else:
                assert share == pytest.approx(of_update[columns.get(who, who)], abs=room[p, 0])


# ---------------------------------------------------------------- the core is the definition


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 3, 0])
def test_the_core_splits_every_movement_as_the_definition_does(batch, optimizer, precision):
    for number, values in enumerate([{}, {"l2": 0.1}, {"weight_limit": 0.5}, {"l2": 0.1, "weighted": True}]):
        values |= {"optimizer": optimizer, "batch": batch, "precision": precision, "epochs": 3}
        case = make_case(
            number, (3, 4, 2), ("tanh", "softmax"), "cross_entropy", learning_rate=0.1, epsilon=1e-3, **values
        )
        hold_to_the_definition(case)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases("float64", 0.1))
def test_the_core_splits_movements_of_any_network_in_float64(case):
    hold_to_the_definition(case)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases("float32", 0.03))
def test_the_core_splits_movements_of_any_network_in_float32(case):
    assume(distance_from_kinks(case) > 1e-4)
    hold_to_the_definition(case)


# ---------------------------------------------------------------- nothing is lost


def moments_of(case):
    """Return the parameters after every update of the training, from the start on, as float64."""
    n, size = case.examples.n_examples, case.settings.batch or case.examples.n_examples
    trainer, history = trainer_of(case), []
    for updates in range(-(-n // size) * case.settings.epochs + 1):
        assert trainer.run(FOR_EVER, updates) == "paused"
        history.append(trainer.parameters.astype(np.float64))
    return np.array(history)


def rounding(case, history, path):
    """Return how far a row of `net` may be from end − start; see `engine.Movements`."""
    s = case.settings
    keeps = {"sgd": 0.0, "adam": s.beta1}.get(s.optimizer, s.momentum)
    unit = np.finfo(case.dtype).eps / 2
    largest, batch = np.abs(history).max(axis=0), min(s.batch or np.inf, case.examples.n_examples)
    return unit * ((len(history) - 1) * largest + (batch + 8 / (1 - keeps)) * path.sum(axis=1))


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_shares_of_all_updates_add_up_to_end_minus_start(precision, data):
    case, _ = settled(data.draw(cases(precision, 0.1)))
    history = moments_of(case)
    found = watched(case)
    n_updates = len(history) - 1
    bound = rounding(case, history, found.path) + np.finfo(case.dtype).tiny
    assert (np.abs(found.net.sum(axis=1) - (history[-1] - history[0])) <= bound).all()
    assert (np.abs(found.net) <= found.path * (1 + 1e-12)).all()

    # Every update is kept here: the movements are those of the parameters, in order of size.
    movements = np.diff(history, axis=0)
    for p, (updates, moved) in enumerate(zip(found.kept_updates, found.kept_movement, strict=True)):
        assert sorted(updates[:n_updates].tolist()) == list(range(1, n_updates + 1))
        assert np.array_equal(moved[:n_updates], movements[updates[:n_updates] - 1, p])
        assert (np.diff(np.abs(moved)) <= 0).all()
        same = np.diff(np.abs(moved[:n_updates])) == 0
        assert (np.diff(updates[:n_updates])[same] > 0).all()  # of equal ones, the earlier first


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_shares_add_up_over_thousands_of_updates(optimizer, precision):
    case = lively_case(precision, optimizer=optimizer, epochs=300, l2=0.01, weight_limit=0.4)
    history = moments_of(case)
    found = watched(case, keep=1)
    gap = np.abs(found.net.sum(axis=1) - (history[-1] - history[0]))
    assert (gap <= rounding(case, history, found.path)).all()
    assert gap.max() < {"float32": 1e-3, "float64": 1e-12}[precision]
    assert (found.path[:, -1] > 0).any()


def test_a_neuron_by_hand():
    # w = 0, expected 1 for inputs 1 and 2: gradients −1 and −2, averaged with rate 1.
    case = make_case(
        0, (1, 1), ("linear",), HALF, batch=2, learning_rate=1.0, l2=0.5, weight_limit=1.25, epochs=2
    )
    neuron = Network([Layer([[0.0]], None, "linear")])
    case = Case(neuron, Examples([[1.0], [2.0]], [[1.0], [1.0]]), case.settings)
    found = watched(case, keep=3)
    # First update: 0.5 + 1 − 0, clipped from 1.5 to 1.25. Second: errors 0.25 and 1.5, gradients 0.25 and 3,
    # l2 0.625: −0.125 − 1.5 − 0.625, from 1.25 to −1.
    assert found.net.tolist() == [[0.375, -0.5, -0.625, -0.25]]
    assert found.path.tolist() == [[0.625, 2.5, 0.625, 0.25]]
    assert found.kept_updates.tolist() == [[2, 1, -1]]
    assert found.kept_movement.tolist() == [[-2.25, 1.25, 0.0]]
    assert found.kept_example.tolist() == [[1, 1, engine.OF_NOTHING]]
    assert found.kept_share.tolist() == [[-1.5, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("values", "who"), [({"l2": 50.0}, engine.OF_L2), ({"weight_limit": 1e-3}, engine.OF_LIMIT)]
)
def test_l2_and_the_weight_limit_are_named_where_they_move_a_weight_most(values, who):
    case = make_case(0, (3, 2), ("linear",), HALF, bias=False, learning_rate=1e-3, **values)
    found = watched(case, keep=1)
    assert (found.kept_example == who).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_of_equal_shares_the_first_examples_is_named(optimizer):
    case = make_case(0, (3, 2), ("linear",), HALF, optimizer=optimizer, batch=0, epochs=9)
    same = Examples(np.repeat(case.examples.X[:1], 7, axis=0), np.repeat(case.examples.Y[:1], 7, axis=0))
    assert (watched(Case(case.network, same, case.settings), keep=9).kept_example == 0).all()


# ---------------------------------------------------------------- how it is driven


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_watching_changes_no_bit_and_slices_change_no_movement(optimizer, precision):
    case = lively_case(precision, optimizer=optimizer, epochs=5)
    validation = examples_like(case, 2, 20)
    alone, at_once, sliced = (trainer_of(case, validation) for _ in range(3))
    alone.run(FOR_EVER)
    for trainer in (at_once, sliced):
        trainer.watch(np.array([3, 0, 700]), 5)
    at_once.run(FOR_EVER)
    while sliced.run(0.0) == "paused":
        pass
    assert bits(alone) == bits(at_once) == bits(sliced)
    for name, array in at_once.movements().items():
        assert array.tobytes() == sliced.movements()[name].tobytes(), name
    assert at_once.movements()["net"].any(axis=1).all()


def test_the_order_of_the_watched_parameters_is_that_of_the_results():
    case = lively_case("float64", epochs=2)
    everything = watched(case, keep=2)
    some = [700, 5, 5, 0]
    trainer = trainer_of(case)
    trainer.watch(np.array(some), 2)
    trainer.run(FOR_EVER)
    for name, array in trainer.movements().items():
        assert np.array_equal(array, getattr(everything, name)[some]), name


def test_a_memory_that_was_not_watched_is_refused():
    case = lively_case("float64", optimizer="momentum", epochs=2)
    trainer = trainer_of(case)
    trainer.run(FOR_EVER, 1)
    with pytest.raises(ValueError, match="remembers updates that were not watched"):
        trainer.watch(np.array([0]), 1)

    forgetful = lively_case("float64", optimizer="sgd", epochs=2)
    trainer = trainer_of(forgetful)
    trainer.run(FOR_EVER, 5)
    before = trainer.parameters
    trainer.watch(np.array([0]), 20)
    trainer.run(FOR_EVER)
    moves = trainer.movements()
    assert moves["kept_updates"].max() == trainer.updates == 18
    assert sorted(moves["kept_updates"][0])[-13:] == list(range(6, 19))
    assert moves["net"].sum() == pytest.approx(trainer.parameters[0] - before[0], abs=1e-14)


def test_watching_ends_where_the_past_changes():
    case = lively_case("float64", epochs=2)
    trainer = trainer_of(case)
    with pytest.raises(ValueError, match="no parameter is watched"):
        trainer.movements()
    start = trainer.state()
    trainer.watch(np.array([0]), 1)
    trainer.run(FOR_EVER, 3)
    trainer.restore(start)
    with pytest.raises(ValueError, match="no parameter is watched"):
        trainer.movements()

    diverging = trainer_of(make_case(3, (2, 1), ("linear",), HALF, n=5, learning_rate=9.0, epochs=500))
    diverging.watch(np.array([0]), 1)
    assert diverging.run(FOR_EVER) == "non_finite"
    with pytest.raises(ValueError, match="no parameter is watched"):
        diverging.movements()


def test_watching_begins_between_two_updates():
    trainer = trainer_of(lively_case("float64", optimizer="sgd", n=300), kernel="plain")  # pauses anywhere
    while trainer.position % 7 == 0:
        trainer.run(0.0)
    with pytest.raises(ValueError, match="between two updates"):
        trainer.watch(np.array([0]), 1)


# ---------------------------------------------------------------- in Python


@pytest.mark.parametrize("precision", PRECISIONS)
def test_watch_weights_watches_the_first_updates(precision):
    case = lively_case(precision)
    validation = examples_like(case, 2, 20)
    arguments = (case.network, case.examples, validation, case.settings)
    found = engine.watch_weights(*arguments, [3, 0], 2, 40)
    trainer = trainer_of(case)
    trainer.watch(np.array([3, 0]), 2)
    trainer.run(FOR_EVER, 40)
    for name, array in trainer.movements().items():
        assert np.array_equal(array, getattr(found, name)), name
    start, end = engine.track(*arguments, [0, 40])[:, [3, 0]].astype(np.float64)
    near = {"float32": 1e-6, "float64": 1e-14}[precision]
    assert found.net.sum(axis=1) == pytest.approx(end - start, abs=near)
    assert engine.watch_weights(*arguments, [0], 0, 0).net.tolist() == [[0.0] * 62]


@pytest.mark.parametrize(
    ("indices", "keep", "updates", "match"),
    [
        ([], 1, 5, "no such parameter"),
        ([-1], 1, 5, "no such parameter"),
        ([10**6], 1, 5, "no such parameter"),
        ([[0]], 1, 5, "no such parameter"),
        ([0], -1, 5, "Asked to keep -1 updates"),
        ([0], 10**9, 5, "needs 29.8 GiB"),
        ([0], 1, -1, "Update -1 was asked for"),
        ([0], 1, 10**6, "the training ends after 270"),
    ],
)
def test_watch_weights_refuses_what_it_cannot_do(indices, keep, updates, match):
    case = lively_case("float32")
    with pytest.raises(ArgumentError, match=match):
        engine.watch_weights(case.network, case.examples, None, case.settings, indices, keep, updates)
