"""What a training is asked to do: one record, one table of names, ranges and explanations.

The command line, the configuration file and the documentation are all made from the
fields below; a new setting is one line here.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from .errors import ArgumentError, StorageError, nearest

Positive = Meta(gt=0)
LossName = Literal["auto", "half_squared_error", "mean_squared_error", "cross_entropy"]
HiddenActivation = Literal["linear", "sigmoid", "tanh", "relu", "leaky_relu"]
InputKind = Literal["raw", "summary", "spectrum"]
Alteration = Literal["shift", "stretch", "scale", "noise", "rotate"]
OutputActivation = Literal["auto", "linear", "sigmoid", "tanh", "relu", "leaky_relu", "softmax"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a training, besides the recordings.

    Same settings, same recordings, same bits.

    Raises
    ------
    ArgumentError
        If two settings contradict each other. (`make_settings` checks types and ranges too.)

    Examples
    --------
    >>> Settings(hidden=(8, 4), learning_rate=0.05).epochs
    'auto'
    """

    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=2**20)], ...],
        Meta(description="neurons of each hidden layer, such as 8,4; 'none' for no hidden layer"),
    ] = (32,)
    activation: Annotated[HiddenActivation, Meta(description="activation of the hidden layers")] = "relu"
    output: Annotated[
        OutputActivation,
        Meta(description="activation of the output layer; auto: softmax for classes, else linear"),
    ] = "auto"
    bias: Annotated[bool, Meta(description="a bias for every neuron: a weight whose input is 1")] = True
    start: Annotated[
        Literal["auto", "uniform", "glorot", "he"],
        Meta(description="starting weights; auto: he for relu and leaky_relu, else glorot"),
    ] = "auto"
    start_range: Annotated[
        float, Meta(gt=0, le=1e6, description="uniform starting weights lie in ± this")
    ] = 0.1

    loss: Annotated[
        LossName,
        Meta(description="what is made small; auto: cross_entropy for classes, else half_squared_error"),
    ] = "auto"
    optimizer: Annotated[
        Literal["sgd", "momentum", "nesterov", "adam"], Meta(description="how a gradient changes a weight")
    ] = "adam"
    learning_rate: Annotated[float, Positive, Meta(description="how far one update goes")] = 0.003
    schedule: Annotated[
        Literal["constant", "step", "cosine"],
        Meta(description="how the learning rate changes over the epochs"),
    ] = "cosine"
    rate_drop: Annotated[float, Meta(gt=0, le=1, description="factor of the learning rate at a step")] = 0.5
    rate_every: Annotated[int, Meta(ge=1, le=2**31 - 1, description="epochs between two steps")] = 100
    momentum: Annotated[float, Meta(ge=0, lt=1, description="share of the velocity kept")] = 0.9
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Adam: share of the mean gradient kept")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Adam: share of the mean square kept")] = 0.999
    epsilon: Annotated[float, Positive, Meta(description="Adam: keeps a division from zero")] = 1e-8
    l2: Annotated[
        float, Meta(ge=0, description="adds half of this times the squared weights to the loss")
    ] = 0.003
    weight_limit: Annotated[
        Annotated[float, Positive] | None, Meta(description="no weight may leave ± this; 'none' for no limit")
    ] = None
    class_weight: Annotated[
        Literal["none", "balanced"] | dict[str, float],
        Meta(description="none, balanced, name=weight,… or JSON: how much a class counts"),
    ] = "none"

    epochs: Annotated[
        Annotated[int, Meta(ge=1, le=5 * 10**7)] | Literal["auto"],
        Meta(description="passes over all examples; auto: 30 to 200, fewer the more examples there are"),
    ] = "auto"
    batch: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="examples to an update; 0 or 'all': all of them")
    ] = 16
    shuffle: Annotated[bool, Meta(description="a new order of the examples every epoch")] = True
    validation: Annotated[
        float, Meta(ge=0, lt=1, description="share of the examples kept aside to stop early by")
    ] = 0.0
    patience: Annotated[
        int,
        Meta(
            ge=0,
            le=2**31 - 1,
            description="epochs without a better validation loss before stopping; 0: never stop early",
        ),
    ] = 0
    tolerance: Annotated[
        float, Meta(ge=0, description="how much lower a validation loss must be to be better")
    ] = 0.0

    inputs: Annotated[
        tuple[InputKind, ...] | Literal["auto"],
        Meta(
            description="what the network is shown of a recording: raw, summary, spectrum, or several such as "
            "raw,summary; auto: chosen by validation"
        ),
    ] = "auto"
    augment: Annotated[
        tuple[Alteration, ...] | Literal["auto"],
        Meta(
            description="altered copies of the training part: shift, stretch, scale, noise, rotate, or several; "
            "'none' for none; auto: chosen by validation"
        ),
    ] = "auto"
    copies: Annotated[int, Meta(ge=1, le=1000, description="altered copies of a recording, at most")] = 4
    window: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="readings of a window; 0: recordings are taken whole")
    ] = 0
    hop: Annotated[
        int,
        Meta(
            ge=0,
            le=2**31 - 1,
            description="readings from the start of a window to that of the next; 0: half a window",
        ),
    ] = 0
    scale: Annotated[
        Literal["standard", "none"] | Annotated[float, Positive],
        Meta(description="standard (mean 0, deviation 1 per channel), none, or a number to divide by"),
    ] = "standard"
    steps: Annotated[
        int,
        Meta(
            ge=0,
            description="raw readings that a recording is resampled to; 0: as they are, or 32 where there are "
            "more or their number differs",
        ),
    ] = 0
    threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | Literal["auto"],
        Meta(
            description="a prediction less sure than this is 'unknown'; auto: such that 95 % of the known "
            "gestures are accepted in validation"
        ),
    ] = "auto"
    temperature: Annotated[
        Annotated[float, Positive] | Literal["auto"],
        Meta(
            description="the weighted sums before softmax are divided by it in a prediction; auto: such that "
            "the probabilities fit the validation best"
        ),
    ] = "auto"
    task: Annotated[
        Literal["auto", "classification", "regression"],
        Meta(description="what labels are; auto: numbers that are not a few whole ones mean regression"),
    ] = "auto"

    precision: Annotated[Literal["float32", "float64"], Meta(description="numbers to compute with")] = (
        "float32"
    )
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="where all randomness comes from")] = 0
    core: Annotated[
        str,
        Meta(
            pattern=r"^(auto|(baseline|avx2|avx512|neon)(-(online|deferred|lanes|tiles|many|plain))?)$",
            description="compiled core: auto, an instruction set such as avx2, or that and a kernel such as "
            "avx2-tiles; a run remembers which, for they differ in roundings",
        ),
    ] = "auto"

    @property
    def n_epochs(self) -> int:
        """The passes over all examples, once they are decided."""
        if self.epochs == "auto":
            raise ArgumentError("The epochs are not decided", option("epochs"), "Use count_epochs first")
        return self.epochs

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ArgumentError(
                    f"Expected a finite number, found {value}", option(name), "Give a finite number"
                )
        if isinstance(self.class_weight, dict):
            for label, weight in self.class_weight.items():
                if not 0 <= weight < math.inf:
                    raise ArgumentError(
                        f"Expected a weight of 0 or more for class {label!r}, found {weight}",
                        option("class_weight"),
                        "Give a finite number that is not negative",
                    )
        if self.patience and not self.validation:
            raise ArgumentError(
                f"Patience is {self.patience} epochs, but no examples are kept aside to stop by",
                option("patience"),
                "Add --validation 0.2, or set --patience 0",
            )
        if self.inputs == ():
            raise ArgumentError(
                "A network needs inputs", option("inputs"), "Use raw, summary, spectrum, or auto"
            )
        for name in ("inputs", "augment"):
            kinds = getattr(self, name)
            if kinds != "auto" and len(set(kinds)) < len(kinds):
                raise ArgumentError(f"{show_value(kinds)} names one twice", option(name), "Name each once")
        if self.hop and not self.window:
            raise ArgumentError("A hop needs windows", option("hop"), "Add --window, or leave --hop out")
        if self.loss == "cross_entropy" and self.output not in ("auto", "softmax", "sigmoid"):
            raise ArgumentError(
                f"Cross-entropy needs probabilities, and {self.output} outputs are none",
                option("output"),
                "Use softmax or sigmoid outputs, or --loss half_squared_error",
            )


