"""An explanation as a LaTeX document that pdflatex sets with its standard packages."""

from __future__ import annotations

import re
import unicodedata

from ...errors import printable
from ..explanation import Explanation, Figure, Line, Table
from .formula import LatexWriter, width_of
from .tables import fit, numeric_columns, write_cells

PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage{amsmath,amssymb,longtable}
\setlength{\textwidth}{160mm}\setlength{\oddsidemargin}{0mm}\setlength{\textheight}{230mm}
\setlength{\topmargin}{-15mm}\setlength{\parindent}{0mm}\setlength{\parskip}{4pt}
\setlength{\LTleft}{0mm}\setlength{\LTpre}{2pt}\renewcommand{\arraystretch}{1.25}\setlength{\lineskip}{4pt}\setlength{\lineskiplimit}{3pt}
\raggedright\newcommand{\wordbreak}{\penalty500 }
% Lines break before = and, where they must, before + - and a dot.
\newcommand{\is}{\penalty0 =}
\newcommand{\sumbreak}{\penalty300 }
\newcommand{\dotbreak}{\penalty900 }
\newcommand{\formula}[1]{{\relpenalty=10000 \binoppenalty=10000 \hangindent=2em \hangafter=1
  $\displaystyle #1$\par}}
\newcommand{\note}[1]{{\leftskip=2em \small\itshape #1\par}}
% A sign that the standard fonts lack, as its number in Unicode.
\DeclareRobustCommand{\sign}[1]{{\fboxsep=1pt\fbox{\tiny #1}}}
\begin{document}
"""

PLAIN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char18{}",
    "'": "'{}",
    "-": "-{}",
    "[": "{[}",  # after \\ it would be an argument
    "]": "{]}",
    "*": "{*}",
    "–": "--{}",
    "—": "---{}",
    "‘": "`{}",
    "’": "'{}",
    "“": "``{}",
    "”": "''{}",
    "…": r"\ldots{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "§": r"\S{}",
    "©": r"\copyright{}",
    "£": r"\pounds{}",
    "¡": "!`{}",
    "¿": "?`{}",
}
MATHEMATICS = {
    "°": r"^\circ", "×": r"\times", "·": r"\cdot", "±": r"\pm", "−": "-", "÷": r"\div", "¹": "^1", "²": "^2",
    "³": "^3", "½": r"\frac12", "¼": r"\frac14", "¾": r"\frac34", "µ": r"\mu", "∂": r"\partial", "√": r"\surd",
    "∑": r"\textstyle\sum", "∞": r"\infty", "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "≈": r"\approx",
    "→": r"\to", "←": r"\leftarrow", "•": r"\bullet", "«": r"\ll", "»": r"\gg", "Σ": r"\Sigma", "Δ": r"\Delta",
    "Ω": r"\Omega", "Θ": r"\Theta", "Λ": r"\Lambda", "Π": r"\Pi", "Φ": r"\Phi", "Ψ": r"\Psi", "Γ": r"\Gamma",
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon", "ζ": r"\zeta",
    "η": r"\eta", "θ": r"\theta", "ι": r"\iota", "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu", "ν": r"\nu",
    "ξ": r"\xi", "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "ς": r"\varsigma", "τ": r"\tau", "υ": r"\upsilon",
    "φ": r"\varphi", "χ": r"\chi", "ψ": r"\psi", "ω": r"\omega",
}  # fmt: skip
ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c", "`'^~=u.\"rHv", strict=True)
)
BELOW = {"\u0327": "c", "\u0323": "d", "\u0331": "b"}

LONGEST_WORD = 8  # letters that stay together; behind them a word breaks where it must
LETTER = 1.85  # mm, of a small one
LINE = 84  # of them on a line
GAP = 3  # of them between two columns


def to_latex(explanation: Explanation) -> str:
    """Return an explanation as a LaTeX document in ASCII; pictures stand in it in words."""
    writer = LatexWriter(explanation.notation, explanation.style)
    blocks = [PREAMBLE + rf"{{\LARGE\bfseries {words(explanation.title)}\par}}"]
    for section in explanation.sections:
        blocks += [rf"\section*{{\raggedright {words(section.title)}}}"] if section.title else []
        for item in section.items:
            if isinstance(item, Line):
                parts = r" \is ".join(map(_breakable, writer.parts(item)))
                blocks.append(rf"\formula{{{parts}}}")
                blocks += [rf"\note{{{words(item.note)}}}"] if item.note else []
            elif isinstance(item, str):
                blocks.append(words(item) + r"\par")
            elif isinstance(item, Table):
                blocks += _table(item, writer)
            elif isinstance(item, Figure):
                blocks.append(words(f"Picture, left out here: {item.alternative} {item.caption}") + r"\par")
    return "\n".join([*blocks, r"\end{document}"]) + "\n"


def words(text: str) -> str:
    """Return a text as LaTeX in ASCII, in which nothing is markup.

    Examples
    --------
    >>> words("50 % of Zoë_1"), words("手")
    ('50 \\\\% of Zo\\\\"{e}\\\\_1', '\\\\sign{624B}\\\\wordbreak{}')
    """
    shown = []
    length = 0
    for c in unicodedata.normalize("NFC", printable(text)):
        shown.append(_letter(c))
        length = 0 if c == " " else length + 1
        if length >= LONGEST_WORD or shown[-1].startswith(r"\sign"):
            shown.append(r"\wordbreak{}")
    return "".join(shown)


def _letter(c: str) -> str:
    if c in PLAIN:
        return PLAIN[c]
    if c in MATHEMATICS:
        return rf"\ensuremath{{{MATHEMATICS[c]}}}"
    if c.isascii():
        return c
    letter, *marks = list(unicodedata.normalize("NFD", c))
    if letter.isascii() and letter.isalpha() and len(marks) == 1 and marks[0] in ACCENTS | BELOW:
        return rf"\{(ACCENTS | BELOW)[marks[0]]}{{{letter}}}"
    return rf"\sign{{{ord(c):04X}}}"


def _breakable(formula: str) -> str:
    """Return a formula in ASCII that may break at its signs."""
    formula = re.sub(r"[^\x00-\x7f]", lambda c: rf"\text{{{_letter(c[0])}}}", formula)
    formula = re.sub(r" ([-+/]) ", r" \\sumbreak \1 ", formula)
    return formula.replace(r" \cdot ", r" \dotbreak \cdot ").replace(", ", r", \sumbreak ")


def _table(table: Table, writer: LatexWriter) -> list[str]:
    rows = write_cells(table, writer, words, lambda formula: f"${formula}$")
    plain = write_cells(table, writer, str, lambda formula: "x" * width_of(formula))
    numeric = numeric_columns(table)
    rows = [[*row, *[""] * (len(numeric) - len(row))] for row in rows]
    if not rows:
        return [words(table.caption) + r"\par"]
    natural = [max(_width(row[i]) for row in plain if i < len(row)) for i in range(len(numeric))]
    widths, groups = fit(natural, [not number for number in numeric], LINE, GAP)
    blocks = [rf"\pagebreak[1]\textit{{{words(table.caption)}}}\par\nopagebreak"] if table.caption else []
    for group in groups:
        # Widths are given: those that longtable finds are right in the second run only.
        columns = "".join(f"p{{{LETTER * widths[i] + 1:.1f}mm}}" for i in group)
        lines = [_row([row[i] for i in group], [numeric[i] for i in group]) for row in rows]
        if any(table.head):
            lines.insert(1, r"\hline\endhead")
        begin = rf"{{\small\begin{{longtable}}{{@{{}}{columns}@{{}}}}"
        blocks.append("\n".join([begin, *lines, r"\end{longtable}}"]))
    return blocks


def _row(cells: list[str], numeric: list[bool]) -> str:
    placed = [
        rf"\{'raggedleft' if right else 'raggedright'} {cell}"
        for cell, right in zip(cells, numeric, strict=True)
    ]
    return " & ".join(placed) + r" \tabularnewline"


def _width(text: str) -> int:
    """Return about how many small letters wide a cell is; a sign in a box is four."""
    return sum(1 if c.isascii() or c in PLAIN or c in MATHEMATICS else 4 for c in printable(text))
