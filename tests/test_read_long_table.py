"""Long tables, CSV and Parquet: a column says which recording a row belongs to."""

from __future__ import annotations

import io
import random
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import ROOT, unmeasured
from tinyglass import Recording, RecordingError, StorageError, read_recordings
from tinyglass.recordings import Source
from tinyglass.recordings.readers import long_table
from tinyglass.recordings.tables import csv_table, gathering, parquet_table

SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the data sets of other people are not here")

TABLE = """recording,time_ms,x [g],y [g],label
1,0,0.5,1,up
1,10,0.25,2,up
1,20,0.125,3,up
2,0,-1,4,down
2,10,-2,5,down
"""


def source_of(path: Path) -> Source:
    return Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)


def written(folder: Path, text: str | bytes | pl.DataFrame, name: str = "table.csv") -> Path:
    path = folder / name
    if isinstance(text, pl.DataFrame):
        text.write_parquet(path)
    else:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def frame_of(text: str) -> pl.DataFrame:
    return pl.read_csv(text.encode())


def signals(recordings) -> list[list[list[float]]]:
    return [r.signal.tolist() for r in recordings]


def about(recordings, *names: str) -> list:
    return [
        tuple(getattr(r, n) for n in names) if len(names) > 1 else getattr(r, names[0]) for r in recordings
    ]


def notes(data) -> str:
    return "\n".join(f"{r.where}: {r.what}" for r in data.repairs)


def n_kept(data) -> int:
    return sum(r.n_readings for r in data) + sum(d.n_readings for d in data.dropped)


# ---------------------------------------------------------------- what a table says


@pytest.fixture(params=["csv", "parquet"])
def table(request, tmp_path):
    """Write a table, given as CSV, in either format, and read it."""

    def read(text: str):
        if request.param == "csv":
            return read_recordings(written(tmp_path, text))
        return read_recordings(written(tmp_path, frame_of(text), "table.parquet"))

    return read


def test_rows_become_recordings(table):
    data = table(TABLE)
    assert signals(data) == [[[0.5, 1], [0.25, 2], [0.125, 3]], [[-1, 4], [-2, 5]]]
    assert about(data, "label") == ["up", "down"]
    assert data[0].channels == ("x", "y")
    assert data[0].units == ("g", "g")
    assert data[0].rate_hz == 100
    assert data[0].times.tolist() == [0, 0.01, 0.02]
    assert data.repairs == data.dropped == ()


def test_a_source_names_the_recording_and_its_first_row(tmp_path):
    path = written(tmp_path, TABLE)
    assert about(read_recordings(path), "source") == [
        f"{path}, recording 1, line 2",
        f"{path}, recording 2, line 5",
    ]
    path = written(tmp_path, frame_of(TABLE), "table.parquet")
    assert read_recordings(path)[1].source == f"{path}, recording 2, row 4"


@pytest.mark.parametrize(
    "head",
    ["recording", "Recording ID", "recording_id", "id", "sample", "sample_id", "series", "series_id", "trial",
     "file", "filename", "file_name", "gesture_id", "instance", "rec_id", "window"],
)  # fmt: skip
def test_many_names_of_the_column_of_recordings_are_known(table, head):
    assert signals(table(TABLE.replace("recording", head))) == signals(table(TABLE))


def test_ids_may_be_text(table):
    data = table(TABLE.replace("\n1,", "\nfirst one,").replace("\n2,", "\nsecond,"))
    assert [r.n_readings for r in data] == [3, 2]


def test_groups_and_parts_are_read(table):
    text = (
        "subject,session,device,split,trial,x\n"
        + "ann,1,phone,training,7,0\n" * 2
        + "bob,2,watch,Test,7,1\n" * 3
    )
    data = table(text)
    assert about(data, "person", "session", "device", "split") == [
        ("ann", "1", "phone", "train"),
        ("bob", "2", "watch", "test"),
    ]
    assert about(data, "label") == ["table", "table"]  # no column of labels: from the name
    assert "used again with another person" in notes(data)


def test_a_person_unknown_is_none(table):
    data = table("subject,trial,x\n" + "unknown,7,0\nunknown,7,1\n")
    assert about(data, "person") == [None]
    assert "'unknown' was read as none" in notes(data)


