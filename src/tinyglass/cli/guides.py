"""What a recording session looks like in the terminal: live with a curve, or in plain lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import printable
from .curves import curve, drawing, draws, print_sentence
from .keys import Keys

if TYPE_CHECKING:
    from ..board.recording.guide import Guide, Prompt
    from ..board.takes import Row, Take
    from ..recordings import Recording

KEYS = {
    "\n": "next",
    "\r": "next",
    " ": "next",
    "r": "redo",
    "u": "undo",
    "n": "label",
    "q": "quit",
    "\x04": "quit",
}
FRAME = 1 / 15  # seconds between pictures
SHOWN_IDLE = 200  # readings
SPARK = 16  # characters of the small curve of a recording that is kept


@contextmanager
def guide_for(plain: bool) -> Iterator[Guide]:
    """Give the guide for this terminal.

    Parameters
    ----------
    plain : bool, whether plain lines are asked for
    """
    with Keys(KEYS) as keys:
        if plain or not draws():
            yield PlainGuide(keys)
            return
        guide = LiveGuide(keys)
        with guide.live:
            yield guide


def keys_in_words(prompt: Prompt) -> list[tuple[str, str]]:
    """Return the keys that mean something now, and what."""
    words = []
    if prompt.label is None:
        words.append(("Enter", "finish"))
    elif prompt.asks:
        words.append(("Enter", "record"))
    if prompt.button and prompt.label is not None:
        words.append(("button 1", "too" if prompt.asks else "record"))
    if prompt.can_undo:
        words += [("r", "redo"), ("u", "undo")]
    if prompt.can_skip:
        words.append(("n", "next label"))
    return [*words, ("q", "quit")]


def title_of(prompt: Prompt) -> str:
    """Return which recording of how many this is."""
    if prompt.label is None:
        return "everything is recorded"
    return printable(f"{prompt.label or '(no label)'}: {prompt.number} of {prompt.count}")


def kept_in_words(prompt: Prompt, recording: Recording, path: Path) -> str:
    """Return a sentence about a recording that is on the disk."""
    n = recording.n_readings
    rate = f" at {recording.rate_hz:g} Hz" if recording.rate_hz and n > 1 else ""
    return printable(f"{title_of(prompt)}, {n} reading{'s' * (n > 1)}{rate}, in {path}")


def undone_in_words(path: Path, aside: Path) -> str:
    """Return a sentence about a recording that was undone."""
    return f"Undone: {path} lies in {aside} now."


class PlainGuide:
    """Lines of text, for pipes, small terminals and readers of screens."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._asked: Prompt | None = None

    @property
    def interactive(self) -> bool:
        return self.keys.interactive

    def tell(self, text: str) -> None:
        print(printable(text), flush=True)

    def ask(self, prompt: Prompt) -> None:
        if self.interactive:
            self.tell(
                f"{title_of(prompt)}. "
                + ", ".join(f"{key} = {words}" for key, words in keys_in_words(prompt))
            )
        elif not prompt.asks:
            self.tell(f"{title_of(prompt)}. Press button 1 on the board.")

    def key(self) -> str | None:
        return self.keys.key()

    def count_down(self, prompt: Prompt, seconds: int) -> None:
        self.tell(f"{title_of(prompt)} in {seconds} …")

    def idle(self, row: Row, channels: Sequence[str]) -> None:
        pass

    def progress(self, prompt: Prompt, take: Take) -> None:
        if self._asked != prompt and not take.done:
            self._asked = prompt
            self.tell(f"{title_of(prompt)}: go")

    def kept(self, prompt: Prompt, recording: Recording, path: Path) -> None:
        self._asked = None
        self.tell(kept_in_words(prompt, recording, path))

    def undone(self, path: Path, aside: Path) -> None:
        self.tell(undone_in_words(path, aside))


