"""Servers under load on one dataset: from a cost stage to its tables."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness import errors
from harness.components.hardware.limits import usable_cores
from harness.components.servers.client import is_here
from harness.data import Hit
from harness.errors import HarnessError
from harness.experiment.plan import CostStage, Trial
from harness.experiment.provenance import provenance
from harness.experiment.schema import Experiment, Load
from harness.measure import machine
from harness.measure.latency.arms import Scores
from harness.measure.latency.rounds import same_order
from harness.measure.latency.tables import Rows, made
from harness.measure.load import loops
from harness.measure.load.client_limit import asking, client_limit
from harness.measure.load.loops import Span, Step
from harness.measure.load.system import LoadedSystem, not_measurable, under_load
from harness.pipeline.stage_runner import StageRunner
from harness.ranking import ranked
from harness.results.store import Store

log = logging.getLogger(__name__)

WARM_SHARE = 0.15
"""Of a step's seconds, for a warm-up with as many clients as there will ever be."""


@dataclass
class Tables:
    """Rows of the tables of load, as they come."""

    requests: Rows = field(default_factory=list)
    steps: Rows = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """By system why something of it was not measured; another time it may be."""
    servers: dict[str, Any] = field(default_factory=dict)
    """By system the facts of its server."""
    limits: list[dict[str, Any]] = field(default_factory=list)
    """What can be measured from here at most, with the first server's requests."""


def measure_load(
    stage: CostStage,
    experiment: Experiment,
    work: StageRunner,
    store: Store,
    lost: Mapping[str, str],
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of requests and steps, and what they were measured with.

    `lost` has by system why nothing of it can be measured.
    """
    settings = experiment.load or Load()
    found = Tables()
    for trial in stage.trials:
        system = trial.system.name
        try:
            reason = not_measurable(trial, settings)
            if not reason and system in lost:
                reason = found.left_out[system] = lost[system]
            reason = reason or _measured(trial, settings, experiment.seed, work, store, found)
        except Exception as error:  # one system that breaks must not stop the others
            log.debug("%s failed under load", system, exc_info=True)
            reason = found.left_out[system] = errors.reason(error)
        if reason:
            found.steps.append(_row(system, settings, "", math.nan) | _absent(reason))
    facts = {
        "settings": settings.model_dump(mode="json"),
        "left_out": found.left_out,
        "cores": usable_cores(),
        "ceiling": found.limits,
        "servers": found.servers,
        "provenance": provenance(),
    }
    return made({"requests": found.requests, "steps": found.steps}), facts


def _measured(
    trial: Trial, settings: Load, seed: int, work: StageRunner, store: Store, found: Tables
) -> str:
    """Measure a system; why it cannot be, or empty."""
    system = under_load(trial, settings, seed, work, store)
    if system is None:
        return f"fewer than two queries have {settings.candidates} candidates"
    ends = list(dict.fromkeys((settings.concurrency[0], settings.concurrency[-1])))
    found.limits = found.limits or client_limit(system.tasks, ends, system.server)
    found.servers[system.name] = {
        "url": system.server.url,
        "here": is_here(system.server.url),
        "remembers": system.server.spoken.remembers,
        "queries": len(system.tasks),
    }
    _measure(system, found)
    return ""


def _measure(system: LoadedSystem, found: Tables) -> None:
    """All steps of one system, in the order of their load; after one that fails none is measured."""
    reason = passing = _warmed(system)
    best = 0.0
    settings = system.settings
    for number, value in enumerate([*settings.concurrency, *settings.rates]):
        is_closed = number < len(settings.concurrency)
        level, share = (float(value), math.nan) if is_closed else (value * best, value)
        row = _row(system.name, settings, "closed" if is_closed else "open", level)
        row |= {"share": share}
        if not (is_closed or best or reason):
            reason = passing = "the closed loop had no answer to tell a rate by"
        if reason:
            found.steps.append(row | _absent(reason))
            continue
        step = (_closed if is_closed else _open)(system, number, level)
        if not step.sent:
            few = f"its {len(system.tasks)} queries, none of which may be asked twice, were used up"
            found.steps.append(row | _absent(few))
            continue
        reason = _fault(step, system)
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
        if is_closed:
            in_time = (s.reply.outcome == "answered" and s.done <= step.window for s in step.sent)
            best = max(best, sum(in_time) / step.window)
    if passing:
        found.left_out[system.name] = passing


def _warmed(system: LoadedSystem) -> str:
    """Why the server does not answer at all; empty when it is warm."""
    try:
        for task in system.warming[:1]:
            system.server.score(task.query.text, task.docs)  # type: ignore[attr-defined]
        system.once.identity()  # remembered from now on: no client asks for it under load
    except HarnessError as error:
        return str(error)
    remembers = system.server.spoken.remembers
    tasks = iter(system.warming) if remembers else itertools.cycle(system.warming)
    span = Span(WARM_SHARE * system.settings.seconds)
    loops.closed(_ask(system), tasks, max(system.settings.concurrency), span)
    return ""


def _ask(system: LoadedSystem) -> loops.Ask:
    """Asks once: under load a retry is load of its own, and must not hide what was refused."""
    return asking(system.once)  # type: ignore[arg-type]


def _closed(system: LoadedSystem, number: int, clients: float) -> Step:
    settings = system.settings
    span = Span(settings.seconds, settings.requests, settings.longest_s)
    tasks, progress = system.queue(number), system.progress(number)
    with machine.quiet():
        return loops.closed(_ask(system), tasks, int(clients), span, progress)


def _open(system: LoadedSystem, number: int, rate: float) -> Step:
    settings = system.settings
    longest = max(settings.longest_s, settings.seconds)
    window = min(max(settings.seconds, settings.requests / rate), longest)
    arrivals = loops.arrivals(rate, window, system.rng)
    tasks = list(itertools.islice(system.queue(number), len(arrivals)))
    due = arrivals[: len(tasks)]
    if len(due) < len(arrivals):
        window = due[-1] if due else 0.0
    clients = settings.in_flight
    with machine.quiet():
        return loops.opened(_ask(system), tasks, due, window, clients, system.progress(number))


def _fault(step: Step, system: LoadedSystem) -> str:
    """Why a step is no measurement: the server was gone, or did not answer what was asked."""
    if step.broken:
        return f"{loops.GIVE_UP} requests in a row failed; {_unanswered(step)}"
    answered = [sent for sent in step.sent if sent.reply.outcome == "answered"]
    wrong = [sent for sent in answered if not _as_expected(sent, system.expected)]
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
