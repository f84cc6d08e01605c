"""The models and datasets of a plan, downloaded; what cannot be had does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from harness.components.models import references
from harness.components.models.absent import AbsentError
from harness.errors import InputError
from harness.experiment.plan import Plan, TrainStage
from harness.experiment.schema import DatasetChoice
from harness.page.text import counted
from harness.pipeline.datasets import load_dataset, load_questions
from harness.training.make import unjudged_queries


def fetch(plan: Plan, cache: Path) -> Iterator[str]:
    """A line for each model and dataset that is here now; datasets are in `cache` then.

    Raises InputError at the end, with all that could not be had.
    """
    trainings = {stage.key: stage for trial in plan.trials for stage in trial.trainings}
    yield from _each(
        [
            *(partial(_model, *item) for item in plan.models().items()),
            *(partial(_dataset, choice, plan, cache) for choice in plan.experiment.datasets),
            *(partial(_training, stage) for stage in trainings.values()),
        ]
    )


def fetch_models(plan: Plan) -> bool:
    """Download the models that are not here, where the network is on; whether there were any.

    Raises InputError with all that could not be had.
    """
    absent = [(one, use) for one, use in plan.models().items() if references.find(*one) is None]
    return bool(list(_each(partial(_model, *item) for item in absent)))


def _each(todo: Iterable[Callable[[], str]]) -> Iterator[str]:
    absent: dict[str, str] = {}
    lacks: list[str] = []
    for done in todo:
        try:
            yield done()
        except AbsentError as error:
            absent |= error.models
        except InputError as error:
            lacks.append(str(error))
    if absent:
        lacks.insert(0, str(AbsentError(absent)))
    if lacks:
        raise InputError("\n".join(lacks))


def _model(wanted: references.Wanted, wanted_by: str) -> str:
    return f"{wanted}: {references.fetch(wanted.reference, wanted_by, wanted.file).folder}"


def _dataset(choice: DatasetChoice, plan: Plan, cache: Path) -> str:
    dataset = load_dataset(choice, cache, plan.experiment.datasets)
    return f"{choice.name}: {counted(len(dataset.docs), 'document')}"


def _training(stage: TrainStage) -> str:
    queries, others = len(load_questions(stage.queries).queries), len(unjudged_queries(stage))
    said = f"{stage.dataset.name}: {counted(queries, 'training query', 'training queries')}"
    return said + (f", {counted(others, 'unjudged query', 'unjudged queries')}" if others else "")
