"""Read what a compiler wrote: the parts of a 32-bit ELF file that go into memory, their sizes, and names."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

LOADABLE = 1  # a segment that goes into memory
ALLOCATED, NO_BITS, SYMBOLS = 2, 8, 2  # of sections


class Segment(NamedTuple):
    """Bytes that are loaded at an address."""

    address: int
    content: bytes


class Firmware(NamedTuple):
    """A program for a board.

    Attributes
    ----------
    path : Path
    entry : int
    segments : tuple of Segment
    symbols : dict from a name to its (address, bytes)
    flash : int, bytes of code, constants and starting values
    ram : int, bytes of variables
    """

    path: Path
    entry: int
    segments: tuple[Segment, ...]
    symbols: dict[str, tuple[int, int]]
    flash: int
    ram: int


def read_firmware(path: Path, ram_from: int) -> Firmware:
    """Return the program in an ELF file.

    Parameters
    ----------
    path : Path
    ram_from : int, the first address that is RAM
    """
    content = path.read_bytes()
    if content[:5] != b"\x7fELF\x01":
        raise ValueError(f"{path} is no 32-bit ELF file")
    entry, at_segments, at_sections = struct.unpack_from("<3I", content, 24)
    size_segment, n_segments, size_section, n_sections = struct.unpack_from("<4H", content, 42)
    segments = []
    for number in range(n_segments):
        kind, offset, address, _, size = struct.unpack_from(
            "<5I", content, at_segments + number * size_segment
        )
        if kind == LOADABLE and size:
            segments.append(Segment(address, content[offset : offset + size]))
    flash = ram = 0
    symbols: dict[str, tuple[int, int]] = {}
    headers = [
        struct.unpack_from("<10I", content, at_sections + number * size_section)
        for number in range(n_sections)
    ]
    for _, kind, flags, address, offset, size, link, _, _, each in headers:
        if kind == SYMBOLS:
            names = headers[link][4]
            for at in range(offset, offset + size, each):
                name, value, length = struct.unpack_from("<3I", content, at)
                end = content.index(b"\0", names + name)
                symbols[content[names + name : end].decode()] = (value, length)
        elif flags & ALLOCATED and size:
            flash += size if kind != NO_BITS else 0
            ram += size if address >= ram_from else 0
    return Firmware(path, entry, tuple(segments), symbols, flash, ram)
