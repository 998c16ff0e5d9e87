"""A generated file is put together from parts, each of which can be read alone.

A part is text to tinyglass, never imported. What it needs of other parts stands in a line
``from model import …`` (or ``from trainer import …``, where that is the file), for the reader and the
linter: in the file everything is in one place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

PARTS = Path(__file__).parent / "parts"


def part(name: str) -> str:
    """Return the text of a part."""
    return (PARTS / f"{name}.py").read_text(encoding="utf-8")


def assemble(sections: Iterable[str], file: str = "model") -> str:
    """Return the sections as one program, with what they import of other files at its top.

    Examples
    --------
    >>> print(assemble(["from math import exp\\n\\n\\nx = exp(0)\\n", "from math import sqrt\\ny = 1\\n"]))
    from math import exp, sqrt
    <BLANKLINE>
    x = exp(0)
    y = 1
    <BLANKLINE>
    """
    names: dict[str, set[str]] = {}
    bodies = []
    for section in sections:
        end = 0
        for statement in ast.parse(section).body:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                break
            end = statement.end_lineno or 0
            module = statement.module or "" if isinstance(statement, ast.ImportFrom) else ""
            names.setdefault(module, set()).update(ast.unparse(alias) for alias in statement.names)
        bodies.append("\n".join(section.splitlines()[end:]).strip("\n"))
    imports = [f"import {name}" for name in sorted(names.pop("", ()))]
    imports += [f"from {key} import {', '.join(sorted(names[key]))}" for key in sorted(names) if key != file]
    text = "\n".join(imports)
    before = text and "imports"
    for body in filter(None, bodies):
        kind = "definitions" if body.startswith(("def ", "class ")) or "\ndef " in body else "constants"
        if text:
            text += "\n\n\n" if "definitions" in (before, kind) else "\n" if before == kind else "\n\n"
        text += body
        before = kind
    return text + "\n"
