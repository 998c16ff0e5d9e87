"""One step of a training: every number as a formula that gives it, equal to the core's."""

import hashlib
import json
import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import tinyglass
from conftest import PLAIN
from tinyglass import (
    ArgumentError,
    DisagreementError,
    Examples,
    Layer,
    Network,
    Settings,
    arithmetic,
    check_gradients,
    explain_step,
    train_examples,
)
from tinyglass.cli import showing
from tinyglass.errors import DivergenceError
from tinyglass.explain import formats
from tinyglass.explain import replay as replaying
from tinyglass.explain.explanation import Line, Table
from tinyglass.explain.focus import find_focus
from tinyglass.explain.notation import Style, exact_text
from tinyglass.explain.tracing import Symbol, Traced, parts
from tinyglass.runs import Run

FUNCTIONS = {"exp": math.exp, "ln": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "max": max, "min": min}
OUTPUTS = [
    ("softmax", "cross_entropy"),
    ("sigmoid", "cross_entropy"),
    ("linear", "half_squared_error"),
    ("softmax", "mean_squared_error"),
    ("tanh", "mean_squared_error"),
    ("relu", "half_squared_error"),
    ("leaky_relu", "half_squared_error"),
]


@st.composite
def trainings(draw, precisions=("float32", "float64")):
    """A short training of a random network on random examples, and a step of it."""
    output, loss = draw(st.sampled_from(OUTPUTS))
    seed = draw(st.integers(0, 10**6))
    random = np.random.default_rng(seed)
    n, n_inputs, n_outputs = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    X = random.normal(size=(n, n_inputs)) * draw(st.sampled_from([0.1, 1.0, 3.0]))
    if output == "softmax":
        Y = np.eye(n_outputs)[random.integers(0, n_outputs, n)]
    else:
        Y = random.uniform(0, 1, (n, n_outputs))
    weight = random.uniform(0.2, 2, n) if draw(st.booleans()) else None
    wishes = Settings(
        hidden=tuple(draw(st.lists(st.integers(1, 4), max_size=2))),
        activation=draw(st.sampled_from(["linear", "sigmoid", "tanh", "relu", "leaky_relu"])),
        output=output,
        loss=loss,
        optimizer=draw(st.sampled_from(["sgd", "momentum", "nesterov", "adam"])),
        learning_rate=draw(st.sampled_from([0.001, 0.05])),
        schedule=draw(st.sampled_from(["constant", "cosine", "step"])),
        l2=draw(st.sampled_from([0.0, 0.01])),
        weight_limit=draw(st.sampled_from([None, 0.5])),
        bias=draw(st.booleans()),
        batch=draw(st.sampled_from([0, 1, 2, 3])),
        epochs=3,
        seed=seed,
        precision=draw(st.sampled_from(precisions)),
    )
    classes = tuple("abc"[:n_outputs]) if loss == "cross_entropy" else None
    try:
        run = train_examples(Examples(X, Y, classes, weight=weight), wishes)
    except DivergenceError:
        reject()
    steps = run.updates // run.epochs
    return run, draw(st.integers(1, 3)), draw(st.integers(1, steps))


def evaluated(number: Traced) -> float:
    """Work the formula out again, from the values of its named parts."""

    def value(part: Traced) -> float:
        if part.symbol is not None or not part.operands:
            return float(part.value)
        return apply(part)

    def apply(part: Traced) -> float:
        numbers = [value(operand) for operand in part.operands]
        if len(numbers) == 2 and not part.op.isalpha():
            a, b = numbers
            return (
                {"+": a + b, "-": a - b, "*": a * b}[part.op]
                if part.op in "+-*" and part.op != "**"
                else (a**b if part.op == "**" else a / b)
            )
        rules = FUNCTIONS | {"neg": lambda x: -x, "larger": max, "smaller": min, "ln": math.log}
        return rules[part.op](*numbers)

    return apply(number) if number.operands else float(number.value)


def scale_of(number: Traced) -> float:
    """How large the numbers are that a formula adds up: what rounding is relative to."""
    return max([abs(float(number.value)), *(abs(float(p.value)) for p in parts(number)), 1e-30])


