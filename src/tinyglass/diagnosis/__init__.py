"""What went wrong in a training, each finding with the numbers that prove it and a remedy.

Each check is a function of a `Case` that says what it looked at and what it found; a new one is
one function, its place in `CHECKS`, and its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..evaluation import Score
from ..preparation import Examples
from ..recordings import Recording
from ..runs import Run
from .case import Case, open_case
from .data import find_contradicted, find_imbalance, find_leakage
from .diagnosis import CONSEQUENCES, SEVERITIES, Diagnosis, Looked, Place
from .fit import find_cancelling, find_no_progress, find_overfitting
from .gradients import find_vanishing
from .neurons import find_neuron_faults
from .rates import find_rate_faults

__all__ = [
    "CHECKS",
    "CONSEQUENCES",
    "Case",
    "Diagnosis",
    "Looked",
    "Place",
    "diagnose",
    "examine",
    "open_case",
    "sorted_faults",
]

CHECKS: tuple[Callable[[Case], Looked], ...] = (
    find_rate_faults,
    find_neuron_faults,
    find_vanishing,
    find_no_progress,
    find_cancelling,
    find_overfitting,
    find_contradicted,
    find_leakage,
    find_imbalance,
)


def diagnose(
    run: Run,
    recordings: Sequence[Recording] | Examples | None = None,
    score: Score | None = None,
    tested: Sequence[Recording] | None = None,
) -> list[Diagnosis]:
    """Return what went wrong in a training, the worst first; each finding has its numbers and a remedy.

    Sought are: exploded weights, a learning rate too high or too low for the curvature, saturated, dead
    and identical neurons, vanishing gradients, no progress, errors that cancel in a signed sum,
    overfitting, examples that the rest contradicts, leakage between parts, and unequal classes.

    Parameters
    ----------
    run : Run, also that of a `DivergenceError`
    recordings : sequence of Recording, or Examples, optional
        What it was trained on, if the run comes from a file.
    score : Score, optional
        Of recordings that were left out, by which overfitting is seen without a validation part.
    tested : sequence of Recording, optional: a test part, into which the training part may have leaked

    Raises
    ------
    ArgumentError
        If they are not what the run was trained on, or are needed and not given.

    Examples
    --------
    >>> from tinyglass import Examples, Settings, train_examples
    >>> neuron = Settings(hidden=(), bias=False, optimizer="sgd", schedule="constant",
    ...     learning_rate=3.3, l2=0.0, epochs=50)
    >>> fault = diagnose(train_examples(Examples([[0.1, 0.8]], [[0.4]]), neuron))[0]
    >>> fault.kind, round(fault.evidence["largest_learning_rate"], 4)
    ('exploded_weights', 3.0769)
    """
    return sorted_faults(examine(open_case(run, recordings, score, tested)))


def examine(case: Case) -> list[Looked]:
    """Return what every check looked at, and what it found."""
    with np.errstate(all="ignore"):  # the weights of a training that exploded are of any size
        return [check(case) for check in CHECKS]


def sorted_faults(looked: Sequence[Looked]) -> list[Diagnosis]:
    """Return all findings, severe ones first."""
    found = [fault for each in looked for fault in each.found]
    return sorted(found, key=lambda fault: (SEVERITIES.index(fault.severity), fault.kind in CONSEQUENCES))
