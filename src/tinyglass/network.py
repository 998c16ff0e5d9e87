"""The description of a network that everyone shares, and its file.

Training makes a `Network`; evaluation, explanation, export and the board read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from . import arithmetic
from .core import compiled
from .errors import ArgumentError, ModelError
from .inputs import count_features
from .storage import digest_of, read_arrays, write_arrays


def read_only(array: Any, dtype: Any = None) -> np.ndarray:
    """Return a C-contiguous copy that cannot be written to; what is one already is not copied again."""
    is_held = type(array) is np.ndarray and array.base is None and not array.flags.writeable
    if is_held and array.flags.c_contiguous and dtype in (None, array.dtype):
        return array
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of neurons.

    Attributes
    ----------
    weights : float array, (n_outputs, n_inputs)
        ``weights[j, i]`` leads from input i to neuron j.
    bias : float array, (n_outputs,), or None
        The weight of the constant input 1; the course's neuron has none.
    activation : str, a key of `tinyglass.arithmetic.ACTIVATIONS`

    Raises
    ------
    ArgumentError
        If shapes do not fit, a number is not finite, or the activation is unknown.

    Examples
    --------
    >>> Layer([[0.3, 0.9]], None, "linear").n_inputs
    2
    """

    weights: np.ndarray
    bias: np.ndarray | None
    activation: str

    def __post_init__(self) -> None:
        dtype = np.float32 if getattr(self.weights, "dtype", None) == np.float32 else np.float64
        object.__setattr__(self, "weights", read_only(self.weights, dtype))
        if self.bias is not None:
            object.__setattr__(self, "bias", read_only(self.bias, dtype))
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ArgumentError(
                f"Expected weights of shape (n_outputs, n_inputs), found {self.weights.shape}",
                "a layer",
                "Give one row of weights a neuron",
            )
        if self.bias is not None and self.bias.shape != (self.n_outputs,):
            raise ArgumentError(
                f"Expected {self.n_outputs} biases, found shape {self.bias.shape}",
                "a layer",
                "Give one bias a neuron, or None",
            )
        if self.activation not in arithmetic.ACTIVATIONS:
            raise ArgumentError(
                f"Unknown activation {self.activation!r}",
                "a layer",
                f"Choose one of {', '.join(arithmetic.ACTIVATIONS)}",
            )
        for numbers in (self.weights, self.bias):
            if numbers is not None and not np.isfinite(numbers).all():
                raise ArgumentError("A weight is not a finite number", "a layer", "Give finite weights")

    @property
    def n_inputs(self) -> int:
        return self.weights.shape[1]

    @property
    def n_outputs(self) -> int:
        return self.weights.shape[0]


