"""Stand-in: the kit's proximity sensor."""

from simulated_world import world


class APDS9930:
    def __init__(self, i2c, address=0x39):
        pass

    @property
    def proximity(self):
        return world.sense("proximity")[0]
