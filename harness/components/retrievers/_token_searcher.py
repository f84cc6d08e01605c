"""What retrievers over token vectors share: how queries are searched, and what is counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.components.abilities import Footprint
from harness.components.timing import span
from harness.components.vectors import indexing
from harness.components.vectors.indexing import Encoded
from harness.data import Hit, Query


@dataclass(frozen=True, eq=False)
class TokenSearcher(ABC):
    """A searcher over the token vectors of documents."""

    system: Any
    """The retriever, with its `encoder`."""
    found: Encoded

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """The hits of each query; one without tokens has none."""
        with span("encode_query"):
            matrices = indexing.queries(self.system.encoder, [q.text for q in queries])
        with span("score"):
            return [self.hits(matrix, depth) if len(matrix) else [] for matrix in matrices]

    @abstractmethod
    def hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        """The best documents for the token vectors of one query."""

    def footprint(self, precision: str, size: int, disk_bytes: int | None = None) -> Footprint:
        """Of `size` bytes, and of all documents' vectors."""
        counts = (len(self.found.doc_ids), self.found.vectors, self.found.dim)
        return Footprint("token vectors", *counts, precision, size, disk_bytes)
