"""The pool of stored rankings."""

from __future__ import annotations

from harness.analysis.judgments.pool import Pool

RANKINGS = {"base": {"q1": ["a", "b"], "q2": ["c"]}, "new": {"q1": ["b", "d"]}}
POOL = Pool({"q1": "one", "q2": "two", "q3": "three"}, RANKINGS, "base")


def test_items_are_those_of_all_systems_once() -> None:
    assert sorted(POOL.items("q1")) == ["a", "b", "d"]
    assert POOL.items("q2") == ["c"]
    assert POOL.items("q3") == []


def test_their_order_depends_on_the_seed_and_on_no_system() -> None:
    many = [f"d{i}" for i in range(20)]
    one = Pool({"q": "text"}, {"base": {"q": many}, "new": {"q": many[::-1]}}, "base")
    other = Pool({"q": "text"}, {"base": {"q": many[::-1]}, "new": {"q": many}}, "base")
    assert one.items("q") == other.items("q") != many
    assert one.items("q") != Pool({"q": "text"}, one.rankings, "base", seed=43).items("q")


def test_it_is_as_deep_as_its_metric() -> None:
    assert POOL.metric == "ndcg@10"
