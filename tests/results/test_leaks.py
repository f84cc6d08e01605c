"""Texts that stand twice: a query in a document, an unjudged document that repeats a relevant one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import Hit
from harness.results.leaks import COPIED, TWINS, copied, readings, resemblance

WORDS = [f"w{i}" for i in range(40)]
LONG = " ".join(WORDS)


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("How do birds fly?", "It asks: how do birds fly, and why.", True),
        ("How do birds fly?", "How do birds and bats fly?", False),
        ("birds that fly", "all birds that fly", False),  # three words are in many texts
        ("how do birds fly", "show do birds flying", False),  # whole words
        ("wie können Vögel fliegen", "WIE KÖNNEN VÖGEL FLIEGEN", True),
        ("how do birds fly", "", False),
    ],
)
def test_a_query_that_stands_in_a_document(query: str, text: str, found: bool) -> None:
    assert copied(query, {"d": text}) is found


def test_resemblance_by_hand() -> None:
    # 40 words are 36 runs of five. One word replaced in the middle breaks 5 of them: 31 of 41.
    assert resemblance(LONG, LONG.replace("w20", "other")) == pytest.approx(31 / 41)
    # Two words more at the end are two runs more: 36 of 38.
    assert resemblance(LONG, f"{LONG} and more") == pytest.approx(36 / 38)
    assert resemblance(LONG, LONG.upper() + "!") == 1
    assert resemblance("short", "short") == 1
    assert resemblance("", "other") == 0


@given(*[st.lists(st.sampled_from(WORDS[:4]), max_size=12).map(" ".join)] * 2)
def test_resemblance_is_a_share_and_symmetric(one: str, other: str) -> None:
    assert 0 <= resemblance(one, other) == resemblance(other, one) <= 1
    assert resemblance(one, one) == 1


RUN = {
    "q1": [Hit("twin", 3.0), Hit("good", 2.0), Hit("bad", 1.0)],
    "q2": [Hit("bad", 2.0), Hit("good", 1.0)],
}
QRELS = {"q1": {"good": 2, "bad": 0}, "q2": {"good": 1}}
DOCS = {"good": LONG, "twin": f"{LONG} and more", "bad": "how do birds fly in the rain"}
QUERIES = {"q1": "what is first", "q2": "How do birds fly?"}


def found(**changes: object) -> dict[tuple[str, str], float]:
    given = {"run": RUN, "qrels": QRELS, "queries": QUERIES, "docs": DOCS} | changes
    table = readings(**given, names=["ndcg@10"])  # type: ignore[arg-type]
    if table.empty:
        return {}
    return table.set_index(["reading", "query_id"])["ndcg@10"].to_dict()


def test_readings_are_of_the_queries_that_are_affected() -> None:
    # q1: the twin gets the grade 2 of what it repeats: both are in their best places.
    # q2: bad has the query; good is second: 1 / log2(3).
    assert found() == pytest.approx({(COPIED, "q2"): 1 / math.log2(3), (TWINS, "q1"): 1.0})


def test_what_is_judged_is_no_unjudged_twin() -> None:
    judged = {**QRELS, "q1": {"good": 2, "twin": 0}}
    assert set(found(qrels=judged)) == {(COPIED, "q2")}
    # What repeats a document that is not relevant takes nothing from it.
    assert set(found(qrels={"q1": {"good": 0}, "q2": {"good": 1}})) == {(COPIED, "q2")}


def test_only_what_is_near_the_top_counts() -> None:
    others = [Hit(f"d{i}", 20.0 - i) for i in range(10)]
    docs = DOCS | {hit.doc_id: f"text {hit.doc_id}" for hit in others}
    run = {name: [*others, *hits] for name, hits in RUN.items()}
    assert found(run=run, docs=docs) == {}
    assert found(run={}) == {}
