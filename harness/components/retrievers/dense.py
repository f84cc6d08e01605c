"""Exact search over single vectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

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

MOST_HELD = 4_000_000
"""Documents of all queries of a block, from which on ties at the cut are broken at once: 80 MB."""


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

        on_device = torch.from_numpy(queries).to(self.system.device)
        held = NOTHING
        cut = np.full(len(queries), -np.inf, dtype=np.float32)
        for start in range(0, len(self.vectors), DOCS_PER_BLOCK):
            block = self.vectors[start : start + DOCS_PER_BLOCK]
            block = block if block.flags.writeable else block.copy()  # torch refuses a mapped one
            scores = on_device @ torch.from_numpy(block).to(self.system.device).T
            sums = scores.sum()  # is finite only if all are, and takes a twentieth of asking each
            if not (torch.isfinite(sums) or torch.isfinite(scores).all()):
                raise ComponentError("The encoder gave a vector that is not finite.")
            least = torch.from_numpy(cut).to(self.system.device)[:, None]
            if np.isinf(cut).any():
                in_block = torch.topk(scores, min(depth, len(block))).values[:, -1:]
                least = torch.maximum(least, in_block)
            rows, columns = torch.nonzero(scores >= least, as_tuple=True)
            values = scores[rows, columns].cpu().numpy()
            found = _Held(rows.cpu().numpy(), columns.cpu().numpy() + start, values)
            held, cut = _cut(held, found, depth, len(queries))
            if len(held.rows) > max(MOST_HELD, depth * len(queries)):
                held = self._without_ties(held, depth)
        return [self._ranked(part, depth) for part in held.by_row(len(queries))]

    def _ranked(self, held: _Held, depth: int) -> list[Hit]:
        pairs = zip(held.places.tolist(), held.scores.tolist(), strict=True)
        return ranked(Hit(self.doc_ids[place], score) for place, score in pairs)[:depth]

    def _without_ties(self, held: _Held, depth: int) -> _Held:
        """What is held, of ties at the cut only those that `ranked` puts first."""
        kept: list[NDArray[np.bool_]] = []
        for part in held.by_row(int(held.rows[-1]) + 1):
            first = {hit.doc_id for hit in self._ranked(part, depth)}
            chosen = (self.doc_ids[place] in first for place in part.places.tolist())
            kept.append(np.fromiter(chosen, np.bool_, len(part.places)))
        return held.where(np.concatenate(kept))

    def footprints(self) -> list[Footprint]:
        count, dim = self.vectors.shape
        return [Footprint("vectors", count, count, dim, "float32", self.vectors.nbytes)]


class _Held(NamedTuple):
    """The best documents so far, one query after the other, each from the best on."""

    rows: NDArray[np.int64]
    """Of the queries."""
    places: NDArray[np.int64]
    """Of the documents."""
    scores: NDArray[np.float32]

    def where(self, chosen: Any) -> _Held:
        """Those that a mask or places choose."""
        return _Held(*(part[chosen] for part in self))

    def by_row(self, count: int) -> list[_Held]:
        """One for each of so many queries."""
        ends = np.searchsorted(self.rows, np.arange(count + 1)).tolist()
        return [self.where(np.s_[a:b]) for a, b in itertools.pairwise(ends)]


NOTHING = _Held(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def _cut(held: _Held, found: _Held, depth: int, count: int) -> tuple[_Held, NDArray[np.float32]]:
    """The two together without what scores below the one at `depth` of its query, and that score.

    It is minus infinity where a query has fewer.
    """
    both = _Held(
        np.concatenate([held.rows, found.rows]),
        np.concatenate([held.places, found.places]),
        np.concatenate([held.scores, found.scores]),
    )
    both = both.where(np.lexsort((-both.scores, both.rows)))
    ends = np.searchsorted(both.rows, np.arange(count + 1))
    full = np.diff(ends) >= depth
    cut = np.full(count, -np.inf, dtype=np.float32)
    cut[full] = both.scores[ends[:-1][full] + depth - 1]
    return both.where(both.scores >= cut[both.rows]), cut
