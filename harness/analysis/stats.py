"""Intervals and paired tests over queries: seeded, and for many columns at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8
"""The chance of finding a difference that `detectable` and `queries_needed` are about."""
BLOCK = 200
"""Resamples drawn at once: small enough that their memory is used again, which is four times as fast."""

Columns = NDArray[np.float64]
"""Values of shape (queries, columns)."""


class Intervals(NamedTuple):
    """Means with their bounds, each of shape (columns,)."""

    value: Columns
    low: Columns
    high: Columns


def mean_intervals(values: Columns, seed: int, confidence: float = CONFIDENCE) -> Intervals:
    """The mean of each column with its percentile bootstrap interval over queries (Efron 1979).

    All columns see the same resamples. A single query has no interval: its bounds are NaN.
    """
    return macro_intervals([values], seed, confidence)


def macro_intervals(
    parts: Sequence[Columns], seed: int, confidence: float = CONFIDENCE
) -> Intervals:
    """The mean over datasets of their means over queries, with a bootstrap interval.

    Each of `parts` holds the queries of one dataset; queries are resampled inside their dataset,
    so that a large one counts no more than a small one. The datasets themselves are taken as
    given: the interval speaks of other queries on these datasets. NaN bounds where one has a
    single query.
    """
    mean = np.mean([part.mean(axis=0) for part in parts], axis=0)
    if min(len(part) for part in parts) < 2:
        return Intervals(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled_macro_means(parts, seed), [tail, 1 - tail], axis=0)
    return Intervals(mean, np.minimum(low, mean), np.maximum(high, mean))  # but for rounding


def resampled_macro_means(parts: Sequence[Columns], seed: int) -> Columns:
    """What the intervals of `macro_intervals` are quantiles of, shape (RESAMPLES, columns)."""
    means = [resampled_means(part, seed + i) for i, part in enumerate(parts)]
    found: Columns = np.mean(means, axis=0)
    return found


def resampled_means(values: Columns, seed: int) -> Columns:
    """Means of RESAMPLES draws of the queries, shape (RESAMPLES, columns); a draw is one for all."""
    count = len(values)
    counts = drawn(count, seed)
    blocks = range(0, RESAMPLES, BLOCK)
    return np.concatenate([counts[start : start + BLOCK] @ values / count for start in blocks])


def drawn(count: int, seed: int) -> NDArray[np.uint8]:
    """How often each of `count` queries is drawn in each of RESAMPLES: a row a resample."""
    return _drawn(count, RESAMPLES, seed)


@lru_cache(maxsize=4)
def _drawn(count: int, resamples: int, seed: int) -> NDArray[np.uint8]:
    """The draws, kept, for a report's tables share them.

    No query is drawn 256 times: the chance of that is below 1e-500.
    """
    rng = np.random.default_rng(seed)
    sizes = _blocks(resamples)
    return np.concatenate([draws(count, size, rng).astype(np.uint8) for size in sizes])


def draws(count: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of `count` queries is drawn in each of `size` resamples.

    Multinomial counts with equal shares, at a tenth of the time of `Generator.multinomial`.
    """
    cells = rng.integers(count, size=(size, count))
    cells += np.arange(0, size * count, count)[:, np.newaxis]
    return np.bincount(cells.ravel(), minlength=size * count).reshape(size, count)


def randomisation_p(changes: Columns, seed: int, *, one_sided: bool = False) -> Columns:
    """The p of the paired randomisation test over per-query differences, a column each.

    The sign of each query's difference is flipped at random; p = (b + 1) / (B + 1), where b of B
    flips give a mean at least as far from 0 (Smucker, Allan and Carterette 2007; the + 1 counts
    the order that was seen, so that p is never 0). With `one_sided` only a mean at least as great
    counts: a small p speaks for a mean above 0.
    """
    mean = changes.mean(axis=0)
    observed = mean if one_sided else np.abs(mean)
    rng = np.random.default_rng(seed)
    rounding = 1e-12 * np.maximum(1.0, np.abs(changes).max(axis=0, initial=0))
    extreme = np.zeros(changes.shape[1], dtype=np.int64)
    for size in _blocks(RESAMPLES):
        signs = rng.integers(2, size=(size, len(changes)), dtype=np.int8) * 2.0 - 1
        means = signs @ changes / len(changes)
        extreme += ((means if one_sided else np.abs(means)) >= observed - rounding).sum(axis=0)
    p: Columns = (extreme + 1) / (RESAMPLES + 1)
    return p


def effect_sizes(changes: Columns) -> Columns:
    """Cohen's d of paired differences, a column each: their mean over their standard deviation.

    0 where nothing changed, inf where every query changed by the same.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        d: Columns = changes.mean(axis=0) / _deviations(changes)
    return np.where(np.isnan(d) & (changes == 0).all(axis=0), 0.0, d)


def detectable(changes: Columns, alpha: float = ALPHA) -> Columns:
    """The smallest true difference that as many queries find with probability POWER, a column each.

    (z(1 - alpha / 2) + z(POWER)) s / sqrt(n) of a two-sided paired test at level `alpha`, in the
    normal approximation (Sakai 2018, Laboratory Experiments in Information Retrieval, chapter 6).
    NaN for a single query.
    """
    found: Columns = _quantiles(alpha) * _deviations(changes) / math.sqrt(len(changes))
    return found


def queries_needed(changes: Columns, difference: float, alpha: float = ALPHA) -> Columns:
    """How many queries like these find a true `difference` with probability POWER, a column each.

    The inverse of `detectable`. NaN for a single query.
    """
    found: Columns = np.ceil((_quantiles(alpha) * _deviations(changes) / difference) ** 2)
    return found


def _quantiles(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(POWER)


def _deviations(changes: Columns) -> Columns:
    if len(changes) < 2:
        return np.full(changes.shape[1], np.nan)
    found: Columns = changes.std(axis=0, ddof=1)
    return found


def _blocks(resamples: int) -> Iterator[int]:
    for start in range(0, resamples, BLOCK):
        yield min(BLOCK, resamples - start)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p adjusted for the family of all that are given (Holm 1979), by their names."""
    adjusted: dict[str, float] = {}
    running = 0.0
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, p * (len(p_values) - i)))
        adjusted[name] = running
    return adjusted
