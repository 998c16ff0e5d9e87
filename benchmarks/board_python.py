"""Python on the board: time and memory of ours beside the course's style of code.

The course keeps weights as nested lists of decimal numbers, goes over them by index, and calls a
function for each neuron's activation. Both run in MicroPython for WebAssembly, which has 32 bits as
boards have, and are counted: its instructions, and the bytes of its objects.

    python -m benchmarks.board_python
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from tinyglass import Layer, Network
from tinyglass.export.board_model import BoardModel, make_board_model
from tinyglass.export.executors import wasm
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.python.model_file import Style, python_model
from tinyglass.export.quantizing import quantize

from .printing import number, table

NETWORKS = {
    "3-2-2": (3, 2, 2),
    "39-20-10-4": (39, 20, 10, 4),
    "120-50-15-2": (120, 50, 15, 2),
}
STYLES: tuple[Style, ...] = ("unrolled", "loop", "int8")
COURSE = "course"
FASTER, SMALLER = 3.0, 0.45  # the goal: the one, or the other
HEAP = 32 << 20  # bytes, for what is computed without collecting
BYTES_OF_NAME = 7
INTERPRETER = next(executor for executor in EXECUTORS if executor.name == "micropython-32")

COURSE_CODE = """

def activate(x, activation):
    if activation == "relu":
        return x if x > 0 else 0.0
    return x


def predict(inputs):
    signals = inputs
    for layer in range(len(weights)):
        outputs = []
        for neuron in range(len(weights[layer])):
            total = biases[layer][neuron]
            for i in range(len(signals)):
                total = total + signals[i] * weights[layer][neuron][i]
            outputs.append(activate(total, activations[layer]))
        signals = outputs
    return signals
"""

PROGRAM = """
import gc, micropython, time
from given import given

gc.collect()
before = gc.mem_alloc()
micropython.qstr_info()
import module
gc.collect()
memory = gc.mem_alloc() - before
micropython.qstr_info()
gc.disable()

def nothing(given):
    pass

def count(function):
    allocated = gc.mem_alloc()
    begin = time.ticks_us()
    function(given)
    end = time.ticks_us()
    return time.ticks_diff(end, begin), gc.mem_alloc() - allocated

empty, _ = count(nothing)
counts = [count(module.{function}) for _ in range(9)]
middle = sorted([found for found, _ in counts[2:]])[3]
made = sorted([found for _, found in counts[2:]])[3]
print(middle - empty, memory, made)
"""


@dataclass(frozen=True)
class Figures:
    """What a module takes.

    Attributes
    ----------
    count : int, instructions of a call
    memory : int, bytes that importing it takes for good, of the tables of names only what its own names need
    made : int, bytes of the numbers that a call makes, before any is collected
    """

    count: int
    memory: int
    made: int


@dataclass(frozen=True)
class Compared(Figures):
    """What a network takes in one style of code, beside the course's.

    Attributes
    ----------
    network, style : str
    faster : float, how many times as many instructions the course's style takes
    share : float, of its memory
    """

    network: str
    style: str
    faster: float = 1.0
    share: float = 1.0


def course_style(network: Network) -> str:
    """Return a module in the course's style of code."""

    def listed(array: np.ndarray) -> str:
        if array.ndim:
            return "[" + ", ".join(map(listed, array)) + "]"
        return repr(float(f"{array:.9g}"))

    weights = ",\n".join(listed(layer.weights) for layer in network.layers)
    biases = ",\n".join(listed(layer.bias) for layer in network.layers)
    activations = [layer.activation for layer in network.layers]
    return f"weights = [{weights}]\nbiases = [{biases}]\nactivations = {activations!r}\n{COURSE_CODE}"


