"""What is open of a dataset's latency while it is measured, and would change what is decided.

More calls are worth their time for an arm whose requirement they would settle, or whose pace beside
the best, and that could still be adopted or kept: its gain is shown or undecided (or other datasets
are still to tell), nothing calls its measurement invalid, and no requirement rules it out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.analysis.costs.measured import analyse_costs
from harness.analysis.costs.vector_bytes import storage_per_document
from harness.analysis.decision.amounts import Quantity
from harness.analysis.decision.choose import DecisionInput, choose
from harness.analysis.decision.estimated_gains import gains_of
from harness.analysis.decision.gains import Gains
from harness.analysis.decision.measurements import Measurements, Option, Place
from harness.analysis.decision.recommend import decision_input
from harness.analysis.quality.alarms import alarms
from harness.experiment.decision_terms import Workload
from harness.results.store import Results, load_results
from harness.results.terms import terms

FEWEST = 2
"""More calls that are asked for at a time: two that are too slow already show that a limit is missed."""


class More(NamedTuple):
    """An arm that more calls would settle."""

    system: str
    """Whose arm is timed, perhaps for others too."""
    mode: str
    k: int
    calls: int
    """How many more, at most as many as there are: then one looks again."""
    retriever: str
    """The system whose retrieval of the same queries is timed beside it."""


@dataclass(frozen=True)
class Inquiry:
    """What was measured before, beside which a measurement of latency is looked at."""

    folder: Path
    """Of the experiment's results."""
    dataset: str

    @cached_property
    def results(self) -> Results:
        """What is stored."""
        return load_results(self.folder)

    @cached_property
    def _known(self) -> tuple[Gains, pd.DataFrame, pd.DataFrame]:
        """Gains, alarms and bytes, which no measurement of latency changes."""
        return gains_of(self.results), alarms(self.results), storage_per_document(self.results)

    def open(
        self, device: str, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]
    ) -> list[More]:
        """What is open on a device by the tables of latency so far, and what they were made with."""
        key = (self.dataset, "latency")
        costs = {**self.results.costs, **{n: self._with(n, new) for n, new in tables.items()}}
        results = replace(
            self.results, costs=costs, cost_facts={**self.results.cost_facts, key: facts}
        )
        gained, alarmed, storage = self._known
        of, load = Measurements(results, analyse_costs(results, storage)), terms(results).workload
        case = decision_input(of, gained, alarmed, load)
        return list(dict.fromkeys(_open(of, case, (self.dataset, device), load)))

    def _with(self, name: str, new: pd.DataFrame) -> pd.DataFrame:
        old = self.results.costs[name]
        parts = [old[old["dataset"] != self.dataset], new.assign(dataset=self.dataset)]
        filled = [part for part in parts if len(part)]
        return pd.concat(filled, ignore_index=True) if filled else new


def _open(
    of: Measurements, case: DecisionInput, place: Place, load: Workload | None
) -> Iterator[More]:
    limit = case.limits.get(Quantity("p95_ms", place[1]), math.nan)
    pending = of.results.trials[of.results.trials["status"] == "pending"]
    waiting = set(pending["system"])  # another dataset is still to tell of their quality
    if case.baseline.system in case.invalid or (
        case.baseline.system not in case.gains.means and case.baseline.system not in waiting
    ):
        return
    for option in case.options:
        row = case.gains.of.get(option.system)
        hopeful = option == case.baseline or (
            option.system in waiting if row is None else row.state in ("shown", "undecided")
        )
        if hopeful and case.standings[option] == "unknown" and option.system not in case.invalid:
            yield from _more(of, place, option, load, limit)
    choice = choose(case)
    if choice.best and choice.maybe_cheaper:
        for option in (choice.best, *choice.maybe_cheaper):
            yield from _more(of, place, option, load, None)


def _more(
    of: Measurements, place: Place, option: Option, load: Workload | None, limit: float | None
) -> Iterator[More]:
    """The calls to make before one looks again: as many as the limit wants, without one as many again."""
    k = _k(of, place, option, load)
    tail = of.tails.get(place, {}).get((*option, k or 0))
    calls = FEWEST if tail is None else tail.calls
    if limit is not None and math.isnan(limit):
        calls = 0
    elif limit is not None and tail is not None:
        seen = tail.at(limit)
        calls = int(min(seen.more, max(FEWEST, seen.calls)))
    if k is not None and calls:
        system, mode = option
        timed, retriever = (_timed_by(of, place[0], system, one) for one in (mode, "retrieve"))
        yield More(timed, mode, k, calls, retriever)


def _k(of: Measurements, place: Place, option: Option, load: Workload | None) -> int | None:
    """With how many candidates an option must be timed; None where it has no arm."""
    row = of.timed(*place, option, load)
    if row is not None:
        return int(row.k)
    arms = of.results.arms
    mine = zip(*(arms[name] for name in ("dataset", "device", "system", "mode", "k")), strict=True)
    ks = [int(k) for *name, k in mine if tuple(name) == (*place, *option)]
    if load is not None and option.mode != "retrieve":
        return load.candidates if load.candidates in ks else None
    return max(ks, default=None)


def _timed_by(of: Measurements, dataset: str, system: str, mode: str) -> str:
    """The system that is timed where this one is to be."""
    arms = of.results.arms
    mine = arms[(arms["dataset"] == dataset) & (arms["system"] == system) & (arms["mode"] == mode)]
    return str(next(iter(mine["timed_by"]), system))