def test_several_columns_name_a_recording_together(table):
    assert len(table("file,trial,x,label\na,1,0,u\na,1,0,u\na,2,0,u\na,2,0,u\nb,1,0,u\nb,1,0,u\n")) == 3


def test_a_missing_label_stays_open(table):
    data = table(TABLE.replace("up", ""))
    assert about(data, "label") == [None, "down"]


def test_without_labels_file_names_in_the_table_give_them(table):
    data = table("file,x\n" + "d/wave_01.csv,1\n" * 2 + "2025-06-15T192906_snake.npy,2\n" * 2)
    assert about(data, "label") == ["wave", "snake"]


def test_a_single_column_of_words_is_the_label(table):
    data = table(TABLE.replace("label", "movement kind"))
    assert about(data, "label") == ["up", "down"]
    assert "'movement kind', the only one of words, was read as the label" in notes(data)


def test_columns_that_are_no_channels_are_left_out_and_named(table):
    data = table(
        "Unnamed: 0,recording,sample,x,hand,note,label\n"
        "0,1,0,5,left,a b,up\n1,1,1,6,left,a b,up\n2,2,0,7,right,c,up\n3,2,1,8,right,c,up\n"
    )
    assert signals(data) == [[[5], [6]], [[7], [8]]]
    for head in (
        "'Unnamed: 0' counts rows",
        "'sample' counts rows",
        "'hand' is no channel",
        "'note' is no channel",
    ):
        assert head in notes(data)


def test_label_names_that_are_numbers_stay_as_written(table):
    assert about(table(TABLE.replace("up", "1").replace("down", "2")), "label") == ["1", "2"]
    assert about(table(TABLE.replace("up", "1.5").replace("down", "2.25")), "label") == ["1.5", "2.25"]


# ---------------------------------------------------------------- order, ids used again, labels that change


def test_interleaved_rows_are_put_together(table):
    data = table("recording,x,label\n1,0,a\n2,10,b\n1,1,a\n2,11,b\n2,12,b\n1,2,a\n")
    assert signals(data) == [[[0], [1], [2]], [[10], [11], [12]]]
    assert about(data, "label") == ["a", "b"]
    assert "Rows of a recording stand apart" in notes(data)


def test_shuffled_rows_are_sorted_by_time(table):
    lines = TABLE.splitlines()
    rows = [lines[i] for i in (5, 3, 1, 4, 2)]
    data = table("\n".join([lines[0], *rows]))
    assert sorted(signals(data)) == sorted(signals(table(TABLE)))
    assert "not in the order of their times" in notes(data)


def test_an_id_used_again_in_another_part_is_another_recording(table):
    data = table("recording,split,x\n1,train,0\n1,train,1\n2,train,2\n1,test,3\n1,test,4\n")
    assert signals(data) == [[[0], [1]], [[2]], [[3], [4]]]
    assert about(data, "split") == ["train", "train", "test"]
    assert "used again with another split" in notes(data)


def test_parts_of_other_names_keep_ids_apart_all_the_same(table):
    data = table("recording,partition,x\n1,fold1,0\n1,fold1,1\n1,fold2,3\n")
    assert signals(data) == [[[0], [1]], [[3]]]
    assert about(data, "split") == [None, None]


def test_an_id_used_again_with_another_label_is_another_recording(table):
    data = table("recording,time,x,label\n1,0,0,a\n1,20,1,a\n1,40,5,a\n1,1,2,b\n1,21,3,b\n")
    assert signals(data) == [[[0], [1], [5]], [[2], [3]]]
    assert about(data, "label") == ["a", "b"]
    assert "used again with another label" in notes(data)
    data = table("recording,x,label\n1,0,a\n1,1,a\n2,2,a\n1,3,b\n")
    assert signals(data) == [[[0], [1]], [[3]], [[2]]]


def test_a_label_that_changes_cuts_the_recording(table):
    data = table("recording,time,x,label\n1,0,0,a\n1,20,1,a\n1,40,2,b\n1,60,3,a\n1,80,4,\n")
    assert signals(data) == [[[0], [1]], [[2]], [[3]], [[4]]]
    assert about(data, "label") == ["a", "b", "a", None]
    assert "The label changes within a recording" in notes(data)


