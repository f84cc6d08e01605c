"""A part of a file as a frozen value, and the kinds of numbers that it may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from harness.files import bounds


class Part(BaseModel):
    """A frozen value whose unknown keys are refused, and numbers that are not finite."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
    )


Ranks = Annotated[int, Field(ge=1, le=bounds.DEEPEST)]
"""Documents that a stage keeps or reads."""

Count = Annotated[int, Field(ge=1, le=bounds.MANY)]

Seconds = Annotated[float, Field(gt=0, le=bounds.MANY)]

Paid = Annotated[float, Field(ge=0, le=bounds.MANY)]
"""A price."""

Seed = Annotated[int, Field(ge=0)]
"""Of random numbers: NumPy takes none below 0."""
