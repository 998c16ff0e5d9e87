"""The network as scikit-learn estimators: for tables of numbers, pipelines and grid searches.

scikit-learn takes seconds to import, so nothing else imports this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .errors import ArgumentError, DivergenceError
from .fitting import Progress, Watch, train_examples
from .network import Network, core_layers
from .preparation import Examples
from .printing import progress_bar
from .runs import Run
from .settings import Settings, make_settings, resolve

SYNONYMS = {"identity": "linear", "logistic": "sigmoid"}  # scikit-learn's names
FLOATS = [np.float64, np.float32]  # kept as they are; anything else becomes the first
STACK = 4  # calls from a warning up to the line that called fit

Listener = Callable[[Progress], Any]


def expected_failed_checks(estimator: BaseEstimator) -> dict[str, str]:
    """Return the checks of scikit-learn that this estimator may fail, each with the reason.

    With the default batch of 32 the check passes too, but only because its table is no larger.

    Examples
    --------
    >>> list(expected_failed_checks(NetworkClassifier(batch_size=8)))
    ['check_sample_weight_equivalence_on_dense_data']
    >>> expected_failed_checks(NetworkClassifier(batch_size="all"))
    {}
    """
    if estimator.batch_size == "all":
        return {}
    reason = "a repeated example falls into other mini-batches than a weighted one; batch_size='all' passes"
    return {"check_sample_weight_equivalence_on_dense_data": reason}


# A dataclass writes the __init__ that scikit-learn asks for: it keeps its arguments and does no more.
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
    callbacks: Sequence[Listener] | None = None
    verbose: bool | int = False
    random_state: int | np.random.RandomState | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"linear", "sigmoid", "tanh", "relu", "leaky_relu", *SYNONYMS})],
        "loss": [StrOptions({"auto", "half_squared_error", "mean_squared_error"})],
        "optimizer": [StrOptions({"sgd", "momentum", "nesterov", "adam"})],
        "start": [StrOptions({"auto", "uniform", "glorot", "he"})],
        "learning_rate": [StrOptions({"constant", "step", "cosine"})],
        "batch_size": [StrOptions({"all"}), Interval(Integral, 1, None, closed="left")],
        "weight_limit": [Interval(Real, 0, None, closed="neither"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        **{name: ["boolean"] for name in ("bias", "shuffle", "early_stopping", "warm_start")},
        **{name: [Interval(Integral, 1, None, closed="left")] for name in ("max_iter", "n_iter_no_change")},
        **{name: [Interval(Real, 0, None, closed="neither")] for name in ("learning_rate_init", "epsilon")},
        **{name: [Interval(Real, 0, None, closed="left")] for name in ("l2", "tol")},
        **{name: [Interval(Real, 0, 1, closed="left")] for name in ("momentum", "beta_1", "beta_2")},
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, go_on: bool, **checks: Any
    ) -> tuple[Any, Any, Any]:
        """Return rows, targets and weights as arrays, without the rows that count nothing."""
        if not go_on:
            self.__dict__.pop("network_", None)  # if this fit fails, nothing of the last one may answer
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=not go_on, **checks)
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        if isinstance(self, ClassifierMixin):
            check_classification_targets(y)
        counts = weight > 0  # now, so that the others decide neither the classes nor the validation split
        return (X, y, weight) if counts.all() else (X[counts], y[counts], weight[counts])

    def _settings(self, task: str, precision: str, seed: int, one_epoch: bool) -> Settings:
        alike = ("bias", "start", "loss", "optimizer", "momentum", "epsilon", "l2", "weight_limit", "shuffle")
        values = {name: getattr(self, name) for name in alike} | {
            "hidden": np.atleast_1d(self.hidden_layer_sizes),
            "activation": SYNONYMS.get(self.activation, self.activation),
            "learning_rate": self.learning_rate_init,
            "schedule": "constant" if one_epoch else self.learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epochs": 1 if one_epoch else self.max_iter,
            "batch": 0 if self.batch_size == "all" else self.batch_size,
            "validation": self.validation_fraction if self.early_stopping else 0.0,
            "patience": self.n_iter_no_change if self.early_stopping else 0,
            "tolerance": self.tol,
            "scale": "none",
            "threshold": 0.0,
            "precision": precision,
            "seed": seed,
        }
        # NumPy's numbers, as a grid search gives them, become Python's.
        plain = {name: np.asarray(value).tolist() for name, value in values.items()}
        return resolve(make_settings(plain, where=type(self).__name__), task)

    def _train(self, examples: Examples, go_on: bool, one_epoch: bool = False) -> Self:
        """Train on from the network at hand, or train a new one, and keep what comes out."""
        if one_epoch and self.early_stopping:
            raise ArgumentError(
                "A single epoch cannot be stopped early", "early_stopping", "Use fit, or early_stopping=False"
            )
        if isinstance(self.random_state, Integral):
            seed = int(self.random_state)  # the same bits as with this seed anywhere in tinyglass
        else:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if one_epoch and go_on:
            seed += self.n_iter_  # otherwise every call would shuffle alike
        task = "regression" if examples.classes is None else "classification"
        settings = self._settings(task, examples.X.dtype.name, seed, one_epoch)
        start: Network | None = None
        meaning: dict[str, Any] = {}
        if go_on:
            start = self.network_
            _check_fits(start, examples, settings)
        elif hasattr(self, "feature_names_in_"):
            meaning["input_names"] = tuple(self.feature_names_in_.tolist())

        ended, listeners = False, list(self.callbacks or ())
        with ExitStack() as stack:
            if self.verbose:
                show, _ = stack.enter_context(progress_bar())
                listeners.append(lambda now: show("training", now.epoch / now.epochs, now.loss))

            def tell(progress: Progress) -> bool:
                nonlocal ended
                answers = [listener(progress) for listener in listeners]  # everyone is told
                ended = any(answers)
                return ended

            watch = Watch(progress=tell if listeners else None)
            try:
                run = train_examples(examples, settings, start=start, watch=watch, **meaning)
            except DivergenceError as error:
                if not error.saturated:
                    raise
                run = error.run  # on unscaled data that may be all there is to reach
                warnings.warn(str(error), ConvergenceWarning, stacklevel=STACK)
        if watch.interrupted and not ended:
            warnings.warn("Training was interrupted; what was reached by then is kept", stacklevel=STACK)
        self._keep(run, go_on)
        return self

    def _keep(self, run: Run, go_on: bool) -> None:
        layers = run.network.layers
        before: list[float] = self.loss_curve_ if go_on else []
        self.run_, self.network_ = run, run.network
        self.coefs_ = [layer.weights.T for layer in layers]
        self.intercepts_ = [
            np.zeros(layer.n_outputs, layer.weights.dtype) if layer.bias is None else layer.bias
            for layer in layers
        ]
        self.n_layers_, self.n_outputs_ = len(layers) + 1, run.network.n_outputs
        self.out_activation_ = layers[-1].activation
        self.loss_curve_: list[float] = before + run.losses.tolist()
        self.validation_loss_curve_ = run.validation_losses.tolist() if self.early_stopping else None
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min(self.validation_loss_curve_ or self.loss_curve_, default=np.nan)

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "network_")
        return self.network_.outputs(validate_data(self, X, dtype=self.network_.dtype, reset=False))


def _check_fits(network: Network, examples: Examples, settings: Settings) -> None:
    """Refuse to go on with data or parameters that are those of another network."""
    sizes = [examples.n_inputs, *settings.hidden, examples.n_outputs]
    activations = [settings.activation] * len(settings.hidden) + [settings.output]
    wanted = list(zip(sizes[:-1], sizes[1:], activations, [settings.bias] * len(activations), strict=True))
    if wanted != core_layers(network):
        raise ArgumentError(
            f"Expected layers (inputs, outputs, activation, bias) {wanted}, found {core_layers(network)}",
            "the network to go on with",
            "Leave its parameters and the number of outputs as they were, or train a clone of the estimator",
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X (n_examples, n_inputs) of the classes y, each counting by its weight."""
        go_on = self.warm_start and hasattr(self, "network_")
        X, y, weight = self._checked(X, y, sample_weight, go_on)
        found = np.unique(y)
        if len(found) < 2:
            raise ArgumentError(
                f"Expected two classes or more, found one class only: {found[0]}",
                "y",
                "Add rows of another class",
            )
        if not go_on:
            self.classes_ = found
        return self._train(self._examples(X, y, weight), go_on)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch more, on these rows; the first call is told all `classes`.

        The learning rate stays constant, and the optimizer starts afresh with every call: "sgd", which
        remembers nothing, suits small portions best.
        """
        if self.class_weight == "balanced":
            raise ArgumentError(
                "How often each class comes is not known beforehand",
                "class_weight",
                "Give the weights as a dict",
            )
        go_on = hasattr(self, "network_")
        X, y, weight = self._checked(X, y, sample_weight, go_on)
        _check_partial_fit_first_call(self, classes)
        return self._train(self._examples(X, y, weight), go_on, one_epoch=True)

    def _examples(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Examples:
        present, which = np.unique(y, return_inverse=True)
        names = tuple(str(name) for name in self.classes_.tolist())
        place = {label: column for column, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in present.tolist() if label not in place]
        if unknown:
            raise ArgumentError(
                f"There is no class {unknown[0]!r}", "y", f"The classes are: {', '.join(names)}"
            )
        if self.class_weight is not None:
            by_class = compute_class_weight(self.class_weight, classes=present, y=y, sample_weight=weight)
            if by_class.min() < 0:
                raise ArgumentError("A weight is negative", "class_weight", "Give weights of 0 or more")
            weight = weight * by_class[which]
        column = np.array([place[label] for label in present.tolist()])[which]
        return Examples(X, np.eye(len(names))[column], names, weight=weight)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n_examples, n_classes); each row adds up to 1."""
        return self._outputs(X)

    def predict(self, X: Any) -> np.ndarray:
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
    max_iter, l2, momentum, beta_1, beta_2, epsilon, weight_limit, shuffle, early_stopping, \
    validation_fraction, n_iter_no_change, tol, warm_start, callbacks, verbose, random_state
        As of `NetworkClassifier`.
    loss : {"auto", "half_squared_error", "mean_squared_error"}
        What is made small; "auto" is half_squared_error.

    Attributes
    ----------
    coefs_, intercepts_, loss_curve_, validation_loss_curve_, n_iter_, loss_, best_loss_, n_layers_, \
    n_features_in_, feature_names_in_, network_, run_
        As of `NetworkClassifier`.
    n_outputs_ : int, one a quantity
    out_activation_ : "linear"

    Raises
    ------
    ValueError, DivergenceError
        As of `NetworkClassifier`.

    Examples
    --------
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from tinyglass import NetworkRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = make_pipeline(StandardScaler(), NetworkRegressor(random_state=0))
    >>> model = TransformedTargetRegressor(network, transformer=StandardScaler()).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    l2: float = 0.01  # quantities are overfitted sooner than classes

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X (n_examples, n_inputs) of quantities y, (n_examples[, n_outputs])."""
        go_on = self.warm_start and hasattr(self, "network_")
        return self._train(self._examples(X, y, sample_weight, go_on), go_on)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch more, on these rows, as `NetworkClassifier.partial_fit` does."""
        go_on = hasattr(self, "network_")
        return self._train(self._examples(X, y, sample_weight, go_on), go_on, one_epoch=True)

    def _examples(self, X: Any, y: Any, sample_weight: Any, go_on: bool) -> Examples:
        X, y, weight = self._checked(X, y, sample_weight, go_on, multi_output=True, y_numeric=True)
        return Examples(X, y.reshape(len(y), -1), weight=weight)

    def predict(self, X: Any) -> np.ndarray:
        """Return the quantity of each row, (n_examples,), or several, (n_examples, n_outputs)."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
