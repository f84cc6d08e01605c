from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from harness.analysis.statistics import percentiles
from harness.analysis.statistics.percentiles import MINIMUM

DRAWS = 2_000
HONEST = (0.93, 0.97)
"""Share of 95 % intervals that contain the true value; 4 standard errors of DRAWS are 0.02."""


def whole_ranks(n: int, percent: int) -> tuple[int | None, int | None]:
    """The order statistics that the fractional ranks lie within, on the outer side."""
    low, high = percentiles.positions(n, percent)
    return None if math.isnan(low) else int(low), None if math.isnan(high) else math.ceil(high)


@pytest.mark.parametrize(
    ("n", "percent", "low", "high"),
    [
        (300, 50, 133, 168),
        (300, 95, 277, 293),
        (300, 99, 293, None),
        (500, 95, 465, 485),
        (500, 99, 490, 500),
        (1000, 50, 469, 532),
        (1000, 95, 936, 964),
        (1000, 99, 983, 997),
        (2000, 99, 1971, 1989),
        (5000, 99, 4936, 4964),
        (6, 50, 1, 6),  # 2 * 0.5^6 = 0.031
        (5, 50, None, None),  # 2 * 0.5^5 = 0.063
        (368, 99, 360, 368),  # 0.99^368 = 0.0248
        (367, 99, 359, None),  # 0.99^367 = 0.0250025
    ],
)
def test_ranks_are_those_of_the_method(n: int, percent: int, low: int, high: int) -> None:
    # But for the last four, from the table of the measurement protocol (D.2 (v))
    assert whole_ranks(n, percent) == (low, high)


@given(st.integers(1, 2000), st.sampled_from([50, 90, 95, 99]))
def test_ranks_are_the_innermost_with_the_tails_of_the_binomial(n: int, percent: int) -> None:
    low, high = whole_ranks(n, percent)
    binomial = scipy_stats.binom(n, percent / 100)
    if low is not None:
        assert binomial.cdf(low - 1) <= 0.025
    assert binomial.cdf(low or 0) > 0.025
    if high is not None:
        assert binomial.sf(high - 1) <= 0.025
    assert binomial.sf((high or n + 1) - 2) > 0.025


def test_fractional_ranks_of_a_median_by_hand() -> None:
    # n = 6: P(B <= 0) = 1/64, P(B <= 1) = 7/64, so the tail 0.025 = 1.6/64 takes I = 0.6/6 = 0.1;
    # Hettmansperger and Sheather: w = (n - r) I / (r + (n - 2 r) I) = 0.5 / 1.4 = 0.3571
    assert percentiles.positions(6, 50) == pytest.approx((1 + 5 / 14, 6 - 5 / 14))


def test_design_effect_by_hand() -> None:
    # Means 2 and 6 about 4: between = 2 * (4 + 4) / 1 = 16; within = (1 + 1 + 1 + 1) / 2 = 2.
    # ICC = (16 - 2) / (16 + 2) = 7/9, and 1 + (2 - 1) * 7/9 = 16/9.
    assert percentiles.design_effect([1, 3, 5, 7], list("aabb")) == pytest.approx(16 / 9)


def test_design_effect_at_its_ends() -> None:
    assert percentiles.design_effect([1, 1, 5, 5], list("aabb")) == 2  # nothing within
    assert percentiles.design_effect([1, 5, 1, 5], list("aabb")) == 1  # nothing between: clipped
    assert percentiles.design_effect([1, 5, 2, 7], list("abcd")) == 1
    assert percentiles.design_effect([1, 5, 2, 7], list("aaaa")) == 4
    assert percentiles.design_effect([3, 3, 3, 3], list("aabb")) == 1
    # their mean, a sum of floats, is not log(40) to the last bit
    assert percentiles.design_effect(np.log([40.0] * 110), [i % 50 for i in range(110)]) == 1


