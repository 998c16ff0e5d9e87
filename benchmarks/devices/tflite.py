"""The same networks in TFLite Micro: its interpreter for PCs, with the weights that our int8 has.

Its library for microcontrollers is built with Bazel from sources that no package carries. So what the
interpreter tells is measured, and what the library once took is quoted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyglass.export.executors.answers import Cost
from tinyglass.export.quantized import (
    HIGHEST,
    LOWEST,
    QuantizedNetwork,
    quantize_inputs,
    quantized_sums,
)

from .networks import Subject

ARENA = 200_000  # bytes to choose from, of which it says how many it took
ALLOCATED = re.compile(r"Arena allocation total (\d+) bytes")

QUOTED = {
    "3-2-2": Cost(20_296, 1_816, 340, 1_445, "instructions"),
    "39-20-10-4": Cost(22_480, 2_312, 340, 14_563, "instructions"),
    "120-50-15-2": Cost(29_176, 2_816, 340, 75_956, "instructions"),
}
"""Of int8 on the Cortex-M4F at -Os, counted once with the compiled library; the same shapes, other weights."""


class TFLite(NamedTuple):
    """What the interpreter told.

    Attributes
    ----------
    model : int, bytes of the model
    arena : int, bytes of RAM that it took, with the pointers of a PC
    places : int array, (n_examples,), of the largest output
    """

    model: int
    arena: int
    places: np.ndarray


def run_tflite(subject: Subject, inputs: np.ndarray) -> TFLite:
    """Return what TFLite Micro's interpreter makes of prepared inputs, in a process of its own.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    quantized = subject.board_model("int8").quantized
    assert quantized is not None
    whole = quantize_inputs(quantized.inputs, subject.trained_on)
    sums = quantized_sums(quantized, whole) * quantized.layers[-1].unit
    content = tflite_model(quantized, float(sums.min()), float(sums.max()))
    given = quantize_inputs(quantized.inputs, inputs).astype(np.int8)
    with tempfile.TemporaryDirectory() as name:
        Path(name, "model.tflite").write_bytes(content)
        np.save(Path(name, "inputs.npy"), given)
        # The allocations are told by C++ on standard error.
        command = [sys.executable, "-c", _INTERPRET, str(ARENA)]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=True)
    told = ALLOCATED.search(done.stderr)
    if told is None:
        raise ValueError(f"The interpreter does not tell its arena: {done.stderr[-300:]!r}")
    return TFLite(len(content), int(told[1]), np.array(json.loads(done.stdout)))


_INTERPRET = """
import json, sys
import numpy as np
from tflite_micro import runtime

interpreter = runtime.Interpreter.from_file("model.tflite", arena_size=int(sys.argv[1]))
places = []
for row in np.load("inputs.npy"):
    interpreter.set_input(row[None], 0)
    interpreter.invoke()
    places.append(int(interpreter.get_output(0).argmax()))
print(json.dumps(places))
interpreter.print_allocations()
"""


# ---------------------------------------------------------------- the model


