"""Many networks trained at once: where they have one shape, the core gives each a lane of its vectors.

A network does not notice the others: it gets the same bits whoever they are, and however many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from . import core
from .engine import (
    LARGEST_TRAINING,
    baseline_loss,
    batches_of,
    check_size,
    check_start,
    divergence,
    needed_bytes,
    part_of,
    plan_of,
)
from .errors import ArgumentError
from .fitting import SLICE, Progress, Watch, fingerprint_of, first_network, run_of, settle, without_choice
from .network import Network, Preparation, core_layers, flatten
from .preparation import Examples
from .runs import Run
from .settings import Settings, resolve

KEPT = 4  # as large a part of what a network needs in training is kept after it
ORDER = 4  # bytes an example, of the order in which a network is shown them
OWN = ("seed", "rate", "epochs", "baseline")
"""What each network of a group has for itself, of what the core is told about a training."""


def train_many(
    examples: Examples | Sequence[Examples],
    settings: Settings | Sequence[Settings] | None = None,
    *,
    seeds: Sequence[int] | None = None,
    learning_rates: Sequence[float] | None = None,
    starts: Network | Sequence[Network] | None = None,
    validation: Examples | Sequence[Examples | None] | None = None,
    preparations: Preparation | Sequence[Preparation] | None = None,
    watch: Watch | None = None,
    threads: int | None = None,
) -> list[Run]:
    """Train many networks at once, each on its own examples, from its own seed, at its own learning rate.

    Each run is what `train_examples` would give but for rounding, and does not depend on the others.
    Networks of one shape, whose settings differ in nothing but seed, learning rate and number of epochs,
    learn side by side in the lanes of the core's vectors, up to 4,096 weights divided by the batch size
    (or by 16, if that is larger). Larger ones are not faster together: they are trained one after another
    in each thread, as `train_examples` does it.

    Parameters
    ----------
    examples : Examples, or one for each network
    settings : Settings, or one for each network, optional
    seeds : sequence of int, optional; otherwise those of the settings
    learning_rates : sequence of float, optional; otherwise those of the settings
    starts : Network, or one for each, optional: where to start from
        Otherwise weights are drawn from each network's seed.
    validation : Examples, or one for each, optional
        Kept aside to stop early by; otherwise it is the share that the settings ask for.
    preparations : Preparation, or one for each, optional: what the inputs were made by
    watch : Watch, optional: progress and `about`
        A training of many leaves no checkpoints.
    threads : int, optional, among which the networks are dealt out; no bit depends on it
        Otherwise as many as large products use: `tinyglass.core.set_threads`.

    Returns
    -------
    list of Run, one for each network
        Where training came to a state from which it cannot learn, the run's `outcome` is "diverged",
        it ends before that state, and ``about["divergence"]`` says why; the others go on.

    Raises
    ------
    ArgumentError
        If settings, examples or starting networks cannot be used, or there are not as many of each.

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
    given = {
        "examples": examples,
        "settings": settings or Settings(),
        "seeds": seeds,
        "learning_rates": learning_rates,
        "starts": starts,
        "validation": validation,
        "preparations": preparations,
    }
    trainings = _prepare(list(_spread(given)))
    groups: dict[Any, list[int]] = {}
    for k, training in enumerate(trainings):
        groups.setdefault(training.kind, []).append(k)
    told = _Told(watch, trainings)
    runs: dict[int, Run] = {}
    for group in groups.values():
        for portion in _in_portions(trainings, group):
            runs |= zip(portion, _train_group([trainings[k] for k in portion], threads, told), strict=True)
    if trainings and not watch.interrupted:
        told(0.0, 0.0)
    return [runs[k] for k in range(len(trainings))]


class _Training(NamedTuple):
    """One of the trainings, with every choice made."""

    settings: Settings
    start: Network
    examples: Examples
    validation: Examples | None
    fingerprint: str
    module: Any  # the compiled core
    kernel: str  # or empty for the one that suits
    plan: dict[str, Any]

    @property
    def kind(self) -> Any:
        """What those have in common that learn side by side."""
        shared = tuple(value for name, value in self.plan.items() if name not in OWN)
        return self.module.isa, self.kernel, self.settings.precision, tuple(core_layers(self.start)), shared

    @property
    def work(self) -> float:
        """Multiplications of an epoch, roughly, times epochs."""
        weights = sum(layer.weights.size for layer in self.start.layers)
        return float(self.examples.n_examples) * weights * self.settings.n_epochs


# ---------------------------------------------------------------- from arguments to trainings


