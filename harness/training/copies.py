"""Trained models copied out of the cache, for use elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.components import registry
from harness.components.models import references
from harness.errors import ConfigError, InputError
from harness.experiment.plan import TrainStage, Trial, make_plan
from harness.experiment.schema import Experiment
from harness.files import disk
from harness.files.wrong_values import did_you_mean


def copy(experiment: Experiment, name: str, folder: Path) -> list[Path]:
    """The folders to which the trained models of a system were copied: one for each dataset.

    Raises ConfigError where the system trains none, InputError where a model is not trained yet or
    a folder is in use.
    """
    found = list(_models(experiment, make_plan(experiment).trials, name))
    places = [folder] if len(found) == 1 else [folder / one.dataset.folder for one in found]
    for stage, place in zip(found, places, strict=True):
        if not references.is_trained(stage.reference):
            raise references.absent(stage.reference, f"the system {name}")
        if place.exists():
            raise InputError(f"{place} is there already: name a folder that is not.")
    for stage, place in zip(found, places, strict=True):
        with disk.new_folder(place) as aside:
            source = references.trained_folder(stage.reference)
            shutil.copytree(source, aside, dirs_exist_ok=True)
    return places


def _models(experiment: Experiment, trials: Sequence[Trial], name: str) -> Iterator[TrainStage]:
    """The trainings whose models the system itself has, on each dataset; none of its teachers'."""
    names = {trial.system.name for trial in trials if trial.trainings}
    if name not in names:
        raise ConfigError(
            f"{experiment.file} has no system {name!r} with a model that it trains"
            f"{did_you_mean(name, names)}"
        )
    for trial in (one for one in trials if one.system.name == name):
        parts = [trial.system.retriever, trial.system.reranker]
        used = {
            getattr(inner, "model", None)
            for part in parts
            if part is not None
            for inner in registry.parts(part)
        }
        yield from (stage for stage in trial.trainings if stage.reference in used)
