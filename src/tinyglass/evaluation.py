"""Honest scores: how well a network will do on recordings it has not seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from .errors import ArgumentError, DivergenceError
from .network import Network, read_only
from .prediction import answers
from .preparation import expected_outputs, find_classes, find_task
from .recordings import Recording
from .settings import Settings
from .training import Watch, train

MOST_LEFT_OUT_ONE_BY_ONE = 30
FOLDS = 5
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Score:
    """How well networks did on recordings that they were not trained on.

    Attributes
    ----------
    task : "classification" or "regression"
    split : str, how the recordings were parted: "leave one out", "5-fold" or "test part"
    value : float
        Accuracy, or R² for regression; over several seeds the mean.
    deviation : float or None
        Its standard deviation over the seeds.
    interval : (float, float)
        95 % interval of `value` for other recordings like these.
    values : tuple of float, one a seed
    n_train, n_test : int, recordings of one training, and tested in all
    classes : tuple of str, or None
    expected : array, (n_test,), class numbers, or quantities
    predicted : array, (n_test,), the same, of the first seed
    mean_absolute_error : float or None; of the first seed, for regression
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
    mean_absolute_error: float | None = None
    failed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "expected", read_only(self.expected))
        object.__setattr__(self, "predicted", read_only(self.predicted))

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


def evaluate(
    recordings: Sequence[Recording],
    settings: Settings | None = None,
    *,
    test: Sequence[Recording] | None = None,
    seeds: int = 1,
    progress: Callable[[float], Any] | None = None,
) -> Score:
    """Train on a part of the recordings, test on the rest, and return the score.

    Without a test part, each of up to 30 recordings is left out once; more recordings are
    parted in five. The preparation is fitted anew on each training part.

    Parameters
    ----------
    recordings : sequence of Recording, labelled
    settings : Settings, optional
    test : sequence of Recording, optional: a test part of its own
    seeds : int; the trainings are repeated with the seeds settings.seed, settings.seed + 1, …
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
    task, classes, expected = expected_answers(recordings, test, settings)
    settings = msgspec.structs.replace(settings, task=task)
    tested = list(recordings if test is None else test)
    split, parts = _split(recordings, classes, settings) if test is None else ("test part", None)
    folds = parts or [(list(range(len(recordings))), list(range(len(tested))))]

    values, first_predicted, failed = [], None, 0
    for number in range(seeds):
        seeded = msgspec.structs.replace(settings, seed=settings.seed + number)
        predicted = np.zeros(len(tested), dtype=expected.dtype)
        for done, (kept, left_out) in enumerate(folds):
            begun = number + done / len(folds)

            def tell(share: float, begun: float = begun) -> Any:
                return progress is not None and progress((begun + share / len(folds)) / seeds)

            network, sound = _train_quietly([recordings[i] for i in kept], seeded, classes, tell)
            failed += not sound
            predicted[left_out] = _decided(answers(network, [tested[i] for i in left_out]), classes)
        values.append(_value(expected, predicted, classes))
        first_predicted = predicted if first_predicted is None else first_predicted
    assert first_predicted is not None
    return _score(
        split, values, expected, first_predicted, classes, len(folds[0][0]), seed=settings.seed, failed=failed
    )


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

    Examples
    --------
    >>> from tinyglass import read_recordings, score_network, train
    >>> score_network(train(read_recordings()).network, read_recordings()).value
    1.0
    """
    expected = _decided(expected_outputs(recordings, network.classes), network.classes)
    predicted = _decided(answers(network, recordings), network.classes)
    return _score(
        "test part", [_value(expected, predicted, network.classes)], expected, predicted, network.classes
    )


def _score(
    split: str,
    values: list[float],
    expected: np.ndarray,
    predicted: np.ndarray,
    classes: tuple[str, ...] | None,
    n_train: int = 0,
    *,
    seed: int = 0,
    failed: int = 0,
) -> Score:
    """Return the score from its value for each seed, and from what the first seed predicted."""
    value = float(np.mean(values))
    quantities = classes is None
    return Score(
        task="regression" if quantities else "classification",
        split=split,
        value=value,
        deviation=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=(
            _bootstrap_interval(expected, predicted, seed)
            if quantities
            else wilson_interval(value, len(expected))
        ),
        values=tuple(values),
        n_train=n_train,
        n_test=len(expected),
        classes=classes,
        expected=expected,
        predicted=predicted,
        mean_absolute_error=float(np.abs(expected - predicted).mean()) if quantities else None,
        failed=failed,
    )


def _split(
    recordings: Sequence[Recording], classes: tuple[str, ...] | None, settings: Settings
) -> tuple[str, list[tuple[list[int], list[int]]]]:
    n = len(recordings)
    if n <= MOST_LEFT_OUT_ONE_BY_ONE:
        return "leave one out", [([j for j in range(n) if j != i], [i]) for i in range(n)]
    from sklearn.model_selection import KFold, StratifiedKFold

    labels = [recording.label for recording in recordings]
    if classes is None:
        splitter = KFold(FOLDS, shuffle=True, random_state=settings.seed % 2**32)
    else:
        folds = min(FOLDS, max(labels.count(name) for name in classes))
        splitter = StratifiedKFold(max(2, folds), shuffle=True, random_state=settings.seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer recordings than folds
        parts = [(kept.tolist(), left_out.tolist()) for kept, left_out in splitter.split(labels, labels)]
    return f"{len(parts)}-fold", parts


def _train_quietly(
    recordings: list[Recording],
    settings: Settings,
    classes: tuple[str, ...] | None,
    tell: Callable[[float], Any],
) -> tuple[Network, bool]:
    """Return a network, and whether its training ended well."""
    watch = Watch(progress=lambda p: tell(min(1.0, p.epoch / p.epochs)), advise=False)
    try:
        run = train(recordings, settings, watch, classes=classes)
    except DivergenceError as error:
        return error.run.network, False
    if watch.interrupted:
        raise KeyboardInterrupt
    return run.network, True


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


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in `n` independent trials.

    E. B. Wilson, Journal of the American Statistical Association 22, 1927. It stays inside
    0 to 1, and 10 of 10 gives no certainty.

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(1.0, 10)]
    [0.722, 1.0]
    """
    z = 1.959963984540054
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (max(0.0, middle - reach) if share > 0 else 0.0, min(1.0, middle + reach) if share < 1 else 1.0)


def _bootstrap_interval(expected: np.ndarray, predicted: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of R² by drawing the recordings anew (B. Efron, 1979)."""
    random = np.random.default_rng([seed, 2])
    draws = random.integers(0, len(expected), (RESAMPLES, len(expected)))
    values = [r2(expected[draw], predicted[draw]) for draw in draws]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
