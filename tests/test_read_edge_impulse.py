"""The data acquisition format of Edge Impulse: JSON, CBOR, each quirk, and what is refused."""

from __future__ import annotations

import json
import math
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tinyglass import Recording, RecordingError, read_recordings
from tinyglass.recordings.readers.edge_impulse import read
from tinyglass.recordings.source import Source

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the data sets of other people are not here")

VALUES = [[8.3, 0, 0.7], [8.6, 0.6, -0.3], [9, 0.7, 1e-3]]
UNCHECKED = "the signature was not checked: only the project's key could"


def sample(**payload: Any) -> dict[str, Any]:
    """A small file as the phone client writes it; None takes a key away."""
    inside = {
        "device_name": "phone_a",
        "device_type": "MOBILE_CLIENT",
        "interval_ms": 16,
        "sensors": [{"name": f"acc{axis}", "units": "m/s2"} for axis in "XYZ"],
        "values": VALUES,
    } | payload
    return {
        "protected": {"ver": "v1", "alg": "HS256", "iat": 1747014331},
        "signature": "02" * 32,
        "payload": {name: value for name, value in inside.items() if value is not ...},
    }


def source_of(content: bytes, name: str = "wave.json") -> Source:
    return Source(name, PurePosixPath(name), len(content), lambda: content)


def read_content(content: bytes) -> tuple[list[Recording] | None, list[str], list[tuple[str, int]]]:
    source = source_of(content)
    found = read(source)
    repairs, dropped = source.account()
    return found, [r.what for r in repairs], [(d.why, d.n_readings) for d in dropped]


def as_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "json": as_json,
    "json, indented": lambda d: json.dumps(d, indent=4).encode(),
    "json, mark": lambda d: b"\xef\xbb\xbf" + as_json(d),
    "json, utf-16": lambda d: as_json(d).decode().encode("utf-16"),
    "json, space before": lambda d: b" \r\n" + as_json(d),
    "cbor": cbor2.dumps,
    "cbor, indefinite": lambda d: cbor2.dumps(d, indefinite_containers=True),
    "cbor, canonical": lambda d: cbor2.dumps(d, canonical=True),
    "cbor, mark": lambda d: b"\xd9\xd9\xf7" + cbor2.dumps(d),
    "cbor, flash": lambda d: cbor2.dumps(d) + b"\0\0\xff",
}


@pytest.fixture(params=ENCODERS)
def encode(request: pytest.FixtureRequest) -> Callable[[Any], bytes]:
    return ENCODERS[request.param]


# ---------------------------------------------------------------- what is read


def test_a_file_is_one_recording(encode):
    found, repairs, dropped = read_content(encode(sample()))
    (recording,) = found
    assert recording.signal.tolist() == VALUES
    assert recording.channels == ("accX", "accY", "accZ")
    assert recording.units == ("m/s2",) * 3
    assert (recording.rate_hz, recording.times) == (62.5, None)
    assert (recording.label, recording.device, recording.person) == (None, "phone_a", None)
    assert recording.source == "wave.json"
    assert (repairs, dropped) == ([UNCHECKED], [])


@pytest.mark.parametrize(
    "order", [("payload", "protected", "signature"), ("signature", "payload", "protected")]
)
def test_the_order_of_the_keys_makes_no_difference(encode, order):
    document = sample(values=[[float(i), 0.5, -1.0] for i in range(5000)])
    payload = dict(sorted(document["payload"].items(), reverse=True))  # the long list of values comes first
    found, _, _ = read_content(encode({name: (document | {"payload": payload})[name] for name in order}))
    assert len(found) == 1
    assert found[0].signal.shape == (5000, 3)


@pytest.mark.parametrize(
    ("interval", "rate"),
    [
        (16, 62.5),
        (10, 100),
        (9.615384615384615, 104),
        (0.0625, 16000),
        (1000, 1),
        (2000.0, 0.5),
        (3, 333.333333333),
    ],
)
def test_the_interval_may_be_any_number(encode, interval, rate):
    assert read_content(encode(sample(interval_ms=interval)))[0][0].rate_hz == rate


