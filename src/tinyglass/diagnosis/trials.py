"""Train again with a remedy: how a finding is proved, and what it is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ..engine import loss_and_gradient
from ..errors import ArgumentError, DivergenceError, TinyglassError
from ..fitting import Progress, Watch, train_examples
from ..network import Network
from ..preparation import Examples
from ..recordings import Recording
from ..runs import Run
from ..settings import Settings, make_settings
from ..training import make_examples, parted
from .case import Case, thinned
from .diagnosis import CONSEQUENCES, SEVERITIES, Diagnosis

SHAPE = {"hidden", "activation", "output", "bias", "start", "start_range", "seed", "precision"}
"""Settings that make another network to start from."""
MOST_MEASURED = 20_000  # examples
RATE = {"optimizer", "learning_rate", "schedule"}
"""Settings that mean something only together."""
TRIAL_SECONDS = 2.0
"""A trial inside a check takes no longer: what it reached until then is judged."""


class Outcome(NamedTuple):
    """How a training ended, measured on what it was trained on.

    Attributes
    ----------
    loss : float, mean of all examples, without penalty; infinite where it diverged
    accuracy : float or None, share of right answers; None for quantities
    recall : float or None, the least share of right answers among the classes
    validation_loss : float or None, the last
    largest_error : float, the largest |output − expected|
    ended : str, as `Run.outcome`
    epochs : int
    """

    loss: float
    accuracy: float | None
    recall: float | None
    validation_loss: float | None
    largest_error: float
    ended: str
    epochs: int


class Trial(NamedTuple):
    """A training that was made again with remedies.

    Attributes
    ----------
    remedies : tuple of Diagnosis, that were applied
    changes : dict, setting to value
    case : Case, of the new training
    before, after : Outcome, both measured on the examples that the new training kept
    """

    remedies: tuple[Diagnosis, ...]
    changes: dict[str, Any]
    case: Case
    before: Outcome
    after: Outcome


def changed(settings: Settings, values: dict[str, Any]) -> Settings:
    """Return the settings with other values, checked."""
    return make_settings(msgspec.to_builtins(settings) | msgspec.to_builtins(values))


def retrain(
    case: Case,
    values: dict[str, Any] | None = None,
    leave_out: Sequence[int] = (),
    redraw: bool = False,
    seconds: float = math.inf,
) -> Case:
    """Return the case of the same training with other settings, or without some examples.

    It has the same seed, the same recordings, and the same start unless the network changes or
    `redraw` asks for another. A training that diverges has a case, too.

    Parameters
    ----------
    case : Case
    values : dict, setting to value
    leave_out : sequence of int, examples from 1, with all of their recordings
    redraw : bool, whether to draw the starting weights from the seed
    seconds : float, after which what was reached is enough
    """
    values = values or {}
    settings = changed(case.settings, values)
    material = _with_recordings if case.has_recordings else _of_table
    examples, validation, settings, meaning, parts = material(case, settings, values, leave_out)
    began = time.perf_counter()

    def enough(_: Progress) -> bool:
        return time.perf_counter() - began > seconds

    start = None
    if not (redraw or SHAPE & set(values)) and case.run.initial.n_inputs == examples.n_inputs:
        start = replace(case.run.initial, **meaning)
    about = {name: value for name, value in case.run.about.items() if name not in ("wished", "choice")}
    watch = Watch(progress=enough, advise=False, about=about)
    try:
        run = train_examples(examples, settings, validation=validation, start=start, watch=watch, **meaning)
    except DivergenceError as error:
        run = error.run
    return Case(run, run.examples or examples, run.validation, tested=case.tested, parts=parts)


Material = tuple[
    Examples, Examples | None, Settings, dict[str, Any], tuple[list[Recording], list[Recording]] | None
]
"""Examples, those kept aside, settings, what inputs mean, and the recordings of both."""


def _with_recordings(
    case: Case, settings: Settings, values: dict[str, Any], leave_out: Sequence[int]
) -> Material:
    """Prepare the recordings anew."""
    kept, aside = case.sources
    kept = [recording for place, recording in enumerate(kept) if place not in _groups(case, leave_out)]
    if "validation" in values:
        kept, aside = parted([*kept, *aside], settings)
    examples, validation, preparation = make_examples(kept, aside, settings, case.run.network.classes)
    same_inputs = preparation.n_inputs == case.run.network.n_inputs
    names = case.run.network.input_names if same_inputs else ()
    meaning = {"preparation": preparation, "input_names": names}
    return examples, validation, settings, meaning, (kept, aside)


def _of_table(case: Case, settings: Settings, values: dict[str, Any], leave_out: Sequence[int]) -> Material:
    examples = case.examples
    keep = ~np.isin(examples.groups, list(_groups(case, leave_out)))
    if not keep.all():
        examples = examples.take(np.flatnonzero(keep))
    if "class_weight" not in values:
        settings = msgspec.structs.replace(settings, class_weight="none")  # it is in the examples already
    meaning = {"input_names": case.run.network.input_names, "preparation": case.run.network.preparation}
    return examples, case.validation, settings, meaning, None


def _groups(case: Case, leave_out: Sequence[int]) -> set[int]:
    """Return the groups of some examples, which count from 1."""
    return set(case.examples.groups[np.array(leave_out, int) - 1].tolist()) if leave_out else set()


def outcome_of(run: Run, examples: Examples, network: Network | None = None) -> Outcome:
    """Return how a training ended, measured on these examples."""
    network = network or run.network
    plain = msgspec.structs.replace(run.settings, l2=0.0)
    loss = loss_and_gradient(network, thinned(examples, MOST_MEASURED), plain)[0]
    outputs = network.outputs(examples.X).astype(np.float64)
    accuracy = recall = None
    if examples.classes is not None:
        expected = examples.Y.argmax(axis=1)
        right = outputs.argmax(axis=1) == expected
        accuracy = float(right.mean())
        recall = min(float(right[expected == k].mean()) for k in np.unique(expected))
    validated = run.validation_losses
    return Outcome(
        loss if run.outcome != "diverged" else np.inf,
        accuracy,
        recall,
        float(validated[-1]) if len(validated) else None,
        float(np.abs(outputs - examples.Y).max()),
        run.outcome,
        run.epochs,
    )


def try_remedies(case: Case, remedies: Iterable[Diagnosis]) -> Trial:
    """Return the training made again with as many of these remedies as go together.

    They are taken whole, those of severe findings first; one that shares a setting with a remedy
    taken before, or changes the learning rate or optimizer as that one does, is left out. What
    mends a cause mends what follows from it, and a consequence that stands first has no severe
    cause: its remedy is applied alone.

    Raises
    ------
    ArgumentError
        If none of them can be applied by a program.
    """
    chosen = _together([remedy for remedy in remedies if remedy.can_be_tried])
    if not chosen:
        raise ArgumentError(
            "None of these findings has a remedy that a program can apply",
            "--try",
            "Do what the remedy says, and train again",
        )
    values: dict[str, Any] = {}
    for remedy in chosen:
        values |= remedy.settings
    leave_out = sorted({example for remedy in chosen for example in remedy.leave_out})
    again = retrain(case, values, leave_out, any(remedy.redraw for remedy in chosen))
    return Trial(chosen, values, again, _before(case, leave_out), outcome_of(again.run, again.examples))


def _together(remedies: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Return the remedies that go together."""
    ordered = sorted(remedies, key=lambda r: (SEVERITIES.index(r.severity), r.kind in CONSEQUENCES))
    if ordered and ordered[0].kind in CONSEQUENCES:
        return (ordered[0],)
    taken: list[Diagnosis] = []
    named: set[str] = set()
    for remedy in ordered:
        names = set(remedy.settings) | (RATE if RATE & set(remedy.settings) else set())
        if remedy.kind not in CONSEQUENCES and not names & named:
            taken.append(remedy)
            named |= names
    return tuple(taken)


