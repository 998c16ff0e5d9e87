"""The verb check: grade a filled-in worksheet, line by line."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError, nearest, printable
from ..printing import print_json
from .options import AddVerb, add_json

if TYPE_CHECKING:
    from ..worksheet.grading import Graded, Grading

WORDS = {
    "right": "right",
    "follows": "follows",
    "wrong": "WRONG",
    "unreadable": "WRONG",
    "unanswered": "empty",
}


def add_verb(add: AddVerb) -> None:
    verb = add(
        "check",
        check_verb,
        "grade a filled-in worksheet line by line, and name each error and its likely cause",
    )
    verb.add_argument(
        "answers",
        type=Path,
        metavar="ANSWERS",
        help="a worksheet's TOML with its answers, or a text with name = number on each line",
    )
    verb.add_argument(
        "--sheet",
        metavar="S",
        help="the worksheet that the answers are for, if they do not say so: its TOML, course:neuron or course:gesture",
    )
    verb.add_argument(
        "--notation", metavar="WORDS", help="names of the course or standard (default: as the sheet has them)"
    )
    add_json(verb)


def check_verb(options: argparse.Namespace) -> int:
    """Grade a filled-in worksheet, line by line."""
    from ..explain.notation import NOTATIONS
    from ..worksheet.answers import match
    from ..worksheet.files import find_sheet
    from ..worksheet.grading import grade

    if options.notation not in (None, *NOTATIONS):
        mend = nearest(options.notation, list(NOTATIONS))
        raise ArgumentError(f"Unknown notation {options.notation!r}", "--notation", mend)
    filled, sheet = find_sheet(options.answers, options.sheet, options.notation)
    answers = match(filled, sheet)
    grading = grade(sheet, answers)
    if options.json:
        print_json(grading.facts())
    else:
        _print(grading)
    return 0


def _print(grading: Grading) -> None:
    print(printable(grading.title))
    print()
    again = Counter(line.same_as for line in grading.lines if line.same_as)
    for line in grading.lines:
        for row in _rows(line, again[line.name]):
            print(printable(row))
    first = grading.first_wrong
    print()
    if first is not None:
        print(printable(f"The first wrong line is {first.name}. Likely cause: {_cause(first)}."))
    print(grading.score)


def _rows(line: Graded, again: int = 0) -> list[str]:
    """Return a line as it is shown: what was answered, and if that is wrong, why and what is right."""
    rows = [
        f"{WORDS[line.status]:<8} {line.name}" + ("" if line.answer is None else f" = {line.answer.strip()}")
    ]
    if line.status == "follows":
        rows[0] += f"   (from {', '.join(line.follows_from)})"
    if line.remark:
        rows.append(f"         {line.remark}")
    if line.same_as:
        rows[0] += f"   (the same mistake as in {line.same_as})"
    elif line.status in ("wrong", "unreadable"):
        rows.append(f"         likely cause: {_cause(line)}")
        rows += [f"         or: {cause}" for cause in line.causes[1:]]
        if again:
            rows.append(f"         the same in {again} more line{'s' if again > 1 else ''}")
    if line.status in ("follows", "wrong", "unreadable"):
        rows.append(f"         right: {line.right}")
    if line.expected_from_own:
        rows.append(f"         from your own numbers: {line.expected_from_own}")
    return rows


def _cause(line: Graded) -> str:
    return str(line.causes[0]) if line.causes else "none was found"
