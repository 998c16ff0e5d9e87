"""The kit's accelerometer and gyroscope."""

from lsm6ds import axes

SENSOR = "motion"
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
UNITS = ("m/s²", "m/s²", "m/s²", "rad/s", "rad/s", "rad/s")


def read():
    return axes(0x28) + axes(0x22)
