"""onnxruntime as an executor: the network with its preparation as ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..board_model import BoardModel
from .answers import Executed


def run_in_onnxruntime(model: BoardModel, examples: Sequence[np.ndarray]) -> Executed:
    """Return what onnxruntime answers to raw readings.

    Parameters
    ----------
    model : BoardModel
    examples : arrays, (n_readings, n_channels), in the units of the recordings
    """
    import onnxruntime

    from ..onnx import to_onnx

    outputs = np.empty((len(examples), model.network.n_outputs))
    for length in sorted({len(example) for example in examples}):
        places = [place for place, example in enumerate(examples) if len(example) == length]
        bare = model.network.preparation is None
        content = to_onnx(model.network, n_readings=None if bare else length)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        taken = session.get_inputs()[0]
        stack = np.stack([examples[place] for place in places])
        stack = stack[:, 0].astype(np.float32) if bare else stack.astype(np.float64)
        outputs[places] = session.run(None, {taken.name: stack})[0]
    return Executed(None, outputs, places_of(model, outputs))


def places_of(model: BoardModel, outputs: np.ndarray) -> np.ndarray:
    """Return the class's place for outputs: −1 for *unknown*; all 0 in regression."""
    if model.network.classes is None:
        return np.zeros(len(outputs), int)
    largest = outputs.max(axis=1, keepdims=True)
    unsure = ((outputs == largest).sum(axis=1) > 1) | (largest[:, 0] < model.network.threshold)
    return np.where(unsure, -1, outputs.argmax(axis=1))
