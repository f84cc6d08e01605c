from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.analysis.costs import vector_bytes
from harness.analysis.quality import leaderboard
from harness.report import analyse
from harness.results import columns
from harness.results.store import COSTS, Results

BASE = [0.0, 0.5, 1.0, 0.5, 0.0, 0.5, 0.0, 0.5]
BETTER = [0.5, 1.0, 1.0, 1.0, 0.5, 1.0, 0.5, 1.0]  # 7 wins of 0.5, 1 tie
WORSE = [0.0, 0.5, 0.5, 0.5, 0.0, 0.5, 0.0, 0.5]  # 1 loss of 0.5


def results(systems: Mapping[str, Sequence[float]], **changes: Any) -> Results:
    """Results on one dataset `x` with the baseline `base` and the metric `m@1`."""
    rows = [
        ("x", system, f"q{i}", metric, value)
        for system, values in systems.items()
        for i, value in enumerate(values)
        for metric in ("m@1", "ties@10")
    ]
    trials = [("x", name, "k", "done", "r", "", "{}", "") for name in systems]
    storage = [
        ("x", name, "retriever", "vectors", 4, 4, 8, "float32", 128, None, "") for name in systems
    ]
    counted = ("token vectors", 4, 40, 8, "float16", 640, None, "")
    storage += [("x", "better", "reranker", *counted)] * ("better" in systems)
    tables = {
        "trials": pd.DataFrame(trials, columns=list(columns.TRIALS)),
        "measurements": pd.DataFrame(rows, columns=list(columns.MEASUREMENTS)),
        "timings": pd.DataFrame(columns=list(columns.TIMINGS)),
        "storage": pd.DataFrame(storage, columns=list(columns.STORAGE)),
    }
    plan = {"baseline": "base", "metrics": ["m@1"], "seed": 7, "question": "?", "weights": "real"}
    plan |= {"decision": {"workload": None, "prices": None}, "trials": []}
    costs = {name: pd.DataFrame(columns=list(getattr(columns, name.upper()))) for name in COSTS}
    parts = tables | {"plan": plan, "costs": costs, "cost_facts": {}, "facts": {}} | changes
    return Results(folder=Path(), **parts)


def test_leaderboard_is_in_the_order_of_the_experiment() -> None:
    table = leaderboard.leaderboard(results({"worse": WORSE, "base": BASE}))
    assert tuple(table.columns) == leaderboard.LEADERBOARD
    rows = table[["system", "metric", "value", "queries"]].to_numpy().tolist()
    assert rows == [
        ["worse", "m@1", 0.3125, 8],
        ["worse", "ties@10", 0.3125, 8],
        ["base", "m@1", 0.375, 8],
        ["base", "ties@10", 0.375, 8],
    ]
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_differences_are_of_the_experiments_metrics_against_the_baseline() -> None:
    table = leaderboard.differences(results({"base": BASE, "better": BETTER, "worse": WORSE}))
    assert tuple(table.columns) == leaderboard.DIFFERENCES
    shown = table[["system", "metric", "gain", "wins", "ties", "losses"]].to_numpy().tolist()
    assert shown == [
        ["better", "m@1", 0.4375, 7, 1, 0],
        ["worse", "m@1", -0.0625, 0, 7, 1],
    ]


def test_measures_of_no_quality_are_not_compared() -> None:
    found = results({"base": BASE, "better": BETTER})
    found.plan["metrics"] = ["ties@10", "m@1"]
    assert set(leaderboard.differences(found)["metric"]) == {"m@1"}
    assert analyse.analyse(found).answer.startswith(
        "Adopt better: ranks 0.438 m@1 better than base"
    )


def test_queries_are_paired_by_id_and_not_by_place() -> None:
    found = results({"base": BASE, "better": BETTER})
    turned = found.measurements.iloc[::-1].reset_index(drop=True)
    again = leaderboard.differences(results({"base": BASE, "better": BETTER}, measurements=turned))
    assert again["wins"].tolist() == leaderboard.differences(found)["wins"].tolist() == [7]


@pytest.mark.parametrize("systems", [{"base": BASE}, {"better": BETTER}])
def test_nothing_to_compare(systems: dict[str, list[float]]) -> None:
    found = results(systems)
    assert leaderboard.differences(found).empty
    assert tuple(leaderboard.differences(found).columns) == leaderboard.DIFFERENCES


def test_changed_most_names_both_ends() -> None:
    mixed = [0.25, 0.0, 1.0, 1.0, 0.0, 0.5, 0.0, 0.25]
    table = leaderboard.changed_most(results({"base": BASE, "mixed": mixed}), "x", "m@1", 1)
    assert tuple(table.columns) == leaderboard.CHANGES
    assert table[["query_id", "change"]].to_numpy().tolist() == [["q3", 0.5], ["q1", -0.5]]


@pytest.mark.parametrize(
    "systems", [{"base": BASE}, {"better": BETTER}, {"base": BASE, "same": BASE}]
)
def test_changed_most_may_be_nothing(systems: dict[str, list[float]]) -> None:
    table = leaderboard.changed_most(results(systems), "x", "m@1", 3)
    assert table.empty
    assert set(table.columns) == set(leaderboard.CHANGES)


def test_storage_per_document() -> None:
    table = vector_bytes.storage_per_document(results({"base": BASE, "better": BETTER}))
    reranker = table[table["holder"] == "reranker"].iloc[0]
    assert reranker["bytes_per_document"] == 640 / 4
    assert reranker["vectors_per_document"] == 40 / 4
    assert reranker["gb_per_million_documents"] == 0.16  # 160 bytes x 10**6 / 10**9
