"""Many networks of one shape, trained at once: the core gives each a lane of its vectors.

A network does not notice the others: it gets the same bits whoever they are, and however many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from . import core
from .engine import (
    LARGEST_TRAINING,
    baseline_loss,
    check_size,
    check_start,
    divergence,
    needed_bytes,
    part_of,
    plan_of,
)
from .errors import ArgumentError
from .fitting import SLICE, Progress, Watch, fingerprint_of, first_network, settle, without_choice
from .network import Network, Preparation, core_layers, flatten, with_parameters
from .parallel import JOBS
from .preparation import Examples
from .runs import CURVES, Outcome, Run
from .settings import Settings, resolve

OUTCOMES: dict[str, Outcome] = {
    "finished": "finished",
    "stopped_early": "stopped_early",
    "paused": "interrupted",
    "non_finite": "diverged",
    "saturated": "diverged",
}


def train_many(
    examples: Examples | Sequence[Examples],
    settings: Settings | None = None,
    *,
    seeds: Sequence[int] | None = None,
    learning_rates: Sequence[float] | None = None,
    starts: Network | Sequence[Network] | None = None,
    validation: Examples | Sequence[Examples] | None = None,
    preparations: Preparation | Sequence[Preparation] | None = None,
    watch: Watch | None = None,
    threads: int = JOBS,
) -> list[Run]:
    """Train many networks of one shape at once, each on its own examples, from its own seed.

    Each run is what `train_examples` would give but for rounding, and does not depend on the others.
    Networks of more than 16 KiB (4,096 weights in float32) leave no cache to their neighbours: these
    are trained one after another in each thread, as `train_examples` does.
    Whatever is one instead of a sequence is the same for all networks.

    Parameters
    ----------
    examples : Examples, or one for each network
        All with the same number of inputs and of outputs.
    settings : Settings, optional; those of all networks, but for what follows
    seeds : sequence of int, optional; otherwise all have that of the settings
    learning_rates : sequence of float, optional; otherwise all have that of the settings
    starts : Network, or one for each, optional: where to start from
        All of one shape. Otherwise weights are drawn from each network's seed.
    validation : Examples, or one for each, optional
        Kept aside to stop early by; otherwise it is the share that the settings ask for.
    preparations : Preparation, or one for each, optional: what the inputs were made by
    watch : Watch, optional: progress and `about`
        A training of many leaves no checkpoints.
    threads : int, among which the networks are dealt out; no bit depends on it

    Returns
    -------
    list of Run, one for each network
        Where training came to a state from which it cannot learn, the run's `outcome` is "diverged",
        it ends before that state, and ``about["divergence"]`` says why; the others go on.

    Raises
    ------
    ArgumentError
        If settings, examples or starting networks cannot be used, or do not fit together.

    Examples
    --------
    >>> from tinyglass import Examples, Settings, train_many
    >>> pair = Examples([[0.1, 0.8]], [[0.4]])
    >>> wished = Settings(hidden=(), learning_rate=0.1, optimizer="sgd", precision="float64")
    >>> runs = train_many(pair, wished, seeds=range(100))
    >>> len(runs), all(abs(run.network.outputs(pair.X)[0, 0] - 0.4) < 0.1 for run in runs)
    (100, True)
    """
    watch = watch or Watch()
    if watch.checkpoint is not None:
        raise ArgumentError(
            "A training of many networks leaves no checkpoint",
            "watch",
            "Leave `checkpoint` out, or train one by one",
        )
    trainings = _prepare(
        examples, settings or Settings(), seeds, learning_rates, starts, validation, preparations
    )
    if not trainings:
        return []
    module = core.find(trainings[0].settings.core, batch=1)[0]
    many = _make(module, trainings, threads)
    seconds = _drive(many, watch, max(t.settings.n_epochs for t in trainings)) / len(trainings)
    return [_run_of(t, many.result(k), many.isa, watch.about, seconds) for k, t in enumerate(trainings)]


class _Training(NamedTuple):
    """One of the trainings, with every choice made."""

    settings: Settings
    start: Network
    examples: Examples
    validation: Examples | None
    fingerprint: str


# ---------------------------------------------------------------- from arguments to trainings


def _prepare(
    examples: Examples | Sequence[Examples],
    settings: Settings,
    seeds: Sequence[int] | None,
    learning_rates: Sequence[float] | None,
    starts: Network | Sequence[Network] | None,
    validation: Examples | Sequence[Examples] | None,
    preparations: Preparation | Sequence[Preparation] | None,
) -> list[_Training]:
    given = {
        "examples": examples,
        "seeds": settings.seed if seeds is None else seeds,
        "learning_rates": settings.learning_rate if learning_rates is None else learning_rates,
        "starts": starts,
        "validation": validation,
        "preparations": preparations,
    }
    rows = _spread(given)
    for name in ("examples", "validation"):
        _check_tables(rows, name)
    _check_memory(rows, settings)
    settled = _Once(_settle)
    trainings = []
    for row in rows:
        table, aside = row["examples"], row["validation"]
        own = msgspec.structs.replace(settings, seed=row["seeds"], learning_rate=row["learning_rates"])
        own = resolve(own, "regression" if table.classes is None else "classification")
        own = without_choice(own, table.n_examples)
        parted_by = own.seed if own.validation and aside is None else None
        kept, aside, fingerprint = settled((id(table), id(aside), parted_by), table, aside, own)
        start = row["starts"]
        if start is None:
            start = first_network(kept, own, preparation=row["preparations"])
        else:
            check_start(start, kept, own)
        trainings.append(_Training(own, start, kept, aside, fingerprint))
    _check_shapes([training.start for training in trainings])
    return trainings


def _spread(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arguments of each network, where some are given once for all."""
    several = {}
    for name, value in given.items():
        if isinstance(value, np.ndarray):
            several[name] = value.tolist()
        elif isinstance(value, Sequence):
            several[name] = list(value)
    counts = {name: len(values) for name, values in several.items()}
    if len(set(counts.values())) > 1:
        raise ArgumentError(
            "Expected one of each for every network, found "
            + ", ".join(f"{count} {name}" for name, count in counts.items()),
            "the arguments",
            "Give as many of each, or one for all",
        )
    n = next(iter(counts.values()), 1)
    return [{name: several[name][k] if name in several else given[name] for name in given} for k in range(n)]


