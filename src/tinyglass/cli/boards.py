"""The verb boards: what is plugged in."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..printing import print_json, print_table
from .options import AddVerb, add_json

if TYPE_CHECKING:
    from ..board.deployment.drive import Drive
    from ..board.ports import Port


def add_verb(add: AddVerb) -> None:
    verb = add("boards", boards_verb, "list the boards that are plugged in, and their drives")
    add_json(verb)


def boards_verb(options: argparse.Namespace) -> int:
    """List serial ports, and the drives of CircuitPython."""
    from dataclasses import asdict

    from ..board.deployment.drive import find_drives
    from ..board.ports import list_boards

    ports, drives = list_boards(), find_drives()
    if options.json:
        facts = [asdict(drive) | {"path": str(drive.path)} for drive in drives]
        print_json({"ports": [asdict(port) for port in ports], "drives": facts})
        return 0
    if not ports and not drives:
        print("No board is plugged in, or its cable carries no data.")
    for port in ports:
        own = [drive for drive in drives if drive.uid and drive.uid.upper() == port.serial_number.upper()]
        print_table(_port_rows(port) + [("drive", _in_words(drive)) for drive in own], port.path)
        drives = [drive for drive in drives if drive not in own]
    for drive in drives:
        print_table([("likely", _in_words(drive)), ("serial number", drive.uid)], str(drive.path))
    return 0


def _port_rows(port: Port) -> list[tuple[str, str]]:
    rows = [
        ("likely", port.kind),
        ("name", port.name),
        ("maker", port.maker),
        ("USB", port.usb),
        ("serial number", port.serial_number),
    ]
    return [(name, text) for name, text in rows if text]


def _in_words(drive: Drive) -> str:
    version = f", CircuitPython {drive.version}" if drive.version else ""
    return f"{drive.path}: {drive.board or 'a board'}{version}"