def worse(trial: Trial) -> str | None:
    """Say that a training came out worse than before, or return None.

    By the loss where it is the same loss of the same weights, else by the accuracy; a remedy of
    overfitting gives up some of both.
    """
    if all(remedy.kind == "overfitting" for remedy in trial.remedies):
        return None
    before, after = trial.before, trial.after
    if {"loss", "class_weight", "output"} & set(trial.changes):
        before_is, after_is, name = before.accuracy, after.accuracy, "accuracy"
        is_worse = before_is is not None and after_is is not None and after_is < before_is
    else:
        before_is, after_is, name = before.loss, after.loss, "loss of all examples"
        is_worse = not after.loss <= before.loss
    if not is_worse:
        return None
    assert before_is is not None
    assert after_is is not None
    result = f"is {after_is:.4g}" if math.isfinite(after_is) else "is not finite any more"
    return f"This is worse than before: the {name} was {before_is:.4g} and {result}. Do not keep it."


def _before(case: Case, leave_out: Sequence[int]) -> Outcome:
    """Return the outcome of the run itself, on the examples that are kept."""
    kept = np.flatnonzero(~np.isin(case.examples.groups, list(_groups(case, leave_out))))
    return outcome_of(case.run, case.examples.take(kept))


# ---------------------------------------------------------------- inside a check


def loss_with(case: Case, values: dict[str, Any], redraw: bool = False) -> float:
    """Return the loss that the same training reaches with other settings, or in as far as time is left.

    Infinite where it diverges or the settings do not go together.
    """
    try:
        again = retrain(case, values, redraw=redraw, seconds=TRIAL_SECONDS)
    except TinyglassError:
        return np.inf
    return outcome_of(again.run, thinned(again.examples, MOST_MEASURED)).loss


def rounded_down(rate: float) -> float:
    """Return the rate with one significant digit, not above it.

    Examples
    --------
    >>> rounded_down(1.538), rounded_down(0.0299)
    (1.0, 0.02)
    """
    power = 10.0 ** math.floor(math.log10(rate))
    return float(f"{math.floor(rate / power * (1 + 1e-12)) * power:.0e}")
