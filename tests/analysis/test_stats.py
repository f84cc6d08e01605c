from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.analysis import stats


def p_of(change: NDArray[np.float64], seed: int) -> float:
    (found,) = stats.randomisation_p(change[:, None], seed)
    return float(found)


def interval(values: NDArray[np.float64], seed: int) -> tuple[float, float, float]:
    value, low, high = (column.item() for column in stats.mean_intervals(values[:, None], seed))
    return value, low, high


def enumerated_p(change: NDArray[np.float64]) -> float:
    """The share of all sign flips whose mean is at least as far from 0."""
    signs = np.array(list(itertools.product([1, -1], repeat=len(change))))
    return float((np.abs(signs @ change) >= abs(change.sum()) - 1e-12).mean())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [2, 5, 10])
def test_p_is_that_of_full_enumeration(seed: int, size: int) -> None:
    change = np.random.default_rng(seed).normal(0.3, 1, size).round(2)
    p = enumerated_p(change)
    # 5 standard errors of a share over RESAMPLES draws, and the + 1
    noise = 5 * math.sqrt(p * (1 - p) / stats.RESAMPLES) + 1 / stats.RESAMPLES
    assert abs(p_of(change, seed) - p) <= noise


def test_p_of_a_textbook_case() -> None:
    # Five wins of the same size: of 32 sign flips, all + and all - are as extreme, 2/32.
    assert enumerated_p(np.ones(5)) == 2 / 32
    assert p_of(np.ones(5), 0) == pytest.approx(1 / 16, abs=0.013)


def test_p_is_never_0() -> None:
    assert p_of(np.ones(100), 0) == 1 / (stats.RESAMPLES + 1)


def test_p_under_no_difference_is_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "RESAMPLES", 500)
    monkeypatch.setattr(stats, "BLOCK", 500)
    rng = np.random.default_rng(0)
    p_values = [p_of(rng.normal(size=30), i) for i in range(400)]
    # 5% of 400 are 20, with a standard deviation of 4.4: four of them are allowed
    assert 3 <= sum(p <= 0.05 for p in p_values) <= 37


def test_no_change_at_all() -> None:
    assert p_of(np.zeros(3), 0) == 1
    assert interval(np.zeros(3), 0) == (0, 0, 0)


def test_sign_of_the_change_does_not_matter_to_p() -> None:
    change = np.random.default_rng(3).normal(size=20)
    assert p_of(change, 1) == p_of(-change, 1)


def test_columns_do_not_touch_each_other() -> None:
    both = np.random.default_rng(5).normal(size=(20, 2))
    alone = [p_of(both[:, i], 0) for i in range(2)]
    assert stats.randomisation_p(both, 0).tolist() == alone
    pairs = zip(*(column.tolist() for column in stats.mean_intervals(both, 0)), strict=True)
    for i, found in enumerate(pairs):
        assert found == pytest.approx(interval(both[:, i], 0), abs=1e-12)


def test_seed_decides() -> None:
    values = np.random.default_rng(0).normal(size=15)
    assert interval(values, 1) == interval(values, 1)
    assert p_of(values, 1) == p_of(values, 1)
    assert interval(values, 1) != interval(values, 2)


def test_interval_covers_the_true_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "RESAMPLES", 1000)
    rng = np.random.default_rng(0)
    intervals = [interval(rng.normal(0.4, 0.3, 60), i) for i in range(400)]
    covered = sum(low <= 0.4 <= high for _, low, high in intervals) / 400
    # 95%, less the percent or two that percentile intervals of 60 values lack; 4 sd are 4.4%
    assert 0.89 <= covered <= 0.985


def test_interval_is_that_of_the_normal_distribution_for_many_values() -> None:
    values = np.random.default_rng(1).normal(size=2000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    value, low, high = interval(values, 0)
    assert value == pytest.approx(values.mean())
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_single_query_has_no_interval() -> None:
    value, low, high = interval(np.array([0.5]), 0)
    assert value == 0.5
    assert math.isnan(low)
    assert math.isnan(high)


def test_holm_by_hand() -> None:
    # sorted: .01 x 4, .02 x 3, .03 x 2 (equal to the one before), .04 x 1 (raised to that)
    given = {"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.02}
    expected = {"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06}
    assert stats.holm(given) == pytest.approx(expected)
    assert stats.holm({"x": 0.5, "y": 0.9}) == {"x": 1.0, "y": 1.0}
    assert stats.holm({}) == {}


@given(st.dictionaries(st.text(), st.floats(0, 1)))
def test_holm_raises_and_keeps_the_order(p_values: dict[str, float]) -> None:
    adjusted = stats.holm(p_values)
    assert adjusted.keys() == p_values.keys()
    assert all(p_values[name] <= p <= 1 for name, p in adjusted.items())
    order = sorted(p_values, key=p_values.__getitem__)
    assert [adjusted[name] for name in order] == sorted(adjusted.values())
