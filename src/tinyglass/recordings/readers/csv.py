"""Plain CSV: one recording a row, one a stretch of rows, or one a file.

=============== ======================================== =======================================
a row           it has a column named label, class,      the other columns are the readings,
                gesture or target, or one of words,      in order
                and none of times; or its columns are
                named after colours
a stretch       it has such a column, and one of times   rows that follow each other with the
                                                         same label and times that go forward
a file          it has no such column                    a row is a reading, a column a channel
=============== ======================================== =======================================

The first line may name the columns. A column of times (``time``, ``timestamp``, ``t [s]``, or numbers that can
only be times since 1970) is no channel, and milliseconds where nothing says otherwise; so are columns for
person, session, device and part, which end a stretch as a label does. Separators: comma, semicolon, tab
or space. Large files are read in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import RecordingError
from ..recording import Recording
from ..source import Source
from ..tables.columns import Columns, about_row, find_columns, named_channels
from ..tables.plain import Layout, find_layout, rows
from ..tables.stretches import Stretches

MOST_RECORDINGS = 10**6
COLOURS = {"red", "green", "blue", "clear", "white", "r", "g", "b", "c", "w"}


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of a CSV file; None if the text is no table."""
    layout = find_layout(source)
    columns = find_columns(source, layout) if layout else None
    if layout is None or columns is None:
        return None
    if layout.decimal == ",":
        source.repaired("Numbers have a decimal comma", layout.first)
    by_row = ("label" in columns.groups and columns.time is None) or _are_colours(layout, columns)
    try:
        found = (_one_a_row if by_row else _one_a_stretch)(source, layout, columns)
        return list(found)
    except RecordingError:
        if layout.names or columns.groups:
            raise
        return None  # numbers with other lines between them: a capture of a serial line


def _are_colours(layout: Layout, columns: Columns) -> bool:
    """Tell whether each row is an example by itself: a sensor of colours sees one thing at a time."""
    names = [layout.names[c].lower() for c in columns.channels] if layout.names else []
    return len(names) >= 3 and COLOURS.issuperset(names) and columns.time is None and not columns.groups


def _too_many(source: Source, line: int) -> RecordingError:
    return RecordingError(
        f"The table holds more than {MOST_RECORDINGS:,} recordings",
        source.at(line),
        "If the rows are readings, add a column 'time' or 'recording'; otherwise split the file",
    )


def _one_a_row(source: Source, layout: Layout, columns: Columns) -> Iterator[Recording]:
    names, units = named_channels(layout, columns)
    if "label" not in columns.groups:
        source.repaired("Columns of colours: each row is read as a recording of its own", layout.first)
    n = 0
    for piece in rows(source, layout, columns.channels, list(columns.groups.values())):
        for row, line in enumerate(piece.lines.tolist()):
            if (n := n + 1) > MOST_RECORDINGS:
                raise _too_many(source, line)
            about = about_row(source, columns, [text[row] for text in piece.words])
            yield Recording(piece.numbers[row][None], names, units, **about, source=source.at(line))


def _one_a_stretch(source: Source, layout: Layout, columns: Columns) -> Iterator[Recording]:
    """Yield a recording for each stretch of rows that belong together; without groups, that is the file."""
    numbers, words = list(columns.channels), list(columns.groups.values())
    if columns.time is not None:
        (words if columns.moments else numbers).append(columns.time)
    stretches = Stretches(source, layout, columns)
    n = 0
    for piece in rows(source, layout, numbers, words):
        for recording in stretches.add(piece):
            if (n := n + 1) > MOST_RECORDINGS:
                raise _too_many(source, int(piece.lines[0]))
            yield recording
    yield from stretches.end()
