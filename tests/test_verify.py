"""Verification: every executor that is here, compared with the PC; and export from the command line."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import tty
from dataclasses import replace

import numpy as np
import pytest

from board_networks import random_network, random_preparation
from consoles import needs_micropython
from tinyglass import Network, Recording, read_recordings, save_recordings, train
from tinyglass.board.simulated import SimulatedBoard
from tinyglass.export import verifying
from tinyglass.export.board_model import make_board_model, selftest_line
from tinyglass.export.executors import pythons, wasm
from tinyglass.export.executors.answers import Executed
from tinyglass.export.executors.compiling import CompilerError, TooLargeError
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.learning import PARTS
from tinyglass.export.verifying import examples_of, foretell, verify_model
from tinyglass.export.verifying_learning import verify_trainer

needs_32_bits = pytest.mark.skipif(not wasm.is_there(), reason='pip install "tinyglass[devices]"')


@pytest.fixture(scope="module")
def network():
    return train(read_recordings()).network


@pytest.fixture(scope="module")
def training(tmp_path_factory, command):
    folder = tmp_path_factory.mktemp("trained") / "m"
    done = command("train", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def motion(n=40, length=60):
    """Recordings of two movements, of six channels."""
    random = np.random.default_rng(0)
    names = ("ax", "ay", "az", "gx", "gy", "gz")
    units = ("m/s²",) * 3 + ("rad/s",) * 3
    recordings = []
    for i in range(n):
        speed = (2, 5)[i % 2]
        t = np.arange(length + 10 * (i % 3)) / 50
        signal = np.sin(speed * 2 * np.pi * t)[:, None] * np.arange(1, 7) + random.normal(size=(len(t), 6))
        recordings.append(
            Recording(signal, names, units, rate_hz=50.0, label=("slow", "fast")[i % 2], source=f"motion {i}")
        )
    return recordings


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(
    "inputs", [{}, {"inputs": ("summary",)}, {"window": 40, "hop": 20, "inputs": ("spectrum",)}]
)
def test_every_executor_that_is_here_computes_what_the_pc_computes(precision, inputs):
    from tinyglass import Settings

    recordings = motion()
    trained = train(recordings, Settings(epochs=20, hidden=(8,), **inputs)).network
    model = make_board_model(trained, precision, recordings)
    verified, missing = verify_model(model, examples_of(model, recordings[:9]))
    fitting = [v for v in verified if not v.fault]
    assert {v.title for v in verified if v.fault} <= {"Arduino Uno"}
    assert [v.title for v in fitting if not v.sound] == []
    wanted = {e.title for e in EXECUTORS if e.form != "onnx" or precision == "float32"}
    assert {v.title for v in verified} - {
        "CircuitPython, model",
        "CircuitPython 2025, model",
    } == wanted - {e.title for e in missing}
    if precision == "int8":
        assert len([v for v in fitting if v.exact == v.n]) >= len(EXECUTORS) - len(missing) - 2


def test_int8_is_exact_on_at_least_eight_targets_where_they_are_here(network):
    recordings = read_recordings()
    model = make_board_model(network, "int8", recordings)
    verified, missing = verify_model(model, examples_of(model, recordings))
    if missing:
        pytest.skip(f"missing: {', '.join(f'{e.title} ({e.install})' for e in missing)}")
    assert len([v for v in verified if v.exact == v.n == 10]) >= 8


def test_a_wrong_answer_is_found(network, monkeypatch):
    recordings = read_recordings()
    for precision in ("float32", "int8"):
        model = make_board_model(network, precision, recordings)
        examples = examples_of(model, recordings)
        right = foretell(model, examples)
        for answers in (
            Executed(right.sums + (1 if precision == "int8" else 1e-5), right.outputs, right.places),
            Executed(right.sums * 2, 1 - right.outputs, 1 - right.places),
        ):
            wrong = EXECUTORS[0]._replace(run=lambda model, readings, answers=answers: answers)
            monkeypatch.setattr(verifying, "EXECUTORS", (wrong,))
            (first, *_), _ = verify_model(model, examples)
            assert not first.sound
            assert first.exact == 0


def test_what_is_missing_or_does_not_fit_is_named(network, monkeypatch):
    def too_large(model, readings):
        raise CompilerError("It does not fit", "a board", "Use another")

    by_name = {e.name: e for e in EXECUTORS}
    gone = by_name["gcc"]._replace(is_there=lambda: False)
    full = by_name["g++"]._replace(run=too_large)
    monkeypatch.setattr(verifying, "EXECUTORS", (gone, full))
    model = make_board_model(network)
    verified, missing = verify_model(model, examples_of(model, read_recordings()), ["c"])
    assert [e.title for e in missing] == ["gcc, C99"]
    assert "does not fit" in verified[0].fault


def test_recordings_of_any_length_are_verified_each_at_its_own():
    random = np.random.default_rng(0)
    p = replace_resample(random_preparation(random, ("raw", "summary"), 2, 20, 8, False))
    network = random_network(random, (p.n_inputs, 4, 2), classes=("a", "b"), preparation=p)
    recordings = [
        Recording(random.normal(size=(n, 2)), p.channels, p.units, label="a") for n in (1, 2, 8, 20, 33, 100)
    ]
    model = make_board_model(network, n_readings=20)
    verified, _ = verify_model(model, examples_of(model, recordings))
    assert [v for v in verified if not v.sound] == []
    assert {v.n for v in verified} == {6}


@needs_32_bits
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_32_bits_answer_to_any_number_of_recordings(network, precision):
    """Of more than are given at once, each answer stands at its place."""
    recordings = read_recordings()
    model = make_board_model(network, precision, recordings)
    readings = examples_of(model, recordings).readings
    many = pythons.run_in_python("micropython-32", model, readings * (pythons.AT_ONCE // 4))
    once = pythons.run_in_python("cpython", model, readings)
    assert len(many.places) > 2 * pythons.AT_ONCE
    np.testing.assert_array_equal(many.places, np.tile(once.places, pythons.AT_ONCE // 4))
    np.testing.assert_allclose(many.outputs[-10:], once.outputs, atol=1e-12)
    if precision == "int8":
        np.testing.assert_array_equal(many.sums[-10:], once.sums)


@needs_32_bits
def test_32_bits_count_their_instructions_and_say_what_fails(tmp_path):
    (tmp_path / "given").write_text("from a file")
    code = """
