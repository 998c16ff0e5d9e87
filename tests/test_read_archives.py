"""Archives of every kind: what is in them, and everything that they may be made of to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import zipfile
from pathlib import PurePosixPath

import pytest
from hypothesis import given

from sources import ABSENT, SHARED, damaged, fuzzed, on_disk, read_within, source_of
from tinyglass import RecordingError, StorageError, read_recordings
from tinyglass.recordings.packed import archives, tars, unpacking, zips

WAVE, CIRCLE = b"x,y,z\n1,2,3\n4,5,6\n", b"x,y,z\n7,8,9\n1,2,3\n"
FILES = {"training/wave.csv": WAVE, "testing/circle.csv": CIRCLE}
PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zipped(files=FILES, method=zipfile.ZIP_DEFLATED, **entry) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            for key, value in entry.items():
                setattr(info, key, value)
            archive.writestr(info, content, method)
    return stream.getvalue()


def tarred(files=FILES, format=tarfile.PAX_FORMAT, folders=(), **entry) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as archive:
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in entry.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


ARCHIVES = {
    "zip": zipped(),
    "stored": zipped(method=zipfile.ZIP_STORED),
    "tar": tarred(),
    "gnu": tarred(format=tarfile.GNU_FORMAT, folders=["training"]),
    "ustar": tarred(format=tarfile.USTAR_FORMAT),
    **{f"tar.{end}": pack(tarred()) for end, pack in PACK.items()},
}
PLAIN_TARS = ("tar", "gnu", "ustar")


def members(folder, content, name="export"):
    found = archives.members(source_of(folder, name, content))
    return None if found is None else list(found)


def drain(source):
    """Read every byte of every member."""
    return {str(member.path): member.content for member in archives.members(source) or ()}


def refusal(folder, content, name="export") -> RecordingError:
    source = source_of(folder, name, content)
    with pytest.raises(RecordingError) as caught:
        drain(source)
    assert name in caught.value.where
    return caught.value


# ---------------------------------------------------------------- what is in them


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("name", ["export", "export.zip", "wave.csv"])
def test_an_archive_is_known_by_its_content(tmp_path, kind, name):
    found = members(tmp_path, ARCHIVES[kind], name)
    assert [(m.path, m.content, m.size) for m in found] == [
        (PurePosixPath(path), content, len(content)) for path, content in FILES.items()
    ]
    assert found[0].name == f"{tmp_path / name}: training/wave.csv"
    assert found[0].file is None


@pytest.mark.parametrize("kind", ARCHIVES)
def test_members_may_be_read_in_any_order_and_again(tmp_path, kind):
    first, second = members(tmp_path, ARCHIVES[kind])
    assert [m.fetch() for m in (second, first, second, first)] == [CIRCLE, WAVE, CIRCLE, WAVE]


@pytest.mark.parametrize("end", PACK)
def test_a_file_packed_by_itself_is_a_file(tmp_path, end):
    for name, inner in ((f"wave.csv.{end}", "wave.csv"), (f"WAVE.{end.upper()}", "WAVE"), ("wave", "wave")):
        (member,) = members(tmp_path, PACK[end](WAVE), name)
        assert (member.path, member.content) == (PurePosixPath(inner), WAVE)
        assert member.name == f"{tmp_path / name}: {inner}"
    assert [r.label for r in read_recordings(tmp_path / f"wave.csv.{end}")] == ["wave"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_recordings_in_an_archive_have_labels_and_parts(tmp_path, kind):
    source_of(tmp_path, "export", ARCHIVES[kind])
    found = [(r.label, r.split, r.signal.tolist()) for r in read_recordings(tmp_path / "export")]
    assert found == [("wave", "train", [[1, 2, 3], [4, 5, 6]]), ("circle", "test", [[7, 8, 9], [1, 2, 3]])]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_error_names_archive_and_member(tmp_path, kind):
    files = {"training/wave.csv": b"x,y\n1,2\n3,nan\n"}
    content = (
        zipped(files) if kind == "zip" else tarred(files) if kind == "tar" else gzip.compress(tarred(files))
    )
    source_of(tmp_path, "export", content)
    with pytest.raises(RecordingError, match=r"export: training/wave.csv.*reading 2"):
        read_recordings(tmp_path / "export")


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_those_of_other_languages_are_read(tmp_path, format):
    names = ["a" * 90 + "/" + "b" * 150 + ".csv", "手/größe.csv", "./up.csv"]
    for content in (tarred(dict.fromkeys(names, WAVE), format), zipped(dict.fromkeys(names, WAVE))):
        assert [m.path for m in members(tmp_path, content)] == [PurePosixPath(name) for name in names]


def test_a_zip_that_does_not_say_that_its_names_are_utf8_is_read(tmp_path):
    content = zipped({"größe.csv": WAVE}).replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00")
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() != ["größe.csv"]
    assert [m.path.name for m in members(tmp_path, content)] == ["größe.csv"]
    old = zipped({"gr__e.csv": WAVE}).replace(b"gr__e", "größe".encode("cp437"))
    assert [m.path.name for m in members(tmp_path, old)] == ["größe.csv"]


def test_folders_are_passed_over(tmp_path):
    assert len(members(tmp_path, zipped({"a/": b"", "a/wave.csv": WAVE}))) == 1
    assert len(members(tmp_path, tarred(folders=["a", "b/"]))) == 2


def test_an_archive_without_files_holds_none(tmp_path):
    for content in (zipped({}), tarred({}, folders=["a"]), gzip.compress(tarred({}, folders=["a"]))):
        assert members(tmp_path, content) == []


def test_an_archive_inside_an_archive_stays_closed_and_is_named(tmp_path):
    source_of(
        tmp_path, "export", zipped({"in.zip": zipped(), "wave.csv": WAVE, "in.tgz": gzip.compress(WAVE)})
    )
    found = read_recordings(tmp_path / "export")
    assert len(found) == 1
    assert sorted(d.where.rpartition(" ")[2] for d in found.dropped) == ["in.tgz", "in.zip"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"x,y\n1,2\n",
        b"\x1f\x8b",
        b"BZhello",
        bytes(2000),
        zipped({"[Content_Types].xml": b"<x/>", "xl/a": b""}),
    ],
)
def test_other_files_are_no_archives(tmp_path, content):
    assert members(tmp_path, content) is None


def test_a_zip_of_thousands_of_files_is_quick(tmp_path):
    files = {f"training/wave.{i}.json": b'{"values": [%d]}' % i * 100 for i in range(3700)}
    source_of(tmp_path, "export", zipped(files))
    began = time.process_time()
    found = list(archives.members(on_disk(tmp_path / "export")))
    assert sum(len(m.content) for m in found) == sum(map(len, files.values()))
    assert time.process_time() - began < 5


@pytest.mark.skipif(not SHARED.exists(), reason=ABSENT)
def test_real_exports_are_opened_whole():
    packed = sorted(SHARED.rglob("*.zip"))
    assert packed
    for path in packed:
        with zipfile.ZipFile(path) as archive:
            expected = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        assert {str(m.path): m.content for m in archives.members(on_disk(path))} == expected


# ---------------------------------------------------------------- names that reach outside, and what is no file

OUTSIDE = [
    "/etc/passwd",
    "../wave.csv",
    "a/../../wave.csv",
    "a/..",
    "C:/wave.csv",
    "c:wave.csv",
    "a\\wave.csv",
    "..\\x.csv",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_path_out_of_the_archive_is_refused(tmp_path, name, pack):
    error = refusal(tmp_path, pack({"wave.csv": WAVE, name: WAVE}))
    assert error.what == f"Expected paths inside the archive, such as training/wave.csv, found {name!r}"


def test_a_file_without_name_is_refused(tmp_path):
    content = zipped({"a": WAVE}).replace(b"\0\0\0a", b"\0\0\0\0")  # a name ends at a zero
    assert refusal(tmp_path, content).what.endswith("found ''")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_two_files_of_one_name_are_refused(tmp_path, pack):
    content = pack({"a/wave.csv": WAVE, "a/wavf.csv": WAVE})
    content = (
        content.replace(b"wavf", b"wave")
        if pack is zipped
        else tarred({"a/wave.csv": WAVE, "a//wave.csv": WAVE})
    )
    assert "The archive holds two files called 'a/" in refusal(tmp_path, content).what


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_too_many_files_are_refused(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 5)
    assert len(members(tmp_path, pack({str(i): b"" for i in range(5)}))) == 5
    error = refusal(tmp_path, pack({str(i): b"" for i in range(6)}))
    assert error.what == "The archive holds more than 5 files"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE]
)
def test_what_is_no_file_in_a_tar_is_refused(tmp_path, kind):
    error = refusal(tmp_path, tarred({"wave.csv": b""}, type=kind, linkname="/etc/passwd"))
    assert error.what == "Expected a file, found a link, a device or gaps"
    assert error.where.endswith("export: wave.csv")


def test_a_file_with_gaps_in_a_tar_is_refused(tmp_path):
    assert "gaps" in refusal(tmp_path, tarred(pax_headers={"GNU.sparse.realsize": "9" * 12})).what


def test_a_link_in_a_zip_is_refused(tmp_path):
    error = refusal(
        tmp_path, zipped({"wave.csv": b"/etc/passwd"}, create_system=3, external_attr=0o120777 << 16)
    )
    assert error.what == "Expected a file, found a link or a device"


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    error = refusal(tmp_path, tarred({"w\udcffve.csv": WAVE}, format=tarfile.GNU_FORMAT))
    assert "is not UTF-8" in error.what
    content = zipped({"größe.csv": WAVE}).replace("ö".encode(), b"\xff\xff")
    assert "is not UTF-8" in refusal(tmp_path, content).what


def test_an_encrypted_zip_is_refused_with_a_remedy(tmp_path):
    content = zipped().replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0")
    error = refusal(tmp_path, content)
    assert (error.what, error.mend) == (
        "The archive is encrypted",
        "Unpack it with its password, and name the folder",
    )


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_a_zip_of_other_methods_is_refused(tmp_path, method, name):
    assert refusal(tmp_path, zipped(method=method)).what == f"Expected a file packed by deflate, found {name}"


# ---------------------------------------------------------------- bombs


def of_zeros(n_bytes: int, end: str = "zip") -> bytes:
    """Return an archive of one file of zeros, made in parts."""
    stream = io.BytesIO()
    block = bytes(2**20)
    if end == "zip":
        with (
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("wave.csv", "w") as file,
        ):
            for _ in range(n_bytes // 2**20):
                file.write(block)
        return stream.getvalue()
    opener = {"gz": gzip.GzipFile, "bz2": bz2.BZ2File, "xz": lzma.LZMAFile}[end]
    with opener(
        stream if end != "gz" else None, "wb", **({"fileobj": stream} if end == "gz" else {})
    ) as file:
        for _ in range(n_bytes // 2**20):
            file.write(block)
    return stream.getvalue()


@pytest.mark.parametrize("end", ["zip", *PACK])
def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, python, end):
    path = tmp_path / "bomb"
    path.write_bytes(of_zeros(2**28, end))
    assert "more than 200 times as large" in read_within(
        python, "packed.archives.members", path, mib=150, seconds=20
    )


@pytest.mark.parametrize("end", PACK)
def test_a_tar_with_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, python, end):
    head = tarfile.TarInfo("wave.csv")
    head.size = 2**35
    path = tmp_path / "bomb"
    path.write_bytes(PACK[end](head.tobuf() + bytes(2**20)))
    assert "bytes; at most 1,073,741,824" in read_within(
        python, "packed.archives.members", path, mib=150, seconds=20
    )
    head.size = 2**30
    path.write_bytes(PACK[end](head.tobuf() + bytes(2**20)))
    assert "more than 200 times as large" in read_within(
        python, "packed.archives.members", path, mib=150, seconds=20
    )


def test_declared_sizes_are_not_believed(tmp_path):
    content = zipped({"wave.csv": WAVE * 1000})
    size = struct.pack("<I", len(WAVE) * 1000)
    for lie in (0, 10, 10_000):
        assert "damaged" in refusal(tmp_path, content.replace(size, struct.pack("<I", lie))).what
    assert "bytes; at most" in refusal(tmp_path, content.replace(size, struct.pack("<I", 2**31))).what
    (member,) = members(tmp_path, content.replace(size, struct.pack("<I", 10**6)))
    assert member.content == WAVE * 1000  # as many as there are
    with pytest.raises(RecordingError, match="is the most that is read"):
        members(
            tmp_path,
            zipped({str(i): b"a" for i in range(3)}).replace(
                struct.pack("<II", 3, 1), struct.pack("<II", 3, 2**31)
            ),
        )


def test_zipped_files_that_share_bytes_are_refused(tmp_path):
    content = bytearray(zipped({"a": WAVE * 50, "b": WAVE * 50}, zipfile.ZIP_STORED))
    second = content.rindex(b"PK\1\2")
    content[second + 42 : second + 46] = bytes(4)  # where the second begins: where the first does
    error = refusal(tmp_path, bytes(content))
    assert error.what == "Files in the archive overlap"


def test_a_list_of_files_too_long_for_the_memory_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "LARGEST_DIRECTORY", 50)
    assert "The archive's list of files has" in refusal(tmp_path, zipped()).what


def test_a_list_of_files_too_long_for_the_memory_is_refused_in_a_zip_of_64_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "LARGEST_DIRECTORY", 2**20)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**30, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    error = refusal(tmp_path, b"PK\3\4" + end64 + locator + end)
    assert "has 1,073,741,824 bytes" in error.what


def test_a_header_about_a_file_is_not_read_whatever_its_size(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        head = tarfile.TarInfo("pax")
        head.type, head.size = kind, 2**30
        assert "a header of 1,073,741,824 bytes" in refusal(tmp_path, head.tobuf() + bytes(2**12)).what


def test_endless_headers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "MOST_MEMBERS", 3)
    head = tarfile.TarInfo("a")
    head.type = tarfile.DIRTYPE
    assert "too many entries" in refusal(tmp_path, head.tobuf() * 100 + bytes(1024)).what


@pytest.mark.parametrize(
    "pax", [b"0 a=b\n", b"-5 a=b\n", b"a=b\n", b"9" * 600, b"12 path=../a\n", b"12 size=-123"]
)
def test_hostile_headers_about_a_file_are_refused(tmp_path, pax):
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, len(pax)
    content = head.tobuf(tarfile.USTAR_FORMAT) + pax.ljust(-(-len(pax) // 512) * 512, b"\0") + tarred()
    assert refusal(tmp_path, content)


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_cut_short_is_refused(tmp_path, kind, share):
    content = ARCHIVES[kind] if "." in kind else ARCHIVES[kind].rstrip(b"\0")
    error = refusal(tmp_path, content[: max(int(share * len(content)), 513 if kind in PLAIN_TARS else 11)])
    assert "The archive is damaged" in error.what
    assert error.mend == "Copy or download it again"


@pytest.mark.parametrize("kind", PLAIN_TARS)
def test_a_tar_without_its_end_mark_is_refused(tmp_path, kind):
    content = ARCHIVES[kind].rstrip(b"\0")
    error = refusal(tmp_path, content + bytes(-len(content) % 512))
    assert error.what == "The archive is damaged: it ends early"


def test_damage_in_the_middle_of_a_tar_is_not_passed_over(tmp_path):
    content = bytearray(ARCHIVES["ustar"])
    content[1024 + 20] ^= 1  # in the second header
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert len(archive.getmembers()) == 1  # in silence
    assert "The archive is damaged: bad checksum" in refusal(tmp_path, bytes(content)).what


def test_tars_one_after_the_other_are_refused_instead_of_read_in_part(tmp_path):
    for content in (tarred() + tarred(), gzip.compress(tarred()) + gzip.compress(tarred())):
        assert "it goes on after its end mark" in refusal(tmp_path, content).what


def test_a_wrong_checksum_of_a_packed_tar_is_refused(tmp_path):
    content = bytearray(ARCHIVES["tar.gz"])
    content[-8] ^= 1
    assert "CRC check failed" in refusal(tmp_path, bytes(content)).what


def test_a_member_that_was_changed_is_refused_by_name(tmp_path):
    content = zipped(method=zipfile.ZIP_STORED).replace(b"4,5,6", b"4,5,7")
    error = refusal(tmp_path, content)
    assert error.what == "The archive is damaged: Bad CRC-32 for file 'training/wave.csv'"
    assert error.where.endswith("export: training/wave.csv")


def test_a_disk_that_fails_is_no_damage(tmp_path, monkeypatch):
    source = source_of(tmp_path, "export", ARCHIVES["tar"])

    def fail(*arguments, **options):
        raise OSError(5, "Input/output error")

    member = next(iter(archives.members(source)))
    monkeypatch.setattr(tars.Unpacked, "part", lambda self, *a: _raise_inside(self, fail))
    with pytest.raises(StorageError, match="Input/output error"):
        member.fetch()


def _raise_inside(unpacked, fail):
    with unpacking.reading(unpacked.name):
        fail()


@given(
    damaged(ARCHIVES["zip"])
    | damaged(ARCHIVES["stored"])
    | damaged(ARCHIVES["tar"].rstrip(b"\0") + bytes(1024))
    | damaged(ARCHIVES["gnu"].rstrip(b"\0") + bytes(1024))
    | damaged(ARCHIVES["tar.gz"])
    | damaged(ARCHIVES["tar.bz2"])
    | damaged(ARCHIVES["tar.xz"])
    | damaged(gzip.compress(WAVE))
)
@fuzzed
def test_damaged_archives_are_read_or_refused(tmp_path, content):
    source = source_of(tmp_path, "export", content)
    refusal = ""
    try:
        assert all(isinstance(content, bytes) for content in drain(source).values())
    except (RecordingError, StorageError) as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert not refusal or "export" in refusal
