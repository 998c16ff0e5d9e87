"""Training: the same bits again, early stopping, progress, resuming, diverging, weights, splits."""

from __future__ import annotations

import fcntl
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from conftest import PLAIN, Command, noisy_recordings, unmeasured, wait_for
from tinyglass import (
    ArgumentError,
    DivergenceError,
    Examples,
    ModelError,
    Network,
    Recording,
    RecordingError,
    Run,
    Settings,
    Watch,
    arithmetic,
    evaluate,
    make_settings,
    prepare,
    score_network,
    start_network,
    train,
    train_examples,
)
from tinyglass.fitting import validation_split
from tinyglass.recordings import COURSE
from tinyglass.storage import LOCK_NAME

CHECKPOINT, MODEL, RUN, REPORT = (
    "checkpoint.safetensors",
    "model.safetensors",
    "run.safetensors",
    "report.html",
)


def bits(network: Network) -> list[tuple[bytes, bytes | None, str]]:
    """Return every number of a network as bytes."""
    return [
        (x.weights.tobytes(), None if x.bias is None else x.bias.tobytes(), x.activation)
        for x in network.layers
    ]


# ---------------------------------------------------------------- the same bits


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_same_seed_gives_the_same_bits(course, precision):
    first, second = (train(course, Settings(precision=precision, seed=7, **PLAIN)) for _ in range(2))
    assert bits(first.initial) == bits(second.initial)
    assert bits(first.network) == bits(second.network)
    assert first.losses.tobytes() == second.losses.tobytes()
    assert first.fingerprint == second.fingerprint
    assert first.network.dtype == np.dtype(precision)


def test_another_seed_starts_and_ends_elsewhere(course):
    first, second = (train(course, Settings(seed=seed, **PLAIN)) for seed in (0, 1))
    assert bits(first.initial) != bits(second.initial)
    assert bits(first.network) != bits(second.network)


def test_another_seed_shuffles_otherwise(course):
    settings = make_settings({"batch": 1}, preset="course")
    start = train(course, msgspec.structs.replace(settings, epochs=1)).initial
    examples = prepare(course, start.preparation, start.classes)
    runs = [
        train_examples(examples, msgspec.structs.replace(settings, seed=seed), start=start) for seed in (1, 2)
    ]
    assert bits(runs[0].initial) == bits(runs[1].initial)
    assert bits(runs[0].network) != bits(runs[1].network)


def test_looking_on_changes_no_bit(course):
    seen = []
    watched = train(course, Settings(epochs=5000, **PLAIN), Watch(progress=lambda p: seen.append(p)))
    assert len(seen) > 1
    assert bits(watched.network) == bits(train(course, Settings(epochs=5000, **PLAIN)).network)


@pytest.mark.parametrize(
    "choice",
    [
        {"preset": "course"},
        {"optimizer": "momentum", "learning_rate": 0.05, "batch": 3, "loss": "mean_squared_error"},
        {"optimizer": "nesterov", "learning_rate": 0.05, "batch": 4, "schedule": "step", "rate_every": 7},
        {"optimizer": "adam", "batch": 7, "schedule": "cosine", "l2": 0.01, "class_weight": "balanced"},
        {"optimizer": "sgd", "learning_rate": 0.1, "batch": 0, "shuffle": False, "weight_limit": 0.5},
        {"activation": "leaky_relu", "hidden": (5, 4), "output": "sigmoid", "learning_rate": 0.02},
        {"validation": 0.3, "activation": "sigmoid", "class_weight": {"moving_away": 3.0}},
    ],
    ids=lambda choice: choice.get("optimizer", "") or next(iter(choice)),
)
def test_a_run_holds_what_replays_it_exactly(course, choice, tmp_path):
    choice = dict(choice)
    wanted = (
        make_settings(
            {**PLAIN, "hidden": (4,), "epochs": 25, "seed": 5, **choice, "precision": "float64"},
            choice.pop("preset", None),
        )
        if "preset" not in choice
        else make_settings({"precision": "float64", "seed": 5}, preset=choice.pop("preset"))
    )
    train(course, wanted).save(tmp_path / "run")
    run = Run.load(tmp_path / "run")
    s = run.settings
    examples = prepare(course, run.network.preparation, run.network.classes)
    labels = np.array([recording.label for recording in course])
    kept, _ = validation_split(np.arange(len(course)), labels, s)
    weights = np.ones(len(kept))
    if s.class_weight == "balanced":
        counts = examples.Y[kept].sum(axis=0)
        weights = len(kept) / (len(counts) * counts[examples.Y[kept].argmax(axis=1)])
    elif s.class_weight != "none":
        weights = np.array([s.class_weight.get(label, 1.0) for label in labels[kept]])
    weights = weights / weights.mean()
    table = [
        arithmetic.Example(x, y, weight)
        for x, y, weight in zip(
            examples.X[kept].tolist(), examples.Y[kept].tolist(), weights.tolist(), strict=True
        )
    ]
    rule = arithmetic.Update(s.optimizer, s.momentum, s.beta1, s.beta2, s.epsilon, s.l2, s.weight_limit)
    schedule = arithmetic.Schedule(s.learning_rate, s.schedule, s.epochs, s.rate_drop, s.rate_every)
    state, losses = arithmetic.start(run.initial.plain()), []
    for number in range(run.best_epoch):
        order = arithmetic.epoch_order(len(table), s.seed, number) if s.shuffle else range(len(table))
        rate = arithmetic.learning_rate(schedule, number)
        state, loss = arithmetic.epoch(state, table, list(order), s.batch or len(table), s.loss, rule, rate)
        losses.append(loss)
    for found, layer in zip(state.layers, run.network.plain(), strict=True):
        np.testing.assert_allclose(found.weights, layer.weights, rtol=0, atol=1e-12)
        if layer.bias is not None:
            np.testing.assert_allclose(found.bias, layer.bias, rtol=0, atol=1e-12)
    np.testing.assert_allclose(losses, run.losses[: run.best_epoch], rtol=0, atol=1e-12)


