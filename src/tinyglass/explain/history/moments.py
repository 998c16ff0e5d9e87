"""The moments of a training at which its history is looked at, and what they are called."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...engine import track
from ...network import Network
from ...preparation import Examples
from ...runs import Run
from ..tracing import Symbol
from ..working import inputs_of

LARGEST_TRACK = 64 * 2**20  # bytes
MOST_MOMENTS = 10_000


class Track(NamedTuple):
    """Some parameters of a training, at several moments of it.

    Attributes
    ----------
    symbols : tuple of Symbol, (n,): their names
    places : int array, (n,), where they stand in the core's order
    updates : int array, (n_moments,), made before each moment; the first is 0
    steps : int, updates of an epoch
    values : float64 array, (n_moments, n)
    """

    symbols: tuple[Symbol, ...]
    places: np.ndarray
    updates: np.ndarray
    steps: int
    values: np.ndarray

    @property
    def epochs(self) -> np.ndarray:
        """Epochs made at each moment, (n_moments,): whole ones and parts."""
        return self.updates / self.steps

    def at(self, updates: np.ndarray) -> Track:
        """Return the track at some of its moments only."""
        which = np.isin(self.updates, updates)
        return self._replace(updates=self.updates[which], values=self.values[which])

    @property
    def moved(self) -> np.ndarray:
        """The last value − the first, (n,)."""
        return self.values[-1] - self.values[0]

    @property
    def distance(self) -> np.ndarray:
        """How far from the start they all are at each moment, √Σ(value − first)², (n_moments,)."""
        return length(self.values - self.values[0])


def length(differences: np.ndarray) -> np.ndarray:
    """Return √Σ(difference)² over the last axis, also where a square would leave what floats can hold.

    Examples
    --------
    >>> f"{length(np.array([3e200, 4e200])):g}"
    '5e+200'
    """
    largest = np.abs(differences).max(axis=-1, initial=0.0, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0)
    result: np.ndarray = scale[..., 0] * np.sqrt(((differences / scale) ** 2).sum(axis=-1))
    return result


def best_epoch_of(run: Run) -> int | None:
    """Return the epoch whose network was kept, where a validation part chose it."""
    return run.best_epoch if len(run.validation_losses) else None


def weight_symbols(network: Network) -> list[Symbol]:
    """Return the name of every parameter, in the core's order.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> [symbol.input for symbol in weight_symbols(Network([Layer([[0.3, 0.9]], [0.1], "linear")]))]
    [0, 1, -1]
    """
    names = []
    for l, layer in enumerate(network.layers):
        names += [Symbol("weight", l, j, i) for i in inputs_of(layer) for j in range(layer.n_outputs)]
    return names


def milestones(run: Run, steps: int) -> np.ndarray:
    """Return the updates that a table shows: the start, epochs 1, 2, 5, 10, …, the best one, the end."""
    digits = (1, 2, 5) if run.epochs <= 10**6 else (1,)
    epochs = [digit * 10**power for power in range(len(str(run.epochs))) for digit in digits]
    chosen = {epoch * steps for epoch in (*epochs, best_epoch_of(run) or 0)}
    return np.array(sorted({update for update in chosen if update <= run.updates} | {0, run.updates}))


def choose_moments(run: Run, steps: int) -> np.ndarray:
    """Return the updates after which a history is looked at: every one, if there is room.

    Otherwise they are evenly spread over the training, and closely at its beginning.
    """
    size = run.network.n_weights * run.network.dtype.itemsize
    room = max(2, min(MOST_MOMENTS, LARGEST_TRACK // size))
    return spread(run.updates, room, milestones(run, steps))


def spread(last: int, most: int, wanted: np.ndarray) -> np.ndarray:
    """Return at most so many whole numbers from 0 to the last: both ends, and those wanted if they fit.

    The others are evenly spread, half of them over the numbers themselves and half over their logarithms.

    Examples
    --------
    >>> spread(100, 9, np.array([0, 50, 100])).tolist()
    [0, 1, 4, 21, 25, 50, 75, 100]
    """
    if last < most:
        return np.arange(last + 1)
    if len(wanted) > most:
        return np.unique(np.linspace(0, last, most).astype(np.int64))
    free = (most - len(wanted)) // 2
    even, early = np.linspace(0, last, free + 2)[1:-1], np.geomspace(1, last, free + 1)[:-1]
    return np.unique(np.concatenate([wanted, even.astype(np.int64), early.astype(np.int64)]))


def thinned(updates: np.ndarray, most: int, wanted: np.ndarray) -> np.ndarray:
    """Return at most so many of the updates; see `spread`.

    Examples
    --------
    >>> thinned(np.arange(0, 1001, 10), 3, np.array([0, 500, 1000])).tolist()
    [0, 500, 1000]
    """
    places = np.flatnonzero(np.isin(updates, wanted))
    chosen: np.ndarray = updates[spread(len(updates) - 1, most, places)]
    return chosen


def make_track(
    run: Run,
    examples: Examples,
    validation: Examples | None,
    symbols: tuple[Symbol, ...],
    steps: int,
) -> Track:
    """Return some parameters of a run, replayed once; see `choose_moments`."""
    place = {symbol: k for k, symbol in enumerate(weight_symbols(run.network))}
    places = np.array([place[symbol] for symbol in symbols], np.int64)
    updates = choose_moments(run, steps)
    history = track(run.initial, examples, validation, run.settings, updates.tolist())
    return Track(symbols, places, updates, steps, history[:, places].astype(np.float64))


def when(run: Run, update: int, steps: int) -> str:
    """Return what a table calls the moment after so many updates."""
    epoch, rest = divmod(int(update), steps)
    text = "start" if update == 0 else f"{epoch:,}" if rest == 0 else f"{epoch + 1:,}, step {rest}"
    marks = [
        word
        for word, holds in (
            ("best", rest == 0 and epoch == best_epoch_of(run)),
            ("end", 0 < update == run.updates),
        )
        if holds
    ]
    return text + (f" ({', '.join(marks)})" if marks else "")


def epoch_number(update: int, steps: int) -> float:
    """Return the epochs made, as a whole number where they are whole.

    Examples
    --------
    >>> epoch_number(20, 10), epoch_number(25, 10)
    (2, 2.5)
    """
    update = int(update)
    return update // steps if update % steps == 0 else round(update / steps, 3)


def step_command(command: Sequence[str], *words: Any) -> str:
    """Return a command line, ready to be pasted into a shell.

    Examples
    --------
    >>> step_command(["tinyglass", "explain", "my run"], "--weight", "hidden[0,2]")
    "tinyglass explain 'my run' --weight 'hidden[0,2]'"
    """
    return shlex.join([*command, *map(str, words)])
