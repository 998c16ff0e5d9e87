"""What every table of text shares: cells, numbers, and what the head of a column says.

A role is what a column is for, if it is no channel: ``label``, ``time``, ``recording``, ``split``,
``person``, ``session`` or ``device``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

import numpy as np

from ..names import PARTS

ROLES = {
    "label": re.compile(r"labels?|class(_?(name|label))?|gestures?|target|activity", re.IGNORECASE),
    "recording": re.compile(
        r"(recording|sample|example|sequence|series|window|trial|gesture|file)s?_?(id|nr|no|number|index|name)"
        r"|recording|sample|sequence|series|window|trial|file",
        re.IGNORECASE,
    ),
    "split": re.compile(r"split|part|partition|subset|train_?test", re.IGNORECASE),
    "person": re.compile(
        r"(person|user|subject|author|participant)s?([_ ]?(id|nr|no|number|name))?", re.IGNORECASE
    ),
    "session": re.compile(r"(session|day|round)([_ ]?(id|nr|no|number|name))?", re.IGNORECASE),
    "device": re.compile(r"(device|board|phone|watch)([_ ]?(id|nr|no|number|name|type))?", re.IGNORECASE),
}
TIME = re.compile(
    r"(?P<name>(?:time|timestamp|time_?stamp|epoch|unix(?:_?time)?|elapsed(?:_?time)?|t|date_?time)"
    r"|(?P<bare>ms|msec|millis|milliseconds|us|µs|usec|micros|microseconds|seconds|seconds_elapsed|sec|ns))"
    r"\s*(?:[\[(_]?\s*(?P<unit>ms|msec|millis|us|µs|μs|micros|ns|s|sec|seconds)\s*[\])]?)?",
    re.IGNORECASE,
)
UNIT_OF_TIME = {
    "s": 1.0, "sec": 1.0, "seconds": 1.0, "seconds_elapsed": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millis": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "micros": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9,
}  # fmt: skip
SCALES = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}
LATEST = 1e300  # in any unit: differences of times must be finite too
JITTER = 0.0021  # seconds: each of two times may be a millisecond off, and some rounding
PAUSE = 10  # steps of time; after a longer one, a row with another label is that of another recording
YEAR_2001, YEAR_2100 = 1e9, 4.1e9  # seconds since 1970
LONGEST_HEAD = 200  # characters: the pattern of a unit takes time that grows with their square
UNIT = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*")


def separator(line: str) -> str:
    """Return what separates the cells of a line: the most frequent of comma, semicolon and tab, or a space.

    Decimal commas count for nothing where there are semicolons or tabs.

    Examples
    --------
    >>> [separator(line) for line in ("1,2,3", "0,5;0,7;0,1", "1\\t2", "1 2", "0,5 0,7", "1")]
    [',', ';', '\\t', ' ', ' ', ',']
    """
    for candidate in (";", "\t", " "):
        cells = line.split(candidate)
        commas = line.count(",")
        if len(cells) > 1 and (
            (candidate != " " and len(cells) > commas) or (commas and all(map(_has_decimal_comma, cells)))
        ):
            return candidate
    return "," if "," in line or " " not in line.strip() else " "


def split(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without quotes and the spaces around them.

    Examples
    --------
    >>> split('"a, b", 2 ,', ",")
    ['a, b', '2', '']
    """
    if separator == " " and '"' not in line:
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a cell of more than 131,072 characters
        cells = line.split(separator)
    return [cell.strip() for cell in cells]


def is_number(cell: str) -> bool:
    """Tell a number, ``nan`` and ``inf`` included, from other text.

    Examples
    --------
    >>> [is_number(cell) for cell in ("-1.5e3", "nan", "1_000", "", "0,5")]
    [True, True, False, False, False]
    """
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def split_unit(head: str) -> tuple[str, str]:
    """Return the name and the unit that the head of a column gives, "" where it gives none.

    Examples
    --------
    >>> split_unit("aX (g)"), split_unit("gX [°/s]"), split_unit("aX")
    (('aX', 'g'), ('gX', '°/s'), ('aX', ''))
    """
    match = UNIT.fullmatch(head) if len(head) <= LONGEST_HEAD else None
    return (match[1], match[2].strip()) if match and match[1] else (head, "")


