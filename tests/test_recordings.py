"""Recordings: the board's print-out, CSV of every shape, labels from names, and what is refused."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import ROOT
from tinyglass import Recording, RecordingError, StorageError, fit_preparation, read_recordings, with_labels
from tinyglass import recordings as module
from tinyglass.recordings import origin, source

SHARED = ROOT.parent / "shared" / "data" / "tinyspark"

AWAY = [
    [104.54, 2.375, 0.0],
    [127.875, 33.625, 5.4],
    [120.3, 39.125, 0.0],
    [127.875, 103.25, 23.8],
    [127.875, 29.25, 0.0],
]
CLOSER = [
    [0.0, 35.5, 120.1],
    [2.625, 33.375, 127.875],
    [19.0, 56.375, 127.875],
    [47.875, 51.375, 127.875],
    [40.125, 89.375, 127.875],
]
HEADING = "Recordings: [-500ms, -250ms, current]"
PRINTOUT = f"""> Starting recording in 1sec
distance=1.0
> Stopped recording
{HEADING}
[
[1.0, 2.0, 3.0],
[4.5, 5.5, 6.5],
]
"""


def readings(recordings: list[Recording]) -> list[list[float]]:
    return [r.signal.ravel().tolist() for r in recordings]


def labels(recordings: list[Recording]) -> list[str | None]:
    return [r.label for r in recordings]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# ---------------------------------------------------------------- the board's print-out


def check_course(recordings: list[Recording]) -> None:
    assert readings(recordings) == AWAY + CLOSER
    assert labels(recordings) == ["moving_away"] * 5 + ["moving_closer"] * 5
    for recording in recordings:
        assert recording.channels == ("distance",)
        assert recording.rate_hz == 4.0
        assert recording.signal.shape == (3, 1)
        assert not recording.signal.flags.writeable


def test_the_bundled_recordings_are_those_of_the_course(course):
    check_course(course)
    assert re.search(r"moving_away\.txt, line \d+$", course[0].source)
    line = int(course[0].source.rpartition(" ")[2])
    text = Path(course[0].source.rpartition(", line")[0]).read_text().splitlines()
    assert text[line - 1] == "[104.54, 2.375, 0.0],"


@pytest.mark.skipif(not SHARED.exists(), reason="the project's shared folder is not beside this repository")
def test_the_shared_print_outs_are_read_and_are_those_bundled():
    check_course(read_recordings(SHARED))
    for name in ("moving_away.txt", "moving_closer.txt"):
        assert (SHARED / name).read_bytes() == (module.COURSE / name).read_bytes()
        assert len(read_recordings(SHARED / name)) == 5


@pytest.mark.parametrize("end", ["]\n", "],\n", "]", "  ]  \n\n"])
@pytest.mark.parametrize("row_end", [",", "", " , ", ",  "])
def test_commas_at_the_end_make_no_difference(tmp_path, end, row_end):
    text = f"{HEADING}\n[\n[1.0, 2.0, 3.0,]{row_end}\n [4,5 , 6]{row_end}\n{end}"
    assert readings(read_recordings(written(tmp_path, "wave.txt", text))) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("change", [lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t, str.rstrip])
def test_other_line_ends_and_marks_make_no_difference(tmp_path, change):
    path = written(tmp_path, "wave.txt", change(PRINTOUT))
    assert readings(read_recordings(path)) == [[1, 2, 3], [4.5, 5.5, 6.5]]


def test_a_capture_may_hold_several_print_outs_and_the_boards_talk(tmp_path):
    other = "Recordings: [-100ms, current]\n[\n[7, 8],\n]\n"
    text = f"\n{PRINTOUT}> Starting recording in 1sec\ndistance = 12\n\n> ok\n{other}{PRINTOUT}"
    recordings = read_recordings(written(tmp_path, "wave.txt", text))
    assert readings(recordings) == [[1, 2, 3], [4.5, 5.5, 6.5], [7, 8], [1, 2, 3], [4.5, 5.5, 6.5]]
    assert [r.rate_hz for r in recordings] == [4, 4, 10, 4, 4]
    assert labels(recordings) == ["wave"] * 5


def test_times_that_are_not_regular_give_no_rate(tmp_path):
    for times in ("-500ms, -100ms, current", "a, b, c", "-250ms, -500ms, current", "0ms, 0ms, current"):
        text = f"Recordings: [{times}]\n[\n[1, 2, 3],\n]\n"
        (recording,) = read_recordings(written(tmp_path, "wave.txt", text))
        assert recording.rate_hz is None


BAD_ROWS = {
    "[1.0, 2.0],": ("Expected 3 numbers, found 2", "line 6"),
    "[1.0, 2.0, 3.0, 4.0],": ("Expected 3 numbers, found 4", "line 6"),
    "[],": ("Expected 3 numbers, found 0", "line 6"),
    "[1.0, two, 3.0],": ("Expected 3 numbers in brackets, found '[1.0, two, 3.0],'", "line 6"),
    "[1.0, , 3.0],": ("Expected 3 numbers in brackets", "line 6"),
    "1.0, 2.0, 3.0": ("Expected 3 numbers in brackets", "line 6"),
    "[1.0, 2.0, 3.0": ("Expected 3 numbers in brackets, found '[1.0, 2.0, 3.0'", "line 6"),
    "[[1.0, 2.0, 3.0]],": ("Expected 3 numbers in brackets", "line 6"),
    "[1.0, nan, 3.0],": ("finite number, found nan", "line 6, reading 2, channel 'distance'"),
    "[1.0, 2.0, -inf],": ("finite number, found -inf", "line 6, reading 3, channel 'distance'"),
    "> talk in the middle": ("Expected 3 numbers in brackets", "line 6"),
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_refused_with_file_line_and_remedy(tmp_path, row):
    path = written(tmp_path, "wave.txt", f"> hello\n{HEADING}\n\n[\n[1, 2, 3],\n{row}\n[1, 2, 3],\n]\n")
    with pytest.raises(RecordingError) as caught:
        read_recordings(path)
    what, where = BAD_ROWS[row]
    assert what in caught.value.what
    assert caught.value.where == f"{path}, {where}"
    assert re.search("[Dd]elete|[Rr]ecord", caught.value.mend)


WRONG_PRINTOUTS = {
    "no closing bracket": (PRINTOUT.rstrip().rstrip("]"), "before its closing bracket"),
    "cut in a row": (PRINTOUT[:-8], "in brackets|before its closing"),
    "no opening bracket": (PRINTOUT.replace("[\n[1.0", "[1.0"), "Expected a line of the board's print-out"),
    "rows before the heading": (
        f"[\n[1, 2, 3],\n]\n{PRINTOUT}",
        "Expected a line of the board's print-out.*'\\['",
    ),
    "heading of nothing": (PRINTOUT.replace("[-500ms, -250ms, current]", "[]"), "names no readings"),
    "other text": (PRINTOUT + "hello\n", "Expected a line of the board's print-out, found 'hello'"),
    "a second opening bracket": (PRINTOUT.replace("[\n[1.0", "[\n[\n[1.0"), "in brackets"),
}


@pytest.mark.parametrize("name", WRONG_PRINTOUTS)
def test_a_print_out_that_is_not_whole_is_refused(tmp_path, name):
    text, what = WRONG_PRINTOUTS[name]
    with pytest.raises(RecordingError, match=what) as caught:
        read_recordings(written(tmp_path, "wave.txt", text))
    assert str(tmp_path / "wave.txt") in caught.value.where


@pytest.mark.parametrize(
    "heading", ["Recording: [-500ms, -250ms, current]", "Recordings: -500ms", "recordings", "Recordings: ["]
)
def test_a_wrong_heading_is_no_print_out(tmp_path, heading):
    path = written(tmp_path, "wave.txt", PRINTOUT.replace(HEADING, heading))
    with pytest.raises(RecordingError) as caught:
        read_recordings(path)
    assert "wave.txt" in str(caught.value)


def test_a_print_out_without_recordings_is_said(tmp_path):
    path = written(tmp_path, "wave.txt", f"{HEADING}\n[\n]\n")
    with pytest.raises(RecordingError, match="Found no recordings"):
        read_recordings(path)


# ---------------------------------------------------------------- CSV, one recording a row


ROWS = [("up", 1.5, 2.0, 3.0), ("down", 4.0, 5.0, -6.25), ("up", 7.0, 8.0, 9e-3)]


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("name", ["label", "Label", "class", "gesture", "target"])
def test_a_label_column_may_stand_anywhere(tmp_path, column, name):
    lines = []
    for row in [(name, "a", "b", "c"), *ROWS]:
        cells = [str(cell) for cell in row[1:]]
        cells.insert(column, str(row[0]))
        lines.append(",".join(cells))
    recordings = read_recordings(written(tmp_path, "table.csv", "\n".join(lines)))
    assert labels(recordings) == ["up", "down", "up"]
    assert readings(recordings) == [list(row[1:]) for row in ROWS]
    assert all(r.channels == ("a", "b", "c") for r in recordings)
    assert [r.signal.shape for r in recordings] == [(1, 3)] * 3
    assert [r.source.rpartition(", ")[2] for r in recordings] == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("header", [True, False])
def test_separators_line_ends_quotes_and_headers_of_every_kind(tmp_path, separator, end, quote, header):
    rows = ([("word", "a", "b", "c")] if header else []) + ROWS
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    lines.insert(1, "")
    lines.append("  ")
    recordings = read_recordings(written(tmp_path, "table.csv", "\ufeff" + end.join(lines) + end))
    assert labels(recordings) == ["up", "down", "up"]
    assert readings(recordings) == [list(row[1:]) for row in ROWS]
    assert recordings[0].channels == (("a", "b", "c") if header else ("channel1", "channel2", "channel3"))


def test_spaces_after_separators_and_a_separator_at_the_end_make_no_difference(tmp_path):
    text = "label, a, b,\nup, 1, 2,\ndown , 3 , 4 ,\n"
    recordings = read_recordings(written(tmp_path, "table.csv", text.replace("b,", "b")))
    assert (labels(recordings), readings(recordings)) == (["up", "down"], [[1, 2], [3, 4]])


def test_numbers_may_be_labels_where_the_column_says_so(tmp_path):
    recordings = read_recordings(written(tmp_path, "table.csv", "a,b,target\n1,2,0.5\n3,4,1\n"))
    assert (labels(recordings), readings(recordings)) == (["0.5", "1"], [[1, 2], [3, 4]])


def test_a_blank_label_is_none(tmp_path):
    recordings = read_recordings(written(tmp_path, "table.csv", "label,a,b\nup,1,2\n,3,4\n  ,5,6\n"))
    assert labels(recordings) == ["up", None, None]
    assert labels(with_labels(recordings, "rest")) == ["up", "rest", "rest"]


BAD_TABLES = {
    "label,a,b\nup,1,2\nup,1\n": ("Expected 3 values, found 2", "line 3"),
    "label,a,b\nup,1,2\n\nup,1,2,3\n": ("Expected 3 values, found 4", "line 4"),
    "label,a,b\nup,1,2\nup,one,2\n": ("Expected a number, found 'one'", "line 3, column a"),
    "label,a,b\nup,1,2\nup,1,\n": ("Expected a number, found ''", "line 3, column b"),
    "up,1,2\ndown,1,x\n": ("Expected a number, found 'x'", "line 2, column 3"),
    "label,a,b\nup,1,nan\n": ("finite number, found nan", "line 2, reading 1, channel 'b'"),
    "label,a,b\nup,1,2\nup,-inf,2\n": ("finite number, found -inf", "line 3, reading 1, channel 'a'"),
    "label,a,b\nup,1,2\nup,1e999,2\n": ("finite number, found inf", "line 3, reading 1, channel 'a'"),
    "label\n1\n2\n": ("The only column is the label", ""),
    "x,y\n1,2\n3,nan\n": ("finite number, found nan", "reading 2, channel 'y'"),
    "x,y\n1,2\n3,inf\n": ("finite number, found inf", "reading 2, channel 'y'"),
    "x,y\n1,2\n3\n": ("Expected 2 values, found 1", "line 3"),
    "x,y\n1,2\n3,four\n": ("Expected a number, found 'four'", "line 3, column y"),
    "time,x\n0,1\n0,2\n": ("Time does not go forward", "line 3"),
    "time,x\n0,1\n10,2\n\n5,2\n": ("Time does not go forward", "line 5"),
    "time,x\n0,1\nsoon,2\n": ("Expected a number, found 'soon'", "line 3, column time"),
    "time,x\n0,1\nnan,2\n": ("", "line 3"),
    "time,x\n0,1\ninf,2\n": ("", "line 3"),
}


@pytest.mark.parametrize("text", BAD_TABLES)
def test_a_bad_table_is_refused_with_file_line_and_remedy(tmp_path, text):
    path = written(tmp_path, "table.csv", text)
    with pytest.raises(RecordingError) as caught:
        read_recordings(path)
    what, where = BAD_TABLES[text]
    assert what in caught.value.what
    assert caught.value.where.startswith(str(path))
    assert where in caught.value.where
    assert len(caught.value.mend) > 8


# ---------------------------------------------------------------- CSV, one recording a file


@pytest.mark.parametrize(
    ("header", "times", "rate"),
    [
        ("time", [0, 20, 40], 50),
        ("timestamp", [1000, 1020, 1040], 50),
        ("time_ms", [0, 20, 40], 50),
        ("time (ms)", [0, 20, 40], 50),
        ("time [s]", [0, 0.02, 0.04], 50),
        ("Time_s", [0, 0.5, 1.0], 2),
        ("t", [0, 20, 60], None),
        ("ms", [0, 20, 40], 50),
    ],
)
def test_a_file_may_be_one_recording_with_times(tmp_path, header, times, rate):
    lines = [f"{header},acc_x (m/s²),acc_y [g],button"]
    lines += [f"{t},{i + 0.5},{-i},{i % 2}" for i, t in enumerate(times)]
    (recording,) = read_recordings(written(tmp_path, "wave.csv", "\n".join(lines)))
    assert recording.channels == ("acc_x", "acc_y", "button")
    assert recording.units == ("m/s²", "g", "")
    assert recording.signal.tolist() == [[0.5, 0, 0], [1.5, -1, 1], [2.5, -2, 0]]
    assert recording.rate_hz == (None if rate is None else pytest.approx(rate))
    scale = 1 if "s]" in header or header == "Time_s" else 0.001
    assert recording.times.tolist() == pytest.approx([scale * t for t in times])
    assert recording.label == "wave"


@pytest.mark.parametrize("header", ["x,y,z", "acc x,acc y,acc z", "X,Y,Z", "x (g),y (g),z (g)"])
@pytest.mark.parametrize("time", ["", "time,"])
def test_the_axes_x_y_and_z_are_channels_not_labels(tmp_path, header, time):
    rows = "".join(f"{f'{20 * i},' if time else ''}{i},{i + 1},{i + 2}\n" for i in range(4))
    (recording,) = read_recordings(written(tmp_path, "wave.csv", f"{time}{header}\n{rows}"))
    assert recording.signal.tolist() == [[i, i + 1, i + 2] for i in range(4)]
    assert recording.label == "wave"
    assert recording.channels == tuple(name.removesuffix(" (g)") for name in header.split(","))


def test_a_file_without_header_is_numbered_channels(tmp_path):
    (recording,) = read_recordings(written(tmp_path, "wave.csv", "1,2\n3,4\n5,6\n"))
    assert recording.channels == ("channel1", "channel2")
    assert recording.signal.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (recording.times, recording.rate_hz) == (None, None)


def test_a_lone_time_column_is_a_channel(tmp_path):
    (recording,) = read_recordings(written(tmp_path, "wave.csv", "time\n5\n3\n"))
    assert recording.signal.tolist() == [[5], [3]]


def test_one_reading_has_no_rate(tmp_path):
    (recording,) = read_recordings(written(tmp_path, "wave.csv", "time,x\n5,1\n"))
    assert recording.rate_hz is None
    assert recording.times.tolist() == [0.005]


# ---------------------------------------------------------------- labels from names


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("wave.csv", "wave"),
        ("wave_01.csv", "wave"),
        ("wave (2).csv", "wave"),
        ("wave(2).csv", "wave"),
        ("wave-3.csv", "wave"),
        ("wave 12.csv", "wave"),
        ("wave.3a7.csv", "wave"),
        ("wave.3a7.2.csv", "wave"),
        ("hand_wave_7.csv", "hand_wave"),
        ("手.csv", "手"),
        ("wave", "wave"),
        ("7.csv", None),
        ("x2.csv", "x2"),
        ('a"b\\.csv', 'a"b\\'),
        ("<b>$x$.csv", "<b>$x$"),
    ],
)
def test_a_files_name_gives_the_label(tmp_path, name, label):
    (recording,) = read_recordings(written(tmp_path, name, "1,2\n3,4\n"))
    assert recording.label == label


def test_a_folder_gives_its_name_to_the_files_below(tmp_path):
    for number in (10, 2, 1):
        written(tmp_path, f"wave/person a/{number}.csv", f"{number},0\n1,1\n")
    written(tmp_path, "punch/wave_1.csv", "5,0\n1,1\n")
    written(tmp_path, "kick_3.csv", "6,0\n1,1\n")
    written(tmp_path, "table.csv", "label,a,b\nslap,1,2\n")
    recordings = read_recordings(tmp_path)
    assert {(r.label, r.signal.flat[0]) for r in recordings} == {
        ("wave", 1.0),
        ("wave", 2.0),
        ("wave", 10.0),
        ("punch", 5.0),
        ("kick", 6.0),
        ("slap", 1.0),
    }
    waves = [r.signal.flat[0] for r in recordings if r.label == "wave"]
    assert waves == [1.0, 2.0, 10.0]  # as a person counts


def test_hidden_files_and_descriptions_of_the_data_are_no_recordings(tmp_path):
    written(tmp_path, "wave/1.csv", "1,2\n3,4\n")
    for name in (".hidden", ".git/x", "__MACOSX/1.csv", "README.md", "LICENSE", "PROVENANCE", "readme.txt"):
        written(tmp_path, name, "not a recording")
    assert len(read_recordings(tmp_path)) == 1


def test_a_stray_file_is_named_not_skipped(tmp_path):
    written(tmp_path, "wave/1.csv", "1,2\n3,4\n")
    written(tmp_path, "wave/notes.txt", "it rained that day\n")
    written(tmp_path, "wave/photo.dat", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00")
    data = read_recordings(tmp_path)
    assert len(data) == 1
    assert [(Path(d.where).name, d.n_readings) for d in data.dropped] == [("notes.txt", 0), ("photo.dat", 0)]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\x01\x02", b"words only\n", b"a,b\n", bytes(5000)])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    with pytest.raises(RecordingError, match=r"Found no recordings \(wave.csv\)"):
        read_recordings(written(tmp_path, "wave.csv", content))


def test_an_empty_folder_and_a_missing_path_are_said(tmp_path):
    with pytest.raises(RecordingError, match=r"Found no recordings\. In") as caught:
        read_recordings(tmp_path)
    assert caught.value.where == str(tmp_path)
    with pytest.raises(StorageError, match="no such file or folder"):
        read_recordings(tmp_path / "none")


def test_a_file_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    path = written(tmp_path, "wave.csv", "1,2\n3,4\n")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything: let the system refuse by hand
        path.chmod(0o644)
        denied = PermissionError(13, "Permission denied", str(path))
        monkeypatch.setattr(Path, "read_bytes", lambda self: (_ for _ in ()).throw(denied))
    with pytest.raises(StorageError, match=r"Permission denied.*wave\.csv"):
        read_recordings(path)


def test_a_device_or_a_pipe_is_refused_instead_of_read_for_ever(tmp_path):
    os.mkfifo(tmp_path / "wave.csv")
    with pytest.raises((RecordingError, StorageError)):
        read_recordings(tmp_path / "wave.csv")
    with pytest.raises((RecordingError, StorageError)):
        read_recordings("/dev/zero")


def test_a_file_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "LARGEST_IN_MEMORY", 1000)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(RecordingError, match="at most 1,000 of this format are read"):
        read_recordings(written(tmp_path, "wave.json", '{"strokes": [' + " " * 1000 + "]}"))


def test_an_endless_line_is_refused(tmp_path):
    path = written(tmp_path, "wave.csv", "1,2\n" + "3" * (2**20 + 1) + "\n")
    with pytest.raises(RecordingError, match=r"at most 1,048,576 are read.*line 2"):
        read_recordings(path)


def test_text_in_an_old_encoding_is_read(tmp_path):
    recordings = read_recordings(written(tmp_path, "t.csv", "label,größe\nweiß,1\n".encode("latin-1")))
    assert (recordings[0].label, recordings[0].channels) == ("weiß", ("größe",))


# ---------------------------------------------------------------- the recording itself


def test_a_recording_copies_and_locks_its_readings():
    mine = np.array([1.0, 2.0])
    recording = Recording(mine)
    mine[0] = 9
    assert recording.signal.tolist() == [[1.0], [2.0]]
    with pytest.raises(ValueError, match="read-only"):
        recording.signal[0] = 3
    assert (recording.channels, recording.units, recording.n_readings) == (("channel1",), ("",), 2)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (([],), "shape"),
        ((np.ones((2, 0)),), "shape"),
        ((np.ones((2, 2, 2)),), "shape"),
        (([[1.0, 2.0]], ("x",)), "Expected 2 channels, found 1"),
        (([[1.0, 2.0]], ("x", "y"), ("g",)), "Expected 2 units, found 1"),
        (([[1.0, 2.0], [3.0, np.nan]], ("x", "y")), "nan.*reading 2, channel 'y'"),
        (([[1.0, -np.inf]], ("x", "y")), "-inf.*reading 1, channel 'y'"),
    ],
)
def test_a_recording_that_makes_no_sense_is_refused(arguments, what):
    with pytest.raises(RecordingError, match=what):
        Recording(*arguments)


# ---------------------------------------------------------------- nothing is changed, nothing is lost


def hashes(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_the_raw_files_are_never_changed(tmp_path, here):
    good, bad = tmp_path / "good", tmp_path / "bad"
    written(good, "up/1.txt", PRINTOUT)
    written(good, "down/1.txt", PRINTOUT.replace("1.0", "9.0"))
    written(bad, "up/1.txt", PRINTOUT.replace("4.5", "nan"))
    before = hashes(tmp_path)
    assert here("train", good, "--out", tmp_path / "out", "--epochs", "2").returncode == 0
    assert here("test", tmp_path / "out", good).returncode == 0
    assert here("predict", tmp_path / "out", good).returncode == 0
    done = here("train", bad, "--out", tmp_path / "out2")
    assert done.returncode == 2
    assert "reading 1, channel 'distance'" in done.stderr
    after = hashes(tmp_path)
    assert before.items() <= after.items()
    assert not [p for p in set(after) - set(before) if not p.startswith(str(tmp_path / "out"))]


FINITE = st.floats(allow_nan=False, allow_infinity=False)
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(FINITE, min_size=width, max_size=width), min_size=1, max_size=6)
)
HERE = [HealthCheck.function_scoped_fixture]


def same_bits(recordings: list[Recording], rows: list[list[float]]) -> bool:
    return [r.signal.tobytes() for r in recordings] == [np.array(row).tobytes() for row in rows]


@given(TABLES, st.booleans())
@hypothesis_settings(suppress_health_check=HERE)
def test_a_print_out_brings_back_the_same_bits(tmp_path, rows, comma):
    times = ", ".join(f"-{10 * k}ms" for k in range(len(rows[0]) - 1, 0, -1))
    text = f"Recordings: [{times}{', ' if times else ''}current]\n[\n"
    text += "".join(f"[{', '.join(map(repr, row))}]{',' if comma else ''}\n" for row in rows) + "]\n"
    assert same_bits(read_recordings(written(tmp_path, "wave.txt", text)), rows)


@given(TABLES, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans())
@hypothesis_settings(suppress_health_check=HERE)
def test_a_table_of_rows_brings_back_the_same_bits(tmp_path, rows, separator, end, quoted):
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow([*(f"c{i}" for i in range(len(rows[0]))), "label"])
    writer.writerows([*map(repr, row), "up"] for row in rows)
    assert same_bits(read_recordings(written(tmp_path, "t.csv", text.getvalue())), rows)


@given(TABLES, st.booleans())
@hypothesis_settings(suppress_health_check=HERE)
def test_a_file_of_one_recording_brings_back_the_same_bits(tmp_path, rows, header):
    lines = [",".join(f"c{i}" for i in range(len(rows[0])))] if header else []
    lines += [",".join(map(repr, row)) for row in rows]
    recordings = read_recordings(written(tmp_path, "t.csv", "\n".join(lines)))
    assert same_bits(recordings, [[x for row in rows for x in row]])
    assert recordings[0].signal.shape == (len(rows), len(rows[0]))


MISCHIEF = [
    'a"b\\',
    "手",
    "<script>",
    "$x$",
    "*/",
    "a,b",
    "a;b",
    "'",
    "{0}",
    "a\u2028b",
    "a\x85b",
    "a\x0cb",
    "#",
]


@pytest.mark.parametrize("label", MISCHIEF)
def test_a_label_of_mischief_survives_a_table(tmp_path, label):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["label", "a", "b"], [label, 1, 2], ["other", 3, 4]])
    recordings = read_recordings(written(tmp_path, "t.csv", text.getvalue()))
    assert labels(recordings) == [label, "other"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=8))
@hypothesis_settings(suppress_health_check=HERE)
def test_any_label_survives_a_table(tmp_path, label):
    assume(label == label.strip())
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["label", "a", "b"], [label, 1, 2]])
    assert labels(read_recordings(written(tmp_path, "t.csv", text.getvalue()))) == [label]


@pytest.mark.parametrize("label", [m for m in MISCHIEF if "/" not in m] + ["two\nlines"])
def test_a_label_of_mischief_survives_as_a_folder(tmp_path, label):
    written(tmp_path, f"{label}/1.csv", "1,2\n3,4\n")
    written(tmp_path, "other/1.txt", PRINTOUT)
    assert set(labels(read_recordings(tmp_path))) == {label, "other"}


@given(st.binary(max_size=400))
@hypothesis_settings(max_examples=300, suppress_health_check=HERE)
def test_any_bytes_are_read_or_refused_but_never_an_accident(tmp_path, content):
    check_read_or_refused(written(tmp_path, "x.csv", content))


def check_read_or_refused(path: Path) -> None:
    try:
        recordings = read_recordings(path)
    except (RecordingError, StorageError) as error:
        refusal = str(error)
        assert str(path) in refusal
    else:
        assert len(recordings) > 0
        assert all(np.isfinite(r.signal).all() for r in recordings)


LINES = st.sampled_from(
    [
        HEADING,
        "[",
        "]",
        "[1, 2, 3],",
        "1,2,3",
        "a,b,c",
        "label,x,y",
        "up,1,2",
        "> hi",
        "",
        "time,x,y",
        "-1e400,2,3",
        ",,",
    ]
)


@given(st.lists(LINES, max_size=8))
@hypothesis_settings(max_examples=500, suppress_health_check=HERE)
def test_any_order_of_lines_is_read_or_refused_but_never_an_accident(tmp_path, lines):
    check_read_or_refused(written(tmp_path, "x.csv", "\n".join(lines)))


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, np.nan]])
def test_times_that_do_not_go_forward_are_refused(times):
    with pytest.raises(RecordingError, match="later than the one before"):
        Recording([[1.0], [2.0], [3.0]], times=times)


def test_readings_too_large_to_be_standardised_are_refused():
    recordings = [Recording([[1e308], [-1e308]], label=label) for label in "ab"]
    with pytest.raises(RecordingError, match="too large"):
        fit_preparation(recordings)


# ---------------------------------------------------------------- what is settled for a whole folder


def test_a_given_label_goes_before_names_and_after_the_data(tmp_path):
    written(tmp_path, "capture.csv", "time,x\n0,1\n10,2\n")
    written(tmp_path, "inside.csv", "x,label\n1,up\n")
    written(tmp_path, "listed.csv", "time,x\n0,1\n10,2\n")
    written(
        tmp_path,
        "info.labels",
        '{"files": [{"path": "listed.csv", "label": {"type": "label", "label": "down"}}]}',
    )
    read = {Path(r.source.partition(", ")[0]).name: r.label for r in read_recordings(tmp_path, label="wave")}
    assert read == {"capture.csv": "wave", "inside.csv": "up", "listed.csv": "down"}
    assert labels(read_recordings(tmp_path / "capture.csv", label="wave")) == ["wave"]
    assert labels(read_recordings(tmp_path / "capture.csv")) == ["capture"]


def test_a_given_label_fills_what_the_data_leaves_open(tmp_path):
    path = written(tmp_path, "a.csv", "x,label\n1,up\n2,\n")
    assert labels(read_recordings(path)) == ["up", None]
    assert labels(read_recordings(path, label="wave")) == ["up", "wave"]


def test_a_packed_file_in_a_folder_is_as_if_it_were_not_packed(tmp_path):
    for name in ("wave_01", "circle_02"):
        written(tmp_path, f"{name}.csv.gz", gzip.compress(b"time,x\n0,1\n10,2\n"))
    assert labels(read_recordings(tmp_path)) == ["circle", "wave"]


def test_an_archive_beside_its_unpacked_files_is_named_and_not_read_again(tmp_path):
    for name in ("wave", "circle"):
        written(tmp_path, f"{name}.csv", f"time,x\n0,{len(name)}\n10,2\n")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("wave", "circle"):
            archive.write(tmp_path / f"{name}.csv", f"training/{name}.csv")
    data = read_recordings(tmp_path)
    assert labels(data) == ["circle", "wave"]
    assert [d.why for d in data.dropped] == ["is an archive of files that lie here unpacked too"]
    written(
        tmp_path, "wave.csv", "time,x\n0,5\n10,2\n"
    )  # another content: the archive holds more than lies here
    assert len(read_recordings(tmp_path)) == 4


def test_what_is_empty_or_still_being_written_is_no_recording(tmp_path):
    written(tmp_path, "wave.csv", "time,x\n0,1\n10,2\n")
    written(tmp_path, "empty.csv", "")
    written(tmp_path, "wave.csv.17.tinyglass-aside", "time,x\n0,1\n")
    data = read_recordings(tmp_path)
    assert labels(data) == ["wave"]
    assert [(Path(d.where).name, d.why) for d in data.dropped] == [("empty.csv", "is empty")]


def test_a_heading_may_come_after_much_talk_of_the_board(tmp_path):
    path = written(tmp_path, "wave.txt", "distance=12.5\n" * 10_000 + PRINTOUT)
    assert readings(read_recordings(path)) == [[1, 2, 3], [4.5, 5.5, 6.5]]


def test_parts_of_one_recording_have_one_origin(tmp_path):
    rows = [f"{10 * i + 5000 * (i > 8)},{i},{'up' if i % 6 < 3 else 'down'}\n" for i in range(15)]
    read = read_recordings(written(tmp_path, "a.csv", "time,x,label\n" + "".join(rows)))
    places = [origin(r).partition(", ")[2] for r in read]
    assert places == ["line 2", "line 2", "line 2", "line 11", "line 11"]  # after a pause, another recording
    rows = [f"{i // 6},{10 * i},{i},{'up' if i % 6 < 3 else 'down'}\n" for i in range(12)]
    read = read_recordings(written(tmp_path, "a.csv", "id,time,x,label\n" + "".join(rows)))
    assert len(read) == 4
    assert [len({origin(r) for r in pair}) for pair in (read[:2], read[2:], read)] == [1, 1, 2]


def test_readings_that_nobody_can_change_are_not_copied():
    first = Recording(np.zeros((3, 2)), times=np.arange(3.0))
    again = replace(first, label="wave")
    assert again.signal is first.signal
    assert again.times is first.times
    part = replace(first, signal=first.signal[1:], times=None)
    assert np.shares_memory(part.signal, first.signal)
    open_view = np.zeros((3, 2))
    view = open_view[:]
    view.flags.writeable = False
    assert not np.shares_memory(Recording(view).signal, open_view)
