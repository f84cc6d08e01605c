"""A part of a file as a frozen value, and the kinds of numbers that it may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.components.registry import STRICT, with_keys
from harness.errors import ConfigError
from harness.files import bounds
from harness.files.yaml_lines import YamlDocument, yaml_document


class Part(BaseModel):
    """A frozen value whose unknown keys are refused, and numbers that are not finite."""

    model_config = ConfigDict(**STRICT, frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _with_keys(cls, value: Any, read: Callable[[Any], Self]) -> Self:
        return value if isinstance(value, cls) else with_keys(value, read, cls.model_fields)


def read_keys(file: Path, part: type[Part], what: str) -> tuple[YamlDocument, dict[str, Any]]:
    """A YAML document and what it says by the keys of `part`; raises ConfigError if it has none."""
    document = yaml_document(file)
    if not isinstance(document.value, Mapping):
        keys = ", ".join(part.model_fields)
        raise ConfigError(f"{file} is not {what}: expected keys {keys}.")
    return document, dict(document.value)


def _said(value: Any) -> Any:
    if value is None:
        raise ValueError("it is empty: write a value, {} for the defaults, or leave it out")
    return value


T = TypeVar("T", bound=Part)

Block = Annotated[T | None, BeforeValidator(_said)]
"""A part that may be left out, but not written without a value: that could mean two things."""

Device = Literal["cpu", "cuda", "mps"]
"""What models compute on, as an experiment names it."""

Ranks = Annotated[int, Field(ge=1, le=bounds.DEEPEST)]
"""Documents that a stage passes on or reads."""

Count = Annotated[int, Field(ge=1, le=bounds.MANY)]

Seconds = Annotated[float, Field(gt=0, le=bounds.MANY)]

Paid = Annotated[float, Field(ge=0, le=bounds.MANY)]
"""A price."""

Seed = Annotated[int, Field(ge=0)]
"""Of random numbers: NumPy takes none below 0."""
