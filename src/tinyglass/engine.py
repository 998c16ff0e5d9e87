"""The compiled core: what it is given, what is refused, and what is said where it cannot go on.

Same start, same examples, same settings, same bits: so any moment of a training can be had
again (`replay`, `track`), and what moved its weights (`watch_weights`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np

from . import core
from .arithmetic import LOSSES, Schedule, learning_rate
from .arithmetic import loss as example_loss
from .errors import ArgumentError, DivergenceError
from .network import Network, core_layers, flatten, weight_name
from .preparation import Examples, in_parts
from .runs import Run
from .settings import Settings

LARGEST_TRAINING = 4 * 2**30  # bytes
LARGEST_TRIAL_EPOCH = 10**8  # examples times weights: about a tenth of a second
NO_MOVE = 1e-300  # a learning rate that changes no number
TRIAL_SECONDS, ALL_TRIALS_SECONDS = 0.5, 3.0
SLICE = 0.04  # seconds in the core between two looks at Ctrl-C
OF_L2, OF_LIMIT, OF_NOTHING = -1, -2, -3
"""Who has a share in a movement besides the examples; see `Movements`."""


def make_trainer(start: Network, examples: Examples, validation: Examples | None, settings: Settings) -> Any:
    """Return the core's trainer, ready to run from `start`, in the precision of the settings."""
    module, kernel = core.find(settings.core, batches_of(settings, examples.n_examples)[0])
    kind = module.TrainerFloat32 if settings.precision == "float32" else module.TrainerFloat64
    plan = plan_of(settings) | {"baseline": baseline_loss(examples, settings)}
    sizes, dtype = (start.n_inputs, start.n_outputs), np.dtype(settings.precision)
    parts = part_of(examples, sizes, dtype), part_of(validation, sizes, dtype)
    return kind(core_layers(start), plan, *parts, flatten(start).astype(dtype), kernel)


def plan_of(settings: Settings) -> dict[str, Any]:
    """Return what the core is told about a training; it needs ``baseline`` besides."""
    return {
        "loss": settings.loss,
        "optimizer": settings.optimizer,
        "momentum": settings.momentum,
        "beta1": settings.beta1,
        "beta2": settings.beta2,
        "epsilon": settings.epsilon,
        "l2": settings.l2,
        "weight_limit": np.inf if settings.weight_limit is None else settings.weight_limit,
        "schedule": settings.schedule,
        "rate": settings.learning_rate,
        "rate_drop": settings.rate_drop,
        "rate_every": settings.rate_every,
        "epochs": settings.n_epochs,
        "batch": settings.batch,
        "shuffle": settings.shuffle,
        "seed": settings.seed,
        "patience": settings.patience,
        "tolerance": settings.tolerance,
    }


def part_of(
    examples: Examples | None, sizes: tuple[int, int], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return inputs, expected outputs and weights as the core takes them; sizes: (n_inputs, n_outputs)."""
    if examples is None:
        return np.empty((0, sizes[0]), dtype), np.empty((0, sizes[1]), dtype), None
    X, Y = _within(examples.X, dtype), _within(examples.Y, dtype)
    return X, Y, None if examples.weight is None else np.ascontiguousarray(examples.weight, dtype)


def _within(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the values in the precision of the training, refusing what does not fit in it."""
    if values.dtype == dtype:
        return np.ascontiguousarray(values)  # as `Examples` has checked it
    if isinstance(values, np.memmap) and values.size * dtype.itemsize > LARGEST_TRAINING:
        raise ArgumentError(
            f"The file's numbers are {values.dtype}, and as {dtype} they do not fit into the memory",
            "the examples",
            f"Use --precision {values.dtype}, or write the file as {dtype}",
        )
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, dtype)
    if not np.isfinite(cast).all():
        example, column = np.argwhere(~np.isfinite(cast))[0]
        raise ArgumentError(
            f"The value {values[example, column]:g} is too large for {dtype}",
            f"example {example}, column {column}",
            "Scale the recordings, or use --precision float64",
        )
    return cast


def baseline_loss(examples: Examples, settings: Settings) -> float:
    """Return the loss of the best constant answer, the mean of the expected outputs.

    Infinity where every expected output is the same: there nothing can be learnt.
    """
    mean = _average(examples, lambda Y: Y)
    if settings.loss == "cross_entropy":
        with np.errstate(divide="ignore", invalid="ignore"):
            surprise = -np.nan_to_num(mean * np.log(mean)).sum()
            if settings.output == "sigmoid":
                surprise -= np.nan_to_num((1 - mean) * np.log1p(-mean)).sum()
        return float(surprise) or np.inf
    squares = _average(examples, lambda Y: (Y - mean) ** 2)
    return float(squares.sum() / 2 if settings.loss == "half_squared_error" else squares.mean()) or np.inf


