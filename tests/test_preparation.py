"""Preparation: scaling from the training part, resampling, tasks, classes, weights, fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.utils.class_weight import compute_class_weight

from conftest import PLAIN, noisy_recordings
from tinyglass import (
    ArgumentError,
    Examples,
    Recording,
    RecordingError,
    Settings,
    evaluate,
    fit_preparation,
    make_settings,
    predict,
    prepare,
    train,
)
from tinyglass import evaluation as evaluation_module
from tinyglass.inputs import measure, name_inputs
from tinyglass.prediction import answers
from tinyglass.preparation import (
    class_weights,
    cut,
    expected_outputs,
    find_classes,
    find_task,
    prepare_inputs,
)

MODEST = st.floats(-1e6, 1e6, allow_subnormal=False)


def labelled(*labels: str | None) -> list[Recording]:
    return [Recording([[float(i)]], label=label, source=f"file {i}") for i, label in enumerate(labels)]


# ---------------------------------------------------------------- scaling


def test_standard_scaling_gives_each_channel_mean_0_and_deviation_1():
    recordings = noisy_recordings()
    preparation = fit_preparation(recordings)
    readings = np.concatenate([r.signal for r in recordings])
    np.testing.assert_allclose(preparation.offset, readings.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(preparation.scale, readings.std(axis=0), rtol=1e-13)
    X = prepare_inputs(recordings, preparation).reshape(-1, 2)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-12)


def test_what_was_fitted_on_some_recordings_is_applied_to_others(course):
    preparation = fit_preparation(course[:3])
    mean, deviation = preparation.offset[0], preparation.scale[0]
    X = prepare_inputs(course[5:], preparation)
    np.testing.assert_allclose(X, [(r.signal[:, 0] - mean) / deviation for r in course[5:]], rtol=1e-15)


@given(st.lists(MODEST, min_size=1, max_size=5), st.lists(MODEST, min_size=3, max_size=3, unique=True))
def test_a_constant_channel_becomes_zero_and_nothing_is_divided_by_zero(constants, others):
    # 0.1 three times has a deviation of 1e-17, not 0: the remainder of rounding is no signal.
    recordings = [
        Recording([[value] * len(constants) + [other] for value in constants[:1]], label="a")
        for other in others
    ]
    assume(max(others) - min(others) > 1e-3)
    preparation = fit_preparation(recordings)
    X = prepare_inputs(recordings, preparation)
    assert np.isfinite(X).all()
    assert preparation.scale[:-1] == (1.0,) * len(constants)
    np.testing.assert_allclose(X[:, :-1], 0, atol=1e-9)
    assert X[:, -1].std() == pytest.approx(1)


def test_a_channel_of_one_tiny_signal_on_a_large_offset_keeps_its_signal():
    recordings = [Recording([[1000 + 1e-6 * i]], label="a") for i in range(4)]
    X = prepare_inputs(recordings, fit_preparation(recordings))
    assert X.std() == pytest.approx(1, rel=1e-3)


def test_the_course_divides_by_100(course):
    preparation = fit_preparation(course, scale=100.0)
    assert (preparation.offset, preparation.scale) == ((0.0,), (100.0,))
    X = prepare_inputs(course, preparation)
    assert X.tolist() == [[reading / 100 for reading in r.signal[:, 0]] for r in course]


def test_no_scaling_leaves_every_bit(course):
    X = prepare_inputs(course, fit_preparation(course, scale="none"))
    assert X.tobytes() == np.array([r.signal[:, 0] for r in course]).tobytes()


def test_several_channels_follow_one_another_step_by_step():
    recording = Recording([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], ("x", "y"), label="a")
    X = prepare_inputs([recording], fit_preparation([recording], scale="none"))
    assert X.tolist() == [[1, 10, 2, 20, 3, 30]]


def test_quantities_are_brought_to_mean_0_and_deviation_1_too():
    recordings = [Recording([[x]], label=str(100 + 10 * x)) for x in (0.0, 1.0, 2.0)]
    preparation = fit_preparation(recordings, answers=True)
    assert preparation.answer_offset == 110
    assert preparation.answer_scale == pytest.approx(np.std([100, 110, 120]))
    examples = prepare(recordings, preparation, None)
    assert examples.Y.mean() == pytest.approx(0)
    assert examples.Y.std() == pytest.approx(1)
    untouched = fit_preparation(recordings, answers=True, scale="none")
    assert (untouched.answer_offset, untouched.answer_scale) == (0, 1)


def test_one_quantity_for_all_is_no_division_by_zero():
    recordings = [Recording([[x]], label="5.5") for x in (0.0, 1.0)]
    preparation = fit_preparation(recordings, answers=True)
    assert (preparation.answer_offset, preparation.answer_scale) == (5.5, 1.0)


def test_one_recording_is_enough_to_prepare():
    recording = Recording([[3.0], [5.0]], label="a")
    X = prepare_inputs([recording], fit_preparation([recording]))
    assert X.tolist() == [[-1, 1]]


# ---------------------------------------------------------------- lengths


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=MODEST),
    st.integers(1, 50),
)
def test_resampling_follows_straight_lines_and_keeps_the_ends(signal, steps):
    recording = Recording(signal, label="a")
    preparation = fit_preparation([recording], scale="none", steps=steps)
    assert preparation.n_steps == steps
    found = prepare_inputs([recording], preparation).reshape(steps, -1)
    at = np.linspace(0, len(signal) - 1, steps)
    for channel in range(signal.shape[1]):
        straight = np.interp(at, np.arange(len(signal)), signal[:, channel])
        np.testing.assert_allclose(found[:, channel], straight, rtol=1e-12, atol=1e-9)
    assert found[0].tolist() == signal[0].tolist()
    if steps > 1:
        assert found[-1].tolist() == signal[-1].tolist()
    if steps == len(signal):
        assert found.tobytes() == signal.tobytes()


def test_recordings_of_different_lengths_become_32_steps():
    recordings = [Recording(np.arange(float(n)), label="ab"[n % 2]) for n in (3, 50, 32)]
    preparation = fit_preparation(recordings)
    assert (preparation.n_steps, preparation.resample) == (32, True)
    assert prepare_inputs(recordings, preparation).shape == (3, 32)
    longer = Recording(np.arange(99.0), label="a")
    assert prepare_inputs([longer], preparation).shape == (1, 32)


def test_recordings_of_one_length_stay_as_they_are_and_others_are_refused(course):
    preparation = fit_preparation(course)
    assert (preparation.n_steps, preparation.resample, preparation.rate_hz) == (3, False, 4.0)
    two = Recording([[1.0], [2.0]], ("distance",), label="a", source="two.txt")
    with pytest.raises(RecordingError, match=r"Expected 3 readings, found 2\. In two\.txt.*--steps"):
        prepare_inputs([two], preparation)
    asked = fit_preparation(course, steps=3)
    assert prepare_inputs([two], asked).shape == (1, 3)


def test_a_row_of_a_table_fits_a_network_of_steps(course):
    preparation = fit_preparation(course, scale="none")
    row = Recording([[1.0, 2.0, 3.0]], label="a")
    assert prepare_inputs([row], preparation).tolist() == [[1, 2, 3]]


def test_rates_that_differ_are_not_known():
    recordings = [Recording([[1.0]], rate_hz=rate, label="a") for rate in (10.0, 20.0)]
    assert fit_preparation(recordings).rate_hz is None


@pytest.mark.parametrize(("length", "steps"), [(31, 31), (32, 32), (33, 32), (1000, 32)])
def test_long_recordings_become_32_steps_and_short_ones_stay(length, steps):
    recordings = [Recording(np.arange(float(length)) + k, label="a") for k in range(3)]
    preparation = fit_preparation(recordings, scale="none")
    assert (preparation.n_steps, preparation.resample) == (steps, length > 32)
    X = prepare_inputs(recordings, preparation)
    np.testing.assert_allclose(X[0], np.linspace(0, length - 1, steps), rtol=1e-12)


# ---------------------------------------------------------------- summaries, spectra, plain division


EVERY_KIND = [("raw",), ("summary",), ("spectrum",), ("raw", "summary"), ("spectrum", "raw", "summary")]


def mixed(n: int = 12, seed: int = 0) -> list[Recording]:
    """Recordings of lengths that differ, with channels of sizes that differ."""
    random = np.random.default_rng(seed)
    return [
        Recording(
            random.normal(size=(int(random.integers(70, 140)), 2)) * [1 + i % 2, 1000.0] + [5.0, 0.0],
            ("x", "y"),
            label="ab"[i % 2],
            source=f"mixed {i}",
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("inputs", EVERY_KIND)
def test_inputs_are_what_was_measured_less_the_offset_over_the_scale_kind_after_kind(inputs):
    recordings = mixed()
    preparation = fit_preparation(recordings, inputs=inputs)
    tables = measure([r.signal for r in recordings], inputs, 32)
    X = prepare_inputs(recordings, preparation)
    begin, feature = 0, 0
    for kind in inputs:
        table = tables[kind]
        width = table[0].size
        found = X[:, begin : begin + width]
        if kind == "raw":
            readings = table.reshape(-1, 2)
            expected = ((table - readings.mean(axis=0)) / readings.std(axis=0)).reshape(len(X), -1)
        else:
            flat = table.reshape(len(X), -1)
            own = slice(feature, feature + width)
            np.testing.assert_allclose(preparation.feature_offset[own], flat.mean(axis=0), rtol=1e-12)
            assert (np.array(preparation.feature_scale[own]) >= flat.std(axis=0) * (1 - 1e-12)).all()
            expected = (flat - flat.mean(axis=0)) / np.array(preparation.feature_scale[own])
            feature += width
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        begin += width
    assert begin == X.shape[1] == preparation.n_inputs


def test_a_summary_is_of_the_recording_as_it_is_and_not_as_it_was_resampled():
    spike = np.zeros(1000)
    spike[501] = 7.0
    recording = Recording(spike, label="a")
    preparation = fit_preparation([recording], inputs=("raw", "summary"), scale="none")
    names = name_inputs(("raw", "summary"), ("x",), 32)
    values = dict(zip(names, prepare_inputs([recording], preparation)[0].tolist(), strict=True))
    assert values["x maximum"] == 7
    assert all(values[f"x[{step}]"] == 0 for step in range(32))


@pytest.mark.parametrize("divisor", [100.0, 0.5])
def test_a_number_divides_summaries_and_spectra_too(divisor):
    recordings = mixed(4)
    inputs = ("raw", "summary", "spectrum")
    whole, divided = (
        prepare_inputs(recordings, fit_preparation(recordings, inputs=inputs, scale=scale))
        for scale in ("none", divisor)
    )
    assert divided.tobytes() == (whole / divisor).tobytes()


def test_a_channel_that_never_changes_adds_no_noise_to_any_input():
    """0.1 many times has a mean that is not 0.1: what rounding leaves must stay as small as it is."""
    random = np.random.default_rng(0)
    recordings = [
        Recording(np.column_stack([random.normal(size=n), np.full(n, 0.1)]), ("x", "still"), label="a")
        for n in random.integers(40, 1000, 20).tolist()
    ]
    preparation = fit_preparation(recordings, inputs=("raw", "summary", "spectrum"))
    names = name_inputs(preparation.inputs, preparation.channels, preparation.n_steps)
    X = dict(zip(names, prepare_inputs(recordings, preparation).T, strict=True))
    for name in names:
        if name.startswith("still"):
            assert np.abs(X[name]).max() < 1e-6, name
        else:
            assert X[name].std() > 0.1, name


def test_the_courses_preset_gives_the_courses_numbers_digit_for_digit(course):
    run = train(course, make_settings({}, preset="course"))
    p = run.network.preparation
    assert (p.inputs, p.window, p.resample, p.offset, p.scale) == (("raw",), 0, False, (0.0,), (100.0,))
    X = prepare_inputs(course, p)
    assert X.tolist() == [[float(repr(reading)) / 100 for reading in r.signal[:, 0].tolist()] for r in course]
    assert X[0].tolist() == [1.0454, 0.02375, 0.0]
    assert run.updates == 100 * 10  # every recording as it is, none altered


@pytest.mark.parametrize("inputs", EVERY_KIND)
@pytest.mark.parametrize("window", [0, 40])
def test_the_preparation_does_not_see_the_test_part(monkeypatch, inputs, window):
    seen = []

    def spy(network, tested):
        seen.append(network.preparation)
        return answers(network, tested)

    monkeypatch.setattr(evaluation_module, "answers", spy)
    recordings = mixed()
    settings = Settings(epochs=2, window=window, **(PLAIN | {"inputs": inputs}))
    for test in (
        mixed(4, seed=1),
        [Recording(1e3 * r.signal, ("x", "y"), label="a") for r in mixed(4, seed=2)],
    ):
        evaluate(recordings, settings, test=test)
    assert len(seen) == 2
    assert seen[0] == seen[1] == fit_preparation(recordings, inputs=inputs, window=window)


# ---------------------------------------------------------------- windows


def long(n_readings: int, label: str = "a", level: float = 0.0, **facts: object) -> Recording:
    return Recording(
        np.arange(float(n_readings)) + level, ("x",), label=label, source=f"{label}.csv", **facts
    )


@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 40))
def test_windows_stand_a_hop_apart_and_within_the_recording(n, window, hop):
    assume(window <= n)
    signals, owner = cut([long(n), long(n, level=100.0)], window, hop)
    starts = [s for s in range(n) if s % hop == 0 and s + window <= n]
    assert owner.tolist() == [0] * len(starts) + [1] * len(starts)
    for signal, place, start in zip(signals, owner.tolist(), starts * 2, strict=True):
        assert signal[:, 0].tolist() == [100 * place + t for t in range(start, start + window)]


@pytest.mark.parametrize(("window", "hop"), [(1, 1), (2, 1), (3, 2), (10, 5), (11, 6)])
def test_the_usual_hop_is_half_a_window(window, hop):
    assert fit_preparation([long(40)], window=window).hop == hop
    assert fit_preparation([long(40)], window=window, hop=7).hop == 7


def test_windows_of_a_recording_are_a_group_and_have_its_label():
    recordings = [long(20, "a"), long(25, "b", 100.0), long(10, "a", 5.0)]
    preparation = fit_preparation(recordings, window=10, scale="none")
    assert (preparation.n_steps, preparation.any_length) == (10, True)
    examples = prepare(recordings, preparation, ("a", "b"))
    assert examples.groups.tolist() == [0, 0, 0, 1, 1, 1, 1, 2]
    assert examples.Y[:, 1].tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    assert examples.X[3].tolist() == list(range(100, 110))


def test_long_windows_are_resampled_too():
    preparation = fit_preparation([long(400)], window=100)
    assert (preparation.n_steps, preparation.resample) == (32, True)
    assert fit_preparation([long(400)], window=100, steps=50).n_steps == 50


def test_a_recording_shorter_than_a_window_is_refused_by_name():
    with pytest.raises(
        RecordingError, match=r"at least 10 readings, a window's, found 9\. In short\.csv.*--window"
    ):
        fit_preparation([long(20), long(9, "short")], window=10)
    preparation = fit_preparation([long(20)], window=10)
    with pytest.raises(RecordingError, match="found 9"):
        prepare_inputs([long(9)], preparation)


@pytest.mark.parametrize("inputs", [("raw",), ("summary", "spectrum")])
def test_the_answer_is_the_mean_over_the_windows(inputs):
    recordings = [
        r
        for k in range(4)
        for r in (long(40 + k, "up"), Recording(-np.arange(50.0 + k), ("x",), label="down"))
    ]
    settings = Settings(epochs=30, window=10, hop=10, **(PLAIN | {"inputs": inputs}))
    network = train(recordings, settings).network
    for recording in recordings:
        windows = [
            Recording(recording.signal[s : s + 10], ("x",)) for s in range(0, recording.n_readings - 9, 10)
        ]
        of_windows = network.outputs(prepare_inputs(windows, network.preparation))
        np.testing.assert_allclose(answers(network, [recording])[0], of_windows.mean(axis=0), rtol=1e-5)
    said = predict(network, recordings)
    assert [p.best for p in said] == [r.label for r in recordings]
    assert all(sum(p.outputs) == pytest.approx(1) for p in said)


def test_quantities_are_answered_by_the_mean_over_the_windows_in_their_own_unit():
    recordings = [long(40, str(100.5 + k), 10.0 * k) for k in range(8)]
    network = train(recordings, Settings(epochs=50, window=10, **PLAIN)).network
    p = network.preparation
    outputs = (
        network.outputs(prepare_inputs(recordings[2:3], p)).mean(axis=0) * p.answer_scale + p.answer_offset
    )
    assert predict(network, recordings[2:3])[0].label == pytest.approx(float(outputs[0]), rel=1e-6)


def test_the_windows_and_inputs_of_a_network_come_back_from_its_file(tmp_path):
    from tinyglass import Network

    recordings = mixed()
    settings = Settings(
        epochs=3, window=50, hop=20, **(PLAIN | {"inputs": ("spectrum", "raw"), "temperature": 1.7})
    )
    network = train(recordings, settings).network
    network.save(tmp_path / "model")
    back = Network.load(tmp_path / "model")
    assert back.preparation == network.preparation
    assert (back.threshold, back.temperature) == (network.threshold, 1.7)
    others = mixed(5, seed=3)
    assert answers(back, others).tobytes() == answers(network, others).tobytes()


@pytest.mark.parametrize(
    ("n_readings", "window", "said"), [(150_000, 2000, "32 inputs"), (5_000_000, 1000, "refused")]
)
def test_windows_that_overlap_take_the_memory_of_their_inputs_and_not_of_copies(
    python, n_readings, window, said
):
    """148,001 windows of 2000 readings are 2.2 GiB, and their inputs 36 MiB; too many are refused at once."""
    program = """
