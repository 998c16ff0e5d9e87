"""CSV of the Arduino kit: where recordings end, with every quirk that was seen."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tinyglass import DataSet, RecordingError, StorageError, read_recordings
from tinyglass.recordings.parsing import blocks
from tinyglass.recordings.readers import arduino
from tinyglass.recordings.source import Source

SHARED = Path(__file__).parents[2] / "shared" / "data"
HEADER = "aX,aY,aZ,gX,gY,gZ"


def source_of(path: Path) -> Source:
    return Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)


@pytest.fixture
def data(tmp_path):
    """Read a file with this content."""

    def read(content: str | bytes, name: str = "punch.csv") -> DataSet:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_recordings(path)

    return read


def gestures(n: int, length: int = 119, channels: int = 6, seed: int = 0) -> list[np.ndarray]:
    """Return recordings that are smooth inside, and begin anywhere."""
    random = np.random.default_rng(seed)
    starts = random.normal(scale=3, size=(n, 1, channels))
    return list(
        np.round(starts + np.cumsum(random.normal(scale=0.05, size=(n, length, channels)), axis=1), 3)
    )


def lines_of(rows: np.ndarray) -> list[str]:
    return [",".join(map(str, row)) for row in rows.tolist()]


def same(read: DataSet, recordings: list[np.ndarray]) -> bool:
    return [r.signal.tolist() for r in read] == [recording.tolist() for recording in recordings]


def notes(data: DataSet) -> str:
    return "; ".join(repair.what for repair in data.repairs)


# ---------------------------------------------------------------- separators


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("blank", ["", "  ", ",,,,,", '"","","","","",""'])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("header", [HEADER, "x1,x2,x3,x4,x5,x6", None])
def test_blank_lines_end_a_recording(data, end, blank, quote, header):
    recordings = gestures(4)
    lines = [header] if header else []
    for recording in recordings:
        lines += [*lines_of(recording), blank]
    lines = [
        line if line == blank else quote + line.replace(",", f"{quote},{quote}") + quote for line in lines
    ]
    read = data(end.join(lines))
    assert same(read, recordings)
    assert [r.label for r in read] == ["punch"] * 4
    assert read[0].channels == tuple(
        (header or "channel1,channel2,channel3,channel4,channel5,channel6").split(",")
    )
    assert (read[0].units, read[0].rate_hz, read[0].times) == (("",) * 6, None, None)
    first = 1 + bool(header)
    assert [r.source.rpartition(" ")[2] for r in read] == [str(first + 120 * i) for i in range(4)]
    assert ("Rows of empty cells" in notes(read)) == bool(blank.strip())


def test_mixed_line_ends_are_noted(data):
    first, second = gestures(2)
    text = "\r\n".join([HEADER, *lines_of(first), "", ""]) + "\n".join(lines_of(second))
    read = data(text)
    assert same(read, [first, second])
    assert "Line ends are mixed" in notes(read)


def test_where_every_row_is_followed_by_a_blank_line_more_of_them_end_a_recording(data):
    recordings = gestures(3)
    text = HEADER + "\n\n" + "\n\n\n".join("".join(f"{line}\n\n" for line in lines_of(r)) for r in recordings)
    read = data(text)
    assert same(read, recordings)
    assert "a blank line after every row" in notes(read)


def test_where_every_row_is_followed_by_a_blank_line_and_nothing_else_the_kits_length_counts(data):
    recordings = gestures(7)
    text = HEADER + "\n\n" + "".join(f"{line}\n\n" for r in recordings for line in lines_of(r))
    assert same(data(text), recordings)


def test_blocks_of_another_length_are_recordings_of_that_length(data):
    recordings = gestures(5, length=30)
    read = data(HEADER + "\n" + "\n\n".join("\n".join(lines_of(r)) for r in recordings))
    assert same(read, recordings)
    assert "30 rows instead of the 119" in notes(read)


def test_a_block_that_lost_a_row_is_kept_and_named(data):
    recordings = gestures(5)
    recordings[3] = recordings[3][:118]
    read = data(HEADER + "\n" + "\n\n".join("\n".join(lines_of(r)) for r in recordings))
    assert same(read, recordings)
    (repair,) = read.repairs
    assert "more or fewer than the usual 119 rows" in repair.what
    assert repair.where.endswith(f"line {2 + 3 * 120}")


@pytest.mark.parametrize("separated", [[3], [0, 2], [0, 1, 2, 4]])
def test_blocks_that_are_several_recordings_are_cut(data, separated):
    recordings = gestures(6)
    blocks = ["\n".join(lines_of(r)) + ("\n" if i in separated else "") for i, r in enumerate(recordings)]
    read = data(HEADER + "\n" + "\n".join(blocks))
    assert same(read, recordings)
    assert "Separators are missing; each 119 rows" in notes(read)


def test_equal_blocks_of_twice_the_kits_length_are_left_whole(data):
    recordings = gestures(4, length=238)
    assert same(data(HEADER + "\n" + "\n\n".join("\n".join(lines_of(r)) for r in recordings)), recordings)


def test_blocks_of_any_lengths_are_left_whole(data):
    recordings = [gestures(1, length)[0] for length in (50, 238, 81, 119, 64)]
    assert same(
        data("ax,ay,az,b,c,d\n" + "\n\n".join("\n".join(lines_of(r)) for r in recordings)), recordings
    )


def test_a_repeated_header_begins_a_recording(data):
    first, second = gestures(2, length=40)
    read = data("\n".join([HEADER, *lines_of(first), HEADER, *lines_of(second)]))
    assert same(read, [first, second])
    assert "The header is repeated" in notes(read)


# ---------------------------------------------------------------- no separators


@pytest.mark.parametrize("header", [HEADER, "acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z"])
@pytest.mark.parametrize("smooth", [True, False])
def test_without_separators_119_rows_are_a_recording(data, header, smooth):
    recordings = gestures(10)
    if not smooth:  # nothing jumps where a recording ends
        recordings = list(np.random.default_rng(1).normal(size=(10, 119, 6)).round(3))
    read = data(header + "\n" + "\n".join(line for r in recordings for line in lines_of(r)))
    assert same(read, recordings)
    assert "No separators" in notes(read)


@pytest.mark.parametrize(("n", "length"), [(16, 26), (15, 26), (100, 140), (40, 50), (20, 238)])
@pytest.mark.parametrize("channels", [3, 6])
def test_without_separators_the_readings_jump_where_a_recording_ends(data, n, length, channels):
    recordings = gestures(n, length, channels)
    header = ",".join(HEADER.split(",")[:channels])
    read = data(header + "\n" + "\n".join(line for r in recordings for line in lines_of(r)))
    assert same(read, recordings)
    assert f"jump every {length} rows" in notes(read)


def test_a_last_recording_that_lacks_a_row_is_kept_and_a_piece_of_one_is_dropped_by_name(data):
    recordings = gestures(21)
    for rows in (118, 60):
        text = HEADER + "\n" + "\n".join(line for r in recordings for line in lines_of(r)[:119])
        text = "\n".join(text.split("\n")[: 1 + 20 * 119 + rows])
        read = data(text)
        if rows == 118:
            assert same(read, [*recordings[:20], recordings[20][:118]])
            assert "The last recording has only 118 rows" in notes(read)
        else:
            assert same(read, recordings[:20])
            (dropped,) = read.dropped
            assert (dropped.n_readings, dropped.why) == (60, "Rows after the last whole recording of 119")


def test_one_long_recording_is_not_cut(data):
    (recording,) = gestures(1, length=416)
    read = data(HEADER + "\n" + "\n".join(lines_of(recording)))
    assert same(read, [recording])
    assert "no multiple of 119" in notes(read)
    read = data("light,sound,temperature\n" + "\n".join(lines_of(recording[:238, :3])))
    assert same(read, [recording[:238, :3]])


def test_a_short_file_is_one_recording(data):
    (recording,) = gestures(1, length=90)
    read = data(HEADER + "\n" + "\n".join(lines_of(recording)))
    assert same(read, [recording])
    assert read.repairs == ()


def test_constant_channels_do_not_jump():
    source = Source("x", PurePosixPath("x"), 0, bytes)
    assert blocks.cut_at_jumps(source, np.ones((416, 3)), None) == [(0, 416)]


# ---------------------------------------------------------------- damage


def spelt(numbers: np.ndarray, kind: str) -> str:
    """Write integers as a program did that took a string for a list of cells."""
    rows = ["\t".join(str(int(x)) for x in row) for row in numbers]
    if kind == "quoted":  # line ends became cells too
        return "x,y,z\r\n" + "".join(
            ('"\r",' if i else "") + ",".join(r) + ',"\n"\r\n' for i, r in enumerate(rows)
        )
    tab = "\\t" if kind == "escaped" else "\t"
    return "x,y,z\n" + "".join(",".join(row).replace("\t", tab) + "\n" for row in rows)


@pytest.mark.parametrize("kind", ["quoted", "escaped", "plain"])
def test_one_character_a_cell_is_put_together_again(data, kind):
    numbers = np.random.default_rng(0).integers(-120, 120, (60, 3))
    read = data(spelt(numbers, kind))
    assert same(read, [numbers.astype(float)])
    assert read[0].channels == ("x", "y", "z")
    assert "One character a cell" in notes(read)


def test_a_row_that_cannot_be_put_together_is_dropped_by_name(data):
    numbers = np.random.default_rng(0).integers(-120, 120, (60, 3))
    lines = spelt(numbers, "plain").split("\n")
    lines[31] = lines[31] + ",\t,7"
    read = data("\n".join(lines))
    assert same(read, [np.delete(numbers, 30, axis=0).astype(float)])
    assert [(d.n_readings, d.where.rpartition(" ")[2]) for d in read.dropped] == [(1, "32")]
    for place in range(1, 61, 3):
        lines[place] += ",\t,7"
    with pytest.raises(RecordingError, match="Expected rows of 3 numbers"):
        data("\n".join(lines))


def test_a_table_of_single_digits_is_no_spelt_one(data):
    assert same(data("x,y,z\n1,2,3\n4,5,6\n"), [np.array([[1, 2, 3], [4, 5, 6.0]])])
    assert data("label,a,b\n-,1,2\n-,3,4\n")[0].label == "-"


def test_a_row_with_an_empty_cell_is_dropped_by_name(data):
    (recording,) = gestures(1, length=50)
    lines = lines_of(recording)
    lines[20] = "," + lines[20].partition(",")[2]
    read = data("\n".join([HEADER, *lines]))
    assert same(read, [np.delete(recording, 20, axis=0)])
    assert [(d.n_readings, d.where.rpartition(" ")[2]) for d in read.dropped] == [(1, "22")]


@pytest.mark.parametrize(
    ("line", "what", "where"),
    [
        ("1,2,3,4,5", "Expected 6 values, found 5", "line 7"),
        ("1,2,3,4,5,six", "Expected a number, found 'six'", "line 7, column gZ"),
        ("ERR timeout", "Expected 6 values, found 1", "line 7"),
    ],
)
def test_a_bad_line_is_refused(data, line, what, where):
    lines = lines_of(gestures(1, length=20)[0])
    with pytest.raises(RecordingError) as caught:
        data("\n".join([HEADER, *lines[:5], line, *lines[5:]]))
    assert what in caught.value.what
    assert caught.value.where.endswith(where)


@pytest.mark.parametrize("word", ["nan", "inf", "1e999"])
def test_a_reading_that_is_no_finite_number_is_refused(data, word):
    lines = [line for r in gestures(2, length=20) for line in [*lines_of(r), ""]]
    lines[24] = f"1,{word},3,4,5,6"
    with pytest.raises(RecordingError, match="finite") as caught:
        data("\n".join([HEADER, *lines]))
    assert "line 23, reading 4, channel 'aY'" in caught.value.where


@pytest.mark.parametrize(
    "text",
    [
        "time,aX\n0,1\n\n10,2\n",
        "label,aX\nup,1\n\nup,2\n",
        "a,b\n1,2\n3,4\n",
        '{"aX": 1}',
        "words\n\n",
        "",
        "\0\1",
    ],
)
def test_other_tables_are_left_to_others(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert arduino.read(source_of(path)) is None


def test_a_file_too_large_to_be_recorded_by_hand_is_left_to_others(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text(HEADER + "\n1,2,3,4,5,6\n")
    assert len(arduino.read(source_of(path))) == 1
    monkeypatch.setattr(arduino, "LARGEST", 20)
    assert arduino.read(source_of(path)) is None


# ---------------------------------------------------------------- real files


FILES = sorted(SHARED.glob("arduino_imu/*/*.csv")) + sorted(SHARED.glob("wand_nanguoyu/data/*/*.csv"))


def counted(path: Path) -> tuple[int, int]:
    """Count the rows of numbers in another way: whole ones, and those that lack something."""
    text = path.read_bytes().decode()
    if "\t" in text:  # one character a cell
        header, body = text.split("\n", 1)
        text = header + "\n" + re.sub(r'[",\r]', "", body).replace("\t", ",")
    rows = [line.replace('"', "").strip() for line in re.split(r"[\r\n]+", text)]
    width = rows[0].count(",") + 1
    rows = [row for row in rows[1:] if row.strip(",")]
    whole = [row for row in rows if re.fullmatch(rf"(-?\d+(\.\d+)?,){{{width - 1}}}-?\d+(\.\d+)?", row)]
    return len(whole), len(rows) - len(whole)


@pytest.mark.skipif(not FILES, reason="the data sets of other people are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_every_reading_of_a_real_file_is_in_a_recording_or_named(path):
    read = read_recordings(path)
    whole, damaged = counted(path)
    assert sum(r.n_readings for r in read) + sum(d.n_readings for d in read.dropped) == whole + damaged
    assert sum(d.n_readings for d in read.dropped) == damaged
    assert len({r.channels for r in read}) == 1


@pytest.mark.skipif(not FILES, reason="the data sets of other people are not here")
def test_the_recordings_of_the_real_sets_are_those_their_authors_made():
    read = read_recordings(SHARED / "arduino_imu")
    folders = Counter((Path(r.source.split(", line")[0]).parent.name, r.n_readings) for r in read)
    assert folders["a01", 119] == 17 + 18
    assert folders["a06", 26] == 31
    assert (folders["a09", 119], folders["a09", 118]) == (14, 1)
    assert folders["a11", 30] == 60
    assert folders["a15", 140] == 300
    assert (folders["a16", 119], folders["a16", 118]) == (80, 1)
    usable = [r for r in read if re.search(r"/a(?!06|12|16)\d\d/(punch|flex)", r.source)]
    assert len(usable) == 560
    wand = [
        r for part in ("train", "test") for r in read_recordings(SHARED / "wand_nanguoyu" / "data" / part)
    ]
    assert len(wand) == 125
    assert {r.n_readings for r in wand} == {119}
    assert len({r.label for r in wand}) == 5


# ---------------------------------------------------------------- hostile input


SAMPLES = [
    (HEADER + "\n" + "\n\n".join("\n".join(lines_of(r)) for r in gestures(3, length=4))).encode(),
    ("x,y,z\n" + "\n".join(lines_of(gestures(1, 12, 3)[0]))).encode(),
    spelt(np.arange(12).reshape(4, 3), "quoted").encode(),
    b'"aX","aY"\n"1","2"\n"",""\n"3","4"\n',
]
SPLICES = [
    b"",
    b",",
    b"\n",
    b"\n\n",
    b'"',
    b"nan",
    b"1e999",
    b"1e308",
    b"-",
    b"\0",
    b"\xff",
    b"\t",
    b"1" * 3000,
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40), st.sampled_from(SPLICES))),
)
@hypothesis_settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused(tmp_path, sample, damages):
    for place, length, splice in damages:
        sample = sample[:place] + splice + sample[place + length :]
    path = tmp_path / "punch.csv"
    path.write_bytes(sample)
    try:
        recordings = arduino.read(source_of(path))
    except (RecordingError, StorageError) as error:
        refusal = error.where
        assert str(path) in refusal
    else:
        assert all(np.isfinite(r.signal).all() for r in recordings or ())
