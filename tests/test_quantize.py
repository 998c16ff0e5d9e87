"""int8: exact by construction, close to float, refused where it costs too much."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from board_networks import random_network, random_preparation
from tinyglass import ArgumentError, Layer, Network, Recording, read_recordings, train
from tinyglass.export.board_model import board_answers, make_board_model, selftest_hash, selftest_line
from tinyglass.export.computing import last_sums, prepared
from tinyglass.export.floats import FLOAT30, FLOAT30_REFILLED, FLOAT32, FLOAT64, refilled, truncated
from tinyglass.export.quantized import (
    SUM_LIMIT,
    quantize_inputs,
    quantize_readings,
    quantized_sums,
    rescaled,
)
from tinyglass.export.quantizing import quantize


def in_32_bits(whole, multiplier, shift):
    """What a board computes: every intermediate fits 32 bits."""
    high = (whole >> 8) * multiplier
    low = (whole & 255) * multiplier + (1 << (shift - 1))
    summed = high + (low >> 8)
    for part in (high, low, summed):
        assert -(2**31) <= part < 2**31
    return summed >> (shift - 8)


@given(
    st.integers(1 - SUM_LIMIT, SUM_LIMIT - 1),
    st.integers(2**14, 2**15 - 1),
    st.integers(9, 30),
    st.booleans(),
)
def test_32_bits_are_enough_for_every_sum(whole, multiplier, shift, negative):
    multiplier = -multiplier if negative else multiplier
    exact = (whole * multiplier + 2 ** (shift - 1)) // 2**shift
    assert in_32_bits(whole, multiplier, shift) == exact
    assert int(rescaled(np.array(whole), np.array(multiplier), np.array(shift))) == exact


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.sampled_from(("linear", "relu", "leaky_relu", "sigmoid", "tanh", "step")),
    st.sampled_from((1e-6, 1e-2, 1.0, 1e3)),
)
def test_no_sum_can_overflow_and_every_number_has_its_range(seed, hidden, activation, size):
    random = np.random.default_rng(seed)
    network = random_network(random, (random.integers(1, 60), *hidden, 3), activation)
    layers = [Layer(la.weights * np.float32(size), la.bias, la.activation) for la in network.layers]
    network = Network(tuple(layers))
    q = quantize(network, random.normal(size=(40, network.n_inputs)))
    for layer in q.layers:
        reach = np.abs(layer.weights.astype(int)).sum(axis=1) * 128 + np.abs(layer.bias.astype(int))
        assert (reach < SUM_LIMIT).all()
        assert np.abs(layer.weights.astype(int)).max() <= 127
        if layer.multiplier is not None:
            at_end = layer.shift == 30  # where a factor is so small that bits fall off
            assert (at_end | (layer.multiplier >= 2**14)).all()
            assert ((layer.shift >= 9) & (layer.shift <= 30)).all()
    assert q.layers[-1].multiplier is None


def test_a_neuron_that_was_silent_in_every_example_stays_within_its_range():
    silent = Layer(np.array([[900.0, 800.0]], np.float32), np.array([-5000.0], np.float32), "relu")
    output = Layer(np.ones((2, 1), np.float32), None, "softmax")
    q = quantize(Network((silent, output), ("a", "b")), np.random.default_rng(0).normal(size=(40, 2)))
    assert ((q.layers[0].shift >= 9) & (q.layers[0].multiplier >= 2**14)).all()
    assert quantized_sums(q, np.array([[0, 0]])).tolist() == [[0, 0]]


def test_a_neuron_with_very_many_inputs_gets_fewer_steps_instead_of_an_overflow():
    network = Network((Layer(np.ones((2, 3000), np.float32), None, "linear"),), ("a", "b"))
    q = quantize(network, np.random.default_rng(0).normal(size=(20, 3000)))
    assert q.layers[0].weights.max() < 127
    everything = np.full((1, 3000), 127)
    assert np.abs(quantized_sums(q, everything)).max() < SUM_LIMIT


def test_int8_stays_near_float():
    random = np.random.default_rng(1)
    network = random_network(random, (39, 20, 10, 4), classes=tuple("abcd"))
    inputs = random.normal(size=(400, 39))
    q = quantize(network, inputs[:200])
    exact = last_sums(network, inputs[200:].astype(np.float32))
    found = quantized_sums(q, quantize_inputs(q.inputs, inputs[200:])) * q.layers[-1].unit
    assert np.abs(found - exact).std() < 0.03 * exact.std()
    assert (found.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.95


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_readings_become_the_same_whole_numbers_in_every_kind_of_float(seed, n_readings, n_steps):
    random = np.random.default_rng(seed)
    p = random_preparation(random, ("raw",), 2, n_readings, n_steps, False)
    network = random_network(random, (p.n_inputs, 3), classes=("a", "b", "c"), preparation=p)
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(20, n_readings, 2))
    q = quantize(network, prepared(p, readings, FLOAT64))
    # Of no more bits than the narrowest float: what a sensor of 16 bits gives.
    coarse = np.round(readings * 256) / 256
    wanted = quantize_readings(q.readings, coarse, p.n_steps)
    for floats in (FLOAT32, FLOAT30, FLOAT30_REFILLED, FLOAT64):
        np.testing.assert_array_equal(quantize_readings(q.readings, floats.keep(coarse), p.n_steps), wanted)
    # And the whole numbers are those that the prepared inputs would be rounded to, but for one step.
    rounded = quantize_inputs(q.inputs, prepared(p, coarse, FLOAT64))
    assert np.abs(wanted - rounded).max() <= 1


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_thirty_bits_keep_all_but_the_last_two(x):
    bits = int(np.float32(x).view(np.uint32))
    cut = int(truncated(x).view(np.uint32))
    assert cut == bits & ~3
    assert int(refilled(x).view(np.uint32)) == cut | (cut >> 2 & 3)


def test_int8_that_costs_more_than_half_a_point_is_refused_with_the_figures():
    random = np.random.default_rng(0)
    # Two classes that differ by less than an int8 step of a channel whose other readings are large.
    recordings = [
        Recording([[1000.0 * big, small]], ("big", "small"), label=str(small > 0))
        for big, small in random.normal(size=(300, 2))
    ]
    network = Network(
        (Layer(np.float32([[0, -1], [0, 1]]), None, "softmax"),),
        ("False", "True"),
        preparation=random_preparation(random, ("raw",), 2, 1, 1, False),
    )
    bare = type(network.preparation)(("big", "small"), ("", ""), 1, False, (0.0, 0.0), (1.0, 1.0))
    network = Network(network.layers, network.classes, preparation=bare)
    with pytest.raises(ArgumentError, match=r"costs \d+\.\d points of accuracy on 300 examples"):
        make_board_model(network, "int8", recordings)
    assert make_board_model(network, "float32", recordings).quantized is None


def test_an_answer_that_becomes_unknown_in_int8_counts_as_another():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(400, 1))
    layer = Layer(np.float32([[1.0], [-1.0]]), np.float32([0.0, 0.0]), "linear")
    # The largest sum is never another one: what differs is on which side of the threshold it lies.
    near = Network((layer,), ("a", "b"), threshold=0.5)
    with pytest.raises(ArgumentError, match=r"points of agreement on 400 examples \(no labels say which"):
        make_board_model(near, "int8", inputs=np.concatenate([inputs, 100 * inputs[:1]])[1:])


def test_int8_needs_something_to_be_calibrated_on():
    network = train(read_recordings()).network
    with pytest.raises(ArgumentError, match="recordings to be calibrated on"):
        make_board_model(network, "int8")
    with pytest.raises(ArgumentError, match="one row an example"):
        quantize(network, np.zeros((0, 3)))


def test_the_course_keeps_all_its_classes_in_int8():
    recordings = read_recordings()
    model = make_board_model(train(recordings).network, "int8", recordings)
    assert model.agreement.n == 10
    assert model.agreement.equal == model.agreement.accuracy_int8 == 1.0
    answers = board_answers(model, np.stack([recording.signal for recording in recordings]))
    assert [model.network.classes[place] for place in answers.classes] == [r.label for r in recordings]


# ---------------------------------------------------------------- test vectors


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_vectors_are_of_every_class_and_the_same_on_every_board(precision):
    recordings = read_recordings()
    model = make_board_model(train(recordings).network, precision, recordings)
    answers = board_answers(model, model.readings)
    assert model.readings.shape == (8, 3, 1)
    assert set(answers.classes.tolist()) == {0, 1}
    for floats in (FLOAT30, FLOAT30_REFILLED, FLOAT64):
        np.testing.assert_array_equal(floats.keep(model.readings), model.readings)
        assert selftest_hash(model, board_answers(model, model.readings, floats)) == selftest_hash(
            model, answers
        )
    assert selftest_line(model).startswith(f"selftest {model.digest[:16]} {precision} 8/8 hash=")


def test_vectors_are_as_many_of_a_rare_class_as_of_others():
    network = Network((Layer(np.float32([[1], [-1], [0]]), np.float32([0, 0, 1]), "linear"),), tuple("abc"))
    inputs = np.concatenate([np.linspace(2, 9, 500), [-3.0, -4.0], np.linspace(-0.1, 0.1, 50)])[:, None]
    model = make_board_model(network, inputs=inputs)
    assert np.bincount(board_answers(model, model.readings).classes).tolist() == [2, 3, 3]


def test_a_network_and_its_file_have_one_digest(tmp_path):
    network = train(read_recordings()).network
    digest = network.save(tmp_path / "model.safetensors", {"anything": 1})
    assert (
        make_board_model(network).digest == make_board_model(tmp_path / "model.safetensors").digest == digest
    )


def test_the_digest_is_of_every_number_and_name():
    network = random_network(np.random.default_rng(0), (3, 2), classes=("a", "b"))
    digest = make_board_model(network).digest
    assert make_board_model(Network(network.layers, ("a", "c"))).digest != digest
    changed = Layer(network.layers[0].weights + np.float32(1e-6), network.layers[0].bias, "softmax")
    assert make_board_model(Network((changed,), ("a", "b"))).digest != digest
    assert make_board_model(Network(network.layers, ("a", "b"))).digest == digest
