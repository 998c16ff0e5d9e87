"""Write the lessons, pages and notebooks, from their templates; with --check, only say whether they are fresh.

A template is Markdown in which no number is typed. ``{{ expression }}`` in a text becomes its value. Blocks run in
their order, in one namespace, that of ``first_cell.py``; a picture that one draws becomes a file:

    ```python           code, shown in the page with what it gives
    ```python quiet     the page shows only what it gives
    ```sh               commands
    ```sh output        commands, and what they print
    ```toml gate.toml   a file, for the blocks below; or ```text answers.txt

In the notebook each block is a cell; what it gives is not stored.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import matplotlib
from matplotlib import pyplot

from tinyglass import Explanation
from tinyglass.cli import main as command
from tinyglass.explain.explanation import Figure
from tinyglass.explain.notation import PLAIN_STYLE
from tinyglass.figures import STYLE

LESSONS = Path(__file__).parent / "lessons"
TEMPLATES = LESSONS / "templates"
FIRST_CELL = TEMPLATES / "first_cell.py"
BLOCK = re.compile(r"^```(?!text\n)(python|sh|toml|text)(?: ([\w.]+))?\n(.*?)^```\n", re.M | re.S)
FILES = ("toml", "text")
EXPRESSION = re.compile(r"{{(.+?)}}", re.S)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
WIDTH = 100  # characters of what commands print


class Block(NamedTuple):
    """A part of a template: a text, or code in a language with a word about it."""

    language: str
    word: str
    text: str


def parts_of(template: str) -> Iterator[Block]:
    """Yield texts and blocks in their order."""
    end = 0
    for found in BLOCK.finditer(template):
        yield Block("", "", template[end : found.start()])
        yield Block(found[1], found[2] or "", found[3])
        end = found.end()
    yield Block("", "", template[end:])


# ---------------------------------------------------------------- running


class Lesson:
    """A template that is being run: its names, and the pictures that it drew."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.names: dict[str, Any] = {"in_words": in_words}
        self.pictures: dict[str, str] = {}
        exec(FIRST_CELL.read_text(encoding="utf-8"), self.names)

    def fill(self, text: str) -> str:
        """Return a text with its expressions replaced by their values."""
        return EXPRESSION.sub(lambda found: as_text(eval(found[1].strip(), self.names)), text)

    def run(self, block: Block) -> str:
        """Run a block and return what it gives, as Markdown."""
        if block.language in FILES:
            Path(block.word).write_text(block.text, encoding="utf-8")
            return ""
        if block.language == "sh":
            printed = "".join(f"{run_command(line)}\n" for line in block.text.splitlines() if line)
            return fenced(printed) if block.word == "output" else ""
        return self.run_python(block.text)

    def run_python(self, code: str) -> str:
        """Run Python as a notebook does: what is printed, the value of the last line, and what was drawn."""
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(tree, self.name, "exec"), self.names)
            value = eval(compile(ast.Expression(last.value), self.name, "eval"), self.names) if last else None
        words = re.match(r"# picture: (.+)", code)
        parts = [fenced(printed.getvalue()), self.shown(value, words[1] if words else "")]
        for number in pyplot.get_fignums():
            svg = io.StringIO()
            pyplot.figure(number).savefig(svg, format="svg", metadata={"Date": None}, bbox_inches="tight")
            parts.append(self.picture(svg.getvalue(), words[1] if words else ""))
        pyplot.close("all")
        return "\n".join(filter(None, parts))

    def shown(self, value: Any, words: str) -> str:
        if value is None:
            return ""
        if isinstance(value, Explanation):
            return self.explained(value)
        if hasattr(value, "_repr_svg_"):
            return self.picture(value._repr_svg_(), words)
        return fenced(f"{value!r}\n")

    def explained(self, explanation: Explanation) -> str:
        """Return an explanation as Markdown without its title; its pictures become files."""
        blocks = []
        for section in explanation.sections:
            if len(explanation.sections) > 1 and section.title:
                blocks.append(f"**{markdown(explanation, section._replace(items=(section.title,)))}**")
            for drawn, items in groupby(section.items, lambda item: isinstance(item, Figure)):
                if drawn:
                    blocks += [self.picture(item.svg, item.alternative).strip() for item in items]
                else:
                    blocks.append(markdown(explanation, section._replace(items=tuple(items))))
        return "\n\n".join(blocks) + "\n"

    def picture(self, svg: str, words: str) -> str:
        """Keep a picture for its file, and return the line that shows it."""
        assert words, f"{self.name}: a picture has no words; begin its block with # picture: …"
        file = f"{self.name}-{len(self.pictures) + 1}.svg"
        self.pictures[file] = svg[svg.index("<svg") :]
        return f"![{words}](pictures/{file})\n"


def markdown(explanation: Explanation, section: Any) -> str:
    text = replace(explanation, title="", sections=(section._replace(title=""),)).show("markdown")
    return text.partition("\n")[2].strip()


