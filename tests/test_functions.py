"""The core's own exponential, logarithm, sigmoid and hyperbolic tangent, for each instruction set that runs here.

Errors are counted in units in the last place of the right result, which numbers of twice the
precision (for float64: `numpy.longdouble`) give.
"""

import subprocess

import numpy as np
import pytest

from building import build
from tinyglass import core

ISAS = [*core.available(), *({"neon"} - {*core.available()})]  # NEON in an emulator elsewhere
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
RIGHT = {
    "exponential": np.exp,
    "logarithm": np.log,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
}
# core/functions.hpp promises 2 of the exponential. The others follow from it: near −0.5 a bit of tanh
# is a quarter of what 1 − 2 / (1 + e^2x) rounds, and sigmoid doubles what an exponential next to a
# power of two may lack.
MOST_UNITS = {"exponential": 2, "logarithm": 3, "sigmoid": 5, "tanh": 5}


def around(value, dtype, steps=50):
    """Return the number next to a value, and its neighbours on both sides."""
    kind = {np.float32: np.int32, np.float64: np.int64}[dtype]
    (middle,) = np.array([value], dtype).view(kind)
    return (middle + np.arange(-steps, steps + 1, dtype=kind)).view(dtype)


def range_of(dtype):
    """Return between what the exponential is a normal number."""
    return np.log(np.finfo(dtype).tiny), np.log(np.finfo(dtype).max)


def numbers(dtype):
    """Return numbers all over the range of the exponential, of all magnitudes, and close to its ends and ½ ln 2."""
    rng = np.random.default_rng(0)
    least, most = range_of(dtype)
    small = 10.0 ** rng.uniform(-30, 2.8, 50_000)
    halves = (np.arange(-50, 50) + 0.5) * np.log(2)
    edges = [around(value, dtype) for value in (least, most, -most, 0.45, 0.55, -0.45, -0.55, 1, *halves)]
    spread = [rng.uniform(least, most, 150_000), rng.uniform(-2, 2, 50_000), small, -small]
    return np.concatenate(
        [*(part.astype(dtype) for part in spread), *edges, np.zeros(1, dtype), -np.zeros(1, dtype)]
    )


def units(found, right):
    """Return how far results are from the right ones, in units in the last place."""
    dtype = found.dtype.type
    spacing = np.spacing(np.abs(right).astype(dtype)).astype(right.dtype)
    return np.abs(found.astype(right.dtype) - right) / spacing


@pytest.fixture(scope="module", params=ISAS)
def apply(request, tmp_path_factory):
    """The core's functions, compiled for an instruction set: apply(name, numbers, width of vectors)."""
    program = build("functions", request.param, tmp_path_factory.mktemp("functions"))

    def apply(name, x, width="widest"):
        words = [*program, name, str(x.dtype), width]
        done = subprocess.run(words, input=x.tobytes(), capture_output=True, check=True)
        return np.frombuffer(done.stdout, x.dtype)

    return apply


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    if np.finfo(WIDER[request.param]).nmant < np.finfo(request.param).nmant + 10:
        pytest.skip("this machine has no numbers of higher precision to compare with")
    return request.param


@pytest.mark.parametrize("width", ["narrowest", "widest"])
def test_the_exponential_is_wrong_by_two_units_at_most(apply, dtype, width):
    x, info = numbers(dtype), np.finfo(dtype)
    found = apply("exponential", x, width)
    with np.errstate(over="ignore", under="ignore"):
        right = np.exp(x.astype(WIDER[dtype]))
    normal = (right >= info.tiny) & (right <= info.max)
    assert normal.sum() > 200_000
    assert (~normal).sum() > 100
    assert units(found[normal], right[normal]).max() <= MOST_UNITS["exponential"]
    assert np.array_equal(found[~normal], np.where(right[~normal] > 1, np.inf, 0))


@pytest.mark.parametrize("width", ["narrowest", "widest"])
def test_the_exponential_of_what_is_no_ordinary_number(apply, dtype, width):
    info = np.finfo(dtype)
    x = np.array([np.inf, info.max, -np.inf, -info.max, np.nan, 0, -0.0, info.smallest_subnormal], dtype)
    assert repr(apply("exponential", x, width).tolist()) == "[inf, inf, 0.0, 0.0, nan, 1.0, 1.0, 1.0]"


def test_the_logarithm_of_normal_numbers(apply, dtype):
    info, rng = np.finfo(dtype), np.random.default_rng(1)
    magnitudes = np.exp(rng.uniform(*range_of(dtype), 100_000)).astype(dtype)
    near_1 = (1 + rng.uniform(-0.3, 0.5, 100_000) * 10 ** rng.uniform(-7, 0, 100_000)).astype(dtype)
    ends = [around(value, dtype) for value in (1, 2, 0.5, np.sqrt(2), np.sqrt(0.5), 2.0**-126)]
    x = np.concatenate([magnitudes, near_1, *ends, np.array([info.tiny, info.max], dtype)])
    x = x[(x >= info.tiny) & (x <= info.max)]
    right = np.log(x.astype(WIDER[dtype]))
    assert units(apply("logarithm", x), right).max() <= MOST_UNITS["logarithm"]


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_sigmoid_and_tanh(apply, dtype, name):
    x = numbers(dtype)
    found = apply(name, x)
    with np.errstate(over="ignore", under="ignore"):
        right = RIGHT[name](x.astype(WIDER[dtype]))
    # Where e^-x overflows, sigmoid is 0 instead of a number that is no longer normal, or next to that.
    flat = (name == "sigmoid") & (-x > range_of(dtype)[1] - 1e-3)
    assert (found[flat] < 2 * np.finfo(dtype).tiny).all()
    normal = ~flat & (np.abs(right) >= np.finfo(dtype).tiny)
    assert units(found[normal], right[normal]).max() <= MOST_UNITS[name]
    assert np.abs(found).max() <= 1
    ends = apply(name, np.array([np.inf, -np.inf, np.nan, 0], dtype))
    assert repr(ends.tolist()) == {"sigmoid": "[1.0, 0.0, nan, 0.5]", "tanh": "[1.0, -1.0, nan, 0.0]"}[name]


def test_what_is_held_to_be_right_is(dtype):
    # The higher precision is the C library's; some of it is checked digit by digit.
    mpmath = pytest.importorskip("mpmath")
    wide, rng = WIDER[dtype], np.random.default_rng(2)
    with mpmath.workdps(40):
        for x in rng.uniform(-80, 80, 200).astype(dtype):
            for name, exact in (
                ("exponential", mpmath.exp),
                ("tanh", mpmath.tanh),
                ("logarithm", mpmath.log),
            ):
                of = abs(x) if name == "logarithm" else x
                right = RIGHT[name](wide(of))
                error = abs(
                    mpmath.mpf(np.format_float_scientific(right, unique=False, precision=30))
                    / exact(mpmath.mpf(float(of)))
                    - 1
                )
                assert error < 0.01 * np.finfo(dtype).eps
