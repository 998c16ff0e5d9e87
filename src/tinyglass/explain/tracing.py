"""Numbers that remember how they were made.

`tinyglass.arithmetic` runs on them as on any other number; what comes out is its value
together with the formula that gave it. A number with a symbol stands in other formulas by
that symbol, and may be named after it was used.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .. import arithmetic
from ..arithmetic import Number


class Symbol(NamedTuple):
    """What a number is called: `tinyglass.explain.notation` writes it as text or LaTeX.

    Attributes
    ----------
    what : str, a key of `tinyglass.explain.notation.WORDS`
    layer, neuron, input : int or None, from 0; `input` −1 is the bias, `layer` −1 the inputs of the network
    example : int or None
        The example it belongs to, from 1; None where there is only one.
    """

    what: str
    layer: int | None = None
    neuron: int | None = None
    input: int | None = None
    example: int | None = None


class Traced:
    """A number with the formula that made it.

    Attributes
    ----------
    value : float, numpy float, Decimal or Fraction
    op : str
        What made it: ``+ - * / ** neg exp ln sqrt tanh larger smaller``, the name of an activation,
        or empty for a given number.
    operands : tuple of Traced
    symbol : Symbol or None
        What it is called, if it is more than a step on the way.

    Examples
    --------
    >>> weight, x = Traced(0.5, Symbol("weight")), Traced(3.0, Symbol("input"))
    >>> product = arithmetic.weighted_sum([weight], [x])
    >>> product.value, product.op, product.operands[1].symbol.what
    (1.5, '*', 'weight')
    """

    __slots__ = ("op", "operands", "symbol", "value")

    def __init__(
        self,
        value: Number,
        symbol: Symbol | None = None,
        op: str = "",
        operands: tuple[Traced, ...] = (),
    ) -> None:
        self.value, self.symbol, self.op, self.operands = value, symbol, op, operands

    def called(self, symbol: Symbol) -> Traced:
        """Give the number a name, unless it has one, and return it."""
        if self.symbol is None:
            self.symbol = symbol
        return self

    def __repr__(self) -> str:
        return f"Traced({self.value!r}, {self.symbol or self.op or 'given'})"

    def __bool__(self) -> bool:
        return bool(self.value)

    def __add__(self, other: Any) -> Traced:
        return _made("+", operator.add, self, other)

    def __radd__(self, other: Any) -> Traced:
        return _made("+", operator.add, other, self)

    def __sub__(self, other: Any) -> Traced:
        return _made("-", operator.sub, self, other)

    def __rsub__(self, other: Any) -> Traced:
        return _made("-", operator.sub, other, self)

    def __mul__(self, other: Any) -> Traced:
        return _made("*", operator.mul, self, other)

    def __rmul__(self, other: Any) -> Traced:
        return _made("*", operator.mul, other, self)

    def __truediv__(self, other: Any) -> Traced:
        return _made("/", operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Traced:
        return _made("/", operator.truediv, other, self)

    def __pow__(self, other: Any) -> Traced:
        return _made("**", operator.pow, self, other)

    def __rpow__(self, other: Any) -> Traced:
        return _made("**", operator.pow, other, self)

    def __lt__(self, other: Any) -> bool:
        return bool(operator.lt(self.value, _traced(other, self).value))

    def __le__(self, other: Any) -> bool:
        return bool(operator.le(self.value, _traced(other, self).value))

    def __gt__(self, other: Any) -> bool:
        return bool(operator.gt(self.value, _traced(other, self).value))

    def __ge__(self, other: Any) -> bool:
        return bool(operator.ge(self.value, _traced(other, self).value))

    def __neg__(self) -> Traced:
        return Traced(-self.value, None, "neg", (self,))

    def exp(self) -> Traced:
        return self._function("exp")

    def ln(self) -> Traced:
        return self._function("ln")

    def sqrt(self) -> Traced:
        return self._function("sqrt")

    def tanh(self) -> Traced:
        return self._function("tanh")

    def larger(self, other: Any) -> Traced:
        return self._choice("larger", other)

    def smaller(self, other: Any) -> Traced:
        return self._choice("smaller", other)

    def _function(self, name: str) -> Traced:
        return Traced(getattr(arithmetic, name)(self.value), None, name, (self,))

    def _choice(self, name: str, other: Any) -> Traced:
        other = _traced(other, self)
        return Traced(getattr(arithmetic, name)(self.value, other.value), None, name, (self, other))


def _traced(number: Any, like: Traced) -> Traced:
    if isinstance(number, Traced):
        return number
    return Traced(arithmetic.in_kind_of(like.value, number))


def _made(op: str, function: Callable[[Any, Any], Any], x: Any, y: Any) -> Traced:
    x, y = (x, _traced(y, x)) if isinstance(x, Traced) else (_traced(x, y), y)
    return Traced(function(x.value, y.value), None, op, (x, y))


def terms(number: Traced) -> list[Traced]:
    """Return what was added up, left to right: the number itself where nothing was.

    A sum of a thousand terms is a thousand additions deep, so this loops.
    """
    found = []
    while number.op == "+":
        left, right = number.operands
        found.append(right)
        if left.symbol is not None:
            return [left, *reversed(found)]
        number = left
    return [number, *reversed(found)]


def parts(number: Traced) -> Iterator[Traced]:
    """Yield the named and given numbers that the formula of a number is made of, left to right."""
    waiting = list(reversed(number.operands))
    while waiting:
        part = waiting.pop()
        if part.symbol is not None or not part.operands:
            yield part
        else:
            waiting += reversed(part.operands)
