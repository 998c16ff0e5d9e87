"""A network of floating-point numbers becomes one of whole numbers, calibrated on examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import ArgumentError
from ..network import Layer, Network
from .computing import activated
from .floats import FLOAT64
from .quantized import (
    HIGHEST,
    LARGEST_SHIFT,
    LOWEST,
    SMALLEST_SHIFT,
    SUM_LIMIT,
    InputScaling,
    QuantizedLayer,
    QuantizedNetwork,
)

WIDEST_SUM = {"sigmoid": 8.0, "tanh": 4.0}
"""Beyond it, the activation is within half an int8 step of its end."""
TABLES = ("sigmoid", "tanh", "step", "leaky_relu")
LARGEST_FACTOR = (2**15 - 1) / 2**SMALLEST_SHIFT
INPUT_BITS = 17  # of a reading, before it becomes int8


def quantize(network: Network, inputs: np.ndarray) -> QuantizedNetwork:
    """Return the network in int8, its ranges taken from examples.

    Parameters
    ----------
    network : Network
    inputs : array, (n_examples, n_inputs)
        Prepared inputs of the training part: what lies beyond their range is cut off on the board.

    Returns
    -------
    QuantizedNetwork

    Raises
    ------
    ArgumentError
        If there are no examples, or a layer cannot be brought to whole numbers.

    Examples
    --------
    >>> neuron = Network((Layer([[0.5, -0.25]], None, "linear"),))
    >>> quantize(neuron, np.array([[1.0, 0.0], [0.0, 1.0]])).layers[0].weights.tolist()
    [[127, -64]]
    """
    signals = np.asarray(inputs, np.float64)
    if signals.ndim != 2 or not len(signals) or signals.shape[1] != network.n_inputs:
        raise ArgumentError(
            f"Expected rows of {network.n_inputs} inputs to calibrate on, found an array of shape {signals.shape}",
            "quantisation",
            "Give the inputs of the training part, one row an example",
        )
    scale, zero = _scale_and_zero(signals.min(), signals.max())
    first_scale, first_zero = scale, zero
    *hidden, last = network.layers
    layers = []
    for layer in hidden:
        sums = signals @ layer.weights.T.astype(np.float64) + (0 if layer.bias is None else layer.bias)
        signals = activated(layer.activation, sums, FLOAT64)
        quantized, scale, zero = _hidden_layer(layer, scale, zero, sums, signals)
        layers.append(quantized)
    layers.append(_last_layer(last, scale, zero))
    one = np.ones(1)
    inputs_scaling = _input_scaling(0 * one, one, first_scale, first_zero, gaps=1)
    p = network.preparation
    readings_scaling = None
    if p is not None and p.inputs == ("raw",):
        gaps = max(p.n_steps - 1, 1) if p.resample else 1
        readings_scaling = _input_scaling(
            np.array(p.offset), np.array(p.scale), first_scale, first_zero, gaps
        )
    return QuantizedNetwork(tuple(layers), inputs_scaling, readings_scaling)


def _scale_and_zero(lowest: float, highest: float) -> tuple[float, int]:
    """Return the scale and zero by which [lowest, highest], and 0, become −128 to 127."""
    lowest, highest = min(float(lowest), 0.0), max(float(highest), 0.0)
    scale = (highest - lowest) / 255 or 1.0
    return scale, int(np.clip(round(LOWEST - lowest / scale), LOWEST, HIGHEST))


def _whole_weights(
    layer: Layer, scale: float, zero: int, by_neuron: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return int8 weights, biases with the zero of the inputs folded in, and the unit of each neuron's sum."""
    weights = layer.weights.astype(np.float64)
    bias = np.zeros(layer.n_outputs) if layer.bias is None else layer.bias.astype(np.float64)
    largest = np.abs(weights).max(axis=1)
    # A bias that is large beside the weights must fit, too.
    largest = np.maximum(largest, 127 * np.abs(bias) / (scale * SUM_LIMIT / 4))
    largest[largest == 0] = 1.0
    if not by_neuron:
        largest[:] = largest.max()
    steps = np.full(layer.n_outputs, 127.0)
    while True:
        unit = largest / steps
        whole = np.round(weights / unit[:, None])
        whole_bias = np.round(bias / (unit * scale)) - zero * whole.sum(axis=1)
        reach = np.abs(whole).sum(axis=1) * 128 + np.abs(whole_bias)
        if (reach < SUM_LIMIT).all():
            return whole.astype(np.int8), whole_bias.astype(np.int32), unit * scale
        # Rows of many large weights get fewer steps, so that no sum can overflow.
        too_far = reach >= SUM_LIMIT
        shrunk = np.floor(steps * SUM_LIMIT / reach * 0.99)
        steps = np.where(too_far, shrunk, steps) if by_neuron else np.full_like(steps, shrunk[too_far].min())
        if steps.min() < 1:
            raise ArgumentError(
                f"A neuron with {layer.n_inputs:,} inputs can sum to more than 2^23",
                "quantisation",
                "Export in float32, or train a smaller network",
            )


