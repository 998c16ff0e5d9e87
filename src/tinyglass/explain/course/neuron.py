"""The chapter's neuron, trained by hand, and the neuron with a step from the page before."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

from ... import arithmetic
from ..explanation import Explanation, Line, Section, Table
from ..gradient_check import in_float64
from ..lines import Lines
from ..mistakes import Mistakes, true_rule
from ..notation import PLAIN_STYLE, Style
from ..sections import feedforward_section, step_sections
from ..tracing import Symbol, Traced
from ..working import Step, work
from .example import given_section, make_example, mistakes_section

CHAPTER = """
inputs = [0.1, 0.8]
expected = 0.4
learning_rate = 1
weights = [0.3, 0.9]
activation = "linear"
"""
WITH_STEP = """
inputs = [0.2, 0.8]
weights = [0.3, 0.9]
activation = "step"
"""
REPEATED = 5  # steps
RATES = ("0.1", "1", "3", "largest", "3.1")


def explain(as_printed: bool, words: str, style: Style | None) -> Explanation:
    """Return the chapter's neuron; with `as_printed`, its two mistaken updates too."""
    lines, names = make_example(CHAPTER, "neuron", words)
    given = {
        "input1, input2": "0.1, 0.8",
        "weight1, weight2": "0.3, 0.9",
        "expected": "0.4",
        "activation": "f(x) = x",
        "learning rate": "1",
    }
    sections = [
        given_section("The chapter's neuron", given, "One neuron without a bias, trained by hand."),
        *step_sections(lines, names),
        _check(lines),
        _repeated(lines),
        _largest_rate(lines),
        _program(lines.step),
        _with_step(words),
    ]
    if as_printed:
        mistakes = Mistakes(lines, names)
        sections += [mistakes.weight2(_letter(lines)), mistakes.learning_rate()]
    else:
        sections.append(
            mistakes_section(
                "The page prints weight2_new = weight2 - δ_weight1, though its number uses δ_weight2, and further "
                "down weight_new = learning rate * δ_weight, which throws the weight away."
            )
        )
    facts = {"course": "neuron", "as_printed": as_printed}
    return Explanation("course:neuron", tuple(sections), names, style or PLAIN_STYLE, facts)


def _letter(lines: Lines) -> str:
    step, gradients = lines.step, lines.working.gradients[0].weights
    weight = step.layers[0].weights[0][1]
    own, letter = (PLAIN_STYLE.number(weight - step.rate * gradients[0][i]) for i in (1, 0))
    return (
        f"The page's own number, {own}, was computed with δ_weight2; to the letter of its formula, "
        f"0.9 - 0.035, it would be {letter}."
    )


def _check(lines: Lines) -> Section:
    """Return the neuron's output and error with the new weights."""
    after = lines._replace(step=(step := true_rule(lines.step)), working=work(step))
    weights = [Traced(after.weight(0, 0, i).value, Symbol("new", 0, 0, i)) for i in range(2)]
    number = arithmetic.weighted_sum(weights, [after.signal(0, -1, i) for i in range(2)])
    items = (Line(Symbol("sum", 0, 0), number), *after.outputs(0, 0), *after.output_errors(0))
    return Section("check", "The error with the new weights", items)


def errors_of(step: Step, rate: Fraction, n: int) -> list[Fraction]:
    """Return the neuron's error before each of so many steps at a learning rate."""
    step, errors = step._replace(rate=rate), []
    for _ in range(n):
        output = arithmetic.feedforward(step.layers, list(step.X[0]))[-1].outputs[0]
        errors.append(output - step.Y[0, 0])
        step = true_rule(step)
    return errors


def _inputs_squared(lines: Lines) -> Traced:
    return arithmetic.total([lines.signal(0, -1, i) ** 2 for i in range(2)])


def _repeated(lines: Lines) -> Section:
    step = lines.step
    errors = errors_of(step, step.rate, REPEATED)
    shrinking = 1 - Traced(step.rate, Symbol("rate")) * _inputs_squared(lines)
    rows = tuple((str(n), error) for n, error in enumerate(errors))
    return Section(
        "repeated",
        "The step, repeated",
        (
            "Each step changes the output by the learning rate times the error times the sum of the squared inputs, "
            "downwards, so it multiplies the error by always the same number:",
            Line(Symbol("shrinking"), shrinking),
            Table("The error, step by step", ("steps made", "error"), rows),
        ),
    )


def _largest_rate(lines: Lines) -> Section:
    step = lines.step
    number = 2 / _inputs_squared(lines)
    decimal = Decimal(number.value.numerator) / Decimal(number.value.denominator)
    rates = {text: number.value if text == "largest" else Fraction(text) for text in RATES}
    columns = [errors_of(step, rate, REPEATED) for rate in rates.values()]
    heads = [f"{str(decimal)[:6]}…" if text == "largest" else text for text in rates]
    table = Table(
        "The error after so many steps, by learning rate",
        ("steps", *heads),
        tuple((str(n), *map(float, row)) for n, row in enumerate(zip(*columns, strict=True))),
    )
    return Section(
        "largest_rate",
        "The largest learning rate that converges",
        (
            "The error shrinks as long as that number lies between -1 and 1:",
            Line(Symbol("largest_rate"), number, f"{str(decimal)[:6]}…: there the error swings for ever"),
            table,
        ),
    )


def _program(step: Step) -> Section:
    """Return the digits of the chapter's program, which computes in float64."""
    moments = [in_float64(step)]
    moments.append(true_rule(moments[0]))
    rows: list[tuple[str, ...]] = []
    for name, moment in zip(("before training", "after training"), moments, strict=True):
        output = arithmetic.feedforward(moment.layers, list(moment.X[0]))[-1].outputs[0]
        rows += [(name, "output", _digits(output)), ("", "error", _digits(output - moment.Y[0, 0]))]
    weights = np.asarray(moments[1].layers[0].weights)[0]
    rows += [("new weights", "weight1", _digits(weights[0])), ("", "weight2", _digits(weights[1]))]
    return Section(
        "program",
        "The same in float64",
        (
            "The chapter's program computes with binary numbers of 53 digits, in which most decimal fractions "
            "have no exact place, and prints every digit:",
            Table("What training_example.py prints", ("", "", "value"), tuple(rows)),
        ),
    )


def _digits(value: float) -> str:
    return repr(float(value))


def _with_step(words: str) -> Section:
    lines, _ = make_example(WITH_STEP, "neuron", words)
    section = feedforward_section(lines, 0)
    title = "The neuron with a step: it fires from a sum of 0.5 on"
    return Section("feedforward", title, section.items)
