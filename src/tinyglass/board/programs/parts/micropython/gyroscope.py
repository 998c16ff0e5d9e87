"""The kit's gyroscope: how fast it turns around three axes."""

from lsm6ds import axes

SENSOR = "gyroscope"
CHANNELS = ("gx", "gy", "gz")
UNITS = ("rad/s", "rad/s", "rad/s")


def read():
    return axes(0x22)