# ---------------------------------------------------------------- early stopping


def stopped_run(**choice) -> Run:
    wanted = PLAIN | {"validation": 0.25, "patience": 20, "epochs": 3000, "hidden": (16,), "batch": 32}
    wanted |= {"precision": "float64", "schedule": "constant", "learning_rate": 0.01}
    return train(noisy_recordings(), Settings(**(wanted | choice)))


def test_early_stopping_keeps_the_best_and_the_run_says_so():
    run = stopped_run()
    assert run.outcome == "stopped_early"
    assert run.epochs < 3000
    assert run.best_epoch == int(np.argmin(run.validation_losses)) + 1
    assert run.epochs - run.best_epoch == 20
    assert len(run.validation_losses) == len(run.validation_accuracies) == run.epochs
    # The network it keeps is the one that training that many epochs gives.
    shorter = stopped_run(epochs=run.best_epoch, patience=0)
    assert shorter.best_epoch == run.best_epoch
    assert bits(shorter.network) == bits(run.network)
    longer = stopped_run(epochs=run.epochs, patience=0, validation=0.25)
    assert bits(longer.network) == bits(run.network)


def test_validation_loss_and_accuracy_are_those_of_the_part_kept_aside():
    run = stopped_run()
    recordings = noisy_recordings()
    labels = np.array([recording.label for recording in recordings])
    _, aside = validation_split(np.arange(len(recordings)), labels, run.settings)
    part = prepare([recordings[i] for i in aside], run.network.preparation, run.network.classes)
    outputs = run.network.outputs(part.X)
    loss = -np.log((outputs * part.Y).sum(axis=1)).mean()
    assert run.validation_losses[run.best_epoch - 1] == pytest.approx(loss, abs=1e-12)
    right = (outputs.argmax(axis=1) == part.Y.argmax(axis=1)).mean()
    assert run.validation_accuracies[run.best_epoch - 1] == right


def test_tolerance_asks_for_more_than_a_hair():
    assert stopped_run(tolerance=10.0).best_epoch == 1  # nothing is better by 10 than the first
    assert stopped_run(tolerance=10.0).epochs == 21


def test_without_patience_all_epochs_are_made_and_the_best_kept():
    run = stopped_run(patience=0, epochs=200)
    assert (run.outcome, run.epochs) == ("finished", 200)
    assert run.best_epoch == int(np.argmin(run.validation_losses)) + 1 < 200


def test_the_preparation_does_not_see_the_part_kept_aside(course):
    run = train(course, Settings(validation=0.2, epochs=2, seed=3, **PLAIN))
    labels = np.array([recording.label for recording in course])
    kept, _ = validation_split(np.arange(10), labels, run.settings)
    readings = np.concatenate([course[i].signal for i in kept])
    assert run.network.preparation.offset[0] == pytest.approx(readings.mean(), rel=1e-15)
    assert run.network.preparation.scale[0] == pytest.approx(readings.std(), rel=1e-15)


# ---------------------------------------------------------------- progress, stopping


@pytest.mark.parametrize(
    ("n_examples", "hidden", "validation"), [(10, (8,), 0.2), (200_000, (16,), 0.0), (200_000, (16,), 0.5)]
)
def test_progress_is_told_at_least_every_50_ms_and_grows(n_examples, hidden, validation):
    random_ = np.random.default_rng(0)
    X = random_.normal(size=(n_examples, 4)).astype(np.float32)
    Y = np.eye(2)[(X[:, 0] > 0).astype(int)]
    seen, cpu = [], []
    end = time.monotonic() + 1.5

    def look(progress):
        cpu.append(time.process_time())
        seen.append(progress)
        return time.monotonic() > end

    settings = Settings(hidden=hidden, epochs=5 * 10**7, validation=validation, loss="half_squared_error")
    train_examples(Examples(X, Y, ("a", "b")), settings, watch=Watch(progress=look))
    # Processor time, for the wall's depends on what else this machine is doing.
    assert len(seen) > 10
    assert np.diff(cpu).max() < 0.05
    epochs = np.array([p.epoch for p in seen])
    assert (np.diff(epochs) >= 0).all()
    assert epochs[-1] > epochs[0]
    assert all(p.epochs == 5 * 10**7 for p in seen)
    assert np.isnan(seen[0].loss)
    if n_examples == 10:
        assert np.isfinite(seen[-1].loss)


def test_the_last_progress_is_the_end(course):
    seen = []
    run = train(course, Settings(epochs=50, **PLAIN), Watch(progress=lambda p: seen.append(p)))
    assert seen[-1].epoch == seen[-1].epochs == 50
    assert seen[-1].loss == run.losses[-1]


def test_progress_that_answers_true_stops_and_keeps_what_was_reached(course):
    watch = Watch(progress=lambda p: p.epoch > 100)
    run = train(course, Settings(epochs=5 * 10**7, **PLAIN), watch)
    assert run.outcome == "interrupted"
    assert watch.interrupted
    assert 100 <= run.epochs < 5 * 10**7
    assert len(run.losses) == run.epochs
    assert score_network(run.network, course).value == 1.0


def test_an_interrupt_in_the_library_ends_the_training_and_keeps_it(course, tmp_path):
    def interrupt(progress):
        if progress.epoch > 10:
            raise KeyboardInterrupt

    watch = Watch(progress=interrupt, checkpoint=tmp_path / "checkpoint")
    run = train(course, Settings(epochs=100_000, **PLAIN), watch)
    assert run.outcome == "interrupted"
    assert watch.interrupted
    resumed = train(
        course, Settings(epochs=100_000, **PLAIN), Watch(checkpoint=tmp_path / "checkpoint", resume=True)
    )
    assert bits(resumed.network) == bits(train(course, Settings(epochs=100_000, **PLAIN)).network)
    assert resumed.epochs == 100_000


