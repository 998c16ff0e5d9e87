"""The kit's gyroscope: how fast it turns around three axes."""

import board
from adafruit_lsm6ds.lsm6ds3trc import LSM6DS3TRC

SENSOR = "gyroscope"
CHANNELS = ("gx", "gy", "gz")
UNITS = ("rad/s", "rad/s", "rad/s")

lsm6ds3trc = LSM6DS3TRC(board.I2C(), address=0x6B)


def read():
    return lsm6ds3trc.gyro
