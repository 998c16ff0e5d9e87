"""The picture of a prediction: the recording, coloured by what each reading contributed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import printable
from ...figures import BEHIND_TEXT, BLUE, GREY, LARGEST_DRAWN, MOST_COLUMNS, ORANGE, as_svg
from ...recordings import Recording

BETWEEN = "#d4d4d4"  # of what hardly contributed
NUMBERED = 3  # of the strongest readings carry their rank
MARKED = 40  # strongest readings with a triangle
SMALLEST_MARK = 0.05  # of the strongest contribution
MOST_BARS = 20


@as_svg
def draw_contributions(
    Figure: Any, recording: Recording, contributions: np.ndarray, towards: str, away: str
) -> Any:
    """Return the channels as lines, blue where readings spoke for the answer, orange where against it.

    Triangles say the same without colours: up for, down against, the larger the more.

    Parameters
    ----------
    Figure : class, of matplotlib
    recording : Recording
    contributions : array, (n_readings, n_channels)
    towards, away : str, what blue and orange mean
    """
    if recording.n_readings == 1:
        return _bars(Figure, recording, contributions[0], towards, away)
    order = np.argsort(-np.abs(contributions).max(axis=0), kind="stable")[:MOST_COLUMNS]
    shown = sorted(order.tolist())
    largest = float(np.abs(contributions).max()) or 1.0
    ranks = np.argsort(-np.abs(contributions), axis=None, kind="stable")
    figure = Figure(figsize=(5.2, 1.7 * len(shown) + 1.0), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    over = times_of(recording)
    for panel, c in zip(panels, shown, strict=True):
        values = np.clip(recording.signal[:, c], -LARGEST_DRAWN, LARGEST_DRAWN)
        shares = contributions[:, c] / largest
        lines = _line(panel, over, values, np.sign(shares) * np.sqrt(np.abs(shares)))  # small ones show too
        _mark(panel, over, values, c, contributions, ranks, largest)
        unit = f" ({printable(recording.units[c])})" if recording.units[c] else ""
        panel.set_title(f"{printable(recording.channels[c])[:40]}{unit}", loc="left", fontsize=12)
        panel.margins(0.05, 0.2)
        panel.grid(color="#dddddd", linewidth=0.6)
        panel.tick_params(labelsize=11)
        panel.locator_params(axis="y", nbins=4)
    panels[-1].set_xlabel("seconds" if is_timed(recording) else "reading", fontsize=11)
    bar = figure.colorbar(lines, ax=panels, location="bottom", shrink=0.9, aspect=40, ticks=[-1, 0, 1])
    bar.ax.set_xticklabels([f"▼ {_short(away)}", "0", f"▲ {_short(towards)}"], fontsize=11)
    for label, side in zip(bar.ax.get_xticklabels(), ("left", "center", "right"), strict=True):
        label.set_ha(side)
    bar.outline.set_visible(False)
    return figure


def times_of(recording: Recording) -> np.ndarray:
    """Return where the readings lie: seconds from the first where these are known, else their numbers from 1.

    Examples
    --------
    >>> times_of(Recording([[1.0], [2.0]], rate_hz=50.0)).tolist()
    [0.0, 0.02]
    """
    if recording.times is not None:
        return recording.times - recording.times[0]
    places = np.arange(recording.n_readings)
    return places / recording.rate_hz if recording.rate_hz else places + 1.0


def is_timed(recording: Recording) -> bool:
    """Tell whether it is known when the readings were taken."""
    return recording.times is not None or bool(recording.rate_hz)


def _line(panel: Any, over: np.ndarray, values: np.ndarray, shares: np.ndarray) -> Any:
    """Draw the line of a channel, each half of a segment in the colour of its reading."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    points = np.stack([over, values], axis=1)
    middles = (points[1:] + points[:-1]) / 2
    before, after = np.stack([points[:-1], middles], axis=1), np.stack([middles, points[1:]], axis=1)
    lines = LineCollection(
        np.concatenate([before, after]),  # type: ignore[arg-type]
        cmap=LinearSegmentedColormap.from_list("against or for", [ORANGE, BETWEEN, BLUE]),
        linewidths=2.6,
        capstyle="round",
    )
    lines.set_array(np.concatenate([shares[:-1], shares[1:]]))
    lines.set_clim(-1, 1)
    panel.add_collection(lines)
    panel.plot(over, values, color=GREY, linewidth=0.4)
    return lines


def _mark(
    panel: Any,
    over: np.ndarray,
    values: np.ndarray,
    channel: int,
    contributions: np.ndarray,
    ranks: np.ndarray,
    largest: float,
) -> None:
    """Draw triangles at the strongest readings of all channels, and the ranks of the first three."""
    for rank, place in enumerate(ranks[:MARKED].tolist(), 1):
        k, c = divmod(place, contributions.shape[1])
        share = contributions[k, c] / largest
        if c != channel or abs(share) < SMALLEST_MARK:
            continue
        panel.plot(
            over[k],
            values[k],
            "^" if share > 0 else "v",
            markersize=3 + 8 * abs(share) ** 0.5,
            color=BLUE if share > 0 else ORANGE,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )
        if rank <= NUMBERED:
            panel.annotate(
                str(rank),
                (over[k], values[k]),
                xytext=(0, 11 if share > 0 else -11),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=11,
                fontweight="bold",
                bbox=BEHIND_TEXT,
            )


def _bars(Figure: Any, recording: Recording, contributions: np.ndarray, towards: str, away: str) -> Any:
    """Return the channels of a single reading as bars, to the right for and to the left against."""
    order = np.argsort(-np.abs(contributions), kind="stable")[:MOST_BARS]
    figure = Figure(figsize=(5.2, 0.34 * len(order) + 1.1), layout="constrained")
    panel = figure.subplots()
    own = contributions[order]
    panel.barh(np.arange(len(order)), own, color=np.where(own > 0, BLUE, ORANGE), height=0.7)
    names = [
        f"{_short(recording.channels[c])} = {recording.signal[0, c]:.4g} {printable(recording.units[c])}"
        for c in order
    ]
    panel.set_yticks(np.arange(len(order)), names, fontsize=11)
    panel.invert_yaxis()
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_xlabel(f"◀ {_short(away)}   |   {_short(towards)} ▶", fontsize=11)
    panel.locator_params(axis="x", nbins=5)
    return figure


def _short(name: str, most: int = 30) -> str:
    return printable(name if len(name) <= most else f"{name[: most - 1]}…")
