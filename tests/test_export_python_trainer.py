"""Training on the board in Python: every step is what was foretold, in three kinds of numbers."""

import struct
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from board_networks import random_network, random_preparation
from board_python import as_heard, interpreter, run_on_board, run_program
from tinyglass import ArgumentError, Layer, Network, Preparation, train
from tinyglass.export.board_model import make_board_model
from tinyglass.export.computing import prepared
from tinyglass.export.floats import FLOAT30, FLOAT30_REFILLED, FLOAT64
from tinyglass.export.learning import PARTS, trained_on_board
from tinyglass.export.python.files import python_files
from tinyglass.export.python.model_file import python_model
from tinyglass.export.python.trainer_file import python_trainer, python_trainer_memory
from tinyglass.export.verifying_learning import rows_of, verify_trainer

INTERPRETERS = ("cpython", "micropython")
FEW = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
RATE = 0.02

FEED = """
from struct import pack, unpack
import trainer
from model import CLASSES
learner = trainer.Trainer()
with open("examples", "rb") as file:
    n, n_readings, n_channels = unpack("<3i", file.read(12))
    for _ in range(n):
        y = unpack("<f", file.read(4))[0]
        rows = [unpack("<%df" % n_channels, file.read(4 * n_channels)) for _ in range(n_readings)]
        learner.learn(rows, y if CLASSES is None else CLASSES[int(y)])
        print(" ".join(["%02x" % byte for byte in bytes(memoryview(learner.weights)[trainer._N_FIXED:])]))
"""


@st.composite
def learners(draw):
    """Draw a network that can learn, readings, and what they are of."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = random_preparation(random, draw(st.sampled_from((("raw",), ("raw", "summary")))), 2, 5, 5, False)
    network = random_network(
        random,
        (p.n_inputs, *draw(st.lists(st.integers(1, 9), max_size=3)), 3),
        draw(st.sampled_from(("linear", "relu", "leaky_relu", "sigmoid", "tanh"))),
        draw(st.sampled_from(("softmax", "linear", "sigmoid", "tanh", "relu", "leaky_relu"))),
        draw(st.booleans()),
        classes=("a", "b", "c"),
        preparation=p,
        temperature=draw(st.sampled_from((1.0, 2.0))),
    )
    readings = np.array(p.offset) + np.array(p.scale) * random.normal(size=(4, 5, 2))
    return make_board_model(network), readings.astype(np.float32).astype(np.float64), random.integers(0, 3, 4)


def written(folder, model, part, rate=RATE):
    (folder / "model.py").write_text(python_model(model), encoding="ascii")
    (folder / "trainer.py").write_text(python_trainer(model, part=part, learning_rate=rate), encoding="ascii")


def learnt(name, folder, readings, answers):
    """The weights that learn, after each step."""
    content = struct.pack("<3i", *readings.shape)
    for y, rows in zip(answers, readings, strict=True):
        content += np.float32(y).tobytes() + rows.astype("<f4").tobytes()
    (folder / "examples").write_bytes(content)
    lines = run_program(name, folder, FEED).splitlines()
    return np.array([np.frombuffer(bytes.fromhex(line), "<f4") for line in lines])


def foretold(model, readings, places, part, floats):
    inputs = prepared(model.preparation, readings, floats)
    expected = np.eye(model.network.n_outputs)[places]
    try:
        steps = trained_on_board(model.network, inputs, expected, RATE, part, floats)
    except (RuntimeWarning, ArgumentError):
        assume(False)  # it diverges, on the board as well
    return np.array([rows_of(step, part) for step in steps])


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", INTERPRETERS)
@FEW
@given(drawn=learners())
def test_every_step_of_any_network_is_the_step_that_was_foretold(name, part, tmp_path, drawn):
    model, readings, places = drawn
    expected = foretold(model, readings, places, part, FLOAT64)
    written(tmp_path, model, part)
    found = learnt(name, tmp_path, readings, places)
    # Another last bit of exp may round a weight to the next float32.
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-9)
    activations = {layer.activation for layer in model.network.layers}
    if not activations & {"softmax", "sigmoid", "tanh"}:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("floats", [FLOAT30, FLOAT30_REFILLED], ids=lambda floats: floats.name)
@FEW
@given(drawn=learners())
def test_30_bit_numbers_learn_the_bits_that_were_foretold(floats, part, tmp_path, drawn):
    model, readings, places = drawn
    expected = foretold(model, readings, places, part, floats)
    board = run_on_board(python_model(model), floats, tmp_path / "model.py")
    text = python_trainer(model, part=part, learning_rate=RATE)
    module = run_on_board(text, floats, tmp_path / "trainer.py", model=board)
    learner = module.Trainer()
    for rows, place, weights in zip(readings, places.tolist(), expected, strict=True):
        learner.learn(as_heard(board, rows), "abc"[place])
        np.testing.assert_array_equal(np.array(list(learner.weights))[module._N_FIXED :], weights)


@pytest.mark.parametrize("part", PARTS)
def test_verify_finds_every_step_sound(part, course):
    model = make_board_model(train(course).network)
    verified, _ = verify_trainer(model, course, part, 0.05, ("python",))
    assert verified
    assert all(steps.sound and steps.n == 10 and not steps.fault for steps in verified)


def test_a_quantity_is_learnt_in_its_unit(tmp_path):
    p = Preparation(("x",), ("",), 2, False, (1.0,), (2.0,), answer_offset=20.0, answer_scale=5.0)
    network = random_network(np.random.default_rng(4), (2, 3, 1), "tanh", "linear", preparation=p)
    model = make_board_model(network)
    random = np.random.default_rng(5)
    readings, quantities = random.normal(size=(6, 2, 1)).astype(np.float32), random.uniform(10, 30, 6)
    expected = (quantities.astype(np.float32).astype(np.float64)[:, None] - 20) / 5
    steps = trained_on_board(model.network, prepared(p, readings, FLOAT64), expected, RATE, "all", FLOAT64)
    written(tmp_path, model, "all")
    for name in INTERPRETERS:
        found = learnt(name, tmp_path, readings, quantities)
        np.testing.assert_allclose(found[-1], rows_of(steps[-1], "all"), rtol=3e-7)


# ---------------------------------------------------------------- what else a trainer does


@pytest.fixture
def beside(tmp_path, course):
    """A folder with the course's network and its trainer."""
    network = train(course).network
    written(tmp_path, make_board_model(network), "last", 0.1)
    rows = {r.label: r.signal.tolist() for r in course}
    (tmp_path / "rows.py").write_text(f"rows = {rows!r}\n")
    return tmp_path


