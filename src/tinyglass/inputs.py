"""What a network is shown of a recording: its readings, a summary, a spectrum.

Each kind is a rule on a stack of signals of the same length, (n_signals, n_readings,
n_channels), and gives the same numbers for each signal alone; a board computes them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

KINDS = ("raw", "summary", "spectrum")
QUARTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
STATISTICS = ("mean", "√deviation", "minimum", *QUARTILES, "maximum", "√change")
SEGMENT = 64  # readings of which one spectrum is taken
HOP = SEGMENT // 2
MOST_STACKED = 2**22  # numbers that are worked on at a time
SMALLEST_SHARE = 0.01  # of a channel's deviation
N_BANDS = 16  # of SEGMENT / 2 / N_BANDS frequencies each


def resample(stack: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the signals along straight lines between their readings, first and last kept.

    Parameters
    ----------
    stack : array, (n_signals, n_readings, n_channels)
    n_steps : int

    Returns
    -------
    array, (n_signals, n_steps, n_channels)

    Examples
    --------
    >>> resample(np.array([[[0.0], [4.0]]]), 3).ravel().tolist()
    [0.0, 2.0, 4.0]
    """
    n_readings = stack.shape[1]
    if n_readings == n_steps:
        return stack
    return at_places(stack, np.linspace(0, n_readings - 1, n_steps))


