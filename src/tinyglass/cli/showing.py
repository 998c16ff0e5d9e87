"""The options of verbs that explain, and how what they explain is shown."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError, nearest
from .options import add_json, count

if TYPE_CHECKING:
    from ..explain.explanation import Explanation
    from ..explain.notation import Style

ENDS = {".md": "markdown", ".tex": "latex", ".html": "html", ".htm": "html", ".json": "json"}
FORMATS = (
    "text",
    "markdown",
    "latex",
    "html",
    "json",
)  # those of explain.formats, which --help need not load


def add_showing(verb: argparse.ArgumentParser) -> None:
    """Add --format, --notation, --digits, --out and --json."""
    group = verb.add_argument_group("showing", "how it is shown")
    group.add_argument(
        "--format",
        default="text",
        metavar="F",
        help=f"{', '.join(FORMATS)} (default: text, for the terminal)",
    )
    group.add_argument(
        "--notation",
        metavar="WORDS",
        help="names of the course (δ_weight1, sum, error) or standard (default: standard; for the course's "
        "examples and files of a learner, course)",
    )
    group.add_argument(
        "--digits", type=count, metavar="N", help="significant digits (default: 6; 17 shows every bit)"
    )
    group.add_argument(
        "--out", type=Path, metavar="FILE", help="write it to a file; the name's end may say the format"
    )
    add_json(verb)


def check_showing(options: argparse.Namespace) -> str:
    """Return the format that is asked for, before any work is done.

    Raises
    ------
    ArgumentError
        If there is no such format or notation, or two formats are asked for.
    """
    from ..explain.notation import NOTATIONS

    if options.format not in FORMATS:
        raise ArgumentError(
            f"Unknown format {options.format!r}", "--format", nearest(options.format, list(FORMATS))
        )
    if options.notation not in (None, *NOTATIONS):
        raise ArgumentError(
            f"Unknown notation {options.notation!r}", "--notation", nearest(options.notation, list(NOTATIONS))
        )
    if options.json and options.format not in ("text", "json"):
        raise ArgumentError(
            f"--json and --format {options.format} contradict each other", "--format", "Give one of them"
        )
    asked = "json" if options.json else options.format
    end = "" if options.out is None else options.out.suffix.lower()
    if end in ENDS and asked in ("text", ENDS[end]):
        return ENDS[end]
    if end in ENDS or (end and end != ".txt" and asked == "text"):
        raise ArgumentError(
            f"A file that ends in {end} is not {asked}",
            f"--out {options.out}",
            f"Use one of {', '.join(ENDS)}, .txt, or leave --format out",
        )
    return asked


def style_of(options: argparse.Namespace) -> Style | None:
    """Return how numbers are to be written, or None where nothing is asked for."""
    from ..explain.notation import Style

    return None if options.digits is None else Style(digits=options.digits)


def show(explanation: Explanation, options: argparse.Namespace) -> None:
    """Print the explanation, or write it where --out says."""
    from ..errors import printable
    from ..storage import write_atomically

    text = explanation.show(check_showing(options))
    if options.out is None:
        print(text.rstrip("\n"))
        return
    write_atomically(options.out, (text.rstrip("\n") + "\n").encode())
    print(printable(f"written: {options.out}"))
