"""Alarms of texts that stand twice: queries in documents or in training, and unjudged twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from harness.analysis.quality.leaderboard import per_query
from harness.analysis.quality.reranking import read
from harness.page.text import counted, number
from harness.results.leaks import COPIED, LEARNT, TOP, TWINS
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
    LEARNT: (
        "queries near learnt ones",
        "a trained model learnt from nearly the same words",
        "without these queries",
    ),
    TWINS: (
        "unjudged twins",
        f"one of the first {TOP} documents repeats a relevant one but for a few words, and has no judgement",
        "if it had the judgement of its twin",
    ),
}
"""By reading the alarm, what is counted, and under which condition the mean is another."""


def leaks(results: Results, dataset: str) -> Iterator[tuple[str, str, bool, str]]:
    """Of each system alarm, whether the mean of the objective changes by MATTERS, and evidence."""
    metric, measured = objective(results), per_query(results, dataset, objective(results))
    for kind, (alarm, what, condition) in SAID.items():
        others = read(results, dataset, kind)
        if others.empty:
            continue
        for system, rows in others.groupby("system", sort=False):
            values, found = measured[system], rows.set_index("query_id")["value"]
            rest = values.drop(found.index)
            after = pd.concat([rest, found]).mean() if kind == TWINS else rest.mean()
            said = (
                f"For {len(found):,} of {counted(len(values), 'query')} {what}: {metric} is "
                f"{values.mean():.3f}, and {number(after, '.3f')} {condition}."
            )
            small = abs(after - values.mean()) < MATTERS
            yield str(system), alarm, not small, said
