"""A worksheet: the lines of a step, some of them blank."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from ..arithmetic import Number
from ..errors import ArgumentError, nearest
from ..explain.explanation import Line, Section
from ..explain.lines import Lines
from ..explain.notation import Notation, Style, make_notation
from ..explain.sections import step_sections
from ..explain.tracing import Symbol, Traced, parts
from ..explain.working import all_weights, work
from .problem import DIGITS, Problem
from .values import World, ingredients

CONSTANTS = ("rate", "momentum", "beta1", "beta2", "epsilon", "l2", "limit", "updates")
ALIKE = 0.6  # how alike a name must be to be offered; names as short as loss resemble many words
GIVEN = {"input", "expected", *CONSTANTS}
"""What a learner is told; every other line is a result that may be blank."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A step to be worked by hand.

    Attributes
    ----------
    problem : Problem
    names : Notation, how numbers are called on the sheet
    sections : tuple of Section, with lines and paragraphs
    blanks : tuple of Symbol, in the order of the lines
    style : Style, how numbers are written
    """

    problem: Problem
    names: Notation
    sections: tuple[Section, ...]
    blanks: tuple[Symbol, ...]
    style: Style

    @cached_property
    def lines(self) -> dict[Symbol, Line]:
        """Every line by its name, in order."""
        found = [item for section in self.sections for item in section.items if isinstance(item, Line)]
        return {line.name: line for line in found}

    @cached_property
    def results(self) -> tuple[Symbol, ...]:
        """The lines that may be blank, in order."""
        return tuple(symbol for symbol in self.lines if symbol.what not in GIVEN)

    @property
    def activations(self) -> tuple[str, ...]:
        """The activation of each layer."""
        return tuple(layer.activation for layer in self.problem.step.layers)

    @cached_property
    def given(self) -> dict[Symbol, Number]:
        """The numbers that stand in formulas and have no line: weights, and what other lines are spared."""
        return _given(self)

    def world(self, **changes: object) -> World:
        """Return the numbers of the step; `changes` as in `World`."""
        return World(self.lines, self.given, self.activations, **changes)  # type: ignore[arg-type]

    @cached_property
    def symbols(self) -> dict[str, Symbol]:
        """Every line by its name in either notation, as `plain_name` writes it."""
        found: dict[str, Symbol] = {}
        for words in ("course", "standard"):
            names = self.names._replace(words=words)
            found |= {plain_name(names.text(symbol)): symbol for symbol in self.lines}
        return found

    def name(self, symbol: Symbol) -> str:
        """Return what a number is called on this sheet."""
        return self.names.text(symbol)


def plain_name(name: str) -> str:
    """Return a name as it is compared: without spaces, small letters, δ spelled out.

    Examples
    --------
    >>> plain_name("δ_Weight1 ")
    'delta_weight1'
    """
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", name)).lower().replace("δ", "delta")


def make_sheet(
    problem: Problem, *, blanks: str = "all", seed: int = 0, notation: str = "standard", digits: int = DIGITS
) -> Sheet:
    """Return a worksheet.

    Parameters
    ----------
    problem : Problem
    blanks : str
        ``all``; how many, such as ``8``; a share, such as ``50%``; or a list of kinds, sections
        and names, such as ``gradients,update,error1``.
    seed : int, which lines a number or a share chooses
    notation : "standard" or "course"
    digits : int, significant, of the numbers on the sheet

    Raises
    ------
    ArgumentError
        If there is no such line or notation, or the step is too large to be written out.

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> sheet = make_sheet(course_problem("neuron"), blanks="gradients", notation="course")
    >>> [sheet.name(symbol) for symbol in sheet.blanks]
    ['δ_weight1', 'δ_weight2']
    """
    step = problem.step
    sizes = (step.X.shape[1], *(len(layer.weights) for layer in step.layers))
    names = make_notation(sizes, problem.layer_names, notation)
    lines = Lines(step, work(step), problem.marks, notation == "course")
    sections = []
    for section in step_sections(lines, names, problem.focus, problem.only, problem.titles):
        # Tables hold results, such as the outputs with the new weights.
        items = tuple(item for item in section.items if isinstance(item, Line))
        if items and (problem.updates or section.kind != "update"):
            sections.append(section._replace(items=items))
    style = Style(digits=digits, full=True)
    sheet = Sheet(problem, names, tuple(sections), (), style)
    if not sheet.results or "sum" not in {symbol.what for symbol in sheet.results}:
        raise ArgumentError(
            "The step is too large for a worksheet",
            problem.title,
            "Give one --example, or one --neuron or --weight of the network",
        )
    chosen = _concealing(sheet, choose(sheet, blanks, seed))
    return Sheet(problem, names, tuple(sections), chosen, style)


# ---------------------------------------------------------------- which lines are blank


def choose(sheet: Sheet, blanks: str, seed: int = 0) -> set[Symbol]:
    """Return the lines that are asked for.

    Raises
    ------
    ArgumentError
        If there is no such kind or name, or nothing would be blank.

    Examples
    --------
    >>> from tinyglass.worksheet.problem import course_problem
    >>> sheet = make_sheet(course_problem("neuron"), notation="course")
    >>> len(choose(sheet, "3")), {sheet.name(symbol) for symbol in choose(sheet, "δ_weight2")}
    (3, {'δ_weight2'})
    """
    text = blanks.strip()
    results = sheet.results
    if text == "all":
        return set(results)
    number = re.fullmatch(r"(\d+)\s*(%?)", text)
    if number:
        n = int(number[1][:6])
        n = -(-len(results) * n // 100) if number[2] else n
        if not 1 <= n <= len(results):
            raise ArgumentError(
                f"Expected 1 to {len(results)} blanks, found {text}",
                "--blanks",
                f"The sheet has {len(results)} results",
            )
        return set(random.Random(seed).sample(results, n))
    chosen: set[Symbol] = set()
    for word in re.split(r",(?![^\[]*\])", text):  # a comma in hidden[0,2] parts nothing
        chosen |= _called(sheet, word.strip())
    return chosen


def _called(sheet: Sheet, word: str) -> set[Symbol]:
    """Return the result of a name, or those of a kind and of the sections called so."""
    results = set(sheet.results)
    named = sheet.symbols.get(plain_name(word))
    if named is not None and named in results:
        return {named}
    groups: dict[str, set[Symbol]] = {}
    for symbol in sheet.results:
        groups.setdefault(symbol.what, set()).add(symbol)
    for section in sheet.sections:
        found = {item.name for item in section.items if isinstance(item, Line)} & results
        if found:
            groups.setdefault(section.kind, set()).update(found)
    if word in groups:
        return groups[word]
    known = list(dict.fromkeys([*sorted(groups), *(sheet.name(s) for s in sheet.results)]))
    alike = get_close_matches(word, known, n=1, cutoff=ALIKE)
    mend = nearest(word, known) if alike else f"Known: {', '.join(known)}"
    raise ArgumentError(f"There is nothing called {word!r} on the sheet", "--blanks", mend)


def _concealing(sheet: Sheet, blanks: Iterable[Symbol]) -> tuple[Symbol, ...]:
    """Return the blanks with the lines that would give one away: those that show its result again."""
    hidden = set(blanks)
    world = sheet.world()

    def shown(symbol: Symbol) -> str:
        return sheet.style.number(world.value(symbol)).removeprefix("-")

    for symbol in sheet.results:  # in order: what repeats a result comes after it
        if symbol not in hidden and any(
            source in hidden and shown(source) == shown(symbol)
            for source in ingredients(sheet.lines[symbol], sheet.activations)
        ):
            hidden.add(symbol)
    return tuple(symbol for symbol in sheet.results if symbol in hidden)


# ---------------------------------------------------------------- given numbers


def _given(sheet: Sheet) -> dict[Symbol, Number]:
    """Return weights, inputs and settings by name, and whatever else a formula uses without a line of its own."""
    step, marks = sheet.problem.step, sheet.problem.marks
    lines = Lines(step, work(step), marks, sheet.names.words == "course")
    found = _values(lines.weight(*place) for place in all_weights(lines.step.layers))
    last = len(step.layers) - 1
    for e, mark in enumerate(marks):
        for i in range(lines.n_inputs(0)):
            found[Symbol("input", -1, i, None, mark)] = step.X[e, i]
        for l in range(last + 1):
            for what in ("sum", "output"):
                found |= _values(lines.layer(what, e, l))
        found |= _values(lines.layer("expected", e, last))
    for line in sheet.lines.values():
        found |= {s: v for s, v in _values(_leaves(line)).items() if s not in found}
    return {symbol: value for symbol, value in found.items() if symbol not in sheet.results}


def _leaves(line: Line) -> list[Traced]:
    number = line.number
    return [number] if number.symbol is not None else list(parts(number))


def _values(numbers: Iterable[Traced]) -> dict[Symbol, Number]:
    return {number.symbol: number.value for number in numbers if number.symbol is not None}
