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
from numpy.typing import NDArray

from harness.data import Qrels, Run
from harness.results.metrics import NOTHING, Places, Rankings, rankings, values

if TYPE_CHECKING:
    import pandas as pd

DEPTHS = (0, 10, 20, 50, 100, 200, 500)
"""Numbers of reranked documents that are looked at, where the rerank went deeper; 0 is the first
stage alone."""

DEPTH, CEILING, CONDENSED, ORDER = "depth", "ceiling", "condensed", "order"
"""Kinds of reading. The metrics of ORDER are OF_ORDER."""

ABSENT = np.iinfo(np.int64).max
"""The place of what is not there, behind all others."""

TAU, DISTINCT, TRUNCATED = "tau", "distinct", "truncated"
"""Kendall's tau of the reranked documents to their order in the first stage; how many distinct scores
they have; the share of them that the model read only in part."""

OF_ORDER = (TAU, DISTINCT, TRUNCATED)


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
    """Columns reading, depth and query_id, and one for each metric; NaN where a reading has it not.

    `candidates` is the first stage that `run` reranked the first `depth` hits of; None where
    nothing was reranked, and then only the condensed list is measured.
    """
    import pandas as pd

    qrels = {query_id: qrels[query_id] for query_id in sorted(qrels)}
    parts = [
        values(found, qrels, metrics).reset_index().assign(reading=kind, depth=size)
        for kind, size, found in _rankings(run, candidates, qrels, depth)
    ]
    if candidates is not None:
        parts.append(_order(run, candidates, depth, lengths))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _rankings(
    run: Run, candidates: Run | None, qrels: Qrels, depth: int
) -> Iterator[tuple[str, int, Rankings]]:
    """Kind, depth and rankings of each reading."""
    after = rankings(run, qrels)
    judged = after.places >= 0
    order = np.argsort(~judged, axis=1, kind="stable")
    kept = np.take_along_axis(judged, order, axis=1)
    yield CONDENSED, 0 if candidates is None else depth, _without(after.reordered(order), ~kept)
    if candidates is None:
        return
    before, came_from = rankings(candidates, qrels), _ranks(run, candidates, qrels)
    for size in filter(depth.__gt__, DEPTHS):
        yield DEPTH, size, _cut(after, before, came_from, size)
    yield CEILING, depth, before.reordered(_best_first(before.places, qrels, depth))


def _ranks(run: Run, candidates: Run, qrels: Qrels) -> Places:
    """Of each hit of `run` its place among the candidates of its query, far behind for none of them.

    Shape (queries, hits).
    """
    width = max([1, *(len(run.get(query_id, ())) for query_id in qrels)])
    ranks = np.full((len(qrels), width), ABSENT)
    for row, query_id in zip(ranks, qrels, strict=True):
        numbers = {hit.doc_id: i for i, hit in enumerate(candidates.get(query_id, ()))}
        hits = run.get(query_id, ())
        row[: len(hits)] = [numbers.get(hit.doc_id, ABSENT) for hit in hits]
    return ranks


def _without(found: Rankings, these: NDArray[np.bool_]) -> Rankings:
    """Rankings that end before the hits `these`, which are the last ones of each query."""
    return Rankings(np.where(these, NOTHING, found.places), np.where(these, np.nan, found.scores))


def _cut(after: Rankings, before: Rankings, came_from: Places, size: int) -> Rankings:
    """The rankings that reranking only the first `size` candidates would have given.

    These candidates in the order of `after`, then the others in that of `before`.
    """
    behind = Rankings(before.places[:, size:], before.scores[:, size:])
    head = _without(after, came_from >= size)
    both = Rankings(*(np.hstack(pair) for pair in zip(head, behind, strict=True)))
    return both.reordered(np.argsort(both.places == NOTHING, axis=1, kind="stable"))


def _best_first(places: Places, qrels: Qrels, depth: int) -> Places:
    """The order in which the first `depth` candidates stand by their judgements, the others below."""
    grades = np.zeros((len(qrels), max([1, *map(len, qrels.values())])), dtype=np.int64)
    for row, judged in zip(grades, qrels.values(), strict=True):
        row[: len(judged)] = list(judged.values())
    found = np.take_along_axis(grades, np.maximum(places, 0), axis=1)
    key = np.where(places >= 0, -np.maximum(found, 0), 0)
    key[:, depth:] = 1
    return np.argsort(np.where(places == NOTHING, 2, key), axis=1, kind="stable")


def _order(run: Run, candidates: Run, depth: int, lengths: Lengths | None) -> pd.DataFrame:
    """A row a query with at least two reranked documents."""
    import pandas as pd

    heads = {name: candidates[name][:depth] for name in sorted(candidates)}
    heads = {name: head for name, head in heads.items() if len(head) > 1}
    places = np.full((len(heads), max([1, *map(len, heads.values())])), np.nan)
    scores = places.copy()
    for i, (name, head) in enumerate(heads.items()):
        scored = {hit.doc_id: (place, hit.score) for place, hit in enumerate(run[name])}
        both = [scored[hit.doc_id] for hit in head]
        places[i, : len(head)], scores[i, : len(head)] = zip(*both, strict=True)
    scores.sort(axis=1)
    found = {TAU: kendall(places), DISTINCT: 1.0 + (scores[:, 1:] > scores[:, :-1]).sum(axis=1)}
    if lengths is not None:
        cut = ([lengths.truncated(q, hit.doc_id) for hit in head] for q, head in heads.items())
        found[TRUNCATED] = np.array([sum(those) / len(those) for those in cut])
    return pd.DataFrame({"reading": ORDER, "depth": depth, "query_id": list(heads), **found})


def kendall(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kendall's tau between the order of each row's places and ascending order.

    No two places of a row are equal; it ends where NaN begins, after two places at least.
    """
    ahead = np.zeros(len(places))
    for i in range(1, places.shape[1]):
        ahead += np.nansum(np.sign(places[:, i:] - places[:, i - 1 : i]), axis=1)
    count = (~np.isnan(places)).sum(axis=1)
    tau: NDArray[np.float64] = ahead / (count * (count - 1) / 2)
    return tau
