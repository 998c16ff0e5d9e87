"""Compile the generated header with a program that is fed readings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import TinyglassError
from ..board_model import BoardModel
from ..c.header import c_header

PROGRAMS = Path(__file__).parent / "programs"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
LONGEST = 300  # seconds
TOO_LARGE = ("overflowed by", "will not fit in region", "is too large", "is not within region")  # what compilers and linkers say


class CompilerError(TinyglassError):
    """A compiler refused the generated code, or a network does not fit into a board."""


def write_sources(model: BoardModel, folder: Path) -> None:
    """Write the header and the program that is fed readings."""
    (folder / "model.h").write_text(c_header(model), encoding="ascii")
    shutil.copy(PROGRAMS / "fed.c", folder / "fed.c")


def definitions(model: BoardModel, examples: Sequence[np.ndarray]) -> list[str]:
    """Return what the program must be told about the network and its readings."""
    given = [f"-DMOST_READINGS={max(len(example) for example in examples)}"]
    if model.quantized is not None:
        given.append("-DINTEGER_SUMS")
    if model.any_length:
        given.append("-DANY_LENGTH")
    return given


def run_command(
    command: Sequence[str], folder: Path, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a folder and return what it did.

    Raises
    ------
    CompilerError
        If it fails, with what it said.
    """
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=LONGEST)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if any(sign in said for sign in TOO_LARGE):
            raise CompilerError(
                "The network with its readings does not fit into the memory",
                str(command[0]),
                "Export in int8, take fewer readings, or use a larger board: tinyglass size MODEL",
            )
        raise CompilerError(
            f"{Path(command[0]).name} ended with {done.returncode}: {said[-600:] or 'it says nothing'}",
            str(folder),
            "This is a defect of tinyglass, or of the compiler: please report it with the model",
        )
    return done
