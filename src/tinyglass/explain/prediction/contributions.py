"""What each reading of one recording contributed to each output, and what is left beside the readings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ... import arithmetic
from ...network import Network
from ..working import feedforward
from .attribution import Path, Slopes, is_piecewise_linear, layers_of, mean_slopes, slopes_at
from .readings import Seen, baseline_of, powers_of, shares, standing_still


class Parts(NamedTuple):
    """Contributions, and the part that they are added to: together they are the outputs.

    Attributes
    ----------
    contributions : array, (n_outputs, n_inputs) or (n_outputs, n_readings, n_channels)
    rest : array, (n_outputs,): what the biases give, or the outputs for the baseline
    """

    contributions: np.ndarray
    rest: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """Contributions and rest, added up, (n_outputs,)."""
        return self.contributions.reshape(len(self.rest), -1).sum(axis=1) + self.rest


class Attribution(NamedTuple):
    """Why a network answered a recording as it did; where there are windows, the mean over them.

    Attributes
    ----------
    outputs : array, (n_outputs,): what is explained, the weighted sums of the output layer or the outputs
    sums : bool, whether these are weighted sums
    exact : bool, whether the network is made of straight pieces
    inputs, readings : Parts
    baseline : array, (n_channels,), readings from which contributions count
    baseline_words : str
    straight : bool
        Whether readings contribute by the slopes at the recording, as inputs do; otherwise
        by integrated gradients from the baseline.
    slopes : Slopes, of each window
    difference : float, between the outputs by the definition in float64 and by the core
    """

    outputs: np.ndarray
    sums: bool
    exact: bool
    inputs: Parts
    readings: Parts
    baseline: np.ndarray
    baseline_words: str
    straight: bool
    slopes: Slopes
    difference: float


def attribute(network: Network, seen: Seen) -> Attribution:
    """Return what each input and each reading contributed to each output.

    The inputs of a network of straight pieces contribute slope·input, exactly; those of others by
    integrated gradients from inputs that are all 0. Where inputs are readings, so do the readings.
    Where they are a summary or a spectrum, a reading contributes by integrated gradients through
    these, from a recording that stands still to this one.

    Parameters
    ----------
    network : Network, with a preparation
    seen : Seen

    Returns
    -------
    Attribution; of a number, in the unit of the labels

    Examples
    --------
    >>> from tinyglass import read_recordings, train
    >>> from tinyglass.explain.prediction.readings import see
    >>> course = read_recordings()
    >>> network = train(course).network
    >>> found = attribute(network, see(course[0], network.preparation))
    >>> bool(abs(found.inputs.totals - found.outputs).max() < 1e-12)
    True
    """
    layers, sums = layers_of(network)
    exact = is_piecewise_linear(layers)
    baseline, words = baseline_of(seen)
    with np.errstate(all="ignore"):
        slopes = slopes_at(layers, seen.X)
        nothing, n_windows = np.zeros(seen.X.shape[1]), len(seen.X)
        if exact:
            means = slopes.slopes
            rest = slopes.constant.mean(axis=0)
        else:
            ones = np.ones(len(nothing), int)
            means = np.stack([mean_slopes(layers, Path(nothing, x, ones)) for x in seen.X])
            rest = feedforward(layers, nothing[None])[1][-1][0]
        inputs = Parts((means * seen.X[:, None]).mean(axis=0), rest)
        still = nothing
        if not seen.only_raw:
            still, powers = standing_still(seen, baseline), powers_of(seen.preparation)
            means = np.stack([mean_slopes(layers, Path(still, x, powers)) for x in seen.X])
            rest = feedforward(layers, still[None])[1][-1][0]
        by_reading = np.zeros((len(rest), *seen.shape))
        for window, start in enumerate(seen.starts):
            for c in range(seen.shape[1]):
                share = shares(seen, window, c, baseline)
                own = means[window][:, c :: seen.shape[1]] @ share
                by_reading[:, start : start + share.shape[1], c] += own / n_windows
    found = Attribution(
        slopes.outputs.mean(axis=0),
        sums,
        exact,
        inputs,
        Parts(by_reading, rest),
        baseline,
        words,
        exact and seen.only_raw,
        slopes,
        _difference(network, slopes.outputs, sums, seen.X),
    )
    return found if network.classes is not None else _in_unit_of_labels(network, found)


def _difference(network: Network, outputs: np.ndarray, sums: bool, X: np.ndarray) -> float:
    if sums:
        activation = network.layers[-1].activation
        outputs = np.array([arithmetic.activate(activation, list(row)) for row in outputs], np.float64)
    return float(np.abs(outputs - network.outputs(X)).max())


def _in_unit_of_labels(network: Network, found: Attribution) -> Attribution:
    assert network.preparation is not None
    scale, offset = network.preparation.answer_scale, network.preparation.answer_offset

    def of(parts: Parts) -> Parts:
        return Parts(parts.contributions * scale, parts.rest * scale + offset)

    return found._replace(
        outputs=found.outputs * scale + offset, inputs=of(found.inputs), readings=of(found.readings)
    )
