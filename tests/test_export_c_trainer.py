"""Training on the board in C: every step has the bits that were foretold, and is the PC's step."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from board_networks import random_network, random_preparation
from tinyglass import (
    ArgumentError,
    Examples,
    Settings,
    export_network,
    read_recordings,
    train,
    train_examples,
)
from tinyglass.export.board_model import make_board_model
from tinyglass.export.computing import prepared
from tinyglass.export.executors.compiling import learning
from tinyglass.export.executors.table import EXECUTORS
from tinyglass.export.learning import PARTS, targets, trained_on_board, trainer_memory
from tinyglass.network import flatten


def feeder(name):
    executor = next(e for e in EXECUTORS if e.name == name)
    if not executor.is_there():
        pytest.skip(f"{executor.title} is missing: {executor.install}")
    return executor.feed


def trained_weights(network, part):
    """As the trainer keeps them: of each neuron its bias, then its weights."""
    rows = [
        np.concatenate(
            [np.zeros((la.n_outputs, 1)) if la.bias is None else la.bias[:, None], la.weights], axis=1
        )
        for la in (network.layers if part == "all" else network.layers[-1:])
    ]
    return np.concatenate([row.ravel() for row in rows]).astype(np.float32)


def steps_of(network, model, readings, places, part, rate):
    expected = np.eye(network.n_outputs)[places]
    return trained_on_board(model.network, prepared(model.preparation, readings), expected, rate, part)


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_step_of_any_network_has_the_bits_that_were_foretold(part, data):
    feed = feeder("gcc")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    hidden = data.draw(st.lists(st.integers(1, 12), max_size=3))
    activation = data.draw(st.sampled_from(("linear", "relu", "leaky_relu", "sigmoid", "tanh")))
    last = data.draw(st.sampled_from(("softmax", "linear", "sigmoid", "tanh", "relu", "leaky_relu")))
    kinds = data.draw(st.sampled_from((("raw",), ("raw", "summary"))))
    p = random_preparation(random, kinds, 2, 6, 6, False)
    network = random_network(
        random,
        (p.n_inputs, *hidden, 3),
        activation,
        last,
        data.draw(st.booleans()),
        classes=("a", "b", "c"),
        preparation=p,
        temperature=2.0,
    )
    model = make_board_model(network)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(5, 6, 2))
    places = random.integers(0, 3, 5)
    try:
        steps = steps_of(network, model, readings, places, part, 0.01)
    except (RuntimeWarning, ArgumentError):
        assume(False)  # it diverges, in C as well
    answers, _ = feed(learning(model, part, 0.01, list(readings), places.astype(float)))
    found = np.frombuffer(answers, "<f4").reshape(5, -1)
    for weights, step in zip(found, steps, strict=True):
        np.testing.assert_array_equal(weights, trained_weights(step, part))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", [executor.name for executor in EXECUTORS if executor.form == "c"])
def test_every_compiler_and_chip_makes_the_same_steps(name, part):
    feed = feeder(name)
    recordings = read_recordings()
    network = train(recordings, Settings(hidden=(6, 4))).network
    model = make_board_model(network)
    readings = np.stack([recording.signal for recording in recordings])
    places = np.array([network.classes.index(recording.label) for recording in recordings])
    answers, cost = feed(learning(model, part, 0.1, list(readings), places.astype(float)))
    last = steps_of(network, model, readings, places, part, 0.1)[-1]
    found = np.frombuffer(answers, "<f4").reshape(10, -1)[-1]
    np.testing.assert_array_equal(found, trained_weights(last, part))
    if cost is not None:
        # The copy of the weights is held by the program; on the stack are outputs, deltas, inputs and frames.
        assert cost.stack >= trainer_memory(model, part) - 4 * len(found)
        assert cost.ram <= 4  # whether it has started


@pytest.mark.parametrize("last", ["softmax", "linear"])
def test_each_step_is_the_compiled_core_s_step(last):
    random = np.random.default_rng(2)
    network = random_network(random, (7, 5, 3), "tanh", last, classes=("a", "b", "c"))
    inputs, places = random.normal(size=(20, 7)).astype(np.float32), random.integers(0, 3, 20)
    expected = np.eye(3)[places]
    steps = trained_on_board(network, inputs, expected, 0.1)
    loss = "cross_entropy" if last == "softmax" else "half_squared_error"
    chosen = Settings(
        hidden=(5,),
        activation="tanh",
        output=last,
        loss=loss,
        optimizer="sgd",
        schedule="constant",
        learning_rate=0.1,
        l2=0,
        batch=1,
        epochs=1,
        shuffle=False,
    )
    before = network
    for x, y, step in zip(inputs, expected.astype(np.float32), steps, strict=True):
        run = train_examples(Examples(x[None], y[None], ("a", "b", "c")), chosen, start=before)
        np.testing.assert_allclose(flatten(step), flatten(run.network), rtol=2e-5, atol=2e-6)
        before = step


def test_a_few_steps_adapt_the_board_to_what_it_got_wrong():
    feed = feeder("gcc")
    recordings = read_recordings()
    network = train(recordings).network
    swapped = {"moving_away": 1.0, "moving_closer": 0.0}
    model = make_board_model(network)
    readings = [recording.signal for recording in recordings] * 20
    wanted = np.array([swapped[recording.label] for recording in recordings] * 20)
    answers, _ = feed(learning(model, "all", 0.05, readings, wanted))
    weights = np.frombuffer(answers, "<f4").reshape(len(readings), -1)[-1]
    stack = np.stack(readings)
    after = steps_of(network, model, stack, wanted.astype(int), "all", 0.05)[-1]
    np.testing.assert_array_equal(weights, trained_weights(after, "all"))
    outputs = after.outputs(prepared(model.preparation, stack[:10]))
    assert (outputs.argmax(axis=1) == wanted[:10]).all()


def test_regression_learns_quantities_in_their_unit():
    feed = feeder("gcc")
    random = np.random.default_rng(4)
    p = random_preparation(random, ("raw",), 1, 3, 3, False)
    p = type(p)(
        **{f: getattr(p, f) for f in p.__struct_fields__} | {"answer_offset": 20.0, "answer_scale": 5.0}
    )
    network = random_network(random, (3, 4, 1), "tanh", "linear", preparation=p)
    model = make_board_model(network)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(6, 3, 1))
    quantities = random.uniform(10, 30, 6)
    answers, _ = feed(learning(model, "all", 0.05, list(readings), quantities))
    expected = (np.float32(quantities) - np.float32(20)) / np.float32(5)
    steps = trained_on_board(model.network, prepared(p, readings), expected[:, None], 0.05)
    found = np.frombuffer(answers, "<f4").reshape(6, -1)
    np.testing.assert_array_equal(found[-1], trained_weights(steps[-1], "all"))
    np.testing.assert_allclose(targets(network, [str(q) for q in quantities])[:, 0], expected, rtol=1e-6)


def test_what_cannot_learn_is_refused():
    recordings = read_recordings()
    network = train(recordings).network
    for more, message in (
        ({"trainer": "lst"}, "Did you mean 'last'"),
        ({"trainer": "all", "precision": "int8", "recordings": recordings}, "int8 network cannot learn"),
        ({"trainer": "all", "learning_rate": -1.0}, "above 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            export_network(network, "c", **more)
    with pytest.raises(ArgumentError, match="no trainer"):
        export_network(network, "onnx", trainer="all")
    with pytest.raises(ArgumentError, match="none of the network's classes"):
        targets(network, ["other"])


def test_the_trainer_says_how_much_memory_it_needs():
    artefact = export_network(train(read_recordings()).network, "c", trainer="last")
    assert "trainer.h" in artefact.files
    assert any("bytes of RAM" in note for note in artefact.notes)
    assert trainer_memory(artefact.model, "last") == 4 * (2 * 33 + 2 * 34)
