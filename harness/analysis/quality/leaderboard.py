"""Stored measurements -> leaderboard, differences to the baseline, storage, and the answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.costs import measured, vector_bytes
from harness.analysis.costs.load import Loads, analyse_load
from harness.analysis.costs.measured import CostAnalysis
from harness.analysis.decision.frontier import frontier
from harness.analysis.decision.recommend import Recommendation, decide
from harness.analysis.quality import reranking, servers
from harness.analysis.quality import same_model as same
from harness.analysis.quality.alarms import alarms
from harness.analysis.quality.answer import answer, subsets
from harness.analysis.quality.reranking import wide
from harness.analysis.statistics import intervals
from harness.components.models import trained
from harness.components.subset import LABEL
from harness.experiment.metric_names import levels
from harness.experiment.rules import measures_quality
from harness.page.text import counted
from harness.results.store import Results

LEADERBOARD = ("dataset", "system", "metric", "value", "low", "high", "queries", "label")
"""Mean over queries with its interval, one row a trial and metric; `label` marks a subset."""

DIFFERENCES = (
    *("dataset", "system", "metric", "gain", "low", "high"),
    *("wins", "ties", "losses"),
)
"""System minus baseline with its interval, one row a trial and metric. Which gains are shown is told
of the objective alone, once, over all datasets: `gains.GAINS`."""

STORAGE = (
    *("dataset", "system", "holder", "kind", "dim", "precision", "vectors_per_document"),
    *("bytes_per_document", "gb_per_million_documents", "disk_bytes_per_document", "unknown"),
)
"""One row a trial and part of what it stores; 1 GB is 10^9 bytes."""

CHANGES = ("dataset", "system", "query_id", "baseline", "value", "change")
"""One row a query whose value the system changed most."""


@dataclass(frozen=True)
class Analysis:
    """What the results of an experiment say, computed once."""

    leaderboard: pd.DataFrame
    differences: pd.DataFrame
    storage: pd.DataFrame
    costs: CostAnalysis
    loads: Loads
    notes: Mapping[str, Sequence[str]]
    """By dataset: what a reader of its numbers must know."""
    ceilings: pd.DataFrame
    sweep: pd.DataFrame
    unjudged: pd.DataFrame
    alarms: pd.DataFrame
    answer: str
    frontier: pd.DataFrame
    """Columns `frontier.FRONTIER`."""
    decision: Recommendation
    parity: pd.DataFrame
    """Columns `same_model.PARITY`: systems that are to be one model."""
    speeds: pd.DataFrame
    """Columns `same_model.SPEEDS`."""


def analyse(results: Results) -> Analysis:
    """Everything that a report shows of `results`."""
    changes = differences(results)
    storage = storage_per_document(results)
    cost = measured.analyse_costs(results, storage)
    board, alarmed = leaderboard(results), alarms(results)
    decision = decide(results, cost, alarmed)
    return Analysis(
        leaderboard=board,
        differences=changes,
        storage=storage,
        costs=cost,
        loads=analyse_load(results),
        notes=notes(results),
        ceilings=reranking.ceilings(results),
        sweep=reranking.sweep(results),
        unjudged=reranking.unjudged(results),
        alarms=alarmed,
        answer=answer(results, decision.gains, changes, cost),
        frontier=frontier(results, board, cost),
        decision=decision,
        parity=same.parity(results),
        speeds=same.speeds(results),
    )


def notes(results: Results) -> dict[str, list[str]]:
    """By dataset: its own notes, what systems left unanswered, what servers and trainings tell."""
    found: dict[str, list[str]] = {}
    said: dict[tuple[str, str], list[str]] = {}
    for (dataset, system), facts in results.facts.items():
        told = found.setdefault(dataset, list(_of_dataset(facts["dataset"], results)))
        first = facts["stages"][0]
        if first["queries_without_hits"]:
            count = first["queries_without_hits"]
            who = counted(count, "query has no hit and counts", "queries have no hit and count")
            told.append(f"{system}: {who} 0 in every mean.")
        if first["hits_not_in_corpus"]:
            count = first["hits_not_in_corpus"]
            told.append(
                f"{system}: {counted(count, 'hit is a document', 'hits are documents')} that the corpus lacks."
            )
        for note in (*first.get("notes", ()), *facts.get("notes", ())):
            said.setdefault((dataset, note), []).append(system)
        told += servers.sentences(system, facts)
        for one in facts.get("trainings", ()):
            name = system.partition("[")[0]
            own = one["reference"] in vector_bytes.models_of(facts["system"])
            users = said.setdefault((dataset, trained.sentence(one)), [])
            users += {name if own else f"the teacher of {name}"}.difference(users)
    for (dataset, note), systems in said.items():
        found[dataset].append(f"{', '.join(systems)}: {note}")
    return found


def _of_dataset(facts: Mapping[str, Any], results: Results) -> Iterator[str]:
    """A dataset's own notes, and which of its documents count as relevant by which metric."""
    yield from facts["notes"]
    if "grades" in facts:  # results of older versions have none
        yield from levels(results.plan["metrics"], facts["grades"], facts["best_grades"])


