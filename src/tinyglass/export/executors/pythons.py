"""Python as an executor: the model's file in CPython and in MicroPython, each in a process of its own."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..board_model import BoardModel
from ..python.model_file import python_model
from .answers import Executed
from .compiling import PROGRAMS, run_command


def find_micropython() -> str | None:
    """Return the path of MicroPython, beside this Python or where commands are found; None without one."""
    return shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")


def run_in_python(interpreter: str, model: BoardModel, examples: Sequence[np.ndarray]) -> Executed:
    """Return what the model's file answers to raw readings in an interpreter.

    Parameters
    ----------
    interpreter : str, its path
    model : BoardModel
    examples : arrays, (n_readings, n_channels), in the units of the recordings
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(python_model(model), encoding="utf-8")
        shutil.copy(PROGRAMS / "fed.py", folder / "fed.py")
        given = b"".join(
            np.array(e.shape, "<i4").tobytes() + np.ascontiguousarray(e, "<f4").tobytes() for e in examples
        )
        (folder / "readings").write_bytes(given)
        done = run_command([interpreter, "fed.py"], folder)
    n = model.network.n_outputs
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    outputs = np.array([[np.frombuffer(bytes.fromhex(word), "<f8")[0] for word in row[:n]] for row in rows])
    places = np.array([int(row[n]) for row in rows])
    sums = (
        np.array([[int(word) for word in row[n + 1 :]] for row in rows])
        if model.quantized is not None
        else None
    )
    return Executed(sums, outputs, places)
