"""What a network costs on boards: figures that no load of the machine changes, and how they are shown."""

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT))

from benchmarks import board_python, sets
from benchmarks.devices import code, page, tflite
from benchmarks.devices.agreement import agreement_on_held_out, agreements_on_sets, two_thirds
from benchmarks.devices.code import EMLEARN, EMLEARN_INLINE, FLOAT32, INT8
from benchmarks.devices.goals import check_goals
from benchmarks.devices.measuring import Figure, Results, TFLiteFigure, figure_of, measure, tflite_figure
from benchmarks.devices.networks import SUBJECTS, Subject, gestures
from benchmarks.devices.programs import BOARDS, Board

from tinyglass import Recording
from tinyglass.export.executors.answers import Cost
from tinyglass.export.quantized import quantize_inputs, quantized_sums

SHORT, LONG = "39-20-10-4", "120-50-15-2"
INSTALL = "make .venv/peers"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:emlearn")  # it still uses distutils
needs_emlearn = pytest.mark.skipif(find_spec("emlearn") is None, reason=f"no emlearn: {INSTALL}")
needs_32_bits = pytest.mark.skipif(
    not board_python.INTERPRETER.is_there(), reason=f"no 32 bits: {board_python.INTERPRETER.install}"
)
needs_tflite = pytest.mark.skipif(find_spec("tflite_micro") is None, reason=f"no tflite-micro: {INSTALL}")


@cache
def subject(name: str) -> Subject:
    return SUBJECTS[name]()


def board(name: str) -> Board:
    found = BOARDS[name]
    if not found.executor.is_there():
        pytest.skip(f"no {found.executor.title}: {found.executor.install}")
    return found


@cache
def figure(network: str, contestant: str, name: str) -> Figure:
    return figure_of(subject(network), contestant, board(name), "-Os")


def cost(network: str, contestant: str, name: str) -> Cost:
    found = figure(network, contestant, name)
    assert found.cost is not None, found.fault
    assert found.agrees
    return found.cost


# ---------------------------------------------------------------- the goals


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("contestant", [FLOAT32, INT8])
def test_ours_takes_no_ram_and_little_stack(name, contestant):
    found = cost(SHORT, contestant, name)
    assert found.ram == 0
    assert 0 < found.stack <= (150 if contestant == INT8 else 300)


@pytest.mark.parametrize(("network", "flash", "cycles"), [(SHORT, 3_200, 45_000), (LONG, 9_500, 200_000)])
def test_int8_on_the_uno(network, flash, cycles):
    found = cost(network, INT8, "uno")
    assert subject(network).network.n_weights < found.flash <= flash
    assert found.count <= cycles
    assert found.unit == "cycles"


@needs_emlearn
@pytest.mark.parametrize(
    ("network", "contestant", "share"), [("3-2-2", FLOAT32, 1 / 15), (SHORT, INT8, 1 / 4), (LONG, INT8, 0.26)]
)
def test_flash_beside_emlearn(network, contestant, share):
    assert cost(network, contestant, "cortex-m4f").flash <= share * cost(network, EMLEARN, "cortex-m4f").flash


@needs_emlearn
@pytest.mark.parametrize("network", SUBJECTS)
def test_instructions_of_float32_beside_emlearn(network):
    assert cost(network, FLOAT32, "cortex-m4f").count <= 0.80 * cost(network, EMLEARN, "cortex-m4f").count


@needs_emlearn
@pytest.mark.parametrize("network", [SHORT, LONG])
def test_instructions_of_int8_without_floating_point_beside_emlearn(network):
    assert cost(network, INT8, "cortex-m0+").count <= cost(network, EMLEARN, "cortex-m0+").count / 8


@pytest.mark.parametrize("network", SUBJECTS)
def test_int8_chooses_the_classes_of_float32(network):
    found = agreement_on_held_out(subject(network))
    assert found.n == len(subject(network).held_out)
    assert found.equal >= 0.995 * found.n


@pytest.mark.skipif(not sets.DATA.exists(), reason="the public sets are not part of the repository")
@pytest.mark.filterwarnings("ignore")
def test_int8_chooses_the_classes_of_float32_in_a_public_set():
    found = next(agreements_on_sets())
    assert found.name == next(iter(sets.SETS))
    assert found.n == len(sets.recordings_of(found.name))
    assert found.equal >= 0.995 * found.n


@cache
def python_figures() -> tuple[board_python.Compared, ...]:
    return tuple(board_python.compare())


