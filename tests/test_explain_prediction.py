"""Why a prediction: contributions that add up, and the smallest change, tried with predict."""

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from tinyglass import (
    ArgumentError,
    Layer,
    Network,
    Preparation,
    Recording,
    RecordingError,
    fit_preparation,
    make_settings,
    predict,
    train,
)
from tinyglass.explain.explanation import Figure, Table
from tinyglass.explain.prediction.attribution import Path, layers_of, mean_slopes, pieces, slopes_at
from tinyglass.explain.prediction.contributions import attribute
from tinyglass.explain.prediction.drawing import draw_contributions
from tinyglass.explain.prediction.explaining import explain_prediction
from tinyglass.explain.prediction.readings import baseline_of, see
from tinyglass.explain.prediction.smallest_change import Trials, smallest_changes
from tinyglass.preparation import prepare_inputs

STRAIGHT = ("linear", "relu", "leaky_relu")
KINDS = [
    ("raw",),
    ("summary",),
    ("spectrum",),
    ("raw", "summary"),
    ("spectrum", "raw"),
    ("summary", "spectrum"),
]


def made(
    seed: int,
    hidden: tuple[int, ...] = (5,),
    activation: str = "relu",
    output: str = "softmax",
    kinds: tuple[str, ...] = ("raw",),
    n_readings: int = 9,
    n_channels: int = 2,
    n_classes: int = 3,
    bias: bool = True,
    scale: str | float = "standard",
    levels: int = 0,
    dtype: type = np.float64,
    **options,
) -> tuple[Network, list[Recording]]:
    """Return a network with random weights, and recordings; `levels` makes many readings equal."""
    random = np.random.default_rng(seed)
    signals = random.normal(3, 2, (6, n_readings, n_channels)).cumsum(axis=1)
    if levels:
        signals = np.round(signals / np.abs(signals).max() * levels)
    channels = tuple(f"c{i}" for i in range(n_channels))
    answers = options.pop("answers", False)
    recordings = [
        Recording(s, channels, rate_hz=50.0, label=str(i / 3) if answers else "abcdefg"[i % n_classes])
        for i, s in enumerate(signals)
    ]
    fitted = {name: options.pop(name) for name in ("steps", "window", "hop") if name in options}
    p = fit_preparation(recordings, inputs=kinds, scale=scale, answers=answers, **fitted)
    sizes = (p.n_inputs, *hidden, 1 if answers else n_classes)
    layers = [
        Layer(
            random.normal(0, 1.5 / np.sqrt(n_in), (n_out, n_in)).astype(dtype),
            random.normal(0, 0.5, n_out).astype(dtype) if bias else None,
            output if number == len(hidden) else activation,
        )
        for number, (n_in, n_out) in enumerate(pairwise(sizes))
    ]
    classes = None if answers else tuple("abcdefg"[:n_classes])
    return Network(tuple(layers), classes, preparation=p, **options), recordings


def sums_of(network: Network, X: np.ndarray) -> np.ndarray:
    """Return the weighted sums of the output layer, from the textbook in the other test file."""
    dense = [reference.Dense(l.weights, l.bias, l.activation) for l in network.layers]
    dense[-1] = replace(dense[-1], activation="linear")
    return reference.outputs_of(dense, X)[-1]


# ---------------------------------------------------------------- contributions


