"""Diagnoses: every planted fault is found with its numbers, and healthy trainings raise nothing severe."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import PLAIN
from sources import ABSENT, SHARED
from tinyglass import (
    DivergenceError,
    Examples,
    Layer,
    Network,
    Recording,
    Run,
    Settings,
    Watch,
    evaluate,
    make_settings,
    read_recordings,
    train,
    train_examples,
)
from tinyglass.arithmetic import Gradient, Update
from tinyglass.arithmetic import Layer as PlainLayer
from tinyglass.diagnosis import CHECKS, Diagnosis, Place, diagnose, examine, fit, open_case, sorted_faults
from tinyglass.diagnosis.curvature import largest_eigenvalue, measure
from tinyglass.diagnosis.explaining import explain_diagnosis
from tinyglass.diagnosis.neurons import _cause
from tinyglass.diagnosis.rates import bends, first_outside
from tinyglass.diagnosis.trials import Trial, retrain, rounded_down, try_remedies
from tinyglass.engine import loss_and_gradient
from tinyglass.explain.working import Step, work
from tinyglass.network import flatten
from tinyglass.units import same_channels

LARGEST = 2 / (0.1**2 + 0.8**2)
CHAPTER = Examples([[0.1, 0.8]], [[0.4]])
NEURON = Network([Layer([[0.3, 0.9]], None, "linear")])
CHAPTER_SETTINGS = Settings(
    hidden=(),
    bias=False,
    loss="half_squared_error",
    output="linear",
    optimizer="sgd",
    learning_rate=1.0,
    schedule="constant",
    l2=0.0,
    batch=1,
    epochs=40,
    precision="float64",
)


def run_of(examples: Examples, start: Network | None = None, **values: Any) -> Run:
    """Train, whether or not it goes well."""
    wished = Settings(**({"epochs": 60, "seed": 1} | values))
    try:
        return train_examples(examples, wished, start=start)
    except DivergenceError as error:
        return error.run


def chapter_run(**values: Any) -> Run:
    wished = msgspec.structs.replace(CHAPTER_SETTINGS, **values)
    try:
        return train_examples(CHAPTER, wished, start=NEURON)
    except DivergenceError as error:
        return error.run


def course_run(course: Any, **values: Any) -> Run:
    try:
        return train(course, make_settings(values, preset="course"))
    except DivergenceError as error:
        return error.run


def course_default(course: Any, **values: Any) -> Run:
    try:
        return train(course, Settings(**PLAIN, **values))
    except DivergenceError as error:
        return error.run


def clusters(n: int = 60, d: int = 4, gap: float = 3.0, seed: int = 0) -> Examples:
    """Return examples of two classes that are easily told apart."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = random.normal(size=(n, d))
    X[np.arange(n), y] += gap
    return Examples(X, np.eye(2)[y], ("a", "b"))


def planted_start(
    activation: str, hidden: Any, bias: Any, output: Any, output_activation: str = "softmax"
) -> Network:
    layers = [
        Layer(np.asarray(hidden, np.float32), np.asarray(bias, np.float32), activation),
        Layer(np.asarray(output, np.float32), np.zeros(len(output), np.float32), output_activation),
    ]
    return Network(layers, ("a", "b"))


def random_weights(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(8, 4)), random.normal(size=(2, 8))


def kinds(faults: list[Diagnosis]) -> dict[str, str]:
    """Return the worst severity of each kind."""
    return {fault.kind: fault.severity for fault in reversed(faults)}


def the(kind: str, faults: list[Diagnosis]) -> Diagnosis:
    found = [fault for fault in faults if fault.kind == kind]
    assert found, f"{kind} was not found, only {kinds(faults)}"
    return found[0]


def tried(run: Run, kind: str, recordings: Any = None) -> Trial:
    """Apply the remedy of a finding, and check that the finding has gone."""
    case = open_case(run, recordings)
    fault = the(kind, sorted_faults(examine(case)))
    assert fault.can_be_tried
    trial = try_remedies(case, [fault])
    after = kinds(sorted_faults(examine(trial.case)))
    assert after.get(kind) != fault.severity
    return trial


# ---------------------------------------------------------------- what is measured


def test_the_gradient_is_that_of_the_definition():
    random = np.random.default_rng(3)
    examples = clusters(12)
    network = train_examples(
        examples, Settings(hidden=(3,), epochs=2, precision="float64", activation="tanh")
    ).network
    plain = Settings(hidden=(3,), loss="cross_entropy", output="softmax", l2=0.0)
    weighted = replace(examples, weight=random.uniform(0.5, 2, 12))
    loss, gradient = loss_and_gradient(network, weighted, plain)
    layers = tuple(PlainLayer(l.weights, l.bias, l.activation) for l in network.layers)
    nothing = tuple(Gradient(l.weights * 0, l.bias * 0) for l in network.layers)
    working = work(
        Step(
            layers,
            nothing,
            nothing,
            weighted.X,
            weighted.Y,
            weighted.weight,
            "cross_entropy",
            Update(),
            1.0,
            1,
        )
    )
    expected = np.concatenate([np.r_[np.asarray(g.weights).T.ravel(), g.bias] for g in working.gradients])
    assert loss == pytest.approx(float(working.loss), rel=1e-12)
    assert np.allclose(gradient, expected, rtol=1e-12, atol=1e-14)


