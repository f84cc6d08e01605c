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
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.analysis.gate.asked_for import OTHER_TIMINGS, Incomparable, other_timings, unanswered
from harness.analysis.gate.baseline_files import KEYS, Baseline
from harness.analysis.gate.relative_latency import arms, is_of, latency_metric, pair
from harness.experiment.plan import Plan
from harness.experiment.rules import RUN_TO_RUN, LatencyRule, QualityRule
from harness.results.store import Results

Rule = QualityRule | LatencyRule

Name = tuple[str, str, str]
"""Dataset, system and metric."""


@dataclass(frozen=True)
class Comparison:
    """What a rule judges of a system on a dataset."""

    name: Name
    rule: Rule
    incomparable: Incomparable | None
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)
    """By `query_id` what was `accepted`, and its `value` now; empty where it cannot be compared."""
    noise: float = 0.0
    """By how much two runs of the same code may differ, in the logarithm of a latency."""

    @property
    def timed(self) -> bool:
        """Whether it is of latency, and not of quality."""
        return isinstance(self.rule, LatencyRule)

    @property
    def margin(self) -> float:
        """The loss that the rule allows, or the factor of a latency."""
        return self.rule.latency if isinstance(self.rule, LatencyRule) else self.rule.margin


def comparisons(
    results: Results, accepted: Baseline, now: Baseline, plan: Plan
) -> list[Comparison]:
    """Everything that the rules judge, in the order of the file; `now` is made of `results`."""
    pairing = _Pairing(results, accepted, now, plan)
    return [one for rule in plan.experiment.gate for one in pairing.comparisons(rule)]


