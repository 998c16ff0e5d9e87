"""What a network will cost on a board, foretold from its shape: flash, RAM and time of a prediction.

The bytes of constants follow from the shape. Of code, stack and instructions, each part of the generated header
has a share that was measured once on simulated chips, for many networks, and fitted: `sizes.json` holds the
shares. Counted is what a prediction from raw readings to outputs needs; labels and the self-test, which a linker
leaves out of programs that do not use them, are not.

In Python the parts are those of `model.py`, and what they cost was counted in MicroPython with 32 bits: the bytes of
its objects, and the instructions of the interpreter, which is compiled to WebAssembly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import ArgumentError, nearest
from ..inputs import FEATURES, HOP, SEGMENT, STATISTICS
from ..network import Preparation
from .board_model import BoardModel
from .c.pieces import types_of
from .c.preparing import divides, resamples, subtracts
from .python.costs import PythonParts, python_parts, readings_held, style_of
from .quantizing import TABLES
from .targets import PRECISIONS

PYTHON = "python"
DRIVE, HEAP = 1_000_000, 192 * 1024  # bytes that Python has on small boards for files, and for objects
TABLE = Path(__file__).with_name("sizes.json")
UNROLLED_FROM = 8
EXP = {"sigmoid", "tanh", "softmax"}
ENTERED_ONCE = (
    *("hidden", "more hidden", "three hidden", "one layer without exp", "small", "unrolled", "not unrolled"),
    *("classes", "two outputs", "one output", "direct", "bare", "raw", "any length", "one reading"),
    *("offsets", "scales"),
)
"""Parts of the code of which a prediction pays some instructions, however much work there is."""


class Board(NamedTuple):
    """A board that a network may run on.

    Attributes
    ----------
    name, title : str
    chip : str, whose measured shares hold for it
    flash, ram : int, bytes that a program can have
    megahertz : float
    cycles : float, of an instruction, on average; 1 where cycles are counted
    measured : bool, whether the chip can be simulated; otherwise another's figures are used
    """

    name: str
    title: str
    chip: str
    flash: int
    ram: int
    megahertz: float
    cycles: float
    measured: bool = True


BOARDS = (
    Board("uno", "Arduino Uno", "uno", 32_256, 2_048, 16, 1.0),
    Board("cortex-m0+", "Cortex-M0+ (SAMD21)", "cortex-m0+", 256 * 1024, 32 * 1024, 48, 1.4),
    Board("cortex-m4f", "Cortex-M4F (nRF52840)", "cortex-m4f", 1024 * 1024, 256 * 1024, 64, 1.3),
    Board("esp32-s3", "ESP32-S3", "cortex-m4f", 8 * 1024 * 1024, 512 * 1024, 240, 1.6, measured=False),
    Board("riscv32", "RISC-V (ESP32-C3)", "riscv32", 4 * 1024 * 1024, 400 * 1024, 160, 1.3),
    Board("esp32-s3-python", "ESP32-S3, Python", PYTHON, DRIVE, HEAP, 240, 1.1, measured=False),
    Board("rp2040-python", "RP2040, Python", PYTHON, DRIVE, HEAP, 125, 1.25, measured=False),
)
"""The cycles of an instruction are of usual code: loads and branches take two, all else one.

