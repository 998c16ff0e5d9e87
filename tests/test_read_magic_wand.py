"""Magic wands: strokes as JSON, blocks of text, and whatever is damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given

from sources import ABSENT, SHARED, check_read_or_refused, damaged, fuzzed, on_disk, read_within, source_of
from tinyglass import RecordingError, read_recordings
from tinyglass.recordings.readers import magic_wand
from tinyglass.recordings.source import About

BLOCKS = """ -,-,-
-766.0,132.0,709.0
-751.0,249.0,659.0

-,-,-
-714.0,182.0,744.0
"""


def stroke(*points, label: object = "7", **more):
    return {"index": 0, "strokePoints": [{"x": x, "y": y} for x, y in points], "label": label, **more}


def read(folder, found, name="digits.json"):
    source = source_of(folder, name, found if isinstance(found, str) else json.dumps({"strokes": found}))
    return magic_wand.read(source), *source.account()


def test_strokes_are_read_with_the_label_inside(tmp_path):
    recordings, *account = read(
        tmp_path, [stroke((0.5, -1), (1, 2)), stroke((3, 4), label=""), stroke((5, 6), label=9)]
    )
    assert [(r.label, r.signal.tolist()) for r in recordings] == [
        ("7", [[0.5, -1], [1, 2]]),
        ("", [[3, 4]]),  # it has a place for a label, and leaves it open
        ("9", [[5, 6]]),
    ]
    assert recordings[0].channels == ("x", "y")
    assert recordings[2].source.endswith("digits.json, stroke 3")
    assert account == [[], []]
    assert [r.label for r in read_recordings(tmp_path / "digits.json")] == ["7", None, "9"]


def test_strokes_of_three_dimensions_are_read(tmp_path):
    points = [{"x": 1, "y": 2, "z": 3}, {"z": 6, "x": 4, "y": 5}]
    (recording,), *_ = read(tmp_path, [{"strokePoints": points}])
    assert (recording.label, recording.channels) == (None, ("x", "y", "z"))
    assert recording.signal.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_strokes_without_points_are_named(tmp_path):
    recordings, _, dropped = read(tmp_path, [stroke(), stroke((1, 2)), stroke()])
    assert len(recordings) == 1
    assert [(d.why, d.n_readings) for d in dropped] == [("strokes without points: 1, 3", 0)]


BAD = {
    "no object": (3, 'Expected a stroke with a list of "strokePoints"', "stroke 2"),
    "no points": ({"label": "1"}, 'Expected a stroke with a list of "strokePoints"', "stroke 2"),
    "another point": (
        {"strokePoints": [{"x": 1, "y": 2}, {"x": 1}]},
        "a point with x, y, found 'x'",
        "stroke 2, reading 2",
    ),
    "no point": ({"strokePoints": [{"x": 1, "y": 2}, None]}, "a point with x, y, found null", "reading 2"),
    "numbers": ({"strokePoints": [1, 2]}, "a point with x, y, found 1", "stroke 2, reading 1"),
    "empty": ({"strokePoints": [{}]}, "a point with x, y, found none", "stroke 2, reading 1"),
    "words": (stroke((1, "two")), "Expected a number, found 'two'", "stroke 2, reading 1, channel 'y'"),
    "null": (stroke((1, 2), (None, 3)), "Expected a number, found null", "stroke 2, reading 2, channel 'x'"),
    "label": (stroke((1, 2), label=["a"]), "Expected a label, found a list", "stroke 2"),
    "truth": (stroke((1, 2), label=True), "Expected a label, found true", "stroke 2"),
    "not finite": (
        stroke((1, 2), (float("nan"), 1)),
        "Expected a finite number, found nan",
        "reading 2, channel 'x'",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_stroke_is_refused_by_number(tmp_path, what):
    bad, expected, where = BAD[what]
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, [stroke((1, 2)), bad])
    assert expected in caught.value.what
    assert "digits.json, stroke 2" in caught.value.where
    assert caught.value.where.endswith(where)


@pytest.mark.parametrize(
    "other", ["", "{}", '{"strokes": 3}', '[{"strokes": []}]', "-1,-2,-3\n4,5,6\n", "a\n-,-,-\n", "-,-\n" * 0]
)
def test_other_files_are_left_to_others(tmp_path, other):
    assert read(tmp_path, other) == (None, [], [])


# ---------------------------------------------------------------- blocks of text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "-,-,-\n", "\n", "1,2,3\n"])
def test_blocks_are_read(tmp_path, end, start):
    recordings, *account = read(tmp_path, (start + BLOCKS).replace("\n", end), "wing.txt")
    assert [r.n_readings for r in recordings] == [1, 2, 1][start != "1,2,3\n" :]
    assert recordings[-1].signal.tolist() == [[-714, 182, 744]]
    assert recordings[-1].channels == ("x", "y", "z")
    assert recordings[-1].units == ("", "", "")
    line = len((start + BLOCKS).splitlines())
    assert recordings[-1].source.endswith(f"wing.txt, line {line}")
    assert account == [[], []]


def test_blocks_of_six_channels_are_read(tmp_path):
    (recording,), *_ = read(tmp_path, "-,-,-,-,-,-\n1,2,3,4,5,6\n", "wing.txt")
    assert recording.channels == tuple(f"channel{i}" for i in range(1, 7))


def test_lines_that_are_no_readings_are_counted(tmp_path):
    text = BLOCKS + "-71,18\nhello\n1,2,3,4\n5,6,7\n"
    recordings, repairs, dropped = read(tmp_path, text, "wing.txt")
    assert [r.n_readings for r in recordings] == [2, 2]
    assert repairs == []
    assert [(d.why, d.n_readings, d.where.rpartition(" ")[2]) for d in dropped] == [
        ("not a reading of 3 numbers", 2, "7")  # the word holds no reading
    ]


def test_a_capture_of_garbage_is_refused(tmp_path):
    with pytest.raises(RecordingError, match=r"Expected readings of 3 numbers, found 4 other lines.*line 7"):
        read(tmp_path, BLOCKS + "a\nb\nc,1\nd\n", "wing.txt")


def test_a_block_with_a_reading_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(RecordingError, match=r"found inf.*line 2, reading 2, channel 'z'"):
        read(tmp_path, "-,-,-\n1,2,3\n1,2,inf\n", "wing.txt")


@pytest.mark.parametrize(
    ("path", "about", "label", "person"),
    [
        ("output_wing_hyw.txt", About(label="output_wing_hyw"), "wing", "hyw"),
        ("output_wing_hyw.txt", About(), "wing", "hyw"),
        ("a/output_wing_hyw.txt", About(label="a"), None, "hyw"),  # the folder is the class
        (
            "output_wing_hyw.txt",
            About(label="output_wing_hyw", person="me"),
            "wing",
            "me",
        ),  # of a user's pattern
        ("output_negative_3.txt", About(label="output_negative"), "negative", None),  # numbered, nobody's
        ("wing.txt", About(label="wing"), None, None),
    ],
)
def test_label_and_person_stand_in_the_name(tmp_path, path, about, label, person):
    source = replace(source_of(tmp_path, path, BLOCKS), path=PurePosixPath(path), about=about)
    assert {(r.label, r.person) for r in magic_wand.read(source)} == {(label, person)}


def test_a_folder_of_blocks_has_classes_and_persons(tmp_path):
    for path in ("wing/output_wing_hyw.txt", "ring/output_ring_hyw.txt", "negative/output_negative_1.txt"):
        source_of(tmp_path, path, BLOCKS)
    found = {(r.label, r.person) for r in read_recordings(tmp_path)}
    assert found == {("wing", "hyw"), ("ring", "hyw"), ("negative", None)}


# ---------------------------------------------------------------- real sets, and hostile ones


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
def test_the_thousand_digits_are_read_whole():
    n_recordings = 0
    for path in sorted((SHARED / "wand_digits").glob("*.json")):
        strokes = json.loads(path.read_text())["strokes"]
        expected = [(s["label"], [[p["x"], p["y"]] for p in s["strokePoints"]]) for s in strokes]
        recordings = magic_wand.read(on_disk(path))
        assert [(r.label, r.signal.tolist()) for r in recordings] == expected
        n_recordings += len(recordings)
    assert n_recordings == 1000


SAMPLE = json.dumps({"strokes": [stroke((0.5, -1), (1, 2)), stroke((3, 4), label="")]}).encode()


@given(damaged(SAMPLE) | damaged(BLOCKS.encode()))
@fuzzed
def test_damaged_files_are_read_or_refused(tmp_path, content):
    check_read_or_refused(magic_wand.read, source_of(tmp_path, "x.json", content))


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (b'{"strokes":[' + b"[" * 10**5, "nested too deeply"),
        (b'{"strokes":[{"strokePoints":[{"x":1e999}]}]}', "Expected a finite number, found inf"),
        (b'{"strokes":[' + b'{"strokePoints":[]},' * 10**5 + b"{}]}", "refused Expected a stroke"),
        (b"-,-,-\n" * 10**5, "read 0"),
        (b"-,-,-\n1,2,3\n" * 10**5, "read 100000"),
        (b"-" + b",-" * 10**4 + b"\n1\n", "refused Expected readings of 10001 numbers, found 1 other lines"),
        (b"-,-,-\n" + b"1," * 10**6, "at most 1,048,576 are read"),
        (b"-,-,-\n1,2," + b"9" * 10**5 + b"\n", "Expected a finite number"),
        (
            b"-,-,-\n" + b"garbage\n" * 10**5,
            "refused Expected readings of 3 numbers, found 100000 other lines",
        ),
    ],
)
def test_hostile_files_are_refused_within_bounds(tmp_path, python, content, outcome):
    path = tmp_path / "wing.txt"
    path.write_bytes(content)
    assert outcome in read_within(python, "readers.magic_wand.read", path, mib=600, seconds=20)
