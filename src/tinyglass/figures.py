"""Pictures, as SVG text or files. They need matplotlib; without it a function that gives text gives None."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ArgumentError, printable
from .network import Network
from .recordings import Recording
from .storage import write_atomically

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#007a5a", "#a3478a", "#666666"
"""Colours that colour-blind people tell apart too (M. Okabe and K. Ito, 2008), darkened for contrast."""

PAIR_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY, "#000000")

BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}

PAD = 0.1  # inches around all that is drawn
MOST_LINES = 40  # recordings drawn of each class
MOST_PANELS = 48
MOST_POINTS = 400  # of a curve
MOST_ROWS, MOST_COLUMNS = 30, 9  # classes and channels in a picture of all recordings, and in all panels
LARGEST_DRAWN = 1e100  # beyond it, a scale overflows
MOST_LINES_TOGETHER, MOST_POINTS_TOGETHER = 6000, 600_000
PICTURES = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}  # ending, and first bytes
MOST_NEURONS = 10  # drawn of each layer
MOST_NUMBERS = 24  # weights whose numbers are written on the picture

STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tinyglass",  # the same picture, the same bytes
    "text.parse_math": False,  # a $ in a label is a $
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "lines.linewidth": 1.6,
}


def as_svg(draw: Callable[..., Any]) -> Callable[..., str | None]:
    """Let a function that draws on a matplotlib module's figure return SVG text."""

    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> str | None:
        try:
            import matplotlib
            from matplotlib.backends.backend_svg import FigureCanvasSVG
            from matplotlib.figure import Figure
        except ImportError:
            return None
        with matplotlib.rc_context(STYLE), warnings.catch_warnings():
            # The browser has the letters that matplotlib's own font lacks; a curve may be steep.
            warnings.simplefilter("ignore")
            figure = draw(Figure, *arguments, **options)
            text = io.StringIO()
            FigureCanvasSVG(figure)  # which measures texts as it will write them
            # "tight" would draw the picture twice, as only a layout by matplotlib needs.
            around = "tight" if figure.get_layout_engine() else figure.get_tightbbox().padded(PAD)
            figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches=around)
        return text.getvalue()

    return drawn


@as_svg
def draw_recordings(Figure: Any, recordings: Sequence[Recording], classes: Sequence[str] | None) -> Any:
    """Return the recordings as lines, one panel a class and channel."""
    channels, units = recordings[0].channels, recordings[0].units
    groups: list[tuple[str, list[Recording]]] = [("all recordings", list(recordings))]
    if classes is not None:
        groups = [(name, [r for r in recordings if r.label == name]) for name in classes]
    # A row of a table is drawn over its columns: they are no channels in time.
    across = all(r.n_readings == 1 for r in recordings)
    panels: list[tuple[str, list[Recording], int | None]] = []
    for name, members in groups:
        for c in [None] if across else range(len(channels)):
            channel = "" if c is None else f"{channels[c]}{f' ({units[c]})' if units[c] else ''}"
            title = f"{name} ({len(members)})" + (f": {channel}" if channel else "")
            panels.append((printable(title), members, c))
    panels = panels[:MOST_PANELS]
    columns = 1 if across or len(channels) == 1 else 2
    rows = -(-len(panels) // columns)
    figure, grid = _stacked(Figure, 5.2, 1.9, rows, columns, gaps=(0.3, 0.3), sharex=True)
    axes = grid.ravel()
    for axis in axes[len(panels) :]:
        axis.axis("off")
    for axis, (title, members, c) in zip(axes, panels, strict=False):
        chosen = members
        if len(members) > MOST_LINES:
            chosen = [members[i] for i in np.linspace(0, len(members) - 1, MOST_LINES).astype(int)]
            title += f", {MOST_LINES} drawn"
        for recording in chosen:
            values = recording.signal[0] if c is None else recording.signal[:, c]
            few = len(values) <= 12
            axis.plot(
                _over(recording, len(values), across),
                values,
                color=BLUE,
                alpha=0.6 if len(chosen) <= 10 else 0.35,
                linewidth=1.6 if few else 0.8,
                marker="." if few else "",
            )
        axis.set_title(title, loc="left", fontsize=12 if columns == 1 else 9, y=1)
        axis.tick_params(labelsize=11 if columns == 1 else 8)
        axis.grid(color="#dddddd", linewidth=0.6)
    if across and len(channels) <= 12:
        axes[-1].set_xticks(range(len(channels)), [printable(c) for c in channels], rotation=30, ha="right")
    elif not across:
        known = all(r.rate_hz for r in recordings)
        figure.supxlabel("seconds" if known else "reading", fontsize=11, y=0, va="top")
    return figure


def _stacked(
    Figure: Any,
    wide: float,
    row: float,
    n_rows: int,
    n_columns: int,
    gaps: tuple[float, float],
    **shared: Any,
) -> tuple[Any, Any]:
    """Return a figure of this width and height of a row, in inches, and its panels, (n_rows, n_columns).

    It is laid out by numbers, and titles are placed at y=1: where matplotlib seeks the places, it draws every
    panel several times over. What reaches beyond the figure is not cut: `as_svg` makes room for it.
    """
    high = row * n_rows
    edges = {"left": 0.5 / wide, "right": 1 - 0.1 / wide, "top": 1 - 0.25 / high, "bottom": 0.3 / high}
    figure = Figure(figsize=(wide, high))
    spaces = {"wspace": gaps[0], "hspace": gaps[1]}
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, gridspec_kw=spaces | edges, **shared)


