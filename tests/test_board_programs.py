"""The programs for boards: complete, of old enough a language, and run in real interpreters."""

import ast
import itertools
import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinyglass
from board_networks import random_network
from consoles import PATIENCE, Wire, model, needs_micropython
from tinyglass import ArgumentError, Network, Preparation
from tinyglass.board.programs import PARTS, PLATFORMS, PROGRAMS, SENSORS, channels_of, compose
from tinyglass.board.simulated import SimulatedBoard
from tinyglass.export.board_model import BoardModel, make_board_model
from tinyglass.export.computing import prepared
from tinyglass.export.floats import FLOAT64
from tinyglass.export.learning import trained_on_board
from tinyglass.export.python.files import python_files
from tinyglass.export.verifying_learning import rows_of

TESTS = Path(__file__).parent
STANDINS = Path(tinyglass.__file__).parent / "board" / "simulated" / "standins"
ALL = [
    (main, sensor, platform, learns)
    for main, sensor, platform, learns in itertools.product(PROGRAMS, SENSORS, PLATFORMS, (False, True))
    if main != "recorder" or not learns
]
COURSE = Path(tinyglass.__file__).parent / "recordings" / "course"


# ---------------------------------------------------------------- the text


@pytest.mark.parametrize(("main", "sensor", "platform", "learns"), ALL)
def test_a_program_is_complete_and_written_once(main, sensor, platform, learns):
    program = compose(main, sensor, platform, learns=learns)
    assert program.isprintable() or set(program) - {"\n"} <= {c for c in program if c.isprintable()}
    tree = ast.parse(program, feature_version=(3, 6))  # nothing that CircuitPython 8 cannot read
    lines = [line for line in program.splitlines() if re.match(r"(import|from) ", line)]
    assert len(lines) == len(set(lines))
    modules = [line.split()[1] for line in lines]
    assert len(modules) == len(set(modules))
    parts = {path.stem for path in PARTS.rglob("*.py")} | {"sensor", "predictor"}
    assert not parts & set(modules)
    assert ("model" in modules) == (main != "recorder")
    assert ("trainer" in modules) == learns
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert tree.body[1 : 1 + len(imports)] == imports  # all on top, below the docstring


def bound(tree: ast.Module) -> set[str]:
    """The names that a part binds on its own, outside of functions."""
    names = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif not isinstance(statement, ast.Import | ast.ImportFrom):
            names |= {
                n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return names


@pytest.mark.parametrize(("main", "sensor", "platform", "learns"), ALL)
def test_no_part_takes_a_name_of_another(main, sensor, platform, learns):
    sections = re.split(r"^# -{72}\n", compose(main, sensor, platform, learns=learns), flags=re.M)
    names = [bound(ast.parse(section)) for section in sections]
    assert len(sections) > 3
    for one, other in itertools.combinations(names, 2):
        assert not (one & other) - {"register", "value", "place", "label"}  # of loops that have ended


def test_every_part_belongs_to_a_program():
    everything = "\n".join(compose(*each, learns=learns) for *each, learns in ALL)
    for path in PARTS.rglob("*.py"):
        title = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).splitlines()[0]
        assert title in everything, path


@pytest.mark.parametrize("sensor", SENSORS)
def test_a_sensor_has_the_same_channels_on_every_platform(sensor):
    one, other = (channels_of(sensor, platform) for platform in PLATFORMS)
    assert list(one.items()) == list(other.items())
    line = f"CHANNELS = {tuple(one)!r}".replace("'", '"')
    assert all(line in compose("recorder", sensor, platform) for platform in PLATFORMS)


def test_the_template_begins_with_the_channels_that_are_given():
    channels = (('a"\n手', "m/s²"), ("CHANNELS = (", ""))
    program = compose("recorder", "template", "micropython", channels=channels)
    found = {
        ast.unparse(line.targets[0]): line.value
        for line in ast.parse(program).body
        if isinstance(line, ast.Assign)
    }
    assert ast.literal_eval(found["CHANNELS"]) == ('a"\n手', "CHANNELS = (")
    assert ast.literal_eval(found["UNITS"]) == ("m/s²", "")
    plain = compose("recorder", "template", "micropython")
    assert len(set(plain.splitlines()) ^ set(program.splitlines())) == 4  # two lines, before and after


def test_a_header_stays_a_comment_whatever_is_in_it():
    header = 'class "a\'\'\'b\\"\nimport os\r\nos.abort()\x0b\x00\x85x\u2028y\n"""'
    program = compose("recorder", "proximity", "circuitpython", header)
    plain = compose("recorder", "proximity", "circuitpython")
    assert program.endswith(plain)
    assert ast.dump(ast.parse(program)) == ast.dump(ast.parse(plain))
    assert all(line.startswith("#") for line in program.removesuffix(plain).splitlines())