EXAMPLES_SHOWN = 30_000  # in a whole training, if epochs are "auto"
EPOCHS = (30, 200)  # the fewest and the most then

GROUPINGS = ("person", "device", "session")  # the strictest first; then every recording by itself
SPLITS = ("auto", "published", *GROUPINGS, "recording")

PRESETS: dict[str, dict[str, Any]] = {
    "course": {
        "hidden": (2,),
        "activation": "linear",
        "output": "linear",
        "bias": False,
        "start": "uniform",
        "start_range": 0.1,
        "loss": "half_squared_error",
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "schedule": "constant",
        "l2": 0.0,
        "epochs": 100,
        "batch": 1,
        "inputs": ("raw",),
        "augment": (),
        "scale": 100.0,
        "threshold": 0.6,
        "temperature": 1.0,
    }
}
"""Settings that go by a name. ``course``: the course's program as it should be."""


KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
}
"""How msgspec's types are called in an error message."""

OR_AUTO = {
    "epochs": "a whole number or auto",
    "threshold": "a number or auto",
    "temperature": "a number or auto",
    "inputs": f"some of {', '.join(get_args(InputKind))}, or auto",
    "augment": f"some of {', '.join(get_args(Alteration))}, none, or auto",
}
"""What may stand in place of a value that is decided later."""


