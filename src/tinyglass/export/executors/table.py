"""Every executor, and how it is installed where it is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ..board_model import BoardModel
from ..floats import FLOAT32, FLOAT64, Floats
from . import avr, chips, hosts, onnx_runtime, pythons, wasm
from .answers import Cost, Executed, executed
from .compiling import Program, predicting

Form = Literal["c", "python", "onnx"]
EXTRA = 'pip install "tinyglass[devices]"'
SIMAVR_HEADER = Path("/usr/include/simavr/sim_avr.h")


class Executor(NamedTuple):
    """Something that runs an exported network.

    Attributes
    ----------
    name, title : str
    form : "c", "python" or "onnx", what it runs
    floats : Floats or None, what it computes with; None: float32 in an order of its own
    is_there : function that tells whether it can be used here
    install : str, the command that installs it
    run : function from a BoardModel and examples to Executed
    feed : function from a `Program` to its answers and their Cost, for C
    """

    name: str
    title: str
    form: Form
    floats: Floats | None
    is_there: Callable[[], bool]
    install: str
    run: Callable[[BoardModel, Sequence[np.ndarray]], Executed]
    feed: Callable[[Program], tuple[bytes, Cost | None]] | None = None


def _c(
    name: str,
    title: str,
    is_there: Callable[[], bool],
    install: str,
    feed: Callable[[Program], tuple[bytes, Cost | None]],
) -> Executor:
    """Return an executor of C, which is fed with records."""

    def run(model: BoardModel, examples: Sequence[np.ndarray]) -> Executed:
        return executed(model, *feed(predicting(model, examples)))

    return Executor(name, title, "c", FLOAT32, is_there, install, run, feed)


def _host(name: str, title: str, is_there: Callable[[], bool], install: str) -> Executor:
    return _c(name, title, is_there, install, partial(hosts.run_on_host, name))


def _chip(chip: chips.Chip) -> Executor:
    def is_there() -> bool:
        return shutil.which(chip.compiler) is not None and find_spec("unicorn") is not None

    install = f"apt install {chip.packages}; {EXTRA}"
    return _c(chip.name, chip.title, is_there, install, partial(chips.run_on_chip, chip))


def _has(program: str) -> Callable[[], bool]:
    return lambda: shutil.which(program) is not None


def _python(name: str, title: str, is_there: Callable[[], bool], install: str) -> Executor:
    run = partial(pythons.run_in_python, name)
    return Executor(name, title, "python", FLOAT64, is_there, install, run)


EXECUTORS = (
    _python("cpython", "CPython", lambda: True, ""),
    _python("micropython", "MicroPython", lambda: pythons.find_micropython() is not None, EXTRA),
    _python("micropython-32", "MicroPython, 32 bits", wasm.is_there, EXTRA),
    _host("gcc", "gcc, C99", _has("gcc"), "apt install gcc"),
    _host("g++", "g++, C++", _has("g++"), "apt install g++"),
    _host("clang", "clang, C99", _has("clang"), "apt install clang"),
    _host("zig", "zig, C99", lambda: find_spec("ziglang") is not None, EXTRA),
    *(_chip(chip) for chip in chips.CHIPS),
    _c(
        "uno",
        "Arduino Uno",
        lambda: bool(shutil.which(avr.COMPILER) and shutil.which("gcc") and SIMAVR_HEADER.exists()),
        f"apt install {avr.PACKAGES}",
        avr.run_on_avr,
    ),
    Executor(
        "onnxruntime",
        "onnxruntime",
        "onnx",
        None,
        lambda: find_spec("onnx") is not None and find_spec("onnxruntime") is not None,
        'pip install "tinyglass[devices,onnx]"',
        onnx_runtime.run_in_onnxruntime,
    ),
)
"""In the order of the table that `tinyglass verify` prints."""