def test_the_interval_may_be_half_precision_in_cbor():
    whole = cbor2.dumps(sample(interval_ms=1.0))
    key = cbor2.dumps("interval_ms")
    rest = whole.split(key)[1]
    size = {0xFB: 9, 0xF9: 3}[rest[0]]
    for interval, rate in ((10.0, 100.0), (16.0, 62.5), (9.6171875, 103.980503656)):
        content = whole.split(key)[0] + key + b"\xf9" + struct.pack(">e", interval) + rest[size:]
        assert read_content(content)[0][0].rate_hz == rate


def test_no_interval_is_no_rate_and_said(encode):
    for missing in (..., None):
        (recording,), repairs, _ = read_content(encode(sample(interval_ms=missing)))
        assert recording.rate_hz is None
        assert "does not say the interval between readings: the rate is unknown" in repairs


def test_a_single_reading_needs_no_interval(encode):
    (recording,), repairs, _ = read_content(encode(sample(interval_ms=0, values=VALUES[:1])))
    assert (recording.n_readings, recording.rate_hz, repairs) == (1, None, [UNCHECKED])


@pytest.mark.parametrize("unit", ["N/A", "n/a", " N/A "])
def test_units_that_are_not_available_are_unknown(encode, unit):
    sensors = [{"name": "x", "units": unit}, {"name": "y", "units": "g "}, {"name": "z"}]
    (recording,), repairs, _ = read_content(encode(sample(sensors=sensors)))
    assert recording.units == ("", "g", "")
    assert repairs[0] == f"the units are {unit.strip()!r}: unknown"


def test_one_sensor_may_have_a_flat_list(encode):
    one = [{"name": "audio", "units": "wav"}]
    (recording,), repairs, _ = read_content(encode(sample(sensors=one, values=[1, -2, 3.5])))
    assert recording.signal.tolist() == [[1], [-2], [3.5]]
    assert "the values are a flat list" in repairs
    (nested,), repairs, _ = read_content(encode(sample(sensors=one, values=[[1], [-2], [3.5]])))
    assert nested.signal.tolist() == recording.signal.tolist()
    assert repairs == [UNCHECKED]


def test_several_sensors_may_have_a_flat_list_of_whole_rows(encode):
    (recording,), repairs, _ = read_content(encode(sample(values=[1, 2, 3, 4, 5, 6])))
    assert recording.signal.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert "the values are a flat list, read as rows of 3" in repairs


def test_no_time_of_making_and_spaces_after_the_device_make_no_difference(encode):
    document = sample(device_type="TI_LAUNCH_XL  ", device_name="80:6F ")
    del document["protected"]["iat"]
    assert read_content(encode(document))[0][0].device == "80:6F"


@pytest.mark.parametrize("name", [..., None, "", "  "])
def test_no_device_name_is_no_device(encode, name):
    assert read_content(encode(sample(device_name=name)))[0][0].device is None


def test_every_signature_is_taken_and_its_worth_said(encode):
    empty = "the signature is empty: nothing vouches for the readings"
    for algorithm, signature, said in (
        ("HS256", "ab" * 32, [UNCHECKED]),
        ("HS256", "0" * 64, [empty]),
        ("HS256", "", [empty]),
        ("HS256", None, [empty]),
        ("none", "0" * 64, []),
        ("None", "", []),
        (None, "", []),
    ):
        document = sample() | {"signature": signature}
        document["protected"]["alg"] = algorithm
        found, repairs, _ = read_content(encode(document))
        assert (len(found), repairs) == (1, said)


def test_a_file_without_protection_is_read(encode):
    found, repairs, _ = read_content(encode({"payload": sample()["payload"]}))
    assert (found[0].signal.tolist(), repairs) == (VALUES, [])


@pytest.mark.parametrize(
    ("inside", "label"), [("circle", "circle"), (" circle ", "circle"), (1.5, "1.5"), ("", ""), (None, "")]
)
def test_a_label_inside_is_kept(encode, inside, label):
    assert read_content(encode(sample(label=inside)))[0][0].label == label
    assert read_content(encode(sample() | {"label": inside}))[0][0].label == label


