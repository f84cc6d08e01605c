"""Two runs at one time: of one experiment one waits, and a stage that two have is made by one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fakes
import pytest

from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.files import locks
from harness.pipeline.datasets import load_dataset
from harness.pipeline.stage_runner import StageRunner
from harness.results.store import Store

SYSTEM = {"name": "a", "retriever": {"use": "fakes:WordOverlap"}, "reranker": {"use": "fakes:Slow"}}


def test_a_stage_is_made_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = make_plan(load_experiment(fakes.write_experiment(tmp_path, systems=[SYSTEM])))
    (trial,) = plan.trials
    dataset = load_dataset(trial.dataset, tmp_path / "cache")
    both = [StageRunner(dataset, (), tmp_path / "cache", lambda *_: None) for _ in range(2)]
    fakes.CALLS.clear()
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda work: work.run(trial.stages[-1]), both)
    expected = ["index", "search", *map("score {}".format, fakes.QUERIES.values())]
    assert sorted(fakes.CALLS) == sorted(expected)
    assert first == second
    assert any("a stage that this one has, too: re" in line for line in caplog.messages)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".lock", ".partial")]


def test_a_run_waits_for_another_with_the_same_results(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = make_plan(load_experiment(fakes.write_experiment(tmp_path)))
    store = Store(tmp_path / "results", "one")
    execution = Execution(plan, store, tmp_path / "cache", lambda *_: None)
    with ThreadPoolExecutor(1) as thread:
        with locks.alone(store.folder / ".lock", "busy"):
            waiting = thread.submit(execution.execute)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            assert [path.name for path in store.folder.iterdir()] == [".lock"]
        waiting.result()
    assert store.pending(plan) == []
    assert f"Another run has its results in {store.folder} (process {os.getpid()})" in caplog.text
    assert not (store.folder / ".lock").exists()
