"""Who appends where: a volume a process, and no more volumes than processes at one time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from stored_texts import TEXTS, add, assert_complete, filled, matrix, missing

from harness.files import locks
from harness.pipeline import volume_writer
from harness.pipeline.vector_store import VectorStore, keyed

PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from harness.pipeline.vector_store import VectorStore, keyed
with VectorStore(Path(sys.argv[1])).appending() as add:
    for number in range(100_000):
        texts = [f"{number} {i}" for i in range(16)]
        add(keyed(texts).keys, [np.full((64, 3), number, np.float32) for _ in texts])
        print(number, flush=True)
"""


def volumes(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.parts"))


def test_a_volume_that_nobody_holds_is_taken_up_again(tmp_path: Path) -> None:
    for text in TEXTS:
        add(VectorStore(tmp_path), [text])
    assert len(volumes(tmp_path)) == 1
    assert_complete(VectorStore(tmp_path))


def test_two_writers_have_a_volume_each(tmp_path: Path) -> None:
    one, other = VectorStore(tmp_path), VectorStore(tmp_path)
    with one.appending() as first, other.appending() as second:
        first(keyed(["a"]).keys, [matrix("a")])
        second(keyed(["b"]).keys, [matrix("b")])
    assert len(volumes(tmp_path)) == 2
    assert missing(one, ["a", "b"]) == []  # what others stored meanwhile is found
    add(one, ["ccc"])
    assert len(volumes(tmp_path)) == 2


def test_rows_of_another_shape_have_a_volume_of_their_own(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with store.appending() as append:
        append(keyed(["other"]).keys, [np.ones((1, 2), np.float32)])
    assert len(volumes(tmp_path)) == 2
    found = VectorStore(tmp_path).get(keyed(["a", "other", "bb"]).keys)
    assert [one.shape for one in found] == [(1, 3), (1, 2), (2, 3)]


def test_a_full_volume_is_followed_by_another_and_opens_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(volume_writer, "TEXTS_PER_VOLUME", 3)
    filled(tmp_path)
    first, second = volumes(tmp_path)
    assert [file.stem for file in tmp_path.glob("*.order")] == [first]
    assert_complete(VectorStore(tmp_path))
    order = tmp_path / f"{first}.order"
    order.write_bytes(order.read_bytes()[::-1])
    assert_complete(VectorStore(tmp_path))
    assert ["is damaged" in line for line in caplog.messages] == [True]
    add(VectorStore(tmp_path), ["other"])
    assert volumes(tmp_path) == [first, second]


def test_without_locks_nothing_of_others_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    for text in TEXTS:
        add(store := VectorStore(tmp_path), [text])
        add(store, [f"{text} again"])
    assert len(volumes(tmp_path)) == len(TEXTS)
    assert_complete(VectorStore(tmp_path))


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_a_killed_writer_leaves_whole_parts_and_its_volume(tmp_path: Path, seconds: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        told = [0, *map(int, process.stdout.read().split())]
    texts = [f"{number} {i}" for number in range(told[-1] + 1) for i in range(16)]
    store = VectorStore(tmp_path)
    assert missing(store, texts) == []
    for text, found in zip(texts, store.get(keyed(texts).keys), strict=True):
        assert (found == int(text.split()[0])).all()
    add(store, TEXTS)
    assert_complete(VectorStore(tmp_path))
    assert len(volumes(tmp_path)) == 1
    assert not list(tmp_path.glob("*.damaged"))
