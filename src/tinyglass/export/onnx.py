"""A network as ONNX, its preparation included: the graph is fed with raw readings.

The preparation is computed in double precision, as in `tinyglass.preparation`; the network in its
own. Every number of a recording's length is a constant of the graph, so the length is fixed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from .. import __version__
from ..errors import ArgumentError, TinyglassError
from ..inputs import HOP, N_BANDS, QUARTILES, SEGMENT
from ..network import Layer, Network, Preparation

OPSET = 13
IR_VERSION = 7  # what the first onnxruntime with this opset reads
SMALLEST_PROBABILITY = 1e-30  # as in `tinyglass.prediction.tempered`


def to_onnx(
    network: Network, *, preparation: bool = True, n_readings: int | None = None, digest: str = ""
) -> bytes:
    """Return the network as an ONNX model, whose outputs are those of `tinyglass.predict`.

    Its input is ``readings``, float64 (batch, n_readings, n_channels), in the channels' units: whole
    recordings or windows; without a preparation ``inputs``, (batch, n_inputs), of the network's own
    type. Its output is ``probabilities``, calibrated, or for other networks ``outputs``, or
    ``answers`` of a regression in the unit of the labels. What the names mean, and the network's
    threshold, are JSON in the model's metadata. (`tinyglass.predict` takes the mean of a recording's windows.)

    Parameters
    ----------
    network : Network
    preparation : bool, whether the graph prepares the readings itself, if the network has a preparation
    n_readings : int, of each recording, where the network takes any number; by default a window's, or
        as many as raw readings are resampled to
    digest : str, the model's SHA-256, noted in the metadata

    Returns
    -------
    bytes, a file that onnxruntime runs: opset 13

    Raises
    ------
    ArgumentError
        If the network does not take so many readings.
    TinyglassError
        If the package onnx is not installed.

    Examples
    --------
    >>> import onnxruntime
    >>> from tinyglass import read_recordings, train
    >>> model = onnxruntime.InferenceSession(to_onnx(train(read_recordings()).network))
    >>> int(model.run(None, {"readings": [[[104.54], [2.375], [0.0]]]})[0].argmax())
    0
    """
    p = network.preparation if preparation else None
    graph = _Graph()
    if p is None:
        fed = _End("inputs", network.dtype, (network.n_inputs,))
        value = fed.name
    else:
        n_readings = _length(p, n_readings)
        fed = _End("readings", np.dtype(np.float64), (n_readings, len(p.channels)))
        value = graph.add("Cast", _prepare(graph, p, fed.name, n_readings), to=_type(network.dtype))
    for layer in network.layers:
        value = _add_layer(graph, layer, value)
    if network.gives_probabilities and network.temperature != 1:
        value = _temper(graph, value, network.temperature, network.dtype)
    name = "probabilities" if network.gives_probabilities else "outputs"
    if network.classes is None and p is not None:
        name = "answers"
        value = graph.add("Mul", value, graph.constant(network.dtype.type(p.answer_scale)))
        value = graph.add("Add", value, graph.constant(network.dtype.type(p.answer_offset)))
    graph.add("Identity", value, output=name)
    given = _End(name, network.dtype, (network.n_outputs,))
    return graph.serialize(fed, given, _facts(network, p, n_readings, digest))


class _End(NamedTuple):
    """The input or the output of a graph; the shape is without the batch."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]


def _length(p: Preparation, n_readings: int | None) -> int:
    """Return how many readings the graph takes.

    Raises
    ------
    ArgumentError
        If the preparation does not take as many as asked for.
    """
    usual = p.window or p.n_steps
    free = p.any_length and not p.window
    if n_readings is not None and (n_readings < 1 or not (free or n_readings == usual)):
        takes = "any number from 1" if free else f"{usual}"
        raise ArgumentError(
            f"Expected {takes} readings, as the network takes, found {n_readings}",
            "n_readings",
            "Leave it out, or train with --steps or --window",
        )
    return n_readings or usual


def _facts(network: Network, p: Preparation | None, n_readings: int | None, digest: str) -> dict[str, Any]:
    """Return what the metadata say: names are data there."""
    facts: dict[str, Any] = {
        "model": digest or None,
        "classes": network.classes,
        "threshold": network.threshold,
        "temperature": network.temperature,
        "input_names": network.input_names,
    }
    if p is not None:
        facts |= {
            "channels": p.channels,
            "units": p.units,
            "rate_hz": p.rate_hz,
            "n_readings": n_readings,
            "inputs": p.inputs,
            "window": p.window,
            "hop": p.hop,
        }
    return facts


# ---------------------------------------------------------------- the preparation


