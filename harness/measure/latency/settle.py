"""More calls after the planned rounds, where they settle something, until they do or time is spent.

They are made as in a round: arms take turns on the same queries, a reranker beside the retriever
before it, and the two equal arms (A/A) go along, so that sums and ratios stay those of pairs.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.decision.settling import Inquiry, More
from harness.components.protocols import Progress
from harness.data import Query
from harness.experiment.schema import Latency
from harness.measure import machine
from harness.measure.latency.budget import ArmBudget
from harness.measure.latency.rounds import Timed, arm_rows, one_round, wake
from harness.measure.latency.tables import Tables, made

Name = tuple[str, str, int]
"""System, mode and candidates."""

Plan = Mapping[tuple[str, str, int, int], int]
"""How many calls each arm gets: by system, mode, copy and candidates."""


@dataclass(frozen=True)
class Settling:
    """Asks, after the planned rounds, what is still open, and has it called more often."""

    inquiry: Inquiry
    settings: Latency
    query: Query
    """One call that is not timed, after another group had the memory."""
    found: Tables
    """The measurement so far; what was spent on each device is added to its facts as `settled`."""
    progress: Progress

    def __call__(
        self, groups: Sequence[Sequence[ArmBudget]], timed: Timed, rng: np.random.Generator
    ) -> None:
        """More rounds, until nothing is open or `settle_s` seconds are spent."""
        seconds = self.settings.settle_s
        if not seconds:
            return
        start = time.perf_counter()
        asked: Counter[Name] = Counter()
        while wanted := self._open(groups, timed):
            spent = time.perf_counter() - start
            done = math.floor(min(spent, seconds))
            self.progress(f"settle on {timed.device}", done, math.ceil(seconds))
            running = [budget for together in groups for budget in together if not budget.failure]
            plan = _planned(running, wanted, seconds - spent, len(timed.queries))
            if not plan:
                break
            _round(groups, timed, plan, self.query, rng)
            asked.update({more[:3]: plan.get((*more[:2], 0, more.k), 0) for more in wanted})
        left = {more[:3] for more in wanted}
        arms = [
            {"system": arm[0], "mode": arm[1], "k": arm[2], "calls": n, "settled": arm not in left}
            for arm, n in asked.items()
            if n
        ]
        spent = time.perf_counter() - start
        facts = {"seconds": spent, "arms": arms, "open": len(left)}
        self.found.facts.setdefault("settled", {})[timed.device] = facts

    def _open(self, groups: Sequence[Sequence[ArmBudget]], timed: Timed) -> list[More]:
        timed.arms = arm_rows([budget for together in groups for budget in together], timed)
        facts = {**self.found.facts, "settings": self.settings.model_dump(mode="json")}
        return self.inquiry.open(timed.device, made(self.found.joined(timed)), facts)


def _planned(
    budgets: Sequence[ArmBudget], wanted: Iterable[More], seconds: float, queries: int
) -> Plan:
    """The calls that fit into so many seconds, those first that need least."""
    cost = {(*budget.arm.name, size): c for budget in budgets for size, c in budget.cost.items()}
    sizes = {budget.arm.name: budget.arm.candidates for budget in budgets}
    found: Counter[tuple[str, str, int, int]] = Counter()
    pairs = []
    for more in wanted:
        beside = (more.retriever, "retrieve", 0)
        arms = {(more.system, more.mode, 0, more.k)}
        arms |= {(*beside, size) for size in sizes.get(beside, ())}
        if arms <= cost.keys():
            pairs.append((sum(cost[arm] for arm in arms), more, arms))
    for each, more, arms in sorted(pairs, key=lambda pair: pair[0] * pair[1].calls):
        calls = min(more.calls, queries, int(seconds / each) if each else queries)
        if calls > 0:
            seconds -= calls * each
            found |= Counter(dict.fromkeys(arms, calls))
    for *equal, copy in (name for name in sizes if name[2] == 1):
        for size in sizes[equal[0], equal[1], copy]:
            calls = max((n for arm, n in found.items() if arm[3] == size), default=0)
            found |= Counter({(equal[0], equal[1], number, size): calls for number in (0, 1)})
    return found


def _round(
    groups: Sequence[Sequence[ArmBudget]],
    timed: Timed,
    plan: Plan,
    query: Query,
    rng: np.random.Generator,
) -> None:
    """One round by a plan, first of the queries that its arms were timed on least."""
    uses = Counter(
        call["query_id"]
        for call in timed.calls
        if (call["system"], call["mode"], call["copy"], call["k"]) in plan
    )
    order = sorted(
        rng.permutation(len(timed.queries)).tolist(),
        key=lambda place: uses[timed.queries[place].query_id],
    )
    rank = {place: i for i, place in enumerate(order)}
    number = 1 + max((row["round"] for row in timed.rounds), default=-1)
    since = machine.watch(timed.device)
    for together in groups:
        here = [c for c in together if any((*c.arm.name, size) in plan for size in c.cost)]
        if here and len(groups) > 1:
            wake(here, query)
        one_round(
            here,
            number,
            lambda budget, place, size: rank[place] < plan.get((*budget.arm.name, size), 0),
            rng,
            timed,
        )
        for budget in here:
            for size in budget.cost:
                more = plan.get((*budget.arm.name, size), 0)
                if more:
                    budget.calls[size] = budget.calls.get(size, 0) + more
    timed.rounds.append({"round": number, **since()})
