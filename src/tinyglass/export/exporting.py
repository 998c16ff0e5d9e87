"""Write a network for a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from .. import __version__
from ..board.programs import compose
from ..errors import ArgumentError, StorageError, nearest
from ..network import Network
from ..prediction import UNKNOWN
from ..storage import make_folder, write_atomically
from .board_model import (
    TOLERANCE,
    BoardModel,
    board_answers,
    label_of,
    make_board_model,
    selftest_line,
)
from .c import projects
from .c.trainer import trainer_note as c_trainer_note
from .learning import check_trainer
from .python.files import drivers_of, program_name
from .sizes import cost_line
from .targets import FORMS, TARGETS

if TYPE_CHECKING:
    from ..recordings import Recording


@dataclass(frozen=True, eq=False)
class Artefact:
    """A network written for a board.

    Attributes
    ----------
    target : str, of `TARGETS`
    files : dict of bytes, by their path in the folder
    model : BoardModel
    selftest : str
        What the board's self-test prints, but for what follows ``error=``.
    needs : tuple of str
        Libraries that must be on the board, as paths on its drive.
    kept : tuple of Path
        Earlier files with other contents, which were renamed before these were written.
    notes : tuple of str
        What should be known about them.
    """

    target: str
    files: dict[str, bytes]
    model: BoardModel
    selftest: str
    needs: tuple[str, ...] = ()
    kept: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def export_network(
    model: Network | str | Path,
    target: str,
    out: str | Path | None = None,
    *,
    precision: str = "float32",
    recordings: Sequence[Recording] = (),
    inputs: np.ndarray | None = None,
    n_readings: int | None = None,
    sensor: str = "auto",
    style: str = "auto",
    trainer: str | None = None,
    learning_rate: float = 0.01,
    name: str = "model",
) -> Artefact:
    """Write a network, with its preparation, for a board.

    Parameters
    ----------
    model : Network, or the path of a model file
    target : {"circuitpython", "micropython", "c", "arduino", "platformio", "esp-idf", "onnx"}
    out : path, optional
        The folder for the files. A file that is there and differs is renamed, not lost.
    precision : {"float32", "int8"}
    recordings : sequence of Recording, of the training part: int8 is calibrated on them, and the eight
        test vectors are taken of them
    inputs : array, (n_examples, n_inputs), optional
        Instead of recordings, for a network fed with numbers.
    n_readings : int, optional
        How many readings a whole recording has on the board, where the network takes any number.
    sensor : str
        For Python: of `tinyglass.board.programs.SENSORS`, or "auto", which goes by the channels.
    style : {"auto", "unrolled", "loop", "int8", "ulab"}
        For Python: how the network is written; "ulab" uses it where the board has it, and a loop where not.
    trainer : {"last", "all"}, optional
        Add a trainer of the last layer or of all, for CircuitPython, MicroPython and C in float32.
    learning_rate : float, of the trainer
    name : str
        For C: with which the header and the names in it begin, so that several networks can live in one program.

    Returns
    -------
    Artefact

    Raises
    ------
    ArgumentError
        If the target is unknown, int8 has nothing to be calibrated on, or costs more than half a
        point of accuracy.
    StorageError
        If a file cannot be written.

    Examples
    --------
    >>> from tinyglass import export_network, read_recordings, train
    >>> artefact = export_network(train(read_recordings()).network, "arduino")
    >>> sorted(artefact.files)[0]
    'TinyglassModel/examples/recognise/recognise.ino'
    """
    if target not in TARGETS:
        raise ArgumentError(f"Unknown target {target!r}", "the export", nearest(target, list(TARGETS)))
    _refuse_what_has_no_effect(target, precision, sensor, style, trainer, name)
    board_model = make_board_model(model, precision, recordings, inputs, n_readings)
    if trainer is not None:
        check_trainer(board_model, trainer, learning_rate)
    options = projects.Options(name, trainer, learning_rate)
    files, needs = _files(board_model, target, sensor, style, options)
    notes: tuple[str, ...] = ()
    if not recordings and inputs is None:
        notes += ("The eight test vectors are made up, as no recordings were at hand (--recordings PATH).",)
    if board_model.period_ms is None and board_model.n_readings > 1 and FORMS[target] != "onnx":
        where = (
            "PERIOD_MS in model.py" if FORMS[target] == "python" else f"{name.upper()}_PERIOD_MS in {name}.h"
        )
        notes += (f"The recordings did not say how often they were read: set {where}.",)
    if UNKNOWN in (board_model.network.classes or ()):
        notes += (
            f"A class is called {UNKNOWN!r}, as is what the network is not sure of: --rename it in training.",
        )
    if trainer is not None:
        notes += (trainer_note(board_model, target, trainer),)
    kept = () if out is None else write_files(files, Path(out))
    return Artefact(target, files, board_model, selftest_line(board_model), needs, kept, notes)


def _refuse_what_has_no_effect(
    target: str, precision: str, sensor: str, style: str, trainer: str | None, name: str
) -> None:
    if FORMS[target] == "onnx" and precision != "float32":
        raise ArgumentError("ONNX is exported in float32 only", "the export", "Leave out --precision")
    if FORMS[target] == "onnx" and trainer is not None:
        raise ArgumentError(
            "There is no trainer for ONNX", "the export", "Leave out --trainer, or choose another target"
        )
    if FORMS[target] != "c" and name != "model":
        raise ArgumentError(
            f"--name {name} is for C, and the target is {target}",
            "the export",
            "Leave out --name, or choose another target",
        )
    for option, value in (("--sensor", sensor), ("--style", style)):
        if FORMS[target] != "python" and value != "auto":
            raise ArgumentError(
                f"{option} {value} is for CircuitPython and MicroPython, and the target is {target}",
                "the export",
                f"Leave out {option}, or choose another target",
            )


def recorder_files(target: str, sensor: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the program that records for the PC, and the libraries that must be on the board.

    Parameters
    ----------
    target : {"circuitpython", "micropython"}
    sensor : str, of `tinyglass.board.programs.SENSORS`

    Examples
    --------
    >>> files, needs = recorder_files("circuitpython", "proximity")
    >>> list(files), needs
    (['code.py'], ('lib/apds9930',))
    """
    program = compose("recorder", sensor, target, f"tinyglass {__version__}, the recorder")
    return {program_name(target): program.encode()}, drivers_of(sensor, target)


