"""The definition of training: the course's numbers, derivatives, optimisers, numbers of every kind.

The course's numbers are held digit for digit. Derivatives are held to differences taken in
`Fraction`, where a quadratic's central difference is exact, and in `Decimal` with 60 digits,
where its error is beyond the 30th.
"""

import doctest
import importlib
import inspect
import itertools
import math
import operator
import random
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinyglass
from tinyglass import Examples, Network, Settings, arithmetic, train_examples
from tinyglass.arithmetic import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    Example,
    Gradient,
    Layer,
    Memory,
    Schedule,
    Signals,
    Update,
    backpropagate,
    batch_gradient,
    epoch_order,
    feedforward,
    for_each_weight,
    gradients,
    half_squared_error,
    learning_rate,
    output_deltas,
    start,
    step,
    through_activation,
    update_weight,
)
from tinyglass.core import compiled

SQUARED = ("half_squared_error", "mean_squared_error")
TRAINABLE = ("linear", "sigmoid", "tanh", "relu", "leaky_relu")
ENDINGS = [(output, loss) for loss in LOSSES for output in LOSSES[loss].outputs]
EXACT = [Fraction, Decimal]
seeds = st.integers(0, 2**32 - 1)


def numbers(kind, text):
    """Return the words of a text as numbers: ``numbers(Fraction, "0.3 0.9")``."""
    return [kind(word) for word in text.split()]


def printed(values, digits=5):
    """Return numbers as the course prints them."""
    return [f"{value:.{digits}f}" for value in np.asarray(values, dtype=float).ravel()]


def core_settings(**values):
    """Return settings for the compiled core that change nothing of what they are given."""
    plain = {"hidden": (), "output": "linear", "loss": "half_squared_error", "optimizer": "sgd", "batch": 1}
    plain |= {"schedule": "constant", "l2": 0.0}
    return Settings(**(plain | {"bias": False, "precision": "float64", "scale": "none"} | values))


# ---------------------------------------------------------------- the chapter


def neuron(kind):
    return [Layer([numbers(kind, "0.3 0.9")], None, "linear")]


def chapters_example(kind):
    return Example(numbers(kind, "0.1 0.8"), numbers(kind, "0.4"))


@pytest.mark.parametrize("kind", EXACT)
def test_the_chapters_neuron_is_exact(kind):
    layers, example = neuron(kind), chapters_example(kind)
    signals = feedforward(layers, example.inputs)
    assert signals == [Signals([kind("0.75")], [kind("0.75")])]
    assert arithmetic.errors("half_squared_error", signals[-1].outputs, example.expected) == [kind("0.35")]
    deltas = backpropagate(layers, signals, example.expected, "half_squared_error")
    assert gradients(layers, signals, deltas, example.inputs)[0].weights == [numbers(kind, "0.035 0.28")]

    after, loss = step(start(layers), [example], "half_squared_error", Update(), kind(1))
    assert loss == kind("0.35") ** 2 / 2
    assert after.layers[0].weights == [numbers(kind, "0.265 0.62")]
    output = feedforward(after.layers, example.inputs)[-1].outputs
    assert output == [kind("0.5225")]
    assert arithmetic.errors("half_squared_error", output, example.expected) == [kind("0.1225")]


def test_the_chapters_neuron_in_float64_has_the_digits_of_its_program():
    layers, example = neuron(float), chapters_example(float)
    (output,) = feedforward(layers, example.inputs)[-1].outputs
    assert repr(output) == "0.7500000000000001"
    assert repr(output - 0.4) == "0.3500000000000001"

    after, _ = step(start(layers), [example], "half_squared_error", Update(), 1.0)
    (output,) = feedforward(after.layers, example.inputs)[-1].outputs
    assert repr(output) == "0.5225"
    assert repr(output - 0.4) == "0.12249999999999994"
    assert repr(after.layers[0].weights) == "[[0.26499999999999996, 0.6199999999999999]]"


def test_the_compiled_core_has_the_digits_of_the_chapters_program():
    before = Network([tinyglass.Layer([[0.3, 0.9]], None, "linear")])
    table = Examples([[0.1, 0.8]], [[0.4]])
    run = train_examples(table, core_settings(learning_rate=1.0, epochs=1), start=before)
    assert repr(before.outputs(table.X).tolist()) == "[[0.7500000000000001]]"
    assert repr(run.network.layers[0].weights.tolist()) == "[[0.26499999999999996, 0.6199999999999999]]"
    assert repr(run.network.outputs(table.X).tolist()) == "[[0.5225]]"


def errors_of_repeated_steps(rate, n_steps, kind=Fraction):
    """Return the error before each of so many steps of the chapter's neuron."""
    state, example, found = start(neuron(kind)), chapters_example(kind), []
    for _ in range(n_steps):
        found.append(feedforward(state.layers, example.inputs)[-1].outputs[0] - example.expected[0])
        state, _ = step(state, [example], "half_squared_error", Update(), rate)
    return found


def test_repeated_the_error_shrinks_by_exactly_0_35_a_step():
    found = errors_of_repeated_steps(Fraction(1), 5)
    assert found == numbers(Fraction, "0.35 0.1225 0.042875 0.01500625 0.0052521875")


LARGEST_RATE = 2 / (Fraction("0.1") ** 2 + Fraction("0.8") ** 2)  # 3.0769…


def test_at_the_largest_learning_rate_the_error_swings_for_ever():
    assert printed([LARGEST_RATE], 4) == ["3.0769"]
    assert errors_of_repeated_steps(LARGEST_RATE, 6) == numbers(Fraction, "0.35 -0.35 0.35 -0.35 0.35 -0.35")


@pytest.mark.parametrize(("change", "compare"), [("-0.000001", operator.lt), ("0.000001", operator.gt)])
def test_just_below_the_largest_learning_rate_every_error_is_smaller_and_just_above_larger(change, compare):
    found = errors_of_repeated_steps(LARGEST_RATE + Fraction(change), 40)
    assert all(compare(abs(after), abs(before)) for before, after in itertools.pairwise(found))


