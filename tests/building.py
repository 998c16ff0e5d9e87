"""Small C++ programs of the core, compiled as CMakeLists.txt has the core itself compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from tinyglass import core

DRIVERS = Path(__file__).parent / "drivers"
ARM_COMPILER, ARM_EMULATOR = "aarch64-linux-gnu-g++", ("qemu-aarch64", "qemu-aarch64-static")


def flags_of(isa: str) -> list[str]:
    """Return the compiler's flags of the kernels for an instruction set."""
    lists = (ROOT / "CMakeLists.txt").read_text()
    (common,) = re.findall(r"PRIVATE\s+(-ffp-contract=off [^$]*) \$\{FLAGS_\$\{isa\}\}", lists)
    (optimization,) = re.findall(r"set\(FLAGS_kernels ([^)]*)\)", lists)
    own = re.findall(rf"set\(FLAGS_{isa} ([^)]*)\)", lists)
    return ["-std=c++17", *optimization.split(), *common.split(), *" ".join(own).split()]


def build(driver: str, isa: str, folder: Path) -> list[str]:
    """Compile a driver for an instruction set and return the words that start it; skip the test if that cannot be.

    For NEON on another machine it is cross-compiled, and started in an emulator.
    """
    native = isa in core.available()
    words = ("c++", "g++", "clang++") if native else (ARM_COMPILER,)
    compiler = next(filter(None, map(shutil.which, words)), None)
    if compiler is None:
        pytest.skip(f"there is no compiler here ({' or '.join(words)})")
    emulator = None if native else next(filter(None, map(shutil.which, ARM_EMULATOR)), None)
    if not native and emulator is None:
        pytest.skip(f"there is no emulator of ARM here ({' or '.join(ARM_EMULATOR)})")
    program = folder / f"{driver}-{isa}"
    source = DRIVERS / f"{driver}.cpp"
    static = [] if native else ["-static"]
    arguments = [*flags_of(isa), *static, f"-I{ROOT / 'core'}", source, "-o", program, "-pthread"]
    done = subprocess.run([compiler, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [str(program)] if emulator is None else [emulator, str(program)]
