"""Explanations in every format: the formulas are right, nothing runs off the page, and no label is markup."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tinyglass import ArgumentError, Examples, Settings, arithmetic, train_examples
from tinyglass.errors import printable
from tinyglass.explain.explanation import Explanation, Figure, Line, Section, Table
from tinyglass.explain.formats import FORMATS, fragment, latex, markdown, show, tables, text
from tinyglass.explain.formats import html as html_format
from tinyglass.explain.formats.formula import ExactWriter, LatexWriter, Writer
from tinyglass.explain.notation import WORDS, Style, make_notation
from tinyglass.explain.step import explain_step
from tinyglass.explain.tracing import Symbol, Traced

CHROMIUM = Path("/usr/bin/chromium")
MISCHIEF = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b*c_d $x$ [l](u) `q` ![i](j) \\alpha {1} # % & ~ ^ &lt; :smile:",
    "手 שלום ✋ żółć é ß Ωμ ế ½",
    "a\x00b\x1b[31m\x08\uffff\nnew",
    "a-very-long-label-without-any-space-" * 6,
    "[x]",
    "*y*",
    "--out",
    "1. one",
    "\\end{document}",
    "$$",
]
COURSE = make_notation((9, 1), ["output"], "course")
RESULT = Symbol("sum", 0, 0)
PLAIN = Style()
FUNCTIONS = {
    "exp": arithmetic.exp,
    "ln": arithmetic.ln,
    "sqrt": arithmetic.sqrt,
    "tanh": arithmetic.tanh,
    "max": arithmetic.larger,
    "min": arithmetic.smaller,
    "inf": math.inf,
}


def named(value: Any, i: int) -> Traced:
    return Traced(value, Symbol("weight", 0, 0, i))


def parts(number: Traced, kind: type[Writer] = Writer, style: Style = PLAIN) -> list[str]:
    return kind(COURSE, style).parts(Line(RESULT, number))


# ---------------------------------------------------------------- random formulas

VALUES = [0.25, -0.5, 3.0, 1e-7, -1.25, 7.5, -2.0, 0.1, 12.0]
leaves = st.one_of(
    st.integers(0, 8).map(lambda i: named(VALUES[i], i)),
    st.floats(-100, 100, allow_subnormal=False).map(Traced),
    st.integers(0, 3).map(Traced),
)


def combine(made: tuple[str, Traced, Traced]) -> Traced:
    op, x, y = made
    try:
        if op in ("exp", "ln", "sqrt", "tanh"):
            x = x + 0.0
            return getattr(x, op)()
        if op in ("larger", "smaller"):
            return getattr(x, op)(y)
        if op == "neg":
            return -x
        if op == "**":
            return x ** Traced(2) if y.value > 0 else x ** Traced(-1)
        return {"+": x.__add__, "-": x.__sub__, "*": x.__mul__, "/": x.__truediv__}[op](y)
    except (ArithmeticError, ValueError):
        assume(False)
        raise AssertionError from None


OPS = ("+", "-", "*", "/", "+", "-", "*", "/", "neg", "**", "exp", "ln", "sqrt", "tanh", "larger", "smaller")
formulas = st.recursive(
    leaves, lambda below: st.tuples(st.sampled_from(OPS), below, below).map(combine), max_leaves=25
).filter(lambda number: bool(number.operands) and math.isfinite(number.value))


@given(formulas)
def test_the_values_are_a_python_expression_of_the_result(number):
    values = ExactWriter(COURSE).values(Line(RESULT, number))
    assert eval(values, {}, FUNCTIONS) == number.value


@given(formulas)
def test_the_names_are_the_same_formula(number):
    formula = ExactWriter(COURSE).formula(Line(RESULT, number))
    names = {f"weight{i + 1}": value for i, value in enumerate(VALUES)}
    assert eval(formula, {}, FUNCTIONS | names) == number.value


@given(formulas)
@hypothesis_settings(max_examples=50)
def test_no_parenthesis_can_be_left_out(number):
    formula = ExactWriter(COURSE).formula(Line(RESULT, number))
    tree = ast.dump(ast.parse(formula, mode="eval"))
    open_at = []
    for k, c in enumerate(formula):
        if c == "(":
            open_at.append(k)
        elif c == ")":
            start = open_at.pop()
            if formula[start + 1] == "-":
                continue  # a - (-0.5) is a matter of style
            shorter = formula[:start] + " " + formula[start + 1 : k] + " " + formula[k + 1 :]
            with contextlib.suppress(SyntaxError):
                assert ast.dump(ast.parse(shorter.strip(), mode="eval")) != tree, formula


@given(formulas)
@hypothesis_settings(max_examples=50)
def test_latex_is_balanced_and_ascii(number):
    for part in parts(number, LatexWriter):
        assert part.isascii()
        assert part.count("{") == part.count("}")
        assert part.count(r"\left(") == part.count(r"\right)")
        assert part.count("(") == part.count(")")
        assert "--" not in part.replace(" - -", "")


@given(
    st.recursive(
        st.fractions(-3, 3, max_denominator=12).map(Traced),
        lambda below: st.tuples(st.sampled_from("+-*/"), below, below).map(combine),
        max_leaves=12,
    ).filter(lambda number: bool(number.operands))
)
@hypothesis_settings(max_examples=50)
def test_fractions_stay_exact(number):
    values = ExactWriter(COURSE).values(Line(RESULT, number))
    exact = re.sub(r"\d+(\.\d+)?", lambda digits: f"F('{digits[0]}')", values)
    assert eval(exact, {}, {"F": Fraction}) == number.value


# ---------------------------------------------------------------- single formulas

A, B, C = named(2.0, 0), named(-0.5, 1), named(4.0, 2)


@pytest.mark.parametrize(
    ("number", "formula", "values"),
    [
        (A - (B - C), "weight1 - (weight2 - weight3)", "2 - (-0.5 - 4)"),
        (A - B - C, "weight1 - weight2 - weight3", "2 - (-0.5) - 4"),
        (A / (B * C), "weight1 / (weight2 * weight3)", "2 / (-0.5 * 4)"),
        (A / B * C, "weight1 / weight2 * weight3", "2 / (-0.5) * 4"),
        ((-A) ** Traced(2), "(-weight1) ** 2", "(-2) ** 2"),
        (-(A ** Traced(2)), "-weight1 ** 2", "-2 ** 2"),
        (B ** Traced(2), "weight2 ** 2", "(-0.5) ** 2"),
        (A * (B + C), "weight1 * (weight2 + weight3)", "2 * (-0.5 + 4)"),
        (A + B * C, "weight1 + weight2 * weight3", "2 + (-0.5) * 4"),
        (-(A + B), "-(weight1 + weight2)", "-(2 + (-0.5))"),
        (-B, "-weight2", "-(-0.5)"),
        (A - (-C), "weight1 - (-weight3)", "2 - (-4)"),
        (C.larger(B), "max(weight3, weight2)", "max(4, -0.5)"),
        (B.smaller(C) * A, "min(weight2, weight3) * weight1", "min(-0.5, 4) * 2"),
        (1 / (1 + (-A).exp()), "1 / (1 + exp(-weight1))", "1 / (1 + exp(-2))"),
    ],
)
def test_formulas_have_the_parentheses_they_need(number, formula, values):
    assert parts(number)[1:3] == [formula, values]


@pytest.mark.parametrize(
    ("number", "formula", "values"),
    [
        (A + B, r"\text{weight1} + \text{weight2}", "2 + (-0.5)"),
        (A - B, r"\text{weight1} - \text{weight2}", "2 - (-0.5)"),
        (A * B, r"\text{weight1} \cdot \text{weight2}", r"2 \cdot (-0.5)"),
        (A / B, r"\frac{\text{weight1}}{\text{weight2}}", r"\frac{2}{-0.5}"),
        (A / (B / C), r"\frac{\text{weight1}}{\frac{\text{weight2}}{\text{weight3}}}", r"\frac{2}{\frac{-0.5}{4}}"),
        (B ** Traced(3), r"\text{weight2}^{3}", r"(-0.5)^{3}"),
        ((C / A) ** Traced(2), r"\left(\frac{\text{weight3}}{\text{weight1}}\right)^{2}", None),
        (-(A + B), r"-(\text{weight1} + \text{weight2})", "-(2 + (-0.5))"),
        ((-A).exp(), r"e^{-\text{weight1}}", "e^{-2}"),
        (A.ln(), r"\ln(\text{weight1})", r"\ln(2)"),
        (A.sqrt(), r"\sqrt{\text{weight1}}", r"\sqrt{2}"),
        (A.tanh(), r"\tanh(\text{weight1})", r"\tanh(2)"),
        (A.larger(B), r"\max(\text{weight1}, \text{weight2})", r"\max(2, -0.5)"),
        (A.smaller(B), r"\min(\text{weight1}, \text{weight2})", r"\min(2, -0.5)"),
        (Traced(1.0, None, "a_step", (A,)), r"\operatorname{a\_step}(\text{weight1})", r"\operatorname{a\_step}(2)"),
        (A * 1.2e-7, r"\text{weight1} \cdot 1.2\cdot 10^{-7}", r"2 \cdot 1.2\cdot 10^{-7}"),
        (Traced(1e-8) ** Traced(2), r"(10^{-8})^{2}", None),
    ],
)  # fmt: skip
def test_every_operation_in_latex(number, formula, values):
    found = parts(number, LatexWriter)
    assert found[1] == formula
    assert values is None or found[2] == values


def test_latex_of_odd_numbers():
    writer = LatexWriter(COURSE, Style())
    assert writer.number(math.inf) == r"\infty"
    assert writer.number(-math.inf) == r"-\infty"
    assert writer.number(math.nan) == r"\text{nan}"
    assert writer.number(-1e-8) == r"-10^{-8}"
    assert writer.number(2.5e30) == r"2.5\cdot 10^{30}"
    assert writer.number(Fraction(-1, 3)) == r"-\frac{1}{3}"
    assert writer.number(Decimal("0.1225")) == "0.1225"


def test_what_repeats_its_neighbour_is_left_out():
    assert parts(Traced(0.1)) == ["sum", "0.1"]
    assert parts(A) == ["sum", "weight1", "2"]
    assert parts(Traced(0.1, RESULT)) == ["sum", "0.1"]
    assert parts(A + B) == ["sum", "weight1 + weight2", "2 + (-0.5)", "1.5"]
    assert parts(Traced(1.0) - Traced(0.5)) == ["sum", "1 - 0.5", "0.5"]


def long_sum(n: int) -> Traced:
    return arithmetic.weighted_sum(
        [named(0.5 + i % 7, i % 9) for i in range(n)], [Traced(0.25, Symbol("input", -1, 0))] * n
    )


def test_a_long_sum_shows_its_first_terms_its_last_and_how_many_more():
    name, formula, values, result = parts(long_sum(5000))
    assert formula == (
        "input1 * weight1 + input1 * weight2 + input1 * weight3 + … 4996 more … + input1 * weight5"
    )
    assert values == "0.25 * 0.5 + 0.25 * 1.5 + 0.25 * 2.5 + … 4996 more … + 0.25 * 1.5"
    assert r"\underbrace{\cdots}_{4996\text{ more}}" in parts(long_sum(5000), LatexWriter)[1]
    assert "more" not in parts(long_sum(8))[1]
    assert "… 5 more …" in parts(long_sum(9))[1]
    whole = parts(long_sum(5000), style=Style(full=True))
    assert whole[1].count("+") == 4999
    assert (name, result) == (whole[0], whole[3])


def test_a_wide_fraction_stands_on_the_line():
    mean = arithmetic.average([named(0.123456, i) for i in range(8)])
    assert parts(mean, LatexWriter)[1].startswith(r"(\text{weight1} + ")
    assert parts(mean, LatexWriter)[1].endswith(" / 8")


# ---------------------------------------------------------------- explanations


def mischievous() -> Explanation:
    """Every kind of item, with every label that could be taken for markup."""
    wide = Table("Wide", ("row", *(f"column {i}" for i in range(25))), ((MISCHIEF[0], *range(25)),) * 60)
    labels = Table(
        MISCHIEF[2],
        ("label", *MISCHIEF[:2], "n", "of"),
        tuple(
            (label, label, None if n % 2 else "In words, and in as many as it takes.", n / 7, Symbol("weight", 0, 0, 0))
            for n, label in enumerate(MISCHIEF)
        ),
    )  # fmt: skip
    bare = Table("", ("", ""), (("a", 1), ("b", Fraction(1, 3)), ("c", math.nan)))
    x = named(0.5, 0)
    numbers = [
        long_sum(784),
        (1 / (1 + (-long_sum(6)).exp())),
        arithmetic.average([named(0.123456 * i, i) for i in range(8)]),
        named(1e-7, 0) * (x / (1 - x ** Traced(3))) / ((x / (1 - x ** Traced(3))).sqrt() + 1e-8),
        x.larger(-x).tanh().ln() if x.value < 0 else (x.larger(-x).tanh()),
        Traced(Decimal(1) / Decimal(7)) * Traced(Decimal("-0.5")),
    ]
    lines = [Line(RESULT, number, note) for number, note in zip(numbers, MISCHIEF, strict=False)]
    words = [
        Line(Symbol(what, 0, 0, 1, e), named(0.5, 0) * Traced(0.25, Symbol(what, 0, 1, 2, e)))
        for what in WORDS
        for e in (None, 3)
    ]
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>'
    pictures = Figure(svg, MISCHIEF[1], MISCHIEF[0]), Figure(None, MISCHIEF[0], MISCHIEF[1])
    sections = (
        Section("labels", MISCHIEF[2], (*MISCHIEF, labels, bare, Table("Empty", (), ()), *pictures)),
        Section("wide", MISCHIEF[5], (wide,)),
        *(Section("lines", label, (*lines,), e) for e, label in enumerate(MISCHIEF[:3], 1)),
        Section("words", "", (*words,)),
    )
    facts = {"loss": math.nan, "sizes": (1, 2), "deep": [{"rate": math.inf}]}
    return Explanation(MISCHIEF[0], sections, make_notation((9, 2), ["output"]), Style(), facts)


@pytest.fixture(scope="module")
def explanations() -> dict[str, Explanation]:
    random = np.random.default_rng(0)
    data = Examples(random.normal(size=(6, 3)), np.eye(2)[[0, 1, 0, 1, 0, 1]])
    adam = Settings(hidden=(2,), activation="sigmoid", output="linear", optimizer="adam", batch=2, epochs=2)
    exact = msgspec.structs.replace(adam, precision="float64")
    run = train_examples(data, adam)
    chapter = Settings(hidden=(), bias=False, optimizer="sgd", batch=1, epochs=1)
    neuron = train_examples(Examples([[0.1, 0.8]], [[0.4]]), chapter)
    return {
        "mischief": mischievous(),
        "adam": explain_step(train_examples(data, exact), epoch=2),
        "course": explain_step(run, epoch=2, notation="course"),
        "exact": explain_step(neuron, notation="course", exact=True),
    }


every_kind = pytest.mark.parametrize("kind", ["mischief", "adam", "course", "exact"])


def test_an_unknown_format_is_refused(explanations):
    with pytest.raises(
        ArgumentError, match=r"Unknown format 'htm'. In --format. Did you mean 'html'\? Known: text"
    ):
        show(explanations["exact"], "htm")


def test_an_explanation_shows_itself(explanations):
    explanation = explanations["exact"]
    assert str(explanation) == show(explanation, "text")
    assert explanation._repr_html_() == fragment(explanation)
    assert explanation._repr_markdown_() == show(explanation, "markdown")
    for name in FORMATS:
        assert explanation.show(name) == show(explanation, name)


# ---------------------------------------------------------------- text


@every_kind
@pytest.mark.parametrize("width", [40, 57, 80, 200])
def test_text_fits_the_terminal(explanations, kind, width):
    shown = show(explanations[kind], width=width)
    for line in shown.split("\n"):
        assert tables.columns_of(line) <= width or len(line.split()) == 1, line
        assert line == line.rstrip() or line.split()[0] in printable(" ".join(MISCHIEF)), line
    assert all(c.isprintable() or c == "\n" for c in shown)


@given(st.text(alphabet="ab+-*()= 手δ", max_size=200), st.integers(5, 60), st.booleans())
@example("a + b", 40, True)
def test_wrapped_text_fits_and_loses_nothing(words, width, terms):
    lines = text.wrap(words, width, "", "  ", terms=terms)
    assert " ".join(" ".join(lines).split()) == " ".join(words.split())
    for line in lines:
        assert tables.columns_of(line) <= width or len(line.split(" ")) - line.startswith("  ") * 2 <= 1


@given(formulas, st.integers(20, 120))
@hypothesis_settings(max_examples=50)
def test_lines_fit_and_say_it_all(number, width):
    found = parts(number)
    lines = text.formula_lines(found, width)
    assert " ".join(" ".join(lines).split()) == " = ".join(found)
    for line in lines:
        assert tables.columns_of(line) <= width or len(line.split()) <= 2


def test_a_formula_breaks_where_it_holds_together_least():
    assert text.formula_lines(["weight", "weight - rate * (m / (1 - beta))", "0.62"], 26) == [
        "weight = weight",
        "           - rate",
        "           * (m",
        "           / (1 - beta))",
        "       = 0.62",
    ]
    assert text.formula_lines(["a", "b * c + d * e", "1"], 13) == ["a = b * c", "      + d * e", "  = 1"]


def test_a_table_keeps_its_first_column_where_it_is_cut():
    table = Table("Caption", ("name", "first", "second"), (("a", 0.125, 12345678), ("b", None, -1)))
    shown = show(Explanation("T", (Section("x", "", (table,)),), COURSE), width=20)
    assert shown.split("\n\n")[1:] == [
        "Caption\nname  first\n----  -----\na     0.125\nb",
        "name    second\n----  --------\na     12345678\nb           -1",
    ]


# ---------------------------------------------------------------- Markdown


@every_kind
def test_markdown_formulas_and_tables_are_whole(explanations, kind):
    shown = show(explanations[kind], "markdown")
    shown = shown.replace(r"<span>\$</span>", "")
    blocks = re.split(r"^\$\$$", shown, flags=re.M)
    assert len(blocks) % 2 == 1
    for formula in blocks[1::2]:
        assert formula.strip().startswith(r"\begin{aligned}")
        assert "$" not in formula
        assert not re.search(r"[^\s\\]_|\\\\|[<>|*]", formula), formula
        assert formula.count("{") == formula.count("}")
    for prose in blocks[::2]:
        for line in prose.splitlines():
            assert line.count("$") % 2 == 0
            assert "\x1b" not in line
            bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", re.sub(r"\$[^$]*\$", "", line))
            assert not re.search(r"[*_`\[\]<>~\\]", bare), line
        for table in re.findall(r"(?:^\|.*\n)+", prose + "\n", re.M):
            columns = {re.sub(r"\\.", "", row).count("|") for row in table.splitlines()}
            assert len(columns) == 1
            assert re.fullmatch(r"\|( -+:? \|)+", table.splitlines()[1])


def test_markdown_escapes_what_would_be_markup():
    assert markdown.words("1. one") == r"1\. one"
    assert markdown.words("- one") == r"\- one"
    assert markdown.words("a: b & c") == "a: b & c"
    assert markdown.words(":smile: &lt;") == r"\:smile: \&lt;"
    assert markdown.words("$5") == r"<span>\$</span>5"


# ---------------------------------------------------------------- JSON


@every_kind
def test_json_evaluates_to_its_results(explanations, kind):
    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(show(explanations[kind], "json"), parse_constant=refuse)
    assert list(found) == ["title", "facts", "notation", "sections"]
    assert found["notation"] in ("standard", "course")
    lines = [item for section in found["sections"] for item in section["items"] if "name" in item]
    originals = list(explanations[kind].lines())
    assert len(lines) == len(originals)
    for line, original in zip(lines, originals, strict=True):
        value = original.number.value
        assert line["result"] == float(value)
        assert "…" not in (line["formula"] or "")
        if isinstance(value, (Decimal, Fraction)):
            assert type(value)(line["exact"]) == value
            number = type(value)
            values = re.sub(r"[\d.]+(e-?\d+)?", r"number('\g<0>')", line["values"] or line["exact"])
            assert eval(values, {}, FUNCTIONS | {"number": number}) == value
        elif line["values"] is not None:
            found_again = eval(line["values"], {}, FUNCTIONS)
            assert found_again == (pytest.approx(value, 1e-5, 1e-7) if kind == "course" else value), line
    assert any(line["values"] for line in lines)


def test_json_holds_what_json_cannot_say():
    number = Traced(math.inf)
    explanation = Explanation(
        "T", (Section("x", "", (Line(RESULT, number),)),), COURSE, Style(), {"a": math.nan}
    )
    found = json.loads(show(explanation, "json"))
    assert found["facts"] == {"a": None}
    assert found["sections"][0]["items"] == [
        {"name": "sum", "formula": None, "values": None, "result": None, "text": "inf", "note": ""}
    ]
    found = json.loads(show(mischievous(), "json"))
    items = found["sections"][0]["items"]
    assert [item["text"] for item in items[: len(MISCHIEF)]] == MISCHIEF
    bare = items[len(MISCHIEF) + 1]["table"]
    assert bare["rows"] == [
        ["a", 1],
        ["b", {"result": 1 / 3, "exact": "1/3"}],
        ["c", {"result": None, "text": "nan"}],
    ]
    assert {"svg", "alternative", "caption", "drawn"} == set(items[-1]["figure"])


# ---------------------------------------------------------------- LaTeX


@every_kind
def test_pdflatex_sets_every_page(explanations, kind, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("there is no pdflatex here (apt-get install texlive-latex-base)")
    shown = show(explanations[kind], "latex")
    assert shown.isascii()
    (tmp_path / "it.tex").write_text(shown, encoding="ascii")
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "it.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "it.log").read_text(encoding="latin-1")
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(too_wide, default=0) < 3, re.findall(r"Overfull.*\n.*", log)
    assert "Missing character" not in log
    if shutil.which("pdftoppm") is None:
        pytest.skip("there is no pdftoppm here (apt-get install poppler-utils)")
    subprocess.run(["pdftoppm", "-gray", "-r", "40", "it.pdf", "page"], cwd=tmp_path, check=True, timeout=60)
    pages = sorted(tmp_path.glob("page-*.pgm"))
    assert pages
    for page in pages:
        width, height = map(int, page.read_bytes().split(maxsplit=3)[1:3])
        dark = np.frombuffer(page.read_bytes()[-width * height :], np.uint8).reshape(height, width) < 200
        assert dark.any()
        edge = round(40 * 0.6)  # nothing stands within 15 mm of the paper's sides
        assert not dark[:, :edge].any(), page.name
        assert not dark[:, -edge:].any(), page.name


@given(st.text(max_size=60))
@hypothesis_settings(max_examples=200)
def test_latex_words_are_ascii_without_commands_of_the_label(words):
    shown = latex.words(words)
    assert shown.isascii()
    assert shown.isprintable()
    bare = shown.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[$&#%_]", shown)


# ---------------------------------------------------------------- HTML


class Page(HTMLParser):
    """The tags and texts of a page; complains where the tags do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words += data


