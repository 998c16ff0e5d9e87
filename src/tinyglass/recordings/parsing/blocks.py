"""Where recordings end that follow each other in one file, without times.

Blank lines end a recording. Where there is one after every row, more than the usual number do. A block that
is a whole multiple of the others (or, if all are, of 119) lacks separators, and is cut.

Without any separator, the readings themselves tell: where one recording ends and the next begins, all
channels jump. If the steps from row to row are larger every N rows than elsewhere, by five standard errors, N rows
are a recording. Otherwise 119 rows are one, which is what the kit records, if the number of rows is a
multiple of that; and if it is not, the file is one recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..source import Source

KIT = 119  # readings that the kit takes for a recording: one second
SHORTEST = 10  # readings of a recording that is found by its jumps
CERTAIN = 5.0  # standard errors


def cut_at_blanks(source: Source, blanks: Sequence[int], lines: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first row of each block, and the one after its last.

    Parameters
    ----------
    blanks : the number of blank lines before each row; -1 where a recording begins for another reason
    lines : the number of each row's line
    """
    inside = [n for n in blanks[1:] if n >= 0]
    usual = Counter(inside).most_common(1)[0][0] if inside else 0
    if usual:
        source.repaired("There is a blank line after every row; more of them end a recording", lines[0])
    begins = [0, *(row for row in range(1, len(lines)) if blanks[row] < 0 or blanks[row] > usual)]
    return list(zip(begins, [*begins[1:], len(lines)], strict=True))


def cut_multiples(
    source: Source, blocks: Sequence[tuple[int, int]], lines: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the blocks with those cut that are several recordings, as separators are missing."""
    lengths = [end - begin for begin, end in blocks]
    usual, times = Counter(lengths).most_common(1)[0]
    if len(set(lengths)) > 1 and not any(length % KIT for length in lengths):
        usual = KIT
    elif 2 * times <= len(lengths):
        return list(blocks)
    found = []
    for begin, end in blocks:
        n = end - begin
        if n % usual == 0 and n > usual:
            source.repaired(
                f"Separators are missing; each {usual} rows were read as a recording", lines[begin]
            )
            found += [(row, row + usual) for row in range(begin, end, usual)]
        else:
            if n != usual:
                source.repaired(f"A recording has more or fewer than the usual {usual} rows", lines[begin])
            found.append((begin, end))
    return found


def cut_at_jumps(source: Source, signal: np.ndarray, line: int | None) -> list[tuple[int, int]]:
    """Return the recordings in rows without separators; what is left over at the end is dropped by name."""
    n = len(signal)
    length, jumps = _period(signal)
    if length == n:
        if n > KIT:
            source.repaired(
                f"No separators, and no multiple of {KIT} rows: all are read as one recording", line
            )
        return [(0, n)]
    why = f"the readings jump every {length} rows" if jumps else f"{length} rows are what the kit records"
    source.repaired(f"No separators between recordings; {why}, and each {length} were read as one", line)
    found = [(row, row + length) for row in range(0, n - length + 1, length)]
    rest = n % length
    if rest >= 0.9 * length:
        source.repaired(f"The last recording has only {rest} rows", line)
        found.append((n - rest, n))
    elif rest:
        source.dropped(f"Rows after the last whole recording of {length}", rest, line)
    return found


def _period(signal: np.ndarray) -> tuple[int, bool]:
    """Return the rows of a recording, and whether the readings jump between them."""
    n = len(signal)
    with np.errstate(all="ignore"):  # readings may be anything here
        steps = _ranks(np.abs(np.diff(signal, axis=0)))
    lengths = {p for p in range(SHORTEST, n // 2 + 1) if n % p == 0} | ({KIT} if n > 2 * KIT else set())
    jumps = {length: _jump(steps, length) for length in lengths}
    certain = {length: excess * errors for length, (excess, errors) in jumps.items() if errors >= CERTAIN}
    if certain:
        return max(certain, key=lambda length: certain[length]), True
    return (KIT, False) if n % KIT == 0 else (n, False)


def _ranks(steps: np.ndarray) -> np.ndarray:
    """Return how large each step is among all, 0 to 1, as the mean over the channels. (n_steps,)"""
    mean = np.zeros(len(steps))
    for channel in steps.T:
        ordered = np.sort(channel)
        mean += np.searchsorted(ordered, channel, "left") + np.searchsorted(ordered, channel, "right")
    return mean / max(2 * steps.size, 1)


def _jump(steps: np.ndarray, length: int) -> tuple[float, float]:
    """Return by how much the steps between recordings of this length are larger, and in standard errors."""
    between = steps[length - 1 :: length]
    excess = float(between.mean() - steps.mean())
    spread = float(steps.std())
    return excess, excess / spread * len(between) ** 0.5 if spread else 0.0