@settings(max_examples=150, deadline=None)
@given(trainings())
def test_a_step_agrees_with_the_core_and_its_formulas_with_their_results(training):
    run, epoch, step = training
    explanation = explain_step(run, epoch=epoch, step=step, whole=True)
    bound = replaying.BOUNDS[run.settings.precision]
    assert explanation.facts["difference"] <= bound
    for line in explanation.lines():
        assert evaluated(line.number) == pytest.approx(
            float(line.number.value), rel=10 * bound, abs=10 * bound * scale_of(line.number)
        ), explanation.notation.text(line.name)


@settings(max_examples=60, deadline=None)
@given(trainings(precisions=("float64",)), st.sampled_from(["standard", "course"]))
def test_every_number_of_the_step_is_that_of_the_definition(training, notation):
    run, epoch, step = training
    explanation = explain_step(run, epoch=epoch, step=step, notation=notation, whole=True)
    numbers = [e - 1 for e in explanation.facts["examples"]]
    examples = run.examples
    layers = tinyglass.network.with_parameters(
        run.network,
        tinyglass.engine.replay(
            run.initial, examples, None, run.settings, explanation.facts["update"] - 1
        ).parameters,
    ).plain()
    one = len(numbers) == 1
    found = {line.name: float(line.number.value) for line in explanation.lines()}
    for e in numbers:
        x, y = examples.X[e].tolist(), examples.Y[e].tolist()
        weight = 1 if examples.weight is None else float(examples.weight[e])
        signals = arithmetic.feedforward(layers, x)
        deltas = arithmetic.backpropagate(layers, signals, y, run.settings.loss)
        gradients = arithmetic.gradients(layers, signals, [[weight * d for d in row] for row in deltas], x)
        for l, (here, gradient) in enumerate(zip(signals, gradients, strict=True)):
            for j, (s, o) in enumerate(zip(*here, strict=True)):
                name = tinyglass.explain.tracing.Symbol
                mark = None if one else e + 1
                assert found[name("sum", l, j, None, mark)] == pytest.approx(s, rel=1e-12, abs=1e-14)
                assert found[name("output", l, j, None, mark)] == pytest.approx(o, rel=1e-12, abs=1e-14)
                for i, g in enumerate(gradient.weights[j]):
                    assert found[name("gradient", l, j, i, mark)] == pytest.approx(g, rel=1e-11, abs=1e-14)


@settings(max_examples=25, deadline=None)
@given(trainings(), st.data())
def test_what_made_one_number_ends_with_the_same_new_weight(training, data):
    run, epoch, step = training
    network = run.network
    l = data.draw(st.integers(0, len(network.layers) - 1))
    j = data.draw(st.integers(0, network.layers[l].n_outputs - 1))
    i = data.draw(st.integers(0, network.layers[l].n_inputs - 1))
    name = tinyglass.network.weight_name(network, l, j, i)
    whole = explain_step(run, epoch=epoch, step=step, whole=True)
    one = explain_step(run, epoch=epoch, step=step, weight=name)
    neuron = explain_step(run, epoch=epoch, step=step, neuron=name.split(",")[0] + "]")
    assert one[f"{name}.new"].value == neuron[f"{name}.new"].value == whole[f"{name}.new"].value
    used = {line.name for line in one.lines()}
    assert len(used) < len(list(whole.lines())) or network.n_weights <= 2


# ---------------------------------------------------------------- the formats


@pytest.fixture(scope="module")
def softmax_run():
    random = np.random.default_rng(3)
    X, Y = random.normal(size=(9, 3)), np.eye(3)[[0, 1, 2] * 3]
    examples = Examples(X, Y, ("a|b", "<b>c</b>", "$d_e"))
    return train_examples(examples, Settings(hidden=(4,), epochs=4, batch=4, l2=0.01, weight_limit=1.0))


def test_json_holds_every_number_and_its_values_give_the_result(softmax_run):
    facts = json.loads(explain_step(softmax_run, epoch=2, step=2).show("json"))
    lines = [item for section in facts["sections"] for item in section["items"] if "result" in item]
    assert len(lines) > 100
    for line in lines:
        if line.get("values"):
            again = eval(line["values"], {"__builtins__": {}}, FUNCTIONS)
            assert again == pytest.approx(line["result"], rel=1e-5, abs=1e-7)
    assert facts["facts"]["examples"] == explain_step(softmax_run, epoch=2, step=2).facts["examples"]


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "html", "json"])
@pytest.mark.parametrize("notation", ["standard", "course"])
def test_every_format_shows_every_kind_of_step(softmax_run, format, notation):
    for wish in ({}, {"weight": "hidden[1,2]"}, {"neuron": "output[0]"}, {"check_gradients": True}):
        shown = explain_step(softmax_run, epoch=1, step=1, notation=notation, **wish).show(format)
        assert len(shown) > 500
        assert "<b>c" not in shown or format in ("text", "json")


