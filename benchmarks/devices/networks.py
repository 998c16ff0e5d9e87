"""What is put on boards: networks trained on gestures that are drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tinyglass import Examples, Layer, Network, Settings, make_board_model, make_settings, train_examples
from tinyglass.export.board_model import BoardModel

PART = 2_000  # examples to train on, and as many that are held out
CORE = "baseline"  # the compiled core that every PC of a kind has: the same weights everywhere


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, and the prepared inputs it was trained on and was not.

    Attributes
    ----------
    name : str, its sizes
    network : Network, its weights in float32
    trained_on, held_out : float32 arrays, (n_examples, n_inputs)
    accuracy : float, on what was held out
    """

    name: str
    network: Network
    trained_on: np.ndarray
    held_out: np.ndarray
    accuracy: float

    def board_model(self, precision: str) -> BoardModel:
        """Return the network as a board computes it."""
        return self._board_models[precision]

    @cached_property
    def _board_models(self) -> dict[str, BoardModel]:
        return {
            "float32": make_board_model(self.network, "float32", inputs=self.trained_on),
            "int8": make_board_model(self.network, "int8", inputs=self.trained_on),
        }


def course_subject() -> Subject:
    """Return 3-2-2, linear and without biases as in the course, trained on three readings of a proximity sensor."""
    return _trained("3-2-2", make_settings({"core": CORE}, preset="course"), *approaches(2 * PART, seed=1))


def short_subject() -> Subject:
    """Return 39-20-10-4: 13 readings of 3 channels, 4 gestures."""
    return _trained("39-20-10-4", _relu(20, 10), *gestures(2 * PART, 13, 3, 4, seed=2))


def long_subject() -> Subject:
    """Return 120-50-15-2: 20 readings of 6 channels, 2 gestures."""
    return _trained("120-50-15-2", _relu(50, 15), *gestures(2 * PART, 20, 6, 2, seed=3))


SUBJECTS = {"3-2-2": course_subject, "39-20-10-4": short_subject, "120-50-15-2": long_subject}


def _relu(*hidden: int) -> Settings:
    return Settings(hidden=hidden, activation="relu", output="softmax", core=CORE)


def _trained(name: str, settings: Settings, X: np.ndarray, places: np.ndarray) -> Subject:
    Y = np.eye(places.max() + 1)[places]
    classes = tuple(f"gesture {place}" for place in range(Y.shape[1]))
    trained = train_examples(Examples(X[:PART], Y[:PART], classes), settings).network
    network = replace(trained, layers=tuple(map(_as_emlearn_writes, trained.layers)))
    right = network.outputs(X[PART:]).argmax(axis=1) == places[PART:]
    return Subject(name, network, X[:PART], X[PART:], float(right.mean()))


def _as_emlearn_writes(layer: Layer) -> Layer:
    """Return a layer whose weights have six digits after the point, so that all compute with the same."""
    weights, bias = (
        None if numbers is None else numbers.astype(np.float64).round(6).astype(np.float32)
        for numbers in (layer.weights, layer.bias)
    )
    return replace(layer, weights=weights, bias=bias)


# ---------------------------------------------------------------- gestures


def approaches(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return three distances, of hands that come (0) or go (1), from 0 to 1, and which of both each is.

    Returns
    -------
    float32 array, (n, 3), and int array, (n,)
    """
    random = np.random.default_rng(seed)
    places = random.integers(0, 2, n)
    near, far = random.uniform(0.0, 0.4, n), random.uniform(0.6, 1.0, n)
    X = np.linspace(far, near, 3, axis=1)
    X[places == 1] = X[places == 1, ::-1]
    X = np.clip(X + random.normal(scale=0.1, size=X.shape), 0, 1)
    return X.astype(np.float32), places


def gestures(
    n: int, n_readings: int, n_channels: int, n_classes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return movements, each a sum of waves that is its class's own, done early or late, strongly or weakly.

    Returns
    -------
    float32 array, (n, n_readings · n_channels), from −1 to 1, and int array, (n,), of the classes
    """
    n_waves = 4
    random = np.random.default_rng(seed)
    of_class = random.normal(size=(n_classes, n_waves, n_channels))
    places = random.integers(0, n_classes, n)
    times = np.linspace(0, 1, n_readings) + random.normal(scale=0.15, size=(n, 1))
    waves = np.sin(np.pi * times[:, :, None] * np.arange(1, n_waves + 1))
    X = np.einsum("itk,ikc->itc", waves, of_class[places])
    X *= random.normal(1.0, 0.25, size=(n, 1, 1))
    X += random.normal(size=X.shape)
    X = X.reshape(n, -1)
    return (X / np.abs(X).max()).astype(np.float32), places
