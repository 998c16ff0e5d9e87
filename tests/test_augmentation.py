"""Altered copies: made of the training part only, the same by seed, and still the same gesture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conftest import noisy_recordings
from tinyglass import Recording, Settings, evaluate, train
from tinyglass import preparation as preparation_module
from tinyglass.augmentation import ALTERATIONS, alter, noise, rotate, scale, shift, stretch
from tinyglass.choice import MOST_ROWS, count_copies
from tinyglass.preparation import fit_preparation, measure_recordings, prepare

EVERY = tuple(ALTERATIONS)
MODEST = st.floats(-1e4, 1e4, allow_subnormal=False)
SIGNALS = hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 6)), elements=MODEST)
SEEDS = st.integers(0, 2**32 - 1)
every_alteration = pytest.mark.parametrize("name", EVERY)


def drawn(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---------------------------------------------------------------- each alteration


@every_alteration
@given(signal=SIGNALS, seed=SEEDS)
def test_an_altered_copy_is_finite_of_the_same_shape_and_leaves_the_original(name, signal, seed):
    before = signal.copy()
    made = ALTERATIONS[name](signal, drawn(seed))
    assert made.shape == signal.shape
    assert np.isfinite(made).all()
    assert signal.tobytes() == before.tobytes()


@every_alteration
@given(signal=SIGNALS, seed=SEEDS)
def test_the_same_seed_makes_the_same_copy(name, signal, seed):
    assert (
        ALTERATIONS[name](signal, drawn(seed)).tobytes() == ALTERATIONS[name](signal, drawn(seed)).tobytes()
    )


@every_alteration
def test_an_alteration_alters(name):
    signal = np.random.default_rng(0).normal(size=(40, 3))
    made = [ALTERATIONS[name](signal, drawn(seed)) for seed in range(5)]
    assert all(not np.allclose(one, signal) for one in made)
    assert all(not np.allclose(one, made[0]) for one in made[1:])


@pytest.mark.parametrize("alteration", [shift, stretch])
@given(signal=SIGNALS, seed=SEEDS)
def test_moving_in_time_makes_no_reading_that_was_not_between_two(alteration, signal, seed):
    made = alteration(signal, drawn(seed))
    slack = 1e-9 * (1 + np.abs(signal).max())
    assert (made >= signal.min(axis=0) - slack).all()
    assert (made <= signal.max(axis=0) + slack).all()


@given(st.integers(2, 500), SEEDS)
def test_a_shift_is_at_most_a_tenth_the_same_everywhere_and_one_end_stands_still(n, seed):
    signal = np.arange(float(n))[:, None]  # each reading says its place
    moved = shift(signal, drawn(seed))[:, 0] - signal[:, 0]
    last = n - 1
    assert np.abs(moved).max() <= 0.1 * last + 1e-9
    by = moved[np.argmax(np.abs(moved))]
    places = np.clip(np.arange(n) + by, 0, last)
    np.testing.assert_allclose(moved, places - np.arange(n), atol=1e-9)
    assert moved[0] == 0 or moved[-1] == 0 or n == 2


@given(st.integers(2, 500), SEEDS)
def test_a_stretch_is_at_most_a_tenth_and_keeps_the_middle(n, seed):
    signal = np.arange(float(n))[:, None]
    made = stretch(signal, drawn(seed))[:, 0]
    middle = (n - 1) / 2
    factors = (made - middle)[made != middle] / (signal[:, 0] - middle)[made != middle]
    assert (factors >= 0.9 - 1e-9).all()
    assert (factors <= 1.1 + 1e-9).all()
    np.testing.assert_allclose(made + made[::-1], n - 1, atol=1e-9)


@given(signal=SIGNALS, seed=SEEDS)
def test_a_gain_is_one_factor_for_everything(signal, seed):
    made = scale(signal, drawn(seed))
    factor = scale(np.ones((1, 1)), drawn(seed))[0, 0]
    assert 0.9 <= factor <= 1.1
    np.testing.assert_allclose(made, factor * signal, rtol=1e-12)


def test_noise_is_a_twentieth_of_each_channels_deviation():
    random = np.random.default_rng(0)
    signal = random.normal(size=(20_000, 2)) * [1.0, 300.0] + [0.0, 5000.0]
    added = noise(signal, random) - signal
    np.testing.assert_allclose(added.std(axis=0) / signal.std(axis=0), 0.05, rtol=0.03)
    assert np.abs(added.mean(axis=0) / signal.std(axis=0)).max() < 0.002
    assert abs(np.corrcoef(added.T)[0, 1]) < 0.03


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.sampled_from([3, 6, 9])), elements=MODEST), SEEDS
)
def test_a_turn_preserves_norms_and_angles(signal, seed):
    made = rotate(signal, drawn(seed))
    for start in range(0, signal.shape[1], 3):
        old, new = signal[:, start : start + 3], made[:, start : start + 3]
        np.testing.assert_allclose(new @ new.T, old @ old.T, rtol=1e-9, atol=1e-5)


@given(SEEDS)
def test_a_turn_is_a_proper_rotation_of_at_most_20_degrees(seed):
    matrix = rotate(np.eye(3), drawn(seed)).T
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    angle = np.degrees(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1)))
    assert angle <= 20 + 1e-6


def test_turns_go_about_every_axis_by_every_angle():
    tilted = np.array([rotate(np.array([[0.0, 0.0, 1.0]]), drawn(seed))[0] for seed in range(400)])
    assert tilted[:, 0].min() < -0.2 < 0.2 < tilted[:, 0].max()
    assert tilted[:, 1].min() < -0.2 < 0.2 < tilted[:, 1].max()
    assert np.abs(tilted[:, :2].mean(axis=0)).max() < 0.03


@pytest.mark.parametrize("n_channels", [1, 2, 4, 5, 7])
def test_channels_not_in_threes_are_not_turned(n_channels):
    signal = np.random.default_rng(0).normal(size=(9, n_channels))
    assert rotate(signal, drawn(0)).tobytes() == signal.tobytes()


@pytest.mark.parametrize("name", ["shift", "stretch", "noise"])
@given(
    hnp.arrays(np.float64, st.integers(1, 6), elements=MODEST),
    st.integers(1, 50),
    SEEDS,
)
def test_a_constant_signal_stays_as_it_is(name, reading, n_readings, seed):
    signal = np.tile(reading, (n_readings, 1))
    slack = 1e-12 * (1 + np.abs(reading).max())
    np.testing.assert_allclose(ALTERATIONS[name](signal, drawn(seed)), signal, rtol=0, atol=slack)


@pytest.mark.parametrize("name", ["shift", "stretch", "noise"])
def test_a_single_reading_has_no_time_and_no_deviation(name):
    signal = np.array([[1.0, 2.0, 3.0]])
    assert ALTERATIONS[name](signal, drawn(0)).tolist() == signal.tolist()


# ---------------------------------------------------------------- several together


def test_copies_are_all_different_and_the_first_of_each_come_first():
    signals = [np.random.default_rng(k).normal(size=(k + 4, 3)) + 100 * k for k in range(3)]
    made = alter(signals, EVERY, 4, seed=5)
    assert [len(one) for one in made] == [4, 5, 6] * 4
    assert len({one.tobytes() for one in made}) == 12
    for place, one in enumerate(made):
        original = signals[place % 3]
        assert np.linalg.norm(one - original) < 0.6 * np.linalg.norm(original)


def test_alterations_are_made_by_the_seed():
    signals = [np.arange(12.0).reshape(4, 3)]
    first, again, other = (alter(signals, EVERY, 3, seed) for seed in (0, 0, 1))
    assert [one.tobytes() for one in first] == [one.tobytes() for one in again]
    assert all(a.tobytes() != b.tobytes() for a, b in zip(first, other, strict=True))


def test_alterations_follow_the_order_they_are_named_in():
    signal = np.random.default_rng(0).normal(size=(20, 3))
    random = np.random.default_rng([3, 7])
    by_hand = noise(scale(signal, random), random)
    assert alter([signal], ("scale", "noise"), 1, seed=3)[0].tobytes() == by_hand.tobytes()


def test_nothing_to_alter_makes_no_copies():
    assert alter([np.ones((3, 1))], (), 4, seed=0) == []
    assert alter([np.ones((3, 1))], EVERY, 0, seed=0) == []
    assert alter([], EVERY, 4, seed=0) == []


# ---------------------------------------------------------------- the training part only


def test_originals_come_first_and_copies_belong_to_their_recording():
    recordings = [
        Recording(np.random.default_rng(k).normal(size=(8, 3)) + 10 * k, label="a") for k in range(4)
    ]
    material = measure_recordings(recordings, ("raw",), 8, alterations=("shift",), copies=3, seed=1)
    assert material.owner.tolist() == [0, 1, 2, 3] * 4
    assert material.altered.tolist() == [False] * 4 + [True] * 12
    for row, owner in enumerate(material.owner):
        assert abs(material.tables["raw"][row].mean() - 10 * owner) < 3
    assert material.rows([1, 3]).tolist() == [1, 3]
    assert material.rows([1], altered=True).tolist() == [1, 5, 9, 13]


def test_the_preparation_is_fitted_on_the_recordings_and_not_on_their_copies():
    recordings = noisy_recordings(12)
    settings = {"inputs": ("raw",), "threshold": 0.0, "temperature": 1.0, "epochs": 2}
    plain = train(recordings, Settings(augment=(), **settings)).network.preparation
    altered = train(recordings, Settings(augment=EVERY, copies=9, **settings)).network.preparation
    assert plain == altered == fit_preparation(recordings)


def test_examples_of_copies_stand_in_the_group_of_their_recording():
    recordings = noisy_recordings(6)
    examples = prepare(recordings, fit_preparation(recordings), ("a", "b"), ("noise",), 2, 0)
    assert examples.groups.tolist() == list(range(6)) * 3
    assert examples.Y[:, 1].tolist() == [i % 2 for i in range(6)] * 3
    np.testing.assert_array_equal(
        examples.X[:6], prepare(recordings, fit_preparation(recordings), ("a", "b")).X
    )


@pytest.fixture
def altered_sources(monkeypatch):
    """Every call that alters: the signals that it was given, as bytes."""
    calls: list[set[bytes]] = []

    def spy(signals, names, copies, seed):
        if names and copies:
            calls.append({signal.tobytes() for signal in signals})
        return alter(signals, names, copies, seed)

    monkeypatch.setattr(preparation_module, "alter", spy)
    return calls


FIXED = Settings(inputs=("raw",), augment=("shift", "noise"), threshold=0.0, temperature=1.0, epochs=3)


def test_what_is_tested_is_never_altered(altered_sources):
    recordings = noisy_recordings(30)
    evaluate(recordings, FIXED)
    assert len(altered_sources) == 30
    for place, signals in enumerate(altered_sources):
        assert signals == {r.signal.tobytes() for r in recordings} - {recordings[place].signal.tobytes()}


def test_what_is_kept_aside_is_never_altered(altered_sources):
    recordings = noisy_recordings(40)
    settings = Settings(
        inputs=("raw",), augment=("scale",), threshold=0.0, temperature=1.0, epochs=3, validation=0.25
    )
    run = train(recordings, settings)
    assert len(run.validation_losses) == 3
    assert [len(signals) for signals in altered_sources] == [30]
    assert run.updates == 3 * -(-30 * 5 // 16)  # 4 copies beside each original


def test_a_test_part_is_not_altered_even_while_choosing(altered_sources):
    recordings = noisy_recordings(24)
    evaluate(recordings[:16], Settings(epochs=2), test=recordings[16:])
    tested = {r.signal.tobytes() for r in recordings[16:]}
    assert len(altered_sources) > 1
    assert not any(signals & tested for signals in altered_sources)


def test_what_is_left_out_by_a_choice_is_judged_unaltered(monkeypatch):
    """The answers of validation are to the recordings themselves: one row each."""
    from tinyglass import choice

    rows_seen = []
    real = choice.apply_rows

    def spy(preparation, material, rows):
        rows_seen.append(material.altered[rows].tolist())
        return real(preparation, material, rows)

    monkeypatch.setattr(choice, "apply_rows", spy)
    train(noisy_recordings(20), Settings(epochs=2, inputs=("raw",), augment=("shift",)))
    training, judged = [], []
    for altered in rows_seen:
        (training if any(altered) else judged).append(altered)
    assert len(training) == len(judged) == 5
    assert sum(map(len, judged)) == 20
    assert all(len(altered) == 16 * 5 for altered in training)


# ---------------------------------------------------------------- how many


@given(st.integers(1, 6000), st.integers(1, 1000), st.sampled_from([0, 1, 2, 5]))
def test_many_recordings_or_windows_get_fewer_copies(n, copies, window):
    settings = Settings(copies=copies, window=window)
    recordings = [Recording(np.zeros(10))] * n
    n_pieces = n * {0: 1, 1: 10, 2: 9, 5: 2}[window]  # a hop is half a window: 1, 1 and 3 readings
    assert count_copies(recordings, settings, ("shift",)) == min(copies, MOST_ROWS // n_pieces)
    assert count_copies(recordings, settings, ()) == 0
