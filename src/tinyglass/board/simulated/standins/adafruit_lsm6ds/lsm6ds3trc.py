"""Stand-in: the kit's accelerometer and gyroscope."""

from simulated_world import world


class LSM6DS3TRC:
    def __init__(self, i2c_bus, address=0x6A):
        if address != 0x6B:
            raise RuntimeError("Failed to find LSM6DS3TRC - check your wiring!")  # the kit's is at 0x6b

    @property
    def acceleration(self):
        return world.sense("acceleration")

    @property
    def gyro(self):
        return world.sense("gyro")
