"""What a learner wrote: answers from a filled-in sheet or a plain text, as they were written."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from ..arithmetic import Number
from ..errors import ArgumentError, nearest
from ..explain.tracing import Symbol
from ..storage import read_bytes
from .sheet import Sheet, plain_name

LARGEST = 2**24  # bytes of a file with answers
LONGEST = 60  # letters of a number
BEYOND = 300  # powers of ten that no answer reaches


class Answer(NamedTuple):
    """A number as it was written.

    Attributes
    ----------
    text : str, as written
    value : Fraction or None; None: this is no number
    quantum : Fraction or None, what one more in its last digit would add; None for a fraction, which is exact
    """

    text: str
    value: Fraction | None
    quantum: Fraction | None

    def like(self, kind: type) -> Number:
        """Return the value as the kind of number that the step has."""
        assert self.value is not None
        return of_kind(self.value, kind)


def of_kind(value: Fraction, kind: type) -> Number:
    """Return a fraction as the kind of number that a step has.

    Examples
    --------
    >>> of_kind(Fraction(1, 4), Decimal)
    Decimal('0.25')
    """
    return value if kind is Fraction else Decimal(value.numerator) / Decimal(value.denominator)


def read_answer(text: str) -> Answer:
    """Return what was written as a number.

    A comma or a point parts the decimals; − is a minus; 1/3, 2e-3, 2·10^-3 and 35 % are numbers.

    Examples
    --------
    >>> read_answer("−1,0193").value == Fraction("-1.0193"), read_answer("1/3").quantum
    (True, None)
    >>> read_answer("35 %").value, read_answer("about 2").value
    (Fraction(7, 20), None)
    """
    plain = re.sub(r"[\s'_]", "", unicodedata.normalize("NFKC", text[: 2 * LONGEST]))
    plain = re.sub("[−‒–—﹣]", "-", plain).replace("⁄", "/")  # NFKC makes ½ of 1⁄2
    plain = re.sub(r"[·×*x]10(?:\^|\*\*)?\(?([-+]?\d+)\)?$", r"e\1", plain)
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    percent = plain.endswith("%")
    plain = plain.rstrip("%") if plain.count("%") < 2 else plain
    nothing = Answer(text, None, None)
    if len(plain) > LONGEST:
        return nothing
    quotient = re.fullmatch(r"([-+]?\d+(?:\.\d*)?)/(\d+(?:\.\d*)?)", plain)
    if quotient:
        over, under = Fraction(quotient[1]), Fraction(quotient[2])
        return Answer(text, over / under / (100 if percent else 1), None) if under else nothing
    if not re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", plain):
        return nothing
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return nothing
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(number.adjusted()) > BEYOND or abs(exponent) > BEYOND:
        return nothing
    share = 100 if percent else 1
    return Answer(text, Fraction(number) / share, Fraction(10) ** exponent / share)


# ---------------------------------------------------------------- files


class Filled(NamedTuple):
    """A file with answers.

    Attributes
    ----------
    where : str, the file
    entries : tuple of (name, text, where), in the order of the file
    network : str, the part of a TOML file that says what network and step the answers are about
    about : dict, what its [sheet] says
    """

    where: str
    entries: tuple[tuple[str, str, str], ...]
    network: str = ""
    about: dict[str, Any] = {}  # noqa: RUF012 - never changed


def read_filled(path: Path) -> Filled:
    """Return what stands in a file with answers: TOML, or ``name = number`` on each line.

    Raises
    ------
    ArgumentError
        If it is empty, or can be read as neither.
    StorageError
        If it is missing or cannot be read.
    """
    content = read_bytes(path, LARGEST)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArgumentError("The file is not UTF-8 text", str(path), "Save it as UTF-8") from error
    if not text.strip():
        raise ArgumentError("The file is empty", str(path), "Write one line for each answer: name = number")
    if path.suffix.lower() == ".toml":
        return parse_filled(text, str(path))
    return Filled(str(path), tuple(_from_text(text, str(path))))


def parse_filled(text: str, where: str) -> Filled:
    """Return what a TOML text with answers says.

    Raises
    ------
    ArgumentError
        If it is no TOML, or its answers are no numbers.

    Examples
    --------
    >>> parse_filled("inputs = [1]\\n[answers]\\nsum = 0.750", "answers.toml").entries
    (('sum', '0.750', 'answers.toml, line 3'),)
    """
    network, ours = _parted(text)
    values = parse_toml(ours, where)
    table, lines, about = (values.get(name, kind()) for name, kind in PARTS.items())
    if not isinstance(table, dict) or not isinstance(about, dict):
        raise ArgumentError(
            "Expected [answers] and [sheet] once each", where, "Write the name in single brackets"
        )
    if not (isinstance(lines, list) and all(isinstance(line, dict) for line in lines)):
        raise ArgumentError(
            "Expected [[lines]] with name and answer", where, "Write [[lines]] in double brackets"
        )
    entries = [(name, answer, _line_of(text, name, where)) for name, answer in _flat(table)]
    for k, line in enumerate(lines, 1):
        if "name" not in line:
            raise ArgumentError(f"Number {k} of the [[lines]] has no name", where, 'Write name = "…" there')
        name = str(line["name"])
        entries.append((name, line.get("answer", ""), _line_of(text, name, where)))
    written = []
    for name, answer, place in entries:
        if isinstance(answer, (bool, list, dict)):
            kind = {bool: "true or false", list: "a list", dict: "a table"}[type(answer)]
            raise ArgumentError(f"Expected a number for {name!r}, found {kind}", place, "Write one number")
        written.append((name, str(answer), place))
    return Filled(where, tuple(written), network, about)


PARTS: dict[str, type] = {"answers": dict, "lines": list, "sheet": dict}
"""The tables of a sheet's file that are not the network."""


