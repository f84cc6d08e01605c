"""Intervals and paired tests over queries: seeded, and for many columns at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.page.text import interval

RESAMPLES = 10_000
CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8
"""The chance of finding a difference that `detectable` and `queries_needed` are about."""
FEWEST = 6
"""Below so many queries a mean has no interval: of all 2^n flips of signs the most extreme alone are
more than 5 %, so that no value can be ruled out."""
NO_INTERVAL = f"[no interval: fewer than {FEWEST} queries]"
STEPS = 2_000
"""Into how many steps the standard deviation of a flipped sum is divided to count all flips."""
ROUNDING = 1e-9
"""Differences of this size are those of floats, not of values, which are stored with six decimals."""
PLACES = 12
"""Decimals of a difference of draws; beyond them is the rounding of floats."""
FAR = 40
"""Of 2 exp(-FAR), the share of flips that may be left out: less than the rounding of floats."""
BLOCK = 200
"""Resamples drawn at once: small enough that their memory is used again, which is four times as fast."""

THREADS = 2
"""That work at resamples side by side."""

Columns = NDArray[np.float64]
"""Values of shape (queries, columns)."""


class Intervals(NamedTuple):
    """Means with their bounds, each of shape (columns,)."""

    value: Columns
    low: Columns
    high: Columns


def mean_text(row: Mapping[str, Any]) -> str:
    """A mean with its bounds, of a row with `value`, `low` and `high`."""
    return f"{row['value']:.4f} {interval(row['low'], row['high'], '.3f', NO_INTERVAL)}"


def mean_intervals(values: Columns, seed: int) -> Intervals:
    """The mean of each column with its interval: what the test that flips signs does not rule out.

    It is the paired randomisation test turned around (`means_of_halves`). All columns see the same
    draws. NaN bounds with fewer than FEWEST queries.
    """
    known = len(values) >= FEWEST
    return around(values.mean(axis=0), means_of_halves([values], seed) if known else None)


def around(mean: Columns, draws: Columns | None) -> Intervals:
    """Each mean with the bounds of its draws, shape (resamples, columns); NaN bounds without draws."""
    if draws is None:
        return Intervals(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    low, high = bounds(draws)
    return Intervals(mean, np.minimum(low, mean), np.maximum(high, mean))  # but for rounding


def apart(draws: Columns, others: Columns) -> Columns:
    """Draws of a difference, of those of what is subtracted: its mean over a half is that of theirs.

    Twice as fast as `means_of_halves` of the differences, and to PLACES decimals the same.
    """
    found: Columns = (draws - others).round(PLACES) + 0.0  # no -0.0
    return found


def means_of_halves(parts: Sequence[Columns], seed: int) -> Columns:
    """Means over random halves of the queries, shape (RESAMPLES, columns); NaN over none of them.

    Every query is in a half or not, by a coin. Let the signs of all differences to a value v be
    flipped in such a set: the mean gets no smaller where their mean over the set is at most v. So
    the share of halves with a mean up to v is the one-sided p of the test that the true mean is
    above v, and the quantiles of these means bound what the test cannot rule out (Hartigan 1969,
    Using subsample values as typical values). For changes that are symmetrical about their mean the
    coverage is exact with any number of queries.

    Each of `parts` holds the queries of one dataset, and a large one counts no more than a small
    one. The datasets themselves are taken as given: the bounds speak of other queries on these
    datasets. That datasets differ in the mean only widens them.
    """
    shares = np.concatenate([np.full(len(part), 1 / len(part)) for part in parts])
    columns = np.column_stack([np.concatenate(parts) * shares[:, np.newaxis], shares])
    chosen = halves(len(columns), RESAMPLES, seed)
    blocks = [chosen[start : start + BLOCK] for start in range(0, RESAMPLES, BLOCK)]
    with ThreadPoolExecutor(THREADS) as pool:  # of whole products: none waits for another
        sums = np.concatenate(list(pool.map(lambda block: block @ columns, blocks)))
    with np.errstate(invalid="ignore"):
        found: Columns = sums[:, :-1] / sums[:, -1:]
    return found


def bounds(draws: Columns, confidence: float = CONFIDENCE) -> tuple[Columns, Columns]:
    """Quantiles of each column's draws at both tails; a draw of NaN counts as beyond both.

    NaN where a bound is so not known.
    """
    tail, unknown = (1 - confidence) / 2, np.isnan(draws)
    first, last = math.floor(tail * len(draws)), math.ceil((1 - tail) * len(draws)) - 1
    low = np.partition(np.where(unknown, -np.inf, draws), first, axis=0)[first]
    high = np.partition(np.where(unknown, np.inf, draws), last, axis=0)[last]
    return np.where(np.isfinite(low), low, np.nan), np.where(np.isfinite(high), high, np.nan)


@lru_cache(maxsize=4)
def halves(count: int, resamples: int, seed: int) -> NDArray[np.uint8]:
    """Which of `count` queries are in each of random halves: 0 or 1, a row a half.

    A random byte decides by its first bit. They are stored, because a report's tables share them.
    """
    rng, found = np.random.default_rng(seed), np.empty((resamples, count), np.uint8)
    for start in range(0, resamples, BLOCK):
        block = found[start : start + BLOCK]
        coins = np.frombuffer(rng.bytes(block.size), np.uint8).reshape(block.shape)
        np.right_shift(coins, 7, out=block)
    return found


@lru_cache(maxsize=4)
def drawn(count: int, resamples: int, seed: int) -> NDArray[np.uint8]:
    """`draws`, which are stored, because a report's tables share them."""
    return draws(count, resamples, np.random.default_rng(seed))


