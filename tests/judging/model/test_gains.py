from __future__ import annotations

import math

import pytest

from harness.judging.model.gains import corrected_gains
from harness.judging.pool import Drawn, Pool

QUERIES = {f"q{i}": "words" for i in range(10)}
POOL = Pool(
    QUERIES,
    {
        "base": dict.fromkeys(QUERIES, tuple("abc")),
        "new": dict.fromkeys(QUERIES, tuple("bac")),
    },
    "base",
    depth=3,
)
GOOD = {(query_id, "b"): 1 for query_id in QUERIES}
NONE = {(query_id, doc_id): 0 for query_id in QUERIES for doc_id in "ac"}
GAIN = 1 - 1 / math.log2(3)
"""Of nDCG: the one relevant document rises from rank 2 to rank 1."""


def drawn(count: int) -> list[Drawn]:
    return [Drawn(f"q{i}", 1 / (10 - i)) for i in range(count)]


def test_people_correct_a_model_that_finds_nothing() -> None:
    found = corrected_gains(POOL, {}, GOOD | NONE, drawn(6))["new"]
    assert found.judged == 6
    assert found.people.value == pytest.approx(GAIN)
    assert found.corrected == found.people


def test_a_query_that_is_not_done_ends_what_people_judged() -> None:
    people = {pair: grade for pair, grade in (GOOD | NONE).items() if pair != ("q3", "a")}
    assert corrected_gains(POOL, GOOD, people, drawn(6))["new"].judged == 3
    found = corrected_gains(POOL, GOOD, people, drawn(6), skipped=[("q3", "a")])
    assert found["new"].judged == 6


def test_documents_at_equal_ranks_need_no_judgment() -> None:
    people = {pair: grade for pair, grade in (GOOD | NONE).items() if pair[1] != "c"}
    assert corrected_gains(POOL, GOOD, people, drawn(6))["new"].judged == 6


def test_without_people_nothing_is_known() -> None:
    found = corrected_gains(POOL, GOOD | NONE, {}, [])["new"]
    assert math.isnan(found.corrected.value)
