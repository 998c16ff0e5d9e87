"""A network and a step that a learner writes down: read as written, explained by the definition, refused kindly."""

import itertools
import json
import math
import tomllib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyglass import arithmetic
from tinyglass.arithmetic import Example, Layer, Update, batch_gradient, feedforward
from tinyglass.errors import ArgumentError, StorageError, TinyglassError
from tinyglass.explain.course.gesture import HIDDEN, NETWORK, OUTPUT
from tinyglass.explain.course.neuron import CHAPTER
from tinyglass.explain.explanation import Line, Table
from tinyglass.explain.formats.formula import ExactWriter
from tinyglass.explain.learner.explaining import explain_file
from tinyglass.explain.learner.written import parse
from tinyglass.explain.mistakes import loss_of, true_rule, with_printed_rule
from tinyglass.explain.notation import Style
from tinyglass.explain.replay import exactly
from tinyglass.explain.working import work

EXAMPLES = Path(__file__).parent.parent / "examples"
GESTURE = NETWORK.format("[0.051, 0.467, 1.205]", "[1, 0]", HIDDEN, OUTPUT)


@pytest.fixture
def explain(tmp_path):
    """Write a file and explain it."""

    def explained(text, **wishes):
        path = tmp_path / "net.toml"
        path.write_text(text, encoding="utf-8")
        return explain_file(path, **wishes)

    return explained


def kinds(explanation):
    return [section.kind for section in explanation.sections]


# ---------------------------------------------------------------- as written


def test_numbers_are_as_written(explain):
    explanation = explain(CHAPTER)
    assert explanation["sum"].value == Fraction("0.75")
    assert [explanation[f"weight{i}_new"].value for i in (1, 2)] == [Fraction("0.265"), Fraction("0.62")]
    assert "weight2_new = weight2 - learning_rate * δ_weight2 = 0.9 - 1 * 0.28 = 0.62" in str(explanation)


def test_in_float64_the_chapter_has_the_digits_of_its_program(explain):
    explanation = explain(CHAPTER, exact=False)
    assert repr(float(explanation["sum"].value)) == "0.7500000000000001"
    assert repr(float(explanation["weight1_new"].value)) == "0.26499999999999996"


def test_one_neuron_may_stand_without_its_layer(explain):
    flat = "inputs = [0.1, 0.8]\nexpected = 0.4\nlearning_rate = 1\n"
    forms = [
        flat + 'weights = [0.3, 0.9]\nbias = 0.1\nactivation = "tanh"',
        flat + 'weights = [[0.3, 0.9]]\nbias = [0.1]\nactivation = "tanh"',
        flat + '[[layers]]\nweights = [[0.3, 0.9]]\nbias = 0.1\nactivation = "tanh"',
        flat.replace("0.4", "[0.4]").replace("learning_rate", "learning-rate")
        + 'layers = [{weights = [0.3, 0.9], bias = [0.1], activation = "tanh"}]',
        flat.replace("[0.1, 0.8]", "[[0.1, 0.8]]").replace("0.4", "[[0.4]]")
        + '["layers"]'.replace('["layers"]', "[[layers]]")
        + '\nactivation = "tanh"\nbias = 0.1\nweights = [0.3, 0.9]',
    ]
    texts = {str(explain(form)) for form in forms}
    assert len(texts) == 1


def test_what_is_not_written_is_the_courses(explain):
    step = parse("inputs = [1, 2]\nweights = [1, 1]\nexpected = 0\nlearning_rate = 0.1", "f").step
    assert (step.loss, step.rule, step.layers[0].activation, step.layers[0].bias) == (
        "half_squared_error",
        Update(),
        "linear",
        None,
    )


def test_without_expected_there_is_feedforward_only(explain):
    explanation = explain("inputs = [0.1, 0.8]\nweights = [0.3, 0.9]\nlearning_rate = 1")
    assert kinds(explanation) == ["place", "feedforward", "left_out"]
    assert explanation["output"].value == Fraction("0.75")
    assert "Add expected" in str(explanation)


