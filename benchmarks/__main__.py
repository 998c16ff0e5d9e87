"""Measure, print, draw, write JSON: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from . import commands, ours, speed
from .drawing import draw
from .goals import check_goals
from .measuring import FULL, QUICK, Budget, Plan, measure_peak
from .page import write_page
from .peers import find_peers
from .printing import as_text

PARTS: dict[str, Callable[[Plan], Any]] = {
    "cells": speed.measure_cells,
    "million": speed.measure_million,
    "many": speed.measure_many,
    "growth": speed.measure_growth,
    "instruction_sets": speed.measure_instruction_sets,
    "whole_runs": commands.measure_whole_runs,
    "waiting": commands.measure_waiting,
    "sizes": commands.measure_sizes,
}


SLOW = ("whole_runs",)  # a quick run leaves them out, unless they are asked for


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="How fast tinyglass is, beside its peers."
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="rough figures, in under two minutes: fewer batches, no whole runs",
    )
    parser.add_argument(
        "--out", type=Path, default=speed.ROOT / "build" / "bench", help="folder of JSON and pictures"
    )
    parser.add_argument("--docs", action="store_true", help="write docs/speed.md too")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="measure only these")
    parser.add_argument("--results", type=Path, help="measure nothing: show the JSON of an earlier run")
    parser.add_argument(
        "--alone", action="store_true", help=argparse.SUPPRESS
    )  # one core, for a parent process
    options = parser.parse_args(words)
    options.parts = options.parts or [part for part in PARTS if not (options.quick and part in SLOW)]
    return options


def measure_all(parts: Sequence[str], budget: Budget, out: Path) -> dict[str, Any]:
    """Return the results of some parts, and what they were measured with; each part is kept when it is done."""
    out.mkdir(parents=True, exist_ok=True)
    peers, missing = find_peers()
    plan = Plan(ours.find_ours(), peers, budget)
    results: dict[str, Any] = {"about": about(plan, missing), "peak": measure_peak()}
    for part in parts:
        began = time.perf_counter()
        results[part] = PARTS[part](plan)
        text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        (out / "results.json").write_text(text, encoding="utf-8")
        speed.tell(f"{part.replace('_', ' ')}: {time.perf_counter() - began:.0f} s")
    return results


def about(plan: Plan, missing: dict[str, str]) -> dict[str, Any]:
    """Return the date, the machine, and who takes part in which version."""
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "busy": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"Python {platform.python_version()}",
        "instruction_set": getattr(ours.core(), "isa", None),
        "quick": plan.quick,
        "versions": {package: metadata.version(package) for package in sorted(plan.packages)},
        "contestants": {contestant.name: contestant.remark for contestant in plan.everyone},
        "missing": missing,
    }


def processor() -> str:
    """Return the processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main(words: Sequence[str] | None = None) -> None:
    options = parse(words)
    budget = QUICK if options.quick else FULL
    if options.alone:
        print(json.dumps(speed.measure_alone(budget)))
        return
    if options.results:
        results = json.loads(options.results.read_text(encoding="utf-8"))
    else:
        results = measure_all(options.parts, budget, options.out)
    goals = check_goals(results)
    for line in as_text(results, goals):
        print(line)
    drawn = draw(results, options.out, ".png")
    print(f"\n{', '.join(map(str, [options.out / 'results.json', *drawn]))}")
    if options.docs:
        print(write_page(results, goals))


if __name__ == "__main__":
    main()
