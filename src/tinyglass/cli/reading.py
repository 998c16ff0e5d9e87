"""Read the recordings that a command line, or a training before it, asks for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError
from ..printing import progress_bar

if TYPE_CHECKING:
    from ..recordings import DataSet, Recording
    from ..runs import Run
    from ..settings import Settings

WORTH_A_BAR = 2.0  # seconds of reading
NOTHING_CHOSEN: dict[str, Any] = {"label": None, "only": None, "rename": {}, "group": {}}


def read_asked(options: argparse.Namespace) -> DataSet:
    """Return the recordings of PATH and the options of reading."""
    with progress_bar() as (show, _):
        return read_chosen(reading_of(options), options.path, show)


def reading_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of reading as they can be kept with a training."""
    return {
        "label": options.label,
        "only": options.only,
        "rename": dict(options.rename),
        "group": dict(options.group),
    }


def read_chosen(reading: dict[str, Any], path: str | Path | None, show: Callable[..., None]) -> DataSet:
    """Return the recordings at the path, read and chosen as the options of reading say."""
    from ..recordings import read_recordings
    from ..recordings.choosing import choose

    began = time.monotonic()

    def progress(share: float) -> None:
        if time.monotonic() - began > WORTH_A_BAR:
            show("reading", share)

    data = read_recordings(path, label=reading["label"], groups=reading["group"], progress=progress)
    progress(1.0)
    return choose(data, reading["only"], reading["rename"])


class Work(NamedTuple):
    """What a training works on."""

    data: DataSet
    tested: DataSet | None
    trained: Sequence[Recording]
    split: str


def gather(settings: Settings, about: dict[str, Any]) -> Work:
    """Read, and decide what trains. Nothing is written yet, so Ctrl-C may end it anywhere."""
    from ..evaluation import expected_answers
    from ..units import same_channels

    reading, split = about.get("reading") or NOTHING_CHOSEN, about.get("split", "auto")
    with progress_bar() as (show, message):
        read = read_chosen(reading, about["path"], show)
        data = same_channels(read)
        tested = None if about["test"] is None else read_chosen(reading, about["test"], show)
        for dropped in data.dropped[len(read.dropped) :]:
            message(f"left out: {dropped.where}: {dropped.why}")
        task, _, _ = expected_answers(data, tested, settings)  # before hours of training, not after
        trained: Sequence[Recording] = data
        if tested is None:
            trained, unused = training_part(data, task, split, settings.seed)
            if unused:
                message(
                    f"{unused} recordings are in neither the train nor the test part, or copies: not used"
                )
    return Work(data, tested, trained, split)


def training_part(data: DataSet, task: str, split: str, seed: int) -> tuple[Sequence[Recording], int]:
    """Return what trains, and how many recordings are of no use: a published test part is never trained on."""
    from ..splits import PUBLISHED, find_split

    parts = find_split(data, task == "classification", split=split, seed=seed)
    if parts.name != PUBLISHED:
        return data, 0
    fold = parts.folds[0]
    return [data[i] for i in fold.train.tolist()], len(data) - len(fold.train) - len(fold.test)


def trained_on(run: Run, path: Path | None) -> Sequence[Recording]:
    """Return the recordings that a run was trained on: from `path`, or where the run says they were.

    Raises
    ------
    ArgumentError
        If the run does not say where they were, or they are not there any more.
    """
    from ..units import same_channels

    about = run.about
    if path is None:
        if "path" not in about:
            raise ArgumentError(
                "The run does not say where its recordings were",
                "--recordings",
                "Give them with --recordings PATH",
            )
        if about["path"] is not None and not Path(about["path"]).exists():
            raise ArgumentError(
                f"The recordings are not where they were when the network was trained, in {about['path']}",
                "the run",
                "Say where they are with --recordings PATH",
            )
    with progress_bar() as (show, _):
        data = same_channels(read_chosen(about.get("reading") or NOTHING_CHOSEN, path or about["path"], show))
    # A split is only looked for where there is a published one: it costs seconds.
    if about.get("test") is not None or not any(recording.split for recording in data):
        return data
    return training_part(data, run.settings.task, about.get("split", "auto"), run.settings.seed)[0]