def random_network(sizes: Sequence[int]) -> Network:
    """Return a network whose last layer is linear, and the others too if it has no more than two."""
    random = np.random.default_rng(len(sizes))
    hidden = "linear" if sizes[0] == 3 else "relu"
    layers = [
        Layer(random.normal(size=(m, n), scale=n**-0.5), random.normal(size=m, scale=0.1), hidden)
        for n, m in pairwise(sizes)
    ]
    return Network((*layers[:-1], Layer(layers[-1].weights, layers[-1].bias, "linear")))


def modules(network: Network) -> dict[str, tuple[str, BoardModel | None]]:
    """Return the text of each style, and the model that it is of."""
    examples = np.random.default_rng(1).normal(size=(256, network.n_inputs))
    found: dict[str, tuple[str, BoardModel | None]] = {COURSE: (course_style(network), None)}
    for style in STYLES:
        model = make_board_model(network, inputs=examples)
        if style == "int8":  # whatever it costs: weights drawn at random are hard to tell apart
            model = replace(model, precision="int8", quantized=quantize(model.network, examples))
        found[style] = (python_model(model, style=style), model)
    return found


def measure(text: str, given: Sequence[object], function: str) -> Figures:
    """Return what a module takes, and a call of one of its functions.

    A call is counted when its numbers lie behind those of earlier calls, as on a board that is at work: the median
    of seven.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "given.py").write_text(f"given = {given!r}\n")
        Path(folder, "module.py").write_text(text)
        printed = wasm.run_program(PROGRAM.format(function=function), Path(folder), HEAP)
    *told, last = printed.splitlines()
    count, memory, made = map(int, last.split())
    # Tables of names double when they are full: when that happens is chance. 7 bytes of them are a name's.
    (names, letters, n_bytes), (names_then, letters_then, n_bytes_then) = map(_names, told)
    tables = (n_bytes_then - letters_then) - (n_bytes - letters)
    return Figures(count, memory - tables + BYTES_OF_NAME * (names_then - names), made)


def _names(told: str) -> tuple[int, int, int]:
    """Return how many names there are, and their bytes without and with the tables, as MicroPython tells them."""
    _, *numbers = re.findall(r"=(\d+)", told)
    names, letters, n_bytes = map(int, numbers)
    return names, letters, n_bytes


def compare(networks: Mapping[str, Sequence[int]] = NETWORKS) -> list[Compared]:
    """Return the figures of every style; first of each network the course's."""
    compared = []
    for name, sizes in networks.items():
        network = random_network(sizes)
        found = {}
        for style, (text, model) in modules(network).items():
            inputs = np.random.default_rng(2).normal(size=network.n_inputs).tolist()
            if model is not None and model.quantized is not None:
                inputs = np.random.default_rng(2).integers(-128, 128, network.n_inputs).tolist()
            found[style] = measure(text, inputs, "predict")
        course = found[COURSE]
        for style, f in found.items():
            faster, share = course.count / f.count, f.memory / course.memory
            compared.append(Compared(f.count, f.memory, f.made, name, style, faster, share))
    return compared


def rows(compared: Sequence[Compared]) -> list[list[str]]:
    """Return a table of the figures."""
    shown = [["", "instructions", "memory, B", "faster", "of the memory", ""]]
    for c in compared:
        own = c.style != COURSE
        style = c.style if own else "the course's style"
        reached = own and (c.faster >= FASTER or c.share <= SMALLER)
        shown.append(
            [
                f"{c.network}, {style}",
                number(c.count),
                f"{c.memory:,}",
                f"{c.faster:.2f} ×" if own else "",
                f"{c.share:.2f}" if own else "",
                "reached" if reached else "",
            ]
        )
    return shown


def main() -> None:
    if not INTERPRETER.is_there():
        raise SystemExit(f"There is no {INTERPRETER.title}. Install it: {INTERPRETER.install}")
    print(table(rows(compare())))
    print(f"\nThe goal: at least {FASTER:g} times as fast, or at most {SMALLER:g} of the memory.")


if __name__ == "__main__":
    main()
