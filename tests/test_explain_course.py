"""The course's examples, digit for digit, and its mistakes beside what is right."""

import math
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from tinyglass.errors import ArgumentError
from tinyglass.explain.course import COURSE
from tinyglass.explain.course import explain_course as explain_anew
from tinyglass.explain.course.example import how_printed
from tinyglass.explain.course.gates import explain_plant, grows_well, make_plant
from tinyglass.explain.course.program import as_printed_passed_back, count_diverging, true_passed_back
from tinyglass.explain.explanation import Line, Table
from tinyglass.explain.formats.formula import ExactWriter
from tinyglass.explain.notation import Style

SOURCE = Path(__file__).parent.parent / "src" / "tinyglass"

# Every number of the course for each example, as the course writes it.
GOLDEN = {
    "neuron": """
        0.1 0.8 0.3 0.9 0.4 0.75 0.35 0.035 0.28 0.265 0.62 0.5225 0.1225
        0.7500000000000001 0.3500000000000001 0.12249999999999994 0.26499999999999996 0.6199999999999999
        0.042875 0.01500625 0.0052521875 0.2 0.78 1""",
    "or-gate": "0.3 0.9 0.5 1.2 1.4 0 1",
    "plant": "0.3 -0.5 -0.6 0.4 0.7 0.5 22 40 20 60 30 80",
    "gesture": """
        5.1 46.7 120.5 -0.50 0.22 -0.91 0.61 0.14 -0.48 0.73 0.29 -0.29 -0.24
        -1.01931 -0.48191 -0.88385 0.41126 -1.88385 1.92023 0.90785 -0.41920 -0.19819
        -0.07622 -0.69792 -1.80084 -0.03290 -0.30122 -0.77725 1.8590 1.7697 0.01 100
        0.664838063268332 0.14475863419970098 0.39798479496743655
        -0.1996792640967368 -0.10042784907697525 -0.38665016231765525
        0.19784347834163832 -0.7106415457739413 0.6545148412015216 0.1258938146460059 1.86022
        35.5 120.1 2.625 33.375 127.875 19 56.375 47.875 51.375 40.125 89.375
        104.54 2.375 33.625 5.4 120.3 39.125 103.25 23.8 29.25""",
}
AS_PRINTED = {
    "neuron": "0.865 0.62 0.035 0.28",
    "or-gate": "1.2 0.3",
    "plant": "0 1 1.41 22 40",
    "gesture": """
        0.0768 0.7034 1.8150 0.0363 0.3326 0.8580 1.8558 1.7697 1.8590 -1.4723 -1.4649
        -1.8893 0.4116 -1.8839 0.4112 1.9258 0.9105 -0.4195 -0.1984 54 200""",
}


@cache
def explain_course(name: str, **wishes):
    """Return an example; it is a frozen record, so tests share it."""
    return explain_anew(name, **wishes)


def printed(explanation, n: int = 100) -> str:
    from tinyglass.explain.formats.text import to_text

    return to_text(explanation, n)


def numbers_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)", text))


def tables(explanation, kind: str) -> dict[str, Table]:
    return {
        item.caption: item
        for section in explanation.sections
        if section.kind == kind
        for item in section.items
        if isinstance(item, Table)
    }


def lines_of(explanation) -> dict[str, str]:
    names, style = explanation.notation, explanation.style
    return {names.text(line.name): style.number(line.number.value) for line in explanation.lines()}


@pytest.fixture(scope="module")
def gesture():
    return explain_course("gesture", as_printed=True)


@pytest.fixture(scope="module")
def neuron():
    return explain_course("neuron", as_printed=True)


@pytest.mark.parametrize("name", COURSE)
@pytest.mark.parametrize("as_printed", [False, True])
def test_every_number_of_the_course_stands_in_the_text_as_the_course_writes_it(name, as_printed):
    text = printed(explain_course(name, as_printed=as_printed))
    wanted = GOLDEN[name].split() + (AS_PRINTED[name].split() if as_printed else [])
    assert set(wanted) <= numbers_in(text), set(wanted) - numbers_in(text)


