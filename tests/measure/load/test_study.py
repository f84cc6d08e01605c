"""From an experiment to its tables of load, with servers that speak the contract."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contract_server
import pandas as pd
import pytest
from contract_server import MODEL, Answer, ContractServer
from fakes import write_experiment

from harness import load_results
from harness.execution.execute import Execution
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.measure.load import client_limit
from harness.report.analyse import analyse
from harness.report.render import write_report
from harness.results.store import Results, Store

OVERLAP = {"use": "fakes:WordOverlap"}
LOAD = {
    "concurrency": [1, 2],
    "rates": [0.3, 0.6],
    "seconds": 0.2,
    "longest_s": 0.2,
    "candidates": 2,
}
CLOSED, OPEN = [("closed", 1.0), ("closed", 2.0)], [("open", 0.3), ("open", 0.6)]


def systems(server: ContractServer, **fields: Any) -> list[dict[str, Any]]:
    endpoint = {"use": "endpoint", "dialect": "plain", "url": server.url, **fields}
    return [
        {"name": "overlap", "retriever": OVERLAP},
        {"name": "oracle", "retriever": OVERLAP, "reranker": {"use": "fakes:Oracle"}},
        {"name": "service", "retriever": OVERLAP, "reranker": endpoint},
    ]


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_limit, "SECONDS", 0.05)
        patch.setattr(client_limit, "WAKE_SECONDS", 0.01)
        yield


class Run:
    """One experiment, whose server may be told to misbehave once quality is measured."""

    def __init__(self, folder: Path, server: ContractServer, **changes: Any) -> None:
        content = {"systems": systems(server), "load": LOAD, **changes}
        experiment = load_experiment(write_experiment(folder, **content))
        self.store = Store(folder / "results", experiment.name)
        plan = make_plan(experiment)
        self.told: list[tuple[str, int, int]] = []
        self.execution = Execution(
            plan, self.store, folder / "cache", lambda *word: self.told.append(word)
        )

    def quality(self) -> None:
        """What is judged is there before the server is put under load."""
        pending, self.store.pending_cost_stages = self.store.pending_cost_stages, lambda _: []  # type: ignore[method-assign]
        self.execution.execute()
        self.store.pending_cost_stages = pending  # type: ignore[method-assign]

    def results(self) -> Results:
        self.execution.execute()
        return load_results(self.store.folder)


def _in_10_ms(_: ContractServer, answer: Answer) -> Answer:
    time.sleep(0.01)
    return answer


def of(results: Results, system: str) -> pd.DataFrame:
    steps = results.costs["steps"]
    return steps[steps["system"] == system].reset_index(drop=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, ContractServer]]:
    """A run in which nothing went wrong, and its server."""
    with contract_server.running() as server:
        server.reset("plain")
        run = Run(tmp_path_factory.mktemp("load"), server)
        server.fault = _in_10_ms  # so that rates are low, and a busy machine sends all in time
        run.results()
        yield run, server


def test_each_number_of_clients_and_each_rate_is_a_step(
    whole: tuple[Run, ContractServer],
) -> None:
    results = load_results(whole[0].store.folder)
    steps = of(results, "service")
    assert set(steps["status"]) == {"measured"}
    found = [
        (row.loop, row.level if row.loop == "closed" else row.share) for row in steps.itertuples()
    ]
    assert found == [*CLOSED, *OPEN]
    best = analyse(results).loads.steps.query("loop == 'closed'")["achieved"].max()
    assert list(steps["level"][2:]) == pytest.approx([0.3 * best, 0.6 * best])
    requests = results.costs["requests"]
    assert set(requests["system"]) == {"service"}
    assert set(requests["outcome"]) == {"answered"}
    assert set(requests["query_id"]) <= {"q1", "q2", "q3", "q4"}
    assert requests["query_id"].nunique() == 2  # the two others warm up
    assert (requests["server"] == 0.0075).all()  # as the contract server says
    facts = results.cost_facts["data", "load"]
    assert facts["servers"]["service"]["here"]
    assert [one["clients"] for one in facts["ceiling"]] == [1, 2]
    done = [word[1] for word in whole[0].told if word[0] == "load of service"]
    assert done == sorted(done)


def test_a_system_in_this_process_is_no_server(whole: tuple[Run, ContractServer]) -> None:
    results = load_results(whole[0].store.folder)
    (oracle,) = of(results, "oracle").to_dict("records")
    assert (oracle["status"], oracle["loop"]) == ("not measured", "")
    assert oracle["reason"].startswith("it is no server")
    assert list(of(results, "overlap")["reason"]) == ["it does not rerank"]
    write_report(results, analyse(results))
    text = (results.folder / "report.md").read_text()
    assert "Load of oracle on data: it is no server" in text
    assert "service answers up to" in text
    assert "No requirement limits p95" in text


def test_what_is_done_is_not_measured_again(whole: tuple[Run, ContractServer]) -> None:
    run, server = whole
    before, count = load_results(run.store.folder), len(server.work)
    again = run.results()
    assert len(server.work) == count
    pd.testing.assert_frame_equal(before.costs["requests"], again.costs["requests"])


def test_a_server_that_mixes_answers_is_found_out(tmp_path: Path, server: ContractServer) -> None:
    run = Run(tmp_path, server)
    run.quality()
    lock, last = threading.Lock(), []

    def mixing(_: ContractServer, answer: Answer) -> Answer:
        """Whoever comes while another is served gets what was meant for that one."""
        with lock:
            last.append(answer)
            mine = last[-2] if len(last) > 1 else answer
        time.sleep(0.003)
        return mine

    server.fault = mixing
    steps = of(run.results(), "service")
    assert steps["status"][0] == "failed"
    assert "answers rank otherwise than when quality was measured" in steps["reason"][0]
    assert "for query 'q" in steps["reason"][0]
    assert set(steps["status"][1:]) == {"not measured"}
    results = load_results(run.store.folder)
    analysis = analyse(results)
    (service,) = analysis.loads.capacities.query("system == 'service'").to_dict("records")
    assert service["status"] == "not measured"
    assert "service under load failed" in service["said"]
    write_report(results, analysis)
    assert "**service under load failed" in (results.folder / "report.md").read_text()


def test_a_server_that_went_away_is_told_and_the_run_goes_on(
    tmp_path: Path, server: ContractServer
) -> None:
    fields = {"retries": 0, "timeout_s": 1.0}
    run = Run(tmp_path, server, systems=systems(server, **fields))
    run.quality()
    server.fault = lambda *_: Answer(b"x" * 400, bytes_at_once=1)
    results = run.results()
    steps = of(results, "service")
    assert set(steps["status"]) == {"not measured"}
    assert "no whole answer within 1 s" in steps["reason"][0]
    assert results.costs["requests"].empty


def test_a_server_that_refuses_all_has_no_rates(tmp_path: Path, server: ContractServer) -> None:
    run = Run(tmp_path, server)
    run.quality()
    worked = iter([True])  # the first request of the warm-up
    server.fault = lambda _, answer: answer if next(worked, False) else Answer({}, status=429)
    steps = of(run.results(), "service")
    assert list(steps["status"]) == ["measured", "measured", "not measured", "not measured"]
    assert set(steps["reason"][2:]) == {"the closed loop had no answer to tell a rate by"}
    assert "it answered 429" in steps["remark"][0]


def test_of_a_server_that_remembers_nothing_is_asked_twice(
    tmp_path: Path, server: ContractServer
) -> None:
    server.reset("infinity")
    fields = {"dialect": "infinity", "model": MODEL}
    results = Run(tmp_path, server, systems=systems(server, **fields)).results()
    requests = results.costs["requests"]
    assert not requests["query_id"].duplicated().any()
    steps = of(results, "service")  # two queries for four steps
    assert list(steps["status"]) == ["measured", "measured", "not measured", "not measured"]
    assert set(steps["reason"][2:]) == {
        "its 2 queries, none of which may be asked twice, were used up"
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"depth": {"rerank": 1, "retrieve": 3}}, "it reranks 1 candidates, and 2 are asked for"),
        ({"load": LOAD | {"candidates": 50}}, "fewer than two queries have 50 candidates"),
    ],
)
def test_too_few_candidates(
    tmp_path: Path, server: ContractServer, changes: dict[str, Any], reason: str
) -> None:
    results = Run(tmp_path, server, **changes).results()
    assert list(of(results, "service")["reason"]) == [reason]


def test_the_key_is_of_the_settings(tmp_path: Path, server: ContractServer) -> None:
    run = Run(tmp_path, server)
    (one,) = run.execution.plan.cost_stages()
    (tmp_path / "other").mkdir()
    other = Run(tmp_path / "other", server, load=LOAD | {"seconds": 0.5})
    (changed,) = other.execution.plan.cost_stages()
    assert one.kind == changed.kind == "load"
    assert one.key != changed.key
    run.store.save_plan(run.execution.plan)
    saved = json.loads((run.store.folder / "plan.json").read_text())
    assert [cost["kind"] for cost in saved["costs"]] == ["load"]
