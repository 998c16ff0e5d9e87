"""Networks, preparations and readings of every kind, for the tests of what leaves for boards."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from tinyglass import Layer, Network, Preparation
from tinyglass.export.board_model import BoardModel, make_board_model
from tinyglass.inputs import count_features

HIDDEN = ("linear", "relu", "leaky_relu", "sigmoid", "tanh", "step")
LAST = ("linear", "relu", "sigmoid", "tanh", "softmax")
KINDS = (
    ("raw",),
    ("raw",),
    ("summary",),
    ("spectrum",),
    ("raw", "summary"),
    ("summary", "spectrum"),
    ("raw", "summary", "spectrum"),
)


def random_network(
    random: np.random.Generator,
    sizes: tuple[int, ...],
    hidden: str = "relu",
    last: str = "softmax",
    bias: bool = True,
    **meaning: object,
) -> Network:
    """Return a network with random weights."""
    layers = []
    for number, (n_in, n_out) in enumerate(pairwise(sizes)):
        weights = (random.normal(size=(n_out, n_in)) * np.sqrt(2 / n_in)).astype(np.float32)
        biases = (random.normal(size=n_out) * 0.3).astype(np.float32) if bias else None
        layers.append(Layer(weights, biases, last if number == len(sizes) - 2 else hidden))
    return Network(tuple(layers), **meaning)


def random_preparation(
    random: np.random.Generator,
    kinds: tuple[str, ...],
    n_channels: int,
    n_readings: int,
    n_steps: int,
    window: bool,
) -> Preparation:
    """Return a preparation with random offsets and scales, or none."""
    n_features = count_features(kinds, n_channels)

    def numbers(n: int, low: float, high: float) -> tuple[float, ...]:
        return tuple(random.uniform(low, high, n).tolist())

    return Preparation(
        tuple(f"channel {i}" for i in range(n_channels)),
        ("m/s²",) * n_channels,
        n_steps,
        n_steps != n_readings,
        numbers(n_channels, -20, 20) if random.random() < 0.75 else (0.0,) * n_channels,
        numbers(n_channels, 0.1, 9) if random.random() < 0.75 else (1.0,) * n_channels,
        rate_hz=50.0,
        inputs=kinds,
        feature_offset=numbers(n_features, -2, 2),
        feature_scale=numbers(n_features, 0.2, 5),
        window=n_readings if window else 0,
        hop=max(1, n_readings // 2) if window else 0,
    )


@st.composite
def board_models(draw: st.DrawFn, precision: str = "float32") -> tuple[BoardModel, list[np.ndarray]]:
    """Draw a network as a board computes it, and raw readings for it."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.sampled_from(KINDS))
    n_channels, n_readings = draw(st.integers(1, 4)), draw(st.integers(1, 90))
    n_steps = draw(st.sampled_from((n_readings, 1, 2, 8, 17)))
    window = draw(st.booleans())
    p = random_preparation(random, kinds, n_channels, n_readings, n_steps, window)
    layers = draw(st.lists(st.integers(1, 24), max_size=3))
    regression = draw(st.booleans()) and draw(st.booleans())
    n_outputs = 1 if regression else draw(st.integers(2, 5))
    last = "linear" if regression else draw(st.sampled_from(LAST))
    network = random_network(
        random,
        (p.n_inputs, *layers, n_outputs),
        draw(st.sampled_from(HIDDEN)),
        last,
        draw(st.booleans()),
        classes=None if regression else tuple(f"class {i}" for i in range(n_outputs)),
        preparation=p,
        threshold=draw(st.sampled_from((0.0, 0.4))),
        temperature=draw(st.sampled_from((1.0, 2.5))),
    )
    centre, spread = np.array(p.offset), np.array(p.scale)
    lengths = [n_readings] * 6
    if not window and p.any_length:
        lengths += [1, 2, n_readings + 3, 70]
    readings = [centre + spread * random.normal(size=(n, n_channels)) for n in lengths]
    calibration = None
    if precision == "int8":
        from tinyglass.export.computing import prepared

        stack = centre + spread * random.normal(size=(60, n_readings, n_channels))
        calibration = prepared(p, stack)
    model = make_board_model(network, precision, inputs=calibration, n_readings=n_readings)
    return model, readings
