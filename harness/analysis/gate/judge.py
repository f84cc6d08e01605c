"""Stored results against what was accepted: one judgement a dataset, system and rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.analysis.gate.asked_for import Obstacle
from harness.analysis.gate.baseline import baseline_of
from harness.analysis.gate.baseline_files import Baseline
from harness.analysis.gate.change_tests import SAME, Compared, Verdict, fewest_queries, verdicts
from harness.analysis.gate.changed_settings import CHANGED, changed_facts
from harness.analysis.gate.comparable import Case, docket
from harness.experiment.plan import Plan
from harness.experiment.schema import LatencyRule
from harness.page.text import counted, more_queries
from harness.results.store import Results

JUDGEMENTS = (
    *(
        "dataset",
        "system",
        "metric",
        "margin",
        "status",
        "message",
        "better",
        "run_again",
        "queries",
    ),
    *("accepted", "value", "change", "low", "high", "p", "seen"),
)
"""One row a judgement. `status` is pass, fail, inconclusive, not comparable or not measured. Of
quality `accepted` and `value` are means over the queries, `change` is their difference with its
interval, `seen` the smallest margin that could have been seen. Of latency `accepted` and `value`
are ratios to the yardstick; `change` with its interval, `margin` and `seen` are factors, above 1 is
slower. `run_again` says whether a run is the way out. `p` is that of no loss of the margin after Holm. NaN where nothing was tested."""

NUMBERS = JUDGEMENTS[JUDGEMENTS.index("queries") + 1 :]

MOVED = ("dataset", "system", "metric", "query_id", "accepted", "value", "change")
"""One row a query whose value of a metric changed, those of a judgement from the largest change."""


@dataclass(frozen=True)
class Gate:
    """All judgements of an experiment's results."""

    experiment: str
    judgements: pd.DataFrame
    """Columns JUDGEMENTS."""
    moved: pd.DataFrame
    """Columns MOVED."""
    changed: pd.DataFrame
    """Columns CHANGED: what became different in configuration and versions."""
    accepted: Mapping[str, Any]
    """The facts of the baseline; `reason` and `accepted`, its date, among them."""

    @property
    def status(self) -> Literal["pass", "fail", "no verdict"]:
        """`fail` if any judgement is; `pass` if all are, and there are some."""
        found = set(self.judgements["status"])
        if "fail" in found:
            return "fail"
        return "pass" if found == {"pass"} else "no verdict"


def judge(results: Results, accepted: Baseline, plan: Plan) -> Gate:
    """Every judgement by the rules of the experiment, as `plan` has it now."""
    now = baseline_of(results, plan.experiment)
    cases = docket(results, accepted, now, plan)
    tested = [case for case in cases if case.obstacle is None]
    found = verdicts([_tested(case) for case in tested], results.plan["seed"])
    size = sum(not verdict.unchanged for verdict in found)
    left = iter(found)
    rows = [
        _obstructed(case, case.obstacle) if case.obstacle else _judged(case, next(left), size)
        for case in cases
    ]
    table = pd.DataFrame(rows, columns=list(JUDGEMENTS))
    return Gate(
        plan.experiment.name,
        table.astype(dict.fromkeys(NUMBERS, float)),
        _moved([case for case in tested if not isinstance(case.rule, LatencyRule)]),
        pd.DataFrame(changed_facts(accepted.facts, now.facts), columns=list(CHANGED)),
        accepted.facts,
    )


def _tested(case: Case) -> Compared:
    """Changes of quality as they are; of latency in logarithms, with the sign of a gain in speed."""
    old, new = (side.to_numpy(dtype=np.float64) for side in (case.accepted, case.value))
    if isinstance(case.rule, LatencyRule):
        return Compared(np.log(old) - np.log(new), math.log(case.rule.latency), case.noise)
    return Compared(new - old, case.rule.margin)


def _row(case: Case, **more: Any) -> dict[str, Any]:
    margin = case.rule.latency if isinstance(case.rule, LatencyRule) else case.rule.margin
    name = {"dataset": case.dataset, "system": case.system, "metric": case.metric}
    return {**name, "margin": margin, "better": False, "run_again": False, **more}


