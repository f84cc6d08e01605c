"""What is worth its price: quality, latency and bytes, and how surely something else is better.

An option is dominated where another is at least as good on every axis, and better on one. What was
not measured of an option is neither as good nor worse: it dominates nothing and is not dominated. An
axis that was measured of no option is left out. Means and percentiles of a few hundred queries are
not the truth, so domination has a probability: queries are drawn anew many times, one draw for all
options and axes, and it is counted in how many draws something dominates. Quality is drawn per query;
latency by the calls of the drawn queries, all rounds of each together, and each option's is moved as
two equal arms differed (A/A); bytes are counted and do not vary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.costs.measured import CostAnalysis
from harness.analysis.decision.amounts import gigabytes
from harness.analysis.decision.measurements import FLY, Measurements, Option
from harness.analysis.quality.leaderboard import per_query
from harness.analysis.statistics import intervals
from harness.results.store import Results
from harness.results.terms import objective, terms

RESAMPLES = 2_000

FRONTIER = (
    *("dataset", "device", "system", "mode", "k", "value", "low", "high"),
    *("seconds", "statistic", "gb_per_million_documents", "dominated_by", "p_dominated"),
)
"""One row an option of a dataset and device; the device is empty where no latency was measured.
`value`, `low` and `high` are of the objective. `seconds` are those of the whole query with `k`
candidates: `statistic` is `p95`, or `p50` where its calls do not carry more, or `predicted`, which is
a median too. Two options are compared by p95 if both have it, else by the median. What is NaN was not
measured. `dominated_by` is the best in `value` of the
options that dominate it by these figures, `p_dominated` the share of resamples in which one does."""

PERCENTS = (0.5, 0.95)

ANYTHING = 50.0
"""The logarithm of a factor by which either of two options may be the faster."""

Values = NDArray[np.float64]


class Axes(NamedTuple):
    """What options are compared by, each of shape (draws, options); NaN for what is not known."""

    quality: Values
    p50: Values
    p95: Values
    bytes: Values


def frontier(results: Results, leaderboard: pd.DataFrame, costs: CostAnalysis) -> pd.DataFrame:
    """Columns FRONTIER, without options of which no quality was measured."""
    of, metric = Measurements(results, costs), objective(results)
    board = leaderboard[leaderboard["metric"] == metric]
    rows: list[dict[str, Any]] = []
    for dataset in of.datasets:
        quality = board[board["dataset"] == dataset].set_index("system")
        if quality.empty:
            continue
        values = per_query(results, dataset, metric)[list(quality.index)]
        rng = np.random.default_rng(results.plan["seed"])
        draws = intervals.draws(len(values), RESAMPLES, rng)
        whole = costs.end_to_end[costs.end_to_end["dataset"] == dataset]
        for device in dict.fromkeys(whole["device"]) or ("",):
            rows += _on_device(of, dataset, str(device), quality, values, draws, rng)
    return pd.DataFrame(rows, columns=list(FRONTIER))


def _on_device(
    of: Measurements,
    dataset: str,
    device: str,
    quality: pd.DataFrame,
    values: pd.DataFrame,
    draws: NDArray[np.uint8],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    rows = [
        {"dataset": dataset, "device": device, **_timed(of, dataset, device, option)}
        | {name: quality.loc[option.system, name] for name in ("value", "low", "high")}
        | {"gb_per_million_documents": gigabytes(of, dataset, option).value}
        for option in (*of.served(), *of.on_the_fly())
        if option.system in quality.index
    ]
    rows = [row for row in rows if row["mode"] != FLY or not math.isnan(row["seconds"])]
    if not rows:
        return []
    by = dominates(_seen(rows))[0]
    chance = dominates(_drawn(of, rows, values, draws, rng)).any(axis=2).mean(axis=0)
    for row, dominating, p in zip(rows, by, chance.tolist(), strict=True):
        better = [rows[i] for i in np.flatnonzero(dominating)]
        best = max(better, key=lambda other: other["value"], default=None)
        row["dominated_by"] = Option(best["system"], best["mode"]).name if best else ""
        row["p_dominated"] = p
    return rows


def _timed(of: Measurements, dataset: str, device: str, option: Option) -> dict[str, Any]:
    """The option's latency with the workload's candidates, or with the most that were timed."""
    row = of.timed(dataset, device, option, terms(of.results).workload)
    row = of.timed(dataset, device, option, None) if row is None else row
    found = {"system": option.system, "mode": option.mode, "k": math.nan, "statistic": ""}
    if row is None:
        return found | {"seconds": math.nan, "p50": math.nan, "p95": math.nan}
    carried = not math.isnan(row.p95)
    statistic = "predicted" if row.status == "predicted" else "p95" if carried else "p50"
    seconds = row.p95 if carried else row.p50
    times = {"seconds": seconds, "p50": row.p50, "p95": row.p95}
    return found | {"k": row.k, "statistic": statistic} | times


def dominates(axes: Axes) -> NDArray[np.bool_]:
    """Shape (draws, options, options): whether the third dominates the second."""
    draws, count = axes.quality.shape
    as_good = np.ones((draws, count, count), dtype=np.bool_)
    better = np.zeros_like(as_good)
    for mine, theirs in _pairs(axes):
        if not np.isnan(mine).all():
            as_good &= theirs <= mine
            better |= theirs < mine
    return as_good & better


def _pairs(axes: Axes) -> Iterator[tuple[Values, Values]]:
    """For each axis the values of the second and of the third option; less is better."""
    quality = -axes.quality.round(12)  # sums of equal values may differ by the last bit
    yield quality[:, :, None], quality[:, None, :]
    both = ~np.isnan(axes.p95[:, :, None] + axes.p95[:, None, :])
    yield (
        np.where(both, axes.p95[:, :, None], axes.p50[:, :, None]),
        np.where(both, axes.p95[:, None, :], axes.p50[:, None, :]),
    )
    yield axes.bytes[:, :, None], axes.bytes[:, None, :]


def _seen(rows: Sequence[Mapping[str, Any]]) -> Axes:
    """The options by the figures that are shown, as a single draw."""
    names = ("value", "p50", "p95", "gb_per_million_documents")
    return Axes(*(np.array([[row[name] for row in rows]], dtype=np.float64) for name in names))


def _drawn(
    of: Measurements,
    rows: Sequence[Mapping[str, Any]],
    values: pd.DataFrame,
    draws: NDArray[np.uint8],
    rng: np.random.Generator,
) -> Axes:
    """The options in every draw of the queries and of the machine's noise."""
    seen = _seen(rows)
    quality = values[[row["system"] for row in rows]].to_numpy(dtype=np.float64)
    median, tail = (np.repeat(axis, len(draws), axis=0) for axis in (seen.p50, seen.p95))
    where = rows[0]["dataset"], rows[0]["device"]
    calls = of.calls.get(where, {})
    for i, row in enumerate(rows):
        timed_calls = calls.get((row["system"], row["mode"], row["k"]))
        if timed_calls is not None and row["statistic"] != "predicted":
            places = values.index.get_indexer(timed_calls["query_id"])
            seconds = timed_calls["seconds"].to_numpy(dtype=np.float64)
            found = resampled_percentiles(seconds[places >= 0], places[places >= 0], draws)
            for column, drawn in zip((median, tail), found, strict=True):
                column[:, i] = np.where(np.isnan(drawn), column[:, i], drawn)
            tail[:, i] = np.where(np.isnan(seen.p95[:, i]), np.nan, tail[:, i])
    moved = _moved(of.doubts.get(where, math.inf), median.shape, rng)
    size = np.repeat(seen.bytes, len(draws), axis=0)
    return Axes(draws @ quality / len(values), median * moved, tail * moved, size)


def _moved(doubt: float, shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """Factors such that two options' lie within `doubt` of each other in 95 % of draws."""
    deviation = min(math.log(doubt), ANYTHING) / (NormalDist().inv_cdf(0.975) * math.sqrt(2))
    return np.exp(rng.normal(0.0, deviation, shape))


def resampled_percentiles(
    seconds: Values, queries: NDArray[np.integer], draws: NDArray[np.uint8]
) -> tuple[Values, Values]:
    """Median and 95th percentile of the calls in each draw; NaN where none of their queries is in it.

    `queries` are the places of the calls' queries in `draws`. A percentile is the least value that
    this share of the drawn calls does not exceed.
    """
    if not len(seconds):
        nothing = np.full(len(draws), np.nan)
        return nothing, nothing
    order = np.argsort(seconds, kind="stable")
    counts = draws[:, queries[order]].cumsum(axis=1, dtype=np.int32)
    ordered, total = seconds[order], counts[:, -1:]
    median, tail = (
        np.where(total[:, 0] > 0, ordered[(counts >= share * total).argmax(axis=1)], np.nan)
        for share in PERCENTS
    )
    return median, tail
