"""What training is: every number of it, defined once, scalar by scalar.

The functions stand in the order in which a step uses them:

    feedforward → loss, error → backpropagation (deltas, gradients) → average → update

They compute with ``+ - * /`` and comparisons, so they run on ``float``, on
``Decimal`` and ``Fraction`` (there 0.1225 is 0.1225), and on any object that
behaves like a number, such as one that remembers how it was made. What needs
more asks the number first: ``x.exp()``, ``x.ln()`` (or ``x.log()``),
``x.sqrt()``, ``x.tanh()``, ``x.larger(y)``, ``x.smaller(y)`` are used where they exist.

Letters used for shapes: a layer has ``n_inputs`` and ``n_outputs``; one of its
neurons is ``j``, one of its inputs ``i``. ``weights[j][i]`` leads from input
``i`` to neuron ``j``. Everything here is a plain list of numbers, and nothing is
changed in place: every function returns what it made.

The compiled core does the same, fast; tests hold it to these lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, Overflow, getcontext, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

Number = Any  # float, Decimal, Fraction, or whatever behaves like them
Row = Any  # a sequence of numbers

STEP_THRESHOLD = Fraction(1, 2)
"""The course's step fires at a weighted sum of 0.5."""

SMALLEST_PROBABILITY = Fraction(1, 2**126)
"""Cross-entropy takes no logarithm of less: the smallest normal float32, whose ln is −87.3."""


class Layer(NamedTuple):
    """One layer in plain numbers.

    Attributes
    ----------
    weights : rows of numbers, (n_outputs, n_inputs)
    bias : numbers, (n_outputs,), or None: the course's neuron has none
    activation : str, a key of `ACTIVATIONS`

    Examples
    --------
    >>> neuron = Layer(weights=[[0.3, 0.9]], bias=None, activation="linear")
    """

    weights: Any
    bias: Any
    activation: str


# ---------------------------------------------------------------- numbers of every kind


def exp(x: Number) -> Number:
    """Return e to the power of `x`, in the kind of number that `x` is.

    A float too large for the result gives infinity, as in the compiled core. A
    `Fraction` gives the `Fraction` of the result in the current `decimal` precision.

    Examples
    --------
    >>> exp(0.0)
    1.0
    """
    return _function_of(x, "exp", _float_exp, _decimal_exp)


def ln(x: Number) -> Number:
    """Return the natural logarithm of `x`, in the kind of number that `x` is.

    Examples
    --------
    >>> ln(1.0)
    0.0
    """
    return _function_of(x, "ln", math.log, Decimal.ln)


def sqrt(x: Number) -> Number:
    """Return the square root of `x`, in the kind of number that `x` is.

    Examples
    --------
    >>> sqrt(Decimal("0.01"))
    Decimal('0.1')
    """
    return _function_of(x, "sqrt", math.sqrt, Decimal.sqrt)


def tanh(x: Number) -> Number:
    """Return the hyperbolic tangent of `x`, in the kind of number that `x` is.

    Examples
    --------
    >>> tanh(0.0)
    0.0
    """
    return _function_of(x, "tanh", math.tanh, _decimal_tanh)


def larger(x: Number, y: Number) -> Number:
    """Return the larger of two numbers, `x` where they cannot be compared.

    Examples
    --------
    >>> larger(-1.0, 0.0)
    0.0
    """
    return x.larger(y) if hasattr(x, "larger") else y if y > x else x


def smaller(x: Number, y: Number) -> Number:
    """Return the smaller of two numbers, `x` where they cannot be compared.

    Examples
    --------
    >>> smaller(-1.0, 0.0)
    -1.0
    """
    return x.smaller(y) if hasattr(x, "smaller") else y if y < x else x


def _function_of(
    x: Number, name: str, of_float: Callable[[float], float], of_decimal: Callable[[Decimal], Decimal]
) -> Number:
    if isinstance(x, (float, int)):
        return of_float(x)
    if isinstance(x, Decimal):
        return of_decimal(x)
    if isinstance(x, Fraction):
        return Fraction(of_decimal(Decimal(x.numerator) / Decimal(x.denominator)))
    for spelling in (name, "log") if name == "ln" else (name,):
        if hasattr(x, spelling):
            return getattr(x, spelling)()
    return type(x)(of_float(float(x)))


