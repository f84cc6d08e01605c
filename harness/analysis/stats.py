"""Intervals and paired tests over queries: seeded, and for many columns at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
BLOCK = 1_000
"""Resamples drawn at once, so that memory stays flat."""

Columns = NDArray[np.float64]
"""Values of shape (queries, columns)."""


class Intervals(NamedTuple):
    """Means with their bounds, each of shape (columns,)."""

    value: Columns
    low: Columns
    high: Columns


def mean_intervals(values: Columns, seed: int) -> Intervals:
    """The mean of each column with its percentile bootstrap interval over queries (Efron 1979).

    All columns see the same resamples. A single query has no interval: its bounds are NaN.
    """
    count = len(values)
    mean = values.mean(axis=0)
    if count < 2:
        return Intervals(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    rng = np.random.default_rng(seed)
    shares = np.full(count, 1 / count)
    means = np.concatenate(
        [rng.multinomial(count, shares, size=size) @ values / count for size in _blocks()]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return Intervals(mean, low, high)


def randomisation_p(changes: Columns, seed: int) -> Columns:
    """Two-sided p of the paired randomisation test over per-query differences, a column each.

    The sign of each query's difference is flipped at random; p = (b + 1) / (B + 1), where b of B
    flips give a mean at least as far from 0 (Smucker, Allan and Carterette 2007; the + 1 counts
    the order that was seen, so that p is never 0).
    """
    observed = np.abs(changes.mean(axis=0))
    rng = np.random.default_rng(seed)
    rounding = 1e-12 * np.maximum(1.0, np.abs(changes).max(axis=0, initial=0))
    extreme = np.zeros(changes.shape[1], dtype=np.int64)
    for size in _blocks():
        signs = rng.integers(2, size=(size, len(changes)), dtype=np.int8) * 2.0 - 1
        extreme += (np.abs(signs @ changes) / len(changes) >= observed - rounding).sum(axis=0)
    p: Columns = (extreme + 1) / (RESAMPLES + 1)
    return p


def _blocks() -> Iterator[int]:
    for start in range(0, RESAMPLES, BLOCK):
        yield min(BLOCK, RESAMPLES - start)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p adjusted for the family of all that are given (Holm 1979), by their names."""
    adjusted: dict[str, float] = {}
    running = 0.0
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, p * (len(p_values) - i)))
        adjusted[name] = running
    return adjusted
