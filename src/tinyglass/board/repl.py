"""A client of the raw REPL, by which CircuitPython and MicroPython run a program sent over the wire.

Ctrl-C stops the running program, Ctrl-A opens the raw REPL, Ctrl-D runs what was sent since. The
board answers ``OK``, what the program prints, Ctrl-D, its traceback if any, Ctrl-D, ``>``. Ctrl-B
goes back to the friendly REPL, where Ctrl-D runs code.py or main.py anew.
"""

from __future__ import annotations

import re
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Self

from ..errors import TinyglassError
from .wire import UnpluggedError

if TYPE_CHECKING:
    import serial

RAW, FRIENDLY, INTERRUPT, END = b"\x01", b"\x02", b"\x03", b"\x04"
BANNER = b"raw REPL; CTRL-B to exit\r\n>"
STATUS = re.compile(rb"\x1b\].*?(\x1b\\|\x07)", re.DOTALL)  # CircuitPython sets the terminal's title between
LOOK = 0.1  # seconds that one look at the wire takes
SILENCE = 0.5  # seconds given to a program that prints to fall silent after Ctrl-C
ANSWER = 1.0  # seconds given to the raw REPL to open, before all is tried again
PIECE = 128  # bytes sent at a time: boards behind a UART have small buffers, and no flow control
PAUSE = 0.005  # seconds between pieces
LARGEST_ANSWER = 2**18  # bytes
PRINTED_BEFORE = 2**13  # bytes of what a running program prints that are looked through for the banner


class RawRepl:
    """Run programs on a board, one after the other, and read what they print.

    Parameters
    ----------
    port : serial.Serial, open; its timeouts are set

    Examples
    --------
    >>> import serial
    >>> with RawRepl(serial.Serial("/dev/ttyACM0")) as board:  # doctest: +SKIP
    ...     board.run("print(6 * 7)", timeout=5)
    '42\\n'
    """

    def __init__(self, port: serial.Serial) -> None:
        self.port = port
        self._arrived = b""
        port.timeout, port.write_timeout = LOOK, 5.0

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # A board that is gone cannot be left; what went wrong before is what the user must read.
        with suppress(TinyglassError) if kind else nullcontext():
            self.leave()

    def enter(self, timeout: float = 10.0) -> None:
        """Stop what is running on the board, and open its raw REPL.

        A program that catches Ctrl-C once or twice is stopped too, and so is one that prints without
        end; a line half typed is dropped.

        Raises
        ------
        TinyglassError
            If the board does not answer.
        UnpluggedError
            If it is gone.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            # Ctrl-C drops a half-typed line, so that Enter does not run it; Enter is the key that
            # CircuitPython waits for when its program has ended.
            self._write(INTERRUPT + b"\r" + INTERRUPT)
            self._wait_for_silence()
            self._write(RAW)
            if self._read_to(BANNER, time.monotonic() + ANSWER, PRINTED_BEFORE) is not None:
                return
        raise TinyglassError(
            f"No raw REPL answered within {timeout:g} seconds",
            self._name,
            "Check that the board runs CircuitPython or MicroPython, press its reset button, and try again",
        )

    def run(self, code: str, timeout: float = 10.0) -> str:
        """Run a program on the board, and return what it printed.

        Parameters
        ----------
        code : str
        timeout : float, in seconds, for all of it

        Returns
        -------
        str, lines ended by a newline only

        Raises
        ------
        TinyglassError
            If the program fails (its traceback is a note on the error), does not end in time, or
            prints more than 256 KiB.
        UnpluggedError
            If the board is gone.
        """
        end = time.monotonic() + timeout
        source = code.encode()
        for start in range(0, len(source), PIECE):
            self._write(source[start : start + PIECE])
            time.sleep(PAUSE)
        self._write(END)
        parts = [self._read_to(mark, end, LARGEST_ANSWER) for mark in (b"OK", END, END, b">")]
        if None in parts:
            self._write(INTERRUPT)
            raise TinyglassError(
                f"The program on the board did not end within {timeout:g} seconds",
                self._name,
                "Press the board's reset button, and try again",
            )
        printed, failure = (_text(part) for part in parts[1:3])
        if failure.strip():
            raise self._failure(failure.strip())
        return printed

    def leave(self) -> None:
        """Go back to the friendly REPL; the board's program stays stopped."""
        self._write(b"\r" + INTERRUPT + FRIENDLY)

    def restart(self) -> None:
        """Go back to the friendly REPL, and let code.py or main.py run anew."""
        self.leave()
        self._wait_for_silence()
        self._write(END)

    # ------------------------------------------------------------ the wire

    @property
    def _name(self) -> str:
        return str(self.port.port or "the port")

    def _write(self, content: bytes) -> None:
        import termios

        try:
            self.port.write(content)
        except (OSError, termios.error) as error:
            raise self._unplugged(error) from error

    def _look(self) -> bytes:
        import termios

        try:
            return self.port.read(max(1, self.port.in_waiting))
        except (OSError, termios.error) as error:
            raise self._unplugged(error) from error

    def _wait_for_silence(self) -> None:
        end = time.monotonic() + SILENCE
        while self._look() and time.monotonic() < end:
            pass
        self._arrived = b""

    def _read_to(self, mark: bytes, end: float, largest: int) -> bytes | None:
        """Return what arrives before the mark; None if it does not in time.

        Raises
        ------
        TinyglassError
            If more than `largest` bytes of an answer arrive. Before the banner, the oldest are let go.
        """
        while mark not in self._arrived:
            if time.monotonic() > end:
                return None
            self._arrived += self._look()
            if len(self._arrived) > largest:
                if mark != BANNER:
                    self._write(INTERRUPT)
                    raise TinyglassError(
                        f"The program on the board printed more than {largest:,} bytes",
                        self._name,
                        "Press the board's reset button, and try again",
                    )
                self._arrived = self._arrived[-len(BANNER) :]
        found, _, self._arrived = self._arrived.partition(mark)
        return found

    def _failure(self, traceback: str) -> TinyglassError:
        last = traceback.splitlines()[-1]
        places = re.findall(r'File "(.*?)", line (\d+)', traceback)
        where = "".join(f", {name}, line {line}" for name, line in places[-1:] if name != "<stdin>")
        error = TinyglassError(
            f"The board's program stopped with {last}",
            f"{self._name}{where}",
            "Mend the program on the board, or put it there again",
        )
        error.add_note(f"On the board:\n{traceback}")
        return error

    def _unplugged(self, error: Exception) -> UnpluggedError:
        return UnpluggedError(
            f"The board's port stopped answering: {error}",
            self._name,
            "Plug the board in again, and repeat the command",
        )


def _text(answer: bytes | None) -> str:
    return STATUS.sub(b"", answer or b"").decode(errors="replace").replace("\r\n", "\n")
