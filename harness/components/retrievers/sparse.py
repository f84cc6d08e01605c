"""Search by learned weights of terms: an inverted index over what a sparse encoder gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.components import footprints
from harness.components.abilities import Footprint
from harness.components.protocols import Searcher, SparseEncoder, encode_part
from harness.components.timing import span
from harness.components.vectors import sparse_index
from harness.data import Doc, Hit, Query, doc_ids, doc_texts
from harness.ranking import best


@dataclass(frozen=True)
class Sparse:
    """Documents that share a term with the query, by the sum of products of the two weights."""

    encoder: SparseEncoder

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher over the terms of `docs`."""
        found = encode_part(self.encoder, "terms", doc_texts(docs), "doc")
        return _Index(self, doc_ids(docs), _postings(sparse_index.build(found)))


class _Postings(NamedTuple):
    """For each term the documents that have it, one term after the other."""

    terms: NDArray[np.int32]
    """In rising order."""
    offsets: NDArray[np.int64]
    places: NDArray[np.int32]
    weights: NDArray[np.float32]


def _postings(index: sparse_index.TermIndex) -> _Postings:
    documents = np.repeat(np.arange(len(index.offsets) - 1), np.diff(index.offsets))
    order = np.argsort(index.ids, kind="stable")
    known, counts = np.unique(index.ids, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    places = documents[order].astype(np.int32)
    return _Postings(known, offsets, places, index.weights[order])


@dataclass(frozen=True)
class _Index:
    system: Sparse
    doc_ids: Sequence[str]
    postings: _Postings

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        """Documents that share no term with a query are no hits."""
        with span("encode_query"):
            texts = [query.text for query in queries]
            found = encode_part(self.system.encoder, "terms", texts, "query")
        with span("score"):
            return [self._hits(weighted, depth) for weighted in found]

    def _hits(self, query: NDArray[np.float32], depth: int) -> list[Hit]:
        known, offsets, places, weights = self.postings
        scores = np.zeros(len(self.doc_ids), dtype=np.float32)
        for term, weight in query:
            row = int(np.searchsorted(known, term))
            if row < len(known) and known[row] == term:
                here = slice(offsets[row], offsets[row + 1])
                scores[places[here]] += weight * weights[here]
        return best(self.doc_ids, scores, depth, np.flatnonzero(scores > 0))

    def footprints(self) -> list[Footprint]:
        """A document and a weight for each of its terms; the files hold the terms' ids besides."""
        arrays = self.postings._asdict()
        size = self.postings.places.nbytes + self.postings.weights.nbytes
        disk = footprints.written_bytes(lambda folder: np.savez(folder / "postings.npz", **arrays))
        counts = (len(self.doc_ids), len(self.postings.weights))
        return [Footprint("terms", *counts, 1, "float32", size, disk)]
