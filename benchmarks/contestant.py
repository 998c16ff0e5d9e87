"""What a contestant is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .cells import Cell, Parameters


class Trainer(NamedTuple):
    """A training that is ready to go.

    Attributes
    ----------
    train : function of a number of epochs
    parameters : function that returns the weights and biases as they are now, or None if they cannot be had
    """

    train: Callable[[int], object]
    parameters: Callable[[], Parameters] | None


class ManyTrainer(NamedTuple):
    """A training of many cells side by side.

    Attributes
    ----------
    train : function of a number of epochs
    parameters : function that returns the weights and biases of each cell's network as they are now
    """

    train: Callable[[int], object]
    parameters: Callable[[], list[Parameters]]


class Contestant(NamedTuple):
    """One way to train a cell.

    Attributes
    ----------
    name : str
    start : function that returns a `Trainer` of a cell, at its starting weights
    package : str, the distribution whose version is told, or "" where there is none
    maths : what it computes: "same" as everyone, "squared" (sigmoid outputs, half squared error) or "other"
    whole : bool, whether it is always given all examples: where a new number of them means compiling anew,
        or a call costs something that many epochs make small
    remark : str, how it is used
    """

    name: str
    start: Callable[[Cell], Trainer]
    package: str = ""
    maths: str = "same"
    whole: bool = False
    remark: str = ""
