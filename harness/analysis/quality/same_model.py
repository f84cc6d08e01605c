"""Whether systems that are to be one model are: the same scores, rankings and quality, and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.analysis.quality.leaderboard import per_query
from harness.analysis.statistics import intervals, paired_ratios
from harness.data import MODES, Hit
from harness.results.derived_rankings import kendall
from harness.results.store import Results
from harness.results.terms import objective

PARITY = (
    *("model", "system", "reference", "queries", "pairs", "shared"),
    *("score_difference", "tau", "gain", "low", "high", "changed"),
)
"""One row a system that is to be the same model as the reference. `pairs` are the queries
with documents that both scored, `shared` their share of the reference's; `score_difference` is the
largest among them, `tau` Kendall's between their two orders, in the mean over queries; `gain` the
objective's difference to the reference with its paired interval, `changed` the number of queries on
which it differs."""

SPEEDS = (
    "model",
    "system",
    "reference",
    *paired_ratios.RATIOS[1:3],
    "mode",
    *paired_ratios.RATIOS[5:],
)
"""One row a system, device, mode and k: its seconds over those of the reference."""


class Agreement(NamedTuple):
    """How alike two runs are."""

    pairs: int
    shared: float
    score_difference: float
    tau: float


Scored = Mapping[str, Sequence[Hit]]


def parity(results: Results, dataset: str) -> pd.DataFrame:
    """Columns PARITY of a dataset; empty where no systems are to be the same."""
    rows, values = [], per_query(results, dataset, objective(results))
    for model, first, others in _groups(results, dataset):
        expected = _scored(results, dataset, first)
        for system in others:
            alike = agreement(expected, _scored(results, dataset, system))
            change = values[[system]].sub(values[first], axis=0).to_numpy()
            ((gain,), (low,), (high,)) = intervals.mean_intervals(change, results.plan["seed"])
            name = (model, system, first, len(change))
            rows.append((*name, *alike, gain, low, high, int((change != 0).sum())))
    return pd.DataFrame(rows, columns=list(PARITY))


def _groups(results: Results, dataset: str) -> Iterator[tuple[str, str, list[str]]]:
    """Model, reference and others of each group, of the systems that were run on the dataset."""
    for model, first, *others in results.plan.get("parity", ()):  # none in older results
        done = [system for system in others if (dataset, system) in results.facts]
        if (dataset, first) in results.facts and done:
            yield model, first, done


def _scored(results: Results, dataset: str, system: str) -> Scored:
    """By query the hits that the system itself scored, best first."""
    run = results.run(dataset, system)
    candidates = results.candidates(dataset, system)
    if candidates is None:
        return run
    depth = results.facts[dataset, system]["system"]["depth"]["rerank"]
    heads = {query: {hit.doc_id for hit in hits[:depth]} for query, hits in candidates.items()}
    return {
        query: [hit for hit in hits if hit.doc_id in heads[query]] for query, hits in run.items()
    }


def agreement(expected: Scored, found: Scored) -> Agreement:
    """How alike `found` is to `expected`, over the documents that both have of a query."""
    pairs, difference, taus = 0, 0.0, []
    for query, hits in expected.items():
        places = {hit.doc_id: (i, hit.score) for i, hit in enumerate(found.get(query, ()))}
        both = [(*places[hit.doc_id], hit.score) for hit in hits if hit.doc_id in places]
        pairs += len(both)
        difference = max([difference, *(abs(mine - theirs) for _, mine, theirs in both)])
        if len(both) > 1:
            taus.append(kendall(np.array([[place for place, _, _ in both]], dtype=float)).item())
    total = sum(map(len, expected.values()))
    return Agreement(
        pairs,
        pairs / total if total else math.nan,
        difference if pairs else math.nan,
        float(np.mean(taus)) if taus else math.nan,
    )


def speeds(results: Results, dataset: str) -> pd.DataFrame:
    """Columns SPEEDS of a dataset; empty where latency was not measured."""
    parts, seed = [pd.DataFrame(columns=list(SPEEDS))], results.plan["seed"]
    timed, here = (
        calls[calls["dataset"] == dataset] for calls in (results.costs["calls"], results.calls)
    )
    doubts = paired_ratios.doubts(paired_ratios.noise(timed, seed))
    for model, first, others in _groups(results, dataset):
        for mode in MODES:
            mine = here[here["system"].isin([first, *others]) & (here["mode"] == mode)]
            reference = mine[mine["system"] == first]["timed_by"]
            other = (mine["system"] == first) | ~mine["timed_by"].isin(reference)
            table = paired_ratios.ratio_to(mine[other], first, mode, seed, doubts)
            named = table.assign(model=model, reference=first)
            parts += [named[named["system"] == system] for system in others]
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True)[list(SPEEDS)]
