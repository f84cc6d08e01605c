"""Tasks done by several workers, in whatever order they can be: the bytes of one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import fakes
import pytest

from harness.execution.execute import Execution
from harness.execution.worker import Outcome, Worker
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.tasks import Encode, Rerank, Task
from harness.pipeline import embedding_cache
from harness.results.store import Store

WORDS = {"use": "fakes:WordOverlap"}
DENSE = {"use": "dense", "encoder": {"use": "fakes:BatchedDense"}}
LATE = {"use": "late_interaction", "encoder": {"use": "fakes:BatchedEncoder"}}
SYSTEMS = [
    {"name": "late on words", "retriever": WORDS, "reranker": LATE},
    {"name": "late on dense", "retriever": DENSE, "reranker": LATE},
    {"name": "fused", "retriever": {"use": "fused", "retrievers": [{"use": "bm25"}, DENSE]}},
    {
        "name": "on the fly",
        "retriever": DENSE,
        "reranker": {**LATE, "documents": "on_the_fly", "dim": 8},
    },
    {"name": "bad", "retriever": WORDS, "reranker": {"use": "fakes:Raising"}},
]
"""The first two encode other documents by one encoder, the last but one as queries come."""


class Several:
    """Has what is ready last done first, by three workers in turn."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = list(workers)
        self.begun: list[Task] = []
        self.seen: list[Task] = []

    def begin(self, ready: Sequence[Task]) -> Sequence[Task]:
        self.begun += ready
        return ready

    def ended(self) -> tuple[Task, Outcome]:
        task = self.begun.pop()
        self.seen.append(task)
        self.workers.append(self.workers.pop(0))
        return task, self.workers[0].do(task)


def execution(folder: Path, cache: Path, *, several: bool) -> Execution:
    plan = make_plan(load_experiment(folder / "experiment.yaml"))
    store = Store(cache / "results", plan.experiment.name)
    made = Execution(plan, store, cache / "cache", lambda *_: None)
    if several:
        made.executor = Several(
            [Worker(plan, store, made.cache, made.progress, 3) for _ in range(3)]
        )
    return made


def contents(folder: Path) -> Mapping[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted((folder / "results").rglob("*"))
        if file.is_file() and file.name not in ("timings.csv", "B2SUMS")
    }


@pytest.mark.parametrize("reaches", [True, False], ids=["all documents", "few candidates"])
def test_results_do_not_depend_on_who_does_what_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaches: bool
) -> None:
    monkeypatch.setattr(embedding_cache, "TEXTS_PER_PART", 4)
    docs = {f"d{i:02}": f"{'word ' * (i % 3)}w{i % 7} v{i % 5} {i}" for i in range(60)}
    queries = {f"q{i}": f"w{i} v{i}" for i in range(5)}
    fakes.write_beir(tmp_path / "data", docs, queries, {q: {"d01": 1} for q in queries})
    depth = 15 if reaches else 6
    fakes.write_experiment(
        tmp_path, systems=SYSTEMS, depth={"retrieve": depth, "rerank": depth}, metrics=["ndcg@3"]
    )
    one = execution(tmp_path, tmp_path / "one", several=False)
    one.execute()
    several = execution(tmp_path, tmp_path / "several", several=True)
    several.execute()
    assert several.failures == one.failures
    assert list(one.failures) == [("data", "bad")]
    # Vectors depend on their batches here, and the scores tell it.
    assert contents(tmp_path / "several") == contents(tmp_path / "one")
    seen = several.executor.seen  # type: ignore[union-attr]
    assert any(isinstance(task, Encode) and task.texts for task in seen)
    assert any(isinstance(task, Rerank) and task.part for task in seen)
