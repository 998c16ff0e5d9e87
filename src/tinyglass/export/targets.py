"""What a network can be exported for, in words that the command line knows before anything heavy is imported."""

from __future__ import annotations

from typing import Literal

Form = Literal["python", "c", "onnx"]

FORMS: dict[str, Form] = {
    "circuitpython": "python",
    "micropython": "python",
    "c": "c",
    "arduino": "c",
    "platformio": "c",
    "esp-idf": "c",
    "onnx": "onnx",
}
"""Of each target, what of its files is run to verify it."""
TARGETS = tuple(FORMS)
PRECISIONS = ("float32", "int8")
