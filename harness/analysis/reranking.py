"""Reading a rerank: how far its first stage lets it go, how far it went, and at which depth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.analysis import stats
from harness.readings import CEILING, CONDENSED, DEPTH
from harness.store import Results

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
    seed, rows = results.plan["seed"], []
    for dataset, values, readings in _by_dataset(results):
        best = readings[readings["reading"] == CEILING]
        none = wide(readings[(readings["reading"] == DEPTH) & (readings["depth"] == 0)])
        for (system, metric), group in best.groupby(["system", "metric"], sort=False):
            if metric not in results.plan["metrics"]:
                continue
            columns = pd.concat(
                [
                    none[system, metric],
                    values[system, metric],
                    group.set_index("query_id")["value"],
                ],
                axis=1,
            ).to_numpy()
            first, value, ceiling = columns.mean(axis=0).tolist()
            before, behind = 1 - ceiling, ceiling - value
            limit = FIRST_STAGE if before > behind else RERANKER
            name = (dataset, system, metric, int(group["depth"].iloc[0]))
            rows.append(
                (*name, first, value, ceiling, *_closed(columns, seed), before, behind, limit)
            )
    return pd.DataFrame(rows, columns=list(CEILINGS))


def _closed(columns: stats.Columns, seed: int) -> tuple[float, float, float]:
    """The share of the gap that was closed, with its interval; NaN where there is no gap.

    `columns` are first stage, rerank and ceiling. The interval is the bootstrap's over queries of
    the ratio of means.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        means = columns.mean(axis=0)
        share = (means[1] - means[0]) / (means[2] - means[0])
        if len(columns) < 2 or not np.isfinite(share):
            return float(share) if np.isfinite(share) else np.nan, np.nan, np.nan
        drawn = stats.resampled_means(columns, seed)
        shares = (drawn[:, 1] - drawn[:, 0]) / (drawn[:, 2] - drawn[:, 0])
    tail = (1 - stats.CONFIDENCE) / 2
    low, high = np.nanquantile(shares[np.isfinite(shares)], [tail, 1 - tail])
    return float(share), float(low), float(high)


def sweep(results: Results) -> pd.DataFrame:
    """Columns SWEEP: what reranking fewer candidates would have given, from the one pass."""
    seed, parts = results.plan["seed"], []
    for dataset, values, readings in _by_dataset(results):
        smaller = readings[readings["reading"] == DEPTH]
        deepest = readings[readings["reading"] == CEILING].groupby("system")["depth"].first()
        for system, group in smaller.groupby("system", sort=False):
            for metric in results.plan["metrics"]:
                by_depth = group[group["metric"] == metric].pivot_table(
                    index="query_id", columns="depth", values="value"
                )
                if system in deepest.index:
                    by_depth[deepest[system]] = values[system, metric]
                found = stats.mean_intervals(by_depth.to_numpy(), seed)
                table = pd.DataFrame(found._asdict()).assign(depth=list(by_depth.columns))
                table["change"] = table["value"] - table["value"].iloc[-1]
                parts.append(table.assign(dataset=dataset, system=system, metric=metric))
    if not parts:
        return pd.DataFrame(columns=list(SWEEP))
    return pd.concat(parts, ignore_index=True)[list(SWEEP)]


def unjudged(results: Results) -> pd.DataFrame:
    """Columns UNJUDGED, of the experiment's metrics."""
    baseline, seed, rows = results.plan["baseline"], results.plan["seed"], []
    for dataset, values, readings in _by_dataset(results):
        condensed = wide(readings[readings["reading"] == CONDENSED])
        for system in values.columns.unique("system").drop(baseline, errors="ignore"):
            for metric in results.plan["metrics"]:
                pair = [(system, metric), (baseline, metric)]
                if not all(name in condensed and name in values for name in pair):
                    continue
                change = (condensed[pair[0]] - condensed[pair[1]]).to_numpy()[:, None]
                gain, low, high = (part.item() for part in stats.mean_intervals(change, seed))
                judged = [values[name, JUDGED].mean() for name in (system, baseline)]
                whole = (values[pair[0]] - values[pair[1]]).mean()
                rows.append((dataset, system, metric, *judged, whole, gain, low, high))
    return pd.DataFrame(rows, columns=list(UNJUDGED))
