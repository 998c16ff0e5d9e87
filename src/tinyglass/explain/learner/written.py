"""A network and a step that a learner writes down: TOML becomes a `Step`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...arithmetic import ACTIVATIONS, LOSSES, OPTIMIZERS, Gradient, Layer, Update
from ...engine import check_targets
from ...errors import ArgumentError, StorageError, nearest
from ...network import Layer as NetworkLayer
from ...network import Network
from ...preparation import Examples
from ...settings import make_settings
from ..working import Step
from .toml_source import (
    POINT,
    Source,
    find_lines,
    known_only,
    matrix_of,
    needed,
    number_of,
    parse_toml,
    row_of,
)

CONSTANTS = {
    "learning_rate": (),
    "momentum": ("momentum", "nesterov"),
    "beta1": ("adam",),
    "beta2": ("adam",),
    "epsilon": ("adam",),
    "l2": (),
    "weight_limit": (),
}
"""Settings that are numbers, with the optimisers that use them; empty: all do."""

LAYER_KEYS = ("weights", "bias", "activation")
KEYS = (
    "inputs",
    "expected",
    "loss",
    "optimizer",
    *CONSTANTS,
    "input_names",
    "classes",
    "layers",
    *LAYER_KEYS,
)
MOST_PRODUCTS = 100_000  # of a weight and an input: what is computed exactly in about a second
LARGEST = 10**6  # characters of a file


class Written(NamedTuple):
    """What a learner wrote down.

    Attributes
    ----------
    where : str, the file
    step : Step
        All numbers are `Decimal`, as they were written; what is expected is 0 where nothing was written.
    network : Network, the same in float64, with names of inputs and classes
    expected : bool, whether it says what the outputs should be
    updates : bool, whether it has a learning rate
    named_inputs : bool, whether it names the inputs
    """

    where: str
    step: Step
    network: Network
    expected: bool
    updates: bool
    named_inputs: bool

    @property
    def backward(self) -> bool:
        """Whether there is anything to backpropagate, and every activation has a slope."""
        return self.expected and all(layer.activation != "step" for layer in self.network.layers)


def read_written(path: Path | str) -> Written:
    """Return the network and the step of a TOML file.

    Raises
    ------
    ArgumentError, StorageError
        If it cannot be read or used: what is wrong, the file, line and key, and how to mend it.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise StorageError(
            f"Could not read the network: {error.strerror}", str(path), "Check the name of the file"
        ) from error
    except UnicodeDecodeError as error:
        raise ArgumentError("The file is not UTF-8 text", str(path), "Save it as UTF-8") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Written:
    """Return the network and the step that a TOML text describes.

    Parameters
    ----------
    text : str
    where : str, the file, for error messages

    Examples
    --------
    >>> chapter = parse("inputs = [0.1, 0.8]\\nweights = [0.3, 0.9]\\nexpected = 0.4", "chapter.toml")
    >>> chapter.step.layers[0].weights[0, 1], chapter.updates
    (Decimal('0.9'), False)
    """
    if len(text) > LARGEST:
        raise ArgumentError(
            f"The file has more than {LARGEST} characters", where, "Train with tinyglass train"
        )
    values = parse_toml(text, where)
    file = Source(where, find_lines(text))
    values = known_only(values, KEYS, KEYS, file)
    layers = _layers(values, file)
    X = matrix_of(needed(values, "inputs", file), file.at("inputs"))
    _check_fit(layers, X, file)
    network = _network(layers, values, X.shape[1], file)
    products = len(X) * sum(layer.weights.size for layer in network.layers)
    if products > MOST_PRODUCTS:
        raise ArgumentError(
            f"Every weight times every example are {products} products, and at most {MOST_PRODUCTS} are explained",
            where,
            "Write a smaller network or fewer examples",
        )
    Y = _expected(values, len(X), network.n_outputs, file)
    loss = values.get("loss", "half_squared_error")
    _one_of(loss, LOSSES, "loss", file)
    rule, rate = _update_rule(values, file)
    if Y is not None:
        _check_loss(network, X, Y, loss, file)
    memory = tuple(
        Gradient(np.asarray(l.weights) * 0, None if l.bias is None else np.asarray(l.bias) * 0)
        for l in layers
    )
    nothing = np.full((len(X), network.n_outputs), Decimal(0), dtype=object)
    step = Step(
        tuple(layers), memory, memory, X, nothing if Y is None else Y, None, loss, rule, rate or Decimal(0), 1
    )
    return Written(where, step, network, Y is not None, rate is not None, "input_names" in values)


# ---------------------------------------------------------------- the network


def _layers(values: dict[str, Any], file: Source) -> list[Layer]:
    flat = [key for key in LAYER_KEYS if key in values]
    written = values.get("layers")
    if written is not None and flat:
        raise ArgumentError(
            f"{flat[0]} stands beside [[layers]]",
            file.at(flat[0]),
            "Write it in a layer, or leave the [[layers]] out",
        )
    if written is None:
        if "weights" not in values:
            raise ArgumentError(
                "The file has no network: neither weights nor [[layers]]",
                file.path,
                "Add a line such as weights = [0.3, 0.9]",
            )
        return [_layer({key: values[key] for key in flat}, file, None)]
    if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
        raise ArgumentError(
            "Expected layers, each under [[layers]]", file.at("layers"), "Write [[layers]], with two brackets"
        )
    if not written:
        raise ArgumentError(
            "There are no layers", file.at("layers"), "Write [[layers]] and its weights below"
        )
    return [_layer(known_only(each, LAYER_KEYS, KEYS, file, l), file, l) for l, each in enumerate(written)]


