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
from harness.analysis.judgments.drawn_queries import DrawnQueries
from harness.analysis.judgments.pool import Drawn, Grades, Pair, Pool
from harness.data import Hit, Qrels, Run
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

    `draws` are those of the people, in their order; they count up to the first that is not finished.
    Where the model judged nothing its difference is 0, which makes the interval wider and not wrong.
    """
    places = {query_id: place for place, query_id in enumerate(pool.queries)}
    by_model, drawn = _values(pool, labels), DrawnQueries(pool, pool.seed)
    done, measured = drawn.measured(draws, people, skipped)
    found = {}
    contenders = [name for name in pool.systems if name != pool.baseline]
    for system, gains in zip(contenders, measured.T.tolist(), strict=True):
        theirs = by_model[system] - by_model[pool.baseline]
        judged = [
            Judged(places[query_id], chance, gain)
            for (query_id, chance), gain in zip(done, gains, strict=True)
        ]
        both = corrected(theirs.tolist(), judged), people_alone(len(theirs), judged)
        found[system] = Gain(*both, len(judged))
    return found


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
