"""The Arduino Uno's chip, simulated cycle by cycle by simavr."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from .answers import Cost
from .chips import OPTIMISED
from .compiling import PROGRAMS, STRICT, Program, TooLargeError, run_command
from .elf import Firmware, read_firmware

MCU = "atmega328p"
COMPILER = "avr-gcc"
RAM_FROM = 0x80_0100  # avr-gcc counts RAM from 0x800000 on; below are registers
FLASH_SIZE, RAM_SIZE = 32_256, 2_048  # bytes; 512 of the flash are the boot loader's
PACKAGES = "gcc-avr avr-libc simavr libsimavr-dev libelf-dev"
OWN_STACK = 8  # bytes, of the program around the prediction
PARTS = ("fed", "answered")


def compile_for_avr(folder: Path, source: str, *more: str) -> Firmware:
    """Compile one C file for the Uno."""
    target = folder / f"{Path(source).stem}-avr.elf"
    run_command([COMPILER, f"-mmcu={MCU}", *OPTIMISED, *more, source, "-o", target.name, "-lm"], folder)
    return read_firmware(target, RAM_FROM)


def run_on_avr(program: Program) -> tuple[bytes, Cost]:
    """Return what a program answers to its records on a simulated Uno, and what the generated code costs.

    Raises
    ------
    TooLargeError
        If the program does not fit into the Uno.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program.write(folder)
        firmware = compile_for_avr(folder, program.source, *STRICT, *program.definitions)
        (folder / "without.c").write_text("int main(void) { for (;;) { } }\n", encoding="ascii")
        without = compile_for_avr(folder, "without.c")
        _check_size(firmware, 0)
        runner = build_runner(folder)
        addresses = [str(number) for part in PARTS for number in firmware.symbols[part]]
        end = str(RAM_FROM + firmware.ram)
        command = [str(runner), firmware.path.name, MCU, end, *addresses]
        done = run_command(command, folder, b"".join(program.records))
    size = firmware.symbols["answered"][1]
    told = np.frombuffer(done.stdout, [("answered", f"V{size}"), ("cycles", "<i8"), ("stack", "<i8")])
    stack = int(told["stack"].max())
    _check_size(firmware, stack)
    held = sum(firmware.symbols[part][1] for part in PARTS)
    cost = Cost(
        firmware.flash - without.flash,
        firmware.ram - without.ram - held,
        stack,
        round(float(told["cycles"].mean())),
        "cycles",
    )
    return told["answered"].tobytes(), cost


def _check_size(firmware: Firmware, stack: int) -> None:
    """Refuse a program that runs out of memory, as the chip itself would not."""
    needed = firmware.ram + stack + OWN_STACK
    if firmware.flash > FLASH_SIZE or needed > RAM_SIZE:
        raise TooLargeError(
            f"{firmware.flash:,} bytes of flash and {needed:,} of RAM are needed for network and readings",
            f"an Arduino Uno, which has {FLASH_SIZE:,} and {RAM_SIZE:,}",
            "Export in int8, take fewer readings, or use a larger board",
        )


def build_runner(folder: Path) -> Path:
    """Compile the program that runs AVR programs, and return its path."""
    runner = folder / "simulated Uno"
    run_command(
        ["gcc", "-O2", str(PROGRAMS / "avr_runner.c"), "-o", str(runner), "-lsimavr", "-lelf"], folder
    )
    return runner
