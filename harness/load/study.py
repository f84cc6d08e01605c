"""Servers under load on one dataset: from a costing to its tables."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness import frames, machine, registry
from harness.data import Hit
from harness.endpoints.client import is_here
from harness.endpoints.served import Server
from harness.errors import HarnessError
from harness.frames import ranked
from harness.latency.arms import Scores
from harness.latency.rounds import same_order
from harness.latency.study import choose
from harness.limits import usable_cores
from harness.load import loops
from harness.load.ceiling import asking, ceiling
from harness.load.loops import Span, Step, Task
from harness.plan import Costing, Trial
from harness.provenance import provenance
from harness.settings import Experiment, Latency, Load
from harness.store import Store
from harness.work import Work

Rows = list[dict[str, Any]]

WARM_SHARE = 0.15
"""Of a step's seconds, for a warm-up with as many clients as there will ever be."""

FAILED = "its ranking failed"

NO_SERVER = "it is no server: its reranker runs in this process, or in part"


@dataclass
class Tables:
    """Rows of the tables of load, as they come."""

    requests: Rows = field(default_factory=list)
    steps: Rows = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """By system why something of it was not measured that may be another time."""


@dataclass(frozen=True)
class _Under:
    """One system under load."""

    system: str
    server: Server
    tasks: Sequence[Task]
    warming: Sequence[Task]
    """Other tasks, which are not counted."""
    expected: Scores
    """By query id the scores that quality was measured on."""
    settings: Load
    rng: np.random.Generator
    telling: Callable[[float], None]
    """Told how many steps are over."""

    @property
    def once(self) -> Server:
        """The server as it is asked under load."""
        return dataclasses.replace(self.server, retries=0)

    @property
    def steps(self) -> int:
        """How many numbers of clients and rates there are."""
        return len(self.settings.concurrency) + len(self.settings.rates)

    def queue(self, number: int) -> Iterator[Task]:
        """What a step asks: all tasks in an order of its own, again and again.

        Of a server that remembers answers nothing is asked twice: each step has its share.
        """
        order = self.rng.permutation(len(self.tasks)).tolist()
        if self.server.spoken.remembers:
            return iter(self.tasks[number :: self.steps])
        return itertools.cycle([self.tasks[i] for i in order])

    def progress(self, number: int) -> Callable[[float], None]:
        """Progress inside a step."""
        return lambda now: self.telling(number + min(now / self.settings.seconds, 1.0))


