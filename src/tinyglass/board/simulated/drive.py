"""The folder that stands for the drive that a CircuitPython board shows to the PC."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ...errors import ArgumentError, StorageError, nearest
from ...storage import make_folder, write_atomically
from ..programs import PLATFORMS, PROGRAMS, RECORDER, SENSORS, compose
from .interpreter import STANDINS

ABOUT = "boot_out.txt"
LOOK = 0.25  # seconds between looks at the files
QUIET = 0.75  # seconds without a change before a board starts anew, as CircuitPython waits
VERSION = "Adafruit CircuitPython 8.1.0 on 2023-05-22; Simulated TinySpark with ESP32S3"
DRIVERS = ("apds9930", "adafruit_lsm6ds")
NAMES = {"circuitpython": ("code.py", "main.py"), "micropython": ("main.py",)}
"""The files that a board runs at its start: the first that is there."""


def choose_program(program: str | Path | None, sensor: str | None, platform: str) -> str | None:
    """Return the text of the program to put on a drive; None for what is there already.

    Parameters
    ----------
    program : str or Path or None, a name in `PROGRAMS`, or a file
    sensor : str or None, for a program by name; a sensor without a program asks for the recorder
    platform : str

    Raises
    ------
    ArgumentError
        If there is no such program, sensor or platform.
    StorageError
        If the file cannot be read.
    """
    if platform not in PLATFORMS:
        raise ArgumentError(f"Unknown platform {platform!r}", "a board", nearest(platform, list(PLATFORMS)))
    if program in PROGRAMS or program is None:
        if program is None and sensor is None:
            return None
        return compose(str(program or RECORDER), sensor or SENSORS[0], platform)
    path = Path(program)
    if sensor is not None:
        raise ArgumentError(
            "A program in a file has its sensor in it", str(path), f"Leave the sensor {sensor!r} out"
        )
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        mend = nearest(str(program), list(PROGRAMS))
        raise ArgumentError(f"There is no program or file {str(program)!r}", "a board", mend) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"Could not read the program: {error}", str(path), "Name another file") from error


def fill_drive(folder: Path, text: str | None, platform: str) -> None:
    """Put on the drive what the kit has: ``boot_out.txt``, drivers, and a program, this one or the recorder.

    The drivers are there to be seen: whatever lies in their place, the stand-ins are what a program
    imports. A program that is replaced is kept under another name.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    if platform == "circuitpython":
        _add_firmware(folder)
    if text is None and find_program(folder, platform) is not None:
        return
    content = (compose(RECORDER, SENSORS[0], platform) if text is None else text).encode()
    path = folder / NAMES[platform][0]
    if path.exists() and path.read_bytes() != content:
        path.replace(_free_name(path))
    write_atomically(path, content)


def _add_firmware(folder: Path) -> None:
    if not (folder / ABOUT).exists():
        write_atomically(folder / ABOUT, f"{VERSION}\r\nBoard ID:simulated_tinyspark\r\n".encode())
    elif os.path.ismount(folder) and b"imulated" not in (folder / ABOUT).read_bytes():
        raise StorageError(
            "This is the drive of a board that is plugged in", str(folder), "Name a folder of your own"
        )
    for driver in DRIVERS:
        if not list((folder / "lib").glob(f"{driver}*")):
            make_folder(folder / "lib" / driver)
            for source in (STANDINS / driver).glob("*.py"):
                write_atomically(folder / "lib" / driver / source.name, source.read_bytes())


def _free_name(path: Path) -> Path:
    names = (f"{path.stem}-before{n}{path.suffix}" for n in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def find_program(folder: Path, platform: str) -> str | None:
    """Return the name of the file that the board runs, or None."""
    return next((name for name in NAMES[platform] if (folder / name).is_file()), None)


class Watch:
    """Tells once when the PC has changed files on the drive and writes no more.

    Parameters
    ----------
    folder : Path, the drive
    changed : Path, a file with the names of those that the board's program changed itself
    """

    def __init__(self, folder: Path, changed: Path) -> None:
        self._folder, self._by_program = folder, changed
        self.begin()

    def begin(self) -> None:
        """Take the files as they are now."""
        self._by_program.write_bytes(b"")
        self._seen = _look_at(self._folder)
        self._changed: float | None = None
        self._next_look = time.monotonic() + LOOK

    def has_changed(self) -> bool:
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK
        seen = _look_at(self._folder)
        for name in self._by_program.read_text(encoding="utf-8", errors="replace").splitlines():
            path = os.path.normpath(f"{self._folder}/{name}")
            self._seen.pop(path, None)
            seen.pop(path, None)
        if seen != self._seen:
            self._seen, self._changed = seen, now
        return self._changed is not None and now - self._changed >= QUIET


def _look_at(folder: Path) -> dict[str, tuple[int, int]]:
    """Return time and size of all files: equal as long as nobody writes."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            try:
                about = os.stat(path)
            except FileNotFoundError:
                continue
            found[path] = (about.st_mtime_ns, about.st_size)
    return found
