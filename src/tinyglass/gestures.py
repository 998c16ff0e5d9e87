"""The whole way from recordings to a network, as a scikit-learn estimator.

scikit-learn takes seconds to import, so nothing else imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from .errors import ArgumentError
from .fitting import Progress, Watch
from .prediction import UNKNOWN, answers
from .recordings import Recording
from .settings import make_settings
from .training import train


# A dataclass writes the __init__ that scikit-learn asks for: it keeps its arguments and does no more.
@dataclass(eq=False, repr=False)
class GestureClassifier(ClassifierMixin, BaseEstimator):
    """Learn gestures from lists of recordings, with everything that ``tinyglass train`` does.

    Inputs, augmentation, calibration and the threshold of *unknown* are chosen by validation
    inside what `fit` is given, leaving persons, devices or sessions out where the recordings name them.

    Parameters
    ----------
    inputs : "auto", or some of "raw", "summary", "spectrum"
    augment : "auto", or some of "shift", "stretch", "scale", "noise", "rotate"; () for none
    copies : int, altered copies of each recording, at most
    window, hop : int, readings; 0: recordings are taken whole, or half a window
    steps : int, raw readings that a recording is resampled to; 0: see `tinyglass.Settings`
    scale : {"standard", "none"} or float
    hidden_layer_sizes : tuple of int
    activation : str
    learning_rate_init : float
    batch_size : int
    max_iter : int or "auto", passes over all examples
    l2 : float
    class_weight : "none", "balanced" or dict
    threshold : "auto" or float, below which a prediction is *unknown*
    temperature : "auto" or float, by which probabilities are calibrated
    unknown : bool, whether `predict` answers ``"unknown"`` where it is not sure
    callbacks : functions of `tinyglass.Progress`; training ends if one returns True (while inputs are still
        being chosen, with ``KeyboardInterrupt``)
    random_state : int

    Attributes
    ----------
    classes_ : array, (n_classes,), of the labels as they were given
    network_ : Network, with its preparation
    run_ : Run, with the `Choice` that was made

    Examples
    --------
    >>> from tinyglass import GestureClassifier, read_recordings
    >>> course = read_recordings()
    >>> model = GestureClassifier().fit(course)
    >>> model.score(course), model.predict(course[:1]).tolist(), model.run_.settings.inputs
    (1.0, ['moving_away'], ('raw',))

    Signals without a name for everything are arrays, (n_readings, n_channels), with labels:

    >>> model = GestureClassifier(max_iter=50).fit([[[0.0], [9.0]], [[9.0], [0.0]]] * 3, ["up", "down"] * 3)
    >>> model.predict([[[1.0], [8.0]]]).tolist()
    ['up']
    """

    _: KW_ONLY
    inputs: str | Sequence[str] = "auto"
    augment: str | Sequence[str] = "auto"
    copies: int = 4
    window: int = 0
    hop: int = 0
    steps: int = 0
    scale: str | float = "standard"
    hidden_layer_sizes: Sequence[int] = (32,)
    activation: str = "relu"
    learning_rate_init: float = 0.003
    batch_size: int = 16
    max_iter: int | str = "auto"
    l2: float = 0.003
    class_weight: str | dict[str, float] = "none"
    threshold: float | str = "auto"
    temperature: float | str = "auto"
    unknown: bool = False
    callbacks: Sequence[Callable[[Progress], Any]] | None = None
    random_state: int = 0

    def fit(
        self, X: Sequence[Any], y: Sequence[Any] | None = None, groups: Sequence[Any] | None = None
    ) -> Self:
        """Learn the labels of recordings.

        Parameters
        ----------
        X : sequence of Recording, or of arrays (n_readings, n_channels)
        y : sequence of labels, optional where the recordings have them
        groups : sequence, optional: who made each recording, where the recordings do not say

        Raises
        ------
        RecordingError, ArgumentError
            If recordings or parameters cannot be used.
        DivergenceError
            If training reached a state from which it cannot learn.
        """
        recordings = _as_recordings(X, y, groups)
        values = {name: getattr(self, name) for name in _SAME} | {
            "task": "classification",
            "hidden": np.atleast_1d(self.hidden_layer_sizes).tolist(),
            "learning_rate": self.learning_rate_init,
            "batch": self.batch_size,
            "epochs": self.max_iter,
            "seed": self.random_state,
        }
        settings = make_settings(values)
        self.run_ = train(recordings, settings, Watch(self._tell))
        self.network_ = self.run_.network
        names = {str(label): label for label in y} if y is not None else {}
        self.classes_ = np.array([names.get(name, name) for name in self.network_.classes or ()])
        return self

    def _tell(self, progress: Progress) -> bool:
        answers = [listener(progress) for listener in self.callbacks or ()]
        return any(answers)

    def predict_proba(self, X: Sequence[Any]) -> np.ndarray:
        """Return the calibrated probability of each class, (n_recordings, n_classes)."""
        check_is_fitted(self)
        return answers(self.network_, _as_recordings(X))

    def predict(self, X: Sequence[Any]) -> np.ndarray:
        """Return the class of each recording; with ``unknown=True``, "unknown" where it is not sure."""
        probabilities = self.predict_proba(X)
        best = self.classes_[probabilities.argmax(axis=1)]
        if not self.unknown:
            return best
        largest = probabilities.max(axis=1)
        sure = (largest >= self.network_.threshold) & ((probabilities == largest[:, None]).sum(axis=1) == 1)
        return np.where(sure, best.astype(object), UNKNOWN)

    def score(self, X: Sequence[Any], y: Sequence[Any] | None = None, sample_weight: Any = None) -> float:
        """Return the share of recordings that are recognised; `sample_weight` says how much each counts."""
        expected = [recording.label for recording in _as_recordings(X, y)]
        predicted = [str(label) for label in self.predict(X)]
        return float(np.average(np.array(predicted) == np.array(expected), weights=sample_weight))


_SAME = (
    "inputs",
    "augment",
    "copies",
    "window",
    "hop",
    "steps",
    "scale",
    "activation",
    "l2",
    "class_weight",
    "threshold",
    "temperature",
)


def _as_recordings(
    X: Sequence[Any], y: Sequence[Any] | None = None, groups: Sequence[Any] | None = None
) -> list[Recording]:
    """Return recordings, with these labels and persons where they are given."""
    recordings = [
        item if isinstance(item, Recording) else Recording(item, source=f"recording {number}")
        for number, item in enumerate(X)
    ]
    for name, values in (("labels", y), ("groups", groups)):
        if values is not None and len(values) != len(recordings):
            raise ArgumentError(
                f"{len(recordings)} recordings and {len(values)} {name}",
                "fit",
                "Give one of each to a recording",
            )
    if y is not None:
        recordings = [replace(r, label=str(label)) for r, label in zip(recordings, y, strict=True)]
    if groups is not None:
        recordings = [replace(r, person=str(group)) for r, group in zip(recordings, groups, strict=True)]
    return recordings
