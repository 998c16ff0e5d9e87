"""The kit's accelerometer: three axes."""

import board
from adafruit_lsm6ds.lsm6ds3trc import LSM6DS3TRC

SENSOR = "accelerometer"
CHANNELS = ("ax", "ay", "az")
UNITS = ("m/s²", "m/s²", "m/s²")

lsm6ds3trc = LSM6DS3TRC(board.I2C(), address=0x6B)


def read():
    return lsm6ds3trc.acceleration
