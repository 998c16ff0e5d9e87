"""Files in which Edge Impulse keeps the labels of others.

============================= ====================================================================
``info.labels``               ``files[{path, category, label{type, label or labels}, name, metadata}]``
``structured_labels.labels``  ``structuredLabels{path: [{startIndex, endIndex, label}]}``
============================= ====================================================================

The indices count readings from 0, and the last belongs to the stretch: 0–300, then 301–621.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from ...errors import RecordingError
from ..parsing.values import as_text, document, is_number, shown
from ..source import About, Source
from ..tables.cells import ROLES
from .entries import KINDS, Entry, Stretch, split_of

MEND = "Correct the file, or delete it to take the labels from names"


def read_labels(source: Source, beginning: str) -> list[Entry] | None:
    """Return what a JSON file says of others; None if it is no such file.

    Parameters
    ----------
    source : Source
    beginning : the first of its text

    Raises
    ------
    RecordingError
        If a file that ends in ``.labels`` cannot be understood.
    """
    if source.path.suffix.lower() == ".labels":
        return _labels(source, document(source, ""))
    if '"structuredLabels"' not in beginning and not re.search(r'"files"\s*:\s*\[\s*\{', beginning):
        return None
    try:
        return _labels(source, document(source, ""))
    except RecordingError:
        return None


def _labels(source: Source, found: Any) -> list[Entry]:
    if found is None:
        raise RecordingError("Expected JSON, found other text", source.name, MEND)
    content = found if isinstance(found, dict) else {}
    if isinstance(content.get("structuredLabels"), dict):
        return [
            _entry_of_stretches(path, stretches, f"{source.name}, {path[:100]!r}")
            for path, stretches in content["structuredLabels"].items()
        ]
    if isinstance(content.get("files"), list):
        return [_entry(source, file, number) for number, file in enumerate(content["files"], 1)]
    if "boundingBoxes" in content:
        source.dropped("marks places in pictures, which are no recordings", 0)
        return []
    what = f"Expected a list of files or structuredLabels, found {shown(found)} without them"
    raise RecordingError(what, source.name, MEND)


def _entry(source: Source, found: Any, number: int) -> Entry:
    where = f"{source.name}, file {number}"
    path = found.get("path") if isinstance(found, dict) else None
    if not isinstance(path, str) or not path.strip():
        raise RecordingError(f"Expected the path of a file, found {shown(path or found)}", where, MEND)
    label, stretches = _label(found.get("label"), where)
    about = About(
        label, split=split_of(source, found.get("category")), **_groups(source, found.get("metadata"))
    )
    return Entry(path, where, about, as_text(found.get("name")) or "", stretches)


def _entry_of_stretches(path: str, found: Any, where: str) -> Entry:
    stretches = _stretches(found, where)
    return Entry(path, where, About(None if stretches else ""), stretches=stretches)


def _label(found: Any, where: str) -> tuple[str | None, tuple[Stretch, ...]]:
    """Return the label of a whole file, or those of its stretches."""
    if not isinstance(found, dict):
        return (None if found is None else _text(found, where)), ()
    if found.get("type") == "unlabeled":
        return "", ()
    if "labels" in found:
        stretches = _stretches(found["labels"], where)
        return None if stretches else "", stretches
    return _text(found.get("label"), where), ()


def _text(label: Any, where: str) -> str:
    text = as_text(label)
    if text is None:
        raise RecordingError(f"Expected a label, found {shown(label)}", where, MEND)
    return text


def _stretches(found: Any, where: str) -> tuple[Stretch, ...]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise RecordingError(f"Expected a list of stretches, found {shown(found)}", where, MEND)
    stretches = sorted((_stretch(one, where) for one in found), key=lambda stretch: stretch.first)
    for before, after in pairwise(stretches):
        if after.first <= before.last:
            what = f"Two stretches overlap: {before.first}–{before.last} and {after.first}–{after.last}"
            raise RecordingError(what, where, "Let each begin after the end of the one before")
    return tuple(stretches)


def _stretch(found: dict[str, Any], where: str) -> Stretch:
    first, last = _index(found.get("startIndex"), where), _index(found.get("endIndex"), where)
    if first > last:
        raise RecordingError(f"The stretch {first}–{last} ends before it begins", where, MEND)
    return Stretch(first, last, _text(found.get("label") or "", where))


def _index(end: Any, where: str) -> int:
    if not is_number(end) or end % 1 != 0 or not 0 <= end < 2**53:
        raise RecordingError(f"Expected the index of a reading, found {shown(end)}", where, MEND)
    return int(end)


def _groups(source: Source, metadata: Any) -> dict[str, str]:
    groups: dict[str, str] = {}
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        kind = next((kind for kind in KINDS if ROLES[kind].fullmatch(name.strip())), None)
        text = as_text(value)
        if kind is None or kind in groups or text is None:
            source.repaired(f"the metadata {name[:40]!r} is not used")
        elif text:
            groups[kind] = text
    return groups
