"""GestureClassifier: recordings and arrays, everything that scikit-learn does with a model, and errors."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_predict, cross_val_score

from tinyglass import ArgumentError, DivergenceError, Recording, RecordingError, Settings, predict, train
from tinyglass.gestures import GestureClassifier
from tinyglass.prediction import answers

FIXED = {"inputs": ("raw",), "augment": (), "threshold": 0.5, "temperature": 1.0, "max_iter": 60}


def waves(n: int = 24, seed: int = 0, **names: str) -> list[Recording]:
    """Three gestures of lengths that differ."""
    random = np.random.default_rng(seed)
    recordings = []
    for i in range(n):
        length = int(random.integers(20, 30))
        t = np.linspace(0, 2 * np.pi, length)
        shape = [np.sin(t), np.cos(t), np.sin(2 * t)][i % 3]
        signal = np.column_stack([shape, -shape]) + 0.2 * random.normal(size=(length, 2))
        recordings.append(Recording(signal, ("x", "y"), label="abc"[i % 3], source=f"wave {i}", **names))
    return recordings


# ---------------------------------------------------------------- learning and answering


def test_it_learns_lists_of_recordings_as_train_does():
    recordings, others = waves(), waves(30, seed=1)
    model = GestureClassifier(max_iter=30).fit(recordings)
    run = train(recordings, Settings(epochs=30, task="classification"))
    assert model.run_.settings == run.settings
    assert model.run_.choice == run.choice
    assert model.run_.fingerprint == run.fingerprint
    assert model.classes_.tolist() == ["a", "b", "c"]
    probabilities = model.predict_proba(others)
    assert probabilities.tobytes() == answers(run.network, others).tobytes()
    assert model.predict(others).tolist() == [p.best for p in predict(run.network, others)]
    assert model.score(others) > 0.9


def test_every_default_is_that_of_the_settings():
    defaults, settings = GestureClassifier().get_params(), Settings()
    others = {
        "hidden_layer_sizes": "hidden",
        "learning_rate_init": "learning_rate",
        "batch_size": "batch",
        "max_iter": "epochs",
        "random_state": "seed",
    }
    for name, value in defaults.items():
        if name not in ("callbacks", "unknown"):
            assert getattr(settings, others.get(name, name)) == value, name
    text = inspect.getdoc(GestureClassifier)
    assert all(name in text for name in defaults)


@pytest.mark.parametrize(
    ("parameter", "value", "setting"),
    [
        ("inputs", ("summary", "raw"), "inputs"),
        ("augment", ("noise",), "augment"),
        ("copies", 2, "copies"),
        ("window", 8, "window"),
        ("steps", 16, "steps"),
        ("scale", "none", "scale"),
        ("hidden_layer_sizes", (8, 4), "hidden"),
        ("activation", "tanh", "activation"),
        ("learning_rate_init", 0.01, "learning_rate"),
        ("batch_size", 4, "batch"),
        ("max_iter", 7, "epochs"),
        ("l2", 0.1, "l2"),
        ("class_weight", "balanced", "class_weight"),
        ("threshold", 0.8, "threshold"),
        ("temperature", 2.0, "temperature"),
        ("random_state", 5, "seed"),
    ],
)
def test_every_parameter_reaches_the_training(parameter, value, setting):
    model = GestureClassifier(**(FIXED | {"max_iter": 2} | {parameter: value})).fit(waves(12))
    assert getattr(model.run_.settings, setting) == value
    plain = GestureClassifier(**(FIXED | {"max_iter": 2})).fit(waves(12))
    assert getattr(plain.run_.settings, setting) != value


def test_it_learns_arrays_with_labels():
    recordings = waves()
    arrays, y = [r.signal for r in recordings], [r.label for r in recordings]
    one = GestureClassifier(**FIXED).fit(arrays, y)
    same = GestureClassifier(**FIXED).fit([replace(r, channels=(), units=()) for r in recordings])
    assert one.predict_proba(arrays).tobytes() == same.predict_proba(arrays).tobytes()
    assert one.score(arrays, y) == 1.0
    stacked = np.stack([a[:20] for a in arrays])
    model = GestureClassifier(**FIXED).fit(stacked, np.array(y))
    assert model.predict(stacked).tolist() == y
    listed = GestureClassifier(**FIXED).fit(stacked.tolist(), tuple(y))
    assert listed.predict_proba(stacked).tobytes() == model.predict_proba(stacked).tobytes()


def test_labels_given_apart_count_more_than_those_of_the_recordings():
    recordings = waves()
    renamed = [{"a": "up", "b": "down", "c": "round"}[r.label] for r in recordings]
    model = GestureClassifier(**FIXED).fit(recordings, renamed)
    assert model.classes_.tolist() == ["down", "round", "up"]
    assert model.score(recordings, renamed) > 0.9
    assert model.score(recordings) == 0.0


def test_numbers_as_labels_are_answered_as_numbers():
    recordings = waves()
    y = np.array(["abc".index(r.label) for r in recordings])
    model = GestureClassifier(**FIXED).fit([r.signal for r in recordings], y)
    assert model.score([r.signal for r in recordings], y) == 1.0
    assert (model.predict([r.signal for r in recordings]) == y).all()
    assert model.classes_.tolist() == [0, 1, 2]


def test_groups_are_left_out_by_choices():
    recordings = waves(30)
    model = GestureClassifier(augment=(), max_iter=5).fit(recordings, groups=[i // 6 for i in range(30)])
    assert model.run_.choice.grouping == "person"
    assert GestureClassifier(augment=(), max_iter=5).fit(recordings).run_.choice.grouping == "recording"


def test_it_is_unknown_only_where_asked_and_below_the_threshold():
    recordings, strange = waves(), [Recording(np.zeros((25, 2)), ("x", "y"))]
    sure = GestureClassifier(**(FIXED | {"threshold": 0.9})).fit(recordings)
    unsure = sure.predict_proba([*recordings, *strange]).max(axis=1) < 0.9
    assert unsure[-1]
    assert not unsure[:-1].all()
    assert "unknown" not in sure.predict([*recordings, *strange])
    sure.unknown = True
    assert (sure.predict([*recordings, *strange]) == "unknown").tolist() == unsure.tolist()
    said = [p.label for p in predict(sure.network_, [*recordings, *strange])]
    assert sure.predict([*recordings, *strange]).tolist() == said


def test_weights_count_in_the_score():
    recordings = waves(12)
    model = GestureClassifier(**FIXED).fit(recordings)
    wrong = [replace(r, label="b" if i == 0 else r.label) for i, r in enumerate(recordings)]
    assert model.score(wrong) == pytest.approx(11 / 12)
    assert model.score(wrong, sample_weight=[0] + [1] * 11) == 1.0
    assert model.score(wrong, sample_weight=[11] + [1] * 11) == pytest.approx(0.5)


@pytest.mark.parametrize("window", [0, 8])
def test_nothing_asked_is_nothing_answered(window):
    model = GestureClassifier(**FIXED, window=window).fit(waves(12))
    assert model.predict_proba([]).shape == (0, 3)
    assert model.predict([]).shape == (0,)


# ---------------------------------------------------------------- as scikit-learn asks


def test_it_is_cloned_with_its_parameters_and_not_what_it_learnt():
    model = GestureClassifier(**FIXED, hidden_layer_sizes=(5,)).fit(waves(12))
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "network_")
    with pytest.raises(NotFittedError):
        copy.predict(waves(3))
    copy.set_params(max_iter=9, inputs=("summary",))
    assert (copy.max_iter, copy.inputs, model.max_iter) == (9, ("summary",), 60)
    assert "hidden_layer_sizes=(5,)" in repr(model)
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        copy.set_params(epochs=3)


def test_it_is_pickled():
    model = GestureClassifier(**FIXED).fit(waves(12))
    again = pickle.loads(pickle.dumps(model))
    assert again.predict_proba(waves(5)).tobytes() == model.predict_proba(waves(5)).tobytes()


def test_fitting_changes_no_parameter_and_can_be_done_again():
    model = GestureClassifier(max_iter=5)
    before = model.get_params()
    first = model.fit(waves()).predict_proba(waves(5))
    assert model.get_params() == before
    assert model.fit(waves()).predict_proba(waves(5)).tobytes() == first.tobytes()


def test_it_is_cross_validated_with_groups():
    recordings = waves(30)
    y = [r.label for r in recordings]
    values = cross_val_score(GestureClassifier(**FIXED), recordings, y, cv=3)
    assert values.shape == (3,)
    assert values.mean() > 0.9
    people = [i // 6 for i in range(30)]
    said = cross_val_predict(GestureClassifier(**FIXED), recordings, y, cv=LeaveOneGroupOut(), groups=people)
    assert np.mean(said == np.array(y)) > 0.9
    by_name = cross_val_score(GestureClassifier(**FIXED), recordings, y, cv=3, scoring="accuracy")
    assert by_name.tolist() == values.tolist()


def test_a_grid_is_searched():
    recordings = waves()
    grid = {"inputs": [("raw",), ("summary",)], "hidden_layer_sizes": [(), (8,)]}
    search = GridSearchCV(GestureClassifier(**FIXED), grid, cv=3).fit(
        recordings, [r.label for r in recordings]
    )
    assert search.best_params_["inputs"] == ("raw",)  # the shapes differ in their order only
    assert search.best_estimator_.score(recordings) > 0.9
    assert len(search.cv_results_["params"]) == 4


# ---------------------------------------------------------------- watched, and refused


def test_callbacks_are_told_and_can_end_the_training():
    told = []
    GestureClassifier(max_iter=20, callbacks=[told.append, told.append]).fit(waves(12))
    assert {p.stage for p in told} == {"choosing", "training"}
    assert told[0::2] == told[1::2] or len(told) % 2 == 0
    model = GestureClassifier(**(FIXED | {"max_iter": 10**6}), callbacks=[lambda p: p.epoch > 3]).fit(
        waves(12)
    )
    assert model.run_.outcome == "interrupted"
    assert model.run_.epochs < 10**6
    assert model.predict(waves(3)).shape == (3,)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"inputs": ("waves",)}, "inputs"),
        ({"inputs": ()}, "inputs"),
        ({"inputs": ("raw", "raw")}, "twice"),
        ({"augment": ("twirl",)}, "augment"),
        ({"copies": 0}, "copies"),
        ({"hop": 3}, "hop"),
        ({"window": -1}, "window"),
        ({"scale": 0.0}, "scale"),
        ({"hidden_layer_sizes": (0,)}, "hidden"),
        ({"activation": "softmax"}, "activation"),
        ({"learning_rate_init": -1.0}, "learning-rate"),
        ({"max_iter": 0}, "epochs"),
        ({"max_iter": "many"}, "epochs"),
        ({"threshold": 2.0}, "threshold"),
        ({"temperature": 0.0}, "temperature"),
        ({"class_weight": {"nobody": 2.0}}, "nobody"),
        ({"random_state": -1}, "seed"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused_by_name(parameters, words):
    with pytest.raises(ArgumentError, match=words):
        GestureClassifier(**(FIXED | parameters)).fit(waves(6))


@pytest.mark.parametrize(
    ("X", "y", "groups", "error", "words"),
    [
        ([], None, None, RecordingError, "There are no recordings"),
        (waves(6), ["a"] * 5, None, ArgumentError, "6 recordings and 5 labels"),
        (waves(6), None, [1, 2], ArgumentError, "6 recordings and 2 groups"),
        ([[[1.0], [2.0]]] * 4, None, None, RecordingError, "no label"),
        (waves(6), ["a"] * 6, None, RecordingError, "two classes or more"),
        ([[[1.0], [np.nan]], [[1.0], [2.0]]], ["a", "b"], None, RecordingError, "recording 0, reading 2"),
        ([[[1.0], [2.0]], [[1.0, 2.0]]], ["a", "b"], None, RecordingError, "recording 1"),
        ([np.zeros((2, 2, 2))] * 2, ["a", "b"], None, RecordingError, "recording 0"),
    ],
)
def test_what_is_no_set_of_recordings_is_refused(X, y, groups, error, words):
    with pytest.raises(error, match=words):
        GestureClassifier(**FIXED).fit(X, y, groups)


def test_a_training_that_cannot_learn_says_so():
    with pytest.raises(DivergenceError):
        GestureClassifier(**FIXED, learning_rate_init=1e30, activation="leaky_relu").fit(waves(12))


def test_other_channels_are_refused_when_asked():
    model = GestureClassifier(**FIXED).fit(waves(12))
    with pytest.raises(RecordingError, match="channels"):
        model.predict([np.zeros((25, 3))])
