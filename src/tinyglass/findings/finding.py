"""One thing that looks wrong with the data, and which recordings it concerns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..recordings import Recording

Severity = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something in the data that looks wrong, or that one should know before training on it.

    Attributes
    ----------
    kind : str, the same for the same kind of finding: ``"exact_duplicates"``
    what : str, one sentence with its figures
    remedy : str, one sentence
    severity : "warning" if it spoils a network or its score, "note" if it is good to know
    recordings : tuple of int, places in the sequence
    sources : tuple of str, (n_recordings,), where those recordings come from
    details : tuple of str, (n_recordings,), what is to say of each; "" for nothing

    Examples
    --------
    >>> from tinyglass import find_problems, read_recordings
    >>> finding = find_problems(read_recordings())[0]
    >>> finding.kind, len(finding.recordings), finding.details[0]
    ('saturated_channels', 10, '1 reading at an end')
    """

    kind: str
    what: str
    remedy: str
    severity: Severity = "warning"
    recordings: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


def finding(
    kind: str,
    what: str,
    remedy: str,
    recordings: Sequence[Recording],
    which: Iterable[int],
    details: Iterable[str] | None = None,
    severity: Severity = "warning",
) -> Finding:
    """Return a finding about the recordings at these places."""
    which = tuple(int(place) for place in which)
    return Finding(
        kind,
        what,
        remedy,
        severity,
        which,
        tuple(recordings[place].source for place in which),
        tuple(details) if details is not None else ("",) * len(which),
    )


def origin(recording: Recording) -> str:
    """Return the file or folder that a recording shares with others, and its device and session."""
    file = re.sub(r"(\.\w{1,10}), .*$", r"\1", recording.source)  # without line or place in the file
    place = file if file != recording.source else recording.source.rpartition("/")[0]
    return "\n".join([place, recording.device or "", recording.session or ""])


def count(n: int, thing: str = "recording", things: str = "") -> str:
    """Return the number and the thing: 1 recording, 3,736 recordings."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def listed(names: Iterable[object], most: int = 6) -> str:
    """Return names with commas, shortened where they are long or many."""
    texts = [shortened(str(name)) for name in names]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most:,} more" if len(texts) > most else "")


def shortened(text: str, most: int = 60) -> str:
    """Return the text, or its beginning and end."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"


def by_value(values: Iterable[object]) -> str:
    """Return each value with how often it occurs, the commonest first."""
    return listed(f"{value} ({n:,})" for value, n in Counter(values).most_common())
