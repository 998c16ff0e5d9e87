"""The print-out of the TinySpark board::

    > Starting recording in 1sec
    distance=104.54
    > Stopped recording
    Recordings: [-500ms, -250ms, current]
    [
    [104.54, 2.375, 0.0],
    ]

Each row between the lone brackets is one recording. The lines before are what the board
says while it records. A capture may hold several print-outs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ...errors import RecordingError
from ..parsing.pieces import pieces
from ..recording import Recording
from ..source import HEAD, Source

HEADING = re.compile(r"\s*Recordings:\s*\[(?P<times>[^\]]*)\]\s*$")
TIME = re.compile(r"\s*(?P<ms>-?\d+(\.\d+)?)\s*ms\s*$")
CHATTER = re.compile(r"\s*(>.*|distance\s*=.*)?$")


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a print-out; None if the text is something else."""
    return list(_recordings(source)) if source.is_text and _has_heading(source) else None


def _has_heading(source: Source) -> bool:
    """Tell a print-out by its heading, which may come late where the board has said much before."""
    lines = source.head_text.splitlines()
    if any(map(HEADING.match, lines)):
        return True
    if len(source.head) < HEAD or not all(map(CHATTER.match, lines[:-1])):
        return False
    return any(HEADING.match(line) for _, piece in pieces(source) for line in piece)


def _numbered_lines(source: Source) -> Iterator[tuple[int, str]]:
    for first, piece in pieces(source):
        yield from enumerate(piece, first)


def _recordings(source: Source) -> Iterator[Recording]:
    rate_hz: float | None = None
    n_readings = 0
    inside = False
    for number, line in _numbered_lines(source):
        where = source.at(number)
        if heading := HEADING.match(line):
            n_readings, rate_hz = _times(heading["times"], where)
            inside = False
        elif line.strip() == "[" and n_readings and not inside:
            inside = True
        elif inside and line.strip().rstrip(",") == "]":
            inside = False
        elif inside and line.strip():
            signal = np.array(_row(line, n_readings, where))[:, None]
            yield Recording(signal, ("distance",), rate_hz=rate_hz, source=where)
        elif not CHATTER.match(line):
            raise RecordingError(
                f"Expected a line of the board's print-out, found {line.strip()[:60]!r}",
                where,
                "Delete the line, or copy the print-out again",
            )
    if inside:
        raise RecordingError(
            "The print-out ends before its closing bracket",
            source.name,
            "Copy the print-out again, to its last line",
        )


def _times(text: str, where: str) -> tuple[int, float | None]:
    """Return how many readings a recording has, and readings a second where they are regular."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise RecordingError("The heading names no readings", where, "Copy the print-out again")
    found = [
        0.0 if part == "current" else float(m["ms"]) if (m := TIME.match(part)) else None for part in parts
    ]
    times = [t for t in found if t is not None]
    gaps = {after - before for before, after in pairwise(times)}
    regular = len(times) == len(parts) and len(gaps) == 1 and min(gaps) > 0
    return len(parts), 1000 / gaps.pop() if regular else None


def _row(line: str, n_readings: int, where: str) -> list[float]:
    text = line.strip().rstrip(",").strip()
    fields = [field.strip() for field in text.removeprefix("[").removesuffix("]").split(",")]
    if fields and fields[-1] == "":
        fields.pop()
    try:
        if not (text.startswith("[") and text.endswith("]")):
            raise ValueError
        readings = [float(field) for field in fields]
    except ValueError:
        raise RecordingError(
            f"Expected {n_readings} numbers in brackets, found {line.strip()[:60]!r}",
            where,
            "Delete the line or record again",
        ) from None
    if len(readings) != n_readings:
        raise RecordingError(
            f"Expected {n_readings} numbers, found {len(readings)}", where, "Delete the line or record again"
        )
    return readings