def test_an_interrupted_run_with_a_validation_part_keeps_the_best():
    seen = []

    def stop(progress):
        seen.append(progress)
        return progress.epoch > 500

    wanted = Settings(validation=0.25, epochs=5 * 10**7, hidden=(16,), **PLAIN)
    run = train(noisy_recordings(), wanted, Watch(progress=stop))
    assert run.outcome == "interrupted"
    assert run.best_epoch == int(np.argmin(run.validation_losses)) + 1 < run.epochs


# ---------------------------------------------------------------- the run's file


def runs_are_the_same(a: Run, b: Run) -> bool:
    curves = ("losses", "accuracies", "validation_losses", "validation_accuracies")
    facts = ("settings", "best_epoch", "updates", "outcome", "fingerprint", "seconds", "about", "epochs")
    meaning = ("classes", "input_names", "preparation", "threshold", "dtype")
    return (
        all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in curves)
        and all(getattr(a, name) == getattr(b, name) for name in facts)
        and all(bits(getattr(a, n)) == bits(getattr(b, n)) for n in ("initial", "network"))
        and all(getattr(a.network, name) == getattr(b.network, name) for name in meaning)
        and all(getattr(a.initial, name) == getattr(b.initial, name) for name in meaning)
    )


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"precision": "float64", "validation": 0.2, "patience": 3, "epochs": 200},
        {"bias": False, "hidden": (), "class_weight": {"moving_away": 2.5}, "scale": 100.0},
        {"hidden": (4, 3, 2), "weight_limit": 1.5, "threshold": 0.75},
    ],
)
def test_a_run_comes_back_from_its_file_exactly(course, tmp_path, choice):
    run = train(course, Settings(**(PLAIN | choice)), Watch(about={"path": 'a "b" \\ 手', "n": [1, None]}))
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert runs_are_the_same(run, back)
    back.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "run").read_bytes()


def test_a_run_on_a_table_comes_back_from_its_file(tmp_path):
    examples = Examples([[0.0, 1.0], [1.0, 0.5], [2.0, 2.0]], [[1.0], [2.0], [3.0]])
    run = train_examples(examples, Settings(epochs=5), input_names=("warm", "wet"))
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert runs_are_the_same(run, back)
    assert back.network.input_names == ("warm", "wet")
    assert back.network.classes is None


def test_a_network_is_no_run(course, tmp_path):
    train(course, Settings(epochs=1, **PLAIN)).network.save(tmp_path / "model")
    with pytest.raises(ModelError, match=r"Expected a run, found a network.*model"):
        Run.load(tmp_path / "model")


# ---------------------------------------------------------------- killed, and resumed

LONG = (
    "--test",
    str(COURSE),
    "--hidden",
    "24,24",
    "--batch",
    "3",
    "--validation",
    "0.2",
    "--learning-rate",
    "0.001",
    "--inputs",
    "raw",
    "--augment",
    "none",
    "--threshold",
    "0.6",
    "--temperature",
    "1",
)
BOTH = [
    (*LONG, "--optimizer", "momentum", "--epochs", "90000", "--loss", "half_squared_error"),
    (*LONG, "--optimizer", "adam", "--epochs", "70000", "--precision", "float64"),
]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, command, worker_id) -> Callable[[Sequence[str]], Path]:
    """Train for about three seconds, undisturbed, once for all the processes that run these tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def folder_of(options: Sequence[str]) -> Path:
        folder = shared / f"undisturbed{BOTH.index(tuple(options))}"
        with open(f"{folder}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / REPORT).exists():
                done = command("train", "--out", folder, *options)
                assert done.returncode == 0, done.stderr
        return folder

    return folder_of


@pytest.mark.parametrize("options", BOTH, ids=["momentum", "adam"])
def test_a_killed_training_resumes_and_ends_with_the_same_bytes(options, undisturbed, command, tmp_path):
    folder = undisturbed(options)
    model, run = (folder / MODEL).read_bytes(), Run.load(folder / RUN)
    chance = random.Random(options[-1])
    killed = 0
    arguments: tuple[str, ...] = options
    for _ in range(4):
        process = command.start("train", "--out", tmp_path, *arguments)
        # The lock tells that it is at work; a checkpoint is there from the first slice.
        wait_for((tmp_path / CHECKPOINT).exists, process)
        time.sleep(chance.uniform(0.3, 1.6))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
        arguments = ("--resume",)
    assert killed >= 2
    if process.returncode != 0:
        done = command("train", "--out", tmp_path, "--resume")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / MODEL).read_bytes() == model
    resumed = Run.load(tmp_path / RUN)
    assert resumed.losses.tobytes() == run.losses.tobytes()
    assert resumed.validation_losses.tobytes() == run.validation_losses.tobytes()
    assert (resumed.best_epoch, resumed.updates) == (run.best_epoch, run.updates)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([MODEL, RUN, REPORT])


def test_ctrl_c_keeps_everything_says_so_and_resumes_to_the_same_bytes(undisturbed, command, tmp_path):
    options, model = BOTH[0], (undisturbed(BOTH[0]) / MODEL).read_bytes()
    process = command.start("train", "--out", tmp_path, *options)
    wait_for((tmp_path / CHECKPOINT).exists, process)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - pressed < 10
    assert process.returncode == 130
    assert "Traceback" not in err
    assert re.search(r"Stopped in epoch \d+ of 90000; what was reached is kept", err)
    assert "--resume" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([CHECKPOINT, MODEL, RUN, REPORT])
    kept = Run.load(tmp_path / RUN)
    assert kept.outcome == "interrupted"
    assert 0 < kept.epochs < 90_000
    assert bits(kept.network) == bits(Network.load(tmp_path / MODEL))
    assert "interrupted" in (tmp_path / REPORT).read_text()
    done = command("train", "--out", tmp_path, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / MODEL).read_bytes() == model
    assert msgspec.json.decode(done.stdout)["outcome"] == "finished"
    assert not (tmp_path / CHECKPOINT).exists()


def test_ctrl_c_while_scoring_keeps_the_complete_model(command, tmp_path, undisturbed):
    options, model = BOTH[0], (undisturbed(BOTH[0]) / MODEL).read_bytes()
    process = command.start("train", "--out", tmp_path, "--json", *options)
    wait_for((tmp_path / RUN).exists, process)  # the training is over, the score has begun
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped while scoring: the model is complete" in err
    assert "Traceback" not in err
    facts = msgspec.json.decode(out)
    assert (facts["accuracy"], facts["interval"], facts["outcome"]) == (None, None, "finished")
    assert (tmp_path / MODEL).read_bytes() == model
    assert (tmp_path / REPORT).exists()
    assert (tmp_path / CHECKPOINT).exists()  # so that --resume makes up for the score


def test_pressing_ctrl_c_again_and_again_loses_nothing(command, tmp_path):
    process = command.start("train", "--preset", "course", "--epochs", "20000000", "--out", tmp_path)
    wait_for((tmp_path / CHECKPOINT).exists, process)
    for _ in range(5):
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "what was reached is kept" in err
    assert "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([CHECKPOINT, MODEL, RUN, REPORT])


def test_ctrl_c_before_training_began_says_so(tmp_path):
    program = """
