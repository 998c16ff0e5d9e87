"""A training that was made, or is being made, and its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from .errors import ArgumentError, ModelError
from .network import Network, Preparation, network_arrays, read_only, take_layers
from .preparation import Examples
from .settings import Settings
from .storage import read_arrays, write_arrays

Outcome = Literal["finished", "stopped_early", "interrupted", "diverged"]
CURVES = ("losses", "accuracies", "validation_losses", "validation_accuracies")


class Candidate(msgspec.Struct, frozen=True):
    """One way to prepare recordings, and how well it did in validation.

    Attributes
    ----------
    inputs, augment : tuple of str
    value : float
        Accuracy, or R² for regression, of recordings left out: the mean of their persons,
        devices or sessions, where these are known.
    error : float, the standard error of how much worse it is than the one chosen; 0 for that one
    loss : float, mean squared difference of the outputs, by which equal values are told apart
    """

    inputs: tuple[str, ...]
    augment: tuple[str, ...]
    value: float
    error: float
    loss: float


class Choice(msgspec.Struct, frozen=True):
    """What was chosen by validation inside the training part, and by how much.

    Attributes
    ----------
    candidates : tuple of Candidate, the chosen one first
    grouping : str, what never stood on both sides: "person", "device", "session" or "recording"
    n_recordings : int, judged
    n_folds : int
    temperature, threshold : float
    accepted : float, share of the judged recordings that reach the threshold

    Examples
    --------
    >>> best = Candidate(("raw",), ("shift",), value=0.9, error=0.0, loss=0.2)
    >>> Choice((best,), "recording", 10, 5, 1.2, 0.5, 1.0).chosen.inputs
    ('raw',)
    """

    candidates: tuple[Candidate, ...]
    grouping: str
    n_recordings: int
    n_folds: int
    temperature: float
    threshold: float
    accepted: float

    @property
    def chosen(self) -> Candidate:
        return self.candidates[0]


@dataclass(frozen=True, eq=False)
class Run:
    """A training: enough to replay any step of it exactly.

    Attributes
    ----------
    settings : Settings, with every ``auto`` decided
    initial, network : Network, before the first update, and what came out: with a
        validation part the best, otherwise the last
    losses, accuracies : float64 arrays, (epochs,)
        Mean loss and share of right answers during each epoch, each example measured
        before the update it takes part in; L2 included.
    validation_losses, validation_accuracies : float64 arrays, (epochs,) or empty
        Of the validation part after each epoch.
    best_epoch : int, epochs made when `network` was reached
    updates : int; after an interruption the last epoch may be incomplete
    outcome : "finished", "stopped_early", "interrupted" or "diverged"
    fingerprint : str, of the training and validation examples
    seconds : float, spent training
    about : dict, whatever the caller wants kept: the command line keeps where the recordings came from
    examples, validation : Examples or None
        What it was trained on, while it is in memory: neither a file nor a pickle of the run holds it.
    """

    settings: Settings
    initial: Network
    network: Network
    losses: np.ndarray
    accuracies: np.ndarray
    validation_losses: np.ndarray
    validation_accuracies: np.ndarray
    best_epoch: int
    updates: int
    outcome: Outcome
    fingerprint: str
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)
    examples: Examples | None = None
    validation: Examples | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"examples": None, "validation": None}

    def __post_init__(self) -> None:
        for name in CURVES:
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def rose(self) -> bool:
        """Whether the loss ended higher than it began: the learning rate is too high."""
        return self.epochs > 1 and bool(self.losses[-1] > self.losses[0])

    @property
    def epochs(self) -> int:
        """Whole epochs made."""
        return len(self.losses)

    @property
    def choice(self) -> Choice | None:
        """What was chosen by validation, where anything was."""
        return msgspec.convert(self.about.get("choice"), Choice | None)

    @property
    def wished(self) -> Settings:
        """The settings as they were given, before anything was chosen by validation."""
        return msgspec.convert(self.about["wished"], Settings) if "wished" in self.about else self.settings

    def save(self, path: str | Path) -> None:
        """Write the run to a file that is whole or absent."""
        arrays = {name: getattr(self, name) for name in CURVES}
        arrays |= network_arrays(self.initial, "initial.") | network_arrays(self.network, "final.")
        header = {name: getattr(self, name) for name in _RunHeader.__struct_fields__ if hasattr(self, name)}
        network = self.network
        header |= {
            "activations": [layer.activation for layer in network.layers],
            "classes": network.classes,
            "input_names": network.input_names,
            "preparation": network.preparation,
            "threshold": network.threshold,
            "temperature": network.temperature,
        }
        write_arrays(Path(path), "run", header, arrays)

    def _repr_html_(self) -> str:
        from .notebook import run_html

        return run_html(self)

    @staticmethod
    def load(path: str | Path) -> Run:
        """Return the run in a file that `save` wrote.

        Raises
        ------
        ModelError
            If the file is damaged, changed, hostile, or not a run.
        """
        header, arrays = read_arrays(Path(path), "run", _RunHeader)

        def network(prefix: str) -> Network:
            layers = take_layers(arrays, header.activations, str(path), prefix)
            return Network(
                layers,
                header.classes,
                header.input_names,
                header.preparation,
                header.threshold,
                header.temperature,
            )

        try:
            msgspec.convert(header.about.get("choice"), Choice | None)
            if "wished" in header.about:
                msgspec.convert(header.about["wished"], Settings)
            _check_curves(arrays)
            if not 0 <= header.best_epoch <= len(arrays["losses"]):
                raise ValueError("best_epoch")
            return Run(
                settings=header.settings,
                initial=network("initial."),
                network=network("final."),
                losses=arrays["losses"],
                accuracies=arrays["accuracies"],
                validation_losses=arrays["validation_losses"],
                validation_accuracies=arrays["validation_accuracies"],
                best_epoch=header.best_epoch,
                updates=header.updates,
                outcome=header.outcome,
                fingerprint=header.fingerprint,
                seconds=header.seconds,
                about=header.about,
            )
        except (KeyError, ArgumentError, ValueError, msgspec.ValidationError) as error:
            raise ModelError(
                f"The parts of the run do not belong together ({error})", str(path), "Train again"
            ) from error


class _RunHeader(msgspec.Struct):
    settings: Settings
    activations: list[str]
    classes: tuple[str, ...] | None
    input_names: tuple[str, ...]
    preparation: Preparation | None
    best_epoch: int
    updates: int
    outcome: Outcome
    fingerprint: str
    seconds: float
    about: dict[str, Any]
    threshold: float = 0.0
    temperature: float = 1.0


class _CheckpointHeader(msgspec.Struct):
    settings: Settings
    fingerprint: str
    seconds: float
    about: dict[str, Any]


def _check_curves(arrays: dict[str, np.ndarray]) -> None:
    epochs = len(arrays["losses"])
    for name in CURVES:
        curve = arrays[name]
        sizes = (epochs,) if name in ("losses", "accuracies") else (0, epochs)
        if curve.dtype != np.float64 or curve.ndim != 1 or len(curve) not in sizes:
            raise ValueError(f"{name} has {curve.dtype} of shape {curve.shape}")
        if not np.isfinite(curve).all():
            raise ValueError(f"{name} is not finite")


# ---------------------------------------------------------------- checkpoints


def write_checkpoint(
    path: Path, trainer: Any, settings: Settings, fingerprint: str, seconds: float, about: dict[str, Any]
) -> None:
    """Write what continues the core's training from the start of its epoch, to the bit."""
    header = _CheckpointHeader(settings, fingerprint, seconds, about)
    write_arrays(path, "checkpoint", header, trainer.state())