def at_places(stack: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the signals at places between their readings, 0 being the first; beyond the ends they stand still.

    Examples
    --------
    >>> at_places(np.array([[[0.0], [4.0]]]), np.array([-1.0, 0.25])).ravel().tolist()
    [0.0, 1.0]
    """
    last = stack.shape[1] - 1
    places = np.clip(places, 0, last)
    before = np.minimum(places.astype(int), max(last - 1, 0))
    after = np.minimum(before + 1, last)
    share = (places - before)[:, None]
    return stack[:, before] * (1 - share) + stack[:, after] * share


def summarise(stack: np.ndarray) -> np.ndarray:
    """Return eight statistics of each channel: `STATISTICS`.

    Quartiles stand at (n_readings − 1)·q in the sorted readings, between two of them on a
    straight line. The change is the mean absolute difference of neighbouring readings. Deviation
    and change are taken by their square roots, which spreads out the small ones.

    Parameters
    ----------
    stack : array, (n_signals, n_readings, n_channels)

    Returns
    -------
    array, (n_signals, 8, n_channels)

    Examples
    --------
    >>> summarise(np.array([[[0.0], [4.0]]])).ravel().round(3).tolist()
    [2.0, 1.414, 0.0, 1.0, 2.0, 3.0, 4.0, 2.0]
    """
    ordered = np.sort(stack, axis=1)
    quartiles = [at_places(ordered, np.array([q * (stack.shape[1] - 1)]))[:, 0] for q in QUARTILES.values()]
    differences = np.abs(np.diff(stack, axis=1))
    change = differences.mean(axis=1) if stack.shape[1] > 1 else np.zeros_like(ordered[:, 0])
    return np.stack(
        [
            stack.mean(axis=1),
            np.sqrt(stack.std(axis=1)),
            ordered[:, 0],
            *quartiles,
            ordered[:, -1],
            np.sqrt(change),
        ],
        axis=1,
    )


def spectrum(stack: np.ndarray) -> np.ndarray:
    """Return how strong each of 16 bands of frequencies is in each channel.

    The mean is taken off; pieces of 64 readings, each beginning in the middle of the one before, are
    faded in and out by sin²(π·t/64); the squared magnitudes of their discrete Fourier transforms are
    averaged and divided by Σ sin⁴ = 24 (P. D. Welch, IEEE Transactions on Audio and
    Electroacoustics 15, 1967), two frequencies to a band, and their fourth roots taken: louder is
    not everything. Shorter signals are followed by zeros.

    Parameters
    ----------
    stack : array, (n_signals, n_readings, n_channels)

    Returns
    -------
    array, (n_signals, 16, n_channels)

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * 9 / 64 * np.arange(64))  # 9 periods in 64 readings: bands of 2 → band 4
    >>> int(spectrum(wave[None, :, None])[0, :, 0].argmax())
    4
    """
    signals = stack - stack.mean(axis=1, keepdims=True)
    missing = SEGMENT - signals.shape[1]
    if missing > 0:
        signals = np.pad(signals, ((0, 0), (0, missing), (0, 0)))
    fade = np.sin(np.pi * np.arange(SEGMENT) / SEGMENT)[:, None] ** 2
    starts = range(0, signals.shape[1] - SEGMENT + 1, HOP)
    power = np.zeros((len(signals), SEGMENT // 2, signals.shape[2]))
    for start in starts:
        piece = signals[:, start : start + SEGMENT] * fade
        power += np.abs(np.fft.rfft(piece, axis=1)[:, : SEGMENT // 2]) ** 2
    power /= len(starts) * (fade**2).sum()
    bands = power.reshape(len(signals), N_BANDS, -1, signals.shape[2]).mean(axis=2)
    return bands**0.25


class Kind(NamedTuple):
    """One kind of inputs.

    Attributes
    ----------
    rule : function from a stack to (n_signals, n_values, n_channels)
    names : tuple of str, (n_values,), of what is computed of each channel
    rooted : tuple of bool, (n_values,), whether a value is a square root of the channel's unit
    """

    rule: Callable[[np.ndarray], np.ndarray]
    names: tuple[str, ...]
    rooted: tuple[bool, ...]


FEATURES = {
    "summary": Kind(summarise, STATISTICS, tuple(name.startswith("√") for name in STATISTICS)),
    "spectrum": Kind(spectrum, tuple(f"band {band}" for band in range(N_BANDS)), (True,) * N_BANDS),
}
"""The kinds besides the readings themselves. A new one is one line here."""


def smallest_scales(kind: str, deviation: np.ndarray) -> np.ndarray:
    """Return what the scale of each value is at least: 1 % of the channel's deviation, or of its square root.

    A value that hardly differs between recordings (the mean, where each was standardised by
    itself) would otherwise be blown up until its rounding counted as much as the gesture.

    Parameters
    ----------
    kind : a key of `FEATURES`
    deviation : array, (n_channels,), of all readings

    Returns
    -------
    array, (n_values, n_channels)

    Examples
    --------
    >>> smallest_scales("summary", np.array([4.0]))[:3].round(2).ravel().tolist()
    [0.04, 0.02, 0.04]
    """
    natural = [np.sqrt(deviation) if rooted else deviation for rooted in FEATURES[kind].rooted]
    return SMALLEST_SHARE * np.stack(natural)


def count_features(kinds: Sequence[str], n_channels: int) -> int:
    """Return how many inputs the kinds besides raw have.

    Examples
    --------
    >>> count_features(("raw", "summary"), 3)
    24
    """
    return sum(len(FEATURES[kind].names) * n_channels for kind in kinds if kind != "raw")


def name_inputs(
    kinds: Sequence[str], channels: Sequence[str], n_steps: int, rate_hz: float | None = None
) -> tuple[str, ...]:
    """Return a name for every input: step by step or value by value, channel by channel.

    Examples
    --------
    >>> name_inputs(("raw",), ("x", "y"), 2)
    ('x[0]', 'y[0]', 'x[1]', 'y[1]')
    >>> name_inputs(("spectrum",), ("x",), 0, 64.0)[:2]
    ('x 0–2 Hz', 'x 2–4 Hz')
    """
    names: list[str] = []
    for kind in kinds:
        if kind == "raw":
            ends = [""] if n_steps == 1 else [f"[{step}]" for step in range(n_steps)]
        elif kind == "spectrum" and rate_hz:
            width = rate_hz / 2 / N_BANDS
            ends = [f" {band * width:.3g}–{(band + 1) * width:.3g} Hz" for band in range(N_BANDS)]
        else:
            ends = [f" {name}" for name in FEATURES[kind].names]
        names += [f"{channel}{end}" for end in ends for channel in channels]
    return tuple(names)


def measure(signals: Sequence[np.ndarray], kinds: Sequence[str], n_steps: int) -> dict[str, np.ndarray]:
    """Return every kind's numbers for each signal, those of the same length together.

    Parameters
    ----------
    signals : sequence of arrays, (n_readings, n_channels), which may differ in length
    kinds : of `KINDS`
    n_steps : int, to which raw readings are resampled

    Returns
    -------
    dict of arrays, (n_signals, n_values, n_channels), by kind

    Examples
    --------
    >>> tables = measure([np.zeros((3, 1)), np.ones((5, 1))], ("raw", "summary"), 4)
    >>> tables["raw"].shape, tables["summary"].shape
    ((2, 4, 1), (2, 8, 1))
    """
    by_length: dict[int, list[int]] = {}
    for place, signal in enumerate(signals):
        by_length.setdefault(len(signal), []).append(place)
    tables: dict[str, np.ndarray] = {}
    for same in by_length.values():
        step = max(1, MOST_STACKED // signals[same[0]].size)
        for places in (same[start : start + step] for start in range(0, len(same), step)):
            stack = np.stack([signals[place] for place in places])
            for kind in kinds:
                values = resample(stack, n_steps) if kind == "raw" else FEATURES[kind].rule(stack)
                if kind not in tables:
                    tables[kind] = np.empty((len(signals), *values.shape[1:]))
                tables[kind][places] = values
    return tables
