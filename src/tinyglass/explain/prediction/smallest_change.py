"""The smallest change of one reading that changes the answer, all other readings as they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ... import arithmetic
from ... import network as networks
from ...arithmetic import Layer
from ...inputs import MOST_STACKED, resample
from ...network import Network
from ...prediction import UNKNOWN, predict, tempered
from .attribution import is_piecewise_linear, layers_of, pieces, roots_of, slopes_at
from .readings import Seen, measure_channel

REACH = 10.0  # channel scales that are searched, up and down
WALKED = 100.0  # channel scales where every kink on the way is known
FIRST, GROWTH = 0.01, 1.15  # channel scales: the first change tried, and how many times larger the next is
GLANCES = (0.1, 1.0, 10.0)  # channel scales: by these, the readings to be searched are found
MOST_SEARCHED = 50  # readings that each of them finds
HALVINGS = 50
FEW = 12  # readings, up to which the smallest change of each is found
NEARLY = 0.999  # of the change must not do


class Change(NamedTuple):
    """A change of one reading that changes the answer.

    Attributes
    ----------
    reading, channel : int, from 0
    size : float, in the channel's unit; less does not do
    value : float, a reading just beyond it
    label : str, the answer then
    verified : bool
        Whether `predict` answers otherwise at `value`, and as before at 0.999 of the change.
    """

    reading: int
    channel: int
    size: float
    value: float
    label: str
    verified: bool


Found = tuple[int, int, float]  # reading, channel, size


class Trials:
    """The calibrated outputs for a recording of which one reading was changed, computed in float64.

    Parameters
    ----------
    network : Network
    seen : Seen
    """

    def __init__(self, network: Network, seen: Seen) -> None:
        layers = tuple(
            networks.Layer(
                layer.weights.astype(np.float64),
                None if layer.bias is None else layer.bias.astype(np.float64),
                layer.activation,
            )
            for layer in network.layers
        )
        self.network, self.seen = replace(network, layers=layers), seen
        self.windows = self._answers(seen.X)
        self.scales = scales_of(seen)

    def _answers(self, X: np.ndarray) -> np.ndarray:
        outputs = self.network.outputs(X)
        return tempered(outputs, self.network.temperature) if self.network.gives_probabilities else outputs

    def measure(self, found: Found) -> float:
        """Return how large a change is, in the scales of the channels."""
        return abs(found[2]) / self.scales[found[1]]

    def outputs(self, readings: np.ndarray, channels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Return the outputs after each change, (n_changes, n_outputs)."""
        found = np.tile(self.windows.mean(axis=0), (len(sizes), 1))
        length = len(self.seen.signals[0])
        at_once = max(1, MOST_STACKED // (length + self.seen.X.shape[1]))
        for c in np.unique(channels):
            for window, start in enumerate(self.seen.starts):
                inside = (channels == c) & (readings >= start) & (readings < start + length)
                every = np.flatnonzero(inside)
                for which in (every[i : i + at_once] for i in range(0, len(every), at_once)):
                    found[which] += self._moved(window, c, readings[which] - start, sizes[which])
        return found

    def _moved(self, window: int, channel: int, places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Return how far the mean of the windows moves, as the readings of one window change."""
        stack = np.tile(self.seen.signals[window][:, channel], (len(sizes), 1))
        stack[np.arange(len(sizes)), places] += sizes
        X = np.tile(self.seen.X[window], (len(sizes), 1))
        X[:, channel :: self.seen.shape[1]] = measure_channel(self.seen.preparation, channel, stack)
        return (self._answers(X) - self.windows[window]) / len(self.windows)


def that_matter(seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Return readings and channels of all that the inputs depend on: resampling and windows may skip some.

    Examples
    --------
    >>> from tinyglass import fit_preparation, read_recordings
    >>> from tinyglass.explain.prediction.readings import see
    >>> recordings = read_recordings()
    >>> that_matter(see(recordings[0], fit_preparation(recordings)))[0].tolist()
    [0, 1, 2]
    """
    used = np.zeros(seen.shape[0], bool)
    length = len(seen.signals[0])
    own = np.ones(length, bool)
    if seen.only_raw:
        own = resample(np.eye(length)[None], seen.preparation.n_steps)[0].any(axis=0)
    for start in seen.starts:
        used[start : start + length] |= own
    readings, channels = np.meshgrid(np.flatnonzero(used), np.arange(seen.shape[1]), indexing="ij")
    return readings.ravel(), channels.ravel()


def scales_of(seen: Seen) -> np.ndarray:
    """Return by what changes of each channel are measured, (n_channels,).

    It is the scale of the preparation or the deviation of the recording, whichever is larger.

    Examples
    --------
    >>> from tinyglass import fit_preparation, read_recordings
    >>> from tinyglass.explain.prediction.readings import see
    >>> recordings = read_recordings()
    >>> scales_of(see(recordings[0], fit_preparation(recordings, scale=100.0))).tolist()
    [100.0]
    """
    scales = seen.recording.signal.std(axis=0)
    if "raw" in seen.preparation.inputs:
        scales = np.maximum(scales, np.abs(seen.preparation.scale))
    return np.where(scales > 0, scales, 1.0)


Judge = Callable[[np.ndarray], np.ndarray]


def judge_best(outputs: np.ndarray) -> np.ndarray:
    """Return the place of the largest output of each row; −1 where it is not the only largest.

    Examples
    --------
    >>> judge_best(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist()
    [1, -1]
    """
    largest = outputs.max(axis=1, keepdims=True)
    return np.where((outputs == largest).sum(axis=1) == 1, outputs.argmax(axis=1), -1)


def judge_label(threshold: float) -> Judge:
    """Return the judge that also answers −1, unknown, below the threshold."""
    return lambda outputs: np.where(outputs.max(axis=1) >= threshold, judge_best(outputs), -1)


def smallest_changes(network: Network, seen: Seen) -> tuple[list[Change], Change | None, bool]:
    """Return the smallest changes of one reading that change the answer.

    Where inputs are readings and the network is made of straight pieces, all kinks on the way are
    walked, and the change is exact. Otherwise changes are tried, each 15 % larger than the one
    before, and the first that does is narrowed down: one that does only in between is missed. Of
    more than 100 readings, those are tried that move the margin most.

    Parameters
    ----------
    network : Network, for classes
    seen : Seen

    Returns
    -------
    best : list of Change
        That end the lead of the best class: the smallest, measured in the scales of the channels; of
        every reading, smallest first, where there are up to 12. Empty where none does.
    label : Change or None
        That changes the label to *unknown*, or from it, if that takes less.
    exact : bool, whether `best` was walked
    """
    trials = Trials(network, seen)
    layers, _ = layers_of(network)
    exact = seen.only_raw and len(seen.starts) == 1 and is_piecewise_linear(layers)
    readings, channels = that_matter(seen)
    each = len(readings) <= FEW
    best: list[Found] = []
    before = judge_best(trials.windows.mean(axis=0)[None])[0]
    if before >= 0 and exact:
        places = [[i] for i in range(len(readings))] if each else [list(range(len(readings)))]
        for at in places:
            best += _walk(trials, layers, int(before), readings[at], channels[at])
    elif before >= 0:
        best = _search(trials, judge_best, readings, channels, each)
    best.sort(key=trials.measure)
    label: list[Found] = []
    if network.threshold > 0:
        limit = trials.measure(best[0]) if best else REACH
        label = _search(trials, judge_label(network.threshold), readings, channels, limit=limit)
        if best and label and trials.measure(label[0]) >= limit:
            label = []
    return (
        [_told(network, seen, found, "best") for found in best],
        _told(network, seen, label[0], "label") if label else None,
        exact,
    )


def _search(
    trials: Trials,
    judge: Judge,
    readings: np.ndarray,
    channels: np.ndarray,
    each: bool = False,
    limit: float = REACH,
) -> list[Found]:
    """Return the smallest change that the judge answers to, or that of each reading, trying larger and larger ones."""
    before = judge(trials.windows.mean(axis=0)[None])[0]
    chosen = _promising(trials, readings, channels)
    n = len(chosen)
    readings, channels = np.tile(readings[chosen], 2), np.tile(channels[chosen], 2)
    units = np.repeat([1.0, -1.0], n) * trials.scales[channels]  # up, and down
    lows, highs, waiting = np.zeros(2 * n), np.full(2 * n, np.inf), np.arange(2 * n)
    below, n_tried = 0.0, math.ceil(math.log(REACH / FIRST, GROWTH))
    for size in np.geomspace(FIRST, REACH, n_tried + 1).tolist():
        outputs = trials.outputs(readings[waiting], channels[waiting], size * units[waiting])
        found = waiting[judge(outputs) != before]
        lows[found], highs[found], below = below, size, size
        waiting = waiting[~np.isin(waiting % n, found % n)] if each else waiting
        if size >= limit or not len(waiting) or (len(found) and not each):
            break
    which = np.flatnonzero(np.isfinite(highs))
    for _ in range(HALVINGS):
        middle = (lows[which] + highs[which]) / 2
        outputs = trials.outputs(readings[which], channels[which], middle * units[which])
        changed = judge(outputs) != before
        highs[which[changed]], lows[which[~changed]] = middle[changed], middle[~changed]
        if not each:
            which = which[lows[which] <= highs[which].min(initial=np.inf)]
    which = which[np.argsort(highs[which], kind="stable")]
    _, first = np.unique(which % n, return_index=True)  # the better of up and down
    which = which[np.sort(first)]
    return [(int(readings[i]), int(channels[i]), float(highs[i] * units[i])) for i in which][
        : None if each else 1
    ]


def _promising(trials: Trials, readings: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Return the places of the readings that move the margin most: all of them where there are few."""
    if len(readings) <= 2 * MOST_SEARCHED:
        return np.arange(len(readings))
    here = trials.windows.mean(axis=0)
    best = int(here.argmax())
    chosen = []
    for size in GLANCES:
        leads = []
        for direction in (1.0, -1.0):
            outputs = trials.outputs(readings, channels, direction * size * trials.scales[channels])
            leads.append(outputs[:, best] - np.delete(outputs, best, axis=1).max(axis=1))
        chosen.append(np.argsort(np.minimum(*leads), kind="stable")[:MOST_SEARCHED])
    return np.unique(np.concatenate(chosen))


def _walk(
    trials: Trials, layers: Sequence[Layer], best: int, readings: np.ndarray, channels: np.ndarray
) -> list[Found]:
    """Return the smallest change after which another output is the largest, by following straight pieces."""
    seen, p = trials.seen, trials.seen.preparation
    lines = resample(np.eye(seen.shape[0])[None], p.n_steps)[0]
    columns = list(np.asarray(layers[0].weights).T)
    here = arithmetic.weighted_sum(columns, list(seen.X[0]), layers[0].bias)
    found: list[Found] = []
    reach = WALKED
    slopes = slopes_at(layers, seen.X)
    lead = slopes.outputs[0, best] - np.delete(slopes.outputs[0], best)
    steep = slopes.slopes[0, best] - np.delete(slopes.slopes[0], best, axis=0)
    steep = np.einsum("jsc,sk->jkc", steep.reshape(-1, *seen.X.reshape(p.n_steps, -1).shape), lines)
    steep = np.abs(steep * trials.scales / np.array(p.scale))[:, readings, channels]
    with np.errstate(all="ignore"):
        nearest = np.argsort((lead[:, None] / steep).min(axis=0), kind="stable")  # if there were no kinks
    for k, c in zip(readings[nearest].tolist(), channels[nearest].tolist(), strict=True):
        moved = np.zeros((p.n_steps, seen.shape[1]))
        moved[:, c] = lines[:, k] / p.scale[c] * trials.scales[c]
        at = np.flatnonzero(moved)
        turn = arithmetic.weighted_sum([columns[i] for i in at], list(moved.ravel()[at]))
        ends, outputs = pieces(layers, np.stack([here, turn, np.zeros_like(here)]), -reach, reach)
        lead = outputs[:, :, best : best + 1] - np.delete(outputs, best, axis=2)
        ties = roots_of(lead)
        inside = (ties >= ends[:-1, None]) & (ties <= ends[1:, None])
        if inside.any():
            size = min(ties[inside], key=abs)
            if abs(size) < reach:
                found, reach = [(k, c, float(size * trials.scales[c]))], abs(size)
    return found


def _told(network: Network, seen: Seen, found: Found, what: str) -> Change:
    """Return the change with a reading just beyond it, and whether `predict` agrees.

    Parameters
    ----------
    network : Network
    seen : Seen
    found : reading, channel, size
    what : "best" or "label", that is to change
    """
    signal, (reading, channel, size) = seen.recording.signal, found
    old = float(signal[reading, channel])
    place = 10.0 ** math.floor(math.log10(max(abs(size), 1e-300) * (1 - NEARLY)))
    beyond = (old + size * (1 + (1 - NEARLY) / 10)) / place
    value = float(f"{(math.ceil if size > 0 else math.floor)(beyond) * place:.12g}")

    def answer(value: float) -> str:
        changed = signal.copy()
        changed[reading, channel] = value
        prediction = predict(network, [replace(seen.recording, signal=changed)])[0]
        if what == "label":
            return str(prediction.label)
        tie = prediction.outputs.count(max(prediction.outputs)) > 1
        return UNKNOWN if tie else str(prediction.best)

    before, after, nearly = answer(old), answer(value), answer(old + NEARLY * size)
    return Change(reading, channel, size, value, after, before != after and before == nearly)
