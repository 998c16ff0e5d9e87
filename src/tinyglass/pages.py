"""Pieces of HTML, in which every text is data."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .errors import printable

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 50rem;
  padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; border-bottom: 2px solid #0072b2; }
.answer { font-size: 1.15rem; border-left: .4rem solid #0072b2; padding: .5rem 1rem; background: #f0f6fa; }
.warning { border-left: .4rem solid #d55e00; padding: .5rem 1rem; background: #fdf3ec; }
img { width: 100%; max-width: 38rem; height: auto; }
figure { margin: 1rem 0; }
caption > span { display: block; max-width: min(100vw - 2rem, 48rem); }
figcaption, caption { text-align: left; color: #444; padding: .3rem 0; }
.wide { overflow-x: auto; }
.wide:focus-visible, summary:focus-visible { outline: 3px solid #0072b2; }
table { border-collapse: collapse; }
th, td { padding: .25rem .6rem; border: 1px solid #ccc; text-align: left; vertical-align: top; }
td.long { overflow-wrap: anywhere; min-width: 12rem; }
thead th { background: #f3f3f3; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.right { background: #d6eadf; font-weight: bold; }
td.wrong { background: #f8dfce; }
code, pre { font: .9rem ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
pre { background: #f3f3f3; padding: .75rem; margin: 0; }
summary { cursor: pointer; padding: .4rem 0; }
@media print { details > * { display: block; } }
"""


def text(value: Any) -> str:
    """Return a value as text of a page, in which nothing is markup."""
    return escape(printable(str(value)))


def section(title: str, body: str) -> str:
    """Return a section under its title."""
    name = title.lower().replace(" ", "-")
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{body}</section>\n'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table whose first column heads its rows; a cell may be (text, class)."""
    heading = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    lines = []
    for first, *rest in rows:
        cells = "".join(map(cell, rest))
        lines.append(f'<tr><th scope="row">{text(first)}</th>{cells}</tr>\n')
    thead = f"<thead><tr>{heading}</tr></thead>\n" if head else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}">\n<table>\n'
        f"<caption><span>{text(caption)}</span></caption>\n{thead}<tbody>\n{''.join(lines)}</tbody>\n</table>\n</div>\n"
    )


def cell(content: Any) -> str:
    """Return a cell of a table; a number stands at the right."""
    value, name = (
        content
        if isinstance(content, tuple)
        else (content, "number" if isinstance(content, (int, float)) else "")
    )
    shown = text(f"{value:.6g}" if isinstance(value, float) else value)
    return f'<td class="{name}">{shown}</td>' if name else f"<td>{shown}</td>"


def figure(svg: str | None, alternative: str, caption: str) -> str:
    """Return a picture with its caption, or how to get pictures."""
    if svg is None:
        return "<p>Pictures need matplotlib: <code>pip install 'tinyglass[plots]'</code>, then train again.</p>\n"
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<figure>\n<img src="data:image/svg+xml;base64,{data}" alt="{text(alternative)}">\n'
        f"<figcaption>{text(caption)}</figcaption>\n</figure>\n"
    )


def details(summary: str, body: str) -> str:
    """Return something to unfold."""
    return f"<details>\n<summary>{text(summary)}</summary>\n{body}</details>\n"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.1f} %"