@pytest.mark.parametrize(
    "wrong",
    [
        ("recoder", "proximity", "circuitpython"),
        ("recorder", "x", "micropython"),
        ("recorder", "motion", "c"),
    ],
)
def test_unknown_parts_are_refused_with_the_known_ones(wrong):
    with pytest.raises(ArgumentError) as error:
        compose(*wrong)
    assert "Known: " in str(error.value)


def test_a_recorder_that_learns_is_refused():
    with pytest.raises(ArgumentError, match="does not learn"):
        compose("recorder", "motion", "micropython", learns=True)


FOR_CIRCUITPYTHON = [
    (main, sensor, learns) for main, sensor, platform, learns in ALL if platform == "circuitpython"
]


@pytest.fixture(scope="module")
def type_errors(tmp_path_factory) -> dict[str, str]:
    """What mypy says of all programs for CircuitPython, against its published stubs, by program."""
    pytest.importorskip("board_definitions", reason="pip install circuitpython-stubs")
    folder = tmp_path_factory.mktemp("programs")
    for main, sensor, learns in FOR_CIRCUITPYTHON:
        program = compose(main, sensor, "circuitpython", learns=learns)
        (folder / f"{main}_{sensor}_{learns}.py").write_text(program, encoding="utf-8")
    wrong = compose("gesture", "motion", "circuitpython").replace("board.LED", "board.LAMP")
    (folder / "wrong_pin.py").write_text(wrong, encoding="utf-8")
    wrong_call = compose("gesture", "motion", "circuitpython", learns=True).replace(
        "trainer.step(lesson", "trainer.stepp(lesson"
    )
    (folder / "wrong_call.py").write_text(wrong_call, encoding="utf-8")
    (folder / "wrong_module.py").write_text("import neopixels\n" + wrong, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--check-untyped-defs",
            "--cache-dir",
            folder / "cache",
            *folder.glob("*.py"),
        ],
        env=os.environ | {"MYPYPATH": str(TESTS / "kit_stubs")},
        cwd=folder,  # away from our own settings
        capture_output=True,
        text=True,
    )
    assert "Found " in done.stdout, done.stdout + done.stderr
    found: dict[str, str] = {}
    for line in done.stdout.splitlines()[:-1]:
        name = Path(line.split(":")[0]).stem
        found[name] = found.get(name, "") + line + "\n"
    return found


@pytest.mark.parametrize(("main", "sensor", "learns"), FOR_CIRCUITPYTHON)
def test_a_program_passes_the_type_check_of_circuitpython(type_errors, main, sensor, learns):
    name = f"{main}_{sensor}_{learns}"
    assert name not in type_errors, type_errors[name]


def test_the_type_check_finds_a_wrong_pin_and_a_wrong_module(type_errors):
    assert 'no attribute "LAMP"' in type_errors["wrong_pin"]
    assert '"neopixels"' in type_errors["wrong_module"]
    assert '"stepp"' in type_errors["wrong_call"]


# ---------------------------------------------------------------- the rhythm and the clock


def run_part(path: str, **modules: object) -> dict:
    """Run a part of the programs with these modules, and return its names."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        names: dict = {}
        exec(compile((PARTS / path).read_text(encoding="utf-8"), path, "exec"), names)
        return names
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def clock_of_the_kit(clock: SimpleNamespace) -> ModuleType:
    """The kit's part for CircuitPython, with a clock that the test sets."""
    kit = ModuleType("kit")
    pin = type("Pin", (), {"direction": None, "pull": None, "value": True})
    vars(kit).update(
        run_part(
            "circuitpython/kit.py",
            board=SimpleNamespace(BUTTON1=1, LED=2),
            digitalio=SimpleNamespace(
                DigitalInOut=lambda _: pin(),
                Direction=SimpleNamespace(INPUT=0, OUTPUT=1),
                Pull=SimpleNamespace(UP=0),
            ),
            supervisor=SimpleNamespace(ticks_ms=lambda: clock.ms % 2**29),
        )
    )
    return kit


@given(
    start=st.integers(0, 2**29 - 1),
    period_ms=st.one_of(st.integers(2, 5000), st.floats(2, 5000).map(lambda p: round(p, 3))),
    lates=st.lists(st.integers(0, 10), min_size=2, max_size=30),
)
def test_reading_i_is_due_at_start_plus_i_periods_whatever_was_late(start, period_ms, lates):
    clock = SimpleNamespace(ms=start)
    rhythm = run_part("rhythm.py", kit=clock_of_the_kit(clock))["Rhythm"](period_ms)
    before = -1
    for i, late in enumerate(lates):
        due = start + i * round(period_ms * 1000) // 1000
        clock.ms = max(clock.ms, due - 1)
        if clock.ms < due:
            assert rhythm.late() == -1 == clock.ms - due
        clock.ms = max(clock.ms, due + late)
        while rhythm.late() < 0:
            clock.ms += 1
        assert rhythm.late() == clock.ms - due
        ms = rhythm.start_reading()
        assert ms == clock.ms - start
        assert ms > before
        before = ms