def option(name: str) -> str:
    """Return a setting as the command line spells it.

    Examples
    --------
    >>> option("learning_rate")
    '--learning-rate'
    """
    return "--" + name.replace("_", "-")


def make_settings(values: Mapping[str, Any], preset: str | None = None, where: str | None = None) -> Settings:
    """Return settings from values by name, checked for type and range.

    Parameters
    ----------
    values : mapping
        Setting names (hyphens are as good as underscores) with values as TOML or the command line gives them.
    preset : str, optional
        A key of `PRESETS`, on top of which the values are set.
    where : str, optional
        The file that the values come from, for error messages.

    Raises
    ------
    ArgumentError
        If a name is unknown (the nearest known one is offered), or a value of the wrong type or range.

    Examples
    --------
    >>> make_settings({"learning-rate": 0.1}, preset="course").learning_rate
    0.1
    """
    merged: dict[str, Any] = {}
    if preset is not None:
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ArgumentError(
                f"Unknown preset {preset!r}",
                f"{where}, preset" if where else "--preset",
                nearest(str(preset), list(PRESETS)),
            )
        merged.update(PRESETS[preset])
    for name, value in values.items():
        field = name.replace("-", "_")
        if field not in Settings.__struct_fields__:
            raise ArgumentError(
                f"Unknown setting {name!r}",
                where or "the settings",
                nearest(field, list(Settings.__struct_fields__)),
            )
        merged[field] = value
    try:
        return msgspec.convert(merged, Settings)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, ArgumentError):  # from Settings itself
            inner = error.__cause__
            place = f"{where}, {inner.where}" if where else inner.where
            raise ArgumentError(inner.what, place, inner.mend) from error
        what, _, path = str(error).partition(" - at ")
        what = re.sub(r"`(\w+)`", lambda m: KINDS.get(m[1], m[1]), what)
        found = re.match(r"`\$\.(\w+)", path)
        name = found.group(1) if found else "the settings"
        value = merged.get(name)
        choices = name in Settings.__struct_fields__ and explain_field(name)[1]
        if name in OR_AUTO and not re.search("[<>]", what):
            what, mend = f"Expected {OR_AUTO[name]}, found {value!r}", f"{name} is: {describe(name)}"
        elif isinstance(choices, tuple):
            what, mend = f"Unknown {name} {value!r}", nearest(str(value), list(choices))
        else:
            what, mend = f"{what} (the value was {value!r})", f"{name} is: {describe(name)}"
        raise ArgumentError(
            what.replace("`", ""),
            f"{where}, {name}" if where else option(name),
            mend,
        ) from error


def describe(name: str) -> str:
    """Return what a setting means, its range and its default, in one line.

    Examples
    --------
    >>> describe("rate_every")
    'epochs between two steps (default 100)'
    """
    text, kind, default = explain_field(name)
    choices = f"; one of {', '.join(kind)}" if isinstance(kind, tuple) else ""
    return f"{text}{choices} (default {show_value(default)})"


def explain_field(name: str) -> tuple[str, Any, Any]:
    """Return a setting's explanation, its choices (a tuple) or its type, and its default."""
    annotation, default = _fields()[name]
    inner, *metas = get_args(annotation)
    text = next(meta.description for meta in metas if meta.description)
    choices = get_args(inner) if getattr(inner, "__origin__", None) is Literal else None
    return text, choices or inner, default


@cache
def _fields() -> dict[str, tuple[Any, Any]]:
    hints = get_type_hints(Settings, include_extras=True)
    return {field.name: (hints[field.name], field.default) for field in msgspec.structs.fields(Settings)}


