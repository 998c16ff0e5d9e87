"""What the data does to a training: an example that the rest contradicts, leakage between parts, imbalance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from ..engine import loss_and_gradient, losses_of
from ..findings import find_copy_sets
from ..findings.contradictions import find_contradictions
from ..recordings import Recording
from ..units import same_units
from .case import Case, text_of
from .diagnosis import Diagnosis, Looked, Place, Severity

MOST_EXAMPLES = 10  # named in a finding
MOST_ROWS = 5000  # of a table, in which contradictions are sought
GRADIENT_MOMENTS = 6  # of the training, at which gradients are compared
OUTLIER = 6.0  # times the typical error of a quantity
OFTEN = 0.5  # of those moments
MANY_LEAKED = 0.05  # of a part
UNEQUAL = 3.0  # largest class over smallest
MANY_OF_A_CLASS = 1 / 3  # contradicted: then the class is not learnt, and no single example is to blame
FEW_NUMBERS = 8  # equal rows of fewer numbers may be so by chance


# ---------------------------------------------------------------- contradictions


def find_contradicted(case: Case) -> Looked:
    """Look for examples that the rest contradicts: by their neighbours, by a linear model, and by their gradients."""
    firsts = case.firsts
    if case.examples.classes is None:
        chosen, details = _outliers(case, firsts)
        measured = (
            f"{len(chosen)} of {len(firsts)} quantities are answered more than {OUTLIER:g} times as badly "
            "as is typical, against the others"
        )
    else:
        if len(case.sources[0]) > MOST_ROWS:
            return Looked("contradictions", f"not measured: more than {MOST_ROWS:,} recordings")
        chosen, details = _contradicted(case)
        wrong = 0 if case.right is None else int((~case.right[firsts]).sum())
        measured = (
            f"{len(chosen)} of {len(firsts)} are contradicted by their neighbours and by a linear model of the others; "
            f"{wrong} are answered wrongly after training"
        )
    if not chosen:
        return Looked("contradictions", measured)
    ranks, against, losses = _over_training(case, firsts, [example - 1 for example in chosen[:MOST_EXAMPLES]])
    order = np.argsort(ranks, kind="stable")
    shown = [chosen[k] for k in order]
    n = len(chosen)
    named = [
        f"{case.calls(chosen[k])}: {details[k]}; its loss is number {ranks[k]} of {len(firsts)} over the training "
        f"({text_of(losses[k])} on average), and its gradient opposes that of the others at "
        f"{round(against[k] * GRADIENT_MOMENTS)} of {GRADIENT_MOMENTS} moments"
        for k in order
    ]
    what = (
        f"{n} examples are" if n > 1 else f"{case.calls(chosen[0])[0].upper()}{case.calls(chosen[0])[1:]} is"
    )
    fault = Diagnosis(
        "contradicted_example",
        "warning",
        f"{what} contradicted by the rest",
        {
            "examples": shown + chosen[MOST_EXAMPLES:],
            "sources": [case.calls(example) for example in shown],
            "details": [details[k] for k in order],
            "rank_of_loss": [int(ranks[k]) for k in order],
            "mean_loss": [float(losses[k]) for k in order],
            "gradient_against_others": [float(against[k]) for k in order],
            "of": len(firsts),
        },
        tuple(f"{text}." for text in named),
        "Look at it: correct its label, or leave it out"
        if n == 1
        else "Look at them: correct the labels, or leave them out",
        Place(case.place_of(max(case.run.updates - 1, 0))[0], None, shown[0]),
        leave_out=tuple(sorted(chosen)),
    )
    return Looked("contradictions", measured, (fault,))


def _contradicted(case: Case) -> tuple[list[int], list[str]]:
    kept = case.sources[0]
    with np.errstate(all="ignore"):
        found = [
            pair for f in find_contradictions(kept) for pair in zip(f.recordings, f.details, strict=True)
        ]
    size = Counter(recording.label for recording in kept)
    contradicted = Counter(kept[place].label for place, _ in found)
    examples, details = [], []
    for place, detail in found:
        label, example = kept[place].label, case.example_of(place)
        if example is not None and contradicted[label] <= max(1, MANY_OF_A_CLASS * size[label]):
            examples.append(example)
            details.append(detail)
    return examples, details


def _outliers(case: Case, firsts: np.ndarray) -> tuple[list[int], list[str]]:
    """Return quantities that are far off even after training, and of which the others want the contrary."""
    outputs = case.last.outputs(case.examples.X).astype(np.float64)
    off = np.abs(outputs - case.examples.Y).max(axis=1)[firsts]
    typical = float(np.median(off)) or float(off.mean())
    if len(firsts) < 6 or not typical or not np.isfinite(typical):
        return [], []
    far = [int(k) for k in np.flatnonzero(off > OUTLIER * typical)]
    if len(far) > len(firsts) / 10:
        return [], []
    _, against, _ = _over_training(case, firsts, [int(firsts[k]) for k in far])
    kept = [k for k, share in zip(far, against, strict=True) if share >= OFTEN]
    return [int(firsts[k]) + 1 for k in kept], [
        f"its error is {text_of(float(off[k]))}, and {text_of(typical)} is typical" for k in kept
    ]


def _over_training(
    case: Case, firsts: np.ndarray, places: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rank of some examples' loss over the training, how often they oppose the rest, and that loss."""
    n = len(firsts)
    if not len(places):
        return np.array([], int), np.array([]), np.array([])
    plain = msgspec.structs.replace(case.settings, l2=0.0)
    own = case.examples.take(firsts)
    chosen = np.unique(np.linspace(0, len(case.moments) - 1, GRADIENT_MOMENTS + 1).astype(int)[1:])
    losses, against = np.zeros(n), np.zeros(len(places))
    for moment in chosen:
        network = case.network_at(case.history[moment])
        losses += losses_of(network, own, case.settings.loss) / len(chosen)
        whole = loss_and_gradient(network, own, plain)[1]
        for k, place in enumerate(places):
            gradient = loss_and_gradient(network, case.examples.take(np.array([place])), plain)[1]
            others = whole * n - gradient
            against[k] += float(gradient @ others < 0) / len(chosen)
    at = [int(np.flatnonzero(firsts == place)[0]) for place in places]
    ranks = np.array([int((losses > losses[k]).sum()) + 1 for k in at])
    return ranks, against, losses[at]


