"""What is plugged in, and opening a port: each way in which it can fail says what, where and how to mend it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from tinyglass import TinyglassError
from tinyglass.board import ports
from tinyglass.board.ports import MAKERS, describe_port, holders, list_boards, open_port
from tinyglass.board.wire import UnpluggedError, Wire
from wires import FakeBoard


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FakeBoard]:
    board = FakeBoard(tmp_path)
    yield board
    board.unplug()


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the operating system tell of two boards."""
    kit = ListPortInfo("/dev/ttyACM1")
    kit.vid, kit.pid, kit.serial_number = 0x239A, 0x80F4, "C7FD1A"
    kit.manufacturer, kit.product = "TinySpark", "kit \x1b[31m"
    chip = ListPortInfo("/dev/ttyUSB0")
    chip.vid, chip.pid = 0x1A86, 0x7523
    monkeypatch.setattr(list_ports, "comports", lambda: [chip, kit, ListPortInfo("/dev/ttyS4")])


# ---------------------------------------------------------------- the list


def test_the_ports_are_described(plugged_in):
    acm, serial, usb = list_boards()
    assert (acm.path, acm.name, acm.maker, acm.usb) == (
        "/dev/ttyACM1",
        "kit \x1b[31m",
        "TinySpark",
        "239a:80f4",
    )
    assert acm.kind == "a board with CircuitPython"
    assert (serial.usb, serial.kind) == ("", "a serial port")
    assert (usb.maker, usb.usb) == ("WCH", "1a86:7523")
    assert "CH340" in usb.kind


@pytest.mark.parametrize("vendor", MAKERS)
def test_every_maker_is_named_with_what_the_port_likely_is(vendor):
    port = describe_port("/dev/ttyACM0", "", "", vendor, 1, None)
    assert (port.maker, port.kind) == MAKERS[vendor]


def test_a_board_that_names_its_language_is_believed():
    assert (
        describe_port("p", "Board in FS mode", "MicroPython", 0xFFFF, None, None).kind
        == "a board with MicroPython"
    )
    assert describe_port("p", "CircuitPython CDC", "", 0x303A, 1, None).kind == "a board with CircuitPython"
    assert describe_port("p", "x", "", 0xFFFF, 1, None).kind == "a board"


def test_the_verb_prints_a_table_and_json(here, plugged_in, monkeypatch, tmp_path):
    drive = tmp_path / "CIRCUITPY"
    drive.mkdir()
    about = (
        "Adafruit CircuitPython 8.1.0 on 2023-05-22; TinySpark with ESP32S3\nBoard ID:tinyspark\nUID:c7fd1a\n"
    )
    (drive / "boot_out.txt").write_text(about)
    monkeypatch.setattr("tinyglass.board.deployment.drive.mounted_places", lambda: [drive])
    done = here("boards")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    plain = " ".join(done.stdout.split())
    for words in (
        "/dev/ttyACM1",
        "a board with CircuitPython",
        "TinySpark",
        "239a:80f4",
        "C7FD1A",
        "1a86:7523",
    ):
        assert words in plain
    assert "CircuitPython 8.1.0" in plain.replace("│ │ │ ", "")
    facts = msgspec.json.decode(here("boards", "--json").stdout)
    assert [port["path"] for port in facts["ports"]] == ["/dev/ttyACM1", "/dev/ttyS4", "/dev/ttyUSB0"]
    assert facts["ports"][0]["kind"] == "a board with CircuitPython"
    (found,) = facts["drives"]
    assert found == {
        "path": str(drive),
        "board": "TinySpark with ESP32S3",
        "board_id": "tinyspark",
        "uid": "c7fd1a",
        "version": "8.1.0",
    }
    (drive / "boot_out.txt").write_text(about.replace("c7fd1a", "000000"))  # of a board without a port
    assert here("boards").stdout.count("likely") == 4


def test_nothing_is_plugged_in(here, monkeypatch):
    monkeypatch.setattr(list_ports, "comports", lambda: [])
    monkeypatch.setattr("tinyglass.board.deployment.drive.mounted_places", lambda: [])
    assert "No board is plugged in" in here("boards").stdout


def test_the_verb_runs_here(command):
    done = command("boards", "--json")
    assert done.returncode == 0, done.stderr
    assert set(msgspec.json.decode(done.stdout)) == {"ports", "drives"}


# ---------------------------------------------------------------- opening


def test_a_port_is_opened_for_this_process_alone(board, python):
    with open_port(str(board.port)) as port:
        lock = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = python(lock, board.port)
        assert "BlockingIOError" in other.stderr
        board.say("0.5\r\n")
        wire = Wire(port)
        assert [line.text for line in wire.lines(5)] == ["0.5"]
        wire.send("?")
        assert board.hear() == "?"


