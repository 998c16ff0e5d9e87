"""The options that several verbs have, and how labels are written in them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from ..errors import ArgumentError

AddVerb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""Adds a verb by its name, what it runs, and its help text, and returns its parser."""


def add_path(verb: argparse.ArgumentParser) -> None:
    """Add PATH: recordings, or the course's."""
    verb.add_argument(
        "path",
        nargs="?",
        type=Path,
        metavar="PATH",
        help="recordings: a file, a folder or an archive (default: the course's ten)",
    )


def add_model(verb: argparse.ArgumentParser) -> None:
    """Add DIR: a trained network."""
    verb.add_argument("model", type=Path, metavar="DIR", help="folder of a training, or a model file")


def add_model_and_path(verb: argparse.ArgumentParser) -> None:
    """Add DIR and PATH: a trained network and recordings for it, with the options of reading."""
    add_model(verb)
    verb.add_argument("path", type=Path, metavar="PATH", help="recordings: a file, a folder or an archive")
    add_reading(verb)


def add_reading(verb: argparse.ArgumentParser) -> None:
    """Add the options of reading recordings."""
    group = verb.add_argument_group(
        "reading", "which recordings, and by which names; \\, is a comma in a label"
    )
    group.add_argument("--label", metavar="L", help="the label of recordings that carry none")
    group.add_argument(
        "--only",
        type=labels,
        action="extend",
        metavar="A,B",
        help="use the recordings with these labels only",
    )
    group.add_argument(
        "--rename",
        type=_pairs,
        action="extend",
        default=[],
        metavar="OLD=NEW",
        help="give a label another name, or the name of another label; may be repeated",
    )
    group.add_argument(
        "--group",
        type=_kind_and_pattern,
        action="append",
        default=[],
        metavar="KIND=PATTERN",
        help="take the person, session, device or label from each path: a regular expression; may be repeated",
    )


def add_json(verb: argparse.ArgumentParser) -> None:
    """Add --json."""
    verb.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")


def add_step(verb: argparse.ArgumentParser, of_example: str = "") -> argparse._ArgumentGroup:
    """Add the options that name a step of a training, or a part of it, and return their group.

    Parameters
    ----------
    verb : ArgumentParser
    of_example : str, what --example also means for this verb
    """
    group = verb.add_argument_group("a step of a training")
    group.add_argument("--epoch", type=count, metavar="E", help="the epoch, from 1 (default: 1)")
    group.add_argument("--step", type=count, metavar="S", help="the step in the epoch, from 1 (default: 1)")
    group.add_argument(
        "--example",
        type=count,
        metavar="I",
        help=f"this example only, counted from 1; without --step, the step that it is in{of_example}",
    )
    group.add_argument("--neuron", metavar="NAME", help="only what made this neuron, such as hidden[3]")
    group.add_argument("--weight", metavar="NAME", help="only what made this weight, such as hidden[3,12]")
    return group


def refuse_given(options: argparse.Namespace, what: str, *names: str) -> None:
    """Refuse options that are given and mean nothing here.

    Parameters
    ----------
    options : Namespace
    what : str, such as "for a course example"
    *names : str, as the namespace has them

    Raises
    ------
    ArgumentError
        Naming them.
    """
    given = [
        f"--{name.replace('_', '-')}" for name in names if getattr(options, name) not in (None, False, [])
    ]
    if given:
        raise ArgumentError(
            f"{', '.join(given)} means nothing {what}", "the command line", "Leave it out, or see --help"
        )


def add_recordings_option(verb: argparse.ArgumentParser) -> None:
    """Add --recordings: what a run was trained on, if it lies elsewhere now."""
    verb.add_argument(
        "--recordings",
        type=Path,
        metavar="PATH",
        help="the recordings that the run was trained on (default: where the run says they were)",
    )


def count(text: str) -> int:
    """Return the whole number of 1 or more that the text is."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Return the whole number of 0 or more that the text is."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, found {text!r}")
    return int(text)


def labels(text: str) -> list[str]:
    """Return the labels between commas."""
    return [_unescaped(part) for part in re.split(r"(?<!\\),", text)]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return the (old, new) labels of a=b,c=d."""
    pairs = [re.split(r"(?<!\\)=", part, maxsplit=1) for part in re.split(r"(?<!\\),", text)]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"expected OLD=NEW, found {text!r}")
    return [(_unescaped(old), _unescaped(new)) for old, new in pairs]


def _kind_and_pattern(text: str) -> tuple[str, str]:
    kind, equals, pattern = text.partition("=")
    if not (kind and equals and pattern):
        raise argparse.ArgumentTypeError(f"expected KIND=PATTERN, such as person='a(\\d+)', found {text!r}")
    return kind, pattern


def _unescaped(label: str) -> str:
    return re.sub(r"\\([,=\\])", r"\1", label)


def escaped(label: str) -> str:
    """Return a label as --only and --rename read it."""
    return re.sub(r"([,=\\])", r"\\\1", label)
