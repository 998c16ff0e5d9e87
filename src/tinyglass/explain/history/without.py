"""What a training would have come to without one of its recordings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ...errors import ArgumentError, DivergenceError, nearest
from ...fitting import Watch, train_examples
from ...network import Network, flatten
from ...preparation import Examples
from ...recordings import Recording
from ...runs import Run
from ..explanation import Explanation, Section, Table
from ..notation import PLAIN_STYLE, Notation, Style, make_notation
from ..replay import restore
from .losses import weighted_losses
from .moments import length, weight_symbols
from .movers import recording_names
from .scores import score_section

MOST_WEIGHTS = 15
MOST_LISTED = 8  # recordings that a message offers
SECONDS_FOR_ANOTHER_ORDER = 60  # a training that takes longer is not made once more


class Retrained(NamedTuple):
    """A run, and the same training without some examples.

    Attributes
    ----------
    out : int array, the places of the examples that are left out
    remaining : Examples
    before, after : Run
    trouble : str, why `after` went no further; empty if it went to its end
    other : Run or None: all the examples in another order, to tell what the order alone changes
    interrupted : bool, whether both were trained again, for as many epochs as were made
    """

    out: np.ndarray
    remaining: Examples
    before: Run
    after: Run
    trouble: str
    other: Run | None
    interrupted: bool


def without(
    run: Run,
    recordings: Sequence[Recording] | Examples | None = None,
    example: int | str = 1,
    *,
    test: Sequence[Recording] | None = None,
    split: str = "auto",
    score: bool = False,
    progress: Callable[[float], Any] | None = None,
    notation: str = "standard",
    style: Style = PLAIN_STYLE,
) -> Explanation:
    """Return what changes if a training leaves out one recording: weights, errors, score.

    All windows and altered copies of the recording are left out. Start, seed, settings and the
    inputs of the others stay as they were.

    Parameters
    ----------
    run : Run; it is not changed
    recordings : sequence of Recording, or Examples, optional
        What it was trained on, if the run comes from a file. Without recordings there is no score.
    example : int or str
        The number of a training example, from 1, or a part of the name of its recording.
    test : sequence of Recording, optional: a test part of its own
    split : str, how recordings are parted for the score, as in `tinyglass.evaluate`
    score : bool; score however long it takes, everything chosen anew as `train` did
    progress : function of the share of the score that is done
    notation : "standard" or "course"
    style : Style, how numbers are written

    Raises
    ------
    ArgumentError
        If there is no such example, several have that name, or nothing would be left.

    Examples
    --------
    >>> from tinyglass import make_settings, read_recordings, train
    >>> run = train(read_recordings(), make_settings({}, preset="course"))
    >>> explanation = without(run, example=4)
    >>> explanation.facts["recording"], explanation.facts["changed"]
    ('moving_away.txt, line 31', True)
    """
    names = make_notation(run.network.sizes, run.network.layer_names, notation)
    examples, validation = restore(run, recordings)
    out = find_recording(examples, validation, example)
    found = retrain(run, examples, validation, out)
    recording = recording_names(examples)[out[0]]
    before, after = found.before.network, found.after.network
    facts: dict[str, Any] = {
        "recording": recording,
        "examples": (out + 1).tolist(),
        "changed": not np.array_equal(flatten(before), flatten(after)),
        "trouble": found.trouble,
    }
    sections = [
        _left_out(run, examples, found, recording, facts["changed"]),
        _answers(examples, found, facts),
        _weights(found, names, facts),
    ]
    given = None if recordings is None or isinstance(recordings, Examples) else recordings
    group = int(examples.groups[out[0]])
    sections.append(
        score_section(found.before, found.after, given, group, test, split, score, progress, facts)
    )
    return Explanation(f"The training without {recording}", tuple(sections), names, style, facts)


# ---------------------------------------------------------------- what is left out


def find_recording(examples: Examples, validation: Examples | None, example: int | str) -> np.ndarray:
    """Return the places of all examples of a recording, named by an example's number or a part of its name.

    Raises
    ------
    ArgumentError
        If there is none, or more than one.

    Examples
    --------
    >>> pieces = Examples([[1.0], [2.0], [3.0]], [[0.0]] * 3, groups=[0, 0, 1], names=("a.csv, piece 1",
    ...     "a.csv, piece 2", "b.csv"))
    >>> find_recording(pieces, None, 2).tolist(), find_recording(pieces, None, "B.").tolist()
    ([0, 1], [2])
    """
    text = str(example).strip()
    n = examples.n_examples
    if text.isdigit():
        if not 1 <= int(text) <= n:
            raise ArgumentError(
                f"Expected an example from 1 to {n}, found {text}", "--without", "Give one of these"
            )
        return np.flatnonzero(examples.groups == examples.groups[int(text) - 1])
    groups, first = np.unique(examples.groups, return_index=True)
    names = recording_names(examples)
    recordings = [names[place] for place in first] if examples.names else []
    sources = [examples.names[place] for place in first] if examples.names else []
    wish = text.casefold()
    chosen = (
        [k for k, name in enumerate(recordings) if wish == name.casefold()]
        or [k for k, name in enumerate(recordings) if wish in name.casefold()]
        or [k for k, name in enumerate(sources) if wish in name.casefold()]
    )
    if text and len(chosen) == 1:
        return np.flatnonzero(examples.groups == groups[chosen[0]])
    if not recordings:
        raise ArgumentError(
            f"The examples have no names, and {text!r} is no number", "--without", f"Give one from 1 to {n}"
        )
    if chosen and text:
        listed = ", ".join(recordings[k] for k in chosen[:MOST_LISTED])
        raise ArgumentError(
            f"{len(chosen)} recordings are called {text!r}: {listed}{', …' if len(chosen) > MOST_LISTED else ''}",
            "--without",
            "Give more of the name, or the number of an example",
        )
    if (
        text
        and validation is not None
        and any(text.casefold() in name.casefold() for name in validation.names)
    ):
        raise ArgumentError(
            f"{text!r} was kept aside to stop the training by: it moves no weight",
            "--without",
            "Give a recording that was trained on",
        )
    listed_ = difflib.get_close_matches(text, recordings, n=MOST_LISTED, cutoff=0)
    raise ArgumentError(f"No recording is called {text!r}", "--without", nearest(text, listed_))


def retrain(run: Run, examples: Examples, validation: Examples | None, out: np.ndarray) -> Retrained:
    """Return a run beside the same training without the examples at these places.

    Raises
    ------
    ArgumentError
        If nothing would be left to train on, or the run was interrupted before its first epoch.
    """
    if len(out) == examples.n_examples:
        raise ArgumentError(
            "Without this recording, nothing is left to train on", "--without", "Train on more recordings"
        )
    # What the examples weigh is in them already.
    settings = msgspec.structs.replace(run.settings, class_weight="none")
    interrupted = run.outcome == "interrupted"
    if interrupted:
        if not run.epochs:
            raise ArgumentError(
                "The training was interrupted in its first epoch",
                "the run",
                "Continue it first, with --resume",
            )
        settings = msgspec.structs.replace(settings, epochs=run.epochs)

    def trained(which: Examples, seed: int) -> tuple[Run, str]:
        anew = msgspec.structs.replace(settings, seed=seed)
        try:
            watch = Watch(advise=False)
            return train_examples(which, anew, validation=validation, start=run.initial, watch=watch), ""
        except DivergenceError as error:
            return error.run, f"{error.what}, in {error.where}"

    before = trained(examples, settings.seed)[0] if interrupted else run
    remaining = examples.take(np.setdiff1d(np.arange(examples.n_examples), out))
    after, trouble = trained(remaining, settings.seed)
    other = None
    in_parts = settings.shuffle and 0 < settings.batch < examples.n_examples
    if in_parts and run.seconds < SECONDS_FOR_ANOTHER_ORDER:
        other = trained(examples, (settings.seed + 1) % 2**63)[0]
    return Retrained(out, remaining, before, after, trouble, other, interrupted)


def _left_out(run: Run, examples: Examples, found: Retrained, recording: str, changed: bool) -> Section:
    out, n = found.out, examples.n_examples
    listed = ", ".join(str(e + 1) for e in out[:10]) + (", …" if len(out) > 10 else "")
    rows: list[tuple[Any, ...]] = [("recording", recording), ("examples", f"{listed} ({len(out)} of {n})")]
    items: list[Any] = []
    if not changed:
        items.append("Nothing changes: without it, every weight ends as the same number, to the bit.")
    if examples.classes is not None:
        own = int(examples.Y[out[0]].argmax())
        rows.append(("class", examples.classes[own]))
        if (found.remaining.Y.argmax(axis=1) != own).all() and examples.n_outputs > 1:
            items.append(
                f"It is the only one of {examples.classes[own]}: without it, nothing teaches this class, and "
                "its output only learns to stay low."
            )
    text = "Trained again from the same start, with the same settings and seed; the others are as they were."
    if found.other is not None:
        text += (
            " With fewer examples they come in another order, which changes a training too: how much, is shown by "
            "all of them in another order (seed + 1)."
        )
    if len(run.validation_losses):
        kept = [("with it", found.before), ("without it", found.after)]
        kept += [("another order", found.other)] if found.other is not None else []
        rows += [
            (f"epochs, {name}", f"{made.epochs} made, the network of epoch {made.best_epoch} kept")
            for name, made in kept
        ]
    if found.interrupted:
        text += f" The training was interrupted: both sides are trained for {run.epochs} epochs."
    if run.outcome == "diverged":
        text += " The training diverged: it is compared as far as it came."
    if found.trouble:
        text += f" Without the recording, training fails: {found.trouble}. What it came to is compared."
    return Section("left_out", "What is left out", (Table("", ("", ""), tuple(rows)), *items, text))


# ---------------------------------------------------------------- answers


def _columns(found: Retrained) -> list[tuple[str, Network]]:
    columns = [("with it", found.before.network), ("without it", found.after.network)]
    return columns + ([("another order", found.other.network)] if found.other is not None else [])


def _answers(examples: Examples, found: Retrained, facts: dict[str, Any]) -> Section:
    own, columns = examples.take(found.out), _columns(found)
    head = ("", *(name for name, _ in columns))
    loss = found.before.settings.loss
    sides = [("the remaining", found.remaining), ("the one left out", own)]
    rows: list[tuple[Any, ...]] = [
        (f"loss of {name}", *(float(weighted_losses(network, side, loss).mean()) for _, network in columns))
        for name, side in sides
    ]
    tables = _own_answer(own, columns)
    if examples.classes is None:
        for name, side in sides:
            rows.append((f"mean absolute error of {name}", *(_absolute_error(n_, side) for _, n_ in columns)))
    else:
        tables.append(_by_class(examples, found, head, columns))
    facts["loss"] = dict(zip(head[1:], rows[0][1:], strict=True))
    facts["loss_left_out"] = dict(zip(head[1:], rows[1][1:], strict=True))
    tables.append(Table("Loss, without the penalty of L2", head, tuple(rows)))
    return Section("answers", "What becomes of the answers", tuple(tables))


def _own_answer(own: Examples, columns: Sequence[tuple[str, Network]]) -> list[Any]:
    """Return the outputs for the recording left out, the mean of its examples, and its answer."""
    found = [network.outputs(own.X).astype(np.float64).mean(axis=0) for _, network in columns]
    wish = own.Y.mean(axis=0)
    many = " (mean of its examples)" if own.n_examples > 1 else ""
    if own.classes is None:
        preparation = columns[0][1].preparation
        scale, offset = (preparation.answer_scale, preparation.answer_offset) if preparation else (1.0, 0.0)
        wish, found = wish * scale + offset, [outputs * scale + offset for outputs in found]
    names = own.classes or [f"output[{j}]" for j in range(own.n_outputs)]
    first = np.argsort(-np.max([wish, *found], axis=0), kind="stable")[:MOST_WEIGHTS]
    rows: list[tuple[Any, ...]] = [
        (names[j], float(wish[j]), *(float(outputs[j]) for outputs in found)) for j in first
    ]
    head = ("", "expected", *(name for name, _ in columns))
    items: list[Any] = [Table(f"Outputs for the one left out{many}", head, tuple(rows))]
    if own.classes is not None and own.n_outputs > 1:
        says = ", ".join(
            f"{name} {own.classes[int(outputs.argmax())]}"
            for (name, _), outputs in zip(columns, found, strict=True)
        )
        items.append(f"Its answer: {says}; expected {own.classes[int(wish.argmax())]}.")
    return items


def _by_class(
    examples: Examples, found: Retrained, head: tuple[str, ...], columns: Sequence[tuple[str, Network]]
) -> Table:
    """Return how many of the remaining examples of each class are answered wrong."""
    side = found.remaining
    wrong = [~_right(network, side) for _, network in columns]
    classes = examples.classes or ()
    of = side.Y.argmax(axis=1) if side.n_outputs > 1 else np.zeros(side.n_examples, int)
    rows = [
        (name, int((of == c).sum()), *(int(w[of == c].sum()) for w in wrong))
        for c, name in enumerate(classes)
    ]
    if len(classes) > 1:
        rows.append(("all", side.n_examples, *(int(w.sum()) for w in wrong)))
    accuracies = (round(100 * (1 - float(w.mean())), 2) for w in wrong)
    rows.append(("accuracy in %", None, *accuracies))
    caption = "Wrong answers to the remaining examples"
    return Table(caption, (head[0], "examples", *head[1:]), tuple(rows))


def _right(network: Network, examples: Examples) -> np.ndarray:
    """Tell which examples are answered right, as training counts it: bool, (n_examples,)."""
    outputs = network.outputs(examples.X)
    if examples.n_outputs == 1:
        return ((outputs >= 0.5) == (examples.Y >= 0.5))[:, 0]
    return outputs.argmax(axis=1) == examples.Y.argmax(axis=1)


def _absolute_error(network: Network, examples: Examples) -> float:
    scale = network.preparation.answer_scale if network.preparation is not None else 1.0
    return abs(scale) * float(np.abs(network.outputs(examples.X) - examples.Y).mean())


# ---------------------------------------------------------------- weights


def _weights(found: Retrained, names: Notation, facts: dict[str, Any]) -> Section:
    start = flatten(found.before.initial).astype(np.float64)
    before, after = (flatten(run.network).astype(np.float64) for run in (found.before, found.after))
    other = None if found.other is None else flatten(found.other.network).astype(np.float64)
    symbols = weight_symbols(found.before.network)
    change = after - before
    first = np.argsort(-np.abs(change), kind="stable")[:MOST_WEIGHTS]
    head = ["", "at the start", "with it", "without it", "change"]
    columns = [start, before, after, change]
    if other is not None:
        head.append("change by another order")
        columns.append(other - before)
    rows = [(symbols[k], *(float(column[k]) for column in columns)) for k in first]
    facts["largest_changes"] = {names.text(symbols[k]): float(change[k]) for k in first}
    more = len(change) - len(first)
    caption = "Weights, the largest change first" + (f"; {more:,} more not shown" if more else "")
    layers = np.array([symbol.layer or 0 for symbol in symbols])
    apart = [("training moved them by", before - start), ("without it they end apart by", change)]
    if other is not None:
        apart.append(("another order: apart by", other - before))
    distances = [
        (layer, *(float(length(part[layers == l])) for _, part in apart))
        for l, layer in enumerate(names.layer_names)
    ]
    return Section(
        "weights",
        "Which weights change",
        (
            Table(caption, tuple(head), tuple(rows)),
            Table("Distances, √Σ(difference)²", ("layer", *(name for name, _ in apart)), tuple(distances)),
        ),
    )
