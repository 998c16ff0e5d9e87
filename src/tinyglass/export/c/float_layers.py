"""The layers of a network in float32, as C."""

from __future__ import annotations

import re

import numpy as np

from ...network import Layer
from ..board_model import BoardModel
from .literals import array
from .pieces import activation_code, exp_function, indented, part, smallest_unsigned

UNROLLED_FROM = 8  # inputs of a layer, from which on four at a time are worth their code


def float_network(model: BoardModel) -> list[str]:
    layers = model.network.layers
    needs_exp = {"sigmoid", "tanh", "softmax"} & {layer.activation for layer in layers}
    weights = np.concatenate([_rows(layer).ravel() for layer in layers])
    return [
        exp_function() if needs_exp else "",
        "/* Of each neuron its bias, then its weights. */\n" + array("float", "model_weights", weights),
        _float_layers(layers),
        part("predict_float32"),
    ]


def _rows(layer: Layer) -> np.ndarray:
    bias = np.zeros(layer.n_outputs, np.float32) if layer.bias is None else layer.bias
    return np.concatenate([bias[:, None], layer.weights], axis=1)


def _float_layers(layers: tuple[Layer, ...]) -> str:
    hidden = sorted({layer.activation for layer in layers[:-1]} - {"linear"})
    # The last layer's activation is applied to all of its sums together.
    codes = {"linear": 0, **{name: code for code, name in enumerate(hidden, 1)}}
    applied = [
        f"if (activation == {code}) {{\n{indented(activation_code(name, 'sum'), 1)}\n}}"
        for name, code in codes.items()
        if code
    ]
    inner = (
        "do {\n    const float product = MODEL_FLOAT(w) * *in;\n"
        "    sum += product;\n    ++w;\n    ++in;\n} while (--n);"
    )
    if max(layer.n_inputs for layer in layers) >= UNROLLED_FROM:
        by_four = "\n".join(f"    sum += w[{k}] * in[{k}];" for k in range(4))
        inner = (
            "#if !defined(__AVR__)\n"
            f"for (; n > 4; n = (SIZE)(n - 4), w += 4, in += 4) {{\n{by_four}\n}}\n#endif\n{inner}"
        )
    size = smallest_unsigned(max(max(layer.n_inputs, layer.n_outputs) for layer in layers))
    text = part(
        "layer_float32",
        size=size,
        activation_parameter=", uint8_t activation" if hidden else "",
        loop=indented(inner.replace("SIZE", size), 2),
        activation=indented("\n".join(applied), 2),
        buffers=indented("\n".join(_float_buffers(layers)), 1),
        calls=indented("\n".join(_float_calls(layers, codes if hidden else None)), 1),
    )
    return re.sub(r"^ +(#\w+)", r"\1", text, flags=re.MULTILINE)


def _float_buffers(layers: tuple[Layer, ...]) -> list[str]:
    between = [layer.n_outputs for layer in layers[:-1]]
    return [
        f"float {name}[{max(sizes)}];" for name, sizes in (("a", between[::2]), ("b", between[1::2])) if sizes
    ]


def _float_calls(layers: tuple[Layer, ...], codes: dict[str, int] | None) -> list[str]:
    calls, source = [], "inputs"
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        target = "sums" if last else "ab"[number % 2]
        code = "" if codes is None else f", {0 if last else codes[layer.activation]}"
        kept = "" if last else "w = "
        calls.append(f"{kept}model_layer(w, {source}, {target}, {layer.n_inputs}, {layer.n_outputs}{code});")
        source = target
    return calls
