"""Boards for tests: a pseudo-terminal, and a script that plays the board at its other end."""

from __future__ import annotations

import json
import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tinyglass.board.ports import holders


class Over(Exception):  # noqa: N818
    """The test has ended, or the board was unplugged: the script stops."""


class FakeBoard:
    """The board's end of a serial line. Its port is a symbolic link, as it may come back under another name."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "port"
        self.heard: list[str] = []  # lines that the computer has sent
        self._begun = b""
        self._ends: tuple[int, int] | None = None
        self._over = False
        self.plug()

    def plug(self) -> None:
        """Be there."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._ends = master, slave
        self.port.unlink(missing_ok=True)
        self.port.symlink_to(os.ttyname(slave))

    def unplug(self) -> None:
        """Be gone."""
        ends, self._ends = self._ends, None
        self.port.unlink(missing_ok=True)
        for end in ends or ():
            os.close(end)
        self._begun = b""

    def end(self) -> None:
        """Let the script stop."""
        self._over = True

    def say(self, text: str | bytes, line_by_line: float | None = None) -> None:
        """Send text, whole; with pauses of so many seconds after its lines."""
        content = text.encode() if isinstance(text, str) else text
        if line_by_line is not None:
            for line in content.splitlines(keepends=True):
                self.say(line)
                self.wait(line_by_line)
            return
        while content:
            if self._over or self._ends is None:
                raise Over
            try:
                content = content[os.write(self._ends[0], content) :]
            except BlockingIOError:  # nobody reads: a board waits, too
                time.sleep(0.005)
            except OSError:
                raise Over from None

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._over:
                raise Over
            time.sleep(min(left, 0.01))

    def wait_for_somebody(self) -> None:
        """Wait until another process has opened the port; what is said before is thrown away on opening."""
        while not holders(str(self.port)):
            self.wait(0.05)
        self.wait(0.5)

    def hear(self, seconds: float = 60) -> str | None:
        """Return the next line that the computer sends, without its end; None if none comes in time."""
        end = time.monotonic() + seconds
        while b"\n" not in self._begun:
            if self._over or self._ends is None:
                raise Over
            if time.monotonic() > end:
                return None
            if select.select([self._ends[0]], [], [], 0.01)[0]:
                with suppress(BlockingIOError):
                    try:
                        self._begun += os.read(self._ends[0], 4096)
                    except OSError:
                        raise Over from None
        line, _, self._begun = self._begun.partition(b"\n")
        self.heard.append(line.decode(errors="replace").strip())
        return self.heard[-1]

    def await_word(self, word: str, seconds: float = 60) -> str:
        """Return the next line that begins with the word; others are passed over."""
        end = time.monotonic() + seconds
        while (line := self.hear(max(0.0, end - time.monotonic()))) is not None:
            if line.startswith(word):
                return line
        raise Over


Script = Callable[[FakeBoard], None]


@contextmanager
def played(folder: Path, script: Script) -> Iterator[FakeBoard]:
    """Give a board that the script plays, in a thread of its own; what fails in it fails the test."""
    board = FakeBoard(folder)
    failures: list[BaseException] = []

    def play() -> None:
        try:
            script(board)
        except Over:
            pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield board
    finally:
        board.end()
        thread.join(30)
        assert not thread.is_alive()
        board.unplug()
        for failure in failures:
            raise failure


Row = Sequence[float]


def recorder(
    recordings: Sequence[Sequence[Row] | str | bytes | Callable[[FakeBoard], None]],
    channels: Sequence[str] = ("distance",),
    units: Sequence[str] = ("",),
    period: float = 0.0,
) -> Script:
    """Return a board with our recorder.

    Parameters
    ----------
    recordings : what it answers to one ``record`` after the other: rows, text to be sent as it is, or a function
    channels, units : as it introduces itself
    period : float, seconds between readings; their times are always those that were asked for
    """
    about = json.dumps({"sensor": "test", "channels": list(channels), "units": list(units)})

    def play(board: FakeBoard) -> None:
        left = list(recordings)
        board.say(f"# tinyglass recorder 1 {about}\r\n")
        while True:
            line = board.hear()
            if line == "?":
                board.say(f"# tinyglass recorder 1 {about}\r\n")
            elif line == "stop":
                board.say("# stopped\r\n")
            elif line is not None and line.split()[0] in ("record", "stream"):
                answer = left.pop(0)
                if callable(answer):
                    answer(board)
                elif isinstance(answer, str | bytes):
                    board.say(answer)
                else:
                    word = "recording" if line.startswith("record") else "streaming"
                    board.say(framed(answer, float(line.split()[-1]), word), period or None)

    return play


def framed(rows: Sequence[Row], period_ms: float, word: str = "recording") -> str:
    """Return what our recorder prints for these readings."""
    lines = [f"{i * period_ms:.0f},{','.join(map(str, row))}" for i, row in enumerate(rows)]
    return "\r\n".join([f"# {word}", *lines, *(["# done"] if word == "recording" else []), ""])


def pressed(values: Sequence[float]) -> str:
    """Return what the course's program prints when its button 1 is pressed."""
    lines = [f"distance={value}" for value in values]
    return "\r\n".join(["> Starting recording in 1sec", *lines, "> Stopped recording", ""])


def print_out(recordings: Sequence[Sequence[float]]) -> str:
    """Return what the course's program prints when its button 2 is pressed."""
    rows = [f"{list(row)}," for row in recordings]
    return "\r\n".join(["Recordings: [-500ms, -250ms, current]", "[", *rows, "]", ""])


def printing(lines: Sequence[str], period: float, first: str = "") -> Script:
    """Return a board that prints these lines round and round, from when it is listened to."""

    def play(board: FakeBoard) -> None:
        board.hear(0.3)  # most sources are asked something first
        board.say(first)
        due = time.monotonic()
        while True:
            for line in lines:
                board.say(f"{line}\r\n")
                due += period
                board.wait(max(0.0, due - time.monotonic()))

    return play


def terminal_environment() -> dict[str, str]:
    """Return the environment of a process at a terminal of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    return {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