# ---------------------------------------------------------------- leakage


def find_leakage(case: Case) -> Looked:
    """Look for copies of what was trained on among what the network is judged by."""
    kept, aside = case.sources
    parts = {"validation": aside, "test": list(same_units(case.tested)[0]) if case.tested else []}
    found, words = [], []
    for name, part in parts.items():
        if not part:
            continue
        pairs, chance = _copies(kept, part)
        leaked = {other for _, other in pairs}
        words.append(f"{len(leaked)} of {len(part)} of the {name} part are copies of what was trained on")
        if pairs:
            found.append(_leak(case, name, kept, part, pairs, chance))
    return Looked("leakage", "; ".join(words) or "no validation or test part to leak into", tuple(found))


def _copies(kept: Sequence[Recording], part: Sequence[Recording]) -> tuple[list[tuple[int, int]], bool]:
    """Return (place in kept, place in part) of copies, exact or near; and whether they may be so by chance."""
    together = [*kept, *part]
    n = len(kept)
    if max(recording.signal.size for recording in together) < FEW_NUMBERS:
        first: dict[tuple[Any, ...], int] = {}
        for place, recording in enumerate(kept):
            first.setdefault((recording.signal.shape, recording.signal.tobytes()), place)
        pairs = [
            (first[key], place)
            for place, recording in enumerate(part)
            if (key := (recording.signal.shape, recording.signal.tobytes())) in first
        ]
        return pairs, True
    sets = find_copy_sets(together)
    return [
        (own, other - n) for copies in sets for own in copies for other in copies if own < n <= other
    ], False