def test_a_label_in_the_first_row_only_is_that_of_all_rows(table):
    data = table("recording,x,label\n1,0,a\n1,1,\n1,2,\n2,3,b\n2,4,\n")
    assert signals(data) == [[[0], [1], [2]], [[3], [4]]]
    assert about(data, "label") == ["a", "b"]
    assert "first row of a recording only" in notes(data)


def test_a_clock_that_starts_again_begins_another_recording(table):
    data = table("recording,time,x\n" + "1,0,0\n1,20,1\n1,40,2\n" * 2)
    assert signals(data) == [[[0], [1], [2]]] * 2
    assert "The clock starts again" in notes(data)


def test_readings_of_the_same_time_are_kept_without_times(table):
    data = table("recording,time,x\n1,0,0\n1,20,1\n1,20,2\n1,40,3\n")
    assert signals(data) == [[[0], [1], [2], [3]]]
    assert data[0].times is None
    assert "have the same time" in notes(data)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("head", "steps", "rate"),
    [("time_ms", (0, 20, 40), 50), ("time_s", (0, 0.02, 0.04), 50), ("timestamp_us", (0, 20000, 40000), 50),
     ("time", (0, 20, 40), 50), ("time", (0, 0.02, 0.04), 50), ("t [s]", (1, 3, 5), 0.5)],
)  # fmt: skip
def test_units_of_time_come_from_the_head_or_the_steps(table, head, steps, rate):
    data = table(f"recording,{head},x\n" + "".join(f"1,{t},{t}\n" for t in steps))
    assert data[0].rate_hz == rate


def test_moments_of_a_calendar_are_times(tmp_path):
    start = datetime(2025, 6, 15, 19, 29, 6)
    moments = [start + timedelta(milliseconds=20 * i) for i in range(4)]
    text = "recording,timestamp,x\n" + "".join(
        f"1,{m.isoformat(sep=' ')},{i}\n" for i, m in enumerate(moments)
    )
    frame = pl.DataFrame({"recording": [1] * 4, "timestamp": moments, "x": [0.0, 1, 2, 3]})
    durations = frame.with_columns(pl.col("timestamp") - start)
    for content, name in ((text, "a.csv"), (frame, "b.parquet"), (durations, "c.parquet")):
        data = read_recordings(written(tmp_path, content, name))
        assert np.allclose(data[0].times - data[0].times[0], [0, 0.02, 0.04, 0.06], atol=1e-6)
        assert data[0].rate_hz == pytest.approx(50, rel=1e-4)
    with pytest.raises(RecordingError, match="Expected a time, found 'noon'"):
        read_recordings(written(tmp_path, text + "1,noon,5\n"))


def test_a_row_without_a_time_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"Expected a time, found none.*line 3"):
        read_recordings(written(tmp_path, TABLE.replace("1,10,", "1,,")))


# ---------------------------------------------------------------- cells that hold no number


@pytest.mark.parametrize("nothing", ["", "NaN", "nan", "NA", "null"])
def test_padding_at_the_end_is_left_out_and_noted(tmp_path, nothing):
    text = f"{TABLE}2,20,{nothing},{nothing},down\n2,30,{nothing},{nothing},down\n"
    data = read_recordings(written(tmp_path, text))
    assert signals(data) == signals(read_recordings(written(tmp_path, TABLE)))
    assert "without readings at the end" in notes(data)
    assert ", line 5: " in notes(data)


@pytest.mark.parametrize("nothing", ["", "NaN", "NA"])
def test_a_gap_is_refused_with_row_and_channel(tmp_path, nothing):
    path = written(tmp_path, TABLE.replace("0.25,2", f"0.25,{nothing}"))
    with pytest.raises(RecordingError) as caught:
        read_recordings(path)
    assert caught.value.where == f"{path}, line 3, reading 2, channel 'y'"


def test_infinity_is_refused_with_row_and_channel(table):
    with pytest.raises(RecordingError, match=r"found inf.*(line 3|row 2), reading 2, channel 'x'"):
        table(TABLE.replace("0.25", "inf"))


