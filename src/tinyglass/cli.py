"""The command line: one verb for each public function.

Options for settings are made from `tinyglass.settings.Settings`; everything heavy is
imported by the verb that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import __version__
from .errors import ArgumentError, StorageError, TinyglassError, nearest, printable
from .printing import (
    CHECKPOINT,
    MODEL,
    REPORT,
    RUN,
    data_facts,
    print_confusion,
    print_data,
    print_json,
    print_network,
    print_predictions,
    print_table,
    print_training,
    progress_bar,
    score_rows,
)
from .settings import (
    PRESETS,
    Settings,
    as_options,
    describe,
    explain_field,
    make_settings,
    option,
    parse_value,
    read_config,
)

if TYPE_CHECKING:
    from .evaluation import Score
    from .findings import Finding
    from .network import Network
    from .prediction import Prediction
    from .recordings import DataSet, Recording
    from .rejection import Rejection
    from .runs import Run

SPLITS = ("auto", "published", "person", "device", "session", "recording")
WORTH_A_BAR = 2.0  # seconds of reading
INTERRUPTED = 130  # the exit code that shells give Ctrl-C


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with 0, 2 for bad input, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["--version"])  # doctest: +SKIP
    tinyglass 0.1.0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a label may have letters that it has not
    options = make_parser().parse_args(arguments)
    try:
        code = options.verb(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except TinyglassError as error:
        print(f"tinyglass: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`.
        sys.stdout = None
        code = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.stdout = None
        print(
            f"tinyglass: {StorageError('The disk is full', 'standard output', 'Free some space')}",
            file=sys.stderr,
        )
        code = 2
    except KeyboardInterrupt:
        print("tinyglass: stopped.", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


class _Parser(argparse.ArgumentParser):
    """Say what is wrong with the command line, and offer the nearest known word."""

    def parse_args(self, arguments: Any = None, namespace: Any = None) -> Any:
        options, unknown = self.parse_known_args(arguments, namespace)
        if unknown:
            word = unknown[0].split("=")[0]
            known = [name for name in options.parser._option_string_actions if name.startswith("--")]
            if not word.startswith("-"):
                options.parser.refuse(f"Unexpected word {word!r}")
            options.parser.refuse(f"Unknown option {word!r}", nearest(word, known).partition(" Known")[0])
        return options

    def error(self, message: str) -> Any:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong:
            known = re.findall(r"[\w-]+", wrong[2])
            self.refuse(f"Unknown verb {wrong[1]!r}", nearest(wrong[1], known))
        self.refuse(message[:1].upper() + message[1:])

    def refuse(self, what: str, mend: str = "") -> None:
        """Print what is wrong as every other error is printed, and exit with 2."""
        error = ArgumentError(what, "the command line", mend if "?" in mend else f"See {self.prog} --help")
        print(f"tinyglass: {error}", file=sys.stderr)
        sys.exit(2)


def make_parser() -> _Parser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="tinyglass",
        description="A glass box for tiny neural networks: record, train, read every number, run on the board.",
        epilog="tinyglass VERB --help explains a verb and all its options.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tinyglass {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text + ".", allow_abbrev=False)
        verb.set_defaults(verb=run, parser=verb)
        return verb

    verb = add("data", data_verb, "show what recordings hold, and what looks wrong with them")
    _add_path(verb)
    _add_reading(verb)
    verb.add_argument(
        "--save", type=Path, metavar="FILE", help="write the recordings as a table: .parquet or .csv"
    )
    verb.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw all recordings by class and channel: .svg, .png or .pdf",
    )
    _add_json(verb)

    verb = add("train", train_verb, "train a network on recordings, score it, and write model and report")
    _add_path(verb)
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
        "--seeds", type=_count, metavar="N", help="score with N seeds: mean and standard deviation"
    )
    verb.add_argument(
        "--resume", action="store_true", help="continue a training in DIR that was killed or stopped"
    )
    _add_json(verb)
    _add_reading(verb)
    settings = verb.add_argument_group("settings", "also names in the TOML file, with _ for -")
    for name in Settings.__struct_fields__:
        _add_setting(settings, name)

    verb = add("test", test_verb, "score a trained network on labelled recordings")
    _add_model_and_path(verb)
    _add_json(verb)

    verb = add("predict", predict_verb, "say what recordings are, with probabilities")
    _add_model_and_path(verb)
    verb.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="less sure than this is unknown (default: the network's own)",
    )
    _add_json(verb)

    verb = add(
        "show", show_verb, "show a trained network: layers, every weight, settings, how to reproduce it"
    )
    verb.add_argument("model", type=Path, metavar="DIR", help="folder of a training, or a model file")
    _add_json(verb)
    return parser


def _add_path(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="recordings: a file, a folder or an archive (default: the course's ten)",
    )


def _add_reading(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group(
        "reading", "which recordings, and by which names; \\, is a comma in a label"
    )
    group.add_argument("--label", metavar="L", help="the label of recordings that carry none")
    group.add_argument(
        "--only",
        type=_labels,
        action="extend",
        metavar="A,B",
        help="use the recordings with these labels only",
    )
    group.add_argument(
        "--rename",
        type=_pairs,
        action="extend",
        default=[],
        metavar="OLD=NEW",
        help="give a label another name, or the name of another label; may be repeated",
    )
    group.add_argument(
        "--group",
        type=_kind_and_pattern,
        action="append",
        default=[],
        metavar="KIND=PATTERN",
        help="take the person, session, device or label from each path: a regular expression; may be repeated",
    )


def _add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")


def _add_model_and_path(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("model", type=Path, metavar="DIR", help="folder of a training, or a model file")
    verb.add_argument("path", type=Path, metavar="PATH", help="recordings: a file, a folder or an archive")
    _add_reading(verb)


def _add_setting(group: Any, name: str) -> None:
    text = describe(name).replace("%", "%%")
    if isinstance(explain_field(name)[2], bool):
        group.add_argument(option(name), action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        group.add_argument(option(name), metavar="X", help=text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def _labels(text: str) -> list[str]:
    """Return the labels between commas."""
    return [_unescaped(part) for part in re.split(r"(?<!\\),", text)]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return the (old, new) labels of a=b,c=d."""
    pairs = [re.split(r"(?<!\\)=", part, maxsplit=1) for part in re.split(r"(?<!\\),", text)]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"expected OLD=NEW, found {text!r}")
    return [(_unescaped(old), _unescaped(new)) for old, new in pairs]


