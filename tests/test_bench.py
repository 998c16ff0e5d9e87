"""The benchmarks: that all contestants do the same maths, and that the program says so where one does not."""

import json
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT))

from benchmarks import __main__ as program
from benchmarks import commands, measuring, ours, peers, printing, speed
from benchmarks.cells import Cell, count_flops, count_weights, loss_of, make_cell, start_weights, trained
from benchmarks.contestant import Contestant, Trainer
from benchmarks.goals import best_peer, check_goals
from benchmarks.page import write_page

TINY = measuring.QUICK._replace(
    batches=(1, 8), examples=32, rounds=2, slice=0.001, pause=0.0, calls=1, longest_slice=0.01, longest=5.0
)


@pytest.fixture(autouse=True, scope="module")
def no_peer_is_imported_here():
    """JAX brings threads, and no process that has threads may fork, as later tests do."""
    before = set(sys.modules)
    yield
    assert not {"jax", "torch", "cynn"} & (set(sys.modules) - before)


def numpy_peer() -> Contestant:
    return next(peer for peer in peers.PEERS if peer.name == "NumPy")


def tiny_plan() -> measuring.Plan:
    return measuring.Plan(ours.find_ours(), [numpy_peer()], TINY)


def test_flops_are_counted_one_by_one():
    sizes, flops = (5, 4, 3, 2), 0
    for layer, (n_in, n_out) in enumerate(((5, 4), (4, 3), (3, 2))):
        for _ in range(n_in * n_out):
            flops += 2  # forward: multiply, add
            flops += 2  # gradient: multiply, add
            flops += 2 if layer else 0  # the error passed back
    assert count_flops(sizes) == flops
    assert count_weights(sizes) == 38


@pytest.mark.parametrize("maths", ["same", "squared"])
def test_judge_descends_the_loss_it_names(maths):
    """One update by the judge is a step along the finite differences of `loss_of`."""
    cell = make_cell((3, 4, 2), 8, 8)
    start = [(w.astype(np.float64), b.astype(np.float64)) for w, b in cell.start]
    after = trained(cell, 1, maths)
    for layer, place in ((0, (1, 2)), (1, (3, 0))):
        moved = []
        for by in (1e-5, -1e-5):
            parameters = [(w.copy(), b.copy()) for w, b in start]
            parameters[layer][0][place] += by
            moved.append(loss_of(parameters, cell.X, cell.Y, maths))
        slope = (moved[0] - moved[1]) / 2e-5
        gradient = (start[layer][0][place] - after[layer][0][place]) / cell.rate
        assert gradient == pytest.approx(slope, rel=1e-6)


# Trains cells of some batches by one contestant, and writes the parameters, or why there are none.
CONTESTANT = """
import json, sys
from benchmarks import ours, peers
from benchmarks.cells import make_cell

contestant = next(c for c in [*ours.find_ours(), *peers.PEERS] if c.name == sys.argv[1])
missing, found = peers.why_missing(contestant), []
for batch in [] if missing else map(int, sys.argv[2:]):
    trainer = contestant.start(make_cell((6, 5, 4, 2), batch, 64))
    trainer.train(5)
    found.append([(w.tolist(), b.tolist()) for w, b in trainer.parameters()])
print(json.dumps([missing, found]))
"""
EVERYONE = [peer for peer in (*ours.find_ours(), *peers.PEERS) if peer.maths in measuring.AGREEMENT]