import sys, time
from tinyglass import cli, recordings
recordings.read_recordings = lambda path, **options: time.sleep(60)
cli.main(["train", "--out", sys.argv[1]])
"""
    process = Command().start(tmp_path, words=("-c", program))
    wait_for((tmp_path / LOCK_NAME).exists, process)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "tinyglass: stopped.\n")
    assert not (tmp_path / LOCK_NAME).exists()


# ---------------------------------------------------------------- checkpoints that do not fit


@pytest.fixture
def unfinished(course, tmp_path) -> Path:
    """A folder with the checkpoint of a training that was stopped."""
    folder = tmp_path / "unfinished"
    folder.mkdir()
    watch = Watch(
        progress=lambda p: p.epoch > 50,
        checkpoint=folder / CHECKPOINT,
        about={
            "path": None,
            "test": None,
            "seeds": 1,
            "reading": {"label": None, "only": None, "rename": {}, "group": {}},
        },
    )
    assert train(course, Settings(epochs=60_000, seed=3, **PLAIN), watch).outcome == "interrupted"
    return folder


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--learning-rate", "0.5"], "--learning-rate"),
        (["--seed", "4"], "--seed"),
        (["--hidden", "8"], "--hidden"),
        (["--no-bias"], "--no-bias|--bias"),
        (["--epochs", "6000", "--batch", "2"], "--epochs, --batch"),
        (["--preset", "course"], "--optimizer"),
        (["--loss", "half_squared_error"], "--loss"),
    ],
)
def test_resuming_with_other_settings_is_refused_by_name(unfinished, here, options, name):
    before = (unfinished / CHECKPOINT).read_bytes()
    done = here("train", "--out", unfinished, "--resume", *options)
    assert done.returncode == 2
    assert re.search(name, done.stderr)
    assert "--resume" in done.stderr
    assert (unfinished / CHECKPOINT).read_bytes() == before
    assert [p.name for p in unfinished.iterdir()] == [CHECKPOINT]


def test_resuming_with_the_same_settings_named_again_is_allowed(unfinished, here, course):
    done = here(
        "train", "--out", unfinished, "--resume", "--epochs", "60000", "--loss", "auto", "--seed", "3"
    )
    assert done.returncode == 0, done.stderr
    whole = train(course, Settings(epochs=60_000, seed=3, **PLAIN))
    assert bits(Network.load(unfinished / MODEL)) == bits(whole.network)


def test_resuming_with_other_recordings_is_refused(unfinished, here, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("label,a,b,c\nmoving_away,9,8,7\nmoving_closer,1,2,3\n")
    before = (unfinished / CHECKPOINT).read_bytes()
    done = here("train", other, "--out", unfinished, "--resume")
    assert done.returncode == 2
    assert "recordings are not those" in done.stderr
    assert (unfinished / CHECKPOINT).read_bytes() == before


def test_resuming_with_one_reading_changed_is_refused(course, unfinished):
    signal_ = course[4].signal.copy()
    signal_[1, 0] += 2**-40
    changed = [
        *course[:4],
        Recording(signal_, ("distance",), rate_hz=4.0, label=course[4].label),
        *course[5:],
    ]
    watch = Watch(checkpoint=unfinished / CHECKPOINT, resume=True)
    with pytest.raises(ArgumentError, match="recordings are not those"):
        train(changed, Settings(epochs=60_000, seed=3, **PLAIN), watch)


def test_resuming_in_the_library_with_other_settings_is_refused_by_name(course, unfinished):
    watch = Watch(checkpoint=unfinished / CHECKPOINT, resume=True)
    with pytest.raises(ArgumentError, match=r"other settings: learning_rate, seed\b"):
        train(course, Settings(epochs=60_000, seed=4, learning_rate=0.02, **PLAIN), watch)


def test_nothing_to_resume_is_said(here, tmp_path, course_training):
    done = here("train", "--out", tmp_path / "new", "--resume")
    assert done.returncode == 2
    assert "no training to resume" in done.stderr
    shutil.copytree(course_training, tmp_path / "done")
    done = here("train", "--out", tmp_path / "done", "--resume")
    assert done.returncode == 2
    assert "complete" in done.stderr
    assert "tinyglass show" in done.stderr


def damages(content: bytes) -> dict[str, bytes]:
    flips = {}
    for place in np.linspace(0, len(content) - 1, 23).astype(int).tolist():
        flips[f"bit flipped in byte {place}"] = (
            content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        )
    cuts = {f"cut at {n}": content[:n] for n in (0, 1, 7, 8, 100, len(content) // 2, len(content) - 1)}
    zeros = {"zeros": bytes(len(content)), "longer": content + b"\0"}
    return flips | cuts | zeros


def test_a_damaged_checkpoint_is_refused_and_left_in_place(unfinished, here):
    whole = (unfinished / CHECKPOINT).read_bytes()
    for what, content in damages(whole).items():
        (unfinished / CHECKPOINT).write_bytes(content)
        done = here("train", "--out", unfinished, "--resume")
        assert done.returncode == 2, what
        assert CHECKPOINT in done.stderr, what
        assert (unfinished / CHECKPOINT).read_bytes() == content, what
        assert [p.name for p in unfinished.iterdir()] == [CHECKPOINT], what


def test_a_model_is_no_checkpoint(course, unfinished, here):
    train(course, Settings(epochs=1, **PLAIN)).network.save(unfinished / CHECKPOINT)
    done = here("train", "--out", unfinished, "--resume")
    assert done.returncode == 2
    assert "Expected a checkpoint, found a network" in done.stderr


def test_a_new_training_puts_an_old_checkpoint_aside_instead_of_losing_it(unfinished, here):
    before = (unfinished / CHECKPOINT).read_bytes()
    done = here("train", "--out", unfinished, "--preset", "course")
    assert done.returncode == 0
    assert "checkpoint-before.safetensors" in done.stderr
    assert (unfinished / "checkpoint-before.safetensors").read_bytes() == before
    assert not (unfinished / CHECKPOINT).exists()


# ---------------------------------------------------------------- two in one folder


def test_a_second_training_fails_at_once_and_the_first_is_not_harmed(undisturbed, command, tmp_path):
    options, model = BOTH[0], (undisturbed(BOTH[0]) / MODEL).read_bytes()
    first = command.start("train", "--out", tmp_path, *options)
    wait_for((tmp_path / CHECKPOINT).exists, first)
    began = time.monotonic()
    second = command("train", "--out", tmp_path, "--preset", "course")
    assert time.monotonic() - began < 5
    assert first.poll() is None
    assert second.returncode == 2
    assert re.search(rf"process {first.pid}\b", second.stderr)
    assert "--out" in second.stderr
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert (tmp_path / MODEL).read_bytes() == model


def test_a_folder_is_free_again_when_its_training_was_killed(command, tmp_path, here):
    process = command.start("train", "--preset", "course", "--out", tmp_path, "--epochs", "50000000")
    wait_for((tmp_path / CHECKPOINT).exists, process)
    process.kill()
    process.communicate()
    (tmp_path / "model.safetensors.123.tinyglass-aside").write_bytes(b"half")
    assert (tmp_path / LOCK_NAME).exists()
    done = here("train", "--out", tmp_path, "--preset", "course")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("*tinyglass-aside"))
    assert not (tmp_path / LOCK_NAME).exists()


# ---------------------------------------------------------------- divergence

DIVERGING = [
    {"optimizer": "sgd", "activation": "linear", "output": "linear", "learning_rate": 5.0},
    {"optimizer": "sgd", "activation": "relu", "learning_rate": 1000.0, "loss": "half_squared_error",
     "output": "linear", "seed": 1},
    {"optimizer": "momentum", "activation": "linear", "output": "linear", "learning_rate": 1.0},
    {"optimizer": "nesterov", "activation": "leaky_relu", "output": "linear", "learning_rate": 2.0},
    {"optimizer": "momentum", "activation": "tanh", "output": "linear", "learning_rate": 3.0,
     "precision": "float64"},
    {"optimizer": "sgd", "activation": "sigmoid", "output": "sigmoid", "learning_rate": 1e5,
     "loss": "half_squared_error"},
    {"optimizer": "adam", "activation": "linear", "output": "softmax", "learning_rate": 1e30},
    {"optimizer": "adam", "activation": "tanh", "output": "linear", "learning_rate": 1e38},
    {"optimizer": "sgd", "activation": "linear", "output": "linear", "learning_rate": 1e308,
     "precision": "float64"},
]  # fmt: skip


def test_the_first_epoch_that_is_not_finite_is_named(course):
    settings = make_settings({"learning_rate": 5.0, "precision": "float64", "batch": 1}, preset="course")
    with pytest.raises(DivergenceError) as caught:
        train(course, settings)
    run = caught.value.run
    # Replayed with the definition, the weights are finite before that update and not after it.
    epoch, update = map(int, re.search(r"epoch (\d+),.*update (\d+)", caught.value.where).groups())
    assert run.epochs == epoch - 1
    examples = prepare(course, run.initial.preparation, run.initial.classes)
    table = [arithmetic.Example(x, y) for x, y in zip(examples.X.tolist(), examples.Y.tolist(), strict=True)]
    state = arithmetic.start(run.initial.plain())
    for number in range(epoch):
        order = arithmetic.epoch_order(len(table), run.settings.seed, number)
        for count, place in enumerate(order[: update if number == epoch - 1 else None], 1):
            before = state
            state, _ = arithmetic.step(
                state, [table[place]], run.settings.loss, arithmetic.Update(), run.settings.learning_rate
            )
            last = number == epoch - 1 and count == update
            finite = all(np.isfinite(layer.weights).all() for layer in state.layers)
            sums = arithmetic.feedforward(before.layers, table[place].inputs)
            sound = finite and all(np.isfinite(s.sums).all() for s in sums)
            assert sound != last, (number, count)


@pytest.mark.parametrize(
    "choice", DIVERGING, ids=lambda c: f"{c['optimizer']}-{c['activation']}-{c['learning_rate']:g}"
)
def test_divergence_names_epoch_and_weight_and_a_rate_that_really_converges(course, choice):
    settings = Settings(**({"hidden": (4,), "epochs": 200, **PLAIN} | choice))
    with pytest.raises(DivergenceError) as caught:
        train(course, settings)
    error = caught.value
    where = re.match(r"epoch (\d+), weight (hidden|output)\[(\d+),(\d+|bias)\]", error.where)
    assert where, error.where
    assert int(where[1]) == error.run.epochs + 1 or "saturated" in error.what
    rate = re.search(r"Use learning rate (\S+): with it", error.mend)
    assert rate, error.mend
    assert 0 < float(rate[1]) < settings.learning_rate
    run = train(course, msgspec.structs.replace(settings, learning_rate=float(rate[1])))
    assert run.outcome == "finished"
    assert run.losses[-1] < run.losses[0]
    assert np.isfinite(run.losses).all()
    # What was reached before stays usable: every weight is a finite number.
    assert all(np.isfinite(layer.weights).all() for layer in error.run.network.layers)


def test_divergence_on_the_command_line_gives_a_rate_that_can_be_used(here, tmp_path):
    words = ("train", "--preset", "course", "--out", tmp_path)
    done = here(*words, "--learning-rate", "7")
    assert done.returncode == 2
    assert re.search(r"epoch \d+, weight (hidden|output)\[\d+,\d+\]", done.stderr)
    assert not (tmp_path / CHECKPOINT).exists()
    assert not (tmp_path / MODEL).exists()
    assert Run.load(tmp_path / "run.safetensors").outcome == "diverged"
    rate = re.search(r"Use learning rate ([^:\s]+):", done.stderr)[1]
    assert here(*words, "--learning-rate", rate).returncode == 0


def test_where_no_rate_helps_it_is_said():
    # Inputs so large that the first weighted sum is infinite, whatever the learning rate.
    examples = Examples(np.full((4, 8), 3e38, np.float32), np.eye(2)[[0, 1, 0, 1]], ("a", "b"))
    with pytest.raises(DivergenceError, match="No learning rate was found"):
        train_examples(examples, Settings(hidden=(4,)))


def test_a_layer_that_is_flat_for_every_example_is_named():
    X = np.array([[500.0, 500.0], [600.0, 550.0], [650.0, 700.0], [800.0, 900.0]])
    examples = Examples(X, np.eye(2)[[0, 1, 0, 1]], ("a", "b"))
    start = start_network((2, 3, 2), ("tanh", "softmax"), seed=1, classes=("a", "b"))
    with pytest.raises(DivergenceError) as caught:
        train_examples(examples, Settings(hidden=(3,), precision="float64", output="softmax"), start=start)
    assert "saturated" in caught.value.what
    assert "hidden" in caught.value.what
    assert re.match(r"epoch \d+, weight hidden\[", caught.value.where)


def test_no_seed_of_the_course_diverges_at_learning_rate_0_1(course):
    for seed in range(40):
        run = train(course, make_settings({"learning_rate": 0.1, "seed": seed}, preset="course"))
        assert np.isfinite(run.losses).all()
        assert run.losses[-1] < run.losses[0]


def test_the_course_gets_ten_of_ten_with_nearly_every_seed(course):
    right = [
        score_network(train(course, make_settings({"seed": seed}, preset="course")).network, course).value
        for seed in range(100)
    ]
    assert np.mean(np.array(right) == 1.0) >= 0.95


def test_the_defaults_tell_recordings_they_have_not_seen(course):
    score = evaluate(course, seeds=10)
    assert (score.split, len(score.values), score.failed) == ("leave one out", 10, 0)
    assert score.value >= 0.95
    for seed in range(10):
        assert score_network(train(course, Settings(seed=seed)).network, course).value == 1.0


# ---------------------------------------------------------------- size


@pytest.mark.parametrize("hidden", ["1048576,1048576", "1048576,1000", "30000,30000,30000"])
def test_huge_layers_are_refused_before_memory_is_taken(python, tmp_path, hidden):
    # Started by a small process: the system counts what the starting process had as the started one's.
    program = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "tinyglass.cli", *sys.argv[1:]], capture_output=True, text=True)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(done.stderr)
"""
    done = python(program, "train", "--out", tmp_path, "--hidden", hidden, env=unmeasured())
    first, _, err = done.stdout.partition("\n")
    code, largest = map(int, first.split())
    assert code == 2
    assert "GiB" in err
    assert "--hidden" in err
    assert largest < 500 * 1024  # KiB


