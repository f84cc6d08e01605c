"""What else a rerank can tell: other rankings made of its stored runs, measured like the run itself.

A single pass over the deepest candidates gives every smaller depth; the candidates in the order of
their judgements are the ceiling that no reranker of them can pass; a ranking without its unjudged
documents (a condensed list, Sakai 2007) does not punish what nobody judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.data import Hit, Qrels, Run
from harness.results.metrics import DIAGNOSTICS, measurements

if TYPE_CHECKING:
    import pandas as pd

DEPTHS = (0, 10, 20, 50, 100, 200, 500)
"""Numbers of reranked documents that are looked at, where the rerank went deeper; 0 is the first
stage alone."""

DEPTH, CEILING, CONDENSED, ORDER = "depth", "ceiling", "condensed", "order"
"""Kinds of reading. The metrics of ORDER are TAU, DISTINCT and TRUNCATED."""

TAU, DISTINCT, TRUNCATED = "tau", "distinct", "truncated"
"""Kendall's tau of the reranked documents to their order in the first stage; how many distinct scores
they have; the share of them that the model read only in part."""


@dataclass(frozen=True)
class Lengths:
    """How much a model would read, and how much of it it can."""

    docs: Mapping[str, int]
    """Tokens of each document that was scored or found, by its id."""
    room: Mapping[str, int]
    """The most tokens of a document that are read beside each query, by its id."""
    queries: Mapping[str, int] = field(default_factory=dict)
    """Tokens of each query, by its id; empty in results of a version that did not count them."""
    query_room: Mapping[str, int] = field(default_factory=dict)
    """The most tokens that each query can have and not be cut beside the longest of its documents."""

    def truncated(self, query_id: str, doc_id: str) -> bool:
        """Whether the document was read only in part for the query."""
        return self.docs[doc_id] > self.room[query_id]

    def cut_queries(self) -> list[str]:
        """The queries that were read only in part."""
        return [name for name, tokens in self.queries.items() if tokens > self.query_room[name]]


def readings(
    run: Run,
    candidates: Run | None,
    qrels: Qrels,
    metrics: Sequence[str],
    depth: int,
    lengths: Lengths | None,
) -> pd.DataFrame:
    """Columns reading, depth, query_id, metric, value.

    `candidates` is the first stage that `run` reranked the first `depth` hits of; None where
    nothing was reranked, and then only the condensed list is measured.
    """
    import pandas as pd

    # One query id for each kind of reading, so that a single call measures all.
    every_run: dict[str, Sequence[Hit]] = {}
    every_qrels: dict[str, Mapping[str, int]] = {}
    for (kind, size), hits in _rankings(run, candidates, qrels, depth).items():
        every_run |= {f"{kind}\0{size}\0{query_id}": hits[query_id] for query_id in qrels}
        every_qrels |= {f"{kind}\0{size}\0{query_id}": qrels[query_id] for query_id in qrels}
    measured = measurements(every_run, every_qrels, metrics)
    measured = measured[~measured["metric"].isin(set(DIAGNOSTICS) - set(metrics))]
    names = measured["query_id"].str.split("\0", n=2, expand=True)
    table = measured.assign(reading=names[0], depth=names[1].astype(int), query_id=names[2])
    columns = ["reading", "depth", "query_id", "metric", "value"]
    if candidates is None:
        return table[columns]
    order = pd.DataFrame(_order(run, candidates, depth, lengths), columns=columns)
    return pd.concat([table[columns], order], ignore_index=True)


def _rankings(
    run: Run, candidates: Run | None, qrels: Qrels, depth: int
) -> dict[tuple[str, int], Run]:
    """Runs by kind and depth, over the queries of `qrels`."""
    condensed = {
        q: [hit for hit in run.get(q, ()) if hit.doc_id in judged] for q, judged in qrels.items()
    }
    if candidates is None:
        return {(CONDENSED, 0): condensed}
    found: dict[tuple[str, int], Run] = {(CONDENSED, depth): condensed}
    for size in filter(depth.__gt__, DEPTHS):
        cut = {q: _cut(run.get(q, ()), candidates.get(q, ()), size) for q in qrels}
        found[DEPTH, size] = cut
    best = {q: _ideal(candidates.get(q, ()), judged, depth) for q, judged in qrels.items()}
    return found | {(CEILING, depth): best}


def _cut(hits: Sequence[Hit], candidates: Sequence[Hit], size: int) -> list[Hit]:
    """The ranking that reranking only the first `size` candidates would have given."""
    head = {hit.doc_id for hit in candidates[:size]}
    return [hit for hit in hits if hit.doc_id in head] + list(candidates[size:])


def _ideal(candidates: Sequence[Hit], judged: Mapping[str, int], depth: int) -> list[Hit]:
    """The first `depth` candidates by their judgements, the others below them."""
    head = sorted(candidates[:depth], key=lambda hit: -max(judged.get(hit.doc_id, 0), 0))
    return head + list(candidates[depth:])


def _order(
    run: Run, candidates: Run, depth: int, lengths: Lengths | None
) -> Iterator[tuple[str, int, str, str, float]]:
    for query_id in sorted(candidates):  # a run that was read again has another order
        head = [hit.doc_id for hit in candidates[query_id][:depth]]
        if len(head) < 2:
            continue
        scored = {hit.doc_id: (place, hit.score) for place, hit in enumerate(run[query_id])}
        places, scores = zip(*(scored[doc_id] for doc_id in head), strict=True)
        found = {TAU: kendall(places), DISTINCT: float(len(set(scores)))}
        if lengths is not None:
            cut = [lengths.truncated(query_id, doc_id) for doc_id in head]
            found[TRUNCATED] = sum(cut) / len(cut)
        for metric, value in found.items():
            yield ORDER, depth, query_id, metric, value


def kendall(places: Sequence[int]) -> float:
    """Kendall's tau between the order of `places` and ascending order; no two are equal."""
    values = np.asarray(places)
    ahead = np.sign(values[None, :] - values[:, None])[np.triu_indices(len(values), 1)]
    return float(ahead.mean())
