"""What a run is at, as a person follows it: which stage of how many, for whom, and the time left."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.components import registry
from harness.components.models.names import model_name, short
from harness.components.protocols import ENCODERS
from harness.execution import estimate
from harness.execution.estimate import Size, Work, is_done, sharing_encoders
from harness.execution.rates import Rates
from harness.experiment.plan import Plan, Stage, TrainStage, Trial
from harness.experiment.tasks import Cost, Encode, Measure, Rerank, Retrieve, Task, Train
from harness.page.text import counted

NAMED = 3
"""Systems that a line names; of more it says how many."""

KINDS: Mapping[type[Task], str] = {
    Train: "train",
    Encode: "encode",
    Retrieve: "search",
    Rerank: "rerank",
    Cost: "measure costs",
}
"""What stages are called where they are counted."""


@dataclass
class Step:
    """A stage of a run as a person counts them: tasks that have one result."""

    title: str
    kind: str
    works: list[Work] | None
    """What is done; None where the size of the dataset is not known."""
    open: set[str] = field(default_factory=set)
    """The keys of its tasks that have not ended."""
    began: float | None = None


class Overview:
    """The stages of a run, which of them are at work, and how long the others will take."""

    def __init__(
        self,
        plan: Plan,
        todo: Sequence[Task],
        sizes: Mapping[str, Size],
        cache: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`todo` in the order of the plan; `sizes` by dataset, as far as they are known."""
        self.rates = Rates(cache)
        self.workers = 1
        self._clock = clock
        self.steps: dict[str, Step] = {}
        works = estimate.works(todo, plan, sizes, cache)
        titles = _Titles(plan, sizes)
        for task in todo:
            name, stage = step_of(task), getattr(task, "stage", None)
            if name is None or (isinstance(stage, Stage) and is_done(stage, cache)):
                continue
            known = [] if isinstance(task, Encode) and task.stage else works.get(task.key)
            if isinstance(task, Encode) and not (task.stage or sharing_encoders(task, cache)):
                continue
            step = self.steps.setdefault(name, Step("", "", []))
            step.open.add(task.key)
            step.title, step.kind = titles.of(task, known), KINDS[type(task)]
            step.works = None if known is None or step.works is None else [*step.works, *known]

    def begin(self, task: Task) -> bool:
        """Note that a task begins; whether a stage begins with it."""
        step = self.steps.get(step_of(task) or "")
        if step is None or step.began is not None:
            return False
        step.began = self._clock()
        return True

    def end(self, task: Task) -> None:
        """Note that a task has ended."""
        if step := self.steps.get(step_of(task) or ""):
            step.open.discard(task.key)

    def line(self, task: Task) -> str:
        """Which stage of how many a task belongs to, what is done for whom, and the time left."""
        begun = sum(step.began is not None for step in self.steps.values())
        step = self.steps[step_of(task) or ""]
        return f"stage {begun} of {len(self.steps)} ({self.left()}): {step.title}"

    def left(self) -> str:
        """How long the stages that have not ended will take, as far as that is known."""
        known, unknown, _ = self._time()
        if unknown and not known:
            return "time left not known yet"
        beside = f", {counted(unknown, 'stage')} not counted" if unknown else ""
        return f"{about(known)} left{beside}"

    def estimate(self) -> str:
        """How long a run will take, and how that is known."""
        stages = counted(len(self.steps), "stage")
        known, unknown, guessed = self._time()
        if not self.steps:
            return "Nothing to do."
        if unknown and not known:
            return f"{stages} to do; the time is unknown until the first model has run here."
        new = f", not counting {counted(unknown, 'stage')} new to this machine" if unknown else ""
        how = "a guess: some of it is new to this machine" if guessed else "as in earlier runs here"
        return f"{stages} to do: {about(known)}{new} ({how})."

    def counts(self) -> str:
        """How many stages there are of each kind."""
        kinds = Counter(step.kind for step in self.steps.values())
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items())

    def titles(self) -> Iterator[str]:
        """What each stage does, in order."""
        for number, step in enumerate(self.steps.values(), start=1):
            yield f"{number}. {step.title}"

    def _time(self) -> tuple[float, int, bool]:
        """Seconds of the stages that are not done, how many are not known, whether any is guessed."""
        total, unknown, guessed = 0.0, 0, False
        for step in (one for one in self.steps.values() if one.open):
            found = None if step.works is None else estimate.time_of(step.works, self.rates)
            if found is None or not (found.is_whole or found.seconds):
                unknown += 1
                continue
            gone = 0.0 if step.began is None else self._clock() - step.began
            total += max(0.0, found.seconds - gone)
            guessed |= found.guessed or not found.is_whole
        return total / self.workers, unknown, guessed


