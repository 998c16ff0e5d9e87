"""The header of a network: put together from its parts, of which it gets those that it needs."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ...inputs import SEGMENT
from ...network import Layer
from ...prediction import UNKNOWN
from ..board_model import TOLERANCE, BoardModel, board_answers
from ..computing import cosines
from ..describing import c_string, description
from ..floats import EXP_TERMS, LARGEST_POWER, LN2_HIGH, LN2_LOW, LOG2_E, SMALLEST_POWER
from ..quantized import SMALLEST_SHIFT, InputScaling, QuantizedNetwork
from .literals import array, float_literal

PARTS = Path(__file__).parent / "parts"
MOST_ON_AVR = 16_384  # bytes of test vectors
UNROLLED_FROM = 8  # inputs of a layer, from which on four at a time are worth their code


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
        *(_integer_network(model) if integers else _float_network(model)),
        *_preparation(model),
        *_finish(model),
        _labels(model),
        *_predict_raw(model),
        _selftest(model),
        _part("end"),
    ]
    text = "\n".join(section.strip("\n") for section in sections if section) + "\n"
    if name != "model":
        text = re.sub(r"\bmodel_", f"{name}_", re.sub(r"\bMODEL_", f"{name.upper()}_", text))
    return text


def _part(name: str, **values: Any) -> str:
    return Template((PARTS / f"{name}.h").read_text(encoding="ascii")).substitute(values)


def _indented(text: str, levels: int) -> str:
    return "\n".join("    " * levels + line for line in text.splitlines())


def _comment(model: BoardModel, cost: str) -> str:
    return "/*\n" + "\n".join(f" * {line}" for line in description(model, cost)) + "\n */"


def _begin(model: BoardModel) -> str:
    network = model.network
    return _part(
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


def _smallest_unsigned(largest: int) -> str:
    """Return the type of a count up to `largest`: one that every board counts with quickly."""
    return "uint8_t" if largest <= 255 else "uint16_t" if largest <= 65535 else "uint32_t"


# ---------------------------------------------------------------- exp, and what needs it


def _exp() -> str:
    terms = [f"    y = y * r + {float_literal(term)};" for term in EXP_TERMS[1:]]
    return _part(
        "exp",
        smallest=float_literal(SMALLEST_POWER),
        largest=float_literal(LARGEST_POWER),
        log2_e=float_literal(LOG2_E),
        ln2_high=float_literal(LN2_HIGH),
        ln2_low=float_literal(LN2_LOW),
        first_term=float_literal(EXP_TERMS[0]),
        terms="\n".join(terms),
    )


def _activation(activation: str, value: str) -> str:
    """Return C statements that apply an activation to a variable."""
    return {
        "linear": "",
        "step": f"{value} = {value} >= 0.5f ? 1.0f : 0.0f;",
        "relu": f"if (!({value} > 0.0f)) {value} = 0.0f;",
        "leaky_relu": f"if (!({value} > 0.0f)) {value} = {value} / 100.0f;",
        "sigmoid": f"{value} = 1.0f / (1.0f + model_exp(-{value}));",
        "tanh": f"{value} = {value} < -9.0f ? -9.0f : {value} > 9.0f ? 9.0f : {value};\n"
        f"{value} = 1.0f - 2.0f / (model_exp({value} + {value}) + 1.0f);",
    }[activation]


# ---------------------------------------------------------------- float32


def _float_network(model: BoardModel) -> list[str]:
    layers = model.network.layers
    needs_exp = {"sigmoid", "tanh", "softmax"} & {layer.activation for layer in layers}
    weights = np.concatenate([_rows(layer).ravel() for layer in layers])
    return [
        _exp() if needs_exp else "",
        "/* Of each neuron its bias, then its weights. */\n" + array("float", "model_weights", weights),
        _float_layers(layers),
        _part("predict_float32"),
    ]


def _rows(layer: Layer) -> np.ndarray:
    bias = np.zeros(layer.n_outputs, np.float32) if layer.bias is None else layer.bias
    return np.concatenate([bias[:, None], layer.weights], axis=1)


def _float_layers(layers: tuple[Layer, ...]) -> str:
    hidden = sorted({layer.activation for layer in layers[:-1]} - {"linear"})
    # The last layer's activation is applied to all of its sums together.
    codes = {"linear": 0, **{name: code for code, name in enumerate(hidden, 1)}}
    applied = [
        f"if (activation == {code}) {{\n{_indented(_activation(name, 'sum'), 1)}\n}}"
        for name, code in codes.items()
        if code
    ]
    inner = "do {\n    const float product = MODEL_FLOAT(w) * *in;\n    sum += product;\n    ++w;\n    ++in;\n} while (--n);"
    if max(layer.n_inputs for layer in layers) >= UNROLLED_FROM:
        by_four = "\n".join(f"    sum += w[{k}] * in[{k}];" for k in range(4))
        inner = (
            "#if !defined(__AVR__)\n"
            f"for (; n > 4; n = (SIZE)(n - 4), w += 4, in += 4) {{\n{by_four}\n}}\n#endif\n{inner}"
        )
    size = _smallest_unsigned(max(max(layer.n_inputs, layer.n_outputs) for layer in layers))
    text = _part(
        "layer_float32",
        size=size,
        activation_parameter=", uint8_t activation" if hidden else "",
        loop=_indented(inner.replace("SIZE", size), 2),
        activation=_indented("\n".join(applied), 2),
        buffers=_indented("\n".join(_float_buffers(layers)), 1),
        calls=_indented("\n".join(_float_calls(layers, codes if hidden else None)), 1),
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


# ---------------------------------------------------------------- int8


def _integer_network(model: BoardModel) -> list[str]:
    q = model.quantized
    assert q is not None
    exp = {"sigmoid", "tanh", "softmax"} & {q.layers[-1].activation}
    hidden = q.layers[:-1]
    sections = [
        _exp() if exp else "",
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
    sections.append(_part("whole", least_down=24 - bits, largest_whole=q.inputs.limit - 1))
    sections.append(
        _part(
            "predict_int8",
            count=_smallest_unsigned(max(q.sizes)),
            work=max(q.sizes[:-1:2]),
            **_scaling_values(q.inputs),
        )
    )
    return sections


def _layers(q: QuantizedNetwork, tables: list[tuple[np.ndarray, list[int]]]) -> str:
    """Return the arrays that describe the layers, and the function that computes them."""
    hidden = q.layers[:-1]
    size = _smallest_unsigned(max(q.sizes))
    arrays, loop = [], ""
    if hidden:
        arrays = [
            array(size, "model_sizes", q.sizes[:-1]),
            array("int8_t", "model_zero", [layer.zero for layer in hidden]),
            array("int8_t", "model_lowest", [layer.lowest for layer in hidden]),
        ]
        loop = _part(
            "hidden_int8",
            size=size,
            count=_smallest_unsigned(sum(q.sizes[1:])),
            unsigned=f"MODEL_{size.removesuffix('_t').upper()}",
            n_layers=len(hidden),
            between=max(q.sizes[1:-1:2]),
            look_up=_indented(_look_up(q, tables), 3),
        )
    return "\n".join(arrays) + _part(
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


# ---------------------------------------------------------------- preparation


def _types(model: BoardModel) -> dict[str, str]:
    """Return the types of a number of readings, and of what is larger than all of them together."""
    n = model.n_readings * model.n_channels
    p = model.preparation
    long = model.any_length or max(4 * n, n * (p.n_steps if p.resample else 1)) > 65535
    return {
        "length": _smallest_unsigned(model.n_readings if not model.any_length else 65535),
        "wide": "uint32_t" if long else "uint16_t",
        "channel": _smallest_unsigned(model.n_channels),
    }


def _resampling(model: BoardModel) -> bool:
    p = model.preparation
    return "raw" in p.inputs and p.resample and (model.any_length or model.n_readings != p.n_steps)


def _preparation(model: BoardModel) -> list[str]:
    p, q = model.preparation, model.quantized
    types = _types(model)
    if model.network.preparation is None:
        return []
    if q is not None and q.readings is not None:
        return [*_reading_arrays(q.readings), _quantize_readings(model, q.readings)]
    sections = []
    if "raw" in p.inputs:
        sections += [array("float", "model_offset", p.offset), array("float", "model_scale", p.scale)]
    kinds = [kind for kind in p.inputs if kind != "raw"]
    if kinds:
        sections += [
            array("float", "model_feature_offset", p.feature_offset),
            array("float", "model_feature_scale", p.feature_scale),
            _part("sqrt"),
            _part("features", **types),
        ]
    if "summary" in kinds:
        sections.append(_part("summary", **types))
    if "spectrum" in kinds:
        sections.append(
            _part("spectrum", cosines=array("float", "model_cosines", cosines()[: SEGMENT // 2 + 1]), **types)
        )
    return [*sections, _prepare(model)]


def _prepare(model: BoardModel) -> str:
    """Return the function that makes inputs of readings: kind after kind."""
    p, types = model.preparation, _types(model)
    body = []
    if "raw" in p.inputs:
        value = "const float value = readings[i * MODEL_N_CHANNELS + c];"
        if _resampling(model):
            value = _between(p.n_steps, types["wide"]) + (
                "const float share = (float)rest / (float)GAPS;\n"
                "const float *at = readings + before * MODEL_N_CHANNELS + c;\n"
                "const float value = at[0] * (1.0f - share) + (rest ? at[MODEL_N_CHANNELS] : at[0]) * share;"
            ).replace("GAPS", str(max(p.n_steps - 1, 1)))
        body.append(f"{types['length']} i;\n{types['channel']} c;")
        raw = _part("prepare_raw", n_steps=p.n_steps, value=_indented(value, 3))
        body.append("\n".join(line[4:] for line in raw.splitlines()))
    n_channels = model.n_channels
    features = []
    at = 0
    for kind in p.inputs:
        if kind == "raw":
            continue
        function = {"summary": "model_summarise", "spectrum": "model_spectrum"}[kind]
        # Offsets and scales count the features alone; those before them are raw readings.
        features.append(f"{function}(readings + f, n, inputs, (uint16_t)({at} + f));")
        at += {"summary": 8, "spectrum": 16}[kind] * n_channels
    if features and p.inputs[0] != "raw" and "raw" in p.inputs:
        raise AssertionError("raw readings come first")
    if features:
        inside = _indented("\n".join(features), 1)
        body.insert(0, f"{types['channel']} f;")
        body.append(f"for (f = 0; f < MODEL_N_CHANNELS; ++f) {{\n{inside}\n}}")
    return (
        "/* Raw readings, in the units of the recordings, become inputs. */\n"
        f"static inline void model_prepare(const float *readings, {types['length']} n, float *inputs) {{\n"
        + _indented("\n".join(body), 1)
        + "\n    (void)n;\n}"
    )


def _between(n_steps: int, wide: str) -> str:
    """Return C that finds the reading before a step, and the rest of the way to the next."""
    return (
        f"const {wide} parts = ({wide})i * ({wide})(n - 1);\n"
        f"const {wide} before = ({wide})(parts / {max(n_steps - 1, 1)}), rest = ({wide})(parts % {max(n_steps - 1, 1)});\n"
    )


def _reading_arrays(scaling: InputScaling) -> list[str]:
    return [
        "/* How the readings of each channel become whole numbers. */",
        array("int8_t", "model_exponent", scaling.exponent),
        array("int32_t", "model_origin", scaling.origin),
        array("int16_t", "model_reading_multiplier", scaling.multiplier),
        array("uint8_t", "model_reading_shift", scaling.shift.astype(int) - SMALLEST_SHIFT),
    ]


def _quantize_readings(model: BoardModel, scaling: InputScaling) -> str:
    p, types = model.preparation, _types(model)
    if _resampling(model):
        gaps = max(p.n_steps - 1, 1)
        bound = gaps * scaling.limit
        whole = _between(p.n_steps, types["wide"]) + (
            "const float *at = readings + before * MODEL_N_CHANNELS + c;\n"
            "const int8_t exponent = MODEL_INT8(model_exponent + c);\n"
            f"int32_t whole = model_whole(at[0], exponent) * (int32_t)({gaps} - rest);\n"
            "if (rest) whole += model_whole(at[MODEL_N_CHANNELS], exponent) * (int32_t)rest;\n"
            f"whole = (int32_t)((uint32_t)(whole + {bound}) / {gaps}) - {scaling.limit};"
        )
    else:
        whole = "const int32_t whole = model_whole(readings[i * MODEL_N_CHANNELS + c], MODEL_INT8(model_exponent + c));"
    return _part(
        "readings_int8", n_steps=p.n_steps, whole=_indented(whole, 3), input_zero=scaling.zero, **types
    )


# ---------------------------------------------------------------- answers


def _finish(model: BoardModel) -> list[str]:
    """Return what makes outputs of the last layer's sums, and classes of outputs."""
    network = model.network
    activation = network.layers[-1].activation
    body = []
    if activation == "softmax":
        tempered = f" / {float_literal(network.temperature)}" if network.temperature != 1 else ""
        shifted = f"(outputs[j] - largest){tempered}"
        body.append(
            "float largest = outputs[0], whole = 0.0f;\nint j;\n"
            "for (j = 1; j < MODEL_N_OUTPUTS; ++j)\n    if (outputs[j] > largest) largest = outputs[j];\n"
            f"for (j = 0; j < MODEL_N_OUTPUTS; ++j) {{\n    outputs[j] = model_exp({shifted});\n    whole += outputs[j];\n}}\n"
            "for (j = 0; j < MODEL_N_OUTPUTS; ++j) outputs[j] /= whole;"
        )
    elif _activation(activation, "x"):
        applied = _indented(_activation(activation, "outputs[j]"), 1)
        body.append(f"int j;\nfor (j = 0; j < MODEL_N_OUTPUTS; ++j) {{\n{applied}\n}}")
    p = network.preparation
    if network.classes is None and p is not None and (p.answer_scale, p.answer_offset) != (1.0, 0.0):
        quantity = f"outputs[j] * {float_literal(p.answer_scale)} + {float_literal(p.answer_offset)}"
        first = "" if body else "int j;\n"
        body.append(f"{first}for (j = 0; j < MODEL_N_OUTPUTS; ++j) outputs[j] = {quantity};")
    finish = _indented("\n".join(body) or "(void)outputs;", 1)
    sections = [
        f"/* The last layer's weighted sums become outputs. */\nstatic inline void model_finish(float *outputs) {{\n{finish}\n}}"
    ]
    if model.quantized is not None:
        unit = float_literal(model.quantized.layers[-1].unit)
        sections.append(
            "static inline void model_outputs_of_sums(const int32_t *sums, float *outputs) {\n    int j;\n"
            f"    for (j = 0; j < MODEL_N_OUTPUTS; ++j) outputs[j] = (float)sums[j] * {unit};\n"
            "    model_finish(outputs);\n}"
        )
    sections.append(_outputs(model))
    if network.classes is not None:
        sections.append(_part("answer"))
    return sections


