"""Starts a program on the simulated kit, or only its REPL. Runs in MicroPython.

The drive becomes the root of the file system, as on a board. The stand-ins are loaded before, so
that they need no place on the drive.
"""

import io
import os
import sys

import vfs
from simulated_drive import Drive
from simulated_sys import system

CIRCUITPYTHON = (
    "simulated_time",
    "board",
    "digitalio",
    "supervisor",
    "apds9930.apds9930",
    "adafruit_lsm6ds.lsm6ds3trc",
)
MICROPYTHON = ("machine",)
READY = "\0"  # tells the console that Ctrl-C reaches MicroPython from here on


def enter(drive, is_circuitpython, is_read_only):
    """Load the stand-ins, and make the drive the root."""
    for name in CIRCUITPYTHON if is_circuitpython else MICROPYTHON:
        __import__(name)
    if is_circuitpython:
        sys.modules["time"] = sys.modules.pop("simulated_time")
        sys.modules["sys"] = system
    for name in ("simulated_boot", "simulated_drive", "simulated_sys"):
        del sys.modules[name]
    files = Drive(drive, is_read_only)
    vfs.umount("/")
    vfs.mount(files, "/")
    os.chdir("/")
    sys.path[:] = ["", "/", ".frozen", "/lib"] if is_circuitpython else ["", ".frozen", "/lib"]
    sys.stdout.write(READY)


def run(name, names):
    """Run a program in these names, and print its traceback as a board does."""
    try:
        with open(name) as file:
            code = file.read()
        names["__name__"] = "__main__"
        exec(compile(code, name, "exec"), names)
    except SystemExit:
        pass
    except BaseException as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        for line in text.getvalue().split("\n"):
            if line and "simulated_boot.py" not in line and '"<string>"' not in line:
                print(line)
