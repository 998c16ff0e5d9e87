"""Parquet, by groups of rows, decoded by another process (`parquet_decoder`)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from select import select
from threading import Lock
from typing import Any

import msgspec
import numpy as np

from ...errors import RecordingError
from ..source import Source
from .table import MOST_NUMBERS, SAMPLE, Batch, Table

DECODER = Path(__file__).with_name("parquet_decoder.py")
LONGEST_WAIT = 120  # seconds for the next rows
MEND = "Copy the file again, or write it again with the tool that made it"


@dataclass(frozen=True, eq=False)
class ParquetTable(Table):
    """A Parquet file, or one with a list of readings in each row, which is unrolled."""

    n_rows: int
    place = "row"

    def batches(self, numbers: Collection[int], texts: Collection[int], exact: bool) -> Iterator[Batch]:
        import polars as pl

        row = 0
        request = {"numbers": sorted(numbers), "texts": sorted(set(texts) - set(numbers)), "exact": exact}
        for kind, content in _answers(self.source, request):
            assert kind == b"F"
            frame = pl.read_ipc_stream(BytesIO(content))
            places = np.arange(row + 1, row + frame.height + 1)
            row += frame.height
            yield Batch(frame, places, min(1.0, row / (self.n_rows or 1)))
        if row != self.n_rows:  # a panic in a thread of polars ends the rows early, and says nothing
            raise RecordingError(f"Expected {self.n_rows:,} rows, found {row:,}", self.source.name, MEND)


def open_parquet(source: Source) -> ParquetTable:
    """Return the table in a Parquet file.

    Raises
    ------
    RecordingError
        If it is damaged, or holds more rows than are read.
    """
    request = {"most_rows": MOST_NUMBERS, "n_sample": SAMPLE}
    about: dict[str, Any] = {}
    for _, content in _answers(source, request):
        about |= msgspec.json.decode(content)
    if about["n_rows"] > MOST_NUMBERS:
        raise RecordingError(
            f"The table says that it has {about['n_rows']:,} rows; at most {MOST_NUMBERS:,} numbers are read",
            source.name,
            "Split the file",
        )
    return ParquetTable(source, about["heads"], about["sample"], about["kinds"], about["n_rows"])


def _answers(source: Source, request: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    with _on_disk(source) as path:
        for kind, content in _decoder(request | {"path": path}):
            if kind == b"E":
                raise RecordingError(
                    f"The file is damaged ({content.decode(errors='replace')})", source.name, MEND
                )
            yield kind, content


@contextmanager
def _on_disk(source: Source) -> Iterator[str]:
    if source.file is not None:
        yield os.path.abspath(source.file)
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(source.content)
        file.flush()
        yield file.name


class _Decoder:
    """The other process: started when it is needed, and again when a file has ended it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.owner = 0

    def __call__(self, request: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the messages of the answer, without the end."""
        with self.lock:
            process = self._running()
            done = False
            try:
                assert process.stdin is not None
                process.stdin.write(msgspec.json.encode(request) + b"\n")
                while not done:
                    head = self._exactly(process, 9)
                    content = self._exactly(process, int.from_bytes(head[1:], "little"))
                    done = head[:1] in b".E"
                    if head[:1] != b".":
                        yield head[:1], content
            except (BrokenPipeError, EOFError, TimeoutError):
                yield b"E", b"nothing can decode it"
            finally:
                if not done:
                    self._end(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None or self.owner != os.getpid():
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(DECODER)],  # -P: what lies beside it is no library
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # where polars tells of its panics
                bufsize=0,
            )
            self.owner = os.getpid()
            weakref.finalize(self, self._end_own, self.process, self.owner)
        return self.process

    @classmethod
    def _end_own(cls, process: subprocess.Popen[bytes], owner: int) -> None:
        if owner == os.getpid():  # and not one that was forked from it
            cls._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()

    @staticmethod
    def _exactly(process: subprocess.Popen[bytes], n_bytes: int) -> bytes:
        assert process.stdout is not None
        parts = []
        while n_bytes:
            if not select([process.stdout], [], [], LONGEST_WAIT)[0]:
                raise TimeoutError
            part = process.stdout.read(min(n_bytes, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)


_decoder = _Decoder()
