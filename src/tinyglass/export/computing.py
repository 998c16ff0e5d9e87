"""What a board computes, in NumPy: preparation and feedforward, one operation after another.

Sums are taken in the order of the PC: the bias first, then input by input. After each operation the
number is kept as the board's kind of floating-point numbers keeps it, so that in float32 the result is,
to the bit, that of the generated C on every board.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..arithmetic import STEP_THRESHOLD
from ..inputs import HOP, N_BANDS, SEGMENT
from ..network import Layer, Network, Preparation
from .floats import FLOAT32, Floats
from .quantized import places_between

# ---------------------------------------------------------------- preparation


def resampled(signals: np.ndarray, n_steps: int, floats: Floats) -> np.ndarray:
    """Return the signals along straight lines between their readings; places are whole numbers and fractions.

    Parameters
    ----------
    signals : array, (n_signals, n_readings, n_channels)
    n_steps : int

    Returns
    -------
    array, (n_signals, n_steps, n_channels)
    """
    n_readings = signals.shape[1]
    if n_readings == n_steps:
        return signals
    before, rest, gaps = places_between(n_readings, n_steps)
    after = np.minimum(before + 1, n_readings - 1)
    k = floats.keep
    share = k(k(rest) / k(gaps))[:, None]
    return k(k(signals[:, before] * k(k(1.0) - share)) + k(signals[:, after] * share))


def summaries(signals: np.ndarray, floats: Floats) -> np.ndarray:
    """Return the eight statistics of `tinyglass.inputs.summarise`, (n_signals, 8, n_channels)."""
    k = floats.keep
    n = signals.shape[1]
    mean = _mean(signals, floats)
    squares = np.zeros_like(mean)
    for t in range(n):
        difference = k(signals[:, t] - mean)
        squares = k(squares + k(difference * difference))
    deviation = k(np.sqrt(k(squares / k(n))))
    ordered = np.sort(signals, axis=1)
    quartiles = []
    for quarter in (1, 2, 3):
        place, rest = divmod(quarter * (n - 1), 4)
        share = k(rest / 4)
        after = ordered[:, min(place + 1, n - 1)]
        quartiles.append(k(k(ordered[:, place] * k(k(1.0) - share)) + k(after * share)))
    change = np.zeros_like(mean)
    for t in range(1, n):
        change = k(change + k(np.abs(k(signals[:, t] - signals[:, t - 1]))))
    if n > 1:
        change = k(change / k(n - 1))
    return np.stack(
        [mean, k(np.sqrt(deviation)), ordered[:, 0], *quartiles, ordered[:, -1], k(np.sqrt(change))], axis=1
    )


def _mean(signals: np.ndarray, floats: Floats) -> np.ndarray:
    k = floats.keep
    total = signals[:, 0]
    for t in range(1, signals.shape[1]):
        total = k(total + signals[:, t])
    return k(total / k(signals.shape[1]))


@cache
def cosines() -> np.ndarray:
    """Return cos(2π·k / 64) for k = 0 to 32: the one table of the Fourier transform and of the fading."""
    table = np.cos(2 * np.pi * np.arange(SEGMENT // 2 + 1) / SEGMENT)
    table[SEGMENT // 4] = 0.0
    return table


def spectra(signals: np.ndarray, floats: Floats) -> np.ndarray:
    """Return the 16 bands of `tinyglass.inputs.spectrum`, (n_signals, 16, n_channels)."""
    k = floats.keep
    n_signals, n, n_channels = signals.shape
    mean = _mean(signals, floats)
    cos = floats.constant(cosines())
    n_pieces = max(0, n - SEGMENT) // HOP + 1
    power = k(np.zeros((SEGMENT // 2, n_signals, n_channels)))
    for piece in range(n_pieces):
        real = k(np.zeros((SEGMENT, n_signals, n_channels)))
        for t in range(min(SEGMENT, n - piece * HOP)):
            fade = k(k(k(1.0) - cos[min(t, SEGMENT - t)]) * k(0.5))
            real[_reversed_bits(t)] = k(k(signals[:, piece * HOP + t] - mean) * fade)
        _transform(real, imaginary := np.zeros_like(real), cos, floats)
        for f in range(SEGMENT // 2):
            power[f] = k(power[f] + k(k(real[f] * real[f]) + k(imaginary[f] * imaginary[f])))
    divisor = k(n_pieces * 24 * 2)
    bands = [k(k(power[2 * b] + power[2 * b + 1]) / divisor) for b in range(N_BANDS)]
    return np.stack([k(np.sqrt(k(np.sqrt(band)))) for band in bands], axis=1)


def _reversed_bits(t: int) -> int:
    return int(f"{t:06b}"[::-1], 2)


def _transform(real: np.ndarray, imaginary: np.ndarray, cos: np.ndarray, floats: Floats) -> None:
    """Take the discrete Fourier transform of 64 numbers in place; they come in the order of reversed bits.

    J. W. Cooley, J. W. Tukey, Mathematics of Computation 19, 1965.
    """
    k = floats.keep
    half = 1
    while half < SEGMENT:
        stride = SEGMENT // 2 // half
        for offset in range(half):
            angle = offset * stride
            c, s = cos[angle], cos[abs(angle - SEGMENT // 4)]
            for a in range(offset, SEGMENT, 2 * half):
                b = a + half
                # (c − i·s) · (real + i·imaginary)
                turned = k(k(c * real[b]) + k(s * imaginary[b]))
                turned_imaginary = k(k(c * imaginary[b]) - k(s * real[b]))
                real[b], imaginary[b] = k(real[a] - turned), k(imaginary[a] - turned_imaginary)
                real[a], imaginary[a] = k(real[a] + turned), k(imaginary[a] + turned_imaginary)
        half *= 2


_FEATURES = {"summary": summaries, "spectrum": spectra}


def prepared(preparation: Preparation, readings: np.ndarray, floats: Floats = FLOAT32) -> np.ndarray:
    """Return the inputs that a board prepares from raw readings.

    Parameters
    ----------
    preparation : Preparation
    readings : array, (n_examples, n_readings, n_channels)
    floats : Floats

    Returns
    -------
    array, (n_examples, n_inputs), of the board's numbers

    Examples
    --------
    >>> p = Preparation(("x",), ("",), 3, True, (1.0,), (2.0,))
    >>> prepared(p, np.array([[[1.0], [5.0]]])).tolist()
    [[0.0, 1.0, 2.0]]
    """
    k = floats.keep
    signals = k(readings)
    columns, done = [], 0
    for kind in preparation.inputs:
        if kind == "raw":
            values = resampled(signals, preparation.n_steps, floats)
            offset, scale = floats.constant(preparation.offset), floats.constant(preparation.scale)
        else:
            values = _FEATURES[kind](signals, floats)
            own = slice(done, done := done + values[0].size)
            offset = floats.constant(preparation.feature_offset[own]).reshape(values[0].shape)
            scale = floats.constant(preparation.feature_scale[own]).reshape(values[0].shape)
        columns.append(k(k(values - offset) / scale).reshape(len(signals), -1))
    return np.concatenate(columns, axis=1)


# ---------------------------------------------------------------- feedforward


def layer_sums(layer: Layer, inputs: np.ndarray, floats: Floats = FLOAT32) -> np.ndarray:
    """Return bias + Σ weight · input for every neuron, in this order, (n_examples, n_outputs)."""
    k = floats.keep
    weights, x = floats.constant(layer.weights), k(inputs)
    bias = np.zeros(layer.n_outputs) if layer.bias is None else layer.bias
    sums = np.repeat(floats.constant(bias)[None], len(x), axis=0)
    for i in range(layer.n_inputs):
        sums = k(sums + k(weights[:, i] * x[:, i : i + 1]))
    return sums


def activated(activation: str, sums: np.ndarray, floats: Floats, temperature: float = 1.0) -> np.ndarray:
    """Return the outputs of a layer from its sums, (n_examples, n_outputs)."""
    k, exp = floats.keep, floats.exp
    one = k(1.0)
    match activation:
        case "linear":
            return sums
        case "step":
            return k(np.where(sums >= k(float(STEP_THRESHOLD)), 1.0, 0.0))
        case "relu":
            return k(np.where(sums > 0, sums, 0.0))
        case "leaky_relu":
            return k(np.where(sums > 0, sums, k(sums / k(100.0))))
        case "sigmoid":
            return k(one / k(one + exp(k(-sums))))
        case "tanh":
            # 1 − 2 / (e^2x + 1); beyond ±9 it is ±1 in float32 anyway, and nothing overflows
            held = np.clip(sums, k(-9.0), k(9.0))
            return k(one - k(k(2.0) / k(exp(k(held + held)) + one)))
        case "softmax":
            shifted = k(sums - sums.max(axis=1, keepdims=True))
            if temperature != 1:
                shifted = k(shifted / floats.constant(temperature))
            powers = exp(shifted)
            whole = powers[:, 0]
            for j in range(1, powers.shape[1]):
                whole = k(whole + powers[:, j])
            return k(powers / whole[:, None])
    raise AssertionError(activation)


def last_sums(network: Network, inputs: np.ndarray, floats: Floats = FLOAT32) -> np.ndarray:
    """Return the sums of the last layer, (n_examples, n_outputs), of the board's numbers."""
    signals = inputs
    for layer in network.layers[:-1]:
        signals = activated(layer.activation, layer_sums(layer, signals, floats), floats)
    return layer_sums(network.layers[-1], signals, floats)


def outputs_of(network: Network, sums: np.ndarray, floats: Floats = FLOAT32) -> np.ndarray:
    """Return what a board answers for the last layer's sums: calibrated outputs, or the quantity."""
    k = floats.keep
    outputs = activated(network.layers[-1].activation, k(sums), floats, network.temperature)
    p = network.preparation
    if network.classes is None and p is not None and (p.answer_scale, p.answer_offset) != (1.0, 0.0):
        return k(k(outputs * floats.constant(p.answer_scale)) + floats.constant(p.answer_offset))
    return outputs
