"""A kit without a kit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from ...errors import ArgumentError, StorageError, nearest
from ...storage import make_folder
from .console import Console
from .drive import choose_program, fill_drive
from .interpreter import Interpreter, find_micropython
from .place import Place
from .world import HELD, World


class SimulatedBoard:
    """Run a board's program in MicroPython on a pseudo-terminal, with stand-ins for what the kit has.

    The folder stands for the CIRCUITPY drive. Beside it lies the port, which serial programs open
    as they open a board's: Ctrl-C stops the program, a key opens the REPL, Ctrl-D starts anew. Until
    it is told otherwise, the kit lies still and nobody is near.

    Parameters
    ----------
    drive : str or Path, optional
        Made if it is not there; left out, a temporary folder.
    program : str or Path, optional
        A name of `tinyglass.board.programs.PROGRAMS`, or a file, which becomes ``code.py`` (a
        MicroPython board's ``main.py``); an older one is kept under another name. Left out: what is
        there, else the recorder.
    sensor : str, optional
        Of `tinyglass.board.programs.SENSORS`, for a program by name (left out: proximity).
    platform : str, ``"circuitpython"`` or ``"micropython"``
    seed : int, of the noise of moving hands
    auto_reload : bool
        Whether the program starts anew when the PC changes files on the drive, as CircuitPython does.
    read_only : bool
        Whether programs may not write to the drive, as with CircuitPython while the PC has it.
    commands : sequence of str, optional
        What `tinyglass.board.simulated.commands.obey` takes, done when the board has started.

    Attributes
    ----------
    drive : Path
    port : str, the path of the port: the drive's with ``.port`` after it

    Raises
    ------
    ArgumentError
        If there is no such program, sensor or platform.
    StorageError
        If the drive cannot be written, or another board runs on it.
    TinyglassError
        If MicroPython is not installed, or a command cannot be done. Then a drive that was made is removed.

    Examples
    --------
    >>> with SimulatedBoard() as board:  # doctest: +SKIP
    ...     board.hand("closer")
    ...     print(board.port)
    """

    def __init__(
        self,
        drive: str | Path | None = None,
        program: str | Path | None = None,
        sensor: str | None = None,
        platform: str = "circuitpython",
        seed: int = 0,
        auto_reload: bool = True,
        read_only: bool = False,
        commands: Sequence[str] = (),
    ) -> None:
        from .commands import obey

        text = choose_program(program, sensor, platform)
        micropython = find_micropython()
        self._seed = seed
        with ExitStack() as undo, ExitStack() as stack:
            if drive is None:
                drive = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "CIRCUITPY"
            self.drive = Path(drive).resolve()
            if not self.drive.name or (self.drive.exists() and not self.drive.is_dir()):
                raise StorageError("This cannot be a board's drive", str(self.drive), "Name a folder")
            if not self.drive.exists():
                undo.callback(shutil.rmtree, self.drive, ignore_errors=True)
            make_folder(self.drive)
            self._place = Place(self.drive)
            stack.callback(self._place.close)
            fill_drive(self.drive, text, platform)
            self._world = World(self._place.world)
            interpreter = Interpreter(micropython, self._place.world)
            stack.callback(interpreter.close)
            self._console = Console(
                self.drive, self._place, self._world, interpreter, platform, auto_reload, read_only
            )
            self._console.start()
            stack.callback(self._console.stop)
            self._console.plug()
            for command in commands:
                obey(self, command)
            undo.pop_all()
            self._stack = stack.pop_all()

    @property
    def port(self) -> str:
        return str(self._place.port)

    @property
    def folder(self) -> Path:
        """A private folder for as long as the board runs."""
        return self._place.folder

    def press(self, button: int, held: float = HELD) -> None:
        """Press button 1 or 2 for `held` seconds from when the program first looks at it."""
        self._world.press(button, held)

    def play(self, path: str | Path, label: str | None = None) -> int:
        """Let the sensors see recordings, one after the other and round again; return how many.

        Each look at a sensor gives the next reading, whenever it comes; where the LED goes on, the
        next recording begins. Recordings of 1 channel are seen by the proximity sensor, of 3 by the
        accelerometer (by the gyroscope if the channels are called g… or are in rad/s or °/s), of 6
        by both.

        Parameters
        ----------
        path : str or Path, whatever `tinyglass.read_recordings` reads
        label : str, optional; only the recordings of this label

        Raises
        ------
        RecordingError
            If nothing there can be read, or nothing has this label.
        """
        from ...recordings import read_recordings

        recordings = list(read_recordings(path))
        if label is not None:
            labels = sorted({r.label for r in recordings if r.label is not None})
            recordings = [r for r in recordings if r.label == label]
            if not recordings:
                raise ArgumentError(
                    f"No recording has the label {label!r}", str(path), nearest(label, labels)
                )
        self._world.play(recordings)
        return len(recordings)

    def hand(self, motion: str) -> None:
        """Let a hand come ``"closer"`` or move ``"away"``, or the board ``"wave"`` or lie ``"still"``."""
        self._world.hand(motion, self._seed)

    def unplug(self) -> None:
        """Pull the cable: the port is gone, and the program with it."""
        self._console.unplug()

    def plug(self) -> None:
        """Plug the cable in again: the program starts."""
        self._console.plug()

    def close(self) -> None:
        """End the program, and remove the port; the drive stays."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
