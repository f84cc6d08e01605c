"""Ceilings, sweeps and condensed lists from literal readings."""

from __future__ import annotations

import math
from typing import Any

import made_results
import pandas as pd
import pytest
from made_results import frame

from harness.analysis.quality import alarms, reranking
from harness.results.store import Results

QUERIES = tuple(f"q{i}" for i in range(8))
"""Each value is given for two of them: fewer than six queries have no interval."""


def rows(system: str, metric: str, values: list[float]) -> list[tuple[Any, ...]]:
    return [("x", system, q, metric, v) for q, v in zip(QUERIES, values * 2, strict=True)]


def read(
    system: str, reading: str, depth: int, metric: str, values: list[float]
) -> list[tuple[Any, ...]]:
    return [
        ("x", system, reading, depth, q, metric, v)
        for q, v in zip(QUERIES, values * 2, strict=True)
    ]


def made(
    measured: list[tuple[Any, ...]], readings: list[tuple[Any, ...]], **costs: pd.DataFrame
) -> Results:
    plan = {"seed": 3, "decision": {"objective": "m@1"}}
    return made_results.results(plan, measurements=measured, readings=readings, costs=costs)


@pytest.fixture
def results() -> Results:
    measured = [
        *rows("base", "m@1", [0.0, 0.0, 0.5, 0.5]),
        *rows("re", "m@1", [0.5, 0.5, 0.5, 0.5]),
        *rows("base", "judged@10", [1.0] * 4),
        *rows("re", "judged@10", [0.5] * 4),
        *rows("re", "ties@10", [0.0] * 4),
    ]
    readings = [
        *read("re", "depth", 0, "m@1", [0.0, 0.0, 0.5, 0.5]),
        *read("re", "depth", 10, "m@1", [0.5, 0.0, 0.5, 0.5]),
        *read("re", "ceiling", 20, "m@1", [1.0, 0.5, 1.0, 0.5]),
        *read("re", "condensed", 20, "m@1", [1.0, 0.5, 0.5, 0.5]),
        *read("base", "condensed", 0, "m@1", [0.0, 0.0, 0.5, 0.5]),
    ]
    return made(measured, readings)


def test_the_ceiling_by_hand(results: Results) -> None:
    (row,) = reranking.ceilings(results, "x").to_dict("records")
    assert tuple(row) == reranking.CEILINGS
    # means: first stage 1/4, rerank 1/2, ceiling 3/4
    assert (row["first"], row["value"], row["ceiling"]) == (0.25, 0.5, 0.75)
    assert row["closed"] == pytest.approx(0.5)
    assert row["closed_low"] <= 0.5 <= row["closed_high"]
    assert (row["lost_before"], row["left_behind"]) == (0.25, 0.25)
    assert row["limit"] == "reranker"


def test_a_first_stage_that_finds_nothing_is_the_limit() -> None:
    none = [0.0] * 4
    found = made(
        rows("re", "m@1", none),
        [*read("re", "depth", 0, "m@1", none), *read("re", "ceiling", 20, "m@1", none)],
    )
    (row,) = reranking.ceilings(found, "x").to_dict("records")
    assert row["limit"] == "first stage"
    assert math.isnan(row["closed"])  # there was no gap to close


def test_the_sweep_ends_at_the_full_depth(results: Results) -> None:
    table = reranking.sweep(results, "x")
    assert tuple(table.columns) == reranking.SWEEP
    assert table[["depth", "value"]].to_numpy().tolist() == [
        [0, 0.25],
        [10, 0.375],
        [20, 0.5],
    ]
    assert (table["low"] <= table["value"]).all()


def test_gains_without_unjudged_documents(results: Results) -> None:
    (row,) = reranking.unjudged(results, "x").to_dict("records")
    assert (row["system"], row["judged"], row["judged_baseline"]) == ("re", 0.5, 1.0)
    assert row["gain"] == pytest.approx(0.25)  # 1/2 - 1/4
    assert row["condensed_gain"] == pytest.approx(0.375)  # 5/8 - 1/4
    assert row["condensed_low"] <= 0.375 <= row["condensed_high"]


def test_results_without_readings_give_empty_tables() -> None:
    bare = made(rows("base", "m@1", [0.0] * 4), [])
    for table in (reranking.ceilings, reranking.sweep, reranking.unjudged):
        assert table(bare, "x").empty
    assert alarms.alarms(bare).empty


def severities(results: Results) -> dict[tuple[str, str], str]:
    table = alarms.alarms(results)
    assert tuple(table.columns) == alarms.ALARMS
    return {(row.system, row.alarm): row.severity for row in table.itertuples()}


def test_fewer_judged_documents_than_the_baseline_alarm(results: Results) -> None:
    assert severities(results) == {("re", "unjudged"): "CAUTION"}


@pytest.mark.parametrize(
    ("metric", "values", "expected"),
    [
        ("tau", [1.0] * 4, {("re", "null reranker"): "INVALID"}),
        ("tau", [1.0, 1.0, 1.0, 0.9], {}),
        ("tau", [-1.0] * 4, {("re", "reversed order"): "INVALID"}),
        ("distinct", [1.0, 1.0, 5.0, 5.0], {("re", "constant scores"): "INVALID"}),
        ("distinct", [1.0, 5.0, 5.0, 5.0], {("re", "constant scores"): "CAUTION"}),
        ("distinct", [5.0] * 4, {}),
        ("truncated", [0.5] * 4, {("re", "truncated"): "CAUTION"}),
        ("truncated", [0.1] * 4, {("re", "truncated"): "INFO"}),
        ("truncated", [0.0] * 4, {}),
    ],
)
def test_alarms_of_a_rerank(
    metric: str, values: list[float], expected: dict[tuple[str, str], str]
) -> None:
    assert severities(made([], read("re", "order", 20, metric, values))) == expected


def test_ties_alarm_for_any_system() -> None:
    assert severities(made(rows("base", "ties@10", [0.5] * 4), [])) == {("base", "ties"): "CAUTION"}


@pytest.mark.parametrize(("tau", "severity"), [(0.98, "CAUTION"), (0.5, "INVALID"), (1.0, None)])
def test_devices_that_rank_apart_alarm(tau: float, severity: str | None) -> None:
    arm = {"dataset": "x", "system": "re", "device": "cuda", "status": "measured"}
    arms = frame("arms", [arm | {"tau": tau, "agreement": 1.0}])
    found = severities(made([], [], arms=arms))
    assert found == ({("re", "devices apart"): severity} if severity else {})


def test_a_timed_ranking_that_is_not_the_measured_one_alarms() -> None:
    arm = {"dataset": "x", "system": "re", "device": "cpu", "status": "measured"}
    arms = frame("arms", [arm | {"agreement": 0.9}])
    assert severities(made([], [], arms=arms)) == {("re", "timed ranking differs"): "CAUTION"}


def test_what_blocks_stands_first() -> None:
    readings = [
        *read("re", "order", 20, "truncated", [0.5] * 4),
        *read("re", "order", 20, "tau", [1.0] * 4),
    ]
    table = alarms.alarms(made([], readings))
    assert table["severity"].tolist() == ["INVALID", "CAUTION"]
