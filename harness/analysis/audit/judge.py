"""Which differences of a table its numbers of queries can show, and how many would show the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Literal

import numpy as np

from harness.analysis.audit.table import Table
from harness.analysis.statistics import intervals

ALIKE, UNLIKE = 0.15, 0.30
"""Standard deviations over queries of the difference of two systems' nDCG@10 or reciprocal rank.

The less is that of systems that rank alike, such as a reranker and its own first stage, the greater
that of systems that do not, such as lexical and dense search. Measured on SciFact, Cranfield and
pydoc: 0.16 to 0.25, and 0.27 to 0.29 (`docs/guide/audit.md`).
"""

MEAN = "mean of datasets"
"""What stands for a dataset where the mean over all of them is compared."""

Verdict = Literal["clear", "open", "too close"]


@dataclass(frozen=True)
class Pair:
    """Two systems on a dataset, the better one first."""

    better: str
    worse: str
    difference: float
    verdict: Verdict
    factor: tuple[float, float]
    """Times as many queries as there are would show such a difference with probability POWER: for
    systems that rank alike, and for others. Infinite where they do not differ."""


@dataclass(frozen=True)
class Judged:
    """A dataset of the table, or the mean over all of them."""

    dataset: str
    queries: int
    visible: tuple[float, float]
    """The smallest difference that differs from chance: of systems that rank alike, and of others."""
    pairs: Sequence[Pair]


def judge(table: Table, deviation: float | None) -> list[Judged]:
    """Each dataset, then the mean over all if there are several.

    `deviation` is assumed of all pairs of systems; None: from ALIKE to UNLIKE. Of a table with
    values of queries nothing is assumed. All pairs of systems of a dataset are a family: corrected
    by Bonferroni where only means are known, else by Holm.
    """
    assumed = (ALIKE, UNLIKE) if deviation is None else (deviation, deviation)
    found = [_dataset(table, dataset, assumed) for dataset in table.queries]
    if len(table.queries) > 1 and not table.values:
        found.append(_mean(table, assumed))
    return found


def _dataset(table: Table, dataset: str, assumed: tuple[float, float]) -> Judged:
    count = table.queries[dataset]
    if table.values:
        return _measured(table, dataset)
    means = table.means[dataset].dropna().to_dict()
    errors = (assumed[0] / math.sqrt(count), assumed[1] / math.sqrt(count))
    return Judged(dataset, count, *_of_means(means, errors))


def _mean(table: Table, assumed: tuple[float, float]) -> Judged:
    """The mean over datasets, of the systems that the table has on all of them."""
    means = table.means.dropna().mean(axis=1).to_dict()
    spread = math.sqrt(sum(1 / count for count in table.queries.values())) / len(table.queries)
    errors = (assumed[0] * spread, assumed[1] * spread)
    return Judged(MEAN, sum(table.queries.values()), *_of_means(means, errors))


def _of_means(
    means: Mapping[str, float], errors: tuple[float, float]
) -> tuple[tuple[float, float], list[Pair]]:
    """What is visible with these standard errors of a difference, and the pairs."""
    level = intervals.ALPHA / max(math.comb(len(means), 2), 1)
    critical = NormalDist().inv_cdf(1 - level / 2)
    visible = (critical * errors[0], critical * errors[1])
    pairs = []
    for better, worse in _pairs(means):
        difference = means[better] - means[worse]
        verdict: Verdict = "open"
        if difference >= visible[1]:
            verdict = "clear"
        elif difference < visible[0]:
            verdict = "too close"
        factor = (_factor(errors[0], difference, level), _factor(errors[1], difference, level))
        pairs.append(Pair(better, worse, difference, verdict, factor))
    return visible, pairs


def _measured(table: Table, dataset: str) -> Judged:
    """By the paired test that the report uses, with the deviation that the values have."""
    values = table.values[dataset]
    pairs = list(_pairs(values.mean().to_dict()))
    if not pairs:
        return Judged(dataset, len(values), (math.nan, math.nan), [])
    changes = np.column_stack([values[better] - values[worse] for better, worse in pairs])
    names = list(map(str, range(len(pairs))))
    p = intervals.holm(dict(zip(names, intervals.randomisation_p(changes).tolist(), strict=True)))
    errors = changes.std(axis=0, ddof=1) / math.sqrt(len(values))
    level = intervals.ALPHA / len(pairs)
    visible = NormalDist().inv_cdf(1 - level / 2) * errors
    judged = []
    for i, (better, worse) in enumerate(pairs):
        difference = float(changes[:, i].mean())
        factor = _factor(float(errors[i]), difference, level)
        verdict: Verdict = "clear" if p[names[i]] < intervals.ALPHA else "too close"
        judged.append(Pair(better, worse, difference, verdict, (factor, factor)))
    return Judged(dataset, len(values), (float(visible.min()), float(visible.max())), judged)


def _pairs(means: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """All pairs of systems, the better one first; of equal ones the first in the table."""
    return combinations(sorted(means, key=lambda name: -means[name]), 2)


def _factor(error: float, difference: float, level: float) -> float:
    """Times as many queries as give this standard error find `difference` (`queries_needed`)."""
    if difference < intervals.ROUNDING:
        return math.inf
    return float((intervals.quantiles(level) * error / difference) ** 2)
