"""The drive that a CircuitPython board shows to the PC: found, read and judged before anything is written."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import StorageError

ABOUT = "boot_out.txt"  # CircuitPython writes it at every start
LARGEST_ABOUT = 2**14  # bytes; it also holds what boot.py printed
OLDEST = 8  # the first version that runs what is exported
FAT = ("vfat", "msdos", "exfat")


@dataclass(frozen=True)
class Drive:
    """A mounted CIRCUITPY drive, as its ``boot_out.txt`` describes it.

    Attributes
    ----------
    path : Path
    board : str, such as ``"TinySpark with ESP32S3"``
    board_id : str, such as ``"tinyspark_kit"``; "" where the file names none
    uid : str, the board's serial number in hexadecimal; "" where the file names none
    version : str, CircuitPython's; "" where it cannot be read
    """

    path: Path
    board: str
    board_id: str
    uid: str
    version: str

    @property
    def name(self) -> str:
        """The board's own name, by which its backups are kept.

        Examples
        --------
        >>> Drive(Path("/media/me/CIRCUITPY"), "kit", "kit_s3", "C7FD1A", "8.1.0").name
        'kit_s3-C7FD1A'
        """
        return board_name(self.board_id, self.uid)


def board_name(*parts: str) -> str:
    """Return a folder's name for a board.

    Examples
    --------
    >>> board_name("a kit/2", "")
    'a_kit_2'
    """
    return re.sub(r"[^\w-]+", "_", "-".join(part for part in parts if part)).strip("_") or "board"


def read_drive(path: str | Path) -> Drive:
    """Return what a drive says about its board.

    Parameters
    ----------
    path : the folder where it is mounted

    Raises
    ------
    StorageError
        If there is no such folder, or CircuitPython has not written there.
    """
    path = Path(path)
    try:
        with open(path / ABOUT, "rb") as file:
            about = file.read(LARGEST_ABOUT).decode(errors="replace")
    except OSError as error:
        reason = "There is no such folder" if not path.is_dir() else f"There is no {ABOUT} that can be read"
        raise StorageError(
            f"{reason}, so this is no CIRCUITPY drive",
            str(path),
            "Name the folder where the board's drive is mounted, or give --to auto; if the board shows no "
            "drive, press its reset button, or install CircuitPython 8 or newer",
        ) from error
    lines = about.splitlines() or [""]
    if "CircuitPython" not in lines[0]:
        raise StorageError(
            f"{ABOUT} does not speak of CircuitPython, but says {lines[0][:80]!r}",
            str(path),
            "Name the folder of a board that runs CircuitPython 8 or newer",
        )
    version = re.search(r"CircuitPython (\d+\.\d\S*)", lines[0])
    # The first line of a name counts: what boot.py printed comes after CircuitPython's own.
    entries = dict(line.split(":", 1) for line in reversed(lines[1:]) if ":" in line)
    return Drive(
        path,
        lines[0].rpartition(";")[2].strip(),
        entries.get("Board ID", "").strip(),
        entries.get("UID", "").strip(),
        version[1] if version else "",
    )


def check_drive(drive: Drive) -> tuple[str, ...]:
    """Refuse a drive that cannot take a program, and return warnings about one that can.

    Raises
    ------
    StorageError
        If its CircuitPython is too old, or the drive may not be written.
    """
    if drive.version and int(drive.version.split(".")[0]) < OLDEST:
        raise StorageError(
            f"The board runs CircuitPython {drive.version}, and the program needs {OLDEST} or newer",
            str(drive.path / ABOUT),
            "Install a newer CircuitPython on the board; its files stay, but copy them to the PC first",
        )
    if os.statvfs(drive.path).f_flag & os.ST_RDONLY or not os.access(drive.path, os.W_OK):
        raise StorageError(
            "The drive can only be read: the board's program writes it itself, it was pulled out while it was "
            "written, or it is mounted so",
            str(drive.path),
            "Eject the drive, press the board's reset button, and try again; if boot.py calls "
            "storage.remount or storage.disable_usb_drive, hold the button that it heeds",
        )
    warnings = []
    if not drive.version:
        warnings.append(f"{ABOUT} names no version that can be read; {OLDEST} or newer is needed")
    return tuple(warnings)


def find_drives(places: Iterable[Path] | None = None) -> list[Drive]:
    """Return the mounted CIRCUITPY drives.

    Parameters
    ----------
    places : folders to look at, optional; where drives are mounted if left out

    Examples
    --------
    >>> find_drives([Path("there/is/none")])
    []
    """
    drives = []
    for place in mounted_places() if places is None else places:
        try:
            drives.append(read_drive(place))
        except StorageError:
            continue
    return drives


def mounted_places() -> list[Path]:
    """Return the folders where drives are mounted, on Linux, macOS and Windows."""
    places = [
        place
        for folder, pattern in (("/media", "*"), ("/media", "*/*"), ("/run/media", "*/*"), ("/Volumes", "*"))
        for place in sorted(Path(folder).glob(pattern))
    ]
    if os.name == "nt":
        places += [Path(f"{letter}:/") for letter in string.ascii_uppercase]
    places += _fat_mounts(Path("/proc/mounts"))
    return sorted({os.path.realpath(place): place for place in reversed(places)}.values())


def _fat_mounts(table: Path) -> list[Path]:
    """Return where FAT is mounted; other kinds are not looked into, for a network drive may never answer."""
    try:
        rows = [
            line.split() for line in table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        ]
    except OSError:
        return []
    unescape = re.compile(r"\\([0-7]{3})")
    return [Path(unescape.sub(lambda code: chr(int(code[1], 8)), row[1])) for row in rows if row[2] in FAT]
