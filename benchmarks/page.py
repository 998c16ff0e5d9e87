"""The results as a page of the documentation; every number in it comes from the program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .drawing import draw
from .goals import Goal
from .printing import cell_row, disagreements, goal_rows, heading, million_rows, names_of, number, set_rows

DOCS = Path(__file__).parent.parent / "docs"


def write_page(results: dict[str, Any], goals: Sequence[Goal], docs: Path = DOCS) -> Path:
    """Write ``speed.md`` and its pictures."""
    drawn = {path.stem for path in draw(results, docs / "speed", ".svg")}
    parts = [
        _top(results, drawn),
        _million(results),
        _networks(results, drawn),
        _sets(results),
        _many(results),
        _growth(results, drawn),
        _commands(results),
        _goals(goals),
        _how(results),
    ]
    path = docs / "speed.md"
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return path


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is the heading; columns after the first to the right."""
    head, *rest = rows
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rest])


def picture(name: str, text: str, drawn: set[str]) -> str:
    return f"\n\n![{text}](speed/{name}.svg)" if name in drawn else ""


def _top(results: dict[str, Any], drawn: set[str]) -> str:
    about = results["about"]
    core = f", the core compiled for {about['instruction_set']}" if about["instruction_set"] else ""
    quick = " It was a quick run: its figures are rough." if about["quick"] else ""
    return (
        "# Speed\n\n"
        "How long training takes, beside what one would use instead. `make bench` measures it on your machine; "
        "`.venv/bin/python -m benchmarks --docs` writes this page.\n\n"
        f"Measured on {about['date']}: {about['processor']}, {about['cpus']} CPUs, {about['system']}, "
        f"{about['python']}{core}.{quick}"
        + picture("networks", "time of an example against the batch, for each network", drawn)
    )


def _million(results: dict[str, Any]) -> str:
    if "million" not in results:
        return ""
    return (
        "## The course's network\n\n"
        "A million epochs of the course's ten recordings: 3-2-2, an update after every recording. Whoever would "
        "need long is timed over fewer epochs.\n\n"
        + markdown([["", "a million epochs", "takes"], *million_rows(results)])
    )


def _networks(results: dict[str, Any], drawn: set[str]) -> str:
    cells = results.get("cells")
    if not cells:
        return ""
    names, peak = names_of(cells), results["peak"]["gflops"]
    head = ["network", "batch", *heading(names, cells), "best peer", "takes", "GFLOP/s", "of peak"]
    rows = [[c["network"], str(c["batch"]), *cell_row(c, names, peak)] for c in cells]
    return (
        "## Every network and batch\n\n"
        "Nanoseconds an example, medians. *Takes*: how many times as long as tinyglass the best peer needs, whatever "
        "its maths. The last two columns are tinyglass on one thread, "
        f"beside the {number(peak)} GFLOP/s that one core reached ({results['peak']['how']}).\n\n"
        + markdown([head, *rows])
        + "\n\n\\* sigmoid outputs, squared error, for it has no softmax; † RMSprop and shuffled, for it has no SGD; "
        "– an update takes too long."
        + "\n\n"
        + ("\n".join(f"- {said}" for said in disagreements(cells)) or "All losses agree.")
        + picture("peak", "GFLOP/s of each network, beneath the peak of one core", drawn)
    )


def _sets(results: dict[str, Any]) -> str:
    sets = results.get("instruction_sets")
    if not isinstance(sets, dict):
        return ""
    return (
        "## Instruction sets\n\n"
        "The core is compiled for each, and the best that runs is chosen at import. ns an example, one thread:\n\n"
        + markdown(set_rows(sets))
    )


