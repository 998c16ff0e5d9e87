"""Tables with a column that names files and a column of their labels, such as Label Studio exports."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from io import StringIO
from urllib.parse import unquote

from ...errors import RecordingError
from ..source import About, Source
from ..tables.cells import ROLES, separator
from ..tables.saved import is_saved
from .entries import KINDS, Entry, key, split_of

LARGEST = 2**25  # bytes; a larger table is one of readings
LABEL_STUDIO = {"annotation_id", "annotator", "created_at", "id", "lead_time", "updated_at"}
FILE = re.compile(r".*[^\s.]\.[a-z][a-z0-9]{0,7}\s*", re.IGNORECASE)


def read_table(source: Source, beginning: str, known: Collection[str]) -> list[Entry] | None:
    """Return what a table says of others; None if it is no table of files and their labels.

    Parameters
    ----------
    source : Source
    beginning : the first of its text
    known : the keys of all files, some of which it must name, unless Label Studio wrote it

    Raises
    ------
    RecordingError
        If an export of Label Studio cannot be understood.
    """
    lines = beginning.splitlines()[:2]
    if len(lines) < 2 or source.size > LARGEST or not re.search(r"(?i)[^\s.]\.[a-z]", lines[1]):
        return None
    try:
        heads, *rows = csv.reader(StringIO(source.text.lstrip()), delimiter=separator(lines[0]))
    except csv.Error:
        return None
    if is_saved(heads):  # of a recording, which names its own file
        return None
    heads = [head.strip() for head in heads]
    rows = [row for row in rows if any(row)]
    exported = {"annotation_id", "lead_time"} <= set(heads)
    for number, row in enumerate(rows, 2):
        if len(row) != len(heads) and exported:
            what = f"Expected {len(heads)} cells, found {len(row)}"
            raise RecordingError(what, f"{source.name}, row {number}", "Complete the row, or export it again")
        if len(row) != len(heads):
            return None
    columns = {head: [row[place].strip() for row in rows] for place, head in enumerate(heads)}
    files = next(_columns_of_files(columns), None)
    if files is None or not (exported or _describes(columns, files, known)):
        return None
    labels = _column_of_labels(columns, files)
    if labels is not None:
        return list(_entries_of_table(source, columns, files, labels))
    if not exported:
        return None
    others = ", ".join(repr(head) for head in columns if head not in LABEL_STUDIO | {files}) or "none"
    what = f"Expected one column of labels beside {files!r}, found {others}"
    raise RecordingError(what, source.name, "Name the column of the labels label")


def _columns_of_files(columns: dict[str, list[str]]) -> Iterator[str]:
    for head, cells in columns.items():
        if head not in LABEL_STUDIO and any(cells) and all(FILE.fullmatch(_path_of(c)) for c in cells if c):
            yield head


def _describes(columns: dict[str, list[str]], files: str, known: Collection[str]) -> bool:
    """Tell a table of files from a table of readings that also names the file of each."""
    keys = [key(_path_of(cell).rpartition("/")[2]) for cell in columns[files]]
    readings = [head for head in _of_no_known_use(columns, files) if all(map(_is_numeral, columns[head]))]
    each_once = len(set(keys)) == len(keys)
    return each_once and any(one in known for one in keys) and 2 * len(readings) <= len(columns)


def _is_numeral(cell: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d.,]+(e[-+]?\d+)?", cell, re.IGNORECASE))


def _of_no_known_use(columns: dict[str, list[str]], files: str) -> list[str]:
    return [
        head
        for head in columns
        if head not in LABEL_STUDIO | {files} and not any(role.fullmatch(head) for role in ROLES.values())
    ]


def _column_of_labels(columns: dict[str, list[str]], files: str) -> str | None:
    """Return the column named label or the like, or the only one whose use is unknown.

    Label Studio names it after the tag with which the labels were given.
    """
    named = [head for head in columns if head != files and ROLES["label"].fullmatch(head)]
    unknown = _of_no_known_use(columns, files)
    if len(unknown) > 1:
        unknown = [head for head in unknown if 1 < len({*columns[head]} - {""}) < len(columns[head])]
    return named[0] if named else unknown[0] if len(unknown) == 1 else None


def _entries_of_table(
    source: Source, columns: dict[str, list[str]], files: str, labels: str
) -> Iterator[Entry]:
    roles = {
        kind: next(
            (head for head in columns if head not in (files, labels) and ROLES[kind].fullmatch(head)), None
        )
        for kind in (*KINDS, "split")
    }
    for head in set(_of_no_known_use(columns, files)) - {labels}:
        source.repaired(f"the column {head[:40]!r} is not used")
    for number, (path, label) in enumerate(zip(columns[files], columns[labels], strict=True)):
        where = f"{source.name}, row {number + 2}"
        if label.startswith(("[", "{")):
            what = f"Expected one label for the whole file, found {label[:40]!r}"
            raise RecordingError(what, where, "Give each file one label, or cut the recordings")
        said = {kind: columns[head][number] or None for kind, head in roles.items() if head}
        split = split_of(source, said.pop("split", None))
        if path:
            yield Entry(_path_of(path), where, About(label, split=split, **said))


def _path_of(cell: str) -> str:
    """Return the path in an address, such as ``/data/local-files/?d=raw/wave%201.csv``."""
    path = cell.rpartition("?d=")[2]
    return unquote(path.partition("?")[0])