def show_value(value: Any) -> str:
    """Return a setting's value as the command line takes it.

    Examples
    --------
    >>> show_value((8, 4)), show_value(None), show_value(True)
    ('8,4', 'none', 'yes')
    """
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        if all(re.fullmatch(r"[^\s,={][^,=]*(?<!\s)", label) for label in value):
            return ",".join(f"{label}={weight!r}" for label, weight in value.items())
        return msgspec.json.encode(value).decode()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def parse_value(name: str, text: str) -> Any:
    """Return what a setting's text on the command line means, for `make_settings` to check.

    Examples
    --------
    >>> parse_value("hidden", "8,4"), parse_value("batch", "all"), parse_value("scale", "100.0")
    ([8, 4], 0, 100.0)
    """
    text = text.strip()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if name == "hidden":
        return [] if text == "none" else [_number(part) for part in parts]
    if name in ("inputs", "augment"):
        return text if text == "auto" else [] if text == "none" else re.split(r"\s*[,+]\s*", text)
    if name == "batch" and text == "all":
        return 0
    if name == "weight_limit" and text == "none":
        return None
    if name == "class_weight" and text.startswith("{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    if name == "class_weight" and "=" in text:
        pairs = (part.rpartition("=") for part in parts)
        return {label.strip(): _number(weight) for label, _, weight in pairs}
    if name in ("loss", "activation", "output"):
        return text.replace("-", "_")
    kind = explain_field(name)[1]
    return text if isinstance(kind, tuple) else _number(text)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def read_config(path: Path) -> dict[str, Any]:
    """Return the values in a TOML configuration file; `make_settings` checks them.

    A ``preset`` key is allowed beside the settings.

    Raises
    ------
    ArgumentError
        If the file is no valid TOML or holds a key that is no setting; the nearest is offered.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"Could not read the configuration: {error.strerror}", str(path), "Check --config"
        ) from error
    except UnicodeDecodeError as error:
        raise ArgumentError("The file is not UTF-8 text", str(path), "Save it as UTF-8") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"The file is not valid TOML: {error}", str(path), "Mend that line") from error
    known = ["preset", *Settings.__struct_fields__]
    for key in values:
        if key.replace("-", "_") not in known:
            lines = text.splitlines()
            line = next(
                (n for n, row in enumerate(lines, 1) if re.match(rf"[\[\s\"']*{re.escape(key)}\b", row)), 1
            )
            raise ArgumentError(f"Unknown setting {key!r}", f"{path}, line {line}", nearest(key, known))
        if key != key.replace("-", "_") and key.replace("-", "_") in values:
            raise ArgumentError(f"{key!r} is set twice, with - and with _", str(path), "Keep one of them")
    return {key: _as_typed(key.replace("-", "_"), value) for key, value in values.items()}


def _as_typed(name: str, value: Any) -> Any:
    """Let the words of the command line, such as "all" or "8,4", stand in a file too."""
    if name == "hidden" and isinstance(value, int):
        return [value]
    words = {"hidden", "batch", "weight_limit", "class_weight", "scale", "inputs", "augment"}
    return parse_value(name, value) if name in words and isinstance(value, str) else value


def count_epochs(settings: Settings, n_examples: int) -> int:
    """Return the passes over all examples: as asked, or about 30,000 examples in all, 30 to 200 passes.

    Examples
    --------
    >>> count_epochs(Settings(), 10), count_epochs(Settings(), 10_000)
    (200, 30)
    """
    if settings.epochs == "auto":
        fewest, most = EPOCHS
        return min(most, max(fewest, EXAMPLES_SHOWN // n_examples))
    return settings.epochs


def resolve(settings: Settings, task: str) -> Settings:
    """Return the settings with every ``auto`` decided that needs the task only.

    Raises
    ------
    ArgumentError
        If a setting is out of its range, or the loss does not suit the task.

    Examples
    --------
    >>> resolve(Settings(), "classification").output
    'softmax'
    """
    settings = make_settings(msgspec.structs.asdict(settings))  # made directly, it may be out of range
    loss = settings.loss
    if loss == "auto":
        loss = (
            "cross_entropy"
            if task == "classification" and settings.output in PROBABILITIES
            else "half_squared_error"
        )
    if loss == "cross_entropy" and task == "regression":
        raise ArgumentError(
            "Cross-entropy compares probabilities, and the labels are quantities",
            option("loss"),
            "Use half_squared_error or mean_squared_error, or --task classification",
        )
    output = settings.output
    if output == "auto":
        output = "softmax" if task == "classification" else "linear"
    start = settings.start
    if start == "auto":
        start = "he" if settings.activation in ("relu", "leaky_relu") else "glorot"
    return msgspec.structs.replace(settings, loss=loss, output=output, start=start, task=task)


PROBABILITIES = ("auto", "softmax", "sigmoid")


def as_options(settings: Settings) -> list[str]:
    """Return the command-line options that make these settings out of the defaults.

    Examples
    --------
    >>> as_options(Settings(hidden=(8, 4), bias=False))
    ['--hidden', '8,4', '--no-bias']
    """
    options: list[str] = []
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        if value == field.default:
            continue
        if isinstance(value, bool):
            options.append(option(field.name) if value else f"--no-{field.name}")
        else:
            options += [option(field.name), show_value(value)]
    return options
