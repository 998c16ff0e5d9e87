"""Stand-in: sys, in which programs find that CircuitPython runs them."""

import sys as _sys
from collections import namedtuple

Implementation = namedtuple("Implementation", ("name", "version", "_machine", "_mpy"))


class System:
    implementation = Implementation("circuitpython", (8, 1, 0), "Simulated TinySpark with ESP32S3", 517)
    platform = "Espressif"

    def __getattr__(self, name):
        return getattr(_sys, name)


system = System()
