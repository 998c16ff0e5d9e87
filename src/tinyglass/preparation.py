"""Recordings become examples: inputs and expected outputs for training.

What is done to a recording is fitted on the training part only, and travels with the
network as its `Preparation`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from .augmentation import alter
from .errors import ArgumentError, RecordingError
from .inputs import FEATURES, measure, name_inputs, smallest_scales
from .network import Preparation, read_only
from .recordings import Recording, unnamed
from .units import convert_units

STEPS = 32  # of long recordings, and where lengths differ; 16, 32 and 64 are about equally good
LARGEST_TABLE = 2**30  # bytes of prepared inputs
LARGEST_INPUT = 1e30  # beyond it, sums leave what float32 can hold
CONSTANT = 1e-12  # of the largest reading: what deviates less is rounding
FEW_CLASSES = 20  # more different whole numbers than this are quantities, not classes


@dataclass(frozen=True, eq=False)
class Examples:
    """What a network is trained on.

    Attributes
    ----------
    X : float array, (n_examples, n_inputs); read-only
        A C-contiguous `numpy.memmap` of float32 or float64 stays in its file, which may be larger than
        the memory; so do Y and weight.
    Y : float array, (n_examples, n_outputs), expected outputs: for classes, 1 for the
        example's own and 0 for the others
    classes : tuple of str, (n_outputs,), or None for regression
    groups : int array, (n_examples,)
        Examples of one group never stand on both sides of a split: they are of one recording.
    weight : float array, (n_examples,), or None
        How much each example counts in the average.
    names : tuple of str, (n_examples,), or empty
        Where each comes from, as an explanation calls it; no part of the fingerprint.

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
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        dtype = np.float32 if getattr(self.X, "dtype", None) == np.float32 else np.float64
        for name in ("X", "Y", "weight"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _held(value, np.dtype(dtype)))
                at = _first_not_finite(getattr(self, name))
                if at is not None:
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
        names = tuple(np.array(self.names, dtype=object)[which]) if self.names else ()
        return Examples(self.X[which], self.Y[which], self.classes, self.groups[which], weight, names)

    def fingerprint(self) -> str:
        """Return the SHA-256 of every number, in hexadecimal: the same for the same data only."""
        digest = hashlib.sha256(repr(self.classes and [str(name) for name in self.classes]).encode())
        for array in (self.X, self.Y, self.weight):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                for part in in_parts(array):
                    digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


PART = 2**20  # numbers that are looked at together


