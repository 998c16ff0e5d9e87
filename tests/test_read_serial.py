"""Captures of a serial line: whole readings are read, everything else is counted or refused."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tinyglass import DataSet, RecordingError, StorageError, read_recordings
from tinyglass.recordings.parsing import pieces
from tinyglass.recordings.readers import serial
from tinyglass.recordings.source import Source

ROWS = np.round(np.random.default_rng(0).normal(size=(40, 3)), 3)


def source_of(path: Path) -> Source:
    return Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)


@pytest.fixture
def data(tmp_path):
    """Read a file with this content, by whichever reader takes it."""

    def read(content: str | bytes | list[str], name: str = "Wave_1.txt") -> DataSet:
        path = tmp_path / name
        text = "\n".join(content) if isinstance(content, list) else content
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_recordings(path)

    return read


def written(rows: np.ndarray = ROWS, separator: str = ",") -> list[str]:
    return [separator.join(map(str, row)) for row in rows.tolist()]


def same(read: DataSet, *recordings: np.ndarray) -> bool:
    return [r.signal.tolist() for r in read] == [recording.tolist() for recording in recordings]


def notes(data: DataSet) -> str:
    return "; ".join(repair.what for repair in data.repairs)


def left_out(data: DataSet) -> dict[str, int]:
    return {d.why: d.n_readings for d in data.dropped}


CUT = "A reading that is cut short or garbled"
TEXT = "A line of text"


# ---------------------------------------------------------------- whole readings


@pytest.mark.parametrize("separator", [",", "\t", " ", ", ", ";", "  "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", " \r\n"])
@pytest.mark.parametrize("noise", [[], ["ERR timeout"]])
def test_readings_between_separators_of_every_kind(data, separator, end, noise):
    lines = written(separator=separator)
    read = data(end.join([*lines[:20], *noise, *lines[20:]]))
    assert same(read, ROWS)
    assert (read[0].rate_hz, read[0].times, read[0].label) == (None, None, "Wave")
    assert read[0].channels == ("channel1", "channel2", "channel3")
    assert left_out(read) == ({TEXT: 0} if noise else {})


@pytest.mark.parametrize("between", [":", "=", ": ", " = "])
@pytest.mark.parametrize("separator", [" ", ",", ", ", "\t"])
def test_names_and_numbers_as_for_a_plotter(data, between, separator):
    lines = [
        separator.join(f"{n}{between}{x}" for n, x in zip("abc", row, strict=True)) for row in ROWS.tolist()
    ]
    read = data(["Starting", *lines, "ERR", lines[0]])
    assert same(read, np.vstack([ROWS, ROWS[:1]]))
    assert read[0].channels == ("a", "b", "c")
    assert left_out(read) == {TEXT: 0}


def test_a_time_that_the_board_prints_is_no_channel(data):
    lines = [f"t:{20 * i} x:{x}" for i, x in enumerate(ROWS[:10, 0])]
    read = data([*lines, *lines[:3]])
    assert same(read, ROWS[:10, :1], ROWS[:3, :1])
    assert [r.rate_hz for r in read] == [50, 50]
    assert "Time does not go forward" in notes(read)


def test_decimal_commas(data):
    read = data(["hello", "0,5 0,75", "1,5 -2,25", "2,5 1,0"])
    assert same(read, np.array([[0.5, 0.75], [1.5, -2.25], [2.5, 1]]))


def test_what_a_monitor_and_a_terminal_add_is_taken_off_and_noted(data):
    lines = [f"12:00:{i:02}.123 -> {line}" for i, line in enumerate(written())]
    read = data([*lines, f"\x1b[32m{written()[0]}\x1b[0m"])
    assert same(read, np.vstack([ROWS, ROWS[:1]]))
    assert "no channel" in notes(read)
    assert "Escape codes" in notes(read)
    assert read.repairs[0].count == 40


# ---------------------------------------------------------------- what is left out


def test_cut_and_garbled_lines_are_left_out_and_counted(data):
    lines = written()
    damaged = [
        lines[0][-4:],  # the first line is cut short
        *lines[1:10],
        "a.024292,0.1,0.2",  # bad tokens
        "IMU,0.1,0.2",
        *lines[10:20],
        "IMU",
        "ERR: no answer (3)",
        lines[20] + lines[21],  # a line end was lost
        *lines[22:30],
        "0.1\x80\x81,0.2,0.3",
        "\x00\x7f~~",
        *lines[30:39],
        lines[39][:-7],  # and so is the last one
    ]
    read = data(("\n".join(damaged)).encode("latin-1"))
    assert same(read, np.vstack([ROWS[1:20], ROWS[22:39]]))
    assert left_out(read) == {CUT: 6, TEXT: 0}


@pytest.mark.parametrize(
    "text", ["ERR timeout", "ERR 5", "Failed to read sensor", "0x", "Warning: 3 lost", "@@@"]
)
def test_talk_ends_no_recording(data, text):
    read = data([*written()[:10], text, *written()[10:20], text, *written()[20:]])
    assert same(read, ROWS)


def test_talk_with_every_reading_ends_no_recording(data):
    lines = [line for reading in written() for line in ("Start reading 1", reading)]
    assert same(data(lines), ROWS)


def test_a_capture_with_too_little_that_is_whole_is_refused(data):
    lines = written()
    for i in range(3, 36, 3):
        lines[i] = lines[i].rpartition(",")[0]
    with pytest.raises(RecordingError, match="found 11 of 40 lines that are cut short or garbled") as caught:
        data(lines)
    assert caught.value.where.endswith("line 4")
    assert "speed" in caught.value.mend
    for i in (3, 9, 15, 21, 27, 33):
        lines[i] = written()[i]
    assert sum(left_out(data(lines)).values()) == 5


def test_a_reading_that_is_no_finite_number_is_refused(data):
    with pytest.raises(RecordingError, match="finite") as caught:
        data(["boot", *written()[:4], "1,nan,2", *written()[4:]])
    assert "reading 5, channel 'channel2'" in caught.value.where


# ---------------------------------------------------------------- several captures


@pytest.mark.parametrize(
    "between",
    [
        ["aX,aY,aZ"],
        ["aX aY aZ"],
        ["Starting IMU v2"],
        ["--------"],
        ["=== capture 2 ==="],
        ["rst:0x1 (POWERON_RESET),boot:0x13"],
        ["Ready?", "aX,aY,aZ"],
        [""],
        ["", ""],
    ],
)
def test_two_captures_in_one_file_are_two_recordings(data, between):
    read = data(["Hi there", *written()[:15], *between, *written()[15:]])
    assert same(read, ROWS[:15], ROWS[15:])
    assert "a recording begins" in notes(read) or "begin a recording" in notes(read)
    named = any(line.startswith("aX") for line in between)
    assert read[1].channels == (("aX", "aY", "aZ") if named else ("channel1", "channel2", "channel3"))
    assert read[1].source.endswith(f"line {17 + len(between)}")


def test_what_was_said_at_the_start_begins_a_recording_when_it_is_said_again(data):
    start = ["LSM9DS1 found at 0x6b", "hello"]
    read = data([*start, *written()[:15], *start, *written()[15:]])
    assert same(read, ROWS[:15], ROWS[15:])


def test_other_columns_are_another_recording(data):
    read = data([*written()[:20], *written(ROWS[20:, :2]), "IMU"])
    assert same(read, ROWS[:20], ROWS[20:, :2])
    assert "The number of columns changes" in notes(read)
    read = data([*written()[:20], *written(ROWS[20:22, :2]), *written()[22:]])
    assert same(read, np.vstack([ROWS[:20], ROWS[22:]]))
    assert left_out(read) == {CUT: 2}


def test_a_header_before_other_columns_names_them(data):
    read = data([*written(), "ERR", "x,y", *written(ROWS[:, :2])])
    assert same(read, ROWS, ROWS[:, :2])
    assert read[1].channels == ("x", "y")


# ---------------------------------------------------------------- other text, any size


@pytest.mark.parametrize(
    "text",
    [
        "it rained that day\nfor 3 hours\n",
        "seed = 1\nepochs = 300\nrate = 0.01\n",
        '{\n"a": 1,\n"b": 2\n}',
        "[\n1,\n2\n]",
        "",
        "\n\n",
        "1 reading\nis not\na capture\n",
        "> Starting recording in 1sec\ndistance=1.0\n> Stopped recording\n[1, 2]\n",
    ],
)
def test_other_text_is_no_capture(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    assert serial.read(source_of(path)) is None


@pytest.mark.parametrize("size", [1, 5, 64])
def test_pieces_of_any_size_give_the_same(data, monkeypatch, size):
    lines = ["boot", *written()[:10], "ERR", *written()[10:15], "", "", *written()[15:], "0.1,0"]
    whole = data(lines)
    monkeypatch.setattr(pieces, "LARGEST_PIECE", size)
    in_pieces = data(lines)
    assert [(r.source, r.signal.tolist()) for r in in_pieces] == [
        (r.source, r.signal.tolist()) for r in whole
    ]
    assert (in_pieces.repairs, in_pieces.dropped) == (whole.repairs, whole.dropped)


def test_a_long_capture_is_read_in_pieces_with_progress(tmp_path):
    path = tmp_path / "Wave_1.txt"
    path.write_text("boot\n" + "\n".join(written()) * 2000)
    shares: list[float] = []
    source = source_of(path)
    source.progress = shares.append
    (recording,) = serial.read(source)
    assert recording.n_readings == 38 * 2000 + 2
    assert source.account()[1][1].n_readings == 1999
    assert np.diff([0, *shares]).max() <= 0.02
    assert "content" not in source.__dict__


def test_a_line_without_end_is_refused(data):
    with pytest.raises(RecordingError, match="at most 1,048,576 are read"):
        data(["boot", *written(), "1 " * 2**22])


def test_too_many_recordings_are_refused(data, monkeypatch):
    monkeypatch.setattr(serial, "MOST_RECORDINGS", 3)
    with pytest.raises(RecordingError, match="more than 3 recordings"):
        data(["hello", *[line for i in range(8) for line in [*written()[:8], "-----"]]])


SAMPLES = [
    "\n".join(["boot", *written()[:6], "ERR", *written()[:3]]).encode(),
    b"t:0 x:1\nt:10 x:2\nt:20 x:3\nt:0 x:4\n",
    b"12:00:00.123 -> 1 2\n12:00:01.123 -> 3 4\n\x1b[0m5 6\n",
    b"1,2\n3,4\n5,6\n1,2,3\n1,2,3\n1,2,3\n",
]
SPLICES = [
    b"",
    b",",
    b"\n",
    b"\n\n",
    b":",
    b"nan",
    b"1e999",
    b"-",
    b"\0",
    b"\xff",
    b"\x1b[",
    b"1" * 3000,
    b"t:-1e308 x:1\n",
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 9), st.sampled_from(SPLICES))),
)
@hypothesis_settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_capture_is_read_or_refused(tmp_path, sample, damages):
    for place, length, splice in damages:
        sample = sample[:place] + splice + sample[place + length :]
    path = tmp_path / "Wave_1.txt"
    path.write_bytes(sample)
    try:
        recordings = serial.read(source_of(path))
    except (RecordingError, StorageError) as error:
        refusal = error.where
        assert str(path) in refusal
    else:
        assert all(np.isfinite(r.signal).all() for r in recordings or ())
