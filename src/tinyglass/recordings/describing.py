"""Applying the files that describe others: labels and parts by file, and labels of stretches of a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain
from math import ceil, floor
from pathlib import PurePosixPath

from ..errors import RecordingError
from .labels.entries import Entry, Stretch, find, key
from .labels.files import read_labels
from .labels.tables import read_table
from .parsing.values import shown
from .recording import Dropped, Recording, Repair, part_of
from .source import About, Source, decode

BEGINNING = 2**12  # bytes by which a file that describes others is recognised
ENDINGS = (".labels", ".json", ".csv", ".tsv", ".txt")
MUST_BE_UNDERSTOOD = ("info.labels", "structured_labels.labels")
SAID_ONCE = ("label", "person", "session", "device", "split")


class Description:
    """What is known of each file from others. Call it with a file's recordings to have its stretches cut out."""

    def __init__(self) -> None:
        self._files: dict[Source, PurePosixPath] = {}  # and the folder that each describes
        self._entries: dict[Source, Entry] = {}

    def add(self, file: Source, entries: Sequence[Entry], sources: Sequence[Source]) -> None:
        """Take what a file says of others, and note in its account what could not be found."""
        missing, moved, again = [], [], []
        described: set[Source] = set()
        for entry, (source, is_moved) in zip(entries, find(file, entries, sources), strict=True):
            if source is None:
                missing.append(entry.path)
                continue
            if is_moved:
                moved.append(entry.path)
            if source in described:
                again.append(entry.path)
            described.add(source)
            before = self._entries.get(source)
            self._entries[source] = entry if before is None else _agreed(source, before, entry)
        folder = file.path.parent
        below = not described or any(folder in source.path.parents for source in described)
        self._files[file] = folder if below else folder.parent
        if missing:
            file.dropped(f"names {_such_as(missing)} that cannot be found", 0)
        if moved:
            file.repaired(f"names {_such_as(moved)} now elsewhere: recognised by name")
        if again:
            file.repaired(f"names {_such_as(again)} more than once, in agreement")

    def note_unlisted(self, sources: Sequence[Source]) -> None:
        """Note, with the nearest describing file above them, the files that none describes."""
        nearest = {folder: file for file, folder in self._files.items()}
        unlisted: dict[Source, list[str]] = defaultdict(list)
        for source in sources:
            if source not in self._entries and nearest:
                above = next((nearest[folder] for folder in source.path.parents if folder in nearest), None)
                if above is not None:
                    unlisted[above].append(str(source.path))
        for file, paths in unlisted.items():
            file.repaired(f"does not list {_such_as(paths)}: labelled by name")

    def about(self, source: Source, names: About, kept: Collection[str] = ()) -> About:
        """Return what is known of a file: what describes it goes before its name.

        Parameters
        ----------
        source : Source
        names : About, what the names of file and folders say
        kept : what the names say best, as the user gave a pattern for it
        """
        entry = self._entries.get(source)
        if entry is None:
            return names
        said = {
            kind: getattr(entry.about, kind)
            for kind in SAID_ONCE
            if getattr(entry.about, kind) is not None and not (kind in kept and getattr(names, kind))
        }
        if entry.stretches or said.get("label") == "":
            said["label"] = None
        return replace(names, **said)

    def __call__(self, source: Source, recordings: list[Recording]) -> list[Recording]:
        """Return the recordings of a file, cut into the stretches that have labels of their own."""
        entry = self._entries.get(source)
        if entry is None or not entry.stretches or not recordings:
            return recordings
        if any(recording.label is not None for recording in recordings):
            source.repaired("the label inside goes before those of stretches in a file that describes it")
            return recordings
        if len(recordings) > 1:
            what = f"Expected one recording, as its stretches are labelled, found {len(recordings)}"
            raise RecordingError(
                what, source.name, f"Correct {entry.where}, or delete what it says of this file"
            )
        return _cut(source, recordings[0], entry)

    def account(self) -> tuple[list[Repair], list[Dropped]]:
        """Return what was noted about the describing files themselves."""
        accounts = [file.account() for file in self._files]
        return [*chain(*(repairs for repairs, _ in accounts))], [
            *chain(*(dropped for _, dropped in accounts))
        ]


