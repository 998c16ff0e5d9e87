"""The Python that computes the layers of a network, and the constants that it reads.

A sum is taken bias first, then input by input, as everywhere in tinyglass. For speed, its terms stand
side by side in one expression: all of them in a small network, else a block of them at a time, whose
weights are unpacked together from their bytes. So nothing is held in memory but the bytes, and no
function has more than a few dozen variables: all that run at a time share, in CircuitPython, a stack
of 1,536 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from ...network import Layer, Network
from ..quantized import QuantizedLayer, QuantizedNetwork
from .assembling import part
from .literals import bytes_literal, float_tuple, floats, one_float, whole_numbers

MOST_NAMED = 40  # weights that have a name each
LONGEST_BLOCK = 20  # terms
COST_OF_BLOCK = 10  # terms: what the work around an expression is worth
ACTIVATIONS = {
    "step": "1.0 if {0} >= 0.5 else 0.0",
    "relu": "{0} if {0} > 0 else 0.0",
    "leaky_relu": "{0} if {0} > 0 else {0} / 100",
    "sigmoid": "_sigmoid({0})",
    "tanh": "_tanh({0})",
}
"""What a layer's outputs are made of each sum; linear leaves it, softmax needs them all."""


def float_network(network: Network, style: str) -> Iterator[str]:
    """Yield the sections that compute a network of floating-point numbers; the last is `predict`."""
    yield from _activations(layer.activation for layer in network.layers)
    yield from _calibration(network)
    if style != "unrolled":
        yield from _in_blocks(network, with_ulab=style == "ulab")
    elif network.n_weights <= MOST_NAMED:
        yield from _every_neuron(network)
    else:
        yield from _every_layer(network)


def int8_network(network: Network, quantized: QuantizedNetwork) -> Iterator[str]:
    """Yield the sections that compute a network of whole numbers; the last are `sums` and `predict`."""
    block = best_block(quantized.sizes)
    yield from _activations([network.layers[-1].activation])
    yield from _calibration(network)
    yield f"from struct import unpack\n{one_float('_UNIT', quantized.layers[-1].unit)}"
    yield part("requantize")
    if any(layer.table is not None for layer in quantized.layers):
        yield part("look_up")
    yield _sums_of_blocks(block, "b", "list(biases)", 0, "0")
    lines = []
    for number, layer in enumerate(quantized.layers, 1):
        yield _int8_constants(layer, number, block)
        lines.append(f"x = _sums(x, _WEIGHTS{number}, _BIASES{number})")
        if layer.multiplier is not None:
            lines.append(
                f"_requantize(x, _MULTIPLIERS{number}, _SHIFTS{number}, {layer.zero}, {layer.lowest})"
            )
        if layer.table is not None:
            lines.append(f"_look_up(x, _TABLE{number})")
    check = _check_length("x", network.n_inputs)
    yield _function("sums(x)", "the sums of the last layer for int8 inputs", [*check, *lines, "return x"])
    lines = ["x = [float(s) * _UNIT for s in sums(inputs)]", *_last_lines(network)]
    yield _function("predict(inputs)", "the outputs for prepared inputs", lines)


def _int8_constants(layer: QuantizedLayer, number: int, block: int) -> str:
    constants = [
        f"_WEIGHTS{number} = {bytes_literal(_blocks(layer.weights, block, 0).astype('i1').tobytes())}",
        f"_BIASES{number} = {whole_numbers(layer.bias)}",
    ]
    if layer.multiplier is not None and layer.shift is not None:
        constants.append(f"_MULTIPLIERS{number} = {whole_numbers(layer.multiplier)}")
        constants.append(f"_SHIFTS{number} = {bytes_literal(layer.shift.astype('u1').tobytes())}")
    if layer.table is not None:
        unsigned = (layer.table.astype(np.int64) + 128).astype("u1")
        constants.append(f"_TABLE{number} = {bytes_literal(unsigned.tobytes())}")
    return "\n".join(constants)


def _activations(names: Iterable[str]) -> Iterator[str]:
    for name in sorted({"sigmoid", "tanh"}.intersection(names)):
        yield part(name)


