"""What a formula gives with other numbers in it: a learner's own, or those of a likely mistake.

A line remembers how its number was made, so it can be made again from other numbers. No rule
of training stands here: the formulas are those that `tinyglass.arithmetic` left behind.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from .. import arithmetic
from ..arithmetic import Number
from ..explain.explanation import Line
from ..explain.tracing import Symbol, Traced, parts, terms

OPERATIONS: dict[str, Callable[..., Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "neg": operator.neg,
    "exp": arithmetic.exp,
    "ln": arithmetic.ln,
    "sqrt": arithmetic.sqrt,
    "tanh": arithmetic.tanh,
    "larger": arithmetic.larger,
    "smaller": arithmetic.smaller,
}
FUNCTIONS = ("exp", "ln", "sqrt", "tanh")


class CircleError(ArithmeticError):
    """A number would be made from itself."""


class World:
    """Every number of a step, made from the given ones, from answers, and by formulas that replace others.

    Parameters
    ----------
    lines : mapping from Symbol to Line, every line of the step
    given : mapping from Symbol to number: inputs, weights, settings
    activations : sequence of str, one a layer
    answers : mapping from Symbol to number; used in place of what the formula gives
    instead : mapping from Symbol to Traced; these formulas in place of those of the lines
    rounder : function of a number, applied to every number that is made on the way
    every : bool, whether `rounder` is applied to every sum and product too, not only to named numbers

    Examples
    --------
    >>> x, w = Symbol("input", -1, 0), Symbol("weight", 0, 0, 0)
    >>> line = Line(Symbol("sum", 0, 0), Traced(6, None, "*", (Traced(2, x), Traced(3, w))))
    >>> world = World({line.name: line}, {x: 2, w: 3}, ("linear",), answers={w: 5})
    >>> world.value(line.name)
    10
    """

    def __init__(
        self,
        lines: Mapping[Symbol, Line],
        given: Mapping[Symbol, Number],
        activations: tuple[str, ...],
        answers: Mapping[Symbol, Number] | None = None,
        instead: Mapping[Symbol, Traced] | None = None,
        rounder: Callable[[Number], Number] | None = None,
        every: bool = False,
    ) -> None:
        self.lines, self.given, self.activations = lines, given, activations
        self.answers, self.instead = answers or {}, instead or {}
        self._kind = type(next(iter(given.values()), 1))
        self._round = rounder
        self._round_every = rounder if every else None
        self._made: dict[Symbol, Number] = {}
        self._being_made: set[Symbol] = set()

    def value(self, symbol: Symbol) -> Number:
        """Return a number by its name: answered, given, or made from others."""
        if symbol in self.answers:
            return self._rounded(self.answers[symbol])
        if symbol not in self.lines:
            return self.given[symbol]
        if symbol not in self._made:
            self._made[symbol] = self._rounded(self.formula(symbol))
        return self._made[symbol]

    def formula(self, symbol: Symbol) -> Number:
        """Return what the formula of a line gives, whatever was answered there.

        Raises
        ------
        ArithmeticError
            If it gives no number, or leads back to itself.
        """
        if symbol in self._being_made:
            raise CircleError(symbol)
        self._being_made.add(symbol)
        try:
            if symbol in self.instead:
                return self.of(self.instead[symbol])
            number = self.lines[symbol].number
            if symbol.what == "slope" and not number.operands:
                return self._slope(symbol)  # 1 or 0 has no formula that tells on which side its sum lies
            return self.of(number)
        finally:
            self._being_made.discard(symbol)

    def of(self, number: Traced) -> Number:
        """Return what a formula gives."""
        if number.symbol is not None and self._knows(number.symbol):
            return self.value(number.symbol)
        if not number.operands:  # 1/2 of whole numbers would be a float
            return self._whole(number.value)
        if number.op == "+":  # a sum of a thousand terms is a thousand additions deep
            result = None
            for term in terms(number):
                value = self.of(term)
                result = value if result is None else self._rounded_on_the_way(result + value)
            return result
        operands = [self.of(operand) for operand in number.operands]
        if number.op in OPERATIONS:
            return self._rounded_on_the_way(OPERATIONS[number.op](*operands))
        return arithmetic.activate(number.op, operands)[0]

    def _knows(self, symbol: Symbol) -> bool:
        return symbol in self.answers or symbol in self.lines or symbol in self.given

    def _slope(self, symbol: Symbol) -> Number:
        assert symbol.layer is not None
        slope = arithmetic.ACTIVATIONS[self.activations[symbol.layer]].slope
        assert slope is not None
        sum, output = (self.value(symbol._replace(what=what)) for what in ("sum", "output"))
        return self._whole(slope(sum, output))

    def _whole(self, value: Number) -> Number:
        """Return a whole number as the kind that the others are."""
        return self._kind(value) if isinstance(value, int) else value

    def _rounded(self, value: Number) -> Number:
        return value if self._round is None else self._round(value)

    def _rounded_on_the_way(self, value: Number) -> Number:
        return value if self._round_every is None else self._round_every(value)


def ingredients(line: Line, activations: tuple[str, ...] = ()) -> list[Symbol]:
    """Return the names in the formula of a line, each once, left to right.

    Examples
    --------
    >>> x = Traced(2, Symbol("input", -1, 0))
    >>> [symbol.what for symbol in ingredients(Line(Symbol("sum", 0, 0), x * x))]
    ['input']
    """
    number = line.number
    if number.symbol is not None:
        return [number.symbol]
    if (
        line.name.what == "slope"
        and activations
        and not number.operands
        and activations[line.name.layer or 0] != "linear"
    ):
        return [line.name._replace(what="sum")]
    return list(dict.fromkeys(part.symbol for part in parts(number) if part.symbol is not None))


def swapped(number: Traced, change: Callable[[Traced], Traced | None]) -> Traced:
    """Return a formula in which some pieces are replaced by what `change` gives for them.

    Examples
    --------
    >>> x, y = Traced(2, Symbol("input", -1, 0)), Traced(3, Symbol("input", -1, 1))
    >>> product = swapped(x * y, lambda piece: y if piece is x else None)
    >>> [part.value for part in parts(product)]
    [3, 3]
    """
    found = change(number)
    if found is not None:
        return found
    if number.symbol is not None or not number.operands:
        return number
    if number.op == "+":
        first, *others = (swapped(term, change) for term in terms(number))
        for other in others:
            first = made("+", first, other)
        return first
    return made(number.op, *(swapped(operand, change) for operand in number.operands))


def from_errors(line: Line, lines: Mapping[Symbol, Line]) -> Traced | None:
    """Return the formula of a squared loss with the errors in place of output − expected; None for others.

    Examples
    --------
    >>> o, t = Traced(3, Symbol("output", 0, 0)), Traced(2, Symbol("expected", 0, 0))
    >>> error = Line(Symbol("error", 0, 0), o - t)
    >>> loss = Line(Symbol("loss"), (o - t) * (o - t) / 2)
    >>> [part.symbol.what for part in parts(from_errors(loss, {error.name: error})) if part.symbol]
    ['error', 'error']
    """
    if line.name.what != "loss" or line.number.symbol is not None:
        return None
    found = []

    def change(piece: Traced) -> Traced | None:
        if piece.op != "-" or [part.symbol and part.symbol.what for part in piece.operands] != [
            "output",
            "expected",
        ]:
            return None
        output = piece.operands[0].symbol
        error = lines.get(output._replace(what="error")) if output is not None else None
        if error is None:
            return None
        found.append(error)
        # An error may be a multiple of the difference, as that of the mean squared error is.
        factor = swapped(error.number, lambda part: Traced(1) if part.op == "-" else None)
        return (
            named(error.name)
            if factor.op != "*" and factor.op != "/"
            else made("/", named(error.name), factor)
        )

    number = swapped(line.number, change)
    return number if found else None


def made(op: str, *operands: Traced) -> Traced:
    """Return a formula; what it gives, a `World` says.

    Examples
    --------
    >>> made("neg", Traced(2)).op
    'neg'
    """
    return Traced(None, None, op, operands)


def named(symbol: Symbol, value: Any = None) -> Traced:
    """Return the number with this name, whatever it will be.

    Examples
    --------
    >>> named(Symbol("rate")).symbol.what
    'rate'
    """
    return Traced(value, symbol)
