"""The programs that run on a board, put together from parts that can each be read alone.

The parts are text to tinyglass, never imported. A part names what it needs from others by
``from kit import …``, ``from sensor import …`` and so on; `compose` puts the parts in place of these
lines, so that the board gets one file. ``sensor`` stands for any of the sensors, ``predictor`` for
`predicting`, or for `learning`, which also imports ``trainer``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import ArgumentError, nearest, printable

RECORDER = "recorder"
PROGRAMS = (RECORDER, "gesture", "sliding")
"""What can be run: recording for the PC, one prediction at a button, predictions without end."""

SENSORS = ("proximity", "accelerometer", "gyroscope", "motion", "template")
"""What is read; motion is accelerometer and gyroscope, the template is filled by the user."""

PLATFORMS = ("circuitpython", "micropython")

PARTS = Path(__file__).parent / "parts"
RULE = "# " + "-" * 72


def compose(
    main: str,
    sensor: str,
    platform: str,
    header: str = "",
    *,
    learns: bool = False,
    channels: Sequence[tuple[str, str]] = (),
) -> str:
    """Return a complete program: ``code.py`` for CircuitPython, ``main.py`` for MicroPython.

    Parameters
    ----------
    main : str, of `PROGRAMS`; all but the recorder import ``model``
    sensor : str, of `SENSORS`
    platform : str, of `PLATFORMS`
    header : str, put above the program as comments
    learns : bool, whether it learns what button 2 tells it; not the recorder
    channels : sequence of (name, unit), for the template to begin with

    Raises
    ------
    ArgumentError
        If one of them is not known, or the recorder is to learn.

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
    if learns and main == RECORDER:
        raise ArgumentError("The recorder does not learn", "a board's program", "Choose another program")
    chosen = {"sensor": sensor, "predictor": "learning" if learns else "predicting"}
    parts: dict[str, _Part] = {}
    _gather(sensor, chosen, platform, parts)
    _gather(main, chosen, platform, parts)
    if channels:
        parts[sensor].set("CHANNELS", tuple(name for name, _ in channels))
        parts[sensor].set("UNITS", tuple(unit for _, unit in channels))
    program = parts.pop(main)
    bodies = [f"{RULE}\n# {part.title.splitlines()[0]}\n\n{part.body}\n" for part in parts.values()]
    imports = [line for part in (*parts.values(), program) for line in part.imports]
    comments = "".join(f"# {printable(line)}".rstrip() + "\n" for line in header.splitlines())
    top = f'{comments}"""{program.title}"""\n\n{_sorted(imports)}\n'
    return "\n".join([top, *bodies, f"{RULE}\n# The program.\n\n{program.body}"])


def channels_of(sensor: str, platform: str = PLATFORMS[0]) -> dict[str, str]:
    """Return the unit of each of a sensor's channels, "" for none, as its part names them.

    Examples
    --------
    >>> channels_of("gyroscope")
    {'gx': 'rad/s', 'gy': 'rad/s', 'gz': 'rad/s'}
    """
    path = _path(sensor, platform)
    assert path is not None, sensor
    part = _Part(path)
    return dict(zip(part.value("CHANNELS"), part.value("UNITS"), strict=True))


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

    def value(self, name: str) -> tuple[str, ...]:
        """Return the texts that a line of the part gives this name."""
        found: tuple[str, ...] = ast.literal_eval(self._assignment(name).value)
        return found

    def set(self, name: str, texts: tuple[str, ...]) -> None:
        """Give the name other texts."""
        line = self._assignment(name)
        lines = self.body.splitlines(keepends=True)
        lines[line.lineno - 1 : line.end_lineno] = [f"{name} = {texts!a}\n"]
        self.body = "".join(lines)

    def _assignment(self, name: str) -> ast.Assign:
        lines = [line for line in ast.parse(self.body).body if isinstance(line, ast.Assign)]
        return next(line for line in lines if ast.unparse(line.targets[0]) == name)


def _gather(name: str, chosen: Mapping[str, str], platform: str, parts: dict[str, _Part]) -> None:
    """Add a part after all that it needs; of some kinds of parts, one is chosen."""
    if name in parts:
        return
    path = _path(name, platform)
    assert path is not None, name
    part = _Part(path)
    outside = []
    for line in part.imports:
        module = (line.module or "") if isinstance(line, ast.ImportFrom) else ""
        needed = chosen.get(module, module)
        if needed and _path(needed, platform):
            _gather(needed, chosen, platform, parts)
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
