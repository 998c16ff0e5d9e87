"""Tables of an explanation: what stands in a cell, and which columns go side by side."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

from ...errors import printable
from ..explanation import Table
from ..tracing import Symbol
from .formula import Writer

NARROWEST = 16  # a column of words is not made narrower to avoid cutting the table in two


def is_number(cell: Any) -> bool:
    """Tell whether a cell is a number.

    Examples
    --------
    >>> is_number(0.5), is_number("0.5"), is_number(True)
    (True, False, False)
    """
    return isinstance(cell, Number) and not isinstance(cell, bool)


def write_cells(
    table: Table,
    writer: Writer,
    words: Callable[[str], str] = printable,
    formula: Callable[[str], str] = str,
) -> list[list[str]]:
    """Return the head, if there is one, and the rows, with every cell written.

    Parameters
    ----------
    table : Table
    writer : Writer, of names and numbers
    words : function that makes text safe
    formula : function that wraps a name or a number that the writer wrote
    """

    def write(cell: Any) -> str:
        if cell is None:
            return ""
        if isinstance(cell, Symbol):
            return formula(writer.name(cell))
        return formula(writer.number(cell)) if is_number(cell) else words(str(cell))

    head = [[words(name) for name in table.head]] if any(table.head) else []
    return head + [[write(cell) for cell in row] for row in table.rows]


def numeric_columns(table: Table) -> list[bool]:
    """Return for each column whether it holds numbers only, which stand at the right.

    Examples
    --------
    >>> numeric_columns(Table("", ("name", "n"), (("a", 1), ("b", None))))
    [False, True]
    """
    n = max((len(row) for row in (table.head, *table.rows)), default=0)
    columns = [[row[i] for row in table.rows if i < len(row) and row[i] is not None] for i in range(n)]
    return [bool(cells) and all(map(is_number, cells)) for cells in columns]


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    Examples
    --------
    >>> columns_of("sum"), columns_of("δ"), columns_of("手")
    (3, 1, 2)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def fit(
    widths: Sequence[int], flexible: Sequence[bool], available: int, gap: int
) -> tuple[list[int], list[list[int]]]:
    """Return widths of columns that fit, and which columns go side by side.

    Flexible columns are narrowed first. What still does not fit follows below as another
    table, which begins with the first column again.

    Parameters
    ----------
    widths : sequence of int, of the columns as they are
    flexible : sequence of bool, whether a column may be narrower than it is
    available, gap : int, the width of all, and of what is between two columns

    Examples
    --------
    >>> fit([4, 30, 4], [False, True, False], 40, 2)
    ([4, 28, 4], [[0, 1, 2]])
    >>> fit([4, 20, 20], [False, False, False], 40, 2)
    ([4, 20, 20], [[0, 1], [0, 2]])
    """
    fitted = list(widths)
    while sum(fitted) + gap * (len(fitted) - 1) > available:
        widest = max((w, i) for i, w in enumerate(fitted) if flexible[i]) if any(flexible) else (0, 0)
        if widest[0] <= NARROWEST:
            break
        fitted[widest[1]] -= 1
    if len(fitted) > 1:
        half = max((available - gap) // 2, 1)
        fitted[0] = min(fitted[0], half)
        fitted[1:] = [min(width, max(available - gap - fitted[0], 1)) for width in fitted[1:]]
    else:
        fitted = [min(width, available) for width in fitted]
    groups: list[list[int]] = [[0]]
    for i in range(1, len(fitted)):
        used = sum(fitted[k] + gap for k in groups[-1])
        if len(groups[-1]) > 1 and used + fitted[i] > available:
            groups.append([0])
        groups[-1].append(i)
    return fitted, groups
