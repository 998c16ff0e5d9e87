"""The verb deploy: a network goes to a board, and proves there that it computes the same."""

from __future__ import annotations

import argparse
import re
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..board.programs import SENSORS
from ..errors import ArgumentError, printable
from ..export.targets import PRECISIONS
from ..printing import print_json
from .exporting import (
    add_precision,
    add_trainer,
    check_name,
    learning_rate_of,
    model_path,
    training_recordings,
)
from .options import AddVerb, add_json

if TYPE_CHECKING:
    from ..board.deployment import Placement
    from ..board.deployment.checking import SelfTest


def add_verb(add: AddVerb) -> None:
    verb = add(
        "deploy", deploy_verb, "put a network on a board, and let the board prove that it computes the same"
    )
    verb.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="MODEL",
        help="folder of a training, or a model file; not with --restore or --recorder",
    )
    verb.add_argument(
        "--to",
        required=True,
        metavar="PLACE",
        help="where the board's CIRCUITPY drive is mounted; a serial port, for MicroPython; or auto, for the only "
        "CIRCUITPY drive there is",
    )
    add_precision(verb, "float32")
    verb.add_argument(
        "--sensor",
        default="auto",
        metavar="S",
        help="proximity, accelerometer, gyroscope, motion, or template (default: by the network's channels)",
    )
    add_trainer(verb, "add a trainer, by which the board adapts to its user:")
    verb.add_argument(
        "--recorder",
        metavar="S",
        help="put on the board, instead of a network, the program that records from this sensor",
    )
    verb.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be done to the board's files, and leave them alone",
    )
    verb.add_argument(
        "--restore",
        nargs="?",
        const="",
        metavar="NAME",
        help="put back what the last deployment replaced, or the backup of this name",
    )
    verb.add_argument(
        "--backup",
        type=Path,
        metavar="DIR",
        help="folder for what is replaced (default: tinyglass/backups in the user's data)",
    )
    verb.add_argument(
        "--port",
        metavar="PORT",
        help="the drive's serial port (default: the one with the drive's serial number)",
    )
    verb.add_argument(
        "--no-selftest",
        dest="selftest",
        action="store_false",
        help="do not run the model's self-test on the board, nor start its program anew",
    )
    add_json(verb)


def deploy_verb(options: argparse.Namespace) -> int:
    """Put a network on a board."""
    check_name(options.precision, PRECISIONS, "--precision")
    if [options.model, options.restore, options.recorder].count(None) != 2:
        raise ArgumentError(
            "Expected a model to deploy, --recorder or --restore", "the command line", "Give one of the three"
        )
    if options.recorder is not None:
        check_name(options.recorder, SENSORS, "--recorder")
    learning_rate_of(options)
    place = _find_place(options.to)
    by_port = not isinstance(place, Path)
    if by_port and options.port:
        raise ArgumentError("--port means nothing beside a port in --to", "the command line", "Leave it out")
    if options.restore is not None:
        placement, expected = _restore(place, options), None
    else:
        placement, expected = _deploy(place, options)
    restored = options.restore is not None
    facts: dict[str, Any] = placement.facts() | {"restored": restored, "port": None, "selftest": None}
    if not options.json:
        _print(placement, options)
    try:
        facts |= _restart(place, expected, options)
    finally:
        if options.json:
            print_json(facts)
    return 0


def _find_place(to: str) -> Path | str:
    """Return the drive, or the port as a text.

    Raises
    ------
    ArgumentError
        If it is neither, or there is not exactly one drive.
    """
    from ..board.deployment.drive import find_drives

    if to != "auto":
        path = Path(to)
        try:
            is_port = stat.S_ISCHR(path.stat().st_mode)
        except OSError:
            is_port = to.startswith("/dev/") or bool(re.fullmatch(r"COM\d+", to))
        return to if is_port else path
    drives = find_drives()
    if len(drives) == 1:
        return drives[0].path
    if not drives:
        raise ArgumentError(
            "No CIRCUITPY drive is mounted",
            "--to",
            "Plug the board in and wait for its drive, or name the drive's folder or the board's port",
        )
    found = ", ".join(f"{drive.path} ({drive.board})" for drive in drives)
    raise ArgumentError(f"There are {len(drives)} CIRCUITPY drives: {found}", "--to", "Name one of them")


