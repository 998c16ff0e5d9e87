"""Recordings become examples: inputs and expected outputs for training.

What is done to a recording is fitted on the training part only, and travels with the
network as its `Preparation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import ArgumentError, RecordingError
from .network import Preparation, read_only
from .recordings import Recording, unnamed

STEPS_WHERE_LENGTHS_DIFFER = 32  # 16, 32 and 64 are about equally good
LARGEST_TABLE = 2**30  # bytes of prepared inputs
LARGEST_INPUT = 1e30  # beyond it, sums leave what float32 can hold
FEW_CLASSES = 20  # more different whole numbers than this are quantities, not classes


@dataclass(frozen=True, eq=False)
class Examples:
    """What a network is trained on.

    Attributes
    ----------
    X : float array, (n_examples, n_inputs); read-only
    Y : float array, (n_examples, n_outputs), expected outputs: for classes, 1 for the
        example's own and 0 for the others
    classes : tuple of str, (n_outputs,), or None for regression
    groups : int array, (n_examples,)
        Examples of one group never stand on both sides of a split: they are of one recording.
    weight : float array, (n_examples,), or None
        How much each example counts in the average.

    Raises
    ------
    ArgumentError
        If shapes do not fit, there is no example, or a number is not finite.

    Examples
    --------
    >>> Examples([[0.1, 0.8]], [[0.4]]).n_examples
    1
    """

    X: np.ndarray
    Y: np.ndarray
    classes: tuple[str, ...] | None = None
    groups: np.ndarray = None  # type: ignore[assignment]  # a group of its own for each, if not given
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        dtype = np.float32 if getattr(self.X, "dtype", None) == np.float32 else np.float64
        for name in ("X", "Y", "weight"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read_only(value, dtype))
                if not np.isfinite(getattr(self, name)).all():
                    at = np.argwhere(~np.isfinite(getattr(self, name)))[0]
                    raise ArgumentError(
                        f"{name} has a value that is not finite",
                        f"example {at[0]}" + (f", column {at[1]}" if len(at) > 1 else ""),
                        "Leave the example out, or replace the value",
                    )
        groups = np.arange(len(self.X)) if self.groups is None else self.groups
        object.__setattr__(self, "groups", read_only(groups, np.int64))
        if not (self.X.ndim == self.Y.ndim == 2) or len(self.X) == 0 or 0 in (*self.X.shape, *self.Y.shape):
            raise ArgumentError(
                f"Expected tables of inputs and of outputs, found shapes {self.X.shape} and {self.Y.shape}",
                "the examples",
                "Give X as (n_examples, n_inputs), Y as (n_examples, n_outputs), and at least one example",
            )
        weights = np.ones(len(self.X)) if self.weight is None else self.weight
        if not (len(self.X),) == (len(self.Y),) == self.groups.shape == weights.shape:
            raise ArgumentError(
                f"{len(self.X)} rows of inputs, {len(self.Y)} of expected outputs, "
                f"{_count(self.groups)} groups, {_count(weights)} weights",
                "the examples",
                "Give one of each to an example",
            )

    @property
    def n_examples(self) -> int:
        return len(self.X)

    @property
    def n_inputs(self) -> int:
        return self.X.shape[1]

    @property
    def n_outputs(self) -> int:
        return self.Y.shape[1]

    def take(self, which: np.ndarray) -> Examples:
        """Return the examples at these places.

        Examples
        --------
        >>> Examples([[1.0], [2.0]], [[0.0], [1.0]]).take([1]).X.tolist()
        [[2.0]]
        """
        weight = None if self.weight is None else self.weight[which]
        return Examples(self.X[which], self.Y[which], self.classes, self.groups[which], weight)

    def fingerprint(self) -> str:
        """Return the SHA-256 of every number, in hexadecimal: the same for the same data only."""
        digest = hashlib.sha256(repr(self.classes and [str(name) for name in self.classes]).encode())
        for array in (self.X, self.Y, self.weight):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()


def _count(column: np.ndarray) -> str:
    return str(len(column)) if column.ndim == 1 else f"a table {column.shape} of"


def find_task(recordings: Sequence[Recording], task: str = "auto") -> str:
    """Return ``"classification"`` or ``"regression"``.

    Labels that are all numbers, and not just a few whole ones, mean regression.

    Raises
    ------
    RecordingError
        If a recording has no label, or regression is asked for and a label is no number.

    Examples
    --------
    >>> find_task([Recording([[1.0]], label="wave"), Recording([[2.0]], label="punch")])
    'classification'
    """
    if not recordings:
        raise RecordingError("There are no recordings", "the data", "Give some recordings")
    for recording in recordings:
        if recording.label is None:
            raise RecordingError(
                "The recording has no label",
                recording.source,
                "Put the recordings of each class in a folder or file named after it, or add a column 'label'",
            )
    if task == "classification":
        return task
    values = [_as_number(recording.label) for recording in recordings]
    numbers = {value for value in values if value is not None}
    if task == "regression":
        if None in values:
            recording = recordings[values.index(None)]
            raise RecordingError(
                f"Expected a number to predict, found the label {recording.label!r}",
                recording.source,
                "Mend the label, or use --task classification",
            )
        return task
    whole_and_few = all(value.is_integer() for value in numbers) and len(numbers) <= FEW_CLASSES
    return "classification" if None in values or whole_and_few else "regression"


def _as_number(label: str | None) -> float | None:
    try:
        value = float(label or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def find_classes(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Return the different labels, sorted.

    Raises
    ------
    RecordingError
        If there are fewer than two.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> find_classes(read_recordings())
    ('moving_away', 'moving_closer')
    """
    classes = tuple(sorted({recording.label for recording in recordings if recording.label is not None}))
    if len(classes) < 2:
        raise RecordingError(
            f"Expected recordings of two classes or more, found only {classes[0]!r}",
            recordings[0].source,
            "Add recordings of another class, or name the folder above that holds them all",
        )
    return classes


