"""The lines of a capture of a serial line: readings, column names, and what only looks like them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
ARRIVAL = re.compile(r"\s*\d\d:\d\d:\d\d[.:,]\d+\s*->\s?")  # Arduino's serial monitor, with "Show timestamp"
PAIR = r"[A-Za-z_]\w*\s*[:=]\s*[^\s,;:=]+"
PAIRS = re.compile(rf"{PAIR}([,;\s]\s*{PAIR})*")
NAME = re.compile(r"[A-Za-z_]\w*(\s*[\[(][^\])]*[\])])?")
RESTART = re.compile(
    r"\b(re)?(start|boot|reset)|\brst:|^ets |\b(begin|captur|record)(ing|e)?\b|\bsetup\b", re.IGNORECASE
)
TALK = re.compile(r"err|fail|warn|time-?out|bad\b|lost|ok\b", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """A line of a capture: its readings, if it is whole, and how many it seems to have otherwise."""

    values: tuple[float, ...]
    names: tuple[str, ...]
    n_numbers: int
    n_parts: int

    @property
    def shape(self) -> tuple[int, tuple[str, ...]]:
        return len(self.values), self.names

    def is_part_of(self, shape: tuple[int, tuple[str, ...]]) -> bool:
        """Tell whether this seems to be a reading of that shape, cut short or garbled."""
        if self.names and shape[1] and not set(self.names) & set(shape[1]):
            return False
        return 0 < 2 * self.n_numbers >= max(shape[0], self.n_parts) or (bool(self.values) and not self.names)


def bare(line: str) -> str:
    return ARRIVAL.sub("", ESCAPE.sub("", line), count=1).replace("\0", "").strip()


def line_of(text: str) -> Line:
    """Take a line apart."""
    names: tuple[str, ...] = ()
    if PAIRS.fullmatch(text):
        parts = re.split(r"\s*[:=]\s*|[,;\s]+", text.strip(",; "))
        names, parts = tuple(parts[::2]), parts[1::2]
    else:
        parts = text.split()
        if len(parts) < 2 or not all(re.fullmatch(r"[-+]?\d+,\d+", part) for part in parts):
            parts = re.split(r"[,;\s]+", text.strip(",; \t"))
        else:
            parts = [part.replace(",", ".") for part in parts]
    try:
        values = tuple(map(float, parts)) if "_" not in "".join(parts) else ()
    except ValueError:
        values = ()
    n_numbers = len(values) or sum(_is_like_a_number(part) for part in parts)
    return Line(values, names, n_numbers, len(parts))


def _is_like_a_number(part: str) -> bool:
    digits = sum(char.isdigit() or char in "+-." for char in part)
    return 2 * digits >= len(part) and any(map(str.isdigit, part))


def heads_in(text: str, width: int) -> tuple[str, ...]:
    """Return the names of columns, if that is what the line holds: as many words as a reading, or in a table."""
    tabular = re.search(r"[,;\t]", text) is not None
    heads = tuple(head.strip() for head in re.split(r"[,;\t]+" if tabular else r"\s+", text))
    fits = len(heads) == len(set(heads)) > 1 and (tabular or len(heads) == width)
    return (
        heads
        if fits and all(map(NAME.fullmatch, heads)) and not TALK.match(text) and not RESTART.search(text)
        else ()
    )
