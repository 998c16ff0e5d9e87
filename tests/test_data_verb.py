"""The verb data: what it prints, its JSON, its picture, its choice of labels, and mischief in labels."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tinyglass import ArgumentError, DataSet, Recording, choose
from tinyglass.figures import plot_recordings

CLASSES = ("circle", "flick", "x-circle")


def write(folder: Path, label: str, name: str, scale: float = 1.0, n: int = 20) -> None:
    (folder / label).mkdir(parents=True, exist_ok=True)
    t = np.linspace(0, 6, n)
    shift = sum(k * ord(c) for k, c in enumerate(label + name, 1))
    rows = [f"{scale * np.sin(x + shift):.4f},{scale * np.cos(2 * x + shift):.4f}" for x in t]
    (folder / label / name).write_text("\n".join(["accX [g],accY [g]", *rows]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings of three classes, made by two people."""
    for label in CLASSES:
        for i in range(4):
            write(tmp_path / "gestures", label, f"a0{i % 2}-{i}.csv")
    return tmp_path / "gestures"


def json_of(done):
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return msgspec.json.decode(done.stdout)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- JSON and text


def test_the_json_of_the_course(command):
    facts = json_of(command("data", "--json"))
    assert facts["recordings"] == 10
    assert facts["classes"] == {"moving_away": 5, "moving_closer": 5}
    assert facts["channels"] == ["distance"]
    assert facts["units"] == [""]
    assert facts["rate_hz"] == 4.0
    assert facts["repairs"] == facts["dropped"] == []
    assert facts["lengths"] == {"min": 3, "median": 3, "max": 3}
    saturated = next(f for f in facts["findings"] if f["kind"] == "saturated_channels")
    assert "127.875" in saturated["what"]
    assert len(saturated["recordings"]) == len(saturated["sources"]) == len(saturated["details"])


def test_what_was_read_and_what_looks_wrong_is_printed(command, folder):
    before = contents(folder)
    done = command("data", folder, "--group", r"person=(a\d+)-")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # a bar is shown for what takes seconds only
    for words in (
        "12, 240 readings",
        "circle (4), flick (4), x-circle (4)",
        "a00 (6), a01 (6)",
        "accX (g), accY (g)",
        "20–20–20 readings",
        "> If they do: --rename x-circle=circle.",
    ):
        assert words in done.stdout
    assert contents(folder) == before


def test_repairs_and_what_was_dropped_are_said_once_for_all_files(here, folder):
    for i in range(3):
        (folder / f"notes{i}.txt").write_text("nothing to see here\n")
    facts = json_of(here("data", folder, "--json"))
    assert {d["why"] for d in facts["dropped"]} == {"holds no recordings in a format that tinyglass reads"}
    assert len(facts["dropped"]) == 3
    text = here("data", folder).stdout
    assert text.count("holds no recordings") == 1
    assert "3 places, first" in text


def test_long_lists_are_cut(here, folder):
    for i in range(20):
        write(folder, "flick", f"copy{i}.csv")
        (folder / "flick" / f"copy{i}.csv").write_bytes((folder / "flick" / "a00-0.csv").read_bytes())
    text = here("data", folder).stdout
    assert "20 recordings repeat others: 1 set of exact duplicates" in text
    assert "and 18 more" in text


# ---------------------------------------------------------------- choosing


def test_only_and_rename(here, folder):
    facts = json_of(here("data", folder, "--rename", "x-circle=circle", "--only", "circle", "--json"))
    assert facts["classes"] == {"circle": 8}
    (left_out,) = facts["dropped"]
    assert left_out["why"] == "its label 'flick' is left out by --only (4 recordings)"
    assert left_out["n_readings"] == 80
    assert facts["readings"] + left_out["n_readings"] == 240
    old_name = json_of(
        here(
            "data",
            folder,
            "--rename",
            "x-circle=circle",
            "--rename",
            "flick=f",
            "--only",
            "x-circle,f",
            "--json",
        )
    )
    assert old_name["classes"] == {"circle": 8, "f": 4}
    assert old_name["dropped"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "flik"), ("'flik'", "--only", "Did you mean 'flick'?")),
        (("--rename", "cirlce=c"), ("'cirlce'", "--rename", "Did you mean 'circle'?")),
        (("--rename", "circle"), ("OLD=NEW", "'circle'")),
        (("--rename", "circle="), ("OLD=NEW",)),
        (("--group", "person"), ("KIND=PATTERN", "'person'")),
        (("--group", "persn=x"), ("'persn'", "Did you mean 'person'?")),
        (("--plot", "a.bmp"), (".svg, .png or .pdf", "'a.bmp'")),
        (("--save", "a.xls"), (".parquet", "'a.xls'")),
        (("--labl", "x"), ("--labl", "Did you mean '--label'?")),
    ],
)
def test_what_cannot_be_meant_is_refused(here, folder, words, said):
    done = here("data", folder, *words)
    assert done.returncode == 2
    for part in said:
        assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_escaped_signs_in_labels(here, tmp_path):
    for label in ("a,b", "c=d", "e"):
        for i in range(2):
            write(tmp_path / "odd", label, f"{i}.csv")
    words = ("--rename", r"a\,b=1,c\=d=2\,3", "--only", r"1,2\,3")
    facts = json_of(here("data", tmp_path / "odd", *words, "--json"))
    assert facts["classes"] == {"1": 2, "2,3": 2}


