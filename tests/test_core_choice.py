"""Which compiled core is loaded and asked for: the environment, ``--core``, the number of threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import unmeasured
from tinyglass import ArgumentError, core, make_settings

NAMES = "from tinyglass import core; print(core.isa, core.compiled.isa, core.compiled.threads())"


def test_the_best_instruction_set_is_loaded(python):
    done = python(NAMES, env=unmeasured())
    best = core.available()[0]
    assert done.stdout.split()[:2] == [best, best]
    assert done.stdout.split()[2] in ("1", "2")


@pytest.mark.parametrize("isa", core.available())
@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_environment_forces_instruction_set_and_threads(python, isa, threads):
    done = python(NAMES, env=unmeasured() | {"TINYGLASS_ISA": isa, "TINYGLASS_THREADS": threads})
    assert done.stdout.split() == [isa, isa, threads]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TINYGLASS_ISA", "avx1024", "This machine cannot run the core of 'avx1024'"),
        ("TINYGLASS_THREADS", "two", "Expected a whole number of threads from 1 on, found 'two'"),
        ("TINYGLASS_THREADS", "0", "Expected a whole number of threads from 1 on, found '0'"),
    ],
)
def test_what_the_environment_cannot_have_is_refused(python, name, value, told):
    done = python(NAMES, env=unmeasured() | {name: value})
    assert done.returncode != 0
    assert told in done.stderr
    assert name in done.stderr


def test_the_command_line_tells_it_without_a_traceback(command, tmp_path):
    for name, value in (("TINYGLASS_ISA", "avx1024"), ("TINYGLASS_THREADS", "two")):
        done = command("train", "--out", tmp_path, env=unmeasured() | {name: value})
        assert done.returncode == 2
        assert done.stderr.startswith("tinyglass: ")
        assert value in done.stderr
        assert "Traceback" not in done.stderr


def test_threads_are_set_for_every_core_also_for_those_loaded_later(python):
    program = """
from tinyglass import core
core.set_threads(3)
print([core.load(isa).threads() for isa in core.available()])
core.set_threads(1)
print([core.load(isa).threads() for isa in core.available()])
"""
    n = len(core.available())
    assert python(program, env=unmeasured()).stdout.splitlines() == [str([3] * n), str([1] * n)]


@pytest.mark.parametrize("wish", ["avx2-tile", "avx3", "tiles", "AVX2", "avx2-", "auto-tiles"])
def test_a_core_that_there_is_none_of_is_refused(wish):
    with pytest.raises(ArgumentError, match="--core"):
        make_settings({"core": wish})


def test_what_is_asked_for_on_the_command_line_is_had_or_refused(here, tmp_path):
    elsewhere = next(isa for isa in core.ISAS if isa not in core.available())
    done = here("train", "--out", tmp_path / "a", "--core", elsewhere)
    assert done.returncode == 2
    assert f"This machine cannot run the core of '{elsewhere}'" in done.stderr
    done = here("train", "--out", tmp_path / "b", "--core", f"{core.isa}-online", "--batch", "32")
    assert done.returncode == 2
    assert "The kernel online takes one example to an update, and the batch is 32" in done.stderr
    assert "--batch 1" in done.stderr
    done = here("train", "--out", tmp_path / "c", "--core", f"{core.isa}-plain", "--epochs", "2", "--json")
    assert done.returncode == 0, done.stderr
    done = here("show", tmp_path / "c")
    assert "kernel plain for" in done.stdout


def test_no_compiled_core_is_larger_than_a_megabyte():
    for isa in core.available():
        assert Path(core.load(isa).__file__).stat().st_size <= 10**6, isa
