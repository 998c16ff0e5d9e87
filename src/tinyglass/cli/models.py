"""Find the model or the run that a verb is given."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, StorageError
from ..printing import CHECKPOINT, MODEL, RUN

if TYPE_CHECKING:
    from ..network import Network
    from ..runs import Run


def load_model(path: Path) -> tuple[Network, dict[str, Any]]:
    """Return the network, and what its file says about it.

    Parameters
    ----------
    path : Path, the folder of a training, or a model file
    """
    from ..network import load_network

    if path.is_dir():
        if not (path / MODEL).exists():
            raise _missing(MODEL, path)
        path = path / MODEL
    return load_network(path)


def open_run(path: Path) -> Run:
    """Return the run of a training.

    Parameters
    ----------
    path : Path, the folder of a training, its run, or a model file beside one

    Raises
    ------
    StorageError
        If there is none, because a training is unfinished or because there is only a model.
    ModelError
        If a file is refused, or the run is not that of the model.
    """
    from ..runs import Run

    run_path = path_of_run(path)
    model = path / MODEL if path.is_dir() else path
    alone = model == run_path or (path.is_dir() and not model.exists())
    network = None if alone else load_model(model)[0]
    if not run_path.exists():
        raise _missing(RUN, run_path.parent)
    run = Run.load(run_path)
    if network is not None and not same_network(run.network, network):
        raise ModelError(
            f"{RUN} is of another training than {model.name}",
            str(run_path.parent),
            "Put files of one training together, or train again",
        )
    return run


def has_diverged(folder: Path) -> bool:
    """Tell whether a folder holds the run of a training that diverged, and no model."""
    from ..runs import Run

    if (folder / MODEL).exists() or not (folder / RUN).exists():
        return False
    return Run.load(folder / RUN).outcome == "diverged"


def path_of_run(path: Path) -> Path:
    """Return where the run of a training is: in its folder, or beside its model."""
    return path / RUN if path.is_dir() else path.with_name(RUN)


def same_network(one: Network, other: Network) -> bool:
    """Tell whether two networks have the same numbers."""
    import numpy as np

    from ..network import flatten

    return np.array_equal(flatten(one), flatten(other))


def _missing(name: str, folder: Path) -> StorageError:
    command = f"tinyglass train --out {shlex.quote(str(folder))}"
    what, mend = f"There is no {name} in this folder", f"Train first: {command}"
    if (folder / CHECKPOINT).exists():
        what, mend = f"{what}, only an unfinished training", f"Continue it: {command} --resume"
    elif name == MODEL and has_diverged(folder):
        what = f"{what}: the training diverged"
        mend = f"See why with: tinyglass diagnose {shlex.quote(str(folder))}"
    elif name == RUN and (folder / MODEL).exists():
        what, mend = f"{what}, only a model; how it was trained is in the run", "Train again, or add the run"
    return StorageError(what, str(folder), mend)
