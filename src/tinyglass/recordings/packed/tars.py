"""Tar archives, plain or packed, and the bytes of a packed file."""

from __future__ import annotations

import tarfile
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any

from ...errors import RecordingError
from ..source import Source
from .unpacking import (
    CHUNK,
    DAMAGE,
    LARGEST_UNPACKED,
    MOST_MEMBERS,
    Names,
    damaged,
    limited,
    reading,
    unpack_all,
)

BLOCK = tarfile.BLOCKSIZE
LONGEST_SAYING = 2**20  # bytes of a header about another
SAYING = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


class Unpacked:
    """The bytes of a file as they are when unpacked. Quick where they are asked for in order."""

    def __init__(self, source: Source, unpack: Callable[[Any], Any] | None = None) -> None:
        self.name = source.name
        self.packed = source.size if unpack else None
        with reading(source.name):
            file: Any = source.file.open("rb") if source.file else BytesIO(source.content)
            weakref.finalize(self, file.close)
            self.stream = unpack(file) if unpack else file

    def part(self, start: int, n_bytes: int) -> bytes:
        """Return bytes, fewer at the end; refuse to go further than any readings unpack to."""
        if self.packed is not None:
            limited(start + n_bytes, self.packed, LARGEST_UNPACKED, self.name)
        with reading(self.name):
            self.stream.seek(start)
            return self.stream.read(n_bytes)

    def whole(self, start: int, n_bytes: int) -> bytes:
        """Return bytes, all of which have to be there."""
        part = self.part(start, n_bytes)
        if len(part) < n_bytes:
            raise damaged("it ends early", self.name)
        return part

    def finish(self, start: int) -> None:
        """Read on to the end, where packed files have their checksum; nothing may come any more."""
        while part := self.part(start, CHUNK):
            if part.strip(b"\0"):
                raise damaged("it goes on after its end mark", self.name)
            start += len(part)

    def everything(self) -> bytes:
        with reading(self.name):
            self.stream.seek(0)
            return unpack_all(self.stream, self.packed or 0, self.name)


def is_tar(block: bytes) -> bool:
    """Tell by the checksum in the header of the first member."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, *DAMAGE):
        return False
    return True


def tar_members(source: Source, unpacked: Unpacked) -> Iterator[Source]:
    """Yield the files in a tar, header by header: the standard library passes over damage in silence."""
    names = Names(source)
    said: dict[str, str] = {}  # by the headers before a member's own
    start = 0
    for n in count():
        block = unpacked.whole(start, BLOCK)
        if not any(block):
            unpacked.finish(start)
            return
        if n > 3 * MOST_MEMBERS:  # folders and what is said of files
            raise RecordingError(
                "The archive has too many entries", source.name, "Unpack it, and name parts of it"
            )
        with reading(source.name):
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            size = int(said.get("size", header.size))
            if size < 0:
                raise tarfile.ReadError("a file of a negative size")
        data, start = start + BLOCK, start + BLOCK + (0 if header.isdir() else -(-size // BLOCK) * BLOCK)
        if header.type in SAYING:
            said |= _said(header, unpacked, data)
            continue
        if not header.isdir():
            path = names.admit(said.get("path", header.name))
            where = f"{source.name}: {path}"
            if header.type not in PLAIN or any(key.startswith("GNU.sparse") for key in said):
                raise RecordingError(
                    "Expected a file, found a link, a device or gaps", where, "Pack the files themselves"
                )
            yield Source(where, path, size, partial(unpacked.whole, data, size))
        said = {}


def _said(header: tarfile.TarInfo, unpacked: Unpacked, data: int) -> dict[str, str]:
    """Return what a header says of the member after it: a path too long for its own, a size."""
    with reading(unpacked.name):
        if header.size > LONGEST_SAYING:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        content = unpacked.whole(data, header.size)
        if header.type == tarfile.GNUTYPE_LONGNAME:
            return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
        return _pax(content) if header.type == tarfile.XHDTYPE else {}


def _pax(content: bytes) -> dict[str, str]:
    """Return the fields of lines such as ``17 path=a/wave.csv``; the length counts the whole line."""
    fields, start = {}, 0
    while start < len(content):
        length = content[start : start + 8].partition(b" ")[0]
        end = start + int(length)
        if not start < end <= len(content):
            raise tarfile.ReadError("a header with a line of another length than it says")
        name, _, value = (
            content[start + len(length) + 1 : end - 1].decode("utf-8", "surrogateescape").partition("=")
        )
        fields[name] = value
        start = end
    return fields
