"""Names of files that a board's disk can hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...errors import ArgumentError

ASIDE = "tinyglass.new"
"""The folder on the board in which files wait until they are whole. CircuitPython and MicroPython run
``code.py``, ``main.py`` and their like in the top folder only, and no import can name a folder with a dot."""

PROGRAMS = ("code.py", "main.py")
"""What a board runs by itself: put last, removed first."""

FORBIDDEN = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')


def check_names(names: Iterable[str]) -> None:
    """Refuse names that FAT cannot hold, that lead out of the drive, or that differ in capitals only.

    Raises
    ------
    ArgumentError
        Naming the first.

    Examples
    --------
    >>> check_names(["code.py", "lib/driver.py"])
    """
    seen: set[str] = set()
    for name in names:
        parts = name.split("/")
        unfit = FORBIDDEN.search(name) or any(
            not part.strip(".") or part != part.strip(" ").rstrip(".") or len(part) > 255 for part in parts
        )
        if unfit or name.lower() in seen or parts[0].lower() == ASIDE:
            raise ArgumentError(
                f"A board's drive cannot hold a file named {name!r}",
                "the files to be put",
                "Give each a relative name without special characters",
            )
        seen.add(name.lower())


def in_order(names: Iterable[str], last: Sequence[str] = PROGRAMS) -> list[str]:
    """Return the names in the order in which files are put: what the board runs last.

    Examples
    --------
    >>> in_order(["code.py", "model.py", "data.bin"])
    ['data.bin', 'model.py', 'code.py']
    """
    return sorted(names, key=lambda name: (name.lower() in last, name))


def folders_of(names: Iterable[str]) -> list[str]:
    """Return the folders that the names lie in, outer ones first.

    Examples
    --------
    >>> folders_of(["code.py", "lib/sensors/apds.py"])
    ['lib', 'lib/sensors']
    """
    found = set()
    for name in names:
        parts = name.split("/")[:-1]
        found |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return sorted(found)