def _float_exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _decimal_exp(x: Decimal) -> Decimal:
    try:
        return x.exp()
    except Overflow:
        return Decimal("Infinity")


def _decimal_tanh(x: Decimal) -> Decimal:
    if x * x < Decimal(10) ** -(getcontext().prec + 1):
        return +x  # tanh x = x - x³/3 + …
    with localcontext() as context:
        context.prec += 3 + max(0, -x.adjusted())  # the difference below cancels leading digits of a small x
        shrunk = (-2 * abs(x)).exp()
        result = ((1 - shrunk) / (1 + shrunk)).copy_sign(x)
    return +result


def in_kind_of(number: Number, constant: Number) -> Number:
    """Return the setting `constant` as the kind of number that `number` is.

    A learning rate written 0.1 means a tenth: for `Decimal` and `Fraction` it becomes
    exactly that, not the nearest binary fraction.

    Examples
    --------
    >>> in_kind_of(Fraction(3, 10), 0.1)
    Fraction(1, 10)
    """
    if isinstance(number, (Decimal, Fraction)) and isinstance(constant, float):
        return type(number)(repr(float(constant)))
    if isinstance(number, Decimal) and isinstance(constant, Fraction):
        return Decimal(constant.numerator) / Decimal(constant.denominator)
    if isinstance(constant, Fraction) and not isinstance(number, Fraction):
        return float(constant)
    return constant


def whole_number(number: Number, value: int) -> Number:
    """Return 0 or 1 as the kind of number that `number` is, where that kind can be made from an int.

    Examples
    --------
    >>> whole_number(Fraction(1, 2), 1)
    Fraction(1, 1)
    """
    try:
        return type(number)(value)
    except TypeError:
        return value


def total(numbers: Row) -> Number:
    """Return the sum, added from left to right.

    Examples
    --------
    >>> total([0.5, 0.25])
    0.75
    """
    result = numbers[0]
    for number in numbers[1:]:
        result = result + number
    return result


def average(numbers: Row) -> Number:
    """Return (δ₁ + δ₂ + … + δₙ) / n.

    Examples
    --------
    >>> average([0.5, 0.25])
    0.375
    """
    return total(numbers) / len(numbers)


# ---------------------------------------------------------------- activations


class Activation(NamedTuple):
    """What one neuron does to its weighted sum, and how steeply.

    Attributes
    ----------
    rule : function of the weighted sum; None where the whole layer is needed (softmax)
    slope : function of the weighted sum and the output: ∂output/∂sum; None where there is none
    formula : str, the rule as it is read aloud
    latex : str, the same in LaTeX
    """

    rule: Callable[[Number], Number] | None
    slope: Callable[[Number, Number], Number] | None
    formula: str
    latex: str


ACTIVATIONS = {
    "linear": Activation(
        lambda s: s,
        lambda s, a: 1,
        "x",
        r"x",
    ),
    "step": Activation(
        lambda s: whole_number(s, 1 if s >= in_kind_of(s, STEP_THRESHOLD) else 0),
        None,
        "1 if x >= 0.5 else 0",
        r"1 \text{ if } x \ge 0.5 \text{ else } 0",
    ),
    "sigmoid": Activation(
        lambda s: 1 / (1 + exp(-s)),
        lambda s, a: a * (1 - a),
        "1 / (1 + exp(-x))",
        r"\frac{1}{1 + e^{-x}}",
    ),
    "tanh": Activation(
        tanh,
        lambda s, a: 1 - a * a,
        "tanh(x)",
        r"\tanh(x)",
    ),
    "relu": Activation(
        lambda s: larger(whole_number(s, 0), s),
        lambda s, a: 1 if s > 0 else 0,
        "x if x > 0 else 0",
        r"\max(0, x)",
    ),
    "leaky_relu": Activation(
        lambda s: larger(s / 100, s),
        lambda s, a: 1 if s > 0 else 1 / in_kind_of(s, 100.0),
        "x if x > 0 else x / 100",
        r"\max(x, x / 100)",
    ),
    "softmax": Activation(
        None,
        None,
        "exp(x) / (sum of exp over the layer)",
        r"\frac{e^{x_j}}{\sum_k e^{x_k}}",
    ),
}
"""Every activation by the name the user types."""


