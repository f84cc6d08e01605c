from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.page.scales import linear, logarithmic, spread, thinned

numbers = st.floats(-1e9, 1e9)
positive = st.floats(1e-9, 1e12)


def test_places_are_proportional() -> None:
    scale = linear([0, 10], 100, 200)
    assert scale(5) == pytest.approx(150)  # the margins are equal
    assert scale(10) - scale(0) == pytest.approx(100 / 1.08)  # 4 % of 10 at each end


def test_decades_are_equally_far_apart() -> None:
    scale = logarithmic([1, 1000], 0, 100)
    assert scale(10) - scale(1) == pytest.approx(scale(1000) - scale(100))


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([-0.05, 0.09], [-0.05, 0, 0.05]),
        ([0.53, 0.69], [0.55, 0.6, 0.65]),
        ([3, 3], [2.6, 2.8, 3, 3.2, 3.4]),  # a single value has half a unit around it
    ],
)
def test_round_values(values: list[float], ticks: list[float]) -> None:
    assert linear(values, 0, 1).ticks() == ticks


def test_round_values_of_a_log_axis() -> None:
    assert logarithmic([1, 100], 0, 1).ticks() == [1, 2, 5, 10, 20, 50, 100]
    assert logarithmic([1, 1000], 0, 1).ticks() == [1, 10, 100, 1000]
    assert len(logarithmic([3.1, 3.4], 0, 1).ticks()) > 1  # no 1, 2 or 5 lies between


@given(st.lists(numbers, max_size=5), st.floats(-1, 1))
def test_all_values_have_a_place(values: list[float], start: float) -> None:
    scale = linear([*values, math.nan], start, start + 100)
    assert all(start <= scale(value) <= start + 100 for value in values)
    assert 1 <= len(scale.ticks()) <= 7
    assert scale.low < scale.high


@given(st.lists(positive, max_size=5))
def test_all_values_have_a_place_on_a_log_axis(values: list[float]) -> None:
    scale = logarithmic([*values, 0, -1, math.nan], 0, 100)
    assert all(-1e-6 <= scale(value) <= 100 + 1e-6 for value in values)
    assert scale.ticks()


def test_ticks_keep_their_distance() -> None:
    scale = linear([0, 10], 0, 100)
    assert thinned([0, 1, 2, 5, 10], scale, 25) == [0, 5, 10]


def test_names_that_collide_are_spread_around_their_middle() -> None:
    assert spread([0.2, 0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.2, 0.45, 0.55])
    assert spread([0.0, 0.0], 0.1, 0, 1) == pytest.approx([0.0, 0.1])
    assert spread([1.0, 1.0], 0.1, 0, 1) == pytest.approx([0.9, 1.0])


@given(st.lists(st.floats(0, 1), max_size=10).map(sorted))
def test_names_never_overlap_and_stay_inside(wanted: list[float]) -> None:
    places = spread(wanted, 0.1, 0, 1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(places))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
