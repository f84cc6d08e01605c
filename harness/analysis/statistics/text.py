"""Values with their intervals, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.analysis.statistics.intervals import FEWEST

NO_INTERVAL = f"[no interval: fewer than {FEWEST} queries]"


def with_interval(row: Mapping[str, Any]) -> str:
    """A mean with its bounds, of a row with `value`, `low` and `high`."""
    bounds = NO_INTERVAL if math.isnan(row["low"]) else f"[{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.4f} {bounds}"


def factor_words(row: Mapping[str, Any]) -> str:
    """By what factor two equal arms differed, of a row of `paired_ratios.NOISE`."""
    if math.isnan(row["low"]):
        return f"{row['ratio']:.3f} [no interval; queries: {row['queries']}]"
    return f"{row['ratio']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
