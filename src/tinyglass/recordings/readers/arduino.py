"""CSV as the Arduino Tiny Motion kit's sketch prints it: many recordings in a file, no times, no labels.

::

    aX,aY,aZ,gX,gY,gZ
    0.387,-1.346,1.241,1.160,45.410,8.423
    …119 rows, a blank line, the next recording

Where a recording ends is told in `blocks`. It is the kit's where every column is named after an axis of motion
(``aX``, ``acc_x``, ``x``), or where blank lines cut the rows into blocks. A header that is repeated begins a
recording. A row with an empty cell is left out by name. Units are in none of these files and stay unknown.

Some were written one character a cell (``0,\\t,-,1,\\t,1``); the numbers are put together again.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO

import numpy as np

from ...errors import RecordingError
from ..parsing.blocks import KIT, cut_at_blanks, cut_at_jumps, cut_multiples
from ..recording import Recording
from ..source import HEAD, Source
from ..tables.columns import find_columns, named_channels
from ..tables.plain import Layout, find_layout

LARGEST = 2**25  # bytes; a larger file is one long recording, not many by hand
MOTION = re.compile(r"(a|acc\w*?|g|gyr\w*?|m|mag\w*?|lin\w*?|rot\w*?)?[ _.-]?[xyz]", re.IGNORECASE)
LINE_END = re.compile(rb"\r\n|\r|\n")
SPELT = {"\\t": "\t", "\\n": "\n", "\\r": "\r"}
WHOLE = 0.8  # share of the rows that have to be whole


@dataclass
class _Table:
    """Rows of numbers, and what stands between them."""

    rows: list[list[float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    blanks: list[int] = field(default_factory=list)  # lines before each row; -1 for a header
    n_left_out: int = 0

    def add(self, row: list[float], line: int, blanks: int) -> None:
        self.rows.append(row)
        self.lines.append(line)
        self.blanks.append(blanks)


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of the kit's CSV; None if the text is something else."""
    if source.size > LARGEST or not source.is_text:
        return None
    if is_spelt(source):
        names = tuple(cell.strip() for cell in source.lines[0].split(","))
        return _recordings(source, _spelt_table(source, len(names)), names)
    layout = find_layout(source)
    columns = find_columns(source, layout) if layout else None
    if layout is None or columns is None or columns.groups or columns.time is not None:
        return None
    names, units = named_channels(layout, columns)
    motion = bool(names) and all(MOTION.fullmatch(name) for name in names)
    if not motion and not any(_is_blank(line) for line in source.lines[layout.first : -1]):
        return None
    try:
        table = _table(source, layout, columns.channels, may_be_empty=motion)
    except RecordingError:
        if motion:
            raise
        return None  # not the kit's, and not a table of numbers throughout
    return _recordings(source, table, names, units, motion)


def _recordings(
    source: Source,
    table: _Table,
    names: tuple[str, ...],
    units: tuple[str, ...] = (),
    motion: bool = True,
) -> list[Recording] | None:
    n = len(table.rows)
    if table.n_left_out > (1 - WHOLE) * (n + table.n_left_out):
        raise RecordingError(
            f"Expected rows of {len(names)} numbers, found {table.n_left_out} of {n + table.n_left_out} that are not",
            source.name,
            "Mend the file, or record again",
        )
    if not n:
        return None
    signal = np.array(table.rows)
    blocks = cut_at_blanks(source, table.blanks, table.lines)
    if not motion and not _are_plausible(blocks):
        return None
    if len(blocks) > 1:
        blocks = cut_multiples(source, blocks, table.lines)
        usual = Counter(end - begin for begin, end in blocks).most_common(1)[0][0]
        if motion and usual != KIT:
            source.repaired(f"Recordings have {usual} rows instead of the {KIT} of the kit", table.lines[0])
    else:
        blocks = cut_at_jumps(source, signal, table.lines[0])
    return [
        Recording(
            signal[begin:end],
            names,
            units,
            label=source.about.label,
            source=source.name if len(blocks) == 1 else source.at(table.lines[begin]),
        )
        for begin, end in blocks
    ]


