"""Likely causes of a wrong line: what it would give, had the learner made this mistake.

Each cause of `CAUSES` makes a mistaken formula out of the right one: a name exchanged, left out,
or a sign turned. It is likely where the mistaken formula gives what the learner wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ..explain.explanation import Line
from ..explain.notation import BIAS
from ..explain.tracing import Symbol, Traced, terms
from .sheet import CONSTANTS, Sheet
from .values import ingredients, made, named, swapped

SHORT_SUM = 12  # terms; in a longer sum single terms and signs are not tried
UPDATES = ("new", "unlimited", "velocity", "m", "v")

Mistaken = tuple[Traced, str]
"""A mistaken formula, and in words what differs; empty where the cause says it all."""


class Cause(NamedTuple):
    """A mistake that learners make.

    Attributes
    ----------
    name : str, as it is reported
    formulas : function of a line and its sheet that yields mistaken formulas
    """

    name: str
    formulas: Callable[[Line, Sheet], Iterator[Mistaken]]


# ---------------------------------------------------------------- exchanging names


def _exchanged(line: Line, new: Mapping[Symbol, Symbol | int]) -> Traced:
    """Return the formula of a line with names exchanged for other names or for numbers."""

    def change(piece: Traced) -> Traced | None:
        if piece.symbol is None or piece.symbol not in new:
            return None
        other = new[piece.symbol]
        return named(other) if isinstance(other, Symbol) else Traced(other)

    return swapped(line.number, change)


def _names(line: Line, *kinds: str) -> list[Symbol]:
    return [symbol for symbol in ingredients(line) if symbol.what in kinds]


def _without(line: Line, kinds: tuple[str, ...], value: int) -> Iterator[Mistaken]:
    """Yield the formula with the names of these kinds all replaced by 1 or 0."""
    found = _names(line, *kinds)
    if found:
        yield _exchanged(line, dict.fromkeys(found, value)), ""


def _one_for_another(line: Line, sheet: Sheet, old: Symbol, new: Symbol) -> Mistaken:
    return _exchanged(line, {old: new}), f"{sheet.name(new)} in place of {sheet.name(old)}"


def _exists(sheet: Sheet, symbol: Symbol) -> bool:
    return symbol in sheet.lines or symbol in sheet.given


# ---------------------------------------------------------------- the causes, one function each


def forgot_rate(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The gradient is subtracted whole."""
    yield from _without(line, ("rate",), 1)


