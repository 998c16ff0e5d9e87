"""What looks wrong with recordings, before a network learns it.

Each check is a function that yields findings; a new one is one function here, and its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..recordings import Recording
from .contradictions import find_contradictions
from .copies import find_copies, find_copy_sets
from .finding import Finding
from .labels import find_label_problems
from .parts import find_part_problems
from .signals import find_signal_problems
from .times import find_time_problems
from .units import find_unit_problems

__all__ = ["CHECKS", "Finding", "find_copy_sets", "find_problems"]

CHECKS: tuple[Callable[[Sequence[Recording]], Iterator[Finding]], ...] = (
    find_label_problems,
    find_copies,
    find_contradictions,
    find_unit_problems,
    find_signal_problems,
    find_time_problems,
    find_part_problems,
)


def find_problems(recordings: Sequence[Recording]) -> list[Finding]:
    """Return what looks wrong with recordings, warnings first; each finding names the recordings and a remedy.

    Nothing is changed. Sought are: missing, few, unequal and nearly identical labels; exact and
    near duplicates, also across train and test; recordings that the rest contradicts; mixed
    channels, units and rates; saturated and constant channels; jitter, gaps and clock steps;
    odd lengths; groups and labels that the parts do not keep apart.

    Parameters
    ----------
    recordings : sequence of Recording

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> for finding in find_problems(read_recordings()):
    ...     print(finding.kind, finding.severity)
    saturated_channels warning
    too_few note
    """
    with np.errstate(all="ignore"):  # readings may be of any size
        found = [finding for check in CHECKS for finding in check(recordings)] if len(recordings) else []
    return sorted(found, key=lambda finding: finding.severity != "warning")
