"""The parts for which a network in Python takes memory and time, as far as its shape tells.

What each costs was counted in MicroPython with 32 bits, for many networks, and fitted: see `tinyglass.export.sizes`.
"""

from __future__ import annotations

from itertools import pairwise
from math import log2
from typing import NamedTuple

from ...inputs import HOP, N_BANDS, SEGMENT, STATISTICS
from ..board_model import BoardModel
from ..quantizing import TABLES
from .model_file import chosen_style
from .network_code import MOST_NAMED, best_block

BLOCK = 16  # bytes: what an object takes is a multiple, and a number with a point is one
EXP = {"sigmoid", "tanh", "softmax"}

Parts = dict[str, float]


class PythonParts(NamedTuple):
    """How much there is of everything that costs.

    Attributes
    ----------
    flash : in the file
    kept : in memory, once the file is imported
    made : in memory, by a prediction, before any number is collected
    instructions : of the interpreter, in a prediction from readings to the answer
    """

    flash: Parts
    kept: Parts
    made: Parts
    instructions: Parts


def style_of(model: BoardModel, precision: str, style: str = "auto") -> str:
    """Return which of the styles unrolled, loop and int8 is meant; with ulab missing, it is a loop."""
    if precision == "int8":
        return "int8"
    return {"auto": chosen_style(model), "ulab": "loop"}.get(style, style)


def python_parts(model: BoardModel, style: str) -> PythonParts:
    """Return the parts of a network in one of the three styles, int8 if it is that one.

    Nothing is quantised for it.
    """
    p, sizes = model.preparation, model.network.sizes
    pairs, flags = list(pairwise(sizes)), _flags(model, style)
    block = best_block(sizes)
    code = flags | {
        "expressions": float(_expressions(sizes, style, block)),
        "layers": float(len(pairs)),
        "names": float(sum(map(len, (*p.channels, *p.units, *(model.network.classes or ()))))),
    }
    described = {
        "names of inputs": float(sum(len(name) + len('"", ') for name in model.network.input_names)),
        "scales": float(model.n_channels if "raw" in p.inputs else 0),
    }
    literals, held = _literals(model, style), _held(model, style)
    work = flags | _work(model, style)
    made = {
        "inputs": BLOCK * model.network.n_inputs,
        "widths": sum(sizes),
    }
    return PythonParts(code | literals | described, code | {"data": held}, work | made, work)


def _flags(model: BoardModel, style: str) -> Parts:
    """Return 1.0 for each part of the code that a network needs."""
    network, p = model.network, model.preparation
    hidden = {layer.activation for layer in network.layers[:-1]}
    last, int8 = network.layers[-1].activation, style == "int8"
    raw, made = "raw" in p.inputs, _makes_inputs_whole(model, style)
    resampled = raw and _resamples(model)
    found = {
        "base": True,
        "raw": raw and (not int8 or made),
        "resampled": resampled,
        "any length": model.any_length,
        "summary": "summary" in p.inputs,
        "spectrum": "spectrum" in p.inputs,
        "made whole": made,
        "table": int8 and bool(hidden & set(TABLES)),
        "exp": last in EXP or (not int8 and bool(hidden & EXP)),
        "softmax": last == "softmax",
        "tempered": last == "softmax" and network.temperature != 1,
        "quantity": network.classes is None,
        "several layers": len(network.layers) > 1,
        "named": style == "unrolled" and network.n_weights <= MOST_NAMED,
    }
    return {name: 1.0 for name, there in found.items() if there}


def _makes_inputs_whole(model: BoardModel, style: str) -> bool:
    """Return whether int8 inputs are made of features, not of the readings themselves."""
    return style == "int8" and model.preparation.inputs != ("raw",)


def _resamples(model: BoardModel) -> bool:
    return model.any_length or model.n_readings != model.preparation.n_steps


def _scales(model: BoardModel) -> bool:
    p = model.preparation
    return any(p.offset) or any(scale != 1 for scale in p.scale) or _resamples(model)


def _expressions(sizes: tuple[int, ...], style: str, block: int) -> int:
    """Return the products that are written down."""
    pairs = list(pairwise(sizes))
    if style != "unrolled":
        return block
    if sum((n + 1) * m for n, m in pairs) <= MOST_NAMED:
        return sum(n * m for n, m in pairs)
    return sum(n for n, _ in pairs)


# ---------------------------------------------------------------- numbers


