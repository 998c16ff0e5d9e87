"""What a recording session shows to the person before it, and what it asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...recordings import Recording
from ..takes import Row, Take


@dataclass(frozen=True)
class Prompt:
    """What comes next, and what the person may do about it.

    Attributes
    ----------
    label : str or None, what is recorded next; None when all is recorded
    number, count : int, which recording of how many
    asks : bool, whether Enter starts it
    button : bool, whether a button on the board does
    can_undo, can_skip : bool, whether there is a last recording, or a next label
    """

    label: str | None
    number: int
    count: int
    asks: bool
    button: bool
    can_undo: bool
    can_skip: bool


class Guide(Protocol):
    """Shows how the recording goes, and asks for the next step."""

    @property
    def interactive(self) -> bool:
        """Whether there is somebody to ask."""

    def tell(self, text: str) -> None:
        """Show a sentence that stays."""

    def ask(self, prompt: Prompt) -> None:
        """Show what the person may do; `key` gives the answer."""

    def key(self) -> str | None:
        """Return ``next``, ``redo``, ``undo``, ``label`` or ``quit`` if that was typed; never wait."""

    def count_down(self, prompt: Prompt, seconds: int) -> None:
        """Show that so many seconds are left."""

    def idle(self, row: Row, channels: Sequence[str]) -> None:
        """Show a reading that belongs to no recording."""

    def progress(self, prompt: Prompt, take: Take) -> None:
        """Show a recording in the making."""

    def kept(self, prompt: Prompt, recording: Recording, path: Path) -> None:
        """Show a recording that is on the disk."""

    def undone(self, path: Path, aside: Path) -> None:
        """Show that a recording is not in its place any more, and where it is now."""


class Silence:
    """A guide for nobody: recordings follow each other without a word."""

    interactive = False

    def tell(self, text: str) -> None: ...

    def ask(self, prompt: Prompt) -> None: ...

    def key(self) -> str | None:
        return None

    def count_down(self, prompt: Prompt, seconds: int) -> None: ...

    def idle(self, row: Row, channels: Sequence[str]) -> None: ...

    def progress(self, prompt: Prompt, take: Take) -> None: ...

    def kept(self, prompt: Prompt, recording: Recording, path: Path) -> None: ...

    def undone(self, path: Path, aside: Path) -> None: ...
