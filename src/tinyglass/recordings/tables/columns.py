"""What each column of a table is for, by its head and the first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import RecordingError
from ..source import Source
from .cells import SCALES, YEAR_2001, YEAR_2100, part, role, split_unit
from .plain import Layout

GROUPS = ("label", "person", "session", "device", "split")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[-+]\d\d:?\d\d)?")
CAPTURED = re.compile(
    r".*(->|[:=]$|[:=]\s*[-+.\d])"
)  # what a serial monitor or a sketch puts before a number


@dataclass(frozen=True)
class Columns:
    """What each column is for.

    Attributes
    ----------
    channels : list of int
    groups : column by kind: label, person, session, device, split
    time : int or None
    moments : bool, whether the times are dates and times of day
    """

    channels: list[int]
    groups: dict[str, int]
    time: int | None
    moments: bool


def find_columns(source: Source, layout: Layout) -> Columns | None:
    """Return what each column is for, by its head and the first rows; None if this is no table."""
    groups: dict[str, int] = {}
    times, aside = [], []
    for column, head in enumerate(layout.names):
        kind = role(head)
        if kind in GROUPS and kind not in groups:
            groups[kind] = column
        elif kind == "time":
            times.append(column)
        elif (head in ("", "Unnamed: 0") or kind == "recording") and _counts(layout, column):
            aside.append(column)
    known = {*groups.values(), *times, *aside}
    others = [c for c in range(layout.width) if c not in known]
    if not times:
        times = [c for c in others if _are_epochs(layout, c) or _are_moments(layout, c)]
        others = sorted({*others} - {*times})
    words = [c for c in others if _are_words(layout, c)]
    if "label" not in groups and len(words) == 1:
        groups["label"] = words[0]
        if any(CAPTURED.match(row[words[0]]) for row in layout.sample if len(row) > words[0]):
            return None
    channels = [c for c in others if c not in groups.values()]
    if not channels and times:
        channels, times = times[:1], []
    if not channels:
        if not groups:
            return None
        raise RecordingError("The only column is the label", source.name, "Add columns with readings")
    for column in [*times[1:], *aside]:
        what = "tells the time too" if column in times else "numbers the rows"
        source.repaired(f"The column {layout.name(column)!r} {what}, and is no channel", layout.first)
    time = times[0] if times else None
    return Columns(channels, groups, time, time is not None and _are_moments(layout, time))


def _sampled(layout: Layout, column: int) -> list[str]:
    return [row[column] for row in layout.sample if len(row) == layout.width]


def sampled_numbers(layout: Layout, column: int) -> np.ndarray:
    numbers = [layout.number(cell) for cell in _sampled(layout, column)]
    return np.array([number for number in numbers if number is not None and np.isfinite(number)])


def _are_words(layout: Layout, column: int) -> bool:
    cells = _sampled(layout, column)
    return bool(cells) and cells[0] != "" and all(layout.number(cell) is None for cell in cells)


def _are_moments(layout: Layout, column: int) -> bool:
    cells = _sampled(layout, column)
    return bool(cells) and all(MOMENT.fullmatch(cell) for cell in cells)


def _counts(layout: Layout, column: int) -> bool:
    numbers = sampled_numbers(layout, column)
    with np.errstate(over="ignore"):
        return len(numbers) == len(layout.sample) > 1 and bool((np.diff(numbers) == 1).all())


def _are_epochs(layout: Layout, column: int) -> bool:
    """Tell whether the numbers can only be times since 1970, in a unit finer than seconds."""
    numbers = sampled_numbers(layout, column)
    if len(numbers) != len(layout.sample) or len(numbers) < 2 or (numbers[1:] <= numbers[:-1]).any():
        return False
    fine = [second for second in SCALES.values() if second < 1]
    return any(YEAR_2001 <= numbers[0] * second and numbers[-1] * second <= YEAR_2100 for second in fine)  # noqa: SIM300


def named_channels(layout: Layout, columns: Columns) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the units of the channels."""
    if not layout.names:
        return (), ()
    found = [split_unit(layout.names[c]) for c in columns.channels]
    units = [
        layout.units[c] if layout.units else unit
        for c, (_, unit) in zip(columns.channels, found, strict=True)
    ]
    return tuple(name for name, _ in found), tuple(units)


def about_row(source: Source, columns: Columns, key: Sequence[str]) -> dict[str, Any]:
    """Return label, person and the other groups of a recording: from its cells, or from the names."""
    about: dict[str, str | None] = {kind: getattr(source.about, kind) for kind in GROUPS}
    own = dict(zip(columns.groups, key, strict=True))
    about |= {kind: cell or about[kind] for kind, cell in own.items()}
    if "label" in own:
        about["label"] = own["label"]
    if "split" in own:
        about["split"] = part(own["split"])
    return about
