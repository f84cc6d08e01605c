"""Encoders for the measurement of cost: queries on the spot, documents from beforehand."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.components.abilities import CountsDocTokens, ListsTerms, Loadable
from harness.components.protocols import Joint
from harness.components.vectors.compression import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBE = "how long is a vector"


@dataclass(frozen=True)
class LiveQueries:
    """Encodes queries as they come; documents were encoded before, by whatever `docs` is."""

    docs: Any
    queries: Any

    def load(self) -> None:
        """Have the model for queries in memory."""
        if isinstance(self.queries, Loadable):
            self.queries.load()

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, dim)."""
        found: NDArray[np.float32] = self.queries.encode_queries(texts)
        return found

    def encode_docs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, dim)."""
        found: NDArray[np.float32] = self.docs.encode_docs(texts)
        return found

    def encode_query_tokens(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        found: Sequence[NDArray[np.float32]] = self.queries.encode_query_tokens(texts)
        return found

    def encode_doc_tokens(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim)."""
        found: Sequence[NDArray[np.float32]] = self.docs.encode_doc_tokens(texts)
        return found

    def encode_query_terms(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (terms, 2)."""
        found: Sequence[NDArray[np.float32]] = self.queries.encode_query_terms(texts)
        return found

    def encode_doc_terms(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (terms, 2)."""
        found: Sequence[NDArray[np.float32]] = self.docs.encode_doc_terms(texts)
        return found

    def encode_queries_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of queries."""
        found: Joint = self.queries.encode_queries_jointly(texts)
        return found

    def encode_docs_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of documents."""
        found: Joint = self.docs.encode_docs_jointly(texts)
        return found


@dataclass(frozen=True)
class RandomVectors:
    """Documents as random unit vectors, as many as the encoder would keep and as long.

    For models with random weights: what they would give costs hours and means nothing, while the
    number and size of the vectors, on which time and bytes depend, are those of the real model.
    """

    encoder: Any

    def encode_docs(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, dim)."""
        dim = self.encoder.encode_queries([PROBE]).shape[1]
        return _unit_rows(len(texts), dim, seed=len(texts))

    def encode_doc_tokens(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (tokens, dim), the same for the same text."""
        if not isinstance(self.encoder, CountsDocTokens):
            found: Sequence[NDArray[np.float32]] = self.encoder.encode_doc_tokens(texts)
            return found
        return _random_tokens(self.encoder, texts)

    def encode_doc_terms(self, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        """For each text a matrix of shape (terms, 2): its own terms, each with a random weight."""
        if not isinstance(self.encoder, ListsTerms):
            found: Sequence[NDArray[np.float32]] = self.encoder.encode_doc_terms(texts)
            return found
        rng = np.random.default_rng(len(texts))
        terms = self.encoder.doc_terms(texts)
        return [
            np.stack([ids, 1 - rng.random(len(ids))], axis=1).astype("float32") for ids in terms
        ]

    def encode_docs_jointly(self, texts: Sequence[str]) -> Joint:
        """All parts of documents."""
        return Joint(
            self.encode_docs(texts), self.encode_doc_terms(texts), self.encode_doc_tokens(texts)
        )


def _random_tokens(encoder: Any, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    dim = encoder.encode_query_tokens([PROBE])[0].shape[1]
    counts = _kept(encoder, tuple(texts))
    return [_cut_out(text, count, dim) for text, count in zip(texts, counts, strict=True)]


@functools.lru_cache(maxsize=2)
def _kept(encoder: Any, texts: tuple[str, ...]) -> Sequence[int]:
    """Vectors of each text; systems that differ in how they keep them ask one after the other."""
    counts: Sequence[int] = encoder.count_kept_tokens(texts)
    return counts


def _cut_out(text: str, count: int, dim: int) -> NDArray[np.float32]:
    """So many rows of one store of random unit vectors, from a place that the text decides.

    Drawing every vector anew would take longer than what is then measured with them.
    """
    store = _store(dim)
    start = zlib.crc32(text.encode()) % (STORE - min(count, STORE - 1))
    return store[start : start + count] if count < STORE else _unit_rows(count, dim, STORE)


STORE = 2**16
"""Random unit vectors of a dimension that documents are cut out of."""


@functools.lru_cache(maxsize=2)
def _store(dim: int) -> NDArray[np.float32]:
    return _unit_rows(STORE, dim, seed=dim)


def _unit_rows(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32))
