"""What the verbs have in common that bring a network to a board: precision, recordings, readings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError, nearest
from ..export.targets import PRECISIONS
from ..printing import MODEL
from .models import open_run, path_of_run
from .options import add_recordings_option, count
from .reading import trained_on

if TYPE_CHECKING:
    from ..recordings import Recording


def add_precision(verb: argparse.ArgumentParser, default: str, more: Sequence[str] = ()) -> None:
    """Add --precision, --recordings and --readings."""
    verb.add_argument(
        "--precision",
        default=default,
        metavar="P",
        help=f"{', '.join(PRECISIONS)}{''.join(f', {name}' for name in more)} (default: {default})",
    )
    add_recordings_option(verb)
    verb.add_argument(
        "--readings",
        type=count,
        metavar="N",
        help="readings of a recording on the board, where the network takes any number "
        "(default: the recordings' median)",
    )


def add_trainer(verb: argparse.ArgumentParser, text: str) -> None:
    """Add --trainer and --learning-rate."""
    verb.add_argument("--trainer", metavar="PART", help=f"{text} of the last layer (last) or of all (all)")
    verb.add_argument("--learning-rate", type=float, metavar="R", help="of the trainer (default: 0.01)")


def learning_rate_of(options: argparse.Namespace) -> float:
    """Return the learning rate of the trainer, which is refused where there is none."""
    if options.learning_rate is None:
        return 0.01
    if options.trainer is None:
        raise ArgumentError(
            "A learning rate is given, and no trainer is asked for", "--learning-rate", "Add --trainer last"
        )
    return float(options.learning_rate)


def check_name(name: str, known: Sequence[str], option: str) -> None:
    """Refuse a name that is not known, offering the nearest."""
    if name not in known:
        raise ArgumentError(
            f"Unknown {option.removeprefix('--')} {name!r}", option, nearest(name, list(known))
        )


def model_path(path: Path) -> Path:
    """Return the model file of a training's folder, or the file itself."""
    return path / MODEL if path.is_dir() else path


def training_recordings(model: Path, recordings: Path | None, needed: bool) -> Sequence[Recording]:
    """Return what the network was trained on, of which test vectors are taken; none where these cannot be had.

    Parameters
    ----------
    model : Path, the folder of a training, or a model file
    recordings : Path or None, where they are
    needed : bool, whether int8 is to be calibrated on them

    Raises
    ------
    ArgumentError
        If they are needed, or named, and cannot be had.
    """
    wanted = needed or recordings is not None
    if not path_of_run(model).exists():
        if recordings is not None:
            from ..recordings import read_recordings

            return read_recordings(recordings)
        return ()
    try:
        return trained_on(open_run(model), recordings)
    except ArgumentError:
        if wanted:
            raise
        return ()