def _deploy(place: Path | str, options: argparse.Namespace) -> tuple[Placement, str | None]:
    """Return what was put on the board, and what its self-test must print; a recorder has none."""
    from ..board.deployment import deploy_by_mpremote, deploy_to_drive
    from ..board.deployment.mpremote import runtime_of
    from ..export.exporting import export_network, recorder_files

    target = "circuitpython" if isinstance(place, Path) else runtime_of(place)
    selftest = None
    if options.recorder is not None:
        files, needs = recorder_files(target, options.recorder)
    else:
        artefact = export_network(
            model_path(options.model),
            target,
            precision=options.precision,
            recordings=training_recordings(options.model, options.recordings, options.precision == "int8"),
            n_readings=options.readings,
            sensor=options.sensor,
            trainer=options.trainer,
            learning_rate=learning_rate_of(options),
        )
        files, needs, selftest = artefact.files, artefact.needs, artefact.selftest
    settings: dict[str, Any] = {"needs": needs, "backups": options.backup, "dry_run": options.dry_run}
    if isinstance(place, Path):
        return deploy_to_drive(files, place, **settings), selftest
    return deploy_by_mpremote(files, place, **settings), selftest


def _restore(place: Path | str, options: argparse.Namespace) -> Placement:
    from ..board.deployment import restore, restore_by_mpremote

    settings = {"backups": options.backup, "dry_run": options.dry_run}
    if isinstance(place, Path):
        return restore(place, options.restore or None, **settings)
    return restore_by_mpremote(place, options.restore or None, **settings)


def _restart(place: Path | str, expected: str | None, options: argparse.Namespace) -> dict[str, Any]:
    """Run the self-test where there is one, start the board's program anew, say so, and return the facts."""
    from ..board.deployment.checking import check_board, find_port, restart_board
    from ..board.deployment.drive import read_drive

    facts: dict[str, Any] = {}
    lines = []
    by_port = isinstance(place, str)  # then the program was stopped, whatever was done
    asked = options.selftest and not options.dry_run
    port = (
        place if isinstance(place, str) else options.port or (find_port(read_drive(place)) if asked else None)
    )
    if expected is not None and asked and port is not None:
        result: SelfTest = check_board(port, expected)
        facts["selftest"] = vars(result)
        lines = [f"self-test: {result}", "           The board computes what the PC computes."]
    elif port is not None and (asked or by_port):
        restart_board(port)
    else:
        port = None
    if expected is not None and not options.dry_run and "selftest" not in facts:
        lines = ["self-test: not run, as asked"]
        if options.selftest:
            lines = [
                "self-test: not run, for no serial port has this board's serial number; "
                f"to run it: tinyglass deploy {_again(options)} --port PORT"
            ]
    if port is not None:
        facts["port"] = port
        lines.append(f"restarted: the board at {port} runs its program")
    if not options.json:
        for line in lines:
            print(printable(line))
    return facts


def _print(placement: Placement, options: argparse.Namespace) -> None:
    would = "would be " if placement.dry_run else ""
    lines = [f"board: {placement.board}, at {placement.place}"]
    lines += [f"warning: {warning}" for warning in placement.warnings]
    lines += [
        f"left over: {name}, of a deployment that was cut off, {would}removed" for name in placement.swept
    ]
    if placement.backup is not None:
        kept = ", ".join(placement.kept) or "no file, for none is replaced"
        lines.append(f"backup: {placement.backup} ({kept}), {would}made")
    for file in placement.files:
        sizes = "" if file.size is None else f", {file.size:,} bytes"
        if file.change in ("replaced", "removed"):
            sizes += f", before {file.size_before:,} bytes"
        verb = "" if file.change in ("unchanged", "absent") else would
        lines.append(f"file: {file.name}{sizes}, {verb}{_past(file.change)}")
    needed = f", {placement.needed:,} needed for a while" if placement.needed else ""
    lines.append(f"space: {placement.free:,} bytes free{needed}")
    if placement.dry_run:
        lines.append("This was a dry run: nothing was written.")
    elif placement.backup is None:
        lines.append("All files were there already: nothing was written.")
    elif options.restore is None:
        lines.append("Every file was read back, and is what was written.")
        to = shlex.quote(options.to)
        backup = "" if options.backup is None else f" --backup {shlex.quote(str(options.backup))}"
        lines.append(f"To go back: tinyglass deploy --to {to}{backup} --restore")
    for line in lines:
        print(printable(line))


def _past(change: str) -> str:
    return {"new": "put there", "replaced": "replaced"}.get(change, change)


def _again(options: argparse.Namespace) -> str:
    words = [str(options.model), "--to", options.to]
    if options.precision != "float32":
        words += ["--precision", options.precision]
    return shlex.join(words)