def activate(activation: str, sums: Row) -> list[Number]:
    """Return the outputs of a layer from its weighted sums.

    Softmax subtracts the largest sum first, which changes no result and keeps every
    exponential at most 1.

    Parameters
    ----------
    activation : str, a key of `ACTIVATIONS`
    sums : numbers, (n_outputs,)

    Returns
    -------
    list of numbers, (n_outputs,)

    Examples
    --------
    >>> activate("relu", [-1.0, 2.0])
    [0.0, 2.0]
    """
    if activation == "softmax":
        largest = max(sums)
        powers = [exp(s - largest) for s in sums]
        whole = total(powers)
        return [power / whole for power in powers]
    rule = ACTIVATIONS[activation].rule
    assert rule is not None
    return [rule(s) for s in sums]


# ---------------------------------------------------------------- feedforward


def weighted_sum(weights: Row, inputs: Row, bias: Number | None = None) -> Number:
    """Return Σ inputs·weights + bias, the course's "sum".

    Parameters
    ----------
    weights, inputs : numbers, (n_inputs,)
    bias : number, optional: a weight whose input is the constant 1

    Examples
    --------
    >>> weighted_sum([0.3, 0.9], [0.1, 0.8])
    0.7500000000000001
    """
    products = [x * w for x, w in zip(inputs, weights, strict=True)]
    return total(products) if bias is None else total(products) + bias


class Signals(NamedTuple):
    """What the neurons of one layer computed for one example.

    Attributes
    ----------
    sums : numbers, (n_outputs,)
    outputs : numbers, (n_outputs,)
    """

    sums: list[Number]
    outputs: list[Number]


def feedforward(layers: Sequence[Layer], inputs: Row) -> list[Signals]:
    """Return the weighted sums and outputs of every layer for one example.

    Parameters
    ----------
    layers : layers, first to last
    inputs : numbers, (n_inputs,)

    Returns
    -------
    list of Signals, one a layer; the last holds the outputs of the network

    Examples
    --------
    >>> feedforward([Layer([[0.5, 0.25]], [1.0], "linear")], [2.0, 4.0])[-1].outputs
    [3.0]
    """
    signals = []
    for layer in layers:
        biases = layer.bias if layer.bias is not None else [None] * len(layer.weights)
        sums = [weighted_sum(row, inputs, b) for row, b in zip(layer.weights, biases, strict=True)]
        signals.append(Signals(sums, activate(layer.activation, sums)))
        inputs = signals[-1].outputs
    return signals


# ---------------------------------------------------------------- loss and error


def half_squared_error(outputs: Row, expected: Row) -> Number:
    """Return ½·Σ(output − expected)², the course's loss, which it never names.

    Examples
    --------
    >>> half_squared_error([3.0], [1.0])
    2.0
    """
    return total([(o - y) * (o - y) for o, y in zip(outputs, expected, strict=True)]) / 2


def mean_squared_error(outputs: Row, expected: Row) -> Number:
    """Return Σ(output − expected)² / n_outputs.

    Examples
    --------
    >>> mean_squared_error([3.0, 1.0], [1.0, 1.0])
    2.0
    """
    return total([(o - y) * (o - y) for o, y in zip(outputs, expected, strict=True)]) / len(outputs)


def cross_entropy(outputs: Row, expected: Row) -> Number:
    """Return −Σ expected·ln(output), for softmax outputs.

    No logarithm is taken of less than `SMALLEST_PROBABILITY`.

    Examples
    --------
    >>> cross_entropy([0.5, 0.5], [1.0, 0.0])
    0.6931471805599453
    """
    return total([-y * ln(_probability(o)) for o, y in zip(outputs, expected, strict=True)])


