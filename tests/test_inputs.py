"""What a network is shown: every number against another program's, and against what it must obey."""

from __future__ import annotations

import cmath
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import welch

from tinyglass import Recording, fit_preparation
from tinyglass.inputs import (
    FEATURES,
    KINDS,
    N_BANDS,
    SEGMENT,
    STATISTICS,
    at_places,
    count_features,
    measure,
    name_inputs,
    resample,
    smallest_scales,
    spectrum,
    summarise,
)
from tinyglass.preparation import prepare_inputs

LENGTHS = [1, 2, 3, 63, 64, 65, 1000]
of_every_length = pytest.mark.parametrize("length", LENGTHS)

MODEST = st.floats(-1e4, 1e4, allow_subnormal=False)
SIGNALS = hnp.arrays(np.float64, st.tuples(st.integers(1, 70), st.integers(1, 3)), elements=MODEST)


def stack_of(length: int, n_signals: int = 3, n_channels: int = 2, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng([seed, length])
    return random.normal(5, 3, (n_signals, length, n_channels))


# ---------------------------------------------------------------- along straight lines


@of_every_length
@pytest.mark.parametrize("n_steps", [1, 2, 3, 32, 64, 999])
def test_resampling_is_numpys_interpolation(length, n_steps):
    stack = stack_of(length)
    found = resample(stack, n_steps)
    assert found.shape == (3, n_steps, 2)
    at = np.linspace(0, length - 1, n_steps)
    for signal, made in zip(stack, found, strict=True):
        for channel in range(2):
            theirs = np.interp(at, np.arange(length), signal[:, channel])
            np.testing.assert_allclose(made[:, channel], theirs, rtol=1e-12)


@given(SIGNALS, st.lists(st.floats(-100, 200), min_size=1, max_size=20))
def test_places_beyond_the_ends_stand_still(signal, places):
    found = at_places(signal[None], np.array(places))[0]
    for channel in range(signal.shape[1]):
        theirs = np.interp(places, np.arange(len(signal)), signal[:, channel])
        np.testing.assert_allclose(found[:, channel], theirs, rtol=1e-9, atol=1e-9)


@of_every_length
def test_as_many_steps_as_readings_change_no_bit(length):
    stack = stack_of(length)
    assert resample(stack, length).tobytes() == stack.tobytes()


# ---------------------------------------------------------------- the summary


@of_every_length
def test_the_summary_is_numpys(length):
    stack = stack_of(length)
    found = dict(zip(STATISTICS, np.moveaxis(summarise(stack), 1, 0), strict=True))
    expected = {
        "mean": np.mean(stack, axis=1),
        "√deviation": np.sqrt(np.std(stack, axis=1)),
        "minimum": np.min(stack, axis=1),
        "lower quartile": np.percentile(stack, 25, axis=1),
        "median": np.median(stack, axis=1),
        "upper quartile": np.percentile(stack, 75, axis=1),
        "maximum": np.max(stack, axis=1),
    }
    change = np.zeros((3, 2))
    for row, signal in enumerate(stack.tolist()):
        for channel in range(2):
            jumps = [abs(after[channel] - before[channel]) for before, after in itertools.pairwise(signal)]
            change[row, channel] = math.sqrt(sum(jumps) / len(jumps)) if jumps else 0.0
    expected["√change"] = change
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


ROOTED = np.array(FEATURES["summary"].rooted)


@given(SIGNALS, st.floats(0.01, 100))
def test_a_channel_k_times_as_large_has_k_times_the_statistics_and_root_k_times_the_rooted(signal, k):
    before, after = summarise(signal[None])[0], summarise(k * signal[None])[0]
    # A root makes the rounding of a deviation of nothing large: √(1e-16 · 1e4 · 100) is 1e-5.
    np.testing.assert_allclose(after[~ROOTED], k * before[~ROOTED], rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(after[ROOTED], math.sqrt(k) * before[ROOTED], rtol=1e-6, atol=1e-4)


@given(SIGNALS, MODEST)
def test_a_shift_moves_the_places_and_leaves_the_spreads(signal, b):
    before, after = summarise(signal[None])[0], summarise(signal[None] + b)[0]
    np.testing.assert_allclose(after[~ROOTED], before[~ROOTED] + b, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(after[ROOTED] ** 2, before[ROOTED] ** 2, rtol=1e-6, atol=1e-7)


@given(SIGNALS, st.randoms(use_true_random=False))
def test_the_order_of_the_readings_shows_in_the_change_alone(signal, random):
    order = list(range(len(signal)))
    random.shuffle(order)
    before, after = summarise(signal[None])[0], summarise(signal[order][None])[0]
    np.testing.assert_allclose(after[:-1], before[:-1], rtol=1e-9, atol=1e-5)


# ---------------------------------------------------------------- the spectrum


@pytest.mark.parametrize("length", [length for length in LENGTHS if length >= SEGMENT])
def test_the_spectrum_is_scipys_welch(length):
    stack = stack_of(length)
    signals = stack - stack.mean(axis=1, keepdims=True)
    density = welch(
        signals, fs=1.0, window="hann", nperseg=64, noverlap=32, detrend=False, axis=1, scaling="density"
    )[1]
    density[:, 1:32] /= 2  # one-sided densities count the negative frequencies too
    bands = density[:, :32].reshape(3, N_BANDS, 2, 2).mean(axis=2)
    np.testing.assert_allclose(spectrum(stack), bands**0.25, rtol=1e-10)


@of_every_length
def test_the_spectrum_is_that_of_the_definition(length):
    """Fourier's sum, term by term."""
    signal = stack_of(length, 1, 1)[0, :, 0].tolist()
    mean = sum(signal) / len(signal)
    padded = [value - mean for value in signal] + [0.0] * max(0, 64 - length)
    fade = [math.sin(math.pi * t / 64) ** 2 for t in range(64)]
    starts = range(0, len(padded) - 63, 32)
    power = [0.0] * 32
    for start in starts:
        for f in range(32):
            terms = (padded[start + t] * fade[t] * cmath.exp(-2j * math.pi * f * t / 64) for t in range(64))
            power[f] += abs(sum(terms)) ** 2 / sum(w * w for w in fade) / len(starts)
    bands = [((power[2 * band] + power[2 * band + 1]) / 2) ** 0.25 for band in range(16)]
    # A single reading less its mean is silence.
    np.testing.assert_allclose(
        spectrum(np.array(signal)[None, :, None])[0, :, 0], bands, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("frequency", range(2, 31))
def test_a_wave_is_loudest_in_its_own_band(frequency):
    wave = np.sin(2 * np.pi * frequency / 64 * np.arange(640) + 0.3)
    loud = spectrum(wave[None, :, None])[0, :, 0]
    assert int(loud.argmax()) == frequency // 2
    far = np.abs(np.arange(16) - frequency / 2) > 2
    assert (loud[far] < loud.max() / 100).all()


@given(SIGNALS, st.floats(0.01, 100), MODEST)
def test_the_spectrum_grows_with_the_root_and_knows_no_offset(signal, k, b):
    before = spectrum(signal[None])[0]
    np.testing.assert_allclose(spectrum(k * signal[None])[0], math.sqrt(k) * before, rtol=1e-6, atol=1e-3)
    # Fourth powers: a rounding of 1e-12 is 1e-3 after the fourth root.
    np.testing.assert_allclose(spectrum(signal[None] + b)[0] ** 4, before**4, rtol=1e-6, atol=1e-6)


@of_every_length
@pytest.mark.parametrize("value", [0.0, 0.1, -127.875, 1e9])
def test_silence_has_no_spectrum_deviation_or_change(length, value):
    stack = np.full((1, length, 2), value)
    size = abs(value) or 1.0
    assert (spectrum(stack) <= 1e-6 * math.sqrt(size)).all()
    named = dict(zip(STATISTICS, summarise(stack)[0], strict=True))
    for name in ("√deviation", "√change"):
        assert (named[name] <= 1e-6 * math.sqrt(size)).all()
    for name in ("minimum", "lower quartile", "median", "upper quartile", "maximum"):
        assert named[name].tolist() == [value, value]


# ---------------------------------------------------------------- standardised, a unit does not matter


@pytest.mark.parametrize("kinds", [("raw",), ("summary",), ("spectrum",), ("spectrum", "raw", "summary")])
@pytest.mark.parametrize("k", [0.001, 9.80665, 1e6])
def test_standardised_inputs_are_the_same_in_every_unit(kinds, k):
    signals = stack_of(40, 12, 3)
    here, there = ([Recording(factor * signal, label="a") for signal in signals] for factor in (1.0, k))
    X, Z = (prepare_inputs(data, fit_preparation(data, inputs=kinds)) for data in (here, there))
    np.testing.assert_allclose(Z, X, rtol=1e-8, atol=1e-8)
    assert np.abs(X.mean(axis=0)).max() < 2  # of each channel over all steps, not of each step


@pytest.mark.parametrize("kinds", [("raw",), ("spectrum",), ("raw", "summary", "spectrum")])
def test_standardised_inputs_are_the_same_after_a_shift(kinds):
    signals = stack_of(40, 12, 3)
    here, there = ([Recording(signal + b, label="a") for signal in signals] for b in (0.0, 1000.0))
    X, Z = (prepare_inputs(data, fit_preparation(data, inputs=kinds)) for data in (here, there))
    np.testing.assert_allclose(Z, X, rtol=1e-6, atol=1e-6)


# ---------------------------------------------------------------- together and alone


@pytest.mark.parametrize("kinds", [("raw",), ("summary",), ("spectrum",), KINDS, KINDS[::-1]])
def test_signals_of_mixed_lengths_are_measured_as_each_alone_to_the_bit(kinds):
    random = np.random.default_rng(0)
    lengths = [1000, 3, 64, 3, 1, 65, 2, 63, 64, 1000, 1, 200]
    signals = [random.normal(size=(length, 3)) for length in lengths]
    together = measure(signals, kinds, 20)
    assert set(together) == set(kinds)
    for place, signal in enumerate(signals):
        alone = measure([signal], kinds, 20)
        for kind in kinds:
            assert together[kind][place].tobytes() == alone[kind][0].tobytes(), (kind, len(signal))


@of_every_length
def test_a_stack_gives_what_each_signal_gives_alone(length):
    stack = stack_of(length, 5, 3)
    for rule in (summarise, spectrum, lambda some: resample(some, 7)):
        together = rule(stack)
        for place in range(5):
            assert together[place].tobytes() == rule(stack[place : place + 1])[0].tobytes()
        for channel in range(3):
            np.testing.assert_allclose(
                together[:, :, channel], rule(stack[:, :, [channel]])[:, :, 0], rtol=1e-12, atol=1e-12
            )


# ---------------------------------------------------------------- names and counts


SOME_KINDS = st.lists(st.sampled_from(KINDS), min_size=1, unique=True)


@given(SOME_KINDS, st.integers(1, 4), st.integers(1, 9), st.sampled_from([None, 25.0, 100.0]))
def test_there_is_a_name_of_its_own_for_every_input(kinds, n_channels, n_steps, rate):
    channels = [f"channel {c}" for c in range(n_channels)]
    names = name_inputs(kinds, channels, n_steps, rate)
    tables = measure([np.zeros((5, n_channels))], kinds, n_steps)
    assert len(names) == len(set(names)) == sum(table[0].size for table in tables.values())
    raw = n_steps * n_channels if "raw" in kinds else 0
    assert len(names) == raw + count_features(kinds, n_channels)
    preparation = fit_preparation([Recording(np.eye(5, n_channels), label="a")], inputs=kinds, steps=n_steps)
    assert preparation.n_inputs == len(names)


def test_names_stand_in_the_order_of_the_inputs():
    signal = np.array([[1.0, 10.0], [3.0, 50.0]])
    recording = Recording(signal, ("x", "y"), label="a")
    preparation = fit_preparation([recording], scale="none", inputs=("summary", "raw"))
    names = name_inputs(("summary", "raw"), ("x", "y"), 2)
    values = dict(zip(names, prepare_inputs([recording], preparation)[0].tolist(), strict=True))
    assert values["x mean"] == 2
    assert values["y maximum"] == 50
    assert values["y lower quartile"] == 20
    assert values["x √change"] == pytest.approx(math.sqrt(2))
    assert (values["x[0]"], values["y[0]"], values["x[1]"], values["y[1]"]) == (1, 10, 3, 50)


def test_bands_are_named_by_their_frequencies():
    names = name_inputs(("spectrum",), ("x",), 0, 100.0)
    assert names[0] == "x 0–3.12 Hz"
    assert names[-1] == "x 46.9–50 Hz"
    wave = np.sin(2 * np.pi * 20 * np.arange(200) / 100.0)
    loudest = names[int(spectrum(wave[None, :, None])[0, :, 0].argmax())]
    low, high = (float(word) for word in loudest.split()[1].split("–"))
    assert low <= 20 <= high


# ---------------------------------------------------------------- the smallest scale


@given(hnp.arrays(np.float64, st.integers(1, 4), elements=st.floats(0, 1e6)))
def test_the_smallest_scale_is_a_hundredth_of_the_deviation_or_of_its_root(deviation):
    for kind, feature in FEATURES.items():
        found = smallest_scales(kind, deviation)
        assert found.shape == (len(feature.names), len(deviation))
        for name, row in zip(feature.names, found, strict=True):
            rooted = name.startswith("√") or kind == "spectrum"
            natural = np.sqrt(deviation) if rooted else deviation
            np.testing.assert_allclose(row, 0.01 * natural, rtol=1e-12)


def test_what_hardly_differs_is_not_blown_up():
    """Recordings each standardised by itself: their means differ by rounding alone."""
    random = np.random.default_rng(0)
    signals = random.normal(size=(20, 50, 2))
    signals = (signals - signals.mean(axis=1, keepdims=True)) / signals.std(axis=1, keepdims=True)
    recordings = [Recording(signal, label="a") for signal in signals]
    preparation = fit_preparation(recordings, inputs=("summary",))
    X = dict(zip(name_inputs(("summary",), "xy", 0), prepare_inputs(recordings, preparation).T, strict=True))
    for channel in "xy":
        assert np.abs(X[f"{channel} mean"]).max() < 1e-10
        assert np.abs(X[f"{channel} √deviation"]).max() < 1e-10
        assert X[f"{channel} maximum"].std() == pytest.approx(1)
    assert min(preparation.feature_scale) == pytest.approx(0.01, rel=1e-6)
