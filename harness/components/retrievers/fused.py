"""Reciprocal rank fusion: a retriever made of retrievers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.components import footprints
from harness.components.abilities import Footprint, HasFacts
from harness.components.protocols import Retriever, Searcher
from harness.data import Doc, Hit, Query
from harness.ranking import ranked


@dataclass(frozen=True)
class Fused:
    """A document's score is the sum of 1 / (k + rank) over the retrievers that found it."""

    retrievers: tuple[Retriever, ...]
    k: int = 60
    """Cormack, Clarke and Buettcher 2009 found 60 and little sensitivity to it."""

    def __post_init__(self) -> None:
        """Refuse to fuse nothing."""
        if not self.retrievers or self.k < 0:
            raise ValueError("needs at least one retriever and k of at least 0")

    def index(self, docs: Sequence[Doc]) -> Searcher:
        """A searcher that asks each retriever's searcher over `docs`."""
        return _Index(self, [retriever.index(docs) for retriever in self.retrievers])


@dataclass(frozen=True)
class _Index:
    system: Fused
    searchers: Sequence[Searcher]
    """Parallel to the system's retrievers."""

    def search(self, queries: Sequence[Query], depth: int) -> list[list[Hit]]:
        found = [searcher.search(queries, depth) for searcher in self.searchers]
        return [self._fused(per_searcher, depth) for per_searcher in zip(*found, strict=True)]

    def facts(self, queries: Sequence[Query], depth: int) -> Mapping[str, Any]:
        """What the searchers have to tell: their notes, and the worst of their runs' ranks."""
        facts = [s.facts(queries, depth) for s in self.searchers if isinstance(s, HasFacts)]
        ranks = [one["ranks"] for one in facts if "ranks" in one]
        worst = max(ranks, key=lambda one: (one["against"], one["unsorted"]), default=None)
        notes = [note for one in facts for note in one.get("notes", ())]
        return {"notes": notes} | ({"ranks": worst} if worst else {})

    def _fused(self, lists: Sequence[Sequence[Hit]], depth: int) -> list[Hit]:
        scores: dict[str, float] = defaultdict(float)
        for hits in lists:
            for rank, hit in enumerate(ranked(hits), start=1):
                scores[hit.doc_id] += 1 / (self.system.k + rank)
        return ranked(Hit(doc_id, score) for doc_id, score in scores.items())[:depth]

    def footprints(self) -> list[Footprint]:
        """Those of each retriever, once where it is fused twice or within another fusion too."""
        return [part for one in self.distinct().values() for part in footprints.stored_by(one)]

    def distinct(self) -> dict[Retriever, Searcher]:
        """By retriever its searcher, those of fusions among them in their place."""
        found: dict[Retriever, Searcher] = {}
        for retriever, searcher in zip(self.system.retrievers, self.searchers, strict=True):
            found |= searcher.distinct() if isinstance(searcher, _Index) else {retriever: searcher}
        return found