def test_gaps_in_parquet_name_the_row(tmp_path):
    frame = frame_of(TABLE.replace("0.25", ""))
    with pytest.raises(RecordingError, match="row 2, reading 2, channel 'x'"):
        read_recordings(written(tmp_path, frame, "table.parquet"))


def test_a_channel_that_a_recording_has_not_is_left_out_of_it(table):
    data = table("recording,x,y,label\n1,0,5,a\n1,1,6,a\n2,2,,a\n2,3,,a\n")
    assert about(data, "channels") == [("x", "y"), ("x",)]
    assert "no reading of some channel" in notes(data)


def test_a_recording_of_nothing_is_named_as_dropped(table):
    data = table("recording,x,y,label\n1,0,5,a\n1,1,6,a\n2,,,a\n2,,,a\n")
    assert len(data) == 1
    assert data.dropped[0].why == "a recording without any reading"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1,10,abc,2,up", "Expected a number, found 'abc'"),
        ("1,10,1_0,2,up", "Expected a number, found '1_0'"),
        ("1,10,0x1,2,up", "Expected a number, found '0x1'"),
        ("1,10,0.25,2", "Expected 5 values, found 4"),
        ("1,10,0.25,2,up,more", "Expected 5 values, found 6"),
        ("1,1", "Expected 5 values, found 2"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, line, what):
    path = written(tmp_path, TABLE.replace("1,10,0.25,2,up", f"\n{line}"))
    with pytest.raises(RecordingError) as caught:
        read_recordings(path)
    assert caught.value.what == what
    assert caught.value.where.startswith(f"{path}, line 4")


def test_a_file_cut_in_its_last_line_is_refused(tmp_path):
    with pytest.raises(RecordingError, match=r"Expected 5 values, found 4.*line 6"):
        read_recordings(written(tmp_path, TABLE.rstrip("\n").removesuffix(",down")))


