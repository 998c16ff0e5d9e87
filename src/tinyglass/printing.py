"""What the command line prints: tables on standard output, progress on standard error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import printable
from .settings import Settings, show_value

MODEL, RUN, CHECKPOINT, REPORT = (
    "model.safetensors",
    "run.safetensors",
    "checkpoint.safetensors",
    "report.html",
)
"""What a training leaves in its folder."""

LOSS_ROSE = "the loss ended higher than it began: use a smaller learning rate"

if TYPE_CHECKING:
    from .evaluation import Score
    from .findings import Finding
    from .network import Network
    from .prediction import Prediction
    from .recordings import DataSet, Recording
    from .rejection import Rejection
    from .runs import Run

MOST_NAMED = 3  # recordings, files or classes in a list that people read


def print_json(facts: dict[str, Any]) -> None:
    """Print one JSON object on a line."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")


def _console(**kwargs: Any) -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **kwargs)


@contextmanager
def progress_bar() -> Iterator[tuple[Callable[..., None], Callable[[str], None]]]:
    """Give a function that moves the bar, and one that prints a message; both on standard error."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}", markup=False),
        console=_console(stderr=True),
    )
    tasks: dict[str, Any] = {}

    def show(name: str, share: float, loss: float | None = None) -> None:
        progress.start()  # not before there is something to show
        if name not in tasks:
            tasks[name] = progress.add_task(name, total=1.0, loss="")
        text = "" if loss is None or loss != loss else f"loss {loss:.4g}"
        progress.update(tasks[name], completed=share, loss=text)

    try:
        yield show, lambda text: print(f"tinyglass: {text}", file=sys.stderr)
    finally:
        if tasks:
            progress.stop()


def _text(text: str) -> Any:
    """A name or label as it is: no markup, nothing that a terminal would obey."""
    from rich.text import Text

    return Text(printable(text))


def print_table(rows: list[tuple[str, str]], title: str) -> None:
    """Print names and values."""
    from rich.table import Table

    table = Table(title=_text(title), show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(_text(name), _text(value))
    _console().print(table)


def print_grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table of texts; the first column stands left, all others right; empty ones are left out."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = list(rows)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    shown = [number for number in range(len(columns)) if any(row[number] for row in rows)]
    for number in shown:
        # Names stay whole; where there is no room, figures are folded.
        left = number == 0
        justify: Literal["left", "right"] = "left" if left else "right"
        table.add_column(columns[number], justify=justify, overflow="fold", no_wrap=left)
    for row in rows:
        table.add_row(*[_text(row[number]) for number in shown])
    _console().print(_text(title), table, sep="\n")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def score_rows(score: Score, n: int) -> list[tuple[str, str]]:
    """Return the rows of a table that say how well a network did."""
    if score.classes is not None:
        low, high = (_percent(end) for end in score.interval)
        deviation = (
            ""
            if score.deviation is None
            else f" ± {_percent(score.deviation)} over {len(score.values)} seeds"
        )
        right = round(score.values[0] * score.n_test)
        rows = [("accuracy", f"{_percent(score.value)}{deviation}")]
        if score.deviation is None:
            rows[0] = ("accuracy", f"{_percent(score.value)} ({right} of {score.n_test})")
        rows.append(("95 % interval", f"{low} to {high}"))
        rows += [(name, _percent(value)) for name, value in score.baselines.items()]
        if score.random is not None and score.random > score.value:
            flattered = _percent(score.random - score.value)
            rows.append(("parted at random", f"{_percent(score.random)}: flattered by {flattered}"))
        return rows
    deviation = "" if score.deviation is None else f" ± {score.deviation:.4f} over {len(score.values)} seeds"
    return [
        ("R²", f"{score.value:.4f}{deviation}"),
        ("95 % interval", f"{score.interval[0]:.4f} to {score.interval[1]:.4f}"),
        ("mean absolute error", f"{score.mean_absolute_error:.4g}"),
        *(
            (name, f"R² {value:.4f}, mean absolute error {score.baseline_errors[name]:.4g}")
            for name, value in score.baselines.items()
        ),
    ]


def _chosen(run: Run) -> str:
    """Say which inputs were chosen, and by how much."""
    choice = run.choice
    assert choice is not None
    own = choice.chosen
    text = "+".join(own.inputs) + (
        f", with copies altered by {' and '.join(own.augment)}" if own.augment else ""
    )
    others = [c for c in choice.candidates if c.inputs != own.inputs]
    value = (lambda v: f"{v:.4f}") if run.network.classes is None else _percent
    if others:
        named = ", ".join(f"{'+'.join(c.inputs)} {value(c.value)}" for c in others[:2])
        text += f": {value(own.value)} in validation ({named})"
    return text


def print_training(
    run: Run,
    score: Score | None,
    own: Score,
    recordings: Sequence[Recording],
    findings: Sequence[Finding],
    rejections: Sequence[Rejection],
    folder: Path,
) -> None:
    """Print what came out of a training."""
    network = run.network
    rows = [
        ("recordings", f"{len(recordings)} from {run.about.get('path') or 'the course (CC BY-SA 4.0)'}"),
        ("network", f"{'-'.join(map(str, network.sizes))}, {network.n_weights} weights"),
        (
            "epochs",
            f"{run.epochs} of {run.settings.n_epochs}"
            + (", stopped early" if run.outcome == "stopped_early" else ""),
        ),
        ("loss", f"{run.losses[0]:.6g} → {run.losses[-1]:.6g}" if run.epochs else "–"),
        ("time", f"{run.seconds:.2f} s"),
    ]
    if network.classes is not None:
        counts = {name: sum(r.label == name for r in recordings) for name in network.classes}
        rows.insert(1, ("classes", ", ".join(f"{name} ({count})" for name, count in counts.items())))
        rows.append(("on its own recordings", f"{round(own.value * own.n_test)} of {own.n_test} right"))
    else:
        rows.append(("R² on its own recordings", f"{own.value:.4f}"))
    if run.rose:
        rows.append(("warning", LOSS_ROSE))
    if network.preparation is not None and run.choice is not None:
        rows.append(("inputs", _chosen(run)))
    for repair in run.about.get("converted", []):
        rows.append(("converted", f"{repair['where']}: {repair['what']}"))
    if score is not None:
        rows.append(("score", f"{score.split}: {score.in_words}"))
        rows += score_rows(score, len(recordings))
        if score.failed:
            rows.append(("warning", f"{score.failed} of the scored trainings diverged or saturated"))
    if rejections:
        shares = ", ".join(f"{r.label} {_percent(r.rejected)}" for r in rejections)
        rows.append(("unknown", f"left out of training, rejected at 95 % of the known accepted: {shares}"))
    warnings = [finding for finding in findings if finding.severity == "warning"]
    if warnings:
        more = f" (and {len(warnings) - 1} more: see tinyglass data)" if len(warnings) > 1 else ""
        rows.append(("data", warnings[0].what + more))
    rows += [("model", str(folder / MODEL)), ("report", str(folder / REPORT))]
    print_table(rows, "trained" if run.outcome != "interrupted" else "interrupted")


def data_facts(data: DataSet, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return everything about a data set, for JSON. Channels and units are those of most recordings."""
    from dataclasses import asdict

    lengths = [r.n_readings for r in data]
    seconds = [r.n_readings / r.rate_hz for r in data if r.rate_hz]
    rates = {r.rate_hz for r in data}
    channels, units = _commonest((r.channels, r.units) for r in data) if len(data) else ((), ())
    return {
        "recordings": len(data),
        "classes": _counts(r.label for r in data),
        "channels": channels,
        "units": units,
        "rate_hz": rates.pop() if len(rates) == 1 else None,
        "readings": sum(lengths),
        "lengths": _spread(lengths),
        "seconds": _spread(seconds) if len(seconds) == len(data) else None,
        "unlabelled": sum(r.label is None for r in data),
        "people": _counts(r.person for r in data),
        "sessions": _counts(r.session for r in data),
        "devices": _counts(r.device for r in data),
        "parts": _counts(r.split for r in data),
        "repairs": [asdict(repair) for repair in data.repairs],
        "dropped": [asdict(dropped) for dropped in data.dropped],
        "findings": [asdict(finding) for finding in findings],
    }


