"""Run a command line from its words to its exit code."""

from __future__ import annotations

import errno
import gc
import io
import sys
from collections.abc import Sequence

from ..errors import StorageError, TinyglassError
from .parser import make_parser
from .train import INTERRUPTED

GARBAGE = (
    100_000  # new objects before unused ones are sought: with Python's 700, an eighth of a short run is that
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with 0, 2 for bad input, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["--version"])  # doctest: +SKIP
    tinyglass 0.1.0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a label may have letters that it has not
    options = make_parser().parse_args(arguments)
    gc.set_threshold(GARBAGE)
    try:
        code = options.verb(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except TinyglassError as error:
        print(f"tinyglass: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`.
        sys.stdout = None
        code = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.stdout = None
        print(
            f"tinyglass: {StorageError('The disk is full', 'standard output', 'Free some space')}",
            file=sys.stderr,
        )
        code = 2
    except KeyboardInterrupt:
        print("tinyglass: stopped.", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)
