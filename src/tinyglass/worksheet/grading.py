"""Grading a filled-in sheet, line by line: each error is counted once, and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from fractions import Fraction
from itertools import starmap
from typing import Any, NamedTuple

from ..arithmetic import Number
from ..explain.formats.formula import Writer
from ..explain.tracing import Symbol, Traced
from .answers import Answer, of_kind
from .causes import CAUSES, Cause
from .problem import number_kind
from .sheet import Sheet
from .slips import (
    copies,
    fits,
    is_half_cut_off,
    is_too_coarse,
    rounders,
    rounds,
    slips_of_digits,
    to_fraction,
)
from .values import World, from_errors, ingredients

NOISE = Fraction(1, 10**12)  # of the largest number in a formula: a computer's own rounding
MOST_CAUSES = 3
UNWRITTEN = Fraction(1, 2000)  # how much rounding may change a number that was not written down
TOO_COARSE = "rounded too early"
NAMES = frozenset(cause.name for cause in CAUSES)


class Likely(NamedTuple):
    """A likely cause of a wrong line.

    Attributes
    ----------
    cause : str, its name
    detail : str, what exactly; may be empty
    """

    cause: str
    detail: str

    def __str__(self) -> str:
        return f"{self.cause} ({self.detail})" if self.detail else self.cause


class Graded(NamedTuple):
    """One line of a sheet, graded.

    Attributes
    ----------
    name : str
    answer : str or None, as written
    status : "right", "follows" (right, but for an error in an earlier line), "wrong", "unreadable" or "unanswered"
    right : str, the right line: name = formula = values = result
    follows_from : tuple of str, the wrong lines behind it
    causes : tuple of Likely, the likeliest first; empty where none fits
    expected_from_own : str, what the learner's own earlier answers give here; empty where it is the right result
    remark : str, what is to be said of a right answer; mostly empty
    same_as : str, the earlier line in which the same mistake was made, and counted; mostly empty
    """

    name: str
    answer: str | None
    status: str
    right: str
    follows_from: tuple[str, ...] = ()
    causes: tuple[Likely, ...] = ()
    expected_from_own: str = ""
    remark: str = ""
    same_as: str = ""


@dataclass(frozen=True, eq=False)
class Grading:
    """A graded sheet.

    Attributes
    ----------
    title : str
    lines : tuple of Graded, in the order of the sheet
    """

    title: str
    lines: tuple[Graded, ...]

    def count(self, *statuses: str) -> int:
        """Return how many lines have one of these statuses."""
        return sum(line.status in statuses for line in self.lines)

    @property
    def first_wrong(self) -> Graded | None:
        """The first line that is wrong by itself."""
        return next((line for line in self.lines if line.status in ("wrong", "unreadable")), None)

    @property
    def score(self) -> str:
        """How many lines are right, in a sentence."""
        n, follows = self.count("right", "follows"), self.count("follows")
        text = f"{n} of {len(self.lines)} right"
        if follows:
            text += f", {follows} of them only follow{'s' if follows == 1 else ''} an earlier error"
        wrong, unanswered = self.count("wrong", "unreadable"), self.count("unanswered")
        again = sum(bool(line.same_as) for line in self.lines)
        text += f"; {wrong - again} wrong" if wrong else ""
        text += f", and the same mistake in {again} more line{'s' if again > 1 else ''}" if again else ""
        return text + (f"; {unanswered} not answered" if unanswered else "") + "."

    def facts(self) -> dict[str, Any]:
        """Return the grading as plain JSON."""
        first = self.first_wrong
        return {
            "title": self.title,
            "n_lines": len(self.lines),
            "n_right": self.count("right", "follows"),
            "n_follow": self.count("follows"),
            "n_wrong": self.count("wrong", "unreadable"),
            "n_mistakes": self.count("wrong", "unreadable") - sum(bool(line.same_as) for line in self.lines),
            "n_unanswered": self.count("unanswered"),
            "first_wrong": None if first is None else first.name,
            "cause": None if first is None or not first.causes else first.causes[0].cause,
            "lines": [
                line._asdict()
                | {
                    "causes": [cause._asdict() for cause in line.causes],
                    "follows_from": list(line.follows_from),
                }
                for line in self.lines
            ],
        }


def grade(sheet: Sheet, answers: Mapping[Symbol, Answer]) -> Grading:
    """Return every blank of a sheet, and whatever else was answered, graded.

    A number is right if it is the exact result rounded to the digits that it shows, or what
    rounded right answers before it give; but a plain 0 is right only for 0. It follows if it is
    what earlier wrong answers give. A loss may be made from the errors as well as from the outputs.

    Parameters
    ----------
    sheet : Sheet
    answers : mapping from Symbol to Answer

    Examples
    --------
    >>> from tinyglass.worksheet.answers import read_answer
    >>> from tinyglass.worksheet.problem import course_problem
    >>> from tinyglass.worksheet.sheet import make_sheet
    >>> sheet = make_sheet(course_problem("neuron"), notation="course")
    >>> written = {"sum": "0.75", "weight1_new": "0.335"}
    >>> grading = grade(sheet, {sheet.symbols[name]: read_answer(text) for name, text in written.items()})
    >>> grading.score
    '1 of 9 right; 1 wrong; 7 not answered.'
    >>> str(grading.first_wrong.causes[0])
    'wrong sign (+ in place of −)'
    """
    return _Grader(sheet, answers).grade()


class _Grader:
    def __init__(self, sheet: Sheet, answers: Mapping[Symbol, Answer]) -> None:
        self.sheet, self.answers = sheet, answers
        self.exact = sheet.world()
        self.own = sheet.world()  # with the answers before the line that is being graded
        self.inferred: dict[Symbol, Traced] = {}  # mistaken formulas of lines that were not answered
        self.counted_at: dict[Symbol, Symbol] = {}  # the answered line at which such a mistake was counted
        self.kind = number_kind(sheet.problem.step)
        self.wrong: set[Symbol] = set()
        self.routes: dict[Symbol, Traced] = {}  # other right formulas, for the line that is being graded
        self.writer = Writer(sheet.names, sheet.style)

    def grade(self) -> Grading:
        asked = set(self.sheet.blanks) | set(self.answers)
        lines = {symbol: self._line(symbol) for symbol in self.sheet.results if symbol in asked}
        return Grading(self.sheet.problem.title, _counted_once(lines))

    def _line(self, symbol: Symbol) -> Graded:
        sheet = self.sheet
        right = " = ".join(self.writer.parts(sheet.lines[symbol]))
        answer = self.answers.get(symbol)
        graded = Graded(sheet.name(symbol), None if answer is None else answer.text, "unanswered", right)
        if answer is None:
            return graded
        if answer.value is None:
            return graded._replace(
                status="unreadable", causes=(Likely("this is no number", answer.text[:40]),)
            )
        routes = self._from_errors(symbol)
        judged = self._judged(graded, symbol, answer)
        if judged is None and routes:
            self.routes = routes
            judged = self._judged(graded, symbol, answer)
        graded = judged or self._wrong(graded, symbol, answer)
        self.routes = {}
        answers = {**self.own.answers, symbol: answer.like(self.kind)}
        self.own = sheet.world(answers=answers, instead=self.inferred)
        return graded

    def _judged(self, graded: Graded, symbol: Symbol, answer: Answer) -> Graded | None:
        """Return a line as right or as following; None where it is neither."""
        exact, own = self._exact(symbol), self._own(symbol)
        behind = self._wrong_behind(symbol)
        noise, slack = self._noise(symbol), self._slack(symbol, answer)
        if rounds(answer, exact, noise) and not is_half_cut_off(answer, exact):
            return graded._replace(status="right", remark=self._remark(answer, exact))
        if own is None or (own == exact and slack <= noise) or not rounds(answer, own, slack):
            return None
        if not behind:
            return graded._replace(status="right", remark=self._remark(answer, own))
        self.wrong.add(symbol)
        return graded._replace(
            status="follows", follows_from=self._named(behind), remark=self._remark(answer, own)
        )

    def _wrong(self, graded: Graded, symbol: Symbol, answer: Answer) -> Graded:
        exact, own = self._exact(symbol), self._own(symbol)
        behind = self._wrong_behind(symbol)
        differs = own is not None and behind and not fits(answer._replace(value=own), exact)
        causes = self._causes(symbol, answer)
        self.wrong.add(symbol)
        return graded._replace(
            status="wrong",
            causes=causes,
            expected_from_own=self.sheet.style.number(own) if own is not None and differs else "",
        )

    def _remark(self, answer: Answer, value: Fraction) -> str:
        if not is_too_coarse(answer, value):
            return ""
        return (
            f"it shows too few digits to be told from others; more exactly {self.sheet.style.number(value)}"
        )

    def _from_errors(self, symbol: Symbol) -> dict[Symbol, Traced]:
        """Return the formulas that make a loss from the errors, which are the learner's own."""
        losses = [place for place in (symbol, *self._behind(symbol)[1]) if place.what == "loss"]
        found = {place: from_errors(self.sheet.lines[place], self.sheet.lines) for place in losses}
        return {place: formula for place, formula in found.items() if formula is not None}

    def _wrong_behind(self, symbol: Symbol) -> tuple[Symbol, ...]:
        return tuple(source for source in self._behind(symbol)[0] if source in self.wrong)

    def _named(self, symbols: tuple[Symbol, ...]) -> tuple[str, ...]:
        counted = dict.fromkeys(self.counted_at.get(symbol, symbol) for symbol in symbols)
        return tuple(map(self.sheet.name, counted))

    def _exact(self, symbol: Symbol) -> Fraction:
        return to_fraction(self.exact.value(symbol))

    def _own(self, symbol: Symbol) -> Fraction | None:
        """Return what the formula gives from the learner's answers so far, if it gives anything."""
        return _value(self._world(self.own.answers), symbol)

    def _world(self, answers: Mapping[Symbol, Number]) -> World:
        return self.sheet.world(answers=answers, instead=self.routes | self.inferred)

    def _behind(self, symbol: Symbol) -> tuple[list[Symbol], list[Symbol]]:
        """Return the answered lines that a line is made from, and the unanswered ones on the way to them.

        An unanswered line in which a mistake was found is among both.
        """
        answered: dict[Symbol, None] = {}
        unanswered: dict[Symbol, None] = {}
        waiting = [symbol]
        while waiting:
            line = self.sheet.lines[waiting.pop()]
            line = line._replace(number=self.routes.get(line.name, line.number))
            for source in ingredients(line, self.sheet.activations):
                if source in self.own.answers or source in self.inferred:
                    answered[source] = None
                if (
                    source not in self.own.answers
                    and source in self.sheet.results
                    and source not in unanswered
                ):
                    unanswered[source] = None
                    waiting.append(source)
        return list(answered), list(unanswered)

    def _slack(self, symbol: Symbol, answer: Answer) -> Fraction:
        """Return how much rounding on the way may have changed a result: in answers before it, and unwritten."""
        own, slack = self._own(symbol), self._noise(symbol)
        if own is None:
            return slack
        answered, unanswered = self._behind(symbol)
        other: dict[Symbol, Number] = {
            source: self.exact.value(source)
            for source in answered
            if source in self.own.answers and source not in self.wrong
        }
        for source in self.wrong.intersection(answered) & set(self.own.answers):
            written = self.answers[source]  # what stood before it was rounded, nobody knows
            if written.value is not None and written.quantum is not None:
                other[source] = of_kind(written.value + written.quantum / 2, self.kind)
        for source in unanswered:
            value = _value(self._world(self.own.answers), source)
            # Only behind an error: otherwise it is an error of its own to round too early.
            if value is not None and answer.quantum is not None and self.wrong.intersection(answered):
                other[source] = of_kind(value + min(answer.quantum / 2, UNWRITTEN * abs(value)), self.kind)
        for source, value in other.items():
            changed = _value(self._world({**self.own.answers, source: value}), symbol)
            slack += abs(own - changed) if changed is not None else 0
        return slack

    def _noise(self, symbol: Symbol) -> Fraction:
        line = self.sheet.lines[symbol]
        sizes = [abs(to_fraction(self.exact.value(s))) for s in ingredients(line) if s.what != "updates"]
        return NOISE * max([abs(self._exact(symbol)), *sizes])

    # ------------------------------------------------------------ causes

    def _causes(self, symbol: Symbol, answer: Answer) -> tuple[Likely, ...]:
        found: dict[str, Likely] = {}
        for likely, instead in self._all_causes(symbol, answer):
            if not found:
                self._infer(symbol, instead)
            found.setdefault(likely.cause, likely)
            if len(found) == MOST_CAUSES:
                break
        return tuple(found.values())

    def _infer(self, symbol: Symbol, instead: dict[Symbol, Traced]) -> None:
        """Take the likeliest mistake in lines that were not written down for what the learner did there."""
        for place in instead:
            if place != symbol:
                self.inferred[place] = instead[place]
                self.counted_at[place] = symbol
                self.wrong.add(place)

    def _all_causes(self, symbol: Symbol, answer: Answer) -> Iterator[tuple[Likely, dict[Symbol, Traced]]]:
        assert answer.value is not None
        own, exact = self._own(symbol), self._exact(symbol)
        right = {"exact": exact} | ({} if own is None else {"own": own})
        if any(is_too_coarse(answer, value) for value in right.values()):
            yield Likely(TOO_COARSE, "no digit of the result is left"), {}
        slack, inferred = self._slack(symbol, answer), dict(self.inferred)
        for cause in CAUSES:
            for instead, detail in self._mistaken(cause, symbol):
                for answers in (self.own.answers, {}):
                    value = _value(self.sheet.world(answers=answers, instead=inferred | instead), symbol)
                    if value is not None and value not in right.values() and fits(answer, value, slack):
                        yield Likely(cause.name, detail), instead
        for likely in (
            *self._rounded_early(symbol, answer, right),
            *starmap(Likely, slips_of_digits(answer, right)),
            *starmap(Likely, copies(answer, symbol, self.sheet, self.exact, self.own)),
        ):
            yield likely, {}

    def _mistaken(self, cause: Cause, symbol: Symbol) -> Iterator[tuple[dict[Symbol, Traced], str]]:
        """Yield mistaken formulas for a line, or for unanswered lines behind it, where the mistake may lie."""
        single: dict[Symbol, Traced] = {}
        for place in [symbol, *self._behind(symbol)[1]]:
            line = self.sheet.lines[place]
            ways = [line, line._replace(number=self.routes[place])] if place in self.routes else [line]
            variants = [variant for way in ways for variant in cause.formulas(way, self.sheet)]
            for formula, detail in variants:
                at = "" if place == symbol else f"in {self.sheet.name(place)}"
                yield {place: formula}, ", ".join(part for part in (detail, at) if part)
            if len(variants) == 1:
                single[place] = variants[0][0]
        if len(single) > 1:
            yield single, "in every line behind it"

    def _rounded_early(self, symbol: Symbol, answer: Answer, right: dict[str, Fraction]) -> Iterator[Likely]:
        for rounder, name in rounders():
            for every in (False, True):
                for answers in (self.own.answers, {}):
                    world = self.sheet.world(answers=answers, rounder=rounder, every=every)
                    try:
                        value = to_fraction(world.formula(symbol))
                    except (ArithmeticError, ValueError):
                        continue
                    if value not in right.values() and fits(answer, value):
                        yield Likely(TOO_COARSE, f"to {name} on the way")


def _counted_once(lines: Mapping[Symbol, Graded]) -> tuple[Graded, ...]:
    """Return the lines with the cause first that all wrong lines of a layer share, each mistake counted once."""
    shared: dict[tuple[str, int | None], set[Likely]] = {}
    for symbol, line in lines.items():
        if line.status == "wrong":
            layer, found = symbol[:2], set(line.causes)
            shared[layer] = shared.get(layer, found) & found
    counted: dict[tuple[str, Likely], str] = {}
    graded = []
    for symbol, line in lines.items():
        if line.status == "wrong" and line.causes:
            likeliest = sorted(line.causes, key=lambda cause: cause not in shared[symbol[:2]])
            same_as = ""
            if likeliest[0].cause in NAMES:  # a slip of the pen is one of its own each time
                same_as = counted.setdefault((symbol.what, likeliest[0]), line.name)
            line = line._replace(causes=tuple(likeliest), same_as="" if same_as == line.name else same_as)
        graded.append(line)
    return tuple(graded)


def _value(world: World, symbol: Symbol) -> Fraction | None:
    """Return what a formula gives; None where it gives no number."""
    try:
        return to_fraction(world.formula(symbol))
    except (ArithmeticError, DecimalException, ValueError, KeyError):
        return None
