"""Time series as Weka, and the UCR and UEA archives, write them: ``.arff``.

============== ===================================================================================
one dimension  ``@attribute att0 numeric``, …, ``@attribute target {1,2}``; a line ``0.1,0.2,…,1``
several        ``@attribute name relational``, …, ``@end name``, ``@attribute target {a,b}``;
               a line ``'0.1,0.2\\n0.3,0.4',a``, in which ``\\n`` divides the dimensions
============== ===================================================================================

The attributes of a series differ by their number only. Others (length and width of a petal) are
refused: each of them could be a channel, a time or a figure about a whole recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from ...errors import RecordingError
from ..recording import Recording
from ..source import Source
from .series import MEND, Labels, first_line, header_and_data, one_recording

ATTRIBUTE = re.compile(r"@attribute\s+(?P<name>'[^']*'|\"[^\"]*\"|\S+)\s+(?P<type>.*)", re.IGNORECASE)
RELATIONAL = re.compile(r"(?P<quote>['\"])(?P<series>[^'\"]*)(?P=quote)\s*(,(?P<label>.*))?$")
CLASS = re.compile(r"'[^']*'|\"[^\"]*\"|[^{},]+")
DIGITS = re.compile(r"\d+")
NUMERIC = ("numeric", "real", "integer")


def read(source: Source) -> list[Recording] | None:
    """Return the recordings of an .arff file; None if it is something else."""
    if not source.is_text or not re.match(r"@relation\b", first_line(source, "%"), re.IGNORECASE):
        return None
    return list(_recordings(source))


def _recordings(source: Source) -> Iterator[Recording]:
    header, lines = header_and_data(source, "%")
    n_readings, label_type = _layout(header, source)
    classes = [_unquoted(name) for name in CLASS.findall(label_type)] if label_type.startswith("{") else []
    label_of = Labels(source, classes, numeric=label_type.lower() in NUMERIC)
    for number, line in lines:
        dimensions, label = _line(line, n_readings)
        if not dimensions or (label is None) == bool(label_type):
            expected = f"{n_readings} readings" if n_readings else "the dimensions in quotes"
            raise RecordingError(
                f"Expected {expected}{' and a label' if label_type else ''}, found "
                + (f"{line.count(',') + 1} values" if n_readings else repr(line[:60])),
                source.at(number),
                MEND,
            )
        text = None if label is None else label_of(_unquoted(label), number)
        yield from one_recording(dimensions, text, source, number)


def _layout(header: Sequence[tuple[int, str]], source: Source) -> tuple[int, str]:
    """Return how many readings a line holds, 0 for dimensions in quotes, and the type of the label, "" without."""
    attributes: list[tuple[str, str, int]] = []
    inside = False
    for number, line in header:
        if line.lower().startswith("@end"):
            inside = False
        elif not inside and (match := ATTRIBUTE.match(line)):
            attributes.append((_unquoted(match["name"]), match["type"].strip(), number))
            inside = match["type"].strip().lower() == "relational"
    relational = attributes and attributes[0][1].lower() == "relational"
    stem = DIGITS.sub("", attributes[0][0]) if attributes else ""
    series = [*takewhile(lambda a: a[1].lower() in NUMERIC and DIGITS.sub("", a[0]) == stem, attributes)]
    others = attributes[1 if relational else len(series) :]
    if (not relational and not series) or len(others) > 1:
        name, _, number = (others or [("none", "", 0)])[0]
        raise RecordingError(
            f"Expected the attributes of one series and then its label, found {name[:40]!r}",
            source.at(number or None),
            "Save the table as CSV, with the names of its columns in the first line",
        )
    return 0 if relational else len(series), others[0][1] if others else ""


def _line(line: str, n_readings: int) -> tuple[list[list[str]], str | None]:
    """Return the cells of each dimension, none if there are not as many as there should be, and the label."""
    if n_readings:
        cells = line.split(",", n_readings)
        label = cells.pop() if len(cells) > n_readings else None
        return [cells] if len(cells) == n_readings else [], label
    match = RELATIONAL.match(line)
    return (
        ([part.split(",") for part in match["series"].split("\\n")], match["label"]) if match else ([], None)
    )


def _unquoted(name: str) -> str:
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"" else name
