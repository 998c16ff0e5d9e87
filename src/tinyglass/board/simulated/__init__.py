"""A kit without a kit: the real program in a real MicroPython, on a pseudo-terminal.

============== ============================================================================================
`kit`          `SimulatedBoard`: start, press, play, unplug
`console`      the serial console: what runs, Ctrl-C, Ctrl-D, REPL, auto-reload
`port`         the pseudo-terminal that is there while the cable is in
`interpreter`  MicroPython as a process with a terminal of its own
`world`        what sensors see and buttons feel; ``standins`` are the board's end of it
`drive`        the folder that stands for the CIRCUITPY drive
`place`        the port's name, and one board a folder
`commands`     commands in words, from this or another terminal
============== ============================================================================================
"""

from .kit import SimulatedBoard

__all__ = ["SimulatedBoard"]
