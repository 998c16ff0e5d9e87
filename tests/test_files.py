"""Examples in files larger than the memory: nothing copies them."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import unmeasured
from tinyglass import ArgumentError, Examples, Settings, engine, train_examples, train_many

PROGRAM = """
import resource, sys
import numpy as np
from tinyglass import Examples, Settings, train_examples

n, n_inputs = 1_000_000, 64  # 256 MB
X = np.memmap(sys.argv[1], np.float32, "w+", shape=(n, n_inputs))
X[:: n // 1000] = 1
X.flush()
X = np.memmap(sys.argv[1], np.float32, "r", shape=(n, n_inputs))
Y = np.eye(2, dtype=np.float32)[X[:, 0].astype(int)]
taken = 1024 * int(open("/proc/self/status").read().split("VmData:")[1].split()[0])
resource.setrlimit(resource.RLIMIT_DATA, (taken + 120 * 2**20,) * 2)
weights = {"weights": np.where(X[:, 0] > 0, 10.0, 1.0).astype(np.float32)}.get(sys.argv[2])
settings = Settings(
    hidden=(4,), epochs=1, batch=int(sys.argv[3]), shuffle=sys.argv[4] == "shuffled",
    class_weight="balanced" if sys.argv[2] == "class weights" else "none",
)
run = train_examples(Examples(X, Y, ("a", "b"), weight=weights), settings)
print(run.settings.core.split("-")[1], run.losses[0] < 1)
try:
    np.ones(X.shape, np.float32)
except MemoryError:
    print("a copy would not fit")
"""


@pytest.mark.parametrize("weights", ["none", "weights", "class weights"])
@pytest.mark.parametrize(("batch", "kernel"), [(1, "online"), (256, "tiles")])
@pytest.mark.parametrize("order", ["as they come", "shuffled"])
def test_what_lies_in_a_file_is_trained_on_there(python, tmp_path, weights, batch, kernel, order):
    done = python(PROGRAM, tmp_path / "readings.f4", weights, batch, order, env=unmeasured())
    assert done.stdout.splitlines() == [f"{kernel} True", "a copy would not fit"], done.stderr


@pytest.fixture
def filed(tmp_path):
    """Yield examples of 100 rows in a file."""
    X = np.memmap(tmp_path / "readings.f4", np.float32, "w+", shape=(100, 50))
    X[:] = np.random.default_rng(0).normal(size=X.shape)
    X.flush()
    X = np.memmap(tmp_path / "readings.f4", np.float32, "r", shape=(100, 50))
    return Examples(X, np.eye(2)[(X[:, 0] > 0).astype(int)], ("a", "b"))


def test_a_file_trains_to_the_same_bits_as_an_array(filed):
    settings = Settings(hidden=(4,), epochs=3, validation=0.2)
    held = Examples(np.array(filed.X), filed.Y, filed.classes)
    found, expected = (train_examples(examples, settings) for examples in (filed, held))
    assert found.losses.tobytes() == expected.losses.tobytes()
    assert found.fingerprint == expected.fingerprint


def test_a_file_of_which_too_much_would_be_copied_is_refused(filed, monkeypatch):
    monkeypatch.setattr("tinyglass.fitting.LARGEST_TRAINING", 10_000)
    with pytest.raises(
        ArgumentError, match=r"copied from the file.* Give those to be kept aside as `validation`"
    ):
        train_examples(filed, Settings(hidden=(4,), validation=0.2))
    weighted = Examples(filed.X, filed.Y, filed.classes, weight=np.arange(100.0))
    with pytest.raises(ArgumentError, match="without examples of weight 0"):
        train_examples(weighted, Settings(hidden=(4,)))
    monkeypatch.setattr("tinyglass.many.LARGEST_TRAINING", 10_000)
    monkeypatch.setattr(engine, "LARGEST_TRAINING", 10_000)
    with pytest.raises(ArgumentError, match="GiB"):
        train_many(filed, Settings(hidden=(4,)), seeds=range(2))
