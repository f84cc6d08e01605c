"""Who is given which task, and what becomes of it where a worker dies; Ray itself is a fake."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import WordOverlap, write_experiment

from harness.errors import InputError
from harness.execution.execute import Execution
from harness.execution.node_worker import NodeWorker
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.tasks import Cost, Retrieve, tasks
from harness.results.store import Store

ray = pytest.importorskip("ray")
nodes_of = pytest.importorskip("harness.execution.ray_nodes").Nodes

ON_GPU = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}, "device": "cuda"}


class FakeRay:
    """Actors in this process; what they are asked is done at once, and known when it is got."""

    exceptions = ray.exceptions
    util = ray.util

    def __init__(self, *resources: dict[str, float]) -> None:
        self.resources = resources
        self.options: list[dict[str, Any]] = []
        self.deaths: list[str] = []
        """The beginnings of keys of tasks whose worker dies, one for each time."""

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": True, "NodeID": f"{i:056x}", "NodeManagerAddress": "host", "Resources": one}
            for i, one in enumerate(self.resources, start=1)
        ]

    def remote(self, cls: type) -> Any:
        def made(**options: Any) -> Any:
            self.options.append(options)
            return SimpleNamespace(remote=lambda *given: FakeActor(self, cls(*given)))

        return SimpleNamespace(options=made)

    def wait(self, answers: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return answers, []

    def get(self, answer: Any, **_: Any) -> Any:
        return answer()

    def kill(self, actor: Any) -> None:
        del actor


class FakeActor:
    def __init__(self, cluster: FakeRay, made: Any) -> None:
        self.cluster, self.made = cluster, made

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *given: lambda: self.answer(name, *given))

    def answer(self, name: str, *given: Any) -> Any:
        deaths = self.cluster.deaths
        if name == "do" and deaths and given[0].key.startswith(deaths[0]):
            deaths.pop(0)
            raise ray.exceptions.ActorDiedError
        return getattr(self.made, name)(*given)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.execution.ray_nodes.PAUSE_S", 0.0)


def plan_of(folder: Path, **changes: Any) -> Plan:
    return make_plan(load_experiment(write_experiment(folder, **changes)))


def nodes(cluster: FakeRay, folder: Path, plan: Plan) -> Any:
    return nodes_of(cluster, plan, folder / "results" / "x", folder / "cache", lambda *_: None)


def executed(cluster: FakeRay, folder: Path) -> Execution:
    plan = plan_of(folder)
    there = nodes(cluster, folder, plan)
    store = Store(folder / "results", "x")
    made = Execution(there.plan, store, folder / "cache", lambda *_: None, there)
    made.execute()
    return made


class Needing(WordOverlap):
    needs = ("broken_package", "colorsys", "wave>=1")


def test_a_worker_imports_what_its_tasks_need_before_the_first_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("raise OSError")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("colorsys", "wave"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    plan = plan_of(tmp_path, systems=[{"name": "a", "retriever": {"use": f"{__name__}:Needing"}}])
    worker = NodeWorker(plan, tmp_path / "results" / "x", tmp_path / "cache")
    worker.prepare()
    first = next(iter(tasks(plan)))
    assert worker.do(first, 2).failure is None  # after the imports
    assert {"colorsys", "wave"} <= sys.modules.keys()


def test_what_a_dead_worker_was_at_is_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = FakeRay({"CPU": 2.0}, {"CPU": 4.0})
    cluster.deaths = ["retrieve", "rerank", "measure"]
    made = executed(cluster, tmp_path)
    assert (made.failures, cluster.deaths) == ({}, [])
    assert made.store.pending(made.plan) == []
    assert sum("its worker died; another worker repeats" in m for m in caplog.messages) == 3
    assert [one["num_cpus"] for one in cluster.options[:2]] == [2, 4]


def test_a_task_whose_worker_always_dies_fails_its_trial(tmp_path: Path) -> None:
    cluster = FakeRay({"CPU": 1.0}, {"CPU": 1.0})
    cluster.deaths = ["rerank"] * 3
    made = executed(cluster, tmp_path)
    assert list(made.failures) == [("data", "oracle")]
    assert "its worker died 3 times" in made.failures["data", "oracle"]
    assert len(made.store.pending(made.plan)) == 1


def test_a_worker_for_each_gpu_and_none_without_processors(tmp_path: Path) -> None:
    cluster = FakeRay({"CPU": 8.0, "GPU": 2.0}, {"GPU": 1.0})
    nodes(cluster, tmp_path, plan_of(tmp_path, systems=[{"name": "a", "retriever": ON_GPU}]))
    assert [(one["num_cpus"], one["num_gpus"]) for one in cluster.options] == [(4, 1), (4, 1)]
    cluster.options.clear()
    nodes(cluster, tmp_path, plan_of(tmp_path))  # nothing of it is on a GPU
    assert [(one["num_cpus"], one["num_gpus"]) for one in cluster.options] == [(8, 0)]


def test_costs_are_measured_alone_on_a_node(tmp_path: Path) -> None:
    cluster = FakeRay({"CPU": 2.0, "GPU": 2.0})
    plan = plan_of(tmp_path, systems=[{"name": "a", "retriever": ON_GPU}], storage={})
    there = nodes(cluster, tmp_path, plan)
    found = list(tasks(there.plan))
    (retrieve,) = (task for task in found if isinstance(task, Retrieve))
    (cost,) = (task for task in found if isinstance(task, Cost))
    assert there.begin([retrieve, cost]) == [retrieve]
    assert there.begin([cost]) == []
    there.ended()
    assert there.begin([cost]) == [cost]
    assert there.begin([retrieve]) == []


def test_a_node_that_sees_other_folders_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path)
    worker = NodeWorker(plan, tmp_path / "results", tmp_path / "cache")
    file = tmp_path / ".probe"
    assert worker.unfit({}) == ""
    assert "cannot see what the others write to" in worker.unfit({file: "1"})
    file.write_text("2")
    assert worker.unfit({file: "1"}) == worker.unfit({tmp_path / "gone": "1"})
    file.write_text("1")
    assert worker.unfit({file: "1"}) == ""
    monkeypatch.setattr(NodeWorker, "unfit", lambda *_: "does not see it")
    with pytest.raises(InputError, match=r"The node host \(000000\) does not see it\."):
        nodes(FakeRay({"CPU": 1.0}), tmp_path, plan)
    assert not list(tmp_path.rglob(".probe-*"))


def test_news_are_the_progress_and_what_was_logged(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    worker = NodeWorker(plan, tmp_path / "results" / "x", tmp_path / "cache")
    worker.listen()
    try:
        assert worker.news() == (None, [])
        assert worker.do(next(iter(tasks(plan))), 1).failure is None
        logging.getLogger("some.library").warning("%s is odd", "this")
    finally:
        logging.getLogger().removeHandler(worker)
    assert worker.news() == (("read data", 1, 1), ["some.library: this is odd"])
    assert worker.news().said == []


def test_a_node_with_another_dataset_is_unfit(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    worker = NodeWorker(plan, tmp_path / "results", tmp_path / "cache")
    corpus = tmp_path / "data" / "corpus.jsonl"
    corpus.write_text(corpus.read_text() + '{"_id": "d9", "text": "new"}\n')
    assert "has different packages, models or data" in worker.unfit({})
