"""What was measured, laid out for decisions under many workloads, and the options that it leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from harness.analysis.costs.measured import CostAnalysis, arm_needs, whole_calls
from harness.analysis.costs.projection import ArmNeeds
from harness.analysis.costs.vector_bytes import configurations
from harness.analysis.statistics import paired_ratios
from harness.analysis.statistics.paired_ratios import Ratio
from harness.analysis.statistics.tail import Tail, tail
from harness.experiment.decision_terms import Workload
from harness.results.costs import timed_itself
from harness.results.store import Results

FLY = "on the fly"

UNKNOWN = Ratio(math.nan, math.nan, math.nan)

Place = tuple[str, str]
"""A dataset and a device."""

Arm = tuple[str, str, int]
"""A system, a mode and k."""


class Option(NamedTuple):
    """A system in one mode of those in `columns.CALLS`."""

    system: str
    mode: str

    @property
    def name(self) -> str:
        """The system's name; encoding documents with every query is said with it."""
        return f"{self.system}, {FLY}" if self.mode == FLY else self.system


@dataclass(frozen=True)
class Measurements:
    """The results of an experiment and their costs; every table that is made of them is made once."""

    results: Results
    costs: CostAnalysis
    _ratios: dict[tuple[Place, Arm, Arm], Ratio] = field(default_factory=dict, compare=False)

    @cached_property
    def datasets(self) -> Sequence[str]:
        """In the order of the experiment."""
        return list(map(str, dict.fromkeys(self.results.trials["dataset"])))

    @cached_property
    def configs(self) -> Mapping[str, Mapping[str, Any]]:
        """By system its configuration."""
        return configurations(self.results)

    @cached_property
    def whole(self) -> Mapping[tuple[str, str, str, str], Mapping[int, Any]]:
        """Rows of END_TO_END by dataset, device, system and mode, then by k."""
        found: dict[tuple[str, str, str, str], dict[int, Any]] = {}
        for row in self.costs.end_to_end.itertuples(index=False):
            key = (row.dataset, row.device, row.system, row.mode)
            found.setdefault(key, {})[int(row.k)] = row
        return found

    @cached_property
    def sizes(self) -> Mapping[tuple[str, str, str], Sequence[tuple[float, str]]]:
        """By dataset, system and holder, of each part its GB per million documents, or NaN and why."""
        found: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
        columns = ("dataset", "system", "holder", "gb_per_million_documents", "unknown")
        for *key, size, unknown in zip(*(self.costs.vector_bytes[c] for c in columns), strict=True):
            found.setdefault(tuple(key), []).append((float(size), unknown))
        return found

    @cached_property
    def trained_from(self) -> Mapping[str, str]:
        """By trained model what it was made from."""
        facts = self.results.facts.values()
        return {x["reference"]: x["base"] for one in facts for x in one.get("trainings", ())}

    @cached_property
    def doubts(self) -> paired_ratios.Doubts:
        """How noisy the machine was."""
        return paired_ratios.doubts(self.costs.noise)

    def doubt(self, device: str) -> float:
        """By what factor equal arms differed on the device, on the dataset where that is most."""
        return max((self.doubts.get((name, device), math.inf) for name in self.datasets), default=1)

    @cached_property
    def calls(self) -> Mapping[Place, Mapping[Arm, pd.DataFrame]]:
        """The timed calls of whole queries."""
        places = dict.fromkeys(key[:2] for key in self.whole)
        return {place: whole_calls(self.results, *place) for place in places}

    @cached_property
    def tails(self) -> Mapping[Place, Mapping[Arm, Tail]]:
        """The tails of whole queries in ms."""
        planned = {name: self.setting(name, "rounds", math.inf) for name in self.datasets}
        return {
            place: {
                arm: tail(1000 * one["seconds"], one["query_id"], one["round"] < planned[place[0]])
                for arm, one in calls.items()
            }
            for place, calls in self.calls.items()
        }

    @cached_property
    def arms(self) -> Mapping[str, Sequence[ArmNeeds]]:
        """By dataset what a workload multiplies."""
        return {name: arm_needs(self.costs, name) for name in self.datasets}

    def setting(self, dataset: str, name: str, without: float) -> float:
        """A setting that latency was measured with."""
        facts = self.results.cost_facts.get((dataset, "latency"), {})
        return float(facts.get("settings", {}).get(name, without))

    def timed(self, dataset: str, device: str, option: Option, load: Workload | None) -> Any | None:
        """The row of END_TO_END at the workload's candidates, without a workload at the most timed."""
        by_k = self.whole.get((dataset, device, *option), {})
        if load is not None and option.mode != "retrieve":
            return by_k.get(load.candidates)
        measured = [k for k, row in by_k.items() if row.status == "measured"]
        return by_k[max(measured or by_k)] if by_k else None

    def served(self) -> list[Option]:
        """Every system as it would be served, in the order of the experiment.

        Late interaction is served from vectors made beforehand, unless its configuration says
        otherwise: encoding documents with every query is another option (`on_the_fly`).
        """
        timed: dict[str, list[str]] = {}
        whole = self.costs.end_to_end[["system", "mode"]].drop_duplicates()
        for system, mode in whole.itertuples(index=False):
            timed.setdefault(str(system), []).append(str(mode))
        return [
            Option(system, _serving(timed.get(system, ()), self.configs.get(system, {})))
            for system in map(str, dict.fromkeys(self.results.trials["system"]))
        ]

    def on_the_fly(self) -> list[Option]:
        """The systems that were timed on the fly and would not be served so.

        Of systems that share an arm there is only the one that was timed: on the fly they differ in
        what they would store, which is nothing.
        """
        whole = timed_itself(self.costs.end_to_end)
        timed = set(whole[whole["mode"] == FLY]["system"])
        served = [one for one in self.served() if one.mode != FLY]
        return [Option(one.system, FLY) for one in served if one.system in timed]

    def pace(self, one: Option, other: Option, device: str, load: Workload | None) -> Ratio:
        """How many times as long the one takes, on the dataset where that may be most.

        Of calls of the same query in the same round, the bounds widened by what two equal arms
        differed by. NaN where one was not timed on every dataset; without bounds where no two equal
        arms tell how noisy the machine was.
        """
        found = [self._pace_on((name, device), one, other, load) for name in self.datasets]
        unknown = [ratio for ratio in found if math.isnan(ratio.high)]
        return max(unknown[:1] or found, key=lambda ratio: ratio.high, default=UNKNOWN)

    def _pace_on(self, place: Place, one: Option, other: Option, load: Workload | None) -> Ratio:
        rows = [self.timed(*place, option, load) for option in (one, other)]
        ks = [int(row.k) for row in rows if row is not None and row.status == "measured"]
        if len(ks) < 2:
            return UNKNOWN
        pair = (*one, ks[0]), (*other, ks[1])
        if (place, *pair) not in self._ratios:
            self._ratios[place, *pair] = self._ratio(place, *pair)
        return self._ratios[place, *pair]

    def _ratio(self, place: Place, one: Arm, other: Arm) -> Ratio:
        names = ["round", "query_id", "seconds"]
        nothing = pd.DataFrame(columns=names)
        mine, theirs = (self.calls[place].get(arm, nothing)[names] for arm in (one, other))
        pairs = mine.merge(theirs, on=names[:2])
        if pairs.empty:
            return UNKNOWN
        shares = pairs["seconds_x"].astype(float) / pairs["seconds_y"].astype(float)
        seed = self.results.plan["seed"]
        found = paired_ratios.geometric_mean(shares, pairs["query_id"], seed)
        return found.widened(self.doubts.get(place, math.inf))


def _serving(timed: Sequence[str], config: Mapping[str, Any]) -> str:
    """By its configuration, else by what was timed."""
    reranker = config.get("reranker") or {}
    if reranker.get("use") in ("late_interaction", "hybrid"):
        return FLY if reranker.get("documents") == "on_the_fly" else "precomputed"
    beside = [mode for mode in timed if mode != FLY]
    return next(iter([*beside, *timed]), "rerank" if reranker else "retrieve")