@needs_32_bits
@pytest.mark.parametrize("network", board_python.NETWORKS)
def test_python_beside_the_course_s_style(network):
    """In one of its styles, and by more than a little: the counts are the same everywhere."""
    own = [c for c in python_figures() if c.network == network and c.style != board_python.COURSE]
    assert {c.style for c in own} == set(board_python.STYLES)
    assert max(c.faster for c in own) >= 3.0 or min(c.share for c in own) <= 0.45
    assert all(c.count > 10 * np.prod(board_python.NETWORKS[network][:2]) for c in own)


# ---------------------------------------------------------------- what is measured


@needs_32_bits
def test_python_is_counted_the_same_every_time():
    again = board_python.compare({"3-2-2": board_python.NETWORKS["3-2-2"]})
    assert again == [c for c in python_figures() if c.network == "3-2-2"]


@needs_32_bits
def test_what_a_module_takes_is_what_it_makes():
    text = "kept = [%r] * 1000\ndef call(given):\n    for i in range(%d):\n        i + given\n"
    few, many = (board_python.measure(text % (0.5, n), 0.5, "call") for n in (100, 300))
    assert many.made - few.made == 200 * 16
    assert 2.9 < many.count / few.count < 3.1
    assert 4_000 < few.memory < 5_000


def test_without_32_bits_the_bench_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        board_python, "INTERPRETER", board_python.INTERPRETER._replace(is_there=lambda: False)
    )
    results = measure([])
    assert results.python == ()
    assert results.missing["MicroPython, 32 bits"] == board_python.INTERPRETER.install
    with pytest.raises(SystemExit, match=r"pip install .*tinyglass\[devices\]"):
        board_python.main()


@pytest.mark.parametrize("network", SUBJECTS)
def test_networks_learned_and_are_the_same_every_time(network):
    once, again = subject(network), SUBJECTS[network]()
    assert once.accuracy > 0.95
    assert (
        "-".join(str(n) for n in (once.network.n_inputs, *(l.n_outputs for l in once.network.layers)))
        == network
    )
    for layer, other in zip(once.network.layers, again.network.layers, strict=True):
        assert layer.weights.dtype == np.float32
        np.testing.assert_array_equal(layer.weights, other.weights)


