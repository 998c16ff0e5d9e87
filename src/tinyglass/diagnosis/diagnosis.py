"""One thing that went wrong in a training, with the numbers that prove it and a remedy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

Severity = Literal["severe", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")

CONSEQUENCES = {"learning_rate_too_low", "no_progress"}
"""Kinds that often have one of the others for a cause, and stand behind it."""


class Place(NamedTuple):
    """Where in a training something is to be seen; epochs, steps and examples count from 1.

    Attributes
    ----------
    epoch, step, example : int or None
    neuron, weight : str or None, such as ``hidden[3]`` and ``hidden[3,12]``
    """

    epoch: int | None = None
    step: int | None = None
    example: int | None = None
    neuron: str | None = None
    weight: str | None = None

    def options(self) -> list[str]:
        """Return the options with which ``tinyglass explain`` shows it.

        Examples
        --------
        >>> Place(epoch=2, weight="hidden[3,12]").options()
        ['--epoch', '2', '--weight', 'hidden[3,12]']
        """
        return [
            word
            for name, value in self._asdict().items()
            if value is not None
            for word in (f"--{name}", str(value))
        ]


NOWHERE = Place()


@dataclass(frozen=True)
class Diagnosis:
    """Something that went wrong in a training, or that one should know of it.

    Attributes
    ----------
    kind : str, the same for the same kind of fault: ``"exploded_weights"``
    severity : "severe" if the network is spoilt, "warning" if it or its score suffers, "note" if it is good to know
    what : str, one sentence without its full stop
    evidence : dict, name to number, text or list of them: plain JSON
    proof : tuple of str, sentences that say what the numbers mean
    remedy : str, one sentence without its full stop
    where : Place
    settings : dict, setting to value: the remedy, as `tinyglass.settings.make_settings` takes it
    leave_out : tuple of int, the examples, from 1, that the remedy leaves out
    redraw : bool, whether the remedy draws the starting weights from the seed

    Examples
    --------
    >>> fault = Diagnosis("learning_rate_too_high", "severe", "The loss rose", settings={"learning_rate": 0.1})
    >>> fault.can_be_tried
    True
    """

    kind: str
    severity: Severity
    what: str
    evidence: dict[str, Any] = field(default_factory=dict)
    proof: tuple[str, ...] = ()
    remedy: str = ""
    where: Place = NOWHERE
    settings: dict[str, Any] = field(default_factory=dict)
    leave_out: tuple[int, ...] = ()
    redraw: bool = False

    def __post_init__(self) -> None:
        for name in ("evidence", "settings"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    @property
    def can_be_tried(self) -> bool:
        """Whether the remedy is one that a program can apply."""
        return bool(self.settings or self.leave_out or self.redraw)


def plain(value: Any) -> Any:
    """Return the value as plain JSON: no tuples, no numpy, and None for what is not finite.

    Examples
    --------
    >>> plain({"losses": (1.0, float("inf"))})
    {'losses': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Looked(NamedTuple):
    """What one check looked at, and what it found.

    Attributes
    ----------
    subject : str
    measured : str, in words and numbers, whether or not anything is wrong
    found : tuple of Diagnosis
    """

    subject: str
    measured: str
    found: tuple[Diagnosis, ...] = ()
