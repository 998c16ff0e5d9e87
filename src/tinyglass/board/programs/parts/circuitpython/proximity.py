"""The kit's proximity sensor: 0 to 127.875, larger is closer."""

import board
from apds9930.apds9930 import APDS9930

SENSOR = "proximity"
CHANNELS = ("distance",)
UNITS = ("",)

apds9930 = APDS9930(board.I2C())


def read():
    return (apds9930.proximity,)
