"""The raw REPL, spoken with the simulated kit: a real MicroPython, with the manners of both kinds of boards."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tinyglass import TinyglassError
from tinyglass.board.ports import open_port
from tinyglass.board.repl import RawRepl
from tinyglass.board.simulated import SimulatedBoard
from tinyglass.board.wire import UnpluggedError

SLEEPING = "import time\nwhile True: time.sleep(1)"
Connect = Callable[..., tuple[SimulatedBoard, RawRepl]]


@pytest.fixture(params=["circuitpython", "micropython"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Start a board with a program, and open its port."""
    with ExitStack() as stack:

        def start(program: str = SLEEPING) -> tuple[SimulatedBoard, RawRepl]:
            file = tmp_path / "program.py"
            file.write_text(program, encoding="utf-8")
            drive = tmp_path / "CIRCUITPY"
            try:
                board = SimulatedBoard(drive, file, platform=request.param)
            except TinyglassError as error:
                if "none was found" in error.what:
                    pytest.skip(str(error))
                raise
            stack.enter_context(board)
            return board, RawRepl(stack.enter_context(open_port(board.port)))

        yield start


def test_programs_run_one_after_the_other_and_share_their_names(connect):
    _, repl = connect()
    with repl:
        assert repl.run("x = 6\nprint(x * 7)") == "42\n"
        assert repl.run("print(x)\nprint('a', end='')") == "6\na"
        assert repl.run("pass") == ""


def test_long_programs_and_letters_of_all_languages_pass(connect):
    _, repl = connect()
    with repl:
        text = "手 ä " * 1000
        assert repl.run(f"print({text!r})", timeout=60) == text + "\n"


def test_a_failure_is_told_with_its_place_and_the_whole_traceback_is_noted(connect):
    board, repl = connect()
    (board.drive / "broken.py").write_text("def f():\n    return 1 / 0\n", encoding="utf-8")
    with repl:
        with pytest.raises(TinyglassError, match=r"stopped with ZeroDivisionError") as caught:
            repl.run("import broken\nbroken.f()")
        assert caught.value.where == f"{board.port}, broken.py, line 2"
        assert 'File "broken.py", line 2, in f' in caught.value.__notes__[0]
        with pytest.raises(TinyglassError, match="SyntaxError"):
            repl.run("def")
        assert repl.run("print(1)") == "1\n"


def test_a_program_that_does_not_end_is_stopped(connect):
    _, repl = connect()
    repl.enter()
    with pytest.raises(TinyglassError, match=r"did not end within 0\.5 seconds"):
        repl.run("while True: pass", timeout=0.5)
    repl.enter()
    assert repl.run("print(1)") == "1\n"


def test_endless_output_is_cut_off(connect):
    _, repl = connect()
    repl.enter()
    with pytest.raises(TinyglassError, match="printed more than"):
        repl.run("while True: print('endless' * 100)", timeout=60)
    repl.enter()
    assert repl.run("print(1)") == "1\n"


@pytest.mark.parametrize(
    "program",
    [
        SLEEPING,
        "while True: print('raw REPL; CTRL-B to ex' * 20)",
        "n = 0\nwhile n < 3:\n    try:\n        while True: print('OK')\n    except KeyboardInterrupt: n += 1",
        "print('it has ended')",
        "import sys\nwhile True: sys.stdout.buffer.write(bytes(range(256)) + b'raw REPL\\r\\n>OK\\x04\\x04>')",
    ],
    ids=["sleeping", "printing", "catching Ctrl-C", "ended", "garbage"],
)
def test_a_running_program_is_stopped(connect, program):
    _, repl = connect(program)
    time.sleep(0.3)  # in its midst, or not: both are well
    repl.enter(timeout=60)
    assert repl.run("print(6 * 7)", timeout=60) == "42\n"


def test_a_half_typed_line_is_dropped_and_not_run(connect):
    board, repl = connect()
    with repl:
        pass  # the friendly REPL is open now
    (board.drive / "keep").touch()
    repl.port.write(b"import os; os.remove('keep')")
    with repl:
        assert repl.run("import os; print('keep' in os.listdir())") == "True\n"
        repl.run("os.remove('keep')")
    assert not (board.drive / "keep").exists()


def test_a_raw_repl_that_another_program_left_open_is_used(connect):
    _, repl = connect()
    repl.enter()
    repl.port.write(b"print('begun by another")
    with repl:
        assert repl.run("print(2)") == "2\n"


def wait_to_hear(repl: RawRepl, text: bytes, seconds: float = 30) -> None:
    end, heard = time.monotonic() + seconds, b""
    while text not in heard:
        heard += repl.port.read(100)
        assert time.monotonic() < end, heard


def test_leaving_gives_the_friendly_repl_back(connect):
    _, repl = connect()
    with repl:
        repl.run("x = 5")
    repl.port.write(b"print('seen', x)\r")
    wait_to_hear(repl, b"seen 5\r\n")


def test_the_program_runs_anew_after_a_restart(connect):
    _, repl = connect("print('it', 'runs')\n" + SLEEPING)
    repl.enter()
    repl.restart()
    wait_to_hear(repl, b"it runs\r\n")


def test_titles_that_circuitpython_sets_are_no_output(connect):
    _, repl = connect()
    with repl:
        title = r"\x1b]0;REPL | 8.1.0\x1b\\"
        assert repl.run(f"print('{title}1', end='{title}')") == "1"


def test_an_unplugged_board_is_named(connect):
    board, repl = connect()
    repl.enter()
    pulled = threading.Timer(0.5, board.unplug)
    pulled.start()
    with pytest.raises(UnpluggedError, match="stopped answering") as caught:
        repl.run("import time\ntime.sleep(100)", timeout=60)
    pulled.join()
    assert caught.value.where == board.port
    with pytest.raises(UnpluggedError):
        repl.enter()


def test_an_error_inside_is_not_hidden_by_a_board_that_is_gone(connect):
    board, repl = connect()

    def fail() -> None:
        with repl:
            board.unplug()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_a_port_without_a_board_is_given_up():
    host, port = os.openpty()
    try:
        with open_port(os.ttyname(port)) as wire, pytest.raises(TinyglassError, match="No raw REPL answered"):
            RawRepl(wire).enter(timeout=0.5)
    finally:
        os.close(host)
        os.close(port)
