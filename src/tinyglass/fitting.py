"""Examples and settings become a run: the core is driven, watched, stopped and saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .engine import (
    LARGEST_TRAINING,
    check_size,
    check_start,
    check_targets,
    divergence,
    find_learning_rate,
    make_trainer,
)
from .errors import ArgumentError
from .network import Network, start_network, with_parameters
from .preparation import Examples, balanced_class_weights, class_weights
from .runs import CURVES, Outcome, Run, restore_checkpoint, write_checkpoint
from .settings import Settings, count_epochs, resolve

SLICE = 0.04  # seconds in the core between two looks at progress, Ctrl-C and the checkpoint
CHECKPOINT_EVERY = 1.0  # seconds, at least
CHECKPOINT_REST = 100  # times as long as writing one took: it costs at most 1 %


class Progress(NamedTuple):
    """How far a training is.

    Attributes
    ----------
    epoch : float, epochs made, of `epochs`
    epochs : int
    loss : float, of the last whole epoch; NaN before
    stage : "choosing" (then `epoch` is the share that is done, of 1) or "training"
    """

    epoch: float
    epochs: int
    loss: float
    stage: str = "training"


@dataclass
class Watch:
    """Who is told about a training, and where its checkpoints go.

    Attributes
    ----------
    progress : function of `Progress`, called at least every 50 ms; if it returns True, training ends and
        keeps what was reached. While inputs are still being chosen nothing is: ``KeyboardInterrupt`` is raised
    checkpoint : path of the checkpoint, or None
    resume : whether to continue from that checkpoint
    about : dict, kept in the checkpoint and the run
    advise : bool; if training diverges, whether to look for a learning rate that converges
    interrupted : bool, set where Ctrl-C or `progress` ended the training
    """

    progress: Callable[[Progress], Any] | None = None
    checkpoint: Path | None = None
    resume: bool = False
    about: dict[str, Any] = field(default_factory=dict)
    advise: bool = True
    interrupted: bool = field(default=False, init=False)


@contextmanager
def whole_or_not_at_all(tell: Callable[[float], Any]) -> Iterator[Watch]:
    """Yield a watch that tells the share done; if the training under it is interrupted, so is what asked for it.

    Parameters
    ----------
    tell : function of the share that is done; if it returns True, ``KeyboardInterrupt`` is raised at the end
    """
    watch = Watch(lambda p: tell(p.epoch / p.epochs))
    yield watch
    if watch.interrupted:
        raise KeyboardInterrupt


def train_examples(
    examples: Examples,
    settings: Settings | None = None,
    *,
    validation: Examples | None = None,
    start: Network | None = None,
    watch: Watch | None = None,
    **meaning: Any,
) -> Run:
    """Train a network on a table of examples.

    Parameters
    ----------
    examples : Examples
    settings : Settings, optional
        Its ``validation`` share is taken from the examples unless `validation` is given.
    validation : Examples, optional
        Kept aside to stop early by.
    start : Network, optional
        Where to start from; otherwise weights are drawn from the seed.
    watch : Watch, optional
    **meaning : input_names, preparation of `Network`

    Returns
    -------
    Run

    Examples
    --------
    >>> from tinyglass import Examples, Settings, train_examples
    >>> pair = Examples([[0.1, 0.8]], [[0.4]])
    >>> run = train_examples(pair, Settings(hidden=(), learning_rate=0.1, optimizer="sgd", precision="float64"))
    >>> bool(abs(run.network.outputs(pair.X)[0, 0] - 0.4) < 0.1)
    True
    """
    watch = watch or Watch()
    settings = resolve(settings or Settings(), "regression" if examples.classes is None else "classification")
    settings = without_choice(settings, examples.n_examples)
    sizes = (examples.n_inputs, *settings.hidden, examples.n_outputs)
    check_size(sizes, examples.n_examples, settings, in_file=isinstance(examples.X, np.memmap))
    examples, validation = settle(examples, validation, settings)
    fingerprint = fingerprint_of(examples, validation)
    if start is not None:
        check_start(start, examples, settings)
    else:
        start = first_network(examples, settings, **meaning)
    trainer = make_trainer(start, examples, validation, settings)
    settings = msgspec.structs.replace(settings, core=f"{trainer.isa}-{trainer.kernel}")
    before = 0.0
    if watch.resume and watch.checkpoint is not None:
        before = restore_checkpoint(watch.checkpoint, trainer, settings, fingerprint)
    seconds = _drive(trainer, settings, fingerprint, watch, before)
    result = trainer.result()
    run = run_of(
        result,
        start,
        settings=settings,
        fingerprint=fingerprint,
        seconds=seconds,
        about=watch.about,
        examples=examples,
        validation=validation,
    )
    watch.interrupted = run.outcome == "interrupted"
    if run.outcome == "diverged":
        advise = partial(find_learning_rate, start, examples, validation, settings) if watch.advise else None
        raise divergence(result["status"], result["trouble"], run, advise)
    return run


def first_network(examples: Examples, settings: Settings, **meaning: Any) -> Network:
    """Return the network that a training starts from, drawn from the seed.

    Parameters
    ----------
    examples : Examples
    settings : Settings, resolved
    **meaning : input_names, preparation of `Network`
    """
    return start_network(
        (examples.n_inputs, *settings.hidden, examples.n_outputs),
        [settings.activation] * len(settings.hidden) + [settings.output],
        bias=settings.bias,
        start=settings.start,
        start_range=settings.start_range,
        seed=settings.seed,
        dtype=settings.precision,
        classes=examples.classes,
        threshold=settings.threshold,
        temperature=settings.temperature,
        **meaning,
    )


def settle(
    examples: Examples, validation: Examples | None, settings: Settings
) -> tuple[Examples, Examples | None]:
    """Return the examples as the core is given them: weighted, and some kept aside where that is asked for.

    Raises
    ------
    ArgumentError
        If the loss is not defined for an expected output, a weight cannot be used, or the parts differ in
        their inputs or outputs.
    """
    if validation is not None and _answers(validation) != _answers(examples):
        raise ArgumentError(
            "The examples have {} inputs, {} outputs and classes {}; those kept aside {}, {} and {}".format(
                *_answers(examples), *_answers(validation)
            ),
            "validation",
            "Keep examples of the same kind aside",
        )
    for part in (examples, validation):
        if part is not None:
            check_targets(part, settings)
    examples, validation = _weigh(examples, validation, settings)
    if validation is None and settings.validation:
        kept, aside = validation_split(examples.groups, examples.Y.argmax(axis=1), settings)
        examples, validation = _part_of(examples, kept), _part_of(examples, aside)
    return _of_mean_weight_one(examples), validation


def _part_of(examples: Examples, which: np.ndarray) -> Examples:
    """Return some of the examples, unless that is a copy of a file that is too large for it."""
    needed = len(which) * (examples.n_inputs + examples.n_outputs) * examples.X.itemsize
    if isinstance(examples.X, np.memmap) and needed > LARGEST_TRAINING:
        raise ArgumentError(
            f"To leave some of the examples out, the others would be copied from the file: {needed / 2**30:,.1f} "
            f"GiB, and at most {LARGEST_TRAINING / 2**30:g} GiB are used",
            "the examples",
            "Give those to be kept aside as `validation`, from a file of their own, and write a file without "
            "examples of weight 0",
        )
    return examples.take(which)


def _answers(examples: Examples) -> tuple[int, int, tuple[str, ...] | None]:
    return examples.n_inputs, examples.n_outputs, examples.classes


def fingerprint_of(examples: Examples, validation: Examples | None) -> str:
    """Return what tells these examples from all others; see `Examples.fingerprint`."""
    return examples.fingerprint() + (validation.fingerprint() if validation else "")


def without_choice(settings: Settings, n_examples: int) -> Settings:
    """Decide what a table of examples decides; whatever is chosen by validation is chosen before."""
    usual: dict[str, Any] = {"inputs": ("raw",), "augment": (), "threshold": 0.0, "temperature": 1.0}
    decided = {name: value for name, value in usual.items() if getattr(settings, name) == "auto"}
    return msgspec.structs.replace(settings, epochs=count_epochs(settings, n_examples), **decided)


def _drive(trainer: Any, settings: Settings, fingerprint: str, watch: Watch, before: float) -> float:
    """Let the core train, slice by slice; return the seconds it took."""
    began = time.perf_counter() - before
    due = 0.0  # so that there is a checkpoint from the start
    status, n_examples = "paused", trainer.n_examples
    try:
        while status == "paused":
            now = time.perf_counter()
            if watch.checkpoint is not None and now >= due:
                write_checkpoint(watch.checkpoint, trainer, settings, fingerprint, now - began, watch.about)
                due = now + max(CHECKPOINT_EVERY, CHECKPOINT_REST * (time.perf_counter() - now))
            if watch.progress is not None and watch.progress(
                Progress(trainer.epoch + trainer.position / n_examples, settings.n_epochs, trainer.last_loss)
            ):
                break
            status = trainer.run(SLICE)
    except KeyboardInterrupt:
        pass
    seconds = time.perf_counter() - began
    if watch.checkpoint is not None:
        write_checkpoint(watch.checkpoint, trainer, settings, fingerprint, seconds, watch.about)
    if watch.progress is not None and status in ("finished", "stopped_early"):
        watch.progress(Progress(trainer.epoch, settings.n_epochs, trainer.last_loss))
    return seconds


OUTCOMES: dict[str, Outcome] = {
    "finished": "finished",
    "stopped_early": "stopped_early",
    "paused": "interrupted",
    "non_finite": "diverged",
    "saturated": "diverged",
}


def run_of(result: dict[str, Any], start: Network, **known: Any) -> Run:
    """Return the run that the core tells the result of.

    Parameters
    ----------
    result : dict, of the core's trainer
    start : Network, that the training started from
    **known : what else a `Run` holds
    """
    return Run(
        initial=start,
        network=with_parameters(start, result["parameters"]),
        **{name: result[name] for name in (*CURVES, "best_epoch", "updates")},
        outcome=OUTCOMES[result["status"]],
        **known,
    )


def _weigh(
    examples: Examples, validation: Examples | None, settings: Settings
) -> tuple[Examples, Examples | None]:
    """Multiply in the class weights, and leave out what counts nothing."""
    wish = settings.class_weight
    if wish != "none" and examples.classes is None:
        raise ArgumentError(
            "Regression has no classes to weight", "--class-weight", "Use --class-weight none"
        )
    if wish == "balanced" and examples.classes is not None:
        wish = balanced_class_weights(examples.Y, examples.classes, examples.weight)

    def weighed(part: Examples) -> Examples:
        weight = part.weight
        if wish != "none":
            by_class = class_weights(part.Y, part.classes or (), wish)
            weight = by_class if weight is None else weight * by_class
        if weight is None:
            return part
        if (weight < 0).any():
            raise ArgumentError(
                "A weight is negative",
                f"the weight of example {int(np.argmax(weight < 0))}",
                "Give weights of 0 or more",
            )
        counts = np.flatnonzero(weight)
        if len(counts) == 0:
            raise ArgumentError("Every example has weight 0", "the weights", "Give an example a weight")
        part = replace(part, weight=weight)
        return part if len(counts) == len(weight) else _part_of(part, counts)

    return weighed(examples), None if validation is None else weighed(validation)


def _of_mean_weight_one(examples: Examples) -> Examples:
    if examples.weight is None:
        return examples
    weight = examples.weight / examples.weight.mean()
    return replace(examples, weight=None if np.allclose(weight, 1, rtol=1e-12, atol=0) else weight)


def validation_split(
    groups: np.ndarray, labels: np.ndarray, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """Return which examples train and which are kept aside to stop early by.

    For classes, each gives its share; a group never stands on both sides.

    Returns
    -------
    kept, aside : int arrays of places; `aside` is empty where ``settings.validation`` is 0

    Raises
    ------
    ArgumentError
        If there are too few examples to keep any aside.
    """
    everything = np.arange(len(groups))
    if not settings.validation:
        return everything, everything[:0]
    random = np.random.default_rng([settings.seed, 1])
    strata = labels if settings.task != "regression" else np.zeros(len(labels))
    chosen: list[Any] = []
    for label in np.unique(strata):
        members = np.unique(groups[strata == label])
        wanted = round(settings.validation * len(members))
        chosen += random.permutation(members)[: min(wanted, len(members) - 1)].tolist()
    aside = np.isin(groups, chosen)
    if not chosen or aside.all():
        raise ArgumentError(
            f"A share of {settings.validation:g} of {len(np.unique(groups))} recordings leaves none to keep aside",
            "--validation",
            "Use more recordings, a larger share, or --validation 0",
        )
    return everything[~aside], everything[aside]
