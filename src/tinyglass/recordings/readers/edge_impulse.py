"""The data acquisition format of Edge Impulse, in JSON or in CBOR, one recording a file::

    {"protected": {"ver": "v1", "alg": "HS256", "iat": 1747014331},
     "signature": "029e6a36cc46df68…",
     "payload": {"device_name": "phone", "device_type": "MOBILE_CLIENT", "interval_ms": 16,
                 "sensors": [{"name": "accX", "units": "m/s2"}, …],
                 "values": [[8.3, 0, 0.7], …]}}

The signature is an HMAC-SHA256 of the file with zeros in the signature's place. Only the key of the
project could check it, so it is never checked, and said not to be. The label is rarely inside:
``info.labels`` or the name of the file has it.
"""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import Any

import numpy as np

from ...errors import RecordingError
from ..parsing.values import as_text, document, is_number, shown
from ..recording import Recording
from ..source import Source

LARGEST_CBOR = 2**23  # bytes; an empty list takes one, and 64 in memory
SELF_DESCRIBED = b"\xd9\xd9\xf7"  # CBOR may begin with this mark
MAPS = tuple(bytes([first]) for first in range(0xA0, 0xC0))  # the first byte of CBOR that is a map
TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)
MEND = "Export the recording again, or mend it"


def read(source: Source) -> list[Recording] | None:
    """Return the recording of a file in this format; None if it is something else."""
    found = _decoded(source)
    if not _is_acquisition(found):
        return None
    payload = found["payload"]
    channels, units = _sensors(source, payload.get("sensors"))
    signal = _signal(source, payload.get("values"), channels)
    if signal is None:
        source.dropped("holds no readings", 0)
        return []
    rate_hz = _rate_hz(source, payload.get("interval_ms"), len(signal))
    _note_signature(source, found)
    label, device = _label(source, found), as_text(payload.get("device_name"))
    return [
        Recording(signal, channels, units, rate_hz, label=label, device=device or None, source=source.name)
    ]


# -- the container


def _decoded(source: Source) -> Any:
    """Return what the file holds; None where its beginning shows that it is something else."""
    if source.head.removeprefix(SELF_DESCRIBED).startswith(MAPS):
        return _cbor(source) if _promises(source.head.decode("latin-1"), "") else None
    return document(source, '"payload"') if _promises(source.head_text, '"') else None


def _promises(head: str, quote: str) -> bool:
    """Tell whether enough keys stand in the head to refuse the file if the rest of it is damaged."""
    keys = re.findall(f"{quote}(protected|signature|payload|interval_ms|sensors|values){quote}", head)
    return "payload" in keys and len(set(keys)) > 1


def _cbor(source: Source) -> Any:
    import cbor2

    if source.size > LARGEST_CBOR:
        what = f"The file has {source.size:,} bytes; at most {LARGEST_CBOR:,} of CBOR are read"
        raise RecordingError(what, source.name, "Split the recording")
    content = source.content.removeprefix(SELF_DESCRIBED)
    stream = BytesIO(content)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=dict.fromkeys(TAGS, _refuse_tag),  # some take hours: fractions of giant integers
        tag_hook=_refuse_tag,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
    )
    try:
        found = decoder.decode()
    except Exception as error:  # whatever hostile bytes lead to
        what = f"Expected CBOR, found damage ({str(error)[:100]})"
        raise RecordingError(what, source.name, MEND) from error
    rest = content[stream.tell() :].rstrip(b"\0\xff")  # with which boards fill up their flash
    if rest:
        what = f"Expected the end of the file after the recording, found {len(rest):,} bytes more"
        raise RecordingError(what, source.name, MEND)
    return found


def _refuse_tag(*_: Any) -> None:
    raise ValueError("a tag, of which this format has none")


def _is_acquisition(found: Any) -> bool:
    payload = found.get("payload") if isinstance(found, dict) else None
    if not isinstance(payload, dict):
        return False
    outside = found.keys() & {"protected", "signature"}
    inside = payload.keys() & {"device_type", "interval_ms", "sensors", "values"}
    return len(outside) + len(inside) >= 3


# -- the payload


