"""Nothing vanishes: the readings in every set, counted by simple means, are in a recording or named as dropped."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from conftest import ROOT
from tinyglass import read_recordings

SHARED = ROOT.parent / "shared" / "data"

# ---------------------------------------------------------------- counting, file by file


def lines_with_a_digit(path: Path) -> int:
    text = path.read_text(encoding="latin-1")
    mark = "\t" if ",\t," in text else r"\d"  # one character a cell: tabs are within rows only
    return sum(bool(re.search(mark, line)) for line in re.split(r"[\r\n]+", text))


def rows_of_print_out(path: Path) -> int:
    return sum(line.count(",") for line in path.read_text().splitlines() if re.match(r"\[.*\d", line))


def values_of_acquisition(path: Path) -> int:
    content = path.read_bytes()
    return len((cbor2 if path.suffix == ".cbor" else json).loads(content)["payload"]["values"])


def rows_of_array(path: Path) -> int:
    """Whole rows of three int16: several of these files end before their header says."""
    content = path.read_bytes()
    begin = 10 + int.from_bytes(content[8:10], "little")
    assert not content or b"'<i2'" in content[:begin] or b"'<h'" in content[:begin]
    return (len(content) - begin) // 6 if content else 0


def rows_of_parquet(path: Path) -> int:
    import polars as pl

    return pl.read_parquet(path).height


def samples_of_gestures(path: Path) -> int:
    found = json.loads(path.read_text())
    if isinstance(found, dict) and "text" in found:  # a project
        found = json.loads(found["text"]["dataset.json"])
    gestures = found.get("data", []) if isinstance(found, dict) else found
    recordings = [r for gesture in gestures for r in gesture.get("recordings", [])]
    return sum(len(r["data"]["x"] if "data" in r else r["samples"]) for r in recordings)


def points_of_strokes(path: Path) -> int:
    return sum(len(stroke["strokePoints"]) for stroke in json.loads(path.read_text())["strokes"])


def readings_of_series(path: Path) -> int:
    """Cells of each line's first dimension, without the NaN that make lines equally long."""
    text = path.read_text()
    lines = [line for line in text.split("@data")[-1].splitlines() if line.strip()]
    if path.suffix == ".tsv":
        firsts = [line.split("\t")[1:] for line in lines]
    elif path.suffix == ".ts":
        firsts = [line.split(":")[0].split(",") for line in lines]
    elif "relational" in text:
        firsts = [line[1:].split("\\n")[0].split(",") for line in lines]
    else:
        firsts = [line.split(",")[:-1] for line in lines]
    return sum(not math.isnan(float(cell)) for cells in firsts for cell in cells)


# ---------------------------------------------------------------- what is in each set

SETS: dict[str, tuple[str, Callable[[Path], int], int, Any]] = {
    "tinyspark": ("*.txt", rows_of_print_out, 10, {"moving_away": 5, "moving_closer": 5}),
    "arduino_fruit": ("*.csv", lines_with_a_digit, 256, {"apple": 71, "banana": 94, "orange": 91}),
    "arduino_imu": ("a*/*.csv", lines_with_a_digit, 876, 13),
    "ei_esp_motion": (
        "*/*.json",
        values_of_acquisition,
        3736,
        {"fall": 935, "groundquack": 931, "idle": 935, "shake": 935},
    ),
    "ei_exercise": (
        "data/t*/*.json",
        values_of_acquisition,
        80,
        {"biceps_flexion": 20, "hello_with_hand": 20, "squat": 20, "wrist_rotation": 20},
    ),
    "ei_lab5_cbor": (
        "training/*.cbor",
        values_of_acquisition,
        79,
        {"idle": 20, "snake": 20, "updown": 18, "wave": 21},
    ),
    "ei_xiao": (
        "t*/*.json",
        values_of_acquisition,
        96,
        dict.fromkeys(("circle", "flick", "idle", "updown"), 24),
    ),
    "emlearn_cgestures": ("raw/*.npy", rows_of_array, 43, {"idle": 9, "snake": 10, "updown": 11, "wave": 13}),
    "emlearn_exercise": (
        "*/*/*.npy",
        rows_of_array,
        165,
        {"jumpingjack": 22, "lunge": 26, "mixed": 9, "other": 82, "squat": 26},
    ),
    "microbit_createai": ("*.json", samples_of_gestures, 260, 16),
    "ucr": ("*[NT].*", readings_of_series, 620, 14),
    "wand_digits": ("*.json", points_of_strokes, 1000, {str(digit): 100 for digit in range(10)}),
    "wand_nanguoyu": (
        "data/**/*.csv",
        lines_with_a_digit,
        250,
        dict.fromkeys(
            ("AlohomoraCharm", "ArrestoMomentumCharm", "AvadaKedavra", "LocomotorCharm", "Revelio"), 50
        ),
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_every_reading_is_in_a_recording_or_named_as_dropped(name):
    if not (SHARED / name).exists():
        pytest.skip("the data sets of other people are not here")
    files, count, n_recordings, classes = SETS[name]
    data = read_recordings(SHARED / name)
    n_readings = sum(count(path) for path in (SHARED / name).glob(files))
    n_readings += sum(rows_of_parquet(path) for path in (SHARED / name).glob("*.parquet"))
    kept = sum(recording.n_readings for recording in data)
    assert n_readings == kept + sum(dropped.n_readings for dropped in data.dropped)
    assert len(data) == n_recordings
    found = Counter(recording.label for recording in data)
    assert None not in found
    assert (found if isinstance(classes, dict) else len(found)) == classes


def test_every_set_is_counted():
    if not SHARED.exists():
        pytest.skip("the data sets of other people are not here")
    assert {path.name for path in SHARED.iterdir() if path.is_dir()} == set(SETS)


def test_an_archive_beside_its_files_is_named_and_not_read_again():
    if not SHARED.exists():
        pytest.skip("the data sets of other people are not here")
    (dropped,) = read_recordings(SHARED / "ei_exercise").dropped
    assert dropped.where.endswith(".zip")
    assert dropped.why == "is an archive of files that lie here unpacked too"
    assert dropped.n_readings == 0


# ---------------------------------------------------------------- without the sets: one small file of each quirk


@pytest.mark.parametrize(
    ("name", "text", "n_readings", "n_dropped"),
    [
        ("a.csv", "aX,aY,aZ\n" + "1,2,3\n4,,6\n" + "1,2,4\n" * 10, 12, 1),
        ("a.txt", ".5,1\n" + "".join(f"{i},{i},1\n" for i in range(20)) + "ERR\n0.1,g,1\n1,1,1\n", 23, 2),
        ("a.csv", "id,time,x,label\n1,0,1,up\n1,10,2,up\n1,20,3,down\n2,0,1,down\n2,10,1,down\n", 5, 0),
        ("a.ts", "@univariate true\n@classLabel true a b\n@data\n1,2,NaN:a\n1,2,3:b\n", 5, 0),
        ("a.json", '{"strokes": [{"strokePoints": [{"x": 1, "y": 2}], "label": 1}]}', 1, 0),
    ],
)  # fmt: skip
def test_a_small_file_is_accounted_for(tmp_path, name, text, n_readings, n_dropped):
    (tmp_path / name).write_text(text)
    data = read_recordings(tmp_path)
    assert sum(dropped.n_readings for dropped in data.dropped) == n_dropped
    assert sum(recording.n_readings for recording in data) == n_readings - n_dropped
