"""The verb history: how a number moved over a training, which examples moved it, and what one of them changed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..printing import progress_bar
from .models import open_run
from .options import AddVerb, add_recordings_option, count, refuse_given
from .reading import NOTHING_CHOSEN, read_chosen, trained_on
from .showing import add_showing, check_showing, show, style_of

if TYPE_CHECKING:
    from ..explain.explanation import Explanation
    from ..recordings import Recording
    from ..runs import Run

OF_A_NUMBER = ("weight", "neuron", "layer", "loss", "points", "plot")


def add_verb(add: AddVerb) -> None:
    verb = add(
        "history",
        history_verb,
        "show how a weight, a neuron, a layer or the loss moved over a training, and which examples moved it",
    )
    verb.add_argument("run", type=Path, metavar="RUN", help="folder of a training")
    group = verb.add_argument_group("what is followed", "one of these; otherwise the loss")
    group.add_argument("--weight", metavar="NAME", help="a weight, such as hidden[0,2] or hidden[0,bias]")
    group.add_argument("--neuron", metavar="NAME", help="the weights of a neuron, such as hidden[0]")
    group.add_argument("--layer", metavar="NAME", help="the weights of a layer, such as hidden")
    group.add_argument("--loss", action="store_true", help="the loss, and the examples that it is made of")
    group.add_argument("--points", type=count, metavar="N", help="points of the plot (default: 400)")
    group.add_argument(
        "--plot", type=Path, metavar="FILE", help="write the plot to a file: .svg, .png or .pdf"
    )
    group = verb.add_argument_group("without a recording")
    group.add_argument(
        "--without",
        metavar="EXAMPLE",
        help="train again without one recording, and show what changes: the number of one of its examples, "
        "or a part of its name",
    )
    group.add_argument(
        "--score", action="store_true", help="with --without: score again too, however long it takes"
    )
    add_recordings_option(verb)
    add_showing(verb)


def history_verb(options: argparse.Namespace) -> int:
    """Show how a number moved over a training, or what a recording changed."""
    check_showing(options)
    style = style_of(options)
    wishes: dict[str, Any] = {} if style is None else {"style": style}
    if options.notation is not None:
        wishes["notation"] = options.notation
    explain = _of_number if options.without is None else _without
    show(explain(options, wishes), options)
    return 0


def _of_number(options: argparse.Namespace, wishes: dict[str, Any]) -> Explanation:
    from ..explain.history.trace import check_wish, trace_history
    from ..figures import check_picture

    if options.score:
        raise ArgumentError("--score needs --without", "the command line", "Add --without EXAMPLE")
    run = open_run(options.run)
    wish = {name: getattr(options, name) for name in ("weight", "neuron", "layer", "loss")}
    check_wish(run.network, **wish)  # before anything is read
    if options.plot is not None:
        check_picture(options.plot)
    if options.points is not None:
        wishes["points"] = options.points
    command = ["tinyglass", "explain", str(options.run)]
    if options.recordings is not None:
        command += ["--recordings", str(options.recordings)]
    recordings = trained_on(run, options.recordings)
    return trace_history(run, recordings, **wish, plot=options.plot, command=command, **wishes)


def _without(options: argparse.Namespace, wishes: dict[str, Any]) -> Explanation:
    from ..explain.history.without import without

    refuse_given(options, "with --without", *OF_A_NUMBER)
    run = open_run(options.run)
    recordings = trained_on(run, options.recordings)
    with progress_bar() as (bar, _):
        return without(
            run,
            recordings,
            options.without,
            test=_set_apart(run, recordings, options.recordings),
            split=run.about.get("split", "auto"),
            score=options.score,
            progress=(lambda share: bar("scoring", share)) if options.score else None,
            **wishes,
        )


def _set_apart(run: Run, trained: Sequence[Recording], path: Path | None) -> Sequence[Recording] | None:
    """Return the recordings that the run was tested on, if they were a part of their own and are still there."""
    about = run.about
    reading = about.get("reading") or NOTHING_CHOSEN

    def silent(name: str, share: float) -> None:
        pass

    if about.get("test") is not None:
        return read_chosen(reading, about["test"], silent) if Path(about["test"]).exists() else None
    if all(recording.split == "train" for recording in trained):
        data = read_chosen(reading, path or about.get("path"), silent)
        return [recording for recording in data if recording.split == "test"] or None
    return None
