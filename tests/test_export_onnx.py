"""Networks as ONNX, run by onnxruntime: the same numbers, the preparation included."""

from __future__ import annotations

import doctest
import json
import warnings
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyglass import (
    ArgumentError,
    Layer,
    Network,
    Preparation,
    Recording,
    fit_preparation,
    train,
)
from tinyglass.arithmetic import ACTIVATIONS
from tinyglass.export import onnx as exported
from tinyglass.export.onnx import to_onnx
from tinyglass.prediction import answers
from tinyglass.preparation import prepare_inputs

onnx = pytest.importorskip("onnx", reason='onnx is missing; install it with: pip install "tinyglass[onnx]"')
onnxruntime = pytest.importorskip(
    "onnxruntime", reason='onnxruntime is missing; install it with: pip install "tinyglass[devices]"'
)

KINDS = [("raw",), ("summary",), ("spectrum",), ("raw", "summary", "spectrum"), ("spectrum", "raw")]


def session(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def run(content: bytes, values: np.ndarray) -> np.ndarray:
    model = session(content)
    return model.run(None, {model.get_inputs()[0].name: values})[0]


def motions(n: int = 12, n_readings: int = 96, seed: int = 0) -> list[Recording]:
    """Return recordings like those of an accelerometer and a gyroscope: gravity, waves, noise, a channel at rest."""
    random = np.random.default_rng(seed)
    t = np.arange(n_readings)[:, None] / 50
    recordings = []
    for number in range(n):
        wave = np.sin(
            2 * np.pi * (1 + number % 3) * t * random.uniform(0.9, 1.1, (1, 6)) + random.uniform(0, 6, (1, 6))
        )
        signal = (
            wave * [2, 2, 4, 90, 40, 0] + [0, 0.3, 9.81, 0, 0, 5] + random.normal(0, 0.05, (n_readings, 6))
        )
        signal[:, 5] = 5.0
        recordings.append(
            Recording(
                signal,
                ("ax", "ay", "az", "gx", "gy", "gz"),
                ("m/s²",) * 3 + ("°/s",) * 3,
                rate_hz=50.0,
                label="abc"[number % 3],
                source=f"motion {number}",
            )
        )
    return recordings


def some_network(
    preparation: Preparation | None,
    n_inputs: int,
    hidden: str = "tanh",
    output: str = "softmax",
    *,
    bias: bool = True,
    dtype: type = np.float32,
    n_outputs: int = 3,
    classes: bool = True,
    seed: int = 0,
    **settings: float,
) -> Network:
    random = np.random.default_rng(seed)
    sizes = (n_inputs, 7, n_outputs)
    layers = [
        Layer(
            (random.normal(size=(after, before)) / np.sqrt(before)).astype(dtype),
            random.normal(size=after).astype(dtype) / 4 if bias else None,
            activation,
        )
        for (before, after), activation in zip(pairwise(sizes), (hidden, output), strict=True)
    ]
    names = tuple(f"class {i}" for i in range(n_outputs)) if classes else None
    return Network(tuple(layers), names, preparation=preparation, **settings)


def check_same(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


# ---------------------------------------------------------------- the same numbers


def test_all_recordings_of_the_course_get_the_same_answers(course):
    network = train(course).network
    found = run(to_onnx(network), np.stack([recording.signal for recording in course]))
    check_same(found, answers(network, course))
    assert network.temperature != 1


@pytest.mark.parametrize("kinds", KINDS, ids="+".join)
@pytest.mark.parametrize("n_readings", [2, 31, 64, 65, 96, 160])
def test_every_preparation_gives_the_same_inputs(kinds, n_readings):
    recordings = motions(n_readings=n_readings)
    p = fit_preparation(recordings, inputs=kinds, steps=20)
    network = some_network(p, p.n_inputs, temperature=1.7)
    content = to_onnx(network, n_readings=n_readings)
    check_same(run(content, np.stack([r.signal for r in recordings])), answers(network, recordings))


@pytest.mark.parametrize("kinds", KINDS, ids="+".join)
def test_prepared_inputs_are_equal_nearly_to_the_last_bit(kinds):
    recordings = motions(n_readings=130)
    p = fit_preparation(recordings, inputs=kinds, steps=32)
    plain = Network([Layer(np.eye(p.n_inputs), None, "linear")], preparation=p)
    found = run(to_onnx(plain, n_readings=130), np.stack([r.signal for r in recordings]))
    check_same(found, prepare_inputs(recordings, p), 1e-9)


def test_a_single_reading_has_a_summary():
    recordings = motions(n_readings=1)
    p = fit_preparation(recordings, inputs=("summary",))
    network = some_network(p, p.n_inputs)
    check_same(
        run(to_onnx(network, n_readings=1), np.stack([r.signal for r in recordings])),
        answers(network, recordings),
    )


def test_windows_are_answered_one_by_one():
    recordings = motions(n_readings=120)
    p = fit_preparation(recordings, inputs=("raw", "summary"), window=50, hop=25)
    network = some_network(p, p.n_inputs)
    starts = range(0, 120 - 50 + 1, 25)
    windows = np.stack([r.signal[start : start + 50] for r in recordings for start in starts])
    found = run(to_onnx(network), windows).reshape(len(recordings), len(starts), -1).mean(axis=1)
    check_same(found, answers(network, recordings))


@pytest.mark.parametrize(
    ("where", "activation"),
    [("output", name) for name in ACTIVATIONS]
    + [("hidden", name) for name in ACTIVATIONS if name != "softmax"],
)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_activation_gives_the_same_outputs(activation, bias, dtype, where):
    network = some_network(None, 5, **{where: activation}, bias=bias, dtype=dtype)
    inputs = np.random.default_rng(1).normal(0, 3, (200, 5)).astype(dtype)
    check_same(run(to_onnx(network), inputs), network.outputs(inputs), 1e-6 if dtype == np.float32 else 1e-12)


def test_every_activation_has_its_operators():
    assert exported.ACTIVATIONS.keys() == ACTIVATIONS.keys()


def test_every_kind_of_inputs_has_its_operators():
    from tinyglass.inputs import FEATURES

    assert exported.FEATURES.keys() == FEATURES.keys()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_far_from_0_overflow_nothing(dtype):
    network = some_network(None, 2, "sigmoid", dtype=dtype, temperature=3.0)
    inputs = np.array([[1e4, -1e4], [-1e4, 1e4], [1e30, 1e30], [0, 0]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = answers_of(network, inputs)
    check_same(run(to_onnx(network), inputs), expected)


def answers_of(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Return the calibrated outputs of a network that is fed with numbers."""
    from tinyglass.prediction import tempered

    outputs = network.outputs(inputs)
    return tempered(outputs.astype(np.float64), network.temperature).astype(outputs.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_quantity_is_answered_in_its_unit(course, dtype):
    p = msgspec.structs.replace(fit_preparation(course), answer_offset=273.15, answer_scale=40.0)
    network = some_network(p, p.n_inputs, output="linear", n_outputs=1, classes=False, dtype=dtype)
    content = to_onnx(network)
    check_same(run(content, np.stack([r.signal for r in course])), answers(network, course))
    assert [end.name for end in session(content).get_outputs()] == ["answers"]


def test_a_network_may_leave_its_preparation_out(course):
    p = fit_preparation(course)
    network = some_network(p, p.n_inputs)
    X = prepare_inputs(course, p).astype(np.float32)
    check_same(run(to_onnx(network, preparation=False), X), network.outputs(X))


@settings(max_examples=40)
@given(
    st.integers(1, 200),
    st.integers(1, 40),
    st.integers(1, 3),
    st.sets(st.sampled_from(["raw", "summary", "spectrum"]), min_size=1).map(sorted),
    st.integers(0, 2**32 - 1),
)
def test_any_shape_of_readings_gives_the_same_answers(n_readings, n_steps, n_channels, kinds, seed):
    random = np.random.default_rng(seed)
    recordings = [
        Recording(random.normal(3, 5, (n_readings, n_channels)), label="ab"[i % 2]) for i in range(4)
    ]
    p = fit_preparation(recordings, inputs=tuple(kinds), steps=n_steps)
    network = some_network(p, p.n_inputs, seed=seed)
    content = to_onnx(network, n_readings=n_readings)
    check_same(run(content, np.stack([r.signal for r in recordings])), answers(network, recordings))


# ---------------------------------------------------------------- the file


def test_the_file_says_what_it_is():
    recordings = motions()
    p = fit_preparation(recordings, window=50, hop=10)
    network = some_network(p, p.n_inputs, threshold=0.6, temperature=2.0)
    content = to_onnx(network, digest="1f3a")
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]
    assert (model.ir_version, model.producer_name) == (7, "tinyglass")
    assert model.doc_string
    [fed], [given_] = session(content).get_inputs(), session(content).get_outputs()
    assert (fed.name, fed.type, fed.shape) == ("readings", "tensor(double)", ["batch", 50, 6])
    assert (given_.name, given_.type, given_.shape) == ("probabilities", "tensor(float)", ["batch", 3])
    facts = {n: json.loads(v) for n, v in session(content).get_modelmeta().custom_metadata_map.items()}
    assert facts == {
        "model": "1f3a",
        "classes": ["class 0", "class 1", "class 2"],
        "threshold": 0.6,
        "temperature": 2.0,
        "input_names": list(network.input_names),
        "channels": list(p.channels),
        "units": list(p.units),
        "rate_hz": 50.0,
        "n_readings": 50,
        "inputs": ["raw"],
        "window": 50,
        "hop": 10,
    }


@given(st.lists(st.text(), min_size=2, max_size=3, unique=True))
def test_labels_are_data(labels):
    network = replace_classes(some_network(None, 2, n_outputs=len(labels)), labels)
    meta = session(to_onnx(network)).get_modelmeta().custom_metadata_map
    assert json.loads(meta["classes"]) == labels


@pytest.mark.parametrize("label", ['a"b\\', "*/", "手", "\ud800", "\0", "{{x}}", "int"])
def test_odd_labels_are_data(label):
    network = replace_classes(some_network(None, 2, n_outputs=2), ["other", label])
    meta = session(to_onnx(network)).get_modelmeta().custom_metadata_map
    assert json.loads(meta["classes"]) == ["other", label]


def replace_classes(network: Network, labels: list[str]) -> Network:
    return Network(network.layers, tuple(labels), network.input_names)


@pytest.mark.parametrize("n", [1, 7])
def test_the_batch_is_free(n, course):
    p = fit_preparation(course)
    network = some_network(p, p.n_inputs)
    assert run(to_onnx(network), np.zeros((n, 3, 1))).shape == (n, 3)


def test_the_same_network_gives_the_same_bytes(course):
    p = fit_preparation(course)
    assert to_onnx(some_network(p, p.n_inputs)) == to_onnx(some_network(p, p.n_inputs))


@pytest.mark.parametrize("n_readings", [0, 2, 4])
def test_a_length_that_the_network_does_not_take_is_refused(course, n_readings):
    p = fit_preparation(course)
    with pytest.raises(ArgumentError, match=f"Expected 3 readings, as the network takes, found {n_readings}"):
        to_onnx(some_network(p, p.n_inputs), n_readings=n_readings)


def test_without_onnx_the_command_that_installs_it_is_given(python):
    program = (
        "import sys; sys.modules['onnx'] = None\n"
        "from tinyglass import Layer, Network, TinyglassError\n"
        "from tinyglass.export.onnx import to_onnx\n"
        "try: to_onnx(Network([Layer([[1.0]], None, 'linear')]))\n"
        "except TinyglassError as error: print(error)"
    )
    done = python(program)
    assert 'pip install "tinyglass[onnx]"' in done.stdout, done.stderr


def test_the_examples_run():
    assert doctest.testmod(exported).failed == 0
