"""Measure what parts of the generated code cost on simulated chips, and write src/tinyglass/export/sizes.json.

    python -m benchmarks.fit_sizes [c | python] [N]

measures N random networks (160; a quarter of an hour for C, two minutes for Python), fits the shares that
`tinyglass.export.sizes` adds up, and says how far they are off on networks that were not fitted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tinyglass import Layer, Network, Preparation
from tinyglass.export import board_model as making
from tinyglass.export.board_model import BoardModel, make_board_model
from tinyglass.export.computing import prepared
from tinyglass.export.executors.answers import Cost
from tinyglass.export.executors.compiling import CompilerError
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.python.costs import PythonParts, python_parts, style_of
from tinyglass.export.python.model_file import python_model
from tinyglass.export.sizes import TABLE, code_parts, constants, count_parts, stack_parts
from tinyglass.inputs import STATISTICS, count_features

from .board_python import measure as measure_module

CHIPS = ("cortex-m4f", "cortex-m0+", "riscv32", "uno")
KINDS = (
    ("raw",),
    ("raw",),
    ("raw",),
    ("summary",),
    ("spectrum",),
    ("raw", "summary"),
    ("summary", "spectrum"),
)
STYLES = ("unrolled", "loop", "int8")
HELD_OUT = 1_000_000  # seeds from here on are never fitted


class Measured(NamedTuple):
    """What one network costs on one chip."""

    chip: str
    precision: str
    model: BoardModel
    cost: Cost


def random_model(seed: int) -> tuple[dict[str, BoardModel], list[np.ndarray]]:
    """Return a random network in both precisions, and readings for it."""
    random = np.random.default_rng(seed)

    def one_of(*choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    kinds, channels, n = (
        one_of(*KINDS),
        one_of(1, 1, 2, 3, 3, 6),
        one_of(1, 3, 3, 10, 20, 32, 50, 64, 100, 119),
    )
    if small := random.random() < 0.5:  # what most people begin with
        kinds, channels, n = ("raw",), one_of(1, 1, 1, 2, 3, 6), one_of(1, 3, 3, 3, 5, 8)
    n = min(n, 400 // channels)
    steps = one_of(n, n, 8, 16, 32) if n > 1 and not small else n
    window, n_features = one_of(True, False), count_features(kinds, channels)

    def numbers(count: int, low: float, high: float) -> tuple[float, ...]:
        return tuple(random.uniform(low, high, count).tolist())

    p = Preparation(
        tuple(f"c{i}" for i in range(channels)),
        ("",) * channels,
        steps,
        steps != n,
        one_of((0.0,) * channels, numbers(channels, -20, 20), numbers(channels, -20, 20)),
        one_of((100.0,) * channels, (1.0,) * channels, *[numbers(channels, 0.1, 9)] * 4),
        50.0,
        kinds,
        numbers(n_features, -2, 2),
        numbers(n_features, 0.2, 5),
        n if window else 0,
        max(1, n // 2) if window else 0,
    )
    p = _with_likely_extremes(p)
    bare, regression = random.random() < 0.1, random.random() < 0.1
    n_inputs = one_of(2, 3, 4, 10, 39) if bare else p.n_inputs
    neurons = [2, 2, 3, 4, 6, 8, 16, 32] if small else [2, 4, 8, 10, 16, 20, 32, 50]
    sizes = (n_inputs, *random.choice(neurons, one_of(0, 1, 1, 1, 2, 2, 3)))
    sizes = (*map(int, sizes), 1 if regression else one_of(2, 2, 3, 4, 6, 10))
    hidden = one_of("relu", "relu", "relu", "tanh", "sigmoid", "leaky_relu", "linear")
    last = "linear" if regression else one_of("softmax", "softmax", "softmax", "linear", "linear", "sigmoid")
    bias = random.random() < 0.8
    layers = [
        Layer(
            (random.normal(size=(n_out, n_in)) * np.sqrt(2 / n_in)).astype(np.float32),
            (random.normal(size=n_out) * 0.3).astype(np.float32) if bias else None,
            last if number == len(sizes) - 2 else hidden,
        )
        for number, (n_in, n_out) in enumerate(pairwise(sizes))
    ]
    network = Network(
        tuple(layers),
        None if regression else tuple(f"class {i}" for i in range(sizes[-1])),
        preparation=None if bare else p,
        threshold=one_of(0.0, 0.4),
        temperature=one_of(1.0, 2.5),
    )
    if bare:
        stack = random.normal(size=(40, 1, n_inputs))
        inputs = stack[:, 0]
    else:
        stack = np.array(p.offset) + np.array(p.scale) * random.normal(size=(40, n, channels))
        inputs = prepared(p, stack)
    models = {
        precision: make_board_model(network, precision, inputs=inputs, n_readings=None if bare else n)
        for precision in ("float32", "int8")
    }
    return models, list(stack[:2])


def _with_likely_extremes(p: Preparation) -> Preparation:
    """Return the preparation with minima and maxima such as training finds, which say where the readings lie."""
    if "summary" not in p.inputs:
        return p
    channels, offsets = len(p.channels), list(p.feature_offset)
    for name, far in (("minimum", -2.5), ("maximum", 2.5)):
        begin = STATISTICS.index(name) * channels
        offsets[begin : begin + channels] = [o + far * s for o, s in zip(p.offset, p.scale, strict=True)]
    return msgspec.structs.replace(p, feature_offset=tuple(offsets))


def measure(seeds: range) -> Iterator[Measured]:
    """Yield what random networks cost on every simulated chip that they fit into."""
    dearest, making.DEAREST = (
        making.DEAREST,
        np.inf,
    )  # networks that were never trained have no accuracy to lose
    executors = [executor for executor in EXECUTORS if executor.name in CHIPS]
    try:
        for seed in seeds:
            models, readings = random_model(seed)
            for precision, model in models.items():
                for executor in executors:
                    try:
                        cost = executor.run(model, readings).cost
                    except CompilerError:
                        continue  # too large for the Uno
                    assert cost is not None
                    yield Measured(executor.name, precision, model, cost)
    finally:
        making.DEAREST = dearest


def parts_of(measured: Measured) -> dict[str, tuple[dict[str, float], float, float]]:
    """Return, for code, stack and count, the parts, what they add up to, and what the error is a share of."""
    model, precision, cost = measured.model, measured.precision, measured.cost
    code = cost.flash - constants(model, precision)
    return {
        "code": (code_parts(model, precision), code, cost.flash),
        "stack": (stack_parts(model, precision), cost.stack, cost.stack),
        "count": (count_parts(model, precision), cost.count, cost.count),
    }


def fit(rows: list[tuple[dict[str, float], float, float]], positive: bool) -> dict[str, float]:
    """Return the share of each part, by least squares of the relative error."""
    from scipy.optimize import lsq_linear

    names = sorted({name for parts, _, _ in rows for name in parts})
    table = np.array([[parts.get(name, 0.0) / whole for name in names] for parts, _, whole in rows])
    wanted = np.array([value / whole for _, value, whole in rows])
    size = np.abs(table).max(axis=0)
    # A little weight decay, so that parts which always come together share what they cost.
    decay = 1e-3 * np.eye(len(names))
    found = lsq_linear(
        np.concatenate([table / size, decay]),
        np.concatenate([wanted, np.zeros(len(names))]),
        bounds=(0 if positive else -np.inf, np.inf),
    )
    return {name: round(float(x), 3) for name, x in zip(names, found.x / size, strict=True)}


# ---------------------------------------------------------------- Python


class MeasuredInPython(NamedTuple):
    """What one network costs in one style of Python."""

    style: str
    model: BoardModel
    parts: PythonParts
    costs: PythonParts


def measure_in_python(seeds: range) -> Iterator[MeasuredInPython]:
    """Yield what random networks cost in each style, as far as they are exported in it."""
    dearest, making.DEAREST = making.DEAREST, np.inf
    try:
        for seed in seeds:
            models, readings = random_model(seed)
            given = readings[0].astype(np.float32).tolist()
            for precision, model in models.items():
                chosen = style_of(model, precision)
                for style in {chosen, "loop"} if precision == "float32" else {"int8"}:
                    text = python_model(model, style=style)
                    f = measure_module(text, given, "predict_raw")
                    costs = PythonParts(len(text), f.memory, f.made, f.count)
                    yield MeasuredInPython(style, model, python_parts(model, style), costs)
    finally:
        making.DEAREST = dearest


def fit_python(fitted: list[MeasuredInPython]) -> dict[str, Any]:
    """Return the shares of each style."""
    return {
        style: {
            what: fit(
                [
                    (getattr(m.parts, what), getattr(m.costs, what), getattr(m.costs, what))
                    for m in fitted
                    if m.style == style
                ],
                positive=what in ("made", "instructions"),
            )
            for what in PythonParts._fields
        }
        for style in STYLES
    }


def report_python(others: list[MeasuredInPython]) -> None:
    """Print how far estimates are off."""
    from tinyglass.export.sizes import shares_of

    shares_of.cache_clear()
    for style in STYLES:
        errors = [
            [
                sum(shares.get(name, 0) * x for name, x in parts.items()) / cost - 1
                for shares, parts, cost in zip(
                    (shares_of()["python"][style][what] for what in PythonParts._fields),
                    m.parts,
                    m.costs,
                    strict=True,
                )
            ]
            for m in others
            if m.style == style
        ]
        worst = np.abs(np.array(errors)).max(axis=0)
        print(
            f"Python {style:9s}{len(errors):4d} networks, off by at most",
            " ".join(f"{w:6.1%}" for w in worst),
        )


def main() -> None:
    """Measure, fit, write the table, and print how far it is off on other networks."""
    words = sys.argv[1:]
    n = int(words.pop()) if words and words[-1].isdigit() else 160
    asked = words or ["c", "python"]
    if "c" in asked:
        fitted, others = list(measure(range(n))), list(measure(range(HELD_OUT, HELD_OUT + n // 4)))
        write(fit_chips(fitted))
        report(others)
    if "python" in asked:
        in_python = list(measure_in_python(range(n)))
        write({"python": fit_python(in_python)})
        report_python(list(measure_in_python(range(HELD_OUT, HELD_OUT + n // 4))))


def fit_chips(fitted: list[Measured]) -> dict[str, Any]:
    """Return the shares of each chip and precision."""
    shares: dict[str, Any] = {}
    for chip in CHIPS:
        for precision in ("float32", "int8"):
            rows = [parts_of(m) for m in fitted if (m.chip, m.precision) == (chip, precision)]
            shares.setdefault(chip, {})[precision] = {
                what: fit([row[what] for row in rows], positive=what == "count")
                for what in ("code", "stack", "count")
            }
    return shares


def write(shares: dict[str, Any]) -> None:
    """Write shares into the table, whose others stay."""
    about = "Made by python -m benchmarks.fit_sizes: bytes, and instructions or cycles, of each part."
    table = {"about": about, "shares": msgspec.json.decode(TABLE.read_bytes())["shares"] | shares}
    TABLE.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")


def report(others: list[Measured]) -> None:
    """Print how far estimates are off."""
    from tinyglass.export import sizes

    sizes.shares_of.cache_clear()
    for chip in CHIPS:
        for precision in ("float32", "int8"):
            errors = []
            for m in others:
                if (m.chip, m.precision) == (chip, precision):
                    e = sizes.estimate_size(m.model, chip, precision)
                    errors.append(
                        (e.flash / m.cost.flash - 1, e.ram / m.cost.stack - 1, e.count / m.cost.count - 1)
                    )
            worst = np.abs(np.array(errors)).max(axis=0)
            print(
                f"{chip:12s}{precision:9s}{len(errors):4d} networks, off by at most",
                " ".join(f"{w:6.1%}" for w in worst),
            )


if __name__ == "__main__":
    main()
