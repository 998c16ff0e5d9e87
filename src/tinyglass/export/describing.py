"""What every artefact says about itself at its beginning, and how labels are written in code."""

from __future__ import annotations

import json
from collections.abc import Iterable
from textwrap import wrap

from .. import __version__
from .board_model import BoardModel

WIDTH = 117  # of a line of a comment, after what it begins with


def description(model: BoardModel, cost: str = "") -> list[str]:
    """Return lines that say what the model is: for a comment of any language, with whole lists.

    Only ASCII without ``*/``, ``?`` or line ends comes out, whatever the labels are.

    Parameters
    ----------
    model : BoardModel
    cost : str, expected flash, RAM and time, where known: what it is, and after a colon boards between semicolons
    """
    p, network = model.preparation, model.network
    sizes = "-".join(map(str, network.sizes))
    activations = ", ".join(layer.activation for layer in network.layers)
    period = "unknown" if model.period_ms is None else f"{model.period_ms:g} ms"
    channels = [f"{name} [{unit}]" if unit else name for name, unit in zip(p.channels, p.units, strict=True)]
    lines = [
        f"tinyglass {__version__}, model {model.digest}",
        f"network {sizes} ({activations}), {model.precision}",
        f"classes: {_listed(network.classes)}" if network.classes is not None else "answers a quantity",
        f"fed with {model.n_readings} readings, {period} apart, of: {_listed(channels)}",
        f"inputs: {' + '.join(p.inputs)}; {_scaling(model)}",
        f"inputs in order: {_listed(network.input_names)}",
    ]
    if model.agreement is not None:
        lines.append(model.agreement.in_words(network.classes is None))
    if cost:
        what, _, boards = cost.partition(": ")
        lines += [f"expected: {what}", *(f"    {board}" for board in boards.split("; ") if board)]
    return [row for line in lines for row in _wrapped(in_comment(line))]


def _scaling(model: BoardModel) -> str:
    p = model.preparation
    if "raw" not in p.inputs:
        return "each value scaled by itself"
    scales = [f"({o:.6g}, {s:.6g})" for o, s in zip(p.offset, p.scale, strict=True)]
    return f"(reading - offset) / scale with {', '.join(scales)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(json.dumps(name) for name in names)


def _wrapped(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return wrap(line, WIDTH, subsequent_indent=f"{indent}    ", break_on_hyphens=False)


def in_comment(text: str) -> str:
    """Return the text so that no language finds the end of a comment, or a line's, in it.

    Examples
    --------
    >>> in_comment("a*/ what??/")
    'a*\\\\u002f what\\\\u003f\\\\u003f/'
    """
    escaped = "".join(c if " " <= c <= "~" and c != "?" else f"\\u{ord(c):04x}" for c in text)
    return escaped.replace("*/", "*\\u002f").replace("/*", "\\u002f*")


def c_string(text: str) -> str:
    """Return a C string literal of the text in UTF-8; whatever is no letter or digit is written in octal.

    Examples
    --------
    >>> print(c_string('a"b'))
    "a\\042b"
    """
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ -.,"
    content = text.encode("utf-8", "surrogatepass")
    return '"' + "".join(chr(b) if chr(b) in plain else f"\\{b:03o}" for b in content) + '"'
