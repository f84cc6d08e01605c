"""The answer to an experiment's question, in a few plain sentences for each dataset."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.analysis.costs.measured import CostAnalysis, common_k
from harness.analysis.costs.modes import LOOKS, in_modes
from harness.analysis.costs.vector_bytes import of_system, trained_here
from harness.analysis.decision.gains import Gains
from harness.analysis.decision.reasons import not_shown
from harness.analysis.quality.leaderboard import subsets
from harness.analysis.statistics import paired_ratios
from harness.components.subset import LABEL
from harness.page.text import change, milliseconds
from harness.results.costs import timed_itself
from harness.results.store import Results
from harness.results.terms import objective, terms


def answer(results: Results, gained: Gains, changes: pd.DataFrame, costs: CostAnalysis) -> str:
    """What the results say to the experiment's question.

    By the objective and the decision's own test: the best system that is shown to beat the
    baseline, or that none is. What it costs is named, not weighed. Where no quality was measured,
    which reranker was fastest.
    """
    metric, baseline = objective(results), results.plan["baseline"]
    main = changes[changes["metric"] == metric].sort_values("gain", ascending=False, kind="stable")
    sizes, part = of_system(costs.vector_bytes), subsets(results)
    datasets = list(map(str, dict.fromkeys(results.trials["dataset"])))
    where = f"On {datasets[0]}" if len(datasets) == 1 else f"Over the {len(datasets)} datasets"
    best = gained.best
    sentences = [] if best is None else [_verdict(results, gained, best, where)]
    for dataset in datasets:
        rows, cost = main[main["dataset"] == dataset], costs.of(dataset)
        if rows.empty:
            why = f"nothing could be compared with {baseline}"
            if results.plan["weights"] == "dummy":
                why = "quality was not measured, for weights are random"
            sentences += [f"On {dataset} {why}.", *_fastest(cost)]
        else:
            row = (rows if best is None else rows[rows["system"] == best.system]).iloc[0]
            system = str(row["system"])
            clause = _storage_clause(dataset, system, baseline, sizes)
            if len(datasets) > 1 or best is None:
                gain = change(row.gain, row.low, row.high, of=metric)
                sentences.append(
                    f"On {dataset} {system} differs from {baseline} by {gain}{clause}."
                )
            elif clause and best.verdict == "better":
                sentences[0] = f"{sentences[0].removesuffix('.')}{clause}."
            sentences += _cost(cost, system, baseline)
        sentences += [f"({LABEL.capitalize()}.)"] * (dataset in part)
    return " ".join([*sentences, *_in_vain(results, gained)])


def _verdict(results: Results, gained: Gains, best: Any, where: str) -> str:
    """Whether the best system beats the baseline, and by as much as matters."""
    metric, baseline = objective(results), results.plan["baseline"]
    smallest = terms(results).smallest_gain_that_matters
    gain, count = change(best.gain, best.low, best.high, of=metric), len(gained.table)
    if best.verdict == "better":
        among = f" (the best of {count} that were compared)" if count > 1 else ""
        enough = f", {ENOUGH[best.state]} {smallest:g}, the smallest gain that matters"
        return f"{where} {best.system}{among} beats {baseline} by {gain}{enough * bool(smallest)}."
    which = "the most is" if best.gain > 0 else "the nearest is"
    nearest = f"{which} {best.system} with {gain}, {not_shown(best, gained.family)}"
    if best.verdict == "same":
        nearest = f"{best.system} differs from it in no query"
    return f"{where} no system is shown to beat {baseline}: {nearest}."


ENOUGH = {
    "shown": "which is shown to be at least",
    "small": "which is less than",
    "undecided": "but these queries do not show that it is at least",
}
"""By the state of a gain how it stands to the smallest that matters."""


def _in_vain(results: Results, gained: Gains) -> Iterator[str]:
    """That a model was trained in the run and no system with it is shown to beat the baseline."""
    metric, baseline = objective(results), results.plan["baseline"]
    trained = {system for _, system in trained_here(results)}
    families = defaultdict(list)
    for row in gained.surest:
        if row.system in trained:
            families[row.system.partition("[")[0]].append(row)
    for name, rows in families.items():
        row = rows[0]
        if row.verdict != "better" and gained.best not in rows:
            said = "ranks worse than" if row.verdict == "worse" else "may be no better than"
            yield (
                f"{name}, trained in this run, {said} {baseline}: "
                f"{change(row.gain, row.low, row.high, of=metric)}. It is a small model for one "
                "collection, and says nothing about published models of its kind."
            )


def _storage_clause(dataset: str, system: str, baseline: str, sizes: pd.Series) -> str:
    if (dataset, system) not in sizes.index or (dataset, baseline) not in sizes.index:
        return ""
    ratio = sizes[dataset, system] / sizes[dataset, baseline]
    return f"; its index takes {ratio:.1f} times the bytes"


def _cost(costs: CostAnalysis, system: str, baseline: str) -> Iterator[str]:
    """How long the whole query takes with most candidates on each device, beside the baseline's."""
    whole = costs.end_to_end
    for device in dict.fromkeys(whole["device"]):
        here = whole[(whole["device"] == device) & (whole["status"] == "measured")]
        mine, theirs = (here[here["system"] == name] for name in (system, baseline))
        if mine.empty or theirs.empty or system == baseline:
            continue
        row, other = _preferred(mine), _preferred(theirs)
        name = "p50" if math.isnan(row["p95"] + other["p95"]) else "p95"
        yield (
            f"{LOOKS[row['mode']].does.format(k=row['k'])}, its whole query takes "
            f"{milliseconds(row[name])} ms on {device} ({STATISTIC[name]}), that of {baseline} "
            f"{milliseconds(other[name])} ms."
        )


STATISTIC = {"p50": "median", "p95": "95th percentile"}


def _preferred(rows: pd.DataFrame) -> Any:
    """The row with most candidates; precomputed before on the fly, as one would serve it."""
    most = rows[rows["k"] == rows["k"].max()]
    return in_modes(most).iloc[0]


def _fastest(costs: CostAnalysis) -> Iterator[str]:
    """The fastest reranker on each device by the median, at the k that most were timed with."""
    own = timed_itself(costs.latencies)
    timed = own[(own["mode"] != "retrieve") & (own["status"] == "measured") & own["p50"].notna()]
    for device, rows in timed.groupby("device", sort=False):
        most = rows[rows["k"] == common_k(rows)].sort_values("p50", kind="stable")
        if len(most) > 1:
            first, last = (
                (f"{row['system']} ({row['mode']})", milliseconds(row["p50"]))
                for row in (most.iloc[0], most.iloc[-1])
            )
            yield (
                f"On {device} the fastest of {len(most)} ways to rerank {most.iloc[0]['k']} "
                f"candidates is {first[0]} with a median of {first[1]} ms, the slowest {last[0]} "
                f"with {last[1]} ms{_doubt(costs, str(device))}."
            )


def _doubt(costs: CostAnalysis, device: str) -> str:
    """By how much equal times of the device may differ, where that is not little."""
    here = costs.noise[costs.noise["device"] == device]
    if len(here) and not here["noisy"].any():
        return ""
    factor = paired_ratios.doubt(here)
    known = f"of {factor:.3g}" if math.isfinite(factor) else "that is not known"
    return f" (noisy: equal work may differ by a factor {known})"