def _average(examples: Examples, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the weighted mean of what becomes of the expected outputs, in float64, (n_outputs,)."""
    weight = np.ones(examples.n_examples) if examples.weight is None else examples.weight
    sums = np.zeros(examples.n_outputs)
    begin = 0
    for Y in in_parts(examples.Y):
        sums += weight[begin : begin + len(Y)] @ of(Y.astype(np.float64))
        begin += len(Y)
    return sums / weight.sum()


def check_size(sizes: Sequence[int], n_examples: int, settings: Settings, in_file: bool = False) -> None:
    """Refuse a network that would need more memory than `LARGEST_TRAINING`, before making it.

    Raises
    ------
    ArgumentError
        With the bytes needed.
    """
    needed = needed_bytes(sizes, 0 if in_file else n_examples, settings)
    if needed > LARGEST_TRAINING:
        raise ArgumentError(
            f"A network of {'-'.join(map(str, sizes))} needs {needed / 2**30:,.1f} GiB to train, "
            f"and at most {LARGEST_TRAINING / 2**30:g} GiB are used",
            "--hidden",
            "Use fewer neurons",
        )


def needed_bytes(sizes: Sequence[int], n_examples: int, settings: Settings) -> int:
    """Return the memory that a training needs.

    Examples
    --------
    >>> needed_bytes((3, 2, 2), 0, Settings(optimizer="sgd"))
    896
    """
    n_weights = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    # Of every weight, as measured, and what writing a checkpoint takes besides.
    copies = 16 + {"sgd": 0, "momentum": 5, "nesterov": 5, "adam": 10}[settings.optimizer]
    return np.dtype(settings.precision).itemsize * (n_weights * copies + n_examples * (sizes[0] + sizes[-1]))


def check_start(start: Network, examples: Examples, settings: Settings) -> None:
    """Refuse to start from a network that these examples cannot train.

    Raises
    ------
    ArgumentError
        If inputs, outputs or classes differ, the loss is not defined for its outputs, or an
        activation has no slope.
    """
    output = start.layers[-1].activation
    wrong = None
    if (start.n_inputs, start.n_outputs) != (examples.n_inputs, examples.n_outputs):
        wrong = (
            f"It has {start.n_inputs} inputs and {start.n_outputs} outputs, "
            f"the examples {examples.n_inputs} and {examples.n_outputs}"
        )
    elif start.classes != examples.classes and None not in (start.classes, examples.classes):
        wrong = f"Its classes are {start.classes}, those of the examples {examples.classes}"
    elif "step" in [layer.activation for layer in start.layers]:
        wrong = "A layer has the activation step, which has no slope"
    elif output not in LOSSES[settings.loss].outputs:
        wrong = f"Its outputs are {output}, for which {settings.loss} is not defined"
    if wrong:
        raise ArgumentError(wrong, "the network to start from", "Start from another, or leave `start` out")


def check_targets(examples: Examples, settings: Settings) -> None:
    """Refuse expected outputs that the loss is not defined for.

    Raises
    ------
    ArgumentError
        If cross-entropy is asked for and they are no probabilities.
    """
    if settings.loss != "cross_entropy":
        return
    begin = 0
    for Y in in_parts(examples.Y):
        bad = ((Y < 0) | (Y > 1)).any(axis=1)
        if settings.output == "softmax":
            bad |= np.abs(Y.sum(axis=1) - 1) > 1e-5
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise ArgumentError(
                f"Cross-entropy expects probabilities, found {Y[first].tolist()}",
                f"the expected outputs of example {begin + first}",
                "Give values from 0 to 1 (for softmax, adding up to 1), or use half_squared_error",
            )
        begin += len(Y)


# ---------------------------------------------------------------- divergence


def divergence(
    status: str, t: dict[str, Any], run: Run, advise: Callable[[], float | None] | None
) -> DivergenceError:
    """Return the error that names the epoch, the weight and a remedy, from what the core found."""
    epoch = t["epoch"] + 1
    name = weight_name(run.network, t["layer"], t["neuron"], t["input"])
    where = f"epoch {epoch}, weight {name}"
    layer = run.network.layer_names[t["layer"]]
    neuron = f"{layer}[{t['neuron']}]"
    if status == "saturated" and not t["sum"]:
        what = (
            f"Every neuron of layer {layer!r} is saturated for every example: no gradient passes it any more"
        )
    elif status == "saturated":
        what = f"Neuron {neuron} is saturated: its weighted sum reached {t['value']:.3g}, where its output is flat"
    elif t["sum"]:
        what = f"The weighted sum of neuron {neuron} became {t['value']}, {name} being its largest weight"
    elif np.isfinite(t["value"]):
        what = f"The loss overflowed, {name} = {t['value']:.3g} being the largest weight"
    else:
        what = f"The weight {name} became {t['value']}"
    if t["update"] >= 0:
        where += f", update {t['update'] + 1} of that epoch"
    mend = "Use a smaller learning rate"
    if advise is not None:
        rate = advise()
        mend = (
            f"Use learning rate {rate:g}: with it the same training converges (it was tried)"
            if rate is not None
            else "No learning rate was found that helps: use another seed or activation, or scale the inputs"
        )
    return DivergenceError(f"Training stopped. {what}", where, mend, run, saturated=status == "saturated")


def find_learning_rate(
    start: Network, examples: Examples, validation: Examples | None, settings: Settings
) -> float | None:
    """Return a smaller learning rate with which training converges, or None if none was found.

    Rates of 5, 2 and 1 times the powers of ten are tried downwards, from the same starting
    weights, each for as many epochs as were asked for or as fit into half a second. A rate
    converges if at least one epoch was made and the loss did not end higher than it began.
    Examples too many for an epoch in that time are thinned out.
    """
    began = time.perf_counter()
    work = examples.n_examples * start.n_weights
    if work > LARGEST_TRIAL_EPOCH:
        step = -(-work // LARGEST_TRIAL_EPOCH)
        examples = examples.take(np.arange(0, examples.n_examples, step))
    for rate in [digit * 10.0**power for power in range(3, -13, -1) for digit in (5, 2, 1)]:
        if rate >= settings.learning_rate:
            continue
        if time.perf_counter() - began > ALL_TRIALS_SECONDS:
            break
        trial = msgspec.structs.replace(settings, learning_rate=float(f"{rate:.0e}"))
        trainer = make_trainer(start, examples, validation, trial)
        trainer.run(TRIAL_SECONDS)
        found = trainer.result()
        losses = found["losses"]
        if found["status"] not in ("non_finite", "saturated") and len(losses) and losses[-1] <= losses[0]:
            return trial.learning_rate
    return None


# ---------------------------------------------------------------- replay


class Moment(NamedTuple):
    """A training after so many updates.

    Attributes
    ----------
    parameters : array, (n_parameters,), in the core's order; see `tinyglass.network.with_parameters`
    first, second : arrays, (n_parameters,) or empty: what the optimiser remembers
    epoch : int, whole epochs made; after the last update of an epoch that epoch is not made yet
    updates : int
    """

    parameters: np.ndarray
    first: np.ndarray
    second: np.ndarray
    epoch: int
    updates: int


def replay(
    start: Network, examples: Examples, validation: Examples | None, settings: Settings, updates: int
) -> Moment:
    """Return a training as it was after so many updates, to the bit.

    Parameters
    ----------
    start : Network, before the first update
    examples, validation : Examples, as they were trained on
        Without `validation` the bits are the same, but nothing stops early.
    settings : Settings, with nothing left to choose
    updates : int, over the whole training; 0 is the start

    Raises
    ------
    ArgumentError
        If the training ends before, for example because it diverges.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> neuron = Network([Layer([[0.3, 0.9]], None, "linear")])
    >>> settings = Settings(
    ...     loss="half_squared_error", optimizer="sgd", learning_rate=1.0, l2=0.0, epochs=9, precision="float64"
    ... )
    >>> replay(neuron, Examples([[0.1, 0.8]], [[0.4]]), None, settings, updates=1).parameters
    array([0.265, 0.62 ])
    """
    return next(replay_on(start, examples, validation, settings, [updates]))


def replay_on(
    start: Network,
    examples: Examples,
    validation: Examples | None,
    settings: Settings,
    moments: Sequence[int],
) -> Iterator[Moment]:
    """Yield a training as it was at several moments, replayed in one pass.

    Parameters
    ----------
    start, examples, validation, settings : as in `replay`
    moments : numbers of updates, none smaller than the one before

    Raises
    ------
    ArgumentError
        If the moments are not in order, or the training ends before one of them.
    """
    if any(before > after for before, after in pairwise(moments)):
        raise ArgumentError("The moments are not in order", "the moments of a training", "Sort them")
    trainer = make_trainer(start, examples, validation, settings)
    for updates in moments:
        _run_until(trainer, updates)
        yield Moment(**trainer.now())


def track(
    start: Network,
    examples: Examples,
    validation: Examples | None,
    settings: Settings,
    moments: Sequence[int],
) -> np.ndarray:
    """Return the parameters of a training at several moments, replayed in one pass.

    Parameters
    ----------
    start, examples, validation, settings : as in `replay`
    moments : numbers of updates, none smaller than the one before

    Returns
    -------
    array, (n_moments, n_parameters), of the training's precision

    Raises
    ------
    ArgumentError
        If the moments are not in order, or the training ends before the last.
    """
    history = np.empty((len(moments), start.n_weights), np.dtype(settings.precision))
    for row, moment in zip(history, replay_on(start, examples, validation, settings, moments), strict=True):
        row[:] = moment.parameters
    return history


def _run_until(trainer: Any, updates: int) -> None:
    if updates < 0:
        raise ArgumentError(f"Update {updates} was asked for", "a training", "Ask for 0, the start, or later")
    status = "paused"
    while status == "paused" and trainer.updates < updates:
        status = trainer.run(SLICE, updates)
    if trainer.updates < updates:
        raise ArgumentError(
            f"Update {updates} was asked for, and the training ends after {trainer.updates}",
            "a training",
            f"Ask for one from 0 to {trainer.updates}",
        )


def batches_of(settings: Settings, n_examples: int) -> tuple[int, int]:
    """Return the examples that one update sees, and the updates of an epoch.

    Examples
    --------
    >>> batches_of(Settings(batch=4), 10), batches_of(Settings(batch=0), 10)
    ((4, 3), (10, 1))
    """
    batch = min(settings.batch, n_examples) or n_examples
    return batch, -(-n_examples // batch)


def losses_of(network: Network, examples: Examples, loss: str) -> np.ndarray:
    """Return the loss of each example, without its weight, as the definition has it: float64, (n_examples,).

    Examples
    --------
    >>> from tinyglass import Layer
    >>> neuron = Network([Layer([[0.5]], None, "linear")])
    >>> losses_of(neuron, Examples([[1.0]], [[0.0]]), "half_squared_error")
    array([0.125])
    """
    activation = network.layers[-1].activation
    pairs = zip(network.outputs(examples.X).tolist(), examples.Y.tolist(), strict=True)
    with np.errstate(all="ignore"):
        return np.array([example_loss(loss, activation, o, y) for o, y in pairs], np.float64)


def rate_of(settings: Settings, epoch: int) -> float:
    """Return the learning rate of an epoch; epochs count from 0.

    Examples
    --------
    >>> rate_of(Settings(learning_rate=0.1, schedule="step", rate_drop=0.5, rate_every=10, epochs=30), 25)
    0.025
    """
    schedule = Schedule(
        settings.learning_rate,
        settings.schedule,
        settings.n_epochs,
        settings.rate_drop,
        settings.rate_every,
    )
    return learning_rate(schedule, epoch)


def order_of(settings: Settings, n_examples: int, epoch: int) -> np.ndarray:
    """Return which example an epoch sees first, second, …: ints, (n_examples,); epochs count from 0.

    Examples
    --------
    >>> order_of(Settings(shuffle=False), 3, epoch=0).tolist()
    [0, 1, 2]
    """
    if not settings.shuffle:
        return np.arange(n_examples, dtype=np.uint32)
    return core.compiled.epoch_order(n_examples, settings.seed, epoch)


def loss_and_gradient(
    network: Network, examples: Examples, settings: Settings, precision: str = "float64"
) -> tuple[float, np.ndarray]:
    """Return the core's mean loss of the examples, penalty included, and its gradient by every parameter.

    The compiled core makes one update that sees all of them, at a learning rate that changes
    nothing; momentum's first velocity is the gradient.

    Returns
    -------
    loss : float, infinite where the network leaves the finite numbers
    gradient : array, (n_parameters,), in the core's order and of the precision; NaN there

    Examples
    --------
    >>> from tinyglass import Layer
    >>> neuron = Network([Layer([[0.3, 0.9]], None, "linear")])
    >>> settings = Settings(loss="half_squared_error", output="linear", l2=0.0)
    >>> loss, gradient = loss_and_gradient(neuron, Examples([[0.1, 0.8]], [[0.4]]), settings)
    >>> round(loss, 5), gradient.round(3).tolist()
    (0.06125, [0.035, 0.28])
    """
    still = msgspec.structs.replace(
        settings,
        optimizer="momentum",
        learning_rate=NO_MOVE,
        schedule="constant",
        batch=0,
        epochs=1,
        shuffle=False,
        weight_limit=None,
        precision=precision,
        validation=0.0,
        patience=0,
    )
    trainer = make_trainer(network, examples, None, still)
    status = "paused"
    while status == "paused":
        status = trainer.run(SLICE)
    if status == "non_finite":
        return np.inf, np.full(network.n_weights, np.nan)
    return float(trainer.state()["losses"][0]), np.asarray(trainer.now()["first"])


# ---------------------------------------------------------------- movements


class Movements(NamedTuple):
    """Who moved the watched parameters, and in which updates.

    An update's movement of a parameter, after − before, is split into shares: one of each example,
    one of L2, and one of the weight limit (what clipping took back). An example's share goes through
    its gradient and, in momentum, Nesterov and Adam, through what the optimiser still remembers of
    its earlier ones; Adam's divisor is taken as it was.

    The shares add up to the movement but for rounding. With u = 2⁻⁵³ (float32: 2⁻²⁴) and m what the
    optimiser keeps of its memory (momentum, beta1, or 0), a row of `net` adds up to end − start within
    about u · (updates · largest |parameter| + (batch + 8 / (1 − m)) · the row's sum of `path`).

    Attributes
    ----------
    net : float64 array, (n_watched, n_examples + 2)
        Σ share over the updates; the last two columns are L2 and the limit.
    path : float64 array, (n_watched, n_examples + 2), Σ |share|
    kept_updates : int64 array, (n_watched, keep)
        The updates that moved the parameter furthest, the furthest first; they count from 1, and −1
        stands for none.
    kept_movement : float64 array, (n_watched, keep), after − before in these updates
    kept_example : int64 array, (n_watched, keep)
        Whose share was the largest: an example's number, `OF_L2`, `OF_LIMIT`, or `OF_NOTHING` where
        there was none.
    kept_share : float64 array, (n_watched, keep), that share
    """

    net: np.ndarray
    path: np.ndarray
    kept_updates: np.ndarray
    kept_movement: np.ndarray
    kept_example: np.ndarray
    kept_share: np.ndarray


def watch_weights(
    start: Network,
    examples: Examples,
    validation: Examples | None,
    settings: Settings,
    indices: Sequence[int] | np.ndarray,
    keep: int,
    updates: int,
) -> Movements:
    """Return who moved some parameters over the first updates of a training.

    Parameters
    ----------
    start, examples, validation, settings : as in `replay`
    indices : ints, (n_watched,): which parameters, in the core's order
    keep : int, how many updates to keep of each
    updates : int, how many to watch

    Raises
    ------
    ArgumentError
        If there is no such parameter, the training ends before, or watching takes too much memory.

    Examples
    --------
    >>> from tinyglass import Layer
    >>> neuron = Network([Layer([[0.0]], None, "linear")])
    >>> pair = Examples([[1.0], [2.0]], [[1.0], [1.0]])
    >>> settings = Settings(
    ...     loss="half_squared_error", optimizer="sgd", learning_rate=1.0, l2=0.0, epochs=1, batch=2
    ... )
    >>> watch_weights(neuron, pair, None, settings, [0], keep=1, updates=1).net
    array([[0.5, 1. , 0. , 0. ]])
    """
    watched = np.asarray(indices, np.int64)
    if watched.ndim != 1 or len(watched) == 0 or watched.min() < 0 or watched.max() >= start.n_weights:
        raise ArgumentError(
            "There is no such parameter",
            "the parameters to watch",
            f"Give at least one of 0 to {start.n_weights - 1}",
        )
    if keep < 0:
        raise ArgumentError(f"Asked to keep {keep} updates", "keep", "Keep 0 or more")
    needed = 8 * len(watched) * (4 * (examples.n_examples + 2) + 4 * keep)  # net, path, gradients, memory
    if needed > LARGEST_TRAINING:
        raise ArgumentError(
            f"Watching {len(watched)} parameters needs {needed / 2**30:,.1f} GiB, "
            f"and at most {LARGEST_TRAINING / 2**30:g} GiB are used",
            "the parameters to watch",
            "Watch fewer at a time",
        )
    trainer = make_trainer(start, examples, validation, settings)
    trainer.watch(watched, keep)
    _run_until(trainer, updates)
    return Movements(**trainer.movements())
