"""The verb verify: a network is run wherever it can be, and every answer compared with the PC's."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, printable
from ..export.targets import FORMS, PRECISIONS, TARGETS
from ..printing import print_grid, print_json, progress_bar
from .exporting import (
    add_precision,
    add_trainer,
    check_name,
    learning_rate_of,
    model_path,
    training_recordings,
)
from .models import load_model
from .options import AddVerb, add_json, add_model, add_reading
from .reading import read_asked

if TYPE_CHECKING:
    from ..export.board_model import BoardModel
    from ..export.executors.table import Executor
    from ..export.verifying import Examples, Verified
    from ..recordings import Recording

WRONG = 1  # the exit code where an answer is not the PC's


def add_verb(add: AddVerb) -> None:
    verb = add("verify", verify_verb, "run a network wherever it can be run, and compare with the PC")
    add_model(verb)
    verb.add_argument(
        "path",
        type=Path,
        nargs="?",
        metavar="DATA",
        help="recordings: a file, a folder or an archive (default: those of the training)",
    )
    verb.add_argument("--target", metavar="T", help=f"only what runs this: {', '.join(TARGETS)}")
    add_precision(verb, "both", ["both"])
    verb.add_argument(
        "--port", metavar="PORT", help="ask the board at this serial port to run its self-test, instead"
    )
    verb.add_argument(
        "--show",
        action="store_true",
        help="print also what CircuitPython will print for each recording, by the model of its 30-bit floats",
    )
    add_trainer(verb, "let a trainer learn the recordings, and compare every step, instead:")
    add_reading(verb)
    add_json(verb)


def verify_verb(options: argparse.Namespace) -> int:
    """Run a network wherever it can be run, and compare with the PC."""
    from ..export.verifying import examples_of, verify_model

    learning_rate_of(options)
    load_model(options.model)  # before anything else is said about it
    check_name(options.precision, (*PRECISIONS, "both"), "--precision")
    if options.target is not None:
        check_name(options.target, TARGETS, "--target")
    if options.port is not None:
        return _verify_port(options)
    forms = ("python", "c", "onnx") if options.target is None else (FORMS[options.target],)
    trained = training_recordings(options.model, options.recordings, False)
    recordings: Sequence[Recording] = trained if options.path is None else read_asked(options)
    if not recordings:
        raise ArgumentError(
            "No recordings are at hand", "the command line", "Name some: tinyglass verify MODEL DATA"
        )
    if options.trainer is not None:
        _refuse_beside_trainer(options)
        return _verify_trainer(options, recordings, forms)
    models, refused = _models(options, trained or recordings)
    if forms == ("onnx",) and options.precision == "int8":
        raise ArgumentError("ONNX is exported in float32 only", "--precision", "Leave it out")
    verified: list[Verified] = []
    missing: dict[str, Executor] = {}
    shown: list[str] = []
    with progress_bar() as (show, _):
        for board_model in models:
            examples = examples_of(board_model, recordings)

            def progress(share: float, model: BoardModel = board_model) -> None:
                show(model.precision, share)

            done, absent = verify_model(board_model, examples, forms, progress)
            verified += done
            missing |= {executor.name: executor for executor in absent}
            if options.show:
                shown += _what_circuitpython_prints(board_model, examples)
    _refuse_nothing(verified, missing.values())
    if options.json:
        print_json(_facts(verified, missing, refused, shown, models))
    else:
        _print(verified, missing, refused, shown, models)
    return 0 if all(v.sound for v in verified) else WRONG


def _refuse_nothing(verified: Sequence[Any], missing: Iterable[Executor]) -> None:
    """Refuse to call right what was never run."""
    if not verified:
        installs = "; or ".join(sorted({executor.install for executor in missing}))
        raise ArgumentError(
            "Nothing here runs this target", "this machine", f"Install one of these: {installs}"
        )


def _models(
    options: argparse.Namespace, calibration: Sequence[Recording]
) -> tuple[list[BoardModel], list[str]]:
    """Return the network in each precision asked for, and why one of both cannot be had."""
    from ..export.board_model import make_board_model

    wanted = PRECISIONS if options.precision == "both" else (options.precision,)
    models, refused = [], []
    for precision in wanted:
        try:
            model = make_board_model(
                model_path(options.model),
                precision,
                calibration,
                n_readings=options.readings,
            )
            models.append(model)
        except ArgumentError as error:
            if options.precision != "both" or precision == "float32":
                raise
            refused.append(str(error))
    return models, refused


def _refuse_beside_trainer(options: argparse.Namespace) -> None:
    if options.target == "onnx":
        raise ArgumentError("There is no trainer for ONNX", "--target", "Choose another target")
    if options.precision == "int8":
        raise ArgumentError(
            "An int8 network cannot learn: a step is smaller than its numbers", "--precision", "Leave it out"
        )
    if options.show:
        raise ArgumentError(
            "Nothing is predicted where a trainer is verified", "--show", "Leave out --show or --trainer"
        )


def _verify_trainer(
    options: argparse.Namespace, recordings: Sequence[Recording], forms: Sequence[str]
) -> int:
    """Let trainers learn the recordings, and compare every step with the PC's."""
    from ..export.board_model import make_board_model
    from ..export.exporting import trainer_note
    from ..export.learning import check_trainer
    from ..export.verifying_learning import verify_trainer

    model = make_board_model(model_path(options.model), "float32", recordings, n_readings=options.readings)
    learning_rate = learning_rate_of(options)
    check_trainer(model, options.trainer, learning_rate)
    with progress_bar() as (show, _):
        verified, missing = verify_trainer(
            model,
            recordings,
            options.trainer,
            learning_rate,
            forms,
            lambda share: show("learning", share),
        )
    _refuse_nothing(verified, missing)
    right = all(v.sound for v in verified)
    if options.json:
        print_json(
            {
                "verified": [asdict(v) | {"difference": None if v.fault else v.difference} for v in verified],
                "missing": {executor.title: executor.install for executor in missing},
            }
        )
        return 0 if right else WRONG
    rows = []
    for v in verified:
        exact = "" if v.exact is None else f"{v.exact}/{v.n}"
        cost = [""] * 3 if v.cost is None else [f"{x:,}" for x in (v.cost.flash, v.cost.stack, v.cost.count)]
        verdict = "none" if v.fault else "right" if v.sound else "WRONG"
        rows.append([v.title, "" if v.fault else f"{v.difference:.1e}", exact, *cost, verdict])
    n = max(v.n for v in verified)
    columns = ["executor", "difference", "same bits", "flash", "stack", "count", ""]
    print_grid(f"{n} steps, each compared with the PC's", columns, rows)
    for v in verified:
        if v.fault:
            print(printable(f"{v.title}: {v.fault}"))
    for form, target in (("python", "micropython"), ("c", "c")):
        if form in forms:
            print(trainer_note(model, target, options.trainer))
    for executor in missing:
        print(f"{executor.title} is missing; to have it: {executor.install}")
    return 0 if right else WRONG


