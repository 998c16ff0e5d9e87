"""Measure, print, write tables: ``python -m benchmarks.devices --help``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence

from ..speed import tell
from .goals import check_goals
from .measuring import measure
from .page import as_text, write_page


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.devices",
        description="What a network costs on a board, beside emlearn and TFLite Micro.",
    )
    parser.add_argument("--quick", action="store_true", help="-Os only; no public sets of recordings")
    parser.add_argument("--docs", action="store_true", help="write the tables of docs/devices.md too")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    options = parse(words)
    warnings.simplefilter("ignore")  # of the public sets: what is wrong with them is known
    results = measure(quick=options.quick, tell=tell)
    goals = check_goals(results)
    for part in as_text(results, goals):
        print(part)
    if options.docs:
        print(write_page(results, goals))


if __name__ == "__main__":
    main()
