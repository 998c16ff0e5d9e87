"""What an explanation consists of, whatever it is about and however it is shown.

An `Explanation` has sections; a section has paragraphs, lines, tables and pictures. Every
module that explains something makes these; every format shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .notation import PLAIN_STYLE, Notation, Style
from .tracing import Symbol, Traced


class Line(NamedTuple):
    """name = formula = values = result.

    Attributes
    ----------
    name : Symbol
    number : Traced
        Its value is the result, its operands are the formula.
    note : str, in words, why it is so; may be empty
    """

    name: Symbol
    number: Traced
    note: str = ""


class Table(NamedTuple):
    """Rows of cells under a caption.

    Attributes
    ----------
    caption : str
    head : tuple of str, one a column; the first column heads the rows
    rows : tuple of tuples; a cell is a str, a number, a `Symbol`, or None for nothing
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Figure(NamedTuple):
    """A picture.

    Attributes
    ----------
    svg : str or None, where matplotlib is missing
    alternative : str, what it shows, in words
    caption : str
    drawn : str, the same drawn with characters, for formats that are text; may be empty
    """

    svg: str | None
    alternative: str
    caption: str
    drawn: str = ""


class Section(NamedTuple):
    """A part of an explanation.

    Attributes
    ----------
    kind : str
        What it is about, for programs: "feedforward", "error", "backpropagation", "gradients",
        "update", or a word of the module that made it.
    title : str
    items : tuple; a str is a paragraph, the others are `Line`, `Table`, `Figure`
    example : int or None, the example it is about, from 1
    """

    kind: str
    title: str
    items: tuple[str | Line | Table | Figure, ...]
    example: int | None = None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Numbers with the formulas that made them, ready to be shown in any format.

    Attributes
    ----------
    title : str
    sections : tuple of Section
    notation : Notation
        How numbers are called: in the words of the course, or of the field.
    style : Style, how numbers are written
    facts : dict, what a program wants to know beside the lines: plain JSON
    """

    title: str
    sections: tuple[Section, ...]
    notation: Notation
    style: Style = PLAIN_STYLE
    facts: dict[str, Any] = field(default_factory=dict)

    def lines(self, kind: str | None = None) -> Iterator[Line]:
        """Yield the lines of all sections, or of those of one kind."""
        for section in self.sections:
            if kind is None or section.kind == kind:
                yield from (item for item in section.items if isinstance(item, Line))

    def __getitem__(self, name: str) -> Traced:
        """Return the number of the first line with this name, as the text format writes it."""
        for line in self.lines():
            if self.notation.text(line.name) == name:
                return line.number
        raise KeyError(name)

    def styled(self, **changes: Any) -> Explanation:
        """Return the explanation with another style: ``digits``, ``decimals``, ``full``."""
        return replace(self, style=self.style._replace(**changes))

    def show(self, format: str = "text") -> str:
        """Return the explanation in a format: text, markdown, latex, html or json.

        Raises
        ------
        ArgumentError
            If there is no such format.
        """
        from .formats import show

        return show(self, format)

    def __str__(self) -> str:
        return self.show("text")

    def _repr_html_(self) -> str:
        from .formats import fragment

        return fragment(self)

    def _repr_markdown_(self) -> str:
        return self.show("markdown")