def _wide(results: Results) -> Iterator[tuple[str, pd.DataFrame]]:
    """For each dataset its values: a row a query, a column a (system, metric)."""
    for dataset, group in results.measurements.groupby("dataset", sort=False):
        yield str(dataset), wide(group)


def leaderboard(results: Results) -> pd.DataFrame:
    """Columns LEADERBOARD, in the order of the experiment."""
    parts = subsets(results)
    rows = []
    for dataset, values in _wide(results):
        label = LABEL if dataset in parts else ""
        found = intervals.mean_intervals(values.to_numpy(), results.plan["seed"])
        for (system, metric), *interval in zip(values.columns, *found, strict=True):
            rows.append((dataset, system, metric, *interval, len(values), label))
    return pd.DataFrame(rows, columns=list(LEADERBOARD))


def differences(results: Results) -> pd.DataFrame:
    """Columns DIFFERENCES: the experiment's measures of quality, for every system but the baseline."""
    seed, baseline = results.plan["seed"], results.plan["baseline"]
    metrics = list(filter(measures_quality, results.plan["metrics"]))
    rows = []
    for dataset, values in _wide(results):
        names = [
            (system, metric)
            for metric in metrics
            for system in values.columns.unique("system")
            if system != baseline and (baseline, metric) in values and (system, metric) in values
        ]
        if not names:
            continue
        change = np.column_stack([values[name] - values[baseline, name[1]] for name in names])
        gains = intervals.mean_intervals(change, seed)
        signs = [(change > 0).sum(axis=0), (change == 0).sum(axis=0), (change < 0).sum(axis=0)]
        for name, *found in zip(names, *gains, *signs, strict=True):
            rows.append((dataset, *name, *found))
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def changed_most(results: Results, metric: str, count: int) -> pd.DataFrame:
    """Columns CHANGES: for each trial the `count` queries that won and lost most, if any did."""
    baseline = results.plan["baseline"]
    parts = []
    for dataset, values in _wide(results):
        if (baseline, metric) not in values:
            continue
        for system in values.columns.unique("system").drop(baseline):
            pair = pd.DataFrame(
                {"baseline": values[baseline, metric], "value": values[system, metric]}
            ).reset_index()
            pair["change"] = pair["value"] - pair["baseline"]
            pair = pair.sort_values(["change", "query_id"], ascending=[False, True])
            won, lost = pair[pair["change"] > 0], pair[pair["change"] < 0]
            ends = pd.concat([won.head(count), lost.tail(count)])
            parts.append(ends.assign(dataset=dataset, system=system))
    if not parts:
        return pd.DataFrame(columns=list(CHANGES))
    return pd.concat(parts, ignore_index=True)[list(CHANGES)]


def storage_per_document(results: Results) -> pd.DataFrame:
    """Columns STORAGE, counted over the documents of which something is stored."""
    table = results.storage.astype({"kind": object, "unknown": object})
    per_document = {
        f"{name}_per_document": table[name].astype(float) / table["documents"].replace(0, math.nan)
        for name in ("vectors", "bytes", "disk_bytes")
    }
    kinds, unknown = table["kind"].fillna(_kind_before(table)), table["unknown"].fillna("")
    table = table.assign(**per_document, kind=kinds, unknown=unknown)
    return table.assign(gb_per_million_documents=table["bytes_per_document"] / 1000)[list(STORAGE)]


def _kind_before(table: pd.DataFrame) -> pd.Series:
    """What a row was counted of, in results of a version that did not write it."""
    many = table["vectors"] > table["documents"]
    kinds = np.select([table["dim"] == 1, many], ["terms", "token vectors"], "vectors")
    return pd.Series(kinds, index=table.index)