@given(st.integers(2, 8), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_design_effect_is_that_of_the_f_statistic(count: int, size: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(count, size))
    f = scipy_stats.f_oneway(*values).statistic
    icc = max(0.0, (f - 1) / (f - 1 + size))
    found = percentiles.design_effect(values.ravel(), np.repeat(np.arange(count), size))
    assert found == pytest.approx(1 + (size - 1) * icc)


def test_effective_size() -> None:
    # e^1, e^3, e^5, e^7 in two queries: 4 calls over the 16/9 of above
    seconds = np.exp([1.0, 3.0, 5.0, 7.0])
    assert percentiles.effective_size(seconds, list("aabb")) == pytest.approx(4 * 9 / 16)
    assert percentiles.effective_size([], []) == 0


def test_values_and_what_few_calls_do_not_carry() -> None:
    found = percentiles.percentiles(np.arange(1.0, 200.0), np.arange(199))
    # 199 calls: the median is the 100th, p90 lies 0.9 * 198 = 178.2 ranks above the first
    assert found[50].value == 100
    assert found[90].value == pytest.approx(179.2)
    assert np.isnan([*found[95], *found[99]]).all()


def test_interval_of_independent_calls_is_that_of_their_ranks() -> None:
    found = percentiles.percentiles(np.arange(1.0, 501.0), np.arange(500))
    for percent, (_, low, high) in found.items():
        assert (low, high) == pytest.approx(percentiles.positions(500, percent))


def test_equal_calls_of_a_query_count_once() -> None:
    # 100 queries of 5 equal calls: p90 is given, with the fractions of 100 calls and not of 500
    found = percentiles.percentiles(np.repeat(np.arange(1.0, 101.0), 5), np.repeat(range(100), 5))
    low, high = percentiles.positions(100, 90)
    assert found[90].low == pytest.approx(low * 501 / 101 / 5, abs=1)
    assert found[90].high == pytest.approx(high * 501 / 101 / 5, abs=1)
    assert math.isnan(found[95].value)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_calls_have_at_most_a_median(count: int) -> None:
    found = percentiles.percentiles(np.arange(1.0, count + 1), np.arange(count))
    assert found.keys() == MINIMUM.keys()
    assert math.isnan(found[50].value) == (count == 0)
    assert np.isnan([found[50].low, found[50].high, found[90].value]).all()


@given(st.integers(1, 300), st.integers(1, 4), st.floats(0, 3), st.integers(0, 2**32 - 1))
def test_bounds_enclose_the_value(queries: int, rounds: int, spread: float, seed: int) -> None:
    seconds = lognormal(queries, rounds, spread, np.random.default_rng(seed))
    for value, low, high in percentiles.percentiles(seconds, ids(queries, rounds)).values():
        assert not low > value
        assert not value > high


def ids(queries: int, rounds: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(queries), rounds)


def lognormal(
    queries: int, rounds: int, spread: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Calls with log-normal seconds; `spread` is the deviation of queries over that of rounds."""
    logs = spread * rng.normal(size=(queries, 1)) + rng.normal(size=(queries, rounds))
    return np.exp(logs.ravel() / 3)


@pytest.mark.parametrize(
    ("queries", "rounds", "spread"),
    [(100, 1, 0.0), (600, 1, 0.0), (200, 5, 0.65), (200, 5, 3.0), (500, 3, 1.5)],
    ids=["100 calls", "600 calls", "ICC 0.3", "ICC 0.9", "ICC 0.7"],
)
def test_intervals_cover_the_true_percentile(queries: int, rounds: int, spread: float) -> None:
    rng, clusters = np.random.default_rng(7), ids(queries, rounds)
    true = {
        percent: math.exp(scipy_stats.norm.ppf(percent / 100) * math.hypot(spread, 1) / 3)
        for percent in MINIMUM
    }
    covered = dict.fromkeys(MINIMUM, 0)
    given = dict.fromkeys(MINIMUM, 0)
    for _ in range(DRAWS):
        found = percentiles.percentiles(lognormal(queries, rounds, spread, rng), clusters)
        for percent, (value, low, high) in found.items():
            given[percent] += not math.isnan(value)
            covered[percent] += low <= true[percent] <= high
    often = {percent: covered[percent] / n for percent, n in given.items() if n > DRAWS / 2}
    assert often.keys() >= {50, 90}
    assert all(HONEST[0] <= share <= HONEST[1] for share in often.values()), often