def test_a_network_just_within_the_budget_takes_no_more_than_was_computed(python):
    program = """
import resource, sys
import numpy as np
from tinyglass import Examples, Settings, engine, train_examples
examples = Examples(np.zeros((4, 10)), np.eye(2)[[0, 1, 0, 1]], ("a", "b"))
settings = Settings(hidden=(3000, 3000), activation="tanh", epochs=1, batch=4, optimizer=sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
train_examples(examples, settings)
taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
engine.LARGEST_TRAINING = taken - 1
try:
    train_examples(examples, settings)
except ValueError as error:
    print("refused", error)
else:
    print("taken", taken)
"""
    for optimizer in ("sgd", "adam"):
        done = python(program, optimizer, env=unmeasured())
        assert done.stdout.startswith("refused"), done.stdout + done.stderr


# ---------------------------------------------------------------- weights of classes and examples


def alike(n_a: int, n_b: int) -> Examples:
    """Return examples of two classes with the same inputs: only their shares can be learnt."""
    return Examples(np.ones((n_a + n_b, 1)), np.eye(2)[[0] * n_a + [1] * n_b], ("a", "b"))


SHARES = Settings(
    hidden=(),
    batch=0,
    epochs=3000,
    learning_rate=0.05,
    schedule="constant",
    l2=0.0,
    precision="float64",
    scale="none",
)


