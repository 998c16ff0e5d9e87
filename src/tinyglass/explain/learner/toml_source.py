"""A TOML file that a learner wrote: its numbers as written, and the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError, nearest

LARGEST_SIZE = 300  # digits of a number, before and behind the point
POINT = "A number is written with a point: 0.3"


class Source(NamedTuple):
    """Where things stand: the path, and the line of every (layer, key), layers from 0 and None at the top."""

    path: str
    lines: dict[tuple[int | None, str], int]

    def at(self, key: str, layer: int | None = None) -> str:
        """Return the place of a key, as an error says it."""
        line = self.lines.get((layer, key)) or (self.lines.get((layer, "")) if layer is not None else None)
        place = self.path + (f", line {line}" if line else "")
        return f"{place}, {key}" + (f" of layer {layer + 1}" if layer is not None else "")


def parse_toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text + "\n", parse_float=_decimal)  # so that an error at the end has its line
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|(end of document))\)", str(error), re.S)
        what, line, end = found.groups() if found else (str(error), None, None)
        place = f"{where}, line {line}" if line else f"{where}, its last line" if end else where
        raise ArgumentError(
            f"The file is not valid TOML: {what}",
            place,
            f"Every [ needs its ], text stands in quotes, and nothing is set twice. {POINT}",
        ) from error
    except ValueError as error:
        raise ArgumentError("A number has too many digits", where, "Write fewer digits") from error
    except RecursionError as error:
        raise ArgumentError("Too many brackets stand inside each other", where, "Use two at most") from error


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("Infinity")


def find_lines(text: str) -> dict[tuple[int | None, str], int]:
    """Return the line of every key: of layers counted from 0, or None at the top."""
    layer: int | None = None
    found: dict[tuple[int | None, str], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*[\"']?layers", line):
            layer = 0 if layer is None else layer + 1
            found[layer, ""] = number
        elif key := re.match(r"\s*\[?\s*[\"']?([^\s=\"'\[\]]+)[\"']?\s*[=\]]", line):
            found.setdefault((layer, key[1].replace("-", "_")), number)
    return found


def known_only(
    values: dict[str, Any], keys: Sequence[str], above: Sequence[str], file: Source, layer: int | None = None
) -> dict[str, Any]:
    """Return the values by their names with _ for -, if all are known; `above` are those of the top."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        key = name.replace("-", "_")
        if key not in keys:
            below = layer is not None and key in above
            mend = "What stands below [[layers]] belongs to that layer: move it above the first [[layers]]"
            raise ArgumentError(
                f"Unknown key {name!r}" + (" in a layer" if layer is not None else ""),
                file.at(key, layer),
                mend if below else nearest(key, list(keys)),
            )
        if key in result:
            raise ArgumentError(f"{name!r} is set twice, with - and with _", file.path, "Keep one of them")
        result[key] = value
    return result


def needed(values: dict[str, Any], key: str, file: Source) -> Any:
    if key not in values:
        raise ArgumentError(f"There are no {key}", file.path, f"Add a line such as {key} = [0.1, 0.8]")
    return values[key]


# ---------------------------------------------------------------- numbers


def number_of(value: Any, where: str) -> Decimal:
    """Return a number as it was written."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        kinds = {bool: "true or false", str: "text", list: "a list", dict: "a table"}
        kind = kinds.get(type(value), "a date or a time")
        shown = f" {value!r}" if isinstance(value, str) and len(value) < 40 else ""
        mend = f"Write it without quotes. {POINT}" if isinstance(value, str) else POINT
        raise ArgumentError(f"Expected a number, found {kind}{shown}", where, mend)
    number = Decimal(value)
    if not number.is_finite():
        raise ArgumentError(f"Expected a finite number, found {value}", where, "Write a finite number")
    if number == 0:
        return Decimal(0)
    exponent = int(number.as_tuple().exponent)
    if not -LARGEST_SIZE < exponent < LARGEST_SIZE or abs(number.adjusted()) >= LARGEST_SIZE:
        raise ArgumentError(
            f"Expected a number of at most {LARGEST_SIZE} digits before and behind the point, "
            f"found one of the size 1e{number.adjusted()}",
            where,
            "Write a shorter number",
        )
    return number


def row_of(value: Any, where: str) -> list[Decimal]:
    if not isinstance(value, list):
        return [number_of(value, where)]
    if not value:
        raise ArgumentError("Expected at least one number, found an empty list", where, POINT)
    return [number_of(each, where) for each in value]


def matrix_of(value: Any, where: str) -> np.ndarray:
    """Return rows of numbers; a single row may stand without its outer brackets."""
    nested = isinstance(value, list) and any(isinstance(row, list) for row in value)
    if nested and not all(isinstance(row, list) for row in value):
        raise ArgumentError("Some rows have brackets and some have none", where, "Write [[…], […]]")
    rows = [row_of(row, where) for row in value] if nested else [row_of(value, where)]
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ArgumentError(
                f"Row 1 has {len(rows[0])} numbers, and row {number} has {len(row)}",
                where,
                f"Give every row the same. {POINT}",
            )
    return np.array(rows, dtype=object)
