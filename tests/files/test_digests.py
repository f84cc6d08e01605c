"""A sealed folder gives back what was written, or says what is not."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.files import digests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sealed" / "inner").mkdir(parents=True)
    (tmp_path / "sealed" / "a.csv").write_bytes(b"abc")
    (tmp_path / "sealed" / "inner" / "b.csv").write_bytes(b"")
    (tmp_path / "sealed" / ".aside").write_bytes(b"not ours")
    digests.seal(tmp_path / "sealed")
    return tmp_path / "sealed"


def test_digests_are_blake2b_of_256_bits(folder: Path) -> None:
    """RFC 7693 for `abc` gives 512 bits; of 256 bits it is what hashlib says, and b2sum with it."""
    expected = hashlib.blake2b(b"abc", digest_size=32).hexdigest()
    *lines, own = (folder / digests.SUMS).read_text().splitlines()
    text = "".join(f"{line}\n" for line in lines).encode()
    assert own == f"# {hashlib.blake2b(text, digest_size=32).hexdigest()}"
    assert lines[0] == f"{expected}  a.csv"
    assert [line.split("  ")[1] for line in lines] == ["a.csv", "inner/b.csv"]


@pytest.mark.skipif(shutil.which("b2sum") is None, reason="needs b2sum")
def test_b2sum_reads_them(folder: Path) -> None:
    command = ["b2sum", "--check", "--strict", digests.SUMS]
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0
    (folder / "a.csv").write_bytes(b"abd")
    assert subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 1


def test_what_is_whole_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests.check(folder)
    assert digests.checked(folder, "a.csv") == folder / "a.csv"
    monkeypatch.setattr(digests, "of_content", lambda _: "not asked for")
    digests.check(folder)
    (folder / "a.csv").write_bytes(b"abcd")
    with pytest.raises(digests.DamagedError, match=r"a\.csv is damaged"):
        digests.check(folder)


def test_what_need_only_be_there(folder: Path) -> None:
    (folder / "inner" / "b.csv").write_bytes(b"damaged")
    digests.check(folder, unread=["*/b.csv"])
    for pattern in ("b", "a.csv"):
        with pytest.raises(digests.DamagedError, match=r"b\.csv is damaged"):
            digests.check(folder, unread=[pattern])
    (folder / "inner" / "b.csv").unlink()
    with pytest.raises(digests.DamagedError, match=r"b\.csv is gone"):
        digests.check(folder, unread=["*/b.csv"])
    (folder / "c.csv").touch()
    with pytest.raises(digests.DamagedError, match=r"c\.csv is not in"):
        digests.check(folder, unread=["*.csv"])


@pytest.mark.parametrize("place", range(3))
def test_a_flipped_bit_is_damage(folder: Path, place: int) -> None:
    content = bytearray(b"abc")
    content[place] ^= 1
    (folder / "a.csv").write_bytes(content)
    with pytest.raises(digests.DamagedError, match=r"a\.csv is damaged"):
        digests.checked(folder, "a.csv")


def test_a_flipped_bit_of_the_digests_is_damage(folder: Path) -> None:
    sums = (folder / digests.SUMS).read_bytes()
    for place in range(len(sums)):
        flipped = bytearray(sums)
        flipped[place] ^= 1 << place % 8
        (folder / digests.SUMS).write_bytes(flipped)
        with pytest.raises(digests.DamagedError):
            digests.check(folder)


def test_lost_and_strange_files_are_damage(folder: Path) -> None:
    (folder / "c.csv").write_bytes(b"")
    with pytest.raises(digests.DamagedError, match=r"c\.csv is not in"):
        digests.check(folder)
    (folder / "c.csv").unlink()
    (folder / "a.csv").unlink()
    with pytest.raises(digests.DamagedError, match=r"a\.csv is gone"):
        digests.check(folder)
    (folder / digests.SUMS).unlink()
    assert not digests.is_whole(folder)
    with pytest.raises(digests.DamagedError, match="B2SUMS is gone"):
        digests.check(folder)


@pytest.mark.parametrize("length", range(200))
def test_digests_that_were_cut_short_are_damage(folder: Path, length: int) -> None:
    """Also where they end with a line: no file is forgotten."""
    sums = (folder / digests.SUMS).read_bytes()
    (folder / digests.SUMS).write_bytes(sums[:length])
    assert len(sums) > 200
    for look in (digests.check, lambda place: digests.holds(place, "inner/b.csv")):
        with pytest.raises(digests.DamagedError, match="B2SUMS is damaged"):
            look(folder)
    assert not digests.is_whole(folder)


def test_every_fault_is_found(folder: Path) -> None:
    assert digests.faults(folder) == []
    assert digests.holds(folder, "a.csv")
    assert not digests.holds(folder, "c.csv")
    (folder / "a.csv").write_bytes(b"abd")
    (folder / "inner" / "b.csv").unlink()
    found = digests.faults(folder)
    assert [fault.file.name for fault in found] == ["a.csv", "b.csv"]
    (folder / digests.SUMS).unlink()
    assert [fault.file.name for fault in digests.faults(folder)] == [digests.SUMS]


def test_a_renewed_digest_hides_no_damage_of_other_files(folder: Path) -> None:
    (folder / "a.csv").write_bytes(b"another")
    (folder / "inner" / "b.csv").write_bytes(b"damaged")
    digests.renew(folder, ["a.csv"])
    assert [fault.file.name for fault in digests.faults(folder)] == ["b.csv"]


def test_what_is_no_longer_part_of_a_folder_goes_with_its_digest(folder: Path) -> None:
    digests.renew(folder, [], without=["a.csv", "never.csv"])
    assert not digests.holds(folder, "a.csv")
    assert digests.is_whole(folder)


def test_an_object_has_its_digest_in_itself() -> None:
    content = {"b": [1, 2.5, "é"], "a": None}
    stamped = digests.stamped(content)
    assert digests.unstamped(json.loads(json.dumps(stamped))) == content
    for changed in ({**stamped, "a": 0}, {**stamped, "c": 1}, content, {}, [], None, "x"):
        with pytest.raises(ValueError, match="digest"):
            digests.unstamped(changed)


def test_what_cannot_be_read_is_not_damaged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> str:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(digests, "of_content", full)
    with pytest.raises(StoreError, match="Too many open files") as caught:
        digests.checked(folder, "a.csv")
    assert not isinstance(caught.value, digests.DamagedError)


def test_damage_is_set_aside_and_nothing_deleted(folder: Path) -> None:
    names = []
    for content in (b"one", b"two"):
        names.append(digests.set_aside(folder).name)
        folder.mkdir()
        (folder / "a.csv").write_bytes(content)
    assert names == [".damaged-sealed-1", ".damaged-sealed-2"]
    assert (folder.parent / names[0] / "a.csv").read_bytes() == b"abc"
    assert (folder.parent / names[1] / "a.csv").read_bytes() == b"one"
