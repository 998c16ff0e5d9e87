"""What keeps archives harmless, whoever made them.

Nothing that they declare is believed: bytes are counted while they are unpacked, nothing is written to
disk, and a name is only ever a name. What could be meant to reach outside is refused.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from ...errors import RecordingError, StorageError, TinyglassError
from ..source import LARGEST_IN_MEMORY, Source

LARGEST_UNPACKED = 2**32  # bytes, of a whole archive
MOST_MEMBERS = 200_000
HIGHEST_RATIO = 200  # unpacked bytes a packed byte; tables of readings come to 30
FREE_OF_RATIO = 2**24  # bytes; readings of a sensor that lies still are packed tighter than that
CHUNK = 2**20
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, OverflowError,
    LookupError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what the standard library says of a damaged archive into an error that names it."""
    try:
        yield
    except TinyglassError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise StorageError(
                f"Could not read the file: {error.strerror}", where, "Check that it may be read"
            ) from error
        raise damaged(str(error), where) from error
    except UnicodeDecodeError as error:
        raise RecordingError(
            "A name in the archive is not UTF-8", where, "Rename the file, and pack it again"
        ) from error
    except DAMAGE as error:
        raise damaged(str(error) or type(error).__name__, where) from error


def damaged(what: str, where: str) -> RecordingError:
    return RecordingError(
        f"The archive is damaged: {what.splitlines()[0][:200]}", where, "Copy or download it again"
    )


def limited(unpacked: int, packed: int, most: int, where: str) -> None:
    """Refuse what was unpacked if there is more than the memory holds, or than any readings pack to."""
    if unpacked > most:
        raise RecordingError(
            f"Unpacked, it has more than {most:,} bytes, which is the most that is read",
            where,
            "Unpack it yourself, and name parts of it",
        )
    if unpacked > max(FREE_OF_RATIO, HIGHEST_RATIO * packed):
        raise RecordingError(
            f"Unpacked, it is more than {HIGHEST_RATIO} times as large, which no recordings are",
            where,
            "Do not open it, unless you packed it yourself",
        )


class Names:
    """The members of an archive, each named once, and inside of it."""

    def __init__(self, source: Source) -> None:
        self.archive = source.name
        self.known: set[PurePosixPath] = set()

    def admit(self, name: str) -> PurePosixPath:
        """Return a member's path, or refuse it."""
        shown = repr(name.encode("utf-8", "backslashreplace").decode()[:100])
        path = PurePosixPath(name)
        what, mend = "", "Pack the folder again"
        if any("\ud800" <= c <= "\udfff" for c in name):
            what, mend = f"The name {shown} in the archive is not UTF-8", "Rename the file, and pack it again"
        elif (
            not path.parts or path.is_absolute() or ".." in path.parts or re.search(r"\\|^[A-Za-z]:|\0", name)
        ):
            what = f"Expected paths inside the archive, such as training/wave.csv, found {shown}"
        elif path in self.known:
            what = f"The archive holds two files called {shown}"
        elif len(self.known) == MOST_MEMBERS:
            what, mend = (
                f"The archive holds more than {MOST_MEMBERS:,} files",
                "Unpack it, and name parts of it",
            )
        if what:
            raise RecordingError(what, self.archive, mend)
        self.known.add(path)
        return path


def unpack_all(stream: Any, packed: int, where: str) -> bytes:
    """Return what a stream unpacks to, and stop where it is too much."""
    chunks, size = [], 0
    while chunk := stream.read(CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        limited(size, packed, LARGEST_IN_MEMORY, where)
    return b"".join(chunks)
