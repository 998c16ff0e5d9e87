"""A training on one page: a single HTML file that needs nothing else, on a phone or read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..evaluation import Score
from ..findings import Finding
from ..pages import STYLE, section, text
from ..recordings import COURSE, Recording
from ..rejection import Rejection
from ..runs import Run
from ..storage import write_atomically
from .data import account, finding_list, recording_facts
from .score import rejection_table, score_tables, summary, worst_answers
from .training import choice_table, network_tables, reproduce_lines, setting_table, training_curves


def write_report(
    path: str | Path,
    run: Run,
    recordings: Sequence[Recording],
    score: Score | None = None,
    own: Score | None = None,
    *,
    test: Sequence[Recording] | None = None,
    findings: Sequence[Finding] = (),
    rejections: Sequence[Rejection] = (),
    command: str = "",
    sha256: str = "",
) -> None:
    """Write the report of a training: one self-contained HTML file.

    Parameters
    ----------
    path : path of the file
    run : Run
    recordings : sequence of Recording, that `score` is of, or that it was trained on
    score : Score, optional, from `evaluate`
    own : Score, optional, on its own recordings, from `score_network`
    test : sequence of Recording, optional, where `score` is of a test part of its own
    findings : sequence of Finding, from `find_problems`
    rejections : sequence of Rejection, from `reject_left_out`
    command : str, optional; it reproduces the run
    sha256 : str, optional; of the model file

    Raises
    ------
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from tinyglass import read_recordings, train, write_report
    >>> recordings = read_recordings()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(f"{folder}/report.html", train(recordings), recordings)
    """
    choice = choice_table(run)
    unknown = rejection_table(run, rejections)
    worst = "" if score is None else worst_answers(score, recordings, test)
    sections = [
        summary(run, score, own),
        section("Score", score_tables(score)) if score is not None else "",
        section("Answered worst", worst) if worst else "",
        section("Unknown gestures", unknown) if unknown else "",
        section("What looks wrong with the recordings", finding_list(findings)) if findings else "",
        section("Recordings", recording_facts(run, recordings) + account(recordings)),
        section("What was chosen", choice) if choice else "",
        section("Training", training_curves(run)),
        section("Network", network_tables(run)),
        section("Settings", setting_table(run)),
        section("How to reproduce it", reproduce_lines(run, command, sha256)),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(_title(run))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{text(_title(run))}</h1></header>\n<main>\n{''.join(sections)}</main>\n"
        f"<footer><p>Written by tinyglass {__version__}.{_notice(run, recordings)}</p></footer>\n</body>\n</html>\n"
    )
    write_atomically(Path(path), page.encode())


def _title(run: Run) -> str:
    classes = run.network.classes
    return (
        "tinyglass: a network that tells " + ", ".join(classes)
        if classes
        else "tinyglass: a network that measures"
    )


def _notice(run: Run, recordings: Sequence[Recording]) -> str:
    if recordings and recordings[0].source.startswith(str(COURSE)):
        return (
            " The ten recordings are © the TinySpark course, "
            '<a href="https://creativecommons.org/licenses/by-sa/4.0/">CC BY-SA 4.0</a>.'
        )
    return ""
