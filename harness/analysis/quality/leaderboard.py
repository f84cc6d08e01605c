"""Stored measurements -> leaderboard, differences to the baseline, and queries that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.analysis.statistics import intervals
from harness.components.subset import LABEL
from harness.experiment.rules import measures_quality
from harness.results.store import Results

LEADERBOARD = ("dataset", "system", "metric", "value", "low", "high", "queries", "label")
"""Mean over queries with its interval, one row a trial and metric; `label` marks a subset."""

DIFFERENCES = (
    *("dataset", "system", "metric", "gain", "low", "high"),
    *("wins", "ties", "losses"),
)
"""System minus baseline with its interval, one row a trial and metric. Which gains are shown is
said of the objective alone, once, over all datasets: `gains.GAINS`."""


CHANGES = ("system", "query_id", "baseline", "value", "change")
"""One row a query whose value the system changed most."""


def wide(values: pd.DataFrame, columns: Sequence[str] = ("system", "metric")) -> pd.DataFrame:
    """A row a query in the order of their ids, a column for each of what `columns` have as they stand."""
    rows, queries = pd.factorize(values["query_id"])
    parts = [pd.factorize(values[name]) for name in columns]
    sizes = [len(found) for _, found in parts]
    places, there = pd.factorize(np.ravel_multi_index([codes for codes, _ in parts], sizes))
    table = np.full((len(queries), len(there)), np.nan)
    table[rows, places] = values["value"]
    each = zip(parts, np.unravel_index(there, sizes), strict=True)
    levels = [found.take(codes).tolist() for (_, found), codes in each]
    names = pd.MultiIndex.from_arrays(levels, names=columns)
    index = pd.Index(queries.tolist(), dtype=str, name="query_id")
    named = names if len(columns) > 1 else names.get_level_values(0)
    return pd.DataFrame(table, index, named, copy=False).sort_index()


def per_query(results: Results, dataset: str, metric: str) -> pd.DataFrame:
    """A row a query and a column a system that was measured on the dataset."""
    table = results.measurements
    table = table[(table["dataset"] == dataset) & (table["metric"] == metric)]
    return wide(table, ["system"])


class Drawn(NamedTuple):
    """The values of one dataset, and their means over halves of its queries."""

    values: pd.DataFrame
    """A row a query, a column a (system, metric)."""
    halves: intervals.Columns | None
    """Of `intervals.means_of_halves`, in these columns; None for too few queries."""


def drawn(results: Results) -> dict[str, Drawn]:
    """By dataset what `leaderboard` and `differences` are computed from."""
    found = {}
    for dataset, group in results.measurements.groupby("dataset", sort=False):
        values, seed = wide(group), results.plan["seed"]
        known = len(values) >= intervals.FEWEST
        halves = intervals.means_of_halves([values.to_numpy()], seed) if known else None
        found[str(dataset)] = Drawn(values, halves)
    return found


def leaderboard(results: Results, of: Mapping[str, Drawn] | None = None) -> pd.DataFrame:
    """Columns LEADERBOARD, in the order of the experiment; `of` is `drawn`, where it is known."""
    parts = subsets(results)
    rows = []
    for dataset, (values, halves) in (of or drawn(results)).items():
        label = LABEL if dataset in parts else ""
        found = intervals.around(values.to_numpy().mean(axis=0), halves)
        for (system, metric), *interval in zip(values.columns, *found, strict=True):
            rows.append((dataset, system, metric, *interval, len(values), label))
    return pd.DataFrame(rows, columns=list(LEADERBOARD))


def differences(results: Results, of: Mapping[str, Drawn] | None = None) -> pd.DataFrame:
    """Columns DIFFERENCES: the experiment's measures of quality, for every system but the baseline.

    `of` is `drawn`, where it is known.
    """
    baseline = results.plan["baseline"]
    metrics = list(filter(measures_quality, results.plan["metrics"]))
    rows = []
    for dataset, (values, halves) in (of or drawn(results)).items():
        names = [
            (system, metric)
            for metric in metrics
            for system in values.columns.unique("system")
            if system != baseline and (baseline, metric) in values and (system, metric) in values
        ]
        if not names:
            continue
        table = values.to_numpy()
        ours = values.columns.get_indexer(names)
        theirs = values.columns.get_indexer([(baseline, metric) for _, metric in names])
        change = table[:, ours] - table[:, theirs]
        draws = None if halves is None else intervals.apart(halves[:, ours], halves[:, theirs])
        gains = intervals.around(change.mean(axis=0), draws)
        signs = [(change > 0).sum(axis=0), (change == 0).sum(axis=0), (change < 0).sum(axis=0)]
        for name, *found in zip(names, *gains, *signs, strict=True):
            rows.append((dataset, *name, *found))
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def changed_most(results: Results, dataset: str, metric: str, count: int) -> pd.DataFrame:
    """Columns CHANGES: for each system the `count` queries that won and lost most, if any did."""
    values, baseline = per_query(results, dataset, metric), results.plan["baseline"]
    parts = []
    for system in values.columns.drop(baseline) if baseline in values else ():
        pair = pd.DataFrame({"baseline": values[baseline], "value": values[system]}).reset_index()
        pair["change"] = pair["value"] - pair["baseline"]
        pair = pair.sort_values(["change", "query_id"], ascending=[False, True])
        won, lost = pair[pair["change"] > 0], pair[pair["change"] < 0]
        parts.append(pd.concat([won.head(count), lost.tail(count)]).assign(system=system))
    parts = [part for part in parts if len(part)] or [pd.DataFrame(columns=list(CHANGES))]
    return pd.concat(parts, ignore_index=True)[list(CHANGES)]


def subsets(results: Results) -> set[str]:
    """The datasets of which only a part was used."""
    return {name for (name, _), facts in results.facts.items() if facts["dataset"]["subset"]}
