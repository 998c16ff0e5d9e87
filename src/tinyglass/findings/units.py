"""What looks wrong with channels and their units: recordings that cannot be compared."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from ..recordings import Recording
from .finding import Finding, by_value, count, finding, listed, origin
from .vectors import LARGEST

FACTOR = 3.16  # between magnitudes of one gesture, from which on a person hardly made the difference
SILENT = -20  # logarithm of a magnitude that is none
KNOWN_FACTORS = {
    9.81: "g and m/s²",
    57.3: "°/s and rad/s",
    1000.0: "units and thousandths, such as g and mg",
}
AT_REST = {"m/s2": ("g", 1.0), "g": ("m/s²", 9.81)}  # the other unit, and what gravity has in it


def find_unit_problems(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Yield other channels, other units, and magnitudes that look like other units."""
    channels = Counter(r.channels for r in recordings)
    commonest = channels.most_common(1)[0][0]
    others = [i for i, r in enumerate(recordings) if r.channels != commonest]
    if others:
        yield finding(
            "mixed_channels",
            "The recordings have different channels: "
            + listed(f"{listed(names, 9)} ({n:,})" for names, n in channels.most_common()),
            "Train on recordings with the same channels: put the others elsewhere, or leave them out with --only",
            recordings,
            others,
            [listed(recordings[i].channels, 9) for i in others],
        )
    yield from _declared(recordings)
    yield from _contradicted(recordings)
    yield from _suspected(recordings)


def _declared(recordings: Sequence[Recording]) -> Iterator[Finding]:
    units: dict[str, dict[int, str]] = defaultdict(dict)
    for i, recording in enumerate(recordings):
        for channel, unit in zip(recording.channels, recording.units, strict=True):
            units[channel][i] = unit
    mixed = {channel: own for channel, own in units.items() if len(set(own.values())) > 1}
    if not mixed:
        return
    others: dict[int, str] = {}
    for channel, own in mixed.items():
        commonest = Counter(own.values()).most_common(1)[0][0]
        others |= {
            i: f"{channel} in {unit or 'an unknown unit'}" for i, unit in own.items() if unit != commonest
        }
    same = defaultdict(list)
    for channel, own in mixed.items():
        same[by_value(unit or "unknown" for unit in own.values())].append(channel)
    named = "; ".join(f"{listed(names)} in {text}" for text, names in same.items())
    known = any(len(set(own.values()) - {""}) > 1 for own in mixed.values())
    yield finding(
        "mixed_units",
        f"Mixed units: {named}",
        "Training converts what is declared, and of the same quantity, to the unit of most recordings; convert the "
        "other files, or train on one unit only",
        recordings,
        sorted(others),
        [others[i] for i in sorted(others)],
        severity="warning" if known else "note",
    )


