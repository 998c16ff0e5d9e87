"""The magic wands of TensorFlow: strokes in the plane as JSON, and readings in blocks of text.

======= ============================================================ ==============================
strokes ``{"strokes": [{index, strokePoints: [{x, y}, …], label}]}`` the label is inside
blocks  lines of ``x,y,z``, before each recording a line ``-,-,-``   ``output_wing_hyw.txt`` is a
                                                                     wing, by hyw
======= ============================================================ ==============================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import RecordingError
from ..names import label_in_name
from ..parsing.values import document, numbers, shown
from ..recording import Recording
from ..source import Source

SIGNATURE = r'"strokes"\s*:\s*\['
BETWEEN = re.compile(r"\s*-(\s*,\s*-)+\s*$")
SEVERAL = re.compile(r"(?m)^[ \t]*-([ \t]*,[ \t]*-)+[ \t]*\r?$")
FILE = re.compile(r"output_(?P<label>[^\W_]+)_(?P<person>\w+)\.txt", re.IGNORECASE)
AGAIN = "Delete the stroke, or draw it again"


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a magic wand; None if the file is something else."""
    if source.is_text and _is_blocks(source.head_text):
        return _blocks(source)
    found = document(source, SIGNATURE)
    if not isinstance(found, dict) or not isinstance(found.get("strokes"), list):
        return None
    return list(_strokes(found["strokes"], source))


def _strokes(strokes: list[Any], source: Source) -> Iterator[Recording]:
    empty = []
    for i, stroke in enumerate(strokes, 1):
        where = f"{source.name}, stroke {i}"
        points = stroke.get("strokePoints") if isinstance(stroke, dict) else None
        if not isinstance(points, list):
            raise RecordingError('Expected a stroke with a list of "strokePoints"', where, AGAIN)
        if points:
            channels, signal = _path(points, where)
            yield Recording(signal, channels, label=_label(stroke, where), source=where)
        else:
            empty.append(str(i))
    if empty:
        source.dropped(f"strokes without points: {', '.join(empty[:20])}", 0)


def _path(points: list[Any], where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the channels and (n_readings, n_channels) of points such as {x: 0.1, y: 0.2}."""
    channels = tuple(points[0]) if isinstance(points[0], dict) else ("x", "y")
    for row, point in enumerate(points, 1):
        if not isinstance(point, dict) or point.keys() != set(channels) or not point:
            found = ", ".join(map(repr, point))[:60] if isinstance(point, dict) else shown(point)
            raise RecordingError(
                f"Expected a point with {', '.join(channels)[:60] or 'x, y'}, found {found or 'none'}",
                f"{where}, reading {row}",
                AGAIN,
            )
    return channels, numbers(channels, [[point[name] for point in points] for name in channels], where)


def _label(stroke: dict[str, Any], where: str) -> str | None:
    label = stroke.get("label")
    if (label is not None and not isinstance(label, str | int)) or isinstance(label, bool):
        raise RecordingError(f"Expected a label, found {shown(label)}", where, "Mend the label")
    return None if label is None else str(label)


def _is_blocks(head: str) -> bool:
    """Tell whether lines of dashes stand between lines of as many numbers."""
    match = SEVERAL.search(head)
    if match is None:
        return False
    first = next(line for line in head.splitlines() if line.strip())
    return bool(BETWEEN.match(first)) or _row(first, match[0].count("-")) is not None


def _blocks(source: Source) -> list[Recording]:
    """Return the blocks between lines of dashes. It is a capture: a line that is no reading is left out, and said."""
    n_channels = next(line.count("-") for line in source.lines if BETWEEN.match(line))
    blocks: list[list[tuple[int, list[float]]]] = [[]]
    others = []
    for number, line in enumerate(source.lines, 1):
        if BETWEEN.match(line):
            blocks.append([])
        elif row := _row(line, n_channels):
            blocks[-1].append((number, row))
        elif line.strip():
            others.append(number)
            n_readings = int(any(c.isdigit() for c in line))
            source.dropped(f"not a reading of {n_channels} numbers", n_readings, number)
    if len(others) > sum(map(len, blocks)):
        raise RecordingError(
            f"Expected readings of {n_channels} numbers, found {len(others)} other lines",
            source.at(others[0]),
            "Check that this is a capture of the board",
        )
    return [_block(source, block) for block in blocks if block]


def _block(source: Source, block: list[tuple[int, list[float]]]) -> Recording:
    """Return one recording; what the file's name says in the manner of this format is filled in."""
    signal = np.array([row for _, row in block])
    channels = ("x", "y", "z") if signal.shape[1] == 3 else ()
    recording = Recording(signal, channels, source=source.at(block[0][0]))
    name, about = FILE.fullmatch(source.path.name), source.about
    if name is None:
        return recording
    no_other_label = about.label in (
        None,
        label_in_name(source.path.name),
    )  # a folder, or a pattern of the user
    return replace(
        recording,
        label=name["label"] if no_other_label else None,
        person=about.person or (None if name["label"] == "negative" else name["person"]),
    )


def _row(line: str, n_channels: int) -> list[float] | None:
    try:
        row = [float(cell) for cell in line.split(",")]
    except ValueError:
        return None
    return row if len(row) == n_channels else None