def _spread(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each network, where some are given once for all."""
    several = {
        name: value.tolist() if isinstance(value, np.ndarray) else list(value)
        for name, value in given.items()
        if isinstance(value, Sequence | np.ndarray)
    }
    counts = {name: len(values) for name, values in several.items()}
    if len(set(counts.values())) > 1:
        raise ArgumentError(
            "Expected one of each for every network, found "
            + ", ".join(f"{count} {name}" for name, count in counts.items()),
            "the arguments",
            "Give as many of each, or one for all",
        )
    for k in range(next(iter(counts.values()), 1)):
        yield {name: several[name][k] if name in several else value for name, value in given.items()}


def _prepare(rows: Sequence[dict[str, Any]]) -> list[_Training]:
    _check_memory(rows)
    resolved, settled = _Once(_resolved), _Once(_settled)
    trainings = []
    for row in rows:
        table, aside, start = row["examples"], row["validation"], row["starts"]
        own = (row["seeds"], row["learning_rates"])
        settings = resolved((id(row["settings"]), *own, table.classes is None), row["settings"], *own, table)
        settings = without_choice(settings, table.n_examples)
        parted_by = settings.seed if settings.validation and aside is None else None
        key = (id(table), id(aside), id(row["settings"]), parted_by)
        kept, aside, fingerprint, baseline = settled(key, table, aside, settings)
        if start is None:
            start = first_network(kept, settings, preparation=row["preparations"])
        else:
            check_start(start, kept, settings)
        module, kernel = core.find(settings.core, batches_of(settings, kept.n_examples)[0])
        plan = plan_of(settings) | {"baseline": baseline}
        trainings.append(_Training(settings, start, kept, aside, fingerprint, module, kernel, plan))
    return trainings


def _check_memory(rows: Sequence[dict[str, Any]]) -> None:
    """Refuse networks of which even the starts and the results would need too much memory."""
    whole = 0
    tables: set[int] = set()
    for row in rows:
        table, settings, start = row["examples"], row["settings"], row["starts"]
        sizes = start.sizes if start else (table.n_inputs, *settings.hidden, table.n_outputs)
        check_size(sizes, table.n_examples, settings)  # of a file too: lanes want a table of their own
        whole += needed_bytes(sizes, 0, settings) // KEPT + ORDER * table.n_examples
        if id(table) not in tables:
            whole += table.X.size * np.dtype(settings.precision).itemsize
            tables.add(id(table))
        if whole > LARGEST_TRAINING:
            raise ArgumentError(
                f"{len(rows)} networks like {'-'.join(map(str, sizes))} need more than the "
                f"{LARGEST_TRAINING / 2**30:g} GiB that are used to train at once",
                "the arguments",
                "Train them in several calls",
            )


def _in_portions(trainings: Sequence[_Training], group: Sequence[int]) -> Iterator[list[int]]:
    """Yield parts of a group that need no more than `LARGEST_TRAINING` while they are trained."""
    portion: list[int] = []
    whole = 0
    for k in group:
        needed = needed_bytes(trainings[k].start.sizes, 0, trainings[k].settings)
        if portion and whole + needed > LARGEST_TRAINING:
            yield portion
            portion, whole = [], 0
        portion.append(k)
        whole += needed
    yield portion


def _resolved(settings: Settings, seed: int | None, rate: float | None, table: Examples) -> Settings:
    own = {"seed": seed, "learning_rate": rate}
    own = {name: value for name, value in own.items() if value is not None}
    settings = msgspec.structs.replace(settings, **own) if own else settings
    return resolve(settings, "regression" if table.classes is None else "classification")


def _settled(
    table: Examples, aside: Examples | None, settings: Settings
) -> tuple[Examples, Examples | None, str, float]:
    kept, aside = settle(table, aside, settings)
    return kept, aside, fingerprint_of(kept, aside), baseline_loss(kept, settings)


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


class _Told:
    """Who is told how far all the groups are, one of which trains after another."""

    def __init__(self, watch: Watch, trainings: Sequence[_Training]) -> None:
        self.watch = watch
        self.epochs = max((t.settings.n_epochs for t in trainings), default=1)
        self.whole = sum(t.work for t in trainings)
        self.done = 0.0

    def __call__(self, share: float, work: float) -> bool:
        """Tell what share of so much work is done besides what was done before; return whether to end."""
        if self.watch.progress is None:
            return False
        epoch = (self.done + share * work) / self.whole * self.epochs
        return bool(self.watch.progress(Progress(min(epoch, self.epochs), self.epochs, np.nan)))


def _train_group(trainings: Sequence[_Training], threads: int | None, told: _Told) -> list[Run]:
    """Train networks that have one shape, slice by slice."""
    many, work = _make(trainings, threads), sum(t.work for t in trainings)
    began = time.perf_counter()
    over = False
    try:
        while not (over or told.watch.interrupted or told(many.share_done, work)):
            over = many.run(SLICE)
    except KeyboardInterrupt:
        pass
    if not over:
        told.watch.interrupted = True
        many.stop()
    told.done += work
    seconds = (time.perf_counter() - began) / len(trainings)
    return [_run_of(t, many.result(k), told.watch.about, seconds) for k, t in enumerate(trainings)]


def _make(trainings: Sequence[_Training], threads: int | None) -> Any:
    """Return the core's trainer of many, ready to run."""
    settings, start, module, plan = (
        trainings[0].settings,
        trainings[0].start,
        trainings[0].module,
        trainings[0].plan,
    )
    kind = module.ManyFloat32 if settings.precision == "float32" else module.ManyFloat64
    sizes, dtype = (start.n_inputs, start.n_outputs), np.dtype(settings.precision)
    part = _Once(part_of)
    return kind(
        core_layers(start),
        plan,
        [t.plan["seed"] for t in trainings],
        np.array([t.plan["rate"] for t in trainings], np.float64),
        np.array([t.plan["epochs"] for t in trainings], np.int64),
        np.array([t.plan["baseline"] for t in trainings], np.float64),
        [part(id(t.examples), t.examples, sizes, dtype) for t in trainings],
        [part(id(t.validation), t.validation, sizes, dtype) for t in trainings],
        np.stack([flatten(t.start) for t in trainings]).astype(dtype),
        trainings[0].kernel,
        core.compiled.threads() if threads is None else threads,
    )


def _run_of(training: _Training, result: dict[str, Any], about: dict[str, Any], seconds: float) -> Run:
    run = run_of(
        result,
        training.start,
        settings=msgspec.structs.replace(training.settings, core=f"{training.module.isa}-{result['kernel']}"),
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