@pytest.mark.parametrize("contestant", EVERYONE, ids=lambda contestant: contestant.name)
def test_all_contestants_do_the_same(contestant, python):
    done = python(CONTESTANT, contestant.name, 1, 8, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    missing, found = json.loads(done.stdout)
    if missing:
        pytest.skip(missing)
    tolerance = 1e-4 if contestant.maths == "same" else 1e-3
    for batch, parameters in zip((1, 8), found, strict=True):
        cell = make_cell((6, 5, 4, 2), batch, 64)
        expected = trained(cell, 5, contestant.maths)
        for (w, b), (wanted_w, wanted_b) in zip(parameters, expected, strict=True):
            np.testing.assert_allclose(w, wanted_w, atol=tolerance)
            np.testing.assert_allclose(b, wanted_b, atol=tolerance)
        assert abs(np.subtract(expected[0][0], cell.start[0][0])).max() > 0.01  # there was something to learn


def forgetful(cell: Cell) -> Trainer:
    """Train at twice the learning rate that everyone has."""
    return peers.start_numpy(replace(cell, rate=2 * cell.rate))


def idle(cell: Cell) -> Trainer:
    return Trainer(lambda epochs: time.sleep(1e-4 * epochs), lambda: cell.start)


def test_measure_says_whose_loss_differs():
    cell = make_cell((3, 4, 2), 1, 64)
    contestants = [numpy_peer(), Contestant("forgetful", forgetful), Contestant("idle", idle)]
    result = measuring.measure(cell, contestants, TINY)
    assert {name: r["agrees"] for name, r in result["contestants"].items()} == {
        "NumPy": True,
        "forgetful": False,
        "idle": False,
    }
    assert all(r["tells"] for r in result["contestants"].values())
    said = list(printing.disagreements([result]))
    assert [line.split(":")[1].split()[0] for line in said] == ["forgetful", "idle"]


def test_measure_says_that_a_loss_hardly_moved():
    cell = replace(make_cell((3, 4, 2), 8, 16), rate=1e-7)
    result = measuring.measure(cell, [numpy_peer()], TINY)
    assert result["contestants"]["NumPy"]["agrees"]
    assert "tells nothing" in next(printing.disagreements([result]))


def test_the_slow_are_left_out_and_the_reason_is_given():
    budget = TINY._replace(longest=1e-9)
    result = measuring.measure(make_cell((3, 2, 2), 8, 16), [numpy_peer()], budget)
    assert not result["contestants"]
    assert result["left_out"]["NumPy"].startswith("an update with 1 example takes")


def test_slices_fill_their_time_with_whole_batches():
    contestant = Contestant("NumPy", peers.start_numpy)
    entry = measuring.fill_slice(contestant, make_cell((3, 2, 2), 8, 64), 1e-4, TINY)
    assert entry.n_examples % 8 == 0
    seconds = min(measuring.timed(entry.train, entry.epochs) for _ in range(3))
    assert seconds > TINY.slice / 10


def test_results_are_json_and_make_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "NETWORKS", ((3, 2, 2), (3, 4, 2)))
    monkeypatch.setattr(speed, "EPOCHS_OF_THE_COURSE", 50)
    plan = tiny_plan()
    results = {
        "about": program.about(plan, {"PyTorch 1": "torch is not installed"}),
        "peak": measuring.measure_peak(0.01),
        "cells": speed.measure_cells(plan),
        "million": speed.measure_million(plan),
        "growth": {
            "examples": speed.line_of(
                [(n, partial(speed.start_one, make_cell((3, 2, 2), 8, n))) for n in (16, 64)], TINY
            )
        },
        "sizes": commands.measure_sizes(plan),
    }
    assert json.loads(json.dumps(results)) == results
    for cell in results["cells"]:
        for result in cell["contestants"].values():
            assert 0 < result["minimum_ns"] <= result["median_ns"]
            assert result["gflops"] == pytest.approx(cell["flops"] / result["median_ns"])
        name, ratio = best_peer(cell)
        assert name == "NumPy"
        times = cell["contestants"]
        assert ratio == pytest.approx(times["NumPy"]["median_ns"] / times["tinyglass"]["median_ns"])
    goals = check_goals(results)
    text = "\n".join(printing.as_text(results, goals))
    assert "torch is not installed" in text
    page = write_page(results, goals, tmp_path).read_text(encoding="utf-8")
    assert "| 3-4-2 | 8 |" in page
    assert "All losses agree." in page
    assert "not measured" in page
    for picture in ("networks", "peak", "growth"):
        assert f"](speed/{picture}.svg)" in page
        assert (tmp_path / "speed" / f"{picture}.svg").stat().st_size > 1000


def test_goals_are_judged_by_the_figures():
    def cell(network: str, batch: int, **times: float) -> dict:
        contestants = {name: {"median_ns": ns, "gflops": 1 / ns} for name, ns in times.items()}
        return {"network": network, "batch": batch, "contestants": contestants}

    results = {
        "peak": {"gflops": 0.2},
        "cells": [
            cell("3-2-2", 1, tinyglass=10, JAX=40),
            cell("784-512-512-10", 256, tinyglass=10, JAX=90, NumPy=10),
        ],
        "waiting": {commands.CORE_IMPORT: 0.004, commands.DEMO: 2.0, commands.TORCH: 1.0},
    }
    goals = {goal.text: goal for goal in check_goals(results)}
    worst = goals["the best peer of a network and batch takes, at the worst"]
    assert (worst.found, worst.reached, worst.where) == (1.0, True, "784-512-512-10 batch 256, NumPy")
    mean = goals["the best peer takes, geometric mean"]
    assert mean.found == pytest.approx(2.0)
    assert mean.reached is False
    assert goals["784-512-512-10, batch 256, on one thread"].found == pytest.approx(50.0)
    assert goals["784-512-512-10, batch 256, all threads: JAX takes"].found == pytest.approx(9.0)
    assert goals["importing the core, beyond NumPy"].reached is True
    assert goals["the course's training from the command line: importing PyTorch takes"].reached is False
    assert goals["the largest compiled core"].reached is None


FINDS_PEERS = """
import json, sys

class WithoutSome:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "jax", "cynn"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, WithoutSome)
from benchmarks import peers

found, missing = peers.find_peers()
print(json.dumps([[peer.name for peer in found], missing]))
"""


def test_a_peer_that_is_not_installed_is_named(python):
    done = python(FINDS_PEERS, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found, missing = json.loads(done.stdout)
    assert set(missing) == {"JAX", "PyTorch 1", "PyTorch 2", "FANN", "KANN"}
    assert missing["PyTorch 1"] == "torch is not installed (No module named 'torch')"
    assert set(found) == {"NumPy", "scikit-learn", "pure Python"}


def test_course_cell_holds_the_ten_recordings():
    cell = ours.course_cell()
    assert (cell.network, cell.batch, cell.n_examples) == ("3-2-2", 1, 10)
    assert cell.Y.sum(axis=0).tolist() == [5, 5]
    assert cell.X.max() == pytest.approx(1.27875)
    for (w, b), (wanted_w, wanted_b) in zip(cell.start, start_weights((3, 2, 2), 0), strict=True):
        assert (w == wanted_w).all()
        assert (b == wanted_b).all()


def test_options():
    assert program.parse([]).parts == list(program.PARTS)
    assert not program.parse([]).quick
    assert set(program.PARTS) - set(program.parse(["--quick"]).parts) == {"whole_runs"}
    options = program.parse(["--quick", "--out", "here", "--parts", "cells", "sizes"])
    assert (options.quick, options.out, options.parts) == (True, Path("here"), ["cells", "sizes"])
    with pytest.raises(SystemExit):
        program.parse(["--parts", "nothing"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,230,000"), (71.25, "71.2"), (0.0123, "0.0123"), (999.7, "1,000"), (0, "0")],
)
def test_numbers_have_three_digits(value, text):
    assert printing.number(value) == text
