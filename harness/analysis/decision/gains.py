"""How much each system gains over the baseline by the objective, over all datasets together."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.judgments.drawn_queries import FEWEST
from harness.analysis.judgments.estimated import Estimated, depth_of
from harness.analysis.judgments.journal import journal_of
from harness.analysis.quality.leaderboard import per_query
from harness.analysis.statistics import intervals
from harness.analysis.statistics.intervals import Columns
from harness.page.text import counted
from harness.results.store import NO_JUDGMENTS, Results

State = Literal["shown", "undecided", "small"]

Verdict = Literal["better", "worse", "open", "same"]

GAINS = (
    *("system", "gain", "low", "high", "p_none", "p_none_holm", "p", "p_holm"),
    *("verdict", "state", "needed"),
)
"""One row a system that was measured on every dataset: means over datasets of means over queries,
with intervals as in `leaderboard.DIFFERENCES`. The two-sided paired randomisation test is asked
twice: `p_none` is that of no gain, `p` that of a gain of just the smallest that matters; `_holm` is
corrected for the family. `state` is `shown` where `low` is at least the smallest that matters and
`p_holm` below ALPHA, else `undecided` where `gain` is at least that and above 0, else `small`.
`verdict` is `better` where that or any gain is shown (`low` above 0, `p_none_holm` below ALPHA),
`worse` where a loss is (`high` below 0), `same` where no query's value changes, so that nothing is
tested (p is NaN), else `open`. `needed` queries in all, shared among datasets as now, would tell a
true gain of this size from the smallest that matters (inf where it is just that, NaN where it is
shown)."""

ALIKE = 5
"""Decimals to which the changes of systems that are tested once are the same."""


class Loss(NamedTuple):
    """How much one system is above another in the mean, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gains:
    """The gains of an experiment, and what losses between its systems are computed from."""

    table: pd.DataFrame
    """Columns GAINS."""
    means: Mapping[str, float]
    """By system the mean over datasets; where gains are estimated, its distance to the baseline's."""
    resampled: Mapping[str, NDArray[np.float64]]
    """By system draws of that mean, the same for all systems: over each random half of the queries."""
    queries: int
    """Of all datasets."""
    family: int
    """Comparisons that are tested: systems that change a value, those that change the same once."""
    by_dataset: Mapping[str, Mapping[str, Loss]]
    """By dataset what each system gains there, with its interval."""
    missing: Mapping[str, str]
    """By system why it cannot be compared."""
    untold: frozenset[str] = frozenset()
    """Of the missing the systems with random weights or without judgments: no measurement of theirs would
    tell their quality."""
    judged: Mapping[str, Estimated] = field(default_factory=dict)
    """By dataset what its gains were estimated from, where queries were drawn and judged for that."""

    def value(self, system: str) -> float:
        """The mean of a system; NaN where it is missing, or only gains are known."""
        return math.nan if self.judged else self.means.get(system, math.nan)

    @property
    def evidence(self) -> str:
        """What the gains are known from, in words."""
        every = counted(self.queries, "query")
        nobody = sum(one.gains.queries - one.queries for one in self.judged.values())
        return f"judgments of {self.queries - nobody:,} of {every}" if nobody else every

    def judged_by_people(self) -> Iterator[str]:
        """A sentence for each dataset whose gains are estimated."""
        for dataset, one in self.judged.items():
            yield (
                f"People judged {counted(one.judged, 'document')} of {counted(one.queries, 'query')} on "
                f"{dataset}, which were drawn with known chances. The gains are estimated for all "
                f"{one.gains.queries:,} queries, with intervals and tests by Student's t: a document that "
                "nobody judged does not count as wrong."
            )

    @property
    def settled(self) -> bool:
        """Whether more judgments of the same queries would hardly change the decision."""
        return all(one.settled for one in self.judged.values())

    @cached_property
    def of(self) -> Mapping[str, Any]:
        """The rows of `table` by system."""
        return {row.system: row for row in self.table.itertuples(index=False)}

    @property
    def surest(self) -> list[Any]:
        """The rows of `table`: those that beat the baseline first, by their lower bounds, then by gain."""

        def order(row: Any) -> tuple[bool, float, float]:
            beats = row.verdict == "better"
            return beats, row.low if beats else 0.0, row.gain

        return sorted(self.of.values(), key=order, reverse=True)

    @property
    def best(self) -> Any:
        """The first of `surest`; None where nothing could be compared."""
        return next(iter(self.surest), None)

    def loss(self, taken: str, best: str, confidence: float = intervals.CONFIDENCE) -> Loss:
        """What is lost by `taken` instead of `best`; without bounds where queries do not tell."""
        value = self.means[best] - self.means[taken]
        if taken not in self.resampled:
            return Loss(value, math.nan, math.nan)
        low, high = intervals.bounds(self.resampled[best] - self.resampled[taken], confidence)
        return Loss(value, float(low), float(high))


