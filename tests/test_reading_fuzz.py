"""Reading as a whole, whatever stands in a file, a folder or an archive: recordings, or a clear error, soon."""

from __future__ import annotations

import io
import json
import tarfile
import time
import zipfile
from pathlib import Path

import cbor2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources import damaged
from tinyglass import Recording, TinyglassError, read_recordings
from tinyglass.recordings import DataSet
from tinyglass.recordings.saving import save_recordings

LONGEST = 5.0  # seconds of processor time for a file of a few thousand bytes

fuzzed = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def acquisition() -> dict[str, object]:
    sensors = [{"name": name, "units": "m/s2"} for name in ("accX", "accY")]
    payload = {"device_type": "B", "interval_ms": 16, "sensors": sensors, "values": [[1, 2.5], [3, 4]]}
    return {"protected": {"ver": "v1", "alg": "HS256"}, "signature": "0" * 64, "payload": payload}


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(24, dtype=np.int16).reshape(8, 3))
    return stream.getvalue()


def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, X=np.arange(48.0).reshape(2, 8, 3), y=np.array(["up", "down"]))
    return stream.getvalue()


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return stream.getvalue()


def kit() -> bytes:
    rows = "".join(f"{i % 7 / 10},{i % 5},{i}\n" for i in range(30))
    return f"aX,aY,aZ\n{rows}\n{rows}".encode()


STROKES = {"strokes": [{"index": 0, "label": "1", "strokePoints": [{"x": 0.5, "y": 1}, {"x": 1, "y": 2}]}]}
GESTURES = [{"id": 1, "name": "up", "recordings": [{"ID": 2, "data": {"x": [1, 2], "y": [3, 4.5]}}]}]
LABELS = {
    "version": 1,
    "files": [{"path": "a.csv", "category": "testing", "label": {"type": "label", "label": "up"}}],
}
STRETCHES = {"structuredLabels": {"a.csv": [{"startIndex": 0, "endIndex": 1, "label": "up"}]}}
SAMPLES = {
    "print-out.txt": b"> Starting\nRecordings: [-500ms, -250ms, current]\n[\n[1.5, 2, 3],\n[4, 5, 6],\n]\n",
    "kit.csv": kit(),
    "spelt.csv": b'x,y\n' + b'0,\t,-,1,"\n"\n' * 12,
    "colours.csv": b"Red,Green,Blue\n0.2,0.4,0.3\n0.1,0.5,0.2\n",
    "one.json": json.dumps(acquisition()).encode(),
    "one.cbor": cbor2.dumps(acquisition()),
    "gestures.json": json.dumps(GESTURES).encode(),
    "gestures.csv": b"gesture;sample;x;y\nup;1;0,5;1\nup;2;0,25;2\ndown;1;1;1\n",
    "strokes.json": json.dumps(STROKES).encode(),
    "output_wing_hyw.txt": b"-,-,-\n1,2,3\n4,5,6\n-,-,-\n7,8,9\n",
    "set.ts": b"@problemName a\n@univariate false\n@classLabel true up down\n@data\n1,2:3,4:up\n5,6:7,8:down\n",
    "set.tsv": b"".join(b"%d\t" % (i % 2) + b"0.5\t" * 19 + b"1\n" for i in range(6)),
    "set.arff": b"@relation a\n@attribute a0 numeric\n@attribute a1 numeric\n@attribute c {1,2}\n@data\n1,2,1\n3,4,2\n",
    "array.npy": array(),
    "arrays.npz": arrays(),
    "long.csv": b"id,time,x,label\n1,0,0.5,up\n1,10,1,up\n2,0,1,down\n2,10,2,down\n",
    "stretches.csv": b"time,x,label\n0,0.5,up\n10,1,up\n20,1,down\n30,2,down\n0,1,down\n10,1,down\n",
    "rows.csv": b'a;b;"label"\n0,5;1;up\n0,25;2;down\n',
    "sensor.csv": b"timestamp,accX (g)\n0,0.5\n16,1\n33,2\n",
    "capture.log": b".5,1\n0.1,0.2\n0.3,0.4\nERR timeout\n0.5,0.6\n0.7,0.8\n",
    "pairs.log": b"ax:0.1 ay:2\nax:0.2 ay:3\nax:0.3 ay:4\n",
    "set.zip": zipped(**{"up/1.csv": b"x,y\n1,2\n3,4\n", "down/1.csv": b"x,y\n1,2\n3,5\n"}),
    "set.tar.gz": tarred(**{"up/1.csv": b"x,y\n1,2\n3,4\n", "down/1.csv": b"x,y\n1,2\n3,5\n"}),
}  # fmt: skip


def check(path: Path, **options: str) -> DataSet | None:
    """Read: finite numbers, text that can be written, an account; or an error of ours."""
    began = time.process_time()
    data, refusal = None, ""
    try:
        data = read_recordings(path, **options)
    except TinyglassError as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert time.process_time() - began < LONGEST
    for recording in data or ():
        assert isinstance(recording, Recording)
        assert np.isfinite(recording.signal).all()
        "".join((recording.label or "", *recording.channels, *recording.units, recording.source)).encode()
    return data


def only(folder: Path, name: str, content: bytes) -> Path:
    """Leave one file in a folder."""
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_read(tmp_path, name):
    data = check(only(tmp_path, name, SAMPLES[name]))
    assert data
    assert not any("no recordings" in dropped.why for dropped in data.dropped)


