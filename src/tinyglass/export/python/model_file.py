"""The file ``model.py``: a network with its preparation, for every Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ...errors import ArgumentError
from ...inputs import SEGMENT
from ..board_model import BoardModel
from ..computing import cosines
from ..describing import description
from ..quantized import InputScaling
from .assembling import assemble, part
from .literals import bytes_literal, float_tuple, one_float, texts, whole_numbers
from .network_code import float_network, int8_network
from .selftest import selftest_code, vector_lines

Style = Literal["auto", "unrolled", "loop", "int8", "ulab"]
MOST_UNROLLED = 1200  # weights that are kept as numbers, each an object of 4 to 20 bytes
WIDEST_UNROLLED = 40  # inputs of a layer whose sums are one expression: it has twice as many variables


def python_model(model: BoardModel, *, style: str = "auto", cost: str = "") -> str:
    """Return the file ``model.py`` of a network, for CircuitPython 8, MicroPython and Python 3.

    Parameters
    ----------
    model : BoardModel
    style : {"auto", "unrolled", "loop", "int8", "ulab"}
        How a network is computed. Unrolled is fastest, and holds each weight as a number; a loop has them as
        bytes, 4 each, or 1 in int8; with ulab, CircuitPython's NumPy, they are arrays, and where it is
        missing, a loop; its last bits may differ.
    cost : str, expected flash, RAM and time, for the comment at the top

    Returns
    -------
    str, ASCII

    Raises
    ------
    ArgumentError
        If the style is not for the model's numbers.

    Examples
    --------
    >>> from tinyglass import Layer, Network
    >>> from tinyglass.export.board_model import make_board_model
    >>> text = python_model(make_board_model(Network((Layer([[0.3, 0.9]], None, "linear"),))))
    >>> board = {}
    >>> exec(text, board)
    >>> round(board["predict"]([0.1, 0.8])[0], 6)
    0.75
    """
    check_style(model, style)
    if model.quantized is not None:
        network = int8_network(model.network, model.quantized)
    else:
        network = float_network(model.network, chosen_style(model) if style == "auto" else style)
    sections = [
        _about(model),
        *_preparation(model),
        *network,
        part("answer_quantity" if model.network.classes is None else "answer_class"),
        part("predict_raw"),
        *selftest_code(model),
    ]
    comments = "".join(f"# {line}\n" for line in description(model, cost))
    return f"{comments}\n{assemble(sections)}\n\n{vector_lines(model)}"


def check_style(model: BoardModel, style: str) -> None:
    """Refuse a style that is unknown, or is not for the model's numbers."""
    possible = ("auto", "int8") if model.quantized is not None else ("auto", "unrolled", "loop", "ulab")
    if style not in possible:
        raise ArgumentError(
            f"The style {style!r} is none for a network in {model.precision}",
            "the export to Python",
            f"Choose one of {', '.join(possible)}",
        )


def chosen_style(model: BoardModel) -> str:
    """Return the fastest style that a small board has the memory for."""
    widest = max(model.network.sizes[:-1])
    small = model.network.n_weights <= MOST_UNROLLED and widest <= WIDEST_UNROLLED
    return "unrolled" if small else "loop"


def _about(model: BoardModel) -> str:
    p, classes = model.preparation, model.network.classes
    return f"""from struct import unpack
MODEL = {model.digest[:16]!r}
PRECISION = {model.precision!r}
CHANNELS = {texts(p.channels)}
UNITS = {texts(p.units)}
CLASSES = {None if classes is None else texts(classes)}
READINGS = {model.n_readings}
PERIOD_MS = {_number(model.period_ms)}
HOP = {p.hop if p.window else 0}
{one_float("THRESHOLD", model.network.threshold)}
"""


def _number(x: float | None) -> str:
    return str(int(x)) if x is not None and x == int(x) else repr(x)


# ---------------------------------------------------------------- preparation


def _preparation(model: BoardModel) -> Iterator[str]:
    """Yield the sections that make inputs of readings; the last is `prepare`."""
    p, q = model.preparation, model.quantized
    yield part("check_any_length" if model.any_length else "check")
    resampled = "raw" in p.inputs and (model.any_length or model.n_readings != p.n_steps)
    if resampled:
        yield f"_STEPS = {p.n_steps}\n_GAPS = {max(p.n_steps - 1, 1)}"
    if q is not None:
        yield part("rescaled")
        yield _whole_constants(q.readings or q.inputs)
        yield part("whole")
    if q is not None and q.readings is not None:
        yield part("whole_raw_resampled" if resampled else "whole_raw")
        lines = ["_raw(readings, inputs)"]
    else:
        yield from _float_inputs(model, resampled)
        lines = [f"_{kind}(readings, inputs)" for kind in p.inputs]
        if q is not None:
            lines.append("for i in range(len(inputs)):\n        inputs[i] = _int8(_whole(inputs[i], 0), 0)")
    body = "".join(f"    {line}\n" for line in ("_check(readings)", "inputs = []", *lines, "return inputs"))
    yield f'def prepare(readings):\n    """Return the network\'s inputs for rows of readings."""\n{body}'


def _float_inputs(model: BoardModel, resampled: bool) -> Iterator[str]:
    p, done = model.preparation, 0
    for kind in p.inputs:
        if kind == "raw":
            scaled = any(p.offset) or any(scale != 1 for scale in p.scale)
            if scaled or resampled:
                yield _scaling("RAW", p.offset, p.scale)
            yield part("raw_resampled" if resampled else "raw" if scaled else "raw_unscaled")
            continue
        own = slice(done, done := done + {"summary": 8, "spectrum": 16}[kind] * model.n_channels)
        yield _scaling(kind.upper(), p.feature_offset[own], p.feature_scale[own])
        if kind == "spectrum":
            order = bytes(int(f"{t:06b}"[::-1], 2) for t in range(SEGMENT))
            yield f"{float_tuple('_COSINES', cosines())}\n_ORDER = {bytes_literal(order)}"
        yield part(kind)


def _scaling(name: str, offset: tuple[float, ...], scale: tuple[float, ...]) -> str:
    lines = float_tuple(f"_{name}_OFFSET", offset), float_tuple(f"_{name}_SCALE", scale)
    return "from struct import unpack\n" + "\n".join(lines)


def _whole_constants(scaling: InputScaling) -> str:
    return f"""from struct import unpack
{float_tuple("_POWER_OF_2", np.ldexp(1.0, scaling.exponent))}
_LARGEST = {scaling.limit - 1}
_ORIGIN = {whole_numbers(scaling.origin)}
_MULTIPLIER = {whole_numbers(scaling.multiplier)}
_SHIFT = {bytes_literal(scaling.shift.astype("u1").tobytes())}
_ZERO = {scaling.zero}
"""
