"""How many times as long one arm takes as another: calls of the same query and round, in pairs.

Arms are called in turn, so what the machine does meanwhile falls on both calls of a pair and
leaves their ratio. Not all of it: two equal arms show how far ratios may be off, and by that factor
every interval is widened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from harness.analysis.statistics import intervals
from harness.page.text import interval

FEWEST_QUERIES = 10
"""Below so many queries a ratio has no interval."""

QUIET = (0.97, 1.03)
"""Where the ratio of two equal arms may lie on a machine whose timings can be compared."""

ARM = ["dataset", "device", "k", "system", "mode"]

PAIR = ["dataset", "device", "k", "round", "query_id"]

RATIOS = (*ARM, "ratio", "low", "high", "pairs", "queries")
"""One row an arm and k: the geometric mean of its seconds over those of the reference. The bounds
are widened by what one system timed twice differed by, and NaN where that is not known."""

NOISE = (*RATIOS, "half_width", "noisy")
"""One row an A/A pair and k, its bounds not widened; `half_width` 0.02: differences under 2 % are not
seen here."""

Doubts = Mapping[tuple[str, str], float]
"""By dataset and device what `doubt` gives."""

Values = NDArray[np.float64]


class Ratio(NamedTuple):
    """A geometric mean of ratios with the bounds of its 95 % interval."""

    ratio: float
    low: float
    high: float

    def widened(self, doubt: float) -> Ratio:
        """With bounds that are farther by this factor, and no bounds where it is infinite."""
        if math.isinf(doubt):
            return Ratio(self.ratio, math.nan, math.nan)
        return Ratio(self.ratio, self.low / doubt, self.high * doubt)


def ratio_to(
    calls: pd.DataFrame, system: str, mode: str, seed: int, doubts: Doubts
) -> pd.DataFrame:
    """Columns RATIOS: every other arm that reranks over the arm `system`, `mode`, at equal k.

    Of an arm that retrieves, every other that retrieves. Arms that share no pair of calls with it
    have no row.
    """
    alike = (calls["mode"] == "retrieve") == (mode == "retrieve")
    first = calls[(calls["copy"] == 0) & alike]
    is_reference = (first["system"] == system) & (first["mode"] == mode)
    return _paired(first[~is_reference], first[is_reference], PAIR, seed, doubts)


def noise(calls: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Columns NOISE: the second copy of an arm over the first.

    `noisy` where the interval does not contain 1, the ratio is not within QUIET, or there are too
    few queries for an interval: a machine is not taken for quiet unseen.
    """
    second, first = calls[calls["copy"] == 1], calls[calls["copy"] == 0]
    table = _paired(second, first, [*PAIR, "system", "mode"], seed)
    ratio, low, high = (table[name] for name in ("ratio", "low", "high"))
    quiet = (low <= 1) & (high >= 1) & ratio.between(*QUIET)
    return table.assign(half_width=np.sqrt(high / low) - 1, noisy=~quiet)[list(NOISE)]


def noise_text(row: Mapping[str, Any]) -> str:
    """By what factor two equal arms differed, of a row of NOISE."""
    without = f"[no interval; queries: {row['queries']}]"
    return f"{row['ratio']:.3f} {interval(row['low'], row['high'], '.3f', without)}"


def doubt(noise: pd.DataFrame) -> float:
    """By what factor figures of equal work may differ: the farthest bound of columns NOISE from 1.

    Infinite where no two equal arms were timed, or with too few queries for an interval: a machine
    is not taken for quiet unseen.
    """
    seen = noise[["low", "high"]].dropna().to_numpy(dtype=np.float64)
    return float(np.exp(np.abs(np.log(seen)).max())) if len(seen) else math.inf


def doubts(noise: pd.DataFrame) -> Doubts:
    """The doubt of each dataset and device that has two equal arms, from columns NOISE."""
    return {
        (str(dataset), str(device)): doubt(rows)
        for (dataset, device), rows in noise.groupby(["dataset", "device"], sort=False)
    }


def _paired(
    calls: pd.DataFrame,
    reference: pd.DataFrame,
    on: Sequence[str],
    seed: int,
    doubts: Doubts | None = None,
) -> pd.DataFrame:
    """Columns RATIOS; without `doubts` the bounds are not widened."""
    pairs = calls.merge(reference[[*on, "seconds"]], on=list(on), suffixes=("", "_reference"))
    rows = []
    for arm, group in pairs.groupby(ARM, sort=False):
        seconds = group[["seconds", "seconds_reference"]].to_numpy(dtype=np.float64)
        found = geometric_mean(seconds[:, 0] / seconds[:, 1], group["query_id"], seed)
        if doubts is not None:
            found = found.widened(doubts.get((str(arm[0]), str(arm[1])), math.inf))
        rows.append((*arm, *found, len(group), group["query_id"].nunique()))
    numbers = dict.fromkeys(("ratio", "low", "high"), float)
    return pd.DataFrame(rows, columns=list(RATIOS)).astype(numbers)


def geometric_mean(ratios: ArrayLike, queries: ArrayLike, seed: int) -> Ratio:
    """The geometric mean of `ratios` with a bootstrap interval over queries, all rounds of each.

    The mean of log ratios is studentised in each resample (Efron 1981): plain percentile intervals
    of skewed ratios cover 86 to 92 % where there are 10 to 20 queries, these 92 to 95 %. Below
    FEWEST_QUERIES the bounds are NaN.
    """
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    _, codes, counts = np.unique(np.asarray(queries), return_inverse=True, return_counts=True)
    mean, count = float(logs.mean()), len(counts)
    if count < FEWEST_QUERIES:
        return Ratio(math.exp(mean), math.nan, math.nan)
    sums = np.bincount(codes, logs - mean).astype(np.float64)
    _, (error,) = _shifts_and_errors(np.ones((1, count)), sums, counts)
    weights = intervals.drawn(count, intervals.RESAMPLES, seed).astype(np.float64)
    shifts, errors = _shifts_and_errors(weights, sums, counts)
    t = np.divide(shifts, errors, out=np.zeros_like(shifts), where=errors > 0)
    tail = (1 - intervals.CONFIDENCE) / 2
    low, high = (mean - error * np.quantile(t, [1 - tail, tail])).tolist()
    return Ratio(math.exp(mean), math.exp(low), math.exp(high))


def _shifts_and_errors(
    weights: Values, sums: Values, counts: NDArray[np.integer]
) -> tuple[Values, Values]:
    """Of each row of query weights, the mean and its standard error from whole queries.

    `sums` and `counts` are those of each query's values; the error is that of a ratio of sums.
    """
    queries = len(counts)
    moments = np.column_stack([sums, counts, sums**2, sums * counts, counts**2])
    total, number, square, cross, size = (weights @ moments).T
    mean = total / number
    squares = np.maximum(square - 2 * mean * cross + mean**2 * size, 0)
    return mean, np.sqrt(squares * queries / (queries - 1)) / number
