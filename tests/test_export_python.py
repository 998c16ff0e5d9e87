"""The generated Python: what was foretold, in CPython, in MicroPython, and with the 30-bit numbers of boards."""

import ast
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from board_networks import board_models, random_network, random_preparation
from board_python import as_heard, ask, run_on_board, run_program
from tinyglass import ArgumentError, Layer, Network, Preparation, Recording, predict, train
from tinyglass.export import board_model as making
from tinyglass.export.board_model import board_answers, make_board_model, selftest_line
from tinyglass.export.computing import prepared
from tinyglass.export.floats import FLOAT30, FLOAT30_REFILLED, FLOAT64
from tinyglass.export.python.files import python_files
from tinyglass.export.python.model_file import chosen_style, python_model
from tinyglass.export.python.trainer_file import python_trainer
from tinyglass.export.quantized import quantize_readings
from tinyglass.prediction import answers as answers_of

INTERPRETERS = ("cpython", "micropython")
FLOAT_STYLES = ("unrolled", "loop", "ulab")
FEW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WITH_EXP = ("sigmoid", "tanh", "softmax")


@pytest.fixture(autouse=True)
def _random_networks_may_be_bad_at_int8(monkeypatch):
    """Networks that were never trained have no accuracy to lose."""
    monkeypatch.setattr(making, "DEAREST", np.inf)


def in_float32(readings):
    return [r.astype(np.float32).astype(np.float64) for r in readings]


def foretold(model, readings, floats=FLOAT64):
    """What a board answers to readings of different lengths, one after another."""
    each = [board_answers(model, r[None], floats) for r in in_float32(readings)]
    return [np.concatenate(column) for column in zip(*each, strict=True)]


