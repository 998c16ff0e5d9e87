"""What a second look at the exported C and at verification found: sizes, names, failures."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from board_networks import random_network, random_preparation
from tinyglass import (
    ArgumentError,
    Preparation,
    Recording,
    export_network,
    make_settings,
    read_recordings,
    train,
)
from tinyglass.cli.running import main
from tinyglass.export import board_model as making
from tinyglass.export.board_model import board_answers, make_board_model
from tinyglass.export.c.header import c_header
from tinyglass.export.computing import prepared
from tinyglass.export.executors import compiling
from tinyglass.export.executors.compiling import TooLargeError
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.verifying import examples_of, verify_model
from tinyglass.export.verifying_learning import rows_of, verify_trainer

ARDUINO = "/usr/share/arduino/hardware/arduino/avr"
GCC = next(executor for executor in EXECUTORS if executor.name == "gcc")
pytestmark = pytest.mark.skipif(not GCC.is_there(), reason="gcc is missing: apt install gcc")


@pytest.fixture
def _any_int8(monkeypatch):
    """Networks that were never trained have no accuracy to lose."""
    monkeypatch.setattr(making, "DEAREST", np.inf)


@pytest.fixture
def only_gcc(monkeypatch):
    monkeypatch.setattr("tinyglass.export.verifying.EXECUTORS", (GCC,))
    monkeypatch.setattr("tinyglass.export.verifying_learning.EXECUTORS", (GCC,))


def built(p, n_readings, sizes, precision="float32", **meaning):
    random = np.random.default_rng(0)
    meaning.setdefault("classes", tuple(f"c{i}" for i in range(sizes[-1])))
    last = "softmax" if meaning["classes"] else "linear"
    network = random_network(random, (p.n_inputs, *sizes), "relu", last, preparation=p, **meaning)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(20, n_readings, len(p.channels)))
    return make_board_model(network, precision, inputs=prepared(p, readings), n_readings=n_readings), readings


def run_main(folder, header, body):
    """What a program with the header writes."""
    (folder / "model.h").write_text(header, encoding="ascii")
    (folder / "main.c").write_text(f'#include "model.h"\n#include <stdio.h>\nint main(void) {{\n{body}\n}}\n')
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    made = subprocess.run(
        ["gcc", *strict, "main.c", "-o", "main"], cwd=folder, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return subprocess.run([folder / "main"], capture_output=True, check=True).stdout


@pytest.mark.usefixtures("_any_int8")
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_short_window_may_be_resampled_to_more_than_255_steps(precision):
    p = random_preparation(np.random.default_rng(0), ("raw",), 1, 30, 300, True)
    model, readings = built(p, 30, (4, 3), precision)
    answers = GCC.run(model, list(readings[:3]))
    np.testing.assert_array_equal(answers.sums, board_answers(model, readings[:3]).sums)


@pytest.mark.usefixtures("_any_int8")
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_recordings_of_a_single_reading_are_run_where_any_number_is_taken(precision):
    p = random_preparation(np.random.default_rng(0), ("raw",), 3, 1, 8, False)
    model, readings = built(p, 1, (4, 3), precision)
    assert model.any_length
    answers = GCC.run(model, list(readings[:3]))
    np.testing.assert_array_equal(answers.sums, board_answers(model, readings[:3]).sums)


@pytest.mark.usefixtures("_any_int8")
def test_more_than_128_classes_have_test_vectors(tmp_path):
    model, readings = built(random_preparation(np.random.default_rng(0), ("raw",), 1, 3, 3, False), 3, (300,))
    GCC.run(model, list(readings[:1]))


@pytest.mark.usefixtures("_any_int8")
def test_recordings_of_more_than_65535_readings_are_refused():
    model, readings = built(
        random_preparation(np.random.default_rng(0), ("summary",), 1, 9, 9, False), 9, (3,)
    )
    p = model.preparation
    longer = Recording(np.tile(readings[0], (8000, 1)), p.channels, p.units)
    with pytest.raises(ArgumentError, match="boards count up to 65,535"):
        examples_of(model, [longer])


@pytest.mark.parametrize("labels", [[f"{i:03d}{'x' * 60}" for i in range(80)], ["a\0b", "x", "y"]])
def test_long_labels_and_labels_with_a_zero_are_told_apart(tmp_path, labels):
    try:
        network = random_network(np.random.default_rng(0), (2, len(labels)), classes=tuple(labels))
        header = c_header(make_board_model(network))
    except ArgumentError:
        return  # a NUL
    body = "int i;\nfor (i = 0; i < MODEL_N_OUTPUTS; ++i) puts(model_label(i));\nreturn 0;"
    said = run_main(tmp_path, header, body).decode().splitlines()
    assert said[-1] == labels[-1]
    assert len(said) == len(labels)


@pytest.mark.usefixtures("_any_int8")
@pytest.mark.parametrize("regression", [True, False])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_weights_of_zero_fail_the_self_test_whatever_the_inputs_are(tmp_path, precision, regression):
    p = random_preparation(np.random.default_rng(3), ("summary",), 2, 12, 12, False)
    sizes, classes = ((6, 1), None) if regression else ((6, 3), ("a", "b", "c"))
    header = c_header(built(p, 12, sizes, precision, classes=classes)[0])
    start = re.search(r"model_weights\[\d+\] MODEL_ROM = \{", header).end()
    end = header.index("}", start)
    zeros = re.sub(r"-?\d[\d.e+-]*f?", "0", header[start:end])
    body = 'uint32_t h; float e;\nprintf("%d", model_selftest(&h, &e));\nreturn 0;'
    assert int(run_main(tmp_path, header, body)) == 8
    assert int(run_main(tmp_path, header[:start] + zeros + header[end:], body)) < 8


def verified_with_a_fault(monkeypatch, model, recordings, right, wrong):
    """What verify says of a header with a fault."""
    header = c_header(model)
    assert header.count(right) == 1
    monkeypatch.setattr(compiling, "c_header", lambda _: header.replace(right, wrong))
    (verified,), _ = verify_model(model, examples_of(model, recordings), ["c"])
    return verified


@pytest.mark.usefixtures("only_gcc")
@pytest.mark.parametrize(
    "wrong",
    [
        "return SEEN ? MODEL_UNKNOWN : model_answer(outputs);\n}",
        "if (SEEN) outputs[0] *= 1.01f;\n    return model_answer(outputs);\n}",
    ],
)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_verify_finds_a_wrong_class_and_wrong_outputs(monkeypatch, precision, wrong):
    recordings = read_recordings()
    model = make_board_model(train(recordings).network, precision, recordings)
    # In one recording that is no test vector: the self-test knows nothing of it.
    first, second = next(
        np.float32(recording.signal[:2, 0]).tolist()
        for recording in recordings
        if not (model.readings[:, :2, 0] == recording.signal[:2, 0]).all(axis=1).any()
    )
    wrong = wrong.replace("SEEN", f"readings[0] == {first!r}f && readings[1] == {second!r}f")
    right = "return model_answer(outputs);\n}"
    verified = verified_with_a_fault(monkeypatch, model, recordings, right, wrong)
    assert not verified.fault
    assert not verified.sound


RAW = "return model_predict_readings(readings, MODEL_READINGS, outputs);"
FAULTS = {
    "model_predict_raw": (
        RAW,
        RAW.replace("return", "const int place =") + "\n    outputs[0] += 1.0f;\n    return place;",
    ),
    "model_selftest": ("passed += right;", "passed += right & (v > 0);"),
    "another hash": ("*hash = h;", "*hash = h + 1;"),
    "model_outputs": (
        "static inline void model_outputs(const float *inputs, float *outputs) {",
        "static inline void model_outputs(const float *inputs, float *outputs) {\n    static float x[99];\n"
        "    memcpy(x, inputs, sizeof(float) * MODEL_N_INPUTS);\n    x[0] += 1.0f;\n    inputs = x;",
    ),
}
FAULTS_FLOAT32 = {
    "model_predict names": ("if (sums[j] > sums[best]) best = j;", "if (sums[j] < sums[best]) best = j;")
}
FAULTS_INT8 = {
    "model_predict names": ("return model_run(q, 0);", "return 1 - model_run(q, 0);"),
    "model_predict_quantized names": (
        "memcpy(q, inputs, MODEL_N_INPUTS);",
        "memcpy(q, inputs, MODEL_N_INPUTS);\n    q[0] = q[1] = q[2] = 0;",
    ),
    "without sums": ("return model_run(q, sums);", "return sums ? model_run(q, sums) : 7;"),
    "model_predict_quantized writes": (
        "return model_run(q, sums);",
        "const int place = model_run(q, sums);\n    if (sums) sums[0] -= 1;\n    return place;",
    ),
    "model_quantize writes": ("q[i] = model_held(", "q[i] = (int8_t)(i == 2) + model_held("),
}
ALL_FAULTS = [
    (precision, what, *fault)
    for precision, own in (("float32", FAULTS_FLOAT32), ("int8", FAULTS_INT8))
    for what, fault in (FAULTS | own).items()
]


@pytest.mark.usefixtures("only_gcc")
@pytest.mark.parametrize(("precision", "what", "right", "wrong"), ALL_FAULTS)
def test_verify_finds_a_fault_in_a_function_that_no_answer_comes_from(
    monkeypatch, precision, what, right, wrong
):
    recordings = read_recordings()
    model = make_board_model(train(recordings).network, precision, recordings)
    verified = verified_with_a_fault(monkeypatch, model, recordings, right, wrong)
    assert not verified.sound
    assert what in verified.fault


@pytest.fixture
def trained(tmp_path):
    network = train(read_recordings()).network
    network.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def exit_code(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code


@pytest.fixture
def course(tmp_path):
    lines = [
        f"{','.join(f'{x:g}' for x in recording.signal[:, 0])},{recording.label}"
        for recording in read_recordings()
    ]
    (tmp_path / "course.csv").write_text("r0,r1,r2,label\n" + "\n".join(lines) + "\n")
    return tmp_path / "course.csv"


def test_int8_has_no_onnx_and_verify_says_so(trained, course, capsys):
    assert exit_code("verify", trained, course, "--target", "onnx", "--precision", "int8") in (1, 2)


def test_verify_fails_where_an_executor_refuses_the_code(trained, course, monkeypatch, capsys):
    gcc, gpp = GCC, next(executor for executor in EXECUTORS if executor.name == "g++")
    monkeypatch.setattr("tinyglass.export.verifying.EXECUTORS", (gcc, gpp))
    header = compiling.c_header
    broken = "#if defined(__cplusplus)\n#error wrong\n#endif\n"
    monkeypatch.setattr(compiling, "c_header", lambda model: broken + header(model))
    assert exit_code("verify", trained, course, "--target", "c", "--precision", "float32") == 1


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_network_of_three_readings_is_not_exported_for_others(trained, tmp_path, n):
    with pytest.raises(ArgumentError):
        export_network(trained, "c", tmp_path / "out", n_readings=n)


@pytest.mark.usefixtures("only_gcc")
@pytest.mark.parametrize("part", ["last", "all"])
def test_steps_of_regression_are_the_pc_s_steps(part):
    random = np.random.default_rng(0)
    signals = [np.cumsum(random.normal(size=(20, 2)), axis=0) for _ in range(30)]
    recordings = [Recording(s, ("a", "b"), ("m", "m"), label=f"{3 * s.mean() + 10:.4f}") for s in signals]
    network = train(recordings, make_settings({"epochs": 5, "task": "regression"})).network
    model = make_board_model(network, "float32", recordings)
    (verified,), _ = verify_trainer(model, recordings[:5], part, 0.01, ["c"])
    assert verified.sound, verified


def test_a_trainer_of_more_than_65535_weights_starts_with_all_of_them():
    network = random_network(np.random.default_rng(0), (300, 250, 2), classes=("a", "b"))
    model = make_board_model(network)
    program = compiling.learning(model, "all", 1e-6, [np.zeros((1, 300))], np.zeros(1))
    weights = np.frombuffer(GCC.feed(program)[0], "<f4")
    np.testing.assert_allclose(weights, rows_of(model.network, "all"), atol=1e-5)


@pytest.mark.usefixtures("_any_int8")
def test_the_sketch_of_a_long_window_compiles_for_the_mega(tmp_path):
    if shutil.which("avr-g++") is None or not shutil.os.path.isdir(ARDUINO):
        pytest.skip("the Arduino core is missing: apt install gcc-avr arduino-core-avr")
    p = random_preparation(np.random.default_rng(0), ("raw",), 6, 100, 100, True)
    network = random_network(np.random.default_rng(0), (600, 4, 2), classes=("a", "b"), preparation=p)
    inputs = np.random.default_rng(0).normal(size=(20, 600))
    export_network(network, "arduino", tmp_path, precision="int8", inputs=inputs)
    made = subprocess.run(
        [
            *("avr-g++", "-mmcu=atmega2560", "-DF_CPU=16000000L", "-DARDUINO=10819", "-std=gnu++11", "-Os"),
            *(f"-I{ARDUINO}/cores/arduino", f"-I{ARDUINO}/variants/mega", "-include", "Arduino.h"),
            *("-x", "c++", "-c", str(tmp_path / "recognise" / "recognise.ino"), "-o", str(tmp_path / "s.o")),
        ],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.usefixtures("_any_int8")
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e-37), (0.0, 3e38), (0.0, 1e-50), (1e300, 1e299)])
def test_scales_beyond_float32_are_refused_or_compile(precision, offset, scale):
    p = Preparation(("x",), ("",), 3, False, (offset,), (scale,))
    with np.errstate(all="ignore"):
        try:
            model, readings = built(p, 3, (4, 2), precision)
        except ArgumentError:
            return
        GCC.run(model, [readings[0]])


def test_a_stack_that_would_overwrite_the_variables_of_an_uno_does_not_fit():
    executor = next(executor for executor in EXECUTORS if executor.name == "uno")
    if not executor.is_there():
        pytest.skip(f"the Uno's simulator is missing: {executor.install}")
    random = np.random.default_rng(0)
    p = Preparation(tuple("xyz"), ("",) * 3, 80, False, (0.5,) * 3, (2.0,) * 3)
    network = replace(random_network(random, (240, 8, 4), "tanh", classes=tuple("abcd")), preparation=p)
    recordings = [Recording(random.normal(size=(80, 3)), tuple("xyz"), label=x) for x in "abcd"]
    with pytest.raises(TooLargeError, match="does not fit into the memory"):
        executor.run(make_board_model(network, "float32", recordings), [recordings[0].signal])


@pytest.mark.parametrize("target", ["c", "arduino", "platformio", "esp-idf"])
def test_programs_are_exported_that_learn_and_have_a_name_of_their_own(trained, tmp_path, target):
    artefact = export_network(trained, target, trainer="all", name="wave", out=tmp_path)
    headers = [path for path in artefact.files if path.endswith("wave.h")]
    programs = [path for path in artefact.files if path.endswith((".ino", "main.cpp", "main.c", "example.c"))]
    assert headers
    assert programs
    for path in programs:
        assert b"wave_trainer_learn_readings(&trainer" in artefact.files[path]
        assert b"model_" not in artefact.files[path]
    with pytest.raises(ArgumentError, match="begin"):
        export_network(trained, target, name="2nd")
    with pytest.raises(ArgumentError, match="--name wave is for C"):
        export_network(trained, "micropython", name="wave")
