"""Scores: what is left out stays out, intervals, R², folds, seeds, confusion, predictions."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, mean_absolute_error, precision_score, r2_score, recall_score

from conftest import PLAIN, noisy_recordings
from tinyglass import (
    ArgumentError,
    Layer,
    Network,
    Preparation,
    Recording,
    RecordingError,
    Settings,
    evaluate,
    make_settings,
    predict,
    score_network,
    train,
)
from tinyglass import evaluation as module
from tinyglass.evaluation import group_interval, make_score, r2, wilson_interval
from tinyglass.prediction import answers
from tinyglass.training import get_ready

QUICK = Settings(epochs=30, learning_rate=0.05, **PLAIN)


def lines(n: int, noise: float = 0.0) -> list[Recording]:
    random = np.random.default_rng(0)
    return [
        Recording([[x]], ("force",), label=str(100 + 20 * x + noise * random.normal()), source=f"line {i}")
        for i, x in enumerate(np.linspace(0, 3, n).tolist())
    ]


# ---------------------------------------------------------------- what is left out


@pytest.fixture
def trainings(monkeypatch):
    """Every call of training, with the recordings it was given."""
    calls: list[list[str]] = []
    seeds: list[int] = []

    def spy(recordings, settings, *arguments, **options):
        calls.append([r.source for r in recordings])
        seeds.append(settings.seed)
        return get_ready(recordings, settings, *arguments, **options)

    monkeypatch.setattr(module, "get_ready", spy)
    return calls, seeds


def test_each_recording_is_left_out_once_and_only_once(course, trainings):
    score = evaluate(course, QUICK)
    everything = [r.source for r in course]
    assert [[s for s in everything if s not in kept] for kept in trainings[0]] == [[s] for s in everything]
    assert all(len(kept) == 9 for kept in trainings[0])
    assert (score.split, score.n_train, score.n_test) == ("leave one out", 9, 10)


def test_a_network_that_learns_by_heart_scores_no_better_than_chance():
    # Labels without any rule: on what it has seen it is right, on what it has not it cannot be.
    recordings = noisy_recordings(30, seed=4)
    settings = Settings(hidden=(64,), epochs=800, learning_rate=0.02)
    assert score_network(train(recordings, settings).network, recordings).value == 1.0
    assert evaluate(recordings, settings).value < 0.75


def test_the_preparation_is_fitted_without_the_recording_left_out(monkeypatch):
    # One recording far away from the others would shift mean and deviation.
    recordings = [Recording([[float(i)]], label="ab"[i % 2]) for i in range(7)]
    recordings.append(Recording([[1e6]], label="a"))
    seen = []

    def spy(network, tested):
        seen.append(network.preparation)
        return answers(network, tested)

    monkeypatch.setattr(module, "answers", spy)
    evaluate(recordings, QUICK)
    for place, preparation in enumerate(seen):
        kept = [r.signal[0, 0] for i, r in enumerate(recordings) if i != place]
        assert preparation.offset[0] == pytest.approx(np.mean(kept), rel=1e-12)
        assert preparation.scale[0] == pytest.approx(np.std(kept), rel=1e-12)
    assert seen[-1].scale[0] < 3


def test_more_than_30_recordings_are_parted_in_five(trainings):
    recordings = noisy_recordings(31)
    score = evaluate(recordings, QUICK)
    everything = [r.source for r in recordings]
    left_out = [[s for s in everything if s not in kept] for kept in trainings[0]]
    assert score.split == "5-fold"
    assert sorted(s for part in left_out for s in part) == sorted(everything)
    assert {len(part) for part in left_out} == {6, 7}
    label = {r.source: r.label for r in recordings}
    assert all(2 <= sum(label[s] == "a" for s in part) <= 4 for part in left_out)
    assert evaluate(noisy_recordings(30), QUICK).split == "leave one out"


def test_quantities_are_parted_in_five_too(trainings):
    score = evaluate(lines(40), Settings(epochs=200))
    assert (score.split, len(trainings[0]), score.n_train, score.n_test) == ("5-fold", 5, 32, 40)
    assert score.value > 0.98


def test_few_recordings_of_each_class_are_parted_in_fewer():
    recordings = [Recording([[float(i), i % 7]], label=f"class {i // 3}") for i in range(33)]
    assert evaluate(recordings, QUICK).split == "3-fold"
    rare = [*noisy_recordings(40), Recording(np.ones((3, 2)), ("x", "y"), label="c")]
    score = evaluate(rare, QUICK)
    assert score.split == "5-fold"
    assert score.confusion.sum() == 41


def test_a_class_of_one_recording_is_not_known_when_it_is_left_out(course):
    recordings = [*course, Recording([[1.0], [1.0], [1.0]], ("distance",), rate_hz=4.0, label="rare")]
    score = evaluate(recordings, QUICK)
    assert score.classes == ("moving_away", "moving_closer", "rare")
    assert score.confusion[2, 2] == 0
    assert score.confusion[2].sum() == 1


def test_two_recordings_are_scored_though_nothing_can_be_learnt_from_one(course):
    score = evaluate([course[0], course[-1]], QUICK)
    assert (score.split, score.n_train, score.n_test) == ("leave one out", 1, 2)
    assert score.confusion.sum(axis=1).tolist() == [1, 1]


def test_a_test_part_of_its_own_is_never_trained_on(course, trainings):
    score = evaluate(course[:8], QUICK, test=course[8:])
    assert trainings[0] == [[r.source for r in course[:8]]]
    assert (score.split, score.n_train, score.n_test) == ("test part", 8, 2)
    assert score.expected.tolist() == [1, 1]


def test_a_test_part_with_an_unknown_class_is_refused(course):
    with pytest.raises(RecordingError, match="'waving' is none"):
        evaluate(course, QUICK, test=[Recording([[1.0]] * 3, ("distance",), label="waving")])


# ---------------------------------------------------------------- seeds, failures, progress


def test_several_seeds_give_mean_and_deviation(trainings):
    recordings = noisy_recordings(20)
    score = evaluate(recordings, QUICK, seeds=3)
    each = [evaluate(recordings, msgspec.structs.replace(QUICK, seed=seed)) for seed in range(3)]
    assert score.values == tuple(one.value for one in each)
    assert len(set(score.values)) > 1
    assert score.value == pytest.approx(np.mean(score.values))
    assert score.deviation == pytest.approx(np.std(score.values, ddof=1))
    assert score.predicted.tolist() == each[0].predicted.tolist()
    assert each[0].deviation is None
    assert sorted(trainings[1][:60]) == [0] * 20 + [1] * 20 + [2] * 20
    assert (
        trainings[1][:60:3] == [0] * 20
    )  # of each part the first seed is trained first: it chooses for the others


def test_trainings_that_fail_are_counted_and_scored_with_their_last_sound_network(course):
    settings = make_settings({"learning_rate": 20.0}, preset="course")
    score = evaluate(course, settings)
    assert score.failed == 10
    assert 0 <= score.value <= 1
    assert evaluate(course, make_settings({}, preset="course")).failed == 0


def test_progress_grows_to_1(course):
    seen = []
    evaluate(course, QUICK, seeds=2, progress=seen.append)
    assert len(seen) >= 10  # one a fold, at the least
    assert np.all(np.diff(seen) > -1e-12)  # but for the rounding of a sum
    assert seen[-1] == pytest.approx(1)


def test_an_interrupted_training_interrupts_the_score(course):
    told = []

    def stop(share):
        told.append(share)
        return share > 0.9

    with pytest.raises(KeyboardInterrupt):
        evaluate(course, msgspec.structs.replace(QUICK, epochs=100_000), progress=stop)
    assert told == sorted(told)
    assert told[-1] < 1


# ---------------------------------------------------------------- figures


@given(st.integers(1, 500), st.data())
def test_the_interval_is_wilsons(n, data):
    right = data.draw(st.integers(0, n))
    theirs = binomtest(right, n).proportion_ci(method="wilson")
    low, high = wilson_interval(right / n, n)
    assert low == pytest.approx(theirs.low, abs=1e-12)
    assert high == pytest.approx(theirs.high, abs=1e-12)
    assert 0 <= low <= right / n <= high <= 1


def test_ten_of_ten_is_no_certainty():
    assert wilson_interval(1.0, 10) == (pytest.approx(0.7224672001371107, abs=1e-15), 1.0)
    assert wilson_interval(0.0, 10) == (0.0, pytest.approx(1 - 0.7224672001371107, abs=1e-15))


FLOATS = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=30))
def test_r2_is_scikit_learns(pairs):
    expected, predicted = np.array(pairs).T
    if np.ptp(expected) > 1e-3:
        theirs = r2_score(expected, predicted)
        assert r2(expected, predicted) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_r2_where_all_are_the_same_is_0():
    assert r2(np.ones(3), np.ones(3)) == 0.0
    assert r2(np.ones(3), np.zeros(3)) == 0.0


def test_the_score_of_quantities_is_that_of_scikit_learn():
    recordings = lines(25, noise=5.0)
    run = train(recordings, Settings(epochs=50))
    score = score_network(run.network, recordings)
    said = [p.label for p in predict(run.network, recordings)]
    expected = [float(r.label) for r in recordings]
    assert score.value == pytest.approx(r2_score(expected, said), rel=1e-9)
    assert score.mean_absolute_error == pytest.approx(mean_absolute_error(expected, said), rel=1e-9)
    low, high = score.interval
    assert low < score.value < high < 1
    assert (score.name, score.classes, score.confusion.shape) == ("r2", None, (0, 0))


def test_the_interval_of_r2_narrows_with_more_recordings():
    widths = [np.ptp(evaluate(lines(n, noise=5.0), Settings(epochs=60)).interval) for n in (10, 200)]
    assert widths[1] < widths[0]


def test_the_confusion_matrix_is_that_of_scikit_learn():
    recordings = noisy_recordings(40)
    score = evaluate(recordings, QUICK)
    theirs = confusion_matrix(score.expected, score.predicted, labels=[0, 1])
    assert score.confusion.tolist() == theirs.tolist()
    assert np.trace(score.confusion) / 40 == score.value
    assert score.expected.tolist() == ["ab".index(r.label) for r in recordings]
    assert score.name == "accuracy"


def test_the_same_settings_give_the_same_score():
    recordings = noisy_recordings(20)
    a, b = (evaluate(recordings, QUICK) for _ in range(2))
    assert (a.value, a.interval, a.predicted.tolist()) == (b.value, b.interval, b.predicted.tolist())


# ---------------------------------------------------------------- classes one by one


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_precision_and_recall_are_those_of_scikit_learn(pairs):
    expected, predicted = np.array(pairs).T
    score = make_score(
        "5-fold",
        [np.eye(4)[predicted]],
        expected,
        tuple("abcd"),
        groups=np.arange(len(pairs)),
        tested=np.arange(len(pairs)),
        neighbours=np.arange(len(pairs)),
    )
    for found, theirs in ((score.precision, precision_score), (score.recall, recall_score)):
        values = theirs(expected, predicted, labels=range(4), average=None, zero_division=np.nan)
        assert list(found) == list("abcd")
        for share, value in zip(found.values(), values.tolist(), strict=True):
            assert share is None if np.isnan(value) else share == pytest.approx(value)


def test_the_worst_answers_come_first():
    outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.45, 0.55], [0.0, 1.0]])
    facts = {"groups": np.arange(4), "tested": np.arange(4), "neighbours": np.arange(4)}
    score = make_score("leave one out", [outputs], np.array([0, 0, 0, 1]), ("a", "b"), **facts)
    assert score.worst.tolist()[:2] == [1, 2]
    quantities = make_score(
        "leave one out",
        [np.array([[1.0], [5.0], [2.0]])],
        np.array([1.5, 1.0, 2.0]),
        None,
        groups=np.arange(3),
        tested=np.arange(3),
        neighbours=np.arange(3),
    )
    assert quantities.worst.tolist() == [1, 0, 2]


# ---------------------------------------------------------------- intervals of groups


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_with_one_answer_a_group_the_interval_is_wilsons(right):
    found = group_interval(np.array(right, dtype=float), np.arange(len(right)))
    assert found == wilson_interval(np.mean(right), len(right))


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.2, 1.0])), min_size=1, max_size=60))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(pairs):
    groups, right = (np.array(column) for column in zip(*pairs, strict=True))
    low, high = group_interval(right, groups)
    assert 0 <= low <= right.mean() + 1e-12
    assert right.mean() - 1e-12 <= high <= 1
    if len(set(groups.tolist())) == 1 and len(groups) > 1:
        assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_right_in_few_groups_is_little_certainty(share):
    right = np.full(400, share)
    few, more = (group_interval(right, np.repeat(np.arange(n), 400 // n)) for n in (4, 40))
    assert np.ptp(few) > 0.5
    assert 0.08 < np.ptp(more) < np.ptp(few)
    assert share in few
    assert share in more


@pytest.mark.parametrize(("n_groups", "each", "spread"), [(6, 50, 1.0), (12, 40, 1.0), (20, 25, 0.7)])
def test_the_interval_covers_the_truth_of_new_groups_where_wilsons_does_not(n_groups, each, spread):
    """Persons differ in how well they are recognised: 1000 sets of such persons, and how often the truth is covered."""
    random = np.random.default_rng(0)

    def chances(n):
        return 1 / (1 + np.exp(-(1.5 + spread * random.normal(size=n))))

    truth = chances(2_000_000).mean()
    groups = np.repeat(np.arange(n_groups), each)
    covered, naive = 0, 0
    for _ in range(1000):
        right = (random.random(n_groups * each) < np.repeat(chances(n_groups), each)).astype(float)
        low, high = group_interval(right, groups)
        covered += low <= truth <= high
        low, high = wilson_interval(right.mean(), len(right))
        naive += low <= truth <= high
    assert covered >= 900
    assert covered <= 995  # and it is not so wide that it says nothing
    assert naive < covered - 100


def test_an_interval_of_quantities_of_one_group_is_no_certainty():
    recordings = lines(12, noise=5.0)
    network = train(recordings, Settings(epochs=60, **PLAIN)).network
    score = score_network(network, recordings[:1])
    assert score.n_groups == 1
    low, high = score.interval
    assert low < high


# ---------------------------------------------------------------- flattery


def people(n_people: int = 6, each: int = 10, offset: float = 6.0, seed: int = 0) -> list[Recording]:
    """Two gestures, small beside how differently people hold the board; each person uses a few places."""
    random = np.random.default_rng(seed)
    recordings = []
    for person in range(n_people):
        places = {label: offset * random.normal(size=4) for label in "ab"}
        for i in range(each):
            label = "ab"[i % 2]
            signal = places[label] + random.normal(size=4) + (0.5 if label == "b" else 0.0)
            recordings.append(Recording(signal, ("x",), label=label, person=f"p{person}"))
    return recordings


def test_a_random_split_flatters_where_persons_differ():
    score = evaluate(people(), Settings(epochs=60, **PLAIN))
    assert (score.split, score.grouping, score.n_groups, score.n_test) == (
        "leave one person out",
        "person",
        6,
        60,
    )
    assert score.random > 0.9
    assert score.random > score.value + 0.2
    assert "6 persons" in score.in_words


def test_no_random_split_is_told_where_the_score_is_of_recordings():
    score = evaluate([Recording(r.signal, ("x",), label=r.label) for r in people()], QUICK)
    assert (score.grouping, score.random) == ("recording", None)


def test_the_inputs_that_the_parts_chose_are_counted():
    random = np.random.default_rng(0)
    recordings = [
        Recording(random.normal(size=(12, 1)), label="ab"[i % 2], person=f"p{i % 3}") for i in range(18)
    ]
    score = evaluate(recordings, Settings(epochs=3))
    assert sum(score.inputs.values()) == 3
    assert set(score.inputs) <= {"raw", "raw+summary", "summary+spectrum"}
    assert evaluate(recordings, QUICK).inputs == {"raw": 3}


@pytest.mark.parametrize("after", [0.0, 0.5, 0.9])
def test_a_score_is_interrupted_by_its_progress(after):
    told = []

    def stop(share):
        told.append(share)
        return share >= after

    with pytest.raises(KeyboardInterrupt):
        evaluate(people(4, 8), Settings(epochs=200), progress=stop)
    assert told[-1] < 1


# ---------------------------------------------------------------- predictions


def linear_network(weights, classes=("a", "b"), activation="linear", **meaning) -> Network:
    preparation = Preparation(("x", "y"), ("", ""), 1, False, (0.0, 0.0), (1.0, 1.0))
    return Network((Layer(weights, None, activation),), classes, ("x", "y"), preparation, **meaning)


def said(network: Network, reading: list[float], threshold: float | None = None) -> tuple:
    (prediction,) = predict(network, [Recording([reading], ("x", "y"), source="here")], threshold)
    assert prediction.source == "here"
    return prediction.label, prediction.best, prediction.probability, prediction.outputs


def test_the_largest_output_is_the_answer_and_a_tie_is_unknown():
    network = linear_network([[1.0, 0.0], [0.0, 1.0]])
    assert said(network, [3.0, 1.0]) == ("a", "a", None, (3.0, 1.0))
    assert said(network, [1.0, 3.0])[:2] == ("b", "b")
    assert said(network, [2.0, 2.0])[0] == "unknown"
    assert said(network, [0.0, 0.0])[0] == "unknown"
    assert said(network, [-1.0, -3.0])[0] == "unknown"  # below a threshold of 0


def test_probabilities_add_up_to_1_and_the_threshold_decides():
    network = linear_network([[1.0, 0.0], [0.0, 1.0]], activation="softmax", threshold=0.7)
    label, best, probability, outputs = said(network, [math.log(3), 0.0])
    assert outputs == (pytest.approx(0.75), pytest.approx(0.25))
    assert (label, best, probability) == ("a", "a", pytest.approx(0.75))
    assert said(network, [math.log(2), 0.0])[:2] == ("unknown", "a")
    assert said(network, [math.log(2), 0.0], 0.6)[0] == "a"
    assert said(network, [math.log(2), 0.0], 0.0)[0] == "a"
    assert said(network, [0.0, 0.0], 0.0)[0] == "unknown"
    assert said(network, [800.0, 0.0], 1.0)[0] == "a"


def test_a_prediction_of_a_quantity_is_in_its_own_unit():
    preparation = Preparation(("x",), ("",), 1, False, (1.0,), (2.0,), answer_offset=100.0, answer_scale=10.0)
    network = Network((Layer([[1.0]], np.array([0.5]), "linear"),), None, ("x",), preparation)
    (prediction,) = predict(network, [Recording([[5.0]])])
    assert prediction.label == 10 * ((5 - 1) / 2 + 0.5) + 100
    assert (prediction.best, prediction.probability) == (None, None)


def test_a_network_of_numbers_takes_no_recordings(course):
    with pytest.raises(ArgumentError, match=r"network\.outputs"):
        predict(Network((Layer([[1.0]], None, "linear"),)), course)


def test_the_accuracy_counts_the_best_class_even_where_it_is_unsure():
    network = linear_network([[1.0, 0.0], [0.0, 1.0]], activation="softmax", threshold=1.0)
    recordings = [
        Recording([[1.0, 0.0]], ("x", "y"), label="a"),
        Recording([[0.0, 1.0]], ("x", "y"), label="b"),
    ]
    assert [p.label for p in predict(network, recordings)] == ["unknown", "unknown"]
    score = score_network(network, recordings)
    assert (score.value, score.n_test, score.split) == (1.0, 2, "test part")


def test_less_than_one_seed_is_refused(course):
    with pytest.raises(ArgumentError, match="one seed or more"):
        evaluate(course, seeds=0)


def test_a_score_cannot_be_changed(course):
    score = evaluate(course, QUICK)
    assert not score.expected.flags.writeable
    assert not score.predicted.flags.writeable


def test_an_interval_of_groups_that_differ_is_of_plain_numbers():
    ends = group_interval(np.r_[np.ones(9), np.zeros(3)], np.repeat([0, 1, 2], 4))
    assert [type(end) for end in ends] == [float, float]
