"""An explanation in text, Markdown, LaTeX, HTML or JSON."""

from __future__ import annotations

from ...errors import ArgumentError, nearest
from ..explanation import Explanation

FORMATS = ("text", "markdown", "latex", "html", "json")


def show(explanation: Explanation, format: str = "text", width: int | None = None) -> str:
    """Return an explanation in a format.

    Parameters
    ----------
    explanation : Explanation
    format : str, one of `FORMATS`
    width : int, optional
        Of the text, in characters; otherwise the terminal's. Other formats have none.

    Raises
    ------
    ArgumentError
        If there is no such format.

    Examples
    --------
    >>> from tinyglass.explain.explanation import Line, Section
    >>> from tinyglass.explain.notation import make_notation
    >>> from tinyglass.explain.tracing import Symbol, Traced
    >>> rate = Line(Symbol("rate"), Traced(0.1))
    >>> section = Section("update", "Update", (rate,))
    >>> print(show(Explanation("A step", (section,), make_notation((2, 1), ["output"])), width=40))
    A step
    ======
    <BLANKLINE>
    Update
    ------
    <BLANKLINE>
    rate = 0.1
    """
    if format == "text":
        from .text import to_text

        return to_text(explanation, width)
    if format == "markdown":
        from .markdown import to_markdown

        return to_markdown(explanation)
    if format == "latex":
        from .latex import to_latex

        return to_latex(explanation)
    if format == "html":
        from .html import to_html

        return to_html(explanation)
    if format == "json":
        from .json import to_json

        return to_json(explanation)
    raise ArgumentError(f"Unknown format {format!r}", "--format", nearest(format, list(FORMATS)))


def fragment(explanation: Explanation) -> str:
    """Return an explanation as HTML for a cell of a notebook, which sets the formulas itself.

    Examples
    --------
    >>> from tinyglass.explain.notation import make_notation
    >>> fragment(Explanation("A step", (), make_notation((2, 1), ["output"])))
    '<h3>A step</h3>\\n'
    """
    from .html import to_fragment

    return to_fragment(explanation)
