"""What one file says of another, and which file it means."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..names import PARTS
from ..parsing.values import as_text
from ..source import About, Source

KINDS = ("person", "session", "device")
UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before a name
INGESTION = re.compile(r"\.ingestion-[0-9a-z]+-[0-9a-z]+")  # what Edge Impulse puts behind it
ENDING = re.compile(r"\.(json|cbor|csv|tsv|txt|log|npy|npz|parquet|ts|wav)(?=\.|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings `first` to `last`, counted from 0, both included, and their label ("" for none)."""

    first: int
    last: int
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says of another one.

    Attributes
    ----------
    path : str, the other file, as it is named
    where : str, the place of this entry
    about : About; a label of "" says that there is none, None says nothing
    name : str, what the recording is called, which may differ from its file; "" where unknown
    stretches : tuple of Stretch, in order, without overlap
    """

    path: str
    where: str
    about: About
    name: str = ""
    stretches: tuple[Stretch, ...] = ()


def key(name: str) -> str:
    """Return a file's name without what tools add to it: endings, and ids of an upload.

    Examples
    --------
    >>> key("idle.json.65vvfcfv.ingestion-5758845749-7ntsk.json"), key("f085fe84-squat_1.npy.csv")
    ('idle.65vvfcfv', 'squat_1')
    """
    return ENDING.sub("", INGESTION.sub("", UPLOAD.sub("", name)))


def split_of(source: Source, category: Any) -> str | None:
    """Return the part; "split" leaves the choice to Edge Impulse, and so says nothing."""
    name = (as_text(category) or "split").lower()
    if name not in PARTS and name != "split":
        source.repaired(f"the part {name[:40]!r} is neither train nor test: not used")
    return PARTS.get(name)


# -- finding the file


def find(
    file: Source, entries: Sequence[Entry], sources: Sequence[Source]
) -> list[tuple[Source | None, bool]]:
    """Return the file that each entry means, and whether it lies elsewhere than said.

    Where there is none at the path, one of the same name is meant, then one of the same name without
    the id and the endings that tools add; below the describing file first, then beside its folder.
    A name that several files have means none of them.
    """
    folder = file.path.parent
    places = {str(source.path): source for source in sources}
    found = [places.get(posixpath.normpath(folder / entry.path.replace("\\", "/"))) for entry in entries]
    exact = {source for source in found if source is not None}
    if len(exact) == len(entries):
        return [(source, False) for source in found]
    searches = [
        (_by_name(sources, exact, scope, naming), naming)
        for scope in dict.fromkeys((folder, folder.parent))
        for naming in (str, key)
    ]
    return [
        (source, False) if source is not None else (_search(entry, searches), True)
        for entry, source in zip(entries, found, strict=True)
    ]


def _by_name(
    sources: Sequence[Source], exact: set[Source], scope: PurePosixPath, naming: Callable[[str], str]
) -> dict[str, Source | None]:
    """Return the files below a folder by name; None for a name that several have."""
    start = "" if str(scope) == "." else f"{scope}/"
    found: dict[str, Source | None] = {}
    for source in sources:
        if source not in exact and str(source.path).startswith(start):
            name = naming(source.path.name)
            found[name] = None if name in found else source
    return found


def _search(
    entry: Entry, searches: Sequence[tuple[dict[str, Source | None], Callable[[str], str]]]
) -> Source | None:
    names = entry.path.replace("\\", "/").rpartition("/")[2], entry.name
    for found, naming in searches:
        for name in names:
            if name and naming(name) in found:
                return found[naming(name)]
    return None
