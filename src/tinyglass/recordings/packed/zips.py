"""Zip archives, and what tells those of NumPy."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from itertools import pairwise

from ...errors import RecordingError
from ..source import Source
from .unpacking import LARGEST_UNPACKED, Names, limited, reading, unpack_all

METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "encryption"}
LARGEST_DIRECTORY = 2**25  # bytes that name the members; read into memory as a whole


def is_npz(source: Source, archive: zipfile.ZipFile) -> bool:
    """Tell an archive of NumPy from a folder of arrays that was packed."""
    flat = all(name.endswith(".npy") and "/" not in name for name in archive.namelist())
    return flat and bool(archive.namelist()) and not source.path.name.lower().endswith(".zip")


def open_zip(source: Source) -> zipfile.ZipFile:
    """Open an archive, if what lists its members is of a size to be read."""
    with source.open() as stream:
        length = stream.seek(0, 2)
        stream.seek(max(0, length - 2**16 - 2**8))
        end = stream.read()
    sizes = [int.from_bytes(end[m.end() + 8 : m.end() + 12], "little") for m in re.finditer(b"PK\5\6", end)]
    sizes = [size for size in sizes if size < 2**32 - 1]  # that one says: see the record of 64 bits
    sizes += [int.from_bytes(end[m.end() + 36 : m.end() + 44], "little") for m in re.finditer(b"PK\6\6", end)]
    if max(sizes, default=0) > LARGEST_DIRECTORY:
        raise RecordingError(
            f"The archive's list of files has {max(sizes):,} bytes; at most {LARGEST_DIRECTORY:,} are read",
            source.name,
            "Unpack it, and name parts of it",
        )
    with reading(source.name):
        return zipfile.ZipFile(source.file or BytesIO(source.content))


def zip_members(source: Source, archive: zipfile.ZipFile) -> Iterator[Source]:
    """Yield the files in a zip."""
    _refuse_overlaps(source, archive)
    declared = sum(member.file_size for member in archive.infolist())  # no more than that is ever unpacked
    limited(declared, declared, LARGEST_UNPACKED, source.name)
    names = Names(source)
    for member in archive.infolist():
        if not member.filename.endswith("/"):
            path = names.admit(_zip_name(member))
            where = f"{source.name}: {path}"
            _check_zipped(member, where)
            yield Source(where, path, member.file_size, partial(_fetch_zipped, archive, member, where))


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Return the name; some packers write UTF-8 and do not say so."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _check_zipped(member: zipfile.ZipInfo, where: str) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise RecordingError("Expected a file, found a link or a device", where, "Pack the files themselves")
    if member.flag_bits & 0x1:
        raise RecordingError(
            "The archive is encrypted", where, "Unpack it with its password, and name the folder"
        )
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        name = METHODS.get(member.compress_type, f"method {member.compress_type}")
        raise RecordingError(
            f"Expected a file packed by deflate, found {name}", where, "Pack it as an ordinary zip"
        )


def _refuse_overlaps(source: Source, archive: zipfile.ZipFile) -> None:
    """Refuse members that share bytes: a small archive could so hold any number of large files."""
    spans = sorted((m.header_offset, m.header_offset + 30 + m.compress_size) for m in archive.infolist())
    if any(end > start for (_, end), (start, _) in pairwise([*spans, (archive.start_dir, 0)])):
        raise RecordingError(
            "Files in the archive overlap", source.name, "Do not open it, unless you packed it yourself"
        )


def _fetch_zipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    with reading(where), archive.open(member) as stream:
        return unpack_all(stream, member.compress_size, where)
