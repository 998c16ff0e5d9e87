"""The kit's pins, which the published stubs of CircuitPython cannot know."""

import busio
import microcontroller

BUTTON1: microcontroller.Pin
BUTTON2: microcontroller.Pin
LED: microcontroller.Pin

def I2C() -> busio.I2C: ...  # noqa: N802