@pytest.mark.parametrize(("rate", "times"), [(3.0769, 0.2), (3.0770, 100)])
def test_the_float_and_the_core_converge_below_the_largest_learning_rate_and_diverge_above(rate, times):
    n_steps = 100_000  # the error is multiplied by 1 − 0.65·rate, so close to −1, at each
    expected = 0.35 * abs(1 - 0.65 * rate) ** n_steps
    assert (expected > 0.35) == (times > 1)
    assert expected == pytest.approx(0.35 * times, rel=0.5)

    found = errors_of_repeated_steps(rate, 1000, float)
    assert abs(found[-1]) == pytest.approx(0.35 * abs(1 - 0.65 * rate) ** 999, rel=1e-9)

    before = Network([tinyglass.Layer([[0.3, 0.9]], None, "linear")])
    table = Examples([[0.1, 0.8]], [[0.4]])
    run = train_examples(table, core_settings(learning_rate=rate, epochs=n_steps), start=before)
    assert abs(run.network.outputs(table.X)[0, 0] - 0.4) == pytest.approx(expected, rel=1e-6)


def test_the_averaged_delta_of_two_examples_is_that_of_a_hand_calculation():
    # first example:  inputs 0.1, 0.8, expected 0.4: output 0.75, error  0.35, deltas  0.035,  0.28
    # second example: inputs 0.5, 0.2, expected 0.9: output 0.33, error −0.57, deltas −0.285, −0.114
    # averages: (0.035 − 0.285) / 2 = −0.125 and (0.28 − 0.114) / 2 = 0.083
    # mean of ½·error²: (0.06125 + 0.16245) / 2 = 0.11185
    batch = [chapters_example(Fraction), Example(numbers(Fraction, "0.5 0.2"), numbers(Fraction, "0.9"))]
    averaged = batch_gradient(neuron(Fraction), batch, "half_squared_error")
    assert averaged.gradients[0].weights == [numbers(Fraction, "-0.125 0.083")]
    assert averaged.loss == Fraction("0.11185")
    after, _ = step(start(neuron(Fraction)), batch, "half_squared_error", Update(), Fraction(1))
    assert after.layers[0].weights == [numbers(Fraction, "0.425 0.817")]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_bias_is_a_weight_whose_input_is_the_constant_1(optimizer):
    # Adam takes a square root, which `Fraction` rounds to 28 digits; both sides round the same.
    hidden = [numbers(Fraction, "0.5 -0.22"), numbers(Fraction, "0.61 0.14")]
    output = [numbers(Fraction, "0.7 -0.3")]
    bias = numbers(Fraction, "0.1 -0.2")
    with_bias = start([Layer(hidden, bias, "relu"), Layer(output, None, "linear")])

    def widened(weights, bias):
        return [[*row, b] for row, b in zip(weights, bias, strict=True)]

    with_input = start([Layer(widened(hidden, bias), None, "relu"), Layer(output, None, "linear")])
    rule = Update(optimizer)
    for inputs, expected in [("1.5 0.4", "1"), ("-0.5 2", "0.2"), ("0.3 0.3", "-1")]:
        x, y = numbers(Fraction, inputs), numbers(Fraction, expected)
        with_bias, loss = step(with_bias, [Example(x, y)], "half_squared_error", rule, 0.1)
        with_input, same = step(with_input, [Example([*x, Fraction(1)], y)], "half_squared_error", rule, 0.1)
        assert widened(with_bias.layers[0].weights, with_bias.layers[0].bias) == with_input.layers[0].weights
        assert with_bias.layers[1] == with_input.layers[1]
        assert loss == same


def test_a_bias_lets_a_neuron_answer_when_all_inputs_are_0():
    silent, biased = Layer([[0.3, 0.9]], None, "linear"), Layer([[0.3, 0.9]], [0.25], "linear")
    assert feedforward([silent], [0.0, 0.0])[-1].outputs == [0.0]
    assert feedforward([biased], [0.0, 0.0])[-1].outputs == [0.25]


def test_the_letter_of_the_chapters_second_update_gives_another_number_than_it_prints():
    weight, delta1, delta2 = numbers(Fraction, "0.9 0.035 0.28")
    assert weight - delta1 == Fraction("0.865")
    example = chapters_example(Fraction)
    updated, _ = step(start(neuron(Fraction)), [example], "half_squared_error", Update(), Fraction(1))
    assert updated.layers[0].weights[0][1] == weight - delta2 == Fraction("0.62")


# ---------------------------------------------------------------- the pages around it


def test_the_step_neuron_fires():
    signals = feedforward([Layer([numbers(Fraction, "0.3 0.9")], None, "step")], numbers(Fraction, "0.2 0.8"))
    assert signals == [Signals([Fraction("0.78")], [1])]


@pytest.mark.parametrize("kind", [float, *EXACT])
def test_the_step_fires_from_exactly_one_half_on(kind):
    assert arithmetic.activate("step", numbers(kind, "0.4999999 0.5 0.5000001")) == [0, 1, 1]


@pytest.mark.parametrize(("weights", "outputs"), [("0.3 0.9", [0, 1, 0, 1]), ("0.5 0.9", [0, 1, 1, 1])])
def test_the_or_gate_has_both_tables(weights, outputs):
    gate = [Layer([numbers(Fraction, weights)], None, "step")]
    inputs = [numbers(Fraction, " ".join(word)) for word in ("00", "01", "10", "11")]
    assert [feedforward(gate, x)[-1].outputs[0] for x in inputs] == outputs