def _outputs(model: BoardModel) -> str:
    if model.quantized is None:
        body = "    model_sums(inputs, outputs);\n    model_finish(outputs);"
    else:
        work = max(model.quantized.sizes[:-1:2])
        body = (
            f"    int8_t q[{work}];\n    int32_t sums[MODEL_N_OUTPUTS];\n    model_quantize(inputs, q);\n"
            "    model_run(q, sums);\n    model_outputs_of_sums(sums, outputs);"
        )
    return (
        "/* The outputs for prepared inputs: calibrated probabilities if they come from softmax. */\n"
        f"static inline void model_outputs(const float *inputs, float *outputs) {{\n{body}\n}}"
    )


def _labels(model: BoardModel) -> str:
    if model.network.classes is None:
        return ""
    names = [*model.network.classes, UNKNOWN]
    literals = "\n".join(f'        {c_string(name)} "\\000"' for name in names)
    return _part("labels", labels=literals)


def _predict_raw(model: BoardModel) -> list[str]:
    length = _types(model)["length"]
    classes = model.network.classes is not None
    kind = "int32_t" if model.quantized is not None else "float"
    finish = (
        "model_outputs_of_sums(sums, outputs);" if model.quantized is not None else "model_finish(outputs);"
    )
    sums = "    int32_t sums[MODEL_N_OUTPUTS];\n" if model.quantized is not None else ""
    what = "The place of the class" if classes else "0, and the quantity in outputs[0],"
    return [
        "/* Raw readings to the last layer's sums: n of them, one after another, each of all channels. */\n"
        f"static inline void model_sums_of_readings(const float *readings, {length} n, {kind} *sums) {{\n"
        f"{_sums_of_readings(model)}}}",
        f"/* {what} for n raw readings. */\n"
        f"static inline int model_predict_readings(const float *readings, {length} n, float *outputs) {{\n{sums}"
        f"    model_sums_of_readings(readings, n, {'sums' if sums else 'outputs'});\n    {finish}\n"
        f"    return {'model_answer(outputs)' if classes else '0'};\n}}",
        "/* The same for MODEL_READINGS of them. */\n"
        "static inline int model_predict_raw(const float *readings, float *outputs) {\n"
        "    return model_predict_readings(readings, MODEL_READINGS, outputs);\n}",
    ]


