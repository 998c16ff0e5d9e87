"""Altered copies of recordings, for the training part only: the same gesture, made a little otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .inputs import at_places

LARGEST_SHIFT = 0.1  # of the recording's length
LARGEST_STRETCH = 0.1
LARGEST_FACTOR = 0.1
NOISE = 0.05  # of each channel's deviation in the recording
LARGEST_TURN = 20.0  # degrees

Alteration = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def shift(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the signal begun up to 10 % of its length earlier or later; its ends stand still.

    Examples
    --------
    >>> shift(np.arange(3.0)[:, None], np.random.default_rng(0)).shape
    (3, 1)
    """
    last = len(signal) - 1
    places = np.arange(len(signal)) + last * LARGEST_SHIFT * random.uniform(-1, 1)
    return at_places(signal[None], places)[0]


def stretch(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the signal made up to 10 % slower or faster around its middle.

    Examples
    --------
    >>> stretch(np.arange(3.0)[:, None], np.random.default_rng(0)).shape
    (3, 1)
    """
    middle = (len(signal) - 1) / 2
    factor = 1 + LARGEST_STRETCH * random.uniform(-1, 1)
    return at_places(signal[None], middle + (np.arange(len(signal)) - middle) * factor)[0]


def scale(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the signal up to 10 % larger or smaller.

    Examples
    --------
    >>> scale(np.zeros((3, 1)), np.random.default_rng(0)).ravel().tolist()
    [0.0, 0.0, 0.0]
    """
    return signal * (1 + LARGEST_FACTOR * random.uniform(-1, 1))


def noise(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the signal with normal noise of 5 % of each channel's deviation.

    Examples
    --------
    >>> noise(np.ones((3, 1)), np.random.default_rng(0)).ravel().tolist()
    [1.0, 1.0, 1.0]
    """
    return signal + NOISE * signal.std(axis=0) * random.standard_normal(signal.shape)


def rotate(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the signal as of a board held up to 20° otherwise: channels three by three are turned as x, y, z.

    Signals whose channels are not in threes are returned as they are.

    Examples
    --------
    >>> turned = rotate(np.array([[3.0, 4.0, 0.0]]), np.random.default_rng(0))
    >>> round(float(np.linalg.norm(turned)), 12)
    5.0
    """
    if signal.shape[1] % 3:
        return signal
    turn = _turn(random)
    threes = [signal[:, start : start + 3] @ turn.T for start in range(0, signal.shape[1], 3)]
    return np.concatenate(threes, axis=1)


def _turn(random: np.random.Generator) -> np.ndarray:
    """Return a turn about a random axis (O. Rodrigues, 1840)."""
    x, y, z = (axis := random.standard_normal(3)) / np.linalg.norm(axis)
    angle = np.radians(LARGEST_TURN) * random.uniform(-1, 1)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


ALTERATIONS: dict[str, Alteration] = {
    "shift": shift,
    "stretch": stretch,
    "scale": scale,
    "noise": noise,
    "rotate": rotate,
}
"""Every alteration by name. A new one is one line here."""


def alter(signals: Sequence[np.ndarray], names: Sequence[str], copies: int, seed: int) -> list[np.ndarray]:
    """Return altered copies of each signal, all the first copies first.

    Parameters
    ----------
    signals : sequence of arrays, (n_readings, n_channels)
    names : of `ALTERATIONS`, applied in this order
    copies : int, of each signal
    seed : int

    Returns
    -------
    list of arrays, (copies · n_signals,)

    Examples
    --------
    >>> len(alter([np.zeros((3, 1))], ("shift", "scale"), 4, seed=0))
    4
    """
    random = np.random.default_rng([seed, 7])
    altered = []
    for _ in range(copies if names else 0):
        for signal in signals:
            for name in names:
                signal = ALTERATIONS[name](signal, random)
            altered.append(signal)
    return altered
