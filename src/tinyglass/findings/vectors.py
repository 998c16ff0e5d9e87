"""Recordings as rows of numbers of one length, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..recordings import Recording

LARGEST = 1e150  # beyond it, squares overflow


def resampled(signal: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the signal at n_steps places at equal distances, (n_steps, n_channels), by linear interpolation."""
    if len(signal) == 1:
        return np.repeat(signal, n_steps, axis=0)
    at = np.linspace(0, len(signal) - 1, n_steps)
    before = np.minimum(at.astype(int), len(signal) - 2)
    share = (at - before)[:, None]
    return np.asarray(signal[before] * (1 - share) + signal[before + 1] * share)


def same_length(recordings: Sequence[Recording], n_steps: int) -> np.ndarray:
    """Return recordings of the same number of channels as one array, (n, n_steps, n_channels)."""
    X = np.stack([resampled(r.signal, n_steps) for r in recordings])
    return np.clip(X, -LARGEST, LARGEST)


def summaries(recordings: Sequence[Recording]) -> np.ndarray:
    """Return mean, deviation, ends, quartiles and mean step of each channel, (n, 7 * n_channels)."""
    rows = []
    for recording in recordings:
        x = np.clip(recording.signal, -LARGEST, LARGEST)
        step = np.abs(np.diff(x, axis=0)).mean(axis=0) if len(x) > 1 else np.zeros(x.shape[1])
        quartiles = np.percentile(x, (0, 25, 75, 100), axis=0)
        rows.append(np.concatenate([x.mean(axis=0), x.std(axis=0), step, *quartiles]))
    return np.array(rows)


def standardised(X: np.ndarray, axis: int | tuple[int, ...] = 0) -> np.ndarray:
    """Return X with mean 0 and deviation 1 along the axis; 0 where it is constant."""
    centred = X - X.mean(axis=axis, keepdims=True)
    scale = centred.std(axis=axis, keepdims=True)
    return np.asarray(centred / np.where(scale > 0, scale, 1.0))
