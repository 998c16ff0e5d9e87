"""Files that are whole or absent: atomic writing, checked arrays, one training a folder.

An array file is safetensors with a single metadata entry, ``tinyglass``: JSON with the
kind and version of the file, a header, and the SHA-256 of header and arrays. A file is
never unpickled, never executed, and every number in it is checked before it is used.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from .errors import ModelError, StorageError

FORMAT_VERSION = 2
LARGEST_FILE = 2**31  # bytes; a network for a microcontroller is a thousandth of this
LARGEST_HEADER = 2**26
LOCK_NAME = ".tinyglass-training"
ASIDE = ".tinyglass-aside"  # ending of a file that is still being written


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half.

    Raises
    ------
    StorageError
        If the disk is full or refuses; the old file is whole, and nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "note.txt", b"whole")
    ...     (Path(folder) / "note.txt").read_bytes()
    b'whole'
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}{ASIDE}")
    try:
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _storage_error(error, path, "write", f"{len(content):,} bytes") from error
    finally:
        with suppress(OSError):
            aside.unlink()


def _storage_error(error: OSError, path: Path, verb: str, amount: str = "") -> StorageError:
    mends = {
        errno.ENOSPC: f"Free some space ({amount} are needed), then run the same command again",
        errno.EDQUOT: f"Free some space ({amount} are needed), then run the same command again",
        errno.EFBIG: "Raise the limit on the size of a file, or write to another disk",
        errno.EACCES: "Choose a folder that you may write to, or change its permissions",
        errno.EROFS: "Choose a folder on a disk that can be written",
        errno.ENOENT: "Check the spelling of the path",
        errno.ENOTDIR: "Choose another --out: a part of this path is a file, not a folder",
        errno.EEXIST: "Choose another --out: this path is a file, not a folder",
        errno.EISDIR: "Name a file, not a folder",
    }
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(
        f"Could not {verb} the file: {reason}",
        str(path),
        mends.get(error.errno or 0, "See what the operating system says above, and try again"),
    )


def read_bytes(path: Path, largest: int) -> bytes:
    """Return the content of a file, refusing one that is larger than `largest` bytes unread.

    Raises
    ------
    StorageError
        If the file is missing or cannot be read.
    ModelError
        If it is too large.
    """
    try:
        # Without waiting: a pipe that nobody writes to would never open.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ModelError("This is no regular file", str(path), "Name a file")
            if about.st_size > largest:
                raise ModelError(
                    f"Expected at most {largest:,} bytes, found {about.st_size:,}",
                    str(path),
                    "Check that this is the right file",
                )
            return file.read(about.st_size)
    except OSError as error:
        raise _storage_error(error, path, "read") from error


def make_folder(path: Path) -> None:
    """Make the folder and those above it.

    Raises
    ------
    StorageError
        If the path is a file, or the disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _storage_error(error, path, "make the folder for") from error


# ---------------------------------------------------------------- arrays


def digest_of(header: bytes, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays with their header, in hexadecimal."""
    digest = hashlib.sha256(header)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_arrays(path: Path, kind: str, header: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays with a header, atomically.

    Parameters
    ----------
    kind : str
        What the file is, such as ``"network"``; `read_arrays` insists on it.
    header : anything that msgspec turns into JSON
    arrays : arrays by name
    """
    from safetensors.numpy import save

    text = msgspec.json.encode(header)
    digest = digest_of(text, arrays)
    envelope = {"kind": kind, "version": FORMAT_VERSION, "sha256": digest, "header": text.decode()}
    metadata = {"tinyglass": msgspec.json.encode(envelope).decode()}
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)
    write_atomically(path, content)


class _Envelope(msgspec.Struct):
    kind: str
    version: int
    sha256: str
    header: str


def read_arrays(path: Path, kind: str, header_type: type) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the header and the arrays from a file that `write_arrays` wrote.

    Raises
    ------
    ModelError
        If the file is too large, cut short, changed, of another kind or version, or if its
        header is not what `header_type` says.
    """
    content = read_bytes(path, LARGEST_FILE)
    mend = f"Use a copy of the file that is whole, or train again: this is no {kind} that tinyglass wrote"

    def refuse(what: str) -> ModelError:
        return ModelError(what, str(path), mend)

    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(len(content) - 8, LARGEST_HEADER):
        raise refuse("Expected a safetensors file, found something else or one that is cut short")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        metadata = msgspec.json.decode(content[8 : 8 + size]).get("__metadata__")
        envelope = msgspec.json.decode(metadata["tinyglass"], type=_Envelope)
        arrays = load(content)
    except (SafetensorError, msgspec.MsgspecError, RecursionError) as error:
        raise refuse(f"The file is damaged ({error})") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refuse("The file is not from tinyglass, or it is damaged") from error
    if envelope.kind != kind:
        raise ModelError(f"Expected a {kind}, found a {envelope.kind}", str(path), "Name the other file")
    if envelope.version != FORMAT_VERSION:
        raise ModelError(
            f"The file has format {envelope.version}, this tinyglass reads format {FORMAT_VERSION}",
            str(path),
            "Use the tinyglass that wrote it, or train again",
        )
    header = envelope.header.encode()
    if digest_of(header, arrays) != envelope.sha256:
        raise refuse("The SHA-256 does not match: the file was changed after it was written")
    try:
        return msgspec.json.decode(header, type=header_type), arrays
    except (msgspec.MsgspecError, RecursionError) as error:
        raise refuse(f"The header is not valid ({error})") from error


# ---------------------------------------------------------------- one training a folder


@contextmanager
def training_folder(path: Path) -> Iterator[Path]:
    """Make the folder and hold it for one training; sweep what a killed one left half-written.

    The lock is the operating system's, so it ends with the process, however that ends.

    Raises
    ------
    StorageError
        If another training holds the folder; it is named.
    """
    make_folder(path)
    lock = path / LOCK_NAME
    descriptor = _lock(lock)
    try:
        for leftover in path.glob(f"*{ASIDE}"):
            leftover.unlink(missing_ok=True)
        yield path
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(lock: Path) -> int:
    """Return the descriptor of the locked file, which says who holds it."""
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise _storage_error(error, lock, "write") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 1000, 0).decode(errors="replace").strip() or "it has just begun"
            os.close(descriptor)
            raise StorageError(
                f"Another training is using this folder: {holder}",
                str(lock.parent),
                "Wait until it ends, end it, or choose another --out",
            ) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _who_i_am().encode(), 0)
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        except FileNotFoundError:
            pass  # its last holder deleted the file between our opening and locking it
        except OSError as error:
            lock.unlink(missing_ok=True)
            os.close(descriptor)
            raise _storage_error(error, lock, "write", "100 bytes") from error
        os.close(descriptor)


def _who_i_am() -> str:
    import platform
    import time

    return f"process {os.getpid()} on {platform.node()}, started {time.strftime('%Y-%m-%d %H:%M:%S')}"
