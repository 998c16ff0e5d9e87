"""Arrays of NumPy: ``.npy``, and several of them in an ``.npz``.

======== ====================================================================================
an array 1-D is one channel; 2-D one recording, (n_readings, n_channels); 3-D recordings,
         (n_recordings, n_readings, n_channels), the shorter ones filled with NaN
an .npz  ``X`` (or data, signals, recordings) with ``y`` (or labels, target), also as
         ``X_train``, ``y_test``: each row of 2-D data is a recording then. ``person``,
         ``session`` and ``device`` may stand beside them, one a recording, and ``rate_hz``.
         1-D arrays called x, y, z, gyro_x … are the channels of one recording.
         Otherwise each array holds recordings, and its name is their label
======== ====================================================================================

Up to 12 rows, of at least four times as many columns, are taken for channels, and turned. Integers
are the raw counts of a sensor: their unit is ``counts``; that of other numbers is unknown. An array
that ends early, as a board leaves it that is switched off, is kept as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import RecordingError
from ..names import PARTS, label_in_name
from ..packed.zips import is_npz, open_zip, zip_members
from ..parsing.npy import MAGIC, arrays
from ..recording import Recording
from ..source import LARGEST_IN_MEMORY, Source

MOST_CHANNELS = 64  # of one sensor: a matrix of pixels has as many
MOST_RECORDINGS = 2**20
MOST_TURNED = 12  # rows that may be channels
AXIS = re.compile(r"([a-z]{1,4}|accel|acceleration|gyroscope)?_?[xyz]", re.IGNORECASE)
RATE = re.compile(r"(sampl(e|ing)_?)?(rate|freq|frequency)(_hz)?|fs|hz", re.IGNORECASE)
PART = r"(?i)({})(_?(?P<part>train|val|valid|validation|test))?"
DATA = PART.format("x|data|signals?|recordings?")
BESIDE = {  # what may stand beside the data, one a recording
    "label": PART.format("y|labels?|targets?|classes"),
    "person": PART.format("person|persons|people|subjects?|users?"),
    "session": PART.format("sessions?"),
    "device": PART.format("devices?"),
}
AGAIN = "Save the arrays again"


def read(source: Source) -> list[Recording] | None:
    """Return the recordings in an .npy or .npz; None if the file is something else."""
    if source.head.startswith(MAGIC):
        found = arrays(source.content, source, source.name)
        return [recording for array in found for recording in _recordings(array, source, source.name)]
    first = source.head[
        30 : 30 + int.from_bytes(source.head[26:28], "little")
    ]  # the name of a zip's first file
    if not source.head.startswith(b"PK\3\4") or not first.endswith(b".npy"):
        return None
    archive = open_zip(source)
    if not is_npz(source, archive):
        return None
    members = list(zip_members(source, archive))
    if (size := sum(member.size for member in members)) > LARGEST_IN_MEMORY:
        raise RecordingError(
            f"The arrays have {size:,} bytes; at most {LARGEST_IN_MEMORY:,} are read",
            source.name,
            "Split the file",
        )
    by_name = {
        member.path.name[:-4] + "_again" * i: array  # nothing is lost if one file holds two arrays
        for member in members
        for i, array in enumerate(arrays(member.content, source, member.name))
    }
    return _from_several(by_name, source)


# ---------------------------------------------------------------- one array


def _recordings(
    array: np.ndarray, source: Source, where: str, beside: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Recording]:
    """Yield the recordings in an array, each with its own of what stands beside them."""
    signals = _signals(array, source, where)
    for kind, values in (beside or {}).items():
        if len(values) != len(signals):
            raise RecordingError(
                f"Expected a {kind} for each of {len(signals)} recordings, found {len(values)}", where, AGAIN
            )
    units = ["counts" if array.dtype.kind in "iu" else ""]
    for i, signal in enumerate(signals):
        if signal.size:
            place = f"{where}, recording {i + 1}" if array.ndim == 3 else where
            known: dict[str, Any] = {kind: values[i] for kind, values in (beside or {}).items()}
            yield Recording(signal, units=tuple(units * signal.shape[1]), source=place, **known)
        else:
            source.dropped("a recording without readings", 0)


def _signals(array: np.ndarray, source: Source, where: str) -> list[np.ndarray]:
    """Return (n_readings, n_channels) of each recording in an array of one, two or three dimensions."""
    if array.dtype.kind not in "iuf" or not 1 <= array.ndim <= 3:
        raise RecordingError(
            f"Expected numbers in 1 to 3 dimensions, found {array.dtype} in {array.ndim}",
            where,
            "Save them so",
        )
    if array.ndim == 1:
        return [array[:, None]]
    n_rows, n_columns = array.shape[-2:]
    if n_rows <= MOST_TURNED < n_columns and 4 * n_rows <= n_columns:
        source.repaired(f"{n_rows} rows of {n_columns} numbers are taken for channels, and turned")
        array = array.swapaxes(-1, -2)
    elif n_columns > MOST_CHANNELS and n_rows:
        raise RecordingError(
            f"Expected an array (n_readings, n_channels), found {n_columns} columns",
            where,
            "Turn the array with .T; or give it three dimensions, one recording a row, with array[:, :, None]",
        )
    if array.ndim == 2:
        return [array]
    if len(array) > MOST_RECORDINGS:
        raise RecordingError(
            f"The array has {len(array):,} recordings; at most {MOST_RECORDINGS:,} are read",
            where,
            "Split the array",
        )
    return [_without_padding(own, source) for own in array]


def _without_padding(signal: np.ndarray, source: Source) -> np.ndarray:
    n_readings = max(np.flatnonzero(~np.isnan(signal).all(axis=1)), default=-1) + 1
    if 0 < n_readings < len(signal):
        source.repaired("rows of NaN at the end of recordings are padding, and cut off")
    return signal[:n_readings]


# ---------------------------------------------------------------- several arrays


def _from_several(rest: dict[str, np.ndarray], source: Source) -> list[Recording]:
    """Return the recordings in arrays by name; what is none is named in the account."""
    rate_hz = _take_rate(rest)
    recordings = _take_channels(rest, source) or _take_data(rest, source) or _take_each(rest, source)
    for name, array in rest.items():
        source.dropped(f"the array {name[:40]!r} is no recording", len(array) if array.ndim else 0)
    return [replace(recording, rate_hz=rate_hz) for recording in recordings]


def _take_rate(rest: dict[str, np.ndarray]) -> float | None:
    for name, array in rest.items():
        if RATE.fullmatch(name) and array.ndim == 0 and array.dtype.kind in "iuf" and 0 < array < np.inf:
            return float(rest.pop(name))
    return None


def _take_channels(rest: dict[str, np.ndarray], source: Source) -> list[Recording]:
    """Return the recording whose channels are 1-D arrays of one length, if there are two or more."""
    axes = {
        name: a for name, a in rest.items() if a.ndim == 1 and a.dtype.kind in "iuf" and AXIS.fullmatch(name)
    }
    if len(axes) < 2 or len(axes) < len(rest) or len({len(a) for a in axes.values()}) > 1:
        return []
    units = ["counts" if a.dtype.kind in "iu" else "" for a in axes.values()]
    rest.clear()
    return [Recording(np.stack([*axes.values()], axis=1), tuple(axes), tuple(units), source=source.name)]


def _take_data(rest: dict[str, np.ndarray], source: Source) -> list[Recording]:
    """Return the recordings in X, or X_train and X_test, each with its label in y."""
    recordings: list[Recording] = []
    for name in list(rest):
        if match := re.fullmatch(DATA, name):
            where, data = f"{source.name}, array {name}", rest.pop(name)
            beside = {
                kind: _texts(rest.pop(other), f"{source.name}, array {other}")
                for kind, pattern in BESIDE.items()
                for other in list(rest)
                if (m := re.fullmatch(pattern, other)) and m["part"] == match["part"]
            }
            if data.ndim == 2 and any(len(values) != 1 for values in beside.values()):
                data = _one_channel(data, where)
            split = PARTS[match["part"].lower()] if match["part"] else None
            recordings += (replace(r, split=split) for r in _recordings(data, source, where, beside))
    return recordings


def _one_channel(data: np.ndarray, where: str) -> np.ndarray:
    """Return (n_recordings, n_readings, 1) of rows, each with a label."""
    if data.shape[1] <= MOST_TURNED:
        raise RecordingError(
            f"Expected an array (n_recordings, n_readings, n_channels), found {data.shape}: "
            "a row could be a recording, or one reading of all channels",
            where,
            "Give it three dimensions: array[:, :, None] if a row is a recording",
        )
    return data[:, :, None]


def _texts(array: np.ndarray, where: str) -> list[str]:
    """Return labels as text; whole numbers without a point."""
    if array.dtype.kind not in "USiuf" or array.size != (array.shape or (1,))[0]:
        raise RecordingError(
            f"Expected labels in one dimension, found {array.dtype} {array.shape}", where, AGAIN
        )
    try:
        decoded = np.strings.decode(array, "utf-8") if array.dtype.kind == "S" else array
        texts = [str(text) for text in decoded.ravel()]
        "".join(texts).encode()
    except (UnicodeError, ValueError):
        raise RecordingError("Expected labels in UTF-8", where, AGAIN) from None
    return [re.sub(r"\.0$", "", text) for text in texts] if array.dtype.kind == "f" else texts


def _take_each(rest: dict[str, np.ndarray], source: Source) -> list[Recording]:
    """Return the recordings in every array, with its name as their label."""
    recordings: list[Recording] = []
    for name in list(rest):
        if rest[name].ndim and not any(re.fullmatch(pattern, name) for pattern in BESIDE.values()):
            label = None if re.fullmatch(r"arr_\d+", name) else label_in_name(name)
            own = _recordings(rest.pop(name), source, f"{source.name}, array {name}")
            recordings += (replace(recording, label=label) for recording in own)
    return recordings
