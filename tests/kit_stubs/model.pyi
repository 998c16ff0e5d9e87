"""What an exported model.py offers."""

from collections.abc import Sequence

MODEL: str
PRECISION: str
CHANNELS: tuple[str, ...]
UNITS: tuple[str, ...]
CLASSES: tuple[str, ...] | None
READINGS: int
PERIOD_MS: float | None
HOP: int
THRESHOLD: float

def prepare(readings: Sequence[Sequence[float]]) -> list[float]: ...
def predict(inputs: Sequence[float]) -> Sequence[float]: ...
def answer(outputs: Sequence[float]) -> tuple[str | float, float | None]: ...
def predict_raw(readings: Sequence[Sequence[float]]) -> tuple[str | float, float | None]: ...
def selftest() -> str: ...