import resource, sys
import numpy as np
from tinyglass import ArgumentError, Recording, fit_preparation
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
recording = Recording(np.zeros(int(sys.argv[1])), ("x",), label="a")
try:
    print(fit_preparation([recording], window=int(sys.argv[2]), hop=1).n_inputs, "inputs")
except ArgumentError as error:
    print("refused:", error)
"""
    done = python(program, n_readings, window)
    assert done.stdout.startswith(said), done.stdout + done.stderr[-300:]
    if said == "refused":
        assert "--hop" in done.stdout
        assert "GiB" in done.stdout


# ---------------------------------------------------------------- recordings that do not belong together


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (
            Recording([[1.0, 2.0]], ("x", "z"), ("g", "g"), source="b"),
            "Expected 2 channels (x, y), found 2 (x, z)",
        ),
        (Recording([[1.0]], ("x",), ("g",), source="b"), "Expected 2 channels (x, y), found 1 (x)"),
        (Recording([[1.0, 2.0]], ("x", "y"), ("g", "m/s²"), source="b"), "2 units (g, g), found 2 (g, m/s²)"),
        (Recording([[1.0, 2.0]], ("x", "y"), ("g", ""), source="b"), "2 units (g, g), found 2 (g, ?)"),
    ],
)
def test_other_channels_or_units_are_refused_by_name(other, what):
    first = Recording([[1.0, 2.0]], ("x", "y"), ("g", "g"), source="a.csv")
    with pytest.raises(RecordingError) as caught:
        fit_preparation([first, other])
    assert what in caught.value.what
    assert caught.value.where == "b"
    assert "a.csv" in caught.value.mend


def test_a_network_refuses_recordings_with_other_channels(course):
    preparation = fit_preparation(course)
    with pytest.raises(RecordingError, match=r"Expected 1 channels \(distance\), found 2 \(x, y\)"):
        prepare_inputs([Recording(np.ones((3, 2)), ("x", "y"))], preparation)


@pytest.mark.parametrize(
    ("unit", "factor"), [("g", 1.0), ("m/s²", 1 / 9.80665), ("m/s2", 1 / 9.80665), ("mg", 0.001)]
)
def test_a_network_takes_recordings_in_another_unit_of_the_same_quantity(unit, factor):
    known = [Recording([[1.0, 2.0], [3.0, 5.0]], ("aX", "aY"), ("g", "g"))]
    preparation = fit_preparation(known)
    asked = Recording(known[0].signal / factor, ("aX", "aY"), (unit, unit))
    np.testing.assert_allclose(
        prepare_inputs([asked], preparation), prepare_inputs(known, preparation), rtol=1e-12
    )


def test_a_network_refuses_recordings_whose_channels_or_units_have_other_names():
    preparation = fit_preparation([Recording([[1.0, 2.0]] * 2, ("x", "y"), ("g", "g"))])
    for channels, units in ((("y", "x"), ("g", "g")), (("x", "y"), ("V", "V")), (("x", "y"), ("°/s", "°/s"))):
        with pytest.raises(RecordingError):
            prepare_inputs([Recording([[1.0, 2.0]] * 2, channels, units)], preparation)


# ---------------------------------------------------------------- task and classes


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["wave", "punch"], "classification"),
        (["0", "1", "2"], "classification"),
        (["1", "1.0"], "classification"),
        ([str(n) for n in range(20)], "classification"),
        ([str(n) for n in range(21)], "regression"),
        (["0.5", "1"], "regression"),
        (["-3.25", "1e3"], "regression"),
        (["0.5", "wave"], "classification"),
        (["nan", "1"], "classification"),
        (["inf", "0.5"], "classification"),
    ],
)
def test_the_task_follows_from_the_labels(labels, task):
    assert find_task(labelled(*labels)) == task
    assert find_task(labelled(*labels), "classification") == "classification"


def test_quantities_can_be_asked_for_and_words_are_then_refused():
    assert find_task(labelled("1", "2"), "regression") == "regression"
    for bad in ("wave", "nan", "inf", ""):
        with pytest.raises(RecordingError, match=r"Expected a number to predict.*file 1"):
            find_task(labelled("1", bad), "regression")


def test_no_recordings_and_no_labels_are_said():
    with pytest.raises(RecordingError, match="There are no recordings"):
        find_task([])
    with pytest.raises(RecordingError, match=r"has no label\. In file 1"):
        find_task(labelled("wave", None))


def test_classes_are_sorted_and_one_is_not_enough():
    assert find_classes(labelled("b", "a", "b", "手")) == ("a", "b", "手")
    with pytest.raises(RecordingError, match=r"two classes or more, found only 'a'\. In file 0"):
        find_classes(labelled("a", "a"))


def test_expected_outputs_are_1_for_the_class_and_the_number_for_a_quantity():
    assert expected_outputs(labelled("b", "a"), ("a", "b")).tolist() == [[0, 1], [1, 0]]
    assert expected_outputs(labelled("2.5", "-1"), None).tolist() == [[2.5], [-1]]
    with pytest.raises(RecordingError, match=r"'c' is none of the network's classes \(a, b\)\. In file 0"):
        expected_outputs(labelled("c"), ("a", "b"))


# ---------------------------------------------------------------- class weights


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_balanced_class_weights_are_those_of_scikit_learn(of_examples):
    present = sorted(set(of_examples))
    weights = class_weights(np.eye(4)[of_examples], tuple("abcd"), "balanced")
    theirs = compute_class_weight("balanced", classes=np.array(present), y=np.array(of_examples))
    by_class = dict(zip(present, theirs, strict=True))
    np.testing.assert_allclose(weights, [by_class[k] for k in of_examples], rtol=1e-12)


def test_class_weights_by_name_default_to_1():
    Y = np.eye(3)[[0, 1, 2, 1]]
    assert class_weights(Y, ("a", "b", "c"), {"b": 2.5, "c": 0.0}).tolist() == [1, 2.5, 0, 2.5]
    assert class_weights(Y, ("a", "b", "c"), "none") is None
    with pytest.raises(ArgumentError, match=r"no class 'd'.*a, b, c"):
        class_weights(Y, ("a", "b", "c"), {"d": 1.0})


# ---------------------------------------------------------------- examples


TABLE = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=MODEST)


@given(TABLE, st.data())
def test_the_fingerprint_changes_with_any_single_number_and_not_otherwise(X, data):
    Y = np.ones((len(X), 2))
    weight = np.arange(1.0, len(X) + 1)
    whole = Examples(X, Y, ("a", "b"), weight=weight).fingerprint()
    assert Examples(X.copy(), Y.copy(), ("a", "b"), weight=weight.copy()).fingerprint() == whole
    row = data.draw(st.integers(0, len(X) - 1))
    for name, array in (("X", X), ("Y", Y), ("weight", weight)):
        changed = array.copy()
        place = (row, *(data.draw(st.integers(0, n - 1)) for n in array.shape[1:]))
        changed[place] = np.nextafter(changed[place], np.inf)
        arrays = {"X": X, "Y": Y, "weight": weight, name: changed}
        assert Examples(**arrays, classes=("a", "b")).fingerprint() != whole, name
    assert Examples(X, Y, ("a", "c"), weight=weight).fingerprint() != whole
    assert Examples(X, Y, ("a", "b")).fingerprint() != whole
    assert len(whole) == 64


def test_the_fingerprint_tells_shapes_and_precisions_apart():
    X = np.arange(6.0)
    prints = {
        Examples(X.reshape(shape), np.ones((shape[0], 1))).fingerprint() for shape in ((1, 6), (2, 3), (3, 2))
    }
    assert len(prints) == 3
    assert Examples(X[:, None].astype(np.float32), np.ones((6, 1))).fingerprint() not in prints


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (([[1.0]], [1.0]), "shapes"),
        (([1.0], [[1.0]]), "shapes"),
        ((np.ones((0, 2)), np.ones((0, 1))), "at least one example"),
        ((np.ones((2, 0)), np.ones((2, 1))), "shapes"),
        ((np.ones((2, 1)), np.ones((2, 0))), "shapes"),
        ((np.ones((2, 1)), np.ones((3, 1))), "2 rows of inputs, 3 of expected outputs"),
        ((np.ones((2, 1)), np.ones((2, 1)), None, np.arange(3)), "3 groups"),
        ((np.ones((2, 1)), np.ones((2, 1)), None, None, np.ones(1)), "1 weights"),
        ((np.ones((2, 1)), np.ones((2, 1)), None, None, np.ones((2, 1))), "weight"),
        (([[1.0], [np.nan]], [[1.0], [2.0]]), "X has a value that is not finite.*example 1, column 0"),
        (([[1.0], [2.0]], [[np.inf], [2.0]]), "Y has a value that is not finite.*example 0, column 0"),
        (([[1.0]], [[1.0]], None, None, np.array([np.nan])), "weight has a value.*example 0"),
    ],
)
def test_examples_that_do_not_fit_together_are_refused(arguments, what):
    with pytest.raises(ArgumentError, match=what):
        Examples(*arguments)


def test_examples_are_locked_and_taken_by_place():
    examples = Examples(
        [[1.0], [2.0], [3.0]], np.eye(2)[[0, 1, 1]], ("a", "b"), np.array([7, 7, 8]), np.array([1.0, 2, 3])
    )
    with pytest.raises(ValueError, match="read-only"):
        examples.X[0] = 9
    taken = examples.take(np.array([2, 0]))
    assert taken.X.tolist() == [[3], [1]]
    assert taken.Y.tolist() == [[0, 1], [1, 0]]
    assert taken.groups.tolist() == [8, 7]
    assert taken.weight.tolist() == [3, 1]
    assert taken.classes == ("a", "b")
    assert (taken.n_examples, taken.n_inputs, taken.n_outputs) == (2, 1, 2)
