"""Where a simulated board is found: the name of its port beside its drive, and one board a drive."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from ...errors import StorageError

PREFIX = "tinyglass-board-"
OWNER = "owner"  # who started the board
CONTROL = "control"  # the socket that takes commands
WORLD = "world"
LONGEST = 60  # letters: the name of a socket must be shorter than 104


def port_of(drive: Path) -> Path:
    """Return the name of the port: beside the drive, so that nothing that is deployed meets it."""
    return drive.with_name(f"{drive.name}.port")


def folder_of(drive: Path) -> Path | None:
    """Return the private folder of the board that runs on this drive, or of one that was killed; it may be gone."""
    try:
        folder = Path(os.readlink(port_of(drive))).parent
    except OSError:
        return None
    is_ours = folder.name.startswith(PREFIX)
    with suppress(FileNotFoundError):
        is_ours = is_ours and folder.lstat().st_uid == os.getuid()
    return folder if is_ours else None


class Place:
    """A drive held for one board, with a private folder for the board's files.

    The name of the port leads to the private folder, and from there to the terminal, so that
    commands find the board by its drive, also while it is unplugged. The lock is the operating
    system's: it ends with the process.

    Raises
    ------
    StorageError
        If another board runs on the drive; it is named.
    """

    def __init__(self, drive: Path) -> None:
        self.port = port_of(drive)
        with ExitStack() as stack:
            try:
                self._lock = os.open(drive, os.O_RDONLY | os.O_DIRECTORY)
                stack.callback(os.close, self._lock)
                self._hold(drive, stack)
            except StorageError:
                raise
            except OSError as error:
                raise StorageError(
                    f"The board's port cannot be made: {error.strerror}",
                    str(self.port),
                    "Choose a folder in a place that you may write to",
                ) from error
            stack.pop_all()

    def _hold(self, drive: Path, stack: ExitStack) -> None:
        earlier = folder_of(drive)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"A simulated board runs on this drive already: {_owner(earlier)}",
                str(drive),
                "End that one, or choose another folder",
            ) from error
        if self.port.is_symlink() and earlier is not None:  # of one that was killed
            shutil.rmtree(earlier, ignore_errors=True)
            self.port.unlink()
        if os.path.lexists(self.port):
            raise StorageError(
                "The board's port cannot be named, as there is a file of that name",
                str(self.port),
                "Rename or delete that file, or choose another folder",
            )
        folders = Path("/tmp" if len(tempfile.gettempdir()) > LONGEST else tempfile.gettempdir())
        _sweep(folders)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folders))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.world = self.folder / WORLD
        self.world.mkdir()
        (self.folder / OWNER).write_text(f"process {os.getpid()}\n", encoding="ascii")
        os.symlink(self.folder / "port", self.port)

    def plug(self, terminal: str) -> None:
        """Let the port's name lead to this terminal."""
        os.symlink(terminal, self.folder / "port")

    def unplug(self) -> None:
        (self.folder / "port").unlink(missing_ok=True)

    def close(self) -> None:
        with suppress(OSError):
            self.port.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def _sweep(folders: Path) -> None:
    """Remove what boards have left that were killed."""
    for folder in folders.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and _is_dead(_owner(folder)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_dead(owner: str) -> bool:
    """Tell whether the owner is a process that has ended."""
    word, _, number = owner.partition(" ")
    if word != "process" or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # somebody else's, or no process at all
    return False


def _owner(folder: Path | None) -> str:
    try:
        return (folder / OWNER).read_text(encoding="ascii").strip() if folder else "it has just begun"
    except OSError:
        return "it has just begun"