def _counts(names: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(name for name in names if name is not None).items()))


def _commonest(values: Iterable[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


def _spread(numbers: Sequence[float]) -> dict[str, float] | None:
    from statistics import median

    return {"min": min(numbers), "median": median(numbers), "max": max(numbers)} if numbers else None


def print_data(data: DataSet, findings: Sequence[Finding], name: str) -> None:
    """Print what was read, what was repaired and dropped, and what looks wrong."""
    print_table(_data_rows(data), name)
    _print_account("repaired", [(r.what, r.where, r.count, 0) for r in data.repairs])
    _print_account("dropped", [(d.why, d.where, 1, d.n_readings) for d in data.dropped])
    print(f"\n{len(findings)} finding{'s' * (len(findings) > 1)}" if findings else "\nnothing looks wrong")
    for finding in findings:
        print()
        print(printable(f"{'!' if finding.severity == 'warning' else '-'} {finding.what}."))
        for source, detail in list(zip(finding.sources, finding.details, strict=True))[:MOST_NAMED]:
            print(printable(f"    {source}{f': {detail}' if detail else ''}"))
        if len(finding.sources) > MOST_NAMED:
            print(f"    and {len(finding.sources) - MOST_NAMED:,} more")
        print(printable(f"  > {finding.remedy}."))


def _data_rows(data: DataSet) -> list[tuple[str, str]]:
    if not len(data):
        return [("recordings", "0")]
    facts = data_facts(data, ())
    rates = Counter(r.rate_hz for r in data)
    channels = Counter(
        ", ".join(
            f"{channel}{f' ({unit})' if unit else ''}"
            for channel, unit in zip(r.channels, r.units, strict=True)
        )
        for r in data
    )
    lengths = facts["lengths"]
    length = f"{lengths['min']:,}–{lengths['median']:,g}–{lengths['max']:,} readings (least, median, most)"
    if facts["seconds"]:
        length += ", " + "–".join(f"{s:.3g}" for s in facts["seconds"].values()) + " s"
    rows: list[tuple[str, str]] = [
        ("recordings", f"{len(data):,}, {facts['readings']:,} readings"),
        ("classes", _named(facts["classes"]) or "no labels"),
        *((kind, _named(facts[kind])) for kind in ("people", "sessions", "devices", "parts")),
        ("channels", _named(channels) if len(channels) > 1 else next(iter(channels))),
        (
            "rate",
            _named({f"{rate:.6g} Hz" if rate else "unknown": n for rate, n in rates.items()}, len(rates) > 1),
        ),
        ("length", length),
    ]
    return [(name, text) for name, text in rows if text]


def _named(counts: Mapping[str, int], counted: bool = True, most: int = 20) -> str:
    """Return names with how often they occur."""
    texts = [f"{_shortened(name)} ({n:,})" if counted else name for name, n in counts.items()]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most:,} more" if len(texts) > most else "")


def _shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _print_account(title: str, entries: Sequence[tuple[str, str, int, int]]) -> None:
    """Print (what, where, times, readings) once for each what."""
    by_what: dict[str, list[tuple[str, int, int]]] = {}
    for what, where, times, n_readings in entries:
        by_what.setdefault(what, []).append((where, times, n_readings))
    if by_what:
        print(f"\n{title}")
    for what, places in by_what.items():
        times, n_readings = sum(p[1] for p in places), sum(p[2] for p in places)
        counts = [f"{times:,} times"] if times > len(places) else []
        counts += [f"{n_readings:,} reading{'s' * (n_readings > 1)}"] if n_readings else []
        where = places[0][0] if len(places) == 1 else f"{len(places):,} places, first {places[0][0]}"
        print(printable(f"  {_shortened(what, 300)}: {', '.join([*counts, where])}"))


def print_confusion(score: Score) -> None:
    """Print which class was taken for which."""
    from rich.table import Table

    table = Table(title=_text("rows: what it was; columns: what the network said"), title_justify="left")
    table.add_column()
    for name in (*(score.classes or ()), "recall", "precision"):
        table.add_column(_text(name), justify="right")
    for name, row in zip(score.classes or (), score.confusion.tolist(), strict=True):
        shares = [
            "–" if share is None else _percent(share) for share in (score.recall[name], score.precision[name])
        ]
        table.add_row(_text(name), *map(str, row), *shares)
    _console().print(table)


def print_predictions(predictions: list[Prediction], network: Network) -> None:
    """Print what the network says about each recording."""
    from rich.table import Table

    table = Table(title_justify="left")
    table.add_column("recording", overflow="fold")
    table.add_column("prediction")
    for name in network.classes or ():
        table.add_column(
            _text(name if network.gives_probabilities else f"output for {name}"), justify="right"
        )
    for p in predictions:
        if network.classes is None:
            table.add_row(_text(Path(p.source).name), f"{p.label:.6g}")
            continue
        cells = [_percent(o) if network.gives_probabilities else f"{o:.4f}" for o in p.outputs]
        table.add_row(_text(Path(p.source).name), _text(str(p.label)), *cells)
    _console().print(table)
    if network.classes is not None and not network.gives_probabilities:
        print("The outputs are no probabilities: only softmax makes them so.")


def print_network(network: Network, run: Run | None, command: str) -> None:
    """Print layers, every weight, settings, and the command that reproduces them."""
    from .core import describe

    def say(line: str) -> None:
        print(printable(line))

    say(
        f"{'-'.join(map(str, network.sizes))} network, "
        f"{network.n_weights} weights, {network.dtype}, SHA-256 {network.digest}"
    )
    if network.classes is not None:
        say(f"classes: {', '.join(network.classes)}; less sure than {network.threshold:g} is unknown")
    if network.preparation is not None:
        p = network.preparation
        say(f"inputs: {p.n_steps} readings of {', '.join(p.channels)}, each (reading - offset) / scale")
        for channel, unit, offset, scale in zip(p.channels, p.units, p.offset, p.scale, strict=True):
            say(f"  {channel}{f' in {unit}' if unit else ''}: offset {offset!r}, scale {scale!r}")
        if network.classes is None:
            say(f"answer: output * {p.answer_scale!r} + {p.answer_offset!r}")
    names: Sequence[str] = network.input_names
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        print()
        say(f"{name}: {layer.n_outputs} neurons, {layer.activation}")
        for j, row in enumerate(layer.weights):
            for source, weight in zip(names, row, strict=True):
                say(f"  {name}[{j}] <- {source:<24} {weight!s:>16}")
            if layer.bias is not None:
                say(f"  {name}[{j}] <- {'bias':<24} {layer.bias[j]!s:>16}")
        names = [f"{name}[{j}]" for j in range(layer.n_outputs)]
    if run is not None:
        print()
        say(f"trained {run.epochs} epochs ({run.outcome.replace('_', ' ')}) in {run.seconds:.2f} s")
        say(f"trained by {describe(run.settings.core)}")
        say(f"data fingerprint: {run.fingerprint}")
        for field in Settings.__struct_fields__:
            say(f"  {field} = {show_value(getattr(run.settings, field))}")
        print()
        say("reproduce with:" if run.outcome != "interrupted" else "interrupted; all epochs are trained by:")
        say(f"  {command}")
