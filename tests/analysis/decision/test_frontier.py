"""Who dominates whom, by hand and by the chance that the queries leave of it."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from literal import literal

from harness.analysis.costs import vector_bytes
from harness.analysis.costs.measured import analyse_costs
from harness.analysis.decision import frontier
from harness.analysis.decision.frontier import Axes, dominates, resampled_percentiles
from harness.analysis.quality import leaderboard
from harness.results.store import Results

NAN = math.nan
LOAD = {"documents": 1000, "queries_per_day": 10, "candidates": 10}


def axes(*rows: tuple[float, float, float, float]) -> Axes:
    """One draw; a row is quality, p50, p95 and bytes of an option."""
    return Axes(*(np.array([column]) for column in zip(*rows, strict=True)))


@pytest.mark.parametrize(
    ("mine", "theirs", "is_dominated"),
    [
        ((0.5, 1, 2, 3), (0.6, 1, 2, 3), True),
        ((0.5, 1, 2, 3), (0.5, 1, 1.9, 3), True),
        ((0.5, 1, 2, 3), (0.5, 1, 2, 2), True),
        ((0.5, 1, 2, 3), (0.5, 1, 2, 3), False),  # equal in everything
        ((0.5, 1, 2, 3), (0.6, 1, 2.1, 3), False),  # better, but slower
        ((0.5, 1, 2, 3), (0.5, 0.5, 2, 3), False),  # p95 counts where both have it
        ((0.5, 1, NAN, 3), (0.5, 0.5, 2, 3), True),  # else the median
        ((0.5, NAN, NAN, 3), (0.6, 9, 9, 3), False),  # without latency nobody knows
        ((0.5, 1, 2, 3), (0.6, NAN, NAN, 3), False),  # what is not known of the other is no gain
        ((0.5, 1, 2, NAN), (0.5, 1, 1, 99), False),  # without bytes likewise
        ((0.5, 1, 2, NAN), (0.5, 1, 1, NAN), True),  # of nobody they were counted
        ((0.5 + 1e-15, 1, 2, 3), (0.5, 1, 2, 2), True),  # the last bit of a sum is no quality
    ],
)
def test_dominated_by_hand(
    mine: tuple[float, ...], theirs: tuple[float, ...], is_dominated: bool
) -> None:
    found = dominates(axes(mine, theirs))  # type: ignore[arg-type]
    assert found.shape == (1, 2, 2)
    assert found[0, 0, 1] == is_dominated
    assert not found[0].diagonal().any()


def test_resampled_percentiles_are_those_of_the_repeated_calls() -> None:
    rng = np.random.default_rng(3)
    seconds, queries = rng.random(30), rng.integers(10, size=30)
    draws = rng.integers(4, size=(50, 10))
    median, tail = resampled_percentiles(seconds, queries, draws.astype(np.uint8))
    for i, draw in enumerate(draws):
        repeated = np.repeat(seconds, draw[queries])
        for found, share in ((median, 0.5), (tail, 0.95)):
            assert found[i] == np.quantile(repeated, share, method="inverted_cdf")


def test_a_draw_without_any_timed_query_has_no_percentile() -> None:
    draws = np.array([[2, 0], [0, 2]], dtype=np.uint8)
    median, tail = resampled_percentiles(np.array([0.1, 0.3]), np.array([0, 0]), draws)
    np.testing.assert_equal(median, [0.1, NAN])
    np.testing.assert_equal(tail, [0.3, NAN])


def of(results: Results) -> list[dict[str, object]]:
    """The frontier's rows."""
    costs = analyse_costs(results, vector_bytes.storage_per_document(results))
    table = frontier.frontier(results, leaderboard.leaderboard(results), costs)
    assert tuple(table.columns) == frontier.FRONTIER
    return table.to_dict("records")


def test_the_chance_of_being_dominated_has_its_closed_form() -> None:
    # Independent normal qualities, and bytes that favour `base`: `late` is dominated in a draw where
    # its mean is not above; the difference of means is normal around the difference that was seen.
    count, spread = 400, 0.2
    rng = np.random.default_rng(11)
    for shift in (0.0, 0.008, 0.02):
        base = 0.5 + spread * rng.standard_normal(count)
        late = 0.5 + shift + spread * rng.standard_normal(count)
        results = literal(
            {"base": base.tolist(), "late": late.tolist()}, bytes_per_document={"late": 5}
        )
        first, second = of(results)
        change = late - base
        wanted = NormalDist().cdf(-change.mean() / (change.std() / math.sqrt(count)))
        assert second["p_dominated"] == pytest.approx(wanted, abs=0.035)
        assert first["p_dominated"] == 0
        assert second["dominated_by"] == ("base" if change.mean() <= 0 else "")


