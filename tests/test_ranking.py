from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import Hit
from harness.errors import ComponentError
from harness.ranking import best, ranked

SCORES = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0])
HITS = st.dictionaries(st.text(min_size=1), SCORES).map(lambda d: [Hit(*x) for x in d.items()])


def order(*hits: tuple[str, float]) -> list[str]:
    return [hit.doc_id for hit in ranked(Hit(*hit) for hit in hits)]


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([("a", 1.0), ("b", 2.0)], ["b", "a"]),
        # trec_eval breaks ties by doc id, the greater string first
        ([("10", 1.0), ("9", 1.0), ("a", 1.0)], ["a", "9", "10"]),
        # 1 + 1e-9 is 1 in float32, as trec_eval reads it
        ([("a", 1.0 + 1e-9), ("b", 1.0)], ["b", "a"]),
        # 2**-23 is the step of float32 at 1
        ([("a", 1.0 + 2**-23), ("b", 1.0)], ["a", "b"]),
        ([("a", 0.0), ("b", -0.0)], ["b", "a"]),
        ([], []),
    ],
)
def test_order(hits: list[tuple[str, float]], expected: list[str]) -> None:
    assert order(*hits) == expected


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), 1e39])
def test_score_that_is_not_finite_in_float32_is_refused(score: float) -> None:
    with pytest.raises(ComponentError, match="document 'b' has a score that"):
        order(("a", 1.0), ("b", score))


def test_scores_returned_are_those_that_decided() -> None:
    assert ranked([Hit("a", 0.1)])[0].score == float(np.float32(0.1))


@given(HITS, st.randoms())
def test_order_of_input_does_not_matter(hits: list[Hit], random: st.DataObject) -> None:
    shuffled = list(hits)
    random.shuffle(shuffled)
    assert [hit.doc_id for hit in ranked(shuffled)] == [hit.doc_id for hit in ranked(hits)]


@given(HITS)
def test_ranking_is_sorted_and_whole(hits: list[Hit]) -> None:
    found = [(hit.score, hit.doc_id) for hit in ranked(hits)]
    assert found == sorted(found, reverse=True)
    assert {doc_id for _, doc_id in found} == {hit.doc_id for hit in hits}
    assert ranked(ranked(hits)) == ranked(hits)


def test_best_of_an_index_takes_every_tie_at_the_cut() -> None:
    ids, scores = ["a", "b", "c", "d"], np.array([1.0, 2.0, 1.0, 1.0], dtype=np.float32)
    found = best(ids, scores, 2, np.arange(4))
    assert [hit.doc_id for hit in found] == ["b", "d"]  # of three that tie the greatest id
    assert [hit.doc_id for hit in best(ids, scores, 2, np.array([0, 2]))] == ["c", "a"]
    assert best(ids, scores, 2, np.array([], dtype=np.int64)) == []
