"""The command that makes a training again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import as_options
from .options import escaped

if TYPE_CHECKING:
    from ..runs import Run


def reproduce(run: Run, folder: Path) -> str:
    """Return the command that trains the same network again, to the bit."""
    words = ["tinyglass", "train"]
    if run.about.get("path"):
        words.append(run.about["path"])
    words += ["--out", str(folder)]
    if run.about.get("test"):
        words += ["--test", run.about["test"]]
    if run.about.get("seeds", 1) > 1:
        words += ["--seeds", str(run.about["seeds"])]
    if run.about.get("split", "auto") != "auto":
        words += ["--split", run.about["split"]]
    reading = run.about.get("reading") or {}
    if reading.get("label"):
        words += ["--label", reading["label"]]
    if reading.get("only"):
        words += ["--only", ",".join(map(escaped, reading["only"]))]
    for old, new in (reading.get("rename") or {}).items():
        words += ["--rename", f"{escaped(old)}={escaped(new)}"]
    for kind, pattern in (reading.get("group") or {}).items():
        words += ["--group", f"{kind}={pattern}"]
    return shlex.join(words + as_options(run.wished))
