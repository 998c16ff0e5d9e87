"""Files that describe others: labels and parts by file, and labels of stretches of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .recording import Recording
from .source import Source

Labeller = Callable[[Source, list[Recording]], list[Recording]]


def describe(sources: Sequence[Source]) -> tuple[list[Source], Labeller]:
    """Return the files that hold recordings, and what gives these the labels of the other files."""
    return list(sources), lambda source, recordings: recordings
