"""Choices by validation: made inside the training part, by what the data shows, as the settings leave open."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from conftest import noisy_recordings
from tinyglass import Recording, Run, Settings, Watch, evaluate, predict, train, train_many
from tinyglass import choice as module
from tinyglass import evaluation as evaluation_module
from tinyglass.choice import ACCEPTED, INPUTS, MOST_RECORDINGS, is_open, thinned
from tinyglass.prediction import answers, tempered
from tinyglass.training import train_ready

FIXED = {"inputs": ("raw",), "augment": (), "threshold": 0.0, "temperature": 1.0}


def bumps(n: int, seed: int = 0) -> list[Recording]:
    """The order of the readings carries the class: up then down, or down then up; all else is alike."""
    random = np.random.default_rng(seed)
    recordings = []
    for i in range(n):
        wave = np.sin(2 * np.pi * np.arange(32) / 32) * (-1) ** i
        recordings.append(Recording(wave[:, None] + 0.2 * random.normal(size=(32, 1)), label="ab"[i % 2]))
    return recordings


def hums(n: int, seed: int = 0, length: int = 160) -> list[Recording]:
    """The frequency carries the class: noise of a low or a high band, equally loud."""
    random = np.random.default_rng(seed)
    recordings = []
    for i in range(n):
        waves = np.fft.rfft(random.normal(size=length))
        share = np.arange(len(waves)) / (len(waves) - 1)
        low, high = ((0.2, 0.4), (0.6, 0.8))[i % 2]
        signal = np.fft.irfft(np.where((low < share) & (share < high), waves, 0), length)
        recordings.append(Recording(signal[:, None] / signal.std(), label="ab"[i % 2]))
    return recordings


def shakes(n: int, seed: int = 0) -> list[Recording]:
    """The spread carries the class."""
    random = np.random.default_rng(seed)
    return [Recording(random.normal(size=(32, 2)) * (1.0, 1.6)[i % 2], label="ab"[i % 2]) for i in range(n)]


def clouds(n: int, distance: float, seed: int = 0, n_classes: int = 2) -> list[Recording]:
    random = np.random.default_rng(seed)
    return [
        Recording(random.normal(size=(3, 1)) + distance * (i % n_classes), label="abc"[i % n_classes])
        for i in range(n)
    ]


# ---------------------------------------------------------------- what is chosen


def test_where_the_order_carries_the_class_raw_readings_are_chosen():
    run = train(bumps(40))
    assert "raw" in run.settings.inputs
    values = {c.inputs: c.value for c in run.choice.candidates}
    assert values["raw",] == 1.0
    assert values["summary", "spectrum"] < 0.8


@pytest.mark.parametrize("make", [hums, shakes])
def test_where_frequency_or_spread_carries_the_class_raw_readings_alone_are_not_chosen(make):
    recordings, others = make(60), make(60, seed=1)
    run = train(recordings)
    assert set(run.settings.inputs) & {"summary", "spectrum"}
    values = {c.inputs: c.value for c in run.choice.candidates if c.augment in ((), ("shift",))}
    assert values["raw",] < run.choice.chosen.value - 0.1
    said = [p.best for p in predict(run.network, others)]
    assert np.mean([a == r.label for a, r in zip(said, others, strict=True)]) > 0.85


def test_recordings_of_few_readings_are_shown_raw():
    run = train(clouds(20, 2.0))
    assert run.settings.inputs == ("raw",)
    assert {c.inputs for c in run.choice.candidates} == {("raw",)}


def test_axes_are_turned_only_where_there_are_axes():
    for n_channels, tried in ((3, True), (2, False), (6, True)):
        random = np.random.default_rng(0)
        recordings = [Recording(random.normal(size=(4, n_channels)), label="ab"[i % 2]) for i in range(12)]
        run = train(recordings, Settings(epochs=3))
        assert any("rotate" in c.augment for c in run.choice.candidates) == tried


def test_quantities_are_chosen_for_by_r2():
    random = np.random.default_rng(0)
    recordings = [
        Recording(random.normal(size=(40, 1)) * x, label=str(3 * x)) for x in np.linspace(0.5, 3, 60).tolist()
    ]
    run = train(recordings, Settings(epochs=60))
    assert "summary" in run.settings.inputs
    values = {c.inputs: c.value for c in run.choice.candidates}
    assert values["raw",] + 0.1 < run.choice.chosen.value <= 1
    assert (run.settings.threshold, run.settings.temperature) == (0.0, 1.0)
    assert len(predict(run.network, recordings)) == 60


# ---------------------------------------------------------------- what is reported


def test_the_choice_reports_every_candidate_the_chosen_first():
    run = train(hums(40), Settings(epochs=20))
    choice = run.choice
    assert choice is not None
    assert {c.inputs for c in choice.candidates} >= set(INPUTS)
    assert choice.chosen is choice.candidates[0]
    assert (choice.chosen.inputs, choice.chosen.augment) == (run.settings.inputs, run.settings.augment)
    assert choice.chosen.error == 0
    assert len({(c.inputs, c.augment) for c in choice.candidates}) == len(choice.candidates)
    rest = choice.candidates[1:]
    assert [c.value for c in rest] == sorted((c.value for c in rest), reverse=True)
    for c in choice.candidates:
        assert 0 <= c.value <= 1
        assert 0 <= c.loss <= 2
        assert (c.value * choice.n_recordings) == pytest.approx(round(c.value * choice.n_recordings))
    assert (choice.grouping, choice.n_recordings, choice.n_folds) == ("recording", 40, 5)
    assert (choice.temperature, choice.threshold) == (run.settings.temperature, run.settings.threshold)
    assert (run.network.temperature, run.network.threshold) == (choice.temperature, choice.threshold)
    assert run.wished == msgspec.structs.replace(
        Settings(epochs=20), loss="cross_entropy", output="softmax", start="he", task="classification"
    )


def test_the_inputs_that_are_chosen_are_the_best_in_validation():
    for make in (hums, shakes, bumps):
        choice = train(make(30), Settings(epochs=20)).choice
        usual = {
            c.inputs: c.value
            for c in choice.candidates
            if c.augment == (("shift",) if "raw" in c.inputs else ())
        }
        assert usual[choice.chosen.inputs] == max(usual.values())


def test_the_error_is_the_standard_error_of_the_difference():
    """With one class a coin flip: what the candidates got right can be told from their values."""
    choice = train(noisy_recordings(30), Settings(epochs=5, inputs=("raw",))).choice
    n = choice.n_recordings
    for c in choice.candidates[1:]:
        gap = choice.chosen.value - c.value
        # Differences of 1, 0 and −1: their deviation is least where they have all the same sign.
        least = math.sqrt(max(0.0, abs(gap) - gap**2) / (n - 1))
        most = math.sqrt((1 - gap**2) / (n - 1))
        assert least - 1e-12 <= c.error <= most + 1e-12


def test_the_choice_is_kept_with_the_run(tmp_path):
    run = train(bumps(20), Settings(epochs=5))
    run.save(tmp_path / "run")
    again = Run.load(tmp_path / "run")
    assert again.choice == run.choice
    assert again.wished == run.wished
    assert again.settings == run.settings


def test_the_same_data_and_seed_make_the_same_choice_and_the_same_bits():
    first, again = (train(shakes(24), Settings(epochs=10)) for _ in range(2))
    assert first.choice == again.choice
    assert first.settings == again.settings
    assert [w.weights.tobytes() for w in first.network.layers] == [
        w.weights.tobytes() for w in again.network.layers
    ]


def test_a_choice_made_is_the_same_as_one_given():
    recordings = shakes(24)
    run = train(recordings, Settings(epochs=10))
    given = train(recordings, run.settings)
    assert given.choice is None
    assert given.fingerprint == run.fingerprint
    assert [w.weights.tobytes() for w in given.network.layers] == [
        w.weights.tobytes() for w in run.network.layers
    ]


# ---------------------------------------------------------------- what the settings say


def test_settings_that_are_given_are_not_chosen():
    recordings = hums(20, length=40)
    for inputs in (("spectrum",), ("summary", "raw")):
        run = train(recordings, Settings(epochs=3, inputs=inputs))
        assert run.settings.inputs == inputs
        assert {c.inputs for c in run.choice.candidates} == {inputs}
    run = train(recordings, Settings(epochs=3, augment=("noise", "scale")))
    assert {c.augment for c in run.choice.candidates} == {("noise", "scale")}
    assert {c.inputs for c in run.choice.candidates} == set(INPUTS)
    run = train(recordings, Settings(epochs=3, augment=()))
    assert {c.augment for c in run.choice.candidates} == {()}


@pytest.mark.parametrize(
    ("given", "open_ones"),
    [({"threshold": 0.7}, {"temperature"}), ({"temperature": 2.0}, {"threshold"})],
)
def test_threshold_and_temperature_that_are_given_are_kept(given, open_ones):
    settings = Settings(epochs=3, **(FIXED | dict.fromkeys(open_ones, "auto") | given))
    assert is_open(settings)
    run = train(clouds(20, 2.0), settings)
    assert [(c.inputs, c.augment) for c in run.choice.candidates] == [(("raw",), ())]
    for name, value in given.items():
        assert getattr(run.settings, name) == getattr(run.network, name) == value


def test_nothing_is_tried_where_nothing_is_open(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("nothing was to be chosen")

    monkeypatch.setattr("tinyglass.training.choose", refuse)
    assert not is_open(Settings(**FIXED))
    assert train(clouds(10, 1.0), Settings(epochs=2, **FIXED)).choice is None


# ---------------------------------------------------------------- only the training part


def test_the_test_part_is_not_looked_at(monkeypatch):
    runs: list[Run] = []

    def spy(ready, watch):
        runs.extend(train_ready(ready, watch))
        return runs[-len(ready) :]

    monkeypatch.setattr(evaluation_module, "train_ready", spy)
    recordings = shakes(30)
    test = shakes(10, seed=9)
    random = np.random.default_rng(77)
    others = [
        Recording(1e3 * random.normal(size=(32, 2)), label="ab"[int(random.integers(2))]) for _ in range(10)
    ]
    for part in (test, others):
        evaluate(recordings, Settings(epochs=5), test=part)
    first, second = runs
    assert first.choice == second.choice
    assert first.settings == second.settings
    assert first.fingerprint == second.fingerprint
    for a, b in zip(first.network.layers, second.network.layers, strict=True):
        assert a.weights.tobytes() == b.weights.tobytes()
    assert first.network.preparation == second.network.preparation


def test_every_part_of_a_score_chooses_for_itself(monkeypatch):
    """What is left out is not known to the choice of its own fold either."""
    seen: list[set[bytes]] = []
    choose = module.choose

    def spy(recordings, *arguments):
        seen.append({r.signal.tobytes() for r in recordings})
        return choose(recordings, *arguments)

    monkeypatch.setattr("tinyglass.training.choose", spy)
    recordings = clouds(8, 1.0)
    evaluate(recordings, Settings(epochs=2))
    signals = [r.signal.tobytes() for r in recordings]
    assert seen == [set(signals) - {own} for own in signals]


def test_what_is_kept_aside_to_stop_early_is_not_chosen_by(monkeypatch):
    seen = []
    choose = module.choose
    monkeypatch.setattr(
        "tinyglass.training.choose",
        lambda recordings, *a: (seen.append(len(recordings)), choose(recordings, *a))[1],
    )
    train(clouds(40, 1.0), Settings(epochs=2, validation=0.25))
    assert seen == [30]


def test_windows_of_one_recording_are_on_one_side_of_a_choice(monkeypatch):
    groups_of = []

    def spy(tables, *arguments, **options):
        groups_of.extend(set(examples.groups.tolist()) for examples in tables)
        return train_many(tables, *arguments, **options)

    monkeypatch.setattr(module, "train_many", spy)
    recordings = hums(20, length=40)
    settings = Settings(epochs=2, inputs=("raw",), augment=(), window=10)
    module.choose(
        recordings,
        msgspec.structs.replace(
            settings, task="classification", output="softmax", loss="cross_entropy", start="he"
        ),
        ("a", "b"),
    )
    assert len(groups_of) == 5
    assert all(len(groups) == 16 for groups in groups_of)


def test_persons_are_left_out_by_choices_too(monkeypatch):
    trained: list[set[str]] = []
    recordings = [replace(r, person=f"p{i // 6}") for i, r in enumerate(clouds(30, 2.0))]

    def spy(tables, *arguments, **options):
        trained.extend({recordings[i].person for i in set(examples.groups.tolist())} for examples in tables)
        return train_many(tables, *arguments, **options)

    monkeypatch.setattr(module, "train_many", spy)
    settings = Settings(
        epochs=2,
        augment=(),
        inputs=("raw",),
        task="classification",
        output="softmax",
        loss="cross_entropy",
        start="he",
    )
    _, choice = module.choose(recordings, settings, ("a", "b"))
    assert choice.grouping == "person"
    assert [len(people) for people in trained] == [4] * 5


# ---------------------------------------------------------------- too few


@pytest.mark.parametrize("labels", ["ab", "abc", "aab", "aaab", "aabb"])
def test_two_or_three_recordings_are_enough_to_train(labels):
    random = np.random.default_rng(0)
    recordings = [Recording(random.normal(size=(9, 1)) + 9 * "abc".index(c), label=c) for c in labels]
    run = train(recordings, Settings(epochs=5))
    assert run.settings.inputs in INPUTS
    assert "auto" not in (run.settings.augment, run.settings.threshold, run.settings.temperature)
    if run.choice is None:
        assert (run.settings.inputs, run.settings.augment) == (("raw",), ("shift",))
        assert (run.network.threshold, run.network.temperature) == (0.6, 1.0)
    assert len(predict(run.network, recordings)) == len(labels)


def test_two_quantities_are_enough_to_train():
    recordings = [Recording(np.full((9, 1), x), label=str(x)) for x in (0.5, 1.5)]
    assert len(predict(train(recordings, Settings(epochs=5)).network, recordings)) == 2


def test_a_class_of_one_recording_is_always_trained_on():
    recordings = [*clouds(20, 3.0), Recording(np.full((3, 1), 50.0), label="rare")]
    choice = train(recordings, Settings(epochs=5)).choice
    assert choice.n_folds == 4  # the part with the rare one tests nothing
    assert choice.n_recordings == 21


# ---------------------------------------------------------------- calibration


def log_loss(probabilities: np.ndarray, labels: list[str], classes: tuple[str, ...]) -> float:
    own = [classes.index(label) for label in labels]
    return float(-np.log(np.maximum(probabilities[np.arange(len(own)), own], 1e-12)).mean())


def test_the_temperature_makes_probabilities_of_new_recordings_truer():
    """Mean over several sets: the log loss on recordings never seen, with the temperature and without."""
    gains = []
    for seed in range(8):
        # Networks that learnt noise by heart are too sure.
        recordings, others = clouds(40, 1.0, seed), clouds(400, 1.0, 100 + seed)
        run = train(
            recordings, Settings(inputs=("raw",), augment=(), l2=0.0, hidden=(64,), learning_rate=0.01)
        )
        labels = [r.label for r in others]
        calibrated = answers(run.network, others)
        plain = answers(replace(run.network, temperature=1.0), others)
        np.testing.assert_allclose(
            calibrated, tempered(plain.astype(float), run.network.temperature), rtol=1e-4
        )
        assert calibrated.argmax(axis=1).tolist() == plain.argmax(axis=1).tolist()
        gains.append(
            log_loss(plain, labels, run.network.classes) - log_loss(calibrated, labels, run.network.classes)
        )
    assert np.mean(gains) > 0.05
    assert min(gains) > -0.02


def test_a_network_that_is_always_right_is_not_made_infinitely_sure():
    run = train(clouds(20, 50.0))
    assert run.choice.chosen.value == 1
    assert run.settings.temperature >= 0.2
    assert max(p.probability for p in predict(run.network, clouds(20, 50.0))) <= 1


@pytest.mark.parametrize("distance", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
def test_the_threshold_accepts_95_of_100_known_gestures(distance, output):
    run = train(
        clouds(60, distance, n_classes=3), Settings(epochs=20, output=output, inputs=("raw",), augment=())
    )
    assert run.choice.accepted >= ACCEPTED
    assert 0 <= run.settings.threshold <= 1
    if output == "softmax":
        assert run.settings.threshold >= 1 / 3 - 1e-6  # the largest of three
    else:
        assert run.settings.temperature == 1


def test_the_threshold_lets_about_95_of_100_new_gestures_pass():
    shares = []
    for seed in range(5):
        run = train(clouds(100, 2.0, seed), Settings(inputs=("raw",), augment=()))
        said = predict(run.network, clouds(400, 2.0, 50 + seed))
        shares.append(np.mean([p.label != "unknown" for p in said]))
    assert 0.9 < np.mean(shares) <= 1


# ---------------------------------------------------------------- interrupted, thinned, resumed


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_a_choice_can_be_interrupted(after):
    told: list[float] = []

    def stop(progress):
        assert progress.stage == "choosing"
        assert progress.epochs == 1
        told.append(progress.epoch)
        return progress.epoch >= after

    with pytest.raises(KeyboardInterrupt):
        train(hums(40), Settings(), Watch(stop))
    assert told[-1] >= after
    assert len(told) == 1 or told[-2] < after


def test_progress_grows_while_choosing_and_while_training():
    told = []
    train(hums(20), Settings(epochs=10), Watch(told.append))
    stages = [p.stage for p in told]
    n_choosing = stages.count("choosing")
    assert 0 < n_choosing < len(told)
    assert stages == ["choosing"] * n_choosing + ["training"] * (len(told) - n_choosing)
    shares = [p.epoch for p in told[:n_choosing]]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] <= 1


def test_many_recordings_are_thinned_and_every_label_and_group_keeps_its_share():
    recordings = [
        Recording([[float(i)]], label="aaab"[i % 4], person=f"p{i % 5}") for i in range(4 * MOST_RECORDINGS)
    ]
    recordings.append(Recording([[0.0]], label="rare", person="p0"))
    kept = thinned(recordings, Settings())
    assert abs(len(kept) - MOST_RECORDINGS) <= 12
    assert sum(r.label == "rare" for r in kept) == 1
    assert abs(sum(r.label == "b" for r in kept) - 250) <= 5
    for person in range(5):
        assert abs(sum(r.person == f"p{person}" for r in kept) - 200) <= 5
    places = [int(r.signal[0, 0]) for r in kept[:-1]]
    assert places == sorted(set(places))
    assert [r.signal[0, 0] for r in thinned(recordings, Settings())] == [r.signal[0, 0] for r in kept]
    assert thinned(recordings[:MOST_RECORDINGS], Settings()) == recordings[:MOST_RECORDINGS]


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path):
    recordings = shakes(12)
    settings = Settings(epochs=3000, inputs=("raw",), augment=("noise",))
    whole = train(recordings, settings)
    checkpoint = tmp_path / "checkpoint"
    stopped = train(
        recordings,
        settings,
        Watch(lambda p: p.stage == "training" and p.epoch >= 10, checkpoint=checkpoint),
    )
    assert stopped.outcome == "interrupted"
    assert stopped.choice == whole.choice
    for given in (settings, stopped.settings):  # chosen anew, or as it was chosen
        resumed = train(recordings, given, Watch(checkpoint=checkpoint, resume=True))
        assert resumed.outcome == "finished"
        for a, b in zip(resumed.network.layers, whole.network.layers, strict=True):
            assert a.weights.tobytes() == b.weights.tobytes()
        assert resumed.losses.tobytes() == whole.losses.tobytes()
        assert (resumed.network.threshold, resumed.network.temperature) == (
            whole.network.threshold,
            whole.network.temperature,
        )


def test_a_candidate_that_diverges_is_judged_like_any_other(tmp_path):
    """Quantities with a learning rate out of all reason: the choice stays finite, and can be kept."""
    from tinyglass import DivergenceError

    recordings = [Recording([[x]], label=str(2 * x + 0.5)) for x in np.linspace(0, 3, 12).tolist()]
    with pytest.raises(DivergenceError) as caught:
        train(recordings, Settings(epochs=20, learning_rate=1e30))
    run = caught.value.run
    run.save(tmp_path / "run")
    choice = Run.load(tmp_path / "run").choice
    assert all(math.isfinite(number) for c in choice.candidates for number in (c.value, c.error, c.loss))
