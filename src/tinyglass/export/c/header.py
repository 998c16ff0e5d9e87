"""The header of a network: put together from its parts, of which it gets those that it needs."""

from __future__ import annotations

import re

from ..board_model import BoardModel
from ..describing import description
from .answering import finish_functions, label_function, predict_functions, selftest_function
from .float_layers import float_network
from .integer_layers import integer_network
from .literals import float_literal
from .pieces import part
from .preparing import preparation_functions


def c_header(model: BoardModel, *, name: str = "model", cost: str = "") -> str:
    """Return the header of a network: C99, also valid C++.

    Parameters
    ----------
    model : BoardModel
    name : str, with which every name in the header begins, so that several can be included together
    cost : str, expected flash, RAM and time, for the comment at the top

    Returns
    -------
    str, ASCII

    Examples
    --------
    >>> from tinyglass import Layer, Network
    >>> from tinyglass.export.board_model import make_board_model
    >>> header = c_header(make_board_model(Network((Layer([[0.3, 0.9]], None, "linear"),))))
    >>> "static inline int model_predict(const float *inputs)" in header
    True
    """
    integers = model.quantized is not None
    sections = [
        _comment(model, cost),
        _begin(model),
        *(integer_network(model) if integers else float_network(model)),
        *preparation_functions(model),
        *finish_functions(model),
        label_function(model),
        *predict_functions(model),
        selftest_function(model),
        part("end"),
    ]
    text = "\n".join(section.strip("\n") for section in sections if section) + "\n"
    if name != "model":
        text = re.sub(r"\bmodel_", f"{name}_", re.sub(r"\bMODEL_", f"{name.upper()}_", text))
    return text


def _comment(model: BoardModel, cost: str) -> str:
    return "/*\n" + "\n".join(f" * {line}" for line in description(model, cost)) + "\n */"


def _begin(model: BoardModel) -> str:
    network = model.network
    return part(
        "begin",
        id=model.digest[:16],
        n_inputs=network.n_inputs,
        n_outputs=network.n_outputs,
        n_channels=model.n_channels,
        n_readings=model.n_readings,
        hop=model.preparation.hop if model.preparation.window else 0,
        period=float_literal(model.period_ms or 0),
        threshold=float_literal(network.threshold if network.classes is not None else 0),
    )