import gc, sys, time
gc.disable()
print(open("given").read(), sys.maxsize == 2**31 - 1, 1 / 3 == 0.3333333333333333)
x = 0.5
before = after = 0
before = gc.mem_alloc()
x = x + x
after = gc.mem_alloc()
print(after - before)
def work(n):
    for i in range(n):
        i * 3
for n in (100, 200, 300):
    begin = time.ticks_us()
    work(n)
    print(time.ticks_us() - begin)
"""
    told, size, *counts = wasm.run_program(code, tmp_path).splitlines()
    assert told == "from a file True True"
    assert int(size) == 16  # a number with a point takes one block of 16 bytes
    first, second, third = map(int, counts)
    assert 100 * 500 < third - second < 1.1 * (second - first) < 100 * 2_000
    assert wasm.run_program(code, tmp_path).splitlines()[2:] == counts
    with pytest.raises(CompilerError, match="ZeroDivisionError"):
        wasm.run_program("1 / 0", tmp_path)
    with pytest.raises(TooLargeError):
        wasm.run_program("x = [0]\nwhile True:\n    x = x + x", tmp_path, heap=1 << 20)
    with pytest.raises(CompilerError, match="all fuel consumed"):
        wasm.run_program("while True:\n    pass", tmp_path, most=10**7)


def replace_resample(p):
    return type(p)(**{name: getattr(p, name) for name in p.__struct_fields__} | {"resample": True})


@pytest.mark.parametrize("part", PARTS)
def test_every_step_of_a_trainer_is_the_pc_s_step(network, part):
    recordings = read_recordings()
    model = make_board_model(network, "float32", recordings)
    verified, _ = verify_trainer(model, recordings, part, 0.05)
    assert [v for v in verified if not v.sound] == []
    assert {"CPython"} < {v.title for v in verified}


# ---------------------------------------------------------------- the command line


def test_verify_prints_one_table_a_precision(here, training):
    done = here("verify", training, "--target", "c", "--show")
    assert done.returncode == 0, done.stderr
    assert "float32: 10 recordings, compared with the PC" in done.stdout
    assert "int8: 10 recordings, compared with the PC" in done.stdout
    assert "WRONG" not in done.stdout
    assert done.stdout.count("Prediction: moving_") == 20


def test_verify_tells_everything_in_json(here, training):
    done = here("verify", training, "--target", "arduino", "--json")
    facts = json.loads(done.stdout)
    assert {v["precision"] for v in facts["verified"]} == {"float32", "int8"}
    assert all(v["sound"] for v in facts["verified"])
    assert facts["agreement"]["int8"]["equal"] == 1.0


def test_recordings_may_be_named_after_an_option(here, training, tmp_path):
    save_recordings(read_recordings()[:4], tmp_path / "data.csv")
    for words in (["--target", "onnx", tmp_path / "data.csv"], [tmp_path / "data.csv", "--target", "onnx"]):
        done = here("verify", training, *words)
        assert done.returncode == 0, done.stderr
        assert "float32: 4 recordings, compared with the PC" in done.stdout


def test_verify_exits_with_1_where_an_answer_is_wrong(here, training, monkeypatch):
    wrong = EXECUTORS[0]._replace(
        run=lambda model, readings: Executed(None, np.zeros((len(readings), 2)), np.zeros(len(readings), int))
    )
    monkeypatch.setattr(verifying, "EXECUTORS", (wrong,))
    done = here("verify", training)
    assert done.returncode == 1
    assert "WRONG" in done.stdout


def test_verify_with_a_trainer(here, training):
    done = here("verify", training, "--trainer", "last", "--target", "c")
    assert done.returncode == 0, done.stderr
    assert "10 steps, each compared with the PC's" in done.stdout
    assert "bytes of RAM" in done.stdout
    done = here("verify", training, "--trainer", "last", "--target", "circuitpython")
    assert done.returncode == 0, done.stderr
    assert "in C" not in done.stdout
    assert "bytes of memory more" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "MODEL", "--precision", "in8"], "Did you mean 'int8'"),
        (["verify", "MODEL", "--target", "ardino"], "Did you mean 'arduino'"),
        (["verify", "MODEL", "nowhere"], "There is no such file or folder"),
        (["verify", "nowhere"], "Check the spelling"),
        (["verify", "MODEL", "--trainer", "some"], "Unknown part"),
        (["verify", "MODEL", "--trainer", "last", "--target", "onnx"], "There is no trainer for ONNX"),
        (["verify", "MODEL", "--trainer", "last", "--precision", "int8"], "An int8 network cannot learn"),
        (["verify", "MODEL", "--trainer", "last", "--show"], "Leave out --show or --trainer"),
        (["verify", "MODEL", "--learning-rate", "0.1"], "no trainer is asked for"),
        (["verify", "MODEL", "--target", "c", "DATA", "MORE"], "Unexpected word 'MORE'"),
        (["export", "MODEL", "--target", "c", "--out", "OUT", "--sensor", "motion"], "Leave out --sensor"),
        (["export", "MODEL", "--target", "onnx", "--out", "OUT", "--style", "loop"], "Leave out --style"),
        (["export", "MODEL", "--target", "c", "--out", "OUT", "--learning-rate", "0.1"], "no trainer"),
        (["export", "MODEL", "--target", "circuitpyton", "--out", "OUT"], "Did you mean 'circuitpython'"),
        (["export", "MODEL", "--target", "c", "--out", "MODEL/model.safetensors"], "a file, not a folder"),
        (["export", "MODEL", "--target", "c", "--out", "OUT", "--recordings", "nowhere"], "no such file"),
        (["export", "MODEL", "--target", "c", "--out", "OUT", "--precision", "int16"], "Unknown precision"),
        (["export", "MODEL", "--target", "c"], "--out"),
        (["export", "MODEL", "--target", "micropython", "--out", "OUT", "--sensor", "camera"], "camera"),
    ],
)
def test_what_a_careless_user_types_is_answered_with_what_is_right(here, training, tmp_path, words, message):
    words = [word.replace("MODEL", str(training)).replace("OUT", str(tmp_path / "out")) for word in words]
    done = here(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "target", ["circuitpython", "micropython", "c", "arduino", "platformio", "esp-idf", "onnx"]
)
def test_export_writes_what_it_says(here, training, tmp_path, target):
    done = here("export", training, "--target", target, "--out", tmp_path / "out", "--json")
    facts = json.loads(done.stdout)
    for path, size in facts["files"].items():
        assert (tmp_path / "out").joinpath(path).stat().st_size == size
    assert re.fullmatch(r"selftest [0-9a-f]{16} float32 8/8 hash=[0-9a-f]{8}", facts["selftest"])
    again = here("export", training, "--target", target, "--out", tmp_path / "out")
    assert "kept" not in again.stdout
    assert facts["selftest"] in again.stdout


def test_int8_and_a_model_file_alone_need_recordings_by_name(here, training, tmp_path):
    alone = tmp_path / "model.safetensors"
    shutil.copy(training / "model.safetensors", alone)
    words = ("export", alone, "--target", "c", "--precision", "int8", "--out", tmp_path / "out")
    done = here(*words)
    assert done.returncode == 2
    assert "--recordings PATH" in done.stderr
    save_recordings(read_recordings(), tmp_path / "data.csv")
    assert here(*words, "--recordings", tmp_path / "data.csv").returncode == 0


# ---------------------------------------------------------------- boards on the wire


@needs_micropython
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_board_on_the_wire_proves_itself_or_not(command, training, tmp_path, precision):
    out = tmp_path / "out"
    words = ("export", training, "--target", "circuitpython", "--precision", precision, "--out", out)
    assert command(*words).returncode == 0
    with SimulatedBoard(tmp_path / "kit") as board:
        shutil.copy(out / "model.py", board.drive / "model.py")
        done = command("verify", training, "--port", board.port)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The board computes what the PC computes." in done.stdout
        text = (board.drive / "model.py").read_text()
        (board.drive / "model.py").write_text(
            text.replace("_WEIGHTS", "_WEIGHTS", 1).replace("\\x", "\\x0", 1)
        )
        done = command("verify", training, "--port", board.port)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr


@needs_micropython
def test_a_board_is_not_accused_where_the_recordings_of_its_vectors_are_not_at_hand(command, tmp_path):
    data, model, out = tmp_path / "data.csv", tmp_path / "model", tmp_path / "out"
    save_recordings(read_recordings(), data)
    assert command("train", data, "--preset", "course", "--out", model).returncode == 0
    assert command("export", model, "--target", "circuitpython", "--out", out).returncode == 0
    elsewhere = data.rename(tmp_path / "elsewhere.csv")
    with SimulatedBoard(tmp_path / "kit") as board:
        shutil.copy(out / "model.py", board.drive / "model.py")
        done = command("verify", model, "--port", board.port)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--recordings PATH" in done.stderr
        done = command("verify", model, "--port", board.port, "--recordings", elsewhere)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_sketch_answers_to_the_letter_t(here, training):
    line = selftest_line(make_board_model(training / "model.safetensors", "float32", read_recordings()))
    board, port = pty.openpty()
    tty.setraw(port)
    heard = []

    def sketch():
        while b"!" not in b"".join(heard):
            heard.append(os.read(board, 100))
            if b"t" in heard[-1]:
                os.write(board, f"Prediction: a, p=0.9\r\n{line} error=0.000000030\r\n".encode())

    playing = threading.Thread(target=sketch)
    playing.start()
    try:
        done = here("verify", training, "--port", os.ttyname(port))
    finally:
        os.write(port, b"!")
        playing.join()
        os.close(board)
        os.close(port)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The board computes what the PC computes." in done.stdout


def test_a_network_of_numbers_is_verified_by_its_rows(tmp_path, here):
    table = tmp_path / "table.csv"
    rows = np.random.default_rng(0).normal(size=(60, 3))
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'up' if a + b > c else 'down'}" for a, b, c in rows]
    table.write_text("a,b,c,label\n" + "\n".join(lines) + "\n")
    assert here("train", table, "--out", tmp_path / "m", "--epochs", 30).returncode == 0
    done = here("verify", tmp_path / "m", table, "--target", "c", "--json")
    assert done.returncode == 0, done.stderr
    assert {v["n"] for v in json.loads(done.stdout)["verified"]} == {60}


def test_the_executors_do_not_need_the_folder_that_they_are_started_in(training, tmp_path):
    """A model.py or a fed.c that lies there must not be taken for ours."""
    for name in ("model.py", "fed.py", "model.h"):
        (tmp_path / name).write_text("this is neither Python nor C")
    done = subprocess.run(
        [sys.executable, "-m", "tinyglass.cli", "verify", str(training), "--precision", "float32"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert isinstance(Network.load(training / "model.safetensors"), Network)
    assert replace(Recording([[1.0]]), label="a").label == "a"