class LiveGuide:
    """A panel at the foot of the terminal, with the curve; what is done scrolls away above it."""

    def __init__(self, keys: Keys) -> None:
        from rich.console import Console
        from rich.live import Live

        self.keys = keys
        self.console = Console(highlight=False, markup=False, emoji=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self._idle: deque[Row] = deque(maxlen=SHOWN_IDLE)
        self._last: Recording | None = None
        self._prompt: Prompt | None = None
        self._drawn = 0.0

    @property
    def interactive(self) -> bool:
        return self.keys.interactive

    def tell(self, text: str) -> None:
        print_sentence(self.console, text)

    def key(self) -> str | None:
        return self.keys.key()

    def ask(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._idle.clear()
        self._draw_prompt()

    def idle(self, row: Row, channels: Sequence[str]) -> None:
        self._idle.append(row)
        if self._prompt is not None and time.monotonic() - self._drawn > FRAME:
            self._draw_prompt(channels)

    def _draw_prompt(self, channels: Sequence[str] = ()) -> None:
        from rich.text import Text

        assert self._prompt is not None
        status = Text()
        rows: Sequence[Sequence[float]] = ()
        if self._last is not None:
            channels, rows = self._last.channels, self._last.signal.tolist()
            status.append(printable(f"the last recording, {self._last.label}"), "dim")
        elif self._idle:
            rows = list(self._idle)
            status.append("what the board sends now", "dim")
        else:
            status.append(
                "press Enter, and move when it says recording"
                if self._prompt.asks
                else "press button 1 on the board, and move when its light is on",
                "dim",
            )
        self._draw(self._prompt, rows, channels, status, asking=True)

    def count_down(self, prompt: Prompt, seconds: int) -> None:
        from rich.text import Text

        self._prompt = None
        self._draw(prompt, (), (), Text(f"get ready: {seconds}", "bold yellow"))

    def progress(self, prompt: Prompt, take: Take) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        self._prompt = None
        if not take.done and time.monotonic() - self._drawn < FRAME:
            return
        words = (
            f"recording  {len(take.rows)} of {take.wanted}" if take.wanted else f"recording  {len(take.rows)}"
        )
        if not getattr(take, "triggered", True):
            words = "waiting for a movement"
        status = Table.grid(padding=(0, 2))
        bar = ProgressBar(
            total=take.wanted or None, completed=len(take.rows), width=30, pulse=not take.wanted
        )
        status.add_row(Text(f"● {words}", "bold red"), bar)
        share = min(1.0, len(take.rows) / take.wanted) if take.wanted else 1.0
        self._draw(prompt, take.rows, take.form.channels, status, share)

    def kept(self, prompt: Prompt, recording: Recording, path: Path) -> None:
        from rich.text import Text

        self._last = recording
        n_channels = min(len(recording.channels), 3)
        spark = " ".join(
            curve(recording.signal[:, i].tolist(), SPARK // n_channels, 1)[0] for i in range(n_channels)
        )
        line = Text("✓ ", "green").append(f"{spark} ", "cyan")
        self.console.print(line.append(kept_in_words(prompt, recording, path), "default"), soft_wrap=True)

    def undone(self, path: Path, aside: Path) -> None:
        self._last = None
        self.tell(undone_in_words(path, aside))

    def _draw(
        self,
        prompt: Prompt,
        rows: Sequence[Sequence[float]],
        channels: Sequence[str],
        status: Any,
        share: float = 1.0,
        asking: bool = False,
    ) -> None:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        keys = Text()
        for key, words in keys_in_words(prompt) if asking else [("q", "quit")]:
            keys.append(f" {key}", "bold").append(f" {words} ", "dim")
        curves = (
            drawing(rows, channels, self.console.width - 4, self.console.height - 8, share)
            if channels
            else Text()
        )
        panel = Panel(
            Group(curves, status),
            title=Text(f" {title_of(prompt)} ", "bold"),
            title_align="left",
            subtitle=keys,
            subtitle_align="left",
        )
        self.live.update(panel, refresh=True)
        self._drawn = time.monotonic()
