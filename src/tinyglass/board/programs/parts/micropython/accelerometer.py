"""The kit's accelerometer: three axes."""

from lsm6ds import axes

SENSOR = "accelerometer"
CHANNELS = ("ax", "ay", "az")
UNITS = ("m/s²", "m/s²", "m/s²")


def read():
    return axes(0x28)
