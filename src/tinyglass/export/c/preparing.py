"""From raw readings to inputs, as C."""

from __future__ import annotations

from ...inputs import SEGMENT
from ..board_model import BoardModel
from ..computing import cosines
from ..quantized import SMALLEST_SHIFT, InputScaling
from .literals import array
from .pieces import indented, part, types_of


def resamples(model: BoardModel) -> bool:
    """Tell whether a board brings raw readings to another number of steps."""
    p = model.preparation
    return "raw" in p.inputs and p.resample and (model.any_length or model.n_readings != p.n_steps)


def subtracts(model: BoardModel) -> bool:
    """Tell whether raw readings have an offset: without one, a board needs no subtraction."""
    return any(model.preparation.offset)


def divides(model: BoardModel) -> bool:
    """Tell whether raw readings have a scale: without one, a board needs no division."""
    return any(scale != 1 for scale in model.preparation.scale)


def _is_single(model: BoardModel) -> bool:
    """Tell whether there is one reading only, which all steps are."""
    return model.n_readings == 1 and not model.any_length


def _place(model: BoardModel) -> str:
    return "c" if _is_single(model) else "i * MODEL_N_CHANNELS + c"


def preparation_functions(model: BoardModel) -> list[str]:
    p, q = model.preparation, model.quantized
    types = types_of(model)
    if model.network.preparation is None:
        return []
    if q is not None and q.readings is not None:
        return [*_reading_arrays(q.readings), _quantize_readings(model, q.readings)]
    sections = []
    if "raw" in p.inputs:
        if subtracts(model):
            sections.append(array("float", "model_offset", p.offset))
        if divides(model):
            sections.append(array("float", "model_scale", p.scale))
    kinds = [kind for kind in p.inputs if kind != "raw"]
    if kinds:
        sections += [
            array("float", "model_feature_offset", p.feature_offset),
            array("float", "model_feature_scale", p.feature_scale),
            part("sqrt"),
            part("features", **types),
        ]
    if "summary" in kinds:
        sections.append(part("summary", **types))
    if "spectrum" in kinds:
        sections.append(
            part("spectrum", cosines=array("float", "model_cosines", cosines()[: SEGMENT // 2 + 1]), **types)
        )
    return [*sections, _prepare(model)]


def _prepare(model: BoardModel) -> str:
    """Return the function that makes inputs of readings: kind after kind."""
    p, types = model.preparation, types_of(model)
    body, rounded = [], ""
    if "raw" in p.inputs:
        value = f"const float value = readings[{_place(model)}];"
        if resamples(model) and not _is_single(model):
            value = _between(p.n_steps, types["wide"]) + (
                "const float share = (float)rest / (float)GAPS;\n"
                "const float *at = readings + before * MODEL_N_CHANNELS + c;\n"
                "const float value = at[0] * (1.0f - share) + (rest ? at[MODEL_N_CHANNELS] : at[0]) * share;"
            ).replace("GAPS", str(max(p.n_steps - 1, 1)))
        rounded = "MODEL_ROUNDED\n" if resamples(model) and not _is_single(model) else ""
        body.append(f"{types['length']} i;\n{types['channel']} c;")
        scaled = "(value - MODEL_FLOAT(model_offset + c))" if subtracts(model) else "value"
        scaled += " / MODEL_FLOAT(model_scale + c)" if divides(model) else ""
        raw = part("prepare_raw", n_steps=p.n_steps, value=indented(value, 3), input=scaled)
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
        inside = indented("\n".join(features), 1)
        body.insert(0, f"{types['channel']} f;")
        body.append(f"for (f = 0; f < MODEL_N_CHANNELS; ++f) {{\n{inside}\n}}")
    return (
        "/* n readings, n * MODEL_N_CHANNELS numbers, become MODEL_N_INPUTS prepared inputs. */\n"
        f"static inline void model_prepare(const float *readings, {types['length']} n, float *inputs) {{\n"
        + indented(rounded + "\n".join(body), 1)
        + "\n    (void)n;\n}"
    )


def _between(n_steps: int, wide: str) -> str:
    """Return C that finds the reading before a step, and the rest of the way to the next."""
    gaps = max(n_steps - 1, 1)
    return (
        f"const {wide} parts = ({wide})i * ({wide})(n - 1);\n"
        f"const {wide} before = ({wide})(parts / {gaps}), rest = ({wide})(parts % {gaps});\n"
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
    p, types = model.preparation, types_of(model)
    if resamples(model) and not _is_single(model):
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
        whole = (
            f"const int32_t whole = model_whole(readings[{_place(model)}], MODEL_INT8(model_exponent + c));"
        )
    return part(
        "readings_int8", n_steps=p.n_steps, whole=indented(whole, 3), input_zero=scaling.zero, **types
    )
