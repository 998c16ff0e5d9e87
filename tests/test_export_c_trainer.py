"""Training on the board in C: every step has the bits that were foretold, and is the PC's step."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from board_networks import random_network, random_preparation
from tinyglass import (
    ArgumentError,
    Examples,
    Preparation,
    Settings,
    export_network,
    read_recordings,
    train,
    train_examples,
)
from tinyglass.export.board_model import make_board_model, selftest_line
from tinyglass.export.c import projects
from tinyglass.export.c.memory import trainer_memory
from tinyglass.export.computing import prepared
from tinyglass.export.executors import hosts
from tinyglass.export.executors.compiling import learning
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.learning import PARTS, targets, trained_on_board
from tinyglass.network import flatten


def feeder(name):
    executor = next(e for e in EXECUTORS if e.name == name)
    if not executor.is_there():
        pytest.skip(f"{executor.title} is missing: {executor.install}")
    return executor.feed


def trained_weights(network, part):
    """As the trainer keeps them: of each neuron its bias, then its weights."""
    rows = [
        np.concatenate(
            [np.zeros((la.n_outputs, 1)) if la.bias is None else la.bias[:, None], la.weights], axis=1
        )
        for la in (network.layers if part == "all" else network.layers[-1:])
    ]
    return np.concatenate([row.ravel() for row in rows]).astype(np.float32)


def steps_of(network, model, readings, places, part, rate):
    expected = np.eye(network.n_outputs)[places]
    return trained_on_board(model.network, prepared(model.preparation, readings), expected, rate, part)


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_step_of_any_network_has_the_bits_that_were_foretold(part, data):
    feed = feeder("gcc")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    hidden = data.draw(st.lists(st.integers(1, 12), max_size=3))
    activation = data.draw(st.sampled_from(("linear", "relu", "leaky_relu", "sigmoid", "tanh")))
    last = data.draw(st.sampled_from(("softmax", "linear", "sigmoid", "tanh", "relu", "leaky_relu")))
    kinds = data.draw(st.sampled_from((("raw",), ("raw", "summary"))))
    p = random_preparation(random, kinds, 2, 6, 6, False)
    network = random_network(
        random,
        (p.n_inputs, *hidden, 3),
        activation,
        last,
        data.draw(st.booleans()),
        classes=("a", "b", "c"),
        preparation=p,
        temperature=2.0,
    )
    model = make_board_model(network)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(5, 6, 2))
    places = random.integers(0, 3, 5)
    try:
        steps = steps_of(network, model, readings, places, part, 0.01)
    except (RuntimeWarning, ArgumentError):
        assume(False)  # it diverges, in C as well
    answers, _ = feed(learning(model, part, 0.01, list(readings), places.astype(float)))
    found = np.frombuffer(answers, "<f4").reshape(5, -1)
    for weights, step in zip(found, steps, strict=True):
        np.testing.assert_array_equal(weights, trained_weights(step, part))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", [executor.name for executor in EXECUTORS if executor.form == "c"])
def test_every_compiler_and_chip_makes_the_same_steps(name, part):
    feed = feeder(name)
    recordings = read_recordings()
    network = train(recordings, Settings(hidden=(6, 4))).network
    model = make_board_model(network)
    readings = np.stack([recording.signal for recording in recordings])
    places = np.array([network.classes.index(recording.label) for recording in recordings])
    answers, cost = feed(learning(model, part, 0.1, list(readings), places.astype(float)))
    last = steps_of(network, model, readings, places, part, 0.1)[-1]
    found = np.frombuffer(answers, "<f4").reshape(10, -1)[-1]
    np.testing.assert_array_equal(found, trained_weights(last, part))
    if cost is not None:
        assert cost.ram <= 4  # whether it has started; the copy of the weights is held by the program


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gcc", ("gcc", "-std=gnu99", "-O3", "-march=native", "-ffp-contract=fast")),
        ("clang", ("clang", "-std=c99", "-O3", "-march=native", "-ffp-contract=on")),
    ],
)
def test_steps_have_the_same_bits_where_products_and_sums_could_be_fused(name, options, monkeypatch):
    feed = feeder(name)
    monkeypatch.setitem(hosts.COMPILERS, name, options)
    random = np.random.default_rng(3)
    p = random_preparation(random, ("raw", "summary"), 2, 9, 9, False)
    network = random_network(
        random, (p.n_inputs, 7, 3), "tanh", "sigmoid", classes=("a", "b", "c"), preparation=p
    )
    model = make_board_model(network, n_readings=9)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(8, 9, 2))
    places = random.integers(0, 3, 8)
    answers, _ = feed(learning(model, "all", 0.1, list(readings), places.astype(float)))
    last = steps_of(network, model, readings, places, "all", 0.1)[-1]
    np.testing.assert_array_equal(
        np.frombuffer(answers, "<f4").reshape(8, -1)[-1], trained_weights(last, "all")
    )


@pytest.mark.parametrize("last", ["softmax", "linear"])
def test_each_step_is_the_compiled_core_s_step(last):
    random = np.random.default_rng(2)
    network = random_network(random, (7, 5, 3), "tanh", last, classes=("a", "b", "c"))
    inputs, places = random.normal(size=(20, 7)).astype(np.float32), random.integers(0, 3, 20)
    expected = np.eye(3)[places]
    steps = trained_on_board(network, inputs, expected, 0.1)
    loss = "cross_entropy" if last == "softmax" else "half_squared_error"
    chosen = Settings(
        hidden=(5,),
        activation="tanh",
        output=last,
        loss=loss,
        optimizer="sgd",
        schedule="constant",
        learning_rate=0.1,
        l2=0,
        batch=1,
        epochs=1,
        shuffle=False,
    )
    before = network
    for x, y, step in zip(inputs, expected.astype(np.float32), steps, strict=True):
        run = train_examples(Examples(x[None], y[None], ("a", "b", "c")), chosen, start=before)
        np.testing.assert_allclose(flatten(step), flatten(run.network), rtol=2e-5, atol=2e-6)
        before = step


def test_a_few_steps_adapt_the_board_to_what_it_got_wrong():
    feed = feeder("gcc")
    recordings = read_recordings()
    network = train(recordings).network
    swapped = {"moving_away": 1.0, "moving_closer": 0.0}
    model = make_board_model(network)
    readings = [recording.signal for recording in recordings] * 20
    wanted = np.array([swapped[recording.label] for recording in recordings] * 20)
    answers, _ = feed(learning(model, "all", 0.05, readings, wanted))
    weights = np.frombuffer(answers, "<f4").reshape(len(readings), -1)[-1]
    stack = np.stack(readings)
    after = steps_of(network, model, stack, wanted.astype(int), "all", 0.05)[-1]
    np.testing.assert_array_equal(weights, trained_weights(after, "all"))
    outputs = after.outputs(prepared(model.preparation, stack[:10]))
    assert (outputs.argmax(axis=1) == wanted[:10]).all()


def test_regression_learns_quantities_in_their_unit():
    feed = feeder("gcc")
    random = np.random.default_rng(4)
    p = random_preparation(random, ("raw",), 1, 3, 3, False)
    p = type(p)(
        **{f: getattr(p, f) for f in p.__struct_fields__} | {"answer_offset": 20.0, "answer_scale": 5.0}
    )
    network = random_network(random, (3, 4, 1), "tanh", "linear", preparation=p)
    model = make_board_model(network)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(6, 3, 1))
    quantities = random.uniform(10, 30, 6)
    answers, _ = feed(learning(model, "all", 0.05, list(readings), quantities))
    expected = (np.float32(quantities) - np.float32(20)) / np.float32(5)
    steps = trained_on_board(model.network, prepared(p, readings), expected[:, None], 0.05)
    found = np.frombuffer(answers, "<f4").reshape(6, -1)
    np.testing.assert_array_equal(found[-1], trained_weights(steps[-1], "all"))
    np.testing.assert_allclose(targets(network, [str(q) for q in quantities])[:, 0], expected, rtol=1e-6)


def test_what_cannot_learn_is_refused():
    recordings = read_recordings()
    network = train(recordings).network
    for more, message in (
        ({"trainer": "lst"}, "Did you mean 'last'"),
        ({"trainer": "all", "precision": "int8", "recordings": recordings}, "int8 network cannot learn"),
        ({"trainer": "all", "learning_rate": -1.0}, "from 1e-30 to 1e.30, found -1.0"),
        ({"trainer": "all", "learning_rate": 1e39}, "found 1e.39"),
        ({"trainer": "all", "learning_rate": 1e-50}, "found 1e-50"),
        ({"trainer": "all", "learning_rate": float("nan")}, "found nan"),
        ({"trainer": "all", "name": "stdint"}, "would hide another"),
        ({"trainer": "all", "name": "trainer"}, "would hide another"),
    ):
        with pytest.raises(ArgumentError, match=message):
            export_network(network, "c", **more)
    with pytest.raises(ArgumentError, match="no trainer"):
        export_network(network, "onnx", trainer="all")
    with pytest.raises(ArgumentError, match="none of the network's classes"):
        targets(network, ["other"])


def test_the_trainer_says_how_much_memory_it_needs():
    artefact = export_network(train(read_recordings()).network, "c", trainer="last")
    memory = trainer_memory(artefact.model, "last")
    assert memory.weights == 4 * 2 * 33
    (note,) = [note for note in artefact.notes if "bytes of RAM" in note]
    said = [f"{memory.weights:,} bytes", *(f"{n:,}" for n in memory.stacks.values()), *memory.stacks]
    top = artefact.files["trainer.h"].decode().split("struct model_trainer {")[0]
    assert all(fact in note and fact in top for fact in said)
    assert "too much" not in note


def test_it_is_said_when_a_trainer_is_too_much_for_an_uno():
    network = random_network(np.random.default_rng(0), (40, 20, 4), classes=tuple("abcd"))
    (note,) = [n for n in export_network(network, "arduino", trainer="all").notes if "bytes of RAM" in n]
    memory = trainer_memory(make_board_model(network), "all")
    assert f"for an Uno {memory.weights + memory.stacks['Uno'] - 2048:,} bytes too much" in note


def test_a_trainer_of_another_network_does_not_compile(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: apt install gcc")
    one, other = (random_network(np.random.default_rng(n), (3, 2), classes=("a", "b")) for n in (0, 1))
    files = export_network(one, "c", trainer="all").files
    write(tmp_path, {name: content.decode() for name, content in files.items()})
    build(tmp_path, ["gcc", "-std=c99", "example.c", "-o", "program"])
    (tmp_path / "model.h").write_bytes(export_network(other, "c").files["model.h"])
    done = subprocess.run(["gcc", "-std=c99", "example.c"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "are of different networks" in done.stderr


CHIPS = {"uno": "Uno", "cortex-m0+": "Cortex-M0+", "cortex-m4f": "Cortex-M4F"}
NETWORKS = {  # kinds of inputs, readings, steps, channels, hidden layers, activation, last, outputs
    "course": (("raw",), 3, 3, 1, (32,), "relu", "softmax", 2),
    "gestures": (("raw",), 20, 8, 3, (8, 6), "tanh", "softmax", 4),
    "summary": (("summary",), 30, 30, 3, (10,), "relu", "softmax", 3),
    "raw and summary": (("raw", "summary"), 12, 8, 2, (9, 5), "sigmoid", "sigmoid", 3),
    "spectrum": (("spectrum",), 40, 40, 1, (8,), "leaky_relu", "softmax", 3),
    "quantity": (("raw",), 12, 12, 1, (12, 6), "relu", "linear", 1),
    "one layer": (("raw",), 12, 12, 2, (), "", "softmax", 4),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("chip", CHIPS)
def test_the_stated_stack_is_that_of_learning_a_recording(chip, kind, part):
    feed = feeder(chip)
    kinds, n_readings, n_steps, n_channels, hidden, activation, last, n_outputs = NETWORKS[kind]
    random = np.random.default_rng(11)
    p = random_preparation(random, kinds, n_channels, n_readings, n_steps, False)
    classes = None if n_outputs == 1 else tuple("abcd"[:n_outputs])
    sizes = (p.n_inputs, *hidden, n_outputs)
    network = random_network(random, sizes, activation, last, classes=classes, preparation=p)
    model = make_board_model(network, n_readings=n_readings)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(3, n_readings, n_channels))
    _, cost = feed(learning(model, part, 0.01, list(readings), np.zeros(3)))
    stated = trainer_memory(model, part).stacks[CHIPS[chip]]
    assert 0.9 * cost.stack <= stated <= max(1.2 * cost.stack, cost.stack + 32), (cost.stack, stated)


# ---------------------------------------------------------------- the exported programs learn

ARDUINO = "/usr/share/arduino/hardware/arduino/avr"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
ARDUINO_H = """#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define F(text) text
#define HEX 16
enum { A0 = 14 };
static const char *typed_here; /* one character a look; "_" for none */
struct SerialStandIn {
    void begin(long) {}
    int read() {
        const int c = *typed_here ? *typed_here++ : '_';
        return c == '_' ? -1 : c;
    }
    void print(const char *text) { printf("%s", text); }
    void print(int number) { printf("%d", number); }
    void print(unsigned int number, int) { printf("%X", number); }
    void print(double number, int digits) { printf("%.*f", digits, number); }
    void println() { printf("\\n"); }
    template <typename T> void println(T what) { print(what), println(); }
    template <typename T> void println(T what, int more) { print(what, more), println(); }
};
static SerialStandIn Serial;
static unsigned long now = 0;
static unsigned long micros() { return now += 100; }
static FILE *sensor;
static int analogRead(int) {
    int value = 0;
    if (fscanf(sensor, "%d", &value) != 1) exit(9);
    return value;
}
"""
ARDUINO_MAIN = """
#include "SKETCH"
int main(int, char **arguments) {
    sensor = fopen("sensor", "r");
    typed_here = arguments[1];
    setup();
    for (int n = atoi(arguments[2]); n; --n) loop();
    FILE *weights = fopen("weights", "wb");
    fwrite(trainer.weights, sizeof trainer.weights, 1, weights);
    return fclose(weights);
}
"""
IDF_STUBS = {
    "esp_timer.h": "#include <stdint.h>\nint64_t esp_timer_get_time(void);\nfloat sensed(void);\n",
    "freertos/FreeRTOS.h": "",
    "freertos/task.h": "void vTaskDelay(int ticks);\n",
}
IDF_MAIN = """
#include "main.c"
#include <stdlib.h>
static int64_t now;
static FILE *sensor;
static const char *typed_here;
int64_t esp_timer_get_time(void) { return now; }
void vTaskDelay(int ticks) { now += 10000 * ticks; }
int board_typed(void);
int board_typed(void) {
    const int c = *typed_here ? *typed_here++ : '_';
    return c == '_' ? EOF : c;
}
float sensed(void) {
    float value = 0.0f;
    if (fscanf(sensor, "%f", &value) == 1) return value;
    FILE *weights = fopen("weights", "wb");
    fwrite(trainer.weights, sizeof trainer.weights, 1, weights);
    exit(fclose(weights));
}
int main(int n, char **arguments) {
    sensor = fopen("sensor", "r");
    typed_here = arguments[n - 1];
    app_main();
}
"""


def board_network(window, quantity, n_readings=4):
    """A network with two channels of whole numbers, as analogue pins give them, for the exported programs."""
    random = np.random.default_rng(6)
    p = Preparation(
        ("x", "y"),
        ("", ""),
        n_readings,
        False,
        (500.0, 480.0),
        (200.0, 150.0),
        rate_hz=50.0,
        window=n_readings if window else 0,
        hop=3 if window else 0,
        **({"answer_offset": 20.0, "answer_scale": 5.0} if quantity else {}),
    )
    sizes = (p.n_inputs, 5, 1 if quantity else 3)
    classes = None if quantity else ("a b", 'c"%d', "d\\")
    last = "linear" if quantity else "softmax"
    return random_network(random, sizes, "tanh", last, classes=classes, preparation=p)


def numbers_of(rows):
    return "\n".join(" ".join(f"{x:.0f}" for x in row.ravel()) for row in rows) + "\n"


def taught(model, readings, answers, part, rate):
    """The weights after each step on readings, as the definition has them, and the losses before."""
    p, network = model.preparation, model.network
    inputs = prepared(p, readings)
    if network.classes is None:
        scaled = (np.float32(answers) - np.float32(p.answer_offset)) / np.float32(p.answer_scale)
        expected = scaled[:, None]
    else:
        expected = np.eye(3)[answers]
    steps = trained_on_board(network, inputs, expected, rate, part)
    before = [network, *steps[:-1]]
    outputs = np.array([net.outputs(x[None])[0] for net, x in zip(before, inputs, strict=True)])
    return trained_weights(steps[-1], part), 0.5 * ((outputs - expected) ** 2).sum(axis=1)


def build(folder, command):
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")


def run(folder, *arguments, **more):
    """Run the program and return the lines that it says, and the weights that it ends with."""
    done = subprocess.run(["./program", *arguments], cwd=folder, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    weights = folder / "weights"
    return done.stdout.splitlines(), np.fromfile(weights, "<f4") if weights.exists() else None


def losses_said(lines):
    return [float(line.split("loss=")[1]) for line in lines if line.startswith("Learnt: ")]


@pytest.mark.parametrize("name", ["model", "wave"])
@pytest.mark.parametrize("target", ["arduino", "platformio"])
@pytest.mark.parametrize("quantity", [False, True])
def test_a_sketch_learns_the_last_recording_as_what_is_typed(quantity, target, name, tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: apt install g++")
    model = make_board_model(board_network(False, quantity), n_readings=4)
    options = projects.Options(name, "all", 0.1)
    files = {"arduino": projects.arduino_files, "platformio": projects.platformio_files}[target]
    readings = np.random.default_rng(1).integers(0, 1024, (3, 4, 2)).astype(float)
    sketch = "recognise/recognise.ino" if target == "arduino" else "src/main.cpp"
    files = files(model, "", options)
    write(tmp_path, files | {"Arduino.h": ARDUINO_H, "sensor": numbers_of(readings)})
    (tmp_path / "main.cpp").write_text('#include "Arduino.h"\n' + ARDUINO_MAIN.replace("SKETCH", sketch))
    folders = ("-I.", "-Iinclude", "-Irecognise")
    build(tmp_path, ["g++", "-std=c++17", "-O2", *STRICT, *folders, "main.cpp", "-o", "program"])
    if quantity:
        # Before there is a recording; one, learnt twice; nonsense; forgotten; two more, learnt once each.
        typed = "= 7\nr= 12.5\n= -3e1\n= nan\n5\n=\n0\nr= 21\nr=30\n"
        kept, answers = readings[[1, 2]], np.array([21.0, 30.0])
        first_loss = taught(model, readings[[0, 0]], np.array([12.5, -30.0]), "all", 0.1)[1]
    else:
        typed = "2\nr= d\\\n1\n9\n3x\n=  \n0\nr= 2\nr=a b\r\n"  # numbers, and labels behind "="
        kept, answers = readings[[1, 2]], np.array([1, 0])
        first_loss = taught(model, readings[[0, 0]], np.array([2, 0]), "all", 0.1)[1]
    said, weights = run(tmp_path, typed, str(len(typed) + 5))
    wanted, losses = taught(model, kept, answers, "all", 0.1)
    np.testing.assert_array_equal(weights, wanted)
    assert (weights != trained_weights(model.network, "all")).any()
    np.testing.assert_allclose(losses_said(said), [*first_loss, *losses], atol=6e-5)
    assert said.count("There is no recording yet") == 1
    assert said.count("Forgotten") == 1
    assert sum(line.startswith("Prediction: ") for line in said) == 3
    if quantity:
        assert (
            said.count("= 12.5: one of 12.5, or of any other number") == 1 + 3
        )  # at first, and for what is no quantity
    else:
        assert said[:4] == ["Type what the last recording is:", "1: a b", '2: c"%d', "3: d\\"]
        assert said.count("1: a b") == 1 + 3  # for 9, 3x and nothing
        assert [line.split(",")[0] for line in said if "Learnt" in line][-2:] == [
            'Learnt: c"%d',
            "Learnt: a b",
        ]


def test_what_was_learnt_decides_on_the_predictions_of_a_sketch(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: apt install g++")
    model = make_board_model(board_network(False, False), n_readings=4)
    readings = np.repeat(np.random.default_rng(1).integers(0, 1024, (1, 4, 2)).astype(float), 2, axis=0)
    before = int(model.network.outputs(prepared(model.preparation, readings[:1])).argmax())
    other = (before + 1) % 3
    files = projects.arduino_files(model, "", projects.Options("model", "last", 0.2))
    write(tmp_path, files | {"Arduino.h": ARDUINO_H, "sensor": numbers_of(readings)})
    main = '#include "Arduino.h"\n' + ARDUINO_MAIN.replace("SKETCH", "recognise/recognise.ino")
    (tmp_path / "main.cpp").write_text(main)
    build(tmp_path, ["g++", "-std=c++17", "-O2", *STRICT, "-I.", "-Irecognise", "main.cpp", "-o", "program"])
    typed = "r" + f"{other + 1}\n" * 30 + "rt"
    said, _ = run(tmp_path, typed, str(len(typed) + 5))
    labels = [line[12:].split(", p=")[0] for line in said if line.startswith("Prediction: ")]
    assert labels == [model.network.classes[before], model.network.classes[other]]
    assert losses_said(said)[-1] < losses_said(said)[0]
    assert said[-1].startswith(selftest_line(model).partition("hash=")[0])


@pytest.mark.parametrize("quantity", [False, True])
@pytest.mark.parametrize("target", ["arduino", "esp-idf"])
def test_a_program_with_windows_learns_the_one_that_is_complete_next(target, quantity, tmp_path):
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        pytest.skip("gcc is missing: apt install gcc g++")
    model = make_board_model(board_network(True, quantity))
    signal = np.random.default_rng(1).integers(0, 1024, (19, 2)).astype(float)
    windows = np.stack([signal[at : at + 4] for at in range(0, 16, 3)])  # of 4, 3 apart
    options = projects.Options("model", "all", 0.1)
    # A look at the line for each reading: the second window is complete after 7, the fourth after 13.
    typed = "_____=12.5\n__=21\n" if quantity else "_____2\n___3\n"
    wanted, losses = [], []
    write(tmp_path, {"sensor": numbers_of(signal)})
    if target == "arduino":
        write(tmp_path, projects.arduino_files(model, "", options) | {"Arduino.h": ARDUINO_H})
        main = '#include "Arduino.h"\n' + ARDUINO_MAIN.replace("SKETCH", "recognise/recognise.ino")
        (tmp_path / "main.cpp").write_text(main)
        build(tmp_path, ["g++", "-std=c++17", *STRICT, "-I.", "-Irecognise", "main.cpp", "-o", "program"])
        said, weights = run(tmp_path, typed, "19")
    else:
        files = projects.esp_idf_files(model, "", options)
        files["main/main.c"] = files["main/main.c"].replace("= 0.0f;", "= sensed();", 1)
        write(tmp_path, files | {f"stubs/{n}": text for n, text in IDF_STUBS.items()} | {"board.c": IDF_MAIN})
        folders = ("-Istubs", "-Imain", "-Dgetchar=board_typed")
        build(tmp_path, ["gcc", "-std=gnu17", *STRICT, *folders, "board.c", "-o", "program"])
        said, weights = run(tmp_path, typed, stdin=subprocess.DEVNULL)
    learnt = [number for number, line in enumerate(said) if line.startswith("Learnt: ")]
    n_before = [sum(line.startswith("Prediction: ") for line in said[:number]) for number in learnt]
    assert len(n_before) == 2
    which = np.array(n_before) - 1  # the window predicted in the line before is the one that is learnt
    answers = np.array([12.5, 21.0]) if quantity else np.array([1, 2])
    wanted, losses = taught(model, windows[which], answers, "all", 0.1)
    np.testing.assert_array_equal(weights, wanted)
    np.testing.assert_allclose(losses_said(said), losses, atol=6e-5)
    assert sum(line.startswith("Prediction: ") for line in said) == 6


COMPILERS = (("gcc", "-std=c99"), ("g++", "-x", "c++", "-std=c++11"), ("clang", "-std=c99"))


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("quantity", [False, True])
def test_the_example_for_a_pc_learns_between_recordings(quantity, compiler, tmp_path):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is missing")
    model = make_board_model(board_network(False, quantity), n_readings=4)
    write(tmp_path, projects.c_files(model, "", projects.Options("wave", "last", 0.1)))
    # What it ends with is written by a line of the test's.
    text = (tmp_path / "example.c").read_text()
    at = text.rindex("    return 0;")
    shown = (
        '    {\n        FILE *file = fopen("weights", "wb");\n'
        "        fwrite(trainer.weights, sizeof trainer.weights, 1, file);\n        fclose(file);\n    }\n"
    )
    (tmp_path / "main.c").write_text(text[:at] + shown + text[at:])
    build(tmp_path, [*compiler, *STRICT, "example.c", "-o", "program"])
    build(tmp_path, [*compiler, *STRICT, "main.c", "-o", "program"])
    readings = np.random.default_rng(1).integers(0, 1024, (2, 4, 2)).astype(float)
    one, other = (numbers_of(readings[[n]]) for n in (0, 1))
    given = (
        f"= 3\n{one}= 12.5\n0\n= 15\n\n{other}=30\n"
        if quantity
        else f"2\n{one}= d\\\n0\n= 3\n\n{other}=a b\n"
    )
    answers = np.array([15.0, 30.0]) if quantity else np.array([2, 0])
    said, weights = run(tmp_path, input=given + "1 2 3\n")
    wanted, losses = taught(model, readings, answers, "last", 0.1)
    np.testing.assert_array_equal(weights, wanted)
    np.testing.assert_allclose(losses_said(said)[1:], losses, atol=6e-5)
    assert said.count("There is no recording yet") == 1
    assert said[-1] == "A recording is a line of 8 numbers"


@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("quantity", [False, True])
def test_the_sketch_with_a_trainer_compiles_with_the_core_of_the_uno(quantity, window, tmp_path):
    if shutil.which("avr-g++") is None or not Path(ARDUINO).is_dir():
        pytest.skip("the Arduino core is missing: apt install gcc-avr arduino-core-avr")
    model = make_board_model(board_network(window, quantity), n_readings=4)
    write(tmp_path, projects.arduino_files(model, "", projects.Options("wave", "all", 0.1)))
    for sketch in tmp_path.rglob("*.ino"):
        command = [
            *("avr-g++", "-mmcu=atmega328p", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_AVR_UNO"),
            *("-std=gnu++11", "-fno-exceptions", "-Os", "-Wall", "-Wextra"),
            *(f"-I{ARDUINO}/cores/arduino", f"-I{ARDUINO}/variants/standard", "-ITinyglassWave/src"),
            *("-include", "Arduino.h", "-x", "c++", "-c", str(sketch), "-o", "sketch.o"),
        ]
        made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        assert not re.search(r"(wave\w*\.h|recognise\.ino):\d+.*warning", made.stderr), made.stderr
    properties = (tmp_path / "TinyglassWave" / "library.properties").read_text()
    assert "includes=wave.h,wave_trainer.h" in properties