# ---------------------------------------------------------------- how text may be written


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_separators_quotes_and_line_ends_of_every_kind(tmp_path, separator, end, quote):
    rows = [separator.join(f"{quote}{c}{quote}" for c in line.split(",")) for line in TABLE.splitlines()]
    rows.insert(2, "")
    data = read_recordings(written(tmp_path, "\ufeff" + end.join(rows)))
    assert signals(data) == [[[0.5, 1], [0.25, 2], [0.125, 3]], [[-1, 4], [-2, 5]]]
    assert data[1].source.endswith("line 6")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace(",", " , "),
        lambda t: t.replace(",", ";").replace(".", ","),
        lambda t: "# exported\n\n" + t,
        lambda t: t.replace("\n", ",\n"),
        lambda t: t.split("\n", 1)[0] + "\n" + t.split("\n", 1)[1].replace("\n", ",\n"),
        lambda t: t + "\n,,,,\n\n",
    ],
)
def test_other_ways_to_write_the_same(tmp_path, change):
    data = read_recordings(written(tmp_path, change(TABLE)))
    assert signals(data) == [[[0.5, 1], [0.25, 2], [0.125, 3]], [[-1, 4], [-2, 5]]]
    assert about(data, "label") == ["up", "down"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_labels_in_other_encodings(tmp_path, encoding):
    data = read_recordings(written(tmp_path, TABLE.replace("up", "grün").encode(encoding)))
    assert about(data, "label") == ["grün", "down"]


def test_line_ends_within_quotes_do_not_confuse_the_numbers_of_lines(tmp_path):
    path = written(tmp_path, TABLE.replace("up", '"u\n""p"",\n"').replace("-2,5", "-2,x"))
    with pytest.raises(RecordingError, match="line 12, column y"):
        read_recordings(path)
    data = read_recordings(written(tmp_path, TABLE.replace("up", '"u\n""p"",\n"')))
    assert about(data, "label") == ['u\n"p",', "down"]


def test_blocks_are_cut_between_rows_only(tmp_path, monkeypatch):
    text = TABLE.replace("up", '"u\np"') + "".join(
        f"{i},{t},{i},{t},l{i % 3}\n" for i in range(3, 60) for t in range(9)
    )
    whole = read_recordings(written(tmp_path, text))
    monkeypatch.setattr(csv_table, "LONGEST_LINE", 64)
    monkeypatch.setattr(csv_table, "BLOCK", 64)
    parts = read_recordings(written(tmp_path, text))
    assert len(parts) == 59
    assert signals(parts) == signals(whole)
    assert about(parts, "source", "label") == about(whole, "source", "label")


# ---------------------------------------------------------------- Parquet of other tools


def test_parquet_without_a_column_of_recordings(tmp_path):
    x = pl.Series("x", [0.0, 1, 2, 3])
    data = read_recordings(written(tmp_path, pl.DataFrame({"time": [0, 20, 40, 60], "x": x}), "wave.parquet"))
    assert signals(data) == [[[0], [1], [2], [3]]]
    assert about(data, "label", "rate_hz") == [("wave", 50)]
    rows = pl.DataFrame({"a": x, "b": x * 2, "label": ["u", "u", "v", "v"]})
    data = read_recordings(written(tmp_path, rows, "rows.parquet"))
    assert signals(data) == [[[0, 0]], [[1, 2]], [[2, 4]], [[3, 6]]]
    assert about(data, "label") == ["u", "u", "v", "v"]


@pytest.mark.parametrize("kind", [pl.List(pl.Float64), pl.Array(pl.Int32, 3)])
def test_lists_of_readings_are_unrolled(tmp_path, kind):
    lists = pl.Series("x", [[1, 2, 3], [4, 5, 6]], dtype=kind)
    frame = pl.DataFrame({"x": lists, "y": lists, "gesture": ["u", "v"]})
    data = read_recordings(written(tmp_path, frame, "lists.parquet"))
    assert signals(data) == [[[1, 1], [2, 2], [3, 3]], [[4, 4], [5, 5], [6, 6]]]
    assert about(data, "label") == ["u", "v"]


def test_lists_of_unequal_lengths_are_refused(tmp_path):
    frame = pl.DataFrame({"x": [[1.0, 2.0], [3.0]], "y": [[1.0], [2.0]], "label": ["u", "v"]})
    with pytest.raises(RecordingError, match=r"lists\.parquet"):
        read_recordings(written(tmp_path, frame, "lists.parquet"))


def test_types_of_other_tools(tmp_path):
    frame = frame_of(TABLE).with_columns(
        pl.col("label").cast(pl.Categorical), pl.col("y [g]").cast(pl.Float32), pl.col("x [g]").cast(pl.Decimal(9, 3)),
        pl.col("recording").cast(pl.Float64), pl.lit(b"?").alias("bytes"), pl.lit(True).alias("ok"),
    )  # fmt: skip
    data = read_recordings(written(tmp_path, frame, "typed.parquet"))
    assert signals(data) == [[[0.5, 1], [0.25, 2], [0.125, 3]], [[-1, 4], [-2, 5]]]
    assert data[0].source.endswith("recording 1, row 1")
    assert "'bytes' is no channel" in notes(data)
    assert "'ok' is no channel" in notes(data)


def test_a_name_that_looks_like_a_pattern_is_that_of_a_file(tmp_path):
    folder = tmp_path / "label=up"
    folder.mkdir()
    assert len(read_recordings(written(folder, frame_of(TABLE), "[1]*.parquet"))) == 2


def test_parquet_without_numbers_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="Expected columns of numbers, found a"):
        read_recordings(written(tmp_path, pl.DataFrame({"a": ["x", "y"]}), "words.parquet"))


# ---------------------------------------------------------------- what is no long table


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "recording", "recording,x", "recording,label\n1,a\n", "time,x,y\n0,1,2\n20,3,4\n",
        "label,a,b\nup,1,2\n", "1,2,3\n4,5,6\n", "id,a,b,label\n1,5,6,u\n2,7,8,v\n3,9,8,v\n", "[1, 2]\n[3]\n",
        "sample,x,label\n0,1,a\n1,2,a\n2,3,a\n0,1,b\n1,2,b\n", '"recording,x\n1,2\n', "\0recording,x\n1,2\n",
    ],
)  # fmt: skip
def test_other_files_are_left_to_other_readers(tmp_path, text):
    assert long_table.read(source_of(written(tmp_path, text))) is None


# ---------------------------------------------------------------- sizes


