"""The lessons: fresh, without typed numbers, their code and notebooks run, their links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import unmeasured

ROOT = Path(__file__).parent.parent
LESSONS = ROOT / "docs" / "lessons"
TEMPLATES = sorted((LESSONS / "templates").glob("*.md"))
PAGES = [LESSONS / template.name for template in TEMPLATES]
NOTEBOOKS = [page.with_suffix(".ipynb") for page in PAGES if page.name[0].isdigit()]
MAKER = ROOT / "docs" / "make_lessons.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The program that makes the lessons."""
    spec = importlib.util.spec_from_file_location("make_lessons", MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(path: Path) -> str:
    return path.stem


# ---------------------------------------------------------------- fresh


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_page_notebook_and_pictures_are_fresh(template):
    made = subprocess.run([sys.executable, MAKER, "--check", template.stem], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr + "\nRun: make docs"


def test_the_chapter_has_its_five_lessons_and_two_pages():
    assert [page.name for page in PAGES] == [
        "1-neuron.md",
        "2-or-gate.md",
        "3-plant.md",
        "4-gestures.md",
        "5-your-own-recordings.md",
        "README.md",
        "mistakes.md",
    ]


def test_nothing_lies_there_that_no_template_makes():
    shown = {link for page in PAGES for link in re.findall(r"\((pictures/[^)]+)\)", page.read_text("utf-8"))}
    assert {path.relative_to(LESSONS).as_posix() for path in (LESSONS / "pictures").iterdir()} == shown
    assert {path for path in LESSONS.iterdir() if path.is_file()} == {*PAGES, *NOTEBOOKS}


@pytest.mark.parametrize(
    ("name", "old", "new", "equal"),
    [
        ("a.md", "sum 0.75", "sum 0.75", True),
        ("a.md", "sum 0.75", "sum 0.76", False),
        ("a.md", "gap 6.10623e-16", "gap 5.5e-17", True),
        ("a.md", "| 0 |", r"| $4.16\cdot 10^{-17}$ |", True),
        ("a.md", "rate 1e-05", "rate 2e-05", False),
        ("a.svg", '<path d="M 10.25 3">', '<path d="M 10.26 3">', True),
        ("a.svg", '<path d="M 10.25 3">', '<path d="M 12.25 3">', False),
        ("a.svg", '<path d="M 10.25 3">', '<path d="L 10.25 3">', False),
        ("a.svg", '<use id="m0a1b2c3d4e"/>', '<use id="mffffffffff"/>', True),
    ],
)
def test_what_counts_as_the_same(maker, name, old, new, equal):
    assert maker.same(name, old, new) is equal


def test_a_number_that_was_changed_by_hand_is_found(maker, tmp_path, monkeypatch):
    files = maker.make([LESSONS / "templates" / "mistakes.md"])
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(maker, "LESSONS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_lessons.py", "--check", "mistakes"])
    maker.main()  # fresh
    page = tmp_path / "mistakes.md"
    page.write_text(page.read_text("utf-8").replace("0.865", "0.866"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"stale: mistakes\.md"):
        maker.main()


# ---------------------------------------------------------------- no number by hand

ALLOWED = re.compile(  # a licence, names of pages and of weights, lists
    r"CC BY-SA 4\.0|\d-[a-z-]+\.(?:md|ipynb)(?:#[\w-]+)?|`\w+\[[\w,]+\]`|^1\. ", re.M
)


def typed_numbers(maker: ModuleType, template: str) -> list[str]:
    """Return the numbers in the texts of a template: not those of code, expressions and names such as weight2."""
    texts = "\n".join(block.text for block in maker.parts_of(template) if not block.language)
    texts = ALLOWED.sub("", maker.EXPRESSION.sub("", texts))
    return re.findall(r"(?<![A-Za-z_\d])\d[\d.,]*", texts)


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_no_number_is_typed_by_hand(maker, template):
    assert typed_numbers(maker, template.read_text(encoding="utf-8")) == []


def test_a_typed_number_is_found(maker):
    text = "The sum of `weight2` is 0.75, {{ value[1] }} is not.\n\n```python\n1 + 1\n```\n\n1. float64, half of 3\n"
    assert typed_numbers(maker, text) == ["0.75,", "3"]


# ---------------------------------------------------------------- code


@pytest.mark.parametrize("page", [page for page in PAGES if page.name[0].isdigit()], ids=name_of)
def test_the_code_of_a_page_runs_without_what_the_page_does_not_show(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    for name, content in re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", text, re.M | re.S):
        (tmp_path / name).write_text(content, encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 3
    for cell in code:
        assert cell.execution_count is None
        assert cell.outputs == []
        # A command that fails is no error of the cell: ask for its code.
        cell.source = re.sub(r"^(!.+)$", r"\1\nassert _exit_code == 0", cell.source, flags=re.M)
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = tmp_path / "learner"
    folder.mkdir()
    environment = unmeasured() | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    assert all(cell.execution_count for cell in code)
    shown = json.dumps([cell.outputs for cell in code])
    assert "image/" in shown  # the pictures
    assert "Traceback" not in shown


# ---------------------------------------------------------------- pages


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_formulas_and_tables_are_whole(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    formulas = re.findall(r"^\$\$\n(.*?)\n\$\$$", text, re.M | re.S)
    assert text.count("$$") == 2 * len(formulas)
    for formula in formulas:
        assert formula.count("{") == formula.count("}")
        assert formula.startswith(r"\begin{aligned}") == formula.endswith(r"\end{aligned}")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1, block
    assert " at 0x" not in text
    assert str(ROOT) not in text
