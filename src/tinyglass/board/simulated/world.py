"""What the simulated kit's sensors see and its buttons feel: the PC's end, which writes the events.

The board's end is ``standins/simulated_world.py``, where the events are listed, and
``standins/simulated_drive.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ArgumentError, RecordingError, nearest

if TYPE_CHECKING:
    from ...recordings import Recording

HANDS = ("closer", "away", "wave", "still")
EVENTS = "events"
CHANGED = "changed"  # files, by the program
BUTTONS = (1, 2)
HELD = 0.1  # seconds
ACCELERATION, GYRO = ("m/s²",) * 3, ("rad/s",) * 3


class World:
    """A folder with the events, and the readings that are played.

    Attributes
    ----------
    changed : Path, with the names of the files on the drive that the board's program has changed
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.changed = folder / CHANGED
        (folder / EVENTS).touch()
        self._numbers = count(1)

    def boot(self) -> None:
        """Forget the presses before, as a board does that starts."""
        self._tell("boot")

    def press(self, button: int, held: float = HELD) -> None:
        """Press a button for so many seconds from when a program first looks at it."""
        if button not in BUTTONS:
            raise ArgumentError(f"The kit has no button {button}", "a press", "Press button 1 or 2")
        self._tell(f"press {button} {held}")

    def hand(self, motion: str, seed: int) -> None:
        """Let a hand or the board move."""
        if motion not in HANDS:
            raise ArgumentError(f"Unknown motion {motion!r}", "a hand", nearest(motion, list(HANDS)))
        self._tell(f"hand {motion} {seed}")

    def play(self, recordings: Sequence[Recording]) -> None:
        """Let the sensors see these recordings, one after the other and round again."""
        if not recordings:
            raise RecordingError("There are no recordings to play", "play", "Name other recordings")
        tracks: dict[str, list[str]] = {}
        for recording in recordings:
            for sensor, rows in _rows_by_sensor(recording).items():
                tracks.setdefault(sensor, []).append(rows)
        number = next(self._numbers)
        for sensor, pieces in tracks.items():
            (self._folder / f"{number}.{sensor}").write_text("\n".join(pieces), encoding="ascii")
        self._tell(f"play {number} {' '.join(tracks)}")

    def _tell(self, event: str) -> None:
        with open(self._folder / EVENTS, "ab", buffering=0) as file:
            file.write(f"{event}\n".encode())  # a line is written whole


def _rows_by_sensor(recording: Recording) -> dict[str, str]:
    """Return the recording's rows as text for each of the kit's sensors that can show them."""
    from ...units import convert_units

    n_channels = recording.signal.shape[1]
    turns = recording.channels[0].lower().startswith("g") or recording.units[0] in ("rad/s", "°/s")
    if n_channels == 1:
        return {"proximity": _text(recording, 0, 1)}
    if n_channels == 3:
        felt = convert_units(recording, recording.channels, GYRO if turns else ACCELERATION)
        return {"gyro" if turns else "acceleration": _text(felt, 0, 3)}
    if n_channels == 6:
        felt = convert_units(recording, recording.channels, ACCELERATION + GYRO)
        return {"acceleration": _text(felt, 0, 3), "gyro": _text(felt, 3, 6)}
    raise RecordingError(
        f"The kit's sensors have 1, 3 or 6 channels, these recordings have {n_channels}",
        recording.source,
        "Play recordings of proximity, acceleration, turning, or of acceleration and turning",
    )


def _text(recording: Recording, first: int, end: int) -> str:
    """Return a line a reading, with every digit."""
    rows = recording.signal[:, first:end].tolist()
    return "".join(" ".join(map(repr, row)) + "\n" for row in rows)
