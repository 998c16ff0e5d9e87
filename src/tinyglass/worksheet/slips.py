"""Slips of writing and rounding: digits that changed places, a point that moved, a number copied from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import partial

from ..arithmetic import Number
from ..explain.tracing import Symbol
from .answers import Answer
from .sheet import Sheet
from .values import World

TO_DECIMALS = range(1, 6)
TO_DIGITS = range(1, 6)
POWERS = (1, -1, 2, -2, 3, -3)
FEWEST_DIGITS = 3  # of an answer that differs in one digit

Slip = tuple[str, str]
"""A cause by its name, and in words what happened."""


def to_fraction(value: Number) -> Fraction:
    """Return a number as a fraction.

    Examples
    --------
    >>> to_fraction(Decimal("0.5"))
    Fraction(1, 2)
    """
    return Fraction(value)


def rounders() -> Iterator[tuple[Callable[[Number], Number], str]]:
    """Yield every way of rounding too early, and what it is called.

    Examples
    --------
    >>> round_it, name = next(rounders())
    >>> round_it(Fraction(1, 3)), name
    (Fraction(33333, 100000), '5 decimals')
    """
    for k in reversed(TO_DECIMALS):
        yield partial(_to_decimals, k=k), f"{k} decimal{'s' if k > 1 else ''}"
    for k in reversed(TO_DIGITS):
        yield partial(_to_digits, k=k), f"{k} digit{'s' if k > 1 else ''}"


def _to_decimals(x: Number, k: int) -> Number:
    fraction = Fraction(x)
    size = int(abs(fraction) * 10**k + Fraction(1, 2))  # a half goes up, as at school
    return type(x)(1 if fraction >= 0 else -1) * size / 10**k


def _to_digits(x: Number, k: int) -> Number:
    if not x:
        return x
    return _to_decimals(x, k - 1 - leading_place(Fraction(x))) if leading_place(Fraction(x)) < k else x


def leading_place(x: Fraction) -> int:
    """Return the power of ten of the first digit.

    Examples
    --------
    >>> leading_place(Fraction("0.035")), leading_place(Fraction(120))
    (-2, 2)
    """
    with localcontext() as context:
        context.prec = 30
        return (Decimal(abs(x.numerator)) / Decimal(x.denominator)).adjusted()


# ---------------------------------------------------------------- rounding


def rounds(answer: Answer, value: Fraction, tolerance: Fraction = Fraction(0)) -> bool:
    """Return whether an answer is a value rounded to the digits that the answer shows; a plain 0 is not.

    Examples
    --------
    >>> from tinyglass.worksheet.answers import read_answer
    >>> [rounds(read_answer(text), Fraction("0.000158")) for text in ("0.00016", "0.000", "0.001", "0")]
    [True, True, False, False]
    """
    assert answer.value is not None
    half = Fraction(0) if answer.quantum is None else answer.quantum / 2
    if not answer.value and answer.quantum and answer.quantum >= 1 and abs(value) > tolerance:
        return False
    return abs(answer.value - value) <= half + tolerance


def fits(answer: Answer, value: Fraction, tolerance: Fraction = Fraction(0)) -> bool:
    """Return whether an answer is a rounded value of which it shows a digit at least.

    Examples
    --------
    >>> from tinyglass.worksheet.answers import read_answer
    >>> [fits(read_answer(text), Fraction("0.000158")) for text in ("0.00016", "0.000")]
    [True, False]
    """
    return rounds(answer, value, tolerance) and not is_too_coarse(answer, value)


def is_half_cut_off(answer: Answer, value: Fraction) -> bool:
    """Return whether an answer is off by just a half that neither a person nor a computer rounds so.

    Examples
    --------
    >>> from tinyglass.worksheet.answers import read_answer
    >>> is_half_cut_off(read_answer("0.7"), Fraction("0.75")), f"{0.35:.1f}"
    (True, '0.3')
    >>> is_half_cut_off(read_answer("0.3"), Fraction("0.35"))
    False
    """
    assert answer.value is not None
    if not answer.quantum or abs(answer.value - value) != answer.quantum / 2:
        return False
    if abs(Fraction(float(value))) < abs(value):  # the computer's number lies below the half
        return False
    return abs(answer.value) < abs(value) and (answer.value / answer.quantum) % 2 == 1


def is_too_coarse(answer: Answer, value: Fraction) -> bool:
    """Return whether an answer shows no digit of a value: 0 for 0.035, 1 for 0.75.

    Examples
    --------
    >>> from tinyglass.worksheet.answers import read_answer
    >>> is_too_coarse(read_answer("0.0"), Fraction("0.035"))
    True
    """
    assert answer.value is not None
    if answer.quantum is None or not value or answer.value == value:
        return False
    near = abs(answer.value - value) <= answer.quantum / 2
    return near and answer.quantum > Fraction(10) ** leading_place(value)


# ---------------------------------------------------------------- digits


def slips_of_digits(answer: Answer, values: dict[str, Fraction]) -> Iterator[Slip]:
    """Yield how digits of the right number may have become those that were written.

    Parameters
    ----------
    answer : Answer
    values : dict, numbers that would be right by what they are

    Examples
    --------
    >>> from tinyglass.worksheet.answers import read_answer
    >>> next(slips_of_digits(read_answer("-1.8893"), {"": Fraction("-1.88385")}))
    ('two digits changed places', '-1.8839 became -1.8893')
    """
    assert answer.value is not None
    if answer.quantum is None:
        return
    for value in values.values():
        for k in POWERS:
            moved = value * Fraction(10) ** k
            if value and answer.value and abs(answer.value - moved) <= answer.quantum / 2:
                places = f"{abs(k)} place{'s' if abs(k) > 1 else ''}"
                yield (
                    "the decimal point is in the wrong place",
                    f"moved {places} to the {'right' if k > 0 else 'left'}",
                )
        written = str(Decimal(answer.value.numerator) / Decimal(answer.value.denominator))
        if _cut_off(value, answer.quantum) == answer.value:
            yield "cut off, not rounded", ""
        for right in _rounded_texts(value, answer.quantum):
            yield from _changed_digits(right, _padded(written, right))


def _cut_off(value: Fraction, quantum: Fraction) -> Fraction:
    """Return a number without the digits behind those that are shown."""
    return int(value / quantum) * quantum


def _rounded_texts(value: Fraction, quantum: Fraction) -> list[str]:
    step = Decimal(quantum.numerator) / Decimal(quantum.denominator)
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        if exact.adjusted() - step.adjusted() > 40:
            return []
        return list(
            dict.fromkeys(f"{exact.quantize(step, way):f}" for way in (ROUND_HALF_UP, ROUND_HALF_EVEN))
        )


def _padded(written: str, right: str) -> str:
    """Return what was written with zeros at its end to the decimals of the right number."""
    decimals = len(right.partition(".")[2])
    text = f"{Decimal(written):f}"
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(decimals, '0')}" if decimals else whole


def _changed_digits(right: str, written: str) -> Iterator[Slip]:
    became = f"{right} became {written}"
    n_digits = len(right.lstrip("-0.").replace(".", ""))
    if n_digits < FEWEST_DIGITS or right == written:
        return
    if len(right) == len(written):
        differing = [k for k, (a, b) in enumerate(zip(right, written, strict=True)) if a != b]
        if len(differing) == 2 and sorted(right) == sorted(written):
            yield "two digits changed places", became
        if len(differing) == 1:
            yield "one digit is another: a slip in writing or copying", became


def copies(answer: Answer, symbol: Symbol, sheet: Sheet, world: World, own: World) -> Iterator[Slip]:
    """Yield the lines whose number was written instead."""
    assert answer.value is not None
    if answer.quantum is None or abs(answer.value) < 10 * answer.quantum:
        return  # so few digits fit many lines
    for other in sheet.results:
        if other == symbol or (other in own.answers and own.answers[other] == 0):
            continue
        for where in (own, world):
            try:
                value = where.value(other)
            except ArithmeticError:
                continue
            if abs(Fraction(value) - answer.value) <= answer.quantum / 2:
                yield "copied from another line", sheet.name(other)
                break