# ---------------------------------------------------------------- the recorder's protocol


@pytest.fixture(scope="module", params=PLATFORMS)
def recorder(request, tmp_path_factory):
    with SimulatedBoard(tmp_path_factory.mktemp("kit") / "kit", platform=request.param) as board:
        yield board


@pytest.fixture
def wire(recorder):
    with Wire(recorder.port) as wire:
        wire.send("stop\n")
        wire.until("# stopped\r\n")
        yield wire


@needs_micropython
def test_the_recorder_says_what_it_is(wire):
    wire.send("?\r\n")
    line = wire.until("\r\n")
    assert (
        line == '# tinyglass recorder 1 {"sensor": "proximity", "channels": ["distance"], "units": [""]}\r\n'
    )


@needs_micropython
def test_it_takes_as_many_readings_as_asked(wire, recorder):
    recorder.play(COURSE / "moving_closer.txt")
    for n in (1, 3, 10):
        wire.send(f"record {n} 20\n")
        rows = wire.rows("# recording", "# done")
        assert len(rows) == n
        assert rows[0][0] == 0
        times = [row[0] for row in rows]
        assert all(before < after for before, after in itertools.pairwise(times))
        assert all(row[0] >= 20 * i for i, row in enumerate(rows))  # none before it is due


@needs_micropython
def test_it_streams_until_it_is_told_to_stop(wire):
    wire.send("stream 5\n")
    wire.until("# streaming\r\n")
    for _ in range(20):
        assert re.fullmatch(r"\d+,[\d.]+\r\n", wire.until("\r\n"))
    wire.send("?\n")
    wire.until("# tinyglass recorder 1")  # it says so in between
    wire.send("nonsense\n")
    wire.until("# error unknown command 'nonsense'\r\n")
    wire.send("stop\n")
    wire.until("# stopped\r\n")
    assert not wire.silence()


@needs_micropython
def test_a_new_command_ends_a_stream(wire):
    wire.send("stream 5\n")
    wire.until("# streaming\r\n")
    wire.send("record 2 5\n")
    wire.until("# stopped\r\n")
    assert len(wire.rows("# recording", "# done")) == 2


@needs_micropython
def test_the_button_repeats_the_last_recording(wire, recorder):
    wire.send("record 4 10\n")
    wire.until("# done\r\n")
    recorder.press(1)
    wire.until("# button\r\n")
    assert len(wire.rows("# recording", "# done")) == 4
    assert not wire.silence()  # one press, one recording


@needs_micropython
@pytest.mark.parametrize(
    "line",
    [
        "record",
        "record 3",
        "record 3 250 1",
        "record 0 250",
        "record -1 250",
        "record 2.5 250",
        "record 3 0",
        "record 3 nan",
        "record 3 inf",
        "record x 250",
        "record 3 x",
        "record 10000000 250",
        "stream",
        "stream 0",
        "stream -5",
        "stream x",
        "? ?",
        "stop now",
        "print(1)",
        "x" * 10000,
        "\x00\x07\x1b[2J",
        "é手",
        b"\xff\xfe\xc3 record 3 250",
    ],
)
def test_what_is_wrong_is_answered_with_an_error_in_one_line(wire, line):
    wire.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
    assert wire.until("\r\n").startswith("# error ")
    wire.send("record 1 1\n")
    assert len(wire.rows("# recording", "# done")) == 1  # and on it goes


