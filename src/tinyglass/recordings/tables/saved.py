"""The long table in which tinyglass saves recordings, and from which the very same recordings are read.

One reading a row. The columns of text are the same in all rows of a recording:

=============== ==============================================================================
``recording``   0, 1, 2, … in the order of the recordings
``time_s``      seconds, empty where the recording has no times
…               a column for each channel, empty where the recording has no such channel
``label``, ``person``, ``session``, ``device``, ``split``, ``source``: text, or empty
``rate_hz``     a number, or empty
``channels``    the names of the recording's channels in their order, as JSON
``units``       their units, as JSON
=============== ==============================================================================

A channel's column has its name, except one that is taken: ``channel:label`` for a channel ``label``,
``channel2:x`` for a second channel ``x``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from ...errors import RecordingError
from ..recording import Recording
from ..source import About
from .gathering import gather
from .table import Table

FIRST = ("recording", "time_s")
TEXTS = ("label", "person", "session", "device", "split", "source")
LAST = (*TEXTS, "rate_hz", "channels", "units")


def is_saved(heads: Sequence[str]) -> bool:
    """Tell the columns of a table that `save_recordings` wrote.

    Examples
    --------
    >>> is_saved(["recording", "time_s", "x", *LAST]), is_saved(["recording", "time_s", "x", "label"])
    (True, False)
    """
    return tuple(heads[:2]) == FIRST and tuple(heads[-len(LAST) :]) == LAST


def restored(table: Table) -> Iterator[Recording]:
    """Return the recordings of such a table."""
    table.source.about, table.source.says_all = About(), True  # its name adds nothing
    heads = table.heads
    texts = [0, *range(len(heads) - len(LAST), len(heads))]
    numbers = range(1, len(heads) - len(LAST))
    rows = gather(table, texts, None, numbers, exact=True)
    columns = {heads[i]: column for i, column in zip(numbers, rows.columns, strict=True)}
    for identity, own in rows.by_recording(table.source.progress):
        yield _restored(
            table.at(rows.places[own[0]]), dict(zip(LAST, identity[1:], strict=True)), own, columns
        )


def _restored(
    where: str, known: Mapping[str, str | None], rows: np.ndarray, columns: Mapping[str, np.ndarray]
) -> Recording:
    try:
        channels = tuple(msgspec.json.decode(known["channels"] or "", type=list[str]))
        units = tuple(msgspec.json.decode(known["units"] or "", type=list[str]))
        rate_hz = None if known["rate_hz"] is None else float(known["rate_hz"])
        if rate_hz is not None and not np.isfinite(rate_hz):
            raise ValueError("the rate is no finite number")
        signal = np.stack([columns[head][rows] for head in heads_of(channels)], axis=1)
    except (msgspec.MsgspecError, RecursionError, KeyError, ValueError) as error:
        raise RecordingError(
            f"Expected the channels, units and rate of a recording, found something else ({error})",
            where,
            "Save the recordings again",
        ) from None
    times = columns["time_s"][rows]
    try:
        return Recording(
            signal,
            channels,
            units,
            rate_hz,
            None if np.isnan(times).all() else times,
            **{name: known[name] for name in TEXTS if name != "source"},
            source=where if known["source"] is None else known["source"],
        )
    except RecordingError as error:
        raise RecordingError(error.what, f"{where} ({error.where})", "Save the recordings again") from None


def heads_of(channels: Sequence[str]) -> list[str]:
    """Return the heads of the channels' columns."""
    used: Counter[str] = Counter()
    heads = []
    for name in channels:
        used[name] += 1
        taken = name in ("", *FIRST, *LAST) or used[name] > 1 or re.match(r"channel\d*:", name)
        number = used[name] if used[name] > 1 else ""
        heads.append(f"channel{number}:{name}" if taken else name)
    return heads
