"""Compile a network with hardly anything around it, run it on a simulated chip, and count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyglass.export.executors import avr, chips
from tinyglass.export.executors.answers import Cost
from tinyglass.export.executors.compiling import CompilerError, run_command
from tinyglass.export.executors.elf import Firmware
from tinyglass.export.executors.table import EXECUTORS, Executor

from .code import Code

# Contracted sums, which GNU's C99 allows, are shorter where a chip has them: whoever can use them shall.
OPTIONS = ("-std=gnu99",)
OPTIMISED = ("-Os", "-O2")

# Without a network, no byte of floating-point arithmetic may be linked, or a network would get it for nothing.
PROGRAM = """\
#include <stdint.h>
{include}
float inputs[{n_inputs}];
int32_t place;
__attribute__((noinline)) void predict(void) {{ place = {call}; }}
#if defined(__AVR__)
#include <avr/io.h>
int main(void) {{
    for (;;) {{
        GPIOR0 = 1; /* the simulator gives inputs and counts from here */
        predict();
        GPIOR0 = 2; /* to here */
        GPIOR0 = 3;
    }}
}}
#else
void start(void);
void start(void) {{ predict(); }}
#endif
"""
NOTHING = Code("", "*(const volatile unsigned char *)inputs")


class Counted(NamedTuple):
    """What a program answered, and what that cost.

    Attributes
    ----------
    cost : Cost, flash and RAM beside the same program without a network; the mean count, the largest stack
    places : tuple of int, of the largest output, for each of the inputs
    """

    cost: Cost
    places: tuple[int, ...]


class Board(NamedTuple):
    """A simulated chip.

    Attributes
    ----------
    name, title : str
    compiler : str
    executor : Executor, that tells whether it can be simulated here, and how to install what is missing
    run : function of code, inputs (n_examples, n_inputs) and "-Os" or "-O2" to `Counted`
    """

    name: str
    title: str
    compiler: str
    executor: Executor
    run: Callable[[Code, np.ndarray, str], Counted]


def _count_on_chip(chip: chips.Chip, code: Code, inputs: np.ndarray, optimised: str) -> Counted:
    with tempfile.TemporaryDirectory() as name:
        compile_it = partial(chips.compile_for_chip, chip)
        firmware, without = _compile_both(compile_it, Path(name), code, inputs, optimised)
    machine = chips.Machine(chip, firmware)
    places, counts, stacks = [], [], []
    for row in inputs:
        machine.write("inputs", row.astype("<f4").tobytes())
        n_instructions, stack = machine.count("predict")
        counts.append(n_instructions)
        stacks.append(stack)
        places.append(int.from_bytes(machine.read("place"), "little", signed=True))
    return _counted(firmware, without, places, counts, stacks, "instructions")


def _count_on_uno(code: Code, inputs: np.ndarray, optimised: str) -> Counted:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        firmware, without = _compile_both(avr.compile_for_avr, folder, code, inputs, optimised)
        addresses = [str(number) for part in ("inputs", "place") for number in firmware.symbols[part]]
        end = str(avr.RAM_FROM + firmware.ram)
        command = [str(avr.build_runner(folder)), firmware.path.name, avr.MCU, end, *addresses]
        done = run_command(command, folder, inputs.astype("<f4").tobytes())
    told = np.frombuffer(done.stdout, [("place", "<i4"), ("cycles", "<i8"), ("stack", "<i8")])
    counted = _counted(
        firmware, without, told["place"].tolist(), told["cycles"].tolist(), told["stack"].tolist(), "cycles"
    )
    if firmware.flash > avr.FLASH_SIZE or firmware.ram + counted.cost.stack > avr.RAM_SIZE:
        raise CompilerError(
            f"{firmware.flash:,} bytes of flash and {firmware.ram + counted.cost.stack:,} of RAM are needed",
            f"an Arduino Uno, which has {avr.FLASH_SIZE:,} and {avr.RAM_SIZE:,}",
            "Use a smaller network",
        )
    return counted


def _compile_both(
    compile_it: Callable[..., Firmware], folder: Path, code: Code, inputs: np.ndarray, optimised: str
) -> tuple[Firmware, Firmware]:
    """Return the program with the network, and without."""
    (folder / "network.h").write_text(code.header, encoding="utf-8")
    firmwares = []
    for name, what, include in (("with", code, '#include "network.h"'), ("without", NOTHING, "")):
        text = PROGRAM.format(include=include, n_inputs=inputs.shape[1], call=what.call)
        (folder / f"{name}.c").write_text(text, encoding="ascii")
        firmwares.append(compile_it(folder, f"{name}.c", optimised, *OPTIONS, *what.options))
    return firmwares[0], firmwares[1]


def _counted(
    firmware: Firmware, without: Firmware, places: list[int], counts: list[int], stacks: list[int], unit: str
) -> Counted:
    flash, ram = firmware.flash - without.flash, firmware.ram - without.ram
    return Counted(Cost(flash, ram, max(stacks), round(float(np.mean(counts))), unit), tuple(places))


_EXECUTOR = {executor.name: executor for executor in EXECUTORS}
_TITLES = {"cortex-m4f": "M4F", "cortex-m0+": "M0+", "riscv32": "RV32"}
BOARDS: dict[str, Board] = {
    chip.name: Board(
        chip.name, _TITLES[chip.name], chip.compiler, _EXECUTOR[chip.name], partial(_count_on_chip, chip)
    )
    for chip in chips.CHIPS
} | {"uno": Board("uno", "Uno", avr.COMPILER, _EXECUTOR["uno"], _count_on_uno)}
