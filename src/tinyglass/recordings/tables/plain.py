"""A table of text: what separates its cells, what its head says, and its rows, in pieces of bounded size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from ...errors import RecordingError
from ..parsing.pieces import pieces, refuse_line
from ..source import LONGEST_LINE, Source, decode
from .cells import is_number, role, separator, split

WORTH_POLARS = 2**20  # bytes of a file above which polars reads the numbers
SAMPLE = 1000  # rows by which the columns are recognised
COMMENT = re.compile(r"\s*(#|//|%|;\s*[A-Za-z])")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # in a head: a noisy line, or colours of a terminal
OTHER_TEXT = re.compile(r"\s*[{\[<@]")  # JSON, XML, a print-out in brackets, a series file
NUMBERS = re.compile(r"[-+.,;\s\deE\"]*")
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    Attributes
    ----------
    separator : str, between cells
    decimal : str, the comma or the point of its numbers
    names : tuple of str, the heads of the columns; () without a header
    units : tuple of str, from a line of units below the header; () without one
    width : int, cells in a row
    first : int, the number of the first line of readings
    sample : list of rows of cells, the first ones
    """

    separator: str
    decimal: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    width: int
    first: int
    sample: list[list[str]]

    def cells(self, line: str) -> list[str]:
        """Return the cells of a line, without an empty one after a separator at the end."""
        cells = split(line, self.separator)
        if len(cells) == self.width + 1 and cells[-1] == "":
            cells.pop()
        return cells

    def name(self, column: int) -> str:
        """Return the name of a column, for a message."""
        return self.names[column] if self.names else str(column + 1)

    def number(self, cell: str) -> float | None:
        """Return the number in a cell; None if it is none."""
        if self.decimal == ",":
            cell = cell.replace(",", ".")
        return float(cell) if is_number(cell) else None


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, in order.

    Attributes
    ----------
    lines : int array, (n_rows,), the number of each row's line
    numbers : float64 array, (n_rows, n_columns), of the columns of numbers
    words : list of str lists, one a column of words
    heads : list of int, the rows before which the header is repeated
    """

    lines: np.ndarray
    numbers: np.ndarray
    words: list[list[str]]
    heads: list[int]


def find_layout(source: Source) -> Layout | None:
    """Return how a table is written, by its first lines; None if this is none."""
    if not source.is_text or OTHER_TEXT.match(source.head_text):
        return None
    lines = [(number, line) for number, line in enumerate(_opening(source), 1) if line.strip()]
    given = re.fullmatch(r'"?sep=(.)"?', lines[0][1].strip()) if lines else None
    lines = lines[1:] if given else lines
    while lines and COMMENT.match(lines[0][1]):
        source.repaired("A line of comment before the table was passed over", lines.pop(0)[0])
    if not lines:
        return None
    if len(lines[0][1]) > LONGEST_LINE:
        if NUMBERS.fullmatch(lines[0][1][:1000]):
            refuse_line(source, lines[0][0], len(lines[0][1]))
        return None
    sign = given[1] if given else separator(lines[min(1, len(lines) - 1)][1])
    if len(split(lines[0][1], sign)) != len(split(lines[min(1, len(lines) - 1)][1], sign)):
        sign = given[1] if given else separator(lines[0][1])
    rows = [split(line, sign) for _, line in lines[: SAMPLE + 2]]
    if not any(_is_like_a_number(cell, sign) for row in rows[:3] for cell in row):
        return None
    has_head = _is_head(rows[0], sign)
    if has_head and CONTROL.search(lines[0][1].strip()):
        return None
    has_units = has_head and _are_units(rows[:3], sign)
    if not has_units and not any(_is_like_a_number(cell, sign) for row in rows[:2] for cell in row):
        return None
    head = rows[0] if has_head else []
    start = has_head + has_units
    sample = rows[start : start + SAMPLE]
    while len(head) > 1 and head[-1] == "" and all(row[-1:] == [""] for row in sample):
        head.pop()
    width = len(head) if has_head else max((len(row) - (row[-1] == "") for row in sample[:1]), default=0)
    if not sample or not width:
        return None
    if has_head and 2 * sum(width <= len(row) <= width + 1 for row in sample) < len(sample):
        return None  # the first line is other text
    comma = sign != "," and any(DECIMAL_COMMA.fullmatch(cell) for row in sample for cell in row)
    layout = Layout(
        sign,
        "," if comma else ".",
        tuple(head),
        tuple(rows[1][:width]) if has_units else (),
        width,
        lines[start][0],
        [],
    )
    layout.sample.extend(layout.cells(line) for _, line in lines[start : start + SAMPLE])
    return layout


def _opening(source: Source) -> list[str]:
    """Return the first lines, those of the head or, where they are long, some more; the last one whole."""
    content = source.head
    whole = len(content) >= source.size
    if not whole and content.count(b"\n") < 4:
        with source.open() as stream:
            content = stream.read(4 * LONGEST_LINE)
        whole = len(content) >= source.size
    lines = re.split(r"\r\n|\r|\n", decode(content))
    return lines if whole or len(lines) < 3 else lines[:-1]


def _is_head(row: Sequence[str], sign: str) -> bool:
    return not any(_is_like_a_number(cell, sign) for cell in row) or any(
        role(cell) == "label" for cell in row
    )


def _are_units(rows: Sequence[Sequence[str]], sign: str) -> bool:
    """Tell whether the second of three rows is one of units, such as ``ms,g,g,g``."""
    if len(rows) < 3 or not len(rows[0]) == len(rows[1]) == len(rows[2]):
        return False
    numbers = [any(_is_like_a_number(cell, sign) for cell in row) for row in rows]
    return numbers == [False, False, True] and all(len(cell) <= 12 for cell in rows[1])


def _is_like_a_number(cell: str, sign: str) -> bool:
    return is_number(cell) or (sign != "," and DECIMAL_COMMA.fullmatch(cell) is not None)


def rows(source: Source, layout: Layout, numbers: Sequence[int], words: Sequence[int]) -> Iterator[Rows]:
    """Yield the rows of a table, in pieces of bounded size.

    Parameters
    ----------
    numbers, words : the columns to read as numbers, and those to keep as text

    Raises
    ------
    RecordingError
        If a row is not as wide as the others, or a cell is no number.
    """
    for number, lines in pieces(source):
        at = np.arange(number, number + len(lines))
        if number < layout.first:
            lines, at = lines[layout.first - number :], at[layout.first - number :]
        if not all(lines) or any(map(str.isspace, lines)):
            kept = [bool(line.strip()) for line in lines]
            lines, at = [line for line, keep in zip(lines, kept, strict=True) if keep], at[kept]
        if lines:
            quick = _by_polars(lines, at, layout, numbers, words) if source.size > WORTH_POLARS else None
            yield quick or _by_hand(source, lines, at, layout, numbers, words)


def _by_hand(
    source: Source,
    lines: Sequence[str],
    at: np.ndarray,
    layout: Layout,
    numbers: Sequence[int],
    words: Sequence[int],
) -> Rows:
    """Take each line apart. What it finds is right: any quicker way has to find the same."""
    kept: list[int] = []
    table: list[list[float]] = []
    texts: list[list[str]] = [[] for _ in words]
    heads: list[int] = []
    for place, line in enumerate(lines):
        cells = layout.cells(line)
        if len(cells) != layout.width:
            raise RecordingError(
                f"Expected {layout.width} values, found {len(cells)}",
                source.at(int(at[place])),
                "Delete the line or complete it",
            )
        if tuple(cells) == layout.names:
            source.repaired("The header is repeated; a recording begins there", int(at[place]))
            heads.append(len(kept))
            continue
        table.append(_numbers(source, cells, int(at[place]), layout, numbers))
        for text, column in zip(texts, words, strict=True):
            text.append(cells[column])
        kept.append(place)
    return Rows(at[kept], np.array(table, dtype=np.float64).reshape(len(kept), len(numbers)), texts, heads)


def _numbers(
    source: Source, cells: Sequence[str], line: int, layout: Layout, columns: Sequence[int]
) -> list[float]:
    found = []
    for column in columns:
        number = layout.number(cells[column])
        if number is None:
            raise RecordingError(
                f"Expected a number, found {cells[column][:40]!r}",
                f"{source.at(line)}, column {layout.name(column)}",
                "Mend the value, or delete the line",
            )
        found.append(number)
    return found


def _by_polars(
    lines: Sequence[str], at: np.ndarray, layout: Layout, numbers: Sequence[int], words: Sequence[int]
) -> Rows | None:
    """Return the same as `_by_hand`, many times quicker; None where anything is out of the ordinary."""
    import polars as pl

    text = "\n".join(lines)
    if words and '"' in text:
        return None
    schema = {str(c): pl.Float64 if c in numbers else pl.String for c in range(layout.width)}
    try:
        table = pl.read_csv(
            BytesIO(text.encode()),
            has_header=False,
            separator=layout.separator,
            schema=schema,
            decimal_comma=layout.decimal == ",",
        )
    except pl.exceptions.PolarsError:
        return None
    of_numbers = table.select([str(c) for c in numbers])
    if table.height != len(lines) or any(series.null_count() for series in of_numbers):
        return None
    texts = [table[str(c)].fill_null("").str.strip_chars().to_list() for c in words]
    return Rows(at, of_numbers.to_numpy(), texts, [])
