"""JSON and its like, where anything may stand for a number or a text: decoded, and checked, with clear errors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from ...errors import RecordingError
from ..source import Source

LONGEST_NUMBER = 10**18  # as text it would be no name
LARGEST_JSON = 2**26  # bytes; decoded, it may take twenty times the memory


def document(source: Source, signature: str) -> Any | None:
    """Return what a JSON file holds; None if it is none, or the signature, a regular expression, is not in it.

    NaN, Infinity and 1e999 become numbers that are not finite, so that a recording names their place.

    Raises
    ------
    RecordingError
        If the file has the signature, and is damaged, too large or too deep.
    """
    if source.head_text.lstrip()[:1] not in ("[", "{"):
        return None
    text = source.head_text if source.size > LARGEST_JSON else source.text
    if not re.search(signature, text):
        return None
    if max(source.size, len(text)) > LARGEST_JSON:
        raise RecordingError(
            f"The file has {source.size:,} bytes; at most {LARGEST_JSON:,} of JSON are read",
            source.name,
            "Split the file",
        )
    return parse(text, source)


def parse(text: str, source: Source) -> Any:
    """Return what JSON text holds, or refuse it."""
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        pass  # the slower decoder knows the line, and takes what is not finite
    try:
        found = json.loads(text)
        json.dumps(
            found, ensure_ascii=False
        ).encode()  # refuses half of a character, which no file could hold
        return found
    except json.JSONDecodeError as error:
        what, where = f"The JSON is damaged at character {error.colno}: {error.msg}", source.at(error.lineno)
    except RecursionError:
        what, where = "The JSON is nested too deeply", source.name
    except UnicodeEncodeError:
        what, where = "The JSON holds text that is no UTF-8", source.name
    except ValueError:
        what, where = "The JSON holds a number of thousands of digits", source.name
    raise RecordingError(what, where, "Export or download the file again")


def numbers(names: Sequence[str], columns: Sequence[Any], where: str) -> np.ndarray:
    """Return (n_readings, n_channels) float64 of named lists of numbers, or refuse them."""
    for name, column in zip(names, columns, strict=True):
        if not isinstance(column, list):
            raise RecordingError(
                f"Expected a list of numbers, found {shown(column)}",
                f"{where}, channel {name!r}",
                "Delete the recording, or record it again",
            )
        for row, value in enumerate(column, 1):
            if type(value) not in (int, float):
                raise RecordingError(
                    f"Expected a number, found {shown(value)}",
                    f"{where}, reading {row}, channel {name!r}",
                    "Delete the recording, or record it again",
                )
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        found = ", ".join(f"{n} of {name!r}" for name, n in zip(names, lengths, strict=True))
        raise RecordingError(
            f"Expected as many readings in each channel, found {found[:200]}",
            where,
            "Delete the recording, or record it again",
        )
    try:
        return np.array(columns, dtype=np.float64).T
    except OverflowError:
        raise RecordingError(
            "Expected numbers, found one of hundreds of digits",
            where,
            "Delete the recording, or record it again",
        ) from None


def shown(value: Any) -> str:
    """Return a value for a message, as JSON calls it, and not at length.

    Examples
    --------
    >>> shown(None), shown([1] * 100), shown("up")
    ('null', 'a list', "'up'")
    """
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value[:40] if isinstance(value, str) else value)


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
