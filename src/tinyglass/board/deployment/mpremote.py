"""The files of a board behind a serial port, by MicroPython's own tool ``mpremote``."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import TinyglassError
from ..ports import open_port
from ..repl import RawRepl
from .disks import Room
from .drive import board_name

PATIENCE = 120  # seconds for one act: a slow wire carries 10 KB a second

# Each is one expression's value, printed for `ast.literal_eval`, or nothing.
FACTS = """
import os, sys
unique = b""
try:
    import machine
    unique = machine.unique_id()
except Exception:
    try:
        import microcontroller
        unique = microcontroller.cpu.uid
    except Exception:
        pass
about = sys.implementation
kind = getattr(about, "_machine", "") or os.uname().machine
print(repr((about[0], ".".join([str(n) for n in about[1][:3]]), kind, "".join(["%02x" % b for b in unique]))))
"""
ROOM = "import os\nprint(tuple(os.statvfs('.'))[:5])"
NAMES = """
import os
found = {{}}
try:
    names = os.listdir({folder!r})
except OSError:
    names = []
for name in names:
    about = os.stat({folder!r} + "/" + name)
    found[name] = -1 if about[0] & 0x4000 else about[6]
print(repr(found))
"""
MAKE = """
import os
try:
    os.mkdir({name!r})
except OSError as error:
    if error.args[0] != 17:  # it is there
        raise
"""
RENAME = "import os\nos.rename({old!r}, {new!r})"
REMOVE = "import os\nos.{act}({name!r})"


def runtime_of(port: str) -> str:
    """Return what runs on the board at a port, which is stopped: ``"micropython"`` or ``"circuitpython"``.

    Raises
    ------
    TinyglassError
        If no board answers.
    """
    return _facts(port)[0]


def _facts(port: str) -> tuple[str, str, str, str]:
    """Return the runtime, its version, the board, and its serial number in hexadecimal."""
    with open_port(port) as wire, RawRepl(wire) as board:
        name, version, kind, unique = ast.literal_eval(board.run(FACTS).strip())
    return name, version, kind, unique


class BoardDisk:
    """The files of a board that runs MicroPython, or CircuitPython whose drive is disabled.

    Its running program is stopped first.

    Parameters
    ----------
    port : str, such as ``/dev/ttyACM0``

    Raises
    ------
    TinyglassError
        If mpremote is not installed, or no board answers at the port.
    """

    def __init__(self, port: str) -> None:
        if importlib.util.find_spec("mpremote") is None:
            raise TinyglassError(
                "mpremote, which copies files to a board, is not installed",
                "this environment of Python",
                'Install it with: pip install "tinyglass[devices]"',
            )
        self.place = port
        name, version, kind, unique = _facts(port)
        spoken = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}.get(name, name)
        self.about = f"{kind}, {spoken} {version}"
        self.board = board_name(kind, unique)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do nothing more: mpremote has the port for itself during each act."""
        yield

    def room(self) -> Room:
        about = self._run(ROOM)
        return Room(about[4] * about[1], about[0])

    def names(self, folder: str = "") -> dict[str, int]:
        found: dict[str, int] = self._run(NAMES.format(folder=folder or "."))
        return dict(sorted(found.items()))

    def read(self, name: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            done = self._mpremote("cp", f":{name}", str(copy))
            if done.returncode and "No such file" in done.stderr:
                return None
            self._check(done, f"read {name}")
            return copy.read_bytes()

    def make_folder(self, name: str) -> None:
        self._run(MAKE.format(name=name))

    def write(self, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            copy.write_bytes(content)
            self._check(self._mpremote("cp", str(copy), f":{name}"), f"write {name}")

    def rename(self, old: str, new: str) -> None:
        self._run(RENAME.format(old=old, new=new))

    def remove(self, name: str) -> None:
        folder, _, own = name.rpartition("/")
        size = self.names(folder).get(own)
        if size is None or (size < 0 and self.names(name)):
            return
        self._run(REMOVE.format(act="rmdir" if size < 0 else "remove", name=name))

    def _run(self, program: str) -> Any:
        done = self._mpremote("exec", program)
        self._check(done, "change its files")
        return ast.literal_eval(done.stdout.strip() or "None")

    def _mpremote(self, *words: str) -> subprocess.CompletedProcess[str]:
        # `resume`: without it, the board's memory would be cleared before each act.
        command = [sys.executable, "-m", "mpremote", "connect", self.place, "resume", *words]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise TinyglassError(
                f"The board did not answer within {PATIENCE} seconds",
                self.place,
                "Press its reset button",
            ) from error

    def _check(self, done: subprocess.CompletedProcess[str], act: str) -> None:
        if done.returncode == 0:
            return
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1].rstrip(".")
        mend = "See that the board is plugged in, and that no other program uses its port"
        if "Errno 30" in said or "EROFS" in said or "ead-only" in said:
            mend = "Give the board's drive with --to: while the PC has it, the board itself may not write"
        elif "Errno 28" in said or "ENOSPC" in said or "No space" in said:
            mend = "Free some space on the board"
        raise TinyglassError(f"mpremote could not {act}: {said.removeprefix('mpremote: ')}", self.place, mend)