@every_kind
def test_the_page_is_well_formed_and_asks_for_nothing(explanations, kind):
    shown = show(explanations[kind], "html")
    page = Page(shown)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "base", "object")
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("src") or "data:").startswith(
            "data:image/svg+xml;base64,"
        ) or "src" not in attributes
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert set(re.findall(r"url\(([^)]{0,22})", shown)) <= {"data:font/woff2;base64"}
    assert "@import" not in shown
    identities = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identities) == len(set(identities))
    # Without JavaScript every line can be read.
    squeezed = "".join(page.words.split())
    writer = Writer(explanations[kind].notation, explanations[kind].style)
    for line in explanations[kind].lines():
        assert "".join("=".join(writer.parts(line)).split()) in squeezed
    if kind == "mischief":
        for label in MISCHIEF:
            assert printable(label) in page.words


def test_examples_after_the_first_are_folded(explanations):
    page = show(explanations["mischief"], "html")
    assert re.findall(r"<summary>(.*?)</summary>", page) == ["Example 2", "Example 3"]


@every_kind
def test_a_notebook_gets_formulas_and_no_script(explanations, kind):
    shown = fragment(explanations[kind])
    page = Page(shown)
    assert not {tag for tag, _ in page.tags} & {"script", "style", "html", "body", "link"}
    inert = re.sub(r'<span class="tex2jax_ignore mathjax_ignore">[$\\]</span>', "", shown)
    assert inert.count("$$") == 2 * inert.count("aligned}") / 2 == inert.count(r"\begin{aligned}") * 2
    outside = re.sub(r"\$\$.*?\$\$", "", inert, flags=re.S)
    assert not re.search(r"[$\\]", re.sub(r"<[^>]*>", "", outside))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM} here (apt-get install chromium)")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()