class _Pairing:
    """Both sides, and what of them belongs together."""

    def __init__(self, results: Results, accepted: Baseline, now: Baseline, plan: Plan) -> None:
        self._results = results
        self._facts = (accepted.facts, now.facts)
        self._old, self._new = _by_name(accepted), _by_name(now)
        self._unanswered = unanswered(results, plan)
        self._timed_in = {
            entry["dataset"]: entry["folder"]
            for entry in results.plan["costs"]
            if entry["kind"] == "latency"
        }
        self._other_timings = other_timings(results, plan)
        self._trials = [(trial.dataset.name, trial.system.name) for trial in plan.trials]

    def comparisons(self, rule: Rule) -> Iterator[Comparison]:
        """Of the trials of the experiment, and of those that only the baseline has."""
        if isinstance(rule, LatencyRule):
            yield from self._timed(rule)
            return
        gone = [name[:2] for name in self._old if name[2] == rule.metric]
        for dataset, system in dict.fromkeys([*self._trials, *gone]):
            if rule.covers(dataset, system):
                name = (dataset, system, rule.metric)
                yield self._comparison(name, rule, self._against_quality(name))

    def _timed(self, rule: LatencyRule) -> Iterator[Comparison]:
        """One an arm; one that says so on a dataset where no arm is known."""
        timed = {
            (str(arm.dataset), str(arm.system), latency_metric(rule, str(arm.mode))): arm
            for arm in arms(self._results, rule).itertuples()
        }
        gone = [name for name in self._old if is_of(rule, name[2])]
        names = [name for name in dict.fromkeys([*timed, *gone]) if rule.covers(*name[:2])]
        for dataset in dict.fromkeys(name for name, _ in self._trials):
            here = [name for name in names if name[0] == dataset]
            for name in here:
                against = self._against_latency(name, rule, timed.get(name))
                yield self._comparison(name, rule, against)
            if not here and rule.on(dataset):
                none = Incomparable("not measured", "no such latency was measured", run_again=True)
                yield Comparison((dataset, "every reranker", latency_metric(rule, "")), rule, none)

    def _comparison(self, name: Name, rule: Rule, against: Iterator[Incomparable]) -> Comparison:
        """With the first reason against it, or with both sides' values of the same queries."""
        incomparable = next(against, None)
        if incomparable:
            return Comparison(name, rule, incomparable)
        sides = {"accepted": self._old[name], "value": self._new[name]}
        pairs = pd.concat(sides, axis=1, join="inner")
        noise = self._noise(name[0], rule) if isinstance(rule, LatencyRule) else 0.0
        return Comparison(name, rule, None, pairs, noise)

    def _noise(self, dataset: str, rule: LatencyRule) -> float:
        """How far equal arms were apart on the worse side, and no less than RUN_TO_RUN."""
        sides = [facts["latency"][dataset]["equal_arms"] for facts in self._facts]
        here = pair(rule.device, rule.k)
        return math.log(max(RUN_TO_RUN, *(side[here] for side in sides)))

    def _against_quality(self, name: Name) -> Iterator[Incomparable]:
        if name[0] in self._results.unjudged:
            yield Incomparable("not measured", f"nothing on {name[0]} is judged")
        yield from self._absent(name)
        yield from self._other_data(name)
        old, new = (facts["trials"][name[0]][name[1]] for facts in self._facts)
        if all(old.get(key) != new.get(key) for key in ("first", "candidates")):
            yield Incomparable("not comparable", "its candidates come from another first stage")
        if set(self._old[name].index) != set(self._new[name].index):
            yield Incomparable("not comparable", "its values are not of the same queries")

    def _absent(self, name: Name) -> Iterator[Incomparable]:
        dataset, system, metric = name
        if (dataset, system) not in self._trials:
            yield Incomparable("not measured", "it is no longer in the experiment")
        if (dataset, system) in self._unanswered:
            yield self._unanswered[dataset, system]
        if name not in self._new:
            why = f"it has no {metric}: run the experiment again"
            yield Incomparable("not measured", why, run_again=True)
        if name not in self._old:
            yield Incomparable("not comparable", f"the baseline has no {metric} for it")

    def _other_data(self, name: Name) -> Iterator[Incomparable]:
        dataset, system, _ = name
        old, new = (facts["trials"][dataset][system]["fingerprint"] for facts in self._facts)
        then, now = (facts["datasets"][dataset] for facts in self._facts)
        if old != new:
            counts = [
                f"{what} {then[what]:,} -> {now[what]:,}"
                for what in ("documents", "queries", "judgements")
                if then[what] != now[what]
            ]
            why = ", ".join(counts) or "their numbers are the same, their content is not"
            yield Incomparable(
                "not comparable", f"documents, queries or judgements of {dataset} changed ({why})"
            )
        was, are = (side.get("judged") for side in (then, now))
        if was is not None and was != are:  # None: accepted before sources were stored
            whose = f"{_judged(was)} -> {_judged(are)}"
            yield Incomparable(
                "not comparable", f"judgments of {dataset} have other sources: {whose}"
            )

    def _against_latency(self, name: Name, rule: LatencyRule, arm: Any) -> Iterator[Incomparable]:
        dataset = name[0]
        if dataset in self._other_timings:
            yield Incomparable("not comparable", f"{OTHER_TIMINGS}: run again", run_again=True)
        if arm is not None and arm.status != "measured":
            yield Incomparable("not measured", f"{arm.status}: {arm.reason}", run_again=True)
        yield from self._absent(name)
        yield from self._other_data(name)
        yield from self._noisy(dataset, rule)
        if self._old[name].index.intersection(self._new[name].index).empty:
            yield Incomparable("inconclusive", "no query was timed both then and now")

    def _noisy(self, dataset: str, rule: LatencyRule) -> Iterator[Incomparable]:
        """Another machine, or one on which one system timed twice took unequal times."""
        old, new = (dict(facts["latency"][dataset]) for facts in self._facts)
        here = pair(rule.device, rule.k)
        was_quiet, is_quiet = (here in side.pop("equal_arms") for side in (old, new))
        if old != new:
            differing = [f"{key} {old[key]} -> {new[key]}" for key in old if old[key] != new[key]]
            yield Incomparable("not comparable", f"another machine ({', '.join(differing)})")
        unequal = "the same system timed twice took unequal times"
        if not was_quiet:
            yield Incomparable(
                "inconclusive", f"{unequal} when it was accepted: accept a quiet run"
            )
        if not is_quiet:
            again = f"delete {self._timed_in[dataset]} below these results and run again"
            yield Incomparable("inconclusive", f"{unequal} now: {again}", run_again=True)


def _judged(by: Mapping[str, int]) -> str:
    """How many judgments come from which source."""
    return (
        ", ".join(f"{count:,} {source}" for source, count in by.items())
        or "no journal of judgments"
    )


def _by_name(baseline: Baseline) -> dict[Name, pd.Series]:
    """The values by query id."""
    groups = baseline.table.set_index("query_id").groupby(list(KEYS[:3]), sort=False)["value"]
    return {(str(name[0]), str(name[1]), str(name[2])): group for name, group in groups}
