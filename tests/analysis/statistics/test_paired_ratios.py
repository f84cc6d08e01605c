from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.analysis.statistics import intervals, paired_ratios
from harness.results import columns

QUIET = {("x", "cpu"): 1.0}


def calls(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Calls from (system, mode, copy, k, round, query_id, seconds)."""
    names = ["system", "mode", "copy", "k", "round", "query_id", "seconds"]
    table = pd.DataFrame(list(rows), columns=names).assign(dataset="x", device="cpu")
    return table.reindex(columns=list(columns.CALLS))


def many(system: str, seconds: float, queries: int = 10, **changes: Any) -> list[list[Any]]:
    """Two rounds of `queries`, the one twice as slow as the other, each query slower than the last."""
    of = {"mode": "rerank", "copy": 0, "k": 10} | changes
    return [
        [system, of["mode"], of["copy"], of["k"], r, f"q{i}", seconds * (r + 1) * (i + 1)]
        for r in range(2)
        for i in range(queries)
    ]


def test_geometric_mean_by_hand() -> None:
    # sqrt(2 * 8) = 4; 2 queries are too few for an interval
    found = paired_ratios.geometric_mean([2, 8], ["a", "b"], 0)
    assert found.ratio == pytest.approx(4)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_constant_ratio_is_sure() -> None:
    found = paired_ratios.geometric_mean([1.5] * 20, list(range(10)) * 2, 0)
    assert found == pytest.approx((1.5, 1.5, 1.5))


def test_seed_decides() -> None:
    values, queries = np.random.default_rng(0).lognormal(size=30), np.arange(30) // 2
    found = paired_ratios.geometric_mean(values, queries, 1)
    assert found == paired_ratios.geometric_mean(values, queries, 1)
    assert found != paired_ratios.geometric_mean(values, queries, 2)


@given(st.integers(10, 30), st.integers(0, 100), st.floats(0.1, 10))
def test_interval_turns_and_scales_with_the_ratio(queries: int, seed: int, factor: float) -> None:
    values, names = np.random.default_rng(seed).lognormal(size=2 * queries), [*range(queries)] * 2
    ratio, low, high = paired_ratios.geometric_mean(values, names, 0)
    assert low <= ratio <= high
    scaled = paired_ratios.geometric_mean(values * factor, names, 0)
    assert scaled == pytest.approx((ratio * factor, low * factor, high * factor))
    turned = paired_ratios.geometric_mean(1 / values, names, 0)
    assert turned == pytest.approx((1 / ratio, 1 / high, 1 / low))


def test_interval_of_many_queries_is_students() -> None:
    logs = np.random.default_rng(3).normal(0.1, 0.3, size=400)
    found = paired_ratios.geometric_mean(np.exp(logs), range(400), 0)
    oracle = scipy_stats.ttest_1samp(logs, 0).confidence_interval()
    assert np.log(found[1:]) == pytest.approx([oracle.low, oracle.high], abs=0.003)


@pytest.mark.parametrize(("queries", "spikes"), [(10, 0.0), (30, 0.0), (100, 0.05)])
def test_intervals_cover_the_true_ratio(
    queries: int, spikes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 1_000)
    rng, names, draws = np.random.default_rng(5), np.repeat(range(queries), 3), 2_000
    covered = 0
    for seed in range(draws):
        # a ratio of its own for each query, noise of each call, and rare calls e times as slow
        logs = rng.normal(0, 0.2, size=(queries, 1)) + rng.normal(0, 0.2, size=(queries, 3))
        logs += (rng.random((queries, 3)) < spikes) - spikes
        _, low, high = paired_ratios.geometric_mean(np.exp(logs.ravel()), names, seed % 4)
        covered += low <= 1 <= high
    assert 0.93 <= covered / draws <= 0.97


def test_ratio_to_pairs_the_same_query_and_round() -> None:
    table = calls(
        [
            *many("slow", 3.0),
            *many("base", 2.0),
            *many("slow", 9.0, k=50),  # nothing to pair with at this k
            *many("base", 1.0, mode="retrieve"),  # no reranker
            *many("slow", 30.0, copy=1),  # the second of two equal arms
            *many("rare", 1.0, queries=4),
        ]
    )
    found = paired_ratios.ratio_to(table, "base", "rerank", 0, QUIET)
    assert tuple(found.columns) == paired_ratios.RATIOS
    assert found["system"].tolist() == ["slow", "rare"]
    assert found["k"].tolist() == [10, 10]
    assert found["ratio"].tolist() == pytest.approx([1.5, 0.5])
    assert found["low"].tolist() == pytest.approx([1.5, math.nan], nan_ok=True)
    assert found[["pairs", "queries"]].to_numpy().tolist() == [[20, 10], [8, 4]]


def test_modes_of_one_system_are_compared() -> None:
    table = calls([*many("late", 4.0, mode="on the fly"), *many("late", 1.0, mode="precomputed")])
    found = paired_ratios.ratio_to(table, "late", "on the fly", 0, QUIET)
    assert found[["system", "mode", "ratio"]].to_numpy().tolist() == [["late", "precomputed", 0.25]]


def test_noise_of_equal_arms() -> None:
    table = calls(
        [
            *many("even", 1.0),
            *many("even", 1.0, copy=1),
            *many("late", 1.0, k=50),
            *many("late", 1.1, k=50, copy=1),
            *many("few", 1.0, k=100, queries=3),
            *many("few", 1.0, k=100, queries=3, copy=1),
        ]
    )
    found = paired_ratios.noise(table, 0)
    assert tuple(found.columns) == paired_ratios.NOISE
    assert found["ratio"].tolist() == pytest.approx([1, 1.1, 1])
    assert found["noisy"].tolist() == [False, True, True]
    assert found["half_width"].tolist() == pytest.approx([0, 0, math.nan], nan_ok=True, abs=1e-9)


def test_half_width_is_the_factor_between_middle_and_end() -> None:
    rng = np.random.default_rng(0)
    rows = [("a", "rerank", copy, 10, 0, f"q{i}", s) for copy in (0, 1)
            for i, s in enumerate(rng.lognormal(0, 0.01, 50))]  # fmt: skip
    (row,) = paired_ratios.noise(calls(rows), 0).to_dict("records")
    assert row["half_width"] == pytest.approx(row["high"] / math.sqrt(row["low"] * row["high"]) - 1)
    # half a normal interval of a difference of two deviations of 0.01 over 50 queries
    assert row["half_width"] == pytest.approx(1.96 * 0.01 * math.sqrt(2 / 50), rel=0.3)


def test_noise_widens_the_intervals_of_ratios() -> None:
    table = calls([*many("slow", 3.0), *many("base", 2.0), *many("base", 3.0, copy=1)])
    doubts = paired_ratios.doubts(paired_ratios.noise(table, 0))
    assert doubts == pytest.approx({("x", "cpu"): 1.5})
    (row,) = paired_ratios.ratio_to(table, "base", "rerank", 0, doubts).to_dict("records")
    # 1.5 without any spread; equal arms differ by 1.5 either way
    assert (row["ratio"], row["low"], row["high"]) == pytest.approx((1.5, 1.0, 2.25))


def test_without_equal_arms_a_ratio_has_no_interval() -> None:
    few = [*many("base", 2.0, queries=4), *many("base", 2.0, queries=4, copy=1)]
    for more in ([], few):  # four queries tell no noise either
        table = calls([*many("slow", 3.0), *many("base", 2.0), *more])
        doubts = paired_ratios.doubts(paired_ratios.noise(calls([*many("slow", 3.0), *more]), 0))
        found = paired_ratios.ratio_to(table[table["copy"] == 0], "base", "rerank", 0, doubts)
        assert found["ratio"].iloc[0] == pytest.approx(1.5)
        assert found[["low", "high"]].isna().all(axis=None)


def test_doubt_is_the_farther_bound() -> None:
    rows = pd.DataFrame({"low": [0.8, math.nan], "high": [1.1, math.nan]})
    assert paired_ratios.doubt(rows) == pytest.approx(1.25)  # 1 / 0.8
    assert paired_ratios.doubt(rows[1:]) == math.inf


def test_nothing_was_timed() -> None:
    found = paired_ratios.ratio_to(calls([]), "base", "rerank", 0, {})
    assert found.columns.tolist() == [*paired_ratios.RATIOS]
    assert paired_ratios.noise(calls([]), 0).columns.tolist() == [*paired_ratios.NOISE]
