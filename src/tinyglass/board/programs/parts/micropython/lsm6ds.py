"""The kit's LSM6DS3TR-C, an accelerometer and gyroscope."""

import struct

from bus import i2c

LSM6DS3TRC = 0x6B
GRAVITY = 9.80665  # m/s²
SETTINGS = (
    (0x12, 0x44),  # both bytes of a number are of the same moment; go on to the next register by yourself
    (0x10, 0x48),  # acceleration 104 times a second, up to 4 g
    (0x11, 0x40),  # turning 104 times a second, up to 250 °/s
)
PER_COUNT = {0x28: 0.000122 * GRAVITY, 0x22: 0.00875 * 3.14159265 / 180}  # in m/s², in rad/s

for register, value in SETTINGS:
    i2c.writeto_mem(LSM6DS3TRC, register, bytes([value]))


def axes(register):
    """Return x, y and z from the registers that begin here."""
    factor = PER_COUNT[register]
    return tuple(
        [factor * count for count in struct.unpack("<hhh", i2c.readfrom_mem(LSM6DS3TRC, register, 6))]
    )