In Python they are the cycles of the board while the interpreter carries out what is one instruction of WebAssembly on a
PC: programs that others timed on boards with MicroPython, were counted here. They take 0.8 to 1.8, and the same program
differs as much from one firmware to the next, so that times are right within a factor of 1.6 or so; docs/devices.md
names the measurements.
"""


@dataclass(frozen=True)
class Estimate:
    """What a network will cost on a board.

    Attributes
    ----------
    board : Board
    precision : "float32" or "int8"
    flash : int, bytes; in Python of the file
    ram : int, bytes: what is there always, none, and the stack of a prediction; in Python what importing it takes
    readings : int, bytes in which the program holds the raw readings besides
    count : int, cycles on the Uno, otherwise instructions
    milliseconds : float, of a prediction
    too_much : str, what does not fit and by how much, or ""
    made : int, bytes of the numbers that a prediction in Python makes, before any of them is collected
    measured : bool, whether it was counted on the simulated chip
    """

    board: Board
    precision: str
    flash: int
    ram: int
    readings: int
    count: int
    milliseconds: float
    too_much: str
    made: int = 0
    measured: bool = False


def estimate_size(model: BoardModel, board: str, precision: str, style: str = "auto") -> Estimate:
    """Return what a network will cost on a board.

    As a rule within 10 % of measured flash and RAM, and 25 % of counted instructions or cycles, for the chips that
    can be simulated, and in Python; very small networks may be further off. Nothing is compiled for it, and nothing
    calibrated.

    Parameters
    ----------
    model : BoardModel, in either precision
    board : str, the name of one of `BOARDS`
    precision : {"float32", "int8"}, in which it would be exported
    style : str, of `tinyglass.export.python.model_file.python_model`, for Python

    Raises
    ------
    ArgumentError
        If the board or the precision is not known.

    Examples
    --------
    >>> from tinyglass import make_board_model, read_recordings, train
    >>> model = make_board_model(train(read_recordings()).network)
    >>> estimate_size(model, "cortex-m4f", "int8").too_much
    ''
    """
    chosen = {b.name: b for b in BOARDS}.get(board)
    if chosen is None:
        raise ArgumentError(
            f"Unknown board {board!r}", "the estimate", nearest(board, [b.name for b in BOARDS])
        )
    if precision not in PRECISIONS:
        raise ArgumentError(
            f"Unknown precision {precision!r}", "the estimate", nearest(precision, list(PRECISIONS))
        )
    made = 0.0
    if chosen.chip == PYTHON:
        style = style_of(model, precision, style)
        costs = zip(PythonParts._fields, python_parts(model, style), strict=True)
        flash, ram, made, count = (_sum(shares_of()[PYTHON][style][what], parts) for what, parts in costs)
        readings = readings_held(model)
    else:
        shares = shares_of()[chosen.chip][precision]
        flash = constants(model, precision) + _sum(shares["code"], code_parts(model, precision))
        ram = _sum(shares["stack"], stack_parts(model, precision))
        count = _sum(shares["count"], count_parts(model, precision))
        readings = 4 * model.n_readings * model.n_channels
    lacking = [
        f"{round(needed - there):,} bytes of {what} too many"
        for what, needed, there in (("flash", flash, chosen.flash), ("RAM", ram + readings, chosen.ram))
        if needed > there
    ]
    return Estimate(
        chosen,
        precision,
        round(flash),
        round(ram),
        readings,
        round(count),
        count * chosen.cycles / chosen.megahertz / 1000,
        ", ".join(lacking),
        round(made),
    )


@cache
def shares_of() -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return the fitted shares, by chip, precision, what is estimated, and part."""
    return msgspec.json.decode(TABLE.read_bytes())["shares"]


def _sum(shares: dict[str, float], parts: dict[str, float]) -> float:
    return sum(shares.get(name, 0.0) * amount for name, amount in parts.items())


def _takes_readings(model: BoardModel, precision: str) -> bool:
    """Tell whether int8 inputs are made of readings, or a network is fed with them as they are."""
    bare = model.network.preparation is None
    return bare or (precision == "int8" and model.preparation.inputs == ("raw",))


