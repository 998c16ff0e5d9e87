"""What the names of files and folders say: label, person, session, device, part.

======================================= =============================================
``wave/1.csv``                          the class is the folder
``a01/wave.csv``, ``a02/wave.csv``      folders that are only numbered are no classes: the file's name
``wave.3a7.json``, ``wave_01.csv``      the name up to the first dot, without number, date or time
``train/wave.csv``, ``wave_TEST.csv``   a part, which is no class
``person3/wave_2.csv``                  a person (also user, subject, author, participant)
======================================= =============================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..errors import ArgumentError, nearest
from .source import About

PARTS = {
    "train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train",
    "test": "test", "testing": "test",
}  # fmt: skip
GENERIC = {
    "annotations", "csv", "data", "dataset", "datasets", "export", "files", "gestures", "json", "labels", "npy",
    "raw", "recordings", "samples", "txt", "zip",
}  # fmt: skip
WORDS = {
    "person": "person|people|user|subject|author|participant",
    "session": "session|day|round",
    "device": "device|board|phone|watch",
}
GROUPS = ("person", "session", "device", "label")
GESTURE = re.compile(
    r"(?i)(?<![a-z])(wave|waving|wing|circle|ring|slope|shake|still|idle|rest|punch|flex|flick|poke|clap|tap|swipe|snake|"
    r"spin|twist|turn|rotate|tilt|nod|knock|throw|jump|jumping|squat|lunge|walk|walking|run|running|sit|sitting|stand|"
    r"standing|stairs|fall|falling|lift|drop|push|pull|kick|left|right|up|down|updown|leftright|forward|backward|near|"
    r"far|closer|away|on|off|yes|no|none|other|unknown|noise|normal|circle|square|triangle|zero|one|two|three)(?![a-z])"
)
"""Words by which people name gestures, where two levels of folders might both be the classes."""

DATE_OR_TIME = re.compile(r"\d{4}-?\d\d-?\d\d([T_ -]?\d\d[-:.h_]?\d\d([-:.m_]?\d\d)?(\.\d+)?Z?)?")


def label_in_name(name: str) -> str | None:
    """Return the label that a file's name suggests, or None.

    Examples
    --------
    >>> names = ["wave.csv", "wave.3a7.csv", "wave_01.csv", "wave (2).csv", "2025-06-15T192906_wave.npy", "7.csv"]
    >>> [label_in_name(name) for name in names]
    ['wave', 'wave', 'wave', 'wave', 'wave', None]
    """
    stem = DATE_OR_TIME.sub("", name.split(".")[0])
    stem = re.sub(rf"(?i)(?<![a-z])({'|'.join(WORDS.values())})[-_ ]?\d+(?![a-z0-9])", "", stem)
    stem = re.sub(r"(?i)[-_ ](train|test)$", "", stem).strip(" _-")
    stem = re.sub(r"[\s_-]+\(?\d+\)?$|\(\d+\)$", "", stem).strip(" _-")
    if stem.lower() in PARTS or stem.lower() in GENERIC or re.fullmatch(r"[\d\s_()-]*", stem):
        return None
    return stem


def about_names(
    paths: Sequence[PurePosixPath],
    groups: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    label: str | None = None,
) -> list[About]:
    """Return what each path says, all of them considered together.

    Which level of folders holds the classes can only be seen in all paths: the outermost one
    with several names that are not merely numbered; otherwise the file's name is the label.

    Parameters
    ----------
    paths : below the folder that the user named
    groups : pattern by kind (person, session, device, label): a regular expression, of which the
        first group (or everything) is the name; what it matches is no label
    names : the whole paths, as the user gave them, searched where the paths below do not match
    label : what stands in the place of the labels that names suggest, except by a pattern; optional

    Raises
    ------
    ArgumentError
        If a kind is unknown, or a pattern is none, or matches no path.
    """
    patterns = {kind: _pattern(kind, text) for kind, text in (groups or {}).items()}
    whole = names or [str(path) for path in paths]
    found = [
        {kind: _search(pattern, str(path)) or _search(pattern, name) for kind, pattern in patterns.items()}
        for path, name in zip(paths, whole, strict=True)
    ]
    for kind, pattern in patterns.items():
        if paths and not any(own[kind] for own in found):
            raise ArgumentError(
                f"The pattern {pattern.pattern!r} is found in none of the paths, such as {str(paths[0])!r}",
                f"--group {kind}=…",
                "Give a regular expression that matches a part of each path",
            )
    folders = [_folders(path, set(own.values())) for path, own in zip(paths, found, strict=True)]
    level, persons = _class_level(folders)
    if groups:
        persons = None
    numbered = _numbered_level(folders)
    return [
        About(
            label=own.get("label") or label or _label(path, inside, level, set(own.values())),
            split=_split(path),
            session=own.get("session")
            or _group("session", path)
            or (inside[numbered] if not groups and numbered is not None and len(inside) > numbered else None),
            device=own.get("device") or _group("device", path),
            person=own.get("person")
            or _group("person", path)
            or (inside[persons] if persons is not None and len(inside) > persons else None),
        )
        for path, inside, own in zip(paths, folders, found, strict=True)
    ]


def _pattern(kind: str, text: str) -> re.Pattern[str]:
    if kind not in GROUPS:
        raise ArgumentError(f"Unknown group {kind!r}", "--group", nearest(kind, list(GROUPS)))
    try:
        return re.compile(text)
    except re.error as error:
        raise ArgumentError(
            f"{text!r} is no regular expression: {error}",
            f"--group {kind}=…",
            "Mend it, such as 'person(\\d+)'",
        ) from error


def _search(pattern: re.Pattern[str], path: str) -> str | None:
    match = pattern.search(path)
    return None if match is None else (match[1] if pattern.groups else match[0]) or None


def _folders(path: PurePosixPath, named: set[str | None]) -> list[str]:
    """Return the folders that may be classes, outermost first."""
    return [
        part
        for part in path.parts[:-1]
        if part.lower() not in PARTS and part.lower() not in GENERIC and part not in named
    ]


def _class_level(folders: Sequence[Sequence[str]]) -> tuple[int | None, int | None]:
    """Return the level of folders whose names are the classes, and that whose names are persons; 0 is the outermost.

    Two levels of which every name of one stands with several of the other may be person and class,
    or class and person: words for gestures tell, otherwise the outer one holds the classes.
    """
    levels = []
    for level in range(max(map(len, folders), default=0)):
        names = {own[level] for own in folders if len(own) > level}
        if len(names) > 1 and len({re.sub(r"[\d\W_]+", "", name) for name in names}) > 1:
            levels.append(level)
    if not levels:
        return None, None
    outer = levels[0]
    for inner in levels[1:]:
        pairs = {(own[outer], own[inner]) for own in folders if len(own) > inner}
        if len({name for name, _ in pairs}) < 2 or not _crossed(pairs):
            continue
        known = [
            sum(bool(GESTURE.search(name)) for name in {pair[side] for pair in pairs}) for side in (0, 1)
        ]
        return (inner, outer) if known[1] > known[0] else (outer, inner)
    return outer, None


def _numbered_level(folders: Sequence[Sequence[str]]) -> int | None:
    """Return the level of folders that are merely numbered (a01, a02): who or when, but no class."""
    for level in range(max(map(len, folders), default=0)):
        names = {own[level] for own in folders if len(own) > level}
        stems = {re.sub(r"\d+", "", name) for name in names}
        if len(names) > 1 and len(stems) == 1 and stems != {""}:
            return level
    return None


def _crossed(pairs: set[tuple[str, str]]) -> bool:
    """Tell whether most names on each side stand with several of the other side."""
    for side in (0, 1):
        counts = Counter(pair[side] for pair in pairs)
        if 2 * sum(n > 1 for n in counts.values()) <= len(counts):
            return False
    return True


def two_levels(paths: Sequence[PurePosixPath], groups: Mapping[str, str] | None = None) -> str | None:
    """Return what is to be told where two levels of folders might be the classes, otherwise None.

    Examples
    --------
    >>> folders = [PurePosixPath(f"{who}/{what}/1.csv") for who in ("anna", "ben") for what in ("wave", "idle")]
    >>> two_levels(folders)
    'folders of two levels: labels are idle, wave; persons are anna, ben (--group person=PATTERN says otherwise)'
    """
    if groups:
        return None
    folders = [_folders(path, set()) for path in paths]
    level, persons = _class_level(folders)
    if level is None or persons is None:
        return None
    labels, names = (_listed({own[k] for own in folders if len(own) > k}) for k in (level, persons))
    return f"folders of two levels: labels are {labels}; persons are {names} (--group person=PATTERN says otherwise)"


def _listed(names: set[str], most: int = 5) -> str:
    return ", ".join(sorted(names)[:most]) + (", …" if len(names) > most else "")


def _label(
    path: PurePosixPath, folders: Sequence[str], level: int | None, named: set[str | None]
) -> str | None:
    if level is not None and len(folders) > level:
        return folders[level]
    label = label_in_name(path.name)
    if label is not None and label not in named:
        return label
    words = [folder for folder in folders if not _numbered(folder)]
    return words[-1] if words else None


def _numbered(folder: str) -> bool:
    return any(_group(kind, PurePosixPath(folder) / "x") for kind in WORDS)


def _split(path: PurePosixPath) -> str | None:
    for part in reversed(path.parts[:-1]):
        if part.lower() in PARTS:
            return PARTS[part.lower()]
    stem = path.name.split(".")[0]
    word = stem.lower() if stem.lower() in PARTS else re.split(r"[-_ ]", stem)[-1].lower()
    return PARTS.get(word) if word in ("train", "training", "test", "testing") else None


def _group(kind: str, path: PurePosixPath) -> str | None:
    for part in (*path.parts[:-1], path.name.split(".")[0]):
        if match := re.search(rf"(?i)(?<![a-z])(?:{WORDS[kind]})[-_ ]?\d+(?![a-z0-9])", part):
            return match[0]
    return None
