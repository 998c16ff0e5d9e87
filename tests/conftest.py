"""What several tests use: the course's recordings, the command line as a real process, small disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tinyglass import Recording, read_recordings
from tinyglass.cli import main

ROOT = Path(__file__).parent.parent

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before anything imports scipy: one more check runs

settings.register_profile("tinyglass", deadline=None)
settings.load_profile("tinyglass")


@pytest.fixture(scope="session")
def course() -> list[Recording]:
    """The course's ten recordings."""
    return read_recordings()


class Command:
    """The command line, as the processes that a person starts."""

    words = ("-m", "tinyglass.cli")

    def start(self, *arguments: Any, words: tuple[str, ...] = words, **options: Any) -> subprocess.Popen[str]:
        """Start it. Ctrl-C reaches it even where the tests themselves were started to ignore it."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        everything = [sys.executable, *words, *map(str, arguments)]
        return subprocess.Popen(everything, preexec_fn=_heed_interrupts, **options)

    def __call__(
        self, *arguments: Any, timeout: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def command() -> Command:
    """The command line in a process of its own."""
    return Command()


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in this process: quicker, for checks that need no other."""

    def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a Python program in a process of its own."""

    def run(program: str, *arguments: Any, timeout: float = 120, **options: Any) -> Any:
        words = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout, **options)

    return run


def unmeasured() -> dict[str, str]:
    """Return the environment without coverage, for processes that may not write or must be timed."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 30) -> None:
    """Wait until the condition holds, or fail with what the process said."""
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"waited in vain; the process ended with {process.returncode}: {out}{err}")
        time.sleep(0.002)


@pytest.fixture(scope="session")
def course_training(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """The folder of a training with the course's preset; tests read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("course") / "out"
    done = command("train", "--preset", "course", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make a real disk of so many KiB; skips where this process may not mount one."""
    mounted: list[Path] = []

    def make(kib: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tinyglass-test", str(folder)]
        try:
            done = subprocess.run(words, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no mount command here")
        if done.returncode:
            pytest.skip(f"this process may not mount a disk: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may reach; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


PLAIN = {"inputs": ("raw",), "augment": (), "threshold": 0.0, "temperature": 1.0}
"""Settings that leave nothing to be chosen by validation, and alter nothing."""


def noisy_recordings(n: int = 40, seed: int = 0) -> list[Recording]:
    """Return recordings whose labels can be learnt by heart only."""
    random = np.random.default_rng(seed)
    return [
        Recording(random.normal(size=(3, 2)), ("x", "y"), label="ab"[i % 2], source=f"noise {i}")
        for i in range(n)
    ]
