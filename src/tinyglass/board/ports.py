"""Serial ports: which there are, what is likely behind them, and opening one with clear errors."""

from __future__ import annotations

import difflib
import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import TinyglassError

if TYPE_CHECKING:
    import serial

BAUD = 115200
PTMX = os.makedev(5, 2)  # who holds this end of a pseudo-terminal plays the board
PTS = range(136, 144)  # major numbers of the other ends
WRITE_TIMEOUT = 5.0  # seconds

MAKERS = {
    0x0403: ("FTDI", "a USB-to-serial chip: any board"),
    0x03EB: ("Microchip", "a board of Microchip (Atmel)"),
    0x0483: ("STMicroelectronics", "an STM32 board, or its debugger"),
    0x067B: ("Prolific", "a USB-to-serial chip: any board"),
    0x0D28: ("Arm", "a micro:bit, or another board with DAPLink"),
    0x10C4: ("Silicon Labs", "a USB-to-serial chip (CP210x): often an ESP32 or ESP8266"),
    0x1209: ("pid.codes", "an open-source board"),
    0x1366: ("SEGGER", "a debugger (J-Link) on a board"),
    0x16C0: ("PJRC", "a Teensy, or another hobby board"),
    0x1915: ("Nordic", "an nRF board"),
    0x1A86: ("WCH", "a USB-to-serial chip (CH340): often an Arduino Nano, ESP32 or ESP8266"),
    0x1B4F: ("SparkFun", "a board of SparkFun"),
    0x1FC9: ("NXP", "a board of NXP"),
    0x2341: ("Arduino", "an Arduino"),
    0x2886: ("Seeed", "a XIAO or another board of Seeed"),
    0x2A03: ("Arduino", "an Arduino"),
    0x2E8A: ("Raspberry Pi", "a Pico (RP2040 or RP2350)"),
    0x239A: ("Adafruit", "a board of Adafruit, or another one with CircuitPython"),
    0x303A: ("Espressif", "an ESP32-S2, -S3 or -C3 on its own USB"),
    0xF055: ("MicroPython", "a pyboard, or another board with MicroPython"),
}
"""The makers of common boards by the vendor id of their USB, and what such a port likely is."""


@dataclass(frozen=True)
class Port:
    """A serial port that is plugged in.

    Attributes
    ----------
    path : str, such as ``/dev/ttyACM0``
    name : str, what the board calls itself; "" where it does not
    maker : str, likewise, or by its USB ids
    usb : str, vendor and product id in hexadecimal, such as ``239a:80f4``; "" for a port without USB
    serial_number : str, or ""
    kind : str, what it likely is
    """

    path: str
    name: str = ""
    maker: str = ""
    usb: str = ""
    serial_number: str = ""
    kind: str = "a serial port"


def list_boards() -> list[Port]:
    """Return the serial ports that are plugged in, and what is likely behind each.

    Returns
    -------
    list of Port, by path

    Examples
    --------
    >>> for port in list_boards():
    ...     print(port.path, port.kind)  # doctest: +SKIP
    /dev/ttyACM0 a board of Adafruit, or another one with CircuitPython
    """
    from serial.tools.list_ports import comports

    return sorted(
        (
            describe_port(
                port.device,
                port.product or "",
                port.manufacturer or "",
                port.vid,
                port.pid,
                port.serial_number,
            )
            for port in comports()
        ),
        key=lambda port: port.path,
    )


def describe_port(
    path: str, name: str, maker: str, vendor: int | None, product: int | None, serial_number: str | None
) -> Port:
    """Return a port with what its USB ids say about it.

    Examples
    --------
    >>> describe_port("/dev/ttyACM0", "", "", 0x2E8A, 0x0005, None)
    Port(path='/dev/ttyACM0', name='', maker='Raspberry Pi', usb='2e8a:0005', serial_number='', kind='MicroPython on \
a Pico (RP2040 or RP2350)')
    """
    if vendor is None:
        return Port(path, name, maker, serial_number=serial_number or "")
    known, kind = MAKERS.get(vendor, ("", "a board"))
    told = f"{maker} {name}".lower()
    if "circuitpython" in told or (vendor == 0x239A and (product or 0) & 0x8000):
        kind = "a board with CircuitPython"
    elif "micropython" in told:
        kind = "a board with MicroPython"
    elif (vendor, product) == (0x2E8A, 0x0005):
        kind = f"MicroPython on {kind}"
    return Port(path, name, maker or known, f"{vendor:04x}:{product or 0:04x}", serial_number or "", kind)