@pytest.mark.parametrize(
    ("class_weight", "share_of_b"),
    [("none", 2 / 8), ("balanced", 1 / 2), ({"b": 6.0}, 12 / 18), ({"a": 3.0, "b": 1.0}, 2 / 20)],
)
def test_class_weights_shift_the_answer_by_exactly_their_share(class_weight, share_of_b):
    run = train_examples(alike(6, 2), msgspec.structs.replace(SHARES, class_weight=class_weight))
    assert run.network.outputs([[1.0]])[0, 1] == pytest.approx(share_of_b, abs=1e-6)


def test_sample_weights_shift_the_answer_to_the_weighted_mean():
    Y, weight = np.array([[1.0], [2.0], [6.0]]), np.array([1.0, 2.0, 5.0])
    examples = Examples(np.ones((3, 1)), Y, weight=weight)
    settings = msgspec.structs.replace(SHARES, optimizer="sgd", learning_rate=0.2)
    run = train_examples(examples, settings)
    assert run.network.outputs([[1.0]])[0, 0] == pytest.approx(np.average(Y[:, 0], weights=weight), abs=1e-9)


def test_an_example_of_weight_zero_is_as_if_it_were_not_there():
    three = Examples([[1.0], [2.0], [3.0]], [[1.0], [2.0], [9.0]], weight=np.array([1.0, 1.0, 0.0]))
    two = Examples([[1.0], [2.0]], [[1.0], [2.0]])
    runs = [train_examples(examples, Settings(batch=1, epochs=50)) for examples in (three, two)]
    assert bits(runs[0].network) == bits(runs[1].network)
    assert runs[0].fingerprint == runs[1].fingerprint


