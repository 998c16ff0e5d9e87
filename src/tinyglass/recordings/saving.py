"""Save recordings as one long table (`saved_table`), Parquet or CSV."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..errors import ArgumentError, RecordingError, StorageError
from ..storage import ASIDE
from .recording import Recording
from .source import Source
from .tables.csv_table import open_csv
from .tables.parquet_table import open_parquet
from .tables.saved import FIRST, LAST, TEXTS, heads_of, is_saved

if TYPE_CHECKING:
    import polars as pl

BATCH = 2**20  # numbers that are written at once
GROUP = 2**18  # rows of Parquet that are read together


def save_recordings(data: Sequence[Recording], path: str | Path, protect: str | Path | None = None) -> None:
    """Write the recordings as a long table, from which `read_recordings` reads the very same recordings.

    Parameters
    ----------
    data : DataSet, or sequence of Recording
    path : ending in ``.parquet`` or ``.csv``
    protect : the file or folder that the recordings were read from, in which nothing is overwritten; optional

    Raises
    ------
    ArgumentError
        If the ending is another one, there are no recordings, or the path is a file that was not written
        by this function, or one in `protect`.
    RecordingError
        If a text cannot be written as UTF-8.
    StorageError
        If the disk is full or refuses; an older file stays whole.

    Examples
    --------
    >>> import tempfile
    >>> from tinyglass import read_recordings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_recordings(read_recordings(), Path(folder) / "course.parquet")
    ...     read_recordings(Path(folder) / "course.parquet")[0].signal.ravel().tolist()
    [104.54, 2.375, 0.0]
    """
    path = Path(path)
    write = {".parquet": _write_parquet, ".csv": _write_csv}.get(path.suffix.lower())
    if write is None:
        raise ArgumentError(
            f"Expected a file that ends in .parquet or .csv, found {path.name!r}",
            "--save",
            "Change its ending",
        )
    if not data:
        raise ArgumentError("There are no recordings to save", "--save", "Read some first")
    _check_text(data)
    _check_target(path, None if protect is None else Path(protect))
    with _aside(path) as aside:
        write(data, aside)


def _columns(data: Sequence[Recording]) -> list[str]:
    """Return the heads of all channels' columns, in the order in which they first occur."""
    layouts = dict.fromkeys(recording.channels for recording in data)
    return list(dict.fromkeys(head for channels in layouts for head in heads_of(channels)))


def _schema(columns: Sequence[str]) -> dict[str, Any]:
    import polars as pl

    heads = dict.fromkeys((*FIRST, *columns, *LAST), pl.Float64)
    return {**heads, "recording": pl.Int64, **dict.fromkeys((*TEXTS, "channels", "units"), pl.String)}


def _frames(data: Sequence[Recording], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the table in batches of whole recordings."""
    enough = BATCH // (len(columns) + len(FIRST) + len(LAST))
    first, n_rows = 0, 0
    for i, recording in enumerate(data, 1):
        n_rows += recording.n_readings
        if n_rows >= enough or i == len(data):
            yield _frame(data[first:i], first, columns)
            first, n_rows = i, 0


def _frame(data: Sequence[Recording], first: int, columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    lengths = [recording.n_readings for recording in data]
    whose = np.repeat(np.arange(len(data)), lengths)

    def numbers(parts: list[np.ndarray | None]) -> pl.Series:
        filled = [
            np.full(n, np.nan) if part is None else part for n, part in zip(lengths, parts, strict=True)
        ]
        return pl.Series(np.concatenate(filled)).fill_nan(None)

    def text(values: list[str | None]) -> pl.Series:
        return pl.Series(values, dtype=pl.String).gather(whose)

    places = {
        channels: {h: i for i, h in enumerate(heads_of(channels))} for channels in {r.channels for r in data}
    }
    frame: dict[str, Any] = {"recording": whose + first, "time_s": numbers([r.times for r in data])}
    for head in columns:
        own = [places[r.channels].get(head) for r in data]
        frame[head] = numbers([None if i is None else r.signal[:, i] for r, i in zip(data, own, strict=True)])
    for name in TEXTS:
        frame[name] = text([getattr(r, name) for r in data])
    frame["rate_hz"] = pl.Series([r.rate_hz for r in data], dtype=pl.Float64).gather(whose)
    for name in ("channels", "units"):
        frame[name] = text([msgspec.json.encode(getattr(r, name)).decode() for r in data])
    return pl.DataFrame(frame, schema=_schema(columns))


def _write_parquet(data: Sequence[Recording], path: Path) -> None:
    import polars as pl
    from polars.io.plugins import register_io_source

    columns = _columns(data)
    try:
        register_io_source(lambda *_: _frames(data, columns), schema=_schema(columns)).sink_parquet(
            path, row_group_size=GROUP
        )
    except pl.exceptions.PolarsError as error:  # the disk's own words are within those of polars
        code = errno.ENOSPC if "No space left" in str(error) else errno.EIO
        raise OSError(code, os.strerror(code)) from error


def _write_csv(data: Sequence[Recording], path: Path) -> None:
    columns = _columns(data)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(_quoted, (*FIRST, *columns, *LAST))) + "\n")
        for frame in _frames(data, columns):
            file.write(frame.write_csv(include_header=False, quote_style="non_numeric"))


def _quoted(head: str) -> str:
    return '"' + head.replace('"', '""') + '"' if re.search('[",\r\n]', head) else head


def _check_text(data: Sequence[Recording]) -> None:
    """Refuse half a pair of surrogates, which is no text in UTF-8."""
    for recording in data:
        texts = [*recording.channels, *recording.units, *(getattr(recording, name) or "" for name in TEXTS)]
        try:
            "".join(texts).encode()
        except UnicodeEncodeError as error:
            raise RecordingError(
                f"A text cannot be written as UTF-8: {error.object[error.start : error.end]!a}",
                recording.source.encode(errors="backslashreplace").decode(),
                "Rename the label or the channel",
            ) from None


def _check_target(path: Path, protect: Path | None) -> None:
    """Refuse to overwrite a file of the user's."""
    if not path.exists():
        return
    mend = "Choose another name"
    if protect is not None and path.resolve().is_relative_to(protect.resolve()):
        raise ArgumentError(f"{path} belongs to what was read, which is never changed", "--save", mend)
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder", "--save", mend)
    if path.stat().st_size and not _was_saved(path):
        raise ArgumentError(f"{path} exists, and is no table that tinyglass saved", "--save", mend)


def _was_saved(path: Path) -> bool:
    source = Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)
    try:
        table = open_parquet(source) if source.head.startswith(b"PAR1") else open_csv(source)
    except RecordingError:
        return False
    return table is not None and is_saved(table.heads)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Give a file to write to that takes the other's place when it is whole, or leaves nothing behind."""
    for leftover in path.parent.glob(f"{glob.escape(path.name)}.*{ASIDE}"):
        leftover.unlink(missing_ok=True)  # of a process that was killed
    aside = path.with_name(f"{path.name}.{os.getpid()}{ASIDE}")
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        mends = {
            errno.ENOSPC: "Free some space, then run the same command again",
            errno.ENOENT: "Check the spelling of the path",
        }
        raise StorageError(
            f"Could not write the file: {os.strerror(error.errno) if error.errno else error}",
            str(path),
            mends.get(error.errno or 0, "Choose a folder that you may write to"),
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink()