def gains(results: Results, objective: str, smallest: float) -> Gains:
    """The gains of all systems by the metric `objective`, judged by the smallest that matters."""
    parts, missing = values_of(results, objective, dict.fromkeys(results.trials["dataset"]))
    baseline, seed = results.plan["baseline"], results.plan["seed"]
    if not parts or baseline not in next(iter(parts.values())):
        return none(results, missing)
    names = list(next(iter(parts.values())).columns)
    others = [name for name in names if name != baseline]
    values = [part.to_numpy(dtype=np.float64) for part in parts.values()]
    changes = [part[others].sub(part[baseline], axis=0).to_numpy() for part in parts.values()]
    means = np.mean([value.mean(axis=0) for value in values], axis=0).tolist()
    each = [_halves([value], seed) for value in values]
    halves = each[0] if len(each) == 1 else _halves(values, seed)
    tested, among = alike(np.concatenate(changes))
    found = Gains(
        table=pd.DataFrame(columns=list(GAINS)),
        means=dict(zip(names, means, strict=True)),
        resampled={} if halves is None else dict(zip(names, halves.T, strict=True)),
        queries=sum(map(len, values)),
        family=len(tested),
        by_dataset={
            name: _losses(part, halves, baseline)
            for (name, part), halves in zip(parts.items(), each, strict=True)
        },
        missing=missing,
        untold=_untold(results, missing),
    )
    changed = [part[:, tested] for part in changes]
    p = [p_values(changed, gain) for gain in (0.0, smallest)]
    needed = _needed(changes, found.queries, smallest, len(tested))
    return compared(found, baseline, tests(others, p, among), needed, smallest)


def compared(
    found: Gains,
    baseline: str,
    tested: Mapping[str, Sequence[float]],
    needed: Columns,
    smallest: float,
) -> Gains:
    """The same with its table: by system the gain over the baseline, and its p of GAINS."""
    rows = [
        _row(name, found.loss(baseline, name), test, smallest, float(more))
        for (name, test), more in zip(tested.items(), needed, strict=True)
    ]
    return replace(found, table=pd.DataFrame(rows, columns=list(GAINS)))


def none(results: Results, missing: Mapping[str, str]) -> Gains:
    """Where nothing can be compared."""
    nothing = pd.DataFrame(columns=list(GAINS))
    return Gains(nothing, {}, {}, 0, 0, {}, missing, _untold(results, missing))


def _untold(results: Results, missing: Mapping[str, str]) -> frozenset[str]:
    unjudged = (system for system, why in missing.items() if why.startswith(NO_JUDGMENTS))
    return results.weightless.union(unjudged)


def _halves(values: Sequence[Columns], seed: int) -> Columns | None:
    """`intervals.means_of_halves`; None for too few queries of a dataset."""
    known = min(map(len, values)) >= intervals.FEWEST
    return intervals.means_of_halves(values, seed) if known else None


def _losses(values: pd.DataFrame, halves: Columns | None, baseline: str) -> dict[str, Loss]:
    """By system what it gains on one dataset; `halves` are of the columns of `values`."""
    others = values.columns != baseline
    gain = values.loc[:, others].sub(values[baseline], axis=0).to_numpy().mean(axis=0)
    draws = None if halves is None else intervals.apart(halves[:, others], halves[:, ~others])
    found = map(Loss, *intervals.around(gain, draws))
    return dict(zip(values.columns[others], found, strict=True))


def changes(results: Results, dataset: str, metric: str) -> pd.DataFrame:
    """A row a query and a column a system: how much it changed the baseline's value."""
    values = per_query(results, dataset, metric)
    baseline = results.plan["baseline"]
    return values.drop(columns=baseline).sub(values[baseline], axis=0)


