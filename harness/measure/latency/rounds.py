"""How long one query takes: SingleStream, interleaved, on the ranking that quality was measured on.

One call is in flight at a time, from the query's text to ranked ids, tokenisation and transfers
included. All arms are resident and called in random order on the same queries, so that what the
machine does meanwhile falls on all of them; one arm runs twice (A/A), and shows how much of a
difference is noise. Warm-up and the choice of batch sizes happen on other queries than are timed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.components.models import shelf
from harness.components.protocols import Progress
from harness.components.timing import STAGES, TRAFFIC, recording
from harness.data import Query
from harness.errors import reason
from harness.experiment.schema import Latency
from harness.measure import machine
from harness.measure.latency.budget import Arm, ArmBudget, prepared

log = logging.getLogger(__name__)

AGREEMENT = 1e-3
"""Scores closer than this, times the spread of the query's scores, may change places: batches of
another size sum in another order."""

TOKENS_FROM = 20
"""Queries whose median tokens of a call a row gives."""


@dataclass
class Timed:
    """What was found: rows of `columns.CALLS`, `ARMS` and `ROUNDS` without dataset and device."""

    queries: Sequence[Query]
    device: str
    rounds_planned: int
    calls: list[dict[str, Any]] = field(default_factory=list)
    arms: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """By system why an arm of it broke or got no answer; another time it may work."""
    rankings: dict[tuple[str, str, int, int, str], list[str]] = field(default_factory=dict)
    """By system, mode, copy, candidates and query id: the ids as they were ranked first."""


Takes = Callable[[ArmBudget, int, int], bool]
"""Whether an arm is timed on the query at a place with so many candidates."""

Afterwards = Callable[[Sequence[Sequence[ArmBudget]], Timed, np.random.Generator], None]


def measure(
    budgets: list[list[ArmBudget]],
    queries: Sequence[Query],
    tuning: Sequence[Query],
    settings: Latency,
    device: str,
    seed: int,
    progress: Progress,
    afterwards: Afterwards | None = None,
) -> Timed:
    """Time every arm on `queries`; the first of `tuning`, which are others, wakes it.

    The arms of a group are in memory together; where there are several groups they take turns in
    every round. An arm that fails is noted, and the others go on. `afterwards` may add rounds.
    """
    _double(budgets)
    timed = Timed(queries=queries, device=device, rounds_planned=settings.rounds)
    everyone = [budget for together in budgets for budget in together]
    spend = _spending(progress, f"latency on {device}", everyone)
    rng = np.random.default_rng(seed)
    for number in range(settings.rounds):
        since = machine.watch(device)
        for together in budgets:
            if len(budgets) > 1:
                wake(together, tuning[0])
            one_round(together, number, _takes(number, timed), rng, timed, spend)
        timed.rounds.append({"round": number, **since()})
    if afterwards is not None:
        afterwards(budgets, timed, rng)
    timed.failed = {c.arm.system: trouble for c in everyone if (trouble := c.trouble())}
    failed = {budget.arm.name for budget in everyone if budget.failure}
    timed.calls = [c for c in timed.calls if (c["system"], c["mode"], c["copy"]) not in failed]
    timed.arms = arm_rows(everyone, timed)
    return timed


def _takes(number: int, timed: Timed) -> Takes:
    count, planned = len(timed.queries), timed.rounds_planned
    return lambda budget, place, size: bool(
        budget.calls.get(size) and budget.takes(place, size, number, count, planned)
    )


def warming_up(
    arms: int,
    queries: Sequence[Query],
    tuning: Sequence[Query],
    settings: Latency,
    device: str,
    progress: Progress,
) -> Callable[[Arm], ArmBudget]:
    """A function that warms up one arm; there are `arms` of them, timed on `queries`.

    `tuning` are other queries, for warm-up and the choice of policies. Tokens are counted here, too:
    later an arm's models may have given way to those of others.
    """
    wait, done = machine.synchroniser(device), itertools.count(1)

    def warm_up(arm: Arm) -> ArmBudget:
        budget = prepared(arm, tuning, len(queries) * settings.rounds, settings, wait)
        if not budget.failure:
            with _failing(budget):
                for size in arm.candidates:
                    _median_tokens(budget, size, queries)
        progress(f"warm up on {device}", next(done), arms)
        return budget

    return warm_up


def _double(budgets: list[list[ArmBudget]]) -> None:
    """Add the second arm of A/A: of the fastest that reranks, where noise weighs most."""
    running = [c for group in budgets for c in group if c.calls and not c.failure]
    reranking = [budget for budget in running if budget.arm.mode != "retrieve"] or running
    if not reranking:
        return
    fastest = min(reranking, key=lambda budget: budget.cost[budget.arm.candidates[0]])
    group = next(group for group in budgets if fastest in group)
    group.append(replace(fastest, arm=replace(fastest.arm, copy=1), repeated={}))


def wake(budgets: Sequence[ArmBudget], query: Query) -> None:
    """One call of each arm that is not timed, after another group had the memory."""
    shelf.only({key for budget in budgets for key in budget.arm.held})
    for budget in budgets:
        if budget.calls and not budget.failure:
            size = budget.arm.candidates[0]
            with _failing(budget):
                budget.call(size)(query, budget.arm.docs[query.query_id][:size])


def one_round(
    budgets: Sequence[ArmBudget],
    number: int,
    takes: Takes,
    rng: np.random.Generator,
    timed: Timed,
    spend: Callable[[float], None] = lambda _: None,
) -> None:
    """Each number of candidates in a pass of its own, so that no call finds its documents warm.

    `spend` gets the seconds of each call.
    """
    sizes = sorted({size for budget in budgets for size in budget.cost})
    count = len(timed.queries)
    for size in rng.permutation(sizes).tolist():
        here = [budget for budget in budgets if size in budget.cost]
        with machine.quiet():
            for place in rng.permutation(count).tolist():
                for i in rng.permutation(len(here)).tolist():
                    budget = here[i]
                    if not budget.failure and takes(budget, place, size):
                        spend(_one(budget, timed.queries[place], size, number, timed))


def _one(budget: ArmBudget, query: Query, size: int, number: int, timed: Timed) -> float:
    """One timed call; its seconds."""
    arm, call = budget.arm, budget.call(size)
    docs = arm.docs[query.query_id][:size]
    wait = machine.synchroniser(timed.device)
    with _failing(budget):
        with recording((*STAGES, *TRAFFIC), wait) as spent:
            hits, seconds, used = machine.timed(lambda: call(query, docs), wait)
        tokens = budget.tokens(query, size)
    if budget.failure:
        return 0.0
    timed.rankings.setdefault((*arm.name, size, query.query_id), [hit.doc_id for hit in hits])
    if "retries" in spent:  # the pauses before them are no part of what a query takes
        budget.repeated[size] = budget.repeated.get(size, 0) + 1
        return seconds
    timed.calls.append(
        {
            "system": arm.system,
            "mode": arm.mode,
            "copy": arm.copy,
            "k": size,
            "round": number,
            "query_id": query.query_id,
            "seconds": seconds,
            "tokens": tokens,
            "processor": used,
            "server": spent.get("server_seconds", float("nan")),
            **{name: spent[name] for name in STAGES if name in spent},
        }
    )
    return seconds


@contextlib.contextmanager
def _failing(budget: ArmBudget) -> Iterator[None]:
    """What breaks inside is the failure of its arm, and does not stop the others."""
    try:
        yield
    except Exception as error:
        log.debug("%s failed while it was timed", budget.arm.system, exc_info=True)
        budget.failure = reason(error)


def arm_rows(budgets: Sequence[ArmBudget], timed: Timed) -> list[dict[str, Any]]:
    """Rows of `columns.ARMS` by what was timed so far; second copies (A/A) have none."""
    return [row for one in budgets if not one.arm.copy for row in _arm_rows(one, timed)]


def _arm_rows(budget: ArmBudget, timed: Timed) -> Iterator[dict[str, Any]]:
    arm = budget.arm
    for size in arm.candidates:
        status, reason = budget.status(size)
        yield {
            "system": arm.system,
            "mode": arm.mode,
            "k": size,
            "status": status,
            "reason": reason,
            "policy": budget.policy(size),
            "dtype": arm.dtype,
            "attention": arm.attention,
            "queries": len(timed.queries),
            "tokens": _median_tokens(budget, size, timed.queries),
            "agreement": _agreement(arm, size, timed),
            "served": arm.served,
        }


def _median_tokens(budget: ArmBudget, size: int, queries: Sequence[Query]) -> float:
    """Of the first TOKENS_FROM queries; NaN for one that failed, because its tokenizer may be missing."""
    if budget.failure:
        return float("nan")
    return float(np.median([budget.tokens(query, size) for query in queries[:TOKENS_FROM]]))


def _agreement(arm: Arm, size: int, timed: Timed) -> float:
    """Share of the arm's timed queries that came out in the order of the expected scores."""
    if arm.expected is None:
        return float("nan")
    agree = [
        same_order(ids, arm.expected[query_id])
        for (*name, k, query_id), ids in timed.rankings.items()
        if (tuple(name), k) == (arm.name, size)
    ]
    return float(np.mean(agree)) if agree else float("nan")


def same_order(ids: Sequence[str], scores: Mapping[str, float]) -> bool:
    """Whether `ids` are in descending order of `scores`; scores that are nearly equal may change places."""
    if any(doc_id not in scores for doc_id in ids):
        return False
    values = np.array([scores[doc_id] for doc_id in ids])
    if len(values) < 2:
        return True
    best_later = np.maximum.accumulate(values[::-1])[::-1]
    return bool((best_later - values <= AGREEMENT * max(np.ptp(values), 1e-6)).all())


def _spending(
    progress: Progress, name: str, budgets: Sequence[ArmBudget]
) -> Callable[[float], None]:
    """A function that is given the seconds of each call, and shows how far the work is."""
    planned = (calls * c.cost[size] for c in budgets for size, calls in c.calls.items())
    total, spent = max(1, round(sum(planned))), 0.0

    def spend(seconds: float) -> None:
        nonlocal spent
        spent += seconds
        progress(name, min(round(spent), total), total)

    return spend