def in_parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of an array, some at a time: of a file larger than the memory, only these are read.

    Examples
    --------
    >>> [len(part) for part in in_parts(np.zeros((5, 2**19)))]
    [2, 2, 1]
    """
    rows = max(1, PART // max(1, array[:1].size))
    for begin in range(0, len(array), rows):
        yield array[begin : begin + rows]


def _held(value: Any, dtype: np.dtype) -> np.ndarray:
    """Return the numbers, read-only: a copy, unless they lie in a file."""
    if isinstance(value, np.memmap) and value.dtype == dtype and value.flags.c_contiguous:
        view = value.view()
        view.flags.writeable = False
        return view
    return read_only(value, dtype)


def _first_not_finite(array: np.ndarray) -> tuple[int, ...] | None:
    begin = 0
    for part in in_parts(array):
        wrong = ~np.isfinite(part)
        if wrong.any():
            first, *rest = np.argwhere(wrong)[0].tolist()
            return begin + first, *rest
        begin += len(part)
    return None


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


@dataclass(frozen=True, eq=False)
class Material:
    """What was measured of recordings, before anything is fitted: choices take their parts of it.

    Attributes
    ----------
    tables : dict of float64 arrays, (n_rows, n_values, n_channels), by kind of inputs
    means, variances : float64 arrays, (n_rows, n_channels), of all readings
    owner : int array, (n_rows,), the place of the recording that a row is of
    altered : bool array, (n_rows,), whether the row is of an altered copy
    """

    tables: dict[str, np.ndarray]
    means: np.ndarray
    variances: np.ndarray
    owner: np.ndarray
    altered: np.ndarray

    def rows(self, places: np.ndarray, altered: bool = False) -> np.ndarray:
        """Return the rows of the recordings at these places, with their altered copies or without."""
        found = np.isin(self.owner, places)
        return np.flatnonzero(found if altered else found & ~self.altered)


def measure_recordings(
    recordings: Sequence[Recording],
    kinds: Sequence[str],
    n_steps: int,
    *,
    window: int = 0,
    hop: int = 0,
    alterations: Sequence[str] = (),
    copies: int = 0,
    seed: int = 0,
) -> Material:
    """Return every kind's numbers for each recording, or each of its windows, and for altered copies.

    Parameters
    ----------
    recordings : sequence of Recording, with the same channels
    kinds : of `tinyglass.inputs.KINDS`
    n_steps : int, raw readings
    window, hop : int, readings; 0: recordings are taken whole
    alterations : of `tinyglass.augmentation.ALTERATIONS`
    copies : int, of each recording or window
    seed : int, by which copies are altered

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> material = measure_recordings(read_recordings(), ("raw",), 3, alterations=("shift",), copies=2)
    >>> material.tables["raw"].shape, material.rows([0], altered=True).tolist()
    ((30, 3, 1), [0, 10, 20])
    """
    n_pieces = count_pieces(recordings, window, hop)
    n_rows = n_pieces * (1 + (copies if alterations else 0))
    longest = window or max(recording.n_readings for recording in recordings)
    n_values = sum(n_steps if kind == "raw" else len(FEATURES[kind].names) for kind in kinds)
    if copies and alterations:
        n_values += longest
    needed = 8 * n_rows * n_values * len(recordings[0].channels)
    if needed > LARGEST_TABLE:
        raise ArgumentError(
            f"{n_rows:,} recordings, windows and copies of {n_values:,} values need {needed / 2**30:,.1f} GiB, "
            f"and at most {LARGEST_TABLE / 2**30:g} GiB are used",
            "--hop" if window else "--steps" if "raw" in kinds else "--window",
            "Use a larger hop, or smaller windows"
            if window
            else "Resample to fewer readings, or use windows",
        )
    signals, owner = cut(recordings, window, hop)
    copied = alter(signals, alterations, copies, seed)
    with np.errstate(over="ignore", invalid="ignore"):
        tables = measure(signals + copied, kinds, n_steps)
        means = np.stack([signal.mean(axis=0) for signal in signals + copied])
        variances = np.stack([signal.var(axis=0) for signal in signals + copied])
    for kind, table in tables.items():
        bad = ~np.isfinite(table).all(axis=(1, 2))
        if bad.any():
            raise RecordingError(
                f"The readings are too large for the {kind} inputs",
                recordings[owner[int(np.argmax(bad)) % n_pieces]].source,
                "Delete the recording, or scale its readings",
            )
    rounds = n_rows // len(signals)
    return Material(tables, means, variances, np.tile(owner, rounds), np.arange(n_rows) >= len(signals))


def count_pieces(recordings: Sequence[Recording], window: int, hop: int) -> int:
    """Return how many windows the recordings have, or how many there are where `window` is 0.

    Raises
    ------
    RecordingError
        If a recording is shorter than a window.

    Examples
    --------
    >>> count_pieces([Recording(np.zeros((5, 1)))], window=3, hop=2)
    2
    """
    if not window:
        return len(recordings)
    for recording in recordings:
        if recording.n_readings < window:
            raise RecordingError(
                f"Expected at least {window} readings, a window's, found {recording.n_readings}",
                recording.source,
                "Use a smaller --window, or leave the recording out",
            )
    return sum((recording.n_readings - window) // hop + 1 for recording in recordings)


def cut(recordings: Sequence[Recording], window: int, hop: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the signals of the recordings, or of their windows, and which recording each is of.

    Examples
    --------
    >>> signals, owner = cut([Recording(np.arange(5.0))], window=3, hop=2)
    >>> [signal.ravel().tolist() for signal in signals], owner.tolist()
    ([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]], [0, 0])
    """
    if not window:
        return [recording.signal for recording in recordings], np.arange(len(recordings))
    pieces = [
        (recording.signal[start : start + window], place)
        for place, recording in enumerate(recordings)
        for start in range(0, recording.n_readings - window + 1, hop)
    ]
    return [signal for signal, _ in pieces], np.array([place for _, place in pieces])


def check_channels(recordings: Sequence[Recording]) -> None:
    """Refuse recordings that differ in channels or units.

    Raises
    ------
    RecordingError
        Naming the first that differs from the first recording.
    """
    first = recordings[0]
    for recording in recordings:
        for what in ("channels", "units"):
            _check_same(what, getattr(first, what), recording, first.source)


def find_steps(recordings: Sequence[Recording], steps: int, window: int = 0) -> tuple[int, bool]:
    """Return how many raw readings a recording becomes, and whether others are resampled to that.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> find_steps(read_recordings(), steps=0)
    (3, False)
    """
    lengths = {window} if window else {recording.n_readings for recording in recordings}
    resampled = bool(steps) or len(lengths) > 1 or max(lengths) > STEPS
    return steps or (STEPS if resampled else lengths.pop()), resampled