def describe(sources: Sequence[Source]) -> tuple[list[Source], Description]:
    """Return the files that hold recordings, and what other files say of these.

    Raises
    ------
    RecordingError
        If a describing file cannot be understood, or two contradict each other.
    """
    known = {key(source.path.name) for source in sources}
    found = [(source, _entries_of(source, known)) for source in sources]
    holding = [source for source, entries in found if entries is None]
    description = Description()
    for source, entries in found:
        if entries is not None:
            description.add(source, entries, holding)
    description.note_unlisted(holding)
    return holding, description


def _entries_of(source: Source, known: Collection[str]) -> list[Entry] | None:
    """Return what a file says of others; None if it says nothing of them. Its content is not kept."""
    ending = source.path.suffix.lower()
    if ending not in ENDINGS:
        return None
    try:
        with source.open() as stream:
            beginning = decode(stream.read(BEGINNING)).lstrip()
        if source.path.name.lower() in MUST_BE_UNDERSTOOD or (
            ending == ".labels" and beginning[:1] in ("{", "[")
        ):
            return read_labels(source, beginning)
        if beginning.startswith("{"):
            return read_labels(source, beginning) if ending == ".json" else None
        return read_table(source, beginning, known)
    finally:
        source.release()


def _agreed(source: Source, before: Entry, after: Entry) -> Entry:
    """Return what two entries say together of the same file."""
    said = {}
    for kind in SAID_ONCE:
        first, second = getattr(before.about, kind), getattr(after.about, kind)
        if first and second and first != second:
            what = f"Expected one {kind} for {source.path}, found {shown(first)} and {shown(second)}"
            raise RecordingError(what, f"{before.where}, and {after.where}", "Correct one of them")
        said[kind] = first or second
    if before.stretches and after.stretches and before.stretches != after.stretches:
        what = f"Expected the same stretches for {source.path} in both places"
        raise RecordingError(what, f"{before.where}, and {after.where}", "Correct one of them")
    return replace(after, about=About(**said), stretches=before.stretches or after.stretches)


def _such_as(paths: Sequence[str]) -> str:
    example = paths[0] if len(paths[0]) <= 100 else f"{paths[0][:100]}…"
    return f"{len(paths):,} files (such as {example})" if len(paths) > 1 else f"a file ({example})"


# -- cutting recordings


def _cut(source: Source, recording: Recording, entry: Entry) -> list[Recording]:
    """Return the labelled stretches of a recording; what lies between them is named as dropped."""
    pieces = []
    for stretch in _within(source, recording, entry):
        part = slice(stretch.first, stretch.last + 1)
        pieces.append(
            replace(
                recording,
                signal=recording.signal[part],
                times=None if recording.times is None else recording.times[part],
                label=stretch.label or None,
                source=part_of(recording.source, stretch.first, stretch.last + 1),
            )
        )
    left = recording.n_readings - sum(piece.n_readings for piece in pieces)
    if left:
        source.dropped("readings in no labelled stretch", left)
    return pieces


def _within(source: Source, recording: Recording, entry: Entry) -> list[Stretch]:
    """Return the stretches in readings: some files give milliseconds, or the index after the last."""
    n_readings, last = recording.n_readings, entry.stretches[-1].last
    if last < n_readings:
        return list(entry.stretches)
    interval = 1000 / recording.rate_hz if recording.rate_hz else 0.0
    if interval > 1 and abs(last - (n_readings - 1) * interval) <= interval + 1:
        source.repaired("stretches given in milliseconds")
        found = [
            replace(s, first=ceil(s.first / interval - 1e-9), last=floor(s.last / interval + 1e-9))
            for s in entry.stretches
        ]
    elif last == n_readings:
        source.repaired("the last stretch ends after the last reading: taken to its end")
        found = list(entry.stretches)
    else:
        raise RecordingError(
            f"Expected stretches within the {n_readings:,} readings of {source.path}, found one to index {last:,}",
            entry.where,
            f"Count readings from 0 to {n_readings - 1}",
        )
    inside = [replace(s, last=min(s.last, n_readings - 1)) for s in found]
    return [s for s in inside if s.first <= s.last]