def test_equal_weights_are_no_weights():
    tables = [Examples([[1.0], [2.0]], [[1.0], [3.0]], weight=w) for w in (None, np.full(2, 7.5))]
    networks = [train_examples(table, Settings(epochs=20)).network for table in tables]
    assert bits(networks[0]) == bits(networks[1])


@pytest.mark.parametrize(
    ("weight", "what"),
    [([1.0, -1.0, 1.0], "negative.*example 1"), ([0.0, 0.0, 0.0], "weight 0")],
)
def test_weights_that_mean_nothing_are_refused(weight, what):
    examples = Examples([[1.0], [2.0], [3.0]], [[1.0], [2.0], [9.0]], weight=np.array(weight))
    with pytest.raises(ArgumentError, match=what):
        train_examples(examples, Settings())


def test_class_weights_that_fit_no_class_are_refused(course):
    with pytest.raises(ArgumentError, match=r"no class 'waving'.*moving_away, moving_closer"):
        train(course, Settings(class_weight={"waving": 2.0}, **PLAIN))
    with pytest.raises(ArgumentError, match="Regression has no classes"):
        train_examples(Examples([[1.0]], [[1.0]]), Settings(class_weight="balanced"))


@pytest.mark.parametrize(
    ("Y", "output"), [([[0.5, 0.6]], "softmax"), ([[-0.1, 1.1]], "softmax"), ([[0.5, 1.5]], "sigmoid")]
)
def test_cross_entropy_refuses_expected_outputs_that_are_no_probabilities(Y, output):
    examples = Examples([[1.0], [1.0]], [[0.0, 1.0], *Y], ("a", "b"))
    with pytest.raises(ArgumentError, match=r"probabilities.*example 1"):
        train_examples(examples, Settings(output=output, loss="cross_entropy"))


def test_cross_entropy_learns_quantities_between_0_and_1():
    X = np.linspace(-1, 1, 9)[:, None]
    Y = 1 / (1 + np.exp(-3 * X))
    run = train_examples(
        Examples(X, np.hstack([Y, 1 - Y]), ("up", "down")),
        Settings(
            hidden=(),
            output="sigmoid",
            loss="cross_entropy",
            epochs=4000,
            learning_rate=0.05,
            schedule="constant",
            l2=0.0,
        ),
    )
    np.testing.assert_allclose(run.network.outputs(X)[:, 0], Y[:, 0], atol=1e-3)


# ---------------------------------------------------------------- the validation part


@given(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=40),
    st.floats(0.01, 0.99),
    st.integers(0, 2**63 - 1),
    st.integers(1, 4),
)
@hypothesis_settings(max_examples=300)
def test_a_validation_part_splits_no_group_and_is_stratified(of_groups, share, seed, largest):
    random_ = np.random.default_rng(seed % 2**32)
    groups = np.repeat(np.arange(len(of_groups)), random_.integers(1, largest + 1, len(of_groups)))
    random_.shuffle(groups)
    labels = np.array(of_groups)[groups]
    settings = Settings(validation=share, seed=seed)
    try:
        kept, aside = validation_split(groups, labels, settings)
    except ArgumentError:
        for label in set(of_groups):  # no class has half a group to spare
            members = of_groups.count(label)
            assert members == 1 or share * members <= 0.5
        return
    assert sorted([*kept, *aside]) == list(range(len(groups)))
    assert len(aside) > 0
    assert not set(groups[kept]) & set(groups[aside])
    for label in set(of_groups):
        members = of_groups.count(label)
        taken = len(set(groups[aside][labels[aside] == label]))
        assert taken < members  # each class still trains
        assert abs(taken - share * members) <= 0.5 or taken == members - 1
    again = validation_split(groups, labels, settings)
    assert again[0].tolist() == kept.tolist()


@given(st.integers(2, 60), st.floats(0.05, 0.9))
def test_a_validation_part_of_quantities_has_its_share(n, share):
    assume(share * n > 0.5)
    values = np.random.default_rng(n).normal(size=n)
    settings = Settings(validation=share, task="regression")
    kept, aside = validation_split(np.arange(n), values, settings)
    assert len(kept) + len(aside) == n
    assert abs(len(aside) - share * n) <= 0.5 or len(kept) == 1


def test_too_few_recordings_to_keep_any_aside_is_said(course):
    with pytest.raises(ArgumentError, match=r"0\.05 of 10 recordings leaves none.*--validation"):
        train(course, Settings(validation=0.05, **PLAIN))
    pair = [course[0], course[-1]]
    with pytest.raises(ArgumentError, match="leaves none to keep aside"):
        train(pair, Settings(validation=0.5, **PLAIN))


def test_a_table_gives_its_own_validation_part():
    examples = Examples(
        np.arange(20.0)[:, None], np.eye(2)[np.arange(20) % 2], ("a", "b"), groups=np.arange(20) // 4
    )
    run = train_examples(examples, Settings(validation=0.4, epochs=3))
    assert len(run.validation_losses) == 3
    assert len(run.fingerprint) == 128  # of both parts


# ---------------------------------------------------------------- from recordings


