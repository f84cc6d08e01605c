from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import files
from harness.errors import DataError, StoreError

ROOT = Path(__file__).parents[1]

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from harness import files
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
    files.write(file, "ä")
    files.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(StoreError, match="folder cannot be written: Is a directory"):
        files.write(tmp_path / "folder", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    with pytest.raises(StoreError, match="cannot be written"):
        files.write(tmp_path / "results" / "file", "x")
    assert (tmp_path / "results").read_text() == "mine"


def test_new_folder_appears_at_the_end_and_whole(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "made") as aside:
        (aside / "file").write_text("x")
        assert not (tmp_path / "made").exists()
    assert (tmp_path / "made" / "file").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("error", [KeyError("bug"), KeyboardInterrupt()])
def test_new_folder_vanishes_when_its_block_fails(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):  # noqa: PT012, SIM117 - the inner block is what fails
        with files.new_folder(tmp_path / "made") as aside:
            (aside / "file").write_text("x")
            raise error
    assert list(tmp_path.iterdir()) == []


def test_folder_that_another_process_made_first_stays(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "made") as aside:
        (aside / "file").write_text("late")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "file").write_text("early")
    assert (tmp_path / "made" / "file").read_text() == "early"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "file") == expected
    with pytest.raises(DataError, match="absent cannot be read: No such file"):
        files.sha256(tmp_path / "absent")
