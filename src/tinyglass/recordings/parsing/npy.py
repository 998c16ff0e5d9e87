"""The bytes of an ``.npy``, without trust: nothing is unpickled or evaluated, and no size is believed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from ...errors import RecordingError
from ..source import Source

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000
LARGEST_ARRAY = 2**27  # numbers; as float64 they take 1 GiB
TYPE = re.compile(r"['\"]descr['\"]:\s*(['\"][^'\"]*['\"]|\[)")
SIMPLE = re.compile(r"['\"]([<>|=]?[biufcSU][1-9]\d{0,8}|[|]?\?)['\"]")
ORDER = re.compile(r"['\"]fortran_order['\"]:\s*(True|False)")
SHAPE = re.compile(r"['\"]shape['\"]:\s*\(([\d\s,]{0,99})\)")
AGAIN = "Save the array again"


def arrays(content: bytes, source: Source, where: str) -> Iterator[np.ndarray]:
    """Yield the arrays in a file: one, or several that were saved one after the other.

    An array that ends early is cut to the rows that are there, and the source's account says so.

    Raises
    ------
    RecordingError
        If the header cannot be understood, or declares neither numbers nor text.
    """
    if not content.startswith(MAGIC):
        raise RecordingError(f"Expected an array of NumPy, found {content[:20]!r}", where, AGAIN)
    start = 0
    while content.startswith(MAGIC, start):
        dtype, fortran, shape, data = _header(content, start, where)
        present = (len(content) - data) // dtype.itemsize
        if is_cut := math.prod(shape) > present:
            shape = _cut(shape, present, fortran, source, where)
        n_numbers = math.prod(shape)
        if n_numbers > LARGEST_ARRAY:
            raise RecordingError(
                f"The array has {n_numbers:,} numbers; at most {LARGEST_ARRAY:,} are read",
                where,
                "Split the array",
            )
        if n_numbers:
            yield np.frombuffer(content, dtype, n_numbers, data).reshape(shape, order="F" if fortran else "C")
        else:
            yield np.empty(0, dtype)  # of whatever shape: its other sides may be of any length
        start = len(content) if is_cut else data + n_numbers * dtype.itemsize
    if start < len(content):
        row = math.prod(shape[1:]) * dtype.itemsize
        source.dropped("after the end of the array", (len(content) - start) // max(row, 1))


def _header(content: bytes, start: int, where: str) -> tuple[np.dtype, bool, tuple[int, ...], int]:
    """Return the type, whether columns lie together, the shape, and where the numbers begin."""
    version = content[start + 6 : start + 7]
    begin = start + 8 + (2 if version == b"\1" else 4)
    end = begin + int.from_bytes(content[start + 8 : begin], "little")
    header = content[begin : min(end, begin + LONGEST_HEADER)].decode("latin-1")
    kind, order, shape = (pattern.search(header) for pattern in (TYPE, ORDER, SHAPE))
    if not (b"\1" <= version <= b"\3" and kind and order and shape and end <= len(content)):
        raise RecordingError(f"Expected the header of an array, found {header[:60]!r}", where, AGAIN)
    simple = SIMPLE.fullmatch(kind[1])
    try:
        dtype = np.dtype(simple[1] if simple else object)
    except TypeError:  # a size that there is none of, such as f3
        dtype = np.dtype(object)
    if dtype.hasobject:
        raise RecordingError(
            f"Expected an array of numbers, found one of type {kind[1][:40]}",
            where,
            "Save it as an array of numbers, such as with astype(float)",
        )
    return dtype, order[1] == "True", tuple(int(n) for n in re.findall(r"\d{1,18}", shape[1])), end


def _cut(shape: tuple[int, ...], present: int, fortran: bool, source: Source, where: str) -> tuple[int, ...]:
    """Return the shape of the rows that are there of an array that ends early."""
    row = math.prod(shape[1:])
    if not shape or present < row or (fortran and len(shape) > 1):
        raise RecordingError(
            f"Expected {math.prod(shape):,} numbers, found {present:,}",
            where,
            "Copy the file again, or record again",
        )
    source.repaired(f"the array ends early: {present // row} of {shape[0]} rows are there, and kept")
    if present % row:
        source.dropped(
            "cut at the end of the array", -(-(present % row) // (shape[2] if len(shape) == 3 else row))
        )
    return (present // row, *shape[1:])
