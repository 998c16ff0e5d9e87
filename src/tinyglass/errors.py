"""Every error that tinyglass raises on purpose.

::

    TinyglassError(what, where, mend)
    ├── ArgumentError      (ValueError)       a setting or an argument that cannot be used
    ├── RecordingError     (ValueError)       a file or a recording that cannot be read or used
    ├── ModelError         (ValueError)       a model, run or checkpoint file that is refused
    ├── StorageError       (OSError)          the disk refused: full, read-only, busy
    ├── DivergenceError    (ArithmeticError)  training reached a state from which it cannot learn
    └── DisagreementError  (ArithmeticError)  the compiled core and the definition differ

Anything else that comes out of tinyglass is a defect of tinyglass.
"""

from __future__ import annotations

import difflib
from typing import Any


class TinyglassError(Exception):
    """Say what is wrong, where it is, and how to mend it; no part can be left out.

    Parameters
    ----------
    what : str
        What was expected and what was found, one sentence without its full stop.
    where : str
        The file and line, the option, the layer or the epoch.
    mend : str
        What to do about it, one sentence without its full stop.

    Examples
    --------
    >>> print(TinyglassError("Expected 3 numbers, found 2", "wave.csv, line 41", "Delete the line"))
    Expected 3 numbers, found 2. In wave.csv, line 41. Delete the line.
    """

    def __init__(self, what: str, where: str, mend: str) -> None:
        if not (what and where and mend):
            raise TypeError("an error says what, where and how to mend it")
        super().__init__(what, where, mend)
        self.what, self.where, self.mend = what, where, mend

    def __str__(self) -> str:
        end = "" if self.mend.endswith("?") else "."
        return printable(f"{self.what}. In {self.where}. {self.mend}{end}")


class ArgumentError(TinyglassError, ValueError):
    """A setting or an argument cannot be used."""


class RecordingError(TinyglassError, ValueError):
    """A file or a recording cannot be read or used."""


class ModelError(TinyglassError, ValueError):
    """A model, run or checkpoint file is refused."""


class StorageError(TinyglassError, OSError):
    """The disk refused to read or write."""


class DivergenceError(TinyglassError, ArithmeticError):
    """Training reached a state from which it cannot learn.

    Attributes
    ----------
    run : Run
        What was reached before that state.
    saturated : bool
        Whether every number is still finite, but no gradient passes any more.
    """

    def __init__(self, what: str, where: str, mend: str, run: Any = None, saturated: bool = False) -> None:
        super().__init__(what, where, mend)
        self.run, self.saturated = run, saturated


class DisagreementError(TinyglassError, ArithmeticError):
    """The compiled core and the definition differ by more than rounding explains: a defect of tinyglass."""


def printable(text: str) -> str:
    """Return the text with what no terminal, picture or page can show replaced by �.

    Examples
    --------
    >>> printable("left\\x00")
    'left�'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def nearest(name: str, known: list[str]) -> str:
    """Return a remedy that offers the known name most like `name`.

    Examples
    --------
    >>> nearest("epoch", ["epochs", "seed"])
    "Did you mean 'epochs'? Known: epochs, seed"
    """
    alike = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"Did you mean {alike[0]!r}? " if alike else "") + "Known: " + ", ".join(known)