def test_a_linear_network_by_hand():
    p = Preparation(("distance",), ("cm",), 2, False, (1.0,), (10.0,))
    network = Network(
        [Layer([[2.0, -1.0], [0.5, 0.25]], [0.1, -0.2], "softmax")], ("near", "far"), preparation=p
    )
    recording = Recording([[21.0], [6.0]], ("distance",), ("cm",))
    found = attribute(network, see(recording, p))
    np.testing.assert_allclose(found.readings.contributions[:, :, 0], [[4.0, -0.5], [1.0, 0.125]], atol=1e-15)
    np.testing.assert_allclose(found.readings.rest, [0.1, -0.2], atol=1e-15)
    np.testing.assert_allclose(found.outputs, [3.6, 0.925], atol=1e-15)
    changes, to_label, exact = smallest_changes(network, see(recording, p))
    # near leads by 2.675; a cm of the first reading takes 0.15 of it, one of the second 0.125
    assert [(c.reading, round(c.size, 9)) for c in changes] == [(0, round(-2.675 / 0.15, 9)), (1, 21.4)]
    assert all(c.verified and c.label == "far" for c in changes)
    assert exact
    assert to_label is None
    lines = explain_prediction(network, [recording])
    assert float(lines["output[0].sum"].value) == pytest.approx(3.6, abs=1e-15)
    assert "= 2 * 2 + 0.5 * (-1) + 0.1" in str(lines)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    hidden=st.lists(st.integers(1, 6), max_size=3).map(tuple),
    activation=st.sampled_from([*STRAIGHT, "sigmoid", "tanh"]),
    output=st.sampled_from(["softmax", "linear", "sigmoid", "tanh", "relu", "leaky_relu"]),
    kinds=st.sampled_from(KINDS),
    bias=st.booleans(),
    scale=st.sampled_from(["standard", "none", 100.0]),
    levels=st.sampled_from([0, 2, 40]),
    form=st.sampled_from([{}, {"steps": 4}, {"window": 5, "hop": 2}]),
    answers=st.booleans(),
)
def test_contributions_add_up_to_the_output(
    seed, hidden, activation, output, kinds, bias, scale, levels, form, answers
):
    network, recordings = made(
        seed,
        hidden,
        activation,
        output,
        kinds,
        bias=bias,
        scale=scale,
        levels=levels,
        answers=answers,
        **form,
    )
    seen = see(recordings[0], network.preparation)
    found = attribute(network, seen)
    sums = sums_of(network, seen.X)
    expected = sums if found.sums else network.outputs(seen.X)
    if network.classes is None:
        p = network.preparation
        expected = expected * p.answer_scale + p.answer_offset
    np.testing.assert_allclose(found.outputs, expected.mean(axis=0), rtol=1e-9, atol=1e-9)
    assert found.difference < 1e-12 * max(1, np.abs(sums).max())
    for parts, bound in ((found.inputs, 1e-9), (found.readings, 1e-9 if seen.only_raw else 1e-6)):
        size = np.abs(parts.contributions).sum() + np.abs(parts.rest).max() + 1
        assert np.abs(parts.totals - found.outputs).max() < bound * size


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kinds", [("raw", "summary"), ("spectrum",), ("summary", "spectrum")])
def test_readings_contribute_by_integrated_gradients_through_the_preparation(kinds, activation):
    network, recordings = made(3, (6, 4), activation, kinds=kinds, n_readings=7)
    seen = see(recordings[1], network.preparation)
    found = attribute(network, seen)
    baseline, _ = baseline_of(seen)
    signal, n = seen.recording.signal, 400
    expected = np.zeros_like(found.readings.contributions)
    nodes = (np.arange(n) + 0.5) / n
    for u in nodes:  # t = u²: the roots of a summary are steep where t is 0
        there = baseline + u**2 * (signal - baseline)
        moved, step = [], 1e-6 * signal.std()
        for at in np.ndindex(signal.shape):
            for sign in (1, -1):
                copy = there.copy()
                copy[at] += sign * step
                moved.append(Recording(copy, recordings[0].channels))
        sums = sums_of(network, prepare_inputs(moved, network.preparation))
        slopes = (sums[::2] - sums[1::2]) / (2 * step)
        expected += slopes.T.reshape(expected.shape) * (signal - baseline) * 2 * u / n
    np.testing.assert_allclose(found.readings.contributions, expected, atol=0.01 * np.abs(expected).max())


