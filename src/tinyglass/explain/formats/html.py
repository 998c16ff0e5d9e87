"""An explanation as one HTML page that needs nothing else, or as HTML for a notebook."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ... import __version__
from ... import pages as pieces
from ...pages import text
from ..explanation import Explanation, Figure, Line, Section, Table
from ..notation import Notation, Style
from .formula import LatexWriter, Writer
from .markdown import aligned
from .tables import numeric_columns, write_cells

LONGEST_WORD = 24  # letters that stand together in a cell
KATEX = Path(__file__).parent / "katex"

STYLE = """
h3 { font-size: 1.1rem; margin: 1.2rem 0 .3rem; }
p, h1, h2, h3, summary, caption, figcaption { overflow-wrap: anywhere; }
tbody th { overflow-wrap: anywhere; min-width: 8rem; }
.line { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: .35em; padding-left: 2rem; margin: .2rem 0; }
.line > :first-child { margin-left: -2rem; }
.tex { max-width: 100%; overflow-x: auto; overflow-y: hidden; padding: .1rem .15rem .3rem 0; }
.tex:focus-visible { outline: 3px solid #0072b2; }
.katex { font-size: 1.08em; }
.note { margin: 0 0 .5rem 2rem; color: #444; font-size: .95rem; }
details { border-left: .2rem solid #ccc; padding-left: .8rem; margin: .8rem 0; }
"""

SCRIPT = """
function set(formulas) {
  for (const formula of formulas) {
    katex.render("\\\\displaystyle " + formula.dataset.tex, formula, {throwOnError: false});
    delete formula.dataset.tex;
  }
  const wide = formulas.filter(formula => formula.scrollWidth > formula.clientWidth + 1);
  for (const formula of wide) formula.tabIndex = 0;  // the keyboard can scroll it
}
const waiting = () => [...document.querySelectorAll(".tex[data-tex]")];
const setOpened = () => set(waiting().filter(formula => !formula.closest("details:not([open])")));
for (const folded of document.querySelectorAll("details")) folded.addEventListener("toggle", setOpened);
addEventListener("beforeprint", () => set(waiting()));
setOpened();
"""


def to_html(explanation: Explanation) -> str:
    """Return an explanation as an HTML page.

    KaTeX sets the formulas, from within the page. Without JavaScript they are text.
    """
    writers = Writer(*_names(explanation)), LatexWriter(*_names(explanation))
    body = "".join(_folded(explanation, writers))
    licence = (KATEX / "LICENSE").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(explanation.title)}</title>\n<style>{_katex_style()}</style>\n"
        f"<style>{pieces.STYLE}{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{text(explanation.title)}</h1></header>\n<main>\n{body}</main>\n"
        f"<footer><p>Written by tinyglass {__version__}. Formulas set by KaTeX, © Khan Academy and others, "
        f"MIT licence.</p></footer>\n<script>/*\n{licence}*/\n"
        f"{(KATEX / 'katex.min.js').read_text(encoding='utf-8')}</script>\n<script>{SCRIPT}</script>\n"
        "</body>\n</html>\n"
    )


def to_fragment(explanation: Explanation) -> str:
    """Return an explanation as HTML for a notebook, with formulas in $$ and without scripts."""
    writers = Writer(*_names(explanation)), LatexWriter(*_names(explanation))
    blocks = [_quiet(f"<h3>{text(explanation.title)}</h3>\n")]
    for section in explanation.sections:
        blocks.append(_quiet(f"<h4>{text(section.title)}</h4>\n") if section.title else "")
        for kind, items in groupby(section.items, lambda item: isinstance(item, Line) and not item.note):
            if kind:
                blocks.append(_typeset([item for item in items if isinstance(item, Line)], writers[1]))
                continue
            for item in items:
                if isinstance(item, Line):
                    blocks.append(_typeset([item], writers[1]) + _quiet(f"<p>{text(item.note)}</p>\n"))
                else:
                    blocks.append(_quiet(_item(item, writers)))
    return "".join(blocks)


def _names(explanation: Explanation) -> tuple[Notation, Style]:
    return explanation.notation, explanation.style


def _typeset(lines: list[Line], writer: LatexWriter) -> str:
    return f'<div style="overflow-x: auto">$${text(" ".join(aligned(lines, writer).split()))}$$</div>\n'


def _quiet(html: str) -> str:
    """Return HTML whose dollars and backslashes begin no formula: each stands in a tag of its own."""
    return re.sub(
        r"[$\\](?=[^<>]*(?:<|$))",
        lambda sign: f'<span class="tex2jax_ignore mathjax_ignore">{sign[0]}</span>',
        html,
    )


def _folded(explanation: Explanation, writers: tuple[Writer, LatexWriter]) -> Iterator[str]:
    """Yield the sections; those of one example together, and those of every example but the first folded."""
    first = None
    number = 0
    for example, group in groupby(explanation.sections, lambda section: section.example):
        first = example if first is None else first
        shown = []
        for section in group:
            number += 1
            shown.append(_section(section, number, writers))
        folded = example not in (None, first)
        yield pieces.details(f"Example {example}", "".join(shown)) if folded else "".join(shown)


def _section(section: Section, number: int, writers: tuple[Writer, LatexWriter]) -> str:
    body = "".join(_item(item, writers) for item in section.items)
    if not section.title:
        return f"<section>\n{body}</section>\n"
    return (
        f'<section aria-labelledby="part-{number}">\n<h2 id="part-{number}">{text(section.title)}</h2>\n'
        f"{body}</section>\n"
    )


def _item(item: str | Line | Table | Figure, writers: tuple[Writer, LatexWriter]) -> str:
    if isinstance(item, str):
        return f"<p>{text(item)}</p>\n"
    if isinstance(item, Line):
        note = f'<p class="note">{text(item.note)}</p>\n' if item.note else ""
        return f'<div class="line">{"".join(_formulas(item, writers))}</div>\n{note}'
    if isinstance(item, Table):
        return _table(item, writers[0])
    if item.svg is None:
        return f"<p>Picture, left out because matplotlib is missing: {text(item.alternative)}</p>\n"
    return pieces.figure(*item[:3])


def _formulas(line: Line, writers: tuple[Writer, LatexWriter]) -> Iterator[str]:
    plain, latex = (writer.parts(line) for writer in writers)
    if len(plain) != len(latex):  # one of them left a part out that the other's rounding tells apart
        plain, latex = [" = ".join(plain)], [" = ".join(latex)]
    for k, (words, formula) in enumerate(zip(plain, latex, strict=True)):
        sign = "= " if k else ""
        formula = formula.replace(r" \cdot ", r" \cdot\nobreak ")
        yield f'<span class="tex" data-tex="{text(sign + formula)}">{text(sign + words)}</span>'


def _table(table: Table, writer: Writer) -> str:
    head = table.head if any(table.head) else ()
    numeric = numeric_columns(table)
    rows = [
        [first, *(_cell(cell, right) for cell, right in zip(rest, numeric[1:], strict=False))]
        for first, *rest in write_cells(table, writer, str)[1 if head else 0 :]
    ]
    return pieces.table(table.caption, head, rows)


def _cell(shown: str, right: bool) -> tuple[str, str]:
    longest = max(map(len, shown.split()), default=0)
    return shown, "number" if right else "long" if longest > LONGEST_WORD else ""


def _katex_style() -> str:
    """Return KaTeX's style with its fonts in it; fonts that no formula of ours needs are left out."""

    def embed(rule: re.Match[str]) -> str:
        font = KATEX / rule[2]
        if not font.exists():
            return ""
        data = base64.b64encode(font.read_bytes()).decode()
        return f'{rule[1]}url(data:font/woff2;base64,{data}) format("woff2")}}'

    style = (KATEX / "katex.min.css").read_text(encoding="utf-8")
    return re.sub(r"(@font-face\{[^}]*?src:)url\(([^)]*\.woff2)\)[^}]*\}", embed, style)