def step_of(task: Task) -> str | None:
    """The stage that a task is part of; None for one that takes no time."""
    if isinstance(task, Measure):
        return None
    stage = getattr(task, "stage", None)
    return f"{stage.kind} {stage.key}" if isinstance(stage, Stage) else task.key


def about(seconds: float) -> str:
    """A length of time as one says it: `about 40 s`, `about 12 min`, `about 2 h 10 min`."""
    if seconds < 55:
        return f"about {max(10, 10 * round(seconds / 10))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    hours, rest = divmod(5 * round(minutes / 5), 60)
    return f"about {hours} h" + (f" {rest} min" if rest else "")


class _Titles:
    """What the tasks of a plan do, and for whom."""

    def __init__(self, plan: Plan, sizes: Mapping[str, Size]) -> None:
        self._plan, self._sizes = plan, sizes
        self._users: dict[tuple[str, str], list[str]] = defaultdict(list)
        """By dataset and the key of a stage the systems that need what it makes."""
        for trial in plan.trials:
            made = [*(one.key for one in trial.stages), *(one.key for one in trial.trainings)]
            for key in made:
                self._users[trial.dataset.name, key].append(trial.system.name)

    def of(self, task: Task, works: Sequence[Work] | None) -> str:
        """What a task does, by its works where they are known."""
        several = len(self._plan.experiment.datasets) > 1
        return self._what(task, works) + (f" on {task.dataset.name}" if several else "")

    def _what(self, task: Task, works: Sequence[Work] | None) -> str:
        if isinstance(task, Cost):
            return f"measure {task.stage.kind} of {counted(len(task.stage.trials), 'system')}"
        if isinstance(task, Train):
            training = task.stage.training
            base = short(training.base)
            return f"train a {training.makes} from {base} for {self._whom(task, task.stage)}"
        stage: Stage | None = getattr(task, "stage", None)
        if stage is None:
            return f"encode {self._documents(task)} for {self._whom(task, None)}"
        encodes = any(work.name.startswith("encode") and work.amount for work in works or ())
        does = f"{'encode and ' * encodes}{self._of_stage(task, stage)}"
        return f"{does} for {self._whom(task, stage)}"

    def _of_stage(self, task: Task, stage: Stage) -> str:
        name, size = model_name(stage.component), self._sizes.get(task.dataset.name)
        if stage.candidates is None:
            return f"search {self._documents(task)} with {name}"
        pairs = size and size.queries * min(stage.depth, size.documents)
        return f"rerank {f'{pairs:,}' if pairs else 'the'} candidates with {name}"

    def _documents(self, task: Task) -> str:
        size = self._sizes.get(task.dataset.name)
        return counted(size.documents, "document") if size else "the documents"

    def _whom(self, task: Task, stage: Stage | TrainStage | None) -> str:
        """The systems that need what a task makes."""
        if stage is not None:
            names = self._users[task.dataset.name, stage.key]
        else:
            trials = task.trials if isinstance(task, Encode) else ()
            names = [one.system.name for one in trials if _encodes(one)]
        more = len(names) - NAMED
        return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _encodes(trial: Trial) -> bool:
    parts = (part for stage in trial.stages for part in registry.parts(stage.component))
    return any(isinstance(part, ENCODERS) for part in parts)