def binary_cross_entropy(outputs: Row, expected: Row) -> Number:
    """Return −Σ(expected·ln(output) + (1 − expected)·ln(1 − output)), for sigmoid outputs.

    Examples
    --------
    >>> binary_cross_entropy([0.5], [1.0])
    0.6931471805599453
    """
    return total(
        [
            -y * ln(_probability(o)) - (1 - y) * ln(_probability(1 - o))
            for o, y in zip(outputs, expected, strict=True)
        ]
    )


def _probability(output: Number) -> Number:
    smallest = in_kind_of(output, SMALLEST_PROBABILITY)
    return output if output > smallest else smallest


class Loss(NamedTuple):
    """How wrong the outputs are.

    Attributes
    ----------
    formula, latex : str, as read aloud and in LaTeX
    outputs : names of the output activations that it is defined for
    """

    formula: str
    latex: str
    outputs: tuple[str, ...]


ANY_OUTPUT = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "softmax")

LOSSES = {
    "half_squared_error": Loss(
        "sum((output - expected)^2) / 2",
        r"\tfrac{1}{2} \sum_j (o_j - y_j)^2",
        ANY_OUTPUT,
    ),
    "mean_squared_error": Loss(
        "sum((output - expected)^2) / n_outputs",
        r"\tfrac{1}{n} \sum_j (o_j - y_j)^2",
        ANY_OUTPUT,
    ),
    "cross_entropy": Loss(
        "-sum(expected * ln(output))",
        r"-\sum_j y_j \ln o_j",
        ("softmax", "sigmoid"),
    ),
}
"""Every loss by the name the user types."""


def loss(name: str, activation: str, outputs: Row, expected: Row) -> Number:
    """Return the loss of one example.

    Parameters
    ----------
    name : str, a key of `LOSSES`
    activation : str, the activation of the output layer: with sigmoid outputs,
        cross-entropy is the binary one, summed over the outputs
    outputs, expected : numbers, (n_outputs,)

    Examples
    --------
    >>> loss("half_squared_error", "linear", [0.75], [0.5])
    0.03125
    """
    if name == "cross_entropy":
        return (binary_cross_entropy if activation == "sigmoid" else cross_entropy)(outputs, expected)
    return {"half_squared_error": half_squared_error, "mean_squared_error": mean_squared_error}[name](
        outputs, expected
    )


def errors(name: str, outputs: Row, expected: Row) -> list[Number]:
    """Return ∂loss/∂output of every output of a squared loss.

    For the half squared error this is output − expected, the course's "error".
    For cross-entropy it is not needed: see `output_deltas`.

    Examples
    --------
    >>> errors("half_squared_error", [0.75], [0.5])
    [0.25]
    """
    differences = [o - y for o, y in zip(outputs, expected, strict=True)]
    if name == "mean_squared_error":
        return [2 * difference / len(outputs) for difference in differences]
    return differences


# ---------------------------------------------------------------- backpropagation


def through_activation(activation: str, errors: Row, signals: Signals) -> list[Number]:
    """Return ∂loss/∂sum from ∂loss/∂output: each error times the slope of its neuron.

    In softmax every output depends on every sum: delta_j = o_j·(e_j − Σ_k e_k·o_k).

    Examples
    --------
    >>> through_activation("relu", [0.5, 0.5], Signals(sums=[-1.0, 2.0], outputs=[0.0, 2.0]))
    [0.0, 0.5]
    """
    if activation == "softmax":
        shared = total([e * o for e, o in zip(errors, signals.outputs, strict=True)])
        return [o * (e - shared) for e, o in zip(errors, signals.outputs, strict=True)]
    slope = ACTIVATIONS[activation].slope
    if slope is None:
        raise TypeError(f"{activation} has no slope: it runs forward only and cannot be trained")
    return [e * slope(s, o) for e, s, o in zip(errors, *signals, strict=True)]


def output_deltas(name: str, activation: str, signals: Signals, expected: Row) -> list[Number]:
    """Return ∂loss/∂sum of every neuron of the output layer.

    Under cross-entropy the logarithm and the exponential cancel, and output − expected
    is left (for softmax, where the expected values add up to 1).

    Examples
    --------
    >>> output_deltas("cross_entropy", "softmax", Signals([0.0, 0.0], [0.5, 0.5]), [1.0, 0.0])
    [-0.5, 0.5]
    """
    if name == "cross_entropy":
        return [o - y for o, y in zip(signals.outputs, expected, strict=True)]
    return through_activation(activation, errors(name, signals.outputs, expected), signals)


