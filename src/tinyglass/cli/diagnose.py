"""The verb diagnose: what went wrong in a training, and what the remedies change."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import ArgumentError
from ..printing import MODEL, RUN
from .models import open_run
from .options import AddVerb, add_recordings_option
from .reading import NOTHING_CHOSEN, read_chosen, trained_on
from .showing import add_showing, check_showing, show, style_of

if TYPE_CHECKING:
    from ..diagnosis import Case, Diagnosis
    from ..diagnosis.trials import Trial
    from ..evaluation import Score
    from ..recordings import Recording
    from ..runs import Run

ALL, EACH = "all", "each"


def add_verb(add: AddVerb) -> None:
    verb = add(
        "diagnose", diagnose_verb, "say what went wrong in a training, with numbers, and try the remedies"
    )
    verb.add_argument("run", type=Path, metavar="DIR", help="folder of a training, also of one that diverged")
    verb.add_argument(
        "--try",
        dest="tried",
        nargs="?",
        const=ALL,
        metavar="N",
        help="apply the remedy of finding N, all that go together (default), or each by itself; train again, and "
        "show before and after",
    )
    verb.add_argument(
        "--save",
        type=Path,
        metavar="NEW",
        help="keep the network that --try trained, in this folder (default: nothing is kept)",
    )
    verb.add_argument(
        "--score",
        action="store_true",
        help="also score recordings that are left out, before and after, by which overfitting is seen",
    )
    add_recordings_option(verb)
    add_showing(verb)


def diagnose_verb(options: argparse.Namespace) -> int:
    """Say what went wrong in a training."""
    from ..diagnosis import examine, open_case, sorted_faults
    from ..diagnosis.explaining import explain_diagnosis
    from ..explain.notation import PLAIN_STYLE

    check_showing(options)
    if options.save is not None and options.tried in (None, EACH):
        raise ArgumentError(
            "--save keeps one training", "the command line", "Add --try, or --try with a number"
        )
    run = open_run(options.run)
    recordings = trained_on(run, options.recordings)
    case = open_case(run, recordings, _score(run, recordings, options), _tested(run))
    looked = examine(case)
    trials = _tried(case, sorted_faults(looked), options.tried)
    if options.save is not None and trials:
        _save(trials[0], options.save)
    remaining = [sorted_faults(examine(_scored(trial.case, options))) for trial in trials]
    explanation = explain_diagnosis(
        run,
        looked,
        trials,
        remaining,
        folder=str(options.run),
        notation=options.notation or "standard",
        style=style_of(options) or PLAIN_STYLE,
    )
    show(explanation, options)
    return 0


def _score(run: Run, recordings: Sequence[Recording], options: argparse.Namespace) -> Score | None:
    from ..evaluation import evaluate
    from ..printing import progress_bar

    if not options.score:
        return None
    with progress_bar() as (bar, _):
        return evaluate(recordings, run.settings, progress=lambda share: bar("scoring", share))


def _scored(case: Case, options: argparse.Namespace) -> Case:
    """Return the case with a score of its own, where one is asked for."""
    from dataclasses import replace

    kept, aside = case.sources
    return replace(case, score=_score(case.run, [*kept, *aside], options))


def _tested(run: Run) -> Sequence[Recording] | None:
    """Return the recordings of a test part of its own, as long as they are where they were."""
    from ..printing import progress_bar

    path = run.about.get("test")
    if path is None or not Path(path).exists():
        return None
    with progress_bar() as (bar, _):
        return read_chosen(run.about.get("reading") or NOTHING_CHOSEN, path, bar)


def _tried(case: Case, faults: Sequence[Diagnosis], wish: str | None) -> list[Trial]:
    from ..diagnosis.trials import try_remedies

    if wish is None:
        return []
    curable = [fault for fault in faults if fault.can_be_tried]
    if wish in (ALL, EACH):
        if not curable:
            print("tinyglass: no finding has a remedy that could be tried.", file=sys.stderr)
            return []
        if wish == EACH:
            return [try_remedies(case, [fault]) for fault in curable]
        return [try_remedies(case, curable)]
    if not wish.isdigit() or not 1 <= int(wish) <= len(faults):
        raise ArgumentError(
            f"There is no finding {wish!r}",
            "--try",
            f"Give {ALL}, {EACH}, or a number from 1 to {len(faults)}" if faults else "Leave --try out",
        )
    return [try_remedies(case, [faults[int(wish) - 1]])]


def _save(trial: Trial, path: Path) -> None:
    """Write the network and the run of a training that was made again."""
    from ..storage import training_folder

    run = trial.case.run
    with training_folder(path) as folder:
        taken = [name for name in (MODEL, RUN) if (folder / name).exists()]
        if taken:
            raise ArgumentError(
                f"There is a training in this folder: {taken[0]}", str(path), "Give --save another folder"
            )
        if run.outcome != "diverged":
            run.network.save(folder / MODEL, {"fingerprint": run.fingerprint, "tinyglass": __version__})
        run.save(folder / RUN)
