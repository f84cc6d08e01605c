"""Results of cost as literal tables: one dataset, hostile names, a predicted and an absent arm.

And a run of fakes with hostile names and texts, for what needs stored runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import made_results
import pandas as pd
import pytest
from made_results import PROVENANCE, SETTINGS, arm, calls, described, frame, trial

from harness.cli import commands
from harness.results.store import Results

EVIL = "la|te<b>&`$x$"
"""A late-interaction system; `twin` shares its arm on the fly."""

QUERIES = [f"q{i}" for i in range(20)]
DENSE = {"use": "dense", "encoder": {"use": "x", "model": "unknown"}, "dim": None}
FLY = {EVIL: EVIL, "twin": EVIL}
RETRIEVES = {"base": "base", "cross": "base", EVIL: "base", "twin": "base"}


def timed(system: str, mode: str, k: int, seconds: float, copy: int = 0) -> list[dict[str, Any]]:
    """A call of each query, the later ones slower by 1 % each."""
    each = [seconds * (1 + i / 100) for i in range(len(QUERIES))]
    return calls(system, mode, k, each, copy=copy, tokens=100.0 * k)


def costly(weights: str = "real", **changes: pd.DataFrame) -> Results:
    """The results; `changes` replace tables of cost."""
    arms = [
        arm("base", "retrieve", 9, agreement=1.0),
        arm("cross", "rerank", 2, policy="batches of 2", agreement=0.5),
        arm("cross", "rerank", 4, "predicted", tokens=400.0, reason="one call takes 7 s"),
        arm(EVIL, "precomputed", 2),
        arm(EVIL, "precomputed", 4),
        arm(EVIL, "on the fly", 2),
        arm("twin", "precomputed", 2),
        arm("twin", "precomputed", 4, "not measured", reason="it broke"),
        *(arm(name, "rerank", 2, "not measured", device="cuda", reason="no GPU") for name in FLY),
    ]
    made = [
        *timed("base", "retrieve", 9, 0.01),
        *timed("cross", "rerank", 2, 1.0),
        *(row for k in (2, 4) for row in timed(EVIL, "precomputed", k, 0.1)),
        *timed(EVIL, "on the fly", 2, 0.5),
        *timed("twin", "precomputed", 2, 0.2),
        *timed("twin", "precomputed", 2, 0.2, copy=1),
    ]
    ways = {"documents": 10, "vectors": 100, "dim": 8, "pool_factor": 1, "remark": ""}
    grid = [
        ways | {"system": EVIL, "model": "dummy:<m>", "trained": True, "precision": "int8"},
        ways | {"system": EVIL, "model": "dummy:<m>", "trained": True, "precision": "plaid"},
    ]
    grid[0] |= {"formula_bytes": 1280, "disk_bytes": 1600, "memory_seconds": 0.002}
    grid[1] |= {"formula_bytes": 900, "nbits": 2, "remark": "not measured: <no>"}
    rounds = [{"device": "cpu", "round": i, "load": 1.0, "steal": 0.0} for i in range(2)]
    rounds[0]["spin_seconds"], rounds[1]["spin_seconds"] = 0.5, 0.6
    start = {"device": "cpu", "system": "cross", "mode": "rerank", "import_seconds": 2.0}
    work = {"device": "cpu", "system": EVIL, "mode": "precomputed", "unit": "documents"}
    tables = {
        "arms": arms,
        "calls": made,
        "grid": grid,
        "rounds": rounds,
        "starts": [start],
        "throughput": [work | {"policy": "", "count": 10, "seconds": 5.0}],
    }
    decision = {"workload": {"documents": 1000, "queries_per_day": 10, "candidates": 2}}
    facts = {
        "settings": SETTINGS,
        "threads": 2,
        "queries": 20,
        "tuning_queries": 3,
        "candidates_from": {"cross": "bm25"},
        "provenance": PROVENANCE,
        "shares": {"retrieve": RETRIEVES, "on the fly": FLY},
    }
    return made_results.results(
        {"weights": weights, "decision": decision | {"prices": None}},
        **_trials(weights),
        costs={name: frame(name, rows, dataset="x") for name, rows in tables.items()} | changes,
        cost_facts={("x", "latency"): facts, ("x", "storage"): facts},
    )


def _trials(weights: str) -> dict[str, Any]:
    """The tables of quality: empty with random weights."""
    encoder = {"use": "pylate", "model": "dummy:<m>"}
    late = {"use": "late_interaction", "encoder": encoder, "dim": None, "pool_factor": 1}
    rerankers = {"base": None, "cross": {"use": "cross_encoder", "model": "c"}}
    rerankers |= {EVIL: late | {"precision": "int8"}, "twin": late | {"precision": "float16"}}
    configs = {
        name: {"name": name, "retriever": DENSE, "reranker": reranker}
        for name, reranker in rerankers.items()
    }
    if weights != "real":
        reason = "no weights here"
        return {"trials": [trial("x", n, c, "not measured", reason) for n, c in configs.items()]}
    values = [
        ("x", name, query, metric, (i % 2) / (2 if name == "base" else 1))
        for name in configs
        for i, query in enumerate(QUERIES)
        for metric in ("m@1", "judged@10", "ties@10")
    ]
    vectors = ("vectors", 10, 10, 4, "float32", 160, None, "")
    return {
        "trials": [trial("x", name, config) for name, config in configs.items()],
        "measurements": values,
        "storage": [
            *(("x", name, "retriever", *vectors) for name in configs),
            ("x", EVIL, "reranker", "token vectors", 10, 100, 8, "int8", 1200, None, ""),
        ],
        "facts": {("x", name): described(config) for name, config in configs.items()},
    }


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Results]:
    """Makes results of cost."""
    return costly


SCRIPT = '<script>alert("x")</script> | `a` [b](javascript:c) & "d"'
"""What a question, a document and a query of the run say."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run of fakes, with one trial that failed; beside it lies the experiment."""
    folder = tmp_path_factory.mktemp("report")
    docs = {"d1": "red apple", "d2": f"red apple pie {SCRIPT}", "d3": "green pear", "d5": "plum"}
    qrels = {**fakes.QRELS, "q2": {"d3": 2, "gone": 1}}
    fakes.write_beir(folder / "data", docs, {**fakes.QUERIES, "q1": f"red apple {SCRIPT}"}, qrels)
    dense = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
    late = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
    broken = {"use": "fakes:NotFinite"}
    file = fakes.write_experiment(
        folder,
        question=f"Is it {SCRIPT}?",
        systems=[
            {"name": "dense", "retriever": dense},
            {"name": "words", "retriever": {"use": "fakes:WordOverlap"}},
            {
                "name": "late",
                "retriever": dense,
                "reranker": late,
                "vary": {"reranker.dim": [16, 8], "reranker.precision": ["float16", "binary"]},
            },
            {"name": "broken", "retriever": dense, "reranker": broken},
        ],
    )
    results, cache = folder / "results", folder / "cache"
    code = commands.main(["run", str(file), "--results", str(results), "--cache", str(cache)])
    assert code == 3  # one trial fails on purpose
    return results / "experiment"
