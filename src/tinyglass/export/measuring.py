"""What a network costs on a board, measured: compiled, and run on the simulated chip."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ArgumentError
from .board_model import BoardModel
from .computing import prepared
from .executors.compiling import TooLargeError
from .executors.table import EXECUTORS, Executor
from .quantizing import quantize
from .sizes import BOARDS, Estimate, estimate_size


def measure_size(model: BoardModel, board: str, precision: str) -> Estimate:
    """Return what a network costs on a board, as counted on its simulated chip.

    What does not fit into the board is estimated, as by `estimate_size`.

    Parameters
    ----------
    model : BoardModel, in float32
    board : str, the name of one of `BOARDS`
    precision : {"float32", "int8"}, in which it would be exported

    Raises
    ------
    ArgumentError
        If the board is not known or cannot be simulated, or the compiler or simulator is missing.

    Examples
    --------
    >>> from tinyglass import make_board_model, read_recordings, train
    >>> model = make_board_model(train(read_recordings()).network)
    >>> measure_size(model, "rp2040-python", "int8")
    Traceback (most recent call last):
    tinyglass.errors.ArgumentError: RP2040, Python cannot be simulated. In the measurement. Estimate it instead.
    """
    estimate = estimate_size(model, board, precision)
    chip = find_chip(board)
    if chip is None:
        raise ArgumentError(
            f"{estimate.board.title} cannot be simulated", "the measurement", "Estimate it instead"
        )
    if not chip.is_there():
        raise ArgumentError(f"{chip.title} is missing", "this machine", f"Install it: {chip.install}")
    if precision == "int8":
        # Of whatever readings: which numbers come out changes next to nothing.
        inputs = prepared(model.preparation, model.readings)
        model = replace(model, precision="int8", quantized=quantize(model.network, inputs))
    try:
        cost = chip.run(model, list(model.readings)).cost
    except TooLargeError:
        return estimate
    assert cost is not None
    b = estimate.board
    return replace(
        estimate,
        flash=cost.flash,
        ram=cost.ram + cost.stack,
        count=cost.count,
        milliseconds=cost.count * b.cycles / b.megahertz / 1000,
        too_much="",
        measured=b.measured,
    )


def find_chip(board: str) -> Executor | None:
    """Return what simulates a board, or the chip whose figures are used for it; None where nothing does."""
    chip = {b.name: b.chip for b in BOARDS}.get(board)
    return next((e for e in EXECUTORS if e.name == chip), None)