def _unescaped(label: str) -> str:
    return re.sub(r"\\([,=\\])", r"\1", label)


def _escaped(label: str) -> str:
    return re.sub(r"([,=\\])", r"\\\1", label)


def _kind_and_pattern(text: str) -> tuple[str, str]:
    kind, equals, pattern = text.partition("=")
    if not (kind and equals and pattern):
        raise argparse.ArgumentTypeError(f"expected KIND=PATTERN, such as person='a(\\d+)', found {text!r}")
    return kind, pattern


# ---------------------------------------------------------------- data


def data_verb(options: argparse.Namespace) -> int:
    """Show what was read, and what looks wrong."""
    from .findings import find_problems
    from .recordings import COURSE

    with progress_bar() as (show, _):
        data = _read(_reading(options), options.path, show)
    findings = find_problems(data)
    if options.save is not None:
        from .recordings.saving import save_recordings

        save_recordings(data, options.save, protect=options.path or COURSE)
    if options.plot is not None:
        from .figures import plot_recordings

        plot_recordings(data, options.plot)
    if options.json:
        print_json(data_facts(data, findings))
    else:
        print_data(data, findings, "the course (CC BY-SA 4.0)" if options.path is None else str(options.path))
        for wish in (options.save, options.plot):
            if wish is not None:
                print(printable(f"written: {wish}"))
    return 0


