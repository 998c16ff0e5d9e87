"""The layers of a network in int8, as C."""

from __future__ import annotations

import numpy as np

from ..board_model import BoardModel
from ..quantized import SMALLEST_SHIFT, InputScaling, QuantizedNetwork
from .literals import array
from .pieces import exp_function, indented, part, smallest_unsigned


def integer_network(model: BoardModel) -> list[str]:
    q = model.quantized
    assert q is not None
    exp = {"sigmoid", "tanh", "softmax"} & {q.layers[-1].activation}
    hidden = q.layers[:-1]
    sections = [
        exp_function() if exp else "",
        "/* Row by row, each neuron's weights. */",
        array("int8_t", "model_weights", np.concatenate([layer.weights.ravel() for layer in q.layers])),
        array("int32_t", "model_bias", np.concatenate([layer.bias for layer in q.layers])),
    ]
    if hidden:
        multipliers = np.concatenate([_given(layer.multiplier) for layer in hidden])
        shifts = np.concatenate([_given(layer.shift) for layer in hidden]) - SMALLEST_SHIFT
        sections += [
            array("int16_t", "model_multiplier", multipliers),
            "/* Less 9. */",
            array("uint8_t", "model_shift", shifts),
        ]
    tables = _tables(q)
    sections += [array("int8_t", f"model_table{i}", table) for i, (table, _) in enumerate(tables)]
    sections.append(_layers(q, tables))
    bits = q.inputs.limit.bit_length() - 1
    sections.append(part("whole", least_down=24 - bits, largest_whole=q.inputs.limit - 1))
    sections.append(
        part(
            "predict_int8",
            count=smallest_unsigned(max(q.sizes)),
            work=max(q.sizes[:-1:2]),
            **_scaling_values(q.inputs),
        )
    )
    return sections


def _layers(q: QuantizedNetwork, tables: list[tuple[np.ndarray, list[int]]]) -> str:
    """Return the arrays that describe the layers, and the function that computes them."""
    hidden = q.layers[:-1]
    size = smallest_unsigned(max(q.sizes))
    arrays, loop = [], ""
    if hidden:
        arrays = [
            array(size, "model_sizes", q.sizes[:-1]),
            array("int8_t", "model_zero", [layer.zero for layer in hidden]),
            array("int8_t", "model_lowest", [layer.lowest for layer in hidden]),
        ]
        loop = part(
            "hidden_int8",
            size=size,
            count=smallest_unsigned(sum(q.sizes[1:])),
            unsigned=f"MODEL_{size.removesuffix('_t').upper()}",
            n_layers=len(hidden),
            between=max(q.sizes[1:-1:2]),
            look_up=indented(_look_up(q, tables), 3),
        )
    return "\n".join(arrays) + part(
        "layer_int8",
        size=size,
        decrement="dec %[n]" if size == "uint8_t" else "sbiw %[n], 1",
        register="r" if size == "uint8_t" else "w",
        hidden=loop,
        n_last=q.sizes[-2],
        n_hidden=sum(q.sizes[1:-1]),
    )


def _look_up(q: QuantizedNetwork, tables: list[tuple[np.ndarray, list[int]]]) -> str:
    """Return C that replaces a value by that of its layer's table, where it has one."""
    statements = []
    for number, (_, users) in enumerate(tables):
        look_up = f"value = MODEL_INT8(model_table{number} + (value + 128));"
        if len(users) < len(q.layers) - 1:
            look_up = f"if ({' || '.join(f'layer == {user}' for user in users)}) {look_up}"
        statements.append(look_up + "\n")
    return "".join(statements)


def _given(values: np.ndarray | None) -> np.ndarray:
    assert values is not None
    return values.astype(np.int64)


def _tables(q: QuantizedNetwork) -> list[tuple[np.ndarray, list[int]]]:
    """Return the different tables of activations, each with the layers that use it."""
    tables: list[tuple[np.ndarray, list[int]]] = []
    for number, layer in enumerate(q.layers):
        if layer.table is None:
            continue
        for table, users in tables:
            if np.array_equal(table, layer.table):
                users.append(number)
                break
        else:
            tables.append((layer.table, [number]))
    return tables


def _scaling_values(scaling: InputScaling) -> dict[str, int]:
    return {
        "input_zero": scaling.zero,
        "input_exponent": int(scaling.exponent[0]),
        "input_multiplier": int(scaling.multiplier[0]),
        "input_shift": int(scaling.shift[0]) - SMALLEST_SHIFT,
    }
