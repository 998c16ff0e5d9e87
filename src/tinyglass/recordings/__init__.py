"""Recordings, whatever they come in.

============== ============================================================================================
`places`       finds the files, and opens archives (``packed``)
`names`        takes labels, persons, parts from names; `describing` from files about others (``labels``)
``readers``    one file a format; they share ``tables`` and ``parsing``
`recording`    what comes out; `choosing` and `saving` go on from there
============== ============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import RecordingError, StorageError
from .describing import describe
from .names import about_names, two_levels
from .places import find_sources
from .readers import READERS
from .recording import DataSet, Dropped, Recording, Repair, origin, unnamed, with_labels
from .source import About, Source

__all__ = [
    "COURSE",
    "READERS",
    "DataSet",
    "Dropped",
    "Recording",
    "Repair",
    "Source",
    "origin",
    "read_recordings",
    "unnamed",
    "with_labels",
]

COURSE = Path(__file__).parent / "course"
"""The course's ten recordings, © the TinySpark course, CC BY-SA 4.0."""


def read_recordings(
    path: str | Path | None = None,
    *,
    label: str | None = None,
    groups: Mapping[str, str] | None = None,
    progress: Callable[[float], Any] | None = None,
) -> DataSet:
    """Return the recordings in a file, a folder or an archive; the format is recognised by content.

    Labels come from inside the data, then from a file that describes it (``info.labels``), then from
    `label`, then from the names of folders and files.

    Parameters
    ----------
    path : path, optional
        Without it, the course's ten recordings.
    label : str, optional
        For the recordings that carry none.
    groups : mapping, optional
        Patterns by kind (``"person"``, ``"session"``, ``"device"``, ``"label"``): regular expressions, of
        which the first group, or everything, is taken from each path.
    progress : function of the share of bytes that is read, 0 to 1; optional

    Returns
    -------
    DataSet
        The recordings, what was repaired, and what is in none of them.

    Raises
    ------
    RecordingError
        If a file cannot be understood; the line is named. If there are no recordings.
    StorageError
        If a file is missing or cannot be read.

    Examples
    --------
    >>> recordings = read_recordings()
    >>> len(recordings), recordings[0].signal.ravel().tolist(), recordings[0].label
    (10, [104.54, 2.375, 0.0], 'moving_away')
    """
    top = COURSE if path is None else Path(path)
    if not top.exists():
        raise StorageError("There is no such file or folder", str(top), "Check the spelling of the path")
    sources, not_again = find_sources(top)
    sources, described = describe(sources)
    abouts = about_names([s.path for s in sources], groups, [s.name for s in sources], label)
    recordings: list[Recording] = []
    repairs, dropped = described.account()
    if told := two_levels([source.path for source in sources], groups):
        repairs.append(Repair(str(top), told))
    repairs += _without_group(top, abouts, groups or {})
    dropped += not_again
    total, done = sum(source.size for source in sources) or 1, 0
    for source, about in zip(sources, abouts, strict=True):
        source.about = described.about(source, about, groups or ())
        if progress is not None:
            source.progress = partial(_advance, progress, total, done, source.size)
            source.progress(0.0)
        found = described(source, _read(source))
        done += source.size
        recordings += found if label is None else with_labels(found, label)
        own_repairs, own_dropped = source.account()
        repairs += own_repairs
        dropped += own_dropped
        source.release()
    if not recordings:
        names = [Path(d.where).name for d in dropped]
        begins = ""
        if top.is_file() and len(sources) == 1 and sources[0].is_text and sources[0].head_text.strip():
            begins = f"; it begins with {sources[0].head_text[:60]!r}"
        raise RecordingError(
            "Found no recordings" + (f" ({', '.join(names[:5])})" if names else "") + begins,
            str(top),
            "Name a file, a folder or an archive with recordings; docs/recordings.md lists the formats",
        )
    return DataSet(tuple(recordings), tuple(repairs), tuple(dropped))


def _without_group(top: Path, abouts: Sequence[About], groups: Mapping[str, str]) -> list[Repair]:
    """Tell of files in whose path a pattern finds nothing: they are one group together."""
    missing = {
        kind: sum(getattr(about, kind) is None for about in abouts) for kind in groups if kind != "label"
    }
    return [
        Repair(
            str(top),
            f"--group {kind}={groups[kind]} finds nothing in the path: one group together, without a name",
            n,
        )
        for kind, n in missing.items()
        if n
    ]


def _advance(progress: Callable[[float], Any], total: int, done: int, size: int, share: float) -> None:
    progress((done + share * size) / total)


def _read(source: Source) -> list[Recording]:
    """Return the recordings of the first reader that knows the format."""
    if not source.head:
        source.dropped("is empty", 0)
        return []
    for read in READERS:
        found = read(source)
        if found is not None:
            return [_with_about(recording, source) for recording in found]
        source.forget()
    source.dropped("holds no recordings in a format that tinyglass reads", 0)
    return []


def _with_about(recording: Recording, source: Source) -> Recording:
    """Fill in from the names what the data itself does not say. An empty label, unless it was saved, is none."""
    known = {
        name: getattr(source.about, name)
        for name in ("label", "person", "session", "device", "split")
        if getattr(recording, name) is None and getattr(source.about, name) is not None
    }
    if recording.label == "" and not source.says_all:
        known["label"] = None
    return replace(recording, **known) if known else recording
