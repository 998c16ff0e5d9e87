"""What a network will cost: the estimate, held to what is measured on every simulated chip."""

import json
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT))

from benchmarks.fit_sizes import CHIPS, HELD_OUT, measure

from tinyglass import ArgumentError, make_board_model, read_recordings, train
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.sizes import BOARDS, constants, estimate_size

NETWORKS = 12  # a run; `python -m benchmarks.fit_sizes` looks at more


@pytest.fixture(scope="module")
def measured():
    missing = [e for e in EXECUTORS if e.name in CHIPS and not e.is_there()]
    if missing:
        pytest.skip(f"missing: {', '.join(f'{e.title} ({e.install})' for e in missing)}")
    return list(measure(range(2 * HELD_OUT, 2 * HELD_OUT + NETWORKS)))


BOUNDS = {"flash": 0.10, "RAM": 0.10, "count": 0.25}


def test_estimates_are_near_what_is_measured_of_networks_that_were_not_fitted(measured):
    assert {m.chip for m in measured} == set(CHIPS)
    off, n = {}, 0
    for m in measured:
        estimate = estimate_size(m.model, m.chip, m.precision)
        pairs = {
            "flash": (estimate.flash, m.cost.flash),
            # A program needs the readings as well as the stack: they are its RAM.
            "RAM": (estimate.ram + estimate.readings, m.cost.ram + m.cost.stack + estimate.readings),
            "count": (estimate.count, m.cost.count),
        }
        for what, (found, wanted) in pairs.items():
            n += 1
            if abs(found - wanted) > BOUNDS[what] * wanted:
                off[m.chip, m.precision, m.model.network.sizes, m.model.preparation.inputs, what] = (
                    found,
                    wanted,
                )
    assert n > 200
    assert len(off) <= 0.05 * n, off  # of very small networks, most of all


def test_constants_are_counted_to_the_byte_on_the_uno(measured):
    """The Uno has no padding: two networks that differ in weights alone differ by their bytes."""
    recordings = read_recordings()
    model = make_board_model(train(recordings).network)
    assert constants(model, "float32") == 4 * (4 * 32 + 33 * 2) + 8
    assert constants(model, "int8") == 3 * 32 + 32 * 2 + 4 * 34 + 3 * 32 + 2 + 2 + 8


def test_what_does_not_fit_is_said_with_the_bytes(here, tmp_path):
    import numpy as np

    from board_networks import random_network

    big = random_network(np.random.default_rng(0), (600, 100, 4), classes=tuple("abcd"))
    model = make_board_model(big)
    assert "bytes of flash too many" in estimate_size(model, "uno", "float32").too_much
    assert "bytes of RAM too many" in estimate_size(model, "uno", "float32").too_much
    assert estimate_size(model, "cortex-m4f", "float32").too_much == ""
    big.save(tmp_path / "big.safetensors")
    done = here("size", tmp_path / "big.safetensors")
    assert done.returncode == 0
    assert "too many" in done.stdout
    assert "ESP32-S3 cannot be simulated" in done.stdout


def test_every_board_and_precision_is_estimated_without_recordings(here, course_training):
    done = here("size", course_training, "--json")
    estimates = json.loads(done.stdout)["estimates"]
    assert {(e["board"], e["precision"]) for e in estimates} == {
        (board.name, precision) for board in BOARDS for precision in ("float32", "int8")
    }
    assert [e["board"] for e in estimates if not e["measured"]] == ["esp32-s3"] * 2
    assert all(e["flash"] > 0 and e["ram"] > 0 and e["milliseconds"] > 0 for e in estimates)
    assert json.loads(here("size", course_training, "--precision", "int8", "--json").stdout)["estimates"] == [
        e for e in estimates if e["precision"] == "int8"
    ]


def test_what_is_unknown_is_refused(here, course_training):
    model = make_board_model(train(read_recordings()).network)
    with pytest.raises(ArgumentError, match="Did you mean 'uno'"):
        estimate_size(model, "un", "int8")
    with pytest.raises(ArgumentError, match="Unknown precision"):
        estimate_size(model, "uno", "int4")
    assert here("size", course_training, "--precision", "int4").returncode == 2
    assert here("size", "nowhere").returncode == 2
