"""Predicting live: the same numbers as for recordings of the same readings, and every fault said plainly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pexpect
import pytest

from conftest import PLAIN, wait_for
from tinyglass import (
    ArgumentError,
    Layer,
    Network,
    Preparation,
    Recording,
    RecordingError,
    Settings,
    TinyglassError,
    predict,
    read_recordings,
    train,
)
from tinyglass.board.listening import listen
from tinyglass.board.windows import Windows, windows_of
from wires import FakeBoard, framed, played, pressed, printing, recorder, terminal_environment

WINDOW, HOP = 10, 5


def gestures() -> list[Recording]:
    """Return waves and stillness, as an accelerometer of two axes sees them 50 times a second."""
    random = np.random.default_rng(7)
    t = np.arange(40)[:, None] / 5
    return [
        Recording(
            (i % 2) * np.sin(t + np.array([0, i])) + random.normal(0, 0.1, (40, 2)),
            ("x", "y"),
            ("g", "g"),
            50.0,
            label=("still", "wave")[i % 2],
            source=f"gesture {i}",
        )
        for i in range(12)
    ]


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that takes windows, and says probabilities."""
    run = train(gestures(), Settings(hidden=(4,), epochs=30, window=WINDOW, hop=HOP, **PLAIN))
    path = tmp_path_factory.mktemp("windows") / "model.safetensors"
    run.network.save(path)
    return path


