"""Which recordings train and which are tested, so that a score holds for the next person.

A random split flatters: recordings of one person, device or session resemble one another. So
the strictest grouping that the data names stands wholly on one side.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import ArgumentError, RecordingError
from .findings import find_copy_sets
from .network import read_only
from .recordings import Recording, origin
from .settings import GROUPINGS, SPLITS

PUBLISHED = "published split"
MOST_LEFT_OUT_ONE_BY_ONE = 30  # recordings
MOST_GROUPS_LEFT_OUT_ONE_BY_ONE = 20
FOLDS = 5
MOST_INNER_FOLDS = 10  # where persons, devices or sessions are left out
SURELY_A_COPY = 16  # equal numbers in a row; fewer may coincide


@dataclass(frozen=True, eq=False)
class Fold:
    """Places of the recordings that train, and of those that are tested.

    Attributes
    ----------
    train, test : int arrays
    """

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Split:
    """How recordings are parted for a score.

    Attributes
    ----------
    name : str, such as "leave one person out", "published split", "5-fold"
    grouping : str, what never stands on both sides: "person", "device", "session" or "recording"
    groups : int array, (n_recordings,)
    folds : tuple of Fold
    """

    name: str
    grouping: str
    groups: np.ndarray
    folds: tuple[Fold, ...]


def find_groups(recordings: Sequence[Recording], grouping: str = "auto") -> tuple[str, np.ndarray]:
    """Return the strictest grouping that the recordings name, and the group of each.

    Recordings that do not name theirs are one group.

    Returns
    -------
    grouping : "person", "device", "session" or "recording"
    groups : int array, (n_recordings,)

    Raises
    ------
    ArgumentError
        If the grouping asked for has fewer than two groups.

    Examples
    --------
    >>> one, two = (Recording([[1.0]], label="wave", person=name) for name in ("Ada", "Bo"))
    >>> find_groups([one, two, two])
    ('person', array([0, 1, 1]))
    """
    for kind in GROUPINGS if grouping == "auto" else (grouping,):
        if kind == "recording":
            break
        names = [getattr(recording, kind) for recording in recordings]
        if len(set(names)) > 1:
            order = {name: number for number, name in enumerate(dict.fromkeys(names))}
            return kind, np.array([order[name] for name in names])
        if grouping != "auto":
            raise ArgumentError(
                f"The recordings name {len(set(names) - {None})} {kind}s; leaving one out takes two",
                "--split",
                f"Name them with --group {kind}=PATTERN, or use --split auto",
            )
    cut = {origin(recording) for recording in recordings if origin(recording) != recording.source}
    whole = [
        own if (own := origin(recording)) in cut else place for place, recording in enumerate(recordings)
    ]
    if len(set(whole)) == 1:
        return "recording", np.arange(len(recordings))
    order = {name: number for number, name in enumerate(dict.fromkeys(whole))}
    return "recording", np.array([order[name] for name in whole])


def find_split(
    recordings: Sequence[Recording], classification: bool, *, split: str = "auto", seed: int = 0
) -> Split:
    """Return the strictest split that the data names.

    ``auto`` is the first that there is of: leaving each person, device or session out (in five
    parts where there are more than twenty); the published parts, if no such group stands in both;
    leaving each of up to 30 recordings out; five parts. What is tested is never trained on as a copy,
    exact or near. Recordings in neither of the published parts are not used with these.

    Parameters
    ----------
    recordings : sequence of Recording
    classification : bool, whether every fold should have its share of every label
    split : {"auto", "published", "person", "device", "session", "recording"}
    seed : int, by which the parts are drawn

    Raises
    ------
    ArgumentError
        If the split asked for cannot be made.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> split = find_split(read_recordings(), classification=True)
    >>> split.name, len(split.folds)
    ('leave one out', 10)
    """
    if split not in SPLITS:
        raise ArgumentError(f"Unknown split {split!r}", "--split", f"Choose one of {', '.join(SPLITS)}")
    parts = np.array([recording.split or "" for recording in recordings])
    published = {"train", "test"} <= set(parts)
    if split == "published" and not published:
        raise ArgumentError(
            "The recordings have no train and test part",
            "--split",
            "Use --split auto, or name a part with --test",
        )
    grouping, groups = find_groups(recordings, "auto" if split in ("auto", "published") else split)
    crossed = bool(set(groups[parts == "train"]) & set(groups[parts == "test"]))
    if published and (split == "published" or (split == "auto" and not crossed)):
        name = PUBLISHED
        folds = [Fold(np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test"))]
    elif grouping != "recording":
        name, folds = _by_group(recordings, groups, grouping, classification, seed)
    elif len(recordings) <= MOST_LEFT_OUT_ONE_BY_ONE:
        name, folds = "leave one out", _leave_out_each(groups)
    else:
        folds = in_parts(recordings, groups, FOLDS, classification, seed)
        name = f"{len(folds)}-fold"
    copies = np.arange(len(recordings))
    for number, own in enumerate(find_copy_sets(recordings)):
        copies[own] = len(recordings) + number
    folds = _without_copies(copies, folds)
    for fold in folds:
        if not len(fold.train):
            raise RecordingError(
                "All that could be trained on are copies of what is tested",
                recordings[fold.test[0]].source,
                "Add recordings, or delete the copies",
            )
    return Split(name, grouping, read_only(groups), tuple(folds))


def random_split(recordings: Sequence[Recording], classification: bool, seed: int = 0) -> Split:
    """Return the split that flatters: five parts drawn at random, whoever made the recordings.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> random_split(read_recordings(), classification=True).name
    '5-fold at random'
    """
    each = np.arange(len(recordings))
    folds = in_parts(recordings, each, FOLDS, classification, seed)
    return Split(f"{len(folds)}-fold at random", "recording", read_only(each), tuple(folds))


def in_parts(
    recordings: Sequence[Recording], groups: np.ndarray, n_parts: int, classification: bool, seed: int
) -> list[Fold]:
    """Return folds in which each group is tested once, and every label has its share in each part.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> data = read_recordings()
    >>> [len(fold.test) for fold in in_parts(data, np.arange(10), 5, True, seed=0)]
    [2, 2, 2, 2, 2]
    """
    labels = [recording.label or "" for recording in recordings]
    n_groups = len(set(groups.tolist()))
    n_parts = min(n_parts, n_groups)
    if n_parts < 2:
        return []
    most = max(Counter(labels).values())
    stratified = classification and most > 1
    if stratified:
        n_parts = min(n_parts, most)
    if n_groups == len(groups):
        part = (_label_parts if stratified else _equal_parts)(labels, n_parts, seed % 2**32)
        return [Fold(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in np.unique(part)]

    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    kind = StratifiedGroupKFold if stratified else GroupKFold
    splitter = kind(n_parts, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer recordings than parts
        return [Fold(train, test) for train, test in splitter.split(labels, labels, groups) if len(test)]


def _equal_parts(labels: Sequence[str], n_parts: int, seed: int) -> np.ndarray:
    """Return the part of each, (n,), drawn as scikit-learn's KFold draws it, without the second of its import."""
    order = np.arange(len(labels))
    np.random.RandomState(seed).shuffle(order)
    part = np.empty(len(labels), dtype=int)
    for k, own in enumerate(np.array_split(order, n_parts)):
        part[own] = k
    return part