def _calibration(network: Network) -> Iterator[str]:
    """Yield what makes the answer of the last layer's sums, besides simple activations."""
    if network.layers[-1].activation == "softmax":
        if network.temperature != 1:
            yield f"from struct import unpack\n{one_float('_TEMPERATURE', network.temperature)}"
        yield part("softmax" if network.temperature == 1 else "softmax_calibrated")
    p = network.preparation
    if p is not None and has_unit(network):
        scale = one_float("_ANSWER_SCALE", p.answer_scale)
        yield f"from struct import unpack\n{scale}\n{one_float('_ANSWER_OFFSET', p.answer_offset)}"


def has_unit(network: Network) -> bool:
    """Return whether the answer is a quantity in a unit of its own."""
    p = network.preparation
    return network.classes is None and p is not None and (p.answer_scale, p.answer_offset) != (1.0, 0.0)


def _every_neuron(network: Network) -> Iterator[str]:
    """Yield a function with one expression for each neuron."""
    signals, n_neurons = _numbered("x", network.n_inputs), 0
    weights: list[float] = []
    lines = []
    for number, layer in enumerate(network.layers, 1):
        neurons = _numbered("y", layer.n_outputs, n_neurons)
        for neuron, (bias, *row) in zip(neurons, rows_of(layer).tolist(), strict=True):
            names = _numbered("w", layer.n_inputs, len(weights) + 1)
            lines.append(f"{neuron} = w{len(weights)} + {_products(names, signals)}")
            if number < len(network.layers) and layer.activation in ACTIVATIONS:
                lines.append(f"{neuron} = {ACTIVATIONS[layer.activation].format(neuron)}")
            weights += [bias, *row]
        signals, n_neurons = neurons, n_neurons + layer.n_outputs
    begin = [
        f"{_names(_numbered('x', network.n_inputs))} = inputs",
        f"{_names(_numbered('w', len(weights)))} = _WEIGHTS",
    ]
    yield f"from struct import unpack\n{float_tuple('_WEIGHTS', weights)}"
    last = _last_lines(network)
    outputs = f"[{', '.join(signals)}]"
    lines += [f"return {outputs}"] if len(last) == 1 else [f"x = {outputs}", *last]
    yield _function("predict(inputs)", "the outputs for prepared inputs", [*begin, *lines])


def _every_layer(network: Network) -> Iterator[str]:
    """Yield a function with one expression for each layer, into which each neuron's weights are put."""
    lines = ["x = inputs"]
    for number, layer in enumerate(network.layers, 1):
        xs, ws = _numbered("x", layer.n_inputs), _numbered("w", layer.n_inputs)
        size = 4 * (1 + layer.n_inputs)
        every = f"range(0, {size * layer.n_outputs}, {size})"
        yield f"""from struct import unpack_from
_BYTES{number} = {bytes_literal(floats(rows_of(layer)))}
_LAYER{number} = [unpack_from('<{1 + layer.n_inputs}f', _BYTES{number}, i) for i in {every}]"""
        lines += [f"{_names(xs)} = x", "x = []", f"for b, {', '.join(ws)} in _LAYER{number}:"]
        total = f"b + {_products(ws, xs)}"
        if number < len(network.layers) and layer.activation in ACTIVATIONS:
            lines += [f"    s = {total}", f"    x.append({ACTIVATIONS[layer.activation].format('s')})"]
        else:
            lines.append(f"    x.append({total})")
    yield _function("predict(inputs)", "the outputs for prepared inputs", [*lines, *_last_lines(network)])


def _in_blocks(network: Network, with_ulab: bool) -> Iterator[str]:
    """Yield a function that goes over the neurons of each layer, a block of inputs at a time."""
    block = best_block(network.sizes)
    yield _sums_of_blocks(block, "f", "list(unpack_from(biases, weights))", 4, "0.0")
    if with_ulab:
        yield f"_BLOCK = {block}"
        yield part("ulab")
    lines = ["x = inputs"]
    for number, layer in enumerate(network.layers, 1):
        content = floats(_bias(layer)) + floats(_blocks(layer.weights, block, -0.0))
        yield f"_WEIGHTS{number} = {bytes_literal(content)}"
        weights = f"_WEIGHTS{number}, '<{layer.n_outputs}f'"
        if with_ulab:
            yield f"_MATRIX{number} = _matrix({weights})"
            lines.append(f"x = _product(_MATRIX{number}, x) if ulab else _sums(x, {weights})")
        else:
            lines.append(f"x = _sums(x, {weights})")
        if number < len(network.layers):
            lines += _activated(layer.activation)
    lines += _last_lines(network)
    check = _check_length("inputs", network.n_inputs)
    yield _function("predict(inputs)", "the outputs for prepared inputs", [*check, *lines])