def test_latency_is_drawn_with_the_queries() -> None:
    # Equal quality and bytes. Of 200 queries `a` takes 1 s for 20 and `b` for 1: in a draw `b` is no
    # worse at the 95th percentile unless its one query comes 11 times or more, which none does.
    slow = [1.0 if i < 20 else 0.1 for i in range(200)]
    quick = [1.0 if i < 1 else 0.1 for i in range(200)]
    values = [0.5] * 200
    results = literal(
        {"base": [0.4] * 200, "a": values, "b": values}, seconds={"a": slow, "b": quick}
    )
    base, a, b = of(results)
    assert (a["seconds"], b["seconds"]) == pytest.approx((1.01, 0.11))
    assert (a["dominated_by"], b["dominated_by"]) == ("b", "")
    # of 20 in 200 at least 11 are drawn with probability 0.99: Binomial(200, 0.1) > 10
    assert a["p_dominated"] == pytest.approx(0.9919, abs=0.01)
    assert b["p_dominated"] == 0
    assert base["p_dominated"] == 0  # the fastest


def test_equal_arms_see_the_same_queries_and_never_dominate_each_other() -> None:
    seconds = [1.0 if i < 9 else 0.1 for i in range(200)]  # p95 depends much on the draw
    values = [0.5] * 200
    results = literal(
        {"base": [0.4] * 200, "a": values, "b": values}, seconds={"a": seconds, "b": seconds}
    )
    _, a, b = of(results)
    assert (a["p_dominated"], b["p_dominated"]) == (0, 0)


def test_what_was_not_measured_dominates_nothing_and_is_not_dominated() -> None:
    quality = {"base": [0.5] * 200, "late": [0.6] * 200, "late2": [0.4] * 200, "cross": [0.4] * 200}
    results = literal(quality, bytes_per_document={"late": 9}, seconds={"late": 0.1})
    base, late, uncounted, untimed = of(results)
    assert (base["statistic"], late["statistic"], untimed["statistic"]) == ("p95", "p95", "")
    assert math.isnan(untimed["seconds"])  # type: ignore[arg-type]
    assert math.isnan(uncounted["gb_per_million_documents"])  # type: ignore[arg-type]
    assert (untimed["dominated_by"], uncounted["dominated_by"]) == ("", "")
    assert (untimed["p_dominated"], uncounted["p_dominated"]) == (0, 0)


def test_an_untimed_option_does_not_dominate_what_was_timed() -> None:
    """`late` is the best, and as small as `cross`; how long it takes nobody knows."""
    quality = {"base": [0.5] * 200, "late": [0.9] * 200, "cross": [0.4] * 200}
    results = literal(quality, bytes_per_document={"late": 0}, seconds={"cross": 0.1})
    base, _, cross = of(results)
    assert (base["dominated_by"], cross["dominated_by"]) == ("", "base")


def test_noise_makes_domination_by_time_less_sure() -> None:
    """`b` is better and takes 36 ms instead of 37.5, 4 % less."""
    quality = {"base": [0.1] * 200, "a": [0.5] * 200, "b": [0.6] * 200}

    def chance(equal_arms: float | None) -> Any:
        seconds = {"a": 0.0275, "b": 0.026}
        return of(literal(quality, seconds=seconds, equal_arms=equal_arms))[1]["p_dominated"]

    assert chance(1.0) == 1
    # a ratio of 1.04 among those whose logarithm has the deviation log(1.5) / 1.96: P(z > -.197)
    assert chance(1.5) == pytest.approx(
        NormalDist().cdf(math.log(37.5 / 36) * 1.96 / math.log(1.5)), abs=0.03
    )
    assert chance(None) == pytest.approx(0.5, abs=0.03)


def test_a_median_stands_where_calls_carry_no_more_and_a_prediction_is_marked() -> None:
    quality = {"base": [0.5] * 200, "late": [0.6] * 200, "cross": [0.7] * 200}
    seconds = {"late": 0.1, "cross": 0.2}
    few = literal(quality, seconds=seconds, timed=30, workload=LOAD)
    assert [row["statistic"] for row in of(few)] == ["p50", "p50", "p50"]
    more = {**LOAD, "candidates": 20}
    predicted = literal(quality, seconds=seconds, predicted={"cross": 300.0}, workload=more)
    _, late, cross = of(predicted)
    assert (cross["k"], cross["statistic"]) == (20, "predicted")
    assert cross["seconds"] == pytest.approx(0.61)  # 300 tokens at 0.2 s for 100, and retrieval
    assert (late["k"], late["statistic"]) == (10, "p95")  # the most it was timed with


def test_without_latency_it_is_of_quality_and_bytes() -> None:
    rows = of(literal({"base": [0.5, 0.6], "late": [0.4, 0.5]}, bytes_per_document={"late": 9}))
    assert [row["device"] for row in rows] == ["", ""]
    assert [row["dominated_by"] for row in rows] == ["", "base"]


def test_without_quality_there_is_none() -> None:
    assert of(literal({"base": []}, failed={"base": "it broke"})) == []


def test_each_dataset_has_its_own() -> None:
    quality = {"x": {"base": [0.5] * 9, "late": [0.6] * 9}, "y": {"base": [0.5] * 9}}
    rows = of(literal(quality))
    assert [(row["dataset"], row["system"]) for row in rows] == [
        *(("x", "base"), ("x", "late"), ("y", "base")),
    ]


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=6))
def test_never_both_ways_and_something_stays(rows: list[tuple[int, ...]]) -> None:
    (found,) = dominates(axes(*(tuple(map(float, row)) for row in rows)))  # type: ignore[misc]
    assert not (found & found.T).any()
    assert not found.any(axis=1).all()