class Preparation(msgspec.Struct, frozen=True):
    """What is done to a recording before the network sees it; fitted on the training part only.

    A recording is taken whole, or window by window. Each gives the values of the kinds in
    `inputs`, one kind after the other, step by step or value by value, channel by channel:

    - raw: ``n_steps`` readings of each channel (resampled along straight lines if `resample`),
      each as (reading − offset) / scale of its channel;
    - summary, spectrum: (value − feature_offset) / feature_scale of each value; see
      `tinyglass.inputs`.

    Attributes
    ----------
    channels, units : names and units of the channels, (n_channels,)
    n_steps : raw readings a recording
    resample : whether recordings of other lengths are resampled, or refused
    offset : in the channel's unit, (n_channels,)
    scale : in the channel's unit, (n_channels,)
    rate_hz : readings a second, where the recordings agree on it
    inputs : tuple of str, of `tinyglass.inputs.KINDS`
    feature_offset, feature_scale : (n_features,), for summary and spectrum
    window, hop : readings of a window, and from its start to that of the next; 0: recordings are taken whole
    answer_offset, answer_scale : in regression the answer is output · scale + offset

    Examples
    --------
    >>> Preparation(("distance",), ("",), 3, False, (0.0,), (100.0,)).n_inputs
    3
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    n_steps: int
    resample: bool
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    rate_hz: float | None = None
    inputs: tuple[Literal["raw", "summary", "spectrum"], ...] = ("raw",)
    feature_offset: tuple[float, ...] = ()
    feature_scale: tuple[float, ...] = ()
    window: int = 0
    hop: int = 0
    answer_offset: float = 0.0
    answer_scale: float = 1.0

    @property
    def n_inputs(self) -> int:
        n_raw = self.n_steps * len(self.channels) if "raw" in self.inputs else 0
        return n_raw + len(self.feature_scale)

    @property
    def any_length(self) -> bool:
        """Whether recordings of other lengths than those trained on can be prepared."""
        return self.resample or self.window > 0 or "raw" not in self.inputs


def check_preparation(p: Preparation) -> None:
    """Refuse a preparation whose parts do not fit together.

    Raises
    ------
    ArgumentError
        If a scale is 0, a number is not finite, or there are too many or too few of them.
    """
    numbers = (*p.offset, *p.scale, *p.feature_offset, *p.feature_scale, p.answer_offset, p.answer_scale)
    sound = (
        len(p.channels) == len(p.units) == len(p.offset) == len(p.scale) > 0
        and p.n_steps > 0
        and all(p.scale)
        and all(p.feature_scale)
        and len(set(p.inputs)) == len(p.inputs) > 0
        and len(p.feature_offset) == len(p.feature_scale) == count_features(p.inputs, len(p.channels))
        and p.window >= 0
        and p.hop >= (p.window > 0)
        and p.answer_scale
        and np.isfinite(numbers).all()
    )
    if not sound:
        raise ArgumentError("The preparation does not fit its channels", "a network", "Train again")


@dataclass(frozen=True, eq=False)
class Network:
    """Layers, and what their inputs and outputs mean.

    Attributes
    ----------
    layers : tuple of Layer, first to last
    classes : tuple of str, (n_outputs,), or None for regression
    input_names : tuple of str, (n_inputs,)
    preparation : Preparation or None
        What turns a recording into inputs; None for a network fed with numbers.
    threshold : float
        A prediction less sure than this is *unknown*.
    temperature : float
        What the sums before softmax are divided by in a prediction, so that its probabilities are
        calibrated (C. Guo et al., International Conference on Machine Learning, 2017);
        `outputs` are those of training, without it.

    Raises
    ------
    ArgumentError
        If layers, classes, inputs or preparation do not fit together.

    Examples
    --------
    >>> neuron = Network((Layer([[0.3, 0.9]], None, "linear"),))
    >>> neuron.outputs([[0.1, 0.8]])
    array([[0.75]])
    """

    layers: tuple[Layer, ...]
    classes: tuple[str, ...] | None = None
    input_names: tuple[str, ...] = ()
    preparation: Preparation | None = None
    threshold: float = 0.0
    temperature: float = 1.0
    n_inputs: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ArgumentError("A network has no layers", "a network", "Give at least one layer")
        object.__setattr__(self, "n_inputs", self.layers[0].n_inputs)
        for before, after in pairwise(self.layers):
            if before.n_outputs != after.n_inputs:
                raise ArgumentError(
                    f"A layer of {before.n_outputs} neurons is followed by one with {after.n_inputs} inputs",
                    "a network",
                    "Give each layer as many inputs as the layer before has neurons",
                )
            if before.activation == "softmax":
                raise ArgumentError(
                    "Softmax stands in a hidden layer", "a network", "Use softmax in the output layer only"
                )
            if before.weights.dtype != after.weights.dtype:
                raise ArgumentError(
                    "The layers have different precisions", "a network", "Use float32 or float64 for all"
                )
        if not 0 <= self.threshold <= 1:
            raise ArgumentError(
                f"Expected a threshold from 0 to 1, found {self.threshold}",
                "a network",
                "Give such a threshold",
            )
        if not 0 < self.temperature < np.inf:
            raise ArgumentError(
                f"Expected a temperature above 0, found {self.temperature}",
                "a network",
                "Give such a temperature",
            )
        if not self.input_names:
            object.__setattr__(self, "input_names", tuple(f"input{i}" for i in range(self.n_inputs)))
        if self.preparation is not None:
            check_preparation(self.preparation)
        counts = [
            ("class names", self.classes and len(self.classes), self.n_outputs),
            ("input names", len(self.input_names), self.n_inputs),
            ("different class names", self.classes and len(set(self.classes)), self.n_outputs),
            ("prepared inputs", self.preparation and self.preparation.n_inputs, self.n_inputs),
        ]
        for name, found, expected in counts:
            if found is not None and found != expected:
                raise ArgumentError(
                    f"Expected {expected} {name}, found {found}",
                    "a network",
                    "Make them the same number",
                )

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].n_outputs

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then the neurons of each layer: (3, 2, 2) for a 3-2-2 network."""
        return (self.n_inputs, *(layer.n_outputs for layer in self.layers))

    @property
    def n_weights(self) -> int:
        """All weights and biases."""
        return sum(
            layer.weights.size + (layer.n_outputs if layer.bias is not None else 0) for layer in self.layers
        )

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64: the numbers that the network computes with."""
        return self.layers[0].weights.dtype

    @property
    def gives_probabilities(self) -> bool:
        """Whether the outputs are probabilities of the classes: they come from softmax."""
        return self.layers[-1].activation == "softmax"

    @property
    def layer_names(self) -> list[str]:
        """``hidden`` (or ``hidden1``, ``hidden2``, …) and ``output``.

        Examples
        --------
        >>> Network([Layer([[1.0]], None, "tanh"), Layer([[1.0]], None, "linear")]).layer_names
        ['hidden', 'output']
        """
        hidden = len(self.layers) - 1
        return (
            ["hidden"] * hidden + ["output"]
            if hidden < 2
            else [f"hidden{i + 1}" for i in range(hidden)] + ["output"]
        )

    def outputs(self, inputs: Any) -> np.ndarray:
        """Return the outputs for each row of inputs, computed by the compiled core.

        Parameters
        ----------
        inputs : array-like, (n_examples, n_inputs)

        Returns
        -------
        array, (n_examples, n_outputs), of the network's `dtype`

        Raises
        ------
        ArgumentError
            If a row has another number of inputs.
        """
        X = np.ascontiguousarray(inputs, dtype=self.dtype)
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            raise ArgumentError(
                f"Expected rows of {self.n_inputs} inputs, found an array of shape {X.shape}",
                "the inputs of a network",
                "Give one row an example, shaped (n_examples, n_inputs)",
            )
        feedforward = (
            compiled.feedforward_float32 if self.dtype == np.float32 else compiled.feedforward_float64
        )
        return feedforward(core_layers(self), flatten(self), X)

    def plain(self, number: Any = float) -> list[arithmetic.Layer]:
        """Return the layers in plain numbers, for `tinyglass.arithmetic`.

        Parameters
        ----------
        number : callable, optional
            What each weight is made into: float, or for example ``lambda w: Fraction(repr(w))``.

        Examples
        --------
        >>> Network([Layer([[0.5]], None, "linear")]).plain()
        [Layer(weights=[[0.5]], bias=None, activation='linear')]
        """
        return [
            arithmetic.Layer(
                [[number(w) for w in row] for row in layer.weights.tolist()],
                None if layer.bias is None else [number(b) for b in layer.bias.tolist()],
                layer.activation,
            )
            for layer in self.layers
        ]

    @property
    def digest(self) -> str:
        """The SHA-256 of the network in hexadecimal: of its weights, and of all that its answers depend on.

        Examples
        --------
        >>> network = Network([Layer([[0.5]], None, "linear")])
        >>> network.digest == Network([Layer([[0.5]], None, "linear")]).digest
        True
        """
        return digest_of(msgspec.json.encode(self._header()), network_arrays(self))

    def save(self, path: str | Path, about: dict[str, Any] | None = None) -> str:
        """Write the network to a file that is whole or absent, and return the network's SHA-256.

        Parameters
        ----------
        path : path, usually ending in ``.safetensors``
        about : dict, optional
            Anything in JSON that should stand in the file's header too.
        """
        write_arrays(Path(path), "network", self._header(about), network_arrays(self))
        return self.digest

    def _header(self, about: dict[str, Any] | None = None) -> _Header:
        return _Header(
            activations=[layer.activation for layer in self.layers],
            classes=self.classes,
            input_names=self.input_names,
            preparation=self.preparation,
            threshold=self.threshold,
            temperature=self.temperature,
            about=about or {},
        )

    def _repr_html_(self) -> str:
        from .notebook import network_html

        return network_html(self)

    @staticmethod
    def load(path: str | Path) -> Network:
        """Return the network in a file that `save` wrote, every number of it checked.

        Raises
        ------
        ModelError
            If the file is damaged, changed, hostile, or not a network.
        """
        return load_network(Path(path))[0]


class _Header(msgspec.Struct):
    activations: list[str]
    classes: tuple[str, ...] | None
    input_names: tuple[str, ...]
    preparation: Preparation | None
    threshold: float
    about: dict[str, Any]
    temperature: float = 1.0


def network_arrays(network: Network, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the weights and biases by name, as they stand in a file."""
    arrays: dict[str, np.ndarray] = {}
    for number, layer in enumerate(network.layers):
        arrays[f"{prefix}layer{number}.weights"] = layer.weights
        if layer.bias is not None:
            arrays[f"{prefix}layer{number}.bias"] = layer.bias
    return arrays


