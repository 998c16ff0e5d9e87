"""What it takes to change a prediction, in words and tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..explanation import Table
from .case import Case
from .smallest_change import FEW, MOST_SEARCHED, REACH, WALKED, Change, Trials, that_matter

STRONGEST = 10  # readings in a table


def changes(case: Case) -> Iterator[str | Table]:
    if case.prediction.outputs.count(max(case.prediction.outputs)) > 1:
        yield "Several classes have the largest output: whatever tips the balance changes the answer."
    elif not case.changes:
        tried = (
            f"of up to ±{WALKED:g} times its channel's scale"
            if case.exact
            else f"of up to ±{REACH:g} times its channel's scale, tried in steps of 15 %,"
        )
        yield f"No change of a single reading {tried} makes another class the best one."
    else:
        yield (
            f"The smallest change of one reading that takes the lead from {case.names[case.best]}: "
            f"{_said(case, case.changes[0])}"
        )
        yield _how(case)
        if len(case.changes) > 1 or _few(case):
            rows = [
                (
                    case.name(c.reading, c.channel),
                    float(case.seen.recording.signal[c.reading, c.channel]),
                    c.size,
                    c.value,
                    c.label,
                )
                for c in case.changes
            ]
            yield Table(
                "For each reading by itself, the others as they are",
                ("reading", "is", "smallest change", "would be", "best class then"),
                tuple(rows),
            )
            if len(rows) < case.seen.recording.signal.size:
                yield "No change within the reach does it in the readings that are not in the table."
    if case.to_label is not None:
        yield f"The label changes sooner: {_said(case, case.to_label)}"


def _how(case: Case) -> str:
    measured = " Changes of several channels are compared in their scales." * (case.seen.shape[1] > 1)
    if case.exact:
        return f"It is exact: every kink on the way was followed.{measured}"
    return (
        "It was found by trying larger and larger changes, in steps of 15 %, and narrowing down the first that does"
        f"{_searched(case)}.{measured}"
    )


def _searched(case: Case) -> str:
    many = not case.exact and len(that_matter(case.seen)[0]) > 2 * MOST_SEARCHED
    return ", in the readings that move the margin most" if many else ""


def _few(case: Case) -> bool:
    return case.seen.recording.signal.size <= FEW


def _said(case: Case, change: Change) -> str:
    p, k, c = case.seen.preparation, change.reading, change.channel
    unit = f" {p.units[c]}" if p.units[c] else ""
    old = float(case.seen.recording.signal[k, c])
    text = (
        f"{case.name(k, c)}, from {old:.12g} to {change.value:.12g}{unit} "
        f"(by more than {change.size:+.6g}{unit}): then it is {change.label}. "
    )
    if change.verified:
        return (
            text
            + "The core agrees: so it answers there, and at 99.9 % of the change it still answers as now."
        )
    return text + (
        f"The core, in {case.network.dtype.name}, does not confirm it: the change is too small for its precision, "
        "or the answer changes back just beyond."
    )


def steepest(case: Case) -> Iterator[str | Table]:
    """Say, where a number is predicted, which readings move it most."""
    if case.network.classes is not None:
        yield "There is no other class."
        return
    trials, p = Trials(case.network, case.seen), case.seen.preparation
    readings, channels = that_matter(case.seen)
    step = 1e-5 * trials.scales[channels]
    change = trials.outputs(readings, channels, step) - trials.outputs(readings, channels, -step)
    slopes = change[:, 0] * p.answer_scale / (2 * step)
    moved = slopes * trials.scales[channels]
    yield "The answer is a number, which every change of a reading changes. These readings move it most:"
    rows = [
        (
            case.name(int(readings[i]), int(channels[i])),
            p.units[channels[i]],
            float(slopes[i]),
            float(trials.scales[channels[i]]),
            float(moved[i]),
        )
        for i in np.argsort(-np.abs(moved), kind="stable")[:STRONGEST]
    ]
    yield Table(
        "How the answer moves with one reading, measured by a small change",
        ("reading", "unit", "answer per unit", "scale of the channel", "answer per scale"),
        tuple(rows),
    )
