"""Files that describe others: info.labels, structured labels, tables of labels; and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tinyglass import Recording, RecordingError, read_recordings
from tinyglass.recordings import Source
from tinyglass.recordings.describing import describe
from tinyglass.recordings.recording import DataSet
from tinyglass.recordings.source import About

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the data sets of other people are not here")
HERE = [HealthCheck.function_scoped_fixture]


def acquisition(n_readings: int = 4, **payload: Any) -> str:
    values = [[i, 0.5 * i] for i in range(n_readings)]
    sensors = [{"name": "x", "units": "g"}, {"name": "y", "units": "g"}]
    inside = {"device_type": "A", "interval_ms": 10, "sensors": sensors, "values": values} | payload
    return json.dumps({"protected": {"ver": "v1", "alg": "none"}, "signature": "", "payload": inside})


def put(folder: Path, *names: str, n_readings: int = 4, **payload: Any) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(acquisition(n_readings, **payload), encoding="utf-8")


def info(*files: dict[str, Any], name: str = "info.labels") -> dict[str, str]:
    return {name: json.dumps({"version": 1, "files": list(files)})}


def one(path: str, label: Any = "circle", category: str = "training", **more: Any) -> dict[str, Any]:
    return {"path": path, "category": category, "label": {"type": "label", "label": label}} | more


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def labels(data: DataSet) -> dict[str, str | None]:
    return {Path(r.source.partition(",")[0]).name: r.label for r in data}


def said(data: DataSet) -> list[str]:
    return [r.what for r in data.repairs]


# ---------------------------------------------------------------- labels of whole files


def test_labels_and_parts_go_before_names(tmp_path):
    put(tmp_path, "testing/wave.1.json", "testing/wave.2.json")
    write(tmp_path, info(one("testing/wave.1.json", "circle"), one("testing/wave.2.json", "line", "testing")))
    data = read_recordings(tmp_path)
    assert labels(data) == {"wave.1.json": "circle", "wave.2.json": "line"}
    assert [r.split for r in data] == ["train", "test"]
    assert (data.repairs, data.dropped) == ((), ())


def test_labels_inside_go_before_those_of_a_describing_file(tmp_path):
    put(tmp_path, "wave.1.json", label="inside")
    put(tmp_path, "wave.2.json", label="")
    write(tmp_path, info(one("wave.1.json"), one("wave.2.json")))
    assert labels(read_recordings(tmp_path)) == {"wave.1.json": "inside", "wave.2.json": None}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ({"type": "label", "label": "circle"}, "circle"),
        ({"type": "label", "label": " circle "}, "circle"),
        ({"type": "label", "label": "1.5"}, "1.5"),
        ({"type": "label", "label": 1.5}, "1.5"),
        ({"type": "label", "label": ""}, None),
        ({"label": "circle"}, "circle"),
        ("circle", "circle"),
        ({"type": "unlabeled"}, None),
        ({"type": "unlabeled", "label": "x"}, None),
        ({"type": "multi-label", "labels": []}, None),
        (None, "wave"),
        (..., "wave"),
    ],
)
def test_labels_of_every_kind(tmp_path, label, expected):
    put(tmp_path, "wave.1.json")
    entry = {"path": "wave.1.json"} | ({} if label is ... else {"label": label})
    write(tmp_path, info(entry))
    assert [r.label for r in read_recordings(tmp_path)] == [expected]


@pytest.mark.parametrize(
    ("category", "split"),
    [("training", "train"), ("testing", "test"), ("Testing", "test"), ("split", "test"), (None, "test")],
)
def test_a_category_that_leaves_the_part_open_leaves_it_to_the_folder(tmp_path, category, split):
    put(tmp_path, "testing/wave.1.json")
    write(tmp_path, info(one("testing/wave.1.json", category=category)))
    data = read_recordings(tmp_path)
    assert [r.split for r in data] == [split]
    assert said(data) == []


def test_an_unknown_category_is_named(tmp_path):
    put(tmp_path, "wave.1.json")
    write(tmp_path, info(one("wave.1.json", category="anomaly")))
    data = read_recordings(tmp_path)
    assert [r.split for r in data] == [None]
    assert said(data) == ["the part 'anomaly' is neither train nor test: not used"]


def test_metadata_may_name_who_when_and_with_what(tmp_path):
    put(tmp_path, "person9/a.1.json", "b.2.json")
    metadata = {"Subject": "Ada", "session_id": 3, "board": "nano", "site_collected": "Paris", "round": None}
    write(tmp_path, info(one("person9/a.1.json", metadata=metadata), one("b.2.json", metadata={"user": ""})))
    data = read_recordings(tmp_path)
    assert [(r.person, r.session, r.device) for r in data if r.person] == [("Ada", "3", "nano")]
    assert said(data) == ["the metadata 'site_collected' is not used", "the metadata 'round' is not used"]


def test_a_device_inside_goes_before_metadata(tmp_path):
    put(tmp_path, "a.1.json", device_name="inside")
    write(tmp_path, info(one("a.1.json", metadata={"device": "outside"})))
    assert [r.device for r in read_recordings(tmp_path)] == ["inside"]


def test_a_pattern_of_the_user_goes_before_a_describing_file(tmp_path):
    put(tmp_path, "ada/a.1.json")
    write(tmp_path, info(one("ada/a.1.json", metadata={"person": "bob", "session": "2"})))
    (recording,) = read_recordings(tmp_path, groups={"person": r"(ada)/"})
    assert (recording.person, recording.session, recording.label) == ("ada", "2", "circle")


def test_an_export_has_labels_at_every_level(tmp_path):
    put(tmp_path, "data/training/wave.1.json", "data/testing/wave.2.json")
    write(tmp_path / "data", info(one("training/wave.1.json"), one("testing/wave.2.json", "line", "testing")))
    write(tmp_path / "data" / "training", info(one("wave.1.json")))
    write(tmp_path / "data" / "testing", info(one("wave.2.json", "line", "testing")))
    data = read_recordings(tmp_path)
    assert labels(data) == {"wave.1.json": "circle", "wave.2.json": "line"}
    assert (data.repairs, data.dropped) == ((), ())


@pytest.mark.parametrize(
    "name", ["info.labels", "info_2.labels", "INFO.LABELS", "labels.json", "export.json"]
)
def test_the_content_shows_what_it_is(tmp_path, name):
    put(tmp_path, "wave.1.json")
    write(tmp_path, info(one("wave.1.json"), name=name))
    data = read_recordings(tmp_path)
    assert (labels(data), data.dropped) == ({"wave.1.json": "circle"}, ())


def test_files_of_another_kind_are_left_to_the_readers(tmp_path):
    put(tmp_path, "wave.1.json")
    write(
        tmp_path,
        {"a.json": '{"files": [{"a": 1}]}', "b.json": '{"files": [{', "c.labels": "words\nof others\n"},
    )
    data = read_recordings(tmp_path / "wave.1.json")
    source = Source("a.json", PurePosixPath("a.json"), 21, lambda: b'{"files": [{"a": 1}]}')
    assert describe([source])[0] == [source]
    assert len(data) == 1
    assert {s.path.name for s in describe(sources_in(tmp_path))[0]} == {
        "a.json",
        "b.json",
        "c.labels",
        "wave.1.json",
    }


def sources_in(folder: Path) -> list[Source]:
    return [
        Source(str(p), PurePosixPath(p.relative_to(folder).as_posix()), p.stat().st_size, p.read_bytes, p)
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    ]


def test_files_in_an_archive_are_described_too():
    contents = {
        "info.labels": info(one("training/wave.1.json"))["info.labels"],
        "training/wave.1.json": acquisition(),
    }
    sources = [
        Source(f"export.zip: {name}", PurePosixPath(name), len(text), text.encode)
        for name, text in contents.items()
    ]
    (holding,), description = describe(sources)
    assert description.about(holding, About(label="wave")) == About(label="circle", split="train")
    assert not any("content" in source.__dict__ for source in sources)  # an archive would fill the memory


# ---------------------------------------------------------------- files that lie elsewhere


def test_files_that_do_not_exist_are_named_once_with_their_number(tmp_path):
    put(tmp_path, "wave.1.json")
    write(tmp_path, info(*(one(f"wave.{i}.json") for i in range(1, 5))))
    data = read_recordings(tmp_path)
    (dropped,) = data.dropped
    assert dropped.where == str(tmp_path / "info.labels")
    assert (dropped.why, dropped.n_readings) == (
        "names 3 files (such as wave.2.json) that cannot be found",
        0,
    )


def test_a_describing_file_alone_is_no_data(tmp_path):
    write(tmp_path, info(one("wave.1.json")))
    with pytest.raises(RecordingError, match="Found no recordings"):
        read_recordings(tmp_path)


@pytest.mark.parametrize(
    ("path", "name", "now"),
    [
        ("training/wave.1.ingestion-5d79-nk4.json", "wave.1", "up/wave.1.ingestion-5d79-nk4.json"),
        ("training\\wave.1.json", "wave.1", "up/wave.1.json"),
        ("/home/ada/wave.1.json", "wave.1", "up/wave.1.json"),
        ("training/wave.json.1.ingestion-5d79-nk4.json", "wave.1", "up/wave.1.json"),
        ("training/wave.1.ingestion-5d79-nk4.json", "", "wave.1.json"),
        ("training/xyz.json", "wave.1", "up/wave.1.json"),
    ],
)
def test_files_that_were_moved_are_recognised_by_name(tmp_path, path, name, now):
    put(tmp_path, now, "up/wave.9.json")
    write(tmp_path, info(one(path, name=name), one("up/wave.9.json", "other")))
    data = read_recordings(tmp_path)
    assert labels(data) == {Path(now).name: "circle", "wave.9.json": "other"}
    assert said(data) == [f"names a file ({path}) now elsewhere: recognised by name"]
    assert data.dropped == ()


def test_a_windows_path_that_exists_is_not_elsewhere(tmp_path):
    put(tmp_path, "training/wave.1.json")
    write(tmp_path, info(one("training\\wave.1.json")))
    data = read_recordings(tmp_path)
    assert (labels(data), said(data)) == ({"wave.1.json": "circle"}, [])


def test_a_name_that_several_files_have_means_none(tmp_path):
    put(tmp_path, "up/1.json", "down/1.json")
    write(tmp_path, info(one("raw/1.json")))
    data = read_recordings(tmp_path)
    assert {r.label for r in data} == {"up", "down"}
    assert [d.why for d in data.dropped] == ["names a file (raw/1.json) that cannot be found"]
    assert said(data) == ["does not list 2 files (such as down/1.json): labelled by name"]


def test_a_describing_file_does_not_reach_into_other_folders(tmp_path):
    put(tmp_path, "a/deep/wave.1.json", "b/wave.2.json", "c/d/wave.3.json")
    write(tmp_path / "a" / "deep", info(one("wave.1.json"), one("wave.3.json")))
    data = read_recordings(tmp_path)
    assert {r.label for r in data} == {"circle", "b", "c"}


def test_files_that_are_not_listed_are_named_and_labelled_by_name(tmp_path):
    put(tmp_path, "a.1.json", "b.2.json", "b.3.json")
    write(tmp_path, info(one("a.1.json")))
    data = read_recordings(tmp_path)
    assert labels(data) == {"a.1.json": "circle", "b.2.json": "b", "b.3.json": "b"}
    assert said(data) == ["does not list 2 files (such as b.2.json): labelled by name"]


# ---------------------------------------------------------------- contradictions, and what cannot be understood


def test_a_file_may_be_listed_twice_if_the_entries_agree(tmp_path):
    put(tmp_path, "a.1.json")
    write(tmp_path, info(one("a.1.json", category=None), one("./a.1.json", metadata={"person": "ada"})))
    data = read_recordings(tmp_path)
    assert [(r.label, r.split, r.person) for r in data] == [("circle", "train", "ada")]
    assert said(data) == ["names a file (./a.1.json) more than once, in agreement"]


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (
            one("a.1.json"),
            one("a.1.json", "line"),
            "Expected one label for a.1.json, found 'circle' and 'line'",
        ),
        (one("a.1.json"), one("a.1.json", category="testing"), "Expected one split"),
        (
            one("a.1.json", metadata={"user": "x"}),
            one("a.1.json", metadata={"user": "y"}),
            "Expected one person for a.1.json, found 'x' and 'y'",
        ),
    ],
)
def test_two_entries_that_contradict_each_other_are_refused(tmp_path, first, second, what):
    put(tmp_path, "a.1.json")
    write(tmp_path, info(first, second))
    with pytest.raises(RecordingError) as caught:
        read_recordings(tmp_path)
    assert what in caught.value.what
    assert caught.value.where == f"{tmp_path / 'info.labels'}, file 1, and {tmp_path / 'info.labels'}, file 2"


def test_two_files_that_contradict_each_other_are_refused(tmp_path):
    put(tmp_path, "training/a.1.json")
    write(tmp_path, info(one("training/a.1.json")))
    write(tmp_path / "training", info(one("a.1.json", "line")))
    with pytest.raises(RecordingError, match=r"Expected one label for training/a\.1\.json") as caught:
        read_recordings(tmp_path)
    assert str(tmp_path / "info.labels") in caught.value.where
    assert str(tmp_path / "training" / "info.labels") in caught.value.where


MALFORMED = {
    "": ("Expected JSON, found other text", ""),
    "hello": ("Expected JSON, found other text", ""),
    '{"files": [\n': ("The JSON is damaged", "line 2"),
    "[1]": ("Expected a list of files or structuredLabels, found a list", ""),
    '{"version": 1}': ("Expected a list of files or structuredLabels", ""),
    '{"files": {}}': ("Expected a list of files or structuredLabels", ""),
    '{"files": [1]}': ("Expected the path of a file, found 1", "file 1"),
    '{"files": [{"path": "a"}, {"label": "x"}]}': ("Expected the path of a file, found an object", "file 2"),
    '{"files": [{"path": 3}]}': ("Expected the path of a file, found 3", "file 1"),
    '{"files": [{"path": "a", "label": []}]}': ("Expected a label, found a list", "file 1"),
    '{"files": [{"path": "a", "label": {"type": "label"}}]}': ("Expected a label, found null", "file 1"),
    '{"files": [{"path": "a", "label": {"labels": 1}}]}': ("Expected a list of stretches, found 1", "file 1"),
    '{"files": [{"path": "a", "label": {"labels": [1]}}]}': ("Expected a list of stretches", "file 1"),
    '{"structuredLabels": {"a": 1}}': ("Expected a list of stretches, found 1", "'a'"),
    '{"structuredLabels": {"a": [{"startIndex": "0"}]}}': (
        "Expected the index of a reading, found '0'",
        "'a'",
    ),
    '{"structuredLabels": {"a": [{"startIndex": 0, "endIndex": 1.5}]}}': ("reading, found 1.5", "'a'"),
    '{"structuredLabels": {"a": [{"startIndex": -1, "endIndex": 1}]}}': ("reading, found -1", "'a'"),
    '{"structuredLabels": {"a": [{"startIndex": NaN, "endIndex": 1}]}}': ("reading, found nan", "'a'"),
    '{"structuredLabels": {"a": [{"startIndex": 2, "endIndex": 1}]}}': ("2–1 ends before it begins", "'a'"),
    '{"structuredLabels": {"a": [{"startIndex": 0, "endIndex": 1, "label": []}, 1]}}': (
        "list of stretches",
        "'a'",
    ),
    '{"structuredLabels": {"a": [{"startIndex": 0, "endIndex": 1, "label": [1]}]}}': (
        "Expected a label",
        "'a'",
    ),
    '{"structuredLabels": {"a": [{"startIndex": 3, "endIndex": 5}, {"startIndex": 0, "endIndex": 3}]}}': (
        "Two stretches overlap: 0–3 and 3–5",
        "'a'",
    ),
}


@pytest.mark.parametrize("text", MALFORMED)
def test_a_describing_file_that_cannot_be_understood_is_refused(tmp_path, text):
    put(tmp_path, "wave.1.json")
    write(tmp_path, {"info.labels": text})
    with pytest.raises(RecordingError) as caught:
        read_recordings(tmp_path)
    what, where = MALFORMED[text]
    assert what in caught.value.what
    assert caught.value.where.startswith(str(tmp_path / "info.labels"))
    assert where in caught.value.where
    assert len(caught.value.mend) > 8


def test_marks_in_pictures_are_named(tmp_path):
    put(tmp_path, "wave.1.json")
    write(tmp_path, {"bounding_boxes.labels": '{"version": 1, "boundingBoxes": {"a.jpg": []}}'})
    data = read_recordings(tmp_path)
    assert [d.why for d in data.dropped] == ["marks places in pictures, which are no recordings"]


# ---------------------------------------------------------------- labels of stretches


def structured(path: str, *stretches: tuple[Any, ...]) -> dict[str, str]:
    found = [dict(zip(("startIndex", "endIndex", "label"), s, strict=False)) for s in stretches]
    text = {"version": 1, "type": "structured-labels", "structuredLabels": {path: found}}
    return {"structured_labels.labels": json.dumps(text)}


def multi(path: str, *stretches: tuple[Any, ...]) -> dict[str, str]:
    found = [dict(zip(("startIndex", "endIndex", "label"), s, strict=False)) for s in stretches]
    return info({"path": path, "category": "training", "label": {"type": "multi-label", "labels": found}})


@pytest.fixture(params=[structured, multi])
def stretches(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_stretches_are_cut_with_both_ends_included(tmp_path, stretches):
    put(tmp_path, "wave.3.json", n_readings=10)
    write(tmp_path, stretches("wave.3.json", (0, 3, "up"), (4, 9, "down")))
    data = read_recordings(tmp_path)
    assert [(r.label, r.signal[:, 0].tolist()) for r in data] == [
        ("up", [0, 1, 2, 3]),
        ("down", [4, 5, 6, 7, 8, 9]),
    ]
    assert [r.source for r in data] == [f"{tmp_path / 'wave.3.json'}, readings {s}" for s in ("1–4", "5–10")]
    assert {r.rate_hz for r in data} == {100}
    assert (said(data), data.dropped) == ([], ())


def test_readings_in_no_stretch_are_counted(tmp_path, stretches):
    put(tmp_path, "wave.3.json", n_readings=20)
    write(tmp_path, stretches("wave.3.json", (10, 12, "b"), (2, 5, "a"), (15, 15.0, "")))
    data = read_recordings(tmp_path)
    assert [(r.label, r.n_readings) for r in data] == [("a", 4), ("b", 3), (None, 1)]
    assert [(d.why, d.n_readings) for d in data.dropped] == [("readings in no labelled stretch", 12)]


def test_times_are_cut_too(tmp_path):
    (tmp_path / "wave.csv").write_text("time,x\n0,1\n10,2\n30,3\n40,4\n")
    write(tmp_path, structured("wave.csv", (1, 2, "a")))
    (recording,) = read_recordings(tmp_path)
    assert recording.times.tolist() == pytest.approx([0.01, 0.03])
    assert recording.signal.ravel().tolist() == [2, 3]


def test_stretches_go_before_the_label_of_the_whole(tmp_path):
    put(tmp_path, "wave.3.json")
    write(tmp_path, structured("wave.3.json", (0, 3, "up")) | info(one("wave.3.json", "whole")))
    assert [(r.label, r.split) for r in read_recordings(tmp_path)] == [("up", "train")]


def test_a_label_inside_goes_before_stretches(tmp_path):
    put(tmp_path, "wave.3.json", label="inside")
    write(tmp_path, structured("wave.3.json", (0, 3, "up")))
    data = read_recordings(tmp_path)
    assert [(r.label, r.n_readings) for r in data] == [("inside", 4)]
    assert said(data) == ["the label inside goes before those of stretches in a file that describes it"]


def test_stretches_in_milliseconds_are_recognised_by_the_length(tmp_path):
    put(tmp_path, "wave.3.json", n_readings=10)  # 10 ms each
    write(tmp_path, structured("wave.3.json", (0, 45, "up"), (46, 95, "down")))
    data = read_recordings(tmp_path)
    assert [(r.label, r.n_readings) for r in data] == [("up", 5), ("down", 5)]
    assert said(data) == ["stretches given in milliseconds"]


def test_an_end_after_the_last_reading_is_taken_to_the_end(tmp_path):
    put(tmp_path, "wave.3.json", n_readings=10)
    write(tmp_path, structured("wave.3.json", (0, 4, "up"), (5, 10, "down")))
    data = read_recordings(tmp_path)
    assert [r.n_readings for r in data] == [5, 5]
    assert said(data) == ["the last stretch ends after the last reading: taken to its end"]


def test_a_stretch_beyond_the_recording_is_refused(tmp_path, stretches):
    put(tmp_path, "wave.3.json", n_readings=10)
    write(tmp_path, stretches("wave.3.json", (0, 4, "up"), (5, 40, "down")))
    with pytest.raises(
        RecordingError, match=r"within the 10 readings of wave\.3\.json, found one to index 40"
    ) as caught:
        read_recordings(tmp_path)
    assert caught.value.mend == "Count readings from 0 to 9"


def test_stretches_of_several_recordings_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("Recordings: [-10ms, current]\n[\n[1, 2],\n[3, 4],\n]\n")
    write(tmp_path, structured("a.txt", (0, 1, "up")))
    with pytest.raises(
        RecordingError, match="Expected one recording, as its stretches are labelled, found 2"
    ):
        read_recordings(tmp_path)


def test_two_files_may_agree_on_stretches_but_not_contradict(tmp_path):
    put(tmp_path, "wave.3.json")
    write(tmp_path, structured("wave.3.json", (0, 3, "up")) | multi("wave.3.json", (0, 3, "up")))
    assert [r.label for r in read_recordings(tmp_path)] == ["up"]
    write(tmp_path, multi("wave.3.json", (0, 3, "down")))
    with pytest.raises(RecordingError, match="the same stretches"):
        read_recordings(tmp_path)


@given(st.integers(1, 30), st.lists(st.integers(0, 30), min_size=2, max_size=8, unique=True))
@hypothesis_settings(max_examples=100, suppress_health_check=HERE)
def test_no_reading_is_lost_by_cutting(tmp_path, n_readings, ends):
    ends = sorted(end for end in ends if end < n_readings)
    pairs = list(zip(ends[::2], ends[1::2], strict=False))
    put(tmp_path, "wave.3.json", n_readings=n_readings)
    write(tmp_path, structured("wave.3.json", *((a, b, "x") for a, b in pairs)))
    data = read_recordings(tmp_path)
    assert sum(r.n_readings for r in data) + sum(d.n_readings for d in data.dropped) == n_readings
    if pairs:
        expected = [list(range(a, b + 1)) for a, b in pairs]
        assert [r.signal[:, 0].tolist() for r in data] == expected


# ---------------------------------------------------------------- tables of labels


EXPORT = """"annotation_id","annotator","created_at","id","lead_time","timeseriesUrl","trend_forecast","updated_at"
37,"1","2024-12-01T16:46:00Z",119,26.22,"/data/upload/3/f085fe84-2024-12-01T162620_squat.npy.csv","squat","x"
38,"1","2024-12-01T16:46:18Z",120,8.362,"/data/upload/3/65692c05-2024-12-01T162601_squat.npy.csv","other","x"
39,"1","2024-12-01T16:46:21Z",121,2.523,"/data/upload/3/b3b4314e-2024-12-01T162541_lunge.npy.csv","lunge","x"
58,"1","2024-12-01T16:49:21Z",140,2.523,"/data/upload/3/a3b4314e-2024-12-01T162541_lunge.npy.csv","lunge","x"
"""


def test_an_export_of_label_studio_labels_the_files_beside_its_folder(tmp_path):
    names = ["2024-12-01T162620_squat.json", "2024-12-01T162601_squat.json", "2024-12-01T162541_lunge.json"]
    put(tmp_path / "data", *names, "2024-12-01T000000_squat.json")
    write(tmp_path, {"labels/project-3.csv": EXPORT})
    data = read_recordings(tmp_path)
    assert labels(data) == dict(zip(names, ["squat", "other", "lunge"], strict=True)) | {
        "2024-12-01T000000_squat.json": "squat"
    }
    assert data.dropped == ()
    assert len(said(data)) == 3
    assert "does not list a file (data/2024-12-01T000000_squat.json): labelled by name" in said(data)
    assert any(
        w.startswith("names a file") and w.endswith("more than once, in agreement") for w in said(data)
    )


def test_two_annotators_that_disagree_are_refused(tmp_path):
    put(tmp_path, "2024-12-01T162541_lunge.json")
    write(tmp_path, {"labels.csv": EXPORT.replace('"lunge","x"\n58', '"squat","x"\n58')})
    with pytest.raises(RecordingError, match="found 'squat' and 'lunge'") as caught:
        read_recordings(tmp_path)
    assert caught.value.where == f"{tmp_path / 'labels.csv'}, row 4, and {tmp_path / 'labels.csv'}, row 5"


@pytest.mark.parametrize(
    "table",
    [
        "file,label\na.1.json,up\nb.2.json,down\n",
        "label;filename\r\nup;a.1.json\r\ndown;b.2.json\r\n",
        "\ufefffile\tanything\na.1.json\tup\nb.2.json\tdown\n",
        "path,duration,gesture\nx/a.1.json,1.5,up\nx/b.2.json,2,down\n",
        "url,label\nhttp://localhost/data/local-files/?d=raw/a.1.json,up\ns3://bucket/b.2.json?v=1,down\n",
        "file,label\na.1.json,up\nb.2.json,down\nc.3.json,gone\n",
        '"file","label"\n"a.1.json","up"\n"b.2.json","down"\n',
        "file,label\na.1.npy.csv,up\nb.2.json,down\n",
    ],
)
def test_a_table_of_files_and_labels_is_applied(tmp_path, table):
    put(tmp_path, "a.1.json", "b.2.json")
    write(tmp_path, {"labels.csv": table})
    assert labels(read_recordings(tmp_path)) == {"a.1.json": "up", "b.2.json": "down"}


def test_a_table_may_name_people_and_parts(tmp_path):
    put(tmp_path, "a.1.json", "b.2.json")
    write(
        tmp_path, {"t.csv": "file,label,subject,split,day\na.1.json,up,ada,train,1\nb.2.json,,bob,test,2\n"}
    )
    found = [(r.label, r.person, r.split, r.session) for r in read_recordings(tmp_path)]
    assert found == [("up", "ada", "train", "1"), (None, "bob", "test", "2")]


def test_columns_that_are_not_used_are_named(tmp_path):
    put(tmp_path, "a.1.json")
    write(tmp_path, {"t.csv": "file,label,length\na.1.json,up,1.5\n"})
    assert said(read_recordings(tmp_path)) == ["the column 'length' is not used"]


@pytest.mark.parametrize(
    "table",
    [
        "x,y,label\n1,2,up\n3,4,down\n",
        "file,label\nother.1.json,up\n",
        "file,x,label\na.1.json,1,up\na.1.json,2,up\n",
        "file,f1,f2,f3,f4,label\na.1.json,1,2,3,4,up\n",
        "name,note\na.1.json,one,two\n",
        "a.b\n",
        "file,what,ever\na.1.json,x,y\n",
    ],
)
def test_a_table_of_readings_is_no_table_of_labels(tmp_path, table):
    put(tmp_path, "a.1.json")
    write(tmp_path, {"t.csv": table})
    holding, _ = describe(sources_in(tmp_path))
    assert {source.path.name for source in holding} == {"a.1.json", "t.csv"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("trend_forecast", "annotator2"), None),
        ((',"squat","x"\n', ',"[{""start"": 0, ""end"": 5}]","x"\n'), "one label for the whole file"),
        ((',"squat","x"\n', "\n"), "Expected 8 cells, found 6"),
        (('"updated_at"', '"more"'), None),
        ((',"trend_forecast"', ""), "Expected 8 cells|Expected 7 cells, found 8"),
    ],
)
def test_an_export_that_cannot_be_understood_is_refused(tmp_path, change, what):
    put(tmp_path, "2024-12-01T162620_squat.json")
    write(tmp_path, {"labels.csv": EXPORT.replace(*change)})
    if what is None:
        assert [r.label for r in read_recordings(tmp_path)] == ["squat"]
        return
    with pytest.raises(RecordingError, match=what) as caught:
        read_recordings(tmp_path)
    assert str(tmp_path / "labels.csv") in caught.value.where


def test_an_export_with_two_columns_of_labels_is_refused(tmp_path):
    put(tmp_path, "2024-12-01T162620_squat.json")
    rows = [line.split(",") for line in EXPORT.replace('"', "").splitlines()]
    text = "\n".join(",".join([*row, "more" if i == 0 else "ab"[i % 2]]) for i, row in enumerate(rows))
    write(tmp_path, {"labels.csv": text})
    with pytest.raises(
        RecordingError, match=r"one column of labels beside 'timeseriesUrl', found 'trend_f.*'more'"
    ):
        read_recordings(tmp_path)


# ---------------------------------------------------------------- hostile files

SAMPLES = [
    info(one("a.1.json", metadata={"person": "x", "s": 1}), one("b.2.json"))["info.labels"],
    structured("a.1.json", (0, 1, "up"), (2, 3, "down"))["structured_labels.labels"],
    multi("a.1.json", (0, 1, "up"), (2, 3, "down"))["info.labels"],
    EXPORT.replace("2024-12-01T162620_squat.npy.csv", "a.1.json"),
    "file,label,user\na.1.json,up,x\nb.2.json,down,y\n",
]


def check_read_or_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    sources = sources_in(folder)
    try:
        holding, description = describe(sources)
        for source in holding:
            recordings = [Recording(np.arange(4.0), rate_hz=10.0, source=source.name)]
            cut = description(source, recordings)
            lost = sum(d.n_readings for d in source.account()[1])
            assert sum(r.n_readings for r in cut) + lost == 4
            assert description.about(source, About()).label != ""
    except RecordingError as error:
        refusal = str(error)
        assert str(folder / name) in refusal
    finally:
        (folder / name).unlink()


NAMES = st.sampled_from(["info.labels", "x.labels", "x.json", "x.csv"])


@given(st.sampled_from(SAMPLES), NAMES, st.integers(0, 600))
@hypothesis_settings(max_examples=200, suppress_health_check=HERE)
def test_a_truncated_describing_file_is_read_or_refused(tmp_path, text, name, end):
    put(tmp_path, "a.1.json", "b.2.json")
    check_read_or_refused(tmp_path, name, text.encode()[:end])


@given(
    st.sampled_from(SAMPLES),
    NAMES,
    st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=4)), min_size=1, max_size=6),
)
@hypothesis_settings(max_examples=400, suppress_health_check=HERE)
def test_a_mutated_describing_file_is_read_or_refused(tmp_path, text, name, changes):
    put(tmp_path, "a.1.json", "b.2.json")
    content = text.encode()
    for place, new in changes:
        content = content[:place] + new + content[place + len(new) :]
    check_read_or_refused(tmp_path, name, content)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats()
    | st.sampled_from(["a.1.json", "label", "up", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "path",
                    "label",
                    "labels",
                    "type",
                    "startIndex",
                    "endIndex",
                    "metadata",
                    "a.1.json",
                    "category",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["files", "structuredLabels"]), ANYTHING | st.lists(ANYTHING, max_size=4))
@hypothesis_settings(max_examples=400, suppress_health_check=HERE)
def test_entries_of_any_type_are_read_or_refused(tmp_path, key, content):
    put(tmp_path, "a.1.json", "b.2.json")
    check_read_or_refused(tmp_path, "info.labels", json.dumps({key: content}).encode())


HOSTILE = {
    "deep": ("info.labels", b'{"files": ' + b"[" * 10**5),
    "deep objects": ("info.labels", b'{"structuredLabels": ' + b'{"a":' * 10**5),
    "long number": ("info.labels", b'{"files": [' + b"9" * 10**5 + b"]}"),
    "too large": ("info.labels", b'{"files": [' + b" " * 2**25 + b"]}"),
    "long cell": ("x.csv", EXPORT.encode() + b'1,"' + b"a" * 10**6 + b'",1,1,1,1,1\n'),
    "zeros": ("info.labels", b"\0" * 1000),
    "surrogate": ("info.labels", b'{"files": [{"path": "\\ud800", "label": "\\udfff"}]}'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_describing_file_is_read_or_refused(tmp_path, name):
    put(tmp_path, "a.1.json", "b.2.json")
    check_read_or_refused(tmp_path, *HOSTILE[name])


def test_many_entries_and_many_files_take_no_time(tmp_path):
    files = [one(f"{i}/wave.json") for i in range(20_000)]
    text = json.dumps({"files": files}).encode()
    sources = [
        Source(f"{i}/wave.json", PurePosixPath(f"x{i}/wave.json"), 10, lambda: b"{}", None)
        for i in range(5_000)
    ]
    described = Source("info.labels", PurePosixPath("info.labels"), len(text), lambda: text)
    _, description = describe([described, *sources])
    assert len(description.account()[1]) == 1


# ---------------------------------------------------------------- other people's sets


@needs_shared
@pytest.mark.parametrize("name", ["ei_xiao", "ei_exercise", "ei_esp_motion", "ei_lab5_cbor"])
def test_the_labels_are_those_in_the_describing_files(name):
    expected: dict[str, tuple[str, str]] = {}
    for path in (SHARED / name).rglob("*.labels"):
        for file in json.loads(path.read_text())["files"]:
            part = {"training": "train", "testing": "test"}[file["category"]]
            expected[str(path.parent / file["path"])] = (file["label"]["label"], part)
    data = [r for r in read_recordings(SHARED / name) if ": " not in r.source]
    assert data
    assert all(expected[r.source] == (r.label, r.split) for r in data)


@needs_shared
def test_files_that_were_deleted_are_counted():
    data = read_recordings(SHARED / "ei_lab5_cbor")
    why = "names 22 files (such as idle.4ci5p8gv.ingestion-d9d466954-lwvqh.cbor) that cannot be found"
    assert why in [d.why for d in data.dropped]


@needs_shared
def test_label_studio_labels_other_peoples_files():
    sources = sources_in(SHARED / "emlearn_exercise")
    holding, description = describe(sources)
    found = Counter(description.about(source, About()).label for source in holding)
    assert found == {None: 134 - 59 + 2, "other": 26, "jumpingjack": 9, "mixed": 9, "squat": 7, "lunge": 8}
    repairs, dropped = description.account()
    assert dropped == []
    assert sum("more than once" in r.what for r in repairs) == 1
