"""The tasks of a plan: what can be done apart, by key, with what must be done before.

They come in the order in which one process does them. Tasks of one encoder follow each other in
this order wherever they are done: what is missing when it encodes decides its batches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.components import registry
from harness.components.protocols import ENCODERS
from harness.experiment.keys import component_key
from harness.experiment.plan import CostStage, Plan, Stage, TrainStage, Trial
from harness.experiment.schema import DatasetChoice

TextPlace = tuple[int, int, int]
"""Where a text stands in the order of encoding: minus its characters, and the halves of its key."""


class TextRange(NamedTuple):
    """Neighbours in the order of encoding, of the texts that a store of vectors lacks."""

    store: str
    """Below the folder of all vectors."""
    first: TextPlace
    before: TextPlace | None
    """That of the text after the last; None: up to the end."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A piece of work."""

    key: str
    dataset: DatasetChoice
    needs: tuple[str, ...] = ()
    """The keys of tasks without whose results this one cannot be done."""
    after: tuple[str, ...] = ()
    """The keys of tasks that come before this one, whether or not they can be done."""


@dataclass(frozen=True, kw_only=True)
class Train(Task):
    """Have a model trained."""

    stage: TrainStage


@dataclass(frozen=True, kw_only=True)
class Encode(Task):
    """Have the texts of documents encoded that a stage asks for, or a range of them."""

    stage: Stage | None = None
    """None: what encoders of `trials` can encode together."""
    trials: tuple[Trial, ...] = ()
    texts: TextRange | None = None
    """None: all that is missing."""


@dataclass(frozen=True, kw_only=True)
class Retrieve(Task):
    """Have the run of a first stage."""

    stage: Stage


@dataclass(frozen=True, kw_only=True)
class Rerank(Task):
    """Have the run of a second stage, or the scores of some of its queries."""

    stage: Stage
    part: tuple[int, int] | None = None
    """(2, 8): of eight parts of the queries the third; None: the whole."""


@dataclass(frozen=True, kw_only=True)
class Measure(Task):
    """Measure a trial's run."""

    trial: Trial
    ranked: bool
    """Whether the run is among the results already, and only a metric is missing."""


@dataclass(frozen=True, kw_only=True)
class Cost(Task):
    """Measure what the systems cost on a dataset."""

    stage: CostStage


def tasks(
    plan: Plan, pending: Collection[str] | None = None, ranked: Collection[str] = ()
) -> Iterator[Task]:
    """What is to be done of a plan, in order.

    `pending` has the folders of the trials to be done, and None stands for all; `ranked` of those
    among them whose runs are stored.
    """
    costs = list(plan.cost_stages())
    for choice in plan.experiment.datasets:
        trials = [
            trial
            for trial in plan.trials
            if trial.dataset == choice and (pending is None or trial.folder in pending)
        ]
        found = {task.key: task for task in _of_trials(choice, trials, ranked)}
        yield from found.values()
        measured = tuple(key for key, task in found.items() if isinstance(task, Measure))
        for stage in (one for one in costs if one.dataset == choice):
            yield Cost(key=f"cost {stage.folder}", dataset=choice, after=measured, stage=stage)


def _of_trials(
    choice: DatasetChoice, trials: Collection[Trial], ranked: Collection[str]
) -> Iterator[Task]:
    """The tasks of all trials; one that several share comes once for each."""
    last: dict[str, str] = {}
    new = [trial for trial in trials if trial.folder not in ranked]
    together = tuple(trial for trial in new if not trial.trainings)
    if shared := [
        key for trial in together for stage in trial.stages for key in _encoders(stage.component)
    ]:
        encode = Encode(key=f"encode {choice.folder}", dataset=choice, trials=together)
        last |= dict.fromkeys(shared, encode.key)
        yield encode
    made: dict[str, Task] = {}
    for trial in trials:
        needs: tuple[str, ...] = ()
        if trial.folder not in ranked:
            for task in _of_stages(trial, last, made):
                needs = (task.key,)
                yield task
        key = f"measure {trial.folder}"
        yield Measure(
            key=key, dataset=choice, needs=needs, trial=trial, ranked=trial.folder in ranked
        )


def _of_stages(trial: Trial, last: dict[str, str], made: dict[str, Task]) -> Iterator[Task]:
    """What leads to a trial's run; `last` has by encoder the last task that encodes, `made` all."""
    choice = trial.dataset

    def once(task: Task, encoders: Collection[str] = ()) -> Task:
        """The task as it was first made, after others that encode by the same encoders."""
        if task.key not in made:
            after = tuple({last[name]: None for name in encoders if name in last})
            last.update(dict.fromkeys(encoders, task.key))
            made[task.key] = dataclasses.replace(task, after=after)
        return made[task.key]

    def trained(component: Any) -> tuple[str, ...]:
        """The keys of the tasks that train the models inside."""
        models = {getattr(part, "model", None) for part in registry.parts(component)}
        return tuple(f"train {one.key}" for one in trial.trainings if one.reference in models)

    for one in trial.trainings:
        needs = trained(one.training)
        train = Train(key=f"train {one.key}", dataset=choice, needs=needs, stage=one)
        yield once(train, [*_encoders(one.training), one.training.base])
    needs = ()
    for stage in trial.stages:
        needs = (*trained(stage.component), *needs)
        if encoders := _encoders(stage.component):
            encode = Encode(key=f"encode {stage.key}", dataset=choice, needs=needs, stage=stage)
            yield once(encode, encoders)
            needs = (encode.key,)
        kind = Retrieve if stage.candidates is None else Rerank
        yield once(kind(key=f"{stage.kind} {stage.key}", dataset=choice, needs=needs, stage=stage))
        needs = (f"{stage.kind} {stage.key}",)


def _encoders(*components: Any) -> list[str]:
    """The keys of all encoders inside."""
    found = (part for component in components for part in registry.parts(component))
    return [component_key(part) for part in found if isinstance(part, ENCODERS)]