def test_a_network_learns_quantities_in_their_own_unit():
    recordings = [
        Recording([[x], [2 * x]], ("force",), ("N",), label=str(1000 + 50 * x))
        for x in np.linspace(0, 3, 25).tolist()
    ]
    run = train(recordings, Settings(epochs=600, **PLAIN))
    assert run.settings.task == "regression"
    assert (run.settings.output, run.settings.loss) == ("linear", "half_squared_error")
    assert score_network(run.network, recordings).value > 0.999


def test_classes_can_be_told_where_the_recordings_do_not_show_them_all(course):
    run = train(course[:5], Settings(epochs=3, **PLAIN), classes=("moving_away", "moving_closer"))
    assert run.network.classes == ("moving_away", "moving_closer")
    with pytest.raises(RecordingError, match="two classes or more"):
        train(course[:5])


def test_inputs_are_named_by_channel_and_step(course):
    assert train(course, Settings(epochs=1, **PLAIN)).network.input_names == (
        "distance[0]",
        "distance[1]",
        "distance[2]",
    )


def test_every_auto_is_decided_in_the_run(course):
    run = train(course, Settings(epochs=1))
    assert "auto" not in msgspec.structs.astuple(run.settings)
    assert [getattr(run.settings, n) for n in ("loss", "output", "start", "task")] == [
        "cross_entropy",
        "softmax",
        "he",
        "classification",
    ]


# ---------------------------------------------------------------- stopping at once, and what is advised


def long_epoch() -> tuple[Examples, Settings]:
    """Return a training whose single epoch takes longer than a trial of a learning rate."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60_000, 50)).astype(np.float32)
    Y = X @ random.normal(size=(50, 1)).astype(np.float32)
    return Examples(X, Y), Settings(hidden=(256,), activation="linear", optimizer="sgd", batch=1, epochs=1)


def test_a_long_epoch_is_not_waited_for_and_the_advised_rate_was_tried_to_its_end():
    examples, settings = long_epoch()
    began = time.perf_counter()
    with pytest.raises(DivergenceError, match="epoch 1, weight") as caught:
        train_examples(examples, msgspec.structs.replace(settings, learning_rate=1.0))
    assert time.perf_counter() - began < 30
    rate = float(re.search(r"learning rate ([\d.e-]+):", caught.value.mend)[1])
    few = examples.take(np.arange(0, 60_000, 20))
    run = train_examples(few, msgspec.structs.replace(settings, learning_rate=rate, epochs=2))
    assert run.losses[-1] <= run.losses[0]


def test_ending_a_training_that_has_left_the_numbers_tells_of_the_divergence():
    examples, settings = long_epoch()
    ends_at_once = Watch(progress=lambda progress: progress.epoch > 0, advise=False)
    with pytest.raises(DivergenceError) as caught:
        train_examples(examples, msgspec.structs.replace(settings, learning_rate=1.0), watch=ends_at_once)
    for layer in caught.value.run.network.layers:
        assert np.isfinite(layer.weights).all()


def test_a_training_that_is_ended_right_after_the_update_that_left_the_numbers_tells_of_it(monkeypatch):
    monkeypatch.setattr("tinyglass.fitting.SLICE", 0.0)
    random = np.random.default_rng(0)
    examples = Examples(random.normal(size=(8192, 26)), random.normal(size=(8192, 1)) * 1e4)
    wished = {"hidden": (), "optimizer": "sgd", "batch": 4096, "shuffle": False, "learning_rate": 3e38}
    seen = []

    def end_after_the_first_update(progress):
        seen.append(progress.epoch)
        return progress.epoch >= 0.5

    watch = Watch(progress=end_after_the_first_update, advise=False)
    with pytest.raises(DivergenceError) as caught:
        train_examples(examples, make_settings(wished), watch=watch)
    assert seen[-1] == 0.5
    assert (caught.value.run.updates, watch.interrupted) == (0, False)
    assert np.isfinite(caught.value.run.network.layers[0].weights).all()


def test_a_training_ended_within_an_epoch_has_the_losses_of_all_epochs_before(monkeypatch):
    monkeypatch.setattr("tinyglass.fitting.SLICE", 0.0)
    random = np.random.default_rng(0)
    examples = Examples(random.normal(size=(2000, 40)), random.normal(size=(2000, 1)))
    run = train_examples(
        examples, Settings(epochs=20), watch=Watch(progress=lambda p: 6.1 < p.epoch % 10 < 6.9)
    )
    whole = train_examples(examples, Settings(epochs=20))
    assert run.outcome == "interrupted"
    assert 6 * 2000 < run.updates * whole.settings.batch < 7 * 2000
    assert (run.epochs, run.best_epoch) == (6, 6)
    assert run.losses.tobytes() == whole.losses[:6].tobytes()


def test_a_rate_is_found_however_small_it_must_be(course):
    large = [Recording(r.signal * 1e4, label=r.label) for r in course]
    settings = make_settings(
        {
            **PLAIN,
            "hidden": [],
            "output": "linear",
            "optimizer": "sgd",
            "scale": "none",
            "learning_rate": 1000.0,
        }
    )
    with pytest.raises(DivergenceError) as caught:
        train(large, settings)
    rate = float(re.search(r"learning rate ([\d.e-]+):", caught.value.mend)[1])
    assert rate < 1e-6
    run = train(large, msgspec.structs.replace(settings, learning_rate=rate))
    assert run.losses[-1] < run.losses[0]


def test_a_loss_that_rose_is_told(course):
    values = {"hidden": [], "output": "linear", "optimizer": "sgd", "epochs": 30, "precision": "float64"}
    assert train(course, make_settings(values | {"learning_rate": 2.0})).rose
    assert not train(course, make_settings(values | {"learning_rate": 0.01})).rose


def test_a_run_cannot_be_changed(course):
    run = train(course, Settings(epochs=2, **PLAIN))
    for name in ("losses", "accuracies", "validation_losses"):
        assert not getattr(run, name).flags.writeable