def plant(celsius, percent):
    layers = [
        Layer([numbers(Fraction, "0.3 -0.5"), numbers(Fraction, "-0.6 0.4")], None, "step"),
        Layer([numbers(Fraction, "0.7 0.5")], None, "step"),
    ]
    inputs = [Fraction(celsius - 25, 10), Fraction(percent - 70, 10)]
    return feedforward(layers, inputs)[-1].outputs[0]


def test_the_plant_grows_well_when_exactly_one_of_warm_and_moist_holds():
    assert {(c, p): plant(c, p) for c in (20, 30) for p in (60, 80)} == {
        (20, 60): 0,
        (20, 80): 1,
        (30, 60): 1,
        (30, 80): 0,
    }


def test_the_plants_weights_give_1_where_the_page_prints_0():
    assert plant(22, 40) == 1


def gesture_network(kind=Fraction):
    hidden = [numbers(kind, "-0.50 0.22 -0.91"), numbers(kind, "0.61 0.14 -0.48")]
    output = [numbers(kind, "0.73 0.29"), numbers(kind, "-0.29 -0.24")]
    return [Layer(hidden, None, "linear"), Layer(output, None, "linear")]


def gesture_example(kind=Fraction):
    return Example([x / 100 for x in numbers(kind, "5.1 46.7 120.5")], numbers(kind, "1 0"))


def gesture_gradients():
    layers, example = gesture_network(), gesture_example()
    signals = feedforward(layers, example.inputs)
    deltas = backpropagate(layers, signals, example.expected, "half_squared_error")
    return signals, gradients(layers, signals, deltas, example.inputs)


def gesture_loss(layers, kind=Fraction):
    example = gesture_example(kind)
    return half_squared_error(feedforward(layers, example.inputs)[-1].outputs, example.expected)


def test_the_gesture_step_feeds_forward_to_the_printed_digits():
    signals, _ = gesture_gradients()
    assert printed(signals[0].outputs) == ["-1.01931", "-0.48191"]
    outputs = signals[1].outputs
    assert printed(outputs) == ["-0.88385", "0.41126"]
    errors = arithmetic.errors("half_squared_error", outputs, gesture_example().expected)
    assert printed(errors) == ["-1.88385", "0.41126"]


def test_the_gesture_steps_gradients_have_the_printed_digits():
    _, (hidden, output) = gesture_gradients()
    assert printed(output.weights) == ["1.92023", "0.90785", "-0.41920", "-0.19819"]
    assert printed(hidden.weights) == ["-0.07622", "-0.69792", "-1.80084", "-0.03290", "-0.30122", "-0.77725"]


def test_the_gesture_steps_gradients_are_the_slopes_of_its_loss():
    _, found = gesture_gradients()
    assert differences(gesture_network(), gesture_example(), "half_squared_error", Fraction(1, 1000)) == found


def test_one_gesture_step_brings_the_loss_from_1_8590_to_1_7697():
    before = start(gesture_network())
    after, loss = step(before, [gesture_example()], "half_squared_error", Update(), 0.01)
    assert printed([loss], 4) == ["1.8590"]
    assert printed([gesture_loss(after.layers)], 4) == ["1.7697"]


def with_printed_rule(layers, example, rate):
    """Return the hidden gradients by the course's rule, and the layers after one step of it.

    Where the weights downstream belong, it multiplies by the hidden neuron's own output.
    """
    signals = feedforward(layers, example.inputs)
    errors = arithmetic.errors("half_squared_error", signals[1].outputs, example.expected)
    deltas = [[sum(errors) * output for output in signals[0].outputs], errors]
    found = gradients(layers, signals, deltas, example.inputs)
    return found[0].weights, arithmetic.update(layers, found, start(layers).memory, Update(), rate, 1)[0]


def test_the_courses_printed_rule_gives_its_printed_numbers_and_they_are_wrong():
    # The page carries 1.8893 and 0.4116 forward for the errors 1.88385 and 0.41126, and has
    # four digits of everything: its numbers can be met to one unit of the last.
    carried = numbers(Fraction, "-1.8893 0.4116")
    hidden = numbers(Fraction, "-1.0193 -0.4819")
    on_the_page = [sum(carried) * output * x for output in hidden for x in gesture_example().inputs]
    assert np.array(on_the_page, float) == pytest.approx(
        [0.0768, 0.7034, 1.8150, 0.0363, 0.3326, 0.8580], rel=0, abs=1e-4
    )
    rule, after = with_printed_rule(gesture_network(), gesture_example(), 0.01)
    assert printed([gesture_loss(after)], 4) == ["1.8558"]

    _, (true, _) = gesture_gradients()
    assert (np.array(rule) > 0).all()
    assert (np.array(true.weights) < 0).all()


BOARD_HIDDEN = [
    [0.664838063268332, 0.14475863419970098, 0.39798479496743655],
    [-0.1996792640967368, -0.10042784907697525, -0.38665016231765525],
]
BOARD_OUTPUT = [[0.19784347834163832, -0.7106415457739413], [0.6545148412015216, 0.1258938146460059]]
BOARD = Network(
    [tinyglass.Layer(BOARD_HIDDEN, None, "linear"), tinyglass.Layer(BOARD_OUTPUT, None, "linear")],
    classes=("moving_closer", "moving_away"),
)


def course_examples(classes):
    recordings = tinyglass.read_recordings()
    preparation = tinyglass.fit_preparation(recordings, scale=100.0)
    return tinyglass.prepare(recordings, preparation, classes)


def test_the_boards_weights_get_10_of_10_right_with_the_printed_loss():
    examples = course_examples(BOARD.classes)
    outputs = BOARD.outputs(examples.X)
    assert (outputs.argmax(axis=1) == examples.Y.argmax(axis=1)).tolist() == [True] * 10
    assert printed([((outputs - examples.Y) ** 2).sum() / 2]) == ["1.86022"]
    by_definition = [feedforward(BOARD.plain(), x)[-1].outputs for x in examples.X.tolist()]
    losses = [half_squared_error(o, y) for o, y in zip(by_definition, examples.Y.tolist(), strict=True)]
    assert printed([sum(losses)]) == ["1.86022"]


