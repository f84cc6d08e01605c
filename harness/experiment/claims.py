"""What a claim file can say, as frozen values; `harness.experiment.claims_reading` reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from harness.components.models import catalogue
from harness.components.registry import BY_SHAPE, KEYS, OTHER
from harness.data import Mode
from harness.experiment.metric_names import Named
from harness.experiment.part import Device, Part
from harness.files.wrong_values import did_you_mean, refused

OPERATORS = ("near", "between", "above", "below", "at_least", "at_most", "equals")

WORDS = {"at_least": "at least", "at_most": "at most", "equals": "equal to"}
"""What an operator is called in a sentence, where it is not its own name."""


class Range(NamedTuple):
    """Where a value must lie; both bounds belong to it."""

    low: float
    high: float

    def contains(self, value: float) -> bool:
        """Whether the value lies in it."""
        return self.low <= value <= self.high

    def misses(self, low: float, high: float) -> bool:
        """Whether no value from `low` to `high` lies in it."""
        return high < self.low or low > self.high


class Expected(Part):
    """What a claim says of a value: exactly one of these, and with `near` how near."""

    near: float | None = None
    tolerance: float | str | None = None
    """How far from `near` a value may lie: a number, or a share of it such as `2%`."""
    between: tuple[float, float] | None = None
    """Both bounds belong to it."""
    above: float | None = None
    below: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    equals: float | str | None = None

    @model_validator(mode="after")
    def _one_operator(self) -> Self:
        said = [name for name in OPERATORS if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"say exactly one of {', '.join(OPERATORS)}")
        if (self.tolerance is None) == (self.near is not None):
            raise ValueError("`near` needs a tolerance, and no other operator takes one")
        if self.between and not self.between[0] <= self.between[1]:
            raise ValueError("`between` names the lower bound first")
        self.range()
        return self

    def range(self) -> Range | None:
        """Where the value must lie; None where it must be a text."""
        if self.near is not None:
            distance = self._distance(self.near)
            return Range(self.near - distance, self.near + distance)
        if isinstance(self.equals, str):
            return None
        if self.equals is not None:
            distance = 1e-9 * abs(self.equals)  # what floats lose in a few operations
            return Range(self.equals - distance, self.equals + distance)
        return self._ordered()

    def _ordered(self) -> Range:
        """Bounds that do not belong to it are replaced by the next number that does."""
        if self.between is not None:
            return Range(*self.between)
        low, high = self.at_least, self.at_most
        if self.above is not None:
            low = math.nextafter(self.above, math.inf)
        if self.below is not None:
            high = math.nextafter(self.below, -math.inf)
        return Range(-math.inf if low is None else low, math.inf if high is None else high)

    def _distance(self, near: float) -> float:
        written = self.tolerance
        try:
            if isinstance(written, str):
                distance = abs(near) * float(written.removesuffix("%")) / 100
            else:
                distance = float(written or 0)
        except ValueError:
            distance = -1
        if not (0 <= distance < math.inf) or (isinstance(written, str) and written[-1:] != "%"):
            raise ValueError("a tolerance is a number from 0, or a share such as 2%")
        return distance

    def words(self) -> str:
        """As a reader sees it: `near 0.5 within 2%`."""
        name = next(name for name in OPERATORS if getattr(self, name) is not None)
        value = getattr(self, name)
        values = " and ".join(map(_written, value if isinstance(value, tuple) else (value,)))
        within = f" within {_written(self.tolerance)}" if self.tolerance is not None else ""
        return f"{WORDS.get(name, name)} {values}{within}"


def _written(value: float | str | None) -> str:
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


class Arithmetic(Part):
    """A value that follows from published numbers."""

    expression: str
    value: float
    sources: tuple[str, ...] = ()
    """Where its numbers were published, each once."""


Fact = Literal["parameters", "dim", "query_length", "document_length", "max_length", "licence"]
"""All numbers but the licence."""


class Catalogued(Part):
    """A fact of a model that the catalogue knows; `dim` is the model's own."""

    model: str
    fact: Fact

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        known = catalogue.catalogue()
        if self.model not in known:
            near = did_you_mean(self.model, known)
            raise refused((("model",), f"the catalogue has no {self.model!r}{near}"))
        if self.value is None:
            raise ValueError(f"the catalogue does not know the {self.fact} of {self.model}")
        return self

    @property
    def value(self) -> float | str | None:
        """The fact, a text if it is a licence."""
        return catalogue.fact(self.model, self.fact)


