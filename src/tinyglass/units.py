"""One unit for all: recordings of the same channels, brought to the unit that most of them have.

Converted is only what is known on both sides: units that are declared, and accelerations whose
unit gravity tells. Whatever was converted is told; nothing is changed in the files.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import pi

import numpy as np

from .recordings import DataSet, Dropped, Recording, Repair

GRAVITY = 9.80665  # m/s²
FAMILIES = (
    {"g": 1.0, "mg": 0.001, "m/s²": 1 / GRAVITY},
    {"°/s": 1.0, "rad/s": 180 / pi},
)
"""Units of the same quantity, and how many of the first one each is."""

SPELLINGS = {
    "m/s2": "m/s²",
    "m/s^2": "m/s²",
    "m/s**2": "m/s²",
    "ms-2": "m/s²",
    "deg/s": "°/s",
    "dps": "°/s",
    "degrees/s": "°/s",
    "g": "g",
    "mg": "mg",
    "m/s²": "m/s²",
    "°/s": "°/s",
    "rad/s": "rad/s",
}
AT_REST = {"g": (0.8, 1.25), "m/s²": (7.85, 12.25)}
"""What half of the readings of an acceleration exceed, in each unit: mostly gravity."""

ACCELERATION = re.compile(r"(?i)(a|acc|accel|accelerometer|acceleration)?[ _.-]?(?P<axis>[xyz])")


def same_units(recordings: Sequence[Recording]) -> tuple[list[Recording], list[Repair]]:
    """Return the recordings in the units that most of them have, and what was converted.

    - A declared unit is converted to the commonest declared one of the same quantity.
    - Three axes of acceleration without a unit: a file in which half of the readings are larger
      than 7.85 to 12.25 is in m/s², one with 0.8 to 1.25 is in g, as gravity is. Where files of the same
      channels differ in that, the fewer are converted to the unit of the others.

    Parameters
    ----------
    recordings : sequence of Recording

    Returns
    -------
    recordings : list of Recording
    repairs : list of Repair, one a file or a declared unit

    Examples
    --------
    >>> quiet = [Recording([[0.0, 0.0, size]] * 9, ("aX", "aY", "aZ"), source=name) for name, size in
    ...          [("a.csv", 1.0), ("b.csv", 1.0), ("c.csv", 9.80665)]]
    >>> converted, repairs = same_units(quiet)
    >>> converted[2].signal[0].tolist(), repairs[0].where
    ([0.0, 0.0, 1.0], 'c.csv')
    """
    declared, told = _same_declared(recordings)
    felt, more = _same_felt(declared)
    return felt, told + more


def convert_units(recording: Recording, channels: Sequence[str], units: Sequence[str]) -> Recording:
    """Return the recording in these units, where both sides are declared and of the same quantity.

    Examples
    --------
    >>> convert_units(Recording([[9.80665]], ("aX",), ("m/s2",)), ("aX",), ("g",)).signal.tolist()
    [[1.0]]
    """
    if recording.channels != tuple(channels) or recording.units == tuple(units):
        return recording
    factors = [_factor(own, wanted) for own, wanted in zip(recording.units, units, strict=True)]
    if None in factors:
        return recording
    signal = recording.signal * np.array(factors, dtype=float)
    return replace(recording, signal=signal, units=tuple(units))


def _factor(unit: str, wanted: str) -> float | None:
    """Return what to multiply with, or None if that is not known."""
    if unit == wanted:
        return 1.0
    own, other = SPELLINGS.get(unit.strip()), SPELLINGS.get(wanted.strip())
    for family in FAMILIES:
        if own in family and other in family:
            return family[own] / family[other]
    return None


def _same_declared(recordings: Sequence[Recording]) -> tuple[list[Recording], list[Repair]]:
    counts: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for recording in recordings:
        counts[recording.channels][recording.units] += 1
    wanted = {channels: units.most_common(1)[0][0] for channels, units in counts.items()}
    converted = [convert_units(r, r.channels, wanted[r.channels]) for r in recordings]
    changed: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], str] = {}
    for before, after in zip(recordings, converted, strict=True):
        if after is not before:
            kinds = (_listed(before.units), _listed(after.units))
            changed[kinds] += 1
            where.setdefault(kinds, before.source)
    repairs = [
        Repair(where[old, new], f"converted from {old} to {new}, as most recordings have it", n)
        for (old, new), n in changed.items()
    ]
    return converted, repairs


def _same_felt(recordings: Sequence[Recording]) -> tuple[list[Recording], list[Repair]]:
    by_file: dict[tuple[tuple[str, ...], tuple[int, ...], str], list[int]] = defaultdict(list)
    for place, recording in enumerate(recordings):
        axes = _undeclared_axes(recording)
        if axes:
            by_file[recording.channels, axes, _file(recording)].append(place)
    units: dict[tuple[tuple[str, ...], tuple[int, ...]], dict[str, str]] = defaultdict(dict)
    sizes: dict[str, float] = {}
    for (channels, axes, file), places in by_file.items():
        sizes[file] = size = _usual_size([recordings[place] for place in places], axes)
        unit = next((unit for unit, (low, high) in AT_REST.items() if low <= size <= high), None)
        if unit is not None:
            units[channels, axes][file] = unit
    result, repairs = list(recordings), []
    for (channels, axes), by_name in units.items():
        votes: Counter[str] = Counter()
        for file, unit in by_name.items():
            votes[unit] += len(by_file[channels, axes, file])
        common = votes.most_common(1)[0][0]
        for file, unit in by_name.items():
            if unit == common:
                continue
            factor = np.ones(len(channels))
            factor[list(axes)] = _factor(unit, common) or 1.0
            places = by_file[channels, axes, file]
            for place in places:
                result[place] = replace(result[place], signal=result[place].signal * factor)
            named = _listed([channels[axis] for axis in axes])
            what = (
                f"{named} are taken to be in {unit}, as they are mostly {sizes[file]:.3g}, which gravity is in {unit}; "
                f"converted to {common}, as the other files have them"
            )
            repairs.append(Repair(file, what, len(places)))
    return result, repairs


def _undeclared_axes(recording: Recording) -> tuple[int, ...]:
    """Return the places of the three axes of an acceleration whose unit is not declared."""
    axes: dict[str, int] = {}
    for place, (channel, unit) in enumerate(zip(recording.channels, recording.units, strict=True)):
        match = ACCELERATION.fullmatch(channel.strip())
        if match and not unit:
            axes.setdefault(match["axis"].lower(), place)
    return tuple(axes[axis] for axis in "xyz") if len(axes) == 3 else ()


def _usual_size(recordings: Sequence[Recording], axes: tuple[int, ...]) -> float:
    """Return the median length of the vector."""
    vectors = np.concatenate([recording.signal[:, axes] for recording in recordings])
    with np.errstate(over="ignore"):
        return float(np.median(np.sqrt((vectors**2).sum(axis=1))))


def _file(recording: Recording) -> str:
    return re.split(r", (?:lines?|rows?|readings?|recordings?) ", recording.source)[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(name or "?" for name in names))


def same_channels(data: DataSet) -> DataSet:
    """Return the recordings with the channels that most have; the others are named as dropped.

    Examples
    --------
    >>> data = DataSet((Recording([[1.0]], ("x",)), Recording([[1.0]], ("x",)), Recording([[1.0]], ("y",))))
    >>> kept = same_channels(data)
    >>> len(kept), kept.dropped[0].why
    (2, 'has the channels y, most recordings have x (1 recording)')
    """
    counts = Counter(recording.channels for recording in data)
    if len(counts) < 2:
        return data
    common = counts.most_common(1)[0][0]
    dropped = list(data.dropped)
    for channels, n in counts.items():
        if channels != common:
            others = [recording for recording in data if recording.channels == channels]
            why = (
                f"has the channels {_listed(channels)}, most recordings have {_listed(common)} ({n} recording"
            )
            why += f"{'s' * (n > 1)})"
            dropped.append(Dropped(others[0].source, why, sum(r.n_readings for r in others)))
    kept = tuple(recording for recording in data if recording.channels == common)
    return replace(data, recordings=kept, dropped=tuple(dropped))
