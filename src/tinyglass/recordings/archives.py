"""Archives: zip, tar (plain, gz, bz2, xz), and single files packed with gzip."""

from __future__ import annotations

from collections.abc import Iterator

from .source import Source


def members(source: Source) -> Iterator[Source] | None:
    """Return the files in an archive, each a `Source`; None if the file is no archive."""
    return None
