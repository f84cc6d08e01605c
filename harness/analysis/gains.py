"""How much each system gains over the baseline by the objective, over all datasets together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis import stats
from harness.analysis.stats import Columns
from harness.store import Results

State = Literal["shown", "undecided", "small"]

GAINS = ("system", "gain", "low", "high", "p", "p_holm", "state", "needed")
"""One row a system that was measured on every dataset: means over datasets of means over queries,
with intervals as in `compare.DIFFERENCES`. `p` is that of the one-sided paired randomisation test
that the gain is above the smallest that matters, `p_holm` corrected for all rows. `state` is `shown`
where `low` is at least that gain and `p_holm` below ALPHA, else `undecided` where `gain` is at least
that and above 0, else `small`. `needed` queries in all, shared among datasets as now, would tell a true gain of
this size from the smallest that matters (inf where it is just that, NaN where it is shown)."""


class Loss(NamedTuple):
    """How much is lost by taking one system instead of another, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gains:
    """The gains of an experiment, and what losses between its systems are told from."""

    table: pd.DataFrame
    """Columns GAINS."""
    means: Mapping[str, float]
    """By system the mean over datasets."""
    resampled: Mapping[str, NDArray[np.float64]]
    """By system that mean in each resample of the queries, the same for all systems."""
    queries: int
    """Of all datasets."""
    by_dataset: Mapping[str, Mapping[str, float]]
    """By dataset the mean of each system."""
    missing: Mapping[str, str]
    """By system why it cannot be compared."""

    @cached_property
    def of(self) -> Mapping[str, Any]:
        """The rows of `table` by system."""
        return {row.system: row for row in self.table.itertuples(index=False)}

    def loss(self, kept: str, left: str, confidence: float = stats.CONFIDENCE) -> Loss:
        """What is lost by `kept` instead of `left`; without bounds where queries do not tell."""
        value = self.means[left] - self.means[kept]
        if kept not in self.resampled:
            return Loss(value, math.nan, math.nan)
        tail = (1 - confidence) / 2
        losses = self.resampled[left] - self.resampled[kept]
        low, high = np.quantile(losses, [tail, 1 - tail]).tolist()
        return Loss(value, low, high)


def gains(results: Results, objective: str, smallest: float) -> Gains:
    """The gains of all systems by the metric `objective`, judged by the smallest that matters."""
    parts, missing = _values(results, objective)
    baseline, seed = results.plan["baseline"], results.plan["seed"]
    if not parts or baseline not in next(iter(parts.values())):
        return Gains(pd.DataFrame(columns=list(GAINS)), {}, {}, 0, {}, missing)
    names = list(next(iter(parts.values())).columns)
    values = [part.to_numpy(dtype=np.float64) for part in parts.values()]
    means = np.mean([value.mean(axis=0) for value in values], axis=0).tolist()
    known = min(map(len, values)) > 1
    resampled = stats.resampled_macro_means(values, seed).T if known else ()
    found = Gains(
        table=pd.DataFrame(columns=list(GAINS)),
        means=dict(zip(names, means, strict=True)),
        resampled=dict(zip(names, resampled, strict=known)),
        queries=sum(map(len, values)),
        by_dataset={name: part.mean().to_dict() for name, part in parts.items()},
        missing=missing,
    )
    others = [i for i, name in enumerate(names) if name != baseline]
    changes = [value[:, others] - value[:, [names.index(baseline)]] for value in values]
    rows = _rows(found, [names[i] for i in others], baseline, changes, smallest, seed)
    return replace(found, table=pd.DataFrame(rows, columns=list(GAINS)))


def per_query(results: Results, dataset: str, metric: str) -> pd.DataFrame:
    """A row a query and a column a system that was measured on the dataset."""
    table = results.measurements
    table = table[(table["metric"] == metric) & (table["dataset"] == dataset)]
    return table.pivot_table(index="query_id", columns="system", values="value")


def changes(results: Results, dataset: str, metric: str) -> pd.DataFrame:
    """A row a query and a column a system: how much it changed the baseline's value."""
    values = per_query(results, dataset, metric)
    baseline = results.plan["baseline"]
    return values.drop(columns=baseline).sub(values[baseline], axis=0)


def _values(results: Results, objective: str) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """By dataset a row a query and a column a system; and why systems have none."""
    systems = list(dict.fromkeys(results.trials["system"]))
    datasets = list(dict.fromkeys(results.trials["dataset"]))
    wide = {
        str(name): per_query(results, name, objective).reindex(columns=systems) for name in datasets
    }
    reasons = {(row.dataset, row.system): row.reason for row in results.trials.itertuples()}
    missing: dict[str, str] = {}
    for name, part in wide.items():
        for system in part.columns[part.isna().any() | (len(part) == 0)]:
            why = reasons.get((name, system), "") or f"{objective} was not measured"
            missing.setdefault(str(system), f"{why} (on {name})" if len(datasets) > 1 else why)
    compared = [system for system in systems if system not in missing]
    return {name: part[compared] for name, part in wide.items() if compared}, missing


def _rows(
    found: Gains,
    names: Sequence[str],
    baseline: str,
    changes: Sequence[Columns],
    smallest: float,
    seed: int,
) -> list[tuple[str, float, float, float, float, float, State, float]]:
    if not names:
        return []
    p = stats.randomisation_p(_weighted(changes) - smallest, seed, one_sided=True)
    adjusted = stats.holm(dict(zip(names, p.tolist(), strict=True)))
    needed = _needed(changes, found.queries, smallest)
    rows = []
    for i, name in enumerate(names):
        gain, low, high = found.loss(baseline, name)
        shown = low >= smallest and adjusted[name] < stats.ALPHA
        hopeful = gain >= smallest and gain > 0
        state: State = "shown" if shown else "undecided" if hopeful else "small"
        queries = math.nan if shown else float(needed[i])
        rows.append((name, gain, low, high, float(p[i]), adjusted[name], state, queries))
    return rows


def _weighted(changes: Sequence[Columns]) -> Columns:
    """The queries of all datasets, so weighted that their mean is the mean over datasets."""
    queries = sum(map(len, changes))
    return np.concatenate([part * (queries / (len(changes) * len(part))) for part in changes])


def _needed(changes: Sequence[Columns], queries: int, smallest: float) -> Columns:
    """Queries in all that tell gains of the size that was seen from the smallest that matters.

    By the inverse of `stats.detectable`, one-sided at the first step of Holm's correction. Of several
    datasets each adds the variance of its own mean, over the square of their number.
    """
    gain = np.mean([part.mean(axis=0) for part in changes], axis=0)
    alpha = min(stats.ALPHA, 2 * stats.ALPHA / len(gain))
    with np.errstate(divide="ignore", invalid="ignore"):
        to_tell = [part / np.abs(gain - smallest) for part in changes]  # in units of the distance
        alone = [stats.queries_needed(part, 1.0, alpha) / len(part) for part in to_tell]
    found: Columns = np.ceil(np.sum(alone, axis=0) / len(changes) ** 2 * queries)
    return np.where(gain == smallest, np.inf, found)
