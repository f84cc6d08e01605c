"""Requests under load -> how many a second, how long they take, and which rate still meets a requirement.

A request is reranking alone, a requirement is of the whole query. So the seconds of a call of
retrieval, made one at a time, are added to those of every request: of the same query where that was
timed, else of one drawn at random. Where none was timed no rate is shown to keep a requirement, though
a request that is too slow by itself misses it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.costs.capacity import capacities
from harness.analysis.statistics.intervals import mean_intervals
from harness.analysis.statistics.percentiles import COLUMNS, MINIMUM, percentile_columns
from harness.page.text import counted, milliseconds, significant
from harness.results.store import Results
from harness.results.terms import terms

STRETCHES = 20
"""Parts of a step, alike in length: what they share widens the intervals."""

BEHIND, SPARE = 0.05, 2
"""A rate is too much for a server that has more than this share of the requests still to answer when
the step ends, and more than a few of them."""

GRACE = "p50"
"""Of the fewest clients: the last requests of a step have so long to be answered."""

OUTCOMES = ("answered", "refused", "failed", "unsent")

LOADS = (
    *("dataset", "system", "loop", "level", "share", "k", "status", "reason", "remark", "requests"),
    *(*OUTCOMES, "queries", "offered", "achieved", "achieved_low", "achieved_high", "first_stage"),
    *(*COLUMNS, "max", "cores", "saturated", "verdict", "why"),
)
"""One row a step. `offered` and `achieved` are requests due, and answered before the step's end, a
second. Percentiles are of seconds from when a request was due, over all requests, with those of
retrieval, whose median is `first_stage` (NaN where it was not timed, and then not in them): one
without an answer counts as never answered, inf. `max` is of those answered. `verdict` is of open steps, `met`,
`missed`, `unknown` or empty without a requirement, `why` what it was missed by."""


class Loads(NamedTuple):
    """What was measured of servers under load on all datasets."""

    steps: pd.DataFrame
    """Columns LOADS."""
    capacities: pd.DataFrame
    """Columns CAPACITIES."""

    def of(self, dataset: str) -> Loads:
        """The same of one dataset."""
        return Loads(*(table[table["dataset"] == dataset] for table in self))


def analyse_load(results: Results) -> Loads:
    """Everything that a report shows of load."""
    requests, steps = results.costs["requests"], results.costs["steps"]
    parts = []
    for name in list(dict.fromkeys(steps["dataset"])) or [""]:
        limit, here = required(results, str(name)), requests[requests["dataset"] == name]
        first = first_stages(results, str(name))
        found = loads(here, steps[steps["dataset"] == name], limit, results.plan["seed"], first)
        parts.append(Loads(found, capacities(found, limit)))
    return Loads(*(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)))


def required(results: Results, dataset: str) -> float:
    """Seconds that the 95th percentile under load may take; NaN where none are required."""
    return terms(results).requirements.p95_ms.get(_device(results, dataset), math.nan) / 1000


def _device(results: Results, dataset: str) -> Any:
    """That of the servers."""
    settings = results.cost_facts.get((dataset, "load"), {}).get("settings", {})
    return settings.get("device", "cpu")


def first_stages(results: Results, dataset: str) -> dict[str, pd.DataFrame]:
    """By system the timed calls of its retrieval on the device of the servers."""
    calls = results.calls
    calls = calls[(calls["dataset"] == dataset) & (calls["device"] == _device(results, dataset))]
    calls = calls[(calls["mode"] == "retrieve") & (calls["copy"] == 0)]
    return {str(system): mine for system, mine in calls.groupby("system", sort=False)}


def loads(
    requests: pd.DataFrame,
    steps: pd.DataFrame,
    limit: float,
    seed: int,
    first_stages: Mapping[str, pd.DataFrame],
) -> pd.DataFrame:
    """Columns LOADS, a row for each of `steps`; `limit` in seconds is NaN where none is required.

    `first_stages` has by system calls of its retrieval, with the columns `columns.CALLS`.
    """
    keys = ["dataset", "system", "loop", "level"]
    sent = dict(list(requests.groupby(keys, sort=False)))
    found: list[dict[str, Any]] = []
    grace: dict[tuple[str, str], float] = {}
    for step in steps.to_dict("records"):
        row = {name: step[name] for name in LOADS[:9]} | {"cores": step["cores"]}
        here = sent.get(tuple(step[key] for key in keys))
        if here is not None:
            added = _added(here["query_id"], first_stages.get(str(step["system"])), seed)
            row |= _counts(here, step["window"]) | _times(here, added)
            row |= _throughput(here, step["window"], seed)
            name = (step["dataset"], step["system"])
            if step["loop"] == "open":
                row["saturated"] = _behind(here, step["window"], grace.get(name, 0.0))
            elif name not in grace:
                grace[name] = _times(here, np.full(len(here), np.nan))[GRACE]
        judged = step["loop"] == "open" and step["status"] == "measured"
        verdict, why = _verdict(row, limit) if judged else ("", "")
        found.append(row | {"verdict": verdict, "why": why})
    numbers = dict.fromkeys(LOADS[LOADS.index("requests") : LOADS.index("saturated")], float)
    table = pd.DataFrame(found, columns=list(LOADS)).astype(numbers)
    return table.assign(saturated=table["saturated"].eq(True))


def _counts(here: pd.DataFrame, window: float) -> dict[str, float]:
    outcomes = here["outcome"].value_counts()
    offered = len(here) / window if window else math.nan
    numbers = {"requests": len(here), "queries": here["query_id"].nunique(), "offered": offered}
    return numbers | {outcome: int(outcomes.get(outcome, 0)) for outcome in OUTCOMES}


def _added(query_ids: pd.Series, calls: pd.DataFrame | None, seed: int) -> NDArray[np.float64]:
    """For each request the seconds of a call of retrieval; NaN where none was timed."""
    if calls is None:
        return np.full(len(query_ids), np.nan)
    rng = np.random.default_rng(seed)
    everyone = calls["seconds"].to_numpy(dtype=np.float64)
    groups = calls.astype({"seconds": float}).groupby("query_id")["seconds"]
    own = {query_id: seconds.to_numpy() for query_id, seconds in groups}
    return np.array([rng.choice(own.get(query_id, everyone)) for query_id in query_ids])


def _times(here: pd.DataFrame, added: NDArray[np.float64]) -> dict[str, float]:
    """Percentiles of the seconds until answers; what never came lies beyond all that did."""
    seconds = here["seconds"].to_numpy(dtype=np.float64) + np.nan_to_num(added)
    most = float(np.nanmax(seconds, initial=0.0))
    never = 10 * max(most, 1.0)  # finite, since how much queries share follows from logarithms
    stretches = np.arange(len(seconds)) * STRETCHES // len(seconds)
    known = np.where(np.isnan(seconds), never, seconds)
    found = percentile_columns(known, here["query_id"], stretches)
    found = {name: math.inf if value > most else value for name, value in found.items()}
    return found | {"max": most or math.nan, "first_stage": float(np.median(added))}


def _throughput(here: pd.DataFrame, window: float, seed: int) -> dict[str, float]:
    """Answers a second, with a bootstrap over STRETCHES equal parts of the window."""
    names = ("achieved", "achieved_low", "achieved_high")
    if not window:
        return dict.fromkeys(names, math.nan)
    done = (here["due"] + here["seconds"]).to_numpy(dtype=np.float64)
    edges = np.linspace(0, window, STRETCHES + 1)
    counts = np.histogram(done[~np.isnan(done)], edges)[0]
    rates: NDArray[np.float64] = counts[:, np.newaxis] * STRETCHES / window
    means = (float(value[0]) for value in mean_intervals(rates, seed))
    return dict(zip(names, means, strict=True))


def _behind(here: pd.DataFrame, window: float, grace: float) -> bool:
    """Whether answers fall behind what is asked, so that they would take ever longer."""
    in_time = here[here["due"] <= window - (grace if math.isfinite(grace) else 0.0)]
    is_open = ~in_time["outcome"].isin(["refused", "failed"])
    late = is_open & ~(in_time["due"] + in_time["seconds"] <= window)
    return int(late.sum()) > max(BEHIND * len(in_time), SPARE)


def _verdict(row: Mapping[str, Any], limit: float) -> tuple[str, str]:
    """Whether a rate meets the requirement, and why not; none meets it with ever more requests."""
    p95 = row["p95"]
    if row["saturated"]:
        rates = f"{significant(row['achieved'])} of {significant(row['offered'])} a second"
        return ("" if math.isnan(limit) else "missed"), f"saturated: {rates} are answered"
    if math.isnan(limit):
        return "", ""
    if p95 <= limit and math.isnan(row["first_stage"]):
        return "unknown", NO_FIRST_STAGE
    if p95 <= limit:
        return "met", ""
    if p95 > limit or row["p50"] > limit:
        return "missed", _too_late(row)
    few = counted(int(row["requests"]), "request is", "requests are")
    return "unknown", f"{few} too few for a p95 (it takes {MINIMUM[95]} that differ)"


NO_FIRST_STAGE = (
    "a request meets it by itself, but how long retrieval takes before it was not measured (block "
    "`latency`)"
)


def _too_late(row: Mapping[str, Any]) -> str:
    if math.inf in (row["p95"], row["p50"]):
        return f"{1 - row['answered'] / row['requests']:.1%} are not answered"
    if math.isnan(row["p95"]):
        return f"the median alone is {milliseconds(row['p50'])} ms"
    return f"p95 is {milliseconds(row['p95'])} ms"
