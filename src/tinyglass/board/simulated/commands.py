"""Commands to a simulated board in words, typed where it runs or sent from another terminal."""

from __future__ import annotations

import shlex
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...errors import ArgumentError, StorageError, TinyglassError, nearest
from .place import CONTROL, folder_of

if TYPE_CHECKING:
    from .kit import SimulatedBoard

COMMANDS = {
    "press": "press BUTTON[xTIMES] [SECONDS]",
    "hand": "hand closer | away | wave | still",
    "play": "play PATH [LABEL]",
    "unplug": "unplug",
    "plug": "plug",
    "quit": "quit",
}
LARGEST = 2**16  # bytes of a command
PATIENCE = 10.0  # seconds, for the other terminal
MOST = 100  # presses at once


class Answer(msgspec.Struct):
    """What a board says to a command: a sentence, or the parts of an error."""

    done: str = ""
    error: tuple[str, str, str] | None = None


def obey(board: SimulatedBoard, line: str) -> str:
    """Do what a command says, and return a sentence on what was done; "" for quit.

    Raises
    ------
    TinyglassError
        If it cannot be done, or is no command.
    """
    try:
        word, *rest = shlex.split(line)
    except ValueError:
        raise ArgumentError(
            f"No command can be read in {line!r}", "a command", "Close its quotation marks"
        ) from None
    match word, *rest:
        case ["press", button, *seconds] if len(seconds) < 2:
            number, times = _presses(button)
            for _ in range(times):
                board.press(number, *map(_seconds, seconds))
            often = f" {times} times" if times > 1 else ""
            return f"Button {number} is pressed{often}{''.join(f' for {each} s' for each in seconds)}."
        case ["hand", motion]:
            board.hand(motion)
            return f"The motion is {motion}."
        case ["play", path, *label] if len(label) < 2:
            n = board.play(path, *label)
            return f"{n} recording{'s' * (n > 1)} of {path} {'are' if n > 1 else 'is'} played."
        case ["unplug"]:
            board.unplug()
            return "The board is unplugged."
        case ["plug"]:
            board.plug()
            return "The board is plugged in."
        case ["quit"]:
            return ""
    if word in COMMANDS:
        raise ArgumentError(f"Expected {COMMANDS[word]}, found {line!r}", "a command", "Type it so")
    raise ArgumentError(f"Unknown command {word!r}", "a command", nearest(word, list(COMMANDS)))


def _presses(text: str) -> tuple[int, int]:
    """Return the number of a button, and how often it is pressed."""
    button, cross, times = text.partition("x")
    if not (button.isdecimal() and (times if cross else "1").isdecimal()):
        raise ArgumentError(f"Expected the number of a button, found {text!r}", "a command", "Press 1 or 2")
    if cross and not 1 <= int(times) <= MOST:
        raise ArgumentError(f"Expected 1 to {MOST} times, found {text!r}", "a command", "Give such a number")
    return int(button), int(times or 1)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ArgumentError(f"Expected 0 to 3600 seconds, found {text!r}", "a command", "Give such a number")
    return seconds


class Control:
    """A socket that takes commands; only the user's own programs reach it, as its folder is private."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(folder / CONTROL))
        self._socket.listen()

    def fileno(self) -> int:
        return self._socket.fileno()

    def serve_one(self, board: SimulatedBoard) -> str | None:
        """Do one command that was sent; return what `obey` does, None if it failed."""
        connection, _ = self._socket.accept()
        done = None
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE)
            line = connection.makefile("rb").readline(LARGEST).decode(errors="replace")
            try:
                done = obey(board, line)
                answer = Answer(done or "The board ends.")
            except TinyglassError as error:
                answer = Answer(error=(error.what, error.where, error.mend))
            connection.sendall(msgspec.json.encode(answer))
        return done

    def close(self) -> None:
        self._socket.close()


def is_running(drive: Path) -> bool:
    """Tell whether a board that takes commands runs on this drive."""
    folder = folder_of(drive)
    if folder is None:
        return False
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(folder / CONTROL)) == 0


def send(drive: Path, line: str) -> str:
    """Send a command to the board that runs on a drive, and return what it says.

    Raises
    ------
    StorageError
        If none runs there.
    TinyglassError
        If the board refuses the command.
    """
    folder = folder_of(drive)
    try:
        if folder is None:
            raise FileNotFoundError(drive)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(folder / CONTROL))
            connection.sendall(f"{line}\n".encode())
            answer = msgspec.json.decode(connection.makefile("rb").read(), type=Answer)
    except (OSError, msgspec.DecodeError) as error:
        mend = f"Start one: tinyglass board {shlex.quote(str(drive))}"
        raise StorageError("No simulated board runs on this drive", str(drive), mend) from error
    if answer.error is not None:
        raise TinyglassError(*answer.error)
    return answer.done
