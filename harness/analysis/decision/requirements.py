"""Who meets the requirements, who does not, and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from harness.analysis.decision.need import Kind, Need, Needs, need_of
from harness.analysis.decision.options import Option
from harness.analysis.statistics.tail import Seen
from harness.experiment.schema import Requirements

Verdict = Literal["in", "out", "unknown"]

Limits = Mapping[Kind, float]
"""The most that is allowed of each kind."""

REQUIREMENTS = (
    *("system", "mode", "requirement", "device", "limit", "value", "at_least", "at_most", "high"),
    *("over", "verdict", *Seen._fields, "said"),
)
"""One row an option and requirement. `value` is NaN where it was not measured, or the calls carry no
percentile. `verdict` is `in` where `at_most` keeps to the limit, `out` where `at_least` is above it,
else `unknown`; `high` is the upper end of the value's interval; `over` is how far the value (else
`at_least`) lies above the limit, as a share of it. What follows is the test of a percentile, as in
`tail.Seen`: NaN, with an empty `outcome`, where nothing was timed and of other requirements. For
`licence` the value is the number of models whose licence forbids commercial use, and the limit 0."""


def limits(requirements: Requirements, devices: Sequence[str]) -> dict[Kind, float]:
    """What is required, memory and money on each of `devices`, measured there or not."""
    found = {Kind("p95_ms", device): limit for device, limit in requirements.p95_ms.items()}
    if requirements.gb_per_million_documents is not None:
        found[Kind("gb_per_million_documents")] = requirements.gb_per_million_documents
    for name in ("memory_gb", "cost_per_month"):
        limit = getattr(requirements, name)
        if limit is not None:
            found |= {Kind(name, device): limit for device in devices or ("",)}
    if requirements.licence is not None:
        found[Kind("licence")] = 0.0
    return found


def verdict(need: Need, limit: float) -> Verdict:
    """Whether the need is shown to keep to the limit, or not to; else it is neither in nor out."""
    if need.upper <= limit:
        return "in"
    return "out" if need.lower > limit else "unknown"


def standing(option: Option, needs: Needs, limits: Limits) -> Verdict:
    """Out by one requirement is out; in only where all are known to be met."""
    found = {verdict(need_of(needs, option, kind), limit) for kind, limit in limits.items()}
    return "out" if "out" in found else "unknown" if "unknown" in found else "in"


def requirements_table(options: Sequence[Option], needs: Needs, limits: Limits) -> pd.DataFrame:
    """Columns REQUIREMENTS."""
    rows = []
    for option in options:
        for kind, limit in limits.items():
            need = need_of(needs, option, kind)
            reached = need.lower if math.isnan(need.value) else need.value
            over = reached / limit - 1 if limit else math.nan
            figures = (limit, need.value, need.at_least, need.at_most, need.high, over)
            seen = need.seen(limit) or ("", *(math.nan,) * 4)
            rows.append((*option, *kind, *figures, verdict(need, limit), *seen, need.said))
    return pd.DataFrame(rows, columns=list(REQUIREMENTS))