def _leak(
    case: Case,
    name: str,
    kept: Sequence[Recording],
    part: Sequence[Recording],
    pairs: Sequence[tuple[int, int]],
    chance: bool,
) -> Diagnosis:
    leaked = sorted({other for _, other in pairs})
    owners = sorted({own for own, _ in pairs})
    share = len(leaked) / len(part)
    severity: Severity = "severe" if share >= MANY_LEAKED and not chance else "warning"
    shown = [f"{part[other].source} is {kept[own].source}" for own, other in pairs[:MOST_EXAMPLES]]
    examples = [e for e in (case.example_of(own) for own in owners) if e is not None]
    return Diagnosis(
        "leakage",
        severity,
        f"Leakage: {len(leaked)} of {len(part)} of the {name} part "
        f"{'is a copy' if len(leaked) == 1 else 'are copies'} of what was trained on",
        {
            "part": name,
            "copies": len(leaked),
            "of": len(part),
            "share": share,
            "examples": examples,
            "pairs": [[kept[own].source, part[other].source] for own, other in pairs],
            "may_be_chance": chance,
        },
        (
            f"{'; '.join(shown)}{'; …' if len(pairs) > MOST_EXAMPLES else ''}.",
            f"{100 * share:.0f} % of the {name} part only tell that the network knows what it was shown."
            + (" Of so few numbers, equal ones may be chance." if chance else ""),
        ),
        f"Leave the copies out of what is trained on, or delete them from the {name} part",
        Place(1, None, examples[0] if examples else None),
        leave_out=tuple(examples),
    )


# ---------------------------------------------------------------- imbalance


def find_imbalance(case: Case) -> Looked:
    """Look at how many examples each class has, and how often each is answered rightly."""
    classes = case.examples.classes
    if classes is None or case.right is None:
        return Looked("imbalance", "quantities have no classes")
    of_class = case.examples.Y.argmax(axis=1)
    counts = np.bincount(of_class, minlength=len(classes))
    recall = {name: float(case.right[of_class == k].mean()) for k, name in enumerate(classes) if counts[k]}
    most, least = int(counts.argmax()), int(np.where(counts, counts, counts.max() + 1).argmin())
    ratio = counts[most] / counts[least]
    measured = (
        f"{classes[most]} has {counts[most]} examples, {classes[least]} {counts[least]}: "
        f"{ratio:.3g} times as many"
    )
    if ratio == 1:
        measured = f"every class has {counts[most]} examples"
    if ratio < UNEQUAL:
        return Looked("imbalance", measured)
    weighted = case.settings.class_weight != "none" or case.examples.weight is not None
    suffers = recall[classes[least]] < 0.5 < recall[classes[most]]
    severity: Severity = "note"
    if suffers and not weighted:
        severity = "severe" if recall[classes[least]] == 0 else "warning"
    rare, common = classes[least], classes[most]
    seen = "no" if not recall[rare] else f"only {100 * recall[rare]:.0f} % of"
    fault = Diagnosis(
        "imbalance",
        severity,
        f"The classes are unequal: {common} has {ratio:.3g} times as many examples as {rare}"
        + (f", and {seen} {rare} is recognised" if suffers else ""),
        {
            "counts": {name: int(count) for name, count in zip(classes, counts, strict=True)},
            "recall": recall,
            "accuracy": float(case.right.mean()),
            "ratio": float(ratio),
            "share_of_commonest": float(counts[most] / counts.sum()),
        },
        (
            f"Always answering {common} is right for {100 * counts[most] / counts.sum():.1f} %; the network is for "
            f"{100 * float(case.right.mean()):.1f} %, and for {100 * recall[rare]:.0f} % of {rare}.",
        ),
        "Let every class count the same: --class-weight balanced; better, record more of the rare one",
        Place(
            case.place_of(max(case.run.updates - 1, 0))[0],
            None,
            int(np.flatnonzero(of_class == least)[0]) + 1,
        ),
        {} if weighted or severity == "note" else {"class_weight": "balanced"},
    )
    return Looked("imbalance", measured, (fault,))
