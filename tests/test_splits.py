"""Splits: the strictest grouping, nothing on both sides, everything tested once, copies never trained on."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

from tinyglass import ArgumentError, Recording, Settings, evaluate
from tinyglass import evaluation as evaluation_module
from tinyglass.splits import SPLITS, Split, find_groups, find_split, in_parts, inner_folds, random_split
from tinyglass.training import get_ready

KINDS = ("person", "device", "session")
QUICK = Settings(inputs=("raw",), augment=(), threshold=0.0, temperature=1.0, epochs=2)


def recording(number: int, label: str = "a", **names: str | None) -> Recording:
    signal = np.random.default_rng(number).normal(size=(20, 1))
    return Recording(signal, ("x",), label=label, source=f"recording {number}", **names)


def made_by(n_groups: int, each: int, kind: str = "person", classes: str = "ab") -> list[Recording]:
    numbers = range(n_groups * each)
    return [recording(i, classes[i % len(classes)], **{kind: f"{kind} {i // each}"}) for i in numbers]


def check(split: Split, recordings: list[Recording], once: bool = True) -> None:
    """Assert what holds for every split."""
    tested = Counter(np.concatenate([fold.test for fold in split.folds]).tolist())
    assert set(tested.values()) == {1}
    if once:
        assert set(tested) == set(range(len(recordings)))
    for fold in split.folds:
        assert len(fold.train) > 0
        assert len(fold.test) > 0
        assert not set(split.groups[fold.train]) & set(split.groups[fold.test])
        assert len(set(fold.train.tolist())) == len(fold.train)


# ---------------------------------------------------------------- groups


def test_the_strictest_grouping_that_is_named_is_taken():
    for first, second in (("person", "device"), ("person", "session"), ("device", "session")):
        recordings = [recording(i, "ab"[i % 2], **{first: f"{i % 2}", second: f"{i % 3}"}) for i in range(6)]
        split = find_split(recordings, True)
        assert (split.name, split.grouping) == (f"leave one {first} out", first)
        assert split.groups.tolist() == [0, 1, 0, 1, 0, 1]
        check(split, recordings)


@pytest.mark.parametrize("kind", KINDS)
def test_each_grouping_can_be_asked_for_whatever_is_stricter(kind):
    recordings = [
        recording(i, "ab"[i % 2], person=f"p{i % 2}", device=f"d{i % 3}", session=f"s{i % 4}")
        for i in range(12)
    ]
    split = find_split(recordings, True, split=kind)
    n = {"person": 2, "device": 3, "session": 4}[kind]
    assert (split.name, split.grouping, len(split.folds)) == (f"leave one {kind} out", kind, n)
    check(split, recordings)
    alone = find_split(recordings, True, split="recording")
    assert (alone.name, alone.grouping, len(alone.folds)) == ("leave one out", "recording", 12)


def test_one_name_for_all_is_no_grouping():
    recordings = [recording(i, "ab"[i % 2], person="Ada", device=f"d{i % 2}") for i in range(6)]
    assert find_split(recordings, True).grouping == "device"
    assert find_groups([replace(r, device=None) for r in recordings]) == (
        "recording",
        pytest.approx(np.arange(6)),
    )


def test_recordings_that_do_not_name_their_group_are_one():
    recordings = [recording(i, "ab"[i % 2], person=[None, "Ada", None, "Bo"][i % 4]) for i in range(8)]
    split = find_split(recordings, True)
    assert [set(fold.test.tolist()) for fold in split.folds] == [{0, 2, 4, 6}, {1, 5}, {3, 7}]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [None, "the only one"])
def test_a_grouping_that_is_not_named_is_refused_with_a_way_to_name_it(kind, name):
    recordings = [recording(i, "ab"[i % 2], **{kind: name}) for i in range(6)]
    with pytest.raises(ArgumentError) as caught:
        find_split(recordings, True, split=kind)
    assert f"{0 if name is None else 1} {kind}s" in caught.value.what
    assert caught.value.where == "--split"
    assert f"--group {kind}=" in caught.value.mend
    with pytest.raises(ArgumentError, match=f"--group {kind}="):
        evaluate(recordings, QUICK, split=kind)


def test_an_unknown_split_is_refused_with_those_there_are():
    with pytest.raises(ArgumentError, match="Unknown split 'people'") as caught:
        evaluate(made_by(2, 2), QUICK, split="people")
    for name in SPLITS:
        assert name in caught.value.mend


# ---------------------------------------------------------------- how many parts


@pytest.mark.parametrize("kind", KINDS)
def test_up_to_20_groups_are_left_out_one_by_one_and_more_in_five_parts(kind):
    twenty, more = made_by(20, 3, kind), made_by(21, 3, kind)
    split = find_split(twenty, True)
    assert (split.name, len(split.folds)) == (f"leave one {kind} out", 20)
    check(split, twenty)
    split = find_split(more, True)
    assert (split.name, split.grouping, len(split.folds)) == (f"5-fold by {kind}", kind, 5)
    check(split, more)
    assert all(8 <= len(fold.test) <= 17 for fold in split.folds)


def test_up_to_30_recordings_are_left_out_one_by_one_and_more_in_five_parts():
    thirty, more = ([recording(i, "ab"[i % 2]) for i in range(n)] for n in (30, 31))
    split = find_split(thirty, True)
    assert (split.name, [fold.test.tolist() for fold in split.folds]) == (
        "leave one out",
        [[i] for i in range(30)],
    )
    split = find_split(more, True)
    assert (split.name, len(split.folds)) == ("5-fold", 5)
    check(split, more)


@pytest.mark.parametrize("classification", [True, False])
def test_parts_are_about_equal_and_each_has_its_share_of_every_label(classification):
    recordings = [recording(i, "aab"[i % 3]) for i in range(90)]
    split = find_split(recordings, classification)
    check(split, recordings)
    assert [len(fold.test) for fold in split.folds] == [18] * 5
    if classification:
        for fold in split.folds:
            assert Counter(recordings[i].label for i in fold.test) == {"a": 12, "b": 6}


@given(st.integers(31, 60), st.integers(0, 2**63 - 1), st.booleans())
def test_the_seed_draws_the_parts(n, seed, classification):
    recordings = [recording(i, "ab"[i % 2]) for i in range(n)]
    first, again = (find_split(recordings, classification, seed=seed) for _ in range(2))
    assert [f.test.tolist() for f in first.folds] == [f.test.tolist() for f in again.folds]
    other = find_split(recordings, classification, seed=(seed + 1) % 2**63)
    assert [f.test.tolist() for f in first.folds] != [f.test.tolist() for f in other.folds]


NAMES = st.sampled_from([None, "1", "2", "3", "4", "5", "6"])


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), NAMES, NAMES, NAMES, st.sampled_from([None, "train", "test"])),
        min_size=2,
        max_size=50,
    ),
    st.sampled_from(SPLITS),
    st.booleans(),
    st.integers(0, 100),
)
def test_nothing_of_a_group_stands_on_both_sides_whatever_the_data(rows, wish, classification, seed):
    recordings = [
        recording(i, label, person=person, device=device, session=session, split=part)
        for i, (label, person, device, session, part) in enumerate(rows)
    ]
    try:
        split = find_split(recordings, classification, split=wish, seed=seed)
    except ArgumentError:
        values = {getattr(r, wish, None) for r in recordings}
        assert wish == "published" or len(values) == 1
        return
    if split.name == "published split":
        parts = np.array([r.split or "" for r in recordings])
        (fold,) = split.folds
        assert set(parts[fold.test]) == {"test"}
        assert set(fold.test.tolist()) == set(np.flatnonzero(parts == "test").tolist())
        assert "test" not in parts[fold.train]
        if wish == "auto":
            assert not set(split.groups[fold.train]) & set(split.groups[fold.test])
    else:
        check(split, recordings)
    strictest = next((k for k in KINDS if len({getattr(r, k) for r in recordings}) > 1), "recording")
    assert split.grouping == (strictest if wish in ("auto", "published") else wish)


# ---------------------------------------------------------------- the published parts


def published(train_people: str, test_people: str, each: int = 4) -> list[Recording]:
    people = [(who, "train") for who in train_people] + [(who, "test") for who in test_people]
    return [
        recording(i, "ab"[i % 2], person=who, split=part)
        for i, ((who, part), _) in enumerate(product(people, range(each)))
    ]


def test_the_published_split_is_kept():
    recordings = published("ABC", "DE")
    split = find_split(recordings, True)
    assert (split.name, split.grouping) == ("published split", "person")
    (fold,) = split.folds
    assert fold.train.tolist() == list(range(12))
    assert fold.test.tolist() == list(range(12, 20))
    check(split, recordings, once=False)


def test_the_published_split_without_groups_is_kept_too():
    recordings = [replace(r, person=None) for r in published("A", "B")]
    split = find_split(recordings, True)
    assert (split.name, split.grouping) == ("published split", "recording")


def test_a_published_split_that_a_person_crosses_gives_way_unless_asked_for():
    recordings = published("ABC", "CD")
    split = find_split(recordings, True)
    assert split.name == "leave one person out"
    check(split, recordings)
    assert find_split(recordings, True, split="published").name == "published split"


def test_a_person_without_a_part_does_not_train_what_tests_the_same_person():
    recordings = [*published("AB", "C"), recording(90, "a", person="C"), recording(91, "b", person="C")]
    split = find_split(recordings, True)
    for fold in split.folds:
        trained, tested = ({recordings[i].person for i in part} for part in (fold.train, fold.test))
        assert not trained & tested


@pytest.mark.parametrize("part", [None, "train", "test"])
def test_a_published_split_needs_both_parts(part):
    recordings = [recording(i, "ab"[i % 2], split=part) for i in range(6)]
    assert find_split(recordings, True).name == "leave one out"
    with pytest.raises(ArgumentError, match="no train and test part"):
        find_split(recordings, True, split="published")


# ---------------------------------------------------------------- copies


def test_a_copy_of_a_tested_recording_is_never_trained_on():
    recordings = [recording(i, "ab"[i % 2]) for i in range(20)]
    recordings += [replace(recordings[3], source="the same again"), replace(recordings[3], label="a")]
    split = find_split(recordings, True)
    check(split, recordings)
    for fold in split.folds:
        copied = {recordings[i].signal.tobytes() for i in fold.test}
        assert not any(recordings[i].signal.tobytes() in copied for i in fold.train)
    lengths = [len(fold.train) for fold in split.folds]
    assert [lengths[i] for i in (3, 20, 21)] == [19, 19, 19]
    assert lengths.count(21) == 19


def test_a_copy_in_the_published_test_part_is_not_trained_on():
    recordings = published("AB", "CD")
    recordings += [replace(recordings[-1], person="A", split="train")]
    (fold,) = find_split(recordings, True).folds
    assert fold.train.tolist() == list(range(8))


def test_a_copy_under_another_person_is_not_trained_on():
    recordings = made_by(4, 4)
    recordings.append(replace(recordings[0], person="person 3"))
    split = find_split(recordings, True)
    assert 16 not in split.folds[0].train
    assert 0 not in split.folds[3].train
    assert {0, 16} <= set(split.folds[1].train.tolist())


def test_recordings_of_few_numbers_may_be_equal_by_chance():
    few = [Recording([[float(i % 3 + t) for t in range(7)]], label="ab"[i % 2]) for i in range(12)]
    assert {len(fold.train) for fold in find_split(few, True).folds} == {11}
    more = [replace(r, signal=np.append(r.signal[0], 0.0)[None], channels=(), units=()) for r in few]
    assert {len(fold.train) for fold in find_split(more, True).folds} == {8}


def test_zero_and_minus_zero_are_copies():
    recordings = [recording(i, "ab"[i % 2]) for i in range(4)]
    wave = np.arange(20.0)[:, None] % 3
    recordings += [Recording(np.where(wave == 0, zero, wave), ("x",), label="a") for zero in (0.0, -0.0)]
    split = find_split(recordings, True)
    assert 5 not in split.folds[4].train


# ---------------------------------------------------------------- inside the training part


def test_choices_are_made_by_the_same_grouping():
    for kind in KINDS:
        recordings = made_by(6, 4, kind)
        folds, grouping, _ = inner_folds(recordings, True, seed=0)
        assert grouping == kind
        for fold in folds:
            trained, tested = (
                {getattr(recordings[i], kind) for i in part} for part in (fold.train, fold.test)
            )
            assert not trained & tested
    folds, grouping, _ = inner_folds([recording(i, "ab"[i % 2]) for i in range(40)], True, seed=0)
    assert (grouping, [len(fold.test) for fold in folds]) == ("recording", [8] * 5)


def test_where_each_person_made_one_class_choices_are_made_by_recording():
    recordings = [recording(i, "ab"[i // 10], person=f"p{i // 10}") for i in range(20)]
    folds, grouping, _ = inner_folds(recordings, True, seed=0)
    assert grouping == "recording"
    assert len(folds) == 5


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=40
    ),
    st.integers(0, 20),
)
def test_every_choice_is_made_by_folds_that_train_every_class(rows, seed):
    # Of ten different signals: some recordings are copies of others.
    recordings = [recording(signal, label, person=f"p{person}") for label, person, signal in rows]
    folds, grouping, _ = inner_folds(recordings, True, seed=seed)
    labels = {r.label for r in recordings}
    for fold in folds:
        assert {recordings[i].label for i in fold.train} == labels
        if grouping == "person":
            people = [{recordings[i].person for i in part} for part in (fold.train, fold.test)]
            assert not people[0] & people[1]


@pytest.mark.parametrize("labels", ["a", "ab", "abc", "aab", "abcdefgh"])
@pytest.mark.parametrize("person", [None, "each"])
def test_too_few_recordings_to_leave_any_out(labels, person):
    recordings = [recording(i, label, person=person and f"p{i}") for i, label in enumerate(labels)]
    folds, grouping, _ = inner_folds(recordings, True, seed=0)
    assert grouping in ("recording", "person")
    for fold in folds:
        assert {recordings[i].label for i in fold.train} == set(labels)
    if labels != "aab" and len(labels) > 1:
        assert folds == []


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_quantities_are_parted_whatever_they_are(n):
    recordings = [recording(i, str(i / 7)) for i in range(n)]
    folds, _, _ = inner_folds(recordings, False, seed=0)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(n))
    check(find_split(recordings, False), recordings)


@pytest.mark.parametrize("each", [1, 2])
def test_many_classes_of_few_recordings_are_parted(each):
    recordings = [recording(i, f"class {i // each}") for i in range(40)]
    check(find_split(recordings, True), recordings)
    grouped = [replace(r, person=f"p{i % 23}") for i, r in enumerate(recordings)]
    check(find_split(grouped, True), grouped)


# ---------------------------------------------------------------- at random, and through a whole score


def test_the_split_that_flatters_takes_no_heed_of_persons():
    recordings = made_by(5, 10)
    split = random_split(recordings, True, seed=0)
    assert (split.name, split.grouping) == ("5-fold at random", "recording")
    check(split, recordings)
    for fold in split.folds:
        assert {recordings[i].person for i in fold.test} & {recordings[i].person for i in fold.train}


def test_parts_are_those_of_groups():
    recordings = made_by(8, 3)
    folds = in_parts(recordings, np.repeat(np.arange(8), 3), 4, True, seed=0)
    assert len(folds) == 4
    for fold in folds:
        assert len(fold.test) == 6
        assert len({recordings[i].person for i in fold.test}) == 2


@pytest.fixture
def trained_on(monkeypatch):
    """The sources of the recordings of each training of a score."""
    calls: list[set[str]] = []

    def spy(recordings, *arguments, **options):
        calls.append({r.source for r in recordings})
        return get_ready(recordings, *arguments, **options)

    monkeypatch.setattr(evaluation_module, "get_ready", spy)
    return calls


def test_windows_of_one_recording_never_stand_on_both_sides(trained_on):
    random = np.random.default_rng(0)
    recordings = [
        Recording(random.normal(size=(40, 1)) + 3 * (i % 2), label="ab"[i % 2], source=f"recording {i}")
        for i in range(32)
    ]
    settings = Settings(
        inputs=("raw",), augment=(), threshold=0.0, temperature=1.0, epochs=2, window=10, hop=5
    )
    score = evaluate(recordings, settings)
    assert score.n_test == 32  # recordings, not windows
    everything = {r.source for r in recordings}
    left_out = [everything - sources for sources in trained_on]
    assert sorted(source for part in left_out for source in part) == sorted(everything)


def test_a_score_leaves_persons_out_and_says_so(trained_on):
    recordings = made_by(4, 6)
    score = evaluate(recordings, QUICK)
    assert (score.split, score.grouping, score.n_groups) == ("leave one person out", "person", 4)
    people = {r.source: r.person for r in recordings}
    for number, sources in enumerate(trained_on[:4]):
        assert {people[source] for source in sources} == {f"person {k}" for k in range(4)} - {
            f"person {number}"
        }
    assert len(trained_on) == 4 + 5  # and five parts at random, to say what they would have flattered
    assert "4 persons" in score.in_words
    assert score.random is not None
    assert evaluate(recordings, QUICK, split="recording").random is None


@pytest.mark.parametrize("classification", [True, False])
@given(
    labels=st.lists(st.sampled_from("edcba"), min_size=2, max_size=60),
    n_parts=st.integers(2, 12),
    seed=st.integers(0, 2**40),
)
def test_parts_are_those_of_scikit_learn(classification, labels, n_parts, seed):
    recordings = [recording(number, label) for number, label in enumerate(labels)]
    most = max(Counter(labels).values())
    n_parts = min(n_parts, len(labels))
    kind = KFold
    if classification and most > 1:
        kind, n_parts = StratifiedKFold, min(n_parts, most)
    splitter = kind(n_parts, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label of fewer recordings than parts
        expected = [(train.tolist(), test.tolist()) for train, test in splitter.split(labels, labels)]
    found = in_parts(recordings, np.arange(len(labels)), n_parts, classification, seed)
    assert [(fold.train.tolist(), fold.test.tolist()) for fold in found] == [e for e in expected if e[1]]
