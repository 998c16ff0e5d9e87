"""Recordings that are there twice: the same numbers, a shared stretch, or nearly the same movement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np

from ..recordings import Recording
from .finding import Finding, count, finding
from .vectors import same_length

FEW_NUMBERS = 8  # recordings of fewer numbers may be equal by chance
SHARED = 0.25  # of the shorter recording, from which on a common stretch is told
STRETCH = 24  # numbers that two recordings must have in common, and at least
STRETCH_READINGS = 8  # readings
MOST_READINGS = 20_000_000  # in which common stretches are sought
STEPS = 64  # to which recordings are resampled
NEAR = 0.1  # difference of near duplicates, relative to their own movement, and
NEAR_IN_CLASS = 0.05  # relative to what differs in a quarter of the pairs of their class, or
NEAR_IN_NOISE = 0.4  # relative to what the noise of two recordings differs by
SAMPLED = 60  # recordings of a class, whose pairs are compared for that
ROWS = 512  # recordings compared at once


def find_copies(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield exact and near duplicates."""
    sets = _exact(recordings)
    chance = [own for own in sets if recordings[own[0]].signal.size < FEW_NUMBERS]
    certain = [own for own in sets if recordings[own[0]].signal.size >= FEW_NUMBERS]
    if certain:
        same = {i: f"same as {recordings[own[0]].source}" for own in certain for i in own[1:]}
        yield _told("exact_duplicates", "exact duplicates", recordings, certain, same)
    if chance:
        same = {i: f"same as {recordings[own[0]].source}" for own in chance for i in own[1:]}
        yield _told("exact_duplicates", "exact duplicates", recordings, chance, same, by_chance=True)
    first = {i: own[0] for own in sets for i in own}
    single = [i for i in range(len(recordings)) if first.get(i, i) == i and not _flat(recordings[i])]
    details: dict[int, str] = {}
    pairs = []
    for earlier, later, what in [*_overlaps(recordings, single), *_alike(recordings, single)]:
        pairs.append((earlier, later))
        details.setdefault(later, f"{what} {recordings[earlier].source}")
    if pairs:
        yield _told("near_duplicates", "near duplicates", recordings, _joined(pairs), details)


def find_copy_sets(recordings: Sequence[Recording]) -> list[list[int]]:
    """Return the sets of recordings that are copies of one another: the same numbers, or nearly the same movement.

    Equal recordings of few numbers, which may be so by chance, are none.

    Examples
    --------
    >>> wave = Recording([[float(i * i % 7), float(i)] for i in range(40)])
    >>> find_copy_sets([wave, Recording(wave.signal[::-1]), wave])
    [[0, 2]]
    """
    certain = [own for own in _exact(recordings) if recordings[own[0]].signal.size >= FEW_NUMBERS]
    first = {i: own[0] for own in certain for i in own}
    single = [i for i in range(len(recordings)) if first.get(i, i) == i and not _flat(recordings[i])]
    near = [(one, other) for one, other, _ in [*_overlaps(recordings, single), *_alike(recordings, single)]]
    pairs = [(own[0], other) for own in certain for other in own[1:]]
    return _joined([*pairs, *near])


def _told(
    kind: str,
    name: str,
    recordings: Sequence[Recording],
    sets: Sequence[Sequence[int]],
    details: dict[int, str],
    by_chance: bool = False,
) -> Finding:
    """Return the finding: how many, which across parts, which with different labels."""

    def differing(attribute: str, own: Sequence[int]) -> bool:
        return len({getattr(recordings[i], attribute) for i in own} - {None}) > 1

    parts = {own[0]: {recordings[i].split for i in own} for own in sets}
    across = [own for own in sets if parts[own[0]] >= {"train", "test"}]
    besides = [own for own in sets if parts[own[0]] == {None, "test"}]
    contradicting = [own for own in sets if differing("label", own)]
    extra = sum(len(own) - 1 for own in sets)
    what = f"{count(extra)} {'repeats another' if extra == 1 else 'repeat others'}: {count(len(sets), 'set')} of {name}"
    if across:
        what += f"; {count(len(across), 'set lies', 'sets lie')} across train and test"
    if besides:
        what += f"; {count(len(besides), 'set lies', 'sets lie')} in the test part and in no part"
    if contradicting:
        what += f"; {count(len(contradicting), 'set has', 'sets have')} different labels"
    if by_chance:
        what += "; of so few numbers, that may be chance"
    remedy = "Delete all but one of each set" + (", and decide which label is right" if contradicting else "")
    if by_chance:
        remedy = "If the sensor is that coarse, leave them; otherwise delete all but one of each set"
    if across or besides:
        remedy += ": the test part must hold nothing that was trained on"
    ordered = sorted(sets, key=lambda own: (own not in across, own not in besides, own not in contradicting))
    which = [i for own in ordered for i in own]
    texts = [details.get(i, "") for i in which]
    notable = not by_chance or bool(across or contradicting)
    return finding(kind, what, remedy, recordings, which, texts, "warning" if notable else "note")


