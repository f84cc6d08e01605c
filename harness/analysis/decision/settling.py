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

from harness.analysis.costs.measured import analyse_costs, stand_ins
from harness.analysis.costs.vector_bytes import storage_per_document
from harness.analysis.decision.choose import Case, choose, standings
from harness.analysis.decision.gains import Gains, gains
from harness.analysis.decision.need import Kind
from harness.analysis.decision.needs import timed
from harness.analysis.decision.options import FLY, Option
from harness.analysis.decision.recommend import Desk, desk
from harness.analysis.quality.alarms import alarms
from harness.analysis.statistics.tail import Tail
from harness.experiment.schema import Workload
from harness.results.store import Results, load_results
from harness.results.terms import objective, terms

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
    def _gains(self) -> Gains:
        smallest = terms(self.results).smallest_gain_that_matters
        return gains(self.results, objective(self.results), smallest)

    @cached_property
    def _alarms(self) -> pd.DataFrame:
        return alarms(self.results)

    @cached_property
    def _storage(self) -> pd.DataFrame:
        return storage_per_document(self.results)

    def open(
        self, device: str, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]
    ) -> list[More]:
        """What is open on a device by the tables of latency so far, and what they were made with."""
        key = (self.dataset, "latency")
        costs = {**self.results.costs, **{n: self._with(n, new) for n, new in tables.items()}}
        results = replace(
            self.results, costs=costs, cost_facts={**self.results.cost_facts, key: facts}
        )
        at = desk(results, analyse_costs(results, self._storage), self._alarms, self._gains)
        load = at.asked.workload
        found = dict.fromkeys(_open(at, at.case(load), self.dataset, device, load))
        return list(found)

    def _with(self, name: str, new: pd.DataFrame) -> pd.DataFrame:
        old = self.results.costs[name]
        parts = [old[old["dataset"] != self.dataset], new.assign(dataset=self.dataset)]
        filled = [part for part in parts if len(part)]
        return pd.concat(filled, ignore_index=True) if filled else new


def _open(at: Desk, case: Case, dataset: str, device: str, load: Workload | None) -> Iterator[More]:
    limit = case.limits.get(Kind("p95_ms", device), math.nan)
    waiting = _waiting(at.results)
    if case.baseline.system in case.invalid or (
        case.baseline.system not in case.gains.means and case.baseline.system not in waiting
    ):
        return
    stands = standings(case)
    for option in case.options:
        row = case.gains.of.get(option.system)
        hopeful = option == case.baseline or (
            option.system in waiting if row is None else row.state in ("shown", "undecided")
        )
        if hopeful and stands[option] == "unknown" and option.system not in case.invalid:
            k = _k(at, dataset, device, option, load)
            calls = _calls(_tail(at, dataset, device, option, k), limit)
            if k is not None and calls:
                yield _more(at, dataset, option, k, calls)
    choice = choose(case)
    for option in (choice.best, *choice.untold) if choice.best and choice.untold else ():
        k = _k(at, dataset, device, option, load)
        tail = _tail(at, dataset, device, option, k)
        if k is not None:
            yield _more(at, dataset, option, k, FEWEST if tail is None else tail.calls)


def _waiting(results: Results) -> set[str]:
    """The systems whose quality another dataset is still to tell."""
    pending = results.trials[results.trials["status"] == "pending"]
    return set(map(str, pending["system"]))


def _k(at: Desk, dataset: str, device: str, option: Option, load: Workload | None) -> int | None:
    """With how many candidates it must be timed; None where it has no arm."""
    row = timed(at.stock, dataset, device, option, load)
    if row is not None:
        return int(row.k)
    arms = at.results.costs["arms"]
    system, mode = _arm(at, dataset, option)
    here = arms[(arms["dataset"] == dataset) & (arms["device"] == device)]
    ks = [int(k) for k in here[(here["system"] == system) & (here["mode"] == mode)]["k"]]
    if load is not None and option.mode != "retrieve":
        return load.candidates if load.candidates in ks else None
    return max(ks, default=None)


def _arm(at: Desk, dataset: str, option: Option) -> tuple[str, str]:
    """The arm that is timed for an option."""
    mode = option.mode
    facts = at.results.cost_facts[dataset, "latency"]
    shared = stand_ins(facts, mode) if mode in ("retrieve", FLY) else {}
    return shared.get(option.system, option.system), mode


def _tail(at: Desk, dataset: str, device: str, option: Option, k: int | None) -> Tail | None:
    return at.stock.tails.get((dataset, device), {}).get((option.system, option.mode, k or 0))


def _calls(tail: Tail | None, limit: float) -> int:
    """How many calls to make before one looks again whether a limit is kept to; 0 where it is told."""
    if math.isnan(limit):
        return 0
    if tail is None:
        return FEWEST
    seen = tail.at(limit)
    return int(min(seen.more, max(FEWEST, seen.calls)))


def _more(at: Desk, dataset: str, option: Option, k: int, calls: int) -> More:
    retrieves = stand_ins(at.results.cost_facts[dataset, "latency"], "retrieve")
    system, mode = _arm(at, dataset, option)
    return More(system, mode, k, calls, retrieves.get(option.system, option.system))
