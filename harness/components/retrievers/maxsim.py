"""Exhaustive late interaction: MaxSim over the token vectors of every document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.protocols import Searcher, TokenEncoder
from harness.components.retrievers._empty import Nothing
from harness.components.retrievers._token_searcher import TokenSearcher
from harness.components.vectors import indexing
from harness.components.vectors.maxsim import maxsim
from harness.data import Doc, Hit
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
        blocks = []
        for start in range(0, len(found.doc_ids), DOCS_PER_BLOCK):
            part = slice(start, start + DOCS_PER_BLOCK)
            blocks.append((found.joined(part), found.lengths[part]))
        return _Index(self, found, blocks)


@dataclass(frozen=True)
class _Index(TokenSearcher):
    blocks: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]
    """The vectors of some documents, one document after the other, and how many each has."""

    def hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        scores = np.concatenate([maxsim(query, *block) for block in self.blocks])
        return best(self.found.doc_ids, scores, depth, np.arange(len(scores)))

    def footprints(self) -> list[Footprint]:
        size = sum(vectors.nbytes for vectors, _ in self.blocks)
        return [self.footprint("float32", size)]
