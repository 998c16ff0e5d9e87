"""What the model takes of what the sensor gives."""

import model
from sensor import CHANNELS, SENSOR, UNITS


def plain(unit):
    return unit.replace("**", "").replace("^", "").replace("²", "2")


def find_columns():
    """Return the places of the model's channels among the sensor's."""
    columns = []
    for place, name in enumerate(model.CHANNELS):
        unit = model.UNITS[place]
        if name not in CHANNELS:
            raise ValueError(f"the model needs {name}, the sensor {SENSOR} has {', '.join(CHANNELS)}")
        column = CHANNELS.index(name)
        if unit and UNITS[column] and plain(unit) != plain(UNITS[column]):
            raise ValueError(
                f"the model takes {name} in {unit}, the sensor {SENSOR} has it in {UNITS[column]}"
            )
        columns.append(column)
    return columns


def find_period():
    """Return the ms from one reading to the next."""
    if model.READINGS == 1 and model.PERIOD_MS is None:
        return 1000  # a reading alone has no next one
    if model.PERIOD_MS is None:
        raise ValueError("the recordings did not say how often they were read: set PERIOD_MS in model.py")
    return model.PERIOD_MS


columns = find_columns()
period_ms = find_period()