def test_a_large_step_is_an_overview_unless_all_is_asked_for():
    random = np.random.default_rng(0)
    run = train_examples(
        Examples(random.normal(size=(20, 39)), random.normal(size=(20, 4))),
        Settings(hidden=(20, 10), epochs=1),
    )
    overview, whole = explain_step(run), explain_step(run, whole=True)
    assert len(list(overview.lines())) < 20
    assert "--weight" in str(overview)
    assert len(list(whole.lines())) > 10_000


# ---------------------------------------------------------------- exact numbers


def test_the_chapter_in_fractions_is_exact():
    neuron = Network([Layer(np.array([[0.3, 0.9]]), None, "linear")])
    wishes = Settings(
        hidden=(),
        bias=False,
        optimizer="sgd",
        learning_rate=1.0,
        l2=0.0,
        schedule="constant",
        epochs=5,
        batch=1,
        precision="float64",
    )
    run = train_examples(Examples([[0.1, 0.8]], [[0.4]]), wishes, start=neuron)
    exact = explain_step(run, exact=True, notation="course")
    assert exact["sum"].value == Fraction(3, 4)
    assert exact["error"].value == Fraction(7, 20)
    assert exact["δ_weight1"].value == Fraction(35, 1000)
    assert exact["weight1_new"].value == Fraction(265, 1000)
    assert "weight2_new = weight2 - learning_rate * δ_weight2 = 0.9 - 1 * 0.28 = 0.62" in str(exact)
    floats = explain_step(run, notation="course", style=Style(digits=17))
    assert "0.7500000000000001" in str(floats)
    assert "0.26499999999999996" in str(floats)


@settings(max_examples=30, deadline=None)
@given(trainings(precisions=("float64",)))
def test_exact_numbers_are_near_the_floats(training):
    run, epoch, step = training
    if run.settings.loss == "cross_entropy":  # ln(1 − output) of floats loses digits as the output nears 1
        assume((run.network.outputs(run.examples.X) < 1 - 1e-5).all())
    floats = explain_step(run, epoch=epoch, step=step, whole=True)
    exact = explain_step(run, epoch=epoch, step=step, exact=True, whole=True)
    for f, e in zip(floats.lines(), exact.lines(), strict=True):
        assert f.name == e.name
        assert float(e.number.value) == pytest.approx(float(f.number.value), rel=1e-9, abs=1e-9)


@given(st.fractions(max_denominator=10**6))
def test_an_exact_number_reads_back_as_itself(value):
    assert Fraction(exact_text(value)) == value


# ---------------------------------------------------------------- proof


@settings(max_examples=60, deadline=None)
@given(trainings())
def test_gradients_agree_with_their_finite_differences(training):
    run, _, _ = training
    examples = run.examples
    checks = check_gradients(
        run.network, examples.X, examples.Y, run.settings.loss, weight=examples.weight, l2=run.settings.l2
    )
    assert len(checks) == run.network.n_weights
    for check in checks:
        assert check.agrees or check.excuse, check


def test_a_wrong_gradient_is_found(monkeypatch):
    network = tinyglass.start_network((3, 2, 2), ("tanh", "linear"), seed=1)
    X, Y = [[0.5, -1.0, 2.0]], [[1.0, 0.0]]
    assert all(check.agrees for check in check_gradients(network, X, Y))
    right = arithmetic.passed_back
    monkeypatch.setattr(arithmetic, "passed_back", lambda weights, deltas: -right(weights, deltas))
    checks = check_gradients(network, X, Y)
    wrong = {(c.layer, c.neuron) for c in checks if not c.agrees}
    assert wrong == {(0, 0), (0, 1)}


