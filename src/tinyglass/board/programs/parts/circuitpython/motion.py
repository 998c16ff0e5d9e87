"""The kit's accelerometer and gyroscope."""

import board
from adafruit_lsm6ds.lsm6ds3trc import LSM6DS3TRC

SENSOR = "motion"
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
UNITS = ("m/s²", "m/s²", "m/s²", "rad/s", "rad/s", "rad/s")

lsm6ds3trc = LSM6DS3TRC(board.I2C(), address=0x6B)


def read():
    return lsm6ds3trc.acceleration + lsm6ds3trc.gyro
