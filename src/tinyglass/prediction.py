"""What a network says about a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .errors import ArgumentError
from .network import Network
from .preparation import prepare_pieces
from .recordings import Recording

UNKNOWN = "unknown"


class Prediction(NamedTuple):
    """A network's answer for one recording.

    Attributes
    ----------
    label : str or float
        The class, or ``"unknown"``; for regression the number.
    best : str or None
        The class with the largest output, even where the label is *unknown*.
    probability : float or None
        Of the best class; None where the outputs are no probabilities (they are if they
        come from softmax).
    outputs : tuple of float, (n_outputs,)
    source : str, the recording's
    """

    label: str | float
    best: str | None
    probability: float | None
    outputs: tuple[float, ...]
    source: str


def predict(
    network: Network, recordings: Sequence[Recording], threshold: float | None = None
) -> list[Prediction]:
    """Return the network's answer for each recording.

    A class is *unknown* if the largest output is below the threshold, or is not the only
    largest one (as with an all-zero recording in a network without bias).

    Parameters
    ----------
    network : Network, with a preparation
    recordings : sequence of Recording
    threshold : float, optional; the network's own if left out

    Raises
    ------
    RecordingError
        If a recording has other channels or another length than the network takes.

    Examples
    --------
    >>> from tinyglass import predict, read_recordings, train
    >>> recordings = read_recordings()
    >>> predict(train(recordings).network, recordings[:1])[0].label
    'moving_away'
    """
    threshold = network.threshold if threshold is None else threshold
    recordings = as_rows(recordings, network)
    predictions = []
    for recording, outputs in zip(recordings, answers(network, recordings).tolist(), strict=True):
        if network.classes is None:
            predictions.append(Prediction(outputs[0], None, None, tuple(outputs), recording.source))
            continue
        largest = max(outputs)
        best = network.classes[outputs.index(largest)]
        sure = largest >= threshold and outputs.count(largest) == 1
        probability = largest if network.gives_probabilities else None
        predictions.append(
            Prediction(best if sure else UNKNOWN, best, probability, tuple(outputs), recording.source)
        )
    return predictions


def as_rows(recordings: Sequence[Recording], network: Network) -> list[Recording]:
    """Return the recordings, tables without labels taken apart where the network takes rows.

    Without a label column a table reads like one recording of many readings. To a network
    trained on the rows of a table, each of its rows is a recording.

    Examples
    --------
    >>> from tinyglass import Layer, Preparation
    >>> table = Recording([[1.0], [2.0]])
    >>> rows_of_one = Preparation(("x",), ("",), 1, False, (0.0,), (1.0,))
    >>> network = Network([Layer([[1.0]], None, "linear")], preparation=rows_of_one)
    >>> len(as_rows([table], network))
    2
    """
    p = network.preparation
    if p is None or p.any_length:
        return list(recordings)
    rows: list[Recording] = []
    for recording in recordings:
        n_readings, n_channels = recording.signal.shape
        one_step = p.n_steps == 1 and n_channels == len(p.channels)
        flat = p.n_steps > 1 and len(p.channels) == 1 and n_channels == p.n_inputs
        if n_readings > 1 and (one_step or flat):
            rows += [
                replace(recording, signal=row[None], times=None, source=f"{recording.source}, row {number}")
                for number, row in enumerate(recording.signal, 1)
            ]
        else:
            rows.append(recording)
    return rows


def answers(network: Network, recordings: Sequence[Recording]) -> np.ndarray:
    """Return the calibrated outputs for each recording; for regression, in the unit of the labels.

    Where recordings are taken window by window, the mean of a recording's windows.

    Returns
    -------
    array, (n_recordings, n_outputs)

    Raises
    ------
    ArgumentError
        If the network was trained on numbers, not on recordings.
    """
    preparation = network.preparation
    if preparation is None:
        raise ArgumentError(
            "The network was trained on numbers, not on recordings", "the network", "Use network.outputs(X)"
        )
    inputs, owner = prepare_pieces(recordings, preparation)
    outputs = network.outputs(inputs)
    if network.temperature != 1 and network.gives_probabilities:
        outputs = tempered(outputs.astype(np.float64), network.temperature).astype(outputs.dtype)
    if preparation.window and len(recordings):
        outputs = np.stack([outputs[owner == place].mean(axis=0) for place in range(len(recordings))])
    if network.classes is None:
        return outputs * preparation.answer_scale + preparation.answer_offset
    return outputs


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities of softmax, as if its sums had been divided by the temperature.

    Examples
    --------
    >>> tempered(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    if temperature == 1:
        return probabilities
    powers = np.maximum(probabilities, 1e-30) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)
