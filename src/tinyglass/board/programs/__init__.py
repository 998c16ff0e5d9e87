"""The programs that run on a board, put together from parts that can each be read alone.

The parts are text to tinyglass, never imported. A part names what it needs from others by
``from kit import …``, ``from sensor import …`` and so on; `compose` puts the parts in place of these
lines, so that the board gets one file.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from ...errors import ArgumentError, nearest, printable

PROGRAMS = ("recorder", "gesture", "sliding")
"""What can be run: recording for the PC, one prediction at a button, predictions without end."""

SENSORS = ("proximity", "accelerometer", "gyroscope", "motion", "template")
"""What is read; motion is accelerometer and gyroscope, the template is filled by the user."""

PLATFORMS = ("circuitpython", "micropython")

PARTS = Path(__file__).parent / "parts"
RULE = "# " + "-" * 72


def compose(main: str, sensor: str, platform: str, header: str = "") -> str:
    """Return a complete program: ``code.py`` for CircuitPython, ``main.py`` for MicroPython.

    Parameters
    ----------
    main : str, of `PROGRAMS`; all but the recorder import ``model``
    sensor : str, of `SENSORS`
    platform : str, of `PLATFORMS`
    header : str, put above the program as comments

    Raises
    ------
    ArgumentError
        If one of them is not known.

    Examples
    --------
    >>> program = compose("gesture", "proximity", "circuitpython", "Model 1f3a")
    >>> program.splitlines()[0]
    '# Model 1f3a'
    >>> "import model" in program
    True
    """
    for what, name, known in (
        ("program", main, PROGRAMS),
        ("sensor", sensor, SENSORS),
        ("platform", platform, PLATFORMS),
    ):
        if name not in known:
            raise ArgumentError(f"Unknown {what} {name!r}", "a board's program", nearest(name, list(known)))
    parts: dict[str, _Part] = {}
    _gather(sensor, sensor, platform, parts)
    _gather(main, sensor, platform, parts)
    program = parts.pop(main)
    bodies = [f"{RULE}\n# {part.title.splitlines()[0]}\n\n{part.body}\n" for part in parts.values()]
    imports = [line for part in (*parts.values(), program) for line in part.imports]
    comments = "".join(f"# {printable(line)}".rstrip() + "\n" for line in header.splitlines())
    top = f'{comments}"""{program.title}"""\n\n{_sorted(imports)}\n'
    return "\n".join([top, *bodies, f"{RULE}\n# The program.\n\n{program.body}"])


class _Part:
    """A part, read apart: its docstring, what it imports, and the rest."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        self.title = ast.get_docstring(tree, clean=False) or ""
        self.imports: list[ast.Import | ast.ImportFrom] = []
        for statement in tree.body[1:]:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                break
            self.imports.append(statement)
        first = [tree.body[0], *self.imports][-1].end_lineno
        self.body = "\n".join(text.splitlines()[first:]).strip("\n") + "\n"


def _gather(name: str, sensor: str, platform: str, parts: dict[str, _Part]) -> None:
    """Add a part after all that it needs."""
    if name in parts:
        return
    path = _path(name, platform)
    assert path is not None, name
    part = _Part(path)
    outside = []
    for line in part.imports:
        module = line.module if isinstance(line, ast.ImportFrom) else None
        needed = sensor if module == "sensor" else module
        if needed and _path(needed, platform):
            _gather(needed, sensor, platform, parts)
        else:
            outside.append(line)
    part.imports = outside
    parts[name] = part


def _path(name: str, platform: str) -> Path | None:
    """Return the file of a part, which may be another one on each platform."""
    paths = (PARTS / platform / f"{name}.py", PARTS / f"{name}.py")
    return next((path for path in paths if path.exists()), None)


def _sorted(imports: list[ast.Import | ast.ImportFrom]) -> str:
    """Return the imports once each, as they are commonly sorted: Python's own first, then the board's."""
    whole, names = set(), dict[str, set[str]]()
    for line in imports:
        found = {ast.unparse(alias) for alias in line.names}
        if isinstance(line, ast.Import):
            whole |= found
        else:
            names.setdefault(line.module or "", set()).update(found)
    lines = [(name, f"import {name}") for name in sorted(whole)]
    lines += [(name, f"from {name} import {', '.join(sorted(names[name]))}") for name in sorted(names)]
    groups = [
        [text for name, text in lines if (name.split(".")[0] in sys.stdlib_module_names) == own]
        for own in (True, False)
    ]
    return "\n\n".join("\n".join(group) for group in groups if group) + "\n"