def _flat(recording: Recording) -> bool:
    return recording.n_readings > 1 and bool((recording.signal == recording.signal[0]).all())


def _exact(recordings: Sequence[Recording]) -> list[list[int]]:
    """Return sets of recordings with the same numbers; those in which nothing moves are no evidence."""
    sets = defaultdict(list)
    for i, recording in enumerate(recordings):
        if not _flat(recording):
            numbers = np.ascontiguousarray(recording.signal + 0.0)  # -0 is 0
            digest = blake2b(numbers.tobytes(), digest_size=16).digest()
            sets[numbers.shape, digest].append(i)
    return [own for own in sets.values() if len(own) > 1]


def _joined(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the sets that pairs make."""
    parent: dict[int, int] = {}

    def root(i: int) -> int:
        while parent.setdefault(i, i) != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    sets = defaultdict(list)
    for i in sorted(parent):
        sets[root(i)].append(i)
    return list(sets.values())


# ---------------------------------------------------------------- a stretch in common


def _overlaps(recordings: Sequence[Recording], which: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Yield pairs that share a stretch of readings: windows that overlap, or a part cut out."""
    by_width = defaultdict(list)
    for i in which:
        by_width[recordings[i].signal.shape[1]].append(i)
    for n_channels, own in by_width.items():
        length = max(STRETCH_READINGS, -(-STRETCH // n_channels))
        own = [i for i in own if recordings[i].n_readings >= length]
        if len(own) > 1 and sum(recordings[i].n_readings for i in own) <= MOST_READINGS:
            yield from _shared(recordings, np.array(own), length)


def _shared(
    recordings: Sequence[Recording], which: np.ndarray, length: int
) -> Iterator[tuple[int, int, str]]:
    lengths = np.array([recordings[i].n_readings for i in which])
    owner = np.repeat(np.arange(len(which)), lengths)
    readings = np.concatenate([recordings[i].signal for i in which]) + 0.0
    begins = _telling_windows(readings, owner, length)
    keys = _hashes(readings, length)[begins]
    order = np.argsort(keys, kind="stable")
    keys, owners = keys[order], owner[begins][order]
    same = np.flatnonzero((keys[1:] == keys[:-1]) & (owners[1:] != owners[:-1]))
    pairs = np.sort(np.stack([owners[same], owners[same + 1]]), axis=0)
    codes, first, windows = np.unique(pairs[0] * len(which) + pairs[1], return_index=True, return_counts=True)
    for code, at, n_windows in zip(
        codes.tolist(), begins[order][same[first]].tolist(), windows.tolist(), strict=True
    ):
        a, b = divmod(code, len(which))
        n_shared, shorter = n_windows + length - 1, min(lengths[a], lengths[b])
        different = len(np.unique(readings[at : at + length], axis=0))
        if n_shared >= SHARED * shorter and different > length // 2:  # not to and fro between two values
            what = f"shares {min(n_shared, shorter):,} of {lengths[b]:,} readings with"
            yield int(which[a]), int(which[b]), what


def _telling_windows(readings: np.ndarray, owner: np.ndarray, length: int) -> np.ndarray:
    """Return where stretches begin that lie in one recording, and in which every other reading is new."""
    changes = np.concatenate([[0], np.cumsum((readings[1:] != readings[:-1]).any(axis=1))])
    inside = owner[length - 1 :] == owner[: len(owner) - length + 1]
    moving = changes[length - 1 :] - changes[: len(changes) - length + 1] >= length // 2
    return np.flatnonzero(inside & moving)


def _hashes(readings: np.ndarray, length: int) -> np.ndarray:
    """Return a 64-bit hash of each stretch of so many readings, (n_readings - length + 1,)."""
    random = np.random.default_rng(0)
    odd = random.integers(1, 2**63, size=(readings.shape[1] + length), dtype=np.uint64) | np.uint64(1)
    bits = np.ascontiguousarray(readings).view(np.uint64)
    with np.errstate(over="ignore"):
        rows = ((bits ^ (bits >> np.uint64(29))) * odd[: readings.shape[1]]).sum(axis=1, dtype=np.uint64)
        rows = (rows ^ (rows >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        rows ^= rows >> np.uint64(29)
        keys = np.zeros(len(rows) - length + 1, np.uint64)
        for k in range(length):
            keys += rows[k : len(rows) - length + 1 + k] * odd[readings.shape[1] + k]
    return keys


# ---------------------------------------------------------------- nearly the same movement


def _alike(recordings: Sequence[Recording], which: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Yield pairs that differ by a small part of their own movement, whatever their level and scale.

    A pair is near if its difference is below `NEAR` of its movement, and far below what is usual
    in its class, or what its noise alone would make: gestures that are always alike, or that
    rest, are no duplicates.
    """
    by_width = defaultdict(list)
    for i in which:
        if recordings[i].n_readings >= STRETCH_READINGS and recordings[i].signal.size >= STRETCH:
            by_width[recordings[i].signal.shape[1]].append(i)  # a copy may have other names of channels
    for own in by_width.values():
        if len(own) > 1:
            yield from _near(recordings, np.array(own))


def _near(recordings: Sequence[Recording], which: np.ndarray) -> Iterator[tuple[int, int, str]]:
    Z = _movements([recordings[i] for i in which])
    limits = _limits(Z, [recordings[i].label for i in which])
    # What is near lies near on any axis: along the first principal one, only a band has to be compared.
    along = Z @ np.linalg.eigh(Z[:2000].T @ Z[:2000])[1][:, -1]
    order = np.argsort(along)
    Z, along, limits, which = Z[order], along[order], limits[order], which[order]
    ends = np.searchsorted(along, along + NEAR, side="right")
    for begin in range(0, len(Z), ROWS):
        rows = slice(begin, begin + ROWS)
        band = slice(begin, ends[rows].max())
        squared = np.maximum(2 - 2 * Z[rows] @ Z[band].T, 0)
        near = squared < np.minimum(limits[rows, None], limits[None, band]) ** 2
        for a, b in np.argwhere(np.triu(near, 1)):
            earlier, later = sorted((int(which[begin + a]), int(which[begin + b])))
            yield earlier, later, f"differs by {_percent(squared[a, b])} of its movement from"


def _percent(squared: float) -> str:
    return f"{100 * squared**0.5:.2g} %" if squared > 1e-6 else "less than 0.1 %"


def _movements(recordings: Sequence[Recording]) -> np.ndarray:
    """Return what moves in each recording, as a row of length 1 (or 0): (n, n_steps * n_channels)."""
    X = same_length(recordings, STEPS)
    X = X - X.mean(axis=1, keepdims=True)
    scale = np.abs(X).max(axis=(0, 1))
    X = X / np.where(scale > 0, scale, 1)  # so that no square overflows
    scale = X.std(axis=(0, 1))
    Z = (X / np.where(scale > 0, scale, 1)).reshape(len(X), -1)
    length = np.linalg.norm(Z, axis=1, keepdims=True)
    return (Z / np.where(length > 0, length, 1)).astype(np.float32)


def _limits(Z: np.ndarray, labels: Sequence[str | None]) -> np.ndarray:
    """Return below which difference each recording is a near duplicate."""
    limits = np.empty(len(Z))
    names = np.array([label or "" for label in labels])
    for name in dict.fromkeys(names.tolist()):
        own = np.flatnonzero(names == name)
        sampled = own if len(own) > 3 else np.arange(len(Z))
        some = Z[sampled[np.linspace(0, len(sampled) - 1, min(SAMPLED, len(sampled))).astype(int)]]
        differences = np.sqrt(np.maximum(2 - 2 * some @ some.T, 0))[np.triu_indices(len(some), 1)]
        limits[own] = NEAR_IN_CLASS * np.quantile(differences, 0.25)
    return np.minimum(NEAR, np.maximum(limits, NEAR_IN_NOISE * np.sqrt(2) * _noise(Z)))


def _noise(Z: np.ndarray) -> np.ndarray:
    """Return how much of each movement is noise, by third differences: smooth curves have none.

    Two recordings that differ by much less cannot have been made one after the other.
    """
    third = np.diff(Z.reshape(len(Z), STEPS, -1), n=3, axis=1)
    return np.asarray(np.sqrt((third**2).sum(axis=(1, 2)) / 20))  # 1 + 9 + 9 + 1 times the variance
