"""Where recordings lie: a file, a folder with all below it, or an archive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ..errors import RecordingError, StorageError
from .source import Source

DESCRIBING = ("README", "LICENSE", "LICENCE", "PROVENANCE", "SOURCES", "COPYING", "CHANGELOG", "REPORT")
NO_DATA = {
    ".md",
    ".html",
    ".pdf",
    ".png",
    ".jpg",
    ".svg",
    ".py",
    ".ipynb",
    ".ino",
    ".c",
    ".h",
    ".cpp",
    ".safetensors",
}


def find_sources(top: Path) -> Iterator[Source]:
    """Yield every file below `top` that may hold recordings, in natural order; archives are opened.

    Raises
    ------
    StorageError
        If there is no such file or folder, or it cannot be read.
    RecordingError
        If a name is no text, or an archive is damaged or hostile.
    """
    from .archives import members

    try:
        files = [top] if top.is_file() else [p for p in top.rglob("*") if p.is_file()]
    except OSError as error:
        raise StorageError(f"Could not read the folder: {error.strerror}", str(top), "Check it") from error
    for file in sorted(files, key=lambda p: natural(str(p))):
        _check_name(file)
        below = PurePosixPath(file.name) if file == top else PurePosixPath(file.relative_to(top).as_posix())
        if file != top and is_aside(below):
            continue
        source = Source(str(file), below, file.stat().st_size, _fetcher(file), file)
        inside = members(source)
        if inside is None:
            yield source
            continue
        for member in inside:
            if not is_aside(member.path):
                if file != top:  # its name is a folder for what is inside, without the ending
                    member.path = below.with_name(below.name.split(".")[0]) / member.path
                yield member


def _fetcher(file: Path) -> Callable[[], bytes]:
    def fetch() -> bytes:
        try:
            return file.read_bytes()
        except OSError as error:
            raise StorageError(
                f"Could not read the file: {error.strerror}",
                str(file),
                "Check that it exists and may be read",
            ) from error

    return fetch


def is_aside(path: PurePosixPath) -> bool:
    """Tell hidden files, what describes a folder of data, and what a training has left there."""
    if any(part.startswith((".", "__")) for part in path.parts):
        return True
    if path.name.lower() in ("thumbs.db", "desktop.ini") or path.suffix.lower() in NO_DATA:
        return True
    return path.name.upper().split(".")[0] in DESCRIBING


def natural(path: str) -> list[tuple[bool, int, str]]:
    """Sort wave2 before wave10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", path)]


def _check_name(path: Path) -> None:
    """Refuse a name whose bytes are no text: it could be no label, and no message could show it."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise RecordingError("The name of the file or folder is not UTF-8", shown, "Rename it") from error
