"""What a network has to beat: the most frequent answer, the nearest neighbour, a straight line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .network import Preparation
from .preparation import prepare_pieces
from .recordings import Recording

MOST_DISTANCES = 2**24  # at a time


def most_frequent(expected: np.ndarray, n_tested: int) -> np.ndarray:
    """Return the most frequent class of the training part, for each tested recording.

    Examples
    --------
    >>> most_frequent(np.array([0, 1, 1]), 2).tolist()
    [1, 1]
    """
    return np.full(n_tested, np.bincount(expected).argmax())


def nearest_neighbours(
    trained: Sequence[Recording], tested: Sequence[Recording], preparation: Preparation
) -> np.ndarray:
    """Return for each tested recording the place of the nearest one that was trained on.

    Near is a small Euclidean distance between the inputs of the network; of several windows, the
    recording that is nearest most often.

    Parameters
    ----------
    trained, tested : sequences of Recording
    preparation : Preparation, fitted on `trained`

    Returns
    -------
    int array, (n_tested,), of places in `trained`

    Examples
    --------
    >>> from tinyglass import fit_preparation, read_recordings
    >>> recordings = read_recordings()
    >>> nearest_neighbours(recordings, recordings[:2], fit_preparation(recordings)).tolist()
    [0, 1]
    """
    known, owner = prepare_pieces(trained, preparation)
    asked, whose = prepare_pieces(tested, preparation)
    squares = (known**2).sum(axis=1)
    nearest = np.empty(len(asked), dtype=int)
    step = max(1, MOST_DISTANCES // len(known))
    for start in range(0, len(asked), step):
        part = asked[start : start + step]
        nearest[start : start + step] = (squares - 2 * part @ known.T).argmin(axis=1)
    places = owner[nearest]
    return np.array([np.bincount(places[whose == place]).argmax() for place in range(len(tested))])


def fit_line(
    trained: Sequence[Recording],
    quantities: np.ndarray,
    tested: Sequence[Recording],
    preparation: Preparation,
) -> np.ndarray:
    """Return what a linear fit to the network's inputs predicts for each tested recording.

    The smallest of the coefficients that make the squared error least.

    Parameters
    ----------
    trained, tested : sequences of Recording
    quantities : array, (n_trained,), their labels
    preparation : Preparation, fitted on `trained`

    Returns
    -------
    float64 array, (n_tested,)

    Examples
    --------
    >>> from tinyglass import fit_preparation, Recording
    >>> line = [Recording([[float(x)]], label=str(2 * x)) for x in range(3)]
    >>> fit_line(line, np.array([0.0, 2.0, 4.0]), line, fit_preparation(line)).round(6).tolist()
    [0.0, 2.0, 4.0]
    """
    known, owner = prepare_pieces(trained, preparation)
    asked, whose = prepare_pieces(tested, preparation)
    with_one = np.column_stack([known, np.ones(len(known))])
    coefficients = np.linalg.lstsq(with_one, quantities[owner], rcond=None)[0]
    answers = np.column_stack([asked, np.ones(len(asked))]) @ coefficients
    return np.array([answers[whose == place].mean() for place in range(len(tested))])
