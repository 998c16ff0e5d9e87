"""Stand-in: the kit's buttons and its LED."""

from simulated_world import world


class Direction:
    INPUT = "INPUT"
    OUTPUT = "OUTPUT"


class Pull:
    UP = "UP"
    DOWN = "DOWN"


class DriveMode:
    PUSH_PULL = "PUSH_PULL"
    OPEN_DRAIN = "OPEN_DRAIN"


class DigitalInOut:
    def __init__(self, pin):
        if pin not in ("BUTTON1", "BUTTON2", "LED"):
            raise ValueError("the simulated kit has no such pin")
        self.pin = pin
        self.direction = Direction.INPUT
        self.pull = None
        self._value = False

    def switch_to_input(self, pull=None):
        self.direction, self.pull = Direction.INPUT, pull

    def switch_to_output(self, value=False, drive_mode=DriveMode.PUSH_PULL):
        self.direction = Direction.OUTPUT
        self.value = value

    def deinit(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    @property
    def value(self):
        if self.direction == Direction.OUTPUT:
            return self._value
        if self.pull != Pull.UP:
            return False  # an open switch that nothing pulls up
        return not (self.pin != "LED" and world.is_pressed(int(self.pin[-1])))

    @value.setter
    def value(self, value):
        if self.direction != Direction.OUTPUT:
            raise AttributeError("Cannot set value when direction is input.")
        self._value = bool(value)
        if self.pin == "LED":
            world.light(self._value)