@needs_micropython
def test_empty_lines_mean_nothing(wire):
    wire.send("\r\n\n   \r\n\r\r")
    assert not wire.silence()


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("sensor", [s for s in SENSORS if s != "template"])
def test_each_sensor_is_recorded_with_its_channels(tmp_path, sensor, platform):
    n_channels = {"proximity": 1, "motion": 6}.get(sensor, 3)
    with (
        SimulatedBoard(tmp_path / "kit", sensor=sensor, platform=platform) as board,
        Wire(board.port) as wire,
    ):
        wire.send("?\n")
        wire.until("# tinyglass recorder 1")
        board.hand("wave")
        wire.send("record 20 10\n")
        rows = wire.rows("# recording", "# done")
    assert len(rows) == 20
    assert all(len(row) == 1 + n_channels for row in rows)
    if sensor in ("accelerometer", "motion"):
        assert all(9 < row[3] < 10.5 for row in rows)  # gravity
        assert max(row[1] for row in rows) - min(row[1] for row in rows) > 3
    if sensor in ("gyroscope", "motion"):
        assert max(row[-1] for row in rows) - min(row[-1] for row in rows) > 1


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_failing_sensor_is_reported_and_the_recorder_goes_on(tmp_path, platform):
    program = compose("recorder", "template", platform)
    failing = program.replace(
        "    # 5. Replace",
        "    global calls\n    calls += 1\n    if calls % 4 == 3:\n"
        '        raise OSError("the wire\\nis loose")\n'
        "    return (calls,) * (2 if calls == 5 else 1)\n    # 5. Replace",
    ).replace("# 4. Start", "calls = 0\n# 4. Start")
    assert failing != program
    (tmp_path / "loose.py").write_text(failing, encoding="utf-8")
    loose = SimulatedBoard(tmp_path / "kit", tmp_path / "loose.py", platform=platform)
    with loose as board, Wire(board.port) as wire:
        wire.send("record 3 10\n")
        wire.until("# recording\r\n")
        assert wire.until("\r\n").endswith(",1\r\n")
        assert wire.until("\r\n").endswith(",2\r\n")
        assert wire.until("\r\n") == "# error OSError: the wire is loose\r\n"
        wire.send("record 2 10\n")
        wire.until("# error ValueError: CHANNELS names 1, and read() gave 2\r\n")


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_template_says_what_is_to_be_filled(tmp_path, platform):
    with (
        SimulatedBoard(tmp_path / "kit", sensor="template", platform=platform) as board,
        Wire(board.port) as wire,
    ):
        wire.send("record 1 1\n")
        wire.until("# error NotImplementedError: read() is still to be filled")


# ---------------------------------------------------------------- predictions


def start(
    tmp_path: Path, program: str, model_text: str, sensor: str = "proximity", platform: str = "circuitpython"
):
    folder = tmp_path / "kit"
    folder.mkdir()
    (folder / "model.py").write_text(model_text, encoding="utf-8")
    return SimulatedBoard(folder, program, sensor, platform)


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_gesture_does_what_the_course_program_does(tmp_path, platform):
    with start(tmp_path, "gesture", model(), platform=platform) as board, Wire(board.port) as wire:
        board.play(COURSE)
        board.press(1)
        wire.until("> Starting recording in 1sec\r\n")
        assert wire.until("> Stopped recording\r\n") == (
            "distance=104.54\r\ndistance=2.375\r\ndistance=0.0\r\n> Stopped recording\r\n"
            if platform == "circuitpython"
            else "distance=104.5\r\ndistance=2.375\r\ndistance=0.0\r\n> Stopped recording\r\n"
        )
        assert wire.until("\r\n") == "Prediction: moving away, p=0.88\r\n"
        board.play(COURSE / "moving_closer.txt")
        board.press(1)
        wire.until("Prediction: moving closer, p=0.75\r\n")


@needs_micropython
def test_what_is_not_sure_is_unknown_and_a_number_stands_alone(tmp_path):
    with start(tmp_path, "gesture", model("return (0.41, 0.4)")) as board, Wire(board.port) as wire:
        board.press(1)
        wire.until("Prediction: unknown, p=0.41\r\n")
    (tmp_path / "other").mkdir()
    regression = model("return [sum(inputs) + 1.5]", classes=None)
    with start(tmp_path / "other", "gesture", regression) as board, Wire(board.port) as wire:
        board.play(COURSE / "moving_closer.txt")
        board.press(1)
        wire.until("Prediction: ")
        assert float(wire.until("\r\n")) == pytest.approx(0 + 35.5 + 120.1 + 1.5)


@needs_micropython
def test_the_model_gets_the_channels_that_it_names_in_its_order(tmp_path):
    taken = model(
        "print(inputs); return (0.1, 0.9)", channels=("gz", "ax"), units=("rad/s", "m/s2"), readings=2
    )
    (tmp_path / "motion.csv").write_text("1,2,3,4,5,6\n7,8,9,10,11,12\n", encoding="ascii")
    with start(tmp_path, "gesture", taken, "motion") as board, Wire(board.port) as wire:
        board.play(tmp_path / "motion.csv")
        board.press(1)
        wire.until("gz=6.0, ax=1.0\r\ngz=12.0, ax=7.0\r\n")
        wire.until("[6.0, 1.0, 12.0, 7.0]\r\n")


@needs_micropython
@pytest.mark.parametrize("program", ["gesture", "sliding"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (model(channels=("light",)), "ValueError: the model needs light, the sensor proximity has distance"),
        (model(period_ms=None), "ValueError: the recordings did not say how often they were read"),
    ],
)
def test_a_model_that_does_not_fit_the_sensor_is_refused(tmp_path, program, wrong, message):
    with start(tmp_path, program, wrong) as board, Wire(board.port) as wire:
        wire.until(message)