def test_the_boards_first_output_means_moving_closer():
    swapped = course_examples(BOARD.classes[::-1])
    answers = BOARD.outputs(swapped.X).argmax(axis=1)
    assert not (answers == swapped.Y.argmax(axis=1)).any()  # the other way round it gets 0 of 10


def test_with_the_printed_rule_54_of_200_seeds_diverge_and_with_the_true_gradient_none():
    # The course's program at learning rate 0.1: Python's `random`, weights in ±0.1, the recordings
    # (moving closer first) shuffled in place every epoch. All 200 trainings run side by side.
    examples = course_examples(BOARD.classes)
    closer_first = np.argsort(examples.Y[:, 1], kind="stable")
    X, Y = examples.X[closer_first], examples.Y[closer_first]
    weights, orders = [], []
    for seed in range(200):
        rng = random.Random(seed)
        weights.append([rng.uniform(-0.1, 0.1) for _ in range(10)])
        order, seen = list(range(10)), []
        for _ in range(100):
            rng.shuffle(order)
            seen += order
        orders.append(seen)

    def diverged(rule):
        hidden = np.array(weights)[:, :6].reshape(200, 2, 3)
        output = np.array(weights)[:, 6:].reshape(200, 2, 2)
        for now in np.array(orders).T:
            x, y = X[now], Y[now]
            h = np.einsum("sji,si->sj", hidden, x)
            e = np.einsum("skj,sj->sk", output, h) - y
            downstream = (
                h * e.sum(axis=1)[:, None] if rule == "printed" else np.einsum("skj,sk->sj", output, e)
            )
            output = output - 0.1 * np.einsum("sk,sj->skj", e, h)
            hidden = hidden - 0.1 * np.einsum("sj,si->sji", downstream, x)
        answers = np.einsum("skj,sji,ni->snk", output, hidden, X)
        return np.count_nonzero(~(((answers - Y) ** 2).sum(axis=(1, 2)) / 2 < 1e6))

    with np.errstate(over="ignore", invalid="ignore"):
        assert diverged("printed") == 54
    assert diverged("true") == 0


# ---------------------------------------------------------------- slopes


def nudged(layers, place, by):
    """Return the layers with one weight (or bias, input −1) changed."""
    number, neuron_, input_ = place
    layer = layers[number]
    rows, bias = [list(row) for row in layer.weights], None if layer.bias is None else list(layer.bias)
    if input_ < 0:
        bias[neuron_] += by
    else:
        rows[neuron_][input_] += by
    return [*layers[:number], layer._replace(weights=rows, bias=bias), *layers[number + 1 :]]


def differences(layers, example, loss, h):
    """Return the central differences of one example's loss, in the shape of its gradients."""

    def value(place, by):
        outputs = feedforward(nudged(layers, place, by), example.inputs)[-1].outputs
        return arithmetic.loss(loss, layers[-1].activation, outputs, example.expected)

    def slope(*place):
        return (value(place, h) - value(place, -h)) / (2 * h)

    return [
        Gradient(
            [[slope(n, j, i) for i in range(len(row))] for j, row in enumerate(layer.weights)],
            None if layer.bias is None else [slope(n, j, -1) for j in range(len(layer.bias))],
        )
        for n, layer in enumerate(layers)
    ]


def gradients_of(layers, example, loss):
    signals = feedforward(layers, example.inputs)
    return gradients(layers, signals, backpropagate(layers, signals, example.expected, loss), example.inputs)


def flat(layers):
    """Return every weight and bias of layers, or of gradients, which have their shape."""
    return [cell for layer in layers for row in [*layer.weights, layer.bias or []] for cell in row]


def random_task(rng, hidden, output, loss, kind, bias=None):
    """Return a random network of one to three layers, as `kind`, and an example that suits its loss."""
    sizes = rng.integers(1, 5, rng.integers(2, 5)).tolist()
    bias = bool(rng.integers(2)) if bias is None else bias

    def row(n):
        return [kind(repr(round(number, 6))) for number in rng.uniform(-1.5, 1.5, n).tolist()]

    layers = [
        Layer([row(n) for _ in range(m)], row(m) if bias else None, hidden)
        for n, m in itertools.pairwise(sizes)
    ]
    layers[-1] = layers[-1]._replace(activation=output)
    expected = row(sizes[-1])
    if loss == "cross_entropy":
        shares = [abs(y) + kind("0.01") for y in expected]
        expected = [y / sum(shares) for y in shares]
        if output == "sigmoid":
            expected = [y / 2 for y in expected]
    return layers, Example(row(sizes[0]), expected)


def smallest_sum_at_a_kink(layers, example):
    """Return how near to 0, where relu and leaky relu have no slope, a weighted sum comes."""
    signals = zip(layers, feedforward(layers, example.inputs), strict=True)
    return min(
        [abs(s) for layer, here in signals if "relu" in layer.activation for s in here.sums], default=1
    )


@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("hidden", TRAINABLE)
@settings(deadline=None, max_examples=4)
@given(seed=seeds)
def test_backpropagation_gives_the_slopes_of_the_loss(hidden, output, loss, seed):
    with localcontext() as context:
        context.prec = 60
        layers, example = random_task(np.random.default_rng(seed), hidden, output, loss, Decimal)
        assume(smallest_sum_at_a_kink(layers, example) > Decimal("1e-9"))
        found = flat(gradients_of(layers, example, loss))
        expected = flat(differences(layers, example, loss, Decimal("1e-18")))
        assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < Decimal("1e-30")

    floats = [for_each_weight(float, layer) for layer in layers]
    in_float = flat(gradients_of(floats, Example(*([float(v) for v in part] for part in example[:2])), loss))
    scale = max(1.0, *(abs(g) for g in in_float))
    assert in_float == pytest.approx([float(g) for g in found], rel=0, abs=1e-12 * scale)


