"""A step too large to be written out, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .explanation import Section, Table
from .lines import Lines, constants
from .notation import Notation
from .tracing import Symbol


def overview_sections(lines: Lines, names: Notation, titles: Sequence[str]) -> list[Section]:
    """Return a step by layer: the extremes of its numbers, and the weights that are moved most.

    Parameters
    ----------
    lines : Lines
    names : Notation
    titles : sequence of str, (n_batch,), what the examples are called, or empty
    """
    working, layers = lines.working, lines.step.layers
    forward, backward, update = [], [], []
    for l, layer in enumerate(layers):
        name = names.layer_names[l]
        n, n_inputs = lines.n_neurons(l), lines.n_inputs(l)
        sums, outputs, deltas = working.sums[l], working.outputs[l], working.deltas[l]
        forward.append(
            (name, n, n_inputs, layer.activation, sums.min(), sums.max(), outputs.min(), outputs.max())
        )
        g = working.gradients[l].weights
        j, i = np.unravel_index(np.abs(g).argmax(), np.shape(g))
        backward.append((name, abs(deltas).max(), names.weight(l, int(j), int(i)), g[j][i]))
        change: np.ndarray = np.asarray(working.layers[l].weights) - np.asarray(layer.weights)
        j, i = np.unravel_index(np.abs(change).argmax(), np.shape(change))
        update.append((name, names.weight(l, int(j), int(i)), layer.weights[j][i], change[j, i]))
    example = names.weight(0, 0, 0)
    hint = (
        "The step is too large to be written out whole. Everything that made one number is shown by "
        f"--neuron {names.neuron(0, 0)} or --weight {example}; --all writes everything out."
    )
    losses = [(titles[e] if titles else str(e + 1), working.losses[e]) for e in range(len(lines.step.X))]
    return [
        Section(
            "feedforward",
            "Feedforward, by layer",
            (
                hint,
                Table(
                    "Weighted sums and outputs over all neurons and examples of the batch",
                    (
                        "layer",
                        "neurons",
                        "inputs",
                        "activation",
                        "least sum",
                        "largest sum",
                        "least output",
                        "largest output",
                    ),
                    tuple(forward),
                ),
            ),
        ),
        Section(
            "error",
            "Loss, by example",
            (
                Table("Loss of each example", ("example", "loss"), tuple(losses)),
                f"Their mean{', with the penalty,' if lines.step.rule.l2 else ''} is the loss of the step.",
                Table("Loss of the step", ("", "value"), ((Symbol("mean_loss"), working.loss),)),
            ),
        ),
        Section(
            "backpropagation",
            "Backpropagation, by layer",
            (
                Table(
                    "Deltas and averaged gradients",
                    ("layer", "largest delta", "steepest weight", "its gradient"),
                    tuple(backward),
                ),
            ),
        ),
        Section(
            "update",
            "Update, by layer",
            (
                *constants(lines.step),
                Table(
                    "Where the update moves most",
                    ("layer", "weight", "before", "change"),
                    tuple(update),
                ),
            ),
        ),
    ]
