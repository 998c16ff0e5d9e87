"""From the last layer's sums to outputs, classes and labels, and what a user calls, as C."""

from __future__ import annotations

from textwrap import wrap

from ...errors import ArgumentError
from ...prediction import UNKNOWN
from ..board_model import TOLERANCE, BoardModel, board_answers
from ..describing import c_string
from .literals import array, float_literal
from .pieces import activation_code, indented, part, types_of

MOST_ON_AVR = 16_384  # bytes of test vectors
LONGEST_TEXT = 4_000  # bytes; C99 promises 4,095 in a literal


def finish_functions(model: BoardModel) -> list[str]:
    """Return what makes outputs of the last layer's sums, and classes of outputs."""
    network = model.network
    activation = network.layers[-1].activation
    body, rounded = [], ""
    if activation == "softmax":
        tempered = f" / {float_literal(network.temperature)}" if network.temperature != 1 else ""
        shifted = f"(outputs[j] - largest){tempered}"
        body.append(
            "float largest = outputs[0], whole = 0.0f;\nint j;\n"
            "for (j = 1; j < MODEL_N_OUTPUTS; ++j)\n    if (outputs[j] > largest) largest = outputs[j];\n"
            f"for (j = 0; j < MODEL_N_OUTPUTS; ++j) {{\n    outputs[j] = model_exp({shifted});\n"
            "    whole += outputs[j];\n}\n"
            "for (j = 0; j < MODEL_N_OUTPUTS; ++j) outputs[j] /= whole;"
        )
    elif activation_code(activation, "x"):
        applied = indented(activation_code(activation, "outputs[j]"), 1)
        body.append(f"int j;\nfor (j = 0; j < MODEL_N_OUTPUTS; ++j) {{\n{applied}\n}}")
    p = network.preparation
    if network.classes is None and p is not None and (p.answer_scale, p.answer_offset) != (1.0, 0.0):
        rounded = "MODEL_ROUNDED\n"
        quantity = f"outputs[j] * {float_literal(p.answer_scale)} + {float_literal(p.answer_offset)}"
        first = "" if body else "int j;\n"
        body.append(f"{first}for (j = 0; j < MODEL_N_OUTPUTS; ++j) outputs[j] = {quantity};")
    finish = indented(rounded + "\n".join(body) or "(void)outputs;", 1)
    sections = [
        "/* MODEL_N_OUTPUTS sums of the last layer become outputs, in place. */\n"
        f"static inline void model_finish(float *outputs) {{\n{finish}\n}}"
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
        sections.append(part("answer"))
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
    what = _meaning(model)
    return (
        f"/* MODEL_N_INPUTS prepared inputs become MODEL_N_OUTPUTS outputs{what}. */\n"
        f"static inline void model_outputs(const float *inputs, float *outputs) {{\n{body}\n}}"
    )


def _meaning(model: BoardModel) -> str:
    """Return what outputs are, for a comment."""
    if model.network.classes is None:
        return ": the quantity"
    return ": calibrated probabilities" if model.network.gives_probabilities else ""


def label_function(model: BoardModel) -> str:
    if model.network.classes is None:
        return ""
    for label in model.network.classes:
        if "\0" in label:
            raise ArgumentError(
                f"The label {label!r} has a NUL, at which texts end in C",
                "the classes",
                "Rename it and train again",
            )
    names = [*model.network.classes, UNKNOWN]
    content = b"".join(name.encode("utf-8", "surrogatepass") + b"\0" for name in names)
    if len(content) > LONGEST_TEXT:
        numbers = wrap(", ".join(str(byte if byte < 128 else byte - 256) for byte in content), 100)
        return part("labels", labels="        {\n" + indented("\n".join(numbers), 3) + "\n        }")
    literals = "\n".join(f'        {c_string(name)} "\\000"' for name in names)
    return part("labels", labels=literals)


def predict_functions(model: BoardModel) -> list[str]:
    length = types_of(model)["length"]
    classes = model.network.classes is not None
    kind = "int32_t" if model.quantized is not None else "float"
    finish = (
        "model_outputs_of_sums(sums, outputs);" if model.quantized is not None else "model_finish(outputs);"
    )
    sums = "    int32_t sums[MODEL_N_OUTPUTS];\n" if model.quantized is not None else ""
    result = "the place of the class, or MODEL_UNKNOWN" if classes else "0"
    guard = ""
    if model.any_length:
        guard = "    if (!n) return MODEL_UNKNOWN;\n"
        result += "; no outputs and MODEL_UNKNOWN for n = 0"
    return [
        "/* n readings, n * MODEL_N_CHANNELS numbers, become MODEL_N_OUTPUTS sums of the last layer. */\n"
        f"static inline void model_sums_of_readings(const float *readings, {length} n, {kind} *sums) {{\n"
        f"{_sums_of_readings(model)}}}",
        f"/* The same, as MODEL_N_OUTPUTS outputs{_meaning(model)}.\n * Returns {result}. */\n"
        f"static inline int model_predict_readings(const float *readings, {length} n, float *outputs) {{\n{sums}{guard}"
        f"    model_sums_of_readings(readings, n, {'sums' if sums else 'outputs'});\n    {finish}\n"
        f"    return {'model_answer(outputs)' if classes else '0'};\n}}",
        "/* The same for MODEL_READINGS readings: MODEL_READINGS * MODEL_N_CHANNELS numbers. */\n"
        "static inline int model_predict_raw(const float *readings, float *outputs) {\n"
        "    return model_predict_readings(readings, MODEL_READINGS, outputs);\n}",
    ]


def _sums_of_readings(model: BoardModel) -> str:
    q = model.quantized
    work = f"    int8_t q[{max(q.sizes[:-1:2])}];\n" if q is not None else ""
    if model.network.preparation is None:
        call = (
            "model_sums(readings, sums)"
            if q is None
            else "model_quantize(readings, q);\n    model_run(q, sums)"
        )
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


def selftest_function(model: BoardModel) -> str:
    answers = board_answers(model, model.readings)
    exact = model.quantizes_readings
    kind = "int8_t" if model.network.n_outputs < 128 else "int16_t"
    vectors = [
        array("float", "model_test_readings", model.readings.ravel()),
        array("float", "model_test_outputs", answers.outputs.ravel()),
        array(kind, "model_test_places", answers.classes),
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
    else:
        hash_sums = ""
        answer = "place = model_predict_raw(readings, outputs);"
    text = part(
        "selftest",
        vectors="\n".join(vectors),
        n_vectors=len(model.readings),
        answer=indented(answer, 2),
        right=f" && off <= {float_literal(TOLERANCE)} * bound",
        read="MODEL_INT8" if kind == "int8_t" else "MODEL_INT16",
        hash_sums=indented(hash_sums, 2),
        wide=types_of(model)["wide"],
    )
    if model.readings.nbytes > MOST_ON_AVR:
        text = f"#if !defined(__AVR__) /* whose memory is too small for the test vectors */\n{text.strip()}\n#endif"
    return text
