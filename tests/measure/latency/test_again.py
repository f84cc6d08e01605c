"""What could not be measured of cost, and may be another time, is measured again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fakes
import pandas as pd
import pytest
from fakes import write_experiment

from harness import load_results
from harness.cli.runs import plan_text
from harness.errors import StoreError
from harness.execution.execute import Execution
from harness.experiment import plan
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.report.missing import not_measured
from harness.results.store import Results, Store

OVERLAP = {"use": "fakes:WordOverlap"}
ENCODER = {"use": "fakes:HashingTokenEncoder"}
SYSTEMS = [
    {"name": "overlap", "retriever": OVERLAP},
    {"name": "oracle", "retriever": OVERLAP, "reranker": {"use": "fakes:Oracle"}},
    {"name": "raising", "retriever": OVERLAP, "reranker": {"use": "fakes:Raising"}},
]
CHANGES = {"systems": SYSTEMS, "latency": {"candidates": [2], "budget_s": 0.2, "starts": 0}}


@pytest.fixture(autouse=True)
def _works(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fault of a test ends with it."""
    monkeypatch.setattr(fakes.Raising, "_scores", fakes.Raising._scores)
    fakes.CALLS.clear()
    yield
    fakes.CALLS.clear()


def execution(folder: Path, **changes: Any) -> Execution:
    experiment = load_experiment(write_experiment(folder, **{**CHANGES, **changes}))
    store = Store(folder / "results", experiment.name)
    return Execution(make_plan(experiment), store, folder / "cache", lambda *_: None)


def run(folder: Path, **changes: Any) -> Results:
    execution(folder, **changes).execute()
    return load_results(folder / "results" / "experiment")


def told(folder: Path, **changes: Any) -> str:
    """What `plan` says, as one line."""
    made = execution(folder, **changes)
    return " ".join(plan_text(made.plan, made.store, made.cache).split())


def timed(results: Results) -> set[str]:
    return set(results.costs["calls"]["system"])


def mend(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fakes.Raising, "_scores", fakes.Identity._scores)


def test_a_trial_that_is_mended_gets_its_latency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tmp_path)
    assert timed(first) == {"overlap", "oracle"}
    # As long as the trial fails there is nothing new to measure, and nothing is measured.
    pd.testing.assert_frame_equal(run(tmp_path).costs["calls"], first.costs["calls"])
    assert "latency of 3 systems: done; without raising: its ranking failed" in told(tmp_path)
    mend(monkeypatch)
    assert timed(run(tmp_path)) == {"overlap", "oracle", "raising"}
    assert "latency of 3 systems: done" in told(tmp_path)


def test_a_trial_that_was_mended_in_a_run_that_stopped_gets_its_latency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    mend(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "pending_cost_stages", lambda *_: [])
        run(tmp_path)
    assert "latency of 3 systems: to do again; without raising" in told(tmp_path)
    assert timed(run(tmp_path)) == {"overlap", "oracle", "raising"}


def test_an_arm_that_broke_while_it_was_timed_is_timed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "pending_cost_stages", lambda *_: [])
        run(tmp_path)  # its quality is measured, and then the server goes
    with monkeypatch.context() as patch:
        patch.setattr(fakes.Raising, "_scores", _gone)
        broken = run(tmp_path)
    assert timed(broken) == {"overlap", "oracle"}
    (reason,) = set(broken.costs["arms"].query("system == 'raising'")["reason"])
    assert reason == "ConnectionError: the server is gone"
    assert broken.cost_facts["data", "latency"]["left_out"] == {"raising": reason}
    assert timed(run(tmp_path)) == {"overlap", "oracle", "raising"}


def _gone(*_: Any) -> list[float]:
    raise ConnectionError("the server is gone")


