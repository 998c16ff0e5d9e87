"""What the checks measure of a run: its loss, gradients and signals at moments of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import numpy as np

from ..engine import baseline_loss, batches_of, loss_and_gradient, make_trainer, order_of, track
from ..evaluation import Score
from ..explain.replay import restore
from ..network import Network, weight_name, with_parameters
from ..preparation import Examples
from ..recordings import Recording
from ..runs import Run
from ..settings import Settings
from ..training import parted
from ..units import same_units

MOMENTS = 60  # of a training, at which its loss is measured
MOST_WORK = 3 * 10**8  # examples · weights · moments; beyond it every k-th example is measured
PROBED = 500  # examples whose signals are looked at
SLICE = 0.04  # seconds in the core between two looks at Ctrl-C


@dataclass(frozen=True, eq=False)
class Case:
    """A run, what it was trained on, and what is measured of it, each once.

    Attributes
    ----------
    run : Run
    examples, validation : Examples, as the core had them; `validation` may be None
    recordings : sequence of Recording, or None where the run was trained on a table
    score : Score or None, of recordings that were left out
    tested : sequence of Recording, or None: the test part
    parts : lists of Recording, or None: what trained and what was kept aside, where `recordings` do not say it
    """

    run: Run
    examples: Examples
    validation: Examples | None
    recordings: Sequence[Recording] | None = None
    score: Score | None = None
    tested: Sequence[Recording] | None = None
    parts: tuple[list[Recording], list[Recording]] | None = None

    @cached_property
    def sources(self) -> tuple[list[Recording], list[Recording]]:
        """What trained, and what was kept aside, as recordings: the rows of a table are one each."""
        if self.parts is not None:
            return self.parts
        if self.recordings is not None:
            return parted(same_units(self.recordings)[0], self.settings)
        return rows_of(self.examples), [] if self.validation is None else rows_of(self.validation)

    @property
    def has_recordings(self) -> bool:
        """Whether it was trained on recordings, and not on a table."""
        return self.recordings is not None or self.parts is not None

    @cached_property
    def firsts(self) -> np.ndarray:
        """The first example of every group: a recording itself, before its altered copies."""
        return firsts_of(self.examples)

    def example_of(self, source: int) -> int | None:
        """Return the number, from 1, of the first example of a recording or row of `sources`."""
        if not self.has_recordings:
            return int(self.firsts[source]) + 1
        own = np.flatnonzero(self.examples.groups == source)
        return int(own[0]) + 1 if len(own) else None

    @property
    def settings(self) -> Settings:
        return self.run.settings

    @property
    def batch(self) -> int:
        """Examples that one update sees."""
        return batches_of(self.settings, self.examples.n_examples)[0]

    @property
    def steps(self) -> int:
        """Updates of an epoch."""
        return batches_of(self.settings, self.examples.n_examples)[1]

    def place_of(self, updates: int) -> tuple[int, int]:
        """Return epoch and step, from 1, of the update that follows so many."""
        return updates // self.steps + 1, updates % self.steps + 1

    def batch_of(self, updates: int) -> Examples:
        """Return the examples that the update following so many sees."""
        epoch, step = self.place_of(updates)
        order = order_of(self.settings, self.examples.n_examples, epoch - 1)
        return self.examples.take(order[(step - 1) * self.batch : step * self.batch])

    @property
    def largest_input(self) -> float:
        """The largest number, by its size, that the network is shown."""
        return float(np.abs(self.examples.X).max())

    @property
    def scaling(self) -> dict[str, Any]:
        """The setting that scales the inputs, where a preparation can do it and does not yet."""
        prepared = self.run.network.preparation is not None and self.has_recordings
        return {"scale": "standard"} if prepared and self.settings.scale != "standard" else {}

    # ------------------------------------------------------------ moments

    @cached_property
    def moments(self) -> np.ndarray:
        """Numbers of updates, from 0 to the end; denser at the beginning."""
        last = self.run.updates
        even = np.linspace(0, last, MOMENTS // 2)
        early = np.geomspace(1, max(last, 1), MOMENTS // 2)
        return np.unique(np.minimum(np.concatenate([even, early]), last).astype(int))

    @cached_property
    def history(self) -> np.ndarray:
        """The parameters at the moments, (n_moments, n_parameters)."""
        return self.parameters_at(self.moments)

    def parameters_at(self, moments: np.ndarray) -> np.ndarray:
        """Return the parameters after so many updates, replayed in one pass."""
        return track(self.run.initial, self.examples, self.validation, self.settings, moments.tolist())

    def network_at(self, parameters: np.ndarray) -> Network:
        return with_parameters(self.run.network, parameters)

    @cached_property
    def last(self) -> Network:
        """The network after the last update, which is not the best one where there is a validation part."""
        return self.network_at(self.history[-1])

    # ------------------------------------------------------------ loss

    @cached_property
    def measured(self) -> Examples:
        """The examples on which the loss is measured: all, or every k-th of many."""
        work = self.examples.n_examples * self.run.network.n_weights * len(self.moments)
        return thinned(self.examples, self.examples.n_examples * MOST_WORK // max(work, MOST_WORK))

    @cached_property
    def losses(self) -> np.ndarray:
        """The mean loss, without penalty, of all examples at the moments."""
        return np.array([self.loss_at(parameters) for parameters in self.history])

    def loss_at(self, parameters: np.ndarray) -> float:
        """Return the mean loss, without penalty, of all examples."""
        plain = msgspec.structs.replace(self.settings, l2=0.0)
        return loss_and_gradient(self.network_at(parameters), self.measured, plain)[0]

    @cached_property
    def baseline(self) -> float:
        """The loss of the best constant answer."""
        return baseline_loss(self.examples, self.settings)

    @cached_property
    def reference(self) -> float:
        """What a loss is compared with: the smaller of the best constant answer's and that of the start."""
        start = self.losses[0] if np.isfinite(self.losses[0]) else np.inf
        return float(min(self.baseline, start))

    @cached_property
    def right(self) -> np.ndarray | None:
        """Which examples are answered rightly after the last update; None for quantities."""
        if self.examples.classes is None:
            return None
        outputs = self.last.outputs(self.examples.X)
        return np.asarray(outputs.argmax(axis=1) == self.examples.Y.argmax(axis=1))

    # ------------------------------------------------------------ signals

    @cached_property
    def probed(self) -> Examples:
        """Some of the examples, for what takes long."""
        return thinned(self.examples, PROBED)

    @lru_cache(maxsize=256)  # noqa: B019 (a case lives as long as its checks)
    def signals(self, moment: int) -> list[np.ndarray]:
        """Return the outputs of every layer for the probed examples at a moment (its place, −1 the last)."""
        network = self.network_at(self.history[moment])
        return [
            Network(network.layers[: l + 1]).outputs(self.probed.X).astype(np.float64)
            for l in range(len(network.layers))
        ]

    def neuron(self, layer: int, number: int) -> str:
        """Return the name of a neuron, such as ``hidden[3]``."""
        return f"{self.run.network.layer_names[layer]}[{number}]"

    def weight(self, index: int) -> str:
        """Return the name of the parameter that the core counts as `index`."""
        for number, layer in enumerate(self.run.network.layers):
            if index < layer.weights.size:
                return weight_name(
                    self.run.network, number, index % layer.n_outputs, index // layer.n_outputs
                )
            index -= layer.weights.size
            if layer.bias is not None:
                if index < layer.n_outputs:
                    return weight_name(self.run.network, number, index, -1)
                index -= layer.n_outputs
        raise IndexError(index)

    @cached_property
    def ending(self) -> tuple[str, dict[str, Any]]:
        """How a training that diverged came to its end, and what the core found: "non_finite" or "saturated"."""
        trainer = make_trainer(self.run.initial, self.examples, self.validation, self.settings)
        status = "paused"
        while status == "paused":
            status = trainer.run(SLICE)
        return status, trainer.trouble

    def calls(self, example: int) -> str:
        """Return what example `example` (from 1) is called."""
        name = f"example {example}"
        return f"{name} ({self.examples.names[example - 1]})" if self.examples.names else name