def _obstructed(case: Case, obstacle: Obstacle) -> dict[str, Any]:
    found = {"status": obstacle.status, "message": f"{obstacle.reason.rstrip('.')}."}
    return _row(case, **found, run_again=obstacle.run_again, queries=0)


def _judged(case: Case, verdict: Verdict, size: int) -> dict[str, Any]:
    found = {"better": verdict.better, "queries": len(case.value), "p": verdict.p}
    numbers = _factors if isinstance(case.rule, LatencyRule) else _differences
    row = _row(case, status=verdict.outcome, **found, **numbers(case, verdict))
    return row | {"message": _message(case, row, verdict, size)}


def _differences(case: Case, verdict: Verdict) -> dict[str, float]:
    means = {"accepted": case.accepted.mean(), "value": case.value.mean()}
    return means | {name: getattr(verdict, name) for name in ("change", "low", "high", "seen")}


def _factors(case: Case, verdict: Verdict) -> dict[str, float]:
    logs = {
        "accepted": np.log(case.accepted).mean(),
        "value": np.log(case.value).mean(),
        "change": -verdict.change,
        "low": -verdict.high,
        "high": -verdict.low,
        "seen": verdict.seen,
    }
    return {name: math.exp(value) for name, value in logs.items()}


def _message(case: Case, row: Mapping[str, Any], verdict: Verdict, size: int) -> str:
    """What a reader needs to know beside the status, in a sentence or two."""
    if verdict.unchanged:
        return f"all {row['queries']} values are as they were accepted."
    timed = isinstance(case.rule, LatencyRule)
    change = "{:.3g} times" if timed else "{:+.4f}"
    margin, seen = (f"{row[name]:.3g}" + " times" * timed for name in ("margin", "seen"))
    told = f"{change.format(row['change'])} in the mean"
    if not math.isnan(row["low"]):
        told += f" [{', '.join(change.format(row[name]) for name in ('low', 'high'))}]"
    if verdict.outcome == "fail":
        return f"{told}: a loss is shown, and it exceeds {margin}."
    again = " It got better: re-baseline?" if verdict.better else ""
    if verdict.outcome == "pass":
        return f"{told}: a loss of {margin} is ruled out.{again}"
    if timed and math.log(row["margin"]) <= case.noise:
        apart = f"{math.exp(case.noise):.3g} times"
        return f"{told}: equal arms were up to {apart} apart, which leaves no room for {margin}."
    return f"{told}: {_unsettled(row, verdict, seen, margin, size)}{again}"


def _unsettled(row: Mapping[str, Any], verdict: Verdict, seen: str, margin: str, size: int) -> str:
    """The margin that could have been seen, and what the one that was asked for takes."""
    count, fewest = row["queries"], fewest_queries(size)
    if count < 2:
        return "a single query can see no margin at all."
    if count < fewest:
        return (
            f"{counted(count, 'query', 'queries')} can see no margin below {seen} at best; to decide anything a gate "
            f"of this size takes {fewest}."
        )
    more = ""
    if verdict.needed > count:
        more = f"; {margin} takes {more_queries(verdict.needed, count)} like these"
    return f"neither a loss beyond {margin} nor its absence is shown. {counted(count, 'query', 'queries')} can see {seen}{more}."


def _moved(cases: Sequence[Case]) -> pd.DataFrame:
    parts = []
    for case in cases:
        part = pd.DataFrame({"accepted": case.accepted, "value": case.value})
        part["change"] = part["value"] - part["accepted"]
        part = part[part["change"].abs() > SAME].rename_axis("query_id").reset_index()
        order = part["change"].abs().sort_values(ascending=False, kind="stable").index
        name = {"dataset": case.dataset, "system": case.system, "metric": case.metric}
        parts.append(part.loc[order].assign(**name)[list(MOVED)])
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(MOVED))
    return pd.concat(filled, ignore_index=True)
