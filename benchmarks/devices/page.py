"""The figures as text, and as tables of docs/devices.md; every number in them comes from the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tinyglass.export.executors.answers import Cost

from .. import board_python
from ..goals import Goal
from ..page import DOCS, markdown
from ..printing import goal_rows, table
from .agreement import Agreement
from .code import CONTESTANTS
from .measuring import Figure, Results
from .programs import BOARDS
from .tflite import QUOTED

BEGIN, END = "<!-- bench-devices -->", "<!-- end -->"

Rows = Sequence[Sequence[str]]


def as_text(results: Results, goals: Sequence[Goal]) -> Iterator[str]:
    """Yield all results, part by part."""
    for title, part in _parts(results, goals, table):
        yield f"{title}\n\n{part}\n"


def as_markdown(results: Results, goals: Sequence[Goal]) -> str:
    """Return all results as sections of a page."""
    return "\n\n".join(f"### {title}\n\n{part}" for title, part in _parts(results, goals, markdown))


def write_page(results: Results, goals: Sequence[Goal], docs: Path = DOCS) -> Path:
    """Put the results between the marks in ``devices.md``; a page that is missing or has no marks gets them.

    Raises
    ------
    ValueError
        If only one of both marks is there.
    """
    path = docs / "devices.md"
    text = path.read_text(encoding="utf-8") if path.exists() else "# Devices\n\n## Figures\n"
    if BEGIN not in text and END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} needs {BEGIN}, and {END} after it")
    written = f"{before}{BEGIN}\n\n{as_markdown(results, goals)}\n\n{END}{after}"
    path.write_text(written, encoding="utf-8")
    return path


def _parts(results: Results, goals: Sequence[Goal], show: Callable[[Rows], str]) -> Iterator[tuple[str, str]]:
    """Yield the title and the content of each part."""
    for network in dict.fromkeys(figure.network for figure in results.figures):
        shown = show(cost_rows(results, network))
        yield network, "\n\n".join([shown, *_faults(results, network)])
    if results.figures:
        yield "How it is counted", _how(results)
    if results.tflite:
        yield "TFLite Micro", _tflite(results, show)
    if results.python:
        yield "Python", _python(results, show)
    yield "int8 beside float32", _agreements(results, show)
    yield "Goals", show([["", "wanted", "found", ""], *goal_rows(goals)])
    if results.missing:
        rows = [["not measured", "because"], *([name, mend] for name, mend in results.missing.items())]
        yield "What is missing", show(rows)


# ---------------------------------------------------------------- costs


def cost_rows(results: Results, network: str) -> list[list[str]]:
    """Return flash / static RAM + stack / count of one network: each contestant on every board."""
    figures = [figure for figure in results.figures if figure.network == network]
    boards = [name for name in BOARDS if any(figure.board == name for figure in figures)]
    rows = [["flash / RAM + stack / count", *(BOARDS[name].title for name in boards)]]
    for optimised in dict.fromkeys(figure.optimised for figure in figures):
        for contestant in CONTESTANTS:
            found = [results.find(network, contestant, board, optimised) for board in boards]
            if any(figure is not None and figure.cost is not None for figure in found):
                rows.append([f"{contestant}, {optimised}", *map(_cell, found)])
        if optimised == "-Os" and "cortex-m4f" in boards:
            cell = {"cortex-m4f": cost_text(QUOTED[network]) + " (quoted)"}
            rows.append(["TFLite Micro int8, -Os", *(cell.get(board, "–") for board in boards)])
    return rows


def cost_text(cost: Cost) -> str:
    return f"{cost.flash:,} / {cost.ram:,} + {cost.stack:,} / {cost.count:,}"


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    if figure.cost is None:
        return "none: see below"
    return cost_text(figure.cost) + ("" if figure.agrees else " WRONG")


def _faults(results: Results, network: str) -> Iterator[str]:
    """Say of every contestant what it has no figure for, and why."""
    faults: dict[tuple[str, str], list[str]] = {}
    for figure in results.figures:
        if figure.network == network and figure.fault:
            boards = faults.setdefault((figure.contestant, figure.fault), [])
            if BOARDS[figure.board].title not in boards:
                boards.append(BOARDS[figure.board].title)
    for (contestant, fault), boards in faults.items():
        yield f"No figure for {contestant} on {', '.join(boards)}: {fault}."


def _how(results: Results) -> str:
    named = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return (
        "Each program chooses a class for prepared inputs in floating point. Bytes are those it has beside the "
        "same program without a network; RAM is what is there always, stack the most that one prediction takes. "
        "Counts are instructions, on the Uno cycles, the mean of three predictions, simulated by unicorn and simavr. "
        "Sizes do not depend on the readings; counts hardly do.\n\n"
        "All compute with the same weights, of six digits after the point, as emlearn writes them. On the Uno "
        "emlearn's are ordinary constants, which avr-gcc keeps in RAM. TFLite Micro's costs are quoted: they were "
        "counted once with its compiled library, which no package carries, on networks of the same shapes.\n\n"
        f"Versions: {named}."
    )


# ---------------------------------------------------------------- TFLite Micro, agreement


def _tflite(results: Results, show: Callable[[Rows], str]) -> str:
    rows = [["", "model, B", "arena on a PC, B", "as float32", "our int8 as float32"]]
    for found in results.tflite:
        shares = (f"{100 * equal / found.n:.1f} %" for equal in (found.equal, found.equal_own))
        rows.append([found.network, f"{found.model:,}", f"{found.arena:,}", *shares])
    return (
        "The same weights and scales in its interpreter for PCs, whose pointers are twice as long as a board's: "
        f"its model file, the RAM that it takes, and of {results.tflite[0].n} held-out gestures how many get the "
        "class that float32 gives them. It rounds the last sums to 8 bits before softmax; ours stay whole.\n\n"
        + show(rows)
    )


def _python(results: Results, show: Callable[[Rows], str]) -> str:
    return (
        "A prediction from prepared inputs, beside the same network in the course's style of Python: nested lists of "
        "weights, loops by index. Both in MicroPython for WebAssembly, which has 32 bits as boards have; counted are "
        "its instructions, and the bytes that importing takes for good.\n\n"
        + show(board_python.rows(results.python))
    )


def _agreements(results: Results, show: Callable[[Rows], str]) -> str:
    rows = [["examples with float32's class", "equal", "of"]]
    rows += [_agreement_row(f"{found.name}, held out", found) for found in results.held_out]
    rows += [_agreement_row(found.name, found) for found in results.on_sets]
    shown = show(rows)
    if results.on_sets:
        shown += (
            "\n\nThe named sets: trained with default settings on two thirds, compared on all recordings."
        )
    return shown


def _agreement_row(name: str, found: Agreement) -> list[str]:
    return [name, found.fault or f"{found.equal:,}", f"{found.n:,}"]
