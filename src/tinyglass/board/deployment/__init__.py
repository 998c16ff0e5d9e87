"""Networks are put on boards: on a CIRCUITPY drive, or through a port by mpremote.

========== =========================================================================================
`drive`    the drive of a board with CircuitPython: found, read, judged
`disks`    what is needed of a place for files: a folder here, or (`mpremote`) a board behind a port
`names`    which names a board's disk can hold, and which of them a board runs
`steps`    the acts that a deployment is made of
`placing`  the plan of these acts, whose order leaves nothing half-written, and performing it
`backups`  what was on the board before
`checking` the self-test on the board
========== =========================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ...errors import StorageError, TinyglassError
from .backups import Backup, backups_folder, find_backup
from .disks import Disk, FolderDisk, sha256
from .drive import check_drive, read_drive
from .placing import Plan, perform, plan_placement

MODEL = "model"  # the module that code.py imports
BEFORE_CODE = ("code.txt",)  # CircuitPython runs it instead of code.py


class PlacedFile(msgspec.Struct, frozen=True):
    """One file of a placement.

    Attributes
    ----------
    name : str
    change : "new", "replaced", "unchanged", "removed" or "absent"
    size, size_before : int, bytes, or None
    sha256 : str, or None where there is no file afterwards
    """

    name: str
    change: str
    size: int | None
    size_before: int | None
    sha256: str | None


@dataclass(frozen=True)
class Placement:
    """What was put on a board, or would be.

    Attributes
    ----------
    place : str, the drive or the port
    board : str, in words, with its version
    files : tuple of PlacedFile, in the order in which they were put
    backup : Path or None, where what was replaced is; None if nothing was
    kept : tuple of str, the files in the backup
    swept : tuple of str, what a killed deployment had left, removed
    warnings : tuple of str
    needed, free : int, bytes on the board's disk: needed for a while, and free before
    dry_run : bool, whether nothing was touched
    """

    place: str
    board: str
    files: tuple[PlacedFile, ...]
    backup: Path | None
    kept: tuple[str, ...]
    swept: tuple[str, ...]
    warnings: tuple[str, ...]
    needed: int
    free: int
    dry_run: bool

    def facts(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return vars(self) | {"backup": None if self.backup is None else str(self.backup)}


def deploy_to_drive(
    files: Mapping[str, bytes],
    drive: str | Path,
    *,
    needs: Sequence[str] = (),
    backups: str | Path | None = None,
    dry_run: bool = False,
) -> Placement:
    """Put files on the drive of a board with CircuitPython; what they replace is kept on the PC.

    Parameters
    ----------
    files : contents by relative name, such as ``code.py``
    drive : path, the folder where the board's drive is mounted
    needs : modules that the program imports from the drive, such as ``lib/apds9930``
    backups : path of a folder for backups, optional; one in the user's data if left out
    dry_run : bool, only say what would be done

    Raises
    ------
    StorageError
        If this is no such drive, its CircuitPython is too old, it cannot be written or has too little
        space, or is pulled out meanwhile. No file on it is ever half-written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as drive, tempfile.TemporaryDirectory() as backups:
    ...     about = Path(drive, "boot_out.txt")
    ...     _ = about.write_text("Adafruit CircuitPython 8.1.0 on 2023-05-22; A kit with ESP32S3")
    ...     placement = deploy_to_drive({"code.py": b"import model"}, drive, backups=backups)
    >>> placement.files[0].change, placement.board
    ('new', 'A kit with ESP32S3, CircuitPython 8.1.0')
    """
    with _plainly(drive):
        disk, warnings = _open_drive(drive)
        return _deploy(disk, files, needs, backups, dry_run, warnings)


def deploy_by_mpremote(
    files: Mapping[str, bytes],
    port: str,
    *,
    needs: Sequence[str] = (),
    backups: str | Path | None = None,
    dry_run: bool = False,
) -> Placement:
    """Put files on a board behind a serial port as `deploy_to_drive` does on a drive.

    The board's program is stopped and stays so; the board's own file system must be writable to itself.

    Parameters
    ----------
    files : contents by relative name, such as ``main.py``
    port : str, such as ``/dev/ttyACM0``
    needs, backups, dry_run : see `deploy_to_drive`

    Raises
    ------
    StorageError, TinyglassError
        If mpremote is missing, no board answers, or its disk is full.
    """
    from .mpremote import BoardDisk

    with _plainly(port):
        return _deploy(BoardDisk(port), files, needs, backups, dry_run, ())


def restore(
    drive: str | Path, backup: str | None = None, *, backups: str | Path | None = None, dry_run: bool = False
) -> Placement:
    """Bring a drive back to what it was before a deployment; doing so twice is harmless.

    What is there now is kept on the PC first, as in a deployment.

    Parameters
    ----------
    drive : path, the folder where the board's drive is mounted
    backup : str, the name or the path of a backup, optional; the last deployment's if left out
    backups, dry_run : see `deploy_to_drive`

    Raises
    ------
    StorageError
        If there is no such backup, it was changed since, or the drive refuses.
    """
    with _plainly(drive):
        disk, warnings = _open_drive(drive)
        return _restore(disk, backup, backups, dry_run, warnings)


def restore_by_mpremote(
    port: str, backup: str | None = None, *, backups: str | Path | None = None, dry_run: bool = False
) -> Placement:
    """Bring a board behind a serial port back as `restore` does a drive.

    Parameters
    ----------
    port : str, such as ``/dev/ttyACM0``
    backup, backups, dry_run : see `restore`
    """
    from .mpremote import BoardDisk

    with _plainly(port):
        return _restore(BoardDisk(port), backup, backups, dry_run, ())


@contextmanager
def _plainly(place: str | Path) -> Iterator[None]:
    """Say which place cannot be used where the system's own error would say only why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, TinyglassError):
            raise
        what = f"Could not use {error.filename}" if error.filename else "Could not use it"
        raise StorageError(
            f"{what}: {os.strerror(error.errno or 0)}",
            str(place),
            "If it is the drive, eject it, press the board's reset button, and wait until it is back; "
            "if it is the backup, give another folder with --backup",
        ) from error