def equal_but_for_exp(model, outputs, expected):
    last = model.network.layers[-1].activation
    hidden = {layer.activation for layer in model.network.layers[:-1]}
    if last in WITH_EXP or (model.quantized is None and hidden & set(WITH_EXP)):
        np.testing.assert_allclose(outputs, expected, rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_array_equal(outputs, expected)


def check(name, folder, model, text, readings):
    outputs, places, sums = ask(name, folder, text, readings)
    expected_sums, expected_outputs, classes = foretold(model, readings)
    equal_but_for_exp(model, outputs, expected_outputs)
    np.testing.assert_array_equal(places, classes)
    if model.quantized is not None:
        np.testing.assert_array_equal(sums, expected_sums)


# ---------------------------------------------------------------- the same numbers everywhere


@pytest.mark.parametrize("style", FLOAT_STYLES)
@pytest.mark.parametrize("name", INTERPRETERS)
@FEW
@given(drawn=board_models("float32"))
def test_any_network_and_preparation_gives_the_numbers_that_were_foretold(name, style, tmp_path, drawn):
    model, readings = drawn
    check(name, tmp_path, model, python_model(model, style=style), readings)


@pytest.mark.parametrize("name", INTERPRETERS)
@FEW
@given(drawn=board_models("int8"), extreme=st.sampled_from((1e30, -1e30, 0.0, -0.0, 3e5)))
def test_any_network_in_int8_gives_the_whole_numbers_that_were_foretold(name, tmp_path, drawn, extreme):
    model, readings = drawn
    if model.quantizes_readings:  # anything else squares them
        readings = [*readings, np.full_like(readings[0], extreme)]
    check(name, tmp_path, model, python_model(model), readings)


def test_int8_inputs_are_equal_for_thousands_of_readings(tmp_path, course):
    network = train(course).network
    model = make_board_model(network, "int8", course)
    random = np.random.default_rng(0)
    values = np.concatenate(
        [
            random.normal(60, 80, size=(4000, 3)),
            random.normal(size=(500, 3)) * 10.0 ** random.integers(-38, 38, (500, 3)),
            [[1e30, -1e30, 0.0], [-0.0, 127.875, 4.194303e6]],
        ]
    ).astype(np.float32)[:, :, None]
    values.tofile(tmp_path / "values")
    (tmp_path / "model.py").write_text(python_model(model))
    program = """
from struct import unpack
import model
with open("values", "rb") as file:
    while True:
        row = file.read(12)
        if not row:
            break
        print(*model.prepare([(x,) for x in unpack("<3f", row)]))
"""
    expected = quantize_readings(model.quantized.readings, values.astype(np.float64), 3)
    for name in INTERPRETERS:
        found = np.array([row.split() for row in run_program(name, tmp_path, program).splitlines()], int)
        np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 200


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", INTERPRETERS)
def test_the_course_gets_the_answers_of_the_pc(name, precision, tmp_path, course):
    network = train(course).network
    model = make_board_model(network, precision, course)
    readings = [recording.signal for recording in course]
    outputs, places, _ = ask(name, tmp_path, python_model(model), readings)
    predicted = predict(network, course)
    labels = ["unknown" if place < 0 else network.classes[place] for place in places]
    assert labels == [p.label for p in predicted]
    if precision == "float32":
        np.testing.assert_allclose(outputs, answers_of(network, course), atol=2e-6)


@pytest.mark.parametrize("kinds", [("raw",), ("summary",), ("spectrum",), ("raw", "summary", "spectrum")])
def test_windows_of_motion_get_the_answers_of_the_pc(kinds, tmp_path):
    random = np.random.default_rng(5)
    p = random_preparation(random, kinds, 6, 100, 32, True)
    network = random_network(random, (p.n_inputs, 12, 3), "relu", classes=("a", "b", "c"), preparation=p)
    model = make_board_model(network, n_readings=100)
    times = np.arange(100)[:, None] / 50
    readings = [
        np.array(p.offset)
        + np.array(p.scale) * np.sin(times * random.uniform(1, 60, 6) + random.normal(size=6))
        for _ in range(5)
    ]
    outputs, _, _ = ask("micropython", tmp_path, python_model(model), readings)
    recordings = [Recording(r.astype(np.float32), p.channels, p.units, rate_hz=50.0) for r in readings]
    np.testing.assert_allclose(outputs, answers_of(network, recordings), atol=2e-5)


@pytest.mark.parametrize("floats", [FLOAT30, FLOAT30_REFILLED], ids=lambda floats: floats.name)
@pytest.mark.parametrize("style", ["unrolled", "loop"])
@FEW
@given(drawn=board_models("float32"))
def test_30_bit_numbers_give_the_bits_that_were_foretold(style, floats, tmp_path, drawn):
    model, readings = drawn
    board = run_on_board(python_model(model, style=style), floats, tmp_path / "model.py")
    for signal in readings[:2]:
        given = in_float32([signal])[0]
        rows = as_heard(board, given)
        expected = board_answers(model, given[None], floats)
        inputs = board.prepare(rows)
        np.testing.assert_array_equal(inputs, prepared(model.preparation, given[None], floats)[0])
        outputs = board.predict(inputs)
        np.testing.assert_array_equal(outputs, expected.outputs[0])
        assert model.network.classes is None or board._place(outputs) == expected.classes[0]


@pytest.mark.parametrize("floats", [FLOAT30, FLOAT30_REFILLED], ids=lambda floats: floats.name)
@FEW
@given(drawn=board_models("int8"))
def test_30_bit_numbers_give_the_whole_numbers_that_were_foretold(floats, tmp_path, drawn):
    model, readings = drawn
    board = run_on_board(python_model(model), floats, tmp_path / "model.py")
    for signal in readings[:2]:
        given = in_float32([signal])[0]
        rows = as_heard(board, given)
        inputs = board.prepare(rows)
        expected = board_answers(model, given[None], floats)
        np.testing.assert_array_equal(board.sums(inputs), expected.sums[0])
        np.testing.assert_array_equal(board.predict(inputs), expected.outputs[0])


def test_the_three_kinds_of_numbers_differ(tmp_path, course):
    model = make_board_model(train(course).network)
    given = course[0].signal
    outputs = {}
    for floats in (FLOAT30, FLOAT30_REFILLED):
        board = run_on_board(python_model(model), floats, tmp_path / "model.py")
        outputs[floats.name] = tuple(board.predict(board.prepare(as_heard(board, given))))
    outputs["float64"] = tuple(board_answers(model, given[None], FLOAT64).outputs[0].tolist())
    assert len(set(outputs.values())) == 3


# ---------------------------------------------------------------- the self-test


@pytest.mark.parametrize("name", INTERPRETERS)
@FEW
@given(drawn=st.one_of(board_models("float32"), board_models("int8")), style=st.sampled_from(FLOAT_STYLES))
def test_the_self_test_says_what_was_foretold(name, tmp_path, drawn, style):
    model, _ = drawn
    style = "auto" if model.quantized is not None else style
    (tmp_path / "model.py").write_text(python_model(model, style=style))
    said = run_program(name, tmp_path, "import model\nprint(model.selftest())\n")
    # Where int8 inputs are made of statistics, one may fall to the other side of a rounding.
    if model.quantized is None or model.quantizes_readings:
        assert said.startswith(selftest_line(model) + " error=")
        assert float(said.split("error=")[1]) < 1e-4 * max(
            1, np.abs(board_answers(model, model.readings).outputs).max()
        )


def test_the_self_test_notices_a_changed_weight_and_a_changed_class(tmp_path, course):
    model = make_board_model(train(course).network, "int8", course)
    text = python_model(model)
    program = "import model\nprint(model.selftest())\n"
    (tmp_path / "model.py").write_text(text.replace("_BIASES2 = (", "_BIASES2 = (2000 + "))
    assert " 0/8 " in run_program("micropython", tmp_path, program)
    head, vectors = text.split("#: 00", 1)
    (tmp_path / "model.py").write_text(head + "#: 01" + vectors)
    assert " 7/8 " in run_program("micropython", tmp_path, program)


def test_a_model_without_its_vectors_does_not_pass(tmp_path, course):
    model = make_board_model(train(course).network)
    (tmp_path / "model.py").write_text(python_model(model).split("\n#: ")[0])
    said = run_program("micropython", tmp_path, "import model\nprint(model.selftest())\n")
    assert " 0/0 hash=811c9dc5 " in said


# ---------------------------------------------------------------- labels and other data

NASTY = (
    "int",
    "class",
    'a"b\\',
    "*/",
    "手",
    "\n",
    "\x00",
    "'",
    '"""',
    "{x}",
    "%s",
    "😀",
    "unknown",
    "\r",
    "\\N",
)


def labelled(labels):
    layer = Layer(np.eye(len(labels), dtype=np.float32), None, "linear")
    return make_board_model(Network((layer,), classes=tuple(labels)))


def heard_labels(name, folder, labels):
    """What each label has become on its way: answered, listed, and written as UTF-8."""
    (folder / "model.py").write_text(python_model(labelled(labels), style="loop"), encoding="ascii")
    program = """
import model
n = len(model.CLASSES)
for j in range(n):
    label, p = model.answer([1.0 if i == j else 0.0 for i in range(n)])
    assert p == 1.0 and label == model.CLASSES[j]
    print("".join(["%02x" % byte for byte in label.encode()]))
"""
    return [bytes.fromhex(line).decode() for line in run_program(name, folder, program).split("\n")[:-1]]


@pytest.mark.parametrize("name", INTERPRETERS)
def test_labels_that_look_like_code_stay_labels(name, tmp_path):
    assert heard_labels(name, tmp_path, NASTY) == list(NASTY)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(labels=st.lists(st.text(max_size=12), min_size=100, max_size=100, unique=True))
def test_a_thousand_random_labels_survive(tmp_path, labels):
    assert heard_labels("micropython", tmp_path, labels) == labels


def test_channels_units_and_other_facts_arrive(tmp_path):
    p = Preparation(
        ('a"', "\n手"), ("m/s²", "*/"), 4, True, (0.0, 0.0), (1.0, 1.0), rate_hz=3.0, window=5, hop=2
    )
    network = Network((Layer(np.ones((2, 8)), None, "softmax"),), ("x", "y"), preparation=p, threshold=0.3)
    board = types.ModuleType("board")
    exec(python_model(make_board_model(network)), vars(board))
    assert (p.channels, p.units, ("x", "y")) == (board.CHANNELS, board.UNITS, board.CLASSES)
    assert (board.READINGS, board.HOP, board.PERIOD_MS, board.PRECISION) == (5, 2, 1000 / 3.0, "float32")
    assert np.float32(0.3) == board.THRESHOLD
    assert python_model(make_board_model(network), cost="2 KB").count("# expected: 2 KB") == 1


# ---------------------------------------------------------------- inputs of all kinds, and wrong ones


def loaded(model, **options):
    board = types.ModuleType("board")
    exec(python_model(model, **options), vars(board))
    return board


@pytest.mark.parametrize("style", FLOAT_STYLES)
def test_lists_tuples_and_arrays_are_taken(style, tmp_path):
    network = random_network(np.random.default_rng(0), (5, 4, 3), classes=("a", "b", "c"))
    (tmp_path / "model.py").write_text(python_model(make_board_model(network), style=style))
    program = """
from array import array
import model
row = [0.5, -1.0, 2.0, 0.25, 4.0]
for kind in (list, tuple, lambda row: array("f", row)):
    print(list(model.predict(kind(row))), model.predict_raw([kind(row)]), model.predict_raw((kind(row),)))
"""
    for name in INTERPRETERS:
        assert len(set(run_program(name, tmp_path, program).splitlines())) == 1


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_wrong_readings_and_inputs_are_refused(precision, tmp_path, course):
    (tmp_path / "model.py").write_text(
        python_model(make_board_model(train(course).network, precision, course))
    )
    program = """
import model
for wrong in ([], [[1.0]], [[1.0]] * 4, [[1.0, 2.0]] * 3, [[]] * 3):
    for ask in (model.prepare, model.predict_raw):
        try:
            ask(wrong)
        except ValueError as error:
            print(error)
for wrong in ([], [1, 2], [1, 2, 3, 4]):
    try:
        model.predict(wrong)
    except ValueError as error:
        print("inputs")
"""
    for name in INTERPRETERS:
        said = run_program(name, tmp_path, program).splitlines()
        assert said == ["expected rows of length 1, and 3 of them"] * 10 + ["inputs"] * 3


def test_readings_of_any_length_are_taken_where_the_network_takes_them():
    p = Preparation(("x",), ("",), 4, True, (0.0,), (1.0,))
    board = loaded(
        make_board_model(Network((Layer(np.eye(4), None, "linear"),), preparation=p), n_readings=7)
    )
    assert board.READINGS == 7
    assert board.prepare([[3.0]]) == [3.0] * 4
    assert board.prepare([[0.0], [3.0]]) == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="rows of length 1"):
        board.prepare([])