def passed_back(weights: Row, deltas: Row) -> Number:
    """Return ∂loss/∂output of a hidden neuron: Σ weight·delta over the neurons it leads to.

    The course multiplies by the hidden output instead of the weight: see the docs.

    Parameters
    ----------
    weights, deltas : numbers, (n_neurons downstream,)

    Examples
    --------
    >>> passed_back([0.5, 2.0], [1.0, 0.25])
    1.0
    """
    return total([w * delta for w, delta in zip(weights, deltas, strict=True)])


def backpropagate(
    layers: Sequence[Layer], signals: Sequence[Signals], expected: Row, loss_name: str
) -> list[list[Number]]:
    """Return the delta, ∂loss/∂sum, of every neuron, from the last layer back to the first.

    A hidden neuron's error is what `passed_back` gives.

    Returns
    -------
    list, one a layer, of lists of numbers, (n_outputs,)

    Examples
    --------
    >>> layers = [Layer([[2.0]], None, "linear"), Layer([[3.0]], None, "linear")]
    >>> backpropagate(layers, feedforward(layers, [1.0]), [5.0], "half_squared_error")
    [[3.0], [1.0]]
    """
    deltas = [output_deltas(loss_name, layers[-1].activation, signals[-1], expected)]
    for layer, behind, here in zip(layers[:0:-1], layers[-2::-1], signals[-2::-1], strict=True):
        downstream = deltas[0]
        errors_here = [
            passed_back([row[i] for row in layer.weights], downstream) for i in range(len(here.outputs))
        ]
        deltas.insert(0, through_activation(behind.activation, errors_here, here))
    return deltas


class Gradient(NamedTuple):
    """∂loss/∂weight and ∂loss/∂bias of one layer, in the shape of its weights and bias.

    The course calls an entry δ_weight, the "delta of a weight".
    """

    weights: Any
    bias: Any


def gradients(
    layers: Sequence[Layer], signals: Sequence[Signals], deltas: Sequence[Row], inputs: Row
) -> list[Gradient]:
    """Return the gradient of one example's loss: each delta times the input of the weight.

    Examples
    --------
    >>> layers = [Layer([[2.0, 1.0]], [0.0], "linear")]
    >>> gradients(layers, feedforward(layers, [0.5, 3.0]), [[2.0]], [0.5, 3.0])
    [Gradient(weights=[[1.0, 6.0]], bias=[2.0])]
    """
    result = []
    for layer, here, delta in zip(layers, signals, deltas, strict=True):
        weights = [[d * x for x in inputs] for d in delta]
        result.append(Gradient(weights, None if layer.bias is None else list(delta)))
        inputs = here.outputs
    return result


# ---------------------------------------------------------------- several examples


class Example(NamedTuple):
    """One input with its expected output and its weight in the average."""

    inputs: Row
    expected: Row
    weight: Number = 1


def for_each_weight(function: Callable[..., Number], *layers: Any) -> Any:
    """Apply `function` to corresponding weights, then biases, of things shaped like a layer.

    Examples
    --------
    >>> for_each_weight(lambda g: 2 * g, Gradient([[1.0, 2.0]], None))
    Gradient(weights=[[2.0, 4.0]], bias=None)
    """
    first = layers[0]
    rows = [
        [function(*cells) for cells in zip(*aligned, strict=True)]
        for aligned in zip(*(layer.weights for layer in layers), strict=True)
    ]
    bias = None
    if first.bias is not None:
        bias = [function(*cells) for cells in zip(*(layer.bias for layer in layers), strict=True)]
    return first._replace(weights=rows, bias=bias)


class BatchGradient(NamedTuple):
    """The averaged gradient of a batch, one `Gradient` a layer, and its mean loss."""

    gradients: list[Gradient]
    loss: Number


