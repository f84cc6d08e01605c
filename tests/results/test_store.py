"""The store of results through kills at every moment: what is there is the old or the new."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gated
import pandas as pd
import pytest
from fakes import CALLS, write_experiment

from harness.errors import StoreError
from harness.execution.execute import Execution
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.results.store import Results, Store, load_results
from harness.results.whole_folders import AGAIN


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system has it keeps, whatever becomes of this process."""
    monkeypatch.setattr("os.fsync", lambda _: None)


class Killed(BaseException):
    """As a kill would come: nothing catches it."""


def kill_before(patch: pytest.MonkeyPatch, rename: int) -> None:
    """End this process's work before its `rename`-th file or folder gets its name."""
    left = [rename]
    for name in ("rename", "replace"):
        real = getattr(Path, name)

        def renamed(self: Path, target: Path, real: object = real) -> Path:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(self, target)  # type: ignore[operator]

        patch.setattr(Path, name, renamed)


def plan(folder: Path, **changes: Any) -> Plan:
    return make_plan(load_experiment(write_experiment(folder, **changes)))


def execute(folder: Path, planned: Plan) -> None:
    store = Store(folder / "results", "experiment")
    Execution(planned, store, folder / "cache", lambda *_: None).execute()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the results but those that hold seconds, or the digests of such."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted((folder / "results").rglob("*"))
        if file.is_file() and file.name not in ("timings.csv", "B2SUMS")
    }


def kills(folder: Path, start: Path, planned: Plan) -> Iterator[int]:
    """Each moment at which a run that begins with `start` can be killed, once it was."""
    for moment in range(1000):
        for name in ("results", "cache"):
            shutil.rmtree(folder / name, ignore_errors=True)
            if (start / name).exists():
                shutil.copytree(start / name, folder / name)
        try:
            with pytest.MonkeyPatch.context() as patch:
                kill_before(patch, moment)
                execute(folder, planned)
        except Killed:
            yield moment
        else:
            assert moment > 5
            return


def test_a_run_that_is_killed_between_any_two_files_ends_alike(tmp_path: Path) -> None:
    overlap = {"use": "fakes:WordOverlap"}
    oracle = {"name": "oracle", "retriever": overlap, "reranker": {"use": "fakes:Oracle"}}
    planned = plan(tmp_path, systems=[oracle], metrics=["ndcg@3"])
    execute(tmp_path, planned)
    whole = contents(tmp_path)
    for _ in kills(tmp_path, tmp_path / "nothing", planned):
        if (tmp_path / "results" / "experiment" / "plan.json").exists():
            found = load_results(tmp_path / "results" / "experiment")
            assert set(found.trials["status"]) <= {"done", "pending"}
        execute(tmp_path, planned)
        assert contents(tmp_path) == whole


def test_a_new_metric_that_is_killed_between_any_two_files_is_measured_whole(
    tmp_path: Path,
) -> None:
    old = plan(tmp_path, metrics=["ndcg@3"])
    new = plan(tmp_path, metrics=["ndcg@3", "mrr@2"])
    execute(tmp_path, old)
    shutil.rmtree(tmp_path / "cache")
    start = tmp_path / "start"
    shutil.copytree(tmp_path / "results", start / "results")
    before = tables(load_results(tmp_path / "results" / "experiment"))
    execute(tmp_path, new)
    whole, after = contents(tmp_path), tables(load_results(tmp_path / "results" / "experiment"))
    CALLS.clear()
    refused = 0
    for _ in kills(tmp_path, start, new):
        try:
            found = tables(load_results(tmp_path / "results" / "experiment"))
        except StoreError as error:
            refused += AGAIN in str(error)
        else:
            assert all(one in (*before, *after) for one in found)
        execute(tmp_path, new)
        assert contents(tmp_path) == whole
    assert refused > 2
    assert CALLS == []  # its run was there all the time


def tables(results: Results) -> list[str]:
    """By trial its measurements, as text."""
    table = results.measurements
    return [table[table["system"] == name].to_csv(index=False) for name in results.trials["system"]]


def test_a_measurement_of_cost_that_is_killed_is_the_old_or_the_new_or_none(
    tmp_path: Path,
) -> None:
    file = gated.experiment(tmp_path / "in", latency=gated.LATENCY)
    values = {"first": [0.5] * 4, "second": [0.5] * 4}
    old, new = (gated.timed(seconds, queries=4) for seconds in (0.05, 0.5))
    expected = [
        gated.store(tmp_path / name, file, values, calls=calls).costs["calls"]
        for name, calls in (("old", old), ("new", new))
    ]
    found = set()
    for moment in range(1000):
        folder = tmp_path / f"{moment}"
        shutil.copytree(tmp_path / "old", folder)
        kept = Store(folder, "experiment")
        try:
            with pytest.MonkeyPatch.context() as patch:
                kill_before(patch, moment)
                gated._store_calls(kept, gated.loaded(file), new, {})
        except Killed:
            calls = load_results(kept.folder).costs["calls"]
            whole = [calls.equals(one) for one in expected]
            found.add("none" if calls.empty else ("old", "new")[whole.index(True)])
        else:
            break
    assert found == {"old", "none"}
    pd.testing.assert_frame_equal(load_results(kept.folder).costs["calls"], expected[1])