@pytest.fixture
def hear(command: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(model: Path, board: Any, *words: Any) -> subprocess.CompletedProcess[str]:
        return command(
            "listen", model, "--port", board.port, "--timeout", "3", *words, stdin=subprocess.DEVNULL
        )

    return run


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def expected(path: Path, rows: list[Any], **about: Any) -> list[Any]:
    """Return what `predict` says about recordings of these readings."""
    network = Network.load(path)
    assert network.preparation is not None
    channels = network.preparation.channels
    return predict(network, [Recording(np.array(own), channels, **about) for own in rows])


def check_same(found: list[dict[str, Any]], predictions: list[Any]) -> None:
    assert [f["label"] for f in found] == [p.label for p in predictions]
    assert [f["best"] for f in found] == [p.best for p in predictions]
    assert [tuple(f["outputs"].values()) for f in found] == [p.outputs for p in predictions]
    assert [f["probability"] for f in found] == [p.probability for p in predictions]


# ---------------------------------------------------------------- the same numbers


def test_windows_of_the_recorders_stream_give_what_predict_gives(hear, windows, tmp_path):
    signal = gestures()[1].signal.tolist()
    with played(tmp_path, recorder([[tuple(row) for row in signal]], ("x", "y"), ("g", "g"))) as board:
        done = hear(windows, board, "--json", "--count", "7")
    found = objects(done)
    assert "stream 20" in board.heard
    check_same(found, expected(windows, [signal[i : i + WINDOW] for i in range(0, 31, HOP)]))
    assert found[1]["source"].endswith("port, readings 6–15")
    assert {f["by"] for f in found} == {"network"}
    assert board.heard[-1] == "stop"


def test_a_recording_in_one_window_is_what_the_window_gives(hear, windows, tmp_path):
    """A recording is the mean of its windows; of one window, that is the window."""
    recording = Recording(gestures()[1].signal[:WINDOW], ("x", "y"), ("g", "g"))
    (one,) = predict(Network.load(windows), [recording])
    rows = [tuple(row) for row in recording.signal.tolist()]
    with played(tmp_path, recorder([rows], ("x", "y"))) as board:
        check_same(objects(hear(windows, board, "--json", "--count", "1")), [one])


def test_whole_recordings_are_the_last_readings(hear, course_training, tmp_path):
    values = [(104.5,), (2.375,), (0.0,), (35.5,), (127.875,)]
    model = course_training / "model.safetensors"
    with played(tmp_path, recorder([values])) as board:
        found = objects(hear(course_training, board, "--json", "--count", "3"))
    assert "stream 250" in board.heard
    check_same(found, expected(model, [values[i : i + 3] for i in range(3)]))


def test_lines_are_matched_by_name_in_any_order(hear, windows, tmp_path):
    signal = gestures()[3].signal.round(4)
    lines = [f"y={y} temperature=20 x={x}" for x, y in signal]
    with played(tmp_path, printing([*lines, "# again"], 0.02)) as board:
        found = objects(hear(windows, board, "--json", "--count", "4", "--hop", "3"))
    several = np.concatenate([signal] * 20)
    possible = {tuple(p.outputs) for p in expected(windows, [several[i : i + WINDOW] for i in range(60)])}
    assert {tuple(f["outputs"].values()) for f in found} <= possible
    assert [f["source"].rpartition(" ")[2] for f in found] == ["1–10", "4–13", "7–16", "10–19"]


def test_the_courses_program_is_predicted_recording_by_recording(hear, course_training, course, tmp_path):
    def play(board: FakeBoard) -> None:
        board.wait_for_somebody()
        for recording in course[:4]:
            board.say(pressed(recording.signal.ravel().tolist()))
        board.say("Prediction: moving closer, p=0.93\r\n")
        board.wait(60)

    with played(tmp_path, play) as board:
        found = objects(hear(course_training, board, "--json", "--count", "5"))
    check_same(found[:4], predict(Network.load(course_training / "model.safetensors"), course[:4]))
    assert found[4] == {
        "by": "board",
        "source": f"{board.port}, said by the board",
        "label": "moving closer",
        "best": "moving closer",
        "probability": 0.93,
    }


def test_the_simulated_kit_is_listened_to(hear, course_training, course):
    from tinyglass.board.simulated import SimulatedBoard

    try:
        kit = SimulatedBoard()
    except TinyglassError as error:
        pytest.skip(str(error))
    with kit:
        kit.hand("still")
        found = objects(hear(course_training, kit, "--json", "--count", "2"))
    assert [f["source"].rpartition(" ")[2] for f in found] == ["1–3", "2–4"]
    assert set(found[0]["outputs"]) == {"moving_away", "moving_closer"}


def test_the_library_yields_the_same(windows, tmp_path):
    signal = gestures()[1].signal.tolist()
    with played(tmp_path, recorder([[tuple(row) for row in signal]], ("x", "y"))) as board:
        found = list(islice(listen(Network.load(windows), str(board.port), hop=1), 3))
    assert [p.outputs for p in found] == [
        p.outputs for p in expected(windows, [signal[i : i + WINDOW] for i in range(3)])
    ]


def test_a_regression_says_a_number(hear, tmp_path):
    preparation = Preparation(("x",), ("",), 1, False, (0.0,), (1.0,), 50.0)
    network = Network([Layer([[2.0]], [1.0], "linear")], preparation=preparation)
    network.save(tmp_path / "model.safetensors")
    with played(tmp_path, recorder([[(1.0,), (2.5,)]], ("x",))) as board:
        done = hear(tmp_path / "model.safetensors", board, "--count", "2", "--hop", "1")
    assert "3  (readings 1–1)\n6  (readings 2–2)\n" in done.stdout


# ---------------------------------------------------------------- what the board says itself


def test_what_the_board_predicts_is_shown(hear, course_training, tmp_path):
    said = ["a, p=b, p=0.9", "unknown, p=0.41", "3.5", "x, p=?"]
    with played(tmp_path, printing([*(f"Prediction: {one}" for one in said), "noise"], 0.01)) as board:
        found = objects(hear(course_training, board, "--json", "--count", "8"))
        plain = hear(course_training, board, "--count", "1").stdout
    told = {(f["label"], f["best"], f["probability"]) for f in found}
    assert told == {
        ("a, p=b", "a, p=b", 0.9),
        ("unknown", None, 0.41),
        ("3.5", "3.5", None),
        ("x, p=?", "x, p=?", None),
    }
    assert {f["by"] for f in found} == {"board"}
    assert "Found a program that predicts on the board." in plain
    assert "said by the board" in plain


def test_what_the_boards_program_says_of_itself_is_told(hear, course_training, tmp_path):
    said = [
        "> Learnt a\x1b[2J: the loss was 0.2",
        "Prediction: a, p=0.9",
        "> Starting recording in 1sec",
        "noise",
    ]
    with played(tmp_path, printing(said, 0.01)) as board:
        plain = hear(course_training, board, "--count", "3").stdout
    assert "The board says: Learnt a\N{REPLACEMENT CHARACTER}[2J: the loss was 0.2\n" in plain
    assert "Starting" not in plain
    assert "noise" not in plain


def test_less_sure_than_the_threshold_is_unknown(hear, windows, tmp_path):
    rows = [tuple(row) for row in gestures()[1].signal.tolist()]
    with played(tmp_path, recorder([rows], ("x", "y"))) as board:
        done = hear(windows, board, "--count", "1", "--threshold", "1")
    assert "unknown  " in done.stdout
    assert " %  (readings 1–10)" in done.stdout


# ---------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("lines", "words", "said"),
    [
        (["1,2,3"], (), "Expected 2 channels (x, y), found 3 (channel1, channel2, channel3)"),
        (["a=1 b=2"], (), "Expected 2 channels (x, y), found 2 (a, b)"),
        (["x=1"], (), "Expected 2 channels (x, y), found 1 (x)"),
        (["1,2"], ("--channels", "x"), "Expected 1 channel (x), found 2 channels"),
        (["1,2"], ("--readings", "7"), "The network takes 10 readings, not 7"),
        (["1,2"], ("--threshold", "2"), "Expected a number from 0 to 1, found 2.0. In --threshold."),
        (["1,2"], ("--rate", "0"), "--rate"),
    ],
)
def test_other_channels_and_lengths_are_refused(hear, windows, tmp_path, lines, words, said):
    with played(tmp_path, printing(lines, 0.02)) as board:
        done = hear(windows, board, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_units_that_differ_are_converted_or_refused(windows, tmp_path):
    network = Network.load(windows)
    signal = gestures()[1].signal[:WINDOW]
    rows = [tuple(row) for row in (signal * 9.80665).tolist()]
    with played(tmp_path, recorder([rows], ("x", "y"), ("m/s²", "m/s²"))) as board:
        found = next(listen(network, str(board.port)))
    assert found.outputs == pytest.approx(expected(windows, [signal])[0].outputs, abs=1e-5)


def test_a_network_that_takes_any_length_is_told_one():
    spectrum = Preparation(
        ("x",),
        ("",),
        8,
        True,
        (0.0,),
        (1.0,),
        inputs=("summary",),
        feature_offset=(0.0,) * 7,
        feature_scale=(1.0,) * 7,
    )
    with pytest.raises(ArgumentError, match="--readings N"):
        windows_of(spectrum, 50.0, None, None)
    assert windows_of(spectrum, 50.0, 100, None) == Windows(100, 12)
    assert windows_of(spectrum, None, 100, 7) == Windows(100, 7)


def test_a_network_without_a_rate_is_told_one(hear, tmp_path):
    network = Network(
        [Layer([[1.0]], None, "linear")], preparation=Preparation(("x",), ("",), 1, False, (0.0,), (1.0,))
    )
    network.save(tmp_path / "model.safetensors")
    with played(tmp_path, recorder([[(1.0,)]], ("x",))) as board:
        done = hear(tmp_path / "model.safetensors", board)
        assert (done.returncode, "Say it: --period MS, or --rate HZ" in done.stderr) == (2, True)
    with played(tmp_path, recorder([[(1.0,)]], ("x",))) as board:
        assert hear(tmp_path / "model.safetensors", board, "--rate", "8", "--count", "1").returncode == 0
    assert "stream 125" in board.heard
    network = Network([Layer([[1.0]], None, "linear")])
    with pytest.raises(ArgumentError, match="trained on numbers"):
        next(listen(network, "/nowhere"))


def test_readings_that_come_at_another_rate_are_told(hear, windows, tmp_path):
    with played(tmp_path, printing(["0.1,0.2"], 0.005)) as board:
        done = hear(windows, board, "--count", "20")
    assert done.returncode == 0
    assert "; the network was trained on 50 Hz." in done.stdout


def test_a_wild_reading_is_left_out_and_told(hear, windows, tmp_path):
    rows: list[Any] = [(0.1, 0.2)] * 9 + [(1e300, 0.0)] + [(0.1, 0.2)] * 15
    with played(tmp_path, recorder([rows], ("x", "y"))) as board:
        done = hear(windows, board, "--count", "1")
    assert done.returncode == 0
    assert "A reading is too large" in done.stdout
    assert "(readings 11–20)" in done.stdout


def test_garbage_in_a_stream_is_counted(hear, windows, tmp_path):
    lines = framed([(0.1, 0.2)] * 12, 20, "streaming").replace("\r\n", "\r\n0,1\r\n", 1)
    with played(tmp_path, recorder([lines], ("x", "y"))) as board:
        done = hear(windows, board, "--count", "1")
    assert "1 line skipped: expected 3 numbers, found 2 (line " in done.stdout


# ---------------------------------------------------------------- the end


def test_a_stream_that_stops_is_told(hear, windows, tmp_path):
    with played(tmp_path, recorder([[(0.1, 0.2)] * 12], ("x", "y"))) as board:
        done = hear(windows, board, "--timeout", "0.5")
    assert done.returncode == 2
    assert "The board has sent no reading for" in done.stderr
    assert ", after 12. In " in done.stderr


def test_an_error_of_the_recorder_is_told(hear, windows, tmp_path):
    with played(tmp_path, recorder(["# streaming\r\n# error OSError: gone\r\n"], ("x", "y"))) as board:
        done = hear(windows, board)
    assert done.returncode == 2
    assert "The recorder on the board says: OSError: gone" in done.stderr


def test_an_unplugged_board_ends_it(hear, windows, tmp_path):
    def leave(board: FakeBoard) -> None:
        board.say(framed([(0.1, 0.2)] * 12, 20, "streaming"))
        board.wait(0.5)
        board.unplug()

    with played(tmp_path, recorder([leave], ("x", "y"))) as board:
        done = hear(windows, board)
    assert done.returncode == 2
    assert "(readings 1–10)" in done.stdout
    assert "The board was unplugged" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it(command, windows, tmp_path):
    with played(tmp_path, printing(["0.1,0.2"], 0.01)) as board:
        process = command.start("listen", windows, "--port", board.port, stdin=subprocess.DEVNULL)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        wait_for(lambda: "readings" in (process.stdout.readline() or ""), process)
        wait_for(lambda: "(readings" in (process.stdout.readline() or ""), process)
        process.send_signal(signal.SIGINT)
        os.set_blocking(process.stdout.fileno(), True)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "tinyglass: stopped.\n"


def test_it_is_shown_live(windows, tmp_path):
    rows = [f"{x:.3f},{y:.3f}" for x, y in gestures()[1].signal]
    with played(tmp_path, printing(rows, 0.01)) as board:
        terminal = pexpect.spawn(
            sys.executable, ["-m", "tinyglass.cli", "listen", str(windows), "--port", str(board.port)],
            dimensions=(30, 100), timeout=60, encoding="utf-8",
            env=terminal_environment(),
        )  # fmt: skip
        terminal.expect_exact("listening to")
        terminal.expect_exact("⠤")
        terminal.expect(r"wave +\S*█")
        terminal.send("q")
        terminal.expect(pexpect.EOF)
        terminal.close()
    assert terminal.exitstatus == 0


def test_what_was_recorded_and_trained_is_recognised_live(command, hear, tmp_path):
    from tinyglass.board.recording import record

    away, closer = [(100.0,), (20.0,), (0.0,)], [(0.0,), (30.0,), (120.0,)]
    with played(tmp_path, recorder([away] * 4 + [closer] * 4)) as board:
        record(str(board.port), ["away", "closer"], tmp_path / "out", count=4)
    assert len(read_recordings(tmp_path / "out")) == 8
    done = command(
        "train", tmp_path / "out", "--out", tmp_path / "model", "--epochs", "200", "--threshold", "0"
    )
    assert done.returncode == 0, done.stderr
    with played(tmp_path, recorder([closer])) as board:
        (found,) = objects(hear(tmp_path / "model", board, "--json", "--count", "1"))
    assert found["label"] == "closer"


def test_a_port_with_another_sensor_is_refused(windows, tmp_path):
    with (
        played(tmp_path, recorder([[]])) as board,
        pytest.raises(RecordingError, match=r"Expected 2 channels \(x, y\), found 1 \(distance\)"),
    ):
        next(listen(Network.load(windows), str(board.port)))
