"""What does tasks on a node of a cluster: a worker in a process of its own, and what it has to say."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from harness.components import registry, requirements
from harness.components.models import hub
from harness.errors import HarnessError, InputError, StoreError, reason
from harness.execution.worker import Outcome, Worker
from harness.experiment.plan import Plan, make_plan
from harness.experiment.provenance import measured_on
from harness.experiment.tasks import Task
from harness.results.store import Store


class News(NamedTuple):
    """What happened since somebody last asked."""

    progress: tuple[str, int, int] | None
    said: Collection[str]
    """Warnings, a line each."""


class NodeWorker(logging.Handler):
    """A worker whose errors and warnings can travel; asked for news while it is at work."""

    def __init__(self, plan: Plan, results: Path, cache: Path) -> None:
        """`results` is the folder of the experiment's results."""
        super().__init__(logging.WARNING)
        self._progress: tuple[str, int, int] | None = None
        self._said: list[str] = []
        store = Store(results.parent, results.name)
        self._worker = Worker(plan, store, cache, self._note)
        self._thread = ThreadPoolExecutor(1)  # one, since what is loaded may belong to its thread
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def listen(self) -> None:
        """Keep what is logged in this process from now on."""
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is logged for whoever asks for news."""
        self._said.append(self.format(record))

    def _note(self, name: str, done: int, total: int) -> None:
        self._progress = name, done, total

    def unfit(self, probes: Mapping[Path, str]) -> str:
        """Why this node cannot take part; empty if it can. `probes` are files with their content."""
        for file, content in probes.items():
            try:
                seen = file.read_text(encoding="utf-8")
            except OSError:
                seen = ""
            if seen != content:
                return (
                    f"cannot see what the others write to {file.parent}: name folders that all "
                    "nodes share with --results and --cache"
                )
        plan = self._worker.plan
        try:
            same = make_plan(plan.experiment).trials == plan.trials
        except HarnessError as error:
            return f"cannot run the experiment: {error}"
        return "" if same else "has different packages, models or data, so its results would differ"

    def machines(self, devices: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], Any]:
        """What costs on such devices are measured on here."""
        return {one: measured_on(one) for one in devices}

    def prepare(self) -> None:
        """Begin to import what tasks will need, while the first of them is elsewhere."""
        self._thread.submit(self._import_packages)

    def _import_packages(self) -> None:
        hub.tell_libraries(online=False)
        for need in chain.from_iterable(map(registry.needs, self._worker.plan.components())):
            with suppress(Exception):  # the task that needs it says so
                importlib.import_module(requirements.package(need))

    def do(self, task: Task, workers: int) -> Outcome | HarnessError:
        """Do a task, as one of so many workers; what would stop the run is given, not raised."""
        self._worker.workers = max(workers, 2)  # others may have been here, or may come
        self._progress = None
        try:
            return self._thread.submit(self._worker.do, task).result()
        except InputError as error:
            return InputError(reason(error))
        except StoreError as error:
            return StoreError(reason(error))

    def news(self) -> News:
        """What happened since this was last called."""
        said, self._said = self._said, []
        return News(self._progress, said)
