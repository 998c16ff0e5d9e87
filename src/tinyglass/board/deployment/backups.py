"""What a deployment replaces is kept on the PC first, whole, with the SHA-256 of each file.

A backup is a folder: ``files`` with what was on the board, and ``manifest.json``, written last, so that
a backup with a manifest is whole. The manifest also says what was put in the files' places, and
whether the deployment came to its end: one that was killed left some files new and some old, and the
next one keeps the old ones of both.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from ...errors import StorageError
from .disks import FolderDisk, sha256
from .names import check_names, folders_of
from .steps import MakeFolder, Remove, Rename, Step, Write

MANIFEST, FILES = "manifest.json", "files"
ASIDE = f"{MANIFEST}.new"
DATED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(-\d+)?")


class Kept(msgspec.Struct, frozen=True):
    """One file that a deployment changed.

    Attributes
    ----------
    name : str
    sha256 : str or None, of the file as it was; None if there was none
    put : str or None, of what took its place; None if it was removed
    """

    name: str
    sha256: str | None
    put: str | None


class Manifest(msgspec.Struct, frozen=True):
    """What is in a backup.

    Attributes
    ----------
    place, about : str, the drive or the port, and its board
    reason : "deploy" or "restore"
    files : tuple of Kept
    folders : tuple of str, which the deployment made
    finished : bool, whether everything was put
    """

    place: str
    about: str
    reason: Literal["deploy", "restore"]
    files: tuple[Kept, ...]
    folders: tuple[str, ...] = ()
    finished: bool = False


@dataclass(frozen=True)
class Backup:
    """A whole backup on the PC."""

    folder: Path
    manifest: Manifest

    def content(self, kept: Kept) -> bytes | None:
        """Return a file as it was, None if there was none.

        Raises
        ------
        StorageError
            If the backup was changed since.
        """
        if kept.sha256 is None:
            return None
        content = FolderDisk(self.folder).read(f"{FILES}/{kept.name}")
        if content is None or sha256(content) != kept.sha256:
            raise StorageError(
                f"The backup's {kept.name} is missing or was changed since: its SHA-256 is another",
                str(self.folder),
                "Choose an older backup with --restore NAME",
            )
        return content


def backups_folder() -> Path:
    """Return where backups are kept if nothing else is asked for."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "tinyglass" / "backups"


def last_backup(folder: Path) -> Backup | None:
    """Return the last backup of a board, if it has one.

    Parameters
    ----------
    folder : Path, of the board's backups

    Raises
    ------
    StorageError
        If its manifest is damaged.
    """
    places = _whole(folder)
    return _read(places[-1]) if places else None


def find_backup(folder: Path, name: str | None) -> Backup:
    """Return a board's backup of this name, or the last one that a deployment made.

    Parameters
    ----------
    folder : Path, of the board's backups
    name : str, the name of a backup in it, or any backup's path; None for the last one

    Raises
    ------
    StorageError
        If there is none, or its manifest is damaged.
    """
    places = _whole(folder)
    if name is None:
        for place in reversed(places):
            backup = _read(place)
            if backup.manifest.reason == "deploy":
                return backup
    else:
        for place in (folder / name, Path(name)):
            if (place / MANIFEST).exists():
                return _read(place)
    known = ", ".join(place.name for place in places) or "none"
    raise StorageError(
        "There is no backup of this board" + ("" if name is None else f" named {name}"),
        str(folder),
        f"Backups there: {known}; those of another place are found with --backup DIR",
    )


def new_backup_folder(folder: Path) -> Path:
    """Return the folder of a backup made now: it does not exist yet, and comes after all others."""
    now, number = _order(time.strftime("%Y-%m-%d_%H-%M-%S"))
    for place in _dated(folder)[-1:]:
        last, its_number = _order(place.name)
        if last >= now:  # in the same second, or the clock was put back
            now, number = last, its_number + 1
    return folder / (now if number == 1 else f"{now}-{number}")


def keep(folder: Path, manifest: Manifest, contents: dict[str, bytes]) -> list[Step]:
    """Return the steps that make a backup, and sweep those that a killed deployment left without a manifest."""
    steps = _sweep(folder.parent)
    disk = FolderDisk(folder, new=True)
    files = {f"{FILES}/{name}": content for name, content in contents.items()}
    steps += [MakeFolder(disk, name) for name in folders_of(files) or [FILES]]
    steps += [Write(disk, name, content) for name, content in files.items()]
    return steps + _write_manifest(disk, manifest)


def finish(folder: Path, manifest: Manifest) -> list[Step]:
    """Return the steps that note that everything was put."""
    return _write_manifest(FolderDisk(folder, new=True), msgspec.structs.replace(manifest, finished=True))


def _write_manifest(disk: FolderDisk, manifest: Manifest) -> list[Step]:
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return [Write(disk, ASIDE, text), Rename(disk, ASIDE, MANIFEST)]


def _sweep(folder: Path) -> list[Step]:
    steps: list[Step] = []
    for place in _dated(folder):
        if not (place / MANIFEST).exists():
            inside = sorted((path.relative_to(folder) for path in place.rglob("*")), reverse=True)
            steps += [Remove(FolderDisk(folder), str(path)) for path in (*inside, place.name)]
    return steps


def _dated(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    places = [place for place in folder.iterdir() if DATED.fullmatch(place.name) and place.is_dir()]
    return sorted(places, key=lambda place: _order(place.name))


def _whole(folder: Path) -> list[Path]:
    return [place for place in _dated(folder) if (place / MANIFEST).exists()]


def _order(name: str) -> tuple[str, int]:
    """Return the second in which a backup was made, and its number among those of this second."""
    return name[:19], int(name[20:] or 1)


def _read(folder: Path) -> Backup:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        check_names([kept.name for kept in manifest.files])
        check_names(manifest.folders)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StorageError(
            f"The backup's manifest is damaged ({error})",
            str(folder / MANIFEST),
            f"Copy what you need out of {FILES} beside it by hand, and remove the backup's folder",
        ) from error
    return Backup(folder, manifest)
