"""Reading a rerank: how far its first stage lets it go, how far it went, and at which depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from harness.analysis.statistics import intervals
from harness.results.derived_rankings import CEILING, CONDENSED, DEPTH
from harness.results.store import Results

CEILINGS = (
    *("dataset", "system", "metric", "depth", "first", "value", "ceiling"),
    *("closed", "closed_low", "closed_high", "lost_before", "left_behind", "limit"),
)
"""One row a reranking system and metric. `first` is the first stage alone, `ceiling` its candidates
in the order of their judgements; `closed` the share of the way from `first` to `ceiling` that the
reranker went, with its interval; `lost_before` what the first stage did not find (1 - ceiling),
`left_behind` what the reranker left (ceiling - value); `limit` names the greater of the two."""

FIRST_STAGE, RERANKER = "first stage", "reranker"

SWEEP = ("dataset", "system", "metric", "depth", "value", "low", "high", "change")
"""One row a reranking system, metric and depth; `change` is to the full depth."""

UNJUDGED = (
    *("dataset", "system", "metric", "judged", "judged_baseline"),
    *("gain", "condensed_gain", "condensed_low", "condensed_high"),
)
"""One row a system but the baseline, and metric: the share of judged documents among the first 10 of
both, and the gain over the baseline when unjudged documents are left out of both rankings."""

JUDGED = "judged@10"


def wide(values: pd.DataFrame) -> pd.DataFrame:
    """A row a query, a column a (system, metric), in the order in which they stand."""
    return values.pivot_table(
        index="query_id", columns=["system", "metric"], values="value", sort=False
    )


def _by_dataset(results: Results) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """For each dataset its measurements, wide, and its readings."""
    readings = dict(list(results.readings.groupby("dataset", sort=False)))
    for dataset, group in results.measurements.groupby("dataset", sort=False):
        if dataset in readings:
            yield str(dataset), wide(group), readings[dataset]


def ceilings(results: Results) -> pd.DataFrame:
    """Columns CEILINGS, of the experiment's metrics."""
    parts = []
    for dataset, values, readings in _by_dataset(results):
        best = readings[readings["reading"] == CEILING]
        depths = best.groupby("system")["depth"].first()
        none = wide(readings[(readings["reading"] == DEPTH) & (readings["depth"] == 0)])
        ceiling = wide(best[best["metric"].isin(results.plan["metrics"])])
        names = ceiling.columns
        if names.empty:
            continue
        columns = np.stack([part[names].to_numpy() for part in (none, values, ceiling)], axis=2)
        means = columns.mean(axis=0).T
        table = pd.DataFrame(list(names), columns=["system", "metric"])
        table[["first", "value", "ceiling"]] = means.T
        table[["closed", "closed_low", "closed_high"]] = _closed(columns, results.plan["seed"])
        table["lost_before"], table["left_behind"] = 1 - means[2], means[2] - means[1]
        before = table["lost_before"] > table["left_behind"]
        table["limit"] = np.where(before, FIRST_STAGE, RERANKER)
        parts.append(table.assign(dataset=dataset, depth=table["system"].map(depths)))
    return joined(parts, CEILINGS)


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


def sweep(results: Results) -> pd.DataFrame:
    """Columns SWEEP: what reranking fewer candidates would have given, from the one pass."""
    parts, names = [], ["system", "metric", "depth"]
    for dataset, values, readings in _by_dataset(results):
        depths = readings[readings["reading"] == CEILING].groupby("system")["depth"].first()
        full = {
            (system, metric, depth): values[system, metric]
            for system, depth in depths.items()
            for metric in results.plan["metrics"]
        }
        if not full:
            continue
        smaller = readings[readings["reading"] == DEPTH]
        smaller = smaller[smaller["metric"].isin(results.plan["metrics"])]
        columns = smaller.pivot_table(index="query_id", columns=names, values="value", sort=False)
        columns = pd.concat([columns, pd.DataFrame(full)], axis=1)
        table = pd.DataFrame(list(columns.columns), columns=names)
        found = intervals.mean_intervals(columns.to_numpy(), results.plan["seed"])
        together = table.groupby(names[:2], sort=False).ngroup()
        table = table.assign(**found._asdict(), together=together)
        table = table.sort_values("together", kind="stable")
        table["change"] = table["value"] - table.groupby(names[:2])["value"].transform("last")
        parts.append(table.assign(dataset=dataset))
    return joined(parts, SWEEP)


def joined(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """The rows of all tables that have any; empty where none has."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True)[list(columns)]


def unjudged(results: Results) -> pd.DataFrame:
    """Columns UNJUDGED, of the experiment's metrics.

    Empty for a dataset that has judgements of relevant documents alone: without unjudged documents
    every ranking of it would be all but perfect.
    """
    baseline, parts = results.plan["baseline"], []
    for dataset, values, readings in _by_dataset(results):
        if not some_judged_not_relevant(results, dataset):
            continue
        condensed = wide(readings[readings["reading"] == CONDENSED])
        names = [
            (system, metric)
            for system, metric in condensed.columns
            if system != baseline and metric in results.plan["metrics"]
            if (baseline, metric) in condensed and (baseline, metric) in values
        ]
        if not names:
            continue
        theirs = [(baseline, metric) for _, metric in names]
        change = condensed[names].to_numpy() - condensed[theirs].to_numpy()
        gain, low, high = intervals.mean_intervals(change, results.plan["seed"])
        judged = values.xs(JUDGED, axis=1, level="metric").mean()
        table = pd.DataFrame(names, columns=["system", "metric"]).assign(
            dataset=dataset,
            gain=(values[names].to_numpy() - values[theirs].to_numpy()).mean(axis=0),
            condensed_gain=gain,
            condensed_low=low,
            condensed_high=high,
            judged_baseline=judged[baseline],
        )
        parts.append(table.assign(judged=table["system"].map(judged)))
    return joined(parts, UNJUDGED)


def some_judged_not_relevant(results: Results, dataset: str) -> bool:
    """Whether a document was judged and found not relevant, so that being unjudged says something.

    Where all judgements are of relevant documents, judged@10 is precision@10.
    """
    known = [facts["dataset"] for (name, _), facts in results.facts.items() if name == dataset]
    return any(facts.get("judged_not_relevant", 1) for facts in known) or not known
