"""One prediction that is explained, with everything that is known of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...network import Network
from ...prediction import Prediction
from ..notation import Style
from .contributions import Attribution, Parts
from .readings import Seen
from .smallest_change import Change

MOST_CLASSES = 4  # columns of a table


class Case(NamedTuple):
    """Everything that is known of one prediction.

    Attributes
    ----------
    network : Network
    seen : Seen
    prediction : Prediction
    found : Attribution
    names : tuple of str, (n_outputs,): the classes
    best, second : int, places of outputs; `second` is `best` where there is only one, or a number is predicted
    number : int or None, of the recording among several, from 1
    changes, to_label, exact : from `smallest_changes`
    style : Style
    """

    network: Network
    seen: Seen
    prediction: Prediction
    found: Attribution
    names: tuple[str, ...]
    best: int
    second: int
    number: int | None
    changes: list[Change]
    to_label: Change | None
    exact: bool
    style: Style

    @property
    def compares(self) -> bool:
        """Whether there is a second class to compare the best one with."""
        return self.second != self.best

    @property
    def quantity(self) -> str:
        """What contributions add up to, in words."""
        if self.network.classes is None and not self.found.sums:
            return "answer"
        return "weighted sum" if self.found.sums or self._adds_up else "output"

    @property
    def _adds_up(self) -> bool:
        return self.network.layers[-1].activation == "linear"

    def towards(self, parts: Parts) -> np.ndarray:
        """Return the contributions to the best class, against the second."""
        own = parts.contributions[self.best]
        return own - parts.contributions[self.second] if self.compares else own

    @property
    def towards_words(self) -> str:
        """What a contribution above 0 does."""
        if not self.compares:
            return f"for {self.names[self.best]}" if self.network.classes else "larger answer"
        return f"for {self.names[self.best]}"

    @property
    def away_words(self) -> str:
        """What a contribution below 0 does."""
        if not self.compares:
            return f"against {self.names[self.best]}" if self.network.classes else "smaller answer"
        return f"for {self.names[self.second]}"

    def text(self, value: float) -> str:
        """Return a number as the style writes it."""
        return self.style.number(float(value))

    @property
    def shown(self) -> list[int]:
        """The outputs that tables show: the best class first."""
        if self.network.classes is None:
            return list(range(min(self.network.n_outputs, MOST_CLASSES)))
        order = np.argsort(-np.array(self.prediction.outputs), kind="stable").tolist()
        return order[:MOST_CLASSES]

    def name(self, reading: int, channel: int) -> str:
        """Return what a reading is called, counted from 1."""
        name = self.seen.preparation.channels[channel]
        return name if self.seen.shape[0] == 1 else f"{name}, reading {reading + 1}"
