"""How often int8 chooses the class that float32 chooses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinyglass import Recording, Settings, TinyglassError, make_board_model, train
from tinyglass.export.board_model import board_answers
from tinyglass.export.verifying import examples_of, foretell

from .. import sets
from .networks import Subject


class Agreement(NamedTuple):
    """How int8 and float32 compare on some examples.

    Attributes
    ----------
    name : str
    n, equal : int, examples, and how many of them have the same class
    fault : str, why there is no int8, or ""
    """

    name: str
    n: int
    equal: int
    fault: str = ""


def agreement_on_held_out(subject: Subject) -> Agreement:
    """Compare on the gestures that a network was not trained on."""
    readings = subject.held_out[:, None]
    one, other = (
        board_answers(subject.board_model(precision), readings).sums.argmax(axis=1)
        for precision in ("float32", "int8")
    )
    return Agreement(subject.name, len(readings), int((one == other).sum()))


def agreements_on_sets() -> Iterator[Agreement]:
    """Train on two thirds of each public set with the default settings, and compare on all recordings of it."""
    for name in sets.SETS:
        recordings = sets.recordings_of(name)
        part = two_thirds(recordings)
        network = train(part, Settings(), classes=sets.find_classes(recordings)).network
        try:
            model = make_board_model(network, "int8", part)
        except TinyglassError as error:
            yield Agreement(name, len(recordings), 0, str(error))
            continue
        examples = examples_of(model, recordings)
        sums = foretell(model, examples).sums
        assert sums is not None
        same = sums.argmax(axis=1) == np.asarray(examples.outputs).argmax(axis=1)
        yield Agreement(name, len(same), int(same.sum()))


def two_thirds(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings without every third of a class."""
    seen: Counter[str | None] = Counter()
    chosen = []
    for recording in recordings:
        seen[recording.label] += 1
        if seen[recording.label] % 3:
            chosen.append(recording)
    return chosen
