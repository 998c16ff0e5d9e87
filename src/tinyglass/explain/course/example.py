"""What the course's examples share: each is written down as a learner would."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from ..explanation import Section, Table
from ..learner.explaining import make_lines
from ..learner.written import parse
from ..lines import Lines
from ..notation import Notation, Style, make_notation
from ..replay import exactly

FOUR_DECIMALS = Style(decimals=4)


class Example(NamedTuple):
    """An example, its numbers exactly as the page writes them."""

    lines: Lines
    names: Notation


def make_example(text: str, page: str, words: str) -> Example:
    """Return the example that a TOML text describes.

    Parameters
    ----------
    text : str
    page : str, the part of the course, for error messages
    words : "course" or "standard"
    """
    written = parse(text, f"course:{page}")
    names = make_notation(written.network.sizes, written.network.layer_names, words)
    return Example(make_lines(exactly(written.step), names, backward=written.backward), names)


def given_section(title: str, rows: dict[str, Any], *words: str) -> Section:
    """Return the section that says what the page gives, in its own digits."""
    return Section("place", title, (*words, Table("What the page gives", ("", "value"), tuple(rows.items()))))


def mistakes_section(text: str) -> Section:
    """Return the section that says what a page prints otherwise, where its mistakes are not shown."""
    return Section(
        "mistakes",
        "Where the page prints something else",
        (text, "--as-printed (as_printed=True) sets it beside what is right, with the proof."),
    )


def how_printed(exact: Decimal | Fraction, printed: str) -> str:
    """Return how a printed number came from an exact one: rounded, cut off, or not at all.

    Examples
    --------
    >>> how_printed(Decimal("0.858085"), "0.8581"), how_printed(Decimal("0.858085"), "0.8580")
    ('rounded', 'cut off')
    """
    if isinstance(exact, Fraction):
        exact = Decimal(exact.numerator) / Decimal(exact.denominator)
    shown = Decimal(printed)
    if exact.quantize(shown, ROUND_HALF_UP) == shown:
        return "rounded"
    unit = Decimal(1).scaleb(int(shown.as_tuple().exponent))
    return "cut off" if int(exact / unit) == int(shown / unit) else "something else"
