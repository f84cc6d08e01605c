"""More calls after the planned rounds, on a clock that no machine's load moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from paced import Paced, experiment, paced

from harness import load_results
from harness.analysis.costs.page import cost_details
from harness.analysis.decision.recommend import Recommendation
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.quick import quickened
from harness.experiment.reading import load_experiment
from harness.report.analyse import analyse
from harness.results.store import Results, Store


def run(file: Path, *, quick: bool = False) -> Results:
    asked = load_experiment(file)
    asked = quickened(asked) if quick else asked
    store = Store(file.parent / "results", asked.name)
    plan = make_plan(asked)
    Execution(plan, store, file.parent / "cache", lambda *_: None).execute()
    return load_results(store.folder)


def decided(results: Results) -> Recommendation:
    return analyse(results).decision


def calls(results: Results, system: str) -> int:
    table = results.costs["calls"]
    return int(((table["system"] == system) & (table["copy"] == 0)).sum())


LATENCY = {"candidates": [2], "budget_s": 4, "starts": 0}


@pytest.mark.parametrize(
    ("slowness", "answer"),
    [(1.0, "adopt"), (3.0, "adopt"), (4.0, "keep"), (40.0, "keep"), (1500.0, "keep")],
    ids=["as it is", "three times", "too slow", "far too slow", "one call is above the budget"],
)
def test_a_decision_ends_the_run_however_slow_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slowness: float, answer: str
) -> None:
    """30 ms of 100 that are allowed: 4 s carry some 100 calls, and 40 of 90 ms do not show it."""
    with paced(monkeypatch, slowness):
        found = run(experiment(tmp_path, 0.03))
    assert decided(found).answer == answer


def test_without_time_to_settle_the_way_on_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paced(monkeypatch, 3.0):
        before = run(experiment(tmp_path, 0.03, latency={**LATENCY, "settle_s": 0}))
        (first, *_) = decided(before).reasons
        assert decided(before).answer == "assess"
        assert "write `settle_s: 30` under `latency` and run again" in first
        # what it says is enough
        after = run(experiment(tmp_path / "again", 0.03, latency={**LATENCY, "settle_s": 30}))
    assert decided(after).answer == "adopt"
    assert "settled" not in before.cost_facts["data", "latency"]


def test_what_was_added_is_recorded_and_stays_in_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paced(monkeypatch, 3.0):
        found = run(experiment(tmp_path, 0.03))
    table = found.costs["calls"]
    added = table[table["round"] >= 5]
    spent = found.cost_facts["data", "latency"]["settled"]["cpu"]
    (arm,) = spent["arms"]
    count = len(added[(added["system"] == "alpha") & (added["copy"] == 0)])
    assert arm == {"system": "alpha", "mode": "rerank", "k": 2, "calls": count, "settled": True}
    # 110 calls of which none is above show it: no more than those are made
    assert 110 <= calls(found, "alpha") <= 120
    assert spent["seconds"] <= 120
    made = analyse(found)
    costs = cost_details(found, "data", made.costs)
    told = [line for block in costs for line in block.lines]
    assert (
        f"More calls after the planned rounds on cpu settled what was open: {count} of alpha (rerank); "
        f"they took {spent['seconds']:.0f} s of 120."
    ) in told
    assert set(found.costs["rounds"]["round"]) == set(table["round"])
    # the retriever, and the second of two equal arms, on the same queries in the same rounds
    names = ["round", "query_id"]
    arms = {
        key: set(rows[names].itertuples(index=False, name=None))
        for key, rows in added.groupby(["system", "copy"])
    }
    assert arms["alpha", 0] == arms["overlap", 0] == arms["alpha", 1]


def test_queries_that_were_timed_least_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paced(monkeypatch, 3.0):
        table = run(experiment(tmp_path, 0.03)).costs["calls"]
    mine = table[(table["system"] == "alpha") & (table["copy"] == 0)]
    counts = mine["query_id"].value_counts()
    assert len(counts) == 90  # 30 of 120 are for warm-up
    assert counts.max() - counts.min() <= 1


def test_what_is_settled_or_cannot_be_adopted_gets_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paced(monkeypatch, 3.0):
        high = {"smallest_gain_that_matters": 0.9, "requirements": {"p95_ms": {"cpu": 100}}}
        small = run(experiment(tmp_path / "small", 0.03, decision=high))
        none = run(experiment(tmp_path / "none", 0.03, decision={}))
        quick = run(experiment(tmp_path / "quick", 0.03), quick=True)
    for found in (small, none, quick):
        assert found.costs["calls"]["round"].max() == 4
    assert decided(small).answer == "keep"


def test_a_percentile_at_the_limit_ends_with_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = {"use": "paced:Paced", "seconds": 0.03, "slow_share": 0.05}
    overlap = {"use": "fakes:WordOverlap"}
    systems: Any = [
        {"name": "overlap", "retriever": overlap},
        {"name": "alpha", "retriever": overlap, "reranker": slow},
    ]
    with paced(monkeypatch, 1.0):
        latency = {**LATENCY, "settle_s": 30}
        found = run(experiment(tmp_path, 0.03, systems=systems, latency=latency))
    spent = found.cost_facts["data", "latency"]["settled"]["cpu"]
    assert 25 < spent["seconds"] < 35
    assert not spent["arms"][0]["settled"]
    assert decided(found).answer == "assess"


def test_a_run_that_stops_while_it_settles_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = experiment(tmp_path, 0.03)
    with paced(monkeypatch, 3.0):
        Paced.calls.clear()
        monkeypatch.setattr(Paced, "stop_at", [120 + 180])  # ranking, warm-up, rounds; then this
        with pytest.raises(KeyboardInterrupt):
            run(file)
        assert not list(tmp_path.glob("results/*/*/latency--*/*"))
        monkeypatch.setattr(Paced, "stop_at", [])
        assert decided(run(file)).answer == "adopt"