def constants(model: BoardModel, precision: str) -> int:
    """Return the bytes of weights, scales and tables, which follow from the shape alone."""
    p, sizes = model.preparation, model.network.sizes
    pairs = list(pairwise(sizes))
    hidden = sum(sizes[1:-1])
    if precision == "float32":
        n_bytes = 4 * sum((n_in + 1) * n_out for n_in, n_out in pairs)
    else:
        of_size = 1 if max(sizes) <= 255 else 2
        n_bytes = sum(n_in * n_out + 4 * n_out for n_in, n_out in pairs)
        n_bytes += (
            3 * hidden
            + 256 * _n_tables(model)
            + (len(pairs) > 1) * (of_size * len(pairs) + 2 * (len(pairs) - 1))
        )
    if _takes_readings(model, precision):
        return n_bytes + (8 * model.n_channels if model.network.preparation is not None else 0)
    if "raw" in p.inputs:
        n_bytes += 4 * model.n_channels * (subtracts(model) + divides(model))
    return n_bytes + 8 * len(p.feature_scale) + 4 * (SEGMENT // 2 + 1) * ("spectrum" in p.inputs)


def _n_tables(model: BoardModel) -> int:
    """Return how many tables of activations there are: those of straight lines are alike in all layers."""
    looked_up = [la.activation for la in model.network.layers[:-1] if la.activation in TABLES]
    straight = {"leaky_relu", "step"}
    return sum(name not in straight for name in looked_up) + len(straight.intersection(looked_up))


def _flags(model: BoardModel, precision: str) -> dict[str, bool]:
    """Return which parts of the header a network needs."""
    network, p = model.network, model.preparation
    hidden = {layer.activation for layer in network.layers[:-1]}
    last = network.layers[-1].activation
    float32 = precision == "float32"
    direct, bare = _takes_readings(model, precision), network.preparation is None
    long = types_of(model)["length"] != "uint8_t"
    summary, spectrum = "summary" in p.inputs, "spectrum" in p.inputs
    raw = "raw" in p.inputs and not bare
    unrolled = float32 and max(layer.n_inputs for layer in network.layers) >= UNROLLED_FROM
    return {
        "base": True,
        "hidden": len(network.layers) > 1,
        "more hidden": len(network.layers) > 2,
        "three hidden": len(network.layers) > 3,
        "relu": float32 and "relu" in hidden,
        "leaky": float32 and "leaky_relu" in hidden,
        "hidden exp": float32 and bool(hidden & EXP),
        "two kinds of exp": float32 and bool(hidden & EXP) and last in EXP,
        "table": not float32 and bool(hidden & set(TABLES)),
        "two tables": not float32 and _n_tables(model) > 1,
        "three tables": not float32 and _n_tables(model) > 2,
        "exp": last in EXP,
        "softmax": last == "softmax",
        "tempered": last == "softmax" and network.temperature != 1,
        "two outputs": network.n_outputs == 2,
        "one output": network.n_outputs == 1,
        "classes": network.classes is not None,
        "unrolled": unrolled,
        "not unrolled": float32 and len(network.layers) > 1 and not unrolled,
        "exp not unrolled": float32 and len(network.layers) > 1 and not unrolled and bool(hidden & EXP),
        "no exp and no relu": float32 and last not in EXP and not hidden & {*EXP, "relu", "leaky_relu"},
        "one layer without exp": len(network.layers) == 1 and last not in EXP,
        "one reading": model.n_readings == 1,
        "one reading, small": model.n_readings == 1 and network.n_weights < 40,
        "small": network.n_weights < 40,
        "large": max(network.sizes) > 255,
        "direct": direct and not bare,
        "bare": bare,
        "raw": raw and not direct,
        "resampled": raw and resamples(model),
        "resampled any": raw and resamples(model) and model.any_length,
        "any length": model.any_length,
        "long": long,
        "summary": summary,
        "spectrum": spectrum,
        "both": summary and spectrum,
        "raw and features": raw and (summary or spectrum),
        "long summary": long and summary,
        "long spectrum": long and spectrum,
        "offsets": raw and not direct and subtracts(model),
        "scales": raw and not direct and divides(model),
        "threshold": network.classes is not None and network.threshold > 0,
        "channels": model.n_channels > 1,
        "channels of summary": model.n_channels > 1 and summary,
        "channels of spectrum": model.n_channels > 1 and spectrum,
        "channels of raw": model.n_channels > 1 and raw,
        **_float_routines(model, precision),
    }


def _float_routines(model: BoardModel, precision: str) -> dict[str, bool]:
    """Return what of floating point a network needs: without an FPU, each is a routine of its own."""
    network, p = model.network, model.preparation
    hidden = {layer.activation for layer in network.layers[:-1]} if precision == "float32" else set()
    exp = bool({*hidden, network.layers[-1].activation} & EXP)
    reads = not _takes_readings(model, precision)
    features = reads and bool({"summary", "spectrum"}.intersection(p.inputs))
    raw = reads and "raw" in p.inputs
    between = raw and resamples(model) and (model.n_readings > 1 or model.any_length)
    # One channel's offset is a constant of the code: where it is negative, it is added.
    constant = model.n_channels == 1 and p.offset[0] < 0
    subtraction = exp or features or between or (raw and subtracts(model) and not constant)
    shifts = network.classes is None and p.answer_offset != 0
    return {
        "float addition": precision == "float32" or subtraction or (raw and subtracts(model)) or shifts,
        "float subtraction": subtraction,
        "float division": exp or features or between or (raw and divides(model)) or "leaky_relu" in hidden,
        "float comparison": exp
        or features
        or network.classes is not None
        or bool(hidden & {"relu", "leaky_relu", "step"}),
        "to float": precision == "int8" or exp or "summary" in p.inputs,
    }


def code_parts(model: BoardModel, precision: str) -> dict[str, float]:
    """Return how often each part of the code is there: once or not."""
    return {name: float(there) for name, there in _flags(model, precision).items() if there}


def stack_parts(model: BoardModel, precision: str) -> dict[str, float]:
    """Return the parts of the stack: bytes of buffers, and the functions that are entered."""
    network, p = model.network, model.preparation
    sizes = network.sizes
    between = sizes[1:-1]
    prepared = 0 if _takes_readings(model, precision) else 4 * network.n_inputs
    if precision == "float32":
        own = 4 * (max(between[::2], default=0) + max(between[1::2], default=0))
    else:
        own = max(sizes[:-1:2]) + max(sizes[1:-1:2], default=0) + 4 * network.n_outputs
    inside = 640 if "spectrum" in p.inputs else 0
    return {
        "buffers": float(prepared + max(own, inside)),
        "all buffers": float(prepared + own + inside),
        **code_parts(model, precision),
    }


def _passes(p: Preparation, n_readings: int) -> int:
    """Return how often the readings are looked at for a quartile: once for each bit in which they differ.

    Those on both sides of 0 differ in all, others in their sizes alone.
    """
    if n_readings == 1:
        return 0
    channels = len(p.channels)
    begin = 0
    for kind in p.inputs:
        if kind == "summary":
            break
        begin += 0 if kind == "raw" else len(FEATURES[kind].names) * channels
    lowest = p.feature_offset[begin + STATISTICS.index("minimum") * channels :][:channels]
    highest = p.feature_offset[begin + STATISTICS.index("maximum") * channels :][:channels]
    across = sum(low < 0 < high for low, high in zip(lowest, highest, strict=True)) / channels
    return round(23 + 8 * across)


def count_parts(model: BoardModel, precision: str) -> dict[str, float]:
    """Return how often each kind of work is done in a prediction."""
    network, p = model.network, model.preparation
    sizes = network.sizes
    hidden_neurons: dict[str, int] = {}
    for layer in network.layers[:-1]:
        hidden_neurons[layer.activation] = hidden_neurons.get(layer.activation, 0) + layer.n_outputs
    n, channels = model.n_readings, model.n_channels
    n_raw = p.n_steps * channels if "raw" in p.inputs and network.preparation is not None else 0
    direct = _takes_readings(model, precision)
    last = network.layers[-1].activation
    pieces = max(0, n - SEGMENT) // HOP + 1
    parts: dict[str, float] = {
        "base": 1,
        "products": sum(n_in * n_out for n_in, n_out in pairwise(sizes)),
        "neurons": sum(sizes[1:]),
        "layers": len(network.layers),
        "outputs": network.n_outputs,
        "exp": network.n_outputs if last in EXP else 0,
        "softmax": network.n_outputs if last == "softmax" else 0,
        "tempered": network.n_outputs if last == "softmax" and network.temperature != 1 else 0,
        "quantised": network.n_inputs if precision == "int8" else 0,
        "raw": 0 if direct else n_raw,
        "resampled": n_raw if n_raw and resamples(model) else 0,
        "readings of summary": n * channels if "summary" in p.inputs else 0,
        "looks for quartiles": 3 * channels * _passes(p, n) if "summary" in p.inputs else 0,
        "readings looked at for quartiles": 3 * n * channels * _passes(p, n) if "summary" in p.inputs else 0,
        "readings looked at, of any number": 3 * n * channels * _passes(p, n)
        if "summary" in p.inputs and types_of(model)["length"] != "uint8_t"
        else 0,
        "summaries": channels if "summary" in p.inputs else 0,
        "pieces of spectrum": pieces * channels if "spectrum" in p.inputs else 0,
        "readings of spectrum": n * channels if "spectrum" in p.inputs else 0,
        "features": len(p.feature_scale),
        "bands": len(FEATURES["spectrum"].names) * channels if "spectrum" in p.inputs else 0,
    }
    flags = _flags(model, precision)
    parts |= {f"once {name}": 1 for name in ENTERED_ONCE if flags[name]}
    parts |= {name: n_raw for name in ("offsets", "scales") if flags[name]}
    if precision == "float32":
        parts |= {f"neurons of {name}": count for name, count in hidden_neurons.items()}
    return {name: float(amount) for name, amount in parts.items() if amount}


def cost_line(model: BoardModel) -> str:
    """Return what a network is expected to cost on each board, for the top of what is exported in C."""
    costs = []
    for board in BOARDS:
        if board.chip == PYTHON:
            continue
        e = estimate_size(model, board.name, model.precision)
        verdict = "does not fit" if e.too_much else f"{e.milliseconds:.2g} ms"
        costs.append(f"{board.title} {e.flash:,} + {e.ram:,} B, {verdict}")
    return f"flash + RAM and time of a prediction: {'; '.join(costs)}"


def python_cost_line(model: BoardModel, style: str = "auto") -> str:
    """Return what a network is expected to cost in Python, for the top of what is exported in it."""
    estimates = [
        estimate_size(model, board.name, model.precision, style) for board in BOARDS if board.chip == PYTHON
    ]
    e = estimates[0]
    times = ", ".join(
        f"{_about(e.milliseconds)} ms on {e.board.title.partition(',')[0]} at {e.board.megahertz:g} MHz"
        for e in estimates
    )
    return (
        f"{e.flash:,} B of flash; in MicroPython {e.ram:,} B of RAM once imported, "
        f"and {e.made:,} B of short-lived numbers a prediction; a prediction takes about {times}"
    )


def _about(milliseconds: float) -> str:
    return f"{milliseconds:.2g}" if milliseconds < 100 else f"{round(milliseconds, -1):,.0f}"
