"""What an executor is given and gives back: readings, a network's answers, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..board_model import BoardModel


@dataclass(frozen=True)
class Cost:
    """What a network costs on a board, besides what a program without it costs.

    Attributes
    ----------
    flash, ram : int, bytes of code and constants, and of variables that are always there
    stack : int, bytes at most during a prediction
    count : int, of a prediction
    unit : "instructions" or "cycles", what is counted
    """

    flash: int
    ram: int
    stack: int
    count: int
    unit: str


@dataclass(frozen=True, eq=False)
class Executed:
    """What an executor answered.

    Attributes
    ----------
    sums : array, (n_examples, n_outputs), of the last layer, or None where it does not show them
    outputs : float array, (n_examples, n_outputs)
    places : int array, (n_examples,), −1 for *unknown*
    cost : Cost or None
    """

    sums: np.ndarray | None
    outputs: np.ndarray
    places: np.ndarray
    cost: Cost | None = None


def fed_bytes(examples: Sequence[np.ndarray]) -> list[bytes]:
    """Return each example as the programs read it: how many readings, and these, followed by zeros.

    Parameters
    ----------
    examples : arrays, (n_readings, n_channels), in the units of the recordings
    """
    longest = max(example.size for example in examples)
    given = []
    for example in examples:
        values = np.zeros(longest, "<f4")
        values[: example.size] = example.ravel()
        given.append(np.int32(len(example)).astype("<i4").tobytes() + values.tobytes())
    return given


def answered_type(model: BoardModel) -> np.dtype:
    """Return how the programs lay out an answer."""
    n = model.network.n_outputs
    whole = "<i4" if model.quantized is not None else "<f4"
    return np.dtype([("outputs", "<f4", n), ("sums", whole, n), ("place", "<i4")])


def executed(model: BoardModel, content: bytes, cost: Cost | None = None) -> Executed:
    """Return the answers that were laid out as `answered_type` says."""
    answers = np.frombuffer(content, answered_type(model))
    return Executed(answers["sums"], answers["outputs"], answers["place"].astype(int), cost)