def both(folder, program):
    """What a program printed, the same in both interpreters."""
    said = {run_program(name, folder, program) for name in INTERPRETERS}
    assert len(said) == 1
    return said.pop().split()


def test_a_new_trainer_answers_as_the_model_does(tmp_path, course):
    for network in (
        train(course).network,
        random_network(np.random.default_rng(1), (3, 2, 2), classes=("a", "b")),
    ):
        written(tmp_path, make_board_model(network), "all")
        rows = "[[1.0], [50.0], [90.0]]" if network.preparation else "[[1.0, 2.0, 0.5]]"
        said = both(
            tmp_path,
            f"import model, trainer\nprint(model.predict_raw({rows}) == trainer.Trainer().predict_raw({rows}))\n",
        )
        assert said == ["True"]


def test_it_learns_the_opposite_and_forgets_it(beside):
    said = both(
        beside,
        """
from rows import rows
from trainer import Trainer
learner = Trainer()
away, closer = rows["moving_away"], rows["moving_closer"]
losses = []
for _ in range(300):
    losses.append(learner.learn(away, "moving_closer") + learner.learn(closer, "moving_away"))
print(losses[0] > 10 * losses[-1] > 0, learner.predict_raw(away)[0], learner.predict_raw(closer)[0])
learner.reset()
print(learner.predict_raw(away)[0], learner.predict_raw(closer)[0])
""",
    )
    assert said == ["True", "moving_closer", "moving_away", "moving_away", "moving_closer"]


def test_what_was_learnt_survives_a_restart_and_a_cut_off_save(beside):
    said = both(
        beside,
        """
import os
from rows import rows
from trainer import Trainer
learner = Trainer()
for _ in range(3):
    learner.learn(rows["moving_away"], "moving_closer")
learner.save()
learner.save()
again = Trainer()
again.load()
print(bytes(memoryview(again.weights)) == bytes(memoryview(learner.weights)) != bytes(memoryview(Trainer().weights)))
print(sorted(name for name in os.listdir() if "trained" in name))
# Power fails while the new file is written; then between the two names.
with open("trained.bin.new", "wb") as file:
    file.write(b"half")
again.load()
learner.save()
os.rename("trained.bin", "trained.bin.new")
again.reset()
again.load()
print(bytes(memoryview(again.weights)) == bytes(memoryview(learner.weights)))
os.remove("trained.bin.new")
""",
    )
    assert said == ["True", "['trained.bin']", "True"]


def test_foreign_and_damaged_files_are_refused_and_change_nothing(beside):
    said = both(
        beside,
        """
from trainer import Trainer
learner = Trainer()
learner.save("good")
with open("good", "rb") as file:
    content = file.read()
before = bytes(memoryview(learner.weights))
flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
swapped = content[:-8] + content[-4:] + content[-8:-4]
other = b"0" * 16 + content[16:]
for wrong in (b"", content[:-1], content + b"1234", other, content.replace(b"last", b"all"), flipped, swapped):
    with open("bad", "wb") as file:
        file.write(wrong)
    try:
        learner.load("bad")
    except ValueError as error:
        print(str(error).replace(" ", "_"))
try:
    learner.load("missing")
except OSError:
    print("missing")
print(bytes(memoryview(learner.weights)) == before)
""",
    )
    assert said == ["bad_is_not_what_this_network_learnt"] * 7 + ["missing", "True"]


