"""Where recordings lie: a file, a folder with all below it, or an archive."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..errors import RecordingError, StorageError
from ..storage import ASIDE
from .recording import Dropped
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


def find_sources(top: Path) -> tuple[list[Source], list[Dropped]]:
    """Return every file below `top` that may hold recordings, in natural order, and what is not read again.

    Archives are opened. One that lies together with its own unpacked files is not read again.

    Raises
    ------
    StorageError
        If there is no such file or folder, or it cannot be read.
    RecordingError
        If a name is no text, or an archive is damaged or hostile.
    """
    found = [(file, _inside(file, alone=file.file == top)) for file in _files(top)]
    unpacked: dict[tuple[str, int], list[Source]] = defaultdict(list)
    for file, inside in found:
        if inside is None:
            unpacked[file.path.name, file.size].append(file)
    sources: list[Source] = []
    dropped: list[Dropped] = []
    for file, inside in found:
        if inside is None:
            sources.append(file)
        elif inside and all(_lies_here(member, unpacked) for member in inside):
            dropped.append(Dropped(file.name, "is an archive of files that lie here unpacked too"))
        else:
            sources += inside
    return sources, dropped


def _files(top: Path) -> list[Source]:
    try:
        files = [top] if top.is_file() else [p for p in top.rglob("*") if p.is_file()]
    except OSError as error:
        raise StorageError(f"Could not read the folder: {error.strerror}", str(top), "Check it") from error
    files.sort(key=lambda p: natural(str(p)))
    for file in files:
        _check_name(file)
    paths = [PurePosixPath(p.name if p == top else p.relative_to(top).as_posix()) for p in files]
    return [
        Source(str(file), path, file.stat().st_size, _fetcher(file), file)
        for file, path in zip(files, paths, strict=True)
        if file == top or not is_aside(path)
    ]


def _inside(file: Source, alone: bool) -> list[Source] | None:
    """Return the files in an archive; None if it is none. In a folder, its name is one more folder for them."""
    from .packed.archives import members

    folder = None if alone else file.path.with_name(file.path.name.split(".")[0])
    inside = members(file, folder)
    return None if inside is None else [member for member in inside if not is_aside(member.path)]


def _lies_here(member: Source, unpacked: Mapping[tuple[str, int], Sequence[Source]]) -> bool:
    """Tell whether a file of the same name and content as one in an archive lies there unpacked."""
    same = unpacked.get((member.path.name, member.size), ())
    content = member.fetch() if same else b""
    return any(file.fetch() == content for file in same)


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
    if path.name.lower() in ("thumbs.db", "desktop.ini") or path.suffix.lower() in {*NO_DATA, ASIDE}:
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