def fit_preparation(
    recordings: Sequence[Recording],
    *,
    scale: str | float = "standard",
    steps: int = 0,
    answers: bool = False,
) -> Preparation:
    """Return the preparation that suits these recordings, which are the training part.

    Parameters
    ----------
    recordings : sequence of Recording
    scale : {"standard", "none"} or float
        Per channel: (reading − mean) / standard deviation of these recordings (a constant
        channel is only shifted); nothing; or reading / number.
    steps : int
        Readings to resample to; 0: none if all have the same length, otherwise 32.
    answers : bool
        Whether labels are quantities, to be brought to mean 0 and deviation 1 too where
        `scale` is "standard".

    Raises
    ------
    RecordingError
        If the recordings differ in channels or units.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> fit_preparation(read_recordings(), scale=100.0).scale
    (100.0,)
    """
    first = recordings[0]
    for recording in recordings:
        for what in ("channels", "units"):
            _check_same(what, getattr(first, what), recording, first.source)
    lengths = {recording.n_readings for recording in recordings}
    resample = bool(steps) or len(lengths) > 1
    n_steps = steps or (lengths.pop() if len(lengths) == 1 else STEPS_WHERE_LENGTHS_DIFFER)
    n_channels = len(first.channels)
    needed = 8 * n_steps * n_channels * len(recordings)
    if needed > LARGEST_TABLE:
        raise ArgumentError(
            f"{len(recordings)} recordings of {n_steps} readings need {needed / 2**30:,.1f} GiB, "
            f"and at most {LARGEST_TABLE / 2**30:g} GiB are used",
            "--steps",
            "Resample to fewer readings",
        )
    offset, divisor = np.zeros(n_channels), np.ones(n_channels)
    if scale == "standard":
        readings = np.concatenate([_resampled(r.signal, n_steps) for r in recordings])
        with np.errstate(over="ignore", invalid="ignore"):
            offset, deviation = readings.mean(axis=0), readings.std(axis=0)
        if not np.isfinite(deviation).all():
            raise RecordingError(
                f"The readings of channel {first.channels[int(np.argmin(np.isfinite(deviation)))]!r} are too large "
                "to be standardised",
                first.source,
                "Delete the recording with the largest readings, or scale them",
            )
        divisor = np.where(deviation > 1e-12 * np.abs(readings).max(axis=0, initial=0), deviation, 1.0)
    elif scale != "none":
        divisor = np.full(n_channels, float(scale))
    quantities = (
        np.array([float(r.label or "nan") for r in recordings]) if answers and scale == "standard" else None
    )
    rates = {recording.rate_hz for recording in recordings}
    return Preparation(
        channels=first.channels,
        units=first.units,
        n_steps=n_steps,
        resample=resample,
        offset=tuple(offset.tolist()),
        scale=tuple(divisor.tolist()),
        rate_hz=rates.pop() if len(rates) == 1 else None,
        answer_offset=0.0 if quantities is None else float(quantities.mean()),
        answer_scale=1.0 if quantities is None else float(quantities.std()) or 1.0,
    )


def _check_same(what: str, expected: tuple[str, ...], recording: Recording, whose: str) -> None:
    found = getattr(recording, what)
    if found != expected:
        raise RecordingError(
            f"Expected {len(expected)} {what} ({_listed(expected)}), found {len(found)} ({_listed(found)})",
            recording.source,
            f"Use recordings with the same {what} as {whose}",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or "?" for name in names)