def batch_gradient(layers: Sequence[Layer], batch: Sequence[Example], loss_name: str) -> BatchGradient:
    """Return the average of the examples' gradients: (δ₁ + δ₂ + … + δₙ) / n.

    An example's weight multiplies its loss and so its gradient; n is the number of
    examples in this batch, so the last, partial batch is averaged over its own size.

    Examples
    --------
    >>> neuron = [Layer([[0.0]], None, "linear")]
    >>> batch = [Example([1.0], [1.0]), Example([2.0], [1.0])]
    >>> batch_gradient(neuron, batch, "half_squared_error").gradients[0].weights
    [[-1.5]]
    """
    output = layers[-1].activation
    losses, of_examples = [], []
    for inputs, expected, weight in batch:
        signals = feedforward(layers, inputs)
        losses.append(weight * loss(loss_name, output, signals[-1].outputs, expected))
        deltas = backpropagate(layers, signals, expected, loss_name)
        of_examples.append(gradients(layers, signals, [[weight * d for d in row] for row in deltas], inputs))
    averages = [
        for_each_weight(lambda *each: average(each), *of_layer) for of_layer in zip(*of_examples, strict=True)
    ]
    return BatchGradient(averages, average(losses))


# ---------------------------------------------------------------- update


class Update(NamedTuple):
    """How a gradient changes a weight.

    Attributes
    ----------
    optimizer : str, one of `OPTIMIZERS`
    momentum : number, of "momentum" and "nesterov"
    beta1, beta2, epsilon : numbers, of "adam"
    l2 : number; ½·l2·Σweight² is added to the loss of every batch (biases left out)
    weight_limit : number or None; no weight or bias may leave ±weight_limit
    """

    optimizer: str = "sgd"
    momentum: Number = 0.9
    beta1: Number = 0.9
    beta2: Number = 0.999
    epsilon: Number = 1e-8
    l2: Number = 0
    weight_limit: Number | None = None


OPTIMIZERS = {
    "sgd": "weight - rate * gradient",
    "momentum": "velocity = momentum * velocity + gradient; weight - rate * velocity",
    "nesterov": (
        "velocity = momentum * velocity + gradient; weight - rate * (gradient + momentum * velocity)"
    ),
    "adam": (
        "m = beta1 * m + (1 - beta1) * gradient; v = beta2 * v + (1 - beta2) * gradient^2; "
        "weight - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)"
    ),
}
"""Every optimiser by the name the user types, with its rule.

Momentum: B. Polyak, 1964. Nesterov: I. Sutskever et al., ICML 2013, in the form that needs
the gradient at the current weights only. Adam: D. Kingma and J. Ba, ICLR 2015.
"""


class Memory(NamedTuple):
    """What an optimiser remembers of one weight between updates.

    Attributes
    ----------
    first : number; the velocity of momentum and Nesterov, the mean m of Adam
    second : number; the mean square v of Adam
    """

    first: Number
    second: Number


def start_memory(layers: Sequence[Layer]) -> list[Layer]:
    """Return a `Memory` of zeros for every weight and bias, in the shape of the layers.

    Examples
    --------
    >>> start_memory([Layer([[0.5]], None, "linear")])[0].weights
    [[Memory(first=0.0, second=0.0)]]
    """
    return [for_each_weight(lambda w: Memory(w * 0, w * 0), layer) for layer in layers]


