"""What is measured of the core: each function returns results as plain data, ready for JSON."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import ours
from .cells import NETWORKS, Cell, count_weights, loss_of, make_cell, trained
from .contestant import ManyTrainer
from .measuring import AGREEMENT, Budget, Entry, Plan, count_epochs, fill_slice, measure, take_turns
from .peers import start_jax_many

ROOT = Path(__file__).parent.parent
EPOCHS_OF_THE_COURSE = 1_000_000
MANY = 1024  # networks
MANY_NETWORKS, MANY_EXAMPLES = ((3, 2, 2), (39, 20, 4)), 64


def tell(text: str) -> None:
    """Say on standard error how far it is."""
    print(text, file=sys.stderr, flush=True)


def measure_cells(plan: Plan) -> list[dict[str, Any]]:
    """Return every network and batch."""
    results = []
    for sizes in NETWORKS:
        for batch in plan.budget.batches:
            tell(f"  {'-'.join(map(str, sizes))}, batch {batch}")
            results.append(measure(make_cell(sizes, batch, plan.budget.examples), plan.everyone, plan.budget))
    return results


def measure_million(plan: Plan) -> dict[str, Any]:
    """Return what a million epochs of the course's ten recordings take; the slow are not given them all."""
    cell = ours.course_cell()
    result = measure(cell, plan.everyone, plan.budget, EPOCHS_OF_THE_COURSE)
    for times in result["contestants"].values():
        times["seconds"] = 1e-9 * times["median_ns"] * EPOCHS_OF_THE_COURSE * cell.n_examples
    return result | {"epochs": EPOCHS_OF_THE_COURSE}


# ---------------------------------------------------------------- instruction sets


def measure_alone(budget: Budget) -> dict[str, Any]:
    """Return the core's own median of every cell, and for which instruction set it was compiled."""
    (contestant, *_) = ours.find_ours()
    cells = {}
    for sizes in NETWORKS:
        for batch in budget.batches:
            entry = fill_slice(contestant, make_cell(sizes, batch, budget.examples), 0.0, budget)
            times = take_turns([entry], budget._replace(rounds=max(1, budget.rounds // 3)))
            cells[f"{'-'.join(map(str, sizes))}/{batch}"] = times[contestant.name]["median_ns"]
    return {"instruction_set": getattr(ours.core(), "isa", None), "cells": cells}


def measure_instruction_sets(plan: Plan) -> dict[str, Any] | str:
    """Return the core of each instruction set on one thread, in processes of their own, in turn."""
    names = ours.instruction_sets()
    if len(names) < 2:
        return "only one instruction set can be told apart here"
    options = ["--alone"] + ["--quick"] * plan.quick
    passes: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(1 if plan.quick else 3):
        for name in names:
            environment = os.environ | {"TINYGLASS_ISA": name, "TINYGLASS_THREADS": "1"}
            answer = subprocess.run(
                [sys.executable, "-m", "benchmarks", *options],
                cwd=ROOT,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            told = json.loads(answer.stdout)
            if told["instruction_set"] != name:
                return f"asked for {name}, the core came as {told['instruction_set']}"
            passes[name].append(told["cells"])
    return {
        name: {cell: statistics.median(p[cell] for p in seen) for cell in seen[0]}
        for name, seen in passes.items()
    }


# ---------------------------------------------------------------- many networks


def measure_many(plan: Plan) -> list[dict[str, Any]]:
    """Return 1,024 networks, each with data, seed and learning rate of its own: at once, and one by one."""
    return [measure_many_of(sizes, plan) for sizes in MANY_NETWORKS]


def measure_many_of(sizes: tuple[int, ...], plan: Plan) -> dict[str, Any]:
    # A call makes a thousand runs in Python, which takes longer than a slice.
    budget = plan.budget._replace(longest_slice=5 * plan.budget.longest_slice)
    cells = [own_cell(sizes, seed) for seed in range(MANY)]
    one = fill_slice(plan.own[-1], cells[0], 0.0, budget)  # on one thread, where that can be told
    entries, agree = [one._replace(name="one by one")], {}
    several = {
        "at once": ours.start_tinyglass_many(cells),
        "at once, 1 thread": ours.start_tinyglass_many(cells, threads=1),
    }
    if "jax" in plan.packages:
        several["JAX vmap"] = start_jax_many(cells)
    for name, trainer in several.items():
        agree[name] = many_agree(trainer, cells)
        count = count_epochs(trainer.train, budget)
        entries.append(Entry(name, trainer.train, count, MANY * MANY_EXAMPLES))
    contestants = take_turns(entries, budget)
    for name, agrees in agree.items():
        contestants[name] |= {"agrees": agrees}
    about = {"network": cells[0].network, "networks": MANY, "examples": MANY_EXAMPLES}
    return {**about, "contestants": contestants}


def many_agree(trainer: ManyTrainer, cells: list[Cell], epochs: int = 2) -> bool:
    """Return whether the first, a middle and the last network have the loss that float64 training gives them."""
    trainer.train(epochs)
    found = trainer.parameters()
    return all(
        np.isclose(
            loss_of(found[k], cells[k].X, cells[k].Y),
            loss_of(trained(cells[k], epochs), cells[k].X, cells[k].Y),
            rtol=AGREEMENT["same"],
            atol=0,
        )
        for k in (0, len(cells) // 2 - 1, len(cells) - 1)
    )


def own_cell(sizes: tuple[int, ...], seed: int) -> Cell:
    """Return a network of a sweep: its own examples, start and learning rate."""
    return replace(make_cell(sizes, 1, MANY_EXAMPLES, seed), rate=0.01 * (1 + seed % 10))


# ---------------------------------------------------------------- growth


def measure_growth(plan: Plan) -> dict[str, Any]:
    """Return the seconds of an epoch against examples, weights and networks, and the slope of each line."""
    examples = [256 * 4**k for k in range(3 if plan.quick else 6)]
    hidden = [4**k for k in range(1, 5 if plan.quick else 7)]
    networks = [16 * 4**k for k in range(3 if plan.quick else 5)]
    series: dict[str, list[tuple[int, Callable[[], Any]]]] = {
        "examples": [(n, partial(start_one, make_cell((39, 20, 10, 4), 32, n))) for n in examples],
        "weights": [
            (count_weights((39, n, 4)), partial(start_one, make_cell((39, n, 4), 32))) for n in hidden
        ],
        "networks": [(n, partial(start_several, n)) for n in networks],
    }
    # A call makes as many runs in Python as there are networks, which takes longer than a slice.
    longer = plan.budget._replace(
        longest_slice=8 * plan.budget.longest_slice, rounds=1 + plan.budget.rounds // 2
    )
    return {
        name: line_of(points, longer if name == "networks" else plan.budget)
        for name, points in series.items()
    }


def start_one(cell: Cell) -> Callable[[int], object]:
    return ours.start_tinyglass(cell).train


def start_several(n: int) -> Callable[[int], object]:
    return ours.start_tinyglass_many([own_cell((3, 2, 2), seed) for seed in range(n)]).train


def line_of(points: Sequence[tuple[int, Callable[[], Any]]], budget: Budget) -> dict[str, Any]:
    """Return sizes, the seconds of an epoch, and the exponent with which these grow."""
    entries = []
    for size, start in points:
        train = start()
        # One "example" each: then ns an example are the nanoseconds of an epoch.
        entries.append(Entry(str(size), train, count_epochs(train, budget), 1))
    sizes = [size for size, _ in points]
    seconds = [1e-9 * times["median_ns"] for times in take_turns(entries, budget).values()]
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    return {"sizes": sizes, "seconds": seconds, "slope": float(slope)}
