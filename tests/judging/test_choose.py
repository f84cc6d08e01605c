"""What is judged next, and what it says of the decision: against pools whose every grade is known."""

from __future__ import annotations

import pytest
from made_pools import full_gains, judged, made_pool

from harness.analysis.judgments.pool import Drawn, Pool
from harness.judging.choose import Chooser


def test_everything_that_differs_is_judged_in_the_end_and_gives_the_full_value() -> None:
    pool, qrels = made_pool(8, [0.8, 0.5], 1)
    chooser = Chooser(pool, 0.01, 42)
    draws, grades = judged(chooser, qrels, 100)
    assert {drawn.query_id for drawn in draws} == set(pool.queries)
    assert draws[-1].chance == pytest.approx(1)
    while pick := chooser.next(draws, grades, ()):  # what is left of drawn queries
        assert pick.drawn is None
        grades[pick.query_id, pick.doc_id] = qrels[pick.query_id, pick.doc_id]
    assert len(grades) == sum(len(pool.items(name)) for name in pool.queries)
    assert chooser.standing(draws, grades, (), 25).settled
    found = chooser.queries.estimate(draws, grades, ())
    assert found is not None
    assert found.value == pytest.approx(full_gains(pool, qrels).mean(axis=0), abs=1e-9)
    assert found.covariance == pytest.approx(0, abs=1e-12)


def test_the_same_judgments_give_the_same_pick() -> None:
    pool, qrels = made_pool(30, [0.8, 0.5], 2)
    draws, grades = judged(Chooser(pool, 0.01, 42), qrels, 7)
    once, again = (Chooser(pool, 0.01, 42).next(draws, grades, ()) for _ in range(2))
    assert once == again
    assert once != Chooser(pool, 0.01, 43).next(draws, grades, ())


def test_a_skipped_document_is_not_asked_for_again() -> None:
    pool, _ = made_pool(5, [0.8, 0.5], 3)
    first = Chooser(pool, 0.01, 42).next([], {}, ())
    assert first is not None
    assert first.drawn is not None
    second = Chooser(pool, 0.01, 42).next([first.drawn], {}, {(first.query_id, first.doc_id)})
    assert second is not None
    assert (second.query_id, second.drawn) == (first.query_id, None)
    assert second.doc_id != first.doc_id


def test_queries_that_no_system_changes_are_never_asked_for() -> None:
    same = {"q1": ["a", "b"], "q2": ["a", "b"]}
    other = {"q1": ["a", "b"], "q2": ["b", "a"]}
    pool = Pool({"q1": "one", "q2": "two"}, {"base": same, "new": other}, "base")
    pick = Chooser(pool, 0.01, 42).next([], {}, ())
    assert pick is not None
    assert pick.drawn == Drawn("q2", 1.0)


def test_a_large_gain_is_settled_early_and_said_so() -> None:
    pool, qrels = made_pool(60, [3.0, 0.2], 4)
    chooser = Chooser(pool, 0.01, 42)
    draws, grades = judged(chooser, qrels, 35)
    standing = chooser.standing(draws, grades, (), 25)
    assert standing.settled
    assert standing.sentence.startswith(
        "Settled by quality: adopt s1; judging the rest would leave it so"
    )


def test_before_enough_is_known_it_says_how_far_it_is() -> None:
    pool, qrels = made_pool(60, [0.8, 0.75], 5)
    chooser = Chooser(pool, 0.01, 42)
    assert "0 queries judged" in chooser.standing([], {}, (), 25).sentence
    draws, grades = judged(chooser, qrels, 32)
    standing = chooser.standing(draws, grades, (), 30)
    assert not standing.settled
    assert standing.more
    assert f"About {standing.more} more judgments" in standing.sentence


def test_of_few_queries_no_more_are_asked_for_than_there_are() -> None:
    pool, _ = made_pool(7, [0.8, 0.75], 5)
    assert "it takes at least 7 before" in Chooser(pool, 0.01, 42).standing([], {}, (), 25).sentence


def test_what_waits_for_an_open_query_is_said() -> None:
    pool, qrels = made_pool(60, [0.8, 0.75], 5)
    chooser = Chooser(pool, 0.01, 42)
    draws, grades = judged(chooser, qrels, 9)
    name = draws[6].query_id
    left = {pair: grade for pair, grade in grades.items() if pair[0] != name}
    sentence = chooser.standing(draws, left, (), 25).sentence
    assert sentence.startswith("Decision now: assess further. 6 queries judged;")
    assert sentence.endswith(
        f"2 judged queries wait for query {name}, which somebody opened before."
    )
    assert "wait" not in chooser.standing(draws, grades, (), 25).sentence


def test_of_one_system_nothing_is_to_be_judged() -> None:
    pool = Pool({"q1": "one"}, {"base": {"q1": ["a"]}}, "base")
    chooser = Chooser(pool, 0.01, 42)
    assert chooser.next([], {}, ()) is None
    assert chooser.standing([], {}, (), 25).settled
