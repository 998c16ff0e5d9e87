"""A training on one page: a single HTML file that needs nothing else, on a phone or read aloud."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .errors import printable
from .evaluation import Score
from .figures import draw_curves, draw_network, draw_recordings
from .recordings import COURSE, Recording
from .runs import Run
from .settings import Settings, explain_field, show_value
from .storage import write_atomically

MOST_WEIGHTS_LISTED = 5000

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 50rem;
  padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; border-bottom: 2px solid #0072b2; }
.answer { font-size: 1.15rem; border-left: .4rem solid #0072b2; padding: .5rem 1rem; background: #f0f6fa; }
.warning { border-left: .4rem solid #d55e00; padding: .5rem 1rem; background: #fdf3ec; }
img { width: 100%; max-width: 38rem; height: auto; }
figure { margin: 1rem 0; }
figcaption, caption { text-align: left; color: #444; padding: .3rem 0; }
.wide { overflow-x: auto; }
.wide:focus-visible, summary:focus-visible { outline: 3px solid #0072b2; }
table { border-collapse: collapse; }
th, td { padding: .25rem .6rem; border: 1px solid #ccc; text-align: left; vertical-align: top; }
td.long { overflow-wrap: anywhere; min-width: 12rem; }
thead th { background: #f3f3f3; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.right { background: #d6eadf; font-weight: bold; }
td.wrong { background: #f8dfce; }
code, pre { font: .9rem ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
pre { background: #f3f3f3; padding: .75rem; margin: 0; }
summary { cursor: pointer; padding: .4rem 0; }
@media print { details > * { display: block; } }
"""


def write_report(
    path: str | Path,
    run: Run,
    recordings: Sequence[Recording],
    score: Score | None = None,
    own: Score | None = None,
    *,
    command: str = "",
    sha256: str = "",
) -> None:
    """Write the report of a training: one self-contained HTML file.

    Parameters
    ----------
    path : path of the file
    run : Run
    recordings : sequence of Recording, that it was trained on
    score : Score, optional, from `evaluate`
    own : Score, optional, on its own recordings, from `score_network`
    command : str, optional; it reproduces the run
    sha256 : str, optional; of the model file

    Raises
    ------
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from tinyglass import read_recordings, train, write_report
    >>> recordings = read_recordings()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(f"{folder}/report.html", train(recordings), recordings)
    """
    sections = [
        _summary(run, score, own),
        _section("Score", _score(score)) if score is not None else "",
        _section("Recordings", _recordings(run, recordings)),
        _section("Training", _training(run)),
        _section("Network", _network(run)),
        _section("Settings", _settings(run)),
        _section("How to reproduce it", _reproduce(run, command, sha256)),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(_title(run))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{_text(_title(run))}</h1></header>\n<main>\n{''.join(sections)}</main>\n"
        f"<footer><p>Written by tinyglass {__version__}.{_notice(run, recordings)}</p></footer>\n</body>\n</html>\n"
    )
    write_atomically(Path(path), page.encode())


# ---------------------------------------------------------------- pieces of HTML


def _text(value: Any) -> str:
    return escape(printable(str(value)))


