"""What the decision would be for other workloads, and what they would cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pandas as pd

from harness.analysis.decision.choose import Case, choose
from harness.analysis.decision.need import Kind, need_of
from harness.experiment.schema import Workload

FACTORS = (0.1, 10.0)

SENSITIVITY = (
    *("changed", "documents", "queries_per_day", "candidates", "answer", "system", "mode"),
    *("vectors_gb", "memory_gb", "p50_ms", "p95_ms", "cost_per_month"),
)
"""One row a workload, that of the experiment first; `changed` says in what another one differs.
`system` and `mode` are what the rule would adopt, keep or assess, and the rest is what that needs on
the first device: NaN where it was not measured."""


class Change(NamedTuple):
    """A workload and in what it differs from that of the experiment."""

    said: str
    load: Workload


def workloads(load: Workload, timed: set[int]) -> Iterator[Change]:
    """The workload, then one change at a time; candidates only to numbers that were `timed`."""
    yield Change("", load)
    for name in ("documents", "queries_per_day"):
        for factor in FACTORS:
            value = max(round(getattr(load, name) * factor), 1)
            label = f"{name.replace('_', ' ')} x {factor:g}"
            yield Change(label, load.model_copy(update={name: value}))
    for k in sorted(timed - {load.candidates}):
        yield Change(f"{k} candidates", load.model_copy(update={"candidates": k}))


def sensitivity(
    load: Workload, timed: set[int], case_of: Callable[[Workload], Case], device: str
) -> pd.DataFrame:
    """Columns SENSITIVITY; `case_of` gives the case of a workload."""
    rows = []
    for changed, other in workloads(load, timed):
        case = case_of(other)
        choice = choose(case)

        def need(name: str, on: str, case: Case = case, option: object = choice.option) -> float:
            return need_of(case.needs, option, Kind(name, on)).value  # type: ignore[arg-type]

        rows.append(
            (
                *(changed, other.documents, other.queries_per_day, other.candidates),
                *(choice.answer, *choice.option),
                need("gb_per_million_documents", "") * other.documents / 1e6,
                *(need(x, device) for x in SENSITIVITY[-4:]),
            )
        )
    return pd.DataFrame(rows, columns=list(SENSITIVITY))
