"""The results as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .cells import BATCHES
from .goals import Goal, best_peer
from .ours import NAME, ONE_THREAD

BUSY = 0.5  # programs that wanted a CPU besides
MARKS = {"squared": "*", "other": "†"}


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, thousands apart.

    >>> number(1234567), number(71.25), number(0.0123)
    ('1,230,000', '71.2', '0.0123')
    """
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    whole = len(str(int(abs(rounded))))
    if abs(rounded) >= 1:
        return f"{rounded:,.{max(0, digits - whole)}f}"
    return f"{rounded:.{digits}g}"


def names_of(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Return the contestants of some cells, in their order."""
    return list(dict.fromkeys(name for cell in cells for name in cell["contestants"]))


def heading(names: Sequence[str], cells: Sequence[dict[str, Any]]) -> list[str]:
    """Return the contestants' names, marked where their maths is not everyone's."""
    maths = {name: result.get("maths") for cell in cells for name, result in cell["contestants"].items()}
    return [name + MARKS.get(maths.get(name) or "", "") for name in names]


def cell_row(cell: dict[str, Any], names: Sequence[str], peak: float) -> list[str]:
    """Return nanoseconds of everyone, then the best peer, how many times as long it takes, and GFLOP/s."""
    times = cell["contestants"]
    row = [number(times[name]["median_ns"]) if name in times else "–" for name in names]
    best = best_peer(cell)
    row += [best[0], f"{number(best[1])} ×"] if best else ["–", "–"]
    own = times.get(ONE_THREAD) or times.get(NAME)
    return [*row, number(own["gflops"]), f"{100 * own['gflops'] / peak:.0f} %"] if own else [*row, "–", "–"]


def disagreements(cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Say whose loss is not what it must be, or moved too little to tell."""
    for cell in cells:
        where = f"{cell['network']}, batch {cell['batch']}"
        for name, result in cell["contestants"].items():
            if result.get("agrees") is False:
                yield f"{where}: {name} came to a loss of {result['loss']:.6g}, expected {result['loss_expected']:.6g}"
            elif result.get("tells") is False:
                yield f"{where}: the loss of {name} hardly moved, its agreement tells nothing"


def many_disagreements(parts: Sequence[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        for name, result in part["contestants"].items():
            if result.get("agrees") is False:
                yield f"many networks of {part['network']}: {name} came to another loss"


def goal_rows(goals: Sequence[Goal]) -> list[list[str]]:
    rows = []
    for goal in goals:
        sign = "≤" if goal.most else "≥"
        found = "not measured" if goal.found is None else f"{number(goal.found)} {goal.unit}"
        verdict = {True: "reached", False: "missed", None: "–"}[goal.reached]
        where = f" ({goal.where})" if goal.where else ""
        rows.append([goal.text, f"{sign} {number(goal.wanted)} {goal.unit}", found + where, verdict])
    return rows


def table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows with their columns in line, the first `left` of them to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if place < left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_text(results: dict[str, Any], goals: Sequence[Goal]) -> Iterator[str]:
    """Yield all results, part by part."""
    about = results["about"]
    yield f"{about['processor']}, {about['date']}; {about['python']}; ns an example, medians"
    if (about["busy"] or 0) > BUSY:
        yield f"The machine was busy when this began (load {about['busy']:.1f}): the figures are rough."
    for name, reason in about["missing"].items():
        yield f"Left out: {name}: {reason}."
    peak = results.get("peak", {}).get("gflops", float("nan"))
    cells = results.get("cells", ())
    if cells:
        names = names_of(cells)
        head = ["network", "batch", *heading(names, cells), "best peer", "takes", "GFLOP/s", "of peak"]
        rows = [[c["network"], str(c["batch"]), *cell_row(c, names, peak)] for c in cells]
        yield f"\nPeak of a core: {number(peak)} GFLOP/s ({results['peak']['how']})\n\n" + table(
            [head, *rows]
        )
        yield "* sigmoid outputs and squared error; † RMSprop, shuffled: they can do nothing else"
        yield from disagreements(cells)
    if "million" in results:
        yield "\nA million epochs of the course's ten recordings, 3-2-2, batch 1\n\n" + table(
            million_rows(results)
        )
    for part in results.get("many", ()):
        times = {name: number(r["median_ns"]) for name, r in part["contestants"].items()}
        yield f"\n{part['networks']:,} networks of {part['network']}, ns an example of one: " + "; ".join(
            f"{name} {value}" for name, value in times.items()
        )
    yield from many_disagreements(results.get("many", ()))
    yield from _sets_text(results.get("instruction_sets"))
    for name, line in results.get("growth", {}).items():
        yield f"Growth with {name}: exponent {line['slope']:.2f}"
    for job in results.get("whole_runs", ()):
        told = "; ".join(f"{name} {seconds:.2f} s" for name, seconds in job["seconds"].items())
        yield f"Whole run, {job['job']}: {told}"
    for name, seconds in results.get("waiting", {}).items():
        yield f"{name}: {number(1e3 * seconds)} ms"
    for name, size in results.get("sizes", {}).get("packages", {}).items():
        yield f"Size of {name}: {number(size / 1e6)} MB"
    yield "\n" + table([["goal", "wanted", "found", ""], *goal_rows(goals)], left=4)


def million_rows(results: dict[str, Any]) -> list[list[str]]:
    found = results["million"]["contestants"]
    own = found[NAME]["median_ns"]
    return [
        [name, f"{number(times['seconds'])} s", f"{number(times['median_ns'] / own)} ×"]
        for name, times in sorted(found.items(), key=lambda item: item[1]["median_ns"])
    ]


def set_rows(sets: dict[str, dict[str, float]]) -> list[list[str]]:
    """Return each network's smallest and largest batch, ns an example, for each instruction set."""
    chosen = [
        cell for cell in next(iter(sets.values())) if int(cell.split("/")[1]) in (BATCHES[0], BATCHES[-1])
    ]
    rows = [["network / batch", *sets]]
    return rows + [[cell, *(number(times[cell]) for times in sets.values())] for cell in chosen]


def _sets_text(sets: Any) -> Iterator[str]:
    if isinstance(sets, str):
        yield f"Instruction sets: {sets}"
    elif sets:
        yield "\nThe core on one thread, by instruction set, ns an example\n\n" + table(set_rows(sets))
