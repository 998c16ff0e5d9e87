"""The course's own examples, digit for digit, and its mistakes beside what is right."""

from __future__ import annotations

from ...errors import ArgumentError, nearest
from ..explanation import Explanation
from ..notation import Style
from . import gates, gesture, neuron

COURSE = {
    "neuron": neuron.explain,
    "or-gate": gates.explain_or,
    "plant": gates.explain_plant,
    "gesture": gesture.explain,
}
"""Every example of the course, by the name behind ``course:``."""


def explain_course(
    name: str, *, as_printed: bool = False, notation: str | None = None, style: Style | None = None
) -> Explanation:
    """Return an example of the course, every number as the course has it.

    Parameters
    ----------
    name : "neuron", "or-gate", "plant" or "gesture"
    as_printed : bool
        Set what the page prints, where that is wrong, beside what is right, with the proof.
    notation : "course" or "standard", optional; the course's, unless it is given
    style : Style, optional; the digits of the page, unless it is given

    Raises
    ------
    ArgumentError
        If the course has no such example.

    Examples
    --------
    >>> explain_course("neuron")["weight2_new"].value
    Fraction(31, 50)
    """
    if name not in COURSE:
        raise ArgumentError(
            f"The course has no example {name!r}", f"course:{name}", nearest(name, list(COURSE))
        )
    return COURSE[name](as_printed, notation or "course", style)