def _over(recording: Recording, n: int, across: bool) -> np.ndarray:
    """Return where the readings lie: in seconds, if they are known."""
    return np.arange(n) / (1 if across else recording.rate_hz or 1)


def plot_recordings(recordings: Sequence[Recording], path: str | Path) -> None:
    """Draw all recordings, one row a class and one column a channel, and write the picture.

    Parameters
    ----------
    recordings : sequence of Recording
    path : ending in ``.svg``, ``.png`` or ``.pdf``

    Raises
    ------
    ArgumentError
        If the ending is another one, matplotlib is missing, there are no recordings, or the file
        is there and is no such picture.
    StorageError
        If the file cannot be written.
    """
    if not len(recordings):
        raise ArgumentError("There are no recordings to draw", "--plot", "Read some first")
    write_picture(path, _by_class_and_channel, recordings)


def write_picture(path: str | Path, draw: Callable[..., Any], *arguments: Any) -> None:
    """Write what a function draws to a file that is whole or absent.

    Parameters
    ----------
    path : ending in ``.svg``, ``.png`` or ``.pdf``
    draw : function of matplotlib's ``Figure`` and the arguments, returning a figure
    *arguments : passed on

    Raises
    ------
    ArgumentError
        If the ending is another one, matplotlib is missing, or the file is there and is no such picture.
    StorageError
        If the file cannot be written.
    """
    path = check_picture(path)
    import matplotlib
    from matplotlib.figure import Figure

    picture = io.BytesIO()
    kind = path.suffix.lower()[1:]
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks
        figure = draw(Figure, *arguments)
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        figure.savefig(picture, format=kind, dpi=100, metadata=undated)
    write_atomically(path, picture.getvalue())


def check_picture(path: str | Path) -> Path:
    """Return where a picture is to be written, refusing what `write_picture` would refuse after long work.

    Raises
    ------
    ArgumentError
        If the ending is no picture's, matplotlib is missing, or the file is there and is no such picture.
    """
    path = Path(path)
    begin = PICTURES.get(path.suffix.lower())
    if begin is None:
        raise ArgumentError(
            f"Expected a file that ends in .svg, .png or .pdf, found {path.name!r}",
            "--plot",
            "Change its ending",
        )
    if path.exists() and not _begins(path, begin):
        raise ArgumentError("The file is there, and is no picture", str(path), "Choose another name")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ArgumentError(
            "Pictures need matplotlib, which is not installed", "--plot", "pip install 'tinyglass[plots]'"
        ) from error
    return path


def _begins(path: Path, begin: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(begin)) == begin


