"""The sections of a step: all of it, an overview by layer, or what made one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .explanation import Line, Section, Table
from .focus import Focus
from .lines import Lines, constants, given
from .notation import Notation
from .one_number import number_sections
from .overview import overview_sections
from .tracing import Symbol
from .working import all_weights, work

MOST_LINES = 600  # of a step that is written out whole; a larger one is an overview by layer


def step_sections(
    lines: Lines,
    names: Notation,
    focus: Focus | None = None,
    only: int | None = None,
    titles: Sequence[str] = (),
    whole: bool = False,
) -> list[Section]:
    """Return the sections of a step: all of it, an overview by layer, or what made one number.

    Parameters
    ----------
    lines : Lines
    names : Notation
    focus : Focus or None, the number that is asked for
    only : int or None, the one example of the batch (from 0) to be shown
    titles : sequence of str, (n_batch,), what the examples are called
    whole : bool; write everything out, however much it is
    """
    with np.errstate(all="ignore"):  # a step that diverges has numbers that no float can hold
        return _sections(lines, names, focus, only, titles, whole)


def _sections(
    lines: Lines, names: Notation, focus: Focus | None, only: int | None, titles: Sequence[str], whole: bool
) -> list[Section]:
    if focus is not None:
        return number_sections(lines, names, focus, only, titles)
    batch = range(len(lines.step.X)) if only is None else [only]
    if not whole and _count_lines(lines, len(batch)) > MOST_LINES:
        return [*overview_sections(lines, names, titles), afterwards(lines)]
    sections = [section for e in batch for section in _of_example(lines, e, titles)]
    if len(lines.step.X) > 1:
        averages = [lines.average(l, j, i) for l, j, i in all_weights(lines.step.layers)]
        sections.append(
            Section(
                "average",
                "Gradients, averaged over the batch",
                ("(δ₁ + δ₂ + … + δₙ) / n", *averages, *lines.mean_loss()),
            )
        )
    elif lines.step.rule.l2:
        sections.append(Section("average", "Loss with its penalty", tuple(lines.mean_loss())))
    updates = [line for l, j, i in all_weights(lines.step.layers) for line in lines.update(l, j, i)]
    return [*sections, Section("update", "Update", (*constants(lines.step), *updates)), afterwards(lines)]


def _count_lines(lines: Lines, n_examples: int) -> int:
    n_weights = len(lines.step.layers) and sum(
        np.size(layer.weights) + lines.n_neurons(l) for l, layer in enumerate(lines.step.layers)
    )
    n_neurons = sum(lines.n_neurons(l) for l in range(len(lines.step.layers)))
    return n_examples * (n_weights + 5 * n_neurons) + 3 * n_weights


def feedforward_section(lines: Lines, e: int, titles: Sequence[str] = ()) -> Section:
    """Return the inputs, sums and outputs of one example."""
    of = f": {titles[e]}" if titles else ""
    forward: list[Any] = [given(lines.signal(e, -1, i)) for i in range(lines.n_inputs(0))]
    for l in range(len(lines.step.layers)):
        forward += [lines.sum(e, l, j) for j in range(lines.n_neurons(l))]
        forward += lines.outputs(e, l)
    return Section("feedforward", f"Feedforward{of}", tuple(forward), lines.marks[e])


def _of_example(lines: Lines, e: int, titles: Sequence[str]) -> list[Section]:
    layers = range(len(lines.step.layers))
    of = f": {titles[e]}" if titles else ""
    number = lines.marks[e]
    last = layers[-1]
    expected = [given(wish) for wish in lines.layer("expected", e, last)]
    back: list[Line] = []
    for l in reversed(layers):
        for j in range(lines.n_neurons(l)):
            if l != last:
                back.append(lines.hidden_error(e, l, j))
            found = lines.delta(e, l, j)
            back += found[:-1] if lines.expands else found
    gradients = [line for l in layers for j in range(lines.n_neurons(l)) for line in lines.gradients(e, l, j)]
    sections = [
        feedforward_section(lines, e, titles),
        Section("error", f"Error and loss{of}", (*expected, *lines.output_errors(e), lines.loss(e)), number),
    ]
    if back:
        sections.append(Section("backpropagation", f"Backpropagation{of}", tuple(back), number))
    return [*sections, Section("gradients", f"Gradients{of}", tuple(gradients), number)]


def afterwards(lines: Lines) -> Section:
    """Return what the batch gives with the new weights."""
    after = work(lines.step._replace(layers=tuple(lines.working.layers)))
    rows = []
    for e in range(len(lines.step.X)):
        before, now = lines.working.losses[e], after.losses[e]
        for j in range(lines.n_neurons(-1)):
            output = Symbol("output", len(lines.step.layers) - 1, j, None, lines.marks[e])
            rows.append(
                (output, lines.working.outputs[-1][e, j], after.outputs[-1][e, j], lines.step.Y[e, j])
            )
        rows.append((Symbol("loss", None, None, None, lines.marks[e]), before, now, None))
    table = Table("With the new weights", ("", "before", "after", "expected"), tuple(rows))
    return Section("afterwards", "Afterwards", (table,))
