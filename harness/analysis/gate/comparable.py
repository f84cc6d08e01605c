"""What a gate judges: the values of both sides, or why they cannot be compared.

Compared are values of the same queries over the same data. What must be the same for that, and is
not comparable where it is not:

- the dataset's fingerprint, a hash of every document, query and judgement;
- for a system that reranks, its candidates: made by the same first stage (whose key is a hash of
  its settings, its models' files, its depth and its data), or the very same lists. Lists of the same
  first stage may differ in the order of near-ties from one processor to the next; what that does to
  the ranking is judged like any other change. Of another first stage, a difference would not be
  the reranker's: the first stage is judged where a system stands for it, the reranker anew;
- for latency, the machine and its number of threads.

Before that, what the file asks for now must be what was measured (`asked_for`): results of other
files or settings belong to another question. What has no result, because its trial failed or was
not run, is not measured: no regression and no pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.gate import relative_latency
from harness.analysis.gate.asked_for import OTHER_COSTS, Obstacle, obstacles, other_costs
from harness.analysis.gate.baseline_files import Baseline
from harness.experiment.plan import Plan
from harness.experiment.schema import RUN_TO_RUN, LatencyRule, QualityRule
from harness.results.store import Results

Rule = QualityRule | LatencyRule


@dataclass(frozen=True)
class Case:
    """Something to be judged."""

    dataset: str
    system: str
    metric: str
    rule: Rule
    obstacle: Obstacle | None
    accepted: pd.Series
    """By query id what was accepted; empty where there is an obstacle."""
    value: pd.Series
    """The same queries now."""
    noise: float = 0.0
    """By how much two runs of the same code may differ, in the logarithm of a latency."""


def docket(results: Results, accepted: Baseline, now: Baseline, plan: Plan) -> list[Case]:
    """Everything that the rules judge, in the order of the file; `now` is made of `results`."""
    return list(_Clerk(results, accepted, now, plan).cases())


class _Clerk:
    """Both sides at hand."""

    def __init__(self, results: Results, accepted: Baseline, now: Baseline, plan: Plan) -> None:
        self._results, self._rules = results, plan.experiment.gate
        self._facts = (accepted.facts, now.facts)
        self._old, self._new = _by_name(accepted), _by_name(now)
        self._obstacles = obstacles(results, plan)
        self._timed_in = {
            entry["dataset"]: entry["folder"]
            for entry in results.plan["costs"]
            if entry["kind"] == "latency"
        }
        self._other_costs = other_costs(results, plan, "latency")
        self._names = [(trial.dataset.name, trial.system.name) for trial in plan.trials]

    def cases(self) -> Iterator[Case]:
        for rule in self._rules:
            if isinstance(rule, QualityRule):
                for name in self._covered(rule, rule.metric):
                    yield self._case(*name, rule.metric, rule, self._of_quality(*name, rule.metric))
            else:
                yield from self._timed(rule)

    def _covered(self, rule: Rule, metric: str) -> list[tuple[str, str]]:
        """The trials of the experiment, and those that only the baseline has."""
        gone = [(dataset, system) for dataset, system, name in self._old if name == metric]
        return [name for name in dict.fromkeys([*self._names, *gone]) if rule.covers(*name)]

    def _case(
        self, dataset: str, system: str, metric: str, rule: Rule, obstacle: Obstacle | None
    ) -> Case:
        nothing = pd.Series(dtype=float)
        if obstacle is not None:
            return Case(dataset, system, metric, rule, obstacle, nothing, nothing)
        name = (dataset, system, metric)
        old, new = self._old[name].align(self._new[name], join="inner")
        noise = self._noise(dataset, rule) if isinstance(rule, LatencyRule) else 0.0
        return Case(*name, rule, None, old, new, noise)

    def _noise(self, dataset: str, rule: LatencyRule) -> float:
        """How far equal arms were apart on the worse side, and no less than RUN_TO_RUN."""
        sides = [facts["latency"][dataset]["equal_arms"] for facts in self._facts]
        here = relative_latency.pair(rule.device, rule.k)
        return math.log(max(RUN_TO_RUN, *(side[here] for side in sides)))

    def _of_quality(self, dataset: str, system: str, metric: str) -> Obstacle | None:
        found = self._absent(dataset, system, metric)
        found = (
            found or self._other_data(dataset, system) or self._other_candidates(dataset, system)
        )
        if found is not None:
            return found
        old, new = (side[dataset, system, metric] for side in (self._old, self._new))
        if set(old.index) != set(new.index):
            return Obstacle("not comparable", "its values are not of the same queries")
        return None

    def _absent(self, dataset: str, system: str, metric: str) -> Obstacle | None:
        if (dataset, system) not in self._names:
            return Obstacle("not measured", "it is no longer in the experiment")
        if (dataset, system) in self._obstacles:
            return self._obstacles[dataset, system]
        if (dataset, system, metric) not in self._new:
            return Obstacle(
                "not measured",
                f"there is no {metric} of it: run the experiment again",
                run_again=True,
            )
        if (dataset, system, metric) not in self._old:
            return Obstacle("not comparable", f"the baseline has no {metric} of it")
        return None

    def _other_data(self, dataset: str, system: str) -> Obstacle | None:
        old, new = self._trials(dataset, system)
        if old["fingerprint"] == new["fingerprint"]:
            return None
        then, now = (facts["datasets"][dataset] for facts in self._facts)
        counts = [
            f"{name} {then[name]:,} -> {now[name]:,}"
            for name in ("documents", "queries", "judgements")
            if then[name] != now[name]
        ]
        told = ", ".join(counts) or "their numbers are the same, their content is not"
        return Obstacle(
            "not comparable", f"documents, queries or judgements of {dataset} changed ({told})"
        )

    def _other_candidates(self, dataset: str, system: str) -> Obstacle | None:
        old, new = self._trials(dataset, system)
        same = [old.get(key) == new.get(key) for key in ("first", "candidates")]
        if any(same):
            return None
        return Obstacle("not comparable", "its candidates come from another first stage")

    def _trials(self, dataset: str, system: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        old, new = (facts["trials"][dataset][system] for facts in self._facts)
        return old, new

    def _timed(self, rule: LatencyRule) -> Iterator[Case]:
        """A case an arm; one that says so on a dataset where no arm is known."""
        table = relative_latency.arms(self._results, rule)
        arms = {
            (
                str(arm.dataset),
                str(arm.system),
                relative_latency.latency_metric(rule, str(arm.mode)),
            ): arm
            for arm in table.itertuples()
        }
        any_mode = relative_latency.latency_metric(rule, "")
        gone = [name for name in self._old if relative_latency.is_of(rule, name[2])]
        names = [name for name in dict.fromkeys([*arms, *gone]) if rule.covers(*name[:2])]
        for dataset in dict.fromkeys(name for name, _ in self._names):
            here = [name for name in names if name[0] == dataset]
            for name in here:
                yield self._case(*name, rule, self._of_latency(*name, rule, arms.get(name)))
            if not here and rule.on(dataset):
                none = Obstacle("not measured", "no such latency was measured", run_again=True)
                yield self._case(dataset, "every reranker", any_mode, rule, none)

    def _of_latency(
        self, dataset: str, system: str, metric: str, rule: LatencyRule, arm: Any
    ) -> Obstacle | None:
        found = (
            self._untimed(dataset, arm)
            or self._absent(dataset, system, metric)
            or self._other_data(dataset, system)
            or self._noisy(dataset, rule)
        )
        if found is not None:
            return found
        timed = [side[dataset, system, metric].index for side in (self._old, self._new)]
        if timed[0].intersection(timed[1]).empty:
            return Obstacle("inconclusive", "no query was timed then and now")
        return None

    def _untimed(self, dataset: str, arm: Any) -> Obstacle | None:
        if dataset in self._other_costs:
            return Obstacle("not comparable", f"{OTHER_COSTS}: run again", run_again=True)
        if arm is not None and arm.status != "measured":
            return Obstacle("not measured", f"{arm.status}: {arm.reason}", run_again=True)
        return None

    def _noisy(self, dataset: str, rule: LatencyRule) -> Obstacle | None:
        """Another machine, or one on which equal arms took unequal times."""
        old, new = (dict(facts["latency"][dataset]) for facts in self._facts)
        here = relative_latency.pair(rule.device, rule.k)
        was_quiet, is_quiet = (here in side.pop("equal_arms") for side in (old, new))
        if old != new:
            differ = [f"{key} {old[key]} -> {new[key]}" for key in old if old[key] != new[key]]
            return Obstacle("not comparable", f"another machine ({', '.join(differ)})")
        told = "equal arms took unequal times"
        if not was_quiet:
            return Obstacle("inconclusive", f"{told} when it was accepted: accept a quiet run")
        if not is_quiet:
            again = f"delete {self._timed_in[dataset]} below these results and run again"
            return Obstacle("inconclusive", f"{told} now: {again}", run_again=True)
        return None


def _by_name(baseline: Baseline) -> dict[tuple[str, str, str], pd.Series]:
    """The values of each dataset, system and metric by query id."""
    groups = baseline.table.groupby(["dataset", "system", "metric"], sort=False)
    return {
        (str(name[0]), str(name[1]), str(name[2])): group.set_index("query_id")["value"]
        for name, group in groups
    }