LOOK = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const formulas = [...document.querySelectorAll('.tex')];
  const glyphs = [...document.querySelectorAll('.katex-html *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim().replace(/\\u200b/g, '')));
  const loaded = new Set([...document.fonts].filter(f => f.status === 'loaded').map(f => f.family + ' ' + f.style));
  return {
    wide,
    formulas: formulas.length,
    set: formulas.filter(e => e.querySelectorAll(':scope > .katex > .katex-mathml math').length === 1).length,
    errors: [...document.querySelectorAll('.katex-error')].map(e => e.title),
    red: glyphs.filter(e => getComputedStyle(e).color === 'rgb(204, 0, 0)').map(e => e.textContent),
    cut: formulas.filter(e => e.scrollHeight > e.clientHeight + 1).map(e => e.textContent),
    outside: formulas.filter(e => e.getBoundingClientRect().right > innerWidth + 1).length,
    fontless: [...new Set(glyphs.map(e => getComputedStyle(e))
      .map(s => s.fontFamily.split(',')[0] + ' ' + s.fontStyle).filter(f => !loaded.has(f)))],
  };
}"""


@every_kind
@pytest.mark.parametrize("width", [420, 1000])
def test_katex_sets_every_formula_on_every_screen(browser, explanations, tmp_path, kind, width):
    (tmp_path / "page.html").write_text(show(explanations[kind], "html"), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    try:
        page.goto((tmp_path / "page.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.wait_for_function("document.querySelectorAll('.tex[data-tex]').length === 0")
        page.evaluate("document.fonts.ready.then(() => 1)")
        seen = page.evaluate(LOOK)
        assert seen["wide"] <= 0
        assert seen["formulas"] == seen["set"] > 0
        assert seen["errors"] == seen["red"] == seen["cut"] == seen["fontless"] == []
        assert seen["outside"] == 0
        assert complaints == []
        assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "page.html").as_uri()]
    finally:
        page.close()


def test_the_page_is_text_without_javascript(browser, explanations, tmp_path):
    (tmp_path / "page.html").write_text(show(explanations["exact"], "html"), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    words = page.inner_text("main")
    context.close()
    assert "δ_weight2" in words
    assert "= 0.9 - " in words or "weight2_new" in words


def test_katex_is_the_version_that_its_note_says():
    note = (html_format.KATEX / "README.md").read_text(encoding="utf-8")
    noted = dict(re.findall(r"\| `([^`]+)` \| `([0-9a-f]{64})` \|", note))
    files = [path for path in html_format.KATEX.rglob("*") if path.suffix in (".js", ".css", ".woff2")]
    assert {str(path.relative_to(html_format.KATEX)) for path in files} == set(noted)
    for path in files:
        assert sha256(path.read_bytes()).hexdigest() == noted[str(path.relative_to(html_format.KATEX))]
    version = re.search(
        r'version:after\{content:"([\d.]+)"', (html_format.KATEX / "katex.min.css").read_text()
    )
    assert f"# KaTeX {version[1]}\n" in note


# ---------------------------------------------------------------- what must stay whole


def test_a_picture_is_drawn_with_characters_where_there_are_only_characters():
    picture = Figure(None, "a line that rises", "Loss", "  *\n *\n*\x1b[2J")
    explanation = Explanation("Drawn", (Section("curve", "Curve", (picture,)),), COURSE)
    for format in ("text", "markdown"):
        lines = [line.strip() for line in show(explanation, format).splitlines()]
        at = lines.index("*")
        assert lines[at : at + 2] == ["*", "*"]
        assert "\x1b" not in show(explanation, format)
    assert "a line that rises" in show(explanation, "html")


def test_a_command_is_never_broken():
    command = "tinyglass explain " + "x" * 30 + " --epoch 1 --step 2"
    table = Table("How", ("command",), ((command,),))
    explanation = Explanation("Commands", (Section("how", "How", (table,)),), COURSE)
    assert command in show(explanation, "text", width=30).splitlines()
