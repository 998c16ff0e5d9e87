"""Single values out of JSON or CBOR, where anything may stand for a number or a text."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

LONGEST_NUMBER = 10**18  # as text it would be no name


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell numbers from everything else, also from true and false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_text(value: Any) -> str | None:
    """Return a text without the spaces around it, or a number as text; None for anything else.

    Examples
    --------
    >>> as_text(" wave "), as_text(1.5), as_text(5), as_text([1])
    ('wave', '1.5', '5', None)
    """
    if isinstance(value, str):
        return value.strip()
    if is_number(value) and math.isfinite(value) and abs(value) < LONGEST_NUMBER:
        return str(value)
    return None