@needs_micropython
def test_a_model_in_other_units_is_refused(tmp_path):
    wrong = model(channels=("ax", "ay", "az"), units=("g", "g", "g"))
    with start(tmp_path, "sliding", wrong, "accelerometer") as board, Wire(board.port) as wire:
        wire.until("ValueError: the model takes ax in g, the sensor accelerometer has it in m/s²\r\n")


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("hop", "step"), [(0, 4), (1, 1), (2, 2), (5, 5)])
def test_sliding_predicts_every_hop_of_the_last_readings(tmp_path, platform, hop, step):
    (tmp_path / "ramp.csv").write_text("".join(f"{n}\n" for n in range(1, 120)), encoding="ascii")
    seen = model("print(inputs); return (0.1, 0.9)", readings=4, hop=hop)
    with start(tmp_path, "sliding", seen, platform=platform) as board, Wire(board.port) as wire:
        board.play(tmp_path / "ramp.csv")
        before = None
        for _ in range(6):
            wire.until("[")
            window = [float(n) for n in wire.until("]").strip("]").split(", ")]
            wire.until("Prediction: moving closer, p=0.90\r\n")
            if window[0] == 0:
                continue  # from before the ramp
            assert window == [window[0] + i for i in range(4)]
            if before is not None:
                assert window[0] == before[0] + step
            before = window
        assert before is not None


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_sliding_says_when_it_cannot_keep_up_and_begins_the_window_anew(tmp_path, platform):
    slow = model(
        "import time; time.sleep(0.2); print(inputs); return (0.1, 0.9)", readings=4, hop=1, period_ms=20
    )
    (tmp_path / "ramp.csv").write_text("".join(f"{n}\n" for n in range(1, 120)), encoding="ascii")
    with start(tmp_path, "sliding", slow, platform=platform) as board, Wire(board.port) as wire:
        board.play(tmp_path / "ramp.csv")
        windows = []
        for _ in range(3):
            wire.until("[")
            windows.append([float(n) for n in wire.until("]").strip("]").split(", ")])
            assert re.search(r"> Too slow by \d+ ms: the window begins anew\r\n", wire.until("anew\r\n"))
        assert windows[2][0] == windows[1][0] + 4  # no reading from before the gap


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_gesture_says_when_the_sensor_is_slower_than_the_model(tmp_path, platform):
    slow = compose("gesture", "template", platform).replace(
        "    # 5. Replace", "    time.sleep(0.1)\n    return (1,)\n    # 5. Replace"
    )
    (tmp_path / "slow.py").write_text(slow, encoding="utf-8")
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "model.py").write_text(model(channels=("x",)), encoding="utf-8")
    kit = SimulatedBoard(tmp_path / "kit", tmp_path / "slow.py", platform=platform)
    with kit as board, Wire(board.port) as wire:
        board.press(1)
        wire.until("x=1\r\nx=1\r\nx=1\r\n> Too slow: a reading was ")
        wire.until(" ms late\r\n> Stopped recording\r\n")


# ---------------------------------------------------------------- programs that learn

RATE = 0.05


def put(folder: Path, network: Network, platform: str = "circuitpython", part: str = "last") -> BoardModel:
    """Export the network with a trainer to a folder that stands for a drive."""
    model = make_board_model(network)
    folder.mkdir(parents=True, exist_ok=True)
    files, _ = python_files(model, platform, "proximity", trainer=part, learning_rate=RATE)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return model


def network_of(
    window: int = 0, classes: tuple[str, ...] | None = ("one", "two", "three"), last: str = "linear"
) -> Network:
    """A small network; one without exp, so that every bit of its weights can be foretold."""
    p = Preparation(("distance",), ("",), 4, False, (2.0,), (50.0,), 50.0, window=window, hop=window)
    sizes = (4, 3, len(classes) if classes else 1)
    return random_network(np.random.default_rng(3), sizes, "relu", last, classes=classes, preparation=p)


def recorded(board: SimulatedBoard, wire: Wire) -> tuple[list[list[float]], str]:
    """Press button 1; return the readings, and what the board says about them."""
    board.press(1)
    wire.until("> Starting recording in 1sec\r\n")
    rows = re.findall(r"distance= ?([\d.]+)", wire.until("> Stopped recording\r\n"))
    wire.until("Prediction: ")
    return [[float(x)] for x in rows], wire.until("\r\n").strip()


def foretold(model: BoardModel, lessons: list, part: str = "last") -> list[bytes]:
    """What is saved after each lesson, (readings, expected outputs), by the definition on the PC."""
    readings = np.array([rows for rows, _ in lessons])
    steps = trained_on_board(
        model.network,
        prepared(model.preparation, readings, FLOAT64),
        np.array([expected for _, expected in lessons], float),
        RATE,
        part,
        FLOAT64,
    )
    return [rows_of(step, part).tobytes() for step in steps]


def saved(board: SimulatedBoard) -> bytes:
    """The weights that the board has saved."""
    return (board.drive / "trained.bin").read_bytes().partition(b"\n")[2]