def _label_parts(labels: Sequence[str], n_parts: int, seed: int) -> np.ndarray:
    """Return the part of each, (n,), drawn as scikit-learn's StratifiedKFold draws it.

    The labels, sorted in the order in which they appear, are dealt out to the parts in turn, which says how many
    of each label a part has; which ones is drawn label by label.
    """
    known = {label: k for k, label in enumerate(dict.fromkeys(labels))}
    numbers = np.array([known[label] for label in labels])
    dealt = np.arange(len(labels)) % n_parts
    in_order = np.sort(numbers)
    random = np.random.RandomState(seed)
    part = np.empty(len(labels), dtype=int)
    for k in range(len(known)):
        own = np.sort(dealt[in_order == k])
        random.shuffle(own)
        part[numbers == k] = own
    return part


def inner_folds(
    recordings: Sequence[Recording], classification: bool, seed: int, most: int | None = None
) -> tuple[list[Fold], str, np.ndarray]:
    """Return the folds by which choices are made inside the training part, grouped as the score is.

    A fold that would train without one of the classes is left out; where grouping leaves none,
    every recording stands by itself.

    Parameters
    ----------
    recordings : sequence of Recording
    classification : bool
    seed : int
    most : int, optional; the most folds, otherwise 5, or 10 where groups are left out

    Returns
    -------
    folds : list of Fold; empty where recordings are too few to leave any out
    grouping : str
    groups : int array, (n_recordings,)

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> folds, grouping, _ = inner_folds(read_recordings(), True, seed=0)
    >>> len(folds), grouping
    (5, 'recording')
    """
    labels = np.array([recording.label or "" for recording in recordings])
    for kind in ("auto", "recording"):
        grouping, groups = find_groups(recordings, kind)
        n_parts = most or (FOLDS if grouping == "recording" else MOST_INNER_FOLDS)
        folds = _without_copies(
            _exact_copies(recordings), in_parts(recordings, groups, n_parts, classification, seed)
        )
        if classification:
            folds = [fold for fold in folds if set(labels[fold.train]) == set(labels)]
        folds = [fold for fold in folds if len(fold.train)]
        if folds:
            break
    return folds, grouping, groups


def _leave_out_each(groups: np.ndarray) -> list[Fold]:
    return [
        Fold(np.flatnonzero(groups != group), np.flatnonzero(groups == group)) for group in np.unique(groups)
    ]


def _by_group(
    recordings: Sequence[Recording], groups: np.ndarray, grouping: str, classification: bool, seed: int
) -> tuple[str, list[Fold]]:
    if groups.max() < MOST_GROUPS_LEFT_OUT_ONE_BY_ONE:
        return f"leave one {grouping} out", _leave_out_each(groups)
    folds = in_parts(recordings, groups, FOLDS, classification, seed)
    return f"{len(folds)}-fold by {grouping}", folds


def _without_copies(copies: np.ndarray, folds: Sequence[Fold]) -> list[Fold]:
    """Leave out of each training part what shares its number with a tested recording."""
    return [Fold(fold.train[~np.isin(copies[fold.train], copies[fold.test])], fold.test) for fold in folds]


def _exact_copies(recordings: Sequence[Recording]) -> np.ndarray:
    """Return numbers, (n_recordings,), that exact copies share."""
    known: dict[object, int] = {}
    numbers = []
    for place, recording in enumerate(recordings):
        signal = recording.signal + 0.0  # no difference between 0 and −0
        key = (signal.shape, signal.tobytes()) if signal.size >= SURELY_A_COPY else place
        numbers.append(known.setdefault(key, len(known)))
    return np.array(numbers)