def _literals(model: BoardModel, style: str) -> Parts:
    """Return the bytes and the whole numbers that are written in the file, and its test vectors."""
    p, sizes, channels = model.preparation, model.network.sizes, model.n_channels
    pairs, block = list(pairwise(sizes)), best_block(sizes)
    padded = sum(-(-n // block) * block * m for n, m in pairs)
    whole, neurons, hidden = 0, sum(sizes[1:]), sum(sizes[1:-1])
    if style == "int8":
        n_bytes = padded + hidden + 256 * _n_tables(model)
        whole = neurons + hidden + 2 * channels
    else:
        n_bytes = 4 * (neurons + (padded if style == "loop" else sum(n * m for n, m in pairs)))
    in_floats = style != "int8" or _makes_inputs_whole(model, style)
    floats = len(p.feature_scale) + (channels if "raw" in p.inputs and in_floats else 0)
    n_bytes += 8 * floats + (4 * (SEGMENT // 2 + 1) + SEGMENT) * ("spectrum" in p.inputs)
    record = model.network.n_outputs + model.n_readings * channels
    amounts = {"bytes": n_bytes, "whole numbers": whole, "vectors": record}
    return {name: float(amount) for name, amount in amounts.items() if amount}


def _n_tables(model: BoardModel) -> int:
    return sum(layer.activation in TABLES for layer in model.network.layers[:-1])


def _held(model: BoardModel, style: str) -> float:
    """Return the bytes of the objects that hold the numbers."""
    p, sizes, channels = model.preparation, model.network.sizes, model.n_channels
    block, hidden = best_block(sizes), sizes[1:-1]
    n_bytes = 0
    pairs = list(pairwise(sizes))
    if style == "unrolled" and sum((n + 1) * m for n, m in pairs) <= MOST_NAMED:
        n_bytes += _floats(sum((n + 1) * m for n, m in pairs))
    elif style == "unrolled":
        n_bytes += sum(_bytes(4 * (1 + n) * m) + _blocks(8 + 4 * m) + m * _floats(1 + n) for n, m in pairs)
    elif style == "loop":
        n_bytes += sum(_bytes(4 * m * (1 + -(-n // block) * block)) for n, m in pairs)
    else:
        n_bytes += sum(_bytes(-(-n // block) * block * m) + _blocks(8 + 4 * m) for n, m in pairs)
        n_bytes += sum(_blocks(8 + 4 * m) + _bytes(m) for m in hidden) + _n_tables(model) * _bytes(256)
    if style == "int8":
        n_bytes += _floats(channels) + 2 * _blocks(8 + 4 * channels)
    if "raw" in p.inputs and _scales(model) and (style != "int8" or _makes_inputs_whole(model, style)):
        n_bytes += 2 * _floats(channels)
    for kind, n in (("summary", len(STATISTICS)), ("spectrum", N_BANDS)):
        n_bytes += 2 * _floats(n * channels) * (kind in p.inputs)
    return float(n_bytes)


def _blocks(n_bytes: int) -> int:
    return -(-n_bytes // BLOCK) * BLOCK


def _floats(n: int) -> int:
    """Return the bytes of a tuple of numbers with a point."""
    return _blocks(8 + 4 * n) + BLOCK * n


def _bytes(n: int) -> int:
    return BLOCK + _blocks(n + 1)


def readings_held(model: BoardModel) -> int:
    """Return the bytes of raw readings, each a list of numbers."""
    row = BLOCK + _blocks(4 * max(4, model.n_channels)) + BLOCK * model.n_channels
    return BLOCK + _blocks(4 * model.n_readings) + model.n_readings * row


# ---------------------------------------------------------------- work


def _work(model: BoardModel, style: str) -> Parts:
    """Return how often each kind of work is done in a prediction."""
    network, p = model.network, model.preparation
    sizes, channels, n = network.sizes, model.n_channels, model.n_readings
    pairs, block = list(pairwise(sizes)), best_block(sizes)
    last = network.layers[-1].activation
    values = p.n_steps * channels if "raw" in p.inputs else 0
    summary, spectrum = "summary" in p.inputs, "spectrum" in p.inputs
    pieces = channels * (max(0, n - SEGMENT) // HOP + 1) * spectrum
    in_blocks = style != "unrolled"
    in_floats = style != "int8" or _makes_inputs_whole(model, style)
    work: dict[str, float] = {
        "readings": n,
        "steps": p.n_steps if values else 0,
        "values" if in_floats else "values whole": values,
        "values resampled": values if _resamples(model) and in_floats else 0,
        "values resampled whole": values if _resamples(model) and not in_floats else 0,
        "values scaled": values if _scales(model) and in_floats else 0,
        "features": len(p.feature_scale),
        "features made whole": network.n_inputs if _makes_inputs_whole(model, style) else 0,
        "channels of summary": channels * summary,
        "readings of summary": n * channels * summary,
        "readings sorted": n * channels * log2(max(n, 2)) * summary,
        "pieces of spectrum": pieces,
        "readings of spectrum": n * channels * spectrum,
        "readings faded": pieces * min(SEGMENT, n),
        "layers": len(pairs),
        "neurons": sum(sizes[1:]),
        "products": sum((-(-n_in // block) * block if in_blocks else n_in) * n_out for n_in, n_out in pairs),
        "blocks": sum(-(-n_in // block) for n_in, _ in pairs) if in_blocks else 0,
        "blocks of neurons": sum(-(-n_in // block) * n_out for n_in, n_out in pairs) if in_blocks else 0,
        "inputs of layers": sum(sizes[:-1]),
        "outputs": network.n_outputs,
        "exp": network.n_outputs if last in EXP else 0,
        "tempered": network.n_outputs if last == "softmax" and network.temperature != 1 else 0,
    }
    for layer in network.layers[:-1]:
        kind = "looked up" if style == "int8" and layer.activation in TABLES else layer.activation
        name = "neurons requantised" if style == "int8" and kind != "looked up" else f"neurons of {kind}"
        work[name] = work.get(name, 0) + layer.n_outputs
    return {name: float(amount) for name, amount in work.items() if amount}
