"""An explanation as text for a terminal of any width."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from ...errors import printable
from ..explanation import Explanation, Figure, Line, Table
from .formula import Writer
from .tables import columns_of, fit, numeric_columns, write_cells

LEAST_WIDTH = 20
GAP = "  "


def to_text(explanation: Explanation, width: int | None = None) -> str:
    """Return an explanation as text.

    Parameters
    ----------
    explanation : Explanation
    width : int, optional; the terminal's, or 80 where there is none
    """
    width = max(width or shutil.get_terminal_size().columns, LEAST_WIDTH)
    writer = Writer(explanation.notation, explanation.style)
    blocks = [_heading(explanation.title, "=", width)]
    for section in explanation.sections:
        blocks += [_heading(section.title, "-", width)] if section.title else []
        lines: list[str] = []
        for item in section.items:
            if isinstance(item, Line):
                lines += formula_lines(writer.parts(item), width)
                lines += wrap(printable(item.note), width, "    ") if item.note else []
                continue
            if lines:
                blocks.append("\n".join(lines))
                lines = []
            if isinstance(item, str):
                blocks.append("\n".join(wrap(printable(item), width)))
            elif isinstance(item, Table):
                blocks += _table(item, writer, width)
            elif isinstance(item, Figure):
                words = item.caption if item.drawn else f"[Picture: {item.alternative}] {item.caption}"
                blocks.append("\n".join(wrap(printable(words.strip()), width)))
                blocks.append("\n".join(printable(line)[:width] for line in item.drawn.splitlines()))
        if lines:
            blocks.append("\n".join(lines))
    return "\n\n".join(block for block in blocks if block)


def _heading(title: str, rule: str, width: int) -> str:
    lines = wrap(printable(title), width)
    return "\n".join([*lines, rule * max(map(columns_of, lines), default=0)])


def formula_lines(parts: list[str], width: int) -> list[str]:
    """Return name = formula = values = result on one line, or on several with = below =.

    Examples
    --------
    >>> print(*formula_lines(["sum", "input1 * weight1 + bias", "0.1 * 0.3 + 1", "1.03"], 32), sep="\\n")
    sum = input1 * weight1 + bias
        = 0.1 * 0.3 + 1
        = 1.03
    """
    line = " = ".join(parts)
    if columns_of(line) <= width:
        return [line]
    name, *sides = parts
    beside = columns_of(name) < width // 3
    indent = " " * (columns_of(name) + 1 if beside else 4)
    lines = [part for side in sides for part in wrap(f"= {side}", width, indent, indent + "    ", terms=True)]
    if beside:
        return [f"{name} {lines[0].lstrip()}", *lines[1:]]
    return [*wrap(name, width, after="    "), *lines]


def wrap(text: str, width: int, indent: str = "", after: str | None = None, terms: bool = False) -> list[str]:
    """Return a text as lines of at most a width, except where one word is wider.

    Parameters
    ----------
    text : str
    width : int
    indent, after : str, before the first line, and before the others
    terms : bool; it is a formula, and breaks where it holds together least

    Examples
    --------
    >>> wrap("= a * (b + c) - d", 16, "", "  ", terms=True)
    ['= a * (b + c)', '  - d']
    """
    words = text.split(" ")
    costs = _break_costs(words) if terms else [0] * len(words)
    lines: list[str] = []
    start = 0
    while start < len(words):
        used, end = columns_of(indent + words[start]), start + 1
        while end < len(words) and (more := used + 1 + columns_of(words[end])) <= width:
            used, end = more, end + 1
        if end < len(words):
            # Of the places that the line reaches, the best; of several, the last.
            end = min(range(end, start, -1), key=costs.__getitem__)
        lines.append(indent + " ".join(words[start:end]))
        start, indent = end, indent if after is None else after
    return lines


def _break_costs(words: list[str]) -> list[int]:
    """Return how bad it is to break a formula before each word: inside parentheses, or behind a sign."""
    costs, depth = [], 0
    for k, word in enumerate(words):
        behind = k > 0 and words[k - 1] in ("=", "+", "-", "*", "/", "**")
        sign = 0 if word in ("+", "-") else 1 if word in ("*", "/") else 2
        costs.append(1000 if behind else 3 * depth + sign)
        depth += word.count("(") - word.count(")")
    return costs


def _cut(word: str, width: int) -> Iterator[str]:
    """Yield a word in pieces that fit."""
    piece = ""
    for c in word:
        if piece and columns_of(piece + c) > width:
            yield piece
            piece = ""
        piece += c
    yield piece


def _table(table: Table, writer: Writer, width: int) -> list[str]:
    rows = write_cells(table, writer)
    numeric = numeric_columns(table)
    rows = [[*row, *[""] * (len(numeric) - len(row))] for row in rows]
    if not rows:
        return ["\n".join(wrap(printable(table.caption), width))]
    natural = [max(columns_of(row[i]) for row in rows) for i in range(len(numeric))]
    if table.head == ("command",):  # to be pasted, so never broken
        width = max(width, *natural)
    widths, groups = fit(natural, [not n for n in numeric], width, len(GAP))
    blocks = []
    for group in groups:
        lines = wrap(printable(table.caption), width) if group is groups[0] and table.caption else []
        for number, row in enumerate(rows):
            cells = [
                [p for line in wrap(row[i], widths[i]) for p in _cut(line, widths[i])] or [""] for i in group
            ]
            for k in range(max(map(len, cells))):
                padded = (
                    _pad(cell[k] if k < len(cell) else "", widths[i], numeric[i])
                    for i, cell in zip(group, cells, strict=True)
                )
                lines.append(GAP.join(padded).rstrip())
            if number == 0 and any(table.head):
                lines.append(GAP.join("-" * widths[i] for i in group))
        blocks.append("\n".join(lines))
    return blocks


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - columns_of(text))
    return space + text if right else text + space
