"""The parser of the whole command line, and the verbs that it knows."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

from .. import __version__
from ..errors import ArgumentError, nearest
from . import (
    board,
    boards,
    check,
    data,
    deploy,
    diagnose,
    explain,
    export,
    history,
    listen,
    predict,
    record,
    show,
    size,
    test,
    train,
    verify,
    worksheet,
)

VERBS = (
    data,
    train,
    test,
    predict,
    show,
    explain,
    history,
    diagnose,
    worksheet,
    check,
    size,
    export,
    verify,
    boards,
    record,
    listen,
    board,
    deploy,
)  # in the order of --help


class _Parser(argparse.ArgumentParser):
    """Say what is wrong with the command line, and offer the nearest known word."""

    def parse_args(self, arguments: Any = None, namespace: Any = None) -> Any:
        options, unknown = self.parse_known_args(arguments, namespace)
        _place_late_words(options, unknown)
        if unknown:
            word = unknown[0].split("=")[0]
            known = [name for name in options.parser._option_string_actions if name.startswith("--")]
            if not word.startswith("-"):
                options.parser.refuse(f"Unexpected word {word!r}")
            options.parser.refuse(f"Unknown option {word!r}", nearest(word, known).partition(" Known")[0])
        return options

    def error(self, message: str) -> Any:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong:
            known = re.findall(r"[\w-]+", wrong[2])
            self.refuse(f"Unknown verb {wrong[1]!r}", nearest(wrong[1], known))
        self.refuse(message[:1].upper() + message[1:])

    def refuse(self, what: str, mend: str = "") -> None:
        """Print what is wrong as every other error is printed, and exit with 2."""
        error = ArgumentError(what, "the command line", mend if "?" in mend else f"See {self.prog} --help")
        print(f"tinyglass: {error}", file=sys.stderr)
        sys.exit(2)


def _place_late_words(options: argparse.Namespace, unknown: list[str]) -> None:
    """Give words that follow an option to the arguments that may be left out, which argparse took for left out."""
    if any(word.startswith("-") for word in unknown):
        return
    for action in options.parser._get_positional_actions():
        if unknown and action.nargs == "?" and getattr(options, action.dest) is action.default:
            setattr(options, action.dest, options.parser._get_value(action, unknown.pop(0)))


def make_parser() -> _Parser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="tinyglass",
        description="A glass box for tiny neural networks: record, train, read every number, run on the board.",
        epilog="tinyglass VERB --help explains a verb and all its options.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tinyglass {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=text, description=text + ".", allow_abbrev=False)
        verb.set_defaults(verb=run, parser=verb)
        return verb

    for module in VERBS:
        module.add_verb(add)
    return parser