def forgot_weight(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The new weight is learning rate · gradient only, as the chapter prints."""
    if line.name.what in ("new", "unlimited") and line.number.op == "-":
        step = line.number.operands[1]
        yield step, ""
        yield made("neg", step), ""


def wrong_sign(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The whole result, one sign of the formula, or the sign of one number is turned."""
    yield made("neg", line.number), "the whole result"
    for piece in _pieces(line.number):
        if piece.op == "-":
            yield _replaced(line, piece, made("+", *piece.operands)), "+ in place of −"
        if piece.op == "+":
            for k, _ in enumerate(terms(piece)[1:], 1):
                turned = _terms_with(piece, k, lambda term: made("neg", term))
                yield _replaced(line, piece, turned), "− in place of +"
    for symbol in ingredients(line):
        minus = made("neg", named(symbol))
        yield _swap_symbol(line, symbol, minus), f"of {sheet.name(symbol)}"


def hidden_output(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The mistake of the course's gesture page: see `tinyglass.explain.mistakes.printed_passed_back`."""
    name = line.name
    downstream = [symbol for symbol in _names(line, "weight") if symbol.layer != name.layer]
    if name.what == "error" and downstream:
        output = name._replace(what="output")
        detail = f"{sheet.name(output)} in place of {' and '.join(map(sheet.name, downstream))}"
        yield _exchanged(line, dict.fromkeys(downstream, output)), detail


def swapped_indices(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The weights are taken along the other side of their table."""
    new: dict[Symbol, Symbol] = {}
    for symbol in _names(line, "weight"):
        if symbol.input != BIAS:
            new[symbol] = symbol._replace(neuron=symbol.input, input=symbol.neuron)
    if all(_exists(sheet, other) for other in new.values()) and any(
        old != other for old, other in new.items()
    ):
        first, other = next((old, other) for old, other in new.items() if old != other)
        yield _exchanged(line, new), f"such as {sheet.name(other)} in place of {sheet.name(first)}"


def new_weight(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """A weight after the update stands where the one before it belongs."""
    if line.name.what in ("sum", "error"):
        new = {s: s._replace(what="new") for s in _names(line, "weight")}
        if new and all(_exists(sheet, other) for other in new.values()):
            yield _exchanged(line, new), ""


def other_gradient(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The gradient of another weight is subtracted, as the chapter's weight2 − δ_weight1."""
    if line.name.what in UPDATES:
        for old in _names(line, "gradient", "average"):
            for new in sheet.lines:
                if new != old and new[0] == old[0] and new.example == old.example:
                    yield _one_for_another(line, sheet, old, new)


def forgot_slope(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The error is taken for the delta."""
    yield from _without(line, ("slope",), 1)


def slope_of_sum(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The rule for the slope, which uses the output, is given the weighted sum, or the other way round."""
    if line.name.what == "slope":
        for old in _names(line, "output", "sum"):
            yield _one_for_another(
                line, sheet, old, old._replace(what="sum" if old.what == "output" else "output")
            )


def sum_for_output(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The activation is forgotten: the weighted sum stands where the output belongs."""
    if line.name.what == "output":
        yield named(line.name._replace(what="sum")), ""
    elif line.name.what != "slope":
        new = {s: s._replace(what="sum") for s in _names(line, "output")}
        if new and all(_exists(sheet, other) for other in new.values()):
            yield _exchanged(line, new), ""


def other_example(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """A number of another example of the batch is used."""
    if line.name.example is None:
        return
    for mark in sheet.problem.marks:
        for kinds in (("input",), ("output",), ("expected",), ("sum",), ("delta", "error")):
            new = {s: s._replace(example=mark) for s in _names(line, *kinds)}
            if mark != line.name.example and new and all(_exists(sheet, s) for s in new.values()):
                yield _exchanged(line, new), f"example {mark}: {sheet.name(next(iter(new.values())))}"
                for old in list(new)[:SHORT_SUM] if line.name.what == "sum" and len(new) > 1 else ():
                    yield _one_for_another(line, sheet, old, new[old])


def swapped_expected(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The expected outputs of two neurons change places."""
    own = _names(line, "expected")
    for old in own[:SHORT_SUM]:
        for new in _alike(sheet, old):
            if line.name.what == "error" or old < new:
                detail = " and ".join(sheet.name(symbol) for symbol in sorted((old, new)))
                yield _exchanged(line, {old: new, new: old}), detail


def other_input(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """Another input of the weight's neuron is used."""
    name = line.name
    if name.what == "gradient" and name.input != BIAS:
        old = [s for s in _names(line, "input", "output") if s.layer == (name.layer or 0) - 1]
        for symbol in old[-1:]:
            for new in _alike(sheet, symbol):
                yield _one_for_another(line, sheet, symbol, new)


def other_neuron(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """A number of the same kind, but of another neuron, weight or input."""
    if line.name.what in ("slope", "average", "mean_loss", "penalty"):
        return
    for old in ingredients(line)[:SHORT_SUM]:
        if old.what not in CONSTANTS:
            for new in _alike(sheet, old):
                yield _one_for_another(line, sheet, old, new)


def _alike(sheet: Sheet, old: Symbol) -> Iterator[Symbol]:
    """Yield the numbers of the same kind and layer, for the same example."""
    for new in (*sheet.lines, *sheet.given):
        if new != old and (new.what, new.layer, new.example) == (old.what, old.layer, old.example):
            yield new


def wrong_count(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """A mean is divided by another number than that of what was added up, or not at all."""
    if line.name.what not in ("average", "mean_loss") or line.number.op != "/":
        return
    whole, by = line.number.operands
    n = int(by.value)
    yield whole, f"not divided by {n}"
    outputs = len(sheet.problem.step.layers[-1].weights)
    for other in dict.fromkeys((n - 1, n + 1, outputs, 2)):
        if other > 1 and other != n:
            yield made("/", whole, Traced(other)), f"divided by {other}, not by {n}"


def forgot_bias(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The weighted sum lacks its bias."""
    if line.name.what == "sum":
        for symbol in _names(line, "weight"):
            if symbol.input == BIAS:
                yield _exchanged(line, {symbol: 0}), ""


def forgot_expected(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The output is taken for the error."""
    yield from _without(line, ("expected",), 0)


def forgot_half(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The loss is not halved, or not divided by the number of outputs."""
    if line.name.what in ("loss", "penalty") and line.number.op == "/":
        yield line.number.operands[0], f"not divided by {line.number.operands[1].value}"


def forgot_square(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """The errors are added as they are, with their signs or without; the course's page adds them so."""
    if line.name.what != "loss" or line.number.op != "/":
        return
    whole, by = line.number.operands
    if not all(term.op == "*" for term in terms(whole)):
        return
    bare = [term.operands[0] for term in terms(whole)]
    for single in (bare, [made("larger", each, made("neg", each)) for each in bare]):
        total = _added(single)
        yield made("/", total, by), "not squared"
        yield total, "neither squared nor halved"


def forgot_term(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """One term of a sum is missing."""
    for piece in _pieces(line.number):
        every = terms(piece)
        if piece.op == "+" and 1 < len(every) <= SHORT_SUM:
            for k in range(len(every)):
                rest = _added(every[:k] + every[k + 1 :])
                yield _replaced(line, piece, rest), f"term {k + 1} of {len(every)}"


def forgot_setting(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """Momentum, penalty, the example's weight or Adam's correction is left out."""
    for kind, value in (("momentum", 0), ("l2", 0), ("example_weight", 1), ("epsilon", 0)):
        for symbol in _names(line, kind):
            yield _exchanged(line, {symbol: value}), sheet.name(symbol)
    if line.name.what in ("new", "unlimited") and any(piece.op == "**" for piece in _pieces(line.number)):
        yield swapped(line.number, lambda p: Traced(0) if p.op == "**" else None), "the correction of m and v"


def forgot_factor(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """One factor of a product is missing."""
    for piece in _pieces(line.number):
        if piece.op == "*":
            for k in (0, 1):
                factor = piece.operands[k].symbol
                if factor is not None:
                    yield _replaced(line, piece, piece.operands[1 - k]), sheet.name(factor)


def added(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """Two numbers are added that are to be multiplied."""
    for piece in _pieces(line.number):
        if piece.op == "*":
            yield _replaced(line, piece, made("+", *piece.operands)), ""


def forgot_limit(line: Line, sheet: Sheet) -> Iterator[Mistaken]:
    """A largest or smallest value is not kept: ReLU passes a negative sum, a weight leaves its limit."""
    for piece in _pieces(line.number):
        if piece.op in ("larger", "smaller"):
            for operand in piece.operands:
                yield _replaced(line, piece, operand), ""


CAUSES = (
    Cause("forgot the learning rate", forgot_rate),
    Cause("left out the old weight: it is weight − learning rate · gradient", forgot_weight),
    Cause("used the hidden output instead of the weight downstream", hidden_output),
    Cause("forgot the slope", forgot_slope),
    Cause("forgot the expected output", forgot_expected),
    Cause("forgot the bias", forgot_bias),
    # Before a sign: with weights that differ in their sign only, both fit.
    Cause("swapped indices", swapped_indices),
    Cause("wrong sign", wrong_sign),
    Cause("used the gradient of another weight", other_gradient),
    Cause("swapped the expected outputs", swapped_expected),
    Cause("used the new weights instead of the old", new_weight),
    Cause("used the weighted sum instead of the output", sum_for_output),
    Cause("took the slope at the wrong number", slope_of_sum),
    Cause("used a number of another example", other_example),
    Cause("used another input of the same example", other_input),
    Cause("averaged over the wrong number", wrong_count),
    Cause("forgot to divide the loss", forgot_half),
    Cause("forgot to square the errors", forgot_square),
    Cause("left out a setting", forgot_setting),
    Cause("did not keep to the limit", forgot_limit),
    Cause("left out a term", forgot_term),
    Cause("left out a factor", forgot_factor),
    Cause("used a number of another neuron, weight or input", other_neuron),
    Cause("added instead of multiplied", added),
)
"""Every mistake that is a formula, the likeliest first; `tinyglass.worksheet.slips` has those of writing."""


# ---------------------------------------------------------------- pieces of a formula


def _pieces(number: Traced) -> Iterator[Traced]:
    """Yield the sums, products and functions of a formula; long sums are passed over."""
    waiting = [number]
    while waiting:
        piece = waiting.pop()
        if piece.symbol is not None or not piece.operands:
            continue
        every = terms(piece) if piece.op == "+" else list(piece.operands)
        if len(every) <= SHORT_SUM:
            yield piece
            waiting += reversed(every)


def _replaced(line: Line, old: Traced, new: Traced) -> Traced:
    return swapped(line.number, lambda piece: new if piece is old else None)


def _swap_symbol(line: Line, symbol: Symbol, new: Traced) -> Traced:
    return swapped(line.number, lambda piece: new if piece.symbol == symbol else None)


def _terms_with(piece: Traced, k: int, change: Callable[[Traced], Traced]) -> Traced:
    every = terms(piece)
    return _added([*every[:k], change(every[k]), *every[k + 1 :]])


def _added(every: list[Traced]) -> Traced:
    total = every[0]
    for term in every[1:]:
        total = made("+", total, term)
    return total
