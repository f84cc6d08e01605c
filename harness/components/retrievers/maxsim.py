"""Exhaustive late interaction: MaxSim over the token vectors of every document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.protocols import Searcher, TokenEncoder
from harness.components.retrievers._empty import Nothing
from harness.components.timing import span
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.components.vectors.maxsim import maxsim
from harness.data import Doc, Hit, Query
from harness.ranking import best

DOCS_PER_BLOCK = 1000


@dataclass(frozen=True)
class Maxsim:
    """Every document scored: exact, and what an index over token vectors is to be compared with."""

    encoder: TokenEncoder

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over the token vectors of `docs`, in memory."""
        found = indexing.encoded(self.encoder, docs)
        if not found.doc_ids:
            return Nothing()
        starts = range(0, len(found.doc_ids), DOCS_PER_BLOCK)
        blocks = [_block(found.matrices[start : start + DOCS_PER_BLOCK]) for start in starts]
        return _Index(self, found, blocks)


Block = tuple[NDArray[np.float32], NDArray[np.int64]]
"""The vectors of some documents, one document after the other, and how many each has."""


def _block(matrices: Sequence[NDArray[np.float32]]) -> Block:
    return np.concatenate(matrices), np.array([len(matrix) for matrix in matrices])


@dataclass(frozen=True)
class _Index:
    system: Maxsim
    found: Encoded
    blocks: Sequence[Block]

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        with span("encode_query"):
            matrices = indexing.queries(self.system.encoder, [q.text for q in queries])
        with span("score"):
            return [self._hits(matrix, depth) for matrix in matrices]

    def _hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        if not len(query):
            return []
        scores = np.concatenate([maxsim(query, *block) for block in self.blocks])
        return best(self.found.doc_ids, scores, depth, np.arange(len(scores)))

    def footprints(self) -> list[Footprint]:
        size = sum(vectors.nbytes for vectors, _ in self.blocks)
        counts = (len(self.found.doc_ids), self.found.vectors, self.found.dim)
        return [Footprint("token vectors", *counts, "float32", size)]
