"""tinyglass as a contestant, through its public door; and what its core tells about itself."""

from __future__ import annotations

import importlib
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

import tinyglass
from tinyglass import Examples, Layer, Network, Settings, train_examples

from .cells import RATE, Cell, Parameters, start_weights
from .contestant import Contestant, ManyTrainer, Trainer

NAME = "tinyglass"
ONE_THREAD = "tinyglass, 1 thread"


def core() -> ModuleType | None:
    """Return the module that governs the compiled core, if this tinyglass has it."""
    try:
        return importlib.import_module("tinyglass.core")
    except ImportError:
        return None


def ask_core(name: str, *arguments: Any) -> Any:
    """Return what a function of `core` answers, or None where there is none."""
    function = getattr(core(), name, None)
    return None if function is None else function(*arguments)


THREADS = getattr(getattr(core(), "compiled", None), "threads", lambda: 1)()
"""How many threads the core uses as a user finds it."""


def examples_of(cell: Cell) -> Examples:
    return Examples(cell.X, cell.Y, tuple(map(str, range(cell.sizes[-1]))))


def network_of(cell: Cell) -> Network:
    """Return the cell's starting network."""
    activations = ["sigmoid"] * (len(cell.sizes) - 2) + ["softmax"]
    layers = [Layer(w.T, b, a) for (w, b), a in zip(cell.start, activations, strict=True)]
    return Network(tuple(layers), classes=tuple(map(str, range(cell.sizes[-1]))))


def parameters_of(network: Network) -> Parameters:
    return [(layer.weights.T, layer.bias) for layer in network.layers]


def settings_of(cell: Cell, epochs: int) -> Settings:
    return Settings(
        hidden=cell.sizes[1:-1],
        activation="sigmoid",
        optimizer="sgd",
        learning_rate=cell.rate,
        schedule="constant",
        l2=0.0,
        batch=cell.batch,
        epochs=epochs,
        shuffle=False,
    )


def start_tinyglass(cell: Cell, threads: int | None = None) -> Trainer:
    """Train with `train_examples`; each call begins at the start again."""
    examples, start = examples_of(cell), network_of(cell)
    runs: list[Any] = []

    def train(epochs: int) -> float:
        if threads is not None:
            ask_core("set_threads", threads)
        runs[:] = [train_examples(examples, settings_of(cell, epochs), start=start)]
        return runs[0].seconds

    return Trainer(train, lambda: parameters_of(runs[0].network))


def find_ours() -> list[Contestant]:
    """Return tinyglass as a user gets it and, where its threads can be set, on one thread."""
    remark = "train_examples, the whole call: examples are checked and fingerprinted, curves kept"
    everyday = Contestant(NAME, start_tinyglass, NAME, whole=True, remark=remark)
    if THREADS == 1:
        return [everyday]
    return [
        everyday._replace(
            start=partial(start_tinyglass, threads=THREADS), remark=f"{remark}; threads: {THREADS}"
        ),
        everyday._replace(
            name=ONE_THREAD, start=partial(start_tinyglass, threads=1), remark="the same on one thread"
        ),
    ]


def start_tinyglass_many(cells: list[Cell], threads: int = THREADS) -> ManyTrainer:
    """Train many cells side by side."""
    tables, starts = [examples_of(cell) for cell in cells], [network_of(cell) for cell in cells]

    runs: list[Any] = []

    def train(epochs: int) -> None:
        settings = [settings_of(cell, epochs) for cell in cells]
        runs[:] = tinyglass.train_many(tables, settings, starts=starts, threads=threads)

    return ManyTrainer(train, lambda: [parameters_of(run.network) for run in runs])


def instruction_sets() -> list[str]:
    """Return the instruction sets whose cores run here, the best first; nothing where they cannot be told."""
    return ask_core("available") or []


def course_cell() -> Cell:
    """Return the course's ten recordings as examples for a 3-2-2, updated after every one of them."""
    recordings = tinyglass.read_recordings()
    labels = sorted({r.label for r in recordings})
    X = np.array([r.signal.ravel() / 100 for r in recordings], np.float32)
    Y = np.array([[r.label == label for label in labels] for r in recordings], np.float32)
    return Cell((3, 2, 2), 1, X, Y, start_weights((3, 2, 2), seed=0), RATE)
