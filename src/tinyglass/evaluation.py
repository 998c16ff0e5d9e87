"""Honest scores: how well a network will do on recordings, and people, it has not seen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np

from .baselines import fit_line, most_frequent, nearest_neighbours
from .errors import ArgumentError
from .fitting import whole_or_not_at_all
from .network import Network, read_only
from .prediction import answers
from .preparation import check_channels, expected_outputs, find_classes, find_task
from .recordings import Recording
from .settings import Settings
from .splits import PUBLISHED, Fold, Split, find_groups, find_split, random_split
from .training import Ready, get_ready, train_ready
from .units import same_units

RESAMPLES = 2000
Z = 1.959963984540054  # 95 % of a normal distribution lie within ± this
CHOOSING = 0.8  # share of the time that choices take
MOST_WAITING = 2**28  # bytes of examples that wait to be trained on at once


@dataclass(frozen=True, eq=False)
class Score:
    """How well networks did on recordings that they were not trained on.

    Attributes
    ----------
    task : "classification" or "regression"
    split : str, how the recordings were parted: "leave one person out", "published split", "5-fold", …
    grouping : str, what never stood on both sides: "person", "device", "session" or "recording"
    value : float
        Accuracy, or R² for regression; over several seeds the mean.
    deviation : float or None
        Its standard deviation over the seeds.
    interval : (float, float)
        95 % interval of `value` for other recordings, and groups, like these.
    values : tuple of float, one a seed
    n_train, n_test : int, recordings of the first training, and tested in all
    classes : tuple of str, or None
    expected : array, (n_test,), class numbers, or quantities
    predicted : array, (n_test,), the same, of the first seed
    outputs : array, (n_test, n_outputs), of the first seed, calibrated
    tested : int array, (n_test,), places of the tested recordings among those given
    neighbours : int array, (n_test,), places of the nearest recordings that were trained on
    n_groups : int, persons, devices, sessions or recordings tested
    mean_absolute_error : float or None; of the first seed, for regression
    baselines : dict, name to value, on the same split: majority class and 1-nearest neighbour, or mean and
        linear fit
    baseline_errors : dict, for regression: name to mean absolute error
    random : float or None, the value that parting at random would have given
    inputs : dict, how often which inputs were chosen
    failed : int, trainings that diverged or saturated; their last sound network was scored
    """

    task: str
    split: str
    value: float
    deviation: float | None
    interval: tuple[float, float]
    values: tuple[float, ...]
    n_train: int
    n_test: int
    classes: tuple[str, ...] | None
    expected: np.ndarray
    predicted: np.ndarray
    outputs: np.ndarray
    tested: np.ndarray
    neighbours: np.ndarray
    grouping: str = "recording"
    n_groups: int = 0
    mean_absolute_error: float | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    baseline_errors: dict[str, float] = field(default_factory=dict)
    random: float | None = None
    inputs: dict[str, int] = field(default_factory=dict)
    failed: int = 0

    def __post_init__(self) -> None:
        for name in ("expected", "predicted", "outputs", "tested", "neighbours"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def name(self) -> str:
        """``"accuracy"`` or ``"r2"``."""
        return "accuracy" if self.task == "classification" else "r2"

    @property
    def confusion(self) -> np.ndarray:
        """How often each class (row) was taken for each class (column), (n_classes, n_classes)."""
        n = len(self.classes or ())
        table = np.zeros((n, n), dtype=int)
        if n:
            np.add.at(table, (self.expected, self.predicted), 1)
        return table

    @property
    def recall(self) -> dict[str, float | None]:
        """By class, the share of its recordings that were recognised; None where it has none."""
        return self._shares(self.confusion.sum(axis=1))

    @property
    def precision(self) -> dict[str, float | None]:
        """By class, the share of right ones among what was taken for it; None where nothing was."""
        return self._shares(self.confusion.sum(axis=0))

    def _shares(self, totals: np.ndarray) -> dict[str, float | None]:
        right = np.diag(self.confusion)
        pairs = zip(self.classes or (), right.tolist(), totals.tolist(), strict=True)
        return {name: own / total if total else None for name, own, total in pairs}

    @property
    def in_words(self) -> str:
        """How the recordings were parted, and with how many seeds, in a few words."""
        group = "" if self.grouping == "recording" else f" of {self.n_groups} {self.grouping}s"
        if self.split in ("test part", PUBLISHED):
            words = f"tested on {self.n_test} recordings{group} that were set apart for it"
        elif self.split.startswith("leave one"):
            one = "recording" if self.grouping == "recording" else self.grouping
            words = f"each {one} was left out once and predicted by a network trained on the others; {self.n_test} "
            words += f"recordings{group}"
        else:
            parts = self.split.partition("-")[0]
            words = f"{self.n_test} recordings{group} were parted in {parts}, each part left out once"
        if self.deviation is not None:
            words += f"; mean of {len(self.values)} seeds, standard deviation {self.deviation:.4f}"
        return words

    @property
    def worst(self) -> np.ndarray:
        """Places in `tested`, the worst answered first.

        For classes, those whose own output is farthest below, or least above, the others; for quantities, those whose
        answer is farthest off.
        """
        if self.classes is None:
            return np.argsort(-np.abs(self.expected - self.predicted), kind="stable")
        own = self.outputs[np.arange(self.n_test), self.expected]
        others = self.outputs.copy()
        others[np.arange(self.n_test), self.expected] = -np.inf
        with np.errstate(invalid="ignore"):
            margin = own - others.max(axis=1)
        # A network that diverged may answer with two infinities.
        return np.argsort(np.where(np.isnan(margin), -np.inf, margin), kind="stable")


def evaluate(
    recordings: Sequence[Recording],
    settings: Settings | None = None,
    *,
    test: Sequence[Recording] | None = None,
    split: str = "auto",
    seeds: int = 1,
    progress: Callable[[float], Any] | None = None,
) -> Score:
    """Train on a part of the recordings, test on the rest, and return the score.

    Everything that training does, choices included, is done anew on each training part. The
    strictest split that the data names is used; see `tinyglass.splits.find_split`.

    Parameters
    ----------
    recordings : sequence of Recording, labelled
    settings : Settings, optional
    test : sequence of Recording, optional: a test part of its own
    split : {"auto", "published", "person", "device", "session", "recording"}
    seeds : int; the trainings are repeated with the seeds settings.seed, settings.seed + 1, …
        What the first chose by validation, the others keep.
    progress : function of the share that is done, 0 to 1
        If it returns True, ``KeyboardInterrupt`` is raised, as after Ctrl-C: a part has no score.

    Raises
    ------
    RecordingError, ArgumentError
        If recordings or settings cannot be used.

    Examples
    --------
    >>> from tinyglass import evaluate, make_settings, read_recordings
    >>> score = evaluate(read_recordings(), make_settings({}, preset="course"))
    >>> score.split, score.n_test
    ('leave one out', 10)
    """
    if seeds < 1:
        raise ArgumentError(f"Expected one seed or more, found {seeds}", "seeds", "Give 1 or more")
    settings = settings or Settings()
    tell = progress or (lambda share: None)
    task, classes, _ = expected_answers(recordings, test, settings)
    settings = msgspec.structs.replace(settings, task=task)
    everything = list(recordings)
    if test is not None:
        everything = [replace(r, split="train") for r in recordings] + [
            replace(r, split="test") for r in test
        ]
        split = "published"
    everything = same_units(everything)[0]
    check_channels(everything)
    parts = find_split(everything, classes is not None, split=split, seed=settings.seed)
    flatters = parts.grouping != "recording" or (parts.name == PUBLISHED and test is None)
    part = 0.85 if flatters else 1.0
    trial = _Trial(everything, settings, classes, parts)
    trial.run(seeds, lambda share: tell(share * part))
    random = None
    if flatters:
        drawn = _Trial(
            everything, trial.usual, classes, random_split(everything, classes is not None, settings.seed)
        )
        drawn.run(1, lambda share: tell(part + share * (1 - part)))
        random = drawn.values()[0]
    shift = len(recordings) if test is not None else 0
    return trial.score("test part" if test is not None else parts.name, random, shift)


class _Trial:
    """Trainings on every fold of a split, and what they answered to what was left out."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        settings: Settings,
        classes: tuple[str, ...] | None,
        split: Split,
    ) -> None:
        self.recordings, self.settings, self.classes, self.split = recordings, settings, classes, split
        self.tested = np.sort(np.concatenate([fold.test for fold in split.folds]))
        self.expected = _decided(expected_outputs([recordings[i] for i in self.tested], classes), classes)
        n = len(recordings)
        self.outputs: list[np.ndarray] = []
        self.neighbours = np.zeros(n, dtype=int)
        self.baselines: dict[str, np.ndarray] = {}
        self.decided: list[Settings] = []
        self.failed = 0

    @property
    def usual(self) -> Settings:
        """The settings that were decided most often."""
        return Counter(self.decided).most_common(1)[0][0] if self._hashable() else self.decided[0]

    def _hashable(self) -> bool:
        return not isinstance(self.settings.class_weight, dict)

    def run(self, seeds: int, tell: Callable[[float], Any]) -> None:
        """Train on each fold, with each seed; what the first seed chose for a fold holds for the others."""
        n, width, folds = len(self.recordings), len(self.classes or (0,)), self.split.folds
        self.outputs = [np.zeros((n, width)) for _ in range(seeds)]
        waiting: list[tuple[int, Fold, Ready]] = []
        n_trained = 0  # folds

        def done(n_chosen: float) -> float:
            return (CHOOSING * n_chosen + (1 - CHOOSING) * n_trained) / len(folds)

        for number, fold in enumerate(folds, 1):
            told = partial(_from, tell, done(number - 1), done(number))
            trained = [self.recordings[i] for i in fold.train]
            first = get_ready(trained, self.settings, told, self.classes)
            self.decided.append(first.settings)
            waiting.append((0, fold, first))
            for k in range(1, seeds):
                own = msgspec.structs.replace(first.settings, seed=self.settings.seed + k)
                waiting.append((k, fold, get_ready(trained, own, classes=self.classes)))
            if told(1.0):
                raise KeyboardInterrupt
            is_much = sum(ready.examples.X.nbytes for _, _, ready in waiting) > MOST_WAITING
            if is_much or number == len(folds):
                self._train(waiting, partial(_from, tell, done(number), number / len(folds)))
                waiting.clear()
                n_trained = number
        tell(1.0)

    def _train(self, waiting: Sequence[tuple[int, Fold, Ready]], tell: Callable[[float], Any]) -> None:
        """Train all that are ready, at once, and keep their answers, whether or not it went well."""
        with whole_or_not_at_all(tell) as watch:
            runs = train_ready([ready for _, _, ready in waiting], watch)
        for (seed, fold, _), run in zip(waiting, runs, strict=True):
            self.failed += run.outcome == "diverged"
            self.outputs[seed][fold.test] = answers(run.network, [self.recordings[i] for i in fold.test])
            if seed == 0:
                self._compare(fold, run.network)

    def _compare(self, fold: Fold, network: Network) -> None:
        """Let the baselines answer to a fold, on the inputs of the network."""
        assert network.preparation is not None
        trained, tested = ([self.recordings[i] for i in part] for part in (fold.train, fold.test))
        known = _decided(expected_outputs(trained, self.classes), self.classes)
        near = nearest_neighbours(trained, tested, network.preparation)
        self.neighbours[fold.test] = fold.train[near]
        found = (
            {
                "majority class": most_frequent(self._whole(known), len(tested)),
                "1-nearest neighbour": known[near],
            }
            if self.classes is not None
            else {
                "mean": np.full(len(tested), known.mean()),
                "linear fit": fit_line(trained, known, tested, network.preparation),
            }
        )
        for name, predicted in found.items():
            whole = self.baselines.setdefault(name, np.zeros(len(self.recordings), dtype=known.dtype))
            whole[fold.test] = predicted

    def _whole(self, known: np.ndarray) -> np.ndarray:
        """Return the classes among which the majority is sought.

        Leaving a recording out makes its class rarer: of two equal classes always the other would be
        the majority. So without a part of its own to be tested, all recordings count.
        """
        return known if len(self.split.folds) == 1 else self.expected

    def values(self) -> list[float]:
        """Return accuracy or R² for each seed."""
        return [
            _value(self.expected, _decided(o[self.tested], self.classes), self.classes) for o in self.outputs
        ]

    def score(self, name: str, random: float | None, shift: int) -> Score:
        outputs = [o[self.tested] for o in self.outputs]
        baselines = {key: predicted[self.tested] for key, predicted in self.baselines.items()}
        errors = {key: float(np.abs(p - self.expected).mean()) for key, p in baselines.items()}
        return make_score(
            name,
            outputs,
            self.expected,
            self.classes,
            groups=self.split.groups[self.tested],
            tested=self.tested - shift,
            neighbours=self.neighbours[self.tested],
            grouping=self.split.grouping,
            n_train=len(self.split.folds[0].train),
            baselines={key: _value(self.expected, p, self.classes) for key, p in baselines.items()},
            baseline_errors=errors if self.classes is None else {},
            random=random,
            inputs=dict(Counter("+".join(settings.inputs) for settings in self.decided)),
            failed=self.failed,
        )


