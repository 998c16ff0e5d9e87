"""What looks wrong with the readings themselves: nothing moves, or a sensor is at its stop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..recordings import Recording
from .finding import Finding, count, finding, listed, origin

LONG_ENOUGH = 8  # readings; a channel that rests for fewer may do so by chance
PILE = 4  # readings at a stop, at least, and
PILE_OVER_NEIGHBOURS = 3  # times as many as at any of the next values, of which
NEIGHBOURS = 20  # are looked at
FEW_VALUES = 8  # a channel with no more different values is a switch or a count
PASSED = 0.1  # recordings of the same origin that go further, for each that stops: then it is no stop
MOVES = 0.5  # of the usual deviation of a channel
SCALED_TO = (0.0, 0.5, 1.0, 100.0)  # where a scaling of each recording ends, for
SCALED = 0.95  # share of the recordings


def find_signal_problems(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield flat recordings, constant channels and stops of sensors."""
    yield from _saturated(recordings)
    flat = _flat(recordings)
    if flat:
        zero = sum(not recordings[i].signal.any() for i in flat)
        yield finding(
            "flat_recordings",
            f"In {count(len(flat))}, nothing moves: all readings are the same"
            + (f", zero in {zero:,}" * bool(zero)),
            "Check the sensor and its wires; delete the recordings if it was not connected",
            recordings,
            flat,
            ["all " + listed(f"{v:.6g}" for v in recordings[i].signal[0]) for i in flat],
        )
    yield from _constant(recordings, set(flat))


def _flat(recordings: Sequence[Recording]) -> list[int]:
    return [i for i, r in enumerate(recordings) if r.n_readings > 3 and (r.signal == r.signal[0]).all()]


def _by_channel(recordings: Sequence[Recording]) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Return for each channel the places of its recordings, and its readings in them."""
    channels: dict[str, list[tuple[int, np.ndarray]]] = {}
    for i, recording in enumerate(recordings):
        for name, column in zip(recording.channels, recording.signal.T, strict=True):
            channels.setdefault(name, []).append((i, column))
    return channels


def _measured(
    recordings: Sequence[Recording], measure: Callable[[np.ndarray], np.ndarray]
) -> dict[str, list[float]]:
    """Return for each channel what is measured in its recordings, as `_by_channel` orders them.

    Parameters
    ----------
    recordings : sequence of Recording
    measure : function of a signal, (n_readings, n_channels), that returns (n_channels,) numbers
    """
    channels: dict[str, list[float]] = {}
    for recording in recordings:
        for name, number in zip(recording.channels, measure(recording.signal).tolist(), strict=True):
            channels.setdefault(name, []).append(number)
    return channels


def _constant(recordings: Sequence[Recording], flat: set[int]) -> Iterator[Finding]:
    """Find channels that are the same everywhere, or rest in recordings in which others move."""
    resting: dict[str, list[int]] = {}
    columns_of = _by_channel(recordings)
    rests = _measured(recordings, lambda signal: (signal == signal[0]).all(axis=0))
    first = _measured(recordings, lambda signal: signal[0])
    for channel, columns in columns_of.items():
        moving = [k for k, (i, _) in enumerate(columns) if i not in flat]
        still = [columns[k][0] for k in moving if rests[channel][k]]
        values = {first[channel][k] for k in moving}
        if len(still) == len(moving) > 1 and len(values) == 1:
            yield finding(
                "constant_channel",
                f"The channel {channel} is constant: {values.pop():.6g} in every reading of {count(len(still))}",
                "Check the sensor, and leave the channel out: it says nothing",
                recordings,
                still,
            )
            continue
        long = [i for i in still if recordings[i].n_readings >= LONG_ENOUGH]
        if long:
            resting[channel] = long
    stuck = _stuck(recordings, columns_of, resting) if resting else {}
    if stuck:
        yield finding(
            "constant_channel",
            f"In {count(len(stuck))}, a channel is constant while others move",
            "Check the wires; delete the recordings if the sensor was stuck",
            recordings,
            stuck,
            [f"constant: {listed(names)}" for names in stuck.values()],
        )


def _stuck(
    recordings: Sequence[Recording],
    columns_of: dict[str, list[tuple[int, np.ndarray]]],
    resting: dict[str, list[int]],
) -> dict[int, list[str]]:
    """Return by recording the channels that rest in it while others move, and that do move elsewhere."""
    deviations = {
        channel: {i: float(column.std()) for i, column in columns} for channel, columns in columns_of.items()
    }
    usual = {channel: float(np.median(list(own.values()))) for channel, own in deviations.items()}
    stuck: dict[int, list[str]] = {}
    for channel, places in resting.items():
        for i in places:
            others = [c for c in recordings[i].channels if c != channel and usual[c] > 0]
            moves = others and max(deviations[c][i] / usual[c] for c in others) > MOVES
            if usual[channel] > 0 and moves:
                stuck.setdefault(i, []).append(channel)
    return stuck


# ---------------------------------------------------------------- saturation


def _saturated(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Find values beyond which a sensor says nothing: many readings stop exactly there, few just before."""
    stops: dict[tuple[str, float], Counter[int]] = defaultdict(Counter)  # readings by recording
    names: dict[tuple[str, float], list[str]] = defaultdict(list)
    ends = {
        "upper": _measured(recordings, lambda signal: signal.max(axis=0)),
        "lower": _measured(recordings, lambda signal: signal.min(axis=0)),
    }
    origins = np.unique([origin(recording) for recording in recordings], return_inverse=True)[1]
    for channel, columns in _by_channel(recordings).items():
        own_origins = origins[[i for i, _ in columns]]
        for side in ("upper", "lower"):
            for stop, own in _stops(columns, side, np.array(ends[side][channel]), own_origins).items():
                stops[side, stop].update(own)
                names[side, stop].append(channel)
    stops = {(side, stop): own for (side, stop), own in stops.items() if not _scaled(recordings, stop)}
    if not stops:
        return
    hits = sum(stops.values(), Counter())
    told = [
        f"{listed(names[side, stop])} at the {side} end {stop:.6g} "
        f"({count(sum(own.values()), 'reading')} in {count(len(own))})"
        for (side, stop), own in sorted(stops.items(), key=lambda item: -sum(item[1].values()))
    ]
    which = sorted(hits)
    total, n_readings = sum(hits.values()), sum(r.n_readings for r in recordings)
    yield finding(
        "saturated_channels",
        f"The sensor saturates: {'; '.join(told[:6])}" + (f"; {len(told) - 6} more" if len(told) > 6 else ""),
        "Beyond its end a sensor tells nothing apart: choose a larger range, or stay within it",
        recordings,
        which,
        [f"{count(hits[i], 'reading')} at an end" for i in which],
        severity="warning" if total > 0.01 * n_readings else "note",
    )