def test_a_port_that_is_not_there_is_named_with_those_that_are(plugged_in):
    with pytest.raises(TinyglassError) as error:
        open_port("/dev/ttyACM0")
    assert str(error.value) == (
        "There is no such port. In /dev/ttyACM0. "
        "Did you mean '/dev/ttyACM1'? Plugged in: /dev/ttyACM1, /dev/ttyS4, /dev/ttyUSB0."
    )
    with pytest.raises(TinyglassError) as error:  # no port is like it
        open_port("/dev/cu.usb")
    assert "Did you mean" not in str(error.value)


def test_a_port_that_is_not_there_and_none_that_is(monkeypatch):
    monkeypatch.setattr(ports, "list_boards", lambda: [])
    for path in ("", "/dev/nothing", "/dev/null/nothing", "a\0b", "x" * 5000):
        with pytest.raises(
            TinyglassError, match=r"There is no such port.* No board is plugged in: connect it"
        ):
            open_port(path)


def test_what_is_no_port_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path, what in ((tmp_path, "a folder"), (tmp_path / "file", "a file")):
        with pytest.raises(TinyglassError, match=f"Expected a serial port, found {what}"):
            open_port(str(path))
    with pytest.raises(TinyglassError, match=r"found a device of another kind|cannot be opened"):
        open_port("/dev/null")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("baud", [10**12, 2**31])
def test_a_speed_that_no_port_has(board, baud):
    with pytest.raises(TinyglassError, match=f"no speed of {baud} baud|cannot be opened"):
        open_port(str(board.port), baud)


HOLDER = """
import os, sys, time
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
if sys.argv[2] == "lock":
    import fcntl
    fcntl.flock(port, fcntl.LOCK_EX)
print("open", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("way", ["lock", "read"])
def test_a_taken_port_is_named_with_who_has_it(board, command, way):
    words = [sys.executable, "-c", HOLDER, str(board.port), way]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            assert [pid for pid, _ in holders(str(board.port))] == [holder.pid]
            done = command(
                "record", "--port", board.port, "--label", "a", "--out", "nowhere", stdin=subprocess.DEVNULL
            )
        finally:
            holder.kill()
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"The port is taken: {Path(sys.executable).name} -c import os, sys, time port = " in done.stderr
    assert f"(process {holder.pid}) has it open." in done.stderr
    assert "Close it, and run the same command again." in done.stderr
    assert not Path("nowhere").exists()


def test_a_port_that_is_locked_by_an_unknown_process(board, monkeypatch):
    monkeypatch.setattr(ports, "holders", lambda path: [])
    locked = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(locked, fcntl.LOCK_EX)
    with pytest.raises(TinyglassError, match=r"taken by another program.* Close every serial monitor"):
        open_port(str(board.port))
    fcntl.flock(locked, fcntl.LOCK_UN)
    fcntl.ioctl(locked, termios.TIOCEXCL)
    if os.getuid():
        with pytest.raises(TinyglassError, match="taken by another program"):
            open_port(str(board.port))
    os.close(locked)


FORBIDDEN = """
import os, sys
from tinyglass.board import ports
import difflib, grp, serial, serial.tools.list_ports
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    ports.open_port(sys.argv[1])
except ports.TinyglassError as error:
    print(error)
"""


def test_a_port_that_this_user_may_not_use_is_named_with_its_group(python):
    if os.getuid() != 0:
        pytest.skip("only root can make a port that this user may not use")
    master, slave = os.openpty()
    os.chown(os.ttyname(slave), 0, 5)
    os.chmod(os.ttyname(slave), 0o660)
    try:
        done = python(FORBIDDEN, os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
    assert "This user may not use the port, which belongs to the group tty." in done.stdout, done.stderr
    assert "Join the group tty with: sudo usermod -aG tty $USER; then log out and in again." in done.stdout


# ---------------------------------------------------------------- the wire


def test_a_board_that_goes_is_said_plainly(board):
    with open_port(str(board.port)) as port:
        wire = Wire(port)
        board.say("0.5\r\n0.")
        assert [line.text for line in wire.lines(5)] == ["0.5"]
        wire.lines(0.1)
        board.unplug()
        with pytest.raises(UnpluggedError, match=r"The board was unplugged.* Plug it in again"):
            wire.lines(1)
        rest: Any = wire.rest()
        assert (rest.raw, rest.whole) == (b"0.", False)
        assert wire.rest() is None
        with pytest.raises(UnpluggedError):
            wire.send("?")


def test_a_board_that_takes_nothing_in_does_not_stop_the_computer(board, monkeypatch):
    monkeypatch.setattr(ports, "WRITE_TIMEOUT", 0.2)
    with open_port(str(board.port)) as port, pytest.raises(UnpluggedError, match="takes nothing in"):
        Wire(port).send("x" * 10_000_000)


def test_silence_takes_as_long_as_was_said(board):
    with open_port(str(board.port)) as port:
        began = time.monotonic()
        assert Wire(port).lines(0.2) == []
        assert time.monotonic() - began >= 0.2
