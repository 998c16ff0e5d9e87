"""One reader a file.

A new format is one file here with a function ``read(source: Source) -> Iterable[Recording] | None``
(None: not this format, told by its content), its place in `READERS`, and its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..recording import Recording
from ..source import Source
from . import (
    arduino,
    arff,
    createai,
    csv,
    edge_impulse,
    long_table,
    magic_wand,
    numpy_arrays,
    serial,
    series,
    tinyspark,
)

__all__ = ["READERS"]

READERS: tuple[Callable[[Source], Iterable[Recording] | None], ...] = (
    tinyspark.read,
    edge_impulse.read,
    createai.read,
    magic_wand.read,
    series.read,
    arff.read,
    numpy_arrays.read,
    long_table.read,
    arduino.read,
    csv.read,
    serial.read,
)
"""Every reader, the strictest first."""