def test_the_course_neuron_converges_up_to_two_over_its_squared_inputs():
    for rate in (0.3, 1.0, 3.0, 3.2, 10.0):
        case = open_case(chapter_run(learning_rate=rate), None)
        for bend in bends(case):
            assert bend.curvature.limit == pytest.approx(LARGEST, rel=1e-9)
    # And so it is: below, the error shrinks; above, it grows.
    assert abs(chapter_run(learning_rate=0.999 * LARGEST).network.outputs(CHAPTER.X)[0, 0] - 0.4) < 0.35
    assert abs(chapter_run(learning_rate=1.001 * LARGEST).network.outputs(CHAPTER.X)[0, 0] - 0.4) > 0.35


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6))
def test_the_largest_eigenvalue_of_a_linear_layer_is_that_of_its_inputs(seed, n, d):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, d))
    network = Network([Layer(random.normal(size=(1, d)), None, "linear")])
    plain = msgspec.structs.replace(CHAPTER_SETTINGS, l2=0.5)
    value, direction = largest_eigenvalue(network, Examples(X, random.normal(size=(n, 1))), plain)
    H = X.T @ X / n + 0.5 * np.eye(d)
    assert value == pytest.approx(np.linalg.eigvalsh(H)[-1], rel=1e-5)
    assert direction @ H @ direction == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "factor"), [("sgd", 2), ("momentum", 2 * 1.9), ("nesterov", 2 * 1.9 / 2.8)]
)
def test_an_optimiser_converges_below_its_limit_and_not_above(optimizer, factor):
    limit = factor / (0.1**2 + 0.8**2)
    case = open_case(chapter_run(optimizer=optimizer, learning_rate=0.1), None)
    assert measure(case, flatten(NEURON), 0).limit == pytest.approx(limit, rel=1e-9)
    for share, converges in ((0.97, True), (1.03, False)):
        run = chapter_run(optimizer=optimizer, learning_rate=share * limit, epochs=600)
        error = abs(run.network.outputs(CHAPTER.X)[0, 0] - 0.4)
        assert (error < 1e-3) == converges


def test_the_limit_of_single_examples_is_the_tightest_of_them():
    X = np.array([[0.1, 0.8], [2.0, 1.0], [0.3, 0.3]])
    wished = msgspec.structs.replace(CHAPTER_SETTINGS, learning_rate=0.1, epochs=3)
    run = train_examples(Examples(X, [[0.4], [1.0], [0.2]]), wished, start=NEURON)
    curvature = measure(open_case(run, None), flatten(run.network), 0)
    assert curvature.limit == pytest.approx(2 / 5, rel=1e-9)
    assert curvature.whole_limit == pytest.approx(2 / np.linalg.eigvalsh(X.T @ X / 3)[-1], rel=1e-6)
    assert (curvature.n_batches, curvature.n_all) == (3, 3)


# ---------------------------------------------------------------- exploded weights


def test_exploded_weights_name_the_first_step_outside_and_the_largest_rate():
    run = chapter_run(learning_rate=10.0)
    fault = the("exploded_weights", diagnose(run))
    assert fault.severity == "severe"
    assert (fault.evidence["epoch"], fault.evidence["step"]) == (1, 1)
    assert fault.evidence["largest_learning_rate"] == pytest.approx(LARGEST, abs=1e-9)
    assert fault.evidence["weight"] == "output[0,1]"
    assert fault.evidence["weight_before"] == 0.9
    assert fault.evidence["weight_after"] == pytest.approx(0.9 - 10 * 0.35 * 0.8)
    assert fault.evidence["loss_after"] == pytest.approx((0.35 * (1 - 10 * 0.65)) ** 2 / 2)
    assert 0 < fault.settings["learning_rate"] < LARGEST
    trial = tried(run, "exploded_weights")
    assert trial.after.loss < 1e-9 < trial.before.loss


def test_the_first_step_outside_is_the_one_that_a_search_of_every_step_finds():
    rate = 3.2
    case = open_case(chapter_run(learning_rate=rate), None)
    losses = [(0.35 * (1 - rate * 0.65) ** k) ** 2 / 2 for k in range(40)]
    last_inside = max(k for k, loss in enumerate(losses) if loss <= 2 * losses[0])
    assert first_outside(case) == last_inside
    fault = the("exploded_weights", diagnose(case.run))
    assert fault.where.epoch == last_inside + 1


@pytest.mark.parametrize(
    "values", [{"learning_rate": 10.0}, {"learning_rate": 1.0}, {"learning_rate": 3.0, "batch": 0}]
)
def test_the_course_explodes_at_a_high_rate_and_the_rate_found_mends_it(course, values):
    run = course_run(course, **values)
    assert run.outcome == "diverged"
    fault = the("exploded_weights", diagnose(run))
    assert (
        fault.evidence["loss_before"]
        <= fault.evidence["limit_of_stable_region"]
        < fault.evidence["loss_after"]
    )
    assert fault.evidence["learning_rate"] > fault.evidence["largest_learning_rate"]
    assert list(kinds(diagnose(run)))[-1] == "exploded_weights"
    trial = tried(run, "exploded_weights")
    assert (trial.before.ended, trial.after.ended) == ("diverged", "finished")
    assert trial.after.accuracy == 1.0
    assert trial.after.loss < 0.05


def test_inputs_beyond_all_numbers_explode_in_the_first_step():
    run = run_of(
        Examples(np.full((4, 8), 3e38, np.float32), np.eye(2)[[0, 1, 0, 1]], ("a", "b")), hidden=(4,)
    )
    fault = the("exploded_weights", diagnose(run))
    assert (fault.evidence["epoch"], fault.evidence["step"]) == (1, 1)


# ---------------------------------------------------------------- rates


