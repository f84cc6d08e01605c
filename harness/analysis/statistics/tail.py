"""Whether the 95th percentile of timed calls is within a limit: a test, not an estimate.

Where the percentile is the limit, one call in twenty is above it; so how many of n calls are above a
limit follows from the binomial distribution alone, whatever that of latencies. 69 calls of which none
is above show that the percentile is not (0.95^69 = .029), though they would not carry an estimate of
it. Two tests share an error of 5 % in either direction, so that it holds for the whole procedure:

the calls that were planned     the exact binomial test, at PLANNED
these and more                  where calls were added because nothing was shown before, their number
                                depends on what was seen. The likelihood of their count, averaged over
                                all shares on the other side of the limit, over that of one in twenty
                                exceeds 1 / SETTLING with a probability of at most SETTLING, however
                                often one looks (Ville 1939, Robbins 1970). Both integrals are tails
                                of the binomial distribution.

Calls of one query resemble each other: both tests are of the effective number of calls, by the design
effect (`percentiles`) of log seconds or of which calls are slowest, whichever is greater.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.analysis.statistics.percentiles import binomial, design_effect

PERCENT = 95

ABOVE = 1 - PERCENT / 100
"""The share of calls above the percentile."""

PLANNED, SETTLING = 0.03, 0.02
"""The chance to be wrong of each test, in either direction."""

MOST = 20_000
"""Effective calls beyond which nothing is expected to settle."""

Values = NDArray[np.float64]

Outcome = Literal["met", "open", "missed"]

OUTCOMES: tuple[Outcome, ...] = ("met", "open", "missed")
"""Of several datasets the last decides."""


class Seen(NamedTuple):
    """How the calls stand to a limit."""

    outcome: Outcome
    calls: int
    """Those of the test that gave the outcome; all where none did."""
    above: int
    """How many of them are above the limit."""
    p: float
    """Of that test; where none gave an outcome, the lesser of the two of all calls."""
    more: float
    """How many more calls like these would settle it: 0 where it is, inf where too many."""


@dataclass(frozen=True)
class Sample:
    """Calls of one test."""

    values: Values
    """How long they took, ascending."""
    effect: float
    """How many of them tell as much as one independent call."""
    planned: bool

    @property
    def effective(self) -> int:
        """How many independent calls would tell as much."""
        return math.floor(len(self.values) / self.effect + 1e-9)

    def above(self, limit: float) -> int:
        """How many calls took longer."""
        return len(self.values) - int(np.searchsorted(self.values, limit, side="right"))

    def bounds(self) -> tuple[float, float]:
        """The limit below which the test says missed, and the least at which it says met.

        0 and inf where it never does.
        """
        (few, many), n = _allowed(self.effective, planned=self.planned), len(self.values)
        met = math.floor(few * self.effect + 1e-9)
        missed = math.ceil(many * self.effect - 1e-9)
        low = float(self.values[n - missed]) if missed <= n else 0.0
        return low, float(self.values[n - 1 - met]) if met >= 0 else math.inf

    def p(self, limit: float) -> tuple[float, float]:
        """The p values of being met and of being missed."""
        above = self.above(limit) / self.effect
        met, missed = _p_values(self.effective, planned=self.planned)
        return (
            float(met[min(math.ceil(above - 1e-9), self.effective)]),
            float(missed[min(math.floor(above + 1e-9), self.effective)]),
        )


@dataclass(frozen=True)
class Tail:
    """The timed calls of one arm, and what they show of its 95th percentile."""

    samples: tuple[Sample, ...]
    """Those that were planned, if any were; and with more, if there were more, all."""

    @property
    def low(self) -> float:
        """Every limit below is missed; 0 where none is shown to be."""
        return max(sample.bounds()[0] for sample in self.samples)

    @property
    def high(self) -> float:
        """Every limit from here on is met; inf where none is shown to be."""
        return min(sample.bounds()[1] for sample in self.samples)

    @property
    def calls(self) -> int:
        """How many there are."""
        return len(self.samples[-1].values)

    @property
    def mean(self) -> float:
        """How long a call took in the mean."""
        return float(self.samples[-1].values.mean())

    def at(self, limit: float) -> Seen:
        """How the calls stand to a limit, in their unit."""
        for sample in self.samples:
            low, high = sample.bounds()
            met, missed = sample.p(limit)
            calls = len(sample.values), sample.above(limit)
            if high <= limit:
                return Seen("met", *calls, met, 0)
            if low > limit:
                return Seen("missed", *calls, missed, 0)
        return Seen("open", *calls, min(met, missed), _more(sample, limit))


def tail(values: ArrayLike, queries: ArrayLike, planned: ArrayLike) -> Tail:
    """The tail of calls that took so long, in any unit; `queries` are their query ids.

    `planned` are those whose number did not depend on how long others took. There must be a call.
    """
    values, names = np.asarray(values, dtype=np.float64), np.asarray(queries)
    before = np.asarray(planned, dtype=np.bool_)
    samples = []
    if before.any():
        samples.append(_sample(values[before], names[before], planned=True))
    if not before.all():
        samples.append(_sample(values, names, planned=False))
    return Tail(tuple(samples))


def _sample(values: Values, queries: NDArray[np.generic], *, planned: bool) -> Sample:
    slow = (values < np.quantile(values, PERCENT / 100)).astype(np.float64)
    effects = (design_effect(x, queries) for x in (np.log(values), slow))
    return Sample(np.sort(values), max(effects), planned)


@lru_cache(maxsize=4096)
def _allowed(n: int, *, planned: bool) -> tuple[int, int]:
    """How many of `n` independent calls above a limit are few enough for met, many for missed.

    -1 and n + 1 where no number would do.
    """
    met, missed = _p_values(n, planned=planned)
    level = PLANNED if planned else SETTLING
    few = int(np.searchsorted(met, level, side="right")) - 1
    many = n + 1 - int(np.searchsorted(missed[::-1], level, side="right"))
    return few, many


@lru_cache(maxsize=512)
def _p_values(n: int, *, planned: bool) -> tuple[Values, Values]:
    """By how many of `n` independent calls are above: p of being met (rising), of missed (falling)."""
    at_most = binomial(n, 100 - PERCENT)
    if planned:
        return at_most, np.concatenate([[1.0], np.maximum(1 - at_most[:-1], 0)])
    chance = np.diff(at_most, prepend=0.0)
    smaller = binomial(n + 1, 100 - PERCENT)[:-1]
    is_less = np.arange(n + 1) < ABOVE * n
    is_more = np.arange(n + 1) > ABOVE * n
    met, missed = np.ones(n + 1), np.ones(n + 1)
    np.divide((n + 1) * ABOVE * chance, 1 - smaller, out=met, where=is_less)
    np.divide((n + 1) * (1 - ABOVE) * chance, smaller, out=missed, where=is_more)
    return np.minimum(met, 1), np.minimum(missed, 1)


def _more(sample: Sample, limit: float) -> float:
    """How many more calls would settle it, if as large a share of them is above the limit."""
    share, n = sample.above(limit) / len(sample.values), sample.effective
    while n < MOST:
        n = max(n + 1, round(n * 1.05))
        met, missed = _allowed(n, planned=False)
        if share * n <= met or share * n >= missed:
            return math.ceil((n - sample.effective) * sample.effect)
    return math.inf