@pytest.mark.parametrize("style", FLOAT_STYLES)
def test_a_quantity_is_answered_in_its_unit(style):
    p = Preparation(("x",), ("",), 1, False, (0.0,), (1.0,), answer_offset=20.0, answer_scale=4.0)
    network = Network((Layer(np.float32([[0.5]]), None, "linear"),), preparation=p)
    board = loaded(make_board_model(network), style=style)
    assert board.CLASSES is None
    assert board.predict_raw([[3.0]]) == (26.0, None)


def test_ties_and_doubtful_answers_are_unknown():
    network = Network((Layer(np.eye(2), None, "linear"),), ("a", "b"), threshold=0.5)
    board = loaded(make_board_model(network))
    assert board.predict_raw([[1.0, 0.0]]) == ("a", 1.0)
    assert board.predict_raw([[0.5, 0.5]]) == ("unknown", 0.5)
    assert board.predict_raw([[0.4, 0.0]]) == ("unknown", np.float32(0.4))
    assert board.answer([float("nan"), 1.0])[0] == "unknown"


@pytest.mark.parametrize("activation", ["linear", "step", "sigmoid", "tanh", "relu", "leaky_relu", "softmax"])
@pytest.mark.parametrize("style", FLOAT_STYLES)
def test_huge_sums_are_no_accident(style, activation):
    network = Network((Layer([[1e30], [-1e30]], None, activation),))
    model = make_board_model(network)
    board = loaded(model, style=style)
    for x in (1.0, -1.0, 0.0):
        expected = board_answers(model, np.array([[[x]]]), FLOAT64).outputs[0]
        np.testing.assert_allclose(board.predict([x]), expected, atol=1e-12)


