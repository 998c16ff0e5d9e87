"""A trainer for the board, as C: one step of gradient descent on one recording."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ... import __version__
from ..board_model import BoardModel
from ..learning import check_trainer, trained_layers
from .literals import array, float_literal
from .memory import TrainerMemory, trainer_memory
from .pieces import activation_code, check_name, indented, named, part, smallest_unsigned, types_of

CODES = {"linear": 0, "relu": 1, "leaky_relu": 2, "sigmoid": 3, "tanh": 4, "step": 5}
RAM_OF_UNO = 2048  # bytes, for all of a program
SLOPES = {
    "relu": "return output > 0.0f ? 1.0f : 0.0f;",
    "leaky_relu": "return output > 0.0f ? 1.0f : 1.0f / 100.0f;",
    "sigmoid": "return output * (1.0f - output);",
    "tanh": "return 1.0f - output * output;",
}


def c_trainer(model: BoardModel, part_of: str, learning_rate: float, name: str = "model") -> str:
    """Return ``trainer.h``, which stands beside ``model.h``, or ``NAME_trainer.h`` beside ``NAME.h``.

    Parameters
    ----------
    model : BoardModel, in float32
    part_of : {"last", "all"}, the layers that learn
    learning_rate : float
    name : str, as of `c_header`

    Raises
    ------
    ArgumentError
        If the network cannot learn on a board.

    Examples
    --------
    >>> from tinyglass import Layer, Network
    >>> from tinyglass.export.board_model import make_board_model
    >>> model = make_board_model(Network((Layer([[0.3, 0.9]], None, "linear"),)))
    >>> "model_trainer_learn_readings" in c_trainer(model, "all", 0.1)
    True
    """
    check_name(name)
    check_trainer(model, part_of, learning_rate)
    layers, sizes = model.network.layers, model.network.sizes
    rows = [(n_in + 1) * n_out for n_in, n_out in pairwise(sizes)]
    n_trained = len(trained_layers(model.network, part_of))
    first = sum(rows[:-n_trained])
    n_neurons = sum(sizes[1:])
    hidden = {layer.activation for layer in layers[:-1]} - {"linear"}
    size = smallest_unsigned(max(sizes))
    arrays = [
        array(size, "model_trainer_sizes", sizes),
        array("uint8_t", "model_trainer_activations", [*(CODES[la.activation] for la in layers[:-1]), 0]),
        array("uint8_t", "model_trainer_has_bias", [la.bias is not None for la in layers]),
    ]
    classes = model.network.classes is not None
    memory = trainer_memory(model, part_of)
    code = part(
        "trainer",
        header=f"{name}.h",
        version=__version__,
        which="the last layer" if part_of == "last" else "all layers",
        id=model.digest[:16],
        rounding=part("rounding"),
        rounded=part("rounded"),
        rate=float_literal(np.float32(learning_rate)),
        n_bytes=f"{memory.weights:,}",
        stack=_stacks(memory),
        first=first,
        n_weights=sum(rows[-n_trained:]),
        arrays="".join(arrays),
        count=smallest_unsigned(sum(rows) + max(sizes)),
        weight=indented(_weight(first), 1),
        activate=indented(_by_code(hidden, {name: activation_code(name, "sum") for name in hidden}), 1),
        slope=indented(_by_code(hidden, SLOPES), 1),
        size=size,
        unsigned=f"MODEL_{size.removesuffix('_t').upper()}",
        n_layers=len(layers),
        first_layer=len(layers) - n_trained,
        n_neurons=n_neurons,
        last_begin=sum(rows[:-1]),
        softmax=indented(_last_activation(layers[-1].activation), 1),
        last_slope=_last_slope(layers[-1].activation),
        expected="1 for the class and 0 for the others" if classes else "the quantity, brought to scale",
        of_what="of the class at a place, from 0 to MODEL_N_OUTPUTS - 1"
        if classes
        else "that stand for a quantity",
        learnt="place" if classes else "quantity",
        length=types_of(model)["length"],
        answer="int place" if classes else "float quantity",
        expect=indented(_expect(model), 1),
        prepare=indented(_prepare(model, "0.0f"), 1),
        prepare_predict=indented(_prepare(model, "MODEL_UNKNOWN"), 1),
        finish="model_finish(outputs);",
        result="model_answer(outputs)" if classes else "0",
    )
    return named(code, name)


def trainer_note(model: BoardModel, part_of: str) -> str:
    """Return a sentence on the memory that the trainer needs."""
    memory = trainer_memory(model, part_of)
    which = "the last layer" if part_of == "last" else "all layers"
    return (
        f"trainer of {which} in C: {memory.weights:,} bytes of RAM for its copy of the weights; "
        f"stack for learning one recording: {_stacks(memory)}{_too_much(memory)}"
    )


def _stacks(memory: TrainerMemory) -> str:
    (chip, first), *others = memory.stacks.items()
    return f"about {first:,} bytes on {chip}" + "".join(f", {n:,} on {chip}" for chip, n in others)


def _too_much(memory: TrainerMemory) -> str:
    too_much = memory.weights + memory.stacks["Uno"] - RAM_OF_UNO
    return f"; for an Uno {too_much:,} bytes too much" if too_much > 0 else ""


def _weight(first: int) -> str:
    if not first:
        return "return trainer->weights[i];"
    own = "trainer->weights[i - MODEL_TRAINER_FIRST]"
    return f"return i < MODEL_TRAINER_FIRST ? MODEL_FLOAT(model_weights + i) : {own};"


def _by_code(names: set[str], code: dict[str, str]) -> str:
    """Return C that does for each activation what its code says."""
    known = [name for name in sorted(names) if name in code]
    if not known:
        return "(void)activation;" + ("" if code is not SLOPES else "\n(void)output;")
    return "\n".join(f"if (activation == {CODES[name]}) {{\n{indented(code[name], 1)}\n}}" for name in known)


def _last_activation(activation: str) -> str:
    """Return C that makes outputs of the last layer's sums, without the temperature, which is no part of training."""
    if activation == "softmax":
        return (
            "{\n    float largest = out[0], whole = 0.0f;\n"
            "    for (j = 1; j < MODEL_N_OUTPUTS; ++j)\n        if (out[j] > largest) largest = out[j];\n"
            "    for (j = 0; j < MODEL_N_OUTPUTS; ++j) {\n        out[j] = model_exp(out[j] - largest);\n"
            "        whole += out[j];\n    }\n"
            "    for (j = 0; j < MODEL_N_OUTPUTS; ++j) out[j] /= whole;\n}"
        )
    code = activation_code(activation, "out[j]")
    return f"for (j = 0; j < MODEL_N_OUTPUTS; ++j) {{\n{indented(code, 1)}\n}}" if code else ""