def _check_tables(rows: Sequence[dict[str, Any]], name: str) -> None:
    """Refuse examples that one shape of network cannot take."""
    for k, row in enumerate(rows):
        table, first = row[name], rows[0]["examples"]
        if table is None:
            continue
        if (table.n_inputs, table.n_outputs) != (first.n_inputs, first.n_outputs):
            raise ArgumentError(
                f"Expected {first.n_inputs} inputs and {first.n_outputs} outputs as for the first network, "
                f"found {table.n_inputs} and {table.n_outputs}",
                f"{name}[{k}]",
                "Train networks of another shape in a call of their own",
            )
        if (table.classes is None) != (first.classes is None):
            raise ArgumentError(
                "Some examples are of classes, others of quantities",
                f"{name}[{k}]",
                "Train them in two calls",
            )


def _settle(
    examples: Examples, validation: Examples | None, settings: Settings
) -> tuple[Examples, Examples | None, str]:
    sizes = (examples.n_inputs, *settings.hidden, examples.n_outputs)
    check_size(sizes, examples.n_examples, settings)
    kept, aside = settle(examples, validation, settings)
    return kept, aside, fingerprint_of(kept, aside)


def _check_shapes(starts: Sequence[Network]) -> None:
    layers = core_layers(starts[0]) if starts else []
    for k, start in enumerate(starts):
        if core_layers(start) != layers:
            raise ArgumentError(
                f"It has layers {core_layers(start)}, the first network {layers}",
                f"starts[{k}]",
                "Train networks of another shape in a call of their own",
            )


def _check_memory(rows: Sequence[dict[str, Any]], settings: Settings) -> None:
    """Refuse networks that would together need more memory than `LARGEST_TRAINING`, before making them."""
    if not rows:
        return
    table, start = rows[0]["examples"], rows[0]["starts"]
    sizes = (table.n_inputs, *settings.hidden, table.n_outputs) if start is None else start.sizes
    needed = len(rows) * needed_bytes(sizes, 0, settings)
    if needed > LARGEST_TRAINING:
        raise ArgumentError(
            f"{len(rows)} networks of {'-'.join(map(str, sizes))} need {needed / 2**30:,.1f} GiB to train "
            f"at once, and at most {LARGEST_TRAINING / 2**30:g} GiB are used",
            "the arguments",
            "Train them in several calls",
        )


class _Once:
    """A function that is not asked twice for the same key."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.found: dict[Any, Any] = {}

    def __call__(self, key: Any, *arguments: Any) -> Any:
        if key not in self.found:
            self.found[key] = self.function(*arguments)
        return self.found[key]


# ---------------------------------------------------------------- the core


def _make(module: Any, trainings: Sequence[_Training], threads: int) -> Any:
    """Return the core's trainer of many, ready to run."""
    settings, start = trainings[0].settings, trainings[0].start
    kind = module.ManyFloat32 if settings.precision == "float32" else module.ManyFloat64
    sizes, dtype = (start.n_inputs, start.n_outputs), np.dtype(settings.precision)
    part, baseline = _Once(part_of), _Once(baseline_loss)
    return kind(
        core_layers(start),
        plan_of(settings) | {"baseline": np.inf},
        [t.settings.seed for t in trainings],
        np.array([t.settings.learning_rate for t in trainings], np.float64),
        np.array([t.settings.n_epochs for t in trainings], np.int64),
        np.array([baseline(id(t.examples), t.examples, t.settings) for t in trainings], np.float64),
        [part(id(t.examples), t.examples, sizes, dtype) for t in trainings],
        [part(id(t.validation), t.validation, sizes, dtype) for t in trainings],
        np.stack([flatten(t.start) for t in trainings]).astype(dtype),
        threads,
    )


def _drive(many: Any, watch: Watch, epochs: int) -> float:
    """Let the core train, slice by slice; return the seconds it took."""
    began = time.perf_counter()

    def tell() -> Any:
        return watch.progress and watch.progress(Progress(many.share_done * epochs, epochs, np.nan))

    over = False
    try:
        while not over and not tell():
            over = many.run(SLICE)
    except KeyboardInterrupt:
        pass
    watch.interrupted = not over
    if not over:
        many.stop()
    else:
        tell()
    return time.perf_counter() - began


def _run_of(
    training: _Training, result: dict[str, Any], isa: str, about: dict[str, Any], seconds: float
) -> Run:
    run = Run(
        settings=msgspec.structs.replace(training.settings, core=f"{isa}-{result['kernel']}"),
        initial=training.start,
        network=with_parameters(training.start, result["parameters"]),
        **{name: result[name] for name in CURVES},
        best_epoch=result["best_epoch"],
        updates=result["updates"],
        outcome=OUTCOMES[result["status"]],
        fingerprint=training.fingerprint,
        seconds=seconds,
        about=dict(about),
        examples=training.examples,
        validation=training.validation,
    )
    if run.outcome != "diverged":
        return run
    error = divergence(result["status"], result["trouble"], run, None)
    return replace(run, about=run.about | {"divergence": str(error)})