def role(head: str) -> str | None:
    """Return what a column is for by its head; None for a channel.

    Examples
    --------
    >>> [role(head) for head in ("Gesture", "recording_id", "time (ms)", "subject", "aX")]
    ['label', 'recording', 'time', 'person', None]
    """
    name = head.strip()
    for own, pattern in ROLES.items():
        if pattern.fullmatch(name):
            return own
    return "time" if TIME.fullmatch(name) else None


def second_of(head: str, times: Sequence[float] | np.ndarray) -> tuple[float, str | None]:
    """Return how many seconds a unit of these times is, and what had to be concluded from the numbers, if so.

    The head goes first (``time_ms``, ``t [s]``). Without a unit there, times in this century since 1970 show
    theirs by their size; times with steps below 1 are seconds, as no sensor for gestures is read faster
    than once a millisecond; all others are milliseconds.

    Examples
    --------
    >>> second_of("time (s)", [0, 1]), second_of("timestamp", [0, 16, 32])
    ((1.0, None), (0.001, None))
    >>> second_of("time", [0.0, 0.02, 0.04])
    (1.0, 'Times without a unit are in steps below 1 and were read as seconds')
    """
    match = TIME.fullmatch(head.strip())
    unit = ((match["unit"] or match["bare"]) if match else None) or ""
    if unit.lower() in UNIT_OF_TIME:
        return UNIT_OF_TIME[unit.lower()], None
    times = np.asarray(times, dtype=np.float64)
    for name, second in SCALES.items():
        if len(times) and times.min() * second >= YEAR_2001 and times.max() * second <= YEAR_2100:
            return second, f"Times without a unit were read as {name} since 1970, by their size"
    with np.errstate(all="ignore"):
        steps = np.diff(times)
    steps = steps[steps > 0]
    if len(steps) and np.median(steps) < 1:
        return 1.0, "Times without a unit are in steps below 1 and were read as seconds"
    return 1e-3, None


def regular_rate(times: np.ndarray) -> tuple[float | None, bool]:
    """Return readings a second where the times (in s) are regular, and whether they jitter.

    Regular are steps that differ by at most 1 %, or, as clocks count milliseconds, by at most 2 ms from
    their mean where that is at least 4 ms. Such jitter leaves the median as the step, unless the
    mean is another one: 104 Hz in whole milliseconds has steps of 9 and 10.

    Examples
    --------
    >>> regular_rate(np.array([0, 0.01, 0.02])), regular_rate(np.array([0, 0.016, 0.033, 0.048]))
    ((100.0, False), (62.5, True))
    >>> regular_rate(np.array([0, 0.01, 0.05]))
    (None, False)
    """
    with np.errstate(all="ignore"):
        step, jitters = _regular_step(np.diff(times))
        rate_hz = 1 / np.float64(step or np.nan)
    return (
        (float(f"{rate_hz:.12g}"), jitters) if np.isfinite(rate_hz) else (None, False)
    )  # 100, not 100.00000000000001


def _regular_step(steps: np.ndarray) -> tuple[float | None, bool]:
    """Return the step of regular times, and whether it jitters; None if there is none."""
    if not len(steps):
        return None, False
    mean, middle = float(steps.mean()), float(np.median(steps))
    if np.ptp(steps) <= 0.01 * mean:
        return mean, False
    if mean < 0.004 or np.abs(steps - mean).max() > JITTER:
        return None, False
    for step in (middle, round(mean, 3)):
        if abs(mean - step) * len(steps) <= JITTER:
            return step, True
    return (middle if abs(mean - middle) <= 0.01 * middle else mean), True


def part(cell: str) -> str | None:
    """Return "train" or "test" for a cell of a column that says so, or None.

    Examples
    --------
    >>> part("Training"), part("7")
    ('train', None)
    """
    return PARTS.get(cell.strip().lower())


def _has_decimal_comma(cell: str) -> bool:
    return re.fullmatch(r'\s*"?\s*[-+]?(\d+(,\d+)?|,\d+)([eE][-+]?\d+)?\s*"?\s*', cell) is not None