def _parted(text: str) -> tuple[str, str]:
    """Return the network's part of a file and ours, each with empty lines where the other's are."""
    network, ours, mine = [], [], False
    for row in text.splitlines():
        head = re.match(r"\s*\[\[?\s*[\"']?([\w-]+)[\"']?\s*[\].]", row)
        if head:
            mine = head[1] in PARTS
        network.append("" if mine else row)
        ours.append(row if mine else "")
    return "\n".join(network), "\n".join(ours)


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return what a TOML text says; numbers with a point stay as they are written.

    Raises
    ------
    ArgumentError
        If it is no TOML.

    Examples
    --------
    >>> parse_toml("error1 = 0.350", "answers.toml")
    {'error1': '0.350'}
    """
    try:
        return tomllib.loads(text, parse_float=str)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        comma = " A number with a comma stands in quotes." if re.search(r"=\s*[-+]?\d+,\d", text) else ""
        mend = 'Mend that line; names with [ ] or δ stand in quotes: "hidden[0].sum" = -1.02'
        raise ArgumentError(f"The file is not valid TOML: {said}.{comma}".rstrip("."), where, mend) from error


def _flat(table: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return the entries of a table; a.b = 1 without quotes is a table in a table."""
    found = []
    for name, value in table.items():
        full = f"{before}.{name}" if before else name
        found += _flat(value, full) if isinstance(value, dict) and value else [(full, value)]
    return found


def _line_of(text: str, name: str, where: str) -> str:
    """Return the file with the line on which a name first stands."""
    for number, row in enumerate(text.splitlines(), 1):
        if name in row and not row.lstrip().startswith("#"):
            return f"{where}, line {number}"
    return where


def _from_text(text: str, where: str) -> list[tuple[str, str, str]]:
    entries = []
    for number, row in enumerate(text.splitlines(), 1):
        row = row.strip()
        if not row or row.startswith("#"):
            continue
        name, sign, answer = row.rpartition("=")
        if not sign or not name.strip():
            raise ArgumentError(
                f"Expected name = number, found {row[:80]!r}",
                f"{where}, line {number}",
                "Write an = between them",
            )
        # name = formula = values = result: the name is the first, the answer the last
        entries.append((name.partition("=")[0].strip(), answer.strip(), f"{where}, line {number}"))
    return entries


def match(written: Filled, sheet: Sheet) -> dict[Symbol, Answer]:
    """Return the answers by the lines that they belong to; empty ones are left out.

    Raises
    ------
    ArgumentError
        If a name stands on no line of the sheet, or two answers are for one line.
    """
    found: dict[Symbol, Answer] = {}
    places: dict[Symbol, str] = {}
    for name, text, where in written.entries:
        symbol = sheet.symbols.get(plain_name(name))
        if symbol is None:
            raise ArgumentError(
                f"There is no line called {name!r} on the sheet", where, _nearest_line(name, sheet)
            )
        if symbol in places:
            raise ArgumentError(
                f"{sheet.name(symbol)} is answered twice, first in {places[symbol].rpartition(', ')[2]}",
                where,
                "Keep one of them",
            )
        places[symbol] = where
        if text.strip() and symbol in sheet.results:
            found[symbol] = read_answer(text)
    if not found and not sheet.blanks:
        mend = "Write one line for each answer: name = number"
        raise ArgumentError("There are no answers", written.where, mend)
    return found


def _nearest_line(name: str, sheet: Sheet) -> str:
    """Return the remedy for an unknown name: the nearest in the notation that it seems to be in."""
    words = "standard" if "[" in name else sheet.names.words
    names = sheet.names._replace(words=words)
    return nearest(name, [names.text(symbol) for symbol in sheet.results])
