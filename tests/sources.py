"""What the tests of readers share: files to read, files that were damaged, and bounds on time and memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from conftest import ROOT, unmeasured
from tinyglass import Recording, RecordingError, StorageError
from tinyglass.recordings import Source

SHARED = ROOT.parent / "shared" / "data"
ABSENT = "the data sets of other people are not here"

fuzzed = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PIECES = [
    b"NaN",
    b"1e999",
    b"-",
    b"\0",
    b"\xff",
    b"[",
    b"{",
    b'"',
    b",",
    b":",
    b"null",
    b"9" * 400,
    b"\n",
    b";",
    b"'",
]


def source_of(folder: Path, name: str, content: str | bytes) -> Source:
    """Write a file, and return it as a source."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return on_disk(path)


def on_disk(path: Path) -> Source:
    return Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)


@st.composite
def damaged(draw: st.DrawFn, sample: bytes) -> bytes:
    """Return a sample that was cut, in which bytes were changed, or pieces put in, or left out."""
    content = bytearray(sample)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        change = draw(st.integers(0, 4))
        if change == 0:
            del content[start:]
        elif change == 1:
            del content[start : start + draw(st.integers(1, 9))]
        elif change == 2:
            content[start:start] = draw(st.sampled_from(PIECES))
        elif change == 3:
            content[start : start + 1] = draw(st.binary(min_size=1, max_size=2))
        else:
            content[start:start] = content[start : start + draw(st.integers(1, 40))]
    return bytes(content)


def check_read_or_refused(read: Callable[[Source], Iterable[Recording] | None], source: Source) -> None:
    """Read, whatever comes: recordings of finite numbers, nothing, or an error that names the file."""
    refusal = None
    try:
        recordings = list(read(source) or ())
    except (RecordingError, StorageError) as error:
        refusal, recordings = str(error), []
    if refusal is not None:
        assert source.path.name in refusal
        assert refusal.isprintable()
    source.account()
    for recording in recordings:
        assert isinstance(recording, Recording)
        assert np.isfinite(recording.signal).all()
        for text in (recording.label or "", *recording.channels, recording.source):
            text.encode()


BOUNDED = """
import resource, sys, time
import numpy, tinyglass.recordings, msgspec, json
from pathlib import Path, PurePosixPath
from tinyglass import RecordingError, StorageError
from tinyglass.recordings import Source
from tinyglass.recordings.{module} import {function} as read
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
source = Source(str(path), PurePosixPath(path.name), path.stat().st_size, path.read_bytes, path)
try:
    found = read(source)
    found = None if found is None else [getattr(f, "signal", None) is None and len(f.content) for f in found]
    print("read", None if found is None else len(found))
except (RecordingError, StorageError) as error:
    print("refused", error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, time.process_time() - began)
"""


def read_within(
    python: Callable[..., subprocess.CompletedProcess[str]],
    reader: str,
    path: Path,
    mib: float,
    seconds: float,
) -> str:
    """Return what came of a file, ``read 3`` or ``refused …``, read in a process of its own within bounds."""
    module, _, function = reader.rpartition(".")
    program = BOUNDED.format(module=module, function=function)
    done: Any = python(program, path, timeout=300, env=unmeasured())
    assert done.returncode == 0, done.stderr
    outcome, figures = done.stdout.strip().rsplit("\n", 1)
    used_mib, used_seconds = map(float, figures.split())
    assert used_mib < mib
    assert used_seconds < seconds
    return outcome
