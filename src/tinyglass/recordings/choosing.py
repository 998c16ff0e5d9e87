"""Which recordings to use, and by which names: what `--label`, `--rename` and `--only` do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..errors import ArgumentError, nearest
from .recording import DataSet, Dropped, Recording, with_labels


def choose(
    data: DataSet,
    only: Iterable[str] | None = None,
    rename: Mapping[str, str] | None = None,
    label: str | None = None,
) -> DataSet:
    """Return the data set with other labels, or without some of them; what is left out is named as dropped.

    Parameters
    ----------
    data : DataSet
    only : labels to keep, by their old names or their new ones; optional
    rename : new name by old name, applied before `only`; optional
    label : str, optional; for recordings that carry none

    Returns
    -------
    DataSet

    Raises
    ------
    ArgumentError
        If a label to keep or to rename is in none of the recordings; the nearest one is offered.

    Examples
    --------
    >>> from tinyglass import read_recordings
    >>> data = choose(read_recordings(), only=["near"], rename={"moving_closer": "near"})
    >>> len(data), data[0].label
    (5, 'near')
    >>> data.dropped[0].why, data.dropped[0].n_readings
    ("its label 'moving_away' is left out by --only (5 recordings)", 15)
    """
    recordings = list(data) if label is None else with_labels(list(data), label)
    new = dict(rename or {})
    _check_known(new, recordings, "--rename")
    recordings = [replace(r, label=new[r.label]) if r.label in new else r for r in recordings]
    if only is None:
        return replace(data, recordings=tuple(recordings))
    wanted = {new.get(name, name) for name in only}
    _check_known(wanted, recordings, "--only")
    kept = tuple(r for r in recordings if r.label in wanted)
    return replace(data, recordings=kept, dropped=data.dropped + tuple(_left_out(recordings, wanted)))


def _check_known(names: Iterable[str], recordings: Iterable[Recording], option: str) -> None:
    known = sorted({r.label for r in recordings if r.label is not None})
    for name in names:
        if name not in known:
            mend = nearest(name, known) if known else "No recording has a label: give one with --label"
            raise ArgumentError(f"No recording has the label {name!r}", option, mend)


def _left_out(recordings: Iterable[Recording], wanted: set[str]) -> Iterable[Dropped]:
    by_label: dict[str | None, list[Recording]] = {}
    for recording in recordings:
        if recording.label not in wanted:
            by_label.setdefault(recording.label, []).append(recording)
    for label, members in by_label.items():
        what = "it has no label, and" if label is None else f"its label {label!r} is left out by"
        count = f"({len(members)} recording{'s' * (len(members) > 1)})"
        why = f"{what} --only {'keeps labels ' if label is None else ''}{count}"
        yield Dropped(members[0].source, why, sum(r.n_readings for r in members))
