"""One arm of a latency measurement, and how it spends its budget of seconds.

An arm is one system in one mode, as one of several treatments that are compared on the same queries.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.components.timing import nothing
from harness.data import Doc, Hit, Query
from harness.errors import reason
from harness.experiment.schema import Latency
from harness.measure import machine
from harness.page.text import counted

log = logging.getLogger(__name__)

Call = Callable[[Query, Sequence[Doc]], Sequence[Hit]]
"""From a query and its candidates, in the order of the first stage, to ranked hits."""

WARM_CALLS, WARM_SECONDS = 10, 5.0
"""A warm-up is at least this many calls, or this long."""

SIZE_CALLS = 3
"""So many calls show how many seconds a larger number of candidates takes."""

STEADY = 0.05
"""An arm is warm once its median changes by less than this between two windows of calls."""

WARM_SHARE, TUNING_SHARE = 0.15, 0.15
"""The most of the budget that warm-up, and the choice of batch policies, may take."""

HOPELESS = 10
"""An arm is given up if its call with the fewest candidates takes this many times its budget."""

TUNING_CALLS = 30
"""The most calls by which one policy is judged."""


@dataclass(frozen=True)
class Arm:
    """One system in one mode, ready to be called."""

    system: str
    mode: str
    """`retrieve`, `rerank`, `on the fly` or `precomputed`."""
    candidates: tuple[int, ...]
    """How many documents a call is given, from few to many."""
    policies: Mapping[str, Call]
    """Calls that rank alike, by the name of their batch policy; the first is the system's own."""
    docs: Mapping[str, Sequence[Doc]]
    """The frozen candidates by query id."""
    tokens: Callable[[Query, Sequence[Doc]], int] | None = None
    """Tokens that its model reads in a call."""
    expected: Mapping[str, Mapping[str, float]] | None = None
    """By query id the scores that quality was measured on."""
    component: Any = None
    """What is called, as the experiment has it, but on the device."""
    models: tuple[str, ...] = ()
    """The models that must be in memory for a call."""
    load: Callable[[], object] = nothing
    """Has all of that in memory, so that no call has to."""
    held: frozenset[Hashable] = frozenset()
    """The keys of what it has in memory and can make again (`shelf`)."""
    dtype: str = ""
    attention: str = ""
    served: bool = False
    """Whether a server or a database does part of the work."""
    copy: int = 0
    """1 for the second of two equal arms."""

    @property
    def name(self) -> tuple[str, str, int]:
        """What distinguishes it from all other arms."""
        return self.system, self.mode, self.copy


@dataclass
class ArmBudget:
    """An arm with what was learnt of it before it is timed."""

    arm: Arm
    cost: dict[int, float] = field(default_factory=dict)
    """Seconds that a call is expected to take, by number of candidates."""
    chosen: dict[int, str] = field(default_factory=dict)
    """The batch policy by number of candidates."""
    tuned: set[int] = field(default_factory=set)
    """For which numbers of candidates policies were compared."""
    calls: dict[int, int] = field(default_factory=dict)
    """How many timed calls it gets, by number of candidates."""
    repeated: dict[int, int] = field(default_factory=dict)
    """Timed calls that are left out, by number of candidates: a server failed and was asked again."""
    failure: str = ""
    _read: dict[tuple[str, int], float] = field(default_factory=dict)

    def call(self, size: int) -> Call:
        """The arm's call under the policy chosen for this many candidates."""
        return self.arm.policies[self.chosen[size]]

    def policy(self, size: int) -> str:
        """The policy's name, and whether it was compared with others; empty where there is one."""
        if len(self.arm.policies) < 2 or size not in self.chosen:
            return ""
        return self.chosen[size] + ("" if size in self.tuned else " (not tuned)")

    def takes(self, place: int, size: int, number: int, queries: int, rounds: int) -> bool:
        """Whether the query at `place` is timed in round `number`.

        Each round begins elsewhere in the list of queries, the same for every arm: an arm with
        few calls meets many queries, and each of them in company of all arms with more calls.
        """
        each, over = divmod(self.calls[size], rounds)
        start = number * queries // rounds
        return (place - start) % queries < each + (number < over)

    def status(self, size: int) -> tuple[str, str]:
        """`measured`, `predicted` or `not measured`, and why; or what was left out of the calls."""
        if self.failure:
            return "not measured", self.failure
        if self.calls.get(size):
            count = self.repeated.get(size, 0)
            repeated = (
                f"{counted(count, 'call')} left out, in which a server failed and was asked again"
            )
            status = "measured" if count < self.calls[size] else "not measured"
            return status, repeated if count else ""
        expected = f"one call takes about {self.cost[size]:,.0f} s, more than the budget has left"
        return ("predicted" if any(self.calls.values()) else "not measured"), expected

    def trouble(self) -> str:
        """Why something of it was planned and not measured; empty where all was."""
        states = (self.status(size) for size, count in self.calls.items() if count)
        lost = (reason for status, reason in states if status == "not measured")
        return self.failure or next(lost, "")

    def tokens(self, query: Query, size: int) -> float:
        """Tokens that the model reads for a query's first `size` candidates; NaN without a model."""
        if self.arm.tokens is None:
            return float("nan")
        key = query.query_id, size
        if key not in self._read:
            self._read[key] = self.arm.tokens(query, self.arm.docs[query.query_id][:size])
        return self._read[key]


