"""Stand-in: what CircuitPython's time has, and nothing that only MicroPython's has."""

import time as _time
from time import gmtime, localtime, mktime, sleep, time, time_ns

__all__ = ["gmtime", "localtime", "mktime", "monotonic", "monotonic_ns", "sleep", "time", "time_ns"]

_start = _time.ticks_ms()
_start_ns = time_ns()


def monotonic():
    return _time.ticks_diff(_time.ticks_ms(), _start) / 1000


def monotonic_ns():
    return time_ns() - _start_ns