def test_choosing_keeps_the_account_and_leaves_the_data_as_it_is():
    recordings = tuple(
        Recording([[1.0], [2.0]], label=label, source=f"{label}.csv") for label in ("a", "b", None)
    )
    data = DataSet(recordings)
    chosen = choose(data, only=["c"], rename={"a": "c"})
    assert [r.label for r in chosen] == ["c"]
    assert [(d.where, d.n_readings) for d in chosen.dropped] == [("b.csv", 2), ("None.csv", 2)]
    assert "no label" in chosen.dropped[1].why
    assert [r.label for r in data] == ["a", "b", None]
    assert [r.label for r in choose(data, label="z")] == ["a", "b", "z"]
    assert choose(data).dropped == ()
    with pytest.raises(ArgumentError, match="--label"):
        choose(DataSet(recordings[2:]), only=["a"])


def test_label_for_recordings_that_carry_none(here, tmp_path):
    (tmp_path / "7.csv").write_text("x,y\n" + "1,2\n3,4\n" * 5)
    assert json_of(here("data", tmp_path / "7.csv", "--json"))["unlabelled"] == 1
    facts = json_of(here("data", tmp_path / "7.csv", "--label", "wave", "--json"))
    assert facts["classes"] == {"wave": 1}
    assert facts["unlabelled"] == 0


# ---------------------------------------------------------------- mischief


@pytest.mark.parametrize(
    "label",
    ["\x1b[31mred\x07", "<script>alert(1)</script>", "$x^2$", "[bold]x[/bold]", "\u202eabc", "a" * 100_000],
)
def test_a_label_is_data(here, tmp_path, label):
    rows = [
        ["label", "a", "b"],
        *[[label if i % 2 else "other", str(i * 7 % 5), str(i * 3 % 7)] for i in range(24)],
    ]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(",".join(row) for row in rows))
    text = here("data", file, "--plot", tmp_path / "all.svg")
    assert text.returncode == 0, text.stderr
    assert "\x1b" not in text.stdout
    assert "\x07" not in text.stdout
    assert max(map(len, text.stdout.splitlines())) < 3000
    picture = (tmp_path / "all.svg").read_text()
    assert "<script" not in picture
    assert len(picture) < 500_000
    if "\x1b" not in label:
        assert json_of(here("data", file, "--json"))["classes"] == {label: 12, "other": 12}


def test_one_recording(here, tmp_path):
    write(tmp_path, "wave", "1.csv")
    done = here("data", tmp_path / "wave" / "1.csv", "--plot", tmp_path / "one.png")
    assert done.returncode == 0, done.stderr
    assert "nothing to tell apart" in done.stdout or "no label" in done.stdout


def test_an_empty_folder_is_refused(here, tmp_path):
    done = here("data", tmp_path)
    assert done.returncode == 2
    assert "Found no recordings" in done.stderr


# ---------------------------------------------------------------- the picture


@pytest.mark.parametrize(("ending", "begin"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_the_picture_is_what_its_ending_says(here, folder, tmp_path, ending, begin):
    file = tmp_path / f"all{ending}"
    assert here("data", folder, "--plot", file).returncode == 0
    assert file.read_bytes().startswith(begin)
    once = file.read_bytes()
    assert here("data", folder, "--plot", file).returncode == 0  # a picture may be drawn anew
    assert file.read_bytes() == once


def test_the_picture_names_classes_channels_units_and_what_is_not_drawn(tmp_path):
    recordings = [
        Recording(
            np.random.default_rng(i).normal(size=(30, 11)),
            tuple(f"c{k}" for k in range(11)),
            ("g",) * 11,
            rate_hz=10.0,
            label=f"class {i % 35}",
        )
        for i in range(70)
    ]
    plot_recordings(recordings, tmp_path / "all.svg")
    text = re.sub(r"<(?!text|/text|tspan)[^>]*>", "", (tmp_path / "all.svg").read_text())
    for words in ("class 3", "c0 (g)", "seconds", "5 more classes", "2 more channels"):
        assert words in text
    assert "c10" not in text
    many = [Recording(np.ones((3, 1)) * i, label="a") for i in range(1000)]
    plot_recordings(many, tmp_path / "many.svg")
    assert "(1,000, 300 drawn)" in (tmp_path / "many.svg").read_text()
    assert "reading" in (tmp_path / "many.svg").read_text()


def test_recordings_of_other_channels_and_single_readings_are_drawn(tmp_path):
    mixed = [Recording(np.eye(4), label="a"), Recording(np.ones((900, 2)), ("p", "q"), label=None)]
    plot_recordings(mixed, tmp_path / "mixed.svg")
    text = (tmp_path / "mixed.svg").read_text()
    assert "no label" in text
    assert "channel4" in text
    plot_recordings([Recording([[1.0, 2.0]], ("red", "green"), label="apple")], tmp_path / "row.svg")
    assert "green" in (tmp_path / "row.svg").read_text()


def test_no_file_that_is_no_picture_is_overwritten(here, folder, tmp_path):
    file = tmp_path / "notes.svg"
    file.write_text("my notes")
    done = here("data", folder, "--plot", file)
    assert done.returncode == 2
    assert "is no picture" in done.stderr
    assert file.read_text() == "my notes"


def test_pictures_need_matplotlib(here, folder, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    done = here("data", folder, "--plot", tmp_path / "all.svg")
    assert done.returncode == 2
    assert "tinyglass[plots]" in done.stderr


def test_saved_and_read_again_it_is_the_same(here, folder, tmp_path):
    before = contents(folder)
    first = json_of(here("data", folder, "--json", "--save", tmp_path / "all.parquet"))
    again = json_of(here("data", tmp_path / "all.parquet", "--json"))
    for name in ("recordings", "classes", "channels", "units", "rate_hz", "readings", "lengths"):
        assert again[name] == first[name]
    assert contents(folder) == before