def load_network(path: Path) -> tuple[Network, dict[str, Any]]:
    """Return the network, and what its file says about it."""
    header, arrays = read_arrays(path, "network", _Header)
    layers = take_layers(arrays, header.activations, str(path))
    if arrays:
        raise ModelError(f"Unexpected array {next(iter(arrays))!r}", str(path), "Train again")
    try:
        network = Network(
            layers,
            header.classes,
            header.input_names,
            header.preparation,
            header.threshold,
            header.temperature,
        )
    except ArgumentError as error:
        raise ModelError(error.what, str(path), "Train again: these parts do not belong together") from error
    return network, header.about


def take_layers(
    arrays: dict[str, np.ndarray], activations: Sequence[str], where: str, prefix: str = ""
) -> tuple[Layer, ...]:
    """Return the layers that `network_arrays` named, taking them out of `arrays`."""
    layers = []
    for number, activation in enumerate(activations):
        weights = arrays.pop(f"{prefix}layer{number}.weights", None)
        bias = arrays.pop(f"{prefix}layer{number}.bias", None)
        kinds = {array.dtype for array in (weights, bias) if array is not None}
        if weights is None or kinds not in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
            raise ModelError(f"Layer {number} has no weights of float32 or float64", where, "Train again")
        try:
            layers.append(Layer(weights, bias, activation))
        except ArgumentError as error:
            raise ModelError(error.what, f"{where}, layer {number}", "Train again") from error
    return tuple(layers)