def test_without_a_learning_rate_there_are_gradients_and_no_update(explain):
    explanation = explain("inputs = [0.1, 0.8]\nweights = [0.3, 0.9]\nexpected = 0.4")
    assert kinds(explanation) == ["place", "feedforward", "error", "backpropagation", "gradients", "left_out"]
    assert "Add learning_rate" in str(explanation)


@pytest.mark.parametrize("expected", ["", "expected = [0, 1]"])
def test_a_step_runs_forward_only(explain, expected):
    explanation = explain(
        f'inputs = [[0.2, 0.8], [1, 1]]\n{expected}\nweights = [0.3, 0.9]\nactivation = "step"',
        as_printed=True,
    )
    wanted = ["place", "feedforward", "feedforward", *(["error"] if expected else []), "left_out"]
    assert kinds(explanation) == wanted
    assert [explanation[f"output@{e}"].value for e in (1, 2)] == [1, 1]
    if expected:
        (table,) = explanation.sections[3].items
        assert [row[3] for row in table.rows] == ["differs", ""]


def test_several_examples_are_averaged(explain):
    explanation = explain(
        "inputs = [[0.1, 0.8], [0.5, 0.2]]\nexpected = [0.4, 0.9]\nlearning_rate = 1\nweights = [0.3, 0.9]"
    )
    averages = [explanation[f"δ_weight{i}_average"].value for i in (1, 2)]
    assert averages == [Fraction("-0.125"), Fraction("0.083")]
    assert [explanation[f"weight{i}_new"].value for i in (1, 2)] == [Fraction("0.425"), Fraction("0.817")]


def test_one_example_one_neuron_or_one_weight_can_be_shown(explain):
    text = GESTURE.replace("[0.051, 0.467, 1.205]", "[[0.051, 0.467, 1.205], [1, 0, 0]]")
    text = text.replace("[1, 0]\nlearn", "[[1, 0], [0, 1]]\nlearn")
    assert {s.example for s in explain(text, example=2).sections} == {None, 2}
    assert {line.name.input for line in explain(text, weight="hidden[1,2]").lines("update")} == {None, 2}
    assert {line.name.neuron for line in explain(text, neuron="output[1]").lines("update")} == {None, 1}
    with pytest.raises(ArgumentError, match="Expected an example from 1 to 2, found 3"):
        explain(text, example=3)


def test_names_of_inputs_and_classes_are_shown(explain):
    text = 'input_names = ["warm", "wet"]\nclasses = ["grows"]\ninputs = [1, 2]\nweights = [1, 1]'
    assert "warm" in str(explain(text))
    assert "grows" in str(explain(text))


def test_long_numbers_are_rounded_unless_digits_are_asked_for(explain):
    text = 'inputs = [0.1, 0.8]\nweights = [0.3, 0.9]\nactivation = "sigmoid"'
    assert "output = 1 / (1 + exp(-sum)) = 1 / (1 + exp(-0.75)) = 0.679179" in str(explain(text))
    assert "0.6791786991753929" in str(explain(text, style=Style(digits=17)))
    assert Decimal(explain(text)["output"].value) == 1 / (1 + Decimal("-0.75").exp())


def test_the_gradients_can_be_checked(explain):
    explanation = explain(GESTURE, check_gradients=True)
    assert explanation.facts["gradient_check"]["disagree"] == 0
    assert explanation.facts["gradient_check"]["checked"] == 10


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "html", "json"])
@pytest.mark.parametrize("as_printed", [False, True])
def test_every_format_shows_the_examples_that_are_shipped(format, as_printed):
    for name in ("chapter.toml", "network.toml"):
        assert explain_file(EXAMPLES / name, as_printed=as_printed).show(format)


def test_the_chapters_file_is_the_chapter():
    assert tomllib.loads((EXAMPLES / "chapter.toml").read_text(encoding="utf-8")) == tomllib.loads(CHAPTER)


