"""The folder that recordings are kept in.

::

    wave/001.csv              a recording, as a table that `read_recordings` reads exactly
    __raw/wave/001.txt        what came over the wire for it, byte for byte
    __undone/wave/002.csv     a recording that was undone
    __incomplete/wave/003.csv a recording that broke off

Whatever begins with two underscores is passed over by `read_recordings`. No number is used twice, so
nothing is ever overwritten: a number is taken by making its raw file, which must not exist before.
The label stands in the table; the name of the folder only looks like it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import ArgumentError, StorageError
from ...recordings import Recording
from ...storage import make_folder

RAW, UNDONE, INCOMPLETE = "__raw", "__undone", "__incomplete"
LONGEST_NAME = 100  # bytes; file systems take 255
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names of devices where there is Windows
EMPTY = "%empty"


def folder_name(label: str) -> str:
    """Return a name for the folder of a label, safe on every file system, and another one for every label.

    Examples
    --------
    >>> [folder_name(label) for label in ("wave", "hand hoch", "../x", "CON", "a/b", "", "手")]
    ['wave', 'hand hoch', '%2E.%2Fx', '%43ON', 'a%2Fb', '%empty', '手']
    """
    if not label:
        return EMPTY
    characters = [c if c.isalnum() or c in "-_ .+()" else _escaped(c) for c in label]
    for place in {0, len(characters) - 1}:
        if characters[place] in (" ", "."):
            characters[place] = _escaped(label[place])
    if label.startswith("__") or RESERVED.fullmatch(label):
        characters[0] = _escaped(label[0])
    name = "".join(characters)
    if len(name.encode()) > LONGEST_NAME:
        digest = hashlib.sha256(label.encode()).hexdigest()[:16]
        cut = name.encode()[: LONGEST_NAME - len(digest) - 1].decode(errors="ignore")
        name = f"{cut}~{digest}"
    return name


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def check_text(option: str, text: str) -> None:
    """Refuse a text that no file could hold.

    Raises
    ------
    ArgumentError
        If it is no UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text.encode(errors="backslashreplace").decode()
        raise ArgumentError(f"{shown!r} is no text in UTF-8", f"--{option}", "Type it anew") from error


@dataclass
class Slot:
    """The place of a recording: its number, and its raw file, which grows as bytes come.

    What the disk refuses is held in memory, and tried again.
    """

    folder: Path
    label: str
    number: int
    raw: Path
    _waiting: bytes = b""

    @property
    def path(self) -> Path:
        """Where the recording is kept if it is complete."""
        return self.folder / folder_name(self.label) / f"{self.number:03}.csv"

    @property
    def incomplete(self) -> Path:
        """Where it is kept if it broke off."""
        return _aside(self.path, self.folder, INCOMPLETE)

    def write(self, received: bytes) -> None:
        """Add to the raw file, now or later."""
        self._waiting += received
        with suppress(StorageError):
            self._write()

    def finish(self) -> None:
        """See to it that the raw file is on the disk, or gone if it is empty.

        Raises
        ------
        StorageError
            If the disk is full or refuses; it may be called again.
        """
        self._write(sync=True)
        if self.raw.exists() and not self.raw.stat().st_size:
            self.raw.unlink()

    def _write(self, sync: bool = False) -> None:
        try:
            with open(self.raw, "ab", buffering=0) as file:
                while self._waiting:
                    self._waiting = self._waiting[file.write(self._waiting) :]
                if sync:
                    os.fsync(file.fileno())
        except OSError as error:
            raise _refused(self.raw, error) from error


def take_slot(folder: Path, label: str) -> Slot:
    """Take the next number of a label.

    Raises
    ------
    StorageError
        If the folder cannot be written to.
    """
    name = folder_name(label)
    make_folder(folder / name)
    make_folder(folder / RAW / name)
    number = 1 + max(_numbers(folder, name), default=0)
    while True:
        raw = folder / RAW / name / f"{number:03}.txt"
        try:
            raw.open("xb").close()
            return Slot(folder, label, number, raw)
        except FileExistsError:  # another process has taken it meanwhile
            number += 1
        except OSError as error:
            raise _refused(raw, error) from error


def _numbers(folder: Path, name: str) -> Iterator[int]:
    for part in (folder, folder / RAW, folder / UNDONE, folder / INCOMPLETE):
        for path in (part / name).glob("*"):
            if match := re.match(r"\d+", path.name):
                yield int(match[0])


def save(slot: Slot, recording: Recording, complete: bool = True) -> Path:
    """Write a recording to its place, and return it; an incomplete one is set aside.

    Raises
    ------
    StorageError
        If the disk is full or refuses; it may be called again.
    """
    from ...recordings.saving import save_recordings

    slot.finish()
    path = slot.path if complete else slot.incomplete
    make_folder(path.parent)
    save_recordings([replace(recording, source=str(slot.path))], path)
    return path


def undo(path: Path, folder: Path) -> Path:
    """Set a recording aside, and return where it is now."""
    aside = _aside(path, folder, UNDONE)
    make_folder(aside.parent)
    try:
        return path.rename(aside)
    except OSError as error:
        raise _refused(aside, error) from error


def _aside(path: Path, folder: Path, part: str) -> Path:
    return folder / part / path.relative_to(folder)


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Could not write the file: {os.strerror(error.errno) if error.errno else error}",
        str(path),
        "Free some space, or choose a folder that you may write to; then run the same command again",
    )
