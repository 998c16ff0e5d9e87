"""The files for a board that runs Python: the model, and a program that asks it."""

from __future__ import annotations

from ...board.programs import SENSORS, channels_of, compose
from ...errors import ArgumentError
from ..board_model import BoardModel
from ..describing import description
from ..sizes import python_cost_line

KIT_SENSORS = SENSORS[: SENSORS.index("template")]
"""The kit's own, the smallest first."""

DRIVERS = {
    "proximity": ("lib/apds9930",),
    "accelerometer": ("lib/adafruit_lsm6ds",),
    "gyroscope": ("lib/adafruit_lsm6ds",),
    "motion": ("lib/adafruit_lsm6ds",),
}
"""What CircuitPython needs for them."""


def python_files(
    model: BoardModel,
    platform: str,
    sensor: str,
    style: str = "auto",
    trainer: str | None = None,
    learning_rate: float = 0.01,
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files for a board, and the libraries that must be on it.

    Parameters
    ----------
    model : BoardModel
    platform : {"circuitpython", "micropython"}
    sensor : str, of `tinyglass.board.programs.SENSORS`, or "auto"
    style : str, of `python_model`
    trainer : {"last", "all"}, optional
        Add ``trainer.py``, and let the program learn.
    learning_rate : float, of the trainer
    """
    from .model_file import python_model
    from .trainer_file import python_trainer

    if sensor == "auto":
        sensor = find_sensor(model)
    elif sensor in KIT_SENSORS and not _has_channels(sensor, model):
        raise ArgumentError(
            f"The network is fed with {', '.join(model.preparation.channels)}, "
            f"and the sensor {sensor!r} has {', '.join(channels_of(sensor))}",
            "--sensor",
            "Use --sensor template, or leave it out",
        )
    p = model.preparation
    program = compose(
        "sliding" if p.window else "gesture",
        sensor,
        platform,
        "\n".join(description(model)),
        learns=trainer is not None,
        channels=tuple(zip(p.channels, p.units, strict=True)) if sensor == "template" else (),
    )
    files = {
        "model.py": python_model(model, style=style, cost=python_cost_line(model, style)),
        program_name(platform): program,
    }
    if trainer is not None:
        files["trainer.py"] = python_trainer(model, part=trainer, learning_rate=learning_rate)
    return {name: text.encode() for name, text in files.items()}, drivers_of(sensor, platform)


def program_name(platform: str) -> str:
    """Return the name of the program that a board starts by itself."""
    return "code.py" if platform == "circuitpython" else "main.py"


def drivers_of(sensor: str, platform: str) -> tuple[str, ...]:
    """Return the libraries that a sensor needs on the board, as paths on its drive."""
    return DRIVERS.get(sensor, ()) if platform == "circuitpython" else ()


def find_sensor(model: BoardModel) -> str:
    """Return the kit's sensor that has the model's channels, or the template for any other."""
    return next((sensor for sensor in KIT_SENSORS if _has_channels(sensor, model)), "template")


def _has_channels(sensor: str, model: BoardModel) -> bool:
    unit_of = channels_of(sensor)
    wanted = zip(model.preparation.channels, model.preparation.units, strict=True)
    return all(name in unit_of and unit in ("", unit_of[name]) for name, unit in wanted)
