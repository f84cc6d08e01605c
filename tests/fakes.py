"""Components without a model, which count what they are asked, and the files of a tiny experiment.

They are named in experiments as `use: fakes:WordOverlap`.
"""

from __future__ import annotations

import atexit
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from harness.components.protocols import Joint, TokenEncoder
from harness.components.vectors import token_index
from harness.components.vectors.token_index import TokenIndex
from harness.data import Doc, Hit, Query

CALLS: list[str] = []
"""One entry for each time that a fake works: `index`, `search`, `score QUERY`, `encode N`."""

DOCS = {
    "d1": "red apple",
    "d2": "red apple pie",
    "d3": "green pear",
    "d4": "green apple tart",
    "d5": "plum",
}
QUERIES = {"q1": "red apple", "q2": "green pear", "q3": "plum tart", "q4": "apple pie"}
QRELS = {"q1": {"d2": 1}, "q2": {"d3": 2, "d4": 1}, "q3": {"d5": 1}, "q4": {"d2": 1, "d1": 0}}


@dataclass(frozen=True)
class WordOverlap:
    """Scores by the number of words that query and document share."""

    calls: ClassVar[list[str]] = CALLS
    salt: int = 0
    """Changes the key and nothing else."""

    def index(self, docs: Sequence[Doc]) -> OverlapIndex:
        self.calls.append("index")
        return OverlapIndex(docs)


@dataclass(frozen=True)
class OverlapIndex:
    docs: Sequence[Doc]

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        CALLS.append("search")
        return [self._hits(set(query.text.split()), depth) for query in queries]

    def _hits(self, words: set[str], depth: int) -> list[Hit]:
        counts = {doc.doc_id: len(words & set(doc.text.split())) for doc in self.docs}
        found = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        return [Hit(doc_id, count) for doc_id, count in found if count][:depth]


@dataclass(frozen=True)
class Answers:
    """A retriever that gives every query these (doc_id, score) pairs."""

    hits: tuple[tuple[str, float], ...]
    left_out: int = 0
    """Answer this many queries too few."""

    def index(self, docs: Sequence[Doc]) -> Answers:
        del docs
        return self

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        del depth
        return [[Hit(*hit) for hit in self.hits] for _ in queries[self.left_out :]]


class _Counted:
    calls: ClassVar[list[str]] = CALLS

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        self.calls.append(f"score {query}")
        return self._scores(query, docs)

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        raise NotImplementedError


@dataclass(frozen=True)
class Identity(_Counted):
    """Keeps the order."""

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [-float(i) for i in range(len(docs))]


@dataclass(frozen=True)
class Reversed(_Counted):
    """Turns the order around."""

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [float(i) for i in range(len(docs))]


@dataclass(frozen=True)
class Oracle(_Counted):
    """Knows what is relevant in QRELS."""

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        (query_id,) = (query_id for query_id, text in QUERIES.items() if text == query)
        return [float(QRELS[query_id].get(doc.doc_id, -1)) for doc in docs]


@dataclass(frozen=True)
class Constant(_Counted):
    """Gives every document the same score."""

    value: float = 0.5

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [self.value] * len(docs)


@dataclass(frozen=True)
class NotFinite(_Counted):
    """Gives every document a score that is none."""

    value: Literal["nan", "inf"] = "nan"

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [float(self.value)] * len(docs)


@dataclass(frozen=True)
class TooFew(_Counted):
    """Forgets the last document."""

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [1.0] * (len(docs) - 1)


@dataclass(frozen=True)
class Raising(_Counted):
    """Breaks."""

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        raise RuntimeError(f"no score for {query!r} of {len(docs)}")


@dataclass(frozen=True)
class Stoppable(_Counted):
    """Scores by length; is interrupted, as by Ctrl-C, when `queries_left` has come down to 0."""

    queries_left: ClassVar[list[int]] = []

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        if self.queries_left:
            if self.queries_left[0] == 0:
                raise KeyboardInterrupt
            self.queries_left[0] -= 1
        return [float(len(doc.text)) for doc in docs]


def _unit(words: Sequence[str], dim: int) -> NDArray[np.float32]:
    vector = np.zeros(dim, dtype=np.float32)
    for word in words:
        vector[zlib.crc32(word.encode()) % dim] += 1
    norm = np.linalg.norm(vector)
    return vector / norm if norm else vector


@dataclass(frozen=True)
class HashingEncoder:
    """One vector a text: counts of its words' hashes, at length 1."""

    gives: ClassVar = "dense"

    dim: int = 16

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        del side
        CALLS.append(f"encode {len(texts)}")
        return np.array([_unit(text.split(), self.dim) for text in texts]).reshape(-1, self.dim)


@dataclass(frozen=True)
class HashingTokenEncoder:
    """One unit vector a word."""

    gives: ClassVar = "tokens"

    dim: int = 16

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        del side
        CALLS.append(f"encode {len(texts)}")
        return [np.array([_unit([word], self.dim) for word in text.split()]) for text in texts]


