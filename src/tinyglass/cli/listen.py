"""The verb listen: what a network says about the readings of a board, as they come."""

from __future__ import annotations

import argparse
from itertools import islice

from ..errors import ArgumentError
from .keys import Keys
from .models import load_model
from .options import AddVerb, add_json, add_model, count
from .record import add_channels, add_plain, add_port, add_rate, add_source, period_of

KEYS = {"q": "quit", "\x04": "quit"}


def add_verb(add: AddVerb) -> None:
    verb = add("listen", listen_verb, "predict live from a board on the wire")
    add_model(verb)
    add_port(verb)
    verb.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="less sure than this is unknown (default: the network's own)",
    )
    verb.add_argument("--count", type=count, metavar="N", help="end after so many predictions")
    group = verb.add_argument_group("readings", "how they come")
    add_rate(group)
    group.add_argument(
        "--readings", type=count, metavar="N", help="of a recording, where the network takes any length"
    )
    group.add_argument(
        "--hop",
        type=count,
        metavar="N",
        help="readings from one prediction to the next (default: the network's own)",
    )
    add_channels(group)
    add_source(verb, "recorder, course or lines")
    add_plain(verb)
    add_json(verb)


def listen_verb(options: argparse.Namespace) -> int:
    """Predict until it is enough."""
    from ..board.listening import LOOK, listening
    from ..board.takes import Wanted
    from .heard import shown_as

    network, _ = load_model(options.model)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise ArgumentError(
            f"Expected a number from 0 to 1, found {options.threshold}", "--threshold", "Give such a number"
        )
    wanted = Wanted(
        readings=options.readings,
        period_ms=period_of(options),
        channels=None if options.channels is None else tuple(options.channels),
        units=None if options.units is None else tuple(options.units),
        timeout=options.timeout,
    )
    with (
        Keys(KEYS) as keys,
        shown_as("json" if options.json else "plain" if options.plain else "live", network) as shown,
        listening(
            network,
            options.port,
            wanted,
            kind=options.source,
            threshold=options.threshold,
            hop=options.hop,
            baud=options.baud,
            tell=shown.tell,
        ) as listener,
    ):
        n = 0
        try:
            while keys.key() != "quit" and n != options.count:
                for heard in islice(listener.hear(LOOK), options.count and options.count - n):
                    shown.heard(heard)
                    n += 1
                shown.look(listener)
                while listener.notes:
                    shown.tell(listener.notes.pop(0))
        finally:
            for text in listener.account.in_words():
                shown.tell(f"{options.port}: {text}.")
    return 0