def _prepare(graph: _Graph, p: Preparation, readings: str, n_readings: int) -> str:
    """Add the prepared inputs, (batch, n_inputs): `tinyglass.preparation.apply_rows`."""
    n_channels, columns, n_done = len(p.channels), [], 0
    for kind in p.inputs:
        if kind == "raw":
            stacked = readings
            if n_readings != p.n_steps:
                stacked = _at_places(graph, readings, np.linspace(0, n_readings - 1, p.n_steps), n_readings)
            scaled = _scale(graph, stacked, np.array(p.offset), np.array(p.scale))
            columns.append(_flat(graph, scaled, p.n_steps * n_channels))
            continue
        values, n_values = FEATURES[kind](graph, readings, n_readings)
        own = slice(n_done, n_done := n_done + n_values * n_channels)
        flat = _flat(graph, values, n_values * n_channels)
        columns.append(_scale(graph, flat, np.array(p.feature_offset[own]), np.array(p.feature_scale[own])))
    return columns[0] if len(columns) == 1 else graph.add("Concat", *columns, axis=1)


def _scale(graph: _Graph, value: str, offset: np.ndarray, scale: np.ndarray) -> str:
    return graph.add("Div", graph.add("Sub", value, graph.constant(offset)), graph.constant(scale))


def _flat(graph: _Graph, value: str, n_columns: int) -> str:
    return graph.add("Reshape", value, graph.constant(np.array([-1, n_columns])))


def _at_places(graph: _Graph, value: str, places: np.ndarray, n_readings: int) -> str:
    """Add the readings at places between them, along straight lines: `tinyglass.inputs.at_places`."""
    before = np.minimum(places.astype(np.int64), max(n_readings - 2, 0))
    after = np.minimum(before + 1, n_readings - 1)
    share = (places - before)[:, None]
    parts = [
        graph.add("Mul", _take(graph, value, where), graph.constant(weight))
        for where, weight in ((before, 1 - share), (after, share))
    ]
    return graph.add("Add", *parts)


def _take(graph: _Graph, value: str, where: np.ndarray) -> str:
    """Add the readings at these places."""
    return graph.add("Gather", value, graph.constant(where.astype(np.int64)), axis=1)


def _mean(graph: _Graph, value: str) -> str:
    return graph.add("ReduceMean", value, axes=[1], keepdims=1)


def _summary(graph: _Graph, readings: str, n_readings: int) -> tuple[str, int]:
    """Add eight statistics of each channel, (batch, 8, n_channels): `tinyglass.inputs.summarise`."""
    mean = _mean(graph, readings)
    from_mean = graph.add("Sub", readings, mean)
    deviation = graph.add("Sqrt", _mean(graph, graph.add("Mul", from_mean, from_mean)))
    if n_readings > 1:
        every = np.arange(n_readings)
        steps = graph.add("Sub", _take(graph, readings, every[1:]), _take(graph, readings, every[:-1]))
        change = graph.add("Sqrt", _mean(graph, graph.add("Abs", steps)))
    else:
        change = graph.add("Sub", mean, mean)
    ordered = graph.add(
        "TopK", readings, graph.constant(np.array([n_readings])), n_outputs=2, axis=1, largest=0, sorted=1
    )
    between = [
        _at_places(graph, ordered, np.array([q * (n_readings - 1)]), n_readings) for q in QUARTILES.values()
    ]
    first, last = (_take(graph, ordered, np.array([place])) for place in (0, n_readings - 1))
    statistics = [mean, graph.add("Sqrt", deviation), first, *between, last, change]
    return graph.add("Concat", *statistics, axis=1), len(statistics)


