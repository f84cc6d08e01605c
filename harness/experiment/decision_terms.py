"""What an experiment file says of the decision: requirements, workload, prices."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness.experiment.metric_names import Named
from harness.experiment.part import Count, Device, Paid, Part


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
    """The limits that a system must meet on every dataset; a limit that is left out does not apply."""

    p95_ms: Mapping[Device, Limit] = Field(default_factory=dict)
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
    """The terms of the decision; with the measurements they decide it."""

    objective: Named | None = None
    """The metric that a gain is measured by; None: the first of the experiment."""
    smallest_gain_that_matters: float = Field(default=0.01, ge=0, le=1)
    """The smallest gain over the baseline that is worth adopting a system."""
    requirements: Requirements = Requirements()
    workload: Workload | None = None
    prices: Prices | None = None
    review_by: str | None = None
    """The date, YYYY-MM-DD, of the next review of the decision."""

    @field_validator("review_by")
    @classmethod
    def _is_a_date(cls, text: str | None) -> str | None:
        with contextlib.suppress(ValueError):
            if text is None or date.fromisoformat(text).isoformat() == text:
                return text
        raise ValueError("write a date as YYYY-MM-DD")

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.requirements.memory_gb is not None and self.workload is None:
            raise ValueError("requirements.memory_gb needs a workload")
        if self.requirements.cost_per_month is not None and None in (self.workload, self.prices):
            raise ValueError("requirements.cost_per_month needs a workload and prices")
        return self
