"""What is chosen by validation inside the training part: inputs, augmentation, calibration.

Recordings of the training part are left out in turn, grouped as the score groups them; every
candidate is trained on the others and judged by those left out. The test part is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from .fitting import whole_or_not_at_all
from .many import train_many
from .network import Network, Preparation
from .prediction import tempered
from .preparation import (
    Examples,
    Material,
    apply_rows,
    blank_preparation,
    count_pieces,
    expected_outputs,
    fit_rows,
    measure_recordings,
)
from .recordings import Recording
from .runs import Candidate, Choice
from .settings import Settings
from .splits import Fold, inner_folds

INPUTS: tuple[tuple[str, ...], ...] = (("raw",), ("raw", "summary"), ("summary", "spectrum"))
"""What is tried where inputs are to be chosen; where two do equally well, the one with the lower loss is taken."""

AUGMENTATIONS: tuple[tuple[str, ...], ...] = ((), ("shift",), ("scale",), ("rotate",), ("shift", "noise"))
"""What is tried where augmentation is to be chosen."""

USUAL = {True: ("shift",), False: ()}
"""Which augmentation is tried first, and kept unless another is clearly better, with raw readings and without."""

FEWEST_READINGS = 8  # of which a summary or a spectrum says more than the readings
MOST_RECORDINGS = 1000  # by which choices are made
MOST_ROWS = 4000  # with altered copies
ACCEPTED = 0.95  # share of known gestures whose probability reaches the threshold
TEMPERATURES = np.exp(np.linspace(math.log(0.2), math.log(5), 161))


def is_open(settings: Settings) -> bool:
    """Return whether the settings leave anything to be chosen by validation.

    Examples
    --------
    >>> is_open(Settings())
    True
    """
    return "auto" in (settings.inputs, settings.augment, settings.threshold, settings.temperature)


def choose(
    recordings: Sequence[Recording],
    settings: Settings,
    classes: Sequence[str] | None,
    tell: Callable[[float], Any] = lambda share: None,
) -> tuple[Settings, Choice | None]:
    """Return the settings with inputs, augmentation, temperature and threshold decided.

    Inputs are chosen first, with the usual augmentation where raw readings are among them; then
    the augmentation. The best by accuracy (for regression by R²) is taken. Temperature and
    threshold come from the answers to the recordings left out.

    Parameters
    ----------
    recordings : sequence of Recording, the training part
    settings : Settings
    classes : sequence of str, or None for regression
    tell : function of the share that is done; if it returns True, ``KeyboardInterrupt`` is raised

    Returns
    -------
    settings : Settings
    choice : Choice, or None where there were too few recordings to leave any out

    Examples
    --------
    >>> from tinyglass import read_recordings, train
    >>> run = train(read_recordings())
    >>> run.settings.inputs
    ('raw',)
    """
    judged = thinned(recordings, settings)
    folds, grouping, groups = inner_folds(judged, classes is not None, settings.seed)
    decided = _without_validation(recordings, settings, classes)
    if not folds:
        return decided, None
    bench = _Bench(judged, settings, classes, folds, groups)
    long_enough = np.median([recording.n_readings for recording in judged]) >= FEWEST_READINGS
    kinds = INPUTS if long_enough else INPUTS[:1]
    if settings.inputs != "auto":
        kinds = (tuple(settings.inputs),)
    wishes = [(inputs, _usual(inputs, settings)) for inputs in kinds]
    share = 0.4 if settings.augment == "auto" else 1.0
    bench.run(wishes, lambda done: tell(done * share))
    best = bench.best(wishes)
    if settings.augment == "auto":
        more = [best] + [
            (best[0], names) for names in AUGMENTATIONS if names != best[1] and _can(names, judged)
        ]
        bench.run(more, lambda done: tell(share + done * (1 - share)))
        best = bench.first_unless_better(more)
    temperature, threshold, accepted = _calibrate(bench.answers[best], bench.expected, settings, classes)
    choice = Choice(
        bench.candidates(best), grouping, len(judged), len(folds), temperature, threshold, accepted
    )
    decided = msgspec.structs.replace(
        settings, inputs=best[0], augment=best[1], temperature=temperature, threshold=threshold
    )
    return decided, choice


def _usual(inputs: Sequence[str], settings: Settings) -> tuple[str, ...]:
    return USUAL["raw" in inputs] if settings.augment == "auto" else tuple(settings.augment)


def _can(names: tuple[str, ...], recordings: Sequence[Recording]) -> bool:
    """Tell whether the alterations change anything: only axes can be turned."""
    return "rotate" not in names or len(recordings[0].channels) % 3 == 0


def _without_validation(
    recordings: Sequence[Recording], settings: Settings, classes: Sequence[str] | None
) -> Settings:
    """Return the settings with what is usual in the place of what could not be chosen."""
    inputs = INPUTS[0] if settings.inputs == "auto" else settings.inputs
    return msgspec.structs.replace(
        settings,
        inputs=inputs,
        augment=_usual(inputs, settings),
        threshold=0.6 if settings.threshold == "auto" else settings.threshold,
        temperature=1.0 if settings.temperature == "auto" else settings.temperature,
    )


def thinned(recordings: Sequence[Recording], settings: Settings) -> list[Recording]:
    """Return at most `MOST_RECORDINGS`, each label and group keeping its share."""
    if len(recordings) <= MOST_RECORDINGS:
        return list(recordings)
    random = np.random.default_rng([settings.seed, 3])
    by_kind: dict[Any, list[int]] = {}
    for place, r in enumerate(recordings):
        by_kind.setdefault((r.label, r.person, r.device, r.session), []).append(place)
    share = MOST_RECORDINGS / len(recordings)
    kept = [
        place
        for places in by_kind.values()
        for place in random.permutation(places)[: max(1, round(share * len(places)))]
    ]
    return [recordings[place] for place in sorted(kept)]


class _Bench:
    """Where candidates are tried, each on every fold."""

    def __init__(
        self,
        recordings: list[Recording],
        settings: Settings,
        classes: Sequence[str] | None,
        folds: Sequence[Fold],
        groups: np.ndarray,
    ) -> None:
        self.recordings, self.settings, self.classes = recordings, settings, classes
        self.folds = folds
        self.Y = expected_outputs(recordings, classes)
        self.judged = np.sort(np.concatenate([fold.test for fold in folds]))
        self.expected = self.Y[self.judged]
        self.group = np.unique(groups[self.judged], return_inverse=True)[1]
        self.answers: dict[Any, np.ndarray] = {}
        self.materials: dict[tuple[str, ...], Material] = {}

    def run(
        self, wishes: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], tell: Callable[[float], Any]
    ) -> None:
        """Train each candidate on each fold, and keep its answers to what was left out."""
        new = [wish for wish in wishes if wish not in self.answers]
        kinds = {kind for inputs, _ in new for kind in inputs}
        for _, augment in new:
            have = self.materials.get(augment)
            if have is None or not kinds <= set(have.tables):
                self.materials[augment] = self._measured(kinds, augment)
        jobs = [(wish, fold) for wish in new for fold in self.folds]
        made = [self._examples(*job) for job in jobs]
        with whole_or_not_at_all(tell) as watch:
            runs = train_many(
                [examples for examples, _ in made],
                self.settings,
                preparations=[preparation for _, preparation in made],
                watch=watch,
            )
        whole = {wish: np.zeros_like(self.Y) for wish in new}
        for (wish, fold), run in zip(jobs, runs, strict=True):
            whole[wish][fold.test] = self._answers(run.network, wish, fold)
        self.answers |= {wish: answers[self.judged] for wish, answers in whole.items()}

    def _blank(self, recordings: Sequence[Recording], inputs: Sequence[str]) -> Preparation:
        s = self.settings
        return blank_preparation(recordings, inputs, steps=s.steps, window=s.window, hop=s.hop)

    def _measured(self, kinds: set[str], augment: tuple[str, ...]) -> Material:
        blank = self._blank(self.recordings, sorted(kinds))
        return measure_recordings(
            self.recordings,
            blank.inputs,
            blank.n_steps,
            window=blank.window,
            hop=blank.hop,
            alterations=augment,
            copies=count_copies(self.recordings, self.settings, augment),
            seed=self.settings.seed,
        )

    def _examples(
        self, wish: tuple[tuple[str, ...], tuple[str, ...]], fold: Fold
    ) -> tuple[Examples, Preparation]:
        """Return what is trained on where a fold is left out."""
        inputs, augment = wish
        material = self.materials[augment]
        blank = self._blank(self.recordings, inputs)
        preparation = fit_rows(
            blank,
            material,
            material.rows(fold.train),
            self.recordings,
            self.settings.scale,
            self.classes is None,
        )
        rows = material.rows(fold.train, altered=True)
        Y = (
            self.Y
            if self.classes is not None
            else ((self.Y - preparation.answer_offset) / preparation.answer_scale)
        )
        examples = Examples(
            apply_rows(preparation, material, rows),
            Y[material.owner[rows]],
            None if self.classes is None else tuple(self.classes),
            material.owner[rows],
        )
        return examples, preparation

    def _answers(
        self, network: Network, wish: tuple[tuple[str, ...], tuple[str, ...]], fold: Fold
    ) -> np.ndarray:
        """Return a network's answers to what was left out."""
        material, preparation = self.materials[wish[1]], network.preparation
        assert preparation is not None
        tested = material.rows(fold.test)
        outputs = network.outputs(apply_rows(preparation, material, tested)).astype(float)
        if self.classes is None:
            outputs = outputs * preparation.answer_scale + preparation.answer_offset
        owner = material.owner[tested]
        return np.stack([outputs[owner == place].mean(axis=0) for place in fold.test])

    def goodness(self, wish: Any) -> np.ndarray:
        """Return the share of right answers in each group; for quantities, 1 less the relative squared error."""
        answers = self.answers[wish]
        if self.classes is None:
            error = np.minimum((answers - self.expected)[:, 0] ** 2 / (self.expected.var() or 1.0), 1e6)
            good = 1 - np.nan_to_num(error, nan=1e6)
        else:
            good = answers.argmax(axis=1) == self.expected.argmax(axis=1)
        return np.bincount(self.group, weights=good) / np.bincount(self.group)

    def best(self, wishes: Sequence[Any]) -> Any:
        """Return the candidate with the best value; of equals the one with the lowest loss."""
        return max(wishes, key=lambda wish: (self.goodness(wish).mean(), -self.loss(wish)))

    def first_unless_better(self, wishes: Sequence[Any]) -> Any:
        """Return the first candidate, unless the best one is better by more than a standard error."""
        best, first = self.best(wishes), wishes[0]
        ahead = self.goodness(best) - self.goodness(first)
        return best if ahead.mean() > _standard_error(ahead) else first

    def loss(self, wish: Any) -> float:
        squares = ((self.answers[wish] - self.expected) ** 2).sum(axis=1)
        return float(min(np.nan_to_num(squares.mean(), nan=1e300), 1e300))

    def candidates(self, best: Any) -> tuple[Candidate, ...]:
        """Return all that were tried, the best first."""
        found = []
        for wish in sorted(self.answers, key=lambda w: (w != best, -self.goodness(w).mean(), self.loss(w))):
            behind = self.goodness(best) - self.goodness(wish)
            error = float(behind.std(ddof=1) / math.sqrt(len(behind))) if len(behind) > 1 else 0.0
            inputs, augment = wish
            found.append(
                Candidate(inputs, augment, float(self.goodness(wish).mean()), error, self.loss(wish))
            )
        return tuple(found)


