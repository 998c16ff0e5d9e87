"""The sections on how well the network will do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evaluation import Score
from ..figures import draw_pairs
from ..pages import figure, percent, table, text
from ..recordings import Recording
from ..rejection import Rejection
from ..runs import Run

MOST_DRAWN = 6  # wrongly answered recordings


def summary(run: Run, score: Score | None, own: Score | None) -> str:
    """Say in a few sentences how well the network will do."""
    parts = []
    if score is None:
        parts.append(f'<p class="warning">The training was {run.outcome}; this network was not scored.</p>\n')
    elif score.classes is not None:
        low, high = (percent(end) for end in score.interval)
        parts.append(
            f'<p class="answer">On recordings it has not seen, it is right in <strong>{percent(score.value)}</strong> '
            f"(95 % interval {low} to {high}; {text(score.in_words)}).</p>\n"
        )
    else:
        parts.append(
            f'<p class="answer">On recordings it has not seen, R² is <strong>{score.value:.4f}</strong> (95 % interval '
            f"{score.interval[0]:.4f} to {score.interval[1]:.4f}; {text(score.in_words)}).</p>\n"
        )
    if score is not None and score.random is not None and score.random > score.value:
        parts.append(
            f"<p>Parted at random, whoever made the recordings, it would have looked like "
            f"{_value(score, score.random)}: flattered by {_value(score, score.random - score.value)}.</p>\n"
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


def _value(score: Score, value: float) -> str:
    return percent(value) if score.classes is not None else f"{value:.4f}"


def score_tables(score: Score) -> str:
    """Show the score beside what a simple rule reaches, and class by class."""
    rows: list[tuple[object, ...]] = [("the network", (_value(score, score.value), "number"))]
    rows += [(name, (_value(score, value), "number")) for name, value in score.baselines.items()]
    head = ["", "accuracy" if score.classes is not None else "R²"]
    if score.classes is None:
        head.append("mean absolute error")
        errors = [score.mean_absolute_error, *score.baseline_errors.values()]
        rows = [(*row, error) for row, error in zip(rows, errors, strict=True)]
    shown = "<p>On the same split, and simple rules on the same inputs:</p>\n" + table(
        "Beside simple rules", head, rows
    )
    if score.deviation is not None:
        seeds = ", ".join(_value(score, value) for value in score.values)
        shown += f"<p>Of the seeds one by one: {seeds}. What follows is of the first.</p>\n"
    if score.inputs and len(score.inputs) > 1:
        often = ", ".join(f"{name} ({count}×)" for name, count in score.inputs.items())
        shown += f"<p>The parts chose different inputs: {text(often)}.</p>\n"
    if score.classes is None:
        return shown
    rows = []
    confusion = zip(score.classes, score.confusion.tolist(), strict=True)
    for place, (name, row) in enumerate(confusion):
        cells = [
            (n, "number right" if k == place else "number wrong" if n else "number")
            for k, n in enumerate(row)
        ]
        shares = [(_share(share), "number") for share in (score.recall[name], score.precision[name])]
        rows.append((name, *cells, *shares))
    shown += (
        "<p>A row of the matrix is what the recordings were, a column what the network said. Recall is the share of a "
        "class that was recognised, precision the share of right ones among what was taken for it.</p>\n"
    )
    return shown + table("Confusion matrix", ["", *score.classes, "recall", "precision"], rows)


def _share(share: float | None) -> str:
    return "–" if share is None else percent(share)


def rejection_table(run: Run, rejections: Sequence[Rejection]) -> str:
    """Show how much of a class is rejected as unknown by networks that never saw it."""
    if not rejections:
        return ""
    rows = [(r.label, (percent(r.rejected), "number"), (percent(r.accepted), "number")) for r in rejections]
    words = "<p>Each class was left out in turn: what share of it do networks reject that never saw it?</p>\n"
    return (
        words
        + table("Unknown gestures", ["left out", "rejected as unknown", "of the others accepted"], rows)
        + (
            f"<p>This network calls a gesture unknown if its probability is below {run.network.threshold:.3g}.</p>\n"
        )
    )


def worst_answers(score: Score, recordings: Sequence[Recording], test: Sequence[Recording] | None) -> str:
    """Draw what was answered worst, wrongly or least surely, each beside the nearest recording that was trained on."""
    tested = recordings if test is None else test
    pairs = []
    for place in score.worst[:MOST_DRAWN].tolist():
        mine, near = tested[score.tested[place]], recordings[score.neighbours[place]]
        pairs.append((mine, near, _answered(score, place), f"nearest that it knew: {near.label}"))
    if not pairs:
        return ""
    rows = [(answer, (mine.source, "long"), (near.source, "long")) for mine, near, answer, _ in pairs]
    picture = figure(
        draw_pairs(pairs, _deviations(recordings)),
        "Pairs of panels: a recording answered worst, and the nearest one that was trained on",
        "Answered worst (left), and the nearest recording that the network was trained on (right); several channels "
        "are drawn in their standard deviations",
    )
    head = ["what the network said", "recording", "nearest it was trained on"]
    return picture + table("Recordings answered worst", head, rows)


def _deviations(recordings: Sequence[Recording]) -> np.ndarray:
    """Return the deviation of each channel, (n_channels,); 1 where it is constant."""
    deviations = np.mean([recording.signal.std(axis=0) for recording in recordings], axis=0)
    return np.where(deviations > 0, deviations, 1.0)


def _answered(score: Score, place: int) -> str:
    if score.classes is None:
        return f"{score.expected[place]:.4g} answered as {score.predicted[place]:.4g}"
    expected, predicted = (score.classes[int(k)] for k in (score.expected[place], score.predicted[place]))
    said = f"{expected}, rightly" if expected == predicted else f"{expected} taken for {predicted}"
    largest = float(score.outputs[place].max())
    probabilities = (score.outputs >= 0).all() and np.allclose(score.outputs.sum(axis=1), 1, atol=1e-4)
    return f"{said} ({percent(largest)} sure)" if probabilities else f"{said} (output {largest:.3f})"
