"""What a person waits for besides training: whole runs from the command line, imports; and sizes on disk."""

from __future__ import annotations

import importlib.util
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import tinyglass

from .cells import make_cell
from .measuring import Plan

SCRIPTS = Path(__file__).parent / "scripts"
TINYGLASS = [sys.executable, "-m", "tinyglass.cli"]
PLAIN = (
    "--activation sigmoid --optimizer sgd --schedule constant --l2 0 "
    "--inputs raw --augment none --threshold 0 --temperature 1"
)
ACCURACY = re.compile(r'"?accuracy"?[: ]+([\d.]+)')


def run(words: Sequence[str]) -> tuple[float, str]:
    """Return the seconds that a command takes, and what it prints."""
    # Compiled Python files are kept, as on anyone's machine, whatever this shell says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    answer = subprocess.run(words, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if answer.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{answer.stderr}")
    return seconds, answer.stdout


def in_turn(commands: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Return what each gives, round by round; a first round, in which files come into memory, is not kept."""
    answers = [{name: command() for name, command in commands.items()} for _ in range(rounds + 1)]
    return {name: [answer[name] for answer in answers[1:]] for name in commands}


# ---------------------------------------------------------------- whole runs


def measure_whole_runs(plan: Plan) -> list[dict[str, Any]]:
    """Return the same job from the command line: read, score on what is left out, train, keep the model."""
    rounds = 1 if plan.quick else 5
    jobs = [
        ("the course: 10 recordings, 3-2-2, 100 epochs", course_table, "2 100 1 0.05"),
        ("a table: 1,000 rows, 39-20-10-4, 30 epochs", large_table, "20,10 30 32 0.1"),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [measure_job(job, table(folder), words, rounds, folder, plan) for job, table, words in jobs]


def measure_job(job: str, table: Path, words: str, rounds: int, folder: Path, plan: Plan) -> dict[str, Any]:
    hidden, epochs, batch, rate = words.split()
    ours = f"--hidden {hidden} --epochs {epochs} --batch {batch} --learning-rate {rate} --json {PLAIN}"
    commands = {"tinyglass": [*TINYGLASS, "train", str(table), "--out", str(folder / "ours"), *ours.split()]}
    for peer, package in (("sklearn", "scikit-learn"), ("torch", "torch")):
        if package in plan.packages:
            script, out = str(SCRIPTS / f"whole_{peer}.py"), str(folder / peer)
            commands[{"torch": "PyTorch"}.get(peer, package)] = [
                sys.executable,
                script,
                str(table),
                *words.split(),
                out,
            ]
    answers = in_turn({name: partial(run, words) for name, words in commands.items()}, rounds)
    return {
        "job": job,
        "seconds": {
            name: statistics.median(seconds for seconds, _ in seen) for name, seen in answers.items()
        },
        "accuracy": {name: float(ACCURACY.findall(seen[0][1])[0]) for name, seen in answers.items()},
    }


def course_table(folder: Path) -> Path:
    recordings = tinyglass.read_recordings()
    rows = [[*recording.signal.ravel().tolist(), recording.label] for recording in recordings]
    return write_table(folder / "course.csv", rows)


def large_table(folder: Path) -> Path:
    cell = make_cell((39, 4), 1, 1000)
    rows = [[*x, f"class {y}"] for x, y in zip(cell.X.tolist(), cell.Y.argmax(axis=1).tolist(), strict=True)]
    return write_table(folder / "table.csv", rows)


def write_table(path: Path, rows: list[list[Any]]) -> Path:
    head = [f"value {i + 1}" for i in range(len(rows[0]) - 1)] + ["label"]
    path.write_text("\n".join(",".join(map(str, row)) for row in [head, *rows]) + "\n", encoding="utf-8")
    return path


# ---------------------------------------------------------------- waiting


CORE_IMPORT, DEMO, TORCH = (
    "the core, beyond NumPy",
    "tinyglass train --preset course",
    'python -c "import torch"',
)
IMPORTS = (  # name, package, what is there before, what is timed
    ("NumPy", "numpy", "", "import numpy"),
    (CORE_IMPORT, "tinyglass", "import numpy", "import tinyglass.core"),
    ("tinyglass", "tinyglass", "", "import tinyglass"),
    ("tinyglass, all that trains", "tinyglass", "", "from tinyglass import train, train_examples"),
    ("scikit-learn", "scikit-learn", "", "from sklearn.neural_network import MLPClassifier"),
    ("PyTorch", "torch", "", "import torch"),
    ("JAX", "jax", "", "import jax, jax.numpy"),
)


def measure_waiting(plan: Plan) -> dict[str, float]:
    """Return the seconds of imports, and of the course's training as `make demo` makes it."""
    commands: dict[str, Callable[[], float]] = {
        name: partial(import_seconds, before, words)
        for name, package, before, words in IMPORTS
        if package in plan.packages
    }
    with tempfile.TemporaryDirectory() as folder:
        commands[DEMO] = lambda: run([*TINYGLASS, "train", "--preset", "course", "--out", f"{folder}/demo"])[
            0
        ]
        if "torch" in plan.packages:
            commands[TORCH] = lambda: run([sys.executable, "-c", "import torch"])[0]
        seen = in_turn(commands, 1 if plan.quick else 9)
    return {name: statistics.median(seconds) for name, seconds in seen.items()}


def import_seconds(before: str, words: str) -> float:
    """Return the seconds of an import in a process of its own."""
    program = (
        f"{before}\nimport time\nbegan = time.perf_counter()\n{words}\nprint(time.perf_counter() - began)"
    )
    return float(run([sys.executable, "-c", program])[1])


# ---------------------------------------------------------------- sizes


def measure_sizes(plan: Plan) -> dict[str, Any]:
    """Return bytes on disk: of packages, without what they need in turn, and of each compiled core."""
    packages = {name: package_bytes(name) for name in sorted(plan.packages - {"tinyglass"})}
    if "jax" in packages:
        packages["jax"] += package_bytes("jaxlib")
    cores = {path.name.split(".")[0]: path.stat().st_size for path in core_files()}
    folder = Path(tinyglass.__file__).parent
    own = {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    sizes = sum(path.stat().st_size for path in own | set(core_files()))
    return {"packages": {"tinyglass": sizes, **packages}, "compiled": cores}


def core_files() -> list[Path]:
    """Return the compiled modules, wherever they were installed."""
    spec = importlib.util.find_spec("tinyglass._core_baseline") or importlib.util.find_spec(
        "tinyglass._core_neon"
    )
    return sorted(Path(spec.origin).parent.glob("_core*")) if spec and spec.origin else []


def package_bytes(name: str) -> int:
    """Return the bytes of a package's files, compiled Python files left out."""
    files = [Path(file.locate()) for file in metadata.files(name) or ()]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file())