def _files(
    model: BoardModel, target: str, sensor: str, style: str, options: projects.Options
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files for a target, and the libraries that they need."""
    if target == "onnx":
        from .onnx import to_onnx

        bare = model.network.preparation is None
        content = to_onnx(model.network, n_readings=None if bare else model.n_readings, digest=model.digest)
        return {"model.onnx": content, "test_vectors.json": _test_vectors(model)}, ()
    if FORMS[target] == "python":
        from .python.files import python_files

        return python_files(model, target, sensor, style, options.trainer, options.learning_rate)
    write = {
        "c": projects.c_files,
        "arduino": projects.arduino_files,
        "platformio": projects.platformio_files,
        "esp-idf": projects.esp_idf_files,
    }[target]
    texts = write(model, cost_line(model), options)
    return {path: text.encode("ascii") for path, text in texts.items()}, ()


def _test_vectors(model: BoardModel) -> bytes:
    """Return the test vectors as JSON, for a format that has no place for them."""
    answers = board_answers(model, model.readings)
    facts = {
        "model": model.digest,
        "readings": model.readings.tolist(),
        "outputs": answers.outputs.tolist(),
        "labels": [label_of(model, place) for place in answers.classes.tolist()],
        "tolerance": TOLERANCE,
    }
    return msgspec.json.encode(facts) + b"\n"


def trainer_note(model: BoardModel, target: str, part: str) -> str:
    """Return what a trainer needs of a board's memory, in words."""
    if FORMS[target] != "python":
        return c_trainer_note(model, part)
    from .python.trainer_file import python_trainer_memory

    return (
        f"trainer: the program that learns needs about {python_trainer_memory(model):,} bytes of memory more"
    )


def write_files(files: dict[str, bytes], folder: Path) -> tuple[Path, ...]:
    """Write files into a folder, and return what earlier ones with other contents were renamed to.

    Raises
    ------
    StorageError
        If the disk refuses.
    """
    kept = []
    for name, content in files.items():
        path = folder / name
        make_folder(path.parent)
        if path.is_dir():
            raise StorageError(
                "This is a folder, and a file is to be written", str(path), "Choose another --out"
            )
        if path.exists() and path.read_bytes() != content:
            number = 1
            while (earlier := path.with_name(f"{path.name}.old{number}")).exists():
                number += 1
            path.rename(earlier)
            kept.append(earlier)
        write_atomically(path, content)
    return tuple(kept)