class Bench:
    """The part that learns, on a bench: the test sets the clock and the button's contacts, and sees the LED."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.ms = 0
        self.edges: list[int] = []  # when the button goes down, up, down and so on
        self.lights: list[bool] = []
        self.learnt: list[object] = []
        self.random = np.random.default_rng(0)
        trainer = SimpleNamespace(
            load=lambda: self.learnt.append("loaded"),
            save=lambda: self.learnt.append("saved"),
            forget=lambda: self.learnt.append("forgotten"),
            predict=lambda inputs: [1.0],
            step=lambda inputs, expected: self.learnt.append((inputs, expected)) or 0.5,
        )
        self.names = run_part(
            "learning.py",
            model=SimpleNamespace(CLASSES=classes, prepare=lambda rows: rows, answer=lambda y: ("a", 1.0)),
            answers=SimpleNamespace(spoken=lambda label, p: label),
            kit=SimpleNamespace(
                left=lambda moment: moment - self.ms,
                light=self.lights.append,
                now=lambda: self.ms,
                wait=self.wait,
            ),
            second_button=SimpleNamespace(is_second_pressed=self.is_pressed),
            trainer=SimpleNamespace(Trainer=lambda: trainer, expected_outputs=lambda label: label),
            wire=SimpleNamespace(typed=lambda: None),
        )

    def wait(self, ms: int) -> None:
        self.ms += ms

    def is_pressed(self) -> bool:
        """What is between the contacts, which bounce for 10 ms."""
        before = [edge for edge in self.edges if edge <= self.ms]
        if before and self.ms - before[-1] < 10:
            return bool(self.random.integers(2))
        return len(before) % 2 == 1

    def attend_for(self, ms: int) -> None:
        end = self.ms + ms
        while self.ms < end:
            if not self.names["attend"]():
                self.wait(7)


@given(
    durations=st.lists(st.integers(60, 900), min_size=1, max_size=5),
    gaps=st.lists(st.integers(60, 900), min_size=5, max_size=5),
    start=st.integers(0, 40),
)
def test_presses_are_counted_whatever_the_contacts_do_and_the_led_says_how_many(durations, gaps, start):
    bench = Bench(("a", "b", "c", "d", "e"))
    bench.names["predict"]([4.0])
    bench.edges = [start + 10]
    for duration, gap in zip(durations, gaps, strict=False):
        bench.edges += [bench.edges[-1] + duration, bench.edges[-1] + duration + gap]
    del bench.edges[-1]
    bench.attend_for(15000)
    k = len(durations)
    assert bench.learnt == ["loaded", ([4.0], "abcde"[k - 1]), "saved"]
    assert bench.lights == [False] + [True, False] * k


@given(held=st.integers(3100, 9000), before=st.booleans())
def test_holding_the_button_forgets_once(held, before):
    bench = Bench(("a", "b"))
    bench.names["predict"]([4.0])
    bench.edges = [20, 120, 200, 200 + held] if before else [20, 20 + held]
    bench.attend_for(15000)
    assert bench.learnt == ["loaded", "forgotten"]
    assert bench.lights == [True, False]


@needs_micropython
@pytest.mark.parametrize(("platform", "part"), [("circuitpython", "last"), ("micropython", "all")])
def test_button_2_teaches_and_it_is_kept_until_it_is_forgotten(tmp_path, platform, part):
    folder = tmp_path / "kit"
    model = put(folder, network_of(), platform, part)
    with SimulatedBoard(folder, platform=platform) as board, Wire(board.port) as wire:
        board.play(COURSE / "moving_closer.txt")
        lessons, said = [], []
        rows, first = recorded(board, wire)
        for k in (2, 3, 2, 2):
            for _ in range(k):
                board.press(2)
            line = wire.until("\r\n")
            label = model.network.classes[k - 1]
            lessons.append((rows, [place == k - 1 for place in range(3)]))
            now = re.fullmatch(
                rf"> Learnt {label}: the loss was ([\d.]+), the network now says (.+)\r\n", line
            )
            assert now, line
            said.append((k, float(now[1]), now[2]))
            wire.silence(0.5 + 0.4 * k)  # it blinks
            assert saved(board) == foretold(model, lessons, part)[-1]
        losses = [loss for k, loss, _ in said if k == 2]
        assert losses[0] > losses[-1] > 0
        assert first != said[-1][2]
        taught = foretold(model, lessons, part)[-1]
    with SimulatedBoard(folder, platform=platform) as board, Wire(board.port) as wire:
        board.play(COURSE / "moving_closer.txt")
        again, answer = recorded(board, wire)
        assert again == rows
        assert (answer, saved(board)) == (said[-1][2], taught)
        board.press(2, 3.5)
        wire.until("> Forgotten: the network is as it was at first\r\n")
        assert not [path.name for path in folder.iterdir() if "trained" in path.name]
        board.play(COURSE / "moving_closer.txt")
        wire.silence(1.5)
        assert recorded(board, wire) == (rows, first)


@needs_micropython
def test_the_probability_of_what_is_taught_rises(tmp_path):
    put(tmp_path / "kit", network_of(last="softmax"))
    with SimulatedBoard(tmp_path / "kit") as board, Wire(board.port) as wire:
        board.play(COURSE / "moving_closer.txt")
        _, first = recorded(board, wire)
        assert not first.startswith("three")
        answers = []
        for _ in range(8):
            wire.send("= three\n")
            answers.append(wire.until("\r\n").partition("now says ")[2].strip())
            wire.silence(1.5)  # it blinks
        found = [float(answer.partition("p=")[2]) for answer in answers if answer.startswith("three, ")]
        assert len(found) > 2
        assert found == sorted(found)
        assert found[-1] > found[0]
        board.play(COURSE / "moving_closer.txt")
        assert recorded(board, wire)[1] == answers[-1]


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_sliding_program_learns_the_last_window_and_begins_anew(tmp_path, platform):
    model = put(tmp_path / "kit", network_of(window=4), platform)
    (tmp_path / "still.csv").write_text("60\n" * 8, encoding="ascii")
    with SimulatedBoard(tmp_path / "kit", platform=platform) as board, Wire(board.port) as wire:
        board.play(tmp_path / "still.csv")
        wire.until("Prediction: ")
        wire.silence(0.5)
        for _ in range(2):
            board.press(2)
        text = wire.until("> Learnt two: ") + wire.until("\r\n")
        rows = [[60.0]] * 4
        assert saved(board) == foretold(model, [(rows, [0, 1, 0])])[0]
        wire.until("Prediction: ")
        answer = wire.until("\r\n").strip()
        assert text.strip().endswith(f"the network now says {answer}")
        assert "Too slow" not in text + wire.silence()


@needs_micropython
def test_what_cannot_be_taught_is_said_and_changes_nothing(tmp_path):
    put(tmp_path / "kit", network_of())
    with SimulatedBoard(tmp_path / "kit") as board, Wire(board.port) as wire:
        wire.send("= one\n")
        wire.until("> Nothing was predicted yet that could be learnt\r\n")
        recorded(board, wire)
        for _ in range(4):
            board.press(2)
        wire.until("> There is no class 4: the last is 3, three\r\n")
        for typed in ("4", "= 4", "=-1"):
            wire.send(f"{typed}\n")
            wire.until(f"> There is no class {typed.strip('= ')}: ")
        for typed in ("", "twoo", "1.5", "nan"):
            wire.send(f"={typed}\n")
            wire.until(f"> Expected one of one, two, three, found {typed}\r\n")
        wire.send("stop\n?\none\n")  # not meant for it
        assert wire.silence(0.5) == ""
        assert not (board.drive / "trained.bin").exists()


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_labels_numbers_and_quantities_are_taught_on_the_console(tmp_path, platform):
    classes = ("3", "手 =", "x")
    model = put(tmp_path / "kit", network_of(classes=classes), platform)
    with SimulatedBoard(tmp_path / "kit", platform=platform) as board, Wire(board.port) as wire:
        rows, _ = recorded(board, wire)
        lessons = []
        for typed, place in (("=手 =", 1), (" =   x ", 2), ("= 3", 0), ("= 2", 1), ("3", 2)):
            wire.send(f"{typed}\r\n")
            wire.until(f"> Learnt {classes[place]}: ")
            wire.silence(0.5 + 0.4 * place)
            lessons.append((rows, [place == other for other in range(3)]))
            assert saved(board) == foretold(model, lessons)[-1], typed
        wire.send("0\n")
        wire.until("> Forgotten: ")
        assert not (board.drive / "trained.bin").exists()
    quantity = put(tmp_path / "other", network_of(classes=None), platform)
    with SimulatedBoard(tmp_path / "other", platform=platform) as board, Wire(board.port) as wire:
        wire.until("> To teach: type what it was, such as: = 12.5\r\n")
        rows, _ = recorded(board, wire)
        board.press(2)
        wire.until("> This network gives a quantity: type what it was, such as: = 12.5\r\n")
        wire.send("12\n")
        wire.until("> This network gives a quantity: type what it was, such as: = 12.5\r\n")
        for typed in ("x", "inf", "nan", ""):
            wire.send(f"={typed}\n")
            wire.until(f"> Expected a number, found {typed}\r\n")
        assert not (board.drive / "trained.bin").exists()
        wire.send("= 12.5\n")
        wire.until("> Learnt 12.5: ")
        wire.silence(0.5)
        assert saved(board) == foretold(quantity, [(rows, [12.5])])[0]


@needs_micropython
def test_a_drive_that_only_the_pc_writes_is_said_once(tmp_path):
    folder = tmp_path / "kit"
    put(folder, network_of())
    with SimulatedBoard(folder, read_only=True) as board, Wire(board.port) as wire:
        board.play(COURSE / "moving_closer.txt")
        _, first = recorded(board, wire)
        wire.send("= 2\n")
        wire.until("> Kept until the next restart only: ")
        wire.until("boot.py: import storage; storage.remount('/', False)\r\n")
        wire.silence(1)
        wire.send("= 2\n")
        wire.until("> Learnt two: ")
        assert ">" not in wire.silence(1).partition("\r\n")[2]
        board.play(COURSE / "moving_closer.txt")
        _, taught = recorded(board, wire)
        assert taught != first
        assert not (folder / "trained.bin").exists()
    with SimulatedBoard(folder) as board, Wire(board.port) as wire:
        board.play(COURSE / "moving_closer.txt")
        assert recorded(board, wire)[1] == first
        wire.send("= 2\n")
        wire.until("> Learnt two: ")
        wire.silence(1)
    before = (folder / "trained.bin").read_bytes()
    with SimulatedBoard(folder, read_only=True) as board, Wire(board.port) as wire:
        wire.until("> What was learnt before is loaded\r\n")
        board.press(2, 3.5)
        wire.until("> Forgotten until the next restart only: ")
        board.play(COURSE / "moving_closer.txt")
        wire.silence(1.5)
        assert recorded(board, wire)[1] == first
    assert (folder / "trained.bin").read_bytes() == before


@needs_micropython
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_damaged_or_foreign_file_is_said_and_ignored(tmp_path, platform):
    put(tmp_path / "kit", network_of(), platform)
    (tmp_path / "kit" / "trained.bin").write_bytes(b"0123 last 7\n" + bytes(48))
    with SimulatedBoard(tmp_path / "kit", platform=platform) as board, Wire(board.port) as wire:
        wire.until("> Ignored: trained.bin is not what this network learnt\r\n")
        recorded(board, wire)
        wire.send("= 1\n")
        wire.until("> Learnt one: ")
        wire.silence(1)
    with SimulatedBoard(tmp_path / "kit", platform=platform) as board, Wire(board.port) as wire:
        wire.until("> What was learnt before is loaded\r\n")


# ---------------------------------------------------------------- the same programs in CPython

CPYTHON = """
import os, sys
class Wire:  # as a board's: no reading ahead
    def read(self, n): return os.read(0, n).decode()
    def fileno(self): return 0
