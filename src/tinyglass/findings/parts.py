"""What looks wrong with who recorded what, and with the parts that the data's authors made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..recordings import Recording
from .finding import Finding, count, finding, listed
from .labels import are_quantities

KINDS = {"person": "people", "session": "sessions", "device": "devices"}


def find_part_problems(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield what the parts and the groups would do to a score."""
    labels = {r.label for r in recordings if r.label is not None}
    if not are_quantities(list(labels)):
        yield from _labels_in_one_part(recordings)
        for kind in KINDS:
            yield from _recorded_by_one(recordings, kind)
    for kind in KINDS:
        yield from _on_both_sides(recordings, kind)


def _labels_in_one_part(recordings: Sequence[Recording]) -> Iterator[Finding]:
    parts = {
        part: {r.label for r in recordings if r.split == part and r.label is not None}
        for part in ("train", "test")
    }
    if not (parts["train"] and parts["test"]):
        return
    for part, other in (("test", "train"), ("train", "test")):
        alone = sorted(parts[part] - parts[other])
        if alone:
            yield finding(
                f"label_only_in_{part}",
                f"{count(len(alone), 'label is', 'labels are')} in the {part} part only: {listed(alone)}",
                "Check the spelling (--rename), move recordings to the other part, or leave it out with --only",
                recordings,
                [i for i, r in enumerate(recordings) if r.label in alone],
            )


def _on_both_sides(recordings: Sequence[Recording], kind: str) -> Iterator[Finding]:
    sides: dict[str, set[str]] = {"train": set(), "test": set()}
    for recording in recordings:
        name = getattr(recording, kind)
        if name is not None and recording.split in sides:
            sides[recording.split].add(name)
    both = sides["train"] & sides["test"]
    everyone = sides["train"] | sides["test"]
    if both and len(everyone) > 1:
        yield finding(
            "group_on_both_sides",
            f"{len(both)} of {count(len(everyone), kind, KINDS[kind])} {'is' if len(both) == 1 else 'are'} in both the "
            f"train and the test part ({listed(sorted(both))}): "
            f"a score on these parts does not say what happens with another {kind}",
            f"Leave whole {KINDS[kind]} out for the test",
            recordings,
            [i for i, r in enumerate(recordings) if getattr(r, kind) in both],
            severity="note",
        )


def _recorded_by_one(recordings: Sequence[Recording], kind: str) -> Iterator[Finding]:
    names: dict[str, set[str]] = {}
    for recording in recordings:
        name = getattr(recording, kind)
        if name is not None and recording.label is not None:
            names.setdefault(recording.label, set()).add(name)
    everyone = set().union(*names.values()) if names else set()
    alone = {label: next(iter(own)) for label, own in names.items() if len(own) == 1}
    if not alone or len(everyone) < 2 or 2 * len(everyone) > len(recordings) or len(names) < 2:
        return
    named = listed(f"{label} ({own})" for label, own in sorted(alone.items()))
    yield finding(
        "label_of_one_group",
        f"{count(len(alone), 'class comes', 'classes come')} from a single {kind}: {named}; "
        f"a network may learn the {kind} instead of the gesture",
        f"Record each gesture with several {KINDS[kind]}, or leave it out with --only",
        recordings,
        [i for i, r in enumerate(recordings) if r.label in alone],
        severity="warning" if len(alone) == len(names) else "note",
    )
