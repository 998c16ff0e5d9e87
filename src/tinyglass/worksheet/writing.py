"""A worksheet and its solution as a page to print or to fill in on screen, as LaTeX, or as TOML."""

from __future__ import annotations

import json
from collections.abc import Callable

from .. import __version__
from ..errors import ArgumentError, nearest
from ..explain.explanation import Line
from ..explain.formats.latex import PREAMBLE, words
from ..explain.notation import WORDS
from ..explain.tracing import Symbol
from ..pages import STYLE as PAGE_STYLE
from ..pages import text
from .files import head_of, lines_of, to_toml
from .gaps import GapWriter, LatexGapWriter
from .sheet import Sheet
from .values import ingredients

ANSWERS = "answers.toml"


def write(sheet: Sheet, format: str = "html", solved: bool = False) -> str:
    """Return a sheet, or its solution, in a format: html, latex or toml.

    Raises
    ------
    ArgumentError
        If there is no such format.

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> from tinyglass.worksheet.sheet import make_sheet
    >>> sheet = make_sheet(course_problem("neuron"), notation="course")
    >>> write(sheet, "latex", solved=True).count(r"\\result{0.62}")
    1
    """
    if format not in FORMATS:
        raise ArgumentError(f"Unknown format {format!r}", "--format", nearest(format, list(FORMATS)))
    return FORMATS[format](sheet, solved)


def _introduction(sheet: Sheet, solved: bool) -> list[str]:
    """Return the paragraphs above the lines."""
    digits, n = sheet.style.digits, len(sheet.blanks)
    if solved:
        return [f"The solution. Every number is shown to {digits} digits; more were kept on the way."]
    return [
        f"Find the {n} missing numbers, line by line. " if n > 1 else "Find the missing number. ",
        f"Start from the numbers given here, which have at most {digits} digits. Round as you like: an answer "
        "is right if it is the result rounded to the digits that it shows; but a plain 0, without decimals, is "
        "right only where the result is 0.",
    ]


def _given(sheet: Sheet) -> list[tuple[str, str]]:
    """Return name and value of every weight."""
    return [
        (sheet.name(symbol), sheet.style.number(value))
        for symbol, value in sheet.given.items()
        if symbol.what == "weight" and _is_used(sheet, symbol)
    ]


def _is_used(sheet: Sheet, weight: Symbol) -> bool:
    """Tell whether a weight stands in a formula of the sheet; of a large network few do."""
    return any(weight in ingredients(line) for line in sheet.lines.values())


def _legend(sheet: Sheet) -> list[tuple[str, str]]:
    """Return an example of every kind of name with what it means."""
    found: dict[str, tuple[str, str]] = {}
    for symbol in sheet.lines:
        found.setdefault(symbol.what, (sheet.name(symbol), WORDS[symbol.what].meaning))
    return list(found.values())


# ---------------------------------------------------------------- HTML

SHEET_STYLE = """
p, h1, h2, dt, dd { overflow-wrap: anywhere; }
.line { margin: 0 0 .8rem; break-inside: avoid; }
.formula { padding-left: 2rem; text-indent: -2rem; font: 1rem/1.7 Georgia, "DejaVu Serif", serif; }
.formula, .formula * { overflow-wrap: anywhere; }
.last { white-space: nowrap; }
.formula b { font-weight: 600; }
.note { color: #444; font-size: .9rem; margin: 0 0 0 2rem; }
.gap { display: inline-block; width: 1.6em; height: 1.1em; border: 1px solid #777; vertical-align: -.2em; }
.formula input { font: inherit; width: 8.5rem; max-width: 60vw; text-indent: 0; border: 0; padding: 0 .3rem;
  border-bottom: 2px solid #0072b2; background: #f0f6fa; }
.formula input:focus-visible, button:focus-visible { outline: 3px solid #0072b2; }
.result { font-weight: 600; background: #d6eadf; padding: 0 .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dd { margin: 0; }
dl.numbers { grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
dl.numbers > div { display: flex; gap: .5rem; }
dl.numbers dd { white-space: nowrap; }
button { font: inherit; padding: .5rem 1rem; border: 1px solid #0072b2; background: #0072b2; color: #fff;
  border-radius: .25rem; }
@page { margin: 15mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  .screen { display: none; }
  .formula input { background: none; border-bottom: 1px solid #000; width: 7rem; }
  .result { background: none; }
}
"""

SCRIPT = """
const sheet = JSON.parse(document.getElementById("sheet").textContent);
const inputs = [...document.querySelectorAll("input[data-line]")];
let saved = true;
for (const input of inputs) input.addEventListener("input", () => { saved = false; });
addEventListener("beforeunload", event => { if (!saved) event.preventDefault(); });
document.getElementById("save").addEventListener("click", () => {
  const lines = sheet.lines.map((line, k) => "\\n[[lines]]\\n" + Object.entries({...line, answer: inputs[k].value})
    .map(([name, value]) => name + " = " + JSON.stringify(value) + "\\n").join(""));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([sheet.head + lines.join("")], {type: "application/toml"}));
  link.download = sheet.file;
  link.click();
  URL.revokeObjectURL(link.href);
  saved = true;
});
"""