def _many(results: dict[str, Any]) -> str:
    if not results.get("many"):
        return ""
    rows = [["", "one by one", "at once, 1 thread", "at once", "JAX vmap"]]
    for part in results["many"]:
        times = part["contestants"]
        shown = [number(times[name]["median_ns"]) if name in times else "–" for name in rows[0][1:]]
        rows.append([part["network"], *shown])
    first = results["many"][0]
    return (
        "## Many networks\n\n"
        f"{first['networks']:,} networks, each with {first['examples']} examples, a start and a learning rate of its "
        "own, batch 1: ns for one example of one network. One by one is on one thread, as such networks are too "
        "small to share; at once and JAX are on all.\n\n" + markdown(rows)
    )


def _growth(results: dict[str, Any], drawn: set[str]) -> str:
    lines = results.get("growth", {})
    if not lines:
        return ""
    found = ", ".join(f"{name} {line['slope']:.2f}" for name, line in lines.items())
    return (
        f"## Growth\n\nThe time of an epoch grows with these exponents: {found}. At 1, twice as much takes twice "
        "as long; less than 1 where the small waste something."
        + picture("growth", "time of an epoch against examples, weights and networks", drawn)
    )


def _commands(results: dict[str, Any]) -> str:
    parts = []
    jobs = results.get("whole_runs", ())
    if jobs:
        names = list(dict.fromkeys(name for job in jobs for name in job["seconds"]))
        rows = [["seconds", *names]]
        rows += [[job["job"], *(f"{job['seconds'].get(n, float('nan')):.2f}" for n in names)] for job in jobs]
        parts.append(
            "A whole run from the command line: read a table, score the network on what is left out in turn, train it "
            "on everything, keep it. tinyglass also looks for problems in the data, calibrates, and writes a report. "
            "The others are the scripts in [`benchmarks/scripts`](../benchmarks/scripts).\n\n"
            + markdown(rows)
        )
    if results.get("waiting"):
        rows = [["", "ms"], *([name, number(1e3 * s)] for name, s in results["waiting"].items())]
        parts.append(
            "Imports, and the training of `make demo`, each in a process of its own:\n\n" + markdown(rows)
        )
    if results.get("sizes"):
        sizes = results["sizes"]
        rows = [["installed, without what it needs", "MB"]]
        rows += [[name, number(size / 1e6)] for name, size in sizes["packages"].items()]
        rows += [[f"of tinyglass: {name}", number(size / 1e6)] for name, size in sizes["compiled"].items()]
        parts.append(markdown(rows))
    return "## Besides training\n\n" + "\n\n".join(parts) if parts else ""


def _goals(goals: Sequence[Goal]) -> str:
    return "## Goals\n\n" + markdown([["", "wanted", "found", ""], *goal_rows(goals)])


def _how(results: dict[str, Any]) -> str:
    cells = results.get("cells", ())
    examples = f"{cells[0]['examples']:,} random" if cells else "random"
    about = results["about"]
    used = [f"- **{name}**: {remark}." for name, remark in about["contestants"].items()]
    used += [f"- {name} is left out: {reason}." for name, reason in about["missing"].items()]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        "## How it is measured\n\n"
        "- All train the same: float32, sigmoid hidden layers, softmax and cross-entropy, SGD with the mean gradient "
        f"of a batch, no shuffle, from the same weights, on the same {examples} examples in memory, whose classes a "
        "random linear teacher gives. Where one differs, the table says so.\n"
        "- It is checked: each one's final loss is compared with that of plain float64 training after at least two "
        "epochs. Who differs is named when the program runs.\n"
        "- All contestants run in one process, in turn, round after round; each turn is a slice of many epochs, and a "
        "pause before it lets the waiting threads of the one before go to sleep. The slow are given fewer examples.\n"
        "- Time is what a clock on the wall shows, around the whole call. Compiling (JAX) is left out.\n"
        "- Operations are counted exactly: 4 for each weight and example, and 2 more for each that does not belong to "
        "the first layer. Activations, biases and updates are not counted.\n\n"
        "Who takes part:\n\n" + "\n".join(used) + f"\n\nVersions: {versions}."
    )