def _sensors(source: Source, sensors: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and units."""
    if not isinstance(sensors, list) or not sensors:
        raise RecordingError(f"Expected a list of sensors, found {shown(sensors)}", source.name, MEND)
    names, units = [], []
    for number, sensor in enumerate(sensors, 1):
        name = as_text(sensor.get("name")) if isinstance(sensor, dict) else None
        if not name:
            found = shown(sensor.get("name") if isinstance(sensor, dict) else sensor)
            where = f"{source.name}, sensor {number}"
            raise RecordingError(f"Expected the name of a sensor, found {found}", where, MEND)
        unit = as_text(sensor.get("units")) or ""
        if unit.upper() in ("N/A", "NA"):
            source.repaired(f"the units are {unit!r}: unknown")
            unit = ""
        names.append(name)
        units.append(unit)
    return tuple(names), tuple(units)


def _signal(source: Source, values: Any, channels: tuple[str, ...]) -> np.ndarray | None:
    """Return the readings, float64, (n_readings, n_channels); None where there are none."""
    if not isinstance(values, list):
        raise RecordingError(f"Expected a list of readings, found {shown(values)}", source.name, MEND)
    rows = values if not values or isinstance(values[0], list) else _rows(source, values, len(channels))
    for reading, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(channels):
            found = f"{len(row)}" if isinstance(row, list) else shown(row)
            what = f"Expected {len(channels)} values, one a sensor, found {found}"
            where = f"{source.name}, reading {reading}"
            raise RecordingError(what, where, "Delete the reading, or export the recording again")
    if not {type(value) for row in rows for value in row} <= {int, float}:
        _refuse_what_is_no_number(source, rows, channels)
    try:
        return np.array(rows, dtype=np.float64) if rows else None
    except OverflowError:
        raise RecordingError("A number is too large", source.name, MEND) from None


def _rows(source: Source, values: list[Any], width: int) -> list[list[Any]]:
    """Return a flat list of values as readings."""
    if len(values) % width:
        what = f"Expected {width} values a reading, found a flat list of {len(values):,} values"
        raise RecordingError(what, source.name, MEND)
    flat = "the values are a flat list"
    source.repaired(flat if width == 1 else f"{flat}, read as rows of {width}")
    return [values[start : start + width] for start in range(0, len(values), width)]


def _refuse_what_is_no_number(source: Source, rows: list[list[Any]], channels: tuple[str, ...]) -> None:
    for reading, row in enumerate(rows, 1):
        for channel, value in zip(channels, row, strict=True):
            if not is_number(value):
                raise RecordingError(
                    f"Expected a number, found {shown(value)}",
                    f"{source.name}, reading {reading}, channel {channel!r}",
                    "Delete the reading, or export the recording again",
                )


def _rate_hz(source: Source, interval_ms: Any, n_readings: int) -> float | None:
    if interval_ms is None:
        source.repaired("does not say the interval between readings: the rate is unknown")
        return None
    if n_readings == 1 and is_number(interval_ms) and interval_ms == 0:
        return None
    try:
        rate_hz = (
            float(f"{1000 / float(interval_ms):.12g}") if is_number(interval_ms) else 0.0
        )  # 104, not 104.00…01
    except (OverflowError, ZeroDivisionError):
        rate_hz = 0.0
    if not 0 < rate_hz < math.inf:
        what = f"Expected an interval in milliseconds above 0, found {shown(interval_ms)}"
        raise RecordingError(what, f"{source.name}, interval_ms", "Write the time between two readings there")
    return rate_hz


def _note_signature(source: Source, found: dict[str, Any]) -> None:
    """Say what the signature is worth; without one (alg none) there is nothing to say."""
    protected = found.get("protected")
    algorithm = as_text(protected.get("alg")) if isinstance(protected, dict) else None
    if (algorithm or "none").lower() == "none":
        return
    if (as_text(found.get("signature")) or "").strip("0"):
        source.repaired("the signature was not checked: only the project's key could")
    else:
        source.repaired("the signature is empty: nothing vouches for the readings")


def _label(source: Source, found: dict[str, Any]) -> str | None:
    """Return the label inside, "" where it is left open, None where there is no place for it."""
    for place in (found["payload"], found):
        if "label" in place:
            label = as_text(place["label"] or "")
            if label is None:
                what = f"Expected a label, found {shown(place['label'])}"
                raise RecordingError(what, f"{source.name}, label", "Write a text there")
            return label
    return None
