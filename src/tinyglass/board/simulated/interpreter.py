"""MicroPython as a process with a terminal of its own: Ctrl-C reaches it, and a closed terminal ends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import termios
from array import array
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

from ...errors import TinyglassError

STANDINS = Path(__file__).parent / "standins"
INTERRUPT = 3  # Ctrl-C

# The process leads a session on this terminal, so that the kernel turns Ctrl-C into SIGINT, and ends
# the process when nobody holds the other end any more, however we ended.
LAUNCH = """
import fcntl, os, signal, sys, termios
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def find_micropython() -> str:
    """Return the path of MicroPython: beside this Python, or on the PATH.

    Raises
    ------
    TinyglassError
        If there is none.
    """
    beside = shutil.which("micropython", path=os.path.dirname(sys.executable))
    found = beside or shutil.which("micropython")
    if found is None:
        raise TinyglassError(
            "The simulated board runs in MicroPython, and none was found",
            f"{os.path.dirname(sys.executable)} and the PATH",
            'Install it: pip install "tinyglass[devices]"',
        )
    return found


class Interpreter:
    """A terminal, and on it one MicroPython after the other.

    What is sent and not yet read by one is there for the next, as in the buffer of a board.

    Attributes
    ----------
    outside : int, the descriptor to write to and read from; it does not wait
    """

    def __init__(self, micropython: str, world: Path) -> None:
        self._micropython = micropython
        self._environment = {
            "MICROPYPATH": f"{STANDINS}:.frozen",
            "TINYGLASS_WORLD": str(world),
            "TERM": "dumb",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.outside, self._inside = os.openpty()
        os.set_blocking(self.outside, False)

    def start(self, code: str, stay: bool) -> None:
        """Start MicroPython on this code; afterwards it ends, or stays in the REPL."""
        self.stop()
        self._set_terminal()
        command = [sys.executable, "-I", "-S", "-c", LAUNCH, self._micropython]
        self._process = subprocess.Popen(
            [*command, *(["-i"] if stay else []), "-c", code],
            stdin=self._inside,
            stdout=self._inside,
            stderr=self._inside,
            env=os.environ | self._environment,
            cwd="/",
        )

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def unread(self) -> bytes:
        """Take back what was sent to a process and not read by it."""
        waiting = array("i", [0])
        ioctl(self._inside, termios.FIONREAD, waiting)
        return os.read(self._inside, waiting[0]) if waiting[0] else b""

    def forget_unread(self) -> None:
        termios.tcflush(self._inside, termios.TCIFLUSH)

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        for descriptor in (self.outside, self._inside):
            with suppress(OSError):
                os.close(descriptor)

    def _set_terminal(self) -> None:
        """Let every byte through as it is but Ctrl-C, and echo nothing."""
        settings = termios.tcgetattr(self._inside)
        settings[0] = settings[1] = 0
        settings[3] = termios.ISIG | termios.NOFLSH
        settings[6] = [b"\0"] * len(settings[6])
        settings[6][termios.VINTR] = INTERRUPT
        settings[6][termios.VMIN] = 1
        termios.tcsetattr(self._inside, termios.TCSANOW, settings)
