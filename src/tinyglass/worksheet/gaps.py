"""Formulas of a sheet, in which a gap stands for every number that is to be found."""

from __future__ import annotations

from ..explain.explanation import Line
from ..explain.formats.formula import ATOM, LatexWriter, Piece, Writer
from ..explain.tracing import Traced
from .sheet import Sheet

GAP = "□"


class GapWriter(Writer):
    """Write the lines of a sheet as text; where a value is to be found, there is a gap.

    Parameters
    ----------
    sheet : Sheet
    solved : bool, whether every number is shown: the solution

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> from tinyglass.worksheet.sheet import make_sheet
    >>> sheet = make_sheet(course_problem("neuron"), notation="course")
    >>> GapWriter(sheet).sides(sheet.lines[sheet.symbols["error"]])
    ['error', 'output - expected', '□ - 0.4']
    """

    gap_text = GAP

    def __init__(self, sheet: Sheet, solved: bool = False) -> None:
        super().__init__(sheet.names, sheet.style)
        self.blanks = set() if solved else set(sheet.blanks)

    def _valued(self, number: Traced) -> Piece:
        if number.symbol in self.blanks:
            return Piece(self.gap_text, self.gap_text, ATOM)
        return super()._valued(number)

    def sides(self, line: Line) -> list[str]:
        """Return name, formula, values, and the result unless it is to be found."""
        if line.name not in self.blanks:
            return self.parts(line)
        sides = [self.name(line.name), self.formula(line), self.values(line)]
        if sides[1] is None:  # a number without a formula, such as the slope of linear
            return sides[:1]  # type: ignore[return-value]
        return [side for k, side in enumerate(sides) if side is not None and side not in sides[:k]]


class LatexGapWriter(GapWriter, LatexWriter):
    """Write the lines of a sheet as LaTeX, with gaps."""

    gap_text = r"\gap{}"
