"""Arrays of NumPy: .npy and .npz of every shape, cut short, and hostile."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from sources import ABSENT, SHARED, check_read_or_refused, damaged, fuzzed, on_disk, read_within, source_of
from tinyglass import RecordingError, read_recordings
from tinyglass.recordings.readers import numpy_arrays

COUNTS = np.array([[1, -2, 3], [400, 5, -600]], "<i2")
CUBE = np.arange(24.0).reshape(2, 4, 3)


def npy(array, **options) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def header(text: str, data: bytes = b"", version: int = 1) -> bytes:
    """Return an .npy with a header of one's own."""
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text.encode()
        + data
    )


def declared(shape, descr="'<i2'", fortran=False, data=b"") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n", data)


def read(folder, content, name="wave.npy"):
    source = source_of(folder, name, content)
    recordings = numpy_arrays.read(source)
    return recordings, *source.account()


def refusal(folder, content, name="wave.npy") -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read(folder, content, name)
    return caught.value


# ---------------------------------------------------------------- one array


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "i1", "<u8", "<f2", ">f4", "<f8", np.longdouble])
def test_an_array_of_numbers_is_one_recording(tmp_path, dtype, order):
    array = np.asarray(COUNTS % 100, dtype, order=order)
    (recording,), *account = read(tmp_path, npy(array))
    assert recording.signal.tolist() == array.tolist()
    assert recording.signal.dtype == np.float64
    assert recording.units == (("counts" if array.dtype.kind in "iu" else ""),) * 3
    assert (recording.label, recording.channels) == (None, ("channel1", "channel2", "channel3"))
    assert account == [[], []]


def test_the_label_is_in_the_name(tmp_path):
    read(tmp_path, npy(COUNTS), "2025-06-15T192744_snake.npy")
    assert [r.label for r in read_recordings(tmp_path)] == ["snake"]


def test_an_array_of_one_dimension_is_one_channel(tmp_path):
    (recording,), *_ = read(tmp_path, npy(np.arange(5)))
    assert recording.signal.tolist() == [[0], [1], [2], [3], [4]]


def test_an_array_of_three_dimensions_is_several_recordings(tmp_path):
    recordings, *_ = read(tmp_path, npy(CUBE))
    assert [r.signal.tolist() for r in recordings] == CUBE.tolist()
    assert recordings[1].source.endswith("wave.npy, recording 2")


def test_padding_of_recordings_is_cut_off_and_said(tmp_path):
    cube = CUBE.copy()
    cube[0, 3] = cube[0, 2] = np.nan
    cube[1] = np.nan
    recordings, repairs, dropped = read(tmp_path, npy(cube))
    assert [r.signal.tolist() for r in recordings] == [CUBE[0, :2].tolist()]
    assert [(r.what, r.count) for r in repairs] == [
        ("rows of NaN at the end of recordings are padding, and cut off", 1)
    ]
    assert [(d.why, d.n_readings) for d in dropped] == [("a recording without readings", 0)]


def test_a_reading_that_is_not_finite_is_refused(tmp_path):
    cube = CUBE.copy()
    cube[1, 2, 1] = np.nan
    assert refusal(tmp_path, npy(cube)).where.endswith("wave.npy, recording 2, reading 3, channel 'channel2'")
    assert refusal(tmp_path, npy(cube[1])).where.endswith("wave.npy, reading 3, channel 'channel2'")


@pytest.mark.parametrize("shape", [(3, 400), (1, 13), (12, 48), (2, 3, 100)])
def test_rows_that_are_channels_are_turned_and_said(tmp_path, shape):
    array = np.random.default_rng(0).normal(size=shape)
    recordings, repairs, _ = read(tmp_path, npy(array))
    assert [r.signal.shape for r in recordings] == [shape[:-3:-1]] * (shape[0] if len(shape) == 3 else 1)
    assert recordings[0].signal[5, 0] == array.reshape(-1, *shape[-2:])[0, 0, 5]
    n_rows, n_columns = shape[-2:]
    assert [r.what for r in repairs] == [
        f"{n_rows} rows of {n_columns} numbers are taken for channels, and turned"
    ]


