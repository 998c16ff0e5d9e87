"""The PC's own compilers: the header as a program that reads readings and writes answers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..board_model import BoardModel
from .answers import Executed, answered_type, executed, fed_bytes
from .compiling import STRICT, definitions, run_command, write_sources

COMPILERS = {
    "gcc": ("gcc", "-std=c99", "-O2"),
    "g++": ("g++", "-x", "c++", "-O2"),
    "clang": ("clang", "-std=c99", "-O2"),
    "zig": (sys.executable, "-m", "ziglang", "cc", "-std=c99", "-O2"),
}


def run_on_host(compiler: str, model: BoardModel, examples: Sequence[np.ndarray]) -> Executed:
    """Return what the header answers to raw readings when one of `COMPILERS` compiles it for this PC.

    Parameters
    ----------
    compiler : str, a key of `COMPILERS`
    model : BoardModel
    examples : arrays, (n_readings, n_channels), in the units of the recordings
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sources(model, folder)
        target = folder / "fed"
        command = [*COMPILERS[compiler], *STRICT, *definitions(model, examples), "fed.c", "-o", target.name]
        run_command(command, folder)
        done = run_command([str(target)], folder, b"".join(fed_bytes(examples)))
    return executed(np.frombuffer(done.stdout, answered_type(model)))
