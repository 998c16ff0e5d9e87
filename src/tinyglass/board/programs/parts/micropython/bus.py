"""The wires to the kit's sensors."""

from machine import I2C, Pin

# The numbers of the pins: check them on your board, they are not known for the kit.
SDA = 8
SCL = 9

i2c = I2C(0, sda=Pin(SDA), scl=Pin(SCL), freq=400000)