def draws(count: int, resamples: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """How often each of `count` queries is drawn: a row a resample.

    Multinomial counts with equal shares, at a tenth of the time of `Generator.multinomial`. No query
    is drawn 256 times: the chance of that is below 1e-500.
    """
    found = np.empty((resamples, count), np.uint8)
    for start in range(0, resamples, BLOCK):
        block = found[start : start + BLOCK]
        cells = rng.integers(count, size=block.shape)
        cells += np.arange(0, block.size, count)[:, np.newaxis]
        block[:] = np.bincount(cells.ravel(), minlength=block.size).reshape(block.shape)
    return found


def randomisation_p(changes: Columns) -> Columns:
    """The p of the paired randomisation test over per-query differences, a column each.

    The share of all 2^n flips of the differences' signs that give a mean at least as far from 0 as
    the one that was seen (Smucker, Allan and Carterette 2007). Nothing is drawn: all flips are
    counted.
    """
    p: Columns = np.minimum(1, 2 * np.minimum(*one_sided_p(changes)))
    return p


def one_sided_p(changes: Columns) -> tuple[Columns, Columns]:
    """The p of `randomisation_p` where only a mean at least as great counts, and one at most so.

    Where the first is small that speaks for a mean above 0, where the second is for one below.
    """
    above, below = np.array([_tails(column) for column in changes.T]).reshape(-1, 2).T
    return above, below


def _tails(changes: NDArray[np.float64]) -> tuple[float, float]:
    """The shares of all flips whose sum is at least, and at most, the one that was seen.

    A flipped sum is at least the one seen where the sizes of a random half of the differences sum
    to no more than those of the losses. That distribution is counted exactly (`_sums`), with the
    sizes as whole numbers of small steps. Sums nearer than what rounding to steps does to them (half
    a step a difference, at random) count as equal.

    Among many sizes most are there twice. `half` is the distribution of the sums of one of each two,
    `rest` that of all others, which goes on from it: each sum of all sizes is one of either.
    """
    deviation = math.sqrt(float((changes**2).sum())) / 2
    if deviation < ROUNDING:
        return 1.0, 1.0
    steps = np.rint(changes * (STEPS / deviation)).astype(np.int64)
    won, lost = int(steps[steps > 0].sum()), -int(steps[steps < 0].sum())
    sizes = np.abs(steps[steps != 0])
    least, equal = min(won, lost), int(math.sqrt(len(sizes)) / 2)
    possible = sizes[sizes <= least + equal]
    different, counts = np.unique(possible, return_counts=True)
    twice, once = np.repeat(different, counts // 2), different[counts % 2 == 1]
    tilt = _tilt(different, counts, least + equal)
    half, rest = _sums([twice, once], tilt, least + equal)
    up_to, none_larger = half.cumsum(), 0.5 ** (len(sizes) - len(possible))
    rare = float(rest @ up_to[::-1]) * none_larger
    fewer = max(least - equal, 0)
    common = 1 - float(rest[:fewer] @ up_to[:fewer][::-1]) * none_larger
    return (rare, common) if lost <= won else (common, rare)


def _sums(parts: Sequence[NDArray[np.int64]], tilt: float, most: int) -> list[Columns]:
    """After each of `parts` the chance of every sum up to `most`, if a coin says which sizes so far count.

    The shift algorithm (Streitberg and Roehmel 1986): one size after the other is added or not.
    """
    reached = _reached(np.concatenate(parts), tilt, most)
    bounds = zip(*(bound.tolist() for bound in reached), strict=True)
    chance, before, found = np.zeros(most + 1), np.zeros(most + 1), []
    chance[0] = 1.0
    for part in parts:
        for start in range(0, len(part), BLOCK):
            block = part[start : start + BLOCK].tolist()
            for size, (low, high) in zip(block, bounds, strict=False):  # of all parts
                chance, before = before, chance
                first, end = max(low, size), high + 1
                chance[low:first] = before[low:first]
                np.add(before[first:end], before[first - size : end - size], chance[first:end])
            share = 0.5 ** len(block)  # halved for each of the block, before it grows too large
            chance *= share
            before *= share
        found.append(chance.copy())
    return found


def _tilt(sizes: NDArray[np.int64], counts: NDArray[np.int64], most: int) -> float:
    """With the chance 1 / (1 + exp(tilt * size)) for each, `counts` of `sizes` sum to `most` in the mean.

    0 where half of them sum to no more.
    """
    sums = sizes * counts
    too_little, too_much = 0.0, float(FAR if sums.sum() > 2 * most else 0)
    for _ in range(FAR if too_much else 0):
        tilt = (too_little + too_much) / 2
        if (sums * _taken(sizes, tilt)).sum() > most:
            too_little = tilt
        else:
            too_much = tilt
    return too_much


def _taken(sizes: NDArray[np.int64], tilt: float) -> Columns:
    chances: Columns = np.exp(-tilt * sizes) / (1 + np.exp(-tilt * sizes))
    return chances


def _reached(
    sizes: NDArray[np.int64], tilt: float, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Between which sums to count after each of `sizes`, on the way to at most `most` of all.

    Seen from there each size was taken with the chance of `_tilt`. What lies outside of the bounds
    has no share of 2 exp(-FAR) in the end (Bernstein's inequality), and would be lost in the rounding
    of floats.
    """
    chances = _taken(sizes, tilt)
    centre, variance = (sizes * chances).cumsum(), (sizes**2 * chances * (1 - chances)).cumsum()
    apart = 2 / 3 * FAR * np.maximum.accumulate(sizes) + np.sqrt(2 * FAR * variance)
    low = np.maximum(centre - apart, 0).astype(np.int64)
    return low, np.minimum(centre + apart + 1, np.minimum(sizes.cumsum(), most)).astype(np.int64)


def detectable(changes: Columns, alpha: float = ALPHA) -> Columns:
    """The smallest true difference that as many queries find with probability POWER, a column each.

    (z(1 - alpha / 2) + z(POWER)) s / sqrt(n) of a two-sided paired test at level `alpha`, in the
    normal approximation (Sakai 2018, Laboratory Experiments in Information Retrieval, chapter 6).
    NaN for a single query.
    """
    found: Columns = quantiles(alpha) * _deviations(changes) / math.sqrt(len(changes))
    return found


def queries_needed(changes: Columns, difference: float, alpha: float = ALPHA) -> Columns:
    """How many queries like these find a true `difference` with probability POWER, a column each.

    The inverse of `detectable`. NaN for a single query.
    """
    found: Columns = np.ceil((quantiles(alpha) * _deviations(changes) / difference) ** 2)
    return found


def quantiles(alpha: float) -> float:
    """How many standard errors a difference has that is found with probability POWER at `alpha`."""
    return NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(POWER)


def _deviations(changes: Columns) -> Columns:
    if len(changes) < 2:
        return np.full(changes.shape[1], np.nan)
    found: Columns = changes.std(axis=0, ddof=1)
    return found


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p adjusted for the family of all that are given (Holm 1979), by their names."""
    adjusted: dict[str, float] = {}
    running = 0.0
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, p * (len(p_values) - i)))
        adjusted[name] = running
    return adjusted
