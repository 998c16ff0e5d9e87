"""The acts that a deployment is made of, each of which may be the last before a plug is pulled.

A plan is a list of steps, performed one after the other. After any of them, every file that a board
runs or imports is entirely old or entirely new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from ...errors import StorageError
from .disks import Disk, sha256


class Step(Protocol):
    """One act, `verb`, on the file or folder of a name on a disk."""

    verb: ClassVar[str]

    @property
    def disk(self) -> Disk: ...

    @property
    def name(self) -> str: ...

    def perform(self) -> None:
        """Do it, and wait until it is done."""


@dataclass(frozen=True)
class MakeFolder:
    """Make a folder; the one above it is there."""

    verb: ClassVar[str] = "make"
    disk: Disk
    name: str

    def perform(self) -> None:
        self.disk.make_folder(self.name)


@dataclass(frozen=True)
class Write:
    """Write a file that no board runs."""

    verb: ClassVar[str] = "write"
    disk: Disk
    name: str
    content: bytes = field(repr=False)

    def perform(self) -> None:
        self.disk.write(self.name, self.content)


@dataclass(frozen=True)
class Check:
    """Read a file back, and compare its SHA-256."""

    verb: ClassVar[str] = "read back"
    disk: Disk
    name: str
    content: bytes = field(repr=False)

    def perform(self) -> None:
        found = self.disk.read(self.name)
        if found != self.content:
            what = "nothing" if found is None else f"SHA-256 {sha256(found)[:16]}…"
            raise StorageError(
                f"What was read back from {self.name} is not what was written: {what}, "
                f"not SHA-256 {sha256(self.content)[:16]}…",
                self.disk.place,
                "Copy the board's files to the PC, for its memory may be failing",
            )


@dataclass(frozen=True)
class Rename:
    """Give a file its place, where another may stand: at one moment the old one, at the next the new one."""

    verb: ClassVar[str] = "put"
    disk: Disk
    aside: str
    name: str

    def perform(self) -> None:
        self.disk.rename(self.aside, self.name)


@dataclass(frozen=True)
class Remove:
    """Remove a file, or an empty folder."""

    verb: ClassVar[str] = "remove"
    disk: Disk
    name: str

    def perform(self) -> None:
        self.disk.remove(self.name)
