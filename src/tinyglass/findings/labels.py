"""What looks wrong with the labels: none, too few, unequal, or two names for one gesture."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from ..recordings import Recording
from .finding import Finding, count, finding, listed, shortened

FEW = 10  # recordings of a class; with fewer, no score means much
IMBALANCE = 3.0  # largest class over smallest
FEW_CLASSES = 20  # more different whole numbers than this are quantities, not classes
MOST_COMPARED = 300  # labels; their pairs grow with the square
SIDE_WORDS = {"copy", "final", "gesture", "class", "label", "my", "new", "old", "the"}


def are_quantities(labels: Sequence[str]) -> bool:
    """Tell numbers to be predicted from names of classes."""
    try:
        numbers = {float(label) for label in labels}
    except ValueError:
        return False
    return bool(numbers) and not (all(n.is_integer() for n in numbers) and len(numbers) <= FEW_CLASSES)


def find_label_problems(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield what is wrong with the labels."""
    yield from _unlabelled(recordings)
    counts = Counter(r.label for r in recordings if r.label is not None)
    if not counts or are_quantities(list(counts)):
        return
    yield from _alike(recordings, counts)
    yield from _few(recordings, counts)
    yield from _imbalance(recordings, counts)


def _unlabelled(recordings: Sequence[Recording]) -> Iterator[Finding]:
    which = [i for i, r in enumerate(recordings) if r.label is None]
    if which:
        yield finding(
            "unlabelled",
            f"{count(len(which))} of {len(recordings):,} {'has' if len(which) == 1 else 'have'} no label",
            "Give them one with --label, or take it from the path with --group label=PATTERN",
            recordings,
            which,
        )


def _few(recordings: Sequence[Recording], counts: Counter[str]) -> Iterator[Finding]:
    if len(counts) == 1:
        yield finding(
            "one_class",
            f"All labels are {shortened(next(iter(counts)))!r}: there is nothing to tell apart",
            "Record another gesture, or recordings of none",
            recordings,
            [],
        )
    few = {label: n for label, n in counts.items() if n < FEW}
    if few:
        named = listed(f"{shortened(label)} ({n})" for label, n in sorted(few.items(), key=lambda x: x[1]))
        yield finding(
            "too_few",
            f"{count(len(few), 'class', 'classes')} of {len(counts)} {'has' if len(few) == 1 else 'have'} "
            f"fewer than {FEW} recordings: {named}",
            f"Record at least {FEW} of each class, better 20, on several days and of several people",
            recordings,
            [i for i, r in enumerate(recordings) if r.label in few],
            severity="warning" if min(few.values()) < 3 else "note",
        )


def _imbalance(recordings: Sequence[Recording], counts: Counter[str]) -> Iterator[Finding]:
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    if most >= IMBALANCE * least:
        yield finding(
            "imbalance",
            f"Imbalance of the classes: {shortened(largest)} has {count(most)}, {shortened(smallest)} only "
            f"{least}: {most / least:.3g} times as many",
            "Record more of the rare classes, or train with --class-weight balanced",
            recordings,
            [i for i, r in enumerate(recordings) if r.label == smallest],
            severity="note",
        )


# ---------------------------------------------------------------- two names for one gesture


def _alike(recordings: Sequence[Recording], counts: Counter[str]) -> Iterator[Finding]:
    labels = sorted(counts)[:MOST_COMPARED]
    same = [pair for pair in combinations(labels, 2) if _same_name(*pair)]
    extended = Counter(label for pair in same for label in pair)
    pairs = [
        (rare, common)
        for pair in same
        for rare, common in [sorted(pair, key=lambda label: (counts[label], -len(label), label))]
        # left-a and left-b beside left: the letters tell them apart on purpose
        if _folded(rare) == _folded(common) or extended[rare] == extended[common] == 1
    ]
    if pairs:
        rename = ",".join(f"{_escaped(rare)}={_escaped(common)}" for rare, common in pairs)
        named = listed(
            f"{shortened(rare)!r} ({counts[rare]}) and {shortened(common)!r} ({counts[common]})"
            for rare, common in pairs
        )
        concerned = {label for label, _ in pairs}
        yield finding(
            "near_identical_labels",
            f"Labels that are nearly identical, and may mean the same gesture: {named}",
            f"If they do: --rename {shlex.quote(rename)}",
            recordings,
            [i for i, r in enumerate(recordings) if r.label in concerned],
        )


def _escaped(label: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", label)


def _folded(label: str) -> str:
    return re.sub(r"[\W_]+", "", label).casefold()


def _same_name(a: str, b: str) -> bool:
    """Tell whether two labels may be one name: other case or signs, a stray letter, a plural, a slip."""
    if max(len(a), len(b)) > 200:
        return False
    if _folded(a) == _folded(b) != "" or _equal_numbers(a, b):
        return True
    words = [re.findall(r"[^\W_]+", label.casefold()) for label in (a, b)]
    if re.findall(r"\d+", a) != re.findall(r"\d+", b):
        return False  # wave1 and wave2 are two gestures
    short, long = sorted(words, key=len)
    stray = [word for word in long if word not in short]
    if len(long) == len(short) + 1 and len(stray) == 1 and [w for w in long if w in short] == short:
        return (len(stray[0]) == 1 and not stray[0].isdigit()) or stray[0] in SIDE_WORDS
    differing = [pair for pair in zip(*words, strict=False) if pair[0] != pair[1]]
    return len(words[0]) == len(words[1]) and len(differing) == 1 and _same_word(*differing[0])


def _equal_numbers(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return False


def _same_word(a: str, b: str) -> bool:
    stems = [re.sub(r"(?<=\w{3})(ing|es|ed|s|e)$", "", word) for word in (a, b)]
    return stems[0] == stems[1] or (min(len(a), len(b)) >= 5 and a[0] == b[0] and _one_slip(a, b))


def _one_slip(a: str, b: str) -> bool:
    """Tell whether one letter is missing, too many, another one, or two have changed places."""
    short, long = sorted((a, b), key=len)
    if len(long) - len(short) > 1:
        return False
    first = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(long) > len(short):
        return short[first:] == long[first + 1 :]
    swapped = short[first : first + 2] == long[first : first + 2][::-1]
    return short[first + 1 :] == long[first + 1 :] or (swapped and short[first + 2 :] == long[first + 2 :])
