"""Recordings that the rest contradicts: left out of the data, they look like another class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from ..recordings import Recording
from .finding import Finding, count, finding, shortened
from .labels import are_quantities
from .vectors import same_length, standardised, summaries

STEPS = 32
NEIGHBOURS = 5
MOST_NEIGHBOURS = 3000  # recordings among which the neighbours are sought
MOST_INPUTS = 512  # of a view; more are projected at random
CREDIBLE = 0.75  # share of right answers without which nobody can contradict
CLEARLY = 0.1  # by which another class is ahead of the own one
SMALLEST = 6  # recordings


def find_contradictions(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield recordings whose label is the least likely when they are left out.

    Two witnesses must agree on another class: none of the nearest neighbours has the label, and
    a linear model fitted to all other recordings prefers the same other class. Each of them
    looks at the readings, at summaries, or at both, whichever tells the classes apart best.
    """
    by_channels = defaultdict(list)
    for i, recording in enumerate(recordings):
        if recording.label is not None:
            by_channels[recording.channels].append(i)
    which: list[int] = []
    details: list[str] = []
    for own in by_channels.values():
        for place, other in _contradicted([recordings[i] for i in own]):
            which.append(own[place])
            details.append(
                f"labelled {shortened(str(recordings[own[place]].label))}, looks like {shortened(other)}"
            )
    if which:
        yield finding(
            "contradicted_labels",
            f"{count(len(which), 'recording is', 'recordings are')} contradicted by the rest: "
            f"left out, {'its' if len(which) == 1 else 'their'} label is the least likely",
            "Look at them with --plot; correct the label, or delete the recording",
            recordings,
            which,
            details,
        )


def _contradicted(recordings: Sequence[Recording]) -> list[tuple[int, str]]:
    """Return the place of each recording that looks like another class, and that class."""
    classes, y = np.unique([str(r.label) for r in recordings], return_inverse=True)
    sizes = np.bincount(y)
    if len(recordings) < SMALLEST or len(classes) < 2 or are_quantities(classes.tolist()):
        return []
    if sizes.max() < 2 or len(classes) > len(recordings) / 2:
        return []
    nearest, linear = _witnesses(recordings, y, len(classes))
    rows = np.arange(len(y))
    if min((nearest.argmax(axis=1) == y).mean(), (linear.argmax(axis=1) == y).mean()) < CREDIBLE:
        return []
    other = linear.argmax(axis=1)
    contradicted = (
        (nearest[rows, y] == 0)
        & (nearest.argmax(axis=1) == other)
        & (linear[rows, other] - linear[rows, y] > CLEARLY)
        & (sizes[y] > 1)  # a class of one has nobody to speak for it
    )
    return [(int(i), str(classes[other[i]])) for i in np.flatnonzero(contradicted)]


def _witnesses(
    recordings: Sequence[Recording], y: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how likely each class is to the neighbours and to the linear model, each (n, n_classes)."""
    Y = np.eye(n_classes)[y]
    k = int(np.clip(np.bincount(y).min() - 1, 1, NEIGHBOURS))
    best = []
    for judge in (lambda X: _neighbours(X, Y, k), lambda X: _linear(X, Y)):
        answers = [judge(X) for X in _views(recordings)]
        best.append(max(answers, key=lambda P: (P.argmax(axis=1) == y).mean()))
    return best[0], best[1]


def _views(recordings: Sequence[Recording]) -> list[np.ndarray]:
    """Return readings, summaries, and both, as inputs of the same weight."""
    longest = max(r.n_readings for r in recordings)
    raw = same_length(recordings, min(STEPS, longest))
    raw = standardised(raw, axis=(0, 1)).reshape(len(raw), -1)
    views = [raw]
    if longest > 1:
        summary = standardised(summaries(recordings))
        views.append(np.sign(summary) * np.log1p(np.abs(summary)))  # tames the long tails of readings
    views = [_narrowed(view) / np.sqrt(min(view.shape[1], MOST_INPUTS)) for view in views]
    return views if len(views) == 1 else [*views, np.hstack(views)]


def _narrowed(X: np.ndarray) -> np.ndarray:
    if X.shape[1] <= MOST_INPUTS:
        return X
    random = np.random.default_rng(0)
    return np.asarray(X @ random.normal(size=(X.shape[1], MOST_INPUTS)) / np.sqrt(X.shape[1]))


def _neighbours(X: np.ndarray, Y: np.ndarray, k: int) -> np.ndarray:
    """Return the share of each class among the k nearest others."""
    random = np.random.default_rng(0)
    n = len(X)
    others = np.sort(random.choice(n, min(n, MOST_NEIGHBOURS), replace=False))
    X = X.astype(np.float32)
    lengths = (X[others] ** 2).sum(axis=1)
    P = np.empty_like(Y)
    for begin in range(0, n, 512):
        rows = np.arange(begin, min(begin + 512, n))
        distances = lengths - 2 * X[rows] @ X[others].T
        distances[rows[:, None] == others] = np.inf  # it is left out itself
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        P[rows] = Y[others[nearest]].mean(axis=1)
    return P


def _linear(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return what ridge regression answers to each example, fitted to all others.

    Leaving one out has a closed form: with the fit F = H Y, the error without example i is
    (Y - F)[i] / (1 - H[i, i]). The penalty is the one with the smallest such error.
    """
    X = np.hstack([X, np.ones((len(X), 1))])
    squares, U = _left_singular(X)
    UY = U.T @ Y
    best, smallest = Y, np.inf
    for penalty in 10.0 ** np.arange(-4, 3):
        shrink = squares / (squares + penalty)
        leverage = (U**2 * shrink).sum(axis=1)
        errors = (Y - (U * shrink) @ UY) / np.maximum(1 - leverage, 1e-6)[:, None]
        if (error := float((errors**2).mean())) < smallest:
            best, smallest = Y - errors, error
    return best


def _left_singular(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared singular values and the left singular vectors, by the smaller of two products."""
    if len(X) <= X.shape[1]:
        squares, U = np.linalg.eigh(X @ X.T)
        return np.maximum(squares, 0), U
    squares, V = np.linalg.eigh(X.T @ X)
    kept = squares > 1e-10 * squares[-1]
    return squares[kept], X @ V[:, kept] / np.sqrt(squares[kept])