def _resampled(signal: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the signal along straight lines between its readings, first and last kept."""
    if len(signal) == n_steps:
        return signal
    at = np.linspace(0, len(signal) - 1, n_steps)
    return np.stack([np.interp(at, np.arange(len(signal)), channel) for channel in signal.T], axis=1)


def prepare_inputs(recordings: Sequence[Recording], preparation: Preparation) -> np.ndarray:
    """Return the inputs of the network for each recording.

    Returns
    -------
    float64 array, (n_recordings, n_inputs)

    Raises
    ------
    RecordingError
        If a recording has other channels or another length than the preparation takes.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> recordings = read_recordings()
    >>> prepare_inputs(recordings, fit_preparation(recordings, scale=100.0))[0].tolist()
    [1.0454, 0.02375, 0.0]
    """
    offset, scale = np.array(preparation.offset), np.array(preparation.scale)
    n_channels = len(preparation.channels)
    X = np.empty((len(recordings), preparation.n_inputs))
    for row, recording in zip(X, recordings, strict=True):
        signal = recording.signal
        one_row = len(signal) == 1 and preparation.n_steps > 1
        one_channel = signal.shape[1] == 1 and preparation.n_steps == 1 and n_channels > 1
        if (one_row or one_channel) and signal.size == preparation.n_inputs:
            signal = signal.reshape(preparation.n_steps, n_channels)  # the same numbers as a row of a table
        else:
            named = recording.channels != unnamed(recording.signal.shape[1])
            if named or len(recording.channels) != n_channels:
                _check_same("channels", preparation.channels, recording, "those the network was trained on")
            if any(recording.units):
                _check_same("units", preparation.units, recording, "those the network was trained on")
        if len(signal) != preparation.n_steps and not preparation.resample:
            raise RecordingError(
                f"Expected {preparation.n_steps} readings, found {len(signal)}",
                recording.source,
                "Give recordings as long as those the network was trained on, or train with --steps",
            )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            row[:] = ((_resampled(signal, preparation.n_steps) - offset) / scale).ravel()
        if not (np.abs(row) <= LARGEST_INPUT).all():
            raise RecordingError(
                f"A reading is too large: prepared, it is {row[np.argmax(~(np.abs(row) <= LARGEST_INPUT))]:.3g}",
                recording.source,
                "Delete the recording, or scale its readings",
            )
    return X


def expected_outputs(recordings: Sequence[Recording], classes: Sequence[str] | None) -> np.ndarray:
    """Return what the network should answer: 1 for a recording's class, or its number.

    Returns
    -------
    float64 array, (n_recordings, n_classes), or (n_recordings, 1) for regression

    Raises
    ------
    RecordingError
        If a label is missing, is none of the classes, or is no number.
    """
    if classes is None:
        find_task(recordings, "regression")
        return np.array([[float(recording.label or "nan")] for recording in recordings])
    find_task(recordings, "classification")
    Y = np.zeros((len(recordings), len(classes)))
    place = {name: column for column, name in enumerate(classes)}
    for row, recording in zip(Y, recordings, strict=True):
        if recording.label not in place:
            raise RecordingError(
                f"The label {recording.label!r} is none of the network's classes ({', '.join(classes)})",
                recording.source,
                "Rename the label, or leave the recording out",
            )
        row[place[recording.label]] = 1
    return Y


def prepare(
    recordings: Sequence[Recording], preparation: Preparation, classes: Sequence[str] | None
) -> Examples:
    """Return the examples for training from recordings.

    Parameters
    ----------
    recordings : sequence of Recording, labelled
    preparation : Preparation, from `fit_preparation`
    classes : sequence of str, or None for regression

    Returns
    -------
    Examples, one a recording

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> recordings = read_recordings()
    >>> examples = prepare(recordings, fit_preparation(recordings), find_classes(recordings))
    >>> examples.X.shape, examples.Y.shape
    ((10, 3), (10, 2))
    """
    Y = expected_outputs(recordings, classes)
    if classes is None:
        Y = (Y - preparation.answer_offset) / preparation.answer_scale
    return Examples(prepare_inputs(recordings, preparation), Y, None if classes is None else tuple(classes))


def balanced_class_weights(
    Y: np.ndarray, classes: Sequence[str], weight: np.ndarray | None = None
) -> dict[str, float]:
    """Return the weights that make all classes count the same: Σ weight / (n_classes · its Σ weight).

    A class without examples counts 1.

    Examples
    --------
    >>> balanced_class_weights(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), ("a", "b"))
    {'a': 0.6666666666666666, 'b': 2.0}
    """
    sums = np.bincount(Y.argmax(axis=1), weights=weight, minlength=len(classes))
    share = sums.sum() / np.count_nonzero(sums)
    return {name: float(share / own) if own else 1.0 for name, own in zip(classes, sums, strict=True)}


def class_weights(
    Y: np.ndarray, classes: Sequence[str], wish: str | dict[str, float], weight: np.ndarray | None = None
) -> np.ndarray | None:
    """Return how much each example counts, from how much its class should count.

    Parameters
    ----------
    Y : array, (n_examples, n_classes)
    classes : sequence of str
    wish : "none", "balanced", or weights by class, where a class not named counts 1
    weight : array, (n_examples,), optional: how much each example counts by itself

    Returns
    -------
    float64 array, (n_examples,), or None

    Raises
    ------
    ArgumentError
        If a class is unknown.

    Examples
    --------
    >>> class_weights(np.array([[1, 0], [0, 1]]), ("a", "b"), {"a": 3.0}).tolist()
    [3.0, 1.0]
    """
    if wish == "none":
        return None
    by_class = balanced_class_weights(Y, classes, weight) if wish == "balanced" else wish
    assert isinstance(by_class, dict)
    for name in by_class:
        if name not in classes:
            raise ArgumentError(
                f"There is no class {name!r}", "--class-weight", f"The classes are: {', '.join(classes)}"
            )
    return np.array([by_class.get(classes[i], 1.0) for i in Y.argmax(axis=1)])