def open_case(
    run: Run,
    recordings: Sequence[Recording] | Examples | None,
    score: Score | None = None,
    tested: Sequence[Recording] | None = None,
) -> Case:
    """Return the case of a run; see `tinyglass.explain.replay.restore` for what is refused."""
    examples, validation = restore(run, recordings)
    of_recordings = None if isinstance(recordings, Examples) else recordings
    return Case(run, examples, validation, of_recordings, score, tested)


def firsts_of(examples: Examples) -> np.ndarray:
    """Return the places of the first example of every group."""
    return np.sort(np.unique(examples.groups, return_index=True)[1])


def rows_of(examples: Examples) -> list[Recording]:
    """Return the first example of every group as a recording of one reading."""
    classes = examples.classes

    def label(place: int) -> str:
        y = examples.Y[place]
        return str(y[0]) if classes is None else str(classes[int(y.argmax())])

    return [
        Recording(
            examples.X[place].astype(np.float64)[None],
            label=label(place),
            source=examples.names[place] if examples.names else f"example {place + 1}",
        )
        for place in firsts_of(examples).tolist()
    ]


def thinned(examples: Examples, most: int) -> Examples:
    """Return every k-th example, so that at most about so many are left."""
    step = max(1, -(-examples.n_examples // max(most, 1)))
    return examples if step == 1 else examples.take(np.arange(0, examples.n_examples, step))


def text_of(value: Any, digits: int = 4) -> str:
    """Return a number as a sentence has it.

    Examples
    --------
    >>> text_of(3.076923), text_of(0.5), text_of(12)
    ('3.077', '0.5', '12')
    """
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