def _are_plausible(blocks: list[tuple[int, int]]) -> bool:
    """Tell whether blank lines cut a table into recordings, rather than stand somewhere in it."""
    lengths = [end - begin for begin, end in blocks]
    return len(lengths) > 1 and min(lengths) >= (2 if len(set(lengths)) == 1 else 3)


def _is_blank(line: str) -> bool:
    """Tell a line without content: quotes and separators are none."""
    return not line.strip(' \t\r",;')


def _table(source: Source, layout: Layout, channels: list[int], may_be_empty: bool) -> _Table:
    """Take the lines apart, as a table that every line has to fit; one with an empty cell may be left out."""
    table, blanks = _Table(), 0
    if b"\r" in source.content and len({end[0] for end in LINE_END.finditer(source.content)}) > 1:
        source.repaired("Line ends are mixed")
    for number, line in enumerate(source.lines[layout.first - 1 :], layout.first):
        if _is_blank(line):
            blanks = blanks + 1 if blanks >= 0 else -1
            if line.strip() and table.rows:
                source.repaired("Rows of empty cells end a recording, as blank lines do", number)
            continue
        cells = layout.cells(line)
        if tuple(cells) == layout.names:
            source.repaired("The header is repeated; a recording begins there", number)
            blanks = -1
            continue
        if len(cells) != layout.width:
            raise RecordingError(
                f"Expected {layout.width} values, found {len(cells)}",
                source.at(number),
                "Delete the line or complete it",
            )
        if may_be_empty and "" in cells:
            source.dropped("A row with an empty cell", 1, number)
            table.n_left_out += 1
            continue
        table.add([_number(source, layout, cells, column, number) for column in channels], number, blanks)
        blanks = 0
    return table


def _number(source: Source, layout: Layout, cells: list[str], column: int, line: int) -> float:
    number = layout.number(cells[column])
    if number is None:
        raise RecordingError(
            f"Expected a number, found {cells[column][:40]!r}",
            f"{source.at(line)}, column {layout.name(column)}",
            "Mend the value, or delete the line",
        )
    return number


# -- one character a cell


def is_spelt(source: Source) -> bool:
    """Tell whether the file has one character a cell: digits, signs, points and tabs."""
    head = re.split(r"\r\n|\r|\n", source.head_text, maxsplit=1)
    if len(head) < 2 or any(char.isdigit() for char in head[0]) or "," not in head[0]:
        return False
    rows = [row for _, row in _spelt_rows(head[1])]
    if len(source.head) == HEAD:
        rows = rows[:-1]
    width = len(head[0].split(","))
    parts = sum(any(cell in ("\t", " ") for cell in row) or (len(row) > width and "-" in row) for row in rows)
    one_each = all(len(cell) <= 1 for row in rows for cell in row)
    return one_each and 0 < parts >= 0.5 * len(rows) and all(len(row) >= 2 * width - 1 for row in rows)


def _spelt_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield rows of cells, each with the number of its line."""
    rows = csv.reader(StringIO(text, newline=""))
    try:
        for row in rows:
            yield rows.line_num + 1, [SPELT.get(cell, cell) for cell in row]
    except csv.Error:  # a cell of more than 131,072 characters
        yield 0, ["no character"]


def _spelt_table(source: Source, width: int) -> _Table:
    """Put the characters together again, and read numbers between tabs or spaces."""
    source.repaired("One character a cell: the numbers were put together again", 2)
    body = re.split(r"\r\n|\r|\n", source.text, maxsplit=1)[1]
    table = _Table()
    for number, text in _put_together(_spelt_rows(body)):
        try:
            row = [float(part) for part in text.split()]
        except ValueError:
            row = []
        if len(row) == width:
            table.add(row, number, 0)
        else:
            source.dropped(f"A row that is not {width} numbers", 1, number)
            table.n_left_out += 1
    return table


def _put_together(rows: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, str]]:
    for number, row in rows:
        for text in re.split(r"[\r\n]+", "".join(row)):
            if text.strip():
                yield number, text
