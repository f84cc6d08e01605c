"""Stored vectors: each text is encoded once, and what is damaged is made again."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import inference
from harness.errors import StoreError
from harness.pipeline import embedding_cache, shards
from harness.pipeline.embedding_cache import StoredEncoder, VectorStore

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "bb"]
LONGEST_FIRST = ["eeeee", "dddd", "ccc", "bb", "a"]


def matrix(text: str) -> NDArray[np.float32]:
    """As many rows as characters, each telling the text."""
    return np.array([[len(text), i, ord(text[0])] for i in range(len(text))], dtype=np.float32)


@dataclass
class Encode:
    """Gives `matrix` for each text and breaks in the call of which it is told."""

    breaks_in_call: int = -1
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, texts: Sequence[str]) -> list[list[NDArray[np.float32]]]:
        if len(self.calls) == self.breaks_in_call:
            raise RuntimeError("the power went out")
        self.calls.append(list(texts))
        return [[matrix(text) for text in texts]]


@dataclass(frozen=True)
class Counting:
    """An encoder of one vector a text that notes every text it is given."""

    gives: ClassVar = "dense"

    seen: list[str] = field(default_factory=list)
    loads: list[None] = field(default_factory=list)

    def load(self) -> None:
        self.loads.append(None)

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        self.seen.extend(texts)
        sign = -1 if side == "query" else 1
        return sign * np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32)


@pytest.fixture
def shards_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_SHARD", 2)


def ignore(*_progress: object) -> None:
    pass


def stored(folder: Path, encoder: Any) -> StoredEncoder:
    return StoredEncoder(folder, encoder, ignore)


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def assert_complete(store: VectorStore) -> None:
    assert store.missing(TEXTS) == []
    for text, found in zip(TEXTS, store.get(TEXTS), strict=True):
        np.testing.assert_array_equal(found, matrix(text))


def test_what_is_added_is_found_again(tmp_path: Path) -> None:
    store = VectorStore(tmp_path / "store")
    assert store.missing(TEXTS) == LONGEST_FIRST
    store.add(["a", "ccc"], [matrix("a"), matrix("ccc")])
    for opened in (store, VectorStore(tmp_path / "store")):
        assert opened.missing(TEXTS) == ["eeeee", "dddd", "bb"]
        for text, found in zip(["ccc", "a"], opened.get(["ccc", "a"]), strict=True):
            np.testing.assert_array_equal(found, matrix(text))
    with pytest.raises(KeyError):
        store.get(["bb"])


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    store.add(["a"], [matrix("a")])
    store.add(["a", "bb"], [-matrix("a"), matrix("bb")])
    store.add(["bb", "a"], [-matrix("bb"), -matrix("a")])
    assert len(list(tmp_path.iterdir())) == 2
    for opened in (store, VectorStore(tmp_path)):
        for text, found in zip(["a", "bb"], opened.get(["a", "bb"]), strict=True):
            np.testing.assert_array_equal(found, matrix(text))


@pytest.mark.usefixtures("shards_of_two")
def test_fill_goes_by_length_and_tells_its_progress(tmp_path: Path) -> None:
    encode, told = Encode(), []
    store = VectorStore(tmp_path)
    embedding_cache.fill([store], TEXTS, encode, lambda *progress: told.append(progress))
    assert encode.calls == [["eeeee", "dddd"], ["ccc", "bb"], ["a"]]
    assert told == [("encode", 0, 15), ("encode", 9, 15), ("encode", 14, 15), ("encode", 15, 15)]
    assert_complete(store)


def shard_of_two(folder: Path) -> Path:
    return next(file for file in sorted(folder.iterdir()) if len(np.load(file)) == 2)


def damaged(file: Path) -> list[Path]:
    """What was set aside for a shard."""
    return list(file.parent.glob(f".damaged-{file.name}-*"))


@pytest.mark.usefixtures("shards_of_two")
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-4],
        lambda content: content[:200],
        lambda content: content + b"\0",
        lambda _: b"",
        lambda _: b"\x93NUMPY",
        lambda content: content.replace(b"(2,)", b"(3,)"),
    ],
    ids=["truncated", "cut in its keys", "longer", "emptied", "no header", "another count"],
)
def test_damaged_shard_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    embedding_cache.fill([VectorStore(tmp_path)], TEXTS, Encode(), ignore)
    whole = contents(tmp_path)
    shard = shard_of_two(tmp_path)
    shard.write_bytes(harm := damage(shard.read_bytes()))
    encode = Encode()
    with caplog.at_level(logging.WARNING):
        store = VectorStore(tmp_path)
        embedding_cache.fill([store], TEXTS, encode, ignore)
    assert [f"{shard} is damaged" in line for line in caplog.messages] == [True]
    assert [len(call) for call in encode.calls] == [2]  # the damaged shard's texts alone
    assert_complete(store)
    (aside,) = damaged(shard)
    assert aside.read_bytes() == harm
    assert contents(tmp_path) == {**whole, aside.name: harm}
    assert_complete(VectorStore(tmp_path))


@pytest.mark.usefixtures("shards_of_two")
def test_no_flipped_bit_is_used(tmp_path: Path) -> None:
    embedding_cache.fill([VectorStore(tmp_path)], TEXTS, Encode(), ignore)
    shard = shard_of_two(tmp_path)
    whole = shard.read_bytes()
    for at in range(0, len(whole), 3):
        shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        assert len(VectorStore(tmp_path).missing(TEXTS)) == 2, at
        assert not shard.exists()
        (aside,) = damaged(shard)
        aside.rename(shard)


@pytest.mark.usefixtures("shards_of_two")
def test_deleted_shard_is_made_again(tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    embedding_cache.fill([store], TEXTS, Encode(), ignore)
    whole, another = contents(tmp_path), VectorStore(tmp_path)
    shard_of_two(tmp_path).unlink()
    for opened in (another, VectorStore(tmp_path)):
        assert len(opened.missing(TEXTS)) == 2
        embedding_cache.fill([opened], TEXTS, Encode(), ignore)
        assert contents(tmp_path) == whole
    found = store.get(TEXTS)
    shard_of_two(tmp_path).unlink()
    with pytest.raises(StoreError, match="Run again: what is damaged or gone is made again"):
        list(found)


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


@pytest.mark.usefixtures("shards_of_two")
@pytest.mark.parametrize("asked", ["open", "missing", "get"])
def test_what_cannot_be_read_is_left_as_it_is(tmp_path: Path, asked: str) -> None:
    store = VectorStore(tmp_path)
    embedding_cache.fill([store], TEXTS, Encode(), ignore)
    whole, opened = contents(tmp_path), VectorStore(tmp_path)
    ask: dict[str, Callable[[], object]] = {
        "open": lambda: VectorStore(tmp_path),
        "missing": lambda: opened.missing(TEXTS),
        "get": lambda: list(store.get(TEXTS)),
    }
    assert store.missing(TEXTS) == []  # now it is checked
    with no_descriptors(), pytest.raises(StoreError, match=r"cannot be read: Too many open files"):
        ask[asked]()
    assert contents(tmp_path) == whole
    assert opened.missing(TEXTS) == []
    assert_complete(VectorStore(tmp_path))


@pytest.mark.usefixtures("shards_of_two")
def test_shards_of_an_earlier_version_are_told_once_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "0123abcd").mkdir()
    np.save(tmp_path / "0123abcd" / "vectors.npy", matrix("a"))
    for _ in range(2):
        store = VectorStore(tmp_path)
        embedding_cache.fill([store], TEXTS, Encode(), ignore)
        assert_complete(store)
    assert [line.partition(" holds ")[2][:32] for line in caplog.messages] == [
        "1 shard of an earlier version, w"
    ]


def test_half_of_a_surrogate_pair_is_a_text_like_others(tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    store.add(["\ud83d"], [matrix("a")])
    assert store.missing(["\ud83d", "\ude00", "?"]) == ["?", "\ude00"]
    np.testing.assert_array_equal(store.get(["\ud83d"])[0], matrix("a"))


def test_stored_matrices_are_a_sequence_read_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = VectorStore(tmp_path)
    texts = sorted(set(TEXTS))
    for text in texts:
        store.add([text], [matrix(text)])
    for size in (1, 50, 10_000):
        monkeypatch.setattr(shards, "BLOCK_BYTES", size)
        found = store.get(texts)
        for some in (list(found), [found[i] for i in range(len(found))], found[1:][0:4], found[:]):
            assert [len(one) for one in some] == [1, 2, 3, 4, 5][5 - len(some) :]
        np.testing.assert_array_equal(
            np.concatenate(found), np.concatenate(list(map(matrix, texts)))
        )
        np.testing.assert_array_equal(found[-1], matrix("eeeee"))
    with pytest.raises(IndexError):
        found[5]
    assert list(store.get([])) == []


@pytest.mark.usefixtures("shards_of_two")
def test_what_was_left_half_written_is_ignored(tmp_path: Path) -> None:
    embedding_cache.fill([VectorStore(tmp_path)], TEXTS, Encode(), ignore)
    shard = next(tmp_path.iterdir())
    shard.rename(tmp_path / ".writing-abc")
    assert len(VectorStore(tmp_path).missing(TEXTS)) in (1, 2)


@pytest.mark.usefixtures("shards_of_two")
def test_interrupted_fill_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    embedding_cache.fill([VectorStore(tmp_path / "whole")], TEXTS, Encode(), ignore)
    interrupted = VectorStore(tmp_path / "interrupted")
    with pytest.raises(RuntimeError, match="power"):
        embedding_cache.fill([interrupted], TEXTS, Encode(breaks_in_call=1), ignore)
    again = Encode()
    embedding_cache.fill([VectorStore(tmp_path / "interrupted")], TEXTS, again, ignore)
    assert again.calls == [["ccc", "bb"], ["a"]]
    assert contents(tmp_path / "interrupted") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("hub")
def test_interrupted_fill_of_a_model_is_the_same_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_SHARD", 8)
    texts = [f"the {'cat ' * (i % 7)} of tree {i}" for i in range(30)]
    encoder = Pylate("colbert-ir/colbertv2.0", device="cpu")
    stored(tmp_path / "whole", encoder).encode(texts, "doc")
    stopping = stored(tmp_path / "stopped", encoder)
    stopping.progress = lambda _name, done, _total: 1 / (done < 200)  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        stopping.encode(texts, "doc")
    before = len(contents(tmp_path / "stopped"))
    stored(tmp_path / "stopped", encoder).encode(texts, "doc")
    assert 0 < before < len(contents(tmp_path / "stopped"))
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_each_distinct_text_is_encoded_once(tmp_path: Path) -> None:
    encoder = Counting()
    first = stored(tmp_path, encoder)
    expected = Counting().encode(TEXTS, "doc")
    for _ in range(2):
        np.testing.assert_array_equal(first.encode(TEXTS, "doc"), expected)
    np.testing.assert_array_equal(stored(tmp_path, encoder).encode(["bb"], "doc"), expected[1:2])
    assert sorted(encoder.seen) == sorted(set(TEXTS))


def test_queries_and_documents_are_kept_apart(tmp_path: Path) -> None:
    encoder = stored(tmp_path, Counting())
    np.testing.assert_array_equal(encoder.encode(["a"], "doc"), [[1, 97]])
    np.testing.assert_array_equal(encoder.encode(["a"], "query"), [[-1, -97]])


def test_remembered_queries_are_not_encoded_again(tmp_path: Path) -> None:
    counting = Counting()
    encoder = stored(tmp_path, counting)
    encoder.encode(TEXTS, "query")
    assert sorted(counting.seen) == sorted(set(TEXTS))
    for text in TEXTS:
        encoder.encode([text], "query")
    assert len(counting.seen) == len(set(TEXTS))


def test_nothing_to_encode_loads_nothing(tmp_path: Path) -> None:
    stored(tmp_path, Counting()).encode(TEXTS, "doc")
    counting = Counting()
    again = stored(tmp_path, counting)
    again.encode(TEXTS, "doc")
    assert len(again.encode([], "doc")) == 0
    assert counting.loads == counting.seen == []


def test_encoder_that_loses_a_text_is_found_out(tmp_path: Path) -> None:
    class Losing(Counting):
        def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
            return super().encode(texts, side)[:-1]

    with pytest.raises(ValueError, match="4 results for 5 texts"):
        stored(tmp_path, Losing()).encode(TEXTS, "doc")


MINILM = "sentence-transformers/minilm"
DENSE = SentenceTransformers(MINILM, device="cpu")
SHARING = Pylate(MINILM, projection="identity", document_length=32, device="cpu")
NOT_SHARING = Pylate(MINILM, projection="identity", document_length=16, device="cpu")


@pytest.mark.usefixtures("hub")
def test_encoders_that_share_a_body_take_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    run = inference.run

    def counted(passes: Sequence[inference.Pass], texts: Sequence[str]) -> Any:
        ran.append(len(passes))
        return run(passes, texts)

    dense, tokens = stored(tmp_path / "dense", DENSE), stored(tmp_path / "tokens", SHARING)
    with monkeypatch.context() as patch:
        patch.setattr(inference, "run", counted)
        for _ in range(2):
            embedding_cache.encode_together([dense, tokens], TEXTS)
            dense.encode(TEXTS, "doc")
            tokens.encode(TEXTS, "doc")
    assert ran == [2]
    np.testing.assert_allclose(dense.encode(TEXTS, "doc"), DENSE.encode(TEXTS, "doc"), atol=1e-6)
    alone = SHARING.encode(TEXTS, "doc")
    for one, other in zip(tokens.encode(TEXTS, "doc"), alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.usefixtures("hub")
def test_encoders_that_share_nothing_are_left_alone(tmp_path: Path) -> None:
    encoders = [
        stored(tmp_path / name, encoder)
        for name, encoder in [("a", DENSE), ("b", NOT_SHARING), ("c", Counting())]
    ]
    embedding_cache.encode_together(encoders, TEXTS)
    assert contents(tmp_path) == {}
