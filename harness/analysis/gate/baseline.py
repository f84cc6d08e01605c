"""Stored results in the shape of a baseline: what `gate --accept` stores, and judges against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.gate.asked_for import OTHER_TIMINGS, other_timings, unanswered
from harness.analysis.gate.baseline_files import KEYS, VALUES, Baseline
from harness.analysis.gate.changed_settings import placeless
from harness.analysis.gate.relative_latency import (
    is_of,
    latency_facts,
    latency_metric,
    latency_ratios,
)
from harness.analysis.judgments.sources import counts_of
from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.experiment.rules import LatencyRule, QualityRule
from harness.experiment.schema import Experiment
from harness.results.store import NO_JUDGMENTS, Results

DECIMALS = 6
"""Decimals of a metric's value that are stored: enough for any margin, and short enough to read in a diff."""

OF_A_DATASET = ("documents", "queries", "judgements", "identity", "source", "subset")
"""Facts of a dataset that are stored beside the fingerprint, to say what became of it."""


def accept(results: Results, plan: Plan, reason: str, date: str) -> Baseline:
    """The results as a baseline, with the reason and the date of today.

    Raises InputError while anything that the rules judge is missing: a baseline with a hole would
    let whatever is in the hole pass unseen.
    """
    experiment = plan.experiment
    found = baseline_of(results, experiment)
    missing = [
        f"{system} on {dataset} ({why.reason})"
        for (dataset, system), why in unanswered(results, plan).items()
        if any(rule.covers(dataset, system) for rule in experiment.gate)
    ]
    missing = missing or list(_without_values(results, plan, found))
    if missing:
        raise InputError(
            f"Nothing was accepted, because something has no result: {'; '.join(missing)}. Mend it "
            "and run `python -m harness run FILE` first."
            + " What `judge` stored counts here once the file names it as `qrels`."
            * bool(results.unjudged)
        )
    return Baseline(found.table, {**found.facts, "reason": reason, "accepted": date})


def _without_values(results: Results, plan: Plan, found: Baseline) -> Iterator[str]:
    """What each rule judges of which there is no value at all, or none as the file asks for it."""
    known = set(found.table["metric"])
    other = other_timings(results, plan)
    for rule in plan.experiment.gate:
        if isinstance(rule, QualityRule):
            if rule.metric not in known:
                yield f"{rule.metric} ({NO_JUDGMENTS if results.unjudged else 'not measured'})"
        elif not any(is_of(rule, name) for name in known):
            yield f"{latency_metric(rule, '')} (not measured)"
        elif datasets := sorted(name for name in other if rule.on(name)):
            yield f"{latency_metric(rule, '')} on {', '.join(datasets)} ({OTHER_TIMINGS})"


def baseline_of(results: Results, experiment: Experiment) -> Baseline:
    """What the rules of the experiment judge: values of every query, and how they came about."""
    provenances: list[Any] = []
    trials: dict[str, dict[str, Any]] = {}
    datasets: dict[str, Any] = {}
    for (dataset, system), facts in sorted(results.facts.items()):
        if facts["provenance"] not in provenances:
            provenances.append(facts["provenance"])
        if dataset not in datasets:
            of_dataset = {key: facts["dataset"][key] for key in OF_A_DATASET}
            datasets[dataset] = {**of_dataset, "judged": dict(counts_of(results, dataset))}
        first, last = facts["stages"][0], facts["stages"][-1]
        trials.setdefault(dataset, {})[system] = {
            "fingerprint": facts["dataset"]["fingerprint"],
            "key": last["key"],
            "config": {key: value for key, value in facts["system"].items() if key != "name"},
            "models": facts["identities"],
            "made_with": provenances.index(facts["provenance"]),
        }
        if last is not first:
            reranked = {"first": first["key"], "candidates": last["candidates_sha256"]}
            trials[dataset][system].update(reranked)
    timed = any(isinstance(rule, LatencyRule) for rule in experiment.gate)
    facts = {
        "experiment": experiment.name,
        "rules": [rule.model_dump(mode="json") for rule in experiment.gate],
        "datasets": datasets,
        "trials": trials,
        "provenances": provenances,
        "latency": latency_facts(results) if timed else {},
    }
    return Baseline(_values(results, experiment), placeless(facts))


def _values(results: Results, experiment: Experiment) -> pd.DataFrame:
    table = results.measurements
    wanted = {rule.metric for rule in experiment.gate if isinstance(rule, QualityRule)}
    quality = table[table["metric"].isin(wanted)]
    quality = quality.assign(value=quality["value"].astype(float).round(DECIMALS))
    rules = [rule for rule in experiment.gate if isinstance(rule, LatencyRule)]
    parts = [quality[list(VALUES)], *(latency_ratios(results, rule) for rule in rules)]
    whole = pd.concat([part for part in parts if len(part)] or parts[:1])
    judged = [
        any(rule.covers(dataset, system) for rule in experiment.gate)
        for dataset, system in zip(whole["dataset"], whole["system"], strict=True)
    ]
    return whole[np.array(judged, dtype=bool)].sort_values(list(KEYS), ignore_index=True)