@pytest.mark.parametrize("loss", SQUARED)
@pytest.mark.parametrize("output", ["linear", "relu", "leaky_relu"])
@pytest.mark.parametrize("hidden", ["linear", "relu", "leaky_relu"])
@settings(deadline=None, max_examples=5)
@given(seed=seeds)
def test_backpropagation_gives_the_slopes_of_the_loss_exactly_in_fractions(hidden, output, loss, seed):
    # Away from a kink the loss is a quadratic in each weight, whose central difference is its slope.
    layers, example = random_task(np.random.default_rng(seed), hidden, output, loss, Fraction)
    assume(smallest_sum_at_a_kink(layers, example) > Fraction(1, 10**9))
    assert gradients_of(layers, example, loss) == differences(layers, example, loss, Fraction(1, 10**15))


POINTS = [-4.0, -1.5, -0.3, 0.2, 0.6, 1.0, 3.5]


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh"])
def test_a_slope_is_the_derivative_that_sympy_finds(activation):
    x = sympy.Symbol("x", real=True)
    derivative = sympy.lambdify(
        x, sympy.diff(sympy.sympify(ACTIVATIONS[activation].formula, locals={"x": x}), x), "math"
    )
    rule, slope = ACTIVATIONS[activation].rule, ACTIVATIONS[activation].slope
    assert [slope(p, rule(p)) for p in POINTS] == pytest.approx([derivative(p) for p in POINTS], rel=1e-13)


@pytest.mark.parametrize(("activation", "below"), [("relu", 0), ("leaky_relu", Fraction(1, 100))])
def test_a_kinked_slope_is_1_above_0_and_the_smaller_one_up_to_0(activation, below):
    rule, slope = ACTIVATIONS[activation].rule, ACTIVATIONS[activation].slope
    points = [Fraction(n, 10) for n in range(-3, 4)]
    assert [slope(p, rule(p)) for p in points] == [below] * 4 + [1] * 3
    h = Fraction(1, 1000)
    assert [(rule(p + h) - rule(p - h)) / (2 * h) for p in points if p] == [below] * 3 + [1] * 3


def test_the_slopes_of_softmax_are_the_jacobian_that_sympy_finds():
    x = sympy.symbols("x:3", real=True)
    outputs = [sympy.exp(s) / sum(sympy.exp(t) for t in x) for s in x]
    jacobian = sympy.lambdify([x], sympy.Matrix(outputs).jacobian(x), "numpy")
    sums = [0.3, -1.2, 0.8]
    signals = Signals(sums, arithmetic.activate("softmax", sums))
    found = [through_activation("softmax", row, signals) for row in np.eye(3).tolist()]
    assert np.array(found) == pytest.approx(jacobian(sums), rel=1e-13)


def test_step_has_no_slope_and_says_so():
    with pytest.raises(TypeError, match="step has no slope"):
        through_activation("step", [1.0], Signals([1.0], [1]))


@pytest.mark.parametrize(("output", "loss"), ENDINGS)
def test_an_output_delta_is_the_slope_of_the_loss_in_the_weighted_sum(output, loss):
    with localcontext() as context:
        context.prec = 60
        sums, h = numbers(Decimal, "0.3 -1.2 0.8"), Decimal("1e-18")
        expected = numbers(Decimal, "0.2 0.7 0.1")

        def value(sums):
            return arithmetic.loss(loss, output, arithmetic.activate(output, sums), expected)

        slopes = []
        for k in range(3):
            up, down = ([s + sign * h * (j == k) for j, s in enumerate(sums)] for sign in (1, -1))
            slopes.append((value(up) - value(down)) / (2 * h))
        found = output_deltas(loss, output, Signals(sums, arithmetic.activate(output, sums)), expected)
        assert max(abs(a - b) for a, b in zip(found, slopes, strict=True)) < Decimal("1e-30")


def test_a_right_and_certain_answer_has_no_cross_entropy_and_a_wrong_one_a_finite_one():
    assert arithmetic.cross_entropy([1.0, 0.0], [1.0, 0.0]) == 0
    assert arithmetic.binary_cross_entropy([1.0, 0.0], [1.0, 0.0]) == 0
    largest = 126 * math.log(2)
    assert arithmetic.cross_entropy([0.0, 1.0], [1.0, 0.0]) == pytest.approx(largest, rel=1e-15)
    assert arithmetic.binary_cross_entropy([0.0, 1.0], [1.0, 0.0]) == pytest.approx(2 * largest, rel=1e-15)


# ---------------------------------------------------------------- the printed formulas


def evaluate(formula, **values):
    """Return the value of a formula as it is printed, assignments and all."""
    *assignments, last = formula.replace("^", "**").split(";")
    known = {name: getattr(math, name) for name in ("exp", "tanh", "sqrt", "cos", "pi")}
    known |= {"sum": np.sum, "ln": np.log} | values
    for assignment in assignments:
        name, _, rule = assignment.partition("=")
        known[name.strip()] = eval(rule.strip(), known)
    return eval(last.strip(), known)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "softmax"])
