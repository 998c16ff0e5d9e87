"""What the columns of a long table are for, by their heads and by what is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import cells
from .table import Table

GROUPS = ("person", "session", "device", "split")
LABELS = re.compile(
    r"(label|class|gesture|activity)_?(id|name|label)|category|movement|motion|action|word", re.IGNORECASE
)
IDS = re.compile(
    r"id|uuid|(rec|instance|segment|case|capture|take|run|repetition|rep|clip|group|measurement|episode)s?"
    r"(_?(id|nr|no|number|name))?",
    re.IGNORECASE,
)
UNSURE = re.compile(  # may also count the rows, or be a channel
    r"(id|samples?|examples?|windows?|instances?|segments?|measurements?|sequence)(_?(id|nr|no|number|index))?",
    re.IGNORECASE,
)
COUNTERS = re.compile(
    r"|unnamed:_?\d+|__index_level_\d+__|index|idx|row(_?(id|nr|no|number|index))?|n|nr|no|number|count(er)?"
    r"|(time_?)?step|frame|reading(_?(id|nr|no|number|index))?",
    re.IGNORECASE,
)
RATES = re.compile(r"(sampl(e|ing)_?)?(rate|frequency)(_?hz)?|fs", re.IGNORECASE)


@dataclass(frozen=True)
class Roles:
    """What the columns are for, by their numbers."""

    recording: tuple[int, ...]
    groups: dict[str, int]  # person, session, device, split
    label: int | None
    time: int | None
    channels: tuple[int, ...]

    @property
    def identity(self) -> list[int]:
        """The columns that are the same in all rows of a recording."""
        return [*self.recording, *self.groups.values()]


def find_roles(table: Table) -> Roles:
    """Return what the columns are for; what is left out is noted.

    A single column of words is the label where no head says so.
    """
    roles = [_role(*column) for column in zip(table.heads, table.sample, table.kinds, strict=True)]
    words = [i for i, role in enumerate(roles) if role == "words" and _repeats(table.sample[i])]
    if "label" not in roles and len(words) == 1:
        roles[words[0]] = "label"
        table.source.repaired(
            f"The column {table.heads[words[0]]!r}, the only one of words, was read as the label"
        )
    several = {role: [i for i, own in enumerate(roles) if own == role] for role in set(roles)}
    single = {role: several[role][0] for role in ("label", "time", *GROUPS) if role in several}
    found = Roles(
        recording=tuple(several.get("recording", [])),
        groups={role: single[role] for role in GROUPS if role in single},
        label=single.get("label"),
        time=single.get("time"),
        channels=tuple(several.get("channel", [])),
    )
    used = {*found.recording, *single.values(), *found.channels}
    for i, (head, role) in enumerate(zip(table.heads, roles, strict=True)):
        if i not in used and role != "nothing":
            why = "counts rows" if role == "counter" else "is no channel"
            table.source.repaired(f"The column {head!r} {why} and was left out")
    return found


def _role(head: str, sample: Sequence[str], kind: str) -> str:
    """Return a field of `Roles`, or ``"counter"``, ``"words"``, ``"other"``, or ``"nothing"``."""
    plain = re.sub(r"[\s.-]+", "_", head.strip())
    role = cells.role(head) or cells.role(plain)
    if role is None:
        role = "label" if LABELS.fullmatch(plain) else "recording" if IDS.fullmatch(plain) else None
    if role == "recording" and UNSURE.fullmatch(plain) and not _names_recordings(sample):
        role = None
    if role == "time" and kind not in ("number", "time"):
        role = None
    if role is not None:
        return role
    if (UNSURE.fullmatch(plain) or COUNTERS.fullmatch(plain)) and _counts(sample):
        return "counter"
    if kind == "number":
        return "other" if RATES.fullmatch(plain) else "channel"
    return {"text": "words", "nothing": "nothing"}.get(kind, "other")


def _repeats(sample: Sequence[str]) -> bool:
    return len(set(sample)) <= len(sample) / 2


def _names_recordings(sample: Sequence[str]) -> bool:
    """Tell ids of recordings from a count of rows, or from a channel, that has such a name."""
    changes = [before != after for before, after in pairwise(sample)]
    if sum(changes) <= len(changes) / 2:
        return True
    return len(set(sample)) < len(sample) and not all(map(cells.is_number, sample))


def _counts(sample: Sequence[str]) -> bool:
    """Tell whether the cells count one by one, and perhaps start again, or are words that never repeat."""
    if not all(map(cells.is_number, sample)):
        return len(set(sample)) == len(sample) > 1
    counts = [float(cell) for cell in sample]
    return len(counts) > 1 and all(b in (a + 1, counts[0]) for a, b in pairwise(counts))
