"""What a network will cost: the estimate, held to what is measured on every simulated chip."""

import json
import sys

import numpy as np
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT))

from benchmarks.fit_sizes import CHIPS, HELD_OUT, measure, measure_in_python

from tinyglass import ArgumentError, Recording, Settings, make_board_model, read_recordings, train
from tinyglass.export import measuring
from tinyglass.export.executors import wasm
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.measuring import find_chip, measure_size
from tinyglass.export.python.model_file import python_model
from tinyglass.export.sizes import BOARDS, constants, cost_line, estimate_size, python_cost_line
from tinyglass.export.targets import PRECISIONS
from tinyglass.export.verifying import examples_of, verify_model

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


def test_python_s_estimates_are_near_what_32_bits_take_for_networks_that_were_not_fitted():
    executor = next(e for e in EXECUTORS if e.name == "micropython-32")
    if not executor.is_there():
        pytest.skip(f"missing: {executor.title} ({executor.install})")
    bounds = {"flash": 0.10, "RAM": 0.10, "numbers made": 0.10, "instructions": 0.25}
    off, styles = {}, set()
    for m in measure_in_python(range(2 * HELD_OUT, 2 * HELD_OUT + NETWORKS)):
        precision = "int8" if m.style == "int8" else "float32"
        style = "auto" if m.style == "int8" else m.style
        e = estimate_size(m.model, "rp2040-python", precision, style)
        found = (e.flash, e.ram, e.made, e.count)
        styles.add(m.style)
        for (what, bound), estimate, cost in zip(bounds.items(), found, m.costs, strict=True):
            if abs(estimate - cost) > bound * cost:
                off[m.style, m.model.network.sizes, m.model.preparation.inputs, what] = (estimate, cost)
    assert styles == {"unrolled", "loop", "int8"}
    assert off == {}


def test_time_in_python_is_that_of_the_style_and_the_board():
    model = make_board_model(train(read_recordings()).network)
    pico, kit = (estimate_size(model, f"{name}-python", "float32") for name in ("rp2040", "esp32-s3"))
    assert (pico.flash, pico.ram, pico.made, pico.count) == (kit.flash, kit.ram, kit.made, kit.count)
    assert pico.milliseconds > kit.milliseconds > 0
    loop = estimate_size(model, "rp2040-python", "float32", "loop")
    assert loop.count > pico.count
    assert loop.ram < pico.ram
    assert estimate_size(model, "rp2040-python", "float32", "ulab") == loop  # where ulab is missing


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_head_of_a_python_file_tells_flash_ram_and_time(precision):
    recordings = read_recordings()
    model = make_board_model(train(recordings).network, precision, recordings)
    text = python_model(model, cost=python_cost_line(model))
    e = estimate_size(model, "esp32-s3-python", precision)
    assert f"expected: {e.flash:,} B of flash; in MicroPython {e.ram:,} B of RAM once imported" in text
    assert f"takes about {e.milliseconds:.2g} ms on ESP32-S3 at 240 MHz" in text
    assert abs(e.flash - len(text)) < 0.1 * len(text)
    assert "Python" not in cost_line(model)


def test_constants_are_counted_to_the_byte_on_the_uno(measured):
    """The Uno has no padding: two networks that differ in weights alone differ by their bytes."""
    recordings = read_recordings()
    model = make_board_model(train(recordings).network)
    assert constants(model, "float32") == 4 * (4 * 32 + 33 * 2) + 8
    assert constants(model, "int8") == 3 * 32 + 32 * 2 + 4 * 34 + 3 * 32 + 2 + 2 + 8


def test_what_does_not_fit_is_said_with_the_bytes(here, tmp_path):
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
    assert not any(e["measured"] for e in estimates)
    assert all(e["flash"] > 0 and e["ram"] > 0 and e["milliseconds"] > 0 for e in estimates)
    assert json.loads(here("size", course_training, "--precision", "int8", "--json").stdout)["estimates"] == [
        e for e in estimates if e["precision"] == "int8"
    ]