def _by_class_and_channel(Figure: Any, recordings: Sequence[Recording]) -> Any:
    # Neither shared axes nor a layout by matplotlib: with hundreds of panels they take minutes.
    classes = [name for name, _ in Counter(r.label for r in recordings).most_common(MOST_ROWS)]
    rows = sorted(classes, key=lambda name: (name is None, name))
    channels = [name for name, _ in Counter(c for r in recordings for c in r.channels).most_common()]
    across = all(r.n_readings == 1 for r in recordings)
    columns: list[str | None] = [None] if across else list(channels[:MOST_COLUMNS])
    n_panels = len(rows) * len(columns)
    most = int(np.clip(MOST_LINES_TOGETHER // n_panels, MOST_LINES, 300))
    timed = all(r.rate_hz or r.times is not None for r in recordings) and not across

    figure, panels = _panels(Figure, len(rows), len(columns))
    lines: dict[tuple[int, int], list[np.ndarray]] = {}
    for row, name in enumerate(rows):
        members = [r for r in recordings if r.label == name]
        drawn = [members[i] for i in np.unique(np.linspace(0, len(members) - 1, most).astype(int))]
        n_points = int(np.clip(MOST_POINTS_TOGETHER // n_panels // len(drawn), 30, MOST_POINTS))
        for column, channel in enumerate(columns):
            some = [r for r in drawn if channel is None or channel in r.channels]
            lines[row, column] = [_line(r, channel, timed, n_points) for r in some]
        count = f"{len(members):,}" + (f", {len(drawn):,} drawn" if len(drawn) < len(members) else "")
        title = f"{'no label' if name is None else _short(name)}\n({count})"
        where = {"xytext": (-36, 0), "textcoords": "offset points", "xycoords": "axes fraction"}
        panels[row, 0].annotate(title, (0, 0.5), **where, ha="right", va="center", fontsize=9)
    longest = [max((line[-1, 0] for line in own), default=0.0) for own in lines.values()]
    together = max(longest) <= 3 * np.median([length for length in longest if length > 0] or [0.0])
    for (row, column), own in lines.items():
        same_column = [line[:, 1] for (_, c), others in lines.items() if c == column for line in others]
        _draw_lines(panels[row, column], own, max(longest) if together else None, same_column)
        if together and row < len(rows) - 1:
            panels[row, column].tick_params(labelbottom=False)
    if across and len(channels) <= 12:
        panels[-1, 0].set_xticks(range(len(channels)), [_short(c) for c in channels], rotation=30, ha="right")
    for panel, channel in zip(panels[0], columns, strict=True):
        panel.set_title("" if channel is None else _with_unit(channel, recordings), fontsize=10)
    n_classes = len({r.label for r in recordings})
    left_out = [f"{n_classes - len(rows):,} more classes"] * (n_classes > len(rows))
    left_out += [f"{len(channels) - len(columns):,} more channels"] * (
        not across and len(channels) > len(columns)
    )
    below = "channel" if across else "seconds" if timed else "reading"
    text = below + (f" (not drawn: {', '.join(left_out)})" if left_out else "")
    figure.supxlabel(text, y=0.12 / figure.get_figheight(), va="bottom", fontsize=9)
    return figure


def _panels(Figure: Any, n_rows: int, n_columns: int) -> tuple[Any, Any]:
    """Return a figure with room for names at the left, and its panels."""
    wide, high = max(6.0, 2.3 * n_columns + 2.7), 1.5 * n_rows + 1.2  # inches
    figure = Figure(figsize=(wide, high))
    edges = {"left": 2.4 / wide, "right": 1 - 0.2 / wide, "top": 1 - 0.4 / high, "bottom": 0.75 / high}
    return figure, figure.subplots(
        n_rows, n_columns, squeeze=False, gridspec_kw={"wspace": 0.28, "hspace": 0.3} | edges
    )


def _line(recording: Recording, channel: str | None, timed: bool, n_points: int) -> np.ndarray:
    """Return (n, 2) points: one channel over time, or a single reading over its channels."""
    values = (
        recording.signal[0] if channel is None else recording.signal[:, recording.channels.index(channel)]
    )
    over = np.arange(len(values)) / ((recording.rate_hz or 1.0) if timed else 1.0)
    if timed and recording.times is not None:
        over = recording.times - recording.times[0]
    at = np.unique(np.linspace(0, len(values) - 1, min(n_points, len(values))).astype(int))
    return np.clip(np.stack([over[at], values[at]], axis=1), -LARGEST_DRAWN, LARGEST_DRAWN)


def _draw_lines(panel: Any, lines: list[np.ndarray], longest: float | None, column: list[np.ndarray]) -> None:
    """Draw lines as one picture; all panels of a column have one scale."""
    from matplotlib.collections import LineCollection

    if not lines:
        panel.axis("off")  # none of them has this channel
        return
    alpha = max(0.08, 0.9 / len(lines) ** 0.4)
    few = max(map(len, lines)) <= 12
    panel.add_collection(LineCollection(lines, colors=BLUE, alpha=alpha, linewidths=1.2 if few else 0.6))
    if few:
        panel.plot(*np.concatenate(lines).T, ".", color=BLUE, alpha=alpha)
    end = max(line[-1, 0] for line in lines) if longest is None else longest
    low, high = min(values.min() for values in column), max(values.max() for values in column)
    edge = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    panel.set_xlim(-0.03 * end or -0.5, 1.03 * end or 0.5)
    panel.set_ylim(low - edge, high + edge)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.tick_params(labelsize=7)
    panel.locator_params(nbins=4)


def _with_unit(channel: str, recordings: Sequence[Recording]) -> str:
    units = {u for r in recordings for c, u in zip(r.channels, r.units, strict=True) if c == channel}
    return _short(channel) + (f" ({_short(units.pop())})" if len(units) == 1 and any(units) else "")


def _short(name: str, most: int = 24) -> str:
    return printable(name if len(name) <= most else f"{name[: most - 1]}…")


@as_svg
def draw_pairs(
    Figure: Any, pairs: Sequence[tuple[Recording, Recording, str, str]], deviations: np.ndarray
) -> Any:
    """Return recordings (left) beside others (right), on the same scale, each under its title.

    Several channels are divided by their deviations, so that all of them can be seen.
    """
    figure, panels = _stacked(Figure, 8, 1.9, len(pairs), 2, gaps=(0.04, 0.6), sharey="row")
    for row, (mine, other, title, other_title) in zip(panels, pairs, strict=True):
        for panel, recording, text in ((row[0], mine, title), (row[1], other, other_title)):
            across = recording.n_readings == 1
            timed = bool(recording.rate_hz or recording.times is not None) and not across
            names: Sequence[str | None] = [None] if across else recording.channels[:MOST_COLUMNS]
            for number, channel in enumerate(names):
                line = _line(recording, channel, timed, MOST_POINTS)
                if len(names) > 1:
                    line[:, 1] /= deviations[number]
                panel.plot(*line.T, color=PAIR_COLOURS[number % len(PAIR_COLOURS)], linewidth=1.1)
            panel.set_title(printable(text), fontsize=11, y=1)
            panel.tick_params(labelsize=9)
            panel.set_xlabel("channel" if across else "seconds" if timed else "reading", fontsize=9)
    lines = panels[0, 0].get_lines()
    if len(lines) > 1:
        names = [_short(name) for name in pairs[0][0].channels[: len(lines)]]
        figure.legend(lines, names, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=6, fontsize=8)
    return figure


@as_svg
def draw_curves(
    Figure: Any,
    curves: Sequence[tuple[str, str, Sequence[tuple[str, np.ndarray]]]],
    best_epoch: int | None = None,
) -> Any:
    """Return curves over the epochs, one panel a (title, scale, named curves)."""
    from matplotlib.ticker import LogLocator

    figure, grid = _stacked(Figure, 6, 2.6, len(curves), 1, gaps=(0.0, 0.2), sharex=True)
    panels = grid[:, 0]
    for panel, (title, scale, named) in zip(panels, curves, strict=True):
        for (name, curve), colour, dash in zip(named, (BLUE, ORANGE), ("-", "--"), strict=False):
            at = np.unique(np.linspace(0, len(curve) - 1, min(MOST_POINTS, len(curve))).astype(int))
            panel.plot(
                at + 1, curve[at], color=colour, linestyle=dash, label=name, marker="." if len(at) < 3 else ""
            )
        positive = all((curve > 0).all() for _, curve in named)
        if scale == "log" and positive:
            panel.set_yscale("log")
            panel.yaxis.set_major_formatter("{x:g}")
            panel.yaxis.set_minor_formatter("{x:g}")
            panel.tick_params(axis="y", which="minor", labelsize=8)
            span = max(curve.max() for _, curve in named) / min(curve.min() for _, curve in named)
            panel.yaxis.set_minor_locator(LogLocator(subs=(2, 5) if span < 200 else ()))
        panel.set_title(title, loc="left", y=1)
        panel.grid(color="#dddddd", linewidth=0.6)
        if best_epoch:
            panel.axvline(best_epoch, color=GREEN, linewidth=1, label=f"best: epoch {best_epoch}")
        if len(named) > 1 or best_epoch:
            panel.legend(frameon=False)
    panels[-1].set_xlabel("epoch")
    return figure


@as_svg
def draw_network(Figure: Any, network: Network) -> Any:
    """Return the neurons as circles, the weights as lines: blue positive, orange negative."""
    columns = [list(network.input_names)]
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        columns.append([f"{name}[{j}]" for j in range(layer.n_outputs)])
    if network.classes is not None:
        columns[-1] = list(network.classes)
    shown = [_places(len(column)) for column in columns]
    tallest = max(len(places) for places in shown)
    numbered = network.n_weights <= MOST_NUMBERS
    row_height = 1.25 if numbered else 0.6
    figure = Figure(
        figsize=(1.45 * len(columns) + 0.9, max(2.0, row_height * tallest) + 0.7), layout="constrained"
    )
    panel = figure.subplots()
    panel.axis("off")
    height = {
        (c, place): tallest / 2 - (row + 0.5) * tallest / len(places)
        for c, places in enumerate(shown)
        for row, place in enumerate(places)
    }
    for c, layer in enumerate(network.layers):
        largest = float(np.abs(layer.weights).max()) or 1.0
        for j in (p for p in shown[c + 1] if p >= 0):
            for i in (p for p in shown[c] if p >= 0):
                weight = float(layer.weights[j, i])
                colour = BLUE if weight >= 0 else ORANGE
                begin, end = height[c, i], height[c + 1, j]
                panel.plot(
                    [c, c + 1],
                    [begin, end],
                    color=colour,
                    linewidth=0.3 + 3.5 * abs(weight) / largest,
                    alpha=0.75,
                    linestyle="-" if weight >= 0 else "--",
                    zorder=1,
                )
                if numbered:
                    along = (
                        0.3 if layer.n_inputs >= layer.n_outputs else 0.7
                    )  # where lines lie furthest apart
                    panel.text(
                        c + along,
                        begin + along * (end - begin),
                        f"{weight:.3g}",
                        fontsize=9,
                        ha="center",
                        va="center",
                        color="black",
                        bbox=BEHIND_TEXT,
                    )
    for c, (column, places) in enumerate(zip(columns, shown, strict=True)):
        for place in places:
            at = height[c, place]
            if place < 0:
                panel.text(c, at, f"⋮ {-place} more", ha="center", va="center", fontsize=10)
                continue
            panel.plot(c, at, "o", markersize=15, markerfacecolor="white", markeredgecolor="black", zorder=2)
            name = printable(column[place])[:24]
            bias = network.layers[c - 1].bias if c and numbered else None
            if bias is not None:
                name += f"\nbias {bias[place]:.3g}"
            last = c == len(columns) - 1
            side = {"ha": "left"} if last else {"ha": "right"} if c == 0 else {"ha": "center"}
            dx, dy = (0.12, 0) if last else (-0.12, 0) if c == 0 else (0, 0.2 / row_height + 0.05)
            panel.text(c + dx, at + dy, name, va="center", fontsize=10, bbox=BEHIND_TEXT, **side)
    titles = [
        "inputs",
        *(f"{n}\n{x.activation}" for n, x in zip(network.layer_names, network.layers, strict=True)),
    ]
    for c, title in enumerate(titles):
        panel.text(c, tallest / 2 + 0.1, title, ha="center", va="bottom", fontsize=11, fontweight="bold")
    panel.set_xlim(-0.9, len(columns) - 0.1)
    panel.set_ylim(-tallest / 2 - 0.1, tallest / 2 + 0.1 + 0.5 / row_height)
    return figure


def _places(n: int) -> list[int]:
    """Return which of n neurons are drawn; a negative number stands for that many left out."""
    if n <= MOST_NEURONS:
        return list(range(n))
    half = MOST_NEURONS // 2
    return [*range(half), -(n - 2 * half), *range(n - half, n)]