def fit_preparation(
    recordings: Sequence[Recording],
    *,
    scale: str | float = "standard",
    steps: int = 0,
    inputs: Sequence[str] = ("raw",),
    window: int = 0,
    hop: int = 0,
    answers: bool = False,
) -> Preparation:
    """Return the preparation that suits these recordings, which are the training part.

    Parameters
    ----------
    recordings : sequence of Recording
    scale : {"standard", "none"} or float
        Per channel: (reading − mean) / standard deviation of these recordings (a constant
        channel is only shifted); nothing; or reading / number. Summaries and spectra likewise, value by value.
    steps : int
        Raw readings to resample to; 0: none if all have the same length of up to 32, otherwise 32.
    inputs : of "raw", "summary", "spectrum"
    window, hop : int, readings; 0: recordings are taken whole, or half a window
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
    check_channels(recordings)
    blank = blank_preparation(recordings, inputs, steps=steps, window=window, hop=hop)
    material = measure_recordings(recordings, inputs, blank.n_steps, window=blank.window, hop=blank.hop)
    return fit_rows(blank, material, np.arange(len(material.owner)), recordings, scale, answers)


def blank_preparation(
    recordings: Sequence[Recording], inputs: Sequence[str], *, steps: int = 0, window: int = 0, hop: int = 0
) -> Preparation:
    """Return the preparation for these recordings before anything is fitted; see `fit_preparation`."""
    n_steps, resampled = find_steps(recordings, steps, window)
    rates = {recording.rate_hz for recording in recordings}
    first = recordings[0]
    return Preparation(
        channels=first.channels,
        units=first.units,
        n_steps=n_steps,
        resample=resampled,
        offset=(0.0,) * len(first.channels),
        scale=(1.0,) * len(first.channels),
        rate_hz=rates.pop() if len(rates) == 1 else None,
        inputs=tuple(inputs),  # type: ignore[arg-type]
        window=window,
        hop=hop or -(-window // 2),
    )


def fit_rows(
    blank: Preparation,
    material: Material,
    rows: np.ndarray,
    recordings: Sequence[Recording],
    scale: str | float,
    answers: bool,
) -> Preparation:
    """Return the preparation with offsets and scales that suit some rows of the material.

    Parameters
    ----------
    blank : Preparation, whose other fields are kept
    material : Material
    rows : int array, of the training part
    recordings : sequence of Recording, that the material was measured of
    scale, answers : as in `fit_preparation`

    Raises
    ------
    RecordingError
        If the readings are too large to be standardised.
    """
    n_channels = len(blank.channels)
    features = [kind for kind in blank.inputs if kind != "raw"]
    offset, divisor = np.zeros(n_channels), np.ones(n_channels)
    n_features = sum(material.tables[kind][0].size for kind in features)
    feature_offset, feature_scale = np.zeros(n_features), np.ones(n_features)
    answer_offset, answer_scale = 0.0, 1.0
    if scale == "standard":
        if "raw" in blank.inputs:
            readings = material.tables["raw"][rows].reshape(-1, n_channels)
            offset, divisor = _mean_and_deviation(readings, blank.channels, recordings)
        if features:
            values = np.concatenate(
                [material.tables[k][rows].reshape(len(rows), -1) for k in features], axis=1
            )
            names = [name for kind in features for name in name_inputs((kind,), blank.channels, 0)]
            feature_offset, feature_scale = _mean_and_deviation(values, names, recordings)
            deviation = np.sqrt(material.variances[rows].mean(axis=0) + material.means[rows].var(axis=0))
            deviation[deviation <= CONSTANT * np.abs(material.means[rows]).max(axis=0)] = 0.0
            smallest = np.concatenate([smallest_scales(kind, deviation).ravel() for kind in features])
            still = np.concatenate(
                [
                    np.broadcast_to(deviation == 0, smallest_scales(k, deviation).shape).ravel()
                    for k in features
                ]
            )
            feature_scale = np.where(still, 1.0, np.maximum(feature_scale, smallest))
        if answers:
            quantities = np.array([float(recordings[i].label or "nan") for i in material.owner[rows]])
            answer_offset, answer_scale = float(quantities.mean()), float(quantities.std()) or 1.0
    elif scale != "none":
        divisor, feature_scale = divisor * float(scale), feature_scale * float(scale)
    return msgspec.structs.replace(
        blank,
        offset=tuple(offset.tolist()),
        scale=tuple(divisor.tolist()),
        feature_offset=tuple(feature_offset.tolist()),
        feature_scale=tuple(feature_scale.tolist()),
        answer_offset=answer_offset,
        answer_scale=answer_scale,
    )


def _mean_and_deviation(
    values: np.ndarray, names: Sequence[str], recordings: Sequence[Recording]
) -> tuple[np.ndarray, np.ndarray]:
    """Return both of each column; a column that hardly varies gets the deviation 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = values.mean(axis=0), values.std(axis=0)
    if not np.isfinite(deviation).all():
        raise RecordingError(
            f"The readings of channel {names[int(np.argmin(np.isfinite(deviation)))]!r} are too large "
            "to be standardised",
            recordings[0].source,
            "Delete the recording with the largest readings, or scale them",
        )
    return mean, np.where(deviation > CONSTANT * np.abs(values).max(axis=0, initial=0), deviation, 1.0)


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


