"""Stand-in: the kit's pins and the registers of its sensors, for MicroPython."""

import math
import struct

from simulated_world import GRAVITY, world

APDS9930, LSM6DS3TRC = 0x39, 0x6B
LED = 2  # as in the programs' parts for the kit
BUTTONS = {0: 1, 14: 2}


class Pin:
    IN, OUT = 0, 1
    PULL_UP = 1

    def __init__(self, number, mode=None, pull=None):
        self.number, self.mode, self.pull = number, mode, pull
        self.state = 0

    def value(self, *value):
        if value:
            self.state = int(bool(value[0]))
            if self.number == LED:
                world.light(bool(self.state))
            return None
        if self.mode == Pin.OUT:
            return self.state
        if self.pull != Pin.PULL_UP:
            return 0  # an open switch that nothing pulls up
        return int(not (self.number in BUTTONS and world.is_pressed(BUTTONS[self.number])))


class I2C:
    """Two sensors, each with the registers that its data sheet names, as far as the programs use them."""

    def __init__(self, number, *, sda=None, scl=None, freq=400000):
        self.registers = {APDS9930: {0x12: 0x39}, LSM6DS3TRC: {0x0F: 0x6A}}

    def scan(self):
        return sorted(self.registers)

    def writeto_mem(self, address, register, data):
        registers = self._of(address)
        for place, value in enumerate(data):
            registers[self._plain(address, register) + place] = value

    def readfrom_mem(self, address, register, size):
        registers = self._of(address)
        first = self._plain(address, register)
        self._sense(address, registers, first)
        return bytes([registers.get(first + place, 0) for place in range(size)])

    def _of(self, address):
        if address not in self.registers:
            raise OSError(19)  # ENODEV, as a bus says on which nobody answers
        return self.registers[address]

    def _plain(self, address, register):
        return register & 0x1F if address == APDS9930 else register

    def _sense(self, address, registers, first):
        """Put what is sensed now into the data registers, if the sensor was switched on."""
        if address == APDS9930 and first == 0x18 and registers.get(0, 0) & 0x05 == 0x05:
            gain = 1 << (registers.get(0x0F, 0) >> 2 & 3)
            count = min(int(world.sense("proximity")[0] * gain + 0.5), 1023)
            registers[0x18], registers[0x19] = count & 255, count >> 8
        elif first == 0x28 and registers.get(0x10, 0) & 0xF0:
            g = {0: 2, 1: 16, 2: 4, 3: 8}[registers[0x10] >> 2 & 3]
            self._store(
                registers, 0x28, [a / GRAVITY * 1000 / (0.061 * g / 2) for a in world.sense("acceleration")]
            )
        elif first == 0x22 and registers.get(0x11, 0) & 0xF0:
            speed = {0: 8.75, 1: 17.5, 2: 35.0, 3: 70.0}[registers[0x11] >> 2 & 3]
            self._store(registers, 0x22, [math.degrees(w) * 1000 / speed for w in world.sense("gyro")])

    def _store(self, registers, first, counts):
        counts = [max(min(round(count), 32767), -32768) for count in counts]
        for place, value in enumerate(struct.pack("<hhh", *counts)):
            registers[first + place] = value
