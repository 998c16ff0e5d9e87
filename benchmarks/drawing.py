"""The results as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .goals import best_peer
from .ours import NAME, ONE_THREAD
from .printing import names_of, number

BLUE, GREY = "#0072b2", "#666666"
COLOURS = {
    NAME: BLUE,
    ONE_THREAD: BLUE,
    "JAX": "#d55e00",
    "PyTorch 1": "#a3478a",
    "PyTorch 2": "#a3478a",
    "NumPy": "#007a5a",
    "scikit-learn": "#b58900",
    "FANN": "#8a6d5a",
    "KANN": "#666666",
    "pure Python": "#222222",
}
REMARKS = {"squared": " (squared error)", "other": " (RMSprop, shuffled)"}
DASHED = (ONE_THREAD, "PyTorch 2")
SHADES = ("#9ecae1", "#6baed6", "#2171b5", "#08306b")  # of the batches, smallest first


def draw(results: dict[str, Any], folder: Path, ending: str) -> list[Path]:
    """Write every picture that the results allow; without matplotlib none."""
    try:
        import matplotlib
    except ImportError:
        return []
    from tinyglass.figures import STYLE

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    pictures = {
        "networks": ("cells", draw_networks),
        "peak": ("cells", draw_peak),
        "growth": ("growth", draw_growth),
    }
    with matplotlib.rc_context(STYLE | {"font.size": 10}):
        for name, (part, function) in pictures.items():
            if results.get(part):
                drawn.append(folder / f"{name}{ending}")
                figure = function(results)
                metadata = {"Date": None} if ending == ".svg" else None
                figure.savefig(drawn[-1], dpi=140, metadata=metadata, bbox_inches="tight")
    return drawn


def draw_networks(results: dict[str, Any]) -> Any:
    """Return the time of an example against the batch, one panel a network."""
    from matplotlib.figure import Figure

    cells = results["cells"]
    networks = list(dict.fromkeys(cell["network"] for cell in cells))
    batches = batches_of(cells)
    names = names_of(cells)
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for panel, network in zip(panels, networks, strict=False):
        for name in names:
            points = [
                (cell["batch"], 1e-9 * cell["contestants"][name]["median_ns"])
                for cell in cells
                if cell["network"] == network and name in cell["contestants"]
            ]
            if points:
                panel.plot(*np.transpose(points), **line_style(name))
        log_axes(panel)
        panel.yaxis.set_major_formatter(in_time)
        panel.set_xticks(batches, map(str, batches))
        panel.set_title(network, loc="left", fontsize=11, fontweight="bold")
    for panel in panels[::4]:
        panel.set_ylabel("time of an example")
    for panel in panels[len(networks) - 4 : len(networks)]:
        panel.set_xlabel("batch")
    rest = panels[len(networks) :]
    for panel in rest:
        panel.axis("off")
    lines = [panels[0].plot([], [], **line_style(name))[0] for name in names]
    maths = {name: result.get("maths") for cell in cells for name, result in cell["contestants"].items()}
    labels = [name + REMARKS.get(maths[name] or "", "") for name in names]
    rest[0].legend(lines, labels, loc="center left", frameon=False, fontsize=10, handlelength=2.4)
    return figure


def line_style(name: str) -> dict[str, Any]:
    ours = name in (NAME, ONE_THREAD)
    return {
        "color": COLOURS.get(name, GREY),
        "linestyle": "--" if name in DASHED else "-",
        "linewidth": 2.8 if name == NAME else 1.8 if ours else 1.3,
        "marker": "o" if name == NAME else ".",
        "markersize": 5,
        "zorder": 3 if ours else 2,
    }


def batches_of(cells: Sequence[dict[str, Any]]) -> list[int]:
    return sorted({cell["batch"] for cell in cells})


def in_time(seconds: float, _: object = None) -> str:
    """Return seconds in the unit that fits.

    >>> in_time(1e-7), in_time(0.02)
    ('100 ns', '20 ms')
    """
    for power, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= 0.999 * power:
            return f"{seconds / power:,g} {unit}"
    return f"{1e9 * seconds:,g} ns"


def log_axes(panel: Any) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    panel.minorticks_off()
    panel.grid(color="#dddddd", linewidth=0.6)


def draw_peak(results: dict[str, Any]) -> Any:
    """Return GFLOP/s on one thread against the size of the network, beneath the peak of one core."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    panel = figure.subplots()
    log_axes(panel)
    cells, peak = results["cells"], results["peak"]["gflops"]
    for batch, shade in zip(batches_of(cells), SHADES, strict=False):
        own, best = [], []
        for cell in cells:
            found = cell["contestants"].get(ONE_THREAD) or cell["contestants"].get(NAME)
            if cell["batch"] == batch and found:
                own.append((cell["flops"], found["gflops"]))
                peer = best_peer(cell)
                if peer:
                    best.append((cell["flops"], cell["contestants"][peer[0]]["gflops"]))
        style: dict[str, Any] = {"color": shade, "marker": "o", "markersize": 4}
        panel.plot(*np.transpose(own), label=f"tinyglass, batch {batch}", linewidth=2.2, **style)
        if best:
            panel.plot(*np.transpose(best), label=f"best peer, batch {batch}", linestyle=":", **style)
    panel.axhline(peak, color=GREY, linewidth=1.2)
    left = min(cell["flops"] for cell in cells)
    panel.annotate(
        f"peak of one core: {number(peak)} GFLOP/s",
        (left, peak),
        (0, 4),
        textcoords="offset points",
        color=GREY,
    )
    names = {cell["flops"]: cell["network"] for cell in cells}
    panel.set_xticks(
        list(names), [name.replace("-512-512-", "-512-\n512-") for name in names.values()], fontsize=8
    )
    for label in panel.get_xticklabels():
        label.set_rotation(30)
        label.set_horizontalalignment("right")
    panel.set_ylabel("GFLOP/s (tinyglass: one thread)")
    panel.set_xlabel("network, at its operations an example")
    figure.legend(loc="outside right center", frameon=False)
    return figure


def draw_growth(results: dict[str, Any]) -> Any:
    """Return the seconds of an epoch against examples, weights and networks, each with its straight line."""
    from matplotlib.figure import Figure

    measured = results["growth"]
    titles = {
        "examples": "39-20-10-4, batch 32",
        "weights": "39-n-4, batch 32, 1,024 examples",
        "networks": "3-2-2, batch 1, 64 examples each",
    }
    figure = Figure(figsize=(4.2 * len(measured), 3.6), layout="constrained")
    for panel, (name, line) in zip(
        figure.subplots(1, len(measured), squeeze=False)[0], measured.items(), strict=True
    ):
        log_axes(panel)
        sizes, seconds = np.array(line["sizes"], float), np.array(line["seconds"])
        middle = np.exp(np.log(seconds).mean() - line["slope"] * np.log(sizes).mean())
        panel.plot(sizes, middle * sizes ** line["slope"], color=GREY, linewidth=1, zorder=1)
        panel.plot(sizes, seconds, "o", color=BLUE, markersize=6)
        panel.annotate(f"exponent {line['slope']:.2f}", (0.05, 0.9), xycoords="axes fraction", fontsize=11)
        panel.yaxis.set_major_formatter(in_time)
        panel.set_xlabel(name)
        panel.set_title(titles[name], loc="left", fontsize=10)
    figure.axes[0].set_ylabel("time of an epoch")
    return figure
