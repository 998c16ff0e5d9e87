"""The sections on the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..figures import draw_recordings
from ..findings import Finding
from ..pages import details, figure, table
from ..recordings import DataSet, Dropped, Recording, Repair
from ..runs import Run

MOST_NAMED = 3  # recordings to a finding


def recording_facts(run: Run, recordings: Sequence[Recording]) -> str:
    """Show the recordings that the training was made from."""
    classes = run.network.classes
    counts = [(name, sum(r.label == name for r in recordings)) for name in classes or ()]
    lengths = sorted({r.n_readings for r in recordings})
    readings = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
    rates = {r.rate_hz for r in recordings}
    rate = rates.pop() if len(rates) == 1 else None
    facts: list[tuple[str, Any]] = [
        ("recordings", len(recordings)),
        ("readings in each", readings),
        (
            "channels",
            ", ".join(
                c + (f" ({u})" if u else "")
                for c, u in zip(recordings[0].channels, recordings[0].units, strict=True)
            ),
        ),
        ("readings a second", "not known" if rate is None else f"{rate:g}"),
    ]
    facts += [(f"of class {name}", count) for name, count in counts]
    signals = np.concatenate([r.signal for r in recordings])
    spans = [
        (name, float(low), float(high), float(mean))
        for name, low, high, mean in zip(
            recordings[0].channels,
            signals.min(axis=0),
            signals.max(axis=0),
            signals.mean(axis=0),
            strict=True,
        )
    ]
    alternative = "Lines of the readings of each recording, one panel a class" + (
        ": " + ", ".join(f"{name} with {count} recordings" for name, count in counts) if counts else ""
    )
    return (
        figure(
            draw_recordings(recordings, classes), alternative, "The recordings as they were read, by class"
        )
        + table("What was read", [], facts)
        + details(
            "The range of each channel", table("Range", ["channel", "smallest", "largest", "mean"], spans)
        )
    )


def finding_list(findings: Sequence[Finding]) -> str:
    """List what looks wrong, each with its recordings and a remedy."""
    rows = [(f.what, (_named(f), "long"), (f.remedy, "long")) for f in findings]
    return table(
        "What tinyglass data finds, and what to do about it", ["what", "recordings", "what to do"], rows
    )


def account(recordings: Sequence[Recording]) -> str:
    """List what was repaired while reading, and what is in no recording, each kind once."""
    if not isinstance(recordings, DataSet):
        return ""
    parts = []
    repaired: dict[str, list[Repair]] = {}
    for repair in recordings.repairs:
        repaired.setdefault(repair.what, []).append(repair)
    if repaired:
        rows = [
            (what, len(own), sum(repair.count for repair in own), (own[0].where, "long"))
            for what, own in repaired.items()
        ]
        parts.append(table("Read all the same", ["what", "files", "times", "first in"], rows))
    left_out: dict[str, list[Dropped]] = {}
    for dropped in recordings.dropped:
        left_out.setdefault(dropped.why, []).append(dropped)
    if left_out:
        rows = [
            (why, len(own), sum(dropped.n_readings for dropped in own), (own[0].where, "long"))
            for why, own in left_out.items()
        ]
        parts.append(table("Left out", ["why", "files", "readings", "first in"], rows))
    return details("What was repaired, and what was left out", "".join(parts)) if parts else ""


def _named(finding: Finding) -> str:
    shown = ", ".join(finding.sources[:MOST_NAMED])
    more = len(finding.sources) - MOST_NAMED
    return shown + (f" and {more} more" if more > 0 else "")
