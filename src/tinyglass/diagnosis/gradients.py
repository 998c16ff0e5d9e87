"""Vanishing gradients: how much of the error reaches the first layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from ..engine import loss_and_gradient
from .case import Case, text_of
from .diagnosis import Diagnosis, Looked, Place
from .neurons import POOR, STEEPEST, slopes_of

VANISHED = 1e-3  # gradient of the first layer, relative to the last
PROBED = 24  # examples whose own gradients are measured, at
GRADIENT_MOMENTS = 5


def find_vanishing(case: Case) -> Looked:
    """Look at how much of the gradient reaches the first layer."""
    names = case.run.network.layer_names
    if len(names) < 2:
        return Looked("gradients by layer", "a single layer, which the error reaches directly")
    sizes = gradient_sizes(case)
    ratio = float(sizes[0] / sizes[-1]) if sizes[-1] > 0 else 1.0
    measured = ", ".join(f"{name} {text_of(float(size), 3)}" for name, size in zip(names, sizes, strict=True))
    measured = f"length of an example's gradient by layer: {measured}; first over last {text_of(ratio, 3)}"
    if len(names) < 3 or ratio >= VANISHED or sizes[-1] == 0:
        return Looked("gradients by layer", measured)
    poor = not case.losses[-1] <= POOR * case.reference
    hidden = [layer.activation for layer in case.run.network.layers[:-1]]
    squashing = any(a in STEEPEST for a in hidden)
    settings: dict[str, Any] = {"activation": "relu", "start": "he"} if squashing else {"start": "he"}
    slopes = [
        f"{name} {text_of(float(slopes_of(case, number, 0).mean()), 3)}"
        for number, name in enumerate(names[:-1])
        if case.run.network.layers[number].activation in STEEPEST
    ]
    fault = Diagnosis(
        "vanishing_gradients",
        "severe" if poor else "warning",
        f"The gradient vanishes on its way back: the first layer gets {text_of(ratio, 2)} of what the last one gets",
        {
            "layers": names,
            "gradient_lengths": [float(size) for size in sizes],
            "first_over_last": ratio,
            "examples": min(PROBED, case.probed.n_examples),
            "loss_at_end": float(case.losses[-1]),
            "loss_to_beat": float(case.reference) if np.isfinite(case.reference) else None,
        },
        (
            f"Median over {GRADIENT_MOMENTS} moments of the typical l{measured[1:]}.",
            "Every layer multiplies the error by its weights and by the slope of its neurons"
            + (f", on average at the start {', '.join(slopes)}." if slopes else "."),
        ),
        "Use relu, whose slope is 1 where it answers, and starting weights that keep the size: "
        "--activation relu --start he; or fewer hidden layers",
        Place(1, None, None, None, f"{names[0]}[0,0]"),
        settings,
        redraw=True,
    )
    return Looked("gradients by layer", measured, (fault,))


def gradient_sizes(case: Case) -> np.ndarray:
    """Return the typical length of one example's gradient in each layer, the median over moments, (n_layers,).

    Of single examples, because in the mean of all of them errors cancel as they are learnt.
    """
    plain = msgspec.structs.replace(case.settings, l2=0.0)
    places = np.unique(np.linspace(0, len(case.moments) - 1, GRADIENT_MOMENTS).astype(int))
    step = max(1, case.probed.n_examples // PROBED)
    sizes = []
    for place in places:
        network = case.network_at(case.history[place])
        lengths = []
        for example in range(0, case.probed.n_examples, step):
            gradient = loss_and_gradient(network, case.probed.take(np.array([example])), plain)[1]
            lengths.append([float(np.linalg.norm(part)) for part in _by_layer(case, gradient)])
        sizes.append(np.sqrt(np.mean(np.square(lengths), axis=0)))
    return np.asarray(np.median(sizes, axis=0))


def _by_layer(case: Case, parameters: np.ndarray) -> Iterator[np.ndarray]:
    begin = 0
    for layer in case.run.network.layers:
        end = begin + layer.weights.size + (0 if layer.bias is None else layer.n_outputs)
        yield parameters[begin:end]
        begin = end