def _from(tell: Callable[[float], Any], begin: float, end: float, share: float) -> Any:
    """Tell the share of a piece of work that is a part of another."""
    return tell(begin + (end - begin) * share)


def expected_answers(
    recordings: Sequence[Recording], test: Sequence[Recording] | None, settings: Settings
) -> tuple[str, tuple[str, ...] | None, np.ndarray]:
    """Return the task, the classes, and what the network should answer in a test.

    Raises
    ------
    RecordingError
        If a label is missing, or one of the test part is no class of the training part.
    """
    task = find_task(recordings, settings.task)
    classes = find_classes(recordings) if task == "classification" else None
    return task, classes, _decided(expected_outputs(recordings if test is None else test, classes), classes)


def score_network(network: Network, recordings: Sequence[Recording]) -> Score:
    """Return how well a trained network does on labelled recordings.

    Parameters
    ----------
    network : Network, with a preparation
    recordings : sequence of Recording, labelled

    Examples
    --------
    >>> from tinyglass import read_recordings, score_network, train
    >>> score_network(train(read_recordings()).network, read_recordings()).value
    1.0
    """
    expected = _decided(expected_outputs(recordings, network.classes), network.classes)
    grouping, groups = find_groups(recordings)
    everything = np.arange(len(recordings))
    return make_score(
        "test part",
        [answers(network, recordings)],
        expected,
        network.classes,
        groups=groups,
        grouping=grouping,
        tested=everything,
        neighbours=everything,
    )


