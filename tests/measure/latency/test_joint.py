"""Whole runs of systems over one encoder whose parts come from one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import CALLS, DOCS, QUERIES, write_experiment

from harness import load_results
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.results.store import Results, Store

JOINT = {"use": "fakes:HashingJointEncoder"}
DENSE = {"use": "dense", "encoder": JOINT}
HYBRID = {"use": "hybrid", "encoder": JOINT}
SYSTEMS = [
    {"name": "dense", "retriever": DENSE},
    {"name": "sparse", "retriever": {"use": "sparse", "encoder": JOINT}},
    {
        "name": "late",
        "retriever": DENSE,
        "reranker": {"use": "late_interaction", "encoder": JOINT},
    },
    {"name": "hybrid", "retriever": DENSE, "reranker": HYBRID},
    {"name": "lexical", "retriever": DENSE, "reranker": {**HYBRID, "sparse": 1.0}},
    {"name": "fly", "retriever": DENSE, "reranker": {**HYBRID, "documents": "on_the_fly"}},
]
COSTS = {
    "latency": {"candidates": [1, 2], "budget_s": 0.1, "devices": ["cpu"]},
    "storage": {"precisions": ["float16"], "pool_factors": [1], "plaid_nbits": []},
}


def run(folder: Path, **changes: Any) -> Results:
    file = write_experiment(folder, systems=SYSTEMS, metrics=["ndcg@3"], **changes)
    experiment = load_experiment(file)
    store = Store(folder / "results", experiment.name)
    Execution(make_plan(experiment), store, folder / "cache", lambda *_: None).execute()
    return load_results(store.folder)


def test_each_text_goes_through_the_encoder_once(tmp_path: Path) -> None:
    CALLS.clear()
    run(tmp_path)
    # All parts of the documents for all systems, then all parts of the queries; retrievers search
    # before any reranker asks for queries, and ask for one part.
    assert CALLS[0] == f"encode {len(DOCS)} jointly"
    assert CALLS.count(f"encode {len(DOCS)} jointly") == 1
    assert set(CALLS[1:]) == {f"encode {len(QUERIES)} jointly"}
    CALLS.clear()
    run(tmp_path)
    assert CALLS == []


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run(tmp_path_factory.mktemp("joint"), **COSTS)


def test_modes_are_arms_of_their_own(results: Results) -> None:
    measured = results.costs["arms"].query("status == 'measured'")
    assert (measured["agreement"] == 1).all()
    modes = measured.groupby("system")["mode"].agg(set).to_dict()
    assert modes == {
        "dense": {"retrieve"},
        "sparse": {"retrieve"},
        "late": {"precomputed", "on the fly"},
        "hybrid": {"precomputed", "on the fly"},
        "lexical": {"precomputed"},
    }
    # One arm stands for the three hybrids, and none for another kind of reranker.
    shares = results.cost_facts["data", "latency"]["shares"]["on the fly"]
    assert shares == {"late": "late", "hybrid": "hybrid", "lexical": "hybrid", "fly": "hybrid"}


def test_stages_are_those_of_the_mode(results: Results) -> None:
    calls = results.costs["calls"].query("system == 'hybrid'").set_index("mode")
    told = calls[["encode_query", "encode_docs", "fetch", "score"]].notna()
    assert told.loc["on the fly"].all().tolist() == [True, True, False, True]
    assert told.loc["precomputed"].all().tolist() == [True, False, True, True]


def test_bytes_are_those_of_all_parts(results: Results) -> None:
    table = results.storage.set_index(["system", "holder"])
    words = sum(len(text.split()) for text in DOCS.values())
    late, hybrid = table.loc[("late", "reranker")], table.loc[("hybrid", "reranker")]
    assert (late["vectors"], late["bytes"]) == (words, words * 16 * 4)
    assert hybrid["vectors"] == words + len(DOCS)
    assert hybrid["bytes"] == late["bytes"] + len(DOCS) * 16 * 4 + words * 8
    assert table.loc[("sparse", "retriever")]["bytes"] == words * 8
    assert set(results.costs["grid"]["system"]) == {"late"}  # the encoder's vectors are told once
    assert set(results.costs["grid"]["dim"]) == {16}


def test_throughput_is_of_all_parts(results: Results) -> None:
    rows = results.costs["throughput"][["system", "mode", "unit"]]
    assert rows.to_numpy().tolist() == [
        ["dense", "retrieve", "documents"],
        ["late", "precomputed", "documents"],
    ]
