"""Speed of the core, beside a vectorised NumPy trainer, interleaved in one process.

Prints nanoseconds per example (the smallest of several slices) and the ratio. Run by `make bench`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tinyglass import Examples, Settings, train_examples

CASES = [  # layers, batch, examples
    ((3, 2, 2), 1, 10),
    ((3, 8, 2), 8, 256),
    ((39, 20, 10, 4), 32, 1024),
    ((784, 128, 10), 32, 1024),
]
ROUNDS = 5


def numpy_trainer(X: np.ndarray, Y: np.ndarray, sizes: tuple[int, ...], batch: int) -> Callable[[int], None]:
    """Sigmoid hidden layers, softmax and cross-entropy, SGD: what one would write by hand."""
    random = np.random.default_rng(0)
    weights = [random.uniform(-0.1, 0.1, shape).astype(np.float32) for shape in pairwise(sizes)]
    biases = [np.zeros(n, np.float32) for n in sizes[1:]]

    def train(epochs: int) -> None:
        for _ in range(epochs):
            for first in range(0, len(X), batch):
                outputs, y = [X[first : first + batch]], Y[first : first + batch]
                for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
                    s = outputs[-1] @ w + b
                    if layer < len(weights) - 1:
                        outputs.append(1 / (1 + np.exp(-s)))
                    else:
                        e = np.exp(s - s.max(axis=1, keepdims=True))
                        outputs.append(e / e.sum(axis=1, keepdims=True))
                delta = (outputs[-1] - y) / len(y)
                for layer in reversed(range(len(weights))):
                    x = outputs[layer]
                    before = (delta @ weights[layer].T) * x * (1 - x) if layer else delta
                    weights[layer] -= np.float32(0.01) * (x.T @ delta)
                    biases[layer] -= np.float32(0.01) * delta.sum(axis=0)
                    delta = before

    return train


def core_trainer(X: np.ndarray, Y: np.ndarray, sizes: tuple[int, ...], batch: int) -> Callable[[int], float]:
    examples = Examples(X, Y, tuple(map(str, range(sizes[-1]))))

    def train(epochs: int) -> float:
        settings = Settings(
            hidden=sizes[1:-1],
            activation="sigmoid",
            optimizer="sgd",
            batch=batch,
            epochs=epochs,
            shuffle=False,
        )
        return train_examples(examples, settings).seconds

    return train


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, float32, one thread"
    )
    print(f"{'network':<16}{'batch':>6}{'core ns':>12}{'NumPy ns':>12}{'ratio':>8}")
    for sizes, batch, n in CASES:
        random = np.random.default_rng(1)
        X = random.normal(size=(n, sizes[0])).astype(np.float32)
        Y = np.eye(sizes[-1], dtype=np.float32)[random.integers(0, sizes[-1], n)]
        core, by_hand = core_trainer(X, Y, sizes, batch), numpy_trainer(X, Y, sizes, batch)
        epochs = max(2, int(0.2 / (core(2) / 2 + 1e-7)))
        numpy_epochs = max(1, epochs // 50)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(core(epochs) / epochs / n)
            began = time.perf_counter()
            by_hand(numpy_epochs)
            theirs.append((time.perf_counter() - began) / numpy_epochs / n)
        a, b = 1e9 * min(ours), 1e9 * min(theirs)
        print(f"{'-'.join(map(str, sizes)):<16}{batch:>6}{a:>12,.0f}{b:>12,.0f}{b / a:>8.1f}")
    million()


def million() -> None:
    """The course's network, a million epochs of its ten recordings."""
    from tinyglass import make_settings, read_recordings, train

    settings = make_settings({"epochs": 1_000_000}, preset="course")
    run = train(read_recordings(), settings)
    print(f"\none million epochs of the course's ten recordings, 3-2-2, batch 1: {run.seconds:.2f} s")


if __name__ == "__main__":
    main()
