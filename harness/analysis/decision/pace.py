"""How many times as long one system's whole query takes as another's, as far as the machine tells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from harness.analysis.costs.measured import whole_calls
from harness.analysis.decision.needs import Stock, timed
from harness.analysis.decision.options import Option
from harness.analysis.statistics import paired_ratios
from harness.analysis.statistics.paired_ratios import Ratio
from harness.experiment.schema import Workload

UNKNOWN = Ratio(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Paces:
    """Options against each other, each pair compared once."""

    of: Stock
    made: dict[tuple[Any, ...], Any] = field(default_factory=dict, compare=False)

    def ratio(self, one: Option, other: Option, device: str, load: Workload | None) -> Ratio:
        """Of the dataset where it may be most; NaN where one was not timed on every dataset.

        Of calls of the same query in the same round, the bounds widened by what two equal arms
        differed by; without bounds where no two equal arms tell how noisy the machine was.
        """
        found = [self._on(name, one, other, device, load) for name in self.of.datasets]
        if not found or any(math.isnan(ratio.high) for ratio in found):
            return next((ratio for ratio in found if math.isnan(ratio.high)), UNKNOWN)
        return max(found, key=lambda ratio: ratio.high)

    def _on(
        self, dataset: str, one: Option, other: Option, device: str, load: Workload | None
    ) -> Ratio:
        rows = [timed(self.of, dataset, device, option, load) for option in (one, other)]
        ks = [int(row.k) for row in rows if row is not None and row.status == "measured"]
        if len(ks) < 2:
            return UNKNOWN
        key = (dataset, device, (*one, ks[0]), (*other, ks[1]))
        if key not in self.made:
            self.made[key] = self._compared(*key)
        ratio: Ratio = self.made[key]
        return ratio

    def _compared(
        self, dataset: str, device: str, one: tuple[Any, ...], other: tuple[Any, ...]
    ) -> Ratio:
        if (dataset, device) not in self.made:
            self.made[dataset, device] = whole_calls(self.of.results, dataset, device)
        calls = self.made[dataset, device]
        if one not in calls or other not in calls:
            return UNKNOWN
        names = ["round", "query_id", "seconds"]
        pairs = calls[one][names].merge(calls[other][names], on=names[:2])
        if pairs.empty:
            return UNKNOWN
        shares = pairs["seconds_x"].astype(float) / pairs["seconds_y"].astype(float)
        seed = self.of.results.plan["seed"]
        found = paired_ratios.geometric_mean(shares, pairs["query_id"], seed)
        return found.widened(self.of.doubts.get((dataset, device), math.inf))
