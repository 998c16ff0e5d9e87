"""Lines of a text of any size, in pieces that fit in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from ...errors import RecordingError
from ..source import LONGEST_LINE, UTF_16, Source, decode

LARGEST_PIECE = 2**22  # bytes that are taken apart at a time


def pieces(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a text in pieces of bounded size, each with the number of its first line.

    Raises
    ------
    RecordingError
        If a line has more than `LONGEST_LINE` characters.
    """
    if source.head.startswith(UTF_16):
        yield 1, source.lines
        return
    size = min(max(source.size // 64, 2**12), LARGEST_PIECE)
    number, rest, done = 1, b"", 0
    with source.open() as stream:
        while block := stream.read(size):
            done += len(block)
            block = rest + block
            cut = block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, -1) + 1
            if not cut and len(block) > 4 * LONGEST_LINE:
                refuse_line(source, number, len(block))
            lines, rest = _lines(source, block[:cut], number), block[cut:]
            yield number, lines
            number += len(lines)
            source.progress(min(1.0, done / max(source.size, 1)))
    if rest:
        yield number, _lines(source, rest, number)


def _lines(source: Source, content: bytes, number: int) -> list[str]:
    lines = re.split(r"\r\n|\r|\n", decode(content)) if b"\r" in content else decode(content).split("\n")
    if lines[-1] == "":
        lines.pop()
    if max(map(len, lines), default=0) > LONGEST_LINE:
        at = next(i for i, line in enumerate(lines) if len(line) > LONGEST_LINE)
        refuse_line(source, number + at, len(lines[at]))
    return lines


def refuse_line(source: Source, number: int, length: int) -> NoReturn:
    raise RecordingError(
        f"The line has {length:,} characters or more; at most {LONGEST_LINE:,} are read",
        source.at(number),
        "Check that this is a table of readings",
    )
