"""Rank-biased overlap, against its definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.judgments.overlap import rank_biased_overlap, shared_first

rankings = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8, unique=True)


def test_of_two_rankings_by_hand() -> None:
    # Of a b c and b a d with p = .5 the agreement is 0, 1 and 2/3 at depths 1 to 3, and 2/3 from there on.
    assert rank_biased_overlap("abc", "bad", 0.5) == pytest.approx(0.5 * (0.5 + 1 / 6) + 1 / 12)


@given(rankings)
def test_equal_rankings_agree_and_strangers_do_not(one: list[str]) -> None:
    assert rank_biased_overlap(one, one) == pytest.approx(1)
    assert rank_biased_overlap(one, [name.upper() for name in one]) == 0
    assert shared_first(one, one) == 1


@given(rankings, rankings)
def test_it_is_symmetrical_and_bounded(one: list[str], other: list[str]) -> None:
    found = rank_biased_overlap(one, other)
    assert found == pytest.approx(rank_biased_overlap(other, one))
    assert -1e-9 <= found <= 1 + 1e-9


@given(st.permutations("abcdefgh"), st.permutations("abcdefghij"), st.integers(1, 8))
def test_of_lists_of_one_length_it_is_the_sum_of_agreements(
    one: list[str], other: list[str], depth: int
) -> None:
    p = 0.9
    shares = [len(set(one[:d]) & set(other[:d])) / d for d in range(1, depth + 1)]
    endless = [*shares, *[shares[-1]] * 2000]
    expected = (1 - p) * sum(share * p**i for i, share in enumerate(endless))
    assert rank_biased_overlap(one[:depth], other[:depth], p) == pytest.approx(expected)


def test_of_nothing_it_is_not_known() -> None:
    assert math.isnan(rank_biased_overlap([], ["a"]))
