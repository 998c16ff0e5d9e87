"""What the gesture page prints, how each of its digits came to be, and what is right."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ... import arithmetic
from ..explanation import Section, Table
from ..lines import Lines
from ..mistakes import LABEL, hidden_rule, loss_of, printed_loss, printed_passed_back, true_rule
from ..tracing import Symbol
from .example import FOUR_DECIMALS, how_printed
from .program import EPOCHS, RATE, SEEDS, as_printed_passed_back, count_diverging, true_passed_back

OUTPUTS = ("-0.8839", "0.4112")
ERRORS = ("-1.8839", "0.4112")
CARRIED = ("-1.8893", "0.4116")  # what the page goes on with
HIDDENS = ("-1.0193", "-0.4819")
OUTPUT_GRADIENTS = (("1.9258", "0.9105"), ("-0.4195", "-0.1984"))
HIDDEN_GRADIENTS = (("0.0768", "0.7034", "1.8150"), ("0.0363", "0.3326", "0.8580"))
PAGE = {(0, j, i): text for j, row in enumerate(HIDDEN_GRADIENTS) for i, text in enumerate(row)}
NEW_HIDDENS = ("-1.0446", "-0.4938")
NEW_OUTPUTS = ("-0.8810", "0.4161")
SUMS = ("-1.4723", "-1.4649")
FOUR = Decimal("0.0001")
SLIP = "not from these digits"


def one_step(lines: Lines) -> str:
    """Return what one step does to the loss, by the true rule and by the printed one."""
    steps = (lines.step, true_rule(lines.step), hidden_rule(lines.step))
    before, true, printed = (FOUR_DECIMALS.number(loss_of(step)) for step in steps)
    return (
        f"From ½Σerror² = {before} one step at learning rate 0.01 gives {true} by the true rule, and {printed} "
        "by the printed one."
    )


def digits(lines: Lines) -> Section:
    """Return how each printed gradient came from the numbers that the page carries forward."""
    inputs = lines.step.X[0]
    errors, hiddens = [Decimal(e) for e in CARRIED], [Decimal(h) for h in HIDDENS]
    outputs = []
    for j, pair in enumerate(OUTPUT_GRADIENTS):
        for i, printed in enumerate(pair):
            product = errors[j] * hiddens[i]
            formula, how = f"{CARRIED[j]} * {HIDDENS[i]}", how_printed(product, printed)
            true = lines.working.gradients[1].weights[j][i]
            outputs.append((Symbol("gradient", 1, j, i), formula, _six(product), printed, how, true))
    both = sum(errors)
    hidden = []
    for j, row in enumerate(HIDDEN_GRADIENTS):
        for i, printed in enumerate(row):
            x = _decimal(inputs[i])
            product = printed_passed_back(hiddens[j], errors) * x
            formula = f"{both} * {HIDDENS[j]} * {x}"
            how = how_printed(product, printed)
            hidden.append((Symbol("gradient", 0, j, i), formula, _six(product), printed, how))
    head = ("", "from the page's numbers", "gives", "printed", "")
    outputs_now = lines.working.outputs[-1][0]
    start = [
        (Symbol("output", 1, j), outputs_now[j], printed, how_printed(outputs_now[j], printed))
        for j, printed in enumerate(OUTPUTS)
    ]
    return Section(
        "as_printed",
        "As printed: where the digits come from",
        (
            LABEL
            + "The page rounds to four digits on the way, cuts some off instead, and copies two numbers "
            f"wrongly: its errors are {ERRORS[0]} and {ERRORS[1]}, and it goes on with {CARRIED[0]} (two digits "
            f"swapped) and {CARRIED[1]}.",
            Table("Where the page starts", ("", "unrounded", "printed", ""), tuple(start)),
            Table(
                "Output gradients: the rule is right, the numbers are not", (*head, "true"), tuple(outputs)
            ),
            f"The six hidden gradients have {CARRIED[0]} + {CARRIED[1]} = {both}, times the hidden output:",
            Table("Hidden gradients: the rule is wrong too", head, tuple(hidden)),
        ),
    )


def _six(value: Decimal) -> str:
    return f"{value:.6f}"


def afterwards(lines: Lines) -> Section:
    """Return how the page comes from the sum −1.4723 to −1.4649, and what each sum means."""
    rate = Decimal("0.01")
    weights = [[[_decimal(w) for w in row] for row in layer.weights] for layer in lines.step.layers]
    gradients: Sequence[Any] = (HIDDEN_GRADIENTS, OUTPUT_GRADIENTS)
    hidden, output = (
        [
            [(w - rate * Decimal(g)).quantize(FOUR) for w, g in zip(*rows, strict=True)]
            for rows in zip(layer, printed, strict=True)
        ]
        for layer, printed in zip(weights, gradients, strict=True)
    )
    inputs = [_decimal(x) for x in lines.step.X[0]]
    hiddens = [arithmetic.weighted_sum(row, inputs) for row in hidden]
    outputs = [arithmetic.weighted_sum(row, hiddens) for row in output]
    rows: list[tuple[Any, ...]] = []
    for l, (found, printed) in enumerate(((hiddens, NEW_HIDDENS), (outputs, NEW_OUTPUTS))):
        rows += [
            (Symbol("output", l, j), _six(value), text, how_printed(value, text))
            for j, (value, text) in enumerate(zip(found, printed, strict=True))
        ]
    before = printed_loss([Decimal(ERRORS[0]), Decimal(CARRIED[1])])
    after = printed_loss([Decimal(NEW_OUTPUTS[0]) - 1, Decimal(NEW_OUTPUTS[1])])
    sums = (
        ("before", f"{ERRORS[0]} + {CARRIED[1]}", str(before), SUMS[0], _same(before, SUMS[0])),
        ("after", f"{NEW_OUTPUTS[0]} - 1 + {NEW_OUTPUTS[1]}", str(after), SUMS[1], _same(after, SUMS[1])),
    )
    return Section(
        "as_printed",
        f'As printed: "{SUMS[0]} reduced to {SUMS[1]}"',
        (
            LABEL
            + "The page takes the sum of the errors for the loss and calls the step a success because the "
            f"sum came nearer to 0. But the second error grew, from {ERRORS[1]} to {NEW_OUTPUTS[1]}, and only cancels "
            "more of the first. The true step makes both smaller.",
            Table(
                "With the page's new weights, of four digits", ("", "unrounded", "printed", ""), tuple(rows)
            ),
            Table("Its two sums", ("", "from the page's numbers", "gives", "printed", ""), sums),
        ),
    )


def _same(value: Decimal, printed: str) -> str:
    return "equal" if value == Decimal(printed) else SLIP


def _decimal(value: Any) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def labels(lines: Lines) -> Section:
    """Return the two updates under the wrong name, and what text and program say differently."""
    step = lines.step
    rows = []
    for printed, i in (("weight22", 0), ("weight23", 1)):
        weight, gradient = _decimal(step.layers[1].weights[1][i]), OUTPUT_GRADIENTS[1][i]
        new = FOUR_DECIMALS.number(weight - Decimal("0.01") * Decimal(gradient))
        rows.append((f"{printed}_new", Symbol("new", 1, 1, i), f"{weight} - (0.01*{gradient})", new))
    return Section(
        "as_printed",
        "As printed: labels, and the range of the start",
        (
            LABEL
            + "The third and the fourth output weight are updated under the names of the second and the third.",
            Table("Names", ("printed name", "right name", "printed formula", "gives"), tuple(rows)),
            "The page's text starts the weights in ±1, its program in ±0.1; the preset course follows the program.",
        ),
    )


def diverging() -> dict[str, int]:
    """Return with how many seeds the program diverges, by the printed rule and by the true one."""
    return {
        "seeds": SEEDS,
        "diverging_as_printed": count_diverging(as_printed_passed_back),
        "diverging_true": count_diverging(true_passed_back),
        "diverging_as_printed_at_0.01": count_diverging(as_printed_passed_back, 0.01),
    }


def program(found: dict[str, int]) -> Section:
    """Return what the printed rule does to the training program."""
    rows = (
        ("hidden gradients as printed", "0.01", found["diverging_as_printed_at_0.01"], SEEDS),
        ("hidden gradients as printed", f"{RATE}", found["diverging_as_printed"], SEEDS),
        ("true hidden gradients", f"{RATE}", found["diverging_true"], SEEDS),
    )
    return Section(
        "as_printed",
        "As printed: the training program",
        (
            LABEL
            + "The program has the same hidden gradients. Its output layer still learns, so at its learning "
            f"rate the mistake hides; at {RATE} it does not. These trainings of {EPOCHS} epochs were just made, with "
            "the program's own random numbers:",
            Table("Trainings that diverge", ("", "learning rate", "diverge", "of seeds"), rows),
        ),
    )


def board(lines: Lines) -> Section:
    """Return what the board's program says of a reading of zeros."""
    layers = [layer._replace(weights=np.asarray(layer.weights).tolist()) for layer in lines.step.layers]
    zeros = [lines.step.X[0, 0] * 0] * 3
    outputs = arithmetic.feedforward(layers, zeros)[-1].outputs
    said = "moving closer" if outputs[0] >= outputs[1] else "moving away"
    tie = outputs[0] == outputs[1]
    largest = float(max(lines.working.outputs[-1].ravel()))
    least = float(min(lines.working.outputs[-1].ravel()))
    rows = (
        ("as printed", f"{said}, p={float(max(outputs))}"),
        ("right", "unknown: no output is larger than the other" if tie else said),
    )
    return Section(
        "as_printed",
        "As printed: the board's program",
        (
            LABEL
            + "Without a bias a reading of three zeros makes both outputs 0, and the program announces a "
            "gesture, as its comparison is >=. It calls the outputs probabilities; linear outputs are none: they need "
            f"not lie between 0 and 1, nor add up to 1. Over the ten recordings they reach from {least:.2f} to "
            f"{largest:.2f}. Softmax outputs are probabilities, and a tie or a low one is unknown.",
            Table("A reading of 0, 0, 0", ("", "announced"), rows),
        ),
    )
