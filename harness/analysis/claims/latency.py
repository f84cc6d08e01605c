"""What measurements of cost say of claims on latency and memory, for the machine they were made on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from harness.analysis.claims.evidence import Found, NoValueError, Stored, bounded
from harness.analysis.costs import projection
from harness.analysis.costs.latency import ARM, latencies
from harness.analysis.statistics import paired_ratios
from harness.analysis.statistics.percentiles import percentiles
from harness.experiment.claims import Arm, LatencyEvidence, Memory
from harness.page.text import milliseconds, significant
from harness.results.store import Results

CALL = ["round", "query_id"]
"""Calls of two arms that agree in these are a pair: they were made one after the other."""

MB = 1e6

STARTS = 6
"""Processes of which the least and the greatest hold the median in 95 of 100 cases: 1 - 2 / 2^n."""


def latency(asked: LatencyEvidence, results: Results, stored: Stored) -> Found:
    """A percentile of an arm's calls in milliseconds, or the ratio of two arms' calls in pairs.

    Of the first dataset that has it.
    """
    missing = NoValueError(f"{results.plan['experiment']} has no measurement of latency")
    for dataset, kind in results.cost_facts:
        if kind == "latency":
            try:
                return (_ratio if asked.over else _percentile)(asked, results, dataset, stored)
            except NoValueError as why:
                missing = why
    raise missing


def _percentile(asked: LatencyEvidence, results: Results, dataset: str, stored: Stored) -> Found:
    try:
        calls = _seconds(results, dataset, asked)
    except NoValueError as why:
        return _no_less(asked, results, dataset, stored, why)
    name = str(asked.statistic)
    found = percentiles(calls, calls.index.get_level_values("query_id"))[int(name[1:])]
    if math.isnan(found.value):
        raise NoValueError(f"{_named(asked)} has too few calls for {name}: {len(calls)}")
    doubt = stored.once(_doubt, results, dataset, asked.device)
    low, high = 1000 * found.low / doubt, 1000 * found.high * doubt
    said = (
        f"{name} {milliseconds(found.value)} ms [{_interval(low, high)}] of {_named(asked)}, calls: "
        f"{len(calls)}{_how_sure(doubt)}"
    )
    machine = _machine(results, dataset, asked.device)
    return bounded(1000 * found.value, low, high, said, machine)


def _no_less(
    asked: LatencyEvidence, results: Results, dataset: str, stored: Stored, why: NoValueError
) -> Found:
    """The greatest lower bound of fewer candidates: they are among the more, which take no less.

    Raises `why` again where no fewer were timed.
    """
    ours = _rows(results.costs["calls"], dataset, asked.device)
    ours = ours[(ours["system"] == asked.system) & (ours["mode"] == asked.mode)]
    fewer = {int(k) for k in ours["k"] if asked.k is not None and k < asked.k}
    if not fewer:
        raise why
    parts = [asked.model_copy(update={"k": k}) for k in sorted(fewer)]
    each = [_percentile(part, results, dataset, stored) for part in parts]
    found = max(each, key=lambda one: one.low)
    said = f"{found.said}, and more take no less ({why})"
    return found._replace(value=math.nan, high=math.inf, said=said)


def _ratio(asked: LatencyEvidence, results: Results, dataset: str, stored: Stored) -> Found:
    """A geometric mean over pairs of calls."""
    over = asked.over or asked
    arms = [_seconds(results, dataset, arm) for arm in (asked, over)]
    both = pd.concat(arms, axis=1, join="inner", keys=["asked", "over"])
    if both.empty:
        raise NoValueError(f"no call of {_named(asked)} has a pair among those of {_named(over)}")
    queries = both.index.get_level_values("query_id")
    ratios = both["asked"] / both["over"]
    found = paired_ratios.geometric_mean(ratios, queries, results.plan["seed"])
    devices = dict.fromkeys((asked.device, over.device))
    doubt = math.prod(stored.once(_doubt, results, dataset, device) for device in devices)
    low, high = found.low / doubt, found.high * doubt
    machine = " and ".join(_machine(results, dataset, device) for device in devices)
    said = (
        f"{significant(found.ratio)} times [{_interval(low, high)}]: {_named(asked)} over {_named(over)}, "
        f"pairs of calls: {len(both)}{_how_sure(doubt)}"
    )
    return bounded(found.ratio, low, high, said, machine)


def _named(arm: Arm) -> str:
    k = "" if arm.k is None else f", k = {arm.k}"
    whole = ", whole query" if arm.whole else ""
    return f"{arm.system} ({arm.mode}{k}{whole})"


def _rows(table: pd.DataFrame, dataset: str, device: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["device"] == device)]


def _seconds(results: Results, dataset: str, arm: Arm) -> pd.Series:
    """Seconds of an arm's calls by round and query; raises NoValueError where there are none."""
    calls = _rows(results.calls, dataset, arm.device)
    calls = calls[(calls["copy"] == 0) & (calls["system"] == arm.system)]
    mine = calls[calls["mode"] == arm.mode]
    if arm.k is not None:
        mine = mine[mine["k"] == arm.k]
    if mine.empty:
        raise NoValueError(_why_not(results, dataset, arm))
    if arm.whole and arm.mode != "retrieve":
        return (_by_call(mine) + _by_call(calls[calls["mode"] == "retrieve"])).dropna()
    return _by_call(mine)