def test_a_gradient_at_a_kink_is_excused():
    network = Network([Layer([[1.0]], None, "relu"), Layer([[1.0]], None, "linear")])
    (check, _) = check_gradients(network, [[0.0]], [[1.0]])
    assert check.agrees  # no input, no gradient
    biased = Network([Layer([[1.0]], [0.0], "relu"), Layer([[1.0]], None, "linear")])
    bias = check_gradients(biased, [[0.0]], [[1.0]])[1]
    assert not bias.agrees
    assert bias.excuse == "kink"
    dead = Network([Layer([[0.5, -0.5]], None, "relu"), Layer([[2.0]], None, "linear")])
    for check in check_gradients(dead, [[1.0, 1.0]], [[1.0]])[:2]:
        assert (check.gradient, check.excuse) == (0.0, "kink")
        assert check.difference == pytest.approx(-1.0, rel=1e-6)  # half of the slope on the one side


@pytest.mark.parametrize(
    ("activations", "loss", "message"),
    [
        (("step",), "half_squared_error", "no slope"),
        (("linear",), "cross_entropy", "cross_entropy is not defined"),
    ],
)
def test_what_has_no_gradient_is_refused(activations, loss, message):
    network = Network([Layer([[0.3, 0.9]], None, activations[0])])
    with pytest.raises(ArgumentError, match=message):
        check_gradients(network, [[0.1, 0.8]], [[0.4]], loss)


def test_a_core_that_differs_from_the_definition_is_an_error(softmax_run, monkeypatch):
    right = arithmetic.gradients

    def wrong(layers, signals, deltas, inputs):
        return [
            g._replace(weights=[[-x for x in row] for row in g.weights])
            for g in right(layers, signals, deltas, inputs)
        ]

    monkeypatch.setattr(arithmetic, "gradients", wrong)
    with pytest.raises(DisagreementError, match="gradients of"):
        explain_step(softmax_run, epoch=2, step=1)


@pytest.mark.parametrize("factor", [-1, 0.5, 1.01])
def test_wrong_gradients_are_found_however_small_the_learning_rate(monkeypatch, factor):
    random = np.random.default_rng(1)
    examples = Examples(random.normal(size=(6, 4)), np.eye(2)[[0, 1, 0, 1, 1, 0]], ("a", "b"))
    run = train_examples(examples, Settings(hidden=(5,), epochs=2, learning_rate=1e-6, batch=3))
    assert explain_step(run).facts["difference"] <= 1e-5
    right = arithmetic.passed_back
    monkeypatch.setattr(arithmetic, "passed_back", lambda weights, deltas: factor * right(weights, deltas))
    with pytest.raises(DisagreementError, match="of hidden"):
        explain_step(run)


@pytest.mark.parametrize(
    "wish",
    [
        {"output": "softmax", "loss": "cross_entropy", "learning_rate": 1.0, "epochs": 1000},
        {"output": "sigmoid", "loss": "cross_entropy", "learning_rate": 3.0, "epochs": 2000},
    ],
)
def test_gradients_of_a_network_that_has_learnt_agree_too(course, wish):
    run = tinyglass.train(course, tinyglass.make_settings(wish, preset="course"))
    for example in range(1, 11):
        proof = explain_step(run, epoch=run.epochs, example=example, check_gradients=True).facts
        assert proof["gradient_check"]["disagree"] == 0, example


def test_gradients_beyond_all_numbers_are_not_compared(course):
    with pytest.raises(DivergenceError) as error:
        tinyglass.train(course, tinyglass.make_settings({"learning_rate": 1e9}, preset="course"))
    run = error.value.run
    shown = explain_step(run, step=run.updates + 1, check_gradients=True, exact=False)
    assert shown.facts["gradient_check"]["checked"] == 10


def test_a_power_too_large_for_a_decimal_is_infinite():
    assert arithmetic.exp(Decimal(10) ** 9) == Decimal("Infinity")
    assert arithmetic.activate("sigmoid", [Decimal(-10) ** 9]) == [0]


# ---------------------------------------------------------------- where


def test_an_example_finds_its_step(softmax_run):
    for example in range(1, 10):
        facts = explain_step(softmax_run, epoch=3, example=example).facts
        assert example in facts["examples"]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"epoch": 5}, "never came to epoch 5.*ended with epoch 4, step 3"),
        ({"epoch": 0}, "never came to epoch 0"),
        ({"step": 4}, "step from 1 to 3, found 4"),
        ({"step": 0}, "step from 1 to 3, found 0"),
        ({"example": 10}, "example from 1 to 9, found 10"),
        ({"example": 0}, "example from 1 to 9, found 0"),
        ({"neuron": "hiden[1]"}, "no layer 'hiden'.*Did you mean 'hidden'"),
        ({"neuron": "hidden[4]"}, "has 4 neurons, and no neuron 4"),
        ({"weight": "hidden[0,3]"}, "has 3 inputs, and no input 3"),
        ({"weight": "hidden[0]"}, "such as hidden"),
        ({"neuron": "hidden[0]", "weight": "hidden[0,0]"}, "Give one of them"),
        ({"notation": "curse"}, "Unknown notation"),
    ],
)
def test_a_place_that_does_not_exist_is_refused_with_what_there_is(softmax_run, wish, message):
    with pytest.raises(ArgumentError, match=message):
        explain_step(softmax_run, **wish)