def _reading(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of reading as they can be kept with a training."""
    return {
        "label": options.label,
        "only": options.only,
        "rename": dict(options.rename),
        "group": dict(options.group),
    }


def _read(reading: dict[str, Any], path: str | Path | None, show: Callable[..., None]) -> DataSet:
    """Return the recordings at the path, read and chosen as the options of reading say."""
    from .recordings import read_recordings
    from .recordings.choosing import choose

    began = time.monotonic()

    def progress(share: float) -> None:
        if time.monotonic() - began > WORTH_A_BAR:
            show("reading", share)

    data = read_recordings(path, label=reading["label"], groups=reading["group"], progress=progress)
    progress(1.0)
    return choose(data, reading["only"], reading["rename"])


# ---------------------------------------------------------------- train


def train_verb(options: argparse.Namespace) -> int:
    """Train, score, and write model, run and report."""
    from .storage import training_folder

    values, preset = _given_settings(options)
    with training_folder(options.out) as folder:
        checkpoint = folder / CHECKPOINT
        if options.resume:
            settings, about = _settings_to_resume(options, values, preset, checkpoint)
        else:
            settings = make_settings(values, preset)
            about = {
                "path": None if options.path is None else str(options.path),
                "test": None if options.test is None else str(options.test),
                "seeds": options.seeds or 1,
                "split": options.split,
                "reading": _reading(options),
            }
        if not options.resume and checkpoint.exists():
            _put_aside(checkpoint)
        work = _gather(settings, about)
        with _ctrl_c() as asked:
            return _train(work, settings, about, folder, options, asked)


def _given_settings(options: argparse.Namespace) -> tuple[dict[str, Any], str | None]:
    """Return the settings of the file and the command line, by name, and the preset below them."""
    config = {} if options.config is None else read_config(options.config)
    in_file = config.pop("preset", None)
    preset = options.preset or in_file
    values = {key.replace("-", "_"): value for key, value in config.items()}
    if options.preset is not None:
        make_settings({}, options.preset)
    make_settings(values, preset, str(options.config))  # so that its errors name the file
    for name in Settings.__struct_fields__:
        value = getattr(options, name)
        if value is not None:
            values[name] = parse_value(name, value) if isinstance(value, str) else value
    return values, preset


def _settings_to_resume(
    options: argparse.Namespace, values: dict[str, Any], preset: str | None, checkpoint: Path
) -> tuple[Settings, dict[str, Any]]:
    import msgspec

    from .runs import read_checkpoint

    if not checkpoint.exists():
        done = (checkpoint.parent / RUN).exists()
        raise ArgumentError(
            "The training in this folder is complete"
            if done
            else "There is no training to resume in this folder",
            str(checkpoint.parent),
            f"See it with: tinyglass show {shlex.quote(str(checkpoint.parent))}"
            if done
            else "Train without --resume",
        )
    settings, about = read_checkpoint(checkpoint)
    wanted = msgspec.structs.asdict(make_settings(values, preset))
    names = [*values, *PRESETS.get(preset or "", {})]
    decided_later = {
        "loss",
        "output",
        "start",
        "task",
        "epochs",
        "inputs",
        "augment",
        "threshold",
        "temperature",
    }
    other = [
        name
        for name in names
        # The checkpoint has what became of their "auto".
        if wanted[name] != getattr(settings, name) and not (name in decided_later and wanted[name] == "auto")
    ]
    if other:
        raise ArgumentError(
            f"The training to resume was started with other settings: {', '.join(map(option, other))}",
            str(checkpoint),
            "Leave those options out, or train anew without --resume",
        )
    for name in ("path", "test"):
        value = getattr(options, name)
        about[name] = about.get(name) if value is None else str(value)
    about["seeds"] = options.seeds or about.get("seeds", 1)
    return settings, about


def _put_aside(checkpoint: Path) -> None:
    names = (
        "checkpoint-before.safetensors",
        *(f"checkpoint-before-{n}.safetensors" for n in range(2, 10**6)),
    )
    aside = next(checkpoint.with_name(name) for name in names if not checkpoint.with_name(name).exists())
    checkpoint.replace(aside)
    print(
        f"tinyglass: an unfinished training was in this folder; its checkpoint is now {aside.name} "
        f"(rename it to {CHECKPOINT} and use --resume to continue it).",
        file=sys.stderr,
    )


NOTHING_CHOSEN: dict[str, Any] = {"label": None, "only": None, "rename": {}, "group": {}}


class _Work(NamedTuple):
    """What a training works on."""

    data: DataSet
    tested: DataSet | None
    trained: Sequence[Recording]
    split: str


def _gather(settings: Settings, about: dict[str, Any]) -> _Work:
    """Read, and decide what trains. Nothing is written yet, so Ctrl-C may end it anywhere."""
    from .evaluation import PUBLISHED, expected_answers
    from .splits import find_split
    from .units import same_channels

    reading, split = about.get("reading") or NOTHING_CHOSEN, about.get("split", "auto")
    with progress_bar() as (show, message):
        read = _read(reading, about["path"], show)
        data = same_channels(read)
        tested = None if about["test"] is None else _read(reading, about["test"], show)
        for dropped in data.dropped[len(read.dropped) :]:
            message(f"left out: {dropped.where}: {dropped.why}")
        task, _, _ = expected_answers(data, tested, settings)  # before hours of training, not after
        trained: Sequence[Recording] = data
        if tested is None:
            parts = find_split(data, task == "classification", split=split, seed=settings.seed)
            if parts.name == PUBLISHED:
                trained = [data[i] for i in parts.folds[0].train.tolist()]
                unused = len(data) - len(trained) - len(parts.folds[0].test)
                if unused:
                    message(
                        f"{unused} recordings are in neither the train nor the test part, or copies: not used"
                    )
    return _Work(data, tested, trained, split)


def _train(
    work: _Work,
    settings: Settings,
    about: dict[str, Any],
    folder: Path,
    options: argparse.Namespace,
    asked: Callable[[], bool],
) -> int:
    from .errors import DivergenceError
    from .evaluation import evaluate, score_network
    from .findings import find_problems
    from .rejection import reject_left_out
    from .report import write_report
    from .training import Progress, Watch, train

    data, tested, trained, split = work
    score: Score | None = None
    rejections: list[Rejection] = []
    with progress_bar() as (show, message):

        def progress(p: Progress) -> bool:
            show(p.stage, p.epoch / p.epochs, p.loss)
            return asked()

        watch = Watch(progress, checkpoint=folder / CHECKPOINT, resume=options.resume, about=about)
        try:
            run = train(trained, settings, watch)
        except DivergenceError:
            (folder / CHECKPOINT).unlink(missing_ok=True)  # continuing would end in the same place
            raise
        show("training", run.epochs / run.settings.n_epochs if run.outcome == "interrupted" else 1.0)
        sha256 = run.network.save(folder / MODEL, {"fingerprint": run.fingerprint, "tinyglass": __version__})
        run.save(folder / RUN)

        def scored(share: float) -> bool:
            show("scoring", share)
            return asked()

        if run.outcome != "interrupted":
            try:
                score = evaluate(
                    data,
                    run.wished,
                    test=tested,
                    split=split,
                    seeds=about["seeds"],
                    progress=lambda share: scored(0.9 * share),
                )
                rejections = reject_left_out(
                    trained, run.settings, run.network.classes or (), lambda share: scored(0.9 + 0.1 * share)
                )
                scored(1.0)
            except KeyboardInterrupt:
                message(
                    "Stopped while scoring: the model is complete; with --resume the score is made up for."
                )
                score, rejections = None, []
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
        facts = _train_facts(run, score, own, data, tested, folder, sha256)
        facts |= _account_facts(data, findings, rejections) | {"n_trained": len(trained)}
        print_json(facts)
    else:
        print_training(run, score, own, data, findings, rejections, folder)
    if run.outcome == "interrupted":
        message(
            f"Stopped in epoch {run.epochs + 1} of {run.settings.n_epochs}; what was reached is kept. "
            f"Continue with: tinyglass train --out {shlex.quote(str(folder))} --resume"
        )
    return INTERRUPTED if score is None else 0


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


def _train_facts(
    run: Run,
    score: Score | None,
    own: Score,
    recordings: Sequence[Recording],
    tested: Sequence[Recording] | None,
    folder: Path,
    sha256: str,
) -> dict[str, Any]:
    import msgspec

    name = own.name
    facts: dict[str, Any] = {
        name: score.value if score else None,
        "interval": list(score.interval) if score else None,
        "split": score.split if score else None,
        "n_train": score.n_train if score else len(recordings),
        "n_test": score.n_test if score else len(tested or ()),
        "seeds": len(score.values) if score else run.about.get("seeds", 1),
    }
    if score and score.deviation is not None:
        facts[f"{name}_sd"] = score.deviation
    if score and score.mean_absolute_error is not None:
        facts["mean_absolute_error"] = score.mean_absolute_error
    if score:
        facts |= {
            "grouping": score.grouping,
            "n_groups": score.n_groups,
            "baselines": score.baselines,
            "random_split": score.random,
            "values": list(score.values),
        }
        if score.classes is not None:
            facts |= {
                "precision": score.precision,
                "recall": score.recall,
                "confusion": score.confusion.tolist(),
            }
        else:
            facts["baseline_errors"] = score.baseline_errors
    choice = run.choice
    return facts | {
        f"train_{name}": own.value,
        "failed_trainings": score.failed if score else 0,
        "classes": None if run.network.classes is None else list(run.network.classes),
        "n_inputs": run.network.n_inputs,
        "inputs": "+".join(run.settings.inputs),
        "augment": "+".join(run.settings.augment) or "none",
        "choice": None if choice is None else msgspec.to_builtins(choice),
        "threshold": run.network.threshold,
        "temperature": run.network.temperature,
        "converted": run.about.get("converted", []),
        "hidden": list(run.settings.hidden),
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "outcome": run.outcome,
        "loss_rose": run.rose,
        "loss": float(run.losses[-1]) if run.epochs else None,
        "seconds": run.seconds,
        "seed": run.settings.seed,
        "out": str(folder),
        "model": str(folder / MODEL),
        "report": str(folder / REPORT),
        "sha256": sha256,
        "fingerprint": run.fingerprint,
    }


def _account_facts(
    data: DataSet, findings: Sequence[Finding], rejections: Sequence[Rejection]
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "rejected": {rejection.label: rejection.rejected for rejection in rejections},
        "repairs": [asdict(repair) for repair in data.repairs],
        "dropped": [asdict(dropped) for dropped in data.dropped],
        "findings": [asdict(finding) for finding in findings],
    }


def reproduce(run: Run, folder: Path) -> str:
    """Return the command that trains the same network again, to the bit."""
    words = ["tinyglass", "train"]
    if run.about.get("path"):
        words.append(run.about["path"])
    words += ["--out", str(folder)]
    if run.about.get("test"):
        words += ["--test", run.about["test"]]
    if run.about.get("seeds", 1) > 1:
        words += ["--seeds", str(run.about["seeds"])]
    if run.about.get("split", "auto") != "auto":
        words += ["--split", run.about["split"]]
    reading = run.about.get("reading") or {}
    if reading.get("label"):
        words += ["--label", reading["label"]]
    if reading.get("only"):
        words += ["--only", ",".join(map(_escaped, reading["only"]))]
    for old, new in (reading.get("rename") or {}).items():
        words += ["--rename", f"{_escaped(old)}={_escaped(new)}"]
    for kind, pattern in (reading.get("group") or {}).items():
        words += ["--group", f"{kind}={pattern}"]
    return shlex.join(words + as_options(run.wished))


# ---------------------------------------------------------------- test, predict, show


def _load(path: Path) -> tuple[Network, dict[str, Any], str]:
    from .network import load_network

    if path.is_dir():
        if not (path / MODEL).exists():
            unfinished = (path / CHECKPOINT).exists()
            command = f"tinyglass train --out {shlex.quote(str(path))}"
            raise StorageError(
                f"There is no {MODEL} in this folder"
                + (", only an unfinished training" if unfinished else ""),
                str(path),
                f"Continue it: {command} --resume" if unfinished else f"Train first: {command}",
            )
        path = path / MODEL
    return load_network(path)


def test_verb(options: argparse.Namespace) -> int:
    """Score a network on labelled recordings."""
    from .evaluation import score_network

    network, _, sha256 = _load(options.model)
    with progress_bar() as (show, _):
        recordings = _read(_reading(options), options.path, show)
    score = score_network(network, recordings)
    if options.json:
        facts: dict[str, Any] = {
            score.name: score.value,
            "interval": list(score.interval),
            "n_test": score.n_test,
        }
        if score.classes is not None:
            facts |= {"classes": list(score.classes), "confusion": score.confusion.tolist()}
        else:
            facts["mean_absolute_error"] = score.mean_absolute_error
        print_json(facts | {"sha256": sha256})
        return 0
    print_table(score_rows(score, len(recordings)), f"{options.model} on {options.path}")
    if score.classes is not None:
        print_confusion(score)
    return 0


def predict_verb(options: argparse.Namespace) -> int:
    """Say what recordings are."""
    from .prediction import predict

    network, _, sha256 = _load(options.model)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ArgumentError(
            f"Expected a number from 0 to 1, found {options.threshold}", "--threshold", "Give such a number"
        )
    with progress_bar() as (show, _):
        recordings = _read(_reading(options), options.path, show)
    predictions = predict(network, recordings, options.threshold)
    if options.json:
        print_json(
            {
                "predictions": [_prediction_facts(p, network) for p in predictions],
                "classes": None if network.classes is None else list(network.classes),
                "threshold": network.threshold if options.threshold is None else options.threshold,
                "sha256": sha256,
            }
        )
        return 0
    print_predictions(predictions, network)
    return 0


def _prediction_facts(prediction: Prediction, network: Network) -> dict[str, Any]:
    facts: dict[str, Any] = {"source": prediction.source, "label": prediction.label}
    if network.classes is None:
        return facts
    by_class = dict(zip(network.classes, prediction.outputs, strict=True))
    return facts | {
        "best": prediction.best,
        "probability": prediction.probability,
        "probabilities": by_class if network.gives_probabilities else None,
        "outputs": by_class,
    }


def show_verb(options: argparse.Namespace) -> int:
    """Show a network: layers, every weight, settings, how to reproduce it."""
    import msgspec
    import numpy as np

    from .network import flatten
    from .runs import Run

    network, about, sha256 = _load(options.model)
    run_path = options.model / RUN if options.model.is_dir() else options.model.with_name(RUN)
    run = Run.load(run_path) if run_path.exists() else None
    if run is not None and not np.array_equal(flatten(run.network), flatten(network)):
        print(f"tinyglass: {run_path} is of another training than the model, and not shown.", file=sys.stderr)
        run = None
    folder = run_path.parent
    if options.json:
        facts: dict[str, Any] = {
            "layers": [
                {
                    "name": name,
                    "n_inputs": layer.n_inputs,
                    "n_outputs": layer.n_outputs,
                    "activation": layer.activation,
                    "weights": layer.weights.tolist(),
                    "bias": None if layer.bias is None else layer.bias.tolist(),
                }
                for name, layer in zip(network.layer_names, network.layers, strict=True)
            ],
            "classes": None if network.classes is None else list(network.classes),
            "inputs": list(network.input_names),
            "preparation": None
            if network.preparation is None
            else msgspec.structs.asdict(network.preparation),
            "precision": network.dtype.name,
            "threshold": network.threshold,
            "n_weights": network.n_weights,
            "sha256": sha256,
            "fingerprint": about.get("fingerprint"),
        }
        if run is not None:
            facts |= {
                "settings": msgspec.structs.asdict(run.settings),
                "epochs": run.epochs,
                "outcome": run.outcome,
                "seconds": run.seconds,
                "reproduce": reproduce(run, folder),
            }
        print_json(facts)
        return 0
    print_network(network, run, sha256, "" if run is None else reproduce(run, folder))
    return 0


if __name__ == "__main__":
    main()
