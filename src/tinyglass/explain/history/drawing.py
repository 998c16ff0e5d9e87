"""How a number moved over a training, as a picture and as a plot made of characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import printable
from ...figures import GREEN, GREY, LARGEST_DRAWN, PAIR_COLOURS, as_svg

WIDTH, HEIGHT = 60, 12  # characters
BANDS = ((0, 100, 0.15), (10, 90, 0.25), (25, 75, 0.4))  # percentiles, and how dark


class Panel(NamedTuple):
    """Curves over the same epochs, drawn in one frame.

    Attributes
    ----------
    title : str
    lines : sequence of (name, values); each has a colour of its own
    thin : array, (n_moments, n_lines): the others, all grey
    spread : array, (n_moments, n_lines), of which only percentiles are drawn
    decades : bool, whether the values are on a logarithmic scale
    """

    title: str
    lines: Sequence[tuple[str, np.ndarray]]
    thin: np.ndarray | None = None
    spread: np.ndarray | None = None
    decades: bool = False


def is_early(epochs: np.ndarray, values: np.ndarray) -> bool:
    """Tell whether most of the movement lies in the first twentieth, so that epochs want a logarithmic axis.

    Parameters
    ----------
    epochs : array, (n_moments,)
    values : array, (n_moments, n_lines)

    Examples
    --------
    >>> is_early(np.arange(101), np.exp(-np.arange(101))[:, None])
    True
    """
    steps = np.abs(np.diff(_drawable(values), axis=0)).sum(axis=1)
    return bool(epochs[-1] >= 20 and steps[epochs[1:] <= epochs[-1] / 20].sum() > steps.sum() / 2)


def draw_history(
    Figure: Any,
    epochs: np.ndarray,
    panels: Sequence[Panel],
    best_epoch: int | None = None,
    logarithmic: bool = False,
) -> Any:
    """Return curves over the epochs on a figure of matplotlib, one below the other.

    Parameters
    ----------
    Figure : matplotlib's class
    epochs : array, (n_moments,)
    panels : sequence of Panel
    best_epoch : int or None, to be marked
    logarithmic : bool, whether the axis of the epochs is
    """
    figure = Figure(figsize=(7, 3.1 * len(panels) + 0.3), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    few = len(epochs) <= 12
    for axis, panel in zip(axes, panels, strict=True):
        if panel.thin is not None:
            axis.plot(epochs, _drawable(panel.thin), color=GREY, linewidth=0.5, alpha=0.35)
        if panel.spread is not None:
            _draw_spread(axis, epochs, _drawable(panel.spread))
        for number, (name, values) in enumerate(panel.lines):
            axis.plot(
                epochs,
                _drawable(values),
                color=PAIR_COLOURS[number % len(PAIR_COLOURS)],
                linestyle=("-", "--")[number // len(PAIR_COLOURS) % 2],
                label=printable(name),
                marker="." if few else "",
            )
        axis.set_title(printable(panel.title), loc="left")
        axis.grid(color="#dddddd", linewidth=0.6)
        if best_epoch is not None:
            axis.axvline(best_epoch, color=GREEN, linewidth=1, label=f"best: epoch {best_epoch}")
        if panel.decades:
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("")
        if logarithmic:
            axis.set_xscale("symlog", linthresh=1)
            axis.set_xlim(epochs[0], epochs[-1])
            axis.xaxis.set_major_formatter("{x:,g}" if epochs[-1] < 1e5 else "{x:g}")
        if len(panel.lines) > 1 or panel.spread is not None or (best_epoch is not None and axis is axes[0]):
            axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes[-1].set_xlabel("epoch")
    return figure


def _drawable(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -LARGEST_DRAWN, LARGEST_DRAWN)  # a training may diverge


svg_of_history = as_svg(draw_history)


def _draw_spread(axis: Any, epochs: np.ndarray, spread: np.ndarray) -> None:
    for low, high, dark in BANDS:
        edges = np.percentile(spread, (low, high), axis=1)
        words = "all" if low == 0 else f"{low} % to {high} %"
        axis.fill_between(epochs, *edges, color=GREY, alpha=dark, linewidth=0, label=words)
    axis.plot(epochs, np.median(spread, axis=1), color="black", linewidth=1, label="median")


# ---------------------------------------------------------------- with characters


def plot_text(
    epochs: np.ndarray,
    lines: Sequence[tuple[str, np.ndarray]],
    logarithmic: bool = False,
    logarithmic_values: bool = False,
) -> str:
    """Return curves as a plot of 60 by 12 characters, with its scales beside it.

    Parameters
    ----------
    epochs : array, (n_moments,), rising
    lines : sequence of (name, values); several are told apart by letters
    logarithmic, logarithmic_values : bool, whether the axis of the epochs, or of the values, is

    Examples
    --------
    >>> plot_text(np.array([0.0, 4.0]), [("w", np.array([0.0, 1.0]))]).splitlines()[0].split()
    ['1', '|', '***']
    """
    along = np.log1p(epochs) if logarithmic else np.asarray(epochs, np.float64)
    drawn = [_drawable(values) for _, values in lines]
    curves = [np.log10(values) if logarithmic_values else values for values in drawn]
    low, high = min(map(np.min, curves)), max(map(np.max, curves))
    height = (high - low) or 1.0
    columns = np.linspace(along[0], along[-1], WIDTH)
    grid = np.full((HEIGHT, WIDTH), " ")
    for mark, curve in reversed([*zip(_marks(len(lines)), curves, strict=True)]):
        at = np.round((HEIGHT - 1) * (high - np.interp(columns, along, curve)) / height).astype(int)
        for column, (row, before) in enumerate(zip(at, [at[0], *at[:-1]], strict=True)):
            between = (
                (min(row, before + 1), max(row, before - 1)) if len(lines) == 1 and column else (row, row)
            )
            grid[between[0] : between[1] + 1, column] = mark
    scale = [_short(10**v if logarithmic_values else v) for v in np.linspace(high, low, HEIGHT)]
    room = max(map(len, scale))
    rows = [
        f"{scale[row] if row in (0, HEIGHT // 2, HEIGHT - 1) else '':>{room}} |{''.join(grid[row]).rstrip()}"
        for row in range(HEIGHT)
    ]
    rows.append(" " * room + " +" + "-" * WIDTH)
    middle = np.expm1(columns[WIDTH // 2]) if logarithmic else columns[WIDTH // 2]
    begin, centre, end = (_short(epoch) for epoch in (epochs[0], middle, epochs[-1]))
    rows.append(" " * (room + 2) + begin + f"{centre:^{WIDTH - len(begin) - len(end)}}" + end)
    rows.append(" " * (room + 2) + f"{'epoch' + (' (logarithmic)' if logarithmic else ''):^{WIDTH}}".rstrip())
    if len(lines) > 1:
        rows += [
            f"{mark} {printable(name)}" for mark, (name, _) in zip(_marks(len(lines)), lines, strict=True)
        ]
    return "\n".join(rows)


def _marks(n: int) -> str:
    return "*" if n == 1 else "abcdefghijkl"[:n]


def _short(value: float) -> str:
    return f"{value + 0.0:.4g}"
