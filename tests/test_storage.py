"""Files: killed while writing, disks that are full or closed, and hostile models."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import random
import signal
import stat
import string
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import PLAIN, ROOT, unmeasured
from tinyglass import (
    Layer,
    ModelError,
    Network,
    Preparation,
    Recording,
    Run,
    Settings,
    StorageError,
    TinyglassError,
    Watch,
    train,
)
from tinyglass.network import load_network
from tinyglass.storage import (
    ASIDE,
    LOCK_NAME,
    make_folder,
    read_bytes,
    training_folder,
    write_atomically,
)

MODEL = "model.safetensors"

# ---------------------------------------------------------------- killed while writing

WRITER = """
import sys
from pathlib import Path
from tinyglass.storage import write_atomically
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter, size in ((b"a", 700_000), (b"b", 900_000)):
        write_atomically(path, letter * size)
"""


def test_a_writer_killed_at_any_time_leaves_the_old_file_or_the_new_one(tmp_path):
    chance = random.Random(1)
    path = tmp_path / "file"
    old, new = b"a" * 700_000, b"b" * 900_000
    path.write_bytes(old)
    leftovers = 0
    for _ in range(24):
        words = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=unmeasured()) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
        assert process.returncode == -signal.SIGKILL
        content = path.read_bytes()
        assert content in (old, new), (len(content), content[:1], content[-1:])
        leftovers += len(list(tmp_path.glob(f"*{ASIDE}")))
    assert leftovers > 0  # it was killed in the middle of writing, too
    with training_folder(tmp_path):
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([LOCK_NAME, "file"])
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() in (old, new)


def test_a_file_is_written_aside_in_the_same_folder_and_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda n: (order.append(f"sync {stat_kind(n)}"), fsync(n)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert order == ["sync file", "replace", "sync folder"]


def stat_kind(descriptor: int) -> str:
    return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"


# ---------------------------------------------------------------- the disk


def test_a_full_disk_leaves_the_old_file_whole_and_nothing_else(small_disk):
    folder = small_disk(256)
    write_atomically(folder / "file", b"old" * 10_000)
    with pytest.raises(StorageError) as caught:
        write_atomically(folder / "file", b"new" * 200_000)
    assert "No space left" in caught.value.what
    assert caught.value.where == str(folder / "file")
    assert "600,000 bytes" in caught.value.mend
    assert (folder / "file").read_bytes() == b"old" * 10_000
    assert [p.name for p in folder.iterdir()] == ["file"]
    write_atomically(folder / "file", b"now it fits")
    assert (folder / "file").read_bytes() == b"now it fits"


def test_a_disk_that_fills_during_training_keeps_the_old_model_and_says_so(
    small_disk, command, course_training
):
    folder = small_disk(300)
    for file in course_training.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    # The curves of so many epochs make a checkpoint that has no room.
    done = command("train", "--out", folder, "--epochs", "500000", "--test", ROOT / "examples" / "none")
    assert done.returncode == 2  # a test part that is not there is noticed before anything is done
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    done = command("train", "--preset", "course", "--out", folder, "--epochs", "500000")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr
    assert "Free some space" in done.stderr
    assert str(folder) in done.stderr
    after = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert before.items() <= after.items()
    assert set(after) - set(before) <= {"checkpoint.safetensors"}  # the last that had room
    assert Network.load(folder / MODEL).n_weights == 10


def test_a_disk_without_room_for_the_lock_says_so(small_disk, here):
    folder = small_disk(16)
    with pytest.raises(OSError, match="No space"):
        (folder / "filler").write_bytes(bytes(2**20))
    done = here("train", "--preset", "course", "--out", folder)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert not list(folder.glob(f"*{ASIDE}"))


LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from tinyglass import StorageError
from tinyglass.storage import write_atomically
try:
    write_atomically(Path(sys.argv[1]), b"new" * 100_000)
except StorageError as error:
    print(error)
"""


def test_a_file_larger_than_the_system_allows_leaves_the_old_one_whole(tmp_path, python):
    path = tmp_path / "file"
    path.write_bytes(b"old" * 10_000)
    done = python(LIMITED, path, env=unmeasured())
    assert "Could not write the file: File too large. In " in done.stdout, done.stderr
    assert path.read_bytes() == b"old" * 10_000
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


