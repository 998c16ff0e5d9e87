"""What reading gives: recordings, and an account of everything else that was in the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from ..errors import RecordingError

PART = re.compile(r"(, readings \d+–\d+)+$")


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """One gesture, as a sensor saw it.

    Attributes
    ----------
    signal : float64 array, (n_readings, n_channels), in `units`; read-only
    channels : tuple of str, (n_channels,)
    units : tuple of str, (n_channels,); "" where unknown
    rate_hz : float or None, readings a second where they are regular
    times : float64 array, (n_readings,), in seconds, or None
    label : str or None, the class, or a number for regression
    person, session, device : str or None, where known
    split : "train", "test" or None: the part that the data's authors put it in
    source : str, the file and the place in it

    Raises
    ------
    RecordingError
        If shapes do not fit or a reading is not a finite number; row and channel are named.

    Examples
    --------
    >>> Recording([[0.0], [35.5], [120.1]], ("distance",), label="moving_closer").n_readings
    3
    """

    signal: np.ndarray
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rate_hz: float | None = None
    times: np.ndarray | None = None
    label: str | None = None
    person: str | None = None
    session: str | None = None
    device: str | None = None
    split: str | None = None
    source: str = "a recording made in Python"

    def __post_init__(self) -> None:
        signal = _frozen(self.signal)
        if signal.ndim == 1:
            signal = signal[:, None]
        if signal.ndim != 2 or 0 in signal.shape:
            raise RecordingError(
                f"Expected readings of shape (n_readings, n_channels), found {signal.shape}",
                self.source,
                "Give one row a reading, one column a channel",
            )
        object.__setattr__(self, "signal", signal)
        if self.times is not None:
            times = _frozen(self.times)
            object.__setattr__(self, "times", times)
            with np.errstate(all="ignore"):
                forward = bool((np.diff(times) > 0).all())
            if times.shape != (len(signal),) or not forward or not np.isfinite(times).all():
                raise RecordingError(
                    "Expected a time for every reading, each later than the one before",
                    self.source,
                    "Mend the times, or leave them out",
                )
        n_channels = signal.shape[1]
        object.__setattr__(self, "channels", tuple(self.channels or unnamed(n_channels)))
        object.__setattr__(self, "units", tuple(self.units or [""] * n_channels))
        for name in ("channels", "units"):
            if len(getattr(self, name)) != n_channels:
                raise RecordingError(
                    f"Expected {n_channels} {name}, found {len(getattr(self, name))}",
                    self.source,
                    f"Give one of the {name} a column of the signal",
                )
        if not np.isfinite(signal).all():
            row, channel = np.argwhere(~np.isfinite(signal))[0]
            raise RecordingError(
                f"Expected a finite number, found {signal[row, channel]}",
                f"{self.source}, reading {row + 1}, channel {self.channels[channel]!r}",
                "Delete the recording, or record it again",
            )

    @property
    def n_readings(self) -> int:
        return self.signal.shape[0]


def _frozen(numbers: Any) -> np.ndarray:
    """Return the numbers as float64 that nobody can change: the same array if that is so already."""
    if isinstance(numbers, np.ndarray) and numbers.dtype == np.float64 and numbers.flags.c_contiguous:
        owner = numbers if numbers.base is None else numbers.base
        if isinstance(owner, np.ndarray) and not (numbers.flags.writeable or owner.flags.writeable):
            return numbers
    copy = np.array(numbers, dtype=np.float64, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def origin(recording: Recording) -> str:
    """Return the recording that this one was cut from, as its source names it; its own source if it is whole.

    Recordings of one origin overlap or follow each other without a pause, so that a split must not part them.

    Examples
    --------
    >>> origin(Recording([[1.0]], source="walk.json, readings 301–621"))
    'walk.json'
    """
    return PART.sub("", recording.source)


def part_of(place: str, first: int, last: int) -> str:
    """Return the source of a part of a recording: readings from `first`, counted from 0, to before `last`.

    Examples
    --------
    >>> part_of("walk.json", 300, 621)  # what lies between its 300th and its 622nd reading
    'walk.json, readings 301–621'
    """
    return f"{place}, readings {first + 1}–{last}"


def unnamed(n_channels: int) -> tuple[str, ...]:
    """Return the names of channels that have none: channel1, channel2, …"""
    return tuple(f"channel{i + 1}" for i in range(n_channels))


@dataclass(frozen=True)
class Repair:
    """A quirk of a file whose meaning was clear, so that it was read all the same.

    Attributes
    ----------
    where : str, the file, and the (first) line
    what : str, what was found, and how it was read
    count : int, how often in this file
    """

    where: str
    what: str
    count: int = 1


@dataclass(frozen=True)
class Dropped:
    """What was in the files and is in no recording.

    Attributes
    ----------
    where : str, the file, and the (first) line
    why : str
    n_readings : int, rows of numbers that were left out; 0 for a file that holds none
    """

    where: str
    why: str
    n_readings: int = 0


@dataclass(frozen=True, eq=False)
class DataSet(Sequence[Recording]):
    """Recordings, as a sequence, and the account of how they were read.

    Every reading in the files is in one of the recordings or named in `dropped`.

    Attributes
    ----------
    recordings : tuple of Recording
    repairs : tuple of Repair
    dropped : tuple of Dropped

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> data = read_recordings()
    >>> len(data), data[0].label, data.repairs, data.dropped
    (10, 'moving_away', (), ())
    """

    recordings: tuple[Recording, ...]
    repairs: tuple[Repair, ...] = ()
    dropped: tuple[Dropped, ...] = ()

    def __len__(self) -> int:
        return len(self.recordings)

    @overload
    def __getitem__(self, place: int) -> Recording: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Recording]: ...
    def __getitem__(self, place: int | slice) -> Recording | Sequence[Recording]:
        return self.recordings[place]

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.recordings)


def with_labels(recordings: Sequence[Recording], label: str) -> list[Recording]:
    """Return the recordings with this label on those that have none.

    Examples
    --------
    >>> with_labels([Recording([[1.0]])], "wave")[0].label
    'wave'
    """
    return [r if r.label is not None else replace(r, label=label) for r in recordings]