def test_a_rate_too_high_without_divergence_is_proved_by_a_smaller_one(course):
    values = {"hidden": [], "output": "linear", "optimizer": "sgd", "epochs": 12, "precision": "float64"}
    values |= msgspec.to_builtins(PLAIN) | {"l2": 0.0, "schedule": "constant", "batch": 0}
    limit = bends(open_case(train(course, make_settings(values | {"learning_rate": 0.01})), None))[
        0
    ].curvature.limit
    run = train(course, make_settings(values | {"learning_rate": 1.005 * limit}))
    assert run.outcome == "finished"
    faults = diagnose(run)
    fault = the("learning_rate_too_high", faults)
    assert fault.evidence["times_the_limit"] == pytest.approx(1.005, rel=1e-6)
    assert fault.evidence["loss_with_it"] < fault.evidence["loss_at_end"] / 2
    trial = tried(run, "learning_rate_too_high")
    assert trial.after.loss < trial.before.loss / 2
    below = train(course, make_settings(values | {"learning_rate": 0.5 * limit}))
    assert "learning_rate_too_high" not in kinds(diagnose(below))


@pytest.mark.parametrize("rate", [1e-5, 1e-3])
def test_a_rate_too_low_is_proved_by_a_larger_one(course, rate):
    run = course_run(course, learning_rate=rate)
    fault = the("learning_rate_too_low", diagnose(run))
    assert fault.severity == "severe"
    assert fault.evidence["share_of_the_limit"] == pytest.approx(
        rate / fault.evidence["largest_learning_rate"]
    )
    assert rate < fault.settings["learning_rate"] < fault.evidence["largest_learning_rate"]
    trial = tried(run, "learning_rate_too_low")
    assert trial.after.loss < 0.1 < trial.before.loss


def test_adam_too_slow_is_found_too(course):
    run = train(course, Settings(learning_rate=1e-6, **PLAIN))
    assert the("learning_rate_too_low", diagnose(run)).settings["learning_rate"] > 1e-4
    assert tried(run, "learning_rate_too_low").after.loss < 0.1


def test_a_rate_is_rounded_down_to_one_digit():
    assert [rounded_down(x) for x in (1.999, 0.01, 0.0299, 3e-7)] == [1.0, 0.01, 0.02, 3e-7]


# ---------------------------------------------------------------- neurons


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_huge_weights_saturate(activation):
    hidden, output = random_weights()
    start = planted_start(activation, 500 * hidden, np.zeros(8), output)
    run = run_of(clusters(), start, hidden=(8,), activation=activation)
    fault = the("saturated_neurons", diagnose(run))
    assert fault.severity == "severe"
    assert len(fault.evidence["neurons"]) >= 7
    assert fault.evidence["saturated_from_the_start"] >= 7
    assert fault.evidence["mean_slope"] < 0.01
    assert fault.redraw
    trial = tried(run, "saturated_neurons")
    assert trial.after.loss < trial.before.loss / 2


def test_saturation_comes_of_inputs_that_are_not_scaled(course):
    large = [replace(recording, signal=recording.signal * 100) for recording in course]
    run = train(large, Settings(hidden=(6,), activation="tanh", scale="none", **PLAIN))
    fault = the("saturated_neurons", diagnose(run, large))
    assert fault.evidence["largest_input"] > 1000
    assert fault.settings == {"scale": "standard"}
    tried(run, "saturated_neurons", large)


def test_wrong_outputs_that_are_flat_are_found():
    hidden, _ = random_weights()
    start = planted_start("tanh", hidden, np.zeros(8), np.zeros((2, 8)), "sigmoid")
    start = replace(
        start, layers=(start.layers[0], replace(start.layers[1], bias=np.array([9.0, -9.0], np.float32)))
    )
    run = run_of(
        clusters(),
        start,
        hidden=(8,),
        activation="tanh",
        output="sigmoid",
        loss="half_squared_error",
        epochs=5,
    )
    fault = the("saturated_neurons", diagnose(run))
    assert fault.evidence["layer"] == "output"
    assert fault.evidence["share_of_examples"] >= 0.4
    assert fault.settings["loss"] == "cross_entropy"


def test_relu_neurons_killed_by_a_bias_are_dead_from_the_start():
    hidden, output = random_weights()
    bias = np.where(np.arange(8) < 5, -100.0, 0.0)
    run = run_of(clusters(), planted_start("relu", hidden, bias, output), hidden=(8,))
    fault = the("dead_neurons", diagnose(run))
    assert fault.evidence["neurons"] == [f"hidden[{j}]" for j in range(5)]
    assert fault.evidence["dead_from_the_start"] == 5
    assert fault.evidence["since_update"] == [0] * 5
    assert fault.where.neuron == "hidden[0]"
    assert tried(run, "dead_neurons").after.loss < 0.2


def test_a_dead_layer_that_ended_the_training_is_found_once():
    hidden, output = random_weights()
    run = run_of(clusters(), planted_start("relu", hidden, np.full(8, -100.0), output), hidden=(8,))
    assert run.outcome == "diverged"
    faults = [fault for fault in diagnose(run) if fault.kind == "dead_neurons"]
    assert [(f.severity, f.evidence["whole_layer"]) for f in faults] == [("severe", True)]
    trial = tried(run, "dead_neurons")
    assert (trial.before.accuracy, trial.before.ended) == (0.5, "diverged")
    assert trial.after.accuracy > 0.9


def test_a_softmax_driven_flat_by_the_rate_is_told_to_use_a_smaller_one(course):
    try:
        run = train(course, Settings(optimizer="sgd", learning_rate=100.0, **PLAIN))
    except DivergenceError as error:
        run = error.run
    assert run.outcome == "diverged"
    fault = the("saturated_neurons", diagnose(run))
    assert fault.evidence["times_the_limit"] > 1
    assert fault.settings["learning_rate"] < 1
    assert tried(run, "saturated_neurons").after.accuracy == 1.0