def _contradicted(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Find accelerations whose unit cannot be right: what rests feels 1 g, or 9.81 m/s²."""
    rests: dict[tuple[tuple[str, ...], str], dict[int, float]] = defaultdict(dict)
    for i, recording in enumerate(recordings):
        sensors = _sensors(recording.channels, recording.units)
        if not any(len(names) == 3 and _plain(unit) in AT_REST for names, unit in sensors):
            continue
        for (names, unit), magnitude in zip(sensors, _magnitudes(recording), strict=True):
            if len(names) == 3 and _plain(unit) in AT_REST:
                rests[names, unit][i] = 10**magnitude
    for (names, unit), own in rests.items():
        (other, gravity), rest = AT_REST[_plain(unit)], float(np.quantile(list(own.values()), 0.25))
        if abs(rest / gravity - 1) < 0.15:
            yield finding(
                "contradicted_units",
                f"Mixed units are suspected: {listed(names)} are declared in {unit}, but the calmest recordings "
                f"have a magnitude of {rest:.3g}, as gravity has in {other}",
                "Nothing is converted: find out the unit, and correct it in the files",
                recordings,
                own,
                severity="note",
            )


def _plain(unit: str) -> str:
    return re.sub(r"[\s^*]|\*\*", "", unit).replace("²", "2").casefold()


# ---------------------------------------------------------------- units that are not declared


def _suspected(recordings: Sequence[Recording]) -> Iterator[Finding]:
    """Compare magnitudes of the same gesture: in another unit they lie apart, and a gap is between."""
    by_sensor: dict[tuple[tuple[str, ...], str], list[tuple[int, float]]] = defaultdict(list)
    for i, recording in enumerate(recordings):
        sensors = _sensors(recording.channels, recording.units)
        for sensor, magnitude in zip(sensors, _magnitudes(recording), strict=True):
            by_sensor[sensor].append((i, magnitude))
    labels = _numbers([recording.label for recording in recordings])
    places = _numbers([origin(recording) for recording in recordings])
    for (names, _), own in by_sensor.items():
        if len(own) < 4:
            continue
        which, magnitudes = [i for i, _ in own], np.array([magnitude for _, magnitude in own])
        high = _apart(labels[which], places[which], magnitudes)
        if high is None:
            continue
        factor = 10 ** float(np.median(magnitudes[high]) - np.median(magnitudes[~high]))
        # Of the two sides, the smaller one is named.
        minority = high if high.sum() <= len(high) / 2 else ~high
        ratio = next((text for f, text in KNOWN_FACTORS.items() if abs(factor / f - 1) < 0.25), "")
        size = "larger" if minority is high else "smaller"
        yield finding(
            "suspected_units",
            f"Mixed units are suspected: {listed(names)} of the same gesture are {factor:.3g} times {size} in "
            f"{count(int(minority.sum()))} than in the other {int((~minority).sum()):,}"
            + (f", as between {ratio}" if ratio else ", as between raw counts and a unit" * (factor > 100)),
            "Training converts accelerations of which gravity tells g from m/s², and says so; otherwise find out the "
            "units and convert the files, or train on one part only",
            recordings,
            [which[k] for k in np.flatnonzero(minority)],
            [f"magnitude {10 ** magnitudes[k]:.3g}" for k in np.flatnonzero(minority)],
        )


def _numbers(names: Sequence[str | None]) -> np.ndarray:
    """Return a number for each name, (n_names,), the same for the same."""
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names])


@lru_cache(maxsize=64)  # most recordings have the same channels
def _sensors(channels: tuple[str, ...], units: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    """Return the channels that are axes of one sensor (aX, aY, aZ), with their unit."""
    sensors: dict[tuple[str, str], list[str]] = {}
    for channel, unit in zip(channels, units, strict=True):
        sensors.setdefault((re.sub(r"(?i)[ _.-]?[xyz]$", "", channel), unit), []).append(channel)
    return [(tuple(names), unit) for (_, unit), names in sensors.items()]


def _magnitudes(recording: Recording) -> list[float]:
    """Return the logarithm of the root mean square of the vector of each of `_sensors`."""
    sensors = _sensors(recording.channels, recording.units)
    columns = [recording.channels.index(name) for names, _ in sensors for name in names]
    begins = np.cumsum([0] + [len(names) for names, _ in sensors[:-1]])
    squares = np.clip(recording.signal.T[columns], -LARGEST, LARGEST) ** 2  # (n_channels, n_readings)
    means = np.add.reduceat(squares, begins).mean(axis=1)
    return [float(number) for number in np.log10(np.sqrt(means) + 1e-30)]


def _apart(labels: np.ndarray, places: np.ndarray, magnitudes: np.ndarray) -> np.ndarray | None:
    """Return which recordings lie above the gap, if most of the comparable classes have one.

    The sides have to be made by where the recordings come from, or to be large: a single
    wild movement is no unit.

    Parameters
    ----------
    labels, places : int arrays, (n_recordings,), the same number for the same label, and origin
    magnitudes : array, (n_recordings,)
    """
    high = np.zeros(len(magnitudes), bool)
    divided = 0
    classes = []
    for label in np.unique(labels):
        own = np.flatnonzero((labels == label) & (magnitudes > SILENT))
        if len(own) >= 4:
            classes.append(own)
    # A class of one origin says nothing, where there are others.
    comparable = [own for own in classes if len(set(places[own])) > 1] or classes
    for own in comparable:
        order = own[np.argsort(magnitudes[own])]
        gaps = np.diff(magnitudes[order])
        cut = int(np.argmax(gaps)) + 1
        below, above = order[:cut], order[cut:]
        small = min(len(below), len(above))
        if gaps[cut - 1] <= np.log10(FACTOR) or small < 2:
            continue
        if small >= max(3, 0.1 * len(own)) or not set(places[below]) & set(places[above]):
            divided += 1
            high[above] = True
    return high if divided and 2 * divided >= len(comparable) else None
