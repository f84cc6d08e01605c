"""What the judgments that people gave so far say of the gains on a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.judgments.drawn_queries import FEWEST, DrawnQueries
from harness.analysis.judgments.estimate import Estimate
from harness.analysis.judgments.journal import journal_of
from harness.analysis.judgments.pool import pooled
from harness.analysis.judgments.prediction import LEVEL, predict
from harness.experiment.metric_names import parsed
from harness.results.store import Results

METRIC = "ndcg"
"""The one whose gains are estimated."""


@dataclass(frozen=True)
class Estimated:
    """The gains over the baseline on a dataset, by the queries that were drawn and judged."""

    contenders: Sequence[str]
    """The systems whose gains these are, in the order of the columns."""
    gains: Estimate
    judged: int
    """Documents that people graded."""
    queries: int
    """Of which these are."""
    settled: bool
    """Whether nothing is left to judge, or the rest would hardly change the decision."""


def estimated(results: Results, metric: str, smallest: float) -> Mapping[str, Estimated]:
    """By dataset what its journal says of the metric; only of datasets of which nothing else is judged.

    `smallest` is the smallest gain that matters, by which the decision is settled or not.

    A dataset is left out where fewer than FEWEST queries are judged and more could be, where the
    metric is not METRIC, and where the baseline has no ranking. Raises StoreError for damaged rankings, and
    DataError for a damaged journal.
    """
    found = {
        name: _of_dataset(results, name, metric, smallest) for name in sorted(results.unjudged)
    }
    return {name: one for name, one in found.items() if one is not None}


def depth_of(metric: str) -> int | None:
    """How many documents of a ranking it looks at; None where its gains cannot be estimated."""
    name = parsed(metric)
    return name.cut if name.function == METRIC else None


def _of_dataset(results: Results, dataset: str, metric: str, smallest: float) -> Estimated | None:
    depth, baseline = depth_of(metric), results.plan["baseline"]
    state = journal_of(results, dataset).state
    if depth is None or not state.draws:
        return None
    if (dataset, baseline) not in results.facts:
        return None
    pool = pooled(results, dataset, depth, results.plan["seed"])
    if any(drawn.query_id not in pool.queries for drawn in state.draws):
        return None  # of another set of queries
    queries, grades = DrawnQueries(pool, pool.seed), state.of_people
    done = queries.finished(state.draws, grades, state.skipped)
    if len(done) < FEWEST and queries.to_draw(done, grades, state.skipped):
        return None
    gains = queries.estimate(done, grades, state.skipped)
    contenders = [system for system in pool.systems if system != baseline]
    if gains is None:
        return None
    left = any(queries.left(name, grades, state.skipped) for name in pool.queries)
    settled = not left or predict(gains, smallest, LEVEL, pool.seed).likely[0][1] >= LEVEL
    judged = {name for name, _ in grades}
    return Estimated(contenders, gains, len(grades), len(judged), settled)
