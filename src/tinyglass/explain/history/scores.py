"""The score of a training beside its score without one recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import TinyglassError
from ...evaluation import Score, evaluate, score_network
from ...recordings import Recording
from ...runs import Run
from ...training import parted
from ...units import same_units
from ..explanation import Section, Table

MOST_SCORED = 20  # recordings, of which each is left out in turn unasked
SECONDS = 20.0  # that this may take


def score_section(
    before: Run,
    after: Run,
    recordings: Sequence[Recording] | None,
    group: int,
    test: Sequence[Recording] | None,
    split: str,
    asked: bool,
    progress: Callable[[float], Any] | None,
    facts: dict[str, Any],
) -> Section:
    """Return how well networks do on recordings they were not trained on, with and without one of them.

    Parameters
    ----------
    before, after : Run
    recordings : sequence of Recording, or None: all that were trained on
    group : int, which of those that trained (without those kept aside) is left out
    test, split : as in `tinyglass.evaluate`
    asked : bool, whether to score however long it takes
    progress : function of the share that is done
    facts : dict, to which what a program wants to know is added
    """
    try:
        items = _items(before, after, recordings, group, test, split, asked, progress, facts)
    except TinyglassError as error:
        items = (f"There is no score without it: {error}",)
    return Section("score", "What becomes of the score", items)


def _items(
    before: Run,
    after: Run,
    recordings: Sequence[Recording] | None,
    group: int,
    test: Sequence[Recording] | None,
    split: str,
    asked: bool,
    progress: Callable[[float], Any] | None,
    facts: dict[str, Any],
) -> tuple[Any, ...]:
    if test is not None:
        scores = [score_network(run.network, test) for run in (before, after)]
        return (_table(f"On {len(test)} recordings that were set apart", scores, scores, facts),)
    if recordings is None:
        return ("The score needs the recordings: give them too.",)
    n = len(recordings)
    if not asked and (n > MOST_SCORED or 2 * n * before.seconds > SECONDS):
        return (f"A score takes many trainings, of {n} recordings: ask for it with --score.",)
    settings = before.wished if asked else before.settings
    place = _place_of(recordings, before, group)
    remaining = [recording for k, recording in enumerate(recordings) if k != place]
    tell = progress or (lambda share: None)
    with_it = evaluate(recordings, settings, split=split, progress=lambda share: tell(share / 2))
    without_it = evaluate(remaining, settings, split=split, progress=lambda share: tell(0.5 + share / 2))
    same = [_of(with_it, np.delete(np.arange(n), place)), _of(without_it, np.arange(n - 1))]
    words = (
        "Everything was chosen anew, as in the score of the training."
        if asked
        else (
            "Inputs, augmentation, temperature and threshold are those of the run; --score chooses them anew."
        )
    )
    items: list[Any] = [
        _table(f"{with_it.split.capitalize()}: {with_it.in_words}", [with_it, without_it], same, facts)
    ]
    items.append(f"Each of the {n - 1} others was predicted by networks that had not seen it. {words}")
    own = np.flatnonzero(with_it.tested == place)
    if len(own):
        items.append(_own(with_it, int(own[0])))
    return tuple(items)


def _place_of(recordings: Sequence[Recording], run: Run, group: int) -> int:
    """Return where the recording that a group of examples comes from stands among all."""
    everything = same_units(recordings)[0]
    kept = parted(everything, run.settings)[0]
    return next(k for k, recording in enumerate(everything) if recording is kept[group])


def _of(score: Score, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what was expected of, and answered to, the recordings at these places, in their order."""
    row = {int(place): number for number, place in enumerate(score.tested)}
    rows = [row[place] for place in places.tolist() if place in row]
    return score.expected[rows], score.predicted[rows]


def _table(caption: str, scores: Sequence[Score], same: Sequence[Any], facts: dict[str, Any]) -> Table:
    """Return a table of the score with and without the recording."""
    name = "accuracy in %" if scores[0].classes is not None else "R²"
    factor = 100 if scores[0].classes is not None else 1
    rows: list[tuple[Any, ...]] = [(name, *(round(factor * score.value, 4) for score in scores))]
    rows.append(("recordings tested", *(score.n_test for score in scores)))
    if same is not scores:
        if scores[0].classes is not None:
            rows.append(("right among the others", *(int((e == p).sum()) for e, p in same)))
        else:
            errors = (float(np.abs(e - p).mean()) for e, p in same)
            rows.append(("mean absolute error of the others", *errors))
    elif scores[0].classes is None:
        rows.append(("mean absolute error", *(score.mean_absolute_error for score in scores)))
    facts["score"] = {"with it": scores[0].value, "without it": scores[1].value, "split": scores[0].split}
    return Table(caption, ("", "with it", "without it"), tuple(rows))


def _own(score: Score, row: int) -> str:
    """Say what networks that never saw the recording answered to it."""
    if score.classes is None:
        answer, wish = f"{score.predicted[row]:.4g}", f"{score.expected[row]:.4g}"
    else:
        answer, wish = score.classes[int(score.predicted[row])], score.classes[int(score.expected[row])]
    return f"The recording itself, predicted by a network that had not seen it: {answer} (expected: {wish})."
