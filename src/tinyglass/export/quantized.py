"""A network in whole numbers, and what every board computes with them, to the bit.

A number is ``(q − zero) · scale`` with an int8 q. Weights are symmetric (zero 0) with one scale a
neuron, in the last layer one for all, so that its sums compare directly. The zero of a layer's
inputs is folded into its biases. A sum becomes the next layer's input by an int16 multiplier and a
shift::

    q = zero + floor((sum · multiplier + 2^(shift − 1)) / 2^shift)

B. Jacob et al., IEEE Conference on Computer Vision and Pattern Recognition, 2018, has the idea; here the
multiplier has 15 bits instead of 31, and every |sum| is proved to be below 2^23, so that 32 bits suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LOWEST, HIGHEST = -128, 127
SUM_LIMIT = 2**23  # every |sum| is below it
SMALLEST_SHIFT, LARGEST_SHIFT = 9, 30


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """One layer in whole numbers.

    Attributes
    ----------
    weights : int8 array, (n_outputs, n_inputs), from −127 to 127
    bias : int32 array, (n_outputs,), in units of the sum; the zero of the inputs is folded in
    multiplier : int16 array, (n_outputs,), from 2^14 to 2^15 − 1; None in the last layer
    shift : uint8 array, (n_outputs,), from 9 to 30; None in the last layer
    zero : int, added after the shift
    lowest : int, what the output is at least: the zero after ReLU, −128 otherwise
    table : int8 array, (256,), or None
        The activation of every value from −128 to 127, for those that are not linear or ReLU.
    activation : str
    unit : float, of the sum in the last layer: sum · unit is the weighted sum
    """

    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray | None
    shift: np.ndarray | None
    zero: int
    lowest: int
    table: np.ndarray | None
    activation: str
    unit: float


@dataclass(frozen=True, eq=False)
class InputScaling:
    """What makes int8 inputs of numbers with a point, the same on every board.

    ``V = trunc(x · 2^exponent)`` is exact in every kind of floating-point number (x times a power of two),
    and all else is whole: ``q = zero + floor(((V − origin) · multiplier + 2^(shift − 1)) / 2^shift)``.

    Attributes
    ----------
    exponent, origin, multiplier, shift : int arrays, (n_channels,) or (1,)
    zero : int
    limit : int
        V is cut off at ±(limit − 1), far beyond what 8 bits tell apart; resampling multiplies it by fewer
        than 2^30 / limit.
    """

    exponent: np.ndarray
    origin: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    zero: int
    limit: int


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network in whole numbers.

    Attributes
    ----------
    layers : tuple of QuantizedLayer
    inputs : InputScaling, of one channel, for prepared inputs
    readings : InputScaling, of the recording's channels, for raw readings; None where the inputs
        are more than readings (a summary, a spectrum)
    """

    layers: tuple[QuantizedLayer, ...]
    inputs: InputScaling
    readings: InputScaling | None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then the neurons of each layer."""
        return (self.layers[0].weights.shape[1], *(layer.weights.shape[0] for layer in self.layers))


def rescaled(sums: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return floor((sum · multiplier + 2^(shift − 1)) / 2^shift), which boards compute in 32 bits.

    Examples
    --------
    >>> rescaled(np.array([-3, 100]), np.array(2**14), np.array(15)).tolist()
    [-1, 50]
    """
    shift = np.asarray(shift, np.int64)
    return (np.asarray(sums, np.int64) * multiplier + (np.int64(1) << (shift - 1))) >> shift


def quantize_inputs(scaling: InputScaling, values: np.ndarray) -> np.ndarray:
    """Return the int8 inputs for prepared inputs, exactly as a board computes them.

    Parameters
    ----------
    scaling : InputScaling
    values : float array, (n_examples, n_inputs), of any kind of floating-point numbers

    Returns
    -------
    int64 array of the same shape, from −128 to 127
    """
    return _scaled(scaling, _whole(scaling, values))


def quantize_readings(scaling: InputScaling, readings: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the int8 inputs for raw readings, resampled in whole numbers, exactly as a board computes them.

    Parameters
    ----------
    scaling : InputScaling, of the channels
    readings : float array, (n_examples, n_readings, n_channels)
    n_steps : int

    Returns
    -------
    int64 array, (n_examples, n_steps · n_channels)
    """
    whole = _whole(scaling, readings)
    n_readings = whole.shape[1]
    if n_readings != n_steps:
        before, rest, gaps = places_between(n_readings, n_steps)
        after = np.minimum(before + 1, n_readings - 1)
        rest = rest[:, None]
        whole = (whole[:, before] * (gaps - rest) + whole[:, after] * rest) // gaps
    return _scaled(scaling, whole).reshape(len(whole), -1)


def _whole(scaling: InputScaling, values: np.ndarray) -> np.ndarray:
    x = np.ldexp(np.asarray(values, np.float64), scaling.exponent)
    return np.trunc(np.clip(x, 1 - scaling.limit, scaling.limit - 1)).astype(np.int64)


def _scaled(scaling: InputScaling, whole: np.ndarray) -> np.ndarray:
    steps = rescaled(whole - scaling.origin, scaling.multiplier, scaling.shift)
    return np.clip(scaling.zero + steps, LOWEST, HIGHEST)


def places_between(n_readings: int, n_steps: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the reading before each step, and how many of how many parts of the gap lie between.

    Examples
    --------
    >>> before, rest, gaps = places_between(4, 3)
    >>> before.tolist(), rest.tolist(), gaps
    ([0, 1, 3], [0, 1, 0], 2)
    """
    gaps = max(n_steps - 1, 1)
    scaled = np.arange(n_steps) * (n_readings - 1)
    return scaled // gaps, scaled % gaps, gaps


def quantized_sums(network: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    """Return the sums of the last layer for int8 inputs, exactly as a board computes them.

    Parameters
    ----------
    network : QuantizedNetwork
    inputs : int array, (n_examples, n_inputs), from −128 to 127

    Returns
    -------
    int64 array, (n_examples, n_outputs); times the last layer's unit they are its weighted sums
    """
    q = np.asarray(inputs, np.int64)
    for layer in network.layers:
        sums = q @ layer.weights.astype(np.int64).T + layer.bias
        if layer.multiplier is None or layer.shift is None:
            return sums
        q = np.clip(layer.zero + rescaled(sums, layer.multiplier, layer.shift), layer.lowest, HIGHEST)
        if layer.table is not None:
            q = layer.table[q + 128].astype(np.int64)
    raise AssertionError("the last layer has no multiplier")
