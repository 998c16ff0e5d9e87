"""Several trainings at a time: the core leaves Python free while it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

JOBS = 2
LOOK = 0.04  # seconds between two looks at progress


def in_parallel(
    jobs: Sequence[Callable[[], Any]], tell: Callable[[float], Any] = lambda share: None
) -> list[Any]:
    """Return what each job returns, in their order.

    Parameters
    ----------
    jobs : sequence of functions without arguments
    tell : function of the share that is done, 0 to 1, called every 40 ms; if it returns True, what
        has not begun is left, and ``KeyboardInterrupt`` is raised

    Examples
    --------
    >>> in_parallel([lambda: 1, lambda: 2])
    [1, 2]
    """
    if not jobs:
        return []
    pool = ThreadPoolExecutor(JOBS)
    try:
        futures = [pool.submit(job) for job in jobs]
        pending = set(futures)
        while pending:
            if tell(1 - len(pending) / len(jobs)):
                raise KeyboardInterrupt
            _, pending = wait(pending, LOOK, FIRST_COMPLETED)
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