def tflite_model(network: QuantizedNetwork, lowest: float, highest: float) -> bytes:
    """Return a network of linear and ReLU layers, and perhaps softmax at its end, as a .tflite file.

    Parameters
    ----------
    network : QuantizedNetwork
    lowest, highest : float
        The range of its last weighted sums, which TFLite rounds to 8 bits, too.

    Raises
    ------
    ImportError
        If ``tflite_micro``, which has the format's schema, is not installed.
    """
    file = _File()
    scale = 1 / float(_factor(network.inputs.multiplier, network.inputs.shift, network.inputs.exponent)[0])
    zero = network.inputs.zero
    signal = file.tensor("inputs", "INT8", (1, network.sizes[0]), scale, zero)
    for number, layer in enumerate(network.layers):
        if layer.multiplier is None or layer.shift is None:
            out_scale = (max(highest, 0.0) - min(lowest, 0.0)) / (HIGHEST - LOWEST)
            out_zero = round(LOWEST - min(lowest, 0.0) / out_scale)
            weight_scale = np.array([layer.unit / scale])
        else:  # between two layers any scale will do: what counts is by how much it differs from the sums'
            out_scale, out_zero = 1.0, layer.zero
            weight_scale = _factor(layer.multiplier, layer.shift) / scale
        # TFLite keeps the zero of the inputs out of the bias.
        bias = layer.bias + zero * layer.weights.astype(np.int64).sum(axis=1)
        weights = file.tensor(
            f"weights {number}", "INT8", layer.weights.shape, weight_scale, 0, layer.weights
        )
        biases = file.tensor(
            f"bias {number}", "INT32", bias.shape, weight_scale * scale, 0, bias.astype("<i4")
        )
        sums = file.tensor(f"outputs {number}", "INT8", (1, len(bias)), out_scale, out_zero)
        activation = "RELU" if layer.activation == "relu" else "NONE"
        file.fully_connected(signal, weights, biases, sums, activation)
        signal, scale, zero = sums, out_scale, out_zero
    if network.layers[-1].activation == "softmax":
        outputs = file.tensor("outputs", "INT8", (1, network.sizes[-1]), 1 / 256, LOWEST)
        file.softmax(signal, outputs)
        signal = outputs
    return file.content(signal)


def _factor(multiplier: np.ndarray, shift: np.ndarray, exponent: np.ndarray | int = 0) -> np.ndarray:
    """Return by what a whole number is multiplied."""
    return np.ldexp(multiplier.astype(np.float64), exponent - shift.astype(np.int64))


class _File:
    """A .tflite file that is being written: tensors, and operators from one to the next."""

    def __init__(self) -> None:
        from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

        self._schema = schema
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.buffers = [schema.BufferT()]  # the first is for tensors without content
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]

    def tensor(
        self,
        name: str,
        kind: str,
        shape: tuple[int, ...],
        scale: np.ndarray | float,
        zero: int,
        content: np.ndarray | None = None,
    ) -> int:
        """Add a tensor and return its number."""
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = getattr(self._schema.TensorType, kind)
        tensor.quantization = self._schema.QuantizationParametersT()
        tensor.quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
        tensor.quantization.zeroPoint = np.full(len(tensor.quantization.scale), zero, np.int64)
        tensor.buffer = 0
        if content is not None:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(content.tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def fully_connected(self, signal: int, weights: int, bias: int, outputs: int, activation: str) -> None:
        options = self._schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = getattr(self._schema.ActivationFunctionType, activation)
        self._operator(
            "FULLY_CONNECTED", [signal, weights, bias], outputs, "FullyConnectedOptions", options, 4
        )

    def softmax(self, sums: int, outputs: int) -> None:
        options = self._schema.SoftmaxOptionsT()
        options.beta = 1.0
        self._operator("SOFTMAX", [sums], outputs, "SoftmaxOptions", options, 2)

    def _operator(
        self, name: str, inputs: list[int], outputs: int, kind: str, options: Any, version: int
    ) -> None:
        """Add an operator; `version` is the first of it that takes int8."""
        code = getattr(self._schema.BuiltinOperator, name)
        codes = [known.builtinCode for known in self._model.operatorCodes]
        if code not in codes:
            known = self._schema.OperatorCodeT()
            known.builtinCode = known.deprecatedBuiltinCode = code
            known.version = version
            self._model.operatorCodes.append(known)
            codes.append(code)
        operator = self._schema.OperatorT()
        operator.opcodeIndex = codes.index(code)
        operator.inputs, operator.outputs = inputs, [outputs]
        operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        self._graph.operators.append(operator)

    def content(self, outputs: int) -> bytes:
        """Return the file, whose network ends with a tensor."""
        import flatbuffers

        self._graph.inputs, self._graph.outputs = [0], [outputs]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