def make_score(
    split: str,
    outputs: Sequence[np.ndarray],
    expected: np.ndarray,
    classes: tuple[str, ...] | None,
    *,
    groups: np.ndarray,
    **facts: Any,
) -> Score:
    """Return the score of the outputs for each seed; see `Score` for the other facts."""
    predicted = [_decided(o, classes) for o in outputs]
    values = [_value(expected, p, classes) for p in predicted]
    if classes is None:
        interval = _bootstrap_interval(expected, predicted, groups)
    else:
        interval = group_interval(np.mean([p == expected for p in predicted], axis=0), groups)
    return Score(
        task="regression" if classes is None else "classification",
        split=split,
        value=float(np.mean(values)),
        deviation=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=interval,
        values=tuple(values),
        n_train=facts.pop("n_train", 0),
        n_test=len(expected),
        n_groups=len(set(groups.tolist())),
        classes=classes,
        expected=expected,
        predicted=predicted[0],
        outputs=outputs[0],
        mean_absolute_error=float(np.abs(expected - predicted[0]).mean()) if classes is None else None,
        **facts,
    )


def _decided(outputs: np.ndarray, classes: tuple[str, ...] | None) -> np.ndarray:
    return outputs[:, 0] if classes is None else outputs.argmax(axis=1)


def _value(expected: np.ndarray, predicted: np.ndarray, classes: tuple[str, ...] | None) -> float:
    return r2(expected, predicted) if classes is None else float((expected == predicted).mean())


