"""What a model learns from: relevant documents beside those that a retriever takes for relevant."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.components.models.trained import Negatives, Training
from harness.data import Dataset, Hit, Query, Run, words
from harness.errors import DataError
from harness.page.text import counted

FEWEST = 20
"""Training queries without which nothing is learnt or compared."""

MOST_HELD_OUT = 200
"""Groups that checkpoints are compared by: more would take longer than what they tell is worth."""


SEARCHED = 10_000
"""Training queries that are searched in any case."""


class Group(NamedTuple):
    """One query with some documents that nobody judged; the first is relevant where one is judged."""

    query: str
    texts: tuple[str, ...]
    taught: tuple[float, ...] | None = None
    """The teacher's scores, parallel to the texts."""
    judged: bool = True
    """False where nobody judged the query: then the first is like the others."""


@dataclass(frozen=True)
class Examples:
    """All that a training sees."""

    learnt: Sequence[Group]
    """In the order in which they are learnt, one epoch after the other."""
    held_out: Sequence[Group]
    """Of queries that nothing is learnt from; checkpoints are compared by them."""
    facts: Mapping[str, int]
    """How many queries and judgements these are, and how many were left out."""


def learnable(training: Dataset, measured: Dataset, unjudged: Sequence[Query] = ()) -> Dataset:
    """The training queries over the documents that are measured on, then `unjudged` ones.

    Left out are queries that are also measured, by id or by their words, and those without a
    relevant document among the documents; of the unjudged, those with the words of any other.
    Raises DataError if too few are left of the judged, or none of the unjudged.
    """
    ids = {query.query_id for query in measured.queries}
    wordings = {_wording(query) for query in measured.queries}
    there = measured.known(doc_id for judged in training.qrels.values() for doc_id in judged)
    queries, qrels = [], {}
    for query in training.queries:
        if query.query_id in ids or _wording(query) in wordings:
            continue
        judged = {
            doc_id: grade
            for doc_id, grade in training.qrels[query.query_id].items()
            if doc_id in there
        }
        if max(judged.values(), default=0) > 0:
            queries.append(query)
            qrels[query.query_id] = judged
    if len(queries) < FEWEST:
        raise DataError(
            f"{training.name!r} has {counted(len(queries), 'query', 'queries')} to learn from, of "
            f"{len(training.queries)} that are judged: those that {measured.name!r} is not measured on, with a relevant "
            f"document in it. At least {FEWEST} are needed."
        )
    wordings.update(map(_wording, training.queries))
    others: dict[str, Query] = {}
    for query in unjudged:
        if (wording := _wording(query)) not in wordings:
            others.setdefault(wording, Query(f"unjudged:{query.query_id}", query.text))
    if unjudged and not others:
        raise DataError(
            f"{training.name!r} is to be learnt with queries that nobody judged, but each of the "
            f"{len(unjudged)} has the words of one that is measured or judged."
        )
    queries += others.values()
    qrels |= {query.query_id: {} for query in others.values()}
    return dataclasses.replace(measured, name=training.name, queries=queries, qrels=qrels, notes=())


def searched(dataset: Dataset, training: Training) -> Dataset:
    """The training queries that are worth a search: twice as many as groups can be drawn of.

    Each of them has a group at least, and few have none for want of negatives. They are drawn by the
    training's seed, so many of the judged and so many of the others; it is the dataset itself where
    all are wanted.
    """
    if training.groups is None:
        return dataset
    groups = training.groups * training.epochs / (1 - training.held_out)
    most = max(math.ceil(2 * groups), SEARCHED)
    judged = [query for query in dataset.queries if dataset.qrels[query.query_id]]
    others = [query for query in dataset.queries if not dataset.qrels[query.query_id]]
    if max(len(judged), len(others)) <= most:
        return dataset
    rng = np.random.default_rng(training.seed)
    queries = [
        kind[i]
        for kind in (judged, others)
        for i in sorted(rng.permutation(len(kind))[:most].tolist())
    ]
    qrels = {query.query_id: dataset.qrels[query.query_id] for query in queries}
    return dataclasses.replace(dataset, queries=queries, qrels=qrels)


def _wording(query: Query) -> str:
    """What queries have in common that differ in case, blanks and punctuation."""
    return " ".join(words(query.text)) or query.text.strip()


Teach = Callable[[Run], Run]
"""Scores the documents of a run by a teacher."""


class _Draft(NamedTuple):
    query_id: str
    doc_ids: tuple[str, ...]


