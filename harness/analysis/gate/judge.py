"""Stored results against what was accepted: one judgement a dataset, system and rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from harness.analysis.gate.baseline import baseline_of
from harness.analysis.gate.baseline_files import Baseline
from harness.analysis.gate.change_tests import (
    SAME,
    Changes,
    ChangeVerdict,
    fewest_queries,
    verdicts,
)
from harness.analysis.gate.changed_settings import Changed, changed_facts
from harness.analysis.gate.comparable import Comparison, comparisons
from harness.analysis.gate.relative_latency import is_latency
from harness.experiment.plan import Plan
from harness.page.text import counted, interval, more_queries, number
from harness.results.store import Results

GRAVEST_FIRST = ("fail", "not measured", "not comparable", "inconclusive", "pass")


@dataclass(frozen=True)
class Judgement:
    """What is said of a system on a dataset by one rule; numbers are NaN where nothing was tested.

    Of quality `margin`, `change` and `seen` are differences of means over queries. Of latency they
    are factors, above 1 is slower, and `accepted` and `value` are ratios to the yardstick.
    """

    dataset: str
    system: str
    metric: str
    margin: float
    status: str
    """One of GRAVEST_FIRST."""
    message: str
    """What a reader needs to know beside the status."""
    better: bool = False
    run_again: bool = False
    """Whether a run is the way out."""
    accepted: float = math.nan
    value: float = math.nan
    change: float = math.nan
    low: float = math.nan
    high: float = math.nan
    """Bounds of the change's interval."""
    p: float = math.nan
    """That of no loss of the margin, after Holm."""
    seen: float = math.nan
    """The smallest margin that could have been seen."""
    moved: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns `query_id`, `accepted`, `value` and `change`: one row a query whose value changed, from
    the largest change. Nothing of a latency."""

    @property
    def name(self) -> str:
        """What is judged."""
        return f"{self.system} on {self.dataset}, {self.metric}"

    @property
    def verdict(self) -> str:
        """The status, and whether a gain is shown."""
        return self.status + ", better" * self.better

    @property
    def numbers(self) -> tuple[str, str, str, str]:
        """What was accepted, what is now, the change, and its interval: empty where there is none.

        As they are written: differences of quality, factors of latency.
        """
        timed = is_latency(self.metric)
        value, change = (".3f", ".3f") if timed else (".4f", "+.4f")
        means = number(self.accepted, value), number(self.value, value)
        if self.low == self.high == (1.0 if timed else 0.0):
            return *means, "unchanged", ""
        return *means, number(self.change, change), interval(self.low, self.high, change, "")


@dataclass(frozen=True)
class Gate:
    """All judgements of an experiment's results."""

    experiment: str
    judgements: Sequence[Judgement]
    changed: Sequence[Changed]
    """What became different in configuration and versions."""
    accepted: Mapping[str, Any]
    """The facts of the baseline; `reason` and `accepted`, its date, among them."""

    @property
    def status(self) -> Literal["pass", "fail", "no verdict"]:
        """`fail` if any judgement is; `pass` if all are, and there are some."""
        found = {one.status for one in self.judgements}
        if "fail" in found:
            return "fail"
        return "pass" if found == {"pass"} else "no verdict"

    @property
    def tally(self) -> str:
        """How many judgements there are of each status, the gravest first."""
        found = [one.status for one in self.judgements]
        counts = [f"{found.count(name)} {name}" for name in GRAVEST_FIRST if name in found]
        return ", ".join(counts) or "nothing was judged"

    @property
    def remarkable(self) -> list[Judgement]:
        """Those whose message a reader needs: what is not a pass, and what got better."""
        return [one for one in self.judgements if one.verdict != "pass"]


