"""Goes through the tasks of a plan; each finished trial is stored at once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from harness.components.protocols import Progress
from harness.errors import InputError, StoreError, reason
from harness.execution.estimate import Size, size_of
from harness.execution.overview import Overview
from harness.execution.worker import Outcome, Worker
from harness.experiment.plan import Plan
from harness.experiment.tasks import Cost, Measure, Task, tasks
from harness.files import disk, locks, temporary
from harness.pipeline.datasets import load_dataset
from harness.results.store import Store

log = logging.getLogger(__name__)


class Executor(Protocol):
    """Has tasks done, somewhere."""

    @property
    def workers(self) -> int:
        """How many tasks can be done at once."""
        ...

    def begin(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Begin those of the tasks for which there is room; gives these."""
        ...

    def ended(self) -> tuple[Task, Outcome]:
        """Wait until one of those that were begun has ended.

        Raises InputError where its dataset cannot be read, StoreError if results or caches cannot
        be read or written.
        """
        ...


@dataclass
class Here:
    """Has tasks done in this process, one after another."""

    worker: Worker
    workers: int = 1
    _begun: list[Task] = field(default_factory=list)

    def begin(self, ready: Sequence[Task]) -> Sequence[Task]:
        """The first of them."""
        self._begun.append(ready[0])
        return self._begun

    def ended(self) -> tuple[Task, Outcome]:
        """Do it."""
        task = self._begun.pop()
        return task, self.worker.do(task)


def all_tasks(plan: Plan, store: Store) -> list[Task]:
    """What is to be done of a plan, in order; all measurements of cost, due or not."""
    pending = store.pending(plan)
    ranked = [trial.folder for trial in pending if store.holds_run(trial)]
    return list(tasks(plan, [trial.folder for trial in pending], ranked))


def overview(plan: Plan, store: Store, cache: Path, sizes: Mapping[str, Size]) -> Overview:
    """The stages that are to be done, with the time that they take on datasets of these sizes."""
    due = {stage.folder for stage in store.pending_cost_stages(plan)}
    todo = [
        task
        for task in all_tasks(plan, store)
        if not isinstance(task, Cost) or task.stage.folder in due
    ]
    return Overview(plan, todo, sizes, cache)


@dataclass
class Execution:
    """One go at a plan; it can be stopped anywhere, and the next go does only what is left."""

    plan: Plan
    store: Store
    cache: Path
    progress: Progress
    executor: Executor | None = None
    """None: this process."""
    announce: Callable[[Callable[[], str]], None] | None = None
    """Called as a stage begins, with a function that says what is done for whom, and the time left."""
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why each failed trial failed, by (dataset, system); so, too, a measurement of cost as a whole."""
    _waiting: dict[str, Task] = field(default_factory=dict)
    _before: dict[str, set[str]] = field(default_factory=dict)
    """By task the keys of those that must have ended before."""
    _lost: dict[str, str] = field(default_factory=dict)
    """By task why it could not be done."""
    _overview: Overview | None = None

    def execute(self) -> None:
        """Do every pending trial; one that fails is noted and the others go on.

        A run of the same experiment that is at work is waited for. Raises InputError where a dataset
        cannot be read, StoreError if results or caches cannot be written.
        """
        with disk.writing(self.cache):
            self.cache.mkdir(parents=True, exist_ok=True)
        temporary.sweep(self.cache)
        busy = f"Another run has its results in {self.store.folder}"
        with temporary.below(self.cache), locks.alone(self.store.folder / ".lock", busy):
            self.store.save_plan(self.plan)
            self.store.set_damage_aside(self.plan)
            todo = all_tasks(self.plan, self.store)
            if self.announce:
                sizes = dict(self._sizes(todo))
                self._overview = overview(self.plan, self.store, self.cache, sizes)
                self.announce(self._overview.estimate)
            self._go_through(todo)

    def _sizes(self, todo: Sequence[Task]) -> Iterator[tuple[str, Size]]:
        """By dataset how large it is; but for the first, one that cannot be read waits for its turn."""
        every = self.plan.experiment.datasets
        needed = {task.dataset.name: task.dataset for task in todo}
        for number, (name, choice) in enumerate(needed.items()):
            with contextlib.suppress(*([InputError] if number else [])):
                yield name, size_of(load_dataset(choice, self.cache, every))

    def _go_through(self, todo: Sequence[Task]) -> None:
        executor = self.executor or Here(Worker(self.plan, self.store, self.cache, self.progress))
        running: set[str] = set()
        self._add(todo)
        while self._waiting:
            if ready := self._ready(running):
                running |= {task.key for task in executor.begin(ready)}
                self._announce(executor, [task for task in ready if task.key in running])
            if running:
                task, outcome = executor.ended()
                running.remove(task.key)
                self._note(task, outcome)

    def _announce(self, executor: Executor, begun: Sequence[Task]) -> None:
        if self.announce and self._overview:
            self._overview.workers = executor.workers
            for task in filter(self._overview.begin, begun):
                self.announce(partial(self._overview.line, task))

    def _add(self, todo: Sequence[Task]) -> None:
        for task in todo:
            self._waiting[task.key] = task
            self._before[task.key] = {*task.needs, *task.after}

    def _ready(self, running: set[str]) -> list[Task]:
        """The tasks that can begin; those that cannot be done any more are noted."""
        ready = []
        for task in list(self._waiting.values()):
            if task.key in running or self._before[task.key] & self._waiting.keys():
                continue
            lacks = [self._lost[key] for key in task.needs if key in self._lost]
            if lacks:
                self._note(task, Outcome(failure=lacks[0]))
            elif isinstance(task, Cost) and not self._is_due(task):
                del self._waiting[task.key]
            else:
                ready.append(task)
        return ready

    def _is_due(self, task: Cost) -> bool:
        """Whether a measurement of cost is to be made, as the trials stand now."""
        return task.stage.folder in {
            one.folder for one in self.store.pending_cost_stages(self.plan)
        }

    def _note(self, task: Task, outcome: Outcome) -> None:
        """Store what a task gave; tasks that it needs before it are put in front of it."""
        if self._overview:
            self._overview.rates.note(outcome.spent)
        if outcome.first:
            self._add([one for one in outcome.first if one.key not in self._waiting])
            task = replace(task, needs=(*task.needs, *(one.key for one in outcome.first)))
            self._waiting[task.key] = task
            self._before[task.key] = set(task.needs)
            return
        del self._waiting[task.key]
        if self._overview:
            self._overview.end(task)
        failure = outcome.failure if outcome.failure is not None else self._stored(task, outcome)
        if failure is not None:
            self._lost[task.key] = failure
            self._note_failure(task, failure)

    def _stored(self, task: Task, outcome: Outcome) -> str | None:
        """Why what a task gave cannot be stored; None once it is."""
        try:
            if isinstance(task, Measure) and task.ranked:
                self.store.save_measured(task.trial, outcome.value)
            elif isinstance(task, Measure):
                self.store.save(task.trial, outcome.value)
            elif isinstance(task, Cost):
                self.store.save_costs(task.stage, *outcome.value)
        except StoreError:
            raise
        except Exception as error:
            log.debug("%s gave what cannot be stored", task.key, exc_info=True)
            return reason(error)
        return None

    def _note_failure(self, task: Task, why: str) -> None:
        """A failure is that of a trial, or of a measurement of cost."""
        if isinstance(task, Measure):
            self.failures[task.dataset.name, task.trial.system.name] = why
            if not task.ranked:
                self.store.save_failure(task.trial, why)
        elif isinstance(task, Cost):
            self.failures[task.dataset.name, f"{task.stage.kind} of all systems"] = why