def _layer(values: dict[str, Any], file: Source, number: int | None) -> Layer:
    if "weights" not in values:
        raise ArgumentError(
            "A layer has no weights",
            file.at("weights", number),
            "Add weights = [[…], …] below its [[layers]], one row a neuron",
        )
    weights = matrix_of(values["weights"], file.at("weights", number))
    activation = values.get("activation", "linear")
    _one_of(activation, ACTIVATIONS, "activation", file, number)
    bias = None
    if "bias" in values:
        bias = np.array(row_of(values["bias"], file.at("bias", number)), dtype=object)
        if len(bias) != len(weights):
            raise ArgumentError(
                f"{len(weights)} rows of weights are {len(weights)} neurons, and there are {len(bias)} biases",
                file.at("bias", number),
                f"Give one bias a neuron. {POINT}",
            )
    return Layer(weights, bias, activation)


def _one_of(value: Any, known: dict[str, Any], key: str, file: Source, layer: int | None = None) -> None:
    if not isinstance(value, str) or value not in known:
        raise ArgumentError(
            f"Unknown {key} {str(value)!r}",
            file.at(key, layer),
            nearest(str(value), list(known)),
        )


def _check_fit(layers: Sequence[Layer], X: np.ndarray, file: Source) -> None:
    width, source = X.shape[1], "inputs"
    single = len(layers) == 1 and (0, "") not in file.lines
    for l, layer in enumerate(layers):
        if layer.activation == "softmax" and l < len(layers) - 1:
            raise ArgumentError(
                "Softmax stands in a hidden layer", file.at("activation", l), "Use it in the last layer only"
            )
        found = np.shape(layer.weights)[1]
        if found != width:
            raise ArgumentError(
                f"Expected {width} weights a neuron, one for each of the {width} {source}, found {found}",
                file.at("weights", None if single else l),
                f"Give every neuron one weight an input. {POINT}",
            )
        width, source = len(layer.weights), f"neurons of layer {l + 1}"


def _network(layers: Sequence[Layer], values: dict[str, Any], n_inputs: int, file: Source) -> Network:
    """Return the network in float64, with the names of inputs and outputs."""
    made = tuple(
        NetworkLayer(
            np.asarray(layer.weights, dtype=np.float64),
            None if layer.bias is None else np.asarray(layer.bias, dtype=np.float64),
            layer.activation,
        )
        for layer in layers
    )
    classes = _names(values, "classes", len(layers[-1].weights), file)
    return Network(made, classes, _names(values, "input_names", n_inputs, file) or ())


def _names(values: dict[str, Any], key: str, n: int, file: Source) -> tuple[str, ...] | None:
    if key not in values:
        return None
    names = values[key]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ArgumentError(
            "Expected a list of names", file.at(key), 'Write names in quotes: ["left", "right"]'
        )
    if len(names) != n or len(set(names)) < n:
        raise ArgumentError(
            f"Expected {n} different names, found {len(set(names))}", file.at(key), "Give one to each"
        )
    return tuple(names)


# ---------------------------------------------------------------- the step


def _expected(values: dict[str, Any], n: int, n_outputs: int, file: Source) -> np.ndarray | None:
    if "expected" not in values:
        return None
    where, value = file.at("expected"), values["expected"]
    flat = isinstance(value, list) and value and not any(isinstance(each, list) for each in value)
    if flat and n > 1 and n_outputs == 1:
        value = [[each] for each in value]  # one number an example
    Y = matrix_of(value, where)
    if Y.shape != (n, n_outputs):
        raise ArgumentError(
            f"Expected {n} row{'s' if n > 1 else ''} of {n_outputs}, one number an output for every example, "
            f"found {len(Y)} of {Y.shape[1]}",
            where,
            f"Give one row an example. {POINT}",
        )
    return Y


def _update_rule(values: dict[str, Any], file: Source) -> tuple[Update, Decimal | None]:
    optimizer = values.get("optimizer", "sgd")
    _one_of(optimizer, OPTIMIZERS, "optimizer", file)
    found: dict[str, float] = {}
    for key, users in CONSTANTS.items():
        if key not in values:
            continue
        where = file.at(key)
        if users and optimizer not in users:
            raise ArgumentError(
                f"{key} is given, and the optimizer {optimizer} has none",
                where,
                f'Add optimizer = "{users[0]}", or leave {key} out',
            )
        found[key] = float(number_of(values[key], where))
        make_settings({key: found[key]}, where=where.rpartition(", ")[0])  # for its range
    rate = found.pop("learning_rate", None)
    return Update(optimizer, **found), None if rate is None else number_of(
        values["learning_rate"], file.at("learning_rate")
    )


def _check_loss(network: Network, X: np.ndarray, Y: np.ndarray, loss: str, file: Source) -> None:
    """Refuse a loss that is not defined for the outputs, or for what is expected of them."""
    output = network.layers[-1].activation
    if output != "step" and output not in LOSSES[loss].outputs:
        raise ArgumentError(
            f"The outputs are {output}, for which {loss} is not defined",
            file.at("loss"),
            f"Use {' or '.join(LOSSES[loss].outputs)} outputs, or another loss",
        )
    if loss == "cross_entropy" and output != "step":
        settings = make_settings({"loss": loss, "output": output})
        try:
            check_targets(Examples(X.astype(np.float64), Y.astype(np.float64)), settings)
        except ArgumentError as error:
            raise ArgumentError(error.what, file.at("expected"), error.mend) from error