def test_a_start_of_zeros_makes_all_neurons_the_same():
    start = planted_start("tanh", np.zeros((8, 4)), np.zeros(8), np.zeros((2, 8)))
    run = run_of(clusters(), start, hidden=(8,), activation="tanh")
    faults = diagnose(run)
    assert the("identical_neurons", faults).evidence["largest_difference_at_start"] == 0
    assert the("no_progress", faults).severity == "severe"
    assert tried(run, "identical_neurons").after.accuracy == 1.0


def test_gradients_vanish_in_deep_sigmoid_layers():
    run = run_of(clusters(), hidden=(8,) * 6, activation="sigmoid")
    faults = diagnose(run)
    fault = the("vanishing_gradients", faults)
    assert fault.severity == "severe"
    lengths = fault.evidence["gradient_lengths"]
    assert len(lengths) == 7
    assert fault.evidence["first_over_last"] == pytest.approx(lengths[0] / lengths[-1])
    assert fault.evidence["first_over_last"] < 1e-3
    assert lengths[:3] == sorted(lengths[:3])
    assert tried(run, "vanishing_gradients").after.loss < 0.3
    relu = run_of(clusters(), hidden=(16, 16), activation="relu")
    assert "vanishing_gradients" not in kinds(diagnose(relu))


# ---------------------------------------------------------------- what it came to


def test_answers_that_have_nothing_to_do_with_the_inputs_give_no_progress():
    random = np.random.default_rng(1)
    noise = Examples(random.normal(size=(300, 2)), np.eye(2)[random.integers(0, 2, 300)], ("a", "b"))
    run = run_of(noise, hidden=(4,), epochs=5)
    fault = the("no_progress", diagnose(run))
    assert fault.evidence["loss_at_end"] >= 0.98 * fault.evidence["baseline_loss"]
    assert fault.evidence["baseline_loss"] == pytest.approx(np.log(2), abs=0.01)
    assert not fault.can_be_tried
    assert "inputs may not tell" in fault.remedy


def test_the_signed_sum_of_the_course_hides_how_wrong_it_is():
    hidden = [[-0.50, 0.22, -0.91], [0.61, 0.14, -0.48]]
    output = [[0.73, 0.29], [-0.29, -0.24]]
    start = Network([Layer(hidden, None, "linear"), Layer(output, None, "linear")])
    reading = Examples(np.array([[5.1, 46.7, 120.5]]) / 100, [[1.0, 0.0]])
    wished = msgspec.structs.replace(
        CHAPTER_SETTINGS, hidden=(2,), activation="linear", learning_rate=0.01, epochs=1
    )
    run = train_examples(reading, wished, start=start)
    fault = the("cancelling_errors", diagnose(run))
    assert fault.severity == "note"
    assert fault.evidence["signed_sum_at_start"] == pytest.approx(-1.88385 + 0.41126, abs=1e-5)
    assert fault.evidence["half_squared_at_start"] == pytest.approx(1.8590, abs=1e-4)
    assert fault.evidence["half_squared_at_end"] == pytest.approx(1.7697, abs=1e-4)
    assert fault.evidence["share_that_cancels"] == pytest.approx(
        1 - abs(fault.evidence["signed_sum_at_end"]) / fault.evidence["sum_of_sizes_at_end"]
    )


def test_a_sum_near_zero_beside_a_large_square_is_shown(course):
    exclusive_or = Examples([[0, 0], [0, 1], [1, 0], [1, 1]], [[0.0], [1.0], [1.0], [0.0]])
    run = run_of(exclusive_or, hidden=(), optimizer="sgd", learning_rate=0.5, l2=0.0, epochs=300, batch=0)
    fault = the("cancelling_errors", diagnose(run))
    assert abs(fault.evidence["signed_sum_at_end"]) < 1e-3
    assert fault.evidence["sum_of_sizes_at_end"] == pytest.approx(2.0, abs=1e-2)
    assert fault.evidence["half_squared_at_end"] == pytest.approx(0.5, abs=1e-3)
    assert "cancelling_errors" not in kinds(diagnose(train(course, Settings(**PLAIN))))  # cross-entropy


def test_learning_by_heart_is_overfitting():
    random = np.random.default_rng(0)

    def noise() -> Examples:
        return Examples(random.normal(size=(40, 20)), np.eye(2)[random.integers(0, 2, 40)], ("a", "b"))

    wished = Settings(hidden=(64,), epochs=200, learning_rate=0.01, l2=0.0, schedule="constant")
    run = train_examples(noise(), wished, validation=noise())
    fault = the("overfitting", diagnose(run))
    assert fault.severity == "severe"
    assert (
        fault.evidence["validation_loss_at_end"]
        == run.validation_losses[-1]
        > 1.1 * run.validation_losses.min()
    )
    assert fault.evidence["loss_at_end"] < fault.evidence["loss_at_best"]
    trial = tried(run, "overfitting")
    assert trial.after.validation_loss < trial.before.validation_loss


def test_a_score_far_below_what_was_learnt_is_overfitting():
    random = np.random.default_rng(0)
    recordings = [
        replace(r, signal=random.normal(size=r.signal.shape)) for r in read_recordings() for _ in range(3)
    ]
    wished = Settings(hidden=(32,), l2=0.0, learning_rate=0.03, **PLAIN)
    run = train(recordings, wished)
    score = evaluate(recordings, wished, split="recording")
    fault = the("overfitting", diagnose(run, recordings, score))
    assert fault.evidence["own"] == 1.0
    assert fault.evidence["left_out"] == score.value
    looked = {each.subject: each.measured for each in examine(open_case(run, recordings))}
    assert looked["overfitting"].startswith("not measured")


