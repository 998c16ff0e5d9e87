"""Which examples moved some weights most, and in which steps of the training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from ...engine import OF_L2, OF_LIMIT, OF_NOTHING, Movements, watch_weights
from ...preparation import Examples
from ...runs import Run
from ..explanation import Section, Table
from ..notation import Notation, Style
from ..step import name_of
from .moments import Track, length, step_command

KEEP = 8  # steps that are shown
MOST_MOVERS = 10
MOST_SHARES = 5 * 10**8  # of one example in one update of one weight: a few seconds
LARGEST_WATCH = 512 * 2**20  # bytes


class Watched(NamedTuple):
    """Who moved some of the tracked parameters.

    Attributes
    ----------
    which : int array, (n_watched,), of the tracked parameters
    movements : Movements, of these
    total : float
        How far they moved: of one its movement, of several the distance between start and end.
    net : float64 array, (n_examples + 2,)
        The shares in `total`; the last two are of L2 and of the weight limit.
    path : float64 array, (n_examples + 2,), Σ |share| over updates and parameters
    """

    which: np.ndarray
    movements: Movements
    total: float
    net: np.ndarray
    path: np.ndarray

    @property
    def rounding(self) -> float:
        """What the shares do not explain: each update was rounded to the training's precision."""
        return self.total - float(self.net.sum())