def test_forgetting_undoes_what_was_learnt_and_saved(beside):
    said = both(
        beside,
        """
import os
from rows import rows
from trainer import Trainer
learner = Trainer()
before = bytes(memoryview(learner.weights))
learner.learn(rows["moving_away"], "moving_closer")
changed = bytes(memoryview(learner.weights)) != before
learner.save()
with open("trained.bin.new", "wb") as file:
    file.write(b"half")
learner.forget()
print(changed, bytes(memoryview(learner.weights)) == before)
print([name for name in os.listdir() if "trained" in name])
learner.forget()
""",
    )
    assert said == ["True", "True", "[]"]


def test_an_unknown_label_is_refused(beside):
    said = both(
        beside,
        """
from trainer import Trainer
try:
    Trainer().learn([[1.0]] * 3, "waving")
except ValueError as error:
    print(error)
""",
    )
    assert " ".join(said) == "there is no class 'waving'"


def test_a_trainer_beside_another_model_is_refused(beside, course):
    other = random_network(np.random.default_rng(0), (3, 2), classes=("a", "b"))
    (beside / "model.py").write_text(python_model(make_board_model(other)))
    said = both(
        beside,
        """
try:
    import trainer
except ValueError as error:
    print(error)
""",
    )
    assert " ".join(said) == "trainer.py and model.py are of different networks"


def test_what_cannot_learn_is_refused(course):
    network = train(course).network
    with pytest.raises(ArgumentError, match="int8 network cannot learn"):
        python_trainer(make_board_model(network, "int8", course))
    step = make_board_model(Network((Layer([[1.0]], None, "step"),)))
    with pytest.raises(ArgumentError, match="no slope"):
        python_trainer(step)


# ---------------------------------------------------------------- its memory

FAKE = """
class Done(Exception):
    pass


moment = 0
looks = {0: 0, 14: 0}


def ticks_ms():
    global moment
    moment += 1
    return moment


def sleep_ms(ms):
    global moment
    moment += ms


def ticks_add(a, b):
    return a + b


def ticks_diff(a, b):
    return a - b


class Pin:
    IN, OUT, PULL_UP = 0, 1, 1

    def __init__(self, number, mode=None, pull=None):
        self.number = number

    def value(self, *value):
        if self.number not in looks:
            return None
        looks[self.number] += 1
        if looks[0] > 100:
            raise Done()
        return looks[self.number] not in (1, 50, 51)  # both buttons, twice


class I2C:
    def __init__(self, *numbers, **names):
        pass

    def writeto_mem(self, *numbers):
        pass

    def readfrom_mem(self, address, register, size):
        return bytes([7] * size)
"""
RUN = """
import sys
import fake
sys.modules["time"] = sys.modules["machine"] = fake
try:
    import main
except fake.Done:
    pass
"""


def is_enough(folder, heap):
    """Whether a heap of so many bytes is enough for the program in the folder, which records and learns."""
    done = subprocess.run(
        [interpreter("micropython"), "-X", f"heapsize={heap}", "run.py"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 or "memory" in (done.stdout + done.stderr).lower(), done.stdout
    return done.returncode == 0 and done.stdout.count("Prediction: ") == 2


@pytest.mark.parametrize(("sizes", "part"), [((3, 2, 2), "last"), ((39, 20, 10, 4), "all")])
def test_its_memory_is_what_the_program_needs_more_at_its_peak(tmp_path, sizes, part):
    p = Preparation(("distance",), ("",), sizes[0], False, (0.0,), (100.0,), rate_hz=50.0)
    labels = tuple(f"class {place}" for place in range(sizes[-1]))
    model = make_board_model(
        random_network(np.random.default_rng(0), sizes, last="softmax", classes=labels, preparation=p)
    )
    stated = python_trainer_memory(model)
    (tmp_path / "fake.py").write_text(FAKE, encoding="ascii")
    (tmp_path / "run.py").write_text(RUN, encoding="ascii")

    def put(trainer):
        for name, content in python_files(model, "micropython", "proximity", trainer=trainer)[0].items():
            (tmp_path / name).write_bytes(content)
        assert is_enough(tmp_path, 8_000_000)

    put(None)
    low, least = 8_000, 8_000_000
    while least - low > 500:
        middle = (low + least) // 2
        low, least = (low, middle) if is_enough(tmp_path, middle) else (middle, least)
    put(part)
    assert (tmp_path / "trained.bin").exists()
    # Here pointers have 64 bits: all but the bytes of the weights is twice as large.
    assert is_enough(tmp_path, least + 2 * stated)
    assert not is_enough(tmp_path, least + stated)
    head = (tmp_path / "trainer.py").read_text(encoding="ascii")
    assert f"# expected: {stated:,} bytes of memory, besides the model" in head
