"""The network as scikit-learn estimators: for tables of numbers, pipelines and grid searches.

scikit-learn takes seconds to import, so nothing else imports this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .errors import ArgumentError, DivergenceError
from .network import Network
from .preparation import Examples
from .settings import Settings
from .training import Progress, Run, Watch, train_examples

SYNONYMS = {"identity": "linear", "logistic": "sigmoid"}  # scikit-learn's names
FLOATS = [np.float64, np.float32]  # kept as they are; anything else becomes the first
STACK = 5  # functions from a warning up to the line that called fit


def expected_failed_checks(estimator: BaseEstimator) -> dict[str, str]:
    """Return the checks of scikit-learn that this estimator cannot pass, each with the reason.

    Examples
    --------
    >>> list(expected_failed_checks(NetworkClassifier()))
    ['check_sample_weight_equivalence_on_dense_data']
    >>> expected_failed_checks(NetworkClassifier(batch_size="all"))
    {}
    """
    if estimator.batch_size == "all":
        return {}
    reason = "a repeated example falls into other mini-batches than a weighted one; batch_size='all' passes"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


# A dataclass, because it writes the __init__ that scikit-learn wants: it only keeps its arguments.
@dataclass(eq=False, repr=False)
class _NetworkEstimator(BaseEstimator):
    """What classifier and regressor share."""

    hidden_layer_sizes: int | Sequence[int] = (16,)
    _: KW_ONLY
    activation: str = "tanh"
    loss: str = "auto"
    optimizer: str = "adam"
    bias: bool = True
    start: str = "auto"
    learning_rate_init: float = 0.01
    learning_rate: str = "constant"
    batch_size: int | str = 32
    max_iter: int = 200
    l2: float = 0.003
    momentum: float = 0.9
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_limit: float | None = None
    shuffle: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    tol: float = 1e-4
    warm_start: bool = False
    callbacks: Sequence[Callable[[Progress], Any]] | None = None
    verbose: bool | int = False
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"linear", "sigmoid", "tanh", "relu", "leaky_relu", *SYNONYMS})],
        "loss": [StrOptions({"auto", "half_squared_error", "mean_squared_error"})],
        "optimizer": [StrOptions({"sgd", "momentum", "nesterov", "adam"})],
        "bias": ["boolean"],
        "start": [StrOptions({"auto", "uniform", "glorot", "he"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "learning_rate": [StrOptions({"constant", "step", "cosine"})],
        "batch_size": [StrOptions({"all"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "weight_limit": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def _begun(self) -> bool:
        return hasattr(self, "network_")

    def _settings(self, precision: str, epochs: int, schedule: str, seed: int) -> Settings:
        sizes = self.hidden_layer_sizes
        hidden = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)  # type: ignore[arg-type]
        if not all(isinstance(size, Integral) and size >= 1 for size in hidden):
            raise ArgumentError(
                f"Expected whole numbers from 1, found {self.hidden_layer_sizes!r}",
                "hidden_layer_sizes",
                "Give the neurons of each hidden layer, such as (8, 4), or () for no hidden layer",
            )
        # NumPy's numbers, as a grid search gives them, are made into Python's.
        return Settings(
            hidden=tuple(int(size) for size in hidden),
            activation=SYNONYMS.get(self.activation, self.activation),  # type: ignore[arg-type]
            bias=bool(self.bias),
            start=self.start,  # type: ignore[arg-type]
            loss=self.loss,  # type: ignore[arg-type]
            optimizer=self.optimizer,  # type: ignore[arg-type]
            learning_rate=float(self.learning_rate_init),
            schedule=schedule,  # type: ignore[arg-type]
            momentum=float(self.momentum),
            beta1=float(self.beta_1),
            beta2=float(self.beta_2),
            epsilon=float(self.epsilon),
            l2=float(self.l2),
            weight_limit=None if self.weight_limit is None else float(self.weight_limit),
            epochs=epochs,
            batch=0 if self.batch_size == "all" else int(self.batch_size),
            shuffle=bool(self.shuffle),
            validation=float(self.validation_fraction) if self.early_stopping else 0.0,
            patience=int(self.n_iter_no_change) if self.early_stopping else 0,
            tolerance=float(self.tol),
            scale="none",
            threshold=0.0,
            precision=precision,  # type: ignore[arg-type]
            seed=seed,
        )

    def _train(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        weight: np.ndarray,
        classes: tuple[str, ...] | None,
        *,
        start: Network | None,
        one_epoch: bool = False,
    ) -> Self:
        """Train from `start`, or from a new network if None, and keep what comes out."""
        if isinstance(self.random_state, Integral):
            seed = int(self.random_state)  # the same bits as with that seed anywhere else in tinyglass
        else:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if one_epoch and start is not None:
            seed += self.n_iter_  # otherwise every call would shuffle alike
        settings = self._settings(
            X.dtype.name,
            1 if one_epoch else int(self.max_iter),
            "constant" if one_epoch else self.learning_rate,
            seed,
        )
        meaning: dict[str, Any] = {}
        if start is not None:
            _check_same_shape(start, settings, X.shape[1], Y.shape[1])
        elif hasattr(self, "feature_names_in_"):
            meaning["input_names"] = tuple(self.feature_names_in_.tolist())
        counts = weight > 0  # now, so that an example of weight 0 does not take part in the validation split
        examples = Examples(X[counts], Y[counts], classes, weight=weight[counts])
        with _audience(self.callbacks or (), bool(self.verbose), settings.epochs) as audience:
            watch = Watch(progress=audience)
            try:
                run = train_examples(examples, settings, start=start, watch=watch, **meaning)
            except DivergenceError as error:
                if error.run is None or "saturated" not in error.what:
                    raise
                # On unscaled data that may be all there is to reach.
                run = error.run
                warnings.warn(str(error), ConvergenceWarning, stacklevel=STACK)
        if watch.interrupted and not (audience and audience.ended):
            warnings.warn("Training was interrupted; what was reached until then is kept", stacklevel=STACK)
        self._keep(run, go_on=start is not None)
        return self

    def _keep(self, run: Run, go_on: bool) -> None:
        self.run_, self.network_ = run, run.network
        layers = run.network.layers
        self.coefs_ = [layer.weights.T for layer in layers]
        self.intercepts_ = [
            np.zeros(layer.n_outputs) if layer.bias is None else layer.bias for layer in layers
        ]
        self.n_layers_ = len(layers) + 1
        self.n_outputs_ = run.network.n_outputs
        self.out_activation_ = layers[-1].activation
        self.loss_curve_ = (self.loss_curve_ if go_on else []) + run.losses.tolist()
        self.validation_loss_curve_ = run.validation_losses.tolist() if self.early_stopping else None
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min(self.validation_loss_curve_ or self.loss_curve_, default=np.nan)

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return self.network_.outputs(validate_data(self, X, dtype=self.network_.dtype, reset=False))

    def _refuse_early_stopping(self) -> None:
        if self.early_stopping:
            raise ArgumentError(
                "An epoch at a time cannot be stopped early",
                "early_stopping",
                "Use fit, or early_stopping=False",
            )


@dataclass(eq=False, repr=False)
class NetworkClassifier(ClassifierMixin, _NetworkEstimator):
    """Classify rows of numbers with a small network whose outputs are softmax probabilities.

    The same data, parameters and integer `random_state` give the same bits. Inputs should be of
    mean 0 and deviation 1: put a ``StandardScaler`` before.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Neurons of each hidden layer; ``()`` for none.
    activation : {"linear", "sigmoid", "tanh", "relu", "leaky_relu"}
        Of the hidden layers; "identity" and "logistic" are other names of the first two.
    loss : {"auto", "cross_entropy", "half_squared_error", "mean_squared_error"}
        What is made small; "auto" is cross_entropy.
    optimizer : {"sgd", "momentum", "nesterov", "adam"}
    bias : bool
        Whether each neuron has a bias.
    start : {"auto", "uniform", "glorot", "he"}
        Starting weights; "auto": he for relu and leaky_relu, else glorot; "uniform": ±0.1.
    learning_rate_init : float
    learning_rate : {"constant", "step", "cosine"}
        "step" halves the rate every 100 epochs, "cosine" lets it fall to 0 at `max_iter`.
    batch_size : int or "all"
        Examples to an update; with "all", a weight of 2 is exactly an example repeated.
    max_iter : int
        Epochs. All of them are made, unless `early_stopping` or a callback ends training.
    l2 : float
        Adds half of this times the squared weights to the loss.
    momentum : float, for "momentum" and "nesterov"
    beta_1, beta_2, epsilon : float, for "adam"
    weight_limit : float or None
        No weight may leave ± this.
    shuffle : bool
        Whether each epoch takes the examples in a new order.
    early_stopping : bool
        Whether to keep `validation_fraction` of the examples of each class aside, to stop after
        `n_iter_no_change` epochs in which their loss did not fall by `tol`, and to keep the best network.
    validation_fraction : float
    n_iter_no_change : int
    tol : float
    class_weight : dict, "balanced" or None
        How much an example of each class counts.
    warm_start : bool
        Whether `fit` continues from the network of the last `fit`; the optimizer starts afresh.
    callbacks : list of callables or None
        Each is given a `tinyglass.Progress` some 25 times a second. If one returns True, training
        ends and keeps what was reached; when that is depends on the clock.
    verbose : bool
        Whether to show a progress bar on stderr.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : array, (n_classes,)
    coefs_ : list of read-only arrays, (n_inputs, n_outputs) of each layer
    intercepts_ : list of arrays, (n_outputs,) of each layer; zeros if `bias` is False
    loss_curve_ : list of float
        Mean loss during each epoch, going on where `warm_start` or `partial_fit` do.
    validation_loss_curve_ : list of float, of the last `fit`; None without `early_stopping`
    n_iter_ : int, epochs made: the length of `loss_curve_`
    loss_ : float, of the last epoch
    best_loss_ : float, the lowest of `validation_loss_curve_`, without it of `loss_curve_`
    n_layers_ : int, counting the inputs
    n_outputs_ : int, one a class, also where there are two classes
    out_activation_ : "softmax"
    n_features_in_ : int
    feature_names_in_ : array of str, where X had them
    network_ : Network
    run_ : Run, of the last `fit` or `partial_fit`; ``run_.best_epoch`` tells when `network_` was reached

    Raises
    ------
    ValueError
        If data or parameters cannot be used, for example if there is one class only.
    DivergenceError
        If a weight or sum became infinite; where all neurons are merely saturated, a
        ``ConvergenceWarning`` is given instead.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from tinyglass import NetworkClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), NetworkClassifier(random_state=0)).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    class_weight: dict[Any, float] | str | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_NetworkEstimator._parameter_constraints,
        "loss": [StrOptions({"auto", "cross_entropy", "half_squared_error", "mean_squared_error"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows X (n_examples, n_inputs) of the classes y, each counting by its weight."""
        go_on = self.warm_start and self._begun()
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=not go_on)
        check_classification_targets(y)
        if not go_on:
            self.classes_ = np.unique(y)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        if len(found := np.unique(y[weight > 0])) < 2:
            raise ArgumentError(
                f"Expected two classes or more, found one class only: {found[0]!r}",
                "y",
                "Add rows of another class",
            )
        return self._train_classes(X, y, weight, start=self.network_ if go_on else None)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch more, on these rows; the first call is told all `classes`.

        The learning rate stays constant, and the optimizer starts afresh with every call: "sgd", which
        remembers nothing, suits small portions best.
        """
        self._refuse_early_stopping()
        if self.class_weight == "balanced":
            raise ArgumentError(
                "How often each class comes is not known beforehand",
                "class_weight",
                "Give the weights as a dict",
            )
        go_on = self._begun()
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=not go_on)
        check_classification_targets(y)
        _check_partial_fit_first_call(self, classes)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        return self._train_classes(X, y, weight, start=self.network_ if go_on else None, one_epoch=True)

    def _train_classes(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray, **how: Any) -> Self:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ArgumentError(
                f"There is no class {unknown[0]!r}",
                "y",
                f"The classes are: {', '.join(map(str, self.classes_))}",
            )
        if self.class_weight is not None:
            present, which = np.unique(y[weight > 0], return_inverse=True)
            by_class = compute_class_weight(
                self.class_weight, classes=present, y=y[weight > 0], sample_weight=weight[weight > 0]
            )
            weight = weight.copy()
            weight[weight > 0] *= by_class[which]
        Y = np.eye(len(self.classes_), dtype=X.dtype)[np.searchsorted(self.classes_, y)]
        return self._train(X, Y, weight, tuple(map(str, self.classes_.tolist())), **how)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probability of each class, (n_examples, n_classes); each row adds up to 1."""
        return self._outputs(X)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable class of each row."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]


@dataclass(eq=False, repr=False)
class NetworkRegressor(RegressorMixin, _NetworkEstimator):
    """Predict one or several quantities from rows of numbers with a small network of linear outputs.

    Inputs and quantities should be of mean 0 and deviation 1: put a ``StandardScaler`` before and a
    ``TransformedTargetRegressor`` around, as the example does.

    Parameters
    ----------
    hidden_layer_sizes, activation, optimizer, bias, start, learning_rate_init, learning_rate, batch_size, \
    max_iter, l2, momentum, beta_1, beta_2, epsilon, weight_limit, shuffle, early_stopping, validation_fraction, \
    n_iter_no_change, tol, warm_start, callbacks, verbose, random_state
        As of `NetworkClassifier`; quantities need a larger `l2` than classes.
    loss : {"auto", "half_squared_error", "mean_squared_error"}
        What is made small; "auto" is half_squared_error.

    Attributes
    ----------
    coefs_, intercepts_, loss_curve_, validation_loss_curve_, n_iter_, loss_, best_loss_, n_layers_, \
    n_features_in_, feature_names_in_, network_, run_ : as of `NetworkClassifier`
    n_outputs_ : int, one a quantity
    out_activation_ : "linear"

    Raises
    ------
    ValueError
        If data or parameters cannot be used.
    DivergenceError
        If a weight or sum became infinite.

    Examples
    --------
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from tinyglass import NetworkRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = NetworkRegressor(early_stopping=True, random_state=0)
    >>> model = TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())
    >>> model.fit(X, y).score(X, y) > 0.4
    True
    """

    l2: float = 0.01

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows X (n_examples, n_inputs) of the quantities y, (n_examples,) or (n_examples, n_outputs)."""
        return self._train_quantities(X, y, sample_weight, go_on=self.warm_start and self._begun())

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train one epoch more, on these rows, at a constant rate and with the optimizer starting afresh."""
        self._refuse_early_stopping()
        return self._train_quantities(X, y, sample_weight, go_on=self._begun(), one_epoch=True)

    def _train_quantities(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        go_on: bool,
        one_epoch: bool = False,
    ) -> Self:
        X, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, y_numeric=True, reset=not go_on)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        Y = np.asarray(y, X.dtype).reshape(len(X), -1)
        return self._train(X, Y, weight, None, start=self.network_ if go_on else None, one_epoch=one_epoch)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the quantity of each row, (n_examples,), or several, (n_examples, n_outputs)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _check_same_shape(start: Network, settings: Settings, n_inputs: int, n_outputs: int) -> None:
    """Refuse to continue with parameters that describe another network."""

    def description(sizes: Sequence[int], activations: Sequence[str], bias: bool) -> str:
        return f"{'-'.join(map(str, sizes))} {' '.join(activations)}{'' if bias else ', without bias'}"

    *hidden, last = start.layers
    found = description(
        [start.n_inputs, *(layer.n_outputs for layer in start.layers)],
        [layer.activation for layer in hidden],
        last.bias is not None,
    )
    wanted = description(
        [n_inputs, *settings.hidden, n_outputs], [settings.activation] * len(settings.hidden), settings.bias
    )
    if found != wanted:
        raise ArgumentError(
            f"Expected a network of {wanted}, found one of {found}",
            "the network to continue from",
            "Leave the parameters as they were, or start anew with a clone of the estimator",
        )


class _Audience:
    """Tells everyone about the progress, and remembers whether one of them ended the training."""

    def __init__(self, listeners: Sequence[Callable[[Progress], Any]]) -> None:
        self.listeners, self.ended = listeners, False

    def __call__(self, progress: Progress) -> bool:
        self.ended = any([listener(progress) for listener in self.listeners])  # all are told, hence a list
        return self.ended


@contextmanager
def _audience(
    callbacks: Sequence[Callable[[Progress], Any]], bar: bool, epochs: int
) -> Iterator[_Audience | None]:
    """Give the audience of a training: callbacks, and a progress bar on stderr."""
    if not bar:
        yield _Audience(callbacks) if callbacks else None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as shown:
        task = shown.add_task("training", total=epochs)

        def show(progress: Progress) -> None:
            shown.update(task, completed=progress.epoch, description=f"loss {progress.loss:.4g}")

        yield _Audience([show, *callbacks])
