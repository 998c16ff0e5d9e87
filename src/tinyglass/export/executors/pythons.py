"""Python as an executor: the model's file in CPython, in MicroPython, and in MicroPython with 32 bits."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..board_model import BoardModel
from ..python.model_file import python_model
from . import wasm
from .answers import Executed
from .compiling import PROGRAMS, run_command

AT_ONCE = 100  # examples: an interpreter that collects nothing has memory for them


def find_micropython() -> str | None:
    """Return the path of MicroPython, beside this Python or where commands are found; None without one."""
    return shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")


def _run(name: str, program: str, folder: Path) -> str:
    """Run a program of a folder in an interpreter, and return what it prints."""
    if name == "micropython-32":
        return wasm.run_program(f"import gc\ngc.disable()\nimport {program}", folder)
    interpreter = sys.executable if name == "cpython" else find_micropython()
    assert interpreter is not None
    return run_command([interpreter, f"{program}.py"], folder).stdout.decode()


def run_in_python(name: str, model: BoardModel, examples: Sequence[np.ndarray]) -> Executed:
    """Return what the model's file answers to raw readings in an interpreter.

    Parameters
    ----------
    name : {"cpython", "micropython", "micropython-32"}
    model : BoardModel
    examples : arrays, (n_readings, n_channels), in the units of the recordings
    """
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        (folder / "model.py").write_text(python_model(model), encoding="utf-8")
        shutil.copy(PROGRAMS / "fed.py", folder / "fed.py")
        said = ""
        for begin in range(0, len(examples), AT_ONCE):
            given = b"".join(
                np.array(e.shape, "<i4").tobytes() + np.ascontiguousarray(e, "<f4").tobytes()
                for e in examples[begin : begin + AT_ONCE]
            )
            (folder / "readings").write_bytes(given)
            said += _run(name, "fed", folder)
    n = model.network.n_outputs
    rows = [line.split() for line in said.splitlines()]
    outputs = np.array([[np.frombuffer(bytes.fromhex(word), "<f8")[0] for word in row[:n]] for row in rows])
    places = np.array([int(row[n]) for row in rows])
    sums = (
        np.array([[int(word) for word in row[n + 1 :]] for row in rows])
        if model.quantized is not None
        else None
    )
    return Executed(sums, outputs, places)


def learn_in_python(
    name: str,
    model: BoardModel,
    part: str,
    learning_rate: float,
    examples: Sequence[np.ndarray],
    expected: np.ndarray,
) -> np.ndarray:
    """Return all weights that learn after each step that a trainer makes in an interpreter.

    Parameters
    ----------
    name : {"cpython", "micropython", "micropython-32"}
    model, part, learning_rate : as of `python_trainer`
    examples : arrays, (n_readings, n_channels)
    expected : float array, (n_examples,), the places of the classes, or the quantities

    Returns
    -------
    float32 array, (n_examples, n_weights), of each neuron its bias, or 0, then its weights
    """
    from ..python.trainer_file import python_trainer

    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        (folder / "model.py").write_text(python_model(model), encoding="utf-8")
        trainer = python_trainer(model, part=part, learning_rate=learning_rate)
        (folder / "trainer.py").write_text(trainer, encoding="utf-8")
        shutil.copy(PROGRAMS / "fed_trainer.py", folder / "fed_trainer.py")
        given = b"".join(
            np.array(e.shape, "<i4").tobytes()
            + np.float32(y).tobytes()
            + np.ascontiguousarray(e, "<f4").tobytes()
            for e, y in zip(examples, expected, strict=True)
        )
        (folder / "readings").write_bytes(given)
        said = _run(name, "fed_trainer", folder)
    return np.frombuffer(bytes.fromhex(said), "<f4").reshape(len(examples), -1)
