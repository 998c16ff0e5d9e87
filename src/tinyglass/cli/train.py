"""The verb train: train, score, and write model, run and report."""

from __future__ import annotations

import argparse
import shlex
import signal
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import StorageError
from ..printing import CHECKPOINT, MODEL, REPORT, RUN, print_json, print_training, progress_bar
from ..settings import PRESETS, SPLITS, Settings, describe, explain_field, make_settings, option
from .facts import account_facts, train_facts
from .options import AddVerb, add_json, add_path, add_reading, count
from .reading import Work, gather, reading_of
from .reproducing import reproduce
from .starting import given_settings, put_aside, rename_before, settings_to_resume

if TYPE_CHECKING:
    from ..evaluation import Score
    from ..rejection import Rejection
    from ..runs import Run

INTERRUPTED = 130  # the exit code that shells give Ctrl-C


def add_verb(add: AddVerb) -> None:
    verb = add("train", train_verb, "train a network on recordings, score it, and write model and report")
    add_path(verb)
    verb.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for model, run and report"
    )
    verb.add_argument(
        "--test",
        type=Path,
        metavar="PATH",
        help="recordings to test on (default: parts of the others, left out in turn)",
    )
    verb.add_argument(
        "--split",
        default="auto",
        metavar="HOW",
        help="how recordings are parted for the score: "
        f"{', '.join(SPLITS)} (default: the strictest that the recordings name)",
    )
    verb.add_argument(
        "--preset",
        metavar="NAME",
        help=f"settings by name: {', '.join(PRESETS)} (the course's program as it should be)",
    )
    verb.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings from a TOML file; options on the command line win",
    )
    verb.add_argument(
        "--seeds", type=count, metavar="N", help="score with N seeds: mean and standard deviation"
    )
    verb.add_argument(
        "--resume", action="store_true", help="continue a training in DIR that was killed or stopped"
    )
    add_json(verb)
    add_reading(verb)
    settings = verb.add_argument_group("settings", "also names in the TOML file, with _ for -")
    for name in Settings.__struct_fields__:
        _add_setting(settings, name)


def _add_setting(group: Any, name: str) -> None:
    text = describe(name).replace("%", "%%")
    if isinstance(explain_field(name)[2], bool):
        group.add_argument(option(name), action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        group.add_argument(option(name), metavar="X", help=text)


def train_verb(options: argparse.Namespace) -> int:
    """Train, score, and write model, run and report."""
    from ..core import check
    from ..storage import training_folder

    values, preset = given_settings(options)
    with training_folder(options.out) as folder:
        checkpoint = folder / CHECKPOINT
        if options.resume:
            settings, about = settings_to_resume(options, values, preset, checkpoint)
        else:
            settings = make_settings(values, preset)
            check(settings.core, settings.batch)
            about = {
                "path": None if options.path is None else str(options.path),
                "test": None if options.test is None else str(options.test),
                "seeds": options.seeds or 1,
                "split": options.split,
                "reading": reading_of(options),
            }
        if not options.resume and checkpoint.exists():
            put_aside(checkpoint)
        work = gather(settings, about)
        with _ctrl_c() as asked:
            return _train(work, settings, about, folder, options, asked)


def _train(
    work: Work,
    settings: Settings,
    about: dict[str, Any],
    folder: Path,
    options: argparse.Namespace,
    asked: Callable[[], bool],
) -> int:
    from ..errors import DivergenceError
    from ..evaluation import score_network
    from ..findings import find_problems
    from ..fitting import Progress, Watch
    from ..report import write_report
    from ..training import train

    data, tested, trained, _ = work
    with progress_bar() as (show, message):

        def progress(p: Progress) -> bool:
            show(p.stage, p.epoch / p.epochs, p.loss)
            return asked()

        watch = Watch(progress, checkpoint=folder / CHECKPOINT, resume=options.resume, about=about)
        try:
            run = train(trained, settings, watch)
        except DivergenceError as error:
            _keep_diverged(error.run, folder, message)
            raise
        show("training", run.epochs / run.settings.n_epochs if run.outcome == "interrupted" else 1.0)
        n_readings = statistics.median_low(recording.n_readings for recording in trained)
        origin = {"fingerprint": run.fingerprint, "tinyglass": __version__, "n_readings": n_readings}
        sha256 = run.network.save(folder / MODEL, origin)
        run.save(folder / RUN)

        def scored(share: float) -> bool:
            show("scoring", share)
            return asked()

        score: Score | None = None
        rejections: list[Rejection] = []
        if run.outcome != "interrupted":
            try:
                score, rejections = _score(work, run, about["seeds"], scored)
            except KeyboardInterrupt:
                message(
                    "Stopped while scoring: the model is complete; with --resume the score is made up for."
                )
        own = score_network(run.network, trained)
        findings = find_problems(data)
    command = reproduce(run, folder)
    write_report(
        folder / REPORT,
        run,
        data,
        score,
        own,
        test=tested,
        findings=findings,
        rejections=rejections,
        command=command,
        sha256=sha256,
    )
    if score is not None:
        (folder / CHECKPOINT).unlink(missing_ok=True)

    if options.json:
        facts = train_facts(run, score, own, data, tested, folder, sha256)
        facts |= account_facts(data, findings, rejections) | {"n_trained": len(trained)}
        print_json(facts)
    else:
        print_training(run, score, own, data, findings, rejections, folder)
    if run.outcome == "interrupted":
        message(
            f"Stopped in epoch {run.epochs + 1} of {run.settings.n_epochs}; what was reached is kept. "
            f"Continue with: tinyglass train --out {shlex.quote(str(folder))} --resume"
        )
    return INTERRUPTED if score is None else 0


def _keep_diverged(run: Run, folder: Path, message: Callable[[str], None]) -> None:
    """Leave the run of a training that diverged, and no model: it says why, and how to do better."""
    (folder / CHECKPOINT).unlink(missing_ok=True)  # continuing would end in the same place
    if (folder / MODEL).exists():
        for name in (MODEL, RUN, REPORT):
            if (folder / name).exists():
                rename_before(folder / name)
        message("the training that was in this folder is kept: its files are named …-before now.")
    try:
        run.save(folder / RUN)
    except StorageError as error:
        message(f"this training diverged, and its run could not be kept. {error}")
    else:
        message(
            "this training diverged: its run is kept, and no model. "
            f"See why with: tinyglass diagnose {shlex.quote(str(folder))}"
        )


def _score(
    work: Work, run: Run, seeds: int, scored: Callable[[float], bool]
) -> tuple[Score, list[Rejection]]:
    from ..evaluation import evaluate
    from ..rejection import reject_left_out

    score = evaluate(
        work.data,
        run.wished,
        test=work.tested,
        split=work.split,
        seeds=seeds,
        progress=lambda share: scored(0.9 * share),
    )
    rejections = reject_left_out(
        work.trained, run.settings, run.network.classes or (), lambda share: scored(0.9 + 0.1 * share)
    )
    scored(1.0)
    return score, rejections


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C ask instead of interrupt, so that saving is never cut short however often it is pressed."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        yield lambda: False
        return
    asked = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
