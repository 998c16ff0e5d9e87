"""A worksheet's own file: TOML with the network, the step, and a place for every answer.

The network and the step are written as a learner writes them for `tinyglass.explain.learner.written`;
``[sheet]`` says what else a step of a training starts from, and ``[[lines]]`` takes the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np

from ..arithmetic import Gradient
from ..errors import ArgumentError, nearest, printable
from ..explain.focus import Focus
from ..explain.learner.written import CONSTANTS, parse
from ..explain.notation import exact_text
from ..explain.replay import exactly
from .answers import Filled, read_filled
from .gaps import GapWriter
from .problem import Problem, course_problem
from .sheet import Sheet, make_sheet, plain_name

COURSE = "course:"
KEYS = (
    "of", "title", "notation", "digits", "blanks", "updates", "marks", "titles", "only", "focus",
    "example_weights", "first", "second", "first_bias", "second_bias",
)  # fmt: skip


# ---------------------------------------------------------------- writing


def head_of(sheet: Sheet) -> str:
    """Return everything of a sheet's file but the lines to be filled in.

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> sheet = make_sheet(course_problem("neuron"), notation="course")
    >>> print("\\n".join(head_of(sheet).splitlines()[4:7]))
    inputs = [[0.1, 0.8]]
    expected = [[0.4]]
    learning_rate = 1
    """
    problem = sheet.problem
    rows = [
        f"# {printable(problem.title)}: a worksheet.",
        '# Write each answer between the quotes of its line: answer = "0.35"',
        "# Then run: tinyglass check THIS_FILE",
        "",
        *_network(problem),
        "",
        "[sheet]",
        *(f"{name} = {_toml(value)}" for name, value in _about(sheet)),
    ]
    return "\n".join(rows) + "\n"


def lines_of(sheet: Sheet) -> list[dict[str, str]]:
    """Return name, formula and values of every blank, as a sheet's file has them; a gap is □.

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> lines_of(make_sheet(course_problem("neuron"), notation="course"))[1]
    {'name': 'output', 'formula': 'sum', 'values': '□'}
    """
    writer = GapWriter(sheet)
    lines = [writer.sides(sheet.lines[symbol]) for symbol in sheet.blanks]
    return [dict(zip(("name", "formula", "values"), sides, strict=False)) for sides in lines]


def to_toml(sheet: Sheet, solved: bool = False) -> str:
    """Return a sheet, or its solution, as the file that `tinyglass check` reads.

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> sheet = make_sheet(course_problem("neuron"), blanks="error", notation="course")
    >>> print(to_toml(sheet).partition("[[lines]]")[2])
    <BLANKLINE>
    name = "error"
    formula = "output - expected"
    values = "0.75 - 0.4"
    answer = ""
    <BLANKLINE>
    """
    world = sheet.world()
    lines = []
    for symbol, line in zip(sheet.blanks, lines_of(sheet), strict=True):
        answer = sheet.style.number(world.value(symbol)) if solved else ""
        rows = [f"{name} = {_toml(value)}\n" for name, value in {**line, "answer": answer}.items()]
        lines.append("\n[[lines]]\n" + "".join(rows))
    return head_of(sheet) + "".join(lines)


def _network(problem: Problem) -> Iterator[str]:
    step = problem.step
    yield f"inputs = {_rows(step.X)}"
    yield f"expected = {_rows(step.Y)}"
    if problem.updates:
        yield f"learning_rate = {exact_text(step.rate)}"
    yield f'loss = "{step.loss}"'
    yield f'optimizer = "{step.rule.optimizer}"'
    for name, users in CONSTANTS.items():
        value = getattr(step.rule, name, None)
        if value and (not users or step.rule.optimizer in users):
            yield f"{name} = {exact_text(value)}"
    for layer in step.layers:
        yield f"\n[[layers]]\nweights = {_rows(layer.weights)}"
        if layer.bias is not None:
            yield f"bias = {_row(layer.bias)}"
        yield f'activation = "{layer.activation}"'


def _about(sheet: Sheet) -> Iterator[tuple[str, Any]]:
    problem = sheet.problem
    step = problem.step
    yield "title", problem.title
    yield "notation", sheet.names.words
    yield "digits", sheet.style.digits
    yield "blanks", [sheet.name(symbol) for symbol in sheet.blanks]
    if step.updates != 1:
        yield "updates", step.updates
    if None not in problem.marks:
        yield "marks", list(problem.marks)
    if problem.titles:
        yield "titles", list(problem.titles)
    if problem.only is not None:
        yield "only", problem.only
    if problem.focus is not None:
        yield "focus", [number for number in problem.focus if number is not None]
    if step.weight is not None:
        yield "example_weights", [exact_text(value) for value in step.weight]
    for name, memory in (("first", step.first), ("second", step.second)):
        if any(np.any(part.weights) or np.any(part.bias) for part in memory if part is not None):
            yield name, [[[exact_text(w) for w in row] for row in part.weights] for part in memory]
            yield (
                f"{name}_bias",
                [[exact_text(b) for b in (part.bias if part.bias is not None else [])] for part in memory],
            )


def _rows(matrix: Any) -> str:
    return f"[{', '.join(map(_row, matrix))}]"


def _row(numbers: Any) -> str:
    return f"[{', '.join(map(exact_text, numbers))}]"


def _toml(value: Any) -> str:
    """Return a text, a whole number or a list as TOML; its texts are those of JSON."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(printable(value), ensure_ascii=False) if isinstance(value, str) else str(value)


# ---------------------------------------------------------------- reading