def prepared(
    arm: Arm, tuning: Sequence[Query], wanted: int, settings: Latency, wait: Callable[[], None]
) -> ArmBudget:
    """The arm warmed up, its policies chosen, and at most `wanted` calls planned for each size.

    `wait` returns when the device has done all that it was given.
    """
    budget = ArmBudget(arm)
    start = time.perf_counter()
    whole = settings.budget_s
    try:
        _warm_up(budget, tuning, whole, wait)
        _tune(budget, tuning, whole, wait)
    except Exception as error:  # one arm that breaks must not stop the others
        log.debug("%s failed while it was warmed up", arm.system, exc_info=True)
        budget.failure = reason(error)
        return budget
    left = max(whole - (time.perf_counter() - start), 0.0)
    budget.calls = allotted(budget.cost, left, wanted, whole)
    return budget


def seconds_of(
    budget: ArmBudget, policy: str, size: int, query: Query, wait: Callable[[], None]
) -> float:
    """Seconds of one call that no table has."""
    call, docs = budget.arm.policies[policy], budget.arm.docs[query.query_id][:size]
    return machine.timed(lambda: call(query, docs), wait).seconds


def _warm_up(
    budget: ArmBudget, tuning: Sequence[Query], budget_s: float, wait: Callable[[], None]
) -> None:
    own, *_ = budget.arm.policies
    queries = itertools.cycle(tuning)
    fewest, *more = budget.arm.candidates
    first = seconds_of(budget, own, fewest, next(queries), wait)
    seconds = [first] if first > budget_s / 2 else []
    while not seconds or (sum(seconds) < WARM_SHARE * budget_s and not _steady(seconds)):
        seconds.append(seconds_of(budget, own, fewest, next(queries), wait))
    budget.chosen = dict.fromkeys(budget.arm.candidates, own)
    budget.cost[fewest] = float(np.median(seconds[-WARM_CALLS:]))
    for smaller, size in itertools.pairwise((fewest, *more)):
        expected = budget.cost[smaller] * _ratio(budget, tuning, size, smaller)
        tried: list[float] = []
        while len(tried) < SIZE_CALLS and sum(tried) + expected < WARM_SHARE * budget_s:
            tried.append(seconds_of(budget, own, size, next(queries), wait))
            expected = min(tried)
        budget.cost[size] = float(np.median(tried)) if tried else expected


def _steady(seconds: Sequence[float]) -> bool:
    if len(seconds) < 2 * WARM_CALLS and sum(seconds) < WARM_SECONDS:
        return False
    half = min(len(seconds) // 2, 2 * WARM_CALLS)
    before, after = np.median(seconds[-2 * half : -half]), np.median(seconds[-half:])
    return half > 0 and bool(abs(after - before) <= STEADY * before)


def _ratio(budget: ArmBudget, tuning: Sequence[Query], size: int, smaller: int) -> float:
    """How many times the tokens of a call with `smaller` candidates one with `size` has."""
    if budget.arm.tokens is None:
        return size / smaller
    many, few = (sum(budget.tokens(query, n) for query in tuning[:5]) for n in (size, smaller))
    return max(many / few, 1.0) if few else size / smaller


def _tune(
    budget: ArmBudget, tuning: Sequence[Query], budget_s: float, wait: Callable[[], None]
) -> None:
    """For each size the policy of the least median, where comparing them is affordable."""
    policies = list(budget.arm.policies)
    if len(policies) < 2:
        return
    share = TUNING_SHARE * budget_s / len(budget.arm.candidates)
    for size in budget.arm.candidates:
        calls = min(int(share / (budget.cost[size] * len(policies))), TUNING_CALLS, len(tuning))
        if calls < 1:
            continue
        tried: dict[str, list[float]] = {policy: [] for policy in policies}
        for query in tuning[:calls]:
            for policy in policies:
                tried[policy].append(seconds_of(budget, policy, size, query, wait))
        medians = {policy: float(np.median(seconds)) for policy, seconds in tried.items()}
        budget.chosen[size] = min(medians, key=lambda policy: medians[policy])
        budget.cost[size] = medians[budget.chosen[size]]
        budget.tuned.add(size)


def allotted(cost: Mapping[int, float], budget: float, wanted: int, whole: float) -> dict[int, int]:
    """How many calls each size gets of `budget` seconds, left of the `whole`; at most `wanted`.

    From few candidates to many, each size gets one call if that fits. The smallest size gets one
    even if it does not fit, unless it is hopeless, so that there is something to predict from. What
    is left buys equally many more calls of each size, on the same queries; the rest of it buys more
    calls of the smallest size.
    """
    calls: dict[int, int] = {}
    for size, seconds in sorted(cost.items()):
        if seconds <= budget or (size == min(cost) and seconds <= HOPELESS * whole):
            calls[size] = 1
            budget = max(budget - seconds, 0.0)
    together = sum(cost[size] for size in calls)
    more = min(wanted - 1, int(budget / together)) if calls else 0
    calls = {size: count + more for size, count in calls.items()}
    for size in sorted(calls)[:1]:
        left = max(budget - more * together, 0.0)
        calls[size] += min(wanted - calls[size], int(left / cost[size]))
    return calls