# ---------------------------------------------------------------- styles


def ulab_of_numpy():
    """What of ulab the generated code uses, which computes in float32 as on a board."""
    numpy = types.SimpleNamespace(array=lambda rows: np.array(rows, np.float32), dot=np.dot)
    return types.SimpleNamespace(numpy=numpy)


def test_with_ulab_the_answers_are_the_same_within_rounding(monkeypatch):
    random = np.random.default_rng(2)
    network = random_network(random, (37, 11, 3), classes=("a", "b", "c"))
    model = make_board_model(network)
    without = loaded(model, style="ulab")
    monkeypatch.setitem(sys.modules, "ulab", ulab_of_numpy())
    board = loaded(model, style="ulab")
    assert without.ulab is None
    assert board.ulab is not None
    for x in random.normal(size=(20, 37)).tolist():
        np.testing.assert_allclose(board.predict(x), without.predict(x), atol=1e-6)
        assert board.predict(tuple(x)) == board.predict(np.array(x))


def test_the_style_follows_the_size():
    random = np.random.default_rng(0)
    chosen = [
        chosen_style(make_board_model(random_network(random, sizes)))
        for sizes in ((3, 2, 2), (39, 20, 10, 4), (41, 2), (30, 40, 2), (120, 50, 15, 2))
    ]
    assert chosen == ["unrolled", "unrolled", "loop", "loop", "loop"]


def test_a_style_for_other_numbers_is_refused(course):
    network = train(course).network
    with pytest.raises(ArgumentError, match="'int8' is none for a network in float32"):
        python_model(make_board_model(network), style="int8")
    with pytest.raises(ArgumentError, match="'loop' is none for a network in int8"):
        python_model(make_board_model(network, "int8", course), style="loop")