def prepare_inputs(recordings: Sequence[Recording], preparation: Preparation) -> np.ndarray:
    """Return the inputs of the network for each recording, or for each of its windows.

    Returns
    -------
    float64 array, (n_recordings or n_windows, n_inputs)

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
    return prepare_pieces(recordings, preparation)[0]


def prepare_pieces(
    recordings: Sequence[Recording],
    preparation: Preparation,
    augment: Sequence[str] = (),
    copies: int = 0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs, and for each row the place of the recording that it is of."""
    if not recordings:
        return np.empty((0, preparation.n_inputs)), np.empty(0, dtype=int)
    fitting = [_fitting(recording, preparation) for recording in recordings]
    material = measure_recordings(
        fitting,
        preparation.inputs,
        preparation.n_steps,
        window=preparation.window,
        hop=preparation.hop,
        alterations=augment,
        copies=copies,
        seed=seed,
    )
    X = apply_rows(preparation, material, np.arange(len(material.owner)))
    too_large = ~(np.abs(X) <= LARGEST_INPUT)
    if too_large.any():
        row, column = np.argwhere(too_large)[0]
        raise RecordingError(
            f"A reading is too large: prepared, it is {X[row, column]:.3g}",
            recordings[material.owner[row]].source,
            "Delete the recording, or scale its readings",
        )
    return X, material.owner


def apply_rows(preparation: Preparation, material: Material, rows: np.ndarray) -> np.ndarray:
    """Return the inputs of some rows of the material, (n_rows, n_inputs)."""
    columns, n_done = [], 0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for kind in preparation.inputs:
            values = material.tables[kind][rows]
            if kind == "raw":
                values = (values - np.array(preparation.offset)) / np.array(preparation.scale)
                columns.append(values.reshape(len(rows), -1))
                continue
            values = values.reshape(len(rows), -1)
            own = slice(n_done, n_done := n_done + values.shape[1])
            offset, scale = preparation.feature_offset[own], preparation.feature_scale[own]
            columns.append((values - np.array(offset)) / np.array(scale))
    return np.concatenate(columns, axis=1)


def _fitting(recording: Recording, preparation: Preparation) -> Recording:
    """Return the recording as the preparation takes it, or refuse it."""
    recording = convert_units(recording, preparation.channels, preparation.units)
    n_channels = len(preparation.channels)
    signal = recording.signal
    one_row = len(signal) == 1 and preparation.n_steps > 1
    one_channel = signal.shape[1] == 1 and preparation.n_steps == 1 and n_channels > 1
    if (
        (one_row or one_channel)
        and signal.size == preparation.n_steps * n_channels
        and not preparation.window
    ):
        # The same numbers as a row of a table.
        return Recording(
            signal.reshape(preparation.n_steps, n_channels), preparation.channels, source=recording.source
        )
    named = recording.channels != unnamed(signal.shape[1])
    if named or len(recording.channels) != n_channels:
        _check_same("channels", preparation.channels, recording, "those the network was trained on")
    if any(recording.units):
        _check_same("units", preparation.units, recording, "those the network was trained on")
    if len(signal) != preparation.n_steps and not preparation.any_length:
        raise RecordingError(
            f"Expected {preparation.n_steps} readings, found {len(signal)}",
            recording.source,
            "Give recordings as long as those the network was trained on, or train with --steps",
        )
    return recording


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
    recordings: Sequence[Recording],
    preparation: Preparation,
    classes: Sequence[str] | None,
    augment: Sequence[str] = (),
    copies: int = 0,
    seed: int = 0,
) -> Examples:
    """Return the examples for training from recordings.

    Parameters
    ----------
    recordings : sequence of Recording, labelled
    preparation : Preparation, from `fit_preparation`
    classes : sequence of str, or None for regression
    augment : of `tinyglass.augmentation.ALTERATIONS`
    copies : int, altered copies of each recording or window, besides itself
    seed : int, by which copies are altered

    Returns
    -------
    Examples, one a recording or a window; those of one recording are a group

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
    X, owner = prepare_pieces(recordings, preparation, augment, copies, seed)
    sources = [recordings[place].source for place in owner.tolist()]
    names = tuple(_numbered(sources, Counter(sources)))
    return Examples(X, Y[owner], None if classes is None else tuple(classes), owner, names=names)


def _numbered(sources: Sequence[str], count: Counter[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for source in sources:
        seen[source] += 1
        yield source if count[source] == 1 else f"{source}, piece {seen[source]}"


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
