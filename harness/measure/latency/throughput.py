"""Throughput: many documents or pairs, as fast as they go through."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.components.abilities import CountsDocTokens
from harness.components.protocols import Progress
from harness.data import Query
from harness.errors import reason
from harness.measure import machine
from harness.measure.latency.arms import encoders_of
from harness.measure.latency.budget import Arm
from harness.measure.latency.memory import Room

log = logging.getLogger(__name__)

SHARE = 1 / 6
"""Of an arm's budget, for its throughput."""

FIRST, MOST = 4, 1024
"""Documents from which the rate is estimated, and the most that are timed after that."""


@dataclass(frozen=True)
class _Workload:
    """A piece of work that can be done for any number of documents."""

    arm: Arm
    unit: str
    most: int
    run: Callable[[int], Any]
    tokens: Callable[[int], float] = lambda _: float("nan")
    policy: str = ""


def measure(
    everyone: Sequence[Arm],
    queries: Sequence[Query],
    texts: Sequence[str],
    budget: float,
    room: Room,
    progress: Progress,
    failed: dict[str, str],
) -> list[dict[str, Any]]:
    """Rows of `columns.THROUGHPUT`: documents for every encoder, pairs for every cross-encoder.

    `budget` is an arm's, in seconds; no more goes through at once than `room` has memory for. `failed` has by system why it broke, when it was timed or
    here; nothing more is asked of it.
    """
    rows: list[dict[str, Any]] = []
    device = room.device
    wait = machine.synchroniser(device)
    todo = list(_todo(everyone, queries, texts))
    for done, work in enumerate(todo):
        progress(f"throughput on {device}", done, len(todo))
        system = work.arm.system
        if system in failed:
            continue
        try:
            room.prepare_for(work.arm.models)
            work.arm.load()
            count, seconds, used = _timed(work, budget * SHARE, room, wait)
            tokens = work.tokens(count)
        except Exception as error:  # one that breaks must not stop the others
            log.debug("%s failed while it was timed", system, exc_info=True)
            failed[system] = reason(error)
            continue
        name = {"system": system, "mode": work.arm.mode, "unit": work.unit, "policy": work.policy}
        spent = {"count": count, "tokens": tokens, "seconds": seconds, "processor": used}
        rows.append({"device": device, **name, **spent})
    return rows


def _todo(
    everyone: Sequence[Arm], queries: Sequence[Query], texts: Sequence[str]
) -> Iterator[_Workload]:
    seen = set()
    for arm in everyone:
        for encoder in encoders_of(arm.component):
            use = (encoder, arm.mode == "retrieve")
            if use not in seen:
                seen.add(use)
                yield _documents(arm, encoder, texts)
        if arm.mode == "rerank":
            yield _pairs(arm, queries)


def _documents(arm: Arm, encoder: Any, texts: Sequence[str]) -> _Workload:
    part = ["dense"] if arm.mode == "retrieve" and encoder.gives == "joint" else []

    def tokens(count: int) -> float:
        if not isinstance(encoder, CountsDocTokens):
            return float("nan")
        return float(sum(encoder.count_doc_tokens(texts[:count])))

    def run(count: int) -> None:
        encoder.encode(texts[:count], "doc", *part)

    return _Workload(arm, "documents", len(texts), run, tokens)


def _pairs(arm: Arm, queries: Sequence[Query]) -> _Workload:
    """Whole queries, one after the other, with all their candidates."""
    policy, call = next(iter(arm.policies.items()))
    most = max(arm.candidates)
    lists = [(query, arm.docs[query.query_id][:most]) for query in queries]

    def run(count: int) -> None:
        left = count
        for query, docs in lists:
            if left > 0:
                call(query, docs[:left])
            left -= len(docs)

    total = sum(len(docs) for _, docs in lists)
    return _Workload(arm, "pairs", total, run, policy=policy)


def _timed(
    work: _Workload, budget: float, room: Room, wait: Callable[[], None]
) -> tuple[int, float, float]:
    """How many were done, in how many seconds, and how many of all processors."""
    count = first = min(FIRST, work.most)
    with machine.peak(room.device) as peak:
        spent = machine.timed(lambda: work.run(first), wait)
        most = peak()
    fitting = room.fitting(most, first)
    wanted = min(work.most, MOST, int(budget / spent.seconds * first), fitting)
    if wanted > first:
        count, spent = wanted, machine.timed(lambda: work.run(wanted), wait)
    return count, spent.seconds, spent.processor