def test_an_activations_formula_is_its_rule(activation):
    points = [*POINTS, 0.5, 0.0]
    found = [evaluate(ACTIVATIONS[activation].formula, x=p) for p in points]
    assert found == arithmetic.activate(activation, points)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_losss_formula_is_its_rule(loss):
    outputs, expected = [0.2, 0.5, 0.3], [0.0, 1.0, 0.0]
    value = evaluate(LOSSES[loss].formula, output=np.array(outputs), expected=np.array(expected), n_outputs=3)
    assert arithmetic.loss(loss, "softmax", outputs, expected) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimisers_formula_is_its_rule(optimizer):
    rule, memory = Update(optimizer, momentum=0.8, beta1=0.7, beta2=0.95, epsilon=1e-3), Memory(0.4, 0.3)
    value = evaluate(
        OPTIMIZERS[optimizer],
        **rule._asdict() | {"weight": 0.5, "gradient": -0.2, "rate": 0.1, "t": 3},
        **{"velocity": 0.4, "m": 0.4, "v": 0.3},
    )
    assert update_weight(0.5, -0.2, memory, rule, 0.1, 3)[0] == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedules_formula_is_its_rule(name):
    schedule = Schedule(0.3, name, epochs=20, drop=0.7, every=4)
    for epoch in range(20):
        values = {"rate": 0.3, "rate_drop": 0.7, "rate_every": 4, "epoch": epoch, "epochs": 20}
        assert learning_rate(schedule, epoch) == pytest.approx(evaluate(SCHEDULES[name], **values), rel=1e-15)


# ---------------------------------------------------------------- numbers that remember


class Remembering:
    """A number that remembers how it was made, as text that Python can read."""

    def __init__(self, value, text=None):
        self.value, self.text = value, text or repr(value)

    def made_by(self, function):
        return type(self)(function(self.value), f"{function.__name__}({self.text})")

    def combined(self, sign, left, right):
        compute = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[sign]
        text = f"({text_of(left)} {sign} {text_of(right)})"
        return type(self)(compute(value_of(left), value_of(right)), text)

    def __neg__(self):
        return type(self)(-self.value, f"-{self.text}")

    def __add__(self, other):
        return self.combined("+", self, other)

    def __radd__(self, other):
        return self.combined("+", other, self)

    def __sub__(self, other):
        return self.combined("-", self, other)

    def __rsub__(self, other):
        return self.combined("-", other, self)

    def __mul__(self, other):
        return self.combined("*", self, other)

    def __rmul__(self, other):
        return self.combined("*", other, self)

    def __truediv__(self, other):
        return self.combined("/", self, other)

    def __rtruediv__(self, other):
        return self.combined("/", other, self)

    def __lt__(self, other):
        return self.value < value_of(other)

    def __gt__(self, other):
        return self.value > value_of(other)

    def exp(self):
        return self.made_by(math.exp)

    def sqrt(self):
        return self.made_by(math.sqrt)

    def tanh(self):
        return self.made_by(math.tanh)


class Traced(Remembering):
    def ln(self):
        return self.made_by(math.log)


class TracedWithLog(Remembering):
    def log(self):
        return self.made_by(math.log)


def value_of(number):
    return number.value if isinstance(number, Remembering) else number


def text_of(number):
    return number.text if isinstance(number, Remembering) else repr(number)


def as_traced(state):
    """Return the state with every number of it remembering, from here on."""
    return state._replace(
        layers=[for_each_weight(Traced, layer) for layer in state.layers],
        memory=[for_each_weight(lambda m: Memory(*map(Traced, m)), layer) for layer in state.memory],
    )


def every_number(state):
    return flat(state.layers) + [part for memory in flat(state.memory) for part in memory]


PAIRED = [
    *((hidden, output, loss, "sgd") for hidden in TRAINABLE for output, loss in ENDINGS),
    *(("tanh", output, loss, optimizer) for output, loss in ENDINGS for optimizer in OPTIMIZERS),
]


@pytest.mark.parametrize(("hidden", "output", "loss", "optimizer"), PAIRED)
def test_a_step_on_numbers_that_remember_has_the_floats_bits_and_texts_that_evaluate_to_them(
    hidden, output, loss, optimizer
):
    rng = np.random.default_rng([TRAINABLE.index(hidden), ENDINGS.index((output, loss)), len(optimizer)])
    layers = [
        Layer(rng.uniform(-1, 1, (2, 2)).tolist(), rng.uniform(-1, 1, 2).tolist(), activation)
        for activation in (hidden, output)
    ]
    batch = [
        Example(rng.uniform(-1, 1, 2).tolist(), rng.dirichlet([1, 1]).tolist(), weight)
        for weight in (0.5, 1.5)
    ]
    rule = Update(optimizer, l2=0.01, weight_limit=0.8)
    before, _ = step(start(layers), batch, loss, rule, 0.1)  # so that the optimiser has something in mind
    floats, float_loss = step(before, batch, loss, rule, 0.1)
    traced, traced_loss = step(as_traced(before), batch, loss, rule, 0.1)

    found, expected = [traced_loss, *every_number(traced)], [float_loss, *every_number(floats)]
    assert [value_of(number) for number in found] == expected
    functions = {"exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh}
    assert [eval(text_of(number), functions) for number in found] == expected
    assert any(
        isinstance(number, Remembering) and "0.01" in number.text for number in found
    )  # L2 is in the text


def test_a_number_may_call_its_logarithm_ln_or_log():
    assert arithmetic.ln(Traced(0.25)).text == arithmetic.ln(TracedWithLog(0.25)).text == "log(0.25)"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("hidden", TRAINABLE)
def test_float32_numbers_stay_float32_through_a_step(hidden, output, loss, optimizer):
    rng = np.random.default_rng(1)

    def floats(*shape):
        return [list(row) for row in rng.uniform(-1, 1, shape).astype(np.float32)]

    layers = [Layer(floats(2, 2), floats(1, 2)[0], activation) for activation in (hidden, output)]
    batch = [Example(floats(1, 2)[0], list(rng.dirichlet([1, 1]).astype(np.float32))) for _ in range(3)]
    state, value = step(start(layers), batch, loss, Update(optimizer, l2=0.01), 0.1)
    state, value = step(state, batch, loss, Update(optimizer, l2=0.01), 0.1)
    assert {type(number) for number in [value, *every_number(state)]} == {np.float32}


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("output", "loss"), ENDINGS)
@pytest.mark.parametrize("hidden", TRAINABLE)
def test_a_step_on_exact_numbers_is_that_on_floats_but_for_rounding(hidden, output, loss, optimizer, kind):
    rng = np.random.default_rng(2)
    layers, example = random_task(rng, hidden, output, loss, kind, bias=True)
    rule = Update(optimizer, l2=0.01, weight_limit=1.0)
    floats = start([for_each_weight(float, layer) for layer in layers])
    float_example = Example(*([float(v) for v in part] for part in example[:2]))
    exact = start(layers)
    for _ in range(2):
        exact, exact_loss = step(exact, [example], loss, rule, 0.1)
        floats, float_loss = step(floats, [float_example], loss, rule, 0.1)
    assert float(exact_loss) == pytest.approx(float_loss, rel=1e-12)
    found, expected = [float(w) for w in every_number(exact)], every_number(floats)
    assert found == pytest.approx(expected, rel=0, abs=1e-12)


