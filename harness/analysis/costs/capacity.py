"""At which rate of requests a server still meets a requirement, and whether the client was what limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.page.text import milliseconds, significant

CAPACITIES = ("dataset", "system", "status", "limit", "rate", "p95", "unanswered", "above", "said")
"""One row a system: the highest `rate` a second that was tried and has its 95th percentile within
`limit` seconds, with the share that was not answered at it, and the rate tried `above` it that does not.
`status` is `met`, `none`, `unknown`, `no requirement` or `not measured`."""


def capacities(loads: pd.DataFrame, limit: float) -> pd.DataFrame:
    """Columns CAPACITIES, a row a system of `loads` that is on a server, in their order."""
    rows = []
    served = loads[loads["loop"] != ""]
    for (dataset, system), group in served.groupby(["dataset", "system"], sort=False):
        name = {"dataset": dataset, "system": system, "limit": limit}
        rows.append(name | _capacity(str(system), group, limit))
    table = pd.DataFrame(rows, columns=list(CAPACITIES))
    return table.astype(dict.fromkeys(("limit", "rate", "p95", "unanswered", "above"), float))


def _capacity(system: str, group: pd.DataFrame, limit: float) -> dict[str, Any]:
    undone = group[group["status"] != "measured"]
    if len(undone):
        first = undone.iloc[0]
        word = "failed" if first["status"] == "failed" else "was not measured"
        reason = str(first["reason"]).rstrip(".")
        return {"status": "not measured", "said": f"{system} under load {word}: {reason}."}
    tried = group[group["loop"] == "open"].sort_values("level", kind="stable")
    if math.isnan(limit):
        return {"status": "no requirement", "said": _without_limit(system, group, tried)}
    missed = tried[tried["verdict"] == "missed"]
    least = missed["level"].min() if len(missed) else math.inf
    met = tried[(tried["verdict"] == "met") & (tried["level"] < least)]
    allowed = f"{milliseconds(limit)} ms"
    if met.empty:
        return _none(system, tried, missed, allowed)
    best = met.iloc[-1]
    unanswered = 1 - best["answered"] / best["requests"]
    also = f", {unanswered:.1%} unanswered," if unanswered else ""
    return {
        "status": "met",
        "rate": best["offered"],
        "p95": best["p95"],
        "unanswered": unanswered,
        "above": missed.iloc[0]["offered"] if len(missed) else math.nan,
        "said": (
            f"{system} answers within {allowed} (p95) up to {significant(best['offered'])} requests a second "
            f"({milliseconds(best['p95'])} ms{_bounds(best)}{also} with {best['k']:.0f} candidates, of "
            f"which retrieval takes {milliseconds(best['first_stage'])} ms at the median); "
            f"{_above(tried, best, missed)}"
        ),
    }


def _bounds(row: Any) -> str:
    bounds = (row["p95_low"], row["p95_high"])
    low, high = ("-" if math.isnan(value) else milliseconds(value) for value in bounds)
    return f" [{low}, {high}]"


def _above(tried: pd.DataFrame, best: Any, missed: pd.DataFrame) -> str:
    """What was tried above the best rate."""
    if len(missed):
        first = missed.iloc[0]
        return f"at the next rate, {significant(first['offered'])}, {first['why']}."
    above = tried[tried["level"] > best["level"]]
    if len(above):
        return f"higher ones are open: {above.iloc[0]['why']}."
    return "no higher rate was tried."


def _none(system: str, tried: pd.DataFrame, missed: pd.DataFrame, allowed: str) -> dict[str, Any]:
    if missed.empty:
        why = tried.iloc[0]["why"]
        said = f"{system}: unknown whether it answers within {allowed} at any rate: {why}."
        return {"status": "unknown", "said": said}
    first = missed.iloc[0]
    return {
        "status": "none",
        "above": first["offered"],
        "said": (
            f"{system} answers within {allowed} (p95) at none of the rates; at "
            f"{significant(first['offered'])} requests a second {first['why']}."
        ),
    }


def _without_limit(system: str, group: pd.DataFrame, tried: pd.DataFrame) -> str:
    closed = group[group["loop"] == "closed"]
    best = closed.loc[closed["achieved"].idxmax()]
    said = (
        f"{system} answers up to {significant(best['achieved'])} requests a second "
        f"({best['level']:.0f} clients, {best['k']:.0f} candidates). No requirement limits p95, so no rate "
        "is too high"
    )
    behind = tried[tried["saturated"]]
    if len(behind):
        said += f" but from {significant(behind['offered'].iloc[0])} on, where answers fall behind"
    return f"{said}."


def warnings(table: pd.DataFrame, facts: Mapping[str, Any]) -> Iterator[str]:
    """Where the client may be what limits: it should be able to do far more than it was asked."""
    reached = {one["clients"]: one["per_second"] for one in facts.get("ceiling", ())}
    most = max(reached.values(), default=math.inf)
    for system, rows in table[table["loop"] == "closed"].groupby("system", sort=False):
        best = rows["achieved"].max()
        if best > most / 2:
            yield (
                f"{system}: {significant(best)} requests a second are more than half of the "
                f"{significant(most)} that this client can send, so the client may be the limit."
            )