def test_a_recording_of_nothing_is_named(encode):
    found, _, dropped = read_content(encode(sample(values=[])))
    assert (found, dropped) == ([], [("holds no readings", 0)])


def test_a_folder_of_both_kinds_is_read_with_labels_from_names(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "circle.json.65vv.ingestion-5758-7nt.json").write_bytes(as_json(sample()))
    (tmp_path / "training" / "Idle.unknown.4ci5.cbor").write_bytes(cbor2.dumps(sample(device_name="b")))
    found = sorted((r.label, r.split, r.device, r.n_readings) for r in read_recordings(tmp_path))
    assert found == [("Idle", "train", "b", 3), ("circle", "train", "phone_a", 3)]


# ---------------------------------------------------------------- what is refused


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "short row": ({"values": [[1, 2, 3], [1, 2]]}, "Expected 3 values, one a sensor, found 2", "reading 2"),
    "long row": ({"values": [[1, 2, 3, 4]]}, "Expected 3 values, one a sensor, found 4", "reading 1"),
    "no row": ({"values": [[1, 2, 3], 5]}, "Expected 3 values, one a sensor, found 5", "reading 2"),
    "row of objects": ({"values": [[1, 2, 3], {}]}, "one a sensor, found an object", "reading 2"),
    "flat, not whole": ({"values": [1, 2, 3, 4]}, "found a flat list of 4 values", ""),
    "null": (
        {"values": [[1, 2, 3], [1, None, 3]]},
        "Expected a number, found null",
        "reading 2, channel 'accY'",
    ),
    "text": ({"values": [[1, 2, "3"]]}, "Expected a number, found '3'", "reading 1, channel 'accZ'"),
    "true": ({"values": [[1, True, 3]]}, "Expected a number, found true", "reading 1, channel 'accY'"),
    "list": ({"values": [[1, 2, [3]]]}, "Expected a number, found a list", "reading 1, channel 'accZ'"),
    "nan": (
        {"values": [[1, 2, 3], [math.nan, 2, 3]]},
        "finite number, found nan",
        "reading 2, channel 'accX'",
    ),
    "infinity": ({"values": [[1, -math.inf, 3]]}, "finite number, found -inf", "reading 1, channel 'accY'"),
    "picture": ({"values": ["Ref-BINARY-image/jpeg (1 bytes) 0"] * 3}, "found 'Ref-BINARY", "reading 1"),
    "no values": ({"values": ...}, "Expected a list of readings, found null", ""),
    "values of text": ({"values": "1,2,3"}, "Expected a list of readings, found '1,2,3'", ""),
    "no sensors": ({"sensors": ...}, "Expected a list of sensors, found null", ""),
    "empty sensors": ({"sensors": []}, "Expected a list of sensors, found a list", ""),
    "sensor of text": ({"sensors": ["x", "y", "z"]}, "Expected the name of a sensor, found 'x'", "sensor 1"),
    "nameless": ({"sensors": [{"name": "x"}, {"units": "g"}]}, "name of a sensor, found null", "sensor 2"),
    "interval 0": ({"interval_ms": 0}, "milliseconds above 0, found 0", "interval_ms"),
    "interval -1": ({"interval_ms": -1}, "milliseconds above 0, found -1", "interval_ms"),
    "interval nan": ({"interval_ms": math.nan}, "above 0, found nan", "interval_ms"),
    "interval infinite": ({"interval_ms": math.inf}, "above 0, found inf", "interval_ms"),
    "interval tiny": ({"interval_ms": 1e-320}, "milliseconds above 0", "interval_ms"),
    "interval text": ({"interval_ms": "16"}, "milliseconds above 0, found '16'", "interval_ms"),
    "interval true": ({"interval_ms": True}, "milliseconds above 0, found true", "interval_ms"),
    "label list": ({"label": ["a"]}, "Expected a label, found a list", "label"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("encoder", ["json", "cbor"])
def test_what_has_no_clear_meaning_is_refused_with_its_place(name, encoder):
    change, what, where = REFUSED[name]
    with pytest.raises(RecordingError) as caught:
        read_content(ENCODERS[encoder](sample(**change)))
    assert what in caught.value.what
    assert caught.value.where.startswith("wave.json")
    assert where in caught.value.where
    assert len(caught.value.mend) > 8


def test_a_number_too_large_for_a_reading_is_refused():
    with pytest.raises(RecordingError, match="A number is too large"):
        read_content(as_json(sample(values=[[10**400, 2, 3]])))


def test_damaged_json_is_refused_with_its_line():
    content = json.dumps(sample(), indent=1).encode()
    with pytest.raises(RecordingError, match="The JSON is damaged") as caught:
        read_content(content[:-20].rstrip())
    assert caught.value.where == f"wave.json, line {len(content[:-20].rstrip().splitlines())}"
    with pytest.raises(RecordingError, match="The JSON is damaged") as caught:
        read_content(content + b"\noops")
    assert caught.value.where == f"wave.json, line {len(content.splitlines()) + 1}"


def test_damaged_cbor_is_refused():
    content = cbor2.dumps(sample())
    for damaged in (content[:-1], content[:-30], content + b"\x01"):
        with pytest.raises(RecordingError, match=r"found damage|bytes more"):
            read_content(damaged)


OTHERS = {
    "nothing": b"",
    "text": b"1,2,3\n4,5,6\n",
    "other json": b'{"gestures": [], "version": 1}',
    "a list": b'[{"payload": {"values": []}}]',
    "a word": b'"payload"',
    "payload of text": b'{"payload": "values", "sensors": 1}',
    "payload of another": b'{"payload": {"values": [1, 2]}, "topic": "x"}',
    "broken, another": b'{"payload": [',
    "cbor, another": cbor2.dumps({"a": 1}),
    "cbor, broken": b"\xa5\x61",
    "binary": bytes(range(256)),
    "zip": b"PK\x03\x04payload values sensors",
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_format_is_left_to_others(name):
    assert read_content(OTHERS[name]) == (None, [], [])


# ---------------------------------------------------------------- hostile files

KEYS = b'{"protected": {}, "payload": {"sensors": [{"name": "x"}], "interval_ms": 1, "values": '
CBOR_KEYS = cbor2.dumps(sample())[: -len(cbor2.dumps(VALUES))]  # ends where the values begin
HOSTILE = {
    "deep json": KEYS + b"[" * 10**5,
    "deep objects": KEYS + b'{"a":' * 10**5,
    "long number": KEYS + b"[" + b"9" * 10**6 + b"]}}",
    "large float": KEYS + b"[1e999]}}",
    "long line": KEYS + b"[" + b" " * 10**7,
    "bad text": KEYS + b'"\xff\xfe"}}',
    "deep cbor": CBOR_KEYS + b"\x81" * 10**5,
    "deep cbor, indefinite": CBOR_KEYS + b"\x9f" * 10**5,
    "tags": CBOR_KEYS + b"\xc1" * 10**5 + b"\x00",
    "large array": CBOR_KEYS + b"\x9b\x00\x00\x00\x10\x00\x00\x00\x00\x01",
    "large text": CBOR_KEYS + b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xffab",
    "large map": CBOR_KEYS + b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
    "fraction of giants": CBOR_KEYS + b"\xd8\x1e\x82" + (b"\xc2\x5a\x00\x20\x00\x00" + b"\xff" * 2**21) * 2,
    "giant decimal": CBOR_KEYS + b"\xc4\x82\x01\xc2\x5a\x00\x20\x00\x00" + b"\xff" * 2**21,
    "shared rows": CBOR_KEYS + b"\x82\xd8\x1c\x83\x01\x02\x03\xd8\x1d\x00",
    "empty lists": CBOR_KEYS + b"\x9a\x00\x7f\x00\x00" + b"\x80" * 0x7F0000,
    "two keys": cbor2.dumps(sample()).replace(b"\x69signature", b"\x69protected"),
    "long list, cut": KEYS + b"[" + b"1," * 2**22,
    "too large, cbor": CBOR_KEYS + b"\x9b\x00\x00\x00\x00\x00\x80\x00\x00" + b"\x01" * 2**23,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_time(name):
    start = time.monotonic()
    with pytest.raises(RecordingError) as caught:
        read_content(HOSTILE[name])
    assert caught.value.where.startswith("wave.json")
    assert len(str(caught.value)) < 500
    assert time.monotonic() - start < 20


SAMPLES = [as_json(sample()), as_json(sample(sensors=[{"name": "a"}], values=[1, 2])), cbor2.dumps(sample())]
SAMPLES += [ENCODERS["json, indented"](sample()), ENCODERS["cbor, indefinite"](sample())]


def check_read_or_refused(content: bytes) -> None:
    try:
        found, _, _ = read_content(content)
    except RecordingError as error:
        refusal = str(error)
        assert "wave.json" in refusal
    else:
        assert all(np.isfinite(r.signal).all() for r in found or [])


@given(st.sampled_from(SAMPLES), st.integers(0, 500))
@hypothesis_settings(max_examples=300)
def test_a_truncated_file_is_read_or_refused(content, end):
    check_read_or_refused(content[:end])


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=4)), min_size=1, max_size=5),
)
@hypothesis_settings(max_examples=600)
def test_a_mutated_file_is_read_or_refused(content, changes):
    for place, new in changes:
        content = content[:place] + new + content[place + len(new) :]
    check_read_or_refused(content)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["device_name", "interval_ms", "sensors", "values", "label"])


