"""The estimators keep scikit-learn's promises, and their own."""

from __future__ import annotations

import doctest
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from tinyglass import (
    ArgumentError,
    DivergenceError,
    Examples,
    NetworkClassifier,
    NetworkRegressor,
    Settings,
    estimators,
    train_examples,
)
from tinyglass.estimators import expected_failed_checks

BOTH = pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
SMALL_BATCH = 8


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), load_iris().target_names[y]


@pytest.fixture(scope="module")
def wave():
    """One input, one smooth quantity."""
    X = np.linspace(-2, 2, 80)[:, None]
    return X, np.sin(2 * X[:, 0])


def data_for(kind, iris, wave):
    return iris if kind is NetworkClassifier else wave


def same(one, other):
    """Whether two fitted estimators are equal to the bit."""
    return all(
        np.array_equal(a, b)
        for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    )


# ---------------------------------------------------------------- scikit-learn's own checks


# By default nothing is excused; with small batches the excuse must be needed (xfail is strict).
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # some inputs are around 100
@parametrize_with_checks(
    [kind(**more) for kind in (NetworkClassifier, NetworkRegressor) for more in (
        {}, {"batch_size": "all"}, {"batch_size": SMALL_BATCH}, {"batch_size": "all", "shuffle": False, "l2": 0.0}
    )],
    expected_failed_checks=lambda e: expected_failed_checks(e) if e.batch_size == SMALL_BATCH else {},
    xfail_strict=True,
)  # fmt: skip
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@BOTH
@pytest.mark.parametrize("shuffle", [True, False])
def test_full_batch_makes_a_weight_a_repetition(kind, shuffle):
    name = kind.__name__
    check_sample_weight_equivalence_on_dense_data(name, kind(batch_size="all", shuffle=shuffle))
    with pytest.raises(AssertionError, match="sample_weight"):
        check_sample_weight_equivalence_on_dense_data(name, kind(batch_size=SMALL_BATCH, shuffle=shuffle))


def test_expected_failures_are_declared_with_a_reason():
    assert expected_failed_checks(NetworkClassifier(batch_size="all")) == {}
    declared = expected_failed_checks(NetworkRegressor())
    assert list(declared) == ["check_sample_weight_equivalence_on_dense_data"]
    assert "mini-batch" in declared["check_sample_weight_equivalence_on_dense_data"]


def test_examples_in_docstrings():
    result = doctest.testmod(estimators)
    assert result.attempted > 10
    assert result.failed == 0


# ---------------------------------------------------------------- at work


def test_does_well_on_iris_and_diabetes():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), NetworkClassifier(random_state=0))
    assert cross_val_score(model, X, y).mean() > 0.94
    X, y = load_diabetes(return_X_y=True)
    network = make_pipeline(StandardScaler(), NetworkRegressor(random_state=0))
    model = TransformedTargetRegressor(network, transformer=StandardScaler())
    assert cross_val_score(model, X, y).mean() > 0.42


def test_pipeline_and_grid_search(iris):
    X, y = iris
    grid = {
        "networkclassifier__hidden_layer_sizes": [(), (4,), np.int64(3)],
        "networkclassifier__l2": np.logspace(-3, -1, 2),
        "networkclassifier__max_iter": np.array([40]),
    }
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier(random_state=0))
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    assert set(search.predict(X)) == set(y)


@BOTH
def test_same_random_state_same_bits(kind, iris, wave):
    X, y = data_for(kind, iris, wave)
    first = kind(random_state=5).fit(X, y)
    assert same(first, kind(random_state=5).fit(X, y))
    assert same(first, clone(first).fit(X, y))
    assert same(first, kind(random_state=np.int64(5)).fit(X, y))
    assert not same(first, kind(random_state=6).fit(X, y))
    generators = [np.random.RandomState(1), np.random.RandomState(1)]
    assert same(*(kind(random_state=generator).fit(X, y) for generator in generators))


def test_is_the_training_of_tinyglass(iris):
    X, y = iris
    names, codes = np.unique(y, return_inverse=True)
    settings = Settings(
        hidden=(5,),
        activation="tanh",
        learning_rate=0.01,
        schedule="constant",
        epochs=20,
        batch=32,
        l2=0.003,
        tolerance=1e-4,
        scale="none",
        threshold=0.0,
        precision="float64",
        seed=3,
    )
    run = train_examples(Examples(X, np.eye(3)[codes], tuple(names.tolist())), settings)
    model = NetworkClassifier(5, max_iter=20, random_state=3).fit(X, y)
    assert np.array_equal(model.network_.outputs(X), run.network.outputs(X))
    assert model.run_.settings == run.settings
    assert model.loss_curve_ == run.losses.tolist()