def _section(title: str, body: str) -> str:
    name = title.lower().replace(" ", "-")
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{body}</section>\n'


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table whose first column heads its rows; a cell may be (text, class)."""
    heading = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    lines = []
    for first, *rest in rows:
        cells = "".join(_cell(cell) for cell in rest)
        lines.append(f'<tr><th scope="row">{_text(first)}</th>{cells}</tr>\n')
    thead = f"<thead><tr>{heading}</tr></thead>\n" if head else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{_text(caption)}">\n<table>\n'
        f"<caption>{_text(caption)}</caption>\n{thead}<tbody>\n{''.join(lines)}</tbody>\n</table>\n</div>\n"
    )


def _cell(cell: Any) -> str:
    text, name = (
        cell if isinstance(cell, tuple) else (cell, "number" if isinstance(cell, (int, float)) else "")
    )
    if isinstance(text, float):
        text = f"{text:.6g}"
    return f'<td class="{name}">{_text(text)}</td>' if name else f"<td>{_text(text)}</td>"


def _figure(svg: str | None, alternative: str, caption: str) -> str:
    if svg is None:
        return "<p>Pictures need matplotlib: <code>pip install 'tinyglass[plots]'</code>, then train again.</p>\n"
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<figure>\n<img src="data:image/svg+xml;base64,{data}" alt="{_text(alternative)}">\n'
        f"<figcaption>{_text(caption)}</figcaption>\n</figure>\n"
    )


def _details(summary: str, body: str) -> str:
    return f"<details>\n<summary>{_text(summary)}</summary>\n{body}</details>\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# ---------------------------------------------------------------- sections


def _title(run: Run) -> str:
    classes = run.network.classes
    return (
        "tinyglass: a network that tells " + ", ".join(classes)
        if classes
        else "tinyglass: a network that measures"
    )


def _summary(run: Run, score: Score | None, own: Score | None) -> str:
    parts = []
    if score is None:
        parts.append(f'<p class="warning">The training was {run.outcome}; this network was not scored.</p>\n')
    elif score.classes is not None:
        low, high = (_percent(end) for end in score.interval)
        parts.append(
            f'<p class="answer">On recordings it has not seen, it is right in <strong>{_percent(score.value)}</strong> '
            f"(95 % interval {low} to {high}; {_text(_split_in_words(score))}).</p>\n"
        )
    else:
        parts.append(
            f'<p class="answer">On recordings it has not seen, R² is <strong>{score.value:.4f}</strong> (95 % interval '
            f"{score.interval[0]:.4f} to {score.interval[1]:.4f}; {_text(_split_in_words(score))}).</p>\n"
        )
    if run.rose:
        parts.append(
            '<p class="warning">The loss ended higher than it began: use a smaller learning rate.</p>\n'
        )
    if own is not None and own.classes is not None:
        parts.append(
            f"<p>Of its own {own.n_test} recordings it gets {round(own.value * own.n_test)} right. "
            "That says how well it fits, not how well it will do.</p>\n"
        )
    if score is not None and score.failed:
        parts.append(
            f'<p class="warning">{score.failed} of the scored trainings diverged or saturated.</p>\n'
        )
    return "".join(parts)


def _split_in_words(score: Score) -> str:
    if score.split == "leave one out":
        words = f"each of {score.n_test} recordings was left out once and predicted by a network trained on the others"
    elif score.split == "test part":
        words = f"tested on {score.n_test} recordings of their own"
    else:
        parts = score.split.removesuffix("-fold")
        words = f"the {score.n_test} recordings were parted in {parts}, each part left out once"
    if score.deviation is not None:
        words += f"; mean of {len(score.values)} seeds, standard deviation {score.deviation:.4f}"
    return words


def _score(score: Score) -> str:
    if score.classes is None:
        return _table(
            "Predicted quantities",
            [],
            [("R²", score.value), ("mean absolute error", score.mean_absolute_error)],
        )
    rows = []
    for place, (name, row) in enumerate(zip(score.classes, score.confusion.tolist(), strict=True)):
        total = sum(row)
        cells = [
            (n, "number right" if k == place else "number wrong" if n else "number")
            for k, n in enumerate(row)
        ]
        rows.append((name, *cells, (_percent(row[place] / total) if total else "–", "number")))
    caption = "Confusion matrix: a row is what the recordings were, a column what the network said"
    seed = "" if score.deviation is None else "<p>The matrix is of the first seed.</p>\n"
    return _table(caption, ["", *score.classes, "right"], rows) + seed


def _recordings(run: Run, recordings: Sequence[Recording]) -> str:
    classes = run.network.classes
    counts = [(name, sum(r.label == name for r in recordings)) for name in classes or ()]
    lengths = sorted({r.n_readings for r in recordings})
    readings = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
    rates = {r.rate_hz for r in recordings}
    rate = rates.pop() if len(rates) == 1 else None
    facts: list[tuple[str, Any]] = [
        ("recordings", len(recordings)),
        ("readings in each", readings),
        (
            "channels",
            ", ".join(
                c + (f" ({u})" if u else "")
                for c, u in zip(recordings[0].channels, recordings[0].units, strict=True)
            ),
        ),
        ("readings a second", "not known" if rate is None else f"{rate:g}"),
    ]
    facts += [(f"of class {name}", count) for name, count in counts]
    signals = np.concatenate([r.signal for r in recordings])
    spans = [
        (name, float(low), float(high), float(mean))
        for name, low, high, mean in zip(
            recordings[0].channels,
            signals.min(axis=0),
            signals.max(axis=0),
            signals.mean(axis=0),
            strict=True,
        )
    ]
    alternative = "Lines of the readings of each recording, one panel a class" + (
        ": " + ", ".join(f"{name} with {count} recordings" for name, count in counts) if counts else ""
    )
    return (
        _figure(
            draw_recordings(recordings, classes), alternative, "The recordings as they were read, by class"
        )
        + _table("What was read", [], facts)
        + _details(
            "The range of each channel", _table("Range", ["channel", "smallest", "largest", "mean"], spans)
        )
    )


def _training(run: Run) -> str:
    if not run.epochs:
        return "<p>No epoch was completed.</p>\n"
    losses = [("training", run.losses)]
    accuracies = [("training", run.accuracies)]
    if len(run.validation_losses):
        losses.append(("validation", run.validation_losses))
        accuracies.append(("validation", run.validation_accuracies))
    curves: list[tuple[str, str, list[tuple[str, np.ndarray]]]] = [("loss", "log", losses)]
    if run.network.classes is not None:
        curves.append(("accuracy", "linear", accuracies))
    best = run.best_epoch if len(run.validation_losses) else None
    at = np.unique(np.concatenate([[0], np.geomspace(1, run.epochs, 12).astype(int) - 1]))
    head = ["epoch", "loss", *(["accuracy"] if run.network.classes is not None else [])]
    columns = [run.losses, *([run.accuracies] if run.network.classes is not None else [])]
    if len(run.validation_losses):
        head.append("validation loss")
        columns.append(run.validation_losses)
    rows = [(e + 1, *(float(column[e]) for column in columns)) for e in at.tolist()]
    ending = {
        "finished": "all epochs were made",
        "stopped_early": f"stopped early, the best network is that of epoch {run.best_epoch}",
        "interrupted": "interrupted by hand",
        "diverged": "it diverged",
    }[run.outcome]
    alternative = (
        f"Curves over {run.epochs} epochs: the loss went from {run.losses[0]:.4g} to {run.losses[-1]:.4g}, "
        f"the accuracy from {run.accuracies[0]:.3g} to {run.accuracies[-1]:.3g}"
    )
    return (
        f"<p>{run.epochs} epochs and {run.updates} updates in {run.seconds:.2f} s: {_text(ending)}.</p>\n"
        + _figure(
            draw_curves(curves, best),
            alternative,
            "Loss and accuracy during each epoch, every example measured before the update it takes part in",
        )
        + _details("The curves as numbers", _table("Loss and accuracy", head, rows))
    )


def _network(run: Run) -> str:
    network = run.network
    sizes = "-".join(map(str, network.sizes))
    layers = [
        (name, layer.n_inputs, layer.n_outputs, layer.activation, "yes" if layer.bias is not None else "no")
        for name, layer in zip(network.layer_names, network.layers, strict=True)
    ]
    preparation = ""
    if network.preparation is not None:
        p = network.preparation
        rows = list(zip(p.channels, p.offset, p.scale, strict=True))
        preparation = _table("Each input is (reading − offset) / scale", ["channel", "offset", "scale"], rows)
        if network.classes is None:
            preparation += f"<p>The answer is output × {p.answer_scale:.9g} + {p.answer_offset:.9g}.</p>\n"
    alternative = (
        f"A {sizes} network with {network.n_weights} weights; their numbers stand in the tables below"
    )
    return (
        _figure(
            draw_network(network),
            alternative,
            "Neurons and weights: a line's width is the weight's size; solid blue is positive, dashed orange negative",
        )
        + _table(
            f"A {sizes} network, {network.n_weights} weights, {network.dtype}",
            ["layer", "inputs", "neurons", "activation", "bias"],
            layers,
        )
        + _details("Every weight", _weights(run))
        + preparation
    )


def _weights(run: Run) -> str:
    network = run.network
    if network.n_weights > MOST_WEIGHTS_LISTED:
        return (
            f"<p>{network.n_weights} weights are too many for a page: see <code>tinyglass show</code>.</p>\n"
        )
    parts, names = [], list(network.input_names)
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        head = ["neuron", *names, *(["bias"] if layer.bias is not None else [])]
        rows = []
        for j, row in enumerate(layer.weights):
            bias = [(str(layer.bias[j]), "number")] if layer.bias is not None else []
            rows.append((f"{name}[{j}]", *((str(weight), "number") for weight in row), *bias))
        parts.append(_table(f"Weights of layer {name}: from each column to each row", head, rows))
        names = [f"{name}[{j}]" for j in range(layer.n_outputs)]
    return "".join(parts)


def _settings(run: Run) -> str:
    rows = [
        (name, show_value(getattr(run.settings, name)), (explain_field(name)[0], "long"))
        for name in Settings.__struct_fields__
    ]
    return _details(
        "All settings", _table("Settings of this training", ["setting", "value", "meaning"], rows)
    )


def _reproduce(run: Run, command: str, sha256: str) -> str:
    rows = [("data fingerprint", (run.fingerprint, "long")), ("seed", str(run.settings.seed))]
    if sha256:
        rows.append(("SHA-256 of the model", (sha256, "long")))
    shown = "<p>This command trains the same network again, to the bit:</p>\n"
    if run.outcome == "interrupted":
        shown = (
            f"<p>Training was ended after {run.updates} updates. <code>--resume</code> goes on from there; "
            "this command makes all epochs:</p>\n"
        )
    shown += f"<pre><code>{_text(command)}</code></pre>\n"
    return (shown if command else "") + _table("What it was made from", [], rows)


def _notice(run: Run, recordings: Sequence[Recording]) -> str:
    if recordings and recordings[0].source.startswith(str(COURSE)):
        return (
            " The ten recordings are © the TinySpark course, "
            '<a href="https://creativecommons.org/licenses/by-sa/4.0/">CC BY-SA 4.0</a>.'
        )
    return ""
