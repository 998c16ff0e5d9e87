"""Let the board itself tell whether it computes what the PC computes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import TinyglassError
from ..ports import list_boards, open_port
from ..repl import RawRepl
from ..wire import UnpluggedError

if TYPE_CHECKING:
    from .drive import Drive

PROGRAM = """
import sys
sys.modules.pop("model", None)
import model
print(model.selftest())
"""
PATIENCE = 120.0  # seconds: a slow board reads a large model for a while
SHORT_PATIENCE = 4.0  # for a prompt, which a sketch never shows
MOST_LINES, LONGEST_LINE = 1000, 400  # of what a sketch prints besides
LINE = re.compile(r"^selftest (\S+) (\S+) (\d+)/(\d+) hash=(\S+)(?: error=(\S+))?$", re.MULTILINE)


@dataclass(frozen=True)
class SelfTest:
    """What a model says about itself after it has run its test vectors.

    Attributes
    ----------
    model : str, the first 16 hexadecimal digits of the model's SHA-256
    precision : "float32" or "int8"
    passed, total : int, test vectors
    hash : str, of the chosen classes, and in int8 of the outputs too: the same on every board
    error : str, the largest difference from the PC's outputs
    """

    model: str
    precision: str
    passed: int
    total: int
    hash: str
    error: str = ""

    def __str__(self) -> str:
        counts = f"{self.passed}/{self.total} hash={self.hash}"
        return f"selftest {self.model} {self.precision} {counts}" + (
            f" error={self.error}" if self.error else ""
        )


def read_selftest(text: str, where: str) -> SelfTest:
    """Return the self-test that a line in the text tells of.

    Raises
    ------
    TinyglassError
        If there is no such line.

    Examples
    --------
    >>> read_selftest("selftest 1f3a5b7c9d0e1f2a int8 8/8 hash=89abcdef error=0.0", "an example").passed
    8
    """
    found = LINE.search(text)
    if found is None:
        raise TinyglassError(
            f"Expected a line of a self-test, found {text.strip()[:80]!r}", where, "Put the model there again"
        )
    model, precision, passed, total, hash_, error = found.groups()
    return SelfTest(model, precision, int(passed), int(total), hash_, error or "")


def check_board(port: str, expected: str) -> SelfTest:
    """Stop the board's program, let ``model.py`` run its test vectors there, and start the program anew.

    Parameters
    ----------
    port : str, such as ``/dev/ttyACM0``
    expected : str, the line that ``model.selftest()`` must print but for its error

    Raises
    ------
    TinyglassError
        If no board answers, the model cannot be imported there, or its result is another: both are named.
    """
    wanted = read_selftest(expected, "what the PC expects")
    with open_port(port) as wire:
        repl = RawRepl(wire)
        repl.enter()
        found = _run_selftest(repl, port)
    for what in ("model", "precision", "passed", "total", "hash"):
        here, there = getattr(wanted, what), getattr(found, what)
        if here != there:
            raise TinyglassError(
                f"The board's self-test differs in its {what}: expected '{wanted}', the board says '{found}'",
                port,
                "Put the model there again, or go back with --restore",
            )
    return found


def _run_selftest(repl: RawRepl, port: str) -> SelfTest:
    try:
        return read_selftest(repl.run(PROGRAM, PATIENCE), port)
    finally:
        repl.restart()


def ask_for_selftest(port: str) -> SelfTest:
    """Return what the self-test of any board says: one that runs Python, or a sketch that answers to "t".

    Parameters
    ----------
    port : str, such as ``/dev/ttyACM0``

    Raises
    ------
    TinyglassError
        If the board does neither.
    """
    with open_port(port) as wire:
        repl = RawRepl(wire)
        try:
            repl.enter(SHORT_PATIENCE)
        except UnpluggedError:
            raise
        except TinyglassError:
            wire.reset_input_buffer()
            wire.timeout = PATIENCE
            wire.write(b"t")
            for _ in range(MOST_LINES):
                line = wire.readline(LONGEST_LINE).decode(errors="replace")
                if LINE.search(line.strip()):
                    return read_selftest(line.strip(), port)
                if not line:
                    break
            raise TinyglassError(
                "The board has no Python prompt, and does not answer to 't' with its self-test",
                port,
                "Put an exported program on it, and close other programs that use the port",
            ) from None
        return _run_selftest(repl, port)


def restart_board(port: str) -> None:
    """Stop the board's program, and start it anew.

    Raises
    ------
    TinyglassError
        If no board answers.
    """
    with open_port(port) as wire:
        repl = RawRepl(wire)
        repl.enter()
        repl.restart()


def find_port(drive: Drive) -> str | None:
    """Return the serial port of the board whose drive this is: both bear its serial number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tinyglass.board.deployment.drive import Drive
    >>> find_port(Drive(Path("."), "", "", "", ""))
    """
    if not drive.uid:
        return None
    ports = [port.path for port in list_boards() if port.serial_number.upper() == drive.uid.upper()]
    return ports[0] if ports else None
