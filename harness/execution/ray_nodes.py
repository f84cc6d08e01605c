"""Has tasks done on the nodes of a Ray cluster: by a worker on each node, or on each of its GPUs.

Workers write the cache alone, where everything is whole or absent, so that a task that is done twice
does no harm. A node that dies loses what it was at: it is done again elsewhere.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.components.protocols import Progress
from harness.components.timing import span
from harness.errors import HarnessError, InputError, ServerError, reason
from harness.execution.node_worker import News, NodeWorker
from harness.execution.worker import Outcome
from harness.experiment.plan import Plan
from harness.experiment.tasks import Cost, Task
from harness.files import disk

log = logging.getLogger(__name__)

PAUSE_S = 0.5
"""How often workers are asked for news."""

START_S = 180.0
"""How long a worker may take to start, and a run waits for a node where none is left."""

TRIES = 3
"""How often a task is begun whose worker dies, and a worker on a node where it does not start."""


@dataclass(eq=False)
class Seat:
    """A worker on a node."""

    node: str
    name: str
    actor: Any
    machines: Mapping[tuple[str, ...], Any] = dataclasses.field(default_factory=dict)
    task: Task | None = None
    answer: Any = None
    """Where Ray puts the outcome of the task."""
    dataset: str = ""
    """Of its last task."""


class Nodes:
    """Has tasks done by all nodes of a cluster; those that come later take part, too."""

    def __init__(
        self, ray: Any, plan: Plan, results: Path, cache: Path, progress: Progress
    ) -> None:
        """Start a worker on each node; raises InputError where one is unfit, or there is none."""
        self._ray, self._progress = ray, progress
        self._folders = results.resolve(), cache.resolve()
        self._devices = plan.cost_devices()
        self._cuda = any(getattr(part, "device", "") == "cuda" for part in plan.components())
        self._cuda |= any("cuda" in devices for devices in self._devices)
        self._plan = plan
        self._seats: list[Seat] = []
        self._again: list[Task] = []
        self._done: list[tuple[Task, Outcome]] = []
        self._deaths: Counter[str] = Counter()
        self._looked = -START_S
        for fault in self._look():
            raise InputError(fault)
        best = max(self._wait_for_seats(), key=_accelerators)
        self.plan = dataclasses.replace(plan, machines=best.machines)
        """The plan, whose costs are measured on a node of the cluster."""

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return max(1, len(self._seats))

    def begin(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Give each worker that has none a task, if it can be of the dataset that it has at hand."""
        todo = [*self._again, *ready]
        for task in [one for one in todo if isinstance(one, Cost)]:
            if not any(_can_measure(seat, task) for seat in self._wait_for_seats()):
                todo.remove(task)
                self._done.append((task, Outcome(failure="no node of that machine is left")))
        for seat in self._wait_for_seats():
            fitting = [task for task in todo if self._fits(seat, task)]
            fitting.sort(key=lambda task: task.dataset.name != seat.dataset)
            if seat.task is None and fitting:
                todo.remove(fitting[0])
                self._give(seat, fitting[0])
        self._again = [task for task in self._again if task in todo]
        return [task for task in ready if task not in todo]

    def ended(self) -> tuple[Task, Outcome]:
        """Wait until a worker has done its task, and pass on what all of them say meanwhile."""
        while not self._done:
            if self._again or not self._busy():
                self.begin(())
            answers = [seat.answer for seat in self._busy()]
            with span("nodes"):
                self._ray.wait(answers, timeout=PAUSE_S) if answers else time.sleep(PAUSE_S)
            for seat in self._busy():
                self._take(seat)
            self._tell()
            for fault in self._look():
                log.warning("%s", fault)
        return self._done.pop(0)

    def _busy(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.task is not None]

    def _fits(self, seat: Seat, task: Task) -> bool:
        """Whether a worker may begin: beside costs that are measured nothing else goes on there."""
        others = [one.task for one in self._busy() if one.node == seat.node]
        if isinstance(task, Cost):
            return not others and _can_measure(seat, task)
        return not any(isinstance(other, Cost) for other in others)

    def _give(self, seat: Seat, task: Task) -> None:
        seat.task, seat.dataset = task, task.dataset.name
        seat.answer = seat.actor.do.remote(task, len(self._seats))

    def _take(self, seat: Seat) -> None:
        """Take what a worker gave, if it has done its task or is dead."""
        there, _ = self._ray.wait([seat.answer], timeout=0)
        if not there or seat.task is None:
            return
        task = seat.task
        try:
            found = self._ray.get(seat.answer)
        except _deaths() as error:
            self._lose(seat, task, reason(error).partition(". ")[0])
            return
        seat.task = seat.answer = None
        if isinstance(found, HarnessError):
            raise found
        self._done.append((task, found))

    def _lose(self, seat: Seat, task: Task, why: str) -> None:
        self._seats.remove(seat)
        self._ray.kill(seat.actor)  # it may still be at work, and is not heard any more
        self._deaths[task.key] += 1
        if self._deaths[task.key] < TRIES:
            log.warning("%s: its worker died; another worker repeats its task", seat.name)
            self._again.append(task)
        else:
            died = f"its worker died {TRIES} times, the last time on {seat.name}: {why}"
            self._done.append((task, Outcome(failure=died)))
        self._looked = -START_S

    def _tell(self) -> None:
        """Show what the workers are at, and what they warn of."""
        heard: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for seat, news in self._news():
            for line in news.said:
                log.warning("%s: %s", seat.name, line)
            if news.progress and seat.task:
                name, done, total = news.progress
                heard[name].append((done, total))
        for name, amounts in list(heard.items())[:1]:
            shared = f"{name} ({len(amounts)} of {len(self._seats)} workers)"
            self._progress(shared, *map(sum, zip(*amounts, strict=True)))

    def _news(self) -> Iterator[tuple[Seat, News]]:
        """What each worker has to say, if it answers; one that died with nothing to do goes."""
        asked = {seat: seat.actor.news.remote() for seat in self._seats}
        if asked:
            self._ray.wait(list(asked.values()), num_returns=len(asked), timeout=PAUSE_S)
        for seat, answer in asked.items():
            there, _ = self._ray.wait([answer], timeout=0)
            try:
                news = self._ray.get(answer) if there else News(None, ())
            except _deaths():
                if seat.task is None:
                    self._seats.remove(seat)
            else:
                yield seat, news

    def _wait_for_seats(self) -> list[Seat]:
        """All workers there are; raises ServerError if for long there is none."""
        since = time.monotonic()
        while not self._seats:
            if time.monotonic() - since > START_S:
                raise ServerError(
                    "No node of the Ray cluster has room for a worker, or none is left. See `ray "
                    "status`, then run again: finished work is stored."
                )
            time.sleep(PAUSE_S)
            for fault in self._look():
                log.warning("%s", fault)
        return self._seats

    def _look(self) -> Iterator[str]:
        """Start a worker on each node that has none; tells of those that cannot take part."""
        if time.monotonic() - self._looked < 10 * PAUSE_S:
            return
        self._looked = time.monotonic()
        taken = {seat.node for seat in self._seats}
        new = [
            seat
            for node in self._ray.nodes()
            if node["Alive"] and node["NodeID"] not in taken
            if self._deaths[node["NodeID"]] < TRIES
            for seat in self._started(node)
        ]
        with self._probes() as probes:
            asked = [(seat, seat.actor.unfit.remote(probes)) for seat in new]
            for seat, answer in asked:
                if fault := self._fault(seat, answer):
                    self._deaths[seat.node] += TRIES
                    self._ray.kill(seat.actor)
                    yield f"The node {seat.name} {fault}."

    def _fault(self, seat: Seat, answer: Any) -> str:
        """Why a worker that was started cannot take part; empty once it does."""
        try:
            if fault := self._ray.get(answer, timeout=START_S):
                return str(fault)
            seat.machines = self._ray.get(seat.actor.machines.remote(self._devices))
        except self._ray.exceptions.GetTimeoutError:
            return "has no room for a worker, or is too busy to start one"
        except self._ray.exceptions.RayError as error:
            return f"cannot start a worker: {reason(error)[-400:]}"
        seat.actor.prepare.remote()
        self._seats.append(seat)
        return ""

    def _started(self, node: Mapping[str, Any]) -> Iterator[Seat]:
        """A worker with all processors of a node, or one for each of its GPUs."""
        gpus = int(node["Resources"].get("GPU", 0)) if self._cuda else 0
        cpus = int(node["Resources"].get("CPU", 0))
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        name = f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"
        for _ in range(max(gpus, 1) if cpus else 0):
            actor = self._ray.remote(NodeWorker).options(
                num_cpus=max(cpus // max(gpus, 1), 1),
                num_gpus=min(gpus, 1),
                max_concurrency=3,  # it is asked for news while it is at work
                scheduling_strategy=here(node["NodeID"], soft=False),
            )
            seat = Seat(node["NodeID"], name, actor.remote(self._plan, *self._folders))
            seat.actor.listen.remote()
            yield seat

    @contextmanager
    def _probes(self) -> Iterator[Mapping[Path, str]]:
        """Files with their contents that every node must see, and that go again."""
        content = os.urandom(16).hex()
        probes = {folder / f".probe-{content}": content for folder in self._folders}
        try:
            for file in probes:
                disk.write(file, content)
            yield probes
        finally:
            for file in probes:
                disk.remove(file)


def _accelerators(seat: Seat) -> int:
    """How many devices for costs a node has."""
    return sum(bool(found) for one in seat.machines.values() for found in one["devices"].values())


def _can_measure(seat: Seat, task: Cost) -> bool:
    """Whether a node is of the machine whose costs are asked for."""
    return task.stage.machine in seat.machines.values()


def _deaths() -> tuple[type[Exception], ...]:
    """What Ray raises where a worker, or its node, is dead or not heard of."""
    from ray import exceptions

    return (
        *(exceptions.RayActorError, exceptions.NodeDiedError, exceptions.WorkerCrashedError),
        *(exceptions.ObjectLostError, exceptions.OutOfMemoryError),
    )
