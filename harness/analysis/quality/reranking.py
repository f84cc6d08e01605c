"""Reading a rerank: how far its first stage lets it go, how far it went, and at which depth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.analysis.quality.leaderboard import per_query, wide
from harness.analysis.statistics import intervals
from harness.results.derived_rankings import CEILING, CONDENSED, DEPTH
from harness.results.store import Results
from harness.results.terms import objective

CEILINGS = (
    *("system", "first", "value", "ceiling", "closed", "closed_low", "closed_high"),
    *("lost_before", "left_behind", "limit"),
)
"""One row a reranking system. `first` is the first stage alone, `ceiling` its candidates
in the order of their judgements; `closed` the share of the way from `first` to `ceiling` that the
reranker went, with its interval; `lost_before` what the first stage did not find (1 - ceiling),
`left_behind` what the reranker left (ceiling - value); `limit` names the greater of the two."""

SWEEP = ("system", "depth", "value", "low", "high")
"""One row a reranking system and depth."""

UNJUDGED = (
    *("system", "judged", "judged_baseline"),
    *("gain", "condensed_gain", "condensed_low", "condensed_high"),
)
"""One row a system but the baseline: the share of judged documents among the first 10 of
both, and the gain over the baseline when unjudged documents are left out of both rankings."""

JUDGED = "judged@10"


def read(results: Results, dataset: str, reading: str) -> pd.DataFrame:
    """The rows of this reading by the objective."""
    table = results.readings(objective(results))
    return table[(table["dataset"] == dataset) & (table["reading"] == reading)]


def ceilings(results: Results, dataset: str) -> pd.DataFrame:
    """Columns CEILINGS of a dataset, by the objective."""
    best, smaller = (read(results, dataset, reading) for reading in (CEILING, DEPTH))
    if best.empty:
        return pd.DataFrame(columns=list(CEILINGS))
    ceiling, none = (wide(x, ["system"]) for x in (best, smaller[smaller["depth"] == 0]))
    parts = none, per_query(results, dataset, objective(results)), ceiling
    columns = np.stack([part[ceiling.columns].to_numpy() for part in parts], axis=2)
    means = columns.mean(axis=0).T
    before, behind = 1 - means[2], means[2] - means[1]
    limit = np.where(before > behind, "first stage", "reranker")
    closed = _closed(columns, results.plan["seed"]).T
    each = (ceiling.columns, *means, *closed, before, behind, limit)
    return pd.DataFrame(dict(zip(CEILINGS, each, strict=True)))


def _closed(columns: intervals.Columns, seed: int) -> intervals.Columns:
    """Share of the gap that each system closed, with its interval: shape (systems, 3).

    `columns` of shape (queries, systems, 3) are first stage, rerank and ceiling; the interval is
    that of the ratio of means over random halves of the queries. NaN where there is no gap.
    """
    queries, systems, _ = columns.shape
    shares = _share(columns.mean(axis=0))
    if queries < intervals.FEWEST:
        return np.column_stack([shares, np.full((systems, 2), np.nan)])
    means = intervals.means_of_halves([columns.reshape(queries, -1)], seed).reshape(-1, systems, 3)
    return np.column_stack([shares, *intervals.bounds(_share(means))])


def _share(means: intervals.Columns) -> intervals.Columns:
    """(value - first) / (ceiling - first) over the last axis; NaN without a gap."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share: intervals.Columns = (means[..., 1] - means[..., 0]) / (means[..., 2] - means[..., 0])
    return np.where(np.isfinite(share), share, np.nan)


def sweep(results: Results, dataset: str) -> pd.DataFrame:
    """Columns SWEEP of a dataset: what reranking fewer candidates would have given, from the one pass.

    By the objective.
    """
    depths = read(results, dataset, CEILING).groupby("system")["depth"].first()
    if depths.empty:
        return pd.DataFrame(columns=list(SWEEP))
    values = per_query(results, dataset, objective(results))
    full = pd.DataFrame({(system, depth): values[system] for system, depth in depths.items()})
    smaller = wide(read(results, dataset, DEPTH), SWEEP[:2])
    columns = pd.concat([smaller, full], axis=1)
    found = intervals.mean_intervals(columns.to_numpy(), results.plan["seed"])
    return pd.DataFrame(list(columns.columns), columns=list(SWEEP[:2])).assign(**found._asdict())


def unjudged(results: Results, dataset: str) -> pd.DataFrame:
    """Columns UNJUDGED of a dataset, by the objective.

    Empty for a dataset that has judgements of relevant documents alone: without unjudged documents
    every ranking of it would be all but perfect.
    """
    baseline, rows = results.plan["baseline"], read(results, dataset, CONDENSED)
    others = [str(name) for name in rows["system"].unique() if name != baseline]
    values = per_query(results, dataset, objective(results))
    known = baseline in values and (rows["system"] == baseline).any() and others
    if not known or not some_judged_not_relevant(results, dataset):
        return pd.DataFrame(columns=list(UNJUDGED))
    gain, condensed = (
        part[others].sub(part[baseline], axis=0).to_numpy()
        for part in (values, wide(rows, ["system"]))
    )
    found = intervals.mean_intervals(condensed, results.plan["seed"])
    judged = per_query(results, dataset, JUDGED).mean()
    each = (others, judged[others].to_numpy(), judged[baseline], gain.mean(axis=0), *found)
    return pd.DataFrame(dict(zip(UNJUDGED, each, strict=True)))


def some_judged_not_relevant(results: Results, dataset: str) -> bool:
    """Whether a document was judged and found not relevant, so that being unjudged says something.

    Where all judgements are of relevant documents, judged@10 is precision@10.
    """
    known = [facts["dataset"] for (name, _), facts in results.facts.items() if name == dataset]
    return any(facts.get("judged_not_relevant", 1) for facts in known) or not known