@dataclass(frozen=True)
class GaussianTokenEncoder:
    """One unit vector a word, in a direction of its own: no two documents tie by chance."""

    gives: ClassVar = "tokens"

    dim: int = 16

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        del side
        return [self._matrix(text.split()) for text in texts]

    def _matrix(self, words: Sequence[str]) -> NDArray[np.float32]:
        seeds = (zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words)
        rows = [np.random.default_rng(seed).standard_normal(self.dim) for seed in seeds]
        matrix = np.array(rows, dtype=np.float32).reshape(-1, self.dim)
        return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


class Jointly:
    """All parts, or one of them; queries are like documents."""

    gives: ClassVar = "joint"

    def jointly(self, texts: Sequence[str]) -> Joint:
        raise NotImplementedError

    def encode(self, texts: Sequence[str], side: str, part: str | None = None) -> Any:
        del side
        joint = self.jointly(texts)
        return joint if part is None else getattr(joint, part)


@dataclass(frozen=True)
class HashingJointEncoder(Jointly):
    """The vectors of the two hashing encoders and the words' counts, noted as one call."""

    dim: int = 16

    def jointly(self, texts: Sequence[str]) -> Joint:
        CALLS.append(f"encode {len(texts)} jointly")
        tokens = [np.array([_unit([word], self.dim) for word in t.split()]) for t in texts]
        dense = np.array([_unit(text.split(), self.dim) for text in texts])
        return Joint(dense.reshape(-1, self.dim), [_counts(text) for text in texts], tokens)


def _counts(text: str) -> NDArray[np.float32]:
    ids = [zlib.crc32(word.encode()) % 1000 for word in text.split()]
    return np.array([(i, ids.count(i)) for i in sorted(set(ids))], dtype=np.float32).reshape(-1, 2)


def write_beir(
    folder: Path,
    docs: Mapping[str, str] = DOCS,
    queries: Mapping[str, str] = QUERIES,
    qrels: Mapping[str, Mapping[str, int]] = QRELS,
) -> Path:
    """A dataset in BEIR's files; returns `folder`."""
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", docs), ("queries", queries)):
        lines = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = [f"{q}\t{d}\t{grade}\n" for q, judged in qrels.items() for d, grade in judged.items()]
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "test.tsv").write_text(header + "".join(rows), encoding="utf-8")
    return folder


def write_experiment(folder: Path, **changes: Any) -> Path:
    """experiment.yaml over a BEIR folder `data` beside it; `changes` replace whole keys."""
    if not (folder / "data").exists():
        write_beir(folder / "data")
    overlap = {"use": "fakes:WordOverlap"}
    content = {
        "question": "Does an oracle help?",
        "datasets": [{"use": "files", "path": "data"}],
        "systems": [
            {"name": "overlap", "retriever": overlap},
            {"name": "oracle", "retriever": overlap, "reranker": {"use": "fakes:Oracle"}},
        ],
        "metrics": ["ndcg@3"],
        **changes,
    }
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


@dataclass(frozen=True)
class Slow(_Counted):
    """Takes a moment for a query."""

    def _scores(self, query: str, docs: Sequence[Doc]) -> list[float]:
        time.sleep(0.1)
        return [float(len(query) + len(doc.text)) for doc in docs]


@dataclass(frozen=True)
class HangingLate:
    """Late interaction over a mapped index that is made, notes so, and never answers."""

    noted: str
    encoder: TokenEncoder

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        raise NotImplementedError

    def prepare(self, docs: Sequence[Doc]) -> Hanging:
        matrices = self.encoder.encode([doc.text for doc in docs], "doc")
        return _HangingOver(self.noted, token_index.mapped(matrices, "int8"))


@dataclass(frozen=True)
class Chatting:
    """A reranker whose library says good-bye."""

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        atexit.register(print, "Good bye!")
        return [0.0 for _ in docs]


@dataclass(frozen=True)
class Hanging:
    """A reranker that never answers, and notes in whose process."""

    noted: str

    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        Path(self.noted).write_text(str(os.getpid()))
        time.sleep(3600)
        return [0.0 for _ in docs]


@dataclass(frozen=True)
class _HangingOver(Hanging):
    index: TokenIndex


@dataclass(frozen=True)
class SlowEncoder(HashingEncoder):
    """Takes a moment for a batch."""

    def encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        time.sleep(0.3)
        return super().encode(texts, side)


@dataclass(frozen=True)
class BatchedEncoder(HashingTokenEncoder):
    """One vector a word, which also depends on what else is in the batch, as of a padded model."""

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        batch = zlib.crc32("\0".join(texts).encode()) % self.dim
        found = super().encode(texts, side)
        for matrix in found:
            matrix[:, batch] += 0.25
        return [matrix / np.linalg.norm(matrix, axis=1, keepdims=True) for matrix in found]


@dataclass(frozen=True)
class BatchedDense(BatchedEncoder):
    """The first of these vectors."""

    gives: ClassVar = "dense"

    def encode(self, texts: Sequence[str], side: str) -> Any:
        return np.array([matrix[0] for matrix in super().encode(texts, side)])
