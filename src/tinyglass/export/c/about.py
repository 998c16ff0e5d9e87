"""The comment at the top of a header: what the network is, and how it is called."""

from __future__ import annotations

from textwrap import wrap

from ..board_model import BoardModel
from ..describing import WIDTH, description


def about(model: BoardModel, cost: str = "") -> str:
    """Return lines of a comment that say what the model is.

    Parameters
    ----------
    model : BoardModel
    cost : str, expected flash, RAM and time, where known
    """
    return "\n".join(f" * {line}" for line in description(model, cost))


def usage(model: BoardModel) -> str:
    """Return lines that show how the header is used, and what holds for all of its functions."""
    example = ["float readings[MODEL_READINGS * MODEL_N_CHANNELS], outputs[MODEL_N_OUTPUTS];"]
    if model.network.classes is None:
        example += ["model_predict_raw(readings, outputs);", "the quantity is outputs[0]"]
    else:
        example += [
            "int place = model_predict_raw(readings, outputs);",
            "const char *label = model_label(place);",
        ]
    lines = [
        "",
        *(f"    {line}" for line in example),
        "",
        "Readings are finite numbers in the units above, in the order of time, all channels of each together."
        + (" A NaN counts as the largest number of its sign." if model.quantized is not None else ""),
        "Where a number n of them is passed, "
        + ("n is 1 or more." if model.any_length else "n is MODEL_READINGS."),
    ]
    if model.network.classes is not None:
        lines.append(
            "Places count the classes above from 0. MODEL_UNKNOWN: the largest output is below MODEL_THRESHOLD, or "
            "another is as large."
        )
    if model.quantized is not None:
        lines.append(
            "In int8 only: model_quantize, model_predict_quantized, and sums that are whole numbers."
        )
    return "\n".join(_starred(line) for line in lines)


def _starred(line: str) -> str:
    """Return a line as lines of a comment, none of them too long."""
    return "\n".join(f" * {row}".rstrip() for row in wrap(line, WIDTH) or [""])
