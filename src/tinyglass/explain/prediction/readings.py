"""From readings to the inputs of a network: what a reading has to do with each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from ...inputs import FEATURES, MOST_STACKED, STATISTICS, measure, resample
from ...network import Preparation
from ...preparation import Material, apply_rows, cut, prepare_pieces
from ...recordings import Recording
from ...units import convert_units

STEP = 1e-5  # of a channel's deviation: how far a reading is moved to see what it moves


class Seen(NamedTuple):
    """A recording as a network takes it.

    Attributes
    ----------
    recording : Recording, in the channels and units of the network
    preparation : Preparation
    signals : list of arrays, (n_readings, n_channels), its windows; the whole where there are none
    starts : list of int, where each begins
    X : array, (n_windows, n_inputs)
    """

    recording: Recording
    preparation: Preparation
    signals: list[np.ndarray]
    starts: list[int]
    X: np.ndarray

    @property
    def only_raw(self) -> bool:
        """Whether every input is a reading, or lies on a straight line between two."""
        return self.preparation.inputs == ("raw",)

    @property
    def shape(self) -> tuple[int, int]:
        """Readings and channels."""
        return self.recording.signal.shape


def see(recording: Recording, preparation: Preparation) -> Seen:
    """Return a recording as the network takes it.

    Raises
    ------
    RecordingError
        If it has other channels or another length than the network takes.

    Examples
    --------
    >>> from tinyglass import fit_preparation, read_recordings
    >>> recordings = read_recordings()
    >>> see(recordings[0], fit_preparation(recordings, scale=100.0)).X.tolist()
    [[1.0454, 0.02375, 0.0]]
    """
    p = preparation
    X, _ = prepare_pieces([recording], p)
    taken = convert_units(recording, p.channels, p.units)
    signal = taken.signal.reshape(-1, len(p.channels))  # a row of a table may hold several readings
    times = taken.times if len(signal) == taken.n_readings else None
    taken = replace(taken, signal=signal, times=times, channels=p.channels, units=p.units)
    signals, _ = cut([taken], p.window, p.hop)
    return Seen(taken, p, signals, [p.hop * number for number in range(len(signals))], X)


def measure_channel(preparation: Preparation, channel: int, stack: np.ndarray) -> np.ndarray:
    """Return the inputs that come from one channel, which are every n_channels-th.

    Parameters
    ----------
    preparation : Preparation
    channel : int
    stack : array, (n_signals, n_readings)

    Returns
    -------
    array, (n_signals, n_inputs / n_channels)

    Examples
    --------
    >>> p = Preparation(("x", "y"), ("", ""), 2, False, (0.0, 1.0), (1.0, 2.0))
    >>> measure_channel(p, 1, np.array([[3.0, 5.0]])).tolist()
    [[1.0, 2.0]]
    """
    p, n, c = preparation, len(preparation.channels), channel
    own = msgspec.structs.replace(
        p,
        channels=p.channels[c : c + 1],
        units=p.units[c : c + 1],
        offset=p.offset[c : c + 1],
        scale=p.scale[c : c + 1],
        feature_offset=p.feature_offset[c::n],
        feature_scale=p.feature_scale[c::n],
    )
    tables = measure(list(stack[:, :, None]), p.inputs, p.n_steps)
    unused = np.empty((0, 0))
    return apply_rows(own, Material(tables, unused, unused, unused, unused), np.arange(len(stack)))


def kinds_of(preparation: Preparation) -> Iterator[tuple[str, bool]]:
    """Yield the kind of each input of one channel, and whether it is a square root of the channel's unit."""
    for kind in preparation.inputs:
        if kind == "raw":
            yield from [(kind, False)] * preparation.n_steps
        else:
            yield from ((kind, rooted) for rooted in FEATURES[kind].rooted)


def powers_of(preparation: Preparation) -> np.ndarray:
    """Return with which power of u each input grows, if the readings grow with u² from standing still.

    The summary and the spectrum of readings that all stand at b, and then leave it in proportion to t,
    grow in proportion to t, or to its root where they are roots themselves. u = √t makes both smooth.

    Examples
    --------
    >>> powers_of(Preparation(("x",), ("",), 2, False, (0.0,), (1.0,))).tolist()
    [2, 2]
    """
    powers = [1 if rooted else 2 for _, rooted in kinds_of(preparation)]
    return np.repeat(powers, len(preparation.channels))


