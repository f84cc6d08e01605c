"""Stored vectors: found by their texts, whole or absent, and what is damaged is made again."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_texts import PARTS, TEXTS, add, assert_complete, filled, matrix, missing

from harness.errors import StoreError
from harness.pipeline import vector_store, volume_writer, volumes
from harness.pipeline.vector_store import VectorStore, keyed


def of(folder: Path, suffix: str) -> Path:
    (file,) = folder.glob(f"*{suffix}")
    return file


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_added_is_found_again(tmp_path: Path) -> None:
    store = VectorStore(tmp_path / "store")
    assert missing(store) == TEXTS
    add(store, ["a", "ccc"])
    for opened in (store, VectorStore(tmp_path / "store")):
        assert missing(opened) == ["bb", "dddd", "eeeee"]
        assert_complete(opened, ["ccc", "a", "ccc"])
    with pytest.raises(KeyError):
        store.get(keyed(["bb"]).keys)


def test_keys_are_those_of_the_texts_however_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keyed(TEXTS)
    monkeypatch.setattr(vector_store, "TEXTS_AT_ONCE", 2)
    for found, expected in zip(keyed(TEXTS), whole, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert whole.lengths.tolist() == [1, 2, 3, 4, 5]
    assert keyed([]).keys.shape == (0, 2)


def test_half_of_a_surrogate_pair_is_a_text_like_others(tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    add(store, ["\ud83d"])
    assert missing(store, ["\ud83d", "\ude00", "?"]) == ["\ude00", "?"]


def test_texts_whose_keys_begin_alike_are_told_apart(tmp_path: Path) -> None:
    keys = np.array([[7, 3], [7, 1], [2**64 - 1, 5], [7, 2], [0, 0]], np.uint64)
    store = VectorStore(tmp_path)
    with store.appending() as append:
        append(keys[:2], [matrix("a"), matrix("bb")])
        append(keys[2:4], [matrix("ccc"), matrix("dddd")])
    for opened in (store, VectorStore(tmp_path)):
        assert opened.lacks(keys).tolist() == [False, False, False, False, True]
        assert [len(one) for one in opened.get(keys[:4])] == [1, 2, 3, 4]


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=5),
    per_volume=st.integers(1, 6),
    data=st.data(),
)
def test_any_texts_are_read_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[list[int]],
    per_volume: int,
    data: st.DataObject,
) -> None:
    folder, expected = tmp_path_factory.mktemp("store"), {}
    store = VectorStore(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume_writer, "TEXTS_PER_VOLUME", per_volume)
        patch.setattr(volumes, "READ_BYTES", data.draw(st.sampled_from([1, 20, 1 << 20])))
        patch.setattr(volumes, "GAP_BYTES", data.draw(st.sampled_from([0, 16, 1 << 20])))
        patch.setattr(vector_store, "BLOCK_BYTES", data.draw(st.sampled_from([1, 30, 1 << 20])))
        with store.appending() as append:
            for number, part in enumerate(sizes):
                made = {
                    f"{number} {i}": np.full((size, 2), number + i) for i, size in enumerate(part)
                }
                append(keyed(list(made)).keys, [one.astype(np.float32) for one in made.values()])
                expected |= made
        texts = data.draw(st.lists(st.sampled_from(sorted(expected)), max_size=9))
        for opened in (store, VectorStore(folder)):
            found = opened.get(keyed(texts).keys)
            for some in (list(found), [found[i] for i in range(len(found))], list(found[:])):
                for text, one in zip(texts, some, strict=True):
                    np.testing.assert_array_equal(one, expected[text])


def test_stored_matrices_are_a_sequence(tmp_path: Path) -> None:
    found = filled(tmp_path).get(keyed(TEXTS).keys)
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(list(map(matrix, TEXTS))))
    np.testing.assert_array_equal(found[-1], matrix("eeeee"))
    assert [len(one) for one in found[1:][0:2]] == [2, 3]
    with pytest.raises(IndexError):
        found[5]
    assert list(VectorStore(tmp_path).get(keyed([]).keys)) == []


def test_float16_takes_half_the_room_and_comes_back_as_float32(tmp_path: Path) -> None:
    filled(tmp_path / "half", "float16"), filled(tmp_path / "whole")
    half, whole = of(tmp_path / "half", ".vectors"), of(tmp_path / "whole", ".vectors")
    assert half.stat().st_size * 2 == whole.stat().st_size
    store = VectorStore(tmp_path / "half", "float16")
    assert_complete(store)  # these numbers are whole, and small
    assert {one.dtype for one in store.get(keyed(TEXTS).keys)} == {np.dtype(np.float32)}
    assert store.get(keyed(["a"]).keys).stacked().dtype == np.float32


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[:-4],
    "emptied": lambda _: b"",
    "flipped": lambda content: content[:30] + bytes([content[30] ^ 4]) + content[31:],
    "zeroed": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("suffix", [".vectors", ".keys"])
def test_damaged_parts_are_noted_once_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, how: str
) -> None:
    filled(tmp_path)
    file = of(tmp_path, suffix)
    file.write_bytes(harm := DAMAGES[how](file.read_bytes()))
    again = missing(VectorStore(tmp_path))
    hidden = suffix == ".keys" and how == "zeroed"  # nothing leads to what has no key any more
    assert {"truncated": ["a"], "flipped": ["dddd", "eeeee"]}.get(how, TEXTS) == again
    noted = [] if hidden else of(tmp_path, ".damaged").read_text().split()
    for _ in range(2):
        assert missing(VectorStore(tmp_path)) == again
    assert len(caplog.messages) == len(noted)
    assert all(f"{file.with_suffix('')} is damaged at text" in line for line in caplog.messages)
    store = VectorStore(tmp_path)
    add(store, again)
    assert_complete(store)
    assert_complete(VectorStore(tmp_path))
    assert file.read_bytes().startswith(harm)
    assert len(list(tmp_path.glob("*.parts"))) == (1 if hidden else 2)


@pytest.mark.parametrize("suffix", [".vectors", ".keys", ".parts"])
def test_a_deleted_file_is_made_again(tmp_path: Path, suffix: str) -> None:
    store = filled(tmp_path)
    found = store.get(keyed(TEXTS).keys)
    of(tmp_path, suffix).unlink()
    again = VectorStore(tmp_path)
    assert missing(again) == TEXTS
    add(again, TEXTS)
    assert_complete(VectorStore(tmp_path))
    if suffix == ".vectors":
        with pytest.raises(StoreError, match="Run again: what is damaged or gone is made again"):
            list(found)


def test_no_flipped_bit_is_used(tmp_path: Path) -> None:
    filled(tmp_path)
    for suffix in (".vectors", ".keys", ".parts"):
        file = of(tmp_path, suffix)
        whole = file.read_bytes()
        for at in range(0, len(whole), 3):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            store = VectorStore(tmp_path)
            lost = missing(store)
            assert lost, (suffix, at)
            assert_complete(store, [text for text in TEXTS if text not in lost])
            for note in tmp_path.glob("*.damaged"):
                note.unlink()
        file.write_bytes(whole)
    assert_complete(VectorStore(tmp_path))


def test_every_cut_of_the_last_part_leaves_those_before_it(tmp_path: Path) -> None:
    """As a kill leaves it: the vectors, then the keys, then the line are written."""
    store = VectorStore(tmp_path)
    add(store, PARTS[0])
    files = [of(tmp_path, suffix) for suffix in (".vectors", ".keys", ".parts")]
    before = [file.read_bytes() for file in files]
    add(store, PARTS[1])
    after = [file.read_bytes() for file in files]
    for number, suffix in enumerate((".vectors", ".keys", ".parts")):
        for length in range(len(before[number]), len(after[number])):
            cut = [*after[:number], after[number][:length], *before[number + 1 :]]
            for file, content in zip(files, cut, strict=True):
                file.write_bytes(content)
            opened = VectorStore(tmp_path)
            assert missing(opened) == ["a", "bb", "ccc"], suffix
            assert_complete(opened, PARTS[0])
            if length % 5 == 0:
                add(opened, PARTS[1])
                assert [file.read_bytes() for file in files] == after
    assert not list(tmp_path.glob("*.damaged"))


def test_a_damaged_line_loses_its_part_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path)
    file = of(tmp_path, ".parts")
    first, second, third, _ = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([first, second[:-1] + b"x", third, b""]))
    for _ in range(2):
        assert missing(VectorStore(tmp_path)) == ["bb", "ccc"]
    assert ["at line 2" in line for line in caplog.messages] == [True]
    store = VectorStore(tmp_path)
    add(store, PARTS[1])
    assert_complete(store)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """As with too low a limit of open files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("asked", ["open", "lacks", "get"])
def test_what_cannot_be_read_is_left_as_it_is(tmp_path: Path, asked: str) -> None:
    store = filled(tmp_path)
    whole, opened = contents(tmp_path), VectorStore(tmp_path)
    ask: dict[str, Callable[[], object]] = {
        "open": lambda: VectorStore(tmp_path),
        "lacks": lambda: missing(opened),
        "get": lambda: list(store.get(keyed(TEXTS).keys)),
    }
    assert missing(store) == []  # now it is checked
    with no_descriptors(), pytest.raises(StoreError, match=r"cannot be read: Too many open files"):
        ask[asked]()
    assert contents(tmp_path) == whole
    assert_complete(opened)
    assert_complete(VectorStore(tmp_path))


@pytest.mark.parametrize("older", ["0123abcd", "0123-4567.npy"])
def test_files_of_an_earlier_version_are_told_once_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, older: str
) -> None:
    (tmp_path / older).mkdir()
    for _ in range(2):
        store = VectorStore(tmp_path)
        add(store, missing(store) or ["b"])
        assert_complete(store)
    assert [line.partition(" holds ")[2][:29] for line in caplog.messages] == [
        "files of an earlier version: "
    ]
