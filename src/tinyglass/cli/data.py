"""The verb data: what recordings hold, and what looks wrong with them."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import printable
from ..printing import data_facts, print_data, print_json
from .options import AddVerb, add_json, add_path, add_reading
from .reading import read_asked


def add_verb(add: AddVerb) -> None:
    verb = add("data", data_verb, "show what recordings hold, and what looks wrong with them")
    add_path(verb)
    add_reading(verb)
    verb.add_argument(
        "--save", type=Path, metavar="FILE", help="write the recordings as a table: .parquet or .csv"
    )
    verb.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw all recordings by class and channel: .svg, .png or .pdf",
    )
    add_json(verb)


def data_verb(options: argparse.Namespace) -> int:
    """Show what was read, and what looks wrong."""
    from ..findings import find_problems
    from ..recordings import COURSE

    data = read_asked(options)
    findings = find_problems(data)
    if options.save is not None:
        from ..recordings.saving import save_recordings

        save_recordings(data, options.save, protect=options.path or COURSE)
    if options.plot is not None:
        from ..figures import plot_recordings

        plot_recordings(data, options.plot)
    if options.json:
        print_json(data_facts(data, findings))
    else:
        print_data(data, findings, "the course (CC BY-SA 4.0)" if options.path is None else str(options.path))
        for wish in (options.save, options.plot):
            if wish is not None:
                print(printable(f"written: {wish}"))
    return 0
