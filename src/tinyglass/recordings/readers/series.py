"""Time series as the UCR and UEA archives publish them, one recording a line.

======== =================================== ====================================================
``.ts``  ``@problemName …``, ``@data``, then dimensions split by ``:``, the label last:
                                             ``1,2,3:4,5,6:walking``; with times
                                             ``(0,1),(1,2):walking``
``.tsv`` no header                           the label first: ``1<tab>0.25<tab>0.5…``
======== =================================== ====================================================

A label that is a whole number is written without its point, as a set may say ``1.0`` here and ``1``
there. Missing readings (``?``, ``NaN``) at the end are padding and cut off; elsewhere they are refused.

A table without header is such a set only if every row has a whole number as label, each on two rows
on average, and at least `SHORTEST` readings, not all of them whole numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from ...errors import RecordingError
from ..recording import Recording
from ..source import Source

TAGS = "problemname|timestamps|missing|univariate|dimensions?|equallength|serieslength|classlabel|targetlabel"
WITH_POINT = re.compile(r"[+-]?\d+\.\d*(e[+-]?\d+)?", re.IGNORECASE)
SHORTEST = 15  # readings; a sensor has fewer channels, so that a row of all its channels is never meant
ENOUGH = 100  # rows of a head, some of which have the same label
MEND = "Mend the line, or delete it"


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a .ts or .tsv file of the archives; None if it is something else."""
    if not source.is_text:
        return None
    first = first_line(source, "#")
    if re.match(rf"@({TAGS})\b", first, re.IGNORECASE):
        return list(_ts(source))
    return _table(source) if _table_row(first) and _repeats_labels(source) else None


def first_line(source: Source, comment: str) -> str:
    """Return the first line, stripped, that is neither blank nor a comment."""
    lines = (line.strip() for line in source.head_text.splitlines())
    return next((line for line in lines if line and not line.startswith(comment)), "")


# ---------------------------------------------------------------- .ts


def _ts(source: Source) -> Iterator[Recording]:
    header, lines = header_and_data(source, "#")
    words = [line[1:].split() for _, line in header]
    tags = {tag.lower(): values or [""] for tag, *values in filter(None, words)}
    label_of, n_dimensions = _labels(tags, source), _n_dimensions(tags)
    stamped = _is_true(tags, "timestamps")
    for number, line in lines:
        parts = re.split(r"(?<=\)):", line) if stamped else line.split(":")
        text = parts.pop() if label_of else ""
        n_dimensions = n_dimensions or len(parts)
        if len(parts) != n_dimensions or not parts:
            expected = f"{n_dimensions or 'at least 1'} dimensions" + (" and a label" if label_of else "")
            raise RecordingError(
                f"Expected {expected}, split by colons, found {len(parts)} dimensions",
                source.at(number),
                MEND,
            )
        times = None
        if stamped:
            stamped_parts = [_stamped(part, source.at(number)) for part in parts]
            times = _times([stamps for stamps, _ in stamped_parts], source, number)
            parts = [values for _, values in stamped_parts]
        label = label_of(text, number) if label_of else None
        yield from one_recording([part.split(",") for part in parts], label, source, number, times)


def _is_true(tags: dict[str, list[str]], tag: str) -> bool:
    return tags.get(tag, [""])[0].lower() == "true"


def _labels(tags: dict[str, list[str]], source: Source) -> Labels | None:
    """Return what reads the labels; None if there are none."""
    if _is_true(tags, "targetlabel"):
        return Labels(source, numeric=True)
    return Labels(source, tags["classlabel"][1:]) if _is_true(tags, "classlabel") else None


def _n_dimensions(tags: dict[str, list[str]]) -> int:
    """Return how many dimensions the header declares, or 0."""
    if _is_true(tags, "univariate"):
        return 1
    declared = (tags.get("dimensions") or tags.get("dimension") or [""])[0]
    return int(declared) if re.fullmatch("[0-9]{1,9}", declared) else 0


def _stamped(part: str, where: str) -> tuple[list[str], str]:
    """Return the times, and the values with commas between, of ``(0,1.5),(1,2.5)``."""
    pairs = [pair.rpartition(",") for pair in re.findall(r"\(([^()]*)\)", part)]
    if not all(comma for _, comma, _ in pairs) or re.sub(r"\([^()]*\)", "", part).strip(", "):
        raise RecordingError(f"Expected (time,value),(time,value), found {part[:60]!r}", where, MEND)
    return [time.strip() for time, _, _ in pairs], ",".join(value for _, _, value in pairs)


def _times(stamps: Sequence[list[str]], source: Source, number: int) -> np.ndarray | None:
    """Return the seconds since the first reading; None for plain numbers, which name no unit."""
    where = source.at(number)
    if any(own != stamps[0] for own in stamps):
        raise RecordingError("Expected the same times in every dimension", where, MEND)
    dated = any(re.search(r"\d[-:T]\d", stamp) for stamp in stamps[0])
    try:
        moments = [datetime.fromisoformat(stamp) for stamp in stamps[0]] if dated else []
        seconds = [(m - moments[0]).total_seconds() for m in moments] or [float(stamp) for stamp in stamps[0]]
    except (ValueError, TypeError):  # TypeError: one with a time zone, one without
        found = ", ".join(stamps[0][:3])[:60]
        raise RecordingError(f"Expected numbers or dates as times, found {found!r}", where, MEND) from None
    if not (np.diff(seconds) > 0).all():
        raise RecordingError("Expected times that go forward", where, MEND)
    if dated:
        return np.array(seconds)
    source.repaired("the times name no unit: only the order of the readings is kept", number)
    return None


