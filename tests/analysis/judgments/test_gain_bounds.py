"""The bounds of gains, against all judgments that are possible."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.judgments.gain_bounds import gain_bounds

DEPTH = 3
orders = st.permutations("abcd").map(lambda names: names[:DEPTH])
some = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), max_size=3)


def gain(one: list[str], other: list[str], grades: dict[str, int]) -> float:
    def dcg(values: list[int]) -> float:
        return sum(value / math.log2(rank + 1) for rank, value in enumerate(values[:DEPTH], 1))

    ideal = dcg(sorted(grades.values(), reverse=True))
    values = [dcg([grades.get(name, 0) for name in names]) for names in (one, other)]
    return (values[0] - values[1]) / ideal if ideal else 0.0


@settings(max_examples=60, deadline=None)
@given(orders, orders, some)
def test_they_are_the_extremes_of_all_judgments(
    one: list[str], other: list[str], grades: dict[str, int]
) -> None:
    free = [name for name in "abcdxyz" if name not in grades]  # x, y and z are found by neither
    every = [
        gain(one, other, grades | dict(zip(free, chosen, strict=True)))
        for chosen in product(range(3), repeat=len(free))
    ]
    found = gain_bounds(one, other, grades, most=2, depth=DEPTH)
    assert found == pytest.approx((min(every), max(every)), abs=1e-9)


def test_of_rankings_that_share_nothing_they_are_one() -> None:
    assert gain_bounds("abc", "def", {}, most=3, depth=3) == pytest.approx((-1, 1))


def test_equal_rankings_cannot_differ() -> None:
    assert gain_bounds("abc", "abc", {}, most=3) == (0, 0)
