"""Time travel: how a number moved, who moved it, and what a training is without one recording.

Shares are made here once more, in numpy, for networks of one linear layer; that the core's
shares are those of the definition is held in test_movements.py.
"""

import json
import re
import shlex
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import PLAIN
from tinyglass import (
    ArgumentError,
    DivergenceError,
    Examples,
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
from tinyglass.engine import order_of, track
from tinyglass.explain.explanation import Figure, Table
from tinyglass.explain.history import losses as loss_history
from tinyglass.explain.history import moments, movers
from tinyglass.explain.history import trace as history
from tinyglass.explain.history.drawing import HEIGHT, WIDTH, is_early, plot_text
from tinyglass.explain.history.movers import recording_names
from tinyglass.explain.history.trace import trace_history
from tinyglass.explain.history.without import without
from tinyglass.explain.replay import restore
from tinyglass.network import flatten, with_parameters

FORMATS = ("text", "markdown", "latex", "html", "json")


@pytest.fixture(scope="module")
def course_run(course):
    return train(course, make_settings({}, preset="course"))


def tables(explanation, kind=None):
    """Return the tables of an explanation by their captions."""
    sections = [s for s in explanation.sections if kind in (None, s.kind)]
    return {item.caption: item for s in sections for item in s.items if isinstance(item, Table)}


def table_like(explanation, begin):
    return next(table for caption, table in tables(explanation).items() if caption.startswith(begin))


def words(explanation):
    return " ".join(item for s in explanation.sections for item in s.items if isinstance(item, str))


def figures(explanation):
    return [item for s in explanation.sections for item in s.items if isinstance(item, Figure)]


def random_examples(seed, n=7, n_inputs=3, n_outputs=2):
    rng = np.random.default_rng(seed)
    return Examples(rng.normal(size=(n, n_inputs)), rng.normal(size=(n, n_outputs)))


# ---------------------------------------------------------------- who moved it


LINEAR = {"hidden": (), "output": "linear", "loss": "half_squared_error", "l2": 0.0, "precision": "float64"}


def shares_in_numpy(run, examples):
    """Return every update's share of each example in each weight, (n_updates, n_examples, n_out, n_in), for sgd."""
    s, n = run.settings, examples.n_examples
    W = run.initial.layers[0].weights.astype(float)
    shares = []
    for epoch in range(s.n_epochs):
        order = order_of(s, n, epoch)
        for begin in range(0, n, s.batch):
            batch = order[begin : begin + s.batch]
            share = np.zeros((n, *W.shape))
            for e in batch:
                error = W @ examples.X[e] - examples.Y[e]
                share[e] = -s.learning_rate * np.outer(error, examples.X[e]) / len(batch)
            shares.append(share)
            W = W + share.sum(axis=0)
    return np.array(shares)


@pytest.fixture(scope="module", params=[1, 3])
def linear_run(request):
    examples = random_examples(1)
    wished = Settings(
        **LINEAR,
        bias=False,
        optimizer="sgd",
        learning_rate=0.05,
        schedule="constant",
        epochs=20,
        batch=request.param,
    )
    run = train_examples(examples, wished)
    return run, shares_in_numpy(run, examples)


def test_shares_and_paths_of_a_weight_are_those_made_in_numpy(linear_run):
    run, shares = linear_run
    own = shares[:, :, 1, 2]
    found = trace_history(run, weight="output[1,2]")
    assert found.facts["shares"] == pytest.approx(own.sum(axis=0), abs=1e-12)
    assert found.facts["paths"] == pytest.approx(np.abs(own).sum(axis=0), abs=1e-12)
    movement = float(run.network.layers[0].weights[1, 2] - run.initial.layers[0].weights[1, 2])
    assert found.facts["movement"] == movement
    assert movement == pytest.approx(own.sum(), abs=1e-12)

    steps = -(-7 // run.settings.batch)
    moved = own.sum(axis=1)
    furthest = np.argsort(-np.abs(moved))[: movers.KEEP]
    for update, step in zip(furthest, found.facts["steps"], strict=True):
        assert (step["epoch"], step["step"]) == (update // steps + 1, update % steps + 1)
        assert step["movement"] == pytest.approx(moved[update], abs=1e-12)
        who = np.abs(own[update]).argmax()
        assert step["example"] == who + 1
        assert step["share"] == pytest.approx(own[update, who], abs=1e-12)


def test_shares_in_a_distance_are_projections_and_add_up_to_it(linear_run):
    run, shares = linear_run
    for wish, own in (({"neuron": "output[0]"}, shares[:, :, 0]), ({"layer": "output"}, shares)):
        found = trace_history(run, **wish).facts
        net = own.sum(axis=0).reshape(7, -1)
        moved = net.sum(axis=0)
        distance = np.linalg.norm(moved)
        assert found["movement"] == pytest.approx(distance, abs=1e-12)
        assert found["shares"] == pytest.approx(net @ moved / distance, abs=1e-12)
        assert sum(found["shares"]) == pytest.approx(distance, abs=1e-12)
        assert found["paths"] == pytest.approx(np.abs(own).sum(axis=0).reshape(7, -1).sum(axis=1), abs=1e-12)


def test_the_table_of_movers_adds_up_and_is_in_order(linear_run):
    found = trace_history(linear_run[0], weight="output[0,0]")
    table = table_like(found, "Examples, by their net share")
    *parts, whole = table.rows
    assert whole[0] == "all"
    assert sum(row[1] for row in parts) == pytest.approx(whole[1], abs=1e-15)
    sizes = [abs(row[1]) for row in parts if row[0].startswith("example")]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 7
    assert sum(row[2] for row in parts) == pytest.approx(100, abs=0.1)
    assert "Shares add up to the movement" in words(found)


@settings(max_examples=25)
@given(
    optimizer=st.sampled_from(["sgd", "momentum", "nesterov", "adam"]),
    batch=st.sampled_from([0, 1, 3, 7]),
    bias=st.booleans(),
    l2=st.sampled_from([0.0, 0.05]),
    limit=st.sampled_from([None, 0.4]),
    precision=st.sampled_from(["float32", "float64"]),
    wish=st.sampled_from([{"weight": "hidden[1,0]"}, {"neuron": "output[0]"}, {"layer": "hidden"}]),
    seed=st.integers(0, 1000),
)
def test_shares_always_add_up_to_the_movement_but_for_rounding(
    optimizer, batch, bias, l2, limit, precision, wish, seed
):
    wished = Settings(
        hidden=(2,),
        activation="tanh",
        optimizer=optimizer,
        batch=batch,
        bias=bias,
        l2=l2,
        weight_limit=limit,
        precision=precision,
        learning_rate=0.02,
        epochs=6,
        seed=seed,
    )
    run = train_examples(random_examples(seed), wished)
    found = trace_history(run, **wish).facts
    parts = sum(found["shares"]) + found["share_of_l2"] + found["share_of_limit"]
    assert parts + found["rounding"] == pytest.approx(found["movement"], abs=1e-12)
    # See `tinyglass.engine.Movements`; a projection rounds by no more than its weights together.
    unit = np.finfo(precision).eps / 2
    path = sum(found["paths"]) + l2 * run.updates * 10 + 10
    assert abs(found["rounding"]) <= unit * (run.updates * 10 + (7 + 8 / 0.1) * path)
    assert found["share_of_l2"] == 0 or l2
    assert found["share_of_limit"] == 0 or limit
    for name, values in found["values"].items():
        layer, j, i = re.fullmatch(r"(\w+)\[(\d+),(\w+)\]", name).groups()
        for network, value in ((run.initial, values[0]), (run.network, values[-1])):
            own = network.layers[network.layer_names.index(layer)]
            assert value == (own.bias[int(j)] if i == "bias" else own.weights[int(j), int(i)])


def test_l2_and_the_limit_are_movers_of_their_own():
    wished = Settings(hidden=(2,), activation="tanh", l2=0.5, weight_limit=0.3, learning_rate=0.02, epochs=20)
    found = trace_history(train_examples(random_examples(0), wished), layer="hidden")
    names = [row[0] for row in table_like(found, "Examples, by their net share").rows]
    assert names[-4:] == ["L2", "weight limit", "rounding", "all"]
    assert found.facts["share_of_l2"] != 0
    assert found.facts["share_of_limit"] != 0


def test_pieces_of_a_recording_are_summed(course):
    wished = make_settings({**PLAIN, "hidden": [3], "epochs": 3, "augment": ["noise"], "batch": 4})
    run = train(course, wished)
    assert run.examples.n_examples > len(course)
    found = trace_history(run, weight="hidden[0,0]")
    by_recording = table_like(found, "Recordings")
    shares = np.bincount(run.examples.groups, found.facts["shares"])
    names = dict(zip(recording_names(run.examples), run.examples.groups, strict=True))
    assert len(names) == len(course)
    rows = [row for row in by_recording.rows if row[0] in names]
    assert len(rows) == len(course)
    for name, net, *_ in rows:
        assert net == pytest.approx(shares[names[name]], abs=1e-12)
    assert table_like(found, "Examples, by their path").rows[0][1] == max(found.facts["paths"])


# ---------------------------------------------------------------- what it was


def test_values_are_those_of_the_training_at_every_moment(course_run):
    found = trace_history(course_run, weight="hidden[0,2]")
    table = table_like(found, "At some moments")
    assert [row[0] for row in table.rows] == ["start", "1", "2", "5", "10", "20", "50", "100 (end)"]
    updates = [0, 10, 20, 50, 100, 200, 500, 1000]
    history_ = track(course_run.initial, course_run.examples, None, course_run.settings, updates)
    expected = [with_parameters(course_run.network, row).layers[0].weights[0, 2] for row in history_]
    assert [row[1] for row in table.rows] == expected

    everything = track(course_run.initial, course_run.examples, None, course_run.settings, range(1001))
    own = np.array([with_parameters(course_run.network, row).layers[0].weights[0, 2] for row in everything])
    (row,) = table_like(found, "From start to end").rows
    assert row[1:5] == (own[0], own[-1], float(own[-1]) - float(own[0]), own.min())
    assert row[5] == pytest.approx(own.argmin() / 10)
    assert row[6:] == (own.max(), pytest.approx(own.argmax() / 10))


def test_a_long_training_is_looked_at_in_places_and_says_so():
    wished = Settings(**LINEAR, optimizer="sgd", learning_rate=1e-4, epochs=9000, batch=1)
    run = train_examples(random_examples(2, n=2), wished)
    found = trace_history(run, weight="output[0,0]", points=50)
    assert "in 18,000 updates" in words(found)
    assert len(found.facts["moments"]) <= 50
    rows = [row[0] for row in table_like(found, "At some moments").rows]
    assert rows[:4] == ["start", "1", "2", "5"]
    assert rows[-1] == "9,000 (end)"
    assert len(rows) <= history.MOST_ROWS


@pytest.mark.parametrize("epochs", [1, 3, 10**6, 10**7])
def test_a_table_of_moments_is_short(epochs, course_run):
    run = Run(**{**course_run.__dict__, "losses": np.ones(epochs), "accuracies": np.ones(epochs)})
    run = Run(**{**run.__dict__, "updates": epochs * 10})
    chosen = moments.milestones(run, 10)
    assert chosen[0] == 0
    assert chosen[-1] == run.updates
    assert len(chosen) <= history.MOST_ROWS


@given(last=st.integers(0, 10**6), most=st.integers(2, 500), data=st.data())
def test_moments_are_as_many_as_there_is_room_for(last, most, data):
    wanted = np.array(sorted({0, last} | data.draw(st.sets(st.integers(0, last), max_size=20))))
    chosen = moments.spread(last, most, wanted)
    assert len(chosen) <= max(most, 1)
    assert (chosen[0], chosen[-1]) == (0, last)
    assert (np.diff(chosen) > 0).all()
    assert last < most or len(wanted) > most or set(wanted) <= set(chosen)


def test_the_best_epoch_is_marked(course):
    run = train(
        course, make_settings({**PLAIN, "hidden": [4], "validation": 0.2, "patience": 3, "epochs": 2000})
    )
    assert run.outcome == "stopped_early"
    for wish in ({"weight": "hidden[0,0]"}, {"layer": "output"}, {}):
        found = trace_history(run, **wish)
        assert f"after epoch {run.best_epoch}." in words(found)
        assert f"best: epoch {run.best_epoch}" in figures(found)[0].svg
        marked = [row for row in table_like(found, "At some").rows if "best" in row[0]]
        assert len(marked) == 1
    # What the network keeps is the value of that epoch, not the last one.
    (row,) = [
        r for r in table_like(trace_history(run, weight="hidden[0,0]"), "At some").rows if "best" in r[0]
    ]
    assert row[1] == run.network.layers[0].weights[0, 0]


@pytest.mark.parametrize("after", [0.0, 2.5])
def test_an_interrupted_training_is_shown_as_far_as_it_came(after):
    examples = random_examples(3, n=20_000)
    watch = Watch(lambda progress: progress.epoch >= after)
    run = train_examples(
        examples, Settings(hidden=(4,), activation="tanh", epochs=1000, batch=8), watch=watch
    )
    assert run.outcome == "interrupted"
    for wish in ({"weight": "hidden[0,0]"}, {"loss": True}):
        found = trace_history(run, **wish)
        assert "interrupted" in words(found)
        assert found.facts["updates"] == run.updates
        for form in FORMATS:
            assert found.show(form)
    if not run.updates:
        assert [s.kind for s in trace_history(run, weight="hidden[0,0]").sections] == ["values"]


def test_a_diverged_training_is_shown_up_to_there():
    wished = Settings(**LINEAR, optimizer="sgd", learning_rate=50.0, epochs=500, batch=1)
    with pytest.raises(DivergenceError) as caught:
        train_examples(random_examples(4), wished)
    run = caught.value.run
    for wish in ({"layer": "output"}, {"loss": True}):
        found = trace_history(run, **wish)
        assert "diverged" in words(found)
        assert found.show("text")
        assert found.show("json")


def test_what_takes_too_long_is_left_out_and_named(course_run, monkeypatch):
    whole = trace_history(course_run, layer="hidden").facts
    assert whole["n_watched"] == whole["n_weights"] == 6
    monkeypatch.setattr(movers, "MOST_SHARES", 2 * 2 * course_run.updates)
    found = trace_history(course_run, layer="hidden")
    assert found.facts["n_watched"] == 2
    assert "the 2 that moved furthest" in words(found)
    furthest = sorted((abs(v[-1] - v[0]) for v in found.facts["values"].values()), reverse=True)
    assert found.facts["movement"] == pytest.approx(np.hypot(*furthest[:2]), abs=1e-12)
    assert sum(found.facts["shares"]) == pytest.approx(found.facts["movement"], abs=1e-5)


def test_a_network_too_large_for_many_moments_is_looked_at_in_few(course_run, monkeypatch):
    monkeypatch.setattr(moments, "LARGEST_TRACK", 10 * 4 * 5)
    found = trace_history(course_run, weight="hidden[0,0]")
    assert "Looked at 5 times in 1,000 updates" in words(found)
    rows = table_like(found, "At some moments").rows
    assert (rows[0][0], rows[-1][0], len(rows)) == ("start", "100 (end)", 5)


# ---------------------------------------------------------------- the loss


def test_the_loss_is_made_of_its_examples(course_run):
    found = trace_history(course_run)
    assert found.facts["of"] == "loss"
    examples = course_run.examples
    ends = [
        ((network.outputs(examples.X) - examples.Y) ** 2).sum(axis=1) / 2
        for network in (course_run.initial, course_run.network)
    ]
    table = table_like(found, "The largest loss at the end")
    order = np.argsort(-ends[1])
    for e, row in zip(order, table.rows, strict=False):
        assert row[0].startswith(f"example {e + 1},")
        assert row[1:3] == pytest.approx((ends[0][e], ends[1][e]), rel=1e-5)
    assert found.facts["shares"] == pytest.approx((ends[1] - ends[0]) / 10, rel=1e-4)
    assert found.facts["movement"] == pytest.approx(ends[1].mean() - ends[0].mean(), rel=1e-5)
    rows = table_like(found, "At some epochs").rows
    assert [row[1] for row in rows] == [course_run.losses[e - 1] for e in (1, 2, 5, 10, 20, 50, 100)]


def test_the_epochs_that_moved_the_loss_most_are_found(course_run):
    found = trace_history(course_run, loss=True).facts["steps"]
    history_ = track(course_run.initial, course_run.examples, None, course_run.settings, range(0, 1001, 10))
    losses = np.array(
        [
            loss_history.weighted_losses(
                with_parameters(course_run.network, row), course_run.examples, "half_squared_error"
            )
            for row in history_
        ]
    )
    moved = np.diff(losses, axis=0) / 10
    furthest = np.argsort(-np.abs(moved.sum(axis=1)))[:3]
    for e, step in zip(furthest, found, strict=False):
        assert step["epoch"] == e + 1
        assert step["movement"] == pytest.approx(moved[e].sum())
        assert step["example"] == np.abs(moved[e]).argmax() + 1
        assert step["share"] == pytest.approx(moved[e, step["example"] - 1])


def test_class_weights_count_in_the_loss(course):
    wished = make_settings(
        {**PLAIN, "hidden": [3], "epochs": 4, "class_weight": {"moving_away": 3.0}, "batch": 2}
    )
    run = train(course, wished)
    found = trace_history(run).facts
    losses = loss_history.weighted_losses(run.network, run.examples, run.settings.loss)
    away = run.examples.Y[:, 0] == 1
    unweighted = -np.log(run.network.outputs(run.examples.X)[np.arange(10), run.examples.Y.argmax(axis=1)])
    assert losses == pytest.approx(unweighted * np.where(away, 1.5, 0.5), rel=1e-5)
    assert sum(found["shares"]) == pytest.approx(found["movement"], abs=1e-12)


# ---------------------------------------------------------------- pictures


def test_pictures_are_svg_and_escape_their_names(course_run):
    for wish in ({"weight": "hidden[0,2]"}, {"neuron": "output[0]"}, {"layer": "hidden"}, {"loss": True}):
        (figure,) = figures(trace_history(course_run, **wish))
        assert ElementTree.fromstring(figure.svg).tag.endswith("svg")
        assert figure.alternative.isascii()
        assert len([line for line in figure.drawn.splitlines() if "|" in line]) == HEIGHT


def test_more_weights_than_lines_are_drawn_as_percentiles():
    run = train_examples(random_examples(5, n_inputs=40), Settings(hidden=(8,), epochs=2))
    found = trace_history(run, layer="hidden")
    assert "25 % to 75 %" in figures(found)[0].svg
    assert "more not shown" in table_like(found, "From start to end").caption
    few = trace_history(run, neuron="hidden[0]")
    assert "41 weights of hidden[0]" in figures(few)[0].svg


@settings(max_examples=30)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=80),
    n_lines=st.integers(1, 3),
    early=st.booleans(),
)
def test_a_plot_of_characters_has_its_size_and_its_ends(values, n_lines, early):
    epochs = np.arange(len(values), dtype=float)
    lines = [(f"w{k}", np.array(values) + k) for k in range(n_lines)]
    rows = plot_text(epochs, lines, early).splitlines()
    room = rows[0].index("|") + 1
    drawn = [row[room:].ljust(WIDTH) for row in rows[:HEIGHT]]
    assert all(len(row) == WIDTH for row in drawn)
    marks = {"*"} if n_lines == 1 else set("abc"[:n_lines])
    assert {c for row in drawn for c in row} <= marks | {" "}
    if n_lines == 1 and max(values) > min(values):
        top = round((HEIGHT - 1) * (max(values) - values[0]) / (max(values) - min(values)))
        assert drawn[top][0] == "*"
        bottom = round((HEIGHT - 1) * (max(values) - values[-1]) / (max(values) - min(values)))
        assert drawn[bottom][-1] == "*"


def test_epochs_are_on_a_logarithmic_axis_where_all_happens_early():
    epochs = np.arange(1001.0)
    assert is_early(epochs, np.exp(-epochs / 10)[:, None])
    assert not is_early(epochs, epochs[:, None])
    assert not is_early(epochs[:10], np.exp(-epochs[:10])[:, None])
    text = plot_text(epochs, [("w", np.exp(-epochs / 10))], logarithmic=True)
    assert "(logarithmic)" in text


def test_every_format_shows_a_history_in_both_notations(course_run):
    for notation in ("standard", "course"):
        found = trace_history(course_run, neuron="hidden[1]", notation=notation)
        for form in FORMATS:
            assert len(found.show(form)) > 500
        assert ("weight14" in found.show("text")) == (notation == "course")
        assert {step["weight"] for step in found.facts["steps"]} <= {f"hidden[1,{i}]" for i in range(3)}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"weight": "hidden[0,2]", "loss": True}, "2 things are asked for"),
        ({"layer": "hiden"}, "Did you mean 'hidden'"),
        ({"neuron": "hidden[2]"}, "no neuron 2"),
        ({"weight": "hidden[0,bias]"}, "has no bias"),
        ({"weight": ""}, "Expected a name"),
        ({"points": 1}, "2 points or more"),
        ({"plot": "history.txt"}, "ends in .svg"),
    ],
)
def test_what_is_not_there_is_refused_before_any_work(course_run, wish, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        trace_history(course_run, **wish)


def test_other_recordings_are_refused(course, course_run):
    with pytest.raises(ArgumentError, match="fingerprint"):
        trace_history(course_run, course[1:])


# ---------------------------------------------------------------- without a recording


def test_without_an_example_is_a_training_of_the_others(course_run):
    found = without(course_run, example=4)
    others = course_run.examples.take(np.delete(np.arange(10), 3))
    anew = train_examples(others, course_run.settings, start=course_run.initial)
    change = flatten(anew.network).astype(float) - flatten(course_run.network)
    assert found.facts["changed"]
    assert sorted(map(abs, found.facts["largest_changes"].values())) == pytest.approx(sorted(np.abs(change)))
    own = found.facts["largest_changes"]["hidden[0,2]"]
    assert own == pytest.approx(
        anew.network.layers[0].weights[0, 2] - course_run.network.layers[0].weights[0, 2]
    )
    outputs = table_like(found, "Outputs for the one left out")
    X = course_run.examples.X[3:4]
    for network, column in ((course_run.network, 2), (anew.network, 3)):
        rows = {row[0]: row[column] for row in outputs.rows}
        assert [rows[name] for name in course_run.network.classes] == pytest.approx(
            network.outputs(X)[0].tolist()
        )
    wrong = table_like(found, "Wrong answers").rows
    assert [row[1] for row in wrong[:3]] == [4, 5, 9]


def test_a_recording_is_found_by_number_and_by_name(course_run):
    by_name = without(course_run, example="CLOSER.txt, line 30").facts
    assert by_name["recording"] == "moving_closer.txt, line 30"
    assert without(course_run, example=by_name["examples"][0]).facts == by_name
    assert without(course_run, example=str(by_name["examples"][0])).facts == by_name


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (0, "from 1 to 10, found 0"),
        (11, "from 1 to 10, found 11"),
        ("closer", "5 recordings are called 'closer': moving_closer.txt, line 28, "),
        ("moving_clser.txt, line 31", "Did you mean 'moving_closer.txt, line 31'?"),
        ("", "No recording is called ''"),
    ],
)
def test_a_recording_that_is_not_there_is_refused_and_the_nearest_offered(course_run, example, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        without(course_run, example=example)


def test_all_pieces_of_a_recording_are_left_out(course):
    run = train(
        course, make_settings({**PLAIN, "hidden": [3], "epochs": 3, "augment": ["noise"], "batch": 4})
    )
    copies = np.flatnonzero(run.examples.groups == run.examples.groups[0])
    assert len(copies) > 1
    for number in copies[[0, -1]]:
        found = without(run, example=int(number) + 1)
        assert found.facts["examples"] == (copies + 1).tolist()
    remaining = table_like(found, "Wrong answers").rows[2]
    assert remaining[1] == run.examples.n_examples - len(copies)


def recording_of(value, label, number):
    return Recording([[value, 1.0, -value]], label=label, source=f"{label} {number}")


def test_the_last_of_its_class_is_left_out_with_a_word():
    rng = np.random.default_rng(0)
    data = [recording_of(rng.normal(), "often", k) for k in range(6)]
    data += [recording_of(3 + rng.normal(), "also", k) for k in range(6)] + [recording_of(-9.0, "once", 0)]
    run = train(data, make_settings({**PLAIN, "hidden": [4], "epochs": 600}))
    found = without(run, data, "once 0")
    assert "only one of once" in words(found)
    answer = next(item for item in found.sections[1].items if isinstance(item, str))
    assert "with it once" in answer
    assert "without it once" not in answer


def test_nothing_is_left_without_the_only_recording():
    run = train_examples(Examples([[1.0]], [[0.5]]), Settings(**LINEAR, epochs=2))
    with pytest.raises(ArgumentError, match="nothing is left"):
        without(run, example=1)


def test_an_example_that_moves_nothing_changes_nothing():
    examples = Examples([[0.0, 0.0], [1.0, 2.0], [0.5, -1.0]], [[0.3], [0.2], [0.1]])
    wished = Settings(
        **LINEAR, bias=False, optimizer="sgd", schedule="constant", batch=1, shuffle=False, epochs=9
    )
    run = train_examples(examples, wished)
    found = without(run, example=1)
    assert not found.facts["changed"]
    assert "Nothing changes" in words(found)
    assert without(run, example=2).facts["changed"]
    with pytest.raises(ArgumentError, match="have no names"):
        without(run, example="a")


def test_a_recording_kept_aside_is_named_as_such(course):
    run = train(
        course, make_settings({**PLAIN, "hidden": [3], "validation": 0.2, "patience": 5, "epochs": 50})
    )
    name = re.sub(r"^.*/", "", run.validation.names[0])
    with pytest.raises(ArgumentError, match="kept aside"):
        without(run, example=name)
    found = without(run, course, 1)
    assert [s.kind for s in found.sections] == ["left_out", "answers", "weights", "score"]


def test_an_interrupted_training_is_compared_over_the_epochs_that_were_made():
    examples = random_examples(3, n=20_000)
    watch = Watch(lambda progress: progress.epoch >= 1.5)
    run = train_examples(
        examples, Settings(hidden=(2,), activation="tanh", epochs=1000, batch=8), watch=watch
    )
    found = without(run, example=7)
    assert f"both sides are trained for {run.epochs} epoch" in words(found)
    assert found.facts["changed"]
    early = train_examples(examples, Settings(hidden=(2,), epochs=9), watch=Watch(lambda progress: True))
    with pytest.raises(ArgumentError, match="in its first epoch"):
        without(early, example=7)


def test_the_recording_that_keeps_a_training_from_diverging_or_makes_it_diverge():
    wished = Settings(**LINEAR, bias=False, optimizer="sgd", learning_rate=0.5, epochs=300, batch=1)
    with pytest.raises(DivergenceError) as caught:
        train_examples(Examples([[9.0], [0.5], [0.4]], [[1.0], [1.0], [1.0]]), wished)
    found = without(caught.value.run, example=1)
    assert "The training diverged" in words(found)
    assert found.facts["trouble"] == ""
    assert "training fails" in words(without(caught.value.run, example=2))
    assert found.show("text")


def test_regression_is_told_in_the_unit_of_the_labels():
    data = [Recording([[x, x**2]], label=f"{100 + 7.5 * x:.2f}", source=f"r{x}") for x in np.arange(12) / 4]
    run = train(data, make_settings({**PLAIN, "hidden": [3], "epochs": 200}))
    found = without(run, data, "r1.5")
    (row,) = table_like(found, "Outputs for the one left out").rows
    assert row[1] == pytest.approx(111.25)
    assert row[2] == pytest.approx(111.25, abs=5)
    errors = table_like(found, "Loss").rows[2]
    assert errors[0] == "mean absolute error of the remaining"
    assert 0 < errors[1] < 10


def test_the_score_is_that_of_evaluate(course, course_run):
    found = without(course_run, course, 4)
    wished = make_settings({}, preset="course")
    rest = [r for k, r in enumerate(course) if k != 3]
    assert found.facts["score"] == {
        "with it": evaluate(course, wished).value,
        "without it": evaluate(rest, wished).value,
        "split": "leave one out",
    }
    shares = []
    asked = without(course_run, course, 4, score=True, progress=shares.append)
    assert asked.facts["score"] == found.facts["score"]
    assert shares[-1] == 1.0
    assert "score" not in without(course_run, course_run.examples, 4).facts
    tested = without(course_run, course, 4, test=course[:4])
    assert tested.facts["score"]["split"] == "test part"


def test_a_score_that_would_take_long_is_not_made_unasked(course):
    data = [
        Recording(r.signal, r.channels, label=r.label, source=f"{r.source} {k}")
        for k in range(3)
        for r in course
    ]
    run = train(data, make_settings({}, preset="course"))
    found = without(run, data, 1)
    assert "--score" in words(found)
    assert "score" not in found.facts


# ---------------------------------------------------------------- the command line


@pytest.fixture
def folder(course_training, tmp_path):
    return shutil.copytree(course_training, tmp_path / "my run")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_commands_that_are_suggested_run_and_explain_that_step(here, folder):
    before = contents(folder)
    done = here("history", folder, "--weight", "hidden[0,2]", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["facts"]
    run = Run.load(folder / "run.safetensors")
    for step in facts["steps"][:2]:
        name, *words_ = shlex.split(step["command"])
        assert name == "tinyglass"
        explained = here(*words_, "--json")
        assert explained.returncode == 0, explained.stderr
        lines = [
            item
            for section in json.loads(explained.stdout)["sections"]
            for item in section["items"]
            if item.get("name") == "hidden[0,2].new"
        ]
        update = (step["epoch"] - 1) * 10 + step["step"]
        assert lines[0]["result"] == pytest.approx(weight_after(run, update), rel=1e-5)
        moved = weight_after(run, update) - weight_after(run, update - 1)
        assert step["movement"] == pytest.approx(moved, abs=1e-12)
    loss = json.loads(here("history", folder, "--json").stdout)["facts"]["steps"][0]
    assert here(*shlex.split(loss["command"])[1:]).returncode == 0
    assert contents(folder) == before


def weight_after(run, updates):
    examples, _ = restore(run, read_recordings())
    (row,) = track(run.initial, examples, None, run.settings, [updates])
    return float(with_parameters(run.network, row).layers[0].weights[0, 2])


def test_history_writes_its_picture_and_changes_no_run(here, folder, tmp_path):
    before = contents(folder)
    for name in ("p.svg", "p.png"):
        done = here("history", folder, "--neuron", "hidden[1]", "--plot", tmp_path / name, "--points", "30")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")
    done = here("history", folder, "--without", "4", "--out", tmp_path / "without.html")
    assert done.returncode == 0, done.stderr
    assert "What becomes of the score" in (tmp_path / "without.html").read_text()
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words_", "message"),
    [
        (["--weight", "hidden[5,0]"], "no neuron 5"),
        (["--loss", "--layer", "hidden"], "2 things are asked for"),
        (["--without", "99"], "from 1 to 10"),
        (["--without", "1", "--loss"], "--loss means nothing with --without"),
        (["--score"], "--score needs --without"),
        (["--plot", "x.gif"], "ends in .svg"),
        (["--notation", "latin"], "Unknown notation"),
        (["--points", "0"], "1 or more"),
    ],
)
def test_history_refuses_in_one_line(here, course_training, words_, message):
    done = here("history", course_training, *words_)
    assert done.returncode == 2
    assert done.stderr.startswith("tinyglass: ")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_history_of_recordings_that_lie_elsewhere_says_so_in_its_commands(here, tmp_path):
    data = tmp_path / "a b.csv"
    rows = [f"{label},{x},{y}" for k in range(4) for label, x, y in (("up", k, 1), ("down", -k, -1))]
    data.write_text("label,x,y\n" + "\n".join(rows) + "\n")
    settings_ = ["--inputs", "raw", "--augment", "none", "--threshold", "0", "--temperature", "1"]
    done = here("train", data, "--out", tmp_path / "out", "--epochs", "5", *settings_)
    assert done.returncode == 0, done.stderr
    moved = data.rename(tmp_path / "moved here.csv")
    done = here("history", tmp_path / "out", "--weight", "output[0,0]")
    assert done.returncode == 2
    assert "--recordings" in done.stderr
    done = here("history", tmp_path / "out", "--weight", "output[0,0]", "--recordings", moved, "--json")
    assert done.returncode == 0, done.stderr
    suggested = json.loads(done.stdout)["facts"]["steps"][0]["command"]
    assert "--recordings" in suggested
    done = here(*shlex.split(suggested)[1:])
    assert done.returncode == 0, done.stderr
