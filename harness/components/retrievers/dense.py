"""Exact search over single vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.protocols import DenseEncoder, Searcher, encode_part
from harness.components.timing import span
from harness.components.vectors.compression import sliced
from harness.data import Doc, Hit, Query, doc_ids, doc_texts
from harness.errors import ComponentError
from harness.ranking import ranked

QUERIES_PER_BLOCK = 256
DOCS_PER_BLOCK = 32_768
"""A block of scores is at most 32 MiB, whatever the size of the dataset."""


@dataclass(frozen=True)
class Dense:
    """Every document scored by the inner product of its vector and the query's."""

    needs: ClassVar[tuple[str, ...]] = ("torch",)

    encoder: DenseEncoder
    dim: int | None = None
    """Keep the first `dim` coordinates, at length 1 again; None: all of them."""
    device: str = "cpu"
    """Where the search runs: `cpu`, `cuda` or `mps`."""

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over the vectors of `docs`."""
        vectors = encode_part(self.encoder, "dense", doc_texts(docs), "doc")
        return _Index(self, doc_ids(docs), sliced(vectors, self.dim))


@dataclass(frozen=True)
class _Index:
    system: Dense
    doc_ids: Sequence[str]
    vectors: NDArray[np.float32]

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        with span("encode_query"):
            texts = [query.text for query in queries]
            vectors = encode_part(self.system.encoder, "dense", texts, "query")
        found: list[list[Hit]] = []
        with span("score"):
            for start in range(0, len(queries), QUERIES_PER_BLOCK):
                block = sliced(vectors[start : start + QUERIES_PER_BLOCK], self.system.dim)
                found.extend(self._search_block(block, depth))
        return found

    def _search_block(self, queries: NDArray[np.float32], depth: int) -> list[list[Hit]]:
        """All documents that score at least as high as the one at `depth`, cut by `ranked`.

        Taking every tie at the cut, not an arbitrary one, makes the result independent of the
        order of documents and of the blocks.
        """
        import torch

        best: list[list[Hit]] = [[] for _ in queries]
        on_device = torch.from_numpy(queries).to(self.system.device)
        for start in range(0, len(self.doc_ids), DOCS_PER_BLOCK):
            block = torch.from_numpy(self.vectors[start : start + DOCS_PER_BLOCK])
            scores = on_device @ block.to(self.system.device).T
            if not torch.isfinite(scores).all():
                raise ComponentError("The encoder gave a vector that is not finite.")
            cut = torch.topk(scores, min(depth, len(block))).values[:, -1:]
            rows, columns = torch.nonzero(scores >= cut, as_tuple=True)
            values = scores[rows, columns].tolist()
            for row, column, score in zip(rows.tolist(), columns.tolist(), values, strict=True):
                best[row].append(Hit(self.doc_ids[start + column], score))
            best = [ranked(hits)[:depth] for hits in best]
        return best

    def footprints(self) -> list[Footprint]:
        count, dim = self.vectors.shape
        return [Footprint("vectors", count, count, dim, "float32", self.vectors.nbytes)]