# ---------------------------------------------------------------- data


def test_a_flipped_label_is_found_and_left_out():
    examples = clusters()
    Y = examples.Y.copy()
    Y[7] = Y[7][::-1]
    run = run_of(Examples(examples.X, Y, examples.classes))
    fault = the("contradicted_example", diagnose(run))
    assert fault.leave_out == (8,)
    assert fault.evidence["rank_of_loss"] == [1]
    assert fault.evidence["gradient_against_others"][0] > 0.5
    trial = tried(run, "contradicted_example")
    assert trial.case.examples.n_examples == 59
    assert trial.after.loss < trial.before.loss


def test_a_flipped_recording_is_found_under_its_altered_copies(course):
    planted = [*course[:3], replace(course[3], label="moving_closer"), *course[4:]]
    run = train(planted, Settings(**(PLAIN | {"augment": ("noise",)})))
    assert run.examples.n_examples > 10
    fault = the("contradicted_example", diagnose(run, planted))
    assert fault.leave_out == (4,)
    assert course[3].source in fault.evidence["sources"][0]
    trial = try_remedies(open_case(run, planted), [fault])
    assert trial.case.examples.n_examples == run.examples.n_examples * 9 // 10


def test_a_quantity_that_is_far_off_is_found():
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 3))
    y = X @ [1, 2, -1.0]
    y[11] += 30
    run = run_of(Examples(X, y[:, None]))
    assert the("contradicted_example", diagnose(run)).leave_out == (12,)
    assert tried(run, "contradicted_example").after.loss < 0.5


def test_copies_in_the_validation_part_are_leakage():
    data = clusters(80, 12, 1.5)
    run = train_examples(
        data.take(np.arange(60)), Settings(epochs=20), validation=data.take(np.r_[3:8, 60:80])
    )
    fault = the("leakage", diagnose(run))
    assert (fault.severity, fault.evidence["copies"], fault.evidence["of"]) == ("severe", 5, 25)
    assert fault.leave_out == (4, 5, 6, 7, 8)
    trial = tried(run, "leakage")
    assert trial.case.examples.n_examples == 55


def test_equal_rows_of_few_numbers_may_be_chance():
    data = clusters(60, 3)
    run = train_examples(
        data.take(np.arange(40)), Settings(epochs=5), validation=data.take(np.arange(35, 60))
    )
    fault = the("leakage", diagnose(run))
    assert (fault.severity, fault.evidence["may_be_chance"], fault.leave_out) == (
        "warning",
        True,
        (36, 37, 38, 39, 40),
    )


def test_a_recording_in_the_test_part_too_is_leakage():
    random = np.random.default_rng(0)
    recordings = [
        Recording(random.normal(size=(8, 2)) + 3 * (i % 2), ("x", "y"), label="ab"[i % 2], source=f"r{i}")
        for i in range(20)
    ]
    run = train(recordings[:14], Settings(epochs=20, **PLAIN))
    faults = diagnose(run, recordings[:14], tested=[recordings[5], *recordings[14:]])
    fault = the("leakage", faults)
    assert fault.evidence["pairs"] == [["r5", "r5"]]
    assert fault.leave_out == (6,)
    assert "leakage" not in kinds(diagnose(run, recordings[:14], tested=recordings[14:]))


def test_a_rare_class_that_is_never_recognised_is_severe_and_balancing_mends_it():
    random = np.random.default_rng(0)
    y = (np.arange(200) >= 190).astype(int)
    X = random.normal(size=(200, 4))
    X[y == 1, 0] += 1.5
    run = run_of(Examples(X, np.eye(2)[y], ("common", "rare")), hidden=(4,), learning_rate=0.003)
    fault = the("imbalance", diagnose(run))
    assert fault.severity == "severe"
    assert fault.evidence["counts"] == {"common": 190, "rare": 10}
    assert (fault.evidence["ratio"], fault.evidence["recall"]["rare"]) == (19.0, 0.0)
    assert fault.evidence["share_of_commonest"] == 0.95
    assert fault.settings == {"class_weight": "balanced"}
    trial = try_remedies(open_case(run, None), [fault])
    assert trial.after.recall > 0.4
    assert trial.before.recall == 0


# ---------------------------------------------------------------- what findings claim


def test_weights_that_exploded_are_found_where_the_outputs_saturated_first():
    values = {"hidden": (8, 8, 8), "activation": "linear", "optimizer": "sgd", "learning_rate": 2.0}
    run = run_of(clusters(), **values)
    case = open_case(run, None)
    assert (run.outcome, case.ending[0]) == ("diverged", "saturated")
    fault = the("exploded_weights", diagnose(run))
    assert case.losses[-1] > fault.evidence["limit_of_stable_region"]
    assert (fault.where.epoch, fault.evidence["step"]) == case.place_of(first_outside(case))
    assert tried(run, "exploded_weights").after.accuracy > 0.9


def test_a_training_that_stopped_early_is_judged_by_the_epochs_it_made():
    values = {"epochs": 100, "validation": 0.2, "patience": 2, "tolerance": 0.1}
    wished = Settings(optimizer="sgd", learning_rate=1e-5, **values)
    run = train_examples(clusters(), wished, validation=clusters(seed=1))
    assert run.outcome == "stopped_early"
    fault = the("learning_rate_too_low", diagnose(run))
    assert f"for {run.epochs} epochs (of 100: stopped early)" in fault.what
    assert "as many epochs" not in fault.remedy


