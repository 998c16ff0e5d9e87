"""Put files on a board's disk so that whatever happens, every file is entirely old or entirely new.

What holds after each step, whether the process is killed, the disk is full or the plug is pulled:

1. The files to be replaced are copied to the PC. The board's disk is as it was.
2. The new files are written aside, in a folder from which no board runs or imports anything, and read
   back. CircuitPython restarts its program three quarters of a second after the PC's last write to the
   drive, and may do so any number of times now: it always finds the old program, whole, and all that
   this imports.
3. One rename a file puts them in place, ``code.py`` last. Every exported ``model.py`` has the same
   functions and constants, so that an old ``code.py`` that starts between two renames runs with
   the new model; the renames follow each other within milliseconds, faster than CircuitPython restarts.
   Only a deployment killed just there leaves that pair, both files whole: the next deployment or a
   restoration makes it right.
4. Everything is read back in its place, and the empty folder aside is removed.

A rename within FAT is one act for the PC, but several for the flash: a plug that is pulled in the very
milliseconds of step 3 may cost the entry of a file in its folder. What was in it is in the backup.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import StorageError, TinyglassError
from .backups import Backup, Kept, Manifest, finish, keep, last_backup, new_backup_folder
from .disks import Disk, FolderDisk, sha256
from .names import ASIDE, check_names, folders_of, in_order
from .steps import Check, MakeFolder, Remove, Rename, Step, Write

Reason = Literal["deploy", "restore"]


@dataclass(frozen=True)
class Change:
    """What becomes of one file.

    Attributes
    ----------
    name : str
    before, after : bytes or None, its content; None where there is no file
    """

    name: str
    before: bytes | None
    after: bytes | None

    @property
    def word(self) -> str:
        """The change in a word or two."""
        if self.before == self.after:
            return "unchanged" if self.after is not None else "absent"
        if self.after is None:
            return "removed"
        return "new" if self.before is None else "replaced"


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, and what follows from it.

    Attributes
    ----------
    disk : Disk, the board's
    changes : tuple of Change, in the order in which files are put
    steps : tuple of Step, empty if all is as wished
    backup : Path or None, where what is replaced is kept
    kept : tuple of str, the files in the backup
    swept : tuple of str, what a killed deployment left on the board's disk
    needed, free : int, bytes on the board's disk
    """

    disk: Disk
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    backup: Path | None
    kept: tuple[str, ...]
    swept: tuple[str, ...]
    needed: int
    free: int


def plan_placement(
    disk: Disk,
    wished: Mapping[str, bytes | None],
    backups: Path,
    reason: Reason = "deploy",
    folders: Sequence[str] = (),
) -> Plan:
    """Return the steps that bring a disk to what is wished; nothing is written yet.

    Parameters
    ----------
    disk : Disk
    wished : contents by relative name; None where there shall be no file
    backups : Path, the folder of this board's backups
    reason : {"deploy", "restore"}, noted in the backup
    folders : to be removed where they are empty then

    Raises
    ------
    ArgumentError
        If the disk cannot hold a file of that name.
    StorageError
        If there is too little space, or a folder has the name of a file.
    """
    check_names(wished)
    before = {name: _read(disk, name) for name in wished}
    changes = tuple(Change(name, before[name], wished[name]) for name in in_order(wished))
    put = {c.name: c.after for c in changes if c.after is not None and c.before != c.after}
    removed = [c.name for c in reversed(changes) if c.after is None and c.before is not None]
    leftovers = dict(_leftovers(disk, ASIDE))
    swept = {name: size for name, size in leftovers.items() if size >= 0}
    steps: list[Step] = [Remove(disk, name) for name in leftovers]
    last = last_backup(backups)
    if last is not None and not last.manifest.finished and _is_done(disk, last):
        steps += finish(last.folder, last.manifest)
        last = None
    if not (put or removed):
        return Plan(disk, changes, tuple(steps), None, (), tuple(swept), 0, disk.room().free)
    kept = _originals(disk, changes, last)
    there = [name for name in folders_of(put) if _is_folder(disk, name)]
    manifest = Manifest(
        disk.place,
        disk.about,
        reason,
        tuple(file for file, _ in kept),
        tuple(name for name in folders_of(put) if name not in there),
    )
    backup = new_backup_folder(backups)
    originals = {file.name: content for file, content in kept if content is not None}
    steps += keep(backup, manifest, originals)
    steps += _placing(disk, put, manifest.folders)
    steps += [Remove(disk, name) for name in (*removed, *reversed(folders))]
    steps += finish(backup, manifest)
    needed = _check_room(disk, put, sum(swept.values()), backup, originals)
    return Plan(disk, changes, tuple(steps), backup, tuple(originals), tuple(swept), needed, disk.room().free)


def _is_done(disk: Disk, backup: Backup) -> bool:
    """Tell whether everything is in its place that a deployment was to put, though it was killed."""
    return all(_sha256(_read(disk, file.name)) == file.put for file in backup.manifest.files)


def _originals(disk: Disk, changes: Sequence[Change], last: Backup | None) -> list[tuple[Kept, bytes | None]]:
    """Return what is to be kept: the files that change, as they were.

    What the last deployment put before it was killed is no original: the originals are in its backup.
    """
    before = {c.name: c.before for c in changes if c.before != c.after}
    after = {c.name: c.after for c in changes}
    if last is not None and not last.manifest.finished:
        for file in last.manifest.files:
            now = _read(disk, file.name)
            if file.put == _sha256(now):
                before[file.name] = last.content(file)
                after.setdefault(file.name, now)
    return [
        (Kept(name, _sha256(before[name]), _sha256(after[name])), before[name]) for name in in_order(before)
    ]