def test_resampling_gives_each_reading_its_share():
    network, recordings = made(5, steps=4, n_readings=11)
    seen = see(recordings[0], network.preparation)
    found = attribute(network, seen)
    step = 1e-6  # small enough that no neuron passes its kink
    for k, c in np.ndindex(*seen.shape):
        moved = seen.recording.signal.copy()
        moved[k, c] += step
        after = sums_of(network, prepare_inputs([replace(seen.recording, signal=moved)], network.preparation))
        slope = (after[0] - found.outputs) / step
        away = seen.recording.signal[k, c] - network.preparation.offset[c]
        np.testing.assert_allclose(found.readings.contributions[:, k, c], slope * away, atol=1e-7)
    assert found.straight


def test_equal_readings_share_what_they_do_together():
    signal = np.array([[5.0], [1.0], [1.0], [7.0], [1.0], [9.0]])
    recordings = [Recording(signal), Recording(signal + 1.0), Recording(signal * 2)]
    p = fit_preparation(recordings, inputs=("summary",), scale="none")
    weights = np.zeros((2, 8))
    weights[0, 2] = 1.0  # the minimum
    network = Network([Layer(weights, None, "softmax")], ("a", "b"), preparation=p)
    found = attribute(network, see(recordings[0], p))
    np.testing.assert_allclose(
        found.readings.contributions[0, :, 0], [0, 1 / 3, 1 / 3, 0, 1 / 3, 0], atol=1e-9
    )


@given(seed=st.integers(0, 10**6), depth=st.integers(1, 3), activation=st.sampled_from(STRAIGHT))
@settings(max_examples=30)
def test_slopes_average_exactly_over_straight_pieces(seed, depth, activation):
    network, _ = made(seed, (6,) * depth, activation, "linear")
    layers, _ = layers_of(network)
    random = np.random.default_rng(seed)
    start, end = random.normal(size=(2, network.n_inputs))
    path = Path(start, end, random.integers(1, 3, network.n_inputs))
    u = (np.arange(4000) + 0.5) / 4000
    slopes = slopes_at(layers, path.at(u)).slopes
    expected = (slopes * (path.powers * u[:, None] ** (path.powers - 1))[:, None]).mean(axis=0)
    found = mean_slopes(layers, path)
    np.testing.assert_allclose(found, expected, atol=0.01 * (1 + np.abs(slopes).max()))
    moved = network.outputs(end[None])[0] - network.outputs(start[None])[0]
    np.testing.assert_allclose(found @ (end - start), moved, atol=1e-11)


@given(seed=st.integers(0, 10**6), depth=st.integers(1, 3), activation=st.sampled_from(STRAIGHT))
@settings(max_examples=30)
def test_pieces_are_the_network_along_a_line(seed, depth, activation):
    network, _ = made(seed, (6,) * depth, activation, "leaky_relu")
    layers, _ = layers_of(network)
    random = np.random.default_rng(seed)
    start, step = random.normal(size=(2, network.n_inputs))
    first = network.layers[0]
    sums = np.stack([first.weights @ start + first.bias, first.weights @ step, np.zeros(len(first.bias))])
    ends, curves = pieces(layers, sums, -3.0, 3.0)
    for u in random.uniform(-3, 3, 50):
        piece = np.clip(np.searchsorted(ends, u) - 1, 0, len(curves) - 1)
        expected = network.outputs((start + u * step)[None])[0]
        np.testing.assert_allclose(curves[piece][0] + u * curves[piece][1], expected, atol=1e-9)


