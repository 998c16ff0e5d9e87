"""The OR gate and the plant: neurons with a step, which run forward only."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ... import arithmetic
from ..explanation import Explanation, Line, Section, Table
from ..lines import Lines
from ..mistakes import LABEL, printed_or_sum
from ..notation import PLAIN_STYLE, Style
from ..sections import feedforward_section
from ..tracing import Symbol, Traced
from .example import Example, given_section, make_example

# ---------------------------------------------------------------- the OR gate

OR_WEIGHTS = ("0.3, 0.9", "0.5, 0.9")
OR_GATE = """
inputs = [[0, 0], [0, 1], [1, 0], [1, 1]]
expected = [0, 1, 1, 1]
weights = [{}]
activation = "step"
"""


def explain_or(as_printed: bool, words: str, style: Style | None) -> Explanation:
    """Return the OR gate with both sets of weights; with `as_printed`, a slip in one of its formulas too."""
    examples = [make_example(OR_GATE.format(weights), "or-gate", words) for weights in OR_WEIGHTS]
    given: dict[str, Any] = {
        "inputs": "0 0, 0 1, 1 0, 1 1",
        "expected": "0, 1, 1, 1",
        "weights, first": OR_WEIGHTS[0],
        "weights, second": OR_WEIGHTS[1],
        "activation": "step: 1 from a sum of 0.5 on, else 0",
    }
    sections = [given_section("The OR gate", given, "One neuron without a bias. It fires, or it does not.")]
    for weights, example in zip(OR_WEIGHTS, examples, strict=True):
        sections += _or_sections(weights, example.lines)
    if as_printed:
        sections.append(_or_as_printed(examples[0].lines))
    facts = {"course": "or-gate", "as_printed": as_printed}
    return Explanation("course:or-gate", tuple(sections), examples[0].names, style or PLAIN_STYLE, facts)


def _or_sections(weights: str, lines: Lines) -> list[Section]:
    step, working = lines.step, lines.working
    rows = [
        (f"{x[0]} {x[1]}", total, output, wished, "right" if output == wished else "wrong")
        for x, (total,), (output,), (wished,) in zip(
            step.X, working.sums[0], working.outputs[0], step.Y, strict=True
        )
    ]
    table = Table("All four inputs", ("inputs", "sum", "output", "OR", ""), tuple(rows))
    outputs = ", ".join(str(row[2]) for row in rows)
    right = sum(row[2] == row[3] for row in rows)
    summary = Section("outputs", f"Weights {weights} give {outputs}: {right} of 4 right", (table,))
    titles = [f"inputs {x[0]} {x[1]}" for x in step.X]
    return [summary, *(feedforward_section(lines, e, titles) for e in range(len(step.X)))]


def _or_as_printed(lines: Lines) -> Section:
    """Return the sum of inputs 1, 0 as the page's formula has it, beside the true one."""
    e = 2
    inputs, weights = [lines.signal(e, -1, i) for i in range(2)], [lines.weight(0, 0, i) for i in range(2)]
    wrong = printed_or_sum(inputs, weights)
    mark = lines.marks[e]
    fires = arithmetic.activate("step", [wrong.value])[0]
    true = lines.working.outputs[0][e, 0]
    return Section(
        "as_printed",
        "As printed: input2 + weight2",
        (
            LABEL + "Where the page looks closer at inputs 1, 0, its formula has a + for a product: "
            "sum = input1*weight1 + input2 + weight2. The numbers below that formula are right.",
            Line(Symbol("printed_sum", 0, 0, None, mark), wrong, "as printed"),
            lines.sum(e, 0, 0)._replace(note="true"),
            Table(
                "What the neuron would do",
                ("", "sum", "output"),
                (("as printed", wrong.value, fires), ("true", lines.working.sums[0][e, 0], true)),
            ),
        ),
    )


# ---------------------------------------------------------------- the plant

PLANT_HIDDEN, PLANT_OUTPUT = "[0.3, -0.5], [-0.6, 0.4]", "[0.7, 0.5]"
PLANT = f"""
inputs = {{}}
[[layers]]
weights = [{PLANT_HIDDEN}]
activation = "step"
[[layers]]
weights = [{PLANT_OUTPUT}]
activation = "step"
"""
CORNERS = ((20, 60), (20, 80), (30, 60), (30, 80))  # °C and %
PRINTED = {(22, 40): 0, (22, 80): 1, (30, 40): 1, (30, 80): 0}
"""What the page prints for its own four pairs of °C and %."""
WRONG = (22, 40)


