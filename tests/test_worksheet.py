"""Worksheets: which lines are blank, what a sheet gives away, and that every format can be used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from tinyglass import ArgumentError, make_settings, read_recordings, train
from tinyglass.worksheet.answers import match, parse_filled, read_filled
from tinyglass.worksheet.files import find_sheet, open_sheet, read_problem, to_toml
from tinyglass.worksheet.grading import grade
from tinyglass.worksheet.problem import course_problem, run_problem
from tinyglass.worksheet.sheet import make_sheet
from tinyglass.worksheet.values import ingredients
from tinyglass.worksheet.writing import ENDINGS, write

CHROMIUM = Path("/usr/bin/chromium")
SMALL = {
    "hidden": [2],
    "epochs": 3,
    "inputs": ["raw"],
    "augment": [],
    "threshold": 0,
    "temperature": 1,
    "batch": 4,
}


@pytest.fixture(scope="module")
def small_run():
    """A network of two hidden neurons with everything that a step may have: L2, weights of examples, Adam."""
    return train(read_recordings(), make_settings(SMALL | {"l2": 0.01, "class_weight": "balanced"}))


def names(sheet) -> list[str]:
    return [sheet.name(symbol) for symbol in sheet.blanks]


# ---------------------------------------------------------------- blanks


def test_by_default_every_result_is_blank_and_no_given_number():
    sheet = make_sheet(course_problem("neuron"), notation="course")
    assert names(sheet) == [
        "sum", "output", "error", "loss", "f'(sum)", "δ_weight1", "δ_weight2", "weight1_new", "weight2_new",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("blanks", "expected"),
    [
        ("gradients", {"δ_weight1", "δ_weight2"}),
        ("new", {"weight1_new", "weight2_new"}),
        ("update,δ_weight2", {"δ_weight2", "weight1_new", "weight2_new"}),
        ("delta_weight1", {"δ_weight1"}),
        ("output[0,1].new", {"weight2_new"}),
        ("error", {"error"}),
    ],
)
def test_blanks_are_chosen_by_section_kind_or_name(blanks, expected):
    assert set(names(make_sheet(course_problem("neuron"), blanks=blanks, notation="course"))) == expected


def test_a_share_is_chosen_by_the_seed():
    def chosen(blanks, seed):
        return names(make_sheet(course_problem("gesture"), blanks=blanks, seed=seed))

    assert len(chosen("4", 1)) >= 4
    assert 19 <= len(chosen("50%", 1)) < 37
    assert chosen("50%", 1) == chosen("50 %", 1) != chosen("50%", 2)


@pytest.mark.parametrize("blanks", ["0", "38", "0%", "101%", "gradient5", "", "gradients,", "input1"])
def test_blanks_that_do_not_exist_are_refused(blanks):
    with pytest.raises(ArgumentError, match=r"--blanks"):
        make_sheet(course_problem("gesture"), blanks=blanks, notation="course")


def test_a_word_like_no_name_gets_the_list_only_and_each_name_once():
    with pytest.raises(ArgumentError) as error:
        make_sheet(course_problem("neuron"), blanks="nonsense", notation="course")
    assert "Did you mean" not in str(error.value)
    known = str(error.value).partition("Known: ")[2].rstrip(".").split(", ")
    assert len(known) == len(set(known)) > 5
    with pytest.raises(ArgumentError, match="Did you mean 'loss'"):
        make_sheet(course_problem("neuron"), blanks="los", notation="course")


@pytest.mark.parametrize(
    ("name", "said"), [("w4.pdf", "does not end in .pdf"), ("w4.tex", "--format latex"), ("w4.d", "")]
)
def test_an_ending_that_is_not_the_formats_is_refused(here, tmp_path, name, said):
    done = here("worksheet", "course:neuron", "--out", tmp_path / name)
    assert done.returncode == (2 if said else 0)
    assert said in done.stderr
    assert (tmp_path / name).exists() == (not said)


@given(st.integers(1, 37), st.integers(0, 10**6))
@given_settings(max_examples=25)
def test_no_line_shows_the_result_of_a_blank_it_is_made_from(n, seed):
    sheet = make_sheet(course_problem("gesture"), blanks=str(n), seed=seed, notation="course")
    world = sheet.world()
    shown = {symbol: sheet.style.number(world.value(symbol)).lstrip("-") for symbol in sheet.results}
    for symbol in set(sheet.results) - set(sheet.blanks):
        for source in ingredients(sheet.lines[symbol]):
            assert source not in sheet.blanks or shown[source] != shown[symbol]


@pytest.mark.parametrize("format", ENDINGS)
def test_a_sheet_prints_none_of_its_results(format, small_run):
    for problem in (course_problem("gesture"), run_problem(small_run, epoch=2, step=2)):
        sheet = make_sheet(problem, notation="course")
        blank, solution = write(sheet, format), write(sheet, format, solved=True)
        given = {sheet.style.number(value).lstrip("-") for value in sheet.given.values()}
        given |= {
            sheet.style.number(line.number.value).lstrip("-")
            for symbol, line in sheet.lines.items()
            if symbol not in sheet.blanks
        }
        found = 0
        for symbol in sheet.blanks:
            text = sheet.style.number(sheet.world().value(symbol)).lstrip("-")
            if len(text) > 4 and "e" not in text and text not in given:
                whole = rf"(?<![\d.]){re.escape(text)}(?![\d])"
                assert re.search(whole, solution), (symbol, text)
                assert not re.search(whole, blank), (symbol, text)
                found += 1
        assert found > 15


# ---------------------------------------------------------------- formats


class Page(HTMLParser):
    """The fields and the data of a sheet's page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: list[str] = []
        self.data, self.reading = "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "input":
            self.fields.append(values["aria-label"])
        assert not any(value and value.startswith("http") for value in values.values())
        self.reading = values.get("id") == "sheet"

    def handle_endtag(self, tag):
        self.reading = False

    def handle_data(self, data):
        self.data += data if self.reading else ""


