"""What becomes of a gesture that the network was never shown: is it rejected as *unknown*?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .choice import ACCEPTED, thinned
from .fitting import whole_or_not_at_all
from .prediction import answers
from .recordings import Recording
from .settings import Settings
from .splits import inner_folds
from .training import get_ready, train_ready

PARTS = 3  # of the known recordings, left out in turn
FEWEST_CLASSES = 3  # one is left out, and two are to be told apart


class Rejection(NamedTuple):
    """How well one class is rejected by networks that were trained without it.

    Attributes
    ----------
    label : str, the class that was left out
    rejected : float, share of its recordings whose largest probability is below the threshold
    accepted : float, share of the other classes' recordings, left out in turn, that reach it
    threshold : float, such that `accepted` is at least 0.95

    Examples
    --------
    >>> Rejection("wave", rejected=0.8, accepted=0.95, threshold=0.6).label
    'wave'
    """

    label: str
    rejected: float
    accepted: float
    threshold: float


def reject_left_out(
    recordings: Sequence[Recording],
    settings: Settings,
    classes: Sequence[str],
    tell: Callable[[float], Any] = lambda share: None,
) -> list[Rejection]:
    """Leave each class out in turn, and return what share of it is rejected at 95 % of the known accepted.

    The known classes are parted in three, grouped as the score is; what is left out of them sets
    the threshold. Inputs and augmentation are those of the settings.

    Parameters
    ----------
    recordings : sequence of Recording, labelled
    settings : Settings, decided
    classes : sequence of str
    tell : function of the share that is done; if it returns True, ``KeyboardInterrupt`` is raised

    Returns
    -------
    list of Rejection, one a class; empty where there are fewer than three classes

    Examples
    --------
    >>> from tinyglass import read_recordings, train
    >>> course = read_recordings()
    >>> run = train(course)
    >>> reject_left_out(course, run.settings, run.network.classes)
    []
    """
    if len(classes) < FEWEST_CLASSES:
        return []
    decided = msgspec.structs.replace(settings, threshold=0.0, validation=0.0, patience=0)
    judged = thinned(recordings, settings)
    jobs, ready, places = [], [], []
    for label in classes:
        known = [recording for recording in judged if recording.label != label]
        left_out = [recording for recording in judged if recording.label == label]
        if not left_out:
            continue
        for train_part, test_part in _parts(known, settings.seed):
            jobs.append((test_part, left_out))
            ready.append(get_ready(train_part, _without(decided, label)))
            places.append(label)
    with whole_or_not_at_all(tell) as watch:
        runs = train_ready(ready, watch)
    found = [
        tuple(answers(run.network, part).max(axis=1) for part in parts)
        for run, parts in zip(runs, jobs, strict=True)
    ]
    rejections = []
    for label in dict.fromkeys(places):
        own = [pair for pair, place in zip(found, places, strict=True) if place == label]
        known_sure = np.concatenate([known for known, _ in own])
        unknown_sure = np.concatenate([unknown for _, unknown in own])
        threshold = float(np.quantile(known_sure, 1 - ACCEPTED, method="lower"))
        rejections.append(
            Rejection(
                label,
                float((unknown_sure < threshold).mean()),
                float((known_sure >= threshold).mean()),
                threshold,
            )
        )
    return rejections


def _without(settings: Settings, label: str) -> Settings:
    """Return the settings with no weight for a class that is not there."""
    if not isinstance(settings.class_weight, dict):
        return settings
    others = {name: weight for name, weight in settings.class_weight.items() if name != label}
    return msgspec.structs.replace(settings, class_weight=others or "none")


def _parts(known: list[Recording], seed: int) -> list[tuple[list[Recording], list[Recording]]]:
    """Return parts that train and are tested; every known class is trained on."""
    folds = inner_folds(known, True, seed, PARTS)[0]
    return [([known[i] for i in fold.train], [known[i] for i in fold.test]) for fold in folds]