@pytest.mark.parametrize("shape", [(3, 6), (3, 12), (12, 47), (13, 64), (1, 6)])
def test_rows_that_may_be_readings_are_readings(tmp_path, shape):
    (recording,), repairs, _ = read(tmp_path, npy(np.ones(shape)))
    assert recording.signal.shape == shape
    assert repairs == []


def test_more_columns_than_a_sensor_has_are_refused(tmp_path):
    error = refusal(tmp_path, npy(np.ones((50, 150))))
    assert error.what == "Expected an array (n_readings, n_channels), found 150 columns"
    assert "array[:, :, None]" in error.mend


@pytest.mark.parametrize("shape", [(0,), (0, 3), (5, 0), (0, 4, 3), (2, 0, 3)])
def test_an_array_without_readings_is_named(tmp_path, shape):
    recordings, repairs, dropped = read(tmp_path, npy(np.ones(shape)))
    assert (recordings, repairs) == ([], [])
    assert [(d.why, d.n_readings) for d in dropped] == [("a recording without readings", 0)]


OTHERS = [True, 1j, "up", b"up", np.datetime64("2025-01-01")]


@pytest.mark.parametrize("value", OTHERS)
def test_an_array_of_something_else_is_refused(tmp_path, value):
    assert re_type(refusal(tmp_path, npy(np.array([value, value]))))


def re_type(error: RecordingError) -> bool:
    return error.what.startswith(
        ("Expected numbers in 1 to 3 dimensions", "Expected an array of numbers, found one of")
    )


@pytest.mark.parametrize("array", [np.array([{}, []], object), np.zeros(3, [("x", "f4"), ("y", "i2")])])
def test_an_array_of_objects_or_fields_is_refused(tmp_path, array):
    assert refusal(tmp_path, npy(array)).what.startswith("Expected an array of numbers, found one of type")


@pytest.mark.parametrize("shape", [(), (2, 2, 2, 2)])
def test_an_array_of_other_dimensions_is_refused(tmp_path, shape):
    error = refusal(tmp_path, npy(np.ones(shape)))
    assert error.what == f"Expected numbers in 1 to 3 dimensions, found float64 in {len(shape)}"


# ---------------------------------------------------------------- files cut short, and longer than they say


def test_an_array_that_ends_early_is_kept_as_far_as_it_goes(tmp_path):
    data = np.arange(15, dtype="<i2").tobytes()
    (recording,), repairs, dropped = read(tmp_path, declared("(400,3)", data=data))
    assert recording.signal.tolist() == np.arange(15).reshape(5, 3).tolist()
    assert [r.what for r in repairs] == ["the array ends early: 5 of 400 rows are there, and kept"]
    assert dropped == []
    (recording,), _, dropped = read(tmp_path, declared("(400,3)", data=data[:-3]))
    assert recording.n_readings == 4
    assert [(d.why, d.n_readings) for d in dropped] == [("cut at the end of the array", 1)]


def test_recordings_that_end_early_are_kept_as_far_as_they_go(tmp_path):
    content = npy(CUBE)[: -8 * 5]  # of the second recording 2 readings, and a third of the third, are left
    recordings, repairs, dropped = read(tmp_path, content)
    assert [r.signal.tolist() for r in recordings] == [CUBE[0].tolist()]
    assert [r.what for r in repairs] == ["the array ends early: 1 of 2 rows are there, and kept"]
    assert [(d.why, d.n_readings) for d in dropped] == [("cut at the end of the array", 3)]


def test_an_array_that_is_missing_or_has_lost_its_last_columns_is_refused(tmp_path):
    assert refusal(tmp_path, npy(COUNTS)[:-10]).what == "Expected 6 numbers, found 1"
    assert refusal(tmp_path, npy(np.asfortranarray(COUNTS))[:-2]).what == "Expected 6 numbers, found 5"
    assert refusal(tmp_path, npy(np.array(3.5))[:-2]).what == "Expected 1 numbers, found 0"