@pytest.mark.parametrize("name", SAMPLES)
@given(st.data())
@fuzzed
def test_a_damaged_file_is_read_or_refused(tmp_path, name, data):
    check(only(tmp_path, name, data.draw(damaged(SAMPLES[name]))))


@given(st.data(), st.sampled_from(sorted(SAMPLES)), st.sampled_from(sorted(SAMPLES)))
@fuzzed
def test_the_name_of_a_file_makes_nothing_worse(tmp_path, data, name, other):
    check(only(tmp_path, name, data.draw(damaged(SAMPLES[other]))))


@given(st.lists(st.sampled_from(sorted(SAMPLES)), min_size=2, max_size=3, unique=True), st.data())
@fuzzed
def test_two_formats_in_one_file_are_read_or_refused(tmp_path, names, data):
    cuts = [SAMPLES[name][: data.draw(st.integers(1, len(SAMPLES[name])))] for name in names]
    check(only(tmp_path, names[0], b"".join(cuts)))


@given(st.binary(max_size=3000), st.sampled_from(sorted(SAMPLES)))
@fuzzed
def test_any_bytes_are_read_or_refused(tmp_path, content, name):
    check(only(tmp_path, name, content))


@given(st.sampled_from([(LABELS, "info.labels"), (STRETCHES, "structured_labels.labels")]), st.data())
@fuzzed
def test_damaged_files_about_others_are_read_or_refused(tmp_path, described, data):
    content, name = described
    only(tmp_path, "a.csv", SAMPLES["sensor.csv"])
    (tmp_path / name).write_bytes(data.draw(damaged(json.dumps(content).encode())))
    check(tmp_path)


@given(st.data())
@fuzzed
def test_damaged_tables_of_labels_are_read_or_refused(tmp_path, data):
    only(tmp_path, "a.csv", SAMPLES["sensor.csv"])
    (tmp_path / "labels.csv").write_bytes(data.draw(damaged(b"file,label,person\na.csv,up,p1\n")))
    check(tmp_path)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@given(st.data())
@fuzzed
def test_damaged_saved_tables_are_read_or_refused(tmp_path_factory, ending, data):
    folder = tmp_path_factory.getbasetemp() / f"saved{ending}"
    folder.mkdir(exist_ok=True)
    path = folder / f"table{ending}"
    path.unlink(missing_ok=True)
    save_recordings([Recording([[1.0], [2.0]], ("x",), label="up"), Recording([[1.0, 2.0]])], path)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    check(path)


N = 10**5
HOSTILE = {
    "brackets.json": b"[" * N,
    "objects.json": b'{"payload":' * N,
    "strokes.json": b'{"strokes": [' + b"[" * N,
    "gestures.json": b'[{"recordings": [' + b'{"data":' * N,
    "values.json": json.dumps(acquisition()).encode().replace(b"[[1", b"[" * N + b"[1"),
    "nested.cbor": b"\xa1gpayload\xa2fvalues" + b"\x81" * N,
    "huge.cbor": b"\xa2gpayload\xa1fvalues\x9b" + b"\xff" * 8 + b"isignature",
    "info.labels": b'{"files": [' + b"[" * N,
    "line.csv": b"x,y\n" + b"1" * 10 * 2**20,
    "line.txt": b"1," * 5 * 2**20,
    "blank.txt": b" " * 10 * 2**20,
    "quotes.csv": b'x,y\n"' + b"1,2\n" * 2**18,
    "quotes_only.csv": b'"' * 2**20,
    "digits.csv": b"x,y\n" + b"9" * N + b",1\n",
    "exponent.csv": b"x,y\n1e999,1\n1,2\n",
    "columns.csv": b",".join(b"c%d" % i for i in range(N // 4)) + b"\n" + b"1," * (N // 4),
    "separators.csv": b"," * 2**16 + b"\n" + b"," * 2**16,
    "lines.csv": b"\n" * 2**19,
    "returns.csv": b"\r" * 2**19,
    "chatter.txt": b"> hello\n" * 2**17,
    "dashes.txt": b"-,-,-\n" * 2**17,
    "at.ts": b"@data\n" * N,
    "colons.ts": b"@classLabel true a\n@data\n" + b":" * 2**20,
    "shape.npy": b"\x93NUMPY\x01\x00\x4e\x00{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }".ljust(
        88
    ),
    "magic.npy": b"\x93NUMPY\x01\x00",
    "zeros.npy": b"\0" * 2**20,
    "table.parquet": b"PAR1" + b"\xff" * 2**16 + b"PAR1",
    "bomb.zip": zipped(**{"a.csv": b"0" * 2**25}),
    "up.zip": zipped(**{"../../a.csv": b"x\n1\n"}),
    "utf16.csv": b"\xff\xfe" + "x,y\n1,2\n".encode("utf-16-le")[:-1],
    "empty.csv": b"",
    "mark.csv": b"\xef\xbb\xbf",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_soon(tmp_path, name):
    (tmp_path / name).write_bytes(HOSTILE[name])
    check(tmp_path / name)
    (tmp_path / "a.csv").write_bytes(SAMPLES["sensor.csv"])
    check(tmp_path, label="up")