def test_tanh_of_a_small_decimal_or_fraction_has_all_its_digits():
    for exponent in (1, 5, 10, 20, 40, 80):
        x = Decimal(f"1.2345e-{exponent}")
        with localcontext() as context:
            context.prec = 200
            expected = ((2 * x).exp() - 1) / ((2 * x).exp() + 1)
        assert abs(arithmetic.tanh(x) / expected - 1) < Decimal("1e-26")
        assert abs(Decimal(float(arithmetic.tanh(Fraction(x)))) / expected - 1) < Decimal("1e-15")
        assert arithmetic.tanh(-x) == -arithmetic.tanh(x)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("constant", [0.1, np.float64(0.1)])
def test_a_setting_of_0_1_is_exactly_a_tenth_for_exact_numbers(kind, constant):
    assert arithmetic.in_kind_of(kind(3), constant) == kind("0.1")


def test_functions_of_extreme_floats_are_defined():
    assert arithmetic.exp(1000.0) == math.inf
    assert arithmetic.exp(-1000.0) == 0
    assert arithmetic.activate("sigmoid", [-1000.0, 1000.0]) == [0, 1]
    assert arithmetic.activate("softmax", [-1000.0, 1000.0]) == [0, 1]
    assert arithmetic.activate("softmax", [1e308, 1e308]) == [0.5, 0.5]


# ---------------------------------------------------------------- optimisers


def weights_after(rule, weights, slope, rate, n_updates, kind=Fraction):
    """Return a single weight after each update, its gradient being a function of it."""
    weight, memory, found = kind(weights), Memory(kind(0), kind(0)), []
    for count in range(1, n_updates + 1):
        weight, memory = update_weight(weight, slope(weight), memory, rule, rate, count)
        found.append(weight)
    return found


def test_sgd_goes_against_the_gradient():
    assert weights_after(Update(), "1", lambda w: 2 * w, 0.25, 3) == numbers(Fraction, "0.5 0.25 0.125")


def test_momentum_sums_the_gradients_it_remembers():
    # velocities under a gradient of 1: 1, 1 + 0.5, 1 + 0.5 + 0.25; the weight loses a tenth of each
    found = weights_after(Update("momentum", momentum=0.5), "1", lambda w: Fraction(1), 0.1, 3)
    assert found == numbers(Fraction, "0.9 0.75 0.575")


def test_nesterov_is_the_textbooks_momentum_seen_from_where_it_looks_ahead():
    # I. Sutskever et al.: v ← μ·v − ε·∇f(θ + μ·v), θ ← θ + v. The definition's weight is θ + μ·v.
    mu, rate = Fraction("0.8"), Fraction("0.05")

    def slope(w):
        return 3 * w * w - 2 * w + 1

    theta, velocity, expected = Fraction(1), Fraction(0), []
    for _ in range(5):
        velocity = mu * velocity - rate * slope(theta + mu * velocity)
        theta = theta + velocity
        expected.append(theta + mu * velocity)
    assert weights_after(Update("nesterov", momentum=0.8), "1", slope, 0.05, 5) == expected


@pytest.mark.parametrize("gradient", [-1e3, -2.0, -1e-3, 1e-3, 0.7, 1e5])
def test_adams_first_update_is_the_rate_against_the_sign(gradient):
    (found,) = weights_after(Update("adam"), 0.0, lambda w: gradient, 0.01, 1, float)
    assert found == pytest.approx(-0.01 * math.copysign(1, gradient), rel=1.1e-8 / abs(gradient) + 1e-14)


def test_adam_is_the_papers_algorithm():
    beta1, beta2, epsilon, rate = 0.8, 0.9, 1e-3, 0.1
    weight, m, v, expected = 1.0, 0.0, 0.0, []
    for t in range(1, 7):  # D. Kingma and J. Ba, algorithm 1
        g = math.sin(3 * weight)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        weight -= rate * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + epsilon)
        expected.append(weight)
    rule = Update("adam", beta1=beta1, beta2=beta2, epsilon=epsilon)
    found = weights_after(rule, 1.0, lambda w: math.sin(3 * w), rate, 6, float)
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_l2_adds_its_slope_to_the_gradient_of_weights_and_leaves_biases_alone(optimizer):
    layers = [Layer([numbers(Fraction, "0.5 -2")], numbers(Fraction, "3"), "linear")]
    gradient = Gradient([numbers(Fraction, "0.1 0.2")], numbers(Fraction, "0.3"))
    steeper = Gradient([numbers(Fraction, "0.15 0")], numbers(Fraction, "0.3"))  # + 0.1·weight
    memory = start(layers).memory
    with_l2 = arithmetic.update(layers, [gradient], memory, Update(optimizer, l2=0.1), 0.1, 1)
    assert with_l2 == arithmetic.update(layers, [steeper], memory, Update(optimizer), 0.1, 1)


