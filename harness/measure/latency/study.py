"""Latency, memory and throughput of all systems on one dataset: from a cost stage to its tables."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.decision.settling import Inquiry
from harness.components import registry
from harness.components.abilities import Loadable
from harness.components.hardware import devices
from harness.components.hardware.threads import pinned
from harness.components.models import shelf
from harness.components.protocols import Served
from harness.components.timing import TRAFFIC, recording
from harness.data import Doc, Query, Run, doc_texts
from harness.errors import reason
from harness.experiment.keys import timing_key
from harness.experiment.plan import CostStage, Stage, Trial, bm25_fallback, has_random_weights
from harness.experiment.provenance import provenance
from harness.experiment.schema import Experiment, Latency
from harness.measure.latency import arms, cold_start, memory, rounds, throughput
from harness.measure.latency.arms import Scores, Setting, scores_of
from harness.measure.latency.budget import Arm
from harness.measure.latency.settle import Settling
from harness.measure.latency.tables import Rows, Tables, made
from harness.pipeline.stage_runner import StageRunner
from harness.results.store import Store

log = logging.getLogger(__name__)

TUNING_QUERIES = 30
"""Queries for warm-up and the choice of batch policies; they are not timed."""


@dataclass(frozen=True)
class Chosen:
    """Which queries are timed, with how many candidates."""

    timed: Sequence[Query]
    tuning: Sequence[Query]
    candidates: tuple[int, ...]


def measure_latency(
    stage: CostStage,
    experiment: Experiment,
    work: StageRunner,
    store: Store,
    lost: Mapping[str, str],
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables of latency, memory and throughput, and what they were measured with.

    `lost` has by system why nothing of it can be measured.
    """
    settings = experiment.latency or Latency()
    found = Tables()
    runs, lost = _runs(stage.trials, work, lost)
    trials = list(_measurable(stage.trials, lost, found, settings))
    reranked = {one.stages[0].key for one in trials if one.system.reranker is not None}
    given = {key: run for key, run in runs.items() if key in reranked} or runs
    chosen = choose(given, work.dataset.queries, settings, experiment.seed)
    for device in settings.devices:
        for k in sorted(set(settings.candidates) - set(chosen.candidates)):
            few = f"fewer than two queries have {k} candidates to rerank"
            found.rows["arms"] += _absent(trials, (k,), device, few)
    with recording(TRAFFIC) as sent:
        for device in settings.devices:
            reason = devices.unavailable(device)
            if reason:
                found.rows["arms"] += _absent(trials, chosen.candidates, device, reason)
            elif chosen.candidates:
                with pinned(settings.threads) as threads:
                    found.facts["threads"] = threads
                    _on_device(device, trials, runs, chosen, experiment, work, store, found)
    found.compare_devices(settings.devices)
    facts = {
        **found.facts,
        "left_out": found.left_out,
        "settings": settings.model_dump(mode="json"),
        "traffic": sent,
        "queries": len(chosen.timed),
        "tuning_queries": len(chosen.tuning),
        "candidates_from": {
            trial.system.name: registry.config_of(source.component)["use"]
            for trial in trials
            if (source := _source(trial, stage.trials)) != trial.stages[0]
        },
        "provenance": provenance(),
    }
    return made(found.rows), facts


def _runs(
    trials: Sequence[Trial], work: StageRunner, lost: Mapping[str, str]
) -> tuple[dict[str, Run], dict[str, str]]:
    """By the key of a first stage the hits that are reranked; and `lost` with the systems that have none."""
    runs: dict[str, Run] = {}
    lost = dict(lost)
    for trial in trials:
        if trial.system.name not in lost:
            try:
                runs[trial.stages[0].key] = work.run(_source(trial, trials))
            except Exception as error:  # one system that breaks must not stop the others
                log.debug("%s has no candidates", trial.system.name, exc_info=True)
                lost[trial.system.name] = reason(error)
    return runs, lost


