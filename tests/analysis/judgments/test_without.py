from __future__ import annotations

import math

import pytest
from made_results import results

from harness.analysis.judgments.without import differences, unjudged_blocks
from harness.data import Hit, Run
from harness.results.store import Results

PLAN = {"baseline": "dense", "metrics": ["ndcg@2"], "decision": {"objective": "ndcg@2"}}
RANKINGS = {
    "dense": {"q1": "ab", "q2": "ab"},
    "same": {"q1": "ab", "q2": "ab"},
    "turned": {"q1": "ba", "q2": "cd"},
}
"""By system and query, the documents in their order."""


def run(*asked: object) -> Run:
    """Of results, a dataset and a system."""
    ranked = RANKINGS[str(asked[-1])]
    return {q: [Hit(doc_id, -i) for i, doc_id in enumerate(ids)] for q, ids in ranked.items()}


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(Results, "run", run)
    monkeypatch.setattr(Results, "unjudged", frozenset(["data"]))
    return results(PLAN, facts={("data", system): {} for system in RANKINGS})


def test_each_system_is_compared_with_the_baseline(unjudged: Results) -> None:
    same, turned = differences(unjudged, "data").itertuples(index=False)
    assert tuple(same) == ("same", pytest.approx(1), 1, 1, 0, 0)
    # q1: the same two documents turned; q2: no document in common.
    assert (turned.shared, turned.same) == (0.5, 0.0)
    # One of q1's agrees from rank 2 on: .9, of the weights .1 and .9; q2's have nothing in common.
    assert turned.overlap == pytest.approx(0.9 / 2)
    # q1: only the second of dense is relevant: 1 against 1 / log2(3); q2: all of one system's are.
    most = (1 - 1 / math.log2(3) + 1) / 2
    assert (turned.low, turned.high) == pytest.approx((-most, most))


def test_the_system_that_differs_most_is_named_until_judging_has_begun(unjudged: Results) -> None:
    (block,) = unjudged_blocks(unjudged, judged=())
    assert [line.split(",")[0] for line in block.lines[:1]] == ["Nothing on data is judged"]
    assert block.lines[-1] == (
        "turned differs most from dense: their rank-biased overlap is 0.45, and they share 50 % of "
        "their first 2 documents."
    )
    (begun,) = unjudged_blocks(unjudged, judged=["data"])
    assert begun.lines == block.lines[-1:]
    assert begun.tables[0].table.rows[1][-1] == f"{-0.685:+.3f} to {0.685:+.3f}"


def test_of_systems_that_find_nothing_nothing_is_known(
    unjudged: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RANKINGS, "dense", {"q1": ""})
    monkeypatch.setitem(RANKINGS, "same", {"q1": ""})
    same, _ = differences(unjudged, "data").itertuples(index=False)
    assert math.isnan(same.overlap)
    assert (same.low, same.high) == (0, 0)


def test_without_a_run_of_the_baseline_nothing_is_compared(unjudged: Results) -> None:
    del unjudged.facts["data", "dense"]
    (block,) = unjudged_blocks(unjudged, judged=())
    assert len(block.lines) == 2
    assert not block.tables
