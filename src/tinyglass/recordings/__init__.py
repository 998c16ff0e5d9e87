"""Recordings, and one reader for each format that they come in.

A new format is one file here with a function ``read(source: Source) -> list[Recording] | None``
(None: not this format), and its name in `READERS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import RecordingError, StorageError

LARGEST_FILE = 2**30  # bytes
COURSE = Path(__file__).parent / "course"
"""The course's ten recordings, © the TinySpark course, CC BY-SA 4.0."""


@dataclass(frozen=True, eq=False)
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
    source: str = "a recording made in Python"

    def __post_init__(self) -> None:
        signal = np.array(self.signal, dtype=np.float64, copy=True)
        if signal.ndim == 1:
            signal = signal[:, None]
        if signal.ndim != 2 or 0 in signal.shape:
            raise RecordingError(
                f"Expected readings of shape (n_readings, n_channels), found {signal.shape}",
                self.source,
                "Give one row a reading, one column a channel",
            )
        signal.flags.writeable = False
        object.__setattr__(self, "signal", signal)
        if self.times is not None:
            times = np.array(self.times, dtype=np.float64, copy=True)
            times.flags.writeable = False
            object.__setattr__(self, "times", times)
            if (
                times.shape != (len(signal),)
                or not (np.diff(times) > 0).all()
                or not np.isfinite(times).all()
            ):
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


def unnamed(n_channels: int) -> tuple[str, ...]:
    """Return the names of channels that have none: channel1, channel2, …"""
    return tuple(f"channel{i + 1}" for i in range(n_channels))


@dataclass(frozen=True)
class Source:
    """A file to read: its name for messages, its text, and the label that its name suggests."""

    name: str
    text: str
    label: str | None

    @property
    def lines(self) -> list[str]:
        """The text between line ends; other separators of Unicode are part of the text."""
        lines = re.split(r"\r\n|\r|\n", self.text)
        return lines[:-1] if lines[-1] == "" else lines


def read_recordings(path: str | Path | None = None) -> list[Recording]:
    """Return the recordings in a file or a folder; the format is recognised by content.

    Formats: the TinySpark board's print-out; CSV with one recording a row (a column named
    ``label``, or of words) or a file. Labels come from inside the data, then from the name
    of the file's folder below `path`, then from the file's name up to the first dot.

    Parameters
    ----------
    path : path, optional
        Without it, the course's ten recordings.

    Raises
    ------
    RecordingError
        If a file cannot be understood; the line is named. If there are no recordings.
    StorageError
        If a file is missing or cannot be read.

    Examples
    --------
    >>> recordings = read_recordings()
    >>> len(recordings), recordings[0].signal.ravel().tolist(), recordings[0].label
    (10, [104.54, 2.375, 0.0], 'moving_away')
    """
    top = COURSE if path is None else Path(path)
    if not top.exists():
        raise StorageError("There is no such file or folder", str(top), "Check the spelling of the path")
    recordings: list[Recording] = []
    skipped: list[str] = []
    for file in sorted(_files(top), key=_natural):
        _check_name(file)
        source = _open(file, top)
        found = (
            None
            if source is None
            else next((r for r in (read(source) for read in READERS) if r is not None), None)
        )
        if found is None:
            skipped.append(file.name)
        else:
            recordings += found
    if not recordings:
        files = f" ({', '.join(skipped[:5])})" if skipped else ""
        raise RecordingError(
            f"Found no recordings{files}",
            str(top),
            "Name a file or a folder with print-outs of the board (.txt) or CSV files",
        )
    if skipped and path is not None:
        raise RecordingError(
            f"{len(skipped)} of the files hold no recordings that tinyglass can read: {', '.join(skipped[:5])}",
            str(top),
            "Move them elsewhere, or name the files with recordings",
        )
    return recordings


def with_labels(recordings: Sequence[Recording], label: str) -> list[Recording]:
    """Return the recordings with this label on those that have none.

    Examples
    --------
    >>> with_labels([Recording([[1.0]])], "wave")[0].label
    'wave'
    """
    return [r if r.label is not None else replace(r, label=label) for r in recordings]


def _files(top: Path) -> list[Path]:
    if top.is_file():
        return [top]
    return [p for p in top.rglob("*") if p.is_file() and not _is_aside(p.relative_to(top))]


def _check_name(path: Path) -> None:
    """Refuse a name whose bytes are no text: it could be no label, and no message could show it."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise RecordingError("The name of the file or folder is not UTF-8", shown, "Rename it") from error


def _is_aside(path: Path) -> bool:
    """Tell hidden files, what describes a folder of data, and what a training has left there."""
    if any(part.startswith((".", "__")) for part in path.parts):
        return True
    if path.name.lower() in ("thumbs.db", "desktop.ini") or path.suffix == ".safetensors":
        return True
    return path.name.upper().split(".")[0] in (
        "README",
        "LICENSE",
        "LICENCE",
        "PROVENANCE",
        "COPYING",
        "REPORT",
    )


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sort wave2 before wave10."""
    return [
        (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", str(path))
    ]


def _open(file: Path, top: Path) -> Source | None:
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise RecordingError(
                f"The file has {size:,} bytes; at most {LARGEST_FILE:,} are read", str(file), "Split the file"
            )
        content = file.read_bytes()
    except OSError as error:
        raise StorageError(
            f"Could not read the file: {error.strerror}", str(file), "Check that it exists and may be read"
        ) from error
    if b"\0" in content[:4096]:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    below = file.parent.relative_to(top).parts if top.is_dir() else ()
    return Source(str(file), text, below[0] if below else _label_in_name(file.name))


def _label_in_name(name: str) -> str | None:
    """Return ``wave`` for wave.csv, wave.3a7.csv, wave_01.csv and wave (2).csv; None for 7.csv."""
    stem = name.split(".")[0]
    if re.fullmatch(r"[\d\s_()-]*", stem):
        return None
    return re.sub(r"[\s_-]+\(?\d+\)?$|\(\d+\)$", "", stem) or stem or None


from . import csv, tinyspark  # noqa: E402  (the readers need Recording and Source)

READERS = (tinyspark.read, csv.read)
"""Every reader, the strictest first."""