def test_an_example_of_another_step_is_refused_with_its_own(softmax_run):
    first = explain_step(softmax_run, step=1).facts["examples"]
    other = next(e for e in range(1, 10) if e not in first)
    with pytest.raises(ArgumentError, match=f"Example {other} is not in step 1") as error:
        explain_step(softmax_run, step=1, example=other)
    step = int(error.value.mend.split()[2].rstrip(","))
    assert other in explain_step(softmax_run, step=step, example=other).facts["examples"]


def test_the_courses_names_are_understood():
    network = tinyglass.start_network((3, 2, 2), ("tanh", "linear"))
    names = tinyglass.explain.notation.make_notation(network.sizes, network.layer_names, "course")
    for l, layer in enumerate(network.layers):
        for j in range(layer.n_outputs):
            assert find_focus(network, neuron=names.text(Symbol("output", l, j))) == (l, j, None)
            for i in (*range(layer.n_inputs), -1):
                assert find_focus(network, weight=names.text(Symbol("weight", l, j, i))) == (l, j, i)
    for name in ("weight0", "weight17", "weight25", "bias13", "weight1_new"):
        with pytest.raises(ArgumentError, match="such as"):
            find_focus(network, weight=name)


def test_the_bias_has_a_name():
    network = Network([Layer([[0.3, 0.9]], [0.1], "linear")])
    assert find_focus(network, weight="output[0,bias]").input == -1
    with pytest.raises(ArgumentError, match="has no bias"):
        find_focus(Network([Layer([[0.3, 0.9]], None, "linear")]), weight="output[0,bias]")


def test_the_step_in_which_a_training_diverged_can_be_explained():
    random = np.random.default_rng(0)
    examples = Examples(random.normal(size=(4, 2)) * 100, random.normal(size=(4, 1)))
    wishes = Settings(
        hidden=(3,), activation="linear", optimizer="sgd", learning_rate=1.0, epochs=50, batch=1, l2=0.0
    )
    with pytest.raises(DivergenceError) as error:
        train_examples(examples, wishes)
    run = error.value.run
    epoch, step = run.updates // 4 + 1, run.updates % 4 + 1
    explanation = explain_step(run, epoch=epoch, step=step)
    assert "diverged here" in str(explanation)
    with pytest.raises(ArgumentError, match="never came to"):
        explain_step(run, epoch=epoch + 1)


# ---------------------------------------------------------------- runs from files


def test_a_run_from_a_file_needs_its_own_recordings(course, tmp_path):
    run = tinyglass.train(course, tinyglass.make_settings({}, preset="course"))
    before = explain_step(run, epoch=7, step=3)
    run.save(tmp_path / "run.safetensors")
    loaded = Run.load(tmp_path / "run.safetensors")
    assert loaded.examples is None
    with pytest.raises(ArgumentError, match="does not hold the recordings"):
        explain_step(loaded)
    again = explain_step(loaded, course, epoch=7, step=3)
    assert str(again) == str(before)
    with pytest.raises(ArgumentError, match="not those that the run was trained on"):
        explain_step(loaded, course[1:])
    altered = [replace(course[0], signal=course[0].signal + 1), *course[1:]]
    with pytest.raises(ArgumentError, match="fingerprint differs"):
        explain_step(loaded, altered)


def test_windows_copies_and_a_validation_part_are_replayed(course):
    wishes = Settings(
        hidden=(3,),
        epochs=4,
        validation=0.3,
        patience=2,
        augment=("shift", "noise"),
        copies=2,
        inputs=("raw",),
        threshold=0.0,
        temperature=1.0,
    )
    run = tinyglass.train(course, wishes)
    explanation = explain_step(run, epoch=run.epochs)
    assert explanation.facts["difference"] <= 1e-5
    assert any(
        "piece 2" in source for e in range(1, 5) for source in explain_step(run, epoch=e).facts["sources"]
    )


