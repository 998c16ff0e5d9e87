"""Archives: zip, tar (plain, gz, bz2, xz), and single files packed with gzip, bzip2 or xz.

They are recognised by their first bytes. Archives inside archives stay closed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from ..source import Source
from .tars import BLOCK, Unpacked, is_tar, tar_members
from .zips import is_npz, open_zip, zip_members

ZIP = (b"PK\3\4", b"PK\5\6")
OFFICE = "[Content_Types].xml"  # in every document of an office: its parts are no files of recordings
PACKED: Sequence[tuple[re.Pattern[bytes], Callable[[Any], Any]]] = (
    (re.compile(rb"\x1f\x8b\x08"), lambda stream: gzip.GzipFile(fileobj=stream)),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), bz2.BZ2File),
    (re.compile(rb"\xfd7zXZ\0"), lzma.LZMAFile),
)


def members(source: Source, folder: PurePosixPath | None = None) -> Iterator[Source] | None:
    """Return the files in an archive, each a `Source`; None if the file is no archive.

    Parameters
    ----------
    source : Source
    folder : what the paths of files in an archive of several begin with; optional

    Raises
    ------
    RecordingError
        Now or later, if the archive is damaged, encrypted or hostile.
    """
    with source.open() as stream:
        start = stream.read(BLOCK)
    if start.startswith(ZIP):
        archive = open_zip(source)
        closed = is_npz(source, archive) or OFFICE in archive.namelist()
        return None if closed else _below(folder, zip_members(source, archive))
    unpack = next((unpack for mark, unpack in PACKED if mark.match(start)), None)
    if unpack is None:
        return _below(folder, tar_members(source, Unpacked(source))) if is_tar(start) else None
    unpacked = Unpacked(source, unpack)
    if is_tar(unpacked.part(0, BLOCK)):
        return _below(folder, tar_members(source, unpacked))
    return iter([_single(source, unpacked)])


def _below(folder: PurePosixPath | None, found: Iterator[Source]) -> Iterator[Source]:
    for member in found:
        member.path = member.path if folder is None else folder / member.path
        yield member


def _single(source: Source, unpacked: Unpacked) -> Source:
    """Return the file that was packed by itself: wave.csv of wave.csv.gz."""
    path = source.path.with_name(re.sub(r"(?i)(?<=.)\.(gz|bz2|xz)$", "", source.path.name))
    return Source(f"{source.name}: {path.name}", path, source.size, unpacked.everything)