def judge(results: Results, accepted: Baseline, plan: Plan) -> Gate:
    """Every judgement by the rules of the experiment, as `plan` has it now."""
    now = baseline_of(results, plan.experiment)
    compared = comparisons(results, accepted, now, plan)
    changes = [_changes(one) for one in compared if not one.incomparable]
    found = verdicts(changes, results.plan["seed"])
    size = sum(not verdict.unchanged for verdict in found)
    left = iter(found)
    judgements = []
    for one in compared:
        if one.incomparable:
            status, reason, again = one.incomparable
            message = f"{reason.rstrip('.')}."
            judged = Judgement(*one.name, one.margin, status, message, run_again=again)
        else:
            judged = _judged(one, next(left), size)
        judgements.append(judged)
    changed = changed_facts(accepted.facts, now.facts)
    return Gate(plan.experiment.name, judgements, changed, accepted.facts)


def _changes(one: Comparison) -> Changes:
    """Changes of quality as they are; of latency in logarithms, with the sign of a gain in speed."""
    old, new = one.pairs[["accepted", "value"]].to_numpy(dtype=np.float64).T
    if one.timed:
        return Changes(np.log(old) - np.log(new), math.log(one.margin), one.noise)
    return Changes(new - old, one.margin)


def _judged(one: Comparison, verdict: ChangeVerdict, size: int) -> Judgement:
    numbers = _numbers(one, verdict)
    return Judgement(
        *one.name,
        one.margin,
        verdict.outcome,
        _message(one, numbers, verdict, size),
        better=verdict.better,
        p=verdict.p,
        moved=pd.DataFrame() if one.timed else _moved(one),
        **numbers,
    )


def _numbers(one: Comparison, verdict: ChangeVerdict) -> dict[str, Any]:
    if not one.timed:
        changes = {name: getattr(verdict, name) for name in ("change", "low", "high", "seen")}
        return {**one.pairs.mean(), **changes}
    logs = {**np.log(one.pairs).mean()}
    logs |= {"change": -verdict.change, "low": -verdict.high, "high": -verdict.low}
    return {name: math.exp(value) for name, value in (logs | {"seen": verdict.seen}).items()}


def _message(
    one: Comparison, numbers: Mapping[str, float], verdict: ChangeVerdict, size: int
) -> str:
    """What a reader needs to know beside the status, in a sentence or two."""
    if verdict.unchanged:
        return f"all {len(one.pairs)} values are the accepted ones."
    change = "{:.3g} times" if one.timed else "{:+.4f}"
    margin, seen = (f"{x:.3g}" + " times" * one.timed for x in (one.margin, numbers["seen"]))
    mean = f"{change.format(numbers['change'])} in the mean"
    if not math.isnan(verdict.low):
        mean += f" [{', '.join(change.format(numbers[name]) for name in ('low', 'high'))}]"
    if verdict.outcome == "fail":
        return f"{mean}: a loss of more than {margin}."
    again = " It got better: re-baseline?" if verdict.better else ""
    if verdict.outcome == "pass":
        return f"{mean}: a loss of {margin} is ruled out.{again}"
    if one.timed and math.log(one.margin) <= one.noise:
        apart = f"{math.exp(one.noise):.3g} times"
        return (
            f"{mean}: the same system timed twice differed up to {apart}, too much to see {margin}."
        )
    return f"{mean}: {_unsettled(len(one.pairs), verdict, seen, margin, size)}{again}"


def _unsettled(count: int, verdict: ChangeVerdict, seen: str, margin: str, size: int) -> str:
    """The margin that could have been seen, and what the one that was asked for takes."""
    if count < 2:
        return "a single query cannot detect any loss."
    queries = counted(count, "query")
    if count < (fewest := fewest_queries(size)):
        return (
            f"{queries} can only detect losses of {seen} or more at best; a gate of this size "
            f"needs {fewest} to decide anything."
        )
    more = ""
    if verdict.needed > count:
        more = f"; {margin} takes {more_queries(verdict.needed, count)} like these"
    return f"{queries} can only detect losses of {seen} or more{more}."


def _moved(one: Comparison) -> pd.DataFrame:
    table = one.pairs.assign(change=one.pairs["value"] - one.pairs["accepted"])
    table = table[table["change"].abs() > SAME].rename_axis("query_id").reset_index()
    return table.sort_values("change", key=abs, ascending=False, kind="stable")