def test_too_many_recordings_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_RECORDINGS", 3)
    text = "recording,x\n" + "".join(f"{i},{i}\n" for i in range(4))
    with pytest.raises(RecordingError, match="more than 3 recordings"):
        read_recordings(written(tmp_path, text))


def test_too_many_pieces_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(long_table, "MOST_RECORDINGS", 3)
    with pytest.raises(RecordingError, match="more than 3 recordings"):
        read_recordings(written(tmp_path, "recording,x,label\n" + "1,0,a\n1,0,b\n" * 3))


def test_too_many_rows_are_refused_before_they_are_read(tmp_path):
    frame = pl.DataFrame({"x": pl.Series([1], dtype=pl.Int8).new_from_index(0, 2**28 + 1)})
    path = written(tmp_path, frame, "bomb.parquet")
    del frame
    assert path.stat().st_size < 2**24
    with pytest.raises(RecordingError, match="says that it has 268,435,457 rows"):
        read_recordings(path)


def test_an_endless_line_is_refused(tmp_path):
    path = written(tmp_path, TABLE.encode() + b"1" * 2**23)
    with pytest.raises(RecordingError, match="more than 1,048,576 characters"):
        list(long_table.read(source_of(path)))


MEASURE = """
import resource, sys
from tinyglass import read_recordings
import polars
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
calls = []
data = read_recordings(sys.argv[1], progress=calls.append)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert calls == sorted(calls) and 0 <= calls[0] and calls[-1] == 1, calls
print(len(data), sum(r.n_readings for r in data), len(calls), (after - before) // 1024)
"""


@pytest.mark.parametrize("order", ["one after the other", "interleaved"])
def test_a_million_rows_take_bounded_memory_and_tell_progress(tmp_path, python, order):
    n, each = 10**6, 100
    values = np.random.default_rng(0).normal(size=(n, 3)).round(6)
    ids = np.arange(n) // each if order == "one after the other" else np.arange(n) % (n // each)
    time = np.arange(n) % each if order == "one after the other" else np.arange(n) // (n // each)
    frame = pl.DataFrame(
        {"recording": ids, "time": time * 10, "x": values[:, 0], "y": values[:, 1], "z": values[:, 2],
         "label": pl.Series(["up", "down"]).gather(ids % 2)}
    )  # fmt: skip
    path = tmp_path / "big.csv"
    frame.write_csv(path)
    done = python(MEASURE, path, env=unmeasured())
    assert done.returncode == 0, done.stderr
    n_recordings, n_readings, n_calls, mib = map(int, done.stdout.split())
    assert (n_recordings, n_readings) == (n // each, n)
    assert n_calls >= 50
    assert mib < 300  # 31 MiB are the readings themselves; all the text as objects would be 600


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_table_in_an_archive_is_read_from_memory(tmp_path, name):
    path = written(tmp_path, TABLE if name.endswith("csv") else frame_of(TABLE), name)
    content = path.read_bytes()
    path.unlink()
    source = Source(f"a.zip: {name}", PurePosixPath(name), len(content), lambda: content)
    found = list(long_table.read(source))
    assert about(found, "label") == ["up", "down"]
    assert found[0].source.startswith(f"a.zip: {name}, recording 1, ")


# ---------------------------------------------------------------- damaged and hostile files


DYING = """
import os, sys
for line in sys.stdin.buffer:
    os.abort()
"""
SHORT = """
import runpy, sys
decoder = runpy.run_path(sys.argv[0].replace("short.py", "decoder.py"))
whole = decoder["rows"]
decoder["answer"].__globals__["rows"] = lambda **request: (frame.head(2) for frame in whole(**request))
decoder["main"]()
"""


def test_a_file_that_ends_the_decoding_process_is_refused_and_the_next_is_read(tmp_path, monkeypatch):
    path = written(tmp_path, frame_of(TABLE), "table.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(parquet_table, "DECODER", written(tmp_path, DYING, "dying.py"))
        patch.setattr(parquet_table, "_decoder", parquet_table._Decoder())
        with pytest.raises(RecordingError, match="damaged"):
            read_recordings(path)
    process = parquet_table._decoder._running()
    process.kill()
    process.wait()
    assert len(read_recordings(path)) == 2


def test_rows_that_go_missing_are_noticed(tmp_path, monkeypatch):
    path = written(tmp_path, frame_of(TABLE), "table.parquet")
    written(tmp_path, parquet_table.DECODER.read_bytes(), "decoder.py")
    monkeypatch.setattr(parquet_table, "DECODER", written(tmp_path, SHORT, "short.py"))
    monkeypatch.setattr(parquet_table, "_decoder", parquet_table._Decoder())
    with pytest.raises(RecordingError, match="Expected 5 rows, found 2"):
        read_recordings(path)


def read_somehow(folder: Path, content: bytes, name: str) -> None:
    """Read, or refuse; anything else fails the test."""
    path = folder / name
    path.write_bytes(content)
    try:
        data = read_recordings(path)
    except (RecordingError, StorageError):
        return
    assert all(isinstance(r, Recording) and np.isfinite(r.signal).all() for r in data)


def parquet_bytes(**options) -> bytes:
    file = io.BytesIO()
    frame_of(TABLE * 1).write_parquet(file, **options)
    return file.getvalue()


PARQUET = [parquet_bytes(), parquet_bytes(compression="uncompressed"), parquet_bytes(compression="snappy")]


@given(st.sampled_from(PARQUET), st.data())
@hypothesis_settings(max_examples=150)
def test_any_damage_to_parquet_is_survived(tmp_path_factory, content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(damaged), data.draw(st.integers(4, len(damaged)))]))
    read_somehow(tmp_path_factory.getbasetemp(), bytes(damaged[:end]), "damaged.parquet")


