"""A system that breaks once its quality is measured: its arms are not measured, all others are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contract_server
import fakes
import pandas as pd
import pytest
from breakable import Other, OtherTokens, Told
from fakes import write_experiment

from harness import load_results
from harness.errors import ModelError
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.measure.load import client_limit
from harness.report.analyse import analyse
from harness.report.missing import not_measured
from harness.results.store import Results, Store

WHY = "The weights are damaged."
OVERLAP = {"use": "fakes:WordOverlap"}


def late(encoder: str) -> dict[str, Any]:
    return {"use": "late_interaction", "encoder": {"use": encoder}}


SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "other", "retriever": {"use": "breakable:Other"}},
    {"name": "told", "retriever": OVERLAP, "reranker": {"use": "breakable:Told"}},
    {"name": "late", "retriever": OVERLAP, "reranker": late("fakes:HashingTokenEncoder")},
    {"name": "tokens", "retriever": OVERLAP, "reranker": late("breakable:OtherTokens")},
]
WHOLE = {
    *{("overlap", "retrieve"), ("other", "retrieve"), ("told", "rerank")},
    *{(name, mode) for name in ("late", "tokens") for mode in ("precomputed", "on the fly")},
}
"""All arms."""


@pytest.fixture(autouse=True)
def _calls_of_one_test() -> Iterator[None]:
    fakes.CALLS.clear()
    yield
    fakes.CALLS.clear()


def broken(*_: Any, **__: Any) -> Any:
    raise ModelError(WHY)


def run(
    folder: Path,
    patch: pytest.MonkeyPatch,
    breaks: tuple[type, str],
    cache: str = "deleted",
    **keys: Any,
) -> Results:
    """Quality first; then costs, by what `breaks`, with the cache as it is or deleted."""
    experiment = load_experiment(write_experiment(folder, **keys))
    store = Store(folder / "results", experiment.name)

    def execute() -> None:
        made = Execution(make_plan(experiment), store, folder / "cache", lambda *_: None)
        made.execute()
        assert made.failures == {}

    with patch.context() as first:
        first.setattr(Store, "pending_cost_stages", lambda *_: [])
        execute()
    (folder / "cache").rename(folder / cache)
    patch.setattr(*breaks, broken)
    execute()
    return load_results(store.folder)


def arms(results: Results, status: str) -> set[tuple[str, str]]:
    table = results.costs["arms"]
    found = table[table["status"] == status]
    return set(zip(found["system"], found["mode"], strict=True))


@pytest.mark.parametrize(
    ("breaks", "cache", "lost"),
    [
        ((Other, "index"), "cache", {("other", "retrieve")}),
        ((Told, "attention"), "cache", {("told", "rerank")}),
        (
            (OtherTokens, "encode"),
            "deleted",
            {("tokens", "precomputed"), ("tokens", "on the fly")},
        ),
    ],
    ids=["a first stage", "a model", "an encoder"],
)
def test_one_systems_arms_are_lost(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breaks: tuple[type, str],
    cache: str,
    lost: set[tuple[str, str]],
) -> None:
    latency = {"candidates": [2], "budget_s": 0.2, "starts": 0}
    results = run(tmp_path, monkeypatch, breaks, cache, systems=SYSTEMS, latency=latency)
    assert arms(results, "not measured") == lost
    assert arms(results, "measured") == WHOLE - lost
    ((system, _), *_) = lost
    assert results.cost_facts["data", "latency"]["left_out"] == {system: WHY}
    table = results.costs["arms"]
    assert set(table[table["status"] == "not measured"]["reason"]) == {WHY}
    analyse(results)
    assert WHY in " ".join(map(str, not_measured(results)))


def test_one_encoders_ways_to_keep_vectors_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = {"plaid_nbits": [], "pool_factors": [1], "precisions": ["float32"]}
    breaks = (OtherTokens, "encode")
    results = run(tmp_path, monkeypatch, breaks, systems=SYSTEMS, storage=storage)
    assert set(results.costs["grid"]["system"]) == {"late"}
    assert results.cost_facts["data", "storage"]["left_out"] == {"tokens": WHY}


def test_one_servers_load_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_limit, "SECONDS", 0.05)
    monkeypatch.setattr(client_limit, "WAKE_SECONDS", 0.01)
    load = {"concurrency": [1], "rates": [0.5], "seconds": 0.1, "longest_s": 0.1, "candidates": 2}
    with contract_server.running() as server:
        server.reset("plain")
        endpoint = {"use": "endpoint", "dialect": "plain", "url": server.url}
        systems = [
            {"name": "overlap", "retriever": OVERLAP},
            {"name": "lost", "retriever": {"use": "breakable:Other"}, "reranker": endpoint},
            {"name": "kept", "retriever": OVERLAP, "reranker": endpoint},
        ]
        results = run(tmp_path, monkeypatch, (Other, "index"), systems=systems, load=load)
    steps: pd.DataFrame = results.costs["steps"]
    assert set(steps[steps["system"] == "lost"]["reason"]) == {WHY}
    assert set(steps[steps["system"] == "kept"]["status"]) == {"measured"}
    assert results.cost_facts["data", "load"]["left_out"] == {"lost": WHY}
