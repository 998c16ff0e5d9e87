"""What is wanted of the figures, beside what they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from .commands import CORE_IMPORT, DEMO, TORCH
from .ours import NAME, ONE_THREAD

Results = dict[str, Any]
AT_MOST = ("ms", "MB", "B", "cycles", "× emlearn's")  # units of what should be small


class Goal(NamedTuple):
    """A figure that is wanted.

    Attributes
    ----------
    text : str
    wanted : float
    unit : "×", "% of peak", "%", or one of `AT_MOST`
    found : float, or None where it was not measured
    where : str, of the worst or best, where there are several
    """

    text: str
    wanted: float
    unit: str
    found: float | None
    where: str = ""

    @property
    def most(self) -> bool:
        """Whether it is an upper bound."""
        return self.unit in AT_MOST

    @property
    def reached(self) -> bool | None:
        if self.found is None:
            return None
        return self.found <= self.wanted if self.most else self.found >= self.wanted


def best_peer(cell: Results) -> tuple[str, float] | None:
    """Return the fastest of the others in a cell, and how many times as long as tinyglass it takes."""
    times = {name: result["median_ns"] for name, result in cell["contestants"].items()}
    peers = {name: ns for name, ns in times.items() if not name.startswith(NAME)}
    if not peers or NAME not in times:
        return None
    name = min(peers, key=peers.__getitem__)
    return name, peers[name] / times[NAME]


def check_goals(results: Results) -> list[Goal]:
    """Return every goal with what was found; where a part was not measured, without."""
    return [goal for goals in (_speed, _course, _peak, _many, _sets, _waiting) for goal in goals(results)]


def _speed(results: Results) -> Iterator[Goal]:
    found = [(best_peer(cell), cell) for cell in results.get("cells", ())]
    ratios = [
        (best[1], f"{cell['network']} batch {cell['batch']}, {best[0]}") for best, cell in found if best
    ]
    worst, where = min(ratios, default=(None, ""))
    mean = math.exp(sum(math.log(ratio) for ratio, _ in ratios) / len(ratios)) if ratios else None
    yield Goal("the best peer of a network and batch takes, at the worst", 1.0, "×", worst, where)
    yield Goal("the best peer takes, geometric mean", 4.0, "×", mean)


def _course(results: Results) -> Iterator[Goal]:
    times = _times(results.get("million"))
    for peer, names, wanted in (
        ("PyTorch", ("PyTorch 1", "PyTorch 2"), 2500.0),
        ("pure Python", ("pure Python",), 90.0),
        ("JAX", ("JAX",), 1.6),
    ):
        theirs = [times[name] for name in names if name in times]
        found = min(theirs) / times[NAME] if theirs and NAME in times else None
        yield Goal(f"a million epochs of the course's recordings: {peer} takes", wanted, "×", found)


def _peak(results: Results) -> Iterator[Goal]:
    cells = {(cell["network"], cell["batch"]): cell["contestants"] for cell in results.get("cells", ())}
    peak = results.get("peak", {}).get("gflops")
    for network, batch, wanted in (
        ("784-512-512-10", 256, 75.0),
        ("784-512-512-10", 32, 70.0),
        ("650-33-4", 32, 65.0),
        ("650-33-4", 256, 65.0),
    ):
        contestants = cells.get((network, batch), {})
        own = contestants.get(ONE_THREAD) or contestants.get(NAME)
        found = 100 * own["gflops"] / peak if own and peak else None
        yield Goal(f"{network}, batch {batch}, on one thread", wanted, "% of peak", found)
    both = _times({"contestants": cells.get(("784-512-512-10", 256), {})})
    found = both["JAX"] / both[NAME] if {"JAX", NAME} <= both.keys() else None
    yield Goal("784-512-512-10, batch 256, all threads: JAX takes", 1.1, "×", found)


def _many(results: Results) -> Iterator[Goal]:
    many = {part["network"]: _times(part) for part in results.get("many", ())}
    for network, peer, wanted in (
        ("3-2-2", "one by one", 12.0),
        ("3-2-2", "JAX vmap", 10.0),
        ("39-20-4", "one by one", 3.0),
    ):
        times = many.get(network, {})
        found = times[peer] / times["at once"] if {peer, "at once"} <= times.keys() else None
        yield Goal(f"1,024 networks of {network} at once: {peer} takes", wanted, "×", found)


def _sets(results: Results) -> Iterator[Goal]:
    sets = results.get("instruction_sets")
    shares = []
    if isinstance(sets, dict) and {"avx2", "avx512"} <= sets.keys():
        shares = [(100 * sets["avx512"][cell] / sets["avx2"][cell], cell) for cell in sets["avx2"]]
    worst, where = min(shares, default=(None, ""))
    yield Goal("AVX2 reaches of AVX-512's speed, at the worst", 40.0, "%", worst, where)


def _waiting(results: Results) -> Iterator[Goal]:
    waiting, sizes = results.get("waiting", {}), results.get("sizes", {})
    core = waiting.get(CORE_IMPORT)
    yield Goal("importing the core, beyond NumPy", 5.0, "ms", None if core is None else 1e3 * core)
    files = [(size / 1e6, name) for name, size in sizes.get("compiled", {}).items()]
    largest, where = max(files, default=(None, ""))
    yield Goal("the largest compiled core", 1.0, "MB", largest, where)
    demo, torch = waiting.get(DEMO), waiting.get(TORCH)
    found = torch / demo if demo and torch else None
    yield Goal("the course's training from the command line: importing PyTorch takes", 1.0, "×", found)


def _times(part: Results | None) -> dict[str, float]:
    return {name: result["median_ns"] for name, result in (part or {}).get("contestants", {}).items()}
