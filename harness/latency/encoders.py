"""Encoders for the measurement of cost: queries on the spot, documents from beforehand."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.precision import unit
from harness.protocols import CountsDocTokens, Loadable

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
        encoder = self.encoder
        if not isinstance(encoder, CountsDocTokens):
            found: Sequence[NDArray[np.float32]] = encoder.encode_doc_tokens(texts)
            return found
        kept = encoder.count_kept_tokens(texts)
        dim = self.encoder.encode_query_tokens([PROBE])[0].shape[1]
        seeds = (zlib.crc32(text.encode()) for text in texts)
        return [_unit_rows(n, dim, seed) for n, seed in zip(kept, seeds, strict=True)]


def _unit_rows(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32))