def test_l2_is_the_slope_of_its_penalty_and_part_of_the_loss():
    l2, h = Fraction("0.1"), Fraction(1, 1000)
    layers = [Layer([numbers(Fraction, "0.5 -2")], numbers(Fraction, "3"), "linear")]
    for i, weight in enumerate(layers[0].weights[0]):
        up, down = (arithmetic.penalty(nudged(layers, (0, 0, i), by), l2) for by in (h, -h))
        assert (up - down) / (2 * h) == l2 * weight
    example = Example(numbers(Fraction, "1 1"), numbers(Fraction, "1.5"))  # output 1.5: nothing is lost
    _, loss = step(start(layers), [example], "half_squared_error", Update(l2=0.1), 0.1)
    assert loss == arithmetic.penalty(layers, l2) == Fraction("0.2125")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_weight_or_bias_leaves_the_weight_limit(optimizer):
    layers = [Layer([numbers(Fraction, "0.5 -0.5 0.1")], numbers(Fraction, "0.5"), "linear")]
    gradient = Gradient([numbers(Fraction, "-100 100 0")], numbers(Fraction, "-100"))
    rule = Update(optimizer, weight_limit=0.6)
    (after,), _ = arithmetic.update(layers, [gradient], start(layers).memory, rule, 1.0, 1)
    assert (after.weights, after.bias) == ([numbers(Fraction, "0.6 -0.6 0.1")], numbers(Fraction, "0.6"))


def test_the_schedules_change_the_rate_as_they_say():
    constant, falling = Schedule(Fraction("0.1")), Schedule(Fraction("0.1"), "step", drop=0.5, every=3)
    assert [learning_rate(constant, epoch) for epoch in (0, 5, 1000)] == [Fraction("0.1")] * 3
    steps = "0.1 0.1 0.1 0.05 0.05 0.05 0.025"
    assert [learning_rate(falling, epoch) for epoch in range(7)] == numbers(Fraction, steps)
    cosine = [learning_rate(Schedule(0.1, "cosine", epochs=4), epoch) for epoch in range(4)]
    aside = 0.05 * math.sqrt(0.5)
    assert cosine == pytest.approx([0.1, 0.05 + aside, 0.05, 0.05 - aside], rel=1e-14)


# ---------------------------------------------------------------- several examples


def test_an_examples_weight_multiplies_its_loss_and_its_gradient():
    # gradients 0.035, 0.28 and −0.285, −0.114 (the averaged delta above), weighted 2 and ½, over 2 examples
    batch = [
        chapters_example(Fraction)._replace(weight=Fraction(2)),
        Example(numbers(Fraction, "0.5 0.2"), numbers(Fraction, "0.9"), Fraction(1, 2)),
    ]
    averaged = batch_gradient(neuron(Fraction), batch, "half_squared_error")
    assert averaged.gradients[0].weights == [numbers(Fraction, "-0.03625 0.2515")]
    assert averaged.loss == (2 * Fraction("0.06125") + Fraction("0.16245") / 2) / 2


def test_the_last_partial_batch_is_averaged_over_its_own_size():
    # A weight of 0 from input 1 to expected 1, 3 and 5, at rate 1. First batch: mean error −2, weight 2,
    # loss (½ + 4½) / 2 = 2½. Second batch, one example: error −3, weight 5, loss 4½.
    # Mean loss over the three examples: (2·2½ + 4½) / 3 = 19/6.
    examples = [Example([Fraction(1)], [Fraction(y)]) for y in (1, 3, 5)]
    state = start([Layer([[Fraction(0)]], None, "linear")])
    after, loss = arithmetic.epoch(state, examples, [0, 1, 2], 2, "half_squared_error", Update(), Fraction(1))
    assert (after.layers[0].weights, after.updates, loss) == ([[5]], 2, Fraction(19, 6))


@given(n=st.integers(1, 60), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**40))
def test_an_order_is_a_permutation_and_the_cores(n, seed, epoch):
    order = epoch_order(n, seed, epoch)
    assert sorted(order) == list(range(n))
    assert compiled.epoch_order(n, seed, epoch).tolist() == order


def test_an_order_depends_on_the_seed_and_on_the_epoch():
    orders = {tuple(epoch_order(20, seed, epoch)) for seed in range(30) for epoch in range(30)}
    assert len(orders) == 900


def test_every_order_is_equally_likely():
    counts = dict.fromkeys(itertools.permutations(range(3)), 0)
    for epoch in range(6000):
        counts[tuple(epoch_order(3, seed=7, epoch=epoch))] += 1
    assert len(counts) == 6
    assert max(abs(count - 1000) for count in counts.values()) < 5 * math.sqrt(6000 * 1 / 6 * 5 / 6)


def test_the_generator_is_splitmix64():
    # The published first numbers from seed 1234567. A stream starts from the mixed seed, so the
    # seed is chosen that mixes to it: the mixing function is undone step by step.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]

    def unshift(z, by):
        result = z
        for _ in range(64 // by):
            result = z ^ (result >> by)
        return result

    z = unshift(1234567, 31)
    z = unshift(z * pow(0x94D049BB133111EB, -1, 2**64) % 2**64, 27)
    z = unshift(z * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64, 30)
    draw = arithmetic.random_integers((z - 0x9E3779B97F4A7C15) % 2**64, stream=0)
    assert [draw(2**64) for _ in range(4)] == published


# ---------------------------------------------------------------- what the documentation claims


MODULES = ["arithmetic", "errors", "settings", "storage", "network", "recordings", "preparation", "training"]


@pytest.mark.parametrize("name", [*MODULES, "prediction", "evaluation"])
def test_a_modules_examples_give_what_they_print(name):
    module = importlib.import_module(f"tinyglass.{name}")
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_every_public_function_of_the_definition_has_an_example():
    functions = [
        f
        for name, f in inspect.getmembers(arithmetic, inspect.isfunction)
        if name[0] != "_" and f.__module__ == "tinyglass.arithmetic"
    ]
    assert len(functions) > 20
    assert [f.__name__ for f in functions if ">>>" not in (f.__doc__ or "")] == []
