"""What an experiment file can say, as frozen values; `harness.experiment.reading` reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness.components import registry
from harness.components.vectors.compression import Precision
from harness.experiment.metric_names import Named
from harness.experiment.part import Count, Paid, Part, Ranks, Seconds, Seed
from harness.experiment.result_folders import Weights, results_name
from harness.files import bounds

QUICK_BUDGET_S, QUICK_QUERIES = 5.0, 50
"""Seconds for each arm of a quick run, which also starts no process of its own for memory, and the
most queries that are timed."""

QUICK_LOAD_S = 5.0
"""Seconds of each step of load in a quick run."""

QUICK_DOCUMENTS = 100
"""Documents of a quick run's storage sample; PLAID, whose clustering takes long, is left out."""

RUN_TO_RUN = 1.03
"""By so much ratios of latencies of the same code may differ: a tighter gate would judge noise."""


class Depth(Part):
    """How many documents each stage keeps."""

    retrieve: Ranks = 100
    rerank: Ranks = 100


class Subset(Part):
    """Part of a dataset: all judged documents, and random others up to `documents`."""

    documents: Count
    queries: Count | None = None
    """Keep this many random queries; None keeps all."""
    seed: Seed = 42


class DatasetChoice(Part):
    """A dataset of the experiment: its source, its name, and what part of it is used."""

    name: str
    source: Any
    subset: Subset | None = None
    folder: str = ""
    """Of its results, below the experiment's: `result_folders.folders` of all names."""


class System(Part):
    """A named pipeline: a retriever, and perhaps a reranker of its candidates."""

    name: str
    retriever: Any
    reranker: Any = None
    depth: Depth
    folder: str = ""
    """How the folders of its results begin, as for datasets."""

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

    devices: tuple[Literal["cpu", "cuda", "mps"], ...] = ("cpu",)
    candidates: tuple[Ranks, ...] = (10, 50, 100)
    """Documents a call reranks, each list the beginning of the longer ones."""
    queries: Count = 200
    """Distinct queries that are timed, where the dataset has as many."""
    rounds: int = Field(default=5, ge=5, le=bounds.ENTRIES)
    """How often a query may be timed; the order of systems is drawn anew in each round."""
    budget_s: Seconds = 60.0
    """Seconds for each arm, warm-up and tuning included; a slow arm is called less often."""
    settle_s: float = Field(default=120.0, ge=0, le=bounds.MANY)
    """Seconds on each dataset and device for more calls, after the planned rounds, of systems that might
    be adopted and whose requirement or pace is not settled; 0: none."""
    threads: int | None = Field(default=None, ge=1, le=bounds.ENTRIES)
    """Threads of every library; None: one for each core that this process may use."""
    starts: int = Field(default=1, ge=0, le=bounds.ENTRIES)
    """Fresh processes in which a system's cold start and memory are measured."""

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
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """The device of the servers: whose `p95_ms` of the requirements must hold."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for values in (self.concurrency, self.rates):
            if not values or list(values) != sorted(set(values)):
                raise ValueError("list concurrency and rates once each, from low to high")
        return self


class Storage(Part):
    """Which ways of keeping token vectors are compared by size and speed of reading."""

    dims: tuple[Ranks, ...] | None = None
    """None: the model's own, and of 128, 96 and 64 those that are smaller."""
    precisions: tuple[Precision, ...] = ("float32", "float16", "int8", "binary")
    pool_factors: tuple[Ranks, ...] = (1, 2, 4)
    plaid_nbits: tuple[Literal[1, 2, 4], ...] = (1, 2, 4)
    documents: Count = 1000
    """Documents of the sample that all are measured on."""
    plaid_documents: int = Field(default=300, ge=16, le=bounds.MANY)
    """Documents of the PLAID indexes, whose clustering takes long on few cores."""


class Workload(Part):
    """What the system would serve."""

    documents: Count
    queries_per_day: Count
    candidates: Count
    """Documents reranked for a query."""


class Prices(Part):
    """What things cost, in any one currency."""

    ram_gb_month: Paid
    disk_gb_month: Paid
    cpu_core_hour: Paid
    gpu_hour: Paid | None = None
    server_hour: Paid | None = None
    """The machine of a server or database that is asked, busy while a query waits for it."""


Limit = Annotated[float, Field(gt=0)]


