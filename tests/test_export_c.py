"""The generated C: the same bits as foretold, in every compiler and on every simulated chip that is here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from board_networks import board_models, random_network, random_preparation
from tinyglass import ArgumentError, Layer, Network, export_network, read_recordings, train
from tinyglass.export import board_model as making
from tinyglass.export.board_model import board_answers, make_board_model, selftest_line
from tinyglass.export.c.header import c_header
from tinyglass.export.c.literals import float_literal
from tinyglass.export.c.trainer import c_trainer
from tinyglass.export.describing import in_comment
from tinyglass.export.executors.compiling import CompilerError
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.floats import exp32
from tinyglass.export.sizes import cost_line
from tinyglass.export.verifying import Examples, foretell

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C_EXECUTORS = [executor for executor in EXECUTORS if executor.form == "c"]
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LABELS = [
    "int",
    "class",
    'a"b\\',
    "*/",
    "/*",
    "手",
    "%d%s",
    "\\0",
    "??/",
    "\n",
    "\x00",
    "😀",
    " ",
    "'",
    "//",
    "\\",
]


def here(name):
    """The executor of this name, or a skip with what installs it."""
    executor = next(e for e in EXECUTORS if e.name == name)
    if not executor.is_there():
        pytest.skip(f"{executor.title} is missing: {executor.install}")
    return executor


@pytest.fixture(autouse=True)
def _random_networks_may_be_bad_at_int8(monkeypatch):
    """Networks that were never trained have no accuracy to lose."""
    monkeypatch.setattr(making, "DEAREST", np.inf)


def as_examples(readings):
    return Examples(tuple(readings), np.empty(0), np.empty(0))


def same_bits(answers, foretold):
    np.testing.assert_array_equal(answers.sums, foretold.sums)
    np.testing.assert_array_equal(answers.outputs, foretold.outputs)
    np.testing.assert_array_equal(answers.places, foretold.places)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@FEW
@given(st.data())
def test_any_network_and_preparation_gives_the_bits_that_were_foretold(precision, data):
    here("gcc")
    model, readings = data.draw(board_models(precision))
    same_bits(here("gcc").run(model, readings), foretell(model, as_examples(readings)))


MOTION = {
    "raw, resampled": {"kinds": ("raw",), "n_steps": 12, "window": False},
    "raw window": {"kinds": ("raw",), "n_steps": 30, "window": True},
    "summary": {"kinds": ("summary",), "n_steps": 30, "window": False},
    "spectrum window": {"kinds": ("spectrum",), "n_steps": 30, "window": True},
}


@pytest.mark.parametrize("kind", MOTION)
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", [executor.name for executor in C_EXECUTORS])
def test_every_compiler_and_chip_gives_the_bits_that_were_foretold(name, precision, kind):
    executor = here(name)
    random = np.random.default_rng(7)
    p = random_preparation(
        random, MOTION[kind]["kinds"], 2, 30, MOTION[kind]["n_steps"], MOTION[kind]["window"]
    )
    network = random_network(
        random, (p.n_inputs, 9, 6, 3), "tanh", classes=("a", "b", "c"), preparation=p, threshold=0.4
    )
    stack = np.array(p.offset) + np.array(p.scale) * random.normal(size=(40, 30, 2))
    inputs = making.prepared(p, stack)
    model = make_board_model(network, precision, inputs=inputs, n_readings=30)
    try:
        answers = executor.run(model, list(stack[:8]))
    except CompilerError as error:
        if (name, "spectrum" in kind) != ("uno", True):  # 2 KB of RAM
            raise
        pytest.skip(str(error))
    same_bits(answers, foretell(model, as_examples(stack[:8])))
    if answers.cost is not None:
        assert answers.cost.ram == 0


def test_layers_of_more_than_255_inputs_and_neurons_are_counted_right():
    random = np.random.default_rng(3)
    network = random_network(random, (300, 4, 270, 2), classes=("a", "b"))
    inputs = random.normal(size=(30, 300))
    for precision in ("float32", "int8"):
        model = make_board_model(network, precision, inputs=inputs)
        for name in ("gcc", "cortex-m0+", "uno"):
            try:
                answers = here(name).run(model, list(inputs[:3, None]))
            except CompilerError:
                assert (name, precision) == ("uno", "float32")
                continue
            same_bits(answers, foretell(model, as_examples(inputs[:3, None])))


def test_readings_of_any_size_are_cut_off_where_int8_ends():
    network = random_network(np.random.default_rng(0), (3, 4, 2), classes=("a", "b"))
    model = make_board_model(network, "int8", inputs=np.random.default_rng(1).normal(size=(50, 3)))
    extremes = [0.0, -0.0, 1e30, -1e30, 3.4e38, -3.4e38, 1e-45, -1e-38, 2.0**22, 0.5, -0.4999, 127.875]
    readings = [np.array([[a, b, -a]]) for a in extremes for b in extremes]
    for name in ("gcc", "clang", "cortex-m0+", "uno"):
        same_bits(here(name).run(model, readings), foretell(model, as_examples(readings)))


# ---------------------------------------------------------------- what compilers say

COMPILERS = {
    "C99": ["gcc", "-std=c99"],
    "C11": ["gcc", "-std=c11", "-O3"],
    "C++11": ["g++", "-std=c++11", "-x", "c++"],
    "C++20": ["g++", "-std=c++20", "-x", "c++", "-Wold-style-cast", "-Wno-error=old-style-cast"],
    "clang": ["clang", "-std=c99"],
    "sanitizers": ["gcc", "-std=c99", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover"],
    "the C library": ["gcc", "-std=c99", "-DMODEL_LIBM"],
    "fused multiply-add": ["gcc", "-std=gnu99", "-O3", "-march=native", "-ffp-contract=fast"],
    "fused, clang": ["clang", "-std=c99", "-O3", "-march=native", "-ffp-contract=on"],
    "fused, clang++": ["clang++", "-x", "c++", "-std=c++17", "-O3", "-march=native", "-ffp-contract=on"],
}


def compile_and_run(folder, command, source, *more):
    target = folder / "program"
    made = subprocess.run(
        [*command, source, "-o", str(target), *more], cwd=folder, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    ran = subprocess.run([str(target)], capture_output=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("kinds", [("raw",), ("raw", "summary", "spectrum")])
def test_the_header_compiles_without_a_warning_and_passes_its_own_test(compiler, precision, kinds, tmp_path):
    command = COMPILERS[compiler]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing: apt install {command[0]}")
    random = np.random.default_rng(5)
    p = random_preparation(random, kinds, 2, 40, 12, False)
    network = random_network(random, (p.n_inputs, 8, 3), "sigmoid", classes=("a", "b", "c"), preparation=p)
    stack = np.array(p.offset) + np.array(p.scale) * random.normal(size=(40, 40, 2))
    model = make_board_model(network, precision, inputs=making.prepared(p, stack), n_readings=40)
    (tmp_path / "model.h").write_text(c_header(model))
    (tmp_path / "main.c").write_text(
        '#include "model.h"\n#include "model.h"\n#include <stdio.h>\n'
        "int main(void) {\n    uint32_t hash;\n    float error;\n    int passed = model_selftest(&hash, &error);\n"
        '    printf("%d %08x %g", passed, (unsigned)hash, error);\n    return 0;\n}\n'
    )
    said = compile_and_run(tmp_path, [*command, *STRICT], "main.c", "-lm").decode().split()
    assert f"{said[0]}/8 hash={said[1]}" in selftest_line(model)
    assert float(said[2]) <= (1e-6 if compiler == "the C library" else 0)


def test_a_changed_weight_fails_the_self_test(tmp_path):
    here("gcc")
    network = train(read_recordings()).network
    for precision in ("float32", "int8"):
        header = c_header(make_board_model(network, precision, read_recordings()))
        kind = "float" if precision == "float32" else "int8_t"
        begin = re.search(rf"static const {kind} model_weights\[\d+\] MODEL_ROM = {{\s+", header).end()
        first = re.match(r"[-\d.e]+f?", header[begin:])[0]
        changed = "9.5f" if kind == "float" else str(-int(first) or 90)
        (tmp_path / "model.h").write_text(header[:begin] + header[begin:].replace(first, changed, 1))
        (tmp_path / "main.c").write_text(
            '#include "model.h"\nint main(void) {\n    uint32_t h;\n    float e;\n'
            "    return model_selftest(&h, &e) == 8;\n}\n"
        )
        compile_and_run(tmp_path, ["gcc", "-std=c99", *STRICT], "main.c")


@pytest.mark.parametrize("compiler", [["gcc", "-std=c99"], ["g++", "-std=c++11", "-x", "c++"]])
def test_two_networks_with_names_of_their_own_live_in_one_program(compiler, tmp_path):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is missing")
    random, lines = np.random.default_rng(1), []
    labels = {"wave": ("model_a", 'MODEL_b"'), "knock_2": ("model_label(place)", "x", "knock_2_c")}
    program = ""
    for name, classes in labels.items():
        p = random_preparation(random, ("raw", "summary"), 2, 6, 6, False)
        network = random_network(random, (p.n_inputs, 4, len(classes)), classes=classes, preparation=p)
        model = make_board_model(network)
        (tmp_path / f"{name}.h").write_text(c_header(model, name=name))
        (tmp_path / f"{name}_trainer.h").write_text(c_trainer(model, "all", 0.1, name))
        answers = board_answers(model, model.readings)
        place, other = int(answers.classes[0]), 1 - int(answers.classes[0] == 1)
        lines.append(selftest_line(model).split(" ", 3)[3] + f" {place} {classes[place]} {other}")
        program += (
            f"{{\n    static struct {name}_trainer t;\n    float out[{name.upper()}_N_OUTPUTS];\n    uint32_t h;\n"
            f"    float e;\n    int i;\n    const int passed = {name}_selftest(&h, &e);\n"
            f"    const int place = {name}_predict_raw({name}_test_readings, out);\n    {name}_trainer_start(&t);\n"
            f"    for (i = 0; i < 500; ++i)\n"
            f"        {name}_trainer_learn_readings(&t, {name}_test_readings, 6, {other}, 0.1f);\n"
            f'    printf("%d/8 hash=%08x %d %s %d\\n", passed, (unsigned)h, place, {name}_label(place), '
            f"{name}_trainer_predict_readings(&t, {name}_test_readings, 6, out));\n}}\n"
        )
    headers = "".join(f'#include "{name}_trainer.h"\n#include "{name}.h"\n' for name in labels)
    (tmp_path / "main.c").write_text(
        f"{headers}#include <stdio.h>\nint main(void) {{\n{program}return 0;\n}}\n"
    )
    said = compile_and_run(tmp_path, [*compiler, *STRICT], "main.c").decode().splitlines()
    assert said == lines


@pytest.mark.parametrize("name", ["", "Wave", "2waves", "a-b", "a__b", "_a", "a_", "wave*/", "x" * 31])
def test_a_name_that_cannot_begin_names_in_c_is_refused(name):
    model = make_board_model(random_network(np.random.default_rng(0), (3, 2), classes=("a", "b")))
    with pytest.raises(ArgumentError, match="cannot begin"):
        c_header(model, name=name)
    with pytest.raises(ArgumentError, match="cannot begin"):
        c_trainer(model, "all", 0.1, name)


FUSED = (
    "float fused(float a, float b, float c);\nfloat fused(float a, float b, float c) { return a * b + c; }\n"
)


@pytest.mark.parametrize("compiler", ["clang", "gcc"])
@pytest.mark.parametrize("setting", ["on", "off"])
def test_how_the_user_s_own_products_are_rounded_is_left_alone(compiler, setting, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is missing")
    if " fma " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no fused multiply-add")
    model = make_board_model(random_network(np.random.default_rng(0), (9, 3, 2), "tanh", classes=("a", "b")))
    (tmp_path / "model.h").write_text(c_header(model))
    (tmp_path / "trainer.h").write_text(c_trainer(model, "all", 0.1))
    option, pragma = f"-ffp-contract={'fast' if setting == 'on' else 'off'}", ""
    if compiler == "clang":  # which gcc does not know: there the option says it
        other = "off" if setting == "on" else "on"
        option, pragma = f"-ffp-contract={other}", f"#pragma STDC FP_CONTRACT {setting.upper()}\n"
    x = "1.0f + 0x1p-12f"  # its square has a bit that float32 cuts off
    (tmp_path / "main.c").write_text(
        f'{pragma}#include "trainer.h"\n#include <stdio.h>\n{FUSED}'
        f"int main(void) {{\n    volatile float x = {x};\n"
        '    printf("%d", fused(x, x, -(1.0f + 0x1p-11f)) != 0.0f);\n    return 0;\n}\n'
    )
    command = [compiler, "-std=gnu99", "-O2", "-march=native", option, *STRICT]
    assert compile_and_run(tmp_path, command, "main.c") == (b"1" if setting == "on" else b"0")


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("kinds", [("raw",), ("summary",), ("spectrum",)])
def test_no_readings_at_all_are_unknown_and_nothing_is_read(precision, kinds, tmp_path):
    here("gcc")
    random = np.random.default_rng(2)
    p = random_preparation(random, kinds, 2, 20, 8, False)
    network = random_network(random, (p.n_inputs, 3, 2), classes=("a", "b"), preparation=p)
    stack = np.array(p.offset) + np.array(p.scale) * random.normal(size=(30, 20, 2))
    model = make_board_model(network, precision, inputs=making.prepared(p, stack), n_readings=20)
    assert model.any_length
    (tmp_path / "model.h").write_text(c_header(model))
    trained = precision == "float32"
    if trained:
        (tmp_path / "trainer.h").write_text(c_trainer(model, "all", 0.1))
    trainer = (
        "    static struct model_trainer t;\n    model_trainer_start(&t);\n"
        "    if (model_trainer_learn_readings(&t, readings, 0, 1, 0.1f) != 0.0f) return 2;\n"
        "    if (memcmp(t.weights, model_weights, sizeof t.weights)) return 3;\n"
        "    if (model_trainer_predict_readings(&t, readings, 0, outputs) != MODEL_UNKNOWN) return 4;\n"
    )
    (tmp_path / "main.c").write_text(
        f'#include "{"trainer" if trained else "model"}.h"\n#include <stdlib.h>\nint main(void) {{\n'
        "    float *readings = (float *)malloc(1), outputs[MODEL_N_OUTPUTS];\n" + trainer * trained + "    "
        "    if (model_predict_readings(readings, 0, outputs) != MODEL_UNKNOWN) return 1;\n"
        "    free(readings);\n    return 0;\n}\n"
    )
    # What the sanitizer would find at run time, gcc foresees.
    command = ["gcc", "-std=c99", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover", *STRICT]
    compile_and_run(tmp_path, [*command, "-Wno-error=array-bounds", "-Wno-error=stringop-overflow"], "main.c")


# ---------------------------------------------------------------- labels are data


def random_labels(n, seed):
    random = np.random.default_rng(seed)
    letters = [chr(c) for c in (*range(1, 0x250), *range(0x3040, 0x3100), *range(0x1F600, 0x1F640))]
    labels = {"".join(random.choice(letters, random.integers(1, 12))) for _ in range(2 * n)}
    return sorted(labels)[:n]


@pytest.mark.parametrize("compiler", [["gcc", "-std=c99"], ["g++", "-std=c++11", "-x", "c++"]])
def test_a_thousand_labels_come_out_of_the_compiled_program_as_they_went_in(compiler, tmp_path):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is missing")
    labels = [*(label for label in LABELS if "\x00" not in label), *random_labels(1000, 0)]
    for part in np.array_split(np.arange(len(labels)), 5):
        names = tuple(labels[i] for i in part)
        network = Network((Layer(np.ones((len(names), 1)), None, "softmax"),), names, ("x*/",))
        (tmp_path / "model.h").write_text(c_header(make_board_model(network)), encoding="ascii")
        (tmp_path / "main.c").write_text(
            '#include "model.h"\n#include <stdio.h>\nint main(void) {\n    int i;\n'
            "    for (i = 0; i < MODEL_N_OUTPUTS; ++i) fwrite(model_label(i), 1, strlen(model_label(i)) + 1, stdout);\n"
            '    return strcmp(model_label(-1), "unknown") || strcmp(model_label(MODEL_N_OUTPUTS), "unknown");\n}\n'
        )
        said = compile_and_run(tmp_path, [*compiler, *STRICT], "main.c")
        assert said.split(b"\0")[:-1] == [name.encode() for name in names]


@given(st.text(), st.text())
def test_no_text_ends_a_comment(text, more):
    line = in_comment(text + more)
    assert line.isascii()
    assert line.isprintable()
    assert not [end for end in ("*/", "/*", "??") if end in line]


# ---------------------------------------------------------------- numbers


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_literals_are_read_back_as_the_same_float32(x):
    literal = float_literal(x)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[-+]?\d+)?f", literal)
    assert "." in literal or "e" in literal
    assert np.float32(literal[:-1]) == np.float32(x)


def test_exp_is_right_to_two_units_in_the_last_place():
    x = np.linspace(-87, 88, 100_001).astype(np.float32)
    right = np.exp(x.astype(np.float64))
    assert (np.abs(exp32(x) - right) <= 2 * np.spacing(right.astype(np.float32))).all()
    assert exp32(np.float32([-1e30, -88.0])).tolist() == [0.0, 0.0]
    assert np.isfinite(exp32(np.float32([1e30]))).all()


# ---------------------------------------------------------------- projects

ARDUINO = "/usr/share/arduino/hardware/arduino/avr"


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("target", ["arduino", "platformio"])
@pytest.mark.parametrize("window", [0, 5])
def test_the_sketch_compiles_with_the_core_of_the_uno(target, precision, window, tmp_path):
    if shutil.which("avr-g++") is None or not shutil.os.path.isdir(ARDUINO):
        pytest.skip("the Arduino core is missing: apt install gcc-avr arduino-core-avr")
    recordings = read_recordings()
    network = train(recordings).network
    if window:
        random = np.random.default_rng(0)
        p = random_preparation(random, ("raw",), 2, window, window, True)
        network = random_network(random, (p.n_inputs, 3, 2), classes=('a"', "b\\"), preparation=p)
        recordings = ()
    inputs = np.random.default_rng(0).normal(size=(50, network.n_inputs)) if window else None
    export_network(network, target, tmp_path, precision=precision, recordings=recordings, inputs=inputs)
    for sketch in [*tmp_path.rglob("*.ino"), *tmp_path.rglob("main.cpp")]:
        command = [
            *("avr-g++", "-mmcu=atmega328p", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_AVR_UNO"),
            *("-std=gnu++11", "-fno-exceptions", "-Os", "-Wall", "-Wextra"),
            *(f"-I{ARDUINO}/cores/arduino", f"-I{ARDUINO}/variants/standard"),
            *(f"-I{tmp_path}/include", f"-I{tmp_path}/TinyglassModel/src", "-include", "Arduino.h"),
            *("-x", "c++", "-c", str(sketch), "-o", str(tmp_path / "sketch.o")),
        ]
        made = subprocess.run(command, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        assert not re.search(r"(model\.h|recognise\.ino|main\.cpp):\d+.*warning", made.stderr), made.stderr
    if target == "arduino":
        assert "includes=model.h" in (tmp_path / "TinyglassModel" / "library.properties").read_text()
    else:
        assert "[env:uno]" in (tmp_path / "platformio.ini").read_text()


IDF = {
    "esp_timer.h": "#include <stdint.h>\nint64_t esp_timer_get_time(void);\n",
    "freertos/FreeRTOS.h": "",
    "freertos/task.h": "void vTaskDelay(int ticks);\n",
}


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_esp_idf_project_compiles_and_runs_its_self_test(precision, tmp_path):
    here("gcc")
    recordings = read_recordings()
    artefact = export_network(
        train(recordings).network, "esp-idf", tmp_path, precision=precision, recordings=recordings
    )
    for name, content in IDF.items():
        (tmp_path / "stubs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stubs" / name).write_text(content)
    (tmp_path / "board.c").write_text(
        "#include <stdint.h>\n#include <stdlib.h>\nvoid app_main(void);\nvoid vTaskDelay(int ticks);\n"
        "int64_t esp_timer_get_time(void);\nstatic int64_t now;\n"
        "int64_t esp_timer_get_time(void) { return now; }\n"
        "void vTaskDelay(int ticks) { now += 10000 * ticks; if (now > 3000000) exit(0); }\n"
        "int board_typed(void);\n"
        'int board_typed(void) { static int at; return at < 4 ? "x\\xfft\\n"[at++] : -1; }\n'
        "int main(void) { app_main(); return 0; }\n"
    )
    command = [
        "gcc",
        "-std=gnu17",
        *STRICT,
        f"-I{tmp_path}/stubs",
        f"-I{tmp_path}/main",
        str(tmp_path / "board.c"),
    ]
    said = compile_and_run(tmp_path, command, str(tmp_path / "main" / "main.c")).decode()
    assert said.startswith(artefact.selftest)
    assert said.count("Prediction: ") >= 3
    typed = compile_and_run(
        tmp_path, [*command, "-Dgetchar=board_typed"], str(tmp_path / "main" / "main.c")
    ).decode()
    assert typed.count(artefact.selftest) == 2  # at the beginning, and for one "t"


def test_the_example_for_a_pc_says_what_readings_are(tmp_path):
    here("gcc")
    recordings = read_recordings()
    artefact = export_network(
        train(recordings).network, "c", tmp_path, precision="int8", recordings=recordings
    )
    subprocess.run(["gcc", "-std=c99", *STRICT, "example.c", "-o", "example"], cwd=tmp_path, check=True)
    said = subprocess.run(
        [str(tmp_path / "example")],
        input="0 35.5 120.1 104 2 0 7",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said[0].startswith(artefact.selftest)
    assert [line.split(",")[0] for line in said[1:]] == [
        "Prediction: moving_closer",
        "Prediction: moving_away",
    ]


# ---------------------------------------------------------------- exporting


def test_an_earlier_file_that_differs_is_kept_under_another_name(tmp_path):
    network = train(read_recordings()).network
    first = export_network(network, "c", tmp_path)
    assert first.kept == ()
    assert export_network(network, "c", tmp_path).kept == ()
    (tmp_path / "model.h").write_text("mine")
    again = export_network(network, "c", tmp_path)
    assert [path.name for path in again.kept] == ["model.h.old1"]
    assert again.kept[0].read_text() == "mine"
    assert (tmp_path / "model.h").read_bytes() == first.files["model.h"]


def test_what_cannot_be_exported_is_refused_with_a_reason():
    network = train(read_recordings()).network
    with pytest.raises(ArgumentError, match="Did you mean 'arduino'"):
        export_network(network, "arduno")
    with pytest.raises(ArgumentError, match="Did you mean 'int8'"):
        export_network(network, "c", precision="int")
    with pytest.raises(ArgumentError, match="calibrated"):
        export_network(network, "c", precision="int8")
    with pytest.raises(ArgumentError, match="float32 only"):
        export_network(network, "onnx", precision="int8")


def test_the_header_says_what_it_is_and_uses_no_library():
    header = c_header(make_board_model(train(read_recordings()).network, "int8", read_recordings()))
    assert header.isascii()
    top = header[: header.index("*/")]
    for fact in (
        "model ",
        "3-32-2",
        '"moving_away"',
        "250 ms apart",
        '"distance"',
        "offset",
        "int8 and float32 agree",
    ):
        assert fact in top
    assert "*     int place = model_predict_raw(readings, outputs);" in top
    assert set(re.findall(r"#include <(.*)>", header)) == {"stdint.h", "string.h", "math.h", "avr/pgmspace.h"}
    unasked = re.sub(r"#if defined\(MODEL_LIBM\).*?#(else|endif)", "", header, flags=re.DOTALL)
    assert not re.search(r"math\.h|\b(malloc|calloc|free|expf?|tanhf?|sqrtf?|double)\s*\(", unasked)


PUBLIC = (
    "model_predict",
    "model_outputs",
    "model_sums_of_readings",
    "model_predict_readings",
    "model_predict_raw",
    "model_selftest",
    "model_prepare",
    "model_answer",
    "model_label",
    "model_trainer_start",
    "model_trainer_step",
    "model_trainer_learn_readings",
    "model_trainer_predict_readings",
    "model_quantize",
    "model_quantize_readings",
    "model_predict_quantized",
)


def test_every_function_that_a_user_calls_says_what_it_takes_and_returns():
    recordings, found = read_recordings(), set()
    network = train(recordings).network
    for precision in ("float32", "int8"):
        model = make_board_model(network, precision, recordings)
        code = c_header(model) + (c_trainer(model, "all", 0.1) if precision == "float32" else "")
        for name in PUBLIC:
            for said in re.findall(rf"([^\n]*)\nstatic inline [^\n(]*\b{name}\(", code):
                assert said.endswith("*/"), (name, said)
                found.add(name)
    assert found == set(PUBLIC)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("classes", [tuple("abc"), None])
def test_the_usage_at_the_top_of_the_header_compiles(precision, classes, tmp_path):
    here("gcc")
    random = np.random.default_rng(0)
    p = random_preparation(random, ("raw",), 2, 5, 5, False)
    sizes = (p.n_inputs, 4, 3 if classes else 1)
    network = random_network(random, sizes, "relu", "linear", classes=classes, preparation=p)
    inputs = random.normal(size=(30, p.n_inputs))
    (tmp_path / "wave.h").write_text(
        c_header(make_board_model(network, precision, inputs=inputs), name="wave")
    )
    top = (tmp_path / "wave.h").read_text()
    usage = re.findall(r"^ \*     (.*;)$", top[: top.index("*/")], flags=re.MULTILINE)
    assert len(usage) >= 2
    body = "\n".join(usage).replace(
        "outputs[WAVE_N_OUTPUTS];", "outputs[WAVE_N_OUTPUTS];\nmemset(readings, 0, sizeof readings);"
    )
    used = "label[0] == 0" if classes else "outputs[0] != outputs[0]"
    (tmp_path / "main.c").write_text(f'#include "wave.h"\nint main(void) {{\n{body}\nreturn {used};\n}}\n')
    compile_and_run(tmp_path, ["gcc", "-std=c99", *STRICT], "main.c")


def test_the_top_of_the_header_has_whole_lists_in_lines_of_120_columns(tmp_path):
    here("gcc")
    labels = tuple(f"label {i} " + "*/ ??/ \\" * (i % 3) + "x" * (i == 7) * 300 for i in range(60))
    names = tuple(f"channel {i}" for i in range(40))
    network = Network((Layer(np.ones((60, 40)), None, "softmax"),), labels, names)
    model = make_board_model(network)
    header = c_header(model, cost=cost_line(model))
    top = header[: header.index("#ifndef")]
    assert max(map(len, top.splitlines())) <= 120
    assert top.count("*/") == 1
    flat = re.sub(r"\n \* +", " ", top)
    for name in names:
        assert f'"{name}"' in flat
    for number in range(60):
        assert f'"label {number} ' in flat
    boards = cost_line(model).partition(": ")[2].split("; ")
    assert len(boards) >= 5
    assert set(top.splitlines()) >= {f" *     {board}" for board in boards}
    (tmp_path / "model.h").write_text(header)
    (tmp_path / "main.c").write_text('#include "model.h"\nint main(void) { return MODEL_N_OUTPUTS != 60; }\n')
    compile_and_run(tmp_path, ["gcc", "-std=c99", "-Wcomment", *STRICT], "main.c")


def test_a_board_gives_the_same_answers_in_a_process_of_its_own():
    assert sys.executable  # what CPython's executor is run by
    recordings = read_recordings()
    model = make_board_model(train(recordings).network, "int8", recordings)
    stack = [recording.signal for recording in recordings]
    answers = here("cpython").run(model, stack)
    foretold = board_answers(model, np.stack(stack))
    np.testing.assert_array_equal(answers.sums, foretold.sums)
