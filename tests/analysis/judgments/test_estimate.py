"""The estimate from drawn queries, against all values and against textbook formulas."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from harness.analysis.judgments.estimate import Draws, Estimate, estimate, t_quantile

Values = np.ndarray


def draw(
    values: Values, predicted: Values, count: int, rng: np.random.Generator, floor: float = 1.0
) -> Draws:
    """Of shape (N,): drawn mostly where much is predicted, but for the share `floor`."""
    left = list(range(len(values)))
    chances, taken, sums = [], [], []
    for _ in range(count):
        sizes = np.abs(predicted[left]) + 0.01
        shares = floor / len(left) + (1 - floor) * sizes / sizes.sum()
        place = int(rng.choice(len(left), p=shares))
        chances.append(shares[place])
        sums.append(predicted[left].sum())
        taken.append(left.pop(place))
    columns = (values[taken], predicted[taken], np.array(sums), np.zeros(count))
    return Draws(np.array(chances), *(column[:, np.newaxis] for column in columns))


def population(size: int, seed: int) -> tuple[Values, Values]:
    """Changes as queries have them, many of which are 0, and a prediction that knows some of it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.02, 0.25, size) * (rng.random(size) < 0.7)
    return values, 0.5 * values + rng.normal(0, 0.1, size)


def test_equal_chances_without_a_prediction_give_the_sample_mean_and_its_error() -> None:
    values, _ = population(50, 1)
    draws = draw(values, np.zeros(50), 12, np.random.default_rng(2))
    found, sample = estimate(draws, 50), draws.measured[:, 0]
    assert found.value[0] == pytest.approx(sample.mean())
    expected = sample.var(ddof=1) / 12 * (1 - 12 / 50)  # Cochran 1977, equation 2.20
    assert found.covariance[0, 0] == pytest.approx(expected, rel=0.1)


def test_all_drawn_is_the_mean_and_certain() -> None:
    values, predicted = population(9, 3)
    found = estimate(draw(values, predicted, 9, np.random.default_rng(4), 0.2), 9)
    assert found.value[0] == pytest.approx(values.mean())
    assert found.covariance[0, 0] == 0
    assert found.spread[0, 0] == pytest.approx(values.var(ddof=1))


def test_a_right_prediction_leaves_no_error() -> None:
    values, _ = population(40, 5)
    found = estimate(draw(values, values, 8, np.random.default_rng(6), 0.2), 40)
    assert found.value[0] == pytest.approx(values.mean())
    assert found.covariance[0, 0] == pytest.approx(0, abs=1e-20)


def test_what_is_certain_counts_as_queries_of_its_own() -> None:
    values, predicted = population(6, 7)
    draws = draw(values, predicted, 6, np.random.default_rng(8))
    found = estimate(draws, 6, np.zeros((6, 1)))
    assert found.value[0] == pytest.approx(values.mean() / 2)
    assert found.queries == 12


def test_few_draws_have_no_interval() -> None:
    values, predicted = population(30, 9)
    found = estimate(draw(values, predicted, 3, np.random.default_rng(9)), 30)
    assert np.isnan(found.of_these().low[0])


@pytest.mark.parametrize(("freedom", "expected"), [(5, 2.5706), (10, 2.2281), (30, 2.0423)])
def test_quantiles_of_student(freedom: int, expected: float) -> None:
    assert t_quantile(0.95, freedom) == pytest.approx(expected, rel=0.002)  # any table of t


@pytest.mark.parametrize("floor", [1.0, 0.2], ids=["equal chances", "chances by prediction"])
@pytest.mark.parametrize(
    "count",
    [20, pytest.param(40, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.slow)],
)
def test_intervals_hold_the_full_value_in_95_of_100_draws(count: int, floor: float) -> None:
    values, predicted = population(120, 10)
    rng = np.random.default_rng(11)
    each = [estimate(draw(values, predicted, count, rng, floor), 120) for _ in range(1000)]
    assert 0.93 <= coverage(each, values.mean()) <= 0.97
    error = np.mean([one.value[0] for one in each]) - values.mean()
    assert abs(error) < 3.5 * np.std([one.value[0] for one in each]) / np.sqrt(1000)


def coverage(each: list[Estimate], truth: float) -> float:
    bounds = [one.of_these() for one in each]
    return float(np.mean([low[0] <= truth <= high[0] for _, low, high in bounds]))


def test_intervals_for_other_queries_hold_the_true_mean() -> None:
    rng, held = np.random.default_rng(12), []
    for seed in range(1000):
        values, predicted = population(60, 100 + seed)
        bounds = estimate(draw(values, predicted, 25, rng, 0.2), 60).of_others()
        held.append(bounds.low[0] <= 0.02 * 0.7 <= bounds.high[0])  # the population's own mean
    assert 0.93 <= np.mean(held) <= 0.97


def test_the_noise_of_measured_values_is_in_the_interval() -> None:
    values, predicted = population(100, 13)
    rng, each = np.random.default_rng(14), []
    for _ in range(1000):
        draws = draw(values, predicted, 60, rng, 0.2)
        whole = rng.random(draws.measured.shape) < 0.3
        surprise = 0.1 * np.sign(draws.measured) * whole  # known of three in ten
        measured = draws.measured - 0.1 * np.sign(draws.measured) + surprise / 0.3
        noise = np.sqrt(1 - 0.3) / 0.3 * surprise
        each.append(estimate(draws._replace(measured=measured, noise=noise), 100))
    assert 0.93 <= coverage(each, values.mean()) <= 0.97


def test_draws_have_the_bounds_of_the_interval() -> None:
    """The interval is Student's t of the same mean and variance, computed from the quantile."""
    values, predicted = population(100, 15)
    found = estimate(draw(values, predicted, 30, np.random.default_rng(16), 0.2), 100)
    drawn = found.of_others_drawn(200_000, 17)
    bounds = found.of_others()
    assert np.quantile(drawn[:, 0], [0.025, 0.975]) == pytest.approx(
        [bounds.low[0], bounds.high[0]], abs=0.02 * (bounds.high[0] - bounds.low[0])
    )


def test_the_normal_quantile_is_the_limit() -> None:
    assert t_quantile(0.9, 10**6) == pytest.approx(NormalDist().inv_cdf(0.95), abs=1e-5)
