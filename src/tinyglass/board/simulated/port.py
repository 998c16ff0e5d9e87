"""The host's end of the board: a pseudo-terminal that is there while the cable is in."""

from __future__ import annotations

import os
import re
import select
import tty
from contextlib import suppress

ENOUGH = 2**16  # bytes that may wait on either way


class Port:
    """A port that passes every byte, and what waits to go through it.

    Attributes
    ----------
    descriptor : int or None, without a cable
    is_open : bool, whether a program on the PC has the port open
    arrived : bytes, from the PC, not yet taken
    printed : bytes, for the PC
    """

    def __init__(self) -> None:
        self.descriptor: int | None = None
        self.is_open = False
        self.arrived = self.printed = b""
        self._ends_with_return = False

    def plug(self) -> str:
        """Make the terminal, and return its path."""
        self.descriptor, terminal = os.openpty()
        tty.setraw(terminal)
        path = os.ttyname(terminal)
        os.close(terminal)
        os.set_blocking(self.descriptor, False)
        self.arrived = self.printed = b""
        return path

    def unplug(self) -> None:
        """Hang up."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor, self.is_open = None, False

    def register(self, poll: select.poll) -> None:
        """Let a poll wait for the PC, if it listens: a port that nobody has open hangs up all the time."""
        if self.descriptor is not None and self.is_open:
            wanted = select.POLLOUT if self.printed else 0
            poll.register(self.descriptor, wanted | (0 if len(self.arrived) >= ENOUGH else select.POLLIN))

    def read(self) -> None:
        """Take what the PC has sent."""
        if self.descriptor is None:
            return
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        events = dict(poll.poll(0)).get(self.descriptor, 0)
        self.is_open = not events & select.POLLHUP
        if events & select.POLLIN and len(self.arrived) < ENOUGH:
            with suppress(OSError):
                self.arrived += os.read(self.descriptor, 4096)

    def write(self) -> None:
        """Give the PC what was printed; what a board prints while nobody listens is lost."""
        if self.descriptor is None or not self.is_open:
            self.printed = b""
        elif self.printed:
            try:
                self.printed = self.printed[os.write(self.descriptor, self.printed) :]
            except BlockingIOError:
                pass
            except OSError:  # closed since we looked
                self.printed = b""

    def print(self, text: str | bytes) -> None:
        """Print the text as a board does, which ends lines with \\r\\n."""
        content = text.encode() if isinstance(text, str) else text
        if not content:
            return
        kept = 1 if self._ends_with_return and content.startswith(b"\n") else 0
        self._ends_with_return = content.endswith(b"\r")
        self.printed += content[:kept] + re.sub(rb"(?<!\r)\n", b"\r\n", content[kept:])