class Packaged(Part):
    """Whether an installed package brings a file: the text `present` or `absent`."""

    name: str
    file: str


class Quality(Part):
    """A metric of a system on a whole dataset; or with `against` a change of it over queries."""

    experiment: str
    system: str
    metric: Named
    dataset: str | None = None
    """One of the file's `datasets`; needed without `against`. None: the mean over all datasets."""
    against: str | None = None
    """The system that it is compared with."""
    by: Literal["difference", "share"] = "difference"
    """Of a change: in points of the metric, or as a share of what `against` reaches."""
    setting: Mapping[str, Any] = Field(default_factory=dict)
    """What the system's configuration must say, by path: `retriever.encoder.model`. A model is
    named as its authors do, wherever it was loaded from."""

    @model_validator(mode="after")
    def _of_a_dataset(self) -> Self:
        if self.dataset is None and self.against is None:
            raise ValueError("name the dataset that the value is of, or `against`")
        return self


class Arm(Part):
    """What is timed: a system in one mode, with so many candidates, on one device."""

    system: str
    mode: Mode
    k: int | None = Field(default=None, ge=1)
    """Candidates; None for retrieval."""
    device: Device = "cpu"
    whole: bool = False
    """Whether retrieval and reranking of the query are both counted."""

    @model_validator(mode="after")
    def _k_is_for_reranking(self) -> Self:
        if (self.k is None) != (self.mode == "retrieve"):
            raise ValueError("every mode but `retrieve` needs `k`, and `retrieve` takes none")
        return self


class LatencyEvidence(Arm):
    """Milliseconds of a call; or with `over` how many times those of another arm."""

    experiment: str
    statistic: Literal["p50", "p90", "p95", "p99"] | None = None
    over: Arm | None = None

    @model_validator(mode="after")
    def _one_figure(self) -> Self:
        if (self.statistic is None) == (self.over is None):
            raise ValueError("say either `statistic` or `over`")
        return self


class Memory(Part):
    """Megabytes (10^6) of a process that serves one system."""

    experiment: str
    system: str
    mode: Mode
    device: Device = "cpu"
    part: Literal["model", "peak"] = "model"
    """What loading added, or the most that the process ever held."""


class Way(Part):
    """A way to keep a model's token vectors."""

    model: str
    dim: int = Field(ge=1)
    precision: Literal["float32", "float16", "int8", "binary", "plaid"]
    pool_factor: int = Field(default=1, ge=1)
    nbits: Literal[1, 2, 4] | None = None

    @model_validator(mode="after")
    def _bits_are_for_plaid(self) -> Self:
        if (self.nbits is None) != (self.precision != "plaid"):
            raise ValueError("`precision: plaid` needs `nbits`, and no other precision takes it")
        return self


class StorageEvidence(Way):
    """Bytes that a way takes; or with `over` how many times those of another."""

    experiment: str
    counted: Literal["formula", "payload", "disk"] = "formula"
    """By formula, the vectors' own files, or the whole folder."""
    per: Literal["document", "vector"] = "document"
    over: Annotated[Annotated[Way, KEYS] | Annotated[Literal["dense"], OTHER], BY_SHAPE] | None = (
        None
    )
    """Another way, or the one dense vector of a document."""


Evidence = Arithmetic | Catalogued | Packaged | Quality | LatencyEvidence | Memory | StorageEvidence


class Published(Part):
    """What a dataset is, of which values were published; None is not compared."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    """What experiments call it."""
    documents: int | None = None
    queries: int | None = None
    judgements: int | None = None
    fingerprint: str | None = None
