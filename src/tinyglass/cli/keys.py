"""Single keys from the terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self


class Keys:
    """The keys that are typed while this is open; the terminal is as before afterwards.

    Parameters
    ----------
    names : what each character means
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.interactive = sys.stdin is not None and sys.stdin.isatty()
        self._typed = ""
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if self.interactive:
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def key(self) -> str | None:
        """Return the meaning of the next key that was typed; None if none was, or it means nothing."""
        if not self.interactive:
            return None
        if not self._typed and select.select([sys.stdin], [], [], 0)[0]:
            read = os.read(sys.stdin.fileno(), 64)
            if not read:  # the terminal has gone
                self.interactive = False
                raise KeyboardInterrupt
            self._typed = read.decode(errors="replace")
        if self._typed.startswith("\x1b"):
            self._typed = ""  # an arrow or another key of several characters
        typed, self._typed = self._typed[:1], self._typed[1:]
        return self.names.get(typed.lower())