def update_weight(
    weight: Number,
    gradient: Number,
    memory: Memory,
    rule: Update,
    rate: Number,
    count: Number,
    decays: bool = True,
) -> tuple[Number, Memory]:
    """Return one weight after an update, and what the optimiser now remembers of it.

    Parameters
    ----------
    weight, gradient : numbers
    memory : Memory, of this weight
    rule : Update
    rate : number, the learning rate
    count : int, how many updates there will have been, this one included: 1, 2, …
    decays : bool; false for a bias, which L2 leaves alone

    Examples
    --------
    >>> update_weight(0.5, 0.25, Memory(0.0, 0.0), Update(), 1.0, 1)[0]
    0.25
    """
    constant = lambda value: in_kind_of(weight, value)  # noqa: E731
    rate = constant(rate)
    if decays and rule.l2:
        gradient = gradient + constant(rule.l2) * weight
    if rule.optimizer == "sgd":
        weight = weight - rate * gradient
    elif rule.optimizer == "adam":
        beta1, beta2 = constant(rule.beta1), constant(rule.beta2)
        m = beta1 * memory.first + (1 - beta1) * gradient
        v = beta2 * memory.second + (1 - beta2) * (gradient * gradient)
        mean, mean_square = m / (1 - beta1**count), v / (1 - beta2**count)
        weight = weight - rate * mean / (sqrt(mean_square) + constant(rule.epsilon))
        memory = Memory(m, v)
    else:
        momentum = constant(rule.momentum)
        velocity = momentum * memory.first + gradient
        ahead = gradient + momentum * velocity if rule.optimizer == "nesterov" else velocity
        weight = weight - rate * ahead
        memory = Memory(velocity, memory.second)
    return weight if rule.weight_limit is None else limited(weight, constant(rule.weight_limit)), memory


def limited(weight: Number, limit: Number) -> Number:
    """Return the weight, or the end of ±limit that it went beyond.

    Examples
    --------
    >>> limited(-1.5, 1.0)
    -1.0
    """
    return smaller(larger(weight, -limit), limit)


def update(
    layers: Sequence[Layer],
    gradients: Sequence[Gradient],
    memory: Sequence[Layer],
    rule: Update,
    rate: Number,
    count: int,
) -> tuple[list[Layer], list[Layer]]:
    """Return the layers after one update, and the optimiser's memory.

    Examples
    --------
    >>> neuron = [Layer([[0.5]], None, "linear")]
    >>> update(neuron, [Gradient([[1.0]], None)], start_memory(neuron), Update(), 0.25, 1)[0]
    [Layer(weights=[[0.25]], bias=None, activation='linear')]
    """
    new_layers, new_memory = [], []
    for layer, gradient, remembered in zip(layers, gradients, memory, strict=True):
        weights = [
            [update_weight(w, g, m, rule, rate, count) for w, g, m in zip(*rows, strict=True)]
            for rows in zip(layer.weights, gradient.weights, remembered.weights, strict=True)
        ]
        bias = None
        if layer.bias is not None:
            bias = [
                update_weight(b, g, m, rule, rate, count, decays=False)
                for b, g, m in zip(layer.bias, gradient.bias or (), remembered.bias or (), strict=True)
            ]
        pairs = layer._replace(weights=weights, bias=bias)
        new_layers.append(for_each_weight(lambda pair: pair[0], pairs))
        new_memory.append(for_each_weight(lambda pair: pair[1], pairs))
    return new_layers, new_memory


def penalty(layers: Sequence[Layer], l2: Number) -> Number:
    """Return ½·l2·Σweight² over all layers, biases left out.

    Examples
    --------
    >>> penalty([Layer([[1.0, 2.0]], [9.0], "linear")], 0.5)
    1.25
    """
    squares = [w * w for layer in layers for row in layer.weights for w in row]
    return in_kind_of(squares[0], l2) * total(squares) / 2


# ---------------------------------------------------------------- an epoch

SCHEDULES = {
    "constant": "rate",
    "step": "rate * rate_drop ^ (epoch // rate_every)",
    "cosine": "rate * (1 + cos(pi * epoch / epochs)) / 2",
}
"""Every learning rate schedule by the name the user types; epochs count from 0.

Cosine: I. Loshchilov and F. Hutter, ICLR 2017, without restarts.
"""


class Schedule(NamedTuple):
    """How the learning rate changes from epoch to epoch.

    Attributes
    ----------
    rate : number, of epoch 0
    name : str, a key of `SCHEDULES`
    epochs : int, planned in all (cosine)
    drop : number, the factor of a step
    every : int, epochs between steps
    """

    rate: Number
    name: str = "constant"
    epochs: int = 1
    drop: Number = 0.5
    every: int = 1


