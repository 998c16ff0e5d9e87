"""How time is taken: in slices, all contestants in turn, so that a busy moment meets everyone."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from . import ours
from .cells import Cell, count_flops, loss_of, trained
from .contestant import Contestant, Trainer

AGREEMENT = {"same": 1e-4, "squared": 1e-3}
"""Of the loss, how far a contestant's may be from that of float64 training. (FANN cuts off its sigmoid's slope.)"""
UPDATES_CHECKED = 32  # at least: a loss must move before it can agree
SMALL_SHARE = 100  # a slice lasts as many times as what a call costs besides training


class Budget(NamedTuple):
    """How long is measured.

    Attributes
    ----------
    rounds : slices of each contestant in a cell
    slice : seconds of a slice
    longest : seconds that one update may take, and a check; beyond it a contestant is left out
    pause : seconds before a slice, in which the waiting threads of the one before go to sleep
    """

    rounds: int
    slice: float
    longest: float
    pause: float


FULL = Budget(rounds=9, slice=0.1, longest=10.0, pause=0.05)
QUICK = Budget(rounds=3, slice=0.01, longest=0.1, pause=0.01)


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


class Entry(NamedTuple):
    """A contestant that is ready for its slices: so many epochs of a trainer, so many examples each."""

    contestant: Contestant
    trainer: Trainer
    cell: Cell
    epochs: int


def measure(cell: Cell, contestants: Sequence[Contestant], budget: Budget, epochs: int = 0) -> dict[str, Any]:
    """Return what each contestant takes to train a cell, and how far its loss is from the judge's.

    With `epochs`, whoever gets the whole cell is timed over so many.
    """
    judge, entries, results, left_out = Judge(cell), [], {}, {}
    for contestant in contestants:
        reason = too_slow(contestant, cell, budget)
        if reason:
            left_out[contestant.name] = reason
            continue
        checked = judge.check(contestant, budget)
        entry = prepare(contestant, cell, budget, epochs if contestant.whole else 0)
        results[contestant.name] = {"maths": contestant.maths, "examples": entry.cell.n_examples, **checked}
        results[contestant.name] |= {"epochs": entry.epochs, "slices_ns": []}
        entries.append(entry)
    gc.collect()
    gc.disable()
    for turn in range(budget.rounds):
        for entry in entries[turn % len(entries) :] + entries[: turn % len(entries)]:
            time.sleep(budget.pause)
            seconds = timed(entry.trainer.train, entry.epochs)
            per_example = 1e9 * seconds / entry.epochs / entry.cell.n_examples
            results[entry.contestant.name]["slices_ns"].append(per_example)
    gc.enable()
    flops = count_flops(cell.sizes)
    for result in results.values():
        slices = result["slices_ns"]
        result |= {"median_ns": statistics.median(slices), "minimum_ns": min(slices)}
        result["gflops"] = flops / result["median_ns"]
    return {
        "network": cell.network,
        "sizes": cell.sizes,
        "batch": cell.batch,
        "flops": flops,
        "contestants": results,
        "left_out": left_out,
    }


def one_batch(contestant: Contestant, cell: Cell) -> tuple[float, Cell]:
    """Return the seconds of an epoch of as little as the contestant can be given, and what that was."""
    little = cell if contestant.whole else cell.first(cell.batch)
    trainer = contestant.start(little)
    trainer.train(1)
    return timed(trainer.train, 1), little


def too_slow(contestant: Contestant, cell: Cell, budget: Budget) -> str:
    """Return why a contestant cannot be measured in the time there is, or nothing."""
    example = cell.first(1)
    if contestant.whole:
        return ""
    seconds = timed(contestant.start(example).train, 1) * cell.batch if cell.batch > 1 else 0.0
    # One example alone may be far slower than its share of a batch: only where that is long is a batch tried.
    if seconds > budget.longest and contestant.name == "pure Python":
        return f"a batch takes {seconds:.2g} s"
    return ""


def prepare(contestant: Contestant, cell: Cell, budget: Budget, epochs: int = 0) -> Entry:
    """Return a contestant with as many examples and epochs as fill a slice."""
    seconds, little = one_batch(contestant, cell)
    wanted = budget.slice
    if not contestant.whole and seconds > 0:
        batches = int(wanted / seconds)
        n = cell.batch * max(1, min(batches, cell.n_examples // cell.batch))
        cell = cell.first(n)
        seconds *= n / little.n_examples
    trainer = contestant.start(cell)
    trainer.train(1)
    if contestant.whole:
        seconds = min(timed(trainer.train, 1) for _ in range(3))
        wanted = max(wanted, SMALL_SHARE * overhead_of(trainer))
    count = epochs or max(1, round(wanted / max(seconds, 1e-7)))
    if not epochs and contestant.whole and count > 1:  # a call of one epoch says little: look again
        seconds = timed(trainer.train, count) / count
        count = max(1, round(wanted / seconds))
    return Entry(contestant, trainer, cell, count)
