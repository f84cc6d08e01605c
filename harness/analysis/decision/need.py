"""A figure that a requirement can limit: what is known of it, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from harness.analysis.decision.options import Option
from harness.analysis.statistics.tail import OUTCOMES, Seen, Tail

NOTHING = math.nan


class Need(NamedTuple):
    """A figure that a requirement can limit, of the dataset where it is greatest."""

    value: float
    """NaN where it is not known on every dataset."""
    at_least: float = NOTHING
    """What it is known to reach, known whole or not."""
    high: float = NOTHING
    """The upper end of its 95 % interval, inf where that has none; NaN of what is exact."""
    said: str = ""
    """What is not known of it, or how it is known."""
    low: float = NOTHING
    """The lower end of its 95 % interval; NaN of what is exact."""
    doubt: float = 1.0
    """By what factor the noise of the machine may have moved it."""
    at_most: float = NOTHING
    """What it is shown not to exceed, inf where nothing shows that; NaN where the value is exact."""
    tails: tuple[Tail, ...] = ()
    """Of a percentile the timed calls of each dataset, by which limits are tested."""

    @property
    def most(self) -> float:
        """What it may be by its interval, or what it is shown to keep to, and the noise; else inf."""
        return (self.upper if math.isnan(self.high) else self.high) * self.doubt

    @property
    def lower(self) -> float:
        """Every limit below is missed; NaN where nothing shows that of any."""
        return self.value if math.isnan(self.at_least) else self.at_least

    @property
    def upper(self) -> float:
        """Every limit from here on is met; inf where nothing shows that of any."""
        if math.isnan(self.at_most):
            return math.inf if math.isnan(self.value) else self.value
        return self.at_most

    def seen(self, limit: float) -> Seen | None:
        """How its calls stand to a limit, on the dataset that decides; None where none were timed."""
        found = [tail.at(limit) for tail in self.tails]
        return max(found, key=lambda seen: (OUTCOMES.index(seen.outcome), seen.p), default=None)


def less(one: Need, other: Need) -> bool:
    """Whether the one is shown to be less; never where nothing was measured of one of them.

    It is by more than their intervals, and by more than two equal arms differed.
    """
    return one.most < (other.lower if math.isnan(other.low) else other.low)


class Kind(NamedTuple):
    """What is needed, and where it depends on one, the device that it is needed on."""

    requirement: str
    """A field of `schema.Requirements`, or `p50_ms`."""
    device: str = ""


Needs = Mapping[tuple[Option, Kind], Need]


SAID = {
    "p95_ms": "its latency",
    "gb_per_million_documents": "the bytes of its index",
    "memory_gb": "its memory",
    "cost_per_month": "its cost",
}


def need_of(needs: Needs, option: Option, kind: Kind) -> Need:
    """The need, also where nothing at all is known of it."""
    said = f"{SAID.get(kind.requirement, kind.requirement)} was not measured"
    return needs.get((option, kind), Need(math.nan, said=said))
