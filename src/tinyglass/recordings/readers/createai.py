"""micro:bit CreateAI, and ml-machine before it.

========================== ======================================================================
data set                   ``[{id, name, icon, recordings: [{id, data: {x: […], y: […], z: […]}}]}]``,
                           or the same as ``{"data": […]}``
before 2025, ml-machine    ``recordings: [{ID, labels: ["x", …], samples: [{vector: [0.1, …]}, …]}]``
project of MakeCode        ``{"header": …, "text": {"dataset.json": "…"}}``, the data set as a string
table                      ``gesture;sample;x;y;z``; a semicolon in the name is ``\\;``; decimal
                           commas where the browser speaks German or Danish
table of one recording     ``sample;x;y;z``
========================== ======================================================================

The class is the name of the gesture. Neither the rate nor the units stand in any of them, so that
both stay unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import RecordingError
from ..parsing.values import document, numbers, parse, shown
from ..recording import Recording, unnamed
from ..source import Source

SIGNATURE = r'\\?"recordings\\?"\s*:\s*\['  # the quotes are escaped in a project
TABLE = re.compile(r"(gesture;)?sample(;[^;\r\n]+)+[\r\n]")
AGAIN = "Delete the recording, or record it again"


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a data set, a project or a table of CreateAI; None if it is something else."""
    if TABLE.match(source.head_text):
        return list(_table(source))
    found = _gestures(document(source, SIGNATURE), source)
    if found is None:
        return None
    gestures, place = found
    names = [_name(gesture, f"{place}, gesture {i}") for i, gesture in enumerate(gestures, 1)]
    for name, times in Counter(names).items():
        if name and times > 1:
            source.repaired(f"{times} gestures are called {name[:40]!r}: read as one class")
    empty = [name or "" for name, gesture in zip(names, gestures, strict=True) if not gesture["recordings"]]
    if empty:
        source.dropped(f"gestures without recordings: {', '.join(repr(name[:40]) for name in empty[:20])}", 0)
    recordings = []
    for number, (name, gesture) in enumerate(zip(names, gestures, strict=True), 1):
        title = repr(name[:40]) if name else str(number)
        for i, recording in enumerate(gesture["recordings"], 1):
            where = f"{place}, gesture {title}, recording {i}"
            channels, signal = _signal(recording, where)
            if len(signal):
                recordings.append(Recording(signal, channels, label=name, source=where))
            else:
                source.dropped("a recording without readings", 0)
    return recordings


def _gestures(found: Any, source: Source) -> tuple[list[dict[str, Any]], str] | None:
    """Return the gestures of a data set, and where it is; None if there is none."""
    place = source.name
    if isinstance(found, dict) and isinstance(found.get("text"), dict):
        text = found["text"].get("dataset.json")
        found = parse(text, source) if isinstance(text, str) else None
        place += ", dataset.json"
    if isinstance(found, dict):
        found = found.get("data")
    if not isinstance(found, list) or not found or not _is_gesture(found[0]):
        return None
    for i, gesture in enumerate(found, 1):
        if not _is_gesture(gesture):
            raise RecordingError(
                f"Expected a gesture with a list of recordings, found {shown(gesture)}",
                f"{place}, gesture {i}",
                "Export the data set again",
            )
    return found, place


def _is_gesture(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("recordings"), list)


def _name(gesture: dict[str, Any], where: str) -> str | None:
    name = gesture.get("name")
    if name is not None and not isinstance(name, str):
        raise RecordingError(
            f"Expected a name, found {shown(name)}", where, "Name the gesture, and export again"
        )
    return name


def _signal(recording: Any, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the channels and (n_readings, n_channels), from columns or from vectors."""
    if isinstance(recording, dict):
        if isinstance(columns := recording.get("data"), dict) and columns:
            return tuple(columns), numbers(list(columns), list(columns.values()), where)
        if isinstance(samples := recording.get("samples"), list):
            return _vectors(samples, recording.get("labels"), where)
    raise RecordingError('Expected a recording with "data" or "samples"', where, AGAIN)


def _vectors(samples: list[Any], labels: Any, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    vectors = [sample.get("vector") if isinstance(sample, dict) else None for sample in samples]
    if not vectors:
        return (), np.empty((0, 0))
    width = len(vectors[0]) if isinstance(vectors[0], list) else 0
    for i, vector in enumerate(vectors, 1):
        if not isinstance(vector, list) or len(vector) != width or not width:
            found = f"{len(vector)} values" if isinstance(vector, list) else shown(vector)
            raise RecordingError(
                f"Expected a vector of {width or 'numbers'}, found {found}", f"{where}, reading {i}", AGAIN
            )
    channels = tuple(labels) if isinstance(labels, list) and all(isinstance(n, str) for n in labels) else ()
    columns = [list(column) for column in zip(*vectors, strict=True)]
    return channels, numbers(channels if len(channels) == width else unnamed(width), columns, where)


def _table(source: Source) -> Iterator[Recording]:
    """Yield the recordings of a table: the number of a sample starts anew with each, or is the recording's."""
    header, *lines = source.lines
    channels = tuple(header.split(";")[header.startswith("gesture;") + 1 :])
    parsed = [
        (number, *_row(line, channels, header, source.at(number)))
        for number, line in enumerate(lines, 2)
        if line.strip()
    ]
    repeats = sum(one[1:3] == other[1:3] for one, other in pairwise(parsed))
    of_recordings = 2 * repeats > len(parsed)
    if of_recordings:
        source.repaired(
            "the sample is the number of a recording, not of a reading: it stays the same over rows"
        )
    rows: list[list[float]] = []
    last, label, first = 0, None, 2
    for number, name, sample, row in parsed:
        begins = sample != last if of_recordings else sample <= last
        if rows and (name != label or begins):
            yield Recording(np.array(rows), channels, label=label, source=source.at(first))
            rows = []
        if not rows:
            first = number
        elif sample != last + 1 and not of_recordings:
            source.repaired("numbers of samples are left out: read as if none were missing", number)
        last, label = sample, name
        rows.append(row)
    if rows:
        yield Recording(np.array(rows), channels, label=label, source=source.at(first))


def _row(
    line: str, channels: tuple[str, ...], header: str, where: str
) -> tuple[str | None, int, list[float]]:
    """Return the name of the gesture (None where the table has none), the number of the sample, the readings."""
    cells = line.rsplit(";", len(channels) + 1)
    name = cells.pop(0).replace("\\;", ";") if header.startswith("gesture;") else None
    try:
        sample, *row = [float(cell.replace(",", ".")) for cell in cells]
    except ValueError:
        row = []
    if len(row) != len(channels) or not sample.is_integer():
        raise RecordingError(
            f"Expected {header}, found {line[:60]!r}", where, "Mend the line, or delete its recording"
        )
    return name, int(sample), row