def _what_circuitpython_prints(model: BoardModel, examples: Examples) -> list[str]:
    from ..export.board_model import label_of
    from ..export.floats import FLOAT30
    from ..export.verifying import foretell

    answers = foretell(model, examples, FLOAT30)
    lines = []
    for outputs, place in zip(answers.outputs, answers.places.tolist(), strict=True):
        if model.network.classes is None:
            lines.append(f"{model.precision}: Prediction: {outputs[0]:g}")
        else:
            lines.append(f"{model.precision}: Prediction: {label_of(model, place)}, p={outputs.max():.2f}")
    return lines


def _facts(
    verified: Sequence[Verified],
    missing: dict[str, Executor],
    refused: Sequence[str],
    shown: Sequence[str],
    models: Sequence[BoardModel],
) -> dict[str, Any]:
    return {
        "verified": [asdict(v) | {"difference": None if v.fault else v.difference} for v in verified],
        "missing": {executor.title: executor.install for executor in missing.values()},
        "refused": list(refused),
        "circuitpython": list(shown),
        "sha256": models[0].digest,
        "agreement": {m.precision: m.agreement._asdict() for m in models if m.agreement is not None},
    }


def _print(
    verified: Sequence[Verified],
    missing: dict[str, Executor],
    refused: Sequence[str],
    shown: Sequence[str],
    models: Sequence[BoardModel],
) -> None:
    what = "windows of recordings" if models[0].preparation.window else "recordings"
    columns = [
        "executor",
        "difference",
        "class",
        "bits",
        "flash",
        "RAM",
        "stack",
        "count",
        "",
    ]
    for model in models:
        rows = [_row(v) for v in verified if v.precision == model.precision]
        n = max(v.n for v in verified)
        print_grid(f"{model.precision}: {n} {what}, compared with the PC", columns, rows)
    if all(v.sound and v.equal == v.n for v in verified):
        print("All compute what the PC computes: the same classes, and the same bits where they can be seen.")
    if any(v.cost is not None for v in verified):
        print("count: instructions of a prediction, on the Uno cycles; it and bytes include the preparation.")
    for v in verified:
        if v.fault:
            print(printable(f"{v.title}, {v.precision}: {v.fault}"))
    for model in models:
        if model.agreement is not None:
            print(f"{model.agreement.in_words(model.network.classes is None)}, those of its calibration")
    for reason in refused:
        print(f"int8 was left out: {printable(reason)}")
    for executor in missing.values():
        print(f"{executor.title} is missing; to have it: {executor.install}")
    for line in shown:
        print(printable(line))


def _row(v: Verified) -> list[str]:
    if v.fault:
        return [v.title, *[""] * 7, "none"]
    equal = _share(v.equal, v.n)
    exact = "" if v.exact is None else _share(v.exact, v.n)
    costs = [""] * 4
    if v.cost is not None:
        costs = [f"{number:,}" for number in (v.cost.flash, v.cost.ram, v.cost.stack, v.cost.count)]
    return [v.title, f"{v.difference:.1e}", equal, exact, *costs, "" if v.sound else "WRONG"]


def _share(part: int, whole: int) -> str:
    return "all" if part == whole else f"{part}/{whole}"


def _verify_port(options: argparse.Namespace) -> int:
    """Let the board on the wire run its self-test, and compare its line with the PC's."""
    from ..board.deployment.checking import ask_for_selftest
    from ..export.board_model import make_board_model, selftest_line

    said = str(ask_for_selftest(options.port))
    precision = said.split()[2] if len(said.split()) > 2 else "float32"
    recordings = training_recordings(options.model, options.recordings, precision == "int8")
    if options.path is not None:
        recordings = recordings or read_asked(options)
    model = make_board_model(
        model_path(options.model),
        precision,
        recordings,
        n_readings=options.readings,
    )
    expected = selftest_line(model)
    right = said.split(" error=")[0].lower() == expected.lower()
    if (
        not right
        and not recordings
        and said.split(" hash=")[0].lower() == expected.split(" hash=")[0].lower()
    ):
        raise ArgumentError(
            "The board's test vectors are right, but of recordings that are not at hand",
            options.port,
            "Say with --recordings PATH where those are that the network was trained on",
        )
    if options.json:
        print_json({"port": options.port, "said": said, "expected": expected, "right": right})
    else:
        print(f"the board: {printable(said)}\nthe PC:    {expected}")
        print("The board computes what the PC computes." if right else "The board computes something else.")
    return 0 if right else WRONG
