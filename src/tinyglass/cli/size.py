"""The verb size: what a network will cost on boards, before anything is exported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..export.targets import PRECISIONS
from ..printing import print_grid, print_json, progress_bar
from .exporting import check_name, model_path, training_recordings
from .options import AddVerb, add_json, add_model, count

if TYPE_CHECKING:
    from ..export.board_model import BoardModel
    from ..export.sizes import Estimate


def add_verb(add: AddVerb) -> None:
    verb = add(
        "size", size_verb, "estimate flash, RAM and time of a network on boards, before it is exported"
    )
    add_model(verb)
    verb.add_argument(
        "--precision",
        default="both",
        metavar="P",
        help=f"{', '.join(PRECISIONS)}, both (default: both)",
    )
    verb.add_argument(
        "--readings",
        type=count,
        metavar="N",
        help="readings of a recording on the board, where the network takes any number",
    )
    verb.add_argument(
        "--measure",
        action="store_true",
        help="compile it, and count on the simulated chips that are here, instead of estimating",
    )
    verb.add_argument(
        "--trainer",
        metavar="PART",
        help="say also what a trainer needs: of the last layer (last) or of all (all)",
    )
    add_json(verb)


def size_verb(options: argparse.Namespace) -> int:
    """Estimate what a network will cost."""
    from ..export.board_model import make_board_model
    from ..export.sizes import BOARDS, estimate_size

    check_name(options.precision, (*PRECISIONS, "both"), "--precision")
    # How long sums take without an FPU depends a little on the readings.
    recordings = training_recordings(options.model, None, False) if options.measure else ()
    model = make_board_model(model_path(options.model), recordings=recordings, n_readings=options.readings)
    precisions = PRECISIONS if options.precision == "both" else (options.precision,)
    notes = [] if options.trainer is None else _trainer_notes(model, options.trainer)
    wanted = [(board.name, precision) for board in BOARDS for precision in precisions]
    missing: dict[str, str] = {}
    if options.measure:
        estimates = _measured(model, wanted, missing)
    else:
        estimates = [estimate_size(model, board, precision) for board, precision in wanted]
    if options.json:
        facts = [asdict(e) | {"board": e.board.name} for e in estimates]
        print_json(
            {"sha256": model.digest, "readings": model.n_readings, "estimates": facts, "trainer": notes}
        )
        return 0
    columns = ["board", "precision", "flash", "RAM", "readings", "time", ""]
    sizes = "-".join(map(str, model.network.sizes))
    print_grid(f"{sizes} network, a prediction of {model.n_readings} readings", columns, map(_row, estimates))
    for e in estimates:
        if e.too_much:
            print(f"{e.board.title}, {e.precision}: does not fit, {e.too_much}")
    print(
        "flash, RAM (the stack of a prediction; nothing is held between two) and what holds the raw readings: "
        "bytes.\n"
        "In Python: flash is the file, RAM what importing it takes in MicroPython; times may be 1.6 times as long.\n"
        "ESP32-S3 cannot be simulated: its figures in C are the Cortex-M4F's, which is much like it."
    )
    for note in notes:
        print(note)
    if measured := list(dict.fromkeys(e.board.title for e in estimates if e.measured)):
        print(f"Measured: {', '.join(measured)}; all else is estimated.")
    for title, install in missing.items():
        print(f"{title} is estimated; to measure it: {install}")
    return 0


def _trainer_notes(model: BoardModel, part: str) -> list[str]:
    from ..export.exporting import trainer_note
    from ..export.learning import check_trainer

    check_trainer(model, part, 1.0)
    return [trainer_note(model, target, part) for target in ("c", "micropython")]


def _measured(
    model: BoardModel, wanted: Sequence[tuple[str, str]], missing: dict[str, str]
) -> list[Estimate]:
    """Return what is counted where it can be, otherwise estimated; add to `missing` how more can be had."""
    from ..export.measuring import find_chip, measure_size
    from ..export.sizes import estimate_size

    found = []
    with progress_bar() as (show, _):
        for number, (board, precision) in enumerate(wanted):
            show("measuring", number / len(wanted))
            chip = find_chip(board)
            if chip is not None and not chip.is_there():
                missing[chip.title] = chip.install
                chip = None
            size = estimate_size if chip is None else measure_size
            found.append(size(model, board, precision))
        show("measuring", 1.0)
    return found


def _row(e: Estimate) -> list[str]:
    verdict = "no" if e.too_much else "fits"
    time = f"{e.milliseconds:.2g} ms" if e.milliseconds < 100 else f"{e.milliseconds:,.0f} ms"
    figures = [f"{number:,}" for number in (e.flash, e.ram, e.readings)]
    return [e.board.title, e.precision, *figures, time, verdict]
