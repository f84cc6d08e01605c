"""The weighted terms of many documents, one document after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import ComponentError


@dataclass(frozen=True, eq=False)
class TermIndex:
    """Documents by their places, 0 to len - 1."""

    ids: NDArray[np.int32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.int64]
    """Shape (documents + 1,): where each document's terms begin, and the last one's end."""

    @property
    def nbytes(self) -> int:
        """Bytes of ids and weights."""
        return self.ids.nbytes + self.weights.nbytes

    def scores(self, query: NDArray[np.float32], places: Sequence[int]) -> NDArray[np.float32]:
        """For the documents at `places` the sum over terms that they share with the query.

        `query` has shape (terms, 2). Each shared term adds the product of its two weights.
        """
        starts = self.offsets[:-1][places]
        lengths = self.offsets[1:][places] - starts
        first = np.cumsum(lengths) - lengths
        rows = np.arange(lengths.sum()) + np.repeat(starts - first, lengths)
        if not len(query):
            return np.zeros(len(lengths), dtype=np.float32)
        ids = query[:, 0].astype(np.int32)
        found = np.minimum(np.searchsorted(ids, self.ids[rows]), len(ids) - 1)
        products = query[found, 1] * self.weights[rows] * (ids[found] == self.ids[rows])
        documents = np.repeat(np.arange(len(lengths)), lengths)
        return np.bincount(documents, products, len(lengths)).astype(np.float32)


def build(matrices: Sequence[NDArray[np.float32]]) -> TermIndex:
    """An index of documents, each given by its matrix of shape (terms, 2).

    Raises ComponentError for a weight that is not finite.
    """
    whole = np.concatenate([np.empty((0, 2), dtype=np.float32), *matrices])
    if not np.isfinite(whole).all():
        raise ComponentError("The encoder gave a term a weight that is not finite.")
    offsets = np.cumsum([0, *map(len, matrices)], dtype=np.int64)
    return TermIndex(whole[:, 0].astype(np.int32), np.ascontiguousarray(whole[:, 1]), offsets)