def _last_slope(activation: str) -> str:
    return {
        "sigmoid": " * (out[j] * (1.0f - out[j]))",
        "tanh": " * (1.0f - out[j] * out[j])",
        "relu": " * (out[j] > 0.0f ? 1.0f : 0.0f)",
        "leaky_relu": " * (out[j] > 0.0f ? 1.0f : 1.0f / 100.0f)",
    }.get(activation, "")


def _expect(model: BoardModel) -> str:
    if model.network.classes is not None:
        return "int j;\nfor (j = 0; j < MODEL_N_OUTPUTS; ++j) expected[j] = j == place ? 1.0f : 0.0f;"
    p = model.preparation
    scaled = f"(quantity - {float_literal(p.answer_offset)}) / {float_literal(p.answer_scale)}"
    return f"expected[0] = {'quantity' if (p.answer_offset, p.answer_scale) == (0, 1) else scaled};"


def _prepare(model: BoardModel, otherwise: str) -> str:
    """Return C that prepares n readings, or returns something else where there are none."""
    if model.network.preparation is None:
        return "(void)n;\nmemcpy(inputs, readings, sizeof inputs);"
    guard = f"if (!n) return {otherwise};\n" if model.any_length else ""
    return f"{guard}model_prepare(readings, n, inputs);"
