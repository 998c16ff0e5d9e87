"""A file to read, wherever it lies, and the account that its reader keeps of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..errors import RecordingError, StorageError
from .recording import Dropped, Repair

LARGEST_IN_MEMORY = 2**30  # bytes; a reader that streams has no such limit
LONGEST_LINE = 2**20  # characters
HEAD = 2**16  # bytes by which a format is recognised
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # its marks


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a file's recordings from its place, its name, or a file that describes it.

    What stands inside the data goes before it.
    """

    label: str | None = None
    person: str | None = None
    session: str | None = None
    device: str | None = None
    split: str | None = None


@dataclass(eq=False)
class Source:
    """A file on disk, or in an archive.

    Attributes
    ----------
    name : str, for messages: ``data/wave.csv``, or ``export.zip: training/wave.json``
    path : PurePosixPath, below the folder or archive that the user named; for a single file, its name
    size : int, bytes
    fetch : function without arguments, that returns all bytes
    file : Path, where it lies on disk by itself; None in an archive
    about : About
    says_all : bool, whether the data says all that is known: an empty label in it is a label
    progress : function of the share of the file that is read, 0 to 1
    """

    name: str
    path: PurePosixPath
    size: int
    fetch: Callable[[], bytes]
    file: Path | None = None
    about: About = About()
    says_all: bool = False
    progress: Callable[[float], object] = lambda share: None
    _repairs: dict[str, list[int | None]] = field(default_factory=dict)
    _dropped: dict[str, list[tuple[int | None, int]]] = field(default_factory=dict)

    @cached_property
    def content(self) -> bytes:
        """All bytes. Refused if there are too many for the memory."""
        if self.size > LARGEST_IN_MEMORY:
            raise RecordingError(
                f"The file has {self.size:,} bytes; at most {LARGEST_IN_MEMORY:,} of this format are read",
                self.name,
                "Split the file",
            )
        return self.fetch()

    @cached_property
    def head(self) -> bytes:
        """The first bytes, by which a format is recognised."""
        if "content" in self.__dict__ or self.file is None:
            return self.content[:HEAD]
        with self.open() as stream:
            return stream.read(HEAD)

    @cached_property
    def head_text(self) -> str:
        """The head as text, without a character that is cut at its end."""
        return decode(self.head, may_be_cut=len(self.head) == HEAD)

    @cached_property
    def text(self) -> str:
        """The content as text: UTF-8, UTF-16 with its mark (as Windows writes it), or Latin-1."""
        return decode(self.content)

    @cached_property
    def lines(self) -> list[str]:
        """The text between line ends; other separators of Unicode are part of the text.

        Raises
        ------
        RecordingError
            If a line has more than `LONGEST_LINE` characters.
        """
        lines = re.split(r"\r\n|\r|\n", self.text)
        for number, line in enumerate(lines, 1):
            if len(line) > LONGEST_LINE:
                raise RecordingError(
                    f"The line has {len(line):,} characters; at most {LONGEST_LINE:,} are read",
                    self.at(number),
                    "Check that this is a table of readings",
                )
        return lines[:-1] if lines[-1] == "" else lines

    @property
    def is_text(self) -> bool:
        """Whether the head is text: no zero bytes, except in UTF-16."""
        return self.head.startswith(UTF_16) or b"\0" not in self.head

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the content as a binary stream, without holding it all in memory where it lies on disk."""
        if self.file is None or "content" in self.__dict__:
            yield BytesIO(self.content)
            return
        try:
            with self.file.open("rb") as stream:
                yield stream
        except OSError as error:
            raise StorageError(
                f"Could not read the file: {error.strerror}",
                self.name,
                "Check that it exists and may be read",
            ) from error

    def release(self) -> None:
        """Drop what was read of the file; it is read again where it is asked for."""
        for kept in ("head", "head_text", "content", "text", "lines"):
            self.__dict__.pop(kept, None)

    def at(self, line: int | None) -> str:
        """Return the place of a line, for a message."""
        return self.name if line is None else f"{self.name}, line {line}"

    # -- the account

    def repaired(self, what: str, line: int | None = None) -> None:
        """Note a quirk that was read all the same; `what` is the same text each time it occurs."""
        self._repairs.setdefault(what, []).append(line)

    def dropped(self, why: str, n_readings: int, line: int | None = None) -> None:
        """Note readings that are in no recording; `why` is the same text each time it occurs."""
        self._dropped.setdefault(why, []).append((line, n_readings))

    def forget(self) -> None:
        """Empty the account, as the next reader tries."""
        self._repairs.clear()
        self._dropped.clear()

    def account(self) -> tuple[list[Repair], list[Dropped]]:
        """Return what was noted, one entry a kind."""
        repairs = [Repair(self.at(lines[0]), what, len(lines)) for what, lines in self._repairs.items()]
        dropped = [
            Dropped(self.at(places[0][0]), why, sum(n for _, n in places))
            for why, places in self._dropped.items()
        ]
        return repairs, dropped


def decode(content: bytes, may_be_cut: bool = False) -> str:
    """Return bytes as text: UTF-8, UTF-16 with its mark, or Latin-1, which takes everything.

    Examples
    --------
    >>> decode(b"\\xc2\\xb0/s"), decode(b"\\xb0/s"), decode(b"g \\xc2", may_be_cut=True)
    ('°/s', '°/s', 'g ')
    """
    if content.startswith(UTF_16):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if may_be_cut and error.reason == "unexpected end of data":
            return content[: error.start].decode("utf-8-sig")
        return content.decode("latin-1")
