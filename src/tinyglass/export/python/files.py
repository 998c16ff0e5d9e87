"""The files for a board that runs Python: the model, and a program that asks it."""

from __future__ import annotations

from ...board.programs import compose
from ...errors import ArgumentError
from ..board_model import BoardModel
from ..describing import description
from ..sizes import python_cost_line

SENSORS = {
    "proximity": (("distance",), ("",)),
    "accelerometer": (("ax", "ay", "az"), ("m/s²",) * 3),
    "gyroscope": (("gx", "gy", "gz"), ("rad/s",) * 3),
    "motion": (("ax", "ay", "az", "gx", "gy", "gz"), ("m/s²",) * 3 + ("rad/s",) * 3),
}
"""Channels and units of the kit's sensors, the smallest first."""

DRIVERS = {
    "proximity": ("lib/apds9930",),
    "accelerometer": ("lib/adafruit_lsm6ds",),
    "gyroscope": ("lib/adafruit_lsm6ds",),
    "motion": ("lib/adafruit_lsm6ds",),
}
"""What CircuitPython needs for them."""


def python_files(
    model: BoardModel, platform: str, sensor: str, style: str = "auto"
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files for a board, and the libraries that must be on it.

    Parameters
    ----------
    model : BoardModel
    platform : {"circuitpython", "micropython"}
    sensor : str, of `tinyglass.board.programs.SENSORS`, or "auto"
    style : str, of `python_model`
    """
    from .model_file import python_model

    if sensor == "auto":
        sensor = find_sensor(model)
    elif sensor in SENSORS and not _has_channels(sensor, model):
        raise ArgumentError(
            f"The network is fed with {', '.join(model.preparation.channels)}, "
            f"and the sensor {sensor!r} has {', '.join(SENSORS[sensor][0])}",
            "--sensor",
            "Use --sensor template, or leave it out",
        )
    main = "sliding" if model.preparation.window else "gesture"
    program = compose(main, sensor, platform, "\n".join(description(model)))
    if sensor == "template":
        p = model.preparation
        program = program.replace('CHANNELS = ("x",)', f"CHANNELS = {p.channels!a}")
        program = program.replace('UNITS = ("",)', f"UNITS = {p.units!a}")
    files = {
        "model.py": python_model(model, style=style, cost=python_cost_line(model)),
        program_name(platform): program,
    }
    return {name: text.encode() for name, text in files.items()}, drivers_of(sensor, platform)


def program_name(platform: str) -> str:
    """Return the name of the program that a board starts by itself."""
    return "code.py" if platform == "circuitpython" else "main.py"


def drivers_of(sensor: str, platform: str) -> tuple[str, ...]:
    """Return the libraries that a sensor needs on the board, as paths on its drive."""
    return DRIVERS.get(sensor, ()) if platform == "circuitpython" else ()


def find_sensor(model: BoardModel) -> str:
    """Return the kit's sensor that has the model's channels, or the template for any other."""
    return next((sensor for sensor in SENSORS if _has_channels(sensor, model)), "template")


def _has_channels(sensor: str, model: BoardModel) -> bool:
    channels, units = SENSORS[sensor]
    unit_of = dict(zip(channels, units, strict=True))
    wanted = zip(model.preparation.channels, model.preparation.units, strict=True)
    return all(name in unit_of and unit in ("", unit_of[name]) for name, unit in wanted)
