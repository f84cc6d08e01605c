"""The answer to an experiment's question, in a few plain sentences for each dataset."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.analysis import ratios
from harness.analysis.costs import CostAnalysis, common_k
from harness.analysis.kept import of_system, trained_here
from harness.analysis.stats import ALPHA
from harness.store import Results
from harness.subset import LABEL

RANDOM = "was not measured, for weights are random"


def subsets(results: Results) -> set[str]:
    """The datasets of which only a part was used."""
    return {name for (name, _), facts in results.facts.items() if facts["dataset"]["subset"]}


def answer(results: Results, changes: pd.DataFrame, costs: CostAnalysis) -> str:
    """What the results say to the experiment's question.

    By the first metric: the best system whose gain over the baseline survives Holm's correction,
    or that none does. What it costs is named, not weighed. Where no quality was measured, which
    reranker was fastest.
    """
    metric, baseline = results.plan["metrics"][0], results.plan["baseline"]
    main = changes[changes["metric"] == metric].sort_values("gain", ascending=False, kind="stable")
    sizes = of_system(costs.kept)
    part = subsets(results)
    sentences: list[str] = []
    for dataset in map(str, dict.fromkeys(results.trials["dataset"])):
        rows, cost = main[main["dataset"] == dataset], costs.of(dataset)
        if rows.empty:
            sentences += [_nothing(results, dataset, baseline), *_fastest(cost)]
        else:
            best = _best(rows)
            sentences.append(_gain(dataset, rows, best, metric, baseline, sizes))
            sentences += _cost(cost, str(best["system"]), baseline)
            sentences += _in_vain(results, dataset, rows, best, metric)
        sentences += [f"({LABEL.capitalize()}.)"] * (dataset in part)
    return " ".join(sentences)


def _nothing(results: Results, dataset: str, baseline: str) -> str:
    if results.plan["weights"] == "dummy":
        return f"On {dataset} quality {RANDOM}."
    return f"On {dataset} nothing could be compared with {baseline}."


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["p_holm"] < ALPHA) & (rows["low"] > 0)]


def _lost(row: Any) -> bool:
    return bool(row["p_holm"] < ALPHA and row["high"] < 0)


def _best(rows: pd.DataFrame) -> Any:
    better = _shown(rows)
    return (rows if better.empty else better).iloc[0]


def _in_vain(
    results: Results, dataset: str, rows: pd.DataFrame, best: Any, metric: str
) -> Iterator[str]:
    """That a model was trained in the run and no system with it is shown to beat the baseline."""
    here, families = trained_here(results), defaultdict(list)
    for system in rows["system"]:
        if (dataset, system) in here:
            families[system.partition("[")[0]].append(system)
    for name, systems in families.items():
        mine = rows[rows["system"].isin(systems)]
        if _shown(mine).empty and best["system"] not in systems:
            said = "ranks worse than" if _lost(mine.iloc[0]) else "is not shown to beat"
            yield (
                f"{name}, trained in this run, {said} {results.plan['baseline']}: "
                f"{_interval(mine.iloc[0], metric)}. It is a small model for one collection, and "
                "tells nothing of published models of its kind."
            )


def _interval(row: Any, metric: str) -> str:
    return f"{row['gain']:+.3f} {metric} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _gain(
    dataset: str, rows: pd.DataFrame, best: Any, metric: str, baseline: str, sizes: pd.Series
) -> str:
    gain = _interval(best, metric)
    if _shown(rows).empty:
        said = "is a loss" if _lost(best) else "these queries cannot tell from no gain"
        return (
            f"On {dataset} no system is shown to beat {baseline}: the most is {best['system']} "
            f"with {gain}, which {said} (Holm-corrected p = {best['p_holm']:.3f})."
        )
    clause = _storage_clause(dataset, str(best["system"]), baseline, sizes)
    among = f" (the best of {len(rows)} that were compared)" if len(rows) > 1 else ""
    return f"On {dataset} {best['system']}{among} beats {baseline} by {gain}{clause}."


def _storage_clause(dataset: str, system: str, baseline: str, sizes: pd.Series) -> str:
    if (dataset, system) not in sizes.index or (dataset, baseline) not in sizes.index:
        return ""
    ratio = sizes[dataset, system] / sizes[dataset, baseline]
    return f" and its index takes {ratio:.1f} times the bytes"


def _cost(costs: CostAnalysis, system: str, baseline: str) -> Iterator[str]:
    """How long the whole query takes with most candidates on each device, beside the baseline's."""
    whole = costs.end_to_end
    for device in dict.fromkeys(whole["device"]):
        here = whole[(whole["device"] == device) & (whole["status"] == "measured")]
        mine, theirs = (here[here["system"] == name] for name in (system, baseline))
        if mine.empty or theirs.empty or system == baseline:
            continue
        row, other = _preferred(mine), _preferred(theirs)
        name = "p95" if _carried(row, "p95") and _carried(other, "p95") else "p50"
        yield (
            f"{_how(row)} its whole query takes {milliseconds(row[name])} ms on {device} "
            f"({STATISTIC[name]}), that of {baseline} {milliseconds(other[name])} ms."
        )


STATISTIC = {"p50": "median", "p95": "95th percentile"}

HOW = {
    "retrieve": "Retrieving {k} documents",
    "rerank": "Reranking {k} candidates",
    "on the fly": "Encoding and reranking {k} candidates on the fly",
    "precomputed": "Reranking {k} candidates by precomputed vectors",
}


def _preferred(rows: pd.DataFrame) -> Any:
    """The row with most candidates; precomputed before on the fly, as one would serve it."""
    most = rows[rows["k"] == rows["k"].max()]
    return most.sort_values("mode", ascending=False, kind="stable").iloc[0]


def _how(row: Any) -> str:
    return HOW[row["mode"]].format(k=row["k"]) + ","


def _carried(row: Any, name: str) -> bool:
    return not math.isnan(row[name])


def _fastest(costs: CostAnalysis) -> Iterator[str]:
    """The fastest reranker on each device by the median, at the k that most were timed with."""
    table = costs.latencies
    is_own = (table["mode"] != "retrieve") & (table["timed_as"] == "")
    timed = table[is_own & (table["status"] == "measured") & table["p50"].notna()]
    for device, rows in timed.groupby("device", sort=False):
        most = rows[rows["k"] == common_k(rows)].sort_values("p50", kind="stable")
        if len(most) > 1:
            first, last = most.iloc[0], most.iloc[-1]
            yield (
                f"On {device} the fastest of {len(most)} ways to rerank {first['k']} candidates is "
                f"{_named(first)} with a median of {milliseconds(first['p50'])} ms, the slowest "
                f"{_named(last)} with {milliseconds(last['p50'])} ms{_doubt(costs, str(device))}."
            )


def _doubt(costs: CostAnalysis, device: str) -> str:
    """By how much times of the device cannot be told apart, where that is not little."""
    here = costs.noise[costs.noise["device"] == device]
    if len(here) and not here["noisy"].any():
        return ""
    factor = ratios.doubt(here)
    known = (
        "by a factor that is not known" if math.isinf(factor) else f"by a factor of {factor:.3g}"
    )
    return f" (noisy: equal work may differ {known})"


def _named(row: Any) -> str:
    return f"{row['system']} ({row['mode']})"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds with three significant digits; `n/a` for NaN."""
    return significant(1000 * seconds)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and thousands set apart; `n/a` for NaN."""
    if math.isnan(value):
        return "n/a"
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    return f"{round(value, places):,.{max(places, 0)}f}"
