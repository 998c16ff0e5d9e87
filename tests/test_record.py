"""Guided recording: every kind of board, every fault, the keys, and what is left in the folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pexpect
import pytest

from conftest import unmeasured, wait_for
from test_saving import check_same
from tinyglass import ArgumentError, RecordingError, TinyglassError, read_recordings
from tinyglass.board.recording import record
from tinyglass.board.recording.folder import save, take_slot, undo
from wires import (
    FakeBoard,
    Over,
    framed,
    played,
    pressed,
    print_out,
    printing,
    recorder,
    terminal_environment,
)

QUICK = ("--countdown", "0", "--timeout", "3")
AWAY, CLOSER = [(104.5,), (2.375,), (0.0,)], [(0.0,), (35.5,), (127.875,)]


@pytest.fixture
def tell(command: Any, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Record from a board without a person: the command line, into the folder ``out``."""

    def run(board: FakeBoard, *words: Any) -> subprocess.CompletedProcess[str]:
        everything = ("record", "--port", board.port, "--out", tmp_path / "out", *QUICK, *words)
        return command(*everything, stdin=subprocess.DEVNULL)

    return run


def check_account(done: subprocess.CompletedProcess[str], *words: str, code: int = 0) -> None:
    everything = done.stdout + done.stderr
    assert "Traceback" not in everything, everything
    assert done.returncode == code, everything
    for word in words:
        assert word in everything, everything


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def raw_of(recording: Any, folder: Path) -> bytes:
    path = Path(recording.source)
    return (folder / "__raw" / path.parent.name / path.name).with_suffix(".txt").read_bytes()


# ---------------------------------------------------------------- our recorder


def test_the_recorders_recordings_are_read_back_exactly(tell, tmp_path):
    with played(tmp_path, recorder([AWAY, CLOSER, CLOSER, AWAY])) as board:
        done = tell(
            board, "--label", "moving_away,moving_closer", "--count", "2",
            "--person", "ann", "--session", "1", "--device", "kit 7",
        )  # fmt: skip
    check_account(
        done,
        "Found the tinyglass recorder: test, distance. Each recording has 3 readings, one every 250 ms.",
        "moving_away: 2 of 2, 3 readings at 4 Hz",
        "Recorded 2 of 'moving_away', 2 of 'moving_closer'. Train on them with: tinyglass train",
    )
    assert board.heard[-2] == "record 3 250"
    data = read_recordings(tmp_path / "out")
    assert data.repairs == data.dropped == ()
    assert [r.label for r in data] == ["moving_away"] * 2 + ["moving_closer"] * 2
    for recording, rows in zip(data, [AWAY, CLOSER, CLOSER, AWAY], strict=True):
        assert recording.signal.tolist() == [list(row) for row in rows]
        assert recording.channels == ("distance",)
        assert (recording.rate_hz, recording.times.tolist()) == (4.0, [0.0, 0.25, 0.5])
        assert (recording.person, recording.session, recording.device) == ("ann", "1", "kit 7")
        assert raw_of(recording, tmp_path / "out") == framed(rows, 250).encode()
    assert len(files(tmp_path / "out")) == 8