sys.stdin = Wire()
exec(compile(open("code.py", encoding="utf-8").read(), "code.py", "exec"), {"__name__": "__main__"})
"""


@pytest.mark.parametrize(
    ("program", "typed", "last"),
    [
        ("recorder", "record 3 20\n", "# done"),
        ("gesture", "", "Prediction: moving away, p=0.88"),
        ("sliding", "", "Prediction: moving away, p=0.88"),
    ],
)
def test_the_programs_run_in_cpython_too(tmp_path, program, typed, last):
    (tmp_path / "code.py").write_text(compose(program, "proximity", "circuitpython"), encoding="utf-8")
    (tmp_path / "model.py").write_text(model(), encoding="utf-8")
    (tmp_path / "1.proximity").write_text("104.54\n2.375\n0.0\n\n", encoding="ascii")
    presses = "press 1 0.1\n" if program == "gesture" else ""
    (tmp_path / "events").write_text(f"boot\nplay 1 proximity\n{presses}", encoding="ascii")
    environment = {"TINYGLASS_WORLD": str(tmp_path), "PYTHONPATH": str(STANDINS), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", CPYTHON],
        cwd=tmp_path,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            process.stdin.write(typed)
            process.stdin.flush()
            text, end = "", time.monotonic() + PATIENCE
            while last not in text and time.monotonic() < end and process.poll() is None:
                text += process.stdout.readline()
        finally:
            process.kill()
    assert last in text, text
    for number in ("104.54", "2.375", "0.0"):
        assert program == "sliding" or number in text


def test_only_a_reading_alone_needs_no_period(monkeypatch):
    sensor = SimpleNamespace(CHANNELS=("x",), SENSOR="template", UNITS=("",))
    monkeypatch.setitem(sys.modules, "sensor", sensor)
    for n, period in ((1, 1000), (3, None)):
        model = SimpleNamespace(CHANNELS=("x",), UNITS=("",), READINGS=n, PERIOD_MS=None)
        monkeypatch.setitem(sys.modules, "model", model)
        if period is None:
            with pytest.raises(ValueError, match="set PERIOD_MS"):
                runpy.run_path(str(PARTS / "matching.py"))
        else:
            assert runpy.run_path(str(PARTS / "matching.py"))["period_ms"] == period