AS_NOBODY = """
import os, sys
from tinyglass import Network, cli
for name in ("/dev/null", "/dev/null/below"):  # imports everything, before we may not read it any more
    try:
        cli.main(["train", "--preset", "course", "--out", name])
    except SystemExit:
        pass
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""


def test_a_folder_that_may_not_be_written_to_is_said(open_folder, python):
    closed = open_folder / "closed"
    closed.mkdir(mode=0o755)
    if os.getuid() != 0:
        closed.chmod(0o555)
    for folder in (closed, closed / "below"):
        program = AS_NOBODY + "cli.main(['train', '--preset', 'course', '--out', sys.argv[1]])"
        done = python(program, folder, env=unmeasured())
        assert done.returncode == 2, done.stderr
        assert "Permission denied. In " + str(folder) in done.stderr
        assert "may write to" in done.stderr
        assert "Traceback" not in done.stderr
    assert list(closed.iterdir()) == []


def test_a_model_that_may_not_be_read_is_said(open_folder, python):
    (open_folder / "model").write_bytes(WHOLE)
    (open_folder / "model").chmod(0)
    program = AS_NOBODY + "Network.load(sys.argv[1])"
    done = python(program, open_folder / "model", env=unmeasured())
    assert "StorageError: Could not read the file: Permission denied" in done.stderr


def test_a_path_that_is_a_file_or_lies_below_one_is_said(tmp_path, here):
    (tmp_path / "file").write_bytes(b"mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        done = here("train", "--preset", "course", "--out", path)
        assert done.returncode == 2
        assert "--out" in done.stderr
        assert "file" in done.stderr
        with pytest.raises(StorageError, match="a file, not a folder"):
            make_folder(path)
    assert (tmp_path / "file").read_bytes() == b"mine"
    with pytest.raises(StorageError, match="Could not write"):
        write_atomically(tmp_path / "file" / "below", b"x")
    with pytest.raises(StorageError, match="spelling"):
        write_atomically(tmp_path / "none" / "file", b"x")


def test_a_file_that_is_missing_or_a_folder_cannot_be_a_model(tmp_path):
    with pytest.raises(StorageError, match="spelling of the path"):
        Network.load(tmp_path / "none")
    with pytest.raises(StorageError, match="Name a file, not a folder"):
        Network.load(tmp_path)


def test_a_file_larger_than_wanted_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(bytes(101))
    assert read_bytes(tmp_path / "file", 101) == bytes(101)
    with pytest.raises(ModelError, match="at most 100 bytes"):
        read_bytes(tmp_path / "file", 100)


def test_one_training_a_folder_in_one_process_too(tmp_path):
    with training_folder(tmp_path / "new"):
        with (
            pytest.raises(StorageError, match=rf"process {os.getpid()} on .*, started \d{{4}}-"),
            training_folder(tmp_path / "new"),
        ):
            pass
        assert (tmp_path / "new" / LOCK_NAME).exists()
    with training_folder(tmp_path / "new"):
        pass
    assert list((tmp_path / "new").iterdir()) == []


def test_many_who_want_one_folder_never_hold_it_together(tmp_path):
    program = """
import os, sys, time
from pathlib import Path
from tinyglass import StorageError
from tinyglass.storage import training_folder
folder, held, end = Path(sys.argv[1]), 0, time.monotonic() + 1.5
while time.monotonic() < end:
    try:
        with training_folder(folder):
            held += 1
            os.close(os.open(folder / "alone", os.O_CREAT | os.O_EXCL))  # fails if somebody else is in here
            (folder / "alone").unlink()
    except StorageError:
        pass
