"""Your own sensor: fill in the five places marked 1 to 5."""

# 1. Import what your sensor needs, such as: import board

# 2. Give the sensor a name of your choice.
SENSOR = "mine"

# 3. Name its channels and their units, in the order in which read() gives them: "" for none.
#    The names are those in the recordings, and the model on the board looks for them.
CHANNELS = ("x",)
UNITS = ("",)

# 4. Start the sensor here, once, such as: sensor = analogio.AnalogIn(board.A0)


def read():
    """Return one number a channel, such as: return (sensor.value,)"""
    # 5. Replace this line. A single number needs its comma: (number,)
    raise NotImplementedError("read() is still to be filled: see the places marked 1 to 5")