def test_several_arrays_in_one_file_are_all_read(tmp_path):
    recordings, *account = read(tmp_path, npy(COUNTS) + npy(CUBE[0]))
    assert [r.signal.tolist() for r in recordings] == [COUNTS.tolist(), CUBE[0].tolist()]
    assert account == [[], []]


def test_readings_after_the_end_are_counted(tmp_path):
    (recording,), _, dropped = read(tmp_path, npy(COUNTS) + b"\1" * 13)
    assert recording.n_readings == 2
    assert [(d.why, d.n_readings) for d in dropped] == [("after the end of the array", 2)]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_header_is_read(tmp_path, version):
    content = header("{'shape': (2,), 'fortran_order': False, 'descr': '|i1'}", b"\1\2", version)
    assert [r.signal.tolist() for r in read(tmp_path, content)[0]] == [[[1], [2]]]


BAD_HEADERS = [
    b"\x93NUMPY",
    b"\x93NUMPY\1\0",
    npy(COUNTS)[:40],
    header("{}"),
    header("{'descr': '<i2', 'shape': (2,)}", b"\0" * 4),
    header("{'descr': '<i2', 'fortran_order': 0, 'shape': (2,)}", b"\0" * 4),
    header("{'descr': '<i2', 'fortran_order': False, 'shape': (-2,)}", b"\0" * 4),
    header("{'descr': '<i2', 'fortran_order': False, 'shape': 2}", b"\0" * 4),
    header("{'descr': '<i2', 'fortran_order': False, 'shape': (2,)}", b"\0" * 4, version=4),
    header("[" * 60_000),
]


@pytest.mark.parametrize("content", BAD_HEADERS)
def test_a_bad_header_is_refused(tmp_path, content):
    assert refusal(tmp_path, content).what.startswith("Expected the header of an array, found")


@pytest.mark.parametrize(
    "descr",
    ["'<f3'", "'|O'", "'O8'", "'i4,i4'", "'(1000000000,)f8'", "'<m8'", "'V8'", "'U0'", "[('x', 'O')]"],
)
def test_a_type_that_is_no_number_is_refused(tmp_path, descr):
    error = refusal(tmp_path, declared("(2,)", descr, data=b"\0" * 64))
    assert error.what.startswith("Expected an array of numbers, found one of type")


@pytest.mark.parametrize("other", [b"", b"\x93NUMP", b"NUMPY", npy(COUNTS)[1:], npz(a=COUNTS)[4:], b"PK\3\4"])
def test_other_files_are_left_to_others(tmp_path, other):
    assert read(tmp_path, other) == (None, [], [])


# ---------------------------------------------------------------- .npz


def test_data_with_labels_is_read(tmp_path):
    people = np.array([b"ann", b"bob"])
    content = npz(X=CUBE, y=["up", "down"], subject=people, session=[1, 2], device=["a", "a"], rate_hz=50.0)
    recordings, *account = read(tmp_path, content, "set.npz")
    assert [r.signal.tolist() for r in recordings] == CUBE.tolist()
    found = [(r.label, r.person, r.session, r.device, r.rate_hz, r.split) for r in recordings]
    assert found == [("up", "ann", "1", "a", 50.0, None), ("down", "bob", "2", "a", 50.0, None)]
    assert recordings[1].source.endswith("set.npz, array X, recording 2")
    assert account == [[], []]
    assert [r.label for r in read_recordings(tmp_path / "set.npz")] == ["up", "down"]


@pytest.mark.parametrize(
    "names", [("X_train", "y_train", "X_test", "y_test"), ("xtrain", "labelstrain", "xtest", "labelstest")]
)
def test_published_parts_are_read(tmp_path, names):
    arrays = dict(zip(names, [CUBE, np.array([1.0, 2.0]), CUBE[:1], np.array([[2]])], strict=True))
    recordings, *_ = read(tmp_path, npz(**arrays), "set.npz")
    assert [(r.label, r.split) for r in recordings] == [("1", "train"), ("2", "train"), ("2", "test")]