def test_an_interrupted_training_is_told_to_continue():
    wished = Settings(epochs=1000, optimizer="sgd", learning_rate=1e-6)
    run = train_examples(clusters(), wished, watch=Watch(progress=lambda _: True))
    assert run.outcome == "interrupted"
    looked = examine(open_case(run, None))
    assert not {"no_progress", "learning_rate_too_low"} & set(kinds(sorted_faults(looked)))
    assert "continue with --resume" in next(each.measured for each in looked if each.subject == "progress")
    assert "continue with --resume" in explain_diagnosis(run, looked).show("text")


def test_one_dead_neuron_of_many_is_a_note_even_where_little_was_learnt():
    hidden = np.random.default_rng(0).normal(size=(32, 4))
    bias = np.where(np.arange(32) < 1, -100.0, 3.0)
    start = planted_start("relu", hidden, bias, np.zeros((2, 32)))
    run = run_of(clusters(), start, hidden=(32,), optimizer="sgd", learning_rate=1e-6)
    faults = diagnose(run)
    fault = the("dead_neurons", faults)
    assert fault.evidence["neurons"] == ["hidden[0]"]
    assert (fault.severity, fault.can_be_tried) == ("note", False)
    assert faults[0].kind != "dead_neurons"


def remedy(kind: str, severity: Any = "severe", **values: Any) -> Diagnosis:
    return Diagnosis(kind, severity, "", settings=values)


def test_remedies_are_merged_whole_and_only_where_they_go_together():
    case = open_case(run_of(clusters(), epochs=3), None)
    adam = remedy("vanishing_gradients", optimizer="adam", epochs=2)
    rate = remedy("dead_neurons", "warning", learning_rate=0.5)
    apart = remedy("unequal_classes", "warning", class_weight="balanced")
    shared = remedy("overfitting", "warning", epochs=1, l2=0.5)
    after = remedy("no_progress", l2=0.0)
    trial = try_remedies(case, [rate, apart, shared, after, adam])
    assert trial.remedies == (adam, apart)
    assert trial.changes == {"optimizer": "adam", "epochs": 2, "class_weight": "balanced"}
    assert try_remedies(case, [rate, after]).remedies == (after,)


def test_a_penalty_too_large_is_mended_by_its_own_remedy_alone():
    case = open_case(run_of(clusters(), l2=100.0, optimizer="sgd", learning_rate=0.001), None)
    faults = sorted_faults(examine(case))
    assert {"learning_rate", "l2"} <= {name for fault in faults for name in fault.settings}
    trial = try_remedies(case, faults)
    assert trial.changes == {"l2": 0.0}
    assert trial.after.loss < trial.before.loss / 2


@pytest.mark.parametrize(("rate", "is_worse"), [(1e-9, True), (0.1, False)])
def test_a_remedy_that_makes_it_worse_is_said_to(rate, is_worse):
    run = run_of(clusters(), optimizer="sgd", learning_rate=0.01)
    case = open_case(run, None)
    trial = try_remedies(case, [remedy("dead_neurons", learning_rate=rate)])
    assert (trial.after.loss > trial.before.loss) == is_worse
    explanation = explain_diagnosis(run, examine(case), [trial], [[]])
    text = explanation.show("text")
    assert ("This is worse than before" in text) == is_worse
    assert ("To train so" in text) != is_worse
    assert explanation.facts["tried"][0]["worse"] == is_worse


def test_starting_again_draws_other_weights():
    hidden, output = random_weights()
    planted = planted_start("relu", hidden, np.zeros(8), output)
    run = run_of(clusters(), planted, hidden=(8,), optimizer="sgd", learning_rate=1e-6)
    assert _cause(open_case(run, None), True)[1:] == ({"start": "he"}, True)
    run = run_of(clusters(), hidden=(8,), optimizer="sgd", learning_rate=1e-6)
    text, values, redraw = _cause(open_case(run, None), True)
    assert (values, redraw) == ({"seed": run.settings.seed + 1}, True)
    assert f"--seed {run.settings.seed + 1}" in text
    again = retrain(open_case(run, None), values, redraw=redraw).run
    assert not np.array_equal(flatten(again.initial), flatten(run.initial))


def test_a_table_of_huge_numbers_is_told_to_scale_them():
    C = clusters()
    run = run_of(Examples(1000 * C.X, C.Y, C.classes), hidden=(8,), activation="tanh", optimizer="sgd")
    text, values, _ = _cause(open_case(run, None), True)
    assert f"Scale the inputs (largest {np.abs(run.examples.X).max():.4g}" in text
    assert not values


def test_a_weight_limit_that_is_too_tight_is_lifted(course):
    run = train(course, Settings(weight_limit=0.001, **PLAIN))
    fault = the("no_progress", diagnose(run))
    assert fault.evidence["accuracy"] == 1.0
    assert fault.settings == {"weight_limit": None}
    assert tried(run, "no_progress").after.loss < 0.1


def test_inputs_that_tell_the_answers_are_not_doubted(course, monkeypatch):
    monkeypatch.setattr(fit, "loss_with", lambda *_: np.inf)
    fault = the("no_progress", diagnose(train(course, Settings(weight_limit=0.001, **PLAIN))))
    assert fault.evidence["accuracy"] == 1.0
    assert "may not tell" not in fault.remedy
    assert "tinyglass data" in fault.remedy


def test_a_rate_so_low_that_nothing_moved_is_found_near_the_limit():
    C = clusters(gap=1.0)
    values = {"hidden": (32,), "optimizer": "sgd", "schedule": "constant", "l2": 0.0, "epochs": 50}
    run = run_of(Examples(0.05 * C.X, C.Y, C.classes), learning_rate=1e-6, **values)
    fault = the("learning_rate_too_low", diagnose(run))
    assert abs(fault.evidence["loss_at_end"] / fault.evidence["loss_at_start"] - 1) < 0.01
    assert min(fault.evidence["losses_with_them"]) > 0.5 * fault.evidence["loss_at_end"]
    assert fault.settings["learning_rate"] < fault.evidence["largest_learning_rate"]
    trial = tried(run, "learning_rate_too_low")
    assert trial.after.loss <= 0.9 * trial.before.loss