def values_of(
    results: Results, objective: str, datasets: Collection[str]
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """By dataset a row a query and a column a system; and why systems have none on some dataset."""
    systems = list(dict.fromkeys(results.trials["system"]))
    wide = {
        str(name): per_query(results, name, objective).reindex(columns=systems) for name in datasets
    }
    reasons = {(row.dataset, row.system): row.reason for row in results.trials.itertuples()}
    missing: dict[str, str] = {}
    for name, part in wide.items():
        for system in part.columns[part.isna().any() | (len(part) == 0)]:
            why = reasons.get((name, system), "") or (
                _unjudged(results, name, objective)
                if name in results.unjudged
                else f"{objective} was not measured"
            )
            missing.setdefault(str(system), f"{why} (on {name})" if len(datasets) > 1 else why)
    compared = [system for system in systems if system not in missing]
    return {name: part[compared] for name, part in wide.items() if compared}, missing


def _unjudged(results: Results, dataset: str, objective: str) -> str:
    if not journal_of(results, dataset).state.draws:
        return NO_JUDGMENTS
    if depth_of(objective) is None:
        return f"{NO_JUDGMENTS} as qrels, and {objective} is not estimated"
    return f"{NO_JUDGMENTS} yet of {FEWEST} queries, or of all that differ"


def alike(changes: Columns) -> tuple[list[int], list[int]]:
    """The columns to test, alike ones once, and for each column its place among them; -1 where all is 0."""
    places: dict[bytes, int] = {}
    family: list[int] = []
    among: list[int] = []
    for i, column in enumerate(np.round(changes.T, ALIKE) + 0.0):  # no -0.0
        if column.any() and column.tobytes() not in places:
            places[column.tobytes()] = len(family)
            family.append(i)
        among.append(places.get(column.tobytes(), -1))
    return family, among


def tests(
    systems: Sequence[str], p_of_gains: Sequence[Columns], among: Sequence[int]
) -> dict[str, list[float]]:
    """By system each p of GAINS; NaN where nothing changes.

    Given are the p of no gain and of the smallest that matters, each of the columns of `alike`.
    """
    found = []
    for p in p_of_gains:
        adjusted = intervals.holm({str(i): one for i, one in enumerate(p.tolist())})
        found += [[*p, math.nan], [*(adjusted[str(i)] for i in range(len(p))), math.nan]]
    return dict(zip(systems, np.array(found).T[list(among)].tolist(), strict=True))


def p_values(changes: Sequence[Columns], gain: float) -> Columns:
    """The p of each column that its mean over datasets of means over queries is truly `gain`."""
    queries = sum(map(len, changes))
    shares = [queries / (len(changes) * len(part)) for part in changes]  # their mean is 1
    taken = [(part - gain) * share for part, share in zip(changes, shares, strict=True)]
    return intervals.randomisation_p(np.concatenate(taken))


def _row(
    name: str, found: Loss, test: Sequence[float], smallest: float, needed: float
) -> tuple[str | float, ...]:
    """A row of GAINS: whatever is shown to gain enough is so shown to gain."""
    gain, low, high = found
    p_none, p_none_holm, _, p_holm = test
    shown = low >= smallest and p_holm < intervals.ALPHA
    state: State = "shown" if shown else "undecided" if gain >= smallest and gain > 0 else "small"
    verdict: Verdict = "open"
    if math.isnan(p_none):
        verdict = "same"
    elif shown or (low > 0 and p_none_holm < intervals.ALPHA):
        verdict = "better"
    elif high < 0:
        verdict = "worse"
    return (name, *found, *test, verdict, state, math.nan if shown else needed)


def _needed(changes: Sequence[Columns], queries: int, smallest: float, family: int) -> Columns:
    """Queries in all that tell gains of the size that was seen from the smallest that matters.

    By the inverse of `intervals.detectable`, at the first step of Holm's correction. Of several
    datasets each adds the variance of its own mean, over the square of their number. At least as
    many as it takes for the most extreme flip of n signs, p = 2 / 2^n, to be shown, and for an
    interval.
    """
    gain = np.mean([part.mean(axis=0) for part in changes], axis=0)
    alpha = intervals.ALPHA / max(family, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_tell = [part / np.abs(gain - smallest) for part in changes]  # in units of the distance
        alone = [intervals.queries_needed(part, 1.0, alpha) / len(part) for part in to_tell]
    found: Columns = np.ceil(np.sum(alone, axis=0) / len(changes) ** 2 * queries)
    fewest = max(intervals.FEWEST, math.floor(math.log2(2 / alpha)) + 1)
    return np.where(gain == smallest, np.inf, np.maximum(found, fewest))
