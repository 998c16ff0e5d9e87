"""Plain CSV: one recording a row, or one recording a file.

=============== ======================================== ================================
a row           it has a column named label, class,      the other columns are the
                gesture or target, or one of words       readings, in order
a file          it has none                              a row is a reading, a column a
                                                         channel; ``time`` or ``timestamp``
                                                         (ms) is no channel
=============== ======================================== ================================

The first line may name the columns. Separators: comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import re
from itertools import zip_longest

import numpy as np

from ..errors import RecordingError
from .recording import Recording
from .source import Source

LABEL = re.compile(r"(label|class|gesture|target)\s*$", re.IGNORECASE)
TIME = re.compile(r"(?P<name>time|timestamp|t|ms)\s*([\[(_]?(?P<unit>ms|s)[\])]?)?\s*$", re.IGNORECASE)
LONGEST_LINE = 2**20


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a CSV file; None if the text is no table."""
    lines = [(number, line) for number, line in enumerate(source.lines, 1) if line.strip()]
    if not lines:
        return None
    for number, line in lines:
        if len(line) > LONGEST_LINE:
            raise RecordingError(
                f"The line has {len(line):,} characters; at most {LONGEST_LINE:,} are read",
                f"{source.name}, line {number}",
                "Check that this is a table of readings",
            )
    separator = max(",;\t", key=lambda c: lines[0][1].count(c))
    rows = [next(csv.reader([line], delimiter=separator, skipinitialspace=True)) for _, line in lines]
    rows = [[cell.strip() for cell in row] for row in rows]
    numbers = [number for number, _ in lines]
    if not any(_is_number(cell) for row in rows[:2] for cell in row):
        return None

    names: list[str] | None = None
    if not any(_is_number(cell) for cell in rows[0]) or any(LABEL.match(cell) for cell in rows[0]):
        names, rows, numbers = rows[0], rows[1:], numbers[1:]
    width = len(names) if names is not None else len(rows[0])
    for number, row in zip(numbers, rows, strict=True):
        if len(row) == width + 1 and row[-1] == "":
            row.pop()
        if len(row) != width:
            raise RecordingError(
                f"Expected {width} values, found {len(row)}",
                f"{source.name}, line {number}",
                "Delete the line or complete it",
            )
    if not rows:
        return None
    label = _label_column(names, rows)
    if label is None:
        return [_one_a_file(source, names, rows, numbers)]
    return _one_a_row(source, names, rows, numbers, label)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label_column(names: list[str] | None, rows: list[list[str]]) -> int | None:
    for column, name in enumerate(names or []):
        if LABEL.match(name):
            return column
    words = [c for c in range(len(rows[0])) if rows[0][c] and not any(_is_number(row[c]) for row in rows)]
    return words[0] if len(words) == 1 else None


def _readings(
    source: Source, names: list[str] | None, row: list[str], number: int, columns: list[int]
) -> list[float]:
    readings = []
    for column in columns:
        try:
            readings.append(float(row[column]))
        except ValueError:
            name = names[column] if names else str(column + 1)
            raise RecordingError(
                f"Expected a number, found {row[column][:40]!r}",
                f"{source.name}, line {number}, column {name}",
                "Mend the value, or delete the line",
            ) from None
    return readings


def _one_a_row(
    source: Source, names: list[str] | None, rows: list[list[str]], numbers: list[int], label: int
) -> list[Recording]:
    columns = [c for c in range(len(rows[0])) if c != label]
    if not columns:
        raise RecordingError("The only column is the label", source.name, "Add columns with readings")
    channels = tuple(names[c] for c in columns) if names else ()
    return [
        Recording(
            np.array([_readings(source, names, row, number, columns)]),
            channels,
            label=row[label],
            source=f"{source.name}, line {number}",
        )
        for number, row in zip(numbers, rows, strict=True)
    ]


def _one_a_file(
    source: Source, names: list[str] | None, rows: list[list[str]], numbers: list[int]
) -> Recording:
    columns = list(range(len(rows[0])))
    time = next((c for c, name in enumerate(names or []) if TIME.match(name)), None)
    if time is not None and len(columns) > 1:
        columns.remove(time)
    else:
        time = None
    signal = np.array(
        [_readings(source, names, row, number, columns) for number, row in zip(numbers, rows, strict=True)]
    )
    times = rate_hz = None
    if time is not None and names is not None:
        match = TIME.match(names[time])
        assert match is not None
        seconds = 1.0 if match["unit"] == "s" else 0.001
        times = seconds * np.array(
            [
                _readings(source, names, row, number, [time])[0]
                for number, row in zip(numbers, rows, strict=True)
            ]
        )
        if not np.isfinite(times).all():
            line = numbers[int(np.argmin(np.isfinite(times)))]
            raise RecordingError(
                "Expected a time, found no finite number",
                f"{source.name}, line {line}, column {names[time]}",
                "Mend the value, or delete the line",
            )
        gaps = np.diff(times)
        if len(gaps) and gaps.min() <= 0:
            line = numbers[int(np.argmin(gaps)) + 1]
            raise RecordingError(
                "Time does not go forward", f"{source.name}, line {line}", "Mend or delete the line"
            )
        if len(gaps) and np.ptp(gaps) <= 0.01 * gaps.mean():
            rate_hz = float(f"{1 / gaps.mean():.12g}")  # 100, not 100.00000000000001
    heads = [names[c] for c in columns] if names else []
    split = [re.fullmatch(r"(.*?)\s*[\[(]([^\])]*)[\])]", head) for head in heads]
    channels = tuple(m[1] if m else head for m, head in zip_longest(split, heads))
    units = tuple(m[2] if m else "" for m in split)
    return Recording(signal, channels, units, rate_hz, times, source.about.label, source=source.name)