def _open_drive(path: str | Path) -> tuple[FolderDisk, tuple[str, ...]]:
    drive = read_drive(path)
    warnings = check_drive(drive)
    about = f"{drive.board}, CircuitPython {drive.version or 'of an unknown version'}"
    return FolderDisk(drive.path, about, drive.name), warnings


def _deploy(
    disk: Disk,
    files: Mapping[str, bytes],
    needs: Sequence[str],
    backups: str | Path | None,
    dry_run: bool,
    warnings: tuple[str, ...],
) -> Placement:
    with disk.held():
        plan = plan_placement(disk, files, _of_board(disk, backups))
        warnings += _missing(disk, needs) + _hidden(disk, files)
        return _carry_out(plan, dry_run, warnings)


def _restore(
    disk: Disk, name: str | None, backups: str | Path | None, dry_run: bool, warnings: tuple[str, ...]
) -> Placement:
    with disk.held():
        folder = _of_board(disk, backups)
        backup: Backup = find_backup(folder, name)
        wished = {kept.name: backup.content(kept) for kept in backup.manifest.files}
        plan = plan_placement(disk, wished, folder, "restore", backup.manifest.folders)
        return _carry_out(plan, dry_run, warnings)


def _of_board(disk: Disk, backups: str | Path | None) -> Path:
    return Path(backups or backups_folder()) / disk.board


def _carry_out(plan: Plan, dry_run: bool, warnings: tuple[str, ...]) -> Placement:
    if not dry_run:
        perform(plan)
    return Placement(
        plan.disk.place,
        plan.disk.about,
        tuple(
            PlacedFile(
                change.name,
                change.word,
                None if change.after is None else len(change.after),
                None if change.before is None else len(change.before),
                None if change.after is None else sha256(change.after),
            )
            for change in plan.changes
        ),
        plan.backup,
        plan.kept,
        plan.swept,
        warnings,
        plan.needed,
        plan.free,
        dry_run,
    )


def _missing(disk: Disk, needs: Sequence[str]) -> tuple[str, ...]:
    """Return a warning for each module that the program imports and the board has not."""
    warnings = []
    for need in needs:
        folder, _, module = need.rpartition("/")
        there = {*disk.names(folder), *disk.names()}
        if not {module, f"{module}.py", f"{module}.mpy"} & there:
            warnings.append(f"{need} is not on the board, and the program imports it: copy it there")
    return tuple(warnings)


def _hidden(disk: Disk, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return a warning for what the board would run or import instead of the files."""
    there = disk.names()
    warnings = []
    if "code.py" in files:
        warnings += [
            f"The board runs {name}, not code.py: remove it" for name in BEFORE_CODE if name in there
        ]
    if f"{MODEL}.py" in files and there.get(MODEL, 0) < 0:
        warnings.append(f"The board imports the folder {MODEL}, not {MODEL}.py: give it another name")
    return tuple(warnings)