def test_the_command_explains_a_file_and_refuses_another(command, tmp_path):
    done = command("explain", EXAMPLES / "chapter.toml", "--as-printed", "--json")
    assert json.loads(done.stdout)["facts"] == {"file": "chapter.toml", "exact": True, "as_printed": True}
    (tmp_path / "bad.toml").write_text("inputs = [0.1, 0.8]\nweights = [0.3]")
    done = command("explain", tmp_path / "bad.toml")
    assert done.returncode == 2
    assert "Expected 2 weights a neuron" in done.stderr
    assert "bad.toml, line 2, weights" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- by the definition

numbers = st.integers(-30, 30).map(lambda n: n / 10)


@st.composite
def networks(draw):
    """A TOML text, and the same as plain layers, batch and settings."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    n = draw(st.integers(1, 3))

    def rows(count, width):
        return draw(
            st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=count, max_size=count)
        )

    layers = []
    for before, after in itertools.pairwise(sizes):
        last = ["softmax"] if len(layers) == len(sizes) - 2 else []
        activation = draw(st.sampled_from(["linear", "sigmoid", "tanh", "relu", "leaky_relu", *last]))
        layers.append((rows(after, before), draw(st.sampled_from([None, rows(1, after)[0]])), activation))
    X, Y = rows(n, sizes[0]), rows(n, sizes[-1])
    loss = draw(st.sampled_from(["half_squared_error", "mean_squared_error"]))
    rate = draw(st.sampled_from([0.01, 0.5]))
    optimizer = draw(st.sampled_from(list(arithmetic.OPTIMIZERS)))
    text = (
        f'inputs = {X}\nexpected = {Y}\nloss = "{loss}"\nlearning_rate = {rate}\noptimizer = "{optimizer}"\n'
    )
    for weights, bias, activation in layers:
        text += f'[[layers]]\nweights = {weights}\nactivation = "{activation}"\n'
        text += "" if bias is None else f"bias = {bias}\n"
    return text, [Layer(*layer) for layer in layers], X, Y, loss, rate, optimizer


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(network=networks(), exact=st.booleans(), as_printed=st.booleans())
def test_what_is_explained_is_what_the_definition_gives(explain, network, exact, as_printed):
    text, layers, X, Y, loss, rate, optimizer = network
    explanation = explain(text, exact=exact, as_printed=as_printed, notation="standard")
    batch = [Example(x, y) for x, y in zip(X, Y, strict=True)]
    state, _ = arithmetic.step(arithmetic.start(layers), batch, loss, Update(optimizer), rate)
    names = explanation.notation
    true = {
        line.name: line.number.value for s in explanation.sections if s.kind == "update" for line in _lines(s)
    }
    gradients = batch_gradient(layers, batch, loss).gradients
    for l, layer in enumerate(state.layers):
        for j, row in enumerate(layer.weights):
            for i, weight in [*enumerate(row), *([] if layer.bias is None else [(-1, layer.bias[j])])]:
                part = gradients[l]
                gradient = part.bias[j] if i < 0 else part.weights[j][i]
                if optimizer == "adam" and abs(gradient) < 1e-6:
                    continue  # there Adam's quotient is mostly rounding
                symbol = next(s for s in true if s[:4] == ("new", l, j, i))
                assert float(true[symbol]) == pytest.approx(weight, rel=1e-6, abs=1e-9), names.text(symbol)
    assert explanation.facts["exact"] is exact


def _lines(section):
    return [item for item in section.items if isinstance(item, Line)]


def printed_by_hand(layers, x, y, loss):
    """Return the gradients of one example by the course's rule, scalar by scalar."""
    signals = feedforward(layers, x)
    deltas = [arithmetic.output_deltas(loss, layers[-1].activation, signals[-1], y)]
    for layer, here in zip(layers[-2::-1], signals[-2::-1], strict=True):
        errors = [output * sum(deltas[0]) for output in here.outputs]
        deltas.insert(0, arithmetic.through_activation(layer.activation, errors, here))
    return arithmetic.gradients(layers, signals, deltas, x)