@pytest.mark.parametrize("name", COURSE)
@pytest.mark.parametrize("as_printed", [False, True])
@pytest.mark.parametrize("notation", ["course", "standard"])
def test_every_line_is_what_its_values_make(name, as_printed, notation):
    explanation = explain_course(name, as_printed=as_printed, notation=notation)
    writer = ExactWriter(explanation.notation)
    known = {"step": lambda x: int(x >= 0.5), "exp": math.exp}
    lines = list(explanation.lines())
    assert len(lines) > 10
    for line in lines:
        values = writer.values(line)
        if values is not None:
            assert eval(values, known) == pytest.approx(float(line.number.value), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", COURSE)
@pytest.mark.parametrize("format", ["text", "markdown", "latex", "html", "json"])
def test_every_format_shows_every_example(name, format):
    plain, full = (explain_course(name, as_printed=flag).show(format) for flag in (False, True))
    assert "As printed" in full
    assert "As printed" not in plain


def test_an_unknown_example_is_refused_with_the_nearest():
    with pytest.raises(
        ArgumentError, match=r"no example 'gestures'.*In course:gestures\. Did you mean 'gesture'"
    ):
        explain_course("gestures")


def test_the_command_prints_an_example(command):
    done = command("explain", "course:neuron")
    assert "weight2_new = weight2 - learning_rate * δ_weight2 = 0.9 - 1 * 0.28 = 0.62" in done.stdout
    assert "As printed" not in done.stdout


def test_nothing_that_trains_knows_the_mistaken_rules():
    users = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"^\s*(from|import) .*mistakes", path.read_text(encoding="utf-8"), re.M)
    }
    assert users
    assert all(user.startswith("explain/") or user.startswith("worksheet/") for user in users), users
    code = (
        "import sys, tinyglass\n"
        "run = tinyglass.train(tinyglass.read_recordings(), tinyglass.make_settings({}, preset='course'))\n"
        "assert not [m for m in sys.modules if 'mistakes' in m or 'explain.course' in m]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- the chapter


def test_the_chapters_lines_have_its_numbers(neuron):
    lines = lines_of(explain_course("neuron"))
    assert (
        lines
        | {
            "δ_weight1": "0.035",
            "δ_weight2": "0.28",
            "weight1_new": "0.265",
            "weight2_new": "0.62",
            "shrinking": "0.35",
            "largest_learning_rate": "40/13",
        }
        == lines
    )
    check = next(section for section in neuron.sections if section.kind == "check")
    assert [str(float(line.number.value)) for line in check.items] == ["0.5225", "0.5225", "0.1225"]


def test_the_error_shrinks_by_exactly_0_35_a_step(neuron):
    (table,) = tables(neuron, "repeated").values()
    assert [row[1] for row in table.rows] == [
        Fraction(text) for text in ["0.35", "0.1225", "0.042875", "0.01500625", "0.0052521875"]
    ]


def test_the_largest_learning_rate_is_where_the_error_swings(neuron):
    assert neuron["largest_learning_rate"].value == 2 / (Fraction("0.1") ** 2 + Fraction("0.8") ** 2)
    assert "3.0769…" in printed(neuron)
    (table,) = tables(neuron, "largest_rate").values()
    columns = dict(zip(table.head[1:], zip(*(row[1:] for row in table.rows), strict=True), strict=True))
    assert [abs(error) for error in columns["3.0769…"]] == [0.35] * 5
    assert abs(columns["3"][-1]) < 0.35 < abs(columns["3.1"][-1])


def test_the_program_prints_its_own_digits(neuron):
    (table,) = tables(neuron, "program").values()
    assert [row[1:] for row in table.rows] == [
        ("output", "0.7500000000000001"),
        ("error", "0.3500000000000001"),
        ("output", "0.5225"),
        ("error", "0.12249999999999994"),
        ("weight1", "0.26499999999999996"),
        ("weight2", "0.6199999999999999"),
    ]


def test_to_the_letter_weight2_would_be_0_865(neuron):
    letter = next(s for s in neuron.sections if s.title == "As printed: weight2 - δ_weight1")
    by_note = {item.note: item.number.value for item in letter.items if isinstance(item, Line)}
    assert by_note == {"as printed": Fraction("0.865"), "true": Fraction("0.62")}
    table = tables(neuron, "as_printed")["What a weight is moved by"]
    ((_, first, own, measured, verdict),) = table.rows
    assert (first, own, verdict) == (Fraction("0.035"), Fraction("0.28"), "wrong size")
    assert measured == pytest.approx(0.28, rel=1e-8)


def losses(section) -> dict[str, list[float]]:
    table = next(
        item
        for item in section.items
        if isinstance(item, Table) and item.caption.startswith("The loss after")
    )
    return {row[0]: [float(value) for value in row[1:]] for row in table.rows}


def test_the_printed_updates_lower_the_loss_less_or_never_arrive(neuron):
    letter, rate = (s for s in neuron.sections if s.kind == "as_printed")
    # ½·error²: true 0.1225, to the letter 0.1·0.265 + 0.8·0.865 − 0.4 = 0.3185
    assert losses(letter)["1"] == pytest.approx([0.1225**2 / 2, 0.3185**2 / 2])
    assert all(true < wrong for count, (true, wrong) in losses(letter).items() if count != "0")
    # learning rate·δ: output 0.65·error, so the error comes to rest at −0.4 / 0.35
    assert losses(rate)["20"][1] == pytest.approx((0.4 / 0.35) ** 2 / 2, rel=1e-3)
    assert losses(rate)["20"][0] < 1e-15


# ---------------------------------------------------------------- OR gate and plant


def test_the_or_gate_has_both_tables():
    explanation = explain_course("or-gate")
    first, second = (s.items[0] for s in explanation.sections if s.kind == "outputs")
    assert [(row[0], float(row[1]), row[2]) for row in first.rows] == [
        ("0 0", 0, 0),
        ("0 1", 0.9, 1),
        ("1 0", 0.3, 0),
        ("1 1", 1.2, 1),
    ]
    assert [(float(row[1]), row[2], row[4]) for row in second.rows] == [
        (0, 0, "right"),
        (0.9, 1, "right"),
        (0.5, 1, "right"),
        (1.4, 1, "right"),
    ]
    assert [row[4] for row in first.rows] == ["right", "right", "wrong", "right"]


def test_the_plant_grows_well_at_the_corners_and_not_where_the_page_says_so():
    explanation = explain_course("plant", as_printed=True)
    (table,) = tables(explanation, "outputs").values()
    assert [(row[0], row[3], row[4]) for row in table.rows] == [
        ("20 °C, 60 %", 0, 0),
        ("20 °C, 80 %", 1, 1),
        ("30 °C, 60 %", 1, 1),
        ("30 °C, 80 %", 0, 0),
        ("22 °C, 40 %", 1, 0),
    ]
    (page,) = tables(explanation, "as_printed").values()
    assert [row[1:3] for row in page.rows] == [(0, 1), (1, 1), (1, 1), (0, 0)]
    assert [row[4] for row in page.rows] == ["the page is wrong", "right", "right", "right"]


def test_the_plants_inputs_are_scaled_in_the_open():
    lines = [line for line in explain_plant(False, "course", None).lines() if line.name.what == "input"]
    values = [float(line.number.value) for line in lines]
    assert values == [-0.5, -1, -0.5, 1, 0.5, -1, 0.5, 1, -0.3, -3]
    assert all(line.number.op == "/" for line in lines)


def test_the_plants_network_against_a_plain_calculation():
    points = [(c, p) for c in range(15, 36, 4) for p in range(50, 91, 8)]

    def fires(total: float) -> int:
        return int(total >= 0.5)

    outputs = make_plant(points, "course").lines.working.outputs[-1][:, 0]
    for (c, p), output in zip(points, outputs, strict=True):
        x, y = (c - 25) / 10, (p - 70) / 10
        assert output == fires(0.7 * fires(0.3 * x - 0.5 * y) + 0.5 * fires(-0.6 * x + 0.4 * y))
    assert [grows_well(*point) for point in ((20, 60), (30, 60), (20, 80), (30, 80))] == [0, 1, 1, 0]


# ---------------------------------------------------------------- gestures


def test_the_gesture_steps_lines_have_its_digits():
    wanted = {
        "hidden1": "-1.01931",
        "hidden2": "-0.48191",
        "output1": "-0.88385",
        "output2": "0.41126",
        "error1": "-1.88385",
        "error2": "0.41126",
        "δ_weight21": "1.92023",
        "δ_weight22": "0.90785",
        "δ_weight23": "-0.41920",
        "δ_weight24": "-0.19819",
        "δ_weight11": "-0.07622",
        "δ_weight12": "-0.69792",
        "δ_weight13": "-1.80084",
        "δ_weight14": "-0.03290",
        "δ_weight15": "-0.30122",
        "δ_weight16": "-0.77725",
    }
    found = lines_of(explain_course("gesture"))
    assert {name: found[name] for name in wanted} == wanted


def test_one_step_brings_the_loss_from_1_8590_to_1_7697_and_as_printed_to_1_8558(gesture):
    (table,) = tables(gesture, "loss").values()
    assert table.rows[0][1:] == ("1.8590", "1.7697")
    hidden = next(s for s in gesture.sections if s.title == "As printed: hidden gradients")
    assert (
        "1.8590 one step at learning rate 0.01 gives 1.7697 by the true rule, and 1.8558" in hidden.items[1]
    )
    assert [f"{value:.4f}" for value in losses(hidden)["1"]] == ["1.7697", "1.8558"]


def test_the_printed_hidden_gradients_stand_beside_the_true_ones_with_the_proof(gesture):
    table = tables(gesture, "as_printed")["Gradients of the loss, as printed, true, and measured"]
    assert [row[1] for row in table.rows] == ["0.0768", "0.7034", "1.8150", "0.0363", "0.3326", "0.8580"]
    for _, page, wrong, true, measured, verdict in table.rows:
        assert float(wrong) == pytest.approx(float(page), rel=0.005)
        assert measured == pytest.approx(float(true), rel=1e-7)
        assert float(wrong) * float(true) < 0
        assert verdict == "wrong sign"
    notes = [line.note for line in gesture.lines("as_printed") if line.name.what.endswith("gradient")]
    assert notes == ["as printed", "true"] * 6


def test_every_printed_digit_is_made_from_the_pages_own_numbers(gesture):
    found = tables(gesture, "as_printed")
    first = found["Output gradients: the rule is right, the numbers are not"]
    second = found["Hidden gradients: the rule is wrong too"]
    for table in (first, second):
        for row in table.rows:
            product = eval(row[1])
            assert float(row[2]) == pytest.approx(product, abs=6e-7)
            assert how_printed(Decimal(repr(product)), row[3]) == row[4]
    assert [row[3] for row in first.rows] == ["1.9258", "0.9105", "-0.4195", "-0.1984"]
    assert [row[4] for row in second.rows] == ["rounded"] * 5 + ["cut off"]
    after = found["With the page's new weights, of four digits"]
    assert [row[2:] for row in after.rows] == [
        ("-1.0446", "rounded"),
        ("-0.4938", "rounded"),
        ("-0.8810", "cut off"),
        ("0.4161", "rounded"),
    ]
    for row in found["Its two sums"].rows:
        assert row[2:] == (row[3], row[3], "equal")
        assert eval(row[1]) == pytest.approx(float(row[3]), abs=1e-12)


def test_the_sum_of_the_errors_improves_while_the_second_error_grows(gesture):
    table = tables(gesture, "as_printed")["The sum as printed, and the loss"]
    assert [f"{float(row[1]):.5f}" for row in table.rows] == ["-1.47259", "-1.44278", "-1.46505"]
    assert [f"{float(row[2]):.4f}" for row in table.rows] == ["1.8590", "1.7697", "1.8558"]


def test_the_third_and_the_fourth_output_weight_get_their_names(gesture):
    table = tables(gesture, "as_printed")["Names"]
    assert [(row[0], gesture.notation.text(row[1]), row[3]) for row in table.rows] == [
        ("weight22_new", "weight23_new", "-0.2858"),
        ("weight23_new", "weight24_new", "-0.2380"),
    ]
    for row in table.rows:
        assert f"{eval(row[2]):.4f}" == row[3]


def test_with_the_printed_rule_54_of_200_seeds_diverge_and_with_the_true_one_none(gesture):
    assert count_diverging(as_printed_passed_back) == 54
    assert count_diverging(true_passed_back) == 0
    table = tables(gesture, "as_printed")["Trainings that diverge"]
    assert [row[1:] for row in table.rows] == [("0.01", 0, 200), ("0.1", 54, 200), ("0.1", 0, 200)]
    assert gesture.facts["diverging_as_printed"] == 54


def test_a_seed_of_the_pages_program_diverges_where_it_does_alone():
    # The program as it stands on the page, one seed at a time, in plain Python.
    import random

    from tinyglass.explain.course.program import recordings_of_the_page

    recordings = recordings_of_the_page()
    samples = [
        ([v / 100 for v in r.signal.ravel().tolist()], [1, 0] if r.label == "moving_closer" else [0, 1])
        for r in recordings
    ]

    def diverges(seed: int) -> bool:
        generator, pile = random.Random(seed), list(samples)
        w = [generator.uniform(-0.1, 0.1) for _ in range(10)]
        for _ in range(100):
            generator.shuffle(pile)
            for x, y in pile:
                h = [sum(a * b for a, b in zip(w[3 * j : 3 * j + 3], x, strict=True)) for j in range(2)]
                e = [h[0] * w[6 + 2 * k] + h[1] * w[7 + 2 * k] - y[k] for k in range(2)]
                g = [(e[0] + e[1]) * h[j] * x[i] for j in range(2) for i in range(3)]
                g += [e[k] * h[j] for k in range(2) for j in range(2)]
                w = [a - 0.1 * b for a, b in zip(w, g, strict=True)]
        return not all(abs(a) < 1e3 for a in w)

    alone = sum(diverges(seed) for seed in range(20))
    assert 0 < alone < 20
    assert count_diverging(as_printed_passed_back, seeds=20) == alone


def test_the_board_gets_ten_of_ten_and_announces_nothing_for_zeros(gesture):
    found = tables(gesture, "board")
    summary = dict(found["All ten"].rows)
    assert summary["right"] == "10 of 10"
    assert f"{float(summary['½Σerror² over the ten']):.5f}" == "1.86022"
    said = dict(tables(gesture, "as_printed")["A reading of 0, 0, 0"].rows)
    assert said["as printed"] == "moving closer, p=0.0"
    assert said["right"].startswith("unknown")


def test_the_training_program_is_run_and_its_loss_falls(gesture):
    found = tables(gesture, "training")
    curve = [row[1] for row in found["½Σerror² over the ten, during each epoch"].rows]
    assert len(curve) == 11
    assert curve[-1] < curve[0] / 10
    readings = found["The ten recordings: proximity, 127.875 at most"].rows
    assert len(readings) == 10
    assert sum(127.875 in row for row in readings) == 7


@pytest.mark.parametrize(
    ("exact", "shown", "how"),
    [
        ("0.858085", "0.8581", "rounded"),
        ("0.858085", "0.8580", "cut off"),
        ("-0.88108", "-0.8810", "cut off"),
        ("0.5", "0.7", "something else"),
        ("0.25", "0.3", "rounded"),
    ],
)
def test_how_a_number_was_printed(exact, shown, how):
    assert how_printed(Decimal(exact), shown) == how_printed(Fraction(exact), shown) == how


def test_a_style_of_ones_own_is_used():
    assert "-0.0762" in printed(explain_course("gesture", style=Style(digits=3)))
    assert "-0.07622" not in printed(explain_course("gesture", style=Style(digits=3)))
