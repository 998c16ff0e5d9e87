"""The floating-point numbers of boards, modelled in NumPy to the bit.

A board with a C compiler has float32. CircuitPython keeps an object's kind in two of a float's 32
bits, so its numbers have two bits fewer. MicroPython on a PC has float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

EXP_TERMS = tuple(1 / factorial for factorial in (5040, 720, 120, 24, 6, 2, 1, 1))
"""Of Taylor's series for exp, the highest power first: its rest is below 1e-8 for |x| ≤ ½·ln 2."""
LOG2_E = 1.4426950408889634
LN2_HIGH = 0.693359375  # ln 2 in two parts; n times the high one is exact
LN2_LOW = -2.12194440054690583e-4
SMALLEST_POWER, LARGEST_POWER = -87.0, 88.0
"""exp is 0 below the first and stays at its value above the second: float32 holds no more."""


def exp32(x: np.ndarray) -> np.ndarray:
    """Return e to the power of float32 numbers, step by step as the generated C computes it.

    x = n·ln 2 + r with whole n and |r| ≤ ½·ln 2; then e^x = 2^n · e^r, and e^r is the beginning of its
    series. No step depends on a C library, so every board comes to the same bits.

    Parameters
    ----------
    x : float32 array

    Returns
    -------
    float32 array of the same shape

    Examples
    --------
    >>> exp32(np.float32([0.0, 1.0, -100.0])).tolist()
    [1.0, 2.7182817459106445, 0.0]
    """
    x = np.asarray(x, np.float32)
    held = np.minimum(np.maximum(x, np.float32(SMALLEST_POWER)), np.float32(LARGEST_POWER))
    half = np.where(held < 0, np.float32(-0.5), np.float32(0.5))
    n = (held * np.float32(LOG2_E) + half).astype(np.int32)
    whole = n.astype(np.float32)
    r = held - whole * np.float32(LN2_HIGH) - whole * np.float32(LN2_LOW)
    power = np.full_like(r, EXP_TERMS[0])
    for term in EXP_TERMS[1:]:
        power = power * r + np.float32(term)
    scaled = (power.view(np.int32) + (n << 23)).view(np.float32)
    return np.where(x < np.float32(SMALLEST_POWER), np.float32(0), scaled)


def truncated(x: Any) -> np.ndarray:
    """Return float32 numbers as CircuitPython keeps them: the last two of their 32 bits are cut off.

    Examples
    --------
    >>> float(truncated(np.float32(0.1)))
    0.09999999403953552
    """
    bits = np.asarray(x, np.float32).view(np.uint32)
    return (bits & np.uint32(0xFFFFFFFC)).view(np.float32)


def refilled(x: Any) -> np.ndarray:
    """Return float32 numbers as CircuitPython keeps them since mid-2025: the two bits repeat those above.

    Examples
    --------
    >>> float(refilled(np.float32(0.1)))
    0.10000000149011612
    """
    bits = truncated(x).view(np.uint32)
    return (bits | ((bits >> np.uint32(2)) & np.uint32(3))).view(np.float32)


def _float32(x: Any) -> np.ndarray:
    return np.asarray(x, np.float32)


def _float64(x: Any) -> np.ndarray:
    return np.asarray(x, np.float64)


@dataclass(frozen=True)
class Floats:
    """A kind of floating-point numbers.

    Attributes
    ----------
    name : str
    keep : function from an array to what a board holds of it, applied after every operation
    exp : function from such an array to e to its power
    """

    name: str
    keep: Callable[[Any], np.ndarray]
    exp: Callable[[np.ndarray], np.ndarray]

    def constant(self, values: Any) -> np.ndarray:
        """Return what the board holds of constants, which are sent to it as float32."""
        return self.keep(np.asarray(values, np.float32))


def _library_exp(keep: Callable[[Any], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return exp as a C library gives it: right but for the last bit, and stopped where float32 ends."""

    def exp(x: np.ndarray) -> np.ndarray:
        with np.errstate(under="ignore"):
            return keep(np.exp(np.minimum(np.asarray(x, np.float64), LARGEST_POWER)))

    return exp


FLOAT32 = Floats("float32", _float32, exp32)
FLOAT30 = Floats("30 bits, truncated", truncated, _library_exp(truncated))
FLOAT30_REFILLED = Floats("30 bits, refilled", refilled, _library_exp(refilled))
FLOAT64 = Floats("float64", _float64, _library_exp(_float64))
