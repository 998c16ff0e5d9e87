"""The verb worksheet: a step with blanks, and its solution."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError, StorageError, printable
from .models import open_run
from .options import AddVerb, add_recordings_option, add_step, count
from .reading import trained_on

if TYPE_CHECKING:
    from ..worksheet.problem import Problem

COURSE = "course:"
OF_A_RUN = ("epoch", "step", "example", "neuron", "weight", "recordings")


def add_verb(add: AddVerb) -> None:
    verb = add(
        "worksheet", worksheet_verb, "write a training step with blanks to be filled in, and its solution"
    )
    verb.add_argument(
        "target",
        metavar="WHAT",
        help="folder of a training; course:neuron, course:gesture; a FILE.toml with a network and a step",
    )
    add_step(verb)
    add_recordings_option(verb)
    group = verb.add_argument_group("the sheet")
    group.add_argument(
        "--format",
        default="html",
        metavar="F",
        help="html (to print, or to fill in on screen), latex, or toml (default: html)",
    )
    group.add_argument(
        "--blanks",
        default="all",
        metavar="B",
        help="what is to be found: all, how many (8), a share (50%%), or a list of sections, kinds and names "
        "(gradients,update,error1) (default: all)",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="which lines a number or a share chooses (default: 0)",
    )
    group.add_argument(
        "--notation",
        metavar="WORDS",
        help="names of the course or standard (default: standard; for the course's examples and files of a "
        "learner, course)",
    )
    group.add_argument(
        "--digits", type=count, default=6, metavar="N", help="significant digits of its numbers (default: 6)"
    )
    group.add_argument(
        "--out",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="folder for worksheet and worksheet-solution, or a file; the solution goes beside it "
        "(default: this folder)",
    )


def worksheet_verb(options: argparse.Namespace) -> int:
    """Write a step with blanks, and its solution."""
    from ..errors import nearest
    from ..explain.notation import NOTATIONS
    from ..storage import make_folder, write_atomically
    from ..worksheet.sheet import make_sheet
    from ..worksheet.writing import ENDINGS, write

    if options.format not in ENDINGS:
        mend = nearest(options.format, list(ENDINGS))
        raise ArgumentError(f"Unknown format {options.format!r}", "--format", mend)
    if options.notation not in (None, *NOTATIONS):
        mend = nearest(options.notation, list(NOTATIONS))
        raise ArgumentError(f"Unknown notation {options.notation!r}", "--notation", mend)
    if options.digits > 17:
        raise ArgumentError(f"Expected at most 17 digits, found {options.digits}", "--digits", "Give fewer")
    problem, notation = _problem(options)
    sheet = make_sheet(
        problem,
        blanks=options.blanks,
        seed=options.seed,
        notation=options.notation or notation,
        digits=options.digits,
    )
    blank, solution = _paths(options.out, options.format)
    texts = {blank: write(sheet, options.format), solution: write(sheet, options.format, solved=True)}
    for path, text in texts.items():
        _refuse_to_lose(path, text.encode())
    make_folder(blank.parent)
    for path, text in texts.items():
        write_atomically(path, text.encode())
    print(printable(f"worksheet: {blank}"))
    print(printable(f"solution: {solution}"))
    return 0


def _problem(options: argparse.Namespace) -> tuple[Problem, str]:
    """Return the step, and the notation that suits it."""
    from ..worksheet.answers import read_filled
    from ..worksheet.files import read_problem
    from ..worksheet.problem import course_problem, run_problem

    path = Path(options.target)
    of_course = options.target.startswith(COURSE)
    if of_course or path.suffix.lower() == ".toml":
        given = [f"--{name}" for name in OF_A_RUN if getattr(options, name) is not None]
        if given:
            raise ArgumentError(
                f"{', '.join(given)} means nothing for {options.target}", "the command line", "Leave it out"
            )
        name = options.target.removeprefix(COURSE)
        return (course_problem(name) if of_course else read_problem(read_filled(path))), "course"
    run = open_run(path)
    problem = run_problem(
        run,
        trained_on(run, options.recordings),
        epoch=1 if options.epoch is None else options.epoch,
        step=options.step,
        example=options.example,
        neuron=options.neuron,
        weight=options.weight,
        digits=options.digits,
    )
    return problem, "standard"


def _paths(out: Path, format: str) -> tuple[Path, Path]:
    """Return the files of the sheet and of its solution.

    Raises
    ------
    ArgumentError
        If the file's ending is not that of the format.
    """
    from ..worksheet.writing import ENDINGS

    ending, given = ENDINGS[format], out.suffix.lower()
    if given != ending and re.fullmatch(r"\.[a-z][a-z0-9]{1,4}", given) and not out.is_dir():
        others = [name for name, other in ENDINGS.items() if other == given]
        mend = (
            f"Give --format {others[0]} too"
            if others
            else f"End it in {ending}, or give a folder that exists"
        )
        raise ArgumentError(f"A worksheet of the format {format} does not end in {out.suffix}", "--out", mend)
    blank = out if out.suffix.lower() == ending and not out.is_dir() else out / f"worksheet{ending}"
    return blank, blank.with_name(f"{blank.stem}-solution{ending}")


def _refuse_to_lose(path: Path, content: bytes) -> None:
    """Refuse to write over a file that somebody may have filled in.

    Raises
    ------
    StorageError
        If there is such a file, and it is not the same.
    """
    if path.exists() and not (path.is_file() and path.read_bytes() == content):
        raise StorageError(
            "There is another file with this name", str(path), "Choose another --out, or move it away"
        )