# ---------------------------------------------------------------- the smallest change


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    hidden=st.lists(st.integers(1, 6), max_size=2).map(tuple),
    activation=st.sampled_from([*STRAIGHT, "tanh"]),
    output=st.sampled_from(["softmax", "linear", "sigmoid"]),
    kinds=st.sampled_from([("raw",), ("raw",), ("summary",), ("spectrum",)]),
    form=st.sampled_from([{}, {"steps": 4}, {"window": 4, "hop": 1}]),
    threshold=st.sampled_from([0.0, 0.5]),
)
def test_the_smallest_change_changes_the_answer(seed, hidden, activation, output, kinds, form, threshold):
    network, recordings = made(
        seed, hidden, activation, output, kinds, n_readings=6, threshold=threshold, temperature=1.3, **form
    )
    seen = see(recordings[0], network.preparation)
    changes, to_label, exact = smallest_changes(network, seen)
    straight = activation != "tanh" or not hidden
    assert exact == (kinds == ("raw",) and "window" not in form and straight)

    def after(*changed: tuple[int, int, float]):
        moved = []
        for k, c, size in changed:
            moved.append(recordings[0].signal.copy())
            moved[-1][k, c] += size
        found = predict(network, [replace(recordings[0], signal=signal) for signal in moved])
        ties = [p.outputs.count(max(p.outputs)) > 1 for p in found]  # a sigmoid may be 1 for two classes
        return [("unknown" if tie else p.best, p.label) for p, tie in zip(found, ties, strict=True)]

    ((before, label),) = after((0, 0, 0.0))
    for change in changes:
        beyond, nearly = after(*((change.reading, change.channel, change.size * f) for f in (1.0001, 0.999)))
        assert beyond[0] != before
        assert nearly[0] == before
        assert change.verified
    if exact:  # then no smaller change does, of any reading
        scales = Trials(network, seen).scales
        smallest = {(c.reading, c.channel): abs(c.size) for c in changes}
        tried = [
            (k, c, share * smallest.get((k, c), 10 * scales[c]))
            for k, c in np.ndindex(*seen.shape)
            for share in np.linspace(-0.9999, 0.9999, 41)
        ]
        assert {best for best, _ in after(*tried)} == {before}
    if to_label is not None:
        assert to_label.verified
        ((_, other),) = after((to_label.reading, to_label.channel, to_label.size * 1.0001))
        assert other != label


def test_readings_that_the_network_is_not_shown_are_said():
    network, recordings = made(1, steps=3, n_readings=20, n_channels=1)
    text = " ".join(str(explain_prediction(network, recordings, only=1)).split())
    assert "16 of 20 readings contribute nothing" in text


def test_no_change_changes_a_network_that_does_not_look():
    p = Preparation(("x",), ("",), 2, False, (0.0,), (1.0,))
    for activation in ("linear", "tanh"):
        layers = [Layer(np.zeros((2, 2)), None, activation), Layer(np.eye(2), [1.0, 0.0], "softmax")]
        network = Network(layers, ("a", "b"), preparation=p)
        explanation = explain_prediction(network, [Recording([[1.0], [2.0]])])
        assert "No change of a single reading" in str(explanation)
        assert explanation.facts["recordings"][0]["changes"] == []


def test_a_tie_is_unknown_and_said():
    p = Preparation(("x",), ("",), 1, False, (0.0,), (1.0,))
    network = Network([Layer([[1.0], [-1.0]], None, "linear")], ("a", "b"), preparation=p)
    explanation = explain_prediction(network, [Recording([[0.0]])])
    text = " ".join(str(explanation).split())
    assert "the network answers unknown" in text
    assert "is not the only largest one" in text
    assert "whatever tips the balance" in text


def test_many_readings_are_searched_where_they_matter_most():
    network, recordings = made(2, kinds=("summary", "spectrum"), n_readings=80, n_channels=2)
    seen = see(recordings[2], network.preparation)
    (change,), _, exact = smallest_changes(network, seen)
    assert not exact
    assert change.verified
    before = predict(network, [seen.recording])[0].best
    scales = Trials(network, seen).scales
    smaller = 0.98 * abs(change.size) / scales[change.channel]
    tried = []
    for k, c in np.ndindex(*seen.shape):  # those left out do no better
        for sign in (1, -1):
            signal = seen.recording.signal.copy()
            signal[k, c] += sign * smaller * scales[c]
            tried.append(replace(seen.recording, signal=signal))
    assert {found.best for found in predict(network, tried)} == {before}


# ---------------------------------------------------------------- the explanation


@pytest.fixture(scope="module")
def chapter(course):
    return train(course, make_settings({}, preset="course")).network