def _standard_error(differences: np.ndarray) -> float:
    n = len(differences)
    return float(differences.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0


def count_copies(recordings: Sequence[Recording], settings: Settings, augment: Sequence[str]) -> int:
    """Return the altered copies of each recording or window: as asked, fewer where there are many.

    Examples
    --------
    >>> count_copies([Recording([[1.0]])] * 10, Settings(), ("shift",))
    4
    >>> count_copies([Recording([[1.0]])] * 1500, Settings(), ("shift",))
    2
    """
    if not augment:
        return 0
    hop = settings.hop or -(-settings.window // 2)
    return min(settings.copies, MOST_ROWS // count_pieces(recordings, settings.window, hop))


def _calibrate(
    answers: np.ndarray, expected: np.ndarray, settings: Settings, classes: Sequence[str] | None
) -> tuple[float, float, float]:
    """Return temperature, threshold, and the share of the answers that reach it.

    The temperature makes the cross-entropy lowest; that all answers were right is held against it
    as J. Platt does (Advances in Large Margin Classifiers, 1999): a right class counts
    1 − 1 / (n + 2), so that certainty needs many recordings.
    """
    temperature = settings.temperature
    softmax = classes is not None and settings.output in ("auto", "softmax")
    if temperature == "auto":
        temperature = _best_temperature(answers, expected) if softmax else 1.0
    threshold = settings.threshold
    if classes is None:
        return temperature, 0.0 if threshold == "auto" else threshold, 1.0
    largest = (tempered(answers, temperature) if softmax else answers).max(axis=1)
    if threshold == "auto":
        threshold = float(np.clip(np.quantile(largest, 1 - ACCEPTED, method="lower"), 0, 1))
        threshold = math.floor(threshold * 1e6) / 1e6  # so that rounding to float32 does not reject the last
    return temperature, threshold, float((largest >= threshold).mean())


def _best_temperature(answers: np.ndarray, expected: np.ndarray) -> float:
    n, k = expected.shape
    target = np.where(expected > 0.5, 1 - 1 / (n + 2), 1 / (n + 2) / max(1, k - 1))
    losses = [-(target * np.log(np.maximum(tempered(answers, t), 1e-30))).sum() for t in TEMPERATURES]
    return float(f"{TEMPERATURES[int(np.argmin(losses))]:.3g}")
