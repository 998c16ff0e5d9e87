"""How the loss of a training fell, and of which examples it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...engine import losses_of, track
from ...figures import LARGEST_DRAWN, write_picture
from ...network import Network, with_parameters
from ...preparation import Examples
from ...runs import Run
from ..explanation import Figure, Section, Table
from ..step import name_of
from .drawing import Panel, draw_history, is_early, plot_text, svg_of_history
from .moments import LARGEST_TRACK, best_epoch_of, milestones, spread, step_command, when

MOST_EPOCHS = 8  # in which the loss moved most
MOST_SHOWN = 10  # examples
MOST_LOSSES = 100_000  # one example at one moment: about two seconds


def weighted_losses(network: Network, examples: Examples, loss: str) -> np.ndarray:
    """Return the loss of each example, times its weight: float64, (n_examples,)."""
    losses = losses_of(network, examples, loss)
    return losses if examples.weight is None else losses * examples.weight


def loss_sections(
    run: Run,
    examples: Examples,
    validation: Examples | None,
    steps: int,
    points: int,
    command: Sequence[str],
    plot: Path | None,
    facts: dict[str, Any],
) -> list[Section]:
    """Return how the loss moved, of which examples it was made, and in which epochs it moved most.

    Parameters
    ----------
    run, examples, validation : the training
    steps : int, updates of an epoch
    points : int, at how many moments examples are looked at, if there is time
    command : sequence of str, that explains a step
    plot : Path or None, where the picture is written too
    facts : dict, to which what a program wants to know is added
    """
    size = run.network.n_weights * run.network.dtype.itemsize
    most = max(2, min(points, MOST_LOSSES // examples.n_examples, LARGEST_TRACK // size))
    looked = spread(run.updates, most, np.array([0, run.updates]))
    epochs = _liveliest(run.losses)
    ends = np.array([[epoch - 1, epoch] for epoch in epochs], np.int64).reshape(-1, 2) * steps
    updates = np.unique(np.concatenate([looked, ends.ravel()]))
    history = track(run.initial, examples, validation, run.settings, updates.tolist())
    losses = np.array(
        [weighted_losses(with_parameters(run.network, row), examples, run.settings.loss) for row in history]
    )
    losses = np.minimum(losses, LARGEST_DRAWN)  # of a training that diverged, squares may overflow
    names = [name_of(examples, e) for e in range(examples.n_examples)]
    facts |= {
        "losses": _thinned(run.losses),
        "validation_losses": _thinned(run.validation_losses),
        "movement": float(losses[-1].mean() - losses[0].mean()),
        "shares": ((losses[-1] - losses[0]) / examples.n_examples).tolist(),
    }
    sections = [Section("values", "What it was", _values(run, steps, points, plot))] if run.epochs else []
    sections.append(Section("movers", "Of which examples it is made", _examples(names, updates, losses)))
    if epochs:
        shown = _epochs(epochs, ends, updates, losses, names, command, facts)
        sections.append(Section("steps", "In which epochs", shown))
    return sections


def _thinned(curve: np.ndarray, most: int = 1000) -> dict[str, list[float]]:
    """Return a curve as plain numbers, with the epochs that are kept of a long one."""
    if not len(curve):
        return {"epochs": [], "values": []}
    at = spread(len(curve) - 1, most, np.array([0, len(curve) - 1]))
    return {"epochs": (at + 1).tolist(), "values": curve[at].tolist()}


def _values(run: Run, steps: int, points: int, plot: Path | None) -> tuple[Any, ...]:
    curves = [("training", run.losses)]
    if len(run.validation_losses):
        curves.append(("validation", run.validation_losses))
    low = min(curve.min() for _, curve in curves)
    decades = bool(low > 0 and max(curve.max() for _, curve in curves) > 10 * low)
    epochs = spread(run.epochs - 1, points, np.array([0, run.epochs - 1])) + 1
    drawn = [(name, curve[epochs - 1]) for name, curve in curves]
    early = is_early(epochs, np.log(drawn[0][1])[:, None] if decades else drawn[0][1][:, None])
    drawing = (epochs, [Panel("loss", drawn, decades=decades)], best_epoch_of(run), early)
    if plot is not None:
        write_picture(plot, draw_history, *drawing)
    text = plot_text(epochs, drawn, early, decades)
    words = f"the loss over the epochs{', on a logarithmic scale' if decades else ''}"
    rows = [(name, *_extremes(curve)) for name, curve in curves]
    items: list[Any] = [
        "The loss of an epoch is the mean over its examples, each measured before the update that it takes "
        f"part in{', with the penalty of L2' if run.settings.l2 else ''}.",
        Table(
            "From start to end",
            ("", "first epoch", "last", "lowest", "in epoch", "highest", "in epoch"),
            tuple(rows),
        ),
        Figure(svg_of_history(*drawing), words, "", text),
    ]
    shown = [update for update in milestones(run, steps) if update >= steps and update % steps == 0]
    columns = [run.losses, run.accuracies, run.validation_losses, run.validation_accuracies]
    heads = ["loss", "accuracy", "validation loss", "validation accuracy"]
    if run.network.classes is None:
        columns, heads = columns[::2], heads[::2]
    kept = [(head, column) for head, column in zip(heads, columns, strict=True) if len(column)]
    table = [
        (when(run, update, steps), *(float(column[update // steps - 1]) for _, column in kept))
        for update in shown
    ]
    items.append(Table("At some epochs", ("epoch", *(head for head, _ in kept)), tuple(table)))
    return tuple(items)


def _extremes(curve: np.ndarray) -> tuple[Any, ...]:
    low, high = int(curve.argmin()), int(curve.argmax())
    return float(curve[0]), float(curve[-1]), float(curve[low]), low + 1, float(curve[high]), high + 1


# ---------------------------------------------------------------- examples


def _examples(names: Sequence[str], updates: np.ndarray, losses: np.ndarray) -> tuple[Any, ...]:
    n = len(names)
    start, end, mean = losses[0], losses[-1], _over_time(updates, losses)
    moved = (end - start) / n
    total = float(end.mean() - start.mean())

    def table(caption: str, by: np.ndarray) -> Table:
        first = np.argsort(-np.abs(by), kind="stable")[:MOST_SHOWN]
        rows = [(names[e], *(float(column[e]) for column in (start, end, mean, moved))) for e in first]
        rest = np.setdiff1d(np.arange(n), first)
        if len(rest):
            means = (float(column[rest].mean()) for column in (start, end, mean))
            rows.append((f"the other {len(rest):,}, on average", *means, None))
        rows.append(("all: their mean", float(start.mean()), float(end.mean()), float(mean.mean()), total))
        return Table(caption, ("", "at the start", "at the end", "over the training", "share"), tuple(rows))

    tables = [table("The largest loss at the end", end)]
    if n > MOST_SHOWN:
        tables.append(table("The largest loss over the training", mean))
        tables.append(table("The largest share in the movement", moved))
    return (
        "Each example's own loss, by the weights of that moment. Share: what it contributed to the movement of "
        "their mean.",
        *tables,
        f"Shares add up to the movement of the mean: Σ = {moved.sum():.6g}, movement = {total:.6g}.",
    )


def _over_time(updates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return the mean of each example's loss over the training, by the trapezoidal rule."""
    if len(updates) == 1:
        return losses[0]
    widths = np.diff(updates)[:, None]
    return (widths * (losses[1:] + losses[:-1]) / 2).sum(axis=0) / widths.sum()


