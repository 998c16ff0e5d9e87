"""What looks wrong with rates, times and lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ..recordings import Recording
from .finding import Finding, count, finding, listed

SAME_RATE = 0.02  # relative difference that is still one rate
JITTER = 0.02  # mean deviation of the steps, relative to the median step
GAP = 2.5  # median steps; from here on, readings are missing
CLOCK_STEP = 100.0  # median steps, and
CLOCK_STEP_SECONDS = 30.0  # seconds: no sensor is silent for so long in a gesture
SHORT, LONG = 0.25, 4.0  # of the median length
SPREAD = 2.0  # 90th over 10th percentile of lengths


def find_time_problems(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield what is wrong with rates, times and lengths."""
    yield from _rates(recordings)
    yield from _contradictions(recordings)
    yield from _steps(recordings)
    yield from _lengths(recordings)


def rate(recording: Recording) -> float | None:
    """Return readings a second, measured where there are only times."""
    if recording.rate_hz is not None or recording.times is None or recording.n_readings < 3:
        return recording.rate_hz
    steps = np.diff(recording.times)
    return float(1 / steps[steps <= GAP * np.median(steps)].mean())


def _rates(recordings: Sequence[Recording]) -> Iterator[Finding]:
    rates = np.array([rate(r) or 0.0 for r in recordings])
    if not rates.any():
        return
    kinds = _clusters(rates)
    commonest = Counter(kinds).most_common(1)[0][0]
    others = [i for i, kind in enumerate(kinds) if kind != commonest]
    if not others:
        return
    named = {k: f"{k:.4g} Hz" if k else "unknown" for k in kinds}
    known = len(set(kinds) - {0.0})
    yield finding(
        "mixed_rates",
        (
            "The recordings have different rates: "
            if known > 1
            else "The rate is known of some recordings only: "
        )
        + listed(f"{named[kind]} ({n:,})" for kind, n in Counter(kinds).most_common()),
        "Record all at one rate, or train on each rate by itself",
        recordings,
        others,
        [named[kinds[i]] for i in others],
        severity="warning" if known > 1 else "note",
    )


def _contradictions(recordings: Sequence[Recording]) -> Iterator[Finding]:
    contradicting = [
        i
        for i, r in enumerate(recordings)
        if r.rate_hz and r.times is not None and r.n_readings > 2
        and abs(r.rate_hz * float(np.median(np.diff(r.times))) - 1) > 0.05
    ]  # fmt: skip
    if contradicting:
        yield finding(
            "rate_contradicts_times",
            f"The declared rate of {count(len(contradicting))} is not that of the times",
            "Trust the times: correct the rate in the files",
            recordings,
            contradicting,
        )


def _clusters(rates: np.ndarray) -> list[float]:
    """Return for each rate the median of those that are the same within tolerance; 0 where unknown."""
    order = np.argsort(rates)
    sorted_rates = rates[order]
    new = np.diff(sorted_rates, prepend=sorted_rates[0]) > SAME_RATE * sorted_rates
    group = np.cumsum(new)
    centres = np.array([np.median(sorted_rates[group == g]) for g in range(group[-1] + 1)])
    own = np.empty(len(rates))
    own[order] = centres[group]
    return [float(x) for x in own]


def _steps(recordings: Sequence[Recording]) -> Iterator[Finding]:
    jitter: dict[int, str] = {}
    gaps: dict[int, str] = {}
    clock: dict[int, str] = {}
    deviations, lost = [], 0
    for i, recording in enumerate(recordings):
        if recording.times is None or recording.n_readings < 3:
            continue
        steps = np.diff(recording.times)
        median = float(np.median(steps))
        jumps = (steps > CLOCK_STEP * median) & (steps > CLOCK_STEP_SECONDS)
        holes = (steps > GAP * median) & ~jumps
        usual = steps[~(jumps | holes)]
        deviation = float(np.abs(usual / median - 1).mean()) if len(usual) else 0.0
        if deviation > JITTER:
            jitter[i] = f"{_ms(usual.min())} to {_ms(usual.max())} ms"
            deviations.append(deviation)
        if holes.any():
            missing = int(np.round(steps[holes] / median - 1).sum())
            lost += missing
            at = int(np.argmax(holes))
            gaps[i] = f"{_ms(steps[at])} ms before reading {at + 2}, {count(missing, 'reading')} missing"
        if jumps.any():
            at = int(np.argmax(jumps))
            clock[i] = f"{steps[at]:.4g} s before reading {at + 2}"
    if clock:
        yield finding(
            "clock_steps",
            f"Clock steps: the time jumps far ahead in {count(len(clock))}",
            "Cut the recording there, or mend the times: the clock was set, or it is two recordings",
            recordings,
            clock,
            clock.values(),
        )
    if gaps:
        yield finding(
            "gaps",
            f"Gaps in the times of {count(len(gaps))}: about {count(lost, 'reading is', 'readings are')} missing",
            "Record again, or read the sensor less often: the board or the line was too slow",
            recordings,
            gaps,
            gaps.values(),
        )
    if jitter:
        yield finding(
            "jitter",
            f"Jitter in the times of {count(len(jitter))}: "
            f"the steps differ from their median by {100 * float(np.median(deviations)):.2g} % on average",
            "Read the sensor from a timer; up to some percent it does no harm",
            recordings,
            jitter,
            jitter.values(),
            severity="warning" if max(deviations) > 0.2 else "note",
        )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.4g}"


def _lengths(recordings: Sequence[Recording]) -> Iterator[Finding]:
    lengths = np.array([r.n_readings for r in recordings], float)
    rates = np.array([rate(r) or 0.0 for r in recordings])
    in_seconds = bool((rates > 0).all())
    lasting = lengths / rates if in_seconds else lengths
    unit = "s" if in_seconds else "readings"

    def told(value: float) -> str:
        return f"{value:.4g} s" if in_seconds else count(int(value), "reading")

    median = float(np.median(lasting))
    for kind, which, word in (
        ("short_recordings", lasting < SHORT * median, "shorter than a quarter of"),
        ("long_recordings", lasting > LONG * median, "longer than four times"),
    ):
        places = np.flatnonzero(which)
        if len(places):
            yield finding(
                kind,
                f"{count(len(places))} of {len(recordings):,} {'is' if len(places) == 1 else 'are'} {word} "
                f"the median of {median:.4g} {unit}",
                "Look at them with --plot: delete what was cut short"
                if kind == "short_recordings"
                else "Look at them with --plot: cut what holds several gestures or none",
                recordings,
                places,
                [told(lasting[i]) for i in places],
                severity="note",
            )
    low, high = np.percentile(lasting, [10, 90])
    if high > SPREAD * low and len(recordings) >= 5:
        yield finding(
            "different_lengths",
            f"The recordings have very different lengths: 80 % of them have {low:.4g} to {high:.4g} {unit}",
            "Resampling makes them equal; if the speed of the gesture matters, train on windows of one length",
            recordings,
            [],
            severity="note",
        )
