"""Curves in a terminal, of braille dots."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import printable

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a braille character, by column and row
BLANK = 0x2800
MOST_CHANNELS = 6  # that are drawn
MOST_ROWS = 12  # of characters, for all channels together
LONGEST_NAME = 16  # characters of a channel's name that are shown
MARKS = 10  # characters of the marks of a scale
COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red")


def curve(values: Sequence[float], width: int, height: int) -> list[str]:
    """Return rows of characters that draw the values from left to right, each as high as it is large.

    Parameters
    ----------
    values : sequence of float
    width, height : int, characters

    Examples
    --------
    >>> curve([0.0, 1.0, 2.0, 3.0], width=2, height=1)
    ['⡠⠊']
    """
    cells = np.zeros((height, width), dtype=int)
    if len(values):
        places = np.linspace(0, len(values) - 1, 2 * width if len(values) > 1 else 1)
        heights = np.interp(places, np.arange(len(values)), np.asarray(values, dtype=float))
        low, high = float(np.min(values)), float(np.max(values))
        span = high - low or 1.0
        dots = np.rint((heights - low) / span * (4 * height - 1)).astype(int)
        before = dots[0]
        for x, top in enumerate(dots.tolist()):
            # A steep step is drawn as a line, not as two dots apart.
            for y in range(min(before + (top > before), top), max(before - (top < before), top) + 1):
                row = 4 * height - 1 - y
                cells[row // 4, x // 2] |= DOTS[x % 2][row % 4]
            before = top
    return ["".join(chr(BLANK + cell) for cell in row) for row in cells.tolist()]


def panel_rows(
    rows: Sequence[Sequence[float]], channels: Sequence[str], width: int, most_rows: int = MOST_ROWS
) -> list[tuple[str, str, str]]:
    """Return (name of the channel, mark of the scale, piece of the curve) for each line of a drawing.

    Parameters
    ----------
    rows : sequence of readings, (n_readings, n_channels)
    channels : sequence of str
    width : int, characters of the curve
    most_rows : int, characters of height, at most

    Examples
    --------
    >>> panel_rows([[0.0], [1.0]], ["x"], width=2, most_rows=1)
    [('x', '0 to 1', '⡠⠊')]
    """
    drawn = channels[:MOST_CHANNELS]
    height = max(1, min(4, most_rows // len(drawn)))
    lines = []
    for place, name in enumerate(drawn):
        values = [row[place] for row in rows]
        low, high = (f"{end(values):.4g}" if values else "" for end in (min, max))
        marks = [f"{low} to {high}" if values else ""] if height == 1 else [high, *[""] * (height - 2), low]
        for i, piece in enumerate(curve(values, width, height)):
            lines.append((name if not i else "", marks[i], piece))
    if len(channels) > len(drawn):
        lines.append((f"and {len(channels) - len(drawn)} more", "", ""))
    return lines


def draws() -> bool:
    """Tell whether this is a terminal that curves can be drawn on."""
    from rich.console import Console

    console = Console()
    encoding = (getattr(sys.stdout, "encoding", "") or "").lower()
    return console.is_terminal and not console.is_dumb_terminal and encoding.startswith("utf")


def drawing(
    rows: Sequence[Sequence[float]], channels: Sequence[str], width: int, height: int, share: float = 1.0
) -> Any:
    """Return the curves of all channels, as rich shows them.

    Parameters
    ----------
    rows : (n_readings, n_channels)
    channels : sequence of str
    width, height : int, characters that there are
    share : float, of the width that the curve takes as yet
    """
    from rich.table import Table
    from rich.text import Text

    names = min(max(map(len, channels)), LONGEST_NAME)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, max_width=LONGEST_NAME)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    wide = max(1, round(share * max(MARKS, width - names - MARKS - 2)))
    colour = -1
    height = max(1, min(MOST_ROWS, height))
    for name, mark, piece in panel_rows(rows, channels, wide, height):
        colour += bool(name)
        table.add_row(Text(printable(name)), Text(mark, "dim"), Text(piece, COLOURS[colour % len(COLOURS)]))
    return table


def print_sentence(console: Any, text: str) -> None:
    """Print a sentence, wrapped between words; a long path in it stays whole, to be copied."""
    from rich.text import Text

    longest = max(map(len, text.split()), default=0)
    console.print(Text(printable(text)), soft_wrap=longest > console.width)
