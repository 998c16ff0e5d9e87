"""What looks wrong with channels and their units: recordings that cannot be compared."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

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
        for names, unit in _alike_channels(recording):
            if len(names) == 3 and _plain(unit) in AT_REST:
                rests[names, unit][i] = 10 ** _magnitude(recording, names)
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
    by_unit: dict[tuple[str, tuple[str, ...], str], list[int]] = defaultdict(list)
    for i, recording in enumerate(recordings):
        for names, unit in _alike_channels(recording):
            by_unit[unit, names, ""].append(i)
    for (_, names, _), which in by_unit.items():
        if len(which) < 4:
            continue
        magnitudes = np.array([_magnitude(recordings[i], names) for i in which])
        high = _apart(recordings, which, magnitudes)
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


def _alike_channels(recording: Recording) -> list[tuple[tuple[str, ...], str]]:
    """Return the channels that are axes of one sensor (aX, aY, aZ), with their unit."""
    sensors: dict[tuple[str, str], list[str]] = {}
    for channel, unit in zip(recording.channels, recording.units, strict=True):
        sensors.setdefault((re.sub(r"(?i)[ _.-]?[xyz]$", "", channel), unit), []).append(channel)
    return [(tuple(names), unit) for (_, unit), names in sensors.items()]


def _magnitude(recording: Recording, channels: tuple[str, ...]) -> float:
    """Return the logarithm of the root mean square of the vector."""
    columns = [recording.channels.index(name) for name in channels]
    vectors = np.clip(recording.signal[:, columns], -LARGEST, LARGEST)
    return float(np.log10(np.sqrt((vectors**2).sum(axis=1).mean()) + 1e-30))


def _apart(
    recordings: Sequence[Recording], which: Sequence[int], magnitudes: np.ndarray
) -> np.ndarray | None:
    """Return which recordings lie above the gap, if most of the comparable classes have one.

    The sides have to be made by where the recordings come from, or to be large: a single
    wild movement is no unit.
    """
    labels = [recordings[i].label for i in which]
    places = np.array([origin(recordings[i]) for i in which])
    high = np.zeros(len(which), bool)
    divided = 0
    classes = []
    for label in dict.fromkeys(labels):
        own = np.flatnonzero([name == label for name in labels])
        own = own[magnitudes[own] > SILENT]
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
        by_place = not set(places[below]) & set(places[above])
        if gaps[cut - 1] > np.log10(FACTOR) and small >= 2 and (by_place or small >= max(3, 0.1 * len(own))):
            divided += 1
            high[above] = True
    return high if divided and 2 * divided >= len(comparable) else None
