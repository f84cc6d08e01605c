"""Encoded texts: each text is encoded once, in the same batches however often it is interrupted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from stored_texts import TEXTS as DISTINCT
from stored_texts import assert_complete, matrix

from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import inference
from harness.pipeline import embedding_cache
from harness.pipeline.embedding_cache import StoredEncoder
from harness.pipeline.vector_store import VectorStore, keyed

TEXTS = [*DISTINCT, "bb"]


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
class Tokens:
    """Two vectors a text that float16 cannot hold."""

    gives: ClassVar = "tokens"

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        del side
        return [np.full((2, 2), 1 / 3, dtype=np.float32) for _ in texts]


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
def parts_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_PART", 2)


def ignore(*_progress: object) -> None:
    pass


def stored(folder: Path, encoder: Any) -> StoredEncoder:
    return StoredEncoder(folder, encoder, ignore)


def contents(folder: Path) -> dict[str, bytes]:
    """What each file holds; the names of volumes tell when they were begun."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {f"{file.parent.name}{file.suffix}": file.read_bytes() for file in files}


def fill(folder: Path, texts: Sequence[str], encode: Encode, *told: list[Any]) -> VectorStore:
    store = VectorStore(folder)
    progress = (lambda *progress: told[0].append(progress)) if told else ignore
    embedding_cache.fill([store], texts, keyed(texts), encode, progress)
    return store


@pytest.mark.usefixtures("parts_of_two")
def test_fill_goes_by_length_and_tells_its_progress(tmp_path: Path) -> None:
    encode, told = Encode(), list[Any]()
    store = fill(tmp_path, TEXTS, encode, told)
    assert encode.calls == [["eeeee", "dddd"], ["ccc", "bb"], ["a"]]
    assert told == [(0, 15), (9, 15), (14, 15), (15, 15)]
    assert_complete(store, TEXTS)


@pytest.mark.usefixtures("parts_of_two")
def test_the_order_of_encoding_is_not_that_of_the_texts(tmp_path: Path) -> None:
    texts = [f"{number:02d}" for number in range(40)]
    calls = []
    for place, given in enumerate((texts, texts[::-1], [*texts, *texts])):
        encode = Encode()
        fill(tmp_path / str(place), given, encode)
        calls.append(encode.calls)
    assert calls[0] == calls[1] == calls[2]
    assert sorted(text for call in calls[0] for text in call) == texts


def test_stores_that_lack_different_texts_are_filled_in_one_pass(tmp_path: Path) -> None:
    stores = [fill(tmp_path / "a", ["a", "bb"], Encode()), VectorStore(tmp_path / "b")]
    encode = Encode()
    embedding_cache.fill(stores, TEXTS, keyed(TEXTS), lambda texts: encode(texts) * 2, ignore)
    assert encode.calls == [["eeeee", "dddd", "ccc", "bb", "a"]]
    for store in stores:
        assert_complete(store, TEXTS)
    kept = (file.read_text().splitlines() for file in sorted((tmp_path / "a").glob("*.parts")))
    assert [line.split()[1:5] for lines in kept for line in lines] == [
        ["0", "2", "0", "3"],
        ["2", "3", "3", "12"],
    ]


@pytest.mark.usefixtures("parts_of_two")
def test_interrupted_fill_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    fill(tmp_path / "whole" / "store", TEXTS, Encode())
    with pytest.raises(RuntimeError, match="power"):
        fill(tmp_path / "interrupted" / "store", TEXTS, Encode(breaks_in_call=1))
    again = Encode()
    fill(tmp_path / "interrupted" / "store", TEXTS, again)
    assert again.calls == [["ccc", "bb"], ["a"]]
    assert contents(tmp_path / "interrupted") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("hub")
def test_interrupted_fill_of_a_model_is_the_same_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_PART", 8)
    texts = [f"the {'cat ' * (i % 7)} of tree {i}" for i in range(30)]
    encoder = Pylate("colbert-ir/colbertv2.0", device="cpu")
    stored(tmp_path / "whole", encoder).encode(texts, "doc")
    stopping = stored(tmp_path / "stopped", encoder)
    stopping.progress = lambda _name, done, _total: 1 / (done < 200)  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        stopping.encode(texts, "doc")
    before = contents(tmp_path / "stopped")["encode_doc_tokens.parts"]
    stored(tmp_path / "stopped", encoder).encode(texts, "doc")
    assert b"" < before < contents(tmp_path / "stopped")["encode_doc_tokens.parts"]
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


def test_token_vectors_alone_are_stored_as_the_file_asks(tmp_path: Path) -> None:
    tokens = StoredEncoder(tmp_path, Tokens(), ignore, "float16")
    (found,) = tokens.encode(["third"], "doc")
    np.testing.assert_array_equal(found, np.full((2, 2), np.float32(np.float16(1 / 3))))
    (exact,) = stored(tmp_path, Tokens()).encode(["third"], "doc")
    np.testing.assert_array_equal(exact, np.full((2, 2), np.float32(1 / 3)))
    dense = StoredEncoder(tmp_path, Counting(), ignore, "float16")
    dense.encode(["a"], "doc")
    assert {file.parent.name for file in tmp_path.rglob("*.parts")} == {
        "encode_doc_tokens",
        "encode_doc_tokens_float16",
        "encode_docs",
    }


PROGRAM = """
import resource, sys
import numpy as np
from dataclasses import dataclass
from pathlib import Path
from harness.components.retrievers.maxsim import Maxsim
from harness.data import Doc, Query
from harness.pipeline.embedding_cache import StoredEncoder

@dataclass(frozen=True)
class Tokens:
    gives = "tokens"
    def encode(self, texts, side):
        return [np.full((100 if side == "doc" else 2, 128), int(text), np.float32) for text in texts]

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
encoder = StoredEncoder(Path(sys.argv[1]), Tokens(), lambda *_: None)
searcher = Maxsim(encoder).index([Doc(str(i), str(i)) for i in range(4_000)])
(hits,) = searcher.search([Query("q", "1")], 1)
assert hits[0].doc_id == "3999"
print(peak() - before)
"""


def test_a_search_by_maxsim_holds_stored_vectors_once(tmp_path: Path) -> None:
    """Of 195 MiB of vectors: held twice it takes 395."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert float(done.stdout) < 340


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
