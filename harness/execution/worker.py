"""Does tasks one after another, with a dataset and its models at hand."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from harness.components.models import references
from harness.components.protocols import Progress
from harness.components.timing import span
from harness.data import digest
from harness.errors import StoreError, reason
from harness.execution.estimate import COLD_STARTS, cost_work, training_work
from harness.execution.rates import Meter, Spent
from harness.experiment.plan import Plan, TrainStage, Trial
from harness.experiment.schema import DatasetChoice
from harness.experiment.tasks import Cost, Encode, Measure, Rerank, Retrieve, Task, Train
from harness.measure.latency.study import measure_latency
from harness.measure.load.study import measure_load
from harness.measure.storage.study import measure_storage
from harness.pipeline import stage_parts, text_ranges
from harness.pipeline.datasets import load_dataset
from harness.pipeline.stage_runner import StageRunner
from harness.results.store import Store
from harness.training.make import make, training_runner

log = logging.getLogger(__name__)

MEASURES: Mapping[str, Callable[..., tuple[dict[str, pd.DataFrame], dict[str, Any]]]] = {
    "latency": measure_latency,
    "load": measure_load,
    "storage": measure_storage,
}
"""By kind of cost stage what gives its tables, and what they were measured with."""


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    value: Any = None
    """What it gives beside what is in the cache: of a measurement the tables."""
    failure: str | None = None
    """Why it could not be done."""
    first: tuple[Task, ...] = ()
    """What must be done before this task, which can then be tried again."""
    spent: Mapping[str, Spent] = field(default_factory=dict)
    """By kind of work how much was done in how much time."""


@dataclass
class Worker:
    """Does tasks of a plan; one at a time."""

    plan: Plan
    store: Store
    """Read, and never written."""
    cache: Path
    progress: Progress
    workers: int = 1
    """How many work at this plan."""
    _at_hand: list[tuple[DatasetChoice, StageRunner]] = field(default_factory=list)
    """The dataset of the last task."""
    _learning: list[tuple[Any, StageRunner]] = field(default_factory=list)
    """The stages over the training queries of the dataset at hand."""
    _untrained: dict[str, Exception] = field(default_factory=dict)

    @cached_property
    def _meter(self) -> Meter:
        return Meter(self.progress)

    def do(self, task: Task) -> Outcome:
        """Do a task; what breaks in it is its failure, be it that a component ends the process.

        Raises InputError where the dataset cannot be read, StoreError if results or caches cannot
        be read or written.
        """
        work = self._work(task.dataset)
        began = time.perf_counter()
        try:
            outcome = self._ways[type(task)](task, work)
            spent = self._spent(task, time.perf_counter() - began)
            return dataclasses.replace(outcome, spent=spent)
        except StoreError:
            raise
        except (Exception, SystemExit) as error:
            log.debug("%s failed", task.key, exc_info=True)
            return Outcome(failure=reason(error))

    def _spent(self, task: Task, seconds: float) -> dict[str, Spent]:
        """What was spent on a task, and on all of it where it is known as a whole."""
        spent = self._meter.taken()
        cold = sum(one.seconds for name, one in spent.items() if name.startswith(COLD_STARTS))
        if isinstance(task, Train):
            work = training_work(task.stage)
        elif isinstance(task, Cost):
            work = cost_work(task.stage, self.plan.experiment)
        else:
            return spent
        return spent | {work.name: Spent(work.amount, max(seconds - cold - work.planned, 1.0))}

    @cached_property
    def _ways(self) -> Mapping[type[Task], Callable[[Any, StageRunner], Outcome]]:
        """By kind of task what does it."""
        return {
            Train: self._train,
            Encode: self._encode,
            Retrieve: self._retrieve,
            Rerank: self._rerank,
            Measure: self._measure,
            Cost: self._cost,
        }

    def _work(self, choice: DatasetChoice) -> StageRunner:
        """The stages over a dataset."""
        if not self._at_hand or self._at_hand[0][0] != choice:
            self._at_hand.clear()  # large, and the next dataset has its own
            self._learning.clear()
            self._meter(f"read {choice.name}", 0, 1)
            with span("data"):
                dataset = load_dataset(choice, self.cache, self.plan.experiment.datasets)
            self._meter(f"read {choice.name}", 1, 1)
            asked = self.plan.experiment
            precision = asked.cache.precision
            work = StageRunner(dataset, asked.metrics, self.cache, self._meter, precision)
            self._at_hand.append((choice, work))
        return self._at_hand[0][1]

    def _train(self, task: Train, work: StageRunner) -> Outcome:
        self._have_trained(task.stage, work)
        return Outcome()

    def _have_trained(self, stage: TrainStage, work: StageRunner) -> None:
        """Have the model of a stage; what failed once is not tried for the next system."""
        if stage.key in self._untrained:
            raise self._untrained[stage.key]
        if references.is_trained(stage.reference):
            return
        try:
            unjudged = stage.training.unjudged
            if not self._learning or self._learning[0][0] != unjudged:
                self._learning[:] = [(unjudged, training_runner(stage, work))]
            make(stage, self._learning[0][1], work.dataset.queries)
        except StoreError:
            raise
        except Exception as error:
            self._untrained[stage.key] = error
            raise

    def _encode(self, task: Encode, work: StageRunner) -> Outcome:
        if self.workers == 1:  # then a stage encodes what it asks for
            work.encode_together(task.trials)
            return Outcome()
        try:
            if task.stage is None:
                with text_ranges.shared(self.workers, task.texts):
                    work.encode_together(task.trials)
            elif stage_parts.can_be_shared(task.stage):
                stage_parts.encode(work, task.stage, self.workers, task.texts)
            else:
                work.run(task.stage)
        except text_ranges.RangeEncodedError:
            pass
        except text_ranges.UnencodedError as found:
            return Outcome(first=tuple(_range(task, texts) for texts in found.ranges))
        return Outcome()

    def _retrieve(self, task: Retrieve, work: StageRunner) -> Outcome:
        work.run(task.stage)
        return Outcome()

    def _rerank(self, task: Rerank, work: StageRunner) -> Outcome:
        if task.part:
            stage_parts.score(work, task.stage, task.part)
            return Outcome()
        if self.workers > 1 and stage_parts.can_be_shared(task.stage):
            parts = min(self.workers, stage_parts.unscored(work, task.stage))
            if parts > 1:
                return Outcome(first=tuple(_part(task, (i, parts)) for i in range(parts)))
        work.run(task.stage)
        return Outcome()

    def _measure(self, task: Measure, work: StageRunner) -> Outcome:
        if task.ranked:  # only a metric is missing: no model is needed
            return Outcome(work.measured(task.trial, self.store.ranked(task.trial)))
        return Outcome(work.record(task.trial))

    def _cost(self, task: Cost, work: StageRunner) -> Outcome:
        stage = task.stage
        lost = {
            trial.system.name: why for trial in stage.trials if (why := self._lost(trial, work))
        }
        with span("cost"):
            measure = MEASURES[stage.kind]
            return Outcome(measure(stage, self.plan.experiment, work, self.store, lost))

    def _lost(self, trial: Trial, work: StageRunner) -> str:
        """Why nothing of a trial's cost can be measured; empty if it can.

        The models of trials that are done are trained again: the cache may have been deleted since.
        """
        if not self.store.ready(trial):
            return "its ranking failed"
        try:
            for stage in trial.trainings if not trial.random_weights else ():
                self._have_trained(stage, work)
        except StoreError:
            raise
        except Exception as error:
            log.debug("a model was not trained again", exc_info=True)
            return reason(error)
        return ""


def _range(task: Encode, texts: Any) -> Encode:
    key = f"{task.key} {digest([texts.store, str(texts.first)])[:16]}"
    return dataclasses.replace(task, key=key, needs=(), after=(), texts=texts)


def _part(task: Rerank, part: tuple[int, int]) -> Rerank:
    key = f"{task.key} {part[0]} of {part[1]}"
    return dataclasses.replace(task, key=key, needs=(), after=(), part=part)
