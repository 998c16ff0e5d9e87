"""An explanation as JSON for programs, every number in full."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..explanation import Explanation, Figure, Line, Table
from ..tracing import Symbol
from .formula import ExactWriter
from .tables import is_number


def to_json(explanation: Explanation) -> str:
    """Return an explanation as JSON text.

    A line has ``name``, ``formula``, ``values``, ``result`` and ``note``. Formula and values
    are null for a number that was given; evaluated as Python, ``values`` is the result, bit by
    bit in a run of precision float64. A `Decimal` or `Fraction` also stands in full in
    ``exact``. A result that is not finite is null and stands in ``text``.
    """
    writer = ExactWriter(explanation.notation)
    sections = [
        {
            "kind": section.kind,
            "title": section.title,
            "example": section.example,
            "items": [_item(item, writer) for item in section.items],
        }
        for section in explanation.sections
    ]
    everything = {
        "title": explanation.title,
        "facts": _plain(explanation.facts),
        "notation": explanation.notation.words,
        "sections": sections,
    }
    return json.dumps(everything, ensure_ascii=False, allow_nan=False, indent=1)


def _item(item: str | Line | Table | Figure, writer: ExactWriter) -> dict[str, Any]:
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, Line):
        return {
            "name": writer.name(item.name),
            "formula": writer.formula(item),
            "values": writer.values(item),
            **_number(item.number.value, writer),
            "note": item.note,
        }
    if isinstance(item, Table):
        rows = [[_cell(cell, writer) for cell in row] for row in item.rows]
        return {"table": {"caption": item.caption, "head": list(item.head), "rows": rows}}
    return {"figure": item._asdict()}


def _cell(cell: Any, writer: ExactWriter) -> Any:
    if isinstance(cell, Symbol):
        return writer.name(cell)
    if not is_number(cell):
        return cell
    number = _number(cell, writer)
    return number["result"] if len(number) == 1 else number


def _number(value: Any, writer: ExactWriter) -> dict[str, Any]:
    if isinstance(value, int):
        return {"result": value}
    try:
        number = float(value) + 0.0
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        return {"result": None, "text": writer.number(value)}
    if isinstance(value, (Decimal, Fraction)):
        return {"result": number, "exact": writer.number(value)}
    return {"result": number}


def _plain(value: Any) -> Any:
    """Return facts without numbers that JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
