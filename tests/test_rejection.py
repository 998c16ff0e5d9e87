"""Gestures that were never shown: rejected where they are unlike the known ones, and not where they are alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinyglass import Recording, Settings
from tinyglass import rejection as module
from tinyglass.choice import ACCEPTED
from tinyglass.rejection import reject_left_out
from tinyglass.training import get_ready

FIXED = Settings(inputs=("raw",), augment=(), threshold=0.0, temperature=1.0, epochs=40)


def at(places: dict[str, tuple[float, float]], n: int = 15, seed: int = 0, **names: str) -> list[Recording]:
    """Recordings of each class around its place."""
    random = np.random.default_rng(seed)
    return [
        Recording(random.normal(size=(1, 2)) + place, label=label, source=f"{label} {i}", **names)
        for i in range(n)
        for label, place in places.items()
    ]


def by_label(recordings, settings=FIXED):
    classes = sorted({r.label for r in recordings})
    found = reject_left_out(recordings, settings, classes)
    assert [r.label for r in found] == classes
    return {r.label: r for r in found}


def test_between_two_far_classes_a_third_is_rejected():
    found = by_label(at({"left": (-20.0, 0.0), "middle": (0.0, 0.0), "right": (20.0, 0.0)}))
    assert found["middle"].rejected == 1.0


def test_what_equals_a_known_class_is_not_rejected():
    found = by_label(at({"left": (-20.0, 0.0), "right": (20.0, 0.0), "right too": (20.0, 0.0)}))
    assert found["right too"].rejected < 0.25
    assert found["right"].rejected < 0.25


def test_at_least_95_of_100_known_gestures_are_accepted():
    for distance in (0.0, 1.0, 20.0):
        found = by_label(
            at({"a": (0.0, 0.0), "b": (distance, 0.0), "c": (0.0, distance), "d": (-distance, 0.0)})
        )
        for rejection in found.values():
            assert ACCEPTED <= rejection.accepted <= 1
            assert 1 / 3 - 1e-6 <= rejection.threshold <= 1
            assert 0 <= rejection.rejected <= 1


def test_chance_rejects_about_as_few_as_it_must():
    """Where all classes are the same, what is left out is accepted like the known ones."""
    found = by_label(at(dict.fromkeys("abc", (0.0, 0.0)), n=60))
    assert np.mean([r.rejected for r in found.values()]) < 0.15


@pytest.mark.parametrize("classes", [(), ("a",), ("a", "b")])
def test_fewer_than_three_classes_leave_nothing_to_tell_apart(classes):
    assert reject_left_out(at(dict.fromkeys(classes, (0.0, 0.0))), FIXED, classes) == []


def test_the_class_left_out_is_never_trained_on_and_each_known_recording_is_judged_once(monkeypatch):
    calls: list[list[Recording]] = []

    def spy(recordings, *arguments, **options):
        calls.append(list(recordings))
        return get_ready(recordings, *arguments, **options)

    monkeypatch.setattr(module, "get_ready", spy)
    recordings = at({"a": (-9.0, 0.0), "b": (0.0, 0.0), "c": (9.0, 0.0)}, n=6)
    reject_left_out(recordings, FIXED, ("a", "b", "c"))
    trained = [tuple(sorted({r.label for r in call})) for call in calls]
    assert sorted(trained) == sorted([("b", "c"), ("a", "c"), ("a", "b")] * 3)
    for pair in set(trained):
        known = [r.source for r in recordings if r.label in pair]
        out = [
            source
            for call, labels in zip(calls, trained, strict=True)
            if labels == pair
            for source in set(known) - {r.source for r in call}
        ]
        assert sorted(out) == sorted(known)


def test_persons_are_left_out_where_they_are_named(monkeypatch):
    calls: list[set[str | None]] = []

    def spy(recordings, *arguments, **options):
        calls.append({r.person for r in recordings})
        return get_ready(recordings, *arguments, **options)

    monkeypatch.setattr(module, "get_ready", spy)
    places = {"a": (-9.0, 0.0), "b": (0.0, 0.0), "c": (9.0, 0.0)}
    recordings = [r for k in range(6) for r in at(places, 3, k, person=f"p{k}")]
    reject_left_out(recordings, FIXED, ("a", "b", "c"))
    assert len(calls) == 9
    assert all(len(people) == 4 for people in calls)


def test_where_each_person_made_one_class_only_something_is_said_all_the_same():
    places = {"a": (-9.0, 0.0), "b": (0.0, 0.0), "c": (9.0, 0.0)}
    recordings = [replace(r, person=f"the one of {r.label}") for r in at(places, 9)]
    assert set(by_label(recordings)) == set("abc")


def test_the_same_settings_give_the_same_shares():
    recordings = at({"a": (-3.0, 0.0), "b": (0.0, 0.0), "c": (3.0, 0.0)}, n=9)
    assert by_label(recordings) == by_label(recordings)


def test_it_can_be_interrupted_and_tells_how_far_it_is():
    recordings = at({"a": (-3.0, 0.0), "b": (0.0, 0.0), "c": (3.0, 0.0)}, n=9)
    told: list[float] = []
    reject_left_out(recordings, FIXED, ("a", "b", "c"), told.append)
    assert told[0] == 0
    assert told == sorted(told)
    with pytest.raises(KeyboardInterrupt):
        reject_left_out(recordings, FIXED, ("a", "b", "c"), lambda share: True)


@pytest.mark.parametrize(
    "wish",
    [
        {"class_weight": "balanced"},
        {"class_weight": {"a": 2.0}},
        {"validation": 0.2, "patience": 3},
        {"window": 1},
        {"output": "sigmoid"},
        {"learning_rate": 1e6},
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [2, 9])
def test_whatever_trains_can_be_asked_what_it_rejects(wish, n):
    recordings = at({"a": (-9.0, 0.0), "b": (0.0, 0.0), "c": (9.0, 0.0)}, n=n)
    settings = Settings(inputs=("raw",), augment=(), threshold=0.0, temperature=1.0, epochs=5, **wish)
    assert len(reject_left_out(recordings, settings, ("a", "b", "c"))) == 3


def test_one_recording_of_each_class_is_no_reason_to_fail():
    recordings = at({"a": (-9.0, 0.0), "b": (0.0, 0.0), "c": (9.0, 0.0)}, n=1)
    for rejection in reject_left_out(recordings, FIXED, ("a", "b", "c")):
        assert 0 <= rejection.rejected <= 1