def test_explaining_never_changes_a_run(course_training, here, course):
    def fingerprints():
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in course_training.iterdir()
        }

    before = fingerprints()
    for words in (["--epoch", "3"], ["--check-gradients", "--format", "html"], ["--exact"]):
        done = here("explain", course_training, *words)
        assert done.returncode == 0, done.stderr
    assert fingerprints() == before

    run = tinyglass.train(course, Settings(hidden=(2,), epochs=3, **PLAIN))
    copy = [
        array.copy() for array in (run.examples.X, run.examples.Y, tinyglass.network.flatten(run.network))
    ]
    explain_step(run, epoch=2, check_gradients=True)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(
            copy, (run.examples.X, run.examples.Y, tinyglass.network.flatten(run.network)), strict=True
        )
    )


# ---------------------------------------------------------------- the command


def test_the_command_explains_a_step_of_a_training(course_training, here, tmp_path):
    done = here(
        "explain", course_training, "--epoch", "2", "--step", "3", "--notation", "course", "--digits", "9"
    )
    assert done.returncode == 0, done.stderr
    assert "error1 = output1 - expected1" in done.stdout
    page = tmp_path / "step.html"
    done = here("explain", course_training, "--weight", "hidden[0,2]", "--out", page)
    assert done.returncode == 0, done.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    facts = json.loads(here("explain", course_training, "--epoch", "100", "--example", "4", "--json").stdout)
    assert facts["facts"]["epoch"] == 100
    assert facts["facts"]["examples"] == [4]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epoch", "101"], "never came to epoch 101"),
        (["--format", "pdf"], "Unknown format 'pdf'"),
        (["--json", "--format", "html"], "contradict"),
        (["--as-printed"], "means nothing for a training"),
        (["--out", "step.pdf"], "ends in .pdf is not text"),
        (["--out", "step.tex", "--format", "html"], "ends in .tex is not html"),
        (["--label", "x"], "--label means nothing for a training"),
        (["--digits", "0"], "whole number of 1 or more"),
        (["--recordings", "nowhere"], "nowhere"),
        (["--weight", "hidden[9,9]"], "has 2 neurons"),
    ],
)
def test_the_command_refuses_what_it_cannot_explain(course_training, here, words, message):
    done = here("explain", course_training, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_recordings_that_were_moved_are_asked_for_and_found(course, here, tmp_path):
    first, second = tmp_path / "here.csv", tmp_path / "there.csv"
    tinyglass.save_recordings(course, first)
    done = here("train", first, "--out", tmp_path / "out", "--preset", "course", "--epochs", "3")
    assert done.returncode == 0, done.stderr
    shown = here("explain", tmp_path / "out", "--epoch", "3").stdout
    first.rename(second)
    done = here("explain", tmp_path / "out")
    assert done.returncode == 2
    assert "not where they were" in done.stderr
    assert "--recordings" in done.stderr
    done = here("explain", tmp_path / "out", "--epoch", "3", "--recordings", second)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("there.csv", "here.csv") == shown
    text = second.read_text(encoding="utf-8").splitlines()
    second.write_text("\n".join([*text[:-1], text[-1].replace("1", "2")]) + "\n", encoding="utf-8")
    done = here("explain", tmp_path / "out", "--recordings", second)
    assert done.returncode == 2
    assert "fingerprint" in done.stderr


# ---------------------------------------------------------------- in a notebook


def test_networks_runs_and_explanations_show_themselves(softmax_run):
    explanation = explain_step(softmax_run)
    for thing in (softmax_run, softmax_run.network, explanation):
        html = thing._repr_html_()
        assert "$$" in html
        assert "<script" not in html
        assert "<b>c" not in html
    assert "data:image/svg+xml" in softmax_run._repr_html_()
    assert "$" in explanation._repr_markdown_()


def test_an_explanation_is_read_by_name(softmax_run):
    explanation = explain_step(softmax_run, neuron="output[0]")
    assert isinstance(explanation["output[0,1].new"], Traced)
    with pytest.raises(KeyError):
        explanation["output[9,1].new"]
    assert any(isinstance(item, Table) for section in explanation.sections for item in section.items)
    assert all(isinstance(line, Line) for line in explanation.lines("update"))


def test_the_command_offers_the_formats_there_are():
    assert showing.FORMATS == formats.FORMATS
