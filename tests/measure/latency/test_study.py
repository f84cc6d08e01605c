"""From an experiment to its tables of cost, with components that need no model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import write_experiment
from hypothesis import given
from hypothesis import strategies as st
from patience import patient
from tiny import colbert, ms_marco

from harness import load_results
from harness.data import Hit, Query
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.result_folders import Weights
from harness.experiment.schema import Latency
from harness.files import digests
from harness.measure.latency.study import choose
from harness.results.store import Results, Store

OVERLAP = {"use": "fakes:WordOverlap"}
MAXSIM = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "oracle", "retriever": OVERLAP, "reranker": {"use": "fakes:Oracle"}},
    {"name": "maxsim", "retriever": OVERLAP, "reranker": MAXSIM},
    {"name": "small", "retriever": OVERLAP, "reranker": {**MAXSIM, "dim": 8}},
]
LATENCY = {"candidates": [1, 2], "budget_s": 0.3, "devices": ["cpu", "cuda"]}


def run(folder: Path, weights: Weights = "real", **changes: Any) -> Results:
    content = {"systems": SYSTEMS, "latency": LATENCY, **changes}
    experiment = load_experiment(write_experiment(folder, **content), weights=weights)
    store = Store(folder / "results", experiment.name)
    Execution(make_plan(experiment), store, folder / "cache", lambda *_: None).execute()
    return load_results(store.folder)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run(tmp_path_factory.mktemp("study"))


def names(table: pd.DataFrame, *columns: str) -> set[tuple[Any, ...]]:
    return set(table[list(columns)].itertuples(index=False, name=None))


def test_modes_are_arms_of_their_own(results: Results) -> None:
    measured = results.costs["arms"].query("status == 'measured'")
    assert names(measured, "system", "mode", "k") == {
        ("overlap", "retrieve", 100),
        *(("oracle", "rerank", k) for k in (1, 2)),
        *(("maxsim", mode, k) for mode in ("on the fly", "precomputed") for k in (1, 2)),
        *(("small", "precomputed", k) for k in (1, 2)),
    }


def test_arms_that_would_be_the_same_are_timed_once(results: Results) -> None:
    shares = results.cost_facts["data", "latency"]["shares"]
    assert shares["on the fly"] == {"maxsim": "maxsim", "small": "maxsim"}
    assert set(shares["retrieve"].values()) == {"overlap"}


def test_what_was_timed_is_what_was_judged(results: Results) -> None:
    measured = results.costs["arms"].query("status == 'measured'")
    assert (measured["agreement"] == 1).all()


def test_stages_are_those_of_the_mode(results: Results) -> None:
    calls = results.costs["calls"].set_index("mode")
    stages = ["encode_query", "encode_docs", "fetch", "score"]
    known = {mode: calls.loc[mode, stages].notna().all().to_dict() for mode in set(calls.index)}
    assert [stage for stage, there in known["on the fly"].items() if there] == [
        "encode_query",
        "encode_docs",
        "score",
    ]
    assert [stage for stage, there in known["precomputed"].items() if there] == [
        "encode_query",
        "fetch",
        "score",
    ]
    assert not any(known["rerank"].values())


def test_tokens_of_precomputed_documents_are_the_vectors_compared(results: Results) -> None:
    calls = results.costs["calls"].query("mode == 'precomputed' and k == 1 and query_id == 'q1'")
    assert set(calls["tokens"]) == {3}  # its first candidate is d2, "red apple pie"


def test_results_of_a_version_without_server_time_are_read(
    results: Results, tmp_path: Path
) -> None:
    folder = shutil.copytree(results.folder, tmp_path / "old")
    (file,) = folder.glob("*/latency--*/calls.csv")
    pd.read_csv(file).drop(columns="server").to_csv(file, index=False)
    digests.seal(file.parent)
    calls = load_results(folder).costs["calls"]
    assert calls["server"].isna().all()
    assert len(calls) == len(results.costs["calls"])


def test_a_device_that_is_not_there_is_not_measured(results: Results) -> None:
    absent = results.costs["arms"].query("device == 'cuda'")
    assert set(absent["status"]) == {"not measured"}
    assert set(absent["reason"]) == {"no CUDA device"}
    assert set(absent["system"]) == {"overlap", "oracle", "maxsim", "small"}
    assert set(results.costs["calls"]["device"]) == {"cpu"}


def test_work_that_can_be_done_beforehand_has_a_row_of_its_own(results: Results) -> None:
    rows = names(results.costs["throughput"], "system", "unit")
    assert rows == {("maxsim", "documents"), ("oracle", "pairs")}


def test_what_is_done_is_not_measured_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    again = run(tmp_path)
    pd.testing.assert_frame_equal(first.costs["calls"], again.costs["calls"])


def test_a_system_whose_ranking_failed_is_not_timed(tmp_path: Path) -> None:
    raising = {"name": "raising", "retriever": OVERLAP, "reranker": {"use": "fakes:Raising"}}
    found = run(tmp_path, systems=[SYSTEMS[0], SYSTEMS[1], raising]).costs["arms"]
    assert set(found.query("system == 'raising'")["reason"]) == {"its ranking failed"}
    assert set(found.query("system == 'oracle' and device == 'cpu'")["status"]) == {"measured"}


def test_more_candidates_than_there_are_is_not_measured(tmp_path: Path) -> None:
    latency = {"candidates": [2, 50], "budget_s": 0.3}
    found = run(tmp_path, latency=latency).costs["arms"].query("k == 50")
    assert set(found["reason"]) == {"fewer than two queries have 50 candidates to rerank"}


def test_a_first_stage_that_nobody_reranks_leaves_no_candidates_out(tmp_path: Path) -> None:
    few = {"use": "fakes:Answers", "hits": [["d1", 1.0]]}
    systems = [*SYSTEMS[:2], {"name": "few", "retriever": few}]
    found = run(tmp_path, systems=systems, latency={"candidates": [1, 2], "budget_s": 0.3})
    arms = found.costs["arms"]
    assert set(arms["status"]) == {"measured"}
    assert names(arms, "system", "k") == {
        ("overlap", 100),
        ("few", 100),
        ("oracle", 1),
        ("oracle", 2),
    }


def test_without_the_block_nothing_is_timed(tmp_path: Path) -> None:
    found = run(tmp_path, latency={"candidates": [1], "budget_s": 0.1}, systems=SYSTEMS[:1])
    assert set(found.costs["calls"]["system"]) == {"overlap"}
    (tmp_path / "none").mkdir()
    content = {"systems": SYSTEMS[:2]}
    experiment = load_experiment(write_experiment(tmp_path / "none", **content))
    assert list(make_plan(experiment).cost_stages()) == []


@patient
def test_random_weights_have_a_cost_and_no_quality(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    encoder = {"use": "sentence_transformers", "model": "BAAI/bge-small-en-v1.5"}
    dense = {"use": "dense", "encoder": encoder}
    minilm = {"use": "cross_encoder", "model": "cross-encoder/ms-marco-MiniLM-L6-v2"}
    answerai = {"use": "pylate", "model": "answerdotai/answerai-colbert-small-v1"}
    late = {"use": "late_interaction", "encoder": answerai}
    found = run(
        tmp_path_factory.mktemp("random"),
        weights="dummy",
        systems=[
            {"name": "dense", "retriever": dense},
            {"name": "overlap", "retriever": OVERLAP},
            {"name": "minilm", "retriever": dense, "reranker": minilm},
            {"name": "answerai", "retriever": dense, "reranker": late},
        ],
        latency={"candidates": [1, 2], "budget_s": 0.5, "starts": 0},
        storage={"documents": 5, "plaid_nbits": [], "pool_factors": [1], "dims": [96, 64]},
    )
    status = dict(zip(found.trials["system"], found.trials["status"], strict=True))
    assert status == dict.fromkeys(("dense", "minilm", "answerai"), "not measured") | {
        "overlap": "done"
    }
    assert set(found.measurements["system"]) == {"overlap"}
    facts = found.cost_facts["data", "latency"]
    assert facts["candidates_from"] == dict.fromkeys(
        ("dense", "minilm", "answerai"), "fakes:WordOverlap"
    )
    measured = found.costs["arms"].query("status == 'measured' and k == 1")
    assert names(measured, "system", "mode") == {
        ("minilm", "rerank"),
        ("answerai", "on the fly"),
        ("answerai", "precomputed"),
    }
    assert found.costs["arms"].query("mode == 'rerank'")["tokens"].between(5, 50).all()
    grid = found.costs["grid"].set_index(["dim", "precision"])["payload_bytes"]
    assert grid[96, "float16"] * 2 == grid[96, "float32"]
    assert grid[64, "float32"] * 3 == grid[96, "float32"] * 2


def queries(count: int) -> list[Query]:
    return [Query(f"q{i}", "text") for i in range(count)]


def hits(count: int) -> list[Hit]:
    return [Hit(f"d{i}", -float(i)) for i in range(count)]


def test_only_queries_with_all_candidates_in_every_run_are_timed() -> None:
    runs = {
        "one": {f"q{i}": hits(10) for i in range(8)},
        "two": {f"q{i}": hits(10 if i < 6 else 3) for i in range(8)},
    }
    chosen = choose(runs, queries(9), Latency(candidates=(5, 10, 50)), seed=1)
    assert chosen.candidates == (5, 10)
    both = [query.query_id for query in (*chosen.timed, *chosen.tuning)]
    assert sorted(both) == [f"q{i}" for i in range(6)]


@given(st.integers(0, 80), st.integers(1, 40))
def test_no_query_is_both_tuned_on_and_timed(count: int, wanted: int) -> None:
    runs = {"run": {f"q{i}": hits(2) for i in range(count)}}
    settings = Latency(candidates=(2,), queries=wanted)
    chosen = choose(runs, queries(count), settings, seed=3)
    timed, tuning = set(chosen.timed), set(chosen.tuning)
    assert not timed & tuning
    assert len(timed) == min(wanted, count - len(tuning))
    assert bool(tuning) == (count > 1)


@pytest.mark.parametrize(("memory_gb", "groups"), [(1e-9, 3), (1e6, 1)])
def test_models_that_do_not_fit_together_take_turns(
    tmp_path: Path, memory_gb: float, groups: int
) -> None:
    late = {
        "use": "late_interaction",
        "encoder": {"use": "pylate", "model": str(colbert(tmp_path / "colbert"))},
    }
    cross = {"use": "cross_encoder", "model": str(ms_marco(tmp_path / "cross"))}
    found = run(
        tmp_path,
        systems=[
            {"name": "overlap", "retriever": OVERLAP},
            {"name": "late", "retriever": OVERLAP, "reranker": late},
            {"name": "cross", "retriever": OVERLAP, "reranker": cross},
        ],
        latency={"candidates": [1], "budget_s": 2, "starts": 0, "memory_gb": memory_gb},
    )
    arms = found.costs["arms"]
    assert set(arms["status"]) == {"measured"}
    seen = found.cost_facts["data", "latency"]["memory"]["cpu"]
    assert seen["groups"] == groups
    # without models, overlap needs no group of its own, and the late ones are two: on the fly the
    # vectors of documents give way
    assert set(seen["too_large"]) == ({"overlap", "late", "cross"} if groups > 1 else set())
