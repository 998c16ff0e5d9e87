"""What looks wrong with data: each kind of finding where it should be, and none where it should not."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyglass import Finding, Recording, find_problems, read_recordings
from tinyglass.findings.copies import find_copies
from tinyglass.findings.labels import find_label_problems

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_sets = pytest.mark.skipif(not SHARED.exists(), reason="the data sets of other people are not here")


def gestures(n: int = 20, classes: str = "abc", seed: int = 0, n_readings: int = 50) -> list[Recording]:
    """Return n recordings of each class, that can be told apart and are never twice the same."""
    random = np.random.default_rng(seed)
    t = np.linspace(0, 1, n_readings)[:, None]
    return [
        Recording(
            np.sin(2 * np.pi * (k + 1) * (t + random.uniform(0, 0.2)) + np.arange(3))
            * random.uniform(0.7, 1.3)
            + random.normal(0, 0.05, (n_readings, 3)),
            ("x", "y", "z"),
            rate_hz=50.0,
            label=label,
            source=f"{label}/{i}.csv",
        )
        for k, label in enumerate(classes)
        for i in range(n)
    ]


def found(recordings: list[Recording]) -> dict[str, Finding]:
    findings = find_problems(recordings)
    assert len({f.kind for f in findings}) == len(findings)
    for finding in findings:
        assert finding.what
        assert finding.remedy
        assert not finding.what.endswith(".")
        assert len(finding.recordings) == len(finding.sources) == len(finding.details)
        assert finding.sources == tuple(recordings[i].source for i in finding.recordings)
    return {f.kind: f for f in findings}


def test_nothing_looks_wrong_with_good_data():
    assert found(gestures()) == {}


def test_no_recordings_and_one():
    assert find_problems([]) == []
    assert set(found(gestures(1, "a"))) == {"one_class", "too_few"}
    assert found([Recording([[1.0]])])["unlabelled"].recordings == (0,)


# ---------------------------------------------------------------- the course


def test_the_course_saturates(course):
    finding = found(list(course))["saturated_channels"]
    assert "127.875 (7 readings in 7 recordings)" in finding.what
    assert finding.severity == "warning"
    assert len(finding.recordings) == 10
    assert "larger range" in finding.remedy


# ---------------------------------------------------------------- duplicates


def test_exact_duplicates_across_train_and_test_with_another_label():
    recordings = gestures()
    recordings = [replace(r, split="test" if i % 5 == 0 else "train") for i, r in enumerate(recordings)]
    recordings[7] = replace(recordings[7], signal=recordings[5].signal)
    recordings[30] = replace(recordings[30], signal=recordings[2].signal)
    finding = found(recordings)["exact_duplicates"]
    assert set(finding.recordings) == {2, 5, 7, 30}
    assert finding.what.startswith("2 recordings repeat others: 2 sets of exact duplicates")
    assert "2 sets lie across train and test" in finding.what
    assert "1 set has different labels" in finding.what
    assert finding.details[finding.recordings.index(7)] == "same as a/5.csv"
    assert "test part" in finding.remedy


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x + np.random.default_rng(1).normal(0, 0.02, x.shape),
        lambda x: 9.81 * x,
        lambda x: (4096 * x).round(),
        lambda x: x.round(2),
        lambda x: x[::2],
        lambda x: x[7:],
        lambda x: x[10:35],
        lambda x: np.concatenate([x[20:], x[:1] + np.random.default_rng(2).normal(size=(20, 3))]),
    ],
    ids=[
        "noise",
        "other unit",
        "raw counts",
        "rounded",
        "half the rate",
        "shifted",
        "cut out",
        "overlapping window",
    ],
)
def test_near_duplicates(copy):
    random = np.random.default_rng(0)
    waves = np.sin(np.linspace(0, 2 * np.pi, 61)[:, None] * [0.5, 1, 1.5, 2, 2.5] + np.arange(5))
    recordings = [replace(r, signal=waves @ random.normal(size=(5, 3))) for r in gestures()]
    recordings.append(replace(recordings[3], signal=copy(recordings[3].signal), source="copy.csv"))
    (finding,) = find_copies(recordings)
    assert finding.kind == "near_duplicates"
    assert finding.recordings == (3, 60)
    assert "a/3.csv" in finding.details[1]


def test_rest_and_gestures_that_are_always_alike_are_no_duplicates():
    random = np.random.default_rng(0)
    idle = [Recording(random.integers(0, 2, (40, 1)) / 100, label="idle") for _ in range(40)]
    ramps = [Recording(np.linspace(0, 50, 30) + random.normal(0, 0.3, 30), label="ramp") for _ in range(40)]
    short = [Recording(random.integers(0, 9, (3, 1)) / 1.0, label="short") for _ in range(5)]
    assert [f.kind for f in find_copies([*idle, *ramps])] == []
    assert not [f for f in find_copies(short) if f.kind == "near_duplicates"]


def test_equal_rows_of_few_numbers_may_be_chance():
    rows = [Recording([[0.1, 0.2, 0.3]], label="apple", source=f"line {i}") for i in range(3)]
    (finding,) = find_copies(rows)
    assert finding.severity == "note"
    assert "chance" in finding.what


# ---------------------------------------------------------------- labels


def near_identical(*labels: str) -> str:
    recordings = [Recording([[1.0]], label=label) for label in labels for _ in range(10)]
    return next((f.remedy for f in find_label_problems(recordings) if f.kind == "near_identical_labels"), "")


@pytest.mark.parametrize(
    ("labels", "command"),
    [
        (("circle", "x-circle"), "--rename x-circle=circle"),
        (("circle", "Circle", "flick"), "--rename Circle=circle"),
        (("up down", "up_down"), "--rename 'up down=up_down'"),
        (("wave", "waves"), "--rename waves=wave"),
        (("walk", "walking"), "--rename walking=walk"),
        (("circle", "cirlce"), "--rename circle=cirlce"),
        (("wave", "wave new"), "--rename 'wave new=wave'"),
        (("1", "1.0"), "--rename 1.0=1"),
        (("a,b=c", "a,b=c "), r"--rename 'a\,b\=c =a\,b\=c'"),
    ],
)
def test_near_identical_labels_come_with_the_command(labels, command):
    assert near_identical(*labels).endswith(command)


@pytest.mark.parametrize(
    "labels",
    [
        ("1", "2", "10", "11"),
        ("wave", "wave2"),
        ("wave1", "wave2"),
        ("updown", "up", "down"),
        ("left", "right", "lift"),
        ("circle left", "circle right"),
        ("circle", "circle_l", "circle_r"),
        ("fall", "no fall"),
        ("walking", "talking"),
        ("-", "+", ""),
    ],
)
def test_labels_that_are_two_gestures(labels):
    assert near_identical(*labels) == ""


def test_the_rare_label_is_renamed():
    recordings = [*gestures(15, ["circle", "flick"]), *gestures(2, ["x-circle"], seed=1)]
    finding = found(recordings)["near_identical_labels"]
    assert finding.remedy.endswith("--rename x-circle=circle")
    assert finding.recordings == (30, 31)


def test_few_unequal_and_missing_labels():
    recordings = [*gestures(40, "ab"), *gestures(4, "c", seed=1)]
    recordings[0] = replace(recordings[0], label=None)
    findings = found(recordings)
    assert "c (4)" in findings["too_few"].what
    assert "b has 40 recordings, c only 4: 10 times" in findings["imbalance"].what
    assert findings["unlabelled"].sources == ("a/0.csv",)
    assert "--label" in findings["unlabelled"].remedy
    assert "one_class" in found(gestures(20, "a"))


def test_quantities_are_no_classes():
    random = np.random.default_rng(0)
    recordings = [Recording(random.normal(size=(20, 2)), label=f"{random.uniform():.4f}") for _ in range(50)]
    assert found(recordings) == {}


# ---------------------------------------------------------------- contradicted


def test_a_wrong_label_is_contradicted_by_the_rest():
    recordings = gestures()
    recordings[4] = replace(recordings[4], label="b")
    recordings[50] = replace(recordings[50], label="a")
    finding = found(recordings)["contradicted_labels"]
    assert finding.recordings == (4, 50)
    assert finding.details == ("labelled b, looks like a", "labelled a, looks like c")
    assert "correct the label" in finding.remedy


def test_a_wrong_label_among_the_ten_of_the_course(course):
    recordings = [replace(course[0], label="moving_closer"), *course[1:]]
    assert found(recordings)["contradicted_labels"].recordings == (0,)


def test_noise_contradicts_nobody():
    random = np.random.default_rng(0)
    recordings = [Recording(random.normal(size=(20, 3)), label="ab"[i % 2]) for i in range(60)]
    assert "contradicted_labels" not in found(recordings)


@needs_sets
@pytest.mark.parametrize(
    ("name", "recall", "false"),
    [("ei_exercise/data/training", 0.9, 0), ("microbit_createai/wand-data-samples.json", 0.6, 2)],
)
def test_planted_wrong_labels_are_found_in_real_data(name, recall, false):
    data = list(read_recordings(SHARED / name))
    labels = sorted({r.label for r in data})
    random = np.random.default_rng(0)
    planted = random.choice(len(data), 4, replace=False)
    for i in planted:
        data[i] = replace(data[i], label=random.choice([x for x in labels if x != data[i].label]))
    named = set(found(data)["contradicted_labels"].recordings)
    assert len(named & set(planted)) >= recall * len(planted)
    assert len(named - set(planted)) <= false


# ---------------------------------------------------------------- readings, channels, units


def test_a_flat_recording_and_channels_that_rest():
    recordings = gestures()
    recordings[3] = replace(recordings[3], signal=np.zeros((50, 3)))
    stuck = recordings[8].signal.copy()
    stuck[:, 1] = 0.5
    recordings[8] = replace(recordings[8], signal=stuck)
    findings = found(recordings)
    assert findings["flat_recordings"].recordings == (3,)
    assert "zero in 1" in findings["flat_recordings"].what
    assert findings["constant_channel"].recordings == (8,)
    assert findings["constant_channel"].details == ("constant: y",)
    everywhere = [replace(r, signal=r.signal * [1, 1, 0]) for r in gestures()]
    assert "channel z is constant: 0 in every" in found(everywhere)["constant_channel"].what


@pytest.mark.parametrize("limit", [0.9, 2.04 / 2])
def test_clipped_readings_are_found(limit):
    recordings = [replace(r, signal=r.signal.clip(-limit, limit)) for r in gestures()]
    finding = found(recordings)["saturated_channels"]
    assert f"x, y, z at the upper end {limit:g}" in finding.what
    assert f"x, y, z at the lower end {-limit:g}" in finding.what


def test_quantised_switched_scaled_and_resting_readings_are_no_saturation():
    random = np.random.default_rng(0)
    data = gestures()
    quantised = [replace(r, signal=r.signal.round(1)) for r in data]
    switched = [replace(r, signal=(r.signal > 0) * 1.0) for r in data]
    scaled = [replace(r, signal=r.signal / np.abs(r.signal).max()) for r in data]
    counts = [replace(r, signal=random.poisson(1, (50, 3)) * 1.0) for r in data]
    for recordings in (quantised, switched, scaled, counts):
        assert "saturated_channels" not in found(recordings)


def test_another_range_hides_no_saturation():
    narrow = [replace(r, signal=r.signal.clip(-0.9, 0.9), source=f"narrow/{r.source}") for r in gestures()]
    wide = [replace(r, source=f"wide/{r.source}") for r in gestures(seed=1)]
    assert "0.9" in found([*narrow, *wide])["saturated_channels"].what


def test_declared_units_that_differ():
    recordings = [replace(r, units=("g",) * 3) for r in gestures()]
    recordings[2] = replace(recordings[2], units=("m/s2",) * 3)
    finding = found(recordings)["mixed_units"]
    assert "x, y, z in g (59), m/s2 (1)" in finding.what
    assert finding.recordings == (2,)
    assert "Training converts" in finding.remedy


@pytest.mark.parametrize(("factor", "hint"), [(9.81, "g and m/s²"), (4096, "raw counts")])
def test_units_that_are_not_declared_are_suspected(factor, hint):
    recordings = gestures()
    for i, r in enumerate(recordings):
        gravity = r.signal + np.array([0, 0, 2])
        other = i % 20 >= 15
        recordings[i] = replace(
            r, signal=gravity * (factor if other else 1), source=f"{'s2' if other else 's1'}/{r.source}"
        )
    finding = found(recordings)["suspected_units"]
    assert len(finding.recordings) == 15
    assert all(source.startswith("s2/") for source in finding.sources)
    assert hint in finding.what


def test_one_wild_movement_is_no_unit():
    recordings = gestures()
    recordings[0] = replace(recordings[0], signal=10 * recordings[0].signal)
    assert "suspected_units" not in found(recordings)


def test_a_unit_that_gravity_contradicts():
    recordings = [replace(r, signal=r.signal / 10 + [0, 0, 1], units=("m/s2",) * 3) for r in gestures()]
    assert "as gravity has in g" in found(recordings)["contradicted_units"].what
    right = [replace(r, signal=r.signal + np.array([0, 0, 9.81]), units=("m/s2",) * 3) for r in gestures()]
    assert found(right) == {}


def test_other_channels_are_named():
    recordings = gestures()
    recordings[1] = Recording(
        recordings[1].signal[:, :2], ("x", "y"), label="a", rate_hz=50, source="two.csv"
    )
    finding = found(recordings)["mixed_channels"]
    assert finding.sources == ("two.csv",)
    assert finding.details == ("x, y",)


# ---------------------------------------------------------------- times


def timed(times_of) -> list[Recording]:
    recordings = gestures()
    regular = np.arange(50) / 50
    recordings = [replace(r, times=regular) for r in recordings]
    recordings[6] = replace(recordings[6], times=times_of(regular), rate_hz=None)
    return recordings


def test_regular_times_are_no_finding():
    assert found(timed(lambda t: t)) == {}


@pytest.mark.parametrize(
    ("kind", "times_of", "detail"),
    [
        ("jitter", lambda t: t + np.resize([0, 0.002], 50), "18 to 22 ms"),
        ("gaps", lambda t: t + 0.1 * (t > 0.5), "120 ms before reading 27, 5 readings missing"),
        ("clock_steps", lambda t: t + 3600 * (t > 0.5), "3600 s before reading 27"),
    ],
)
def test_times_that_are_not_regular(kind, times_of, detail):
    findings = found(timed(times_of))
    assert findings[kind].recordings == (6,)
    assert findings[kind].details == (detail,)
    assert set(findings) == {kind}


def test_rates_that_differ_and_a_rate_that_the_times_contradict():
    recordings = gestures()
    recordings[5] = replace(recordings[5], rate_hz=100.0)
    recordings[6] = replace(recordings[6], rate_hz=None)
    recordings[7] = replace(recordings[7], rate_hz=50.01)
    findings = found(recordings)
    assert "50 Hz (58), 100 Hz (1), unknown (1)" in findings["mixed_rates"].what
    assert findings["mixed_rates"].recordings == (5, 6)
    twice = replace(gestures()[0], times=np.arange(50) / 25)
    assert found([twice, *gestures()[1:]])["rate_contradicts_times"].recordings == (0,)


def test_lengths_that_are_odd():
    recordings = gestures()
    recordings[0] = replace(recordings[0], signal=recordings[0].signal[:9])
    recordings[1] = replace(recordings[1], signal=np.random.default_rng(5).normal(size=(400, 3)))
    findings = found(recordings)
    assert findings["short_recordings"].details == ("0.18 s",)
    assert findings["long_recordings"].recordings == (1,)
    many = [replace(r, signal=r.signal[: 50 if i % 2 else 20]) for i, r in enumerate(gestures())]
    assert "0.4 to 1 s" in found(many)["different_lengths"].what


# ---------------------------------------------------------------- groups and parts


def test_people_on_both_sides_and_classes_of_one_person():
    recordings = [
        replace(r, person=f"p{i % 4}", split="test" if i % 3 == 0 else "train")
        for i, r in enumerate(gestures())
    ]
    finding = found(recordings)["group_on_both_sides"]
    assert "4 of 4 people" in finding.what
    alone = [replace(r, person="p0" if r.label == "c" else r.person) for r in recordings]
    assert "1 class comes from a single person: c (p0)" in found(alone)["label_of_one_group"].what
    apart = [replace(r, split="test" if r.person == "p0" else "train") for r in recordings]
    assert found(apart) == {}


def test_a_label_in_one_part_only():
    recordings = [
        replace(r, split="test" if r.label == "c" or i % 2 else "train") for i, r in enumerate(gestures())
    ]
    finding = found(recordings)["label_only_in_test"]
    assert "c" in finding.what
    assert len(finding.recordings) == 20


# ---------------------------------------------------------------- hostile, large, real


def test_hostile_labels_and_readings():
    for label in ("\x1b[31mred", "<script>", "a" * 100_000, "", "$x^2$", "=", ",", "\n", "nan", "inf"):
        recordings = [*gestures(12, ["b"]), *(replace(r, label=label) for r in gestures(12, "c", seed=1))]
        for finding in find_problems(recordings):
            assert len(finding.what) < 2000
    huge = [replace(r, signal=r.signal * 1e308 / 2) for r in gestures()]
    tiny = [replace(r, signal=r.signal * 1e-308) for r in gestures()]
    for recordings in (huge, tiny):
        find_problems(recordings)


def test_ten_thousand_recordings_take_seconds():
    recordings = [
        replace(r, source=f"{i}.csv", person=f"p{i % 9}") for i, r in enumerate(gestures(2500, "abcd"))
    ]
    begin = time.process_time()
    find_problems(recordings)
    assert time.process_time() - begin < 40  # about 6 s of two cores; a test machine may be slow


@needs_sets
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("ei_exercise/data/training", set()),
        ("wand_digits", {"contradicted_labels"}),
        ("ei_lab5_cbor", {"saturated_channels"}),
        ("ei_xiao", {"saturated_channels", "contradicted_units"}),
        ("wand_nanguoyu", {"near_duplicates", "saturated_channels"}),
        ("ucr/BasicMotions_TRAIN.ts", set()),
        ("ucr/GunPoint_TEST.ts", set()),
    ],
)
def test_real_sets_have_what_is_wrong_with_them_and_nothing_else(name, kinds):
    assert set(found(list(read_recordings(SHARED / name)))) == kinds


@needs_sets
def test_real_sets_of_many_people_and_formats():
    arduino = found(list(read_recordings(SHARED / "arduino_imu")))
    assert {source.split("/")[-2] for source in arduino["suspected_units"].sources} == {"a15"}
    microbit = found(list(read_recordings(SHARED / "microbit_createai")))
    assert "different labels" in microbit["exact_duplicates"].what
    assert microbit["near_identical_labels"].remedy.endswith("--rename circle=Circle,still=Still")
