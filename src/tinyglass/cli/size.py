"""The verb size: what a network will cost on boards, before anything is exported."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..export.targets import PRECISIONS
from ..printing import print_grid, print_json
from .exporting import check_name, model_path
from .options import AddVerb, add_json, add_model, count

if TYPE_CHECKING:
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
    add_json(verb)


def size_verb(options: argparse.Namespace) -> int:
    """Estimate what a network will cost."""
    from ..export.board_model import make_board_model
    from ..export.sizes import BOARDS, estimate_size

    check_name(options.precision, (*PRECISIONS, "both"), "--precision")
    model = make_board_model(model_path(options.model), n_readings=options.readings)
    precisions = PRECISIONS if options.precision == "both" else (options.precision,)
    estimates = [estimate_size(model, board.name, precision) for board in BOARDS for precision in precisions]
    if options.json:
        facts = [asdict(e) | {"board": e.board.name, "measured": e.board.measured} for e in estimates]
        print_json({"sha256": model.digest, "readings": model.n_readings, "estimates": facts})
        return 0
    columns = ["board", "precision", "flash", "RAM", "readings", "time", ""]
    sizes = "-".join(map(str, model.network.sizes))
    print_grid(f"{sizes} network, a prediction of {model.n_readings} readings", columns, map(_row, estimates))
    print(
        "flash, RAM (the stack of a prediction; nothing is held between two) and what holds the raw readings: "
        "bytes.\n"
        "ESP32-S3 cannot be simulated: its figures are the Cortex-M4F's, which is much like it."
    )
    return 0


def _row(e: Estimate) -> list[str]:
    verdict = f"does not fit: {e.too_much}" if e.too_much else "fits"
    time = f"{e.milliseconds:.2g} ms" if e.milliseconds < 100 else f"{e.milliseconds:,.0f} ms"
    return [e.board.title, e.precision, f"{e.flash:,}", f"{e.ram:,}", f"{e.readings:,}", time, verdict]