def _to_html(sheet: Sheet, solved: bool) -> str:
    writer = GapWriter(sheet, solved)
    title = sheet.problem.title + (": solution" if solved else "")
    body = [f"<p>{text(paragraph)}</p>\n" for paragraph in _introduction(sheet, solved)]
    body.append(_numbers("Weights", _given(sheet)))
    number = 0
    for k, section in enumerate(sheet.sections, 1):
        shown = []
        for line in section.items:
            assert isinstance(line, Line)
            number += line.name in sheet.blanks
            shown.append(_line(line, sheet, writer, number - 1, solved))
        body.append(
            f'<section aria-labelledby="part-{k}">\n<h2 id="part-{k}">{text(section.title)}</h2>\n'
            f"{''.join(shown)}</section>\n"
        )
    body.append(_meanings(_legend(sheet)))
    if not solved:
        body.append(
            '<p class="screen"><button type="button" id="save">Save my answers</button> Then run '
            f"<code>tinyglass check {ANSWERS}</code> where the file was saved.</p>\n"
        )
    data = {
        "head": head_of(sheet),
        "file": ANSWERS,
        "lines": lines_of(sheet),
    }
    embedded = json.dumps(data).replace("<", "\\u003c")
    script = (
        ""
        if solved
        else f'<script type="application/json" id="sheet">{embedded}</script>\n<script>{SCRIPT}</script>\n'
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{PAGE_STYLE}{SHEET_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{text(title)}</h1></header>\n<main>\n{''.join(body)}</main>\n"
        f"<footer><p>Written by tinyglass {__version__}.</p></footer>\n{script}</body>\n</html>\n"
    )


def _line(line: Line, sheet: Sheet, writer: GapWriter, number: int, solved: bool) -> str:
    asked = line.name in sheet.blanks
    sides = [_formula(side) for side in writer.sides(line)]
    name = text(sheet.name(line.name))
    if asked and not solved:
        field = f'<input data-line="{number}" inputmode="text" autocomplete="off" aria-label="{name}">'
        sides.append(field)
    elif asked and len(sides) > 1:
        sides[-1] = f'<span class="result">{sides[-1]}</span>'
    note = f'<p class="note">{text(line.note)}</p>\n' if line.note else ""
    sides = [sides[0], *(f"= {side}" for side in sides[1:])]
    if asked:
        sides[-1] = f'<span class="last">{sides[-1]}</span>'
    return f'<div class="line"><div class="formula"><b>{sides[0]}</b> {" ".join(sides[1:])}</div>\n{note}</div>\n'


def _formula(side: str) -> str:
    """Return a formula as text of a page, with the signs of print."""
    shown = text(side).replace(" * ", " · ").replace("-", "−")
    return shown.replace(GapWriter.gap_text, '<span class="gap" role="img" aria-label="gap"></span>')


def _numbers(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<div><dt>{text(name)}</dt><dd>{_formula(value)}</dd></div>" for name, value in rows)
    return f'<section><h2>{text(title)}</h2>\n<dl class="numbers">{cells}</dl></section>\n'


def _meanings(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{text(name)}</dt><dd>{text(meaning)}</dd>" for name, meaning in rows)
    return f"<section><h2>What the names mean</h2>\n<dl>{cells}</dl></section>\n"


# ---------------------------------------------------------------- LaTeX

LATEX_STYLE = r"""\renewcommand{\formula}[1]{{\raggedright\hangindent=2em \hangafter=1
  $\displaystyle #1$\par}\smallskip}
\newcommand{\gap}{\fbox{\rule{0pt}{1.2ex}\rule{1em}{0pt}}}
\newcommand{\asked}{\penalty0 \mbox{${}= \rule[-0.6ex]{7em}{0.4pt}$}}
\newcommand{\result}[1]{\mathbf{#1}}
"""


def _to_latex(sheet: Sheet, solved: bool) -> str:
    writer = LatexGapWriter(sheet, solved)
    title = sheet.problem.title + (": solution" if solved else "")
    blocks = [
        PREAMBLE.replace(r"\begin{document}", LATEX_STYLE + r"\begin{document}"),
        rf"{{\LARGE\bfseries\raggedright {words(title)}\par}}\medskip",
        *(words(paragraph) + r"\par" for paragraph in _introduction(sheet, solved)),
    ]
    weights = [symbol for symbol in sheet.given if symbol.what == "weight" and _is_used(sheet, symbol)]
    if weights:
        blocks.append(r"\section*{Weights}")
        blocks.append(
            r"{\raggedright "
            + r"\quad ".join(
                rf"\mbox{{${writer.name(symbol)} = {writer.number(sheet.given[symbol])}$}}"
                for symbol in weights
            )
            + r"\par}"
        )
    for section in sheet.sections:
        blocks.append(rf"\section*{{\raggedright {words(section.title)}}}")
        for line in section.items:
            assert isinstance(line, Line)
            sides = writer.sides(line)
            if line.name in sheet.blanks and solved:
                sides = [*sides[:-1], rf"\result{{{sides[-1]}}}"]
            blank = r" \asked" if line.name in sheet.blanks and not solved else ""
            blocks.append(rf"\formula{{{' = '.join(sides)}{blank}}}")
    return "\n".join([*blocks, r"\end{document}"]) + "\n"


FORMATS: dict[str, Callable[[Sheet, bool], str]] = {"html": _to_html, "latex": _to_latex, "toml": to_toml}
"""How a sheet can be written, by the name the user types."""

ENDINGS = {"html": ".html", "latex": ".tex", "toml": ".toml"}
