"""One YAML file of claims -> one frozen ClaimFile, or one error that lists every fault of the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from harness.components import registry
from harness.errors import ConfigError
from harness.experiment import expressions
from harness.experiment.claims import (
    Arithmetic,
    Catalogued,
    Evidence,
    Expected,
    LatencyEvidence,
    Memory,
    Packaged,
    Published,
    Quality,
    StorageEvidence,
)
from harness.experiment.expressions import FUNCTIONS, Number
from harness.experiment.part import Part, read_keys
from harness.files import bounds
from harness.files.wrong_values import did_you_mean, refused, shown


class Figure(Part):
    """A published number, or several of one kind."""

    value: float | None = None
    values: tuple[float, ...] | None = None
    source: str

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.value is None) == (not self.values):
            raise ValueError("say either `value` or `values`")
        return self

    def number(self) -> Number:
        """What its name stands for."""
        return self.values or self.value or 0.0


class CataloguedFigure(Catalogued):
    """A number that the catalogue knows."""

    @property
    def source(self) -> str:
        """Who says it."""
        return f"catalogue: {self.model}"

    @field_validator("fact")
    @classmethod
    def _is_a_number(cls, fact: str) -> str:
        if fact == "licence":
            raise ValueError("a licence is no number")
        return fact

    def number(self) -> Number:
        """What its name stands for."""
        return float(self.value or 0)


def _computed(expression: Any, info: ValidationInfo) -> Arithmetic:
    """The value of an expression over the numbers of the file."""
    if isinstance(expression, Arithmetic):
        return expression
    if not isinstance(expression, str):
        raise ValueError(f"expected arithmetic such as `1 - a / b`, not {shown(expression)}")  # noqa: TRY004
    context = info.context or {"numbers": {}}
    if "numbers" not in context:  # they are faulty, which is said
        return Arithmetic(expression=expression, value=0.0, sources=())
    figures = context["numbers"]
    value = expressions.evaluate(expression, {name: one.number() for name, one in figures.items()})
    sources = (figures[name].source for name in expressions.names(expression))
    return Arithmetic(expression=expression, value=value, sources=tuple(dict.fromkeys(sources)))


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _first(name: str, info: ValidationInfo) -> str:
    ids = (info.context or {}).get("ids", set())
    if name in ids:
        raise ValueError(f"{shown(name)} occurs more than once")
    ids.add(name)
    return name


KINDS = ("arithmetic", "catalogue", "package", "quality", "latency", "memory", "storage")
"""What a claim can be judged by."""


class Claim(Part):
    """A statement that can be judged, by exactly one kind of evidence."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]})

    id: Annotated[str, AfterValidator(_first), Field(pattern="^[A-Z]{1,3}[0-9]+[a-z]?$")]
    """Such as `Q5`; parts of one claim have a letter each: `Q5a`."""
    says: Annotated[str, AfterValidator(_said)]
    source: Annotated[str, AfterValidator(_said)]
    """Who says it."""
    arithmetic: Annotated[
        Arithmetic | None, PlainValidator(_computed, json_schema_input_type=str)
    ] = None
    """An expression over the file's numbers, such as `1 - mean(after) / mean(before)`."""
    catalogue: Catalogued | None = None
    package: Packaged | None = None
    quality: Quality | None = None
    latency: LatencyEvidence | None = None
    memory: Memory | None = None
    storage: StorageEvidence | None = None
    expected: Expected
    note: str = ""
    """What a reader of the verdict should know."""

    @field_validator("quality", "latency", "memory", "storage")
    @classmethod
    def _names_are_known(cls, evidence: Any, info: ValidationInfo) -> Any:
        for key in ("experiment", "dataset"):
            name, known = getattr(evidence, key, None), (info.context or {}).get(f"{key}s")
            if name is not None and known is not None and name not in known:
                near = did_you_mean(name, known)
                raise refused(((key,), f"{name!r} is not among `{key}s`{near}"))
        return evidence

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Texts are expected of what is a text, numbers of all else."""
        if len([kind for kind in KINDS if getattr(self, kind) is not None]) != 1:
            raise ValueError(f"say exactly one of {', '.join(KINDS)}")
        is_text = self.package is not None or isinstance(getattr(self.catalogue, "value", 0), str)
        if is_text != (self.expected.range() is None):
            expected = "a text is expected" if is_text else "a number is expected"
            raise refused((("expected",), expected))
        return self

    @property
    def evidence(self) -> Evidence:
        """What it is judged by."""
        found: Evidence = next(filter(None, (getattr(self, kind) for kind in KINDS)))
        return found


def _beside(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    for i, name in enumerate(names):
        path = info.context["folder"] / f"{name}.yaml" if info.context else Path(f"{name}.yaml")
        if Path(name).name != name or not path.is_file():
            raise refused(((i,), f"there is no {path}"))
    return names


def _can_be_named(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in figures:
        if not name.isidentifier() or name in FUNCTIONS:
            raise refused(((name,), f"{name!r} cannot be a name in arithmetic"))
    return figures


def _kind(value: Any) -> str:
    return ":catalogued" if isinstance(value, Mapping) and "model" in value else ":published"


NAMED = ("experiments", "datasets", "numbers")
"""Keys of a file of claims, of which claims name entries."""


class ClaimFile(Part):
    """Claims with what is needed to judge them."""

    experiments: Annotated[tuple[str, ...], AfterValidator(_beside)] = ()
    """Those whose results are looked at; their files lie beside this one."""
    datasets: Mapping[str, Published] = Field(default_factory=dict)
    """By a name for it, a dataset of which values were published."""
    numbers: Annotated[
        Mapping[
            str,
            Annotated[
                Annotated[CataloguedFigure, Tag(":catalogued")]
                | Annotated[Figure, Tag(":published")],
                Discriminator(_kind),
            ],
        ],
        AfterValidator(_can_be_named),
    ] = Field(default_factory=dict)
    """What arithmetic can name."""
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @field_validator(*NAMED)
    @classmethod
    def _claims_may_name(cls, value: Any, info: ValidationInfo) -> Any:
        if info.context is not None:
            info.context[info.field_name] = value
        return value


def load_claims(file: str | Path) -> ClaimFile:
    """The claims in `file`; raises ConfigError that names every fault with file, line and path."""
    file = Path(file)
    with bounds.reading(file, ConfigError):
        document, keys = read_keys(file, ClaimFile, "a file of claims")
        context: dict[str, Any] = {"folder": file.parent, "ids": set()}
        context |= {key: {} for key in NAMED if key not in keys}  # nobody looks in what is faulty
        found: ClaimFile = registry.validated(ClaimFile, keys, "", document.fault, context)
        document.raise_faults()
        return found
