"""The mean over all queries of what is known of some that were drawn, one after the other.

Queries are drawn without replacement, each with a known chance that may depend on all that was seen
before. Every draw gives an estimate of the total by itself: what was measured, what is predicted of
the rest, and the surprise of the one that was drawn over its chance (Raj 1956, Some estimators in
sampling with varying probabilities without replacement). It is unbiased however wrong the prediction
is, if that uses nothing that was seen later. The estimates are weighted as their variance falls
while the rest gets smaller, which gives the weights of Farquhar, Gal and Rainforth 2021 (On
statistical bias in active learning), and a variance: the surprises of different draws are uncorrelated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics.intervals import CONFIDENCE, FEWEST, Columns, Intervals


class Draws(NamedTuple):
    """Queries in the order of drawing; M draws, C values of a query, such as gains of C systems."""

    chances: NDArray[np.float64]
    """Shape (M,): of being drawn from what was left then."""
    measured: Columns
    """Shape (M, C); an unbiased estimate of each is enough."""
    predicted: Columns
    """Shape (M, C), by what was seen before the draw."""
    left: Columns
    """Shape (M, C): the same prediction summed over all that was left, with the one that was drawn."""
    noise: Columns
    """Shape (M, C): standard deviations of `measured` about what full judgments would give."""


class Estimate(NamedTuple):
    """Means over all queries."""

    value: NDArray[np.float64]
    """Shape (C,)."""
    covariance: Columns
    """Shape (C, C): of `value` about the means that judging everything of these queries would give."""
    spread: Columns
    """Shape (C, C): the covariance of the values of single queries."""
    queries: int
    """Of all."""
    draws: int
    freedom: float
    """Degrees of freedom of the covariance."""

    def of_these(self, confidence: float = CONFIDENCE) -> Intervals:
        """With bounds for what judging everything of these queries would give."""
        return self._bounds(np.diag(self.covariance), confidence)

    def of_others(self, confidence: float = CONFIDENCE, tuned: int = 0) -> Intervals:
        """With bounds for other queries like these: what is unjudged, and which queries they are.

        `tuned` numbers of the prediction were fitted to these draws, whose surprises are the smaller
        for it: as of residuals, their variance is over so many less degrees of freedom, and once more
        as much because each draw pulled the fit (MacKinnon and White 1985, HC3).
        """
        free = self.freedom
        wider = (free / max(free - tuned, 1)) ** 2
        variance = np.diag(wider * self.covariance + self.spread / self.queries)
        return self._bounds(variance, confidence, tuned)

    def of_these_drawn(self, count: int, seed: int) -> Columns:
        """Draws, shape (count, C), about `value`: how far off it may be; Student's t, all C at once."""
        return self._drawn(self.covariance, count, seed)

    def of_others_drawn(self, count: int, seed: int) -> Columns:
        """Draws, shape (count, C), of the means of other queries like these."""
        return self.value + self._drawn(self.covariance + self.spread / self.queries, count, seed)

    def _drawn(self, covariance: Columns, count: int, seed: int) -> Columns:
        rng, free = np.random.default_rng(seed), max(self.freedom, 1)
        normal = rng.standard_normal((count, len(self.value)))
        values, vectors = np.linalg.eigh(covariance)  # which may lack ranks
        root = (vectors * np.sqrt(np.clip(values, 0.0, None))).T
        found: Columns = np.sqrt(free / rng.chisquare(free, (count, 1))) * (normal @ root)
        return found

    def _bounds(
        self, variance: NDArray[np.float64], confidence: float, tuned: int = 0
    ) -> Intervals:
        if self.draws < min(FEWEST, self.queries):
            nothing = np.full_like(self.value, np.nan)
            return Intervals(self.value, nothing, nothing)
        far = t_quantile(confidence, max(self.freedom - tuned, 1)) * np.sqrt(variance)
        return Intervals(self.value, self.value - far, self.value + far)


def estimate(draws: Draws, queries: int, certain: Columns | None = None) -> Estimate:
    """The means over `queries` queries to draw from, and those that are `certain`: shape (n, C).

    Raises ValueError without a draw where there is anything to draw.
    """
    sure = np.zeros((0, draws.measured.shape[1])) if certain is None else certain
    count = len(draws.chances)
    if not count and queries:
        raise ValueError("nothing was drawn")
    total, covariance, shares = _total(draws, queries)
    every = queries + len(sure)
    value = (total + sure.sum(axis=0)) / every
    weights = np.concatenate([shares, np.ones(len(sure))])
    apart = np.concatenate([draws.measured, sure]) - value
    spread = (apart.T * weights) @ apart / weights.sum()
    spread -= (draws.noise.T * shares) @ draws.noise / weights.sum()
    least = np.clip(np.diag(spread), 0.0, None) - np.diag(spread)
    known = max(count + len(sure) - 1, 1)
    spread = (spread + np.diag(least)) * (known + 1) / known
    return Estimate(value, covariance / every**2, spread, every, count, _freedom(draws))


def _total(draws: Draws, queries: int) -> tuple[NDArray[np.float64], Columns, NDArray[np.float64]]:
    """The total over the queries that are drawn from, its covariance, and how many each draw stands for."""
    chances, measured = draws.chances, draws.measured
    count = len(chances)
    if count >= queries:  # all were drawn: nothing depends on chances
        return measured.sum(axis=0), draws.noise.T @ draws.noise, np.ones(count)
    left = queries - np.arange(count, dtype=np.float64)
    sizes = left * (left - 1)
    weights = queries * (queries - count) / count / sizes  # their sum is 1
    before = np.cumsum(measured, axis=0) - measured
    alone = before + draws.left + (measured - draws.predicted) / chances[:, np.newaxis]
    total = weights @ alone
    apart = alone - total
    common = (apart.T / sizes) @ apart / max(count - 1, 1)
    later = 1 - np.cumsum(weights)
    now = weights / chances
    # The noise of one draw is in its own estimate, whose variance was seen, and in all later ones.
    carried = (draws.noise.T * (2 * now * later + later**2)) @ draws.noise
    return total, queries * (queries - count) / count * common + carried, now + later


def _freedom(draws: Draws) -> float:
    """Degrees of freedom of a variance of two parts (Welch and Satterthwaite), as shares of the surprises.

    Only draws that have noise show how far it scatters; all draws show the rest.
    """
    surprises = float(((draws.measured - draws.predicted) ** 2).sum())
    share = min(float((draws.noise**2).sum()) / surprises, 1.0) if surprises else 0.0
    telling = int(np.any(draws.noise != 0, axis=1).sum())
    parts = (share, telling), (1 - share, len(draws.chances))
    found = 1 / sum(part**2 / max(count - 1, 1) for part, count in parts)
    return min(found, max(len(draws.chances) - 1, 1))


def t_quantile(confidence: float, freedom: float) -> float:
    """How many standard errors a two-sided interval of Student's t reaches."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))