def _spectrum(graph: _Graph, readings: str, n_readings: int) -> tuple[str, int]:
    """Add the strength of 16 bands of frequencies, (batch, 16, n_channels): `tinyglass.inputs.spectrum`.

    Of a signal shorter than a segment, the zeros that would follow it are left out of the sums.
    """
    signal = graph.add("Sub", readings, _mean(graph, readings))
    length = min(n_readings, SEGMENT)
    starts = np.arange(0, max(n_readings, SEGMENT) - SEGMENT + 1, HOP)
    pieces = _take(
        graph, signal, starts[:, None] + np.arange(length)
    )  # (batch, n_starts, length, n_channels)
    n_frequencies = SEGMENT // 2
    t, f = np.arange(length), np.arange(n_frequencies)[:, None]
    fade = np.sin(np.pi * np.arange(SEGMENT) / SEGMENT) ** 2
    waves = np.concatenate([np.cos(2 * np.pi * f * t / SEGMENT), np.sin(2 * np.pi * f * t / SEGMENT)])
    transformed = graph.add("MatMul", graph.constant(waves * fade[:length]), pieces)
    power = graph.add("ReduceMean", graph.add("Mul", transformed, transformed), axes=[1], keepdims=0)
    # A band is the mean of its frequencies, each the sum of its cosine's and its sine's part.
    share = np.repeat(np.eye(N_BANDS), n_frequencies // N_BANDS, axis=1) / (n_frequencies // N_BANDS)
    bands = graph.add("MatMul", graph.constant(np.hstack([share, share]) / (fade**2).sum()), power)
    return graph.add("Sqrt", graph.add("Sqrt", bands)), N_BANDS


FEATURES: dict[str, Callable[[_Graph, str, int], tuple[str, int]]] = {
    "summary": _summary,
    "spectrum": _spectrum,
}

# ---------------------------------------------------------------- the network


def _add_layer(graph: _Graph, layer: Layer, value: str) -> str:
    terms = [value, graph.constant(layer.weights)]
    if layer.bias is not None:
        terms.append(graph.constant(layer.bias))
    sums = graph.add("Gemm", *terms, transB=1)
    return ACTIVATIONS[layer.activation](graph, sums, layer.weights.dtype)


def _step(graph: _Graph, sums: str, dtype: np.dtype) -> str:
    above = graph.add("GreaterOrEqual", sums, graph.constant(dtype.type(0.5)))
    return graph.add("Cast", above, to=_type(dtype))


def _leaky_relu(graph: _Graph, sums: str, dtype: np.dtype) -> str:
    return graph.add("Max", sums, graph.add("Div", sums, graph.constant(dtype.type(100))))


ACTIVATIONS: dict[str, Callable[[_Graph, str, np.dtype], str]] = {
    "linear": lambda graph, sums, dtype: sums,
    "step": _step,
    "sigmoid": lambda graph, sums, dtype: graph.add("Sigmoid", sums),
    "tanh": lambda graph, sums, dtype: graph.add("Tanh", sums),
    "relu": lambda graph, sums, dtype: graph.add("Relu", sums),
    "leaky_relu": _leaky_relu,
    "softmax": lambda graph, sums, dtype: graph.add("Softmax", sums, axis=-1),
}
"""The operators of each of `tinyglass.arithmetic.ACTIVATIONS`."""


def _temper(graph: _Graph, probabilities: str, temperature: float, dtype: np.dtype) -> str:
    """Add the calibrated probabilities: `tinyglass.prediction.tempered`."""
    exact = graph.add("Cast", probabilities, to=_type(np.dtype(np.float64)))
    least = graph.add("Max", exact, graph.constant(np.float64(SMALLEST_PROBABILITY)))
    powers = graph.add("Pow", least, graph.constant(np.float64(1 / temperature)))
    total = graph.add("ReduceSum", powers, graph.constant(np.array([1])), keepdims=1)
    return graph.add("Cast", graph.add("Div", powers, total), to=_type(dtype))


# ---------------------------------------------------------------- the graph

TYPES = {"float32": 1, "float64": 11}  # in onnx.TensorProto


def _type(dtype: np.dtype) -> int:
    return TYPES[dtype.name]


class _Graph:
    """Operators and constants, in plain Python until the graph is written."""

    def __init__(self) -> None:
        self._nodes: list[tuple[str, tuple[str, ...], tuple[str, ...], dict[str, Any]]] = []
        self._constants: dict[str, np.ndarray] = {}
        self._numbers = count()

    def add(
        self, operator: str, *values: str, output: str = "", n_outputs: int = 1, **attributes: Any
    ) -> str:
        """Add an operator on these values, and return the name of its first output."""
        first = output or f"{operator.lower()}{next(self._numbers)}"
        outputs = (first, *(f"{first}_{i}" for i in range(1, n_outputs)))
        self._nodes.append((operator, values, outputs, attributes))
        return first

    def constant(self, number: Any) -> str:
        """Add a constant of its array's type, and return its name."""
        name = f"constant{next(self._numbers)}"
        self._constants[name] = np.asarray(number)
        return name

    def serialize(self, fed: _End, given: _End, facts: dict[str, Any]) -> bytes:
        """Return the model, checked, with the facts as JSON in its metadata."""
        try:
            from onnx import checker, helper, numpy_helper
        except ImportError as error:
            raise TinyglassError(
                "onnx, which writes ONNX, is not installed",
                "this environment of Python",
                'Install it with: pip install "tinyglass[onnx]"',
            ) from error

        ends = [
            helper.make_tensor_value_info(end.name, _type(end.dtype), ["batch", *end.shape])
            for end in (fed, given)
        ]
        graph = helper.make_graph(
            [helper.make_node(operator, i, o, **attributes) for operator, i, o, attributes in self._nodes],
            "tinyglass",
            ends[:1],
            ends[1:],
            [numpy_helper.from_array(array, name) for name, array in self._constants.items()],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="tinyglass",
            producer_version=__version__,
            doc_string="A network of tinyglass; what its inputs and outputs mean is JSON in its metadata.",
        )
        helper.set_model_props(model, {name: json.dumps(value) for name, value in facts.items()})
        checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content