def _scaled(recordings: Sequence[Recording], stop: float) -> bool:
    """Tell whether each recording was scaled to end there: then all of them do, about once."""
    if abs(stop) not in SCALED_TO or len(recordings) < 2:
        return False
    hits = np.array([(np.abs(r.signal) == abs(stop)).sum() for r in recordings])
    most = np.quantile(hits, 0.75) <= 2 * recordings[0].signal.shape[1]
    return bool((hits > 0).mean() >= SCALED and most)


def _stops(
    columns: Sequence[tuple[int, np.ndarray]], side: str, ends: np.ndarray, origins: np.ndarray
) -> dict[float, dict[int, int]]:
    """Return for each stop how many readings are there, by recording.

    A stop is sought among the recordings that reach it, for those of another origin may have
    another range, or another unit.

    Parameters
    ----------
    columns : place and readings of each recording
    side : "upper" or "lower"
    ends : array, (n_recordings,), the largest reading of each, or the smallest
    origins : int array, (n_recordings,)
    """
    outermost = ends.max() if side == "upper" else ends.min()
    order = np.argsort(ends, kind="stable")
    begins = np.flatnonzero(np.diff(ends[order], prepend=np.nan) != 0)
    sizes = np.diff(begins, append=len(order))
    stops: dict[float, dict[int, int]] = {}
    for group in np.flatnonzero((sizes > 1) | (ends[order[begins]] == outermost)).tolist():
        at = order[begins[group] : begins[group] + sizes[group]]
        value, n = float(ends[at[0]]), len(at)
        values, counts = np.unique(np.concatenate([columns[k][1] for k in at]), return_counts=True)
        if len(values) <= FEW_VALUES:
            continue
        near = counts[-NEIGHBOURS - 1 : -1] if side == "upper" else counts[1 : NEIGHBOURS + 1]
        pile = counts[-1] if side == "upper" else counts[0]
        if pile < PILE or pile < PILE_OVER_NEIGHBOURS * near.max():
            continue
        further = (ends > value) if side == "upper" else (ends < value)
        if np.isin(origins[further], origins[at]).sum() <= PASSED * n:
            stops[value] = {columns[k][0]: int((columns[k][1] == value).sum()) for k in at}
    return stops
