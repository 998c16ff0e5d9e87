"""Lines as they come over the wire, every byte of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import TinyglassError

if TYPE_CHECKING:
    import serial

LONGEST_LINE = 4096  # bytes; what is longer is no line of readings, and comes in pieces
MOST_AT_ONCE = 2**16  # bytes


class UnpluggedError(TinyglassError, OSError):
    """The board is gone in the midst of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or a piece of one that has no end.

    Attributes
    ----------
    raw : bytes, with the line's end; those of all lines together are what came over the wire
    at : float, when its last byte arrived, in seconds of `time.monotonic`
    whole : bool, False for a piece of a line that is too long, and for one that was cut off
    """

    raw: bytes
    at: float = 0.0
    whole: bool = True

    @property
    def text(self) -> str | None:
        """The line without its end; None if it is no UTF-8."""
        try:
            return self.raw.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            return None


class Cutter:
    """Cuts bytes into lines.

    Examples
    --------
    >>> cutter = Cutter()
    >>> [line.raw for line in cutter.add(b"0.1,0.2\\r\\n0.", at=0.0)], cutter.rest(at=0.1).raw
    ([b'0.1,0.2\\r\\n'], b'0.')
    """

    def __init__(self) -> None:
        self._begun = b""
        self._too_long = False

    def add(self, received: bytes, at: float) -> list[Line]:
        """Return the lines that end in these bytes, and what is too long to be one."""
        *ended, self._begun = (self._begun + received).split(b"\n")
        lines = []
        for raw in ended:
            lines += self._pieces(raw + b"\n", at)
            self._too_long = False
        while len(self._begun) > LONGEST_LINE:
            lines.append(Line(self._begun[:LONGEST_LINE], at, whole=False))
            self._begun, self._too_long = self._begun[LONGEST_LINE:], True
        return lines

    def rest(self, at: float) -> Line | None:
        """Return what came of a line that has not ended, and forget it."""
        begun, self._begun, self._too_long = self._begun, b"", False
        return Line(begun, at, whole=False) if begun else None

    def _pieces(self, raw: bytes, at: float) -> list[Line]:
        whole = len(raw) <= LONGEST_LINE and not self._too_long
        return [Line(raw[i : i + LONGEST_LINE], at, whole) for i in range(0, len(raw), LONGEST_LINE)]


class Wire:
    """A serial port, by lines.

    Parameters
    ----------
    port : serial.Serial, open
    """

    def __init__(self, port: serial.Serial) -> None:
        self.port = port
        self._cutter = Cutter()

    @property
    def name(self) -> str:
        return str(self.port.port)

    def lines(self, seconds: float) -> list[Line]:
        """Return the lines that have come; wait up to so many seconds for the first bytes.

        Raises
        ------
        UnpluggedError
            If the board is gone. What it had begun to say is in `rest`.
        """
        import termios

        try:
            if self.port.timeout != seconds:
                self.port.timeout = seconds
            received = self.port.read(1)
            if received and (more := self.port.in_waiting):
                received += self.port.read(min(more, MOST_AT_ONCE))
        except (OSError, termios.error) as error:
            raise self._unplugged(error) from error
        return self._cutter.add(received, time.monotonic())

    def rest(self) -> Line | None:
        """Return what came of a line that has not ended, and forget it."""
        return self._cutter.rest(time.monotonic())

    def send(self, text: str) -> None:
        """Send a line to the board, ended as a terminal ends it.

        Raises
        ------
        UnpluggedError
            If the board is gone, or takes nothing in.
        """
        try:
            self.port.write(f"{text}\r\n".encode())
        except OSError as error:
            raise self._unplugged(error) from error

    def close(self) -> None:
        """Give the port free."""
        self.port.close()

    def _unplugged(self, error: Exception) -> UnpluggedError:
        from serial import SerialTimeoutException

        if isinstance(error, SerialTimeoutException):
            return UnpluggedError(
                "The board takes nothing in", self.name, "Press its reset button, or plug it in again"
            )
        return UnpluggedError(
            "The board was unplugged, or its port stopped working",
            self.name,
            "Plug it in again, and repeat the command",
        )
