"""The verb record: guided recording of gestures from a board on the wire."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ArgumentError
from .options import AddVerb, count, labels, whole


def add_verb(add: AddVerb) -> None:
    verb = add("record", record_verb, "record gestures from a board on the wire, guided")
    add_port(verb)
    verb.add_argument(
        "--label",
        type=labels,
        action="extend",
        required=True,
        metavar="A,B",
        help="what is recorded, one after the other; \\, is a comma in a label",
    )
    verb.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where to; what is there is kept"
    )
    verb.add_argument(
        "--count", type=count, default=10, metavar="N", help="recordings of each label (default: 10)"
    )
    group = verb.add_argument_group("a recording", "how long it is, and what is kept with it")
    group.add_argument("--readings", type=count, metavar="N", help="how many readings it has")
    group.add_argument("--seconds", type=float, metavar="S", help="or how long it lasts")
    add_rate(group)
    group.add_argument(
        "--trigger",
        type=float,
        metavar="D",
        help="it begins when the signal moves by more than this (boards that print numbers)",
    )
    group.add_argument(
        "--countdown", type=whole, default=3, metavar="S", help="seconds before it begins (default: 3)"
    )
    add_channels(group)
    for name, meaning in (("person", "who moves"), ("session", "when"), ("device", "with which board")):
        group.add_argument(f"--{name}", metavar=name[0].upper(), help=f"{meaning}; kept with each recording")
    add_source(verb, "recorder, course, lines or repl")
    verb.add_argument(
        "--read",
        metavar="EXPR",
        help="Python for the board, statements and then an expression whose value is a reading: by the raw REPL",
    )
    verb.add_argument(
        "--program",
        type=Path,
        metavar="FILE",
        help="or a program for the board that prints readings and ends",
    )
    add_plain(verb)


def add_port(verb: argparse.ArgumentParser) -> None:
    """Add --port and --baud."""
    verb.add_argument(
        "--port", required=True, metavar="PORT", help="the serial port; tinyglass boards lists them"
    )
    verb.add_argument(
        "--baud",
        type=count,
        default=115200,
        metavar="B",
        help="its speed (default: 115200; USB does not mind)",
    )


def add_rate(group: argparse._ArgumentGroup) -> None:
    """Add --period and --rate, of which one may be given."""
    rate = group.add_mutually_exclusive_group()
    rate.add_argument("--period", type=float, metavar="MS", help="milliseconds from one reading to the next")
    rate.add_argument("--rate", type=float, metavar="HZ", help="or readings a second")


def add_channels(group: argparse._ArgumentGroup) -> None:
    """Add --channels and --units."""
    group.add_argument(
        "--channels", type=labels, metavar="A,B", help="names instead of those that the board gives"
    )
    group.add_argument(
        "--units", type=labels, metavar="U,V", help="units instead of those that the board gives"
    )


def add_source(verb: argparse.ArgumentParser, kinds: str) -> None:
    """Add --source and --timeout."""
    verb.add_argument(
        "--source",
        default="auto",
        metavar="S",
        help=f"what the board runs: {kinds} (default: auto, which finds out)",
    )
    verb.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds for which a board may be silent that should send (default: 10)",
    )


def add_plain(verb: argparse.ArgumentParser) -> None:
    """Add --plain."""
    verb.add_argument("--plain", action="store_true", help="plain lines instead of a live curve")


def period_of(options: argparse.Namespace) -> float | None:
    """Return the milliseconds from one reading to the next that are asked for.

    Raises
    ------
    ArgumentError
        If the rate is not above 0.
    """
    if options.rate is None:
        return options.period
    if not options.rate > 0:
        raise ArgumentError(
            f"Expected a number above 0, found {options.rate:g}", "--rate", "Give such a number"
        )
    return 1000 / options.rate


def record_verb(options: argparse.Namespace) -> int:
    """Record what is asked for."""
    from ..board.recording import Plan, run_plan
    from ..board.takes import Wanted
    from .guides import guide_for

    wanted = Wanted(
        options.readings,
        options.seconds,
        period_of(options),
        None if options.channels is None else tuple(options.channels),
        None if options.units is None else tuple(options.units),
        options.trigger,
        options.timeout,
    )
    plan = Plan(
        options.port,
        tuple(options.label),
        options.out,
        options.count,
        wanted,
        options.source,
        options.read,
        options.program,
        options.person,
        options.session,
        options.device,
        options.countdown,
        options.baud,
    )
    with guide_for(options.plain) as guide:
        run_plan(plan, guide)
    return 0
