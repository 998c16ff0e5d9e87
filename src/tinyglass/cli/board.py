"""The verb board: a simulated kit, and commands to one that runs."""

from __future__ import annotations

import argparse
import os
import select
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TinyglassError
from .options import AddVerb, refuse_given

if TYPE_CHECKING:
    from ..board.simulated import SimulatedBoard
    from ..board.simulated.commands import Control

LOOK = 0.5  # seconds between looks at whether the terminal is ours
STARTING = ("program", "sensor", "platform", "seed", "no_auto_reload")
RUNNING = ("press", "unplug", "plug", "quit")
BOTH = ("play", "hand")


def add_verb(add: AddVerb) -> None:
    verb = add("board", board_verb, "start a simulated kit on a pseudo-terminal, or command one that runs")
    verb.add_argument(
        "drive",
        type=Path,
        metavar="DIR",
        help="the folder that stands for the CIRCUITPY drive, made if it is not there; the port is DIR.port",
    )
    start = verb.add_argument_group("starting")
    start.add_argument(
        "--program",
        metavar="P",
        help="what the board runs: recorder, gesture, sliding or a file, copied to DIR "
        "(default: the program in DIR, else the recorder)",
    )
    start.add_argument(
        "--sensor",
        metavar="S",
        help="proximity, accelerometer, gyroscope, motion or template (default: proximity)",
    )
    start.add_argument(
        "--platform", metavar="P", help="circuitpython or micropython (default: circuitpython)"
    )
    start.add_argument("--seed", type=int, metavar="N", help="of the noise of a moving hand (default: 0)")
    start.add_argument(
        "--no-auto-reload",
        action="store_true",
        help="do not start the program anew when files on the drive change",
    )
    both = verb.add_argument_group("what the sensors see; also while the board runs")
    both.add_argument("--play", type=Path, metavar="PATH", help="these recordings, one after the other")
    both.add_argument("--label", metavar="L", help="play the recordings with this label only")
    both.add_argument("--hand", metavar="M", help="a hand that moves closer or away, a wave, or still")
    running = verb.add_argument_group("to a board that runs, from another terminal")
    running.add_argument("--press", metavar="B", help="press button 1 or 2; 2x3: button 2 three times")
    running.add_argument("--unplug", action="store_true", help="pull its cable")
    running.add_argument("--plug", action="store_true", help="plug it in again")
    running.add_argument("--quit", action="store_true", help="end it")


def board_verb(options: argparse.Namespace) -> int:
    """Start a simulated kit, or command one that runs."""
    from ..board.simulated.commands import is_running, send

    if options.play is None:
        refuse_given(options, "without --play", "label")
    commands = list(_commands(options))
    drive = options.drive.resolve()
    asked = [name for name in (*RUNNING, *BOTH) if getattr(options, name) not in (None, False)]
    if set(asked) & set(RUNNING) or (asked and is_running(drive)):
        refuse_given(options, "to a board that runs", *STARTING)
        for command in commands:
            print(send(drive, command))
        return 0
    return _run(options, commands)


def _commands(options: argparse.Namespace) -> Iterator[str]:
    """Give the commands that the options stand for."""
    if options.plug:
        yield "plug"
    if options.play is not None:
        words = [str(options.play.resolve()), *([] if options.label is None else [options.label])]
        yield shlex.join(["play", *words])
    if options.hand is not None:
        yield shlex.join(["hand", options.hand])
    if options.press is not None:
        yield shlex.join(["press", options.press])
    for name in ("unplug", "quit"):
        if getattr(options, name):
            yield name


def _run(options: argparse.Namespace, commands: list[str]) -> int:
    from ..board.simulated import SimulatedBoard
    from ..board.simulated.commands import Control

    given = {name: getattr(options, name) for name in ("program", "sensor", "platform", "seed")}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with ExitStack() as stack:
        ignore_signals = stack.enter_context(_ended_by_signals())
        board = stack.enter_context(
            SimulatedBoard(
                options.drive, auto_reload=not options.no_auto_reload, commands=commands, **settings
            )
        )
        control = Control(board.folder)
        stack.callback(control.close)
        port = Path(os.path.relpath(board.port)) if not options.drive.is_absolute() else board.port
        print(f"The simulated kit is at {port}, its drive is {options.drive}. Ctrl-C ends it.", flush=True)
        stack.callback(ignore_signals)  # while the board ends
        _serve(board, control)
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[Callable[[], None]]:
    """Let a closed terminal or a signal end the board as Ctrl-C does, once, however often it comes."""

    def ignore() -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)

    def end(number: int, _: object) -> None:
        ignore()
        before.clear()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    before: dict[int, Any] = {}
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            before[each] = signal.signal(each, end)
    before[signal.SIGTTIN] = signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(board: SimulatedBoard, control: Control) -> None:
    """Do the commands that are typed here or sent from elsewhere, until one is quit."""
    from ..board.simulated.commands import obey

    typed = b""
    is_given = sys.stdin is not None
    while True:
        watched: list[Any] = [control, *([sys.stdin] if is_given and _is_ours() else [])]
        ready, _, _ = select.select(watched, [], [], LOOK)
        if control in ready and control.serve_one(board) == "":
            return
        if sys.stdin not in ready:
            continue
        try:
            piece = os.read(sys.stdin.fileno(), 4096)
        except OSError:  # the terminal is gone
            piece = b""
        is_given = bool(piece)
        *lines, typed = (typed + (piece or b"\n")).split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            try:
                done = obey(board, line.decode(errors="replace"))
            except TinyglassError as error:
                print(f"tinyglass: {error}", file=sys.stderr, flush=True)
                continue
            if not done:
                return
            print(done, flush=True)


def _is_ours() -> bool:
    """Tell whether what is typed is meant for us: not in the background of a shell."""
    with suppress(OSError):
        return not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return True