def _last_layer(layer: Layer, scale: float, zero: int) -> QuantizedLayer:
    weights, bias, unit = _whole_weights(layer, scale, zero, by_neuron=False)
    return QuantizedLayer(weights, bias, None, None, 0, LOWEST, None, layer.activation, float(unit[0]))


def _hidden_layer(
    layer: Layer, scale: float, zero: int, sums: np.ndarray, outputs: np.ndarray
) -> tuple[QuantizedLayer, float, int]:
    """Return the layer, and the scale and zero of its outputs."""
    weights, bias, unit = _whole_weights(layer, scale, zero, by_neuron=True)
    table = None
    if layer.activation in TABLES:
        reach = float(np.abs(sums).max()) or 1.0
        reach = min(reach, WIDEST_SUM.get(layer.activation, reach))
        step, own_zero = reach / 127, 0
        values = activated(layer.activation, np.arange(LOWEST, HIGHEST + 1) * step, FLOAT64)
        out_scale, out_zero = _scale_and_zero(values.min(), values.max())
        table = np.clip(np.round(values / out_scale) + out_zero, LOWEST, HIGHEST).astype(np.int8)
    else:
        out_scale, out_zero = _scale_and_zero(outputs.min(), outputs.max())
        step, own_zero = out_scale, out_zero
    # A neuron that was silent in every example may have sums of which one unit is more than the whole
    # range that was seen: whatever it says on the board is cut off at the end of that range.
    multiplier, shift = _multiplier_and_shift(np.minimum(unit / step, LARGEST_FACTOR))
    lowest = out_zero if layer.activation == "relu" else LOWEST
    quantized = QuantizedLayer(
        weights, bias, multiplier, shift, own_zero, lowest, table, layer.activation, float("nan")
    )
    return quantized, out_scale, out_zero


def _multiplier_and_shift(factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers with multiplier / 2^shift ≈ factor."""
    shift = 14 - np.floor(np.log2(factor)).astype(np.int64)
    multiplier = np.round(factor * 2.0**shift).astype(np.int64)
    over = multiplier >= 2**15
    multiplier[over] >>= 1
    shift[over] -= 1
    if (shift < SMALLEST_SHIFT).any():
        raise ArgumentError(
            "The readings vary too little beside their distance from 0 for whole numbers of 32 bits",
            "quantisation of the inputs",
            "Export in float32, or subtract what is constant before recording",
        )
    # What is smaller than 2^-16 of a step becomes fewer bits, and then nothing.
    multiplier >>= np.minimum(np.maximum(shift - LARGEST_SHIFT, 0), 20)
    return multiplier.astype(np.int16), np.minimum(shift, LARGEST_SHIFT).astype(np.uint8)


def _input_scaling(offset: np.ndarray, scale: np.ndarray, step: float, zero: int, gaps: int) -> InputScaling:
    """Return how values x of each channel become round((x − offset) / scale / step) + zero in whole numbers.

    `gaps` is by what resampling multiplies.
    """
    limit = 2 ** min(22, 30 - gaps.bit_length())
    span = 255 * np.abs(scale) * step  # of the values that are not cut off
    # An offset far from 0 leaves fewer bits for what varies about it.
    farthest = np.abs(offset) + span
    exponent = np.minimum(
        INPUT_BITS - np.ceil(np.log2(span)), np.log2(limit) - 1 - np.ceil(np.log2(farthest))
    )
    exponent = exponent.astype(np.int64)
    origin = np.round(np.ldexp(offset, exponent)).astype(np.int32)
    multiplier, shift = _multiplier_and_shift(1 / (np.ldexp(np.abs(scale), exponent) * step))
    multiplier = np.where(scale < 0, -multiplier, multiplier).astype(np.int16)
    return InputScaling(exponent, origin, multiplier, shift, zero, limit)


def in_float32(network: Network) -> Network:
    """Return the network with its weights rounded to float32; what is below its smallest normal number becomes 0.

    Dead neurons leave such weights; they change no result, and cost a board without an FPU dearly.

    Examples
    --------
    >>> in_float32(Network((Layer([[0.1]], None, "linear"),))).dtype
    dtype('float32')
    """
    layers = (
        Layer(_float32(layer.weights), None if layer.bias is None else _float32(layer.bias), layer.activation)
        for layer in network.layers
    )
    return replace(network, layers=tuple(layers))


def _float32(weights: np.ndarray) -> np.ndarray:
    rounded = weights.astype(np.float32)
    return np.where(np.abs(rounded) < np.finfo(np.float32).tiny, np.float32(0), rounded)