@pytest.mark.parametrize("notation", ["standard", "course"])
def test_every_recording_of_the_course_is_explained(chapter, course, notation):
    for number in range(1, len(course) + 1):
        explanation = explain_prediction(chapter, course, only=number, notation=notation)
        (facts,) = explanation.facts["recordings"]
        assert facts["number"] == number
        assert facts["label"] == predict(chapter, course)[number - 1].label
        assert facts["method"] == "exact"
        assert facts["gap"] < 1e-14
        assert facts["difference_from_core"] < 1e-6
        assert facts["changes_exact"]
        assert facts["changes"]
        assert all(change["verified"] for change in facts["changes"])
        values = list(facts["explained_outputs"].values())
        for j, line in enumerate(explanation.lines("sums")):
            assert float(line.number.value) == pytest.approx(values[j], abs=1e-14)


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "html", "json"])
@pytest.mark.parametrize("kinds", [("raw",), ("summary", "spectrum")])
def test_every_format_shows_it(format, kinds):
    network, recordings = made(4, kinds=kinds, threshold=0.6, temperature=1.5, activation="tanh")
    explanation = explain_prediction(network, recordings[:2])
    text = explanation.show(format).replace(r"\wordbreak{}", "")
    assert "integrated gradients" in text
    if format == "json":
        json.loads(text)
    else:
        assert "smallest change" in text.lower()


def test_names_are_escaped_wherever_they_stand():
    network, recordings = made(4, kinds=("raw", "summary"))
    classes, channels = ("<b>&_a", "$x^{}%", "c\n|d"), ("<i>&", "a_b|`")
    p = replace_struct(network.preparation, channels=channels)
    network = replace(network, classes=classes, preparation=p)
    recording = replace(recordings[0], channels=channels, source="<script>alert(1)</script>")
    explanation = explain_prediction(network, [recording])
    page = explanation.show("html")
    for hostile in ("<b>&", "<i>&", "<script>alert"):
        assert hostile not in page
    assert r"\$x" in explanation.show("latex")
    assert [t for t in explanation.show("text").splitlines() if "c\n|d" in t] == []
    json.loads(explanation.show("json"))


def replace_struct(struct, **changes):
    import msgspec

    return msgspec.structs.replace(struct, **changes)


def test_the_picture_is_sound_and_says_the_strongest_readings():
    network, recordings = made(4)
    explanation = explain_prediction(network, recordings, only=2)
    (figure,) = (
        item for section in explanation.sections for item in section.items if isinstance(item, Figure)
    )
    root = ET.fromstring(figure.svg)
    assert root.tag.endswith("svg")
    contributions = explanation.facts["recordings"][0]["contributions"]
    best, second = (explanation.facts["recordings"][0][key] for key in ("best", "second"))
    towards = np.array(contributions[best]) - np.array(contributions[second])
    k, c = np.unravel_index(np.abs(towards).argmax(), towards.shape)
    assert f"1. c{c}, reading {k + 1} at" in figure.alternative
    (table,) = (
        item
        for item in explanation.sections[1].items
        if isinstance(item, Table) and item.caption.startswith("The strongest")
    )
    assert table.rows[0][0] == f"c{c}, reading {k + 1}"
    assert len(table.rows) == 10


def test_a_still_recording_is_drawn_too():
    assert draw_contributions(Recording(np.zeros((3, 1))), np.zeros((3, 1)), "for a", "for b")
    assert draw_contributions(Recording(np.zeros((1, 30))), np.zeros((1, 30)), "for a", "for b")
    assert draw_contributions(Recording(np.full((3, 1), 1e300)), np.ones((3, 1)), "for a", "for b")


def test_without_matplotlib_there_are_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    network, recordings = made(4)
    explanation = explain_prediction(network, recordings, only=1)
    (figure,) = (
        item for section in explanation.sections for item in section.items if isinstance(item, Figure)
    )
    assert figure.svg is None
    assert "1. c" in figure.alternative


