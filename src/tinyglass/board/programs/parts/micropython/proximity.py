"""The kit's proximity sensor, an APDS-9930: 0 to 127.875, larger is closer."""

import time

from bus import i2c

SENSOR = "proximity"
CHANNELS = ("distance",)
UNITS = ("",)

APDS9930 = 0x39
COMMAND = 0xA0  # with every register: go on to the next one by yourself
SETTINGS = (
    (0x00, 0x00),  # off while it is set
    (0x01, 0xFF),  # 2.73 ms for light
    (0x02, 0xFF),  # 2.73 ms for proximity
    (0x03, 0xFF),  # 2.73 ms for waiting
    (0x0E, 8),  # pulses of light
    (0x0F, 0x2C),  # 100 mA, infrared diode, proximity 8 times amplified
    (0x00, 0x07),  # on, with light and proximity
)

for register, value in SETTINGS:
    i2c.writeto_mem(APDS9930, COMMAND | register, bytes([value]))
time.sleep_ms(12)


def read():
    data = i2c.readfrom_mem(APDS9930, COMMAND | 0x18, 2)
    return ((data[0] + 256 * data[1]) / 8,)  # as the kit's driver gives it: before amplification
