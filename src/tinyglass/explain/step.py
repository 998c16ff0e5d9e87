"""One step of a training, completely: feedforward, error and loss, backpropagation, gradients, update."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..preparation import Examples
from ..recordings import Recording
from ..runs import Run
from .explanation import Explanation, Section, Table
from .focus import Focus, find_focus
from .gradient_check import proof_section
from .lines import Lines
from .notation import PLAIN_STYLE, Style, make_notation
from .replay import (
    Agreement,
    Replayed,
    compare,
    exactly,
    find_place,
    replay_step,
    restore,
)
from .sections import step_sections
from .working import all_weights, work


def explain_step(
    run: Run,
    recordings: Sequence[Recording] | Examples | None = None,
    *,
    epoch: int = 1,
    step: int | None = None,
    example: int | None = None,
    neuron: str | None = None,
    weight: str | None = None,
    notation: str = "standard",
    style: Style = PLAIN_STYLE,
    exact: bool = False,
    check_gradients: bool = False,
    whole: bool = False,
) -> Explanation:
    """Return one step of a training, every number as a formula with its values.

    The run is replayed in the compiled core up to the step, and the step is run through
    `tinyglass.arithmetic`; how far the two differ stands at the end.

    Parameters
    ----------
    run : Run
    recordings : sequence of Recording, or Examples, optional
        What it was trained on, if the run comes from a file.
    epoch, step : int, from 1; `step` within the epoch
    example : int, optional, from 1
        Show this example only; without `step`, the step that it is in.
    neuron, weight : str, optional
        Show only what made this, such as ``hidden[3]`` or ``hidden[3,12]``.
    notation : "standard" or "course"
    style : Style, how numbers are written
    exact : bool; compute with fractions or decimals, so that 0.1225 is 0.1225
    check_gradients : bool; set finite differences beside the gradients
    whole : bool; write out every line of a large step too, not an overview by layer

    Returns
    -------
    Explanation

    Raises
    ------
    ArgumentError
        If the training never came there, or these are not its recordings.
    DisagreementError
        If core and definition differ by more than rounding explains.

    Examples
    --------
    >>> from tinyglass import Examples, Settings, train_examples
    >>> chapter = Settings(hidden=(), bias=False, optimizer="sgd", batch=1, epochs=1)
    >>> run = train_examples(Examples([[0.1, 0.8]], [[0.4]]), chapter)
    >>> explanation = explain_step(run)
    >>> [section.kind for section in explanation.sections][:3]
    ['place', 'feedforward', 'error']
    """
    focus = find_focus(run.network, neuron, weight)
    examples, validation = restore(run, recordings)
    place = find_place(run, examples, epoch, step, example)
    replayed = replay_step(run, examples, validation, place)
    working = work(replayed.step)
    agreement = compare(replayed, working, run.network)
    shown = replayed.step
    if exact:
        shown = exactly(shown)
        working = work(shown)
    names = make_notation(run.network.sizes, run.network.layer_names, notation)
    marks = tuple(None if len(place.examples) == 1 else int(number) + 1 for number in place.examples)
    lines = Lines(shown, working, marks, notation == "course")
    only = None if example is None else int(np.flatnonzero(place.examples == example - 1)[0])
    titles = [name_of(examples, number) for number in place.examples]
    sections = [
        _place_section(run, replayed),
        *step_sections(lines, names, focus, only, titles, whole),
        _agreement_section(agreement, replayed),
    ]
    proof: dict[str, Any] = {}
    if check_gradients:
        section, proof = proof_section(replayed.step, names, _places(lines, focus))
        sections.append(section)
    facts = {
        "epoch": place.epoch,
        "step": place.step,
        "update": place.updates + 1,
        "examples": [int(number) + 1 for number in place.examples],
        "sources": titles,
        "learning_rate": float(shown.rate),
        "precision": run.settings.precision,
        "exact": exact,
        "difference": agreement.largest,
        "difference_in": agreement.where,
        "bound": agreement.bound,
    } | ({"gradient_check": proof} if proof else {})
    title = f"Epoch {place.epoch}, step {place.step} of a training"
    return Explanation(title, tuple(sections), names, style, facts)


def _places(lines: Lines, focus: Focus | None) -> list[tuple[int, int, int]] | None:
    """Return the weights that are asked for, or None for those of the whole network."""
    if focus is None:
        return None
    return [
        place
        for place in all_weights(lines.step.layers)
        if place[:2] == (focus.layer, focus.neuron) and focus.input in (None, place[2])
    ]


def name_of(examples: Examples, place: int) -> str:
    """Return what example `place` (from 0) is called: its number, class and file."""
    parts = [f"example {place + 1}"]
    if examples.classes is not None:
        parts.append(examples.classes[int(examples.Y[place].argmax())])
    if examples.names:
        parts.append(re.sub(r"^.*[/\\]", "", examples.names[place]))
    return ", ".join(parts)


def _place_section(run: Run, replayed: Replayed) -> Section:
    place, settings, examples = replayed.place, run.settings, replayed.examples
    n = len(place.examples)
    named = [name_of(examples, e) for e in place.examples[:20]]
    network = "-".join(map(str, run.network.sizes))
    activations = ", ".join(
        f"{name} {layer.activation}"
        for name, layer in zip(run.network.layer_names, run.network.layers, strict=True)
    )
    rows = [
        ("network", f"{network} ({activations}), {'with' if settings.bias else 'without'} bias"),
        ("loss", settings.loss),
        ("optimiser", settings.optimizer),
        ("epoch", f"{place.epoch} of {settings.n_epochs}"),
        ("step", f"{place.step}, update {place.updates + 1} of the training"),
        ("learning rate", replayed.step.rate),
        ("batch", f"{n} example{'s' if n > 1 else ''}"),
        *((f"  {k}", name) for k, name in enumerate(named, 1)),
    ]
    if n > len(named):
        rows.append(("  …", f"and {n - len(named)} more"))
    meaning = [(f"input[{i}]", name) for i, name in enumerate(run.network.input_names[:40])]
    classes = [(f"output[{j}]", name) for j, name in enumerate(run.network.classes or ())]
    items: list[Any] = [Table("The step", ("", "value"), tuple(rows))]
    if meaning or classes:
        items.append(Table("What inputs and outputs mean", ("", "meaning"), (*meaning, *classes)))
    return Section("place", "Where we are", tuple(items))


def _agreement_section(agreement: Agreement, replayed: Replayed) -> Section:
    bound = f"at most {agreement.bound:g} is allowed"
    text = (
        f"The core and the definition differ by {agreement.largest:.2g} at most, in the {agreement.where}, "
        f"relative to the largest number of that layer ({bound})."
        if agreement.largest
        else f"The core and the definition agree to the bit, in outputs, gradients and new weights ({bound})."
    )
    if replayed.after is None:
        text += " The training diverged here: only what came before the update could be compared."
    return Section("agreement", "Core and definition", (text,))
