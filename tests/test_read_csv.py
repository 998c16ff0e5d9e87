"""CSV of every shape: what its columns are for, what ends a recording, and files of any size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tinyglass import DataSet, Recording, RecordingError, StorageError, read_recordings
from tinyglass.recordings.parsing import pieces
from tinyglass.recordings.readers import csv
from tinyglass.recordings.source import Source
from tinyglass.recordings.tables import plain, stretches

SHARED = Path(__file__).parents[2] / "shared" / "data"
HERE = [HealthCheck.function_scoped_fixture]
EPOCH = 1_718_456_789_123


def source_of(path: Path) -> Source:
    return Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)


@pytest.fixture
def data(tmp_path):
    """Read a file with this content."""

    def read(content: str | bytes, name: str = "wave.csv") -> DataSet:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_recordings(path)

    return read


def notes(data: DataSet) -> str:
    return "; ".join(repair.what for repair in data.repairs)


# ---------------------------------------------------------------- time


def test_an_edge_impulse_file_is_one_recording_with_its_rate(data):
    rows = "".join(f"{16 * i},{i},-9.81,0.5\n" for i in range(20))
    read = data("timestamp,accX,accY,accZ\n" + rows, "circle.json.3k2j1.csv")
    assert len(read) == 1
    assert read[0].label == "circle"
    assert read[0].channels == ("accX", "accY", "accZ")
    assert read[0].rate_hz == 62.5
    assert read[0].times.tolist() == pytest.approx([0.016 * i for i in range(20)])
    assert read.repairs == ()


def test_times_that_jitter_by_a_millisecond_are_kept_and_give_the_usual_rate(data):
    times = [16 * i + (0, 1, -1, 0, 1)[i % 5] for i in range(50)]
    read = data("timestamp,x\n" + "".join(f"{t},1\n" for t in times))
    assert read[0].rate_hz == 62.5
    assert read[0].times.tolist() == pytest.approx([t / 1000 for t in times])
    assert "vary by a millisecond" in notes(read)


def test_a_step_that_is_no_whole_millisecond_gives_its_own_rate(data):
    read = data("timestamp,x\n" + "".join(f"{round(i * 1000 / 104)},1\n" for i in range(105)))
    assert read[0].rate_hz == pytest.approx(104, rel=1e-3)


@pytest.mark.parametrize("gap", [25, 116])
def test_a_gap_leaves_no_rate(data, gap):
    times = [16 * i + (gap if i > 10 else 0) for i in range(20)]
    read = data("timestamp,x\n" + "".join(f"{t},1\n" for t in times))
    assert read[0].rate_hz is None
    assert len(read[0].times) == 20


@pytest.mark.parametrize(
    ("head", "first", "step", "second"),
    [
        ("time", 0, 20, 1e-3),
        ("time", 5, 0.02, 1.0),
        ("seconds_elapsed", 0, 1, 1.0),
        ("time_us", 0, 20_000, 1e-6),
        ("timestamp (ns)", 0, 20_000_000, 1e-9),
        ("epoch", 1_718_456_789.5, 0.5, 1.0),
        ("time", EPOCH, 20, 1e-3),
        ("timestamp", EPOCH * 1000, 20_000, 1e-6),
        ("time", EPOCH * 10**6, 20_000_000, 1e-9),
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_the_unit_of_time_is_in_the_head_or_in_its_size(data, head, first, step, second, last):
    times = [first + i * step for i in range(10)]
    lines = [f"1,2,{t}" if last else f"{t},1,2" for t in times]
    read = data("\n".join([f"x,y,{head}" if last else f"{head},x,y", *lines]))
    assert read[0].channels == ("x", "y")
    assert read[0].times.tolist() == pytest.approx([t * second for t in times], rel=1e-15, abs=1e-15)
    assert read[0].rate_hz == pytest.approx(1 / (step * second))


@pytest.mark.parametrize("head", ["x,y,z,when\n", ""])
def test_milliseconds_since_1970_are_times_under_any_head(data, head):
    read = data(head + "".join(f"0.1,0.2,0.3,{EPOCH + 10 * i}\n" for i in range(5)))
    assert read[0].signal.tolist() == [[0.1, 0.2, 0.3]] * 5
    assert read[0].rate_hz == 100
    assert "milliseconds since 1970" in notes(read)


def test_dates_and_times_of_day_are_times(data):
    read = data(
        "time,x\n2024-06-15T13:06:29.100Z,1\n2024-06-15T13:06:29.120Z,2\n2024-06-15T13:06:29.140Z,3\n"
    )
    assert read[0].rate_hz == pytest.approx(50)
    assert read[0].times[0] == pytest.approx(1_718_456_789.1)
    with pytest.raises(RecordingError, match="Expected a time") as caught:
        data("time,x\n2024-06-15T13:06:29,1\n2024-06-15T13:06:30,2\n2024-99-15T13:06:31,3\n")
    assert caught.value.where.endswith("line 4, column time")


@pytest.mark.parametrize("times", [[0, 10, 10], [0, 10, 5], [EPOCH, EPOCH + 10, EPOCH - 60_000]])
def test_a_clock_that_stands_still_or_is_set_back_is_refused_with_its_line(data, times):
    with pytest.raises(RecordingError, match="Time does not go forward") as caught:
        data("time,x\n" + "".join(f"{t},1\n" for t in times))
    assert caught.value.where.endswith("wave.csv, line 4")


def test_a_second_column_of_times_and_one_of_row_numbers_are_no_channels(data):
    rows = "".join(f"{i},{EPOCH + 10 * i},{i / 100},{i + 0.5}\n" for i in range(5))
    read = data(",time,seconds_elapsed,x\n" + rows)
    assert read[0].channels == ("x",)
    assert read[0].signal.ravel().tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert "'' numbers the rows" in notes(read)
    assert "'seconds_elapsed' tells the time too" in notes(read)


# ---------------------------------------------------------------- how it is written


@pytest.mark.parametrize("head", ["a;b\n", ""])
def test_decimal_commas_are_read_and_noted(data, head):
    read = data(head + "0,5;-0,7\n1;2,25\n")
    assert read[0].signal.tolist() == [[0.5, -0.7], [1, 2.25]]
    assert "decimal comma" in notes(read)


@pytest.mark.parametrize(
    "text",
    [
        "# from the board\n// and more\na,b\n1,2\n3,4\n",
        "sep=;\na;b\n1;2\n3;4\n",
        "a,b,\n1,2,\n3,4,\n",
        "a,b\n1,2,\n3,4,\n",
        "a b\n1 2\n3   4\n",
        'a\tb\n"1"\t"2"\n3\t4',
        "a,b\r1,2\r3,4\r",
        "a,b\r\n1,2\n3,4\r\n",
    ],
)
def test_other_ways_to_write_the_same(data, text):
    read = data(text)
    assert [r.signal.tolist() for r in read] == [[[1, 2], [3, 4]]]
    assert read[0].channels == ("a", "b")
    assert notes(read).count("comment") == text.startswith("#")


def test_a_line_of_units_below_the_header_gives_the_units(data):
    read = data("t,x,y\ns,g,°/s\n0,1,2\n1,3,4\n")
    assert (read[0].channels, read[0].units, read[0].rate_hz) == (("x", "y"), ("g", "°/s"), 1.0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_text_of_other_encodings(data, encoding):
    read = data("größe\n1.5\n2.5\n".encode(encoding))
    assert (read[0].channels, read[0].signal.ravel().tolist()) == (("größe",), [1.5, 2.5])


# ---------------------------------------------------------------- what is a recording


def test_rows_of_colours_are_examples_of_their_own(data):
    read = data("Red,Green,Blue\n0.5,0.2,0.3\n0.6,0.2,0.2\n", "apple.csv")
    assert [r.signal.tolist() for r in read] == [[[0.5, 0.2, 0.3]], [[0.6, 0.2, 0.2]]]
    assert [r.label for r in read] == ["apple"] * 2
    assert "each row is read as a recording" in notes(read)


@pytest.mark.skipif(not SHARED.exists(), reason="the data sets of other people are not here")
def test_every_row_of_the_fruit_is_a_recording():
    read = read_recordings(SHARED / "arduino_fruit")
    lines = {f.stem: len(f.read_text().split()) - 1 for f in (SHARED / "arduino_fruit").glob("*.csv")}
    assert sum(lines.values()) == 256
    assert {label: sum(r.label == label for r in read) for label in lines} == lines


def test_rows_with_a_label_and_times_that_go_forward_are_one_recording(data):
    rows = [
        (0, "up"),
        (10, "up"),
        (20, "up"),
        (30, "down"),
        (40, "down"),
        (0, "down"),
        (10, "down"),
        (20, "up"),
    ]
    read = data("time,x,label\n" + "".join(f"{t},{i},{label}\n" for i, (t, label) in enumerate(rows)))
    assert [r.signal.ravel().tolist() for r in read] == [[0, 1, 2], [3, 4], [5, 6], [7]]
    assert [r.label for r in read] == ["up", "down", "down", "up"]
    assert [r.rate_hz for r in read] == [100, 100, 100, None]
    places = ["line 2", "line 2, readings 4–5", "line 7", "line 7, readings 3–3"]
    assert [r.source.partition(", ")[2] for r in read] == places  # by which a split keeps them together
    assert "Time does not go forward" in notes(read)


def test_columns_for_person_session_device_and_part_are_no_channels(data):
    read = data("subject,session,board,split,label,a\n7,s1,nano,train,up,1\n8,s2,nano,Test,down,2\n")
    assert [(r.person, r.session, r.device, r.split, r.label) for r in read] == [
        ("7", "s1", "nano", "train", "up"),
        ("8", "s2", "nano", "test", "down"),
    ]
    assert [r.signal.tolist() for r in read] == [[[1]], [[2]]]


def test_another_person_ends_a_recording(data):
    read = data("person,x\nanna,1\nanna,2\nbert,3\n")
    assert [(r.person, r.n_readings, r.label) for r in read] == [("anna", 2, "wave"), ("bert", 1, "wave")]


def test_a_repeated_header_begins_a_recording(data):
    read = data("time,light\n0,1\n10,2\ntime,light\n0,3\n10,4\n")
    assert [r.signal.ravel().tolist() for r in read] == [[1, 2], [3, 4]]
    assert "The header is repeated" in notes(read)


def test_numbers_may_be_labels_for_regression(data):
    read = data("a,b,target\n1,2,0.50\n3,4,-1\n")
    assert [r.label for r in read] == ["0.50", "-1"]


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("x,y\n1,2\n3,four\n", "Expected a number, found 'four'", "line 3, column y"),
        ("light,y\n1,2\n\n3,\n5,6", "Expected a number, found ''", "line 4, column y"),
        ("light,b\n1,2\n3,4,5\n", "Expected 2 values, found 3", "line 3"),
        ("light,b\n1,2\n3,1_0\n", "found '1_0'", "line 3, column b"),
        ("time,x\n0,1\n,2\n", "found ''", "line 3, column time"),
    ],
)
def test_a_bad_line_below_a_header_is_refused(data, text, what, where):
    with pytest.raises(RecordingError) as caught:
        data(text)
    assert what in caught.value.what
    assert caught.value.where.endswith(where)


@pytest.mark.parametrize("text", ['{"a": [1, 2]}', "[1, 2]\n[3, 4]", "<p>1,2</p>", "it rained, 3 times\n"])
def test_other_text_is_no_table(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert csv.read(source_of(path)) is None


def test_too_many_recordings_are_refused_by_name(data, monkeypatch):
    monkeypatch.setattr(csv, "MOST_RECORDINGS", 5)
    for head in ("label,x", "label,time"):
        with pytest.raises(RecordingError, match="more than 5 recordings") as caught:
            data(f"{head},y\n" + "".join(f"{'ab'[i % 2]},{i},1\n" for i in range(8)))
        assert "time" in caught.value.mend


# ---------------------------------------------------------------- any size


FINITE = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters='\r\n\0"'), max_size=5).map(str.strip)
ODD = st.sampled_from([repr, lambda x: f"{x:.3e}", lambda x: f" {x}", lambda x: f'"{x}"', lambda x: f"{x} "])


def rows_of(path: Path, quick: bool) -> tuple:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "WORTH_POLARS", 0 if quick else 2**40)
        source = source_of(path)
        layout = plain.find_layout(source)
        found = list(plain.rows(source, layout, range(1, layout.width), [0]))
    return (
        np.concatenate([piece.lines for piece in found]).tolist(),
        np.concatenate([piece.numbers for piece in found]).tobytes(),
        [word for piece in found for word in piece.words[0]],
    )


@given(
    st.lists(st.tuples(WORDS, FINITE, FINITE), min_size=1, max_size=8),
    ODD,
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
@hypothesis_settings(suppress_health_check=HERE)
def test_the_quick_way_finds_what_the_obvious_way_finds(tmp_path, rows, written, end):
    path = tmp_path / "t.csv"
    lines = ["label;x;y", *(f"{word.replace(';', ',')};{written(x)};{written(y)}" for word, x, y in rows)]
    path.write_bytes(end.join(lines).encode())
    assert rows_of(path, quick=True) == rows_of(path, quick=False)


def test_the_quick_way_is_taken_where_it_can_be(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("label,x,y\n" + "up,1.5,2\n" * 3)
    layout = plain.find_layout(source_of(path))
    found = plain._by_polars(["up,1.5,2"] * 3, np.arange(3), layout, [1, 2], [0])
    assert found.numbers.tolist() == [[1.5, 2]] * 3
    for odd in ("up,1.5", "up,1.5,2,3", "up,one,2", "up,,2", 'u"p,1,2', "up,1_0,2"):
        assert plain._by_polars(["up,1.5,2", odd], np.arange(2), layout, [1, 2], [0]) is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_pieces_of_any_size_give_the_same(tmp_path, monkeypatch, end, size):
    rows = [f"{10 * i},{i}.25,-{i},{'up' if i < 7 else 'down'}" for i in range(15)]
    path = tmp_path / "t.csv"
    path.write_bytes(end.join(["time,x,y,label", "", *rows[:5], " ", *rows[5:]]).encode())
    whole = read_recordings(path)
    monkeypatch.setattr(pieces, "LARGEST_PIECE", size)
    in_pieces = read_recordings(path)
    assert [r.source for r in in_pieces] == [r.source for r in whole]
    assert [r.signal.tolist() for r in in_pieces] == [r.signal.tolist() for r in whole]
    assert [r.times.tolist() for r in in_pieces] == [r.times.tolist() for r in whole]
    path.write_bytes(end.join(["time,light", "0,1", "", "10,2", "", "5,3"]).encode())
    with pytest.raises(RecordingError) as caught:
        read_recordings(path)
    assert caught.value.where.endswith("line 6")


def test_a_long_recording_is_read_in_pieces_with_progress(tmp_path):
    n = 200_000
    signal = np.round(np.random.default_rng(0).normal(size=(n, 3)), 4)
    path = tmp_path / "long.csv"
    rows = (f"{10 * i},{x},{y},{z}" for i, (x, y, z) in enumerate(signal.tolist()))
    path.write_text("time,x,y,z\n" + "\n".join(rows))
    shares: list[float] = []
    source = source_of(path)
    source.progress = shares.append
    csv.read(source)  # imports polars
    shares.clear()
    tracemalloc.start()
    (recording,) = csv.read(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (recording.signal == signal).all()
    assert recording.rate_hz == 100
    assert np.diff([0, *shares]).max() <= 0.02
    assert shares[-1] == 1.0
    assert peak < 3.2 * recording.signal.nbytes
    assert "content" not in source.__dict__


def test_a_recording_larger_than_the_memory_for_it_is_refused(data, monkeypatch):
    monkeypatch.setattr(stretches, "LARGEST_SIGNAL", 100)
    with pytest.raises(RecordingError, match="more than 100 bytes"):
        data("light,b\n" + "1,2\n" * 10)


def test_a_line_without_end_is_refused_soon(data):
    with pytest.raises(RecordingError, match="at most 1,048,576 are read") as caught:
        data(b"1," * 2**23)
    assert caught.value.where.endswith("line 1")
    with pytest.raises(RecordingError, match="at most 1,048,576 are read") as caught:
        data(b"light,b\n1,2\n" + b"3," * 2**23)
    assert caught.value.where.endswith("line 3")


# ---------------------------------------------------------------- hostile input


SAMPLES = [
    b"timestamp,accX,accY\n0,1.5,2\n16,2.5,3\n33,3.5,-4\n48,1,1\n",
    b"label;a;b\nup;0,5;1\ndown;2;3,5\n",
    b"time,x,label\n0,1,up\n10,2,up\n0,3,down\n",
    b"Red,Green,Blue\n0.5,0.2,0.3\n0.1,0.2,0.7\n",
    b",time,x\n0,1718456789123,1\n1,1718456789133,2\n",
    b"t,x\nms,g\n0,1\n10,2\n",
]
SPLICES = [
    b"",
    b",",
    b"\n",
    b'"',
    b"nan",
    b"1e999",
    b"-",
    b"\0",
    b"\xff",
    b"time,x\n",
    b"1" * 5000,
    b";",
    b"\r",
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 9), st.sampled_from(SPLICES))),
)
@hypothesis_settings(max_examples=400, suppress_health_check=HERE)
def test_a_damaged_file_is_read_or_refused(tmp_path, sample, damages):
    for place, length, splice in damages:
        sample = sample[:place] + splice + sample[place + length :]
    path = tmp_path / "wave.csv"
    path.write_bytes(sample)
    try:
        recordings: list[Recording] | None = csv.read(source_of(path))
    except (RecordingError, StorageError) as error:
        refusal = error.where
        assert str(path) in refusal
    else:
        assert all(np.isfinite(r.signal).all() for r in recordings or ())
