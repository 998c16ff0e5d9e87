"""Stand-in: the clock of CircuitPython, and whether the PC has sent something."""

import select
import sys
import time

_poll = select.poll()
_poll.register(sys.stdin, select.POLLIN)
_FIRST = 2**29 - 65536  # as on a board: the clock starts anew 65 s after the start


def _ms():
    return time.ticks_ms() if hasattr(time, "ticks_ms") else int(time.monotonic() * 1000)


def ticks_ms():
    return (_ms() - _start + _FIRST) % 2**29


class _Runtime:
    @property
    def serial_bytes_available(self):
        return bool(_poll.poll(0))

    @property
    def serial_connected(self):
        return True

    @property
    def usb_connected(self):
        return True


runtime = _Runtime()
_start = _ms()
