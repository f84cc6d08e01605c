"""What both ways to Qdrant share: MaxSim of every document, or of candidates found by one vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.components.protocols import DenseEncoder, encode_part
from harness.components.retrievers._token_searcher import TokenSearcher
from harness.components.timing import span
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.data import Doc, Hit, Query
from harness.errors import ComponentError

TOKENS, FIRST = "tokens", "first"
"""The names of a point's vectors: one a token, and the one by which candidates are found."""

EDGES, WIDTH = 16, 100
"""Of an HNSW graph: edges a document, and candidates while it is built (Qdrant's own defaults)."""

BITS = {"none": 32, "int8": 8, "binary": 1}
"""Of a number of a token vector, by `quantization`."""


@dataclass(frozen=True, kw_only=True)
class Prefetching:
    """The settings of both ways to Qdrant, beside the `encoder` of token vectors."""

    prefetch: DenseEncoder | None = None
    """Candidates are found by HNSW over these vectors, one a document; null: every document is one."""
    candidates: int = 100
    """Documents that `prefetch` finds, at least as many as are asked for."""
    ef: int = 128
    """How wide HNSW searches: more finds more of the nearest, and takes longer."""
    quantization: Literal["none", "int8", "binary"] = "none"
    """Of the token vectors, whose scores are then those of the compressed ones."""

    def __post_init__(self) -> None:
        """Refuse to look at nothing."""
        if self.candidates < 1 or self.ef < 1:
            raise ValueError("candidates and ef must be at least 1")

    def first_vectors(self, docs: Sequence[Doc], found: Encoded) -> NDArray[np.float32] | None:
        """By which candidates are found, of shape (encoded documents, dim); None without `prefetch`."""
        if self.prefetch is None:
            return None
        texts = {doc.doc_id: doc.text for doc in docs}
        named = [texts[doc_id] for doc_id in found.doc_ids]
        return np.asarray(encode_part(self.prefetch, "dense", named, "doc"), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class PrefetchingSearcher(TokenSearcher):
    """A searcher for what `Prefetching` says."""

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """The hits of each query; raises ComponentError where fewer candidates than hits are found."""
        system = self.system
        if system.prefetch is None:
            return super().search(queries, depth)
        if min(depth, len(self.found.doc_ids)) > system.candidates:
            raise ComponentError(
                f"Qdrant finds candidates = {system.candidates} documents, and {depth} are asked "
                "for. Raise candidates, or lower depth.retrieve."
            )
        with span("encode_query"):
            texts = [query.text for query in queries]
            matrices = indexing.queries(system.encoder, texts)
            first = np.asarray(encode_part(system.prefetch, "dense", texts, "query"))
        with span("score"):
            return [
                self.ask(matrix, depth, vector) if len(matrix) else []
                for matrix, vector in zip(matrices, first, strict=True)
            ]

    def hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        """Of every document."""
        return self.ask(query, depth, None)

    @abstractmethod
    def ask(
        self, query: NDArray[np.float32], depth: int, first: NDArray[np.float32] | None
    ) -> list[Hit]:
        """The best documents for the token vectors of a query, of the candidates near `first`."""

    def bytes_held(self) -> tuple[str, int]:
        """The precision of the token vectors that are compared, and their bytes."""
        quantization = self.system.quantization
        size = self.found.vectors * self.found.dim * BITS[quantization] // 8
        return {"none": "float32"}.get(quantization, quantization), size