def test_what_cannot_pass_is_not_measured_again(tmp_path: Path) -> None:
    changes = {"systems": SYSTEMS[:2], "latency": {"candidates": [2, 50], "budget_s": 0.2}}
    first = run(tmp_path, **changes)
    assert "fewer than two queries have 50 candidates to rerank" in set(
        first.costs["arms"]["reason"]
    )
    pd.testing.assert_frame_equal(run(tmp_path, **changes).costs["calls"], first.costs["calls"])


def test_the_ways_to_keep_vectors_of_a_mended_trial_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = {"name": "late", "retriever": OVERLAP}
    late |= {"reranker": {"use": "late_interaction", "encoder": ENCODER}}
    storage = {"plaid_nbits": [], "pool_factors": [1], "precisions": ["float32"]}
    changes = {"systems": [SYSTEMS[0], late], "storage": storage}
    with monkeypatch.context() as patch:
        patch.setattr(fakes.HashingTokenEncoder, "encode", _gone)
        assert run(tmp_path, **changes).costs["grid"].empty
    assert set(run(tmp_path, **changes).costs["grid"]["system"]) == {"late"}


def machine(patch: pytest.MonkeyPatch, **facts: Any) -> None:
    """Another machine from here on."""
    here = plan.measured_on(("cpu", "cuda"))
    known: Mapping[str, Any] = {**here, **facts}
    patch.setattr(plan, "measured_on", lambda _: known)
    patch.setattr("harness.measure.latency.study.provenance", lambda: {"machine": known})


@pytest.mark.parametrize(
    "other",
    [
        {"processor": "another"},
        {"cores": 999},
        {"memory_gib": 4096.0},
        {"devices": {"cuda": "H100"}},
    ],
)
def test_the_machine_says_where_a_measurement_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Mapping[str, Any]
) -> None:
    planned = execution(tmp_path).plan
    (here,) = planned.cost_stages()
    machine(monkeypatch, **other)
    (there,) = planned.cost_stages()
    assert here.key == there.key
    assert here.folder.rpartition("--")[0] == there.folder.rpartition("--")[0]
    assert here.folder != there.folder


def test_how_much_memory_there_is_measures_nothing_anew(tmp_path: Path) -> None:
    latency = dict(CHANGES["latency"])
    keys = {
        stage.key
        for more in ({}, {"memory_gb": 4}, {"memory_gb": 8})
        for stage in execution(tmp_path, latency=latency | more).plan.cost_stages()
    }
    (stage,) = execution(tmp_path, latency=latency | {"settle_s": 1}).plan.cost_stages()
    assert len(keys) == 1
    assert stage.key not in keys


def test_measurements_of_two_machines_stand_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"systems": SYSTEMS[:2]}
    with monkeypatch.context() as patch:
        machine(patch, processor="another")
        there = run(tmp_path, **changes)
    assert timed(there) == {"overlap", "oracle"}
    assert there.cost_facts["data", "latency"]["provenance"]["machine"]["processor"] == "another"
    assert there.elsewhere == {("data", "latency"): []}
    here = run(tmp_path, **changes)
    assert not here.costs["calls"].equals(there.costs["calls"])
    assert [known["processor"] for known in here.elsewhere["data", "latency"]] == ["another"]
    assert any(
        line.startswith("Latency on data on another machine (another")
        for line in not_measured(here)
    )
    with monkeypatch.context() as patch:  # back there: nothing is measured, and its own is shown
        machine(patch, processor="another")
        run(tmp_path, **changes)
    back = load_results(tmp_path / "results" / "experiment")  # on any machine, as `report` does
    pd.testing.assert_frame_equal(back.costs["calls"], there.costs["calls"])


def test_a_measurement_that_is_written_over_is_not_whole_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    mend(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "pending_cost_stages", lambda *_: [])
        run(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("harness.results.store.write_table", _full)
        with pytest.raises(StoreError, match="no space"):
            execution(tmp_path).execute()
    assert timed(run(tmp_path)) == {"overlap", "oracle", "raising"}


def _full(*_: Any) -> None:
    raise StoreError("no space")