def baseline_of(seen: Seen) -> tuple[np.ndarray, str]:
    """Return the reading of each channel from which contributions count, (n_channels,), and what it is in words.

    Examples
    --------
    >>> from tinyglass import fit_preparation, read_recordings
    >>> recordings = read_recordings()
    >>> baseline_of(see(recordings[0], fit_preparation(recordings, scale=100.0)))
    (array([0.]), 'every reading at 0')
    """
    p, n = seen.preparation, len(seen.preparation.channels)
    if "raw" in p.inputs:
        readings = np.array(p.offset)
    elif "summary" in p.inputs:
        values = [kind for kind, _ in kinds_of(p) if kind != "raw"]
        first = (values.index("summary") + STATISTICS.index("mean")) * n
        readings = np.array(p.feature_offset[first : first + n])
    else:
        return seen.recording.signal.mean(
            axis=0
        ), "every reading at the mean of its channel in this recording"
    if not readings.any():
        return readings, "every reading at 0"
    return readings, "every reading at the mean of its channel over the training recordings"


def standing_still(seen: Seen, baseline: np.ndarray) -> np.ndarray:
    """Return the inputs of a window in which every reading is at the baseline, (n_inputs,).

    Values that are roots do not depend on where the readings stand, so they are taken at 0: elsewhere
    a deviation of a rounding error would become its root.
    """
    n_channels, length = len(baseline), len(seen.signals[0])
    rooted = np.array([rooted for _, rooted in kinds_of(seen.preparation)])
    inputs = np.empty(seen.X.shape[1])
    for c, value in enumerate(baseline):
        stack = np.full((2, length), [[0.0], [value]])
        at_zero, there = measure_channel(seen.preparation, c, stack)
        inputs[c::n_channels] = np.where(rooted, at_zero, there)
    return inputs


def shares(seen: Seen, window: int, channel: int, baseline: np.ndarray) -> np.ndarray:
    """Return which share each reading has in how far each input of its channel is from standing still.

    Raw inputs are straight lines between readings: exact. A value of a summary or spectrum is a
    homogeneous function of readings − baseline, of degree d = 1, or ½ where it is a root, so that
    Σ_k ∂value/∂reading_k·(reading_k − baseline) = d·(value − value standing still) (Euler). The
    slopes are measured, by moving readings.

    Parameters
    ----------
    seen : Seen
    window, channel : int
    baseline : array, (n_channels,), readings

    Returns
    -------
    array, (n_inputs / n_channels, n_readings); the rows add up to input − input standing still
    """
    p, signal = seen.preparation, seen.signals[window][:, channel]
    away = signal - baseline[channel]
    degrees = np.array([0.5 if rooted else 1.0 for _, rooted in kinds_of(p)])
    found = np.empty((len(degrees), len(signal)))
    if not seen.only_raw:
        found[:] = _felt(p, channel, signal) * away / degrees[:, None]
    if "raw" in p.inputs:
        lines = resample(np.eye(len(signal))[None], p.n_steps)[0]  # the weights of the readings in each step
        found[[kind == "raw" for kind, _ in kinds_of(p)]] = lines * away / p.scale[channel]
    return found


def _felt(p: Preparation, channel: int, signal: np.ndarray) -> np.ndarray:
    """Return ∂input/∂reading, (n_inputs / n_channels, n_readings), measured by moving them up and down.

    Of equal readings, none may move a minimum or a quartile by itself, though together they do: what
    they do together, beyond what each does alone, is parted equally.
    """
    step = STEP * (float(signal.std()) or float(np.abs(signal).max()) or 1.0)
    alone = _moved(p, channel, signal, np.arange(len(signal)), step)
    _, group = np.unique(signal, return_inverse=True)
    size = np.bincount(group)
    if size.max() > 1:
        together = _moved(p, channel, signal, group, step)
        sums = np.stack([np.bincount(group, row) for row in alone])
        alone += ((together - sums) / size)[:, group]
    return alone


def _moved(p: Preparation, channel: int, signal: np.ndarray, group: np.ndarray, step: float) -> np.ndarray:
    """Return by how much each input changes as the readings of each group move, (n_inputs, n_groups)."""
    parts = []
    at_once = max(1, MOST_STACKED // len(signal))
    for start in range(0, int(group.max()) + 1, at_once):
        numbers = np.arange(start, min(start + at_once, int(group.max()) + 1))
        moved = step * (group == numbers[:, None])
        up, down = (measure_channel(p, channel, signal + sign * moved) for sign in (1, -1))
        parts.append((up - down) / (2 * step))
    return np.concatenate(parts).T
