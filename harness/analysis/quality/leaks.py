"""Alarms of texts that stand twice: queries in documents or in training, and unjudged twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from harness.analysis.quality.leaderboard import per_query
from harness.analysis.quality.reranking import read
from harness.page.text import counted, number
from harness.results.leaks import COPIED, TOP, TWINS
from harness.results.store import Results
from harness.results.terms import objective

MATTERS = 0.01
"""A change of the mean from which on it must be weighed; a smaller one is to be known."""

SAID: Mapping[str, tuple[str, str, str]] = {
    COPIED: (
        "queries in documents",
        f"one of the first {TOP} documents has the query word for word",
        "without these queries",
    ),
    TWINS: (
        "unjudged twins",
        f"one of the first {TOP} documents repeats a relevant one but for a few words, and has no judgement",
        "if it had the judgement of its twin",
    ),
}
"""By reading the alarm, what is counted, and under which condition the mean is another."""


NEAR_LEARNT = "queries near learnt ones"
"""The alarm of a trained system whose gain may come from what it remembers."""

Found = tuple[str, str, bool, str]
"""A system, an alarm, whether a mean changes by MATTERS, and evidence."""


def leaks(results: Results, dataset: str) -> Iterator[Found]:
    """What texts that stand twice do to the objective of each system that they concern."""
    metric = objective(results)
    measured = per_query(results, dataset, metric)
    yield from _standing_twice(results, dataset, metric, measured)
    yield from _near_learnt(results, dataset, metric, measured)


def _near_learnt(
    results: Results, dataset: str, metric: str, measured: pd.DataFrame
) -> Iterator[Found]:
    """The gain of each system that learnt from queries near measured ones, with and without these."""
    baseline = results.plan["baseline"]
    for system in measured.columns.drop(baseline) if baseline in measured else ():
        trainings = results.facts.get((dataset, system), {}).get("trainings", ())
        near = measured.index.intersection(
            [name for one in trainings for name in one.get("near", ())]
        )
        if len(near):
            gains = measured[system] - measured[baseline]
            gain, rest = gains.mean(), gains.drop(near).mean()
            said = (
                f"For {len(near):,} of {counted(len(gains), 'query')} a model was trained on nearly the "
                f"same words: the gain in {metric} over {baseline} is {number(gain, '+.3f')}, and "
                f"{number(rest, '+.3f')} without these queries."
            )
            yield str(system), NEAR_LEARNT, not abs(gain - rest) < MATTERS, said


def _standing_twice(
    results: Results, dataset: str, metric: str, measured: pd.DataFrame
) -> Iterator[Found]:
    for kind, (alarm, what, condition) in SAID.items():
        others = read(results, dataset, kind)
        if others.empty:
            continue
        for system, rows in others.groupby("system", sort=False):
            values, found = measured[system], rows.set_index("query_id")["value"]
            rest = values.drop(found.index)
            after = rest.mean() if kind == COPIED else pd.concat([rest, found]).mean()
            said = (
                f"For {len(found):,} of {counted(len(values), 'query')} {what}: {metric} is "
                f"{values.mean():.3f}, and {number(after, '.3f')} {condition}."
            )
            small = abs(after - values.mean()) < MATTERS
            yield str(system), alarm, not small, said