@BOTH
def test_pickle_keeps_every_bit(kind, iris, wave):
    X, y = data_for(kind, iris, wave)
    model = kind(random_state=0, max_iter=20).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert same(again, model)
    assert again.run_.settings == model.run_.settings
    if kind is NetworkClassifier:
        assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_attributes_of_a_classifier(iris):
    X, y = iris
    model = NetworkClassifier((6, 5), max_iter=30, random_state=0).fit(X, y)
    assert [coef.shape for coef in model.coefs_] == [(4, 6), (6, 5), (5, 3)]
    assert [intercept.shape for intercept in model.intercepts_] == [(6,), (5,), (3,)]
    hidden = np.tanh(
        np.tanh(X @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1] + model.intercepts_[1]
    )
    sums = hidden @ model.coefs_[2] + model.intercepts_[2]
    expected = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-12)
    assert (model.n_layers_, model.n_outputs_, model.n_features_in_) == (4, 3, 4)
    assert model.out_activation_ == "softmax"
    assert len(model.loss_curve_) == model.n_iter_ == 30
    assert model.loss_ == model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.validation_loss_curve_ is None
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    assert model.network_.classes == ("setosa", "versicolor", "virginica")
    with pytest.raises(ValueError, match="read-only"):
        model.coefs_[0][0, 0] = 1


def test_without_bias_intercepts_are_zero(wave):
    model = NetworkRegressor(bias=False, random_state=0, max_iter=5).fit(*wave)
    assert [intercept.tolist() for intercept in model.intercepts_] == [[0.0] * 16, [0.0]]


@pytest.mark.parametrize("loss", ["auto", "cross_entropy", "half_squared_error", "mean_squared_error"])
def test_every_loss_gives_probabilities(loss, iris):
    X, y = iris
    model = NetworkClassifier(loss=loss, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, atol=1e-12)
    assert model.score(X, y) > 0.93


@pytest.mark.parametrize(
    ("name", "ours"), [("identity", "linear"), ("logistic", "sigmoid"), ("relu", "relu")]
)
def test_activations_by_either_name(name, ours, iris):
    X, y = iris
    model = NetworkClassifier(activation=name, max_iter=10, random_state=0).fit(X, y)
    assert model.network_.layers[0].activation == ours
    assert same(model, NetworkClassifier(activation=ours, max_iter=10, random_state=0).fit(X, y))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("learning_rate", ["constant", "step", "cosine"])
def test_every_optimizer_and_schedule_learns(optimizer, learning_rate, wave):
    X, y = wave
    model = NetworkRegressor(
        optimizer=optimizer, learning_rate=learning_rate, learning_rate_init=0.02, random_state=0
    ).fit(X, y)
    assert model.loss_ < 0.9 * model.loss_curve_[0]


def test_weight_limit_and_l2(iris):
    X, y = iris
    bounded = NetworkClassifier(weight_limit=0.5, random_state=0).fit(X, y)
    assert max(np.abs(coef).max() for coef in bounded.coefs_) <= 0.5
    free, held = (NetworkClassifier(l2=l2, random_state=0).fit(X, y) for l2 in (0.0, 0.1))
    assert np.abs(held.coefs_[0]).sum() < np.abs(free.coefs_[0]).sum()


def test_regression_of_several_quantities(wave):
    X, y = wave
    model = NetworkRegressor(random_state=0, l2=0.0, max_iter=500).fit(X, np.c_[y, -y, X[:, 0]])
    assert model.predict(X).shape == (80, 3)
    assert model.score(X, np.c_[y, -y, X[:, 0]]) > 0.95
    assert model.out_activation_ == "linear"
    assert model.n_outputs_ == 3
    assert NetworkRegressor(max_iter=2).fit(X, y).predict(X).shape == (80,)


# ---------------------------------------------------------------- tables and labels


