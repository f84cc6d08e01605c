from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import DataError, StoreError
from harness.files import disk

ROOT = Path(__file__).parents[2]

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from harness.files import disk as files
from harness.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
folder = Path(sys.argv[1])
try:
    if sys.argv[2] == "write":
        files.write(folder / "file", b"x" * 5000)
    else:
        with files.new_folder(folder / "file") as aside:
            (aside / "part").write_bytes(b"x" * 5000)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["write", "new_folder"])
def test_full_disk_leaves_nothing_half_written(tmp_path: Path, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), how],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert f"{tmp_path / 'file'} cannot be written: File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file"
    disk.write(file, "ä")
    disk.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(StoreError, match="folder cannot be written: Is a directory"):
        disk.write(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    with pytest.raises(StoreError, match="cannot be written"):
        disk.write(tmp_path / "results" / "file", "x")
    assert (tmp_path / "results").read_text() == "mine"


def test_new_folder_appears_at_the_end_and_whole(tmp_path: Path) -> None:
    with disk.new_folder(tmp_path / "made") as aside:
        (aside / "file").write_text("x")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "file").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("error", [KeyError("bug"), KeyboardInterrupt()])
def test_new_folder_vanishes_when_its_block_fails(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):  # noqa: PT012, SIM117 - the inner block is what fails
        with disk.new_folder(tmp_path / "made") as aside:
            (aside / "file").write_text("x")
            raise error
    assert list(tmp_path.iterdir()) == []


def test_folder_that_another_process_made_first_stays(tmp_path: Path) -> None:
    with disk.new_folder(tmp_path / "made") as aside:
        (aside / "file").write_text("late")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "file").write_text("early")
    assert (tmp_path / "made" / "file").read_text() == "early"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_folder_that_another_process_makes_at_the_last_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def late(path: Path, target: Path) -> Path:
        target.mkdir()
        (target / "file").write_text("early")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    with disk.new_folder(tmp_path / "made") as aside:
        (aside / "file").write_text("late")
    assert (tmp_path / "made" / "file").read_text() == "early"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize(
    ("mask", "folders", "file"), [(0o022, 0o755, 0o644), (0o007, 0o770, 0o660)]
)
def test_what_is_written_has_the_rights_that_the_user_gives(
    tmp_path: Path, mask: int, folders: int, file: int
) -> None:
    before = os.umask(mask)
    try:
        with disk.new_folder(tmp_path / "a" / "made") as aside:
            (aside / "inner").mkdir()
            disk.write(aside / "inner" / "file", "x")
        disk.write(tmp_path / "b" / "file", "x")
    finally:
        os.umask(before)
    rights = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert rights == {"a": folders, "b": folders, "made": folders, "inner": folders, "file": file}


def test_what_is_renamed_is_on_the_disk_before_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def synced(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        done.append("aside" if name.startswith(".writing-") else name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    for name, how in (("rename", rename), ("replace", replace)):
        renamed = lambda path, target, how=how: done.append("renamed") or how(path, target)  # noqa: E731
        monkeypatch.setattr(Path, name, renamed)
    with disk.new_folder(tmp_path / "made") as aside:
        (aside / "file").write_text("x")
    assert done == ["file", "aside", "renamed", tmp_path.name]
    done.clear()
    disk.write(tmp_path / "file", "x")
    assert done == ["aside", "renamed", tmp_path.name]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert disk.sha256(tmp_path / "file") == expected
    with pytest.raises(DataError, match="absent cannot be read: No such file"):
        disk.sha256(tmp_path / "absent")
