"""Recordings and settings become a run: what is open is chosen, examples are made, and trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .choice import choose, count_copies, is_open
from .fitting import Progress, Watch, train_examples, validation_split
from .inputs import name_inputs
from .many import train_many
from .network import Preparation
from .preparation import Examples, check_channels, find_classes, find_task, fit_preparation, prepare
from .recordings import Recording
from .runs import Run
from .settings import Settings, resolve
from .splits import find_groups
from .units import same_units

FEWEST_GROUPS = 5  # persons, devices or sessions, of which some can be kept aside


def train(
    recordings: Sequence[Recording],
    settings: Settings | None = None,
    watch: Watch | None = None,
    classes: Sequence[str] | None = None,
) -> Run:
    """Train a network on recordings.

    Parameters
    ----------
    recordings : sequence of Recording, labelled
    settings : Settings, optional
    watch : Watch, optional: progress, checkpoints, resuming
    classes : sequence of str, optional
        The classes, where these recordings do not show them all.

    Returns
    -------
    Run

    Raises
    ------
    RecordingError, ArgumentError
        If recordings or settings cannot be used.
    DivergenceError
        If training reached a state from which it cannot learn.

    Examples
    --------
    >>> from tinyglass import make_settings, read_recordings, train
    >>> run = train(read_recordings(), make_settings({}, preset="course"))
    >>> run.network.classes, run.epochs
    (('moving_away', 'moving_closer'), 100)
    """
    watch = watch or Watch()
    tell = watch.progress or (lambda progress: None)
    ready = get_ready(
        recordings,
        settings or Settings(),
        lambda share: tell(Progress(share, 1, np.nan, "choosing")),
        classes,
    )
    watch.about |= ready.about
    preparation = ready.preparation
    return train_examples(
        ready.examples,
        ready.settings,
        validation=ready.validation,
        watch=watch,
        preparation=preparation,
        input_names=name_inputs(
            preparation.inputs, preparation.channels, preparation.n_steps, preparation.rate_hz
        ),
    )


class Ready(NamedTuple):
    """What is left of recordings when there is nothing to do but to train.

    Attributes
    ----------
    examples, validation : Examples; None where nothing is kept aside
    settings : Settings, with every choice made
    preparation : Preparation, fitted on the examples
    about : dict, for the run: how the choice was made, which units were converted
    """

    examples: Examples
    validation: Examples | None
    settings: Settings
    preparation: Preparation
    about: dict[str, Any]


def get_ready(
    recordings: Sequence[Recording],
    settings: Settings,
    tell: Callable[[float], Any] = lambda share: None,
    classes: Sequence[str] | None = None,
) -> Ready:
    """Choose what is open, and make the examples.

    Parameters
    ----------
    recordings, settings, classes : see `train`
    tell : function of the share of choosing that is done; if it returns True, ``KeyboardInterrupt`` is raised

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> get_ready(read_recordings(), Settings()).settings.inputs
    ('raw',)
    """
    task = find_task(recordings, settings.task)
    if classes is None and task == "classification":
        classes = find_classes(recordings)
    settings = resolve(settings, task)
    recordings, converted = same_units(recordings)
    kept, aside = parted(recordings, settings)
    about: dict[str, Any] = {}
    if is_open(settings):
        wished = settings
        settings, choice = choose(kept, settings, classes, tell)
        about = {"wished": msgspec.to_builtins(wished), "choice": msgspec.to_builtins(choice)}
    if converted:
        about["converted"] = msgspec.to_builtins(converted)
    examples, validation, preparation = make_examples(kept, aside, settings, classes)
    return Ready(examples, validation, settings, preparation, about)


def train_ready(ready: Sequence[Ready], watch: Watch) -> list[Run]:
    """Train on everything that is ready, at once; see `train_many`."""
    runs = train_many(
        [r.examples for r in ready],
        [r.settings for r in ready],
        validation=[r.validation for r in ready],
        preparations=[r.preparation for r in ready],
        watch=watch,
    )
    return [replace(run, about=run.about | r.about) for run, r in zip(runs, ready, strict=True)]


def parted(recordings: Sequence[Recording], settings: Settings) -> tuple[list[Recording], list[Recording]]:
    """Return the recordings that train, and those kept aside to stop early by.

    Raises
    ------
    RecordingError, ArgumentError
        If their channels differ, or there are too few to keep any aside.
    """
    check_channels(recordings)
    labels = np.array([recording.label for recording in recordings])
    groups = find_groups(recordings)[1]
    if len(set(groups.tolist())) < FEWEST_GROUPS:
        groups = np.arange(len(recordings))
    kept, aside = validation_split(groups, labels, settings)
    return [recordings[i] for i in kept], [recordings[i] for i in aside]


def make_examples(
    kept: Sequence[Recording],
    aside: Sequence[Recording],
    settings: Settings,
    classes: Sequence[str] | None,
) -> tuple[Examples, Examples | None, Preparation]:
    """Return the examples of both parts, and the preparation that was fitted on the first.

    Parameters
    ----------
    kept, aside : sequences of Recording, from `parted`
    settings : Settings, with every choice made
    classes : sequence of str, or None for regression
    """
    copies = count_copies(kept, settings, settings.augment)
    preparation = fit_preparation(
        kept,
        scale=settings.scale,
        steps=settings.steps,
        inputs=settings.inputs,
        window=settings.window,
        hop=settings.hop,
        answers=settings.task == "regression",
    )
    examples = prepare(kept, preparation, classes, settings.augment, copies, settings.seed)
    return examples, prepare(aside, preparation, classes) if aside else None, preparation
