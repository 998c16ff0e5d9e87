"""The file ``trainer.py``: it stands beside ``model.py``, and lets the board adapt to its user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from ... import __version__
from ...network import Network
from ..board_model import BoardModel
from ..learning import check_trainer, trained_layers
from .assembling import assemble
from .assembling import part as part_of_file
from .literals import floats, one_float
from .network_code import ACTIVATIONS, has_unit, rows_of
from .selftest import in_comments

SLOPES = {
    "relu": "1.0 if y > 0 else 0.0",
    "leaky_relu": "1.0 if y > 0 else 1 / 100",
    "sigmoid": "y * (1 - y)",
    "tanh": "1 - y * y",
}
"""Of an activation, from its output y."""
CODE = 14_000
"""Bytes for the trainer and the parts of the program that learn, most of them while these are compiled."""
LARGEST_NUMBER = 20  # bytes of a number in a list, where it is an object of its own


def python_trainer(model: BoardModel, *, part: str = "last", learning_rate: float = 0.01) -> str:
    """Return the file ``trainer.py`` of a network, for CircuitPython 8, MicroPython and Python 3.

    Each of its steps is that of `tinyglass.export.learning.trained_on_board`.

    Parameters
    ----------
    model : BoardModel, in float32
    part : {"last", "all"}, the layers that learn
    learning_rate : float

    Returns
    -------
    str, ASCII

    Raises
    ------
    ArgumentError
        If the network cannot learn on a board.

    Examples
    --------
    >>> from tinyglass import Layer, Network
    >>> from tinyglass.export.board_model import make_board_model
    >>> model = make_board_model(Network((Layer([[0.3, 0.9]], None, "linear"),)))
    >>> "def learn(self, readings, label, rate=LEARNING_RATE)" in python_trainer(model, part="all")
    True
    """
    check_trainer(model, part, learning_rate)
    head = f"""# tinyglass {__version__}, trainer of {"the last layer" if part == "last" else "all layers"}
# of model {model.digest}
#
#     from trainer import Trainer
#     trainer = Trainer()
#     trainer.learn(readings, label)   one step of gradient descent on one recording; returns the loss before it
#     trainer.predict_raw(readings)    as predict_raw of model.py, with what was learnt
#     trainer.save(), trainer.load()   to keep it over a restart; forget() undoes both
#
# expected: {python_trainer_memory(model):,} bytes of memory, besides the model, where pointers have 32 bits
"""
    sections = [*_constants(model, part, learning_rate), *_ends(model.network), part_of_file("trainer")]
    weights = floats(np.concatenate([rows_of(layer).ravel() for layer in model.network.layers]))
    remark = "# The weights of model.py, layer by layer: of each neuron its bias, or 0, then its weights.\n"
    return f"{head}\n{assemble(sections, 'trainer')}\n\n{remark}{in_comments(weights)}"


def python_trainer_memory(model: BoardModel) -> int:
    """Return about how many bytes more the exported program needs at its peak when it can learn.

    It is an estimate for interpreters with 32-bit pointers, made of what 64-bit MicroPython needs: of
    that half, as nearly all is pointers. Of all weights and biases it has 4 bytes, and of every neuron
    and input two numbers: those of the last prediction stay, and while it learns there are deltas.
    """
    n_weights = sum((n_in + 1) * n_out for n_in, n_out in pairwise(model.network.sizes))
    return CODE + 4 * n_weights + 2 * LARGEST_NUMBER * sum(model.network.sizes)


def _constants(model: BoardModel, part: str, learning_rate: float) -> Iterator[str]:
    layers, sizes = model.network.layers, model.network.sizes
    n_weights = [(n_in + 1) * n_out for n_in, n_out in pairwise(sizes)]
    yield f"""from struct import unpack
from model import MODEL
PART = {part!r}
{one_float("LEARNING_RATE", learning_rate)}
_SIZES = {sizes}
_HAS_BIAS = {_tuple(str(layer.bias is not None) for layer in layers)}
_N_WEIGHTS = {sum(n_weights)}
_N_FIXED = {sum(n_weights[: -len(trained_layers(model.network, part))])}
"""
    yield (
        f"if MODEL != {model.digest[:16]!r}:\n"
        '    raise ValueError("trainer.py and model.py are of different networks")'
    )
    rules = {
        layer.activation: ACTIVATIONS[layer.activation] for layer in layers if layer.activation in ACTIVATIONS
    }
    for name, rule in sorted(rules.items()):
        if rule.startswith("_"):
            yield f"from model import _{name}"
        else:
            yield f"def _{name}(s):\n    return {rule.format('s')}"
        if name in SLOPES:
            yield f"def _{name}_slope(y):\n    return {SLOPES[name]}"
    activations = [f"_{layer.activation}" if layer.activation in rules else "None" for layer in layers]
    slopes = [f"_{layer.activation}_slope" if layer.activation in SLOPES else "None" for layer in layers]
    yield f"_ACTIVATIONS = {_tuple(activations)}\n_SLOPES = {_tuple(slopes)}"


def _ends(network: Network) -> Iterator[str]:
    """Yield what is done with the last layer's outputs: to learn, and to answer."""
    if network.layers[-1].activation == "softmax":
        yield from (part_of_file("loss_cross_entropy"), part_of_file("softmax"))
        calibrated = network.temperature != 1
        yield "def _trained(x):\n    return _softmax(x)"
        yield "from model import _softmax as _calibrated" if calibrated else ""
        yield f"def _finished(x):\n    return {'_calibrated' if calibrated else '_softmax'}(x)"
    else:
        yield part_of_file("loss_half_squared_error")
        yield "def _trained(x):\n    return x"
        if has_unit(network):
            yield "from model import _ANSWER_OFFSET, _ANSWER_SCALE"
            yield "def _finished(x):\n    return [y * _ANSWER_SCALE + _ANSWER_OFFSET for y in x]"
        else:
            yield "def _finished(x):\n    return x"
    if network.classes is not None:
        yield part_of_file("expected_class")
        return
    number = "(label - _ANSWER_OFFSET) / _ANSWER_SCALE" if has_unit(network) else "label"
    yield (
        "def expected_outputs(label):\n"
        '    """Return what is expected of the output: the quantity, brought to scale."""\n'
        f"    return [{number}]"
    )


def _tuple(words: Iterable[str]) -> str:
    listed = list(words)
    return "(" + ", ".join(listed) + ("," if len(listed) == 1 else "") + ")"
