"""One system under load: its server, and what it is asked."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.components import registry
from harness.components.protocols import Progress
from harness.components.servers.served import Server
from harness.data import Query
from harness.experiment.plan import Trial
from harness.experiment.schema import Latency, Load
from harness.measure.latency.arms import Scores, scores_of
from harness.measure.latency.study import choose
from harness.measure.load.loops import Task
from harness.pipeline.stage_runner import StageRunner
from harness.results.store import Store


@dataclass(frozen=True)
class LoadedSystem:
    """One system under load."""

    name: str
    server: Server
    tasks: Sequence[Task]
    warming: Sequence[Task]
    """Other tasks, which are not counted."""
    expected: Scores
    """By query id the scores that quality was measured on."""
    settings: Load
    rng: np.random.Generator
    report: Progress

    @property
    def once(self) -> Server:
        """The server as it is asked under load."""
        return dataclasses.replace(self.server, retries=0)

    @property
    def steps(self) -> int:
        """How many numbers of clients and rates there are."""
        return len(self.settings.concurrency) + len(self.settings.rates)

    def queue(self, number: int) -> Iterator[Task]:
        """What a step asks: all tasks in an order of its own, again and again.

        Of a server that remembers answers nothing is asked twice: each step has its share.
        """
        order = self.rng.permutation(len(self.tasks)).tolist()
        if self.server.spoken.remembers:
            return iter(self.tasks[number :: self.steps])
        return itertools.cycle([self.tasks[i] for i in order])

    def progress(self, number: int) -> Callable[[float], None]:
        """Progress inside a step, in about the seconds of all steps."""
        name, seconds = f"load of {self.name}", self.settings.seconds
        total = max(round(self.steps * seconds), 1)

        def show(now: float) -> None:
            done = number + min(now / seconds, 1.0)
            self.report(name, round(done / self.steps * total), total)

        return show


def not_measurable(trial: Trial, settings: Load) -> str:
    """Why a system cannot be put under load; empty if it can."""
    reranker, most = trial.system.reranker, trial.system.depth.rerank
    if reranker is None:
        return "it does not rerank"
    if not isinstance(reranker, Server) or len(list(registry.parts(reranker))) > 1:
        return "it is no server: its reranker runs in this process, or in part"
    if trial.random_weights:
        return "its candidates are those of random weights, and no ranking of them is known"
    if most < settings.candidates:
        return f"it reranks {most} candidates, and {settings.candidates} are asked for"
    return ""


def under_load(
    trial: Trial, settings: Load, seed: int, work: StageRunner, store: Store
) -> LoadedSystem | None:
    """The system with what it is asked; None where too few queries have so many candidates."""
    run, dataset, k = work.run(trial.stages[0]), work.dataset, settings.candidates
    asked = Latency(candidates=(k,), queries=max(len(dataset.queries), 1))
    chosen = choose({trial.stages[0].key: run}, dataset.queries, asked, seed)
    if not chosen.candidates:
        return None

    def task(query: Query) -> Task:
        return Task(
            query, list(dataset.found(hit.doc_id for hit in run[query.query_id][:k]).values())
        )

    return LoadedSystem(
        name=trial.system.name,
        server=trial.system.reranker,
        tasks=[task(query) for query in chosen.timed],
        warming=[task(query) for query in chosen.tuning],
        expected=scores_of(store.run(trial) or {}),
        settings=settings,
        rng=np.random.default_rng(seed),
        report=work.progress,
    )
