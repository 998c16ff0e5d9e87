"""The tests of the kernels once more, with a core that stops at every wrong access and all undefined behaviour.

The core is compiled for the best and for the plainest instruction set of this machine with the compiler's
sanitizers; a process of its own puts it in the place of the installed one. There, fewer random cases are tried.

What the sanitizers cannot see is a vector read under a mask, as AVX-512 has it; for that, test_kernels
has examples with closed memory on either side.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, unmeasured
from tinyglass import core

# Loads a core from a file, which tinyglass then takes for its own, and runs tests with it.
PROGRAM = """
import importlib.util, sys

file, isa, *arguments = sys.argv[1:]
name = f"tinyglass._core_{isa}"
spec = importlib.util.spec_from_file_location(name, file)
sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])

from tinyglass import core

assert core.load(isa).__file__ == file
core.available = lambda: [isa]

import pytest

sys.exit(pytest.main(arguments))
"""
# What takes longest, and differs from what is left in its precision or batch only; and processes of their own.
LEFT_OUT = " or ".join(
    [
        "(two_python_threads and not 1-float32)",
        "(number_of_threads and not 256-float32)",
        "(however_a_training_is_cut and (sgd-float64 or adam-float32))",
        "beside",
        "ctrl_c_ends",
    ]
)


def run(words, **options):
    done = subprocess.run(
        [*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def library(compiler, name):
    """Return where one of the compiler's libraries is, or None."""
    file = Path(run([compiler, f"-print-file-name={name}"]).strip())
    return file if file.is_absolute() and file.exists() else None


@pytest.fixture(scope="module")
def sanitizers():
    """The libraries that a process must load first, for its modules to be compiled with sanitizers."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the sanitizers are preloaded as on Linux")
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++ here")
    found = [library(compiler, name) for name in ("libasan.so", "libubsan.so", "libstdc++.so.6")]
    if None in found:
        pytest.skip("g++ has no sanitizers here")
    return compiler, found


@pytest.fixture(scope="module", params=sorted({core.available()[0], core.available()[-1]}))
def sanitized(request, sanitizers, tmp_path_factory):
    """The sanitized core: its file, for one instruction set."""
    compiler, _ = sanitizers
    folder, isa = tmp_path_factory.mktemp("sanitized"), request.param
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    options = {
        "TINYGLASS_SANITIZE": "ON",
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CXX_COMPILER": compiler,
        "Python_EXECUTABLE": sys.executable,
    }
    settings = [f"-D{name}={value}" for name, value in options.items()]
    run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *settings], env=environment)
    run(["cmake", "--build", folder, "--target", f"_core_{isa}"], env=environment)
    (module,) = folder.glob(f"_core_{isa}.*")
    return module


def run_sanitized(sanitizers, isa, words, folder):
    """Run Python with the sanitizers; return what came of it, and their reports."""
    options = f"log_path={folder / 'report'}:print_stacktrace=1"
    environment = unmeasured() | {
        "LD_PRELOAD": ":".join(map(str, sanitizers[1])),
        "ASAN_OPTIONS": f"detect_leaks=0:{options}",  # Python does not free everything at its end
        "UBSAN_OPTIONS": options,
        "TINYGLASS_ISA": isa,
        "TINYGLASS_TEST_CASES": "0.2" if isa == core.available()[0] else "0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    return done, "".join(file.read_text() for file in folder.glob("report*"))


# A control: 50 examples of 20 inputs, of which only the first number is there.
READS_BEYOND = """
import importlib.util, sys
import numpy as np

spec = importlib.util.spec_from_file_location(f"_core_{sys.argv[2]}", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
X = np.lib.stride_tricks.as_strided(np.ones(1000)[-1:], (50, 20), (160, 8))
module.feedforward_float64([(20, 1, "linear", False)], np.ones(20), X)
"""


@pytest.mark.timeout(1200)
def test_the_kernels_do_nothing_that_the_sanitizers_object_to(sanitizers, sanitized, tmp_path):
    isa = sanitized.name.split(".")[0].removeprefix("_core_")
    control = tmp_path / "control"
    control.mkdir()
    done, report = run_sanitized(sanitizers, isa, [READS_BEYOND, sanitized, isa], control)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in report

    tests = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", f"not ({LEFT_OUT})"]
    words = [PROGRAM, sanitized, isa, *tests, ROOT / "tests" / "test_kernels.py"]
    done, report = run_sanitized(sanitizers, isa, words, tmp_path)
    assert report == "", report[:4000]
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