def test_outputs_driven_flat_where_they_are_right_are_not_called_useless(course):
    values = {"optimizer": "sgd", "learning_rate": 50.0, "schedule": "constant", "epochs": 60}
    run = course_default(course, **values)
    assert run.outcome == "diverged"
    faults = diagnose(run)
    fault = the("saturated_neurons", faults)
    assert fault.evidence["loss_at_end"] < fault.evidence["baseline_loss"]
    assert "no better than a constant" not in " ".join(text for f in faults for text in (f.what, *f.proof))
    assert "less than that of the best constant answer" in fault.proof[0]
    assert "severe" not in kinds(faults).values()


def test_a_schedule_that_ends_the_learning_is_named():
    values = {"hidden": (8,), "schedule": "step", "rate_drop": 0.01, "rate_every": 1}
    run = run_of(clusters(), **values)
    fault = the("learning_rate_too_low", diagnose(run))
    assert "schedule 'step'" in fault.what
    assert fault.evidence["learning_rate_at_end"] < 1e-100
    assert fault.settings == {"schedule": "constant"}
    assert tried(run, "learning_rate_too_low").after.loss < 0.1
    gentle = run_of(clusters(), hidden=(8,), schedule="step", rate_drop=0.9, rate_every=10)
    assert not [fault for fault in diagnose(gentle) if "schedule" in fault.what]


# ---------------------------------------------------------------- healthy trainings


HEALTHY = {
    "defaults": {},
    "sigmoid": {"activation": "sigmoid", "learning_rate": 0.03},
    "tanh, squared": {
        "activation": "tanh",
        "output": "linear",
        "loss": "half_squared_error",
        "learning_rate": 0.01,
    },
    "momentum": {"optimizer": "momentum", "learning_rate": 0.01},
    "no hidden layer": {"hidden": (), "learning_rate": 0.03},
    "two hidden layers": {"hidden": (16, 16)},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_trainings_raise_nothing_severe(name):
    for seed in range(3):
        faults = diagnose(run_of(clusters(seed=seed), **HEALTHY[name]))
        assert "severe" not in kinds(faults).values(), kinds(faults)


def test_the_course_and_the_defaults_are_healthy(course):
    for wished in (make_settings({}, preset="course"), Settings()):
        run = train(course, wished)
        assert not [fault.kind for fault in diagnose(run, course) if fault.severity != "note"]


def test_quantities_are_healthy():
    X = np.random.default_rng(2).normal(size=(60, 3))
    assert not diagnose(run_of(Examples(X, (X @ [1, 2, -1.0])[:, None]), epochs=200))


SETS = {
    "microbit_createai/wand-data-samples.json": {"inputs": ("raw",), "augment": ()},
    "ucr/BasicMotions_TRAIN.ts": {"inputs": ("summary",), "augment": ()},
    "ucr/GunPoint_TRAIN.ts": {"inputs": ("raw",), "augment": ("shift", "scale")},
    "ucr/PickupGestureWiimoteZ_TRAIN.ts": {"inputs": ("raw",), "augment": ("shift",)},
    "ei_xiao": {"inputs": ("summary",), "augment": ()},
    "emlearn_cgestures/raw": {"inputs": ("summary",), "augment": ()},
    "ei_exercise/data/training": {"inputs": ("raw", "spectrum"), "augment": ()},
    "ei_lab5_cbor": {"inputs": ("raw", "spectrum"), "augment": ()},
    "wand_nanguoyu/data/train": {"inputs": ("raw",), "augment": ()},
    "tinyspark": {},
}
"""Public sets with inputs like those that the defaults choose on them; choosing takes long and changes no training."""


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
@pytest.mark.parametrize("name", SETS)
def test_public_sets_raise_nothing_severe(name):
    recordings = list(same_channels(read_recordings(SHARED / name)))
    run = train(
        recordings, Settings(**(SETS[name] | {"threshold": 0.0, "temperature": 1.0} if SETS[name] else {}))
    )
    faults = diagnose(run, recordings)
    assert "severe" not in kinds(faults).values(), [fault.what for fault in faults]


# ---------------------------------------------------------------- records, trials, explanations


def test_training_again_without_a_change_gives_the_same_bits(course):
    for run, recordings in (
        (train(course, Settings(epochs=20, **PLAIN)), course),
        (train(course, Settings(epochs=20, **PLAIN)), None),
        (train(course, Settings(epochs=20, validation=0.3, **PLAIN)), course),
        (train(course, Settings(epochs=20, class_weight={"moving_away": 3.0}, **PLAIN)), None),
    ):
        again = retrain(open_case(run, recordings)).run
        assert np.array_equal(flatten(again.network), flatten(run.network))
        assert again.fingerprint == run.fingerprint


def test_a_diagnosis_is_plain_json_and_points_to_a_step(course):
    faults = diagnose(course_run(course, learning_rate=10.0)) + diagnose(
        course_run(course, learning_rate=1e-5)
    )
    for fault in faults:
        assert json.loads(json.dumps(fault.evidence, allow_nan=False)) == fault.evidence
        assert fault.where != Place()
        assert fault.proof
        assert not fault.what.endswith(".")
    assert Place(2, 3, weight="hidden[0,1]").options() == [
        "--epoch",
        "2",
        "--step",
        "3",
        "--weight",
        "hidden[0,1]",
    ]


def test_every_check_says_what_it_looked_at(course):
    looked = examine(open_case(train(course, Settings(epochs=5, **PLAIN)), None))
    assert len(looked) == len(CHECKS)
    assert all(each.subject and each.measured for each in looked)


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "html", "json"])
def test_every_format_shows_findings_severe_ones_first(course, format):
    run = course_run(course, learning_rate=1e-3)
    looked = examine(open_case(run, None))
    explanation = explain_diagnosis(run, looked, folder="my training")
    text = explanation.show(format)
    assert "too low" in text
    sections = [section.kind for section in explanation.sections]
    assert sections[:2] == ["summary", "severe"]
    assert sections[-1] == "looked_at"
    assert explanation.facts["findings"][0]["command"].startswith("tinyglass explain 'my training' --epoch")


