"""Formulas from numbers that remember: as text or as LaTeX, with names or with values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from ...errors import printable
from ..explanation import Line
from ..notation import Notation, Style, exact_text
from ..tracing import Symbol, Traced

SUM, PRODUCT, MINUS, POWER, ATOM = range(5)  # how strongly a piece holds together, as in Python
MOST_TERMS = 8  # a longer sum is shown by its first terms and its last
FIRST_TERMS = 3
WIDEST_FRACTION = 60  # characters; a wider one is written on the line, where it may break


class Piece(NamedTuple):
    """A part of a formula.

    Attributes
    ----------
    first : str, where it begins the formula or a parenthesis: −0.5
    later : str, where something stands before it: (−0.5)
    strength : int, `SUM` to `ATOM`
    """

    first: str
    later: str
    strength: int


Leaf = Callable[[Traced], Piece]


class Writer:
    """Write the lines of an explanation as text; the values are a Python expression.

    Parameters
    ----------
    notation : Notation
    style : Style

    Examples
    --------
    >>> from tinyglass.explain.notation import make_notation
    >>> writer = Writer(make_notation((2, 1), ["output"], "course"), Style())
    >>> weight, delta = Traced(0.9, Symbol("weight", 0, 0, 1)), Traced(0.28, Symbol("gradient", 0, 0, 1))
    >>> " = ".join(writer.parts(Line(Symbol("new", 0, 0, 1), weight - 1 * delta)))
    'weight2_new = weight2 - 1 * δ_weight2 = 0.9 - 1 * 0.28 = 0.62'
    """

    def __init__(self, notation: Notation, style: Style) -> None:
        self.notation, self.style = notation, style

    def parts(self, line: Line) -> list[str]:
        """Return name, formula, values and result, without those that repeat their neighbour."""
        sides = [self.name(line.name), self.formula(line), self.values(line), self.number(line.number.value)]
        found: list[str] = []
        for side in sides:
            if side is not None and side not in found[-1:]:
                found.append(side)
        return found

    def formula(self, line: Line) -> str | None:
        """Return the formula with names, or None for a number that was given."""
        return self._whole(line, self._named)

    def values(self, line: Line) -> str | None:
        """Return the formula with values, or None for a number that was given."""
        return self._whole(line, self._valued)

    def _whole(self, line: Line, leaf: Leaf) -> str | None:
        number = line.number
        if number.symbol is not None and number.symbol != line.name:
            return leaf(number).first
        return self._made(number, leaf).first if number.operands else None

    def _named(self, number: Traced) -> Piece:
        if number.symbol is None:
            return self._valued(number)
        name = self.name(number.symbol)
        return Piece(name, name, self.strength_of_name(name))

    def _valued(self, number: Traced) -> Piece:
        text = self.number(number.value)
        if text.startswith("-"):
            return Piece(text, self.parentheses(text), MINUS)
        return Piece(text, text, self.strength_of_number(text))

    # ------------------------------------------------------------ trees

    def _piece(self, number: Traced, leaf: Leaf) -> Piece:
        if number.symbol is not None or not number.operands:
            return leaf(number)
        return self._made(number, leaf)

    def _made(self, number: Traced, leaf: Leaf) -> Piece:
        if number.op in ("+", "-"):
            return self._sum(number, leaf)
        first, *others = (self._piece(operand, leaf) for operand in number.operands)
        if number.op == "neg":
            text = "-" + self._at_least(MINUS, first).later
            return Piece(text, self.parentheses(text), MINUS)
        if number.op in ("*", "/", "**"):
            return {"*": self.product, "/": self.quotient, "**": self.power}[number.op](first, others[0])
        return self.function(number.op, [first, *others])

    def _sum(self, number: Traced, leaf: Leaf) -> Piece:
        terms = []
        while True:  # a sum of a thousand terms is a thousand additions deep
            left, right = number.operands
            terms.append((number.op, right))
            if left.symbol is not None or left.op not in ("+", "-"):
                break
            number = left
        left_out = 0
        if len(terms) >= MOST_TERMS and not self.style.full:
            left_out = len(terms) - FIRST_TERMS
            terms = [terms[0], *terms[1 - FIRST_TERMS :]]
        beginning = self._at_least(SUM, self._piece(left, leaf))
        shown = [f" {sign} {self._at_least(PRODUCT, self._piece(term, leaf)).later}" for sign, term in terms]
        if left_out:
            shown.insert(1, f" + {self.gap(left_out)}")
        rest = "".join(reversed(shown))
        return Piece(beginning.first + rest, beginning.later + rest, SUM)

    def _at_least(self, strength: int, piece: Piece) -> Piece:
        if piece.strength >= strength:
            return piece
        text = self.parentheses(piece.first)
        return Piece(text, text, ATOM)

    # ------------------------------------------------------------ words of the language

    def name(self, symbol: Symbol) -> str:
        """Return what a number is called."""
        return printable(self.notation.text(symbol))

    def number(self, value: Any) -> str:
        """Return a number."""
        return self.style.number(value)

    def strength_of_name(self, text: str) -> int:
        """Return how strongly a name holds together."""
        return ATOM

    def strength_of_number(self, text: str) -> int:
        """Return how strongly a number holds together that is not negative."""
        return PRODUCT if "/" in text else ATOM

    def parentheses(self, text: str) -> str:
        """Return the text in parentheses."""
        return f"({text})"

    def gap(self, n: int) -> str:
        """Return what stands for so many terms left out."""
        return f"… {n} more …"

    def product(self, x: Piece, y: Piece) -> Piece:
        """Return x·y."""
        return self._between(x, " * ", y)

    def quotient(self, x: Piece, y: Piece) -> Piece:
        """Return x/y."""
        return self._between(x, " / ", y)

    def _between(self, x: Piece, sign: str, y: Piece) -> Piece:
        x, end = self._at_least(PRODUCT, x), sign + self._at_least(MINUS, y).later
        return Piece(x.first + end, x.later + end, PRODUCT)

    def power(self, x: Piece, y: Piece) -> Piece:
        """Return x to the power of y."""
        text = f"{self._at_least(ATOM, x).later} ** {self._at_least(POWER, y).later}"
        return Piece(text, text, POWER)

    def function(self, op: str, operands: list[Piece]) -> Piece:
        """Return a function of its operands."""
        name = {"larger": "max", "smaller": "min"}.get(op, op)
        text = f"{name}({', '.join(operand.first for operand in operands)})"
        return Piece(text, text, ATOM)


class LatexWriter(Writer):
    """Write the lines of an explanation as LaTeX, for mathematics mode.

    Examples
    --------
    >>> from tinyglass.explain.notation import make_notation
    >>> writer = LatexWriter(make_notation((2, 1), ["output"], "course"), Style())
    >>> x = Traced(-0.9, Symbol("sum", 0, 0))
    >>> " = ".join(writer.parts(Line(Symbol("output", 0, 0), 1 / (1 + (-x).exp()))))
    '\\\\text{output} = \\\\frac{1}{1 + e^{-\\\\text{sum}}} = \\\\frac{1}{1 + e^{-(-0.9)}} = 0.28905'
    """

    def name(self, symbol: Symbol) -> str:
        """Return what a number is called."""
        return self.notation.latex(symbol)

    def number(self, value: Any) -> str:
        """Return a number: 1.2e-07 as a product with a power of ten, a fraction as one."""
        text = super().number(value)
        sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
        if "/" in text:
            return sign + r"\frac{{{}}}{{{}}}".format(*text.split("/"))
        if not text[0].isdigit():
            return sign + (r"\infty" if text.lower().startswith("inf") else r"\text{nan}")
        mantissa, e, exponent = text.lower().partition("e")
        if not e:
            return sign + text
        return sign + ("" if mantissa == "1" else mantissa + r"\cdot ") + f"10^{{{int(exponent)}}}"

    def strength_of_name(self, text: str) -> int:
        """Return how strongly a name holds together: one with an exponent needs parentheses below another."""
        return POWER if re.search(r"[\^']|frac", text) else ATOM

    def strength_of_number(self, text: str) -> int:
        """Return how strongly a number holds together that is not negative."""
        return POWER if "\\frac" in text or "^" in text else ATOM

    def parentheses(self, text: str) -> str:
        """Return the text in parentheses as high as it is; wide ones stay low, so that lines may break."""
        tall = re.search(r"\\frac|\\underbrace|\^\{\\text", text) and width_of(text) < WIDEST_FRACTION
        return rf"\left({text}\right)" if tall else f"({text})"

    def gap(self, n: int) -> str:
        """Return what stands for so many terms left out."""
        return rf"\underbrace{{\cdots}}_{{{n}\text{{ more}}}}"

    def product(self, x: Piece, y: Piece) -> Piece:
        """Return x·y."""
        return self._between(x, r" \cdot ", y)

    def quotient(self, x: Piece, y: Piece) -> Piece:
        """Return x/y as a fraction, or on the line if it is too wide."""
        if max(width_of(x.first), width_of(y.first)) > WIDEST_FRACTION:
            return self._between(x, " / ", y)
        text = rf"\frac{{{x.first}}}{{{y.first}}}"
        return Piece(text, text, POWER)

    def power(self, x: Piece, y: Piece) -> Piece:
        """Return x to the power of y."""
        text = f"{self._at_least(ATOM, x).later}^{{{y.first}}}"
        return Piece(text, text, POWER)

    def function(self, op: str, operands: list[Piece]) -> Piece:
        """Return a function of its operands."""
        inside = ", ".join(operand.first for operand in operands)
        if op == "exp":
            return Piece(text := f"e^{{{inside}}}", text, POWER)
        if op == "sqrt":
            return Piece(text := rf"\sqrt{{{inside}}}", text, POWER)
        known = {"ln": r"\ln", "tanh": r"\tanh", "larger": r"\max", "smaller": r"\min"}
        name = known.get(op) or r"\operatorname{" + op.replace("_", r"\_") + "}"
        return Piece(text := name + self.parentheses(inside), text, POWER)


class ExactWriter(Writer):
    """Write formulas in full, each number so that Python reads it back as it is.

    Examples
    --------
    >>> from tinyglass.explain.notation import make_notation
    >>> ExactWriter(make_notation((2, 1), ["output"])).number(0.1 + 0.2)
    '0.30000000000000004'
    """

    def __init__(self, notation: Notation) -> None:
        super().__init__(notation, Style(digits=17, full=True))

    def number(self, value: Any) -> str:
        """Return a number as it is."""
        exact = isinstance(value, Fraction) or (isinstance(value, Decimal) and math.isfinite(value))
        return exact_text(value) if exact else super().number(value)


def width_of(latex: str) -> int:
    """Return about how many characters wide a formula is.

    Examples
    --------
    >>> width_of(r"\\text{weight1} \\cdot 0.5")
    12
    """
    text = re.sub(r"\\(text|frac|left|right|overline|tilde|operatorname|displaystyle)\b", "", latex)
    return len(re.sub(r"\\[A-Za-z]+ ?", ".", re.sub(r"[{}^_]|\\(?=_)", "", text)))
