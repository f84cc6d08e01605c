"""The pool: what the systems of an experiment bring up first on a dataset, and so what can be judged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harness.errors import StoreError
from harness.results.store import Results

Pair = tuple[str, str]
"""Query id, doc id."""

Grades = Mapping[Pair, int]
"""What is judged so far; 0 is judged and not relevant, absent is unjudged."""


class Drawn(NamedTuple):
    """A query that was drawn to be judged."""

    query_id: str
    chance: float
    """Of being drawn from what was left then; above 0, and 1 where it was the last."""


@dataclass(frozen=True)
class Pool:
    """The first documents of every system, a dataset's queries, and whom the others are compared with."""

    queries: Mapping[str, str]
    """Their texts by id."""
    rankings: Mapping[str, Mapping[str, Sequence[str]]]
    """By system, by query id the ids of its first `depth` documents, best first."""
    baseline: str
    depth: int = 10
    seed: int = 42

    @property
    def systems(self) -> list[str]:
        """All of them, the baseline too."""
        return list(self.rankings)

    @property
    def metric(self) -> str:
        """By which they are compared: it looks no further than the pool."""
        return f"ndcg@{self.depth}"

    def items(self, query_id: str) -> list[str]:
        """The documents of all systems, in an order that the seed draws and that no system decides."""
        return list(self._items[query_id])

    @cached_property
    def _items(self) -> Mapping[str, Sequence[str]]:
        each = {
            name: {doc_id for run in self.rankings.values() for doc_id in run.get(name, ())}
            for name in self.queries
        }
        return {
            name: sorted(docs, key=lambda doc_id, name=name: self._number(name, doc_id))  # type: ignore[misc]
            for name, docs in each.items()
        }

    def _number(self, *names: str) -> bytes:
        return hashlib.sha256("\0".join((str(self.seed), *names)).encode()).digest()


def pooled(results: Results, dataset: str, depth: int = 10, seed: int = 42) -> Pool:
    """The pool of all systems that were run on a dataset.

    Raises StoreError where a run is damaged, or the baseline was not run on the dataset.
    """
    baseline = results.plan["baseline"]
    done = [system for name, system in results.facts if name == dataset]
    if baseline not in done:
        raise StoreError(f"The baseline {baseline!r} was not run on {dataset!r}: run it first.")
    texts = results.texts(dataset, baseline)
    queries = {
        name.removeprefix("query "): text
        for name, text in texts.items()
        if name.startswith("query ")
    }
    rankings = {
        system: {
            query_id: [hit.doc_id for hit in hits[:depth]]
            for query_id, hits in results.run(dataset, system).items()
        }
        for system in done
    }
    return Pool(queries, rankings, baseline, depth, seed)
