"""Percentiles of clustered latencies, with intervals that assume no distribution.

A sample of n values that lie below the true percentile with probability p holds a binomial number
of such values; so the true percentile lies between two order statistics with a probability that n
and p alone decide. Between neighbouring order statistics the bounds are interpolated, which brings
the coverage to 95 % instead of above (Hettmansperger and Sheather 1986 for the median, Nyblom 1992
for other quantiles). Calls of one query resemble each other: the ranks are those of the smaller
number of independent calls that would tell as much (the design effect, Kish 1965), scaled to the
sample.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINIMUM = {50: 1, 90: 100, 95: 200, 99: 500}
"""By percentile, the effective calls from which on it is given.

So many put 5 to 10 calls above the percentile; with fewer it is little more than the maximum. The
median is always given, because it may be all there is of a slow arm: its interval says how far to trust
it, is absent below 6 calls, and spans the middle two fifths of 20.
"""

COLUMNS = tuple(f"p{percent}{end}" for percent in MINIMUM for end in ("", "_low", "_high"))
"""Each percentile with its bounds, as a table has them."""

TAIL = 0.025
"""Probability that the true percentile lies beyond either end of an interval."""


SAME = 1e-12
"""Values that differ by less, as a share of the greatest, are equal but for the last digits."""


class Percentile(NamedTuple):
    """A percentile with the bounds of its 95 % interval; NaN for what the sample does not carry."""

    value: float
    low: float
    high: float


@lru_cache(maxsize=4096)
def positions(n: int, percent: int) -> tuple[float, float]:
    """The fractional ranks of `n` independent values that bound a percentile with 95 %; NaN for none.

    `percent` lies between 0 and 100.
    """
    return _position(n, percent), n + 1 - _position(n, 100 - percent)


def _position(n: int, percent: int) -> float:
    """The rank r + w whose tail is TAIL: X_r leaves P(B <= r - 1) beyond it, X_(r+1) P(B <= r).

    Given that r values lie below the percentile, the gaps to X_r and X_(r+1) are in the limit
    exponential with rates r / p and (n - r) / (1 - p); w is solved from the probability that the
    point between them falls beyond. At p = 1/2 this is Hettmansperger and Sheather's weight.
    """
    below = binomial(n, percent)
    rank = int(np.searchsorted(below, TAIL, side="right"))  # counts with a tail of at most TAIL
    if rank == 0:
        return math.nan
    share = (TAIL - below[rank - 1]) / (below[rank] - below[rank - 1])
    near = (n - rank) * percent * share
    return rank + float(near / (near + rank * (100 - percent) * (1 - share)))


def binomial(n: int, percent: int) -> NDArray[np.float64]:
    """P(B <= k) for k = 0 .. n, where B of `n` values lie below the percentile."""
    p = percent / 100
    k = np.arange(n + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(k[1:]))])
    chances = factorial[n] - factorial - factorial[::-1] + k * math.log(p)
    below: NDArray[np.float64] = np.cumsum(np.exp(chances + k[::-1] * math.log1p(-p)))
    return below


def design_effect(values: ArrayLike, clusters: ArrayLike) -> float:
    """1 + (m - 1) * ICC: how many clustered values tell as much as one independent value (Kish 1965).

    ICC is that of a one-way analysis of variance, clipped to [0, 1]; for clusters of unequal size m
    is the size of the cluster that a random value is in. 1 where no cluster has two values, m where
    all values are in one.
    """
    values = np.asarray(values, dtype=np.float64)
    _, codes, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    n, count = len(values), len(sizes)
    size = float((sizes**2).sum() / n)
    if n == count or np.ptp(values) <= SAME * np.abs(values).max():
        return 1.0
    if count == 1:
        return size
    means = np.bincount(codes, values) / sizes
    within = float(((values - means[codes]) ** 2).sum() / (n - count))
    between = float((sizes * (means - values.mean()) ** 2).sum() / (count - 1))
    typical = (n - size) / (count - 1)
    total = between + (typical - 1) * within
    icc = (between - within) / total if total > 0 else 0.0
    return 1 + (size - 1) * min(max(icc, 0.0), 1.0)


def effective_size(seconds: ArrayLike, clusters: ArrayLike) -> float:
    """How many independent calls tell as much of the typical latency: n over the design effect.

    Taken on log seconds, for latencies differ by factors; `clusters` are the query ids.
    """
    seconds = np.asarray(seconds, dtype=np.float64)
    if not len(seconds):
        return 0.0
    return len(seconds) / design_effect(np.log(seconds), clusters)


def percentiles(
    seconds: ArrayLike, clusters: ArrayLike, blocks: ArrayLike | None = None
) -> dict[int, Percentile]:
    """By percentile, its value (linear between order statistics) and interval.

    A percentile is given where `effective_size` reaches its MINIMUM. The ranks of its interval are
    of n over the design effect of "the call is faster than the percentile", which is what its error
    depends on (Woodruff 1952): calls of one query that share half the variance of log seconds share
    far less of whether they are among the slowest 1 %, and intervals by the former cover 97-99 %.

    Where calls follow each other in a queue, `blocks` are stretches of them: what a stretch shares
    widens the intervals too (batch means, Schmeiser 1982), by the greater of both effects.
    """
    values = np.asarray(seconds, dtype=np.float64)
    nothing = Percentile(math.nan, math.nan, math.nan)
    if not len(values):
        return dict.fromkeys(MINIMUM, nothing)
    shared = [np.unique(x, return_inverse=True)[1] for x in (clusters, blocks) if x is not None]
    carried = effective_size(values, shared[0])
    ordered = np.sort(values)
    found = dict.fromkeys(MINIMUM, nothing)
    for percent, minimum in MINIMUM.items():
        if carried >= minimum:
            value = float(np.quantile(ordered, percent / 100))
            below = (values < value).astype(np.float64)
            effect = max(design_effect(below, codes) for codes in shared)
            found[percent] = Percentile(value, *_bounds(ordered, percent, effect))
    return found


def percentile_columns(
    seconds: ArrayLike, clusters: ArrayLike, blocks: ArrayLike | None = None
) -> dict[str, float]:
    """What `percentiles` gives, by COLUMNS."""
    found = percentiles(seconds, clusters, blocks).values()
    return dict(zip(COLUMNS, itertools.chain.from_iterable(found), strict=True))


def _bounds(ordered: NDArray[np.float64], percent: int, effect: float) -> list[float]:
    n = len(ordered)
    effective = math.floor(n / effect + 1e-9)
    ranks = np.array(positions(effective, percent)) * (n + 1) / (effective + 1)
    bounds = np.interp(ranks, np.arange(1, n + 1), ordered)
    found: list[float] = np.where(np.isnan(ranks), np.nan, bounds).tolist()
    return found