@pytest.mark.parametrize("library", [pd, pl])
def test_data_frames_keep_their_names(library, iris):
    X, y = iris
    names = ["a", "b", "c", "d"]
    frame = library.DataFrame(dict(zip(names, X.T, strict=True)))
    model = NetworkClassifier(random_state=0, max_iter=20).fit(frame, library.Series(y))
    assert list(model.feature_names_in_) == names
    assert model.network_.input_names == tuple(names)
    assert same(model, NetworkClassifier(random_state=0, max_iter=20).fit(X, y))
    assert model.score(frame, library.Series(y)) > 0.8
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[names[::-1]])
    assert model.fit(X, y).network_.input_names[0] == "input0"


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes"],
        [False, True],
        [-1, 7],
        [0.5 - 0.5, 3.0],
        np.array(["no", "yes"], dtype=object),
        ["ä b", '"<&'],
    ],
)
def test_any_labels(labels, iris):
    X, y = iris
    expected = np.asarray(labels)[(y == "setosa").astype(int)]
    model = NetworkClassifier(random_state=0).fit(X, expected)
    assert model.predict(X).dtype == expected.dtype
    assert np.array_equal(model.predict(X), expected)


def test_float32_stays_float32(iris, wave):
    X, y = iris
    model = NetworkClassifier(random_state=0).fit(X.astype(np.float32), y)
    arrays = [*model.coefs_, *model.intercepts_, model.predict_proba(X.astype(np.float32))]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert model.run_.settings.precision == "float32"
    assert model.score(X, y) > 0.95
    assert (
        NetworkRegressor(max_iter=5).fit(wave[0].astype(np.float32), wave[1]).predict(wave[0]).dtype
        == np.float32
    )
    assert NetworkRegressor(max_iter=5).fit(wave[0].round().astype(int), wave[1]).network_.dtype == np.float64


# ---------------------------------------------------------------- weights


@BOTH
def test_zero_weight_is_absence(kind, iris, wave):
    X, y = data_for(kind, iris, wave)
    weight = np.arange(len(X)) % 2
    how = {"random_state": 0, "max_iter": 30, "early_stopping": True, "batch_size": SMALL_BATCH}
    assert same(kind(**how).fit(X, y, weight), kind(**how).fit(X[1::2], y[1::2]))
    assert same(kind(**how).fit(X, y, weight * 7.0), kind(**how).fit(X[1::2], y[1::2]))


def test_class_weight_moves_the_boundary():
    random = np.random.default_rng(0)
    X = np.r_[random.normal(0, 1, (200, 1)), random.normal(1, 1, (20, 1))]
    y = np.array(["often"] * 200 + ["rare"] * 20)

    def found(class_weight, sample_weight=None):
        model = NetworkClassifier(class_weight=class_weight, random_state=0).fit(X, y, sample_weight)
        return (model.predict(X) == "rare").sum()

    assert found(None) < 20 < found("balanced") < found({"rare": 1000})
    assert found({"rare": 10, "often": 1}) == found("balanced") == found(None, np.where(y == "rare", 10, 1))


def test_balanced_counts_the_weights(iris):
    X, y = iris
    weight = np.where(y == "setosa", 3, 1)
    how = {"class_weight": "balanced", "batch_size": "all", "random_state": 0, "max_iter": 50}
    weighted = NetworkClassifier(**how).fit(X, y, weight)
    repeated = NetworkClassifier(**how).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-8)


# ---------------------------------------------------------------- going on, stopping


@BOTH
def test_warm_start_and_partial_fit_go_on(kind, iris, wave):
    X, y = data_for(kind, iris, wave)
    how = {"optimizer": "sgd", "shuffle": False, "random_state": 0}  # an optimizer without memory
    whole = kind(max_iter=10, **how).fit(X, y)
    warm = kind(max_iter=5, warm_start=True, **how).fit(X, y).fit(X, y)
    assert same(warm, whole)
    assert warm.loss_curve_ == whole.loss_curve_
    assert warm.n_iter_ == 10
    first = {"classes": np.unique(y)} if kind is NetworkClassifier else {}
    bit_by_bit = kind(**how).partial_fit(X, y, **first)
    for _ in range(9):
        bit_by_bit.partial_fit(X, y)
    assert same(bit_by_bit, whole)
    assert bit_by_bit.loss_curve_ == whole.loss_curve_
    cold = kind(max_iter=5, **how).fit(X, y).fit(X, y)
    assert cold.n_iter_ == 5


