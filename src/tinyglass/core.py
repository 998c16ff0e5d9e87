"""The compiled core: a module for each instruction set, of one source; the best that runs here is chosen.

``TINYGLASS_ISA`` forces one of baseline, avx2, avx512 and neon; ``TINYGLASS_THREADS`` says how many threads
large products may use.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

from .errors import ArgumentError

ISAS = ("avx512", "avx2", "neon", "baseline")
"""Instruction sets that the core may be compiled for, the best first."""


KERNELS = {
    "online": "every example an update, lanes are neurons, weights kept twice",
    "deferred": "every example an update, the first layer's put off until the next example reads it",
    "lanes": "mini-batches of small layers, lanes are examples",
    "tiles": "mini-batches, products in tiles of packed weights",
    "many": "networks of one shape at once, lanes are networks",
    "plain": "the obvious one, which the others are held to; never chosen, only asked for",
}
"""The kernels, and what each is; docs/core.md says when it is chosen."""


@cache
def _installed() -> dict[str, Any]:
    """Return a module that runs on any machine of this kind, by the name of its instruction set."""
    for isa in ("baseline", "neon"):
        try:
            return {isa: importlib.import_module(f"._core_{isa}", __package__)}
        except ModuleNotFoundError:
            continue
    raise ImportError("tinyglass is installed without its compiled core: install it anew")


def available() -> list[str]:
    """Return the instruction sets that run on this machine, the best first.

    Examples
    --------
    >>> set(available()) <= set(ISAS)
    True
    """
    (anywhere,) = _installed().values()
    return list(anywhere.instruction_sets())


@cache
def load(isa: str) -> Any:
    """Return the core compiled for an instruction set.

    Raises
    ------
    ArgumentError
        If this machine has not that instruction set.

    Examples
    --------
    >>> load(available()[0]) is compiled
    True
    """
    if isa not in available():
        raise ArgumentError(
            f"This machine cannot run the core of {isa!r}",
            "the instruction set (TINYGLASS_ISA or --core)",
            f"Use one of {', '.join(available())}, or leave it open",
        )
    module = _installed().get(isa) or importlib.import_module(f"._core_{isa}", __package__)
    if _loaded:
        module.set_threads(_loaded[0].threads())
    _loaded.append(module)
    return module


_loaded: list[Any] = []


def _wished_threads() -> int:
    """Return how many threads the environment asks for, otherwise two where there are two processors."""
    wish = os.environ.get("TINYGLASS_THREADS")
    if wish:
        if not wish.isdecimal() or int(wish) < 1:
            raise ArgumentError(
                f"Expected a whole number of threads from 1 on, found {wish!r}",
                "the environment variable TINYGLASS_THREADS",
                "Set it to 1 or 2, or leave it out",
            )
        return int(wish)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(2, processors or 1)


def find(wish: str, batch: int) -> tuple[Any, str]:
    """Return the compiled core and the kernel, empty for the one that suits, that a wish comes to.

    What this machine or the batch does not allow is left open: what was trained elsewhere is
    continued or replayed here with other roundings.

    Parameters
    ----------
    wish : str, as in `Settings.core`
    batch : int, examples to an update

    Examples
    --------
    >>> find("auto", batch=1) == (compiled, "")
    True
    >>> find(f"{isa}-tiles", batch=16)[1]
    'tiles'
    """
    wished_isa, _, wished = wish.partition("-")
    module = load(wished_isa) if wished_isa in available() else compiled
    return module, wished if wished in module.kernels(batch) else ""


def check(wish: str, batch: int) -> None:
    """Refuse what somebody asks for here and now, where `find` would leave it open.

    Raises
    ------
    ArgumentError
        If this machine has not that instruction set, or the kernel cannot train such batches.

    Examples
    --------
    >>> check(f"{isa}-tiles", batch=16)
    """
    if wish == "auto":
        return
    wished_isa, _, wished = wish.partition("-")
    able = load(wished_isa).kernels(batch)
    if wished and wished not in able:
        raise ArgumentError(
            f"The kernel {wished} takes one example to an update, and the batch is {batch or 'all of them'}",
            "--core",
            f"Use --batch 1, one of {', '.join(able)}, or leave the kernel out",
        )


def describe(used: str) -> str:
    """Return in words which core a run was trained by.

    Parameters
    ----------
    used : str, `Settings.core` of a run

    Examples
    --------
    >>> describe("avx2-lanes")
    'kernel lanes for avx2: mini-batches of small layers, lanes are examples'
    """
    isa, _, kernel = used.partition("-")
    return f"kernel {kernel} for {isa}: {KERNELS[kernel]}" if kernel in KERNELS else used


def set_threads(n: int) -> None:
    """Let large products use up to `n` threads, from the next training on; the bits do not depend on it.

    Examples
    --------
    >>> before = compiled.threads()
    >>> set_threads(1)
    >>> compiled.threads()
    1
    >>> set_threads(before)
    """
    for module in _loaded:
        module.set_threads(n)


def peak_gflops(seconds: float = 0.3) -> float:
    """Return the most that one thread could do here in float32, measured in registers: 10⁹ operations a second.

    Examples
    --------
    >>> peak_gflops(0.01) > 0.1
    True
    """
    return compiled.measure_peak(seconds) / 1e9


isa = os.environ.get("TINYGLASS_ISA") or available()[0]
compiled = load(isa)
set_threads(_wished_threads())