# ---------------------------------------------------------------- epochs


def _liveliest(curve: np.ndarray) -> list[int]:
    """Return the epochs, from 1, beside the largest jumps of the curve."""
    jumps = np.argsort(-np.abs(np.diff(curve)), kind="stable")[:MOST_EPOCHS]
    beside = {int(e) + 1 for e in jumps} | {int(e) + 2 for e in jumps}
    return sorted(beside | ({1} if len(curve) else set()))


def _epochs(
    epochs: Sequence[int],
    ends: np.ndarray,
    updates: np.ndarray,
    losses: np.ndarray,
    names: Sequence[str],
    command: Sequence[str],
    facts: dict[str, Any],
) -> tuple[Any, ...]:
    before, after = (losses[np.searchsorted(updates, column)] for column in ends.T)
    moved = (after - before) / len(names)
    most = np.argsort(-np.abs(moved.sum(axis=1)), kind="stable")[:MOST_EPOCHS]
    rows, commands, listed = [], [], []
    for k in most:
        who = int(np.abs(moved[k]).argmax())
        movement, share = float(moved[k].sum()), float(moved[k, who])
        ends_at = float(before[k].mean()), float(after[k].mean())
        rows.append((epochs[k], *ends_at, movement, names[who], share))
        commands.append((step_command(command, "--epoch", epochs[k], "--example", who + 1),))
        listed.append(
            {
                "epoch": epochs[k],
                "movement": movement,
                "example": who + 1,
                "share": share,
                "command": commands[-1][0],
            }
        )
    facts["steps"] = listed
    return (
        "Among the epochs beside the largest jumps of the curve.",
        Table(
            "The epochs that moved the mean loss of the examples most",
            ("epoch", "before", "after", "moved it by", "most of it from", "whose share"),
            tuple(rows),
        ),
        Table("What that example did in such an epoch", ("command",), tuple(commands)),
    )