print(held)
"""
    words = [sys.executable, "-c", program, str(tmp_path)]
    processes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    ended = [process.communicate(timeout=60) for process in processes]
    assert [err for _, err in ended] == [""] * 4
    assert sum(int(out) for out, _ in ended) > 50
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- round trips

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
FLOATS = {
    np.float32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    np.float64: st.floats(allow_nan=False, allow_infinity=False),
}


@st.composite
def networks(draw: Any) -> Network:
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    numbers = FLOATS[dtype]

    def array(*shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(numbers, min_size=size, max_size=size)), dtype).reshape(shape)

    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    bias = draw(st.booleans())
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        activation = draw(st.sampled_from(["linear", "step", "sigmoid", "tanh", "relu", "leaky_relu"]))
        layers.append(Layer(array(n_out, n_in), array(n_out) if bias else None, activation))
    classes = draw(
        st.none() | st.lists(NAMES, min_size=sizes[-1], max_size=sizes[-1], unique=True).map(tuple)
    )
    names = tuple(draw(st.lists(NAMES, min_size=sizes[0], max_size=sizes[0])))
    preparation = None
    if draw(st.booleans()):
        finite = FLOATS[np.float64]
        preparation = Preparation(
            channels=names,
            units=tuple(draw(NAMES | st.just("")) for _ in names),
            n_steps=1,
            resample=draw(st.booleans()),
            offset=tuple(draw(finite) for _ in names),
            scale=tuple(draw(finite.filter(bool)) for _ in names),
            rate_hz=draw(st.none() | st.floats(1e-3, 1e6)),
            answer_offset=draw(finite),
            answer_scale=draw(finite.filter(bool)),
        )
    return Network(tuple(layers), classes, names, preparation, draw(st.floats(0, 1)))


@given(networks(), st.dictionaries(NAMES, st.integers(-(2**53), 2**53) | NAMES | st.none(), max_size=3))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_network_comes_back_from_its_file_to_the_bit(tmp_path, network, about):
    digest = network.save(tmp_path / "model", about)
    back, told = load_network(tmp_path / "model")
    assert digest == network.digest == back.digest
    assert told == about
    for name in ("classes", "input_names", "preparation", "threshold", "dtype", "n_inputs"):
        assert getattr(back, name) == getattr(network, name)
    for a, b in zip(network.layers, back.layers, strict=True):
        assert a.weights.tobytes() == b.weights.tobytes()
        assert a.weights.dtype == b.weights.dtype
        assert a.activation == b.activation
        assert (a.bias is None) == (b.bias is None)
        assert a.bias is None or a.bias.tobytes() == b.bias.tobytes()
    once = (tmp_path / "model").read_bytes()
    back.save(tmp_path / "again", about)
    assert (tmp_path / "again").read_bytes() == once
    assert Network.load(tmp_path / "again").n_weights == network.n_weights


# ---------------------------------------------------------------- hostile files

GOOD_HEADER = {
    "activations": ["tanh", "softmax"],
    "classes": ["a", "b"],
    "input_names": ["x", "y"],
    "preparation": {
        "channels": ["x", "y"],
        "units": ["", ""],
        "n_steps": 1,
        "resample": False,
        "offset": [0.0, 0.0],
        "scale": [1.0, 2.0],
        "rate_hz": None,
        "inputs": ["raw"],
        "feature_offset": [],
        "feature_scale": [],
        "window": 0,
        "hop": 0,
        "answer_offset": 0.0,
        "answer_scale": 1.0,
    },
    "threshold": 0.5,
    "temperature": 1.0,
    "about": {},
}


def good_arrays() -> dict[str, np.ndarray]:
    random_ = np.random.default_rng(0)
    return {
        "layer0.weights": random_.normal(size=(3, 2)),
        "layer0.bias": random_.normal(size=3),
        "layer1.weights": random_.normal(size=(2, 3)),
        "layer1.bias": random_.normal(size=2),
    }


def forge(header: Any, arrays: dict[str, np.ndarray], **envelope: Any) -> bytes:
    """Write a file as tinyglass would, with a SHA-256 that is right, whatever it holds."""
    text = header if isinstance(header, str) else json.dumps(header)
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        digest.update(f"\n{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(arrays[name].tobytes())
    facts = {"kind": "network", "version": 2, "sha256": digest.hexdigest(), "header": text} | envelope
    return safetensors.numpy.save(arrays, {"tinyglass": json.dumps(facts)})


def raw(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """Write a safetensors file by hand."""
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def refused(path: Path, content: bytes) -> TinyglassError:
    """Return the error that a file is refused with: what, where, and how to mend it."""
    path.write_bytes(content)
    with pytest.raises((ModelError, StorageError)) as caught:
        Network.load(path)
    assert caught.value.where.startswith(str(path))
    assert len(caught.value.what) > 10
    assert len(caught.value.mend) > 10
    return caught.value


def test_what_the_forger_writes_is_what_tinyglass_writes(tmp_path):
    (tmp_path / "model").write_bytes(forge(GOOD_HEADER, good_arrays()))
    network = Network.load(tmp_path / "model")
    assert network.classes == ("a", "b")
    network.save(tmp_path / "saved")
    loaded = safetensors.numpy.load((tmp_path / "saved").read_bytes())
    assert {k: v.tolist() for k, v in loaded.items()} == {k: v.tolist() for k, v in good_arrays().items()}


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = forge(GOOD_HEADER, good_arrays())
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        refused(tmp_path / "model", whole[:length])
    refused(tmp_path / "model", whole + b"\0")


WHOLE = forge(GOOD_HEADER, good_arrays())


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
@hypothesis_settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_any_bit_flipped_is_refused(tmp_path, place, bit):
    flipped = WHOLE[:place] + bytes([WHOLE[place] ^ 1 << bit]) + WHOLE[place + 1 :]
    refused(tmp_path / "model", flipped)


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda b: raw(b)))
@hypothesis_settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_at_all_are_refused(tmp_path, content):
    refused(tmp_path / "model", content)


def tensor(shape: list[int], offsets: list[int], dtype: str = "F64") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def with_metadata(**tensors: Any) -> bytes:
    envelope = json.dumps(
        {"kind": "network", "version": 2, "sha256": "0" * 64, "header": json.dumps(GOOD_HEADER)}
    )
    return json.dumps({"__metadata__": {"tinyglass": envelope}, **tensors}).encode()


HOSTILE = {
    "empty": b"",
    "seven bytes": b"1234567",
    "text": b"weights = [1, 2, 3]\n" * 40,
    "header length 2^60": raw(b"{}", length=2**60),
    "header length 2^64 - 1": raw(b"{}", length=2**64 - 1),
    "header longer than the file": raw(b"{}", length=3),
    "header of no bytes": raw(b""),
    "header that is no object": raw(b"[1, 2]"),
    "header that is null": raw(b"null"),
    "metadata that is no object": raw(b'{"__metadata__": 3}'),
    "metadata of another program": raw(b'{"__metadata__": {"format": "pt"}}'),
    "metadata that is no JSON": raw(b'{"__metadata__": {"tinyglass": "not json"}}'),
    "metadata with a number": raw(b'{"__metadata__": {"tinyglass": 5}}'),
    "not UTF-8": raw(b'{"__metadata__": {"tinyglass": "\xff\xfe"}}'),
    "shape of 1e9 by 1e9": raw(with_metadata(**{"layer0.weights": tensor([10**9, 10**9], [0, 8])}), bytes(8)),
    "shape that overflows": raw(with_metadata(**{"layer0.weights": tensor([2**63, 2], [0, 8])}), bytes(8)),
    "overlapping offsets": raw(
        with_metadata(**{"layer0.weights": tensor([1, 1], [0, 8]), "layer0.bias": tensor([1], [0, 8])}),
        bytes(8),
    ),
    "offsets past the end": raw(with_metadata(**{"layer0.weights": tensor([1, 2], [0, 16])}), bytes(8)),
    "offsets backwards": raw(with_metadata(**{"layer0.weights": tensor([1, 1], [8, 0])}), bytes(8)),
    "offsets that overflow": raw(
        with_metadata(**{"layer0.weights": tensor([1, 1], [2**64 - 8, 2**64 - 1])}), bytes(8)
    ),
    "negative offsets": raw(with_metadata(**{"layer0.weights": tensor([1, 1], [-8, 0])}), bytes(8)),
    "a hole between arrays": raw(with_metadata(**{"layer0.weights": tensor([1, 1], [8, 16])}), bytes(16)),
    "unknown dtype": raw(with_metadata(**{"layer0.weights": tensor([1, 1], [0, 8], "X64")}), bytes(8)),
    "brackets nested 1e5 deep": raw(b"[" * 10**5),
    "objects nested 1e5 deep": raw(b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
    "metadata nested 1e5 deep": raw(
        json.dumps({"__metadata__": {"tinyglass": '{"kind":' + "[" * 10**5}}).encode()
    ),
    "the same array twice": raw(
        b'{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}, '
        b'"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}',
        bytes(8),
    ),
    "a zip archive": b"PK\x03\x04" + bytes(200),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_not_what_it_claims_is_refused(tmp_path, name):
    refused(tmp_path / "model", HOSTILE[name])


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the good header with one place of it changed."""
    header = json.loads(json.dumps(GOOD_HEADER))
    inside = header
    *above, last = path.split(".")
    for key in above:
        inside = inside[key]
    inside[last] = value
    return header


