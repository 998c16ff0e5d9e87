"""Saving recordings as one long table, and reading the very same recordings from it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import unmeasured
from tinyglass import ArgumentError, Recording, RecordingError, StorageError, read_recordings
from tinyglass.recordings import saving
from tinyglass.recordings.saving import save_recordings
from tinyglass.recordings.tables.saved import LAST, heads_of, is_saved

ENDINGS = [".parquet", ".csv"]


def check_same(read, saved) -> None:
    """Compare every field, signals and times bit by bit."""
    assert len(read) == len(saved)
    for own, other in zip(read, saved, strict=True):
        for field in fields(Recording):
            before, after = getattr(other, field.name), getattr(own, field.name)
            if isinstance(before, np.ndarray):
                assert after.tobytes() == before.tobytes(), field.name
                assert after.shape == before.shape
            else:
                assert after == before, field.name


def saved_and_read(data, path: Path):
    save_recordings(data, path)
    return read_recordings(path)


@pytest.fixture
def mixed() -> list[Recording]:
    """Recordings that differ in everything."""
    return [
        Recording(
            [[0.1, -0.0]], ("x", "y"), ("g", ""), 62.5, label="wave", person="ann", source="a.csv, line 3"
        ),
        Recording([[1e-310], [1 / 3]], ("y",), ("m/s²",), None, [0.0, 1e-9], label=None, split="test"),
        Recording([[1, 2, 3]], ("y", "x", "label"), label="None", session="1", device="é\n\r,\"'"),
        Recording([[1, 2, 3, 4]], ("", "time_s", "x", "x"), label=" a\r", source="\u2028\0\t"),
        Recording([[5.0, 6, 7]], ("channel:label", "channel2:x", "units"), ('"', ",", "\\")),
        Recording(np.full((5, 1), 1.7976931348623157e308), ("X",), rate_hz=9.615384615384615),
    ]


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("ending", ENDINGS)
def test_recordings_that_differ_in_everything_come_back_the_same(tmp_path, mixed, ending):
    check_same(saved_and_read(mixed, tmp_path / f"table{ending}"), mixed)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_courses_recordings_come_back_the_same(tmp_path, course, ending):
    data = saved_and_read(course, tmp_path / f"table{ending}")
    check_same(data, course)
    assert data.repairs == data.dropped == ()


@pytest.mark.parametrize("name", ["test", "person3", "wave_train", "session1/phone2/wave"])
def test_the_name_of_the_table_adds_nothing(tmp_path, mixed, name):
    path = tmp_path / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    check_same(saved_and_read(mixed, path), mixed)
    check_same(read_recordings(tmp_path), mixed)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
names = st.one_of(
    texts, st.sampled_from(["x", "y", "label", "time_s", "recording", "channel:x", "channel2:x", "units"])
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def recordings(draw) -> Recording:
    n_readings, channels = draw(st.integers(1, 4)), draw(st.lists(names, min_size=1, max_size=3))
    row = st.lists(numbers, min_size=len(channels), max_size=len(channels))
    times = draw(st.none() | st.lists(numbers, min_size=n_readings, max_size=n_readings, unique=True))
    group = st.none() | texts
    return Recording(
        draw(st.lists(row, min_size=n_readings, max_size=n_readings)),
        tuple(channels),
        tuple(draw(st.lists(texts, min_size=len(channels), max_size=len(channels)))),
        draw(st.none() | numbers),
        None if times is None else sorted(times),
        draw(st.none() | texts.filter(bool)),  # an empty label is read as none
        *(draw(group) for _ in range(4)),
        draw(texts),
    )


@pytest.mark.parametrize("ending", ENDINGS)
@given(st.lists(recordings(), min_size=1, max_size=6))
@hypothesis_settings(max_examples=200)
def test_any_recordings_come_back_the_same(tmp_path_factory, ending, data):
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    check_same(saved_and_read(data, path), data)


@pytest.mark.parametrize("ending", ENDINGS)
def test_many_batches_are_one_table(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(saving, "BATCH", 100)
    random = np.random.default_rng(0)
    data = [Recording(random.normal(size=(1 + i % 9, 2)), ("x", "y"), label=f"l{i % 3}") for i in range(300)]
    check_same(saved_and_read(data, tmp_path / f"table{ending}"), data)


def test_it_is_an_ordinary_long_table(tmp_path, mixed):
    path = tmp_path / "table.parquet"
    save_recordings(mixed, path)
    frame = pl.read_parquet(path)
    assert is_saved(frame.columns)
    assert frame["recording"].to_list() == [0, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5]
    assert frame["x"].to_list() == [0.1, None, None, 2, 3, None, None, None, None, None, None]
    assert frame["label"].to_list()[:4] == ["wave", None, None, "None"]
    assert frame["units"][0] == '["g",""]'
    other = pl.read_csv(_csv(tmp_path, mixed), schema=frame.schema)
    assert other.equals(frame)


def _csv(folder: Path, data) -> Path:
    save_recordings(data, folder / "table.csv")
    return folder / "table.csv"


def test_pandas_reads_it(tmp_path, mixed):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(_csv(tmp_path, mixed))
    assert list(frame["recording"]) == [0, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5]
    assert frame["x"][0] == 0.1


def test_rows_that_another_tool_has_filtered_and_moved_are_read(tmp_path, course):
    path = tmp_path / "table.parquet"
    save_recordings(course, path)
    frame = pl.read_parquet(path)
    frame.filter(pl.col("label") == "moving_closer").reverse().write_parquet(path)
    data = read_recordings(path)
    assert [r.label for r in data] == ["moving_closer"] * 5
    assert data[0].signal.ravel().tolist() == course[-1].signal.ravel().tolist()[::-1]


def test_heads_of_channels_are_never_taken_twice():
    assert heads_of(["x", "x", "label", "channel:label", ""]) == [
        "x", "channel2:x", "channel:label", "channel:channel:label", "channel:",
    ]  # fmt: skip


# ---------------------------------------------------------------- what cannot be saved, or read


def test_other_endings_are_refused(tmp_path, mixed):
    for name in ("table.xlsx", "table", "table.parquet.gz"):
        with pytest.raises(ArgumentError, match=r"\.parquet or \.csv.*--save"):
            save_recordings(mixed, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_not_saved(tmp_path):
    with pytest.raises(ArgumentError, match="no recordings"):
        save_recordings([], tmp_path / "table.parquet")


def test_text_that_is_none_is_refused(tmp_path):
    for change in ({"label": "\ud800"}, {"channels": ("\udcff",)}, {"source": "\udcff.csv"}):
        with pytest.raises(RecordingError, match="UTF-8"):
            save_recordings([Recording([[1.0]], **change)], tmp_path / "table.parquet")
    assert list(tmp_path.iterdir()) == []


def test_what_was_read_is_never_overwritten(tmp_path, mixed):
    inside = tmp_path / "data" / "a.csv"
    inside.parent.mkdir()
    save_recordings(mixed, inside)
    before = inside.read_bytes()
    for protect in (inside, inside.parent, tmp_path / "data" / ".." / "data"):
        with pytest.raises(ArgumentError, match="never changed"):
            save_recordings(mixed[:1], inside, protect)
    link = tmp_path / "link.csv"
    link.symlink_to(inside)
    with pytest.raises(ArgumentError, match="never changed"):
        save_recordings(mixed[:1], link, inside.parent)
    assert inside.read_bytes() == before
    save_recordings(mixed, tmp_path / "data" / "new.csv", inside.parent)


@pytest.mark.parametrize("content", [b"recording,x\n1,2\n1,3\n", b"hello", b"PAR1 and no more"])
def test_a_file_that_is_no_saved_table_is_never_overwritten(tmp_path, mixed, content):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match="no table that tinyglass saved"):
        save_recordings(mixed, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_saved_table_is_replaced(tmp_path, mixed, ending):
    path = tmp_path / f"table{ending}"
    path.touch()
    check_same(saved_and_read(mixed[:1], path), mixed[:1])
    check_same(saved_and_read(mixed, path), mixed)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_folders_are_refused(tmp_path, mixed):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ArgumentError, match="is a folder"):
        save_recordings(mixed, tmp_path / "folder.csv")
    with pytest.raises(StorageError, match="No such file or directory"):
        save_recordings(mixed, tmp_path / "none" / "table.csv")


CHANGES = {
    "channels that are no list": ("channels", "x"),
    "deep channels": ("channels", "[" * 10**5),
    "channels without a column": ("channels", '["z"]'),
    "no channels": ("channels", "[]"),
    "too few units": ("units", '["g"]'),
    "a rate of nothing": ("rate_hz", float("nan")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_saved_table_that_was_spoilt_is_refused(tmp_path, name):
    head, value = CHANGES[name]
    path = tmp_path / "table.parquet"
    save_recordings([Recording([[1.0, 2.0]], ("x", "y"))], path)
    pl.read_parquet(path).with_columns(pl.lit(value).alias(head)).write_parquet(path)
    with pytest.raises(RecordingError, match=r"table\.parquet.*row 1.*Save the recordings again"):
        read_recordings(path)


def test_a_saved_table_with_a_gap_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    save_recordings([Recording([[1.0], [2.5]], ("x",))], path)
    path.write_text(path.read_text().replace("2.5", ""))
    with pytest.raises(RecordingError, match=r"finite number, found nan.*reading 2, channel 'x'"):
        read_recordings(path)


def test_without_one_of_its_columns_it_is_a_long_table_like_others(tmp_path, mixed):
    path = tmp_path / "table.parquet"
    save_recordings(mixed[:1], path)
    pl.read_parquet(path).drop("units").write_parquet(path)
    (recording,) = read_recordings(path)
    assert recording.channels == ("x", "y")
    assert (recording.label, recording.person) == ("wave", "ann")


# ---------------------------------------------------------------- a full disk, a killed process


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_leaves_the_old_table_whole(small_disk, ending):
    folder = small_disk(256)
    path = folder / f"table{ending}"
    save_recordings([Recording([[1.0]])], path)
    before = path.read_bytes()
    large = [Recording(np.random.default_rng(0).normal(size=(10**5, 1)))]
    with pytest.raises(StorageError, match="No space left on device"):
        save_recordings(large, path)
    assert path.read_bytes() == before
    assert [p.name for p in folder.iterdir()] == [path.name]


SAVE = """
import sys
import numpy as np
from tinyglass import Recording
from tinyglass.recordings.saving import save_recordings
data = [Recording(np.random.default_rng(i).normal(size=(10**5, 3))) for i in range(20)]
print("ready", flush=True)
while True:
    save_recordings(data, sys.argv[1])
"""


def test_a_killed_process_leaves_a_whole_table_and_its_leftover_is_swept(tmp_path, command, mixed):
    path = tmp_path / "table.parquet"
    save_recordings(mixed, path)
    for delay in (0.05, 0.15, 0.3):
        process = command.start(path, words=("-c", SAVE), env=unmeasured())
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert len(read_recordings(path)) in (len(mixed), 20)
    check_same(saved_and_read(mixed, path), mixed)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_last_columns_are_those_that_the_page_names():
    assert LAST == ("label", "person", "session", "device", "split", "source", "rate_hz", "channels", "units")