def read_problem(filled: Filled) -> Problem:
    """Return the step that a file describes.

    Raises
    ------
    ArgumentError
        If it describes none.
    """
    about, where = filled.about, filled.where
    for key in about:
        if key not in KEYS:
            raise ArgumentError(f"Unknown key {key!r} in [sheet]", where, nearest(key, list(KEYS)))
    of = about.get("of")
    if of is not None:
        if not isinstance(of, str) or not of.startswith(COURSE):
            raise ArgumentError(
                f'Expected of = "course:…", found {str(of)!r}', where, 'Write of = "course:gesture"'
            )
        return course_problem(of.removeprefix(COURSE), where)
    if not filled.network.strip():
        raise ArgumentError(
            "The file does not say what the answers are about",
            where,
            "Give the worksheet: --sheet worksheet.toml, or --sheet course:gesture",
        )
    written = parse(filled.network, where)
    if not written.backward:
        raise ArgumentError(
            "The network has no error to work out: nothing is expected of it, or its activation has no slope",
            where,
            "Add expected = […] above any [[layers]]",
        )
    try:
        return _problem(written, about, where)
    except (TypeError, ValueError, LookupError, InvalidOperation) as error:
        raise ArgumentError("The [sheet] does not suit the network", where, "Make a new sheet") from error


def _problem(written: Any, about: dict[str, Any], where: str) -> Problem:
    step = written.step
    n = len(step.X)
    changes: dict[str, Any] = {"updates": _whole(about.get("updates", 1))}
    if "example_weights" in about:
        changes["weight"] = _numbers(about["example_weights"], (n,))
    for name in ("first", "second"):
        if name in about:
            pairs = zip(about[name], about[f"{name}_bias"], step.layers, strict=True)
            changes[name] = tuple(
                Gradient(
                    _numbers(weights, np.shape(layer.weights)),
                    None if layer.bias is None else _numbers(bias, np.shape(layer.bias)),
                )
                for weights, bias, layer in pairs
            )
    marks = about.get("marks") or [None if n == 1 else e for e in range(1, n + 1)]
    titles = about.get("titles") or ([f"example {e}" for e in marks] if n > 1 else [])
    if len(marks) != n or len(set(marks)) != n or len(titles) not in (0, n):
        raise ValueError("as many as examples")
    only = about.get("only")
    if only is not None and not 0 <= _whole(only) < n:
        raise ValueError("no such example")
    focus = None if "focus" not in about else Focus(*map(_whole, about["focus"]))
    if focus is not None:
        _ = step.layers[focus.layer].weights[focus.neuron][focus.input or 0]
    return Problem(
        printable(str(about.get("title") or f"The network of {Path(where).name}")),
        exactly(step._replace(**changes)),
        tuple(written.network.layer_names),
        tuple(None if mark is None else _whole(mark) for mark in marks),
        tuple(printable(str(title)) for title in titles),
        only,
        focus,
        written.updates,
    )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    return value


def _numbers(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(values, dtype=object)
    if array.shape != shape:
        raise ValueError(shape)
    flat = [Decimal(str(value)) for value in array.ravel()]
    if not all(number.is_finite() and abs(number.adjusted()) < 300 for number in flat):
        raise ValueError("too large")
    return np.array(flat, dtype=object).reshape(shape)


def open_sheet(filled: Filled, notation: str | None = None) -> Sheet:
    """Return the sheet that a file with answers is about; without a list of blanks, nothing is blank.

    Parameters
    ----------
    filled : Filled
    notation : "standard" or "course", optional, how its lines are called; otherwise as the file says

    Raises
    ------
    ArgumentError
        If the file describes none.

    Examples
    --------
    >>> from tinyglass.worksheet.answers import parse_filled
    >>> open_sheet(parse_filled('[sheet]\\nof = "course:neuron"', "answers.toml")).names.words
    'course'
    """
    about = filled.about
    blanks, digits = about.get("blanks"), about.get("digits", 6)
    if not (
        blanks is None
        or (isinstance(blanks, list) and blanks and all(isinstance(name, str) for name in blanks))
    ):
        raise ArgumentError("Expected blanks = a list of names in [sheet]", filled.where, "Make a new sheet")
    if not (isinstance(digits, int) and 1 <= digits <= 17):
        raise ArgumentError("Expected digits = 1 to 17 in [sheet]", filled.where, "Make a new sheet")
    sheet = make_sheet(
        read_problem(filled), notation=notation or str(about.get("notation", "course")), digits=digits
    )
    named = {plain_name(name) for name in blanks or ()}
    unknown = named - set(sheet.symbols)
    if unknown:
        raise ArgumentError(
            f"There is no line called {min(unknown)!r} on the sheet", filled.where, "Make a new sheet"
        )
    symbols = {sheet.symbols[name] for name in named}
    return replace(sheet, blanks=tuple(symbol for symbol in sheet.results if symbol in symbols))


def find_sheet(path: Path, given: str | None = None, notation: str | None = None) -> tuple[Filled, Sheet]:
    """Return a file with answers and the sheet that they are for.

    Parameters
    ----------
    path : Path, the answers
    given : str, optional: another file with the sheet, or ``course:gesture``
    notation : "standard" or "course", optional

    Raises
    ------
    ArgumentError, StorageError
        If a file cannot be read or used.
    """
    filled = read_filled(path)
    if given is None:
        return filled, open_sheet(filled, notation)
    if given.startswith(COURSE):
        return filled, open_sheet(filled._replace(network="", about={"of": given}), notation)
    return filled, open_sheet(read_filled(Path(given)), notation)