def watch(run: Run, examples: Examples, validation: Examples | None, tracked: Track) -> Watched:
    """Return who moved the tracked parameters; where these are too many, those that moved furthest.

    The share of an example in a distance is the part of its net movement that goes from start to end,
    so that shares in a distance add up as those in a single weight do.
    """
    n, batch = examples.n_examples, run.settings.batch or examples.n_examples
    per_update = min(batch, n) + 1 if run.settings.optimizer == "sgd" else n + 1
    most = min(MOST_SHARES // (per_update * run.updates), LARGEST_WATCH // (32 * (n + 2 + KEEP)))
    which = np.sort(np.argsort(-np.abs(tracked.moved), kind="stable")[: max(most, 1)])
    movements = watch_weights(
        run.initial, examples, validation, run.settings, tracked.places[which], KEEP, run.updates
    )
    moved = tracked.moved[which]
    if len(tracked.symbols) == 1:
        return Watched(which, movements, float(moved[0]), movements.net[0], movements.path[0])
    total = float(length(moved))
    direction = moved / total if total else moved
    return Watched(which, movements, total, direction @ movements.net, movements.path.sum(axis=0))


def mover_sections(
    run: Run,
    examples: Examples,
    validation: Examples | None,
    tracked: Track,
    names: Notation,
    style: Style,
    command: Sequence[str],
    facts: dict[str, Any],
) -> list[Section]:
    """Return who moved the tracked parameters most, and in which steps, each with the command that explains it."""
    watched = watch(run, examples, validation, tracked)
    facts |= {
        "movement": watched.total,
        "shares": watched.net[:-2].tolist(),
        "paths": watched.path[:-2].tolist(),
        "share_of_l2": float(watched.net[-2]),
        "share_of_limit": float(watched.net[-1]),
        "rounding": watched.rounding,
        "n_watched": len(watched.which),
        "n_weights": len(tracked.symbols),
    }
    return [
        Section("movers", "Which examples moved it", (*_movers(run, examples, tracked, watched, style),)),
        Section("steps", "In which steps", _steps(examples, tracked, watched, names, command, facts)),
    ]


# ---------------------------------------------------------------- examples


def _movers(run: Run, examples: Examples, tracked: Track, watched: Watched, style: Style) -> list[Any]:
    items: list[Any] = []
    n, n_watched = len(tracked.symbols), len(watched.which)
    if n_watched < n:
        whole = float(length(tracked.moved)) or 1.0
        items.append(
            f"Watching all {n:,} weights would take too long: these are the {n_watched:,} that moved furthest, "
            f"{100 * (watched.total / whole) ** 2:.3g} % of the squared distance."
        )
    what = "the movement" if n == 1 else "the distance from start to end"
    items.append(
        f"Each update is split into the shares of its examples. Net: their sum, a part of {what}. "
        "Path: the sum of their sizes, how far an example pushed back and forth."
    )
    parts = [name_of(examples, e) for e in range(examples.n_examples)]
    items.append(_by_net(run, parts, watched, "Examples, by their net share"))
    if len(parts) > MOST_MOVERS:
        items.append(_by_path(parts, watched))
    groups, first = np.unique(examples.groups, return_index=True)
    if len(groups) < examples.n_examples:
        owner = np.searchsorted(groups, examples.groups)
        together = watched._replace(
            net=np.concatenate([np.bincount(owner, watched.net[:-2]), watched.net[-2:]]),
            path=np.concatenate([np.bincount(owner, watched.path[:-2]), watched.path[-2:]]),
        )
        caption = "Recordings, by the net share of all their windows and altered copies"
        recordings = recording_names(examples)
        items.append(_by_net(run, [recordings[e] for e in first], together, caption))
    number = style.number
    items.append(
        f"Shares add up to {what}: Σ = {number(float(watched.net.sum()))}, {what} = {number(watched.total)}. "
        f"The difference, {number(watched.rounding)}, is what {run.settings.precision} rounded."
    )
    return items


def recording_names(examples: Examples) -> list[str]:
    """Return what the recording of each example is called, without the folder that all lie in.

    Examples
    --------
    >>> names = ("data/ada/wave.csv, piece 1", "data/ada/wave.csv, piece 2", "data/bo/wave.csv")
    >>> recording_names(Examples([[1.0]] * 3, [[0.0]] * 3, groups=[0, 0, 1], names=names))
    ['ada/wave.csv', 'ada/wave.csv', 'bo/wave.csv']
    """
    if not examples.names:
        return [f"group {group}" for group in examples.groups]
    whole = [re.sub(r", piece \d+$", "", name) for name in examples.names]
    folders = zip(*(re.findall(r"[^/\\]*[/\\]", name) for name in whole), strict=False)
    shared = sum(len(parts[0]) for parts in takewhile(lambda parts: len(set(parts)) == 1, folders))
    return [name[shared:] for name in whole]


def _by_net(run: Run, parts: Sequence[str], watched: Watched, caption: str) -> Table:
    own = watched.net[:-2]
    first = np.argsort(-np.abs(own), kind="stable")[:MOST_MOVERS]
    rows = [_row(parts[e], own[e], watched.total, watched.path[e]) for e in first]
    rest = np.setdiff1d(np.arange(len(own)), first)
    if len(rest):
        rows.append(
            _row(f"the other {len(rest):,}", own[rest].sum(), watched.total, watched.path[rest].sum())
        )
    for name, place, used in (
        ("L2", -2, run.settings.l2 > 0),
        ("weight limit", -1, run.settings.weight_limit is not None),
    ):
        if used:
            rows.append(_row(name, watched.net[place], watched.total, watched.path[place]))
    rows.append(_row("rounding", watched.rounding, watched.total, None))
    rows.append(_row("all", watched.total, watched.total, watched.path.sum()))
    return Table(caption, ("", "net", "% of it", "path"), tuple(rows))


def _row(name: str, net: float, total: float, path: float | None) -> tuple[Any, ...]:
    share = round(100 * float(net) / total, 2) if total else None
    return name, float(net), share, None if path is None else float(path)


def _by_path(parts: Sequence[str], watched: Watched) -> Table:
    path, whole = watched.path[:-2], float(watched.path.sum()) or 1.0
    first = np.argsort(-path, kind="stable")[:MOST_MOVERS]
    rows = [
        (parts[e], float(path[e]), round(100 * float(path[e]) / whole, 2), float(watched.net[e]))
        for e in first
    ]
    return Table("Examples, by their path", ("", "path", "% of all", "net"), tuple(rows))


# ---------------------------------------------------------------- steps


def _steps(
    examples: Examples,
    tracked: Track,
    watched: Watched,
    names: Notation,
    command: Sequence[str],
    facts: dict[str, Any],
) -> tuple[Any, ...]:
    moves = watched.movements
    largest = np.argsort(-np.abs(moves.kept_movement), axis=None, kind="stable")
    rows: list[tuple[Any, ...]] = []
    commands, seen, listed = [], set(), []
    single = len(tracked.symbols) == 1
    standard = names._replace(words="standard")
    for k, place in zip(*np.unravel_index(largest, moves.kept_movement.shape), strict=True):
        update = int(moves.kept_updates[k, place])
        if (
            update < 0 or update in seen or len(rows) == KEEP
        ):  # of one step, only the weight that it moved most
            continue
        seen.add(update)
        epoch, step = (update - 1) // tracked.steps + 1, (update - 1) % tracked.steps + 1
        symbol = tracked.symbols[watched.which[k]]
        who, share = int(moves.kept_example[k, place]), float(moves.kept_share[k, place])
        movement = float(moves.kept_movement[k, place])
        name = {OF_L2: "L2", OF_LIMIT: "weight limit", OF_NOTHING: "nothing"}.get(who) or name_of(
            examples, who
        )
        rows.append((epoch, step, *([] if single else [symbol]), movement, name, share))
        weight = standard.text(symbol)
        commands.append(step_command(command, "--epoch", epoch, "--step", step, "--weight", weight))
        listed.append(
            {"epoch": epoch, "step": step, "weight": weight, "movement": movement, "share": share}
            | {"example": who + 1 if who >= 0 else None, "command": commands[-1]}
        )
    facts["steps"] = listed
    head = ("epoch", "step", *([] if single else ["weight"]), "moved it by", "most of it from", "whose share")
    caption = "The steps that moved it most" + (
        "" if single else ", each with the weight that it moved furthest"
    )
    return (
        Table(caption, head, tuple(rows)),
        Table("How each came about", ("command",), tuple((line,) for line in commands)),
    )