HEADERS = {
    "unknown activation": changed("activations", ["tanh", "exec"]),
    "fewer activations": changed("activations", ["tanh"]),
    "more activations": changed("activations", ["tanh", "tanh", "softmax"]),
    "no activations": changed("activations", []),
    "softmax inside": changed("activations", ["softmax", "softmax"]),
    "activation that is a number": changed("activations", [1, 2]),
    "three classes": changed("classes", ["a", "b", "c"]),
    "one class": changed("classes", ["a"]),
    "the same class twice": changed("classes", ["a", "a"]),
    "three inputs": changed("input_names", ["x", "y", "z"]),
    "zero scale": changed("preparation.scale", [1.0, 0.0]),
    "one scale": changed("preparation.scale", [1.0]),
    "one offset": changed("preparation.offset", [1.0]),
    "one unit": changed("preparation.units", [""]),
    "no channels": changed("preparation.channels", []),
    "no steps": changed("preparation.n_steps", 0),
    "negative steps": changed("preparation.n_steps", -1),
    "1e30 steps": changed("preparation.n_steps", 10**30),
    "2^62 steps": changed("preparation.n_steps", 2**62),
    "inputs that are text": changed("preparation.inputs", "raw"),
    "unknown inputs": changed("preparation.inputs", ["eval"]),
    "no inputs": changed("preparation.inputs", []),
    "raw inputs twice": changed("preparation.inputs", ["raw", "raw"]),
    "a summary without its scales": changed("preparation.inputs", ["raw", "summary"]),
    "a summary in the place of readings": changed("preparation.inputs", ["summary"]),
    "scales without their summary": changed("preparation.feature_scale", [1.0] * 16),
    "offsets without their summary": changed("preparation.feature_offset", [0.0] * 16),
    "windows that never move": changed("preparation.window", 1),
    "windows that move backwards": json.dumps(changed("preparation.window", 1)).replace(
        '"hop": 0', '"hop": -1'
    ),
    "windows of less than nothing": changed("preparation.window", -1),
    "a hop of less than nothing": changed("preparation.hop", -1),
    "zero temperature": changed("temperature", 0.0),
    "negative temperature": changed("temperature", -1.0),
    "temperature that is text": changed("temperature", "hot"),
    "preparation that is text": changed("preparation", "scale"),
    "zero answer scale": changed("preparation.answer_scale", 0.0),
    "threshold that is text": changed("threshold", "high"),
    "threshold of 5": changed("threshold", 5.0),
    "negative threshold": changed("threshold", -0.5),
    "no threshold": {k: v for k, v in GOOD_HEADER.items() if k != "threshold"},
    "NaN scale": json.dumps(changed("preparation.scale", [1.0, float("nan")])),
    "infinite offset": json.dumps(GOOD_HEADER).replace("[0.0, 0.0]", "[1e999, 0.0]"),
    "nested 1e5 deep": json.dumps(GOOD_HEADER).replace('"about": {}', '"about": {"a": ' + "[" * 10**5),
    "nested 1e5 deep, and closed": json.dumps(GOOD_HEADER).replace(
        '"about": {}', '"about": {"a": ' + "[" * 10**5 + "]" * 10**5 + "}"
    ),
    "no JSON": "{",
    "empty": "",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_makes_no_sense_is_refused_though_its_hash_is_right(tmp_path, name):
    refused(tmp_path / "model", forge(HEADERS[name], good_arrays()))


@pytest.fixture(scope="module")
def windowed_bytes(tmp_path_factory) -> bytes:
    """The file of a network that is shown summaries of windows."""
    random_ = np.random.default_rng(0)
    recordings = [Recording(random_.normal(size=(12, 2)), label="ab"[i % 2]) for i in range(6)]
    settings = Settings(epochs=2, window=4, **(PLAIN | {"inputs": ("raw", "summary")}))
    path = tmp_path_factory.mktemp("windowed") / "model"
    train(recordings, settings).network.save(path)
    return path.read_bytes()


def test_a_preparation_comes_back_from_its_file_exactly(tmp_path, windowed_bytes):
    (tmp_path / "model").write_bytes(reforge(windowed_bytes))
    network = Network.load(tmp_path / "model")
    p = network.preparation
    assert (p.inputs, p.window, p.hop, p.n_steps) == (("raw", "summary"), 4, 2, 4)
    assert len(p.feature_scale) == len(p.feature_offset) == 16
    assert network.n_inputs == 4 * 2 + 16
    network.save(tmp_path / "again")
    assert Network.load(tmp_path / "again").preparation == p


@pytest.mark.parametrize(
    "change",
    [
        {"hop": 0},
        {"hop": -2},
        {"window": -4},
        {"feature_scale": [0.0] + [1.0] * 15},
        {"feature_scale": [1.0] * 15},
        {"feature_offset": [1.0] * 17},
        {"feature_scale": [1.0] * 17, "feature_offset": [1.0] * 17},
        {"inputs": ["summary"]},
        {"inputs": ["raw", "spectrum"]},
        {"inputs": ["raw", "summary", "summary"], "feature_scale": [1.0] * 32, "feature_offset": [0.0] * 32},
        {"inputs": ["raw", "raw", "summary"]},
        {"n_steps": 5},
        {"scale": [1.0, 0.0]},
        {"offset": [0.0]},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["network", "run"])
def test_a_preparation_that_does_not_fit_is_refused_in_every_file(
    tmp_path, windowed_bytes, run_bytes, kind, change
):
    size = int.from_bytes(windowed_bytes[:8], "little")
    header = json.loads(windowed_bytes[8 : 8 + size])["__metadata__"]["tinyglass"]
    preparation = json.loads(json.loads(header)["header"])["preparation"] | change
    path = tmp_path / "file"
    if kind == "network":
        refused(path, reforge(windowed_bytes, {"preparation": preparation}))
        return
    held = safetensors.numpy.load(windowed_bytes)
    layers = {f"{part}__{name}": array for part in ("initial", "final") for name, array in held.items()}
    facts = {"preparation": preparation, "classes": ["a", "b"], "activations": ["relu", "softmax"]}
    facts["input_names"] = [f"input {i}" for i in range(24)]
    sound = facts | {
        "preparation": preparation
        | {k: json.loads(json.loads(header)["header"])["preparation"][k] for k in change}
    }
    path.write_bytes(reforge(run_bytes, sound, **layers))
    assert Run.load(path).network.preparation.window == 4
    path.write_bytes(reforge(run_bytes, facts, **layers))
    with pytest.raises(ModelError):
        Run.load(path)


def with_array(name: str, value: Any) -> dict[str, np.ndarray]:
    arrays = good_arrays()
    if value is None:
        del arrays[name]
    else:
        arrays[name] = np.ascontiguousarray(value)
    return arrays


ARRAYS = {
    "NaN weight": with_array("layer0.weights", np.array([[1, np.nan], [0, 0], [0, 0.0]])),
    "infinite weight": with_array("layer1.weights", np.full((2, 3), -np.inf)),
    "NaN bias": with_array("layer1.bias", np.array([np.nan, 0])),
    "layers that do not chain": with_array("layer1.weights", np.ones((2, 4))),
    "bias too long": with_array("layer0.bias", np.ones(4)),
    "bias of two dimensions": with_array("layer0.bias", np.ones((3, 1))),
    "weights of one dimension": with_array("layer0.weights", np.ones(6)),
    "weights of three dimensions": with_array("layer0.weights", np.ones((3, 2, 1))),
    "no weights in a layer": with_array("layer0.weights", np.ones((0, 2))),
    "whole numbers": with_array("layer0.weights", np.ones((3, 2), np.int64)),
    "half precision": with_array("layer0.weights", np.ones((3, 2), np.float16)),
    "two precisions in one layer": with_array("layer0.bias", np.ones(3, np.float32)),
    "two precisions in two layers": {
        k: v.astype(np.float32) if k.startswith("layer0") else v for k, v in good_arrays().items()
    },
    "a layer is missing": with_array("layer1.weights", None),
    "an array too many": with_array("layer9.weights", np.ones((1, 1))),
    "no arrays": {},
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_make_no_network_are_refused_though_their_hash_is_right(tmp_path, name):
    refused(tmp_path / "model", forge(GOOD_HEADER, ARRAYS[name]))


def test_another_kind_or_version_is_named(tmp_path, course):
    train(course, Settings(epochs=1)).save(tmp_path / "run")
    assert (
        "Expected a network, found a run" in refused(tmp_path / "run", (tmp_path / "run").read_bytes()).what
    )
    for version in (0, 1, 3, 99, -1):
        error = refused(tmp_path / "model", forge(GOOD_HEADER, good_arrays(), version=version))
        assert f"format {version}," in error.what
    for odd in ("2", None, 1.5, 10**30):
        refused(tmp_path / "model", forge(GOOD_HEADER, good_arrays(), version=odd))
    error = refused(tmp_path / "model", forge(GOOD_HEADER, good_arrays(), sha256="0" * 64))
    assert "SHA-256 does not match" in error.what


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (open, (str(self.trace), "w"))


def test_nothing_in_a_file_is_executed(tmp_path):
    trace = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(trace))
    refused(tmp_path / "model", bomb)
    refused(tmp_path / "model", raw(bomb))
    np.save(tmp_path / "model.npy", np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    refused(tmp_path / "model", (tmp_path / "model.npy").read_bytes())
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    header = changed("classes", [code, "{" + code + "}"]) | {"activations": [code, code]}
    refused(tmp_path / "model", forge(header, good_arrays()))
    assert not trace.exists()


def largest_memory(program: str, *arguments: Any) -> tuple[str, float]:
    """Return what a Python program printed, and the most MiB it ever held."""
    program += "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    words = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=unmeasured())
    assert done.returncode == 0, done.stderr
    said, _, kib = done.stdout.rstrip().rpartition("\n")
    return said, int(kib) / 1024


LOADER = """
import sys
from tinyglass import Network, TinyglassError
try:
    Network.load(sys.argv[1])
except TinyglassError as error:
    print(error)
"""


def test_a_file_of_3_gib_is_refused_quickly_and_not_read_into_memory(tmp_path):
    with open(tmp_path / "model", "wb") as file:
        file.truncate(3 * 2**30)
    (tmp_path / "small").write_bytes(b"")
    _, usual = largest_memory(LOADER, tmp_path / "small")
    began = time.monotonic()
    said, memory = largest_memory(LOADER, tmp_path / "model")
    assert time.monotonic() - began < 5
    assert "bytes" in said
    assert memory < usual + 50


def test_a_header_length_within_the_limit_takes_no_more_memory_than_the_file(tmp_path):
    (tmp_path / "model").write_bytes(raw(b'{"__metadata__": {"tinyglass": "' + b"[" * 2**20))
    (tmp_path / "small").write_bytes(b"")
    _, usual = largest_memory(LOADER, tmp_path / "small")
    said, memory = largest_memory(LOADER, tmp_path / "model")
    assert "model" in said
    assert memory < usual + 50


@pytest.mark.parametrize("verb", ["show", "test", "predict"])
def test_a_hostile_model_is_refused_on_the_command_line(verb, here, tmp_path):
    (tmp_path / "model").write_bytes(forge(HEADERS["zero scale"], good_arrays()))
    path = [] if verb == "show" else [ROOT / "examples" / "one_recording.txt"]
    done = here(verb, tmp_path / "model", *path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(tmp_path / "model") in done.stderr


def test_a_folder_without_a_model_says_how_to_make_one(here, tmp_path):
    done = here("show", tmp_path)
    assert done.returncode == 2
    assert "tinyglass train" in done.stderr


# ---------------------------------------------------------------- hostile runs and checkpoints


def reforge(content: bytes, header_change: Any = None, **arrays: Any) -> bytes:
    """Return a file of tinyglass with parts replaced, and its SHA-256 right again."""
    size = int.from_bytes(content[:8], "little")
    envelope = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["tinyglass"])
    header = json.loads(envelope["header"])
    if header_change is not None:
        header |= header_change
    held = safetensors.numpy.load(content) | {
        name.replace("__", "."): value for name, value in arrays.items() if value is not None
    }
    for name, value in arrays.items():
        if value is None:
            del held[name.replace("__", ".")]
    return forge(json.dumps(header), held, kind=envelope["kind"])


@pytest.fixture(scope="module")
def run_bytes(course, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("run") / "run"
    train(course, Settings(epochs=5, hidden=(16,), precision="float64", **PLAIN)).save(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"losses": None},
        {"losses": np.ones(4)},
        {"losses": np.ones((5, 1))},
        {"losses": np.full(5, np.nan)},
        {"losses": np.ones(5, np.int64)},
        {"accuracies": np.ones(0)},
        {"validation_losses": np.ones(3)},
        {"initial__layer0.weights": np.full((16, 3), np.nan)},
        {"final__layer0.weights": None},
        {"final__layer0.weights": np.ones((16, 4))},
        {"header_change": {"outcome": "won"}},
        {"header_change": {"best_epoch": -1}},
        {"header_change": {"best_epoch": 10**6}},
        {"header_change": {"updates": "many"}},
        {"header_change": {"settings": {"epochs": -5}}},
        {"header_change": {"settings": {"nonsense": 1}}},
        {"header_change": {"settings": {"patience": 5}}},
        {"header_change": {"classes": ["a"]}},
        {"header_change": {"activations": ["tanh"]}},
    ],
    ids=lambda change: "-".join(
        f"{k}-{v.shape}{v.flat[:1]}" if isinstance(v, np.ndarray) else f"{k}-{v}" for k, v in change.items()
    ),
)
def test_a_hostile_run_is_refused(tmp_path, run_bytes, change):
    (tmp_path / "run").write_bytes(reforge(run_bytes))
    assert Run.load(tmp_path / "run").epochs == 5
    (tmp_path / "run").write_bytes(reforge(run_bytes, **change))
    with pytest.raises(ModelError) as caught:
        Run.load(tmp_path / "run")
    assert str(tmp_path / "run") in caught.value.where


@pytest.fixture(scope="module")
def checkpoint_bytes(course, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint"
    watch = Watch(progress=lambda p: p.epoch > 5, checkpoint=path)
    train(course, Settings(epochs=100_000, hidden=(16,), precision="float64", **PLAIN), watch)
    return path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": None},
        {"parameters": np.ones(3)},
        {"parameters": np.full(98, np.nan)},
        {"best_parameters": np.full(98, np.inf)},
        {"first": np.ones(97)},
        {"second": np.full(98, np.nan)},
        {"counters": np.array([0, 0], np.int64)},
        {"counters": np.array([-5, 0, 0], np.int64)},
        {"counters": np.array([10**12, 0, 0], np.int64)},
        {"losses": np.ones(2)},
        {"losses": np.full((2, 2), 1.0)},
        {"figures": np.array([np.nan])},
    ],
    ids=lambda change: "-".join(
        f"{k}-{'' if v is None else v.shape}{v is not None and v.flat[0]}" for k, v in change.items()
    ),
)
def test_a_hostile_checkpoint_is_refused(tmp_path, course, checkpoint_bytes, change):
    watch = Watch(progress=lambda p: True, checkpoint=tmp_path / "checkpoint", resume=True)
    settings = Settings(epochs=100_000, hidden=(16,), precision="float64", **PLAIN)
    (tmp_path / "checkpoint").write_bytes(reforge(checkpoint_bytes))
    assert train(course, settings, watch).epochs > 5
    (tmp_path / "checkpoint").write_bytes(reforge(checkpoint_bytes, **change))
    with pytest.raises(ModelError) as caught:
        train(course, settings, watch)
    assert str(tmp_path / "checkpoint") in caught.value.where


def test_every_error_says_what_where_and_how_to_mend_it():
    error = StorageError("The disk is full", "a.txt", "Free some space")
    assert str(error) == "The disk is full. In a.txt. Free some space."
    assert pickle.loads(pickle.dumps(error)).mend == "Free some space"
    assert isinstance(error, OSError)
    assert str(ModelError("A", "b", "Did you mean 'c'?")).endswith("'c'?")


def test_the_names_that_this_file_forges_are_printable():
    assert all(c in string.printable for c in json.dumps(GOOD_HEADER))
    assert msgspec.json.decode(json.dumps(GOOD_HEADER).encode()) == GOOD_HEADER


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="no regular file"):
        Network.load(tmp_path / "model.safetensors")


def test_an_error_must_say_what_where_and_how_to_mend_it():
    with pytest.raises(TypeError):
        ModelError("what", "where", "")