def r2(expected: np.ndarray, predicted: np.ndarray) -> float:
    """Return R², 1 − Σ(expected − predicted)² / Σ(expected − mean)²; 0 where all are the same.

    Examples
    --------
    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    spread = ((expected - expected.mean()) ** 2).sum()
    return float(1 - ((expected - predicted) ** 2).sum() / spread) if spread > 0 else 0.0


# ---------------------------------------------------------------- intervals


def wilson_interval(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in `n` independent trials.

    E. B. Wilson, Journal of the American Statistical Association 22, 1927. It stays inside
    0 to 1, and 10 of 10 gives no certainty.

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(1.0, 10)]
    [0.722, 1.0]
    """
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (max(0.0, middle - reach) if share > 0 else 0.0, min(1.0, middle + reach) if share < 1 else 1.0)


def group_interval(right: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the share of right answers for other groups like these.

    Answers within a group resemble one another, so they count as fewer trials: their number
    divided by the design effect, the variance between groups over that of independent answers; and
    few groups say little about their variance, so Student's t takes the place of the normal
    distribution (E. L. Korn, B. I. Graubard, Survey Methodology 24, 1998). Where all answers
    are right or all wrong, each group counts as one trial. With one answer a group it is `wilson_interval`.

    Parameters
    ----------
    right : array, (n_answers,), 1 for right, 0 for wrong, or the mean of several seeds
    groups : array, (n_answers,)

    Examples
    --------
    >>> right, groups = np.array([1, 1, 1, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> [round(end, 2) for end in group_interval(right, groups)]
    [0.13, 0.98]
    """
    n, share = len(right), float(right.mean())
    numbers = np.unique(groups, return_inverse=True)[1]
    n_groups = int(numbers.max()) + 1
    if n_groups == n:
        return wilson_interval(share, n)
    if n_groups == 1:
        return 0.0, 1.0
    from scipy.stats import t

    z = float(t.ppf(0.975, n_groups - 1))
    if share in (0.0, 1.0):
        return wilson_interval(share, n_groups, z)
    residuals = np.bincount(numbers, weights=right - share)
    between = n_groups / (n_groups - 1) * (residuals**2).sum() / n**2
    effect = max(1.0, float(between) / (share * (1 - share) / n))
    return wilson_interval(share, n / effect, z)


def _bootstrap_interval(
    expected: np.ndarray, predicted: Sequence[np.ndarray], groups: np.ndarray
) -> tuple[float, float]:
    """Return the 95 % interval of the mean R² of several seeds, by drawing the groups anew (B. Efron, 1979).

    One group says nothing of others: then the interval is all that R² can be.
    """
    if len(set(groups.tolist())) == 1:
        return -math.inf, 1.0
    random = np.random.default_rng(2)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = []
    for _ in range(RESAMPLES):
        draw = np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        values.append(np.mean([r2(expected[draw], p[draw]) for p in predicted]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