def best_block(sizes: tuple[int, ...]) -> int:
    """Return how many terms an expression has, so that the least time is lost.

    Examples
    --------
    >>> best_block((39, 20, 10, 4)), best_block((120, 50, 15, 2))
    (10, 15)
    """

    def cost(block: int) -> int:
        return sum(-(-n // block) * (block + COST_OF_BLOCK) * m for n, m in pairwise(sizes))

    return min(range(1, LONGEST_BLOCK + 1), key=cost)


def _blocks(weights: np.ndarray, block: int, filling: float) -> np.ndarray:
    """Return the weights block by block of inputs, in each neuron by neuron; the last block is filled up.

    A sum stays the same to the bit when −0.0 · 0.0 is added, whereas 0.0 would change −0.0.
    """
    n_outputs, n_inputs = weights.shape
    missing = -n_inputs % block
    filled = np.pad(weights, ((0, 0), (0, missing)), constant_values=filling)
    return filled.reshape(n_outputs, -1, block).transpose(1, 0, 2)


def _sums_of_blocks(block: int, kind: str, biases: str, size: int, nothing: str) -> str:
    """Return the function that takes the sums of a layer."""
    xs, ws = _numbered("x", block), _numbered("w", block)
    begin = f"{size} * len(sums)" if size else "0"
    return f"""from struct import unpack_from


def _sums(x, weights, biases):
    # The weighted sums of a layer. Its weights come in blocks of {block} inputs, neuron by neuron.
    x = list(x)
    while len(x) % {block}:
        x.append({nothing})
    sums = {biases}
    place = {begin}
    for first in range(0, len(x), {block}):
        {_names(xs)} = x[first : first + {block}]
        for j in range(len(sums)):
            {_names(ws)} = unpack_from("<{block}{kind}", weights, place)
            place += {block * (size or 1)}
            sums[j] = sums[j] + {_products(ws, xs)}
    return sums
"""


def _activated(activation: str) -> list[str]:
    return [f"x = [{ACTIVATIONS[activation].format('s')} for s in x]"] if activation in ACTIVATIONS else []


def _last_lines(network: Network) -> list[str]:
    """Return the lines from the last layer's sums x to the end of `predict`."""
    activation = network.layers[-1].activation
    lines = ["x = _softmax(x)"] if activation == "softmax" else _activated(activation)
    if has_unit(network):
        lines.append("x = [s * _ANSWER_SCALE + _ANSWER_OFFSET for s in x]")
    return [*lines, "return x"]


def _check_length(name: str, n_inputs: int) -> list[str]:
    return [f"if len({name}) != {n_inputs}:", f'    raise ValueError("expected {n_inputs} inputs")']


def _function(signature: str, returns: str, lines: list[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f'def {signature}:\n    """Return {returns}."""\n{body}'


def _numbered(name: str, n: int, first: int = 0) -> list[str]:
    return [f"{name}{i}" for i in range(first, first + n)]


def _names(names: list[str]) -> str:
    return ", ".join(names) + ("," if len(names) == 1 else "")


def _products(ws: list[str], xs: list[str]) -> str:
    return " + ".join(f"{w} * {x}" for w, x in zip(ws, xs, strict=True))


def rows_of(layer: Layer) -> np.ndarray:
    """Return for each neuron its bias and its weights, (n_outputs, 1 + n_inputs)."""
    return np.concatenate([_bias(layer)[:, None], layer.weights], axis=1)


def _bias(layer: Layer) -> np.ndarray:
    return np.zeros(layer.n_outputs) if layer.bias is None else layer.bias