@settings(max_examples=25, deadline=None)
@given(network=networks())
def test_the_printed_hidden_rule_is_the_courses_for_any_network(network):
    text, layers, X, Y, loss, _, _ = network
    step = exactly(parse(text, "net.toml").step)
    found = with_printed_rule(step, work(step)).gradients
    each = [printed_by_hand(layers, x, y, loss) for x, y in zip(X, Y, strict=True)]
    for l, part in enumerate(found):
        mean = np.mean([one[l].weights for one in each], axis=0)
        np.testing.assert_allclose(part.weights.astype(float), mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        found[-1].weights.astype(float),
        work(step).gradients[-1].weights.astype(float),
        rtol=1e-12,
        atol=1e-12,
    )


# ---------------------------------------------------------------- as printed


def as_printed(explanation):
    return {s.title.removeprefix("As printed: "): s for s in explanation.sections if s.kind == "as_printed"}


def test_a_learners_network_gets_the_courses_mistakes(explain):
    found = as_printed(explain(GESTURE, as_printed=True))
    assert list(found) == [
        "hidden gradients",
        "weight2 - δ_weight1",
        "learning rate * δ",
        "the sum of the errors",
    ]
    for section in found.values():
        assert section.items[0].startswith("AS PRINTED, AND WRONG.")
        notes = [line.note for line in _lines(section)]
        assert notes == ["as printed", "true"] * (len(notes) // 2)
        assert notes
    assert as_printed(explain(GESTURE)) == {}


def test_without_a_learning_rate_only_gradients_and_sum_are_compared(explain):
    text = GESTURE.replace("learning_rate = 0.01\n", "")
    assert list(as_printed(explain(text, as_printed=True))) == ["hidden gradients", "the sum of the errors"]


def test_other_optimisers_have_no_printed_update(explain):
    text = CHAPTER + 'optimizer = "adam"'
    assert list(as_printed(explain(text, as_printed=True))) == ["the update"]
    assert "plain gradient descent" in str(explain(text, as_printed=True))


def test_the_printed_lines_of_any_network_are_what_their_values_make():
    explanation = explain_file(EXAMPLES / "network.toml", as_printed=True)
    writer = ExactWriter(explanation.notation)
    lines = list(explanation.lines("as_printed"))
    assert len(lines) > 30
    for line in lines:
        values = writer.values(line)
        assert eval(values, {"exp": math.exp}) == pytest.approx(float(line.number.value), rel=1e-12)


def test_in_a_deep_network_the_printed_rule_goes_on_from_its_own_deltas(explain):
    deep = "inputs = [0.5]\nexpected = 1\nlearning_rate = 0.1\n" + "[[layers]]\nweights = [[0.5], [2]]\n"
    deep += "[[layers]]\nweights = [[1, -1], [0.5, 1]]\n" + "[[layers]]\nweights = [[1, 2]]\n"
    explanation = explain(deep, as_printed=True, notation="standard")
    section = as_printed(explanation)["hidden gradients"]
    values = {explanation.notation.text(line.name): line.number.value for line in _lines(section)}
    # hidden1 0.25, 1; hidden2 −0.75, 1.125; output 1.5; error 0.5
    deltas = [Fraction("-0.75") / 2, Fraction("1.125") / 2]
    assert values["hidden1[0].error_as_printed"] == Fraction("0.25") * sum(deltas)
    assert values["hidden1[0,0].gradient_as_printed"] == Fraction("0.25") * sum(deltas) / 2


def test_the_loss_after_each_rule_stands_in_a_table(explain):
    for section in as_printed(explain(GESTURE, as_printed=True)).values():
        table = section.items[-1]
        assert isinstance(table, Table)
        step = exactly(parse(GESTURE, "f").step)
        shown = {row[0]: row[-2 if row[0].isdigit() else -1] for row in table.rows}
        if "1" in shown:
            assert shown["1"] == pytest.approx(float(loss_of(true_rule(step))))
        else:
            assert shown["after a true step"] == loss_of(true_rule(step))


# ---------------------------------------------------------------- careless files

LAYERS = "inputs = [1, 2]\n[[layers]]\nweights = [[1, 2], [3, 4]]\n[[layers]]\n"
CARELESS = {
    "row too short": (
        "inputs = [1, 2]\nweights = [0.3]",
        "Expected 2 weights",
        "line 2, weights",
        "one weight",
    ),
    "decimal commas": (
        "inputs = [1, 2]\nweights = [0,3, 0,9]",
        "found 4",
        "line 2, weights",
        "with a point: 0.3",
    ),
    "ragged rows": ("inputs = [1]\n\nweights = [[1], [2, 3]]", "row 2 has 2", "line 3, weights", "every row"),
    "second layer": (
        LAYERS + "weights = [[1, 2, 3]]",
        "2 neurons of layer 1",
        "line 5, weights of layer 2",
        "",
    ),
    "mixed brackets": (
        "inputs = [[1], 2]\nweights = [1]",
        "Some rows have brackets",
        "line 1, inputs",
        "[[…",
    ),
    "unknown key": ("inputs = [1]\nweight = [1]", "Unknown key 'weight'", "line 2", "Did you mean 'weights'"),
    "unknown table": ("inputs = [1]\n[network]\nweights = [1]", "Unknown key 'network'", "line 2", "Known"),
    "below the layers": (
        LAYERS + "weights = [[1, 2]]\nlearning_rate = 1",
        "Unknown key 'learning_rate' in a layer",
        "line 6, learning_rate of layer 2",
        "move it above the first [[layers]]",
    ),
    "unknown in a layer": (LAYERS + "wheights = [[1]]", "Unknown key 'wheights'", "line 5", "'weights'"),
    "set twice": (
        "inputs = [1]\nweights = [1]\nlearning-rate = 1\nlearning_rate = 1",
        "twice",
        "f.toml",
        "one",
    ),
    "set twice in TOML": ("inputs = [1]\ninputs = [1]", "not valid TOML", "line 2", "nothing is set twice"),
    "activation": (
        'inputs = [1]\nweights = [1]\nactivation = "sigmoyd"',
        "Unknown activation 'sigmoyd'",
        "line 3, activation",
        "Did you mean 'sigmoid'",
    ),
    "activation in a layer": (
        LAYERS + "weights=[1,1]\nactivation=5",
        "'5'",
        "line 6, activation of layer 2",
        "",
    ),
    "softmax within": (
        LAYERS.replace("4]]", '4]]\nactivation = "softmax"') + "weights = [1, 1]",
        "Softmax stands in a hidden layer",
        "line 4, activation of layer 1",
        "last layer only",
    ),
    "no quotes": ("inputs = [1]\nactivation = relu", "not valid TOML", "line 2", "text stands in quotes"),
    "text for a number": (
        'inputs = [1, "0.8"]\nweights = [1, 1]',
        "found text '0.8'",
        "line 1, inputs",
        "without quotes",
    ),
    "true for a number": ("inputs = [true]\nweights = [1]", "found true or false", "line 1", "with a point"),
    "a date": ("inputs = [2024-01-01]\nweights = [1]", "found a date", "line 1", ""),
    "a table": ("inputs = [{a = 1}]\nweights = [1]", "found a table", "line 1", ""),
    "no bracket": ("inputs = [1, 2\nweights = [1, 2]", "not valid TOML", "line 2", "Every [ needs its ]"),
    "no bracket at the end": ("weights = [1]\ninputs = [1, 2", "not valid TOML", "last line", "Every ["),
    "NaN": ("inputs = [nan]\nweights = [1]", "Expected a finite number, found NaN", "line 1, inputs", ""),
    "infinity": ("inputs = [1]\nweights = [-inf]", "finite number, found -Infinity", "line 2, weights", ""),
    "too large": ("inputs = [1]\nweights = [1e999]", "at most 300 digits", "line 2", "shorter"),
    "far too large": ("inputs = [1]\nweights = [1e99999999999999999999]", "finite number", "line 2", ""),
    "too small": ("inputs = [1]\nweights = [1e-999999999]", "at most 300 digits", "line 2", "shorter"),
    "too many digits": ("inputs = [1]\nweights = [" + "1" * 5000 + "]", "too many digits", "f.toml", "fewer"),
    "too many brackets": ("inputs = " + "[" * 5000, "", "f.toml", ""),
    "three brackets": ("inputs = [[[1]]]\nweights = [1]", "found a list", "line 1", ""),
    "too many inputs": ("inputs = [1, 2, 3]\nweights = [1, 2]", "3 inputs", "line 2, weights", "one weight"),
    "no inputs": ("weights = [1]", "There are no inputs", "f.toml", "Add a line such as inputs"),
    "empty inputs": ("inputs = []\nweights = [1]", "empty list", "line 1, inputs", ""),
    "empty rows": ("inputs = [[], []]\nweights = [1]", "empty list", "line 1, inputs", ""),
    "empty file": ("", "no network", "f.toml", "weights = [0.3, 0.9]"),
    "no layers": ("inputs = [1]", "neither weights nor [[layers]]", "f.toml", "Add a line"),
    "empty layers": ("inputs = [1]\nlayers = []", "no layers", "line 2", "[[layers]]"),
    "single brackets": ("inputs = [1]\n[layers]\nweights = [1]", "Expected layers", "line 2", "two brackets"),
    "layers a number": ("inputs = [1]\nlayers = 3", "Expected layers", "line 2, layers", ""),
    "both": ("weights = [1]\n" + LAYERS + "weights = [1, 2]", "beside [[layers]]", "line 1, weights", ""),
    "no weights": (LAYERS + "bias = [1]", "has no weights", "line 4, weights of layer 2", "Add weights"),
    "biases": (
        "inputs = [1]\nweights = [1]\nbias = [1, 2]",
        "there are 2 biases",
        "line 3, bias",
        "one bias",
    ),
    "expected too long": (
        "inputs = [1]\nweights = [1]\nexpected = [1, 2]",
        "found 1 of 2",
        "line 3",
        "one row",
    ),
    "expected too few": (
        "inputs = [[1], [2]]\nweights = [1]\nexpected = 1",
        "Expected 2 rows of 1",
        "line 3, expected",
        "one row an example",
    ),
    "loss": ('inputs = [1]\nweights = [1]\nloss = "mse"', "Unknown loss 'mse'", "line 3, loss", "Known"),
    "loss not defined": (
        'inputs = [1]\nweights = [1]\nexpected = 1\nloss = "cross_entropy"',
        "The outputs are linear, for which cross_entropy is not defined",
        "line 4, loss",
        "softmax or sigmoid",
    ),
    "no probabilities": (
        'inputs = [1]\nweights = [[1], [2]]\nactivation = "softmax"\nexpected = [1, 1]\nloss = "cross_entropy"',
        "expects probabilities",
        "line 4, expected",
        "adding up to 1",
    ),
    "optimizer": ('inputs = [1]\nweights = [1]\noptimizer = "sdg"', "Unknown optimizer", "line 3", "'sgd'"),
    "momentum of none": (
        "inputs = [1]\nweights = [1]\nmomentum = 0.9",
        "the optimizer sgd has none",
        "line 3, momentum",
        'Add optimizer = "momentum"',
    ),
    "negative rate": ("inputs = [1]\nweights = [1]\nlearning_rate = -1", "> 0", "line 3, learning_rate", ""),
    "rate as text": ('inputs = [1]\nweights = [1]\nlearning_rate = "1"', "found text", "line 3", "quotes"),
    "names": ("inputs = [1, 2]\nweights = [1, 1]\ninput_names = [1, 2]", "list of names", "line 3", "quotes"),
    "same names": (
        'inputs = [1, 2]\nweights = [1, 1]\ninput_names = ["a", "a"]',
        "Expected 2 different names, found 1",
        "line 3, input_names",
        "",
    ),
    "too large a network": (
        f"inputs = {[1] * 400}\nweights = {[[1] * 400] * 300}",
        "120000 products",
        "f.toml",
        "smaller network",
    ),
}


@pytest.mark.parametrize("name", CARELESS)
def test_a_careless_file_is_told_what_where_and_how_to_mend_it(name):
    text, what, where, mend = CARELESS[name]
    with pytest.raises(ArgumentError) as caught:
        parse(text, "f.toml")
    error = caught.value
    assert what in error.what
    assert error.where.startswith("f.toml")
    assert where in error.where
    assert mend in error.mend


LARGE = 'inputs = [{}1e100]\nweights = [1e100]\nactivation = "sigmoid"'


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("inputs = [1e200]\nweights = [1e200]\nexpected = 1\nlearning_rate = 1", True),
        ("inputs = [1e200]\nweights = [1e200]\nexpected = 1\nlearning_rate = 1", False),
    ],
)
def test_numbers_out_of_range_are_refused(explain, text, exact):
    with pytest.raises(ArgumentError, match="larger than can be computed"):
        explain(text, exact=exact)


