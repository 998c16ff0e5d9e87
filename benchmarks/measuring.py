"""How time is taken: in slices, all contestants in turn, so that a busy moment meets everyone."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from .cells import (
    BATCHES,
    EXAMPLES,
    QUICK_BATCHES,
    QUICK_EXAMPLES,
    Cell,
    Parameters,
    count_flops,
    loss_of,
    trained,
)
from .contestant import Contestant
from .ours import ask_core

AGREEMENT = {"same": 1e-4, "squared": 1e-3}
"""How far a contestant's loss may be from the judge's, of the latter. (FANN cuts off its sigmoid's slope.)"""

UPDATES_CHECKED = 64  # at least, and two epochs: a loss must move before it can agree


class Budget(NamedTuple):
    """How long is measured.

    Attributes
    ----------
    batches : of the cells
    examples : of a cell
    rounds : slices of each contestant in a cell
    slice : seconds of a slice
    calls : a slice lasts at least so many times as long as what a call costs besides training, …
    longest_slice : … but no more than these seconds
    longest : seconds that an update may take; beyond it a contestant is left out
    pause : seconds before a slice, in which the threads that the one before left waiting go to sleep
    """

    batches: tuple[int, ...]
    examples: int
    rounds: int
    slice: float
    calls: int
    longest_slice: float
    longest: float
    pause: float


FULL = Budget(BATCHES, EXAMPLES, rounds=5, slice=0.1, calls=100, longest_slice=1.0, longest=2.5, pause=0.05)
QUICK = Budget(
    QUICK_BATCHES, QUICK_EXAMPLES, rounds=3, slice=0.01, calls=10, longest_slice=0.15, longest=0.1, pause=0.01
)


class Plan(NamedTuple):
    """Who is measured, and how long.

    Attributes
    ----------
    own, peers : lists of Contestant
    budget : Budget
    """

    own: list[Contestant]
    peers: list[Contestant]
    budget: Budget

    @property
    def everyone(self) -> list[Contestant]:
        return [*self.own, *self.peers]

    @property
    def quick(self) -> bool:
        return self.budget == QUICK

    @property
    def packages(self) -> set[str]:
        """The packages of whoever takes part."""
        return {contestant.package for contestant in self.everyone if contestant.package}


class TooSlowError(Exception):
    """A contestant cannot be measured in the time there is."""


class Entry(NamedTuple):
    """Who is ready for slices.

    Attributes
    ----------
    name : str
    train : function of a number of epochs
    epochs : int, that fill a slice
    n_examples : int, of an epoch: of all networks, where several are trained
    """

    name: str
    train: Callable[[int], object]
    epochs: int
    n_examples: int

    def slice_ns(self) -> float:
        """Return nanoseconds an example, of one slice."""
        return 1e9 * timed(self.train, self.epochs) / (self.epochs * self.n_examples)


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


@contextmanager
def no_collecting() -> Iterator[None]:
    """Keep Python's garbage collector out of what is timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ---------------------------------------------------------------- a cell


def measure(cell: Cell, contestants: Sequence[Contestant], budget: Budget, epochs: int = 0) -> dict[str, Any]:
    """Return what each contestant takes to train a cell, and how far its loss is from the judge's.

    With `epochs`, whoever is given all examples is timed over so many.
    """
    judge = Judge(cell)
    entries, results, left_out = [], {}, {}
    for contestant in contestants:
        try:
            seconds = update_seconds(contestant, cell, budget)
            checked = judge.check(contestant, affordable(cell, seconds, budget.longest))
            entry = fill_slice(contestant, cell, seconds, budget, epochs)
        except TooSlowError as reason:
            left_out[contestant.name] = str(reason)
            continue
        entries.append(entry)
        results[contestant.name] = {"examples": entry.n_examples, "epochs": entry.epochs, **checked}
    flops = count_flops(cell.sizes)
    for name, times in take_turns(entries, budget).items():
        results[name] |= times | {"gflops": flops / times["median_ns"]}
    about = {"network": cell.network, "batch": cell.batch, "examples": cell.n_examples, "flops": flops}
    return {**about, "contestants": results, "left_out": left_out}


def take_turns(entries: Sequence[Entry], budget: Budget) -> dict[str, dict[str, float]]:
    """Return the median and the smallest of everyone's slices, in ns an example; each round another begins."""
    slices: dict[str, list[float]] = {entry.name: [] for entry in entries}
    with no_collecting():
        for turn in range(budget.rounds):
            first = turn % max(len(entries), 1)
            for entry in [*entries[first:], *entries[:first]]:
                time.sleep(budget.pause)
                slices[entry.name].append(entry.slice_ns())
    return {name: {"median_ns": statistics.median(s), "minimum_ns": min(s)} for name, s in slices.items()}


def update_seconds(contestant: Contestant, cell: Cell, budget: Budget) -> float:
    """Return about how long an update takes.

    Raises
    ------
    TooSlowError
        If it takes longer than there is time for, found out with a few examples first.
    """
    if contestant.whole:
        trainer = contestant.start(cell)
        return min(timed(trainer.train, 1) for _ in range(2)) * cell.batch / cell.n_examples
    seconds = 0.0
    for n in sorted({min(n, cell.batch) for n in (1, 8, 64, cell.batch)}):
        trainer = contestant.start(cell.first(n))
        seconds = timed(trainer.train, 1)
        if seconds > budget.longest:
            raise TooSlowError(f"an update with {n} example{'s' * (n > 1)} takes {seconds:.2g} s")
    return min(seconds, timed(trainer.train, 1))


def affordable(cell: Cell, seconds: float, longest: float) -> int:
    """Return how many of the examples can be trained in the time: whole batches, at least one."""
    return min(cell.n_examples, cell.batch * max(1, int(longest / seconds)))


def fill_slice(contestant: Contestant, cell: Cell, seconds: float, budget: Budget, epochs: int = 0) -> Entry:
    """Return a contestant with as many examples and epochs as fill a slice."""
    if not contestant.whole:
        cell = cell.first(affordable(cell, seconds, budget.slice))
    train = contestant.start(cell).train
    if contestant.whole:
        epochs = epochs or count_epochs(train, budget)
    else:
        epochs = max(1, round(budget.slice / min(timed(train, 1) for _ in range(2))))
    return Entry(contestant.name, train, epochs, cell.n_examples)


def count_epochs(train: Callable[[int], object], budget: Budget) -> int:
    """Return how many epochs make what a call costs besides them small, or fill the longest slice."""
    one = min(timed(train, 1) for _ in range(2))
    count, seconds, wanted = 1, one, budget.longest_slice
    while seconds < wanted / 2:  # until the epochs tell, not the call
        count *= 2
        seconds = timed(train, count)
        each = max(seconds - one, 1e-9) / (count - 1)
        wanted = min(max(budget.slice, budget.calls * max(0.0, one - each)), budget.longest_slice)
    return max(1, round(count * wanted / seconds))


class Judge:
    """Plain float64 training of a cell, that everyone's loss is held to."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.known: dict[tuple[int, int, str], Parameters] = {}

    def check(self, contestant: Contestant, n: int) -> dict[str, Any]:
        """Return where a contestant's loss stands beside the judge's, after two epochs or more."""
        if contestant.maths not in AGREEMENT:
            return {"maths": contestant.maths}
        cell = self.cell if contestant.whole else self.cell.first(n)
        everything = cell.n_examples == self.cell.n_examples
        epochs = max(2, -(-UPDATES_CHECKED * cell.batch // cell.n_examples) if everything else 0)
        trainer = contestant.start(cell)
        trainer.train(epochs)
        assert trainer.parameters is not None, "whoever is judged shows its parameters"
        expected = self.judged(cell, epochs, contestant.maths)
        before, wanted, loss = (
            loss_of(parameters, cell.X, cell.Y, contestant.maths)
            for parameters in (cell.start, expected, trainer.parameters())
        )
        apart, tolerance = abs(loss - wanted) / wanted, AGREEMENT[contestant.maths]
        return {
            "maths": contestant.maths,
            "epochs_checked": epochs,
            "examples_checked": cell.n_examples,
            "loss_at_start": before,
            "loss": loss,
            "loss_expected": wanted,
            "agrees": bool(apart <= tolerance),
            # A loss that hardly moved would agree whatever was computed.
            "tells": bool(abs(wanted - before) > 10 * tolerance * wanted),
        }

    def judged(self, cell: Cell, epochs: int, maths: str) -> Parameters:
        key = (cell.n_examples, epochs, maths)
        if key not in self.known:
            with threadpool_limits(1):  # small products are slower on two
                self.known[key] = trained(cell, epochs, maths)
        return self.known[key]


# ---------------------------------------------------------------- the machine


def measure_peak(seconds: float = 0.5) -> dict[str, Any]:
    """Return the most that one core was seen to do, in GFLOP/s of float32."""
    told = ask_core("peak_gflops", seconds)
    if told is not None:
        return {"gflops": float(told), "how": "fused multiply-adds in registers"}
    a = np.ones((1024, 1024), np.float32)
    out = np.empty_like(a)
    best, ends = np.inf, time.perf_counter() + seconds
    with threadpool_limits(1):
        while time.perf_counter() < ends or best == np.inf:
            best = min(best, timed(np.matmul, a, a, out))
    return {"gflops": 2e-9 * len(a) ** 3 / best, "how": "NumPy's product of 1024 × 1024 matrices, one thread"}
