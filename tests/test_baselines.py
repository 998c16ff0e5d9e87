"""What a network has to beat: the same answers as scikit-learn's, on the same inputs and folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.neighbors import KNeighborsClassifier

from conftest import noisy_recordings
from tinyglass import Recording, Settings, evaluate, fit_preparation
from tinyglass import baselines as module
from tinyglass.baselines import fit_line, most_frequent, nearest_neighbours
from tinyglass.preparation import prepare_inputs
from tinyglass.splits import find_split

FIXED = Settings(inputs=("raw",), augment=(), threshold=0.0, temperature=1.0, epochs=3)
EVERY_KIND = [("raw",), ("summary",), ("raw", "summary"), ("summary", "spectrum")]


def blobs(n: int, seed: int = 0) -> list[Recording]:
    random = np.random.default_rng(seed)
    return [
        Recording(
            random.normal(size=(12, 2)) * (1 + i % 3) + [0.0, 40.0],
            ("x", "y"),
            label="aaabcc"[i % 6],
            person=f"p{i % 4}",
            source=f"blob {i}",
        )
        for i in range(n)
    ]


def quantities(n: int, n_readings: int = 3, seed: int = 0) -> list[Recording]:
    random = np.random.default_rng(seed)
    return [
        Recording(
            signal := random.normal(size=(n_readings, 2)), label=str(float(signal.sum() + random.normal()))
        )
        for _ in range(n)
    ]


# ---------------------------------------------------------------- one by one


@pytest.mark.parametrize("inputs", EVERY_KIND)
@pytest.mark.parametrize("scale", ["standard", "none", 10.0])
def test_the_nearest_neighbour_is_scikit_learns(inputs, scale):
    recordings, others = blobs(60), blobs(40, seed=1)
    preparation = fit_preparation(recordings, inputs=inputs, scale=scale)
    places = nearest_neighbours(recordings, others, preparation)
    model = KNeighborsClassifier(1).fit(
        prepare_inputs(recordings, preparation), [r.label for r in recordings]
    )
    theirs = model.kneighbors(prepare_inputs(others, preparation), return_distance=False)[:, 0]
    assert places.tolist() == theirs.tolist()


def test_the_nearest_neighbour_of_itself_is_itself():
    recordings = blobs(60)
    assert nearest_neighbours(recordings, recordings, fit_preparation(recordings)).tolist() == list(range(60))


def test_distances_are_computed_in_pieces_that_change_nothing(monkeypatch):
    recordings, others = blobs(60), blobs(50, seed=1)
    preparation = fit_preparation(recordings)
    whole = nearest_neighbours(recordings, others, preparation)
    for most in (1, 60, 61, 420):
        monkeypatch.setattr(module, "MOST_DISTANCES", most)
        assert nearest_neighbours(recordings, others, preparation).tolist() == whole.tolist()


def test_of_several_windows_the_recording_that_is_nearest_most_often():
    random = np.random.default_rng(0)
    known = [Recording(random.normal(size=(40, 1)) + level, label="a") for level in (0.0, 20.0, 40.0)]
    preparation = fit_preparation(known, window=10, hop=10)
    two_to_one = np.concatenate([np.full(20, 20.0), np.full(10, 0.0)])[:, None]
    assert nearest_neighbours(known, [Recording(two_to_one), known[2]], preparation).tolist() == [1, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 9))
def test_the_most_frequent_class_is_scikit_learns(labels, n_tested):
    found = most_frequent(np.array(labels), n_tested)
    theirs = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(labels), 1)), labels)
    assert found.tolist() == theirs.predict(np.zeros((n_tested, 1))).tolist()


@pytest.mark.parametrize("inputs", [("raw",), ("summary",)])
def test_the_line_is_scikit_learns_where_there_are_more_recordings_than_inputs(inputs):
    recordings, others = quantities(80), quantities(30, seed=1)
    preparation = fit_preparation(recordings, inputs=inputs, answers=True)
    y = np.array([float(r.label) for r in recordings])
    model = LinearRegression().fit(prepare_inputs(recordings, preparation), y)
    found = fit_line(recordings, y, others, preparation)
    np.testing.assert_allclose(
        found, model.predict(prepare_inputs(others, preparation)), rtol=1e-7, atol=1e-7
    )


def test_the_line_with_more_inputs_than_recordings_has_the_smallest_coefficients():
    recordings, others = quantities(10, 20), quantities(5, 20, seed=1)
    preparation = fit_preparation(recordings)
    y = np.array([float(r.label) for r in recordings])
    with_one = [
        np.column_stack([prepare_inputs(some, preparation), np.ones(len(some))])
        for some in (recordings, others)
    ]
    np.testing.assert_allclose(
        fit_line(recordings, y, others, preparation), with_one[1] @ np.linalg.pinv(with_one[0]) @ y, rtol=1e-8
    )
    np.testing.assert_allclose(fit_line(recordings, y, recordings, preparation), y, rtol=1e-8)


def test_the_line_of_windows_is_the_mean_of_a_recordings_windows():
    random = np.random.default_rng(0)
    recordings = [Recording(random.normal(size=(20, 1)) + k, label=str(k / 2)) for k in range(30)]
    preparation = fit_preparation(recordings, window=5, hop=5)
    y = np.array([float(r.label) for r in recordings])
    windows = np.concatenate([r.signal.reshape(4, 5) for r in recordings])
    scaled = (windows - preparation.offset[0]) / preparation.scale[0]
    model = LinearRegression().fit(scaled, np.repeat(y, 4))
    theirs = model.predict(scaled).reshape(30, 4).mean(axis=1)
    np.testing.assert_allclose(fit_line(recordings, y, recordings, preparation), theirs, rtol=1e-9)


# ---------------------------------------------------------------- in a score


@pytest.mark.parametrize("split", ["person", "recording"])
def test_a_score_stands_beside_scikit_learns_on_the_same_folds(split):
    recordings = blobs(48)
    score = evaluate(recordings, FIXED, split=split)
    folds = find_split(recordings, True, split=split, seed=FIXED.seed).folds
    labels = np.array([r.label for r in recordings])
    nearest, frequent, neighbours = np.empty_like(labels), np.empty_like(labels), np.zeros(48, dtype=int)
    for fold in folds:
        preparation = fit_preparation([recordings[i] for i in fold.train])
        X = prepare_inputs(recordings, preparation)
        model = KNeighborsClassifier(1).fit(X[fold.train], labels[fold.train])
        nearest[fold.test] = model.predict(X[fold.test])
        neighbours[fold.test] = fold.train[model.kneighbors(X[fold.test], return_distance=False)[:, 0]]
        dummy = DummyClassifier(strategy="most_frequent").fit(X[fold.train], labels[fold.train])
        frequent[fold.test] = dummy.predict(X[fold.test])
    assert score.baselines == {
        "majority class": pytest.approx((frequent == labels).mean()),
        "1-nearest neighbour": pytest.approx((nearest == labels).mean()),
    }
    assert score.tested.tolist() == list(range(48))
    assert score.neighbours.tolist() == neighbours.tolist()
    assert score.baseline_errors == {}
    assert 0.4 < score.baselines["majority class"] <= 0.5


def test_leaving_one_out_makes_no_majority_of_the_others():
    recordings = noisy_recordings(20)  # ten of each: of the others there are ten, of its own nine
    assert evaluate(recordings, FIXED).baselines["majority class"] == 0.5
    # In a test part of its own the majority is that of the training part.
    score = evaluate(recordings[:9], FIXED, test=recordings[9:])
    assert score.baselines["majority class"] == pytest.approx(5 / 11)


def test_quantities_stand_beside_their_mean_and_a_line():
    recordings = quantities(40)
    score = evaluate(recordings, FIXED)
    y = np.array([float(r.label) for r in recordings])
    lines, means = np.empty(40), np.empty(40)
    for fold in find_split(recordings, False, seed=0).folds:
        preparation = fit_preparation([recordings[i] for i in fold.train], answers=True)
        X = prepare_inputs(recordings, preparation)
        lines[fold.test] = LinearRegression().fit(X[fold.train], y[fold.train]).predict(X[fold.test])
        means[fold.test] = DummyRegressor().fit(X[fold.train], y[fold.train]).predict(X[fold.test])
    assert score.expected.tolist() == y.tolist()
    for name, theirs in (("mean", means), ("linear fit", lines)):
        assert score.baselines[name] == pytest.approx(r2_score(y, theirs), rel=1e-7)
        assert score.baseline_errors[name] == pytest.approx(mean_absolute_error(y, theirs), rel=1e-7)
    assert score.baselines["mean"] < 0 < score.baselines["linear fit"]
    assert score.mean_absolute_error == pytest.approx(mean_absolute_error(y, score.predicted))


def test_a_test_part_of_its_own_has_its_neighbours_in_the_training_part():
    recordings, others = blobs(30), blobs(8, seed=3)
    score = evaluate(recordings, FIXED, test=others)
    near = nearest_neighbours(recordings, others, fit_preparation(recordings))
    assert score.neighbours.tolist() == near.tolist()
    assert score.tested.tolist() == list(range(8))
    labels = [recordings[i].label for i in near]
    assert score.baselines["1-nearest neighbour"] == np.mean(
        [a == r.label for a, r in zip(labels, others, strict=True)]
    )