@given(st.dictionaries(FIELDS, ANYTHING, max_size=3), ANYTHING, ANYTHING, st.booleans())
@hypothesis_settings(max_examples=500)
def test_values_of_any_type_are_read_or_refused(payload, protected, signature, binary):
    document = sample(**payload) | {"protected": protected, "signature": signature}
    check_read_or_refused(cbor2.dumps(document) if binary else json.dumps(document).encode())


ROWS = st.lists(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1
)


@given(ROWS, st.booleans())
def test_readings_come_back_with_the_same_bits(rows, binary):
    document = sample(values=rows)
    (recording,), _, _ = read_content(cbor2.dumps(document) if binary else as_json(document))
    assert recording.signal.tobytes() == np.array(rows).tobytes()


# ---------------------------------------------------------------- other people's sets


def counted(folder: Path) -> int:
    """Readings in all files, counted with nothing of ours."""
    files = [p for p in folder.rglob("*") if p.suffix in (".json", ".cbor")]
    documents = [(json.loads if p.suffix == ".json" else cbor2.loads)(p.read_bytes()) for p in files]
    return sum(len(document["payload"]["values"]) for document in documents)


PUBLISHED = {
    "ei_xiao": (96, {("train", None): 72, ("test", None): 24}, {"circle", "flick", "idle", "updown"}, 104, 1),
    "ei_exercise/data/training": (
        60,
        {},
        {"squat", "biceps_flexion", "wrist_rotation", "hello_with_hand"},
        62.5,
        1,
    ),
    "ei_esp_motion": (
        3736,
        {("train", None): 2988, ("test", None): 748},
        {"shake", "fall", "idle", "groundquack"},
        62.5,
        3,
    ),
    "ei_lab5_cbor": (79, {("train", None): 79}, {"wave", "idle", "snake", "updown"}, 100, 1),
}


@needs_shared
@pytest.mark.parametrize("name", PUBLISHED)
def test_other_peoples_sets_are_read_whole(name):
    n_recordings, splits, classes, rate, n_devices = PUBLISHED[name]
    data = read_recordings(SHARED / name)
    assert len(data) == n_recordings
    assert {r.label for r in data} == classes
    if splits:
        assert Counter((r.split, r.person) for r in data) == splits
    assert {r.rate_hz for r in data} == {rate}
    assert len({r.device for r in data}) == n_devices
    assert None not in {r.device for r in data}
    assert {r.units for r in data} == {("m/s2",) * 3}
    kept = sum(r.n_readings for r in data)
    assert kept + sum(d.n_readings for d in data.dropped) == counted(SHARED / name)
    assert Counter(r.what for r in data.repairs)[UNCHECKED] == n_recordings