def learning_rate(schedule: Schedule, epoch: int) -> Number:
    """Return the learning rate of an epoch; epochs count from 0.

    Examples
    --------
    >>> learning_rate(Schedule(0.1, "step", drop=0.5, every=10), 25)
    0.025
    """
    rate = schedule.rate
    if schedule.name == "step":
        return rate * in_kind_of(rate, schedule.drop) ** (epoch // schedule.every)
    if schedule.name == "cosine":
        return rate * in_kind_of(rate, (1 + math.cos(math.pi * epoch / schedule.epochs)) / 2)
    return rate


def random_integers(seed: int, stream: int) -> Callable[[int], int]:
    """Return a function that draws integers in [0, n), all from one seed.

    The generator is SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014): a counter
    through a mixing function, so the numbers of any `stream` can be had without those
    before it. An integer is the upper half of the 128-bit product with n.

    Parameters
    ----------
    seed : int, 0 <= seed < 2**64
    stream : int; an epoch, for shuffling

    Examples
    --------
    >>> draw = random_integers(seed=1, stream=0)
    >>> [draw(10), draw(10), draw(10)]
    [3, 9, 0]
    """
    mask = 2**64 - 1

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    state = mix((seed + 0x9E3779B97F4A7C15 * (stream + 1)) & mask)

    def draw(n: int) -> int:
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        return mix(state) * n >> 64

    return draw


def epoch_order(n_examples: int, seed: int, epoch: int) -> list[int]:
    """Return the order in which a shuffled epoch sees the examples (Fisher and Yates).

    It depends on the seed and the epoch alone, so any epoch can be replayed by itself.

    Examples
    --------
    >>> sorted(epoch_order(4, seed=1, epoch=0))
    [0, 1, 2, 3]
    """
    draw = random_integers(seed, epoch)
    order = list(range(n_examples))
    for last in range(n_examples - 1, 0, -1):
        chosen = draw(last + 1)
        order[last], order[chosen] = order[chosen], order[last]
    return order


class State(NamedTuple):
    """Where training stands.

    Attributes
    ----------
    layers : list of Layer
    memory : list, what the optimiser remembers, in the shape of the layers
    updates : int, made so far
    """

    layers: list[Layer]
    memory: list[Layer]
    updates: int = 0


def start(layers: Sequence[Layer]) -> State:
    """Return the state before the first update.

    Examples
    --------
    >>> start([Layer([[0.5]], None, "linear")]).updates
    0
    """
    return State(list(layers), start_memory(layers))


def step(
    state: State, batch: Sequence[Example], loss_name: str, rule: Update, rate: Number
) -> tuple[State, Number]:
    """Return the state after one update, and the batch's mean loss before it, L2 included.

    Examples
    --------
    >>> before = start([Layer([[0.3, 0.9]], None, "linear")])
    >>> after, _ = step(before, [Example([0.1, 0.8], [0.4])], "half_squared_error", Update(), 1.0)
    >>> after.layers[0].weights
    [[0.26499999999999996, 0.6199999999999999]]
    """
    averaged = batch_gradient(state.layers, batch, loss_name)
    count = state.updates + 1
    layers, memory = update(state.layers, averaged.gradients, state.memory, rule, rate, count)
    value = averaged.loss + penalty(state.layers, rule.l2) if rule.l2 else averaged.loss
    return State(layers, memory, count), value


def epoch(
    state: State,
    examples: Sequence[Example],
    order: Sequence[int],
    batch_size: int,
    loss_name: str,
    rule: Update,
    rate: Number,
) -> tuple[State, Number]:
    """Return the state after one pass over all examples, and the mean loss during it.

    Parameters
    ----------
    order : integers, (n_examples,): which example comes first, second, …
    batch_size : int; the last batch may be smaller

    Examples
    --------
    >>> before = start([Layer([[0.0]], None, "linear")])
    >>> pair = [Example([1.0], [1.0]), Example([2.0], [1.0])]
    >>> after, mean_loss = epoch(before, pair, [0, 1], 2, "half_squared_error", Update(), 1.0)
    >>> after.layers[0].weights, mean_loss
    ([[1.5]], 0.5)
    """
    losses = []
    for first in range(0, len(order), batch_size):
        batch = [examples[i] for i in order[first : first + batch_size]]
        state, value = step(state, batch, loss_name, rule, rate)
        losses.append(value * len(batch))
    return state, total(losses) / len(order)
