"""The verb explain: every number of a step, of a course example, or of a prediction."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .models import load_model, open_run
from .options import AddVerb, add_reading, add_recordings_option, add_step, refuse_given
from .reading import read_chosen, reading_of, trained_on
from .showing import add_showing, check_showing, show, style_of

if TYPE_CHECKING:
    from ..explain.explanation import Explanation

COURSE = "course:"
OF_READING = ("label", "only", "rename", "group")
OF_A_STEP = ("epoch", "step", "neuron", "weight", "all")


def add_verb(add: AddVerb) -> None:
    verb = add(
        "explain",
        explain_verb,
        "show every number of a training step, of a course example, or of a prediction, as a formula",
    )
    verb.add_argument(
        "target",
        metavar="WHAT",
        help="folder of a training; course:neuron, course:or-gate, course:plant, course:gesture; a FILE.toml "
        "with a network and a step; with --predict, a folder or a model file",
    )
    group = add_step(verb, "; with --predict, the recording of the file")
    group.add_argument(
        "--all",
        action="store_true",
        help="write out every line of a large step too, not an overview by layer",
    )
    group.add_argument(
        "--check-gradients", action="store_true", help="set a finite difference beside every gradient"
    )
    group.add_argument(
        "--exact",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compute with decimals and fractions, so that 0.1225 is 0.1225 (default: for a FILE.toml only)",
    )
    add_recordings_option(verb)
    group = verb.add_argument_group("other explanations")
    group.add_argument(
        "--as-printed",
        action="store_true",
        help="of a course example or a FILE.toml: the course's mistaken rules beside the true ones",
    )
    group.add_argument(
        "--predict", type=Path, metavar="FILE", help="explain what the network says about these recordings"
    )
    add_showing(verb)
    add_reading(verb)


def explain_verb(options: argparse.Namespace) -> int:
    """Explain a step, a course example, a learner's file, or a prediction."""
    check_showing(options)
    gc.disable()  # a short process with many small numbers and no cycles: twice as fast
    show(_explanation(options), options)
    return 0


def _explanation(options: argparse.Namespace) -> Explanation:
    if options.predict is not None:
        return _of_prediction(options)
    style = style_of(options)
    wishes: dict[str, Any] = {} if style is None else {"style": style}
    if options.notation is not None:
        wishes["notation"] = options.notation
    if options.target.startswith(COURSE):
        from ..explain.course import explain_course

        refuse_given(
            options,
            "for a course example",
            *(*OF_A_STEP, "example", "check_gradients", "exact", "recordings"),
            *OF_READING,
        )
        name = options.target.removeprefix(COURSE)
        return explain_course(name, as_printed=options.as_printed, **wishes)
    path = Path(options.target)
    if path.suffix.lower() == ".toml":
        from ..explain.learner.explaining import explain_file

        refuse_given(options, "for a FILE.toml", "epoch", "step", "recordings", *OF_READING)
        return explain_file(
            path,
            as_printed=options.as_printed,
            example=options.example,
            neuron=options.neuron,
            weight=options.weight,
            whole=options.all,
            check_gradients=options.check_gradients,
            exact=options.exact is not False,
            **wishes,
        )
    refuse_given(
        options, "for a training, which says itself how its recordings are read", "as_printed", *OF_READING
    )
    return _of_step(options, path, wishes)


def _of_step(options: argparse.Namespace, path: Path, wishes: dict[str, Any]) -> Explanation:
    from ..explain.focus import find_focus
    from ..explain.step import explain_step

    run = open_run(path)
    find_focus(run.network, options.neuron, options.weight)  # before anything is read
    return explain_step(
        run,
        trained_on(run, options.recordings),
        epoch=1 if options.epoch is None else options.epoch,
        step=options.step,
        example=options.example,
        neuron=options.neuron,
        weight=options.weight,
        exact=bool(options.exact),
        check_gradients=options.check_gradients,
        whole=options.all,
        **wishes,
    )


def _of_prediction(options: argparse.Namespace) -> Explanation:
    from ..explain.prediction.explaining import explain_prediction
    from ..printing import progress_bar

    refuse_given(
        options, "for a prediction", *OF_A_STEP, "as_printed", "check_gradients", "exact", "recordings"
    )
    network, _ = load_model(Path(options.target))
    with progress_bar() as (bar, _):
        recordings = read_chosen(reading_of(options), options.predict, bar)
    style = style_of(options)
    return explain_prediction(
        network,
        recordings,
        only=options.example,
        notation=options.notation or "standard",
        **({} if style is None else {"style": style}),
    )
