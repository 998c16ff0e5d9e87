"""The self-test of ``model.py``: eight test vectors, and the code that runs them on the board.

The vectors stand in comments at the end of the file, from where the self-test reads them one at a
time: a board has less memory than disk.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..board_model import TOLERANCE, BoardModel, board_answers
from .assembling import part
from .literals import floats

PER_LINE = 48  # bytes


def selftest_code(model: BoardModel) -> Iterator[str]:
    """Yield the sections of `selftest`."""
    yield f"_OUTPUTS = {model.network.n_outputs}\n_RECORD = {len(_records(model)[0])}\n_TOLERANCE = {TOLERANCE!r}"
    yield part("numbers_int8" if model.quantizes_readings else "numbers_float")
    yield part("selftest")


def vector_lines(model: BoardModel) -> str:
    """Return the comments with the test vectors."""
    text = "# Test vectors: of each the place of the class, outputs, sums of whole numbers, readings.\n"
    return text + "".join(map(in_comments, _records(model)))


def in_comments(content: bytes) -> str:
    """Return lines that a program finds in its own file.

    Examples
    --------
    >>> in_comments(b"ab")
    '#: 6162\\n'
    """
    starts = range(0, len(content), PER_LINE)
    return "".join(f"#: {content[start : start + PER_LINE].hex()}\n" for start in starts)


def _records(model: BoardModel) -> list[bytes]:
    answers, records = board_answers(model, model.readings), []
    for place, outputs, sums, readings in zip(
        answers.classes.tolist(), answers.outputs, answers.sums, model.readings, strict=True
    ):
        whole = np.asarray(sums, "<i4").tobytes() if model.quantizes_readings else b""
        records.append(bytes([place & 255]) + floats(outputs) + whole + floats(readings))
    return records
