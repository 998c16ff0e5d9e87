"""The header of a network: put together from its parts, of which it gets those that it needs."""

from __future__ import annotations

from ..board_model import BoardModel
from .about import about, usage
from .answering import finish_functions, label_function, predict_functions, selftest_function
from .float_layers import float_network
from .integer_layers import integer_network
from .literals import float_literal
from .pieces import check_name, named, part
from .preparing import preparation_functions


def c_header(model: BoardModel, *, name: str = "model", cost: str = "") -> str:
    """Return the header of a network: C99, also valid C++.

    Parameters
    ----------
    model : BoardModel
    name : str
        With which the guard, every macro and every function begin, so that several networks can live in one program.
    cost : str, expected flash, RAM and time, for the comment at the top

    Returns
    -------
    str, ASCII

    Raises
    ------
    ArgumentError
        If the name cannot begin names in C, or a label cannot be a text in C.

    Examples
    --------
    >>> from tinyglass import Layer, Network
    >>> from tinyglass.export.board_model import make_board_model
    >>> header = c_header(make_board_model(Network((Layer([[0.3, 0.9]], None, "linear"),))))
    >>> "static inline int model_predict(const float *inputs)" in header
    True
    """
    check_name(name)
    integers = model.quantized is not None
    sections = [
        _begin(model),
        *(integer_network(model) if integers else float_network(model)),
        *preparation_functions(model),
        *finish_functions(model),
        label_function(model),
        *predict_functions(model),
        selftest_function(model),
        part("end", rounded=part("rounded")),
    ]
    text = "\n".join(section.strip("\n") for section in sections if section) + "\n"
    return f"/*\n{about(model, cost)}\n{named(usage(model), name)}\n */\n{named(text, name)}"


def _begin(model: BoardModel) -> str:
    network = model.network
    return part(
        "begin",
        rounding=part("rounding"),
        id=model.digest[:16],
        n_inputs=network.n_inputs,
        n_outputs=network.n_outputs,
        n_channels=model.n_channels,
        n_readings=model.n_readings,
        hop=model.preparation.hop if model.preparation.window else 0,
        period=float_literal(model.period_ms or 0),
        threshold=float_literal(network.threshold if network.classes is not None else 0),
    )
