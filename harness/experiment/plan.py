"""What an experiment will do: trials (dataset x system) made of stages that trials can share.

A stage's key is a hash of everything that its result depends on: the content of the dataset, the
component with every default filled in, its code and packages, its models' revisions, and the stage
before it. Metrics and names are not in it: measuring again, or renaming, runs no model. A model to
be trained makes the training a stage, too, and the component has a reference to its result.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.components import registry
from harness.components.models.catalogue import DUMMY
from harness.components.models.references import TRAINED, Wanted
from harness.components.models.trained import Trained, Training
from harness.components.protocols import HasTraining, Served
from harness.components.vectors.compression import CachePrecision
from harness.errors import ConfigError, DataError
from harness.experiment import code_versions
from harness.experiment.keys import (
    component_key,
    dataset_key,
    identities,
    stage_key,
    stored_as,
    timing_key,
)
from harness.experiment.keys import key as key_of
from harness.experiment.provenance import measured_on
from harness.experiment.result_folders import folders
from harness.experiment.schema import DatasetChoice, Experiment, System
from harness.files import bounds, disk

NOT_FETCHED = (DUMMY, TRAINED)
"""How the references of models begin that are made here."""

TRAINING = ("examples", "loop", "cross_encoder", "late_interaction")
"""The modules of `harness.training` that make a model."""

CostKind = Literal["latency", "load", "storage"]
"""`harness.measure.KIND.study` measures each."""

UNKEYED = {"memory_gb"}
"""Settings of a measurement of cost that change how it is come by and not what is measured."""


@dataclass(frozen=True)
class Stage:
    """One shared step: its result is a run."""

    kind: Literal["retrieve", "rerank"]
    key: str
    component: Any
    depth: int
    candidates: Stage | None = None
    """The stage whose hits are reranked."""


@dataclass(frozen=True)
class TrainStage:
    """A model made from the dataset's training queries; trials and other trainings can share it."""

    key: str
    dataset: DatasetChoice
    queries: Any
    """The source of the training queries."""
    training: Training
    candidates: Stage
    """The search of the training queries that negatives are taken from."""

    @property
    def reference(self) -> str:
        """What components name the model by."""
        return f"{TRAINED}{self.key[:16]}"


@dataclass(frozen=True)
class Trial:
    """One system on one dataset."""

    dataset: DatasetChoice
    asked: System
    """The system as the file has it."""
    system: System
    """The system with references to the models that are trained for it on this dataset."""
    stages: tuple[Stage, ...]
    folder: str
    """Where its results lie, below the experiment's folder."""
    trainings: tuple[TrainStage, ...] = ()
    """What must be trained before, in this order."""

    @property
    def key(self) -> str:
        """The key of the last stage: what the trial's run depends on."""
        return self.stages[-1].key

    def identities(self) -> list[dict[str, str]]:
        """What the system depends on beside its configuration, an entry a part that has such."""
        components = (stage.component for stage in self.stages)
        return [found for component in components for found in identities(component)]

    @property
    def random_weights(self) -> bool:
        """Whether a model of the system has random weights, so that quality means nothing."""
        return any(has_random_weights(stage.component) for stage in self.stages)


@dataclass(frozen=True)
class CostStage:
    """One measurement of what the systems cost on a dataset, on this machine."""

    kind: CostKind
    key: str
    """What is measured and how, whatever the machine."""
    dataset: DatasetChoice
    trials: tuple[Trial, ...]
    machine: Mapping[str, Any]
    """As `provenance.measured_on` has it."""

    @property
    def folder(self) -> str:
        """Where its results lie, below the experiment's folder: those of each machine apart."""
        return f"{self.dataset.folder}/{self.kind}--{self.key[:12]}--{key_of(self.machine)[:8]}"