def test_a_number_is_explained_in_the_unit_of_its_labels():
    network, recordings = made(7, answers=True, output="linear")
    explanation = explain_prediction(network, recordings, only=1)
    (facts,) = explanation.facts["recordings"]
    parts = np.array(facts["contributions"]["answer"]).sum() + facts["rest"]["answer"]
    assert parts == pytest.approx(predict(network, recordings[:1])[0].label, abs=1e-12)
    (table,) = (i for i in explanation.sections[-2].items if isinstance(i, Table))
    name, _, slope, *_ = table.rows[0]
    channel, reading = name.split(", reading ")
    signal = recordings[0].signal.copy()
    signal[int(reading) - 1, int(channel[1])] += 1e-4
    after = predict(network, [replace(recordings[0], signal=signal)])[0].label
    assert (after - facts["label"]) / 1e-4 == pytest.approx(slope, rel=1e-6)


def test_windows_are_averaged_and_said():
    network, recordings = made(7, kinds=("summary",), window=4, hop=2, n_readings=10, threshold=0.3)
    explanation = explain_prediction(network, recordings, only=1)
    assert "taken as 4 windows" in " ".join(str(explanation).split())
    assert np.shape(explanation.facts["recordings"][0]["contributions"]["a"]) == (10, 2)


def test_recordings_in_another_unit_are_converted():
    network, recordings = made(7)
    p = replace_struct(network.preparation, channels=("ax", "ay"), units=("g", "g"))
    network = replace(network, preparation=p)
    signal = recordings[0].signal
    in_g = Recording(signal, ("ax", "ay"), ("g", "g"))
    in_metres = Recording(signal * 9.80665, ("ax", "ay"), ("m/s²", "m/s²"))
    one, other = (explain_prediction(network, [r]).facts["recordings"][0] for r in (in_g, in_metres))
    np.testing.assert_allclose(one["contributions"]["a"], other["contributions"]["a"], atol=1e-12)
    assert other["changes"][0]["unit"] == "g"


def test_rows_of_a_table_are_recordings():
    network, recordings = made(7, n_readings=1, n_channels=3)
    rows = Recording(np.concatenate([r.signal for r in recordings]), recordings[0].channels)
    explanation = explain_prediction(network, [rows], only=4)
    direct = explain_prediction(network, recordings, only=4)
    key = "contributions"
    assert explanation.facts["recordings"][0][key] == direct.facts["recordings"][0][key]


def test_only_some_of_many_recordings_are_explained_and_that_is_said():
    network, recordings = made(7)
    explanation = explain_prediction(network, recordings)
    assert len(explanation.facts["recordings"]) == 5
    assert explanation.facts["left_out"] == 1
    assert "1 more recording is not explained" in " ".join(str(explanation).split())


def test_what_cannot_be_explained_is_refused():
    network, recordings = made(7)
    with pytest.raises(ArgumentError, match="trained on numbers"):
        explain_prediction(replace(network, preparation=None), recordings)
    with pytest.raises(ArgumentError, match="from 1 to 6, found 7"):
        explain_prediction(network, recordings, only=7)
    with pytest.raises(ArgumentError, match="Unknown notation"):
        explain_prediction(network, recordings, notation="mine")
    with pytest.raises(RecordingError, match="no recording"):
        explain_prediction(network, [])
    with pytest.raises(RecordingError, match="9 readings"):
        explain_prediction(network, [Recording(np.zeros((4, 2)))])
    stepping = replace(network, layers=(replace(network.layers[0], activation="step"), network.layers[1]))
    with pytest.raises(ArgumentError, match="no slope"):
        explain_prediction(stepping, recordings)


def test_a_network_that_overflows_is_refused():
    network, recordings = made(7, dtype=np.float64)
    huge = tuple(replace(layer, weights=layer.weights * 1e300) for layer in network.layers)
    with pytest.raises(RecordingError, match="not finite"):
        explain_prediction(replace(network, layers=huge), recordings)