class Requirements(Part):
    """What a system must keep to on every dataset; what is left out is not required."""

    p95_ms: Mapping[Literal["cpu", "cuda", "mps"], Limit] = Field(default_factory=dict)
    """By device, the most milliseconds of the whole query at its 95th percentile; each must hold."""
    gb_per_million_documents: Limit | None = None
    """The most bytes of the index, all stages together; 1 GB is 10^9 bytes."""
    memory_gb: Limit | None = None
    """The most RAM for the workload."""
    licence: Literal["commercial"] | None = None
    """What the licence of every model must allow."""
    cost_per_month: Limit | None = None
    """The most that the workload may cost, in the currency of the prices."""


class Decision(Part):
    """What the decision depends on beside the measurements."""

    objective: Named | None = None
    """The metric that a gain is measured by; None: the first of the experiment."""
    smallest_gain_that_matters: float = Field(default=0.01, ge=0, le=1)
    """The gain over the baseline that a system must be shown to have."""
    requirements: Requirements = Requirements()
    workload: Workload | None = None
    prices: Prices | None = None
    review_by: str | None = None
    """The date, YYYY-MM-DD, on which the decision is looked at again."""

    @field_validator("review_by")
    @classmethod
    def _is_a_date(cls, text: str | None) -> str | None:
        if text is not None and not (DATE.fullmatch(text) and _exists(text)):
            raise ValueError("write a date as YYYY-MM-DD")
        return text

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.requirements.memory_gb is not None and self.workload is None:
            raise ValueError("requirements.memory_gb needs a workload")
        if self.requirements.cost_per_month is not None and None in (self.workload, self.prices):
            raise ValueError("requirements.cost_per_month needs a workload and prices")
        return self


DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


class Rule(Part):
    """What of the results may not get worse; without restriction, on every dataset and system."""

    systems: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    def on(self, dataset: str) -> bool:
        """Whether anything is judged on this dataset."""
        return not self.datasets or dataset in self.datasets

    def covers(self, dataset: str, system: str) -> bool:
        """Whether this system is judged on this dataset."""
        return self.on(dataset) and (not self.systems or system in self.systems)


class QualityRule(Rule):
    """A metric that may lose no more than the margin, in the mean over queries."""

    metric: Named
    margin: float = Field(gt=0, le=1)


class LatencyRule(Rule):
    """How much slower reranking may get, measured against retrieval in the same run."""

    latency: float = Field(gt=RUN_TO_RUN, le=bounds.ENTRIES)
    """1.10: an arm's seconds over those of the yardstick may grow to 1.10 times as much."""
    to: str
    """The yardstick: the system whose retrieval is timed beside it."""
    k: Ranks
    """Candidates."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"


class Experiment(Part):
    """What is asked, of which data, of which systems, by which metrics."""

    file: Path
    question: str
    datasets: tuple[DatasetChoice, ...]
    systems: tuple[System, ...]
    baseline: str
    metrics: tuple[str, ...]
    seed: int
    latency: Latency | None = None
    storage: Storage | None = None
    load: Load | None = None
    decision: Decision = Decision()
    gate: tuple[QualityRule | LatencyRule, ...] = ()
    claims: Path | None = None
    """The file of claims that the report judges."""
    parity: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """By a model's name the systems that are to be this one model, the reference first."""
    weights: Weights = "real"
    instead: bool = False
    """Whether the datasets are others than the file's."""
    quick: bool = False

    @property
    def name(self) -> str:
        """The name under which the results lie."""
        others = [choice.name for choice in self.datasets] if self.instead else []
        return results_name(self.file, self.weights, others, quick=self.quick)


def quickened(experiment: Experiment) -> Experiment:
    """The experiment with less time for latency and fewer ways to keep vectors: a first look."""
    changed: dict[str, Any] = {"quick": True}
    if experiment.latency is not None:
        less = {
            "budget_s": min(experiment.latency.budget_s, QUICK_BUDGET_S),
            "queries": min(experiment.latency.queries, QUICK_QUERIES),
            "settle_s": 0.0,
            "starts": 0,
        }
        changed["latency"] = experiment.latency.model_copy(update=less)
    if experiment.load is not None:
        seconds = min(experiment.load.seconds, QUICK_LOAD_S)
        short = {"seconds": seconds, "longest_s": seconds}
        changed["load"] = experiment.load.model_copy(update=short)
    if experiment.storage is not None:
        documents = min(experiment.storage.documents, QUICK_DOCUMENTS)
        fewer = {"documents": documents, "plaid_nbits": ()}
        changed["storage"] = experiment.storage.model_copy(update=fewer)
    return experiment.model_copy(update=changed)