def test_the_page_has_a_field_for_every_blank_and_carries_the_sheet():
    sheet = make_sheet(course_problem("gesture"), blanks="50%", notation="course")
    page = Page(write(sheet))
    assert page.fields == names(sheet)
    data = json.loads(page.data)
    rows = [f"[[lines]]\nname = {json.dumps(line['name'])}\nanswer = '1'\n" for line in data["lines"]]
    filled = parse_filled(data["head"] + "".join(rows), "answers.toml")
    assert len(match(filled, open_sheet(filled))) == len(sheet.blanks)
    assert Page(write(sheet, solved=True)).fields == []


def test_the_page_saves_what_was_filled_in(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM} here (apt-get install chromium)")
    page = tmp_path / "sheet.html"
    page.write_text(write(make_sheet(course_problem("gesture"), notation="course")), encoding="utf-8")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 420, "height": 900})
        wrong: list[str] = []
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(page.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == 420
        tab.get_by_label("error1", exact=True).fill("−1,88385")
        tab.get_by_label("weight24_new", exact=True).fill('a"b\\')
        with tab.expect_download() as download:
            tab.get_by_role("button").click()
        download.value.save_as(tmp_path / "answers.toml")
        browser.close()
    assert wrong == []
    filled, sheet = find_sheet(tmp_path / "answers.toml")
    found = {line.name: line for line in grade(sheet, match(filled, sheet)).lines if line.answer}
    assert {name: line.status for name, line in found.items()} == {
        "error1": "right",
        "weight24_new": "unreadable",
    }
    assert found["weight24_new"].answer == 'a"b\\'


def test_titles_are_text_in_every_format():
    title = 'a </script><b>"1" & $2_ # % \\ \n[[lines]]'
    sheet = make_sheet(course_problem("neuron")._replace(title=title), notation="course")
    page = write(sheet)
    assert "<b>&quot;" not in page
    assert page.count("</script>") == 2
    assert json.loads(Page(page).data)["head"].count("\n[[lines]]") == 0
    assert len(tomllib.loads(to_toml(sheet))["lines"]) == len(sheet.blanks)
    assert r"\$2\_ \# \%" in write(sheet, "latex")


@pytest.mark.parametrize("solved", [False, True])
def test_latex_compiles(solved, small_run, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    for k, problem in enumerate((course_problem("gesture"), run_problem(small_run, epoch=2, example=2))):
        for notation in ("course", "standard"):
            path = tmp_path / f"sheet{k}{notation}.tex"
            path.write_text(write(make_sheet(problem, notation=notation), "latex", solved), encoding="utf-8")
            done = subprocess.run(
                ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name],
                cwd=tmp_path, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-2000:]
            assert "Overfull" not in done.stdout


@pytest.mark.parametrize("notation", ["course", "standard"])
@pytest.mark.parametrize(
    "where",
    [{"epoch": 2, "step": 2}, {"example": 3}, {"weight": "hidden[0,1]"}, {"neuron": "output[1]", "epoch": 3}],
)
def test_a_sheet_filled_with_its_solution_is_all_right(small_run, where, notation):
    sheet = make_sheet(run_problem(small_run, **where), notation=notation)
    filled = parse_filled(to_toml(sheet, solved=True), "answers.toml")
    again = open_sheet(filled)
    assert to_toml(again) == to_toml(sheet)
    grading = grade(again, match(filled, again))
    assert [line for line in grading.lines if line.status != "right"] == []
    assert len(grading.lines) == len(sheet.blanks) > 5


def test_a_network_too_large_to_be_written_out_is_refused_and_one_weight_of_it_is_not():
    run = train(read_recordings(), make_settings(SMALL | {"hidden": [200], "epochs": 1}))
    with pytest.raises(ArgumentError, match="too large for a worksheet"):
        make_sheet(run_problem(run))
    sheet = make_sheet(run_problem(run, weight="hidden[7,1]"))
    assert "hidden[7,1].new" in names(sheet)
    filled = parse_filled(to_toml(sheet, solved=True), "x.toml")
    assert to_toml(open_sheet(filled)) == to_toml(sheet)


# ---------------------------------------------------------------- the command line


@pytest.mark.parametrize("format", ENDINGS)
def test_the_verb_writes_sheet_and_solution(here, tmp_path, format):
    done = here("worksheet", "course:gesture", "--format", format, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"worksheet{ENDINGS[format]}", f"worksheet-solution{ENDINGS[format]}"}
    assert all(name in done.stdout for name in written)


def test_the_verb_takes_a_run_a_file_and_a_name_for_the_sheet(here, course_training, tmp_path):
    sheet = tmp_path / "deep" / "monday.toml"
    words = ("--epoch", 2, "--step", 3, "--format", "toml", "--out")
    done = here("worksheet", course_training, *words, sheet)
    assert done.returncode == 0, done.stderr
    problem = read_problem(read_filled(sheet))
    assert problem.title == "Epoch 2, step 3 of a training"
    assert here("worksheet", sheet, "--out", tmp_path).returncode == 0
    solution = sheet.with_name("monday-solution.toml")
    assert "40 of 40 right" not in here("check", sheet).stdout
    assert re.search(r"(\d+) of \1 right\.", here("check", solution).stdout)


def test_a_sheet_that_was_filled_in_is_not_overwritten(here, tmp_path):
    words = ("worksheet", "course:neuron", "--format", "toml", "--out", tmp_path)
    assert here(*words).returncode == 0
    assert here(*words).returncode == 0  # the same again loses nothing
    path = tmp_path / "worksheet.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace('answer = ""', 'answer = "1"', 1), encoding="utf-8"
    )
    done = here(*words)
    assert done.returncode == 2
    assert "another file" in done.stderr
    assert 'answer = "1"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("course:plant",), "no step course:plant"),
        (("course:gesture", "--step", "2"), "--step means nothing"),
        (("course:gesture", "--format", "pdf"), "Unknown format"),
        (("course:gesture", "--notation", "curse"), "Did you mean 'course'"),
        (("course:gesture", "--digits", "40"), "at most 17"),
        (("course:gesture", "--blanks", "gradient_s"), "Did you mean 'gradients'"),
        (("nothing-here",), "nothing-here"),
        (("nothing-here.toml",), "nothing-here.toml"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(here, tmp_path, words, said):
    done = here("worksheet", *words, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
