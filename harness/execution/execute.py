"""Goes through a plan: each shared stage once, each finished trial stored at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from harness.components.models import references
from harness.components.protocols import Progress
from harness.components.timing import span
from harness.errors import StoreError, reason
from harness.experiment.plan import CostStage, Plan, TrainStage, Trial
from harness.experiment.schema import DatasetChoice
from harness.files import disk, locks, temporary
from harness.measure.latency.study import measure_latency
from harness.measure.load.study import measure_load
from harness.measure.storage.study import measure_storage
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


@dataclass
class Execution:
    """One go at a plan; it can be stopped anywhere, and the next go does only what is left."""

    plan: Plan
    store: Store
    cache: Path
    progress: Progress
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why each failed trial failed, by (dataset, system); so, too, a measurement of cost as a whole."""
    _untrained: dict[str, Exception] = field(default_factory=dict)
    _training_runners: dict[StageRunner, StageRunner] = field(default_factory=dict)
    """By the runner over the queries that are measured the one over those that are learnt from."""

    def __post_init__(self) -> None:
        """Have trained models looked for in the cache, here and in processes of their own."""
        os.environ[references.TRAINED_IN] = str(self.cache.resolve())

    def execute(self) -> None:
        """Do every pending trial; one that fails is noted and the others go on.

        A run of the same experiment that is at work is waited for. Raises InputError where a dataset
        cannot be read, StoreError if results or caches cannot be written.
        """
        with disk.writing(self.cache):
            self.cache.mkdir(parents=True, exist_ok=True)
        temporary.sweep(self.cache)
        busy = f"Another run has its results in {self.store.folder}"
        with locks.alone(self.store.folder / ".lock", busy):
            self.store.save_plan(self.plan)
            self.store.set_damage_aside(self.plan)
            pending = self.store.pending(self.plan)
            for choice in self.plan.experiment.datasets:
                trials = [trial for trial in pending if trial.dataset == choice]
                if trials or self._cost_stages(choice):
                    self._execute_dataset(choice, trials)

    def _cost_stages(self, choice: DatasetChoice) -> list[CostStage]:
        """What is left to measure of cost, as the trials stand now."""
        return [one for one in self.store.pending_cost_stages(self.plan) if one.dataset == choice]

    def _execute_dataset(self, choice: DatasetChoice, trials: Sequence[Trial]) -> None:
        self.progress(f"load {choice.name}", 0, 1)
        with span("data"):
            dataset = load_dataset(choice, self.cache, self.plan.experiment.datasets)
        self.progress(f"load {choice.name}", 1, 1)
        asked = self.plan.experiment
        work = StageRunner(dataset, asked.metrics, self.cache, self.progress, asked.cache.precision)
        try:
            new = [trial for trial in trials if not self.store.holds_run(trial)]
            work.encode_together([trial for trial in new if not trial.trainings])
        except StoreError:
            raise
        except Exception:  # the trial whose encoder it is will fail by name
            log.debug("encoding together failed", exc_info=True)
        for trial in trials:
            self._execute_trial(trial, work)
        for stage in self._cost_stages(choice):
            self._execute_cost_stage(stage, work)
        self._training_runners.clear()  # large, and the next dataset has its own

    def _execute_trial(self, trial: Trial, work: StageRunner) -> None:
        stored = self.store.holds_run(trial)
        with self._failing(trial.dataset.name, trial.system.name) as failure:
            if stored:  # only a metric is missing: no model is needed
                measured = work.measured(trial, self.store.ranked(trial))
                self.store.save_measured(trial, measured)
            else:
                for stage in trial.trainings:
                    self._train(stage, work)
                self.store.save(trial, work.record(trial))
        if failure and not stored:
            self.store.save_failure(trial, failure[0])

    def _execute_cost_stage(self, stage: CostStage, work: StageRunner) -> None:
        lost = {
            trial.system.name: why for trial in stage.trials if (why := self._lost(trial, work))
        }
        with self._failing(stage.dataset.name, f"{stage.kind} of all systems"):
            with span("cost"):
                found = MEASURES[stage.kind](stage, self.plan.experiment, work, self.store, lost)
            self.store.save_costs(stage, *found)

    def _lost(self, trial: Trial, work: StageRunner) -> str:
        """Why nothing of a trial's cost can be measured; empty if it can.

        The models of trials that are done are trained again: the cache may have been deleted since.
        """
        if not self.store.ready(trial):
            return "its ranking failed"
        try:
            for stage in trial.trainings if not trial.random_weights else ():
                self._train(stage, work)
        except StoreError:
            raise
        except Exception as error:
            log.debug("a model was not trained again", exc_info=True)
            return reason(error)
        return ""

    @contextmanager
    def _failing(self, dataset: str, name: str) -> Iterator[list[str]]:
        """What breaks inside is noted in the list, and as a failure of that name; all else goes on.

        That is also what the user must mend, and a component that ends the process.
        """
        failure: list[str] = []
        try:
            yield failure
        except StoreError:
            raise
        except (Exception, SystemExit) as error:
            log.debug("%s failed", name, exc_info=True)
            failure.append(reason(error))
            self.failures[dataset, name] = failure[0]

    def _train(self, stage: TrainStage, work: StageRunner) -> None:
        """Have the model of a stage; what failed once is not tried for the next system."""
        if stage.key in self._untrained:
            raise self._untrained[stage.key]
        if references.is_trained(stage.reference):
            return
        try:
            if work not in self._training_runners:
                self._training_runners[work] = training_runner(stage, work)
            make(stage, self._training_runners[work])
        except StoreError:
            raise
        except Exception as error:
            self._untrained[stage.key] = error
            raise
