"""Time series of the archives: .ts, .arff and .tsv, and whatever is damaged."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given

from sources import ABSENT, SHARED, check_read_or_refused, damaged, fuzzed, on_disk, read_within, source_of
from tinyglass import RecordingError, read_recordings
from tinyglass.recordings.readers import arff, series

HEADER = """#A description: @data and such are only words here.

@problemName Gestures
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classLabel true up down
@data
"""
TS = HEADER + "1,2,3:4,5,6:up\n0.5,-1e3:7,8:down\n\n"
ONE = HEADER.replace("univariate false", "univariate true").replace("@dimensions 2\n", "")
STAMPED = HEADER.replace("timeStamps false", "timeStamps true")
ARFF = """% words
@relation 'Gestures'
@attribute att0 numeric
@ATTRIBUTE att1 REAL
@attribute 'att2' integer
@attribute target {1,2}

@data
0.5,1,2,1
3,4,5,2
"""
RELATIONAL = """@relation Gestures
@attribute series relational
@attribute att0 numeric
@attribute att1 numeric
@end series
@attribute activity {'stand still',Walking}
@data
'1,2\\n3,4\\n5,6',Walking
"7,8\\n9,10\\n11,12",'stand still'
"""


def table(labels, n_readings=20, separator="\t", last=0.5):
    return "".join(
        separator.join([label, *(f"{i}.25" for i in range(n_readings - 1)), str(last)]) + "\n"
        for label in labels
    )


def read(folder, text, name="G_TRAIN.ts"):
    reader = arff if "@relation" in text else series
    source = source_of(folder, name, text)
    return reader.read(source), *source.account()


def refusal(folder, text) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read(folder, text)
    return caught.value


# ---------------------------------------------------------------- .ts


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_ts_file_is_read(tmp_path, end):
    recordings, *account = read(tmp_path, TS.replace("\n", end))
    assert [(r.label, r.signal.tolist()) for r in recordings] == [
        ("up", [[1, 4], [2, 5], [3, 6]]),
        ("down", [[0.5, 7], [-1000, 8]]),  # of unequal length, as the header says
    ]
    assert recordings[0].channels == ("channel1", "channel2")
    assert recordings[1].source.endswith("G_TRAIN.ts, line 12")
    assert (recordings[0].rate_hz, recordings[0].units) == (None, ("", ""))
    assert account == [[], []]
    assert {r.split for r in read_recordings(tmp_path / "G_TRAIN.ts")} == {"train"}


def test_the_case_of_the_header_makes_no_difference(tmp_path):
    header, _, rows = TS.partition("@data\n")
    recordings, *_ = read(tmp_path, header.upper().replace("UP DOWN", "up down") + "@DATA\n" + rows)
    assert [r.label for r in recordings] == ["up", "down"]
    recordings, *_ = read(tmp_path, header.replace(" ", "\t") + "@\n@data\n" + rows.replace(":", " : "))
    assert [r.label for r in recordings] == ["up", "down"]


def test_the_number_of_dimensions_is_that_of_the_first_where_none_is_declared(tmp_path):
    text = TS.replace("@dimensions 2\n", "")
    assert [r.signal.shape for r in read(tmp_path, text)[0]] == [(3, 2), (2, 2)]
    error = refusal(tmp_path, text + "1,2:up\n")
    assert error.what == "Expected 2 dimensions and a label, split by colons, found 1 dimensions"


def test_a_file_without_labels_leaves_them_to_the_names(tmp_path):
    text = TS.replace("true up down", "false").replace(":up", "").replace(":down", "")
    assert [r.label for r in read(tmp_path, text, "wave.ts")[0]] == [None, None]
    assert [r.label for r in read_recordings(tmp_path / "wave.ts")] == ["wave", "wave"]


def test_labels_of_a_regression_are_numbers(tmp_path):
    text = ONE.replace("@classLabel true up down", "@targetlabel true")
    assert [r.label for r in read(tmp_path, text + "1,2:0.25\n1,2:3.0\n")[0]] == ["0.25", "3.0"]
    assert "Expected a number as label, found 'up'" in str(refusal(tmp_path, text + "1,2:up\n"))
    assert "Expected a number as label, found 'nan'" in str(refusal(tmp_path, text + "1,2:nan\n"))


def test_the_label_1_0_is_the_label_1_and_said(tmp_path):
    text = ONE.replace("up down", "1 2.0")
    recordings, repairs, _ = read(tmp_path, text + "1,2:1\n1,2:1.0\n1,2:1.0000000e+00\n1,2:2.0\n")
    assert [r.label for r in recordings] == ["1", "1", "1", "2"]
    assert [(r.what, r.count, r.where[-7:]) for r in repairs] == [
        ("labels such as 1.0 are read as 1", 3, "line 11")
    ]


def test_other_numbers_are_labels_as_they_stand(tmp_path):
    text = ONE.replace("true up down", "true")
    labels = ["1.5", "01", "1e5", "nan", "v1.0", "-1", "1.0e400", "9" * 400 + ".0"]
    recordings, repairs, _ = read(tmp_path, text + "".join(f"1,2:{label}\n" for label in labels))
    assert [r.label for r in recordings] == labels
    assert repairs == []


@pytest.mark.parametrize("label", ["", "?", " "])
def test_a_label_left_open_is_open(tmp_path, label):
    (recording,), *_ = read(tmp_path, ONE + f"1,2:{label}\n")
    assert recording.label == ""


@pytest.mark.parametrize("missing", ["NaN", "?", " nan"])
def test_missing_readings_at_the_end_are_padding(tmp_path, missing):
    recordings, repairs, dropped = read(
        tmp_path, HEADER + f"1,2,{missing}:4,5,{missing}:up\n{missing}:{missing}:up\n"
    )
    assert [r.signal.tolist() for r in recordings] == [[[1, 4], [2, 5]]]
    assert [(r.what, r.where[-7:]) for r in repairs] == [
        ("missing readings at the end are padding, and cut off", "line 11")
    ]
    assert [(d.why, d.n_readings, d.where[-7:]) for d in dropped] == [
        ("a recording without readings", 0, "line 12")
    ]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("?,2:4,5:up", "reading 1, channel 'channel1'"),
        ("1,2,3:4,NaN,6:up", "reading 2, channel 'channel2'"),
        ("1,2:3,?:up", "reading 2, channel 'channel2'"),
        ("1,inf:3,4:up", "reading 2, channel 'channel1'"),
    ],
)
def test_missing_readings_elsewhere_are_refused(tmp_path, row, place):
    error = refusal(tmp_path, HEADER + row + "\n")
    assert "Expected a finite number" in error.what
    assert error.where.endswith(f"G_TRAIN.ts, line 11, {place}")


BAD_ROWS = {
    "1,2:3,4": "Expected 2 dimensions and a label, split by colons, found 1 dimensions",
    "1,2:3,4:5,6:up": "Expected 2 dimensions and a label, split by colons, found 3 dimensions",
    "up": "Expected 2 dimensions and a label, split by colons, found 0 dimensions",
    "1,2:3:up": "Expected as many readings in each dimension, found 1 and 2",
    "1,2:3,4:sideways": "Expected one of the labels up, down, found 'sideways'",
    "1,2:3,4:u": "Expected one of the labels up, down, found 'u'",  # the end of the file is missing
    "1,two:3,4:up": "Expected a number, found 'two'",
    "1,:3,4:up": "Expected a number, found ''",
    "::up": "Expected a number, found ''",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line(tmp_path, row):
    error = refusal(tmp_path, f"{TS}{row}\n")
    assert error.what == BAD_ROWS[row]
    assert "G_TRAIN.ts, line 14" in error.where


def test_a_bad_header_is_refused(tmp_path):
    error = refusal(tmp_path, TS.replace("@missing", "missing"))
    assert error.what == "Expected a line with @ or @data before the recordings, found 'missing false'"
    assert error.where.endswith("line 5")
    assert "Expected a line @data, found the end" in str(refusal(tmp_path, HEADER.replace("@data\n", "")))


@pytest.mark.parametrize("declared", ["", "two", "-1", "9" * 50])
def test_a_number_of_dimensions_that_is_none_is_passed_over(tmp_path, declared):
    assert len(read(tmp_path, TS.replace("@dimensions 2", f"@dimensions {declared}"))[0]) == 2


# ---------------------------------------------------------------- .ts with times


def test_dates_become_seconds(tmp_path):
    row = "(2024-10-01 00:00:00,1),(2024-10-01 00:00:00.5,2):(2024-10-01 00:00:00,3), (2024-10-01 00:00:00.5,4):up\n"
    (recording,), *account = read(tmp_path, STAMPED + row)
    assert recording.signal.tolist() == [[1, 3], [2, 4]]
    assert recording.times.tolist() == [0, 0.5]
    assert account == [[], []]


def test_times_without_unit_are_left_out_and_said(tmp_path):
    (recording,), repairs, _ = read(tmp_path, STAMPED + "(0,1),(5,2),(6.5,?):(0,3),(5,4),(6.5,?):up\n")
    assert recording.signal.tolist() == [[1, 3], [2, 4]]
    assert recording.times is None
    assert [r.what for r in repairs] == [
        "the times name no unit: only the order of the readings is kept",
        "missing readings at the end are padding, and cut off",
    ]


BAD_STAMPS = {
    "(0,1),(1,2):(0,1),(2,2):up": "Expected the same times in every dimension",
    "(1,1),(0,2):(1,1),(0,2):up": "Expected times that go forward",
    "(nan,1),(0,2):(nan,1),(0,2):up": "Expected times that go forward",
    "(a,1):(a,2):up": "Expected numbers or dates as times, found 'a'",
    "(2024-99-01,1):(2024-99-01,2):up": "Expected numbers or dates as times, found '2024-99-01'",
    "(2024-10-01,1),(2024-10-02T00:00Z,1):(2024-10-01,1),(2024-10-02T00:00Z,1):up": "Expected numbers or dates",
    "(0;1):(0;1):up": "Expected (time,value),(time,value), found '(0;1)'",
    "0,1:0,1:up": "Expected 2 dimensions and a label, split by colons, found 0 dimensions",
    "(0,1)x:(0,1):up": "Expected 2 dimensions and a label",
    "x(0,1):(0,1):up": "Expected (time,value),(time,value), found 'x(0,1)'",
    "():():up": "Expected (time,value),(time,value), found '()'",
}


@pytest.mark.parametrize("row", BAD_STAMPS)
def test_bad_times_are_refused_with_their_line(tmp_path, row):
    error = refusal(tmp_path, f"{STAMPED}{row}\n")
    assert error.what.startswith(BAD_STAMPS[row])
    assert error.where.endswith("line 11")


# ---------------------------------------------------------------- .arff


def test_an_arff_file_of_one_dimension_is_read(tmp_path):
    recordings, *account = read(tmp_path, ARFF, "G.arff")
    assert [(r.label, r.signal.tolist()) for r in recordings] == [
        ("1", [[0.5], [1], [2]]),
        ("2", [[3], [4], [5]]),
    ]
    assert recordings[1].source.endswith("G.arff, line 10")
    assert account == [[], []]


def test_an_arff_file_of_several_dimensions_is_read(tmp_path):
    recordings, *account = read(tmp_path, RELATIONAL)
    assert [(r.label, r.signal.tolist()) for r in recordings] == [
        ("Walking", [[1, 3, 5], [2, 4, 6]]),
        ("stand still", [[7, 9, 11], [8, 10, 12]]),
    ]
    assert account == [[], []]


@pytest.mark.parametrize(
    ("attribute", "end", "label"),
    [
        ("@attribute target numeric\n", ",0.5\n", "0.5"),
        ("@attribute target string\n", ",up, and away\n", "up, and away"),
        ("@attribute 'the class' {a,' b c'}\n", ",' b c'\n", "b c"),
        ("@attribute target {1,2}\n", ",1.0\n", "1"),
        ("@attribute target {1,2}\n", ",?\n", ""),
        ("", "\n", None),
    ],
)
def test_an_arff_file_has_labels_of_every_kind(tmp_path, attribute, end, label):
    text = ARFF.replace("@attribute target {1,2}\n", attribute).partition("@data\n")[0] + "@data\n1,2,?" + end
    (recording,), *_ = read(tmp_path, text)
    assert (recording.label, recording.n_readings) == (label, 2)


BAD_ARFF = {
    "1,2,3": "Expected 3 readings and a label, found 3 values",
    "1,2": "Expected 3 readings and a label, found 2 values",
    "1,2,3,4,1": "Expected one of the labels 1, 2, found '4,1'",
    "1,2,x,1": "Expected a number, found 'x'",
    "{0 1, 3 2}": "Expected 3 readings and a label, found 2 values",
}


@pytest.mark.parametrize("row", BAD_ARFF)
def test_a_bad_row_of_an_arff_file_is_refused_with_its_line(tmp_path, row):
    error = refusal(tmp_path, f"{ARFF}{row}\n")
    assert error.what == BAD_ARFF[row]
    assert "line 11" in error.where


@pytest.mark.parametrize(
    "row", ["'1,2\\n3,4'", "1,2\\n3,4,Walking", "'1,2\\n3,4,Walking", "'1,2'x,Walking", "''"]
)
def test_a_bad_row_of_dimensions_is_refused_with_its_line(tmp_path, row):
    error = refusal(tmp_path, f"{RELATIONAL}{row}\n")
    assert error.what == f"Expected the dimensions in quotes and a label, found {row!r}"
    assert error.where.endswith("line 10")


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ("@attribute length numeric\n@attribute width numeric\n@attribute class {a}\n", "'width'"),
        ("@attribute a1 numeric\n@attribute c {a}\n@attribute d {a}\n", "'c'"),
        ("@attribute c {a}\n@attribute d {a}\n", "'c'"),
        ("", "'none'"),
    ],
)
def test_a_table_of_other_attributes_is_refused(tmp_path, attributes, found):
    error = refusal(tmp_path, f"@relation flowers\n{attributes}@data\n1,2,a\n")
    assert error.what == f"Expected the attributes of one series and then its label, found {found}"
    assert "CSV" in error.mend


# ---------------------------------------------------------------- .tsv


@pytest.mark.parametrize("separator", ["\t", ",", "  "])
def test_a_table_with_the_label_first_is_read(tmp_path, separator):
    recordings, *account = read(tmp_path, table(["1", "-1", "1", "-1"], separator=separator), "G.tsv")
    assert [r.label for r in recordings] == ["1", "-1", "1", "-1"]
    assert recordings[0].signal.shape == (20, 1)
    assert recordings[0].signal[-2:].tolist() == [[18.25], [0.5]]
    assert recordings[3].source.endswith("G.tsv, line 4")
    assert account == [[], []]


def test_labels_of_a_table_are_read_without_point_and_padding_is_cut(tmp_path):
    recordings, repairs, _ = read(tmp_path, table(["1", "1.0000000e+00"] * 2, last="NaN"))
    assert [(r.label, r.n_readings) for r in recordings] == [("1", 19)] * 4
    assert sorted(r.what for r in repairs) == [
        "labels such as 1.0 are read as 1",
        "missing readings at the end are padding, and cut off",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        table(["1", "2", "1", "2"], n_readings=14),  # as many as a sensor may have channels
        table(["1", "2", "3", "4"]),  # it counts, or is a time
        table(["0.5", "1", "0.5", "1"]),
        table(["up", "down", "up", "down"]),
        table(["1", "1", "x", "1"]),
        table(["1", "1", "1"]) + "1\t2\n",
        re.sub(r"\.25|\.5", ".0", table(["1", "1", "1"])),  # all whole, such as the pixels of a camera
        table(["1", "1"])[:-30],
        "\t".join(["label", *map(str, range(20))]) + "\n" + table(["1", "1"]),
    ],
)
def test_other_tables_are_left_to_others(tmp_path, text):
    assert read(tmp_path, text) == (None, [], [])


# ---------------------------------------------------------------- real sets, and hostile ones


def rows_of(path):
    """(label, {shape}, sum) of every row of data, by means of its own."""
    lines = path.read_text().splitlines()
    if path.suffix == ".tsv":
        cells = [line.split("\t") for line in lines]
        return [(own[0], (len(own) - 1, 1), sum(map(float, own[1:]))) for own in cells]
    start = 1 + next(i for i, line in enumerate(lines) if line.startswith("@data"))
    found = []
    for line in lines[start:]:
        label = re.split("[:,]", line)[-1]
        dimensions = re.split(r":|\\n", line[: -len(label) - 1])
        numbers = [[float(n) for n in re.findall(r"[-+.\deE]+", dimension)] for dimension in dimensions]
        found.append((label, (len(numbers[0]), len(numbers)), sum(map(sum, numbers))))
    return found


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
def test_the_sets_of_the_archives_are_read_whole():
    n_recordings = {}
    for path in sorted((SHARED / "ucr").glob("*_*.*")):
        source = on_disk(path)
        recordings = series.read(source) or arff.read(source)
        assert source.account() == ([], [])
        expected = rows_of(path)
        assert [(r.label, r.signal.shape) for r in recordings] == [row[:2] for row in expected]
        np.testing.assert_allclose(
            [r.signal.sum() for r in recordings], [row[2] for row in expected], rtol=1e-9, atol=1e-9
        )
        n_recordings[path.name] = len(recordings)
        if path.name.startswith("Basic"):
            assert {r.signal.shape for r in recordings} == {(100, 6)}
    assert n_recordings == {
        "BasicMotions_TEST.ts": 40,
        "BasicMotions_TRAIN.arff": 40,
        "BasicMotions_TRAIN.ts": 40,
        "GunPoint_TEST.ts": 150,
        "GunPoint_TRAIN.arff": 50,
        "GunPoint_TRAIN.ts": 50,
        "GunPoint_TRAIN.tsv": 50,
        "PickupGestureWiimoteZ_TEST.ts": 50,
        "PickupGestureWiimoteZ_TRAIN.ts": 50,
        "PickupGestureWiimoteZ_eq_TEST.ts": 50,
        "PickupGestureWiimoteZ_eq_TRAIN.ts": 50,
    }


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
def test_the_forms_of_one_set_are_the_same_set():
    folder = SHARED / "ucr"
    for name, others in {"BasicMotions_TRAIN": [".arff"], "GunPoint_TRAIN": [".arff", ".tsv"]}.items():
        first = series.read(on_disk(folder / f"{name}.ts"))
        for ending in others:
            source = on_disk(folder / f"{name}{ending}")
            for own, other in zip(first, series.read(source) or arff.read(source), strict=True):
                assert own.label == other.label
                np.testing.assert_allclose(own.signal, other.signal, atol=1e-6)


STAMPED_SAMPLE = (
    STAMPED + "(2024-10-01 00:00:00,1),(2024-10-01 00:00:01,2):(2024-10-01 00:00:00,3):up\n(0,1):(0,2):up\n"
)


@given(
    damaged(TS.encode()) | damaged(STAMPED_SAMPLE.encode()) | damaged(table(["1", "2", "1", "2"]).encode())
)
@fuzzed
def test_damaged_series_are_read_or_refused(tmp_path, content):
    check_read_or_refused(series.read, source_of(tmp_path, "x.ts", content))


@given(damaged(ARFF.encode()) | damaged(RELATIONAL.encode()))
@fuzzed
def test_damaged_arff_files_are_read_or_refused(tmp_path, content):
    check_read_or_refused(arff.read, source_of(tmp_path, "x.arff", content))


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ("#" * 10**6 + "\n" + TS, "None"),  # nothing of the format in the first 64 KiB
        (HEADER + "1," * 10**6 + "\n", "at most 1,048,576 are read"),
        (HEADER + ":" * 10**6 + "\n", "Expected 2 dimensions"),
        (STAMPED + ":" * 10**6 + "\n", "Expected 2 dimensions"),
        (STAMPED + "(" * 10**6 + "\n", "Expected 2 dimensions"),
        (STAMPED + "(0,1)" * 10**5 + ":(0,1):up\n", "Expected the same times"),
        (STAMPED + "(" + "1-" * 4 * 10**5 + ",1):(0,1):up\n", "Expected the same times"),
        (ONE + "1:up\n" * 10**5, "read 100000"),
        (ONE + "1:" + "9" * 10**6, "Expected one of the labels"),
        (ONE.replace("up down", "a " * 10**5) + "1:a\n" * 10**4, "read 10000"),
        (ONE + "9" * 10**6 + ":up", "Expected a finite number"),
        (HEADER.replace("@data\n", "@x\n" * 10**5), "Expected a line @data"),
        (table(["1", "1"], n_readings=5000) * 50, "read 100"),
        ("1 " * 5 * 10**5, "read None"),
    ],
)
def test_hostile_series_are_refused_within_bounds(tmp_path, python, content, outcome):
    path = tmp_path / "x.ts"
    path.write_text(content)
    assert outcome in read_within(python, "readers.series.read", path, mib=600, seconds=20)


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (RELATIONAL + "'" * 10**6, "Expected the dimensions in quotes"),
        (RELATIONAL + "'" + "1" * 10**6, "Expected the dimensions in quotes"),
        (ARFF.replace("{1,2}", "{" + "'a," * 10**5), "Expected one of the labels"),
        ("@relation a\n" + "@attribute a1 numeric\n" * 10**5 + "@data\n1,2\n", "Expected 100000 readings"),
        ("@relation a\n@attribute " + " " * 10**5 + "x\n@data\n1\n", "Expected the attributes of one series"),
    ],
)
def test_hostile_arff_files_are_refused_within_bounds(tmp_path, python, content, outcome):
    path = tmp_path / "x.arff"
    path.write_text(content)
    assert outcome in read_within(python, "readers.arff.read", path, mib=600, seconds=20)
