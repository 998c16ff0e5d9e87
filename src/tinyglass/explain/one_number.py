"""Everything that made one weight, or one neuron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .explanation import Line, Section, Table
from .focus import Focus
from .lines import Lines, constants, given
from .notation import BIAS, Notation
from .tracing import Symbol
from .working import entry, inputs_of

MOST_WEIGHTS = 50  # of a neuron, that have a line each
LONG_SUM = 12  # terms that a line shows; the others stand in a table


def number_sections(
    lines: Lines, names: Notation, focus: Focus, only: int | None, titles: Sequence[str]
) -> list[Section]:
    """Return everything that made one weight's gradient and update, or one neuron's numbers."""
    l, j, i = focus
    n = len(lines.step.X)
    inputs = inputs_of(lines.step.layers[l]) if i is None else [i]
    e = only if only is not None else int(np.abs(_sizes(lines, l, j, i)).argmax())
    written = inputs if len(inputs) <= MOST_WEIGHTS else []
    sections = _chain(lines, e, l, j, written, f": {titles[e]}" if titles else "")
    if n > 1:
        sections.append(_of_all_examples(lines, names, focus, written, titles))
    updates: list[Any] = [line for each in written for line in lines.update(l, j, each)]
    if not written:
        updates.append(_weights_of(lines, names, l, j, inputs))
    return [*sections, Section("update", "Update", (*constants(lines.step), *updates))]


def _weights_of(lines: Lines, names: Notation, l: int, j: int, inputs: Sequence[int]) -> Table:
    """Return all weights of a neuron, where they are too many for a line each."""
    before, after = lines.step.layers[l], lines.working.layers[l]
    gradient = lines.working.gradients[l]
    rows = []
    for i in inputs:
        w, g, new = (entry(part, j, i) for part in (before, gradient, after))
        rows.append((Symbol("weight", l, j, i), w, g, new))
    hint = f"; one of them in full with --weight {names.weight(l, j, 0)}"
    return Table(f"Every weight of the neuron{hint}", ("weight", "before", "gradient", "after"), tuple(rows))


def _sizes(lines: Lines, l: int, j: int, i: int | None) -> np.ndarray:
    """Return how large each example's gradient is, by which the example to be shown is chosen."""
    if i is None:
        return np.array([abs(float(d)) for d in lines.working.deltas[l][:, j]])
    return np.array([float(lines.gradient(e, l, j, i).value) for e in range(len(lines.step.X))])


def _chain(lines: Lines, e: int, l: int, j: int, inputs: Sequence[int], of: str) -> list[Section]:
    """Return how one example made the gradients of a neuron: forward, loss, back."""
    last, number = len(lines.step.layers) - 1, lines.marks[e]
    forward: list[Any] = [lines.sum(e, l, j)]
    n_terms = lines.n_inputs(l)
    if n_terms > LONG_SUM:
        forward.append(_terms(lines, e, l, j))
    forward += lines.outputs(e, l, [j])
    for k in range(l + 1, last + 1):
        forward += [lines.sum(e, k, m) for m in range(lines.n_neurons(k))] + lines.outputs(e, k)
    expected = [given(wish) for wish in lines.layer("expected", e, last)]
    only = [j] if l == last and lines.step.layers[l].activation != "softmax" else None
    back: list[Line] = []
    for k in range(last, l, -1):
        for m in range(lines.n_neurons(k)):
            if k != last:
                back.append(lines.hidden_error(e, k, m))
            back += lines.delta(e, k, m)
    if l != last:
        back.append(lines.hidden_error(e, l, j))
    back += lines.delta(e, l, j)
    return [
        Section("feedforward", f"Feedforward{of}", tuple(forward), number),
        Section(
            "error", f"Error and loss{of}", (*expected, *lines.output_errors(e, only), lines.loss(e)), number
        ),
        Section("backpropagation", f"Backpropagation{of}", tuple(back), number),
        *(
            [Section("gradients", f"Gradients{of}", tuple(lines.gradients(e, l, j, inputs)), number)]
            if inputs
            else []
        ),
    ]


def _terms(lines: Lines, e: int, l: int, j: int) -> Table:
    rows, running = [], None
    for i in range(lines.n_inputs(l)):
        x, w = lines.signal(e, l - 1, i), lines.weight(l, j, i)
        product = x.value * w.value
        running = product if running is None else running + product
        rows.append((w.symbol, x.value, w.value, product, running))
    return Table(
        "Every term of the sum", ("weight", "input", "weight's value", "product", "sum so far"), tuple(rows)
    )


def _of_all_examples(
    lines: Lines, names: Notation, focus: Focus, inputs: Sequence[int], titles: Sequence[str]
) -> Section:
    l, j, i = focus
    delta = Symbol("delta", l, j)
    if i is None:
        head: tuple[str, ...] = ("example", names.text(delta))
        rows: list[tuple[Any, ...]] = [
            (titles[e] if titles else str(e + 1), lines.working.deltas[l][e, j])
            for e in range(len(lines.step.X))
        ]
    else:
        head = ("example", names.text(delta), "input", names.text(Symbol("gradient", l, j, i)))
        rows = [
            (
                titles[e] if titles else str(e + 1),
                lines.working.deltas[l][e, j],
                1 if i == BIAS else lines.signal(e, l - 1, i).value,
                lines.gradient(e, l, j, i).value,
            )
            for e in range(len(lines.step.X))
        ]
    averages = [lines.average(l, j, each) for each in inputs]
    return Section(
        "average",
        "Averaged over the batch",
        (Table("Every example of the batch", head, tuple(rows)), *averages),
    )