def test_a_healthy_training_says_so_and_what_was_looked_at(course):
    run = train(course, Settings(**PLAIN))
    explanation = explain_diagnosis(run, examine(open_case(run, None)))
    assert explanation.sections[0].items[0].startswith("Nothing severe was found")
    assert [row[0] for row in explanation.sections[-1].items[0].rows][:2] == ["learning rate", "neurons"]


# ---------------------------------------------------------------- the command line

MODEL, RUN = "model.safetensors", "run.safetensors"


@pytest.fixture(scope="session")
def diverged(tmp_path_factory, command):
    """The folder of a training that diverged."""
    folder = tmp_path_factory.mktemp("diverged") / "out"
    done = command("train", "--preset", "course", "--learning-rate", "10", "--out", folder)
    assert done.returncode == 2
    assert "tinyglass diagnose" in done.stderr
    return folder


def test_a_training_that_diverged_leaves_its_run_alone(diverged, here):
    assert [path.name for path in diverged.iterdir()] == [RUN]
    run = Run.load(diverged / RUN)
    assert (run.outcome, run.epochs, run.updates) == ("diverged", 0, 5)
    assert all(np.isfinite(layer.weights).all() for layer in run.network.layers)
    for words in (("show", diverged), ("predict", diverged, diverged), ("test", diverged, diverged)):
        refused = here(*words)
        assert refused.returncode == 2
        assert "diverged" in refused.stderr
        assert f"tinyglass diagnose {diverged}" in refused.stderr
    resumed = here("train", "--out", diverged, "--preset", "course", "--resume")
    assert resumed.returncode == 2
    assert "would do so again" in resumed.stderr
    assert here("explain", diverged, "--epoch", "1", "--step", "6").returncode == 0


def test_diagnose_finds_tries_and_writes_nothing(diverged, here):
    before = {path.name: path.read_bytes() for path in diverged.iterdir()}
    done = here("diagnose", diverged, "--try", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    text = json.dumps(facts)
    assert "exploded_weights" in text
    assert {path.name: path.read_bytes() for path in diverged.iterdir()} == before
    shown = here("diagnose", diverged, "--try", "each").stdout
    assert "1. severe: The weights exploded" in shown
    assert "Findings that vanished: exploded weights" in shown
    assert "diverged" in shown


def test_what_was_tried_can_be_kept_and_is_healthy(diverged, here, tmp_path):
    kept = tmp_path / "better"
    assert here("diagnose", diverged, "--try", "1", "--save", kept).returncode == 0
    assert sorted(path.name for path in kept.iterdir()) == [MODEL, RUN]
    done = here("diagnose", kept)
    assert done.returncode == 0
    assert "Nothing severe was found" in done.stdout
    assert here("show", kept).returncode == 0
    again = here("diagnose", diverged, "--try", "1", "--save", kept)
    assert again.returncode == 2
    assert "There is a training in this folder" in again.stderr


def test_findings_are_written_where_asked(diverged, here, tmp_path):
    page = tmp_path / "why.html"
    done = here("diagnose", diverged, "--out", page)
    assert (done.returncode, done.stdout) == (0, f"written: {page}\n")
    assert "The weights exploded" in page.read_text(encoding="utf-8")


def test_a_score_is_measured_where_asked(here, course_training):
    done = here("diagnose", course_training, "--score", "--json")
    assert done.returncode == 0
    assert "1.000 on recordings left out (leave one out)" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--try", "7"), "There is no finding '7'"),
        (("--try", "x"), "There is no finding 'x'"),
        (("--save", "new"), "--save keeps one training"),
        (("--format", "pdf"), "Unknown format"),
        (("--recordings", "/no/such"), "such"),
    ],
)
def test_bad_input_is_refused(diverged, here, words, said):
    done = here("diagnose", diverged, *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_nothing_to_try_is_said(here, course_training):
    done = here("diagnose", course_training, "--try")
    assert done.returncode == 0
    assert "no finding has a remedy" in done.stderr
    assert "Nothing severe was found" in done.stdout


def test_an_earlier_training_in_the_folder_is_kept_when_the_next_diverges(here, tmp_path):
    folder = tmp_path / "out"
    words = ("train", "--preset", "course", "--out", folder)
    assert here(*words).returncode == 0
    model = (folder / MODEL).read_bytes()
    done = here(*words, "--learning-rate", "10")
    assert done.returncode == 2
    assert "is kept: its files are named" in done.stderr
    assert (folder / "model-before.safetensors").read_bytes() == model
    assert sorted(path.name for path in folder.iterdir()) == [
        "model-before.safetensors",
        "report-before.html",
        "run-before.safetensors",
        RUN,
    ]
    assert here("diagnose", folder).returncode == 0
    assert here(*words).returncode == 0
    assert Run.load(folder / RUN).outcome == "finished"
