"""What an experiment file can say, as frozen values; `harness.experiment.reading` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    WrapValidator,
    field_validator,
    model_validator,
)

from harness.components import registry
from harness.components.protocols import DatasetSource, Reranker, Retriever
from harness.components.vectors.compression import CachePrecision, Precision
from harness.experiment import rules
from harness.experiment.decision_terms import Decision
from harness.experiment.judge_terms import ModelJudge
from harness.experiment.part import Block, Count, Device, Part, Ranks, Seconds, Seed
from harness.experiment.result_folders import Weights, results_name
from harness.files import bounds


class Depth(Part):
    """How many documents each stage passes on."""

    retrieve: Ranks = 100
    """Of the dataset's documents, by the retriever."""
    rerank: Ranks = 100
    """Of these, by the reranker."""

    def or_else(self, other: Depth) -> Depth:
        """What is said here, and what is not as `other` has it."""
        return other.model_copy(update=self.model_dump(exclude_unset=True))


class Subset(Part):
    """Part of a dataset: all judged documents, and random others up to `documents`."""

    documents: Count
    queries: Count | None = None
    """So many random queries; None: all of them."""
    seed: Seed = 42


def _checked(name: str) -> str:
    if wrong := bounds.name_fault(name):
        raise ValueError(f"the name {wrong}")
    return name


class DatasetChoice(Part):
    """A dataset of the experiment: its source, its name, and what part of it is used."""

    source: Annotated[Any, registry.Use((DatasetSource,))]
    name: str = Field(default="", validate_default=True)
    """Its name in tables and folders; the source's label where it is left out."""
    subset: Subset | None = None
    """The part of it that is used; left out: all."""
    folder: str = ""
    """Of its results, below the experiment's: `result_folders.folders` of all names."""

    @field_validator("name")
    @classmethod
    def _or_label(cls, name: str, info: ValidationInfo) -> str:
        return _checked(name or (info.data["source"].label() if "source" in info.data else ""))


class System(Part):
    """A named pipeline: a retriever, and perhaps a reranker of its candidates."""

    name: Annotated[str, Field(min_length=1), AfterValidator(_checked)]
    retriever: Annotated[Any, registry.Use((Retriever,))]
    """What finds the candidates."""
    reranker: Annotated[
        Any,
        registry.Use((Reranker,)),
        WrapValidator(lambda value, read: None if value is None else read(value)),
    ] = None
    """What brings them into another order."""
    depth: Depth = Depth()
    vary: Mapping[str, tuple[Any, ...]] = Field(default_factory=dict)
    """By path, such as `reranker.dim`, the values that it takes in turn: a system for each
    combination, which has nothing to vary any more."""

    @property
    def components(self) -> tuple[Any, ...]:
        """The retriever, and the reranker if there is one."""
        return (self.retriever,) if self.reranker is None else (self.retriever, self.reranker)

    def configuration(self) -> dict[str, Any]:
        """The system as plain values, every default of its components filled in."""
        return {
            "name": self.name,
            "retriever": registry.config_of(self.retriever),
            "reranker": registry.config_of(self.reranker) if self.reranker else None,
            "depth": self.depth.model_dump(),
        }


class Latency(Part):
    """How latency is measured; an experiment without this block measures none."""

    devices: tuple[Device, ...] = ("cpu",)
    candidates: tuple[Ranks, ...] = (10, 50, 100)
    """Documents a call reranks, each list the beginning of the longer ones."""
    queries: Count = 200
    """Distinct queries that are timed, where the dataset has as many."""
    rounds: int = Field(default=5, ge=5, le=bounds.ENTRIES)
    """How often a query may be timed; the order of systems is drawn anew in each round."""
    budget_s: Seconds = 60.0
    """Seconds for each system, mode and number of candidates, warm-up and tuning included; a slow system
    is called less often."""
    settle_s: float = Field(default=120.0, ge=0, le=bounds.MANY)
    """Seconds on each dataset and device for more calls, after the planned rounds, of systems that might
    be adopted and whose requirement or pace is not settled; 0: none."""
    threads: int | None = Field(default=None, ge=1, le=bounds.ENTRIES)
    """Threads of every library; None: one for each core that this process may use."""
    starts: int = Field(default=1, ge=0, le=bounds.ENTRIES)
    """Fresh processes in which a system's cold start and memory are measured."""
    memory_gb: float | None = Field(default=None, gt=0, le=bounds.MANY)
    """GB (10^9 bytes) that the measurement may hold in memory, on a GPU of its own; systems that do not
    fit together take turns. None: what it holds when it begins, and half of what is free then."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.devices or len(set(self.devices)) < len(self.devices):
            raise ValueError("name at least one device, and each once")
        if not self.candidates or list(self.candidates) != sorted(set(self.candidates)):
            raise ValueError("list the numbers of candidates once each, from low to high")
        return self


class Load(Part):
    """How servers are measured under load; an experiment without this block measures none."""

    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (1, 2, 4, 8)
    """Clients of the closed loop, each of which asks again as soon as it is answered."""
    rates: tuple[Annotated[float, Field(gt=0, le=10)], ...] = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1)
    """Poisson arrivals a second, whatever the answers, in parts of the most that the closed loop had."""
    seconds: Seconds = 20.0
    """For each number of clients and each rate, at least ..."""
    requests: Count = 250
    """... and until so many requests are due (a 95th percentile takes 200) ..."""
    longest_s: Seconds = 120.0
    """... but no longer, where that is more than `seconds`."""
    candidates: Ranks = 20
    """Documents of a request."""
    in_flight: int = Field(default=64, ge=1, le=512)
    """Requests of the open loop that may wait for answers; one more waits to be sent, and its latency
    counts from when it was due."""
    device: Device = "cpu"
    """The device of the servers: whose `p95_ms` of the requirements must hold."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for values in (self.concurrency, self.rates):
            if not values or list(values) != sorted(set(values)):
                raise ValueError("list concurrency and rates once each, from low to high")
        return self


