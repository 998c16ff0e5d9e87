"""A network as C, by tinyglass and by emlearn; each chooses a class for prepared inputs in floating point."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinyglass.export.c.header import c_header

from .networks import Subject

FLOAT32, INT8 = "tinyglass float32", "tinyglass int8"
EMLEARN, EMLEARN_INLINE = "emlearn loadable", "emlearn inline"
EMLEARN_NAMES = {"linear": "identity", "sigmoid": "logistic"}


class Code(NamedTuple):
    """A network in C.

    Attributes
    ----------
    header : str, what ``network.h`` holds
    call : str, an expression: the place of the largest output for the float array ``inputs``
    options : tuple of str, for the compiler
    """

    header: str
    call: str
    options: tuple[str, ...] = ()


def _own(subject: Subject, precision: str) -> Code:
    return Code(c_header(subject.board_model(precision)), "model_predict(inputs)")


def _emlearn(subject: Subject, method: str) -> Code:
    with np.errstate():  # emlearn makes NumPy raise at every underflow, for the whole process
        from emlearn import net
        from emlearn.common import get_include_dir

    write = {"loadable": net.c_generate_net_loadable, "inline": net.c_generate_net_inline}[method]
    layers = subject.network.layers
    header = write(
        [EMLEARN_NAMES.get(layer.activation, layer.activation) for layer in layers],
        [layer.weights.T for layer in layers],
        [np.zeros(layer.n_outputs) if layer.bias is None else layer.bias for layer in layers],
        prefix="network",
    )
    call = f"network_predict(inputs, {subject.network.n_inputs})"
    return Code(header, call, (f"-I{get_include_dir()}",))


CONTESTANTS: dict[str, Callable[[Subject], Code]] = {
    FLOAT32: lambda subject: _own(subject, "float32"),
    INT8: lambda subject: _own(subject, "int8"),
    EMLEARN: lambda subject: _emlearn(subject, "loadable"),
    EMLEARN_INLINE: lambda subject: _emlearn(subject, "inline"),
}
