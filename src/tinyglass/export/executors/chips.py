"""Simulated chips: compile for them, and run instruction by instruction with unicorn."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .answers import Cost
from .compiling import LONGEST, PROGRAMS, STRICT, CompilerError, Program, run_command
from .elf import Firmware, read_firmware

if TYPE_CHECKING:
    from unicorn import Uc

FLASH, RAM, RAM_SIZE = 0x10000, 0x2000_0000, 0x4_0000
STACK_TOP = RAM + RAM_SIZE
RETURN = 0x1F_0000  # where nothing is: reaching it ends a call
PAINT = 0xA5
COUNTED = 3  # predictions of which instructions are counted; the count depends little on the readings
OPTIMISED = ("-Os", "-std=c99", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")


@dataclass(frozen=True)
class Chip:
    """A processor that unicorn simulates.

    Attributes
    ----------
    name, title : str
    compiler : str
    options : tuple of str, that choose the processor and its libraries
    packages : str, of Debian
    """

    name: str
    title: str
    compiler: str
    options: tuple[str, ...]
    packages: str


CHIPS = (
    Chip(
        "cortex-m4f",
        "Cortex-M4F",
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "--specs=nano.specs"),
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    Chip(
        "cortex-m0+",
        "Cortex-M0+",
        "arm-none-eabi-gcc",
        ("-mcpu=cortex-m0plus", "-mthumb", "--specs=nano.specs"),
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    Chip(
        "riscv32",
        "RISC-V RV32IMC",
        "riscv64-unknown-elf-gcc",
        ("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    ),
)


def compile_for_chip(chip: Chip, folder: Path, source: str, *more: str) -> Firmware:
    """Compile one C file without a system below it."""
    target = folder / f"{Path(source).stem}-{chip.name}.elf"
    run_command(
        [
            chip.compiler,
            *chip.options,
            *OPTIMISED,
            *more,
            "-DBARE",
            source,
            "-o",
            target.name,
            "-nostartfiles",
            f"-T{PROGRAMS / 'bare.ld'}",
            "-lm",
            "-lc",
            "-lgcc",
        ],
        folder,
    )
    return read_firmware(target, RAM)


def run_on_chip(chip: Chip, program: Program) -> tuple[bytes, Cost]:
    """Return what a program answers to its records on a simulated chip, and what the generated code costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program.write(folder)
        firmware = compile_for_chip(chip, folder, program.source, *STRICT, *program.definitions)
        (folder / "without.c").write_text(_WITHOUT, encoding="ascii")
        without = compile_for_chip(chip, folder, "without.c")
    machine = Machine(chip, firmware)
    answers, counts, stacks = b"", [], []
    for number, record in enumerate(program.records):
        machine.write("fed", record)
        if number < COUNTED:
            count, stack = machine.count("measured")
            counts.append(count)
            stacks.append(stack)
        else:
            machine.call("measured")
        machine.call("afterwards")
        answers += machine.read("answered")
    held = sum(firmware.symbols[name][1] for name in ("fed", "answered"))
    cost = Cost(
        firmware.flash - without.flash,
        firmware.ram - without.ram - held,
        max(stacks),
        round(float(np.mean(counts))),
        "instructions",
    )
    return answers, cost


_WITHOUT = "void start(void);\nvoid start(void) {}\n"


class Machine:
    """A simulated chip with a program in its memory, whose functions can be called."""

    def __init__(self, chip: Chip, firmware: Firmware) -> None:
        import unicorn
        from unicorn import arm_const as arm
        from unicorn import riscv_const as riscv

        self.firmware = firmware
        self._is_arm = "arm" in chip.compiler
        if self._is_arm:
            self._uc: Uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
            with_float = "m4" in chip.name
            self._uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4 if with_float else arm.UC_CPU_ARM_CORTEX_M0)
            self._stack, self._link = arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR
            self._counter = arm.UC_ARM_REG_PC
            if with_float:  # the coprocessor access control register lets programs use floating point
                self._uc.reg_write(arm.UC_ARM_REG_C1_C0_2, 0xF << 20)
                self._uc.reg_write(arm.UC_ARM_REG_FPEXC, 1 << 30)
        else:
            self._uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
            self._stack, self._link = riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA
            self._counter = riscv.UC_RISCV_REG_PC
        self._block_hook = unicorn.UC_HOOK_BLOCK
        self._uc.mem_map(FLASH, 0x20_0000)
        self._uc.mem_map(RAM, RAM_SIZE)
        for segment in firmware.segments:
            self._uc.mem_write(segment.address, segment.content)

    def write(self, symbol: str, content: bytes) -> None:
        """Write bytes where a variable is."""
        self._uc.mem_write(self.firmware.symbols[symbol][0], content)

    def read(self, symbol: str) -> bytes:
        """Return the bytes of a variable."""
        return bytes(self._uc.mem_read(*self.firmware.symbols[symbol]))

    def call(self, function: str) -> None:
        """Call a function that takes and returns nothing."""
        import unicorn

        address = self.firmware.symbols[function][0]
        thumb = 1 if self._is_arm else 0
        self._uc.reg_write(self._stack, STACK_TOP)
        self._uc.reg_write(self._link, RETURN | thumb)
        try:
            self._uc.emu_start((address & ~1) | thumb, RETURN, timeout=LONGEST * 1_000_000)
        except unicorn.UcError as error:
            raise CompilerError(
                f"The program crashed: {error}",
                self.firmware.path.name,
                "This is a defect of tinyglass: please report it",
            ) from error
        if self._uc.reg_read(self._counter) & ~1 != RETURN:
            raise CompilerError(
                f"The program has not ended after {LONGEST} seconds",
                self.firmware.path.name,
                "Try fewer readings",
            )

    def count(self, function: str) -> tuple[int, int]:
        """Call a function; return its instructions and how many bytes of stack it reached."""
        n_instructions = 0
        lengths: dict[tuple[int, int], int] = {}

        def counted(_: Uc, address: int, size: int, __: Any) -> None:
            nonlocal n_instructions
            block = address, size
            if block not in lengths:
                lengths[block] = self._instructions(bytes(self._uc.mem_read(address, size)))
            n_instructions += lengths[block]

        below = bytes([PAINT]) * (RAM_SIZE // 4)
        self._uc.mem_write(STACK_TOP - len(below), below)
        self._uc.ctl_flush_tb()  # type: ignore[attr-defined]  # what was translated without the hook would not be counted
        hook = self._uc.hook_add(self._block_hook, counted)
        self.call(function)
        self._uc.hook_del(hook)
        left = bytes(self._uc.mem_read(STACK_TOP - len(below), len(below)))
        return n_instructions, len(left) - (len(left) - len(left.lstrip(bytes([PAINT]))))

    def _instructions(self, code: bytes) -> int:
        """Return how many instructions a stretch of code has, by the lengths that their first bytes tell."""
        n = at = 0
        while at < len(code):
            first = int.from_bytes(code[at : at + 2], "little")
            is_long = first >> 11 >= 0b11101 if self._is_arm else first & 3 == 3
            at += 4 if is_long else 2
            n += 1
        return n
