"""One step of a training, completely: feedforward, error and loss, backpropagation, gradients, update."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, nearest
from ..network import Network
from ..preparation import Examples
from ..recordings import Recording
from ..runs import Run
from .explanation import Explanation, Line, Section, Table
from .gradient_check import proof_section
from .lines import Lines, given
from .notation import BIAS, PLAIN_STYLE, Notation, Style, make_notation
from .replay import (
    Agreement,
    Replayed,
    compare,
    exactly,
    find_place,
    replay_step,
    restore,
)
from .tracing import Symbol, Traced
from .working import Step, work

MOST_LINES = 600  # of a step that is written out whole; a larger one is an overview by layer
MOST_WEIGHTS = 50  # of a neuron, that have a line each
LONG_SUM = 12  # terms that a line shows; the others stand in a table


class Focus(NamedTuple):
    """The number that is asked for: a neuron, or one of its weights.

    Attributes
    ----------
    layer, neuron : int, from 0
    input : int or None, from 0; −1 is the bias; None: the whole neuron
    """

    layer: int
    neuron: int
    input: int | None = None


def find_focus(network: Network, neuron: str | None = None, weight: str | None = None) -> Focus | None:
    """Return what ``hidden[3]`` or ``hidden[3,12]`` or ``hidden[3,bias]`` means in a network.

    Raises
    ------
    ArgumentError
        If there is no such neuron or weight.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> find_focus(Network([Layer([[0.3, 0.9]], None, "linear")]), weight="output[0,1]")
    Focus(layer=0, neuron=0, input=1)
    """
    if neuron is None and weight is None:
        return None
    if neuron is not None and weight is not None:
        raise ArgumentError("A neuron and a weight are given", "--neuron, --weight", "Give one of them")
    option, text = ("--neuron", neuron or "") if weight is None else ("--weight", weight)
    form = r"(\w+)\[(\d+)\]" if weight is None else r"(\w+)\[(\d+), *(\d+|bias)\]"
    found = re.fullmatch(form, text.strip())
    shape = "hidden[3]" if weight is None else "hidden[3,12] or hidden[3,bias]"
    if found is None:
        raise ArgumentError(f"Expected a name such as {shape}, found {text!r}", option, "Give such a name")
    names = network.layer_names
    if found[1] not in names:
        raise ArgumentError(f"There is no layer {found[1]!r}", option, nearest(found[1], names))
    number, j = names.index(found[1]), int(found[2])
    layer = network.layers[number]
    if j >= layer.n_outputs:
        raise ArgumentError(
            f"Layer {found[1]!r} has {layer.n_outputs} neurons, and no neuron {j}",
            option,
            f"Give one from {found[1]}[0] to {found[1]}[{layer.n_outputs - 1}]",
        )
    if weight is None:
        return Focus(number, j)
    if found[3] == "bias":
        if layer.bias is None:
            raise ArgumentError(f"Layer {found[1]!r} has no bias", option, "Give a weight of an input")
        return Focus(number, j, BIAS)
    i = int(found[3])
    if i >= layer.n_inputs:
        raise ArgumentError(
            f"Neuron {found[1]}[{j}] has {layer.n_inputs} inputs, and no input {i}",
            option,
            f"Give an input from 0 to {layer.n_inputs - 1}",
        )
    return Focus(number, j, i)


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
        for place in all_weights(lines)
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
        return _of_one(lines, names, focus, only, titles)
    batch = range(len(lines.step.X)) if only is None else [only]
    if not whole and _count_lines(lines, len(batch)) > MOST_LINES:
        return _overview(lines, names, titles)
    sections = [section for e in batch for section in _of_example(lines, e, titles)]
    if len(lines.step.X) > 1:
        averages = [lines.average(l, j, i) for l, j, i in all_weights(lines)]
        sections.append(
            Section(
                "average",
                "Gradients, averaged over the batch",
                ("(δ₁ + δ₂ + … + δₙ) / n", *averages, *lines.mean_loss()),
            )
        )
    elif lines.step.rule.l2:
        sections.append(Section("average", "Loss with its penalty", tuple(lines.mean_loss())))
    updates = [line for l, j, i in all_weights(lines) for line in lines.update(l, j, i)]
    return [*sections, Section("update", "Update", (*_constants(lines.step), *updates)), _afterwards(lines)]


def all_weights(lines: Lines) -> list[tuple[int, int, int]]:
    """Return (layer, neuron, input) of every weight, and −1 for every bias."""
    return [
        (l, j, i)
        for l, layer in enumerate(lines.step.layers)
        for j in range(lines.n_neurons(l))
        for i in [*range(lines.n_inputs(l)), *([] if layer.bias is None else [BIAS])]
    ]


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


def _constants(step: Step) -> list[Line]:
    """Return the settings that the update uses."""
    rule = step.rule
    used = [("rate", step.rate)]
    if rule.optimizer in ("momentum", "nesterov"):
        used.append(("momentum", rule.momentum))
    if rule.optimizer == "adam":
        used += [(name, getattr(rule, name)) for name in ("beta1", "beta2", "epsilon")]
        used.append(("updates", step.updates))
    if rule.l2:
        used.append(("l2", rule.l2))
    if rule.weight_limit is not None:
        used.append(("limit", rule.weight_limit))
    return [Line(Symbol(what), Traced(value)) for what, value in used]


def _afterwards(lines: Lines) -> Section:
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


# ---------------------------------------------------------------- one number


def _of_one(
    lines: Lines, names: Notation, focus: Focus, only: int | None, titles: Sequence[str]
) -> list[Section]:
    """Return everything that made one weight's gradient and update, or one neuron's numbers."""
    l, j, i = focus
    n = len(lines.step.X)
    wanted = range(lines.n_inputs(l)) if i is None else [i]
    inputs = [*wanted, *([BIAS] if i is None and lines.step.layers[l].bias is not None else [])]
    e = only if only is not None else int(np.abs(_sizes(lines, l, j, i)).argmax())
    written = inputs if len(inputs) <= MOST_WEIGHTS else []
    sections = _chain(lines, e, l, j, written, f": {titles[e]}" if titles else "")
    if n > 1:
        sections.append(_of_all_examples(lines, names, focus, written, titles))
    updates: list[Any] = [line for each in written for line in lines.update(l, j, each)]
    if not written:
        updates.append(_weights_of(lines, names, l, j, inputs))
    return [*sections, Section("update", "Update", (*_constants(lines.step), *updates))]


def _weights_of(lines: Lines, names: Notation, l: int, j: int, inputs: Sequence[int]) -> Table:
    """Return all weights of a neuron, where they are too many for a line each."""
    before, after = lines.step.layers[l], lines.working.layers[l]
    gradient = lines.working.gradients[l]
    rows = []
    for i in inputs:
        w, g, new = (part.bias[j] if i == BIAS else part.weights[j][i] for part in (before, gradient, after))
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


# ---------------------------------------------------------------- an overview


def _overview(lines: Lines, names: Notation, titles: Sequence[str]) -> list[Section]:
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
                *_constants(lines.step),
                Table(
                    "Where the update moves most",
                    ("layer", "weight", "before", "change"),
                    tuple(update),
                ),
            ),
        ),
        _afterwards(lines),
    ]


# ---------------------------------------------------------------- where, and how sure


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
        else f"The core and the definition agree to the bit ({bound})."
    )
    if replayed.after is None:
        text += " The training diverged here: only what came before the update could be compared."
    return Section("agreement", "Core and definition", (text,))
