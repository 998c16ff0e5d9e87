"""Numbers and labels as Python writes them, so that every board reads the same bits.

Boards parse decimal fractions inexactly, so all numbers with a point travel as the bytes of float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np

WIDTH = 100


def bytes_literal(content: bytes, indent: str = "") -> str:
    """Return a literal of the bytes: on one line where it is short, else in parentheses, line by line.

    Examples
    --------
    >>> bytes_literal(bytes([0, 65, 255]))
    "b'\\\\x00A\\\\xff'"
    """
    lines, start = [], 0
    while start < len(content):
        end = start + WIDTH // 4
        while end < len(content) and len(repr(content[start : end + 1])) <= WIDTH:
            end += 1
        lines.append(repr(content[start:end]))
        start = end
    if len(lines) < 2:
        return repr(content)
    return "(\n" + "".join(f"{indent}    {line}\n" for line in lines) + f"{indent})"


def floats(values: Any) -> bytes:
    """Return the bytes of the numbers as float32, the lowest first."""
    return np.asarray(values, "<f4").tobytes()


def float_tuple(name: str, values: Any) -> str:
    """Return a statement that gives the name a tuple of float32 numbers.

    Examples
    --------
    >>> float_tuple("_SCALE", [1.0])
    "_SCALE = unpack('<1f', b'\\\\x00\\\\x00\\\\x80?')  # 1"
    """
    numbers = np.asarray(values, np.float32).ravel()
    remark = f"  # {', '.join(f'{x:.7g}' for x in numbers)}" if len(numbers) <= 3 else ""
    return f"{name} = unpack('<{len(numbers)}f', {bytes_literal(floats(numbers))}){remark}"


def one_float(name: str, value: float) -> str:
    """Return a statement that gives the name one float32 number.

    Examples
    --------
    >>> one_float("THRESHOLD", 0.5)
    "THRESHOLD = unpack('<f', b'\\\\x00\\\\x00\\\\x00?')[0]  # 0.5"
    """
    return f"{name} = unpack('<f', {floats(value)!r})[0]  # {np.float32(value):.7g}"


def texts(names: Sequence[str]) -> str:
    """Return a tuple of texts, whatever is in them; only ASCII.

    Examples
    --------
    >>> texts(("a", "手"))
    "('a', '\\\\u624b')"
    """
    parts = [ascii(name) for name in names]
    if sum(map(len, parts)) < WIDTH:
        return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
    return "(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def whole_numbers(values: Any) -> str:
    """Return a tuple of whole numbers, line by line.

    Examples
    --------
    >>> whole_numbers(np.array([1, -2]))
    '(1, -2)'
    """
    numbers = [str(int(value)) for value in values]
    lines = wrap(", ".join(numbers) + ("," if len(numbers) == 1 else ""), WIDTH)
    return f"({lines[0]})" if len(lines) == 1 else "(\n" + "".join(f"    {line}\n" for line in lines) + ")"