class Storage(Part):
    """Which ways to store token vectors are compared, by size and speed of reading."""

    dims: tuple[Ranks, ...] | None = None
    """None: the model's own, and of 128, 96 and 64 those that are smaller."""
    precisions: tuple[Precision, ...] = ("float32", "float16", "int8", "binary")
    pool_factors: tuple[Ranks, ...] = (1, 2, 4)
    plaid_nbits: tuple[Literal[1, 2, 4], ...] = (1, 2, 4)
    documents: Count = 1000
    """Documents of the sample that all are measured on."""
    plaid_documents: int = Field(default=300, ge=16, le=bounds.MANY)
    """Documents of the PLAID indexes, whose clustering takes long on few cores."""


class Cache(Part):
    """What the cache stores between runs."""

    precision: CachePrecision = "float32"
    """Of stored token vectors: float16 takes half the room and changes scores a little. Dense vectors
    and weighted terms stay float32."""


class Cluster(Part):
    """Where tasks are done; an experiment without this block is run in this process."""

    use: Literal["ray"]
    address: Annotated[str, Field(min_length=1)] = "auto"
    """Of a node of the cluster, HOST:PORT; `auto`: the one that this machine is part of."""


class ExperimentKeys(Part):
    """What an experiment file says."""

    question: str
    """What the experiment is to answer, as the report says it."""
    depth: Depth = Depth()
    """How many documents each stage passes on, for every system that does not say otherwise."""
    datasets: Annotated[tuple[DatasetChoice, ...], Field(min_length=1), AfterValidator(rules.apart)]
    """On what every system is measured."""
    systems: Annotated[tuple[System, ...], Field(min_length=1), AfterValidator(rules.complete)]
    """What is compared."""
    metrics: Annotated[rules.Metrics, Field(validate_default=True)] = (
        "ndcg@10",
        "mrr@10",
        "recall@100",
    )
    """What is measured of each ranking, such as `ndcg@10` or `recall(rel=2)@100`."""
    baseline: Annotated[
        str | None, Field(validate_default=True), AfterValidator(rules.baseline)
    ] = None
    """The system that the others are compared with; the first where none is named."""
    seed: Seed = 42
    """Of every random choice."""
    latency: Block[Latency] = None
    """How latency is measured; left out: not at all."""
    load: Block[Load] = None
    """How servers are measured under load; left out: not at all."""
    storage: Block[Storage] = None
    """Which ways to store token vectors are compared; left out: none."""
    cache: Cache = Cache()
    """How the cache stores encoded texts."""
    decision: Annotated[Decision, AfterValidator(rules.objective)] = Decision()
    """The terms of the decision; with the measurements they decide it."""
    judge: Block[ModelJudge] = None
    """A language model that judges documents; left out: none."""
    trust_remote_code: bool = False
    """Run the code that models of the hub bring with them, where their commit is pinned (NAME@COMMIT);
    otherwise systems with such models are left out, and the report names them."""
    gate: rules.Gate = ()
    """Rules that new results must meet."""
    claims: Path | None = None
    """The file of claims that the report judges."""
    executor: Block[Cluster] = None
    """Where the work is done; left out: in this process."""
    parity: Annotated[
        Mapping[str, Annotated[tuple[str, ...], Field(min_length=2)]],
        AfterValidator(rules.different),
    ] = Field(default_factory=dict)
    """By a model's name the systems that should give the same results, because they run this model; the
    reference first."""


class Experiment(ExperimentKeys):
    """What a file says, and how it is run."""

    file: Path
    baseline: str
    weights: Weights = "real"
    left_out: Mapping[str, str] = Field(default_factory=dict)
    """By name why a system of the file does not run."""
    instead: bool = False
    """Whether the datasets are others than the file's."""
    quick: bool = False

    @property
    def name(self) -> str:
        """The name under which the results lie."""
        others = [choice.name for choice in self.datasets] if self.instead else []
        return results_name(self.file, self.weights, others, quick=self.quick)
