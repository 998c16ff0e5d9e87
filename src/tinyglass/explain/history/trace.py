"""How a number moved over a whole training, and which examples moved it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...engine import batches_of
from ...errors import ArgumentError, nearest
from ...figures import check_picture, write_picture
from ...network import Network
from ...preparation import Examples
from ...recordings import Recording
from ...runs import Run
from ..explanation import Explanation, Figure, Section, Table
from ..focus import find_focus
from ..notation import PLAIN_STYLE, Notation, Style, make_notation
from ..replay import restore
from ..tracing import Symbol
from ..working import inputs_of
from .drawing import Panel, draw_history, is_early, plot_text, svg_of_history
from .losses import loss_sections
from .moments import Track, best_epoch_of, epoch_number, make_track, milestones, thinned, when
from .movers import mover_sections

POINTS = 400  # of a plot
MOST_NAMED = 12  # weights that a plot and a table name
MOST_THIN = 300  # weights that are drawn as lines; of more, percentiles are
MOST_COLUMNS = 8  # weights that stand side by side in a table
MOST_ROWS = 20


def trace_history(
    run: Run,
    recordings: Sequence[Recording] | Examples | None = None,
    *,
    weight: str | None = None,
    neuron: str | None = None,
    layer: str | None = None,
    loss: bool = False,
    points: int = POINTS,
    plot: str | Path | None = None,
    command: Sequence[str] = ("tinyglass", "explain", "RUN"),
    notation: str = "standard",
    style: Style = PLAIN_STYLE,
) -> Explanation:
    """Return how a weight, a neuron, a layer or the loss moved over a training, and what moved it.

    Of a weight, every movement is split into the shares of the examples, of L2 and of the weight
    limit; they add up to the movement. See `tinyglass.engine.Movements`.

    Parameters
    ----------
    run : Run
    recordings : sequence of Recording, or Examples, optional
        What it was trained on, if the run comes from a file.
    weight, neuron, layer : str, optional
        Which one, such as ``hidden[0,2]``, ``hidden[0]``, ``hidden``; at most one of them.
    loss : bool; the loss, which is also shown if nothing is asked for
    points : int, of the plot, 2 or more
    plot : path, optional; write the picture there too: ``.svg``, ``.png`` or ``.pdf``
    command : sequence of str, that explains a step of this run
    notation : "standard" or "course"
    style : Style, how numbers are written

    Returns
    -------
    Explanation

    Raises
    ------
    ArgumentError
        If there is no such number, or these are not the recordings of the run.

    Examples
    --------
    >>> from tinyglass import Examples, Settings, train_examples
    >>> chapter = Settings(hidden=(), bias=False, optimizer="sgd", batch=1, epochs=3)
    >>> run = train_examples(Examples([[0.1, 0.8]], [[0.4]]), chapter)
    >>> history = trace_history(run, weight="output[0,1]")
    >>> [section.kind for section in history.sections]
    ['values', 'movers', 'steps']
    """
    symbols = check_wish(run.network, weight, neuron, layer, loss)
    if points < 2:
        raise ArgumentError(f"Expected 2 points or more, found {points}", "--points", "Give a larger number")
    names = make_notation(run.network.sizes, run.network.layer_names, notation)
    plot = None if plot is None else check_picture(plot)
    examples, validation = restore(run, recordings)
    steps = batches_of(run.settings, examples.n_examples)[1]
    facts: dict[str, Any] = {"of": weight or neuron or layer or "loss"}
    facts |= {"updates": run.updates, "epochs": run.epochs, "best_epoch": best_epoch_of(run)}
    if not symbols:
        sections = loss_sections(run, examples, validation, steps, points, command, plot, facts)
    else:
        tracked = make_track(run, examples, validation, symbols, steps)
        sections = [_values_section(run, tracked, points, names, plot, facts)]
        if run.updates:
            sections += mover_sections(run, examples, validation, tracked, names, style, command, facts)
    ending = _ending(run)
    if ending:
        sections[0] = sections[0]._replace(items=(ending, *sections[0].items))
    title = (
        f"How {_title_of(symbols, names, facts['of'])} moved over a training of {_count(run.epochs, 'epoch')}"
    )
    return Explanation(title, tuple(sections), names, style, facts)


def _ending(run: Run) -> str:
    last = f"after {_count(run.updates, 'update')}"
    return {
        "stopped_early": f"Training stopped early, {last}: the network keeps what it had after epoch "
        f"{run.best_epoch}.",
        "interrupted": f"Training was interrupted {last}: this is its history so far.",
        "diverged": f"Training diverged {last}: this is its history up to there.",
        "finished": ""
        if best_epoch_of(run) in (None, run.epochs)
        else f"The network keeps what it had after epoch {run.best_epoch}, where validation was best.",
    }[run.outcome]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _title_of(symbols: Sequence[Symbol], names: Notation, asked: str) -> str:
    if len(symbols) == 1:
        return names.text(symbols[0])
    return f"the {len(symbols)} weights of {asked}" if symbols else "the loss"


# ---------------------------------------------------------------- what is looked at, and when


def check_wish(
    network: Network,
    weight: str | None = None,
    neuron: str | None = None,
    layer: str | None = None,
    loss: bool = False,
) -> tuple[Symbol, ...]:
    """Return the names of the weights that are asked for; none for the loss.

    Raises
    ------
    ArgumentError
        If there are no such weights, or several things are asked for.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> check_wish(Network([Layer([[0.3, 0.9]], None, "linear")]), weight="output[0,1]")
    (Symbol(what='weight', layer=0, neuron=0, input=1, example=None),)
    """
    asked = [name for name in (weight, neuron, layer, loss or None) if name is not None]
    if len(asked) > 1:
        raise ArgumentError(
            f"{len(asked)} things are asked for", "--weight, --neuron, --layer, --loss", "Ask for one of them"
        )
    if not asked or loss:
        return ()
    if layer is not None:
        if layer not in network.layer_names:
            raise ArgumentError(
                f"There is no layer {layer!r}", "--layer", nearest(layer, network.layer_names)
            )
        number = network.layer_names.index(layer)
        neurons = range(network.layers[number].n_outputs)
    else:
        focus = find_focus(network, neuron, weight)
        assert focus is not None
        number, neurons = focus.layer, range(focus.neuron, focus.neuron + 1)
        if focus.input is not None:
            return (Symbol("weight", number, focus.neuron, focus.input),)
    own = network.layers[number]
    return tuple(Symbol("weight", number, j, i) for j in neurons for i in inputs_of(own))


# ---------------------------------------------------------------- what it was


def _values_section(
    run: Run, tracked: Track, points: int, names: Notation, plot: Path | None, facts: dict[str, Any]
) -> Section:
    items: list[Any] = []
    if len(tracked.updates) <= run.updates:
        items.append(
            f"Looked at {len(tracked.updates):,} times in {run.updates:,} updates; "
            "lowest and highest are among these."
        )
    furthest = np.argsort(-np.abs(tracked.moved), kind="stable")[:MOST_NAMED]
    items.append(_extremes(tracked, furthest))
    shown = tracked.at(thinned(tracked.updates, points, milestones(run, tracked.steps)))
    labelled = [(names.text(shown.symbols[k]), shown.values[:, k]) for k in furthest]
    facts["moments"] = shown.epochs.tolist()
    facts["values"] = {name: values.tolist() for name, values in labelled}
    items.append(_figure(run, shown, labelled, plot, facts["of"]))
    items.append(_values_table(run, shown, names))
    return Section("values", "What it was", tuple(items))


def _extremes(tracked: Track, furthest: np.ndarray) -> Table:
    rows = []
    for k in furthest:
        value = tracked.values[:, k]
        low, high = int(value.argmin()), int(value.argmax())
        at = [epoch_number(tracked.updates[moment], tracked.steps) for moment in (low, high)]
        rows.append(
            (
                tracked.symbols[k],
                *map(float, (value[0], value[-1], tracked.moved[k], value[low])),
                at[0],
                float(value[high]),
                at[1],
            )
        )
    head = ("", "at the start", "at the end", "moved by", "lowest", "in epoch", "highest", "in epoch")
    more = len(tracked.symbols) - len(rows)
    caption = "From start to end" + (
        f": the {len(rows)} that moved furthest; {more:,} more not shown" if more else ""
    )
    return Table(caption, head, tuple(rows))


def _figure(
    run: Run,
    tracked: Track,
    labelled: Sequence[tuple[str, np.ndarray]],
    plot: Path | None,
    of: str,
) -> Figure:
    n, early = len(tracked.symbols), is_early(tracked.epochs, tracked.values)
    if n <= MOST_NAMED:
        panels = [Panel(of if n == 1 else f"weights of {of}", labelled)]
    else:
        others = np.delete(
            tracked.values, np.argsort(-np.abs(tracked.moved), kind="stable")[:MOST_NAMED], axis=1
        )
        title = f"{n:,} weights of {of}, named those that moved furthest"
        if n <= MOST_THIN:
            panels = [Panel(title, labelled, thin=others)]
        else:
            panels = [Panel(f"{n:,} weights of {of}", (), spread=tracked.values)]
    far = ("distance from the start", tracked.distance)
    if n > 1:
        panels.append(Panel("distance from the start: √Σ(w − w at the start)²", [far]))
    drawing = (tracked.epochs, panels, best_epoch_of(run), early)
    if plot is not None:
        write_picture(plot, draw_history, *drawing)
    shown = [far] if n > MOST_NAMED else list(labelled)
    words = f"{of if n <= MOST_NAMED else 'distance from the start'} over the epochs"
    text = plot_text(tracked.epochs, shown, early)
    return Figure(svg_of_history(*drawing), words, "", text)


def _values_table(run: Run, tracked: Track, names: Notation) -> Table:
    wanted = milestones(run, tracked.steps)
    if not np.isin(wanted, tracked.updates).all():  # few moments, of a large network
        wanted = thinned(tracked.updates, MOST_ROWS, wanted)
    few = tracked.at(wanted)
    if len(few.symbols) <= MOST_COLUMNS:
        head = ["epoch", *map(names.text, few.symbols)]
        columns = list(few.values.T)
    else:
        head = ["epoch", "smallest", "25 %", "median", "75 %", "largest"]
        columns = list(np.percentile(few.values, (0, 25, 50, 75, 100), axis=1))
    if len(few.symbols) > 1:
        head.append("distance from the start")
        columns.append(few.distance)
    rows = [
        (when(run, update, few.steps), *map(float, row))
        for update, *row in zip(few.updates, *columns, strict=True)
    ]
    return Table("At some moments", tuple(head), tuple(rows))
