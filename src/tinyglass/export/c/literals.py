"""Numbers as C writes them, and arrays of them."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import Any

import numpy as np

WIDTH = 116


def float_literal(x: Any) -> str:
    """Return the shortest C literal that a compiler reads back as this float32.

    Examples
    --------
    >>> float_literal(0.1), float_literal(2)
    ('0.1f', '2.0f')
    """
    text = np.format_float_scientific(np.float32(x), unique=True, trim="0")
    plain = repr(float(text))
    return f"{plain if 'e' in plain or '.' in plain else plain + '.0'}f"


def array(kind: str, name: str, values: Iterable[Any]) -> str:
    """Return the definition of a constant array, which on AVR stays in flash."""
    write = float_literal if kind == "float" else lambda value: str(int(value))
    numbers = [write(value) for value in values]
    body = wrap(", ".join(numbers), WIDTH, break_on_hyphens=False)
    inside = "\n".join(f"    {line}" for line in body)
    return f"static const {kind} {name}[{len(numbers)}] MODEL_ROM = {{\n{inside}\n}};\n"