def _sums_of_readings(model: BoardModel) -> str:
    q = model.quantized
    work = f"    int8_t q[{max(q.sizes[:-1:2])}];\n" if q is not None else ""
    if model.network.preparation is None:
        call = "model_sums(readings, sums)" if q is None else "model_quantize(readings, q);\n    model_run(q, sums)"
        return f"{work}    (void)n;\n    {call};\n"
    if model.quantizes_readings:
        return f"{work}    model_quantize_readings(readings, n, q);\n    model_run(q, sums);\n"
    prepare = "    float inputs[MODEL_N_INPUTS];\n"
    if q is None:
        return f"{prepare}    model_prepare(readings, n, inputs);\n    model_sums(inputs, sums);\n"
    return (
        f"{prepare}{work}    model_prepare(readings, n, inputs);\n    model_quantize(inputs, q);\n"
        "    model_run(q, sums);\n"
    )


def _selftest(model: BoardModel) -> str:
    answers = board_answers(model, model.readings)
    integers = model.quantized is not None
    exact = model.quantizes_readings
    vectors = [
        array("float", "model_test_readings", model.readings.ravel()),
        array("float", "model_test_outputs", answers.outputs.ravel()),
        array("int8_t", "model_test_places", answers.classes),
    ]
    if exact:
        vectors.append(array("int32_t", "model_test_sums", answers.sums.ravel()))
    if exact:
        answer = (
            "int32_t sums[MODEL_N_OUTPUTS];\nmodel_sums_of_readings(readings, MODEL_READINGS, sums);\n"
            "model_outputs_of_sums(sums, outputs);\n"
            f"place = {'model_answer(outputs)' if model.network.classes is not None else '0'};"
        )
        hash_sums = (
            "for (j = 0; j < MODEL_N_OUTPUTS; ++j) {\n"
            "    uint8_t byte;\n"
            "    right = right && sums[j] == MODEL_INT32(model_test_sums + v * MODEL_N_OUTPUTS + j);\n"
            "    for (byte = 0; byte < 4; ++byte) h = (h ^ (uint8_t)((uint32_t)sums[j] >> (8 * byte))) * 0x01000193;\n}"
        )
        right = ""
    else:
        hash_sums = ""
        answer = "place = model_predict_raw(readings, outputs);"
        right = f" && off <= {float_literal(TOLERANCE)} * bound" if not integers else ""
    text = _part(
        "selftest",
        vectors="\n".join(vectors),
        n_vectors=len(model.readings),
        answer=_indented(answer, 2),
        right=right,
        hash_sums=_indented(hash_sums, 2),
        wide=_types(model)["wide"],
    )
    if model.readings.nbytes > MOST_ON_AVR:
        text = f"#if !defined(__AVR__) /* whose memory is too small for the test vectors */\n{text.strip()}\n#endif"
    return text