def test_no_function_needs_more_of_the_stack_than_circuitpython_has():
    """Variables and waiting numbers of a function: words of 4 bytes, of 1,536 that all functions share."""
    random = np.random.default_rng(0)
    for sizes in ((40, 24, 4), (19, 2, 2), (3, 2, 2), (400, 70, 5)):
        for style in ("auto", "loop"):
            board = loaded(make_board_model(random_network(random, sizes)), style=style)
            for function in (board.predict, getattr(board, "_sums", board.predict)):
                code = function.__code__
                assert 4 * (code.co_nlocals + code.co_stacksize) < 560


# ---------------------------------------------------------------- the program beside it


def fed_with(channels, units, window=0):
    offset, scale = (0.0,) * len(channels), (1.0,) * len(channels)
    p = Preparation(channels, units, 2, False, offset, scale, 50.0, window=window, hop=window)
    sizes = (2 * len(channels), 2)
    return make_board_model(
        random_network(np.random.default_rng(0), sizes, classes=("a", "b"), preparation=p)
    )


@pytest.mark.parametrize(
    ("channels", "units", "sensor"),
    [
        (("distance",), ("",), "proximity"),
        (("ay", "ax"), ("m/s²", ""), "accelerometer"),
        (("gz",), ("rad/s",), "gyroscope"),
        (("ax", "gz"), ("m/s²", "rad/s"), "motion"),
        (("ax",), ("g",), "template"),
        (("light",), ("",), "template"),
    ],
)
@pytest.mark.parametrize("platform", ["circuitpython", "micropython"])
def test_the_smallest_sensor_with_the_channels_is_chosen(channels, units, sensor, platform):
    model = fed_with(channels, units)
    files, needs = python_files(model, platform, "auto")
    name = "code.py" if platform == "circuitpython" else "main.py"
    assert sorted(files) == sorted([name, "model.py"])
    own = "mine" if sensor == "template" else sensor
    assert f'SENSOR = "{own}"' in files[name].decode()
    assert bool(needs) == (sensor != "template" and platform == "circuitpython")
    assert files[name].decode().count("rhythm.wait()") == 1  # a gesture


def test_a_sensor_without_the_channels_is_refused_and_the_template_takes_them():
    model = fed_with(("a\"'b", "手"), ("g", ""))
    with pytest.raises(ArgumentError, match="the sensor 'motion' has ax, ay, az, gx, gy, gz"):
        python_files(model, "circuitpython", "motion")
    files, _ = python_files(model, "circuitpython", "template")
    values = {
        node.targets[0].id: node.value
        for node in ast.parse(files["code.py"]).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert ast.literal_eval(values["CHANNELS"]) == model.preparation.channels
    assert ast.literal_eval(values["UNITS"]) == model.preparation.units


@pytest.mark.parametrize("window", [0, 2])
def test_with_a_trainer_the_program_learns(window):
    model = fed_with(("distance",), ("",), window)
    without, _ = python_files(model, "circuitpython", "auto")
    files, _ = python_files(model, "circuitpython", "auto", trainer="all", learning_rate=0.125)
    assert files["trainer.py"].decode() == python_trainer(model, part="all", learning_rate=0.125)
    assert files["model.py"] == without["model.py"]
    assert b"trainer" not in without["code.py"]
    assert b"from trainer import Trainer" in files["code.py"]
    # The program itself is the same.
    assert (
        files["code.py"].rpartition(b"\n# The program.\n")[2]
        == without["code.py"].rpartition(b"\n# The program.\n")[2]
    )


# ---------------------------------------------------------------- the file itself


@FEW
@given(drawn=st.one_of(board_models("float32"), board_models("int8")))
def test_the_file_is_plain_and_imports_only_what_boards_have(drawn):
    text = python_model(drawn[0])
    assert text.isascii()
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(text, feature_version=(3, 7)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= {"math", "struct"}
    # Numbers with a point stand there only where every board reads them exactly.
    points = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    assert {x for x in points if isinstance(x, float)} <= {0.0, 1.0, 0.5, 1e-4, drawn[0].period_ms}


def test_the_file_passes_a_type_check(tmp_path, course):
    """Of ulab, CircuitPython's stubs know no method; it is left out here."""
    network = train(course).network
    models = {
        "unrolled": make_board_model(network),
        "loop": make_board_model(network),
        "auto": make_board_model(network, "int8", course),
    }
    for style, model in models.items():
        (tmp_path / f"model_{style}.py").write_text(python_model(model, style=style))
    options = [
        "--check-untyped-defs",
        "--disable-error-code=var-annotated",
        f"--cache-dir={tmp_path / 'cache'}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *map(str, tmp_path.glob("*.py"))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