def perform(plan: Plan) -> None:
    """Perform the steps one after the other.

    Raises
    ------
    StorageError
        If one fails: it says which files are new already. What waits aside is removed, if that is possible.
    """
    done: list[Step] = []
    try:
        for step in plan.steps:
            step.perform()
            done.append(step)
    except BaseException as error:
        with suppress(OSError, TinyglassError):
            for name, _ in _leftovers(plan.disk, ASIDE):
                plan.disk.remove(name)
        if isinstance(error, (OSError, TinyglassError)):
            raise _stopped(error, plan, done) from error
        raise


def _placing(disk: Disk, put: Mapping[str, bytes], new_folders: Sequence[str]) -> Iterator[Step]:
    """Yield the steps from writing aside to reading back."""
    aside = {name: f"{ASIDE}/{name}" for name in put}
    asides = folders_of(aside.values())
    yield from (MakeFolder(disk, folder) for folder in asides)
    yield from (Write(disk, aside[name], content) for name, content in put.items())
    yield from (Check(disk, aside[name], content) for name, content in put.items())
    yield from (MakeFolder(disk, folder) for folder in new_folders)
    yield from (Rename(disk, aside[name], name) for name in put)
    yield from (Check(disk, name, content) for name, content in put.items())
    yield from (Remove(disk, folder) for folder in reversed(asides))


def _leftovers(disk: Disk, folder: str) -> Iterator[tuple[str, int]]:
    """Yield the names in the folder and below, and their sizes, inner ones first, and itself."""
    inside = disk.names(folder)
    for name, size in inside.items():
        if size < 0:
            yield from _leftovers(disk, f"{folder}/{name}")
        else:
            yield f"{folder}/{name}", size
    if inside or _is_folder(disk, folder):
        yield folder, -1


def _is_folder(disk: Disk, name: str) -> bool:
    outer, _, own = name.rpartition("/")
    return disk.names(outer).get(own, 0) < 0


def _read(disk: Disk, name: str) -> bytes | None:
    try:
        return disk.read(name)
    except IsADirectoryError as error:
        raise StorageError(
            f"Expected a file named {name}, found a folder", disk.place, "Give the folder another name"
        ) from error


def _sha256(content: bytes | None) -> str | None:
    return None if content is None else sha256(content)


def _check_room(
    disk: Disk, put: Mapping[str, bytes], swept: int, backup: Path, originals: Mapping[str, bytes]
) -> int:
    """Return the bytes that are needed on the board's disk for a while, refusing a disk that has fewer.

    All new files wait aside while the old ones are still there. A folder takes a piece of the disk.
    """
    room = disk.room()
    needed = sum(map(room.taken_by, map(len, put.values()))) + room.piece * (1 + 2 * len(folders_of(put)))
    ground = next(folder for folder in backup.parents if folder.exists())
    pc = FolderDisk(ground)
    kept = sum(map(pc.room().taken_by, map(len, originals.values()))) + 4 * pc.room().piece
    demands = [(disk.place, room.free + swept, needed), (str(ground), pc.room().free, kept)]
    if isinstance(disk, FolderDisk) and os.stat(ground).st_dev == os.stat(disk.path).st_dev:
        needed += kept
        demands = [(disk.place, room.free + swept, needed)]
    for place, free, wanted in demands:
        if wanted > free:
            raise StorageError(
                f"{wanted:,} bytes are needed for a while, and {free:,} are free: {wanted - free:,} are missing",
                place,
                "Remove files that are not needed there; nothing was written",
            )
    return needed


# ---------------------------------------------------------------- when a step fails

MENDS = {
    errno.ENOSPC: "Free some space there",
    errno.EDQUOT: "Free some space there",
    errno.EROFS: "The drive can only be read now: eject it and press the board's reset button",
    errno.EACCES: "See that you may write there",
    errno.EPERM: "See that you may write there",
}
GONE = "Plug the board in again and wait for its drive"


def _stopped(error: Exception, plan: Plan, done: Sequence[Step]) -> StorageError:
    """Return the error that says what failed, and in what state the board's disk is."""
    step = plan.steps[len(done)]
    if isinstance(error, TinyglassError):
        what, where, mend = error.what, error.where, error.mend
    else:
        assert isinstance(error, OSError)
        what = f"Could not {step.verb} {step.name}: {os.strerror(error.errno or 0)}"
        where = step.disk.place
        usual = GONE if step.disk is plan.disk else "Give another folder with --backup"
        mend = MENDS.get(error.errno or 0, usual)
    placed = [s.name for s in done if isinstance(s, (Rename, Remove)) and s.disk is plan.disk]
    placed = [change.name for change in plan.changes if change.name in placed]
    open_ = [c.name for c in plan.changes if c.before != c.after and c.name not in placed]
    if not placed:
        state = "The board's files are as they were"
    elif open_:
        state = f"Already as wished: {', '.join(placed)}; still as before: {', '.join(open_)}"
        state += f"; what was there is in {plan.backup}"
    else:
        state = "All files were put"
    return StorageError(what, where, f"{mend}, then run the same command again. {state}")
