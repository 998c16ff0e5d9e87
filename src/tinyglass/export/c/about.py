"""The comment at the top of a header: what the network is, and how it is called."""

from __future__ import annotations

import json
from collections.abc import Iterable
from textwrap import wrap

from ... import __version__
from ..board_model import BoardModel
from ..describing import in_comment

WIDTH = 117  # of a line, after the star that it begins with


def about(model: BoardModel, cost: str = "") -> str:
    """Return lines that say what the model is, with whole lists, whatever the labels are.

    Parameters
    ----------
    model : BoardModel
    cost : str, expected flash, RAM and time, where known: what it is, a colon, and boards between semicolons
    """
    p, network = model.preparation, model.network
    sizes = "-".join(map(str, network.sizes))
    activations = ", ".join(layer.activation for layer in network.layers)
    period = "unknown" if model.period_ms is None else f"{model.period_ms:g} ms"
    channels = [f"{name} [{unit}]" if unit else name for name, unit in zip(p.channels, p.units, strict=True)]
    lines = [
        f"tinyglass {__version__}, model {model.digest}",
        f"network {sizes} ({activations}), {model.precision}",
        "answers a quantity" if network.classes is None else f"classes: {_listed(network.classes)}",
        f"fed with {model.n_readings} readings, {period} apart, of: {_listed(channels)}",
        f"inputs: {' + '.join(p.inputs)}; {_scaling(model)}",
        f"inputs in order: {_listed(network.input_names)}",
    ]
    if model.agreement is not None:
        a = model.agreement
        lines.append(f"int8 and float32 agree on {100 * a.equal:.2f} % of {a.n} examples")
    if cost:
        what, _, boards = cost.partition(": ")
        lines += [f"expected: {what}", *(f"    {board}" for board in boards.split("; ") if board)]
    return "\n".join(_starred(in_comment(line)) for line in lines)


def usage(model: BoardModel) -> str:
    """Return lines that show how the header is used, and what holds for all of its functions."""
    example = ["float readings[MODEL_READINGS * MODEL_N_CHANNELS], outputs[MODEL_N_OUTPUTS];"]
    if model.network.classes is None:
        example += ["model_predict_raw(readings, outputs);", "the quantity is outputs[0]"]
    else:
        example += [
            "int place = model_predict_raw(readings, outputs);",
            "const char *label = model_label(place);",
        ]
    lines = [
        "",
        *(f"    {line}" for line in example),
        "",
        "Readings are finite numbers in the units above, in the order of time, all channels of each together."
        + (" A NaN counts as the largest number of its sign." if model.quantized is not None else ""),
        "Where a number n of them is passed, "
        + ("n is 1 or more." if model.any_length else "n is MODEL_READINGS."),
    ]
    if model.network.classes is not None:
        lines.append(
            "Places count the classes above from 0. MODEL_UNKNOWN: the largest output is below MODEL_THRESHOLD, or "
            "another is as large."
        )
    if model.quantized is not None:
        lines.append(
            "In int8 only: model_quantize, model_predict_quantized, and sums that are whole numbers."
        )
    return "\n".join(_starred(line) for line in lines)


def _scaling(model: BoardModel) -> str:
    p = model.preparation
    if "raw" not in p.inputs:
        return "each value scaled by itself"
    scales = [f"({o:.6g}, {s:.6g})" for o, s in zip(p.offset, p.scale, strict=True)]
    return f"(reading - offset) / scale with {', '.join(scales)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(json.dumps(name) for name in names)


def _starred(line: str) -> str:
    """Return a line as lines of a comment, none of them too long."""
    indent = line[: len(line) - len(line.lstrip())]
    rows = wrap(line, WIDTH, subsequent_indent=f"{indent}    ", break_on_hyphens=False) or [""]
    return "\n".join(f" * {row}".rstrip() for row in rows)