def _by_call(calls: pd.DataFrame) -> pd.Series:
    """Of retrievals timed at several depths the deepest counts."""
    deepest = calls.sort_values("k", kind="stable").drop_duplicates(CALL, keep="last")
    return deepest.set_index(CALL)["seconds"].astype(float)


def _why_not(results: Results, dataset: str, arm: Arm) -> str:
    """Why an arm has no calls, and the way to have some."""
    name = results.plan["experiment"]
    if arm.system not in set(results.trials["system"]):
        return f"{name} has no system {arm.system}: add one to the file and run it again"
    arms = results.arms[results.arms["dataset"] == dataset]
    here = arms[arms["device"] == arm.device]
    if here.empty:
        devices = ", ".join(dict.fromkeys(arms["device"]))
        return f"{name} times {devices}, not {arm.device}: add it to `latency.devices`"
    mine = here[here["system"] == arm.system]
    same = mine[(mine["mode"] == arm.mode) & ((mine["k"] == arm.k) | (arm.k is None))]
    for row in [*same.itertuples(), *mine[mine["status"] == "not measured"].itertuples()]:
        predicted = row.status == "predicted"
        median = f" (predicted: {_predicted(results, same)} ms)" if predicted else ""
        return f"{_named(arm)} on {arm.device}: {row.reason}{median}"
    return f"{name} did not time {_named(arm)}: see `latency.candidates` and the system's modes"


def _predicted(results: Results, arm: pd.DataFrame) -> str:
    """The median that the arm's own calls with fewer candidates lead to expect."""
    arm = arm.assign(system=arm["timed_by"])
    calls = results.calls.merge(arm[ARM].drop_duplicates(), on=ARM)
    return milliseconds(float(latencies(calls, arm)["p50"].iloc[0]))


def _doubt(results: Results, dataset: str, device: str) -> float:
    """By what factor every interval on a device is widened: that of two equal arms."""
    here = _rows(results.costs["calls"], dataset, device)
    return paired_ratios.doubt(paired_ratios.noise(here, results.plan["seed"]))


def _how_sure(doubt: float) -> str:
    if math.isinf(doubt):
        return "; no system was timed twice often enough to say how noisy it was"
    return f"; the same system timed twice agreed within a factor of {doubt:.3g}"


def _interval(low: float, high: float) -> str:
    """Bounds as they are written; one that is not known is a dash."""
    ends = [significant(end) if 0 < end < math.inf else "-" for end in (low, high)]
    return "no interval" if ends == ["-", "-"] else ", ".join(ends)


def _machine(results: Results, dataset: str, device: str) -> str:
    machine = results.cost_facts[dataset, "latency"]["provenance"]["machine"]
    return f"{device} of {machine['processor']}, {machine['cores']} cores"


def memory(asked: Memory, results: Results, _: Stored) -> Found:
    """Megabytes of a process that was started for one system: the median of several."""
    table = projection.with_model_bytes(results.costs["starts"])
    table = table[(table["device"] == asked.device) & (table["mode"] == asked.mode)]
    mine = table[(table["system"] == asked.system) & table[f"{asked.part}_bytes"].notna()]
    mine = mine[mine["dataset"] == mine["dataset"].iloc[0]] if len(mine) else mine
    if mine.empty:
        raise NoValueError(
            f"no process was started for {asked.system} ({asked.mode}) on {asked.device} in "
            f"{results.plan['experiment']}: run it without `--quick`, with `latency.starts` of 1 or more"
        )
    sizes = np.sort(mine[f"{asked.part}_bytes"].to_numpy(dtype=np.float64)) / MB
    value = float(np.median(sizes))
    # Below the median lies each process with a chance of 1/2: all of six or more seldom agree.
    low, high = sizes[[0, -1]].tolist() if len(sizes) >= STARTS else (math.nan, math.nan)
    what = {"model": "that loading added", "peak": "at most in memory"}[asked.part]
    few = "" if len(sizes) >= STARTS else f"; {STARTS} give an interval (`latency.starts`)"
    said = (
        f"{significant(value)} MB [{_interval(low, high)}] {what} for {asked.system} ({asked.mode}), "
        f"processes: {len(sizes)}{few}"
    )
    machine = _machine(results, str(mine["dataset"].iloc[0]), asked.device)
    return bounded(value, low, high, said, machine)