def test_rows_with_a_label_each_are_recordings_of_one_channel(tmp_path):
    rows = np.arange(40.0).reshape(2, 20)
    rows[1, 15:] = np.nan
    recordings, *_ = read(tmp_path, npz(data=rows, labels=[0.25, 3]), "set.npz")
    assert [(r.label, r.signal.shape) for r in recordings] == [("0.25", (20, 1)), ("3", (15, 1))]


def test_one_recording_may_have_its_label_beside_it(tmp_path):
    for label in ("up", ["up"]):
        recordings, *_ = read(tmp_path, npz(data=CUBE[0], label=label), "set.npz")
        assert [(r.label, r.signal.shape) for r in recordings] == [("up", (4, 3))]


def test_channels_by_name_are_one_recording(tmp_path):
    axes = {"x": np.arange(5, dtype="i2"), "y": np.arange(5.0), "gyro_z": np.ones(5)}
    (recording,), *_ = read(tmp_path, npz(**axes, fs=100), "wave.npz")
    assert recording.channels == ("x", "y", "gyro_z")
    assert recording.units == ("counts", "", "")
    assert recording.signal[4].tolist() == [4, 4, 1]
    assert recording.rate_hz == 100


def test_arrays_by_label_are_read(tmp_path):
    content = npz(wave=CUBE, circle_2=CUBE[0], arr_0=COUNTS)
    recordings, *account = read(tmp_path, content, "set.npz")
    assert [r.label for r in recordings] == ["wave", "wave", "circle", None]
    assert recordings[2].source.endswith("set.npz, array circle_2")
    assert account == [[], []]


def test_arrays_that_are_no_recordings_are_named(tmp_path):
    _, _, dropped = read(tmp_path, npz(X=CUBE, weights=np.ones((7, 2)), version=3), "set.npz")
    assert [(d.why, d.n_readings) for d in dropped] == [
        ("the array 'weights' is no recording", 7),
        ("the array 'version' is no recording", 0),
    ]


BAD_ARRAYS = {
    "labels": ({"X": CUBE, "y": [1, 2, 3]}, "Expected a label for each of 2 recordings, found 3"),
    "one-hot": ({"X": CUBE, "y": np.eye(2)}, "Expected labels in one dimension, found float64 (2, 2)"),
    "truth": ({"X": CUBE, "y": [True, False]}, "Expected labels in one dimension, found bool (2,)"),
    "text": ({"X": CUBE, "y": [b"\xff", b"a"]}, "Expected labels in UTF-8"),
    "half": ({"X": CUBE, "y": ["\ud800", "a"]}, "Expected labels in UTF-8"),
    "ambiguous": ({"X": np.ones((50, 6)), "y": np.ones(50)}, "a row could be a recording, or one reading"),
    "pickled": (
        {"X": CUBE, "y": np.array([1, "a"], object)},
        "Expected an array of numbers, found one of type '|O'",
    ),
    "words": ({"up": ["a", "b"]}, "Expected numbers in 1 to 3 dimensions, found <U1 in 1"),
}


@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_bad_arrays_are_refused_by_name(tmp_path, what):
    arrays, expected = BAD_ARRAYS[what]
    error = refusal(tmp_path, npz(**arrays), "set.npz")
    assert expected in error.what
    assert any(name in error.where for name in arrays)


