"""The gain of each system by many labels of a model, corrected by few judgments of people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.analysis.judgments.corrected import (
    Estimate,
    Judged,
    Values,
    corrected,
    people_alone,
)
from harness.data import Hit, Qrels, Run
from harness.judging.pool import Drawn, Grades, Pair, Pool
from harness.results import metrics


class Gain(NamedTuple):
    """Of a system over the baseline, in the pool's metric."""

    corrected: Estimate
    people: Estimate
    """By people's judgments alone."""
    judged: int
    """Queries that people judged."""


def corrected_gains(
    pool: Pool,
    labels: Grades,
    people: Grades,
    draws: Sequence[Drawn],
    skipped: Collection[Pair] = (),
) -> Mapping[str, Gain]:
    """By system its gain, from the model's `labels` and from people's grades of the drawn queries.

    A query counts as judged by people where they judged, or skipped, every document that the two
    systems rank otherwise; from the first drawn query of which that is not so, none counts. Where
    the model judged nothing its difference is 0, which makes the interval wider and not wrong.
    """
    places = {query_id: place for place, query_id in enumerate(pool.queries)}
    by_model, by_people = (_values(pool, grades) for grades in (labels, people))
    done, found = {*people.keys(), *skipped}, {}
    for system in pool.systems:
        if system == pool.baseline:
            continue
        ours, theirs = (each[system] - each[pool.baseline] for each in (by_people, by_model))
        judged = []
        for query_id, chance in draws:
            if not _open(pool, system, query_id) <= done:
                break
            place = places[query_id]
            judged.append(Judged(place, chance, float(ours[place])))
        both = corrected(theirs.tolist(), judged), people_alone(len(theirs), judged)
        found[system] = Gain(*both, len(judged))
    return found


def _open(pool: Pool, system: str, query_id: str) -> set[Pair]:
    """The documents of a query that a system and the baseline rank otherwise."""
    ours, theirs = (
        set(enumerate(pool.rankings[name].get(query_id, ()))) for name in (system, pool.baseline)
    )
    return {(query_id, doc_id) for _, doc_id in ours ^ theirs}


def _values(pool: Pool, grades: Grades) -> dict[str, Values]:
    """By system the metric of each query of the pool, in their order; unjudged documents count 0."""
    qrels: Qrels = {
        query_id: {
            doc_id: grades[query_id, doc_id]
            for doc_id in pool.items(query_id)
            if (query_id, doc_id) in grades
        }
        for query_id in pool.queries
    }
    found = {}
    for system, ranked in pool.rankings.items():
        run: Run = {
            query_id: [Hit(doc_id, -place) for place, doc_id in enumerate(ranked.get(query_id, ()))]
            for query_id in pool.queries
        }
        table = metrics.measurements(run, qrels, [pool.metric])
        values = table.reindex(list(pool.queries))[pool.metric]
        found[system] = np.nan_to_num(values.to_numpy(dtype=np.float64))
    return found