# ---------------------------------------------------------------- .tsv


def _table_row(line: str) -> list[str] | None:
    """Return the cells of a row with a whole number as label and many readings; None if it is another."""
    cells = line.split("\t" if "\t" in line else "," if "," in line else None)
    if len(cells) <= SHORTEST or not _is_number(cells[1]):
        return None
    return cells if re.fullmatch(r"\s*[+-]?\d+(\.0*(e[+-]?0+)?)?\s*", cells[0], re.IGNORECASE) else None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _repeats_labels(source: Source) -> bool:
    """Tell by the head, if it holds enough rows, that this is no large table of readings."""
    rows = [_table_row(line.strip()) for line in source.head_text.splitlines()[:-1] if line.strip()]
    return len(rows) < ENOUGH or len({row[0] if row else number for number, row in enumerate(rows)}) < len(
        rows
    )


def _table(source: Source) -> list[Recording] | None:
    """Return one recording a row; None if the rows are not those of such a set."""
    lines = [(number, line) for number, line in enumerate(source.lines, 1) if line.strip()]
    rows = [(number, cells) for number, line in lines if (cells := _table_row(line.strip()))]
    label_of = Labels(source)
    if (
        len(rows) < len(lines)
        or len({len(cells) for _, cells in rows}) > 1
        or len({float(cells[0]) for _, cells in rows}) > len(rows) / 2
        or not any(re.search(r"\.\d*[1-9]", cell) for _, cells in rows for cell in cells[1:])
    ):
        return None
    return [
        recording
        for number, (label, *cells) in rows
        for recording in one_recording([cells], label_of(label, number), source, number)
    ]


# ---------------------------------------------------------------- what the formats of the archives share


def header_and_data(source: Source, comment: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return the numbered lines before ``@data`` and after it, without blank lines and comments."""
    lines = [
        (number, line.strip())
        for number, line in enumerate(source.lines, 1)
        if line.strip() and not line.lstrip().startswith(comment)
    ]
    data = next((i for i, (_, line) in enumerate(lines) if line.lower() == "@data"), len(lines))
    for number, line in lines[:data]:
        if not line.startswith("@"):
            raise RecordingError(
                f"Expected a line with @ or @data before the recordings, found {line[:60]!r}",
                source.at(number),
                "Mend the header",
            )
    if data == len(lines):
        raise RecordingError("Expected a line @data, found the end", source.name, "Download the file again")
    return lines[:data], lines[data + 1 :]


@dataclass(frozen=True)
class Labels:
    """The labels of a file: one of the declared classes, or a number."""

    source: Source
    classes: Sequence[str] = ()
    numeric: bool = False

    @cached_property
    def _known(self) -> set[str]:
        return {_whole(name.strip()) for name in self.classes}

    def __call__(self, text: str, number: int) -> str:
        text = text.strip()
        if text in ("", "?"):
            return ""  # left open
        if self.numeric:
            if not _is_number(text) or not math.isfinite(float(text)):
                raise RecordingError(
                    f"Expected a number as label, found {text[:40]!r}", self.source.at(number), MEND
                )
            return text
        label = _whole(text)
        if self._known and label not in self._known:
            raise RecordingError(
                f"Expected one of the labels {', '.join(self.classes)[:60]}, found {text[:40]!r}",
                self.source.at(number),
                "Complete the line, or name the label in the header",
            )
        if label != text:
            self.source.repaired("labels such as 1.0 are read as 1", number)
        return label


def _whole(label: str) -> str:
    """Return 1 for 1.0 and 1.0000e+00."""
    whole = WITH_POINT.fullmatch(label) and float(label).is_integer() and abs(float(label)) < 2**53
    return str(int(float(label))) if whole else label


def one_recording(
    dimensions: Sequence[Sequence[str]],
    label: str | None,
    source: Source,
    number: int,
    times: np.ndarray | None = None,
) -> Iterable[Recording]:
    """Yield the recording of a line, without the padding at its end; none if it has no readings."""
    lengths = sorted({len(cells) for cells in dimensions})
    if len(lengths) > 1:
        raise RecordingError(
            f"Expected as many readings in each dimension, found {lengths[0]} and {lengths[-1]}",
            source.at(number),
            MEND,
        )
    signal = np.array([_values(cells, source.at(number)) for cells in dimensions]).T
    present = np.flatnonzero(~np.isnan(signal).all(axis=1))
    if not len(present):
        source.dropped("a recording without readings", 0, number)
        return
    n_readings = present[-1] + 1
    if n_readings < len(signal):
        source.repaired("missing readings at the end are padding, and cut off", number)
    times = times if times is None else times[:n_readings]
    yield Recording(signal[:n_readings], times=times, label=label, source=source.at(number))


def _values(cells: Sequence[str], where: str) -> list[float]:
    try:
        return [float(cell) for cell in cells]  # nearly always
    except ValueError:
        pass
    cells = ["nan" if cell.strip() == "?" else cell for cell in cells]
    for row, cell in enumerate(cells, 1):
        if not _is_number(cell):
            raise RecordingError(f"Expected a number, found {cell[:40]!r}", f"{where}, reading {row}", MEND)
    return [float(cell) for cell in cells]