@dataclass(frozen=True)
class Plan:
    """Every trial of an experiment, in the order of the file."""

    experiment: Experiment
    trials: tuple[Trial, ...]
    machines: Mapping[tuple[str, ...], Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """By devices what costs are measured on where that is another machine than this one."""

    def cost_devices(self) -> set[tuple[str, ...]]:
        """The devices on which costs of each kind are measured."""
        asked = (getattr(self.experiment, kind) for kind in typing.get_args(CostKind))
        return {_devices(settings) for settings in asked if settings is not None}

    def cost_stages(self) -> Iterator[CostStage]:
        """What is to be measured of cost: on each dataset all systems together."""
        kinds: tuple[CostKind, ...] = typing.get_args(CostKind)
        blocks = {kind: getattr(self.experiment, kind) for kind in kinds}
        asked = {kind: settings for kind, settings in blocks.items() if settings is not None}
        for choice in self.experiment.datasets if asked else ():
            trials = tuple(trial for trial in self.trials if trial.dataset == choice)
            named = [
                (trial.system.name, trial.key, *(timing_key(one.component) for one in trial.stages))
                for trial in trials
            ]
            for kind, settings in asked.items():
                asked_for = settings.model_dump(mode="json", exclude=UNKEYED)
                made_by = code_versions.versions(f"harness.measure.{kind}.study")
                made_by |= code_versions.packages(["fast_plaid"] if kind == "storage" else [])
                key = key_of(kind, asked_for, named, self.experiment.seed, made_by)
                devices = _devices(settings)
                here = self.machines.get(devices) or measured_on(devices)
                yield CostStage(kind, key, choice, trials, here)

    def described(self) -> dict[str, Any]:
        """The experiment as its file stands now, with the places of its results."""
        experiment = self.experiment
        return {
            "experiment": experiment.name,
            "question": experiment.question,
            "baseline": experiment.baseline,
            "metrics": list(experiment.metrics),
            "seed": experiment.seed,
            "file_sha256": disk.sha256(experiment.file),
            "trials": [
                {
                    "dataset": trial.dataset.name,
                    "system": trial.system.name,
                    "key": trial.key,
                    "folder": trial.folder,
                    "random_weights": trial.random_weights,
                    "system_config": trial.asked.configuration(),
                }
                for trial in self.trials
            ],
            "costs": [
                {"dataset": one.dataset.name, "kind": one.kind, "folder": one.folder}
                | {"machine": one.machine}
                for one in self.cost_stages()
            ],
            "decision": experiment.decision.model_dump(mode="json"),
            "claims": str(experiment.claims) if experiment.claims else None,
            "parity": [[model, *names] for model, names in experiment.parity.items()],
            "weights": experiment.weights,
            "left_out": dict(experiment.left_out),
        }

    def components(self) -> Iterator[Any]:
        """Every component of the systems, parts included."""
        for system in self.experiment.systems:
            for component in system.components:
                yield from registry.parts(component)

    def models(self) -> Mapping[Wanted, str]:
        """The models that must be on this machine, and which component wants each."""
        return models_of(self.components())


def _devices(settings: Any) -> tuple[str, ...]:
    """What costs are measured on beside the processor, by the settings of their kind."""
    return tuple(getattr(settings, "devices", ()))


def models_of(components: Iterable[Any]) -> Mapping[Wanted, str]:
    """The components' models that must be on this machine, and which component wants each."""
    found = {}
    for component in components:
        model = getattr(component, "model", None)
        if isinstance(component, Training):
            found[Wanted(component.base)] = f"the training of a {component.makes}"
        elif isinstance(component, Served) or not isinstance(model, str):
            continue
        elif not model.startswith(NOT_FETCHED):
            wanted = Wanted(model, getattr(component, "file", None))
            found[wanted] = registry.config_of(component)["use"]
    return found


def make_plan(experiment: Experiment) -> Plan:
    """The plan of an experiment; reads the digests of files and loads nothing.

    Raises InputError where a package, file or model folder is missing, or training queries are.
    """
    components = [one for system in experiment.systems for one in system.components]
    registry.require_packages(
        component for choice in experiment.datasets for component in (choice.source, *components)
    )
    trials = []
    places = folders([system.name for system in experiment.systems])
    for choice in experiment.datasets:
        with bounds.reading(f"{experiment.file}: the dataset {choice.name!r}"):
            data = dataset_key(choice)
        for system in experiment.systems:
            with bounds.reading(f"{experiment.file}: the system {system.name!r}", ConfigError):
                place = f"{choice.folder}/{places[system.name]}"
                trials.append(_trial(choice, system, data, place, experiment.cache.precision))
    return Plan(experiment, tuple(trials))


def _trial(
    choice: DatasetChoice, asked: System, data: str, place: str, precision: CachePrecision
) -> Trial:
    trainings: dict[str, TrainStage] = {}  # those that others need before these

    def change(part: Any) -> Any:
        """References in the place of models to be trained."""
        model = getattr(part, "model", None)
        if not isinstance(model, Trained):
            return part
        stage = _train_stage(choice, model.train, precision)
        trainings[stage.key] = stage
        return dataclasses.replace(part, model=stage.reference)

    made = {
        name: registry.replaced(part, change)
        for name in ("retriever", "reranker")
        if (part := getattr(asked, name)) is not None
    }
    system = asked.model_copy(update=made)
    retrieve = _retrieve(data, system.retriever, system.depth.retrieve, precision)
    stages: tuple[Stage, ...] = (retrieve,)
    if (reranker := system.reranker) is not None:
        depth = system.depth.rerank
        key = stage_key(retrieve.key, reranker, depth, precision)
        stages = (retrieve, Stage("rerank", key, reranker, depth, retrieve))
    folder = f"{place}--{stages[-1].key[:12]}"
    return Trial(choice, asked, system, stages, folder, tuple(trainings.values()))


def _retrieve(data: str, retriever: Any, depth: int, precision: CachePrecision) -> Stage:
    return Stage("retrieve", stage_key(data, retriever, depth, precision), retriever, depth)


def _train_stage(
    choice: DatasetChoice, training: Training, precision: CachePrecision
) -> TrainStage:
    if not isinstance(choice.source, HasTraining):
        use = registry.config_of(choice.source)["use"]
        raise DataError(
            f"A {training.makes} is to be trained on {choice.name!r}, but the dataset {use!r} has "
            "no training queries."
        )
    queries = choice.source.training()
    others = training.unjudged
    sources = [queries] if others is None else [queries, others]
    data = key_of(dataset_key(choice), *map(component_key, sources))
    negatives = training.negatives
    candidates = _retrieve(data, negatives.retriever, negatives.depth, precision)
    made_by = code_versions.versions(*(f"harness.training.{name}" for name in TRAINING))
    key = key_of(made_by, candidates.key, component_key(training), *stored_as(precision))
    return TrainStage(key, choice, queries, training, candidates)


def has_random_weights(component: Any) -> bool:
    """Whether a part of the component is a model of the catalogue without its weights."""
    return any(
        str(getattr(part, "model", "")).startswith(DUMMY) for part in registry.parts(component)
    )


def bm25_fallback(first: Stage) -> Stage:
    """BM25 in place of a first stage that cannot find anything, for its dataset and depth."""
    from harness.components.retrievers.bm25 import Bm25

    return Stage("retrieve", key_of(first.key, "stand-in"), Bm25(), first.depth)