def test_partial_fit_in_portions(iris):
    X, y = iris
    order = np.random.default_rng(0).permutation(len(X))
    model = NetworkClassifier(random_state=0, class_weight={"setosa": 2.0})
    repeat = clone(model)
    for _ in range(15):
        for part in np.array_split(order, 5):
            model.partial_fit(X[part], y[part], classes=np.unique(y))
            repeat.partial_fit(X[part], y[part], classes=np.unique(y))
    assert model.n_iter_ == 75
    assert model.score(X, y) > 0.93
    assert same(model, repeat)
    model.partial_fit(X[:1], y[:1])  # one row of one class


def test_partial_fit_shuffles_anew_with_every_call(iris):
    X, y = iris
    model = NetworkClassifier(random_state=0).partial_fit(X, y, classes=np.unique(y)).partial_fit(X, y)
    assert model.run_.settings.seed == 1


def test_partial_fit_refuses_what_it_cannot_do(iris):
    X, y = iris
    classes = np.unique(y)
    with pytest.raises(ValueError, match="classes must be passed"):
        NetworkClassifier().partial_fit(X, y)
    with pytest.raises(ArgumentError, match="no class 'virginica'"):
        NetworkClassifier().partial_fit(X, y, classes=["setosa", "versicolor"])
    with pytest.raises(ValueError, match="not the same as on last call"):
        NetworkClassifier().partial_fit(X, y, classes=classes).partial_fit(X, y, classes=classes[:2])
    with pytest.raises(ArgumentError, match="early_stopping"):
        NetworkClassifier(early_stopping=True).partial_fit(X, y, classes=classes)
    with pytest.raises(ArgumentError, match="class_weight"):
        NetworkClassifier(class_weight="balanced").partial_fit(X, y, classes=classes)


def test_another_network_is_not_continued(iris, wave):
    model = NetworkClassifier(warm_start=True, max_iter=2).fit(*iris)
    with pytest.raises(ArgumentError, match="Expected layers"):
        model.set_params(hidden_layer_sizes=(4,)).fit(*iris)
    with pytest.raises(ArgumentError, match="no class 'rose'"):
        model.fit(iris[0], np.where(iris[1] == "setosa", "rose", iris[1]))
    X, y = wave
    with pytest.raises(ArgumentError, match="Expected layers"):
        NetworkRegressor(warm_start=True, max_iter=2).fit(X, y).fit(X, np.c_[y, y])


@BOTH
def test_early_stopping_keeps_the_best(kind, iris, wave):
    X, y = data_for(kind, iris, wave)
    how = {"early_stopping": True, "tol": 0.0, "learning_rate_init": 0.1, "random_state": 0}
    model = kind(max_iter=2000, n_iter_no_change=7, validation_fraction=0.3, **how).fit(X, y)
    best = int(np.argmin(model.validation_loss_curve_)) + 1
    assert model.run_.outcome == "stopped_early"
    assert model.run_.best_epoch == best
    assert model.n_iter_ == best + 7 == len(model.validation_loss_curve_)
    assert model.best_loss_ == min(model.validation_loss_curve_)
    assert same(model, kind(max_iter=best, n_iter_no_change=best, validation_fraction=0.3, **how).fit(X, y))


@BOTH
def test_callbacks_see_progress_and_stop(kind, iris, wave):
    X, y = data_for(kind, iris, wave)
    seen, also = [], []

    def stop(progress):
        seen.append(progress)
        return progress.epoch >= 1

    model = kind(max_iter=10**7, callbacks=[stop, also.append], random_state=0).fit(X, y)
    assert 1 <= model.n_iter_ < 10**7
    assert model.run_.outcome == "interrupted"
    assert seen == also
    assert seen[0].epoch == 0
    assert np.isfinite(model.predict_proba(X) if kind is NetworkClassifier else model.predict(X)).all()


def test_callbacks_change_nothing(wave):
    seen = []
    model = NetworkRegressor(callbacks=(seen.append,), max_iter=20, random_state=0).fit(*wave)
    assert seen[-1].epoch == seen[-1].epochs == 20
    assert same(model, NetworkRegressor(max_iter=20, random_state=0).fit(*wave))


