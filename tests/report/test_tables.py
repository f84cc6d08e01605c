from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.answer import milliseconds, significant
from harness.report import tables
from harness.report.cost_figures import spread


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,230"),
        (99.96, "100"),
        (9.996, "10.0"),
        (0.012345, "0.0123"),
        (0, "0"),
        (-2.5, "-2.50"),
        (math.inf, "inf"),
        (math.nan, "n/a"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


@given(st.floats(1e-6, 1e9))
def test_significant_digits_lose_half_a_percent(value: float) -> None:
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


def test_seconds_with_an_interval() -> None:
    assert milliseconds(0.0123456) == "12.3"
    assert tables.bracketed(0.1, 0.09, math.nan) == "100 [90.0, -]"
    assert tables.bracketed(0.1, math.nan, math.nan) == "100"
    assert tables.bracketed(math.nan, math.nan, math.nan) == "n/a"


def test_factors_and_numbers() -> None:
    assert tables.times(2.0, 1.5, 2.5) == "2.00 [1.50, 2.50]"
    assert tables.times(2.0, math.nan, math.nan) == "2.00 [no interval]"
    assert tables.times(math.nan, 1.0, 2.0) == "n/a"
    assert tables.number(math.nan) == "n/a"
    assert tables.number(1234.5) == "1,234"


def test_what_stands_apart_is_in_italics() -> None:
    assert tables.apart("a|b") == r"*a\|b*"
    assert tables.apart(" ") == ""


def test_names_that_collide_are_spread_around_their_middle() -> None:
    assert spread([0.2, 0.5, 0.5], 0.1) == pytest.approx([0.2, 0.45, 0.55])
    assert spread([0.0, 0.0], 0.1) == pytest.approx([0.0, 0.1])
    assert spread([1.0, 1.0], 0.1) == pytest.approx([0.9, 1.0])


@given(st.lists(st.floats(0, 1), max_size=10).map(sorted))
def test_names_never_overlap_and_stay_inside(wanted: list[float]) -> None:
    places = spread(wanted, 0.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(places))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
