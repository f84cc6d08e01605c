"""The tasks of a plan: in order, each after what it needs, and able to travel."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from fakes import write_experiment

from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.tasks import Cost, Encode, Measure, Rerank, Retrieve, Task, tasks

DENSE = {"use": "dense", "encoder": {"use": "fakes:HashingEncoder"}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:HashingTokenEncoder"}}
SYSTEMS = [
    {"name": "words", "retriever": {"use": "bm25"}},
    {"name": "dense", "retriever": DENSE},
    {"name": "late", "retriever": DENSE, "reranker": LATE},
    {"name": "other", "retriever": {"use": "bm25"}, "reranker": LATE},
]


def plan(folder: Path, **changes: Any) -> Plan:
    return make_plan(load_experiment(write_experiment(folder, **{"systems": SYSTEMS, **changes})))


def names(found: list[Task]) -> list[str]:
    return [type(task).__name__ for task in found]


def test_tasks_are_in_the_order_in_which_one_process_does_them(tmp_path: Path) -> None:
    found = list(tasks(plan(tmp_path, storage={})))
    words, dense = ["Retrieve", "Measure"], ["Encode", "Retrieve", "Measure"]
    rerank = ["Encode", "Rerank", "Measure"]
    assert names(found) == ["Encode", *words, *dense, *rerank, *rerank, "Cost"]
    seen: set[str] = set()
    for task in found:
        assert {*task.needs, *task.after} <= seen
        assert task.key not in seen
        seen.add(task.key)


def test_who_encodes_by_one_encoder_waits_for_the_one_before(tmp_path: Path) -> None:
    together, dense, late, other = (
        task for task in tasks(plan(tmp_path)) if isinstance(task, Encode)
    )
    assert [trial.system.name for trial in together.trials] == ["words", "dense", "late", "other"]
    assert dense.after == late.after == (together.key,)
    assert other.after == (late.key,)  # what is missing then is what the first did not encode


def test_a_rerank_needs_its_candidates_and_what_they_need(tmp_path: Path) -> None:
    found = {task.key: task for task in tasks(plan(tmp_path))}
    reranks = [task for task in found.values() if isinstance(task, Rerank)]
    for rerank in reranks:
        (encode,) = (found[key] for key in rerank.needs)
        assert isinstance(encode, Encode)
        (retrieve,) = (found[key] for key in encode.needs)
        assert isinstance(retrieve, Retrieve)
        assert retrieve.stage == rerank.stage.candidates
    assert len(reranks) == 2


def test_only_what_is_pending(tmp_path: Path) -> None:
    made = plan(tmp_path, storage={})
    words, _, late, _ = (trial.folder for trial in made.trials)
    found = list(tasks(made, pending=[words, late], ranked=[late]))
    assert names(found) == ["Retrieve", "Measure", "Measure", "Cost"]
    measures = [task for task in found if isinstance(task, Measure)]
    assert [(task.ranked, task.needs == ()) for task in measures] == [(False, False), (True, True)]
    (cost,) = (task for task in found if isinstance(task, Cost))
    assert cost.after == tuple(task.key for task in measures)
    assert cost.needs == ()  # it leaves out the systems that failed


def test_tasks_travel(tmp_path: Path) -> None:
    made = plan(tmp_path, storage={})
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert list(tasks(again)) == list(tasks(made))
    assert pickle.loads(pickle.dumps(list(tasks(made)))) == list(tasks(made))