def explain_plant(as_printed: bool, words: str, style: Style | None) -> Explanation:
    """Return the plant's network at five points; with `as_printed`, at the page's own four too."""
    points = [*CORNERS, WRONG]
    lines, names = make_plant(points, words)
    given: dict[str, Any] = {
        "network": "2-2-1, no bias",
        "hidden weights": "0.3, -0.5 · -0.6, 0.4",
        "output weights": "0.7, 0.5",
        "activation": "step: 1 from a sum of 0.5 on, else 0",
        "input1": "(°C - 25)/10",
        "input2": "(% - 70)/10",
        "good growth": 'exactly one of "above 25 °C", "above 70 %" holds',
    }
    titles = [_point(point) for point in points]
    sections = [
        given_section("The plant", given, "Two neurons look at warmth and moisture, a third at those two."),
        Section("outputs", "Where it grows well", (_outputs(lines, points), _on_the_wrong_point(lines))),
    ]
    for e, point in enumerate(points):
        found = feedforward_section(lines, e, titles)
        made = [_scaled(lines, e, i, point[i], (25, 70)[i]) for i in range(2)]
        sections.append(found._replace(items=(*made, *found.items[2:])))
    if as_printed:
        sections.append(_plant_as_printed(lines, points.index(WRONG), words))
    facts = {"course": "plant", "as_printed": as_printed}
    return Explanation("course:plant", tuple(sections), names, style or PLAIN_STYLE, facts)


def make_plant(points: Sequence[tuple[int, int]], words: str) -> Example:
    """Return the plant's network at some pairs of °C and %."""
    inputs = [[float(Fraction(c - 25, 10)), float(Fraction(p - 70, 10))] for c, p in points]
    return make_example(PLANT.format(inputs), "plant", words)


def grows_well(celsius: int, percent: int) -> int:
    """Return 1 where exactly one of "above 25 °C" and "above 70 %" holds, else 0."""
    return int((celsius > 25) != (percent > 70))


def _point(point: tuple[int, int]) -> str:
    return f"{point[0]} °C, {point[1]} %"


def _scaled(lines: Lines, e: int, i: int, value: int, middle: int) -> Line:
    number = (Traced(Fraction(value)) - middle) / 10
    return Line(Symbol("input", -1, i, None, lines.marks[e]), number)


def _outputs(lines: Lines, points: Sequence[tuple[int, int]]) -> Table:
    rows = []
    for e, point in enumerate(points):
        output, wished = lines.working.outputs[-1][e, 0], grows_well(*point)
        rows.append(
            (_point(point), *lines.step.X[e], output, wished, "right" if output == wished else "differs")
        )
    head = ("", "input1", "input2", "output", "good growth", "")
    return Table("What the network says, and what the plant needs", head, tuple(rows))


def _on_the_wrong_point(lines: Lines) -> str:
    return (
        f"At {_point(WRONG)} the page prints {PRINTED[WRONG]}, which the plant needs; its own weights give "
        f"{lines.working.outputs[-1][-1, 0]}. --as-printed shows it."
    )


def _plant_as_printed(lines: Lines, e: int, words: str) -> Section:
    own = make_plant(list(PRINTED), words).lines
    rows = []
    for k, (point, printed) in enumerate(PRINTED.items()):
        output = own.working.outputs[-1][k, 0]
        verdict = "right" if output == printed else "the page is wrong"
        rows.append((_point(point), printed, output, grows_well(*point), verdict))
    forward = [line for l in range(2) for j in range(lines.n_neurons(l)) for line in (lines.sum(e, l, j),)]
    return Section(
        "as_printed",
        f"As printed: 0 at {_point(WRONG)}",
        (
            LABEL + "The page works out its network at four points and prints what the plant needs. At "
            f"{_point(WRONG)} that is not what its weights give: air so dry makes hidden1 fire, warm or not.",
            *forward[:2],
            *lines.outputs(e, 0),
            *forward[2:],
            *lines.outputs(e, 1),
            Table(
                "The page's four points",
                ("", "as printed", "its own weights", "good growth", ""),
                tuple(rows),
            ),
        ),
    )