def weight_name(network: Network, layer: int, neuron: int, input: int) -> str:
    """Return the name of a weight, such as ``hidden[0,2]``, or ``hidden[0,bias]`` for input −1.

    Examples
    --------
    >>> weight_name(Network([Layer([[1.0]], None, "linear")]), 0, 0, 0)
    'output[0,0]'
    """
    return f"{network.layer_names[layer]}[{neuron},{'bias' if input < 0 else input}]"


# ---------------------------------------------------------------- starting weights


def start_network(
    sizes: Sequence[int],
    activations: Sequence[str],
    *,
    bias: bool = True,
    start: str = "glorot",
    start_range: float = 0.1,
    seed: int = 0,
    dtype: Any = np.float64,
    **meaning: Any,
) -> Network:
    """Return a network with random starting weights, and biases of 0.

    ========= ==================================== =====================
    start     weights uniform in ±                 source
    ========= ==================================== =====================
    uniform   start_range (biases too)             the course: ±0.1
    glorot    sqrt(6 / (n_inputs + n_outputs))     Glorot, Bengio, 2010
    he        sqrt(6 / n_inputs)                   He et al., 2015
    ========= ==================================== =====================

    Parameters
    ----------
    sizes : integers: inputs, neurons of each hidden layer, outputs
    activations : names, one a layer
    bias : bool, whether neurons have one
    start : {"uniform", "glorot", "he"}
    start_range : float, of "uniform"
    seed : int
    dtype : float32 or float64
    **meaning : classes, input_names, preparation, threshold of `Network`

    Examples
    --------
    >>> start_network((3, 2, 2), ("linear", "linear"), bias=False, start="uniform").n_weights
    10
    """
    random = np.random.default_rng([seed, 0])
    layers = []
    for n_inputs, n_outputs, activation in zip(sizes[:-1], sizes[1:], activations, strict=True):
        reach = {
            "uniform": start_range,
            "glorot": np.sqrt(6 / (n_inputs + n_outputs)),
            "he": np.sqrt(6 / n_inputs),
        }[start]
        weights = random.uniform(-reach, reach, (n_outputs, n_inputs)).astype(dtype)
        biases = np.zeros(n_outputs, dtype)
        if start == "uniform" and bias:
            biases = random.uniform(-reach, reach, n_outputs).astype(dtype)
        layers.append(Layer(weights, biases if bias else None, activation))
    return Network(tuple(layers), **meaning)


# ---------------------------------------------------------------- the core's layout


def core_layers(network: Network) -> list[tuple[int, int, str, bool]]:
    """Return what the core is told about the layers."""
    return [
        (layer.n_inputs, layer.n_outputs, layer.activation, layer.bias is not None)
        for layer in network.layers
    ]


def flatten(network: Network) -> np.ndarray:
    """Return all parameters in the core's order: per layer, weights by input, then the bias."""
    parts = []
    for layer in network.layers:
        parts.append(layer.weights.T.ravel())
        if layer.bias is not None:
            parts.append(layer.bias)
    return np.concatenate(parts)


def with_parameters(network: Network, parameters: np.ndarray) -> Network:
    """Return the network with other parameters, given in the core's order."""
    layers, begin = [], 0
    for layer in network.layers:
        end = begin + layer.weights.size
        weights = parameters[begin:end].reshape(layer.n_inputs, layer.n_outputs).T
        begin = end
        bias = None
        if layer.bias is not None:
            begin = end + layer.n_outputs
            bias = parameters[end:begin]
        layers.append(Layer(weights, bias, layer.activation))
    return replace(network, layers=tuple(layers))
