"""The PC's own compilers: the header as a program that reads readings and writes answers."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .compiling import STRICT, Program, run_command

COMPILERS = {
    "gcc": ("gcc", "-std=c99", "-O2"),
    "g++": ("g++", "-x", "c++", "-O2"),
    "clang": ("clang", "-std=c99", "-O2"),
    "zig": (sys.executable, "-m", "ziglang", "cc", "-std=c99", "-O2"),
}


def run_on_host(compiler: str, program: Program) -> tuple[bytes, None]:
    """Return what a program answers when one of `COMPILERS` compiles it for this PC, where nothing is counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program.write(folder)
        target = folder / "fed"
        command = [*COMPILERS[compiler], *STRICT, *program.definitions, program.source, "-o", target.name]
        run_command(command, folder)
        return run_command([str(target)], folder, b"".join(program.records)).stdout, None