def test_ctrl_c_keeps_what_was_reached(iris):
    X, y = iris

    def interrupt(progress):
        if progress.epoch > 1:
            raise KeyboardInterrupt

    model = NetworkClassifier(max_iter=10**7, callbacks=[interrupt], random_state=0)
    with pytest.warns(UserWarning, match="interrupted") as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert 1 <= model.n_iter_ < 10**7
    assert model.score(X, y) > 0.3

    def at_once(progress):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        model.set_params(callbacks=[at_once]).fit(X, y)
    assert model.n_iter_ == 0
    assert np.isnan(model.loss_)


def test_verbose_shows_a_bar_on_stderr(wave, capsys):
    NetworkRegressor(verbose=True, max_iter=5).fit(*wave)
    out, err = capsys.readouterr()
    assert out == ""
    assert "training" in err
    NetworkRegressor(max_iter=5).fit(*wave)
    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------- what may go wrong


def test_divergence_is_an_error(wave):
    X, y = wave
    model = NetworkRegressor(activation="linear", optimizer="sgd", random_state=0).fit(X, y)
    model.set_params(learning_rate_init=10.0)
    with pytest.raises(DivergenceError, match="learning rate"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_saturation_is_a_warning(iris):
    X, y = iris
    model = NetworkClassifier(
        loss="half_squared_error", optimizer="sgd", learning_rate_init=1e5, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="saturated") as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@BOTH
def test_numbers_that_are_not_finite(kind, bad, iris, wave):
    X, y = data_for(kind, iris, wave)
    spoilt = X.copy()
    spoilt[3, 0] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        kind().fit(spoilt, y)
    model = kind(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        model.predict(spoilt)
    if kind is NetworkRegressor:
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            kind().fit(X, np.where(X[:, 0] == X[3, 0], bad, y))


def test_one_class_one_example_no_example(iris, wave):
    X, y = iris
    with pytest.raises(ArgumentError, match="one class only: setosa"):
        NetworkClassifier().fit(X[:50], y[:50])
    with pytest.raises(ArgumentError, match="one class only"):
        NetworkClassifier().fit(X[:1], y[:1])
    with pytest.raises(ArgumentError, match="one class only"):
        NetworkClassifier().fit(X, y, sample_weight=y == "setosa")
    with pytest.raises(ValueError, match="0 sample"):
        NetworkClassifier().fit(X[:0], y[:0])
    one = NetworkRegressor(l2=0.0, random_state=0).fit(wave[0][:1], wave[1][:1])
    assert abs(one.predict(wave[0][:1])[0] - wave[1][0]) < 0.01
    with pytest.raises(ArgumentError, match="aside"):
        NetworkRegressor(early_stopping=True).fit(wave[0][:1], wave[1][:1])


def test_constants_are_no_trouble(iris, wave):
    X, y = iris
    constant = np.c_[X, np.full(len(X), 3.0), np.zeros(len(X))]
    assert NetworkClassifier(random_state=0).fit(constant, y).score(constant, y) > 0.95
    flat = NetworkRegressor(random_state=0).fit(wave[0], np.full(80, 0.5))
    np.testing.assert_allclose(flat.predict(wave[0]), 0.5, atol=0.05)


def test_refusals_say_why(iris):
    X, y = iris
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        NetworkClassifier().fit(sparse.csr_array(X), y)
    with pytest.raises(ValueError, match="1d array"):
        NetworkClassifier().fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match="continuous"):
        NetworkClassifier().fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        NetworkClassifier().fit(X, y, -np.ones(len(X)))
    with pytest.raises(ArgumentError, match="negative"):
        NetworkClassifier(class_weight={"setosa": -1}).fit(X, y)
    with pytest.raises(ValueError, match="not in class_weight"):
        NetworkClassifier(class_weight={"rose": 1}).fit(X, y)
    for sizes in [(3, 0), (2.5,), ((2, 2), (2, 2))]:
        with pytest.raises(ArgumentError, match="hidden"):
            NetworkClassifier(sizes).fit(X, y)
    with pytest.raises(ArgumentError, match="GiB"):
        NetworkClassifier((10**6, 10**6)).fit(X, y)
    with pytest.raises(NotFittedError):
        NetworkClassifier().predict(X)
    with pytest.raises(ValueError, match="'loss' parameter"):
        NetworkRegressor(loss="cross_entropy").fit(X, X[:, 0])
