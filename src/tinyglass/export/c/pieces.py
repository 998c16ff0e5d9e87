"""Pieces of C: the parts that lie beside this file, and what several modules write with them."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Any

from ...errors import ArgumentError
from ..board_model import BoardModel
from ..floats import EXP_TERMS, LARGEST_POWER, LN2_HIGH, LN2_LOW, LOG2_E, SMALLEST_POWER
from .literals import float_literal

PARTS = Path(__file__).parent / "parts"
PROJECTS = Path(__file__).parent / "projects"
LONGEST_NAME = 30  # letters; C99 promises that 63 of a name are told apart


TAKEN_NAMES = (
    "alloca arduino assert avr client complex config ctype delay dirent errno esp_timer fcntl features fenv "
    "float freertos interrupt inttypes io iso646 limits locale main malloc math memory new pgmspace "
    "pins_arduino poll print printable pthread regex sched sdkconfig server servo setjmp signal sleep spi "
    "stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn stream string strings syslog "
    "termios tgmath threads time trainer uchar udp unistd utime values wchar wctype wdt wire wiring"
)
"""Headers of C, of systems and of boards, which programs include by these names."""


def part(name: str, **values: Any) -> str:
    return Template((PARTS / f"{name}.h").read_text(encoding="ascii")).substitute(values)


def project(name: str, **values: Any) -> str:
    return Template((PROJECTS / name).read_text(encoding="ascii")).substitute(values)


def indented(text: str, levels: int) -> str:
    return "\n".join("    " * levels + line for line in text.splitlines())


def named(code: str, name: str) -> str:
    """Return code whose names begin with another word than ``model``; what stands in strings is kept.

    Examples
    --------
    >>> print(named('if (model_place == MODEL_UNKNOWN) puts("model_a");', "wave"))
    if (wave_place == WAVE_UNKNOWN) puts("model_a");
    """
    if name == "model":
        return code

    def renamed(found: re.Match[str]) -> str:
        return {"model_": f"{name}_", "MODEL_": f"{name.upper()}_"}.get(found[0], found[0])

    return re.sub(r'"(?:\\.|[^"\\\n])*"|\b(?:model|MODEL)_', renamed, code)


def check_name(name: str) -> None:
    """Refuse a name that names in C cannot begin with.

    Raises
    ------
    ArgumentError
        If it is not made of small letters, digits and single underscores, or is too long.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST_NAME:
        raise ArgumentError(
            f"The name {name!r} cannot begin the names in a header",
            "--name",
            f"Take up to {LONGEST_NAME} small letters and digits, beginning with a letter",
        )
    if name in TAKEN_NAMES.split():
        raise ArgumentError(
            f"A header {name}.h would hide another of this name", "--name", "Take another name, such as wave"
        )


def smallest_unsigned(largest: int) -> str:
    """Return the type of a count up to `largest`: one that every board counts with quickly."""
    return "uint8_t" if largest <= 255 else "uint16_t" if largest <= 65535 else "uint32_t"


def types_of(model: BoardModel) -> dict[str, str]:
    """Return the types of a number of readings, and of what is larger than all of them together."""
    n = model.n_readings * model.n_channels
    p = model.preparation
    long = model.any_length or max(4 * n, n * (p.n_steps if p.resample else 1)) > 65535
    longest = max(model.n_readings, p.n_steps, 65535 if model.any_length else 0)
    return {
        "length": smallest_unsigned(longest),
        "wide": "uint32_t" if long else "uint16_t",
        "channel": smallest_unsigned(model.n_channels),
    }


def exp_function() -> str:
    terms = [f"    y = y * r + {float_literal(term)};" for term in EXP_TERMS[1:]]
    return part(
        "exp",
        smallest=float_literal(SMALLEST_POWER),
        largest=float_literal(LARGEST_POWER),
        log2_e=float_literal(LOG2_E),
        ln2_high=float_literal(LN2_HIGH),
        ln2_low=float_literal(LN2_LOW),
        first_term=float_literal(EXP_TERMS[0]),
        terms="\n".join(terms),
    )


def activation_code(activation: str, value: str) -> str:
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
