"""The verb export: a network leaves for a board."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..export.targets import PRECISIONS, TARGETS
from ..printing import print_json
from .exporting import (
    add_precision,
    add_trainer,
    check_name,
    learning_rate_of,
    model_path,
    training_recordings,
)
from .options import AddVerb, add_json, add_model

if TYPE_CHECKING:
    from ..export.exporting import Artefact


def add_verb(add: AddVerb) -> None:
    verb = add("export", export_verb, "write a network, with its preparation, for a board")
    add_model(verb)
    verb.add_argument("--target", required=True, metavar="T", help=", ".join(TARGETS))
    verb.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    add_precision(verb, "float32")
    verb.add_argument(
        "--sensor",
        default="auto",
        metavar="S",
        help="for Python: proximity, accelerometer, gyroscope, motion, or template, to be filled by you "
        "(default: by the channels)",
    )
    verb.add_argument(
        "--style",
        default="auto",
        metavar="S",
        help="for Python: unrolled, loop, or ulab where the board may have it (default: by the size)",
    )
    verb.add_argument(
        "--name",
        default="model",
        metavar="N",
        help="for C: how the header and all names in it begin, so that one program can hold several networks "
        "(default: model)",
    )
    add_trainer(verb, "add a trainer, by which the board adapts to its user:")
    add_json(verb)


def export_verb(options: argparse.Namespace) -> int:
    """Write a network for a board."""
    from ..export.exporting import export_network

    check_name(options.target, TARGETS, "--target")
    check_name(options.precision, PRECISIONS, "--precision")
    artefact = export_network(
        model_path(options.model),
        options.target,
        options.out,
        precision=options.precision,
        recordings=training_recordings(options.model, options.recordings, options.precision == "int8"),
        n_readings=options.readings,
        sensor=options.sensor,
        style=options.style,
        trainer=options.trainer,
        learning_rate=learning_rate_of(options),
        name=options.name,
    )
    if options.json:
        print_json(_facts(artefact, options.out))
    else:
        _print(artefact, options.out)
    return 0


def _facts(artefact: Artefact, folder: Path) -> dict[str, object]:
    model = artefact.model
    return {
        "target": artefact.target,
        "precision": model.precision,
        "sha256": model.digest,
        "files": {str(folder / name): len(content) for name, content in artefact.files.items()},
        "kept": [str(path) for path in artefact.kept],
        "selftest": artefact.selftest,
        "readings": model.n_readings,
        "agreement": None if model.agreement is None else model.agreement._asdict(),
        "notes": list(artefact.notes),
    }


def _print(artefact: Artefact, folder: Path) -> None:
    model = artefact.model
    for path in artefact.kept:
        print(f"kept: the earlier file is {path} now")
    for name, content in artefact.files.items():
        print(f"{folder / name}: {len(content):,} bytes")
    if model.agreement is not None:
        print(f"{model.agreement.in_words(model.network.classes is None)}, those of its calibration")
    for note in artefact.notes:
        print(note)
    print(f"self-test: {artefact.selftest}")