def test_a_folder_of_recordings_is_trained_on(tell, command, tmp_path):
    with played(tmp_path, recorder([AWAY] * 10 + [CLOSER] * 10)) as board:
        check_account(tell(board, "--label", "moving_away,moving_closer", "--count", "10"))
    done = command("train", tmp_path / "out", "--out", tmp_path / "model", "--epochs", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert '"classes":["moving_away","moving_closer"]' in done.stdout
    assert '"n_inputs":3' in done.stdout


def test_what_is_asked_for_reaches_the_recorder(tell, tmp_path):
    rows = [(i, -i) for i in range(5)]
    with played(tmp_path, recorder([rows], ("aX", "aY"), ("m/s²", ""))) as board:
        done = tell(
            board, "--label", "a\\,b", "--count", "1", "--seconds", "0.05", "--rate", "100", "--units", "g,",
            "--channels", "x,y", "--source", "recorder",
        )  # fmt: skip
    check_account(done, "one every 10 ms")
    assert "record 5 10" in board.heard
    (recording,) = read_recordings(tmp_path / "out")
    assert recording.label == "a,b"
    assert (recording.channels, recording.units) == (("x", "y"), ("g", ""))
    assert recording.rate_hz == 100.0
    assert recording.signal.tolist() == [list(row) for row in rows]


LABELS = [
    "../x",
    "CON",
    "a/b",
    "🎉 手",
    "x" * 300,
    "",
    "train",
    "__raw",
    ".hidden",
    "a\nb",
    "-",
    " a ",
    "1.0",
    "nul.",
]


def test_every_label_survives_a_round_trip(tmp_path):
    with played(tmp_path, recorder([[(i,)] * 3 for i in range(len(LABELS))])) as board:
        paths = record(str(board.port), LABELS, tmp_path / "deep" / "out", count=1)
    assert all(path.is_relative_to(tmp_path / "deep" / "out") for path in paths)
    assert files(tmp_path) == {"port"} - {"port"} | {
        f"deep/out/{f}" for f in files(tmp_path / "deep" / "out")
    }
    data = read_recordings(tmp_path / "deep" / "out")
    found = {recording.label: recording.signal[0, 0] for recording in data}
    assert found == {label: float(i) for i, label in enumerate(LABELS)}
    assert data.repairs == data.dropped == ()


def test_a_label_that_is_no_text_is_refused_before_anything_is_opened(tmp_path):
    for options in ({"labels": ["\udcff"]}, {"labels": ["a"], "person": "\ud800"}):
        with pytest.raises(ArgumentError, match="no text in UTF-8"):
            record("/nowhere", folder=tmp_path / "out", **options)
    for options, name in (
        ({"labels": []}, "--label"),
        ({"labels": ["a", "a"]}, "--label"),
        ({"labels": ["a"], "count": 0}, "--count"),
        ({"labels": ["a"], "seconds": float("nan")}, "--seconds"),
        ({"labels": ["a"], "period_ms": -1}, "--period"),
        ({"labels": ["a"], "readings": 3, "seconds": 1.0}, "--seconds"),
        ({"labels": ["a"], "source": "recorde"}, "Did you mean 'recorder'"),
        ({"labels": ["a"], "source": "repl"}, "--read"),
    ):
        with pytest.raises(ArgumentError, match=name):
            record("/nowhere", folder=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_second_run_goes_on_with_the_numbers(tell, tmp_path):
    out = tmp_path / "out"
    with played(tmp_path, recorder([AWAY])) as board:
        check_account(tell(board, "--label", "wave", "--count", "1"))
    first = {name: (out / name).read_bytes() for name in files(out)}
    undo(out / "wave" / "001.csv", out)
    with played(tmp_path, recorder([CLOSER, CLOSER])) as board:
        check_account(tell(board, "--label", "wave", "--count", "2"))
    assert files(out) == {
        "__raw/wave/001.txt", "__raw/wave/002.txt", "__raw/wave/003.txt", "__undone/wave/001.csv",
        "wave/002.csv", "wave/003.csv",
    }  # fmt: skip
    assert (out / "__undone/wave/001.csv").read_bytes() == first["wave/001.csv"]
    assert len(read_recordings(out)) == 2


def test_several_that_record_into_one_folder_take_different_numbers(tmp_path):
    (tmp_path / "__raw" / "wave").mkdir(parents=True)
    (tmp_path / "__raw" / "wave" / "1000.txt").touch()
    with ThreadPoolExecutor(4) as several:
        slots = list(several.map(lambda _: take_slot(tmp_path, "wave"), range(100)))
    assert sorted(slot.number for slot in slots) == list(range(1001, 1101))
    assert len(files(tmp_path)) == 101


def test_a_slower_board_than_was_asked_for_is_told_once_and_its_rate_is_kept(tell, tmp_path):
    slow = framed([(i,) for i in range(40)], 20)  # at most every 20 ms, whatever is asked
    with played(tmp_path, recorder([slow] * 3, ("light",))) as board:
        done = tell(board, "--label", "a", "--count", "3", "--readings", "40", "--period", "5")
    check_account(done, "The readings came at 50 Hz, not at 200 Hz.")
    assert done.stdout.count("not at 200 Hz") == 1
    assert [recording.rate_hz for recording in read_recordings(tmp_path / "out")] == [50.0] * 3


def test_recordings_of_a_single_reading_are_read_back(tell, tmp_path):
    with played(tmp_path, recorder([[(1.5, 2.5)], [(3.5, 4.5)]], ("red", "green"))) as board:
        check_account(tell(board, "--label", "a,b", "--count", "1", "--readings", "1"))
    data = read_recordings(tmp_path / "out")
    assert [(r.label, r.signal.tolist()) for r in data] == [("a", [[1.5, 2.5]]), ("b", [[3.5, 4.5]])]
    assert data.repairs == data.dropped == ()


# ---------------------------------------------------------------- the course's own program


def course_board(*says: str) -> Callable[[FakeBoard], None]:
    """Return a board with the course's program, whose buttons are pressed once the recording has begun."""

    def play(board: FakeBoard) -> None:
        board.wait_for_somebody()
        for text in says:
            board.say(text, line_by_line=0.002)
            board.wait(0.3)
        board.wait(60)

    return play


def test_the_courses_program_records_by_its_button(tell, tmp_path):
    with played(tmp_path, course_board(*map(pressed, ([104.5, 2.375, 0.0], [99.0, 1.0, 0.5])))) as board:
        done = tell(board, "--label", "moving_away", "--count", "2", "--source", "course")
    check_account(done, "Press button 1 on the board.", "moving_away: 2 of 2, 3 readings at 4 Hz")
    data = read_recordings(tmp_path / "out")
    assert [r.signal.ravel().tolist() for r in data] == [[104.5, 2.375, 0.0], [99.0, 1.0, 0.5]]
    assert {(r.channels, r.units, r.rate_hz) for r in data} == {(("distance",), ("",), 4.0)}
    assert raw_of(data[0], tmp_path / "out") == pressed([104.5, 2.375, 0.0]).encode()


def test_the_courses_program_is_recognised_by_what_it_says(tell, tmp_path):
    with played(tmp_path, course_board(pressed([1.0, 2.0, 3.0]))) as board:
        done = tell(board, "--label", "moving_closer", "--count", "1")
    check_account(done, "Found a program that records when button 1 on the board is pressed")
    assert read_recordings(tmp_path / "out")[0].signal.ravel().tolist() == [1.0, 2.0, 3.0]


def test_the_print_out_of_button_2_repeats_nothing_that_came_before(tell, tmp_path):
    before, live, later = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]
    said = [pressed(live), print_out([before, live]), pressed(later), print_out([later]), pressed(before)]
    with played(tmp_path, course_board(*said)) as board:
        done = tell(board, "--label", "a", "--count", "4", "--source", "course")
    check_account(done, "The print-out repeats 1 recording that came before.")
    data = read_recordings(tmp_path / "out")
    assert [r.signal.ravel().tolist() for r in data] == [live, before, later, before]
    assert raw_of(data[1], tmp_path / "out") == print_out([before, live]).encode()


def test_a_print_out_alone_is_recorded_whole(tell, tmp_path, course):
    values = [r.signal.ravel().tolist() for r in course]
    with played(tmp_path, course_board(print_out(values))) as board:
        check_account(tell(board, "--label", "a", "--count", "10"))
    assert [r.signal.ravel().tolist() for r in read_recordings(tmp_path / "out")] == values


def test_a_reading_of_the_courses_program_that_is_missing_makes_it_incomplete(tell, tmp_path):
    broken = pressed([1.0, 2.0, 3.0]).replace("distance=2.0", "dis\xff=2.0")
    with played(tmp_path, course_board(broken, pressed([1.0, 2.0, 3.0]))) as board:
        done = tell(board, "--label", "a", "--count", "1", "--source", "course")
    check_account(done, "Not complete: expected 3 readings, found 2; kept as", "1 line skipped: ", "line 3: ")
    assert len(read_recordings(tmp_path / "out")) == 1
    assert "__incomplete/a/001.csv" in files(tmp_path / "out")
    assert (tmp_path / "out/a/002.csv").exists()


def test_a_program_of_another_gesture_is_understood_too(tell, tmp_path):
    lines = [f"aX={i}.5, aY=-{i}" for i in range(4)]
    said = "\r\n".join(
        ["> Starting recording in 1sec", *lines, "> Stopped recording", "Prediction: a, p=0.9", ""]
    )
    with played(tmp_path, course_board(said)) as board:
        check_account(tell(board, "--label", "a", "--count", "1"))
    (recording,) = read_recordings(tmp_path / "out")
    assert recording.channels == ("aX", "aY")
    assert recording.signal.tolist() == [[i + 0.5, -i] for i in range(4)]


# ---------------------------------------------------------------- lines of numbers

SINE = [f"{np.sin(i / 5):.3f},{np.cos(i / 5):.3f}" for i in range(200)]


def test_lines_of_numbers_are_recorded_and_their_rate_is_measured(tell, tmp_path):
    with played(tmp_path, printing(SINE, 0.02, first="ut short,3\r\n0.1,\r\n")) as board:
        done = tell(board, "--label", "sine", "--count", "3", "--readings", "20", "--channels", "sin,cos")
    check_account(done, "Found a board that prints sin, cos: ", "readings a second, jitter")
    data = read_recordings(tmp_path / "out")
    assert len(data) == 3
    for recording in data:
        assert recording.channels == ("sin", "cos")
        rows = [f"{x:.3f},{y:.3f}" for x, y in recording.signal]
        assert "\n".join(rows) in "\n".join(SINE * 3)  # one after the other, none left out
        assert raw_of(recording, tmp_path / "out").decode().split() == rows
        assert recording.rate_hz == pytest.approx(50, rel=0.3)  # of a machine that does other things
        assert recording.times is None
    assert len({recording.rate_hz for recording in data}) == 1


@pytest.mark.parametrize(
    ("line", "channels"),
    [("0.5\t1.5", ("channel1", "channel2")), ("aX:0.5 aY:1.5", ("aX", "aY")), ("light=0.5", ("light",))],
)
def test_names_and_separators_are_understood(tell, tmp_path, line, channels):
    with played(tmp_path, printing([line], 0.01)) as board:
        check_account(tell(board, "--label", "a", "--count", "1", "--readings", "2", "--source", "lines"))
    (recording,) = read_recordings(tmp_path / "out")
    assert recording.channels == channels
    assert recording.signal.tolist() == [[0.5, 1.5][: len(channels)]] * 2


def test_a_board_that_prints_its_own_times_is_believed(tell, tmp_path):
    lines = [f"t_ms={16 * i} light={i}" for i in range(1000)]
    with played(tmp_path, printing(lines, 0.01)) as board:
        check_account(tell(board, "--label", "a", "--count", "1", "--readings", "10"))
    (recording,) = read_recordings(tmp_path / "out")
    assert recording.channels == ("light",)
    assert recording.rate_hz == 62.5
    assert recording.times == pytest.approx(np.arange(10) * 0.016)


def test_seconds_become_as_many_readings_each_time(tell, tmp_path):
    with played(tmp_path, printing(SINE, 0.02)) as board:
        check_account(tell(board, "--label", "a", "--count", "3", "--seconds", "0.4"))
    lengths = {recording.n_readings for recording in read_recordings(tmp_path / "out")}
    assert len(lengths) == 1
    assert lengths.pop() == pytest.approx(20, rel=0.3)


def test_a_movement_begins_the_recording(tell, tmp_path):
    quiet, moving = ["0.0", "0.1"] * 40, [f"{5 + i}.0" for i in range(10)]
    with played(tmp_path, printing([*quiet, *moving], 0.01)) as board:
        done = tell(board, "--label", "a", "--count", "2", "--readings", "10", "--trigger", "2")
    check_account(done)
    for recording in read_recordings(tmp_path / "out"):
        assert recording.signal.ravel()[1:].tolist() == [5.0 + i for i in range(9)]
        assert recording.signal[0, 0] in (0.0, 0.1)


def test_garbage_between_readings_is_skipped_counted_and_named(tell, tmp_path):
    bad = [b"\xff\xfe\x00,1", b"0.5", b"nan,0.5", b"1,2,3", b"9" * 5000, b"ERR imu", b"0.5,0.5"]

    def play(board: FakeBoard) -> None:
        board.hear(0.3)
        while True:
            for i in range(60):
                board.say(bad[i // 9] + b"\r\n" if i % 9 == 8 else f"{i},{-i}\r\n")
                board.wait(0.005)

    with played(tmp_path, play) as board:
        done = tell(board, "--label", "a", "--count", "1", "--readings", "60", "--source", "lines")
    check_account(
        done,
        "skipped: bytes that are no text",
        "skipped: expected 2 numbers, found 1 (line ",
        "skipped: a number that is not finite",
        "skipped: expected 2 numbers, found 3 (line ",
        "skipped: longer than 4,096 bytes",
        "skipped: text (line ",
    )
    (recording,) = read_recordings(tmp_path / "out")
    assert recording.n_readings == 60
    raw = raw_of(recording, tmp_path / "out")
    for content in bad[:-1]:
        assert content in raw


def test_a_wrong_number_of_channels_is_refused_with_their_names(tell, tmp_path):
    with played(tmp_path, printing(SINE, 0.01)) as board:
        done = tell(board, "--label", "a", "--channels", "x,y,z")
    check_account(
        done, "Expected 3 channels (x, y, z), found 2 channels (channel1, channel2). In --channels.", code=2
    )
    assert not (tmp_path / "out").exists()


def test_a_movement_begins_no_recording_on_a_recorder(tell, tmp_path):
    with played(tmp_path, recorder([])) as board:
        check_account(tell(board, "--label", "a", "--trigger", "2"), "--trigger", code=2)


# ---------------------------------------------------------------- Python on the board


@pytest.fixture
def simulated() -> Iterator[Any]:
    """The simulated kit with the real recorder."""
    from tinyglass.board.simulated import SimulatedBoard

    try:
        board = SimulatedBoard()
    except TinyglassError as error:
        pytest.skip(str(error))
    with board:
        yield board


def test_a_sensor_is_read_by_an_expression(tell, simulated, tmp_path):
    simulated.hand("closer")
    read = "import board; from apds9930.apds9930 import APDS9930; s = APDS9930(board.I2C()); s.proximity, (1, 2.5)"
    done = tell(
        simulated, "--label", "a", "--count", "2", "--readings", "5", "--period", "20", "--read", read,
        "--channels", "near,b,c",
    )  # fmt: skip
    check_account(done, "Found Python on the board, running 'import board;", "a: 2 of 2, 5 readings at 50 Hz")
    data = read_recordings(tmp_path / "out")
    assert [r.n_readings for r in data] == [5, 5]
    assert data[0].channels == ("near", "b", "c")
    assert data[0].signal[:, 1:].tolist() == [[1.0, 2.5]] * 5
    assert (np.diff(data[0].times) > 0.009).all()
    assert len(raw_of(data[0], tmp_path / "out").splitlines()) == 5
    # The board runs its own program again.
    check_account(tell(simulated, "--label", "b", "--count", "1", "--source", "recorder"))


def test_a_program_for_the_board_prints_readings(tell, simulated, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("print('hello')\nfor i in range(4):\n    print('light=%d' % i)\n")
    check_account(tell(simulated, "--label", "a", "--count", "1", "--program", program))
    assert read_recordings(tmp_path / "out")[0].signal.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--read", "1 +"), "'1 +' is no expression for the board"),
        (("--read", "nothing.here"), "NameError"),
        (("--read", "'text'"), "expected numbers, found 'text'"),
        (("--read", "[]"), "gave no readings, but '"),
        (("--read", "1", "--program", "x.py"), "--read and --program exclude each other"),
        (("--program", "/nowhere.py"), "/nowhere.py"),
        (("--read", "1", "--source", "lines"), "runs nothing on the board"),
    ],
)
def test_a_program_that_gives_no_readings_is_named(tell, simulated, tmp_path, words, said):
    check_account(tell(simulated, "--label", "a", *words), said, code=2)
    # Its own program runs again.
    assert len(record(simulated.port, ["a"], tmp_path / "again", count=1)) == 1


def test_the_simulated_kit_records_by_command_and_by_its_button(simulated, tmp_path):
    simulated.hand("closer")
    paths = record(simulated.port, ["moving_closer"], tmp_path / "out", count=2)
    assert [path.name for path in paths] == ["001.csv", "002.csv"]
    data = read_recordings(tmp_path / "out")
    assert all(r.n_readings == 3 and r.signal[0, 0] < r.signal[2, 0] for r in data)
    assert all(r.rate_hz == 4.0 for r in data)


# ---------------------------------------------------------------- faults


def broken_off(board: FakeBoard) -> None:
    """Leave in the midst of a recording."""
    board.say("# recording\r\n0,1.5\r\n250,2.")
    board.wait(0.3)
    board.unplug()


def test_what_came_before_the_board_was_unplugged_is_kept_aside(tell, tmp_path):
    with played(tmp_path, recorder([AWAY, broken_off])) as board:
        done = tell(board, "--label", "a b,c", "--count", "3")
    check_account(
        done,
        "Not complete: the board was unplugged after 1 of 3 readings; kept as",
        "1 line skipped: cut off (line 3: '250,2.')",
        "The board was unplugged, or its port stopped working.",
        "Plug it in again, and go on with --label 'a b' --count 2, then with 'c'.",
        "Recorded 1 of 'a b'",
        code=2,
    )
    out = tmp_path / "out"
    (recording,) = read_recordings(out)
    assert recording.signal.ravel().tolist() == [104.5, 2.375, 0.0]
    assert (out / "__raw/a b/002.txt").read_bytes() == b"# recording\r\n0,1.5\r\n250,2."
    (aside,) = read_recordings(out / "__incomplete")
    assert (aside.label, aside.signal.tolist()) == ("a b", [[1.5]])


def test_a_board_that_falls_silent_is_named_with_the_place(tell, tmp_path):
    with played(tmp_path, recorder([AWAY, "# recording\r\n0,1.5\r\n"])) as board:
        done = tell(board, "--label", "a", "--count", "3", "--timeout", "0.5")
    check_account(
        done,
        "after 1 of 3 readings. In",
        "recording 2 of 'a'",
        "press its reset button, and go on with --label a --count 2.",
        code=2,
    )
    assert len(read_recordings(tmp_path / "out")) == 1
    assert "__incomplete/a/002.csv" in files(tmp_path / "out")


def test_a_board_that_says_nothing_at_all(tell, tmp_path):
    with played(tmp_path, lambda board: board.wait(60)) as board:
        done = tell(board, "--label", "a", "--timeout", "0.5")
    check_account(
        done, "The board is silent. If its program waits for button 1", "has sent nothing in", code=2
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("lines", "words", "said"),
    [
        (["hello", "world"], (), "Expected lines of numbers, found"),
        (["Prediction: wave, p=0.93"], (), "predicts, and prints no readings"),
        ([">>> "], (), "The board shows Python's prompt"),
        (["1,2"], ("--source", "recorder"), "No tinyglass recorder answered"),
        (["\xff\xfe"], (), "Expected lines of numbers"),
    ],
)
def test_a_board_that_runs_something_else_is_recognised(tell, tmp_path, lines, words, said):
    with played(tmp_path, printing(lines, 0.05)) as board:
        check_account(tell(board, "--label", "a", "--timeout", "0.5", *words), said, code=2)


def test_recordings_that_fail_again_and_again_end_the_run(tell, tmp_path):
    with played(tmp_path, recorder(["# recording\r\n0,1\r\n# done\r\n"] * 3)) as board:
        done = tell(board, "--label", "a", "--count", "5")
    check_account(
        done, "3 recordings in a row were not complete; the last: expected 3 readings, found 1", code=2
    )
    assert "# error" not in done.stdout


def test_what_the_recorder_complains_of_is_told(tell, tmp_path):
    with played(tmp_path, recorder(["# recording\r\n# error OSError: no sensor\r\n"] * 3)) as board:
        done = tell(board, "--label", "a")
    check_account(done, "the board says: OSError: no sensor; no reading came", code=2)
    assert files(tmp_path / "out") == {f"__raw/a/00{i}.txt" for i in (1, 2, 3)}


def waiting(board: FakeBoard) -> None:
    board.say("# recording\r\n0,1.5\r\n")
    board.wait(60)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_ctrl_c_and_an_abrupt_end_lose_nothing(command, tmp_path, number, code):
    out = tmp_path / "out"
    with played(tmp_path, recorder([AWAY, waiting])) as board:
        process = command.start(
            "record", "--port", board.port, "--out", out, "--label", "a", "--countdown", "0",
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        raw = out / "__raw/a/002.txt"
        wait_for(lambda: raw.exists() and b"1.5" in raw.read_bytes(), process)
        process.send_signal(number)
        text, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert raw.read_bytes() == b"# recording\r\n0,1.5\r\n"
    assert len(read_recordings(out)) == 1
    if number == signal.SIGINT:
        assert "Not complete: stopped after 1 of 3 readings" in text
        assert read_recordings(out / "__incomplete")[0].signal.tolist() == [[1.5]]
    with played(tmp_path, recorder([CLOSER])) as board:
        paths = record(str(board.port), ["a"], out, count=1)
    assert paths == [out / "a/003.csv"]


def fill(disk: Path) -> Path:
    """Fill a disk with one file."""
    filler = disk / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return filler


def test_a_full_disk_loses_no_recording_before_it(command, tmp_path, small_disk):
    disk = small_disk(64)
    rows = [(i / 7,) for i in range(300)]
    with played(tmp_path, recorder([rows] * 50)) as board:
        done = command(
            "record", "--port", board.port, "--out", disk / "out", "--label", "a", "--readings", "300",
            "--count", "50", *QUICK, stdin=subprocess.DEVNULL, env=unmeasured(),
        )  # fmt: skip
    check_account(done, "Could not write", "No space left on device", "Free some space", code=2)
    data = read_recordings(disk / "out")
    assert len(data) >= 1
    assert all(recording.signal.tolist() == [list(row) for row in rows] for recording in data)


def test_a_disk_with_room_again_gets_what_it_refused(tmp_path, small_disk):
    disk = small_disk(64)
    slot = take_slot(disk, "a")
    filler = fill(disk)
    received = b"0,1.5\r\n" * 2000
    slot.write(received[:7000])
    slot.write(received[7000:])
    with pytest.raises(TinyglassError, match="No space left"):
        slot.finish()
    filler.unlink()
    slot.finish()
    assert slot.raw.read_bytes() == received


def test_a_folder_that_is_a_file_is_refused(tell, tmp_path):
    (tmp_path / "out").write_text("mine")
    with played(tmp_path, recorder([AWAY])) as board:
        check_account(tell(board, "--label", "a"), "this path is a file", code=2)
    assert (tmp_path / "out").read_text() == "mine"


# ---------------------------------------------------------------- the person at the keyboard


class Person:
    """A person before a real terminal."""

    def __init__(self, board: FakeBoard, out: Path, *words: Any) -> None:
        everything = ["-m", "tinyglass.cli", "record", "--port", str(board.port), "--out", str(out), *words]
        self.terminal = pexpect.spawn(
            sys.executable, list(map(str, everything)), dimensions=(30, 150), timeout=60, encoding="utf-8",
            env=terminal_environment(),
        )  # fmt: skip

    def sees(self, text: str) -> None:
        self.terminal.expect_exact(text)

    def types(self, keys: str) -> None:
        self.terminal.send(keys)

    def leaves(self, code: int = 0) -> None:
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()
        assert self.terminal.exitstatus == code


@pytest.mark.parametrize("form", [(), ("--plain",)])
def test_the_keys(tmp_path, form):
    out = tmp_path / "out"
    answers = [[(float(i),)] * 3 for i in range(5)]
    with played(tmp_path, recorder(answers)) as board:
        person = Person(board, out, "--label", "a,b,c", "--count", "2", "--countdown", "0", *form)
        person.sees("a: 1 of 2")
        person.types("u")  # nothing yet
        person.sees("There is nothing to undo.")
        person.types("\x1b[A?")  # no key of ours
        person.types("\r")
        person.sees("a: 1 of 2, 3 readings at 4 Hz, in")
        person.types("r")
        person.sees("__undone/a/001.csv")
        person.sees("a: 1 of 2, 3 readings at 4 Hz, in")
        person.types("\r")
        person.sees("a: 2 of 2, 3 readings at 4 Hz, in")
        person.sees("b: 1 of 2")
        person.types("u")
        person.sees("__undone/a/003.csv")
        person.sees("a: 2 of 2")
        person.types("n")
        person.sees("b: 1 of 2")
        person.types("\r")
        person.sees("b: 1 of 2, 3 readings at 4 Hz, in")
        person.types("n")
        person.sees("c: 1 of 2")
        person.types("n")
        person.sees("everything is recorded")
        person.types("r")
        person.sees("__undone/b/001.csv")
        person.sees("b: 1 of 2, 3 readings at 4 Hz, in")
        person.types("q")
        person.sees("Recorded 1 of 'a', 1 of 'b'.")
        person.leaves()
    assert files(out) == {
        "a/002.csv", "b/002.csv", "__undone/a/001.csv", "__undone/a/003.csv", "__undone/b/001.csv",
        "__raw/a/001.txt", "__raw/a/002.txt", "__raw/a/003.txt", "__raw/b/001.txt", "__raw/b/002.txt",
    }  # fmt: skip
    assert [r.signal[0, 0] for r in read_recordings(out)] == [1.0, 4.0]


def test_a_countdown_and_a_curve_are_shown_and_ctrl_c_ends_it(tmp_path):
    out = tmp_path / "out"
    with played(tmp_path, recorder([waiting])) as board:
        person = Person(board, out, "--label", "a", "--countdown", "2")
        person.sees("Enter")
        person.types("\r")
        person.sees("get ready: 2")
        person.sees("get ready: 1")
        person.sees("recording  1 of 3")
        person.types("\x03")
        person.sees("Not complete: stopped after 1 of 3 readings")
        person.sees("tinyglass: stopped.")
        person.leaves(130)
    assert len(read_recordings(out / "__incomplete")) == 1


def test_the_button_on_the_board_records_too(tmp_path):
    def play(board: FakeBoard) -> None:
        recorder([])
        board.await_word("?")
        board.say('# tinyglass recorder 1 {"sensor": "x", "channels": ["distance"]}\r\n')
        board.wait(1.5)
        board.say("# button\r\n" + framed(AWAY, 250))
        board.wait(60)

    with played(tmp_path, play) as board:
        person = Person(board, tmp_path / "out", "--label", "a", "--count", "1")
        person.sees("a: 1 of 1, 3 readings at 4 Hz, in")
        person.sees("everything is recorded")
        person.types("\r")
        person.leaves()
    (recording,) = read_recordings(tmp_path / "out")
    assert raw_of(recording, tmp_path / "out").startswith(b"# button\r\n# recording\r\n")


def test_recording_goes_on_when_the_board_is_back(tmp_path):
    def play(board: FakeBoard) -> None:
        with pytest.raises(Over):
            recorder([AWAY, broken_off])(board)
        board.wait(1)
        board.plug()
        recorder([CLOSER])(board)

    out = tmp_path / "out"
    with played(tmp_path, play) as board:
        person = Person(board, out, "--label", "a", "--count", "2", "--countdown", "0")
        person.sees("Enter")
        person.types("\r")
        person.sees("a: 1 of 2, 3 readings")
        person.types("\r")
        person.sees("Not complete: the board was unplugged after 1 of 3 readings")
        person.sees("Plug it in again, and recording goes on; q ends it.")
        person.sees("The board is back.")
        person.types("\r")
        person.sees("a: 2 of 2, 3 readings")
        person.types("\r")
        person.leaves()
    assert [r.signal[0, 0] for r in read_recordings(out)] == [104.5, 0.0]


def test_python_on_the_board_goes_on_when_it_is_back(simulated, tmp_path):
    person = Person(
        simulated, tmp_path / "out", "--label", "a", "--count", "1", "--read", "1.5", "--countdown", "0"
    )
    person.sees("Enter")
    simulated.unplug()
    person.types("\r")
    person.sees("Plug it in again, and recording goes on")
    simulated.plug()
    person.sees("The board is back.")
    person.types("\r")
    person.sees("a: 1 of 1, 100 readings at 50 Hz")
    person.types("\r")
    person.leaves()
    assert read_recordings(tmp_path / "out")[0].signal.ravel().tolist() == [1.5] * 100


def test_the_courses_program_goes_on_when_it_is_back(tmp_path):
    def play(board: FakeBoard) -> None:
        board.wait_for_somebody()
        board.say(pressed([1.5, 2.0, 3.0]))
        board.wait(1)
        board.unplug()
        board.wait(1)
        board.plug()
        board.wait_for_somebody()
        board.say(pressed([4.5, 5.0, 6.0]))
        board.wait(60)

    with played(tmp_path, play) as board:
        person = Person(board, tmp_path / "out", "--label", "a", "--count", "2", "--source", "course")
        person.sees("The board is back.")
        person.sees("a: 2 of 2, 3 readings")
        person.types("q")
        person.leaves()
    assert [r.signal[0, 0] for r in read_recordings(tmp_path / "out")] == [1.5, 4.5]


def test_a_board_that_does_not_come_back_is_given_up(tmp_path):
    with played(tmp_path, recorder([broken_off])) as board:
        person = Person(board, tmp_path / "out", "--label", "a", "--countdown", "0")
        person.sees("Enter")
        person.types("\r")
        person.sees("q ends it.")
        person.types("q")
        person.sees("Nothing was recorded.")
        person.leaves()


def test_a_full_disk_waits_for_the_person_to_make_room(tmp_path, small_disk):
    disk = small_disk(64)
    with played(tmp_path, recorder([AWAY])) as board:
        person = Person(board, disk / "out", "--label", "a", "--count", "1", "--countdown", "0", "--plain")
        person.sees("Enter = record")
        (disk / "out").mkdir()
        for name in ("a", "__raw/a"):
            (disk / "out" / name).mkdir(parents=True)
        filler = fill(disk)
        person.types("\r")
        person.sees("Enter tries again, q gives the recording up.")
        filler.unlink()
        person.types("\r")
        person.sees("a: 1 of 1, 3 readings")
        person.types("q")
        person.leaves()
    assert len(read_recordings(disk / "out")) == 1


def test_the_courses_program_is_recorded_with_keys(tmp_path):
    pressing = threading.Event()

    def play(board: FakeBoard) -> None:
        for i in range(3):
            pressing.wait(60)
            pressing.clear()
            board.say(pressed([i + 0.5] * 3))
        board.wait(60)

    with played(tmp_path, play) as board:
        person = Person(
            board, tmp_path / "out", "--label", "a", "--count", "2", "--source", "course", "--plain"
        )
        person.sees("a: 1 of 2. button 1 = record, q = quit")
        person.types("\r")
        person.sees("Press button 1 on the board")
        pressing.set()
        person.sees("a: 1 of 2, 3 readings")
        person.types("r")
        person.sees("Undone: ")
        pressing.set()
        person.sees("a: 1 of 2, 3 readings")
        pressing.set()
        person.sees("a: 2 of 2, 3 readings")
        person.types("\r")
        person.leaves()
    assert [r.signal[0, 0] for r in read_recordings(tmp_path / "out")] == [1.5, 2.5]


def test_lines_show_what_the_board_sends_now(tmp_path):
    with played(tmp_path, printing(SINE, 0.02)) as board:
        person = Person(
            board, tmp_path / "out", "--label", "a", "--count", "1", "--readings", "30", "--countdown", "1"
        )
        person.sees("what the board sends now")
        person.types("\r")
        person.sees("recording  ")
        person.sees("a: 1 of 1, 30 readings")
        person.sees("the last recording, a")
        person.types("q")
        person.leaves()
    assert read_recordings(tmp_path / "out")[0].n_readings == 30


# ---------------------------------------------------------------- the library


def test_a_recording_in_the_library_is_what_was_saved(tmp_path):
    from tinyglass import Recording

    recording = Recording(
        [[0.1, 1 / 3]], ("x", "y"), ("g", ""), 62.5, [0.0], "a\n", "p", "s", "d", source="somewhere else"
    )
    slot = take_slot(tmp_path, "a\n")
    path = save(slot, recording)
    (read,) = read_recordings(path)
    assert read.source == str(path)
    check_same(
        [read],
        [Recording(**{**{f: getattr(recording, f) for f in recording.__slots__}, "source": str(path)})],
    )
    assert read_recordings(tmp_path)[0].label == "a\n"


def test_the_library_raises_what_the_command_prints(tmp_path):
    with (
        played(tmp_path, recorder(["# recording\r\n# done\r\n"] * 3)) as board,
        pytest.raises(RecordingError, match="expected 3 readings, found 0"),
    ):
        record(str(board.port), ["a"], tmp_path / "out")
    began = time.monotonic()
    with pytest.raises(TinyglassError, match="no such port"):
        record(str(tmp_path / "nowhere"), ["a"], tmp_path / "out")
    assert time.monotonic() - began < 30