def _measurable(
    trials: Sequence[Trial], lost: Mapping[str, str], found: Tables, settings: Latency
) -> Iterator[Trial]:
    for trial in trials:
        why = lost.get(trial.system.name)
        if why is None:
            yield trial
            continue
        found.left_out[trial.system.name] = why
        for device in settings.devices:
            found.rows["arms"] += _absent([trial], settings.candidates, device, why)


def _source(trial: Trial, trials: Sequence[Trial]) -> Stage:
    """The first stage whose hits are the trial's candidates.

    One with random weights would find arbitrary texts; a first stage without any stands in.
    """
    first = trial.stages[0]
    if not has_random_weights(first.component):
        return first
    real = (t.stages[0] for t in trials if not has_random_weights(t.stages[0].component))
    return next(real, bm25_fallback(first))


def choose(
    runs: Mapping[str, Run], queries: Sequence[Query], settings: Latency, seed: int
) -> Chosen:
    """Random queries that have as many candidates as asked for in every run, and others to tune on.

    A number of candidates that fewer than two queries have is left out.
    """
    counts = np.array(
        [min((len(run.get(q.query_id, ())) for run in runs.values()), default=0) for q in queries]
    )
    usable = tuple(k for k in settings.candidates if (counts >= k).sum() >= 2)
    fitting = np.flatnonzero(counts >= max(usable, default=1))
    order = np.random.default_rng(seed).permutation(fitting).tolist()
    tuning = min(TUNING_QUERIES, len(order) // 2)
    return Chosen(
        timed=[queries[i] for i in order[tuning:][: settings.queries]],
        tuning=[queries[i] for i in order[:tuning]],
        candidates=usable,
    )


def _absent(
    trials: Sequence[Trial], sizes: Sequence[int], device: str, reason: str
) -> Iterator[dict[str, Any]]:
    for trial in trials:
        alone = trial.system.reranker is None
        mode, wanted = ("retrieve", [trial.system.depth.retrieve]) if alone else ("rerank", sizes)
        yield from _not_measured(trial.system.name, mode, wanted, device, reason)


def _not_measured(
    system: str, mode: str, sizes: Sequence[int], device: str, reason: str
) -> Iterator[dict[str, Any]]:
    for k in sizes:
        row = {"system": system, "mode": mode, "k": k, "device": device}
        yield {**row, "status": "not measured", "reason": reason}


def _on_device(
    device: str,
    trials: Sequence[Trial],
    runs: Mapping[str, Run],
    chosen: Chosen,
    experiment: Experiment,
    work: StageRunner,
    store: Store,
    found: Tables,
) -> None:
    settings = experiment.latency or Latency()
    with memory.room(device, settings.memory_gb) as room:
        setting = Setting(
            work=work,
            device=device,
            candidates=chosen.candidates,
            docs={key: _docs(run, chosen, work) for key, run in runs.items()},
            expected=_expected(trials, runs, store),
            shares=found.facts.setdefault("shares", {}),
            room=room,
        )
        everyone = [*arms.retrieving(trials, setting), *arms.reranking(trials, setting)]
        shelf.forget()  # processes of their own need the memory next
        killed = _starts(everyone, chosen, settings, device, work, found)
        fitting = [arm for arm in everyone if not killed.keys() & set(arm.models)]
        for arm in everyone:
            for model in killed.keys() & set(arm.models):
                found.left_out[arm.system] = killed[model]
                rows = _not_measured(arm.system, arm.mode, arm.candidates, device, killed[model])
                found.rows["arms"] += rows
        inquiry = Inquiry(store.folder, trials[0].dataset.name)
        with shelf.keep(math.inf):
            warm_up = rounds.warming_up(
                len(fitting), chosen.timed, chosen.tuning, settings, device, work.progress
            )
            timed = rounds.measure(
                room.in_groups(fitting, warm_up),
                chosen.timed,
                chosen.tuning,
                settings,
                device,
                experiment.seed,
                work.progress,
                Settling(inquiry, settings, chosen.tuning[0], found, work.progress),
            )
        texts = doc_texts(work.dataset.docs)
        found.rows["throughput"] += throughput.measure(
            fitting, chosen.timed, texts, settings.budget_s, room, work.progress, timed.failed
        )
        found.facts.setdefault("memory", {})[device] = room.facts()
    found.rows = found.joined(timed)
    found.left_out |= timed.failed
    found.rankings[device] = timed.rankings


def _docs(run: Run, chosen: Chosen, work: StageRunner) -> dict[str, list[Doc]]:
    most = max(chosen.candidates)
    wanted = {
        query.query_id: [hit.doc_id for hit in run[query.query_id][:most]]
        for query in (*chosen.timed, *chosen.tuning)
    }
    docs = work.dataset.found(doc_id for ids in wanted.values() for doc_id in ids)
    return {query_id: [docs[doc_id] for doc_id in ids] for query_id, ids in wanted.items()}


def _expected(trials: Sequence[Trial], runs: Mapping[str, Run], store: Store) -> dict[str, Scores]:
    """By stage's key the scores of the stages that quality was measured on."""
    found: dict[str, Run] = {}
    for trial in trials:
        if not has_random_weights(trial.stages[0].component):
            found[trial.stages[0].key] = runs[trial.stages[0].key]
        run = None if trial.random_weights else store.run(trial)
        if run is not None:
            found[trial.key] = run
    return {key: scores_of(run) for key, run in found.items()}


def _starts(
    everyone: Sequence[Arm],
    chosen: Chosen,
    settings: Latency,
    device: str,
    work: StageRunner,
    found: Tables,
) -> dict[str, str]:
    """Start each system that has models in a process of its own; gives by model why it cannot be had."""
    alike: dict[Any, list[Arm]] = {}
    for arm in everyone:
        # It would put a few documents with random vectors where a server has all of them.
        feeds = arm.mode == "retrieve" and isinstance(arm.component, Served)
        if not feeds and any(isinstance(part, Loadable) for part in registry.parts(arm.component)):
            alike.setdefault(_loading(arm), []).append(arm)
    killed: dict[str, str] = {}
    for done, loading in enumerate(alike.values()):
        work.progress(f"cold starts on {device}", done, len(alike))
        for number in range(settings.starts):
            try:
                rows = _start(loading, number, chosen.tuning[0], settings, device, found)
            except Exception as error:  # one that breaks must not stop the others
                log.debug("%s did not start", loading[0].system, exc_info=True)
                killed |= dict.fromkeys(loading[0].models, reason(error))
                break
            found.rows["starts"] += rows
    return killed


def _start(
    loading: Sequence[Arm],
    number: int,
    query: Query,
    settings: Latency,
    device: str,
    found: Tables,
) -> Rows:
    """Rows of `columns.STARTS` of one process, for the first arm of each mode."""
    by_mode = {arm.mode: arm for arm in reversed(loading)}
    modes = sorted(by_mode, key=lambda mode: mode == "on the fly")  # needs most memory
    first = by_mode[modes[0]]
    rows = cold_start.start(
        first.component,
        modes,
        query.text,
        first.docs[query.query_id],
        first.candidates,
        device,
        found.facts["threads"],
        settings.budget_s / 4,
        cold_start.LOADING_S + settings.budget_s,
    )
    return [
        {"device": device, "system": by_mode[mode].system, "mode": mode, "start": number, **row}
        for mode, row in zip(modes, rows, strict=True)
    ]


def _loading(arm: Arm) -> tuple[str, ...]:
    """What an arm loads: arms that load the same are started once."""
    parts = registry.parts(arm.component)
    return tuple(timing_key(part) for part in parts if isinstance(part, Loadable))
