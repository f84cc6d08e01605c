"""Results of a tiny experiment with a gate, stored as a run would, without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import made_results
import pandas as pd
from fakes import write_experiment
from made_results import frame

from harness.data import Hit
from harness.experiment.keys import data_facts
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.results import columns
from harness.results.store import Results, Store, load_results
from harness.results.trials import Measured, Ranked, Record

METRIC = "ndcg@3"
RULE = {"metric": METRIC, "margin": 0.01}
PROVENANCE = made_results.PROVENANCE | {"revision": "r1", "threads": {}}
PROVENANCE |= {"packages": {"torch": "2.11.0", "numpy": "2"}}
OVERLAP = {"use": "fakes:WordOverlap"}

LATENCY = {"candidates": [2], "budget_s": 1}
TIMED_RULE = {"latency": 1.1, "to": "first", "k": 2}


def experiment(folder: Path, **changes: Any) -> Path:
    """An experiment with a first stage and a system that reranks its hits."""
    systems = [
        {"name": "first", "retriever": OVERLAP},
        {"name": "second", "retriever": OVERLAP, "reranker": {"use": "fakes:Oracle"}},
    ]
    folder.mkdir(exist_ok=True)
    return write_experiment(folder, **{"systems": systems, "gate": [RULE], **changes})


def store(
    results: Path,
    file: Path,
    values: Mapping[str, Sequence[float]],
    failed: Mapping[str, str] | None = None,
    **facts: Any,
) -> Results:
    """Results of `file`: by system the value of each query; systems without values are pending.

    `facts` replace those of `_facts`; `calls` are rows of timed calls.
    """
    calls = facts.pop("calls", None)
    plan = loaded(file)
    kept = Store(results, plan.experiment.name)
    kept.save_plan(plan)
    for trial in plan.trials:
        name = trial.system.name
        if name in (failed or {}):
            kept.save_failure(trial, (failed or {})[name])
        if name not in values:
            continue
        queries = [f"q{i}" for i in range(len(values[name]))]
        measured = pd.DataFrame({METRIC: values[name]}, pd.Index(queries, name="query_id"))
        kept.save(
            trial,
            Record(
                Ranked({query: [Hit("d1", 1.0)] for query in queries}, None, None),
                Measured(measured, frame("readings"), qrels={}),
                timings=frame("timings"),
                storage=frame("storage"),
                texts={f"query {query}": f"text of {query}" for query in queries},
                facts=_facts(trial, facts, len(queries)),
            ),
        )
    if calls is not None:
        _store_calls(kept, plan, calls, facts)
    return load_results(results / plan.experiment.name)


def _facts(trial: Any, changes: Mapping[str, Any], queries: int) -> dict[str, Any]:
    dataset = {"fingerprint": "f", "documents": 5, "queries": queries, "judgements": 6, "notes": []}
    dataset |= {**data_facts(trial.dataset), "description": ""}
    dataset |= changes.get("dataset", {})
    first = {"kind": "retrieve", "key": changes.get("first", "k1")}
    first |= {"queries_without_hits": 0, "hits_not_in_corpus": 0}
    last = {"kind": "rerank", "key": "k2", "candidates_sha256": changes.get("candidates", "c")}
    return {
        "dataset": dataset,
        "system": trial.system.configuration(),
        "identities": changes.get("identities", trial.identities()),
        "stages": [first, last][: len(trial.stages)],
        "provenance": changes.get("provenance", PROVENANCE),
    }


def timed(
    seconds: float, noise: float = 0.0, queries: int = 30, k: int = 2
) -> list[dict[str, Any]]:
    """Calls in which reranking takes `seconds` and retrieval 0.01, queries apart by up to 10 %.

    The second copy of the reranking arm takes alternately longer and shorter by `noise`.
    """
    rows: list[dict[str, Any]] = []
    for i in range(queries):
        own = 1 + (i % 10) / 100
        apart = 1 + noise * (1 if i % 2 else -1)
        row = {"device": "cpu", "k": k, "round": 0, "query_id": f"q{i}", "copy": 0}
        rows += [
            row | {"system": "first", "mode": "retrieve", "k": 100, "seconds": 0.01},
            row | {"system": "second", "mode": "rerank", "seconds": seconds * own},
            row
            | {"system": "second", "mode": "rerank", "seconds": seconds * own * apart}
            | {"copy": 1},
        ]
    return rows


def _store_calls(kept: Store, plan: Any, calls: Any, changes: Mapping[str, Any]) -> None:
    (stage,) = plan.cost_stages()
    arms = pd.DataFrame(calls).drop_duplicates(["system", "mode", "k"])
    arms = arms.assign(status="measured", reason="").reindex(columns=list(columns.ARMS))
    tables = {"calls": frame("calls", calls), "arms": arms}
    shares = {"retrieve": {"first": "first", "second": "first"}, "on the fly": {}}
    facts = {"provenance": changes.get("provenance", PROVENANCE), "threads": 2, "shares": shares}
    kept.save_costs(stage, tables, facts)


def loaded(file: Path) -> Plan:
    return make_plan(load_experiment(file))