def test_a_file_that_is_no_array_in_an_npz_is_refused(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("X.npy", b"text")
    assert refusal(tmp_path, stream.getvalue(), "set.npz").what == "Expected an array of NumPy, found b'text'"


def test_an_npz_is_read_in_any_place(tmp_path):
    for name in ("set.npz", "a/set.npz", "set"):
        read(tmp_path, npz(up=COUNTS, down=COUNTS), name)
        assert [r.label for r in read_recordings(tmp_path / name)] == ["up", "down"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "set.npz", "in/set.npz")
        archive.writestr("in/wave.npy", npy(COUNTS))
    assert [r.label for r in read_recordings(tmp_path / "all.zip")] == ["up", "down", "wave"]


# ---------------------------------------------------------------- real sets, and hostile ones


def rows_in(path: Path) -> int:
    """Count whole rows by the size of the file: 80 bytes of header, then int16 by three."""
    return max(0, (path.stat().st_size - 80) // 6)


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
@pytest.mark.parametrize(
    ("folder", "n_recordings", "n_cut"), [("emlearn_cgestures", 24, 5), ("emlearn_exercise", 133, 13)]
)
def test_the_sets_of_emlearn_are_read_whole(folder, n_recordings, n_cut):
    found = repaired = 0
    for path in sorted((SHARED / folder).rglob("*.npy")):
        source = on_disk(path)
        recordings = numpy_arrays.read(source)
        repairs, dropped = source.account()
        assert sum(r.n_readings for r in recordings or ()) == rows_in(path)
        assert dropped == []
        found += len(recordings or ())
        repaired += len(repairs)
        for recording in recordings or ():
            raw = np.frombuffer(path.read_bytes()[80:], "<i2").reshape(-1, 3)
            assert recording.signal.tolist() == raw.tolist()
            assert recording.units == ("counts",) * 3
    assert (found, repaired) == (n_recordings, n_cut)


SAMPLES = [npy(COUNTS), npy(CUBE), npy(np.asfortranarray(COUNTS)), npy(COUNTS) + npy(COUNTS)]


@given(damaged(SAMPLES[0]) | damaged(SAMPLES[1]) | damaged(SAMPLES[2]) | damaged(SAMPLES[3]))
@fuzzed
def test_damaged_arrays_are_read_or_refused(tmp_path, content):
    check_read_or_refused(numpy_arrays.read, source_of(tmp_path, "x.npy", content))


@given(damaged(npz(X=CUBE, y=["up", "down"])) | damaged(npz(wave=COUNTS)))
@fuzzed
def test_damaged_archives_of_arrays_are_read_or_refused(tmp_path, content):
    check_read_or_refused(numpy_arrays.read, source_of(tmp_path, "x.npz", content))


def zeros(shape) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", declared(shape) + bytes(2**26))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (declared("(1000000000, 1000000000)"), "refused Expected 1,000,000,000,000,000,000 numbers, found 0"),
        (declared("(" + "9" * 18 + ",)", "'<U999999999'"), "refused Expected"),
        (declared("(" + "9," * 48 + ")", data=b"\0" * 100), "refused Expected"),
        (declared("(100000000, 0, 3)"), "read 0"),
        (declared("(0, 100000000, 100000000)"), "read 0"),
        (declared("(4000000, 1, 1)", "'|i1'", data=bytes(4_000_000)), "at most 1,048,576 are read"),
        (declared("(400,3)", data=b"\0" * 6), "read 1"),
        (
            header("{'descr': '<i2', 'fortran_order': False, 'shape': (" + "1" * 9000 + ",)}"),
            "refused Expected the header",
        ),
        (npy(np.zeros((1, 1), "i1")) * 10**4, "read 10000"),
        (zeros("(33554432,)"), "refused Unpacked, it is more than 200 times as large"),
    ],
)
def test_hostile_arrays_are_refused_within_bounds(tmp_path, python, content, outcome):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    assert outcome in read_within(python, "readers.numpy_arrays.read", path, mib=300, seconds=20)


def test_an_array_of_too_many_numbers_is_refused(tmp_path):
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        file.write(declared("(200000000,)", "'|i1'"))
        file.truncate(300_000_000)
    with pytest.raises(RecordingError, match="at most 134,217,728 are read"):
        numpy_arrays.read(on_disk(path))