def run_command(line: str) -> str:
    """Run a command of tinyglass in this process and return what it prints."""
    program, *words = shlex.split(line, comments=True)
    assert program == "tinyglass", f"not tried: {line}"
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(io.StringIO()) as wrong,
    ):
        try:
            code = command(words)
        except SystemExit as end:
            code = end.code
    assert code in (0, None), f"{line}\n{wrong.getvalue()}"
    # How long it took is another number each time.
    return re.sub(r"(│ time +│ )([\d.]+ s)", lambda row: row[1] + "…".ljust(len(row[2])), printed.getvalue())


def fenced(text: str) -> str:
    text = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return f"```text\n{text}\n```\n" if text else ""


def as_text(value: Any) -> str:
    """Return a value as it stands in a text: six digits of a float, an exact number in full."""
    return value if isinstance(value, str) else PLAIN_STYLE.number(value).replace("-", "−")


def in_words(count: int) -> str:
    """Return a small count in words."""
    return NUMBERS[int(count)]


# ---------------------------------------------------------------- pages and notebooks


def write(template: Path) -> dict[str, str]:
    """Return the files that a template makes, by their places in the folder of the lessons."""
    lesson, name = Lesson(template.stem), template.stem
    page, cells = [], [cell("code", f"{name}-0", FIRST_CELL.read_text(encoding="utf-8"))]
    for number, block in enumerate(parts_of(template.read_text(encoding="utf-8")), 1):
        try:
            page.append(on_page(block, lesson))
            cells += in_notebook(block, lesson, f"{name}-{number}")
        except Exception as error:
            raise RuntimeError(f"{template.name}: {block.text.strip()[:300]}") from error
    # The title comes before what the notebook prepares.
    cells[:2] = cells[1::-1]
    has_notebook = name[0].isdigit()
    end = f"*Written by `make docs` from [its template](templates/{template.name})"
    end += f"; as a notebook: [{name}.ipynb]({name}.ipynb).*\n" if has_notebook else ".*\n"
    files = {f"{name}.md": "\n\n".join(filter(None, [*(text.strip("\n") for text in page), end]))}
    if has_notebook:
        files[f"{name}.ipynb"] = notebook(cells)
    return files | {f"pictures/{file}": svg for file, svg in lesson.pictures.items()}


def on_page(block: Block, lesson: Lesson) -> str:
    if not block.language:
        return lesson.fill(block.text)
    code = "" if block.word == "quiet" else f"```{block.language}\n{block.text}```\n"
    if block.language in FILES:
        code = f"`{block.word}`:\n\n{code}"
    return f"{code}\n{lesson.run(block)}" if code else lesson.run(block)


def in_notebook(block: Block, lesson: Lesson, id: str) -> list[dict[str, Any]]:
    if not block.text.strip():
        return []
    if not block.language:
        text = lesson.fill(block.text)
        return [cell("markdown", id, re.sub(r"\((\d-[\w-]+)\.md\)", r"(\1.ipynb)", text))]
    if block.language in FILES:
        return [cell("code", id, f"%%writefile {block.word}\n{block.text}")]
    if block.language == "sh":
        return [cell("code", id, "".join(f"!{line}\n" for line in block.text.splitlines() if line))]
    return [cell("code", id, block.text)]


def cell(kind: str, id: str, text: str) -> dict[str, Any]:
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": id, "metadata": {}, "source": text.strip().splitlines(True), **code}


def notebook(cells: list[dict[str, Any]]) -> str:
    """Return a notebook as its file has it, with nothing that a kernel gave."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


# ---------------------------------------------------------------- fresh or stale


def same(name: str, old: str, new: str) -> bool:
    """Tell whether a file is what it should be; of a picture, whether it looks the same."""
    if not name.endswith(".svg"):
        # What rounding left over, such as 6.1e-16, is another number on another machine, or none.
        tiny = re.compile(r"\$?-?\d\.?\d*(?:e-|\\cdot 10\^\{-)(?:09|[1-9]\d)(?:\}\$)?")
        return tiny.sub("0", old) == tiny.sub("0", new)
    number = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
    parts = [
        re.sub(r"<metadata>.*?</metadata>|\b[a-z][0-9a-f]{10}\b", "", text, flags=re.S) for text in (old, new)
    ]
    if len({re.sub(number, "0", part) for part in parts}) > 1:
        return False
    pairs = zip(*(map(float, re.findall(number, part)) for part in parts), strict=True)
    return all(abs(a - b) <= 0.5 for a, b in pairs)


def make(templates: list[Path]) -> dict[str, str]:
    """Return all files that some templates make; everything they write stays in a folder that is then gone."""
    files: dict[str, str] = {}
    matplotlib.use("Agg")
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH), "NO_COLOR": "1"}),
        mock.patch.object(pyplot, "show", return_value=None),
        matplotlib.rc_context(STYLE | {"figure.figsize": (6, 3), "figure.constrained_layout.use": True}),
    ):
        for template in templates:
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                files |= write(template)
    return files


def main() -> None:
    check = "--check" in sys.argv
    asked = [word for word in sys.argv[1:] if word != "--check"]
    templates = sorted(path for path in TEMPLATES.glob("*.md") if path.stem in asked or not asked)
    files, stale = make(templates), []
    for name, text in files.items():
        path = LESSONS / name
        if not path.exists() or not same(name, path.read_text(encoding="utf-8"), text):
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)}")


if __name__ == "__main__":
    main()