@pytest.mark.parametrize(
    ("sign", "exact", "output"), [("", True, 1), ("", False, 1), ("-", False, 0), ("-", True, 0)]
)
def test_large_numbers_in_range_are_explained(explain, sign, exact, output):
    assert explain(LARGE.format(sign), exact=exact)["output"].value == output


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        explain_file(tmp_path / "none.toml")
    with pytest.raises(StorageError):
        explain_file(tmp_path)
    (tmp_path / "latin.toml").write_bytes("# grün\ninputs = [1]".encode("latin-1"))
    with pytest.raises(ArgumentError, match="not UTF-8"):
        explain_file(tmp_path / "latin.toml")
    (tmp_path / "long.toml").write_text("#" * 1_000_001)
    with pytest.raises(ArgumentError, match="more than 1000000 characters"):
        explain_file(tmp_path / "long.toml")
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbf" + CHAPTER.encode())
    assert explain_file(tmp_path / "marked.toml")["sum"].value == Fraction("0.75")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_explained_or_refused_and_nothing_else(explain, data):
    text = data.draw(
        st.sampled_from([CHAPTER, GESTURE, (EXAMPLES / "network.toml").read_text(encoding="utf-8")])
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(
            st.sampled_from(["", "[", "]", '"', ",", ".", "-", "\n", "e", "9", "nan", "=", "#", "true"])
        )
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 2)) :]
    try:
        shown = str(explain(text, as_printed=True, exact=data.draw(st.booleans())))
    except TinyglassError as error:
        shown = error.what + error.where + error.mend
    assert shown


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
def test_exact_numbers_stay_exact_through_the_update(optimizer):
    text = CHAPTER + f'optimizer = "{optimizer}"\nl2 = 0.1\nweight_limit = 0.8\nbias = 0.1'
    working = work(exactly(parse(text, "f").step))
    assert {type(value) for value in [*working.layers[0].weights.ravel(), *working.layers[0].bias]} == {
        Fraction
    }
    # error 0.45: gradients 0.045 + 0.1·0.3 and 0.36 + 0.1·0.9; the bias, 0.45, has no penalty
    g = [Fraction("0.075"), Fraction("0.45"), Fraction("0.45")]
    factor = {"sgd": 1, "momentum": 1, "nesterov": Fraction("1.9")}[optimizer]
    moved = [
        w - factor * d for w, d in zip([Fraction("0.3"), Fraction("0.9"), Fraction("0.1")], g, strict=True)
    ]
    limited = [max(min(w, Fraction("0.8")), Fraction("-0.8")) for w in moved]
    assert [*working.layers[0].weights.ravel(), *working.layers[0].bias] == limited
