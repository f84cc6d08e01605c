"""Latency that can be compared between runs: an arm's seconds over those of a yardstick.

Milliseconds of two runs differ by what else the machine did. The yardstick, a system's retrieval,
is timed in the same rounds on the same queries, so that what the machine does meanwhile falls on
both, and leaves their ratio.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.gate.baseline_files import VALUES
from harness.analysis.statistics import paired_ratios
from harness.data import MODES
from harness.experiment.rules import LatencyRule
from harness.results.costs import timed_itself
from harness.results.store import Results

DIGITS = 6
"""Significant digits of a ratio that are stored."""


def latency_metric(rule: LatencyRule, mode: str) -> str:
    """The name of what the rule judges of arms of this mode, or with "" of the rule itself."""
    return " ".join(filter(None, ("latency", mode, f"k={rule.k}", rule.device, "/", rule.to)))


def is_of(rule: LatencyRule, metric: str) -> bool:
    """Whether the rule judges this."""
    return metric in (latency_metric(rule, mode) for mode in MODES if mode != "retrieve")


def latency_ratios(results: Results, rule: LatencyRule) -> pd.DataFrame:
    """Columns VALUES: for each arm of the rule and query the geometric mean of its ratios.

    A ratio is that of two calls for one query in one round. Arms or queries without such a pair
    have no row.
    """
    calls = results.calls
    timed = calls[(calls["copy"] == 0) & (calls["device"] == rule.device)]
    keys = ["dataset", "round", "query_id"]
    is_retrieval = timed["mode"] == "retrieve"
    reference = timed[is_retrieval & (timed["system"] == rule.to)]
    reference = reference[[*keys, "seconds"]].drop_duplicates(keys, keep="last")
    arms = timed_itself(timed[~is_retrieval & (timed["k"] == rule.k)])
    pairs = arms.merge(reference, on=keys, suffixes=("", "_reference"))
    logs = np.log(pairs["seconds"].astype(float) / pairs["seconds_reference"].astype(float))
    metric = [latency_metric(rule, mode) for mode in pairs["mode"]]
    means = pairs.assign(metric=metric, value=logs).groupby(list(VALUES[:-1]), sort=False)["value"]
    table = np.exp(means.mean()).reset_index()
    table["value"] = [float(f"{value:.{DIGITS}g}") for value in table["value"]]
    return table[list(VALUES)]


def arms(results: Results, rule: LatencyRule) -> pd.DataFrame:
    """The rows of `columns.ARMS` that the rule is about, timed or not."""
    table = results.costs["arms"]
    reranks = (table["mode"] != "retrieve") & (table["k"] == rule.k)
    return table[reranks & (table["device"] == rule.device)]


def latency_facts(results: Results) -> dict[str, dict[str, Any]]:
    """By dataset: the machine and its threads, and how far apart equal arms were (A/A).

    `equal_arms` has a factor for each device and k, such as 1.02 for `cpu k=10`: the farther bound
    of their ratio's interval. It is absent where the timings were noisy, or no system was timed twice.
    """
    found = {}
    noise = paired_ratios.noise(results.costs["calls"], results.plan["seed"])
    quiet = noise[~noise["noisy"].astype(bool)]
    for (dataset, kind), facts in results.cost_facts.items():
        if kind == "latency":
            machine = facts["provenance"]["machine"]
            found[dataset] = {
                **{name: machine[name] for name in ("system", "processor", "cores")},
                "threads": facts["threads"],
                "equal_arms": {
                    pair(str(row.device), row.k): round(max(row.high, 1 / row.low), 3)
                    for row in quiet[quiet["dataset"] == dataset].itertuples()
                },
            }
    return found


def pair(device: str, k: Any) -> str:
    """The name of a device and k in `equal_arms`."""
    return f"{device} k={k}"


def is_latency(metric: str) -> bool:
    """Whether a name among VALUES is that of a latency and not of a metric."""
    return metric.startswith("latency ")
