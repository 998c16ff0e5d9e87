"""An explanation as Markdown, as GitHub and Jupyter show it."""

from __future__ import annotations

import re

from ...errors import printable
from ..explanation import Explanation, Figure, Line, Table
from .formula import LatexWriter, width_of
from .tables import numeric_columns, write_cells

WIDEST_ROW = 50  # characters of a line that stands in one row


def to_markdown(explanation: Explanation) -> str:
    """Return an explanation as Markdown with formulas in $$.

    Rows of formulas end in ``\\\\cr``, and no backslash stands before a sign: a Markdown
    program may take both for its own.
    """
    writer = LatexWriter(explanation.notation, explanation.style)
    blocks = [f"# {words(explanation.title)}"]
    for section in explanation.sections:
        blocks += [f"## {words(section.title)}"] if section.title else []
        lines: list[Line] = []
        for item in section.items:
            if isinstance(item, Line):
                lines.append(item)
                if not item.note:
                    continue
            if lines:
                blocks.append(f"$$\n{aligned(lines, writer)}\n$$")
                lines = []
            if isinstance(item, Line):
                blocks.append(words(item.note))
            elif isinstance(item, str):
                blocks.append(words(item))
            elif isinstance(item, Table):
                blocks.append(_table(item, writer))
            elif isinstance(item, Figure):
                blocks.append(words(f"Picture: {item.alternative} {item.caption}".rstrip()))
                if item.drawn:
                    drawn = "\n".join(f"    {printable(line)}" for line in item.drawn.splitlines())
                    blocks.append(drawn)
        if lines:
            blocks.append(f"$$\n{aligned(lines, writer)}\n$$")
    return "\n\n".join(blocks) + "\n"


def words(text: str) -> str:
    """Return a text as Markdown in which nothing is markup.

    Examples
    --------
    >>> words("a_b | <i>")
    'a\\\\_b \\\\| \\\\<i\\\\>'
    """
    text = re.sub(r"([\\`*_{}\[\]<>#|~]|&(?=#?\w+;)|:(?=[\w+-]+:))", r"\\\1", printable(text)).strip(" ")
    text = re.sub(r"^([-+=])", r"\\\1", text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    # Beside formulas, GitHub wants a dollar in a tag of its own, and Jupyter a backslash before it.
    return text.replace("$", r"<span>\$</span>")


def aligned(lines: list[Line], writer: LatexWriter) -> str:
    """Return lines as LaTeX, one = below the other."""
    rows = []
    for line in lines:
        name, *sides = (_safe(part) for part in writer.parts(line))
        if sum(map(width_of, sides)) <= WIDEST_ROW:
            sides = [" = ".join(sides)]
        rows += [rf"{name if k == 0 else ''} &= {side} \cr" for k, side in enumerate(sides)]
    return "\n".join([r"\begin{aligned}", *rows, r"\end{aligned}"])


def _safe(formula: str) -> str:
    """Return a formula without what Markdown could change.

    An underscore with a space before it can only open emphasis, and never close it.
    """
    return re.sub(r"(?<!\\)_", " _", formula)


def _in_cell(formula: str) -> str:
    return formula if re.fullmatch(r"[-.\d]+", formula) else f"${_safe(formula)}$"


def _table(table: Table, writer: LatexWriter) -> str:
    rows = write_cells(table, writer, words, _in_cell)
    numeric = numeric_columns(table)
    if not numeric:
        return words(table.caption)
    rows = [[*row, *[""] * (len(numeric) - len(row))] for row in rows]
    if not any(table.head):
        rows.insert(0, [""] * len(numeric))
    rule = ["---:" if number else "---" for number in numeric]
    shown = "\n".join(f"| {' | '.join(row)} |" for row in [*rows[:1], rule, *rows[1:]])
    return f"{words(table.caption)}\n\n{shown}" if table.caption else shown