def examples(dataset: Dataset, found: Run, training: Training, teach: Teach | None) -> Examples:
    """Groups of every training query, drawn by the training's seed; the judged alone are held out.

    Raises DataError where the retriever finds too few documents that nobody judged.
    """
    negatives, qrels = training.negatives, dataset.qrels
    rng = np.random.default_rng(training.seed)
    pools = {
        query.query_id: [  # near the top, and judged by nobody
            hit.doc_id
            for hit in found.get(query.query_id, ())[: negatives.depth]
            if hit.doc_id not in qrels[query.query_id]
        ]
        for query in dataset.queries
    }
    usable = [
        query_id
        for query_id, pool in pools.items()
        if len(pool) >= negatives.per_query + (not qrels[query_id])
    ]
    judged = [query_id for query_id in usable if qrels[query_id]]
    unjudged = [query_id for query_id in usable if not qrels[query_id]]
    if len(judged) < FEWEST:
        raise DataError(
            f"The negatives of {dataset.name!r} are exhausted: among the first {negatives.depth} "
            f"documents that the retriever finds, {len(judged)} of {sum(map(bool, qrels.values()))} "
            f"queries have {negatives.per_query} that nobody judged, and at least {FEWEST} must. Raise "
            "`negatives.depth` or lower `negatives.per_query`."
        )
    order = rng.permutation(judged).tolist()
    count = min(max(round(len(order) * training.held_out), 1), len(order) - 1)
    held = _drafts(order[:count], pools, dataset, negatives, rng)
    held = [held[i] for i in rng.permutation(len(held))[:MOST_HELD_OUT].tolist()]
    learnt = []
    for _ in range(training.epochs):
        drafts = _drafts([*order[count:], *unjudged], pools, dataset, negatives, rng)
        shuffled = [drafts[i] for i in rng.permutation(len(drafts)).tolist()]
        learnt += _some_of_each(shuffled, training.groups, qrels)
    taught = teach(_asked([*held, *learnt])) if teach else None
    return Examples(
        learnt=_groups(learnt, dataset, taught),
        held_out=_groups(held, dataset, taught),
        facts={
            "queries": len(dataset.queries),
            "queries_learnt": len(order) - count,
            "queries_unjudged": len({one.query_id for one in learnt}.intersection(unjudged)),
            "queries_held_out": count,
            "queries_without_negatives": len(pools) - len(usable),
            "judgements": sum(map(len, qrels.values())),
            "groups_learnt": len(learnt),
            "groups_held_out": len(held),
        },
    )


def _drafts(
    query_ids: Sequence[str],
    pools: Mapping[str, Sequence[str]],
    dataset: Dataset,
    negatives: Negatives,
    rng: np.random.Generator,
) -> list[_Draft]:
    """A group for each relevant document of each query, and one for a query that is not judged."""
    drafts = []
    for query_id in query_ids:
        judged = dataset.qrels[query_id]
        firsts = [[doc_id] for doc_id, grade in judged.items() if grade > 0]
        for first in firsts or [[]]:
            count = 1 + negatives.per_query - len(first)
            drawn = rng.choice(pools[query_id], count, replace=False)
            drafts.append(_Draft(query_id, (*first, *drawn)))
    return drafts


def _some_of_each(
    drafts: Sequence[_Draft], most: int | None, qrels: Mapping[str, Mapping[str, int]]
) -> list[_Draft]:
    """The first `most` of judged queries and the first `most` of the others, in their order."""
    seen: Counter[bool] = Counter()
    taken = []
    for draft in drafts:
        kind = bool(qrels[draft.query_id])
        seen[kind] += 1
        if most is None or seen[kind] <= most:
            taken.append(draft)
    return taken


def _asked(drafts: Sequence[_Draft]) -> Run:
    """Each query with all documents of its groups, as candidates of a teacher."""
    wanted: dict[str, dict[str, None]] = {}
    for query_id, doc_ids in drafts:
        wanted.setdefault(query_id, {}).update(dict.fromkeys(doc_ids))
    return {query_id: [Hit(doc_id, 0.0) for doc_id in ids] for query_id, ids in wanted.items()}


def _groups(drafts: Sequence[_Draft], dataset: Dataset, taught: Run | None) -> list[Group]:
    texts = {query.query_id: query.text for query in dataset.queries}
    scores = {
        query_id: {hit.doc_id: hit.score for hit in hits}
        for query_id, hits in (taught or {}).items()
    }
    docs = dataset.found(doc_id for draft in drafts for doc_id in draft.doc_ids)
    return [
        Group(
            texts[query_id],
            tuple(docs[doc_id].text for doc_id in doc_ids),
            tuple(scores[query_id][doc_id] for doc_id in doc_ids) if taught else None,
            bool(dataset.qrels[query_id]),
        )
        for query_id, doc_ids in drafts
    ]