def restore_checkpoint(path: Path, trainer: Any, settings: Settings, fingerprint: str) -> float:
    """Put the core's trainer where the checkpoint left off, and return the seconds spent so far.

    Raises
    ------
    ArgumentError
        If the checkpoint was made with other settings or data.
    ModelError
        If the file is damaged, changed, hostile, or not a checkpoint.
    """
    header, arrays = read_arrays(path, "checkpoint", _CheckpointHeader)
    anew = "or train anew without --resume"
    names = [
        name
        for name in Settings.__struct_fields__
        if name != "core" and getattr(header.settings, name) != getattr(settings, name)
    ]
    if names:
        raise ArgumentError(
            f"The checkpoint was made with other settings: {', '.join(names)}",
            str(path),
            f"Leave those options out, {anew}",
        )
    if header.fingerprint != fingerprint:
        raise ArgumentError(
            "The recordings are not those that the checkpoint was made with",
            str(path),
            f"Give the same recordings, {anew}",
        )
    try:
        _check_curves(arrays)
        for name in ("parameters", "first", "second", "best_parameters"):
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} is not finite")
        epoch, updates, best_epoch = arrays["counters"].tolist()
        if not (epoch == len(arrays["losses"]) <= settings.n_epochs and 0 <= best_epoch <= epoch <= updates):
            raise ValueError("its counters contradict each other")
        trainer.restore(arrays)
    except (ValueError, KeyError, RuntimeError, TypeError) as error:
        raise ModelError(
            f"The checkpoint does not fit this training ({error})", str(path), "Train anew without --resume"
        ) from error
    return header.seconds


def read_checkpoint(path: Path) -> tuple[Settings, dict[str, Any]]:
    """Return the settings that a checkpoint was made with, and what was to be kept with it.

    Raises
    ------
    ModelError
        If the file is damaged, changed, hostile, or not a checkpoint.
    """
    header, _ = read_arrays(path, "checkpoint", _CheckpointHeader)
    return header.settings, header.about
