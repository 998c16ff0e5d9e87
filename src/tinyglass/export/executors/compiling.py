"""Compile the generated header with a program that is fed readings."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import TinyglassError
from ..board_model import BoardModel, board_answers, selftest_hash
from ..c.header import c_header
from ..c.literals import array
from ..c.trainer import c_trainer
from ..computing import last_sums, outputs_of, prepared
from ..floats import FLOAT32
from ..quantized import quantize_inputs, quantized_sums
from .answers import fed_bytes

PROGRAMS = Path(__file__).parent / "programs"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
LONGEST = 300  # seconds
TOO_LARGE = (
    "overflowed by",
    "will not fit in region",
    "is too large",
    "is not within region",
)  # what compilers and linkers say


class CompilerError(TinyglassError):
    """A compiler refused the generated code, or what it made does not run."""


class TooLargeError(CompilerError):
    """A network with its readings does not fit into a board."""


class Program(NamedTuple):
    """A C program that is fed with records and answers each.

    Attributes
    ----------
    headers : dict of str, what is generated, by file name
    source : str, of `PROGRAMS`
    definitions : tuple of str, for the compiler
    records : tuple of bytes, all of the same length, what it is fed with
    """

    headers: dict[str, str]
    source: str
    definitions: tuple[str, ...]
    records: tuple[bytes, ...]

    def write(self, folder: Path) -> None:
        """Write all that is to be compiled."""
        for name, text in self.headers.items():
            (folder / name).write_text(text, encoding="ascii")
        for name in (self.source, "feeding.h", "checking.h"):
            shutil.copy(PROGRAMS / name, folder / name)


def predicting(model: BoardModel, examples: Sequence[np.ndarray]) -> Program:
    """Return the program that answers raw readings with outputs, sums and the place of the class.

    Parameters
    ----------
    model : BoardModel
    examples : arrays, (n_readings, n_channels), in the units of the recordings
    """
    given = definitions(model, examples)
    if model.quantized is not None:
        given.append("-DINTEGER_SUMS")
    headers = {"model.h": c_header(model), "vectors.h": prepared_vectors(model)}
    return Program(headers, "fed.c", tuple(given), tuple(_records(model, examples)))


def prepared_vectors(model: BoardModel) -> str:
    """Return the test vectors as prepared inputs with what becomes of them, for a check on a PC, as constants in C."""
    inputs = prepared(model.preparation, model.readings).astype(np.float32)
    if model.quantized is None:
        sums = last_sums(model.network, inputs)
        arrays, weighted = [], sums
    else:
        quantized = quantize_inputs(model.quantized.inputs, inputs)
        sums = quantized_sums(model.quantized, quantized)
        weighted = FLOAT32.keep(FLOAT32.keep(sums) * FLOAT32.constant(model.quantized.layers[-1].unit))
        arrays = [
            array("int8_t", "vector_quantized", quantized.ravel()),
            array("int32_t", "vector_sums", sums.ravel()),
        ]
    arrays += [
        array("float", "vector_inputs", inputs.ravel()),
        array("float", "vector_outputs", outputs_of(model.network, weighted).ravel()),
        array("int", "vector_places", sums.argmax(axis=1)),
    ]
    hashed = selftest_hash(model, board_answers(model, model.readings))
    defined = f"#define N_VECTORS {len(inputs)}\n#define SELFTEST_HASH 0x{hashed:08x}u\n"
    return defined + "".join(arrays)


def learning(
    model: BoardModel, part: str, learning_rate: float, examples: Sequence[np.ndarray], expected: np.ndarray
) -> Program:
    """Return the program that learns, one step an example, and answers with all weights that learn.

    Parameters
    ----------
    model, part, learning_rate : as of `c_trainer`
    examples : arrays, (n_readings, n_channels)
    expected : float array, (n_examples,), the places of the classes, or the quantities
    """
    headers = {"model.h": c_header(model), "trainer.h": c_trainer(model, part, learning_rate)}
    given = definitions(model, examples) + (["-DQUANTITY"] if model.network.classes is None else [])
    records = [
        record[:4] + np.float32(y).tobytes() + record[4:]
        for record, y in zip(_records(model, examples), expected, strict=True)
    ]
    return Program(headers, "fed_trainer.c", tuple(given), tuple(records))


def definitions(model: BoardModel, examples: Sequence[np.ndarray]) -> list[str]:
    """Return what a program must be told about the network and its readings."""
    given = [f"-DMOST_READINGS={_most_readings(model, examples)}"]
    if model.any_length:
        given.append("-DANY_LENGTH")
    return given


def _most_readings(model: BoardModel, examples: Sequence[np.ndarray]) -> int:
    """Return for how many readings there is room: two at least where their number varies.

    Compilers that know of one alone warn of the next, which is not read.
    """
    return max(1 + model.any_length, *(len(example) for example in examples))


def _records(model: BoardModel, examples: Sequence[np.ndarray]) -> list[bytes]:
    n_bytes = 4 + 4 * _most_readings(model, examples) * model.n_channels
    return [record.ljust(n_bytes, b"\0") for record in fed_bytes(examples)]


def run_command(
    command: Sequence[str], folder: Path, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a folder and return what it did.

    Raises
    ------
    CompilerError
        If it fails, with what it said.
    """
    try:
        done = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=LONGEST)
    except subprocess.TimeoutExpired as error:
        raise CompilerError(
            f"{Path(command[0]).name} has not ended after {LONGEST} seconds",
            str(folder),
            "Try fewer recordings",
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if any(sign in said for sign in TOO_LARGE):
            raise TooLargeError(
                "The network with its readings does not fit into the memory",
                Path(command[0]).name,
                "Export in int8, take fewer readings, or use a larger board: tinyglass size MODEL",
            )
        raise CompilerError(
            f"{Path(command[0]).name} ended with {done.returncode}: {said[-600:] or 'it says nothing'}",
            str(folder),
            "This is a defect of tinyglass, or of the compiler: please report it with the model",
        )
    return done