@given(st.randoms(use_true_random=False), st.integers(1, 12))
@hypothesis_settings(max_examples=300)
def test_any_damage_to_csv_is_survived(tmp_path_factory, chance: random.Random, n_changes):
    damaged = bytearray(TABLE.encode())
    for _ in range(n_changes):
        place = chance.randrange(len(damaged))
        damaged[place : place + chance.randrange(3)] = chance.choice(
            [b"", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"1e999", b"nan", b"[" * 50, b";", b"x", b"-"]
        )
    read_somehow(tmp_path_factory.getbasetemp(), bytes(damaged), "damaged.csv")


@pytest.mark.parametrize(
    "content",
    [
        b"PAR1", b"PAR1" * 2, b"PAR1" + b"\0" * 100 + b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1",
        b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1" + b"[" * 10**5, b"PAR1\n" + TABLE.encode(),
    ],
)  # fmt: skip
def test_what_only_begins_like_parquet_is_refused(tmp_path, content):
    with pytest.raises(RecordingError, match="damaged"):
        read_recordings(written(tmp_path, content, "table.parquet"))


@pytest.mark.parametrize(
    "content",
    [
        "recording,x\n" + "[" * 10**5, "recording,x\n1," + '"' * 10**5 + "\n", "recording,x\n1,1e999\n",
        "recording,time,x\n1,1e999,1\n", "recording,x\n1," + "9" * 10**5, "recording,x\n" + "1," * 10**5,
        "recording,x,label\n1,2," + "a" * 2 * 10**5 + "\n", '"' * 10**6, "recording,x\n" + "\r" * 10**5,
    ],
    ids=range(9),
)  # fmt: skip
def test_hostile_text_is_survived(tmp_path, content):
    read_somehow(tmp_path, content.encode(), "hostile.csv")


# ---------------------------------------------------------------- the sets of other people


@needs_shared
@pytest.mark.parametrize(
    ("name", "n_recordings", "classes"),
    [
        ("emlearn_cgestures/cgestures", 19, {"wave", "updown", "idle", "snake"}),
        ("emlearn_exercise/har_exercise_1", 32, {"jumpingjack", "lunge", "other", "squat"}),
    ],
)
def test_the_tables_of_emlearn_are_read_whole(name, n_recordings, classes):
    path = SHARED / f"{name}.parquet"
    frame = pl.read_parquet(path)
    data = read_recordings(path)
    assert n_kept(data) == frame.height
    assert len(data) == n_recordings
    assert {r.label for r in data} == classes
    assert {(r.channels, r.rate_hz, r.person) for r in data} == {(("x", "y", "z"), 100.0, None)}
    assert np.array_equal(np.concatenate([r.signal for r in data]), frame.select("x", "y", "z").to_numpy())
