"""Which readings of a stream a network is given, and which of a board's channels are its own."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ArgumentError, RecordingError
from ..network import Preparation
from ..recordings import unnamed
from .reading import Form

OFTEN = 4.0  # predictions a second from networks that take whole recordings


@dataclass(frozen=True)
class Windows:
    """Which readings a prediction is made from.

    Attributes
    ----------
    length : int, readings
    hop : int, readings from one window to the next
    """

    length: int
    hop: int


def windows_of(
    preparation: Preparation, rate_hz: float | None, length: int | None, hop: int | None
) -> Windows:
    """Return the windows that a network takes from a stream of readings.

    Parameters
    ----------
    preparation : Preparation
    rate_hz : float or None, readings a second
    length : int or None, readings of a recording, where the network takes whole recordings of any length
    hop : int or None; the network's own if left out, or about four windows a second

    Raises
    ------
    ArgumentError
        If the network does not say how many readings it takes, or says another number.

    Examples
    --------
    >>> whole = Preparation(("x",), ("",), 100, False, (0.0,), (1.0,))
    >>> windows_of(whole, 100.0, None, None)
    Windows(length=100, hop=25)
    """
    own = preparation.window or (None if preparation.any_length else preparation.n_steps)
    if own is None and length is None:
        raise ArgumentError(
            "The network takes recordings of any length",
            "--readings",
            "Say how many readings its recordings had: --readings N",
        )
    if own is not None and length not in (None, own):
        raise ArgumentError(f"The network takes {own} readings, not {length}", "--readings", "Leave it out")
    often = max(1, round(rate_hz / OFTEN)) if rate_hz else 1
    return Windows(own or length or 1, hop or (preparation.hop if preparation.window else often))


def match_channels(form: Form, preparation: Preparation, where: str) -> list[int]:
    """Return which of the board's channels are the network's, in the network's order.

    By their names where the board gives names; else there have to be as many.

    Raises
    ------
    RecordingError
        If a channel is missing.

    Examples
    --------
    >>> form = Form(("x", "y", "z"), ("", "", ""), width=3)
    >>> match_channels(form, Preparation(("z", "x"), ("", ""), 1, False, (0.0,) * 2, (1.0,) * 2), "the board")
    [2, 0]
    """
    found, needed = form.channels, preparation.channels
    if set(needed) <= set(found):
        return [found.index(name) for name in needed]
    if len(found) == len(needed) and found == unnamed(len(found)):
        return list(range(len(found)))
    raise RecordingError(
        f"Expected {len(needed)} channel{'s' * (len(needed) > 1)} ({', '.join(needed)}), "
        f"found {len(found)} ({', '.join(found)})",
        where,
        "Use the sensor that the network was trained with, or name the board's numbers with --channels",
    )