def test_gestures_of_a_class_are_alike():
    X, places = gestures(400, 13, 3, 4, seed=5)
    assert X.shape == (400, 39)
    assert np.abs(X).max() == 1
    means = np.stack([X[places == place].mean(axis=0) for place in range(4)])
    nearest = ((X[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == places).mean() > 0.8


def test_every_third_recording_of_a_class_is_held_back():
    recordings = [Recording([[float(i)]], label="ab"[i % 2]) for i in range(12)]
    assert [r.signal[0, 0] for r in two_thirds(recordings)] == [0, 1, 2, 3, 6, 7, 8, 9]


@needs_emlearn
@pytest.mark.parametrize("network", SUBJECTS)
def test_emlearn_gets_the_same_weights_to_the_bit(network):
    errors = np.geterr()
    header = code.CONTESTANTS[EMLEARN](subject(network)).header
    assert np.geterr() == errors, "importing it must not change how NumPy computes"
    for number, layer in enumerate(subject(network).network.layers):
        listed = re.search(rf"network_layer_{number}_weights\[\d+\] = {{(.*?)}}", header)
        written = np.array([text.strip().removesuffix("f") for text in listed[1].split(",")]).astype(
            np.float64
        )
        np.testing.assert_array_equal(
            written.astype(np.float32).reshape(layer.weights.T.shape), layer.weights.T
        )


def test_arithmetic_in_software_counts_as_flash():
    """The program without a network must not hold it already."""
    assert cost("3-2-2", FLOAT32, "cortex-m0+").flash > cost("3-2-2", FLOAT32, "cortex-m4f").flash + 1_000


def test_optimising_for_speed_is_another_program():
    fast = figure_of(subject(SHORT), INT8, board("cortex-m4f"), "-O2")
    assert fast.agrees
    assert fast.cost.count < cost(SHORT, INT8, "cortex-m4f").count
    assert fast.cost.flash > cost(SHORT, INT8, "cortex-m4f").flash


@needs_emlearn
def test_what_does_not_fit_is_said():
    found = figure(SHORT, EMLEARN, "uno")
    assert found.cost is None
    assert "does not fit" in found.fault


@pytest.mark.parametrize("name", BOARDS)
def test_a_generator_that_fails_and_a_wrong_answer_are_told(name, monkeypatch):
    def fails(_: Subject) -> code.Code:
        raise KeyError("relu")

    monkeypatch.setitem(code.CONTESTANTS, "another fails", fails)
    monkeypatch.setitem(code.CONTESTANTS, "another guesses", lambda _: code.Code("", "inputs[0] > 2 ? 1 : 7"))
    failed = figure_of(subject("3-2-2"), "another fails", board(name), "-Os")
    assert failed.cost is None
    assert failed.fault == "its generator fails: KeyError: 'relu'"
    guessed = figure_of(subject("3-2-2"), "another guesses", board(name), "-Os")
    assert not guessed.agrees
    assert guessed.cost.ram == 0


# ---------------------------------------------------------------- TFLite Micro


@needs_tflite
@pytest.mark.parametrize("network", SUBJECTS)
def test_tflite_answers_as_our_int8_does(network):
    given = subject(network)
    quantized = given.board_model("int8").quantized
    own = quantized_sums(quantized, quantize_inputs(quantized.inputs, given.held_out[:200])).argmax(axis=1)
    found = tflite.run_tflite(given, given.held_out[:200])
    assert (found.places == own).mean() >= 0.98  # its last sums have 8 bits
    assert len(np.unique(found.places)) == given.network.n_outputs
    n_bytes = sum(layer.weights.nbytes + layer.bias.nbytes for layer in quantized.layers)
    assert n_bytes < found.model < n_bytes + 8_000
    assert 1_000 < found.arena < tflite.ARENA


@needs_tflite
def test_tflite_files_hold_our_weights():
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    quantized = subject(SHORT).board_model("int8").quantized
    content = tflite.tflite_model(quantized, -5.0, 5.0)
    assert content[4:8] == b"TFL3"
    model = schema.ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    assert [model.operatorCodes[o.opcodeIndex].builtinCode for o in graph.operators] == [
        *[schema.BuiltinOperator.FULLY_CONNECTED] * 3,
        schema.BuiltinOperator.SOFTMAX,
    ]
    for layer, operator in zip(quantized.layers, graph.operators[:3], strict=True):
        weights = graph.tensors[operator.inputs[1]]
        held = model.buffers[weights.buffer].data.view(np.int8).reshape(layer.weights.shape)
        np.testing.assert_array_equal(held, layer.weights)


@needs_tflite
def test_tflite_figures_count_equal_answers():
    found = tflite_figure(subject("3-2-2"))
    assert 0.98 * found.n <= found.equal <= found.n
    assert 0.98 * found.n <= found.equal_own <= found.n


# ---------------------------------------------------------------- goals and pages


def compared(network: str, style: str, faster: float, share: float) -> board_python.Compared:
    return board_python.Compared(1_000, 2_000, 3_000, network, style, faster, share)


def results_of(**costs: Cost) -> Results:
    """Results in which ours and emlearn's cost the same everywhere, but for what is given."""
    ours = costs.get("ours", Cost(1_000, 0, 100, 10_000, "instructions"))
    theirs = costs.get("theirs", Cost(20_000, 500, 200, 100_000, "instructions"))
    figures = [
        Figure(network, contestant, name, "-Os", theirs if contestant.startswith("emlearn") else ours)
        for network in SUBJECTS
        for contestant in (FLOAT32, INT8, EMLEARN, EMLEARN_INLINE)
        for name in BOARDS
    ]
    held_out = tuple(agreement_on_held_out(subject(name)) for name in ("3-2-2",))
    python = tuple(
        compared(network, style, *of_style)
        for network in SUBJECTS
        for style, of_style in (("course", (1, 1)), ("unrolled", (3.1, 1.2)), ("int8", (2.0, 0.3)))
    )
    return Results(tuple(figures), (), held_out, (), {}, {"avr-gcc": "5.4.0"}, python)


def test_goals_are_reached_and_missed():
    goals = check_goals(results_of())
    assert [goal.reached for goal in goals] == [True] * 15 + [None] + [True] * 3
    assert {goal.found for goal in goals if "flash, M4F" in goal.text} == {0.05}
    worse = check_goals(results_of(ours=Cost(9_501, 4, 151, 200_001, "cycles")))
    assert [goal.reached for goal in worse] == [False] * 14 + [True, None] + [True] * 3


@pytest.mark.parametrize(
    ("styles", "found", "reached"),
    [
        ({"unrolled": (3.1, 1.2), "int8": (2.0, 0.3)}, (3.1, "×", "unrolled"), True),
        ({"unrolled": (2.9, 1.2), "int8": (2.0, 0.3)}, (70, "%", "int8"), True),
        ({"unrolled": (2.9, 1.2), "int8": (2.0, 0.46)}, (2.9, "×", "unrolled"), False),
    ],
)
def test_python_is_fast_or_small_or_misses_its_goal(styles, found, reached):
    python = tuple(compared("3-2-2", style, *figures) for style, figures in styles.items())
    goal = next(g for g in check_goals(replace(results_of(), python=python)) if "Python, 3-2-2" in g.text)
    assert (round(goal.found, 3), goal.unit, goal.where) == found
    assert goal.reached is reached


def test_goals_take_the_better_of_emlearns_two():
    results = results_of()
    figures = [
        replace(f, cost=replace(f.cost, flash=2_000)) if f.contestant == EMLEARN_INLINE else f
        for f in results.figures
    ]
    goals = check_goals(replace(results, figures=tuple(figures)))
    assert {goal.found for goal in goals if "flash, M4F" in goal.text} == {0.5}


def test_what_was_not_measured_is_no_goal_missed():
    goals = check_goals(Results((), (), (), (), {}, {}))
    assert {goal.found for goal in goals} == {None}
    assert {goal.reached for goal in goals} == {None}


def test_tables_show_every_figure():
    results = results_of(ours=Cost(1_660, 0, 140, 8_702, "instructions"))
    figures = (*results.figures, Figure(SHORT, FLOAT32, "uno", "-O2", None, fault="it does not fit"))
    figures = (*figures, replace(figures[0], optimised="-O2", agrees=False))
    told = TFLiteFigure(SHORT, 3_368, 1_984, 500, 499, 500)
    results = replace(results, figures=figures, tflite=(told,), missing={"RV32": "apt install gcc-riscv64"})
    text = "\n".join(page.as_text(results, check_goals(results)))
    assert "1,660 / 0 + 140 / 8,702" in text
    assert re.search(r"39-20-10-4, int8 +1,000 +2,000 +2\.00 × +0\.30 +reached", text)
    assert "22,480 / 2,312 + 340 / 14,563 (quoted)" in text
    assert "1,660 / 0 + 140 / 8,702 WRONG" in text
    assert "No figure for tinyglass float32 on Uno: it does not fit." in text
    assert re.search(r"39-20-10-4 +3,368 +1,984 +99\.8 % +100\.0 %", text)
    assert "apt install gcc-riscv64" in text
    assert "reached" in text


def test_the_page_keeps_what_stands_around_the_marks(tmp_path):
    results = results_of()
    goals = check_goals(results)
    path = page.write_page(results, goals, tmp_path)
    made = path.read_text(encoding="utf-8")
    assert made.startswith("# Devices\n")
    assert page.as_markdown(results, goals) in made
    path.write_text(
        f"# Ours\n\nBefore.\n\n{page.BEGIN}\nearlier figures\n{page.END}\n\nAfter.\n", encoding="utf-8"
    )
    page.write_page(results, goals, tmp_path)
    first = path.read_text(encoding="utf-8")
    page.write_page(results, goals, tmp_path)
    assert path.read_text(encoding="utf-8") == first
    assert first.startswith(f"# Ours\n\nBefore.\n\n{page.BEGIN}\n")
    assert first.endswith(f"{page.END}\n\nAfter.\n")
    assert "earlier figures" not in first
    path.write_text(f"# Ours\n\n{page.END}\n\n{page.BEGIN}\n\nAfter.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs"):
        page.write_page(results, goals, tmp_path)
    assert path.read_text(encoding="utf-8").endswith("After.\n")
    for rows in re.findall(r"(?:^\|.*\n)+", first, re.MULTILINE):
        assert len({row.count("|") for row in rows.splitlines()}) == 1, rows


def test_a_quick_run_measures_what_is_here():
    told = []
    results = measure(["3-2-2"], quick=True, tell=told.append)
    here = [name for name, found in BOARDS.items() if found.executor.is_there()]
    for name in here:
        assert results.find("3-2-2", INT8, name).agrees
        assert (results.find("3-2-2", EMLEARN, name) is not None) == (find_spec("emlearn") is not None)
    assert set(results.missing) >= {found.title for name, found in BOARDS.items() if name not in here}
    assert told[0] == "3-2-2: train"
    text = "\n".join(page.as_text(results, check_goals(results)))
    assert "WRONG" not in text


def test_the_command_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.devices", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--docs" in done.stdout