def open_port(path: str, baud: int = BAUD) -> serial.Serial:
    """Open a serial port for this process alone.

    Parameters
    ----------
    path : str, any path that leads to a serial port or a pseudo-terminal
    baud : int, bits a second; ports on their own USB do not mind

    Raises
    ------
    TinyglassError
        If there is no such port, it may not be used, or another program has it.
    """
    import serial

    _check(path)
    others = holders(path)
    if others:
        raise _taken(path, others)
    try:
        port = serial.Serial(path, baud, timeout=0, write_timeout=WRITE_TIMEOUT, exclusive=True)
    except (
        OSError,
        ValueError,
        OverflowError,
    ) as error:  # serial's own are OSErrors; a wild speed is neither
        raise _refused(path, baud, error) from error
    return port


def _check(path: str) -> None:
    """Refuse a path that leads to no port, or to one that may not be used."""
    try:
        about = os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise _forbidden(path, None) from error
        raise _missing(path) from error
    if not stat.S_ISCHR(about.st_mode) or _is_other_device(about.st_rdev):
        kind = (
            "folder" if stat.S_ISDIR(about.st_mode) else "device of another kind" if about.st_rdev else "file"
        )
        raise TinyglassError(f"Expected a serial port, found a {kind}", path, _known(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise _forbidden(path, about.st_gid)


def _is_other_device(device: int) -> bool:
    """Tell a device of which Linux knows that it is no terminal."""
    subsystem = Path(f"/sys/dev/char/{os.major(device)}:{os.minor(device)}/subsystem")
    return subsystem.exists() and subsystem.resolve().name != "tty"


def _missing(path: str) -> TinyglassError:
    return TinyglassError("There is no such port", path or "an empty name", _known(path))


def _known(path: str) -> str:
    """Return a remedy that names the ports that are there."""
    known = [port.path for port in list_boards()]
    if not known:
        return "No board is plugged in: connect it with a cable that carries data, and look with: tinyglass boards"
    alike = difflib.get_close_matches(path, known, n=1, cutoff=0.8)
    return (f"Did you mean {alike[0]!r}? " if alike else "") + "Plugged in: " + ", ".join(known)


def _forbidden(path: str, group: int | None) -> TinyglassError:
    import grp

    name = None
    with suppress(KeyError):
        name = None if group is None else grp.getgrgid(group).gr_name
    mend = "Run the command as a user who may use the port"
    if name is not None:
        mend = f"Join the group {name} with: sudo usermod -aG {name} $USER; then log out and in again"
    what = "This user may not use the port" + (f", which belongs to the group {name}" if name else "")
    return TinyglassError(what, path, mend)


def _refused(path: str, baud: int, error: Exception) -> TinyglassError:
    number = getattr(error, "errno", None)
    if number in (errno.EBUSY, errno.EWOULDBLOCK):
        return _taken(path, holders(path))
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return _missing(path)
    if number in (errno.EACCES, errno.EPERM):
        return _forbidden(path, None)
    if isinstance(error, (ValueError, OverflowError)):
        return TinyglassError(
            f"The port has no speed of {baud} baud", path, "Use another --baud, such as 115200"
        )
    return TinyglassError(
        f"The port cannot be opened: {error}",
        path,
        "Check that it is a serial port, unplug the board, and plug it in again",
    )


def _taken(path: str, others: list[tuple[int, str]]) -> TinyglassError:
    named = " and ".join(f"{name} (process {pid})" for pid, name in others[:3])
    if not named:
        return TinyglassError(
            "The port is taken by another program",
            path,
            "Close every serial monitor, such as that of the Arduino IDE, Mu, Thonny, screen or mpremote",
        )
    return TinyglassError(
        f"The port is taken: {named} {'has' if len(others) == 1 else 'have'} it open",
        path,
        f"Close {'it' if len(others) == 1 else 'them'}, and run the same command again",
    )


def holders(path: str) -> list[tuple[int, str]]:
    """Return the processes that have the port open, as far as this user may see: their ids and command lines.

    The process that plays the board at the other end of a pseudo-terminal is none of them.

    Examples
    --------
    >>> holders("/dev/null/nothing")
    []
    """
    try:
        device = os.stat(path).st_rdev
    except OSError:
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        open_devices = set()
        with suppress(OSError):  # it has ended, or is another user's
            for entry in os.scandir(folder / "fd"):
                with suppress(OSError):
                    about = entry.stat()
                    if stat.S_ISCHR(about.st_mode):
                        open_devices.add(about.st_rdev)
        plays_the_board = os.major(device) in PTS and PTMX in open_devices
        if device in open_devices and not plays_the_board:
            found.append((int(folder.name), _command(folder)))
    return sorted(found)


def _command(process: Path) -> str:
    """Return the command line of a process, not at length."""
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        text = " ".join(" ".join([os.path.basename(words[0]), *words[1:]]).split())
        return text[:60] or (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
