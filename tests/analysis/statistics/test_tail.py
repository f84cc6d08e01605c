"""Whether a 95th percentile keeps to a limit, by hand, by an oracle, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate
from scipy import stats as scipy_stats

from harness.analysis.statistics import tail as tails
from harness.analysis.statistics.tail import Tail, tail

DRAWS = 2_000


def alone(values: list[float], planned: int | None = None) -> Tail:
    """The tail of calls of a query each, the first `planned` of them planned."""
    n = len(values)
    return tail(values, range(n), np.arange(n) < (n if planned is None else planned))


@pytest.mark.parametrize(
    ("calls", "above", "outcome", "p"),
    [
        (71, 0, "met", 0.0262),  # 0.95^71
        (69, 0, "met", 0.0290),  # 0.95^69
        (68, 0, "open", 0.0306),  # 0.95^68
        (59, 0, "open", 0.0485),  # 0.95^59: below .05, of which .02 are kept for settling
        (71, 1, "open", 0.1241),  # .0262 (1 + 71 / 19)
        (2, 2, "missed", 0.0025),  # 0.05^2
        (1, 1, "open", 0.05),
        (12, 9, "missed", 3.74e-10),  # 220 * 0.05^9 0.95^3 and less
    ],
)
def test_planned_calls_by_hand(calls: int, above: int, outcome: str, p: float) -> None:
    seen = alone([0.2] * above + [0.05] * (calls - above)).at(0.1)
    assert seen[:3] == (outcome, calls, above)
    assert seen.p == pytest.approx(p, rel=0.01)
    assert (seen.more > 0) == (outcome == "open")


def test_a_call_that_takes_just_the_limit_keeps_to_it() -> None:
    assert alone([100.0] * 71).at(100.0).outcome == "met"
    assert alone([100.0] * 71).at(math.nextafter(100.0, 0)).outcome == "missed"


@given(st.integers(1, 300), st.integers(0, 300))
def test_planned_calls_are_tested_by_the_binomial(n: int, above: int) -> None:
    above = min(n, above)
    met, missed = alone([0.2] * above + [0.05] * (n - above)).samples[0].p(0.1)
    assert met == pytest.approx(scipy_stats.binom(n, 0.05).cdf(above))
    assert missed == pytest.approx(scipy_stats.binom(n, 0.05).sf(above - 1), abs=1e-12)


@given(st.integers(1, 400), st.integers(0, 60))
def test_settling_is_a_mixture_of_likelihood_ratios(n: int, above: int) -> None:
    above = min(n, above)
    met, missed = alone([0.2] * above + [0.05] * (n - above), planned=0).samples[0].p(0.1)

    def ratio(share: float) -> float:
        return float(
            math.exp(
                above * math.log(share / 0.05)
                + (n - above) * math.log1p(-share)
                - (n - above) * math.log(0.95)
            )
        )

    peak = min(max(above / n, 1e-9), 1 - 1e-9)
    below = integrate.quad(ratio, 1e-12, 0.05, points=[min(peak, 0.05)], limit=200)[0] / 0.05
    beyond = integrate.quad(ratio, 0.05, 1 - 1e-12, points=[max(peak, 0.05)], limit=200)[0] / 0.95
    assert met == pytest.approx(min(1 / below, 1), rel=1e-3)
    assert missed == pytest.approx(min(1 / beyond, 1), rel=1e-3, abs=1e-12)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=200), st.integers(0, 200), st.integers(0, 10)
)
def test_bounds_are_the_test_at_every_limit(values: list[int], planned: int, limit: int) -> None:
    found = alone([float(value) for value in values], planned)
    outcome = found.at(limit).outcome
    assert (found.high <= limit) == (outcome == "met")
    assert (found.low > limit and outcome != "met") == (outcome == "missed")


def test_calls_of_a_query_count_for_less() -> None:
    each = np.linspace(10, 90, 40)
    assert tail(np.repeat(each, 5), np.repeat(range(40), 5), np.ones(200)).at(100).outcome == "open"
    assert tail(np.linspace(10, 90, 200), range(200), np.ones(200)).at(100).outcome == "met"


def test_how_many_more_would_settle_it() -> None:
    # without one above, the mixture reaches 1 / 50 at 110 calls
    seen = alone([0.05] * 40).at(0.1)
    assert 110 - 40 <= seen.more <= 1.05 * 110 - 40 + 1
    assert math.isinf(alone([0.2] * 5 + [0.05] * 95).at(0.1).more)
    assert alone([0.05] * (40 + int(seen.more)), planned=40).at(0.1).outcome == "met"


def settled(values: NDArray[np.float64], queries: NDArray[np.int64], planned: int) -> Tail:
    """What a run ends with that goes on until the limit 1 is settled, or the calls are used up."""
    n = planned
    while True:
        found = tail(values[:n], queries[:n], np.arange(n) < planned)
        more = found.at(1.0).more
        if not more or n == len(values):
            return found
        n = min(len(values), n + int(min(more, max(2, n))))


@pytest.mark.parametrize(
    ("planned", "queries", "spread"),
    [(71, 600, 0.0), (8, 600, 0.0), (71, 71, 1.5)],
    ids=["71 calls", "8 calls", "ICC 0.7"],
)
def test_a_percentile_at_the_limit_is_seldom_shown_to_keep_to_it_or_not(
    planned: int, queries: int, spread: float
) -> None:
    """At most 5 % of 2,000 draws, looks while it is settled included; so is each test alone."""
    rng = np.random.default_rng(11)
    limit = scipy_stats.norm.ppf(0.95) * math.hypot(spread, 1)
    outcomes = dict.fromkeys(tails.OUTCOMES, 0)
    for _ in range(DRAWS):
        order = np.concatenate([rng.permutation(queries) for _ in range(-(-600 // queries))])[:600]
        logs = spread * rng.normal(size=queries)[order] + rng.normal(size=600)
        outcomes[settled(np.exp(logs - limit), order, planned).at(1.0).outcome] += 1
    assert outcomes["met"] <= 0.05 * DRAWS
    assert outcomes["missed"] <= 0.05 * DRAWS
