"""What a worksheet starts from: a step of a run, an example of the course, or a sheet's own file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, nearest
from ..explain.focus import Focus, find_focus
from ..explain.learner.written import parse
from ..explain.replay import exactly, find_place, replay_step, restore
from ..explain.step import name_of
from ..explain.working import Step, map_arrays
from ..recordings import Recording
from ..runs import Run

DIGITS = 6  # significant, of the numbers that a sheet gives


class Problem(NamedTuple):
    """A step to be worked by hand.

    Attributes
    ----------
    title : str
    step : Step, in exact numbers: `Fraction`, or `Decimal` where a function has no exact value
    layer_names : tuple of str
    marks : tuple of int or None, (n_batch,), the number of each example in names
    titles : tuple of str, (n_batch,), what the examples are called; may be empty
    only : int or None, the one example of the batch (from 0) that is shown
    focus : Focus or None, the one neuron or weight that is shown
    updates : bool, whether there is a learning rate, so that weights change
    """

    title: str
    step: Step
    layer_names: tuple[str, ...]
    marks: tuple[int | None, ...] = (None,)
    titles: tuple[str, ...] = ()
    only: int | None = None
    focus: Focus | None = None
    updates: bool = True


COURSE = {
    "neuron": "The neuron of the chapter “Training networks”",
    "gesture": "The gesture network of the course",
}
"""The examples of the course that are a step of training."""


def course_problem(name: str, where: str = "the name of the sheet") -> Problem:
    """Return a step of the course, digit for digit: ``neuron`` or ``gesture``.

    Parameters
    ----------
    name : str
    where : str, where the name stands, for error messages

    Raises
    ------
    ArgumentError
        If there is no such example.

    Examples
    --------
    >>> course_problem("neuron").step.layers[0].weights.tolist()
    [[Fraction(3, 10), Fraction(9, 10)]]
    """
    from ..explain.course import gesture, neuron

    if name not in COURSE:
        raise ArgumentError(f"There is no step course:{name}", where, nearest(name, list(COURSE)))
    reading = ", ".join(str(Decimal(text) / 100) for text in gesture.READING.split(", "))
    texts = {
        "neuron": neuron.CHAPTER,
        "gesture": gesture.NETWORK.format(f"[{reading}]", "[1, 0]", gesture.HIDDEN, gesture.OUTPUT),
    }
    written = parse(texts[name], f"course:{name}")
    return Problem(COURSE[name], exactly(written.step), tuple(written.network.layer_names))


# ---------------------------------------------------------------- a run


def run_problem(
    run: Run,
    recordings: Sequence[Recording] | Any = None,
    *,
    epoch: int = 1,
    step: int | None = None,
    example: int | None = None,
    neuron: str | None = None,
    weight: str | None = None,
    digits: int = DIGITS,
) -> Problem:
    """Return a step of a run, in numbers as a sheet prints them: rounded to `digits`.

    Parameters
    ----------
    run : Run
    recordings : sequence of Recording, or Examples, optional
        What it was trained on, if the run comes from a file.
    epoch, step, example : int, from 1
    neuron, weight : str, optional, such as ``hidden[3]`` or ``hidden[3,12]``
    digits : int, significant

    Raises
    ------
    ArgumentError
        If the training never came there, or these are not its recordings.

    Examples
    --------
    >>> from tinyglass import Examples, Settings, train_examples
    >>> chapter = Settings(hidden=(), bias=False, optimizer="sgd", batch=1, epochs=1)
    >>> run_problem(train_examples(Examples([[0.1, 0.8]], [[0.4]]), chapter)).title
    'Epoch 1, step 1 of a training'
    """
    focus = find_focus(run.network, neuron, weight)
    examples, validation = restore(run, recordings)
    place = find_place(run, examples, epoch, step, example)
    replayed = replay_step(run, examples, validation, place)
    members = [int(member) for member in place.examples]
    return Problem(
        f"Epoch {place.epoch}, step {place.step} of a training",
        exactly(_rounded(replayed.step, digits)),
        tuple(run.network.layer_names),
        tuple(None if len(members) == 1 else member + 1 for member in members),
        tuple(name_of(examples, member) for member in members),
        None if example is None else members.index(example - 1),
        focus,
    )


def _rounded(step: Step, digits: int) -> Step:
    """Return the step that starts from its numbers as they are printed."""

    def array(values: Any) -> Any:
        flat = [Decimal(f"{float(value):.{digits}g}") for value in np.asarray(values).ravel()]
        return np.array(flat, dtype=object).reshape(np.shape(values))

    return map_arrays(step, array)._replace(rate=float(f"{float(step.rate):.{digits}g}"))


def number_kind(step: Step) -> type:
    """Return `Fraction` or `Decimal`: what the numbers of an exact step are.

    Examples
    --------
    >>> number_kind(course_problem("neuron").step)
    <class 'fractions.Fraction'>
    """
    return Fraction if isinstance(step.X.flat[0], Fraction) else Decimal
