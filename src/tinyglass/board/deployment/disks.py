"""What a deployment needs of a place for files: a drive's folder on the PC, or a board behind a port."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ...errors import StorageError
from .drive import ABOUT


class Room(NamedTuple):
    """Free bytes of a disk, and those of its smallest piece: a file takes whole pieces."""

    free: int
    piece: int

    def taken_by(self, size: int) -> int:
        """Return the bytes that a file of this size takes.

        Examples
        --------
        >>> Room(10_000, 512).taken_by(513)
        1024
        """
        return -(-size // self.piece) * self.piece


class Disk(Protocol):
    """A place for files, named by relative paths with ``/``; a failure is an OSError or a TinyglassError.

    Attributes
    ----------
    place : str, as the user names it
    about : str, the board and its version in words
    board : str, the folder's name for the board's backups
    """

    place: str
    about: str
    board: str

    def held(self) -> AbstractContextManager[None]:
        """Keep other deployments away for as long as this one lasts."""

    def room(self) -> Room:
        """Return how much is free."""

    def names(self, folder: str = "") -> dict[str, int]:
        """Return the names in a folder and the sizes of files; folders have −1. No folder: no names."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content as the medium holds it, None if there is none."""

    def make_folder(self, name: str) -> None:
        """Make a folder; the one above it is there, and it may be there itself."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, and wait until it is on the medium."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in the place of the one that has it."""

    def remove(self, name: str) -> None:
        """Remove a file, or a folder if it is empty; what is gone already is well."""


class FolderDisk:
    """A folder on this PC: a mounted drive, or a backup.

    Every act goes through the folder as it was opened first, never through its path: where a drive was
    pulled out, the same path may be an empty folder of the PC.

    Parameters
    ----------
    path : Path
    about, board : str, see `Disk`
    new : bool, whether the folder is made when something is put there; a drive's never is
    """

    def __init__(self, path: Path, about: str = "", board: str = "", *, new: bool = False) -> None:
        self.path, self.place, self.about, self.board = path, str(path), about, board
        self._first = None if new else os.stat(path)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if self._first is not None and not os.path.samestat(os.fstat(folder), self._first):
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock what the drive says about its board: nothing is written, and the lock ends with the process."""
        with self._opened() as root, closed(os.open(ABOUT, os.O_RDONLY, dir_fd=root)) as about:
            try:
                fcntl.flock(about, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    "Another deployment is writing to this drive", self.place, "Wait until it ends, or end it"
                ) from error
            yield

    def room(self) -> Room:
        with self._opened() as folder:
            about = os.fstatvfs(folder)
        return Room(about.f_bavail * about.f_frsize, about.f_bsize)

    def names(self, folder: str = "") -> dict[str, int]:
        with self._opened() as root:
            try:
                inner = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            with closed(inner), os.scandir(inner) as entries:
                found = {entry.name: -1 if entry.is_dir() else entry.stat().st_size for entry in entries}
        return dict(sorted(found.items()))

    def read(self, name: str) -> bytes | None:
        with self._opened() as root:
            try:
                opened = os.open(name, os.O_RDONLY, dir_fd=root)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with open(opened, "rb") as file:
                if hasattr(os, "posix_fadvise"):  # forget the PC's own copy, and ask the medium
                    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
                return file.read()

    def make_folder(self, name: str) -> None:
        if self._first is None:
            self.path.mkdir(parents=True, exist_ok=True)
        with self._opened() as root:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=root)
            _sync_folder_of(name, root)

    def write(self, name: str, content: bytes) -> None:
        with self._opened() as root:
            opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=root)
            with open(opened, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(opened)
            _sync_folder_of(name, root)

    def rename(self, old: str, new: str) -> None:
        with self._opened() as root:
            os.replace(old, new, src_dir_fd=root, dst_dir_fd=root)
            _sync_folder_of(new, root)
            _sync_folder_of(old, root)

    def remove(self, name: str) -> None:
        is_folder = self.names(name.rpartition("/")[0]).get(name.rpartition("/")[2])
        if is_folder is None or (is_folder < 0 and self.names(name)):
            return
        with self._opened() as root:
            if is_folder < 0:
                os.rmdir(name, dir_fd=root)
            else:
                os.unlink(name, dir_fd=root)
            _sync_folder_of(name, root)


@contextmanager
def closed(descriptor: int) -> Iterator[int]:
    """Close the descriptor at the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder_of(name: str, root: int) -> None:
    """Wait until the names in the file's folder are on the medium."""
    with closed(os.open(name.rpartition("/")[0] or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)) as folder:
        os.fsync(folder)


def sha256(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal.

    Examples
    --------
    >>> sha256(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()