def measure(
    costing: Costing, experiment: Experiment, work: Work, store: Store
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of requests and steps, and what they were measured with."""
    settings = experiment.load or Load()
    found = Tables()
    servers: dict[str, Any] = {}
    limits: list[dict[str, Any]] = []
    for trial in costing.trials:
        system = trial.system.name
        reason = _not_measurable(trial, settings, store)
        under = None if reason else _under(trial, settings, experiment.seed, work, store)
        if reason == FAILED:
            found.left_out[system] = reason
        if under is None:
            reason = reason or f"fewer than two queries have {settings.candidates} candidates"
            found.steps.append(_row(system, settings, "", math.nan) | _absent(reason))
            continue
        limits = limits or ceiling(under.tasks, _ends(settings.concurrency), under.server)
        servers[system] = {
            "url": under.server.url,
            "here": is_here(under.server.url),
            "remembers": under.server.spoken.remembers,
            "queries": len(under.tasks),
        }
        _measure(under, found)
    facts = {
        "settings": settings.model_dump(mode="json"),
        "left_out": found.left_out,
        "cores": usable_cores(),
        "ceiling": limits,
        "servers": servers,
        "provenance": provenance(),
    }
    tables = {name: getattr(found, name) for name in ("requests", "steps")}
    return {name: _table(name, rows) for name, rows in tables.items()}, facts


def _not_measurable(trial: Trial, settings: Load, store: Store) -> str:
    """Why a system cannot be put under load; empty if it can."""
    reranker, most = trial.system.reranker, trial.system.depth.rerank
    if reranker is None:
        return "it does not rerank"
    if not isinstance(reranker, Server) or len(list(registry.parts(reranker))) > 1:
        return NO_SERVER
    if trial.random_weights:
        return "its candidates are those of random weights, and no ranking of them is known"
    if most < settings.candidates:
        return f"it reranks {most} candidates, and {settings.candidates} are asked for"
    return "" if store.run(trial) is not None else FAILED


def _under(trial: Trial, settings: Load, seed: int, work: Work, store: Store) -> _Under | None:
    """The system with what it is asked; None where too few queries have so many candidates."""
    run, dataset, k = work.run(trial.stages[0]), work.dataset, settings.candidates
    asked = Latency(candidates=(k,), queries=max(len(dataset.queries), 1))
    chosen = choose({trial.stages[0].key: run}, dataset.queries, asked, seed)
    if not chosen.candidates:
        return None
    tasks = {
        query.query_id: Task(
            query, [dataset.docs_by_id[hit.doc_id] for hit in run[query.query_id][:k]]
        )
        for query in (*chosen.timed, *chosen.tuning)
    }
    name = f"load of {trial.system.name}"
    steps = len(settings.concurrency) + len(settings.rates)
    total = max(round(steps * settings.seconds), 1)
    return _Under(
        system=trial.system.name,
        server=trial.system.reranker,
        tasks=[tasks[query.query_id] for query in chosen.timed],
        warming=[tasks[query.query_id] for query in chosen.tuning],
        expected={
            query_id: {hit.doc_id: hit.score for hit in hits}
            for query_id, hits in (store.run(trial) or {}).items()
        },
        settings=settings,
        rng=np.random.default_rng(seed),
        telling=lambda done: work.progress(name, round(done / steps * total), total),
    )


def _measure(under: _Under, found: Tables) -> None:
    """All steps of one system, in the order of their load; after one that fails none is measured."""
    reason = passing = _warmed(under)
    best = 0.0
    for number, (loop, value) in enumerate(_steps(under.settings)):
        rate = value * best
        row = _row(under.system, under.settings, loop, value if loop == "closed" else rate)
        row |= {"share": math.nan if loop == "closed" else value}
        if loop == "open" and not best and not reason:
            reason = passing = "the closed loop had no answer to tell a rate by"
        if reason:
            found.steps.append(row | _absent(reason))
            continue
        step = (
            _closed(under, number, int(value)) if loop == "closed" else _open(under, number, rate)
        )
        if not step.sent:
            few = f"its {len(under.tasks)} queries, none of which may be asked twice, were used up"
            found.steps.append(row | _absent(few))
            continue
        reason = _fault(step, under)
        passing = reason if step.broken else passing
        found.steps.append(
            row
            | {"status": "failed" if reason else "measured", "reason": reason}
            | {"window": step.window, "cores": step.cores, "remark": _unanswered(step)}
        )
        found.requests += [
            {name: row[name] for name in ("system", "loop", "level")} | _request(sent)
            for sent in step.sent
        ]
        if loop == "closed":
            best = max(best, _answered_by_the_end(step) / step.window)
    if passing:
        found.left_out[under.system] = passing


def _steps(settings: Load) -> Iterator[tuple[str, float]]:
    yield from (("closed", float(clients)) for clients in settings.concurrency)
    yield from (("open", share) for share in settings.rates)


def _warmed(under: _Under) -> str:
    """Why the server does not answer at all; empty when it is warm."""
    try:
        for task in under.warming[:1]:
            under.server.score(task.query.text, task.docs)  # type: ignore[attr-defined]
        under.once.identity()  # remembered from now on: no client asks for it under load
    except HarnessError as error:
        return str(error)
    remembers = under.server.spoken.remembers
    tasks = iter(under.warming) if remembers else itertools.cycle(under.warming)
    span = Span(WARM_SHARE * under.settings.seconds)
    loops.closed(_ask(under), tasks, max(under.settings.concurrency), span, lambda _: None)
    return ""


def _ask(under: _Under) -> loops.Ask:
    """Asks once: under load a retry is load of its own, and must not hide what was refused."""
    return asking(under.once)  # type: ignore[arg-type]


def _closed(under: _Under, number: int, clients: int) -> Step:
    settings = under.settings
    span = Span(settings.seconds, settings.requests, settings.longest_s)
    with machine.quiet():
        return loops.closed(_ask(under), under.queue(number), clients, span, under.progress(number))


def _open(under: _Under, number: int, rate: float) -> Step:
    settings = under.settings
    longest = max(settings.longest_s, settings.seconds)
    window = min(max(settings.seconds, settings.requests / rate), longest)
    arrivals = loops.arrivals(rate, window, under.rng)
    tasks = list(itertools.islice(under.queue(number), len(arrivals)))
    due = arrivals[: len(tasks)]
    if len(due) < len(arrivals):
        window = due[-1] if due else 0.0
    clients = settings.in_flight
    with machine.quiet():
        return loops.opened(_ask(under), tasks, due, window, clients, under.progress(number))


def _fault(step: Step, under: _Under) -> str:
    """Why a step is no measurement: the server was gone, or did not answer what was asked."""
    if step.broken:
        return f"{loops.GIVE_UP} requests in a row failed; {_unanswered(step)}"
    answered = [sent for sent in step.sent if sent.reply.outcome == "answered"]
    wrong = [sent for sent in answered if not _as_expected(sent, under.expected)]
    if not wrong:
        return ""
    query = wrong[0].task.query
    return (
        f"{len(wrong):,} of {len(answered):,} answers rank otherwise than when quality was measured, "
        f"the first of them for query {query.query_id!r} ({query.text[:60]!r}): under load it mixes "
        "answers, or scores differently"
    )


def _as_expected(sent: loops.Sent, expected: Scores) -> bool:
    task, scores = sent.task, sent.reply.scores
    hits = ranked(Hit(doc.doc_id, s) for doc, s in zip(task.docs, scores, strict=True))
    known = expected.get(task.query.query_id, {})
    return same_order([hit.doc_id for hit in hits], known)


def _unanswered(step: Step) -> str:
    """What was said of the first request without an answer."""
    return next((sent.reply.said for sent in step.sent if sent.reply.said), "")


def _answered_by_the_end(step: Step) -> int:
    return sum(s.reply.outcome == "answered" and s.done <= step.window for s in step.sent)


def _request(sent: loops.Sent) -> dict[str, Any]:
    answered = sent.reply.outcome == "answered"
    return {
        "query_id": sent.task.query.query_id,
        "due": sent.due,
        "late": sent.sent - sent.due,
        "seconds": sent.done - sent.due if answered else math.nan,
        "server": sent.reply.server,
        "outcome": sent.reply.outcome,
    }


def _row(system: str, settings: Load, loop: str, level: float) -> dict[str, Any]:
    row = {"system": system, "loop": loop, "level": level, "k": settings.candidates}
    return row | {"share": math.nan, "remark": ""}


def _absent(reason: str) -> dict[str, Any]:
    return {"status": "not measured", "reason": reason}


def _ends(values: Sequence[int]) -> list[int]:
    return list(dict.fromkeys((values[0], values[-1])))


def _table(name: str, rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows).reindex(columns=list(getattr(frames, name.upper())))
