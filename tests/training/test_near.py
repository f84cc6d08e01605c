"""Which measured queries are near learnt ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import Query
from harness.training.near import ALIKE, near_learnt


@pytest.mark.parametrize(
    ("query", "learnt", "near"),
    [
        ("Return the mean of an array.", "return the mean of an array", True),
        ("mean of the rows", "the rows of mean", True),  # in another order
        ("a b c d", "a b c d e", True),  # 4 of 5
        ("a b c d", "a b c e", False),  # 3 of 5
        ("a b c d e f g h i", "a b c d e f g h j k", False),  # 8 of 11
        ("mean", "mean of rows", False),
        ("", "mean", False),
    ],
)
def test_a_query_near_a_learnt_one(query: str, learnt: str, near: bool) -> None:
    asked = [Query("q", query), Query("other", "something else")]
    assert near_learnt(asked, ["z y", learnt]) == (["q"] if near else [])


TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1).map(" ".join), max_size=6)


@given(TEXTS, TEXTS)
def test_near_is_what_comparing_all_with_all_finds(queries: list[str], learnt: list[str]) -> None:
    expected = [
        text
        for text in queries
        if any(
            len(one & other) / len(one | other) >= ALIKE
            for one, other in ((set(text.split()), set(x.split())) for x in learnt)
        )
    ]
    assert near_learnt([Query(text, text) for text in queries], learnt) == expected