def test_sizes_are_measured_where_they_can_be(here, course_training, monkeypatch):
    chips = [find_chip(board.name) for board in BOARDS]
    if missing := [chip for chip in chips if chip is not None and not chip.is_there()]:
        pytest.skip(f"missing: {', '.join(f'{e.title} ({e.install})' for e in missing)}")
    done = here("size", course_training, "--measure", "--json")
    found = json.loads(done.stdout)["estimates"]
    assert {e["board"] for e in found if e["measured"]} == {"uno", "cortex-m0+", "cortex-m4f", "riscv32"}
    recordings = read_recordings()
    for precision in ("float32", "int8"):
        model = make_board_model(course_training / "model.safetensors", precision, recordings)
        verified, _ = verify_model(model, examples_of(model, recordings), ["c"])
        by_title = {v.title: v.cost for v in verified if v.cost is not None}
        assert len(by_title) == 4
        for e in found:
            if e["measured"] and e["precision"] == precision:
                cost = by_title[find_chip(e["board"]).title]
                # Scales that int8 finds in other readings change a byte of alignment or two.
                assert abs(e["flash"] - cost.flash) <= 8
                assert e["ram"] == pytest.approx(cost.ram + cost.stack, abs=8)
                # Of other recordings: without an FPU, the time of a sum depends on the numbers.
                assert e["count"] == pytest.approx(cost.count, rel=0.1)
    monkeypatch.setattr(measuring, "EXECUTORS", [e._replace(is_there=lambda: False) for e in EXECUTORS])
    done = here("size", course_training, "--measure")
    assert "Arduino Uno is estimated; to measure it: apt install" in done.stdout
    assert "Measured" not in done.stdout


def test_a_trainers_memory_is_said_before_it_is_exported(here, course_training):
    done = here("size", course_training, "--trainer", "all")
    assert done.returncode == 0, done.stderr
    assert "trainer of all layers in C: " in done.stdout
    assert "trainer: the program that learns needs about " in done.stdout
    assert (
        len(json.loads(here("size", course_training, "--trainer", "last", "--json").stdout)["trainer"]) == 2
    )
    assert here("size", course_training, "--trainer", "lats").returncode == 2


def test_what_does_not_fit_is_not_measured_but_estimated():
    from board_networks import random_network

    if not find_chip("uno").is_there():
        pytest.skip(f"missing: {find_chip('uno').install}")
    big = make_board_model(random_network(np.random.default_rng(0), (600, 100, 4), classes=tuple("abcd")))
    found = measure_size(big, "uno", "float32")
    assert not found.measured
    assert "bytes of flash too many" in found.too_much


def test_what_is_unknown_is_refused(here, course_training):
    model = make_board_model(train(read_recordings()).network)
    with pytest.raises(ArgumentError, match="Did you mean 'uno'"):
        estimate_size(model, "un", "int8")
    with pytest.raises(ArgumentError, match="Unknown precision"):
        estimate_size(model, "uno", "int4")
    assert here("size", course_training, "--precision", "int4").returncode == 2
    assert here("size", "nowhere").returncode == 2


@pytest.mark.parametrize(("n_readings", "n_channels"), [(10, 6), (50, 3), (119, 2)])
def test_readings_in_python_take_what_is_told(tmp_path, n_readings, n_channels):
    if not wasm.is_there():
        pytest.skip('pip install "tinyglass[devices]"')
    code = f"""
import gc
rows = before = after = None
gc.collect()
before = gc.mem_alloc()
rows = []
for i in range({n_readings}):
    rows.append([0.5 + i + channel for channel in range({n_channels})])
after = gc.mem_alloc()
"""
    # What a loop leaves behind is collected outside of it.
    code = code.replace("after = gc", "gc.collect()\nafter = gc") + "print(after - before)\n"
    taken = int(wasm.run_program(code, tmp_path, heap=1 << 20))
    random = np.random.default_rng(0)
    names = tuple(f"c{i}" for i in range(n_channels))
    recordings = [
        Recording(random.normal(size=(n_readings, n_channels)), names, label="ab"[i % 2]) for i in range(6)
    ]
    model = make_board_model(train(recordings, Settings(epochs=1)).network, n_readings=n_readings)
    assert estimate_size(model, "rp2040-python", "float32").readings == pytest.approx(taken, rel=0.1)
