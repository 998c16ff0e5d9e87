"""Stand-in: the pins of the kit."""

BUTTON1 = "BUTTON1"
BUTTON2 = "BUTTON2"
LED = "LED"

board_id = "simulated_tinyspark"


def I2C():  # noqa: N802
    """Return the bus, to which the stand-ins of the sensors need not listen."""
    return "I2C"
