"""The gains by the experiment's terms: measured, and estimated where people judged drawn queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.analysis.decision.gains import (
    GAINS,
    Gains,
    Loss,
    alike,
    compared,
    gains,
    none,
    tests,
    values_of,
)
from harness.analysis.judgments.estimated import Estimated, estimated
from harness.analysis.statistics import intervals
from harness.analysis.statistics.intervals import Columns
from harness.results.store import Results
from harness.results.terms import objective, terms


class _Drawn(NamedTuple):
    """The gains on one dataset."""

    mean: pd.Series[float]
    """By system."""
    draws: pd.DataFrame
    """A row a draw of that mean over other queries like these, a column a system."""


def gains_of(results: Results) -> Gains:
    """The gains by the objective, judged by the smallest that matters.

    Where nothing of a dataset was judged but drawn queries, by people, they are estimated: a document
    that nobody judged then counts as what it may be, not as wrong. Raises StoreError and DataError as
    `estimated` does.
    """
    metric, smallest = objective(results), terms(results).smallest_gain_that_matters
    judged = estimated(results, metric, smallest)
    return _estimated(results, judged) if judged else gains(results, metric, smallest)


def _estimated(results: Results, judged: Mapping[str, Estimated]) -> Gains:
    """All bounds and tests are those of one set of draws."""
    smallest, baseline = terms(results).smallest_gain_that_matters, results.plan["baseline"]
    others = [name for name in dict.fromkeys(results.trials["dataset"]) if name not in judged]
    parts, missing = values_of(results, objective(results), others)
    if any(baseline not in part for part in parts.values()):
        return none(results, missing)
    seed, queries = results.plan["seed"], sum(map(len, parts.values()))
    each = {name: _of_values(part, baseline, seed) for name, part in parts.items()}
    each |= {name: _of_judgments(one, seed) for name, one in judged.items()}
    for name in dict.fromkeys(results.trials["system"]):
        if name != baseline and any(name not in part.mean for part in each.values()):
            missing.setdefault(str(name), "it ranked nothing")
    systems = [name for name in next(iter(each.values())).mean.index if name not in missing]
    mean = np.mean([part.mean[systems].to_numpy() for part in each.values()], axis=0)
    draws: Columns = np.mean([part.draws[systems].to_numpy() for part in each.values()], axis=0)
    tested, among = alike(draws)
    found = Gains(
        table=pd.DataFrame(columns=list(GAINS)),
        means={baseline: 0.0, **dict(zip(systems, mean.tolist(), strict=True))},
        resampled={baseline: np.zeros(len(draws)), **dict(zip(systems, draws.T, strict=True))},
        queries=queries + sum(one.gains.queries for one in judged.values()),
        family=len(tested),
        by_dataset={name: _losses(part) for name, part in each.items()},
        missing=missing,
        judged=judged,
    )
    p = [_p(draws[:, tested], gain) for gain in (0.0, smallest)]
    needed = _needed(mean, draws, smallest, found)
    return compared(found, baseline, tests(systems, p, among), needed, smallest)


def _of_values(values: pd.DataFrame, baseline: str, seed: int) -> _Drawn:
    changes = values.drop(columns=baseline).sub(values[baseline], axis=0)
    halves = intervals.means_of_halves([changes.to_numpy()], seed)
    return _Drawn(changes.mean(), pd.DataFrame(halves, columns=changes.columns))


def _of_judgments(one: Estimated, seed: int) -> _Drawn:
    draws = one.gains.of_others_drawn(intervals.RESAMPLES, seed)
    systems = list(one.contenders)
    return _Drawn(pd.Series(one.gains.value, systems), pd.DataFrame(draws, columns=systems))


def _losses(part: _Drawn) -> dict[str, Loss]:
    mean = part.mean.to_numpy()
    return dict(
        zip(part.mean.index, map(Loss, *intervals.around(mean, part.draws.to_numpy())), strict=True)
    )


def _p(draws: Columns, gain: float) -> Columns:
    """Two-sided, that the mean is truly `gain`; one draw is the least that counts, and NaN is beyond."""
    beyond = np.minimum((~(draws > gain)).sum(axis=0), (~(draws < gain)).sum(axis=0))
    found: Columns = np.minimum(2 * (beyond + 1) / (len(draws) + 1), 1.0)
    return found


def _needed(mean: Columns, draws: Columns, smallest: float, found: Gains) -> Columns:
    """Queries in all, judged as far as these, that tell such gains from the smallest that matters."""
    far = intervals.quantiles(intervals.ALPHA / max(found.family, 1)) * draws.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed: Columns = np.ceil(found.queries * (far / np.abs(mean - smallest)) ** 2)
    return np.where(mean == smallest, np.inf, needed)
